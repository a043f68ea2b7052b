/*
 * spawn.h - start a program and learn how it ended: what process activities need of the kernel.
 *
 * Functions return >= 0 or -errno. All may be called from any thread. A pid alone names nobody for long: what is not our
 * child is known by its pid and start time (I10), and is best held by a pidfd.
 */
#ifndef OS_SPAWN_H
#define OS_SPAWN_H

#include "os/os.h"
#include <pawl/error.h>

struct spawn_spec {
	const char *const *argv; /* argv[0] with a slash is a path (a relative one from dir), else looked up in PATH */
	const char *dir;         /* NULL: as the caller */
	const char *const *env;  /* "NAME=value" on top of the caller's environment, NULL-terminated; NULL: none.
	                          * NOTIFY_SOCKET, WATCHDOG_* and LISTEN_* are never handed on */
	int fds[3];              /* become 0, 1 and 2 */
	const char *const *env_keep; /* names: of the caller's environment only these are handed on; NULL: all */
};

enum spawn_step {
	SPAWN_FORK,  /* no process could be made */
	SPAWN_SETUP, /* it could not set up its descriptors */
	SPAWN_CHDIR, /* it could not enter dir */
	SPAWN_EXEC,  /* the program could not be executed */
};

/* Own session and process group, all other descriptors closed, signals at their defaults and none blocked. Returns the
 * pid when the program runs; else -errno and *failed says where, and no process is left behind. The calling thread
 * stands still until the program was loaded. */
pid_t spawn_start(const struct spawn_spec *spec, enum spawn_step *failed) PAWL_MUST_USE;

/* A descriptor that is readable when the process has ended; -errno where the kernel has none. */
int spawn_pidfd(pid_t pid) PAWL_MUST_USE;
/* False before Linux 5.3, and where a filter forbids it: then use spawn_watch. */
bool spawn_has_pidfd(void);
bool spawn_pidfd_has_ended(int pidfd); /* a zombie has ended */
int spawn_pidfd_kill(int pidfd, int signal); /* -ESRCH: it has ended and was reaped; -ENOSYS, -EPERM */

/* A non-blocking descriptor that is readable whenever some child of this process may have ended: SIGCHLD writes to it.
 * A handler that was there is called too. SIGCHLD must not be blocked in all threads. It is not the caller's to close:
 * give it back with spawn_unwatch. -EBUSY: too many. */
int spawn_watch(void) PAWL_MUST_USE;
void spawn_unwatch(int fd);

struct spawn_status {
	bool known; /* false: somebody else took the status (SIGCHLD is ignored, or a wait for any child) */
	int exit_code, signal; /* signal 0: it has exited */
};

/* Has it ended? It stays a zombie, so that its pid and process group remain ours, until it is reaped. */
bool spawn_has_ended(pid_t pid, struct spawn_status *status);
void spawn_reap(pid_t pid); /* waits if it has to */
bool spawn_is_child(pid_t pid); /* ours, running or a zombie */

/* who a process is */

/* -ESRCH when there is none of that number; -EACCES when there is one that /proc does not show (hidepid, no /proc). */
int spawn_process_id(pid_t pid, struct os_process_id *id) PAWL_MUST_USE;

enum spawn_life {
	SPAWN_GONE,   /* no such process; or its number went to another one */
	SPAWN_ZOMBIE, /* has ended, nobody has reaped it */
	SPAWN_LIVES,
	SPAWN_HIDDEN, /* there is a process of that number, which one is not to be seen */
};
/* The process that began with that number at that time, in this boot and in our pid namespace. */
enum spawn_life spawn_life(pid_t pid, uint64_t start_ticks);

/* A signal for the process group that this process leads. -ESRCH when it is gone or another, no group leader, or the
 * number can only be a mistake (init, ourselves). led: that it led the group was seen a moment ago, so what is left of the
 * group gets the signal also without it, as its number cannot go to others before the group is empty. */
int spawn_kill_group(pid_t leader, uint64_t start_ticks, bool led, int signal);

bool spawn_group_lives(pid_t group); /* has it a member that has not ended? A walk through /proc */

uint64_t spawn_pid_namespace(void); /* inode of /proc/self/ns/pid, 0 when it cannot be read */
/* Does anybody hold a flock on that file? 1, 0 or -errno; no link is followed. */
int spawn_is_locked(const char *path) PAWL_MUST_USE;

/* Both ends close-on-exec and, where asked, non-blocking. */
int spawn_pipe(int fds[2], bool nonblock_read, bool nonblock_write) PAWL_MUST_USE;

/* Once, before the first start: what was inherited or left by the embedding program must not break us. An ignored
 * SIGCHLD would lose every status, SIGPIPE at its default would kill us when a program does not read its input. */
void spawn_prepare_signals(void);

#endif
