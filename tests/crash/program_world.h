/*
 * program_world.h - one run of a program on a whole runtime in this thread, with simulated time and crashes.
 *
 * The code of the runtime is the real one, but for the event loop and the threads: those of this world do one thing at a
 * time, in an order drawn from a seed. Time passes only while there is nothing else to do.
 */
#ifndef CRASH_PROGRAM_WORLD_H
#define CRASH_PROGRAM_WORLD_H

#include "program.h"

#define CRASHES_MAX 4

enum program_crash {
	CRASH_BEFORE, /* the commit never is durable; activities of before may have run meanwhile */
	CRASH_AFTER,  /* it is, but nobody was told */
	CRASH_LATER,  /* some steps behind it */
	CRASH_STOP,   /* a stop, and a start */
	CRASH_KINDS,
};

struct crash {
	unsigned commit;     /* counted over all starts */
	enum program_crash kind;
	unsigned steps;      /* CRASH_LATER; on disk CRASH_BEFORE: in this operation of the commit */
	unsigned lost;       /* what was removed and archived since so many commits is there again */
	bool reboot;         /* on disk: a power cut */
};

struct run_options {
	bool on_disk, replay_only;
	unsigned resident_max; /* 0: all */
	uint64_t seed;         /* of the order in which things are done */
	struct crash crashes[CRASHES_MAX];
	unsigned crash_count;
};

/* How an instance has ended. key: its label, and which attempt at a child it was. */
struct run_end {
	char key[140], id[140];
	char status[16];
	unsigned executions;
	char *text; /* output or error */
};

struct run_effect {
	char label[160];
	unsigned attempt, times;
};

struct run_result {
	char why[1200];    /* "" when all is well */
	struct run_end *ends;
	size_t end_count;
	struct run_effect *effects;
	size_t effect_count;
	unsigned commits, crashes, instances;
};

void run_program(const struct program *p, const struct run_options *o, struct run_result *r);
void run_release(struct run_result *r);
extern bool run_verbose; /* the log of the runtime on stdout */

#endif
