/* test_history_reader.c - whole histories: what is good, torn or damaged (I6). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "history/history.h"
#include "history_lines.h"
#include <stdio.h>
#include <stdlib.h>

/* Three turns of 3, 2 and 2 lines. */
static const char *const three_turns[] = {
	"{\"seq\":1," TIME "\"type\":\"ExecutionStarted\",\"name\":\"greet\",\"version\":\"1.0.0\","
	"\"seed\":\"0123456789abcdeffedcba9876543210\",\"input\":\"x\"}",
	"{\"seq\":2,\"type\":\"ActivityScheduled\",\"name\":\"hello\",\"input\":\"x\"}",
	"{\"seq\":3,\"type\":\"TimerCreated\",\"delay_ms\":1000}",
	"{\"seq\":4," TIME "\"type\":\"ActivityCompleted\",\"ref\":2,\"output\":\"hello\\n\"}",
	"{\"seq\":5,\"type\":\"CustomStatusSet\",\"status\":\"half\"}",
	"{\"seq\":6," TIME "\"type\":\"TimerFired\",\"ref\":3}",
	"{\"seq\":7,\"type\":\"ExecutionCompleted\",\"output\":\"done\"}",
};
#define LINES LENGTH(three_turns)
static const size_t turn_of_line[LINES] = { 0, 0, 0, 1, 1, 2, 2 };
static const size_t first_of_turn[] = { 0, 3, 5, 7 };

static struct buf text;
static size_t ends[LINES + 1]; /* of each line; ends[0] is the beginning */
static struct history h;
static struct pawl_error err;

static int set_up(void **state)
{
	(void)state;
	buf_init(&text);
	for (size_t i = 0; i < LINES; i++) {
		add_line(&text, three_turns[i]);
		ends[i + 1] = text.len;
	}
	history_init(&h);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	history_release(&h);
	buf_release(&text);
	return 0;
}

/* From memory of exactly that size, so that the sanitizer sees a read behind it. */
static int parse(struct slice s)
{
	static char *copy;

	free(copy);
	copy = malloc(s.len ? s.len : 1);
	assert_non_null(copy);
	memcpy(copy, s.data, s.len);
	int rc = history_parse(&h, slice_make(copy, s.len), &err);
	if (s.len == 0) {
		free(copy);
		copy = NULL;
	}
	return rc;
}

static void assert_good(size_t count, size_t bytes, size_t torn)
{
	assert_int_equal(h.count, count);
	assert_int_equal(h.bytes, bytes);
	assert_int_equal(h.torn_bytes, torn);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(h.events[i].seq, i + 1);
}

static void assert_damaged(const char *message, size_t line)
{
	char where[64];

	snprintf(where, sizeof(where), "history line %zu at byte %zu: ", line + 1, ends[line]);
	if (strncmp(err.text, where, strlen(where)) != 0 || !strstr(err.text, message))
		fail_msg("'%s' does not say '%s%s'", err.text, where, message);
	assert_int_equal(h.count, line);
	assert_int_equal(h.bytes, ends[line]);
}

static void a_good_history_is_read_whole(void **state)
{
	(void)state;
	assert_int_equal(parse(buf_slice(&text)), 0);
	assert_good(LINES, text.len, 0);
	assert_false(h.has_unknown);
	assert_true(slice_is(h.events[3].data, "hello\n"));
	assert_true(h.events[0].has_time && !h.events[1].has_time);
	/* and again with the same object */
	assert_int_equal(parse(slice_make(text.data, ends[3])), 0);
	assert_good(3, ends[3], 0);
}

static void an_empty_history_has_no_events(void **state)
{
	(void)state;
	assert_int_equal(parse(SLICE("")), 0);
	assert_good(0, 0, 0);
	assert_int_equal(history_parse(&h, SLICE_NONE, NULL), 0);
	assert_good(0, 0, 0);
}

/* Which line the cut is in, and whether what is left of that line says that it begins a turn. */
static void expect_cut(size_t cut, size_t *count)
{
	static const char sign[] = ",\"time\":";
	size_t line = 0;

	while (line < LINES && ends[line + 1] <= cut)
		line++;
	*count = line;
	if (cut == ends[line])
		return; /* all lines are good: taken for a whole turn, as commits are whole */
	size_t told = strlen("{\"seq\":1") + strlen(sign);
	bool begins = first_of_turn[turn_of_line[line]] == line && cut - ends[line] >= told;
	if (!begins)
		*count = line > 0 ? first_of_turn[turn_of_line[line - 1]] : 0;
}

static void a_cut_at_any_byte_leaves_whole_turns(void **state)
{
	(void)state;
	for (size_t cut = 0; cut <= text.len; cut++) {
		size_t count;
		expect_cut(cut, &count);
		assert_int_equal(parse(slice_make(text.data, cut)), 0);
		assert_good(count, ends[count], cut - ends[count]);
	}
}

