/*
 * work.c - attempts at activities: C functions on the crew's threads, programs as processes.
 *
 *	queued ──a thread or process slot is free──► running ──► done: a message to the instance
 *	   └────────── canceled ◄───────────────────────┘            (dropped when canceled)
 *
 * Nothing here is on disk: after a crash the open ActivityScheduled in history starts the attempt again.
 */
#include "base/error.h"
#include "runtime/runtime.h"
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>

#define DEFER_DEFAULT_MS 30000
#define UNREGISTERED_FIRST_MS 10000
#define UNREGISTERED_MAX_MS 300000

/* One attempt. While the function runs on its thread, only `canceled` is shared. */
struct pawl_work {
	struct crew_job job;       /* first: the crew gives it back */
	struct pawl_work *all_next, *all_prev, *queue_next;
	struct pawl_runtime *rt;
	struct effect *effect;     /* NULL when nobody wants the result */
	struct instance *instance;
	uint64_t seq, execution;
	uint32_t attempt;
	char *id, *name, *key, *input;
	char *spilled;             /* the input, when it came from a file */
	size_t input_len;
	struct activity activity;
	struct process *process;
	int64_t attempt_ms;
	bool has_policy;           /* the orchestration said how to retry */
	bool running;
	atomic_bool canceled;
	/* the result */
	enum work_outcome outcome;
	struct buf output;
	int64_t defer_ms;
	char code[64], message[PAWL_ERROR_TEXT_MAX]; /* last: they are not zeroed */
};

/* ---- what an activity in C may call ---- */

int pawl_work_return(pawl_work *w, const char *fmt, ...)
{
	va_list args;

	buf_reset(&w->output);
	va_start(args, fmt);
	buf_addv(&w->output, fmt, args);
	va_end(args);
	w->outcome = WORK_COMPLETED;
	return 0;
}

int pawl_work_return_bytes(pawl_work *w, const void *data, size_t len)
{
	buf_reset(&w->output);
	buf_add(&w->output, data, len);
	w->outcome = WORK_COMPLETED;
	return 0;
}

static void set_failure(pawl_work *w, enum work_outcome outcome, const char *code, const char *fmt, va_list args)
{
	w->outcome = outcome;
	snprintf(w->code, sizeof(w->code), "%s", code ? code : "");
	vsnprintf(w->message, sizeof(w->message), fmt, args);
}

int pawl_work_fail(pawl_work *w, const char *code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	set_failure(w, WORK_STALLED, code, fmt, args);
	va_end(args);
	return PAWL_ESTATE;
}

int pawl_work_fail_for_good(pawl_work *w, const char *code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	set_failure(w, WORK_FAILED, code, fmt, args);
	va_end(args);
	return PAWL_ESTATE;
}

int pawl_work_defer(pawl_work *w, int64_t delay_ms, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	set_failure(w, WORK_DEFERRED, NULL, fmt, args);
	va_end(args);
	w->defer_ms = delay_ms;
	return PAWL_EBUSY;
}

const char *pawl_work_instance(const pawl_work *w) { return w->id; }
const char *pawl_work_activity(const pawl_work *w) { return w->name; }
uint64_t pawl_work_execution(const pawl_work *w) { return w->execution; }
uint32_t pawl_work_attempt(const pawl_work *w) { return w->attempt; }
const char *pawl_work_key(const pawl_work *w) { return w->key; }
size_t pawl_work_input_len(const pawl_work *w) { return w->input_len; }
bool pawl_work_is_cancelled(const pawl_work *w) { return atomic_load(&w->canceled); }

/* ---- the object ---- */

static void work_free(struct pawl_work *w)
{
	struct pawl_runtime *rt = w->rt;

	if (w->all_prev)
		w->all_prev->all_next = w->all_next;
	else
		rt->works = w->all_next;
	if (w->all_next)
		w->all_next->all_prev = w->all_prev;
	buf_release(&w->output);
	free(w->spilled);
	free(w);
}

/* All texts in one block behind it: the instance may be gone before a canceled attempt is. */
static struct pawl_work *work_alloc(const struct instance *i, const struct open_item *item, const struct event *e)
{
	size_t id_size = strlen(i->id) + 1, name_size = strlen(item->name) + 1, key_size = id_size + 48;
	size_t input_len = e->data_file.data ? 0 : e->data.len;
	struct pawl_work *w = malloc(sizeof(*w) + id_size + name_size + key_size + input_len + 1);

