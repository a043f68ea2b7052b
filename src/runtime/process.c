/*
 * process.c - one object for each program that runs, driven by the loop's events.
 *
 *	state     what                     program has ended         its pipes are closed    deadline           stop
 *	RUNNING   as it should             over, if stdout is        over, if it has ended   timeout: ENDING;   ENDING
 *	                                   closed; else a last wait  (stdout only)           last wait: over
 *	ENDING    TERM was sent            over, if both are closed  over, if it has ended   KILLED             nop
 *	KILLED    KILL was sent            over                      nop                     -                  nop
 *	STILLBORN it could not be started  -                         -                       over               nop
 *
 * "Stop" comes from process_cancel, the timeout, too much output or a lack of memory; the first reason stays, but
 * a cancel goes over all. A stop in the last wait is one of RUNNING.
 *
 * 1. While the state is RUNNING, ENDING or KILLED the program is ours to reap. It stays a zombie until the end of the
 *    object (at most the last wait, or the grace), so that -pid is our process group and no other whenever we kill.
 * 2. Only settle() and the deadline of a STILLBORN one end the object, as the last thing in an event.
 * 3. In ENDING the group gets its grace even when its leader has ended (a shell dies of TERM at once, what it had
 *    started cleans up): its end is known by the pipes, which are closed then.
 *
 * The end of a program is told by a pidfd. Kernels without (before 5.3, or forbidden by a filter): SIGCHLD writes to
 * a pipe of the loop, then all programs of the loop are looked at. SIGCHLD must then not be blocked or taken by others.
 */
#include "runtime/process.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/text.h"
#include "os/os.h"
#include "os/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NS_PER_MS 1000000
#define LINGER_NS (1000 * (int64_t)NS_PER_MS)
#define CHUNK (16 * 1024)
#define PIPE_BYTES_MAX (1024 * 1024) /* what a pipe may hold unless its owner is privileged */
#define LINE_MAX_BYTES 200
#define EXIT_DEFERRED 75
#define EXIT_FAILED 100

enum state { RUNNING, ENDING, KILLED, STILLBORN };
enum reason { NO_REASON, TOO_LATE, TOO_LARGE, NO_MEMORY, NOT_STARTED, NOT_WANTED };

