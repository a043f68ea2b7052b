/*
 * pawl/pawl.h - durable multi-step work for Linux devices: the C interface.
 *
 *	#include <pawl/pawl.h>
 *
 *	static int hello(pawl_work *work, const char *who)                  an activity: does something, at least once
 *	{
 *		return pawl_work_return(work, "hello %s", who);
 *	}
 *	PAWL_ACTIVITY(hello);
 *
 *	static int greet(pawl_ctx *ctx, const char *who)                    an orchestration: decides what happens next
 *	{
 *		const char *text = pawl_call(ctx, "hello", who);            durable: runs once, survives anything
 *		if (!text)
 *			return pawl_rethrow(ctx);
 *		pawl_task *ok = pawl_event(ctx, "approved"), *late = pawl_timer(ctx, PAWL_HOURS(24));
 *		if (pawl_any(ctx, ok, late) == late)
 *			return pawl_fail(ctx, "nobody approved within a day");
 *		return pawl_result(ok) ? pawl_return(ctx, text) : pawl_rethrow(ctx);     no result: canceled
 *	}
 *	PAWL_ORCHESTRATION(greet, "1.0.0");
 *
 *	int main(int argc, char **argv) { return pawl_main(argc, argv); }   or build a plugin and let `pawl` load it
 *
 * How it works. An orchestration's code runs until it has to wait; everything it decided by then is committed to disk
 * before any of it happens. After a crash the code runs again from its start, and every call that has a recorded result
 * returns it at once (replay). So the code must decide the same each time: no clock, randomness, environment, files,
 * threads or globals that change; use pawl_now, pawl_random, pawl_uuid and activities instead. If the code no longer
 * matches a history, the instance is parked, not failed, and goes on when matching code is back.
 *
 * Stack. Orchestration code has PAWL_STACK_BYTES of stack (large arrays belong into pawl_alloc), may be dropped at any
 * wait without unwinding (so malloc, open files or locks held across a wait leak: use pawl_alloc), and may be resumed on
 * another thread (no thread-local state across a wait).
 *
 * Strings. Texts given to pawl are copied. Texts returned by pawl live as long as the instance is in memory and must not
 * be freed; to the orchestration they are always there. Payloads are any text; JSON objects and arrays are stored so
 * that jq sees them.
 */
#ifndef PAWL_PAWL_H
#define PAWL_PAWL_H

#include <pawl/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Library version; the format version of a hub is separate (docs/FORMAT.md). */
#define PAWL_VERSION "0.1.0"
PAWL_API const char *pawl_version(void);

typedef struct pawl_ctx pawl_ctx;         /* one orchestration instance, seen by its code */
typedef struct pawl_task pawl_task;       /* something to wait for: activity, timer, event, child ... */
typedef struct pawl_work pawl_work;       /* one attempt at an activity, seen by its code */
typedef struct pawl_runtime pawl_runtime; /* the thing that runs a hub */

/* Durations are milliseconds. */
#define PAWL_MS(n) ((int64_t)(n))
#define PAWL_SECONDS(n) ((int64_t)(n) * 1000)
#define PAWL_MINUTES(n) ((int64_t)(n) * 60000)
#define PAWL_HOURS(n) ((int64_t)(n) * 3600000)
#define PAWL_DAYS(n) ((int64_t)(n) * 86400000)

/* ---- limits (I11); going over one gives an error that names it ---- */
#define PAWL_PAYLOAD_BYTES_MAX (1024 * 1024) /* input, output, event data */
#define PAWL_SPILL_BYTES (32 * 1024)         /* larger payloads are kept in a file beside the history */
#define PAWL_STACK_BYTES (64 * 1024)
#define PAWL_TURN_ACTIONS_MAX 10000          /* decisions in one turn */
#define PAWL_HISTORY_EVENTS_MAX 100000       /* events of one execution */
#define PAWL_HISTORY_BYTES_MAX (64 * 1024 * 1024) /* of one execution: payloads, and 128 for each event */
#define PAWL_EVENTS_BUFFERED_MAX 1000        /* events of one name that wait to be taken */
#define PAWL_MESSAGES_MAX 1000               /* messages to one activity */
#define PAWL_STATUS_BYTES_MAX (16 * 1024)
#define PAWL_VALUES_MAX 256                  /* keys of one instance */
#define PAWL_VALUE_BYTES_MAX (64 * 1024)     /* one value */
#define PAWL_VALUES_BYTES_MAX (1024 * 1024)  /* all keys and values of one instance */
#define PAWL_PATCHES_MAX 256                 /* names of patches that one execution asks for */
#define PAWL_TOPICS_MAX 64                   /* subscriptions of one instance */
#define PAWL_LOCKS_MAX 16                    /* entities in one lock */