	if (!w)
		return NULL;
	memset(w, 0, offsetof(struct pawl_work, code));
	w->code[0] = w->message[0] = '\0';
	w->id = memcpy(w + 1, i->id, id_size);
	w->name = memcpy(w->id + id_size, item->name, name_size);
	w->key = w->name + name_size;
	snprintf(w->key, key_size, "%s/%llu/%llu", i->id, (unsigned long long)i->execution, (unsigned long long)item->seq);
	w->input = w->key + key_size;
	w->input_len = input_len;
	if (input_len)
		memcpy(w->input, e->data.data, input_len);
	w->input[input_len] = '\0';
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

static struct pawl_work *work_new(struct pawl_runtime *rt, struct effect *effect, const struct open_item *item, const struct event *event,
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
	atomic_init(&w->canceled, false);
	w->all_next = rt->works;
	if (rt->works)
		rt->works->all_prev = w;
	rt->works = w;
	return w;
}

/* ---- the result goes to the instance ---- */

/* The configuration's policy counts where the orchestration gave none. */
static void add_default_policy(const struct pawl_work *w, struct event *e)
{
	const pawl_retry *r = w->activity.config ? &w->activity.config->retry : NULL;

	if (!r || w->has_policy || r->max_attempts < 2)
		return;
	e->fields |= FIELD_RETRY;
	e->retry = (struct retry_policy){ .max_attempts = r->max_attempts, .first_ms = r->first_ms, .max_ms = r->max_ms,
		.coefficient_milli = (uint32_t)(r->coefficient * 1000 + 0.5), .jitter_milli = (uint32_t)(r->jitter * 1000 + 0.5) };
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
		if (w->attempt > 1) {
			m->event.fields |= FIELD_ATTEMPT;
			m->event.attempt = w->attempt;
		}
		return m;
	}
	m->event.fields |= FIELD_ERROR | FIELD_ATTEMPT;
	m->event.attempt = w->attempt;
	m->event.error = (struct failure){ .retryable = w->outcome != WORK_FAILED,
		.kind = w->outcome == WORK_TIMEOUT ? SLICE("timeout") : w->activity.kind == ACTIVITY_FUNCTION ? SLICE("application") : SLICE("process"),
		.code = arena_copy(&m->arena, slice_of(w->code)), .message = arena_copy(&m->arena, slice_of(w->message)) };
	add_default_policy(w, &m->event);
	return m;
}

/* For `pawl status`, until the next attempt. */
static void tell_deferral(struct pawl_runtime *rt, const struct pawl_work *w, int64_t delay_ms)
{
	char at[TEXT_TIME_SIZE], text[PAWL_ERROR_TEXT_MAX + 256];

	text_time(at, rt->os->real_ns(rt->os->self) + delay_ms * 1000000);
	snprintf(text, sizeof(text), "deferred: activity '%s', next look at %s: %s", w->name, at, w->message);
	log_info("instance '%s': %s", w->id, text);
	rt->provider->ops->note(rt->provider, w->id, text);
	w->effect->noted = true;
}

static void work_result(struct pawl_runtime *rt, struct pawl_work *w)
{
	struct effect *e = w->effect;

	rt->activities_done++;
	rt->active = true;
	if (!e)
		return; /* canceled */
	effect_forget_work(e);
	if (w->outcome == WORK_DEFERRED) {
		tell_deferral(rt, w, w->defer_ms > 0 ? w->defer_ms : DEFER_DEFAULT_MS);
		effect_wait(rt, e, w->defer_ms > 0 ? w->defer_ms : DEFER_DEFAULT_MS);
		return;
	}
	if (w->outcome == WORK_CANCELED)
		return; /* by the stop of the runtime: the next start runs it again */
	if (w->outcome != WORK_COMPLETED)
		log_info("instance '%s': activity '%s' attempt %u failed: %s%s%s", w->id, w->name, w->attempt, w->code, w->code[0] ? ": " : "", w->message);
	struct mail *m = result_mail(rt, w);
	if (m)
		mail_post(rt, w->instance, m);
	else
		effect_wait(rt, e, 1000); /* out of memory: it runs again, at least once is the promise */
}

static void check_output(struct pawl_work *w)
{
	if (w->outcome != WORK_COMPLETED || (w->output.len <= PAWL_PAYLOAD_BYTES_MAX && buf_ok(&w->output)))
		return;
	w->outcome = WORK_FAILED;
	snprintf(w->code, sizeof(w->code), "output-too-large");
	snprintf(w->message, sizeof(w->message), "the output has %zu bytes, the limit is %d: write it to a file and return its name", w->output.len, PAWL_PAYLOAD_BYTES_MAX);
}

/* ---- functions ---- */

