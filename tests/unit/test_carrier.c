/* test_carrier.c - what an activity carries with it, and the signs of life that it leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/text.h"
#include "history/event.h"
#include "os/os_sim.h"
#include "runtime/carrier.h"
#include <errno.h>
#include <pawl/pawl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIME_NS INT64_C(1795264860000000000) /* 2026-11-21T12:41:00Z */
#define TIME    "2026-11-21T12:41:00.000000Z"
#define SECOND  INT64_C(1000000000)

static struct arena arena;
static struct pawl_error err;
static struct os_sim *sim;
static const struct os *os;

static int set_up(void **state)
{
	(void)state;
	arena_init(&arena, 0);
	sim = os_sim_new(1);
	os = os_sim_os(sim);
	err = (struct pawl_error){ 0 };
	return os->mkdir(os->self, OS_CWD, "/work", 0755);
}

static int tear_down(void **state)
{
	(void)state;
	arena_release(&arena);
	os_sim_free(sim);
	return 0;
}

static const struct carrier full = {
	.key = "u1/1/7",
	.instance = "u1",
	.activity = "flash",
	.tag = "gpu",
	.worker = "4712",
	.reason = "memory: 12 MiB \"free\"",
	.execution = 1,
	.seq = 7,
	.iteration = 2,
	.state = ACTIVITY_ACTIVE,
	.time_ns = TIME_NS,
	.boot = "0a1b2c3d",
	.boot_ms = 123456,
	.process = 4712,
	.timeout_ms = 60000,
	.heartbeat_ms = 5000,
	.next_ns = TIME_NS + SECOND,
	.payload = { "firmware.bin", 12 },
	.records = { "[{\"key\":\"u1/1/3\"}]", 18 },
	.records_cut = true,
};

#define FULL_TEXT                                                                                                      \
	"{\"key\":\"u1/1/7\",\"instance\":\"u1\",\"execution\":1,\"seq\":7,\"activity\":\"flash\",\"tag\":\"gpu\","    \
	"\"iteration\":2,\"state\":\"Active\",\"timestamp\":\"" TIME "\",\"boot\":\"0a1b2c3d\",\"boot_ms\":123456,"    \
	"\"process\":4712,\"worker\":\"4712\",\"timeout_ms\":60000,\"heartbeat_ms\":5000,"                             \
	"\"next\":\"2026-11-21T12:41:01.000000Z\",\"reason\":\"memory: 12 MiB \\\"free\\\"\","                         \
	"\"payload\":\"firmware.bin\",\"records\":[{\"key\":\"u1/1/3\"}],\"records_cut\":true}\n"

static void assert_text(const char *got, const char *want)
{
	if (!want)
		assert_null(got);
	else
		assert_string_equal(got, want);
}

static void assert_slice(struct slice got, struct slice want)
{
	assert_int_equal(!got.data, !want.data);
	assert_int_equal(got.len, want.len);
	if (want.len)
		assert_memory_equal(got.data, want.data, want.len);
}

static void assert_same(const struct carrier *got, const struct carrier *want)
{
	assert_text(got->key, want->key);
	assert_text(got->instance, want->instance);
	assert_text(got->activity, want->activity);
	assert_text(got->tag, want->tag);
	assert_text(got->worker, want->worker);
	assert_text(got->reason, want->reason);
	assert_int_equal(got->execution, want->execution);
	assert_int_equal(got->seq, want->seq);
	assert_int_equal(got->iteration, want->iteration);
	assert_int_equal(got->state, want->state);
	assert_int_equal(got->time_ns, want->time_ns);
	assert_string_equal(got->boot, want->boot);
	assert_int_equal(got->boot_ms, want->boot_ms);
	assert_int_equal(got->process, want->process);
	assert_int_equal(got->timeout_ms, want->timeout_ms);
	assert_int_equal(got->heartbeat_ms, want->heartbeat_ms);
	assert_int_equal(got->next_ns, want->next_ns);
	assert_slice(got->payload, want->payload);
	assert_int_equal(got->payload_in_file, want->payload_in_file);
	assert_slice(got->records, want->records);
	assert_int_equal(got->records_cut, want->records_cut);
}

