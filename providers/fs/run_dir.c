/*
 * run_dir.c - where the work queue and the work directories are: in the hub, or in a directory that a reboot may empty
 * (`run_dir`: tmpfs), as history can rebuild them (I4).
 *
 *	HUB/RUN                          one line: the path of the directory below
 *	RUN_DIR/pawl-HUBID/work/         ready, claimed, done, sessions, BOOT; dead letters stay in HUB/work/dead
 *	RUN_DIR/pawl-HUBID/instances/ID/work/SEQ
 *
 * The same layout as in the hub, so links of the queue are the same text. A work directory that is in the hub stays there:
 * it was made before run_dir was set, or has a result that must survive a power cut (sync: true).
 *
 * RUN is written by the owner. Who reads it believes it as far as the directory is the hub's user's, and nobody else may
 * write to it: an entry in /run or /tmp that somebody made first is none of ours.
 */
#include "mailbox.h"
#include "queue.h"
#include <errno.h>
#include <stdlib.h>

#define POINTER "RUN"
#define RUN_PATH_MAX 1000

static bool is_ours(struct fs *fs, int fd)
{
	struct os_stat dir, hub;

	return fs->os->stat_fd(fs->os->self, fd, &dir) == 0 && fs->os->stat_fd(fs->os->self, fs->hub, &hub) == 0 && (dir.uid == hub.uid || dir.uid == 0) &&
	       !(dir.mode & 022) && dir.nlink > 0;
}

static void run_close(struct fs *fs)
{
	if (fs->run >= 0)
		fs->os->close(fs->os->self, fs->run);
	free(fs->run_path);
	fs->run = -1;
	fs->run_path = NULL;
}

/* What RUN says: malloc'd, NULL when there is none. Also which RUN that was. */
static char *pointer_read(struct fs *fs)
{
	char *text = NULL;
	size_t len;

	if (fs->os->stat(fs->os->self, fs->hub, POINTER, &fs->run_pointer) < 0) {
		fs->run_pointer = (struct os_stat){ .ino = 0 };
		return NULL;
	}
	if (os_read_file(fs->os, fs->hub, POINTER, RUN_PATH_MAX, &text, &len) < 0)
		return NULL;
	text[strcspn(text, "\n")] = '\0';
	if (text[0] == '/')
		return text;
	free(text);
	return NULL;
}

/* The last name is ours to make, so it is no link; those above it are an administrator's. */
static int open_apart(struct fs *fs, char *path)
{
	char *slash = strrchr(path, '/');

	*slash = '\0';
	int above = fs->os->open_root(fs->os->self, slash == path ? "/" : path);
	*slash = '/';
	int fd = above < 0 ? above : dir_open(fs, above, slash + 1);
	dir_close(fs, above);
	return fd;
}

/* 0, -errno; -EPERM: it is not ours. path is taken over. */
static int run_use(struct fs *fs, char *path)
{
	run_close(fs);
	fs->run_path = path;
	fs->run = open_apart(fs, path);
	if (fs->run < 0 || is_ours(fs, fs->run))
		return fs->run < 0 ? fs->run : 0;
	fs->os->close(fs->os->self, fs->run);
	return fs->run = -EPERM;
}

/* Readers and workers: the runtime may have come, or the device have been booted, since the last look. */
static void run_refresh(struct fs *fs)
{
	struct os_stat now = { .ino = 0 }, dir;

	if (fs->os->stat(fs->os->self, fs->hub, POINTER, &now) < 0)
		now = (struct os_stat){ .ino = 0 };
	bool same = now.ino == fs->run_pointer.ino && now.ctime_ns == fs->run_pointer.ctime_ns;
	if (same && (!fs->run_path || (fs->run >= 0 && fs->os->stat_fd(fs->os->self, fs->run, &dir) == 0 && dir.nlink > 0)))
		return;
	run_close(fs);
	char *path = pointer_read(fs);
	if (path)
		(void)run_use(fs, path);
	if (fs->queue)
		fs->queue->boot_known = false;
}

int rundir_base(struct fs *fs)
{
	if (!fs->owner)
		run_refresh(fs);
	return fs->run_path ? fs->run : fs->hub;
}

const char *rundir_root(struct fs *fs)
{
	(void)rundir_base(fs);
	return fs->run_path;
}

void rundir_release(struct fs *fs)
{
	run_close(fs);
}

/* ---- the owner ---- */

