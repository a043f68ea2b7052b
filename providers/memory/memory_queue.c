/* memory_queue.c - the work queue: one list in the order in which items are to be taken. */
#include "memory_hub.h"
#include "base/error.h"
#include "base/text.h"
#include "providers/work_item.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

int64_t work_clock(clockid_t clock)
{
	struct timespec t = { 0 };

	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void work_clear_outcome(struct work *w)
{
	free(w->message);
	free(w->output);
	w->message = w->output = NULL;
	w->output_len = 0;
}

static void work_free(struct work *w)
{
	if (!w)
		return;
	work_clear_outcome(w);
	free(w->item);
	free(w);
}

struct work **work_link(struct hub *h, const char *id)
{
	struct work **link = &h->work;

	while (*link && strcmp((*link)->item->id, id) != 0)
		link = &(*link)->next;
	return link;
}

void queue_release(struct hub *h)
{
	while (h->work) {
		struct work *w = h->work;
		h->work = w->next;
		work_free(w);
	}
	sessions_release(h);
}

void work_move(struct hub *h, struct work *w, enum pawl_work_state state)
{
	w->state = state;
	w->since_ns = work_clock(CLOCK_REALTIME);
	h->work_changed = true;
	mailbox_wake(h->owner);
	if (state == PAWL_WORK_READY)
		pthread_cond_broadcast(&h->work_there);
}

/* ---- owner ---- */

static void work_insert(struct hub *h, struct work *w)
{
	struct work **link = &h->work;

	while (*link && strcmp((*link)->name, w->name) < 0)
		link = &(*link)->next;
	w->next = *link;
	*link = w;
}

static struct work *work_new(struct hub *h, const struct pawl_work_item *item)
{
	char id[WORK_QUEUE_MAX + 1 + WORK_NAME_MAX + 1], name[WORK_NAME_MAX + 1];
	struct pawl_work_item copy = *item;
	uint64_t now = (uint64_t)work_clock(CLOCK_MONOTONIC) / 1000;
	struct work *w = calloc(1, sizeof(*w));

	h->work_stamp = now > h->work_stamp ? now : h->work_stamp + 1;
	work_queue_name(id, item->activity, item->tag, item->session);
	work_item_name(name, item->priority, h->work_stamp, item->session);
	size_t len = strlen(id);
	snprintf(id + len, sizeof(id) - len, "/%s", name);
	copy.id = id;
	copy.key = item->key ? item->key : "";
	copy.work_dir = NULL;
	if (w)
		w->item = work_item_copy(&copy);
	if (w && !w->item) {
		free(w);
		return NULL;
	}
	if (w)
		w->name = strchr(w->item->id, '/') + 1;
	return w;
}

static int offer_locked(struct memory_provider *p, const struct pawl_work_item *item, char *id_out,
                        struct pawl_error *err)
{
	struct instance *in;
	int rc = hub_check_owner(p, err);

	if (rc == 0)
		rc = hub_get(p->hub, item->instance, &in, err);
	if (rc < 0)
		return rc;
	if (in->archived)
		return err_set(err, PAWL_ENOTFOUND, "instance '%s' has ended: no work can be done for it",
		               item->instance);
	struct work *w = work_new(p->hub, item);
	if (!w)
		return err_nomem(err);
	w->since_ns = work_clock(CLOCK_REALTIME);
	work_insert(p->hub, w);
	snprintf(id_out, PAWL_WORK_ID_MAX + 1, "%s", w->item->id);
	pthread_cond_broadcast(&p->hub->work_there);
	return 0;
}

int memory_offer(struct pawl_provider *base, const struct pawl_work_item *item, char *id_out, struct pawl_error *err)
{
	struct memory_provider *p = memory_of(base);
	int rc = work_item_check(item, err);

	if (rc < 0)
		return rc;
	pthread_mutex_lock(&p->hub->lock);
	rc = offer_locked(p, item, id_out, err);
	pthread_mutex_unlock(&p->hub->lock);
	return rc;
}

int memory_release(struct pawl_provider *base, const char *id, struct pawl_error *err)
{
	struct memory_provider *p = memory_of(base);

	pthread_mutex_lock(&p->hub->lock);
	int rc = hub_check_owner(p, err);
	struct work **link = work_link(p->hub, id), *w = *link;
	if (rc == 0 && w) {
		*link = w->next;
		work_free(w);
	}
	pthread_mutex_unlock(&p->hub->lock);
	return rc;
}

int memory_cancel_work(struct pawl_provider *base, const char *id, struct pawl_error *err)
{
	struct memory_provider *p = memory_of(base);

	pthread_mutex_lock(&p->hub->lock);
	int rc = hub_check_owner(p, err);
	struct work *w = *work_link(p->hub, id);
	if (rc == 0 && !w)
		rc = err_set(err, PAWL_ENOTFOUND, "work item '%.300s' is not in the queue", id);
	if (rc == 0)
		w->canceled = true;
	pthread_mutex_unlock(&p->hub->lock);
	return rc;
}

bool memory_work_changed(struct pawl_provider *base)
{
	struct hub *h = memory_of(base)->hub;

	pthread_mutex_lock(&h->lock);
	bool changed = h->work_changed;
	h->work_changed = false;
	pthread_mutex_unlock(&h->lock);
	return changed;
}

/* ---- looking ---- */

struct snapshot {
	struct pawl_work_status *items;
	size_t count;
	bool failed;
};

char *work_copy_bytes(const char *data, size_t len, bool *failed)
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

static void snap_one(struct snapshot *s, const struct work *w, bool done)
{
	struct pawl_work_status *to = &s->items[s->count++];
	struct pawl_work_item slim = *w->item;
	const char *message = done && w->message ? w->message : "";
	bool output = done && w->state == PAWL_WORK_DONE && (w->code == 0 || w->code == 76);

	slim.input = NULL;
	slim.input_len = 0;
	slim.carrier = NULL;
	struct pawl_work_item *item = work_item_copy(&slim);
	*to = (struct pawl_work_status){ .state = w->state,
		                         .since_ns = w->since_ns,
		                         .beat_ns = w->state == PAWL_WORK_CLAIMED ? w->beat_ns : 0,
		                         .canceled = w->canceled,
		                         .code = w->code,
		                         .retry_after_ms = done ? w->retry_after_ms : 0 };
	memcpy(to->worker, w->worker, sizeof(to->worker));
	if (item)
		to->item = *item;
	s->failed |= !item;
	to->item.carrier = (const char *)item; /* for freeing; NULL when it is told */
	to->message = work_copy_bytes(message, strlen(message), &s->failed);
	to->output = output ? work_copy_bytes(w->output, w->output_len, &s->failed) : NULL;
	to->output_len = to->output ? w->output_len : 0;
}

static void snap_free(struct pawl_work_status *s, void *item)
{
	free(item);
	free((void *)(uintptr_t)s->message);
	free((void *)(uintptr_t)s->output);
}

static void snap_all(struct hub *h, struct snapshot *s, bool done, bool (*wanted)(void *arg, const char *id), void *arg)
{
	size_t count = 0;

	for (const struct work *w = h->work; w; w = w->next)
		count++;
	s->items = calloc(count + 1, sizeof(*s->items));
	s->failed = !s->items;
	for (const struct work *w = h->work; w && !s->failed; w = w->next)
		snap_one(s, w, done && (!wanted || wanted(arg, w->item->id)));
}

static bool session_in_use(const struct hub *h, const char *session)
{
	for (const struct work *w = h->work; w; w = w->next)
		if (w->state == PAWL_WORK_CLAIMED && w->item->session && strcmp(w->item->session, session) == 0)
			return true;
	return false;
}

/* The callback is called without the lock, on copies. */
int memory_each_work(struct pawl_provider *base, bool done, bool (*wanted)(void *arg, const char *id),
                     int (*each)(void *arg, const struct pawl_work_status *status), void *arg, struct pawl_error *err)
{
	struct memory_provider *p = memory_of(base);
	struct snapshot s = { .count = 0 };

	pthread_mutex_lock(&p->hub->lock);
	if (p->hub->owner == p)
		sessions_sweep(p->hub, session_in_use);
	snap_all(p->hub, &s, done, wanted, arg);
	pthread_mutex_unlock(&p->hub->lock);
	int rc = s.failed ? err_nomem(err) : 0;
	for (size_t i = 0; i < s.count; i++) {
		void *item = (void *)(uintptr_t)s.items[i].item.carrier;
		s.items[i].item.carrier = NULL;
		if (rc == 0)
			rc = each(arg, &s.items[i]);
		snap_free(&s.items[i], item);
	}
	free(s.items);
	return rc;
}
