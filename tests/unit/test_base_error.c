#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define X_COUNT(name, value, class, text) +1
#define CODES (0 PAWL_ERROR_LIST(X_COUNT))

static void every_code_has_its_own_name_text_and_class(void **state)
{
	(void)state;
	for (int code = -1; code >= -CODES; code--) {
		assert_string_not_equal(pawl_strerror(code), "unknown error");
		assert_string_not_equal(pawl_error_name(code), "UNKNOWN");
		assert_int_not_equal(pawl_error_class(code), PAWL_CLASS_NONE);
		for (int other = -1; other > code; other--)
			assert_string_not_equal(pawl_error_name(code), pawl_error_name(other));
	}
	assert_string_equal(pawl_strerror(PAWL_ENOSPC), "no space left");
	assert_string_equal(pawl_error_name(PAWL_ENOSPC), "NOSPC");
	assert_int_equal(pawl_error_class(PAWL_ENOSPC), PAWL_CLASS_NOSPACE);
}

static void success_and_unknown_codes_have_words_too(void **state)
{
	(void)state;
	assert_string_equal(pawl_strerror(0), "ok");
	assert_string_equal(pawl_error_name(0), "OK");
	assert_int_equal(pawl_error_class(0), PAWL_CLASS_NONE);
	assert_int_equal(pawl_error_class(3), PAWL_CLASS_NONE);
	assert_string_equal(pawl_strerror(-9999), "unknown error");
	assert_string_equal(pawl_error_name(7), "UNKNOWN");
	assert_int_equal(pawl_error_class(-9999), PAWL_CLASS_PERMANENT);
}

