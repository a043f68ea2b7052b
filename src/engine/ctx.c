/* ctx.c - the functions that orchestration code calls. Arguments are checked here; what is refused is a failed task. */
#include "engine/internal.h"
#include "base/text.h"
#include <stdarg.h>

#define PRIORITY_LAST 9

static const pawl_failure no_task = { "system", "invalid", "no task was given (NULL)", NULL, false };

static char *format(struct execution *x, const char *fmt, va_list args)
{
	va_list again;

	va_copy(again, args);
	int n = vsnprintf(NULL, 0, fmt, args);
	char *text = memory_alloc(x, n < 0 ? 1 : (size_t)n + 1);
	if (n > 0)
		vsnprintf(text, (size_t)n + 1, fmt, again);
	va_end(again);
	return text;
}

static const char *or_empty(const char *text)
{
	return text ? text : "";
}

/* ---- beginning something ---- */

static const pawl_failure *check_payload(struct execution *x, const char *what, size_t len, size_t max,
                                         const char *limit)
{
	return len <= max ? NULL :
			    failure_make(x, "system", "limit", "%s of %zu bytes is over the limit of %zu (%s)", what,
					 len, max, limit);
}

static const pawl_failure *check_label(struct execution *x, const char *what, const char *label)
{
	if (!label || text_is_key(slice_of(label)))
		return NULL;
	return failure_make(x, "system", "invalid", "'%.80s' is not a valid %s: 1 to 64 of letters, digits, _ : -",
			    label, what);
}

static const pawl_failure *apply_options(struct execution *x, struct event *e, const pawl_call_options *o)
{
	const pawl_failure *f = check_label(x, "tag", o->tag);
	const char *wrong = o->retry ? retry_convert(&e->retry, o->retry) : NULL;

	if (!f)
		f = check_label(x, "session", o->session);
	if (f)
		return f;
	if (wrong)
		return failure_make(x, "system", "invalid", "%s", wrong);
	if (o->priority > PRIORITY_LAST)
		return failure_make(x, "system", "invalid",
				    "priority %lu is not within 1 (begun first) and %d, or 0 for the default",
				    (unsigned long)o->priority, PRIORITY_LAST);
	e->priority = o->priority;
	e->tag = slice_of(o->tag);
	e->session = slice_of(o->session);
	e->fields |= (o->retry ? FIELD_RETRY : 0u) | (o->tag ? FIELD_TAG : 0u) | (o->session ? FIELD_SESSION : 0u) |
		     (o->priority ? FIELD_PRIORITY : 0u);
	return NULL;
}

static const pawl_failure *check_activity(struct execution *x, struct event *e, const pawl_call_options *options)
{
	const pawl_failure *f = decide_limit(x);

	if (!f && !text_is_type_name(e->name))
		f = failure_make(x, "system", "invalid", "'%.80s' is not a valid activity name",
				 or_empty(e->name.data));
	if (!f)
		f = check_payload(x, "input", e->data.len, PAWL_PAYLOAD_BYTES_MAX, "PAWL_PAYLOAD_BYTES_MAX");
	if (!f && options)
		f = apply_options(x, e, options);
	return f;
}

static const struct retry_policy *keep_policy(struct execution *x, const struct event *e)
{
	if (!(e->fields & FIELD_RETRY) || e->retry.max_attempts < 2)
		return NULL;
	struct retry_policy *p = memory_alloc(x, sizeof *p);
	*p = e->retry;
	for (uint32_t i = 0; i < p->code_count; i++)
		p->codes[i] = memory_copy(x, p->codes[i]);
	return p;
}

pawl_task *pawl_activity_with(pawl_ctx *ctx, const char *activity, const char *input, const pawl_call_options *options)
{
	struct execution *x = execution_of(ctx);
	struct event e = { .type = EVENT_ActivityScheduled, .fields = FIELD_NAME, .name = slice_of(activity),
			   .data = slice_of(input) };
	const pawl_failure *f = check_activity(x, &e, options);

	if (f)
		return tasks_failed(x, e.type, f);
	if (input)
		e.fields |= FIELD_DATA;
	pawl_task *task = tasks_new(x, e.type);
	task->retry = keep_policy(x, &e);
	tasks_begin(x, task, decide(x, &e));
	return task;
}

pawl_task *pawl_activity(pawl_ctx *ctx, const char *activity, const char *input)
{
	return pawl_activity_with(ctx, activity, input, NULL);
}

