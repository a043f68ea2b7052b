#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include <stdlib.h>
#include <string.h>

static void assert_holds(const struct buf *b, const char *text)
{
	assert_true(buf_ok(b));
	assert_int_equal(b->len, strlen(text));
	assert_string_equal(buf_str(b), text);
}

static void an_empty_buffer_is_an_empty_string(void **state)
{
	struct buf b = BUF_INIT;
	(void)state;
	assert_holds(&b, "");
	assert_non_null(buf_slice(&b).data);
	buf_release(&b);
}

static void appends_follow_each_other(void **state)
{
	struct buf b;
	(void)state;
	buf_init(&b);
	buf_add(&b, "ab", 2);
	buf_addc(&b, 'c');
	buf_adds(&b, "de");
	buf_add_slice(&b, SLICE("fg"));
	buf_addf(&b, "%d-%s", 7, "x");
	assert_holds(&b, "abcdefg7-x");
	buf_release(&b);
}

static void adding_nothing_changes_nothing(void **state)
{
	struct buf b = BUF_INIT;
	(void)state;
	buf_add(&b, NULL, 0);
	buf_adds(&b, "");
	buf_add_slice(&b, SLICE_NONE);
	buf_addf(&b, "%s", "");
	assert_holds(&b, "");
	buf_release(&b);
}

static void bytes_may_be_nul(void **state)
{
	struct buf b = BUF_INIT;
	(void)state;
	buf_add(&b, "a\0b", 3);
	buf_addc(&b, '\0');
	assert_int_equal(b.len, 4);
	assert_memory_equal(b.data, "a\0b\0", 5);
	buf_release(&b);
}

static void grows_byte_by_byte_and_stays_terminated(void **state)
{
	struct buf b = BUF_INIT;
	(void)state;
	for (size_t i = 0; i < 10000; i++) {
		buf_addc(&b, (char)('a' + i % 26));
		assert_int_equal(b.data[b.len], 0);
	}
	assert_int_equal(b.len, 10000);
	for (size_t i = 0; i < 10000; i++)
		assert_int_equal(b.data[i], 'a' + i % 26);
	buf_release(&b);
}

static void numbers_are_decimal_to_their_limits(void **state)
{
	struct buf b = BUF_INIT;
	(void)state;
	buf_addu(&b, 0);
	buf_addc(&b, ' ');
	buf_addu(&b, UINT64_MAX);
	buf_addc(&b, ' ');
	buf_addi(&b, INT64_MIN);
	buf_addc(&b, ' ');
	buf_addi(&b, INT64_MAX);
	buf_addc(&b, ' ');
	buf_addi(&b, -10);
	assert_holds(&b, "0 18446744073709551615 -9223372036854775808 9223372036854775807 -10");
	buf_release(&b);
}

static void formats_of_every_length_around_the_room_fit(void **state)
{
	(void)state;
	for (int len = 0; len < 300; len++) {
		struct buf b = BUF_INIT;
		buf_adds(&b, "start ");
		buf_addf(&b, "%0*d", len + 1, 7);
		assert_int_equal(b.len, 6 + (size_t)len + 1);
		assert_int_equal(strlen(b.data), b.len);
		assert_int_equal(b.data[b.len - 1], '7');
		buf_release(&b);
	}
}

static void reserved_room_needs_no_allocation(void **state)
{
	struct buf b = BUF_INIT;
	(void)state;
	assert_true(buf_reserve(&b, 1000));
	assert_holds(&b, "");
	const char *before = b.data;
	for (int i = 0; i < 1000; i++)
		buf_addc(&b, 'x');
	assert_ptr_equal(b.data, before);
	buf_release(&b);
}

static void truncating_shortens_and_never_lengthens(void **state)
{
	struct buf b = BUF_INIT;
	(void)state;
	buf_truncate(&b, 3);
	assert_holds(&b, "");
	buf_adds(&b, "abcdef");
	buf_truncate(&b, 9);
	assert_holds(&b, "abcdef");
	buf_truncate(&b, 2);
	assert_holds(&b, "ab");
	buf_truncate(&b, 0);
	assert_holds(&b, "");
	buf_release(&b);
}

