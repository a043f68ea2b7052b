/*
 * client.c - calls from other threads of the program: pawl_start, pawl_raise, pawl_wait. They leave a request and sleep;
 * the loop answers. A request with nobody waiting belongs to the loop.
 */
#include "base/error.h"
#include "runtime/revive.h"
#include "runtime/runtime.h"
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

enum request_kind { REQUEST_START, REQUEST_RAISE, REQUEST_WAIT };

struct request {
	struct request *next;
	enum request_kind kind;
	bool sync, done, abandoned; /* abandoned: its owner has stopped waiting; the loop frees it */
	int code;
	struct pawl_error err;
	char *output;
	char id[TEXT_INSTANCE_ID_MAX + 1], name[TEXT_NAME_MAX + 1], message_id[32];
	char version[TEXT_NAME_MAX + 1]; /* "": the newest */
	int64_t at_ns, delay_ms;
	enum pawl_if_exists if_exists;
	size_t len;
	bool has_data;
	char data[];
};

static struct request *request_new(enum request_kind kind, const char *id, const char *name, const char *data, bool sync)
{
	size_t len = data ? strlen(data) : 0;
	struct request *r = calloc(1, sizeof(*r) + len + 1);

	if (!r)
		return NULL;
	r->kind = kind;
	r->sync = sync;
	r->has_data = data != NULL;
	r->len = len;
	if (data)
		memcpy(r->data, data, len);
	snprintf(r->id, sizeof(r->id), "%s", id ? id : "");
	snprintf(r->name, sizeof(r->name), "%s", name ? name : "");
	return r;
}

/* ---- the caller's side ---- */

static bool wait_done(struct pawl_runtime *rt, struct request *r, int64_t timeout_ms)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += (time_t)(timeout_ms / 1000);
	until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	while (!r->done)
		if (timeout_ms < 0)
			pthread_cond_wait(&rt->request_done, &rt->request_lock);
		else if (pthread_cond_timedwait(&rt->request_done, &rt->request_lock, &until) == ETIMEDOUT)
			return r->done;
	return true;
}

/* Post it, wait if it is one to wait for, and tell how it went. A copy of the answer is in *answer. */
static int request_run(struct pawl_runtime *rt, struct request *r, int64_t timeout_ms, struct request *answer, struct pawl_error *err)
{
	pthread_mutex_lock(&rt->request_lock);
	if (rt->over) {
		pthread_mutex_unlock(&rt->request_lock);
		free(r);
		return err_set(err, PAWL_ECANCELED, "the runtime has stopped");
	}
	bool first = rt->requests == NULL;
	*rt->requests_end = r;
	rt->requests_end = &r->next;
	bool sync = r->sync;
	if (first)
		loop_wake(rt->loop);
	if (!sync) {
		pthread_mutex_unlock(&rt->request_lock);
		return 0;
	}
	bool done = wait_done(rt, r, timeout_ms);
	if (done)
		memcpy(answer, r, sizeof(*r));
	else
		answer->code = err_set(err, PAWL_ETIMEOUT, "instance '%s' has not ended in time", r->id);
	r->abandoned = !done; /* the loop may free it as soon as the lock is gone */
	pthread_mutex_unlock(&rt->request_lock);
	if (!done)
		return answer->code;
	free(r);
	if (answer->code < 0 && err)
		*err = answer->err;
	return answer->code;
}

/* An id for the message, and of it one for an instance that is given none. */
static int request_name(struct pawl_runtime *rt, struct request *r, const char *type, const char *id, struct pawl_error *err)
{
	uint64_t n;

	if (rt->os->random(rt->os->self, &n, sizeof(n)) < 0)
		return err_set(err, PAWL_EIO, "cannot draw an id");
	snprintf(r->message_id, sizeof(r->message_id), "c:%016llx", (unsigned long long)n);
	if (id)
		return 0;
	snprintf(r->id, sizeof(r->id), "%.100s-%016llx", type, (unsigned long long)n);
	for (char *c = r->id; *c; c++)
		if (*c == '/' || *c == '.')
			*c = '-';
	return 0;
}