/* ---- failures are values ---- */

typedef struct pawl_failure {
	/* "application": a function said so; "process": a program or worker did; "timeout"; "canceled"; "poison": each attempt
	 * was lost (gone without a result, silent, took the runtime with it) until none was left; "system" */
	const char *kind;
	const char *code;    /* for programs: "exit:3", "signal:9", or what the activity said; "" when none */
	const char *message; /* for people */
	const char *details; /* NULL when none */
	bool retryable;
} pawl_failure;

/* ---- orchestrations: called from orchestration code only, on its own ctx ---- */

typedef int (*pawl_orchestration_fn)(pawl_ctx *ctx, const char *input);

typedef struct pawl_retry {
	uint32_t max_attempts;     /* with the first; 0 or 1 = no retry */
	int64_t first_ms;          /* before the second attempt; 0 = 1 s */
	double coefficient;        /* each delay is so many times the one before; 0 = 1.0, else >= 1 */
	int64_t max_ms;            /* longest delay; 0 = 1 h */
	int64_t total_ms;          /* no new attempt later than this after the first began; 0 = no limit */
	int64_t attempt_ms;        /* an attempt that takes longer is stopped and counts as failed; 0 = no limit */
	double jitter;             /* 0 ... 1: each delay varies by this part, up or down; recorded */
	const char *const *not_on; /* NULL-terminated failure codes that end it at once; NULL = none; at most 8 */
} pawl_retry;

typedef struct pawl_call_options {
	const pawl_retry *retry; /* NULL = one attempt, and more only after one that was lost or took too long (attempts.stuck_max) */
	const char *tag;         /* only workers that declare it take the activity; NULL = any */
	const char *session;     /* activities of one session go to one worker; NULL = none */
	uint32_t priority;       /* 1 (begun first) to 9; 0 = as configured, else 5 */
} pawl_call_options;

/* Run an activity and wait: its output ("" when it gave none), or NULL when it failed (see pawl_failed). */
PAWL_API const char *pawl_call(pawl_ctx *ctx, const char *activity, const char *input);
PAWL_API const char *pawl_call_with(pawl_ctx *ctx, const char *activity, const char *input, const pawl_call_options *options);

/* Begin something without waiting. Never NULL: what cannot be begun is a task that has failed. Tasks belong to ctx. */
PAWL_API pawl_task *pawl_activity(pawl_ctx *ctx, const char *activity, const char *input);
PAWL_API pawl_task *pawl_activity_with(pawl_ctx *ctx, const char *activity, const char *input, const pawl_call_options *options);
PAWL_API pawl_task *pawl_timer(pawl_ctx *ctx, int64_t delay_ms);           /* < 0 counts as 0 */
PAWL_API pawl_task *pawl_timer_until(pawl_ctx *ctx, int64_t unix_ns);      /* a calendar time */
/* The next event of this name: events are kept in order for whoever asks, also those that came before. */
PAWL_API pawl_task *pawl_event(pawl_ctx *ctx, const char *name);

/* Wait for one task: its result ("" for a timer), or NULL when it failed. Waiting again gives the same again. */
PAWL_API const char *pawl_await(pawl_ctx *ctx, pawl_task *task);
/* Wait for the first that is done, successful or not; it is returned (of several, the one that was done first). The
 * others are canceled at once: activities stopped, children asked to cancel, timers and waits dropped (an event they had taken is put back). */