static void a_failure_stays_until_reset(void **state)
{
	struct buf b = BUF_INIT;
	(void)state;
	buf_adds(&b, "abc");
	assert_false(buf_reserve(&b, SIZE_MAX));
	assert_false(buf_ok(&b));
	buf_adds(&b, "d");
	buf_addc(&b, 'd');
	buf_addu(&b, 1);
	buf_addf(&b, "%d", 1);
	assert_false(buf_reserve(&b, 1));
	assert_int_equal(b.len, 3);
	assert_string_equal(buf_str(&b), "abc");
	buf_reset(&b);
	assert_holds(&b, "");
	buf_adds(&b, "again");
	assert_holds(&b, "again");
	buf_release(&b);
}

static void a_length_over_half_the_memory_fails_without_reading(void **state)
{
	struct buf b = BUF_INIT;
	(void)state;
	buf_add(&b, "x", SIZE_MAX - 1);
	assert_false(buf_ok(&b));
	assert_int_equal(b.len, 0);
	assert_string_equal(buf_str(&b), "");
	buf_release(&b);
}

static void reset_keeps_the_memory(void **state)
{
	struct buf b = BUF_INIT;
	(void)state;
	buf_adds(&b, "abc");
	const char *before = b.data;
	buf_reset(&b);
	buf_adds(&b, "de");
	assert_ptr_equal(b.data, before);
	assert_holds(&b, "de");
	buf_release(&b);
}

static void release_can_be_repeated(void **state)
{
	struct buf b = BUF_INIT;
	(void)state;
	buf_adds(&b, "abc");
	buf_release(&b);
	assert_null(b.data);
	buf_release(&b);
}

static void detached_bytes_belong_to_the_caller(void **state)
{
	struct buf b = BUF_INIT;
	size_t len = 99;
	(void)state;
	buf_adds(&b, "abc");
	char *text = buf_detach(&b, &len);
	assert_string_equal(text, "abc");
	assert_int_equal(len, 3);
	assert_holds(&b, "");
	free(text);
	buf_release(&b);
}

static void detaching_an_empty_buffer_gives_an_empty_string(void **state)
{
	struct buf b = BUF_INIT;
	(void)state;
	char *text = buf_detach(&b, NULL);
	assert_non_null(text);
	assert_string_equal(text, "");
	free(text);
}

static void detaching_after_a_failure_gives_null_and_frees(void **state)
{
	struct buf b = BUF_INIT;
	size_t len = 99;
	(void)state;
	buf_adds(&b, "abc");
	assert_false(buf_reserve(&b, SIZE_MAX));
	assert_null(buf_detach(&b, &len));
	assert_int_equal(len, 99);
	assert_holds(&b, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_buffer_is_an_empty_string),
		cmocka_unit_test(appends_follow_each_other),
		cmocka_unit_test(adding_nothing_changes_nothing),
		cmocka_unit_test(bytes_may_be_nul),
		cmocka_unit_test(grows_byte_by_byte_and_stays_terminated),
		cmocka_unit_test(numbers_are_decimal_to_their_limits),
		cmocka_unit_test(formats_of_every_length_around_the_room_fit),
		cmocka_unit_test(reserved_room_needs_no_allocation),
		cmocka_unit_test(truncating_shortens_and_never_lengthens),
		cmocka_unit_test(a_failure_stays_until_reset),
		cmocka_unit_test(a_length_over_half_the_memory_fails_without_reading),
		cmocka_unit_test(reset_keeps_the_memory),
		cmocka_unit_test(release_can_be_repeated),
		cmocka_unit_test(detached_bytes_belong_to_the_caller),
		cmocka_unit_test(detaching_an_empty_buffer_gives_an_empty_string),
		cmocka_unit_test(detaching_after_a_failure_gives_null_and_frees),
	};
	return cmocka_run_group_tests_name("base/buf", tests, NULL, NULL);
}
