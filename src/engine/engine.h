/*
 * engine.h - one execution of an orchestration: replays its history, takes a turn's messages, says what was decided.
 *
 * Pure: no clock, no files, no threads, no randomness but what it is given (I5). In: the registered function, history
 * events, the messages of a turn and the turn's time. Out: new history events. What has to happen because of them
 * (start an activity, arm a timer) follows from the events alone, so the runtime derives it the same way after a crash.
 *
 *	           load(history)             turn(messages)              turn
 *	 (new) ───────────────► at its end ───────────────► waiting ────────────┐
 *	   │                        │                          ▲                │
 *	   │                        └── mismatch ─► PARKED     └────────────────┘──► ended
 *
 * One pass: replay runs the code once. When it waits for something that history has, the next recorded turn is applied
 * and it goes on; only at the end of history does it really stop. So replay-only mode costs one replay a turn, and a
 * resident stack costs none.
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "history/event.h"
#include "history/history.h"
#include <pawl/pawl.h>

struct execution;

/*
 * Entities. An instance whose id begins with ENTITY_PREFIX is one: "entity:NAME:KEY", of type NAME. Its operations are
 * external events with the name ENTITY_EVENT, `from` who asked (@INSTANCE/EXECUTION/SEQ), and data of which the first line says what it is:
 *
 *	signal OPERATION\nINPUT     call OPERATION\nINPUT      from anybody; a call is answered (EntityAnswered)
 *	lock\nID\nID ...           unlock\nID\nID ...        for this entity (the first id) and then those that follow,
 *	                                                     to which it is passed on (EntityLockPassed, with this data)
 *
 * EntityLockPassed without data tells `instance` in its `execution` that the lock asked for in line `ref` is granted; with data it is an
 * operation for the entity `instance`, whose sender is the `key` (an instance), `execution` and `ref` of who asked for the lock.
 * EntityLockRequested has the ids, a line each, in their order; the first gets the lock or unlock operation with all of them.
 */
#define ENTITY_PREFIX "entity:"
#define ENTITY_EVENT "pawl:op"
#define ENTITY_SIGNAL "signal "
#define ENTITY_CALL "call "
#define ENTITY_LOCK "lock\n"
#define ENTITY_UNLOCK "unlock\n"

struct engine_options {
	bool resident;        /* keep the stack between turns */
	size_t stack_bytes;   /* 0 = PAWL_STACK_BYTES */
	size_t memory_max;    /* of what pawl_alloc and results may take; 0 = 16 MiB */
	uint32_t events_buffered_max; /* 0 = PAWL_EVENTS_BUFFERED_MAX */
	uint64_t history_bytes_max;   /* events from outside are refused from there on; 0 = PAWL_HISTORY_BYTES_MAX */
	/* Load a payload that was spilled to a file; *out malloc'd. */
	int (*load_spill)(void *arg, const char *instance, const char *file, char **out, size_t *len, struct pawl_error *err);
	/* pawl_log lines, not while replaying. */
	void (*log)(void *arg, const char *instance, const char *line);
	void *arg;
};

enum message_result {
	MESSAGE_TAKEN,     /* in this turn's events */
	MESSAGE_DUPLICATE, /* history has it already: drop it (I2) */
	MESSAGE_STALE,     /* answers nothing that is open: drop it */
	MESSAGE_REFUSED,   /* over a limit; `why` says which */
	MESSAGE_LATER,     /* not looked at: it is for the next execution */
};

/* A message is the event it wants to become (class IN, without seq): ActivityCompleted, ActivityFailed, ActivityRebooting,
 * TimerFired, EventRaised, ExecutionSuspended/Resumed/Terminated, CancelRequested, and ActivityRetrying with `ref` (and
 * `id`, `reason`), which gives a held activity new attempts. The engine decides what becomes of an ActivityFailed: `retry`
 * in it is the policy where the code gave none, `delay_ms` EVENT_DELAY_HELD asks to hold the activity when no attempt is
 * left. A failure of kind "stuck" that is final gets the kind "poison". One with a seq is a line that is in the history
 * already, and was put there since the last turn (event_is_delivered); those come in order, and a line that was loaded is
 * passed over. Input for the result. */
struct message {
	struct event event;
	enum message_result result;
	const char *why;
	void *owner; /* the runtime's */
};

struct turn {
	int64_t time_ns;      /* CLOCK_REALTIME: what pawl_now gives */
	int64_t boot_ms;      /* CLOCK_BOOTTIME, for due times */
	struct slice boot;    /* first 8 digits of the boot id */
	uint64_t random;      /* for jitter */
	struct message *messages;
	size_t message_count;
	/* out; the events live until the next call on the execution */
	struct event *events;
	size_t event_count;
	struct event *next; /* the last event is ExecutionContinuedAsNew: the first lines of the next execution, in the same commit */
	size_t next_count;  /* 0: it does not go on as another */
	bool ended;
};

/* What did not match, when a call returned PAWL_ENONDETERMINISM. */
struct mismatch {
	uint64_t seq;        /* the history line */
	char expected[256];  /* what history has */
	char actual[256];    /* what the code did */
};

/* id and fn are kept by reference (id is copied). */
int execution_new(struct execution **out, const char *id, uint64_t number, pawl_orchestration_fn fn,
                  const struct engine_options *options, struct pawl_error *err) PAWL_MUST_USE;
void execution_free(struct execution *x);

/* Give it its history, first event ExecutionStarted; h must stay until execution_turn or execution_verify returned.
 * Nothing runs yet. */
int execution_load(struct execution *x, const struct history *h, struct pawl_error *err) PAWL_MUST_USE;
/* Replay what was loaded (if it was not yet), take the messages and run. Without messages too, when the last lines of history
 * are such that the code has not run for them (view.unrun): what it decides then has no time, as it belongs to
 * that turn; messages are looked at after it, and begin a turn of their own in the same call. PAWL_ENONDETERMINISM: parked, nothing was
 * decided and no message taken; the execution is to be freed. PAWL_ENOMEM: the same, try later. A new execution's first
 * message is ExecutionStarted. */
int execution_turn(struct execution *x, struct turn *t, struct pawl_error *err) PAWL_MUST_USE;
/* Replay only: does the code still match? */
int execution_verify(struct execution *x, struct pawl_error *err) PAWL_MUST_USE;
const struct mismatch *execution_mismatch(const struct execution *x);
/* Can it take another turn as it is (resident stack), or must it be made anew from history? */
bool execution_is_resident(const struct execution *x);
size_t execution_memory(const struct execution *x); /* bytes, for reports */

/* ---- retry.c: pure, for activities here and for children in the runtime ---- */

/* Is there another attempt after `attempt` failed, and how long to wait for it? random is used for jitter. */
bool retry_decide(const struct retry_policy *p, const struct failure *f, uint32_t attempt, int64_t elapsed_ms,
                  uint64_t random, int64_t *delay_ms);
/* delay_ms from the given instant, on both clocks, saturating. */
void retry_due(struct due *due, const struct turn *t, int64_t time_ns, int64_t delay_ms);

#endif
