/*
 * gate.h - the n-th call that a runtime makes fails: of the table of os.h, over a simulated machine, or for memory. The
 * program is linked with --wrap for malloc and its like, so the allocator behind it is that of the build (sanitizers' too).
 *
 * What the test itself does goes between gate_quiet(1) and gate_quiet(-1): it counts for nothing and never fails.
 */
#ifndef CRASH_RUNTIME_FAULTS_GATE_H
#define CRASH_RUNTIME_FAULTS_GATE_H

#include "os/os_sim.h"

enum gate_op {
	GATE_ALLOC = 1 << 0, /* malloc, calloc, realloc, strdup, strndup */
	GATE_MAP = 1 << 1,   /* mmap: stacks */
	GATE_OPEN = 1 << 2,
	GATE_READ = 1 << 3,
	GATE_WRITE = 1 << 4,
	GATE_RESIZE = 1 << 5, /* truncate and allocate */
	GATE_SYNC = 1 << 6,   /* of a file */
	GATE_SYNC_DIR = 1 << 7,
	GATE_CLOSE = 1 << 8,  /* closed all the same */
	GATE_STAT = 1 << 9,
	GATE_RENAME = 1 << 10,
	GATE_UNLINK = 1 << 11,
	GATE_MKDIR = 1 << 12,
	GATE_CHMOD = 1 << 13,
	GATE_LIST = 1 << 14,
	GATE_LOCK = 1 << 15,
	GATE_WATCH_OPEN = 1 << 16,
	GATE_WATCH_ADD = 1 << 17,
	GATE_WATCH_READ = 1 << 18,
	GATE_RANDOM = 1 << 19,
	GATE_PROCESS = 1 << 20, /* boot_id, self_id, process_id */
	GATE_CLOCK = 1 << 21,   /* the wall clock is wrong from there on; see gate_jump */
};

void gate_arm(uint32_t ops, int error, unsigned nth, bool forever); /* nth 0: nothing fails, calls are counted */
void gate_heal(void);                 /* nothing fails any more */
extern int64_t gate_jump_ns;          /* GATE_CLOCK: by so much */
unsigned gate_fired(void);            /* so many calls have failed */
unsigned gate_calls(void);            /* that could have, since it was armed */
bool gate_is_armed(void);             /* more would fail */
const char *gate_what(void);          /* the first that has: "open 'inbox'" */
void gate_quiet(int by);

/* The table of process 0. One machine at a time. */
const struct os *gate_os(struct os_sim *sim);
bool gate_mail(struct os_sim *sim);   /* one of its watches has something to tell */

/* Memory that was allocated since gate_forget and not freed: how many, and from where the first of them was. */
unsigned gate_unfreed(void **where);
void gate_forget(void);

#endif
