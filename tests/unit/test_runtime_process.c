/*
 * test_runtime_process.c - programs as activities, with a real kernel and a real shell.
 *
 * All tests run twice: as the kernel is, and as before Linux 5.3 (a filter refuses pidfd_open and close_range). After
 * each of them no child, no zombie, no descriptor and no list may be left.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* syscall numbers, CLOCK_BOOTTIME */
#endif

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "os/loop.h"
#include "os/spawn.h"
#include "runtime/process.h"

#define MS 1000000LL
#define OUTPUT_MAX (4 * 1024 * 1024)

static struct loop *loop;
static char dir[64];
static int fds_before;

struct job {
	struct process *p;
	struct process_spec spec;
	const char *argv[8];
	struct process_result r;
	int calls;
	struct job *cancel, *start; /* what the callback does */
};

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void nap(int ms)
{
	struct timespec t = {ms / 1000, ms % 1000 * MS};

	nanosleep(&t, NULL);
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

static int setup(void **state)
{
	(void)state;
	alarm(100);
	snprintf(dir, sizeof(dir), "/tmp/pawl-process-XXXXXX");
	if (!mkdtemp(dir) || loop_new(&loop, NULL) < 0)
		return -1;
	fds_before = count_fds();
	return 0;
}

static void remove_dir(void)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while ((e = readdir(d)))
		unlinkat(dirfd(d), e->d_name, 0);
	closedir(d);
	rmdir(dir);
}

static int teardown(void **state)
{
	(void)state;
	remove_dir();
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	assert_null(loop_get_user(loop));
	assert_int_equal(process_next_deadline(loop), -1);
	/* without pidfds the pipe for SIGCHLD stays */
	assert_in_range(count_fds(), fds_before, spawn_has_pidfd() ? fds_before : fds_before + 2);
	loop_free(loop);
	return 0;
}

static const char *in_dir(const char *name)
{
	static char paths[4][128];
	static int next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	return path;
}

static void put_file(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static size_t get_file(const char *path, char *text, size_t size)
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

static void job_run(struct job *j, const char *program, ...)
{
	va_list args;
	int n = 0;

	memset(j, 0, sizeof(*j));
	va_start(args, program);
	for (const char *arg = program; arg; arg = va_arg(args, const char *))
		j->argv[n++] = arg;
	va_end(args);
	j->spec = (struct process_spec){.argv = j->argv, .grace_ms = 2000, .output_max = OUTPUT_MAX};
}

static void job_shell(struct job *j, const char *script)
{
	job_run(j, "/bin/sh", "-c", script, NULL);
}

static void job_start(struct job *j);

static void on_done(void *arg, struct process_result *r)
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

static void job_start(struct job *j)
{
	struct pawl_error err;

	assert_int_equal(process_start(&j->p, loop, &j->spec, on_done, j, &err), 0);
	assert_int_equal(j->calls, 0);
}

static void job_wait(struct job *j)
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

static void job_end(struct job *j)
{
	job_start(j);
	job_wait(j);
}

static void job_clear(struct job *j)
{
	free(j->r.output);
	j->r.output = NULL;
}

static void expect(struct job *j, enum work_outcome outcome, const char *code, const char *message)
{
	assert_string_equal(j->r.code, code);
	assert_int_equal(j->r.outcome, outcome);
	if (message)
		assert_string_equal(j->r.message, message);
	job_clear(j);
}

static void expect_shell(const char *script, enum work_outcome outcome, const char *code, const char *message)
{
	struct job j;

	job_shell(&j, script);
	job_end(&j);
	expect(&j, outcome, code, message);
}

static void expect_output(struct job *j, const char *text)
{
	job_end(j);
	assert_string_equal(j->r.output, text);
	expect(j, WORK_COMPLETED, "", NULL);
}

/* Also when it is a zombie that nobody reaps, as in a container. */
static bool has_ended(long pid)
{
	char path[64], text[512], *state;

	snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	if (get_file(path, text, sizeof(text)) == (size_t)-1)
		return true;
	state = strrchr(text, ')');
	return !state || state[2] == 'Z' || state[2] == 'X';
}

static void expect_end_of(long pid)
{
	assert_true(pid > 1);
	for (int i = 0; i < 500 && !has_ended(pid); i++)
		nap(10);
	assert_true(has_ended(pid));
}

/* outcomes */

static void test_exit_codes_decide_the_outcome(void **state)
{
	(void)state;
	expect_shell("exit 0", WORK_COMPLETED, "", "");
	expect_shell("exit 1", WORK_STALLED, "exit:1", "ended with exit 1");
	expect_shell("exit 75", WORK_DEFERRED, "exit:75", "ended with exit 75");
	expect_shell("exit 100", WORK_FAILED, "exit:100", "ended with exit 100");
	expect_shell("exit 127", WORK_STALLED, "exit:127", NULL);
	expect_shell("exit 255", WORK_STALLED, "exit:255", NULL);
}

static void test_a_signal_stalls(void **state)
{
	(void)state;
	expect_shell("kill -KILL $$", WORK_STALLED, "signal:9", "ended with signal 9");
	expect_shell("kill -TERM $$", WORK_STALLED, "signal:15", NULL);
	expect_shell("echo oh no >&2; kill -SEGV $$", WORK_STALLED, "signal:11", "oh no");
}

static void test_the_result_tells_pid_and_time(void **state)
{
	struct job j;
	char pid[32];

	(void)state;
	job_shell(&j, "echo $$; sleep 0.1");
	job_start(&j);
	snprintf(pid, sizeof(pid), "%d", process_pid(j.p));
	job_wait(&j);
	assert_string_equal(j.r.output, pid);
	assert_int_equal(j.r.pid, atoi(pid));
	assert_in_range(j.r.elapsed_ms, 90, 20000);
	expect(&j, WORK_COMPLETED, "", "");
}

static void test_a_status_that_somebody_else_took_stalls(void **state)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
	struct job j;

	(void)state;
	if (!spawn_has_pidfd())
		skip();
	sigaction(SIGCHLD, &ignore, &before);
	job_shell(&j, "exit 0");
	job_end(&j);
	sigaction(SIGCHLD, &before, NULL);
	expect(&j, WORK_STALLED, "lost", NULL);
}

