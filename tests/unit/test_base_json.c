#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
	const char *text;
	enum json_type type;
} valid[] = {
	{ "null", JSON_NULL },
	{ "true", JSON_TRUE },
	{ "false", JSON_FALSE },
	{ " \t\r\n 1 \n", JSON_NUMBER },
	{ "0", JSON_NUMBER },
	{ "-0", JSON_NUMBER },
	{ "1.5", JSON_NUMBER },
	{ "-12.0e10", JSON_NUMBER },
	{ "1E+2", JSON_NUMBER },
	{ "1e-2", JSON_NUMBER },
	{ "123456789012345678901234567890", JSON_NUMBER },
	{ "\"\"", JSON_STRING },
	{ "\"a\"", JSON_STRING },
	{ "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", JSON_STRING },
	{ "\"\\u0000\\u00e9\\uABCD\\uabcd\"", JSON_STRING },
	{ "\"\\ud83d\\ude00 \\uDBFF\\uDFFF\"", JSON_STRING },
	{ "\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \x7f\"", JSON_STRING },
	{ "\"a string that is longer than a few words of eight bytes\"", JSON_STRING },
	{ "[]", JSON_ARRAY },
	{ "[ ]", JSON_ARRAY },
	{ "[1,2 , 3]", JSON_ARRAY },
	{ "[[],{},[[]],\"]\"]", JSON_ARRAY },
	{ "{}", JSON_OBJECT },
	{ "{ }", JSON_OBJECT },
	{ "{\"\":0}", JSON_OBJECT },
	{ "{\"a\":1,\"a\":2}", JSON_OBJECT },
	{ " { \"a\" : [ { \"b\" : null } , true ] , \"c\" : \"}\" } ", JSON_OBJECT },
};

static const char *const invalid[] = {
	"", " ", "nul", "nulll", "True", "tru", "fals", "NaN", "Infinity", "-Infinity", "undefined", "'a'", "a",
	/* numbers */
	"-", "+1", "01", "-01", "00", "1.", ".5", "-.5", "1.e3", "1e", "1e+", "1e1.5", "0x10", "1_000", "1,", "--1",
	"1 2", "\xd9\xa1",
	/* strings */
	"\"", "\"a", "\"a\"\"", "\"\\\"", "\"\\x41\"", "\"\\a\"", "\"\\'\"", "\"\\u\"", "\"\\u12\"", "\"\\u123\"",
	"\"\\u123g\"",
	"\"\\U0041\"", "\"\n\"", "\"\t\"", "\"\x1f\"", "\"long enough for one word \x01\"", "\"\\\n\"",
	/* lone surrogates */
	"\"\\ud800\"", "\"\\udc00\"", "\"\\udbffx\"", "\"\\ud800\\n\"", "\"\\ud800\\ud800\"", "\"\\ud800\\u0041\"",
	"\"\\udc00\\ud800\"", "\"\\ud800\\udc0\"",
	/* not UTF-8 */
	"\"\x80\"", "\"\xc0\xaf\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"\xc3\"",
	"\"long enough for a word \xff\"",
	"\"\xc3\\u00a9\"", "\xef\xbb\xbf{}",
	/* brackets */
	"[", "]", "[1", "[1,", "[1,]", "[,1]", "[,]", "[1 2]", "[1,,2]", "[}", "[1}", "{]", "[[]", "[]]", "[1]]", "[1[",
	"[{]", "[}]",
	"{", "}", "{1:2}", "{\"a\"}", "{\"a\":}", "{\"a\" 1}", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "{,}",
	"{\"a\":1 \"b\":2}",
	"{\"a\",1}", "{a:1}", "{'a':1}", "{\"a\":1}}", "{\"a\":1]", "{\"a\"::1}", "{\"a\":1:2}", "{null:1}", "{[]:1}",
	/* behind the end */
	"{} x", "{}{}", "[],", "null,", "1}", "\"a\"b", "{}//", "/**/{}", "{}\v", "{}\f",
};

