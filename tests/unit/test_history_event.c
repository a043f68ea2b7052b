/* test_history_event.c - the text form of history events: docs/FORMAT.md, "Histories". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "history/event_table.h"
#include "history/payload.h"
#include "base/json.h"
#include "history_lines.h"
#include <stdio.h>
#include <stdlib.h>

#define TIME_NS INT64_C(1795264860123456000) /* 2026-11-21T12:41:00.123456Z */

static struct arena arena;
static struct buf out;

static int set_up(void **state)
{
	(void)state;
	arena_init(&arena, 0);
	buf_init(&out);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_release(&arena);
	buf_release(&out);
	return 0;
}

/* What event_encode made, without the newline. */
static struct slice encoded(const struct event *e)
{
	buf_reset(&out);
	assert_int_equal(event_encode(&out, e), 0);
	assert_true(out.len > 0 && out.data[out.len - 1] == '\n');
	assert_ptr_equal(memchr(out.data, '\n', out.len), out.data + out.len - 1);
	return slice_make(out.data, out.len - 1);
}

static struct slice sealed(const char *json)
{
	struct buf line = BUF_INIT;
	add_sealed(&line, slice_of(json));
	struct slice copy = arena_copy(&arena, buf_slice(&line));
	buf_release(&line);
	return copy;
}

static struct event decoded(struct slice line)
{
	struct pawl_error err = { .code = 0 };
	struct event e;

	if (event_decode(&e, line, &arena, &err) < 0)
		fail_msg("%.*s: %s", SLICE_FMT(line), err.text);
	return e;
}

static void assert_slice(struct slice got, struct slice want)
{
	if (!slice_eq(got, want))
		fail_msg("got '%.*s', want '%.*s'", SLICE_FMT(got), SLICE_FMT(want));
}

/* The JSON of an event is exactly this, and it reads back to the same. */
static void assert_json(const struct event *e, const char *json)
{
	struct slice line = arena_copy(&arena, encoded(e));
	assert_slice(line, sealed(json));
	struct event again = decoded(line);
	assert_slice(encoded(&again), line);
}

/* An event with all fields of the set. */
static struct event sample(enum event_type type, uint32_t fields)
{
	return (struct event){
		.type = type,
		.fields = fields,
		.seq = 7,
		.attempt = 3,
		.priority = 9,
		.ref = UINT64_MAX,
		.name = SLICE("n/a.me"),
		.version = SLICE("1.0.0"),
		.reason = SLICE("said \"so\"\n\xc3\xa9"),
		.id = SLICE("id-1"),
		.key = SLICE("k"),
		.instance = SLICE("order:7"),
		.tag = SLICE("gpu"),
		.session = SLICE("s"),
		.status = SLICE("half"),
		.from = SLICE("file"),
		.data = SLICE("{\"a\": [1, 2]}"),
		.delay_ms = -5,
		.until_ns = TIME_NS + 1000,
		.start_at_ns = -1000,
		.due = { SLICE("1a2b3c4d"), 123, TIME_NS },
		.execution = 2,
		.parent = SLICE("mother"),
		.parent_execution = 4,
		.parent_ref = 9,
		.seed = { UINT64_C(0x0123456789abcdef), UINT64_C(0xfedcba9876543210) },
		.error = { SLICE("process"), SLICE("exit:3"), SLICE("no disk"), SLICE("{\"x\":1}"), true },
		.retry = { 5, 1000, 60000, 3600000, 10000, 2500, 250, { SLICE("a"), SLICE("b\"") }, 2 },
	};
}

static void assert_same_failure(const struct failure *a, const struct failure *b)
{
	assert_slice(a->kind, b->kind);
	assert_slice(a->code, b->code);
	assert_slice(a->message, b->message);
	assert_slice(a->details, b->details);
	assert_int_equal(a->retryable, b->retryable);
}

static void assert_same_retry(const struct retry_policy *a, const struct retry_policy *b)
{
	assert_int_equal(a->max_attempts, b->max_attempts);
	assert_int_equal(a->first_ms, b->first_ms);
	assert_int_equal(a->max_ms, b->max_ms);
	assert_int_equal(a->total_ms, b->total_ms);
	assert_int_equal(a->attempt_ms, b->attempt_ms);
	assert_int_equal(a->coefficient_milli, b->coefficient_milli);
	assert_int_equal(a->jitter_milli, b->jitter_milli);
	assert_int_equal(a->code_count, b->code_count);
	for (uint32_t i = 0; i < a->code_count; i++)
		assert_slice(a->codes[i], b->codes[i]);
}

static void assert_same_member(const struct event *a, const struct event *b, const struct event_member_info *m)
{
	const void *x = (const char *)a + m->place, *y = (const char *)b + m->place;

	switch (m->kind) {
	case KIND_TEXT:
	case KIND_DATA:
		assert_slice(*(const struct slice *)x, *(const struct slice *)y);
		break;
	case KIND_U32:
		assert_memory_equal(x, y, sizeof(uint32_t));
		break;
	case KIND_SEED:
		assert_memory_equal(x, y, sizeof(a->seed));
		break;
	case KIND_ERROR:
		assert_same_failure(x, y);
		break;
	case KIND_RETRY:
		assert_same_retry(x, y);
		break;
	default:
		assert_memory_equal(x, y, sizeof(uint64_t));
		break;
	}
}

