/*
 * reader.c - what the journal tells one who is not the owner, and how much of it he may believe.
 */
#include "fs.h"
#include <errno.h>
#include <stdlib.h>

#define OVERLAY_FRESH_NS 50000000 /* a reader reads the journal again after so long */

static const struct segment *newest_segment(const struct journal *j)
{
	const struct segment *newest = NULL;

	for (unsigned i = 0; i < SEGMENTS_MAX; i++) {
		const struct segment *s = &j->segments[i];
		if (s->state == SEGMENT_NONE || s->last_lsn == 0)
			continue;
		if (!newest || s->last_lsn > newest->last_lsn || (s->last_lsn == newest->last_lsn && s->generation > newest->generation))
			newest = s;
	}
	return newest;
}

/* Nobody says if the newest frame is on the disk. Our own sync does, unless one that failed came before it: the kernel tells
 * that once, and not to who opens the file later. */
static int sync_newest(struct fs *fs, const struct segment *newest, struct pawl_error *err)
{
	struct os_fs_info info = { .read_only = false };
	bool doubt, used = hub_was_used_in_this_boot(fs, &doubt);
	int rc = fs->os->sync_data(fs->os->self, newest->fd);

	(void)fs->os->fs_info(fs->os->self, fs->hub, &info);
	bool read_only = rc == -EROFS || rc == -EINVAL || info.read_only; /* nobody writes there, unless it has become so by an error */
	if (used && read_only)
		return err_sys(err, rc < 0 ? -rc : EROFS, "the file system of '%s' has turned read-only under a runtime, and its newest commit may not be on the disk: see the kernel's log, then reboot or remount it", fs->path);
	if (doubt)
		return err_sys(err, EIO, "storage failed under the last runtime of '%s', and its newest commit may not be on the disk: start the runtime again, which sees to that", fs->path);
	if (rc < 0 && !read_only)
		return err_sys(err, -rc, "cannot sync 'journal/%u.segment', and what is not on the disk is not told: try again", newest->number);
	return 0;
}

/*
 * The newest frame may be in the page cache only: its owner is at syncing it, or has failed to. Who reads it here tells others,
 * so it has to be on the disk first (I1), or it is left out. All before it are: a frame is not written before the one in front
 * of it is synced. The order of the two looks counts: who has no mark on it and is there to serve after that has synced it.
 */
static int confirm_newest(struct fs *fs, const struct journal *j, struct journal_text *t, struct pawl_error *err)
{
	const struct segment *newest = newest_segment(j);

	if (!newest || (newest->last_lsn == fs->shown_lsn && newest->generation == fs->shown_generation))
		return 0;
	if (fs->os->marked(fs->os->self, newest->fd, newest->last_lsn) == 1) {
		journal_text_cut(t, newest->last_lsn);
		return 0;
	}
	int rc = hub_is_served(fs) ? 0 : sync_newest(fs, newest, err);
	if (rc < 0)
		return rc;
	fs->shown_lsn = newest->last_lsn;
	fs->shown_generation = newest->generation;
	return 0;
}

static int load_overlay(struct fs *fs, struct journal *j, struct pawl_error *err)
{
	struct journal_text t;
	int rc = journal_read(j, &t, err);

	if (rc == 0)
		rc = overlay_refuse_foreign(j, &t, err);
	if (rc == 0)
		rc = confirm_newest(fs, j, &t, err);
	if (rc == 0)
		rc = overlay_build(&fs->overlay, &t, err);
	journal_text_release(&t);
	return rc;
}

int reader_overlay(struct fs *fs, struct overlay **out, struct pawl_error *err)
{
	int64_t now = fs->os->boot_ns(fs->os->self);

	*out = &fs->overlay;
	if (fs->overlay_ns && now - fs->overlay_ns < OVERLAY_FRESH_NS)
		return 0;
	struct journal *j = calloc(1, sizeof(*j));
	if (!j)
		return err_nomem(err);
	*j = (struct journal){ .os = fs->os, .hub = fs->hub };
	memcpy(j->hub_id, fs->journal.hub_id, sizeof(j->hub_id));
	if (fs->overlay_ns)
		overlay_release(&fs->overlay);
	fs->overlay_ns = 0;
	int rc = journal_open(j, false, err);
	if (rc == 0) {
		rc = load_overlay(fs, j, err);
		journal_close(j);
	}
	free(j);
	if (rc == 0)
		fs->overlay_ns = now ? now : 1;
	return rc;
}
