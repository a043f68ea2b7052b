/* cli_serve.c - `pawl work serve`: take items, and run a program for each. */
#include "cli/output.h"
#include "cli/work.h"
#include "base/text.h"
#include "os/spawn.h"
#include "runtime/carrier.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define BEAT_MS 5000
#define GRACE_MS 5000
#define LOOK_MS 200            /* where the kernel cannot tell that a program has ended */
#define LOG_BYTES_MAX 65536
#define TAIL_BYTES 512
#define NEVER INT64_MAX

enum stop { STOP_NOT, STOP_CANCELED, STOP_LOST, STOP_ASKED };

struct serve {
	struct cli *c;
	char worker[24];
	char **argv;
	int64_t timeout_ms;
	uint64_t left;              /* items until the end; 0 = any number */
	/* of the item at hand */
	const struct pawl_work_item *item;
	pid_t pid;
	int in, out, errors, log, watch;
	size_t in_done, log_len;
	struct buf output;
	char tail[TAIL_BYTES + 1];  /* of standard error */
	size_t tail_len;
	int64_t beat_every_ms, beat_ms, kill_ms;
	enum stop stop;
};

/* ---- TERM and INT ---- */

static volatile sig_atomic_t stopping, idle;
static int wake[2] = { -1, -1 };

/* Without an item there is nothing to clean up. */
static void on_signal(int number)
{
	int kept = errno;

	(void)number;
	if (idle)
		_exit(CLI_DONE);
	stopping = 1;
	ssize_t n = write(wake[1], "", 1);
	(void)n;
	errno = kept;
}

static int signals_begin(struct cli *c, struct sigaction old[2])
{
	struct sigaction action = { .sa_handler = on_signal };
	int rc = spawn_pipe(wake, true, true);

	if (rc < 0)
		return err_sys(&c->err, -rc, "cannot make a pipe");
	spawn_prepare_signals();
	stopping = idle = 0;
	sigemptyset(&action.sa_mask);
	sigaction(SIGTERM, &action, &old[0]);
	sigaction(SIGINT, &action, &old[1]);
	return 0;
}

static void signals_end(const struct sigaction old[2])
{
	sigaction(SIGTERM, &old[0], NULL);
	sigaction(SIGINT, &old[1], NULL);
	close(wake[0]);
	close(wake[1]);
}

/* ---- the program and its pipes ---- */

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void give_input(struct serve *s)
{
	const char *input = s->item->input;

	while (s->in_done < s->item->input_len) {
		ssize_t n = write(s->in, input + s->in_done, s->item->input_len - s->in_done);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0)
			break; /* it does not want it */
		s->in_done += (size_t)n;
	}
	close_fd(&s->in);
}

static void add_output(struct serve *s, const char *data, size_t len)
{
	if (s->output.len <= PAWL_PAYLOAD_BYTES_MAX)
		buf_add(&s->output, data, len);
}

static void add_errors(struct serve *s, const char *data, size_t len)
{
	size_t room = LOG_BYTES_MAX - s->log_len, logged = len < room ? len : room;

	if (s->log >= 0 && logged && write(s->log, data, logged) == (ssize_t)logged)
		s->log_len += logged;
	else if (s->log < 0)
		fwrite(data, 1, len, stderr);
	if (len > TAIL_BYTES) {
		data += len - TAIL_BYTES;
		len = TAIL_BYTES;
	}
	size_t keep = s->tail_len + len > TAIL_BYTES ? TAIL_BYTES - len : s->tail_len;
	memmove(s->tail, s->tail + s->tail_len - keep, keep);
	memcpy(s->tail + keep, data, len);
	s->tail_len = keep + len;
}

/* Until it is empty for now; closed when it is over. */
static void read_all(struct serve *s, int *fd, void (*add)(struct serve *s, const char *data, size_t len))
{
	char part[4096];
	ssize_t n;

	while (*fd >= 0 && (n = read(*fd, part, sizeof(part))) != 0) {
		if (n > 0)
			add(s, part, (size_t)n);
		else if (errno == EAGAIN)
			return;
		else if (errno != EINTR)
			break;
	}
	close_fd(fd);
}

