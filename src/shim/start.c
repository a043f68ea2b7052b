/*
 * start.c - the child between fork and exec, and what it tells.
 *
 * It is a vfork: we stand still until it has executed the program or given up, and it may use our memory. But nothing
 * relies on what it leaves there, as qemu-user makes an ordinary fork of it: what it has to say goes through a pipe
 * that exec closes. Signals are blocked until their handlers, which are ours, are gone.
 */
#include "shim/impl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PATH_DEFAULT "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define SIGSET_BYTES (_NSIG / 8)

enum stage { STAGE_CLAIM, STAGE_CLAIMED, STAGE_INPUT, STAGE_ISOLATE, STAGE_EXEC };

struct report {
	int stage, sys; /* STAGE_CLAIMED: sys is the length of the first part */
	int option;     /* STAGE_ISOLATE */
};

/* the child */

static _Noreturn void give_up(int fd, enum stage stage, int r, enum option option)
{
	struct report report = { (int)stage, -r, (int)option };

	_exit(write_all(fd, (const char *)&report, sizeof(report), -1) < 0 ? 126 : 127);
}

static int place_fds(const struct start *s)
{
	int input = openat(s->work, SHIM_INPUT, O_RDONLY | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	if (input < 0 && errno != ENOENT)
		return -errno;
	if (input >= 0 && (fcntl(input, F_SETFL, 0) < 0 || dup2(input, 0) < 0))
		return -errno;
	if (dup2(s->out, 1) < 0 || dup2(s->errors, 2) < 0)
		return -errno;
	return 0;
}

/* System calls, as libc hides two signals. For the kernel zeros are SIG_DFL, no flags, and also the empty mask. */
static void reset_signals(void)
{
	static const uint64_t zeros[32];

	for (int signal = 1; signal < _NSIG; signal++)
		syscall(SYS_rt_sigaction, signal, zeros, NULL, SIGSET_BYTES);
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, zeros, NULL, SIGSET_BYTES);
}

static const char *find_path(void)
{
	for (char **e = environ; e && *e; e++)
		if (strncmp(*e, "PATH=", 5) == 0)
			return *e + 5;
	return PATH_DEFAULT;
}

/* As execvp, but without its second try by a shell. Returns the error that tells most. */
static int execute(char *const *argv)
{
	const char *name = argv[0];
	char file[PATH_MAX];
	int r = -ENOENT;

	if (strchr(name, '/') || !*name) {
		execve(name, argv, environ);
		return -errno;
	}
	for (const char *dir = find_path();; dir++) {
		struct text t = { file, 0, sizeof(file) - 1 };
		size_t len = strcspn(dir, ":");
		text_bytes(&t, dir, len);
		text_add(&t, len ? "/" : "");
		text_add(&t, name);
		file[t.len] = '\0';
		if (t.len < t.max)
			execve(file, argv, environ);
		if (t.len < t.max && errno == EACCES)
			r = -EACCES; /* there may be another one later */
		else if (t.len < t.max && errno != ENOENT && errno != ENOTDIR)
			return -errno;
		dir += len;
		if (!*dir)
			return r;
	}
}

static _Noreturn void child(const struct start *s, int fd)
{
	const struct options *o = s->o;
	pid_t pid = (pid_t)syscall(SYS_getpid);
	enum option which;
	int r;

	setsid();
	r = claim_begin(s->claim, pid, start_ticks(pid));
	if (r < 0)
		give_up(fd, STAGE_CLAIM, r, OPT_WORK);
	struct report claimed = { STAGE_CLAIMED, (int)s->claim->len, OPT_WORK };
	if (write_all(fd, (const char *)&claimed, sizeof(claimed), -1) < 0)
		_exit(126);
	r = place_fds(s);
	if (r < 0)
		give_up(fd, STAGE_INPUT, r, OPT_WORK);
	if (!is_given(o, OPT_DIR) && fchdir(s->work) < 0)
		give_up(fd, STAGE_ISOLATE, -errno, OPT_WORK);
	r = isolate(o, &which);
	if (r < 0)
		give_up(fd, STAGE_ISOLATE, r, which);
	reset_signals();
	give_up(fd, STAGE_EXEC, execute(o->argv), OPT_WORK);
}

/* the parent */

static const char *subject(const struct options *o, const struct report *r)
{
	if (r->stage == STAGE_ISOLATE)
		return o->text[r->option];
	return r->stage == STAGE_EXEC ? o->argv[0] : SHIM_INPUT;
}

static const char *hint_for(const char *program, int sys)
{
	if (sys == ENOEXEC)
		return " (a script needs '#!' and its interpreter in the first line)";
	if (sys == ENOENT && program[0] == '/' && access(program, F_OK) == 0)
		return " (it is there, but the interpreter or the dynamic loader that it names is not)";
	return "";
}

static void explain(struct start *s, const struct report *r)
{
	static const char *const what[] = {
		[STAGE_INPUT] = "cannot read",
		[STAGE_ISOLATE] = "cannot set up",
		[STAGE_EXEC] = "cannot execute",
	};
	struct text t = { s->message, 0, SHIM_MESSAGE_MAX };
	const char *name = subject(s->o, r);

	text_add(&t, what[r->stage]);
	text_add(&t, " '");
	text_bytes(&t, name, strnlen(name, SHIM_MESSAGE_MAX / 2));
	text_add(&t, "': ");
	text_errno(&t, r->sys);
	text_add(&t, r->stage == STAGE_EXEC ? hint_for(name, r->sys) : "");
	for (size_t i = 0; i < t.len; i++)
		if ((unsigned char)t.data[i] < ' ' || t.data[i] == 127)
			t.data[i] = '?';
	t.data[t.len] = '\0';
}

static bool next_report(int fd, struct report *r)
{
	ssize_t n;

	do
		n = read(fd, r, sizeof(*r));
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(*r);
}

static enum start_result read_reports(struct start *s, int fd, int *sys)
{
	struct report r;

	if (!next_report(fd, &r)) {
		*sys = EIO; /* it was killed before it could say a word */
		return NO_CLAIM;
	}
	*sys = r.sys;
	if (r.stage == STAGE_CLAIM)
		return NO_CLAIM;
	s->claim->len = (size_t)r.sys;
	if (!next_report(fd, &r))
		return STARTED;
	*sys = r.sys;
	explain(s, &r);
	return r.stage == STAGE_EXEC ? NO_SPAWN : NO_SETUP;
}

/* No process could be made: the claim tells it without one. */
static enum start_result not_forked(struct start *s, int *sys)
{
	struct report r = { STAGE_EXEC, *sys, OPT_WORK };
	int failed = claim_begin(s->claim, 0, 0);

	explain(s, &r);
	if (failed == 0)
		return NO_SPAWN;
	*sys = -failed;
	return NO_CLAIM;
}

enum start_result start_activity(struct start *s, pid_t *pid, int *sys)
{
	int status[2];

	*pid = 0;
	if (pipe2(status, O_CLOEXEC) < 0) {
		*sys = errno;
		return not_forked(s, sys);
	}
	pid_t made = vfork();
	if (made == 0)
		child(s, status[1]);
	*sys = errno;
	close(status[1]);
	enum start_result result = made > 0 ? read_reports(s, status[0], sys) : not_forked(s, sys);
	close(status[0]);
	*pid = made > 0 ? made : 0;
	return result;
}
