/*
 * Histories. No bytes crash, hang or leak; what does not parse says why. What parses
 *
 *	- reads the same when it is written again,
 *	- folds into a view, which refuses what cannot follow and stays as it was,
 *	- is replayed by code that asks for what the history has, line by line: it fits, or it is parked with a reason,
 *	- goes on: what the engine decides in one more turn fits the same code when it is replayed.
 *
 * Whether the lines have the right checksums or not, they are tried as they are and with these set right.
 */
#include "fuzz.h"
#include "base/text.h"
#include "engine/engine.h"
#include "history/view.h"

#define TASKS_MAX 4096
#define LOCKS_MAX 16

/* ---- code that does what a history has ---- */

static const struct history *followed;
static pawl_task *tasks[TASKS_MAX]; /* by the line that began them */

static char *text_of(pawl_ctx *ctx, struct slice s)
{
	return s.data ? pawl_printf(ctx, "%.*s", SLICE_FMT(s)) : NULL;
}

static pawl_retry retry_of(const struct event *e)
{
	const struct retry_policy *p = &e->retry;

	return (pawl_retry){ .max_attempts = p->max_attempts, .first_ms = p->first_ms, .coefficient = p->coefficient_milli / 1000.0, .max_ms = p->max_ms,
		.total_ms = p->total_ms, .attempt_ms = p->attempt_ms, .jitter = p->jitter_milli / 1000.0 };
}

static pawl_task *begin_activity(pawl_ctx *ctx, const struct event *e)
{
	pawl_retry retry = retry_of(e);
	pawl_call_options options = { .retry = e->fields & FIELD_RETRY ? &retry : NULL, .tag = text_of(ctx, e->tag), .session = text_of(ctx, e->session),
		.priority = e->priority };

	return pawl_activity_with(ctx, text_of(ctx, e->name), text_of(ctx, e->data), &options);
}

static pawl_task *begin_child(pawl_ctx *ctx, const struct event *e)
{
	pawl_retry retry = retry_of(e);
	pawl_child_options options = { .id = text_of(ctx, e->instance), .version = text_of(ctx, e->version), .retry = e->fields & FIELD_RETRY ? &retry : NULL };

	return pawl_child_with(ctx, text_of(ctx, e->name), text_of(ctx, e->data), &options);
}

static pawl_task *start_other(pawl_ctx *ctx, const struct event *e)
{
	pawl_start_options options = { .id = text_of(ctx, e->instance), .version = text_of(ctx, e->version), .delay_ms = e->delay_ms, .at_ns = e->until_ns };

	return pawl_start_detached(ctx, text_of(ctx, e->name), text_of(ctx, e->data), &options);
}

/* "entity:NAME:KEY" */
static bool entity_of(pawl_ctx *ctx, struct slice id, char **name, char **key)
{
	char *text = text_of(ctx, id), *colon = text && strncmp(text, ENTITY_PREFIX, 7) == 0 ? strchr(text + 7, ':') : NULL;

	if (!colon)
		return false;
	*colon = '\0';
	*name = text + 7;
	*key = colon + 1;
	return true;
}

static pawl_task *call_entity(pawl_ctx *ctx, const struct event *e)
{
	char *name, *key, *operation = text_of(ctx, e->name), *input = text_of(ctx, e->data);

	if (!entity_of(ctx, e->instance, &name, &key))
		return NULL;
	if (e->type == EVENT_EntityCalled)
		return pawl_entity_call(ctx, name, key, operation, input);
	pawl_signal_later(ctx, name, key, operation, input, e->delay_ms);
	return NULL;
}

static void lock_entities(pawl_ctx *ctx, const struct event *e)
{
	const char *names[2 * LOCKS_MAX + 1] = { NULL };
	char *text = text_of(ctx, e->data);
	size_t n = 0;

	for (char *line = text, *next; line && *line && n < 2 * LOCKS_MAX; line = next) {
		char *name, *key;
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (!entity_of(ctx, slice_of(line), &name, &key))
			continue;
		names[n++] = name;
		names[n++] = key;
	}
	(void)pawl_lock(ctx, names);
}

