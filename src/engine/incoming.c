/*
 * incoming.c - what comes from outside. A message of the live turn is looked at after everything before it was applied,
 * made an event if it still says something new (I2), and applied like one from history.
 *
 *	message                 dropped when                                            else
 *	any                     its id is in history: DUPLICATE; ended: STALE
 *	EventRaised             (name, key) is in history: DUPLICATE; a limit: REFUSED   to the oldest wait, or kept
 *	ActivityCompleted       ref is no open activity: STALE                           the task is done
 *	ActivityFailed          the same, or not the attempt that runs: STALE            Retrying by policy, else held
 *	                                                                                 if it says so, else Failed
 *	ActivityRebooting       the same, or held, or rebooting: STALE                   noted
 *	ActivityRetrying        ref is no open activity, or it is not held: STALE        it has new attempts
 *	TimerFired              ref is no open timer, or 1 and it has begun: STALE       the task is done; it begins
 *	EventScheduled          as EventRaised                                           kept until its EventRaised
 *	ExecutionSuspended      is suspended: STALE                                      the code stops at its next wait
 *	ExecutionResumed        is not: STALE                                            it goes on
 *	CancelRequested         was requested already: STALE                             what is open is cut (cancel.c)
 *	ExecutionTerminated, CancelDeadlinePassed                                        the end, without the code
 *	anything else           STALE
 */
#include "engine/internal.h"
#include "base/text.h"
#include <stdarg.h>

/* ---- applying ---- */

static pawl_task *answered(struct execution *x, const struct event *e, enum event_type began)
{
	pawl_task *task = tasks_find_open(x, e->ref, began);

	if (!task)
		execution_stop(x, PAWL_ECORRUPT, "history line %llu, %s, answers line %llu, which is not open",
			       (unsigned long long)e->seq, event_type_name(e->type), (unsigned long long)e->ref);
	return task;
}

/* Another attempt is to come, or it is held. One that was given new attempts counts from there. */
static void retry(struct execution *x, const struct event *e)
{
	pawl_task *task = answered(x, e, EVENT_ActivityScheduled);

	task->attempt = e->attempt + 1;
	task->rebooting = false;
	task->held = e->delay_ms == EVENT_DELAY_HELD;
	if (!event_is_requeue(e))
		return;
	task->attempt_base = e->attempt;
	task->scheduled_ns = x->time_ns;
}

/* Of something in another instance; nobody may want it any more. */
static pawl_task *told(struct execution *x, const struct event *e)
{
	pawl_task *task = tasks_find(x, e->ref);

	if (!task)
		execution_stop(x, PAWL_ECORRUPT, "history line %llu, %s, answers line %llu, which asked for nothing",
			       (unsigned long long)e->seq, event_type_name(e->type), (unsigned long long)e->ref);
	return task->state == TASK_OPEN ? task : NULL;
}

static void tell_result(struct execution *x, const struct event *e)
{
	pawl_task *task = told(x, e);

	if (task && e->fields & FIELD_ERROR)
		tasks_fail(x, task, failure_of_event(x, &e->error));
	else if (task && (e->type == EVENT_SendCompleted || e->type == EVENT_EntityLockGranted))
		tasks_complete(x, task, task->instance.data ? task->instance : SLICE(""));
	else if (task && e->type == EVENT_ValueReceived && !(e->fields & FIELD_DATA))
		tasks_complete(x, task, SLICE_NONE);
	else if (task)
		tasks_complete(x, task, memory_payload(x, e));
}

static void fire(struct execution *x, const struct event *e)
{
	if (e->ref == 1 && x->pending)
		x->pending = false;
	else
		tasks_complete(x, answered(x, e, EVENT_TimerCreated), SLICE(""));
}

static void raise(struct execution *x, const struct event *e)
{
	if (e->fields & FIELD_REF)
		scheduled_drop(x, e->ref);
	events_raise(x, e);
}

