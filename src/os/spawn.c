/*
 * spawn.c - fork and exec without copying the parent's page tables.
 *
 * The child shares our memory and we stand still until it has executed the program or has given up (what vfork does,
 * but on a stack of its own). So it makes system calls only, allocates nothing, and all signals are blocked until it
 * has put their handlers, which are ours, back to the defaults. That costs the same from a parent of 1 MB and of 1 GB,
 * and works without an MMU.
 *
 * An exec that fails is told through a pipe that exec closes, not through the shared memory: qemu-user, and
 * the sanitizers' builds below, make an ordinary fork of it.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "os/spawn.h"
#include "base/scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The sanitizers' own bookkeeping would be written by both sides. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SHARE_MEMORY 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SHARE_MEMORY 0
#endif
#endif
#ifndef SHARE_MEMORY
#define SHARE_MEMORY 1
#endif

#ifndef SYS_close_range
#define SYS_close_range 436 /* the same on every architecture but alpha */
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif

#define STATUS_FD 3
#define CHILD_STACK (16 * 1024)
#define PATH_DEFAULT "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define FDS_MAX 65536
#define SIGSET_BYTES (_NSIG / 8)

struct child {
	const struct spawn_spec *spec;
	char *const *argv, *const *env;
	const char *path; /* PATH, as the program will see it */
	int status[2];
	char file[PATH_MAX];
};

struct report {
	int step, sys;
};

/* the child */

static _Noreturn void give_up(int fd, enum spawn_step step, int sys)
{
	struct report report = { (int)step, sys };
	ssize_t n = write(fd, &report, sizeof(report));

	_exit(n < 0 ? 126 : 127);
}

/* Put ours at 0, 1, 2 and STATUS_FD, wherever they were. First all go above, so that none is overwritten. */
static int place_fds(const struct child *c)
{
	int from[] = { c->spec->fds[0], c->spec->fds[1], c->spec->fds[2], c->status[1] };

	for (int i = 0; i <= STATUS_FD; i++)
		if (from[i] <= STATUS_FD && (from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, STATUS_FD + 1)) < 0)
			return -errno;
	for (int i = 0; i <= STATUS_FD; i++)
		if (dup3(from[i], i, i == STATUS_FD ? O_CLOEXEC : 0) < 0)
			return -errno;
	return 0;
}

struct dirent_head {
	uint64_t ino, off;
	unsigned short len;
	unsigned char type;
	char name[];
};

static int number_of(const char *name)
{
	int n = 0;

	if (*name < '0' || *name > '9')
		return -1;
	for (; *name >= '0' && *name <= '9'; name++)
		n = n * 10 + (*name - '0');
	return n;
}

/* readdir would allocate. */
static int close_listed(int first)
{
	_Alignas(8) char entries[1024];
	int dir = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long n;

	if (dir < 0)
		return -errno;
	while ((n = syscall(SYS_getdents64, dir, entries, sizeof(entries))) > 0)
		for (long at = 0; at < n;) {
			const struct dirent_head *e = (const void *)(entries + at);
			int fd = number_of(e->name);
			if (fd >= first && fd != dir)
				close(fd);
			at += e->len;
		}
	close(dir);
	return n < 0 ? -EIO : 0;
}

static void close_from(int first)
{
	struct rlimit limit;

	if (syscall(SYS_close_range, first, ~0U, 0) == 0 || close_listed(first) == 0)
		return;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur > FDS_MAX)
		limit.rlim_cur = FDS_MAX;
	for (int fd = first; fd < (int)limit.rlim_cur; fd++)
		close(fd);
}

/* System calls, not sigaction(): the C library hides two signals, sanitizers keep tables of handlers. For the kernel
 * zeros are SIG_DFL with no flags on every architecture, and also the empty mask. */
static void reset_signals(void)
{
	static const uint64_t zeros[32];

	for (int signal = 1; signal < _NSIG; signal++)
		syscall(SYS_rt_sigaction, signal, zeros, NULL, SIGSET_BYTES);
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, zeros, NULL, SIGSET_BYTES);
}

/* "dir/name" into file; false when it is too long. An empty dir is the working directory. */
static bool join(char file[PATH_MAX], const char *dir, size_t dir_len, const char *name)
{
	size_t name_len = strlen(name), slash = dir_len > 0;

	if (dir_len + slash + name_len >= PATH_MAX)
		return false;
	memcpy(file, dir, dir_len);
	if (slash)
		file[dir_len] = '/';
	memcpy(file + dir_len + slash, name, name_len + 1);
	return true;
}

