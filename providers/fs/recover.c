/*
 * recover.c - becoming the owner: bring the histories level with the journal.
 *
 *	lock → read the journal → for each history it speaks of: make the file agree → go on in another segment
 *
 * After a boot it is also seen whether the disk has kept what the last checkpoints had synced, as far as the journal still has
 * the frames; what is missing is written again from there. That says that the disk lies, and is told as an error.
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
	struct overlay *all; /* with what is checkpointed; NULL until something of that is missing */
	struct pawl_error *err;
	size_t restored, purged;
	size_t ahead; /* histories with lines that the journal has lost */
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
		r->ahead += f->size > o->end && !f->cut;
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
	char home[PATH_SIZE];

	if (f->made)
		return 0;
	int sys = instance_home(r->fs, f->id, home);
	if (sys < 0 && sys != -ENOENT)
		return instance_home_error(r->err, f->id, sys);
	f->archived = sys == 0 && home[0] == 'a';
	return sys == 0 ? 0 : instance_make_dirs(r->fs, f->id, false, r->err);
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

/*
 * See fs_purge: what is in instances/ is not the purged one, and what is in the archive is unless the id lives again and has
 * been moved there, which is only after its end.
 */
static void recover_purge(struct recovery *r, const struct overlay_instance *i)
{
	const char *id = i->id;
	char path[PATH_SIZE];

	r->purged++;
	snprintf(path, sizeof(path), "instances/%s", id);
	bool moved = i->files && i->ended && !fs_is_dir(r->fs, path);
	snprintf(path, sizeof(path), "archive/%s", id);
	int rc = moved ? 0 : trash_hide(r->fs, path);
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

/*
 * An execution that has not ended, and its instance in the archive: it was moved back to instances/, and that was synced, before
 * the first line of this execution was committed (fs_revive). The disk has not kept it.
 */
static int recover_move(struct recovery *r, const struct overlay_instance *i)
{
	const struct overlay_file *newest = i->files;
	char from[PATH_SIZE], to[PATH_SIZE];

	while (newest && newest->next)
		newest = newest->next;
	snprintf(from, sizeof(from), "archive/%s", i->id);
	snprintf(to, sizeof(to), "instances/%s", i->id);
	if (!newest || newest->ended || newest->gap || fs_is_dir(r->fs, to) || !fs_is_dir(r->fs, from))
		return 0;
	log_error("instance '%s' goes on, and is in the archive: the disk has lost its move, which was synced; it is moved again", i->id);
	int rc = r->fs->os->rename(r->fs->os->self, r->fs->hub, from, r->fs->hub, to);
	r->settle = true;
	return rc < 0 ? err_sys(r->err, -rc, "cannot move '%s' to '%s'", from, to) : 0;
}

static int recover_instance(void *arg, struct slice key, void *value)
{
	struct recovery *r = arg;
	struct overlay_instance *i = value;
	int rc = 0;

	(void)key;
	if (i->purged)
		recover_purge(r, i);
	rc = recover_move(r, i);
	if (rc == 0 && i->kept_from)
		rc = prune_rest(r->fs, i->id, i->kept_from, begins_newer(i), r->err);
	for (struct overlay_file *o = i->files; o && rc == 0; o = o->next)
		rc = recover_file(r, i->id, o);
	return rc;
}

/* ---- what the disk has not kept ---- */

/* Something else is in its place: recover_file makes room. */
static bool is_no_history(ssize_t rc)
{
	return rc == -ENOENT || rc == -EISDIR || rc == -ENOTDIR || rc == -ELOOP || rc == -EINVAL || rc == -ENXIO;
}

/* Does a history reach that far, with a line that ends there (and no zeros where lines were)? more: it goes on behind it. */
static int reaches(struct recovery *r, const char *id, const struct overlay_file *o, bool *whole, bool *more)
{
	static const char *const homes[] = { "instances", "archive" };
	const struct os *os = r->fs->os;
	char path[PATH_SIZE], last[2] = "";
	int fd = -ENOENT;

	for (size_t i = 0; i < 2 && is_no_history(fd); i++) {
		snprintf(path, sizeof(path), "%s/%s/%llu.history", homes[i], id, (unsigned long long)o->execution);
		fd = os->open(os->self, r->fs->hub, path, OS_READ | OS_NONBLOCK, 0);
	}
	ssize_t n = fd >= 0 ? os->pread(os->self, fd, last, 2, o->end - 1) : fd;
	if (fd >= 0)
		os->close(os->self, fd);
	*whole = n > 0 && last[0] == '\n';
	*more = n > 1;
	return n < 0 && !is_no_history(n) ? err_sys(r->err, (int)-n, "cannot read '%s'", path) : 0;
}

/* Written again, and on the disk: its segment may be the next to be taken. */
static int sync_restored(struct recovery *r, struct history_file *f)
{
	struct fs *fs = r->fs;
	char path[PATH_SIZE];
	int rc = f->pending.len ? history_flush(fs, f, r->err) : 0;

	if (rc < 0 || f->fd < 0)
		return rc;
	const char *home = f->archived ? "archive" : "instances";
	snprintf(path, sizeof(path), "%s/%s", home, f->id);
	rc = fs->os->sync(fs->os->self, f->fd);
	if (rc == 0)
		rc = os_sync_dir(fs->os, fs->hub, path);
	if (rc == 0)
		rc = os_sync_dir(fs->os, fs->hub, home);
	return rc < 0 ? err_sys(r->err, -rc, "cannot sync '%s'", path) : 0;
}

/* Somebody may have removed it, to make room. */
static bool is_ended_and_gone(struct recovery *r, const char *id, const struct overlay_file *o)
{
	char home[PATH_SIZE];

	while (o->next)
		o = o->next;
	return o->ended && instance_home(r->fs, id, home) == -ENOENT;
}

static int restore_lost(struct recovery *r, const char *id, const struct overlay_file *o)
{
	if (fs_exists(r->fs, "instances/%s/DAMAGED", id) || fs_exists(r->fs, "archive/%s/DAMAGED", id))
		return 0; /* a person has been told */
	if (is_ended_and_gone(r, id, o)) {
		log_error("instance '%s', which had ended and was synced, is gone: it was removed by hand, or the disk has lost it", id);
		return 0;
	}
	log_error("the history of '%s', execution %llu, had %llu bytes that were synced and are not there: the disk does not keep what it is "
	          "told to sync, or the hub was copied while it was in use; what the journal still has is restored",
	          id, (unsigned long long)o->execution, (unsigned long long)o->end);
	if (!r->all) {
		r->all = calloc(1, sizeof(*r->all));
		int rc = r->all ? overlay_load_all(r->all, &r->fs->journal, r->err) : err_nomem(r->err);
		if (rc < 0) {
			free(r->all);
			r->all = NULL;
			return rc;
		}
	}
	struct overlay_file *whole = overlay_file(r->all, id, o->execution);
	int rc = whole ? recover_file(r, id, whole) : 0;
	struct history_file *f = rc == 0 ? histories_find(r->fs, id, o->execution) : NULL;
	return f ? sync_restored(r, f) : rc;
}

/* Lines behind all that the journal knows of: they were written behind a commit that it has lost. */
static int look_ahead(struct recovery *r, const char *id, const struct overlay_file *o)
{
	int rc;
	struct history_file *f = histories_get(r->fs, id, o->execution, r->err, &rc);

	if (!f)
		return rc;
	r->ahead += history_tail_is_good(r->fs, f, o->end);
	histories_forget(r->fs, f);
	return 0;
}

static int recover_synced(void *arg, struct slice key, void *value)
{
	struct recovery *r = arg;
	const struct overlay_instance *i = value;
	int rc = 0;

	(void)key;
	for (const struct overlay_file *o = i->files; o && rc == 0; o = o->next) {
		bool whole, more;
		if (o->gap || o->end == 0)
			continue;
		rc = make_room_for(r, i->id, o->execution);
		if (rc == 0)
			rc = reaches(r, i->id, o, &whole, &more);
		if (rc == 0 && !whole)
			rc = restore_lost(r, i->id, o);
		else if (rc == 0 && more && !overlay_file(r->overlay, i->id, o->execution))
			rc = look_ahead(r, i->id, o);
	}
	return rc;
}

/* ---- what nobody needs ---- */

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
	if (r->ahead)
		log_error("%zu histories have lines that the journal has lost: the disk did not keep its newest commits, and other "
		          "instances may have lost lines with them", r->ahead);
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
		if (s->state == SEGMENT_FULL && s->generation == 0) /* its header is damaged; 0 would say that nothing waits for a checkpoint */
			s->generation = 1;
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

/*
 * After a kill the page cache may have frames that were never synced. What follows from them must not happen before they
 * are on the disk (I1), nor may later frames, which go to another segment, be there without them.
 */
static int sync_what_a_kill_left(struct fs *fs, struct pawl_error *err)
{
	bool may_be = fs->same_boot || !fs->known_before;
	int rc = may_be && !fs->clean_before ? journal_sync_found(&fs->journal, fs->doubt, err) : 0;

	if (rc < 0)
		hub_tell_doubt(fs); /* they are marked clean now, and would be believed the next time */
	return rc;
}

static int recover_all(struct recovery *r, struct overlay *synced)
{
	struct fs *fs = r->fs;
	int rc = synced ? map_each(&synced->instances, recover_synced, r) : 0;

	if (rc == 0)
		rc = map_each(&r->overlay->instances, recover_instance, r);
	if (rc == 0 && (r->damaged || r->overlay->lost_frames))
		keep_journal(r);
	if (rc == 0)
		rc = retire_all(fs, r->err);
	if (rc == 0 && (r->settle || r->ahead))
		rc = settle(fs, r->err);
	if (rc < 0)
		return rc;
	report(r);
	(void)fs->os->list(fs->os->self, fs->hub, "instances", remove_rest, r);
	return 0;
}

/* In the boot in which it was written the page cache answers: what the disk has lost does not show. */
static int recover(struct fs *fs, struct pawl_error *err)
{
	struct overlay overlay, synced;
	int rc = fs->look ? overlay_load_synced(&overlay, &synced, &fs->journal, err) : overlay_load(&overlay, &fs->journal, err);

	if (rc < 0)
		return rc;
	struct recovery r = { .fs = fs, .overlay = &overlay, .err = err,
		.settle = fs->doubt || overlay.damage_count || overlay.lost_frames };
	rc = recover_all(&r, fs->look ? &synced : NULL);
	if (fs->look)
		overlay_release(&synced);
	if (r.all)
		overlay_release(r.all);
	free(r.all);
	overlay_release(&overlay);
	if (rc == 0 && fs->look)
		hub_tell_looked(fs);
	return rc;
}

int fs_acquire(struct pawl_provider *p, struct pawl_error *err)
{
	IO_BECAUSE(IO_OWNER);
	struct fs *fs = fs_of(p);

	if (fs->options.read_only)
		return err_set(err, PAWL_EINVALID, "the hub '%s' was opened for reading only", fs->path);
	int rc = fs->owner ? 0 : hub_lock(fs, err); /* a repair has it already */

	if (rc == 0 && (rc = access_settle(fs, err)) < 0)
		hub_unlock(fs, false);
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
		rc = sync_what_a_kill_left(fs, err);
	if (rc == 0)
		rc = recover(fs, err);
	if (rc == 0)
		rc = rundir_open(fs, err);
	if (rc == 0)
		rc = mailbox_open(fs, err);
	if (rc == 0)
		hub_serve(fs);
	if (rc < 0) { /* it can be tried again */
		mailbox_close(fs);
		histories_release(fs);
		map_init(&fs->files);
		hub_unlock(fs, false);
	}
	return rc;
}
