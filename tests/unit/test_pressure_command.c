/*
 * test_pressure_command.c - programs that are asked, with real scripts and a real loop; the clock is a simulated one.
 *
 * All tests run twice: as the kernel is, and as before Linux 5.3 (a filter refuses pidfd_open). After each of them no
 * child and no descriptor may be left.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* syscall numbers */
#endif

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
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

#include "os/os_sim.h"
#include "os/spawn.h"
#include "runtime/pressure_impl.h"

#define MS INT64_C(1000000)

static struct os_sim *sim;
static struct loop *loop;
static struct pressure *p;
static char dir[64], reason[512];
static unsigned changes;
static int fds_before;
static void (*on_change)(void);

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

static void changed(void *arg)
{
	assert_ptr_equal(arg, &changes);
	changes++;
	if (on_change)
		on_change();
}

static int setup(void **state)
{
	(void)state;
	alarm(100);
	snprintf(dir, sizeof(dir), "/tmp/pawl-pressure-XXXXXX");
	if (!mkdtemp(dir) || loop_new(&loop, NULL) < 0)
		return -1;
	fds_before = count_fds();
	changes = 0;
	on_change = NULL;
	sim = os_sim_new(1);
	return pressure_new(&p, os_sim_os(sim), loop, "/", changed, &changes, NULL);
}

static int teardown(void **state)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	(void)state;
	pressure_free(p);
	while ((e = readdir(d)))
		unlinkat(dirfd(d), e->d_name, 0);
	closedir(d);
	rmdir(dir);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	/* without pidfds the pipe for SIGCHLD stays */
	assert_in_range(count_fds(), fds_before, spawn_has_pidfd() ? fds_before : fds_before + 2);
	loop_free(loop);
	os_sim_free(sim);
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

