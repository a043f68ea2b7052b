#include "runtime/revive.h"
#include "base/error.h"
#include "runtime/rewind.h"
#include <stdlib.h>

#define OLDER_EXECUTIONS 1000     /* are looked at for a message that is seen again ... */
#define OLDER_BYTES (8u << 20)    /* ... up to so much of history */
#define AGAIN_NS 1000000000ll /* behind storage trouble */
#define LAST_GOOD "last-good"

struct revival {
	struct revival *next;        /* in rt->revivals */
	struct pawl_message message; /* its texts last until it is acked or rejected, or the request is finished */
	struct request *request;     /* who waits for it in this program, or NULL */
	/* of the turn that is being made */
	struct history history;
	char *text;
	struct arena arena;
};

static void revival_clear(struct revival *r)
{
	history_release(&r->history);
	history_init(&r->history);
	arena_release(&r->arena);
	arena_init(&r->arena, 0);
	free(r->text);
	r->text = NULL;
}

static struct revival *revival_new(const struct pawl_message *p, struct request *request)
{
	struct revival *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->message = *p;
	r->request = request;
	history_init(&r->history);
	arena_init(&r->arena, 0);
	return r;
}

void revival_free(struct revival *r)
{
	if (!r)
		return;
	revival_clear(r);
	free(r);
}

static bool is_again(const struct pawl_message *m)
{
	return m->kind == PAWL_MESSAGE_RESTART || m->kind == PAWL_MESSAGE_START;
}

/* ---- the lines ---- */

static int load(struct pawl_runtime *rt, struct revival *r, uint64_t *execution, struct pawl_error *err)
{
	size_t len = 0;

	revival_clear(r);
	int rc = rt->provider->ops->read(rt->provider, r->message.instance, 0, &r->text, &len, execution, err);
	if (rc == 0)
		rc = history_parse(&r->history, slice_make(r->text, len), err);
	if (rc == 0 && (r->history.count == 0 || r->history.events[0].type != EVENT_ExecutionStarted))
		rc = err_set(err, PAWL_ESTATE, "instance '%s' has not begun", r->message.instance);
	return rc;
}

/* From the beginning: with the same input, or as another. */
static int begin_again(struct pawl_runtime *rt, struct revival *r, uint64_t execution, struct turn *t, struct pawl_error *err)
{
	const struct pawl_message *m = &r->message;
	const struct event *before = &r->history.events[0];
	bool replace = m->kind == PAWL_MESSAGE_START;
	struct slice name = arena_copy(&r->arena, replace ? slice_of(m->name) : before->name);
	struct event *e = arena_calloc(&r->arena, 1, sizeof(*e));

	if (!e || !name.data)
		return err_nomem(err);
	const struct pawl_registration *def = registry_orchestration(rt->registry, name.data, m->version);
	if (!def)
		return err_set(err, PAWL_ESTATE, "orchestration '%s'%s%s is not registered", name.data, m->version ? " version " : "", m->version ? m->version : "");
	int rc = entity_check(def, name.data, m->instance, err);
	if (rc < 0)
		return rc;
	*e = (struct event){ .type = EVENT_ExecutionStarted, .seq = 1, .fields = FIELD_NAME | FIELD_VERSION | FIELD_SEED | FIELD_EXECUTION | FIELD_ID };
	if (rt->os->random(rt->os->self, e->seed, sizeof(e->seed)) < 0)
		return err_set(err, PAWL_EIO, "cannot draw a seed for '%s'", m->instance);
	e->has_time = true;
	e->time_ns = t->time_ns;
	e->name = name;
	e->version = slice_of(def->version);
	e->execution = execution;
	e->id = slice_of(m->id);
	e->reason = slice_of(m->reason);
	e->fields |= m->reason ? FIELD_REASON : 0u;
	if (replace) {
		e->fields |= m->data ? FIELD_DATA : 0u;
		e->data = m->data ? slice_make(m->data, m->len) : SLICE_NONE;
		event_set_later(rt, e, m->at_ns, m->delay_ms);
	} else if (before->fields & FIELD_DATA) {
		e->fields |= FIELD_DATA;
		e->data = before->data;
		e->data_file = before->data_file; /* it stays where it is */
		e->data_len = before->data_len;
		e->data_crc = before->data_crc;
	}
	t->next = e;
	t->next_count = 1;
	return 0;
}