static pawl_task *task_of(uint64_t ref)
{
	return ref < TASKS_MAX ? tasks[ref] : NULL;
}

static void set_something(pawl_ctx *ctx, const struct event *e)
{
	switch (e->type) {
	case EVENT_CustomStatusSet: pawl_set_status(ctx, text_of(ctx, e->data)); break;
	case EVENT_KeyValueSet: (void)pawl_set(ctx, text_of(ctx, e->key), text_of(ctx, e->data)); break;
	case EVENT_KeyValueCleared: pawl_clear(ctx, text_of(ctx, e->key)); break;
	case EVENT_TopicSubscribed: (void)pawl_subscribe(ctx, text_of(ctx, e->name), text_of(ctx, e->key)); break;
	case EVENT_TopicUnsubscribed: pawl_unsubscribe(ctx, text_of(ctx, e->name)); break;
	case EVENT_TopicPublished: (void)pawl_publish(ctx, text_of(ctx, e->name), text_of(ctx, e->data)); break;
	case EVENT_EntityLockRequested: lock_entities(ctx, e); break;
	case EVENT_EntityUnlocked: pawl_unlock(ctx); break;
	case EVENT_PatchMarked:
		if (e->status.data)
			pawl_patch_deprecated(ctx, text_of(ctx, e->name));
		else
			(void)pawl_patched(ctx, text_of(ctx, e->name));
		break;
	case EVENT_ActivityMessageSent:
		if (task_of(e->ref))
			pawl_message(ctx, task_of(e->ref), text_of(ctx, e->data));
		break;
	default:
		if (task_of(e->ref))
			pawl_cancel(ctx, task_of(e->ref));
	}
}

static pawl_task *begin(pawl_ctx *ctx, const struct event *e)
{
	switch (e->type) {
	case EVENT_ActivityScheduled: return begin_activity(ctx, e);
	case EVENT_TimerCreated: return e->fields & FIELD_UNTIL ? pawl_timer_until(ctx, e->until_ns) : pawl_timer(ctx, e->delay_ms);
	case EVENT_EventSubscribed: return pawl_event(ctx, text_of(ctx, e->name));
	case EVENT_ChildScheduled: return begin_child(ctx, e);
	case EVENT_InstanceStarted: return start_other(ctx, e);
	case EVENT_EventSent: return pawl_send_later(ctx, text_of(ctx, e->instance), text_of(ctx, e->name), text_of(ctx, e->data), e->delay_ms);
	case EVENT_ValueRequested: return pawl_read_value(ctx, text_of(ctx, e->instance), text_of(ctx, e->key));
	case EVENT_EntityCalled:
	case EVENT_EntitySignaled: return call_entity(ctx, e);
	default: set_something(ctx, e); return NULL;
	}
}

static int finish(pawl_ctx *ctx, const struct event *e)
{
	pawl_failure f = { .kind = text_of(ctx, e->error.kind), .code = text_of(ctx, e->error.code), .message = text_of(ctx, e->error.message),
		.details = text_of(ctx, e->error.details), .retryable = e->error.retryable };

	if (e->type == EVENT_ExecutionFailed)
		return pawl_fail_with(ctx, &f);
	if (e->type == EVENT_ExecutionCanceled)
		return pawl_rethrow(ctx);
	if (e->type == EVENT_ExecutionContinuedAsNew)
		return pawl_continue_as_new(ctx, text_of(ctx, e->data));
	return pawl_return(ctx, text_of(ctx, e->data));
}

/* What came in for something that was begun here has come before the next decision. */
static void wait_for(pawl_ctx *ctx, const struct event *e)
{
	pawl_task *task = e->type == EVENT_ActivityRetrying || e->type == EVENT_ActivityRebooting || e->type == EVENT_ChildRetrying ? NULL : task_of(e->ref);

	for (size_t i = 0; e->type == EVENT_EventRaised && !task && i < followed->count; i++) {
		const struct event *s = &followed->events[i];
		if (s->type == EVENT_EventSubscribed && s->seq < e->seq && slice_eq(s->name, e->name) && task_of(s->seq) && !pawl_is_done(task_of(s->seq)))
			task = task_of(s->seq);
	}
	/* a request cuts what is waited for */
	for (size_t i = 0; e->type == EVENT_CancelRequested && !task && i < TASKS_MAX; i++)
		task = tasks[i] && !pawl_is_done(tasks[i]) ? tasks[i] : NULL;
	if (task)
		(void)pawl_await(ctx, task);
}

