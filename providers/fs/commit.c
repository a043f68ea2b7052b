/*
 * commit.c - the commit protocol.
 *
 *	begin   check fence, ids and offsets; reserve the ids of new instances; build one frame of all records
 *	run     write and sync the spilled payloads, then write and sync the frame: THE commit point
 *	end     the lines join their histories (memory first, see histories.c)
 *
 * Why this is all or nothing, and durable (I1, I3, I8):
 *  1. A frame counts only when its checksum is right, so a torn one is none. It was written in one piece and synced
 *     alone: while it is under way no other frame is, so nothing behind it can be good while it is bad.
 *  2. Nobody acts on it or sees a line of it before sync has returned without error: histories get it in end().
 *  3. Payload files are synced, with their directory, before the frame that names them is written.
 *  4. A failed write or sync leaves the segment in doubt for ever: it is retired (journal_failed), the caller commits
 *     the batch again, and it goes to another segment under the same lsn. Should the old copy have reached the disk
 *     after all, recovery prefers the newer segment's; if only the old one is there, nobody was told, and an untold
 *     commit may survive.
 *  5. A history file is behind the journal or level with it, never ahead, and a segment is reused only when every file
 *     it touched has been synced since (checkpoint.c).
 */
#include "fs.h"
#include <errno.h>
#include <stdlib.h>

struct commit_job {
	struct pawl_job job;
	struct fs *fs;
	const struct pawl_batch *batch;
	struct history_file **files; /* of each record */
	struct segment *segment;
	struct buf frame;
	struct pawl_error err;       /* of run() */
	bool journal_touched;
	int rc;
};

/* ---- begin ---- */

/* By a start that was sent, or by this commit when it was tried before. */
static bool is_reserved(struct fs *fs, const struct pawl_record *r)
{
	struct history_file *f = histories_find(fs, r->instance, 1);

	return (f && f->reserved && f->size == 0) || mailbox_is_start(fs, r->start_token, r->instance);
}

static int check_create(struct fs *fs, const struct pawl_record *r, struct pawl_error *err)
{
	if (r->execution != 1 || r->offset != 0)
		return err_set(err, PAWL_EINVALID, "instance '%s' must be created at offset 0 of execution 1", r->instance);
	int rc = fs_look(fs, err, "archive/%s", r->instance);
	if (rc > 0)
		return err_set(err, PAWL_EEXISTS, "instance '%s' exists already (it has ended; purge it or take another id)", r->instance);
	if (rc == 0)
		rc = instance_settle_purge(fs, r->instance, err);
	if (rc < 0 || is_reserved(fs, r))
		return rc;
	rc = fs_look(fs, err, "instances/%s", r->instance);
	return rc > 0 ? err_set(err, PAWL_EEXISTS, "instance '%s' exists already", r->instance) : rc;
}

static int check_offset(struct fs *fs, struct history_file *f, const struct pawl_record *r, struct pawl_error *err)
{
	if (f->batch != fs->batches) {
		f->batch = fs->batches;
		f->batch_end = f->size;
		/* first touch: the reader found a torn tail behind what it wants to go on from */
		if (r->offset < f->size && f->oldest_generation == 0 && f->pending.len == 0 && !history_tail_is_good(fs, f, r->offset)) {
			f->size = f->flushed = f->batch_end = r->offset;
			f->cut = true;
		}
	}
	if (r->offset != f->batch_end)
		return err_set(err, PAWL_EINVALID, "history of '%s' has %llu bytes, not %llu", r->instance,
		               (unsigned long long)f->batch_end, (unsigned long long)r->offset);
	f->batch_end += r->len;
	return 0;
}