static void start(struct execution *x, const struct event *e)
{
	x->started = true;
	x->pending = e->fields & (FIELD_START_AT | FIELD_DUE);
	x->input = memory_payload(x, e).data;
	prng_seed(&x->prng, e->seed);
	carry_started(x, e);
}

void incoming_apply(struct execution *x, const struct event *e)
{
	events_remember(x, e);
	switch (e->type) {
	case EVENT_ExecutionStarted:
		start(x, e);
		break;
	case EVENT_ExecutionTerminated:
	case EVENT_ExecutionRewound:
	case EVENT_CancelDeadlinePassed:
		x->ended = true;
		break;
	case EVENT_ExecutionSuspended:
	case EVENT_ExecutionResumed:
		x->suspended = e->type == EVENT_ExecutionSuspended;
		break;
	case EVENT_CancelRequested:
		x->cancel_requested = x->cancel_due = true;
		carry_cancel(x, e);
		break;
	case EVENT_ActivityCompleted:
		tasks_complete(x, answered(x, e, EVENT_ActivityScheduled), memory_payload(x, e));
		break;
	case EVENT_ActivityFailed:
		tasks_fail(x, answered(x, e, EVENT_ActivityScheduled), failure_of_event(x, &e->error));
		break;
	case EVENT_ActivityRetrying:
		retry(x, e);
		break;
	case EVENT_ActivityRebooting:
		answered(x, e, EVENT_ActivityScheduled)->rebooting = true;
		break;
	case EVENT_TimerFired:
		fire(x, e);
		break;
	case EVENT_EventRaised:
		raise(x, e);
		break;
	case EVENT_EventScheduled:
		scheduled_add(x, e);
		break;
	case EVENT_ChildRetrying:
		(void)told(x, e);
		break;
	case EVENT_ChildCompleted:
	case EVENT_ChildFailed:
	case EVENT_SendCompleted:
	case EVENT_SendFailed:
	case EVENT_ValueReceived:
	case EVENT_EntityReplied:
	case EVENT_EntityLockGranted:
		tell_result(x, e);
		break;
	case EVENT_TopicCarried:
		topics_carried(x, e);
		break;
	case EVENT_KeyValueCarried:
		values_carried(x, e);
		break;
	default:
		execution_stop(x, PAWL_EUNSUPPORTED, "history line %llu has %s, which this version cannot replay",
			       (unsigned long long)e->seq, event_type_name(e->type));
	}
}

/* ---- messages ---- */

static enum message_result drop(struct message *m, enum message_result result, const char *why)
{
	m->why = why;
	return result;
}

static enum message_result refuse(struct execution *x, struct message *m, const char *fmt, ...) PAWL_PRINTF(3, 4);
static enum message_result refuse(struct execution *x, struct message *m, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	char *why = arena_vprintf(&x->turn_arena, fmt, args);
	va_end(args);
	return drop(m, MESSAGE_REFUSED, why ? why : "over a limit");
}

/* What is buffered may have half of the memory: whoever floods an instance must not be able to end it. */
static enum message_result admit_raised(struct execution *x, struct message *m)
{
	const struct event *e = &m->event;
	const struct event_queue *q = events_find(x, e->name);
	uint64_t len = e->data.data ? e->data.len : e->data_len;

