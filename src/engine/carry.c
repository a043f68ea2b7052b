/*
 * carry.c - continue-as-new: what goes over to the next execution. The end of this one and the first lines of the next
 * are one commit (I3), and are made here together:
 *
 *	execution n      ... ExecutionContinuedAsNew{input, version}
 *	execution n+1    ExecutionStarted{name, version, input, seed, execution, parent, status}
 *	                 KeyValueCarried, for each key-value; TopicCarried, for each subscription
 *	                 EventScheduled, for each event for later
 *	                 CancelRequested, if that was asked for
 *	                 EventRaised, for each event that the code has not seen, in the order in which they came
 *
 * An event is seen when a wait for it was returned to the code. One that an open wait has taken, and nobody asked for,
 * is put back as by pawl_any. Ids and keys go with the events, so that the next execution knows them too (I2).
 */
#include "engine/internal.h"
#include "base/error.h"

void carry_init(struct carry *c)
{
	*c = (struct carry){ .name = SLICE_NONE };
	buf_init(&c->status);
}

void carry_release(struct carry *c)
{
	buf_release(&c->status);
}

/* ---- as it changes ---- */

void carry_status(struct execution *x, const struct event *e)
{
	bool started = e->type == EVENT_ExecutionStarted;
	struct carry *c = &x->carry;

	c->has_status = e->fields & (started ? FIELD_STATUS : FIELD_DATA);
	buf_reset(&c->status);
	if (c->has_status)
		buf_add_slice(&c->status, started ? e->status : e->data);
	if (!buf_ok(&c->status))
		execution_stop(x, PAWL_ENOMEM, "out of memory in instance '%s'", x->id);
}

void carry_started(struct execution *x, const struct event *e)
{
	struct carry *c = &x->carry;

	c->rewound = e->fields & FIELD_REF ? e->ref : 0;
	c->name = memory_copy(x, e->name);
	c->version = memory_copy(x, e->version);
	if (e->fields & FIELD_PARENT) {
		c->parent = memory_copy(x, e->parent);
		c->parent_execution = e->parent_execution;
		c->parent_ref = e->parent_ref;
	}
	carry_status(x, e);
}

void carry_cancel(struct execution *x, const struct event *e)
{
	struct carry *c = &x->carry;

	c->has_reason = e->fields & FIELD_REASON;
	c->has_id = e->fields & FIELD_ID;
	c->reason = c->has_reason ? memory_copy(x, e->reason) : SLICE_NONE;
	c->id = c->has_id ? memory_copy(x, e->id) : SLICE_NONE;
	c->cancel_delay_ms = e->delay_ms;
	c->cancel_due = e->due;
	c->cancel_due.boot = e->fields & FIELD_DUE ? memory_copy(x, e->due.boot) : SLICE_NONE;
}

/* ---- the first lines of the next execution ---- */

static bool is_unseen(const pawl_task *task)
{
	return task->type == EVENT_EventSubscribed && task->state == TASK_DONE && task->raised && !task->seen;
}

static int count_queue(void *arg, struct slice key, void *value)
{
	const struct event_queue *q = value;
	size_t *count = arg;

	(void)key;
	*count += q->count;
	return 0;
}

static size_t count_events(struct execution *x)
{
	size_t count = 0;

	(void)map_each(&x->queues, count_queue, &count);
	for (size_t i = 0; i < x->task_count; i++)
		count += is_unseen(x->tasks[i]);
	return count;
}

struct event *carry_event(struct execution *x)
{
	struct event *e = &x->next_out[x->next_count++];

	e->seq = x->next_count;
	return e;
}

/* seq is that of the event here until they are in order. */
static void next_raised(struct execution *x, struct slice name, const struct raised *r)
{
	struct event *e = carry_event(x);

	e->type = EVENT_EventRaised;
	e->fields = r->fields & ~(uint32_t)FIELD_REF; /* the line that it was scheduled in is of this one */
	e->seq = r->seq;
	e->name = name;
	e->data = r->fields & FIELD_DATA ? r->data : SLICE_NONE;
	e->id = r->id;
	e->key = r->key;
	e->from = r->from;
}

static int next_queue(void *arg, struct slice key, void *value)
{
	const struct event_queue *q = value;

	(void)key;
	for (const struct raised *r = q->first; r; r = r->next)
		next_raised(arg, q->name, r);
	return 0;
}

static int seq_order(const void *a, const void *b)
{
	uint64_t left = ((const struct event *)a)->seq, right = ((const struct event *)b)->seq;

	return left < right ? -1 : left > right;
}

static void next_events(struct execution *x)
{
	size_t from = x->next_count;

	(void)map_each(&x->queues, next_queue, x);
	for (size_t i = 0; i < x->task_count; i++) {
		const pawl_task *task = x->tasks[i];
		if (is_unseen(task))
			next_raised(x, task->queue->name, task->raised);
	}
	qsort(x->next_out + from, x->next_count - from, sizeof *x->next_out, seq_order);
	for (size_t i = from; i < x->next_count; i++)
		x->next_out[i].seq = i + 1;
}

static void next_start(struct execution *x)
{
	const struct carry *c = &x->carry;
	struct event *e = carry_event(x);

	e->type = EVENT_ExecutionStarted;
	e->fields = FIELD_NAME | FIELD_VERSION | FIELD_SEED | FIELD_EXECUTION;
	e->has_time = true;
	e->time_ns = x->time_ns;
	e->name = c->name;
	e->version = c->next_version.data ? c->next_version : c->version;
	e->execution = x->number + 1;
	e->seed[0] = prng_next(&x->prng);
	e->seed[1] = prng_next(&x->prng);
	if (c->next_input.data) {
		e->fields |= FIELD_DATA;
		e->data = c->next_input;
	}
	if (c->parent.data) {
		e->fields |= FIELD_PARENT;
		e->parent = c->parent;
		e->parent_execution = c->parent_execution;
		e->parent_ref = c->parent_ref;
	}
	if (c->has_status) {
		e->fields |= FIELD_STATUS;
		e->status = slice_make(buf_str(&c->status), c->status.len);
	}
}

static void next_cancel(struct execution *x)
{
	const struct carry *c = &x->carry;
	struct event *e = carry_event(x);

	e->type = EVENT_CancelRequested;
	e->fields = (c->has_reason ? FIELD_REASON : 0u) | (c->has_id ? FIELD_ID : 0u);
	e->reason = c->reason;
	e->id = c->id;
	if (!c->cancel_due.boot.data)
		return;
	e->fields |= FIELD_DELAY | FIELD_DUE;
	e->delay_ms = c->cancel_delay_ms;
	e->due = c->cancel_due;
}

/* ---- the end of this one ---- */

void carry_on(struct execution *x)
{
	const struct carry *c = &x->carry;
	struct event e = { .type = EVENT_ExecutionContinuedAsNew, .data = c->next_input, .version = c->next_version };

	e.fields = (e.data.data ? FIELD_DATA : 0u) | (e.version.data ? FIELD_VERSION : 0u);
	decide(x, &e);
	x->ended = true;
	if (!x->live)
		return; /* history has it, and the next execution has its lines */
	size_t count = 2 + values_count(x) + topics_count(x) + scheduled_count(x) + count_events(x);
	x->next_out = arena_calloc(&x->turn_arena, count, sizeof *x->next_out);
	if (!x->next_out)
		execution_stop(x, PAWL_ENOMEM, "out of memory in instance '%s'", x->id);
	next_start(x);
	values_carry(x);
	topics_carry(x);
	scheduled_carry(x);
	if (x->cancel_requested)
		next_cancel(x);
	next_events(x);
}
