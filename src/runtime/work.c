/* work.c - the object of an attempt, its result, its end. The other parts, and the states: work.h. */
#include "runtime/work.h"
#include "base/error.h"
#include <stdarg.h>
#include <stdlib.h>

/* What was lost is begun again at once; what is lost again and again, less so. */
#define STUCK_FIRST_MS 20
#define STUCK_COEFFICIENT_MILLI 10000

/* ---- states ---- */

/* The table decides; what it calls a bug is logged and changes nothing. */
void work_event(struct pawl_work *w, enum activity_event event)
{
	struct activity_step step = activity_step(w->state, event);

	if (step.action == ACTION_BUG)
		log_error("activity '%s' of '%s': '%s' while %s cannot be; please report it", w->name, w->id, activity_event_name(event),
		          activity_state_name(w->state));
	if (step.action == ACTION_GO || step.action == ACTION_STOP)
		w->state = step.next;
}

static enum activity_event event_of_outcome(enum work_outcome outcome, const char *code)
{
	switch (outcome) {
	case WORK_COMPLETED: return ACTIVITY_COMPLETE;
	case WORK_STALLED: return ACTIVITY_FAIL;
	case WORK_FAILED: return ACTIVITY_FAIL_FOR_GOOD;
	case WORK_DEFERRED: return ACTIVITY_DEFER;
	case WORK_TIMEOUT: return ACTIVITY_LATE;
	case WORK_STUCK: return strcmp(code, "heartbeat") == 0 ? ACTIVITY_SILENT : ACTIVITY_LOST;
	case WORK_REBOOT: return ACTIVITY_REBOOT;
	case WORK_CANCELED: break;
	}
	return ACTIVITY_CANCEL;
}

/* ---- the object ---- */

void work_free(struct pawl_work *w)
{
	struct pawl_runtime *rt = w->rt;

	limit_release(rt, w);
	heap_remove(&rt->watches, &w->watch);
	if (w->offer)
		outside_end(rt, w, false);
	if (w->all_prev)
		w->all_prev->all_next = w->all_next;
	else
		rt->works = w->all_next;
	if (w->all_next)
		w->all_next->all_prev = w->all_prev;
	letters_free(w);
	buf_release(&w->output);
	buf_release(&w->records);
	arena_release(&w->texts);
	free(w->spilled);
	free(w);
}

static char *put(char **at, struct slice s)
{
	char *to = *at;

	if (!s.data)
		return NULL;
	memcpy(to, s.data, s.len);
	to[s.len] = '\0';
	*at += s.len + 1;
	return to;
}

/* All texts in one block behind it: the instance may be gone before a canceled attempt is. */
static struct pawl_work *work_alloc(const struct instance *i, const struct open_item *item, const struct event *e)
{
	struct slice id = slice_of(i->id), name = slice_of(item->name), input = e->data_file.data ? SLICE("") : e->data.data ? e->data : SLICE("");
	struct slice tag = e->fields & FIELD_TAG ? e->tag : SLICE_NONE, session = e->fields & FIELD_SESSION ? e->session : SLICE_NONE;
	char key[TEXT_INSTANCE_ID_MAX + 48];
	int key_len = snprintf(key, sizeof(key), "%s/%llu/%llu", i->id, (unsigned long long)i->execution, (unsigned long long)item->seq);
	struct pawl_work *w = malloc(sizeof(*w) + id.len + name.len + (size_t)key_len + input.len + tag.len + session.len + 6);

	if (!w)
		return NULL;
	memset(w, 0, offsetof(struct pawl_work, code));
	w->code[0] = w->message[0] = '\0';
	char *at = (char *)(w + 1);
	w->id = put(&at, id);
	w->name = put(&at, name);
	w->key = put(&at, slice_make(key, (size_t)key_len));
	w->input = put(&at, input);
	w->input_len = input.len;
	w->tag = put(&at, tag);
	w->session = put(&at, session);
	return w;
}