static void valid_texts_are_accepted_with_their_type(void **state)
{
	(void)state;
	for (size_t i = 0; i < LENGTH(valid); i++) {
		enum json_type type = JSON_NULL;
		size_t offset = 77;
		assert_int_equal(json_check(slice_of(valid[i].text), &type, &offset), 0);
		assert_int_equal(type, valid[i].type);
		assert_int_equal(offset, 77);
	}
}

static void invalid_texts_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < LENGTH(invalid); i++) {
		enum json_type type = JSON_TRUE;
		size_t offset = SIZE_MAX;
		if (json_check(slice_of(invalid[i]), &type, &offset) != PAWL_EPARSE)
			fail_msg("accepted: %s", invalid[i]);
		assert_int_equal(type, JSON_TRUE);
		assert_true(offset <= strlen(invalid[i]));
	}
	assert_int_equal(json_check(SLICE_NONE, NULL, NULL), PAWL_EPARSE);
	assert_int_equal(json_check(SLICE("\"\0\""), NULL, NULL), PAWL_EPARSE);
	assert_int_equal(json_check(SLICE("\"\\\0\""), NULL, NULL), PAWL_EPARSE);
	assert_int_equal(json_check(SLICE("1\0"), NULL, NULL), PAWL_EPARSE);
	assert_int_equal(json_check(SLICE("\0"), NULL, NULL), PAWL_EPARSE);
}

static int read_all(struct slice in, char bracket, struct arena *arena, size_t *members);

/* Inside an array and an object, as a value that is skipped, the same is accepted and refused. */
static void the_reader_judges_nested_values_like_the_check(void **state)
{
	struct arena a;
	struct buf b = BUF_INIT;
	size_t members;
	(void)state;
	arena_init(&a, 0);
	for (size_t i = 0; i < LENGTH(valid) + LENGTH(invalid); i++) {
		bool good = i < LENGTH(valid);
		const char *text = good ? valid[i].text : invalid[i - LENGTH(valid)];
		buf_reset(&b);
		buf_addf(&b, "[[[%s]]]", text);
		bool same = json_check(buf_slice(&b), NULL, NULL) == 0;
		assert_int_equal(read_all(buf_slice(&b), '[', &a, &members), same ? 0 : PAWL_EPARSE);
		if (good)
			assert_true(same);
		buf_reset(&b);
		buf_addf(&b, "{\"x\":{\"y\":%s}}", text);
		same = json_check(buf_slice(&b), NULL, NULL) == 0;
		assert_int_equal(read_all(buf_slice(&b), '{', &a, &members), same ? 0 : PAWL_EPARSE);
		if (good)
			assert_true(same);
	}
	buf_release(&b);
	arena_release(&a);
}

static void the_offset_tells_where_it_went_wrong(void **state)
{
	static const struct {
		const char *text;
		size_t offset;
	} table[] = {
		{ "", 0 }, { "  x", 2 }, { "[1,]", 3 }, { "{\"a\":1,}", 7 }, { "{\"a\" 1}", 5 }, { "{} x", 3 },
		{ "\"ab\ncd\"", 3 },
		{ "[\"a\\q\"]", 4 }, { "nulx", 3 }, { "[1", 2 }, { "[01]", 2 },
	};
	(void)state;
	for (size_t i = 0; i < LENGTH(table); i++) {
		size_t offset = SIZE_MAX;
		assert_int_equal(json_check(slice_of(table[i].text), NULL, &offset), PAWL_EPARSE);
		assert_int_equal(offset, table[i].offset);
	}
}

static struct slice nested(struct buf *b, unsigned depth, const char *open, const char *close)
{
	buf_reset(b);
	for (unsigned i = 0; i < depth; i++)
		buf_adds(b, open);
	buf_adds(b, "1");
	for (unsigned i = 0; i < depth; i++)
		buf_adds(b, close);
	return buf_slice(b);
}

