/*
 * event.h - history events: one struct for all, one table that says which fields each type has.
 *
 * docs/FORMAT.md is the specification of the text form. In short, a line is
 *
 *	{"seq":7,"type":"ActivityScheduled","name":"unpack","input":"a.tar"}<TAB>75e99a0a<LF>
 *
 * where the second column is the CRC-32C of the bytes before the tab. A turn is one or more lines that were committed
 * together: its first line, and only that, has "time".
 */
#ifndef HISTORY_EVENT_H
#define HISTORY_EVENT_H

#include "base/arena.h"
#include "base/buf.h"
#include <stdbool.h>
#include <stdint.h>

/*
 * Who makes an event:
 *   IN        something that came from outside the orchestration's code; replay delivers it
 *   DECISION  something the code decided; replay checks it
 *   END       a DECISION or IN after which nothing may follow in this execution
 * name, class, fields that must be there, fields that may be there, JSON name of `data`
 */
#define EVENT_TYPE_LIST(X)                                                                                             \
	/* the execution itself */                                                                                     \
	X(ExecutionStarted, IN, NAME | VERSION | SEED,                                                                 \
	  DATA | ID | PARENT | EXECUTION | STATUS | START_AT | DELAY | DUE | FROM | REF | REASON, "input")             \
	X(ExecutionCompleted, DECISION | EVENT_END, 0, DATA, "output")                                                 \
	X(ExecutionFailed, DECISION | EVENT_END, ERROR, 0, "")                                                         \
	X(ExecutionCanceled, DECISION | EVENT_END, 0, REASON | ERROR, "")                                              \
	X(ExecutionTerminated, IN | EVENT_END, 0, REASON | ID | FROM, "")                                              \
	X(ExecutionContinuedAsNew, DECISION | EVENT_END, 0, DATA | VERSION, "input")                                   \
	X(ExecutionRewound, IN | EVENT_END, REF, REASON | ID, "")                                                      \
	X(ExecutionSuspended, IN, 0, REASON | ID, "")                                                                  \
	X(ExecutionResumed, IN, 0, REASON | ID, "")                                                                    \
	X(CancelRequested, IN, 0, REASON | ID | FROM | DELAY | DUE, "")                                                \
	X(CancelDeadlinePassed, IN | EVENT_END, 0, REASON, "")                                                         \
	/* activities; Retrying is a failed attempt with another to come, or held; Rebooting is done after a reboot */ \
	X(ActivityScheduled, DECISION, NAME, DATA | RETRY | TAG | SESSION | PRIORITY, "input")                         \
	X(ActivityCompleted, IN, REF, DATA | ATTEMPT, "output")                                                        \
	X(ActivityFailed, IN, REF | ERROR, ATTEMPT, "")                                                                \
	X(ActivityRetrying, IN, REF | ATTEMPT | ERROR | DELAY, DUE | REASON | ID, "")                                  \
	X(ActivityRebooting, IN, REF | ATTEMPT | DUE, DATA, "output")                                                  \
	X(ActivityCancelRequested, DECISION, REF, 0, "")                                                               \
	X(ActivityMessageSent, DECISION, REF, DATA, "data")                                                            \
	/* timers: `delay_ms` for a length, `until` for a calendar time */                                             \
	X(TimerCreated, DECISION, 0, DELAY | UNTIL | DUE, "")                                                          \
	X(TimerFired, IN, REF, 0, "")                                                                                  \
	X(TimerCanceled, DECISION, REF, 0, "")                                                                         \
	/* external events */                                                                                          \
	X(EventSubscribed, DECISION, NAME, 0, "")                                                                      \
	X(EventRaised, IN, NAME, DATA | ID | KEY | FROM | REF, "data")                                                 \
	X(EventScheduled, IN, NAME, DATA | ID | KEY | FROM | DELAY | UNTIL | DUE, "data")                              \
	X(EventUnsubscribed, DECISION, REF, 0, "")                                                                     \
	X(EventSent, DECISION, NAME | INSTANCE, DATA | DELAY | UNTIL | DUE, "data")                                    \
	X(SendCompleted, IN, REF, 0, "")                                                                               \
	X(SendFailed, IN, REF | ERROR, 0, "")                                                                          \
	X(TopicSubscribed, DECISION, NAME | KEY, 0, "")                                                                \
	X(TopicCarried, IN, NAME | KEY, 0, "")                                                                         \
	X(TopicUnsubscribed, DECISION, NAME, 0, "")                                                                    \
	X(TopicPublished, DECISION, NAME, DATA, "data")                                                                \
	/* children and detached starts */                                                                             \
	X(ChildScheduled, DECISION, NAME | INSTANCE, VERSION | DATA | RETRY, "input")                                  \
	X(ChildCompleted, IN, REF, DATA, "output")                                                                     \
	X(ChildFailed, IN, REF | ERROR, ATTEMPT, "")                                                                   \
	X(ChildRetrying, IN, REF | ATTEMPT | ERROR | DELAY, INSTANCE | DUE, "")                                        \
	X(ChildCancelRequested, DECISION, REF, REASON, "")                                                             \
	X(InstanceStarted, DECISION, NAME | INSTANCE, VERSION | DATA | DELAY | UNTIL | DUE, "input")                   \
	/* state that clients see */                                                                                   \
	X(CustomStatusSet, DECISION, 0, DATA, "status")                                                                \
	X(KeyValueSet, DECISION, KEY, DATA, "value")                                                                   \
	X(KeyValueCleared, DECISION, 0, KEY, "")                                                                       \
	X(KeyValueCarried, IN, KEY, DATA, "value")                                                                     \
	X(ValueRequested, DECISION, INSTANCE | KEY, 0, "")                                                             \
	X(ValueReceived, IN, REF, DATA | ERROR, "value")                                                               \
	/* entities: state kept by one writer, operations queued */                                                    \
	X(EntitySignaled, DECISION, NAME | INSTANCE, DATA | DELAY | UNTIL | DUE, "input")                              \
	X(EntityCalled, DECISION, NAME | INSTANCE, DATA, "input")                                                      \
	X(EntityReplied, IN, REF, DATA | ERROR, "output")                                                              \
	X(EntityLockRequested, DECISION, DATA, 0, "entities")                                                          \
	X(EntityLockGranted, IN, REF, 0, "")                                                                           \
	X(EntityUnlocked, DECISION, REF, 0, "")                                                                        \
	/* what an entity tells: its answer to a call, or that all of a lock are granted; and the lock passed on */    \
	X(EntityAnswered, DECISION, INSTANCE | EXECUTION | REF, DATA | ERROR, "output")                                \
	X(EntityLockPassed, DECISION, INSTANCE | EXECUTION | REF, DATA | KEY, "entities")                              \
	/* changing code under running instances */                                                                    \
	X(PatchMarked, DECISION, NAME, STATUS, "")