static struct pawl_work *work_of_event(struct pawl_runtime *rt, const struct instance *i, const struct open_item *item,
                                       const struct event *e, struct pawl_error *err)
{
	struct pawl_work *w = work_alloc(i, item, e);

	if (!w)
		return err_nomem(err), NULL;
	if (e->data_file.data) {
		char file[TEXT_NAME_MAX];
		snprintf(file, sizeof(file), "%.*s", SLICE_FMT(e->data_file));
		if (rt->provider->ops->read_spill(rt->provider, i->id, file, &w->spilled, &w->input_len, err) < 0) {
			free(w);
			return NULL;
		}
		w->input = w->spilled;
	}
	w->has_policy = e->fields & FIELD_RETRY;
	w->attempt_ms = w->has_policy ? e->retry.attempt_ms : 0;
	w->priority = e->fields & FIELD_PRIORITY ? e->priority : 0;
	return w;
}

/* Without the event at hand it is read from the line that the item keeps. */
static struct pawl_work *work_of_item(struct pawl_runtime *rt, const struct instance *i, const struct open_item *item, struct pawl_error *err)
{
	struct pawl_work *w;
	struct arena arena;
	struct event e;

	arena_init(&arena, 0);
	w = open_item_event(item, &e, &arena) < 0 ? (err_nomem(err), NULL) : work_of_event(rt, i, item, &e, err);
	arena_release(&arena);
	return w;
}

struct pawl_work *work_new(struct pawl_runtime *rt, struct effect *effect, const struct open_item *item, const struct event *event,
                           struct pawl_error *err)
{
	struct instance *i = effect->instance;
	struct pawl_work *w = event ? work_of_event(rt, i, item, event, err) : work_of_item(rt, i, item, err);

	if (!w)
		return NULL;
	w->rt = rt;
	w->effect = effect;
	w->instance = i;
	w->seq = item->seq;
	w->execution = i->execution;
	w->attempt = item->attempt;
	w->outcome = WORK_CANCELED; /* until it has run */
	atomic_init(&w->canceled, false);
	atomic64_store(&w->began_ns, 0);
	atomic64_store(&w->beat_ns, 0);
	w->all_next = rt->works;
	if (rt->works)
		rt->works->all_prev = w;
	rt->works = w;
	return w;
}

/* ---- lists ---- */

void work_queue_put(struct work_list *list, struct pawl_work *w)
{
	if (!list->end)
		list->end = &list->first;
	w->queue_next = NULL;
	*list->end = w;
	list->end = &w->queue_next;
}

struct pawl_work *work_queue_take(struct work_list *list)
{
	struct pawl_work *w = list->first;

	if (w && !(list->first = w->queue_next))
		list->end = &list->first;
	return w;
}

void work_watch(struct pawl_runtime *rt, struct pawl_work *w, int64_t at_ns)
{
	heap_remove(&rt->watches, &w->watch);
	if (heap_push(&rt->watches, &w->watch, at_ns) < 0)
		log_error("out of memory to watch activity '%s' of '%s': it runs without a time limit", w->name, w->id);
}

/* ---- the result goes to the instance ---- */

void work_set_failure(struct pawl_work *w, enum work_outcome outcome, const char *code, const char *fmt, ...)
{
	va_list args;

	w->outcome = outcome;
	snprintf(w->code, sizeof(w->code), "%s", code);
	va_start(args, fmt);
	vsnprintf(w->message, sizeof(w->message), fmt, args);
	va_end(args);
}

void work_check_output(struct pawl_work *w)
{
	if (w->outcome != WORK_COMPLETED && w->outcome != WORK_REBOOT)
		return;
	if (!buf_ok(&w->output)) /* I7 */
		work_set_failure(w, WORK_DEFERRED, "", "out of memory for its output");
	else if (w->output.len > PAWL_PAYLOAD_BYTES_MAX)
		work_set_failure(w, WORK_FAILED, "output-too-large", "the output has %zu bytes, the limit is %d: write it to a file and return its name",
		                 w->output.len, PAWL_PAYLOAD_BYTES_MAX);
}

