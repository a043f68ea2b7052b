/*
 * process.h - process activities, seen by the runtime: a shim (src/shim/shim.h) that was started or adopted, and its
 * outcome. The shim watches over the program (timeout, heartbeat, TERM and KILL); here only the shim is watched.
 *
 *	process_start ──────────► RUNNING ──its pidfd: it has ended──► claim read ──► done
 *	process_adopt: alive ──────►┘ │ cancel: file `cancel`, TERM to the shim
 *	               ended ── result│ at once                the backstop: a shim that does not end by itself (stopped,
 *	               gone ── stuck  ▼                        or the kernel lost it) is killed with its activity's group
 *
 * A process is known by (boot id, pid, start time) and held by a pidfd (I10). A shim in another pid namespace is known by
 * the lock it holds on `claim`, and looked at every PROCESS_POLL_MS, as where the kernel has no pidfds.
 */
#ifndef RUNTIME_PROCESS_H
#define RUNTIME_PROCESS_H

#include "base/slice.h"
#include "os/loop.h"
#include <stdint.h>

#define PROCESS_POLL_MS 1000

enum work_outcome {
	WORK_COMPLETED,
	WORK_STALLED,  /* failed, may be tried again */
	WORK_FAILED,   /* failed for good */
	WORK_DEFERRED, /* wants to be tried later, at no cost (exit 75) */
	WORK_TIMEOUT,  /* was stopped by us: took longer than its limit; may be tried again */
	WORK_STUCK,    /* gone without a result, or silent for too long and stopped; may be tried again */
	WORK_REBOOT,   /* exit 76: the device reboots now, and it is done when it comes back */
	WORK_CANCELED, /* was stopped by us: nobody wants the result */
};

struct process_spec {
	const char *shim;        /* path of the shim */
	const char *const *options; /* more "name=value" for it (isolation), NULL-terminated; NULL = none */
	const char *const *argv; /* argv[0] is the program's path, or a name looked up in PATH */
	const char *work;        /* work directory, absolute, is there; `input` is in it when there is one */
	const char *dir;         /* working directory; NULL = work */
	const char *const *env;  /* "NAME=value" on top of the runtime's own environment, NULL-terminated; NULL = none */
	const char *const *env_keep; /* names: of the runtime's own environment only these are handed on; NULL = all */
	uint32_t attempt;
	int64_t timeout_ms, heartbeat_ms, grace_ms; /* 0 = none (grace 0 = KILL at once) */
	uint64_t output_max, log_max;
	bool sync;
};

struct process_result {
	enum work_outcome outcome;
	char *output;        /* malloc'd, NUL-terminated, the receiver's; one trailing newline is stripped; only of
	                      * WORK_COMPLETED and WORK_REBOOT; NULL: could not be read (then it is WORK_STALLED) */
	size_t output_len;
	char code[32];       /* "exit:3", "signal:9", "timeout", "heartbeat", "gone", "canceled", "spawn", "setup",
	                      * "output-too-large", "memory"; "" when completed */
	char message[256];   /* the last line on stderr, or what went wrong; never empty when not completed */
	int64_t retry_after_ms; /* deferred: what the file `retry_after` in the work directory said (a duration), else 0 */
	int pid;             /* of the activity */
	int64_t elapsed_ms;
	int64_t user_ms, system_ms, rss_kib; /* -1 when not known */
};

struct process;

/* done is called from the loop, exactly once, never before this returns; the process object is gone then. An error here
 * means nothing was started. That the program could not be executed is told through done (WORK_STALLED for reasons that
 * may pass, ETXTBSY among them, WORK_FAILED with code "spawn" for ENOENT, EACCES, ENOEXEC ...). */
int process_start(struct process **out, struct loop *loop, const struct process_spec *spec,
                  void (*done)(void *arg, struct process_result *result), void *arg, struct pawl_error *err) PAWL_MUST_USE;

enum process_found {
	PROCESS_NONE,     /* no claim of this attempt and boot: nothing was started, or before a reboot */
	PROCESS_RUNNING,  /* adopted: *out is set, done will be called */
	PROCESS_ENDED,    /* *result is filled: it ended meanwhile */
	PROCESS_GONE,     /* its shim is gone without an outcome: *result says WORK_STUCK; what was left of it is being killed */
	PROCESS_OTHER,    /* a live one of another attempt is there: it is canceled; look again in a second */
};
/* Look at what a runtime before us left in a work directory. grace_ms, timeout_ms: for the backstop. */
enum process_found process_adopt(struct process **out, struct loop *loop, const char *work, uint32_t attempt,
                                 int64_t timeout_ms, int64_t grace_ms,
                                 void (*done)(void *arg, struct process_result *result), void *arg,
                                 struct process_result *result);
/* Nobody wants what is there any more: end it and forget it (its end is not waited for). Safe on any directory. */
void process_end_leftover(const char *work);
/* Does the shim of some attempt, whichever it is, live there? */
bool process_is_there(const char *work);

/* The file `cancel`, TERM to the shim; done comes with WORK_CANCELED. */
void process_cancel(struct process *p);
/* The runtime stops and leaves it running, to be adopted: done is not called, the object is gone. */
void process_leave(struct process *p);
int process_pid(const struct process *p); /* of the activity, 0 when not known yet */
int process_shim_pid(const struct process *p); /* it lives as long as the attempt; 0 when nothing could be started */

enum process_seen {
	PROCESS_UNSEEN,   /* no shim has written anything of this attempt */
	PROCESS_AT_WORK,  /* *pid is the activity's, 0 when its shim is just beginning */
	PROCESS_IS_OVER,  /* how it ended is written down */
	PROCESS_VANISHED, /* it is gone, and nothing says how it ended */
};
/* For those who only look at a work directory: nothing is touched. */
enum process_seen process_see(const char *work, uint32_t attempt, int *pid);
/* Deadlines (backstop, polling) belong to the caller's timer: the earliest, or -1; and: do what is due. */
int64_t process_next_deadline(struct loop *loop);
void process_check_deadlines(struct loop *loop, int64_t boot_ns);

/* Where the shim is: $PAWL_SHIM, beside the running program, in ../libexec/pawl or .. of it, PAWL_LIBEXECDIR. 0 or
 * PAWL_ENOTFOUND with where it was looked for. */
int process_find_shim(char *path, size_t size, struct pawl_error *err) PAWL_MUST_USE;

#endif
