/*
 * process_impl.h - what process.c (events, the end), process_start.c and process_result.c (the last line on stderr,
 * the verdict) share. For them only; the states and invariants are in process.c.
 */
#ifndef RUNTIME_PROCESS_IMPL_H
#define RUNTIME_PROCESS_IMPL_H

#include "base/buf.h"
#include "os/spawn.h"
#include "runtime/process.h"

#define LAST_LINE_MAX 200

enum state { RUNNING, ENDING, KILLED, STILLBORN };
enum reason { NO_REASON, TOO_LATE, TOO_LARGE, NO_MEMORY, NOT_STARTED, NOT_WANTED };

/* The last line with something in it; of a long one the beginning. */
struct last_line {
	char done[LAST_LINE_MAX + 1], now[LAST_LINE_MAX + 1];
	size_t now_len; /* goes over the limit by one when the line does */
	bool now_has_text;
};

struct process_list {
	struct loop *loop;
	struct process *first;
	int children; /* readable when some child may have ended; -1 where pidfds tell */
};

struct process {
	struct process *next;
	struct process_list *list;
	enum state state;
	enum reason reason;
	pid_t pid;
	int pidfd, in, out, errors, log;
	bool ended; /* the program; what it has left behind may go on */
	struct spawn_status status;
	char *input; /* what is left of it */
	size_t input_len, input_at;
	struct buf output;
	struct last_line line;
	uint64_t output_max, log_max, log_len;
	int64_t timeout_ms, grace_ms;
	int64_t started_ns, ended_ns, deadline_ns; /* deadline < 0: none */
	void (*done)(void *arg, struct process_result *result);
	void *arg;
	struct process_result result;
};

/* process.c */
int process_list_of(struct process_list **out, struct loop *loop, struct pawl_error *err) PAWL_MUST_USE;
void process_list_free_if_empty(struct process_list *list); /* the loop may be gone after the last of its processes */
int64_t process_now_ns(void);
int64_t process_later(int64_t ns, int64_t ms);
void process_on_input(void *arg, unsigned events);
void process_on_output(void *arg, unsigned events);
void process_on_errors(void *arg, unsigned events);
void process_on_pidfd(void *arg, unsigned events);
void process_kill_group(struct process *p);
void process_close_fd(int *fd);
void process_release_fds(struct process *p);
void process_free(struct process *p);

/* process_result.c */
void last_line_add(struct last_line *l, const char *data, size_t len);
void process_verdict(struct process_result *r, enum work_outcome outcome, const char *code, const char *fmt, ...)
	PAWL_PRINTF(4, 5);
void process_take_result(struct process *p); /* fills in p->result; the output moves there */

#endif