static const pawl_failure *check_message(struct execution *x, const pawl_task *task, const struct event *e)
{
	const pawl_failure *f = decide_limit(x);

	if (!f)
		f = check_payload(x, "message", e->data.len, PAWL_PAYLOAD_BYTES_MAX, "PAWL_PAYLOAD_BYTES_MAX");
	if (!f && task->messages >= PAWL_MESSAGES_MAX)
		f = failure_make(x, "system", "limit",
				 "an activity was sent %d messages, which is the limit (PAWL_MESSAGES_MAX)",
				 PAWL_MESSAGES_MAX);
	return f;
}

void pawl_message(pawl_ctx *ctx, pawl_task *activity, const char *data)
{
	struct execution *x = execution_of(ctx);
	struct event e = { .type = EVENT_ActivityMessageSent, .fields = FIELD_REF | (data ? FIELD_DATA : 0u),
			   .data = slice_of(data) };

	if (!activity || activity->type != EVENT_ActivityScheduled || activity->state != TASK_OPEN)
		return;
	const pawl_failure *f = check_message(x, activity, &e);
	if (f) {
		decide_refused(x, f);
		return;
	}
	e.ref = activity->seq;
	decide(x, &e);
	activity->messages++;
}

static pawl_task *begin_timer(struct execution *x, struct event *e, int64_t delay_ms)
{
	const pawl_failure *f = decide_limit(x);

	if (f)
		return tasks_failed(x, EVENT_TimerCreated, f);
	e->type = EVENT_TimerCreated;
	if (x->live) {
		e->fields |= FIELD_DUE;
		retry_due(&e->due, x->turn, x->time_ns, delay_ms);
	}
	if (e->fields & FIELD_UNTIL)
		e->due.at_ns = e->until_ns;
	pawl_task *task = tasks_new(x, e->type);
	tasks_begin(x, task, decide(x, e));
	return task;
}

pawl_task *pawl_timer(pawl_ctx *ctx, int64_t delay_ms)
{
	struct event e = { .fields = FIELD_DELAY, .delay_ms = delay_ms > 0 ? delay_ms : 0 };

	return begin_timer(execution_of(ctx), &e, e.delay_ms);
}

pawl_task *pawl_timer_until(pawl_ctx *ctx, int64_t unix_ns)
{
	struct execution *x = execution_of(ctx);
	struct event e = { .fields = FIELD_UNTIL };

	/* Histories keep microseconds; up, since a timer must not fire before its time. */
	unix_ns = unix_ns > 0 ? unix_ns : 0;
	e.until_ns = unix_ns < ENGINE_TIME_MAX_NS ? (unix_ns + 999) / 1000 * 1000 : ENGINE_TIME_MAX_NS;
	int64_t left_ns = e.until_ns - x->time_ns;
	return begin_timer(x, &e, left_ns > 0 ? left_ns / 1000000 + (left_ns % 1000000 != 0) : 0);
}

pawl_task *pawl_event(pawl_ctx *ctx, const char *name)
{
	struct execution *x = execution_of(ctx);
	struct event e = { .type = EVENT_EventSubscribed, .fields = FIELD_NAME, .name = slice_of(name) };
	const pawl_failure *f = decide_limit(x);

	if (!f && !text_is_event_name(e.name))
		f = failure_make(x, "system", "invalid", "'%.80s' is not a valid event name", or_empty(name));
	if (f)
		return tasks_failed(x, e.type, f);
	pawl_task *task = tasks_new(x, e.type);
	struct event_queue *q = events_queue(x, e.name);
	tasks_begin(x, task, decide(x, &e));
	events_wait(x, task, q);
	return task;
}

/* ---- waiting ---- */

const char *pawl_await(pawl_ctx *ctx, pawl_task *task)
{
	struct execution *x = execution_of(ctx);

	if (!task) {
		decide_refused(x, &no_task);
		return NULL;
	}
	tasks_wait(x, task);
	tasks_see(x, task);
	return pawl_result(task);
}

const char *pawl_call_with(pawl_ctx *ctx, const char *activity, const char *input, const pawl_call_options *options)
{
	return pawl_await(ctx, pawl_activity_with(ctx, activity, input, options));
}

const char *pawl_call(pawl_ctx *ctx, const char *activity, const char *input)
{
	return pawl_call_with(ctx, activity, input, NULL);
}

/* Not pawl_await, which would tell of a cut: nothing comes back from here. */
void pawl_sleep(pawl_ctx *ctx, int64_t delay_ms)
{
	struct execution *x = execution_of(ctx);
	pawl_task *task = pawl_timer(ctx, delay_ms);

	tasks_wait(x, task);
	tasks_see(x, task);
}