#define pawl_any(ctx, ...) pawl_any_of((ctx), (pawl_task *[]){ __VA_ARGS__ }, sizeof((pawl_task *[]){ __VA_ARGS__ }) / sizeof(pawl_task *))
PAWL_API pawl_task *pawl_any_of(pawl_ctx *ctx, pawl_task *const *tasks, size_t count);
/* The same without canceling the others: they can be waited for again. */
#define pawl_first(ctx, ...) pawl_first_of((ctx), (pawl_task *[]){ __VA_ARGS__ }, sizeof((pawl_task *[]){ __VA_ARGS__ }) / sizeof(pawl_task *))
PAWL_API pawl_task *pawl_first_of(pawl_ctx *ctx, pawl_task *const *tasks, size_t count);
/* Wait for all. The number of those that failed; pawl_failed() then has the failure of the first of them in order. */
#define pawl_all(ctx, ...) pawl_all_of((ctx), (pawl_task *[]){ __VA_ARGS__ }, sizeof((pawl_task *[]){ __VA_ARGS__ }) / sizeof(pawl_task *))
PAWL_API size_t pawl_all_of(pawl_ctx *ctx, pawl_task *const *tasks, size_t count);
/*
 * Tasks made of tasks, to be nested: any of (all of a and b) and a timer, and so on, 16 levels deep. Making one records and
 * waits for nothing. All: done when each is; it has failed when one has, as the first of these in order. Any: done or failed
 * as the first that is, which pawl_winner tells; when a wait returns it the others are canceled, as by pawl_any.
 */
#define pawl_when_all(ctx, ...) pawl_when_all_of((ctx), (pawl_task *[]){ __VA_ARGS__ }, sizeof((pawl_task *[]){ __VA_ARGS__ }) / sizeof(pawl_task *))
#define pawl_when_any(ctx, ...) pawl_when_any_of((ctx), (pawl_task *[]){ __VA_ARGS__ }, sizeof((pawl_task *[]){ __VA_ARGS__ }) / sizeof(pawl_task *))
PAWL_API pawl_task *pawl_when_all_of(pawl_ctx *ctx, pawl_task *const *tasks, size_t count);
PAWL_API pawl_task *pawl_when_any_of(pawl_ctx *ctx, pawl_task *const *tasks, size_t count);
PAWL_API pawl_task *pawl_winner(const pawl_task *any); /* NULL: not done, or no such task */
PAWL_API void pawl_cancel(pawl_ctx *ctx, pawl_task *task); /* nothing when it is done; of a group: each member */
/* A message to an activity that is not done (see pawl_work_message; a program finds it as a file messages/NUMBER in its
 * work directory). Every attempt gets all of them, in order. Nothing when it is done, or no activity. data may be NULL: an
 * empty one. One that is over a limit (PAWL_PAYLOAD_BYTES_MAX, PAWL_MESSAGES_MAX) is not sent: pawl_failed() says so. */
PAWL_API void pawl_message(pawl_ctx *ctx, pawl_task *activity, const char *data);

PAWL_API bool pawl_is_done(const pawl_task *task);
PAWL_API const char *pawl_result(const pawl_task *task);  /* NULL when not done or failed */
PAWL_API size_t pawl_result_len(const pawl_task *task);   /* payloads may hold NUL bytes */
PAWL_API const pawl_failure *pawl_task_failure(const pawl_task *task); /* NULL when not failed */

/* Shorthands */
PAWL_API void pawl_sleep(pawl_ctx *ctx, int64_t delay_ms);
/* The event's data, or NULL when it did not come in time (pawl_failed has kind "timeout"). timeout_ms < 0: no limit. */
PAWL_API const char *pawl_wait_event(pawl_ctx *ctx, const char *name, int64_t timeout_ms);

/* The oldest event of this name that is there already, or NULL: a look into the mailbox that does not wait. */
PAWL_API const char *pawl_take_event(pawl_ctx *ctx, const char *name);
/* Who raised the event that this wait has got: "uid:1000", "@INSTANCE/EXECUTION/LINE" when an instance sent it, "" when it
 * is not known. NULL: it has got none. */
PAWL_API const char *pawl_event_from(const pawl_task *event);

/*
 * Children: orchestrations as steps. A child is an instance of its own, with an id, a history and a status; its result, or
 * why it failed, comes back in the same commit in which it ends. When its parent ends, or the task is canceled, it is asked
 * to cancel; when the parent is terminated, it is terminated too. pawl_task functions work for children as for activities.
 * A failure has the kind "canceled" (code "terminated" if it was) or is what the child returned; kind "system" with code
 * "exists" says that the id is taken.
 */