/* stdout */

static void test_one_trailing_newline_is_stripped(void **state)
{
	static const char *const scripts[] = {"printf ''", "printf '\\n'", "printf 'a\\n'", "printf 'a\\n\\n'", "printf a"};
	static const char *const outputs[] = {"", "", "a", "a\n", "a"};

	(void)state;
	for (int i = 0; i < 5; i++) {
		struct job j;
		job_shell(&j, scripts[i]);
		expect_output(&j, outputs[i]);
	}
}

static void test_output_may_hold_nuls(void **state)
{
	struct job j;

	(void)state;
	job_shell(&j, "printf 'a\\0b\\0\\n'");
	job_end(&j);
	assert_int_equal(j.r.output_len, 4);
	assert_memory_equal(j.r.output, "a\0b\0", 5);
	expect(&j, WORK_COMPLETED, "", "");
}

static void test_output_up_to_the_limit_is_kept(void **state)
{
	struct job j;

	(void)state;
	job_shell(&j, "head -c 100000 /dev/zero");
	j.spec.output_max = 100000;
	job_end(&j);
	assert_int_equal(j.r.output_len, 100000);
	expect(&j, WORK_COMPLETED, "", "");
}

static void test_output_over_the_limit_fails(void **state)
{
	static const char *const scripts[] = {"head -c 100001 /dev/zero", "head -c 100001 /dev/zero; sleep 50", "yes"};

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct job j;
		job_shell(&j, scripts[i]);
		j.spec.output_max = 100000;
		job_end(&j);
		assert_true(j.r.output_len <= 100000);
		expect(&j, WORK_FAILED, "output-too-large", NULL);
	}
}

static void test_output_of_a_failure_is_kept_too(void **state)
{
	struct job j;

	(void)state;
	job_shell(&j, "echo half; exit 3");
	job_end(&j);
	assert_string_equal(j.r.output, "half");
	expect(&j, WORK_STALLED, "exit:3", NULL);
}

static void test_a_program_may_close_its_outputs_and_go_on(void **state)
{
	struct job j;

	(void)state;
	job_shell(&j, "echo early; exec >&- 2>&-; sleep 0.2; exit 4");
	job_end(&j);
	assert_string_equal(j.r.output, "early");
	assert_true(j.r.elapsed_ms >= 190);
	expect(&j, WORK_STALLED, "exit:4", "ended with exit 4");
}

/* What goes on after the program has ended still belongs to the result, for a second. */
static void test_output_counts_until_all_writers_have_closed(void **state)
{
	struct job j;

	(void)state;
	job_shell(&j, "echo one; (sleep 0.2; echo two) & exit 0");
	expect_output(&j, "one\ntwo");
}

static void test_a_daemon_that_holds_stdout_does_not_hold_us_up(void **state)
{
	struct job j;
	int64_t start = now_ns();

	(void)state;
	job_shell(&j, "sleep 60 2>/dev/null & echo $!");
	job_end(&j);
	assert_in_range(now_ns() - start, 1000 * MS, 30000 * MS);
	assert_true(j.r.elapsed_ms <= (now_ns() - start) / MS - 990);
	assert_false(has_ended(atol(j.r.output))); /* it was left behind on purpose */
	kill((pid_t)atol(j.r.output), SIGKILL);
	expect(&j, WORK_COMPLETED, "", "");
}

static void test_a_daemon_that_holds_stderr_is_not_waited_for(void **state)
{
	struct job j;

	(void)state;
	job_shell(&j, "sleep 60 >/dev/null & echo $!");
	job_start(&j);
	while (j.calls == 0)
		assert_int_equal(loop_wait(loop, true, NULL), 0); /* no deadline is needed */
	assert_string_not_equal(j.r.output, "");
	kill((pid_t)atol(j.r.output), SIGKILL);
	expect(&j, WORK_COMPLETED, "", "");
}