/* PAWL_... for the program: "NAME=value" each. */
static const char **environment(struct serve *s, struct arena *arena)
{
	const char **env = arena_calloc(arena, WORK_VARIABLES + 1, sizeof(*env));
	struct work_env values;
	size_t count = 0;

	work_env_fill(&values, s->c, s->item, s->worker);
	for (int n = 0; env && n < WORK_VARIABLES; n++) {
		if (!values.v[n].value)
			continue;
		env[count] = arena_printf(arena, "%s=%s", values.v[n].name, values.v[n].value);
		if (!env[count++])
			return NULL;
	}
	return env;
}

static int open_log(const char *dir)
{
	char path[PATH_MAX];

	if (!dir || snprintf(path, sizeof(path), "%s/log", dir) >= (int)sizeof(path))
		return -1;
	return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK, 0644);
}

static int open_pipes(struct serve *s, int theirs[3])
{
	int fds[3][2] = { { -1, -1 }, { -1, -1 }, { -1, -1 } };
	int rc = 0;

	for (int n = 0; rc >= 0 && n < 3; n++)
		rc = spawn_pipe(fds[n], n > 0, n == 0);
	s->in = fds[0][1];
	s->out = fds[1][0];
	s->errors = fds[2][0];
	theirs[0] = fds[0][0];
	theirs[1] = fds[1][1];
	theirs[2] = fds[2][1];
	return rc;
}

static int start(struct serve *s, const char *const *env)
{
	static const char *const what[] = { "cannot make a process for '%s'", "cannot set up '%s'",
		"cannot enter the work directory for '%s'", "cannot run '%s'" };
	const char *dir = s->item->work_dir && access(s->item->work_dir, X_OK) == 0 ? s->item->work_dir : NULL;
	struct spawn_spec spec = { .argv = (const char *const *)s->argv, .dir = dir, .env = env };
	enum spawn_step step = SPAWN_FORK;
	int rc = open_pipes(s, spec.fds);

	s->pid = rc < 0 ? rc : spawn_start(&spec, &step);
	for (int n = 0; n < 3; n++)
		close_fd(&spec.fds[n]);
	if (s->pid < 0) {
		(void)err_sys(&s->c->err, (int)-s->pid, what[step], s->argv[0]);
		return s->c->err.code = PAWL_EIO; /* "not found" is said of instances */
	}
	s->log = open_log(dir);
	s->watch = spawn_has_pidfd() ? spawn_pidfd(s->pid) : -1;
	return 0;
}

static void stop_program(struct serve *s, enum stop why)
{
	if (s->stop != STOP_NOT)
		return;
	s->stop = why;
	kill(-s->pid, SIGTERM);
	s->kill_ms = s->c->boot_ms + GRACE_MS;
}

static void beat(struct serve *s)
{
	struct cli *c = s->c;
	int rc = c->provider->ops->renew(c->provider, s->item->id, s->worker, NULL, &c->err);

	s->beat_ms = c->boot_ms + s->beat_every_ms;
	if (rc == PAWL_ECANCELED)
		stop_program(s, STOP_CANCELED);
	else if (rc == PAWL_ENOTFOUND)
		stop_program(s, STOP_LOST);
	if (rc < 0 && s->stop != STOP_ASKED) {
		rc = work_explain(c, rc, s->item->id, s->worker, s->item->work_dir);
		cli_note(c, "%s", c->err.text[0] ? c->err.text : pawl_strerror(rc));
	}
}

static void wait_for_something(struct serve *s)
{
	struct pollfd fds[] = {
		{ .fd = s->in, .events = POLLOUT }, { .fd = s->out, .events = POLLIN },
		{ .fd = s->errors, .events = POLLIN }, { .fd = s->watch, .events = POLLIN },
		{ .fd = s->stop == STOP_NOT ? wake[0] : -1, .events = POLLIN },
	};
	int64_t next = s->beat_ms < s->kill_ms ? s->beat_ms : s->kill_ms, left = next - s->c->boot_ms;

	if (s->watch < 0 && left > LOOK_MS)
		left = LOOK_MS;
	(void)poll(fds, sizeof(fds) / sizeof(fds[0]), left > 0 ? (int)left : 0);
	if (fds[0].revents)
		give_input(s);
	read_all(s, &s->out, add_output);
	read_all(s, &s->errors, add_errors);
	cli_clock(s->c);
}

static struct spawn_status run_to_end(struct serve *s)
{
	struct spawn_status status = { .known = false };

