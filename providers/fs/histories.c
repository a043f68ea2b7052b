/*
 * histories.c - the history files. A commit puts its lines into memory (`pending`) once the journal has them; they reach
 * the file through the page cache soon after, when the loop has time, and the disk at a checkpoint. Until then the
 * journal is the truth, and readers overlay it.
 */
#include "base/crc32c.h"
#include "fs.h"
#include <errno.h>
#include <stdlib.h>

static void file_key(char *key, const char *id, uint64_t execution)
{
	size_t len = strlen(id);

	if (len > PATH_SIZE - 24)
		len = PATH_SIZE - 24;
	memcpy(key, id, len);
	if (execution < 10) { /* nearly always, and for each record of a batch */
		key[len] = '/';
		key[len + 1] = (char)('0' + execution);
		key[len + 2] = '\0';
	} else {
		snprintf(key + len, PATH_SIZE - len, "/%llu", (unsigned long long)execution);
	}
}

static const char *home(bool archived)
{
	return archived ? "archive" : "instances";
}

static void file_path(char *path, const struct history_file *f)
{
	snprintf(path, PATH_SIZE, "%s/%s/%llu.history", home(f->archived), f->id, (unsigned long long)f->execution);
}

struct history_file *histories_find(struct fs *fs, const char *id, uint64_t execution)
{
	char key[PATH_SIZE];

	file_key(key, id, execution);
	return map_get(&fs->files, slice_of(key));
}

static int file_look(struct fs *fs, struct history_file *f, struct pawl_error *err)
{
	char path[PATH_SIZE];
	struct os_stat st;

	file_path(path, f);
	int rc = fs->os->stat(fs->os->self, fs->hub, path, &st);
	if (rc == -ENOENT && !f->archived) {
		f->archived = true;
		file_path(path, f);
		rc = fs->os->stat(fs->os->self, fs->hub, path, &st);
		f->archived = rc == 0;
	}
	if (rc < 0 && rc != -ENOENT)
		return err_sys(err, -rc, "cannot stat history '%s'", path);
	f->made = rc == 0;
	f->size = f->flushed = rc == 0 ? st.size : 0;
	return 0;
}

void histories_note_follower(struct fs *fs, const char *id, uint64_t execution)
{
	struct history_file *first = execution > 1 ? histories_find(fs, id, 1) : NULL;

	if (first)
		first->followed = true;
}

struct history_file *histories_get(struct fs *fs, const char *id, uint64_t execution, struct pawl_error *err, int *rc)
{
	char key[PATH_SIZE];
	struct history_file *f = histories_find(fs, id, execution);

	*rc = 0;
	if (f)
		return f;
	file_key(key, id, execution);
	f = calloc(1, sizeof(*f));
	if (f)
		f->id = strdup(id);
	if (!f || !f->id || map_put(&fs->files, slice_of(key), f, NULL) < 0) {
		if (f)
			free(f->id);
		free(f);
		*rc = err_nomem(err);
		return NULL;
	}
	f->execution = execution;
	f->fd = -1;
	histories_note_follower(fs, id, execution);
	*rc = file_look(fs, f, err);
	if (*rc == 0)
		return f;
	histories_forget(fs, f);
	return NULL;
}

static void dirty_add(struct fs *fs, struct history_file *f)
{
	if (f->next_dirty)
		return;
	if (!fs->dirty) {
		f->next_dirty = f->prev_dirty = f;
		fs->dirty = f;
		return;
	}
	f->next_dirty = fs->dirty;
	f->prev_dirty = fs->dirty->prev_dirty;
	f->prev_dirty->next_dirty = f;
	fs->dirty->prev_dirty = f;
}

static void dirty_remove(struct fs *fs, struct history_file *f)
{
	if (!f->next_dirty)
		return;
	if (f->next_dirty == f) {
		fs->dirty = NULL;
	} else {
		f->prev_dirty->next_dirty = f->next_dirty;
		f->next_dirty->prev_dirty = f->prev_dirty;
		if (fs->dirty == f)
			fs->dirty = f->next_dirty;
	}
	f->next_dirty = f->prev_dirty = NULL;
}