static bool has_null(pawl_task *const *tasks, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!tasks[i])
			return true;
	}
	return false;
}

pawl_task *pawl_first_of(pawl_ctx *ctx, pawl_task *const *tasks, size_t count)
{
	struct execution *x = execution_of(ctx);

	if (!tasks || count == 0)
		return NULL;
	pawl_task *first = tasks_first_done(tasks, count);
	if (first && x->cut_unseen && first->canceled)
		decide_refused(x, first->failure); /* a loop that looks at nothing else has an end */
	if (!first && has_null(tasks, count))
		first = tasks_failed(x, EVENT_UNKNOWN, &no_task);
	while (!first) {
		for (uint64_t order = x->order; order == x->order;) /* nothing was done: no need to look */
			replay_next_turn(x);
		first = tasks_first_done(tasks, count);
	}
	tasks_see(x, first);
	return first;
}

pawl_task *pawl_any_of(pawl_ctx *ctx, pawl_task *const *tasks, size_t count)
{
	struct execution *x = execution_of(ctx);
	pawl_task *winner = pawl_first_of(ctx, tasks, count);

	for (size_t i = 0; winner && i < count; i++) {
		if (!tasks[i] || tasks[i] == winner)
			continue;
		tasks_cancel(x, tasks[i]);
		tasks_put_back(x, tasks[i]);
	}
	return winner;
}

size_t pawl_all_of(pawl_ctx *ctx, pawl_task *const *tasks, size_t count)
{
	struct execution *x = execution_of(ctx);
	const pawl_failure *first = NULL;
	size_t failed = 0;

	for (size_t i = 0; tasks && i < count; i++) {
		if (pawl_await(ctx, tasks[i]))
			continue;
		if (failed++ == 0)
			first = x->failure;
	}
	if (failed)
		x->failure = first;
	return failed;
}

void pawl_cancel(pawl_ctx *ctx, pawl_task *task)
{
	if (task)
		tasks_cancel(execution_of(ctx), task);
}

const char *pawl_wait_event(pawl_ctx *ctx, const char *name, int64_t timeout_ms)
{
	struct execution *x = execution_of(ctx);
	pawl_task *event = pawl_event(ctx, name);

	if (timeout_ms < 0 || pawl_is_done(event))
		return pawl_await(ctx, event);
	pawl_task *late = pawl_timer(ctx, timeout_ms);
	if (pawl_any(ctx, event, late) == event)
		return pawl_await(ctx, event);
	if (late->state == TASK_DONE)
		x->failure = failure_make(x, "timeout", "", "no event '%s' within %lld ms", name,
					  (long long)timeout_ms);
	return NULL;
}

const char *pawl_take_event(pawl_ctx *ctx, const char *name)
{
	struct execution *x = execution_of(ctx);
	const struct event_queue *q = events_find(x, slice_of(name));

	return q && q->first ? pawl_await(ctx, pawl_event(ctx, name)) : NULL;
}

const char *pawl_event_from(const pawl_task *event)
{
	if (!event || !event->raised)
		return NULL;
	return event->raised->from.data ? event->raised->from.data : "";
}

bool pawl_is_done(const pawl_task *task)
{
	return !task || task->state != TASK_OPEN;
}

/* Who has read it has seen it: an event is used up. A task is the execution's own memory, never constant. */
const char *pawl_result(const pawl_task *task)
{
	if (task && task->state == TASK_FAILED)
		cancel_told(task->x);
	if (!task || task->state != TASK_DONE)
		return NULL;
	((pawl_task *)(uintptr_t)task)->seen = true;
	return task->result.data;
}

size_t pawl_result_len(const pawl_task *task)
{
	return task && task->state == TASK_DONE ? task->result.len : 0;
}

const pawl_failure *pawl_task_failure(const pawl_task *task)
{
	if (!task || task->state != TASK_FAILED)
		return task ? NULL : &no_task;
	cancel_told(task->x);
	return task->failure;
}

/* ---- how it ends ---- */

int pawl_fail_with(pawl_ctx *ctx, const pawl_failure *failure)
{
	struct execution *x = execution_of(ctx);
	static const pawl_failure unnamed = { "application", "", "failed without a reason", NULL, false };

	x->end_failure = failure_copy(x, failure ? failure : &unnamed);
	return RETURN_FAILED;
}

