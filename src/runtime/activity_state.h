/*
 * activity_state.h - the states of an activity, and what happens in each: one table, no case left out.
 *
 *	            begin, adopt                 complete
 *	Waiting ───────────────────► Active ───────────────► Completed
 *	  ▲  ▲  look                  │ │ │ fail_for_good
 *	  │  └─────────── Deferred ◄──┘ │ └────────────────► Failed ◄── give_up, expire
 *	  │ retry, requeue              │ fail: Stalled           ▲
 *	  └─────────────────────────────┤ lost, silent, late: Stuck
 *	                                └──────────────────────────┘
 */
#ifndef RUNTIME_ACTIVITY_STATE_H
#define RUNTIME_ACTIVITY_STATE_H

#include <stdbool.h>

enum activity_state {
	ACTIVITY_WAITING,   /* scheduled: for a slot, a worker, its retry time. Before the first attempt and between attempts */
	ACTIVITY_ACTIVE,    /* working: its process lives and its heartbeat is fresh */
	ACTIVITY_COMPLETED, /* the result is there */
	ACTIVITY_STALLED,   /* a failure that can be retried: the retry policy decides */
	ACTIVITY_FAILED,    /* one that cannot, or no attempt is left: an error in the orchestration */
	ACTIVITY_DEFERRED,  /* the device lacks something now, or the activity said so: wait, try later, costs no attempt */
	ACTIVITY_STUCK,     /* gone without a result, silent for too long, or past its time: ended, then a new attempt, bounded */
	ACTIVITY_STATES
};

enum activity_event {
	ACTIVITY_BEGIN,         /* an attempt begins: a thread, a process, a worker's claim */
	ACTIVITY_ADOPT,         /* it was running already when the runtime came back */
	ACTIVITY_COMPLETE,
	ACTIVITY_FAIL,          /* may be tried again */
	ACTIVITY_FAIL_FOR_GOOD,
	ACTIVITY_DEFER,         /* pressure before a start, or its own wish (exit 75) */
	ACTIVITY_LOST,          /* gone without a result */
	ACTIVITY_SILENT,        /* its heartbeat is too old */
	ACTIVITY_LATE,          /* past its time */
	ACTIVITY_LOOK,          /* the wait of a deferral is over */
	ACTIVITY_RETRY,         /* another attempt was decided (ActivityRetrying is durable) */
	ACTIVITY_GIVE_UP,       /* no attempt is left (ActivityFailed is durable) */
	ACTIVITY_EXPIRE,        /* nobody began it in time, or its whole time is over */
	ACTIVITY_REQUEUE,       /* an operator gave it new attempts */
	ACTIVITY_CANCEL,        /* nobody wants its result any more */
	ACTIVITY_REBOOT,        /* it ends with the reboot of the device (exit 76) */
	ACTIVITY_EVENTS
};

enum activity_action {
	ACTION_NONE,    /* the event changes nothing here: it came late, or twice */
	ACTION_GO,      /* to the new state */
	ACTION_STOP,    /* to the new state, and end what runs: file `cancel`, TERM, grace, KILL */
	ACTION_BUG,     /* cannot happen; logged, the state stays */
};

struct activity_step {
	enum activity_state next;
	enum activity_action action;
};

/* Total: every state with every event. */
struct activity_step activity_step(enum activity_state state, enum activity_event event);
const char *activity_state_name(enum activity_state state);   /* "Waiting", "Active" ... */
bool activity_state_parse(const char *name, enum activity_state *state);
const char *activity_event_name(enum activity_event event);   /* "begin", "adopt" ... */

#endif
