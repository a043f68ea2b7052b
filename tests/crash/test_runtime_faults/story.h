/*
 * story.h - a whole runtime on a simulated machine does some twenty things, from a start by a client to a purge, while one of
 * its calls fails, or all from some call on; and what must be true of it.
 */
#ifndef CRASH_RUNTIME_FAULTS_STORY_H
#define CRASH_RUNTIME_FAULTS_STORY_H

#include "os/os_sim.h"
#include <stdint.h>

enum story_after { AFTER_GO_ON, AFTER_KILL, AFTER_CUT }; /* some moments behind the failure */

struct story_case {
	uint32_t ops;        /* enum gate_op */
	int error;
	unsigned nth;
	bool forever;        /* until it is over, some minutes later */
	bool quiet_clock;    /* GATE_CLOCK: nobody tells the runtime of the jump */
	enum story_after after;
	size_t watch_queue;  /* 0: as it is */
	uint64_t capacity;   /* 0: as it is; else the disk has only so many more bytes from the first purge on */
};

struct story_result {
	char why[700];       /* "" when all is well */
	unsigned fired, calls;
	int64_t took_ms;
	unsigned lives;
};

void story_run(const struct story_case *c, struct story_result *r);
/* Each text that the runtime has logged while something failed, and how often. */
void story_print_lines(void);
extern bool story_verbose;

#endif
