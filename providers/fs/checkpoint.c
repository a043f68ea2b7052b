/*
 * checkpoint.c - maintenance: bring the lazily written histories to their files, and to the disk, so that journal
 * segments can be used again.
 *
 *	flush    (loop)        pending lines -> history files, through the page cache; a few files at a time
 *	sync     (any thread)  each file that a full segment had lines for, and the directories; or one syncfs where that is
 *	                       known to be cheap
 *	free     (loop)        the segment may be taken again
 *
 * When a sync fails (I8), what the page cache shows of that file proves nothing: the file is written anew under another
 * name, from its part that an earlier sync covered and the journal, and takes the old one's place.
 */
#include "fs.h"
#include <errno.h>
#include <stdlib.h>

#define FLUSH_SLICE 64            /* files in one call */
#define SYNCFS_FROM 16            /* files; below that, one by one is cheaper */

struct checkpoint_target {
	char *id;
	uint64_t execution, flushed, oldest_generation;
};

struct checkpoint_job {
	struct pawl_job job;
	struct fs *fs;
	struct checkpoint_target *targets;
	size_t count, cap;
	uint64_t generation, lsn, moves, purges;
	bool whole_fs, rewrite, instances, archive, sync_failed;
	struct pawl_error err;
	int rc;
};

/* ---- flush ---- */

/* The ring is in order of pending_generation, so what a checkpoint needs comes first. 1 = there is more, 0 = all up to
 * that generation is flushed. */
