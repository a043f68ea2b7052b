/* memory_mailbox.c - send, receive, ack, reject. One queue in the order of sending. */
#include "memory_hub.h"
#include "base/error.h"
#include "base/text.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MESSAGE_ID_SIZE 32
#define SENDER_SIZE 32

/* ---- messages ---- */

static void message_unref(struct message *m)
{
	if (!m || --m->refs > 0)
		return;
	const struct pawl_message *v = &m->view;
	const void *owned[] = { v->instance, v->name, v->version, v->key, v->reason, v->from, v->data, v->id };
	for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++)
		free((void *)(uintptr_t)owned[i]);
	free(m);
}

static const char *keep_text(const char *text, bool *failed)
{
	char *copy = text ? strdup(text) : NULL;

	if (text && !copy)
		*failed = true;
	return copy;
}

/* No payload and an empty one are different things. */
static const void *keep_data(const void *data, size_t len, bool *failed)
{
	char *copy = data ? malloc(len + 1) : NULL;

	if (data && !copy)
		*failed = true;
	if (copy) {
		memcpy(copy, data, len);
		copy[len] = '\0';
	}
	return copy;
}

static struct message *message_copy(const struct pawl_message *from, uint64_t number)
{
	char id[MESSAGE_ID_SIZE], sender[SENDER_SIZE];
	bool failed = false;
	struct message *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	snprintf(id, sizeof(id), "m%llu", (unsigned long long)number);
	snprintf(sender, sizeof(sender), "uid:%lu", (unsigned long)getuid());
	m->refs = 1;
	m->view = (struct pawl_message){
		.kind = from->kind,
		.instance = keep_text(from->instance, &failed),
		.name = keep_text(from->name, &failed),
		.version = keep_text(from->version, &failed),
		.key = keep_text(from->key, &failed),
		.reason = keep_text(from->reason, &failed),
		.from = keep_text(sender, &failed),
		.data = keep_data(from->data, from->len, &failed),
		.len = from->len,
		.if_exists = from->if_exists,
		.at_ns = from->at_ns,
		.delay_ms = from->delay_ms,
		.id = keep_text(id, &failed),
	};
	if (failed) {
		message_unref(m);
		return NULL;
	}
	return m;
}

/* ---- the queue ---- */

static void queue_remove(struct hub *h, struct message *m)
{
	for (struct message **link = &h->queue; *link; link = &(*link)->next) {
		if (*link != m)
			continue;
		*link = m->next;
		if (h->queue_end == &m->next)
			h->queue_end = link;
		message_unref(m);
		return;
	}
}

void mailbox_release(struct hub *h)
{
	while (h->queue)
		queue_remove(h, h->queue);
}

void mailbox_purge(struct hub *h, const char *id)
{
	for (struct message *m = h->queue, *next; m; m = next) {
		next = m->next;
		if (m->view.instance && strcmp(m->view.instance, id) == 0)
			queue_remove(h, m);
	}
}

/* A full pipe is readable, which is all that is wanted. */
void mailbox_wake(struct memory_provider *owner)
{
	ssize_t n = owner ? write(owner->wake[1], "", 1) : 0;

	(void)n;
}

/* ---- sending ---- */

static int bad(struct pawl_error *err, const char *what, const char *text)
{
	if (!text)
		return err_set(err, PAWL_EINVALID, "a message of this kind needs %s", what);
	return err_set(err, PAWL_EINVALID, "'%.200s' cannot be %s", text, what);
}

static int check_start(const struct pawl_message *m, struct pawl_error *err)
{
	if (m->instance && !text_is_instance_id(slice_of(m->instance)))
		return bad(err, "an instance id", m->instance);
	if (!m->name || !text_is_type_name(slice_of(m->name)))
		return bad(err, "an orchestration type", m->name);
	if ((unsigned)m->if_exists > PAWL_IF_EXISTS_REPLACE)
		return err_set(err, PAWL_EINVALID, "if_exists %d is not known", (int)m->if_exists);
	return 0;
}

/* The number of a line of history. */
static bool is_line_number(const char *text)
{
	uint64_t n;
	return text && text_parse_u64(slice_of(text), &n) == 0 && n > 0;
}

