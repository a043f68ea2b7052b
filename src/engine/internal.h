/*
 * internal.h - what the files of the engine share. README.md draws the states; the invariants that asserts name:
 *
 *   E1  seq is the number of the last event that was applied, checked or made; while replaying it equals `at`
 *   E2  a decision is new only after the messages of a live turn were applied (live), else history must have it
 *   E3  once halted the code never runs again: it stays suspended until its stack is dropped
 *   E4  what is taken from `memory` depends on the code and its history only, so that a limit hits at the same place
 *   E5  nothing outlives the call by pointing into the history, the messages or the turn
 */
#ifndef ENGINE_INTERNAL_H
#define ENGINE_INTERNAL_H

#include "base/map.h"
#include "base/parts.h"
#include "engine/engine.h"
#include "os/coro.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENGINE_MEMORY_MAX ((size_t)16 * 1024 * 1024)
#define FAILURE_MESSAGE_MAX 4096
#define HISTORY_LINE_BYTES 128 /* what a line takes beside its payload, about */
#define FAILURE_DETAILS_MAX PAWL_SPILL_BYTES
#define FAILURE_CODE_MEMORY "memory-limit"
#define ENGINE_TIME_MAX_NS (INT64_C(9214646400) * 1000000000) /* 2262-01-01, the last new year that nanoseconds hold */

/* ---- what one execution is made of ---- */

/* An external event that nobody has waited for yet, or the one that a wait has got: all that carry.c needs to raise it
 * anew. */
struct raised {
	struct raised *next;
	uint64_t seq;
	uint32_t fields; /* of its EventRaised */
	struct slice data, id, key, from;
};

/* Events and waits of one name; at most one of the two lists has members. */
struct event_queue {
	struct slice name;
	struct raised *first, *last;
	uint32_t count;
	struct pawl_task *waits, *last_wait;
};

enum task_state { TASK_OPEN, TASK_DONE, TASK_FAILED };

struct pawl_task {
	enum event_type type; /* what began it: ActivityScheduled, TimerCreated, EventSubscribed ... */
	struct execution *x;
	enum task_state state;
	bool seen;            /* a wait has returned it: an event it took is used up */
	bool canceled;        /* by this code, or with it */
	bool held, rebooting; /* an activity: no attempt to come; done when the device comes back */
	uint32_t attempt;     /* of an activity: the one that runs or comes next */
	uint32_t attempt_base; /* so many do not count: they were before it was given new ones */
	uint32_t messages;    /* that it was sent */
	uint64_t seq;         /* of the event that began it; 0: nothing was recorded */
	uint64_t order;       /* when it was done, among all tasks; 0 = open */
	struct slice result;
	const pawl_failure *failure;
	/* an activity */
	const struct retry_policy *retry;
	int64_t scheduled_ns; /* or given new attempts */
	/* a child, or a detached start: its id */
	struct slice instance;
	/* of several tasks; and the groups that it is in, which are open */
	struct group *group;
	struct membership *memberships;
	/* an event wait */
	struct event_queue *queue;
	struct pawl_task *prev, *next;
	struct raised *raised;
};

struct prng {
	uint64_t s[4];
};

enum { RETURN_FAILED = -1, RETURN_CONTINUED = -2 }; /* what orchestration code returns */

/* What the next execution is to know (carry.c). */
struct carry {
	struct slice name, version, parent; /* of ExecutionStarted */
	uint64_t parent_execution, parent_ref;
	uint64_t rewound; /* so many lines are those of the execution before */
	bool has_status, has_reason, has_id;
	struct buf status;             /* the custom status; not in `memory`, as it is set again and again */
	struct slice reason, id;       /* of CancelRequested */
	int64_t cancel_delay_ms;       /* of its deadline; due.boot NONE: it has none */
	struct due cancel_due;
	bool wanted;                   /* pawl_continue_as_new was called, with ... */
	struct slice next_input, next_version; /* ... these; NONE when there is none */
};

