/*
 * tasks.c - what the code waits on.
 *
 *	           completion event            (wait took an event, lost an any)
 *	  OPEN ──────────────────────► DONE ──────────────────────────────────► FAILED "canceled"
 *	    │                                                                      ▲
 *	    ├── failure event ─────────────────────────────────────────────────────┤
 *	    └── canceled by the code, refused at its creation ──────────────────────┘
 *
 * A task that is not OPEN is done and stays so; what comes for it later is stale. `order` says which was done first.
 */
#include "engine/internal.h"
#include <assert.h>

static const pawl_failure canceled = { "canceled", "", "canceled by the orchestration", NULL, false };

pawl_task *tasks_new(struct execution *x, enum event_type type)
{
	pawl_task *task = memory_alloc(x, sizeof *task);

	task->type = type;
	task->x = x;
	return task;
}

static void append(struct execution *x, pawl_task *task)
{
	if (x->task_count == x->task_cap) {
		size_t cap = x->task_cap ? x->task_cap * 2 : 4;
		pawl_task **tasks = realloc(x->tasks, cap * sizeof(*tasks));

		if (!tasks)
			execution_stop(x, PAWL_ENOMEM, "out of memory in instance '%s'", x->id);
		x->tasks = tasks;
		x->task_cap = cap;
	}
	assert(x->task_count == 0 || x->tasks[x->task_count - 1]->seq < task->seq);
	x->tasks[x->task_count++] = task;
}

void tasks_begin(struct execution *x, pawl_task *task, uint64_t seq)
{
	task->seq = seq;
	task->attempt = 1;
	task->scheduled_ns = x->time_ns;
	append(x, task);
}

pawl_task *tasks_failed(struct execution *x, enum event_type type, const pawl_failure *f)
{
	pawl_task *task = tasks_new(x, type);

	tasks_fail(x, task, f);
	decide_refused(x, f);
	return task;
}

pawl_task *tasks_find(const struct execution *x, uint64_t seq)
{
	size_t low = 0, high = x->task_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (x->tasks[mid]->seq < seq)
			low = mid + 1;
		else
			high = mid;
	}
	return low < x->task_count && x->tasks[low]->seq == seq ? x->tasks[low] : NULL;
}

pawl_task *tasks_find_open(const struct execution *x, uint64_t seq, enum event_type type)
{
	pawl_task *task = tasks_find(x, seq);

	return task && task->type == type && task->state == TASK_OPEN ? task : NULL;
}

void tasks_complete(struct execution *x, pawl_task *task, struct slice result)
{
	task->state = TASK_DONE;
	task->result = result;
	task->order = ++x->order;
	groups_member_done(x, task);
}

void tasks_fail(struct execution *x, pawl_task *task, const pawl_failure *f)
{
	task->state = TASK_FAILED;
	task->result = SLICE_NONE;
	task->failure = f;
	task->order = ++x->order;
	groups_member_done(x, task);
}

void tasks_see(struct execution *x, pawl_task *task)
{
	bool again = task->seen;

	task->seen = true;
	if (task->group && !again)
		groups_seen(x, task);
	if (task->state == TASK_FAILED)
		x->failure = task->failure;
}

void tasks_wait(struct execution *x, const pawl_task *task)
{
	while (task->state == TASK_OPEN)
		replay_next_turn(x);
}

/* What tells that it is not wanted any more; UNKNOWN: nothing has to, its answer is ignored. */
static enum event_type drop_type(const pawl_task *task)
{
	switch (task->type) {
	case EVENT_ActivityScheduled: return EVENT_ActivityCancelRequested;
	case EVENT_TimerCreated: return EVENT_TimerCanceled;
	case EVENT_EventSubscribed: return EVENT_EventUnsubscribed;
	case EVENT_ChildScheduled: return EVENT_ChildCancelRequested;
	case EVENT_EntityLockRequested: return EVENT_EntityUnlocked;
	default: return EVENT_UNKNOWN;
	}
}

static void decide_drop(struct execution *x, const pawl_task *task)
{
	enum event_type type = drop_type(task);

	if (type != EVENT_UNKNOWN)
		decide(x, &(struct event){ .type = type, .fields = FIELD_REF, .ref = task->seq });
}

void tasks_cancel(struct execution *x, pawl_task *task)
{
	if (task->state != TASK_OPEN)
		return;
	if (task->group) { /* which ends with its members */
		groups_cancel(x, task);
		return;
	}
	decide_drop(x, task); /* no limit is looked at: there are at most as many as tasks */
	if (task->queue)
		events_drop_wait(task);
	task->canceled = true;
	tasks_fail(x, task, &canceled);
}

void tasks_put_back(struct execution *x, pawl_task *task)
{
	struct raised *r = task->raised;

	if (task->group && !task->seen)
		groups_put_back(x, task);
	if (task->state != TASK_DONE || task->seen || !r)
		return;
	decide_drop(x, task);
	task->raised = NULL;
	tasks_fail(x, task, &canceled);
	events_put_back(x, task->queue, r);
}

pawl_task *tasks_first_done(pawl_task *const *tasks, size_t count)
{
	pawl_task *first = NULL;

	for (size_t i = 0; i < count; i++) {
		if (tasks[i] && tasks[i]->state != TASK_OPEN && (!first || tasks[i]->order < first->order))
			first = tasks[i];
	}
	return first;
}