static void test_a_daemon_that_never_stops_writing_is_cut_off(void **state)
{
	struct job j;
	char pid[32];

	(void)state;
	job_shell(&j, "(sleep 0.2; exec yes) 2>/dev/null & echo $! > $PID");
	snprintf(pid, sizeof(pid), "%s", in_dir("pid"));
	char set[64];
	snprintf(set, sizeof(set), "PID=%s", pid);
	const char *env[] = {set, NULL};
	j.spec.env = env;
	j.spec.output_max = 1000;
	job_end(&j);
	assert_true(get_file(pid, pid, sizeof(pid)) > 0);
	expect(&j, WORK_FAILED, "output-too-large", NULL);
	expect_end_of(atol(pid));
}

/* stderr */

static void test_the_message_is_the_last_line_with_text(void **state)
{
	(void)state;
	expect_shell("echo one >&2; echo two >&2; exit 1", WORK_STALLED, "exit:1", "two");
	expect_shell("printf 'one\\ntwo' >&2; exit 1", WORK_STALLED, "exit:1", "two");
	expect_shell("printf 'one\\n\\n  \\n\\t\\n' >&2; exit 1", WORK_STALLED, "exit:1", "one");
	expect_shell("printf '10%%\\r20%%\\r' >&2; exit 1", WORK_STALLED, "exit:1", "20%");
	expect_shell("echo fine >&2", WORK_COMPLETED, "", "fine");
}

static void test_the_message_is_text_that_can_be_shown(void **state)
{
	(void)state;
	expect_shell("printf 'a\\033[1mb\\001\\0\\177c\\td\\n' >&2; exit 1", WORK_STALLED, "exit:1", "a?[1mb???c d");
	expect_shell("printf 'gr\\303\\274n\\n' >&2; exit 1", WORK_STALLED, "exit:1", "gr\303\274n");
	expect_shell("printf 'gr\\374n\\n' >&2; exit 1", WORK_STALLED, "exit:1", "gr?n");
}

static void test_a_long_line_is_cut_between_characters(void **state)
{
	struct job j;

	(void)state;
	job_shell(&j, "i=0; while [ $i -lt 300 ]; do printf '\\303\\274'; i=$((i+1)); done >&2; exit 1");
	job_end(&j);
	assert_in_range(strlen(j.r.message), 197, 200);
	assert_string_equal(j.r.message + strlen(j.r.message) - 5, "\303\274...");
	expect(&j, WORK_STALLED, "exit:1", NULL);
	job_shell(&j, "head -c 200 /dev/zero | tr '\\0' x >&2; exit 1");
	job_end(&j);
	assert_int_equal(strspn(j.r.message, "x"), 200); /* just not too long */
	expect(&j, WORK_STALLED, "exit:1", NULL);
}

static void test_the_log_holds_stderr(void **state)
{
	struct job j;
	char text[64];

	(void)state;
	put_file(in_dir("log"), "of the attempt before, and longer", 0600);
	job_shell(&j, "echo one >&2; echo two >&2; exit 1");
	j.spec.log_path = in_dir("log");
	job_end(&j);
	get_file(in_dir("log"), text, sizeof(text));
	assert_string_equal(text, "one\ntwo\n");
	expect(&j, WORK_STALLED, "exit:1", "two");
}

static void test_a_log_over_its_limit_is_cut_and_the_program_goes_on(void **state)
{
	struct job j;
	struct stat st;

	(void)state;
	job_shell(&j, "head -c 300000 /dev/zero >&2; echo last >&2; exit 1");
	j.spec.log_path = in_dir("log");
	j.spec.log_max = 1000;
	job_end(&j);
	assert_int_equal(stat(in_dir("log"), &st), 0);
	assert_int_equal(st.st_size, 1000);
	expect(&j, WORK_STALLED, "exit:1", NULL);
}

static void test_a_log_without_limit_holds_all(void **state)
{
	struct job j;
	struct stat st;

	(void)state;
	job_shell(&j, "head -c 300000 /dev/zero >&2");
	j.spec.log_path = in_dir("log");
	job_end(&j);
	assert_int_equal(stat(in_dir("log"), &st), 0);
	assert_int_equal(st.st_size, 300000);
	expect(&j, WORK_COMPLETED, "", NULL);
}

static void test_a_full_disk_costs_the_log_only(void **state)
{
	struct job j;

	(void)state;
	if (access("/dev/full", W_OK) < 0)
		skip();
	job_shell(&j, "head -c 100000 /dev/zero >&2; echo >&2; echo said >&2; echo result");
	j.spec.log_path = "/dev/full";
	job_end(&j);
	assert_string_equal(j.r.output, "result");
	expect(&j, WORK_COMPLETED, "", "said");
}

