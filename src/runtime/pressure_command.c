/*
 * pressure_command.c - programs that are asked whether the device is fine; the loop goes on meanwhile.
 *
 *	state    what             asked for it               program has ended          time is over
 *	IDLE     no answer,       start it: ASKING,          -                          -
 *	         or an old one    or an answer at once
 *	ASKING   it runs          "asking 'PROGRAM'"         its answer: IDLE           killed, an answer: LATE
 *	LATE     killed, not      the answer                 IDLE                       -
 *	         gone yet
 *
 * 1. Of each distinct command (all its words) one program runs at most.
 * 2. While its pid is not 0 the program is ours to reap, a zombie at worst, so that -pid is its process group.
 * 3. What it has left behind in its process group is killed when it has ended: an answer needs no daemon.
 */
#include "base/text.h"
#include "os/spawn.h"
#include "runtime/pressure_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DRAIN_BYTES_MAX (1024 * 1024) /* what a pipe may hold unless its owner is privileged */
#define END_WAIT_MS 1000

struct pressure_command {
	struct pressure_command *next;
	struct pressure *p;
	pid_t pid; /* 0: does not run */
	int pidfd, out, alarm;
	bool answered, fine, late, awaited;
	int64_t answered_ns;
	char line[PRESSURE_LINE_MAX + 1]; /* the first of its standard output */
	size_t line_len;
	bool line_done;
	char reason[PRESSURE_LINE_MAX + 128];
	const char *argv[]; /* ends with NULL; then their text */
};

static void drop_fd(struct pressure_command *c, int *fd)
{
	if (*fd >= 0) {
		loop_remove(c->p->loop, *fd);
		close(*fd);
	}
	*fd = -1;
}

/* answers */

static void set_answer(struct pressure_command *c, bool fine)
{
	const struct os *os = c->p->os;

	c->answered = true;
	c->fine = fine;
	c->answered_ns = os->boot_ns(os->self);
}

/* To be followed by nothing: who is told may ask again, or make us reload. */
static void tell_who_waits(struct pressure_command *c)
{
	bool awaited = c->awaited;

	c->awaited = false;
	if (awaited && c->p->changed)
		c->p->changed(c->p->arg);
}

/* It goes into logs, states and terminals. */
static void make_printable(char *text)
{
	bool utf8 = text_is_utf8(slice_of(text));

	for (unsigned char *c = (unsigned char *)text; *c; c++)
		if (*c < ' ' || *c == 0x7f || (!utf8 && *c >= 0x80))
			*c = *c < ' ' ? ' ' : '?';
}

static void judge(struct pressure_command *c, const struct spawn_status *status)
{
	set_answer(c, status->known && !status->signal && status->exit_code == 0);
	if (c->fine)
		return;
	c->line[c->line_len] = '\0';
	if (c->line_len == PRESSURE_LINE_MAX && !c->line_done)
		text_mark_cut(c->line, sizeof(c->line));
	make_printable(c->line);
	if (c->line[strspn(c->line, " ")])
		snprintf(c->reason, sizeof(c->reason), "%s", c->line);
	else if (!status->known)
		snprintf(c->reason, sizeof(c->reason), "'%.100s' has ended and something else took its exit code",
		         c->argv[0]);
	else if (status->signal)
		snprintf(c->reason, sizeof(c->reason), "'%.100s' was ended by signal %d", c->argv[0], status->signal);
	else
		snprintf(c->reason, sizeof(c->reason), "'%.100s' ended with exit code %d", c->argv[0],
		         status->exit_code);
}

static void not_started(struct pressure_command *c, int sys)
{
	set_answer(c, false);
	snprintf(c->reason, sizeof(c->reason), "cannot start '%.100s': %s", c->argv[0], strerror(sys));
}

/* output */

static void take_line(struct pressure_command *c, const char *data, size_t len)
{
	const char *end = memchr(data, '\n', len);
	size_t room = PRESSURE_LINE_MAX - c->line_len;

	if (c->line_done)
		return;
	if (end)
		len = (size_t)(end - data);
	c->line_done = end && len <= room;
	memcpy(c->line + c->line_len, data, len < room ? len : room);
	c->line_len += len < room ? len : room;
}

