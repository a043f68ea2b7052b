#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include <stdio.h>
#include <string.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))
#define SECOND INT64_C(1000000000)

static const struct {
	int64_t ns;
	const char *text;
} times[] = {
	{ 0, "1970-01-01T00:00:00.000000Z" },
	{ 123456000, "1970-01-01T00:00:00.123456Z" },
	{ -1000, "1969-12-31T23:59:59.999999Z" },
	{ 951782399 * SECOND, "2000-02-28T23:59:59.000000Z" },
	{ 951782400 * SECOND, "2000-02-29T00:00:00.000000Z" },
	{ 951868800 * SECOND, "2000-03-01T00:00:00.000000Z" },
	{ 946684799 * SECOND, "1999-12-31T23:59:59.000000Z" },
	{ 1078012800 * SECOND, "2004-02-29T00:00:00.000000Z" },
	{ 4107542399 * SECOND, "2100-02-28T23:59:59.000000Z" },
	{ 4107542400 * SECOND, "2100-03-01T00:00:00.000000Z" },
	{ 1795264860 * SECOND + 123456000, "2026-11-21T12:41:00.123456Z" },
	{ -2208988800 * SECOND, "1900-01-01T00:00:00.000000Z" },
	{ 9223372035 * SECOND + 999999000, "2262-04-11T23:47:15.999999Z" },
	{ -9223372036 * SECOND, "1677-09-21T00:12:44.000000Z" },
};

static void times_are_written_in_utc(void **state)
{
	char out[TEXT_TIME_SIZE];
	(void)state;
	for (size_t i = 0; i < LENGTH(times); i++) {
		text_time(out, times[i].ns);
		assert_string_equal(out, times[i].text);
	}
}

static void the_first_and_last_nanosecond_can_be_written(void **state)
{
	char out[TEXT_TIME_SIZE];
	(void)state;
	text_time(out, INT64_MAX);
	assert_string_equal(out, "2262-04-11T23:47:16.854775Z");
	text_time(out, INT64_MIN);
	assert_string_equal(out, "1677-09-21T00:12:43.145224Z");
}

static void written_times_are_read_back(void **state)
{
	int64_t ns;
	(void)state;
	for (size_t i = 0; i < LENGTH(times); i++) {
		assert_int_equal(text_parse_time(slice_of(times[i].text), &ns), 0);
		assert_int_equal(ns, times[i].ns);
	}
}

static void every_day_of_600_years_goes_there_and_back(void **state)
{
	char out[TEXT_TIME_SIZE];
	int64_t ns;
	(void)state;
	for (int64_t day = -106751; day < 106751; day++) {
		text_time(out, day * 86400 * SECOND);
		assert_int_equal(text_parse_time(slice_of(out), &ns), 0);
		assert_int_equal(ns, day * 86400 * SECOND);
	}
}

static void offsets_and_fractions_are_read(void **state)
{
	static const struct {
		const char *text;
		int64_t ns;
	} table[] = {
		{ "1970-01-01T02:00:00+02:00", 0 },
		{ "1969-12-31T18:30:00-05:30", 0 },
		{ "1970-01-01T00:00:00-00:00", 0 },
		{ "1970-01-01T00:00:00.5Z", SECOND / 2 },
		{ "1970-01-01T00:00:00.000000001Z", 1 },
		{ "1970-01-01T00:00:00.123456789+00:00", 123456789 },
		{ "1970-01-01t00:00:01z", SECOND },
		{ "1969-12-31T23:59:59.999999999Z", -1 },
	};
	int64_t ns;
	(void)state;
	for (size_t i = 0; i < LENGTH(table); i++) {
		assert_int_equal(text_parse_time(slice_of(table[i].text), &ns), 0);
		assert_int_equal(ns, table[i].ns);
	}
}

