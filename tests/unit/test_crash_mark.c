/* test_crash_mark.c - children that die in every way, and what their file says afterwards. */
#include "runtime/crash_mark.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SLOTS 4
#define HEAD_BYTES 512

static char dir[64], path[128];

static void rest_us(long us)
{
	nanosleep(&(struct timespec){ 0, us * 1000 }, NULL);
}

/* ---- what is in the file ---- */

static struct crash_mark seen[16];
static unsigned seen_count;

static void each(void *arg, const struct crash_mark *mark)
{
	assert_ptr_equal(arg, &seen_count);
	assert_in_range(seen_count, 0, 15);
	seen[seen_count++] = *mark;
}

static int open_marks(struct crash_marks **m, unsigned slots, bool with_handlers)
{
	struct pawl_error err = { 0 };

	seen_count = 0;
	int ret = crash_marks_open(m, path, slots, with_handlers, each, &seen_count, &err);
	if (ret < 0)
		print_message("%s\n", err.text);
	return ret;
}

/* As the next run does it; how many there are. */
static unsigned look(void)
{
	struct crash_marks *m;

	assert_int_equal(open_marks(&m, SLOTS, false), 0);
	crash_marks_close(m);
	return seen_count;
}

static void expect_none(void)
{
	assert_int_equal(look(), 0);
}

static void expect_mark(const char *instance, int signal)
{
	assert_int_equal(look(), 1);
	assert_string_equal(seen[0].instance, instance);
	assert_string_equal(seen[0].activity, "flash/slot-b");
	assert_int_equal(seen[0].execution, 3);
	assert_int_equal(seen[0].seq, UINT64_C(1) << 40);
	assert_int_equal(seen[0].attempt, 7);
	assert_int_equal(seen[0].signal, signal);
	expect_none(); /* it is told once */
}

static void enter(struct crash_marks *m, const char *instance)
{
	crash_mark_enter(m, instance, "flash/slot-b", 3, UINT64_C(1) << 40, 7);
}

/* ---- children ---- */

static const int crash_signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS };
#define CRASH_SIGNALS (sizeof(crash_signals) / sizeof(crash_signals[0]))

/* cmocka's handlers would go on with the tests in the child. A sanitizer's, which were there before, are fine. */
static struct sigaction natural[CRASH_SIGNALS];

static void keep_handlers(void)
{
	for (size_t i = 0; i < CRASH_SIGNALS; i++)
		sigaction(crash_signals[i], NULL, &natural[i]);
}

static void back_to_handlers(void)
{
	for (size_t i = 0; i < CRASH_SIGNALS; i++)
		sigaction(crash_signals[i], &natural[i], NULL);
}

static struct crash_marks *marks; /* the child's */

/* Its wait status. It has the marks open, with handlers. */
static int in_child(void (*body)(void))
{
	int status;

	fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY); /* reports of sanitizers are not for this log */
		dup2(null, 2);
		back_to_handlers();
		if (crash_marks_open(&marks, path, SLOTS, true, NULL, NULL, NULL) < 0)
			_exit(99);
		body();
		_exit(0);
	}
	while (waitpid(pid, &status, 0) < 0)
		assert_int_equal(errno, EINTR);
	return status;
}

/* By the signal; a sanitizer that reports it ends with a code. */
static void expect_death(int status, int signal)
{
	if (WIFSIGNALED(status))
		assert_int_equal(WTERMSIG(status), signal);
	else
		assert_true(WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != 99);
}

static int raised;

static void raise_it(void)
{
	enter(marks, "raiser");
	raise(raised);
}

static void test_a_raised_signal_is_marked_and_kills(void **state)
{
	(void)state;
	for (size_t i = 0; i < CRASH_SIGNALS; i++) {
		raised = crash_signals[i];
		expect_death(in_child(raise_it), raised);
		expect_mark("raiser", raised);
	}
}

static volatile uintptr_t nowhere = 64;

