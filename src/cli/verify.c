/* verify.c - see verify.h. */
#include "cli/verify.h"
#include "cli/history_file.h"
#include "base/crc32c.h"
#include "base/text.h"
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define REAP_LOOK_MS 2
#define REAP_TIME_OVER (-1)
#define REAP_UNKNOWN (-2) /* somebody else has taken the status */
#define CPU_MARGIN_S 2 /* the parent's clock comes first */

#define JOBS_MAX 256 /* of one child: what code leaks in a replay goes with it */

/* What the child is told; the path and the history follow. fn is the same on both sides of a fork. */
struct job {
	char id[129];
	uint64_t execution;
	size_t path_len, text_len;
	pawl_orchestration_fn fn;
};

const char *verdict_name(enum verdict_kind kind)
{
	static const char *const names[VERDICT_COUNT] = {
		[VERDICT_OK] = "ok",
		[VERDICT_DIFFERS] = "differs",
		[VERDICT_CRASHED] = "crashed",
		[VERDICT_ENDLESS] = "endless",
		[VERDICT_UNREADABLE] = "unreadable",
		[VERDICT_UNREGISTERED] = "unregistered",
		[VERDICT_DAMAGED] = "damaged",
		[VERDICT_ERROR] = "error",
	};

	return names[kind];
}

void verdict_set(struct verdict *v, enum verdict_kind kind, const char *fmt, ...)
{
	va_list args;

	v->kind = kind;
	va_start(args, fmt);
	vsnprintf(v->why, sizeof(v->why), fmt, args);
	va_end(args);
	text_mark_cut(v->why, sizeof(v->why));
}

/* ---- replaying ---- */

static enum verdict_kind kind_of_error(int code)
{
	switch (code) {
	case PAWL_ENONDETERMINISM:
		return VERDICT_DIFFERS;
	case PAWL_EUNSUPPORTED:
		return VERDICT_UNREADABLE;
	case PAWL_ECORRUPT:
	case PAWL_ENOTFOUND: /* a payload that the history names */
		return VERDICT_DAMAGED;
	default:
		return VERDICT_ERROR;
	}
}

static void take_mismatch(struct verdict *out, const struct mismatch *m)
{
	if (!m)
		return;
	out->line = m->seq;
	snprintf(out->expected, sizeof(out->expected), "%s", m->expected);
	snprintf(out->actual, sizeof(out->actual), "%s", m->actual);
}

static const struct event *event_of_file(const struct history *h, const char *file)
{
	for (size_t n = 0; n < h->count; n++)
		if (slice_is(h->events[n].data_file, file))
			return &h->events[n];
	return NULL;
}

struct replaying {
	const struct verifier *w;
	const struct verify *v;
};

static int load_spill(void *arg, const char *id, const char *file, char **out, size_t *len, struct pawl_error *err)
{
	const struct replaying *r = arg;
	const struct event *e = event_of_file(r->v->history, file);
	struct pawl_provider *p = r->w->provider;
	int rc = r->v->path ? history_file_spill(r->w->os, r->v->path, file, out, len, err) :
			      p->ops->read_spill(p, id, file, out, len, err);

	if (rc == 0 && e && (*len != e->data_len || crc32c(0, *out, *len) != e->data_crc)) {
		free(*out);
		rc = err_set(err, PAWL_ECORRUPT, "payload file '%s' is not the one that history line %llu names", file,
			(unsigned long long)e->seq);
	}
	return rc;
}

static void replay(const struct verifier *w, const struct verify *v, struct verdict *out)
{
	struct replaying r = { w, v };
	struct engine_options engine = w->engine;
	struct pawl_error err = { .code = 0 };
	struct execution *x = NULL;

	engine.load_spill = load_spill;
	engine.arg = &r;
	int rc = execution_new(&x, v->id, v->execution, v->fn, &engine, &err);
	if (rc == 0)
		rc = execution_load(x, v->history, &err);
	if (rc == 0)
		rc = execution_verify(x, &err);
	if (rc < 0) {
		verdict_set(out, kind_of_error(rc), "%s", err.text[0] ? err.text : pawl_strerror(rc));
		take_mismatch(out, x ? execution_mismatch(x) : NULL);
	}
	execution_free(x);
}