static const char *script(const char *name, const char *text)
{
	const char *path = in_dir(name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	return path;
}

static bool ask(const char *program, int64_t every_ms)
{
	const char *argv[] = { program, dir, NULL };
	const struct pressure_limits l = { .command = argv, .command_every_ms = every_ms };

	memset(reason, 0, sizeof(reason));
	return pressure_ok(p, &l, NULL, NULL, reason, sizeof(reason));
}

static void wait_for_changes(unsigned n)
{
	while (changes < n)
		assert_int_equal(loop_wait(loop, true, NULL), 0);
}

/* Ask, wait for the answer, take it. */
static bool answer_of(const char *program)
{
	unsigned before = changes;
	bool fine;

	assert_false(ask(program, 0));
	assert_non_null(strstr(reason, "asking '"));
	wait_for_changes(before + 1);
	fine = ask(program, 0);
	assert_int_equal(changes, before + 1);
	return fine;
}

/* Of lines that scripts wrote, one for each run. */
static int runs(void)
{
	int fd = open(in_dir("runs"), O_RDONLY | O_CLOEXEC), n = 0;
	char c;

	while (fd >= 0 && read(fd, &c, 1) == 1)
		n += c == '\n';
	if (fd >= 0)
		close(fd);
	return n;
}

static void exit_0_is_fine_whatever_it_says(void **state)
{
	(void)state;
	assert_true(answer_of(script("ok", "#!/bin/sh\necho all is lost\n")));
}

static void its_first_line_is_the_reason(void **state)
{
	(void)state;
	assert_false(answer_of(script("busy", "#!/bin/sh\necho a person holds the door\necho more\nexit 3\n")));
	assert_string_equal(reason, "a person holds the door (pressure.command)");
}

static void without_a_line_the_exit_code_is_told(void **state)
{
	char expected[256];

	(void)state;
	assert_false(answer_of(script("mute", "#!/bin/sh\necho\necho later >&2\nexit 3\n")));
	snprintf(expected, sizeof(expected), "'%s' ended with exit code 3 (pressure.command)", in_dir("mute"));
	assert_string_equal(reason, expected);
	assert_false(answer_of(script("dead", "#!/bin/sh\nkill -9 $$\n")));
	snprintf(expected, sizeof(expected), "'%s' was ended by signal 9 (pressure.command)", in_dir("dead"));
	assert_string_equal(reason, expected);
}

static void a_line_without_an_end_counts(void **state)
{
	(void)state;
	assert_false(answer_of(script("short", "#!/bin/sh\nprintf 'no ground'; sleep 0.05; printf ' wire'; exit 1\n")));
	assert_string_equal(reason, "no ground wire (pressure.command)");
}

static void a_long_line_is_cut(void **state)
{
	(void)state;
	assert_false(answer_of(script("long", "#!/bin/sh\nfor i in 1 2 3 4 5 6; do printf '%050d' 7; done\nexit 1\n")));
	assert_non_null(strstr(reason, "0000... (pressure.command)"));
	assert_in_range(strlen(reason), 200, 200 + strlen(" (pressure.command)"));
	assert_false(answer_of(script("exact", "#!/bin/sh\nprintf '%0200d\\n' 7\nexit 1\n")));
	assert_non_null(strstr(reason, "007 (pressure.command)"));
}

static void a_line_cannot_steer_a_terminal(void **state)
{
	(void)state;
	assert_false(answer_of(script("rude", "#!/bin/sh\nprintf 'a\\033[2Jb\\377c\\tq\\n'\nexit 1\n")));
	assert_string_equal(reason, "a [2Jb?c q (pressure.command)");
	assert_false(answer_of(script("polite", "#!/bin/sh\nprintf 't\\303\\274r\\n'\nexit 1\n")));
	assert_string_equal(reason, "t\303\274r (pressure.command)");
}

static void much_output_does_not_hold_it_up(void **state)
{
	(void)state;
	assert_false(answer_of(script("chatty", "#!/bin/sh\necho head\nhead -c 1000000 /dev/zero\nexit 1\n")));
	assert_string_equal(reason, "head (pressure.command)");
}

static void an_answer_counts_so_long(void **state)
{
	const char *program = script("count", "#!/bin/sh\necho x >> $1/runs\n");

	(void)state;
	assert_false(ask(program, 2000));
	wait_for_changes(1);
	assert_true(ask(program, 2000));
	os_sim_advance(sim, 1999 * MS);
	assert_true(ask(program, 2000));
	assert_int_equal(runs(), 1);
	os_sim_advance(sim, 1 * MS);
	assert_true(ask(program, 0)); /* 30 s */
	assert_false(ask(program, 2000));
	wait_for_changes(2);
	assert_int_equal(runs(), 2);
	os_sim_advance(sim, 29999 * MS);
	assert_true(ask(program, 0));
	os_sim_advance(sim, 1 * MS);
	assert_false(ask(program, 0));
	wait_for_changes(3);
	assert_int_equal(runs(), 3);
}

static void one_runs_at_a_time_of_each_command(void **state)
{
	const char *program = script("slow", "#!/bin/sh\necho x >> $1/runs\nsleep 0.2\n");
	const char *other = script("other", "#!/bin/sh\nsleep 0.1\necho no; exit 1\n");

	(void)state;
	for (int i = 0; i < 50; i++) {
		assert_false(ask(program, 0));
		assert_false(ask(other, 0));
		os_sim_advance(sim, 60000 * MS);
	}
	wait_for_changes(2);
	assert_int_equal(changes, 2);
	assert_int_equal(runs(), 1);
	assert_true(ask(program, 0));
	assert_false(ask(other, 0));
	assert_string_equal(reason, "no (pressure.command)");
}

static void words_make_a_command_another_one(void **state)
{
	const char *const a[] = { "/bin/sh", "-c", "exit 0", NULL }, *const b[] = { "/bin/sh", "-c", "exit 1", NULL };
	const struct pressure_limits la = { .command = a }, lb = { .command = b };

	(void)state;
	assert_false(pressure_ok(p, &la, NULL, NULL, reason, sizeof(reason)));
	assert_false(pressure_ok(p, &lb, NULL, NULL, reason, sizeof(reason)));
	wait_for_changes(2);
	assert_true(pressure_ok(p, &la, NULL, NULL, reason, sizeof(reason)));
	assert_false(pressure_ok(p, &la, &lb, "flash", reason, sizeof(reason)));
	assert_string_equal(reason, "'/bin/sh' ended with exit code 1 (activities.flash.pressure.command)");
}

static void a_program_that_cannot_be_started_is_an_answer(void **state)
{
	(void)state;
	assert_false(ask("/nowhere/check", 0));
	assert_string_equal(reason, "cannot start '/nowhere/check': No such file or directory (pressure.command)");
	assert_false(ask("/nowhere/check", 0));
	assert_non_null(strstr(reason, "cannot start"));
	assert_int_equal(changes, 0);
}

static int64_t real_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void one_that_takes_too_long_is_killed_with_all_it_started(void **state)
{
	const char *program = script("stuck", "#!/bin/sh\necho early\nsleep 50 & echo $! > $1/child\nwait\n");
	int64_t from = real_ms();
	char text[32] = "";
	int fd;

	(void)state;
	p->command_ms = 300;
	assert_false(answer_of(program));
	assert_non_null(strstr(reason, "gave no answer within 300ms and was killed (pressure.command)"));
	assert_in_range(real_ms() - from, 290, 20000);
	fd = open(in_dir("child"), O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	for (int i = 0; i < 2000 && kill(atoi(text), 0) == 0; i++) /* init may take a moment to reap it */
		usleep(1000);
	/* it is reaped in the loop, and can be asked anew */
	os_sim_advance(sim, 60000 * MS);
	for (int i = 0; i < 2000 && ask(program, 0) == false && !strstr(reason, "asking"); i++) {
		assert_int_equal(loop_wait(loop, false, NULL), 0);
		usleep(1000);
	}
	assert_non_null(strstr(reason, "asking"));
}

static void what_it_leaves_behind_does_not_hold_it_up(void **state)
{
	int64_t from = real_ms();

	(void)state;
	assert_false(answer_of(script("daemon", "#!/bin/sh\necho why\nsleep 50 &\nexit 1\n")));
	assert_string_equal(reason, "why (pressure.command)");
	assert_in_range(real_ms() - from, 0, 20000);
}

static void one_that_closes_its_output_is_waited_for(void **state)
{
	(void)state;
	assert_true(answer_of(script("closed", "#!/bin/sh\nexec >&-\nsleep 0.1\nexit 0\n")));
}

static void end_while_asked(void)
{
	on_change = NULL; /* once: the next answer may come in the same wait */
	assert_true(ask(in_dir("ok"), 0));
	pressure_reload(p);
	assert_false(ask(in_dir("ok"), 0));
}

static void who_is_told_may_ask_and_reload(void **state)
{
	(void)state;
	on_change = end_while_asked;
	assert_false(ask(script("ok", "#!/bin/sh\n"), 0));
	wait_for_changes(2);
	assert_true(ask(in_dir("ok"), 0));
}

static void a_reload_forgets_answers_and_lets_programs_run(void **state)
{
	const char *program = script("slow", "#!/bin/sh\necho x >> $1/runs\nsleep 0.2\n");

	(void)state;
	assert_false(ask(program, 0));
	pressure_reload(p);
	assert_false(ask(program, 0));
	wait_for_changes(1);
	assert_int_equal(runs(), 1);
	assert_true(ask(program, 0));
	pressure_reload(p);
	assert_false(ask(program, 0));
	wait_for_changes(2);
	assert_int_equal(runs(), 2);
}

static void the_end_kills_what_runs(void **state)
{
	(void)state;
	assert_false(ask(script("stuck", "#!/bin/sh\nsleep 50\n"), 0));
	assert_false(ask("/nowhere/check", 0));
}

static void nothing_is_asked_while_something_else_is_short(void **state)
{
	const char *argv[] = { script("count", "#!/bin/sh\necho x >> $1/runs\n"), dir, NULL };
	const struct pressure_limits l = { .command = argv, .network = "wwan0" };

	(void)state;
	assert_false(pressure_ok(p, &l, NULL, NULL, reason, sizeof(reason)));
	assert_string_equal(reason, "network: interface 'wwan0' is not there (pressure.network)");
	assert_int_equal(loop_wait(loop, false, NULL), 0);
	assert_int_equal(runs(), 0);
}

static int run_all(const char *name)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(exit_0_is_fine_whatever_it_says),
		T(its_first_line_is_the_reason),
		T(without_a_line_the_exit_code_is_told),
		T(a_line_without_an_end_counts),
		T(a_long_line_is_cut),
		T(a_line_cannot_steer_a_terminal),
		T(much_output_does_not_hold_it_up),
		T(an_answer_counts_so_long),
		T(one_runs_at_a_time_of_each_command),
		T(words_make_a_command_another_one),
		T(a_program_that_cannot_be_started_is_an_answer),
		T(one_that_takes_too_long_is_killed_with_all_it_started),
		T(what_it_leaves_behind_does_not_hold_it_up),
		T(one_that_closes_its_output_is_waited_for),
		T(who_is_told_may_ask_and_reload),
		T(a_reload_forgets_answers_and_lets_programs_run),
		T(the_end_kills_what_runs),
		T(nothing_is_asked_while_something_else_is_short),
	};

	return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

/* Refuse what Linux 5.3 brought, as a kernel without it would. */
static bool make_kernel_old(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_open, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = { sizeof(code) / sizeof(code[0]), code };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0 &&
	       syscall(SYS_pidfd_open, getpid(), 0) < 0;
}

int main(void)
{
	int status = 0;
	pid_t old = fork();

	if (old == 0) {
		if (make_kernel_old())
			return run_all("pressure_command on an old kernel");
		fprintf(stderr, "no filter for system calls here: not run as on an old kernel\n");
		return 0;
	}
	waitpid(old, &status, 0);
	return run_all("pressure_command") || status;
}
