/* test_os_loop.c - descriptors, the timer, wakes, signals, the wall clock, alarms. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* syscall, CLOCK_BOOTTIME */
#endif

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "os/loop.h"

#define MS 1000000LL

static struct loop *loop;

/*
 * Nobody may set the clock of the machine for a test, so the timer that watches it is an eventfd here, which says what
 * the kernel would say.
 */
static int fake_clock = -1, clock_armed;
static bool clock_jumped;

int timerfd_create(int clock, int flags)
{
	if (clock != CLOCK_REALTIME)
		return (int)syscall(SYS_timerfd_create, clock, flags);
	fake_clock = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return fake_clock;
}

int timerfd_settime(int fd, int flags, const struct itimerspec *new, struct itimerspec *old)
{
	struct itimerspec_raw {
		int64_t of[4];
	} raw = {{new->it_interval.tv_sec, new->it_interval.tv_nsec, new->it_value.tv_sec, new->it_value.tv_nsec}};

	(void)old;
	if (fd == fake_clock) {
		assert_int_equal(flags, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET);
		assert_true(new->it_value.tv_sec > time(NULL) + 86400);
		clock_armed++;
		return 0;
	}
#ifdef SYS_timerfd_settime64
	return (int)syscall(SYS_timerfd_settime64, fd, flags, &raw, NULL);
#else
	return (int)syscall(SYS_timerfd_settime, fd, flags, &raw, NULL);
#endif
}

