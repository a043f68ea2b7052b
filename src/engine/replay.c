/*
 * replay.c - the cursor over history, and what happens when the code waits.
 *
 * Every wait calls replay_next_turn. While history has more, the next recorded turn is applied; the decisions that
 * follow it there are then checked one by one as the code makes them. At the end of history the live turn's messages
 * are applied, once for each call; with none left the stack is suspended. So the code runs straight through, and it
 * cannot tell a recorded turn from a new one.
 *
 *	recorded turn ─► ... ─► the last one, without decisions ─► delivered lines ─► the messages ─► suspended
 *	                         of delivered lines: it goes on      (resident stack:    of the turn
 *	                         here, the decisions are new          the same)
 *
 * Lines that others have put into the history (event_is_delivered) are a turn that the code has not seen: what it decides
 * because of them is new, and belongs to that turn, so it has no time of its own.
 */
#include "engine/internal.h"
#include "base/error.h"
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
	for (; x->at < end; x->at++, x->seq++, x->actions++) {
		patch_passed(x, x->history->events[x->at].name);
		decide_count(x, &x->history->events[x->at]);
	}
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

/* Is the turn in front of `at` one that began with a delivered line, and has the code decided nothing in it? */
static bool is_open_turn(const struct execution *x, size_t at)
{
	const struct history *h = x->history;

	while (at-- > 0) {
		const struct event *e = &h->events[at];
		if (!(event_type_class(e->type) & EVENT_IN))
			return false;
		if (e->has_time)
			return event_is_delivered(e) || e->seq <= x->carry.rewound;
	}
	return false;
}

/* It was terminated, or left for another execution, before its code went on: what it would have decided is not there. */
static void ended_unrun(struct execution *x)
{
	const struct history *h = x->history;
	const struct event *e = x->at < h->count ? &h->events[x->at] : NULL;

	if (!e || (e->type != EVENT_ExecutionTerminated && e->type != EVENT_ExecutionRewound) || !is_open_turn(x, x->at))
		return;
	x->at++;
	x->seq++;
	x->ended = true;
	execution_halt(x);
}

void replay_decision(struct execution *x, const struct event *e)
{
	const struct history *h = x->history;

	assert(x->seq == x->at); /* E1 */
	pass_markers(x, next_due(x));
	replay_memory_end(x);
	ended_unrun(x);
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
	x->at++;
	x->seq++;
	decide_count(x, recorded);
}

void replay_pass_markers(struct execution *x)
{
	if (!x->live)
		pass_markers(x, next_due(x));
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
	decide_count(x, &h->events[x->at++]);
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

int replay_check_end(struct execution *x, const struct history *h, struct pawl_error *err)
{
	size_t at = x->at;

	while (at < h->count && may_be_passed(&h->events[at]))
		at++;
	if (at == h->count || ended_by_memory(&h->events[at]))
		return 0;
	struct mismatch *m = &x->mismatch;
	m->seq = h->events[at].seq;
	decision_describe(m->expected, sizeof m->expected, &h->events[at]);
	snprintf(m->actual, sizeof m->actual, "%s before it", x->ended ? "ended" : "stopped");
	x->stop_code = PAWL_ENONDETERMINISM;
	return err_set(err, x->stop_code, "history line %llu has %s, but the code %s", (unsigned long long)m->seq, m->expected, m->actual);
}

static void apply_turn(struct execution *x, const struct event *e)
{
	const struct event *end = x->history->events + x->history->count;

	x->time_ns = e->time_ns;
	do {
		x->at++;
		x->seq++;
		decide_count(x, e);
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

/* From here on decisions are new, and no message was looked at yet. */
static void go_live(struct execution *x)
{
	while (!x->turn)
		coro_suspend(x->coro);
	x->live = true;
	x->turn_open = true;
	memory_limit(x);
}

/* Must the code not go on? Then what came joins the turn before it does: there is no other place for it. */
static bool is_held_back(const struct turn *t)
{
	for (size_t i = 0; i < t->message_count; i++) {
		enum event_type type = t->messages[i].event.type;
		if (type == EVENT_ExecutionSuspended || type == EVENT_ExecutionTerminated || type == EVENT_CancelDeadlinePassed)
			return true;
	}
	return false;
}

static bool next_old(struct execution *x)
{
	if (!next_recorded(x))
		return false;
	if (x->at < x->history->count || x->ended || !is_open_turn(x, x->at))
		return true;
	go_live(x);
	if (is_held_back(x->turn)) {
		x->turn_taken = true;
		(void)incoming_take(x);
	}
	return true;
}

static void apply_delivered(struct execution *x, const struct event *e)
{
	if (e->seq != x->seq + 1)
		execution_stop(x, PAWL_EBUG, "instance '%s' was given line %llu where %llu belongs", x->id, (unsigned long long)e->seq,
			       (unsigned long long)x->seq + 1);
	go_live(x);
	if (e->has_time)
		x->time_ns = e->time_ns;
	x->seq++;
	decide_count(x, e);
	incoming_apply(x, e);
}

/* Lines that were put into the history since the code ran last: those of one turn. What was loaded with it is known. */
static bool next_delivered(struct execution *x)
{
	bool any = false;

	for (size_t i = 0; x->turn && i < x->turn->message_count; i++) {
		struct message *m = &x->turn->messages[i];
		if (!m->event.seq || m->result == MESSAGE_TAKEN)
			continue;
		if (any && m->event.has_time && m->event.seq > x->seq)
			break; /* another turn */
		m->why = NULL;
		m->result = MESSAGE_TAKEN;
		if (m->event.seq <= x->seq)
			continue;
		apply_delivered(x, &m->event);
		any = true;
	}
	return any;
}

static bool next_new(struct execution *x)
{
	if (!x->turn || x->turn_taken)
		return false;
	x->turn_taken = true;
	go_live(x);
	x->turn_open = false; /* the first message opens it */
	return incoming_take(x) > 0;
}

static void next(struct execution *x)
{
	while (!next_old(x) && !next_delivered(x) && !next_new(x))
		coro_suspend(x->coro);
}

void replay_next_turn(struct execution *x)
{
	if (cancel_takes_effect(x))
		return;
	do {
		x->actions = x->refused = 0;
		next(x);
		if (x->ended)
			execution_halt(x);
		if (x->pending && x->cancel_requested)
			cancel_end(x);
	} while (x->suspended || x->pending);
	(void)cancel_takes_effect(x);
}
