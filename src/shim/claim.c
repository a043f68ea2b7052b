/* claim.c - the file that says whose attempt this is and how it ended: a lock, a first part and a second. */
#include "shim/impl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPEN_FLAGS (O_RDWR | O_CREAT | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)

/* The work directory may belong to the user of the activity: no name in it is trusted, the kernel's word is. */
static int open_ours(int work, const char *name, int flags)
{
	struct stat st;
	int fd = openat(work, name, OPEN_FLAGS | flags, 0644);

	if (fd < 0)
		return -errno;
	/* What is of another user was not made by a shim, but put there to be written to. */
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 && (flags & O_EXCL || st.st_uid == geteuid()))
		return fd;
	close(fd);
	return -ELOOP;
}

int open_new(int work, const char *name)
{
	int fd = open_ours(work, name, O_EXCL);

	if (fd != -EEXIST)
		return fd;
	if (unlinkat(work, name, 0) < 0 && errno != ENOENT)
		return -errno;
	return open_ours(work, name, O_EXCL);
}

int claim_open(struct claim *c, int work)
{
	int fd = open_ours(work, SHIM_CLAIM, 0);
	struct stat st;

	if (fd == -ELOOP || fd == -ENXIO)
		fd = open_new(work, SHIM_CLAIM);
	if (fd < 0)
		return fd;
	/* The lock is the first thing: what an earlier shim may still be writing is left alone. Without its name it is the
	 * claim of an attempt that was given up before we had the lock. */
	int r = flock(fd, LOCK_EX | LOCK_NB) < 0 ? -errno : fstat(fd, &st) < 0 ? -errno : st.st_nlink ? 0 : -EBUSY;
	if (r == 0 && ftruncate(fd, 0) == 0) {
		c->fd = fd;
		return 0;
	}
	r = r == -EWOULDBLOCK ? -EBUSY : r < 0 ? r : -errno;
	close(fd);
	return r;
}

static void add_line(struct text *t, const char *name, int64_t a, int64_t b)
{
	text_add(t, name);
	text_number(t, a);
	if (b >= 0) {
		text_add(t, " ");
		text_number(t, b);
	}
	text_add(t, "\n");
}

void claim_facts(struct claim *c, uint64_t attempt)
{
	struct text t = { c->head, 0, sizeof(c->head) - 1 };
	struct stat ns = { .st_ino = 0 };
	char boot[64];

	if (read_file("/proc/sys/kernel/random/boot_id", boot, sizeof(boot)) <= 0)
		memcpy(boot, "-", 2);
	boot[strcspn(boot, "\n")] = '\0';
	if (stat("/proc/self/ns/pid", &ns) < 0)
		ns.st_ino = 0;
	add_line(&t, "attempt ", (int64_t)attempt, -1);
	text_add(&t, "boot ");
	text_add(&t, boot);
	text_add(&t, "\n");
	add_line(&t, "pidns ", (int64_t)ns.st_ino, -1);
	add_line(&t, "shim ", getpid(), start_ticks(getpid()));
	c->head[t.len] = '\0';
}

int claim_begin(struct claim *c, pid_t activity, int64_t ticks)
{
	char data[SHIM_CLAIM_BYTES];
	struct text t = { data, 0, sizeof(data) };

	text_add(&t, c->head);
	add_line(&t, "activity ", activity, ticks);
	add_line(&t, "began ", boot_ms(), -1);
	memset(data + t.len, '\n', sizeof(data) - t.len);
	int r = write_all(c->fd, data, sizeof(data), 0);
	if (r == 0)
		c->len = t.len;
	return r;
}

int claim_end(struct claim *c, const struct outcome *outcome)
{
	char data[SHIM_CLAIM_BYTES];
	struct text t = { data, 0, SHIM_CLAIM_BYTES - c->len };

	text_add(&t, "outcome ");
	text_add(&t, outcome->word);
	if (outcome->number >= 0)
		add_line(&t, " ", outcome->number, -1);
	else
		text_add(&t, "\n");
	if (outcome->message[0]) {
		text_add(&t, "message ");
		text_add(&t, outcome->message);
		text_add(&t, "\n");
	}
	add_line(&t, "output ", (int64_t)outcome->output, -1);
	if (outcome->synced)
		add_line(&t, "synced ", 1, -1);
	add_line(&t, "usage ", (int64_t)outcome->user_ms, (int64_t)outcome->system_ms);
	t.data[t.len - 1] = ' ';
	add_line(&t, "", (int64_t)outcome->rss_kib, -1);
	add_line(&t, "ended ", boot_ms(), -1);
	text_add(&t, "end\n");
	int r = write_all(c->fd, data, t.len, (off_t)c->len);
	if (r == 0 && ftruncate(c->fd, (off_t)(c->len + t.len)) < 0)
		return 0; /* blank lines after the end: they do no harm */
	return r;
}