static int run_make(struct fs *fs, char *path, struct pawl_error *err)
{
	const struct os *os = fs->os;
	int base = os->open_root(os->self, fs->options.run_dir);

	if (base < 0) {
		free(path);
		/* that it is not there is no PAWL_ENOTFOUND, which is about what was asked for */
		return err_set(err, PAWL_EINVALID,
			"cannot use run_dir '%s': %s; let tmpfiles, RuntimeDirectory= or the init script make it before pawl starts", fs->options.run_dir, strerror(-base));
	}
	int rc = os->mkdir(os->self, base, strrchr(path, '/') + 1, HUB_DIR_MODE);
	os->close(os->self, base);
	if (rc < 0 && rc != -EEXIST) {
		rc = err_sys(err, -rc, "cannot make '%s', which run_dir asks for", path);
		free(path);
		return rc;
	}
	rc = run_use(fs, path);
	if (rc == -EPERM)
		return err_set(err, PAWL_EPERM, "cannot use '%s', which run_dir asks for: it is another user's, or others may write there; remove it", path);
	if (rc == 0)
		rc = os->mkdir(os->self, fs->run, "instances", HUB_DIR_MODE);
	return rc < 0 && rc != -EEXIST ? err_sys(err, -rc, "cannot use '%s', which run_dir asks for", path) : 0;
}

static int pointer_write(struct fs *fs, struct pawl_error *err)
{
	struct buf line = BUF_INIT;
	char *now = pointer_read(fs);
	int rc = 0;

	if (!now || strcmp(now, fs->run_path) != 0) {
		buf_addf(&line, "%s\n", fs->run_path);
		rc = buf_ok(&line) ? os_replace_file(fs->os, fs->hub, POINTER, line.data, line.len, 0644, true) : -ENOMEM;
	}
	buf_release(&line);
	free(now);
	return rc < 0 ? err_sys(err, -rc, "cannot write '%s/" POINTER "'", fs->path) : 0;
}

/* What is in the hub of an earlier configuration: workers find it gone, and it is offered again. */
static void drop_hub_queue(struct fs *fs)
{
	static const char *const names[] = { "work/BOOT", "work/ready", "work/claimed", "work/done", "work/sessions" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		(void)os_remove_any(fs->os, fs->hub, names[i]);
}

static void drop_unknown(struct fs *fs)
{
	struct dir_names n;
	char path[PATH_SIZE];
	int dir = dir_open(fs, fs->run, "instances");

	if (dir < 0)
		return;
	if (names_list_at(fs, dir, ".", &n) == 0) {
		for (size_t i = 0; i < n.count; i++) {
			snprintf(path, sizeof(path), "instances/%.400s", n.items[i]);
			if (!fs_is_dir(fs, path))
				(void)os_remove_any(fs->os, dir, n.items[i]);
		}
		names_release(&n);
	}
	dir_close(fs, dir);
}

/* In this boot something may still run that was begun under another run_dir: then that stays in use until the next boot. */
static bool stays(struct fs *fs, const char *wanted, char *pointed)
{
	if (!pointed || (wanted && strcmp(wanted, pointed) == 0) || run_use(fs, pointed) < 0 || !boot_matches(fs)) {
		if (fs->run_path == pointed)
			run_close(fs);
		else
			free(pointed);
		return false;
	}
	log_notice("'%s' stays in use until the next boot: what was begun has its files there (run_dir)", fs->run_path);
	return true;
}

static char *wanted_path(const struct fs *fs)
{
	const char *dir = fs->options.run_dir;
	size_t size = strlen(dir) + 64;
	char *path = malloc(size), hex[33];

	for (unsigned i = 0; i < 16; i++)
		snprintf(hex + 2 * i, 3, "%02x", fs->journal.hub_id[i]);
	if (path)
		snprintf(path, size, "%s/pawl-%s", dir, hex);
	return path;
}

int rundir_open(struct fs *fs, struct pawl_error *err)
{
	IO_BECAUSE(IO_OWNER);
	char *wanted = fs->options.run_dir ? wanted_path(fs) : NULL, *pointed = pointer_read(fs);
	int rc = 0;

	if (fs->options.run_dir && !wanted) {
		free(pointed);
		return err_nomem(err);
	}
	if (stays(fs, wanted, pointed)) {
		free(wanted);
		return 0;
	}
	if (!wanted) {
		rc = fs->run_pointer.ino ? fs->os->unlink(fs->os->self, fs->hub, POINTER) : 0;
		return rc < 0 && rc != -ENOENT ? err_sys(err, -rc, "cannot remove '%s/" POINTER "'", fs->path) : 0;
	}
	rc = run_make(fs, wanted, err);
	if (rc == 0)
		rc = pointer_write(fs, err);
	if (rc < 0)
		return rc;
	drop_hub_queue(fs);
	drop_unknown(fs);
	return 0;
}

/* The instance has ended: what its activities have left goes. */
void rundir_forget(struct fs *fs, const char *id)
{
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "instances/%s", id);
	if (fs->run_path && fs->run >= 0)
		(void)os_remove_any(fs->os, fs->run, path);
}
