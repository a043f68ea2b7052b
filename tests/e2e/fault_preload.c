/*
 * fault_preload.c - for LD_PRELOAD: the n-th call of a kind fails, in the real program on the real kernel.
 *
 *	PAWL_FAULT=CALL:ERRNO:N[+][:PART]   the n-th, + all from there on, of those whose path or name contains PART
 *	PAWL_FAULT=short:SEED               reads and writes stop early and calls are interrupted, drawn from a seed
 *	PAWL_FAULT_TOLD=FILE                each call that has failed is a line in it
 *	PAWL_FAULT_HEALED=FILE              once this is there, nothing fails any more
 *
 * CALL: open read write sync close rename mkdir unlink truncate list lock malloc fork thread watch epoll. What is written to
 * standard error never fails: it is what the test reads. Programs that this one starts are left alone.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct {
	char call[16], part[128], told[512], healed[512];
	int error;
	unsigned nth;
	bool on, forever, is_short;
} fault;
static atomic_uint calls, seed;
static _Thread_local bool inside;

static const struct { const char *name; int error; } names[] = {
	{ "EIO", EIO }, { "ENOSPC", ENOSPC }, { "EDQUOT", EDQUOT }, { "EROFS", EROFS }, { "EMFILE", EMFILE }, { "ENFILE", ENFILE },
	{ "ENOMEM", ENOMEM }, { "EAGAIN", EAGAIN }, { "EACCES", EACCES }, { "ENOLCK", ENOLCK },
};

static void copy(char *to, size_t size, const char *from, size_t len)
{
	len = len < size ? len : size - 1;
	memcpy(to, from, len);
	to[len] = '\0';
}

static void read_fault(const char *text)
{
	const char *error = strchr(text, ':'), *n = error ? strchr(error + 1, ':') : NULL;
	char *end;

	if (strncmp(text, "short:", 6) == 0) {
		fault.is_short = true;
		atomic_store(&seed, (unsigned)strtoul(text + 6, NULL, 10));
		return;
	}
	if (!n)
		return;
	copy(fault.call, sizeof(fault.call), text, (size_t)(error - text));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncmp(error + 1, names[i].name, (size_t)(n - error - 1)) == 0 && strlen(names[i].name) == (size_t)(n - error - 1))
			fault.error = names[i].error;
	fault.nth = (unsigned)strtoul(n + 1, &end, 10);
	fault.forever = *end == '+';
	end += fault.forever;
	if (*end == ':')
		copy(fault.part, sizeof(fault.part), end + 1, strlen(end + 1));
	fault.on = fault.error && fault.nth;
}

__attribute__((constructor)) static void begin(void)
{
	const char *text = getenv("PAWL_FAULT"), *told = getenv("PAWL_FAULT_TOLD"), *healed = getenv("PAWL_FAULT_HEALED");

	inside = true;
	copy(fault.told, sizeof(fault.told), told ? told : "", told ? strlen(told) : 0);
	copy(fault.healed, sizeof(fault.healed), healed ? healed : "", healed ? strlen(healed) : 0);
	unsetenv("LD_PRELOAD");
	if (text)
		read_fault(text);
	inside = false;
}

static void tell(const char *call, const char *what)
{
	char line[700];
	int n = snprintf(line, sizeof(line), "%s %s\n", call, what);
	long fd = fault.told[0] ? syscall(SYS_openat, AT_FDCWD, fault.told, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644) : -1;

	if (fd < 0)
		return;
	(void)!syscall(SYS_write, fd, line, (size_t)n);
	syscall(SYS_close, fd);
}

static bool is_healed(void)
{
	return fault.healed[0] && syscall(SYS_faccessat, AT_FDCWD, fault.healed, F_OK, 0) == 0;
}

static void name_of_fd(int fd, char *out, size_t size)
{
	char link[40];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	long n = syscall(SYS_readlinkat, AT_FDCWD, link, out, size - 1);
	out[n > 0 ? n : 0] = '\0';
}

/* True: this one fails, and errno says why. fd < 0: there is none; path: relative to it, or NULL. */
static bool fails(const char *call, int fd, const char *path)
{
	char what[600] = "";

	if (!fault.on || inside || strcmp(call, fault.call) != 0)
		return false;
	inside = true;
	if (fd >= 0 && (!path || path[0] != '/'))
		name_of_fd(fd, what, sizeof(what));
	size_t len = strlen(what);
	if (path)
		snprintf(what + len, sizeof(what) - len, "%s%s", len ? "/" : "", path);
	bool counts = !fault.part[0] || strstr(what, fault.part);
	unsigned n = counts ? 1 + atomic_fetch_add(&calls, 1) : 0;
	bool now = counts && (fault.forever ? n >= fault.nth : n == fault.nth) && !is_healed();
	if (now)
		tell(call, what);
	inside = false;
	if (now)
		errno = fault.error;
	return now;
}