static void nesting_goes_to_64_and_no_further(void **state)
{
	struct buf b = BUF_INIT;
	size_t offset, members;
	(void)state;
	assert_int_equal(json_check(nested(&b, 64, "[", "]"), NULL, NULL), 0);
	assert_int_equal(read_all(buf_slice(&b), '[', NULL, &members), 0);
	assert_int_equal(json_check(nested(&b, 65, "[", "]"), NULL, &offset), PAWL_EPARSE);
	assert_int_equal(offset, 64);
	assert_int_equal(read_all(buf_slice(&b), '[', NULL, &members), PAWL_EPARSE);
	assert_int_equal(json_check(nested(&b, 64, "{\"a\":", "}"), NULL, NULL), 0);
	assert_int_equal(read_all(buf_slice(&b), '{', NULL, &members), 0);
	assert_int_equal(json_check(nested(&b, 65, "{\"a\":", "}"), NULL, NULL), PAWL_EPARSE);
	assert_int_equal(read_all(buf_slice(&b), '{', NULL, &members), PAWL_EPARSE);
	assert_int_equal(json_check(nested(&b, 32, "[{\"a\":", "}]"), NULL, NULL), 0);
	assert_int_equal(json_check(nested(&b, 32, "[{\"a\":", "]}"), NULL, NULL), PAWL_EPARSE);
	assert_int_equal(json_check(nested(&b, 100000, "[", "]"), NULL, NULL), PAWL_EPARSE);
	buf_release(&b);
}

static const char document[] =
	"{\"seq\":17,\"a\\u0062\":\"x\\n\\ud83d\\ude00y\",\"in\":{\"l\":[1,-2.5e3,{\"d\":[]}],\"o\":{}},"
	"\"t\":true,\"f\":false,\"n\":null,\"u\":\"\xe2\x82\xac\"}";

/* The copy has no byte behind its end, so that a sanitizer sees any look beyond. */
static void a_text_cut_at_any_byte_is_refused(void **state)
{
	struct arena a;
	size_t members;
	(void)state;
	arena_init(&a, 0);
	for (size_t len = 0; len < sizeof(document) - 1; len++) {
		char *copy = malloc(len ? len : 1);
		assert_non_null(copy);
		memcpy(copy, document, len);
		struct slice in = slice_make(copy, len);
		assert_int_equal(json_check(in, NULL, NULL), PAWL_EPARSE);
		assert_int_equal(read_all(in, '{', &a, &members), PAWL_EPARSE);
		free(copy);
	}
	arena_release(&a);
}

/* Any byte changed to any other: no crash, and reader and check agree. */
static void reader_and_check_agree_on_damaged_texts(void **state)
{
	struct arena a;
	size_t members;
	(void)state;
	arena_init(&a, 0);
	for (size_t at = 1; at < sizeof(document) - 1; at++) {
		for (int byte = 0; byte < 256; byte++) {
			char copy[sizeof(document)];
			memcpy(copy, document, sizeof(copy));
			copy[at] = (char)byte;
			struct slice in = slice_make(copy, sizeof(copy) - 1);
			assert_int_equal(read_all(in, '{', &a, &members), json_check(in, NULL, NULL));
		}
		arena_release(&a);
	}
}

static int read_all(struct slice in, char bracket, struct arena *arena, size_t *members)
{
	struct json_reader r;
	struct json_value value;
	struct slice key;
	int rc = json_open(&r, in, bracket, arena);

	*members = 0;
	if (rc < 0)
		return rc;
	while ((rc = json_next(&r, &key, &value)) > 0)
		++*members;
	assert_int_equal(json_next(&r, &key, &value), rc); /* end and errors stay */
	return rc;
}

static void next_is(struct json_reader *r, const char *key, enum json_type type, const char *raw, const char *text)
{
	struct json_value value;
	struct slice name;
	assert_int_equal(json_next(r, &name, &value), 1);
	assert_true(slice_eq(name, slice_of(key)));
	assert_int_equal(value.type, type);
	assert_true(slice_is(value.raw, raw));
	assert_true(slice_is(value.text, text));
}