static void test_a_log_that_cannot_be_written_starts_nothing(void **state)
{
	struct pawl_error err;
	struct job j;

	(void)state;
	job_shell(&j, "exit 0");
	j.spec.log_path = in_dir("none/log");
	assert_int_equal(process_start(&j.p, loop, &j.spec, on_done, &j, &err), PAWL_ENOTFOUND);
	assert_non_null(strstr(err.text, "none/log"));
	assert_int_equal(symlink("elsewhere", in_dir("link")), 0);
	j.spec.log_path = in_dir("link");
	assert_true(process_start(&j.p, loop, &j.spec, on_done, &j, &err) < 0);
}

/* stdin */

static char *make_input(size_t len)
{
	char *data = malloc(len);

	assert_non_null(data);
	for (size_t i = 0; i < len; i++)
		data[i] = (char)(i * 7 + i / 251);
	data[len - 1] = 'x';
	return data;
}

static void test_input_comes_back_from_cat(void **state)
{
	static const size_t sizes[] = {1, 4096, 65536, 65537, 1024 * 1024};

	(void)state;
	for (int i = 0; i < 5; i++) {
		struct job j;
		char *data = make_input(sizes[i]), *copy = malloc(sizes[i]);

		memcpy(copy, data, sizes[i]);
		job_run(&j, "cat", NULL);
		j.spec.input.data = copy;
		j.spec.input.len = sizes[i];
		job_start(&j);
		free(copy); /* it need not outlive the start */
		job_wait(&j);
		assert_int_equal(j.r.output_len, sizes[i]);
		assert_memory_equal(j.r.output, data, sizes[i]);
		expect(&j, WORK_COMPLETED, "", "");
		free(data);
	}
}

static void test_no_input_is_an_end_of_file(void **state)
{
	struct job j;

	(void)state;
	job_run(&j, "cat", NULL);
	expect_output(&j, "");
	job_run(&j, "cat", NULL);
	j.spec.input.data = "";
	expect_output(&j, "");
}

static void test_a_program_need_not_read_its_input(void **state)
{
	static const char *const scripts[] = {
		"exit 0", "exec <&-; sleep 0.2", "head -c 100000 >/dev/null; sleep 0.1", "sleep 0.2",
	};
	char *data = make_input(1024 * 1024);

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct job j;
		job_shell(&j, scripts[i]);
		j.spec.input.data = data;
		j.spec.input.len = 1024 * 1024;
		job_end(&j);
		expect(&j, WORK_COMPLETED, "", "");
	}
	free(data);
}

/* its surroundings */

static void test_the_environment_is_ours_with_changes_on_top(void **state)
{
	const char *env[] = {"A=1", "PAWL_TEST_B=new", "A=2", "EMPTY=", NULL};
	struct job j;

	(void)state;
	setenv("PAWL_TEST_A", "ours", 1);
	setenv("PAWL_TEST_B", "old", 1);
	job_shell(&j, "echo \"$PAWL_TEST_A $PAWL_TEST_B $A ${EMPTY-unset}\"; env | grep -c '^PAWL_TEST_B='");
	j.spec.env = env;
	expect_output(&j, "ours new 2 \n1");
	job_shell(&j, "echo $PAWL_TEST_B");
	expect_output(&j, "old");
}

static void test_what_the_supervisor_says_to_us_is_not_handed_on(void **state)
{
	struct job j;

	(void)state;
	setenv("NOTIFY_SOCKET", "@nobody", 1);
	setenv("WATCHDOG_USEC", "1", 1);
	job_shell(&j, "echo \"${NOTIFY_SOCKET-unset} ${WATCHDOG_USEC-unset}\"");
	expect_output(&j, "unset unset");
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
}

static void test_a_name_is_looked_up_in_the_programs_path(void **state)
{
	char path[256];
	const char *env[] = {path, NULL};
	struct job j;

	(void)state;
	mkdir(in_dir("none"), 0700);
	put_file(in_dir("tool"), "#!/bin/sh\necho found $1\n", 0755);
	snprintf(path, sizeof(path), "PATH=/nowhere:%s/tool:%s:/bin", dir, dir);
	job_run(&j, "tool", "it", NULL);
	j.spec.env = env;
	expect_output(&j, "found it");
	snprintf(path, sizeof(path), "PATH=:/bin:/usr/bin"); /* empty: the working directory */
	j.calls = 0;
	j.spec.dir = dir;
	expect_output(&j, "found it");
	rmdir(in_dir("none"));
}

static void test_the_working_directory_is_the_one_given(void **state)
{
	struct job j;
	char here[256];

	(void)state;
	job_run(&j, "pwd", NULL);
	assert_non_null(getcwd(here, sizeof(here)));
	expect_output(&j, here);
	job_run(&j, "pwd", NULL);
	j.spec.dir = dir;
	expect_output(&j, dir);
}

static void test_it_has_its_own_session_and_process_group(void **state)
{
	struct job j;
	char wanted[128];

	(void)state;
	job_shell(&j, "cut -d' ' -f5,6 /proc/$$/stat");
	job_start(&j);
	snprintf(wanted, sizeof(wanted), "%d %d", process_pid(j.p), process_pid(j.p));
	job_wait(&j);
	assert_string_equal(j.r.output, wanted);
	expect(&j, WORK_COMPLETED, "", "");
}

