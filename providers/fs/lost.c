/*
 * lost.c - HUB/lost+found: what a repair, or the recovery from a damaged journal, would otherwise take away.
 *
 *	lost+found/20261121T224103Z/instances/x/1.history    under the path that it had
 *	lost+found/log                                       a line for each: time, path, why
 *
 * What is here is on the disk, with its name, before anything is changed in the place where it was. Nobody reads it, and
 * nobody removes it but a person.
 */
#include "fs.h"
#include <errno.h>
#include <stdlib.h>

#define LOST "lost+found"
#define COPY_BYTES (64u << 10)
#define TRIES 1000

/* Made, and on the disk. */
static int make_dir(struct lost *l, const char *path)
{
	const struct os *os = l->fs->os;
	char above[PATH_SIZE];
	const char *slash = strrchr(path, '/');
	int rc = os->mkdir(os->self, l->fs->hub, path, 0700);

	if (rc < 0)
		return rc;
	snprintf(above, sizeof(above), "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
	return os_sync_dir(os, l->fs->hub, above);
}

/* One directory for all that is kept at a time. */
static int open_dir(struct lost *l)
{
	char now[TEXT_TIME_SIZE];
	int rc = l->made ? 0 : make_dir(l, LOST);

	if (rc < 0 && rc != -EEXIST)
		return rc;
	if (!l->made && l->dir[0]) {
		rc = make_dir(l, l->dir);
		l->made = rc == 0 || rc == -EEXIST;
	}
	if (l->made || l->dir[0])
		return l->made ? 0 : rc;
	text_time(now, l->fs->os->real_ns(l->fs->os->self));
	for (unsigned n = 0; n < TRIES; n++) {
		/* 2026-11-21T12:41:00.123456Z -> 20261121T124100Z */
		snprintf(l->dir, sizeof(l->dir), LOST "/%.4s%.2s%.2sT%.2s%.2s%.2sZ", now, now + 5, now + 8, now + 11, now + 14, now + 17);
		if (n)
			snprintf(l->dir + strlen(l->dir), sizeof(l->dir) - strlen(l->dir), "-%u", n);
		rc = make_dir(l, l->dir);
		if (rc != -EEXIST)
			break;
	}
	if (rc < 0)
		l->dir[0] = '\0';
	l->made = rc == 0;
	return rc;
}

/* Where `path` goes, with all directories above it. */
static int find_place(struct lost *l, const char *path, char *to)
{
	struct os_stat st;
	int rc = open_dir(l);
	size_t at = strlen(l->dir);

	if (rc == 0 && (size_t)snprintf(to, PATH_SIZE - 8, "%s/%s", l->dir, path) >= PATH_SIZE - 8)
		rc = -ENAMETOOLONG;
	for (char *slash = rc == 0 ? strchr(to + at + 1, '/') : NULL; slash && rc == 0; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		rc = make_dir(l, to);
		rc = rc == -EEXIST ? 0 : rc;
		*slash = '/';
	}
	size_t len = rc == 0 ? strlen(to) : 0;
	for (unsigned n = 1; rc == 0 && n < TRIES && l->fs->os->stat(l->fs->os->self, l->fs->hub, to, &st) == 0; n++)
		snprintf(to + len, 8, ".%u", n);
	return rc;
}

/* The line comes last: a power cut before it leaves the thing itself, which says most. */
static int tell(struct lost *l, const char *to, const char *why)
{
	const struct os *os = l->fs->os;
	struct buf line = BUF_INIT;
	struct os_stat st;
	char now[TEXT_TIME_SIZE];
	int fd = os->open(os->self, l->fs->hub, LOST "/log", OS_READ | OS_WRITE | OS_CREATE, 0600), rc = fd < 0 ? fd : 0;

	text_time(now, os->real_ns(os->self));
	buf_addf(&line, "%s\t%s\t%s\n", now, to, why);
	if (rc == 0)
		rc = os->stat_fd(os->self, fd, &st);
	if (rc == 0)
		rc = buf_ok(&line) ? (int)os->pwrite(os->self, fd, line.data, line.len, st.size) : -ENOMEM;
	if (rc >= 0)
		rc = os->sync(os->self, fd);
	if (fd >= 0)
		os->close(os->self, fd);
	buf_release(&line);
	return rc < 0 ? rc : os_sync_dir(os, l->fs->hub, LOST);
}

static int sync_above(struct lost *l, const char *path)
{
	char above[PATH_SIZE];
	const char *slash = strrchr(path, '/');

	snprintf(above, sizeof(above), "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
	return os_sync_dir(l->fs->os, l->fs->hub, above);
}

static int copy(const struct os *os, int from, int to)
{
	char *part = malloc(COPY_BYTES);
	ssize_t n = part ? 1 : -ENOMEM;

	for (uint64_t at = 0; n > 0; at += (uint64_t)n) {
		n = os->pread(os->self, from, part, COPY_BYTES, at);
		if (n > 0) {
			ssize_t written = os->pwrite(os->self, to, part, (size_t)n, at);
			n = written < 0 ? written : n;
		}
	}
	free(part);
	return n < 0 ? (int)n : os->sync(os->self, to);
}

int lost_copy(struct lost *l, const char *path, const char *why)
{
	const struct os *os = l->fs->os;
	char place[PATH_SIZE];
	int rc = find_place(l, path, place), to = -1;
	int from = rc < 0 ? rc : os->open(os->self, l->fs->hub, path, OS_READ | OS_NONBLOCK, 0);

	if (from >= 0)
		to = os->open(os->self, l->fs->hub, place, OS_READ | OS_WRITE | OS_CREATE | OS_EXCL, 0600);
	rc = from < 0 ? from : to < 0 ? to : copy(os, from, to);
	if (to >= 0)
		os->close(os->self, to);
	if (from >= 0)
		os->close(os->self, from);
	if (rc == 0)
		rc = sync_above(l, place);
	return rc < 0 ? rc : tell(l, place, why);
}

int lost_move(struct lost *l, const char *path, const char *why)
{
	const struct os *os = l->fs->os;
	char place[PATH_SIZE];
	int rc = find_place(l, path, place);

	if (rc == 0)
		rc = os->rename(os->self, l->fs->hub, path, l->fs->hub, place);
	if (rc == 0)
		rc = sync_above(l, place);
	if (rc == 0)
		rc = sync_above(l, path);
	return rc < 0 ? rc : tell(l, place, why);
}