/* As execvp, but without its second try by a shell. Returns the errno that tells most. */
static int execute(struct child *c)
{
	const char *name = c->argv[0];
	int sys = ENOENT;

	if (strchr(name, '/') || !*name) {
		execve(name, c->argv, c->env);
		return errno;
	}
	for (const char *dir = c->path;; dir++) {
		size_t len = strcspn(dir, ":");
		if (join(c->file, dir, len, name)) {
			execve(c->file, c->argv, c->env);
			if (errno == EACCES)
				sys = EACCES; /* there may be another one later */
			else if (errno != ENOENT && errno != ENOTDIR)
				return errno;
		}
		dir += len;
		if (!*dir)
			return sys;
	}
}

static int child_main(void *arg)
{
	struct child *c = arg;
	int r;

	setsid();
	r = place_fds(c);
	if (r < 0)
		give_up(c->status[1], SPAWN_SETUP, -r); /* it fails before anything was moved */
	close_from(STATUS_FD + 1);
	reset_signals();
	if (c->spec->dir && chdir(c->spec->dir) < 0)
		give_up(STATUS_FD, SPAWN_CHDIR, errno);
	give_up(STATUS_FD, SPAWN_EXEC, execute(c));
}

/* the parent */

static pid_t clone_child(struct child *c)
{
#if SHARE_MEMORY
	_Alignas(16) char stack[CHILD_STACK];
	int pid = clone(child_main, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, c);
#else
	int pid = fork();

	if (pid == 0)
		child_main(c);
#endif
	return pid < 0 ? -errno : pid;
}

/* A handler of ours must not run in the child. The raw call blocks also what the C library keeps to itself. */
static pid_t clone_blocked(struct child *c)
{
	uint64_t all[2] = { UINT64_MAX, UINT64_MAX }, before[2] = { 0, 0 };

	syscall(SYS_rt_sigprocmask, SIG_SETMASK, all, before, SIGSET_BYTES);
	pid_t pid = clone_child(c);
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, before, NULL, SIGSET_BYTES);
	return pid;
}

static pid_t start(struct child *c, enum spawn_step *failed)
{
	struct report report;
	ssize_t n;

	*failed = SPAWN_FORK;
	int r = spawn_pipe(c->status, false, false);
	if (r < 0)
		return r;
	pid_t pid = clone_blocked(c);
	close(c->status[1]);
	if (pid > 0) {
		do
			n = read(c->status[0], &report, sizeof(report));
		while (n < 0 && errno == EINTR);
		if (n == (ssize_t)sizeof(report)) {
			spawn_reap(pid);
			*failed = (enum spawn_step)report.step;
			pid = -report.sys;
		}
	}
	close(c->status[0]);
	return pid;
}

static bool same_name(const char *a, const char *b)
{
	size_t len = strcspn(a, "=");

	return strncmp(a, b, len) == 0 && (b[len] == '=' || b[len] == '\0');
}

static bool is_set(const char *const *env, const char *entry)
{
	for (; *env; env++)
		if (same_name(entry, *env))
			return true;
	return false;
}

/* What the supervisor says to us is not for our children: one of them could tell it that we are ready, or alive. */
static const char *const private_env[] = {
	"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", NULL,
};

/* An entry of our own environment: does the program get it? */
static bool is_handed_on(const struct spawn_spec *spec, const char *entry)
{
	if (is_set(private_env, entry) || (spec->env && is_set(spec->env, entry)))
		return false;
	return !spec->env_keep || is_set(spec->env_keep, entry);
}

/* Pointers only; the last of two entries with one name wins. */
static char **merge_env(const struct spawn_spec *spec)
{
	static const char *const none[] = { NULL };
	const char *const *on_top = spec->env ? spec->env : none;
	size_t n = 0, most = 1;

	for (char **e = environ; e && *e; e++)
		most++;
	for (const char *const *e = on_top; *e; e++)
		most++;
	char **env = calloc(most, sizeof(*env));
	if (!env)
		return NULL;
	for (char **e = environ; e && *e; e++)
		if (is_handed_on(spec, *e))
			env[n++] = *e;
	for (const char *const *e = on_top; *e; e++)
		if (!is_set(e + 1, *e))
			env[n++] = (char *)(uintptr_t)*e; /* exec takes char * and does not write */
	return env;
}

static const char *find_path(char *const *env)
{
	for (; *env; env++)
		if (strncmp(*env, "PATH=", 5) == 0)
			return *env + 5;
	return PATH_DEFAULT;
}

pid_t spawn_start(const struct spawn_spec *spec, enum spawn_step *failed)
{
	struct child c = { .spec = spec, .argv = (char *const *)(uintptr_t)spec->argv };
	char **env = merge_env(spec);
	pid_t pid;

	*failed = SPAWN_FORK;
	if (!env)
		return -ENOMEM;
	c.env = env;
	c.path = find_path(env);
	pid = start(&c, failed);
	free(env);
	return pid;
}

