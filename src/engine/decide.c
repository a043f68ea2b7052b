/* decide.c - what the code decided becomes an event, or is checked against the one that history has (E2). */
#include "engine/internal.h"
#include "base/error.h"
#include <assert.h>

/* Grown inside the turn's arena: what was outgrown is freed with it, and an execution that waits keeps little. */
static void grow(struct execution *x)
{
	size_t cap = x->out_cap ? x->out_cap * 2 : 2;
	struct event *out = arena_calloc(&x->turn_arena, cap, sizeof *out);

	if (!out)
		execution_stop(x, PAWL_ENOMEM, "out of memory in instance '%s'", x->id);
	if (x->out_count)
		memcpy(out, x->out, x->out_count * sizeof *out);
	x->out = out;
	x->out_cap = cap;
}

struct event *decide_add_event(struct execution *x)
{
	if (x->out_count == x->out_cap)
		grow(x);
	return &x->out[x->out_count++];
}

static void record(struct execution *x, const struct event *e)
{
	assert(x->turn && x->turn_open); /* a turn begins with what came in */
	struct event *out = decide_add_event(x);

	if (event_copy(out, e, &x->turn_arena) < 0)
		execution_stop(x, PAWL_ENOMEM, "out of memory in instance '%s'", x->id);
	out->seq = ++x->seq;
	decide_count(x, out);
}

/* The same while replaying: what is read back is what was recorded. A line is counted with what it is around its payload. */
void decide_count(struct execution *x, const struct event *e)
{
	x->bytes += HISTORY_LINE_BYTES + (e->data.data ? e->data.len : e->data_len);
	if (e->fields & FIELD_STATUS)
		x->bytes += e->status.len;
	if (e->fields & FIELD_ERROR)
		x->bytes += e->error.message.len + e->error.details.len;
}

uint64_t decide(struct execution *x, const struct event *e)
{
	if (x->cut_unseen)
		cancel_end(x);
	if (x->live)
		record(x, e);
	else
		replay_decision(x, e);
	x->actions++;
	return x->seq;
}

const pawl_failure *decide_limit(struct execution *x)
{
	if (x->actions >= PAWL_TURN_ACTIONS_MAX)
		return failure_make(x, "system", "turn-limit",
				    "over the limit of %d actions in one turn (PAWL_TURN_ACTIONS_MAX): "
				    "wait for some first",
				    PAWL_TURN_ACTIONS_MAX);
	if (x->seq >= PAWL_HISTORY_EVENTS_MAX)
		return failure_make(x, "system", "history-limit",
				    "over the limit of %d events in one history (PAWL_HISTORY_EVENTS_MAX)",
				    PAWL_HISTORY_EVENTS_MAX);
	if (x->bytes >= PAWL_HISTORY_BYTES_MAX)
		return failure_make(x, "system", "history-limit",
				    "over the limit of %d bytes in one history (PAWL_HISTORY_BYTES_MAX): "
				    "continue as new before",
				    PAWL_HISTORY_BYTES_MAX);
	return NULL;
}

void decide_refused(struct execution *x, const pawl_failure *why)
{
	x->failure = why;
	if (++x->refused <= PAWL_TURN_ACTIONS_MAX)
		return;
	execution_end_failed(x, failure_make(x, "system", why->code, "%d calls in one turn were refused, the last: %s",
					     PAWL_TURN_ACTIONS_MAX, why->message));
}
