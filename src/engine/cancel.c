/*
 * cancel.c - a request to cancel. It cuts once: all that is open is canceled by the engine, in the order in which it was
 * begun, and fails with kind "canceled"; then the code goes on, and cleans up.
 *
 *	             CancelRequested         the code waits, or waited; not shielded        the code ends
 *	 (running) ──────────────────► DUE ───────────────────────────────────────► CUT ───────────────────► Canceled, if it says so
 *	                                │                                            │
 *	                                └── Pending: Canceled, without the code       └── CancelDeadlinePassed: Canceled
 *
 * Code that was not told of the cut must not go on as if what it waited for had come (pawl_any gives a task, pawl_sleep nothing): with
 * the next thing that it decides, and with its end, it is Canceled. It is told by whatever shows it the failure, and by asking for it.
 *
 * The cut is a decision like those of the code: it comes at the same place in every replay, as the request is in the history
 * and shields are the code's.
 */
#include "engine/internal.h"

static bool may_be_cut(const pawl_task *task)
{
	if (task->state != TASK_OPEN)
		return false;
	switch (task->type) {
	case EVENT_ActivityScheduled:
	case EVENT_TimerCreated:
	case EVENT_EventSubscribed:
	case EVENT_ChildScheduled:
	case EVENT_EntityCalled:
	case EVENT_EntityLockRequested:
		return true;
	default:
		return false; /* its answer is on its way, in the same commit */
	}
}

bool cancel_takes_effect(struct execution *x)
{
	bool any = false;

	if (!x->cancel_due || x->shield)
		return false;
	for (size_t i = 0; i < x->task_count; i++) {
		if (!may_be_cut(x->tasks[i]))
			continue;
		tasks_cancel(x, x->tasks[i]);
		any = true;
	}
	x->cancel_due = !any;
	x->cut_unseen = any;
	return any;
}

void cancel_end(struct execution *x)
{
	const struct carry *c = &x->carry;
	struct event e = { .type = EVENT_ExecutionCanceled, .fields = c->has_reason ? FIELD_REASON : 0u, .reason = c->reason };

	cancel_told(x);
	decide(x, &e);
	x->ended = true;
	execution_halt(x);
}

bool pawl_is_cancelled(pawl_ctx *ctx)
{
	struct execution *x = execution_of(ctx);

	cancel_told(x);
	return x->cancel_requested;
}

const char *pawl_cancel_reason(pawl_ctx *ctx)
{
	struct execution *x = execution_of(ctx);

	cancel_told(x);
	return !x->cancel_requested ? NULL : x->carry.has_reason ? x->carry.reason.data : "";
}

void pawl_shield(pawl_ctx *ctx, bool on)
{
	execution_of(ctx)->shield = on;
}
