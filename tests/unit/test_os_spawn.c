/*
 * test_os_spawn.c - who a process is, whether it lives, signals for it and its group, locks. (Starting and the end of a
 * child: test_process_run.c.)
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* prctl names */
#endif

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
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "os/spawn.h"

/* A child that has said that it is ready: in a group of its own, under a name that is hard to read. */
static pid_t make_child(struct os_process_id *id)
{
	int fds[2];
	char byte;

	assert_int_equal(pipe(fds), 0);
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_NAME, "a) Z 1 (b) 2 3");
		setpgid(0, 0);
		if (write(fds[1], "x", 1) == 1)
			for (;;)
				pause();
		_exit(1);
	}
	assert_int_equal(read(fds[0], &byte, 1), 1);
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(spawn_process_id(pid, id), 0);
	assert_int_equal(id->pid, pid);
	return pid;
}

static void wait_for_end(pid_t pid)
{
	siginfo_t info;

	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
}

static void test_a_process_is_known_by_its_start_time(void **state)
{
	const struct os *os = os_linux();
	struct os_process_id mine, seen, child;

	(void)state;
	assert_int_equal(os->self_id(os->self, &mine), 0);
	assert_int_equal(spawn_process_id(getpid(), &seen), 0);
	assert_memory_equal(mine.boot_id, seen.boot_id, sizeof(mine.boot_id));
	assert_int_equal(mine.start_ticks, seen.start_ticks);
	pid_t pid = make_child(&child);
	assert_true(child.start_ticks >= mine.start_ticks);
	assert_int_equal(spawn_life(pid, child.start_ticks), SPAWN_LIVES);
	assert_int_equal(spawn_life(pid, child.start_ticks + 1), SPAWN_GONE);
	assert_true(spawn_is_child(pid));
	kill(pid, SIGKILL);
	wait_for_end(pid);
	assert_int_equal(spawn_life(pid, child.start_ticks), SPAWN_ZOMBIE);
	assert_int_equal(spawn_life(pid, child.start_ticks + 1), SPAWN_GONE);
	assert_true(spawn_is_child(pid));
	spawn_reap(pid);
	assert_int_equal(spawn_life(pid, child.start_ticks), SPAWN_GONE);
	assert_int_equal(spawn_process_id(pid, &seen), -ESRCH);
	assert_false(spawn_is_child(pid));
}

static void *go_on(void *arg)
{
	while (pause() < 0)
		;
	return arg;
}

static void wait_for_letter(pid_t pid, char letter)
{
	char path[64], text[512] = "", *end = NULL;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	for (int i = 0; i < 10000 && !(end && end[2] == letter); i++) {
		nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
		text[n < 0 ? 0 : n] = '\0';
		end = strrchr(text, ')');
		close(fd);
	}
	assert_non_null(end);
	assert_int_equal(end[2], letter);
}

/* A program may end its main thread and work on in others: then it is no zombie, whatever /proc calls it. */
static void test_a_process_without_its_first_thread_lives(void **state)
{
	const struct os *os = os_linux();
	struct os_process_id id;
	pthread_t thread;

	(void)state;
	pid_t pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		if (pthread_create(&thread, NULL, go_on, NULL) == 0)
			pthread_exit(NULL);
		_exit(1);
	}
	wait_for_letter(pid, 'Z');
	assert_int_equal(spawn_process_id(pid, &id), 0);
	assert_int_equal(spawn_life(pid, id.start_ticks), SPAWN_LIVES);
	assert_true(spawn_group_lives(pid));
	assert_true(os->is_alive(os->self, &id));
	kill(pid, SIGKILL);
	wait_for_end(pid);
	assert_int_equal(spawn_life(pid, id.start_ticks), SPAWN_ZOMBIE);
	assert_false(os->is_alive(os->self, &id));
	spawn_reap(pid);
}

static void test_numbers_that_are_no_process(void **state)
{
	struct os_process_id id;

	(void)state;
	assert_int_equal(spawn_process_id(0, &id), -ESRCH);
	assert_int_equal(spawn_process_id(-1, &id), -ESRCH);
	assert_int_equal(spawn_life(0, 0), SPAWN_GONE);
	assert_int_equal(spawn_life(INT32_MAX, 1), SPAWN_GONE);
	assert_false(spawn_is_child(getpid()));
}

