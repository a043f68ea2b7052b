/*
 * work.h - attempts at activities, for work*.c alone.
 *
 *	work.c          the object; its result becomes a message to the instance; canceling
 *	work_start.c    which way an attempt goes, and when: registration, limits, priorities, pressure, expiry
 *	work_thread.c   functions, on the crew's threads: cooperative ends, threads that never return
 *	work_process.c  programs: the shim, adoption
 *	work_queue.c    outside workers: offered, claimed, finished
 *	work_record.c   what people and activities see: carrier files, dead letters
 *	work_message.c  messages to running activities
 *	work_api.c      what activities in C call
 *
 *	        pump: a slot is free, the device has what it needs
 *	queued ─────────────────────────────────────────────────────► running ──► done: a message to the instance
 *	  │  └─ over a limit: blocked until one of its kind ends         │
 *	  └───────────────── canceled ◄──────────────────────────────────┘       (dropped when canceled)
 *
 * The states that people see are those of activity_state.h; every change of w->state goes through work_event().
 *
 * Nothing here has to be on disk: after a power cut the open ActivityScheduled in history starts the attempt again. After
 * the end of the runtime alone, programs are adopted from their work directories and outside workers from the queue.
 */
#ifndef RUNTIME_WORK_H
#define RUNTIME_WORK_H

#include "base/error.h"
#include "base/parts.h"
#include "os/atomic64.h"
#include "runtime/activity_state.h"
#include "runtime/runtime.h"

#define DEFER_DEFAULT_MS 30000
#define LOOK_AGAIN_MS 1000
#define PRIORITY_DEFAULT 5

enum work_kind { WORK_THREAD, WORK_PROCESS, WORK_OUTSIDE, WORK_KINDS };

/* A message that the orchestration has sent to a running activity in C. */
struct work_letter {
	struct work_letter *next;
	char text[];
};

/* One attempt. While the function runs on its thread, only what is marked `shared` is touched by both sides. */
struct pawl_work {
	struct crew_job job;       /* first: the crew gives it back */
	struct heap_node watch;    /* in rt->watches: when to look at it */
	struct pawl_work *all_next, *all_prev, *queue_next;
	struct pawl_runtime *rt;
	struct effect *effect;     /* NULL when nobody wants the result */
	struct instance *instance;
	uint64_t seq, execution;
	uint32_t attempt, priority;
	char *id, *name, *key, *input;
	char *spilled;             /* the input, when it came from a file */
	size_t input_len;
	char *tag, *session;       /* NULL = none */
	struct activity activity;
	enum work_kind kind;
	enum activity_state state;
	struct limit *limit;       /* counts it while it runs */
	struct process *process;
	char *offer;               /* the item in the work queue */
	struct worker *worker;     /* who claimed it */
	int64_t worker_start;      /* and when that process began (clock ticks), 0 = not known */
	int32_t found_worker;      /* who had it, as a runtime before us wrote down */
	int64_t attempt_ms;        /* of the call's policy */
	int64_t timeout_ms, heartbeat_ms, grace_ms; /* 0 = none */
	bool has_policy;           /* the orchestration said how to retry */
	bool running, unregistered, expired;
	bool late, silent, abandoned; /* of a function: told to return, for want of a heartbeat; no longer waited for */
	int64_t watch_from_ns;     /* of a function: when it was told */
	char dir[640];             /* work directory, "" = none yet */
	struct buf records;        /* of the carrier, once they were needed */
	bool has_records, records_cut;
	/* shared */
	atomic_bool canceled;
	struct atomic64 began_ns, beat_ns; /* CLOCK_BOOTTIME, 0 = not yet */
	int64_t progress_ns;       /* the function's */
	struct work_letter *letters, *letters_last, *letters_read; /* under rt->letters_lock */
	struct arena texts;        /* the function's: members of structs that it has read from JSON */
	/* the result */
	enum work_outcome outcome;
	struct buf output;
	int64_t defer_ms;
	char code[64], message[PAWL_ERROR_TEXT_MAX]; /* last: they are not zeroed */
};

/* How many of one activity run; kept for those that have a limit of their own. */
struct limit {
	unsigned running;
	struct work_list blocked[CREW_RANKS]; /* by priority */
	char name[];
};

/* Which activities had brought down the run before, to be delivered when all instances are loaded. */
struct crash_seen {
	struct crash_seen *next;
	struct crash_mark mark;
};

struct left_behind {
	struct pawl_runtime *rt;
	const char *id;
	const struct view *view;
	uint64_t execution;
};

/* work.c */
struct pawl_work *work_new(struct pawl_runtime *rt, struct effect *effect, const struct open_item *item, const struct event *event,
                           struct pawl_error *err);