static void members_are_read_one_by_one(void **state)
{
	struct arena a;
	struct json_reader r;
	(void)state;
	arena_init(&a, 0);
	assert_int_equal(json_open(&r, slice_of(document), '{', &a), 0);
	next_is(&r, "seq", JSON_NUMBER, "17", "17");
	next_is(&r, "ab", JSON_STRING, "\"x\\n\\ud83d\\ude00y\"", "x\n\xf0\x9f\x98\x80y");
	const char *in = "{\"l\":[1,-2.5e3,{\"d\":[]}],\"o\":{}}";
	next_is(&r, "in", JSON_OBJECT, in, in);
	next_is(&r, "t", JSON_TRUE, "true", "true");
	next_is(&r, "f", JSON_FALSE, "false", "false");
	next_is(&r, "n", JSON_NULL, "null", "null");
	next_is(&r, "u", JSON_STRING, "\"\xe2\x82\xac\"", "\xe2\x82\xac");
	assert_int_equal(json_next(&r, NULL, NULL), 0);
	assert_int_equal(json_next(&r, NULL, NULL), 0);
	arena_release(&a);
}

static void elements_have_no_key(void **state)
{
	struct json_reader r;
	(void)state;
	assert_int_equal(json_open(&r, SLICE(" [ 1 , \"a\" , [ 2 ] ] "), '[', NULL), 0);
	next_is(&r, NULL, JSON_NUMBER, "1", "1");
	next_is(&r, NULL, JSON_STRING, "\"a\"", "a");
	next_is(&r, NULL, JSON_ARRAY, "[ 2 ]", "[ 2 ]");
	assert_int_equal(json_next(&r, NULL, NULL), 0);
}

static void a_nested_value_is_opened_with_a_second_reader(void **state)
{
	struct json_reader outer, inner;
	struct json_value value;
	(void)state;
	assert_int_equal(json_open(&outer, SLICE("{\"a\":[1,{\"b\":2}]}"), '{', NULL), 0);
	assert_int_equal(json_next(&outer, NULL, &value), 1);
	assert_int_equal(json_open(&inner, value.raw, '[', NULL), 0);
	next_is(&inner, NULL, JSON_NUMBER, "1", "1");
	next_is(&inner, NULL, JSON_OBJECT, "{\"b\":2}", "{\"b\":2}");
	assert_int_equal(json_next(&inner, NULL, &value), 0);
	assert_int_equal(json_next(&outer, NULL, &value), 0);
}

static void plain_strings_are_not_copied(void **state)
{
	static const char in[] = "{\"key\":\"value\"}";
	struct json_reader r;
	struct json_value value;
	struct slice key;
	(void)state;
	assert_int_equal(json_open(&r, slice_of(in), '{', NULL), 0);
	assert_int_equal(json_next(&r, &key, &value), 1);
	assert_ptr_equal(key.data, in + 2);
	assert_ptr_equal(value.text.data, in + 8);
}

