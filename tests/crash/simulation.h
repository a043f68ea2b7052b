/* simulation.h - one run of the simulated device of test_simulation/: what it is given, and what came of it. */
#ifndef CRASH_SIMULATION_H
#define CRASH_SIMULATION_H

#include <stdbool.h>
#include <stdint.h>

#define INCIDENTS_MAX 64

enum incident_kind {
	INCIDENT_KILL_OWNER, /* kill -9 of the runtime that has the hub, in or before a system call */
	INCIDENT_KILL_ANY,   /* of whoever makes this call */
	INCIDENT_CUT,        /* the power fails in one of the next calls that change something */
	INCIDENT_STOP,       /* the runtime is asked to stop */
	INCIDENT_KILL_SHIM,
	INCIDENT_DISK_FULL,  /* for a while */
	INCIDENT_FAIL,       /* one call fails: EIO, EMFILE, ENOSPC */
	INCIDENT_OVERFLOW,   /* the queue of watched events is short for a while */
	INCIDENT_LOST_EVENTS, /* nothing is told of what happens in directories for a while */
	INCIDENT_CLOCK,      /* the wall clock is set */
	INCIDENT_NO_LEASES,  /* for a while */
	INCIDENT_KINDS,
};

struct incident {
	enum incident_kind kind;
	unsigned gap;        /* system calls since the one before */
	uint64_t seed;
};

struct simulation {
	uint64_t seed;
	unsigned inputs;     /* of clients and shells */
	struct incident incidents[INCIDENTS_MAX];
	unsigned incident_count;
};

struct simulation_result {
	char why[1600];      /* "" when all is well */
	uint64_t hash;       /* of all that has happened */
	uint64_t calls, steps, recoveries, commits, events, instances, attempts;
	uint64_t happened[INCIDENT_KINDS];
};

void simulation_make(struct simulation *s, uint64_t seed);
void simulation_run(const struct simulation *s, struct simulation_result *r);
void simulation_release(void); /* what is kept between runs */
const char *incident_name(enum incident_kind kind);
extern bool simulation_trace; /* every step on stdout */

#endif