static void other_times_are_refused(void **state)
{
	static const char *const table[] = {
		"", "1970", "1970-01-01", "1970-01-01T00:00:00", "1970-01-01 00:00:00Z", "1970-01-01T00:00Z",
		"1970-13-01T00:00:00Z", "1970-00-01T00:00:00Z", "1970-01-00T00:00:00Z", "1970-01-32T00:00:00Z",
		"1970-04-31T00:00:00Z", "1970-02-29T00:00:00Z", "2100-02-29T00:00:00Z", "2000-02-30T00:00:00Z",
		"1970-01-01T24:00:00Z", "1970-01-01T00:60:00Z", "2016-12-31T23:59:60Z", "1970-01-01T00:00:00.Z",
		"1970-01-01T00:00:00.1234567890Z", "1970-01-01T00:00:00,5Z", "1970-01-01T00:00:00+0200",
		"1970-01-01T00:00:00+24:00", "1970-01-01T00:00:00+02:60", "1970-01-01T00:00:00ZZ",
		"1970-01-01T00:00:00Z ", " 1970-01-01T00:00:00Z", "+970-01-01T00:00:00Z", "1970-01-01T00:00:-1Z",
		"2262-04-11T23:47:16Z", "9999-12-31T23:59:59Z", "1677-09-21T00:12:43Z", "0000-01-01T00:00:00Z",
	};
	int64_t ns = 5;
	(void)state;
	for (size_t i = 0; i < LENGTH(table); i++)
		assert_int_equal(text_parse_time(slice_of(table[i]), &ns), PAWL_EPARSE);
	assert_int_equal(text_parse_time(SLICE_NONE, &ns), PAWL_EPARSE);
	assert_int_equal(ns, 5);
}

static void durations_are_read(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} table[] = {
		{ "0", 0 },           { "90", 90000 },      { "90s", 90000 },
		{ "1m30s", 90000 },   { "250ms", 250 },     { "24h", 86400000 },
		{ "7d", 604800000 },  { "1d1ms", 86400001 }, { "1d2h3m4s5ms", 93784005 },
		{ "0s", 0 },          { "007", 7000 },      { "9223372036854775807ms", INT64_MAX },
		{ "100m", 6000000 },  { "106751991167d", INT64_C(9223372036828800000) },
	};
	int64_t ms;
	(void)state;
	for (size_t i = 0; i < LENGTH(table); i++) {
		assert_int_equal(text_parse_duration(slice_of(table[i].text), &ms), 0);
		assert_int_equal(ms, table[i].ms);
	}
}

static void other_durations_are_refused(void **state)
{
	static const char *const table[] = {
		"", " ", "s", "-1", "+1", "1.5h", "1 s", "1s ", "1h 2m", "1x", "1S", "1m30", "1s1m", "1s1s", "1ms1s",
		"1msm",
		"m1", "9223372036854775808ms", "9223372036854775807ms1", "106751991168d", "9223372036854776",
		"18446744073709551616", "99999999999999999999s", "9223372036854775s808ms",
	};
	int64_t ms = 5;
	(void)state;
	for (size_t i = 0; i < LENGTH(table); i++)
		assert_int_equal(text_parse_duration(slice_of(table[i]), &ms), PAWL_EPARSE);
	assert_int_equal(text_parse_duration(SLICE_NONE, &ms), PAWL_EPARSE);
	assert_int_equal(ms, 5);
}

static void durations_are_told_in_two_units(void **state)
{
	static const struct {
		int64_t ms;
		const char *text;
	} table[] = {
		{ 0, "0ms" },          { 250, "250ms" },        { 999, "999ms" },      { 1000, "1s" },
		{ 1099, "1s" },        { 3200, "3.2s" },        { 59999, "59.9s" },    { 60000, "1m" },
		{ 61999, "1m 1s" },    { 3600000, "1h" },       { 3720000, "1h 2m" },  { 3659000, "1h" },
		{ 86400000, "1d" },    { 176400000, "2d 1h" },  { -250, "-250ms" },    { -3720000, "-1h 2m" },
		{ INT64_MAX, "106751991167d 7h" }, { INT64_MIN, "-106751991167d 7h" },
	};
	char out[TEXT_TIME_SIZE];
	(void)state;
	for (size_t i = 0; i < LENGTH(table); i++) {
		text_duration(out, table[i].ms);
		assert_string_equal(out, table[i].text);
	}
}