/* An execution that is not there yet follows one that is. */
static int check_new_execution(struct fs *fs, const struct pawl_record *r, struct pawl_error *err)
{
	int rc = 0;
	struct history_file *before = r->execution > 1 ? histories_get(fs, r->instance, r->execution - 1, err, &rc) : NULL;

	if (rc < 0) /* that it cannot be looked at does not say that it is not there */
		return rc;
	histories_note_follower(fs, r->instance, r->execution);
	if (before && before->archived)
		return err_set(err, PAWL_ESTATE, "instance '%s' has ended and is archived", r->instance);
	if (before && (before->batch == fs->batches ? before->batch_end : before->size) > 0)
		return 0; /* it may begin in this very batch */
	rc = r->execution > 1 ? fs_look(fs, err, "instances/%s", r->instance) : 0;
	if (rc < 0)
		return rc;
	if (rc > 0)
		return err_set(err, PAWL_EINVALID, "instance '%s' has no execution %llu", r->instance, (unsigned long long)r->execution - 1);
	return err_set(err, PAWL_ENOTFOUND, "there is no instance '%s'", r->instance);
}

static int check_record(struct fs *fs, const struct pawl_record *r, struct history_file **f, struct pawl_error *err)
{
	int rc = fs_check_id(r->instance, err);

	if (rc == 0 && r->create)
		rc = check_create(fs, r, err);
	if (rc < 0)
		return rc;
	*f = histories_get(fs, r->instance, r->execution, err, &rc);
	if (rc < 0)
		return rc;
	if (r->create && ((*f)->size > 0 || (*f)->batch == fs->batches))
		return err_set(err, PAWL_EEXISTS, "instance '%s' exists already", r->instance);
	if ((*f)->archived)
		return err_set(err, PAWL_ESTATE, "instance '%s' has ended and is archived", r->instance);
	bool created_here = (*f)->batch == fs->batches && (*f)->batch_end > 0; /* by a record before this one */
	if (!r->create && (*f)->size == 0 && !created_here)
		rc = check_new_execution(fs, r, err);
	return rc < 0 ? rc : check_offset(fs, *f, r, err);
}

/*
 * mkdir is what makes an id exist, for us and for a `pawl start` that races with us: that one renames a directory with
 * something in it into place, which can replace an empty one of ours. Then the second mkdir finds what came with it.
 */
static int reserve(struct fs *fs, const struct pawl_record *r, struct history_file *f, struct pawl_error *err)
{
	char path[PATH_SIZE];

	if (is_reserved(fs, r))
		return 0;
	snprintf(path, sizeof(path), "instances/%s", r->instance);
	int rc = access_mkdir(fs, path, PLACE_PASS);
	fs->instances_changed = true;
	if (rc == 0) {
		f->reserved = true;
		snprintf(path, sizeof(path), "instances/%s/events", r->instance);
		rc = access_mkdir(fs, path, PLACE_DROPS);
		f->reserved = rc != -EEXIST;
	}
	if (rc == -EEXIST)
		return err_set(err, PAWL_EEXISTS, "instance '%s' exists already", r->instance);
	return rc < 0 ? err_sys(err, -rc, "cannot make directory '%s'", path) : 0;
}

static void unspill(struct fs *fs, const struct pawl_batch *b, const char *id)
{
	char path[PATH_SIZE];

	for (size_t i = 0; i < b->spill_count; i++) {
		if (strcmp(b->spills[i].instance, id) != 0)
			continue;
		snprintf(path, sizeof(path), "instances/%s/%s", id, b->spills[i].name);
		(void)fs->os->unlink(fs->os->self, fs->hub, path);
	}
}

/* What cannot be taken back stays reserved, for the next try or until recovery removes it. */
static void unreserve(struct commit_job *c, size_t count)
{
	const struct os *os = c->fs->os;
	char path[PATH_SIZE];

	for (size_t i = 0; i < count; i++) {
		const char *id = c->batch->records[i].instance;
		if (!c->batch->records[i].create || !c->files[i] || !c->files[i]->reserved)
			continue;
		unspill(c->fs, c->batch, id);
		snprintf(path, sizeof(path), "instances/%s/events", id);
		(void)os->rmdir(os->self, c->fs->hub, path);
		snprintf(path, sizeof(path), "instances/%s", id);
		int rc = os->rmdir(os->self, c->fs->hub, path);
		c->files[i]->reserved = rc < 0 && rc != -ENOENT;
	}
}

static int reserve_all(struct commit_job *c, struct pawl_error *err)
{
	for (size_t i = 0; i < c->batch->record_count; i++) {
		const struct pawl_record *r = &c->batch->records[i];
		int rc = r->create ? reserve(c->fs, r, c->files[i], err) : 0;
		if (rc < 0) {
			unreserve(c, i + 1);
			return rc;
		}
	}
	return 0;
}