static void errno_becomes_a_code(void **state)
{
	static const struct {
		int sys, code;
	} table[] = {
		{ ENOMEM, PAWL_ENOMEM },       { ENOENT, PAWL_ENOTFOUND },         { EEXIST, PAWL_EEXISTS },
		{ ENOTEMPTY, PAWL_EEXISTS },   { EACCES, PAWL_EPERM },             { EPERM, PAWL_EPERM },
		{ ENOSPC, PAWL_ENOSPC },       { EDQUOT, PAWL_ENOSPC },            { EROFS, PAWL_EROFS },
		{ EAGAIN, PAWL_EBUSY },        { EBUSY, PAWL_EBUSY },              { EWOULDBLOCK, PAWL_EBUSY },
		{ EINVAL, PAWL_EINVALID },     { ENAMETOOLONG, PAWL_EINVALID },    { EFBIG, PAWL_ETOOBIG },
		{ E2BIG, PAWL_ETOOBIG },       { ETIMEDOUT, PAWL_ETIMEOUT },       { ENOSYS, PAWL_EUNSUPPORTED },
		{ EOPNOTSUPP, PAWL_EUNSUPPORTED }, { EMFILE, PAWL_EBUSY },         { ENFILE, PAWL_EBUSY },
		{ EIO, PAWL_EIO },             { EBADF, PAWL_EIO },                { 0, PAWL_EIO },
		{ 99999, PAWL_EIO },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		assert_int_equal(err_code_of_errno(table[i].sys), table[i].code);
}

static void set_tells_code_and_text(void **state)
{
	struct pawl_error err = { 0 };
	(void)state;
	err.sys = 5;
	assert_int_equal(err_set(&err, PAWL_ESTATE, "cannot resume '%s': it is not suspended", "a"), PAWL_ESTATE);
	assert_int_equal(err.code, PAWL_ESTATE);
	assert_int_equal(err.sys, 0);
	assert_string_equal(err.text, "cannot resume 'a': it is not suspended");
}

static void sys_adds_the_reason_in_our_style(void **state)
{
	struct pawl_error err = { 0 };
	(void)state;
	assert_int_equal(err_sys(&err, EACCES, "cannot claim '%s'", "work/ready/7"), PAWL_EPERM);
	assert_int_equal(err.sys, EACCES);
	assert_string_equal(err.text, "cannot claim 'work/ready/7': permission denied");
}

static void sys_knows_numbers_without_a_text(void **state)
{
	struct pawl_error err = { 0 };
	(void)state;
	assert_int_equal(err_sys(&err, 99999, "cannot read"), PAWL_EIO);
	assert_int_equal(err.sys, 99999);
	assert_memory_equal(err.text, "cannot read: ", 13);
	assert_true(strlen(err.text) > 13);
}

static void wrap_puts_words_before_and_keeps_the_code(void **state)
{
	struct pawl_error err = { 0 };
	(void)state;
	err_sys(&err, ENOENT, "cannot open '%s'", "FORMAT");
	assert_int_equal(err_wrap(&err, "hub '%s'", "/var/lib/pawl"), PAWL_ENOTFOUND);
	assert_int_equal(err.sys, ENOENT);
	assert_string_equal(err.text, "hub '/var/lib/pawl': cannot open 'FORMAT': no such file or directory");
}

static void wrapping_an_empty_error_is_not_success(void **state)
{
	struct pawl_error err = { 0 };
	(void)state;
	assert_int_equal(err_wrap(&err, "hub"), PAWL_EBUG);
	assert_int_equal(err.code, PAWL_EBUG);
	assert_string_equal(err.text, "hub");
}

static void the_old_text_may_be_an_argument(void **state)
{
	struct pawl_error err = { 0 };
	(void)state;
	err_set(&err, PAWL_EIO, "one");
	err_set(&err, PAWL_EPARSE, "%s, two", err.text);
	assert_string_equal(err.text, "one, two");
	err_wrap(&err, "[%s]", err.text);
	assert_string_equal(err.text, "[one, two]: one, two");
	err_sys(&err, ENOENT, "{%s}", err.text);
	assert_string_equal(err.text, "{[one, two]: one, two}: no such file or directory");
}

static void ends_with(const char *text, const char *end)
{
	assert_true(strlen(text) >= strlen(end));
	assert_string_equal(text + strlen(text) - strlen(end), end);
}

static void long_text_is_cut_and_says_so(void **state)
{
	struct pawl_error err = { 0 };
	(void)state;
	err_set(&err, PAWL_EIO, "%0600d", 1);
	assert_int_equal(strlen(err.text), PAWL_ERROR_TEXT_MAX - 1);
	ends_with(err.text, "0...");
	err_set(&err, PAWL_EIO, "%0511d", 1);
	assert_int_equal(strlen(err.text), 511);
	ends_with(err.text, "01");
}

static void a_long_subject_does_not_push_out_the_reason(void **state)
{
	struct pawl_error err = { 0 };
	(void)state;
	err_sys(&err, EACCES, "cannot open '%0600d'", 1);
	ends_with(err.text, "0...: permission denied");
	assert_int_equal(strlen(err.text), PAWL_ERROR_TEXT_MAX - 1);
	err_wrap(&err, "%0600d", 1);
	assert_non_null(strstr(err.text, "...: cannot open '"));
	ends_with(err.text, "...");
	assert_int_equal(strlen(err.text), PAWL_ERROR_TEXT_MAX - 1);
}

static void a_cut_keeps_characters_whole(void **state)
{
	struct pawl_error err = { 0 };
	char text[700];
	(void)state;
	for (int shift = 0; shift < 4; shift++) {
		memset(text, 'x', sizeof(text));
		for (size_t i = (size_t)shift; i + 3 < sizeof(text); i += 3)
			memcpy(text + i, "\xe2\x82\xac", 3);
		text[sizeof(text) - 1] = '\0';
		err_set(&err, PAWL_EIO, "%s", text);
		size_t len = strlen(err.text);
		assert_string_equal(err.text + len - 3, "...");
		assert_int_equal((len - 3 - (size_t)shift) % 3, 0);
	}
}

static void without_an_object_the_code_is_still_told(void **state)
{
	(void)state;
	assert_int_equal(err_set(NULL, PAWL_ETOOBIG, "x %d", 1), PAWL_ETOOBIG);
	assert_int_equal(err_wrap(NULL, "hub"), PAWL_ETOOBIG);
	assert_int_equal(err_sys(NULL, EROFS, "x"), PAWL_EROFS);
	assert_int_equal(err_wrap(NULL, "hub"), PAWL_EROFS);
	assert_int_equal(err_nomem(NULL), PAWL_ENOMEM);
	assert_int_equal(err_wrap(NULL, "hub"), PAWL_ENOMEM);
}

static void nomem_says_so(void **state)
{
	struct pawl_error err = { 0 };
	(void)state;
	assert_int_equal(err_nomem(&err), PAWL_ENOMEM);
	assert_string_equal(err.text, "out of memory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_code_has_its_own_name_text_and_class),
		cmocka_unit_test(success_and_unknown_codes_have_words_too),
		cmocka_unit_test(errno_becomes_a_code),
		cmocka_unit_test(set_tells_code_and_text),
		cmocka_unit_test(sys_adds_the_reason_in_our_style),
		cmocka_unit_test(sys_knows_numbers_without_a_text),
		cmocka_unit_test(wrap_puts_words_before_and_keeps_the_code),
		cmocka_unit_test(wrapping_an_empty_error_is_not_success),
		cmocka_unit_test(the_old_text_may_be_an_argument),
		cmocka_unit_test(long_text_is_cut_and_says_so),
		cmocka_unit_test(a_long_subject_does_not_push_out_the_reason),
		cmocka_unit_test(a_cut_keeps_characters_whole),
		cmocka_unit_test(without_an_object_the_code_is_still_told),
		cmocka_unit_test(nomem_says_so),
	};
	return cmocka_run_group_tests_name("base/error", tests, NULL, NULL);
}
