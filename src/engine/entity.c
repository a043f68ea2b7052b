/*
 * entity.c - the code of every entity: it takes one operation after the other from its queue, runs the registered function for
 * it, keeps the state and answers. The queue is the buffer of external events (engine.h says what they look like), so it is
 * in the history, has a limit, and goes over to the next execution with what nobody has taken.
 *
 *	          lock from A                                             unlock from A
 *	FREE ──────────────────► LOCKED by A: only A's operations are taken ──────────────────► FREE
 *	  │ any operation: run        └── passed on to the next entity, or granted to A
 *	  ▼
 *	many lines, much memory: continue as new
 *
 * State and lock are key-values, for people to see, and carried over like all of them. An operation that fails changes none.
 */
#include "engine/internal.h"
#include "base/text.h"

#define KEY_STATE "state"
#define KEY_LOCK "lock" /* INSTANCE/EXECUTION that has it */
#define LINES_MAX 600   /* then it continues as new */

struct operation {
	struct slice name;
	const char *state;   /* NULL: not changed */
};

bool entity_is(const struct execution *x)
{
	return strncmp(x->id, ENTITY_PREFIX, sizeof ENTITY_PREFIX - 1) == 0;
}

/* ---- what the function calls ---- */

const char *pawl_operation(pawl_ctx *ctx)
{
	const struct operation *op = execution_of(ctx)->operation;

	return op ? op->name.data : NULL;
}

const char *pawl_state(pawl_ctx *ctx)
{
	const struct operation *op = execution_of(ctx)->operation;
	const char *kept = op && op->state ? op->state : pawl_get(ctx, KEY_STATE);

	return kept ? kept : "";
}

void pawl_set_state(pawl_ctx *ctx, const char *text)
{
	struct execution *x = execution_of(ctx);

	if (x->operation)
		x->operation->state = memory_copy(x, slice_of(text ? text : "")).data;
}

/* ---- which operation is next ---- */

static bool begins(struct slice data, const char *kind)
{
	size_t len = strlen(kind);

	return data.len >= len && memcmp(data.data, kind, len) == 0;
}

/* INSTANCE/EXECUTION of @INSTANCE/EXECUTION/SEQ; empty when it is not from an instance. */
static struct slice sender(const struct raised *r)
{
	struct slice from = r->from;

	if (from.len < 2 || from.data[0] != '@')
		return SLICE("");
	size_t len = from.len;
	while (len > 1 && from.data[len - 1] != '/')
		len--;
	return slice_make(from.data + 1, len > 1 ? len - 2 : 0);
}

static struct raised *pick(struct execution *x, const struct event_queue *q)
{
	const char *holder = pawl_get(ctx_of(x), KEY_LOCK);
	struct raised *r = q ? q->first : NULL;

	while (r && holder && !slice_is(sender(r), holder))
		r = r->next;
	return r;
}

static struct raised *next_operation(struct execution *x)
{
	for (;;) {
		struct event_queue *q = events_queue(x, SLICE(ENTITY_EVENT));
		struct raised *r = pick(x, q);
		if (r) {
			events_take(x, q, r);
			return r;
		}
		if (x->cancel_requested)
			return NULL;
		replay_next_turn(x);
	}
}

/* ---- running it ---- */

/* Where the answer goes: @INSTANCE/EXECUTION/SEQ. */
static bool address(struct event *e, const struct raised *r)
{
	struct slice who = sender(r);
	size_t len = who.len;

	while (len > 0 && who.data[len - 1] != '/')
		len--;
	if (len < 2)
		return false;
	e->fields = FIELD_INSTANCE | FIELD_EXECUTION | FIELD_REF;
	e->instance = slice_make(who.data, len - 1);
	const char *seq = r->from.data + 1 + who.len + 1;
	return text_parse_u64(slice_make(who.data + len, who.len - len), &e->execution) == 0 && text_parse_u64(slice_of(seq), &e->ref) == 0;
}

static void answer(struct execution *x, const struct raised *r, const pawl_failure *f, struct slice output)
{
	struct event e = { .type = EVENT_EntityAnswered };

	if (!begins(r->data, ENTITY_CALL) || !address(&e, r))
		return;
	if (f) {
		e.fields |= FIELD_ERROR;
		e.error = failure_for_event(f);
	} else if (output.data) {
		e.fields |= FIELD_DATA;
		e.data = output;
	}
	decide(x, &e);
}