static int check_names(const struct pawl_message *m, struct pawl_error *err)
{
	if (m->kind == PAWL_MESSAGE_START)
		return check_start(m, err);
	if (m->kind == PAWL_MESSAGE_PUBLISH)
		return m->name && text_is_topic(slice_of(m->name)) ? 0 : bad(err, "a topic", m->name);
	if ((unsigned)m->kind > PAWL_MESSAGE_PUBLISH)
		return err_set(err, PAWL_EINVALID, "message kind %d is not known", (int)m->kind);
	if (!m->instance || !text_is_instance_id(slice_of(m->instance)))
		return bad(err, "an instance id", m->instance);
	if (m->kind == PAWL_MESSAGE_RAISE && (!m->name || !text_is_event_name(slice_of(m->name))))
		return bad(err, "an event name", m->name);
	if (m->kind == PAWL_MESSAGE_REQUEUE && !is_line_number(m->key))
		return bad(err, "the number of an activity", m->key);
	if (m->kind == PAWL_MESSAGE_REWIND && !is_line_number(m->key) && !(m->key && strcmp(m->key, "last-good") == 0))
		return bad(err, "a line", m->key);
	if (m->kind == PAWL_MESSAGE_RETRY && m->key && !is_line_number(m->key))
		return bad(err, "the number of a line", m->key);
	if (m->kind == PAWL_MESSAGE_COMPACT && m->key && !is_line_number(m->key))
		return bad(err, "a number of executions", m->key);
	return 0;
}

static int check_message(const struct memory_provider *p, const struct pawl_message *m, struct pawl_error *err)
{
	int rc = check_names(m, err);

	if (rc < 0)
		return rc;
	if (m->version && !text_is_version(slice_of(m->version)))
		return bad(err, "a version", m->version);
	if (p->read_only)
		return err_set(err, PAWL_EROFS, "hub '%s' was opened for reading only: nothing can be sent", p->hub->name);
	if (m->key && !text_is_key(slice_of(m->key)))
		return bad(err, "an idempotency key", m->key);
	if (m->at_ns < 0 || m->delay_ms < 0)
		return err_set(err, PAWL_EINVALID, "a time or delay below zero");
	if (m->len > 0 && !m->data)
		return err_set(err, PAWL_EINVALID, "a payload of %zu bytes without data", m->len);
	if (m->len > p->message_bytes_max)
		return err_set(err, PAWL_ETOOBIG, "payload of %zu bytes for '%s' is over the limit of %llu", m->len,
			       m->instance ? m->instance : m->name, (unsigned long long)p->message_bytes_max);
	return 0;
}

/* 1: there is nothing to send, it is there. */
static int reserve(struct hub *h, const struct pawl_message *m, struct instance **out, struct pawl_error *err)
{
	const char *id = m->instance;
	const struct instance *in = id ? hub_find(h, id) : NULL;

	if (!id || (in && in->archived && m->if_exists == PAWL_IF_EXISTS_REPLACE))
		return 0;
	if (in && m->if_exists == PAWL_IF_EXISTS_USE)
		return 1;
	if (in)
		return err_set(err, PAWL_EEXISTS, "instance '%s' exists already", id);
	*out = hub_add(h, id);
	return *out ? 0 : err_nomem(err);
}

static bool is_for_ended(enum pawl_message_kind kind)
{
	return kind == PAWL_MESSAGE_PURGE || kind == PAWL_MESSAGE_COMPACT || kind == PAWL_MESSAGE_RESTART || kind == PAWL_MESSAGE_REWIND || kind == PAWL_MESSAGE_RETRY;
}

static int check_receiver(struct hub *h, const struct pawl_message *m, struct pawl_error *err)
{
	struct instance *in;
	int rc = hub_get(h, m->instance, &in, err);

	if (rc < 0)
		return rc;
	if (m->kind == PAWL_MESSAGE_PURGE && !in->archived)
		return err_set(err, PAWL_ESTATE, "instance '%s' is live: terminate it before it is purged", m->instance);
	if (!is_for_ended(m->kind) && in->ended && !in->revived)
		return err_set(err, PAWL_ESTATE, "instance '%s' has ended", m->instance);
	return 0;
}

static int send_locked(struct hub *h, const struct pawl_message *from, struct pawl_error *err)
{
	struct instance *reserved = NULL;
	bool start = from->kind == PAWL_MESSAGE_START;
	int rc = start ? reserve(h, from, &reserved, err) : from->kind == PAWL_MESSAGE_PUBLISH ? 0 : check_receiver(h, from, err);

	if (rc != 0)
		return rc < 0 ? rc : 0;
	struct message *m = message_copy(from, h->message_count + 1);
	if (!m) {
		if (reserved)
			hub_remove(h, from->instance);
		return err_nomem(err);
	}
	if (reserved) {
		reserved->start = m;
		reserved->visible = true;
	}
	h->message_count++;
	*h->queue_end = m;
	h->queue_end = &m->next;
	mailbox_wake(h->owner);
	return 0;
}