/* The line before the first that the code of now does not agree with. */
static int find_last_good(struct pawl_runtime *rt, struct revival *r, uint64_t execution, uint64_t *line, struct pawl_error *err)
{
	const struct history *h = &r->history;
	const char *id = r->message.instance;
	struct slice type = arena_copy(&r->arena, h->events[0].name), version = arena_copy(&r->arena, h->events[0].version);
	struct pawl_error why = { 0 };
	struct execution *x = NULL;

	if (!type.data || !version.data)
		return err_nomem(err);
	const struct pawl_registration *def = registry_orchestration(rt->registry, type.data, version.data);
	if (!def)
		return err_set(err, PAWL_ESTATE, "orchestration '%s' version %s is not registered", type.data, version.data);
	int rc = entity_check(def, type.data, id, err);
	if (rc == 0)
		rc = execution_new(&x, id, execution, def->orchestration, &rt->engine, err);
	if (rc == 0)
		rc = execution_load(x, h, err);
	if (rc == 0) {
		rc = execution_verify(x, &why);
		const struct mismatch *m = rc == PAWL_ENONDETERMINISM ? execution_mismatch(x) : NULL;
		if (m) {
			*line = m->seq - 1;
			rc = 0;
		} else if (rc == 0) {
			rc = err_set(err, PAWL_ESTATE, "the code agrees with all of its history: name the line to rewind to");
		} else {
			rc = err_set(err, rc, "%s", why.text);
		}
	}
	execution_free(x);
	return rc;
}

static int choose_line(struct pawl_runtime *rt, struct revival *r, uint64_t execution, struct rewind *w, struct pawl_error *err)
{
	const struct pawl_message *m = &r->message;
	uint64_t number = 0;

	if (m->kind == PAWL_MESSAGE_REWIND && m->key && strcmp(m->key, LAST_GOOD) == 0) {
		w->undecided = true;
		return find_last_good(rt, r, execution, &w->line, err);
	}
	if (m->key && text_parse_u64(slice_of(m->key), &number) < 0)
		return err_set(err, PAWL_EINVALID, "'%s' is no line of history", m->key);
	w->line = number;
	w->retry = m->kind == PAWL_MESSAGE_RETRY;
	return w->retry ? rewind_find_failure(&r->history, number, &w->line, err) : 0;
}

static int go_back(struct pawl_runtime *rt, struct revival *r, uint64_t execution, struct turn *t, uint64_t *line, struct pawl_error *err)
{
	const struct pawl_message *m = &r->message;
	struct rewind w = { .history = &r->history, .id = m->instance, .execution = execution, .message_id = slice_of(m->id),
		.reason = slice_of(m->reason), .now = { t->boot, t->boot_ms, t->time_ns }, .time_ns = t->time_ns };
	int rc = choose_line(rt, r, execution - 1, &w, err);

	if (rc == 0)
		rc = rewind_lines(&w, &r->arena, err);
	t->next = w.lines;
	t->next_count = w.count;
	*line = w.line;
	return rc;
}

/* The first lines of the next execution. */
static int next_lines(struct pawl_runtime *rt, struct revival *r, struct turn *t, uint64_t *line, uint64_t *execution, struct pawl_error *err)
{
	int rc = load(rt, r, execution, err);

	*line = 0;
	if (rc < 0)
		return rc;
	++*execution;
	return is_again(&r->message) ? begin_again(rt, r, *execution, t, err) : go_back(rt, r, *execution, t, line, err);
}

/* The end of the one that is live. */
static int add_end(struct revival *r, const struct view *v, struct turn *t, uint64_t line, struct pawl_error *err)
{
	const struct pawl_message *m = &r->message;
	struct event *e = arena_calloc(&r->arena, 1, sizeof(*e));

	if (!e)
		return err_nomem(err);
	*e = (struct event){ .type = EVENT_ExecutionRewound, .seq = v->next_seq, .fields = FIELD_REF, .ref = line };
	if (is_again(m))
		*e = (struct event){ .type = EVENT_ExecutionTerminated, .seq = v->next_seq };
	e->has_time = true;
	e->time_ns = t->time_ns;
	e->reason = m->reason ? slice_of(m->reason) : is_again(m) ? SLICE("restarted") : SLICE_NONE;
	e->fields |= e->reason.data ? FIELD_REASON : 0u;
	t->events = e;
	t->event_count = 1;
	t->ended = true;
	return 0;
}

/* ---- the turn ---- */

static bool may_pass(int code)
{
	enum pawl_error_class class = pawl_error_class(code);

	return class == PAWL_CLASS_RETRYABLE || class == PAWL_CLASS_NOSPACE;
}

/* What was brought back from the archive, in vain: there it goes again. */
static void give_up(struct pawl_runtime *rt, struct instance *i)
{
	if (!i->revived) {
		mail_post(rt, i, NULL);
		return;
	}
	effects_archive(rt, i->id);
	instance_remove(rt, i);
}

static void refuse(struct pawl_runtime *rt, const struct pawl_message *p, struct request *request, int code, const char *why)
{
	log_warning("instance '%s' does not begin its next execution: %s", p->instance, why);
	if (p->token)
		rt->provider->ops->reject(rt->provider, p->token, why);
	if (request)
		request_finish(rt, request, code, "%s", why);
}

