/* inbox.c - messages from outside: what the provider's mailbox gives becomes mail of an instance. */
#include "base/crc32c.h"
#include "base/error.h"
#include "runtime/deliver.h"
#include "runtime/revive.h"
#include <stdlib.h>

static void on_mailbox(void *arg, unsigned events)
{
	struct pawl_runtime *rt = arg;

	(void)events;
	rt->look = true;
	if (rt->stopping || rt->failed) /* it is taken at the next start, and stays readable until then */
		loop_remove(rt->loop, rt->provider->ops->poll_fd(rt->provider));
}

int inbox_open(struct pawl_runtime *rt, struct pawl_error *err)
{
	int fd = rt->provider->ops->poll_fd(rt->provider);

	rt->look = rt->look_all = true;
	return fd < 0 ? 0 : loop_add(rt->loop, fd, LOOP_READ, on_mailbox, rt, err);
}

/* Whoever waits for an event gets a watch of its own; so does one that somebody may drop an event on early. */
void inbox_attend(struct pawl_runtime *rt, struct instance *i)
{
	bool wanted = false;

	for (const struct open_item *item = i->view.open; item && !wanted; item = item->next)
		wanted = item->type == EVENT_EventSubscribed || item->type == EVENT_TimerCreated;
	rt->provider->ops->attend(rt->provider, i->id, wanted);
	rt->look = rt->look || wanted;
}

/* The first of a series is told. */
static int not_taken(struct pawl_runtime *rt, int rc, const char *why, const char *what, const char *id)
{
	if (!rt->look_told)
		log_error("%s '%s' cannot be taken: %s; trying again", what, id, why);
	rt->look_told = true;
	rt->not_taken++;
	return rc;
}

/* ---- starts ---- */

/* An id for a start that names none. From the message's own id, so that the same start, seen again after a crash, is the
 * same instance (I2). */
static void make_id(char *id, const char *type, const char *message_id)
{
	size_t len = strlen(message_id);
	int n = snprintf(id, TEXT_INSTANCE_ID_MAX + 1, "%.100s-%08x%08x", type, crc32c(0, message_id, len), crc32c(1, message_id, len));

	for (int k = 0; k < n; k++)
		if (id[k] == '/' || id[k] == '.')
			id[k] = '-';
}

static bool is_same_start(struct pawl_runtime *rt, const char *id, const char *message_id)
{
	struct history h;
	char *text = NULL;
	size_t len = 0;
	uint64_t execution;
	bool same = false;

	if (rt->provider->ops->read(rt->provider, id, 1, &text, &len, &execution, NULL) < 0)
		return false;
	history_init(&h);
	if (history_parse(&h, slice_make(text, len), NULL) == 0 && h.count > 0)
		same = slice_is(h.events[0].id, message_id);
	history_release(&h);
	free(text);
	return same;
}

static bool is_archived(struct pawl_runtime *rt, const char *id)
{
	char *text = NULL;
	size_t len = 0;
	uint64_t execution;

	/* live ones with a history are all in the table; what has one and is not there has ended */
	bool there = rt->provider->ops->read(rt->provider, id, 0, &text, &len, &execution, NULL) == 0 && len > 0;
	free(text);
	return there;
}

void event_set_later(struct pawl_runtime *rt, struct event *e, int64_t at_ns, int64_t delay_ms)
{
	bool is_start = e->type == EVENT_ExecutionStarted;
	struct turn now;

	if (at_ns <= 0 && delay_ms <= 0)
		return;
	turn_clock(rt, &now);
	if (!is_start)
		e->type = EVENT_EventScheduled;
	if (at_ns > 0 && is_start) {
		e->fields |= FIELD_START_AT;
		e->start_at_ns = at_ns / 1000 * 1000;
		return;
	}
	if (at_ns > 0) {
		e->fields |= FIELD_UNTIL | FIELD_DUE;
		e->until_ns = at_ns / 1000 * 1000;
		delay_ms = at_ns > now.time_ns ? (at_ns - now.time_ns) / 1000000 : 0;
	} else {
		e->fields |= FIELD_DELAY | FIELD_DUE;
		e->delay_ms = delay_ms;
	}
	retry_due(&e->due, &now, now.time_ns, delay_ms);
}

