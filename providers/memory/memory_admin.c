/* memory_admin.c - scan, archive, purge, quarantine, notes. */
#include "memory_hub.h"
#include "base/error.h"
#include <stdlib.h>
#include <string.h>

/* ---- scan ---- */

struct id_list {
	char **ids;
	size_t count;
	bool archived, failed;
};

static int collect_id(void *arg, struct slice key, void *value)
{
	struct id_list *list = arg;
	const struct instance *in = value;

	if (!in->visible || in->archived != list->archived)
		return 0;
	char *id = strdup(key.data);
	list->failed = !id;
	if (id)
		list->ids[list->count++] = id;
	return list->failed;
}

static int compare_ids(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The callback is called without the lock, on copies: it may read, archive or purge. */
int memory_scan(struct pawl_provider *base, bool archived, int (*each)(void *arg, const char *id), void *arg,
		struct pawl_error *err)
{
	struct hub *h = memory_of(base)->hub;
	struct id_list list = { .archived = archived };

	pthread_mutex_lock(&h->lock);
	list.ids = calloc(h->instances.count + 1, sizeof(*list.ids));
	if (list.ids)
		map_each(&h->instances, collect_id, &list);
	pthread_mutex_unlock(&h->lock);
	int rc = list.ids && !list.failed ? 0 : err_nomem(err);
	if (list.count > 1)
		qsort(list.ids, list.count, sizeof(*list.ids), compare_ids);
	for (size_t i = 0; i < list.count; i++) {
		if (rc == 0)
			rc = each(arg, list.ids[i]);
		free(list.ids[i]);
	}
	free(list.ids);
	return rc;
}

/* ---- administration ---- */

static int owned(struct memory_provider *p, const char *id, struct instance **in, struct pawl_error *err)
{
	int rc = hub_check_owner(p, err);

	return rc < 0 ? rc : hub_get(p->hub, id, in, err);
}

static int archive_locked(struct memory_provider *p, const char *id, struct pawl_error *err)
{
	struct instance *in;
	int rc = owned(p, id, &in, err);

	if (rc < 0)
		return rc;
	if (!in->ended)
		return err_set(err, PAWL_ESTATE, "instance '%s' has not ended: it cannot be archived", id);
	if (!in->archived)
		in->ended_ns = work_clock(CLOCK_REALTIME);
	in->archived = true;
	in->revived = false;
	return 0;
}

static int revive_locked(struct memory_provider *p, const char *id, struct pawl_error *err)
{
	struct instance *in;
	int rc = owned(p, id, &in, err);

	if (rc < 0)
		return rc;
	if (in->quarantine)
		return err_set(err, PAWL_ESTATE, "instance '%s' is quarantined (%s)", id, in->quarantine);
	in->revived = in->ended;
	in->archived = in->ends = false;
	return 0;
}

static int purge_locked(struct memory_provider *p, const char *id, struct pawl_error *err)
{
	struct instance *in;
	int rc = owned(p, id, &in, err);

	if (rc < 0)
		return rc;
	if (!in->archived)
		return err_set(err, PAWL_ESTATE, "instance '%s' is live: terminate it before it is purged", id);
	if (p->hub->staged)
		return err_set(err, PAWL_EBUSY, "instance '%s' cannot be purged while a commit is under way", id);
	mailbox_purge(p->hub, id);
	hub_remove(p->hub, id);
	return 0;
}

static int replace_text(char **at, const char *text, struct pawl_error *err)
{
	char *copy = text ? strdup(text) : NULL;

	if (text && !copy)
		return err_nomem(err);
	free(*at);
	*at = copy;
	return 0;
}

int memory_archive(struct pawl_provider *base, const char *id, struct pawl_error *err)
{
	struct memory_provider *p = memory_of(base);

	pthread_mutex_lock(&p->hub->lock);
	int rc = archive_locked(p, id, err);
	pthread_mutex_unlock(&p->hub->lock);
	return rc;
}

int memory_revive(struct pawl_provider *base, const char *id, struct pawl_error *err)
{
	struct memory_provider *p = memory_of(base);

	pthread_mutex_lock(&p->hub->lock);
	int rc = revive_locked(p, id, err);
	pthread_mutex_unlock(&p->hub->lock);
	return rc;
}

int memory_purge(struct pawl_provider *base, const char *id, struct pawl_error *err)
{
	struct memory_provider *p = memory_of(base);

	pthread_mutex_lock(&p->hub->lock);
	int rc = purge_locked(p, id, err);
	pthread_mutex_unlock(&p->hub->lock);
	return rc;
}

int memory_purge_all(struct pawl_provider *base, const char *const *ids, size_t count, struct pawl_error *err)
{
	struct memory_provider *p = memory_of(base);
	int rc = count > PAWL_PURGE_BATCH_MAX ? err_set(err, PAWL_ETOOBIG, "%zu instances are too many for one purge", count) : 0;

	pthread_mutex_lock(&p->hub->lock);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		rc = purge_locked(p, ids[i], err);
		if (rc == PAWL_ENOTFOUND || rc == PAWL_ESTATE)
			rc = hub_check_owner(p, err);
	}
	pthread_mutex_unlock(&p->hub->lock);
	return rc;
}

