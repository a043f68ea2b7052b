/*
 * replay.c - the cursor over history, and what happens when the code waits.
 *
 * Every wait calls replay_next_turn. While history has more, the next recorded turn is applied; the decisions that
 * follow it there are then checked one by one as the code makes them. At the end of history the live turn's messages
 * are applied, once for each call; with none left the stack is suspended. So the code runs straight through, and it
 * cannot tell a recorded turn from a new one.
 */
#include "engine/internal.h"
#include <assert.h>

static _Noreturn void mismatch(struct execution *x, uint64_t seq)
{
	x->mismatch.seq = seq;
	execution_stop(x, PAWL_ENONDETERMINISM, "history line %llu has %s, but the code %s", (unsigned long long)seq,
		       x->mismatch.expected, x->mismatch.actual);
}

static void describe_made(struct execution *x, const struct event *e)
{
	struct mismatch *m = &x->mismatch;
	const char *verb = event_type_class(e->type) & EVENT_END ? "ended with " : "made ";
	size_t len = (size_t)snprintf(m->actual, sizeof m->actual, "%s", verb);

	decision_describe(m->actual + len, sizeof m->actual - len, e);
}

/* The recorded turn has no decision here: it was over. */
static void describe_turn_end(struct execution *x)
{
	struct mismatch *m = &x->mismatch;

	if (x->at < x->history->count)
		snprintf(m->expected, sizeof m->expected, "%s, so no further decision in the turn before",
			 event_type_name(x->history->events[x->at].type));
	else
		snprintf(m->expected, sizeof m->expected, "nothing, the last turn had no further decision");
}

static bool ended_by_memory(const struct event *e)
{
	return e->type == EVENT_ExecutionFailed && slice_is(e->error.kind, "system") &&
	       slice_is(e->error.code, FAILURE_CODE_MEMORY);
}

/* The code need not ask for it any more: pawl_patch_deprecated made it. */
static bool may_be_passed(const struct event *e)
{
	return e->type == EVENT_PatchMarked && e->fields & FIELD_STATUS && slice_is(e->status, PATCH_DEPRECATED);
}

/* The next event that must not be passed over; the end of history when there is none. */
static size_t next_due(const struct execution *x)
{
	const struct history *h = x->history;
	size_t at = x->at;

	while (at < h->count && may_be_passed(&h->events[at]))
		at++;
	return at;
}

/* They count as the actions that they were: limits must strike where they did. */
static void pass_markers(struct execution *x, size_t end)
{
	for (; x->at < end; x->at++, x->seq++, x->actions++)
		patch_passed(x, x->history->events[x->at].name);
}

void replay_memory_end(struct execution *x)
{
	const struct history *h = x->history;
	size_t at = h ? next_due(x) : 0;

	if (!h || at == h->count || !ended_by_memory(&h->events[at]))
		return;
	x->ended = true;
	execution_halt(x);
}

void replay_decision(struct execution *x, const struct event *e)
{
	const struct history *h = x->history;

	assert(x->seq == x->at); /* E1 */
	pass_markers(x, next_due(x));
	replay_memory_end(x);
	const struct event *recorded = x->at < h->count ? &h->events[x->at] : NULL;
	if (!recorded || !(event_type_class(recorded->type) & EVENT_DECISION)) {
		describe_turn_end(x);
		describe_made(x, e);
		mismatch(x, x->seq + 1);
	}
	if (!decision_eq(recorded, e)) {
		decision_describe(x->mismatch.expected, sizeof x->mismatch.expected, recorded);
		describe_made(x, e);
		mismatch(x, recorded->seq);
	}
	x->decided = true;
	x->at++;
	x->seq++;
}

bool replay_patch(struct execution *x, struct slice name)
{
	const struct history *h = x->history;
	size_t at = x->at, end = next_due(x);

	while (at < end && !slice_eq(h->events[at].name, name))
		at++;
	if (at == h->count || h->events[at].type != EVENT_PatchMarked || !slice_eq(h->events[at].name, name))
		return false;
	pass_markers(x, at);
	x->at++;
	x->seq++;
	x->actions++;
	return true;
}

void replay_patch_missing(struct execution *x, struct slice name)
{
	struct mismatch *m = &x->mismatch;

	snprintf(m->expected, sizeof m->expected, "no PatchMarked '%.*s'", SLICE_FMT(name));
	snprintf(m->actual, sizeof m->actual, "needs it: the path without it is gone");
	mismatch(x, x->seq + 1);
}

static void apply_turn(struct execution *x, const struct event *e)
{
	const struct event *end = x->history->events + x->history->count;

	x->time_ns = e->time_ns;
	do {
		x->at++;
		x->seq++;
		incoming_apply(x, e++);
	} while (e < end && event_type_class(e->type) & EVENT_IN && !e->has_time);
}

static bool next_recorded(struct execution *x)
{
	const struct history *h = x->history;

	if (h)
		pass_markers(x, next_due(x));
	if (!h || x->at == h->count)
		return false;
	const struct event *e = &h->events[x->at];
	if (e->seq != x->seq + 1)
		execution_stop(x, PAWL_ECORRUPT, "history of '%s' has line %llu where %llu belongs", x->id,
			       (unsigned long long)e->seq, (unsigned long long)x->seq + 1);
	if (!(event_type_class(e->type) & EVENT_IN)) {
		replay_memory_end(x);
		decision_describe(x->mismatch.expected, sizeof x->mismatch.expected, e);
		snprintf(x->mismatch.actual, sizeof x->mismatch.actual, "%s",
			 x->suspended ? "is suspended" : x->ran && x->started ? "waits" : "has not begun");
		mismatch(x, e->seq);
	}
	apply_turn(x, e);
	return true;
}

static bool next_new(struct execution *x)
{
	if (!x->turn || x->turn_taken)
		return false;
	x->turn_taken = true;
	x->live = true;
	memory_limit(x);
	return incoming_take(x) > 0;
}

static void next(struct execution *x)
{
	while (!next_recorded(x) && !next_new(x))
		coro_suspend(x->coro);
}

/*
 * The first lines of an execution that follows another were committed with the end of that one, before its code began.
 * They are its first turn, which goes on here: what is decided now, and what came meanwhile, has no time of its own.
 */
void replay_begin_carried(struct execution *x)
{
	if (!x->carry.follows || x->live || x->decided || (x->history && x->at < x->history->count))
		return;
	while (!x->turn)
		coro_suspend(x->coro);
	x->continuing = x->turn_taken = x->live = true;
	memory_limit(x);
	(void)incoming_take(x);
	if (x->ended)
		execution_halt(x);
	if (x->suspended)
		replay_next_turn(x);
}

void replay_next_turn(struct execution *x)
{
	do {
		x->actions = x->refused = 0;
		next(x);
		if (x->ended)
			execution_halt(x);
	} while (x->suspended);
}
