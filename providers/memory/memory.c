/* memory.c - the memory provider: the table of hubs, open and close, the fence. See README.md. */
#include "memory.h"
#include "memory_hub.h"
#include "base/error.h"
#include "base/text.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MESSAGE_BYTES_MAX ((uint64_t)1 << 20)

static pthread_mutex_t hubs_lock = PTHREAD_MUTEX_INITIALIZER;
static struct hub *hubs;

/* ---- the table of hubs; hubs_lock is held ---- */

static struct hub **hub_link(const char *name)
{
	struct hub **link = &hubs;

	while (*link && strcmp((*link)->name, name) != 0)
		link = &(*link)->next;
	return link;
}

/* Waits are in lengths of time, which a jump of the wall clock must not change. */
static int init_locks(struct hub *h)
{
	pthread_condattr_t attr;

	if (pthread_mutex_init(&h->lock, NULL) != 0)
		return -1;
	int rc = pthread_condattr_init(&attr);
	if (rc == 0) {
		rc = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
		if (rc == 0)
			rc = pthread_cond_init(&h->work_there, &attr);
		pthread_condattr_destroy(&attr);
	}
	if (rc != 0)
		pthread_mutex_destroy(&h->lock);
	return rc;
}

static struct hub *hub_new(const char *name)
{
	struct hub *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->name = strdup(name);
	if (!h->name || init_locks(h) != 0) {
		free(h->name);
		free(h);
		return NULL;
	}
	map_init(&h->instances);
	map_init(&h->sessions);
	h->queue_end = &h->queue;
	h->refs = 1;
	h->next = hubs;
	hubs = h;
	return h;
}

static int free_instance(void *arg, struct slice key, void *value)
{
	(void)arg;
	(void)key;
	instance_free(value);
	return 0;
}

static void hub_unref(struct hub *h)
{
	if (--h->refs > 0)
		return;
	mailbox_release(h);
	queue_release(h);
	letters_release(h);
	map_each(&h->instances, free_instance, NULL);
	map_release(&h->instances);
	pthread_cond_destroy(&h->work_there);
	pthread_mutex_destroy(&h->lock);
	free(h->name);
	free(h);
}

/* ---- for the other files; the hub's lock is held ---- */

struct instance *hub_find(const struct hub *h, const char *id)
{
	return map_get(&h->instances, slice_of(id));
}

struct instance *hub_add(struct hub *h, const char *id)
{
	struct instance *in = calloc(1, sizeof(*in));

	if (in && map_put(&h->instances, slice_of(id), in, NULL) < 0) {
		free(in);
		return NULL;
	}
	return in;
}

void hub_remove(struct hub *h, const char *id)
{
	struct instance *in = map_remove(&h->instances, slice_of(id));

	if (in)
		instance_free(in);
}

int hub_check_id(const char *id, struct pawl_error *err)
{
	if (!text_is_instance_id(slice_of(id)))
		return err_set(err, PAWL_EINVALID, "'%.200s' cannot be an instance id", id ? id : "");
	return 0;
}

int hub_get(const struct hub *h, const char *id, struct instance **out, struct pawl_error *err)
{
	int rc = hub_check_id(id, err);

	if (rc < 0)
		return rc;
	struct instance *in = hub_find(h, id);
	if (!in || !in->visible)
		return err_set(err, PAWL_ENOTFOUND, "no instance '%s' in hub '%s'", id, h->name);
	*out = in;
	return 0;
}

int hub_check_owner(const struct memory_provider *p, struct pawl_error *err)
{
	if (p->read_only)
		return err_set(err, PAWL_EROFS, "hub '%s' was opened for reading only", p->hub->name);
	if (p->token == 0)
		return err_set(err, PAWL_ESTATE, "hub '%s' is not owned by this provider: acquire it first", p->hub->name);
	if (p->hub->owner != p)
		return err_set(err, PAWL_EFENCED, "hub '%s' has been taken by another owner: close it", p->hub->name);
	return 0;
}

