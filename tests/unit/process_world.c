/* process_world.c - see process_world.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* syscall numbers, CLOCK_BOOTTIME */
#endif

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "process_world.h"

struct loop *loop;
char dir[64];
char shim[512];
static int fds_before, ready = -1, works;

int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

int process_setup(void **state)
{
	(void)state;
	alarm(100);
	snprintf(dir, sizeof(dir), "/tmp/pawl-process-XXXXXX");
	if (!mkdtemp(dir) || loop_new(&loop, NULL) < 0)
		return -1;
	if (mkfifo(in_dir("ready"), 0600) < 0)
		return -1;
	ready = open(in_dir("ready"), O_RDWR | O_CLOEXEC | O_NONBLOCK);
	setenv("READY", in_dir("ready"), 1);
	fds_before = count_fds();
	return ready < 0 ? -1 : 0;
}

int process_teardown(void **state)
{
	(void)state;
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	assert_null(loop_get_user(loop));
	assert_int_equal(process_next_deadline(loop), -1);
	/* without pidfds the pipe for SIGCHLD stays */
	assert_in_range(count_fds(), fds_before, spawn_has_pidfd() ? fds_before : fds_before + 2);
	close(ready);
	loop_free(loop);
	return os_remove_tree(os_linux(), OS_CWD, dir, 8);
}

/* files */

const char *in_dir(const char *name)
{
	static char paths[4][160];
	static int next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	return path;
}

const char *in_work(const struct job *j, const char *name)
{
	static char paths[4][256];
	static int next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", j->work, name);
	return path;
}

void put_file(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

size_t get_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return (size_t)-1;
	n = read(fd, text, size - 1);
	close(fd);
	assert_true(n >= 0);
	text[n] = '\0';
	return (size_t)n;
}

/* jobs */

static void job_init(struct job *j)
{
	memset(j, 0, sizeof(*j));
	snprintf(j->work, sizeof(j->work), "%s/work-%d", dir, works++);
	assert_int_equal(mkdir(j->work, 0755), 0);
	j->spec = (struct process_spec){
		.shim = shim, .argv = j->argv, .work = j->work, .attempt = 1, .grace_ms = 2000, .output_max = OUTPUT_MAX,
		.log_max = 65536,
	};
}

void job_run(struct job *j, const char *program, ...)
{
	va_list args;
	int n = 0;

	job_init(j);
	va_start(args, program);
	for (const char *arg = program; arg; arg = va_arg(args, const char *))
		j->argv[n++] = arg;
	va_end(args);
}

void job_shell(struct job *j, const char *script)
{
	job_run(j, "/bin/sh", "-c", script, NULL);
}

void job_done(void *arg, struct process_result *r)
{
	struct job *j = arg;

	assert_non_null(j->p); /* not before process_start has returned */
	j->calls++;
	j->r = *r;
	j->p = NULL;
	if (j->r.outcome != WORK_COMPLETED)
		assert_true(j->r.message[0]);
	if (j->start)
		job_start(j->start);
	if (j->cancel && j->cancel->p)
		process_cancel(j->cancel->p);
}

