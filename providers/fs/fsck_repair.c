/*
 * fsck_repair.c - what is done about a finding. Each step is one rename, or a file that is written aside and renamed, and
 * what it takes away is in lost+found, durable, before: a repair that is cut off is done by the next one.
 */
#include "fsck_impl.h"
#include <errno.h>
#include <stdlib.h>

static int sys_error(struct fsck *f, int rc, const char *what, const char *path)
{
	return rc < 0 ? err_sys(f->err, -rc, "cannot %s '%s'", what, path) : 0;
}

static int sync_above(struct fsck *f, const char *path)
{
	char above[PATH_SIZE];
	const char *slash = strrchr(path, '/');

	snprintf(above, sizeof(above), "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
	return os_sync_dir(f->os, f->fs->hub, above);
}

/* ---- histories level with the journal ---- */

/* The configuration is the runtime's: its segments stay as they are. */
static void keep_sizes(struct fsck *f)
{
	struct journal *j = &f->fs->journal;
	uint64_t size = UINT64_MAX;

	for (unsigned i = 0; i < SEGMENTS_MAX; i++) {
		const struct segment *s = &f->journal->segments[i];
		if (s->state != SEGMENT_NONE && s->size >= SEGMENT_BYTES_MIN && s->size < size)
			size = s->size;
	}
	if (size != UINT64_MAX)
		j->segment_bytes = size & ~(uint64_t)4095;
	j->segment_count = f->journal->used > 2 ? f->journal->used : 2;
}

/* As a start of the runtime does it; then the disk is told that nothing in the journal is needed any more. */
int fsck_recover(struct fsck *f)
{
	struct fs *fs = f->fs;

	keep_sizes(f);
	fsck_unload_journal(f);
	int rc = fs_acquire(&fs->provider, f->err);
	if (rc < 0) { /* which has let go of the lock */
		f->owner = false;
		return rc;
	}
	rc = fs_checkpoint_now(fs, f->err);
	if (rc == 0)
		rc = journal_tell_checkpoint(&fs->journal, f->err);
	queue_close(fs);
	mailbox_close(fs);
	histories_release(fs);
	map_init(&fs->files);
	journal_close(&fs->journal); /* nothing is written to segments from here on: they may be set aside */
	return rc;
}

/* ---- one file ---- */

static int read_all(struct fsck *f, const char *path, char **text, size_t *len)
{
	*text = NULL;
	*len = 0;
	return sys_error(f, os_read_file(f->os, f->fs->hub, path, HISTORY_BYTES_MAX, text, len), "read", path);
}

static int cut(struct fsck *f, const struct found *x)
{
	char *text;
	size_t len;
	int rc = read_all(f, x->operand, &text, &len);

	if (rc == 0)
		rc = sys_error(f, lost_copy(&f->lost, x->operand, x->what), "keep a copy of", x->operand);
	if (rc == 0 && x->at < len)
		rc = sys_error(f, os_replace_file(f->os, f->fs->hub, x->operand, text, (size_t)x->at, HUB_FILE_MODE, true), "cut", x->operand);
	free(text);
	return rc;
}

/* As the runtime does when it cuts a torn tail; an earlier one is kept, too. */
static int cut_torn(struct fsck *f, const struct found *x)
{
	char torn[PATH_SIZE + 8], *text;
	size_t len;
	int rc = read_all(f, x->operand, &text, &len);

	snprintf(torn, sizeof(torn), "%s.torn", x->operand);
	int earlier = rc == 0 ? fs_look(f->fs, f->err, "%s", torn) : 0;
	if (earlier < 0)
		rc = earlier;
	if (earlier > 0)
		rc = sys_error(f, lost_move(&f->lost, torn, "of an earlier cut"), "set aside", torn);
	if (rc == 0 && x->at < len)
		rc = sys_error(f, os_replace_file(f->os, f->fs->hub, torn, text + x->at, len - (size_t)x->at, HUB_FILE_MODE, true), "write", torn);
	if (rc == 0 && x->at < len)
		rc = sys_error(f, os_replace_file(f->os, f->fs->hub, x->operand, text, (size_t)x->at, HUB_FILE_MODE, true), "cut", x->operand);
	free(text);
	return rc;
}

static int set_aside(struct fsck *f, const char *path, const char *why)
{
	int rc = lost_move(&f->lost, path, why);

	return rc == -ENOENT ? 0 : sys_error(f, rc, "set aside", path); /* with what was above it */
}

/* The newest first: what a cut in between leaves is a chain with a gap, which the next repair ends in the same way. */
static int older(struct fsck *f, const struct found *x)
{
	char path[PATH_SIZE];
	int rc = 0;

	for (uint64_t n = x->at; rc == 0 && n > 0; n--) {
		snprintf(path, sizeof(path), "%.400s/%llu.history", x->operand, (unsigned long long)n);
		if (!fs_exists(f->fs, "%s", path))
			continue;
		rc = set_aside(f, path, x->what);
	}
	return rc;
}

static int remove_it(struct fsck *f, const char *path)
{
	int rc = os_remove_any(f->os, f->fs->hub, path);

	if (rc == 0)
		rc = sync_above(f, path);
	return sys_error(f, rc, "remove", path);
}

static int make_dir(struct fsck *f, const struct found *x)
{
	int rc = f->os->mkdir(f->os->self, f->fs->hub, x->operand, (unsigned)x->at);

	if (rc == 0 || rc == -EEXIST)
		rc = sync_above(f, x->operand);
	return sys_error(f, rc, "make directory", x->operand);
}

static int archive(struct fsck *f, const char *path)
{
	char to[PATH_SIZE];

	snprintf(to, sizeof(to), "archive/%.300s", path + strlen("instances/"));
	int rc = f->os->rename(f->os->self, f->fs->hub, path, f->fs->hub, to);
	if (rc == 0)
		rc = os_sync_dir(f->os, f->fs->hub, "archive");
	if (rc == 0)
		rc = os_sync_dir(f->os, f->fs->hub, "instances");
	return sys_error(f, rc, "move to the archive", path);
}

static int write_format(struct fsck *f)
{
	struct os_stat st;
	int rc = f->os->stat(f->os->self, f->fs->hub, "FORMAT", &st);

	if (rc == 0 && st.type == OS_FILE)
		rc = sys_error(f, lost_copy(&f->lost, "FORMAT", "it was damaged"), "keep a copy of", "FORMAT");
	else if (rc == 0)
		rc = set_aside(f, "FORMAT", "it was no file");
	else
		rc = 0;
	if (rc == 0)
		rc = hub_write_format(f->fs, f->err);
	f->format_bad = f->format_bad && rc < 0;
	return rc;
}

int fsck_act(struct fsck *f, struct found *x)
{
	x->tried = true;
	switch (x->action) {
	case ACT_SET_ASIDE:
		return set_aside(f, x->operand, x->what);
	case ACT_OLDER:
		return older(f, x);
	case ACT_CUT:
		return cut(f, x);
	case ACT_CUT_TORN:
		return cut_torn(f, x);
	case ACT_REMOVE:
		return remove_it(f, x->operand);
	case ACT_MAKE_DIR:
		return make_dir(f, x);
	case ACT_ARCHIVE:
		return archive(f, x->operand);
	case ACT_CHMOD:
		return sys_error(f, f->os->chmod(f->os->self, f->fs->hub, x->operand, (unsigned)x->at), "change the mode of", x->operand);
	case ACT_FORMAT:
		return write_format(f);
	case ACT_RECOVER: /* all of them at once, before the others */
	case ACT_NONE:
		break;
	}
	return 0;
}