static void escapes_are_decoded(void **state)
{
	struct arena a;
	struct json_reader r;
	(void)state;
	arena_init(&a, 0);
	static const char in[] = "[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\","
				 "\"\\u0041\\u00e9\\u20aC\\uD83d\\uDe00\",\"\\udbff\\udfff\","
				 "\"\\u007f\\u0080\\u07ff\\u0800\\uffff\\ud800\\udc00\"]";
	assert_int_equal(json_open(&r, slice_of(in), '[', &a), 0);
	next_is(&r, NULL, JSON_STRING, "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t");
	next_is(&r, NULL, JSON_STRING, "\"\\u0041\\u00e9\\u20aC\\uD83d\\uDe00\"",
		"A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
	next_is(&r, NULL, JSON_STRING, "\"\\udbff\\udfff\"", "\xf4\x8f\xbf\xbf");
	next_is(&r, NULL, JSON_STRING, "\"\\u007f\\u0080\\u07ff\\u0800\\uffff\\ud800\\udc00\"",
		"\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf0\x90\x80\x80");
	arena_release(&a);
}

static void an_escaped_nul_is_a_byte_of_the_text(void **state)
{
	struct arena a;
	struct json_reader r;
	struct json_value value;
	(void)state;
	arena_init(&a, 0);
	assert_int_equal(json_open(&r, SLICE("[\"a\\u0000b\"]"), '[', &a), 0);
	assert_int_equal(json_next(&r, NULL, &value), 1);
	assert_true(slice_eq(value.text, SLICE("a\0b")));
	arena_release(&a);
}

static void a_full_arena_is_out_of_memory_not_a_parse_error(void **state)
{
	struct arena a;
	size_t members;
	(void)state;
	arena_init(&a, 8);
	assert_int_equal(read_all(SLICE("{\"k\":\"0123456789\\n\"}"), '{', &a, &members), PAWL_ENOMEM);
	assert_int_equal(read_all(SLICE("{\"0123456789\\n\":1}"), '{', &a, &members), PAWL_ENOMEM);
	assert_int_equal(read_all(SLICE("{\"k\":\"0123456789\"}"), '{', &a, &members), 0);
	assert_int_equal(read_all(SLICE("{\"k\":{\"n\":\"0123456789\\n\"}}"), '{', &a, &members), 0);
	assert_int_equal(read_all(SLICE("[\"\\n\"]"), '[', NULL, &members), PAWL_ENOMEM);
	arena_release(&a);
}

static void outputs_of_the_reader_stay_when_it_fails(void **state)
{
	struct json_reader r;
	struct json_value value;
	struct slice key = SLICE("before");
	(void)state;
	assert_int_equal(json_open(&r, SLICE("{\"a\":nul}"), '{', NULL), 0);
	assert_int_equal(json_next(&r, &key, &value), PAWL_EPARSE);
	assert_true(slice_is(key, "before"));
}

static void open_wants_the_bracket_it_was_told(void **state)
{
	struct json_reader r;
	(void)state;
	assert_int_equal(json_open(&r, SLICE("[]"), '{', NULL), PAWL_EPARSE);
	assert_int_equal(json_open(&r, SLICE("{}"), '[', NULL), PAWL_EPARSE);
	assert_int_equal(json_open(&r, SLICE("1"), '1', NULL), PAWL_EPARSE);
	assert_int_equal(json_open(&r, SLICE(""), '{', NULL), PAWL_EPARSE);
	assert_int_equal(json_open(&r, SLICE_NONE, '{', NULL), PAWL_EPARSE);
}

static void garbage_behind_the_end_is_an_error(void **state)
{
	size_t members;
	(void)state;
	assert_int_equal(read_all(SLICE("{\"a\":1} x"), '{', NULL, &members), PAWL_EPARSE);
	assert_int_equal(members, 1);
	assert_int_equal(read_all(SLICE("[]]"), '[', NULL, &members), PAWL_EPARSE);
	assert_int_equal(read_all(SLICE("[] \r\n\t"), '[', NULL, &members), 0);
}

static void strings_are_written_with_the_fewest_escapes(void **state)
{
	static const char *const table[][2] = {
		{ "", "\"\"" },
		{ "plain text that is longer than eight bytes", "\"plain text that is longer than eight bytes\"" },
		{ "a\"b\\c/d", "\"a\\\"b\\\\c/d\"" },
		{ "\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\"" },
		{ "\x01\x1f\x7f", "\"\\u0001\\u001f\x7f\"" },
		{ "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 \xe2\x80\xa8",
		  "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 \xe2\x80\xa8\"" },
		{ "\"\"\"\"\"\"\"\"\"\"", "\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\"" },
	};
	struct buf b = BUF_INIT;
	(void)state;
	for (size_t i = 0; i < LENGTH(table); i++) {
		buf_reset(&b);
		json_add_string(&b, slice_of(table[i][0]));
		assert_string_equal(buf_str(&b), table[i][1]);
	}
	buf_reset(&b);
	json_add_string(&b, SLICE("a\0b"));
	assert_string_equal(buf_str(&b), "\"a\\u0000b\"");
	buf_reset(&b);
	json_add_string(&b, SLICE_NONE);
	assert_string_equal(buf_str(&b), "null");
	buf_release(&b);
}

static void every_written_character_is_read_back_at_every_place(void **state)
{
	struct buf b = BUF_INIT;
	struct arena a;
	struct json_reader r;
	struct json_value value;
	(void)state;
	arena_init(&a, 0);
	for (int c = 0; c < 128; c++) {
		for (size_t at = 0; at < 20; at++) {
			char text[20];
			memset(text, 'x', sizeof(text));
			text[at] = (char)c;
			buf_reset(&b);
			buf_addc(&b, '[');
			json_add_string(&b, slice_make(text, sizeof(text)));
			buf_addc(&b, ']');
			assert_int_equal(json_open(&r, buf_slice(&b), '[', &a), 0);
			assert_int_equal(json_next(&r, NULL, &value), 1);
			assert_true(slice_eq(value.text, slice_make(text, sizeof(text))));
			assert_int_equal(json_next(&r, NULL, &value), 0);
		}
	}
	arena_release(&a);
	buf_release(&b);
}

static void members_are_written_with_commas_between(void **state)
{
	struct buf b = BUF_INIT;
	(void)state;
	buf_adds(&b, "{");
	json_add_member(&b, "a", SLICE("{"));
	json_add_member_u64(&b, "u", UINT64_MAX);
	json_add_member_i64(&b, "i", INT64_MIN);
	json_add_member(&b, "q\"", SLICE_NONE);
	json_add_key(&b, "o");
	buf_adds(&b, "{");
	json_add_member_u64(&b, "x", 0);
	buf_adds(&b, "}}");
	assert_string_equal(buf_str(&b),
			    "{\"a\":\"{\",\"u\":18446744073709551615,\"i\":-9223372036854775808,\"q\\\"\":null,"
			    "\"o\":{\"x\":0}}");
	assert_int_equal(json_check(buf_slice(&b), NULL, NULL), 0);
	buf_reset(&b);
	json_add_key(&b, "first");
	assert_string_equal(buf_str(&b), "\"first\":");
	buf_release(&b);
}

static void writing_into_a_failed_buffer_changes_nothing(void **state)
{
	struct buf b = BUF_INIT;
	(void)state;
	buf_adds(&b, "{");
	b.failed = true;
	json_add_member(&b, "a", SLICE("b\n"));
	json_add_member_u64(&b, "c", 1);
	assert_string_equal(buf_str(&b), "{");
	assert_false(buf_ok(&b));
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(valid_texts_are_accepted_with_their_type),
		cmocka_unit_test(invalid_texts_are_refused),
		cmocka_unit_test(the_reader_judges_nested_values_like_the_check),
		cmocka_unit_test(the_offset_tells_where_it_went_wrong),
		cmocka_unit_test(nesting_goes_to_64_and_no_further),
		cmocka_unit_test(a_text_cut_at_any_byte_is_refused),
		cmocka_unit_test(reader_and_check_agree_on_damaged_texts),
		cmocka_unit_test(members_are_read_one_by_one),
		cmocka_unit_test(elements_have_no_key),
		cmocka_unit_test(a_nested_value_is_opened_with_a_second_reader),
		cmocka_unit_test(plain_strings_are_not_copied),
		cmocka_unit_test(escapes_are_decoded),
		cmocka_unit_test(an_escaped_nul_is_a_byte_of_the_text),
		cmocka_unit_test(a_full_arena_is_out_of_memory_not_a_parse_error),
		cmocka_unit_test(outputs_of_the_reader_stay_when_it_fails),
		cmocka_unit_test(open_wants_the_bracket_it_was_told),
		cmocka_unit_test(garbage_behind_the_end_is_an_error),
		cmocka_unit_test(strings_are_written_with_the_fewest_escapes),
		cmocka_unit_test(every_written_character_is_read_back_at_every_place),
		cmocka_unit_test(members_are_written_with_commas_between),
		cmocka_unit_test(writing_into_a_failed_buffer_changes_nothing),
	};
	return cmocka_run_group_tests_name("base/json", tests, NULL, NULL);
}
