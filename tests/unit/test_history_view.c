/* test_history_view.c - what an instance is doing, folded from its history. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "history/history.h"
#include "history/view.h"
#include "history_lines.h"
#include <stdio.h>
#include <stdlib.h>

#define TIME_NS INT64_C(1795264860123456000)
#define STARTED                                                                                                        \
	"\"type\":\"ExecutionStarted\",\"name\":\"greet\",\"version\":\"1.0.0\",\"seed\":"                             \
	"\"0123456789abcdeffedcba9876543210\""
#define ERROR "\"error\":{\"kind\":\"process\",\"code\":\"exit:3\",\"message\":\"no disk\",\"retryable\":true}"

#define DUE ",\"boot\":\"1a2b3c4d\",\"boot_ms\":123,\"fire_at\":\"2026-11-21T12:41:00.123456Z\""
#define HELD(attempt) "\"type\":\"ActivityRetrying\",\"ref\":2,\"attempt\":" #attempt ",\"delay_ms\":-1," ERROR
#define REQUEUED(of)                                                                                                   \
	"\"type\":\"ActivityRetrying\",\"ref\":2,\"attempt\":" #of ",\"delay_ms\":0,\"error\":{\"kind\":\"system\","     \
	"\"code\":\"requeued\",\"message\":\"given new attempts\",\"retryable\":true}" DUE
#define REBOOTING(attempt, output)                                                                                     \
	"\"type\":\"ActivityRebooting\",\"ref\":2,\"attempt\":" #attempt output DUE

static struct view v;
static struct arena arena;
static uint64_t seq;

static int set_up(void **state)
{
	(void)state;
	view_init(&v);
	arena_init(&arena, 0);
	seq = 0;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	view_release(&v);
	arena_release(&arena);
	return 0;
}

/* Apply an event given as its members but "seq". The event's memory is gone afterwards: the view must not need it. */
static int apply(const char *members)
{
	struct buf json = BUF_INIT, line = BUF_INIT;
	struct arena short_lived;
	struct event e;

	buf_addf(&json, "{\"seq\":%llu,%s}", (unsigned long long)seq + 1, members);
	add_sealed(&line, buf_slice(&json));
	arena_init(&short_lived, 0);
	if (event_decode(&e, buf_slice(&line), &short_lived, NULL) < 0)
		fail_msg("the test is wrong: %s", buf_str(&json));
	int rc = view_apply(&v, &e);
	seq += rc == 0;
	arena_release(&short_lived);
	buf_release(&json);
	buf_release(&line);
	return rc;
}

static void apply_all(const char *const *events)
{
	for (; *events; events++)
		if (apply(*events) < 0)
			fail_msg("event %llu does not apply: %s", (unsigned long long)seq + 1, *events);
}

/* "2 4 +1": the open items and the number of buffered events. */
static void assert_open(const char *want)
{
	struct buf got = BUF_INIT;
	uint32_t count = 0;

	for (struct open_item *item = v.open; item; item = item->next, count++) {
		buf_addf(&got, "%llu ", (unsigned long long)item->seq);
		assert_ptr_equal(view_find(&v, item->seq), item);
	}
	buf_addf(&got, "+%u", (unsigned)v.event_count);
	assert_int_equal(count, v.open_count);
	if (strcmp(buf_str(&got), want) != 0)
		fail_msg("after event %llu open is '%s', not '%s'", (unsigned long long)seq, buf_str(&got), want);
	buf_release(&got);
}

static void a_new_view_is_pending(void **state)
{
	(void)state;
	assert_int_equal(v.status, STATUS_PENDING);
	assert_int_equal(v.next_seq, 1);
	assert_open("+0");
}

static void the_start_tells_type_version_and_time(void **state)
{
	(void)state;
	assert_int_equal(apply(TIME STARTED ",\"status\":\"carried over\""), 0);
	assert_int_equal(v.status, STATUS_RUNNING);
	assert_string_equal(v.type, "greet");
	assert_string_equal(v.version, "1.0.0");
	assert_string_equal(v.custom_status, "carried over");
	assert_true(v.created_ns == TIME_NS && v.updated_ns == TIME_NS && v.next_seq == 2);
	assert_int_equal(apply("\"type\":\"CustomStatusSet\",\"status\":\"half\""), 0);
	assert_int_equal(apply("\"time\":\"2026-11-21T12:41:01Z\",\"type\":\"EventRaised\",\"name\":\"x\""), 0);
	assert_true(v.created_ns == TIME_NS && v.updated_ns == TIME_NS - 123456000 + 1000000000);
}