static void say_endless(char *text, size_t size, int64_t time_max_ms)
{
	char limit[TEXT_TIME_SIZE];

	text_duration(limit, time_max_ms);
	snprintf(text, size, "its code neither waits nor ends: no answer in %s; "
		"look for a loop without an end, a lock, or a call that blocks", limit);
}

static bool read_all(int fd, void *data, size_t len)
{
	char *at = data;

	while (len > 0) {
		ssize_t n = read(fd, at, len);
		if (n == 0 || (n < 0 && errno != EINTR))
			return false;
		at += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

static bool send_all(int fd, const void *data, size_t len)
{
	const char *at = data;

	while (len > 0) {
		ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
		if (n < 0 && errno != EINTR)
			return false;
		at += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

/* ---- the child ---- */

/* A crash is for us to tell: no handler of the program or a sanitizer, and no core for each of many. */
static void child_settle(void)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP };

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		(void)signal(signals[i], SIG_DFL);
	(void)setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	(void)dup2(STDERR_FILENO, STDOUT_FILENO); /* what the code prints is no data */
}

/* Should the parent be gone before it has ended it, a loop does not go on for ever. */
static void child_limit(int64_t time_max_ms)
{
	struct rusage used;
	struct rlimit limit;

	if (time_max_ms <= 0 || getrusage(RUSAGE_SELF, &used) < 0 || getrlimit(RLIMIT_CPU, &limit) < 0)
		return;
	limit.rlim_cur = (rlim_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec + time_max_ms / 1000 + CPU_MARGIN_S);
	(void)setrlimit(RLIMIT_CPU, &limit);
}

static void child_job(const struct verifier *w, const struct job *job, char *path, char *text, struct verdict *out)
{
	struct pawl_error err = { .code = 0 };
	struct history h;
	struct verify v = { job->id, job->path_len ? path : NULL, job->execution, { text, job->text_len }, &h,
		job->fn };

	history_init(&h);
	child_limit(w->time_max_ms);
	if (history_parse(&h, v.text, &err) < 0)
		verdict_set(out, VERDICT_ERROR, "%s", err.text);
	else
		replay(w, &v, out);
	history_release(&h);
}

static _Noreturn void child(const struct verifier *w, int fd)
{
	struct verdict out;
	struct job job;

	child_settle();
	while (read_all(fd, &job, sizeof(job))) {
		char *path = calloc(1, job.path_len + 1), *text = calloc(1, job.text_len + 1);
		memset(&out, 0, sizeof(out));
		if (!path || !text || !read_all(fd, path, job.path_len) || !read_all(fd, text, job.text_len))
			_exit(CLI_ERROR);
		child_job(w, &job, path, text, &out);
		free(path);
		free(text);
		if (!send_all(fd, &out, sizeof(out)))
			break;
	}
	_exit(CLI_DONE);
}

/* ---- its parent ---- */

static int64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Something is there, or the other side is gone; false: time is over. */
static bool wait_readable(int fd, int64_t end_ms)
{
	struct pollfd p = { fd, POLLIN, 0 };
	int rc;

	do {
		int64_t left = end_ms < 0 ? -1 : end_ms - now_ms();
		rc = poll(&p, 1, end_ms < 0 ? -1 : left <= 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left);
	} while (rc < 0 && errno == EINTR);
	return rc > 0;
}

/* Its status, or REAP_... It is gone after this. */
static int reap(pid_t pid, int64_t end_ms)
{
	int status;
	pid_t rc;

	while ((rc = waitpid(pid, &status, WNOHANG)) == 0 || (rc < 0 && errno == EINTR)) {
		if (end_ms >= 0 && now_ms() >= end_ms) {
			(void)kill(pid, SIGKILL);
			while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
				;
			return REAP_TIME_OVER;
		}
		cli_sleep_ms(REAP_LOOK_MS);
	}
	return rc == pid ? status : REAP_UNKNOWN;
}

static int stop(struct verifier *w, int64_t end_ms)
{
	int status = reap(w->pid, end_ms);

	close(w->fd);
	w->pid = 0;
	return status;
}

void verify_end(struct verifier *w)
{
	if (w->pid > 0)
		(void)stop(w, 0);
}

static bool start(struct verifier *w, struct verdict *out)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0) {
		verdict_set(out, VERDICT_ERROR, "cannot make a pair of sockets: %s", strerror(errno));
		return false;
	}
	fflush(NULL); /* or the child would write it again */
	w->pid = fork();
	w->fd = fds[0];
	w->jobs = 0;
	if (w->pid == 0) {
		close(fds[0]);
		child(w, fds[1]);
	}
	int sys = errno;
	close(fds[1]);
	if (w->pid > 0)
		return true;
	close(fds[0]);
	w->pid = 0;
	verdict_set(out, VERDICT_ERROR, "cannot start a process: %s (--no-fork does without)", strerror(sys));
	return false;
}