static void zeros_behind_a_cut_change_nothing(void **state)
{
	(void)state;
	size_t len = text.len;
	for (size_t cut = 0; cut <= len; cut++) {
		struct buf zeroed = BUF_INIT;
		size_t count;
		buf_add(&zeroed, text.data, cut);
		for (int i = 0; i < 100; i++)
			buf_addc(&zeroed, '\0');
		expect_cut(cut, &count);
		assert_int_equal(parse(buf_slice(&zeroed)), 0);
		assert_good(count, ends[count], zeroed.len - ends[count]);
		buf_release(&zeroed);
	}
}

static void rubbish_behind_is_cut(void **state)
{
	(void)state;
	static const char *const tails[] = { "\n", "\n\n\n", "rubbish", "rubbish\nmore\n",
		                             "{\"seq\":8,\"time\":\n{\"seq\":9\n" };

	for (size_t i = 0; i < LENGTH(tails); i++) {
		buf_truncate(&text, ends[LINES - 2]); /* ends with a turn of one line */
		buf_adds(&text, tails[i]);
		assert_int_equal(parse(buf_slice(&text)), 0);
		/* what does not look like the first line of a turn might be part of the one before */
		size_t count = tails[i][0] == 'r' ? 3 : LINES - 2;
		assert_good(count, ends[count], text.len - ends[count]);
	}
}

static void a_bad_byte_before_a_good_line_is_damage(void **state)
{
	(void)state;
	for (size_t at = 0; at < ends[LINES - 1]; at++) {
		size_t line = 0;
		while (ends[line + 1] <= at)
			line++;
		char byte = text.data[at];
		text.data[at] ^= 1;
		/* a newline that is gone takes the line behind it along */
		bool last = line == LINES - 2 && at == ends[line + 1] - 1;
		assert_int_equal(parse(buf_slice(&text)), last ? 0 : PAWL_ECORRUPT);
		if (!last)
			assert_damaged("", line);
		text.data[at] = byte;
	}
}

static void a_bad_last_line_is_a_torn_tail(void **state)
{
	(void)state;
	for (size_t at = ends[LINES - 1]; at < text.len; at++) {
		text.data[at] ^= 1;
		assert_int_equal(parse(buf_slice(&text)), 0);
		assert_good(5, ends[5], text.len - ends[5]);
		text.data[at] ^= 1;
	}
}

static void a_block_of_zeros_in_the_middle_is_damage(void **state)
{
	(void)state;
	memset(text.data + ends[2], 0, ends[3] - ends[2]);
	assert_int_equal(parse(buf_slice(&text)), PAWL_ECORRUPT);
	assert_damaged("checksum", 2);
}

/* Lines that are good one by one, and wrong together. */
static void lines_out_of_order_are_damage(void **state)
{
	(void)state;
	static const char *const started =
	        "{\"seq\":1," TIME "\"type\":\"ExecutionStarted\",\"name\":\"a\",\"version\":\"1\","
	        "\"seed\":\"0123456789abcdeffedcba9876543210\"}";
	static const char *const untimed = "{\"seq\":1,\"type\":\"ExecutionStarted\",\"name\":\"a\",\"version\":\"1\","
	                                   "\"seed\":\"0123456789abcdeffedcba9876543210\"}";
	static const char *const second = "{\"seq\":2,\"type\":\"EventSubscribed\",\"name\":\"x\"}";
	const struct {
		const char *lines[3];
		size_t bad;
		const char *message;
	} rows[] = {
		{ { second }, 0, "\"seq\"" },
		{ { started, started }, 1, "\"seq\"" },
		{ { started, second, second }, 2, "\"seq\"" },
		{ { started, "{\"seq\":3,\"type\":\"EventSubscribed\",\"name\":\"x\"}" }, 1, "\"seq\"" },
		{ { "{\"seq\":0,\"type\":\"EventSubscribed\",\"name\":\"x\"}" }, 0, "\"seq\"" },
		{ { "{\"seq\":1," TIME "\"type\":\"EventSubscribed\",\"name\":\"x\"}" }, 0, "ExecutionStarted" },
		{ { untimed }, 0, "\"time\"" },
		{ { started, "{\"seq\":2," TIME "\"type\":\"ExecutionStarted\",\"name\":\"a\",\"version\":\"1\","
		             "\"seed\":\"0123456789abcdeffedcba9876543210\"}" },
		  1,
		  "once" },
		{ { started, "{\"seq\":2,\"type\":\"ExecutionCompleted\"}",
		    "{\"seq\":3,\"type\":\"EventRaised\",\"name\":\"x\"}" },
		  2,
		  "ended" },
		{ { started, "{\"seq\":2," TIME "\"type\":\"ExecutionRewound\",\"ref\":1}",
		    "{\"seq\":3,\"type\":\"ExecutionCompleted\"}" },
		  2,
		  "ended" },
		/* its checksum is good, so it was not torn */
		{ { started, "{\"seq\":2,\"type\":\"EventSubscribed\"}" }, 1, "\"name\" is missing" },
	};

	for (size_t i = 0; i < LENGTH(rows); i++) {
		buf_reset(&text);
		for (size_t line = 0; line < 3 && rows[i].lines[line]; line++) {
			add_line(&text, rows[i].lines[line]);
			ends[line + 1] = text.len;
		}
		assert_int_equal(parse(buf_slice(&text)), PAWL_ECORRUPT);
		assert_damaged(rows[i].message, rows[i].bad);
	}
}