void job_start(struct job *j)
{
	struct pawl_error err = { 0 };

	if (process_start(&j->p, loop, &j->spec, job_done, j, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(j->calls, 0);
}

void job_wait(struct job *j)
{
	while (j->calls == 0) {
		loop_set_timer(loop, process_next_deadline(loop));
		assert_int_equal(loop_wait(loop, true, NULL), 0);
		process_check_deadlines(loop, now_ns());
	}
	assert_int_equal(j->calls, 1);
	if (j->r.output)
		assert_int_equal(j->r.output[j->r.output_len], '\0');
}

void job_wait_at(struct job *j, int64_t boot_ns)
{
	while (j->calls == 0) {
		process_check_deadlines(loop, boot_ns);
		if (j->calls)
			break;
		loop_set_timer(loop, now_ns() + 10 * MS);
		assert_int_equal(loop_wait(loop, true, NULL), 0);
		boot_ns += PROCESS_POLL_MS * MS;
	}
}

void job_end(struct job *j)
{
	job_start(j);
	job_wait(j);
}

void job_clear(struct job *j)
{
	free(j->r.output);
	j->r.output = NULL;
	j->calls = 0;
}

enum process_found job_adopt(struct job *j, uint32_t attempt)
{
	enum process_found found = process_adopt(&j->p, loop, j->work, attempt, j->spec.timeout_ms, j->spec.grace_ms, job_done, j,
	                                         &j->r);

	j->calls = found == PROCESS_ENDED || found == PROCESS_GONE;
	return found;
}

void expect(struct job *j, enum work_outcome outcome, const char *code, const char *message)
{
	assert_int_equal(j->calls, 1);
	if (strcmp(j->r.code, code) != 0)
		fail_msg("code '%s' instead of '%s': %s", j->r.code, code, j->r.message);
	assert_int_equal(j->r.outcome, outcome);
	if (outcome != WORK_COMPLETED)
		assert_true(j->r.message[0]);
	assert_int_equal(j->r.output != NULL, outcome == WORK_COMPLETED || outcome == WORK_REBOOT);
	if (message)
		assert_string_equal(j->r.message, message);
	job_clear(j);
}

void expect_shell(const char *script, enum work_outcome outcome, const char *code, const char *message)
{
	struct job j;

	job_shell(&j, script);
	job_end(&j);
	expect(&j, outcome, code, message);
}

void expect_output(struct job *j, const char *text)
{
	job_end(j);
	if (j->r.outcome == WORK_COMPLETED)
		assert_string_equal(j->r.output, text);
	expect(j, WORK_COMPLETED, "", NULL);
}

/* waiting */

void ready_read(char *text, size_t size)
{
	struct pollfd p = { .fd = ready, .events = POLLIN };
	size_t n = 0;

	while (n == 0 || text[n - 1] != '\n') {
		assert_int_equal(poll(&p, 1, 20000), 1);
		ssize_t got = read(ready, text + n, size - 1 - n);
		assert_true(got > 0);
		n += (size_t)got;
	}
	text[n - 1] = '\0';
}

void ready_wait(void)
{
	char text[64];

	ready_read(text, sizeof(text));
}

bool has_ended(long pid)
{
	char path[64], text[512], state = 'X', *fields;
	long threads = 0;

	snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	if (get_file(path, text, sizeof(text)) == (size_t)-1)
		return true;
	fields = strrchr(text, ')');
	if (fields)
		sscanf(fields + 1, " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %ld", &state, &threads);
	return (state == 'Z' || state == 'X') && threads <= 1; /* an emulator's other threads may end, and unlock, later */
}

/* Not our children: there is no event for all kernels. */
void expect_end_of(long pid)
{
	const struct timespec nap = { 0, 10 * MS };

	assert_true(pid > 1);
	for (int i = 0; i < 1000 && !has_ended(pid); i++)
		nanosleep(&nap, NULL);
	assert_true(has_ended(pid));
}

void expect_alive(long pid)
{
	assert_true(pid > 1);
	assert_false(has_ended(pid));
}

void read_claim(const struct job *j, struct claim *c)
{
	assert_int_equal(claim_read(c, j->work), 0);
}

/* running them */

/* Refuse what Linux 5.3 and 5.9 brought, as a kernel without it would. */
static bool make_kernel_old(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_open, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_close_range, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = { sizeof(code) / sizeof(code[0]), code };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0 &&
	       syscall(SYS_pidfd_open, getpid(), 0) < 0;
}

/* $PAWL_SHIM, else where the build puts it: build/CONFIG/tests/unit/TEST, build/CONFIG/pawl-shim. */
static bool find_shim(void)
{
	char own[400] = "";
	struct pawl_error err;

	if (process_find_shim(shim, sizeof(shim), &err) == 0)
		return true;
	if (readlink("/proc/self/exe", own, sizeof(own) - 1) > 0)
		snprintf(shim, sizeof(shim), "%s/pawl-shim", dirname(dirname(dirname(own))));
	return access(shim, X_OK) == 0;
}

int process_run_tests(int (*run_all)(const char *name), const char *name)
{
	char old_name[64];
	int status = 0;

	if (!find_shim()) {
		fprintf(stderr, "no shim: set PAWL_SHIM\n");
		return 1;
	}
	snprintf(old_name, sizeof(old_name), "%s on an old kernel", name);
	signal(SIGCHLD, SIG_IGN); /* as some supervisors leave it: must not matter */
	pid_t old = fork();
	if (old == 0) {
		if (make_kernel_old())
			exit(run_all(old_name));
		fprintf(stderr, "no filter for system calls here: not run as on an old kernel\n");
		exit(0);
	}
	signal(SIGCHLD, SIG_DFL);
	waitpid(old, &status, 0);
	signal(SIGCHLD, SIG_IGN);
	return run_all(name) || status;
}