struct execution {
	char *id;
	uint64_t number;
	pawl_orchestration_fn fn;
	struct engine_options options;
	struct coro *coro;

	bool resident;  /* the stack stays between turns */
	bool ran;       /* the coroutine was entered */
	bool live;      /* history is used up, decisions are new (E2) */
	bool started, suspended, cancel_requested;
	bool ended, dead;
	bool turn_open; /* a turn has begun that new decisions belong to */
	bool pending;   /* it is to begin later */
	bool cancel_due, shield; /* asked to cancel, and nothing was cut yet; not now */
	bool cut_unseen; /* the code was cut, and nothing has told it so */
	int stop_code;  /* PAWL_E...: halted without an end */
	struct pawl_error *err; /* of the call that runs */
	struct mismatch mismatch;

	const struct history *history; /* NULL when there is none or it is used up */
	size_t at;
	uint64_t seq, bytes; /* of history; bytes: about, see decide_count */
	int64_t time_ns; /* of the turn that was applied last */
	uint32_t actions, refused; /* in that turn */

	struct turn *turn; /* of the call that runs; NULL: replay only */
	bool turn_taken;
	struct arena turn_arena; /* owns what `out` points to */
	struct event *out;
	size_t out_count, out_cap;
	uint64_t jitter;

	struct arena memory;
	struct pawl_task **tasks; /* those with a seq, in its order */
	size_t task_count, task_cap;
	uint64_t order;
	struct map queues, ids, keys;
	struct buf key;           /* scratch */
	struct values *values;    /* NULL until one is set */
	struct scheduled *scheduled, **scheduled_end;
	struct topic *topics;
	struct operation *operation; /* of an entity: the one that runs */
	pawl_task *lock;          /* on entities, asked for or held */
	struct patch *patches;    /* that were asked for, or passed over */
	size_t patch_count;
	struct prng prng;
	const char *input;
	const pawl_failure *failure; /* the last one */
	const pawl_failure *end_failure;
	struct slice output;
	struct carry carry;
	struct event *next_out; /* the first lines of the next execution, in turn_arena */
	size_t next_count;
};

/* pawl_ctx is never defined: it is the execution under the name that its code knows. */
static inline struct execution *execution_of(pawl_ctx *ctx)
{
	return (struct execution *)(void *)ctx;
}

static inline pawl_ctx *ctx_of(struct execution *x)
{
	return (pawl_ctx *)(void *)x;
}

/* ---- execution.c: the stack, and how it is left ---- */

/* E3: called on the coroutine only, as all that may call it: memory_*, decide_*, replay_*, incoming_*, tasks_*. */
_Noreturn void execution_halt(struct execution *x);
_Noreturn void execution_stop(struct execution *x, int code, const char *fmt, ...) PAWL_PRINTF(3, 4);
_Noreturn void execution_end_failed(struct execution *x, const pawl_failure *f);

/* ---- memory.c: never NULL; over the limit the execution ends, out of memory the call does ---- */

void *memory_alloc(struct execution *x, size_t size);
struct slice memory_copy(struct execution *x, struct slice s);
/* An event's payload, loaded from its file if it was spilled; "" when it has none. NUL-terminated. */
struct slice memory_payload(struct execution *x, const struct event *e);
void memory_limit(struct execution *x);
bool memory_has_room(const struct execution *x, size_t size);

/* ---- failure.c ---- */

const pawl_failure *failure_make(struct execution *x, const char *kind, const char *code, const char *fmt, ...)
	PAWL_PRINTF(4, 5);
const pawl_failure *failure_of_event(struct execution *x, const struct failure *f);
/* A copy that is fit for a history: texts are UTF-8, there and not too long. */
const pawl_failure *failure_copy(struct execution *x, const pawl_failure *f);
/* Not UTF-8: every byte beyond ASCII becomes '?', as a history could not give it back. */
void failure_clean(char *text, size_t len);
/* slices point into f */
struct failure failure_for_event(const pawl_failure *f);