static int check_spills(const struct pawl_batch *b, struct pawl_error *err)
{
	for (size_t i = 0; i < b->spill_count; i++) {
		const struct pawl_spill *s = &b->spills[i];
		int rc = fs_check_id(s->instance, err);
		if (rc < 0)
			return rc;
		if (!text_is_version(slice_of(s->name)) || s->name[0] == '.')
			return err_set(err, PAWL_EINVALID, "payload file name '%s' is not valid", s->name);
	}
	return 0;
}

static int build_frame(struct commit_job *c, struct pawl_error *err)
{
	const struct pawl_batch *b = c->batch;
	size_t payload = 0;

	for (size_t i = 0; i < b->record_count; i++)
		payload += record_overhead(b->records[i].instance) + b->records[i].len;
	int rc = journal_room(&c->fs->journal, payload, err);
	if (rc < 0)
		return rc;
	if (!buf_reserve(&c->frame, payload + 8192) || frame_begin(&c->frame) < 0)
		return err_nomem(err);
	for (size_t i = 0; i < b->record_count; i++)
		frame_add_append(&c->frame, &b->records[i]);
	frame_finish(&c->fs->journal, &c->frame, b->record_count);
	c->segment = c->fs->journal.active;
	return buf_ok(&c->frame) ? 0 : err_nomem(err);
}

static int commit_prepare(struct commit_job *c, struct pawl_error *err)
{
	const struct pawl_batch *b = c->batch;
	int rc = check_spills(b, err);

	c->fs->batches++;
	for (size_t i = 0; rc == 0 && i < b->record_count; i++)
		rc = check_record(c->fs, &b->records[i], &c->files[i], err);
	if (rc == 0)
		rc = build_frame(c, err);
	/* last, so that a reservation is taken back only when another one in the batch was refused */
	return rc < 0 ? rc : reserve_all(c, err);
}

static void commit_free(struct commit_job *c)
{
	c->fs->committing = NULL;
	buf_release(&c->frame);
	free(c->files);
	free(c);
}

/* ---- run ---- */

static int spill_write(struct commit_job *c, const struct pawl_spill *s)
{
	IO_BECAUSE(IO_PAYLOAD);
	const struct os *os = c->fs->os;
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "instances/%s", s->instance);
	int rc = access_mkdir(c->fs, path, PLACE_PASS);
	if (rc < 0 && rc != -EEXIST)
		return err_sys(&c->err, -rc, "cannot make directory '%s'", path);
	snprintf(path, sizeof(path), "instances/%s/%s", s->instance, s->name);
	rc = os_replace_file(os, c->fs->hub, path, s->data, s->len, HUB_FILE_MODE, true);
	if (rc == 0)
		rc = os_sync_dir(os, c->fs->hub, "instances");
	return rc < 0 ? err_sys(&c->err, -rc, "cannot write payload file '%s'", path) : 0;
}

/*
 * The frame is marked until it is on the disk, for readers (confirm_newest in reader.c); for good when that fails, and then
 * LOCK tells it to those who come when this process is gone.
 */
static int write_marked(struct fs *fs, struct segment *s, const struct buf *frame)
{
	uint64_t lsn = fs->journal.next_lsn;
	int marked = fs->served ? fs->os->mark(fs->os->self, s->fd, lsn, true) : -EINVAL;

	if (marked < 0 && fs->served)
		hub_end_serving(fs, marked);
	int rc = journal_write(fs->os, s, &fs->journal, frame);
	if (rc < 0)
		hub_tell_doubt(fs);
	else if (marked >= 0)
		(void)fs->os->mark(fs->os->self, s->fd, lsn, false);
	return rc;
}

static int commit_run(struct pawl_job *job)
{
	IO_BECAUSE(IO_COMMIT);
	struct commit_job *c = (struct commit_job *)job;

	for (size_t i = 0; c->rc == 0 && i < c->batch->spill_count; i++)
		c->rc = spill_write(c, &c->batch->spills[i]);
	if (c->rc < 0)
		return c->rc;
	c->journal_touched = true;
	int rc = write_marked(c->fs, c->segment, &c->frame);
	if (rc < 0)
		c->rc = err_sys(&c->err, -rc, "cannot commit to the journal");
	return c->rc;
}