void work_free(struct pawl_work *w);
void work_result(struct pawl_runtime *rt, struct pawl_work *w); /* w->outcome and the rest are set */
void work_event(struct pawl_work *w, enum activity_event event);
void work_check_output(struct pawl_work *w);
void work_set_failure(struct pawl_work *w, enum work_outcome outcome, const char *code, const char *fmt, ...) PAWL_PRINTF(4, 5);
void work_defer(struct pawl_runtime *rt, struct pawl_work *w, int64_t delay_ms); /* w->message says why; w is gone */
void work_watch(struct pawl_runtime *rt, struct pawl_work *w, int64_t at_ns);    /* look at it then */
void work_queue_put(struct work_list *list, struct pawl_work *w);
struct pawl_work *work_queue_take(struct work_list *list);

/* work_start.c */
void limit_adopt(struct pawl_runtime *rt, struct pawl_work *w);
void limit_release(struct pawl_runtime *rt, struct pawl_work *w);
void expiry_begun(struct pawl_runtime *rt, struct effect *e);

/* work_thread.c */
void thread_begin(struct pawl_runtime *rt, struct pawl_work *w);
void thread_look(struct pawl_runtime *rt, struct pawl_work *w, int64_t now);
void thread_told_to_end(struct pawl_runtime *rt, struct pawl_work *w);

/* work_process.c */
int process_begin(struct pawl_runtime *rt, struct pawl_work *w, struct pawl_error *err);
bool process_find(struct pawl_runtime *rt, struct pawl_work *w); /* true: it was adopted, or its result is being delivered; w is taken care of */

#if PAWL_WITH_WORKERS
/* work_queue.c */
int outside_begin(struct pawl_runtime *rt, struct pawl_work *w, struct pawl_error *err);
bool outside_find(struct pawl_runtime *rt, struct pawl_work *w); /* true: it is in the queue already */
void outside_look(struct pawl_runtime *rt, struct pawl_work *w, int64_t now);
void outside_end(struct pawl_runtime *rt, struct pawl_work *w, bool tell); /* out of the queue; tell: the worker */
void outside_leave(struct pawl_runtime *rt, struct pawl_work *w);
const char *outside_worker(const struct pawl_work *w); /* who has it, NULL = nobody */
void queue_look(struct pawl_runtime *rt);      /* when it has changed */
int queue_find_all(struct pawl_runtime *rt, struct pawl_error *err); /* before instances are loaded: for outside_find */
void queue_drop_rest(struct pawl_runtime *rt); /* after that */
#else
static inline int outside_begin(struct pawl_runtime *rt, struct pawl_work *w, struct pawl_error *err)
{
	(void)rt;
	return err_set(err, PAWL_EUNSUPPORTED, "activity '%s' is not registered here, and no worker can take it: " WITHOUT_PART("WORKERS"), w->name);
}
static inline bool outside_find(struct pawl_runtime *rt, struct pawl_work *w)
{
	(void)rt, (void)w;
	return false;
}
static inline void outside_look(struct pawl_runtime *rt, struct pawl_work *w, int64_t now)
{
	(void)rt, (void)w, (void)now;
}
static inline void outside_end(struct pawl_runtime *rt, struct pawl_work *w, bool tell)
{
	(void)rt, (void)w, (void)tell;
}
static inline void outside_leave(struct pawl_runtime *rt, struct pawl_work *w)
{
	(void)rt, (void)w;
}
static inline const char *outside_worker(const struct pawl_work *w)
{
	(void)w;
	return NULL;
}
static inline void queue_look(struct pawl_runtime *rt)
{
	(void)rt;
}
static inline int queue_find_all(struct pawl_runtime *rt, struct pawl_error *err)
{
	(void)rt, (void)err;
	return 0;
}
static inline void queue_drop_rest(struct pawl_runtime *rt)
{
	(void)rt;
}
#endif

/* work_record.c */
int work_dir_make(struct pawl_work *w, struct pawl_error *err); /* PAWL_EBUSY: one of an execution before still runs there */
bool work_dir_is_of_another(const struct pawl_runtime *rt, uint64_t execution, const char *dir); /* execution */
int carrier_text(struct pawl_work *w, const char *reason, int64_t next_ns, int32_t pid, struct buf *out);
int record_state(struct pawl_work *w, const char *reason, int64_t next_ns, int32_t pid);

/* work_message.c */
int messages_deliver_all(struct pawl_runtime *rt, struct pawl_work *w, struct pawl_error *err); /* before an attempt begins, and when it was found again */
void letters_free(struct pawl_work *w);

/* reboot.c */
void reboot_planned(struct pawl_runtime *rt, struct pawl_work *w); /* post it: it is done when the device comes back */

#endif
