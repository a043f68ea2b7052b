/* test_os_io.c - what is written is counted under why it was written, and another process can look. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "os/io.h"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct io_page before, after;
static char dir[64];
static int root = -1;

static void look(struct io_page *page)
{
	assert_int_equal(io_look(os_linux(), (int32_t)getpid(), page), 0);
}

static uint64_t grown(enum io_cause cause, enum io_kind kind)
{
	return after.written[cause][kind] - before.written[cause][kind];
}

static void expect_written(enum io_cause cause, uint64_t bytes, uint64_t syncs, uint64_t names)
{
	assert_int_equal(grown(cause, IO_BYTES), bytes);
	assert_int_equal(grown(cause, IO_SYNCS), syncs);
	assert_int_equal(grown(cause, IO_NAMES), names);
}

static void put(const char *name, size_t len)
{
	static const char zeros[4096];
	const struct os *os = os_linux();
	int fd = os->open(os->self, root, name, OS_WRITE | OS_CREATE, 0600);

	assert_true(fd >= 0);
	assert_int_equal(os->pwrite(os->self, fd, zeros, len, 0), len);
	assert_int_equal(os->sync_data(os->self, fd), 0);
	os->close(os->self, fd);
}

static int setup(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	snprintf(dir, sizeof(dir), "%.40s/pawl-io-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(dir));
	root = os_linux()->open_root(os_linux()->self, dir);
	return root < 0;
}

static int teardown(void **state)
{
	(void)state;
	os_linux()->close(os_linux()->self, root);
	return os_remove_tree(os_linux(), OS_CWD, dir, 4);
}

static void nothing_can_be_seen_before_it_is_shared(void **state)
{
	(void)state;
	put("early", 10);
	assert_int_equal(io_look(os_linux(), (int32_t)getpid(), &before), -ENOENT);
	io_share(4711, 12);
	if (io_look(os_linux(), (int32_t)getpid(), &before) == -ENOENT)
		skip(); /* a kernel without memfd */
	assert_int_equal(before.since_ns, 4711);
	assert_int_equal(before.written[IO_OTHER][IO_BYTES], 10); /* from the time before */
}

static void inner(void)
{
	IO_BECAUSE(IO_SEGMENT);
	put("inner", 7);
}

static void what_is_written_counts_where_the_innermost_cause_is(void **state)
{
	const struct os *os = os_linux();

	(void)state;
	look(&before);
	{
		IO_BECAUSE(IO_COMMIT);
		put("a", 100);
		inner();
		assert_int_equal(os->rename(os->self, root, "a", root, "b"), 0);
	}
	put("c", 3);
	look(&after);
	expect_written(IO_COMMIT, 100, 1, 2);
	expect_written(IO_SEGMENT, 7, 1, 1);
	expect_written(IO_OTHER, 3, 1, 1);
}

static void what_fails_is_not_counted(void **state)
{
	const struct os *os = os_linux();

	(void)state;
	look(&before);
	assert_int_equal(os->unlink(os->self, root, "missing"), -ENOENT);
	assert_int_equal(os->rename(os->self, root, "missing", root, "x"), -ENOENT);
	assert_int_equal(os->sync(os->self, -1), -EBADF);
	assert_true(os->pwrite(os->self, -1, "x", 1, 0) < 0);
	look(&after);
	assert_memory_equal(&before, &after, sizeof(before));
}

static void every_change_of_a_name_counts(void **state)
{
	const struct os *os = os_linux();

	(void)state;
	IO_BECAUSE(IO_QUEUE);
	look(&before);
	assert_int_equal(os->mkdir(os->self, root, "d", 0700), 0);
	assert_int_equal(os->symlink(os->self, ".", root, "link"), 0);
	assert_int_equal(os->unlink(os->self, root, "link"), 0);
	assert_int_equal(os->rmdir(os->self, root, "d"), 0);
	assert_int_equal(os_sync_dir(os, root, "."), 0);
	look(&after);
	expect_written(IO_QUEUE, 0, 1, 4);
}

static void *write_for_removal(void *arg)
{
	(void)arg;
	IO_BECAUSE(IO_REMOVAL);
	for (int i = 0; i < 500; i++)
		put("thread", 1);
	return NULL;
}

static void a_thread_has_a_cause_of_its_own(void **state)
{
	pthread_t threads[3];

	(void)state;
	IO_BECAUSE(IO_HISTORY);
	look(&before);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_for_removal, NULL), 0);
	for (int i = 0; i < 500; i++)
		put("mine", 2);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	look(&after);
	expect_written(IO_HISTORY, 1000, 500, 500);
	expect_written(IO_REMOVAL, 1500, 1500, 1500);
}

static void another_process_sees_the_numbers(void **state)
{
	uint64_t numbers[3] = { 1, 2, UINT64_MAX };
	int status = -1;

	(void)state;
	io_tell(numbers, 3);
	look(&before);
	pid_t parent = getpid(), child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		int rc = io_look(os_linux(), (int32_t)parent, &after);
		_exit(rc < 0 || memcmp(&before, &after, sizeof(before)) != 0 || after.number_count != 3 || after.numbers[2] != UINT64_MAX);
	}
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
	assert_int_equal(io_look(os_linux(), (int32_t)child, &after), -ENOENT); /* nobody has that number any more */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_can_be_seen_before_it_is_shared),
		cmocka_unit_test(what_is_written_counts_where_the_innermost_cause_is),
		cmocka_unit_test(what_fails_is_not_counted),
		cmocka_unit_test(every_change_of_a_name_counts),
		cmocka_unit_test(a_thread_has_a_cause_of_its_own),
		cmocka_unit_test(another_process_sees_the_numbers),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