static int fill_start(struct pawl_runtime *rt, struct mail *m, const struct start_order *o)
{
	struct event *e = &m->event;

	e->fields = FIELD_NAME | FIELD_VERSION | FIELD_SEED | FIELD_ID | (o->input.data ? FIELD_DATA : 0);
	e->name = arena_copy(&m->arena, slice_of(o->type));
	e->version = o->version ? arena_copy(&m->arena, slice_of(o->version)) : SLICE_NONE;
	e->id = arena_copy(&m->arena, slice_of(o->message_id));
	e->data = arena_copy(&m->arena, o->input);
	event_set_later(rt, e, o->at_ns, o->delay_ms);
	if (!e->name.data || !e->id.data || (o->input.data && !e->data.data))
		return PAWL_ENOMEM;
	return rt->os->random(rt->os->self, e->seed, sizeof(e->seed)) < 0 ? PAWL_EIO : 0;
}

int start_post(struct pawl_runtime *rt, const struct start_order *o, char *id_out, struct pawl_error *err)
{
	char made[TEXT_INSTANCE_ID_MAX + 1];
	const char *id = o->id;

	if (!id) {
		make_id(made, o->type, o->message_id);
		id = made;
	}
	if (id_out)
		snprintf(id_out, TEXT_INSTANCE_ID_MAX + 1, "%s", id);
	int rc = entity_check(registry_orchestration(rt->registry, o->type, o->version), o->type, id, err);
	if (rc < 0)
		return rc;
	/* The commit refuses an id that is taken in the archive; a message is looked up first, as it may be one seen again. */
	if (instance_get(rt, id) || (o->token && is_archived(rt, id)))
		return err_set(err, PAWL_EEXISTS, "instance '%s' exists already", id);
	if (rt->instances.count >= rt->config.limits.instances_max)
		return err_set(err, PAWL_ETOOBIG, "%zu instances are live, which is the limit (limits.instances_max)", rt->instances.count);
	struct mail *m = mail_new(rt, EVENT_ExecutionStarted);
	struct instance *i = m ? instance_add(rt, id) : NULL;
	rc = i ? fill_start(rt, m, o) : PAWL_ENOMEM;
	if (rc < 0) {
		if (i)
			instance_remove(rt, i);
		if (m)
			mail_free(m);
		return rc == PAWL_EIO ? err_set(err, rc, "cannot draw a seed for '%s'", id) : err_nomem(err);
	}
	m->token = o->token;
	m->request = o->request;
	mail_post(rt, i, m);
	return 0;
}

/* I11: a start that was dropped can wait where it is until there is room; who is asked answers. */
static bool start_waits(struct pawl_runtime *rt, const struct pawl_message *p)
{
	bool full = rt->instances.count >= rt->config.limits.instances_max;

	if (p->can_wait && full && !rt->starts_wait)
		log_warning("%zu instances are live, which is the limit (limits.instances_max): start files wait in the inbox until there is room", rt->instances.count);
	if (p->can_wait)
		rt->starts_wait = full;
	return p->can_wait && full;
}

/* Each receive_...: < 0 when it is not taken: it comes again. */
static int receive_start(struct pawl_runtime *rt, const struct pawl_message *p)
{
	struct pawl_error err = { 0 };
	char id[TEXT_INSTANCE_ID_MAX + 1];
	const struct start_order order = { .type = p->name, .version = p->version, .id = p->instance, .message_id = p->id,
		.input = p->data ? slice_make(p->data, p->len) : SLICE_NONE, .at_ns = p->at_ns, .delay_ms = p->delay_ms, .token = p->token };
	int rc = start_post(rt, &order, id, &err);

	if (rc == PAWL_EEXISTS && (p->if_exists == PAWL_IF_EXISTS_USE || is_same_start(rt, id, p->id)))
		rt->provider->ops->ack(rt->provider, p->token);
	else if (pawl_error_class(rc) == PAWL_CLASS_RETRYABLE)
		return not_taken(rt, rc, err.text, "the start of", id);
	else if (rc < 0)
		rt->provider->ops->reject(rt->provider, p->token, err.text);
	return 0;
}

/* ---- everything else ---- */

static enum event_type event_of(enum pawl_message_kind kind)
{
	switch (kind) {
	case PAWL_MESSAGE_RAISE: return EVENT_EventRaised;
	case PAWL_MESSAGE_SUSPEND: return EVENT_ExecutionSuspended;
	case PAWL_MESSAGE_RESUME: return EVENT_ExecutionResumed;
	case PAWL_MESSAGE_CANCEL: return EVENT_CancelRequested;
	case PAWL_MESSAGE_TERMINATE: return EVENT_ExecutionTerminated;
	case PAWL_MESSAGE_REQUEUE: return EVENT_ActivityRetrying;
	case PAWL_MESSAGE_START:
	case PAWL_MESSAGE_PURGE:
	case PAWL_MESSAGE_COMPACT: /* removal.c */
	case PAWL_MESSAGE_RESTART: /* revive.c */
	case PAWL_MESSAGE_REWIND:
	case PAWL_MESSAGE_PUBLISH:
	case PAWL_MESSAGE_RETRY: break;
	}
	return EVENT_UNKNOWN;
}