	if (!text_is_event_name(e->name))
		return drop(m, MESSAGE_REFUSED, "the event's name is not valid: 1 to 64 of letters, digits, _ : -");
	if (len > PAWL_PAYLOAD_BYTES_MAX)
		return refuse(x, m, "event '%.*s' has more data than the limit of %d bytes (PAWL_PAYLOAD_BYTES_MAX)",
			      SLICE_FMT(e->name), PAWL_PAYLOAD_BYTES_MAX);
	if (x->seq >= PAWL_HISTORY_EVENTS_MAX)
		return refuse(x, m, "over the limit of %d events in one history (PAWL_HISTORY_EVENTS_MAX)",
			      PAWL_HISTORY_EVENTS_MAX);
	if (x->bytes >= x->options.history_bytes_max)
		return refuse(x, m, "over the limit of %llu bytes in one history (limits.history_bytes_max)",
			      (unsigned long long)x->options.history_bytes_max);
	if (q && q->waits)
		return MESSAGE_TAKEN;
	if (q && q->count >= x->options.events_buffered_max)
		return refuse(x, m, "%lu events named '%.*s' wait to be taken already, which is the limit",
			      (unsigned long)q->count, SLICE_FMT(e->name));
	size_t texts = e->name.len + e->id.len + e->key.len + e->from.len;
	if (!memory_has_room(x, (size_t)len + texts + sizeof(struct raised) + sizeof(struct event_queue)))
		return refuse(x, m, "events that wait to be taken have used half of the memory limit of %zu bytes",
			      x->options.memory_max);
	return MESSAGE_TAKEN;
}

static enum message_result admit_answer(struct execution *x, struct message *m, enum event_type began)
{
	const struct event *e = &m->event;
	const pawl_task *task = tasks_find_open(x, e->ref, began);

	if (!task)
		return drop(m, MESSAGE_STALE, "it answers nothing that is open");
	if ((e->type == EVENT_ActivityFailed || e->type == EVENT_ActivityRebooting) && e->attempt != task->attempt)
		return drop(m, MESSAGE_STALE, "another attempt runs by now");
	if (e->type == EVENT_ActivityRebooting && (task->held || task->rebooting))
		return drop(m, MESSAGE_STALE, task->held ? "it is held: no attempt runs" : "it reboots already");
	if (e->type == EVENT_ActivityRetrying && !task->held)
		return drop(m, MESSAGE_STALE, "it is not held");
	return MESSAGE_TAKEN;
}

static enum message_result admit_if(struct message *m, bool condition, const char *why_not)
{
	return condition ? MESSAGE_TAKEN : drop(m, MESSAGE_STALE, why_not);
}

static enum message_result admit(struct execution *x, struct message *m)
{
	const struct event *e = &m->event;

	if (x->ended)
		return drop(m, MESSAGE_STALE, "the execution has ended");
	if (events_is_known(x, e))
		return drop(m, MESSAGE_DUPLICATE, "history has it already");
	if (x->started == (e->type == EVENT_ExecutionStarted))
		return drop(m, MESSAGE_STALE, x->started ? "it has started already" : "it has not started");
	switch (e->type) {
	case EVENT_ExecutionStarted:
	case EVENT_ExecutionTerminated:
	case EVENT_CancelDeadlinePassed:
		return MESSAGE_TAKEN;
	case EVENT_EventRaised:
	case EVENT_EventScheduled:
		return admit_raised(x, m);
	case EVENT_ActivityCompleted:
	case EVENT_ActivityFailed:
	case EVENT_ActivityRebooting:
	case EVENT_ActivityRetrying:
		return admit_answer(x, m, EVENT_ActivityScheduled);
	case EVENT_TimerFired:
		return e->ref == 1 ? admit_if(m, x->pending, "it has begun already") : admit_answer(x, m, EVENT_TimerCreated);
	case EVENT_ExecutionSuspended:
		return admit_if(m, !x->suspended, "it is suspended already");
	case EVENT_ExecutionResumed:
		return admit_if(m, x->suspended, "it is not suspended");
	case EVENT_CancelRequested:
		return admit_if(m, !x->cancel_requested, "cancel was requested already");
	default:
		return drop(m, MESSAGE_STALE, "it answers nothing that is open");
	}
}

/* The code must see now what it will see at replay. The texts are the turn's own copies. */
static void clean_failure(const struct failure *f)
{
	const struct slice texts[] = { f->kind, f->code, f->message, f->details };

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		if (texts[i].len)
			failure_clean((char *)(uintptr_t)texts[i].data, texts[i].len);
	}
}

