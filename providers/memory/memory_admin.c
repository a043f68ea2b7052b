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

static int archive_locked(struct memory_provider *p, const char *id, struct pawl_error *err)
{
	struct instance *in;
	int rc = hub_check_owner(p, err);

	if (rc == 0)
		rc = hub_get(p->hub, id, &in, err);
	if (rc < 0)
		return rc;
	if (!in->ended)
		return err_set(err, PAWL_ESTATE, "instance '%s' has not ended: it cannot be archived", id);
	in->archived = true;
	return 0;
}

static int purge_locked(struct memory_provider *p, const char *id, struct pawl_error *err)
{
	struct instance *in;
	int rc = hub_check_owner(p, err);

	if (rc == 0)
		rc = hub_get(p->hub, id, &in, err);
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

int memory_purge(struct pawl_provider *base, const char *id, struct pawl_error *err)
{
	struct memory_provider *p = memory_of(base);

	pthread_mutex_lock(&p->hub->lock);
	int rc = purge_locked(p, id, err);
	pthread_mutex_unlock(&p->hub->lock);
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