/* What tells of undefined behaviour would end the child before the processor can. */
static void touch_nothing(void)
{
	*(volatile int *)nowhere = 1;
}

static void null_dereference(void)
{
	enter(marks, "null");
	touch_nothing();
}

static void test_a_null_dereference_is_marked(void **state)
{
	(void)state;
	expect_death(in_child(null_dereference), SIGSEGV);
	expect_mark("null", SIGSEGV);
}

static void beyond_the_end(void)
{
	char name[160];

	enter(marks, "beyond");
	snprintf(name, sizeof(name), "%s/empty", dir);
	int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	volatile char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	page[0] = 1;
}

static void test_a_bus_error_is_marked(void **state)
{
	(void)state;
	expect_death(in_child(beyond_the_end), SIGBUS);
	expect_mark("beyond", SIGBUS);
}

static void call_abort(void)
{
	enter(marks, "abort");
	abort();
}

static void test_abort_is_marked(void **state)
{
	(void)state;
	expect_death(in_child(call_abort), SIGABRT);
	expect_mark("abort", SIGABRT);
}

static void call_exit(void)
{
	enter(marks, "exit");
	exit(5);
}

static void test_exit_in_an_activity_is_marked_with_signal_0(void **state)
{
	(void)state;
	int status = in_child(call_exit);
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) != 99);
	expect_mark("exit", 0);
}

static void *exit_in_thread(void *arg)
{
	enter(marks, "thread");
	exit(5);
	return arg;
}

static void exit_beside(void)
{
	pthread_t thread;

	enter(marks, "innocent");
	pthread_create(&thread, NULL, exit_in_thread, NULL);
	for (;;)
		pause();
}

static void test_exit_on_a_thread_marks_that_thread(void **state)
{
	(void)state;
	assert_true(WIFEXITED(in_child(exit_beside)));
	expect_mark("thread", 0);
}

static void exit_outside(void)
{
	enter(marks, "done");
	crash_mark_leave(marks);
	exit(0);
}

static void test_exit_outside_of_an_activity_marks_nothing(void **state)
{
	(void)state;
	assert_true(WIFEXITED(in_child(exit_outside)));
	expect_none();
}

static void crash_outside(void)
{
	enter(marks, "done");
	crash_mark_leave(marks);
	touch_nothing();
}

static void test_a_crash_outside_of_an_activity_marks_nothing(void **state)
{
	(void)state;
	expect_death(in_child(crash_outside), SIGSEGV);
	expect_none();
}

static void killed(void)
{
	enter(marks, "innocent");
	raise(SIGKILL);
}

static void test_kill_9_marks_nothing(void **state)
{
	(void)state;
	expect_death(in_child(killed), SIGKILL);
	expect_none();
}

/* A supervisor's watchdog. */
static void killed_from_outside(void)
{
	pid_t victim = getpid(), pid;

	enter(marks, "innocent");
	if ((pid = fork()) == 0) {
		kill(victim, SIGABRT);
		_exit(0);
	}
	for (;;)
		pause();
}

static void test_a_signal_that_another_process_sent_kills_and_marks_nothing(void **state)
{
	(void)state;
	expect_death(in_child(killed_from_outside), SIGABRT);
	expect_none();
}

static void fork_dies(void)
{
	enter(marks, "innocent");
	for (unsigned n = 0; n < 2; n++) {
		pid_t pid = fork();
		if (pid == 0 && n == 0)
			abort();
		if (pid == 0)
			exit(1);
		waitpid(pid, NULL, 0);
	}
	crash_mark_leave(marks);
}

static void test_a_fork_of_an_activity_marks_nothing(void **state)
{
	(void)state;
	int status = in_child(fork_dies);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	expect_none();
}

/* ---- threads ---- */

static void on_thread(void *(*body)(void *))
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all;

	/* as the crew makes its threads */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256 * 1024);
	if (pthread_create(&thread, &attr, body, NULL) != 0)
		_exit(98);
	pthread_attr_destroy(&attr);
	pthread_join(thread, NULL);
}