/* What opens an item, what may answer it, and what is open then. The opening event is number 2, the answers follow. */
static const struct {
	const char *open, *answers[3];
	const char *after;
} answers[] = {
	{ "\"type\":\"ActivityScheduled\",\"name\":\"a\"", { "\"type\":\"ActivityCompleted\",\"ref\":2" }, "+0" },
	{ "\"type\":\"ActivityScheduled\",\"name\":\"a\"", { "\"type\":\"ActivityFailed\",\"ref\":2," ERROR }, "+0" },
	{ "\"type\":\"ActivityScheduled\",\"name\":\"a\"", { "\"type\":\"ActivityCancelRequested\",\"ref\":2" }, "+0" },
	{ "\"type\":\"ActivityScheduled\",\"name\":\"a\"", { "\"type\":\"ActivityMessageSent\",\"ref\":2" }, "2 +0" },
	{ "\"type\":\"ActivityScheduled\",\"name\":\"a\"",
	  { "\"type\":\"ActivityRetrying\",\"ref\":2,\"attempt\":1,\"delay_ms\":5," ERROR,
	    "\"type\":\"ActivityCompleted\",\"ref\":2" },
	  "+0" },
	{ "\"type\":\"ActivityScheduled\",\"name\":\"a\"", { HELD(1) }, "2 +0" },
	{ "\"type\":\"ActivityScheduled\",\"name\":\"a\"", { HELD(1), "\"type\":\"ActivityFailed\",\"ref\":2," ERROR }, "+0" },
	{ "\"type\":\"ActivityScheduled\",\"name\":\"a\"", { HELD(1), REQUEUED(1), "\"type\":\"ActivityCompleted\",\"ref\":2" }, "+0" },
	{ "\"type\":\"ActivityScheduled\",\"name\":\"a\"", { REBOOTING(1, "") }, "2 +0" },
	{ "\"type\":\"ActivityScheduled\",\"name\":\"a\"",
	  { REBOOTING(1, ",\"output\":\"x\""), "\"type\":\"ActivityCompleted\",\"ref\":2" },
	  "+0" },
	{ "\"type\":\"ActivityScheduled\",\"name\":\"a\"",
	  { REBOOTING(1, ",\"output\":\"x\""), "\"type\":\"ActivityFailed\",\"ref\":2," ERROR },
	  "+0" },
	{ "\"type\":\"TimerCreated\",\"delay_ms\":5", { "\"type\":\"TimerFired\",\"ref\":2" }, "+0" },
	{ "\"type\":\"TimerCreated\",\"delay_ms\":5", { "\"type\":\"TimerCanceled\",\"ref\":2" }, "+0" },
	{ "\"type\":\"EventSubscribed\",\"name\":\"x\"", { "\"type\":\"EventRaised\",\"name\":\"x\"" }, "+0" },
	{ "\"type\":\"EventSubscribed\",\"name\":\"x\"", { "\"type\":\"EventRaised\",\"name\":\"y\"" }, "2 +1" },
	{ "\"type\":\"EventSubscribed\",\"name\":\"x\"", { "\"type\":\"EventUnsubscribed\",\"ref\":2" }, "+0" },
	{ "\"type\":\"ChildScheduled\",\"name\":\"c\",\"instance\":\"i\"",
	  { "\"type\":\"ChildCompleted\",\"ref\":2" },
	  "+0" },
	{ "\"type\":\"ChildScheduled\",\"name\":\"c\",\"instance\":\"i\"",
	  { "\"type\":\"ChildFailed\",\"ref\":2," ERROR },
	  "+0" },
	{ "\"type\":\"ChildScheduled\",\"name\":\"c\",\"instance\":\"i\"",
	  { "\"type\":\"ChildCancelRequested\",\"ref\":2" },
	  "2 +0" },
	{ "\"type\":\"ChildScheduled\",\"name\":\"c\",\"instance\":\"i\"",
	  { "\"type\":\"ChildCancelRequested\",\"ref\":2", "\"type\":\"ChildFailed\",\"ref\":2," ERROR },
	  "+0" },
	{ "\"type\":\"EntityCalled\",\"name\":\"e\",\"instance\":\"i\"",
	  { "\"type\":\"EntityReplied\",\"ref\":2" },
	  "+0" },
	{ "\"type\":\"EntityLockRequested\",\"entities\":[\"e\"]",
	  { "\"type\":\"EntityLockGranted\",\"ref\":2" },
	  "2 +0" },
	{ "\"type\":\"EntityLockRequested\",\"entities\":[\"e\"]", { "\"type\":\"EntityUnlocked\",\"ref\":2" }, "+0" },
	{ "\"type\":\"EntityLockRequested\",\"entities\":[\"e\"]",
	  { "\"type\":\"EntityLockGranted\",\"ref\":2", "\"type\":\"EntityUnlocked\",\"ref\":2" },
	  "+0" },
	/* decisions that nobody answers */
	{ "\"type\":\"EventSent\",\"name\":\"x\",\"instance\":\"i\"", { NULL }, "+0" },
	{ "\"type\":\"TopicSubscribed\",\"name\":\"t\",\"key\":\"e\"",
	  { "\"type\":\"TopicUnsubscribed\",\"ref\":2,\"name\":\"t\"" },
	  "+0" },
	{ "\"type\":\"InstanceStarted\",\"name\":\"t\",\"instance\":\"i\"", { NULL }, "+0" },
	{ "\"type\":\"KeyValueSet\",\"key\":\"k\",\"value\":\"1\"", { "\"type\":\"KeyValueCleared\"" }, "+0" },
	{ "\"type\":\"EntitySignaled\",\"name\":\"e\",\"instance\":\"i\"", { NULL }, "+0" },
	{ "\"type\":\"PatchMarked\",\"name\":\"p\"", { NULL }, "+0" },
};