	while (!spawn_has_ended(s->pid, &status)) {
		wait_for_something(s);
		if (stopping)
			stop_program(s, STOP_ASKED);
		if (s->c->boot_ms >= s->beat_ms)
			beat(s);
		if (s->c->boot_ms >= s->kill_ms) {
			kill(-s->pid, SIGKILL);
			s->kill_ms = NEVER;
		}
	}
	kill(-s->pid, SIGKILL); /* what it left behind; the pid is ours until it is reaped */
	read_all(s, &s->out, add_output);
	read_all(s, &s->errors, add_errors);
	spawn_reap(s->pid);
	return status;
}

/* ---- its outcome ---- */

static void last_line(struct serve *s, struct buf *out)
{
	size_t end = s->tail_len;

	while (end > 0 && strchr("\n\r\t ", s->tail[end - 1]))
		end--;
	size_t begin = end;
	while (begin > 0 && s->tail[begin - 1] != '\n' && s->tail[begin - 1] != '\r')
		begin--;
	out_clean(out, slice_make(s->tail + begin, end - begin));
}

static int code_of(struct serve *s, const struct spawn_status *status, struct buf *message)
{
	last_line(s, message);
	if (status->known && status->signal == 0 && status->exit_code == 0 && s->output.len > PAWL_PAYLOAD_BYTES_MAX) {
		buf_reset(message);
		buf_addf(message, "its result is over the limit of %d bytes", PAWL_PAYLOAD_BYTES_MAX);
		return WORK_CODE_FAILED;
	}
	if (status->known && status->signal == 0) {
		if (status->exit_code != 0 && message->len == 0)
			buf_addf(message, "exit code %d", status->exit_code);
		return status->exit_code;
	}
	if (message->len)
		buf_adds(message, "; ");
	if (status->known)
		buf_addf(message, "ended by signal %d", status->signal);
	else
		buf_adds(message, "nobody knows how it ended");
	return status->known ? 128 + status->signal : WORK_CODE_STALLED;
}

static int tell(struct serve *s, const struct spawn_status *status)
{
	struct cli *c = s->c;
	const struct pawl_provider_ops *ops = c->provider->ops;
	struct buf message = BUF_INIT;
	int code = code_of(s, status, &message), rc = 0;

	if (s->output.len && s->output.data[s->output.len - 1] == '\n')
		buf_truncate(&s->output, s->output.len - 1);
	if (!buf_ok(&message) || !buf_ok(&s->output))
		rc = err_nomem(&c->err);
	else if (s->stop == STOP_ASKED && code != WORK_CODE_DONE)
		rc = ops->give_back(c->provider, s->item->id, s->worker, &c->err);
	else if (s->stop != STOP_LOST)
		rc = ops->finish(c->provider, s->item->id, s->worker, code, buf_str(&s->output), s->output.len,
			buf_str(&message), 0, &c->err);
	buf_release(&message);
	return s->stop == STOP_CANCELED ? 0 : rc;
}

static void end_item(struct serve *s)
{
	close_fd(&s->in);
	close_fd(&s->out);
	close_fd(&s->errors);
	close_fd(&s->log);
	close_fd(&s->watch);
	buf_release(&s->output);
}

/* Heartbeats come three times as often as they are asked for. */
static int64_t beat_interval(const struct pawl_work_item *item, struct arena *arena)
{
	struct carrier carrier;

	if (!item->carrier || carrier_decode(&carrier, slice_of(item->carrier), arena, NULL) < 0)
		return BEAT_MS;
	if (carrier.heartbeat_ms <= 0)
		return BEAT_MS;
	int64_t ms = carrier.heartbeat_ms / 3;
	return ms < 100 ? 100 : ms < BEAT_MS ? ms : BEAT_MS;
}

static void begin_item(struct serve *s, const struct pawl_work_item *item, struct arena *arena)
{
	s->item = item;
	s->in = s->out = s->errors = s->log = s->watch = -1;
	s->in_done = s->log_len = s->tail_len = 0;
	s->output = BUF_INIT;
	s->stop = STOP_NOT;
	s->kill_ms = NEVER;
	s->beat_every_ms = beat_interval(item, arena);
	cli_clock(s->c);
	s->beat_ms = s->c->boot_ms + s->beat_every_ms;
}