static void *fault_on_thread(void *arg)
{
	crash_marks_thread_begin();
	enter(marks, "blocked");
	touch_nothing();
	return arg;
}

static void fault_with_all_blocked(void)
{
	on_thread(fault_on_thread);
}

static void test_a_thread_that_blocks_all_signals_is_marked(void **state)
{
	(void)state;
	expect_death(in_child(fault_with_all_blocked), SIGSEGV);
	expect_mark("blocked", SIGSEGV);
}

static volatile unsigned depth_max = 100000;

static unsigned deeper(unsigned depth)
{
	volatile char fill[2048];

	fill[depth % sizeof(fill)] = (char)depth;
	return depth == depth_max ? 0 : deeper(depth + 1) + (unsigned)fill[depth % sizeof(fill)];
}

static void *overflow(void *arg)
{
	crash_marks_thread_begin();
	enter(marks, "deep");
	return deeper(0) == 1 ? arg : NULL;
}

static void overflow_on_thread(void)
{
	on_thread(overflow);
}

static void test_a_stack_overflow_is_marked(void **state)
{
	(void)state;
	expect_death(in_child(overflow_on_thread), SIGSEGV);
	expect_mark("deep", SIGSEGV);
}

static atomic_bool other_is_in;

static void *be_innocent(void *arg)
{
	enter(marks, "innocent");
	atomic_store(&other_is_in, true);
	for (;;)
		pause();
	return arg;
}

static void crash_beside(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, be_innocent, NULL) != 0)
		_exit(98);
	while (!atomic_load(&other_is_in))
		rest_us(1000);
	enter(marks, "guilty");
	touch_nothing();
}

static void test_only_the_thread_that_crashes_is_marked(void **state)
{
	(void)state;
	expect_death(in_child(crash_beside), SIGSEGV);
	expect_mark("guilty", SIGSEGV);
}

static void *come_and_go(void *arg)
{
	crash_marks_thread_begin();
	crash_marks_thread_begin();
	for (unsigned n = 0; n < 2000; n++) {
		enter(marks, "busy");
		crash_mark_leave(marks);
	}
	crash_marks_thread_end();
	crash_marks_thread_end();
	return arg;
}

#define THREADS (2 * SLOTS)

static void more_threads_than_slots(void)
{
	pthread_t threads[THREADS];

	for (unsigned n = 0; n < THREADS; n++)
		pthread_create(&threads[n], NULL, come_and_go, NULL);
	for (unsigned n = 0; n < THREADS; n++)
		pthread_join(threads[n], NULL);
	enter(marks, "last");
	abort();
}

static void test_slots_that_many_threads_fought_for_are_all_free_again(void **state)
{
	(void)state;
	expect_death(in_child(more_threads_than_slots), SIGABRT);
	expect_mark("last", SIGABRT);
}

static atomic_uint waiting;

static void *take_slot(void *arg)
{
	enter(marks, "innocent");
	atomic_fetch_add(&waiting, 1);
	for (;;)
		pause();
	return arg;
}

static void no_slot_left(void)
{
	pthread_t thread;

	for (unsigned n = 0; n < SLOTS; n++)
		pthread_create(&thread, NULL, take_slot, NULL);
	while (atomic_load(&waiting) < SLOTS)
		rest_us(1000);
	enter(marks, "too-many");
	crash_mark_leave(marks);
	enter(marks, "too-many");
	touch_nothing();
}

static void test_without_a_free_slot_nothing_is_marked(void **state)
{
	(void)state;
	expect_death(in_child(no_slot_left), SIGSEGV);
	expect_none();
}

static void test_no_marks_at_all_is_fine(void **state)
{
	(void)state;
	enter(NULL, "nobody");
	crash_mark_leave(NULL);
	crash_marks_close(NULL);
}

/* ---- those who were there before ---- */

static sigjmp_buf saved;
static void *volatile fault_at;