static void assert_same(const struct event *a, const struct event *b)
{
	assert_int_equal(a->type, b->type);
	assert_int_equal(a->fields, b->fields);
	assert_true(a->seq == b->seq && a->has_time == b->has_time && a->time_ns == b->time_ns);
	assert_slice(a->data_file, b->data_file);
	assert_true(a->data_len == b->data_len && a->data_crc == b->data_crc);
	assert_slice(a->type_name, b->type_name);
	assert_slice(a->extra, b->extra);
	for (int m = MEMBER_REF; m < MEMBER_COUNT; m++)
		if (event_members[m].field & a->fields)
			assert_same_member(a, b, &event_members[m]);
}

static void round_trip(enum event_type type, uint32_t fields, bool has_time)
{
	struct event e = sample(type, fields);

	e.has_time = has_time;
	e.time_ns = has_time ? TIME_NS : 0;
	struct slice line = arena_copy(&arena, encoded(&e));
	struct event again = decoded(line);
	assert_same(&e, &again);
	assert_slice(encoded(&again), line);
}

static void every_type_with_each_allowed_field_and_all_of_them_comes_back(void **state)
{
	(void)state;
	for (int type = EVENT_UNKNOWN + 1; type < EVENT_TYPE_COUNT; type++) {
		const struct event_type_info *t = &event_types[type];
		round_trip((enum event_type)type, t->must, false);
		round_trip((enum event_type)type, t->allowed, true);
		for (uint32_t field = 1; field <= FIELD_PRIORITY; field <<= 1)
			if (field & t->allowed)
				round_trip((enum event_type)type, t->must | field, false);
	}
}

static void the_example_of_the_header_is_true(void **state)
{
	(void)state;
	struct event e = { .type = EVENT_ActivityScheduled,
		           .fields = FIELD_NAME | FIELD_DATA,
		           .seq = 7,
		           .name = SLICE("unpack"),
		           .data = SLICE("a.tar") };
	assert_slice(encoded(&e),
	             SLICE("{\"seq\":7,\"type\":\"ActivityScheduled\",\"name\":\"unpack\",\"input\":\"a.tar\"}"
	                   "\t75e99a0a"));
}

static void members_stand_in_the_order_of_the_format(void **state)
{
	(void)state;
	struct event e = sample(EVENT_ExecutionStarted, event_types[EVENT_ExecutionStarted].allowed);
	e.has_time = true;
	e.time_ns = TIME_NS + 999; /* below a microsecond: cut off */
	assert_json(&e,
	            "{\"seq\":7," TIME "\"type\":\"ExecutionStarted\",\"ref\":18446744073709551615,\"name\":\"n/a.me\","
	            "\"version\":\"1.0.0\",\"id\":\"id-1\",\"from\":\"file\",\"status\":\"half\","
	            "\"reason\":\"said \\\"so\\\"\\n\xc3\xa9\",\"execution\":2,\"parent\":\"mother\",\"parent_execution\":4,"
	            "\"parent_ref\":9,\"seed\":\"0123456789abcdeffedcba9876543210\","
	            "\"start_at\":\"1969-12-31T23:59:59.999999Z\",\"delay_ms\":-5,\"input\":{\"a\": [1, 2]},"
	            "\"boot\":\"1a2b3c4d\",\"boot_ms\":123,\"fire_at\":\"2026-11-21T12:41:00.123456Z\"}");
	e = sample(EVENT_ActivityRetrying, event_types[EVENT_ActivityRetrying].allowed);
	e.extra = SLICE(",\"new\":[1]");
	assert_json(
	        &e,
	        "{\"seq\":7,\"type\":\"ActivityRetrying\",\"ref\":18446744073709551615,\"attempt\":3,\"id\":\"id-1\","
	        "\"reason\":\"said \\\"so\\\"\\n\xc3\xa9\",\"delay_ms\":-5,"
	        "\"error\":{\"kind\":\"process\",\"code\":\"exit:3\",\"message\":\"no disk\",\"retryable\":true,"
	        "\"details\":\"{\\\"x\\\":1}\"},\"boot\":\"1a2b3c4d\",\"boot_ms\":123,"
	        "\"fire_at\":\"2026-11-21T12:41:00.123456Z\",\"new\":[1]}");
	e = sample(EVENT_ActivityScheduled, event_types[EVENT_ActivityScheduled].allowed);
	assert_json(&e,
	            "{\"seq\":7,\"type\":\"ActivityScheduled\",\"name\":\"n/a.me\",\"tag\":\"gpu\",\"session\":\"s\","
	            "\"priority\":9,\"input\":{\"a\": [1, 2]},\"retry\":{\"max_attempts\":5,\"first_ms\":1000,\"coefficient\":2.5,"
	            "\"max_ms\":60000,\"total_ms\":3600000,\"attempt_ms\":10000,\"jitter\":0.25,"
	            "\"not_on\":[\"a\",\"b\\\"\"]}}");
	e = sample(EVENT_ActivityRebooting, event_types[EVENT_ActivityRebooting].allowed);
	assert_json(&e,
	            "{\"seq\":7,\"type\":\"ActivityRebooting\",\"ref\":18446744073709551615,\"attempt\":3,"
	            "\"output\":{\"a\": [1, 2]},\"boot\":\"1a2b3c4d\",\"boot_ms\":123,"
	            "\"fire_at\":\"2026-11-21T12:41:00.123456Z\"}");
	e = sample(EVENT_PatchMarked, FIELD_NAME | FIELD_STATUS);
	e.status = SLICE("deprecated");
	assert_json(&e, "{\"seq\":7,\"type\":\"PatchMarked\",\"name\":\"n/a.me\",\"status\":\"deprecated\"}");
	e = sample(EVENT_KeyValueSet, FIELD_KEY | FIELD_DATA);
	e.key = SLICE("k:1");
	assert_json(&e, "{\"seq\":7,\"type\":\"KeyValueSet\",\"key\":\"k:1\",\"value\":{\"a\": [1, 2]}}");
	e = sample(EVENT_CustomStatusSet, FIELD_DATA);
	assert_json(&e, "{\"seq\":7,\"type\":\"CustomStatusSet\",\"status\":{\"a\": [1, 2]}}");
}