/* the end of a process */

int spawn_pidfd(pid_t pid)
{
	long fd = syscall(SYS_pidfd_open, pid, 0); /* close-on-exec by itself */

	return fd < 0 ? -errno : (int)fd;
}

static bool has_pidfd;

static void look_for_pidfd(void)
{
	int fd = spawn_pidfd(getpid());

	has_pidfd = fd >= 0 || fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM;
	if (fd >= 0)
		close(fd);
}

bool spawn_has_pidfd(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, look_for_pidfd);
	return has_pidfd;
}

bool spawn_pidfd_has_ended(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	int n;

	do
		n = poll(&p, 1, 0);
	while (n < 0 && errno == EINTR);
	return n > 0;
}

int spawn_pidfd_kill(int pidfd, int signal)
{
	return syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) < 0 ? -errno : 0;
}

bool spawn_has_ended(pid_t pid, struct spawn_status *status)
{
	siginfo_t info;
	int r;

	info.si_pid = 0; /* stays so when it runs */
	do
		r = waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT);
	while (r < 0 && errno == EINTR);
	*status = (struct spawn_status){ .known = r == 0 };
	if (r < 0)
		return errno == ECHILD;
	if (info.si_pid != pid)
		return false;
	if (info.si_code == CLD_EXITED)
		status->exit_code = info.si_status;
	else
		status->signal = info.si_status;
	return true;
}

void spawn_reap(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

bool spawn_is_child(pid_t pid)
{
	struct spawn_status status;

	return !spawn_has_ended(pid, &status) || status.known;
}

/* who a process is */

struct proc_stat {
	char state;
	pid_t group;
	long threads;
	uint64_t start;
};

static ssize_t read_proc(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	do
		n = read(fd, text, size - 1);
	while (n < 0 && errno == EINTR);
	n = n < 0 ? -errno : n;
	close(fd);
	text[n < 0 ? 0 : n] = '\0';
	return n;
}

/* Fields 3, 5, 20 and 22. The name before them may hold blanks and parentheses: only the last ')' ends it. */
static int parse_stat(const char *text, struct proc_stat *stat)
{
	const char *at = strrchr(text, ')');

	at = at ? at + 1 : "";
	for (unsigned field = 3;; field++) {
		at += strspn(at, " ");
		if (!*at)
			return -EACCES;
		if (field == 3)
			stat->state = *at;
		else if (field == 5)
			stat->group = (pid_t)strtol(at, NULL, 10);
		else if (field == 20)
			stat->threads = strtol(at, NULL, 10);
		else if (field == 22)
			break;
		at += strcspn(at, " ");
	}
	return scan_number(&at, &stat->start) ? 0 : -EACCES;
}

static int read_stat(pid_t pid, struct proc_stat *stat)
{
	char path[32], text[1024];

	snprintf(path, sizeof(path), "/proc//%ld/stat", (long)pid); /* as in os_linux.c */
	if (pid > 0 && read_proc(path, text, sizeof(text)) > 0)
		return parse_stat(text, stat);
	return pid <= 0 || (kill(pid, 0) < 0 && errno == ESRCH) ? -ESRCH : -EACCES;
}

int spawn_process_id(pid_t pid, struct os_process_id *id)
{
	const struct os *os = os_linux();
	struct os_process_id found = { .pid = (int32_t)pid };
	struct proc_stat stat;
	int r = read_stat(pid, &stat);

	if (r == 0)
		r = os->boot_id(os->self, found.boot_id);
	if (r < 0)
		return r;
	found.start_ticks = stat.start;
	*id = found;
	return 0;
}

/* Also one whose first thread has ended shows as a zombie, but what other threads it has go on, and hold its locks. */
static bool is_dead(const struct proc_stat *stat)
{
	return (stat->state == 'Z' || stat->state == 'X' || stat->state == 'x') && stat->threads <= 1;
}

enum spawn_life spawn_life(pid_t pid, uint64_t start_ticks)
{
	struct proc_stat stat;
	int r = read_stat(pid, &stat);

	if (r < 0)
		return r == -ESRCH ? SPAWN_GONE : SPAWN_HIDDEN;
	if (stat.start != start_ticks)
		return SPAWN_GONE;
	return is_dead(&stat) ? SPAWN_ZOMBIE : SPAWN_LIVES;
}

int spawn_kill_group(pid_t leader, uint64_t start_ticks, bool led, int signal)
{
	struct proc_stat stat;

	if (leader <= 1 || leader == getpgrp())
		return -ESRCH;
	int r = read_stat(leader, &stat);
	if (r == 0 && (stat.start != start_ticks || stat.group != leader))
		r = -ESRCH;
	else if (r == -ESRCH && led)
		r = 0;
	if (r == 0 && kill(-leader, signal) < 0)
		r = -errno;
	return r;
}

bool spawn_group_lives(pid_t group)
{
	DIR *proc = kill(-group, 0) < 0 && errno == ESRCH ? NULL : opendir("/proc");
	bool lives = !proc && errno != ESRCH;
	struct proc_stat stat;
	struct dirent *e;

	while (proc && !lives && (e = readdir(proc)))
		lives = read_stat(number_of(e->d_name), &stat) == 0 && stat.group == group && !is_dead(&stat);
	if (proc)
		closedir(proc);
	return lives;
}

uint64_t spawn_pid_namespace(void)
{
	struct stat st;

	return stat("/proc/self/ns/pid", &st) < 0 ? 0 : (uint64_t)st.st_ino;
}

int spawn_is_locked(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK), r = 0;

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_SH | LOCK_NB) < 0)
		r = errno == EWOULDBLOCK ? 1 : -errno;
	close(fd);
	return r;
}