static void save(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	fault_at = info->si_addr;
	siglongjmp(saved, 1);
}

static void install_save(void)
{
	struct sigaction act = { .sa_sigaction = save, .sa_flags = SA_SIGINFO };

	sigaction(SIGSEGV, &act, NULL);
}

/* Opens once more, over the handler of its own. */
static void is_saved(void)
{
	crash_marks_close(marks);
	install_save();
	if (crash_marks_open(&marks, path, SLOTS, true, NULL, NULL, NULL) < 0)
		_exit(99);
	enter(marks, "saved");
	if (!sigsetjmp(saved, 1)) {
		touch_nothing();
		_exit(1);
	}
	crash_mark_leave(marks);
	_exit((uintptr_t)fault_at / 4096 == nowhere / 4096 ? 0 : 2); /* s390x tells the page only */
}

static void test_the_handler_of_before_gets_the_fault_and_whom_it_saves_is_not_marked(void **state)
{
	(void)state;
	assert_int_equal(in_child(is_saved), 0);
	expect_none();
}

static volatile sig_atomic_t told_code, told_pid;

static void note(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	told_code = info->si_code;
	told_pid = info->si_pid;
}

/* SIGABRT, as qemu-user dies when another process sends it SIGILL, SIGFPE or SIGSEGV. */
static void is_told_who(void)
{
	struct sigaction act = { .sa_sigaction = note, .sa_flags = SA_SIGINFO };
	pid_t victim = getpid(), pid;

	crash_marks_close(marks);
	sigaction(SIGABRT, &act, NULL);
	if (crash_marks_open(&marks, path, SLOTS, true, NULL, NULL, NULL) < 0)
		_exit(99);
	if ((pid = fork()) == 0) {
		kill(victim, SIGABRT);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	while (!told_pid)
		rest_us(1000);
	_exit(told_code == SI_USER && told_pid == pid ? 0 : 1);
}

static void test_the_handler_of_before_is_told_who_sent_it(void **state)
{
	(void)state;
	int status = in_child(is_told_who);
	assert_int_equal(status, 0);
}

static void ignores(void)
{
	crash_marks_close(marks);
	signal(SIGILL, SIG_IGN);
	if (crash_marks_open(&marks, path, SLOTS, true, NULL, NULL, NULL) < 0)
		_exit(99);
	enter(marks, "ignored");
	raise(SIGILL);
	crash_mark_leave(marks);
}

static void test_a_signal_that_was_ignored_stays_so(void **state)
{
	(void)state;
	assert_int_equal(in_child(ignores), 0);
	expect_none();
}

static void crash_after_close(void)
{
	enter(marks, "late");
	crash_marks_close(marks);
	touch_nothing();
}

static void test_after_closing_nothing_is_marked(void **state)
{
	(void)state;
	expect_death(in_child(crash_after_close), SIGSEGV);
	expect_none();
}

static void closing_gives_back(void)
{
	struct sigaction before, now;

	crash_marks_close(marks);
	sigaction(SIGBUS, NULL, &before);
	if (crash_marks_open(&marks, path, SLOTS, true, NULL, NULL, NULL) < 0)
		_exit(99);
	sigaction(SIGBUS, NULL, &now);
	if (now.sa_handler == before.sa_handler)
		_exit(1);
	install_save(); /* over ours */
	crash_marks_close(marks);
	sigaction(SIGBUS, NULL, &now);
	if (now.sa_handler != before.sa_handler || now.sa_flags != before.sa_flags)
		_exit(2);
	sigaction(SIGSEGV, NULL, &now);
	_exit(now.sa_sigaction == save ? 0 : 3);
}

static void test_closing_gives_the_handlers_back(void **state)
{
	(void)state;
	assert_int_equal(in_child(closing_gives_back), 0);
}

static void without_handlers(void)
{
	struct sigaction before, now;

	crash_marks_close(marks);
	sigaction(SIGSEGV, NULL, &before);
	if (crash_marks_open(&marks, path, SLOTS, false, NULL, NULL, NULL) < 0)
		_exit(99);
	sigaction(SIGSEGV, NULL, &now);
	if (now.sa_handler != before.sa_handler)
		_exit(1);
	enter(marks, "nobody");
	exit(0);
}

static void test_without_handlers_there_are_none(void **state)
{
	(void)state;
	int status = in_child(without_handlers);
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) != 1);
	expect_none();
}

