/* inbox.c - messages from outside: what the provider's mailbox gives becomes mail of an instance. */
#include "base/crc32c.h"
#include "base/error.h"
#include "runtime/runtime.h"
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

static int fill_start(struct pawl_runtime *rt, struct mail *m, const char *type, const char *version, struct slice input, const char *message_id)
{
	struct event *e = &m->event;

	e->fields = FIELD_NAME | FIELD_VERSION | FIELD_SEED | FIELD_ID | (input.data ? FIELD_DATA : 0);
	e->name = arena_copy(&m->arena, slice_of(type));
	e->version = version ? arena_copy(&m->arena, slice_of(version)) : SLICE_NONE;
	e->id = arena_copy(&m->arena, slice_of(message_id));
	e->data = arena_copy(&m->arena, input);
	if (!e->name.data || !e->id.data || (input.data && !e->data.data))
		return PAWL_ENOMEM;
	return rt->os->random(rt->os->self, e->seed, sizeof(e->seed)) < 0 ? PAWL_EIO : 0;
}

int start_post(struct pawl_runtime *rt, const char *type, const char *version, const char *id, struct slice input,
               const char *message_id, void *token, struct request *request, char *id_out, struct pawl_error *err)
{
	char made[TEXT_INSTANCE_ID_MAX + 1];

	if (!id) {
		make_id(made, type, message_id);
		id = made;
	}
	if (id_out)
		snprintf(id_out, TEXT_INSTANCE_ID_MAX + 1, "%s", id);
	/* The commit refuses an id that is taken in the archive; a message is looked up first, as it may be one seen again. */
	if (instance_get(rt, id) || (token && is_archived(rt, id)))
		return err_set(err, PAWL_EEXISTS, "instance '%s' exists already", id);
	if (rt->instances.count >= rt->config.limits.instances_max)
		return err_set(err, PAWL_ETOOBIG, "%zu instances are live, which is the limit (limits.instances_max)", rt->instances.count);
	struct mail *m = mail_new(rt, EVENT_ExecutionStarted);
	struct instance *i = m ? instance_add(rt, id) : NULL;
	if (!i || fill_start(rt, m, type, version, input, message_id) < 0) {
		if (i)
			instance_remove(rt, i);
		if (m)
			mail_free(m);
		return err_nomem(err);
	}
	m->token = token;
	m->request = request;
	mail_post(rt, i, m);
	return 0;
}

static void receive_start(struct pawl_runtime *rt, const struct pawl_message *p)
{
	struct pawl_error err = { 0 };
	char id[TEXT_INSTANCE_ID_MAX + 1];
	struct slice input = p->data ? slice_make(p->data, p->len) : SLICE_NONE;
	int rc = start_post(rt, p->name, p->version, p->instance, input, p->id, p->token, NULL, id, &err);

	if (rc == PAWL_EEXISTS && is_same_start(rt, id, p->id))
		rt->provider->ops->ack(rt->provider, p->token);
	else if (pawl_error_class(rc) == PAWL_CLASS_RETRYABLE)
		log_error("%s; the start of '%s' is taken at the next start of the runtime", err.text, id);
	else if (rc < 0)
		rt->provider->ops->reject(rt->provider, p->token, err.text);
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
	case PAWL_MESSAGE_PURGE: break;
	}
	return EVENT_UNKNOWN;
}

static struct slice keep(struct mail *m, const char *text, uint32_t field)
{
	if (!text)
		return SLICE_NONE;
	m->event.fields |= field;
	return arena_copy(&m->arena, slice_of(text));
}

static void receive_mail(struct pawl_runtime *rt, const struct pawl_message *p)
{
	struct instance *i = p->instance ? instance_get(rt, p->instance) : NULL;
	char why[256];

	if (!i) {
		snprintf(why, sizeof(why), "there is no live instance '%s'", p->instance ? p->instance : "");
		rt->provider->ops->reject(rt->provider, p->token, why);
		return;
	}
	if (p->id && generation_took(rt, i, p->id)) {
		rt->provider->ops->ack(rt->provider, p->token);
		return;
	}
	struct mail *m = mail_new(rt, event_of(p->kind));
	if (!m) {
		log_error("out of memory for a message to '%s': it is taken at the next start", i->id);
		return;
	}
	if (p->kind == PAWL_MESSAGE_REQUEUE) {
		m->event.fields |= p->key && text_parse_u64(slice_of(p->key), &m->event.ref) == 0 ? FIELD_REF : 0;
		m->event.reason = keep(m, p->reason, FIELD_REASON);
	} else if (p->kind == PAWL_MESSAGE_RAISE) {
		m->event.name = keep(m, p->name, FIELD_NAME);
		m->event.key = keep(m, p->key, FIELD_KEY);
		m->event.from = keep(m, p->from && p->from[0] ? p->from : NULL, FIELD_FROM);
		if (p->data) {
			m->event.fields |= FIELD_DATA;
			m->event.data = arena_copy(&m->arena, slice_make(p->data, p->len));
		}
	} else {
		m->event.reason = keep(m, p->reason, FIELD_REASON);
	}
	m->event.id = keep(m, p->id, FIELD_ID);
	m->token = p->token;
	mail_post(rt, i, m);
}

static void receive_purge(struct pawl_runtime *rt, const struct pawl_message *p)
{
	struct pawl_error err = { 0 };
	int rc = rt->committing ? PAWL_EBUSY : rt->provider->ops->purge(rt->provider, p->instance, &err);

	if (rc == PAWL_EBUSY && rt->purge_count < sizeof(rt->purges) / sizeof(rt->purges[0]))
		rt->purges[rt->purge_count++] = *p; /* as soon as no commit is under way */
	else if (rc == 0 || rc == PAWL_ENOTFOUND)
		rt->provider->ops->ack(rt->provider, p->token);
	else
		rt->provider->ops->reject(rt->provider, p->token, rc == PAWL_EBUSY ? "too busy, ask again" : err.text);
}

void inbox_purge_waiting(struct pawl_runtime *rt)
{
	size_t count = rt->purge_count;

	rt->purge_count = 0;
	for (size_t n = 0; n < count; n++) {
		struct pawl_message m = rt->purges[n];
		receive_purge(rt, &m);
	}
}

static int receive(void *arg, struct pawl_message *p)
{
	struct pawl_runtime *rt = arg;

	rt->active = true;
	if (p->kind == PAWL_MESSAGE_START)
		receive_start(rt, p);
	else if (p->kind == PAWL_MESSAGE_PURGE)
		receive_purge(rt, p);
	else
		receive_mail(rt, p);
	return 0;
}

int inbox_look(struct pawl_runtime *rt, struct pawl_error *err)
{
	int64_t again = -1, now = rt->os->boot_ns(rt->os->self);
	bool all = rt->look_all || (rt->rescan_ns >= 0 && now >= rt->rescan_ns);

	if (!rt->look && !all && (rt->again_ns < 0 || now < rt->again_ns))
		return 0;
	rt->look = rt->look_all = false;
	int rc = rt->provider->ops->receive(rt->provider, all, receive, rt, &again, err);
	rt->again_ns = again < 0 ? rt->again_ns > now ? rt->again_ns : -1 : now + again * 1000000;
	if (all) {
		rt->rescan_ns = now + (rt->active ? rt->config.drops.rescan_ms : rt->config.drops.rescan_idle_ms) * 1000000;
		rt->active = false;
	}
	if (rc < 0 && pawl_error_class(rc) != PAWL_CLASS_FENCED) {
		log_error("%s; looking again soon", err->text);
		rt->again_ns = now + 1000000000;
		return 0;
	}
	return rc;
}
