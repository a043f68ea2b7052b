/*
 * recover.c - becoming the owner: bring the histories level with the journal.
 *
 *	lock → read the journal → for each history it speaks of: make the file agree → go on in another segment
 *
 * Everything here can be done again from the start when it is interrupted: bytes are written at the offsets that the
 * journal names, and the segments stay as they are until a checkpoint. Nothing is synced before serving: the bytes are
 * in the journal still. So the time is bounded by the journal's size, not by the number of instances.
 */
#include "fs.h"
#include "mailbox.h"
#include <errno.h>
#include <stdlib.h>

#define START_AGE_NS (600 * (int64_t)1000000000)

struct recovery {
	struct fs *fs;
	struct overlay *overlay;
	struct pawl_error *err;
	size_t restored, purged;
	bool damaged; /* the journal has lost lines of an instance */
	bool settle; /* the disk may not have all that was found: make it so before anything builds on it */
};

static bool same_bytes(struct fs *fs, const char *path, const struct overlay_file *o)
{
	char *text;
	bool same = false;
	int fd = fs->os->open(fs->os->self, fs->hub, path, OS_READ, 0);

	if (fd < 0)
		return false;
	text = malloc(o->bytes.len + 1);
	if (text) {
		ssize_t n = fs->os->pread(fs->os->self, fd, text, o->bytes.len, o->first);
		same = n == (ssize_t)o->bytes.len && memcmp(text, buf_str(&o->bytes), o->bytes.len) == 0;
		free(text);
	}
	fs->os->close(fs->os->self, fd);
	return same;
}

/*
 * Bytes behind what the journal knows: histories are never ahead of the journal, so these are zeros or rests of a disk
 * that tore the end of the file; they are cut when the next line is written, and kept aside then. If they are good lines
 * all the same, it is the journal that lost its newest frame, and they stay.
 */
static int adopt(struct recovery *r, struct history_file *f, struct overlay_file *o)
{
	char path[PATH_SIZE];
	struct fs *fs = r->fs;
	int rc = 0;

	snprintf(path, sizeof(path), "%s/%s/%llu.history", f->archived ? "archive" : "instances", f->id, (unsigned long long)f->execution);
	if (f->made && f->size >= o->end && !fs->doubt && same_bytes(fs, path, o)) {
		f->cut = f->size > o->end && !history_tail_is_good(fs, f, o->end);
		r->settle = r->settle || (f->size > o->end && !f->cut);
		if (f->cut)
			f->size = o->end;
		f->flushed = f->size;
	} else {
		f->cut = f->size > o->end;
		f->size = f->flushed = o->first;
		r->restored++;
		rc = histories_append(fs, f, o->bytes.data, o->bytes.len);
	}
	f->oldest_generation = o->oldest_generation ? o->oldest_generation : 1;
	f->pending_generation = 1; /* before all that come now: the ring stays in order */
	return rc < 0 ? err_nomem(r->err) : 0;
}

/* A history that never reached its file: its directory says where it is, or is made again, so that scan() finds it. */
static int find_place(struct recovery *r, struct history_file *f)
{
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "instances/%s", f->id);
	if (f->made || fs_is_dir(r->fs, path))
		return 0;
	snprintf(path, sizeof(path), "archive/%s", f->id);
	f->archived = fs_is_dir(r->fs, path);
	return f->archived ? 0 : instance_make_dirs(r->fs, f->id, false, r->err);
}

/* What the journal still has in front of the gap joins the file, and a person has to look at the rest (I6). */
static int recover_damaged(struct recovery *r, struct history_file *f, struct overlay_file *o)
{
	char reason[256], id[TEXT_INSTANCE_ID_MAX + 1];

	r->damaged = true;
	snprintf(id, sizeof(id), "%s", f->id);
	snprintf(reason, sizeof(reason), "execution %llu: the journal has lines from byte %llu%s, but the history ends at %llu: " LOST_LINES,
	         (unsigned long long)o->execution, (unsigned long long)o->first, o->gap ? " with a gap" : "", (unsigned long long)f->size);
	if (f->size >= o->first && o->end > o->first) {
		int rc = adopt(r, f, o);
		if (rc < 0)
			return rc;
	} else {
		histories_forget(r->fs, f);
	}
	return fs_quarantine(&r->fs->provider, id, reason, r->err);
}

/* What is no file where a history belongs, or no directory where an instance does, makes room; nobody else is hurt by it. */
static int make_room(struct recovery *r, const char *path, enum os_file_type type)
{
	struct lost lost = { .fs = r->fs };
	struct os_stat st;

	if (r->fs->os->stat(r->fs->os->self, r->fs->hub, path, &st) < 0 || st.type == type)
		return 0;
	log_error("'%s' is not a %s: it is set aside", path, type == OS_DIR ? "directory" : "regular file");
	int rc = lost_move(&lost, path, "it was in the place of something else");
	return rc < 0 ? err_sys(r->err, -rc, "cannot set '%s' aside", path) : 0;
}

