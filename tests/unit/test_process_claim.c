/* test_process_claim.c - the file `claim`, whole, torn, scribbled over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/process_impl.h"

#define BOOT "01234567-89ab-cdef-0123-456789abcdef"
#define FIRST "attempt 2\nboot " BOOT "\npidns 4026531836\nshim 4711 123456\nactivity 4712 123457\nbegan 1000\n"
#define SECOND "message could not open\noutput 12\nusage 1 2 3\nended 2500\nend\n"
#define WHOLE FIRST "outcome exit 3\n" SECOND

static int parse(struct claim *c, const char *text)
{
	/* exactly as long as the text, so that a sanitizer sees a look behind it */
	size_t len = strlen(text);
	char *copy = malloc(len ? len : 1);

	assert_non_null(copy);
	memcpy(copy, text, len);
	int r = claim_parse(c, slice_make(copy, len));
	free(copy);
	return r;
}

static void test_a_whole_claim_is_read(void **state)
{
	struct claim c;

	(void)state;
	assert_int_equal(parse(&c, WHOLE), 0);
	assert_int_equal(c.attempt, 2);
	assert_string_equal(c.boot_id, BOOT);
	assert_int_equal(c.pidns, 4026531836);
	assert_int_equal(c.shim.pid, 4711);
	assert_int_equal(c.shim.start_ticks, 123456);
	assert_int_equal(c.activity.pid, 4712);
	assert_int_equal(c.activity.start_ticks, 123457);
	assert_int_equal(c.began_ms, 1000);
	assert_int_equal(c.end, CLAIM_EXIT);
	assert_int_equal(c.number, 3);
	assert_string_equal(c.message, "could not open");
	assert_int_equal(c.output_len, 12);
	assert_int_equal(c.user_ms, 1);
	assert_int_equal(c.system_ms, 2);
	assert_int_equal(c.rss_kib, 3);
	assert_int_equal(c.ended_ms, 2500);
}

static void test_every_outcome_is_known(void **state)
{
	static const struct {
		const char *text;
		enum claim_end end;
		int number;
	} cases[] = {
		{ "exit 0", CLAIM_EXIT, 0 },         { "exit 255", CLAIM_EXIT, 255 },  { "signal 9", CLAIM_SIGNAL, 9 },
		{ "timeout", CLAIM_TIMEOUT, 0 },     { "output", CLAIM_OUTPUT, 0 },    { "heartbeat", CLAIM_HEARTBEAT, 0 },
		{ "canceled", CLAIM_CANCELED, 0 },   { "spawn 2", CLAIM_SPAWN, 2 },    { "setup 13", CLAIM_SETUP, 13 },
		{ "exit", CLAIM_OPEN, 0 },           { "exit 256", CLAIM_OPEN, 0 },    { "exit -1", CLAIM_OPEN, 0 },
		{ "exit 3 4", CLAIM_OPEN, 0 },       { "exit  3", CLAIM_OPEN, 0 },     { "signal 129", CLAIM_OPEN, 0 },
		{ "timeout 3", CLAIM_OPEN, 0 },      { "spawn", CLAIM_OPEN, 0 },       { "", CLAIM_OPEN, 0 },
		{ "exit 3x", CLAIM_OPEN, 0 },        { "vanished", CLAIM_OPEN, 0 },    { "spawn 5000", CLAIM_OPEN, 0 },
		{ "exit 99999999999999999999", CLAIM_OPEN, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct claim c;
		char text[512];
		snprintf(text, sizeof(text), FIRST "outcome %s\n" SECOND, cases[i].text);
		assert_int_equal(parse(&c, text), 0);
		assert_int_equal(c.end, cases[i].end);
		if (c.end != CLAIM_OPEN)
			assert_int_equal(c.number, cases[i].number);
	}
}

/* Whatever is cut off, it says no more than what is there: nothing, a first part, and all only with the last byte. */
static void test_a_torn_claim_says_no_more_than_is_there(void **state)
{
	struct claim c;

	(void)state;
	for (size_t len = 0; len <= strlen(WHOLE); len++) {
		char text[sizeof(WHOLE)];
		memcpy(text, WHOLE, len);
		text[len] = '\0';
		int r = parse(&c, text);
		assert_int_equal(r, len < strlen(FIRST) ? PAWL_EPARSE : 0);
		if (r == 0)
			assert_int_equal(c.end, len == strlen(WHOLE) ? CLAIM_EXIT : CLAIM_OPEN);
	}
}

static void test_blank_lines_are_skipped(void **state)
{
	char text[SHIM_CLAIM_BYTES + 2];
	struct claim c;

	(void)state;
	memset(text, '\n', sizeof(text));
	memcpy(text, FIRST, strlen(FIRST));
	text[SHIM_CLAIM_BYTES] = '\0';
	assert_int_equal(parse(&c, text), 0);
	assert_int_equal(c.end, CLAIM_OPEN);
	memcpy(text, WHOLE, strlen(WHOLE));
	assert_int_equal(parse(&c, text), 0);
	assert_int_equal(c.end, CLAIM_EXIT);
	text[SHIM_CLAIM_BYTES] = '\n'; /* one byte more than there can be */
	text[SHIM_CLAIM_BYTES + 1] = '\0';
	assert_int_equal(parse(&c, text), PAWL_EPARSE);
}

static void test_each_line_of_the_first_part_is_needed(void **state)
{
	static const char *const lines[] = { "attempt 2\n", "boot " BOOT "\n", "pidns 1\n", "shim 4711 1\n", "began 1000\n" };
	struct claim c;
	char text[512];

	(void)state;
	for (int missing = -1; missing < 5; missing++) {
		text[0] = '\0';
		for (int i = 0; i < 5; i++)
			if (i != missing)
				snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s", lines[i]);
		assert_int_equal(parse(&c, text), missing < 0 ? 0 : PAWL_EPARSE);
		assert_int_equal(c.activity.pid, 0);
	}
}

static void test_numbers_that_cannot_be_are_no_claim(void **state)
{
	static const char *const lines[] = {
		"attempt 4294967296\n", "attempt -1\n", "attempt\n", "attempt 1 2\n", "shim 2147483648 1\n", "shim 0 1\n",
		"shim 1\n", "shim -1 5\n", "shim 1 18446744073709551616\n", "activity x 1\n", "activity 2147483648 1\n",
		"boot 1234\n", "boot " BOOT "0\n", "boot \n", "began 9223372036854775808\n", "began\n", "pidns nothing\n",
	};
	struct claim c;
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		snprintf(text, sizeof(text), FIRST "%s", lines[i]);
		assert_int_equal(parse(&c, text), PAWL_EPARSE);
	}
}