static void test_signals_are_at_their_defaults_and_none_is_blocked(void **state)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN}, before[2];
	const char *runner = getenv("RUNNER");
	sigset_t set, old;
	struct job j;

	(void)state;
	if (runner && strstr(runner, "qemu")) /* qemu-user keeps some signals for itself, and its children see that */
		skip();
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, &old);
	sigaction(SIGHUP, &ignore, &before[0]);
	sigaction(SIGRTMAX, &ignore, &before[1]);
	job_run(&j, "grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status", NULL);
	expect_output(&j, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000");
	sigprocmask(SIG_SETMASK, &old, &set);
	assert_int_equal(sigismember(&set, SIGUSR1), 1); /* our own mask is as it was */
	assert_int_equal(sigismember(&set, SIGUSR2), 0);
	sigaction(SIGHUP, &before[0], &ignore);
	assert_true(ignore.sa_handler == SIG_IGN);
	sigaction(SIGRTMAX, &before[1], NULL);
}

static void test_no_other_descriptor_reaches_it(void **state)
{
	static const int numbers[] = {3, 9, 100, 700};
	int opened[4], n = 0;
	struct job j;

	(void)state;
	for (int i = 0; i < 4; i++)
		if (fcntl(numbers[i], F_GETFD) < 0)
			opened[n++] = dup2(0, numbers[i]); /* not close-on-exec */
	assert_true(n >= 2);
	job_run(&j, "ls", "/proc/self/fd", NULL);
	expect_output(&j, "0\n1\n2\n3"); /* 3: the directory that ls reads */
	while (n > 0)
		close(opened[--n]);
}

static void cat_without_stdio(void)
{
	struct job j;

	for (int fd = 0; fd < 3; fd++)
		close(fd);
	job_run(&j, "cat", NULL);
	j.spec.input.data = "through";
	j.spec.input.len = 7;
	job_start(&j);
	while (j.calls == 0)
		if (loop_wait(loop, true, NULL) < 0)
			_exit(2);
	_exit(j.r.outcome == WORK_COMPLETED && strcmp(j.r.output, "through") == 0 ? 0 : 1);
}

static void test_it_works_when_our_own_first_descriptors_are_closed(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		cat_without_stdio();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* timeout and cancel */

static void test_a_timeout_ends_it(void **state)
{
	struct job j;

	(void)state;
	job_run(&j, "sleep", "60", NULL);
	j.spec.timeout_ms = 100;
	j.spec.grace_ms = 30000;
	job_end(&j);
	assert_in_range(j.r.elapsed_ms, 100, 29000); /* TERM was enough */
	expect(&j, WORK_TIMEOUT, "timeout", "took longer than its limit of 100ms and was ended");
}

static void test_a_timeout_that_is_not_reached_does_nothing(void **state)
{
	struct job j;

	(void)state;
	job_run(&j, "echo", "quick", NULL);
	j.spec.timeout_ms = 60000;
	expect_output(&j, "quick");
	job_run(&j, "echo", "quick", NULL);
	j.spec.timeout_ms = INT64_MAX;
	expect_output(&j, "quick");
}

static void test_a_program_that_ignores_term_is_killed_after_the_grace(void **state)
{
	struct job j;

	(void)state;
	job_shell(&j, "trap '' TERM; echo half; while :; do sleep 0.05; done");
	j.spec.timeout_ms = 600;
	j.spec.grace_ms = 200;
	job_end(&j);
	assert_in_range(j.r.elapsed_ms, 800, 20000);
	assert_string_equal(j.r.output, "half");
	expect(&j, WORK_TIMEOUT, "timeout",
	       "took longer than its limit of 600ms and was killed, as it did not end when asked to");
}

static void test_no_grace_is_no_grace(void **state)
{
	struct job j;

	(void)state;
	job_shell(&j, "trap '' TERM; while :; do sleep 0.05; done");
	j.spec.timeout_ms = 100;
	j.spec.grace_ms = 0;
	job_end(&j);
	expect(&j, WORK_TIMEOUT, "timeout", NULL);
}

static void test_a_stopped_program_is_ended_without_a_kill(void **state)
{
	struct job j;

	(void)state;
	job_shell(&j, "kill -STOP $$; sleep 60");
	j.spec.timeout_ms = 200;
	j.spec.grace_ms = 60000;
	job_end(&j);
	expect(&j, WORK_TIMEOUT, "timeout", NULL);
}

static void test_the_whole_process_group_is_ended(void **state)
{
	static const char *const scripts[] = {
		"sleep 60 & echo $!; wait",
		"sh -c 'trap \"\" TERM; sleep 60' & echo $!; wait",
		"sh -c 'trap \"\" TERM; sleep 60' >/dev/null 2>&1 & echo $!; wait",
	};

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct job j;
		job_shell(&j, scripts[i]);
		j.spec.timeout_ms = 500;
		j.spec.grace_ms = 300;
		job_end(&j);
		expect_end_of(atol(j.r.output));
		expect(&j, WORK_TIMEOUT, "timeout", NULL);
	}
}

