/* test_os_atomic64.c - numbers of 64 bits that threads share, where the processor has no instruction for it. */
#define PAWL_ATOMIC64_LOCKED 1

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The library has the other variant where this machine has the instruction. */
#include "os/atomic64.c"
#include <pthread.h>
#include <sched.h>

static struct atomic64 shared;
static atomic_bool over;

static void *write_both(void *arg)
{
	(void)arg;
	while (!atomic_load(&over)) {
		atomic64_store(&shared, -1);
		atomic64_store(&shared, 0);
	}
	return NULL;
}

static void a_number_is_never_seen_half_written(void **state)
{
	pthread_t thread;
	unsigned changes = 0;
	int64_t before = 0;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, write_both, NULL), 0);
	while (changes < 1000) {
		int64_t now = atomic64_load(&shared);

		assert_true(now == 0 || now == -1);
		changes += now != before;
		before = now;
		sched_yield();
	}
	atomic_store(&over, true);
	pthread_join(thread, NULL);
}

static void all_bits_are_kept(void **state)
{
	(void)state;
	atomic64_store(&shared, INT64_MIN + 0x123456789abcdef);
	assert_true(atomic64_load(&shared) == INT64_MIN + 0x123456789abcdef);
	atomic64_store(&shared, INT64_MAX);
	assert_true(atomic64_load(&shared) == INT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_number_is_never_seen_half_written),
		cmocka_unit_test(all_bits_are_kept),
	};

	return cmocka_run_group_tests_name("atomic64", tests, NULL, NULL);
}
