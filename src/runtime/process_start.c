/* process_start.c - from a specification to a shim that runs, or to the reason why it does not. */
#include "runtime/process_impl.h"
#include "base/arena.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef PAWL_LIBEXECDIR
#define PAWL_LIBEXECDIR "/usr/local/libexec/pawl"
#endif

/* the shim's arguments */

struct arguments {
	struct arena arena;
	const char **list;
	size_t n;
	bool failed;
};

static void add(struct arguments *a, const char *text)
{
	if (!text)
		a->failed = true;
	else
		a->list[a->n++] = text;
}

static void add_number(struct arguments *a, const char *name, uint64_t n)
{
	add(a, arena_printf(&a->arena, "%s=%llu", name, (unsigned long long)n));
}

static void add_ms(struct arguments *a, const char *name, int64_t ms)
{
	if (ms > 0)
		add_number(a, name, (uint64_t)ms);
}

static size_t count(const char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

static void add_settings(struct arguments *a, const struct process_spec *spec)
{
	add(a, spec->shim);
	add(a, arena_printf(&a->arena, "work=%s", spec->work));
	add_number(a, "attempt", spec->attempt);
	if (spec->dir)
		add(a, arena_printf(&a->arena, "dir=%s", spec->dir));
	add_ms(a, "timeout_ms", spec->timeout_ms);
	add_ms(a, "heartbeat_ms", spec->heartbeat_ms);
	add_number(a, "grace_ms", spec->grace_ms > 0 ? (uint64_t)spec->grace_ms : 0);
	add_number(a, "output_max", spec->output_max);
	add_number(a, "log_max", spec->log_max);
	if (spec->sync)
		add(a, "sync=1");
}

static int make_arguments(struct arguments *a, const struct process_spec *spec, struct pawl_error *err)
{
	enum { SETTINGS_MAX = 10 };
	size_t options = count(spec->options), argc = count(spec->argv);

	arena_init(&a->arena, 0);
	a->list = arena_calloc(&a->arena, SETTINGS_MAX + options + 1 + argc + 1, sizeof(*a->list));
	if (!a->list)
		return err_nomem(err);
	add_settings(a, spec);
	for (size_t i = 0; i < options; i++)
		add(a, spec->options[i]);
	add(a, "--");
	for (size_t i = 0; i < argc; i++)
		add(a, spec->argv[i]);
	return a->failed ? err_nomem(err) : 0;
}

/* the work directory */

/* What an earlier attempt has left there would be taken for ours. One that still runs would write beside us. */
static int clear_work(const struct process_spec *spec, struct pawl_error *err)
{
	IO_BECAUSE(IO_WORK);
	static const char *const names[] = { SHIM_CLAIM, SHIM_RESULT, SHIM_CANCEL, "retry_after" };
	const struct os *os = os_linux();
	char path[PATH_MAX];

	if (claim_is_held(spec->work))
		return err_set(err, PAWL_EBUSY, "an attempt still runs in '%s': wait for its end", spec->work);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		process_file(path, sizeof(path), spec->work, names[i]);
		int r = os_remove_any(os, OS_CWD, path);
		if (r < 0)
			return err_sys(err, -r, "cannot remove '%s' of an earlier attempt", path);
	}
	return 0;
}

/* starting */

static int64_t backstop_of(const struct process *p, const struct process_spec *spec)
{
	int64_t at;

	if (spec->timeout_ms <= 0)
		return -1;
	at = process_later(p->about.started_ns, spec->timeout_ms);
	return at < 0 ? -1 : process_later(at, process_backstop_ms(p->about.grace_ms));
}

static int describe(struct process *p, const struct process_spec *spec, struct pawl_error *err)
{
	p->attempt = spec->attempt;
	p->about.timeout_ms = spec->timeout_ms;
	p->about.heartbeat_ms = spec->heartbeat_ms;
	p->about.grace_ms = spec->grace_ms > 0 ? spec->grace_ms : 0;
	p->about.output_max = spec->output_max;
	p->about.program = strdup(spec->argv[0]);
	p->deadline_ns = backstop_of(p, spec);
	return p->about.program ? 0 : err_nomem(err);
}

/* Told by the deadline, as it must not be told before process_start has returned. */
static void be_stillborn(struct process *p, int sys)
{
	p->state = STILLBORN;
	p->deadline_ns = 0;
	p->result = (struct process_result){ .user_ms = -1, .system_ms = -1, .rss_kib = -1 };
	process_not_executed(&p->result, sys, p->about.program, "");
}