static void sizes_are_read(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} table[] = {
		{ "0", 0 },           { "64", 64 },          { "32KiB", 32768 },      { "4MiB", 4194304 },
		{ "1GiB", 1u << 30 }, { "1K", 1024 },        { "1KB", 1024 },         { "1M", 1048576 },
		{ "1MB", 1048576 },   { "2G", UINT64_C(2) << 30 }, { "2GB", UINT64_C(2) << 30 },
		{ "18446744073709551615", UINT64_MAX },      { "17179869183G", UINT64_C(17179869183) << 30 },
	};
	uint64_t bytes;
	(void)state;
	for (size_t i = 0; i < LENGTH(table); i++) {
		assert_int_equal(text_parse_size(slice_of(table[i].text), &bytes), 0);
		assert_int_equal(bytes, table[i].bytes);
	}
}

static void other_sizes_are_refused(void **state)
{
	static const char *const table[] = { "",   "K",   "-1",  "+1",   "1.5K", "1 K",  "1k", "1B", "1T",
					     "1Ki", "1KiBs", "0x10", "17179869184G", "18446744073709551616" };
	uint64_t bytes = 5;
	(void)state;
	for (size_t i = 0; i < LENGTH(table); i++)
		assert_int_equal(text_parse_size(slice_of(table[i]), &bytes), PAWL_EPARSE);
	assert_int_equal(bytes, 5);
}

static void numbers_are_digits_only(void **state)
{
	static const char *const refused[] = { "", " 1", "1 ", "+1", "-1", "0x1", "1e3", "18446744073709551616",
					       "99999999999999999999", "184467440737095516150" };
	uint64_t n = 5;
	(void)state;
	for (size_t i = 0; i < LENGTH(refused); i++)
		assert_int_equal(text_parse_u64(slice_of(refused[i]), &n), PAWL_EPARSE);
	assert_int_equal(text_parse_u64(SLICE("1\0"), &n), PAWL_EPARSE);
	assert_int_equal(text_parse_u64(SLICE_NONE, &n), PAWL_EPARSE);
	assert_int_equal(n, 5);
	assert_int_equal(text_parse_u64(SLICE("18446744073709551615"), &n), 0);
	assert_true(n == UINT64_MAX);
	assert_int_equal(text_parse_u64(SLICE("0010"), &n), 0);
	assert_int_equal(n, 10);
}

static void hex_is_eight_lower_case_digits(void **state)
{
	static const char *const refused[] = {
		"", "1234567", "123456789", "0x123456", "1234567G", "1234567A", " 1234567",
	};
	uint32_t n = 5;
	(void)state;
	for (size_t i = 0; i < LENGTH(refused); i++)
		assert_int_equal(text_parse_hex32(slice_of(refused[i]), &n), PAWL_EPARSE);
	assert_int_equal(n, 5);
	assert_int_equal(text_parse_hex32(SLICE("e3069283"), &n), 0);
	assert_int_equal(n, 0xe3069283);
	assert_int_equal(text_parse_hex32(SLICE("ffffffff"), &n), 0);
	assert_int_equal(n, 0xffffffff);
}

static void utf8_of_every_length_is_known(void **state)
{
	static const char *const good[] = {
		"", "plain ascii that is long enough for words", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80",
		"\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf",
		"12345678\xe2\x82\xac 12345678", "1234567\xe2\x82\xac",
	};
	(void)state;
	for (size_t i = 0; i < LENGTH(good); i++)
		assert_true(text_is_utf8(slice_of(good[i])));
	assert_true(text_is_utf8(SLICE("a\0b")));
	assert_true(text_is_utf8(SLICE_NONE));
}