static void what_opens_is_closed_by_its_answer(void **state)
{
	for (size_t i = 0; i < LENGTH(answers); i++) {
		assert_int_equal(apply(TIME STARTED), 0);
		assert_int_equal(apply(answers[i].open), 0);
		for (size_t a = 0; a < LENGTH(answers[i].answers) && answers[i].answers[a]; a++)
			assert_int_equal(apply(answers[i].answers[a]), 0);
		assert_open(answers[i].after);
		tear_down(state);
		set_up(state);
	}
}

/* External events: events of the history after ExecutionStarted and what is open and buffered at the end. */
static const struct {
	const char *events[8];
	const char *after;
} mailbox[] = {
#define SUB(name)   "\"type\":\"EventSubscribed\",\"name\":\"" name "\""
#define RAISE(name) "\"type\":\"EventRaised\",\"name\":\"" name "\""
#define UNSUB(ref)  "\"type\":\"EventUnsubscribed\",\"ref\":" #ref
	{ { RAISE("x"), NULL }, "+1" },
	{ { RAISE("x"), RAISE("y"), RAISE("x") }, "+3" },
	{ { RAISE("x"), SUB("x") }, "+0" },
	{ { RAISE("x"), SUB("y") }, "3 +1" },
	{ { RAISE("x"), RAISE("x"), SUB("x"), SUB("x"), SUB("x") }, "6 +0" },
	{ { SUB("x"), SUB("x"), RAISE("x") }, "3 +0" },
	{ { SUB("y"), SUB("x"), SUB("x"), RAISE("x"), RAISE("x") }, "2 +0" },
	{ { SUB("x"), UNSUB(2), RAISE("x") }, "+1" },
	{ { SUB("x"), SUB("x"), UNSUB(2), RAISE("x") }, "+0" },
	/* a wait that had taken its event gives it back */
	{ { RAISE("x"), SUB("x"), UNSUB(3) }, "+1" },
	{ { RAISE("x"), SUB("x"), UNSUB(3), SUB("x") }, "+0" },
	{ { SUB("x"), RAISE("x"), UNSUB(2) }, "+1" },
	{ { SUB("x"), RAISE("x"), UNSUB(2), SUB("x"), UNSUB(5) }, "+1" },
	{ { SUB("x"), RAISE("x"), SUB("y"), UNSUB(2) }, "4 +1" },
	/* ... to another that waits for it */
	{ { SUB("x"), SUB("x"), RAISE("x"), UNSUB(2) }, "+0" },
	{ { SUB("x"), SUB("x"), RAISE("x"), UNSUB(2), UNSUB(3) }, "+1" },
	{ { SUB("x"), SUB("x"), SUB("x"), RAISE("x"), UNSUB(2) }, "4 +0" },
};

static void events_go_to_the_oldest_wait_or_are_kept(void **state)
{
	for (size_t i = 0; i < LENGTH(mailbox); i++) {
		assert_int_equal(apply(TIME STARTED), 0);
		apply_all((const char *const[]){ mailbox[i].events[0], mailbox[i].events[1], mailbox[i].events[2],
		                                 mailbox[i].events[3], mailbox[i].events[4], NULL });
		assert_open(mailbox[i].after);
		tear_down(state);
		set_up(state);
	}
}

/* Events that cannot follow; the last one is the wrong one. */
static const char *const impossible[][5] = {
	{ TIME "\"type\":\"EventRaised\",\"name\":\"x\"" },
	{ STARTED },
	{ TIME STARTED, TIME STARTED },
	{ TIME STARTED, "\"type\":\"ActivityCompleted\",\"ref\":2" },
	{ TIME STARTED, "\"type\":\"ActivityCompleted\",\"ref\":1" },
	{ TIME STARTED, "\"type\":\"ActivityScheduled\",\"name\":\"a\"", "\"type\":\"TimerFired\",\"ref\":2" },
	{ TIME STARTED, "\"type\":\"ActivityScheduled\",\"name\":\"a\"", "\"type\":\"EventUnsubscribed\",\"ref\":2" },
	{ TIME STARTED, "\"type\":\"ActivityScheduled\",\"name\":\"a\"", "\"type\":\"EntityUnlocked\",\"ref\":2" },
	{ TIME STARTED, "\"type\":\"ActivityScheduled\",\"name\":\"a\"",
	  "\"type\":\"ChildCancelRequested\",\"ref\":2" },
	{ TIME STARTED, "\"type\":\"ActivityScheduled\",\"name\":\"a\"",
	  "\"type\":\"ChildRetrying\",\"ref\":2,\"attempt\":1,\"delay_ms\":1," ERROR },
	{ TIME STARTED, "\"type\":\"ActivityScheduled\",\"name\":\"a\"", "\"type\":\"ActivityCompleted\",\"ref\":2",
	  "\"type\":\"ActivityCompleted\",\"ref\":2" },
	{ TIME STARTED, "\"type\":\"ActivityScheduled\",\"name\":\"a\"", "\"type\":\"ActivityCompleted\",\"ref\":2",
	  "\"type\":\"ActivityRetrying\",\"ref\":2,\"attempt\":1,\"delay_ms\":1," ERROR },
	{ TIME STARTED, "\"type\":\"ActivityScheduled\",\"name\":\"a\"",
	  "\"type\":\"ActivityCancelRequested\",\"ref\":2", "\"type\":\"ActivityCompleted\",\"ref\":2" },
	{ TIME STARTED, "\"type\":\"ActivityScheduled\",\"name\":\"a\"", "\"type\":\"ActivityCompleted\",\"ref\":2",
	  "\"type\":\"ActivityMessageSent\",\"ref\":2" },
	{ TIME STARTED, "\"type\":\"ActivityScheduled\",\"name\":\"a\"", "\"type\":\"ActivityCompleted\",\"ref\":2",
	  REBOOTING(1, "") },
	{ TIME STARTED, "\"type\":\"TimerCreated\",\"delay_ms\":1", "\"type\":\"ActivityMessageSent\",\"ref\":2" },
	{ TIME STARTED, "\"type\":\"TimerCreated\",\"delay_ms\":1", REBOOTING(1, "") },
	{ TIME STARTED, "\"type\":\"TimerCreated\",\"delay_ms\":1", HELD(1) },
	{ TIME STARTED, "\"type\":\"TimerCreated\",\"delay_ms\":1", "\"type\":\"TimerCanceled\",\"ref\":2",
	  "\"type\":\"TimerFired\",\"ref\":2" },
	{ TIME STARTED, SUB("x"), UNSUB(2), UNSUB(2) },
	{ TIME STARTED, RAISE("x"), UNSUB(2) },
	{ TIME STARTED, "\"type\":\"ExecutionCompleted\"", "\"type\":\"EventRaised\",\"name\":\"x\"" },
	{ TIME STARTED, "\"type\":\"ExecutionContinuedAsNew\"", "\"type\":\"EventRaised\",\"name\":\"x\"" },
	{ TIME STARTED, "\"type\":\"ExecutionTerminated\"", "\"type\":\"CancelRequested\"" },
};