ssize_t read(int fd, void *data, size_t len)
{
	ssize_t n = syscall(SYS_read, fd, data, len);

	if (fd == fake_clock && fd >= 0 && n > 0 && clock_jumped) {
		errno = ECANCELED;
		return -1;
	}
	return n;
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void nap(int ms)
{
	struct timespec t = {0, ms * MS};

	nanosleep(&t, NULL);
}

static int setup(void **state)
{
	(void)state;
	alarm(60);
	return loop_new(&loop, NULL);
}

static int teardown(void **state)
{
	(void)state;
	loop_free(loop);
	loop = NULL;
	fake_clock = -1;
	clock_jumped = false;
	return 0;
}

static void wait_now(bool block)
{
	struct pawl_error err;

	assert_int_equal(loop_wait(loop, block, &err), 0);
}

/* A pipe whose callback does one thing. */
struct end {
	int fds[2];
	int calls;
	unsigned events;
	struct end *remove, *add;
	bool read;
};

static void on_end(void *arg, unsigned events)
{
	struct end *e = arg;
	char c;

	e->calls++;
	e->events = events;
	if (e->read)
		assert_int_equal(read(e->fds[0], &c, 1), 1);
	if (e->remove)
		loop_remove(loop, e->remove->fds[0]);
	if (e->add)
		assert_int_equal(loop_add(loop, e->add->fds[0], LOOP_READ, on_end, e->add, NULL), 0);
}

static void open_end(struct end *e)
{
	memset(e, 0, sizeof(*e));
	assert_int_equal(pipe(e->fds), 0);
}

static void watch_end(struct end *e)
{
	assert_int_equal(loop_add(loop, e->fds[0], LOOP_READ, on_end, e, NULL), 0);
}

static void poke(struct end *e)
{
	assert_int_equal(write(e->fds[1], "x", 1), 1);
}

static void close_end(struct end *e)
{
	loop_remove(loop, e->fds[0]);
	close(e->fds[0]);
	close(e->fds[1]);
}

static void test_a_readable_descriptor_is_told_until_it_is_read(void **state)
{
	struct end e;

	(void)state;
	open_end(&e);
	watch_end(&e);
	wait_now(false);
	assert_int_equal(e.calls, 0);
	poke(&e);
	wait_now(true);
	wait_now(true);
	assert_int_equal(e.calls, 2);
	assert_int_equal(e.events, LOOP_READ);
	e.read = true;
	wait_now(true);
	wait_now(false);
	assert_int_equal(e.calls, 3);
	close_end(&e);
}

static void test_a_writable_descriptor_is_told(void **state)
{
	struct end e;

	(void)state;
	open_end(&e);
	assert_int_equal(loop_add(loop, e.fds[1], LOOP_WRITE, on_end, &e, NULL), 0);
	wait_now(true);
	assert_int_equal(e.calls, 1);
	assert_int_equal(e.events, LOOP_WRITE);
	loop_remove(loop, e.fds[1]);
	close_end(&e);
}

static void test_hang_ups_and_errors_are_told_as_the_interest_given(void **state)
{
	struct end r, w;

	(void)state;
	open_end(&r);
	watch_end(&r);
	close(r.fds[1]);
	open_end(&w);
	assert_int_equal(loop_add(loop, w.fds[1], LOOP_WRITE, on_end, &w, NULL), 0);
	close(w.fds[0]);
	wait_now(true);
	assert_int_equal(r.events, LOOP_READ);
	assert_int_equal(w.events, LOOP_WRITE);
	loop_remove(loop, r.fds[0]);
	loop_remove(loop, w.fds[1]);
	close(r.fds[0]);
	close(w.fds[1]);
}

static void test_one_callback_may_remove_all_others_of_the_batch(void **state)
{
	struct end a, b;

	(void)state;
	open_end(&a);
	open_end(&b);
	watch_end(&a);
	watch_end(&b);
	a.remove = &b;
	b.remove = &a;
	poke(&a);
	poke(&b);
	wait_now(true);
	assert_int_equal(a.calls + b.calls, 1);
	wait_now(false);
	assert_int_equal(a.calls + b.calls, 2);
	close_end(&a);
	close_end(&b);
}

static void test_a_callback_may_remove_its_own(void **state)
{
	struct end e;

	(void)state;
	open_end(&e);
	watch_end(&e);
	e.remove = &e;
	poke(&e);
	wait_now(true);
	wait_now(false);
	assert_int_equal(e.calls, 1);
	close_end(&e);
}

static struct end first, second, replacement;

/* Whichever comes first puts another pipe at the other's descriptor. */
static void replace_other(void *arg, unsigned events)
{
	struct end *e = arg, *other = e == &first ? &second : &first;

	(void)events;
	e->calls++;
	loop_remove(loop, other->fds[0]);
	assert_int_equal(dup2(replacement.fds[0], other->fds[0]), other->fds[0]);
	assert_int_equal(loop_add(loop, other->fds[0], LOOP_READ, on_end, &replacement, NULL), 0);
}

static void test_a_reused_number_gets_no_event_of_the_old_descriptor(void **state)
{
	(void)state;
	open_end(&first);
	open_end(&second);
	open_end(&replacement);
	assert_int_equal(loop_add(loop, first.fds[0], LOOP_READ, replace_other, &first, NULL), 0);
	assert_int_equal(loop_add(loop, second.fds[0], LOOP_READ, replace_other, &second, NULL), 0);
	poke(&first);
	poke(&second);
	wait_now(true);
	assert_int_equal(first.calls + second.calls, 1);
	assert_int_equal(replacement.calls, 0);
	close_end(&first);
	close_end(&second);
	close_end(&replacement);
}

static struct end high;

static void grow_table(void *arg, unsigned events)
{
	struct end *e = arg;

	(void)events;
	e->calls++;
	high.fds[0] = fcntl(e->fds[0], F_DUPFD, 700);
	assert_true(high.fds[0] >= 700);
	assert_int_equal(loop_add(loop, high.fds[0], LOOP_READ, on_end, &high, NULL), 0);
	loop_remove(loop, e->fds[0]);
	assert_int_equal(e->calls, 1);
}

static void test_the_table_may_grow_inside_a_callback(void **state)
{
	struct end e;

	(void)state;
	memset(&high, 0, sizeof(high));
	open_end(&e);
	assert_int_equal(loop_add(loop, e.fds[0], LOOP_READ, grow_table, &e, NULL), 0);
	poke(&e);
	wait_now(true);
	wait_now(true);
	assert_int_equal(high.calls, 1);
	loop_remove(loop, high.fds[0]);
	close(high.fds[0]);
	close_end(&e);
}

static void test_all_of_many_descriptors_are_told(void **state)
{
	static struct end many[300];
	int calls = 0;

	(void)state;
	for (int i = 0; i < 300; i++) {
		open_end(&many[i]);
		many[i].read = true;
		watch_end(&many[i]);
		poke(&many[i]);
	}
	for (int i = 0; i < 5; i++)
		wait_now(true);
	wait_now(false);
	for (int i = 0; i < 300; i++) {
		calls += many[i].calls;
		close_end(&many[i]);
	}
	assert_int_equal(calls, 300);
}

static void test_what_cannot_be_waited_for_is_an_error(void **state)
{
	struct pawl_error err;
	int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(loop_add(loop, -1, LOOP_READ, on_end, NULL, &err), PAWL_EINVALID);
	assert_true(loop_add(loop, 900, LOOP_READ, on_end, NULL, &err) < 0);
	assert_int_equal(loop_add(loop, file, LOOP_READ, on_end, NULL, &err), PAWL_EPERM);
	loop_remove(loop, -1);
	loop_remove(loop, 5000);
	close(file);
}

static void test_the_timer_ends_a_wait_at_its_time(void **state)
{
	int64_t at = now_ns() + 30 * MS;

	(void)state;
	loop_set_timer(loop, at);
	wait_now(true);
	assert_true(now_ns() >= at);
	assert_true(now_ns() < at + 5000 * MS);
}

static void test_a_timer_in_the_past_ends_the_wait_at_once(void **state)
{
	static const int64_t times[] = {0, 1, 1000};

	(void)state;
	for (int i = 0; i < 3; i++) {
		loop_set_timer(loop, times[i]);
		wait_now(true);
		loop_set_timer(loop, times[i]); /* once more, though it is the same time */
		wait_now(true);
	}
}

static void ring_other(void *arg, unsigned events)
{
	uint64_t times;

	(void)events;
	assert_true(read(*(int *)arg, &times, sizeof(times)) > 0);
}

/* A wait that is ended by something else, 30 ms later. */
static void wait_30_ms(void)
{
	int fd = alarm_new();

	assert_int_equal(loop_add(loop, fd, LOOP_READ, ring_other, &fd, NULL), 0);
	alarm_set(fd, 30 * MS);
	wait_now(true);
	loop_remove(loop, fd);
	close(fd);
}

static void test_a_timer_is_one_shot_and_can_be_moved_and_taken_away(void **state)
{
	int64_t start = now_ns();

	(void)state;
	loop_set_timer(loop, start + 5 * MS);
	loop_set_timer(loop, start + 3600000 * MS);
	wait_30_ms();
	assert_true(now_ns() >= start + 30 * MS);

	start = now_ns();
	loop_set_timer(loop, start + 5 * MS);
	wait_now(false);
	loop_set_timer(loop, -1);
	wait_30_ms();
	assert_true(now_ns() >= start + 30 * MS);

	loop_set_timer(loop, 1);
	wait_now(true);
	start = now_ns();
	wait_30_ms();
	assert_true(now_ns() >= start + 30 * MS);
}

static void *wake_later(void *arg)
{
	(void)arg;
	nap(20);
	loop_wake(loop);
	return NULL;
}

static void test_a_wake_from_another_thread_ends_the_wait(void **state)
{
	pthread_t thread;

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(pthread_create(&thread, NULL, wake_later, NULL), 0);
		wait_now(true);
		pthread_join(thread, NULL);
	}
}