static void function_run(struct crew_job *job)
{
	struct pawl_work *w = (struct pawl_work *)job;

	if (atomic_load(&w->canceled))
		return; /* before it began */
	w->outcome = WORK_COMPLETED;
	int rc = w->activity.fn(w, w->input);
	if (rc != 0 && w->outcome == WORK_COMPLETED) {
		w->outcome = WORK_STALLED;
		snprintf(w->code, sizeof(w->code), "%d", rc);
		snprintf(w->message, sizeof(w->message), "the activity returned %d without saying why", rc);
	}
	check_output(w);
	/* It was asked to return, so that it did not get done says nothing: after a stop it runs again. */
	if (atomic_load(&w->canceled) && w->outcome != WORK_COMPLETED)
		w->outcome = WORK_CANCELED;
}

void work_finished(struct pawl_runtime *rt, struct crew_job *job)
{
	struct pawl_work *w = (struct pawl_work *)job;

	rt->threads_running--;
	work_result(rt, w);
	work_free(w);
}

/* ---- processes ---- */

/* What is of use is in history now; a failed attempt's log stays until the next attempt or the end of the instance. */
static void work_dir_remove(struct pawl_runtime *rt, const struct pawl_work *w)
{
	char dir[1024];

	if (strcmp(rt->provider->ops->name, "fs") != 0)
		return;
	snprintf(dir, sizeof(dir), "%s/instances/%s/work/%llu", rt->hub, w->id, (unsigned long long)w->seq);
	(void)os_remove_tree(rt->os, OS_CWD, dir, 8);
}

static void process_done(void *arg, struct process_result *r)
{
	struct pawl_work *w = arg;
	struct pawl_runtime *rt = w->rt;

	rt->processes_running--;
	w->outcome = r->outcome;
	snprintf(w->code, sizeof(w->code), "%s", r->code);
	snprintf(w->message, sizeof(w->message), "%s", r->message);
	buf_add(&w->output, r->output, r->output_len);
	free(r->output);
	check_output(w);
	if (w->outcome == WORK_COMPLETED)
		work_dir_remove(rt, w);
	work_result(rt, w);
	work_free(w);
}

/* A work directory of its own, for what the program wants to keep between attempts and for its log. */
static bool work_dir(struct pawl_runtime *rt, const struct pawl_work *w, char *dir, size_t size)
{
	char parent[512];

	if (strcmp(rt->provider->ops->name, "fs") != 0)
		return false;
	snprintf(parent, sizeof(parent), "%s/instances/%s/work", rt->hub, w->id);
	if (mkdir(parent, 0755) < 0 && errno != EEXIST)
		return false;
	snprintf(dir, size, "%s/%llu", parent, (unsigned long long)w->seq);
	return mkdir(dir, 0755) == 0 || errno == EEXIST;
}

#define ENV_MAX 40

struct process_env {
	char text[7][640];
	const char *list[ENV_MAX + 8];
};

static void fill_env(struct process_env *env, const struct pawl_work *w, const char *dir)
{
	size_t n = 0;

	snprintf(env->text[0], sizeof(env->text[0]), "PAWL_INSTANCE=%s", w->id);
	snprintf(env->text[1], sizeof(env->text[1]), "PAWL_EXECUTION=%llu", (unsigned long long)w->execution);
	snprintf(env->text[2], sizeof(env->text[2]), "PAWL_ACTIVITY=%s", w->name);
	snprintf(env->text[3], sizeof(env->text[3]), "PAWL_ATTEMPT=%u", w->attempt);
	snprintf(env->text[4], sizeof(env->text[4]), "PAWL_KEY=%s", w->key);
	snprintf(env->text[5], sizeof(env->text[5]), "PAWL_WORK=%s", dir);
	snprintf(env->text[6], sizeof(env->text[6]), "PAWL_HUB=%s", w->rt->hub);
	for (; n < 7; n++)
		env->list[n] = env->text[n];
	const char *const *more = w->activity.config ? w->activity.config->env : NULL;
	for (; more && *more && n < ENV_MAX + 7; more++)
		env->list[n++] = *more;
	env->list[n] = NULL;
}

static int process_begin(struct pawl_runtime *rt, struct pawl_work *w, struct pawl_error *err)
{
	char dir[1024] = "", log[1040];
	struct process_env env;
	const struct config_activity *c = w->activity.config;
	const char *argv[] = { w->activity.path, NULL };
	bool has_dir = work_dir(rt, w, dir, sizeof(dir));

	snprintf(log, sizeof(log), "%s/log", dir);
	fill_env(&env, w, dir);
	struct process_spec spec = { .argv = c ? c->exec : argv, .dir = c && c->dir ? c->dir : has_dir ? dir : NULL,
		.env = env.list, .input = slice_make(w->input, w->input_len), .log_path = has_dir ? log : NULL,
		.timeout_ms = w->attempt_ms ? w->attempt_ms : c && c->timeout_ms ? c->timeout_ms : rt->config.process.timeout_ms,
		.grace_ms = c && c->grace_ms ? c->grace_ms : rt->config.process.grace_ms,
		.output_max = rt->config.process.output_bytes_max, .log_max = rt->config.process.log_bytes_max };
	return process_start(&w->process, rt->loop, &spec, process_done, w, err);
}

