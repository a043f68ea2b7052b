/* process_start.c - from a specification to a program that runs, or to the reason why it does not. */
#include "runtime/process_impl.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_log(struct process *p, const char *path, struct pawl_error *err)
{
	if (!path)
		return 0;
	p->log = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK, 0644);
	return p->log < 0 ? err_sys(err, errno, "cannot write log '%s'", path) : 0;
}

/* ours: the end that stays here; theirs: the one for the program. */
static int open_pipe(int *ours, int *theirs, bool to_program)
{
	int fds[2], r = spawn_pipe(fds, !to_program, to_program);

	if (r < 0)
		return r;
	*ours = fds[to_program ? 1 : 0];
	*theirs = fds[to_program ? 0 : 1];
	return 0;
}

static int open_pipes(struct process *p, int theirs[3], const char *program, struct pawl_error *err)
{
	int r = open_pipe(&p->in, &theirs[0], true);

	if (r == 0)
		r = open_pipe(&p->out, &theirs[1], false);
	if (r == 0)
		r = open_pipe(&p->errors, &theirs[2], false);
	return r < 0 ? err_sys(err, -r, "cannot make pipes for '%s'", program) : 0;
}

/* What fits into the pipe goes there at once: most inputs never need the loop. */
static int give_input(struct process *p, struct slice input, struct pawl_error *err)
{
	while (input.len > 0) {
		ssize_t n = write(p->in, input.data, input.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		input.data += n;
		input.len -= (size_t)n;
	}
	if (input.len == 0) {
		process_close_fd(&p->in);
		return 0;
	}
	p->input = malloc(input.len);
	if (!p->input)
		return err_nomem(err);
	memcpy(p->input, input.data, input.len);
	p->input_len = input.len;
	return loop_add(p->list->loop, p->in, LOOP_WRITE, process_on_input, p, err);
}

static int prepare(struct process *p, const struct process_spec *spec, int theirs[3], struct pawl_error *err)
{
	int r = open_log(p, spec->log_path, err);

	if (r == 0)
		r = open_pipes(p, theirs, spec->argv[0], err);
	if (r == 0)
		r = give_input(p, spec->input, err);
	if (r == 0)
		r = loop_add(p->list->loop, p->out, LOOP_READ, process_on_output, p, err);
	if (r == 0)
		r = loop_add(p->list->loop, p->errors, LOOP_READ, process_on_errors, p, err);
	return r;
}

static bool may_pass(int sys)
{
	switch (sys) {
	case ENOENT:
	case ENOTDIR:
	case EACCES:
	case EPERM:
	case ENOEXEC:
	case EISDIR:
	case ELOOP:
	case ENAMETOOLONG:
	case E2BIG:
	case EINVAL:
#ifdef ELIBBAD
	case ELIBBAD:
#endif
		return false;
	default:
		return true;
	}
}

static const char *hint_for(const char *program, int sys)
{
	if (sys == ENOEXEC)
		return " (a script needs '#!' and its interpreter in the first line)";
	if (sys == ENOENT && program[0] == '/' && access(program, F_OK) == 0)
		return " (it is there, but the interpreter or the dynamic loader that it names is not)";
	return "";
}

/* Told by the deadline, as it must not be told before process_start has returned. */
static void be_stillborn(struct process *p, int sys, const char *hint, struct pawl_error *why)
{
	process_release_fds(p);
	p->state = STILLBORN;
	p->reason = NOT_STARTED;
	p->pid = 0;
	p->deadline_ns = 0;
	process_verdict(&p->result, may_pass(sys) ? WORK_STALLED : WORK_FAILED, "spawn", "%s%s", why->text, hint);
}

/* It runs, but we would never learn of its end. */
static void give_up_watching(struct process *p, int sys, struct pawl_error *why)
{
	process_kill_group(p);
	spawn_reap(p->pid);
	be_stillborn(p, sys, "", why);
	p->result.outcome = WORK_STALLED;
}

static void watch_end(struct process *p, const char *program)
{
	struct pawl_error why;

	if (p->list->children >= 0)
		return;
	p->pidfd = spawn_pidfd(p->pid);
	if (p->pidfd == -ESRCH) {
		p->deadline_ns = 0; /* gone, and somebody else has reaped it: to be found out by the first look */
	} else if (p->pidfd < 0) {
		err_sys(&why, -p->pidfd, "cannot watch '%s'", program);
		give_up_watching(p, -p->pidfd, &why);
	} else if (loop_add(p->list->loop, p->pidfd, LOOP_READ, process_on_pidfd, p, &why) < 0) {
		give_up_watching(p, why.sys, &why);
	}
}

static int launch(struct process *p, const struct process_spec *spec, const int theirs[3], struct pawl_error *err)
{
	struct spawn_spec s = { spec->argv, spec->dir, spec->env, { theirs[0], theirs[1], theirs[2] } };
	const char *program = spec->argv[0];
	enum spawn_step step;
	struct pawl_error why;
	pid_t pid = spawn_start(&s, &step);

	if (pid > 0) {
		p->pid = pid;
		watch_end(p, program);
		return 0;
	}
	switch (step) {
	case SPAWN_FORK:
	case SPAWN_SETUP:
		return err_sys(err, -pid, "cannot start a process for '%s'", program);
	case SPAWN_CHDIR:
		err_sys(&why, -pid, "cannot enter directory '%s' for '%s'", spec->dir, program);
		be_stillborn(p, -pid, "", &why);
		break;
	case SPAWN_EXEC:
		err_sys(&why, -pid, "cannot execute '%s'", program);
		be_stillborn(p, -pid, hint_for(program, -pid), &why);
		break;
	}
	return 0;
}

static struct process *process_new(struct process_list *list, const struct process_spec *spec)
{
	struct process *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->list = list;
	p->pidfd = p->in = p->out = p->errors = p->log = -1;
	buf_init(&p->output);
	p->output_max = spec->output_max;
	p->log_max = spec->log_max;
	p->timeout_ms = spec->timeout_ms;
	p->grace_ms = spec->grace_ms;
	p->started_ns = p->ended_ns = process_now_ns();
	p->deadline_ns = spec->timeout_ms > 0 ? process_later(p->started_ns, spec->timeout_ms) : -1;
	return p;
}

int process_start(struct process **out, struct loop *loop, const struct process_spec *spec,
                  void (*done)(void *arg, struct process_result *result), void *arg, struct pawl_error *err)
{
	struct process_list *list = NULL;
	struct process *p = NULL;
	int theirs[3] = { -1, -1, -1 };

	if (!spec->argv || !spec->argv[0])
		return err_set(err, PAWL_EINVALID, "cannot start a program without a name");
	int r = process_list_of(&list, loop, err);
	if (r < 0)
		return r;
	p = process_new(list, spec);
	r = p ? prepare(p, spec, theirs, err) : err_nomem(err);
	if (r == 0)
		r = launch(p, spec, theirs, err);
	for (int i = 0; i < 3; i++)
		process_close_fd(&theirs[i]);
	if (r == 0) {
		p->done = done;
		p->arg = arg;
		p->next = list->first;
		list->first = p;
		*out = p;
		return 0;
	}
	if (p)
		process_free(p);
	process_list_free_if_empty(list);
	return r;
}