static void what_cannot_follow_is_damage_and_changes_nothing(void **state)
{
	for (size_t i = 0; i < LENGTH(impossible); i++) {
		size_t last = 0;
		while (last + 1 < LENGTH(impossible[i]) && impossible[i][last + 1])
			last++;
		for (size_t n = 0; n < last; n++)
			assert_int_equal(apply(impossible[i][n]), 0);
		uint32_t open = v.open_count;
		if (apply(impossible[i][last]) != PAWL_ECORRUPT)
			fail_msg("row %zu applies: %s", i, impossible[i][last]);
		assert_true(v.open_count == open && v.next_seq == last + 1);
		tear_down(state);
		set_up(state);
	}
}

static void a_gap_in_seq_is_damage(void **state)
{
	(void)state;
	assert_int_equal(apply(TIME STARTED), 0);
	seq++;
	assert_int_equal(apply(RAISE("x")), PAWL_ECORRUPT);
	seq--;
	assert_int_equal(apply(RAISE("x")), 0);
}

static void after_an_unknown_event_strange_answers_are_let_pass(void **state)
{
	(void)state;
	apply_all((const char *const[]){
	        TIME STARTED, "\"type\":\"MoonRisen\"", "\"type\":\"ActivityCompleted\",\"ref\":2",
	        "\"type\":\"EventUnsubscribed\",\"ref\":2",
	        "\"type\":\"ChildRetrying\",\"ref\":2,\"attempt\":1,\"delay_ms\":1," ERROR, NULL });
	assert_true(v.has_unknown && v.next_seq == 6);
}

static void assert_text(const char *got, const char *want)
{
	if (want)
		assert_string_equal(got ? got : "(null)", want);
	else
		assert_null(got);
}

/* How it ends or changes, and what it says then. */
static const struct {
	const char *events[4];
	enum instance_status status;
	const char *output, *file, *code, *message, *reason;
	bool suspended, cancel_requested;
} statuses[] = {
	{ { "\"type\":\"ExecutionCompleted\"" }, STATUS_COMPLETED, .output = NULL },
	{ { "\"type\":\"ExecutionCompleted\",\"output\":\"done\"" }, STATUS_COMPLETED, .output = "done" },
	{ { "\"type\":\"ExecutionCompleted\",\"output\":\"\"" }, STATUS_COMPLETED, .output = "" },
	{ { "\"type\":\"ExecutionCompleted\",\"output\":{\"$file\":\"1.output\",\"bytes\":4,\"crc32c\":\"00000000\"}" },
	  STATUS_COMPLETED,
	  .file = "1.output" },
	{ { "\"type\":\"ExecutionFailed\"," ERROR }, STATUS_FAILED, .code = "exit:3", .message = "no disk" },
	{ { "\"type\":\"ExecutionCanceled\"" }, STATUS_CANCELED, .output = NULL },
	{ { "\"type\":\"ExecutionCanceled\",\"reason\":\"no\"," ERROR },
	  STATUS_CANCELED,
	  .reason = "no",
	  .code = "exit:3",
	  .message = "no disk" },
	{ { "\"type\":\"CancelRequested\",\"reason\":\"stop it\"" },
	  STATUS_RUNNING,
	  .reason = "stop it",
	  .cancel_requested = true },
	{ { "\"type\":\"CancelRequested\",\"reason\":\"stop it\"", "\"type\":\"ExecutionCanceled\"" },
	  STATUS_CANCELED,
	  .reason = "stop it",
	  .cancel_requested = true },
	{ { "\"type\":\"ExecutionTerminated\",\"reason\":\"now\"" }, STATUS_TERMINATED, .reason = "now" },
	{ { "\"type\":\"ExecutionContinuedAsNew\",\"input\":\"1\"" }, STATUS_CONTINUED_AS_NEW, .output = NULL },
	{ { "\"type\":\"ExecutionRewound\",\"ref\":1,\"reason\":\"again\"" },
	  STATUS_CONTINUED_AS_NEW,
	  .reason = "again" },
	{ { "\"type\":\"ExecutionSuspended\",\"reason\":\"hot\"" },
	  STATUS_SUSPENDED,
	  .reason = "hot",
	  .suspended = true },
	{ { "\"type\":\"ExecutionSuspended\",\"reason\":\"hot\"", "\"type\":\"ExecutionSuspended\"" },
	  STATUS_SUSPENDED,
	  .suspended = true },
	{ { "\"type\":\"ExecutionSuspended\",\"reason\":\"hot\"", "\"type\":\"ExecutionResumed\"" },
	  STATUS_RUNNING,
	  .output = NULL },
	{ { "\"type\":\"ExecutionSuspended\",\"reason\":\"hot\"", "\"type\":\"ExecutionTerminated\"" },
	  STATUS_TERMINATED,
	  .suspended = true },
	{ { "\"type\":\"CancelRequested\",\"reason\":\"stop\"", "\"type\":\"ExecutionSuspended\"",
	    "\"type\":\"ExecutionResumed\"" },
	  STATUS_RUNNING,
	  .reason = "stop",
	  .cancel_requested = true },
};