/* ---- open, own, close ---- */

static int find_hub(const struct pawl_provider_options *options, struct hub **out, struct pawl_error *err)
{
	int rc = 0;

	pthread_mutex_lock(&hubs_lock);
	struct hub *h = *hub_link(options->hub);
	if (!h && (!options->create || options->read_only))
		rc = err_set(err, PAWL_ENOTFOUND, "no hub '%s' in this process: create it first", options->hub);
	else if (!h && !(h = hub_new(options->hub)))
		rc = err_nomem(err);
	if (rc == 0) {
		h->refs++;
		*out = h;
	}
	pthread_mutex_unlock(&hubs_lock);
	return rc;
}

static int memory_open(const struct pawl_provider_options *options, struct pawl_provider **out, struct pawl_error *err)
{
	if (!options->hub || !options->hub[0])
		return err_set(err, PAWL_EINVALID, "'' cannot be the name of a hub");
	struct memory_provider *p = calloc(1, sizeof(*p));
	if (!p)
		return err_nomem(err);
	int rc = find_hub(options, &p->hub, err);
	if (rc < 0) {
		free(p);
		return rc;
	}
	p->base.ops = &pawl_provider_memory;
	p->read_only = options->read_only;
	p->message_bytes_max = options->message_bytes_max ? options->message_bytes_max : MESSAGE_BYTES_MAX;
	p->wake[0] = p->wake[1] = -1;
	*out = &p->base;
	return 0;
}

static void close_wake(struct memory_provider *p)
{
	if (p->wake[0] >= 0)
		close(p->wake[0]);
	if (p->wake[1] >= 0)
		close(p->wake[1]);
	p->wake[0] = p->wake[1] = -1;
}

static void memory_close(struct pawl_provider *base)
{
	struct memory_provider *p = memory_of(base);

	if (!p)
		return;
	pthread_mutex_lock(&p->hub->lock);
	if (p->hub->owner == p) {
		memory_unstage(p->hub);
		p->hub->owner = NULL;
	}
	mailbox_forget(p);
	pthread_mutex_unlock(&p->hub->lock);
	close_wake(p);
	pthread_mutex_lock(&hubs_lock);
	hub_unref(p->hub);
	pthread_mutex_unlock(&hubs_lock);
	free(p);
}

static int open_wake(struct memory_provider *p, struct pawl_error *err)
{
	if (p->wake[0] >= 0)
		return 0;
	if (pipe(p->wake) < 0) {
		p->wake[0] = p->wake[1] = -1;
		return err_sys(err, errno, "cannot open a pipe for hub '%s'", p->hub->name);
	}
	for (int i = 0; i < 2; i++) {
		if (fcntl(p->wake[i], F_SETFL, O_NONBLOCK) < 0 || fcntl(p->wake[i], F_SETFD, FD_CLOEXEC) < 0)
			return err_sys(err, errno, "cannot set up a pipe for hub '%s'", p->hub->name);
	}
	return 0;
}

static void name_owner(const struct hub *h, char *who, size_t size)
{
	snprintf(who, size, "owner %llu in pid %ld", (unsigned long long)h->token, (long)getpid());
}

static int acquire_locked(struct memory_provider *p, struct pawl_error *err)
{
	struct hub *h = p->hub;
	char who[64];

	if (h->owner == p)
		return 0;
	if (p->token)
		return hub_check_owner(p, err); /* fenced: there is no way back */
	if (h->owner) {
		name_owner(h, who, sizeof(who));
		return err_set(err, PAWL_EBUSY, "hub '%s' is in use by %s", h->name, who);
	}
	int rc = open_wake(p, err);
	if (rc < 0)
		return rc;
	p->token = ++h->token;
	h->owner = p;
	h->work_changed = h->work != NULL;
	if (h->queue || h->work)
		mailbox_wake(p);
	return 0;
}