/* The same arguments and environment will be the activity's: too much for the one is too much for the other. */
static int launch(struct process *p, const struct process_spec *spec, const char *const *argv, int null,
                  struct pawl_error *err)
{
	struct spawn_spec s = { argv, NULL, spec->env, { null, null, null }, spec->env_keep };
	enum spawn_step step;
	pid_t pid = spawn_start(&s, &step);

	if (pid == -E2BIG && step == SPAWN_EXEC) {
		be_stillborn(p, E2BIG);
		return 0;
	}
	if (pid < 0)
		return err_sys(err, -pid, "cannot start the shim '%s' for '%s'", spec->shim, p->about.program);
	p->shim.pid = pid;
	p->child = true;
	return 0;
}

static int launch_from(struct process *p, const struct process_spec *spec, struct pawl_error *err)
{
	struct arguments a = { .n = 0 };
	int null, r = make_arguments(&a, spec, err);

	if (r == 0)
		r = describe(p, spec, err);
	if (r == 0)
		r = clear_work(spec, err);
	if (r == 0) {
		null = open("/dev/null", O_RDWR | O_CLOEXEC);
		r = null < 0 ? err_sys(err, errno, "cannot open '/dev/null'") : launch(p, spec, a.list, null, err);
		if (null >= 0)
			close(null);
	}
	arena_release(&a.arena);
	return r;
}

static int check_spec(const struct process_spec *spec, struct pawl_error *err)
{
	if (!spec->argv || !spec->argv[0])
		return err_set(err, PAWL_EINVALID, "cannot start a program without a name");
	if (!spec->shim || !spec->work || spec->work[0] != '/' || strlen(spec->work) > PATH_MAX - 32)
		return err_set(err, PAWL_EINVALID, "cannot start '%s' without a shim and an absolute work directory",
		               spec->argv[0]);
	return 0;
}

int process_start(struct process **out, struct loop *loop, const struct process_spec *spec,
                  void (*done)(void *arg, struct process_result *result), void *arg, struct pawl_error *err)
{
	struct process_list *list = NULL;
	struct process *p = NULL;
	int r = check_spec(spec, err);

	if (r == 0)
		r = process_list_of(&list, loop, err);
	if (r < 0)
		return r;
	p = process_new(list, spec->work);
	r = p ? launch_from(p, spec, err) : err_nomem(err);
	if (r == 0) {
		p->done = done;
		p->arg = arg;
		process_watch(p);
		*out = p;
		return 0;
	}
	if (p)
		process_free(p);
	process_list_free_if_empty(list);
	return r;
}

/* where the shim is */

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static bool set_if_program(char *path, size_t size, const char *dir, const char *more)
{
	char file[PATH_MAX];
	int n = snprintf(file, sizeof(file), "%s%s/" SHIM_PROGRAM, dir, more);

	if (n < 0 || (size_t)n >= sizeof(file) || (size_t)n >= size || !is_program(file))
		return false;
	memcpy(path, file, (size_t)n + 1);
	return true;
}

/* "" when /proc is not there. */
static void own_dir(char *dir, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", dir, size - 1);

	dir[n < 0 ? 0 : n] = '\0';
	char *slash = strrchr(dir, '/');
	if (slash)
		*slash = '\0';
}

int process_find_shim(char *path, size_t size, struct pawl_error *err)
{
	static const char *const beside[] = { "", "/../libexec/pawl", "/.." };
	const char *set = getenv("PAWL_SHIM");
	char own[PATH_MAX];

	if (set && *set) {
		if (is_program(set) && snprintf(path, size, "%s", set) < (int)size)
			return 0;
		return err_set(err, PAWL_ENOTFOUND, "'%s' is no executable file: correct or unset PAWL_SHIM, which names " SHIM_PROGRAM, set);
	}
	own_dir(own, sizeof(own));
	for (size_t i = 0; *own && i < sizeof(beside) / sizeof(beside[0]); i++)
		if (set_if_program(path, size, own, beside[i]))
			return 0;
	if (set_if_program(path, size, PAWL_LIBEXECDIR, ""))
		return 0;
	return err_set(err, PAWL_ENOTFOUND,
	               "cannot find '" SHIM_PROGRAM "' in '%s', '%s/../libexec/pawl', '%s/..' or '" PAWL_LIBEXECDIR
	               "': install it there, or name it in process.shim or PAWL_SHIM", own, own, own);
}