static const pawl_failure *outcome(struct execution *x, int rc)
{
	if (rc == 0)
		return NULL;
	if (rc == RETURN_CONTINUED || !x->end_failure)
		return failure_make(x, "application", "", rc == RETURN_CONTINUED ? "an entity cannot continue as new" : "the operation returned %d", rc);
	return x->end_failure;
}

static void run(struct execution *x, const struct raised *r)
{
	struct slice text = r->data;
	const char *space = memchr(text.data, ' ', text.len), *line = memchr(text.data, '\n', text.len);
	const char *end = line ? line : text.data + text.len;
	struct operation op = { .name = SLICE("") };

	if (space && space < end)
		op.name = memory_copy(x, slice_make(space + 1, (size_t)(end - space - 1)));
	x->operation = &op;
	x->output = SLICE_NONE;
	x->end_failure = NULL;
	const pawl_failure *f = outcome(x, x->fn(ctx_of(x), line ? line + 1 : ""));
	cancel_told(x); /* entity_run looks at it */
	x->carry.wanted = false;
	if (!f && op.state && pawl_set(ctx_of(x), KEY_STATE, op.state) < 0)
		f = x->failure;
	x->operation = NULL;
	if (f && !begins(r->data, ENTITY_CALL)) /* nobody else would be told */
		pawl_log(ctx_of(x), "operation '%.*s' failed, the state is as it was: %s%s%s", SLICE_FMT(op.name), f->code,
			f->code[0] ? ": " : "", f->message);
	answer(x, r, f, x->output);
	x->output = SLICE_NONE;
	x->end_failure = NULL;
}

/* ---- locks ---- */

/* To the entity that follows this one in the list; behind the last one the lock is granted. */
static void pass_on(struct execution *x, const struct raised *r, const char *kind)
{
	struct event e = { .type = EVENT_EntityLockPassed };
	struct slice rest = slice_make(r->data.data + strlen(kind), r->data.len - strlen(kind));
	const char *line = memchr(rest.data, '\n', rest.len);
	bool grant = strcmp(kind, ENTITY_LOCK) == 0;

	if (!address(&e, r) || (!line && !grant))
		return;
	if (line) {
		const char *data = pawl_printf(ctx_of(x), "%s%s", kind, line + 1);
		size_t len = strcspn(line + 1, "\n");
		e.fields |= FIELD_DATA | FIELD_KEY;
		e.key = e.instance;
		e.instance = slice_make(line + 1, len);
		e.data = slice_of(data);
	}
	decide(x, &e);
}

static void lock(struct execution *x, const struct raised *r)
{
	struct slice who = sender(r);

	if (who.len == 0)
		return;
	(void)pawl_set(ctx_of(x), KEY_LOCK, memory_copy(x, who).data);
	pass_on(x, r, ENTITY_LOCK);
}

static void unlock(struct execution *x, const struct raised *r)
{
	const char *holder = pawl_get(ctx_of(x), KEY_LOCK);

	if (holder && slice_is(sender(r), holder))
		pawl_clear(ctx_of(x), KEY_LOCK);
	pass_on(x, r, ENTITY_UNLOCK);
}

/* ---- */

static bool is_long(const struct execution *x)
{
	return x->seq > LINES_MAX || x->memory.used > x->options.memory_max / 4;
}

/* It is asked to cancel: whoever waits for an answer is told. */
static int stop(struct execution *x)
{
	const pawl_failure *f = failure_make(x, "canceled", "", "the entity was canceled");
	struct event_queue *q = events_queue(x, SLICE(ENTITY_EVENT));

	while (q->first) {
		struct raised *r = q->first;
		events_take(x, q, r);
		answer(x, r, f, SLICE_NONE);
	}
	x->end_failure = f;
	return RETURN_FAILED;
}

int entity_run(struct execution *x)
{
	for (;;) {
		const struct raised *r = x->cancel_requested ? NULL : next_operation(x);
		if (!r)
			return stop(x);
		if (begins(r->data, ENTITY_LOCK))
			lock(x, r);
		else if (begins(r->data, ENTITY_UNLOCK))
			unlock(x, r);
		else
			run(x, r);
		if (is_long(x) && !x->cancel_requested) {
			x->carry.next_input = x->carry.next_version = SLICE_NONE;
			x->carry.wanted = true;
			return RETURN_CONTINUED;
		}
	}
}