static void events_of_a_newer_pawl_are_seen(void **state)
{
	(void)state;
	buf_truncate(&text, ends[3]);
	add_line(&text, "{\"seq\":4," TIME "\"type\":\"MoonRisen\",\"ref\":2}");
	add_line(&text, "{\"seq\":5,\"type\":\"EventSubscribed\",\"name\":\"x\"}");
	assert_int_equal(parse(buf_slice(&text)), 0);
	assert_good(5, text.len, 0);
	assert_true(h.has_unknown);
	assert_int_equal(h.events[3].type, EVENT_UNKNOWN);
	/* but not in a tail that is cut */
	assert_int_equal(parse(slice_make(text.data, text.len - 1)), 0);
	assert_good(3, ends[3], text.len - 1 - ends[3]);
	assert_false(h.has_unknown);
}

static void a_file_of_newlines_costs_little(void **state)
{
	(void)state;
	size_t len = 1000000;
	char *lines = malloc(len);
	assert_non_null(lines);
	memset(lines, '\n', len);
	assert_int_equal(history_parse(&h, slice_make(lines, len), &err), 0);
	assert_good(0, 0, len);
	assert_true(h.cap < len / 20);
	free(lines);
}

static int add_message(void *arg, uint32_t number, const struct event *e)
{
	buf_addf(arg, "%u:%.*s ", (unsigned)number, SLICE_FMT(e->data));
	return number == 3 ? 77 : 0;
}

static void the_messages_of_an_activity_are_walked_in_order(void **state)
{
	static const char *const more[] = {
		"{\"seq\":2,\"type\":\"ActivityScheduled\",\"name\":\"a\"}",
		"{\"seq\":3,\"type\":\"ActivityScheduled\",\"name\":\"b\"}",
		"{\"seq\":4,\"type\":\"ActivityMessageSent\",\"ref\":2,\"data\":\"one\"}",
		"{\"seq\":5,\"type\":\"ActivityMessageSent\",\"ref\":3,\"data\":\"other\"}",
		"{\"seq\":6,\"type\":\"ActivityMessageSent\",\"ref\":2}",
		"{\"seq\":7,\"type\":\"ActivityMessageSent\",\"ref\":2,\"data\":\"three\"}",
		"{\"seq\":8,\"type\":\"ActivityMessageSent\",\"ref\":2,\"data\":\"not asked for\"}",
	};
	struct buf got = BUF_INIT;
	(void)state;
	buf_truncate(&text, ends[1]);
	for (size_t i = 0; i < LENGTH(more); i++)
		add_line(&text, more[i]);
	assert_int_equal(parse(buf_slice(&text)), 0);
	assert_int_equal(history_messages(&h, 2, add_message, &got), 77);
	assert_string_equal(buf_str(&got), "1:one 2: 3:three ");
	buf_reset(&got);
	assert_int_equal(history_messages(&h, 3, add_message, &got), 0);
	assert_int_equal(history_messages(&h, 4, add_message, &got), 0);
	assert_string_equal(buf_str(&got), "1:other ");
	buf_release(&got);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_good_history_is_read_whole),
		TEST(a_cut_at_any_byte_leaves_whole_turns),
		TEST(zeros_behind_a_cut_change_nothing),
		TEST(rubbish_behind_is_cut),
		TEST(a_bad_byte_before_a_good_line_is_damage),
		TEST(a_bad_last_line_is_a_torn_tail),
		TEST(a_block_of_zeros_in_the_middle_is_damage),
		TEST(lines_out_of_order_are_damage),
		TEST(events_of_a_newer_pawl_are_seen),
		TEST(a_file_of_newlines_costs_little),
		TEST(the_messages_of_an_activity_are_walked_in_order),
		TEST(an_empty_history_has_no_events), /* last: frees the copy */
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