static void set_retrying(struct execution *x, struct event *e)
{
	e->type = EVENT_ActivityRetrying;
	e->fields |= FIELD_DELAY | FIELD_DUE;
	retry_due(&e->due, x->turn, x->time_ns, e->delay_ms);
	e->due.boot = arena_copy(&x->turn_arena, x->turn->boot);
}

/* A failed attempt with another to come, or one that is held, is another event. */
static void plan_retry(struct execution *x, struct event *e)
{
	const pawl_task *task = tasks_find_open(x, e->ref, EVENT_ActivityScheduled);
	int64_t elapsed_ms = (x->time_ns - task->scheduled_ns) / 1000000;
	const struct retry_policy fallback = e->retry;
	const struct retry_policy *policy = task->retry ? task->retry : e->fields & FIELD_RETRY ? &fallback : NULL;
	bool hold = e->fields & FIELD_DELAY && e->delay_ms == EVENT_DELAY_HELD;

	e->fields = (e->fields | FIELD_ATTEMPT) & ~(uint32_t)(FIELD_RETRY | FIELD_DELAY);
	if (policy && retry_decide(policy, &e->error, e->attempt - task->attempt_base, elapsed_ms, prng_mix(&x->jitter),
				   &e->delay_ms)) {
		set_retrying(x, e);
	} else if (hold) {
		e->type = EVENT_ActivityRetrying;
		e->fields |= FIELD_DELAY;
	} else if (slice_is(e->error.kind, "stuck")) {
		e->error.kind = SLICE("poison");
	}
}

/* The last attempt that was made is said to have failed once more, so that the same one comes next. */
static void plan_requeue(struct execution *x, struct event *e)
{
	const pawl_task *task = tasks_find_open(x, e->ref, EVENT_ActivityScheduled);
	const char *why = "given new attempts";

	if (e->fields & FIELD_REASON && e->reason.len > 0)
		why = arena_printf(&x->turn_arena, "%s: %.*s", why, SLICE_FMT(e->reason));
	if (!why)
		execution_stop(x, PAWL_ENOMEM, "out of memory in instance '%s'", x->id);
	e->fields &= FIELD_REF | FIELD_ID | FIELD_REASON;
	e->fields |= FIELD_ATTEMPT | FIELD_ERROR;
	e->attempt = task->attempt - 1;
	e->error = (struct failure){ .kind = SLICE(EVENT_KIND_REQUEUED), .code = SLICE(EVENT_CODE_REQUEUED),
				     .message = slice_of(why), .retryable = true };
	clean_failure(&e->error);
	e->delay_ms = 0;
	set_retrying(x, e);
}

static void take(struct execution *x, struct message *m)
{
	struct event *e = decide_add_event(x);
	bool first = !x->turn_open;

	if (event_copy(e, &m->event, &x->turn_arena) < 0)
		execution_stop(x, PAWL_ENOMEM, "out of memory in instance '%s'", x->id);
	if (first)
		x->time_ns = x->turn->time_ns / 1000 * 1000; /* as exact as history keeps it */
	x->turn_open = true;
	e->has_time = first;
	e->time_ns = first ? x->time_ns : 0;
	e->seq = ++x->seq;
	if (e->type == EVENT_ActivityFailed) {
		clean_failure(&e->error);
		plan_retry(x, e);
	} else if (e->type == EVENT_ActivityRetrying) {
		plan_requeue(x, e);
	}
	m->why = NULL;
	m->result = MESSAGE_TAKEN;
	decide_count(x, e);
	incoming_apply(x, e); /* may end the execution and not return */
}

size_t incoming_take(struct execution *x)
{
	size_t before = x->out_count;

	for (size_t i = 0; i < x->turn->message_count; i++) {
		struct message *m = &x->turn->messages[i];

		if (m->event.seq)
			continue; /* a delivered line */
		m->result = admit(x, m);
		if (m->result == MESSAGE_TAKEN)
			take(x, m);
	}
	return x->out_count - before;
}