static int make_room_for(struct recovery *r, const char *id, uint64_t execution)
{
	static const char *const homes[] = { "instances", "archive" };
	char path[PATH_SIZE];
	int rc = 0;

	for (int i = 0; rc == 0 && i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", homes[i], id);
		rc = make_room(r, path, OS_DIR);
		snprintf(path, sizeof(path), "%s/%s/%llu.history", homes[i], id, (unsigned long long)execution);
		if (rc == 0)
			rc = make_room(r, path, OS_FILE);
	}
	return rc;
}

static int recover_file(struct recovery *r, const char *id, struct overlay_file *o)
{
	int rc = make_room_for(r, id, o->execution);

	if (rc < 0)
		return rc;
	struct history_file *f = histories_get(r->fs, id, o->execution, r->err, &rc);

	if (!f)
		return rc;
	rc = find_place(r, f);
	if (rc < 0)
		return rc;
	if (o->gap && !r->fs->doubt && f->size >= o->reach && history_tail_is_good(r->fs, f, o->first < o->reach ? o->first : o->reach)) {
		f->oldest_generation = 1; /* the file has what the journal has lost */
		return 0;
	}
	if (f->size < o->first || o->gap)
		return recover_damaged(r, f, o);
	return adopt(r, f, o);
}

/* See fs_purge: what is in instances/ is not the purged one, and what is in the archive is unless the id lives again. */
static void recover_purge(struct recovery *r, const char *id, bool lives_again)
{
	char path[PATH_SIZE];

	r->purged++;
	snprintf(path, sizeof(path), "archive/%s", id);
	int rc = lives_again ? 0 : trash_hide(r->fs, path);
	if (rc < 0 && rc != -ENOENT)
		log_warning("cannot remove purged instance '%s': %s", id, strerror(-rc));
	instance_purged(r->fs, id);
}

/* A whole execution that no prune has taken. */
static bool begins_newer(const struct overlay_instance *i)
{
	const struct overlay_file *o = i->files;

	while (o && (o->execution < i->kept_from || o->first > 0 || o->end == 0))
		o = o->next;
	return o != NULL;
}

static int recover_instance(void *arg, struct slice key, void *value)
{
	struct recovery *r = arg;
	struct overlay_instance *i = value;
	int rc = 0;

	(void)key;
	if (i->purged)
		recover_purge(r, i->id, i->files != NULL);
	if (i->kept_from)
		rc = prune_rest(r->fs, i->id, i->kept_from, begins_newer(i), r->err);
	for (struct overlay_file *o = i->files; o && rc == 0; o = o->next)
		rc = recover_file(r, i->id, o);
	return rc;
}

/* The rest of a `pawl start` that was cut off before its rename. A young one may be just now under way. */
static void remove_if_old(struct fs *fs, const char *path)
{
	struct os_stat st;

	if (fs->os->stat(fs->os->self, fs->hub, path, &st) == 0 && fs->os->real_ns(fs->os->self) - st.mtime_ns > START_AGE_NS)
		(void)os_remove_tree(fs->os, fs->hub, path, 4);
}

/* Does a directory hold what makes it an instance, or a start of one, or what a person should see? */
static bool is_somebody(const struct dir_names *n)
{
	bool found = false;

	for (size_t i = 0; i < n->count && !found; i++) {
		const char *name = n->items[i], *dot = strchr(name, '.');
		found = (dot && strcmp(dot, ".history") == 0) || strcmp(name, "start") == 0 || strcmp(name, "DAMAGED") == 0;
	}
	return found;
}

/*
 * An id that was reserved for a commit that never became durable: a directory with nothing in it but payloads that no line
 * names, and nobody was told of it. rmdir leaves alone what has more in it. Where the journal is damaged, all bytes stay. Payloads
 * can also be what is left of an instance whose history is lost: somebody may want them.
 */
static void remove_reserved(struct recovery *r, const char *id, const char *path)
{
	const struct os *os = r->fs->os;
	struct lost lost = { .fs = r->fs };
	char inside[PATH_SIZE];
	struct dir_names n;

	if (fs_exists(r->fs, "%s/1.history", path) || names_list(r->fs, path, &n) < 0)
		return;
	bool payloads = !is_somebody(&n) && !r->overlay->damage_count && !r->overlay->lost_frames;
	for (size_t i = 0; payloads && i < n.count; i++) {
		snprintf(inside, sizeof(inside), "%.240s/%.250s", path, n.items[i]);
		if (fs_is_dir(r->fs, inside)) {
			(void)os->rmdir(os->self, r->fs->hub, inside);
			continue;
		}
		int rc = lost_move(&lost, path, "it has payloads, and no history that names them");
		if (rc < 0)
			log_warning("cannot set '%s' aside: %s", path, strerror(-rc));
		break;
	}
	names_release(&n);
	(void)fs_rmdir_empty(r->fs, id);
}

static bool has_lines(struct recovery *r, const char *id)
{
	const struct overlay_instance *i = overlay_find(r->overlay, id);

	return i && i->files;
}