static void test_many_wakes_count_as_one_and_none_is_lost(void **state)
{
	int64_t start;

	(void)state;
	for (int i = 0; i < 100; i++)
		loop_wake(loop);
	wait_now(true);
	start = now_ns();
	wait_30_ms();
	assert_true(now_ns() >= start + 30 * MS);
	loop_wake(loop);
	wait_now(true);
}

static int wakes_wanted;

static void *wake_often(void *arg)
{
	for (int i = 0; i < wakes_wanted; i++) {
		__atomic_add_fetch((int *)arg, 1, __ATOMIC_SEQ_CST);
		loop_wake(loop);
	}
	return NULL;
}

static void test_what_was_done_before_a_wake_is_seen_after_the_wait(void **state)
{
	pthread_t threads[2];
	int done = 0, seen = 0;

	(void)state;
	wakes_wanted = 20000;
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, wake_often, &done), 0);
	while (seen < 2 * wakes_wanted) {
		wait_now(true); /* a lost wake would hang here */
		seen = __atomic_load_n(&done, __ATOMIC_SEQ_CST);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
}

static int got[8], got_len;

static void on_signal(void *arg, int signal)
{
	assert_ptr_equal(arg, &got);
	got[got_len++] = signal;
}

static void on_other_signal(void *arg, int signal)
{
	(void)arg;
	got[got_len++] = -signal;
}

static void test_signals_come_through_the_loop(void **state)
{
	static const int list[] = {SIGUSR1, SIGTERM, 0}, more[] = {SIGUSR2, 0}, bad[] = {4000, 0};
	sigset_t blocked;

	(void)state;
	got_len = 0;
	assert_int_equal(loop_on_signals(loop, list, on_signal, &got, NULL), 0);
	assert_int_equal(loop_on_signals(loop, more, on_other_signal, NULL, NULL), 0);
	assert_int_equal(loop_on_signals(loop, bad, on_signal, NULL, NULL), PAWL_EINVALID);
	raise(SIGUSR1);
	raise(SIGTERM);
	kill(getpid(), SIGUSR2);
	wait_now(true);
	wait_now(false);
	assert_int_equal(got_len, 3);
	assert_int_equal(got[0] + got[1] + got[2], SIGUSR1 + SIGTERM - SIGUSR2);
	raise(SIGPIPE); /* is ignored */
	wait_now(false);
	assert_int_equal(got_len, 3);
	sigemptyset(&blocked);
	for (int i = 0; i < 2; i++)
		sigaddset(&blocked, list[i]);
	sigaddset(&blocked, SIGUSR2);
	sigprocmask(SIG_UNBLOCK, &blocked, NULL);
}