int histories_append(struct fs *fs, struct history_file *f, const void *data, size_t len)
{
	if (!buf_reserve(&f->pending, len))
		return PAWL_ENOMEM;
	if (f->pending.len == 0)
		f->pending_generation = fs->journal.generation;
	buf_add(&f->pending, data, len);
	f->size += len;
	fs->pending_bytes += len;
	if (f->oldest_generation == 0)
		f->oldest_generation = fs->journal.generation;
	dirty_add(fs, f);
	return 0;
}

void history_close_fd(struct fs *fs, struct history_file *f)
{
	if (f->fd < 0)
		return;
	fs->os->close(fs->os->self, f->fd);
	f->fd = -1;
	fs->open_fds--;
}

void histories_forget(struct fs *fs, struct history_file *f)
{
	char key[PATH_SIZE];

	file_key(key, f->id, f->execution);
	map_remove(&fs->files, slice_of(key));
	dirty_remove(fs, f);
	history_close_fd(fs, f);
	fs->pending_bytes -= f->pending.len;
	buf_release(&f->pending);
	free(f->id);
	free(f);
}

struct each_of {
	struct fs *fs;
	const char *id;
	int (*each)(struct fs *fs, struct history_file *f);
};

static int visit_of(void *arg, struct slice key, void *value)
{
	struct each_of *e = arg;
	struct history_file *f = value;

	(void)key;
	return strcmp(f->id, e->id) == 0 ? e->each(e->fs, f) : 0;
}

static int each_of(struct fs *fs, const char *id, int (*each)(struct fs *fs, struct history_file *f))
{
	struct history_file *first = histories_find(fs, id, 1);

	/* Nearly all instances have one execution: no walk for those. (The file of the second may be clean and forgotten while
	 * that of the third is not.) */
	if (first && !first->followed)
		return each(fs, first);
	struct each_of e = { fs, id, each };
	return map_each(&fs->files, visit_of, &e);
}

static int forget_one(struct fs *fs, struct history_file *f)
{
	histories_forget(fs, f);
	return 0;
}

void histories_forget_instance(struct fs *fs, const char *id)
{
	(void)each_of(fs, id, forget_one);
}

static int archived_one(struct fs *fs, struct history_file *f)
{
	(void)fs;
	f->archived = true;
	return 0;
}

static int revived_one(struct fs *fs, struct history_file *f)
{
	(void)fs;
	f->archived = false;
	return 0;
}

void histories_moved(struct fs *fs, const char *id, bool archived)
{
	(void)each_of(fs, id, archived ? archived_one : revived_one);
}

struct newest {
	const char *id;
	uint64_t execution;
};

static int visit_newest(void *arg, struct slice key, void *value)
{
	struct newest *n = arg;
	const struct history_file *f = value;

	(void)key;
	if (strcmp(f->id, n->id) == 0 && f->size > 0 && f->execution > n->execution)
		n->execution = f->execution;
	return 0;
}

uint64_t histories_newest(struct fs *fs, const char *id)
{
	struct newest n = { id, 0 };

	(void)map_each(&fs->files, visit_newest, &n);
	return n.execution;
}

static int release_one(void *arg, struct slice key, void *value)
{
	(void)key;
	histories_forget(arg, value);
	return 0;
}

void histories_release(struct fs *fs)
{
	map_each(&fs->files, release_one, fs);
	map_release(&fs->files);
}

bool history_lines_are_good(const char *at, size_t len)
{
	const char *end = at + len;
	uint32_t crc;
	bool good = true;

	while (good && at < end) {
		const char *lf = memchr(at, '\n', (size_t)(end - at));
		good = lf && lf - at > 9 && lf[-9] == '\t' && text_parse_hex32(slice_make(lf - 8, 8), &crc) == 0 &&
		       crc == crc32c(0, at, (size_t)(lf - 9 - at));
		at = lf ? lf + 1 : end;
	}
	return good;
}