typedef struct pawl_child_options {
	const char *id;          /* NULL: made from the parent's id and the line of history, "PARENT:7". One of your own is used once in a hub:
				  * code that comes there again (a restart, a rewind, a loop) gets "exists" */
	const char *version;     /* NULL = the newest that is registered */
	const pawl_retry *retry; /* each further attempt is a new instance, "...:r2"; attempt_ms is not used; NULL = one attempt */
} pawl_child_options;
PAWL_API const char *pawl_call_child(pawl_ctx *ctx, const char *type, const char *input);
PAWL_API pawl_task *pawl_child(pawl_ctx *ctx, const char *type, const char *input);
PAWL_API pawl_task *pawl_child_with(pawl_ctx *ctx, const char *type, const char *input, const pawl_child_options *options);
PAWL_API const char *pawl_child_id(const pawl_task *child); /* of its first attempt; NULL when it could not be begun */

/*
 * Other instances. Each of these is a task that is done when it is durable: the other instance has it, once, whatever
 * crashes; or that has failed, with the code "exists", "not-found", "ended", "damaged", "full" or "limit". There is no need
 * to wait for it.
 */
typedef struct pawl_start_options {
	const char *id;       /* NULL: one is made */
	const char *version;  /* NULL = the newest that is registered */
	int64_t delay_ms;     /* it is Pending for so long; 0 = it begins at once */
	int64_t at_ns;        /* or until this time (ns since 1970); 0 = not */
} pawl_start_options;
/* Start an instance that is nobody's child. The result is its id. */
PAWL_API pawl_task *pawl_start_detached(pawl_ctx *ctx, const char *type, const char *input, const pawl_start_options *options);
/* Raise an event of another instance (or of this one), now or after delay_ms. data may be NULL. */
PAWL_API pawl_task *pawl_send(pawl_ctx *ctx, const char *instance, const char *event, const char *data);
PAWL_API pawl_task *pawl_send_later(pawl_ctx *ctx, const char *instance, const char *event, const char *data, int64_t delay_ms);
/* The value of a key of another instance (pawl_set), live or ended, as it is when this is committed. The task has failed
 * with code "not-found" when there is no such instance; pawl_result is NULL, without failure, when the key is not set. */
PAWL_API pawl_task *pawl_read_value(pawl_ctx *ctx, const char *instance, const char *key);

/*
 * Topics: what is published reaches every instance that has subscribed by then, in the same commit, once. Topics are
 * levels between slashes ("site/7/door"); in a filter + stands for one level and # at the end for all that follow. What
 * comes is an event with the given name: pawl_event(ctx, event). A filter has one event; subscribing again replaces it.
 * Subscriptions are carried over by pawl_continue_as_new. 0, PAWL_EINVALID or PAWL_ETOOBIG (pawl_failed says why).
 */
PAWL_API int pawl_subscribe(pawl_ctx *ctx, const char *filter, const char *event);
PAWL_API void pawl_unsubscribe(pawl_ctx *ctx, const char *filter);
PAWL_API int pawl_publish(pawl_ctx *ctx, const char *topic, const char *data);

/*
 * Cancel is a request (pawl cancel, or of the parent): everything that the code waits for, or has begun, is canceled at
 * once and fails with kind "canceled"; what the code begins after that is run as usual, so that it can clean up, until a
 * deadline (cancel.deadline in the configuration). If it then ends with a failure of that kind, as with pawl_rethrow, its
 * status is Canceled. Code that has not been told, as it waited with pawl_any, pawl_first or pawl_sleep and has looked at no result, failure or
 * pawl_is_cancelled since, does not go on: it is Canceled with the next thing that it asks for, or with its end. Between pawl_shield(ctx, true) and pawl_shield(ctx, false) nothing is cut: the request takes effect
 * after that.
 */
PAWL_API bool pawl_is_cancelled(pawl_ctx *ctx);           /* somebody asked this instance to cancel */
PAWL_API const char *pawl_cancel_reason(pawl_ctx *ctx);   /* "" when none was given, NULL when nobody asked */
PAWL_API void pawl_shield(pawl_ctx *ctx, bool on);