static void status_follows_the_events(void **state)
{
	for (size_t i = 0; i < LENGTH(statuses); i++) {
		assert_int_equal(apply(TIME STARTED), 0);
		apply_all((const char *const[]){ statuses[i].events[0], statuses[i].events[1], statuses[i].events[2],
		                                 NULL });
		assert_int_equal(v.status, statuses[i].status);
		assert_text(v.output, statuses[i].output);
		assert_text(v.output_file, statuses[i].file);
		assert_int_equal(v.output_len, statuses[i].file     ? 4
		                               : statuses[i].output ? strlen(statuses[i].output)
		                                                    : 0);
		assert_text(v.error_code, statuses[i].code);
		assert_text(v.error_message, statuses[i].message);
		assert_text(v.reason, statuses[i].reason);
		assert_int_equal(v.suspended, statuses[i].suspended);
		assert_int_equal(v.cancel_requested, statuses[i].cancel_requested);
		tear_down(state);
		set_up(state);
	}
}

static void custom_status_counts_its_changes(void **state)
{
	(void)state;
	apply_all((const char *const[]){ TIME STARTED, "\"type\":\"CustomStatusSet\",\"status\":{\"a\":1}", NULL });
	assert_string_equal(v.custom_status, "{\"a\":1}");
	assert_int_equal(v.custom_status_version, 1);
	assert_int_equal(apply("\"type\":\"CustomStatusSet\""), 0);
	assert_null(v.custom_status);
	assert_int_equal(v.custom_status_version, 2);
}

#define SET(key, value) "\"type\":\"KeyValueSet\",\"key\":\"" key "\"" value
#define CLEARED(key) "\"type\":\"KeyValueCleared\"" key

/* "k=v k=v", in the order of keys; a value in a file as NAME:BYTES:CRC. */
static void assert_values(const char *want)
{
	struct buf got = BUF_INIT;

	for (const struct view_value *value = v.values; value; value = value->next) {
		struct event e;

		view_value_event(value, &e);
		assert_int_equal(e.fields, FIELD_KEY | FIELD_DATA);
		assert_ptr_equal(view_value(&v, e.key), value);
		buf_addf(&got, "%s%.*s=", got.len ? " " : "", SLICE_FMT(e.key));
		buf_add_slice(&got, e.data);
		if (e.data_file.data)
			buf_addf(&got, "%.*s:%u:%08x", SLICE_FMT(e.data_file), (unsigned)e.data_len, (unsigned)e.data_crc);
	}
	assert_string_equal(buf_str(&got), want);
	buf_release(&got);
}

static void values_are_those_that_were_set_last(void **state)
{
	static const struct {
		const char *event, *values;
	} cases[] = {
		{ CLEARED(""), "" },
		{ CLEARED(",\"key\":\"b\""), "" },
		{ SET("b", ",\"value\":\"1\""), "b=1" },
		{ SET("a", ",\"value\":{\"n\":[2]}"), "a={\"n\":[2]} b=1" },
		{ SET("b:1", ""), "a={\"n\":[2]} b=1 b:1=" },
		{ SET("B", ",\"value\":\"x\\ty\""), "B=x\ty a={\"n\":[2]} b=1 b:1=" },
		{ SET("a", ",\"value\":{\"$file\":\"v-3\",\"bytes\":40000,\"crc32c\":\"0badcafe\"}"),
		  "B=x\ty a=v-3:40000:0badcafe b=1 b:1=" },
		{ SET("b", ",\"value\":\"longer than before\""), "B=x\ty a=v-3:40000:0badcafe b=longer than before b:1=" },
		{ CLEARED(",\"key\":\"b\""), "B=x\ty a=v-3:40000:0badcafe b:1=" },
		{ CLEARED(",\"key\":\"b\""), "B=x\ty a=v-3:40000:0badcafe b:1=" },
		{ CLEARED(",\"key\":\"b:1\""), "B=x\ty a=v-3:40000:0badcafe" },
		{ CLEARED(""), "" },
		{ SET("z", ",\"value\":\"\""), "z=" },
	};
	(void)state;
	assert_int_equal(apply(TIME STARTED), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(apply(cases[i].event), 0);
		assert_values(cases[i].values);
	}
	assert_null(view_value(&v, SLICE("y")));
	assert_int_equal(apply("\"type\":\"ExecutionCompleted\""), 0);
	assert_values("z="); /* for readers */
}