static int follow(pawl_ctx *ctx, const char *input)
{
	(void)input;
	memset(tasks, 0, sizeof(tasks));
	for (size_t i = 0; i < followed->count; i++) {
		const struct event *e = &followed->events[i];
		unsigned class = event_type_class(e->type);
		if (class & EVENT_IN)
			wait_for(ctx, e);
		else if (class & EVENT_END)
			return finish(ctx, e);
		else if (class & EVENT_DECISION && e->seq < TASKS_MAX)
			tasks[e->seq] = begin(ctx, e);
	}
	const char *more = pawl_wait_event(ctx, "more", PAWL_HOURS(1));
	pawl_set_status(ctx, more ? "more" : "late");
	return pawl_return(ctx, more);
}

/* ---- replaying ---- */

static struct execution *load(const struct history *h)
{
	struct engine_options options = { .memory_max = 1 << 20 };
	struct pawl_error err = { 0 };
	struct execution *x;

	must(execution_new(&x, "fuzz", 1, follow, &options, &err) == 0);
	int rc = execution_load(x, h, &err);
	must(rc == 0 || err.text[0]);
	if (rc == 0)
		return x;
	execution_free(x);
	return NULL;
}

static bool fits(const struct history *h)
{
	struct pawl_error err = { 0 };
	struct execution *x = load(h);
	int rc = x ? execution_verify(x, &err) : PAWL_EINVALID;

	must(rc == 0 || !x || err.text[0]);
	if (rc == PAWL_ENONDETERMINISM && x)
		must(execution_mismatch(x)->seq > 0 && execution_mismatch(x)->expected[0]);
	execution_free(x);
	return rc == 0;
}

static void add_events(struct buf *text, const struct turn *t)
{
	for (size_t i = 0; i < t->event_count; i++)
		must(event_encode(text, &t->events[i]) == 0);
}

/* One more turn; then all of it, as it would be on the disk. */
static void goes_on(const struct history *h, struct slice text)
{
	struct message m = { .event = { .type = EVENT_EventRaised, .fields = FIELD_NAME | FIELD_DATA | FIELD_ID, .name = SLICE("more"), .data = SLICE("x"),
		.id = SLICE("m:fuzz") } };
	struct turn t = { .time_ns = INT64_C(1800000000000000000), .boot_ms = 1000, .boot = SLICE("0a1b2c3d"), .random = 7, .messages = &m, .message_count = 1 };
	struct pawl_error err = { 0 };
	struct buf all = BUF_INIT;
	struct execution *x = load(h);
	struct history again;

	int rc = x ? execution_turn(x, &t, &err) : PAWL_EINVALID;
	must(rc == 0 || err.text[0]);
	if (rc == 0 && t.event_count > 0) {
		buf_add(&all, text.data, h->bytes);
		add_events(&all, &t);
		history_init(&again);
		must(history_parse(&again, buf_slice(&all), &err) == 0 && again.torn_bytes == 0 && again.count == h->count + t.event_count);
		must(fits(&again));
		history_release(&again);
	}
	execution_free(x);
	buf_release(&all);
}

/* ---- reading ---- */

static bool same_texts(const struct event *a, const struct event *b)
{
	return slice_eq(a->name, b->name) && slice_eq(a->version, b->version) && slice_eq(a->reason, b->reason) && slice_eq(a->id, b->id) && slice_eq(a->key, b->key) &&
	       slice_eq(a->instance, b->instance) && slice_eq(a->tag, b->tag) && slice_eq(a->session, b->session) && slice_eq(a->status, b->status) &&
	       slice_eq(a->from, b->from) && slice_eq(a->data, b->data) && slice_eq(a->data_file, b->data_file) && slice_eq(a->parent, b->parent) &&
	       slice_eq(a->due.boot, b->due.boot) && slice_eq(a->extra, b->extra);
}