static bool ask(const struct verifier *w, const struct verify *v)
{
	struct job job;

	memset(&job, 0, sizeof(job));
	snprintf(job.id, sizeof(job.id), "%s", v->id);
	job.execution = v->execution;
	job.path_len = v->path ? strlen(v->path) : 0;
	job.text_len = v->text.len;
	job.fn = v->fn;
	return send_all(w->fd, &job, sizeof(job)) && send_all(w->fd, v->path, job.path_len) &&
		send_all(w->fd, v->text.data, v->text.len);
}

static void tell_end(const struct verifier *w, struct verdict *out, int status)
{
	char text[sizeof(out->why)];

	if (status == REAP_TIME_OVER) {
		say_endless(text, sizeof(text), w->time_max_ms);
		verdict_set(out, VERDICT_ENDLESS, "%s", text);
	} else if (status == REAP_UNKNOWN) {
		verdict_set(out, VERDICT_CRASHED, "its code ended the process");
	} else if (WIFSIGNALED(status)) {
		verdict_set(out, VERDICT_CRASHED, "its code crashed: signal %d (%s)", WTERMSIG(status),
			strsignal(WTERMSIG(status)));
	} else {
		verdict_set(out, VERDICT_CRASHED, "its code ended the process with exit code %d", WEXITSTATUS(status));
	}
}

void verify_forked(struct verifier *w, const struct verify *v, struct verdict *out)
{
	if (w->jobs >= JOBS_MAX)
		verify_end(w);
	for (bool again = true; again;) {
		*out = (struct verdict){ .kind = VERDICT_OK };
		if (w->pid == 0 && !start(w, out))
			return;
		int64_t end_ms = w->time_max_ms > 0 ? now_ms() + w->time_max_ms : -1;
		if (ask(w, v) && wait_readable(w->fd, end_ms) && read_all(w->fd, out, sizeof(*out))) {
			w->jobs++;
			return;
		}
		int status = stop(w, end_ms);
		*out = (struct verdict){ .kind = VERDICT_OK };
		tell_end(w, out, status);
		again = w->jobs > 0 && status != REAP_TIME_OVER;
	}
}

/* ---- here ---- */

static char alarm_text[PAWL_ERROR_TEXT_MAX];

static void on_alarm(int number)
{
	(void)number;
	if (write(STDERR_FILENO, alarm_text, strlen(alarm_text)) < 0)
		_exit(CLI_ERROR);
	_exit(CLI_FAILED);
}

static void arm(const struct verifier *w, const struct verify *v)
{
	char why[PAWL_ERROR_TEXT_MAX / 2];

	say_endless(why, sizeof(why), w->time_max_ms);
	snprintf(alarm_text, sizeof(alarm_text), "pawl: '%s': %s; the others were not verified\n", v->id, why);
	alarm((unsigned)((w->time_max_ms + 999) / 1000));
}

void verify_here(const struct verifier *w, const struct verify *v, struct verdict *out)
{
	struct sigaction on = { .sa_handler = on_alarm }, before;

	*out = (struct verdict){ .kind = VERDICT_OK };
	sigemptyset(&on.sa_mask);
	if (w->time_max_ms <= 0) {
		replay(w, v, out);
		return;
	}
	(void)sigaction(SIGALRM, &on, &before);
	arm(w, v);
	replay(w, v, out);
	alarm(0);
	(void)sigaction(SIGALRM, &before, NULL);
}
