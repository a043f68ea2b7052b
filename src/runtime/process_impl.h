/*
 * process_impl.h - what process.c (events, the end), process_start.c, process_adopt.c, process_claim.c (what the shim has
 * written) and process_result.c (the verdict) share. For them only; the states and invariants are in process.c.
 */
#ifndef RUNTIME_PROCESS_IMPL_H
#define RUNTIME_PROCESS_IMPL_H

#include "os/io.h"
#include "os/spawn.h"
#include "runtime/process.h"
#include "shim/shim.h"

enum claim_end {
	CLAIM_OPEN, /* no outcome yet */
	CLAIM_EXIT,
	CLAIM_SIGNAL,
	CLAIM_TIMEOUT,
	CLAIM_HEARTBEAT,
	CLAIM_OUTPUT,
	CLAIM_CANCELED,
	CLAIM_SPAWN,
	CLAIM_SETUP,
};

struct claim_process {
	pid_t pid; /* 0: none */
	uint64_t start_ticks;
};

/* What the file `claim` says; numbers are -1 when it does not say. */
struct claim {
	uint32_t attempt;
	char boot_id[OS_BOOT_ID_SIZE];
	uint64_t pidns;
	struct claim_process shim, activity;
	int64_t began_ms, ended_ms;
	enum claim_end end;
	int number; /* exit code, signal, errno */
	char message[SHIM_MESSAGE_MAX + 1];
	int64_t output_len, user_ms, system_ms, rss_kib;
	bool synced; /* the outcome, with its result, was on the disk before it was there to be read: good after a reboot too */
};

/* What the verdict needs beside the claim. */
struct process_about {
	char *work, *program; /* program NULL: not known */
	int64_t timeout_ms, heartbeat_ms, grace_ms, started_ns;
	uint64_t output_max; /* 0: not known */
	bool canceled; /* by us */
	bool killed;   /* by us: its shim did not end it */
	struct spawn_status shim_status; /* not known: it was not our child */
};

enum state { RUNNING, ORPHANED, KILLED, STILLBORN };

struct process_list {
	struct loop *loop;
	struct process *first;
	int children; /* readable when some child may have ended; -1 where pidfds tell */
};

struct process {
	struct process *next;
	struct process_list *list;
	enum state state;
	struct claim_process shim, activity; /* as far as known */
	uint32_t attempt;
	int pidfd;    /* of the shim; ORPHANED: of the activity; -1: none */
	bool child;   /* the shim is ours to reap */
	bool foreign; /* the shim is known by its lock only */
	int retries;  /* how often its claim could not be read, after its end */
	int64_t deadline_ns, poll_ns; /* < 0: none */
	struct process_about about;
	void (*done)(void *arg, struct process_result *result);
	void *arg;
	struct process_result result; /* STILLBORN: it is known from the start */
};

/* process.c */
int process_list_of(struct process_list **out, struct loop *loop, struct pawl_error *err) PAWL_MUST_USE;
void process_list_free_if_empty(struct process_list *list); /* the loop may be gone after the last of its processes */
struct process *process_new(struct process_list *list, const char *work);
void process_free(struct process *p); /* not (or no more) on the list */
void process_watch(struct process *p); /* from now on its end will be noticed; onto the list */
int64_t process_now_ns(void);
int64_t process_later(int64_t ns, int64_t ms); /* -1: too far away to come */
int64_t process_backstop_ms(int64_t grace_ms);
void process_file(char *path, size_t size, const char *work, const char *name);
void process_signal_shim(const struct claim_process *shim, int signal);

/* process_claim.c */
void claim_clear(struct claim *c); /* one that says nothing */
int claim_parse(struct claim *c, struct slice text) PAWL_MUST_USE; /* PAWL_EPARSE: the first part is not whole */
int claim_read(struct claim *c, const char *work) PAWL_MUST_USE; /* also PAWL_ENOTFOUND; PAWL_EIO: for now */
bool claim_is_held(const char *work); /* its shim lives, wherever that is */
enum spawn_life claim_shim_life(const struct claim *c, const char *work);
bool claim_is_near(const struct claim *c); /* its pids are ours: this boot, our pid namespace */

/* process_adopt.c */
void process_write_cancel(const char *work);

/* process_result.c */
void process_verdict(struct process_result *r, enum work_outcome outcome, const char *code, const char *fmt, ...)
	PAWL_PRINTF(4, 5);
void process_not_executed(struct process_result *r, int sys, const char *program, const char *message);
void process_judge(struct process_result *r, const struct claim *c, const struct process_about *about);

#endif