/* How much came. What follows the first line is thrown away, so that the program can go on. */
static size_t read_output(struct pressure_command *c)
{
	char data[4096];
	ssize_t n;

	do
		n = read(c->out, data, sizeof(data));
	while (n < 0 && errno == EINTR);
	if (n == 0 || (n < 0 && errno != EAGAIN))
		drop_fd(c, &c->out);
	if (n <= 0)
		return 0;
	take_line(c, data, (size_t)n);
	return (size_t)n;
}

static void drain(struct pressure_command *c)
{
	size_t n, most = DRAIN_BYTES_MAX;

	while (c->out >= 0 && most > 0 && (n = read_output(c)) > 0)
		most -= n < most ? n : most;
}

static void on_output(void *arg, unsigned events)
{
	(void)events;
	read_output(arg);
}

/* the end */

static void release_fds(struct pressure_command *c)
{
	drop_fd(c, &c->out);
	drop_fd(c, &c->pidfd);
	drop_fd(c, &c->alarm);
}

/* It has ended. */
static void reap(struct pressure_command *c, const struct spawn_status *status)
{
	if (status->known) /* else the number may be anybody's */
		kill(-c->pid, SIGKILL);
	spawn_reap(c->pid);
	c->pid = 0;
	release_fds(c);
}

static bool look_for_end(struct pressure_command *c)
{
	struct spawn_status status;

	if (c->pid == 0 || !spawn_has_ended(c->pid, &status))
		return false;
	drain(c);
	reap(c, &status);
	if (!c->late)
		judge(c, &status);
	return true;
}

static void on_pidfd(void *arg, unsigned events)
{
	(void)events;
	if (look_for_end(arg))
		tell_who_waits(arg);
}

/* Who is told may change the list, so each search starts anew. */
static void on_child(void *arg, unsigned events)
{
	struct pressure *p = arg;
	struct pressure_command *c;
	char bytes[64];

	(void)events;
	while (read(p->children, bytes, sizeof(bytes)) == (ssize_t)sizeof(bytes))
		;
	do {
		for (c = p->commands; c && !look_for_end(c); c = c->next)
			;
		if (c)
			tell_who_waits(c);
	} while (c);
}

static void on_alarm(void *arg, unsigned events)
{
	struct pressure_command *c = arg;
	char limit[TEXT_TIME_SIZE];

	(void)events;
	drop_fd(c, &c->alarm);
	if (!look_for_end(c)) { /* else it has just made it */
		kill(-c->pid, SIGKILL);
		drop_fd(c, &c->out);
		c->late = true;
		text_duration(limit, c->p->command_ms);
		set_answer(c, false);
		snprintf(c->reason, sizeof(c->reason), "'%.100s' gave no answer within %s and was killed", c->argv[0],
		         limit);
	}
	tell_who_waits(c);
}

/* the start; 0 or -errno, and then nothing runs or is open */

static int add_fd(struct pressure_command *c, int fd, loop_fn fn)
{
	struct pawl_error err;

	return loop_add(c->p->loop, fd, LOOP_READ, fn, c, &err) < 0 ? -ENOMEM : 0;
}

static int watch_children(struct pressure *p)
{
	struct pawl_error err;

	if (spawn_has_pidfd() || p->children >= 0)
		return 0;
	p->children = spawn_watch();
	if (p->children < 0 || loop_add(p->loop, p->children, LOOP_READ, on_child, p, &err) == 0)
		return p->children < 0 ? p->children : 0;
	spawn_unwatch(p->children);
	p->children = -1;
	return -ENOMEM;
}

static int spawn_with(struct pressure_command *c, int out)
{
	struct spawn_spec spec = { .argv = c->argv };
	enum spawn_step failed;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC | O_NOCTTY);
	pid_t pid = null < 0 ? -errno : 0;

	spec.fds[0] = spec.fds[2] = null;
	spec.fds[1] = out;
	if (null >= 0) {
		pid = spawn_start(&spec, &failed);
		close(null);
	}
	c->pid = pid > 0 ? pid : 0;
	return pid < 0 ? (int)pid : 0;
}

static int set_alarm(struct pressure_command *c)
{
	c->alarm = alarm_new();
	if (c->alarm < 0)
		return c->alarm;
	alarm_set(c->alarm, c->p->command_ms * PRESSURE_NS_PER_MS);
	return add_fd(c, c->alarm, on_alarm);
}

