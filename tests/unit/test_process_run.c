/*
 * test_process_run.c - programs as activities, under the real shim: outcomes, surroundings, ends that we make, shims that
 * die or hang.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "process_world.h"

/* outcomes */

static void test_exit_codes_decide_the_outcome(void **state)
{
	(void)state;
	expect_shell("exit 0", WORK_COMPLETED, "", "");
	expect_shell("exit 1", WORK_STALLED, "exit:1", "ended with exit 1");
	expect_shell("exit 75", WORK_DEFERRED, "exit:75", "ended with exit 75");
	expect_shell("exit 76", WORK_REBOOT, "exit:76", "ended with exit 76");
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

static void test_the_message_is_the_last_line_on_stderr(void **state)
{
	(void)state;
	expect_shell("echo one >&2; echo two >&2; exit 1", WORK_STALLED, "exit:1", "two");
	expect_shell("echo fine >&2", WORK_COMPLETED, "", "fine");
}

static void test_the_result_tells_pid_time_and_usage(void **state)
{
	struct job j;
	char pid[32];

	(void)state;
	job_shell(&j, "echo $$ > $READY; echo $$; sleep 0.1");
	job_start(&j);
	ready_read(pid, sizeof(pid));
	assert_int_equal(process_pid(j.p), atoi(pid));
	job_wait(&j);
	assert_string_equal(j.r.output, pid);
	assert_int_equal(j.r.pid, atoi(pid));
	assert_in_range(j.r.elapsed_ms, 90, 20000);
	assert_in_range(j.r.user_ms, 0, 5000);
	assert_in_range(j.r.system_ms, 0, 5000);
	assert_in_range(j.r.rss_kib, 1, 1000000);
	expect(&j, WORK_COMPLETED, "", "");
}

static void test_a_deferral_says_for_how_long(void **state)
{
	static const struct {
		const char *script;
		int64_t ms;
	} cases[] = {
		{ "echo 90 > retry_after; exit 75", 90000 }, { "printf 5m > retry_after; exit 75", 300000 },
		{ "echo soon > retry_after; exit 75", 0 },   { ": > retry_after; exit 75", 0 },
		{ "mkfifo retry_after; exit 75", 0 },        { "head -c 1000 /dev/zero > retry_after; exit 75", 0 },
		{ "rm -f retry_after; exit 75", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct job j;
		job_shell(&j, cases[i].script);
		job_end(&j);
		assert_int_equal(j.r.retry_after_ms, cases[i].ms);
		expect(&j, WORK_DEFERRED, "exit:75", NULL);
	}
}

static void test_a_reboot_keeps_its_output(void **state)
{
	struct job j;

	(void)state;
	job_shell(&j, "echo slot B; exit 76");
	job_end(&j);
	assert_string_equal(j.r.output, "slot B");
	expect(&j, WORK_REBOOT, "exit:76", NULL);
}

/* output */

static void test_one_trailing_newline_is_stripped(void **state)
{
	static const char *const scripts[] = { "printf ''", "printf '\\n'", "printf 'a\\n'", "printf 'a\\n\\n'", "printf a" };
	static const char *const outputs[] = { "", "", "a", "a\n", "a" };

	(void)state;
	for (int i = 0; i < 5; i++) {
		struct job j;
		job_shell(&j, scripts[i]);
		expect_output(&j, outputs[i]);
	}
}

static void test_output_may_hold_nuls_and_be_long(void **state)
{
	struct job j;

	(void)state;
	job_shell(&j, "printf 'a\\0b\\0\\n'");
	job_end(&j);
	assert_int_equal(j.r.output_len, 4);
	assert_memory_equal(j.r.output, "a\0b\0", 5);
	expect(&j, WORK_COMPLETED, "", "");
	job_shell(&j, "head -c 1000000 /dev/zero");
	j.spec.output_max = 1000000;
	job_end(&j);
	assert_int_equal(j.r.output_len, 1000000);
	expect(&j, WORK_COMPLETED, "", "");
}

static void test_output_over_the_limit_fails(void **state)
{
	static const char *const scripts[] = { "head -c 100001 /dev/zero", "head -c 100001 /dev/zero; sleep 50", "yes" };

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct job j;
		job_shell(&j, scripts[i]);
		j.spec.output_max = 100000;
		job_end(&j);
		assert_non_null(strstr(j.r.message, "100000 bytes"));
		expect(&j, WORK_FAILED, "output-too-large", NULL);
	}
}

static void test_output_that_cannot_be_read_stalls(void **state)
{
	struct job j;

	(void)state;
	job_shell(&j, "echo lost; rm result; mkfifo result");
	job_end(&j);
	assert_non_null(strstr(j.r.message, "/result"));
	expect(&j, WORK_STALLED, "gone", NULL);
	job_shell(&j, "echo lost; rm result; echo forged > result");
	job_end(&j); /* not as long as the shim says */
	expect(&j, WORK_STALLED, "gone", NULL);
}

static void test_input_is_the_file_in_the_work_directory(void **state)
{
	struct job j;

	(void)state;
	job_run(&j, "cat", NULL);
	put_file(in_work(&j, "input"), "through", 0600);
	expect_output(&j, "through");
	job_run(&j, "cat", NULL);
	expect_output(&j, "");
}

/* surroundings */

static void test_the_environment_is_ours_with_changes_on_top(void **state)
{
	const char *env[] = { "A=1", "PAWL_TEST_B=new", "A=2", "EMPTY=", NULL };
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

static void test_only_what_is_kept_of_our_environment_is_handed_on(void **state)
{
	const char *keep[] = { "PATH", "PAWL_TEST_A", "NOTIFY_SOCKET", "NOT_THERE", NULL }, *none[] = { NULL };
	const char *env[] = { "ON_TOP=yes", NULL };
	struct job j;

	(void)state;
	setenv("PAWL_TEST_A", "a", 1);
	setenv("PAWL_TEST_AB", "ab", 1);
	setenv("NOTIFY_SOCKET", "@nobody", 1);
	job_shell(&j, "env | grep -v -e ^PWD= -e ^SHLVL= -e ^_= -e ^OLDPWD= | cut -d= -f1 | sort | tr '\\n' ' '");
	j.spec.env_keep = keep;
	j.spec.env = env;
	expect_output(&j, "ON_TOP PATH PAWL_TEST_A ");
	job_shell(&j, "env | grep -c -e ^PAWL_TEST -e ^HOME= -e ^NOTIFY_SOCKET; true");
	j.spec.env_keep = none;
	expect_output(&j, "0");
	unsetenv("NOTIFY_SOCKET");
}

static void test_the_working_directory_is_the_work_directory_or_the_one_given(void **state)
{
	struct job j;

	(void)state;
	job_run(&j, "pwd", NULL);
	expect_output(&j, j.work);
	job_run(&j, "pwd", NULL);
	j.spec.dir = dir;
	expect_output(&j, dir);
}

static void test_what_an_earlier_attempt_left_is_gone(void **state)
{
	static const char *const names[] = { "claim", "result", "cancel", "retry_after" };
	struct job j;

	(void)state;
	job_shell(&j, "echo cancel retry_after notes; ls cancel retry_after notes 2>/dev/null");
	for (int i = 0; i < 4; i++)
		put_file(in_work(&j, names[i]), "old", 0644);
	put_file(in_work(&j, "notes"), "kept", 0644);
	job_shell(&j, "ls cancel retry_after notes 2>/dev/null; exit 0");
	for (int i = 0; i < 4; i++)
		put_file(in_work(&j, names[i]), "old", 0644);
	put_file(in_work(&j, "notes"), "kept", 0644);
	expect_output(&j, "notes");
}

static char *args_of_shim(struct job *j)
{
	static char text[65536];

	put_file(in_dir("shim"), "#!/bin/sh\nd=${1#work=}; for a; do printf '%s\\n' \"$a\"; done > $d/args\n", 0755);
	j->spec.shim = in_dir("shim");
	job_end(j);
	assert_int_equal(j->r.outcome, WORK_STUCK);
	assert_true(get_file(in_work(j, "args"), text, sizeof(text)) > 0);
	job_clear(j);
	return text;
}

static void test_the_shim_is_told_all_of_it(void **state)
{
	static char words[2000][16], wanted[65536];
	static const char *options[2001];
	struct job j;

	(void)state;
	job_run(&j, "tool", "-a", "two words", "", NULL);
	j.spec.attempt = 7;
	j.spec.dir = dir;
	j.spec.timeout_ms = 1000;
	j.spec.heartbeat_ms = 500;
	j.spec.grace_ms = 0;
	j.spec.output_max = 10;
	j.spec.log_max = 0;
	j.spec.sync = true;
	for (int i = 0; i < 2000; i++) {
		snprintf(words[i], sizeof(words[i]), "option%d=1", i);
		options[i] = words[i];
	}
	j.spec.options = options;
	snprintf(wanted, sizeof(wanted),
	         "work=%s\nattempt=7\ndir=%s\ntimeout_ms=1000\nheartbeat_ms=500\ngrace_ms=0\noutput_max=10\nlog_max=0\nsync=1\n",
	         j.work, dir);
	for (int i = 0; i < 2000; i++)
		snprintf(wanted + strlen(wanted), sizeof(wanted) - strlen(wanted), "%s\n", words[i]);
	snprintf(wanted + strlen(wanted), sizeof(wanted) - strlen(wanted), "--\ntool\n-a\ntwo words\n\n");
	assert_string_equal(args_of_shim(&j), wanted);
}

/* ends that are made */

static void test_a_timeout_ends_it(void **state)
{
	struct job j;

	(void)state;
	job_shell(&j, "echo working on it >&2; sleep 60");
	j.spec.timeout_ms = 300;
	j.spec.grace_ms = 30000;
	job_end(&j);
	assert_in_range(j.r.elapsed_ms, 300, 29000); /* TERM was enough */
	expect(&j, WORK_TIMEOUT, "timeout", "took longer than its limit of 300ms and was ended; it said last: working on it");
}

static void test_a_timeout_that_is_not_reached_does_nothing(void **state)
{
	struct job j;

	(void)state;
	job_run(&j, "echo", "quick", NULL);
	j.spec.timeout_ms = 60000;
	expect_output(&j, "quick");
	job_run(&j, "echo", "quick", NULL);
	j.spec.timeout_ms = INT64_MAX / 2;
	expect_output(&j, "quick");
}

static void test_silence_ends_it(void **state)
{
	struct job j;

	(void)state;
	job_run(&j, "sleep", "60", NULL);
	j.spec.heartbeat_ms = 200;
	job_start(&j);
	assert_int_equal(process_next_deadline(loop) < 0, spawn_has_pidfd() || j.p->child); /* no backstop */
	job_wait(&j);
	expect(&j, WORK_STUCK, "heartbeat", "was silent for longer than its heartbeat of 200ms and was ended");
}

static void test_cancel_ends_it(void **state)
{
	struct job j;

	(void)state;
	job_shell(&j, "echo > $READY; sleep 60");
	job_start(&j);
	ready_wait();
	process_cancel(j.p);
	process_cancel(j.p);
	job_wait(&j);
	assert_int_equal(access(in_work(&j, "cancel"), F_OK), 0);
	expect(&j, WORK_CANCELED, "canceled", "canceled");
}

static void test_cancel_works_at_any_time(void **state)
{
	struct job j;

	(void)state;
	for (int i = 0; i < 20; i++) { /* the shim may not have got far */
		job_run(&j, "sleep", "60", NULL);
		job_start(&j);
		process_cancel(j.p);
		job_wait(&j);
		expect(&j, WORK_CANCELED, "canceled", "canceled");
	}
	job_run(&j, "true", NULL); /* has ended by itself, but nobody has looked */
	job_start(&j);
	expect_end_of(j.p->shim.pid);
	process_cancel(j.p);
	job_wait(&j);
	expect(&j, WORK_CANCELED, "canceled", NULL);
}

static void test_term_from_elsewhere_is_no_cancel(void **state)
{
	struct job j;

	(void)state;
	job_shell(&j, "echo > $READY; sleep 60");
	job_start(&j);
	ready_wait();
	kill(j.p->shim.pid, SIGTERM);
	job_wait(&j);
	expect(&j, WORK_STUCK, "gone", "something else ended it with TERM to its shim");
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

/* shims that die or hang */

static void test_a_shim_without_a_claim_is_gone(void **state)
{
	struct job j;

	(void)state;
	put_file(in_dir("shim"), "#!/bin/sh\nexit 3\n", 0755);
	job_run(&j, "true", NULL);
	j.spec.shim = in_dir("shim");
	job_end(&j);
	assert_int_equal(j.r.pid, 0);
	expect(&j, WORK_STUCK, "gone", "its shim ended with exit 3 and without an outcome");
}

static void kill_shim(struct job *j, char pid[32])
{
	ready_read(pid, 32);
	assert_int_equal(process_pid(j->p), atoi(pid));
	kill(j->p->shim.pid, SIGKILL);
	job_wait(j);
	expect_end_of(atol(pid));
}

static void test_what_a_killed_shim_leaves_is_ended(void **state)
{
	char pid[32], text[32];
	struct job j;

	(void)state;
	job_shell(&j, "exec 2>/dev/null; trap 'echo yes > cleaned; exit' TERM; echo $$ > $READY; while :; do sleep 0.05; done");
	j.spec.grace_ms = 20000;
	job_start(&j);
	kill_shim(&j, pid);
	assert_int_equal(get_file(in_work(&j, "cleaned"), text, sizeof(text)), 4);
	assert_int_equal(j.r.pid, atoi(pid));
	expect(&j, WORK_STUCK, "gone", "its shim ended with signal 9 and without an outcome");

	job_shell(&j, "trap '' TERM; echo $$ > $READY; while :; do sleep 0.05; done"); /* the grace, then KILL */
	j.spec.grace_ms = 300;
	job_start(&j);
	kill_shim(&j, pid);
	expect(&j, WORK_STUCK, "gone", NULL);

	job_shell(&j, "trap '' TERM; echo $$ > $READY; while :; do sleep 0.05; done");
	j.spec.grace_ms = 0;
	job_start(&j);
	kill_shim(&j, pid);
	expect(&j, WORK_STUCK, "gone", NULL);
}

static void test_the_whole_group_has_its_grace(void **state)
{
	char pid[32], text[32];
	struct job j;

	(void)state;
	/* The shell dies of TERM at once; what it has started cleans up, or ignores it. (Nobody reads its stderr then: a word
	 * there, and it would die of SIGPIPE.) */
	job_shell(&j, "exec 2>/dev/null; sh -c 'trap \"sleep 0.3; echo yes > cleaned; exit\" TERM; echo $$ > $READY; "
	              "while :; do sleep 0.05; done' & wait");
	j.spec.grace_ms = 20000;
	job_start(&j);
	ready_read(pid, sizeof(pid));
	kill(j.p->shim.pid, SIGKILL);
	job_wait(&j);
	assert_int_equal(get_file(in_work(&j, "cleaned"), text, sizeof(text)), 4);
	expect(&j, WORK_STUCK, "gone", NULL);

	job_shell(&j, "sh -c 'trap \"\" TERM; echo $$ > $READY; while :; do sleep 0.05; done' & wait");
	j.spec.grace_ms = 300;
	job_start(&j);
	ready_read(pid, sizeof(pid));
	kill(j.p->shim.pid, SIGKILL);
	job_wait(&j);
	expect_end_of(atol(pid));
	expect(&j, WORK_STUCK, "gone", NULL);
}

static void test_a_cancel_of_what_a_killed_shim_left_is_a_cancel(void **state)
{
	char pid[32];
	struct job j;

	(void)state;
	job_shell(&j, "trap '' TERM; echo $$ > $READY; while :; do sleep 0.05; done");
	j.spec.grace_ms = 60000;
	job_start(&j);
	ready_read(pid, sizeof(pid));
	kill(j.p->shim.pid, SIGKILL);
	while (j.p->state == RUNNING) {
		loop_set_timer(loop, process_next_deadline(loop));
		assert_int_equal(loop_wait(loop, true, NULL), 0);
		process_check_deadlines(loop, now_ns());
	}
	process_cancel(j.p);
	job_wait_at(&j, now_ns() + 61000 * MS);
	expect_end_of(atol(pid));
	expect(&j, WORK_CANCELED, "canceled", NULL);
}

static void test_a_shim_that_hangs_is_killed_with_its_activity(void **state)
{
	char pid[32];
	struct job j;
	int64_t backstop;

	(void)state;
	job_shell(&j, "echo $$ > $READY; sleep 60");
	j.spec.timeout_ms = 30000;
	j.spec.grace_ms = 1000;
	job_start(&j);
	ready_read(pid, sizeof(pid));
	kill(j.p->shim.pid, SIGSTOP);
	backstop = j.p->deadline_ns;
	assert_in_range(backstop - now_ns(), 30000 * MS, 42000 * MS);
	process_check_deadlines(loop, backstop - 1);
	assert_int_equal(j.p->state, RUNNING);
	process_check_deadlines(loop, backstop);
	job_wait(&j);
	expect_end_of(atol(pid));
	expect(&j, WORK_TIMEOUT, "timeout", "took longer than its limit of 30s, and its shim did not end it: both were killed");
}

/* The backstop was missed by far: all of the device stood still, and the shim has not had its time. */
static void test_after_a_suspend_the_shim_has_its_time(void **state)
{
	struct job j;
	int64_t late;

	(void)state;
	job_shell(&j, "echo > $READY; sleep 60");
	j.spec.timeout_ms = 30000;
	j.spec.grace_ms = 1000;
	job_start(&j);
	ready_wait();
	late = j.p->deadline_ns + 3600 * 1000 * MS;
	process_check_deadlines(loop, late);
	assert_int_equal(j.p->state, RUNNING);
	assert_int_equal(j.p->deadline_ns, late + 12000 * MS);
	process_cancel(j.p);
	job_wait(&j);
	expect(&j, WORK_CANCELED, "canceled", NULL);
}

static void test_a_shim_that_does_not_hear_a_cancel_is_killed(void **state)
{
	struct job j;

	(void)state;
	put_file(in_dir("shim"), "#!/bin/sh\ntrap '' TERM\necho > $READY\nexec sleep 60\n", 0755);
	job_run(&j, "true", NULL);
	j.spec.shim = in_dir("shim");
	j.spec.grace_ms = 1000;
	job_start(&j);
	ready_wait();
	process_cancel(j.p);
	assert_in_range(process_next_deadline(loop) - now_ns(), 0, 12000 * MS);
	process_check_deadlines(loop, now_ns() + 12001 * MS);
	job_wait(&j);
	expect(&j, WORK_CANCELED, "canceled", "canceled");
}

static void test_a_stopped_shim_hears_a_cancel(void **state)
{
	struct job j;

	(void)state;
	job_shell(&j, "echo > $READY; sleep 60");
	job_start(&j);
	ready_wait();
	kill(j.p->shim.pid, SIGSTOP);
	process_cancel(j.p);
	job_wait(&j);
	expect(&j, WORK_CANCELED, "canceled", NULL);
}

/* what cannot be started */

static void expect_no_start(const char *program, const char *in, enum work_outcome outcome, const char *code, const char *part)
{
	struct job j;

	job_run(&j, program, NULL);
	j.spec.dir = in;
	job_end(&j);
	if (part && !strstr(j.r.message, part))
		fail_msg("'%s' is not in '%s'", part, j.r.message);
	expect(&j, outcome, code, NULL);
}

static void test_what_cannot_be_executed_fails_for_good(void **state)
{
	(void)state;
	expect_no_start("/nonexistent/tool", NULL, WORK_FAILED, "spawn", "/nonexistent/tool");
	expect_no_start("pawl-no-such-tool", NULL, WORK_FAILED, "spawn", "pawl-no-such-tool");
	expect_no_start(dir, NULL, WORK_FAILED, "spawn", NULL);
	expect_no_start("true", "/nonexistent", WORK_FAILED, "setup", "/nonexistent");
	put_file(in_dir("plain"), "echo hi\n", 0644);
	expect_no_start(in_dir("plain"), NULL, WORK_FAILED, "spawn", NULL);
	put_file(in_dir("text"), "echo hi\n", 0755);
	expect_no_start(in_dir("text"), NULL, WORK_FAILED, "spawn", "#!");
	put_file(in_dir("script"), "#!/nonexistent/sh\n", 0755);
	expect_no_start(in_dir("script"), NULL, WORK_FAILED, "spawn", NULL);
}

static void test_a_program_that_is_being_written_may_be_tried_again(void **state)
{
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), to = open(in_dir("busy"), O_RDWR | O_CREAT | O_CLOEXEC, 0755);
	char data[4096];
	ssize_t n;

	(void)state;
	while ((n = read(from, data, sizeof(data))) > 0)
		assert_int_equal(write(to, data, (size_t)n), n);
	close(from);
	expect_no_start(in_dir("busy"), NULL, WORK_STALLED, "spawn", NULL);
	close(to);
}

static void test_arguments_that_are_too_long_fail_for_good(void **state)
{
	static char big[8 * 1024 * 1024];
	struct job j;

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	job_run(&j, "echo", big, NULL);
	job_start(&j);
	assert_int_equal(process_next_deadline(loop), 0);
	assert_int_equal(process_pid(j.p), 0);
	job_wait(&j);
	expect(&j, WORK_FAILED, "spawn", "cannot execute 'echo': argument list too long");
	job_run(&j, "echo", big, NULL);
	job_start(&j);
	process_cancel(j.p);
	job_wait(&j);
	expect(&j, WORK_CANCELED, "canceled", NULL);
}

static void expect_error(struct job *j, int code, const char *part)
{
	struct pawl_error err = { 0 };

	assert_int_equal(process_start(&j->p, loop, &j->spec, job_done, j, &err), code);
	if (!strstr(err.text, part))
		fail_msg("'%s' is not in '%s'", part, err.text);
}

static void test_what_is_missing_is_an_error(void **state)
{
	struct job j;

	(void)state;
	job_run(&j, NULL);
	expect_error(&j, PAWL_EINVALID, "without a name");
	j.spec.argv = NULL;
	expect_error(&j, PAWL_EINVALID, "without a name");
	job_run(&j, "true", NULL);
	j.spec.work = "work";
	expect_error(&j, PAWL_EINVALID, "absolute");
	job_run(&j, "true", NULL);
	j.spec.shim = "/nonexistent/shim";
	expect_error(&j, PAWL_ENOTFOUND, "/nonexistent/shim");
}

static void test_no_second_one_is_started_beside_a_live_one(void **state)
{
	struct job j, other;

	(void)state;
	job_shell(&j, "echo > $READY; sleep 60");
	job_start(&j);
	ready_wait();
	job_run(&other, "true", NULL);
	other.spec.work = j.work;
	expect_error(&other, PAWL_EBUSY, j.work);
	process_cancel(j.p);
	job_wait(&j);
	expect(&j, WORK_CANCELED, "canceled", NULL);
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
	for (int r = -1; r < 0; failures++) {
		limit = before;
		limit.rlim_cur = (rlim_t)(first_free + failures);
		setrlimit(RLIMIT_NOFILE, &limit);
		r = process_start(&j.p, loop, &j.spec, job_done, &j, &err);
		setrlimit(RLIMIT_NOFILE, &before);
		assert_true(r == 0 || r == PAWL_EBUSY);
		assert_true(failures < 30);
	}
	assert_true(failures > 2);
	job_wait(&j);
	if (j.r.outcome != WORK_COMPLETED) /* the shim has inherited the lack */
		job_clear(&j);
	else
		expect(&j, WORK_COMPLETED, "", "");
}

/* Its outcome is there and must not be lost because it cannot be read for now. */
static void test_a_lack_of_descriptors_at_the_end_is_waited_out(void **state)
{
	int first_free = dup(0);
	struct rlimit before, limit;
	struct job j;

	(void)state;
	close(first_free);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	job_run(&j, "echo", "patience", NULL);
	job_start(&j);
	expect_end_of(j.p->shim.pid);
	limit = before;
	limit.rlim_cur = (rlim_t)first_free;
	setrlimit(RLIMIT_NOFILE, &limit);
	assert_int_equal(loop_wait(loop, true, NULL), 0);
	process_check_deadlines(loop, now_ns() + 1001 * MS);
	assert_int_equal(j.calls, 0);
	setrlimit(RLIMIT_NOFILE, &before);
	job_wait(&j);
	assert_string_equal(j.r.output, "patience");
	expect(&j, WORK_COMPLETED, "", "");
}

static void test_a_hundred_at_once_each_get_their_own(void **state)
{
	static struct job jobs[100];
	static char numbers[100][16];

	(void)state;
	for (int i = 0; i < 100; i++) {
		snprintf(numbers[i], sizeof(numbers[i]), "%d", i);
		job_run(&jobs[i], "/bin/sh", "-c", "read x; echo $x $0; exit $(($0 % 3))", numbers[i], NULL);
		put_file(in_work(&jobs[i], "input"), numbers[i], 0600);
		job_start(&jobs[i]);
	}
	for (int i = 0; i < 100; i++) {
		char wanted[64];
		job_wait(&jobs[i]);
		snprintf(wanted, sizeof(wanted), "%d %d", i, i);
		if (i % 3 == 0)
			assert_string_equal(jobs[i].r.output, wanted);
		assert_int_equal(jobs[i].r.outcome, i % 3 ? WORK_STALLED : WORK_COMPLETED);
		job_clear(&jobs[i]);
	}
}

/* where the shim is */

static void test_the_shim_is_found(void **state)
{
	const char *before = getenv("PAWL_SHIM");
	char path[512], kept[512], small[4];
	struct pawl_error err;

	(void)state;
	snprintf(kept, sizeof(kept), "%s", before ? before : "");
	put_file(in_dir("tool"), "#!/bin/sh\n", 0755);
	setenv("PAWL_SHIM", in_dir("tool"), 1);
	assert_int_equal(process_find_shim(path, sizeof(path), &err), 0);
	assert_string_equal(path, in_dir("tool"));
	assert_int_equal(process_find_shim(small, sizeof(small), &err), PAWL_ENOTFOUND);
	setenv("PAWL_SHIM", in_dir("nothing"), 1);
	assert_int_equal(process_find_shim(path, sizeof(path), &err), PAWL_ENOTFOUND);
	assert_non_null(strstr(err.text, "nothing"));
	setenv("PAWL_SHIM", dir, 1);
	assert_int_equal(process_find_shim(path, sizeof(path), &err), PAWL_ENOTFOUND);
	unsetenv("PAWL_SHIM");
	if (process_find_shim(path, sizeof(path), &err) < 0) {
		assert_non_null(strstr(err.text, "libexec"));
		assert_non_null(strstr(err.text, "PAWL_SHIM"));
	}
	if (*kept)
		setenv("PAWL_SHIM", kept, 1);
}

/* threads */

static const char *run_echo(struct loop *own, const char *work)
{
	struct job j = { .argv = { "echo", "from a thread", NULL } };

	j.spec = (struct process_spec){ .shim = shim, .argv = j.argv, .work = work, .attempt = 1, .output_max = 1000 };
	if (process_start(&j.p, own, &j.spec, job_done, &j, NULL) < 0)
		return "no start";
	while (j.calls == 0)
		if (loop_wait(own, true, NULL) < 0)
			return "no wait";
	bool right = j.r.output && strcmp(j.r.output, "from a thread") == 0;
	free(j.r.output);
	return right ? NULL : "no output";
}

struct thread_job {
	char work[160];
	const char *wrong;
};

static void *run_in_thread(void *arg)
{
	struct thread_job *t = arg;
	struct loop *own;

	t->wrong = loop_new(&own, NULL) < 0 ? "no loop" : NULL;
	for (int i = 0; i < 20 && !t->wrong; i++)
		t->wrong = run_echo(own, t->work);
	loop_free(own);
	return NULL;
}

static void test_two_loops_in_two_threads_do_not_mix(void **state)
{
	struct thread_job jobs[2];
	pthread_t threads[2];

	(void)state;
	if (!spawn_has_pidfd())
		skip(); /* the second pipe for SIGCHLD stays */
	for (int i = 0; i < 2; i++) {
		struct job j;
		job_run(&j, "echo", NULL);
		snprintf(jobs[i].work, sizeof(jobs[i].work), "%s", j.work);
		assert_int_equal(pthread_create(&threads[i], NULL, run_in_thread, &jobs[i]), 0);
	}
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		assert_null(jobs[i].wrong);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, process_setup, process_teardown)

static int run_all(const char *name)
{
	const struct CMUnitTest tests[] = {
		T(exit_codes_decide_the_outcome),
		T(a_signal_stalls),
		T(the_message_is_the_last_line_on_stderr),
		T(the_result_tells_pid_time_and_usage),
		T(a_deferral_says_for_how_long),
		T(a_reboot_keeps_its_output),
		T(one_trailing_newline_is_stripped),
		T(output_may_hold_nuls_and_be_long),
		T(output_over_the_limit_fails),
		T(output_that_cannot_be_read_stalls),
		T(input_is_the_file_in_the_work_directory),
		T(the_environment_is_ours_with_changes_on_top),
		T(only_what_is_kept_of_our_environment_is_handed_on),
		T(the_working_directory_is_the_work_directory_or_the_one_given),
		T(what_an_earlier_attempt_left_is_gone),
		T(the_shim_is_told_all_of_it),
		T(a_timeout_ends_it),
		T(a_timeout_that_is_not_reached_does_nothing),
		T(silence_ends_it),
		T(cancel_ends_it),
		T(cancel_works_at_any_time),
		T(term_from_elsewhere_is_no_cancel),
		T(callbacks_may_start_and_cancel_others),
		T(a_shim_without_a_claim_is_gone),
		T(what_a_killed_shim_leaves_is_ended),
		T(the_whole_group_has_its_grace),
		T(a_cancel_of_what_a_killed_shim_left_is_a_cancel),
		T(a_shim_that_hangs_is_killed_with_its_activity),
		T(after_a_suspend_the_shim_has_its_time),
		T(a_shim_that_does_not_hear_a_cancel_is_killed),
		T(a_stopped_shim_hears_a_cancel),
		T(what_cannot_be_executed_fails_for_good),
		T(a_program_that_is_being_written_may_be_tried_again),
		T(arguments_that_are_too_long_fail_for_good),
		T(what_is_missing_is_an_error),
		T(no_second_one_is_started_beside_a_live_one),
		T(a_lack_of_descriptors_starts_nothing),
		T(a_lack_of_descriptors_at_the_end_is_waited_out),
		T(a_hundred_at_once_each_get_their_own),
		T(the_shim_is_found),
		T(two_loops_in_two_threads_do_not_mix),
	};

	return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
	return process_run_tests(run_all, "process_run");
}