/* false: out of memory, at some time. */
static bool keep_bytes(struct mail *m, struct slice *to, struct slice bytes, uint32_t field)
{
	if (!bytes.data)
		return true;
	m->event.fields |= field;
	*to = arena_copy(&m->arena, bytes);
	return to->data != NULL;
}

static bool keep(struct mail *m, struct slice *to, const char *text, uint32_t field)
{
	return keep_bytes(m, to, text ? slice_of(text) : SLICE_NONE, field);
}

static bool fill_raised(struct mail *m, const struct pawl_message *p, const char *name)
{
	struct event *e = &m->event;

	return keep(m, &e->name, name, FIELD_NAME) && keep(m, &e->from, p->from && p->from[0] ? p->from : NULL, FIELD_FROM) &&
	       keep_bytes(m, &e->data, p->data ? slice_make(p->data, p->len) : SLICE_NONE, FIELD_DATA);
}

static bool fill_mail(struct pawl_runtime *rt, struct mail *m, const struct pawl_message *p)
{
	struct event *e = &m->event;
	bool good = keep(m, &e->id, p->id, FIELD_ID);

	if (p->kind == PAWL_MESSAGE_RAISE) {
		good = good && fill_raised(m, p, p->name) && keep(m, &e->key, p->key, FIELD_KEY);
		event_set_later(rt, e, p->at_ns, p->delay_ms);
		return good;
	}
	if (p->kind == PAWL_MESSAGE_REQUEUE)
		e->fields |= p->key && text_parse_u64(slice_of(p->key), &e->ref) == 0 ? FIELD_REF : 0;
	else if (p->kind == PAWL_MESSAGE_CANCEL)
		deliver_set_deadline(rt, e);
	return good && keep(m, &e->reason, p->reason, FIELD_REASON);
}

static int receive_mail(struct pawl_runtime *rt, const struct pawl_message *p)
{
	struct instance *i = p->instance ? instance_get(rt, p->instance) : NULL;
	char why[256];

	if (!i && p->instance && p->id && revive_message_is_known(rt, p, false) > 0) { /* its removal has failed, and it has ended */
		rt->provider->ops->ack(rt->provider, p->token);
		return 0;
	}
	if (!i) {
		snprintf(why, sizeof(why), "there is no live instance '%s'", p->instance ? p->instance : "");
		rt->provider->ops->reject(rt->provider, p->token, why);
		return 0;
	}
	if (p->id && generation_took(rt, i, p->id)) {
		rt->provider->ops->ack(rt->provider, p->token);
		return 0;
	}
	struct mail *m = mail_new(rt, event_of(p->kind));
	if (!m || !fill_mail(rt, m, p)) {
		if (m)
			mail_free(m);
		return not_taken(rt, PAWL_ENOMEM, "out of memory", "a message to", i->id);
	}
	m->token = p->token;
	mail_post(rt, i, m);
	return 0;
}

static bool begins_execution(struct pawl_runtime *rt, const struct pawl_message *p)
{
	switch (p->kind) {
	case PAWL_MESSAGE_RESTART:
	case PAWL_MESSAGE_REWIND:
	case PAWL_MESSAGE_RETRY:
		return true;
	case PAWL_MESSAGE_START:
		return p->if_exists == PAWL_IF_EXISTS_REPLACE && p->instance && revive_is_there(rt, p->instance);
	default:
		return false;
	}
}

/* ---- topics ---- */

/* A message that several have got: it is removed when all of them have it durable, or cannot have it. */
struct share {
	struct pawl_runtime *rt;
	void *token;
	size_t count;
};

void share_drop(struct share *s)
{
	if (--s->count > 0)
		return;
	if (s->token && !s->rt->closing) /* else it comes again at the next start, and whoever has it drops it (I2) */
		s->rt->provider->ops->ack(s->rt->provider, s->token);
	free(s);
}

#if PAWL_WITH_TOPICS
struct publishing {
	struct pawl_runtime *rt;
	const struct pawl_message *message;
	struct share *share;
	struct published { struct mail *mail; struct instance *to; } *all; /* they are posted when all are made */
	size_t count, cap;
};

static int publish_add(struct publishing *p, struct mail *m, struct instance *to)
{
	if (p->count == p->cap) {
		size_t cap = p->cap ? p->cap * 2 : 16;
		struct published *grown = realloc(p->all, cap * sizeof(*grown));
		if (!grown)
			return PAWL_ENOMEM;
		p->all = grown;
		p->cap = cap;
	}
	p->all[p->count++] = (struct published){ m, to };
	return 0;
}