/* ---- end ---- */

static int commit_finish(struct commit_job *c, struct pawl_error *err)
{
	struct fs *fs = c->fs;

	journal_written(&fs->journal, c->frame.len);
	for (size_t i = 0; i < c->batch->record_count; i++) {
		const struct pawl_record *r = &c->batch->records[i];
		c->files[i]->ended = c->files[i]->ended || r->end;
		/* Committed but not held in memory: only a new start, which reads the journal, can go on from here. */
		if (histories_append(fs, c->files[i], r->data, r->len) < 0) {
			fs->fenced = true;
			return err_set(err, PAWL_EFENCED, "out of memory behind a commit: restart to recover");
		}
	}
	fs->stats.commits++;
	fs->stats.records += c->batch->record_count;
	fs->stats.commit_bytes += c->frame.len;
	fs->stats.syncs++;
	return 0;
}

static int commit_end(struct pawl_job *job, struct pawl_error *err)
{
	IO_BECAUSE(IO_INSTANCE);
	struct commit_job *c = (struct commit_job *)job;
	int rc = c->rc;

	if (rc == 0) {
		rc = commit_finish(c, err);
	} else {
		if (c->journal_touched) {
			journal_failed(&c->fs->journal);
			c->fs->doubt = true;
		}
		unreserve(c, c->batch->record_count);
		if (err)
			*err = c->err;
	}
	commit_free(c);
	return rc;
}

int fs_commit_begin(struct pawl_provider *p, const struct pawl_batch *batch, struct pawl_job **job, struct pawl_error *err)
{
	IO_BECAUSE(IO_INSTANCE);
	struct fs *fs = fs_of(p);
	int rc = hub_check_fence(fs, err);

	if (rc < 0)
		return rc;
	if (fs->committing)
		return err_set(err, PAWL_EBUG, "a commit is under way already");
	struct commit_job *c = calloc(1, sizeof(*c));
	if (c)
		c->files = calloc(batch->record_count + 1, sizeof(struct history_file *));
	if (!c || !c->files) {
		free(c);
		return err_nomem(err);
	}
	c->job = (struct pawl_job){ commit_run, commit_end };
	c->fs = fs;
	c->batch = batch;
	rc = commit_prepare(c, err);
	if (rc < 0) {
		commit_free(c);
		return rc;
	}
	fs->committing = c;
	*job = &c->job;
	return 0;
}

static int write_gone(struct fs *fs, struct buf *frame, struct pawl_error *err)
{
	IO_BECAUSE(IO_COMMIT);
	int sys = write_marked(fs, fs->journal.active, frame);

	if (sys < 0) {
		journal_failed(&fs->journal);
		fs->doubt = true;
		return err_sys(err, -sys, "cannot commit to the journal");
	}
	journal_written(&fs->journal, frame->len);
	return 0;
}

/* A purge or prune is a commit of records without lines, so that no earlier record can bring back what is gone. */
int fs_commit_gone(struct fs *fs, enum record_kind kind, const struct gone *gone, size_t count, struct pawl_error *err)
{
	struct buf frame = BUF_INIT;
	size_t payload = 0;
	int rc = hub_check_fence(fs, err);

	for (size_t i = 0; i < count; i++)
		payload += record_overhead(gone[i].id);
	if (rc == 0 && fs->committing)
		rc = err_set(err, PAWL_EBUSY, "cannot remove '%s' while a commit is under way", gone[0].id);
	if (rc == 0)
		rc = journal_room(&fs->journal, payload, err);
	if (rc == 0 && frame_begin(&frame) < 0)
		rc = err_nomem(err);
	for (size_t i = 0; rc == 0 && i < count; i++)
		frame_add_gone(&frame, kind, gone[i].id, gone[i].keep_from);
	if (rc == 0) {
		frame_finish(&fs->journal, &frame, count);
		rc = buf_ok(&frame) ? write_gone(fs, &frame, err) : err_nomem(err);
	}
	buf_release(&frame);
	return rc;
}