enum event_type {
	EVENT_UNKNOWN, /* written by a newer pawl: the instance is parked until one reads it */
#define EVENT_X(name, class, must, may, data) EVENT_##name,
	EVENT_TYPE_LIST(EVENT_X)
#undef EVENT_X
	EVENT_TYPE_COUNT
};

enum { EVENT_IN = 1, EVENT_DECISION = 2, EVENT_END = 4 };

enum event_field {
	FIELD_REF = 1 << 0,
	FIELD_NAME = 1 << 1,
	FIELD_VERSION = 1 << 2,
	FIELD_DATA = 1 << 3,
	FIELD_DELAY = 1 << 4,
	FIELD_UNTIL = 1 << 5,
	FIELD_DUE = 1 << 6,
	FIELD_ERROR = 1 << 7,
	FIELD_ATTEMPT = 1 << 8,
	FIELD_RETRY = 1 << 9,
	FIELD_REASON = 1 << 10,
	FIELD_ID = 1 << 11,
	FIELD_KEY = 1 << 12,
	FIELD_INSTANCE = 1 << 13,
	FIELD_EXECUTION = 1 << 14,
	FIELD_PARENT = 1 << 15,
	FIELD_SEED = 1 << 16,
	FIELD_TAG = 1 << 17,
	FIELD_SESSION = 1 << 18,
	FIELD_STATUS = 1 << 19,
	FIELD_FROM = 1 << 20,
	FIELD_START_AT = 1 << 21,
	FIELD_PRIORITY = 1 << 22, /* the last one */
};