/* The shell dies of TERM at once; what it had started must still have its grace. */
static void test_the_grace_is_for_the_whole_group(void **state)
{
	char set[128], text[32];
	const char *env[] = {set, NULL};
	struct job j;

	(void)state;
	snprintf(set, sizeof(set), "FILE=%s", in_dir("cleaned"));
	job_shell(&j, "sh -c 'trap \"sleep 0.3; echo yes > $FILE; exit\" TERM; while :; do sleep 0.05; done' & wait");
	j.spec.env = env;
	j.spec.timeout_ms = 600;
	j.spec.grace_ms = 20000;
	job_end(&j);
	assert_int_equal(get_file(in_dir("cleaned"), text, sizeof(text)), 4);
	expect(&j, WORK_TIMEOUT, "timeout", NULL);
}

static void test_one_that_made_it_before_anybody_looked_is_not_late(void **state)
{
	struct job j;

	(void)state;
	job_run(&j, "echo", "made it", NULL);
	j.spec.timeout_ms = 20;
	job_start(&j);
	nap(20);
	expect_end_of(process_pid(j.p));
	process_check_deadlines(loop, now_ns());
	if (j.calls == 0)
		job_wait(&j);
	assert_string_equal(j.r.output, "made it");
	expect(&j, WORK_COMPLETED, "", "");
}

static void test_cancel_ends_it(void **state)
{
	struct job j;

	(void)state;
	job_run(&j, "sleep", "60", NULL);
	job_start(&j);
	process_cancel(j.p);
	process_cancel(j.p);
	job_wait(&j);
	expect(&j, WORK_CANCELED, "canceled", "canceled");
}

static void test_cancel_wins_over_everything(void **state)
{
	struct job j;

	(void)state;
	job_run(&j, "true", NULL); /* has ended by itself, but nobody has looked */
	job_start(&j);
	nap(200);
	process_cancel(j.p);
	job_wait(&j);
	expect(&j, WORK_CANCELED, "canceled", NULL);

	job_run(&j, "/nonexistent", NULL);
	job_start(&j);
	process_cancel(j.p);
	job_wait(&j);
	expect(&j, WORK_CANCELED, "canceled", NULL);

	job_shell(&j, "trap '' TERM; sleep 0.3");
	j.spec.timeout_ms = 50;
	job_start(&j);
	nap(100);
	process_check_deadlines(loop, now_ns());
	process_cancel(j.p);
	job_wait(&j);
	expect(&j, WORK_CANCELED, "canceled", NULL);
}

static void test_cancel_in_the_last_wait_ends_what_was_left_behind(void **state)
{
	struct job j;
	char pid[32];
	int64_t deadline;

	(void)state;
	job_shell(&j, "sleep 60 & echo $!");
	job_start(&j);
	while ((deadline = process_next_deadline(loop)) < 0) /* the shell has ended */
		assert_int_equal(loop_wait(loop, true, NULL), 0);
	process_cancel(j.p);
	job_wait(&j);
	snprintf(pid, sizeof(pid), "%s", j.r.output);
	expect(&j, WORK_CANCELED, "canceled", NULL);
	expect_end_of(atol(pid));
}

static void test_callbacks_may_start_and_cancel_others(void **state)
{
	struct job first, second, third;

	(void)state;
	job_run(&first, "true", NULL);
	job_run(&second, "sleep", "60", NULL);
	job_run(&third, "echo", "third", NULL);
	first.cancel = &second;
	second.start = &third;
	job_start(&second);
	job_start(&first);
	job_wait(&third);
	assert_string_equal(third.r.output, "third");
	expect(&first, WORK_COMPLETED, "", NULL);
	expect(&second, WORK_CANCELED, "canceled", NULL);
	expect(&third, WORK_COMPLETED, "", NULL);
}

static void test_callbacks_of_deadlines_may_start_and_cancel_others(void **state)
{
	struct job first, second, third;

	(void)state;
	job_run(&first, "/nonexistent", NULL);
	job_run(&second, "/nonexistent", NULL);
	job_run(&third, "/nonexistent", NULL);
	first.cancel = &second;
	first.start = &third;
	job_start(&second);
	job_start(&first);
	process_check_deadlines(loop, now_ns());
	assert_int_equal(first.calls + second.calls + third.calls, 3);
	expect(&first, WORK_FAILED, "spawn", NULL);
	expect(&second, WORK_CANCELED, "canceled", NULL);
	expect(&third, WORK_FAILED, "spawn", NULL);
}

/* what cannot be started */