static void a_retry_tells_attempt_due_and_error(void **state)
{
	(void)state;
	apply_all((const char *const[]){ TIME STARTED, "\"type\":\"ActivityScheduled\",\"name\":\"unpack\"", NULL });
	struct open_item *item = view_find(&v, 2);
	assert_int_equal(item->attempt, 1);
	assert_false(item->has_due);
	assert_null(item->last_error);
	assert_int_equal(apply("\"type\":\"ActivityRetrying\",\"ref\":2,\"attempt\":1,\"delay_ms\":500," ERROR
	                       ",\"boot\":\"1a2b3c4d\",\"boot_ms\":123,\"fire_at\":\"2026-11-21T12:41:00.123456Z\""),
	                 0);
	assert_int_equal(item->attempt, 2);
	assert_true(item->has_due && slice_is(item->due.boot, "1a2b3c4d") && item->due.boot_ms == 123 &&
	            item->due.at_ns == TIME_NS);
	assert_int_equal(item->delay_ms, 500);
	assert_string_equal(item->last_error, "exit:3: no disk");
	assert_int_equal(apply("\"type\":\"ActivityRetrying\",\"ref\":2,\"attempt\":2,\"delay_ms\":1,"
	                       "\"error\":{\"kind\":\"timeout\",\"message\":\"too slow\"}"),
	                 0);
	assert_int_equal(item->attempt, 3);
	assert_false(item->has_due);
	assert_string_equal(item->last_error, "too slow");
}

static void one_that_is_held_has_no_due_and_keeps_its_error(void **state)
{
	(void)state;
	apply_all((const char *const[]){ TIME STARTED, "\"type\":\"ActivityScheduled\",\"name\":\"unpack\"", HELD(3), NULL });
	struct open_item *item = view_find(&v, 2);
	assert_true(item->held);
	assert_false(item->has_due);
	assert_int_equal(item->attempt, 4);
	assert_string_equal(item->last_error, "exit:3: no disk");
	assert_int_equal(apply(REQUEUED(3)), 0);
	assert_false(item->held);
	assert_true(item->has_due && item->due.boot_ms == 123);
	assert_int_equal(item->attempt, 4);
	assert_string_equal(item->last_error, "requeued: given new attempts");
	assert_int_equal(apply(HELD(4) DUE), 0); /* a due that somebody wrote by hand means nothing */
	assert_true(item->held && !item->has_due);
}

static void one_that_is_rebooting_keeps_due_and_output(void **state)
{
	(void)state;
	apply_all((const char *const[]){ TIME STARTED, "\"type\":\"ActivityScheduled\",\"name\":\"flash\"",
	                                 REBOOTING(1, ",\"output\":\"slot\\u0000b\""), NULL });
	struct open_item *item = view_find(&v, 2);
	struct event e = { .type = EVENT_ActivityCompleted, .fields = FIELD_REF };
	assert_true(item->rebooting && item->has_due && item->due.boot_ms == 123 && slice_is(item->due.boot, "1a2b3c4d"));
	assert_int_equal(item->attempt, 1);
	assert_int_equal(item->reboot_output_len, 6);
	assert_memory_equal(item->reboot_output, "slot\0b", 7);
	open_item_output(item, &e);
	assert_true(e.fields == (FIELD_REF | FIELD_DATA) && e.data.len == 6 && !e.data_file.data);
	assert_int_equal(apply(REBOOTING(1, "")), 0); /* the last one counts */
	assert_true(item->rebooting && !item->reboot_output && item->reboot_output_len == 0);
	e.fields = FIELD_REF;
	open_item_output(item, &e);
	assert_int_equal(e.fields, FIELD_REF);
	assert_int_equal(apply(REBOOTING(1, ",\"output\":\"\"")), 0);
	assert_string_equal(item->reboot_output, "");
	assert_int_equal(apply("\"type\":\"ActivityRetrying\",\"ref\":2,\"attempt\":1,\"delay_ms\":5," ERROR), 0);
	assert_false(item->rebooting);
	assert_null(item->reboot_output);
	open_item_output(item, &e);
	assert_int_equal(e.fields, FIELD_REF);
	assert_string_equal(item->name, "flash");
}

static void the_output_of_a_reboot_may_be_in_a_file(void **state)
{
	struct event e = { .type = EVENT_ActivityCompleted, .fields = FIELD_REF };
	(void)state;
	apply_all((const char *const[]){
	        TIME STARTED, "\"type\":\"ActivityScheduled\",\"name\":\"flash\"",
	        REBOOTING(1, ",\"output\":{\"$file\":\"1.3.data\",\"bytes\":99999,\"crc32c\":\"0000abcd\"}"), NULL });
	open_item_output(view_find(&v, 2), &e);
	assert_true(e.fields & FIELD_DATA && !e.data.data && slice_is(e.data_file, "1.3.data"));
	assert_true(e.data_len == 99999 && e.data_crc == 0xabcd);
}