static int check_start(const char *type, const char *input, const pawl_start_options *o, struct pawl_error *err)
{
	if (!type || !text_is_type_name(slice_of(type)))
		return err_set(err, PAWL_EINVALID, "orchestration name '%.140s' is not valid", type ? type : "");
	if (o->id && !text_is_instance_id(slice_of(o->id)))
		return err_set(err, PAWL_EINVALID, "instance id '%.140s' is not valid", o->id);
	if (o->version && !text_is_version(slice_of(o->version)))
		return err_set(err, PAWL_EINVALID, "version '%.140s' is not valid", o->version);
	if (o->delay_ms < 0 || o->at_ns < 0)
		return err_set(err, PAWL_EINVALID, "the time or delay of the start is below zero");
	if (input && strlen(input) > PAWL_PAYLOAD_BYTES_MAX)
		return err_set(err, PAWL_ETOOBIG, "the input has %zu bytes, the limit is %d", strlen(input), PAWL_PAYLOAD_BYTES_MAX);
	return 0;
}

int pawl_start_with(pawl_runtime *rt, const char *type, const char *input, const pawl_start_options *options,
                    enum pawl_if_exists if_exists, bool wait, char *id_out, struct pawl_error *err)
{
	static const pawl_start_options none;
	const pawl_start_options *o = options ? options : &none;
	struct request answer, *r;
	int rc = check_start(type, input, o, err);

	if (rc < 0)
		return rc;
	r = request_new(REQUEST_START, o->id, type, input, wait);
	if (!r)
		return err_nomem(err);
	snprintf(r->version, sizeof(r->version), "%s", o->version ? o->version : "");
	r->at_ns = o->at_ns;
	r->delay_ms = o->delay_ms;
	r->if_exists = if_exists;
	rc = request_name(rt, r, type, o->id, err);
	if (rc < 0) {
		free(r);
		return rc;
	}
	if (id_out)
		memcpy(id_out, r->id, sizeof(r->id));
	return request_run(rt, r, -1, &answer, err);
}

int pawl_start(pawl_runtime *rt, const char *type, const char *id, const char *input, bool wait, char *id_out, struct pawl_error *err)
{
	return pawl_start_with(rt, type, input, &(pawl_start_options){ .id = id }, PAWL_EXISTS_FAIL, wait, id_out, err);
}

int pawl_raise(pawl_runtime *rt, const char *id, const char *event, const char *data, bool wait, struct pawl_error *err)
{
	struct request answer, *r;

	if (!id || !text_is_instance_id(slice_of(id)))
		return err_set(err, PAWL_EINVALID, "instance id '%.140s' is not valid", id ? id : "");
	if (!event || !text_is_event_name(slice_of(event)))
		return err_set(err, PAWL_EINVALID, "event name '%.140s' is not valid", event ? event : "");
	if (data && strlen(data) > PAWL_PAYLOAD_BYTES_MAX)
		return err_set(err, PAWL_ETOOBIG, "the data has %zu bytes, the limit is %d", strlen(data), PAWL_PAYLOAD_BYTES_MAX);
	r = request_new(REQUEST_RAISE, id, event, data, wait);
	return r ? request_run(rt, r, -1, &answer, err) : err_nomem(err);
}

int pawl_wait(pawl_runtime *rt, const char *id, int64_t timeout_ms, char **output, struct pawl_error *err)
{
	struct request answer = { .output = NULL }, *r;

	if (!id || !text_is_instance_id(slice_of(id)))
		return err_set(err, PAWL_EINVALID, "instance id '%.140s' is not valid", id ? id : "");
	r = request_new(REQUEST_WAIT, id, NULL, NULL, true);
	if (!r)
		return err_nomem(err);
	int rc = request_run(rt, r, timeout_ms, &answer, err);
	if (output && rc == 0)
		*output = answer.output;
	else
		free(answer.output);
	return rc;
}