static void expect_no_start(const char *program, const char *in, const char *message)
{
	struct job j;

	job_run(&j, program, NULL);
	j.spec.dir = in;
	j.spec.input.data = "unread";
	j.spec.input.len = 6;
	job_start(&j);
	assert_int_equal(process_pid(j.p), 0);
	assert_int_equal(process_next_deadline(loop), 0);
	job_wait(&j);
	assert_int_equal(j.r.pid, 0);
	assert_string_equal(j.r.output, "");
	expect(&j, WORK_FAILED, "spawn", message);
}

static void test_what_cannot_be_executed_fails_for_good(void **state)
{
	char wanted[256];

	(void)state;
	expect_no_start("/nonexistent/tool", NULL, "cannot execute '/nonexistent/tool': no such file or directory");
	expect_no_start("pawl-no-such-tool", NULL, "cannot execute 'pawl-no-such-tool': no such file or directory");
	expect_no_start("", NULL, "cannot execute '': no such file or directory");
	expect_no_start(dir, NULL, NULL);
	expect_no_start("true", "/nonexistent",
	                "cannot enter directory '/nonexistent' for 'true': no such file or directory");

	put_file(in_dir("plain"), "echo hi\n", 0644);
	snprintf(wanted, sizeof(wanted), "cannot execute '%s': permission denied", in_dir("plain"));
	expect_no_start(in_dir("plain"), NULL, wanted);
	put_file(in_dir("text"), "echo hi\n", 0755);
	snprintf(wanted, sizeof(wanted),
	         "cannot execute '%s': exec format error (a script needs '#!' and its interpreter in the first line)",
	         in_dir("text"));
	expect_no_start(in_dir("text"), NULL, wanted);
	put_file(in_dir("script"), "#!/nonexistent/sh\n", 0755);
	snprintf(wanted, sizeof(wanted),
	         "cannot execute '%s': no such file or directory (it is there, but the interpreter or the dynamic loader "
	         "that it names is not)",
	         in_dir("script"));
	expect_no_start(in_dir("script"), NULL, wanted);
}

static void test_a_name_in_the_path_without_permission_says_so(void **state)
{
	char path[128];
	const char *env[] = {path, NULL};
	struct job j;

	(void)state;
	put_file(in_dir("tool"), "#!/bin/sh\n", 0644);
	snprintf(path, sizeof(path), "PATH=%s:/nowhere", dir);
	job_run(&j, "tool", NULL);
	j.spec.env = env;
	job_end(&j);
	expect(&j, WORK_FAILED, "spawn", "cannot execute 'tool': permission denied");
}

static void test_a_program_without_a_name_is_an_error(void **state)
{
	struct pawl_error err;
	struct job j;

	(void)state;
	job_run(&j, NULL);
	assert_int_equal(process_start(&j.p, loop, &j.spec, on_done, &j, &err), PAWL_EINVALID);
	j.spec.argv = NULL;
	assert_int_equal(process_start(&j.p, loop, &j.spec, on_done, &j, &err), PAWL_EINVALID);
}

static void test_arguments_that_are_too_long_fail_for_good(void **state)
{
	static char big[8 * 1024 * 1024];
	struct job j;

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	job_run(&j, "echo", big, NULL);
	job_end(&j);
	expect(&j, WORK_FAILED, "spawn", NULL);
}

/* Room for ever more descriptors, until it works: each start but the last gives an error and leaks nothing. */
static void test_a_lack_of_descriptors_starts_nothing(void **state)
{
	int first_free = dup(0), failures = 0;
	struct rlimit before, limit;
	struct pawl_error err;
	struct job j;

	(void)state;
	close(first_free);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	job_run(&j, "echo", "at last", NULL);
	j.spec.log_path = in_dir("log");
	for (int r = -1; r < 0; failures++) {
		limit = before;
		limit.rlim_cur = (rlim_t)(first_free + failures);
		setrlimit(RLIMIT_NOFILE, &limit);
		r = process_start(&j.p, loop, &j.spec, on_done, &j, &err);
		setrlimit(RLIMIT_NOFILE, &before);
		assert_true(r == 0 || r == PAWL_EBUSY);
		assert_true(failures < 30);
	}
	assert_true(failures > 6);
	job_wait(&j);
	assert_string_equal(j.r.output, "at last");
	expect(&j, WORK_COMPLETED, "", "");
}

static void test_two_hundred_at_once_each_get_their_own(void **state)
{
	static struct job jobs[200];
	static char numbers[200][16];

	(void)state;
	for (int i = 0; i < 200; i++) {
		snprintf(numbers[i], sizeof(numbers[i]), "%d", i);
		job_run(&jobs[i], "/bin/sh", "-c", "read x; echo $x $0; exit $(($0 % 3))", numbers[i], NULL);
		jobs[i].spec.input.data = numbers[i];
		jobs[i].spec.input.len = strlen(numbers[i]);
		job_start(&jobs[i]);
	}
	for (int i = 0; i < 200; i++) {
		char wanted[64];
		job_wait(&jobs[i]);
		snprintf(wanted, sizeof(wanted), "%d %d", i, i);
		assert_string_equal(jobs[i].r.output, wanted);
		assert_int_equal(jobs[i].r.outcome, i % 3 ? WORK_STALLED : WORK_COMPLETED);
		job_clear(&jobs[i]);
	}
}

