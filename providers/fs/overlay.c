/* overlay.c - the records of the journal, put together for each history file. */
#include "fs.h"
#include <stdlib.h>

static void overlay_drop_files(struct overlay_instance *i, uint64_t before)
{
	while (i->files && i->files->execution < before) {
		struct overlay_file *f = i->files;
		i->files = f->next;
		buf_release(&f->bytes);
		free(f);
	}
}

static struct overlay_instance *overlay_get(struct overlay *o, struct slice id)
{
	struct overlay_instance *i = map_get(&o->instances, id);

	if (i)
		return i;
	i = calloc(1, sizeof(*i));
	if (!i)
		return NULL;
	memcpy(i->id, id.data, id.len);
	if (map_put(&o->instances, id, i, NULL) < 0) {
		free(i);
		return NULL;
	}
	return i;
}

static struct overlay_file *instance_file(struct overlay_instance *i, const struct journal_record *r)
{
	struct overlay_file **at = &i->files;

	while (*at && (*at)->execution < r->execution)
		at = &(*at)->next;
	if (*at && (*at)->execution == r->execution)
		return *at;
	struct overlay_file *f = calloc(1, sizeof(*f));
	if (!f)
		return NULL;
	f->execution = r->execution;
	f->first = f->end = r->offset;
	f->oldest_generation = r->generation;
	f->next = *at;
	*at = f;
	return f;
}

static int overlay_append(const struct overlay *o, struct overlay_instance *i, const struct journal_record *r)
{
	struct overlay_file *f = instance_file(i, r);

	if (!f)
		return PAWL_ENOMEM;
	f->ended = r->flags & RECORD_END;
	if (r->offset + r->data.len > f->reach)
		f->reach = r->offset + r->data.len;
	if (r->lost || r->offset != f->end) {
		f->gap = true; /* a frame between them was lost; what comes behind it cannot be used */
		return 0;
	}
	if (!o->ends_only)
		buf_add_slice(&f->bytes, r->data);
	f->end += r->data.len;
	return buf_ok(&f->bytes) ? 0 : PAWL_ENOMEM;
}

static int overlay_apply(struct overlay *o, const struct journal_record *r)
{
	struct overlay_instance *i = overlay_get(o, r->id);

	if (!i)
		return PAWL_ENOMEM;
	if (r->kind == RECORD_PURGE) {
		overlay_drop_files(i, UINT64_MAX);
		i->purged = true;
		i->kept_from = 0;
		i->created = i->ended = false;
		return 0;
	}
	if (r->kind == RECORD_PRUNE) {
		overlay_drop_files(i, r->execution);
		i->kept_from = r->execution;
		return 0;
	}
	i->created = i->created || (r->flags & RECORD_CREATE);
	i->ended = i->ended || (r->flags & RECORD_END);
	return overlay_append(o, i, r);
}

static int overlay_add(struct overlay *o, const struct journal_record *records, size_t count, bool only_gone)
{
	int rc = 0;

	for (size_t i = 0; i < count && rc == 0; i++)
		if (!only_gone || records[i].kind != RECORD_APPEND)
			rc = overlay_apply(o, &records[i]);
	return rc;
}

static int build(struct overlay *o, const struct journal_text *t, bool all, struct pawl_error *err)
{
	*o = (struct overlay){ .damage_count = t->damage_count, .lost_frames = t->lost_frames, .max_lsn = t->max_lsn };
	map_init(&o->instances);
	for (size_t i = 0; i < t->damage_count && i < JOURNAL_DAMAGE_TOLD; i++)
		o->damage[i] = t->damage[i];
	if ((all && overlay_add(o, t->old, t->old_count, false) < 0) || overlay_add(o, t->records, t->record_count, false) < 0) {
		overlay_release(o);
		return err_nomem(err);
	}
	return 0;
}

int overlay_build(struct overlay *o, const struct journal_text *t, struct pawl_error *err)
{
	return build(o, t, false, err);
}

/* What is gone since is not to be looked for. */
static int build_synced(struct overlay *o, const struct journal_text *t, struct pawl_error *err)
{
	*o = (struct overlay){ .ends_only = true };
	map_init(&o->instances);
	if (overlay_add(o, t->old, t->old_count, false) < 0 || overlay_add(o, t->records, t->record_count, true) < 0) {
		overlay_release(o);
		return err_nomem(err);
	}
	return 0;
}

/* Whose journal is it? Nothing of it may be used, or written over, before a person has said. */
int overlay_refuse_foreign(const struct journal *j, const struct journal_text *t, struct pawl_error *err)
{
	unsigned i = 0;

	if (!t->foreign)
		return 0;
	while (i < SEGMENTS_MAX - 1 && (j->segments[i].state == SEGMENT_NONE || j->segments[i].header != HEADER_FOREIGN))
		i++;
	return err_set(err, PAWL_ECORRUPT, "journal/%u.segment has the id of another hub than FORMAT: FORMAT is damaged, or the journal "
		"was replaced; nothing was changed (`pawl fsck` tells more)", j->segments[i].number);
}

static int load(struct overlay *o, struct overlay *synced, bool all, struct journal *j, struct pawl_error *err)
{
	struct journal_text t;
	int rc = journal_read(j, &t, err);

	if (rc == 0)
		rc = overlay_refuse_foreign(j, &t, err);
	if (rc == 0)
		rc = build(o, &t, all, err);
	if (rc == 0 && synced) {
		rc = build_synced(synced, &t, err);
		if (rc < 0)
			overlay_release(o);
	}
	if (rc < 0) {
		journal_text_release(&t);
		return rc;
	}
	if (t.max_generation > j->generation)
		j->generation = t.max_generation;
	j->checkpoint_lsn = t.checkpoint_lsn;
	j->next_lsn = t.max_lsn + 1 > t.checkpoint_lsn ? t.max_lsn + 1 : t.checkpoint_lsn; /* no gap behind a checkpoint of all */
	journal_text_release(&t);
	return 0;
}

int overlay_load(struct overlay *o, struct journal *j, struct pawl_error *err)
{
	return load(o, NULL, false, j, err);
}

int overlay_load_synced(struct overlay *o, struct overlay *synced, struct journal *j, struct pawl_error *err)
{
	return load(o, synced, false, j, err);
}

int overlay_load_all(struct overlay *o, struct journal *j, struct pawl_error *err)
{
	return load(o, NULL, true, j, err);
}

static int release_instance(void *arg, struct slice key, void *value)
{
	struct overlay_instance *i = value;

	(void)arg;
	(void)key;
	overlay_drop_files(i, UINT64_MAX);
	free(i);
	return 0;
}

void overlay_release(struct overlay *o)
{
	map_each(&o->instances, release_instance, NULL);
	map_release(&o->instances);
	map_init(&o->instances);
}

struct overlay_instance *overlay_find(struct overlay *o, const char *id)
{
	return map_get(&o->instances, slice_of(id));
}

struct overlay_file *overlay_file(struct overlay *o, const char *id, uint64_t execution)
{
	struct overlay_instance *i = overlay_find(o, id);

	for (struct overlay_file *f = i ? i->files : NULL; f; f = f->next)
		if (f->execution == execution)
			return f;
	return NULL;
}