/*
 * Entities: small state with one writer. An entity has a name (its kind) and a key; its operations come from
 * orchestrations, other entities and people, are queued, and run one after the other, each a durable step. The function is
 * called once for each operation and returns with pawl_return(ctx, answer) or pawl_fail: then the state is as it was before.
 * It may call activities and children, wait for timers, signal other entities, and start detached instances; it may not call
 * or lock entities, nor continue as new.
 *
 *	static int counter(pawl_ctx *ctx, const char *input)
 *	{
 *		long n = atol(pawl_state(ctx)) + atol(input);               "" when it is new
 *		pawl_set_state(ctx, pawl_printf(ctx, "%ld", n));
 *		return pawl_return(ctx, pawl_state(ctx));
 *	}
 *	PAWL_ENTITY(counter, "1.0.0");
 *
 * The entity is the instance "entity:NAME:KEY", made by its first operation. NAME is that of the registration (letters, digits,
 * _ -), KEY 1 to 64 of letters, digits, _ : -. Others read the state with `pawl get entity:counter:door kv.state`; people send
 * operations with `pawl signal`. It stays until somebody ends it.
 */
PAWL_API const char *pawl_operation(pawl_ctx *ctx);                    /* in the function: which operation */
PAWL_API const char *pawl_state(pawl_ctx *ctx);                        /* never NULL */
PAWL_API void pawl_set_state(pawl_ctx *ctx, const char *text);         /* kept when the function returns 0; at most PAWL_VALUE_BYTES_MAX */
/* From orchestrations. A signal is not answered; a call is (a failure has the kind and code that the function gave it).
 * pawl_entity_call is a task: a call to several at the same time. */
PAWL_API void pawl_signal(pawl_ctx *ctx, const char *name, const char *key, const char *operation, const char *input);
PAWL_API void pawl_signal_later(pawl_ctx *ctx, const char *name, const char *key, const char *operation, const char *input, int64_t delay_ms);
PAWL_API const char *pawl_call_entity(pawl_ctx *ctx, const char *name, const char *key, const char *operation, const char *input);
PAWL_API pawl_task *pawl_entity_call(pawl_ctx *ctx, const char *name, const char *key, const char *operation, const char *input);
/* Have several for oneself: { "account", "a", "account", "b", NULL }, names and keys in turn. Waits until all are granted; 0,
 * or PAWL_EINVALID, PAWL_ESTATE (has a lock already: one at a time), PAWL_ECANCELED. While it is held, only these may be
 * called, nobody else's operations run there, and what this instance calls runs at once. It ends with pawl_unlock, or with
 * the execution, however that ends. Asked for in the order of their ids, so two that want the same cannot wait for each other. */
PAWL_API int pawl_lock(pawl_ctx *ctx, const char *const *names_and_keys);
PAWL_API void pawl_unlock(pawl_ctx *ctx);

/* How it ends: `return pawl_return(ctx, "text")`, `return pawl_fail(ctx, "why")`, `return pawl_rethrow(ctx)`. Returning 0
 * without pawl_return completes without output. */
PAWL_API int pawl_return(pawl_ctx *ctx, const char *output);
PAWL_API int pawl_fail(pawl_ctx *ctx, const char *fmt, ...) PAWL_PRINTF(2, 3);
PAWL_API int pawl_fail_with(pawl_ctx *ctx, const pawl_failure *failure);
PAWL_API int pawl_rethrow(pawl_ctx *ctx);                 /* with the last failure */
PAWL_API const pawl_failure *pawl_failed(pawl_ctx *ctx);  /* the last failure, or NULL */

/*
 * Begin anew, as the next execution of this instance: `return pawl_continue_as_new(ctx, "42")`. The code starts over with
 * this input (NULL: none) and an empty history, so a loop without an end stays small. Carried over, in one commit: events
 * that no wait has returned (also those that a wait had got and the code has not looked at) in the order in which they
 * came, also those for later; the custom status, keys and values, subscriptions, a request to cancel. All that is open is canceled. The instance keeps its id, and who waits
 * for it goes on waiting. More than 100 executions within a second that do not wait for anything are slowed down.
 */
