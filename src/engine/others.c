/*
 * others.c - other instances: children, detached starts, events sent to them, values read from them. All of these are
 * decisions whose effect is in another history, in the same commit; the answer is a line of this one. An answer to a child
 * comes when the child ends, all others come with the commit of the decision.
 */
#include "engine/internal.h"
#include "base/text.h"

#define CHILD_RETRY_ROOM 4 /* ":r99" and more: what the id of a later attempt has behind it */

/* ---- ids ---- */

/* In lines that are those of an execution before, an id is as that one has made it. NONE: it is not one of these. */
static struct slice made_before(const struct execution *x)
{
	const struct event *e = !x->live && x->history && x->at < x->history->count && x->seq < x->carry.rewound ? &x->history->events[x->at] : NULL;
	size_t len = strlen(x->id);

	if (!e || !(e->fields & FIELD_INSTANCE) || e->instance.len <= len || memcmp(e->instance.data, x->id, len) != 0 || e->instance.data[len] != ':')
		return SLICE_NONE;
	return e->instance;
}

/* PARENT:LINE in the first execution, PARENT:EXECUTION-LINE in later ones, as lines count anew there. */
static const char *make_id(struct execution *x)
{
	char id[2 * TEXT_INSTANCE_ID_MAX];

	replay_pass_markers(x); /* the line's number is known after them only */
	unsigned long long line = x->seq + 1, number = x->number;
	struct slice before = made_before(x);
	if (before.data)
		return memory_copy(x, before).data;
	if (number == 1)
		snprintf(id, sizeof id, "%s:%llu", x->id, line);
	else
		snprintf(id, sizeof id, "%s:%llu-%llu", x->id, number, line);
	return memory_copy(x, slice_of(id)).data;
}

static const pawl_failure *check_id(struct execution *x, const char *id, size_t room)
{
	struct slice text = slice_of(id);

	if (text_is_instance_id(text) && text.len + room <= TEXT_INSTANCE_ID_MAX)
		return NULL;
	return failure_make(x, "system", "invalid", "'%.130s' is not a valid id: 1 to %zu of letters, digits, _ : -", id ? id : "",
			    (size_t)TEXT_INSTANCE_ID_MAX - room);
}

/* ---- what they have in common ---- */

static const pawl_failure *check_data(struct execution *x, const char *what, const struct event *e)
{
	const pawl_failure *f = decide_limit(x);

	if (!f && e->data.len > PAWL_PAYLOAD_BYTES_MAX)
		f = failure_make(x, "system", "limit", "%s of %zu bytes is over the limit of %d (PAWL_PAYLOAD_BYTES_MAX)", what, e->data.len,
				 PAWL_PAYLOAD_BYTES_MAX);
	return f;
}

static const pawl_failure *check_type(struct execution *x, const struct event *e)
{
	const pawl_failure *f = check_data(x, "input", e);

	if (!f && !text_is_type_name(e->name))
		f = failure_make(x, "system", "invalid", "'%.80s' is not a valid orchestration name", e->name.data ? e->name.data : "");
	if (!f && e->version.data && !text_is_version(e->version))
		f = failure_make(x, "system", "invalid", "'%.80s' is not a valid version", e->version.data);
	return f;
}

static pawl_task *begin(struct execution *x, const struct event *e)
{
	pawl_task *task = tasks_new(x, e->type);

	tasks_begin(x, task, decide(x, e));
	return task;
}

/* For later, by a length of time or until a time. */
static void set_later(struct execution *x, struct event *e, int64_t delay_ms, int64_t at_ns)
{
	if (at_ns > 0) {
		e->fields |= FIELD_UNTIL;
		e->until_ns = at_ns < ENGINE_TIME_MAX_NS ? (at_ns + 999) / 1000 * 1000 : ENGINE_TIME_MAX_NS;
		delay_ms = e->until_ns > x->time_ns ? (e->until_ns - x->time_ns) / 1000000 : 0;
	} else if (delay_ms > 0) {
		e->fields |= FIELD_DELAY;
		e->delay_ms = delay_ms;
	} else {
		return;
	}
	if (!x->live)
		return;
	e->fields |= FIELD_DUE;
	retry_due(&e->due, x->turn, x->time_ns, delay_ms);
	if (e->fields & FIELD_UNTIL)
		e->due.at_ns = e->until_ns;
}

/* ---- children ---- */