/* There and back; the text is gone when the carrier is looked at, as the arena has all of it. */
static struct carrier round_trip(const struct carrier *c)
{
	struct carrier back = { .seq = 99 };
	struct buf text = BUF_INIT;
	enum json_type type;

	assert_int_equal(carrier_encode(&text, c), 0);
	assert_int_equal(text.data[text.len - 1], '\n');
	assert_int_equal(json_check(slice_make(text.data, text.len - 1), &type, NULL), 0);
	assert_int_equal(type, JSON_OBJECT);
	if (carrier_decode(&back, buf_slice(&text), &arena, &err))
		fail_msg("%s: %s", buf_str(&text), err.text);
	memset(text.data, '#', text.len);
	buf_release(&text);
	return back;
}

/* ---- encoding ---- */

static void it_is_written_as_the_header_shows(void **state)
{
	struct carrier back = round_trip(&full);
	struct buf text = BUF_INIT;

	(void)state;
	assert_same(&back, &full);
	assert_int_equal(carrier_encode(&text, &full), 0);
	assert_string_equal(buf_str(&text), FULL_TEXT);
	buf_release(&text);
}

static void what_has_no_value_is_left_out(void **state)
{
	struct carrier empty = { 0 }, back = round_trip(&empty);
	struct buf text = BUF_INIT;

	(void)state;
	assert_same(&back, &empty);
	assert_int_equal(carrier_encode(&text, &empty), 0);
	assert_string_equal(buf_str(&text), "{\"state\":\"Waiting\"}\n");
	buf_release(&text);
}

static void each_state_comes_back(void **state)
{
	(void)state;
	for (unsigned s = 0; s < ACTIVITY_STATES; s++) {
		struct carrier c = { .state = (enum activity_state)s };

		assert_int_equal(round_trip(&c).state, s);
	}
}

static void largest_numbers_come_back(void **state)
{
	struct carrier c = { .execution = UINT64_MAX, .seq = UINT64_MAX, .iteration = UINT32_MAX, .process = INT32_MAX,
		             .boot_ms = INT64_MAX,    .timeout_ms = INT64_MAX }, back = round_trip(&c);

	(void)state;
	assert_same(&back, &c);
}