typedef struct pawl_continue_options {
	const char *version;      /* of the orchestration, which must be registered; NULL = the same */
} pawl_continue_options;
PAWL_API int pawl_continue_as_new(pawl_ctx *ctx, const char *input);
PAWL_API int pawl_continue_as_new_with(pawl_ctx *ctx, const char *input, const pawl_continue_options *options);

/* The same at every replay, without an extra turn. */
PAWL_API int64_t pawl_now(pawl_ctx *ctx);                 /* ns since 1970: the time of this turn */
PAWL_API uint64_t pawl_random(pawl_ctx *ctx);             /* not for secrets */
PAWL_API const char *pawl_uuid(pawl_ctx *ctx);            /* version 4 */

PAWL_API const char *pawl_instance_id(pawl_ctx *ctx);
PAWL_API uint64_t pawl_execution(pawl_ctx *ctx);         /* not to decide by: of one that was rewound it is another for the same lines */
PAWL_API bool pawl_is_replaying(pawl_ctx *ctx);           /* for logging only: deciding by it breaks replay */
/* What `pawl status` shows; recorded. NULL clears it. */
PAWL_API void pawl_set_status(pawl_ctx *ctx, const char *text);
/* Keys and values of the instance: recorded, the same at every replay, and for others to read (`pawl get ID kv.KEY`).
 * A key is 1 to 64 of letters, digits, _ : - and a value any text; setting what is there already, and clearing what is
 * not, writes nothing. value NULL clears the key. 0, or PAWL_EINVALID (the key) or PAWL_ETOOBIG (over one of the limits
 * PAWL_VALUE..., or of the turn or history): then nothing has changed, and pawl_failed() says why. */
PAWL_API int pawl_set(pawl_ctx *ctx, const char *key, const char *value);
PAWL_API const char *pawl_get(pawl_ctx *ctx, const char *key); /* NULL when it is not set */
PAWL_API void pawl_clear(pawl_ctx *ctx, const char *key);      /* NULL: all */

/*
 * Changing code while instances run. Code that decides something else than an instance's history has parks the instance,
 * so the change is put behind a patch, in three steps, each deployed when the one before was:
 *
 *	1   if (pawl_patched(ctx, "two-slots"))                     2   pawl_patch_deprecated(ctx, "two-slots");
 *	            pawl_call(ctx, "flash-slot", image);                    pawl_call(ctx, "flash-slot", image);
 *	    else
 *	            pawl_call(ctx, "flash", image);                 3           pawl_call(ctx, "flash-slot", image);
 *
 * 1. pawl_patched is true for an instance that comes to this place now: it records that (PatchMarked, in the same commit
 *    as what follows) and has the new path for ever. It is false for one whose history went past this place before the
 *    patch was there: that has the old path for ever. "Past" is the wait or decision that followed; an instance that
 *    waits somewhere before this place gets the new path.
 * 2. When no instance runs that was told false (they ended, or were continued as new), the old path may go.
 *    pawl_patch_deprecated takes histories with the marker of step 1, marks those that come here now, and parks one whose
 *    history went past this place without a marker ("no PatchMarked 'two-slots'"): put step 1 back and it goes on.
 *    Histories that do not come to this place are not touched.
 * 3. When no instance runs that step 1 has marked, the call may go as well: markers of step 2 need not be asked for.
 *    A marker of step 1 that the code does not ask for parks the instance.
 *
 * The first answer for a name holds for the whole execution, also in a loop and at other places: asking again gives the
 * same and records nothing. A later change needs another name (1 to 64 of letters, digits, _ : -, and at most
 * PAWL_PATCHES_MAX of them). Over a limit, or with a bad name, nothing is marked, pawl_patched is false and pawl_failed()
 * says why.
 */
PAWL_API bool pawl_patched(pawl_ctx *ctx, const char *name);
PAWL_API void pawl_patch_deprecated(pawl_ctx *ctx, const char *name);
/* A line in the runtime's log, silent on replay. */
PAWL_API void pawl_log(pawl_ctx *ctx, const char *fmt, ...) PAWL_PRINTF(2, 3);
/* Memory that goes with the instance. Never NULL: when the instance's share is used up it fails. */
PAWL_API void *pawl_alloc(pawl_ctx *ctx, size_t size);
PAWL_API char *pawl_printf(pawl_ctx *ctx, const char *fmt, ...) PAWL_PRINTF(2, 3);

