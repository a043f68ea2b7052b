/* queue_dir.c - directories and small files of the work queue. No path is trusted further than its last component: each
 * directory is opened from the one above it, so that a link that somebody put there leads nowhere. */
#include "queue.h"
#include <errno.h>
#include <unistd.h>
#include <stdlib.h>

const char *const place_names[PLACES] = {
	[PAWL_WORK_READY] = "ready", [PAWL_WORK_CLAIMED] = "claimed", [PAWL_WORK_DONE] = "done"
};

int dir_open(struct fs *fs, int parent, const char *name)
{
	return fs->os->open(fs->os->self, parent, name, OS_READ | OS_DIRECTORY, 0);
}

int dir_make(struct fs *fs, int parent, const char *name)
{
	int fd = dir_open(fs, parent, name);

	if (fd != -ENOENT)
		return fd;
	int rc = fs->os->mkdir(fs->os->self, parent, name, HUB_DIR_MODE);
	return rc < 0 && rc != -EEXIST ? rc : dir_open(fs, parent, name);
}

void dir_close(struct fs *fs, int fd)
{
	if (fd >= 0)
		fs->os->close(fs->os->self, fd);
}

/* The directory `name` in the open directory `parent`, which is closed. */
static int dir_step(struct fs *fs, int parent, const char *name, bool make)
{
	int fd = parent < 0 ? parent : make ? dir_make(fs, parent, name) : dir_open(fs, parent, name);

	dir_close(fs, parent);
	return fd;
}

int place_open(struct fs *fs, const char *place, bool make)
{
	int base = strcmp(place, "dead") == 0 ? fs->hub : rundir_base(fs); /* history does not know dead letters */

	if (base < 0)
		return base;
	return dir_step(fs, make ? dir_make(fs, base, "work") : dir_open(fs, base, "work"), place, make);
}

int queue_open_dir(struct fs *fs, enum pawl_work_state place, const char *queue, bool make)
{
	return dir_step(fs, place_open(fs, place_names[place], make), queue, make);
}

/* The instance must be there. */
int work_open(struct fs *fs, const struct work_target *target, bool make)
{
	char seq[24];
	int base = rundir_base(fs);
	bool apart = base != fs->hub;

	snprintf(seq, sizeof(seq), "%llu", (unsigned long long)target->seq);
	int fd = dir_step(fs, dir_open(fs, fs->hub, "instances"), target->instance, false);
	if (fd >= 0 && apart && make) { /* what an earlier configuration has left there would be taken for it */
		int work = dir_open(fs, fd, "work");
		if (work >= 0)
			(void)os_remove_any(fs->os, work, seq);
		dir_close(fs, work);
	}
	if (fd >= 0 && apart) {
		dir_close(fs, fd);
		fd = base < 0 ? base : dir_step(fs, dir_open(fs, base, "instances"), target->instance, make);
	}
	return dir_step(fs, dir_step(fs, fd, "work", make), seq, make);
}

static int write_all(struct fs *fs, int dir, const char *temp, const void *data, size_t len)
{
	const struct os *os = fs->os;
	int fd = os->open(os->self, dir, temp, OS_WRITE | OS_CREATE | OS_EXCL, HUB_FILE_MODE);

	if (fd < 0)
		return fd;
	ssize_t n = len ? os->pwrite(os->self, fd, data, len, 0) : 0;
	int rc = os->close(os->self, fd);
	return n < 0 ? (int)n : rc;
}

int file_put(struct fs *fs, int dir, const char *name, const void *data, size_t len)
{
	const struct os *os = fs->os;
	uint64_t salt;
	char temp[256];
	int rc = os->random(os->self, &salt, sizeof(salt));

	if (rc < 0)
		return rc;
	snprintf(temp, sizeof(temp), ".%.200s.%016llx.tmp", name, (unsigned long long)salt);
	rc = write_all(fs, dir, temp, data, len);
	if (rc == 0)
		rc = os->rename(os->self, dir, temp, dir, name);
	if (rc < 0)
		(void)os->unlink(os->self, dir, temp);
	return rc;
}

int file_remove(struct fs *fs, int dir, const char *name)
{
	int rc = fs->os->unlink(fs->os->self, dir, name);

	return rc == -ENOENT ? 0 : rc;
}