static void each_payload_comes_back_byte_by_byte(void **state)
{
	static const struct slice payloads[] = {
		{ "", 0 },
		{ "text", 4 },
		{ "42", 2 },
		{ "null", 4 },
		{ "{\"a\":[1,2]}", 11 },
		{ "[1, 2]", 6 },
		{ "[1,\n2]", 6 },
		{ "{broken", 7 },
		{ "{\"$base64\":\"QQ==\"}", 18 },
		{ "a\0b", 3 },
		{ "\xff\xfe\0", 3 },
		{ "tab\tand\nline\\ \"quote\"", 21 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
		struct carrier c = { .payload = payloads[i] }, back = round_trip(&c);

		assert_slice(back.payload, payloads[i]);
		assert_false(back.payload_in_file);
	}
}

static void json_payloads_stand_as_such_and_bytes_as_base64(void **state)
{
	static const struct {
		struct slice payload;
		const char *text;
	} cases[] = {
		{ { "{\"a\":1}", 7 }, "{\"state\":\"Waiting\",\"payload\":{\"a\":1}}\n" },
		{ { "\xff", 1 }, "{\"state\":\"Waiting\",\"payload\":\"/w==\",\"payload_encoding\":\"base64\"}\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct carrier c = { .payload = cases[i].payload };
		struct buf text = BUF_INIT;

		assert_int_equal(carrier_encode(&text, &c), 0);
		assert_string_equal(buf_str(&text), cases[i].text);
		buf_release(&text);
	}
}

static void a_large_payload_is_in_the_file_input(void **state)
{
	char *bytes = calloc(PAWL_SPILL_BYTES + 1, 1);
	struct carrier c = { .payload = { bytes, PAWL_SPILL_BYTES } }, back;
	struct buf text = BUF_INIT;

	(void)state;
	assert_non_null(bytes);
	memset(bytes, 1, PAWL_SPILL_BYTES); /* what takes most room as JSON */
	back = round_trip(&c);
	assert_int_equal(back.payload.len, PAWL_SPILL_BYTES);
	c.payload.len++;
	back = round_trip(&c);
	assert_true(back.payload_in_file);
	assert_null(back.payload.data);
	c = (struct carrier){ .payload_in_file = true };
	assert_int_equal(carrier_encode(&text, &c), 0);
	assert_string_equal(buf_str(&text), "{\"state\":\"Waiting\",\"payload_file\":\"input\"}\n");
	buf_release(&text);
	free(bytes);
}

static void a_reason_in_no_encoding_is_made_readable(void **state)
{
	struct carrier c = { .reason = "disk \xff full\n" };

	(void)state;
	assert_string_equal(round_trip(&c).reason, "disk ? full\n");
}

/* ---- decoding ---- */

static int decode(const char *text)
{
	struct carrier c = { .seq = 99 };
	int ret = carrier_decode(&c, slice_of(text), &arena, &err);

	if (ret)
		assert_int_equal(c.seq, 99); /* untouched */
	return ret;
}

static void members_of_a_newer_pawl_are_skipped(void **state)
{
	struct carrier c;

	(void)state;
	assert_int_equal(carrier_decode(&c, SLICE("{\"new\":{\"a\":[1]},\"seq\":3,\"x\":null} \n"), &arena, &err), 0);
	assert_int_equal(c.seq, 3);
	assert_null(c.key);
	assert_null(c.records.data);
	assert_int_equal(carrier_decode(&c, SLICE("{}"), &arena, &err), 0);
	assert_int_equal(c.seq, 0);
	assert_int_equal(c.state, ACTIVITY_WAITING);
}

static void garbage_is_refused_and_changes_nothing(void **state)
{
	static const char *const texts[] = {
		"",
		" ",
		"{",
		"[]",
		"null",
		"{\"seq\":7}{}",
		"{\"seq\":7",
		"\177ELF",
		"{\"key\":7}",
		"{\"key\":\"a\\u0000b\"}",
		"{\"seq\":-1}",
		"{\"seq\":1.5}",
		"{\"seq\":\"7\"}",
		"{\"seq\":18446744073709551616}",
		"{\"iteration\":4294967296}",
		"{\"process\":-1}",
		"{\"process\":2147483648}",
		"{\"boot_ms\":9223372036854775808}",
		"{\"boot\":\"0a1b2c3d4\"}",
		"{\"boot\":5}",
		"{\"state\":\"Sleeping\"}",
		"{\"state\":1}",
		"{\"timestamp\":\"today\"}",
		"{\"timestamp\":5}",
		"{\"payload\":\"!\",\"payload_encoding\":\"base64\"}",
		"{\"payload\":\"QQ==\",\"payload_encoding\":\"rot13\"}",
		"{\"payload_encoding\":\"base64\"}",
		"{\"payload_file\":\"/etc/shadow\"}",
		"{\"records\":{}}",
		"{\"records_cut\":1}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (decode(texts[i]) != PAWL_EPARSE || !strstr(err.text, "carrier: "))
			fail_msg("'%s': %s", texts[i], err.text);
	assert_int_equal(decode("{\"seq\":\"7\"}"), PAWL_EPARSE);
	assert_string_equal(err.text, "carrier: the value of 'seq' is not one that is written there");
}

static void a_torn_text_never_counts(void **state)
{
	(void)state;
	for (size_t len = 0; len < sizeof(FULL_TEXT) - 2; len++) {
		struct carrier c;

		assert_int_equal(carrier_decode(&c, slice_make(FULL_TEXT, len), &arena, &err), PAWL_EPARSE);
	}
}

static void what_is_too_large_is_not_read(void **state)
{
	char *text = malloc(CARRIER_BYTES_MAX + 1);
	struct carrier c;

	(void)state;
	memset(text, ' ', CARRIER_BYTES_MAX + 1);
	memcpy(text, "{}", 2);
	assert_int_equal(carrier_decode(&c, slice_make(text, CARRIER_BYTES_MAX), &arena, &err), 0);
	assert_int_equal(carrier_decode(&c, slice_make(text, CARRIER_BYTES_MAX + 1), &arena, &err), PAWL_EPARSE);
	free(text);
}

static void without_memory_it_says_so(void **state)
{
	struct arena small;
	struct carrier c = { .seq = 99 };
	int ret = PAWL_ENOMEM;
	size_t limit = 1;

	(void)state;
	for (; ret == PAWL_ENOMEM && limit < 100000; limit += 8) {
		arena_init(&small, limit);
		ret = carrier_decode(&c, SLICE(FULL_TEXT), &small, &err);
		if (ret)
			assert_int_equal(c.seq, 99);
		arena_release(&small);
	}
	assert_int_equal(ret, 0);
	assert_true(limit > 9);
}

/* ---- records ---- */

static struct buf history;
static uint64_t seq;

static void add_event(struct event e, int64_t time_ns)
{
	static const uint32_t fields[EVENT_TYPE_COUNT] = {
		[EVENT_ExecutionStarted] = FIELD_NAME | FIELD_VERSION | FIELD_SEED,
		[EVENT_ActivityScheduled] = FIELD_NAME,
		[EVENT_ActivityCompleted] = FIELD_REF | FIELD_DATA,
		[EVENT_ActivityFailed] = FIELD_REF | FIELD_ERROR,
		[EVENT_ActivityRetrying] = FIELD_REF | FIELD_ATTEMPT | FIELD_ERROR | FIELD_DELAY,
		[EVENT_ActivityRebooting] = FIELD_REF | FIELD_ATTEMPT | FIELD_DUE,
		[EVENT_ActivityCancelRequested] = FIELD_REF,
		[EVENT_TimerCreated] = FIELD_DELAY,
		[EVENT_TimerFired] = FIELD_REF,
	};

	e.seq = ++seq;
	e.fields = fields[e.type];
	e.has_time = time_ns != 0;
	e.time_ns = time_ns;
	e.version = SLICE("1.0.0");
	if (!e.error.kind.data)
		e.error = (struct failure){ SLICE("process"), SLICE("exit:3"), SLICE("no disk"), SLICE_NONE, true };
	e.attempt = 1;
	e.delay_ms = e.delay_ms ? e.delay_ms : 1000;
	e.due = (struct due){ SLICE("0a1b2c3d"), 5000, TIME_NS };
	e.data = SLICE("done");
	if (event_encode(&history, &e))
		fail_msg("the test is wrong: event %llu", (unsigned long long)seq);
}

static void begin_history(void)
{
	buf_release(&history);
	buf_init(&history);
	seq = 0;
	add_event((struct event){ .type = EVENT_ExecutionStarted, .name = SLICE("update") }, TIME_NS);
}

static void schedule(const char *name)
{
	add_event((struct event){ .type = EVENT_ActivityScheduled, .name = slice_of(name) }, 0);
}

static void answer(enum event_type type, uint64_t ref, int64_t seconds)
{
	add_event((struct event){ .type = type, .ref = ref }, TIME_NS + seconds * SECOND);
}

static void assert_records(uint64_t before, const char *want, bool want_cut)
{
	struct buf out = BUF_INIT;
	bool cut = !want_cut;

	if (carrier_records(&out, buf_slice(&history), "u1", 2, before, &cut, &err))
		fail_msg("%s", err.text);
	assert_string_equal(buf_str(&out), want);
	assert_int_equal(cut, want_cut);
	buf_release(&out);
}

#define RECORD(seq, name, state, second)                                                                               \
	"{\"key\":\"u1/2/" seq "\",\"activity\":\"" name "\",\"state\":\"" state                                       \
	"\",\"timestamp\":\"2026-11-21T12:41:" second ".000000Z\"}"

static void each_activity_has_its_newest_state(void **state)
{
	(void)state;
	begin_history();
	schedule("unpack");                                /* 2 */
	schedule("probe");                                 /* 3 */
	answer(EVENT_ActivityCompleted, 2, 1);             /* 4 */
	answer(EVENT_ActivityRetrying, 3, 2);              /* 5 */
	add_event((struct event){ .type = EVENT_TimerCreated }, 0); /* 6 */
	answer(EVENT_TimerFired, 6, 3);                    /* 7 */
	schedule("flash");                                 /* 8 */
	assert_records(0,
	               "[" RECORD("2", "unpack", "Completed", "01") ","
	               RECORD("3", "probe", "Waiting", "02") "," RECORD("8", "flash", "Waiting", "03") "]",
	               false);
	answer(EVENT_ActivityFailed, 3, 4);                /* 9 */
	answer(EVENT_ActivityCancelRequested, 8, 5);       /* 10 */
	assert_records(0,
	               "[" RECORD("2", "unpack", "Completed", "01") ","
	               RECORD("3", "probe", "Failed", "04") "," RECORD("8", "flash", "Failed", "05") "]",
	               false);
}

/* The event's error and delay as they are when no attempt is left and dead_letter says hold. */
static void hold(uint64_t ref, const char *kind, int64_t seconds)
{
	add_event((struct event){ .type = EVENT_ActivityRetrying,
	                          .ref = ref,
	                          .delay_ms = EVENT_DELAY_HELD,
	                          .error = { slice_of(kind), SLICE("x"), SLICE("x"), SLICE_NONE, true } },
	          TIME_NS + seconds * SECOND);
}

static void held_ones_stay_as_they_ended_until_they_are_requeued(void **state)
{
	struct event again = { .type = EVENT_ActivityRetrying, .ref = 3, .delay_ms = 1 };

	(void)state;
	begin_history();
	schedule("a");          /* 2 */
	schedule("b");          /* 3 */
	hold(2, "process", 1);
	hold(3, "stuck", 2);
	assert_records(0, "[" RECORD("2", "a", "Stalled", "01") "," RECORD("3", "b", "Stuck", "02") "]", false);
	again.error.kind = SLICE(EVENT_KIND_REQUEUED);
	again.error.code = SLICE(EVENT_CODE_REQUEUED);
	again.error.message = SLICE("");
	add_event(again, TIME_NS);
	answer(EVENT_ActivityRebooting, 2, 5);
	assert_records(0, "[" RECORD("2", "a", "Active", "05") "," RECORD("3", "b", "Waiting", "00") "]", false);
}

/* C and process activities look the same in a history; only the name tells them apart. */
static void only_those_scheduled_before_count_but_with_what_came_later(void **state)
{
	(void)state;
	begin_history();
	schedule("unpack");                    /* 2 */
	schedule("lib/flash:v2");              /* 3 */
	schedule("verify");                    /* 4 */
	answer(EVENT_ActivityCompleted, 2, 9); /* 5 */
	assert_records(2, "[]", false);
	assert_records(3, "[" RECORD("2", "unpack", "Completed", "09") "]", false);
	assert_records(
	        4, "[" RECORD("2", "unpack", "Completed", "09") "," RECORD("3", "lib/flash:v2", "Waiting", "00") "]",
	        false);
}

static void no_activities_no_records(void **state)
{
	(void)state;
	begin_history();
	assert_records(0, "[]", false);
	buf_reset(&history);
	assert_records(0, "[]", false);
}

static size_t count_of(const char *text, const char *what)
{
	size_t count = 0;

	while ((text = strstr(text, what)) && ++count)
		text += strlen(what);
	return count;
}

static void the_newest_are_kept(void **state)
{
	(void)state;
	for (unsigned n = CARRIER_RECORDS_MAX - 1; n <= CARRIER_RECORDS_MAX + 1; n++) {
		struct buf out = BUF_INIT;
		enum json_type type;
		bool cut;

		begin_history();
		for (unsigned i = 0; i < n; i++)
			schedule("step"); /* 2 ... n + 1 */
		assert_int_equal(carrier_records(&out, buf_slice(&history), "u1", 2, 0, &cut, &err), 0);
		assert_int_equal(json_check(buf_slice(&out), &type, NULL), 0);
		assert_int_equal(count_of(buf_str(&out), "\"key\""), n < CARRIER_RECORDS_MAX ? n : CARRIER_RECORDS_MAX);
		assert_int_equal(cut, n > CARRIER_RECORDS_MAX);
		assert_int_equal(!strstr(buf_str(&out), "\"u1/2/2\""), cut);
		buf_release(&out);
	}
}

static void a_long_history_gives_none_and_says_so(void **state)
{
	(void)state;
	begin_history();
	schedule("unpack");
	while (history.len <= CARRIER_HISTORY_BYTES_MAX)
		buf_addc(&history, '\n');
	assert_records(0, "[]", true);
}

static void a_torn_history_gives_what_is_whole_and_a_damaged_one_nothing(void **state)
{
	struct buf out = BUF_INIT;
	size_t good;
	bool cut;

	(void)state;
	begin_history();
	answer(EVENT_TimerCreated, 0, 0);
	add_event((struct event){ .type = EVENT_ActivityScheduled, .name = SLICE("unpack") }, TIME_NS);
	good = history.len;
	answer(EVENT_ActivityCompleted, 3, 5);
	buf_truncate(&history, history.len - 4);
	assert_records(0, "[" RECORD("3", "unpack", "Waiting", "00") "]", false);
	answer(EVENT_ActivityCompleted, 3, 5);
	history.data[good / 2] ^= 1;
	assert_int_equal(carrier_records(&out, buf_slice(&history), "u1", 2, 0, &cut, &err), PAWL_ECORRUPT);
	buf_release(&out);
	buf_release(&history);
	buf_init(&history);
}

/* ---- files ---- */

static void put(const char *path, const char *text)
{
	int fd = os->open(os->self, OS_CWD, path, OS_WRITE | OS_CREATE | OS_TRUNC, 0644);

	assert_true(fd >= 0);
	if (*text)
		assert_true(os->pwrite(os->self, fd, text, strlen(text), 0) > 0);
	os->close(os->self, fd);
}

static bool is_there(const char *path)
{
	struct os_stat st;

	return os->stat(os->self, OS_CWD, path, &st) == 0;
}

static void a_file_is_replaced_as_a_whole(void **state)
{
	struct carrier c = full, back;

	(void)state;
	assert_int_equal(carrier_read(os, "/work", &back, &arena, &err), PAWL_ENOTFOUND);
	assert_string_equal(err.text, "there is no carrier in '/work'");
	assert_int_equal(carrier_write(os, "/work", &full), 0);
	assert_int_equal(carrier_read(os, "/work", &back, &arena, &err), 0);
	assert_same(&back, &full);
	c.state = ACTIVITY_STALLED;
	assert_int_equal(carrier_write(os, "/work", &c), 0);
	assert_int_equal(carrier_read(os, "/work", &back, &arena, &err), 0);
	assert_int_equal(back.state, ACTIVITY_STALLED);
	assert_false(is_there("/work/.carrier"));
	assert_int_equal(os_sim_open_count(sim, 0), 0);
}

static void without_its_directory_it_is_not_written(void **state)
{
	struct carrier back;

	(void)state;
	assert_int_equal(carrier_write(os, "/gone", &full), -ENOENT);
	assert_int_equal(carrier_read(os, "/gone", &back, &arena, &err), PAWL_ENOTFOUND);
	assert_false(is_there("/gone"));
}

/* The directory is the activity's too. */
static void a_link_in_its_place_is_not_followed(void **state)
{
	struct carrier back;
	char *text;
	size_t len;

	(void)state;
	put("/secret", "precious");
	assert_int_equal(os_sim_link(sim, "/secret", "/work/.carrier"), 0);
	assert_int_equal(os_sim_symlink(sim, "/secret", "/work/carrier"), 0);
	assert_true(carrier_read(os, "/work", &back, &arena, &err) < 0);
	assert_int_equal(carrier_write(os, "/work", &full), 0);
	assert_int_equal(carrier_read(os, "/work", &back, &arena, &err), 0);
	assert_int_equal(os_read_file(os, OS_CWD, "/secret", 100, &text, &len), 0);
	assert_string_equal(text, "precious");
	free(text);
}

static void a_torn_or_strange_file_is_named(void **state)
{
	struct carrier back;
	char *big = malloc(CARRIER_BYTES_MAX + 2);

	(void)state;
	put("/work/carrier", "{\"seq\":");
	assert_int_equal(carrier_read(os, "/work", &back, &arena, &err), PAWL_EPARSE);
	assert_string_equal(err.text, "'/work/carrier': carrier: not a JSON object, or only a part of one");
	memset(big, ' ', CARRIER_BYTES_MAX + 1);
	big[CARRIER_BYTES_MAX + 1] = '\0';
	put("/work/carrier", big);
	assert_int_equal(carrier_read(os, "/work", &back, &arena, &err), PAWL_ETOOBIG);
	free(big);
}

/* Each call may fail: then the old one is still there, whole, and nothing is left open. */
static void when_a_call_fails_the_old_one_stays(void **state)
{
	struct carrier c = full, back;
	uint64_t n = 0;
	int r;

	(void)state;
	assert_int_equal(carrier_write(os, "/work", &full), 0);
	c.state = ACTIVITY_STUCK;
	do {
		os_sim_fail_nth(sim, ++n, EIO, false);
		r = carrier_write(os, "/work", &c);
		bool fired = os_sim_fault_fired(sim);
		os_sim_fail_nth(sim, 0, 0, false);
		if (fired && r) {
			assert_int_equal(r, -EIO);
			assert_int_equal(carrier_read(os, "/work", &back, &arena, &err), 0);
			assert_int_equal(back.state, ACTIVITY_ACTIVE);
		}
		assert_int_equal(os_sim_open_count(sim, 0), 0);
		if (!fired)
			break;
	} while (n < 50);
	assert_int_equal(r, 0);
	assert_true(n > 3 && n < 50);
}

/* I4: history has all of it, so a write costs no sync. */
static void nothing_is_synced(void **state)
{
	(void)state;
	os_sim_fail_ops(sim, OS_SIM_OP_SYNC);
	os_sim_fail_nth(sim, 1, EIO, true);
	assert_int_equal(carrier_write(os, "/work", &full), 0);
	assert_false(os_sim_fault_fired(sim));
}

/* ---- progress ---- */

static void progress_is_a_percentage_a_text_or_both(void **state)
{
	static const struct {
		const char *text;
		int percent;
		const char *want;
	} cases[] = {
		{ "42", 42, "" },
		{ "42\n", 42, "" },
		{ "42%", 42, "" },
		{ "42% of it", 42, "of it" },
		{ "42 writing", 42, "writing" },
		{ "  7  writing  \r\nsecond line", 7, "writing" },
		{ "0", 0, "" },
		{ "100", 100, "" },
		{ "3/7 text", 42, "text" },
		{ "0/5", 0, "" },
		{ "7/7", 100, "" },
		{ "999999999/999999999", 100, "" },
		{ "writing", -1, "writing" },
		{ "writing 42%", -1, "writing 42%" },
		{ "101", -1, "101" },
		{ "150 files", -1, "150 files" },
		{ "8/7", -1, "8/7" },
		{ "3/0", -1, "3/0" },
		{ "3/", -1, "3/" },
		{ "3/x", -1, "3/x" },
		{ "/7", -1, "/7" },
		{ "42x", -1, "42x" },
		{ "42.5", -1, "42.5" },
		{ "-1", -1, "-1" },
		{ "%", -1, "%" },
		{ "99999999999999999999", -1, "99999999999999999999" },
		{ "bell\a and \x1b[31mred\x7f", -1, "bell? and ?[31mred?" },
		{ "50 \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 50, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80" },
		{ "bad \xff\xc3 utf", -1, "bad ?? utf" },
		{ "csi \xc2\x9b", -1, "csi ??" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct progress p = { .percent = 77, .time_ns = 5 };

		assert_true(progress_parse(&p, slice_of(cases[i].text)));
		if (p.percent != cases[i].percent || strcmp(p.text, cases[i].want) != 0)
			fail_msg("'%s': %d '%s'", cases[i].text, p.percent, p.text);
		assert_int_equal(p.time_ns, 0);
	}
}

static void an_empty_first_line_says_nothing(void **state)
{
	static const char *const texts[] = { "", "\n", "  \t\n", "\r\n", "\n42\n" };
	struct progress p;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_false(progress_parse(&p, slice_of(texts[i])));
		assert_int_equal(p.percent, -1);
		assert_string_equal(p.text, "");
	}
	assert_false(progress_parse(&p, SLICE_NONE));
}

static void a_long_text_is_cut_where_a_character_ends(void **state)
{
	char text[600];
	struct progress p;

	(void)state;
	memset(text, 'a', sizeof(text));
	assert_true(progress_parse(&p, slice_make(text, sizeof(text))));
	assert_int_equal(strlen(p.text), 200);
	for (size_t i = 1; i + 1 < sizeof(text); i += 2)
		memcpy(text + i, "\xc3\xa4", 2);
	assert_true(progress_parse(&p, slice_make(text, sizeof(text))));
	assert_int_equal(strlen(p.text), 199);
	assert_true(text_is_utf8(slice_of(p.text)));
	memset(text, 0, sizeof(text));
	assert_true(progress_parse(&p, slice_make(text, sizeof(text))));
	assert_int_equal(strspn(p.text, "?"), 200);
}

static void progress_and_heartbeat_are_read_from_the_work_directory(void **state)
{
	struct progress p;
	int64_t first, second;

	(void)state;
	assert_false(progress_read(os, "/work", &p));
	assert_int_equal(p.percent, -1);
	assert_int_equal(heartbeat_read(os, "/work"), 0);
	os_sim_set_real(sim, TIME_NS);
	put("/work/heartbeat", "");
	first = heartbeat_read(os, "/work");
	assert_true(first >= TIME_NS && first < TIME_NS + SECOND);
	os_sim_advance(sim, 10 * SECOND);
	put("/work/progress", "");
	assert_false(progress_read(os, "/work", &p)); /* touched: alive, but says nothing */
	second = heartbeat_read(os, "/work");
	assert_true(second >= first + 10 * SECOND);
	put("/work/progress", "3/4 writing\nmore\n");
	assert_true(progress_read(os, "/work", &p));
	assert_int_equal(p.percent, 75);
	assert_string_equal(p.text, "writing");
	assert_true(p.time_ns >= second);
	os_sim_advance(sim, 10 * SECOND);
	put("/work/heartbeat", "x");
	assert_true(heartbeat_read(os, "/work") >= second + 10 * SECOND);
	assert_int_equal(os_sim_open_count(sim, 0), 0);
}

static void only_files_are_signs_of_life(void **state)
{
	struct progress p;

	(void)state;
	put("/elsewhere", "42");
	assert_int_equal(os_sim_symlink(sim, "/elsewhere", "/work/progress"), 0);
	assert_int_equal(os->mkdir(os->self, OS_CWD, "/work/heartbeat", 0755), 0);
	assert_false(progress_read(os, "/work", &p));
	assert_int_equal(heartbeat_read(os, "/work"), 0);
	assert_false(progress_read(os, "/gone", &p));
	assert_int_equal(heartbeat_read(os, "/gone"), 0);
	assert_int_equal(os_sim_open_count(sim, 0), 0);
}

static void a_large_progress_file_costs_only_its_first_line(void **state)
{
	char *big = malloc(1 << 20);
	struct progress p;

	(void)state;
	memset(big, 'x', 1 << 20);
	memcpy(big, "9 now ", 6);
	big[(1 << 20) - 1] = '\0';
	put("/work/progress", big);
	assert_true(progress_read(os, "/work", &p));
	assert_int_equal(p.percent, 9);
	assert_int_equal(strlen(p.text), 200);
	free(big);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_is_written_as_the_header_shows),
		TEST(what_has_no_value_is_left_out),
		TEST(each_state_comes_back),
		TEST(largest_numbers_come_back),
		TEST(each_payload_comes_back_byte_by_byte),
		TEST(json_payloads_stand_as_such_and_bytes_as_base64),
		TEST(a_large_payload_is_in_the_file_input),
		TEST(a_reason_in_no_encoding_is_made_readable),
		TEST(members_of_a_newer_pawl_are_skipped),
		TEST(garbage_is_refused_and_changes_nothing),
		TEST(a_torn_text_never_counts),
		TEST(what_is_too_large_is_not_read),
		TEST(without_memory_it_says_so),
		TEST(each_activity_has_its_newest_state),
		TEST(held_ones_stay_as_they_ended_until_they_are_requeued),
		TEST(only_those_scheduled_before_count_but_with_what_came_later),
		TEST(no_activities_no_records),
		TEST(the_newest_are_kept),
		TEST(a_long_history_gives_none_and_says_so),
		TEST(a_torn_history_gives_what_is_whole_and_a_damaged_one_nothing),
		TEST(a_file_is_replaced_as_a_whole),
		TEST(without_its_directory_it_is_not_written),
		TEST(a_link_in_its_place_is_not_followed),
		TEST(a_torn_or_strange_file_is_named),
		TEST(when_a_call_fails_the_old_one_stays),
		TEST(nothing_is_synced),
		TEST(progress_is_a_percentage_a_text_or_both),
		TEST(an_empty_first_line_says_nothing),
		TEST(a_long_text_is_cut_where_a_character_ends),
		TEST(progress_and_heartbeat_are_read_from_the_work_directory),
		TEST(only_files_are_signs_of_life),
		TEST(a_large_progress_file_costs_only_its_first_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