static int watch_end(struct pressure_command *c)
{
	if (!spawn_has_pidfd())
		return 0;
	c->pidfd = spawn_pidfd(c->pid);
	return c->pidfd < 0 ? c->pidfd : add_fd(c, c->pidfd, on_pidfd);
}

static int start_with(struct pressure_command *c)
{
	int fds[2], r = spawn_pipe(fds, true, false);

	if (r < 0)
		return r;
	c->out = fds[0];
	r = add_fd(c, c->out, on_output);
	if (r == 0)
		r = set_alarm(c);
	if (r == 0)
		r = spawn_with(c, fds[1]);
	close(fds[1]);
	return r == 0 ? watch_end(c) : r;
}

static void abandon(struct pressure_command *c)
{
	const struct spawn_status status = { .known = true };

	if (c->pid > 0) {
		kill(-c->pid, SIGKILL);
		reap(c, &status);
	}
	release_fds(c);
}

static void start(struct pressure_command *c)
{
	int r;

	c->answered = c->late = c->line_done = false;
	c->line_len = 0;
	spawn_prepare_signals();
	r = watch_children(c->p);
	if (r == 0)
		r = start_with(c);
	if (r == 0)
		return;
	abandon(c);
	not_started(c, -r);
}

/* the list */

static bool same_words(const char *const *a, const char *const *b)
{
	for (; *a && *b; a++, b++)
		if (strcmp(*a, *b) != 0)
			return false;
	return !*a && !*b;
}

static struct pressure_command *command_new(struct pressure *p, const char *const *argv)
{
	size_t words = 0, bytes = 0;

	for (; argv[words]; words++)
		bytes += strlen(argv[words]) + 1;
	struct pressure_command *c = calloc(1, sizeof(*c) + (words + 1) * sizeof(c->argv[0]) + bytes);
	if (!c)
		return NULL;
	char *text = (char *)(c->argv + words + 1);
	for (size_t i = 0; i < words; i++) {
		size_t size = strlen(argv[i]) + 1;
		c->argv[i] = memcpy(text, argv[i], size);
		text += size;
	}
	c->p = p;
	c->pidfd = c->out = c->alarm = -1;
	c->next = p->commands;
	p->commands = c;
	return c;
}

static struct pressure_command *command_of(struct pressure *p, const char *const *argv)
{
	struct pressure_command *c = p->commands;

	while (c && !same_words(c->argv, argv))
		c = c->next;
	return c ? c : command_new(p, argv);
}

static bool counts_still(const struct pressure_command *c, int64_t now, int64_t every_ms)
{
	if (every_ms <= 0)
		every_ms = PRESSURE_COMMAND_EVERY_MS;
	return c->answered && now >= c->answered_ns && (now - c->answered_ns) / PRESSURE_NS_PER_MS < every_ms;
}

const char *pressure_ask(struct pressure *p, int64_t now, const char *const *argv, int64_t every_ms)
{
	struct pressure_command *c = command_of(p, argv);

	if (!c)
		return "out of memory to ask a program";
	if (c->pid == 0 && !counts_still(c, now, every_ms))
		start(c);
	if (c->answered)
		return c->fine ? NULL : c->reason;
	c->awaited = true;
	snprintf(c->reason, sizeof(c->reason), "asking '%.200s'", c->argv[0]);
	return c->reason;
}

/* Of those that do not run. */
void pressure_forget_answers(struct pressure *p)
{
	struct pressure_command **at = &p->commands, *c;

	while ((c = *at)) {
		if (c->pid > 0) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		free(c);
	}
}

/* What sits in the kernel and cannot be killed at once is left to init. */
static void end(struct pressure_command *c)
{
	const struct timespec nap = { 0, PRESSURE_NS_PER_MS };
	struct spawn_status status;

	if (c->pid > 0)
		kill(-c->pid, SIGKILL);
	for (int i = 0; c->pid > 0 && i < END_WAIT_MS; i++) {
		if (spawn_has_ended(c->pid, &status))
			reap(c, &status);
		else
			nanosleep(&nap, NULL);
	}
	c->pid = 0;
	release_fds(c);
}

void pressure_end_commands(struct pressure *p)
{
	for (struct pressure_command *c = p->commands; c; c = c->next)
		end(c);
	pressure_forget_answers(p);
	if (p->children < 0)
		return;
	loop_remove(p->loop, p->children);
	spawn_unwatch(p->children);
	p->children = -1;
}
