#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/scan.h"

static void words_and_numbers_follow_each_other_over_white_space(void **state)
{
	const char *at = "pid 12\n\tstart 18446744073709551615 x";
	uint64_t n = 0;

	(void)state;
	assert_true(scan_word(&at, "pid"));
	assert_true(scan_number(&at, &n));
	assert_true(n == 12);
	assert_false(scan_word(&at, "boot"));
	assert_true(scan_word(&at, "start"));
	assert_true(scan_number(&at, &n));
	assert_true(n == UINT64_MAX);
	assert_string_equal(at, " x");
	assert_false(scan_number(&at, &n));
	assert_true(n == UINT64_MAX);
}

static void a_number_too_large_is_the_largest(void **state)
{
	const char *at = "18446744073709551616 99999999999999999999999";
	uint64_t n = 0;

	(void)state;
	assert_true(scan_number(&at, &n));
	assert_true(n == UINT64_MAX);
	assert_true(scan_number(&at, &n));
	assert_true(n == UINT64_MAX);
	assert_string_equal(at, "");
}

static void a_run_has_its_characters_and_its_room(void **state)
{
	const char *at = " 12ab-cXz rest";
	char out[6] = "";

	(void)state;
	assert_false(scan_run(&at, "X", out, sizeof(out)));
	assert_true(scan_run(&at, "0123456789abcdef", out, sizeof(out)));
	assert_string_equal(out, "12ab");
	assert_true(scan_run(&at, "-abc", out, 2));
	assert_string_equal(out, "-");
	assert_true(scan_run(&at, NULL, out, sizeof(out)));
	assert_string_equal(out, "cXz");
	assert_true(scan_run(&at, NULL, out, sizeof(out)));
	assert_string_equal(out, "rest");
	assert_false(scan_run(&at, NULL, out, sizeof(out)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_and_numbers_follow_each_other_over_white_space),
		cmocka_unit_test(a_number_too_large_is_the_largest),
		cmocka_unit_test(a_run_has_its_characters_and_its_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