int memory_send(struct pawl_provider *base, const struct pawl_message *message, struct pawl_error *err)
{
	struct memory_provider *p = memory_of(base);
	int rc = check_message(p, message, err);

	if (rc < 0)
		return rc;
	pthread_mutex_lock(&p->hub->lock);
	rc = send_locked(p->hub, message, err);
	pthread_mutex_unlock(&p->hub->lock);
	return rc;
}

/* ---- receiving ---- */

static struct delivery *deliver(struct memory_provider *p, struct message *m)
{
	struct delivery *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	*d = (struct delivery){ .next = p->deliveries, .link = &p->deliveries, .message = m, .view = m->view };
	d->view.token = d;
	if (d->next)
		d->next->link = &d->next;
	p->deliveries = d;
	m->refs++;
	m->given_to = p->token;
	return d;
}

static void delivery_free(struct delivery *d)
{
	*d->link = d->next;
	if (d->next)
		d->next->link = d->link;
	message_unref(d->message);
	free(d);
}

void mailbox_forget(struct memory_provider *p)
{
	while (p->deliveries)
		delivery_free(p->deliveries);
}

/* The next message that this owner has not seen: 1 with *out, 0 when there is none. */
static int next_delivery(struct memory_provider *p, struct delivery **out, struct pawl_error *err)
{
	struct message *m = NULL;

	pthread_mutex_lock(&p->hub->lock);
	int rc = hub_check_owner(p, err);
	if (rc == 0)
		m = p->hub->queue;
	while (m && m->given_to == p->token)
		m = m->next;
	if (m) {
		*out = deliver(p, m);
		rc = *out ? 1 : err_nomem(err);
		p->hub->stats.accepted += rc > 0;
	}
	pthread_mutex_unlock(&p->hub->lock);
	return rc;
}

static void take_back(struct memory_provider *p, struct delivery *d)
{
	pthread_mutex_lock(&p->hub->lock);
	d->message->given_to = 0;
	delivery_free(d);
	mailbox_wake(p);
	pthread_mutex_unlock(&p->hub->lock);
}

/* Before looking, so that what comes while looking makes the pipe readable again. */
static void drain(const struct memory_provider *p)
{
	char bytes[64];
	ssize_t n;

	do
		n = read(p->wake[0], bytes, sizeof(bytes));
	while (n > 0 || (n < 0 && errno == EINTR));
}

int memory_receive(struct pawl_provider *base, bool rescan, int (*each)(void *arg, struct pawl_message *message), void *arg,
		   int64_t *again_ms, struct pawl_error *err)
{
	struct memory_provider *p = memory_of(base);
	struct delivery *d = NULL;
	int rc;

	(void)rescan;
	(void)again_ms;
	drain(p);
	while ((rc = next_delivery(p, &d, err)) > 0) {
		rc = each(arg, &d->view);
		if (rc) {
			take_back(p, d);
			return rc;
		}
	}
	return rc;
}

static struct instance *reserved_by(const struct hub *h, const struct message *m)
{
	struct instance *in = hub_find(h, m->view.instance);

	return in && in->start == m ? in : NULL;
}

/* A fenced owner only gives its memory back: the message is the next owner's. */
static void settle(struct pawl_provider *base, void *token, bool rejected)
{
	struct memory_provider *p = memory_of(base);
	struct hub *h = p->hub;
	struct delivery *d = token;

	pthread_mutex_lock(&h->lock);
	if (hub_check_owner(p, NULL) == 0) {
		struct instance *in = reserved_by(h, d->message);
		if (in)
			in->start = NULL;
		if (in && rejected && in->execution_count == 0)
			hub_remove(h, d->message->view.instance);
		h->stats.rejected += rejected;
		queue_remove(h, d->message);
	}
	delivery_free(d);
	pthread_mutex_unlock(&h->lock);
}

void memory_ack(struct pawl_provider *p, void *token)
{
	settle(p, token, false);
}

/* Nobody could look at what is kept aside in memory, so nothing is. */
void memory_reject(struct pawl_provider *p, void *token, const char *why)
{
	(void)why;
	settle(p, token, true);
}