/* One in so many. */
static bool drawn(unsigned one_in)
{
	if (!fault.is_short)
		return false;
	unsigned x = atomic_fetch_add(&seed, 2654435761u) * 2246822519u;

	x ^= x >> 15;
	return x % one_in == 0;
}

static bool interrupted(void)
{
	if (!drawn(4))
		return false;
	errno = EINTR;
	return true;
}

static size_t shorter(size_t len)
{
	return len > 1 && drawn(2) ? 1 + len / 3 : len;
}

#define REAL(type, name, ...)                                        \
	static type (*real)(__VA_ARGS__);                            \
	if (!real)                                                   \
		*(void **)&real = dlsym(RTLD_NEXT, #name)

/* ---- opening ---- */

static mode_t mode_of(int flags, va_list args)
{
	return flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(args, mode_t) : 0;
}

#define OPEN(name)                                                                  \
	int name(const char *path, int flags, ...)                                  \
	{                                                                           \
		va_list args;                                                       \
		REAL(int, name, const char *, int, ...);                            \
		va_start(args, flags);                                              \
		mode_t mode = mode_of(flags, args);                                 \
		va_end(args);                                                       \
		if (fails("open", -1, path) || interrupted())                       \
			return -1;                                                  \
		return real(path, flags, mode);                                     \
	}
#define OPENAT(name)                                                                \
	int name(int dir, const char *path, int flags, ...)                         \
	{                                                                           \
		va_list args;                                                       \
		REAL(int, name, int, const char *, int, ...);                       \
		va_start(args, flags);                                              \
		mode_t mode = mode_of(flags, args);                                 \
		va_end(args);                                                       \
		if (fails("open", dir, path) || (!(flags & O_PATH) && interrupted())) \
			return -1;                                                  \
		return real(dir, path, flags, mode);                                \
	}
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

int close(int fd)
{
	REAL(int, close, int);
	bool bad = fd > 2 && fails("close", fd, NULL);
	int error = errno, rc = real(fd); /* it is closed all the same */

	if (bad)
		errno = error;
	return bad ? -1 : rc;
}

/* ---- bytes ---- */

ssize_t read(int fd, void *data, size_t len)
{
	REAL(ssize_t, read, int, void *, size_t);
	return fails("read", fd, NULL) || (fd > 2 && interrupted()) ? -1 : real(fd, data, len);
}

ssize_t write(int fd, const void *data, size_t len)
{
	REAL(ssize_t, write, int, const void *, size_t);
	if (fd != 2 && fails("write", fd, NULL))
		return -1;
	return real(fd, data, len);
}

#define PREAD(name, off)                                                                               \
	ssize_t name(int fd, void *data, size_t len, off at)                                           \
	{                                                                                              \
		REAL(ssize_t, name, int, void *, size_t, off);                                         \
		return fails("read", fd, NULL) || interrupted() ? -1 : real(fd, data, shorter(len), at); \
	}
#define PWRITE(name, off)                                                                              \
	ssize_t name(int fd, const void *data, size_t len, off at)                                     \
	{                                                                                              \
		REAL(ssize_t, name, int, const void *, size_t, off);                                   \
		return fails("write", fd, NULL) || interrupted() ? -1 : real(fd, data, shorter(len), at); \
	}
PREAD(pread, off_t)
PREAD(pread64, off64_t)
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

/* ---- one descriptor ---- */

#define OF_FD(name, call, stops, params, ...)                                           \
	int name params                                                                 \
	{                                                                               \
		REAL(int, name, int, ...);                                              \
		return fails(call, fd, NULL) || (stops && interrupted()) ? -1 : real(__VA_ARGS__); \
	}
OF_FD(fsync, "sync", true, (int fd), fd)
OF_FD(fdatasync, "sync", true, (int fd), fd)
OF_FD(syncfs, "sync", true, (int fd), fd)
OF_FD(flock, "lock", true, (int fd, int how), fd, how)

#define RESIZE(name, off)                                                               \
	int name(int fd, off size)                                                      \
	{                                                                               \
		REAL(int, name, int, off);                                              \
		return fails("truncate", fd, NULL) || interrupted() ? -1 : real(fd, size); \
	}
RESIZE(ftruncate, off_t)
RESIZE(ftruncate64, off64_t)

#define ALLOCATE(name, off)                                                             \
	int name(int fd, int how, off at, off size)                                     \
	{                                                                               \
		REAL(int, name, int, int, off, off);                                    \
		return fails("truncate", fd, NULL) || interrupted() ? -1 : real(fd, how, at, size); \
	}
ALLOCATE(fallocate, off_t)
ALLOCATE(fallocate64, off64_t)

/* ---- names ---- */

int renameat(int from, const char *a, int to, const char *b)
{
	REAL(int, renameat, int, const char *, int, const char *);
	return fails("rename", from, a) ? -1 : real(from, a, to, b);
}

int mkdirat(int dir, const char *path, mode_t mode)
{
	REAL(int, mkdirat, int, const char *, mode_t);
	return fails("mkdir", dir, path) ? -1 : real(dir, path, mode);
}

int unlinkat(int dir, const char *path, int flags)
{
	REAL(int, unlinkat, int, const char *, int);
	return fails("unlink", dir, path) ? -1 : real(dir, path, flags);
}

struct dirent *readdir(DIR *d)
{
	REAL(struct dirent *, readdir, DIR *);
	return fails("list", dirfd(d), NULL) ? NULL : real(d);
}

struct dirent64 *readdir64(DIR *d)
{
	REAL(struct dirent64 *, readdir64, DIR *);
	return fails("list", dirfd(d), NULL) ? NULL : real(d);
}

int inotify_add_watch(int fd, const char *path, uint32_t mask)
{
	REAL(int, inotify_add_watch, int, const char *, uint32_t);
	return fails("watch", -1, path) ? -1 : real(fd, path, mask);
}

int inotify_init1(int flags)
{
	REAL(int, inotify_init1, int);
	return fails("watch", -1, "inotify") ? -1 : real(flags);
}

/* ---- processes, threads, waiting ---- */

pid_t fork(void)
{
	REAL(pid_t, fork, void);
	return fails("fork", -1, NULL) ? -1 : real();
}

int clone(int (*fn)(void *), void *stack, int flags, void *arg, ...)
{
	REAL(int, clone, int (*)(void *), void *, int, void *, ...);
	return fails("fork", -1, NULL) ? -1 : real(fn, stack, flags, arg);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
	REAL(int, pthread_create, pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
	return fails("thread", -1, NULL) ? fault.error : real(thread, attr, fn, arg);
}

int epoll_wait(int fd, struct epoll_event *events, int max, int timeout)
{
	REAL(int, epoll_wait, int, struct epoll_event *, int, int);
	return fails("epoll", fd, NULL) || interrupted() ? -1 : real(fd, events, max, timeout);
}

int epoll_ctl(int fd, int op, int other, struct epoll_event *event)
{
	REAL(int, epoll_ctl, int, int, int, struct epoll_event *);
	return fails("epoll", fd, NULL) ? -1 : real(fd, op, other, event);
}

/* ---- memory: glibc's, by the names behind its own ---- */

#ifdef __GLIBC__
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *p, size_t size);

void *malloc(size_t size)
{
	return fails("malloc", -1, NULL) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return fails("malloc", -1, NULL) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *p, size_t size)
{
	return fails("malloc", -1, NULL) ? NULL : __libc_realloc(p, size);
}
#endif
