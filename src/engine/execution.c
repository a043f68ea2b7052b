/*
 * execution.c - the life of an execution and of its stack. All engine work of a call happens on the coroutine: it takes
 * the messages itself when the code waits (replay.c), so that resident and replay-only mode run the very same lines.
 * Whatever ends it early (an error, a mismatch, an end that the code did not make) is noted and the coroutine suspended
 * for good; the call that resumed it then looks at what was noted.
 */
#include "engine/internal.h"
#include "base/error.h"
#include <assert.h>
#include <stdarg.h>

#define TURN_BYTES_KEPT 4096 /* a turn that took no more leaves its room to the next */

void execution_halt(struct execution *x)
{
	bool resumed = false;

	for (;; resumed = true) {
		assert(!resumed); /* E3 */
		coro_suspend(x->coro);
	}
}

void execution_stop(struct execution *x, int code, const char *fmt, ...)
{
	char text[PAWL_ERROR_TEXT_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	x->stop_code = err_set(x->err, code, "%s", text);
	execution_halt(x);
}

/* Ends it without its code, and with nobody to wait for what is open. */
void execution_end_failed(struct execution *x, const pawl_failure *f)
{
	decide(x, &(struct event){ .type = EVENT_ExecutionFailed, .fields = FIELD_ERROR,
				   .error = failure_for_event(f) });
	x->ended = true;
	execution_halt(x);
}

/* ---- the coroutine ---- */

static void end_completed(struct execution *x)
{
	struct event e = { .type = EVENT_ExecutionCompleted, .data = x->output };

	if (e.data.data)
		e.fields |= FIELD_DATA;
	decide(x, &e);
	x->ended = true;
}

static void body(void *arg)
{
	struct execution *x = arg;

	replay_next_turn(x);
	int rc = entity_is(x) ? entity_run(x) : x->fn(ctx_of(x), x->input);
	if (x->cut_unseen)
		cancel_end(x);
	if (rc == 0) {
		end_completed(x);
		return;
	}
	if (rc == RETURN_CONTINUED && x->carry.wanted) {
		carry_on(x);
		return;
	}
	if (!x->end_failure)
		x->end_failure = failure_make(x, "application", "", "orchestration returned %d", rc);
	if (x->cancel_requested && strcmp(x->end_failure->kind, "canceled") == 0)
		cancel_end(x);
	execution_end_failed(x, x->end_failure);
}

static int enter(struct execution *x, struct pawl_error *err)
{
	int rc;

	if (!x->coro) {
		x->resident = x->resident && coro_has_stacks();
		rc = coro_new(&x->coro, x->resident, x->options.stack_bytes, body, x);
		if (rc < 0)
			return err_set(err, rc, "cannot make a stack for instance '%s': %s", x->id, pawl_strerror(rc));
	}
	x->ran = true;
	x->err = err;
	(void)coro_resume(x->coro);
	x->err = NULL;
	x->history = NULL; /* E5 */
	if (x->stop_code)
		x->dead = true;
	if (x->dead || x->ended || !x->resident) {
		coro_free(x->coro);
		x->coro = NULL;
	}
	return x->stop_code;
}

/* ---- calls ---- */

int execution_new(struct execution **out, const char *id, uint64_t number, pawl_orchestration_fn fn,
                  const struct engine_options *options, struct pawl_error *err)
{
	struct execution *x = calloc(1, sizeof *x);

	if (!x)
		return err_nomem(err);
	if (options)
		x->options = *options;
	if (!x->options.stack_bytes)
		x->options.stack_bytes = PAWL_STACK_BYTES;
	if (!x->options.memory_max)
		x->options.memory_max = ENGINE_MEMORY_MAX;
	if (!x->options.events_buffered_max)
		x->options.events_buffered_max = PAWL_EVENTS_BUFFERED_MAX;
	if (!x->options.history_bytes_max)
		x->options.history_bytes_max = PAWL_HISTORY_BYTES_MAX;
	x->number = number;
	x->fn = fn;
	x->resident = x->options.resident;
	x->scheduled_end = &x->scheduled;
	arena_init(&x->turn_arena, 0);
	arena_init(&x->memory, 0);
	memory_limit(x);
	map_init(&x->queues);
	map_init(&x->ids);
	map_init(&x->keys);
	buf_init(&x->key);
	carry_init(&x->carry);
	x->id = arena_strdup(&x->memory, id);
	if (!x->id) {
		execution_free(x);
		return err_nomem(err);
	}
	*out = x;
	return 0;
}

void execution_free(struct execution *x)
{
	if (!x)
		return;
	coro_free(x->coro);
	map_release(&x->queues);
	map_release(&x->ids);
	map_release(&x->keys);
	buf_release(&x->key);
	carry_release(&x->carry);
	free(x->tasks);
	arena_release(&x->turn_arena);
	arena_release(&x->memory);
	free(x);
}

static int refuse_unknown(const struct history *h, struct pawl_error *err)
{
	for (size_t i = 0; i < h->count; i++) {
		const struct event *e = &h->events[i];

		if (e->type == EVENT_UNKNOWN)
			return err_set(err, PAWL_EUNSUPPORTED,
				       "history line %llu has '%.*s', which a newer pawl wrote: "
				       "run that version or a later one",
				       (unsigned long long)e->seq, SLICE_FMT(e->type_name));
	}
	return err_set(err, PAWL_EUNSUPPORTED, "a newer pawl wrote this history: run that version or a later one");
}

int execution_load(struct execution *x, const struct history *h, struct pawl_error *err)
{
	if (x->ran || x->history || x->ended)
		return err_set(err, PAWL_ESTATE, "instance '%s' has its history already", x->id);
	if (h->has_unknown)
		return refuse_unknown(h, err);
	if (h->count == 0)
		return 0;
	if (h->events[0].type != EVENT_ExecutionStarted)
		return err_set(err, PAWL_ECORRUPT, "history of '%s' does not begin with 'ExecutionStarted'", x->id);
	x->history = h;
	return 0;
}

/* Nobody needs to run the code to know that a message comes too late. */
static bool history_is_ended(const struct execution *x)
{
	const struct history *h = x->history;

	return h && event_type_class(h->events[h->count - 1].type) & EVENT_END;
}

static void begin_turn(struct execution *x, struct turn *t)
{
	if (x->turn_arena.used > TURN_BYTES_KEPT)
		arena_release(&x->turn_arena);
	else
		arena_reset(&x->turn_arena);
	x->out = x->next_out = NULL;
	x->out_count = x->out_cap = x->next_count = 0;
	x->turn_open = false;
	t->events = t->next = NULL;
	t->event_count = t->next_count = 0;
	t->ended = false;
	for (size_t i = 0; i < t->message_count; i++) {
		t->messages[i].result = MESSAGE_STALE;
		t->messages[i].why = "the execution has ended";
	}
}

/* Messages that were not looked at, as the code came to its end before: those that are in the history are taken all the same. */
static void settle_rest(const struct execution *x, struct turn *t)
{
	for (size_t i = 0; i < t->message_count; i++) {
		if (t->messages[i].event.seq)
			t->messages[i].result = MESSAGE_TAKEN;
		else if (!x->turn_taken && x->next_count)
			t->messages[i].result = MESSAGE_LATER;
	}
}

int execution_turn(struct execution *x, struct turn *t, struct pawl_error *err)
{
	begin_turn(x, t);
	if (x->dead || (x->ran && !x->coro && !x->ended))
		return err_set(err, PAWL_ESTATE, "instance '%s' must be loaded again before its next turn", x->id);
	if (x->ended || history_is_ended(x)) {
		t->ended = true;
		return 0;
	}
	x->turn = t;
	x->turn_taken = false;
	x->jitter = t->random;
	int rc = enter(x, err);
	x->turn = NULL;
	if (rc < 0)
		return rc;
	settle_rest(x, t);
	t->events = x->out;
	t->event_count = x->out_count;
	t->next = x->next_out;
	t->next_count = x->next_count;
	t->ended = x->ended;
	return 0;
}

int execution_verify(struct execution *x, struct pawl_error *err)
{
	if (x->ran || !x->history)
		return err_set(err, PAWL_ESTATE, "instance '%s' has no history that was not replayed", x->id);
	const struct history *h = x->history;
	int rc = enter(x, err);
	return rc == 0 ? replay_check_end(x, h, err) : rc;
}

const struct mismatch *execution_mismatch(const struct execution *x)
{
	return x->stop_code == PAWL_ENONDETERMINISM ? &x->mismatch : NULL;
}

bool execution_is_resident(const struct execution *x)
{
	return !x->dead && !x->ended && (!x->ran || x->coro);
}

size_t execution_memory(const struct execution *x)
{
	const size_t entry = sizeof(struct map_entry) + 48; /* and its key, about */
	size_t bytes = sizeof *x + x->memory.used + x->turn_arena.used + x->task_cap * sizeof *x->tasks + x->key.cap +
		       x->carry.status.cap;

	bytes += (x->queues.count + x->ids.count + x->keys.count) * entry;
	return bytes + (x->coro ? coro_stack_used(x->coro) : 0);
}
