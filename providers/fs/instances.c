/* instances.c - what is there: scan, read, and moving instances between instances/, archive/ and nowhere. */
#include "base/crc32c.h"
#include "fs.h"
#include "mailbox.h"
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#define NOTE_BYTES_MAX 8192

int fs_check_id(const char *id, struct pawl_error *err)
{
	if (id && text_is_instance_id(slice_of(id)))
		return 0;
	return err_set(err, PAWL_EINVALID, "instance id '%.140s' is not valid: 1 to %d of A-Z a-z 0-9 _ : -, first a letter or digit", id ? id : "", TEXT_INSTANCE_ID_MAX);
}

bool fs_exists(struct fs *fs, const char *fmt, ...)
{
	char path[PATH_SIZE];
	struct os_stat st;
	va_list args;

	va_start(args, fmt);
	vsnprintf(path, sizeof(path), fmt, args);
	va_end(args);
	return fs->os->stat(fs->os->self, fs->hub, path, &st) == 0;
}

int fs_look(struct fs *fs, struct pawl_error *err, const char *fmt, ...)
{
	char path[PATH_SIZE];
	struct os_stat st;
	va_list args;

	va_start(args, fmt);
	vsnprintf(path, sizeof(path), fmt, args);
	va_end(args);
	int rc = fs->os->stat(fs->os->self, fs->hub, path, &st);
	return rc == 0 ? 1 : rc == -ENOENT ? 0 : err_sys(err, -rc, "cannot look at '%s'", path);
}

bool fs_is_dir(struct fs *fs, const char *path)
{
	struct os_stat st;

	return fs->os->stat(fs->os->self, fs->hub, path, &st) == 0 && st.type == OS_DIR;
}

int fs_rmdir_empty(struct fs *fs, const char *id)
{
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "instances/%s", id);
	return fs->os->rmdir(fs->os->self, fs->hub, path);
}

/* ---- scan ---- */

struct names {
	char **items;
	size_t count, cap;
	bool failed;
};

static int collect_name(void *arg, const char *name)
{
	struct names *n = arg;

	if (!text_is_instance_id(slice_of(name)))
		return 0;
	if (n->count == n->cap) {
		size_t cap = n->cap ? n->cap * 2 : 64;
		char **grown = realloc(n->items, cap * sizeof(*grown));
		if (!grown) {
			n->failed = true;
			return 1;
		}
		n->items = grown;
		n->cap = cap;
	}
	n->items[n->count] = strdup(name);
	n->failed = n->items[n->count] == NULL;
	n->count += !n->failed;
	return n->failed;
}