static bool is_stuck(const struct pawl_work *w)
{
	return w->outcome == WORK_STUCK || w->outcome == WORK_TIMEOUT;
}

/* Where the orchestration gave no policy the configuration's counts; and what ended stuck has attempts of its own, as it is
 * more often the device's fault than the work's. */
static void add_default_policy(const struct pawl_work *w, struct event *e)
{
	const struct config_activity *c = w->activity.config;
	const pawl_retry *r = c ? &c->retry : NULL;
	uint32_t most = r ? r->max_attempts : 1, stuck_max = c ? c->stuck_max : w->rt->config.attempts.stuck_max;

	if (c && c->dead_letter == CONFIG_DEAD_LETTER_HOLD) {
		e->fields |= FIELD_DELAY;
		e->delay_ms = -1;
	}
	if (w->has_policy)
		return;
	if (is_stuck(w) && stuck_max > most)
		most = stuck_max;
	if (most < 2)
		return;
	e->fields |= FIELD_RETRY;
	e->retry = (struct retry_policy){ .max_attempts = most, .first_ms = STUCK_FIRST_MS, .coefficient_milli = STUCK_COEFFICIENT_MILLI };
	if (r && r->max_attempts > 1) {
		e->retry.first_ms = r->first_ms;
		e->retry.max_ms = r->max_ms;
		e->retry.coefficient_milli = (uint32_t)(r->coefficient * 1000 + 0.5);
		e->retry.jitter_milli = (uint32_t)(r->jitter * 1000 + 0.5);
	}
}

static struct slice failure_kind(const struct pawl_work *w)
{
	if (w->outcome == WORK_TIMEOUT || w->expired)
		return SLICE("timeout");
	if (w->outcome == WORK_STUCK)
		return SLICE("stuck");
	return w->kind == WORK_THREAD ? SLICE("application") : SLICE("process");
}

static struct mail *result_mail(struct pawl_runtime *rt, struct pawl_work *w)
{
	bool good = w->outcome == WORK_COMPLETED;
	struct mail *m = mail_new(rt, good ? EVENT_ActivityCompleted : EVENT_ActivityFailed);

	if (!m)
		return NULL;
	m->event.ref = w->seq;
	m->event.fields = FIELD_REF;
	if (good) {
		m->event.fields |= w->output.len ? FIELD_DATA : 0;
		m->event.data = w->output.len ? arena_copy(&m->arena, buf_slice(&w->output)) : SLICE_NONE;
		if (w->output.len && !m->event.data.data) {
			mail_free(m);
			return NULL;
		}
		if (w->attempt > 1) {
			m->event.fields |= FIELD_ATTEMPT;
			m->event.attempt = w->attempt;
		}
		return m;
	}
	m->event.fields |= FIELD_ERROR | FIELD_ATTEMPT;
	m->event.attempt = w->attempt;
	m->event.error = (struct failure){ .retryable = w->outcome != WORK_FAILED, .kind = failure_kind(w),
		.code = arena_copy(&m->arena, slice_of(w->code)), .message = arena_copy(&m->arena, slice_of(w->message)) };
	add_default_policy(w, &m->event);
	return m;
}

void work_defer(struct pawl_runtime *rt, struct pawl_work *w, int64_t delay_ms)
{
	struct effect *e = w->effect;
	struct pawl_error err = { 0 };
	int64_t next_ns = rt->os->real_ns(rt->os->self) + delay_ms * 1000000;
	char at[TEXT_TIME_SIZE];

	text_time(at, next_ns);
	log_info("instance '%s': activity '%s' is deferred, next look at %s: %s", w->id, w->name, at, w->message);
	work_event(w, ACTIVITY_DEFER);
	if (work_dir_make(w, &err) == 0)
		record_state(w, w->message, next_ns, 0);
	effect_forget_work(e);
	effect_wait(rt, e, delay_ms);
	work_free(w);
}

