/*
 * runtime_world.h - a whole runtime in this process, over a hub in memory or in a temporary directory, whose storage fails
 * and whose clocks jump when a test says so. One world at a time.
 *
 * Other threads (the runtime's, activities, the log) leave what they did under one lock and ring; await() sleeps until
 * something holds. No test depends on how long anything takes: BOUND_S only keeps one that hangs from hanging for ever.
 */
#ifndef TESTS_UNIT_RUNTIME_WORLD_H
#define TESTS_UNIT_RUNTIME_WORLD_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <pawl/pawl.h>
#include <pawl/provider.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "history/event.h"
#include "runtime/runtime.h"

#define BOUND_S 60

struct runtime_world {
	bool on_disk;
	char dir[64];             /* temporary: configuration, and the hub when it is on disk */
	char hub[96], config[96];
	pawl_options options;     /* of the next rw_open */
	pawl_runtime *rt;
	pthread_t thread;
	bool running;
	int code;                 /* of the last pawl_run */
	struct pawl_error err;
	struct pawl_provider *client; /* to send and read */
};

int rw_setup(void **state);      /* in memory */
int rw_setup_disk(void **state);
int rw_teardown(void **state);   /* ends what still runs */

void rw_config(struct runtime_world *w, const char *yaml); /* for the next rw_open; skips the test in a build without YAML */
void rw_open(struct runtime_world *w);
void rw_run(struct runtime_world *w);   /* on a thread of its own */
void rw_begin(struct runtime_world *w); /* both */
int rw_stop(struct runtime_world *w);   /* what pawl_run returned */
int rw_join(struct runtime_world *w);   /* the same, when it ends by itself */
void rw_close(struct runtime_world *w);
void rw_end(struct runtime_world *w);   /* stop without an error, and close */
void rw_restart(struct runtime_world *w);
/* Another owner takes the hub: pawl_run ends with PAWL_EFENCED, nothing that was on its way is saved. Memory only. */
void rw_crash(struct runtime_world *w);
void rw_fence(struct runtime_world *w); /* only the first half: the runtime is about to find out */

/* ---- what a program does ---- */

void rw_start(struct runtime_world *w, const char *type, const char *id, const char *input);
void rw_raise(struct runtime_world *w, const char *id, const char *event, const char *data);
int rw_send(struct runtime_world *w, enum pawl_message_kind kind, const char *id, const char *name, const char *data);
#define rw_expect(w, id, output) rw_expect_((w), (id), (output), __FILE__, __LINE__)       /* it completes with this */
#define rw_expect_end(w, id, code, text) rw_expect_end_((w), (id), (code), (text), __FILE__, __LINE__) /* it ends otherwise, telling text */
void rw_expect_(struct runtime_world *w, const char *id, const char *output, const char *file, int line);
void rw_expect_end_(struct runtime_world *w, const char *id, int code, const char *text, const char *file, int line);
/* All that was asked of the loop before is done as far as it can be now. */
void rw_settle(struct runtime_world *w);
/* Call fn where the loop runs, and wait for it. */
void rw_on_loop(struct runtime_world *w, void (*fn)(struct pawl_runtime *rt));
void rw_reload(struct runtime_world *w); /* as SIGHUP */

/* ---- what is in the hub ---- */

char *rw_history(struct runtime_world *w, const char *id, uint64_t execution); /* malloc'd; "" when there is none */
size_t rw_count(struct runtime_world *w, const char *id, enum event_type type); /* such lines of execution 1 */
void rw_await_count(struct runtime_world *w, const char *id, enum event_type type, size_t count); /* so many or more */
char *rw_note(struct runtime_world *w, const char *id); /* malloc'd, or NULL */
void rw_await_note(struct runtime_world *w, const char *id, const char *part); /* part NULL: until there is none */

/* ---- waiting ---- */

void rw_lock(void);
void rw_unlock(void);
void rw_ring(void); /* with the lock */
bool rw_sleep(void); /* with the lock, until the next ring; false: the time that rw_lock began is over */

#define await(condition)                                                                \
	do {                                                                            \
		bool good_ = true;                                                      \
		rw_lock();                                                              \
		while (good_ && !(condition))                                           \
			good_ = rw_sleep();                                             \
		rw_unlock();                                                            \
		if (!good_)                                                             \
			fail_msg("waited in vain until %s", #condition);                \
	} while (0)

/* For what nobody rings about (files, threads of the kernel): looks every millisecond. */
#define await_look(condition)                                                           \
	do {                                                                            \
		long looks_ = 0;                                                        \
		while (!(condition))                                                    \
			if (!rw_look_again(&looks_))                                    \
				fail_msg("looked in vain until %s", #condition);        \
	} while (0)
bool rw_look_again(long *looks);

/* Where an activity stops until the test lets it go. */
struct gate {
	unsigned came;
	bool is_open;
};

bool gate_pass(struct gate *g); /* activities; false: nobody opened it in time */
void gate_open(struct gate *g);
#define gate_await(g, n) await((g)->came >= (n))

/* Log lines since the world began, with the lock (in await) or without. */
bool rw_logged(const char *part);
#define rw_await_log(part) await(rw_logged(part))
void rw_log_forget(void);

/* ---- storage that fails; fields under the lock ---- */

struct rw_storage {
	int begin_times, begin_code;       /* so many commits fail when they begin, */
	int end_times, end_code;           /* at their end, */
	int maintain_times, maintain_code; /* and maintenance, */
	int read_times, read_code;         /* and reading a history, */
	int spill_times, spill_code;       /* and a payload in a file */
	const char *taken[4];              /* creating one of these is refused as taken, */
	bool refuse_at_end;                /* when the commit ends, not when it begins */
	const char *full;                  /* records of this one are refused as too big */
	bool hold;                         /* commits stop on their way */
	int die_at;                        /* with the commit of this number from now the runtime dies: fenced off, */
	bool die_durable;                  /* and that commit is durable all the same */
	bool forget_acks;                  /* as when the power goes between commit and ack */
	unsigned begins, holding, failed, commits, maintains, reads, notes; /* what happened */
	size_t records_most;               /* records of the largest commit that succeeded */
};
extern struct rw_storage rw_storage;
void rw_hold(void);    /* commits stop on their way from now on */
void rw_release(void);

/* ---- clocks that jump: added to the real ones, when options.os is rw_os() ---- */

const struct os *rw_os(void);
void rw_boot_clock(int64_t ms);      /* CLOCK_BOOTTIME is that far ahead */
void rw_wall_clock(int64_t ms);
void rw_pass(struct runtime_world *w, int64_t ms); /* so much more time goes by on both, and the loop looks */
void rw_boot_id(const char *id);
void rw_no_randomness(bool none);
/* Does the loop sleep? Counted are its looks at the clock while nothing happens. */
bool rw_is_idle(struct runtime_world *w);

#endif