static int remove_rest(void *arg, const char *name)
{
	struct recovery *r = arg;
	char path[PATH_SIZE];

	if (strlen(name) > TEXT_INSTANCE_ID_MAX + 16)
		return 0;
	snprintf(path, sizeof(path), "instances/%s", name);
	if (name[0] == '.')
		remove_if_old(r->fs, path);
	else if (!has_lines(r, name))
		remove_reserved(r, name, path);
	return 0;
}

/*
 * What lies behind a gap can be read, and is of no use to the instance as it is; a checkpoint would let it be written over.
 * A person may make something of it. After a crash the same start finds it kept.
 */
static void keep_journal(struct recovery *r)
{
	struct fs *fs = r->fs;
	struct lost lost = { .fs = fs };
	char path[PATH_SIZE], kept[PATH_SIZE + 64];

	snprintf(lost.dir, sizeof(lost.dir), "lost+found/journal-%llu", (unsigned long long)r->overlay->max_lsn);
	for (unsigned i = 0; i < SEGMENTS_MAX; i++) {
		const struct segment *s = &fs->journal.segments[i];
		struct os_stat st;
		if (s->state == SEGMENT_NONE || !s->frames)
			continue;
		snprintf(path, sizeof(path), "journal/%u.segment", s->number);
		snprintf(kept, sizeof(kept), "%s/%s", lost.dir, path);
		if (fs->os->stat(fs->os->self, fs->hub, kept, &st) == 0 && st.size == s->size)
			continue;
		int rc = lost_copy(&lost, path, "the journal is damaged, and has lines that cannot be put behind those before them");
		if (rc < 0)
			log_error("cannot keep a copy of '%s' in '%s': %s", path, lost.dir, strerror(-rc));
	}
}

static void report(struct recovery *r)
{
	struct overlay *o = r->overlay;

	for (size_t i = 0; i < o->damage_count && i < sizeof(o->damage) / sizeof(o->damage[0]); i++)
		log_error("journal/%u.segment is damaged at byte %llu (%llu bytes): an instance may have lost its newest lines", o->damage[i].segment,
		          (unsigned long long)o->damage[i].offset, (unsigned long long)o->damage[i].len);
	if (o->lost_frames)
		log_error("%llu commits are missing from the journal: instances that need them are set aside", (unsigned long long)o->lost_frames);
	if (r->restored)
		log_notice("recovered: %zu histories brought level with the journal", r->restored);
}

/* What was read is needed until a checkpoint; new frames go elsewhere. */
static int retire_all(struct fs *fs, struct pawl_error *err)
{
	struct journal *j = &fs->journal;

	for (unsigned i = 0; i < SEGMENTS_MAX; i++) {
		struct segment *s = &j->segments[i];
		if (s->state == SEGMENT_NONE)
			continue;
		s->state = s->last_lsn >= j->checkpoint_lsn && s->last_lsn ? SEGMENT_FULL : SEGMENT_FREE;
	}
	journal_sort_out(j);
	return journal_free_count(j) == 0 ? fs_checkpoint_now(fs, err) : 0;
}

/*
 * A frame that is read back may not be on the disk (its sync failed in this boot), or histories may be ahead of a journal
 * that lost its newest frame. Were the next frame to follow, a power cut could leave a gap behind it. So the histories are
 * brought to the disk, and the journal starts behind them.
 */
static int settle(struct fs *fs, struct pawl_error *err)
{
	int rc = fs_checkpoint_now(fs, err);

	return rc < 0 ? rc : journal_tell_checkpoint(&fs->journal, err);
}

int fs_acquire(struct pawl_provider *p, struct pawl_error *err)
{
	struct fs *fs = fs_of(p);
	struct overlay overlay;

	if (fs->options.read_only)
		return err_set(err, PAWL_EINVALID, "the hub '%s' was opened for reading only", fs->path);
	int rc = fs->owner ? 0 : hub_lock(fs, err); /* a repair has it already */
	if (rc < 0)
		return rc;
	fs->instances_changed = fs->archive_changed = true; /* whoever was here before may have left something */
	fs->moves = 1;
	trash_open(fs);
	journal_close(&fs->journal);
	rc = hub_make_dirs(fs, err);
	if (rc == 0)
		rc = journal_open(&fs->journal, true, err);
	if (rc == 0)
		rc = overlay_load(&overlay, &fs->journal, err);
	if (rc == 0) {
		struct recovery r = { .fs = fs, .overlay = &overlay, .err = err, .settle = fs->doubt || overlay.damage_count || overlay.lost_frames };
		rc = map_each(&overlay.instances, recover_instance, &r);
		if (rc == 0 && (r.damaged || overlay.lost_frames))
			keep_journal(&r);
		if (rc == 0)
			rc = retire_all(fs, err);
		if (rc == 0 && r.settle)
			rc = settle(fs, err);
		if (rc == 0) {
			report(&r);
			(void)fs->os->list(fs->os->self, fs->hub, "instances", remove_rest, &r);
		}
		overlay_release(&overlay);
	}
	if (rc == 0)
		rc = mailbox_open(fs, err);
	if (rc < 0) { /* it can be tried again */
		mailbox_close(fs);
		histories_release(fs);
		map_init(&fs->files);
		hub_unlock(fs, false);
	}
	return rc;
}