static void wake_on_signal(int signal)
{
	(void)signal;
	loop_wake(loop);
}

static void *signal_later(void *arg)
{
	nap(20);
	pthread_kill(*(pthread_t *)arg, SIGHUP);
	return NULL;
}

static void test_a_signal_handler_may_wake_the_loop(void **state)
{
	struct sigaction a = {.sa_handler = wake_on_signal}, before;
	pthread_t thread, self = pthread_self();

	(void)state;
	sigaction(SIGHUP, &a, &before);
	assert_int_equal(pthread_create(&thread, NULL, signal_later, &self), 0);
	wait_now(true);
	pthread_join(thread, NULL);
	sigaction(SIGHUP, &before, NULL);
}

static void on_clock_set(void *arg)
{
	++*(int *)arg;
}

static void let_clock_expire(void)
{
	static const uint64_t one = 1;

	assert_int_equal(write(fake_clock, &one, sizeof(one)), sizeof(one));
	wait_now(true);
}

static void test_a_set_clock_is_told_and_watched_again(void **state)
{
	int calls = 0;

	(void)state;
	clock_armed = 0;
	assert_int_equal(loop_on_clock_set(loop, on_clock_set, &calls, NULL), 0);
	assert_int_equal(clock_armed, 1);
	clock_jumped = true;
	let_clock_expire();
	let_clock_expire();
	assert_int_equal(calls, 2);
	assert_int_equal(clock_armed, 3);
	clock_jumped = false; /* the far time has come: nothing to tell */
	let_clock_expire();
	assert_int_equal(calls, 2);
	assert_int_equal(clock_armed, 4);
}

static void test_an_alarm_goes_off_after_its_time(void **state)
{
	int fd = alarm_new();
	int64_t start = now_ns();

	(void)state;
	assert_true(fd >= 0);
	alarm_set(fd, 30 * MS);
	assert_true(alarm_wait(fd));
	assert_true(now_ns() >= start + 30 * MS);
	alarm_set(fd, -5);
	assert_true(alarm_wait(fd));
	alarm_set(fd, 1);
	nap(2);
	alarm_set(fd, 0); /* off again, though it had gone off */
	start = now_ns();
	alarm_set(fd, 20 * MS);
	assert_true(alarm_wait(fd));
	assert_true(now_ns() >= start + 20 * MS);
	close(fd);
	assert_false(alarm_wait(fd));
}

static void *ring_later(void *arg)
{
	nap(20);
	alarm_ring(*(int *)arg);
	return NULL;
}

static void test_an_alarm_can_be_rung_by_another_thread(void **state)
{
	int fd = alarm_new();
	pthread_t thread;

	(void)state;
	alarm_set(fd, 0);
	assert_int_equal(pthread_create(&thread, NULL, ring_later, &fd), 0);
	assert_true(alarm_wait(fd));
	pthread_join(thread, NULL);
	close(fd);
}

static void test_the_user_slot_keeps_its_value(void **state)
{
	int mine;

	(void)state;
	assert_null(loop_get_user(loop));
	loop_set_user(loop, &mine);
	assert_ptr_equal(loop_get_user(loop), &mine);
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_readable_descriptor_is_told_until_it_is_read),
		T(a_writable_descriptor_is_told),
		T(hang_ups_and_errors_are_told_as_the_interest_given),
		T(one_callback_may_remove_all_others_of_the_batch),
		T(a_callback_may_remove_its_own),
		T(a_reused_number_gets_no_event_of_the_old_descriptor),
		T(the_table_may_grow_inside_a_callback),
		T(all_of_many_descriptors_are_told),
		T(what_cannot_be_waited_for_is_an_error),
		T(the_timer_ends_a_wait_at_its_time),
		T(a_timer_in_the_past_ends_the_wait_at_once),
		T(a_timer_is_one_shot_and_can_be_moved_and_taken_away),
		T(a_wake_from_another_thread_ends_the_wait),
		T(many_wakes_count_as_one_and_none_is_lost),
		T(what_was_done_before_a_wake_is_seen_after_the_wait),
		T(signals_come_through_the_loop),
		T(a_signal_handler_may_wake_the_loop),
		T(a_set_clock_is_told_and_watched_again),
		T(an_alarm_goes_off_after_its_time),
		T(an_alarm_can_be_rung_by_another_thread),
		T(the_user_slot_keeps_its_value),
	};

	return cmocka_run_group_tests_name("os_loop", tests, NULL, NULL);
}