static void broken_utf8_is_found_at_any_place(void **state)
{
	static const char *const bad[] = {
		"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x41", "\xe0\x9f\xbf", "\xe0\xa0", "\xe2\x82\x41",
		"\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf", "\xf0\x90\x80", "\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80",
		"\xfe", "\xff", "\xf8\x88\x80\x80\x80", "\xe2\x28\xa1", "\xf0\x90\x28\xbc",
	};
	char text[64];
	(void)state;
	for (size_t i = 0; i < LENGTH(bad); i++) {
		for (int before = 0; before < 20; before++) {
			int n = snprintf(text, sizeof(text), "%0*d%s", before + 1, 0, bad[i]);
			assert_false(text_is_utf8(slice_make(text, (size_t)n)));
			n = snprintf(text, sizeof(text), "%s%0*d", bad[i], before + 1, 0);
			assert_false(text_is_utf8(slice_make(text, (size_t)n)));
		}
	}
}

static void a_cut_is_marked_where_a_character_ends(void **state)
{
	char text[] = "ab\xe2\x82\xac" "defg", small[] = "abc";
	(void)state;
	text_mark_cut(text, 8); /* the cut falls into the euro sign */
	assert_string_equal(text, "ab...");
	text_mark_cut(small, sizeof(small));
	assert_string_equal(small, "...");
	text_mark_cut(small, 3);
	assert_string_equal(small, "");
	text_mark_cut(small, 0);
}

static void base64_follows_the_rfc(void **state)
{
	static const char *const table[][2] = {
		{ "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" }, { "\xfb\xff\xbf", "+/+/" },
	};
	struct buf b = BUF_INIT;
	(void)state;
	for (size_t i = 0; i < LENGTH(table); i++) {
		buf_reset(&b);
		text_base64(&b, slice_of(table[i][0]));
		assert_string_equal(buf_str(&b), table[i][1]);
		buf_reset(&b);
		assert_int_equal(text_unbase64(&b, slice_of(table[i][1])), 0);
		assert_string_equal(buf_str(&b), table[i][0]);
	}
	buf_release(&b);
}

static void base64_of_all_bytes_comes_back(void **state)
{
	struct buf text = BUF_INIT, back = BUF_INIT;
	unsigned char bytes[256];
	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)i;
	for (size_t len = 0; len <= sizeof(bytes); len++) {
		buf_reset(&text);
		buf_reset(&back);
		text_base64(&text, slice_make(bytes, len));
		assert_int_equal(text.len, (len + 2) / 3 * 4);
		assert_int_equal(text_unbase64(&back, buf_slice(&text)), 0);
		assert_int_equal(back.len, len);
		if (len)
			assert_memory_equal(back.data, bytes, len);
	}
	buf_release(&text);
	buf_release(&back);
}

static void other_base64_is_refused_and_adds_nothing(void **state)
{
	static const char *const table[] = { "Z", "Zg", "Zg=", "Zh==", "Zm9=", "====", "Z===", "Zg==Zg==", "Zm9v\n",
					     "Zm 9", "Zm-_", "Zg=v", "=m9v", "Zm9vZm9v!m9v", "Zm9vYg=", "\xc3\xa9m9" };
	struct buf b = BUF_INIT;
	(void)state;
	buf_adds(&b, "kept");
	for (size_t i = 0; i < LENGTH(table); i++) {
		assert_int_equal(text_unbase64(&b, slice_of(table[i])), PAWL_EPARSE);
		assert_string_equal(buf_str(&b), "kept");
	}
	b.failed = true;
	assert_int_equal(text_unbase64(&b, SLICE("Zm9v")), PAWL_ENOMEM);
	text_base64(&b, SLICE("foo"));
	assert_string_equal(buf_str(&b), "kept");
	buf_release(&b);
}

typedef bool name_fn(struct slice s);

struct name_case {
	const char *text;
	bool instance, event, type, version, key;
};

