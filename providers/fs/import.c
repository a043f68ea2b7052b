/*
 * import.c - an instance from somewhere else.
 *
 *	the journal is checkpointed  ->  all files in a hidden directory, synced  ->  one rename  ->  both parents synced
 *
 * The journal may know an earlier life of the id: its lines, or that it was purged. The next recovery would apply that to
 * the new one (a purge removes what is in the archive). So before the new one is there, nothing in the journal counts any
 * more, and the disk has been told so. Until the rename there is only a directory that nobody looks at; recovery removes it.
 */
#include "fs.h"
#include <errno.h>

#define STAGE_TREE_DEPTH 2

static int check_names(const struct pawl_import *in, struct pawl_error *err)
{
	if (in->history_count == 0)
		return err_set(err, PAWL_EINVALID, "instance '%s' cannot be imported without a history", in->instance);
	for (size_t i = 0; i < in->history_count; i++)
		if (in->histories[i].len == 0)
			return err_set(err, PAWL_EINVALID, "instance '%s' cannot be imported: history %zu is empty",
				in->instance, i + 1);
	for (size_t i = 0; i < in->spill_count; i++) {
		const char *name = in->spills[i].name;
		if (!text_is_version(slice_of(name)) || name[0] == '.')
			return err_set(err, PAWL_EINVALID, "payload file name '%.80s' is not valid", name ? name : "");
	}
	return 0;
}

static int check_free(struct fs *fs, const char *id, struct pawl_error *err)
{
	int live = fs_look(fs, err, "instances/%s", id), archived = live == 0 ? fs_look(fs, err, "archive/%s", id) : 0;

	if (live < 0 || archived < 0)
		return live < 0 ? live : archived;
	return live || archived ? err_set(err, PAWL_EEXISTS, "instance '%s' exists already%s", id,
		archived ? " (it has ended; purge it first)" : "") : 0;
}

static int settle(struct fs *fs, const char *id, struct pawl_error *err)
{
	int rc = instance_settle_purge(fs, id, err);

	if (rc < 0 || fs->import_lsn == fs->journal.next_lsn)
		return rc;
	rc = fs_checkpoint_now(fs, err);
	if (rc == 0)
		rc = journal_tell_checkpoint(&fs->journal, err);
	if (rc == 0)
		fs->import_lsn = fs->journal.next_lsn;
	return rc;
}

static int write_file(struct fs *fs, const char *stage, const char *name, const void *data, size_t len, struct pawl_error *err)
{
	const struct os *os = fs->os;
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "%.300s/%.80s", stage, name);
	int fd = os->open(os->self, fs->hub, path, OS_WRITE | OS_CREATE | OS_EXCL, HUB_FILE_MODE);
	int rc = fd < 0 ? fd : 0;
	if (rc == 0 && len)
		rc = (int)os->pwrite(os->self, fd, data, len, 0);
	if (rc >= 0)
		rc = os->sync_data(os->self, fd);
	if (fd >= 0)
		os->close(os->self, fd);
	return rc < 0 ? err_sys(err, -rc, "cannot write '%s'", path) : 0;
}

static int make_stage(struct fs *fs, const char *stage, bool live, struct pawl_error *err)
{
	const struct os *os = fs->os;
	char path[PATH_SIZE];
	int rc = os_remove_tree(os, fs->hub, stage, STAGE_TREE_DEPTH);

	if (rc == 0 || rc == -ENOENT)
		rc = access_mkdir(fs, stage, PLACE_PASS);
	snprintf(path, sizeof(path), "%.300s/events", stage);
	if (rc == 0 && live)
		rc = access_mkdir(fs, path, PLACE_DROPS);
	return rc < 0 ? err_sys(err, -rc, "cannot make directory '%s'", stage) : 0;
}

static int fill_stage(struct fs *fs, const char *stage, const struct pawl_import *in, struct pawl_error *err)
{
	char name[40];
	int rc = make_stage(fs, stage, !in->ended, err);

	for (size_t i = 0; rc == 0 && i < in->history_count; i++) {
		snprintf(name, sizeof(name), "%zu.history", i + 1);
		rc = write_file(fs, stage, name, in->histories[i].data, in->histories[i].len, err);
	}
	for (size_t i = 0; rc == 0 && i < in->spill_count; i++)
		rc = write_file(fs, stage, in->spills[i].name, in->spills[i].data, in->spills[i].len, err);
	if (rc < 0)
		return rc;
	rc = os_sync_dir(fs->os, fs->hub, stage);
	return rc < 0 ? err_sys(err, -rc, "cannot sync directory '%s'", stage) : 0;
}

/* The rename is where it exists; a `pawl start` of the same id that came in between has a directory with something in it. */
static int place(struct fs *fs, const char *stage, const char *id, bool ended, struct pawl_error *err)
{
	const char *home = ended ? "archive" : "instances";
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "%s/%s", home, id);
	int rc = fs->os->rename(fs->os->self, fs->hub, stage, fs->hub, path);
	if (rc == -ENOTEMPTY || rc == -EEXIST)
		return err_set(err, PAWL_EEXISTS, "instance '%s' exists already", id);
	if (rc < 0)
		return err_sys(err, -rc, "cannot move '%s' to '%s'", stage, path);
	histories_forget_instance(fs, id);
	fs->instances_changed = true;
	fs->archive_changed = fs->archive_changed || ended;
	rc = os_sync_dir(fs->os, fs->hub, home);
	if (rc == 0 && ended)
		rc = os_sync_dir(fs->os, fs->hub, "instances");
	return rc < 0 ? err_sys(err, -rc, "cannot sync directory '%s': '%s' is there, but may be gone after a power cut", home, id) : 0;
}

int fs_import(struct pawl_provider *p, const struct pawl_import *in, struct pawl_error *err)
{
	struct fs *fs = fs_of(p);
	char stage[PATH_SIZE];
	int rc = fs_check_id(in->instance, err);

	if (rc == 0)
		rc = hub_check_fence(fs, err);
	if (rc == 0 && (fs->committing || fs->checkpointing))
		rc = err_set(err, PAWL_EBUSY, "cannot import '%s' while a commit is under way", in->instance);
	if (rc == 0)
		rc = check_names(in, err);
	if (rc == 0)
		rc = check_free(fs, in->instance, err);
	if (rc == 0)
		rc = settle(fs, in->instance, err);
	if (rc < 0)
		return rc;
	snprintf(stage, sizeof(stage), "instances/.import-%s", in->instance);
	rc = fill_stage(fs, stage, in, err);
	if (rc == 0)
		rc = place(fs, stage, in->instance, in->ended, err);
	if (rc < 0)
		(void)os_remove_tree(fs->os, fs->hub, stage, STAGE_TREE_DEPTH);
	return rc;
}
