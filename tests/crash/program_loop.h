/* program_loop.h - what the loop and the crew of test_programs/loop.c ask their world. */
#ifndef CRASH_PROGRAM_LOOP_H
#define CRASH_PROGRAM_LOOP_H

#include <pawl/error.h>
#include <stdbool.h>
#include <stdint.h>

struct crew;
struct loop;

/* One for each runtime. */
struct program_loop {
	uint64_t random;
	bool mail;      /* the provider has something: all descriptors are ready */
	bool clock_set; /* the wall clock was */
	/* Before each wait; < 0: the process dies. */
	int (*step)(void *arg, struct pawl_error *err);
	/* Nothing can be done until timer_ns (< 0: ever). Let time pass, or something come. */
	int (*idle)(void *arg, int64_t timer_ns, struct pawl_error *err);
	bool (*ready)(void *arg, int fd); /* is there something to read? NULL: only mail tells */
	void (*freed)(struct loop *l);    /* it is about to go; NULL: nothing */
	void *arg;
	struct crew *crew;
};
extern struct program_loop *program_loop; /* of the runtime that runs now */
/* Would loop_wait tell somebody of something? */
bool program_loop_is_called(const struct loop *l, const struct program_loop *of);

#endif