static void names_keep_to_their_alphabets(void **state)
{
	static const struct name_case table[] = {
		{ "", false, false, false, false, false },       { "a", true, true, true, true, true },
		{ "7", true, true, true, true, true },           { "order-1_a:B", true, true, true, false, true },
		{ "-a", false, false, false, true, true },       { "_a", false, false, false, true, true },
		{ ":a", false, false, false, false, true },      { ".", false, false, false, false, false },
		{ "..", false, false, false, false, false },     { "...", false, false, false, true, false },
		{ "1.0.0-rc.1+b", false, false, false, true, false },
		{ "1.0", false, false, true, true, false },      { "a/b", false, false, true, false, false },
		{ "a/b.c/d", false, false, true, false, false }, { "/a", false, false, false, false, false },
		{ "a/", false, false, false, false, false },     { "a//b", false, false, false, false, false },
		{ "a/./b", false, false, false, false, false },  { "a/../b", false, false, false, false, false },
		{ "a/..", false, false, false, false, false },   { "a/...", false, false, true, false, false },
		{ "a/..b", false, false, true, false, false },   { "a b", false, false, false, false, false },
		{ "a\n", false, false, false, false, false },    { "a*", false, false, false, false, false },
		{ "\xc3\xa9", false, false, false, false, false }, { "a\\b", false, false, false, false, false },
		{ "a@b", false, false, false, false, false },    { "a+b", false, false, false, true, false },
	};
	(void)state;
	for (size_t i = 0; i < LENGTH(table); i++) {
		struct slice s = slice_of(table[i].text);
		assert_int_equal(text_is_instance_id(s), table[i].instance);
		assert_int_equal(text_is_event_name(s), table[i].event);
		assert_int_equal(text_is_type_name(s), table[i].type);
		assert_int_equal(text_is_version(s), table[i].version);
		assert_int_equal(text_is_key(s), table[i].key);
	}
}

static void names_keep_to_their_lengths(void **state)
{
	static const struct {
		name_fn *fn;
		size_t max;
	} table[] = { { text_is_instance_id, 128 }, { text_is_event_name, 64 }, { text_is_type_name, 128 },
		      { text_is_version, 64 }, { text_is_key, 64 } };
	char text[200];
	(void)state;
	memset(text, 'a', sizeof(text));
	for (size_t i = 0; i < LENGTH(table); i++) {
		for (size_t len = 0; len <= sizeof(text); len++)
			assert_int_equal(table[i].fn(slice_make(text, len)), len >= 1 && len <= table[i].max);
		assert_false(table[i].fn(SLICE_NONE));
		assert_false(table[i].fn(SLICE("a\0b")));
		assert_false(table[i].fn(SLICE("ab\0")));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_are_written_in_utc),
		cmocka_unit_test(the_first_and_last_nanosecond_can_be_written),
		cmocka_unit_test(written_times_are_read_back),
		cmocka_unit_test(every_day_of_600_years_goes_there_and_back),
		cmocka_unit_test(offsets_and_fractions_are_read),
		cmocka_unit_test(other_times_are_refused),
		cmocka_unit_test(durations_are_read),
		cmocka_unit_test(other_durations_are_refused),
		cmocka_unit_test(durations_are_told_in_two_units),
		cmocka_unit_test(sizes_are_read),
		cmocka_unit_test(other_sizes_are_refused),
		cmocka_unit_test(numbers_are_digits_only),
		cmocka_unit_test(hex_is_eight_lower_case_digits),
		cmocka_unit_test(utf8_of_every_length_is_known),
		cmocka_unit_test(broken_utf8_is_found_at_any_place),
		cmocka_unit_test(a_cut_is_marked_where_a_character_ends),
		cmocka_unit_test(base64_follows_the_rfc),
		cmocka_unit_test(base64_of_all_bytes_comes_back),
		cmocka_unit_test(other_base64_is_refused_and_adds_nothing),
		cmocka_unit_test(names_keep_to_their_alphabets),
		cmocka_unit_test(names_keep_to_their_lengths),
	};
	return cmocka_run_group_tests_name("base/text", tests, NULL, NULL);
}