static void only_what_differs_from_the_default_is_in_retry(void **state)
{
	(void)state;
	static const struct {
		uint32_t milli;
		const char *text;
	} rows[] = { { 1, "0.001" },    { 10, "0.01" },  { 250, "0.25" }, { 1000, "1" },
		     { 1001, "1.001" }, { 1500, "1.5" }, { 20000, "20" }, { UINT32_MAX, "4294967.295" } };

	struct event e = sample(EVENT_ActivityScheduled, FIELD_NAME | FIELD_RETRY);
	e.retry = (struct retry_policy){ .max_attempts = 0 };
	assert_json(&e, "{\"seq\":7,\"type\":\"ActivityScheduled\",\"name\":\"n/a.me\",\"retry\":{}}");
	for (size_t i = 0; i < LENGTH(rows); i++) {
		e.retry.coefficient_milli = rows[i].milli;
		assert_json(&e, arena_printf(&arena,
		                             "{\"seq\":7,\"type\":\"ActivityScheduled\",\"name\":\"n/a.me\","
		                             "\"retry\":{\"coefficient\":%s}}",
		                             rows[i].text));
	}
}

/* Payloads. */

static const struct {
	struct slice data;
	struct slice json; /* NONE: the bytes as they stand */
} payloads[] = {
	{ LIT(""), LIT("\"\"") },
	{ LIT("a.tar"), LIT("\"a.tar\"") },
	{ LIT("\xc3\xa9 \xf0\x9f\x90\xbe"), LIT("\"\xc3\xa9 \xf0\x9f\x90\xbe\"") },
	{ LIT("a\tb\nc\"d\\e\x01\x7f"), LIT("\"a\\tb\\nc\\\"d\\\\e\\u0001\x7f\"") },
	{ LIT("\0"), LIT("\"\\u0000\"") },
	{ LIT("a\0b\0"), LIT("\"a\\u0000b\\u0000\"") },
	{ LIT("\xff\xfe"), LIT("{\"$base64\":\"//4=\"}") },
	{ LIT("\0\xff"), LIT("{\"$base64\":\"AP8=\"}") },
	{ LIT("{}"), { NULL, 0 } },
	{ LIT("[]"), { NULL, 0 } },
	{ LIT("{\"url\":\"http://x/\",\"n\":[1.50,-0,true,null]}"), { NULL, 0 } },
	{ LIT("{ \"$file\":1}"), { NULL, 0 } },
	{ LIT("{\"\\u0024file\":\"x\"}"), { NULL, 0 } },
	{ LIT("{\"a\":\"}]\\\"{[\\\\\"}"), { NULL, 0 } },
	{ LIT("[\"\xc3\xa9\"]"), { NULL, 0 } },
	{ LIT("{\"a\":1} "), LIT("\"{\\\"a\\\":1} \"") },
	{ LIT(" {\"a\":1}"), LIT("\" {\\\"a\\\":1}\"") },
	{ LIT("{\"a\":\t1}"), LIT("\"{\\\"a\\\":\\t1}\"") },
	{ LIT("[1,\n2]"), LIT("\"[1,\\n2]\"") },
	{ LIT("[1,\r2]"), LIT("\"[1,\\r2]\"") },
	{ LIT("{\"a\":1"), LIT("\"{\\\"a\\\":1\"") },
	{ LIT("{a}"), LIT("\"{a}\"") },
	{ LIT("[\"\xff\"]"), LIT("{\"$base64\":\"WyL/Il0=\"}") },
	{ LIT("{"), LIT("\"{\"") },
	{ LIT("{\"$file\":\"../../etc/shadow\",\"bytes\":1,\"crc32c\":\"00000000\"}"),
	  LIT("\"{\\\"$file\\\":\\\"../../etc/shadow\\\",\\\"bytes\\\":1,\\\"crc32c\\\":\\\"00000000\\\"}\"") },
	{ LIT("{\"$base64\":\"AA==\"}"), LIT("\"{\\\"$base64\\\":\\\"AA==\\\"}\"") },
	{ LIT("{\"$new\":1}"), LIT("\"{\\\"$new\\\":1}\"") },
	{ LIT("5"), LIT("\"5\"") },
	{ LIT("true"), LIT("\"true\"") },
	{ LIT("\"text\""), LIT("\"\\\"text\\\"\"") },
};