/* ---- older executions ---- */

static void prune_spills(struct instance *in, const struct pawl_prune *what,
			 bool (*drop)(void *arg, const struct pawl_prune *prune, const char *file), void *arg)
{
	for (struct spill **at = &in->spills, *s; (s = *at);) {
		if (!s->visible || !drop || !drop(arg, what, s->name)) {
			at = &s->next;
			continue;
		}
		*at = s->next;
		spill_free(s);
	}
}

static bool can_prune(const struct instance *in, const struct pawl_prune *what, size_t n)
{
	return n + 1 < what->keep_from && n + 1 < in->visible_count &&
	       (!what->before_ns || in->executions[n].written_ns < what->before_ns);
}

/* `drop` reads the hub, so the lock is not held: the owner is the only one who changes what is looked at here. */
static int prune_one(struct memory_provider *p, const struct pawl_prune *prune,
		     bool (*drop)(void *arg, const struct pawl_prune *prune, const char *file), void *arg, struct pawl_error *err)
{
	struct instance *in = NULL;
	struct pawl_prune what = *prune;
	size_t n = 0;

	pthread_mutex_lock(&p->hub->lock);
	int rc = hub_check_owner(p, err);
	if (rc == 0 && p->hub->staged)
		rc = err_set(err, PAWL_EBUSY, "nothing can be removed of '%s' while a commit is under way", prune->instance);
	if (rc == 0)
		rc = hub_get(p->hub, prune->instance, &in, err);
	for (; rc == 0 && can_prune(in, prune, n); n++) {
		free(in->executions[n].data);
		in->executions[n] = (struct execution){ .pruned = true };
	}
	pthread_mutex_unlock(&p->hub->lock);
	what.keep_from = n + 1;
	if (rc == 0 && n)
		prune_spills(in, &what, drop, arg);
	return rc == PAWL_ENOTFOUND ? 0 : rc;
}

int memory_prune(struct pawl_provider *base, const struct pawl_prune *prunes, size_t count,
		 bool (*drop)(void *arg, const struct pawl_prune *prune, const char *file), void *arg, struct pawl_error *err)
{
	int rc = count > PAWL_PURGE_BATCH_MAX ? err_set(err, PAWL_ETOOBIG, "%zu instances are too many for one prune", count) : 0;

	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = prune_one(memory_of(base), &prunes[i], drop, arg, err);
	return rc;
}

int memory_measure(struct pawl_provider *base, const char *id, struct pawl_extent *out, struct pawl_error *err)
{
	struct hub *h = memory_of(base)->hub;
	struct instance *in;

	*out = (struct pawl_extent){ 0 };
	pthread_mutex_lock(&h->lock);
	int rc = hub_get(h, id, &in, err);
	for (size_t n = 0; rc == 0 && n < in->visible_count; n++) {
		out->bytes += in->executions[n].len;
		if (!out->oldest && !in->executions[n].pruned)
			out->oldest = n + 1;
	}
	for (const struct spill *s = rc == 0 ? in->spills : NULL; s; s = s->next)
		out->bytes += s->len;
	if (rc == 0) {
		out->newest = in->visible_count;
		out->ended_ns = in->ended_ns;
	}
	pthread_mutex_unlock(&h->lock);
	return rc;
}

int memory_quarantine(struct pawl_provider *base, const char *id, const char *reason, struct pawl_error *err)
{
	struct memory_provider *p = memory_of(base);
	struct instance *in;

	pthread_mutex_lock(&p->hub->lock);
	int rc = hub_check_owner(p, err);
	if (rc == 0)
		rc = hub_get(p->hub, id, &in, err);
	if (rc == 0)
		rc = replace_text(&in->quarantine, reason, err);
	pthread_mutex_unlock(&p->hub->lock);
	return rc;
}

void memory_note(struct pawl_provider *base, const char *id, const char *text)
{
	struct memory_provider *p = memory_of(base);
	struct instance *in;

	pthread_mutex_lock(&p->hub->lock);
	if (hub_check_owner(p, NULL) == 0 && hub_get(p->hub, id, &in, NULL) == 0)
		(void)replace_text(&in->note, text, NULL);
	pthread_mutex_unlock(&p->hub->lock);
}

char *memory_read_note(struct pawl_provider *base, const char *id, bool *quarantined)
{
	struct hub *h = memory_of(base)->hub;
	struct instance *in;
	char *text = NULL;

	pthread_mutex_lock(&h->lock);
	if (hub_get(h, id, &in, NULL) == 0) {
		const char *from = in->quarantine ? in->quarantine : in->note;
		text = from ? strdup(from) : NULL;
		if (quarantined)
			*quarantined = in->quarantine != NULL;
	}
	pthread_mutex_unlock(&h->lock);
	return text;
}