/* Each event has an id of its own, as an instance may get two of one message. */
static struct mail *published_mail(struct publishing *p, const char *event)
{
	const struct pawl_message *from = p->message;
	struct mail *m = mail_new(p->rt, EVENT_EventRaised);
	const char *id = m ? arena_printf(&m->arena, "%s.%s", from->id, event) : NULL;

	if (!id || !fill_raised(m, from, event)) {
		if (m)
			mail_free(m);
		return NULL;
	}
	m->event.fields |= FIELD_ID;
	m->event.id = slice_of(id);
	m->share = p->share;
	p->share->count++;
	return m;
}

static int publish_to(void *arg, struct slice key, void *value)
{
	struct publishing *p = arg;
	struct instance *i = value;
	struct slice topic = slice_of(p->message->name);

	(void)key;
	for (const struct view_topic *t = i->view.topics ? view_topic(&i->view, NULL, topic) : NULL; t; t = view_topic(&i->view, t, topic)) {
		if (!topic_is_first(&i->view, t, topic))
			continue;
		struct mail *m = published_mail(p, t->event);
		bool took = m && generation_took(p->rt, i, m->event.id.data);
		int rc = took ? 0 : m ? publish_add(p, m, i) : PAWL_ENOMEM;
		if (m && (took || rc < 0))
			mail_free(m);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* To all of them, or to none now. */
static int receive_publication(struct pawl_runtime *rt, const struct pawl_message *message)
{
	struct publishing p = { rt, message, malloc(sizeof(*p.share)), NULL, 0, 0 };

	if (!p.share)
		return not_taken(rt, PAWL_ENOMEM, "out of memory", "what was published under", message->name);
	*p.share = (struct share){ rt, NULL, 1 };
	int rc = map_each(&rt->instances, publish_to, &p);
	p.share->token = rc == 0 ? message->token : NULL;
	for (size_t n = 0; n < p.count; n++)
		if (rc == 0)
			mail_post(rt, p.all[n].to, p.all[n].mail);
		else
			mail_free(p.all[n].mail);
	free(p.all);
	share_drop(p.share);
	return rc < 0 ? not_taken(rt, rc, "out of memory", "what was published under", message->name) : 0;
}
#else
static int receive_publication(struct pawl_runtime *rt, struct pawl_message *message)
{
	rt->provider->ops->reject(rt->provider, message->token, "topics: " WITHOUT_PART("TOPICS"));
	return 0;
}
#endif

static int receive(void *arg, struct pawl_message *p)
{
	struct pawl_runtime *rt = arg;

	rt->active = true;
	if (begins_execution(rt, p)) {
		struct pawl_error err = { 0 };
		int rc = revive_receive(rt, p, &err);
		return rc < 0 ? not_taken(rt, rc, err.text, "what was asked of", p->instance) : 0;
	}
	switch (p->kind) {
	case PAWL_MESSAGE_START: return start_waits(rt, p) ? 1 : receive_start(rt, p);
	case PAWL_MESSAGE_PUBLISH: return receive_publication(rt, p);
	case PAWL_MESSAGE_PURGE:
	case PAWL_MESSAGE_COMPACT: return removal_receive(rt, p) < 0 ? not_taken(rt, PAWL_ENOMEM, "out of memory", "what was asked of", p->instance) : 0;
	default: return receive_mail(rt, p);
	}
}

int inbox_look(struct pawl_runtime *rt, struct pawl_error *err)
{
	int64_t again = -1, now = rt->os->boot_ns(rt->os->self);
	bool all = rt->look_all || (rt->rescan_ns >= 0 && now >= rt->rescan_ns);

	if (!rt->look && !all && (rt->again_ns < 0 || now < rt->again_ns))
		return 0;
	rt->look = rt->look_all = false;
	rt->not_taken = 0;
	int rc = rt->provider->ops->receive(rt->provider, all, receive, rt, &again, err);
	rt->again_ns = again < 0 ? rt->again_ns > now ? rt->again_ns : -1 : now + again * 1000000;
	if (all) {
		retention_look(rt);
		rt->rescan_ns = now + (rt->active ? rt->config.drops.rescan_ms : rt->config.drops.rescan_idle_ms) * 1000000;
		rt->active = false;
	}
	if (rc < 0 && pawl_error_class(rc) != PAWL_CLASS_FENCED) {
		if (!rt->look_told)
			log_error("%s; looking again soon", err->text);
		rt->look_told = true;
		rt->again_ns = now + 1000000000;
		return 0;
	}
	if (rt->look_told && rt->not_taken == 0)
		log_notice("messages are taken again");
	rt->look_told = rt->not_taken > 0;
	return rc;
}