static void assert_payload(struct slice data, struct slice json)
{
	struct event e = {
		.type = EVENT_ActivityCompleted, .fields = FIELD_REF | FIELD_DATA, .seq = 2, .ref = 1, .data = data
	};
	struct slice line = arena_copy(&arena, encoded(&e));
	static const char head[] = "{\"seq\":2,\"type\":\"ActivityCompleted\",\"ref\":1,\"output\":";
	size_t head_len = sizeof(head) - 1;

	if (json.data) {
		assert_true(line.len > head_len + 10);
		assert_slice(slice_make(line.data + head_len, line.len - head_len - 10), json);
	}
	struct event again = decoded(line);
	assert_slice(again.data, data);
	assert_null(again.data_file.data);
	assert_slice(encoded(&again), line);
}

static void payloads_come_back_byte_for_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < LENGTH(payloads); i++)
		assert_payload(payloads[i].data, payloads[i].json.data ? payloads[i].json : payloads[i].data);
}

static void every_byte_and_pair_of_bytes_is_a_payload(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 0x10000; i++) {
		char bytes[2] = { (char)(i >> 8), (char)i };
		assert_payload(slice_make(bytes, i < 0x100 ? 1 : 2), SLICE_NONE);
		if (i % 1024 == 0)
			arena_release(&arena);
	}
}

/* Nested JSON that is readable alone must be readable in the line too, one level deeper. */
static void deep_json_comes_back(void **state)
{
	(void)state;
	char text[2 * (JSON_DEPTH_MAX + 2)];

	for (size_t depth = JSON_DEPTH_MAX - 3; depth <= JSON_DEPTH_MAX + 2; depth++) {
		memset(text, '[', depth);
		memset(text + depth, ']', depth);
		assert_payload(slice_make(text, 2 * depth), SLICE_NONE);
	}
}

static void a_spilled_payload_names_its_file(void **state)
{
	(void)state;
	struct event e = { .type = EVENT_ActivityCompleted,
		           .fields = FIELD_REF | FIELD_DATA,
		           .seq = 2,
		           .ref = 1,
		           .data_file = SLICE("1.2.output"),
		           .data_len = 123456,
		           .data_crc = 0xabc };
	assert_json(&e, "{\"seq\":2,\"type\":\"ActivityCompleted\",\"ref\":1,"
	                "\"output\":{\"$file\":\"1.2.output\",\"bytes\":123456,\"crc32c\":\"00000abc\"}}");
	struct event again = decoded(encoded(&e));
	assert_same(&e, &again);
	assert_null(again.data.data);
}

static void a_payload_in_a_hand_made_line_may_be_a_number_or_a_word(void **state)
{
	(void)state;
	static const struct {
		const char *json;
		struct slice data;
	} rows[] = {
		{ "5", LIT("5") },         { "-1.50e3", LIT("-1.50e3") }, { "true", LIT("true") },
		{ "false", LIT("false") }, { "null", LIT("null") },       { "{ \"a\" : 1 }", LIT("{ \"a\" : 1 }") }
	};

	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct event e = decoded(sealed(
		        arena_printf(&arena, "{\"type\" : \"EventRaised\", \"name\":\"x\", \"data\": %s , \"seq\":1}",
		                     rows[i].json)));
		assert_slice(e.data, rows[i].data);
		assert_slice(e.name, SLICE("x"));
		assert_null(e.extra.data);
	}
}

/* Text that is not UTF-8. */

static void bad_bytes_in_texts_become_question_marks(void **state)
{
	(void)state;
	struct event e = { .type = EVENT_ActivityFailed, .fields = FIELD_REF | FIELD_ERROR, .seq = 3, .ref = 1 };
	e.error = (struct failure){ SLICE("process"), SLICE("\xff"), SLICE("caf\xe9 \xc3\xa9 \xf0\x9f"), SLICE("\x80z"),
		                    false };
	assert_json(&e,
	            "{\"seq\":3,\"type\":\"ActivityFailed\",\"ref\":1,\"error\":{\"kind\":\"process\",\"code\":\"?\","
	            "\"message\":\"caf? \xc3\xa9 ??\",\"retryable\":false,\"details\":\"?z\"}}");
	e = (struct event){ .type = EVENT_ExecutionSuspended,
		            .fields = FIELD_REASON,
		            .seq = 3,
		            .reason = SLICE("a\xff"
		                            "b") };
	assert_json(&e, "{\"seq\":3,\"type\":\"ExecutionSuspended\",\"reason\":\"a?b\"}");
}