/* ---- starting ---- */

static void queue_put(struct pawl_work ***end, struct pawl_work *work)
{
	work->queue_next = NULL;
	**end = work;
	*end = &work->queue_next;
}

static struct pawl_work *queue_take(struct pawl_work **first, struct pawl_work ***end)
{
	struct pawl_work *work = *first;

	*first = work->queue_next;
	if (!*first)
		*end = first;
	return work;
}

static void wait_for_registration(struct pawl_runtime *rt, struct effect *e, const struct open_item *item)
{
	int64_t wait = (int64_t)UNREGISTERED_FIRST_MS << (e->unregistered < 5 ? e->unregistered : 5);

	if (e->unregistered++ == 0) {
		char text[512];
		snprintf(text, sizeof(text), "it waits for activity '%s', which is not registered: add it to the program, a plugin, the configuration or an activity directory", item->name);
		log_warning("instance '%s': %s", e->instance->id, text);
		rt->provider->ops->note(rt->provider, e->instance->id, text);
		e->noted = true;
	}
	effect_wait(rt, e, wait < UNREGISTERED_MAX_MS ? wait : UNREGISTERED_MAX_MS);
}

void work_start(struct pawl_runtime *rt, struct effect *e, const struct open_item *item, const struct event *event)
{
	struct pawl_error err = { 0 };
	struct activity activity;

	if (rt->stopping)
		return;
	if (!registry_activity(rt->registry, item->name, &activity)) {
		wait_for_registration(rt, e, item);
		return;
	}
	if (e->noted)
		rt->provider->ops->note(rt->provider, e->instance->id, NULL);
	e->noted = false;
	e->unregistered = 0;
	struct pawl_work *work = work_new(rt, e, item, event, &err);
	if (!work) {
		log_error("cannot start activity '%s' of '%s' yet: %s", item->name, e->instance->id, err.text);
		effect_wait(rt, e, 1000);
		return;
	}
	work->activity = activity;
	work->outcome = WORK_CANCELED; /* until it has run */
	e->work = work;
	if (activity.kind == ACTIVITY_FUNCTION)
		queue_put(&rt->thread_queue_end, work);
	else
		queue_put(&rt->process_queue_end, work);
}

static void thread_begin(struct pawl_runtime *rt, struct pawl_work *work)
{
	work->running = true;
	work->job.run = function_run;
	rt->threads_running++; /* on the crew's list, which runs workers.threads_max at a time */
	rt->activities_started++;
	crew_submit(rt->crew, &work->job, false);
}

static void process_try(struct pawl_runtime *rt, struct pawl_work *work)
{
	struct pawl_error err = { 0 };
	struct effect *e = work->effect;

	if (process_begin(rt, work, &err) == 0) {
		work->running = true;
		rt->processes_running++;
		rt->activities_started++;
		return;
	}
	log_error("cannot start activity '%s' of '%s' yet: %s", work->name, work->id, err.text);
	effect_forget_work(e);
	effect_wait(rt, e, 1000);
	work_free(work);
}

void works_pump(struct pawl_runtime *rt)
{
	while (rt->thread_queue) {
		struct pawl_work *work = queue_take(&rt->thread_queue, &rt->thread_queue_end);
		if (work->effect)
			thread_begin(rt, work);
		else
			work_free(work);
	}
	while (rt->process_queue && !rt->stopping && rt->processes_running < rt->config.workers.processes_max) {
		struct pawl_work *work = queue_take(&rt->process_queue, &rt->process_queue_end);
		if (work->effect)
			process_try(rt, work);
		else
			work_free(work);
	}
}

/* ---- canceling ---- */

void work_cancel(struct pawl_runtime *rt, struct pawl_work *w)
{
	(void)rt;
	if (w->effect)
		effect_forget_work(w->effect);
	w->effect = NULL;
	w->instance = NULL;
	atomic_store(&w->canceled, true);
	if (w->running && w->process)
		process_cancel(w->process);
}

bool works_running(const struct pawl_runtime *rt)
{
	return rt->threads_running || rt->processes_running;
}

void works_cancel_all(struct pawl_runtime *rt)
{
	for (struct pawl_work *work = rt->works; work; work = work->all_next) {
		atomic_store(&work->canceled, true);
		if (work->running && work->process)
			process_cancel(work->process);
	}
}

/* At the end: queued ones that never ran. Running ones belong to threads that the stop has waited for. */
void works_release(struct pawl_runtime *rt)
{
	while (rt->works)
		work_free(rt->works);
}