/* A program that cannot be run ends it all, and the item goes to somebody else. */
static int serve_item(struct serve *s, const struct pawl_work_item *item)
{
	struct cli *c = s->c;
	struct arena arena;

	arena_init(&arena, 0);
	begin_item(s, item, &arena);
	const char **env = environment(s, &arena);
	int rc = env ? start(s, env) : err_nomem(&c->err);
	if (rc < 0) {
		(void)c->provider->ops->give_back(c->provider, item->id, s->worker, NULL);
	} else {
		struct spawn_status status = run_to_end(s);
		rc = tell(s, &status);
		if (rc == PAWL_ENOTFOUND || rc == PAWL_ECANCELED) {
			rc = work_explain(c, rc, item->id, s->worker, NULL);
			cli_note(c, "%s", c->err.text);
			rc = 0;
		}
	}
	end_item(s);
	arena_release(&arena);
	return rc;
}

/* ---- the loop ---- */

static int wait_for_work(struct serve *s, const struct pawl_work_wanted *wanted, int64_t end_ms)
{
	struct cli *c = s->c;

	cli_clock(c);
	int64_t left = end_ms == NEVER ? -1 : end_ms > c->boot_ms ? end_ms - c->boot_ms : 0;
	fflush(NULL);
	idle = 1;
	int rc = stopping ? 0 : c->provider->ops->await_work(c->provider, wanted, left, &c->err);
	idle = 0;
	return rc == PAWL_ETIMEOUT ? err_set(&c->err, rc, "nothing to take came in time") : rc;
}

static int64_t end_of_wait(struct serve *s)
{
	cli_clock(s->c);
	return s->timeout_ms < 0 ? NEVER : s->c->boot_ms + s->timeout_ms;
}

static int serve(struct serve *s, const struct pawl_work_wanted *wanted)
{
	struct cli *c = s->c;
	int64_t end_ms = end_of_wait(s);
	int rc = 0;

	while (rc == 0 && !stopping) {
		struct pawl_work_item *item = NULL;
		rc = c->provider->ops->claim(c->provider, wanted, &item, &c->err);
		if (rc == PAWL_ENOTFOUND) {
			rc = wait_for_work(s, wanted, end_ms);
			continue;
		}
		if (rc == 0 && stopping)
			rc = c->provider->ops->give_back(c->provider, item->id, s->worker, &c->err);
		else if (rc == 0)
			rc = serve_item(s, item);
		free(item);
		if (s->left && --s->left == 0)
			break;
		end_ms = end_of_wait(s);
	}
	return rc;
}

/* The program runs in another directory than we do. */
static int find_program(struct cli *c, char path[PATH_MAX])
{
	if (!strchr(c->args[0], '/'))
		return 0;
	if (!work_absolute(c->args[0], path) || access(path, X_OK) < 0) {
		(void)err_sys(&c->err, errno, "cannot run '%s'", c->args[0]);
		return c->err.code = PAWL_EIO; /* "not found" is said of instances */
	}
	c->args[0] = path;
	return 0;
}

static int serve_with_signals(struct serve *s, const struct pawl_work_wanted *wanted)
{
	struct sigaction old[2];
	int rc = signals_begin(s->c, old);
	int children = rc == 0 && !spawn_has_pidfd() ? spawn_watch() : -1;

	if (rc < 0)
		return rc;
	rc = serve(s, wanted);
	if (children >= 0)
		spawn_unwatch(children);
	signals_end(old);
	return rc;
}

int work_serve(struct cli *c)
{
	struct serve s = { .c = c, .argv = c->args, .timeout_ms = -1, .left = c->opt[OPT_ONCE] ? 1 : 0 };
	struct work_wanted w = { .activities = NULL };
	char path[PATH_MAX];
	int rc = cli_number(c, OPT_TIMES, 1, UINT64_MAX, &s.left);

	if (rc == 0)
		rc = cli_duration(c, OPT_TIMEOUT, &s.timeout_ms);
	snprintf(s.worker, sizeof(s.worker), "%ld", (long)getpid());
	if (rc == 0)
		rc = work_wanted(c, s.worker, &w);
	if (rc == 0)
		rc = find_program(c, path);
	if (rc == 0)
		rc = cli_open(c, CLI_WORK);
	if (rc == 0)
		rc = serve_with_signals(&s, &w.wanted);
	work_wanted_release(&w);
	return rc;
}
