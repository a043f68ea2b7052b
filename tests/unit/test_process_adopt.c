/*
 * test_process_adopt.c - what a runtime before this one has left: found, adopted, ended. The earlier runtime is this very
 * process (then the shim is our child) or another one (then it is not).
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "process_world.h"

enum earlier { OURS, ANOTHERS };

/* An earlier runtime that starts it and goes; `stay` is the end of a pipe that it waits for, so that nobody reaps. */
static pid_t start_in_another(struct job *j, int stay)
{
	pid_t pid = fork();

	if (pid == 0) {
		struct loop *own;
		char byte;
		if (loop_new(&own, NULL) < 0 || process_start(&j->p, own, &j->spec, job_done, j, NULL) < 0)
			_exit(1);
		process_leave(j->p);
		_exit(stay >= 0 && read(stay, &byte, 1) < 0);
	}
	assert_true(pid > 0);
	return pid;
}

static void start_earlier(struct job *j, enum earlier earlier)
{
	int status;

	if (earlier == OURS) {
		job_start(j);
		process_leave(j->p);
		j->p = NULL;
		return;
	}
	pid_t pid = start_in_another(j, -1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void forge(const struct job *j, const struct claim *c, const char *more)
{
	char text[SHIM_CLAIM_BYTES];

	snprintf(text, sizeof(text),
	         "attempt %lu\nboot %s\npidns %llu\nshim %ld %llu\nactivity %ld %llu\nbegan %lld\n%s", (unsigned long)c->attempt,
	         c->boot_id, (unsigned long long)c->pidns, (long)c->shim.pid, (unsigned long long)c->shim.start_ticks,
	         (long)c->activity.pid, (unsigned long long)c->activity.start_ticks, (long long)c->began_ms, more);
	put_file(in_work(j, "claim"), text, 0644);
}

/* What this process would write if it were a shim, with a stranger as its activity. */
static pid_t make_claim(struct claim *c)
{
	struct os_process_id id;
	pid_t pid = fork();

	if (pid == 0) {
		setpgid(0, 0);
		execl("/bin/sleep", "sleep", "60", (char *)NULL);
		_exit(127);
	}
	setpgid(pid, pid);
	claim_clear(c);
	assert_int_equal(spawn_process_id(getpid(), &id), 0);
	memcpy(c->boot_id, id.boot_id, sizeof(c->boot_id));
	c->attempt = 1;
	c->pidns = spawn_pid_namespace();
	c->shim = (struct claim_process){ getpid(), id.start_ticks };
	assert_int_equal(spawn_process_id(pid, &id), 0);
	c->activity = (struct claim_process){ pid, id.start_ticks };
	c->began_ms = now_ns() / MS;
	return pid;
}

static void end_stranger(pid_t pid)
{
	expect_alive(pid);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static int hold_lock(const struct job *j)
{
	int fd = open(in_work(j, "claim"), O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	return fd;
}

/* adopted */

static void adopt_a_live_one(enum earlier earlier)
{
	char pid[32];
	struct job j;

	job_shell(&j, "echo $$ > $READY; read x < go; echo $x >&2; echo done");
	j.spec.timeout_ms = 60000;
	assert_int_equal(mkfifo(in_work(&j, "go"), 0600), 0);
	start_earlier(&j, earlier);
	ready_read(pid, sizeof(pid));
	assert_int_equal(job_adopt(&j, 1), PROCESS_RUNNING);
	assert_int_equal(process_pid(j.p), atoi(pid));
	assert_int_equal(j.p->child, earlier == OURS);
	put_file(in_work(&j, "go"), "now\n", 0600);
	job_wait(&j);
	assert_string_equal(j.r.output, "done");
	assert_int_equal(j.r.pid, atoi(pid));
	expect(&j, WORK_COMPLETED, "", "now");
}

static void test_a_live_one_is_adopted(void **state)
{
	(void)state;
	adopt_a_live_one(OURS);
	adopt_a_live_one(ANOTHERS);
}

static void test_one_that_was_just_started_can_be_left_and_found(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		struct job j;
		job_shell(&j, "read x < go");
		assert_int_equal(mkfifo(in_work(&j, "go"), 0600), 0);
		start_earlier(&j, OURS);
		assert_int_equal(job_adopt(&j, 1), PROCESS_RUNNING);
		put_file(in_work(&j, "go"), "now\n", 0600);
		job_wait(&j);
		expect(&j, WORK_COMPLETED, "", "");
	}
}

static void test_the_failures_of_an_adopted_one_are_told(void **state)
{
	struct job j;

	(void)state;
	job_shell(&j, "echo > $READY; echo it says >&2; sleep 60");
	j.spec.timeout_ms = 400;
	start_earlier(&j, ANOTHERS);
	ready_wait();
	assert_int_equal(job_adopt(&j, 1), PROCESS_RUNNING);
	job_wait(&j);
	expect(&j, WORK_TIMEOUT, "timeout", "took longer than its limit of 400ms and was ended; it said last: it says");
}

static void cancel_adopted(enum earlier earlier)
{
	char pid[32];
	struct job j;

	job_shell(&j, "echo $$ > $READY; sleep 60");
	start_earlier(&j, earlier);
	ready_read(pid, sizeof(pid));
	assert_int_equal(job_adopt(&j, 1), PROCESS_RUNNING);
	process_cancel(j.p);
	job_wait(&j);
	expect_end_of(atol(pid));
	expect(&j, WORK_CANCELED, "canceled", "canceled");
}

static void test_an_adopted_one_can_be_canceled(void **state)
{
	(void)state;
	cancel_adopted(OURS);
	cancel_adopted(ANOTHERS);
}

static void test_an_adopted_one_can_be_left_again(void **state)
{
	struct job j;

	(void)state;
	job_shell(&j, "echo > $READY; sleep 60");
	start_earlier(&j, ANOTHERS);
	ready_wait();
	for (int i = 0; i < 3; i++) {
		assert_int_equal(job_adopt(&j, 1), PROCESS_RUNNING);
		process_leave(j.p);
	}
	assert_int_equal(job_adopt(&j, 1), PROCESS_RUNNING);
	process_cancel(j.p);
	job_wait(&j);
	expect(&j, WORK_CANCELED, "canceled", NULL);
}

static void lose_adopted(enum earlier earlier)
{
	struct claim c;
	char pid[32];
	struct job j;

	job_shell(&j, "echo $$ > $READY; sleep 60");
	start_earlier(&j, earlier);
	ready_read(pid, sizeof(pid));
	assert_int_equal(job_adopt(&j, 1), PROCESS_RUNNING);
	read_claim(&j, &c);
	kill(c.shim.pid, SIGKILL);
	job_wait(&j);
	expect_end_of(atol(pid));
	assert_int_equal(j.r.pid, atoi(pid));
	expect(&j, WORK_STUCK, "gone", NULL);
}

static void test_the_shim_of_an_adopted_one_may_die(void **state)
{
	(void)state;
	lose_adopted(OURS);
	lose_adopted(ANOTHERS);
}

static void test_the_shim_of_an_adopted_one_may_hang(void **state)
{
	struct claim c;
	char pid[32];
	struct job j;

	(void)state;
	job_shell(&j, "echo $$ > $READY; sleep 60");
	j.spec.timeout_ms = 30000;
	j.spec.grace_ms = 1000;
	start_earlier(&j, ANOTHERS);
	ready_read(pid, sizeof(pid));
	assert_int_equal(job_adopt(&j, 1), PROCESS_RUNNING);
	read_claim(&j, &c);
	assert_int_equal(j.p->deadline_ns, (c.began_ms + 42000) * MS);
	kill(c.shim.pid, SIGSTOP);
	job_wait_at(&j, j.p->deadline_ns);
	expect_end_of(c.shim.pid);
	expect_end_of(atol(pid));
	expect(&j, WORK_TIMEOUT, "timeout", NULL);
}

static void test_a_cancel_of_the_runtime_before_has_its_backstop(void **state)
{
	struct job j;
	struct claim c;
	char text[32];

	(void)state;
	job_shell(&j, "trap '' TERM; echo > $READY; read x < go");
	assert_int_equal(mkfifo(in_work(&j, "go"), 0600), 0);
	start_earlier(&j, ANOTHERS);
	ready_wait();
	snprintf(text, sizeof(text), "%lld\n", (long long)(now_ns() / MS - 5000));
	put_file(in_work(&j, "cancel"), text, 0644);
	assert_int_equal(job_adopt(&j, 1), PROCESS_RUNNING);
	assert_in_range(j.p->deadline_ns - now_ns(), 0, 9000 * MS); /* 2 * 2 s and 10 s, 5 s of it are over */
	read_claim(&j, &c);
	kill(c.shim.pid, SIGTERM);
	job_wait(&j);
	expect(&j, WORK_CANCELED, "canceled", NULL);
}

/* ended */

static void collect_an_ended_one(enum earlier earlier)
{
	struct claim c;
	struct job j;

	job_shell(&j, "echo result; echo words >&2");
	start_earlier(&j, earlier);
	read_claim(&j, &c);
	expect_end_of(c.shim.pid);
	assert_int_equal(job_adopt(&j, 1), PROCESS_ENDED);
	assert_string_equal(j.r.output, "result");
	assert_in_range(j.r.elapsed_ms, 0, 20000);
	expect(&j, WORK_COMPLETED, "", "words");
	job_shell(&j, "echo 5m > retry_after; exit 75");
	start_earlier(&j, earlier);
	read_claim(&j, &c);
	expect_end_of(c.shim.pid);
	assert_int_equal(job_adopt(&j, 1), PROCESS_ENDED);
	assert_int_equal(j.r.retry_after_ms, 300000);
	expect(&j, WORK_DEFERRED, "exit:75", NULL);
}

static void test_one_that_has_ended_is_collected(void **state)
{
	(void)state;
	collect_an_ended_one(OURS); /* the shim is a zombie of ours, and reaped */
	collect_an_ended_one(ANOTHERS);
}

static void test_a_zombie_that_nobody_reaps_has_ended(void **state)
{
	int stay[2], status;
	struct claim c;
	char pid[32];
	struct job j;

	(void)state;
	for (int killed = 0; killed < 2; killed++) {
		job_shell(&j, "echo $$ > $READY; read x < go");
		assert_int_equal(mkfifo(in_work(&j, "go"), 0600), 0);
		assert_int_equal(pipe(stay), 0);
		pid_t before = start_in_another(&j, stay[0]);
		ready_read(pid, sizeof(pid));
		read_claim(&j, &c);
		if (killed)
			kill(c.shim.pid, SIGKILL);
		else
			put_file(in_work(&j, "go"), "now\n", 0600);
		expect_end_of(c.shim.pid);
		assert_int_equal(spawn_life(c.shim.pid, c.shim.start_ticks), SPAWN_ZOMBIE);
		assert_int_equal(job_adopt(&j, 1), killed ? PROCESS_GONE : PROCESS_ENDED);
		expect(&j, killed ? WORK_STUCK : WORK_COMPLETED, killed ? "gone" : "", NULL);
		expect_end_of(atol(pid));
		close(stay[0]);
		assert_int_equal(write(stay[1], "x", 1), 1);
		close(stay[1]);
		assert_int_equal(waitpid(before, &status, 0), before);
	}
}

static void test_an_adopted_one_whose_zombie_nobody_reaps_ends(void **state)
{
	int stay[2], status;
	struct job j;

	(void)state;
	job_shell(&j, "echo > $READY; read x < go; echo $x");
	assert_int_equal(mkfifo(in_work(&j, "go"), 0600), 0);
	assert_int_equal(pipe(stay), 0);
	pid_t before = start_in_another(&j, stay[0]);
	ready_wait();
	assert_int_equal(job_adopt(&j, 1), PROCESS_RUNNING);
	put_file(in_work(&j, "go"), "now\n", 0600);
	job_wait(&j);
	assert_string_equal(j.r.output, "now");
	expect(&j, WORK_COMPLETED, "", NULL);
	close(stay[0]);
	assert_int_equal(write(stay[1], "x", 1), 1);
	close(stay[1]);
	assert_int_equal(waitpid(before, &status, 0), before);
}

/* gone */

static void find_a_gone_one(enum earlier earlier)
{
	struct claim c;
	char pid[32];
	struct job j;

	job_shell(&j, "trap '' TERM; echo $$ > $READY; while :; do sleep 0.05; done");
	start_earlier(&j, earlier);
	ready_read(pid, sizeof(pid));
	read_claim(&j, &c);
	kill(c.shim.pid, SIGKILL);
	expect_end_of(c.shim.pid);
	expect_alive(atol(pid));
	assert_int_equal(job_adopt(&j, 1), PROCESS_GONE);
	expect_end_of(atol(pid));
	assert_int_equal(j.r.pid, atoi(pid));
	expect(&j, WORK_STUCK, "gone", NULL);
}

static void test_one_without_its_shim_is_gone_and_ended(void **state)
{
	(void)state;
	find_a_gone_one(OURS);
	find_a_gone_one(ANOTHERS);
}

/* not the one it was */

static void test_nothing_is_found_where_nothing_was_started(void **state)
{
	struct job j;

	(void)state;
	job_run(&j, "true", NULL);
	assert_int_equal(job_adopt(&j, 1), PROCESS_NONE);
	put_file(in_work(&j, "claim"), "", 0644);
	assert_int_equal(job_adopt(&j, 1), PROCESS_NONE);
	put_file(in_work(&j, "claim"), "attempt 1\nboot", 0644);
	assert_int_equal(job_adopt(&j, 1), PROCESS_NONE);
	process_end_leftover(j.work);
	unlink(in_work(&j, "claim"));
	assert_int_equal(mkfifo(in_work(&j, "claim"), 0600), 0);
	assert_int_equal(job_adopt(&j, 1), PROCESS_NONE);
	process_end_leftover(j.work);
	process_end_leftover("/nonexistent/work");
}

static void test_a_claim_that_is_being_written_is_looked_at_again(void **state)
{
	struct job j;

	(void)state;
	job_run(&j, "true", NULL);
	put_file(in_work(&j, "claim"), "", 0644);
	int lock = hold_lock(&j);
	assert_int_equal(job_adopt(&j, 1), PROCESS_OTHER);
	close(lock);
	assert_int_equal(job_adopt(&j, 1), PROCESS_NONE);
}

static void test_nothing_is_adopted_after_a_reboot(void **state)
{
	struct claim c;
	struct job j;
	pid_t stranger = make_claim(&c);

	(void)state;
	job_run(&j, "true", NULL);
	c.boot_id[0] = c.boot_id[0] == '0' ? '1' : '0';
	forge(&j, &c, "");
	assert_int_equal(job_adopt(&j, 1), PROCESS_NONE);
	forge(&j, &c, "outcome exit 0\noutput 0\nend\n");
	assert_int_equal(job_adopt(&j, 1), PROCESS_NONE);
	process_end_leftover(j.work);
	end_stranger(stranger);
}

static void test_a_pid_that_went_to_another_is_not_touched(void **state)
{
	struct claim c;
	struct job j;
	pid_t stranger = make_claim(&c);

	(void)state;
	job_run(&j, "true", NULL);
	c.shim = c.activity; /* it lives, but began at another time */
	c.shim.start_ticks--;
	c.activity.start_ticks--;
	forge(&j, &c, "");
	assert_int_equal(job_adopt(&j, 1), PROCESS_GONE);
	expect(&j, WORK_STUCK, "gone", "its shim is gone without an outcome");
	process_end_leftover(j.work);
	assert_int_equal(job_adopt(&j, 2), PROCESS_NONE);
	end_stranger(stranger);
}

static void test_impossible_pids_are_not_touched(void **state)
{
	static const pid_t pids[] = { 0, 1 };
	struct claim c;
	struct job j;
	pid_t stranger = make_claim(&c);

	(void)state;
	job_run(&j, "true", NULL);
	c.shim.start_ticks--; /* gone */
	for (int i = 0; i < 3; i++) {
		struct os_process_id id = { .start_ticks = 0 };
		c.activity.pid = i < 2 ? pids[i] : getpid();
		if (c.activity.pid)
			assert_int_equal(spawn_process_id(c.activity.pid, &id), 0);
		c.activity.start_ticks = id.start_ticks;
		forge(&j, &c, "");
		assert_int_equal(job_adopt(&j, 1), PROCESS_GONE);
		expect(&j, WORK_STUCK, "gone", NULL);
	}
	end_stranger(stranger);
}

/* another pid namespace: the lock says whether it lives, the numbers mean nothing here */

static void test_one_of_another_namespace_is_watched_by_its_lock(void **state)
{
	struct claim c;
	struct job j;
	pid_t stranger = make_claim(&c);

	(void)state;
	job_run(&j, "true", NULL);
	c.pidns++;
	forge(&j, &c, "");
	int lock = hold_lock(&j);
	assert_int_equal(job_adopt(&j, 1), PROCESS_RUNNING);
	assert_in_range(process_next_deadline(loop) - now_ns(), 0, PROCESS_POLL_MS * MS);
	process_check_deadlines(loop, now_ns() + PROCESS_POLL_MS * MS);
	assert_int_equal(j.calls, 0);
	forge(&j, &c, "outcome exit 0\noutput 4\nend\n");
	put_file(in_work(&j, "result"), "far\n", 0644);
	close(lock);
	process_check_deadlines(loop, now_ns() + 3 * PROCESS_POLL_MS * MS);
	assert_string_equal(j.r.output, "far");
	expect(&j, WORK_COMPLETED, "", "");
	end_stranger(stranger);
}

static void test_one_of_another_namespace_that_is_gone_is_stuck(void **state)
{
	struct claim c;
	struct job j;
	pid_t stranger = make_claim(&c);

	(void)state;
	job_run(&j, "true", NULL);
	c.pidns++;
	forge(&j, &c, "");
	assert_int_equal(job_adopt(&j, 1), PROCESS_GONE);
	expect(&j, WORK_STUCK, "gone", NULL);
	int lock = hold_lock(&j);
	assert_int_equal(job_adopt(&j, 1), PROCESS_RUNNING);
	close(lock);
	process_check_deadlines(loop, now_ns() + 2 * PROCESS_POLL_MS * MS);
	expect(&j, WORK_STUCK, "gone", NULL);
	end_stranger(stranger);
}

static void test_one_of_another_namespace_that_hangs_is_given_up(void **state)
{
	struct claim c;
	struct job j;
	pid_t stranger = make_claim(&c);

	(void)state;
	job_run(&j, "true", NULL);
	c.pidns++;
	forge(&j, &c, "");
	int lock = hold_lock(&j);
	j.spec.timeout_ms = 1000;
	assert_int_equal(job_adopt(&j, 1), PROCESS_RUNNING);
	process_check_deadlines(loop, now_ns() + 16000 * MS);
	assert_int_equal(j.p->state, KILLED); /* which it does not notice */
	process_check_deadlines(loop, now_ns() + 60000 * MS);
	expect(&j, WORK_STUCK, "gone", NULL);
	assert_int_equal(job_adopt(&j, 1), PROCESS_RUNNING); /* it is still there: nothing may be started beside it */
	process_cancel(j.p);
	assert_int_equal(access(in_work(&j, "cancel"), F_OK), 0);
	process_leave(j.p);
	close(lock);
	end_stranger(stranger);
}

/* another attempt */

static void meet_another_attempt(enum earlier earlier)
{
	struct claim c;
	struct job j;

	job_shell(&j, "echo > $READY; sleep 60");
	start_earlier(&j, earlier);
	ready_wait();
	read_claim(&j, &c);
	assert_int_equal(job_adopt(&j, 2), PROCESS_OTHER);
	assert_int_equal(access(in_work(&j, "cancel"), F_OK), 0);
	expect_end_of(c.shim.pid);
	expect_end_of(c.activity.pid);
	assert_int_equal(job_adopt(&j, 2), PROCESS_NONE);
	j.spec.attempt = 2;
	j.argv[2] = "echo second";
	job_end(&j);
	assert_string_equal(j.r.output, "second");
	expect(&j, WORK_COMPLETED, "", "");
}

static void test_a_live_one_of_another_attempt_is_canceled(void **state)
{
	(void)state;
	meet_another_attempt(OURS);
	meet_another_attempt(ANOTHERS);
}

static void test_one_of_another_attempt_that_hears_nothing_is_killed(void **state)
{
	struct claim c;
	char text[32];
	struct job j;

	(void)state;
	job_shell(&j, "trap '' TERM; echo > $READY; while :; do sleep 0.05; done");
	j.spec.grace_ms = 30000;
	start_earlier(&j, ANOTHERS);
	ready_wait();
	read_claim(&j, &c);
	j.spec.grace_ms = 1000;
	assert_int_equal(job_adopt(&j, 2), PROCESS_OTHER);
	assert_int_equal(job_adopt(&j, 2), PROCESS_OTHER);
	expect_alive(c.activity.pid);
	snprintf(text, sizeof(text), "%lld\n", (long long)(now_ns() / MS - 12001)); /* so long ago */
	put_file(in_work(&j, "cancel"), text, 0644);
	assert_int_equal(job_adopt(&j, 2), PROCESS_OTHER);
	expect_end_of(c.shim.pid);
	expect_end_of(c.activity.pid);
	assert_int_equal(job_adopt(&j, 2), PROCESS_NONE);
}

static void test_the_end_of_another_attempt_is_nothing(void **state)
{
	struct claim c;
	char pid[32];
	struct job j;

	(void)state;
	job_run(&j, "true", NULL);
	start_earlier(&j, ANOTHERS);
	read_claim(&j, &c);
	expect_end_of(c.shim.pid);
	assert_int_equal(job_adopt(&j, 2), PROCESS_NONE);

	job_shell(&j, "echo $$ > $READY; sleep 60"); /* without its shim, but still there */
	start_earlier(&j, ANOTHERS);
	ready_read(pid, sizeof(pid));
	read_claim(&j, &c);
	kill(c.shim.pid, SIGKILL);
	expect_end_of(c.shim.pid);
	assert_int_equal(job_adopt(&j, 2), PROCESS_NONE);
	expect_end_of(atol(pid));
}

/* what nobody wants */

static void test_what_nobody_wants_is_ended(void **state)
{
	struct claim c;
	struct job j;

	(void)state;
	for (int killed = 0; killed < 2; killed++) {
		job_shell(&j, "echo > $READY; sleep 60");
		start_earlier(&j, ANOTHERS);
		ready_wait();
		read_claim(&j, &c);
		if (killed) {
			kill(c.shim.pid, SIGKILL);
			expect_end_of(c.shim.pid);
			expect_alive(c.activity.pid);
		}
		process_end_leftover(j.work);
		expect_end_of(c.shim.pid);
		expect_end_of(c.activity.pid);
		assert_int_equal(access(in_work(&j, "cancel"), F_OK) == 0, !killed);
		process_end_leftover(j.work); /* again, with nothing left */
	}
}

static void test_what_a_program_left_on_purpose_is_not_ended(void **state)
{
	struct claim c;
	char pid[32];
	struct job j;

	(void)state;
	job_shell(&j, "sleep 60 >/dev/null 2>&1 & echo $! > $READY");
	start_earlier(&j, ANOTHERS);
	ready_read(pid, sizeof(pid));
	read_claim(&j, &c);
	expect_end_of(c.shim.pid);
	process_end_leftover(j.work);
	expect_alive(atol(pid));
	kill((pid_t)atol(pid), SIGKILL);
	expect_end_of(atol(pid));
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, process_setup, process_teardown)

static int run_all(const char *name)
{
	const struct CMUnitTest tests[] = {
		T(a_live_one_is_adopted),
		T(one_that_was_just_started_can_be_left_and_found),
		T(the_failures_of_an_adopted_one_are_told),
		T(an_adopted_one_can_be_canceled),
		T(an_adopted_one_can_be_left_again),
		T(the_shim_of_an_adopted_one_may_die),
		T(the_shim_of_an_adopted_one_may_hang),
		T(a_cancel_of_the_runtime_before_has_its_backstop),
		T(one_that_has_ended_is_collected),
		T(a_zombie_that_nobody_reaps_has_ended),
		T(an_adopted_one_whose_zombie_nobody_reaps_ends),
		T(one_without_its_shim_is_gone_and_ended),
		T(nothing_is_found_where_nothing_was_started),
		T(a_claim_that_is_being_written_is_looked_at_again),
		T(nothing_is_adopted_after_a_reboot),
		T(a_pid_that_went_to_another_is_not_touched),
		T(impossible_pids_are_not_touched),
		T(one_of_another_namespace_is_watched_by_its_lock),
		T(one_of_another_namespace_that_is_gone_is_stuck),
		T(one_of_another_namespace_that_hangs_is_given_up),
		T(a_live_one_of_another_attempt_is_canceled),
		T(one_of_another_attempt_that_hears_nothing_is_killed),
		T(the_end_of_another_attempt_is_nothing),
		T(what_nobody_wants_is_ended),
		T(what_a_program_left_on_purpose_is_not_ended),
	};

	return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
	return process_run_tests(run_all, "process_adopt");
}
