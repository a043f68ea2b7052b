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
 * 2. Only finish() ends the object, as the last thing in an event: its callback may do anything but wait.
 * 3. In ENDING the group gets its grace even when its leader has ended (a shell dies of TERM at once, what it had
 *    started cleans up): its end is known by the pipes, which are closed then.
 *
 * The end of a program is told by a pidfd. Kernels without (before 5.3, or forbidden by a filter): SIGCHLD writes to
 * a pipe of the loop, then all programs of the loop are looked at. SIGCHLD must then not be blocked or taken by others.
 */
#include "runtime/process_impl.h"
#include "base/error.h"
#include "os/os.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define NS_PER_MS 1000000
#define LINGER_MS 1000
#define CHUNK (16 * 1024)
#define PIPE_BYTES_MAX (1024 * 1024) /* what a pipe may hold unless its owner is privileged */

int64_t process_now_ns(void)
{
	const struct os *os = os_linux();

	return os->boot_ns(os->self);
}

int64_t process_later(int64_t ns, int64_t ms)
{
	if (ms < 0)
		ms = 0;
	return ms > (INT64_MAX - ns) / NS_PER_MS ? -1 : ns + ms * NS_PER_MS; /* too far away to come */
}

void process_close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void drop_fd(struct process *p, int *fd)
{
	loop_remove(p->list->loop, *fd);
	process_close_fd(fd);
}

/* ending it */

static void signal_group(const struct process *p, int signal)
{
	if (!p->ended || p->status.known) /* else somebody else has reaped it, and the number may be anybody's */
		kill(-p->pid, signal);
}

static void stop(struct process *p, enum reason reason, int64_t now)
{
	if (p->reason == NO_REASON || reason == NOT_WANTED)
		p->reason = reason;
	if (p->state != RUNNING)
		return;
	p->state = ENDING;
	p->deadline_ns = process_later(now, p->grace_ms);
	signal_group(p, SIGTERM);
	signal_group(p, SIGCONT); /* a stopped one must run to see it */
}

void process_kill_group(struct process *p)
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

void process_on_input(void *arg, unsigned events)
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
		stop(p, NO_MEMORY, process_now_ns());
	else if (len > room)
		stop(p, TOO_LARGE, process_now_ns());
}

static void take_errors(struct process *p, const char *data, size_t len)
{
	uint64_t room = p->log_max ? p->log_max - p->log_len : UINT64_MAX;

	last_line_add(&p->line, data, len);
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

/* All that the program has left in the pipe; somebody else may still write, so not for ever. */
static void drain(struct process *p, int *fd)
{
	size_t n, most = PIPE_BYTES_MAX;

	while (*fd >= 0 && most > 0 && (n = read_piece(p, fd)) > 0)
		most -= n < most ? n : most;
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

int process_list_of(struct process_list **out, struct loop *loop, struct pawl_error *err)
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
void process_list_free_if_empty(struct process_list *list)
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

void process_release_fds(struct process *p)
{
	drop_fd(p, &p->in);
	drop_fd(p, &p->out);
	drop_fd(p, &p->errors);
	drop_fd(p, &p->pidfd);
	process_close_fd(&p->log);
}

void process_free(struct process *p)
{
	process_release_fds(p);
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
	process_take_result(p);
	result = p->result;
	list_remove(list, p);
	process_free(p);
	process_list_free_if_empty(list);
	done(arg, &result);
}

static bool is_over(const struct process *p)
{
	if (p->state == RUNNING)
		return p->ended && p->out < 0;
	if (p->state == ENDING)
		return p->ended && p->out < 0 && p->errors < 0;
	return p->ended;
}

/* The last act of every event. */
static void settle(struct process *p)
{
	if (is_over(p))
		finish(p);
}

/* When it has just ended, the last wait begins: a daemon that holds its stdout does not hold us up. */
static void look_for_end(struct process *p, int64_t now)
{
	if (p->ended || p->state == STILLBORN || !spawn_has_ended(p->pid, &p->status))
		return;
	p->ended = true;
	p->ended_ns = now;
	if (p->state == RUNNING)
		p->deadline_ns = process_later(now, LINGER_MS);
	drop_fd(p, &p->pidfd);
	drop_fd(p, &p->in);
	drain(p, &p->out);
	drain(p, &p->errors);
}

void process_on_output(void *arg, unsigned events)
{
	struct process *p = arg;

	(void)events;
	read_piece(p, &p->out);
	settle(p);
}

void process_on_errors(void *arg, unsigned events)
{
	struct process *p = arg;

	(void)events;
	read_piece(p, &p->errors);
	settle(p);
}

void process_on_pidfd(void *arg, unsigned events)
{
	struct process *p = arg;

	(void)events;
	look_for_end(p, process_now_ns());
	settle(p);
}

static struct process *find(struct loop *loop, bool (*matches)(const struct process *p, int64_t now), int64_t now)
{
	struct process_list *list = loop_get_user(loop);
	struct process *p = list ? list->first : NULL;

	while (p && !matches(p, now))
		p = p->next;
	return p;
}

static bool matches_over(const struct process *p, int64_t now)
{
	(void)now;
	return is_over(p);
}

/* Without pidfds. Callbacks may change the list or free it, so each search starts anew. */
static void on_child(void *arg, unsigned events)
{
	struct process_list *list = arg;
	struct loop *loop = list->loop;
	int64_t now = process_now_ns();
	struct process *p;
	char bytes[64];

	(void)events;
	while (read(list->children, bytes, sizeof(bytes)) == (ssize_t)sizeof(bytes))
		;
	for (p = list->first; p; p = p->next)
		look_for_end(p, now);
	while ((p = find(loop, matches_over, now)))
		finish(p);
}

/* deadlines */

int64_t process_next_deadline(struct loop *loop)
{
	const struct process_list *list = loop_get_user(loop);
	int64_t first = -1;

	for (const struct process *p = list ? list->first : NULL; p; p = p->next)
		if (p->deadline_ns >= 0 && (first < 0 || p->deadline_ns < first))
			first = p->deadline_ns;
	return first;
}

static bool matches_due(const struct process *p, int64_t now)
{
	return p->deadline_ns >= 0 && p->deadline_ns <= now;
}

/* Moves the deadline, takes it away or ends the object: the search below comes to an end. */
static void on_deadline(struct process *p, int64_t now)
{
	bool last_wait = p->ended;

	look_for_end(p, now); /* it may have just made it */
	switch (p->state) {
	case RUNNING:
		if (last_wait)
			finish(p);
		else if (p->ended)
			settle(p);
		else
			stop(p, TOO_LATE, now);
		break;
	case ENDING:
	case KILLED:
		process_kill_group(p);
		settle(p);
		break;
	case STILLBORN:
		finish(p);
		break;
	}
}

void process_check_deadlines(struct loop *loop, int64_t boot_ns)
{
	struct process *p;

	while ((p = find(loop, matches_due, boot_ns)))
		on_deadline(p, boot_ns);
}

void process_cancel(struct process *p)
{
	stop(p, NOT_WANTED, process_now_ns());
}

int process_pid(const struct process *p)
{
	return (int)p->pid;
}
