/*
 * crash_mark.h - which activity in C brought down the process? (Programs have the shim.)
 *
 * A small shared mapping of a file in the hub has a slot for each thread that runs an activity: entered before, left after
 * the call; two stores of memory each, no system call. A handler for SEGV, BUS, FPE, ILL, ABRT and SYS marks the slot of
 * the thread that it runs on with the signal and then lets the signal have its way (handlers that were there before, core
 * dumps, the default). The next start finds the mark: that attempt has ended Stuck, code "signal:11", and counts. A kill
 * -9 or a power cut marks nothing: who is innocent does not pay.
 */
#ifndef RUNTIME_CRASH_MARK_H
#define RUNTIME_CRASH_MARK_H

#include <pawl/error.h>
#include <stdbool.h>
#include <stdint.h>

struct crash_marks;

struct crash_mark {
	char instance[129], activity[129];
	uint64_t execution, seq;
	uint32_t attempt;
	int signal;
};

/* Opens or makes the file (mode 0600) and takes over what it has: each is called for every marked slot of the run before.
 * Then all slots are free. A file that is no such file, of another version, or a link is replaced. slots: at least as many
 * as threads at a time. One per process: the handlers know the newest. with_handlers false: only the file (tests, programs
 * that have handlers of their own). */
int crash_marks_open(struct crash_marks **out, const char *path, unsigned slots, bool with_handlers,
                     void (*each)(void *arg, const struct crash_mark *mark), void *arg, struct pawl_error *err) PAWL_MUST_USE;
void crash_marks_close(struct crash_marks *m); /* the handlers of before come back; NULL is fine */

/* Any thread. Without a free slot: nothing is marked. m NULL: nothing. */
void crash_mark_enter(struct crash_marks *m, const char *instance, const char *activity, uint64_t execution, uint64_t seq, uint32_t attempt);
void crash_mark_leave(struct crash_marks *m);

/* An activity that overflows its stack needs a stack for the handler: once on each thread that runs activities. */
void crash_marks_thread_begin(void);
void crash_marks_thread_end(void);

#endif