static void an_error_has_texts_also_when_the_line_has_none(void **state)
{
	(void)state;
	struct event e = decoded(sealed("{\"seq\":3,\"type\":\"ActivityFailed\",\"ref\":1,\"error\":{\"newer\":1}}"));
	assert_true(e.error.kind.data && e.error.code.data && e.error.message.data && !e.error.details.data);
}

/* Newer pawls, and damage. */

static void members_that_are_not_known_are_kept_byte_for_byte(void **state)
{
	(void)state;
	static const char json[] =
	        "{\"seq\":3,\"type\":\"TimerFired\",\"ref\":1,\"new\":{\"a\": [1,  2]},\"x\\u0041\":\"\\u00e9\"}";
	struct event e = decoded(sealed(json));
	assert_slice(e.extra, SLICE(",\"new\":{\"a\": [1,  2]},\"x\\u0041\":\"\\u00e9\""));
	assert_json(&e, json);
	/* between and before known ones: they move to the end */
	e = decoded(sealed("{ \"b\" : 1 ,\"seq\":3,\"c\":2, \"type\":\"TimerFired\",\"d\": [] ,\"ref\":1}"));
	assert_slice(e.extra, SLICE(",\"b\" : 1,\"c\":2,\"d\": []"));
	assert_int_equal(e.ref, 1);
	/* the same key twice is not our business when we do not know it */
	e = decoded(sealed("{\"seq\":3,\"type\":\"TimerFired\",\"ref\":1,\"n\":1,\"n\":2,\"\":3}"));
	assert_slice(e.extra, SLICE(",\"n\":1,\"n\":2,\"\":3"));
}

static void known_members_in_a_type_that_has_none_are_kept_too(void **state)
{
	(void)state;
	static const char json[] =
	        "{\"seq\":3,\"type\":\"TimerFired\",\"ref\":1,\"name\":5,\"output\":{\"$new\":1},\"status\":\"s\"}";
	struct event e = decoded(sealed(json));
	assert_int_equal(e.fields, FIELD_REF);
	assert_slice(e.extra, SLICE(",\"name\":5,\"output\":{\"$new\":1},\"status\":\"s\""));
	assert_json(&e, json);
}

static void an_event_of_an_unknown_type_is_kept_whole(void **state)
{
	(void)state;
	static const char json[] =
	        "{\"seq\":3," TIME "\"type\":\"MoonRisen\",\"ref\":1,\"name\":{\"$x\":1},\"error\":7}";
	struct event e = decoded(sealed(json));
	assert_int_equal(e.type, EVENT_UNKNOWN);
	assert_slice(e.type_name, SLICE("MoonRisen"));
	assert_true(e.seq == 3 && e.has_time && e.time_ns == TIME_NS && e.fields == 0);
	assert_json(&e, json);
	assert_int_equal(decoded(sealed("{\"seq\":3,\"type\":\"\"}")).type, EVENT_UNKNOWN);
	assert_int_equal(decoded(sealed("{\"seq\":3,\"type\":\"Unknown\"}")).type, EVENT_UNKNOWN);
}

static void every_flipped_bit_is_found(void **state)
{
	(void)state;
	struct event e = sample(EVENT_ActivityRetrying, event_types[EVENT_ActivityRetrying].allowed), bad;
	e.has_time = true;
	e.time_ns = TIME_NS;
	struct slice line = encoded(&e);
	for (size_t bit = 0; bit < line.len * 8; bit++) {
		out.data[bit / 8] ^= (char)(1u << bit % 8);
		int rc = event_decode(&bad, line, &arena, NULL);
		assert_true(rc == PAWL_ECORRUPT || rc == PAWL_EPARSE);
		out.data[bit / 8] ^= (char)(1u << bit % 8);
	}
	assert_int_equal(event_decode(&bad, line, &arena, NULL), 0);
}

static void a_line_cut_anywhere_is_found(void **state)
{
	(void)state;
	struct event e = sample(EVENT_ActivityScheduled, event_types[EVENT_ActivityScheduled].allowed), bad;
	struct slice line = encoded(&e);
	for (size_t len = 0; len < line.len; len++)
		assert_int_not_equal(event_decode(&bad, slice_make(line.data, len), &arena, NULL), 0);
}