/* ---- replay.c: the cursor ---- */

/* Apply turns, recorded or new, until one leaves the execution not suspended. Suspends when there is none. */
void replay_next_turn(struct execution *x);
/* A decision made while history still has something to say: it must be the recorded one. */
void replay_decision(struct execution *x, const struct event *e);
/* Markers that may be passed over go with the turn before, also when their number matters for what is decided now. */
void replay_pass_markers(struct execution *x);
/* Is the marker of this patch the next decision in history? Then it is taken. */
bool replay_patch(struct execution *x, struct slice name);
_Noreturn void replay_patch_missing(struct execution *x, struct slice name);
/* Ends it if the memory limit struck here when it was recorded: while replaying the limit is higher (E4). */
void replay_memory_end(struct execution *x);
/* A replay is over: has it come to the end of this history? 0 or PAWL_ENONDETERMINISM. */
int replay_check_end(struct execution *x, const struct history *h, struct pawl_error *err) PAWL_MUST_USE;

/* ---- describe.c: are two decisions the same, and how a person sees one ---- */

bool decision_eq(const struct event *recorded, const struct event *made);
void decision_describe(char *out, size_t size, const struct event *e);

/* ---- decide.c ---- */

/* Check the decision against history or make it a new event; its seq. */
uint64_t decide(struct execution *x, const struct event *e);
/* One more line of history, be it recorded or new. */
void decide_count(struct execution *x, const struct event *e);
/* NULL, or why the code may not decide any more now. */
const pawl_failure *decide_limit(struct execution *x);
/* Something was asked for and refused; too often in one turn ends the execution: it may be a loop without an end. */
void decide_refused(struct execution *x, const pawl_failure *why);
/* A zeroed event at the end of this turn's; valid until the next one is added. */
struct event *decide_add_event(struct execution *x);

/* ---- incoming.c ---- */

/* Recorded: it must fit, else the history is damaged. */
void incoming_apply(struct execution *x, const struct event *e);
/* The messages of the live turn; how many became events. */
size_t incoming_take(struct execution *x);

/* ---- retry.c: pure ---- */

/* NULL when good, else what is wrong with it. Copies nothing but the pointers to codes. */
const char *retry_convert(struct retry_policy *out, const pawl_retry *in);

/* ---- tasks.c ---- */

pawl_task *tasks_new(struct execution *x, enum event_type type);
/* It began with the decision that was just made. */
void tasks_begin(struct execution *x, pawl_task *task, uint64_t seq);
pawl_task *tasks_failed(struct execution *x, enum event_type type, const pawl_failure *f);
pawl_task *tasks_find(const struct execution *x, uint64_t seq);
pawl_task *tasks_find_open(const struct execution *x, uint64_t seq, enum event_type type);
void tasks_complete(struct execution *x, pawl_task *task, struct slice result);
void tasks_fail(struct execution *x, pawl_task *task, const pawl_failure *f);
void tasks_wait(struct execution *x, const pawl_task *task);
void tasks_cancel(struct execution *x, pawl_task *task);
/* A wait that was done but not asked for: its event goes back to the front. */
void tasks_put_back(struct execution *x, pawl_task *task);
/* A wait returns it: the code sees how it ended. */
void tasks_see(struct execution *x, pawl_task *task);
/* The one that was done first, or NULL when none is done. */
pawl_task *tasks_first_done(pawl_task *const *tasks, size_t count);

/* ---- groups.c: tasks made of tasks ---- */

void groups_member_done(struct execution *x, pawl_task *member);
void groups_seen(struct execution *x, pawl_task *task);
void groups_cancel(struct execution *x, pawl_task *task);
void groups_put_back(struct execution *x, pawl_task *task);

/* ---- events.c: external events by name ---- */