static void test_a_second_part_that_is_not_whole_is_none(void **state)
{
	static const char *const parts[] = {
		"outcome exit 0\n", "outcome exit 0\nend", "outcome exit 0\nend\nmore\n", "outcome exit 0\noutput x\nend\n",
		"outcome exit 0\noutput 9223372036854775808\nend\n", "end\n", "output 3\nend\n", "outcome exit 0\nend \n",
		"outcome exit 0\nend 1\n", "outcome exit 0\n end\n",
	};
	struct claim c;
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		snprintf(text, sizeof(text), FIRST "%s", parts[i]);
		assert_int_equal(parse(&c, text), 0);
		assert_int_equal(c.end, CLAIM_OPEN);
	}
}

static void test_what_only_informs_may_be_wrong(void **state)
{
	struct claim c;

	(void)state;
	assert_int_equal(parse(&c, FIRST "outcome exit 0\nusage 1 x 3\nended later\nnews of tomorrow\nend\n"), 0);
	assert_int_equal(c.end, CLAIM_EXIT);
	assert_int_equal(c.user_ms, -1);
	assert_int_equal(c.rss_kib, -1);
	assert_int_equal(c.ended_ms, -1);
	assert_int_equal(c.output_len, -1);
	assert_string_equal(c.message, "");
}

static void test_a_message_can_always_be_shown(void **state)
{
	char text[800], words[401];
	struct claim c;

	(void)state;
	assert_int_equal(parse(&c, FIRST "outcome exit 1\nmessage a\033b\177c\td  e\nend\n"), 0);
	assert_string_equal(c.message, "a?b?c?d  e");
	assert_int_equal(parse(&c, FIRST "outcome exit 1\nmessage gr\303\274n\nend\n"), 0);
	assert_string_equal(c.message, "gr\303\274n");
	assert_int_equal(parse(&c, FIRST "outcome exit 1\nmessage gr\374n\nend\n"), 0);
	assert_string_equal(c.message, "gr?n");
	memset(words, 'x', 400);
	words[400] = '\0';
	snprintf(text, sizeof(text), FIRST "outcome exit 1\nmessage %s\nend\n", words);
	assert_int_equal(parse(&c, text), 0);
	assert_int_equal(strlen(c.message), SHIM_MESSAGE_MAX);
	assert_string_equal(c.message + SHIM_MESSAGE_MAX - 4, "x...");
}

static void test_garbage_is_no_claim(void **state)
{
	struct claim c;
	char text[SHIM_CLAIM_BYTES];
	uint32_t seed = 1;

	(void)state;
	assert_int_equal(parse(&c, ""), PAWL_EPARSE);
	assert_int_equal(claim_parse(&c, SLICE_NONE), PAWL_EPARSE);
	memset(text, 0, sizeof(text));
	assert_int_equal(claim_parse(&c, slice_make(text, sizeof(text))), PAWL_EPARSE);
	for (int round = 0; round < 2000; round++) {
		size_t len = strlen(WHOLE);
		memcpy(text, WHOLE, len);
		for (int i = 0; i < 3; i++) {
			seed = seed * 1103515245 + 12345;
			text[(seed >> 8) % len] = (char)(seed >> 24);
		}
		if (claim_parse(&c, slice_make(text, len)) == 0)
			assert_true(c.shim.pid > 0 && strlen(c.boot_id) <= 36 && strlen(c.message) <= SHIM_MESSAGE_MAX);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_whole_claim_is_read),
		cmocka_unit_test(test_every_outcome_is_known),
		cmocka_unit_test(test_a_torn_claim_says_no_more_than_is_there),
		cmocka_unit_test(test_blank_lines_are_skipped),
		cmocka_unit_test(test_each_line_of_the_first_part_is_needed),
		cmocka_unit_test(test_numbers_that_cannot_be_are_no_claim),
		cmocka_unit_test(test_a_second_part_that_is_not_whole_is_none),
		cmocka_unit_test(test_what_only_informs_may_be_wrong),
		cmocka_unit_test(test_a_message_can_always_be_shown),
		cmocka_unit_test(test_garbage_is_no_claim),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