static void messages_are_counted(void **state)
{
	(void)state;
	apply_all((const char *const[]){ TIME STARTED, "\"type\":\"ActivityScheduled\",\"name\":\"a\"", NULL });
	for (uint32_t n = 0; n < 3; n++) {
		assert_int_equal(view_find(&v, 2)->messages, n);
		assert_int_equal(apply("\"type\":\"ActivityMessageSent\",\"ref\":2,\"data\":\"x\""), 0);
	}
	assert_int_equal(view_find(&v, 2)->messages, 3);
}

/* Hubs have many that wait; on 64 bit. */
static void an_open_item_is_small(void **state)
{
	(void)state;
	assert_true(sizeof(struct open_item) <= 128);
}

static void a_timer_tells_when_it_is_due(void **state)
{
	(void)state;
	apply_all((const char *const[]){
	        TIME STARTED,
	        "\"type\":\"TimerCreated\",\"delay_ms\":1000,\"boot\":\"1a2b3c4d\",\"boot_ms\":123,"
	        "\"fire_at\":\"2026-11-21T12:41:00.123456Z\"",
	        "\"type\":\"TimerCreated\",\"until\":\"2026-11-21T12:41:00.123456Z\"", NULL });
	struct open_item *delay = view_find(&v, 2), *until = view_find(&v, 3);
	assert_true(delay->has_due && delay->delay_ms == 1000 && slice_is(delay->due.boot, "1a2b3c4d"));
	assert_true(!until->has_due && until->until_ns == TIME_NS && until->delay_ms == 0);
}

/* What open_item_event gives, as text. */
static const char *event_text(uint64_t of)
{
	struct event e;
	struct buf line = BUF_INIT;

	assert_int_equal(open_item_event(view_find(&v, of), &e, &arena), 0);
	assert_int_equal(event_encode(&line, &e), 0);
	const char *text = arena_printf(&arena, "%.*s", (int)line.len - 10, line.data);
	buf_release(&line);
	return text;
}

static void the_scheduling_event_can_be_had_again(void **state)
{
	(void)state;
	static const char *const events[] = {
		TIME STARTED,
		"\"type\":\"ActivityScheduled\",\"name\":\"unpack\"",
		"\"type\":\"ActivityScheduled\",\"name\":\"unpack\",\"tag\":\"gpu\",\"session\":\"s\",\"priority\":2,\"input\":{\"a\":"
		"[1]},"
		"\"retry\":{\"max_attempts\":5,\"not_on\":[\"x\"]}",
		"\"type\":\"ActivityScheduled\",\"name\":\"unpack\",\"input\":{\"$file\":\"1.4.input\",\"bytes\":99,"
		"\"crc32c\":\"0000abcd\"}",
		"\"type\":\"TimerCreated\",\"delay_ms\":1000,\"boot\":\"1a2b3c4d\",\"boot_ms\":123,\"fire_at\":\"2026-"
		"11-21T12:41:00.123456Z\"",
		"\"type\":\"TimerCreated\",\"until\":\"2026-11-21T12:41:00.123456Z\"",
		"\"type\":\"TimerCreated\",\"delay_ms\":1,\"new\":[2]",
		"\"type\":\"EventSubscribed\",\"name\":\"x\"",
		"\"type\":\"ChildScheduled\",\"name\":\"c\",\"version\":\"2\",\"instance\":\"i\",\"input\":\"z\"",
		"\"type\":\"EntityCalled\",\"name\":\"e\",\"instance\":\"i\"",
		"\"type\":\"EntityLockRequested\",\"entities\":[\"e\"]",
		NULL,
	};

	apply_all(events);
	for (uint64_t i = 2; events[i - 1]; i++)
		assert_string_equal(event_text(i),
		                    arena_printf(&arena, "{\"seq\":%llu,%s}", (unsigned long long)i, events[i - 1]));
	assert_null(view_find(&v, 2)->line);
	assert_null(view_find(&v, 8)->line);
	assert_string_equal(view_find(&v, 8)->name, "x");
	assert_string_equal(view_find(&v, 11)->name, "");
}

static void the_turns_time_is_not_kept_with_an_item(void **state)
{
	(void)state;
	apply_all((const char *const[]){ TIME STARTED,
	                                 TIME "\"type\":\"ActivityScheduled\",\"name\":\"a\",\"input\":\"z\"", NULL });
	assert_string_equal(event_text(2), "{\"seq\":2,\"type\":\"ActivityScheduled\",\"name\":\"a\",\"input\":\"z\"}");
}