static void test_a_pidfd_sends_signals_and_tells_the_end(void **state)
{
	struct os_process_id id;

	(void)state;
	if (!spawn_has_pidfd())
		skip();
	pid_t pid = make_child(&id);
	int fd = spawn_pidfd(pid);
	assert_true(fd >= 0);
	assert_false(spawn_pidfd_has_ended(fd));
	assert_int_equal(spawn_pidfd_kill(fd, 0), 0);
	assert_int_equal(spawn_pidfd_kill(fd, SIGTERM), 0);
	wait_for_end(pid);
	assert_true(spawn_pidfd_has_ended(fd));
	spawn_reap(pid);
	assert_true(spawn_pidfd_has_ended(fd));
	assert_int_equal(spawn_pidfd_kill(fd, SIGTERM), -ESRCH);
	close(fd);
}

static void test_a_group_is_signalled_only_by_its_leader(void **state)
{
	struct os_process_id id, other;
	pid_t pid = make_child(&id), second = make_child(&other);

	(void)state;
	assert_int_equal(setpgid(second, pid), 0); /* no leader any more */
	assert_int_equal(spawn_kill_group(pid, id.start_ticks + 1, false, SIGKILL), -ESRCH);
	assert_int_equal(spawn_kill_group(pid, id.start_ticks + 1, true, SIGKILL), -ESRCH);
	assert_int_equal(spawn_kill_group(second, other.start_ticks, false, SIGKILL), -ESRCH);
	assert_int_equal(spawn_kill_group(pid, id.start_ticks, false, 0), 0);
	assert_true(spawn_group_lives(pid));
	kill(pid, SIGKILL);
	wait_for_end(pid);
	assert_int_equal(spawn_kill_group(pid, id.start_ticks, false, 0), 0); /* a zombie leads still */
	spawn_reap(pid);
	assert_true(spawn_group_lives(pid));
	assert_int_equal(spawn_kill_group(pid, id.start_ticks, false, SIGKILL), -ESRCH);
	assert_int_equal(spawn_life(second, other.start_ticks), SPAWN_LIVES);
	assert_int_equal(spawn_kill_group(pid, id.start_ticks, true, SIGKILL), 0); /* what is left of it */
	wait_for_end(second);
	assert_false(spawn_group_lives(pid)); /* zombies only */
	spawn_reap(second);
	assert_false(spawn_group_lives(pid));
	assert_int_equal(spawn_kill_group(pid, id.start_ticks, true, SIGKILL), -ESRCH);
}

static void test_impossible_groups_get_no_signal(void **state)
{
	struct os_process_id me;

	(void)state;
	assert_int_equal(spawn_process_id(getpid(), &me), 0);
	for (int led = 0; led < 2; led++) {
		assert_int_equal(spawn_kill_group(0, 0, led, SIGKILL), -ESRCH);
		assert_int_equal(spawn_kill_group(1, 0, led, SIGKILL), -ESRCH);
		assert_int_equal(spawn_kill_group(-5, 0, led, SIGKILL), -ESRCH);
		assert_int_equal(spawn_kill_group(getpgrp(), me.start_ticks, led, SIGKILL), -ESRCH);
	}
}

static void test_a_lock_is_seen_and_not_taken(void **state)
{
	char path[] = "/tmp/pawl-lock-XXXXXX", link[64];
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(spawn_is_locked(path), 0);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	assert_int_equal(spawn_is_locked(path), 1);
	assert_int_equal(flock(fd, LOCK_UN), 0);
	assert_int_equal(spawn_is_locked(path), 0);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	snprintf(link, sizeof(link), "%s.link", path);
	assert_int_equal(symlink(path, link), 0);
	assert_int_equal(spawn_is_locked(link), -ELOOP);
	unlink(link);
	unlink(path);
	close(fd);
	assert_int_equal(spawn_is_locked(path), -ENOENT);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(spawn_is_locked(path), 0); /* and nothing waits for a writer */
	unlink(path);
}

static void test_our_pid_namespace_has_a_number(void **state)
{
	struct stat st;

	(void)state;
	if (stat("/proc/self/ns/pid", &st) < 0)
		skip();
	assert_true(spawn_pid_namespace() == (uint64_t)st.st_ino);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_process_is_known_by_its_start_time),
		cmocka_unit_test(test_a_process_without_its_first_thread_lives),
		cmocka_unit_test(test_numbers_that_are_no_process),
		cmocka_unit_test(test_a_pidfd_sends_signals_and_tells_the_end),
		cmocka_unit_test(test_a_group_is_signalled_only_by_its_leader),
		cmocka_unit_test(test_impossible_groups_get_no_signal),
		cmocka_unit_test(test_a_lock_is_seen_and_not_taken),
		cmocka_unit_test(test_our_pid_namespace_has_a_number),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
