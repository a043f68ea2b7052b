/*
 * entity_client.c - entities, seen by orchestrations: signals, calls, locks. One lock at a time, and while it is held only what
 * it has is called, so that nobody can wait for somebody who waits for him.
 */
#include "engine/internal.h"
#include "base/text.h"

static const char *entity_id(struct execution *x, const char *name, const char *key)
{
	return pawl_printf(ctx_of(x), ENTITY_PREFIX "%s:%s", name ? name : "", key ? key : "");
}

static const pawl_failure *check_entity(struct execution *x, const char *name, const char *key)
{
	if (text_is_key(slice_of(name)) && !strchr(name, ':') && text_is_key(slice_of(key)) &&
	    sizeof ENTITY_PREFIX + strlen(name) + strlen(key) <= TEXT_INSTANCE_ID_MAX)
		return NULL;
	return failure_make(x, "system", "invalid", "'%.70s' '%.70s' is not a valid entity: a name and a key, each 1 to 64 of letters, digits, _ - (the key also :)",
			    name ? name : "", key ? key : "");
}

static const pawl_failure *check_operation(struct execution *x, const char *name, const char *key, const struct event *e)
{
	const pawl_failure *f = decide_limit(x);
	size_t room = e->name.len + sizeof ENTITY_SIGNAL + 1; /* it travels as one payload */

	f = f ? f : check_entity(x, name, key);
	if (!f && !text_is_event_name(e->name))
		f = failure_make(x, "system", "invalid", "'%.80s' is not a valid operation: 1 to 64 of letters, digits, _ : -",
				 e->name.data ? e->name.data : "");
	if (!f && e->data.len + room > PAWL_PAYLOAD_BYTES_MAX)
		f = failure_make(x, "system", "limit", "input of %zu bytes is over the limit of %zu (PAWL_PAYLOAD_BYTES_MAX)", e->data.len,
				 PAWL_PAYLOAD_BYTES_MAX - room);
	return f;
}

static struct event operation(enum event_type type, const char *name, const char *input)
{
	return (struct event){ .type = type, .fields = FIELD_NAME | FIELD_INSTANCE | (input ? FIELD_DATA : 0u), .name = slice_of(name),
			       .data = slice_of(input) };
}

/* ---- signals and calls ---- */

void pawl_signal_later(pawl_ctx *ctx, const char *name, const char *key, const char *what, const char *input, int64_t delay_ms)
{
	struct execution *x = execution_of(ctx);
	struct event e = operation(EVENT_EntitySignaled, what, input);
	const pawl_failure *f = check_operation(x, name, key, &e);

	if (f) {
		decide_refused(x, f);
		return;
	}
	e.instance = slice_of(entity_id(x, name, key));
	if (delay_ms > 0) {
		e.fields |= FIELD_DELAY | (x->live ? FIELD_DUE : 0u);
		e.delay_ms = delay_ms;
		if (x->live)
			retry_due(&e.due, x->turn, x->time_ns, delay_ms);
	}
	decide(x, &e);
}

void pawl_signal(pawl_ctx *ctx, const char *name, const char *key, const char *what, const char *input)
{
	pawl_signal_later(ctx, name, key, what, input, 0);
}

/* Is it one of those that are locked? */
static bool has_locked(const struct execution *x, const char *id)
{
	size_t len = strlen(id);

	for (const char *at = x->lock->instance.data; *at; at += strcspn(at, "\n"), at += *at == '\n')
		if (strcspn(at, "\n") == len && memcmp(at, id, len) == 0)
			return true;
	return false;
}

static const pawl_failure *check_call(struct execution *x, const char *id)
{
	if (entity_is(x))
		return failure_make(x, "system", "invalid", "an entity may not call or lock entities: signal '%.130s' instead", id);
	if (x->lock && !has_locked(x, id))
		return failure_make(x, "system", "invalid", "'%.130s' is not among the entities that are locked: only these may be called", id);
	return NULL;
}

pawl_task *pawl_entity_call(pawl_ctx *ctx, const char *name, const char *key, const char *what, const char *input)
{
	struct execution *x = execution_of(ctx);
	struct event e = operation(EVENT_EntityCalled, what, input);
	const pawl_failure *f = check_operation(x, name, key, &e);
	const char *id = f ? NULL : entity_id(x, name, key);

	f = f ? f : check_call(x, id);
	if (f)
		return tasks_failed(x, e.type, f);
	e.instance = slice_of(id);
	pawl_task *task = tasks_new(x, e.type);
	tasks_begin(x, task, decide(x, &e));
	return task;
}

const char *pawl_call_entity(pawl_ctx *ctx, const char *name, const char *key, const char *what, const char *input)
{
	return pawl_await(ctx, pawl_entity_call(ctx, name, key, what, input));
}

/* ---- locks ---- */

static int by_id(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The ids in their order, a line each, none twice. */
static const char *join(struct execution *x, const char **ids, size_t count)
{
	const char *list = "";

	qsort(ids, count, sizeof *ids, by_id);
	for (size_t i = 0; i < count; i++)
		if (i == 0 || strcmp(ids[i - 1], ids[i]) != 0)
			list = pawl_printf(ctx_of(x), "%s%s%s", list, i ? "\n" : "", ids[i]);
	return list;
}

static const pawl_failure *check_lock(struct execution *x, const char *const *names_and_keys, const char **ids, size_t *count)
{
	const pawl_failure *f = decide_limit(x);

	if (!f && entity_is(x))
		f = check_call(x, x->id);
	for (const char *const *at = names_and_keys; !f && at && at[0]; at += 2) {
		f = check_entity(x, at[0], at[1]);
		if (!f && *count == PAWL_LOCKS_MAX)
			f = failure_make(x, "system", "limit", "more than %d entities in one lock (PAWL_LOCKS_MAX)", PAWL_LOCKS_MAX);
		if (!f)
			ids[(*count)++] = entity_id(x, at[0], at[1]);
	}
	if (!f && *count == 0)
		f = failure_make(x, "system", "invalid", "no entity to lock");
	return f;
}

int pawl_lock(pawl_ctx *ctx, const char *const *names_and_keys)
{
	struct execution *x = execution_of(ctx);
	const char *ids[PAWL_LOCKS_MAX];
	size_t count = 0;

	if (x->lock) {
		decide_refused(x, failure_make(x, "system", "invalid", "a lock is held already: unlock first"));
		return PAWL_ESTATE;
	}
	const pawl_failure *f = check_lock(x, names_and_keys, ids, &count);
	if (f) {
		decide_refused(x, f);
		return PAWL_EINVALID;
	}
	struct slice list = slice_of(join(x, ids, count));
	pawl_task *task = tasks_new(x, EVENT_EntityLockRequested);
	tasks_begin(x, task, decide(x, &(struct event){ .type = task->type, .fields = FIELD_DATA, .data = list }));
	task->instance = list;
	x->lock = task;
	if (pawl_await(ctx, task))
		return 0;
	if (task->canceled) {
		x->lock = NULL; /* that was the unlock */
		return PAWL_ECANCELED;
	}
	pawl_unlock(ctx); /* some of them may have it */
	return PAWL_ESTATE;
}

/* A lock that is still held at the end of the execution is given back with that, by the runtime: whatever the end is. */
void pawl_unlock(pawl_ctx *ctx)
{
	struct execution *x = execution_of(ctx);
	pawl_task *task = x->lock;

	x->lock = NULL;
	if (task)
		decide(x, &(struct event){ .type = EVENT_EntityUnlocked, .fields = FIELD_REF, .ref = task->seq });
}