/* ---- files that are none of ours ---- */

static void put(const char *data, size_t len)
{
	(void)unlink(path);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), (ssize_t)len);
	close(fd);
}

/* It is as good as a new one: a crash is marked in it. */
static void expect_works(void)
{
	struct stat st;

	expect_none();
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, (1 + SLOTS) * 512);
	assert_true(st.st_blocks > 0);
	raised = SIGABRT;
	expect_death(in_child(raise_it), SIGABRT);
	expect_mark("raiser", SIGABRT);
}

static void test_garbage_is_replaced(void **state)
{
	char garbage[(1 + SLOTS) * 512];

	(void)state;
	for (size_t i = 0; i < sizeof(garbage); i++)
		garbage[i] = (char)(i * 7 + 1);
	put(garbage, sizeof(garbage));
	expect_works();
	put("", 0);
	expect_works();
	put(garbage, 100);
	expect_works();
}

/* A file with one mark; where it is changed there, at offset. */
static void put_changed(off_t offset, const void *data, size_t len)
{
	(void)unlink(path);
	raised = SIGABRT;
	expect_death(in_child(raise_it), SIGABRT);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, data, len, offset), (ssize_t)len);
	close(fd);
}

static void test_another_version_is_replaced(void **state)
{
	(void)state;
	put_changed(8, &(uint32_t){ 99 }, 4);
	expect_works();
	put_changed(12, &(uint32_t){ 256 }, 4);
	expect_works();
	put_changed(16, &(uint32_t){ SLOTS + 1 }, 4);
	expect_works();
	put_changed(0, "X", 1);
	expect_works();
}

static void test_a_damaged_mark_is_dropped(void **state)
{
	char long_name[258];

	(void)state;
	put_changed(HEAD_BYTES, &(uint32_t){ 1000 }, 4); /* no such signal */
	expect_works();
	put_changed(HEAD_BYTES + 24, "../../etc", 10);
	expect_works();
	put_changed(HEAD_BYTES + 24, "", 1);
	expect_works();
	memset(long_name, 'a', sizeof(long_name));
	put_changed(HEAD_BYTES + 24, long_name, sizeof(long_name));
	expect_works();
}

static void test_a_link_is_replaced_and_what_it_names_is_left_alone(void **state)
{
	char target[160], text[16] = "";

	(void)state;
	snprintf(target, sizeof(target), "%s/target", dir);
	put("precious", 8);
	assert_int_equal(rename(path, target), 0);
	assert_int_equal(symlink(target, path), 0);
	expect_works();
	(void)unlink(path);
	assert_int_equal(link(target, path), 0);
	expect_works();
	int fd = open(target, O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, text, sizeof(text)), 8);
	assert_string_equal(text, "precious");
	close(fd);
}

static void test_a_fifo_is_replaced(void **state)
{
	(void)state;
	(void)unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	expect_works();
}

static void test_a_file_that_others_may_write_is_replaced_unread(void **state)
{
	(void)state;
	put_changed(HEAD_BYTES + 500, "", 1); /* a good mark */
	assert_int_equal(chmod(path, 0622), 0);
	expect_works();
}

static void test_a_file_of_another_size_gives_its_marks_before_it_is_replaced(void **state)
{
	struct crash_marks *m;
	struct stat st;

	(void)state;
	for (unsigned slots = 2 * SLOTS; slots > 0; slots = slots > 1 ? 1 : 0) {
		put_changed(HEAD_BYTES + 500, "", 1);
		assert_int_equal(open_marks(&m, slots, false), 0);
		crash_marks_close(m);
		assert_int_equal(seen_count, 1);
		assert_string_equal(seen[0].instance, "raiser");
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_size, (1 + slots) * 512);
	}
	expect_works();
}