static const char *run_echo(struct loop *own)
{
	struct job j;

	job_run(&j, "echo", "from a thread", NULL);
	if (process_start(&j.p, own, &j.spec, on_done, &j, NULL) < 0)
		return "no start";
	while (j.calls == 0)
		if (loop_wait(own, true, NULL) < 0)
			return "no wait";
	bool right = strcmp(j.r.output, "from a thread") == 0;
	job_clear(&j);
	return right ? NULL : "no output";
}

static void *run_in_thread(void *arg)
{
	const char **wrong = arg;
	struct loop *own;

	*wrong = loop_new(&own, NULL) < 0 ? "no loop" : NULL;
	for (int i = 0; i < 20 && !*wrong; i++)
		*wrong = run_echo(own);
	loop_free(own);
	return NULL;
}

static void test_two_loops_in_two_threads_do_not_mix(void **state)
{
	pthread_t threads[2];
	const char *wrong[2];

	(void)state;
	fds_before += spawn_has_pidfd() ? 0 : 2; /* a pipe for each loop */
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, run_in_thread, &wrong[i]), 0);
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		assert_null(wrong[i]);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

static int run_all(const char *name)
{
	const struct CMUnitTest tests[] = {
		T(exit_codes_decide_the_outcome),
		T(a_signal_stalls),
		T(the_result_tells_pid_and_time),
		T(a_status_that_somebody_else_took_stalls),
		T(one_trailing_newline_is_stripped),
		T(output_may_hold_nuls),
		T(output_up_to_the_limit_is_kept),
		T(output_over_the_limit_fails),
		T(output_of_a_failure_is_kept_too),
		T(a_program_may_close_its_outputs_and_go_on),
		T(output_counts_until_all_writers_have_closed),
		T(a_daemon_that_holds_stdout_does_not_hold_us_up),
		T(a_daemon_that_holds_stderr_is_not_waited_for),
		T(a_daemon_that_never_stops_writing_is_cut_off),
		T(the_message_is_the_last_line_with_text),
		T(the_message_is_text_that_can_be_shown),
		T(a_long_line_is_cut_between_characters),
		T(the_log_holds_stderr),
		T(a_log_over_its_limit_is_cut_and_the_program_goes_on),
		T(a_log_without_limit_holds_all),
		T(a_full_disk_costs_the_log_only),
		T(a_log_that_cannot_be_written_starts_nothing),
		T(input_comes_back_from_cat),
		T(no_input_is_an_end_of_file),
		T(a_program_need_not_read_its_input),
		T(the_environment_is_ours_with_changes_on_top),
		T(what_the_supervisor_says_to_us_is_not_handed_on),
		T(a_name_is_looked_up_in_the_programs_path),
		T(the_working_directory_is_the_one_given),
		T(it_has_its_own_session_and_process_group),
		T(signals_are_at_their_defaults_and_none_is_blocked),
		T(no_other_descriptor_reaches_it),
		T(it_works_when_our_own_first_descriptors_are_closed),
		T(a_timeout_ends_it),
		T(a_timeout_that_is_not_reached_does_nothing),
		T(a_program_that_ignores_term_is_killed_after_the_grace),
		T(no_grace_is_no_grace),
		T(a_stopped_program_is_ended_without_a_kill),
		T(the_whole_process_group_is_ended),
		T(the_grace_is_for_the_whole_group),
		T(one_that_made_it_before_anybody_looked_is_not_late),
		T(cancel_ends_it),
		T(cancel_wins_over_everything),
		T(cancel_in_the_last_wait_ends_what_was_left_behind),
		T(callbacks_may_start_and_cancel_others),
		T(callbacks_of_deadlines_may_start_and_cancel_others),
		T(what_cannot_be_executed_fails_for_good),
		T(a_name_in_the_path_without_permission_says_so),
		T(a_program_without_a_name_is_an_error),
		T(arguments_that_are_too_long_fail_for_good),
		T(a_lack_of_descriptors_starts_nothing),
		T(two_hundred_at_once_each_get_their_own),
		T(two_loops_in_two_threads_do_not_mix),
	};

	return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

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
	struct sock_fprog filter = {sizeof(code) / sizeof(code[0]), code};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0 &&
	       syscall(SYS_pidfd_open, getpid(), 0) < 0;
}

int main(void)
{
	int status = 0;
	pid_t old = fork();

	signal(SIGCHLD, SIG_IGN); /* as some supervisors leave it: must not matter */
	if (old == 0) {
		if (make_kernel_old())
			return run_all("runtime_process on an old kernel");
		fprintf(stderr, "no filter for system calls here: not run as on an old kernel\n");
		return 0;
	}
	signal(SIGCHLD, SIG_DFL);
	waitpid(old, &status, 0);
	signal(SIGCHLD, SIG_IGN);
	return run_all("runtime_process") || status;
}