static int name_order(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int fs_scan(struct pawl_provider *p, bool archived, int (*each)(void *arg, const char *id), void *arg, struct pawl_error *err)
{
	struct fs *fs = fs_of(p);
	struct names n = { 0 };
	int rc = fs->os->list(fs->os->self, fs->hub, archived ? "archive" : "instances", collect_name, &n);

	if (rc < 0)
		rc = err_sys(err, -rc, "cannot list the instances of '%s'", fs->path);
	else if (n.failed)
		rc = err_nomem(err);
	if (rc >= 0 && n.count)
		qsort(n.items, n.count, sizeof(n.items[0]), name_order);
	for (size_t i = 0; i < n.count; i++) {
		if (rc == 0)
			rc = each(arg, n.items[i]);
		free(n.items[i]);
	}
	free(n.items);
	return rc > 0 && n.failed ? PAWL_ENOMEM : rc;
}

/* ---- read ---- */

struct newest {
	uint64_t execution;
};

static int find_newest(void *arg, const char *name)
{
	struct newest *n = arg;
	const char *dot = strchr(name, '.');
	uint64_t execution;

	if (dot && strcmp(dot, ".history") == 0 && text_parse_u64(slice_make(name, (size_t)(dot - name)), &execution) == 0 &&
	    execution > n->execution)
		n->execution = execution;
	return 0;
}

/* Which directory it is in; -ENOENT when in none. An archive rename may happen between two looks of a reader. */
int instance_home(struct fs *fs, const char *id, char *path)
{
	struct os_stat st;

	for (int look = 0; look < 3; look++) {
		snprintf(path, PATH_SIZE, "%s/%s", look % 2 ? "archive" : "instances", id);
		int rc = fs->os->stat(fs->os->self, fs->hub, path, &st);
		if (rc == 0 && st.type == OS_DIR)
			return 0;
		if (rc < 0 && rc != -ENOENT) /* that it is not there would be a lie */
			return rc;
	}
	return -ENOENT;
}

int instance_home_error(struct pawl_error *err, const char *id, int rc)
{
	if (rc == -ENOENT)
		return err_set(err, PAWL_ENOTFOUND, "there is no instance '%s'", id);
	return err_sys(err, -rc, "cannot look for instance '%s'", id);
}

static int newest_execution(struct fs *fs, const char *id, const char *home, uint64_t *execution, struct pawl_error *err)
{
	struct newest n = { 0 };
	int rc = fs->os->list(fs->os->self, fs->hub, home, find_newest, &n);

	if (rc < 0 && rc != -ENOENT)
		return err_sys(err, -rc, "cannot list '%s'", home);
	if (fs->owner) {
		struct history_file *f;
		if (n.execution == 0 && !histories_find(fs, id, 1)) /* the older ones are pruned, and the disk has no other yet */
			n.execution = histories_newest(fs, id);
		while ((f = histories_find(fs, id, n.execution + 1)) && f->size > 0)
			n.execution++;
	} else {
		struct overlay *o;
		rc = reader_overlay(fs, &o, err);
		if (rc < 0)
			return rc;
		struct overlay_instance *i = overlay_find(o, id);
		for (struct overlay_file *f = i ? i->files : NULL; f; f = f->next)
			if (f->execution > n.execution)
				n.execution = f->execution;
	}
	*execution = n.execution;
	return 0;
}

/* Put what is not in the file yet behind what is. */
static int complete(struct fs *fs, const char *id, uint64_t execution, struct buf *text, struct pawl_error *err)
{
	if (fs->owner) {
		struct history_file *f = histories_find(fs, id, execution);
		if (f && (f->flushed < text->len || f->pending.len)) {
			buf_truncate(text, f->flushed < text->len ? (size_t)f->flushed : text->len);
			buf_add(text, f->pending.data, f->pending.len);
		}
	} else {
		struct overlay *o;
		int rc = reader_overlay(fs, &o, err);
		struct overlay_file *f = rc == 0 ? overlay_file(o, id, execution) : NULL;
		if (rc < 0)
			return rc;
		/* Also where the file is as long: a power cut may leave it its length and not its bytes. */
		if (f && f->first <= text->len && f->end >= text->len) {
			buf_truncate(text, (size_t)f->first);
			buf_add(text, f->bytes.data, f->bytes.len);
		}
	}
	return buf_ok(text) ? 0 : err_nomem(err);
}

static int read_history(struct fs *fs, const char *id, const char *home, uint64_t execution, struct buf *text, struct pawl_error *err)
{
	char path[PATH_SIZE], *bytes = NULL;
	size_t len = 0;

	snprintf(path, sizeof(path), "%.300s/%llu.history", home, (unsigned long long)execution);
	int rc = os_read_file(fs->os, fs->hub, path, HISTORY_BYTES_MAX, &bytes, &len);
	if (rc < 0 && rc != -ENOENT)
		return err_sys(err, -rc, "cannot read history '%s'", path);
	bool there = rc == 0;
	*text = (struct buf){ bytes, len, bytes ? len + 1 : 0, false };
	rc = complete(fs, id, execution, text, err);
	if (rc == 0 && !there && text->len == 0)
		return err_set(err, PAWL_ENOTFOUND, "instance '%s' has no execution %llu", id, (unsigned long long)execution);
	return rc;
}

static int read_once(struct fs *fs, const char *id, uint64_t execution, struct buf *text, uint64_t *which, struct pawl_error *err)
{
	char home[PATH_SIZE];
	struct overlay *o;
	/* The journal first: lines that move from it into the file while we read are then seen in one of the two. */
	int rc = fs->owner ? 0 : reader_overlay(fs, &o, err);

	int sys = rc == 0 ? instance_home(fs, id, home) : 0;
	if (sys < 0)
		return instance_home_error(err, id, sys);
	uint64_t newest = execution;
	if (rc == 0 && execution == 0)
		rc = newest_execution(fs, id, home, &newest, err);
	if (rc == 0 && newest > 0)
		rc = read_history(fs, id, home, newest, text, err);
	*which = newest ? newest : 1;
	return rc;
}

int fs_read(struct pawl_provider *p, const char *id, uint64_t execution, char **out, size_t *len, uint64_t *which, struct pawl_error *err)
{
	struct fs *fs = fs_of(p);
	struct buf text = BUF_INIT;
	int rc = fs_check_id(id, err);

	if (rc == 0)
		rc = read_once(fs, id, execution, &text, which, err);
	if (rc == PAWL_ENOTFOUND && !fs->owner) { /* it may have moved to the archive under our eyes */
		buf_release(&text);
		buf_init(&text);
		rc = read_once(fs, id, execution, &text, which, err);
	}
	if (rc < 0) {
		buf_release(&text);
		return rc;
	}
	*len = text.len;
	*out = text.data ? text.data : calloc(1, 1);
	return *out ? 0 : err_nomem(err);
}

int fs_read_spill(struct pawl_provider *p, const char *id, const char *name, char **out, size_t *len, struct pawl_error *err)
{
	struct fs *fs = fs_of(p);
	char home[PATH_SIZE], path[PATH_SIZE + 80];
	int rc = fs_check_id(id, err);

	if (rc < 0)
		return rc;
	if (!text_is_version(slice_of(name)) || name[0] == '.')
		return err_set(err, PAWL_EINVALID, "payload file name '%.80s' is not valid", name);
	int sys = instance_home(fs, id, home);
	if (sys < 0)
		return instance_home_error(err, id, sys);
	snprintf(path, sizeof(path), "%.300s/%.64s", home, name);
	rc = os_read_file(fs->os, fs->hub, path, HISTORY_BYTES_MAX, out, len);
	return rc < 0 ? err_sys(err, -rc, "cannot read payload file '%s'", path) : 0;
}

/* ---- archive, revive, purge ---- */

int fs_archive(struct pawl_provider *p, const char *id, struct pawl_error *err)
{
	IO_BECAUSE(IO_INSTANCE);
	struct fs *fs = fs_of(p);
	char from[PATH_SIZE], to[PATH_SIZE];
	int rc = fs_check_id(id, err);

	if (rc == 0)
		rc = hub_check_fence(fs, err);
	if (rc < 0)
		return rc;
	snprintf(from, sizeof(from), "instances/%s", id);
	snprintf(to, sizeof(to), "archive/%s", id);
	fs_attend(p, id, false);
	/* A rename, so that a late `echo > events/x` fails by itself. */
	int sys = fs->os->rename(fs->os->self, fs->hub, from, fs->hub, to);
	if (sys == -ENOENT && fs_is_dir(fs, to))
		return 0;
	if (sys < 0)
		return err_sys(err, -sys, "cannot move '%s' to '%s'", from, to);
	histories_moved(fs, id, true);
	rundir_forget(fs, id);
	fs->moves++;
	fs->instances_changed = fs->archive_changed = true;
	return 0;
}

/*
 * A purge and what lies around it, in the order in which it reaches the disk:
 *
 *	the rename into the archive  ->  the purge's frame  ->  the removal from the archive  ->  a frame that creates the id anew
 *
 * So recovery, which finds the purge in the journal, knows whose directory is whose: instances/ID is not the purged one,
 * and archive/ID is the purged one unless the id was created again. Both syncs are needed rarely: a checkpoint or an
 * earlier sync has covered most.
 */
static int settle_moves(struct fs *fs, struct pawl_error *err)
{
	if (fs->moves_synced == fs->moves)
		return 0;
	int rc = os_sync_dir(fs->os, fs->hub, "archive");
	if (rc == 0)
		rc = os_sync_dir(fs->os, fs->hub, "instances");
	if (rc < 0)
		return err_sys(err, -rc, "cannot sync the archive of '%s'", fs->path);
	fs->moves_synced = fs->moves;
	return 0;
}

static unsigned purged_bit(const char *id)
{
	return crc32c(0, id, strlen(id)) % PURGED_BITS;
}

void instance_purged(struct fs *fs, const char *id)
{
	unsigned bit = purged_bit(id);

	fs->purges++;
	fs->purged_bits[bit / 64] |= (uint64_t)1 << bit % 64;
	fs->archive_changed = true;
}

int instance_settle_purge(struct fs *fs, const char *id, struct pawl_error *err)
{
	unsigned bit = purged_bit(id);

	if (!(fs->purged_bits[bit / 64] >> bit % 64 & 1))
		return 0;
	int rc = os_sync_dir(fs->os, fs->hub, "archive");
	if (rc < 0)
		return err_sys(err, -rc, "cannot sync the archive of '%s'", fs->path);
	memset(fs->purged_bits, 0, sizeof(fs->purged_bits));
	return 0;
}

/* Dropped for what has ended, or taken by it and back because the power went before the removal was on the disk. Aside,
 * so that the next execution does not take it for its own. */
static int reject_leftovers(struct fs *fs, const char *id, struct pawl_error *err)
{
	char dir[PATH_SIZE];
	struct dir_names n;
	bool found = false;

	snprintf(dir, sizeof(dir), "archive/%s/events", id);
	int rc = names_list(fs, dir, &n);
	if (rc == -ENOENT)
		return 0;
	for (size_t i = 0; rc == 0 && i < n.count; i++) {
		if (n.items[i][0] == '.')
			continue;
		drops_reject(fs, dir, n.items[i], "it was dropped before the instance ended");
		found = true;
	}
	if (rc == 0)
		names_release(&n);
	if (found)
		rc = os_sync_dir(fs->os, fs->hub, dir);
	return rc < 0 ? err_sys(err, -rc, "cannot look through '%s'", dir) : 0;
}

/*
 * The move is on the disk before anything is committed to what was moved. So recovery, which finds records of an instance in
 * the journal, finds its directory where it must be: in the archive only if its last record has ended it. A checkpoint that
 * runs beside us looks files up in instances/ and then in archive/, and must not miss one that goes the other way.
 */
int fs_revive(struct pawl_provider *p, const char *id, struct pawl_error *err)
{
	IO_BECAUSE(IO_INSTANCE);
	struct fs *fs = fs_of(p);
	char from[PATH_SIZE], to[PATH_SIZE];
	int rc = fs_check_id(id, err);

	if (rc == 0)
		rc = hub_check_fence(fs, err);
	int live = rc == 0 ? fs_look(fs, err, "instances/%s", id) : rc;
	int archived = live == 0 ? fs_look(fs, err, "archive/%s", id) : 0;
	if (live < 0 || archived < 0)
		return live < 0 ? live : archived;
	if (!live && !archived)
		return err_set(err, PAWL_ENOTFOUND, "there is no instance '%s'", id);
	rc = fs_look(fs, err, "%s/%s/DAMAGED", live ? "instances" : "archive", id);
	if (rc != 0)
		return rc < 0 ? rc : err_set(err, PAWL_ESTATE, "instance '%s' is damaged and set aside", id);
	if (live)
		return settle_moves(fs, err); /* it may be this move that could not be synced the last time */
	if (fs->checkpointing)
		return err_set(err, PAWL_EBUSY, "cannot bring '%s' back while a checkpoint is under way", id);
	rc = settle_moves(fs, err);
	if (rc == 0)
		rc = reject_leftovers(fs, id, err);
	if (rc < 0)
		return rc;
	snprintf(from, sizeof(from), "archive/%s", id);
	snprintf(to, sizeof(to), "instances/%s", id);
	int sys = fs->os->rename(fs->os->self, fs->hub, from, fs->hub, to);
	if (sys < 0)
		return err_sys(err, -sys, "cannot move '%s' to '%s'", from, to);
	histories_moved(fs, id, false);
	fs->moves++;
	fs->instances_changed = fs->archive_changed = true;
	return settle_moves(fs, err);
}

/* 0 when it can go, or why not. */
static int check_purge(struct fs *fs, const char *id, struct pawl_error *err)
{
	int rc = fs_check_id(id, err);

	if (rc < 0)
		return rc;
	int archived = fs_look(fs, err, "archive/%s", id), live = archived == 0 ? fs_look(fs, err, "instances/%s", id) : 0;
	if (archived < 0 || live < 0)
		return archived < 0 ? archived : live;
	if (live)
		return err_set(err, PAWL_ESTATE, "instance '%s' has not ended: terminate it first", id);
	return archived ? 0 : err_set(err, PAWL_ENOTFOUND, "there is no instance '%s'", id);
}

/* With a history its messages are forgotten: one that came again after a power cut would begin the instance anew (I2). */
static int settle_acks(struct fs *fs, struct pawl_error *err)
{
	int rc = fs->acked ? os_sync_dir(fs->os, fs->hub, "control") : 0;

	if (rc == 0 && fs->acked)
		rc = os_sync_dir(fs->os, fs->hub, "inbox");
	if (rc < 0)
		return err_sys(err, -rc, "cannot sync the mailbox of '%s'", fs->path);
	fs->acked = false;
	return 0;
}

static int purge_checked(struct fs *fs, const struct gone *gone, size_t count, struct pawl_error *err)
{
	char path[PATH_SIZE];
	int rc = settle_moves(fs, err);

	if (rc == 0)
		rc = settle_acks(fs, err);
	if (rc == 0)
		rc = fs_commit_gone(fs, RECORD_PURGE, gone, count, err);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		snprintf(path, sizeof(path), "archive/%s", gone[i].id);
		histories_forget_instance(fs, gone[i].id);
		int sys = trash_hide(fs, path);
		instance_purged(fs, gone[i].id);
		if (sys < 0 && sys != -ENOENT)
			rc = err_sys(err, -sys, "cannot remove '%s'", path);
	}
	return rc;
}