/* delay_ms of an ActivityRetrying with no attempt to come: it is held until somebody gives it new ones. */
#define EVENT_DELAY_HELD (-1)
/* The error of an ActivityRetrying that gives new attempts: its attempt is the last one that does not count any more. */
#define EVENT_KIND_REQUEUED "system"
#define EVENT_CODE_REQUEUED "requeued"

/* Why something failed, as a value. Texts are never NULL data when the error is there; details may be. */
struct failure {
	struct slice kind;    /* "application", "timeout", "canceled", "process", "stuck", "poison", "system" */
	struct slice code;    /* for programs: "exit:3", "signal:9", "ENOENT", or what the activity said; may be empty */
	struct slice message; /* for people */
	struct slice details; /* free text or JSON, NONE when there is none */
	bool retryable;
};

#define RETRY_CODES_MAX 8

/* Zero in a number means: the default or no limit (see pawl_retry in pawl.h). */
struct retry_policy {
	uint32_t max_attempts;
	int64_t first_ms, max_ms, total_ms, attempt_ms;
	uint32_t coefficient_milli; /* 2000 = each delay twice the one before */
	uint32_t jitter_milli;      /* 250 = up to a quarter more or less */
	struct slice codes[RETRY_CODES_MAX]; /* failure codes that are not tried again */
	uint32_t code_count;
};

/* When a delay ends, on both clocks (I9): boot_ms counts only in the boot whose id begins with `boot`. */
struct due {
	struct slice boot; /* first 8 digits of the boot id */
	int64_t boot_ms;   /* CLOCK_BOOTTIME */
	int64_t at_ns;     /* CLOCK_REALTIME, as it stood when written */
};

struct event {
	enum event_type type;
	uint32_t fields; /* which of the following are there: FIELD_... */
	uint64_t seq;    /* 1, 2, ... in each execution */
	int64_t time_ns; /* the turn's time, on its first event; has_time says whether */
	bool has_time;
	uint32_t attempt;
	uint32_t priority; /* 1 is begun first, 9 last */
	uint64_t ref; /* seq of the event this one answers */
	struct slice name, version, reason, id, key, instance, tag, session, status, from;
	struct slice data;      /* payload: input, output, data, status ... by type */
	struct slice data_file; /* or the file that holds it (spilled), with its length and checksum */
	uint64_t data_len;
	uint32_t data_crc;
	int64_t delay_ms, until_ns, start_at_ns;
	struct due due;
	uint64_t execution;
	struct slice parent; /* instance id of the parent ... */
	uint64_t parent_execution, parent_ref; /* ... and the ChildScheduled there */
	uint64_t seed[2];
	struct failure error;
	struct retry_policy retry;
	struct slice type_name; /* of EVENT_UNKNOWN */
	struct slice extra;     /* members this version does not know: `,"k":v` ..., kept when written again */
};

const char *event_type_name(enum event_type type);
unsigned event_type_class(enum event_type type); /* EVENT_IN, EVENT_DECISION, EVENT_END */
enum event_type event_type_by_name(struct slice name);
bool event_is_requeue(const struct event *e);
/*
 * Was this line put there by the commit of another instance (or by the end of the execution before), and not by a turn
 * of its own? Its code has not run for it when it is the last one. `from` of such a line is @INSTANCE/EXECUTION/SEQ: the
 * decision there.
 */
bool event_is_delivered(const struct event *e);

/* Append one line, newline included. PAWL_ENOMEM, or PAWL_EBUG when a field that must be there is missing. */
int event_encode(struct buf *out, const struct event *e) PAWL_MUST_USE;
/* line: without the newline. Slices point into line or the arena. PAWL_EPARSE (what it is not: a line of ours),
 * PAWL_ECORRUPT (checksum), PAWL_ENOMEM. */
int event_decode(struct event *e, struct slice line, struct arena *arena, struct pawl_error *err) PAWL_MUST_USE;
/* A deep copy into an arena; PAWL_ENOMEM. */
int event_copy(struct event *to, const struct event *from, struct arena *arena) PAWL_MUST_USE;

#endif