/* SIGCHLD, for kernels without pidfds */

#define WATCHERS_MAX 16

/* Their pipes are never closed: the handler may be about to write in another thread. */
static struct watcher {
	atomic_bool used;
	atomic_int write_fd; /* 0: no pipe yet (a write end is never descriptor 0: its read end came first) */
	int read_fd;
} watchers[WATCHERS_MAX];
static struct sigaction handler_before;
static pthread_once_t handler_once = PTHREAD_ONCE_INIT;

static void call_before(int signal, siginfo_t *info, void *context)
{
	if (handler_before.sa_flags & SA_SIGINFO)
		handler_before.sa_sigaction(signal, info, context);
	else if (handler_before.sa_handler != SIG_DFL && handler_before.sa_handler != SIG_IGN)
		handler_before.sa_handler(signal);
}

static void on_sigchld(int signal, siginfo_t *info, void *context)
{
	int sys = errno;

	for (int i = 0; i < WATCHERS_MAX; i++) {
		int fd = atomic_load(&watchers[i].used) ? atomic_load(&watchers[i].write_fd) : 0;
		if (fd > 0 && write(fd, "", 1) < 0)
			continue; /* full: it will be looked at anyway */
	}
	call_before(signal, info, context);
	errno = sys;
}

static void take_sigchld(void)
{
	struct sigaction ours = { .sa_sigaction = on_sigchld, .sa_flags = SA_SIGINFO | SA_RESTART | SA_NOCLDSTOP };

	sigemptyset(&ours.sa_mask);
	sigaction(SIGCHLD, NULL, &handler_before); /* before ours can be called */
	sigaction(SIGCHLD, &ours, NULL);
}

static int ready_watcher(struct watcher *w)
{
	int fds[2], r;

	if (atomic_load(&w->write_fd) > 0)
		return w->read_fd;
	r = spawn_pipe(fds, true, true);
	if (r < 0) {
		atomic_store(&w->used, false);
		return r;
	}
	w->read_fd = fds[0];
	atomic_store(&w->write_fd, fds[1]);
	return w->read_fd;
}

int spawn_watch(void)
{
	pthread_once(&handler_once, take_sigchld);
	for (int i = 0; i < WATCHERS_MAX; i++)
		if (!atomic_exchange(&watchers[i].used, true))
			return ready_watcher(&watchers[i]);
	return -EBUSY;
}

void spawn_unwatch(int fd)
{
	for (int i = 0; i < WATCHERS_MAX; i++)
		if (atomic_load(&watchers[i].write_fd) > 0 && watchers[i].read_fd == fd)
			atomic_store(&watchers[i].used, false);
}

/* set-up */

static int set_nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

int spawn_pipe(int fds[2], bool nonblock_read, bool nonblock_write)
{
	int r = 0;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	if (nonblock_read)
		r = set_nonblock(fds[0]);
	if (r == 0 && nonblock_write)
		r = set_nonblock(fds[1]);
	if (r < 0) {
		close(fds[0]);
		close(fds[1]);
	}
	return r;
}

static void prepare_signals(void)
{
	struct sigaction now, wanted = { .sa_handler = SIG_DFL };

	if (sigaction(SIGCHLD, NULL, &now) == 0 && !(now.sa_flags & SA_SIGINFO) &&
	    (now.sa_handler == SIG_IGN || (now.sa_handler == SIG_DFL && now.sa_flags & SA_NOCLDWAIT)))
		sigaction(SIGCHLD, &wanted, NULL);
	wanted.sa_handler = SIG_IGN;
	if (sigaction(SIGPIPE, NULL, &now) == 0 && !(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_DFL)
		sigaction(SIGPIPE, &wanted, NULL);
}

void spawn_prepare_signals(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, prepare_signals);
}