int fs_purge(struct pawl_provider *p, const char *id, struct pawl_error *err)
{
	IO_BECAUSE(IO_REMOVAL);
	struct fs *fs = fs_of(p);
	int rc = check_purge(fs, id, err);

	return rc < 0 ? rc : purge_checked(fs, &(struct gone){ id, 0 }, 1, err);
}

int fs_purge_all(struct pawl_provider *p, const char *const *ids, size_t count, struct pawl_error *err)
{
	IO_BECAUSE(IO_REMOVAL);
	struct fs *fs = fs_of(p);
	struct gone gone[PAWL_PURGE_BATCH_MAX];
	size_t n = 0;

	if (count > PAWL_PURGE_BATCH_MAX)
		return err_set(err, PAWL_ETOOBIG, "%zu instances are too many for one purge", count);
	for (size_t i = 0; i < count; i++) {
		int rc = check_purge(fs, ids[i], err);
		if (rc == 0)
			gone[n++] = (struct gone){ ids[i], 0 };
		else if (rc != PAWL_ENOTFOUND && rc != PAWL_ESTATE)
			return rc;
	}
	return n ? purge_checked(fs, gone, n, err) : 0;
}

/* ---- notes ---- */

static void note_path(char *path, const char *home, const char *name)
{
	snprintf(path, PATH_SIZE, "%.300s/%s", home, name);
}