/* Flash memory is spared: no mark, no write. */
static void test_a_start_without_marks_writes_nothing(void **state)
{
	struct stat before, after;

	(void)state;
	expect_none();
	assert_int_equal(stat(path, &before), 0);
	rest_us(20000);
	expect_none();
	assert_int_equal(in_child(exit_outside), 0);
	expect_none();
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_memory_equal(&before.st_mtim, &after.st_mtim, sizeof(before.st_mtim));
}

static void test_what_cannot_be_replaced_is_told(void **state)
{
	struct crash_marks *m = NULL;
	struct pawl_error err = { 0 };
	char below[200];

	(void)state;
	(void)unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_true(crash_marks_open(&m, path, SLOTS, true, NULL, NULL, &err) < 0);
	assert_non_null(strstr(err.text, path));
	assert_int_equal(rmdir(path), 0);
	snprintf(below, sizeof(below), "%s/none/crashes", dir);
	assert_int_equal(crash_marks_open(&m, below, SLOTS, true, NULL, NULL, &err), PAWL_ENOTFOUND);
	assert_int_equal(crash_marks_open(&m, path, 0, true, NULL, NULL, &err), PAWL_EINVALID);
	assert_null(m);
}

/* ---- */

static int setup(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	snprintf(dir, sizeof(dir), "%.40s/pawl-crash-XXXXXX", tmp && strlen(tmp) < 40 ? tmp : "/tmp");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/crashes", dir);
	return 0;
}

static int teardown(void **state)
{
	static const char *const names[] = { "crashes", "target", "empty" };
	char name[160];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(name, sizeof(name), "%s/%s", dir, names[i]);
		(void)unlink(name);
	}
	return rmdir(dir);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_a_raised_signal_is_marked_and_kills),
		T(test_a_null_dereference_is_marked),
		T(test_a_bus_error_is_marked),
		T(test_abort_is_marked),
		T(test_exit_in_an_activity_is_marked_with_signal_0),
		T(test_exit_on_a_thread_marks_that_thread),
		T(test_exit_outside_of_an_activity_marks_nothing),
		T(test_a_crash_outside_of_an_activity_marks_nothing),
		T(test_kill_9_marks_nothing),
		T(test_a_signal_that_another_process_sent_kills_and_marks_nothing),
		T(test_a_fork_of_an_activity_marks_nothing),
		T(test_a_thread_that_blocks_all_signals_is_marked),
		T(test_a_stack_overflow_is_marked),
		T(test_only_the_thread_that_crashes_is_marked),
		T(test_slots_that_many_threads_fought_for_are_all_free_again),
		T(test_without_a_free_slot_nothing_is_marked),
		T(test_no_marks_at_all_is_fine),
		T(test_the_handler_of_before_gets_the_fault_and_whom_it_saves_is_not_marked),
		T(test_the_handler_of_before_is_told_who_sent_it),
		T(test_a_signal_that_was_ignored_stays_so),
		T(test_after_closing_nothing_is_marked),
		T(test_closing_gives_the_handlers_back),
		T(test_without_handlers_there_are_none),
		T(test_garbage_is_replaced),
		T(test_another_version_is_replaced),
		T(test_a_damaged_mark_is_dropped),
		T(test_a_link_is_replaced_and_what_it_names_is_left_alone),
		T(test_a_fifo_is_replaced),
		T(test_a_file_that_others_may_write_is_replaced_unread),
		T(test_a_file_of_another_size_gives_its_marks_before_it_is_replaced),
		T(test_a_start_without_marks_writes_nothing),
		T(test_what_cannot_be_replaced_is_told),
	};

	keep_handlers();
	return cmocka_run_group_tests_name("runtime/crash_mark", tests, NULL, NULL);
}