static void a_child_that_is_tried_again_has_another_id(void **state)
{
	(void)state;
	apply_all((const char *const[]){
	        TIME STARTED, "\"type\":\"ChildScheduled\",\"name\":\"c\",\"instance\":\"i\",\"input\":\"z\"",
	        "\"type\":\"ChildRetrying\",\"ref\":2,\"attempt\":1,\"instance\":\"i-2\",\"delay_ms\":1," ERROR,
	        NULL });
	assert_string_equal(
	        event_text(2),
	        "{\"seq\":2,\"type\":\"ChildScheduled\",\"name\":\"c\",\"instance\":\"i-2\",\"input\":\"z\"}");
	assert_int_equal(view_find(&v, 2)->attempt, 2);
	assert_int_equal(apply("\"type\":\"ChildCancelRequested\",\"ref\":2"), 0);
	assert_true(view_find(&v, 2)->cancel_requested);
}

static void what_is_open_at_the_end_stays_for_the_runtime(void **state)
{
	(void)state;
	apply_all((const char *const[]){ TIME STARTED, "\"type\":\"ActivityScheduled\",\"name\":\"a\"",
	                                 "\"type\":\"ExecutionTerminated\"", NULL });
	assert_open("2 +0");
}

/* Many open items, answered in an order of their own; the list must stay whole at each step. */
static void many_items_are_found_in_any_order(void **state)
{
	(void)state;
	enum { COUNT = 300 };
	uint64_t order[COUNT];
	uint32_t random = 7;

	assert_int_equal(apply(TIME STARTED), 0);
	for (uint64_t i = 0; i < COUNT; i++) {
		assert_int_equal(apply("\"type\":\"TimerCreated\",\"delay_ms\":1"), 0);
		order[i] = i + 2;
	}
	for (size_t i = COUNT - 1; i > 0; i--) {
		random = random * 1664525 + 1013904223;
		size_t j = (random >> 8) % (i + 1);
		uint64_t other = order[i];
		order[i] = order[j];
		order[j] = other;
	}
	for (size_t i = 0; i < COUNT; i++) {
		char answer[64];
		snprintf(answer, sizeof(answer), "\"type\":\"TimerFired\",\"ref\":%llu", (unsigned long long)order[i]);
		assert_non_null(view_find(&v, order[i]));
		assert_int_equal(apply(answer), 0);
		assert_null(view_find(&v, order[i]));
		uint64_t before = 0;
		uint32_t count = 0;
		for (struct open_item *item = v.open; item; before = item->seq, item = item->next, count++)
			assert_true(item->seq > before && view_find(&v, item->seq) == item);
		assert_int_equal(count, v.open_count);
		assert_int_equal(count, COUNT - i - 1);
	}
	assert_int_equal(apply("\"type\":\"TimerCreated\",\"delay_ms\":1"), 0);
	assert_open("602 +0");
}

/* An answer that follows at once, over and over: a long loop keeps nothing but the waits it could still drop. */
static void a_long_loop_ends_with_nothing_open(void **state)
{
	(void)state;
	assert_int_equal(apply(TIME STARTED), 0);
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(apply(SUB("x")), 0);
		assert_int_equal(apply(RAISE("x")), 0);
	}
	assert_open("+0");
	assert_int_equal(apply(UNSUB(2)), 0);
	assert_int_equal(apply(UNSUB(1000)), 0);
	assert_open("+2");
}

static void status_names_are_those_of_the_family(void **state)
{
	(void)state;
	static const char *const names[] = { "Running",  "Completed",  "ContinuedAsNew", "Failed",
		                             "Canceled", "Terminated", "Pending",        "Suspended" };
	enum instance_status status;

	for (int i = 0; i < (int)LENGTH(names); i++) {
		assert_string_equal(status_name((enum instance_status)i), names[i]);
		assert_int_equal(status_parse(names[i], &status), 0);
		assert_int_equal(status, i);
	}
	assert_int_equal(status_parse("continuedASnew", &status), 0);
	assert_int_equal(status, STATUS_CONTINUED_AS_NEW);
	assert_int_equal(status_parse("", &status), PAWL_EPARSE);
	assert_int_equal(status_parse("Runnin", &status), PAWL_EPARSE);
	assert_string_equal(status_name((enum instance_status)99), "Unknown");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_new_view_is_pending),
		TEST(the_start_tells_type_version_and_time),
		TEST(what_opens_is_closed_by_its_answer),
		TEST(events_go_to_the_oldest_wait_or_are_kept),
		TEST(what_cannot_follow_is_damage_and_changes_nothing),
		TEST(a_gap_in_seq_is_damage),
		TEST(after_an_unknown_event_strange_answers_are_let_pass),
		TEST(status_follows_the_events),
		TEST(custom_status_counts_its_changes),
		TEST(values_are_those_that_were_set_last),
		TEST(a_retry_tells_attempt_due_and_error),
		TEST(one_that_is_held_has_no_due_and_keeps_its_error),
		TEST(one_that_is_rebooting_keeps_due_and_output),
		TEST(the_output_of_a_reboot_may_be_in_a_file),
		TEST(messages_are_counted),
		TEST(an_open_item_is_small),
		TEST(a_timer_tells_when_it_is_due),
		TEST(the_scheduling_event_can_be_had_again),
		TEST(the_turns_time_is_not_kept_with_an_item),
		TEST(a_child_that_is_tried_again_has_another_id),
		TEST(what_is_open_at_the_end_stays_for_the_runtime),
		TEST(many_items_are_found_in_any_order),
		TEST(a_long_loop_ends_with_nothing_open),
		TEST(status_names_are_those_of_the_family),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
