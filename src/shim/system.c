/* system.c - the kernel, where libc has no word for it or would take memory. */
#include "shim/impl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_close_range
#define SYS_close_range 436 /* the same on every architecture but alpha */
#endif

#define FDS_MAX 65536

/* clocks */

static int64_t clock_ms(clockid_t clock)
{
	struct timespec t = { 0, 0 };

	if (clock_gettime(clock, &t) < 0)
		clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t now_ms(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}

int64_t boot_ms(void)
{
	return clock_ms(CLOCK_BOOTTIME);
}

int64_t wall_ms(void)
{
	return clock_ms(CLOCK_REALTIME);
}

/* files */

ssize_t read_file(const char *path, char *data, size_t max)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = -1;

	if (fd >= 0) {
		n = read(fd, data, max - 1);
		close(fd);
	}
	data[n > 0 ? n : 0] = '\0';
	return n;
}

int write_all(int fd, const char *data, size_t len, off_t at)
{
	while (len > 0) {
		ssize_t n = at < 0 ? write(fd, data, len) : pwrite(fd, data, len, at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENOSPC;
		data += n;
		len -= (size_t)n;
		at += at < 0 ? 0 : n;
	}
	return 0;
}

/* /proc */

/* Field 3 (the state) of /proc/PID/stat is where the comm ends, which may hold anything. */
static const char *stat_of(pid_t pid, char *data, size_t max)
{
	char path[32];
	/* Two slashes: qemu-user has a /proc/self/stat of its own, with a start time that nobody else would read. */
	struct text t = { path, 0, sizeof(path) - 1 };

	text_add(&t, "/proc//");
	text_number(&t, pid);
	text_add(&t, "/stat");
	path[t.len] = '\0';
	if (read_file(path, data, max) <= 0)
		return NULL;
	const char *end = strrchr(data, ')');
	return end && end[1] == ' ' ? end + 2 : NULL;
}

static const char *field(const char *at, int from, int wanted)
{
	for (; at && from < wanted; from++) {
		at = strchr(at, ' ');
		at = at ? at + 1 : NULL;
	}
	return at;
}

int64_t start_ticks(pid_t pid)
{
	char data[512];
	const char *at = field(stat_of(pid, data, sizeof(data)), 3, 22);
	uint64_t ticks;

	return at && text_parse(at, ' ', &ticks, NULL) ? (int64_t)ticks : 0;
}

struct dirent_head {
	uint64_t ino, off;
	unsigned short len;
	unsigned char type;
	char name[];
};

/* The names of a directory that are numbers, until one of the calls gives true. readdir would allocate. */
static int for_numbers(const char *path, bool (*call)(int dir, int number, int arg), int arg)
{
	_Alignas(8) char entries[1024];
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool found = false;
	uint64_t number;
	long n = 0;

	if (dir < 0)
		return -errno;
	while (!found && (n = syscall(SYS_getdents64, dir, entries, sizeof(entries))) > 0)
		for (long at = 0; at < n && !found;) {
			const struct dirent_head *e = (const void *)(entries + at);
			found = text_parse(e->name, '\0', &number, NULL) && call(dir, (int)number, arg);
			at += e->len;
		}
	close(dir);
	return n < 0 ? -EIO : found;
}

/* One whose first thread has ended shows as a zombie too, but the others go on. */
static bool is_dead(const char *state)
{
	const char *at = field(state, 3, 20);
	uint64_t threads;

	return (*state == 'Z' || *state == 'X') && !(at && text_parse(at, ' ', &threads, NULL) && threads > 1);
}

static bool lives_in_group(int dir, int pid, int group)
{
	char data[512];
	const char *state = pid == group ? NULL : stat_of(pid, data, sizeof(data));
	const char *at = field(state, 3, 5);
	uint64_t n;

	(void)dir;
	return at && !is_dead(state) && text_parse(at, ' ', &n, NULL) && n == (uint64_t)group;
}

bool group_has_others(pid_t group)
{
	return for_numbers("/proc", lives_in_group, group) != 0;
}

static bool close_one(int dir, int fd, int first)
{
	if (fd >= first && fd != dir)
		close(fd);
	return false;
}

void close_from(int first)
{
	struct rlimit limit;

	if (syscall(SYS_close_range, first, ~0U, 0) == 0 || for_numbers("/proc/self/fd", close_one, first) == 0)
		return;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur > FDS_MAX)
		limit.rlim_cur = FDS_MAX;
	for (int fd = first; fd < (int)limit.rlim_cur; fd++)
		close(fd);
}