/* The last line with something in it; of a long one the beginning. */
struct last_line {
	char done[LINE_MAX_BYTES + 1], now[LINE_MAX_BYTES + 1];
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

static void settle(struct process *p);

static int64_t now_ns(void)
{
	const struct os *os = os_linux();

	return os->boot_ns(os->self);
}

static int64_t later(int64_t ns, int64_t ms)
{
	if (ms < 0)
		ms = 0;
	return ms > (INT64_MAX - ns) / NS_PER_MS ? INT64_MAX : ns + ms * NS_PER_MS;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void drop_fd(struct process *p, int *fd)
{
	loop_remove(p->list->loop, *fd);
	close_fd(fd);
}

/* the last line on stderr */

static void line_end(struct last_line *l)
{
	if (l->now_has_text) {
		l->now[l->now_len < LINE_MAX_BYTES ? l->now_len : LINE_MAX_BYTES] = '\0';
		if (l->now_len > LINE_MAX_BYTES)
			text_mark_cut(l->now, sizeof(l->now));
		memcpy(l->done, l->now, sizeof(l->done));
	}
	l->now_len = 0;
	l->now_has_text = false;
}

static void line_addc(struct last_line *l, char c)
{
	if ((unsigned char)c < ' ' || c == 0x7f)
		c = c == '\t' ? ' ' : '?';
	if (c != ' ')
		l->now_has_text = true;
	if (l->now_len < LINE_MAX_BYTES)
		l->now[l->now_len] = c;
	if (l->now_len <= LINE_MAX_BYTES)
		l->now_len++;
}

/* A carriage return ends a line too: that is how programs draw their progress. */
static void line_add(struct last_line *l, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (data[i] == '\n' || data[i] == '\r')
			line_end(l);
		else
			line_addc(l, data[i]);
}

static const char *line_text(struct last_line *l)
{
	line_end(l);
	if (!text_is_utf8(slice_of(l->done)))
		for (char *c = l->done; *c; c++)
			if ((unsigned char)*c >= 0x80)
				*c = '?';
	return l->done;
}

/* ending it */

static void signal_group(const struct process *p, int signal)
{
	kill(-p->pid, signal);
}

static void stop(struct process *p, enum reason reason, int64_t now)
{
	if (p->reason == NO_REASON || reason == NOT_WANTED)
		p->reason = reason;
	if (p->state != RUNNING)
		return;
	p->state = ENDING;
	p->deadline_ns = later(now, p->grace_ms);
	signal_group(p, SIGTERM);
	signal_group(p, SIGCONT); /* a stopped one must run to see it */
}

static void kill_group(struct process *p)
{
	p->state = KILLED;
	p->deadline_ns = -1;
	signal_group(p, SIGKILL);
}

/* stdin */

static void write_input(struct process *p)
{
	ssize_t n = 0;

	while (p->input_at < p->input_len) {
		n = write(p->in, p->input + p->input_at, p->input_len - p->input_at);
		if (n < 0)
			break;
		p->input_at += (size_t)n;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	drop_fd(p, &p->in); /* all is written, or nobody reads: a program need not */
	free(p->input);
	p->input = NULL;
}

static void on_input(void *arg, unsigned events)
{
	(void)events;
	write_input(arg);
}

/* stdout and stderr */

static ssize_t read_some(int fd, char data[CHUNK])
{
	ssize_t n;

	do
		n = read(fd, data, CHUNK);
	while (n < 0 && errno == EINTR);
	return n < 0 && errno != EAGAIN ? 0 : n;
}

static void take_output(struct process *p, const char *data, size_t len)
{
	uint64_t room = p->output_max - p->output.len;

	if (p->reason != NO_REASON)
		return;
	buf_add(&p->output, data, len <= room ? len : (size_t)room);
	if (!buf_ok(&p->output))
		stop(p, NO_MEMORY, now_ns());
	else if (len > room)
		stop(p, TOO_LARGE, now_ns());
}

static void take_errors(struct process *p, const char *data, size_t len)
{
	uint64_t room = p->log_max ? p->log_max - p->log_len : UINT64_MAX;

	line_add(&p->line, data, len);
	if (len > room)
		len = (size_t)room;
	while (p->log >= 0 && len > 0) {
		ssize_t n = write(p->log, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return; /* the disk is full: the log suffers, not the program */
		p->log_len += (uint64_t)n;
		data += n;
		len -= (size_t)n;
	}
}

/* One piece; how much that was. */
static size_t read_piece(struct process *p, int *fd)
{
	char data[CHUNK];
	ssize_t n = read_some(*fd, data);

	if (n == 0)
		drop_fd(p, fd);
	if (n <= 0)
		return 0;
	if (fd == &p->out)
		take_output(p, data, (size_t)n);
	else
		take_errors(p, data, (size_t)n);
	return (size_t)n;
}

static void on_output(void *arg, unsigned events)
{
	struct process *p = arg;

	(void)events;
	read_piece(p, &p->out);
	settle(p);
}

static void on_errors(void *arg, unsigned events)
{
	struct process *p = arg;

	(void)events;
	read_piece(p, &p->errors);
	settle(p);
}

/* All that the program has left in the pipe; somebody else may still write, so not for ever. */
static void drain(struct process *p, int *fd)
{
	size_t n, most = PIPE_BYTES_MAX;

	while (*fd >= 0 && most > 0 && (n = read_piece(p, fd)) > 0)
		most -= n < most ? n : most;
}

/* the verdict */

static void PAWL_PRINTF(4, 5) verdict(struct process_result *r, enum work_outcome outcome, const char *code, const char *fmt, ...)
{
	va_list args;

	r->outcome = outcome;
	snprintf(r->code, sizeof(r->code), "%s", code);
	va_start(args, fmt);
	if (vsnprintf(r->message, sizeof(r->message), fmt, args) >= (int)sizeof(r->message))
		text_mark_cut(r->message, sizeof(r->message));
	va_end(args);
}

/* What it said itself tells more than its code, which is in the result anyway. */
static void judge_exit(struct process *p, enum work_outcome outcome, const char *what, int number)
{
	const char *said = line_text(&p->line);
	char code[32];

	snprintf(code, sizeof(code), "%s:%d", what, number);
	if (*said)
		verdict(&p->result, outcome, code, "%s", said);
	else
		verdict(&p->result, outcome, code, "ended with %s %d", what, number);
}

static enum work_outcome outcome_of_exit(int code)
{
	return code == EXIT_DEFERRED ? WORK_DEFERRED : code == EXIT_FAILED ? WORK_FAILED : WORK_STALLED;
}

static void judge_status(struct process *p)
{
	const struct spawn_status *s = &p->status;

	if (!s->known)
		verdict(&p->result, WORK_STALLED, "lost", "it has ended, but something else in this program waited for it");
	else if (s->signal)
		judge_exit(p, WORK_STALLED, "signal", s->signal);
	else if (s->exit_code)
		judge_exit(p, outcome_of_exit(s->exit_code), "exit", s->exit_code);
	else
		verdict(&p->result, WORK_COMPLETED, "", "%s", line_text(&p->line));
}

static void judge_late(struct process *p)
{
	char limit[TEXT_TIME_SIZE];

	text_duration(limit, p->timeout_ms);
	verdict(&p->result, WORK_TIMEOUT, "timeout", "took longer than its limit of %s and was %s", limit,
	        p->state == KILLED ? "killed, as it did not end when asked to" : "ended");
}

static void judge(struct process *p)
{
	switch (p->reason) {
	case NO_REASON:
		judge_status(p);
		break;
	case TOO_LATE:
		judge_late(p);
		break;
	case TOO_LARGE:
		verdict(&p->result, WORK_FAILED, "output-too-large",
		        "wrote more than %llu bytes to its standard output: write a file and its name instead, or raise the limit",
		        (unsigned long long)p->output_max);
		break;
	case NO_MEMORY:
		verdict(&p->result, WORK_STALLED, "memory", "out of memory for its output");
		break;
	case NOT_STARTED: /* judged when that happened */
		break;
	case NOT_WANTED:
		verdict(&p->result, WORK_CANCELED, "canceled", "canceled");
		break;
	}
}

static void take_result(struct process *p)
{
	struct process_result *r = &p->result;
	struct buf *b = &p->output;

	judge(p);
	if (b->len > 0 && b->data[b->len - 1] == '\n')
		buf_truncate(b, b->len - 1);
	r->output = buf_detach(b, &r->output_len);
	r->pid = (int)p->pid;
	r->elapsed_ms = (p->ended_ns - p->started_ns) / NS_PER_MS;
	if (r->output)
		return;
	r->output_len = 0;
	if (p->reason == NO_REASON)
		verdict(r, WORK_STALLED, "memory", "out of memory for its output");
}

/* the list of a loop's processes */

static void on_child(void *arg, unsigned events);

static int watch_children(struct process_list *list, struct pawl_error *err)
{
	int r;

	list->children = spawn_watch();
	if (list->children < 0)
		return err_sys(err, -list->children, "cannot watch for the end of programs");
	r = loop_add(list->loop, list->children, LOOP_READ, on_child, list, err);
	if (r < 0)
		spawn_unwatch(list->children);
	return r;
}

static int list_of(struct process_list **out, struct loop *loop, struct pawl_error *err)
{
	struct process_list *list = loop_get_user(loop);
	int r = 0;

	if (!list) {
		spawn_prepare_signals();
		list = calloc(1, sizeof(*list));
		if (!list)
			return err_nomem(err);
		list->loop = loop;
		list->children = -1;
		if (!spawn_has_pidfd())
			r = watch_children(list, err);
		if (r < 0) {
			free(list);
			return r;
		}
		loop_set_user(loop, list);
	}
	*out = list;
	return 0;
}

/* The loop may be gone after the last one of its processes. */
static void list_free_if_empty(struct process_list *list)
{
	if (list->first)
		return;
	loop_set_user(list->loop, NULL);
	if (list->children >= 0) {
		loop_remove(list->loop, list->children);
		spawn_unwatch(list->children);
	}
	free(list);
}

static void list_remove(struct process_list *list, struct process *p)
{
	struct process **at = &list->first;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
}

/* the end of the object */

static void release_fds(struct process *p)
{
	drop_fd(p, &p->in);
	drop_fd(p, &p->out);
	drop_fd(p, &p->errors);
	drop_fd(p, &p->pidfd);
	close_fd(&p->log);
}

static void process_free(struct process *p)
{
	release_fds(p);
	free(p->input);
	buf_release(&p->output);
	free(p);
}

static void finish(struct process *p)
{
	struct process_list *list = p->list;
	void (*done)(void *, struct process_result *) = p->done;
	void *arg = p->arg;
	struct process_result result;

	if (p->state != STILLBORN) {
		drain(p, &p->out);
		drain(p, &p->errors);
		if (p->state == ENDING)
			signal_group(p, SIGKILL);
		spawn_reap(p->pid);
	}
	take_result(p);
	result = p->result;
	list_remove(list, p);
	process_free(p);
	list_free_if_empty(list);
	done(arg, &result);
}

/* After every event: is it over? Ends the object then. */
static void settle(struct process *p)
{
	bool over = p->ended;

	if (p->state == RUNNING)
		over = over && p->out < 0;
	else if (p->state == ENDING)
		over = over && p->out < 0 && p->errors < 0;
	if (over)
		finish(p);
}

/* The last wait begins: a daemon that holds its stdout does not hold us up. */
static bool look_for_end(struct process *p, int64_t now)
{
	if (p->ended || !spawn_has_ended(p->pid, &p->status))
		return false;
	p->ended = true;
	p->ended_ns = now;
	if (p->state == RUNNING)
		p->deadline_ns = now + LINGER_NS;
	drop_fd(p, &p->pidfd);
	drain(p, &p->out);
	drain(p, &p->errors);
	return true;
}

static void on_pidfd(void *arg, unsigned events)
{
	struct process *p = arg;

	(void)events;
	if (look_for_end(p, now_ns()))
		settle(p);
}

/* Without pidfds. Each round ends one, as its callback may change the list or free it. */
static void on_child(void *arg, unsigned events)
{
	struct process_list *list = arg;
	char bytes[64];
	struct process *p;

	(void)events;
	while (read(list->children, bytes, sizeof(bytes)) == (ssize_t)sizeof(bytes))
		;
	for (p = list->first; p; p = p->next)
		if (p->state != STILLBORN)
			look_for_end(p, now_ns());
}