static void refuse_first(struct pawl_runtime *rt, struct instance *i, int code, const char *why)
{
	struct mail *m = i->mail;

	i->mail = m->next;
	if (!i->mail)
		i->mail_end = &i->mail;
	refuse(rt, &m->revival->message, m->request, code, why);
	mail_free(m);
	free(i->turn);
	i->turn = NULL;
	give_up(rt, i);
}

int revive_turn(struct pawl_runtime *rt, struct instance *i, struct turn *t, struct pawl_error *err)
{
	struct revival *r = i->mail->revival;
	uint64_t line, execution;
	int rc = next_lines(rt, r, t, &line, &execution, err);

	if (rc == 0 && !i->revived)
		rc = add_end(r, &i->view, t, line, err);
	if (rc < 0 && !may_pass(rc)) {
		refuse_first(rt, i, rc, err->text);
		return 1;
	}
	if (rc == 0 && line)
		log_notice("instance '%s': rewound to line %llu, as execution %llu", i->id, (unsigned long long)line, (unsigned long long)execution);
	else if (rc == 0)
		log_notice("instance '%s': begun again, as execution %llu", i->id, (unsigned long long)execution);
	return rc;
}

void revive_refused(struct pawl_runtime *rt, struct instance *i)
{
	give_up(rt, i);
}

void revive_began(struct pawl_runtime *rt, struct instance *i)
{
	i->revived = false;
	if (i->parked)
		rt->provider->ops->note(rt->provider, i->id, NULL);
	i->parked = NOT_PARKED;
	generation_release(rt, i);
	works_left_behind(rt, i->id, i->execution, &i->view);
}

/* ---- messages ---- */

static bool names_message(const struct history *h, const char *message, bool first)
{
	for (size_t n = 0; n < (first && h->count ? 1 : h->count); n++)
		if (h->events[n].fields & FIELD_ID && slice_is(h->events[n].id, message))
			return true;
	return false;
}

int revive_message_is_known(struct pawl_runtime *rt, const struct pawl_message *p, bool first)
{
	uint64_t newest = 0, which;
	size_t bytes = 0;
	int found = 0;

	for (uint64_t n = 0; !found && n < OLDER_EXECUTIONS && bytes < OLDER_BYTES && (n == 0 || n < newest); n++) {
		struct history h;
		char *text = NULL;
		size_t len = 0;
		int rc = rt->provider->ops->read(rt->provider, p->instance, n == 0 ? 0 : newest - n, &text, &len, &which, NULL);
		if (rc < 0)
			break; /* there is none, or those before are gone */
		newest = n == 0 ? which : newest;
		history_init(&h);
		rc = history_parse(&h, slice_make(text, len), NULL);
		if (rc == PAWL_ENOMEM)
			found = PAWL_ENOMEM;
		else
			found = names_message(&h, p->id, first);
		bytes += len;
		history_release(&h);
		free(text);
	}
	return found;
}

static int check_live(const struct instance *i, const struct pawl_message *p, struct pawl_error *err)
{
	if (i->parked == PARKED_DAMAGED)
		return err_set(err, PAWL_ESTATE, "instance '%s' is damaged and set aside", i->id);
	if (p->kind == PAWL_MESSAGE_START)
		return err_set(err, PAWL_EEXISTS, "instance '%s' exists already, and has not ended", i->id);
	if (p->kind == PAWL_MESSAGE_RETRY)
		return err_set(err, PAWL_ESTATE, "instance '%s' has not ended: use rewind", i->id);
	return i->started ? 0 : err_set(err, PAWL_EBUSY, "instance '%s' is about to begin", i->id);
}

static int add_ended(struct pawl_runtime *rt, struct revival *r, uint64_t execution, struct instance **out, struct pawl_error *err)
{
	struct instance *i = instance_add(rt, r->message.instance);

	if (!i)
		return err_nomem(err);
	i->execution = execution;
	i->history_bytes = r->history.bytes;
	i->started = i->loaded = i->revived = true;
	int rc = instance_apply(i, r->history.events, r->history.count, err);
	if (rc < 0) {
		instance_remove(rt, i);
		return rc;
	}
	*out = i;
	return 0;
}