static const pawl_failure *check_child(struct execution *x, struct event *e, const pawl_child_options *o)
{
	const pawl_failure *f = check_type(x, e);
	const char *wrong = !f && o->retry ? retry_convert(&e->retry, o->retry) : NULL;

	if (!f && o->id)
		f = check_id(x, o->id, CHILD_RETRY_ROOM);
	if (!f && wrong)
		f = failure_make(x, "system", "invalid", "%s", wrong);
	return f;
}

pawl_task *pawl_child_with(pawl_ctx *ctx, const char *type, const char *input, const pawl_child_options *options)
{
	static const pawl_child_options none;
	const pawl_child_options *o = options ? options : &none;
	struct execution *x = execution_of(ctx);
	struct event e = { .type = EVENT_ChildScheduled, .fields = FIELD_NAME | FIELD_INSTANCE, .name = slice_of(type),
			   .data = slice_of(input), .version = slice_of(o->version) };
	const pawl_failure *f = check_child(x, &e, o);
	const char *id = f ? NULL : o->id ? o->id : make_id(x);

	f = f ? f : check_id(x, id, CHILD_RETRY_ROOM);
	if (f)
		return tasks_failed(x, e.type, f);
	e.instance = slice_of(id);
	e.fields |= (input ? FIELD_DATA : 0u) | (o->version ? FIELD_VERSION : 0u) | (o->retry ? FIELD_RETRY : 0u);
	pawl_task *task = begin(x, &e);
	task->instance = memory_copy(x, e.instance);
	return task;
}

pawl_task *pawl_child(pawl_ctx *ctx, const char *type, const char *input)
{
	return pawl_child_with(ctx, type, input, NULL);
}

const char *pawl_call_child(pawl_ctx *ctx, const char *type, const char *input)
{
	return pawl_await(ctx, pawl_child(ctx, type, input));
}

const char *pawl_child_id(const pawl_task *child)
{
	return child ? child->instance.data : NULL;
}

/* ---- one-way ---- */

pawl_task *pawl_start_detached(pawl_ctx *ctx, const char *type, const char *input, const pawl_start_options *options)
{
	static const pawl_start_options none;
	const pawl_start_options *o = options ? options : &none;
	struct execution *x = execution_of(ctx);
	struct event e = { .type = EVENT_InstanceStarted, .fields = FIELD_NAME | FIELD_INSTANCE, .name = slice_of(type),
			   .data = slice_of(input), .version = slice_of(o->version) };
	const pawl_failure *f = check_type(x, &e);
	const char *id = f ? NULL : o->id ? o->id : make_id(x);

	f = f ? f : check_id(x, id, 0);
	if (f)
		return tasks_failed(x, e.type, f);
	e.instance = slice_of(id);
	e.fields |= (input ? FIELD_DATA : 0u) | (o->version ? FIELD_VERSION : 0u);
	set_later(x, &e, o->delay_ms, o->at_ns);
	pawl_task *task = begin(x, &e);
	task->instance = memory_copy(x, e.instance);
	return task;
}

pawl_task *pawl_send_later(pawl_ctx *ctx, const char *instance, const char *event, const char *data, int64_t delay_ms)
{
	struct execution *x = execution_of(ctx);
	struct event e = { .type = EVENT_EventSent, .fields = FIELD_NAME | FIELD_INSTANCE | (data ? FIELD_DATA : 0u),
			   .name = slice_of(event), .instance = slice_of(instance), .data = slice_of(data) };
	const pawl_failure *f = check_data(x, "data", &e);

	f = f ? f : check_id(x, instance, 0);
	if (!f && !text_is_event_name(e.name))
		f = failure_make(x, "system", "invalid", "'%.80s' is not a valid event name", event ? event : "");
	if (f)
		return tasks_failed(x, e.type, f);
	set_later(x, &e, delay_ms, 0);
	return begin(x, &e);
}

pawl_task *pawl_send(pawl_ctx *ctx, const char *instance, const char *event, const char *data)
{
	return pawl_send_later(ctx, instance, event, data, 0);
}

pawl_task *pawl_read_value(pawl_ctx *ctx, const char *instance, const char *key)
{
	struct execution *x = execution_of(ctx);
	struct event e = { .type = EVENT_ValueRequested, .fields = FIELD_INSTANCE | FIELD_KEY, .instance = slice_of(instance),
			   .key = slice_of(key) };
	const pawl_failure *f = decide_limit(x);

	f = f ? f : check_id(x, instance, 0);
	if (!f && !text_is_key(e.key))
		f = failure_make(x, "system", "invalid", "'%.80s' is not a valid key: 1 to 64 of letters, digits, _ : -", key ? key : "");
	return f ? tasks_failed(x, e.type, f) : begin(x, &e);
}