static bool same_numbers(const struct event *a, const struct event *b)
{
	return a->attempt == b->attempt && a->priority == b->priority && a->ref == b->ref && a->data_len == b->data_len && a->data_crc == b->data_crc &&
	       a->delay_ms == b->delay_ms && a->execution == b->execution && a->parent_execution == b->parent_execution && a->parent_ref == b->parent_ref &&
	       a->seed[0] == b->seed[0] && a->seed[1] == b->seed[1] && a->due.boot_ms == b->due.boot_ms && a->time_ns / 1000 == b->time_ns / 1000 &&
	       a->until_ns / 1000 == b->until_ns / 1000 && a->start_at_ns / 1000 == b->start_at_ns / 1000 && a->due.at_ns / 1000 == b->due.at_ns / 1000;
}

static bool same_parts(const struct event *a, const struct event *b)
{
	const struct retry_policy *p = &a->retry, *q = &b->retry;
	const struct failure *f = &a->error, *g = &b->error;
	bool same = p->max_attempts == q->max_attempts && p->first_ms == q->first_ms && p->max_ms == q->max_ms && p->total_ms == q->total_ms &&
	            p->attempt_ms == q->attempt_ms && p->coefficient_milli == q->coefficient_milli && p->jitter_milli == q->jitter_milli && p->code_count == q->code_count;

	for (uint32_t i = 0; same && i < p->code_count; i++)
		same = slice_eq(p->codes[i], q->codes[i]);
	return same && slice_eq(f->kind, g->kind) && slice_eq(f->code, g->code) && slice_eq(f->message, g->message) && slice_eq(f->details, g->details) &&
	       f->retryable == g->retryable;
}

static void reads_the_same(const struct event *e)
{
	struct pawl_error err = { 0 };
	struct buf one = BUF_INIT, two = BUF_INIT;
	struct event again;
	struct arena a;

	arena_init(&a, 1 << 20);
	/* a field that this type may not have is kept in extra, not refused; one that it must have was there */
	if (e->type != EVENT_UNKNOWN) {
		must(event_encode(&one, e) == 0);
		must(event_decode(&again, slice_make(one.data, one.len - 1), &a, &err) == 0);
		must(event_encode(&two, &again) == 0 && slice_eq(buf_slice(&one), buf_slice(&two)));
		must(same_texts(e, &again) && same_numbers(e, &again) && same_parts(e, &again));
		must(again.type == e->type && again.fields == e->fields && again.seq == e->seq && again.has_time == e->has_time);
	}
	arena_release(&a);
	buf_release(&one);
	buf_release(&two);
}

static bool folds(const struct history *h)
{
	struct view v;
	int rc = 0;

	view_init(&v);
	for (size_t i = 0; i < h->count && rc == 0; i++) {
		uint32_t open = v.open_count, buffered = v.event_count;
		rc = view_apply(&v, &h->events[i]);
		must(rc == 0 || rc == PAWL_ECORRUPT);
		must(rc == 0 || (v.open_count == open && v.event_count == buffered));
	}
	view_release(&v);
	return rc == 0;
}

static void one(struct slice text)
{
	struct pawl_error err = { 0 };
	struct history h;

	history_init(&h);
	int rc = history_parse(&h, text, &err);
	must(rc == 0 || err.text[0]);
	must(h.bytes + h.torn_bytes <= text.len);
	for (size_t i = 0; i < h.count; i++)
		reads_the_same(&h.events[i]);
	bool good = folds(&h) && rc == 0 && !h.has_unknown && h.count > 0;
	if (h.count > 0 && rc == 0) {
		followed = &h;
		bool fit = fits(&h);
		if (fit && good)
			goes_on(&h, text);
	}
	history_release(&h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf sealed = BUF_INIT;

	one(slice_make(size ? (const char *)data : "", size));
	fuzz_seal(&sealed, slice_make(size ? (const char *)data : "", size));
	one(buf_slice(&sealed));
	buf_release(&sealed);
	return 0;
}