struct event_queue *events_queue(struct execution *x, struct slice name);
const struct event_queue *events_find(const struct execution *x, struct slice name);
void events_wait(struct execution *x, pawl_task *wait, struct event_queue *q);
void events_drop_wait(pawl_task *wait);
void events_raise(struct execution *x, const struct event *e);
void events_put_back(struct execution *x, struct event_queue *q, struct raised *r);
/* Out of the buffer, whichever it is; a decision. */
void events_take(struct execution *x, struct event_queue *q, struct raised *r);
/* Ids and keys that history has (I2). */
bool events_is_known(struct execution *x, const struct event *e);
void events_remember(struct execution *x, const struct event *e);

/* ---- scheduled.c: events for later ---- */

void scheduled_add(struct execution *x, const struct event *e);
void scheduled_drop(struct execution *x, uint64_t seq); /* it was raised */
size_t scheduled_count(const struct execution *x);
void scheduled_carry(struct execution *x);

/* ---- topics.c: subscriptions ---- */

#if PAWL_WITH_TOPICS
size_t topics_count(const struct execution *x);
void topics_carry(struct execution *x);
void topics_carried(struct execution *x, const struct event *e);
#else /* the runtime runs none that has any */
static inline size_t topics_count(const struct execution *x)
{
	(void)x;
	return 0;
}
static inline void topics_carry(struct execution *x)
{
	(void)x;
}
static inline void topics_carried(struct execution *x, const struct event *e)
{
	(void)x, (void)e;
}
#endif

/* ---- cancel.c ---- */

/* Cut what is open, if that was asked for and is to be now. True: something was. */
bool cancel_takes_effect(struct execution *x);
_Noreturn void cancel_end(struct execution *x); /* as Canceled */
/* The code is told of a failure: it knows that it was cut. */
static inline void cancel_told(struct execution *x)
{
	x->cut_unseen = false;
}

/* ---- entity.c ---- */

#if PAWL_WITH_ENTITIES
bool entity_is(const struct execution *x); /* its id says so */
int entity_run(struct execution *x);       /* what it does: one operation after the other */
#else
static inline bool entity_is(const struct execution *x)
{
	(void)x;
	return false;
}
static inline int entity_run(struct execution *x)
{
	(void)x;
	return PAWL_EBUG;
}
#endif

/* ---- carry.c: what goes over to the next execution ---- */

void carry_init(struct carry *c);
void carry_release(struct carry *c);
void carry_started(struct execution *x, const struct event *e);
void carry_cancel(struct execution *x, const struct event *e);
void carry_status(struct execution *x, const struct event *e); /* ExecutionStarted, CustomStatusSet */
/* One more of the first lines; count them before (values_count). */
struct event *carry_event(struct execution *x);
/* The code has returned so: the end of this execution, and what the next one begins with. */
void carry_on(struct execution *x);

/* ---- values.c ---- */

size_t values_count(const struct execution *x);
void values_carry(struct execution *x);  /* a KeyValueCarried for each */
void values_carried(struct execution *x, const struct event *e);

/* ---- patch.c ---- */

#define PATCH_DEPRECATED "deprecated" /* `status` of a marker that need not be asked for any more */
/* Such a marker was passed over: who asks later is told that it is there. */
void patch_passed(struct execution *x, struct slice name);

/* ---- random.c ---- */

void prng_seed(struct prng *p, const uint64_t seed[2]);
uint64_t prng_next(struct prng *p);
uint64_t prng_mix(uint64_t *state); /* one step of a 64-bit generator */
#define PRNG_UUID_SIZE 37
void prng_uuid(struct prng *p, char out[PRNG_UUID_SIZE]);

/* ---- arithmetic that stays at the ends ---- */

static inline int64_t sat_add(int64_t a, int64_t b)
{
	if (b > 0 && a > INT64_MAX - b)
		return INT64_MAX;
	if (b < 0 && a < INT64_MIN - b)
		return INT64_MIN;
	return a + b;
}

#endif