/* ---- activities in C: run on a thread of the runtime; any blocking call is fine ---- */

typedef int (*pawl_activity_fn)(pawl_work *work, const char *input);

PAWL_API int pawl_work_return(pawl_work *work, const char *fmt, ...) PAWL_PRINTF(2, 3);
PAWL_API int pawl_work_return_bytes(pawl_work *work, const void *data, size_t len);
/* Stalled: the retry policy decides. code may be NULL. */
PAWL_API int pawl_work_fail(pawl_work *work, const char *code, const char *fmt, ...) PAWL_PRINTF(3, 4);
/* Failed: not tried again. */
PAWL_API int pawl_work_fail_for_good(pawl_work *work, const char *code, const char *fmt, ...) PAWL_PRINTF(3, 4);
/* Deferred: the device lacks something now; tried again after delay_ms without counting as an attempt. */
PAWL_API int pawl_work_defer(pawl_work *work, int64_t delay_ms, const char *fmt, ...) PAWL_PRINTF(3, 4);
PAWL_API const char *pawl_work_instance(const pawl_work *work);
PAWL_API const char *pawl_work_activity(const pawl_work *work);
PAWL_API uint64_t pawl_work_execution(const pawl_work *work);
PAWL_API uint32_t pawl_work_attempt(const pawl_work *work);     /* from 1 */
PAWL_API const char *pawl_work_key(const pawl_work *work);      /* the same in every attempt: an idempotency key */
PAWL_API size_t pawl_work_input_len(const pawl_work *work);
PAWL_API bool pawl_work_is_cancelled(const pawl_work *work);    /* nobody wants the result any more, or its time is over: return soon */
/* For whoever looks (`pawl activities`, `pawl watch`); a heartbeat too. percent < 0: not known. Shown, not recorded; more
 * than one in 200 ms is not written. */
PAWL_API void pawl_work_progress(pawl_work *work, int percent, const char *fmt, ...) PAWL_PRINTF(3, 4);
/* Still alive: needed when the configuration sets a heartbeat for this activity. Costs nothing. */
PAWL_API void pawl_work_heartbeat(pawl_work *work);
/* The next message that the orchestration has sent it (pawl_message), or NULL; lives as long as the work. */
PAWL_API const char *pawl_work_message(pawl_work *work);
/* Completed with this output once the device has rebooted: `return pawl_work_reboot(work, "slot b")`. It is on the disk
 * before reboot.command of the configuration runs (without one somebody else must reboot). If the device has not rebooted
 * after reboot.timeout the attempt has failed. */
PAWL_API int pawl_work_reboot(pawl_work *work, const char *fmt, ...) PAWL_PRINTF(2, 3);
/* A directory for its files, which stays between attempts and goes when the result is recorded; NULL when it cannot be
 * made. */
PAWL_API const char *pawl_work_dir(pawl_work *work);

/* ---- registration ---- */

typedef struct pawl_registration {
	int abi;                  /* PAWL_ABI */
	const char *name;
	const char *version;      /* NULL for an activity */
	pawl_orchestration_fn orchestration;
	pawl_activity_fn activity;
	struct pawl_registration *next; /* pawl's */
	const char *origin;             /* pawl's: which plugin it came from */
	bool entity;                    /* orchestration is the function of an entity */
} pawl_registration;

#define PAWL_ABI 2

/* Before the runtime starts; r must stay. The same name (and version) again: the later one is refused when types load. */
PAWL_API void pawl_register(pawl_registration *r);