/* ---- the loop's side ---- */

void request_finish(struct pawl_runtime *rt, struct request *r, int code, const char *fmt, ...)
{
	char text[PAWL_ERROR_TEXT_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (code < 0)
		(void)err_set(&r->err, code, "%s", text);
	r->code = code;
	pthread_mutex_lock(&rt->request_lock);
	bool mine = !r->sync || r->abandoned;
	r->done = true;
	if (!mine)
		pthread_cond_broadcast(&rt->request_done);
	pthread_mutex_unlock(&rt->request_lock);
	if (mine) {
		if (code < 0 && r->kind != REQUEST_WAIT)
			log_warning("%s", text);
		free(r->output);
		free(r);
	}
}

static void finish_with_view(struct pawl_runtime *rt, struct request *r, const struct view *v)
{
	switch (v->status) {
	case STATUS_COMPLETED:
		r->output = v->output ? strdup(v->output) : NULL;
		if (v->output && !r->output)
			request_finish(rt, r, PAWL_ENOMEM, "out of memory for the output of '%s'", r->id);
		else
			request_finish(rt, r, 0, "%s", "");
		break;
	case STATUS_FAILED:
		request_finish(rt, r, PAWL_ESTATE, "instance '%s' failed: %s", r->id, v->error_message ? v->error_message : "");
		break;
	default:
		request_finish(rt, r, PAWL_ECANCELED, "instance '%s' was %s%s%s", r->id, v->status == STATUS_TERMINATED ? "terminated" : "canceled",
		               v->reason ? ": " : "", v->reason ? v->reason : "");
		break;
	}
}

void requests_of_ended(struct pawl_runtime *rt, struct instance *i)
{
	while (i->waiters) {
		struct request *r = i->waiters;
		i->waiters = r->next;
		finish_with_view(rt, r, &i->view);
	}
}

static void serve_archived(struct pawl_runtime *rt, struct request *r)
{
	struct pawl_error err = { 0 };
	struct history h;
	struct view v;
	char *text = NULL;
	size_t len = 0;
	uint64_t execution;
	int rc = rt->provider->ops->read(rt->provider, r->id, 0, &text, &len, &execution, &err);

	history_init(&h);
	view_init(&v);
	if (rc == 0)
		rc = history_parse(&h, slice_make(text, len), &err);
	for (size_t n = 0; rc == 0 && n < h.count; n++)
		rc = view_apply(&v, &h.events[n]);
	if (rc == 0 && v.output_file) {
		size_t size;
		rc = rt->provider->ops->read_spill(rt->provider, r->id, v.output_file, &r->output, &size, &err);
		if (rc == 0)
			request_finish(rt, r, 0, "%s", "");
	} else if (rc == 0 && !status_is_ended(v.status)) {
		rc = err_set(&err, PAWL_ENOTFOUND, "there is no live instance '%s'", r->id);
	} else if (rc == 0) {
		finish_with_view(rt, r, &v);
	}
	if (rc < 0)
		request_finish(rt, r, rc, "%s", err.text);
	view_release(&v);
	history_release(&h);
	free(text);
}

void requests_of_refused(struct pawl_runtime *rt, struct instance *i)
{
	while (i->waiters) {
		struct request *r = i->waiters;
		i->waiters = r->next;
		serve_archived(rt, r);
	}
}

/* Its start may still be in the mailbox. */
static struct instance *get_or_look(struct pawl_runtime *rt, const char *id)
{
	struct pawl_error err = { 0 };
	struct instance *i = instance_get(rt, id);

	if (i || rt->stopping)
		return i;
	rt->look = true;
	rt->look = inbox_look(rt, &err) < 0; /* what is wrong is told by the next look */
	return instance_get(rt, id);
}

static void serve_wait(struct pawl_runtime *rt, struct request *r)
{
	struct instance *i = get_or_look(rt, r->id);

	if (!i) {
		serve_archived(rt, r);
		return;
	}
	r->next = i->waiters;
	i->waiters = r;
}

static void serve_raise(struct pawl_runtime *rt, struct request *r)
{
	struct instance *i = get_or_look(rt, r->id);
	struct mail *m = i ? mail_new(rt, EVENT_EventRaised) : NULL;

	if (!m) {
		request_finish(rt, r, i ? PAWL_ENOMEM : PAWL_ENOTFOUND, i ? "out of memory for an event to '%s'" : "there is no live instance '%s'", r->id);
		return;
	}
	m->event.fields = FIELD_NAME | (r->has_data ? FIELD_DATA : 0);
	m->event.name = arena_copy(&m->arena, slice_of(r->name));
	m->event.data = r->has_data ? arena_copy(&m->arena, slice_make(r->data, r->len)) : SLICE_NONE;
	m->request = r;
	mail_post(rt, i, m);
}

static void serve_start(struct pawl_runtime *rt, struct request *r)
{
	struct pawl_error err = { 0 };
	const struct start_order order = { .type = r->name, .version = r->version[0] ? r->version : NULL, .id = r->id, .message_id = r->message_id,
		.input = r->has_data ? slice_make(r->data, r->len) : SLICE_NONE, .at_ns = r->at_ns, .delay_ms = r->delay_ms, .request = r };
	if (r->if_exists == PAWL_EXISTS_REPLACE && revive_is_there(rt, r->id)) {
		revive_replace(rt, &order);
		return;
	}
	int rc = r->if_exists == PAWL_EXISTS_USE && (instance_get(rt, r->id) || instance_id_is_taken(rt, r->id, NULL) > 0) ? 1 : start_post(rt, &order, NULL, &err);

	if (rc != 0)
		request_finish(rt, r, rc < 0 ? rc : 0, "%s", err.text);
}

void requests_serve(struct pawl_runtime *rt)
{
	pthread_mutex_lock(&rt->request_lock);
	struct request *r = rt->requests;
	rt->requests = NULL;
	rt->requests_end = &rt->requests;
	pthread_mutex_unlock(&rt->request_lock);
	while (r) {
		struct request *next = r->next;
		rt->active = true;
		if (r->kind == REQUEST_START)
			serve_start(rt, r);
		else if (r->kind == REQUEST_RAISE)
			serve_raise(rt, r);
		else
			serve_wait(rt, r);
		r = next;
	}
}

static int close_waiters(void *arg, struct slice key, void *value)
{
	struct instance *i = value;

	(void)key;
	while (i->waiters) {
		struct request *r = i->waiters;
		i->waiters = r->next;
		request_finish(arg, r, PAWL_ECANCELED, "the runtime stopped before '%s' ended", r->id);
	}
	for (struct mail *m = i->mail; m; m = m->next) {
		if (m->request)
			request_finish(arg, m->request, PAWL_ECANCELED, "the runtime stopped");
		m->request = NULL;
	}
	return 0;
}

/* Turns that were never saved: the hub was lost, or the storage did not work until the end. */
static void close_batch(struct pawl_runtime *rt, const struct batch *b, size_t from)
{
	for (size_t n = from; n < b->count; n++)
		for (struct mail *m = b->entries[n].taken; m; m = m->next) {
			if (m->request)
				request_finish(rt, m->request, PAWL_ECANCELED, "the runtime stopped");
			m->request = NULL;
		}
}

void requests_close(struct pawl_runtime *rt)
{
	pthread_mutex_lock(&rt->request_lock);
	rt->over = true;
	struct request *r = rt->requests;
	rt->requests = NULL;
	rt->requests_end = &rt->requests;
	pthread_mutex_unlock(&rt->request_lock);
	while (r) {
		struct request *next = r->next;
		request_finish(rt, r, PAWL_ECANCELED, "the runtime stopped");
		r = next;
	}
	revivals_release(rt);
	close_batch(rt, &rt->next, 0);
	close_batch(rt, &rt->flying, rt->flying_from);
	(void)map_each(&rt->instances, close_waiters, rt);
}