static void what_is_no_line_of_ours_does_not_parse(void **state)
{
	(void)state;
	static const struct {
		const char *json, *message;
	} rows[] = {
		{ "", "checksum" },
		{ "7", "not a JSON object" },
		{ "[]", "not a JSON object" },
		{ "{\"seq\":1,\"type\":\"TimerFired\",\"ref\":1", "not a JSON object" },
		{ "{\"seq\":1,\"type\":\"TimerFired\",\"ref\":1}x", "not a JSON object" },
		{ "{\"seq\":1,\t\"type\":\"TimerFired\",\"ref\":1}", "tab" },
		{ "{\"seq\":1,\n\"type\":\"TimerFired\",\"ref\":1}", "newline" },
		{ "{\"type\":\"TimerFired\",\"ref\":1}", "\"seq\"" },
		{ "{\"seq\":\"1\",\"type\":\"TimerFired\",\"ref\":1}", "\"seq\"" },
		{ "{\"seq\":-1,\"type\":\"TimerFired\",\"ref\":1}", "\"seq\"" },
		{ "{\"seq\":1.5,\"type\":\"TimerFired\",\"ref\":1}", "\"seq\"" },
		{ "{\"seq\":18446744073709551616,\"type\":\"TimerFired\",\"ref\":1}", "\"seq\"" },
		{ "{\"seq\":1,\"ref\":1}", "\"type\"" },
		{ "{\"seq\":1,\"type\":1,\"ref\":1}", "\"type\"" },
		{ "{\"seq\":1,\"type\":\"TimerFired\"}", "\"ref\" is missing in TimerFired" },
		{ "{\"seq\":1,\"type\":\"TimerFired\",\"ref\":1,\"ref\":1}", "\"ref\" stands twice" },
		{ "{\"seq\":1,\"type\":\"TimerFired\",\"ref\":1,\"name\":1,\"name\":1}", "\"name\" stands twice" },
		{ "{\"seq\":1,\"seq\":1,\"type\":\"TimerFired\",\"ref\":1}", "\"seq\" stands twice" },
		{ "{\"seq\":1,\"time\":5,\"type\":\"TimerFired\",\"ref\":1}", "\"time\"" },
		{ "{\"seq\":1,\"time\":\"yesterday\",\"type\":\"TimerFired\",\"ref\":1}", "\"time\"" },
		{ "{\"seq\":1,\"type\":\"PatchMarked\",\"name\":1}", "\"name\"" },
		{ "{\"seq\":1,\"type\":\"ActivityCompleted\",\"ref\":1,\"attempt\":4294967296}", "\"attempt\"" },
		{ "{\"seq\":1,\"type\":\"TimerCreated\",\"delay_ms\":9223372036854775808}", "\"delay_ms\"" },
		{ "{\"seq\":1,\"type\":\"TimerCreated\",\"boot\":\"1a2b3c4d\",\"boot_ms\":1}", "\"fire_at\"" },
		{ "{\"seq\":1,\"type\":\"TimerCreated\",\"boot_ms\":1,\"fire_at\":\"2026-01-01T00:00:00Z\"}",
		  "\"boot\"" },
		{ "{\"seq\":1,\"type\":\"ExecutionStarted\",\"name\":\"a\",\"version\":\"1\",\"seed\":\"12\"}",
		  "\"seed\"" },
		{ "{\"seq\":1,\"type\":\"ExecutionStarted\",\"name\":\"a\",\"version\":\"1\","
		  "\"seed\":\"0123456789abcdeffedcba9876543210\",\"parent\":\"p\"}",
		  "\"parent_ref\"" },
		{ "{\"seq\":1,\"type\":\"EntityLockRequested\"}", "\"entities\" is missing" },
		{ "{\"seq\":1,\"type\":\"ActivityRebooting\",\"ref\":1,\"attempt\":1}", "\"fire_at\" is missing" },
		{ "{\"seq\":1,\"type\":\"ActivityScheduled\",\"name\":\"a\",\"priority\":\"1\"}", "\"priority\"" },
		{ "{\"seq\":1,\"type\":\"ExecutionFailed\",\"error\":\"x\"}", "\"error\"" },
		{ "{\"seq\":1,\"type\":\"ExecutionFailed\",\"error\":{\"code\":3}}", "\"error\"" },
		{ "{\"seq\":1,\"type\":\"ExecutionFailed\",\"error\":{\"retryable\":1}}", "\"error\"" },
		{ "{\"seq\":1,\"type\":\"ActivityScheduled\",\"name\":\"a\",\"retry\":[]}", "\"retry\"" },
		{ "{\"seq\":1,\"type\":\"ActivityScheduled\",\"name\":\"a\",\"retry\":{\"jitter\":\"1\"}}",
		  "\"retry\"" },
		{ "{\"seq\":1,\"type\":\"ActivityScheduled\",\"name\":\"a\",\"retry\":{\"jitter\":0.1234}}",
		  "\"retry\"" },
		{ "{\"seq\":1,\"type\":\"ActivityScheduled\",\"name\":\"a\",\"retry\":{\"jitter\":1e2}}", "\"retry\"" },
		{ "{\"seq\":1,\"type\":\"ActivityScheduled\",\"name\":\"a\",\"retry\":{\"jitter\":4294967.296}}",
		  "\"retry\"" },
		{ "{\"seq\":1,\"type\":\"ActivityScheduled\",\"name\":\"a\",\"retry\":{\"not_on\":[1]}}", "\"retry\"" },
		{ "{\"seq\":1,\"type\":\"ActivityScheduled\",\"name\":\"a\","
		  "\"retry\":{\"not_on\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"]}}",
		  "\"retry\"" },
		{ "{\"seq\":1,\"type\":\"EventRaised\",\"name\":\"a\",\"data\":{\"$new\":1}}", "payload" },
		{ "{\"seq\":1,\"type\":\"EventRaised\",\"name\":\"a\",\"data\":{\"$base64\":\"/\"}}", "payload" },
		{ "{\"seq\":1,\"type\":\"EventRaised\",\"name\":\"a\",\"data\":{\"$base64\":1}}", "payload" },
		{ "{\"seq\":1,\"type\":\"EventRaised\",\"name\":\"a\",\"data\":{\"$base64\":\"\",\"$base64\":\"\"}}",
		  "payload" },
		{ "{\"seq\":1,\"type\":\"EventRaised\",\"name\":\"a\",\"data\":{\"$base64\":\"\",\"bytes\":1}}",
		  "payload" },
		{ "{\"seq\":1,\"type\":\"EventRaised\",\"name\":\"a\",\"data\":{\"$file\":\"f\",\"bytes\":1}}",
		  "payload" },
		{ "{\"seq\":1,\"type\":\"EventRaised\",\"name\":\"a\",\"data\":{\"$file\":\"f\",\"bytes\":1,\"bytes\":"
		  "1}}",
		  "payload" },
		{ "{\"seq\":1,\"type\":\"EventRaised\",\"name\":\"a\",\"data\":{\"$file\":\"f\",\"bytes\":1,\"crc32c\":"
		  "\"ABCDEF01\"}}",
		  "payload" },
		{ "{\"seq\":1,\"type\":\"EventRaised\",\"name\":\"a\",\"data\":{\"$file\":\"\",\"bytes\":1,\"crc32c\":"
		  "\"00000000\"}}",
		  "payload" },
	};

	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct pawl_error err = { .code = 0 };
		struct event e;
		if (event_decode(&e, sealed(rows[i].json), &arena, &err) != PAWL_EPARSE ||
		    !strstr(err.text, rows[i].message))
			fail_msg("%s: '%s' does not say '%s'", rows[i].json, err.text, rows[i].message);
	}
}