int file_head(struct fs *fs, int dir, const char *name, char *out, size_t size)
{
	const struct os *os = fs->os;
	struct os_stat st;
	int fd = os->open(os->self, dir, name, OS_READ | OS_NONBLOCK, 0);

	if (fd < 0)
		return fd;
	int rc = os->stat_fd(os->self, fd, &st);
	if (rc == 0 && st.type != OS_FILE)
		rc = -EINVAL;
	if (rc == 0)
		rc = (int)os->pread(os->self, fd, out, size - 1, 0);
	os->close(os->self, fd);
	out[rc > 0 ? rc : 0] = '\0';
	return rc;
}

int64_t file_time(struct fs *fs, int dir, const char *name)
{
	struct os_stat st;

	return fs->os->stat(fs->os->self, dir, name, &st) == 0 ? st.mtime_ns : 0;
}

int link_read(struct fs *fs, int dir, const char *name, struct work_target *target)
{
	char text[256];
	ssize_t n = fs->os->readlink(fs->os->self, dir, name, text, sizeof(text));

	if (n == -ENAMETOOLONG || (n >= 0 && !target_parse(text, target)))
		return -EINVAL;
	return n < 0 ? (int)n : 0;
}

/* A queue of an earlier boot may have lost any of its bytes: nothing was synced. */
bool boot_matches(struct fs *fs)
{
	char boot[OS_BOOT_ID_SIZE], text[64];
	int base = rundir_base(fs), work = base < 0 ? base : dir_open(fs, base, "work");
	int n = work < 0 ? work : file_head(fs, work, "BOOT", text, sizeof(text));

	dir_close(fs, work);
	return n >= OS_BOOT_ID_SIZE - 1 && fs->os->boot_id(fs->os->self, boot) == 0 &&
	       memcmp(text, boot, OS_BOOT_ID_SIZE - 1) == 0;
}

void ready_touch(struct fs *fs)
{
	int ready = place_open(fs, "ready", false);

	if (ready < 0)
		return;
	(void)fs->os->symlink(fs->os->self, ".", ready, ".touch");
	(void)fs->os->unlink(fs->os->self, ready, ".touch");
	dir_close(fs, ready);
}

int queue_check_writable(struct fs *fs, struct pawl_error *err)
{
	return fs->options.read_only ? err_set(err, PAWL_EROFS, "the hub '%s' was opened for reading only", fs->path)
	                             : 0;
}

/* ---- work directory ---- */

static const char *absolute_root(struct fs *fs)
{
	char *root = fs->path, cwd[4096];
	bool real = fs->os == os_linux();

	if (fs->root || root[0] == '/')
		return fs->root ? fs->root : root;
	if (real && !getcwd(cwd, sizeof(cwd)))
		return NULL;
	size_t size = strlen(root) + sizeof(cwd) + 2;
	fs->root = malloc(size);
	if (fs->root)
		snprintf(fs->root, size, "%s/%s", real ? cwd : "", root);
	return fs->root;
}

static int dir_path(const char *root, const char *instance, uint64_t seq, char *out, size_t size)
{
	if (!root)
		return PAWL_ENOMEM;
	if (!instance || !text_is_instance_id(slice_of(instance)) || seq == 0)
		return PAWL_EINVALID;
	int n = snprintf(out, size, "%s/instances/%s/work/%llu", root, instance, (unsigned long long)seq);
	return n < 0 || (size_t)n >= size ? PAWL_ETOOBIG : 0;
}

int fs_work_dir_lasting(struct pawl_provider *p, const char *instance, uint64_t seq, char *out, size_t size)
{
	return dir_path(absolute_root(fs_of(p)), instance, seq, out, size);
}

int fs_work_dir(struct pawl_provider *p, const char *instance, uint64_t seq, char *out, size_t size)
{
	struct fs *fs = fs_of(p);
	const char *run = rundir_root(fs);

	if (!run || fs_exists(fs, "instances/%s/work/%llu", instance ? instance : "", (unsigned long long)seq))
		return fs_work_dir_lasting(p, instance, seq, out, size);
	return dir_path(run, instance, seq, out, size);
}