/* A note that the runtime can make again costs no sync. */
static int write_note(struct fs *fs, const char *id, const char *name, const char *text, bool durable)
{
	char home[PATH_SIZE], path[PATH_SIZE];
	int rc = instance_home(fs, id, home);

	if (rc < 0)
		return rc;
	note_path(path, home, name);
	if (text && durable)
		return os_replace_file(fs->os, fs->hub, path, text, strlen(text), HUB_FILE_MODE, false);
	if (text)
		return os_put_file(fs->os, fs->hub, path, text, strlen(text), HUB_FILE_MODE);
	rc = fs->os->unlink(fs->os->self, fs->hub, path);
	return rc == -ENOENT ? 0 : rc;
}

int fs_quarantine(struct pawl_provider *p, const char *id, const char *reason, struct pawl_error *err)
{
	IO_BECAUSE(IO_INSTANCE);
	int rc = fs_check_id(id, err);

	if (rc < 0)
		return rc;
	int sys = write_note(fs_of(p), id, "DAMAGED", reason, true);
	if (sys == -ENOENT)
		return err_set(err, PAWL_ENOTFOUND, "there is no instance '%s'", id);
	if (sys < 0)
		return err_sys(err, -sys, "cannot mark instance '%s' as damaged", id);
	if (reason)
		log_error("instance '%s' is damaged and set aside: %s", id, reason);
	return 0;
}

void fs_note(struct pawl_provider *p, const char *id, const char *text)
{
	IO_BECAUSE(IO_INSTANCE);
	int rc = fs_check_id(id, NULL) == 0 ? write_note(fs_of(p), id, "PARKED", text, false) : 0;

	if (rc < 0 && rc != -ENOENT && text) /* a start that was dropped has no directory before its first commit */
		log_warning("cannot write 'instances/%s/PARKED': %s", id, strerror(-rc));
}

char *fs_read_note(struct pawl_provider *p, const char *id, bool *quarantined)
{
	struct fs *fs = fs_of(p);
	char home[PATH_SIZE], path[PATH_SIZE], *text = NULL;
	size_t len;

	*quarantined = false;
	if (fs_check_id(id, NULL) < 0 || instance_home(fs, id, home) < 0)
		return NULL;
	note_path(path, home, "DAMAGED");
	if (os_read_file(fs->os, fs->hub, path, NOTE_BYTES_MAX, &text, &len) == 0) {
		*quarantined = true;
		return text;
	}
	note_path(path, home, "PARKED");
	return os_read_file(fs->os, fs->hub, path, NOTE_BYTES_MAX, &text, &len) == 0 ? text : NULL;
}