static void nothing_but_a_checksum_of_eight_lower_case_digits_will_do(void **state)
{
	(void)state;
	static const char *const rows[] = { "{\"seq\":1,\"type\":\"X\"}",
		                            "{\"seq\":1,\"type\":\"X\"}\t",
		                            "\t12345678",
		                            "{\"seq\":1,\"type\":\"X\"} 12345678",
		                            "{\"seq\":1,\"type\":\"X\"}\t1234567G",
		                            "{\"seq\":1,\"type\":\"X\"}\t1234567" };
	struct event e;

	for (size_t i = 0; i < LENGTH(rows); i++)
		assert_int_equal(event_decode(&e, slice_of(rows[i]), &arena, NULL), PAWL_EPARSE);
	assert_int_equal(event_decode(&e, SLICE("{\"seq\":1,\"type\":\"X\"}\t12345678"), &arena, NULL), PAWL_ECORRUPT);
}

static void an_incomplete_event_is_not_written(void **state)
{
	(void)state;
	buf_adds(&out, "before");
	for (int type = EVENT_UNKNOWN + 1; type < EVENT_TYPE_COUNT; type++) {
		const struct event_type_info *t = &event_types[type];
		for (uint32_t field = 1; field <= FIELD_PRIORITY; field <<= 1) {
			struct event e = sample((enum event_type)type, t->must ^ field);
			bool fine = !(t->must & field) && (t->allowed & field);
			assert_int_equal(event_encode(&out, &e), fine ? 0 : PAWL_EBUG);
			assert_true(fine || out.len == strlen("before"));
			buf_truncate(&out, strlen("before"));
		}
	}
	struct event unnamed = { .type = EVENT_UNKNOWN, .seq = 1 };
	assert_int_equal(event_encode(&out, &unnamed), PAWL_EBUG);
	unnamed.type = EVENT_TYPE_COUNT;
	assert_int_equal(event_encode(&out, &unnamed), PAWL_EBUG);
}

static void a_failed_buffer_is_no_memory(void **state)
{
	(void)state;
	struct event e = sample(EVENT_TimerFired, FIELD_REF);
	out.failed = true;
	assert_int_equal(event_encode(&out, &e), PAWL_ENOMEM);
}

static void running_out_of_arena_is_no_memory(void **state)
{
	(void)state;
	struct slice line = sealed("{\"s\\u0065q\":1,\"type\":\"EventRaised\",\"name\":\"a\\n\",\"data\":{\"$base64\":"
	                           "\"AAAA\"},\"new\":1}");
	struct event e, copy;
	int rc = PAWL_ENOMEM;

	for (size_t limit = 1; rc != 0; limit++) {
		struct arena small;
		arena_init(&small, limit);
		rc = event_decode(&e, line, &small, NULL);
		assert_true(limit < 1000 && (rc == 0 || rc == PAWL_ENOMEM));
		arena_release(&small);
	}
	e = sample(EVENT_ActivityScheduled, 0);
	rc = PAWL_ENOMEM;
	for (size_t limit = 1; rc != 0; limit++) {
		struct arena small;
		arena_init(&small, limit);
		rc = event_copy(&copy, &e, &small);
		assert_true(limit < 1000 && (rc == 0 || rc == PAWL_ENOMEM));
		arena_release(&small);
	}
}