bool history_tail_is_good(struct fs *fs, const struct history_file *f, uint64_t offset)
{
	char path[PATH_SIZE], *text = NULL;
	size_t len = 0;

	file_path(path, f);
	bool good = os_read_file(fs->os, fs->hub, path, HISTORY_BYTES_MAX, &text, &len) == 0 && len > offset &&
	            history_lines_are_good(text + offset, len - (size_t)offset);
	free(text);
	return good;
}

/* ---- writing ---- */

static int make_dir(struct fs *fs, const char *path, enum hub_place place, struct pawl_error *err)
{
	int rc = access_mkdir(fs, path, place);

	return rc < 0 && rc != -EEXIST ? err_sys(err, -rc, "cannot make directory '%s'", path) : 0;
}

int instance_make_dirs(struct fs *fs, const char *id, bool archived, struct pawl_error *err)
{
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "%s/%s", home(archived), id);
	int rc = make_dir(fs, path, PLACE_PASS, err);
	if (archived)
		fs->archive_changed = true;
	else
		fs->instances_changed = true;
	if (rc < 0 || archived)
		return rc; /* nobody drops events on an instance that has ended */
	snprintf(path, sizeof(path), "instances/%s/events", id);
	return make_dir(fs, path, PLACE_DROPS, err);
}

/* Bytes behind the last good line are kept for whoever wants to look, not thrown away (I6). */
static int file_cut(struct fs *fs, struct history_file *f, struct pawl_error *err)
{
	char path[PATH_SIZE], torn[PATH_SIZE + 8], *text = NULL;
	size_t len = 0;

	file_path(path, f);
	snprintf(torn, sizeof(torn), "%s.torn", path);
	int rc = os_read_file(fs->os, fs->hub, path, HISTORY_BYTES_MAX, &text, &len);
	if (rc == 0 && len > f->flushed)
		rc = os_replace_file(fs->os, fs->hub, torn, text + f->flushed, len - (size_t)f->flushed, HUB_FILE_MODE, false);
	free(text);
	if (rc == 0)
		rc = fs->os->truncate(fs->os->self, f->fd, f->flushed);
	if (rc < 0)
		return err_sys(err, -rc, "cannot cut the torn tail of '%s'", path);
	f->cut = false;
	return 0;
}

static int file_open(struct fs *fs, struct history_file *f, struct pawl_error *err)
{
	char path[PATH_SIZE];
	int flags = OS_READ | OS_WRITE | (f->made ? 0 : OS_CREATE), rc = 0;

	/* a live one needs its events/ as well; one that has ended needs no more than the directory it was moved with */
	if (!f->made && !f->archived && !f->reserved)
		rc = instance_make_dirs(fs, f->id, false, err);
	if (rc < 0)
		return rc;
	file_path(path, f);
	f->fd = fs->os->open(fs->os->self, fs->hub, path, flags, HUB_FILE_MODE);
	if (f->fd == -ENOENT && !f->made && instance_make_dirs(fs, f->id, f->archived, err) == 0)
		f->fd = fs->os->open(fs->os->self, fs->hub, path, flags, HUB_FILE_MODE);
	if (f->fd < 0)
		return err_sys(err, -f->fd, "cannot open history '%s'", path);
	fs->open_fds++;
	f->made = true;
	return f->cut ? file_cut(fs, f, err) : 0;
}

int history_flush(struct fs *fs, struct history_file *f, struct pawl_error *err)
{
	if (f->busy)
		return 0;
	int rc = f->fd >= 0 ? 0 : file_open(fs, f, err);
	if (rc < 0)
		return rc;
	ssize_t n = fs->os->pwrite(fs->os->self, f->fd, f->pending.data, f->pending.len, f->flushed);
	if (n < 0)
		return err_sys(err, (int)-n, "cannot write history of '%s'", f->id);
	fs->stats.history_bytes += f->pending.len;
	fs->pending_bytes -= f->pending.len;
	f->flushed += f->pending.len;
	buf_release(&f->pending);
	buf_init(&f->pending);
	dirty_remove(fs, f);
	if (fs->open_fds > HISTORY_FDS_MAX)
		history_close_fd(fs, f);
	return 0;
}