/* It is not touched before it is known that its next execution can begin. */
static int bring_back(struct pawl_runtime *rt, struct revival *r, struct instance **out, struct pawl_error *err)
{
	const char *id = r->message.instance;
	struct turn t = { .time_ns = 0 };
	uint64_t line, execution;

	if (rt->instances.count >= rt->config.limits.instances_max)
		return err_set(err, PAWL_ETOOBIG, "%zu instances are live, which is the limit (limits.instances_max)", rt->instances.count);
	effects_archive_ended(rt);
	if (effects_waits_for_archive(rt, id))
		return err_set(err, PAWL_EBUSY, "instance '%s' is about to be moved to the archive", id);
	int rc = next_lines(rt, r, &t, &line, &execution, err);
	if (rc == 0 && !(event_type_class(r->history.events[r->history.count - 1].type) & EVENT_END))
		rc = err_set(err, PAWL_ESTATE, "instance '%s' has not ended, and is not live", id);
	if (rc == 0)
		rc = rt->provider->ops->revive(rt->provider, id, err);
	if (rc < 0)
		return rc;
	retention_forget(rt, &id, 1);
	rc = add_ended(rt, r, execution - 1, out, err);
	if (rc < 0)
		effects_archive(rt, id);
	return rc;
}

static int post(struct pawl_runtime *rt, const struct pawl_message *p, struct request *request, struct pawl_error *err)
{
	struct instance *i = instance_get(rt, p->instance);
	struct mail *m = mail_new(rt, EVENT_ExecutionTerminated); /* to all who only look for an end */
	int rc = m ? 0 : err_nomem(err);

	if (rc == 0 && !(m->revival = revival_new(p, request)))
		rc = err_nomem(err);
	if (rc == 0)
		rc = i ? check_live(i, p, err) : bring_back(rt, m->revival, &i, err);
	if (rc < 0) {
		if (m)
			mail_free(m);
		return rc;
	}
	m->token = p->token;
	m->request = request;
	mail_post(rt, i, m);
	return 0;
}

static void wait_for_it(struct pawl_runtime *rt, struct revival *r)
{
	struct revival **at = &rt->revivals;

	while (*at)
		at = &(*at)->next;
	r->next = NULL;
	*at = r;
}

bool revival_later(struct pawl_runtime *rt, struct mail *m)
{
	if (!m->revival)
		return false;
	wait_for_it(rt, m->revival);
	m->revival = NULL;
	return true;
}

/* < 0: neither done nor refused, it must come again. */
static int take(struct pawl_runtime *rt, const struct pawl_message *p, struct request *request, struct pawl_error *err)
{
	int rc = revive_message_is_known(rt, p, true);

	if (rc > 0) {
		if (p->token)
			rt->provider->ops->ack(rt->provider, p->token);
		if (request)
			request_finish(rt, request, 0, "%s", "");
		return 0;
	}
	rc = rc < 0 ? err_nomem(err) : post(rt, p, request, err);
	struct revival *r = rc == PAWL_EBUSY ? revival_new(p, request) : NULL;
	if (r)
		wait_for_it(rt, r);
	if (rc == 0 || r)
		return 0;
	if (may_pass(rc) && !request)
		return rc;
	refuse(rt, p, request, rc, err->text);
	return 0;
}

int revive_receive(struct pawl_runtime *rt, const struct pawl_message *p, struct pawl_error *err)
{
	return take(rt, p, NULL, err);
}

void revive_replace(struct pawl_runtime *rt, const struct start_order *o)
{
	struct pawl_error err = { 0 };
	const struct pawl_message m = { .kind = PAWL_MESSAGE_START, .instance = o->id, .name = o->type, .version = o->version, .id = o->message_id,
		.data = o->input.data, .len = o->input.len, .at_ns = o->at_ns, .delay_ms = o->delay_ms, .if_exists = PAWL_IF_EXISTS_REPLACE };

	(void)take(rt, &m, o->request, &err); /* somebody waits: it is done or refused */
}

/* Maintenance is over, or a commit: what could not be done then, can be now. */
void revivals_step(struct pawl_runtime *rt)
{
	struct revival *r = rt->maintaining || rt->stopping ? NULL : rt->revivals;

	if (!r)
		return;
	rt->revivals = NULL;
	rt->revive_after_ns = -1;
	while (r) {
		struct revival *next = r->next;
		struct pawl_error err = { 0 };
		if (take(rt, &r->message, r->request, &err) < 0) {
			wait_for_it(rt, r);
			rt->revive_after_ns = rt->os->boot_ns(rt->os->self) + AGAIN_NS;
		} else {
			revival_free(r);
		}
		r = next;
	}
}

int64_t revivals_next(const struct pawl_runtime *rt)
{
	return rt->revivals ? rt->revive_after_ns : -1;
}

void revivals_release(struct pawl_runtime *rt)
{
	while (rt->revivals) {
		struct revival *r = rt->revivals;
		rt->revivals = r->next;
		if (r->request)
			request_finish(rt, r->request, PAWL_ECANCELED, "the runtime stopped");
		revival_free(r);
	}
}

bool revive_is_there(struct pawl_runtime *rt, const char *id)
{
	char *text = NULL;
	size_t len = 0;
	uint64_t execution;
	bool there = instance_get(rt, id) || (rt->provider->ops->read(rt->provider, id, 0, &text, &len, &execution, NULL) == 0 && len > 0);

	free(text);
	return there;
}