/* Register at load time: in a program and in a plugin (a shared object in the plugin directory). */
#define PAWL_ORCHESTRATION_NAMED(name_, fn, version_) PAWL_REGISTER_(fn, name_, version_, fn, 0)
#define PAWL_ORCHESTRATION(fn, version_) PAWL_REGISTER_(fn, #fn, version_, fn, 0)
#define PAWL_ACTIVITY_NAMED(name_, fn) PAWL_REGISTER_(fn, name_, 0, 0, fn)
#define PAWL_ACTIVITY(fn) PAWL_REGISTER_(fn, #fn, 0, 0, fn)
#define PAWL_ENTITY_NAMED(name_, fn, version_) PAWL_REGISTER_AS_(fn, name_, version_, fn, 0, true)
#define PAWL_ENTITY(fn, version_) PAWL_REGISTER_AS_(fn, #fn, version_, fn, 0, true)
#define PAWL_REGISTER_(tag, name_, version_, orchestration_, activity_)                                                \
	PAWL_REGISTER_AS_(tag, name_, version_, orchestration_, activity_, false)
#define PAWL_REGISTER_AS_(tag, name_, version_, orchestration_, activity_, entity_)                                    \
	static struct pawl_registration pawl_reg_##tag = { PAWL_ABI, name_, version_, orchestration_, activity_, 0, 0, entity_ }; \
	__attribute__((constructor)) static void pawl_reg_now_##tag(void)                                              \
	{                                                                                                              \
		pawl_register(&pawl_reg_##tag);                                                                        \
	}                                                                                                              \
	struct pawl_registration

/* ---- running a hub inside a program ---- */

/* The whole `pawl` command line, with what this program has registered. Returns the exit code. */
PAWL_API int pawl_main(int argc, char **argv);

typedef struct pawl_options {
	const char *hub;           /* NULL: $PAWL_HUB, else /var/lib/pawl */
	const char *config;        /* a file or directory; NULL: /etc/pawl/pawl.yaml if it is there; "" = none */
	const struct pawl_provider_ops *provider; /* NULL: pawl_provider_fs */
	bool replay_only;          /* keep no stacks; every turn replays (tests) */
	int resident_max;          /* live stacks kept; 0 = from the configuration */
	int threads_max;           /* activity threads; 0 = from the configuration */
	bool handle_signals;       /* TERM and INT stop, HUP reloads */
	bool allow_volatile;       /* a hub on tmpfs is fine */
	const void *os;            /* tests: struct os * */
	bool check_replay;         /* replay after every turn, and end where code decides something else (development) */
} pawl_options;

/* Open the hub, become its owner, recover. *out is set on success only. */
PAWL_API int pawl_open(pawl_runtime **out, const pawl_options *options, struct pawl_error *err);
/* Run until pawl_stop() or a signal. 0, or the error that ended it. */
PAWL_API int pawl_run(pawl_runtime *rt, struct pawl_error *err);
PAWL_API void pawl_stop(pawl_runtime *rt);  /* any thread, also a signal handler */
PAWL_API void pawl_close(pawl_runtime *rt); /* after pawl_run has returned */

/* From any thread while pawl_run runs. id NULL: one is made; id_out (may be NULL) has 129 bytes. Returns when the start
 * is durable; with wait false when it is queued (then a duplicate id is told in the log only). */
PAWL_API int pawl_start(pawl_runtime *rt, const char *type, const char *id, const char *input, bool wait, char *id_out,
                        struct pawl_error *err);
/* The same with more to say. options->id and id_out as above. */
enum pawl_if_exists { PAWL_EXISTS_FAIL, PAWL_EXISTS_USE, PAWL_EXISTS_REPLACE }; /* REPLACE: one that has ended */
PAWL_API int pawl_start_with(pawl_runtime *rt, const char *type, const char *input, const pawl_start_options *options,
                             enum pawl_if_exists if_exists, bool wait, char *id_out, struct pawl_error *err);
PAWL_API int pawl_raise(pawl_runtime *rt, const char *id, const char *event, const char *data, bool wait,
                        struct pawl_error *err);
/* Wait for its end: 0 completed (*output malloc'd, may be NULL), PAWL_ESTATE failed, PAWL_ECANCELED canceled or
 * terminated, PAWL_ETIMEOUT, PAWL_ENOTFOUND. timeout_ms < 0: no limit. */
PAWL_API int pawl_wait(pawl_runtime *rt, const char *id, int64_t timeout_ms, char **output, struct pawl_error *err);

#ifdef __cplusplus
}
#endif
#endif