static int memory_acquire(struct pawl_provider *base, struct pawl_error *err)
{
	struct memory_provider *p = memory_of(base);

	if (p->read_only)
		return hub_check_owner(p, err);
	pthread_mutex_lock(&p->hub->lock);
	int rc = acquire_locked(p, err);
	pthread_mutex_unlock(&p->hub->lock);
	return rc;
}

static bool memory_has_owner(struct pawl_provider *base, char *who, size_t who_size)
{
	struct hub *h = memory_of(base)->hub;

	pthread_mutex_lock(&h->lock);
	bool owned = h->owner != NULL;
	if (owned && who && who_size > 0)
		name_owner(h, who, who_size);
	pthread_mutex_unlock(&h->lock);
	return owned;
}

static int memory_poll_fd(struct pawl_provider *p)
{
	return memory_of(p)->wake[0];
}

/* ---- nothing to do in memory ---- */

static int memory_maintain(struct pawl_provider *p, bool idle, struct pawl_job **job, struct pawl_error *err)
{
	(void)p;
	(void)idle;
	(void)err;
	*job = NULL;
	return 0;
}

static void memory_attend(struct pawl_provider *p, const char *id, bool wanted)
{
	(void)p;
	(void)id;
	(void)wanted;
}

static int memory_work_dir(struct pawl_provider *p, const char *instance, uint64_t seq, char *out, size_t size)
{
	(void)p;
	(void)instance;
	(void)seq;
	(void)out;
	(void)size;
	return PAWL_EUNSUPPORTED;
}

static void memory_stats(struct pawl_provider *base, struct pawl_provider_stats *out)
{
	struct hub *h = memory_of(base)->hub;

	pthread_mutex_lock(&h->lock);
	*out = h->stats;
	pthread_mutex_unlock(&h->lock);
}

/* ---- hooks for tests ---- */

void memory_provider_drop(const char *name)
{
	pthread_mutex_lock(&hubs_lock);
	struct hub **link = hub_link(name), *h = *link;
	if (h) {
		*link = h->next;
		hub_unref(h);
	}
	pthread_mutex_unlock(&hubs_lock);
}

int memory_provider_steal(const char *name)
{
	int rc = PAWL_ENOTFOUND;

	pthread_mutex_lock(&hubs_lock);
	struct hub *h = *hub_link(name);
	if (h) {
		pthread_mutex_lock(&h->lock);
		rc = h->owner ? 0 : PAWL_ENOTFOUND;
		memory_unstage(h);
		h->owner = NULL;
		h->token++;
		pthread_mutex_unlock(&h->lock);
	}
	pthread_mutex_unlock(&hubs_lock);
	return rc;
}

const struct pawl_provider_ops pawl_provider_memory = {
	.name = "memory",
	.open = memory_open,
	.close = memory_close,
	.acquire = memory_acquire,
	.scan = memory_scan,
	.read = memory_read,
	.read_spill = memory_read_spill,
	.commit_begin = memory_commit_begin,
	.maintain = memory_maintain,
	.send = memory_send,
	.poll_fd = memory_poll_fd,
	.receive = memory_receive,
	.ack = memory_ack,
	.reject = memory_reject,
	.attend = memory_attend,
	.archive = memory_archive,
	.revive = memory_revive,
	.purge = memory_purge,
	.purge_all = memory_purge_all,
	.prune = memory_prune,
	.measure = memory_measure,
	.quarantine = memory_quarantine,
	.note = memory_note,
	.read_note = memory_read_note,
	.work_dir = memory_work_dir,
	.offer = memory_offer,
	.release = memory_release,
	.cancel_work = memory_cancel_work,
	.each_work = memory_each_work,
	.work_changed = memory_work_changed,
	.claim = memory_claim,
	.renew = memory_renew,
	.finish = memory_finish,
	.give_back = memory_give_back,
	.await_work = memory_await_work,
	.bury = memory_bury,
	.each_dead = memory_each_dead,
	.unbury = memory_unbury,
	.has_owner = memory_has_owner,
	.stats = memory_stats,
	.import = memory_import,
};
