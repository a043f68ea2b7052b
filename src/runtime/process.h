/*
 * process.h - process activities: run a program with its input on stdin, take its stdout as the result.
 *
 *	starting ──spawned──► running ──exit──────────────────────► done
 *	                        │ timeout, cancel                     ▲
 *	                        ▼                                     │
 *	                     ending: TERM to the group ──grace──► KILL┘
 *
 * The program runs in its own session and process group, without a shell, with all descriptors but 0, 1, 2 closed, all
 * signals at their defaults and none blocked. Exit 0: Completed; 75 (EX_TEMPFAIL): Deferred; 100: Failed for good;
 * anything else, or a signal: Stalled. What it has written to stdout counts until all writers have closed it, or until a
 * second after it has exited (a daemon that it left behind does not hold us up). (Adoption and the shim: a later issue.)
 */
#ifndef RUNTIME_PROCESS_H
#define RUNTIME_PROCESS_H

#include "base/slice.h"
#include "os/loop.h"
#include <stdint.h>

enum work_outcome {
	WORK_COMPLETED,
	WORK_STALLED,  /* failed, may be tried again */
	WORK_FAILED,   /* failed for good */
	WORK_DEFERRED, /* wants to be tried later, at no cost */
	WORK_TIMEOUT,  /* was stopped by us: took longer than its limit; may be tried again */
	WORK_CANCELED, /* was stopped by us: nobody wants the result */
};

struct process_spec {
	const char *const *argv; /* argv[0] is the program's path, or a name looked up in PATH */
	const char *dir;         /* working directory; NULL = as the runtime */
	const char *const *env;  /* "NAME=value" on top of the runtime's own environment, NULL-terminated; NULL = none */
	struct slice input;      /* need not outlive process_start */
	const char *log_path;    /* stderr goes there (created, truncated; no link is followed), NULL = thrown away */
	int64_t timeout_ms;      /* 0 = none */
	int64_t grace_ms;        /* TERM to KILL */
	uint64_t output_max;     /* stdout over it: the process is ended and it is WORK_FAILED, code "output-too-large" */
	uint64_t log_max;        /* stderr over it is read and thrown away; 0 = no limit */
};

struct process_result {
	enum work_outcome outcome;
	char *output;        /* malloc'd, NUL-terminated, the receiver's; one trailing newline is stripped;
	                      * NULL: no memory for it */
	size_t output_len;
	char code[32];       /* "exit:3", "signal:9", "timeout", "canceled", "spawn", "output-too-large", "memory", "lost"
	                      * (something else in this program took its status); "" when completed */
	char message[256];   /* the last line on stderr, or what went wrong; never empty when not completed */
	int pid;
	int64_t elapsed_ms;
};

struct process;

/* done is called from the loop, exactly once, never before this returns; the process object is gone then. An error here
 * means nothing was started (no descriptors: PAWL_EBUSY ...); a program that cannot be executed is told through done
 * (WORK_STALLED for reasons that may pass, WORK_FAILED with code "spawn" for ENOENT, EACCES, ENOEXEC). */
int process_start(struct process **out, struct loop *loop, const struct process_spec *spec,
                  void (*done)(void *arg, struct process_result *result), void *arg, struct pawl_error *err) PAWL_MUST_USE;
/* TERM now, KILL after the grace; done comes with WORK_CANCELED. */
void process_cancel(struct process *p);
int process_pid(const struct process *p);
/* Deadlines of processes (timeout, grace, linger) belong to the caller's timer: the earliest, or -1; and: do what is due. */
int64_t process_next_deadline(struct loop *loop);
void process_check_deadlines(struct loop *loop, int64_t boot_ns);

#endif