/* The caller frees w, but not after WORK_DEFERRED. */
static void post_result(struct pawl_runtime *rt, struct pawl_work *w)
{
	struct effect *e = w->effect;
	struct mail *m;

	work_event(w, event_of_outcome(w->outcome, w->code));
	if (w->outcome != WORK_COMPLETED) {
		log_info("instance '%s': activity '%s' attempt %u failed (%s): %s%s%s", w->id, w->name, w->attempt, activity_state_name(w->state),
		         w->code, w->code[0] ? ": " : "", w->message);
		if (!w->abandoned && w->dir[0])
			record_state(w, w->message, 0, 0);
	}
	effect_forget_work(e);
	heap_remove(&rt->timers, &e->node); /* a look for its registration would begin it again before the answer is durable */
	m = result_mail(rt, w);
	if (m)
		mail_post(rt, w->instance, m);
	else
		effect_wait(rt, e, LOOK_AGAIN_MS); /* out of memory: it runs again, at least once is the promise */
}

void work_result(struct pawl_runtime *rt, struct pawl_work *w)
{
	rt->activities_done++;
	rt->active = true;
	limit_release(rt, w);
	if (w->effect && !w->abandoned && w->dir[0])
		w->effect->dir = true;
	if (!w->effect || w->outcome == WORK_CANCELED) {
		struct effect *e = w->effect;
		if (e)
			effect_forget_work(e);
		work_free(w);
		if (e && !rt->stopping) /* by a runtime before us that wanted to stop; else the next start begins it again */
			effect_wait(rt, e, 0);
	} else if (w->outcome == WORK_DEFERRED) {
		work_defer(rt, w, w->defer_ms > 0 ? w->defer_ms : DEFER_DEFAULT_MS);
	} else if (w->outcome == WORK_REBOOT) {
		reboot_planned(rt, w);
		work_free(w);
	} else {
		post_result(rt, w);
		work_free(w);
	}
}

/* ---- canceling ---- */

void work_cancel(struct pawl_runtime *rt, struct pawl_work *w)
{
	if (w->effect)
		effect_forget_work(w->effect);
	w->effect = NULL;
	w->instance = NULL;
	atomic_store(&w->canceled, true);
	if (!w->running)
		return; /* whoever takes it from its list frees it */
	if (w->kind == WORK_PROCESS) {
		process_cancel(w->process);
	} else if (w->kind == WORK_THREAD) {
		thread_told_to_end(rt, w);
	} else {
		outside_end(rt, w, true);
		work_free(w);
	}
}

/* The runtime closes: what waits or runs outside is for the next start. */
void work_forget(struct pawl_work *w)
{
	effect_forget_work(w->effect);
	w->effect = NULL;
	w->instance = NULL;
}

bool works_running(const struct pawl_runtime *rt)
{
	return rt->threads_running || rt->processes_running;
}

static void stop_process(struct pawl_runtime *rt, struct pawl_work *w)
{
	if (rt->config.process.on_stop == CONFIG_ON_STOP_END || rt->scratch) {
		process_cancel(w->process);
		return;
	}
	process_leave(w->process);
	rt->processes_running--;
	if (w->effect)
		effect_forget_work(w->effect);
	w->limit = NULL; /* nobody gets its place */
	work_free(w);
}

/* Functions are asked to return; programs go on, to be adopted by the next start, unless the configuration says otherwise;
 * outside workers go on anyway. */
void works_stop(struct pawl_runtime *rt)
{
	unsigned left = rt->processes_running;

	for (struct pawl_work *w = rt->works, *next; w; w = next) {
		next = w->all_next;
		atomic_store(&w->canceled, true);
		if (w->running && w->kind == WORK_PROCESS)
			stop_process(rt, w);
	}
	if (left > rt->processes_running)
		log_notice("%u programs go on running: the next start finds them (process.on_stop)", left - rt->processes_running);
}

/* At the end: queued ones that never ran, and those of outside workers, whose items stay. Running functions belong to
 * threads that the stop has waited for. */
void works_release(struct pawl_runtime *rt)
{
	while (rt->works) {
		outside_leave(rt, rt->works);
		rt->works->limit = NULL; /* who waits for its place may be gone already */
		work_free(rt->works);
	}
}
