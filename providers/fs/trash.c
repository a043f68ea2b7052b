/*
 * trash.c - giving back the space of what was removed.
 *
 * A directory with thousands of files takes long to remove, and nobody waits for that. What goes is moved to
 * archive/.purged/N first, which is one rename and hides it from all readers; then it is removed in small pieces by
 * maintenance jobs, beside the loop. What a stop or a crash leaves there goes after the next start.
 */
#include "fs.h"
#include "mailbox.h"
#include <errno.h>
#include <stdlib.h>

#define TRASH "archive/.purged"
#define TRASH_SLICE 256 /* entries in one job */
#define TRASH_TRIES 1000

struct trash_job {
	struct pawl_job job;
	struct fs *fs;
	uint64_t next;  /* of the trash as it was */
	bool more;
};

static int each_left(void *arg, const char *name)
{
	struct trash *t = arg;
	uint64_t n;

	t->there = true;
	if (text_parse_u64(slice_of(name), &n) == 0 && n >= t->next && n < UINT64_MAX)
		t->next = n + 1;
	return 0;
}

void trash_open(struct fs *fs)
{
	fs->trash = (struct trash){ .next = 1 };
	(void)fs->os->list(fs->os->self, fs->hub, TRASH, each_left, &fs->trash);
}

bool trash_is_there(const struct fs *fs)
{
	return fs->trash.there && !fs->trash.removing;
}

int trash_hide(struct fs *fs, const char *path)
{
	IO_BECAUSE(IO_REMOVAL);
	char to[64];
	int rc = -EEXIST;

	for (int n = 0; (rc == -EEXIST || rc == -ENOTEMPTY) && n < TRASH_TRIES; n++) {
		snprintf(to, sizeof(to), TRASH "/%llu", (unsigned long long)fs->trash.next++);
		rc = fs->os->rename(fs->os->self, fs->hub, path, fs->hub, to);
		int made = rc == -ENOENT ? fs->os->mkdir(fs->os->self, fs->hub, TRASH, HUB_DIR_MODE_PRIVATE) : -EEXIST;
		if (made != -EEXIST)
			rc = made < 0 ? made : fs->os->rename(fs->os->self, fs->hub, path, fs->hub, to);
	}
	if (rc == 0)
		fs->trash.there = true;
	if (rc == 0 || rc == -ENOENT)
		return rc;
	/* no room for the directory, perhaps: then here and now */
	return os_remove_any(fs->os, fs->hub, path);
}

static int trash_run(struct pawl_job *job)
{
	IO_BECAUSE(IO_REMOVAL);
	struct trash_job *t = (struct trash_job *)job;
	struct fs *fs = t->fs;
	unsigned left = TRASH_SLICE;
	char path[PATH_SIZE];
	struct dir_names n;
	bool some = false;

	(void)names_list(fs, TRASH, &n);
	for (size_t i = 0; i < n.count && left > 0; i++) {
		snprintf(path, sizeof(path), TRASH "/%.250s", n.items[i]);
		int rc = os_remove_some(fs->os, fs->hub, path, OS_TREE_DEPTH_MAX, &left);
		if (rc < 0)
			log_warning("cannot remove '%s/%s': %s; the next start tries again", fs->path, path, strerror(-rc));
		some = some || rc >= 0;
	}
	t->more = left == 0 && some;
	names_release(&n);
	return 0;
}

static int trash_end(struct pawl_job *job, struct pawl_error *err)
{
	struct trash_job *t = (struct trash_job *)job;

	(void)err;
	t->fs->trash.removing = false;
	t->fs->trash.there = t->more || t->fs->trash.next != t->next;
	free(t);
	return 0;
}

int trash_begin(struct fs *fs, struct pawl_job **job, struct pawl_error *err)
{
	struct trash_job *t = calloc(1, sizeof(*t));

	if (!t)
		return err_nomem(err);
	*t = (struct trash_job){ .job = { trash_run, trash_end }, .fs = fs, .next = fs->trash.next };
	fs->trash.removing = true;
	*job = &t->job;
	return 0;
}
