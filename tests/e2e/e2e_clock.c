/*
 * e2e_clock.c - for LD_PRELOAD: a wall clock that is wrong by as many seconds as the file $E2E_CLOCK says, at any moment;
 * all other clocks stay as they are. Another boot: the boot id is read from the file $E2E_BOOT. And a death at a certain
 * moment: who makes a file whose path ends with $E2E_DIE_MAKING is killed.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* What this program starts is not emulated, and its loader would complain of a library for another processor. */
__attribute__((constructor)) static void begin(void)
{
	if (getenv("EMULATE"))
		unsetenv("LD_PRELOAD");
}

static long long offset(void)
{
	const char *path = getenv("E2E_CLOCK");
	FILE *f = path ? fopen(path, "re") : NULL;
	long long seconds = 0;

	if (f && fscanf(f, "%lld", &seconds) != 1)
		seconds = 0;
	if (f)
		fclose(f);
	return seconds;
}

int clock_gettime(clockid_t clock, struct timespec *t)
{
	static int (*real)(clockid_t, struct timespec *);

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
	int rc = real(clock, t);
	if (rc == 0 && clock == CLOCK_REALTIME)
		t->tv_sec += (time_t)offset();
	return rc;
}

/* What 32-bit programs call that have times beyond 2038. The parts of a second are in the second half, and stay there. */
#if defined __TIMESIZE && __TIMESIZE == 32
int __clock_gettime64(clockid_t clock, int64_t *t)
{
	static int (*real)(clockid_t, int64_t *);

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "__clock_gettime64");
	int rc = real(clock, t);
	if (rc == 0 && clock == CLOCK_REALTIME)
		*t += offset();
	return rc;
}
#endif

static const char *other_path(const char *path)
{
	const char *boot = getenv("E2E_BOOT");

	return boot && strcmp(path, "/proc/sys/kernel/random/boot_id") == 0 ? boot : path;
}

int open(const char *path, int flags, ...)
{
	static int (*real)(const char *, int, ...);
	va_list args;

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "open");
	va_start(args, flags);
	mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
	va_end(args);
	return real(other_path(path), flags, mode);
}

int open64(const char *path, int flags, ...)
{
	static int (*real)(const char *, int, ...);
	va_list args;

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "open64");
	va_start(args, flags);
	mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
	va_end(args);
	return real(other_path(path), flags, mode);
}

static void die_making(const char *path, int flags)
{
	const char *end = getenv("E2E_DIE_MAKING");
	size_t len = strlen(path), end_len = end ? strlen(end) : 0;

	if (end_len && flags & O_CREAT && len >= end_len && strcmp(path + len - end_len, end) == 0)
		kill(getpid(), SIGKILL);
}

int openat(int dir, const char *path, int flags, ...)
{
	static int (*real)(int, const char *, int, ...);
	va_list args;

	die_making(path, flags);
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "openat");
	va_start(args, flags);
	mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
	va_end(args);
	return real(dir, path, flags, mode);
}

int openat64(int dir, const char *path, int flags, ...)
{
	static int (*real)(int, const char *, int, ...);
	va_list args;

	die_making(path, flags);
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "openat64");
	va_start(args, flags);
	mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
	va_end(args);
	return real(dir, path, flags, mode);
}