static void a_copy_outlives_what_it_was_made_of(void **state)
{
	(void)state;
	for (int type = EVENT_UNKNOWN + 1; type < EVENT_TYPE_COUNT; type++) {
		struct event e = sample((enum event_type)type, event_types[type].allowed), copy;
		e.extra = SLICE(",\"new\":1");
		struct slice line = arena_copy(&arena, encoded(&e));
		struct arena first;
		arena_init(&first, 0);
		char *text = malloc(line.len);
		assert_non_null(text);
		memcpy(text, line.data, line.len);
		assert_int_equal(event_decode(&e, slice_make(text, line.len), &first, NULL), 0);
		assert_int_equal(event_copy(&copy, &e, &arena), 0);
		memset(text, 'x', line.len);
		free(text);
		arena_release(&first);
		assert_slice(encoded(&copy), line);
	}
}

static void tables_find_what_they_have(void **state)
{
	(void)state;
	for (int m = MEMBER_NONE + 1; m < MEMBER_COUNT; m++)
		if (m != MEMBER_PAYLOAD)
			assert_int_equal(event_member_find(event_members[m].name), m);
	assert_int_equal(event_member_find(SLICE("")), MEMBER_NONE);
	assert_int_equal(event_member_find(SLICE("seq ")), MEMBER_NONE);
	assert_int_equal(event_member_find(SLICE("a_name_that_is_too_long")), MEMBER_NONE);
	for (int type = EVENT_UNKNOWN + 1; type < EVENT_TYPE_COUNT; type++) {
		assert_int_equal(event_type_by_name(slice_of(event_type_name((enum event_type)type))), type);
		assert_int_equal(event_types[type].data_key.len > 0, (event_types[type].allowed & FIELD_DATA) != 0);
	}
	assert_int_equal(event_type_class(EVENT_ExecutionTerminated), EVENT_IN | EVENT_END);
	assert_int_equal(event_type_class(EVENT_TimerCreated), EVENT_DECISION);
	assert_string_equal(event_type_name(EVENT_UNKNOWN), "Unknown");
}

/* Lines that carry a good checksum over random damage are read or refused, and what is read is stable. */
static void changed_lines_never_do_harm(void **state)
{
	(void)state;
	static const char bits[] = "\"{}[]:,\\u0000$ e1-.nt";
	uint32_t random = 1;

	for (int round = 0; round < 20000; round++) {
		enum event_type type = (enum event_type)(1 + round % (EVENT_TYPE_COUNT - 1));
		struct event e = sample(type, event_types[type].allowed), again;
		struct slice line = encoded(&e);
		char *json = malloc(line.len - 9 + 1);
		assert_non_null(json);
		memcpy(json, line.data, line.len - 9);
		json[line.len - 9] = '\0';
		for (int i = 0; i < 1 + round % 3; i++) {
			random = random * 1664525 + 1013904223;
			json[(random >> 8) % (line.len - 9)] = bits[(random >> 4) % (sizeof(bits) - 1)];
		}
		struct slice changed = sealed(json);
		free(json);
		if (event_decode(&e, changed, &arena, NULL) == 0) {
			line = arena_copy(&arena, encoded(&e));
			again = decoded(line);
			assert_same(&e, &again);
			assert_slice(encoded(&again), line);
		}
		arena_release(&arena);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_type_with_each_allowed_field_and_all_of_them_comes_back),
		TEST(the_example_of_the_header_is_true),
		TEST(members_stand_in_the_order_of_the_format),
		TEST(only_what_differs_from_the_default_is_in_retry),
		TEST(payloads_come_back_byte_for_byte),
		TEST(every_byte_and_pair_of_bytes_is_a_payload),
		TEST(deep_json_comes_back),
		TEST(a_spilled_payload_names_its_file),
		TEST(a_payload_in_a_hand_made_line_may_be_a_number_or_a_word),
		TEST(bad_bytes_in_texts_become_question_marks),
		TEST(an_error_has_texts_also_when_the_line_has_none),
		TEST(members_that_are_not_known_are_kept_byte_for_byte),
		TEST(known_members_in_a_type_that_has_none_are_kept_too),
		TEST(an_event_of_an_unknown_type_is_kept_whole),
		TEST(every_flipped_bit_is_found),
		TEST(a_line_cut_anywhere_is_found),
		TEST(what_is_no_line_of_ours_does_not_parse),
		TEST(nothing_but_a_checksum_of_eight_lower_case_digits_will_do),
		TEST(an_incomplete_event_is_not_written),
		TEST(a_failed_buffer_is_no_memory),
		TEST(running_out_of_arena_is_no_memory),
		TEST(a_copy_outlives_what_it_was_made_of),
		TEST(tables_find_what_they_have),
		TEST(changed_lines_never_do_harm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
