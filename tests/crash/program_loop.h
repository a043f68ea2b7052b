/* program_loop.h - what the loop of test_programs/loop.c asks its world. */
#ifndef CRASH_PROGRAM_LOOP_H
#define CRASH_PROGRAM_LOOP_H

#include <pawl/error.h>
#include <stdbool.h>
#include <stdint.h>

struct program_loop {
	uint64_t random;
	bool mail; /* the provider has something */
	/* Before each wait; < 0: the process dies. */
	int (*step)(void *arg, struct pawl_error *err);
	/* Nothing can be done until timer_ns (< 0: ever). Let time pass, or something come. */
	int (*idle)(void *arg, int64_t timer_ns, struct pawl_error *err);
	void *arg;
};
extern struct program_loop program_loop;

#endif