static int flush_some(struct fs *fs, size_t files, uint64_t upto, struct pawl_error *err)
{
	while (fs->dirty && fs->dirty->pending_generation <= upto) {
		struct history_file *f = fs->dirty;
		if (f->busy)
			return 0; /* a rewrite is under way; it wakes us when done */
		if (files-- == 0)
			return 1;
		int rc = history_flush(fs, f, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* ---- the job: targets ---- */

static int target_add(void *arg, struct slice key, void *value)
{
	struct checkpoint_job *c = arg;
	struct history_file *f = value;

	(void)key;
	if (f->oldest_generation == 0 || f->oldest_generation > c->generation)
		return 0;
	if (c->count == c->cap) {
		size_t cap = c->cap ? c->cap * 2 : 64;
		struct checkpoint_target *grown = realloc(c->targets, cap * sizeof(*grown));
		if (!grown)
			return PAWL_ENOMEM;
		c->targets = grown;
		c->cap = cap;
	}
	char *id = strdup(f->id);
	if (!id)
		return PAWL_ENOMEM;
	c->targets[c->count++] = (struct checkpoint_target){ id, f->execution, f->flushed, f->oldest_generation };
	return 0;
}

static void mark_targets(struct checkpoint_job *c, bool begin)
{
	for (size_t i = 0; i < c->count; i++) {
		struct checkpoint_target *t = &c->targets[i];
		struct history_file *f = histories_find(c->fs, t->id, t->execution);
		if (!f)
			continue; /* purged meanwhile */
		if (begin)
			f->oldest_generation = f->pending.len ? f->pending_generation : 0; /* what this one does not cover */
		else if (c->rc < 0)
			f->oldest_generation = t->oldest_generation;
		f->busy = begin && c->rewrite;
		if (!begin && c->rewrite)
			history_close_fd(c->fs, f); /* it may be of the old file */
	}
}

static void checkpoint_free(struct checkpoint_job *c)
{
	for (size_t i = 0; i < c->count; i++)
		free(c->targets[i].id);
	free(c->targets);
	c->fs->checkpointing = NULL;
	free(c);
}

/* ---- the job: run, on any thread ---- */

/* 1, 0 when it was purged, or PAWL_E... */
static int target_path(struct checkpoint_job *c, const struct checkpoint_target *t, bool *archived, char *path)
{
	const struct os *os = c->fs->os;
	struct os_stat st;

	for (int i = 0; i < 2; i++) {
		*archived = i == 1;
		snprintf(path, PATH_SIZE, "%s/%s/%llu.history", i ? "archive" : "instances", t->id, (unsigned long long)t->execution);
		int rc = os->stat(os->self, c->fs->hub, path, &st);
		if (rc == 0)
			return 1;
		if (rc != -ENOENT)
			return err_sys(&c->err, -rc, "cannot look at '%s'", path);
	}
	return 0;
}

static int sync_dir_of(struct checkpoint_job *c, const struct checkpoint_target *t, bool archived)
{
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "%s/%s", archived ? "archive" : "instances", t->id);
	return os_sync_dir(c->fs->os, c->fs->hub, path);
}

static void sync_failed(struct checkpoint_job *c)
{
	c->sync_failed = true;
	hub_tell_doubt(c->fs);
}

static int sync_target(struct checkpoint_job *c, const struct checkpoint_target *t)
{
	const struct os *os = c->fs->os;
	char path[PATH_SIZE];
	bool archived;
	int there = target_path(c, t, &archived, path);

	if (there <= 0)
		return there;
	int fd = os->open(os->self, c->fs->hub, path, OS_READ | OS_WRITE, 0);
	if (fd == -ENOENT)
		return sync_target(c, t); /* archived between the two looks; it moves only once */
	if (fd < 0)
		return err_sys(&c->err, -fd, "cannot open '%s' to sync it", path);
	int rc = os->sync(os->self, fd);
	if (rc < 0)
		sync_failed(c);
	os->close(os->self, fd);
	if (rc == 0)
		rc = sync_dir_of(c, t, archived);
	if (rc == -ENOENT && !archived)
		rc = sync_dir_of(c, t, true); /* moved meanwhile */
	if (rc == -ENOENT)
		return 0; /* and purged: nobody needs it any more */
	return rc < 0 ? err_sys(&c->err, -rc, "cannot sync '%s'", path) : 0;
}

/* The good bytes of a file whose sync failed: what earlier syncs covered, from the file, and the rest from the journal. */
static int gather(struct checkpoint_job *c, const struct checkpoint_target *t, const char *path, struct overlay *o, struct buf *out)
{
	struct overlay_file *j = overlay_file(o, t->id, t->execution);
	char *text = NULL;
	size_t len = 0, first = j && j->first < t->flushed ? (size_t)j->first : (size_t)t->flushed;

	int rc = os_read_file(c->fs->os, c->fs->hub, path, HISTORY_BYTES_MAX, &text, &len);
	if (rc < 0)
		return err_sys(&c->err, -rc, "cannot read '%s' to write it anew", path);
	if (len < first || (first < t->flushed && (j->gap || j->end < t->flushed)))
		rc = err_set(&c->err, PAWL_EIO, "'%s' cannot be put together again from the journal: stop and restart to recover", path);
	else
		buf_add(out, text, first);
	if (rc == 0 && first < t->flushed)
		buf_add(out, j->bytes.data, (size_t)t->flushed - first);
	free(text);
	return rc < 0 ? rc : buf_ok(out) ? 0 : err_nomem(&c->err);
}

static int rewrite_target(struct checkpoint_job *c, const struct checkpoint_target *t, struct overlay *o)
{
	char path[PATH_SIZE];
	bool archived;
	struct buf text = BUF_INIT;
	int there = target_path(c, t, &archived, path);

	if (there <= 0)
		return there;
	int rc = gather(c, t, path, o, &text);
	if (rc == 0) {
		int sys = os_replace_file(c->fs->os, c->fs->hub, path, text.data, text.len, HUB_FILE_MODE, true);
		if (sys < 0)
			rc = err_sys(&c->err, -sys, "cannot write '%s' anew", path);
	}
	buf_release(&text);
	return rc;
}

static int rewrite_all(struct checkpoint_job *c)
{
	struct journal *j = calloc(1, sizeof(*j));
	struct overlay o;

	if (!j)
		return err_nomem(&c->err);
	*j = (struct journal){ .os = c->fs->os, .hub = c->fs->hub };
	memcpy(j->hub_id, c->fs->journal.hub_id, sizeof(j->hub_id));
	int rc = journal_open(j, false, &c->err);
	if (rc == 0) {
		rc = overlay_load(&o, j, &c->err);
		bool loaded = rc == 0;
		for (size_t i = 0; rc == 0 && i < c->count; i++)
			rc = rewrite_target(c, &c->targets[i], &o);
		if (loaded)
			overlay_release(&o);
		journal_close(j);
	}
	free(j);
	return rc;
}

static int sync_dirs(struct checkpoint_job *c)
{
	int rc = c->instances ? os_sync_dir(c->fs->os, c->fs->hub, "instances") : 0;

	if (rc == 0 && c->archive)
		rc = os_sync_dir(c->fs->os, c->fs->hub, "archive");
	return rc < 0 ? err_sys(&c->err, -rc, "cannot sync the hub's directories") : 0;
}

static int checkpoint_run(struct pawl_job *job)
{
	IO_BECAUSE(IO_HISTORY);
	struct checkpoint_job *c = (struct checkpoint_job *)job;

	if (c->rewrite) {
		c->rc = rewrite_all(c);
	} else if (c->whole_fs) {
		int rc = c->fs->os->sync_fs(c->fs->os->self, c->fs->hub);
		if (rc < 0)
			c->rc = err_sys(&c->err, -rc, "cannot sync the file system of the hub");
		if (rc < 0)
			sync_failed(c);
		return c->rc;
	} else {
		for (size_t i = 0; c->rc == 0 && i < c->count; i++)
			c->rc = sync_target(c, &c->targets[i]);
	}
	if (c->rc == 0)
		c->rc = sync_dirs(c);
	return c->rc;
}

/* ---- the job: end ---- */

static void forget_clean(struct checkpoint_job *c)
{
	for (size_t i = 0; i < c->count; i++) {
		struct history_file *f = histories_find(c->fs, c->targets[i].id, c->targets[i].execution);
		if (!f)
			continue;
		bool in_commit = c->fs->committing && f->batch == c->fs->batches; /* it holds on to the file until its end */
		if (f->oldest_generation == 0 && f->pending.len == 0 && !in_commit)
			histories_forget(c->fs, f);
	}
}

static int checkpoint_end(struct pawl_job *job, struct pawl_error *err)
{
	struct checkpoint_job *c = (struct checkpoint_job *)job;
	struct fs *fs = c->fs;
	int rc = c->rc;

	mark_targets(c, false);
	if (rc == 0) {
		journal_free_upto(&fs->journal, c->generation, c->lsn);
		forget_clean(c);
		if (c->moves > fs->moves_synced)
			fs->moves_synced = c->moves;
		if (c->purges == fs->purges)
			memset(fs->purged_bits, 0, sizeof(fs->purged_bits));
		fs->rewrite_wanted = false;
		fs->stats.checkpoints++;
	} else {
		/* the ids that were marked clean at begin count again; a sync that failed has put their files in doubt */
		fs->instances_changed = fs->instances_changed || c->instances;
		fs->archive_changed = fs->archive_changed || c->archive;
		fs->rewrite_wanted = fs->rewrite_wanted || c->sync_failed;
		fs->doubt = fs->doubt || c->sync_failed;
		if (err)
			*err = c->err;
	}
	checkpoint_free(c);
	return rc;
}

/* ---- begin ---- */

static uint64_t last_lsn_upto(const struct journal *j, uint64_t generation)
{
	uint64_t last = j->checkpoint_lsn ? j->checkpoint_lsn - 1 : 0;

	for (unsigned i = 0; i < SEGMENTS_MAX; i++) {
		const struct segment *s = &j->segments[i];
		if (s->state != SEGMENT_NONE && s->generation <= generation && s->last_lsn > last)
			last = s->last_lsn;
	}
	return last;
}

static bool syncfs_is_cheap(const struct fs *fs)
{
	return fs->info.kind == OS_FS_EXT4 || fs->info.kind == OS_FS_XFS;
}

/* Everything with lines in segments up to this generation. All of it is flushed already. */
static int checkpoint_begin(struct fs *fs, uint64_t generation, struct pawl_job **job, struct pawl_error *err)
{
	struct checkpoint_job *c = calloc(1, sizeof(*c));

	if (!c)
		return err_nomem(err);
	c->job = (struct pawl_job){ checkpoint_run, checkpoint_end };
	c->fs = fs;
	c->generation = generation;
	c->lsn = last_lsn_upto(&fs->journal, generation) + 1;
	c->instances = fs->instances_changed;
	c->archive = fs->archive_changed;
	c->moves = fs->moves;
	c->purges = fs->purges;
	if (map_each(&fs->files, target_add, c) < 0) {
		checkpoint_free(c);
		return err_nomem(err);
	}
	c->rewrite = fs->rewrite_wanted;
	c->whole_fs = !c->rewrite && c->count >= SYNCFS_FROM && syncfs_is_cheap(fs);
	mark_targets(c, true);
	fs->instances_changed = fs->archive_changed = false;
	fs->checkpointing = c;
	*job = &c->job;
	return 0;
}

int fs_maintain(struct pawl_provider *p, bool idle, struct pawl_job **job, struct pawl_error *err)
{
	IO_BECAUSE(IO_HISTORY);
	struct fs *fs = fs_of(p);
	uint64_t full = journal_full_generation(&fs->journal);
	bool checkpoint = full != 0 && !fs->checkpointing;

	*job = NULL;
	if (!fs->owner)
		return 0;
	/* a busy loop leaves them in memory, up to half of a segment: then one write has many lines, and what has ended by
	 * then costs a live instance's directories nothing */
	uint64_t upto = idle || fs->pending_bytes > fs->journal.segment_bytes / 2 ? UINT64_MAX : checkpoint ? full : 0;
	int rc = upto ? flush_some(fs, FLUSH_SLICE, upto, err) : 0;
	if (rc == 0 && checkpoint)
		return checkpoint_begin(fs, full, job, err);
	if (rc == 0 && idle && trash_is_there(fs))
		return trash_begin(fs, job, err);
	return rc;
}

int fs_checkpoint_now(struct fs *fs, struct pawl_error *err)
{
	IO_BECAUSE(IO_HISTORY);
	struct pawl_job *job;
	int rc = 1;

	while (rc > 0)
		rc = flush_some(fs, FLUSH_SLICE, UINT64_MAX, err);
	if (rc < 0 || fs->checkpointing)
		return rc;
	/* The active segment too: it is done with, the next commit takes another. */
	if (fs->journal.active && fs->journal.active->last_lsn) {
		fs->journal.active->state = SEGMENT_FULL;
		fs->journal.active = NULL;
	}
	uint64_t full = journal_full_generation(&fs->journal);
	if (full == 0)
		return 0;
	rc = checkpoint_begin(fs, full, &job, err);
	if (rc < 0)
		return rc;
	(void)job->run(job);
	return job->end(job, err);
}
