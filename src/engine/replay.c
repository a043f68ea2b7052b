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

void replay_memory_end(struct execution *x)
{
	const struct history *h = x->history;

	if (!h || x->at == h->count || !ended_by_memory(&h->events[x->at]))
		return;
	x->ended = true;
	execution_halt(x);
}

void replay_decision(struct execution *x, const struct event *e)
{
	const struct history *h = x->history;
	const struct event *recorded = x->at < h->count ? &h->events[x->at] : NULL;

	assert(x->seq == x->at); /* E1 */
	replay_memory_end(x);
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
	x->at++;
	x->seq++;
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

void replay_next_turn(struct execution *x)
{
	do {
		x->actions = x->refused = 0;
		next(x);
		if (x->ended)
			execution_halt(x);
	} while (x->suspended);
}
