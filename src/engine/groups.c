/*
 * groups.c - tasks made of tasks, for any of all, all of any. A group records nothing: it follows from its members.
 *
 *	all   done when each member is; failed, as the first of them in order, when one has failed
 *	any   done or failed as the first member that is; when a wait returns it, the others are canceled
 */
#include "engine/internal.h"

#define DEPTH_MAX 16

struct membership {
	struct membership *next;
	pawl_task *group;
};

struct group {
	pawl_task **members, *winner;
	size_t count, open;
	unsigned depth;
	bool any;
};

/* ---- members come to an end ---- */

static void settle_all(struct execution *x, pawl_task *task)
{
	const struct group *g = task->group;

	for (size_t i = 0; i < g->count; i++) {
		if (g->members[i]->state == TASK_FAILED) {
			tasks_fail(x, task, g->members[i]->failure);
			return;
		}
	}
	tasks_complete(x, task, SLICE(""));
}

static void settle_any(struct execution *x, pawl_task *task, pawl_task *winner)
{
	task->group->winner = winner;
	if (winner->state == TASK_FAILED)
		tasks_fail(x, task, winner->failure);
	else
		tasks_complete(x, task, winner->result);
}

void groups_member_done(struct execution *x, pawl_task *member)
{
	for (const struct membership *m = member->memberships; m; m = m->next) {
		struct group *g = m->group->group;
		if (m->group->state != TASK_OPEN)
			continue;
		g->open--;
		if (g->any)
			settle_any(x, m->group, member);
		else if (g->open == 0)
			settle_all(x, m->group);
	}
}

/* ---- what becomes of members when something becomes of the group ---- */

void groups_seen(struct execution *x, pawl_task *task)
{
	struct group *g = task->group;

	for (size_t i = 0; i < g->count; i++) {
		if (!g->any || g->members[i] == g->winner) {
			tasks_see(x, g->members[i]);
		} else {
			tasks_cancel(x, g->members[i]);
			tasks_put_back(x, g->members[i]);
		}
	}
}

void groups_cancel(struct execution *x, pawl_task *task)
{
	for (size_t i = 0; i < task->group->count; i++)
		tasks_cancel(x, task->group->members[i]);
}

void groups_put_back(struct execution *x, pawl_task *task)
{
	for (size_t i = 0; i < task->group->count; i++)
		tasks_put_back(x, task->group->members[i]);
}

/* ---- making one ---- */

static const pawl_failure *check(struct execution *x, pawl_task *const *tasks, size_t count, bool any, unsigned *depth)
{
	if (!tasks || (any && count == 0) || count > PAWL_TURN_ACTIONS_MAX)
		return failure_make(x, "system", "invalid", "a group of %zu tasks: 1 to %d are possible", count, PAWL_TURN_ACTIONS_MAX);
	for (size_t i = 0; i < count; i++) {
		if (!tasks[i])
			return failure_make(x, "system", "invalid", "no task was given (NULL)");
		if (tasks[i]->group && tasks[i]->group->depth >= *depth)
			*depth = tasks[i]->group->depth + 1;
	}
	return *depth <= DEPTH_MAX ? NULL : failure_make(x, "system", "limit", "groups are nested deeper than %d", DEPTH_MAX);
}

static void join(struct execution *x, pawl_task *task, pawl_task *member)
{
	struct membership *m = memory_alloc(x, sizeof *m);

	m->group = task;
	m->next = member->memberships;
	member->memberships = m;
	task->group->open++;
}

static pawl_task *make(struct execution *x, pawl_task *const *tasks, size_t count, bool any)
{
	unsigned depth = 1;
	const pawl_failure *f = check(x, tasks, count, any, &depth);

	if (f)
		return tasks_failed(x, EVENT_UNKNOWN, f);
	pawl_task *task = tasks_new(x, EVENT_UNKNOWN), *first = tasks_first_done(tasks, count);
	struct group *g = memory_alloc(x, sizeof *g);
	g->members = memory_alloc(x, (count + 1) * sizeof *g->members);
	g->count = count;
	g->any = any;
	g->depth = depth;
	task->group = g;
	for (size_t i = 0; i < count; i++) {
		g->members[i] = tasks[i];
		if (tasks[i]->state == TASK_OPEN)
			join(x, task, tasks[i]);
	}
	if (any && first)
		settle_any(x, task, first);
	else if (!any && g->open == 0)
		settle_all(x, task);
	return task;
}

pawl_task *pawl_when_all_of(pawl_ctx *ctx, pawl_task *const *tasks, size_t count)
{
	return make(execution_of(ctx), tasks, count, false);
}

pawl_task *pawl_when_any_of(pawl_ctx *ctx, pawl_task *const *tasks, size_t count)
{
	return make(execution_of(ctx), tasks, count, true);
}

pawl_task *pawl_winner(const pawl_task *task)
{
	return task && task->group ? task->group->winner : NULL;
}