int pawl_fail(pawl_ctx *ctx, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	char *message = format(execution_of(ctx), fmt, args);
	va_end(args);
	return pawl_fail_with(ctx, &(pawl_failure){ "application", "", message, NULL, false });
}

int pawl_rethrow(pawl_ctx *ctx)
{
	static const pawl_failure none = { "application", "", "rethrown, but nothing has failed before", NULL, false };
	const pawl_failure *f = pawl_failed(ctx);

	return pawl_fail_with(ctx, f ? f : &none);
}

int pawl_return(pawl_ctx *ctx, const char *output)
{
	struct execution *x = execution_of(ctx);
	struct slice text = slice_of(output);

	x->end_failure = check_payload(x, "output", text.len, PAWL_PAYLOAD_BYTES_MAX, "PAWL_PAYLOAD_BYTES_MAX");
	if (x->end_failure)
		return RETURN_FAILED;
	x->output = output ? memory_copy(x, text) : SLICE_NONE;
	return 0;
}

int pawl_continue_as_new_with(pawl_ctx *ctx, const char *input, const pawl_continue_options *options)
{
	struct execution *x = execution_of(ctx);
	struct slice text = slice_of(input), version = slice_of(options ? options->version : NULL);

	x->end_failure = check_payload(x, "input", text.len, PAWL_PAYLOAD_BYTES_MAX, "PAWL_PAYLOAD_BYTES_MAX");
	if (!x->end_failure && version.data && !text_is_version(version))
		x->end_failure = failure_make(x, "system", "invalid", "'%.80s' is not a valid version", version.data);
	if (x->end_failure)
		return RETURN_FAILED;
	x->carry.next_input = input ? memory_copy(x, text) : SLICE_NONE;
	x->carry.next_version = version.data ? memory_copy(x, version) : SLICE_NONE;
	x->carry.wanted = true;
	return RETURN_CONTINUED;
}

int pawl_continue_as_new(pawl_ctx *ctx, const char *input)
{
	return pawl_continue_as_new_with(ctx, input, NULL);
}

const pawl_failure *pawl_failed(pawl_ctx *ctx)
{
	cancel_told(execution_of(ctx));
	return execution_of(ctx)->failure;
}

/* ---- the same at every replay ---- */

int64_t pawl_now(pawl_ctx *ctx)
{
	return execution_of(ctx)->time_ns;
}

uint64_t pawl_random(pawl_ctx *ctx)
{
	return prng_next(&execution_of(ctx)->prng);
}

const char *pawl_uuid(pawl_ctx *ctx)
{
	struct execution *x = execution_of(ctx);
	char *text = memory_alloc(x, PRNG_UUID_SIZE);

	prng_uuid(&x->prng, text);
	return text;
}

const char *pawl_instance_id(pawl_ctx *ctx)
{
	return execution_of(ctx)->id;
}

uint64_t pawl_execution(pawl_ctx *ctx)
{
	return execution_of(ctx)->number;
}

bool pawl_is_replaying(pawl_ctx *ctx)
{
	return !execution_of(ctx)->live;
}

void pawl_set_status(pawl_ctx *ctx, const char *text)
{
	struct execution *x = execution_of(ctx);
	struct event e = { .type = EVENT_CustomStatusSet, .fields = text ? FIELD_DATA : 0u, .data = slice_of(text) };
	const pawl_failure *f = decide_limit(x);

	if (!f)
		f = check_payload(x, "status", e.data.len, PAWL_STATUS_BYTES_MAX, "PAWL_STATUS_BYTES_MAX");
	if (f) {
		decide_refused(x, f);
		return;
	}
	decide(x, &e);
	carry_status(x, &e);
}

/* Not from the instance's memory: whether a line is made differs between runs (E4). */
void pawl_log(pawl_ctx *ctx, const char *fmt, ...)
{
	struct execution *x = execution_of(ctx);
	struct buf line = BUF_INIT;
	va_list args;

	if (!x->live || !x->options.log)
		return;
	va_start(args, fmt);
	buf_addv(&line, fmt, args);
	va_end(args);
	if (buf_ok(&line))
		x->options.log(x->options.arg, x->id, buf_str(&line));
	buf_release(&line);
}

void *pawl_alloc(pawl_ctx *ctx, size_t size)
{
	return memory_alloc(execution_of(ctx), size);
}

char *pawl_printf(pawl_ctx *ctx, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	char *text = format(execution_of(ctx), fmt, args);
	va_end(args);
	return text;
}
