/* beneath.c - see beneath.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "os/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_openat2
#define SYS_openat2 437 /* the same on every architecture but alpha */
#endif
#define NO_SYMLINKS 0x04 /* RESOLVE_..., whose header may be older than the kernel */
#define BENEATH 0x08

#define HOLD (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

struct how {
	uint64_t flags, mode, resolve;
};

static int try_openat2(int dir, const char *path, int flags, mode_t mode)
{
	struct how how = { (uint64_t)(unsigned)flags, flags & O_CREAT ? mode & 07777 : 0, NO_SYMLINKS | BENEATH };
	long fd;

	do
		fd = syscall(SYS_openat2, dir, path, &how, sizeof(how));
	while (fd < 0 && errno == EINTR);
	return fd < 0 ? -errno : (int)fd;
}

static bool has_openat2;

/* A filter that does not know it says EPERM. */
static void look_for_openat2(void)
{
	int fd = try_openat2(AT_FDCWD, ".", HOLD, 0);

	has_openat2 = fd >= 0 || (fd != -ENOSYS && fd != -EPERM && fd != -EINVAL && fd != -E2BIG);
	if (fd >= 0)
		close(fd);
}

static bool by_kernel(bool stepwise)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, look_for_openat2);
	return has_openat2 && !stepwise;
}

static int open_here(int dir, const char *name, int flags, mode_t mode)
{
	int fd;

	do
		fd = openat(dir, name, flags | O_NOFOLLOW, mode);
	while (fd < 0 && errno == EINTR);
	return fd < 0 ? -errno : fd;
}

/* One component as a text of its own; false when it is longer than any name may be. */
static bool copy_name(char out[256], const char *name, size_t len)
{
	if (len > 255)
		return false;
	memcpy(out, name, len);
	out[len] = '\0';
	return true;
}

/* Opened with O_PATH a link opens as itself, so O_DIRECTORY is what refuses it. What was told apart by the kernel's own
 * walk is told apart here too: a link from a file. */
static int step_error(int dir, const char *name, int r)
{
	char target[1];

	return r == -ENOTDIR && readlinkat(dir, name, target, sizeof(target)) >= 0 ? -ELOOP : r;
}

/* The directory that is so many bytes of path away, step by step. */
static int hold_stepwise(int dir, const char *path, size_t len)
{
	int at = dir, r = 0;
	char name[256];

	for (const char *p = path, *end = path + len; p < end && r >= 0;) {
		size_t n = strcspn(p, "/");
		if (n > (size_t)(end - p))
			n = (size_t)(end - p);
		if (n) {
			r = copy_name(name, p, n) ? open_here(at, name, HOLD, 0) : -ENAMETOOLONG;
			r = step_error(at, name, r);
			if (at != dir)
				close(at);
			at = r;
		}
		p += n + (n < (size_t)(end - p));
	}
	return at == dir ? open_here(dir, ".", HOLD, 0) : at;
}

static int hold(int dir, const char *path, size_t len, bool stepwise)
{
	char text[4096];

	if (!by_kernel(stepwise))
		return hold_stepwise(dir, path, len);
	if (len >= sizeof(text))
		return -ENAMETOOLONG;
	memcpy(text, path, len);
	text[len] = '\0';
	return try_openat2(dir, text, HOLD, 0);
}

static bool has_dots(const char *path)
{
	for (const char *p = path; *p; p += strspn(p, "/")) {
		size_t n = strcspn(p, "/");
		if (n == 2 && p[0] == '.' && p[1] == '.')
			return true;
		p += n;
	}
	return false;
}

int beneath_parent(struct beneath *b, int dir, const char *path, bool stepwise)
{
	size_t len = strlen(path), at;

	*b = (struct beneath){ .dir = dir, .name = path };
	if (dir == AT_FDCWD || !strchr(path, '/'))
		return dir != AT_FDCWD && strcmp(path, "..") == 0 ? -EXDEV : 0;
	if (path[0] == '/' || has_dots(path))
		return -EXDEV;
	while (path[len - 1] == '/') /* it does not begin with one */
		len--;
	for (at = len; at > 0 && path[at - 1] != '/'; at--)
		;
	if (path[len]) { /* a slash behind a link would have it followed */
		if (!copy_name(b->last, path + at, len - at))
			return -ENAMETOOLONG;
		b->name = b->last;
	} else {
		b->name = path + at;
	}
	if (at == 0)
		return 0;
	int fd = hold(dir, path, at, stepwise);
	if (fd < 0)
		return fd;
	b->dir = fd;
	b->owned = true;
	return 0;
}

void beneath_done(struct beneath *b)
{
	if (b->owned)
		close(b->dir);
	b->owned = false;
}

int beneath_open(int dir, const char *path, int flags, mode_t mode, bool stepwise)
{
	struct beneath b;

	if (dir == AT_FDCWD || !strchr(path, '/'))
		return dir != AT_FDCWD && strcmp(path, "..") == 0 ? -EXDEV : open_here(dir, path, flags, mode);
	if (path[0] == '/' || has_dots(path))
		return -EXDEV;
	if (by_kernel(stepwise)) {
		int fd = try_openat2(dir, path, flags | O_NOFOLLOW, mode);
		return fd == -ELOOP && flags & O_DIRECTORY ? -ENOTDIR : fd;
	}
	int r = beneath_parent(&b, dir, path, true);
	if (r == 0)
		r = open_here(b.dir, b.name, b.name == b.last ? flags | O_DIRECTORY : flags, mode);
	beneath_done(&b);
	return r == -ELOOP && flags & O_DIRECTORY ? -ENOTDIR : r;
}
