#include "unit/engine_world.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- arguments: a task that has failed, no event, and a message that says why (I11) ---- */

static char *long_text(pawl_ctx *ctx, size_t len)
{
	char *text = pawl_alloc(ctx, len + 1);
	memset(text, 'x', len);
	return text;
}

static pawl_task *refused_task(pawl_ctx *ctx, char which)
{
	const char *nine[] = { "1", "2", "3", "4", "5", "6", "7", "8", "9", NULL };
	pawl_retry steep = { .coefficient = 0.5 }, many = { .not_on = nine };
	pawl_call_options o = { .retry = NULL };

	switch (which) {
	case 'n':
		return pawl_activity(ctx, NULL, "x");
	case 'b':
		return pawl_activity(ctx, "../etc", "x");
	case 'i':
		return pawl_activity(ctx, "a", long_text(ctx, PAWL_PAYLOAD_BYTES_MAX + 1));
	case 't':
		o.tag = "no spaces";
		return pawl_activity_with(ctx, "a", NULL, &o);
	case 's':
		o.session = "";
		return pawl_activity_with(ctx, "a", NULL, &o);
	case 'r':
		o.retry = &steep;
		return pawl_activity_with(ctx, "a", NULL, &o);
	case 'm':
		o.retry = &many;
		return pawl_activity_with(ctx, "a", NULL, &o);
	case 'p':
		o.priority = 10;
		return pawl_activity_with(ctx, "a", NULL, &o);
	case 'E':
		return pawl_event(ctx, NULL);
	default:
		return pawl_event(ctx, "a/b");
	}
}

static int refused(pawl_ctx *ctx, const char *input)
{
	pawl_task *task = refused_task(ctx, *input);
	const pawl_failure *f = pawl_task_failure(task);

	assert_true(pawl_is_done(task));
	assert_null(pawl_await(ctx, task));
	assert_ptr_equal(pawl_failed(ctx), f);
	assert_string_equal(f->kind, "system");
	assert_false(f->retryable);
	return pawl_return(ctx, f->message);
}

static void what_cannot_begin_is_a_failed_task_without_an_event(void **state)
{
	static const struct {
		const char *which, *message;
	} cases[] = {
		{ "n", "'' is not a valid activity name" },
		{ "b", "'../etc' is not a valid activity name" },
		{ "i", "input of 1048577 bytes is over the limit of 1048576 (PAWL_PAYLOAD_BYTES_MAX)" },
		{ "t", "'no spaces' is not a valid tag: 1 to 64 of letters, digits, _ : -" },
		{ "s", "'' is not a valid session: 1 to 64 of letters, digits, _ : -" },
		{ "r", "retry: the coefficient is not within 1 and 1000000" },
		{ "m", "retry: more than 8 codes in not_on" },
		{ "p", "priority 10 is not within 1 (begun first) and 9, or 0 for the default" },
		{ "E", "'' is not a valid event name" },
		{ "e", "'a/b' is not a valid event name" },
	};
	struct world w;
	struct history h;
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		world_init(&w, refused);
		world_start(&w, cases[i].which);
		world_history(&w, &h);
		assert_int_equal(h.count, 2);
		if (!slice_is(h.events[1].data, cases[i].message))
			fail_msg("%.*s", SLICE_FMT(h.events[1].data));
		history_release(&h);
		world_release(&w);
	}
}

static int big_status(pawl_ctx *ctx, const char *input)
{
	(void)input;
	pawl_set_status(ctx, long_text(ctx, PAWL_STATUS_BYTES_MAX));
	assert_null(pawl_failed(ctx));
	pawl_set_status(ctx, long_text(ctx, PAWL_STATUS_BYTES_MAX + 1));
	return pawl_rethrow(ctx);
}

static void a_status_that_is_too_long_is_not_recorded(void **state)
{
	struct world w;
	struct history h;
	(void)state;
	world_init(&w, big_status);
	world_start(&w, NULL);
	world_history(&w, &h);
	assert_int_equal(h.count, 3);
	assert_true(slice_is(h.events[2].error.message,
			     "status of 16385 bytes is over the limit of 16384 (PAWL_STATUS_BYTES_MAX)"));
	history_release(&h);
	world_release(&w);
}

/* ---- messages to activities ---- */

static int talks_too_long(pawl_ctx *ctx, const char *input)
{
	pawl_task *task = pawl_activity(ctx, "a", NULL);
	(void)input;
	pawl_message(ctx, task, long_text(ctx, PAWL_PAYLOAD_BYTES_MAX));
	assert_null(pawl_failed(ctx));
	pawl_message(ctx, task, long_text(ctx, PAWL_PAYLOAD_BYTES_MAX + 1));
	return pawl_rethrow(ctx);
}

static void a_message_that_is_too_long_is_not_sent(void **state)
{
	struct world w;
	struct history h;
	(void)state;
	world_init(&w, talks_too_long);
	w.spill_bytes = PAWL_SPILL_BYTES;
	world_start(&w, NULL);
	world_history(&w, &h);
	assert_int_equal(h.count, 4);
	assert_int_equal(h.events[2].type, EVENT_ActivityMessageSent);
	assert_true(slice_is(h.events[3].error.message,
			     "message of 1048577 bytes is over the limit of 1048576 (PAWL_PAYLOAD_BYTES_MAX)"));
	assert_int_equal(world_verify(&w, talks_too_long, NULL), 0);
	history_release(&h);
	world_release(&w);
}

static int talks_too_much(pawl_ctx *ctx, const char *input)
{
	pawl_task *task = pawl_activity(ctx, "a", NULL);
	(void)input;
	for (int i = 0; i < PAWL_MESSAGES_MAX / 2; i++)
		pawl_message(ctx, task, "x");
	pawl_sleep(ctx, 1);
	for (int i = 0; i < PAWL_MESSAGES_MAX / 2; i++)
		pawl_message(ctx, task, "x");
	assert_null(pawl_failed(ctx));
	pawl_message(ctx, task, "x");
	return pawl_rethrow(ctx);
}

static void an_activity_has_a_limit_of_messages(void **state)
{
	struct world w;
	struct history h;
	(void)state;
	world_init(&w, talks_too_much);
	world_start(&w, NULL);
	world_fires(&w, 3 + PAWL_MESSAGES_MAX / 2);
	world_history(&w, &h);
	assert_int_equal(h.count, 1 + 1 + PAWL_MESSAGES_MAX + 2 + 1);
	assert_true(slice_is(h.events[h.count - 1].error.message,
			     "an activity was sent 1000 messages, which is the limit (PAWL_MESSAGES_MAX)"));
	assert_int_equal(w.view.open->messages, PAWL_MESSAGES_MAX);
	history_release(&h);
	world_release(&w);
}

static int talks_for_ever(pawl_ctx *ctx, const char *input)
{
	pawl_task *task = pawl_activity(ctx, "a", NULL);
	(void)input;
	while (!pawl_is_done(task))
		pawl_message(ctx, task, "x");
	return 0;
}

static void a_loop_of_messages_ends(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, talks_for_ever);
	world_start(&w, NULL);
	assert_true(w.ended);
	assert_int_equal(w.view.status, STATUS_FAILED);
	world_release(&w);
}

/* ---- counts ---- */

static int greedy(pawl_ctx *ctx, const char *input)
{
	pawl_task *last = NULL;
	(void)input;
	for (int i = 0; i < PAWL_TURN_ACTIONS_MAX + 5; i++)
		last = pawl_event(ctx, "e");
	pawl_set_status(ctx, pawl_task_failure(last)->message);
	assert_string_equal(pawl_failed(ctx)->code, "turn-limit");
	pawl_wait_event(ctx, "f", 0);
	return 0;
}

static void a_turn_has_a_limit_of_actions(void **state)
{
	struct world w;
	struct history h;
	(void)state;
	world_init(&w, greedy);
	world_start(&w, NULL);
	world_history(&w, &h);
	assert_int_equal(h.count, 1 + PAWL_TURN_ACTIONS_MAX + 1);
	assert_int_equal(h.events[h.count - 1].type, EVENT_ExecutionCompleted);
	history_release(&h);
	world_release(&w);
}

static int endless(pawl_ctx *ctx, const char *input)
{
	(void)input;
	for (;;) {
		if (!pawl_call(ctx, "not/../valid", NULL))
			continue;
		return 0;
	}
}

static void a_loop_of_refused_calls_ends(void **state)
{
	struct world w;
	struct history h;
	(void)state;
	world_init(&w, endless);
	world_start(&w, NULL);
	world_history(&w, &h);
	assert_int_equal(h.count, 2);
	assert_true(slice_is(h.events[1].error.message,
			     "10000 calls in one turn were refused, the last: 'not/../valid' is not a valid activity name"));
	assert_int_equal(world_verify(&w, endless, NULL), 0);
	history_release(&h);
	world_release(&w);
}

static int sleeper(pawl_ctx *ctx, const char *input)
{
	(void)input;
	for (;;) {
		pawl_task *t = pawl_timer(ctx, 1);
		if (!pawl_await(ctx, t))
			return pawl_rethrow(ctx);
	}
}

/* One resident execution: the histories of two others would be replayed 50,000 times. */
static void a_history_has_a_limit_of_events(void **state)
{
	struct execution *x;
	struct engine_options options = { .resident = true };
	struct message m = { .event = { .type = EVENT_ExecutionStarted, .fields = FIELD_NAME | FIELD_VERSION | FIELD_SEED } };
	struct turn t = { .time_ns = 1, .boot = SLICE("x"), .messages = &m, .message_count = 1 };
	(void)state;
	if (!coro_has_stacks())
		skip();
	assert_int_equal(execution_new(&x, "i", 1, sleeper, &options, NULL), 0);
	assert_int_equal(execution_turn(x, &t, NULL), 0);
	while (!t.ended) {
		m.event = (struct event){ .type = EVENT_TimerFired, .fields = FIELD_REF, .ref = t.events[t.event_count - 1].seq };
		assert_int_equal(execution_turn(x, &t, NULL), 0);
		if (t.events[0].seq < PAWL_HISTORY_EVENTS_MAX)
			continue;
	}
	const struct event *last = &t.events[t.event_count - 1];
	assert_in_range(last->seq, PAWL_HISTORY_EVENTS_MAX, PAWL_HISTORY_EVENTS_MAX + 2);
	assert_true(slice_is(last->error.code, "history-limit"));
	execution_free(x);
}

static char much[PAWL_STATUS_BYTES_MAX + 1];

static int tells_much(pawl_ctx *ctx, const char *input)
{
	(void)input;
	memset(much, 'x', sizeof much - 1);
	for (;;) {
		for (unsigned n = 0; n < 500; n++) {
			much[0] = (char)('a' + n % 20); /* the same again is not told */
			pawl_set_status(ctx, much);
		}
		if (!pawl_await(ctx, pawl_timer(ctx, 1)))
			return pawl_rethrow(ctx);
	}
}

static uint64_t carried(const struct event *e)
{
	return 128 + e->data.len + (e->fields & FIELD_STATUS ? e->status.len : 0);
}

static void a_history_has_a_limit_of_bytes(void **state)
{
	struct execution *x;
	struct engine_options options = { .resident = true };
	struct message m = { .event = { .type = EVENT_ExecutionStarted, .fields = FIELD_NAME | FIELD_VERSION | FIELD_SEED } };
	struct turn t = { .time_ns = 1, .boot = SLICE("x"), .messages = &m, .message_count = 1 };
	uint64_t bytes = 0, last = 0;
	(void)state;
	if (!coro_has_stacks())
		skip();
	assert_int_equal(execution_new(&x, "i", 1, tells_much, &options, NULL), 0);
	do {
		assert_int_equal(execution_turn(x, &t, NULL), 0);
		for (size_t n = 0; n < t.event_count; n++)
			bytes += last = carried(&t.events[n]);
		m.event = (struct event){ .type = EVENT_TimerFired, .fields = FIELD_REF, .ref = t.events[t.event_count - 1].seq };
	} while (!t.ended);
	const struct event *end = &t.events[t.event_count - 1];
	assert_true(slice_is(end->error.code, "history-limit"));
	assert_non_null(strstr(end->error.message.data, "PAWL_HISTORY_BYTES_MAX"));
	/* up to the limit all is taken, and nothing behind it: the last that was taken has reached it */
	uint64_t before = bytes - last;
	assert_in_range(before, PAWL_HISTORY_BYTES_MAX, PAWL_HISTORY_BYTES_MAX + PAWL_STATUS_BYTES_MAX + 128);
	execution_free(x);
}

static int waits_for_e(pawl_ctx *ctx, const char *input)
{
	(void)input;
	return pawl_return(ctx, pawl_wait_event(ctx, "e", -1));
}

static void events_are_refused_when_the_history_has_too_many_bytes(void **state)
{
	struct world w;
	char data[1001];
	(void)state;
	world_init(&w, waits_for_e);
	w.options.history_bytes_max = 128 + 128 + 3 * 1128; /* ExecutionStarted, EventSubscribed, and three of 1000 */
	memset(data, 'd', sizeof data - 1);
	data[1000] = '\0';
	world_start(&w, NULL);
	struct message *m[4];
	for (int i = 0; i < 4; i++)
		m[i] = world_raise(&w, "other", data);
	world_turn(&w);
	for (int i = 0; i < 3; i++)
		assert_int_equal(m[i]->result, MESSAGE_TAKEN);
	assert_int_equal(m[3]->result, MESSAGE_REFUSED);
	assert_string_equal(m[3]->why, "over the limit of 3640 bytes in one history (limits.history_bytes_max)");
	struct message *open = world_raise(&w, "e", "x");
	world_turn(&w);
	assert_int_equal(open->result, MESSAGE_REFUSED);
	world_release(&w);
}

static int does_all_sorts(pawl_ctx *ctx, const char *input)
{
	pawl_set_status(ctx, "half");
	(void)pawl_call(ctx, "works", input);
	if (pawl_patched(ctx, "p"))
		(void)pawl_call(ctx, "fails", "x");
	(void)pawl_wait_event(ctx, "e", -1);
	return pawl_return(ctx, pawl_wait_event(ctx, "f", -1));
}

/* Else the same history would give other decisions (I5). */
static void replay_counts_the_same_bytes(void **state)
{
	struct world w;
	struct history h;
	struct execution *x;
	(void)state;
	if (!coro_has_stacks())
		skip();
	world_init(&w, does_all_sorts);
	w.spill_bytes = 20;
	w.drop_one_in = 1000;
	world_start(&w, "an input that is long enough to be spilled");
	world_completes(&w, 3, "{\"a\": [1, \"\\u00e4\"]}");
	world_fail(&w, 5, 1, "no\xff such", false);
	world_turn(&w);
	world_raise_with(&w, "e", "\x01 not text \xff", "id", "key");
	world_turn(&w);
	history_init(&h);
	assert_int_equal(history_parse(&h, buf_slice(&w.text), NULL), 0);
	struct engine_options options = w.options;
	options.resident = false;
	assert_int_equal(execution_new(&x, "order-1", 1, does_all_sorts, &options, NULL), 0);
	assert_int_equal(execution_load(x, &h, NULL), 0);
	assert_int_equal(execution_verify(x, NULL), 0);
	assert_true(x->bytes > 5 * 128);
	assert_int_equal(x->bytes, w.x[WORLD_KEPT]->bytes);
	execution_free(x);
	history_release(&h);
	world_release(&w);
}

static int subscribes(pawl_ctx *ctx, const char *input)
{
	(void)input;
	for (int i = 0; i < PAWL_TOPICS_MAX; i++)
		assert_int_equal(pawl_subscribe(ctx, pawl_printf(ctx, "t/%d", i), "e"), 0);
	assert_int_equal(pawl_subscribe(ctx, "t/more", "e"), PAWL_ETOOBIG);
	assert_string_equal(pawl_failed(ctx)->message, "subscription 't/more' would be one more than the limit of 64 (PAWL_TOPICS_MAX)");
	assert_int_equal(pawl_subscribe(ctx, "t/1", "f"), 0); /* another event for one that is there */
	pawl_unsubscribe(ctx, "t/0");
	assert_int_equal(pawl_subscribe(ctx, "t/more", "e"), 0);
	return pawl_return(ctx, pawl_wait_event(ctx, "f", -1));
}

static void an_instance_has_a_limit_of_subscriptions(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, subscribes);
	world_start(&w, NULL);
	world_raise(&w, "f", "done");
	world_turn(&w);
	assert_true(w.ended);
	assert_int_equal(w.view.status, STATUS_COMPLETED);
	world_release(&w);
}

static int locks(pawl_ctx *ctx, const char *input)
{
	const char *names[2 * PAWL_LOCKS_MAX + 3] = { NULL };
	(void)input;
	for (int i = 0; i <= PAWL_LOCKS_MAX; i++) {
		names[2 * i] = "account";
		names[2 * i + 1] = pawl_printf(ctx, "k%d", i);
	}
	assert_int_not_equal(pawl_lock(ctx, names), 0);
	assert_string_equal(pawl_failed(ctx)->message, "more than 16 entities in one lock (PAWL_LOCKS_MAX)");
	names[2 * PAWL_LOCKS_MAX] = NULL;
	return pawl_lock(ctx, names) < 0 ? pawl_rethrow(ctx) : pawl_return(ctx, "has them");
}

static void a_lock_has_a_limit_of_entities(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, locks);
	world_start(&w, NULL);
	assert_false(w.ended); /* it waits for the sixteen */
	assert_int_equal(w.view.open_count, 1);
	world_release(&w);
}

static void events_that_nobody_takes_are_capped_by_name(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, waits_for_e);
	w.options.events_buffered_max = 3;
	world_start(&w, NULL);
	for (int i = 0; i < 3; i++)
		assert_ptr_not_equal(world_raise(&w, "f", "x"), NULL);
	struct message *over = world_raise(&w, "f", "x"), *other = world_raise(&w, "g", "x");
	world_turn(&w);
	assert_int_equal(over->result, MESSAGE_REFUSED);
	assert_string_equal(over->why, "3 events named 'f' wait to be taken already, which is the limit");
	assert_int_equal(other->result, MESSAGE_TAKEN);
	struct message *open = world_raise(&w, "e", "x"); /* somebody waits for it */
	world_turn(&w);
	assert_int_equal(open->result, MESSAGE_TAKEN);
	world_release(&w);
}

static void odd_events_are_refused(void **state)
{
	struct world w;
	struct event big = { .type = EVENT_EventRaised, .fields = FIELD_NAME | FIELD_DATA, .name = SLICE("e"),
			     .data_file = SLICE("p0"), .data_len = PAWL_PAYLOAD_BYTES_MAX + 1 };
	(void)state;
	world_init(&w, waits_for_e);
	world_start(&w, NULL);
	struct message *name = world_raise(&w, "a b", "x"), *size = world_message(&w, &big);
	world_turn(&w);
	assert_int_equal(name->result, MESSAGE_REFUSED);
	assert_int_equal(size->result, MESSAGE_REFUSED);
	assert_string_equal(size->why, "event 'e' has more data than the limit of 1048576 bytes (PAWL_PAYLOAD_BYTES_MAX)");
	world_release(&w);
}

/* ---- memory ---- */

static int eats(pawl_ctx *ctx, const char *input)
{
	size_t n = strtoul(input, NULL, 10);

	for (size_t i = 0; i < n; i++)
		memset(pawl_alloc(ctx, 1000), 1, 1000);
	pawl_sleep(ctx, 1);
	for (size_t i = 0; i < n; i++)
		pawl_alloc(ctx, 1000);
	pawl_sleep(ctx, 1);
	return 0;
}

static void memory_over_the_limit_ends_the_execution(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, eats);
	w.options.memory_max = 100000;
	world_start(&w, "1000");
	assert_last(&w, "1 ExecutionStarted 'flow' version '1.0.0' input '1000'\n"
			"2 ExecutionFailed 'memory limit of 100000 bytes reached' kind 'system' code 'memory-limit'");
	assert_true(w.ended);
	w.options.memory_max = 60000; /* replay may take twice as much, and ends where it ended */
	assert_int_equal(world_verify(&w, eats, NULL), PAWL_OK);
	world_release(&w);
}

static void memory_within_the_limit_when_it_was_recorded_replays(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, eats);
	w.options.memory_max = 100000;
	world_start(&w, "60");
	world_fires(&w, 2);
	assert_non_null(strstr(world_last(&w), "4 ExecutionFailed 'memory limit of 100000 bytes reached'"));
	assert_int_equal(world_verify(&w, eats, NULL), 0); /* 120 KB: over 100, under 200 */
	w.options.memory_max = 25000;
	assert_int_equal(world_verify(&w, eats, NULL), PAWL_ENOMEM);
	assert_err_has(&w, "replay of instance 'order-1' needs more than 50000 bytes");
	world_release(&w);
}

static void an_answer_over_the_limit_ends_the_execution_too(void **state)
{
	struct world w;
	char *big = calloc(1, 200001);
	(void)state;
	memset(big, 'x', 200000);
	world_init(&w, waits_for_e);
	w.options.memory_max = 100000;
	world_start(&w, NULL);
	world_raise(&w, "e", big);
	struct message *after = world_raise(&w, "f", "x");
	world_turn(&w);
	assert_non_null(strstr(world_last(&w), "4 ExecutionFailed 'memory limit"));
	assert_int_equal(after->result, MESSAGE_STALE);
	world_release(&w);
	free(big);
}

static void a_flood_of_events_does_not_end_it(void **state)
{
	struct world w;
	char data[1001] = "";
	unsigned refused_count = 0;
	(void)state;
	memset(data, 'x', 1000);
	world_init(&w, waits_for_e);
	w.options.memory_max = 100000;
	world_start(&w, NULL);
	for (int i = 0; i < 100; i++)
		world_raise(&w, i % 2 ? "f" : "g", data);
	world_turn(&w);
	for (size_t i = 0; i < w.message_count; i++)
		refused_count += w.messages[i].result == MESSAGE_REFUSED;
	assert_in_range(refused_count, 40, 60);
	assert_string_equal(w.messages[99].why,
			    "events that wait to be taken have used half of the memory limit of 100000 bytes");
	world_raises(&w, "e", data);
	assert_true(w.ended);
	assert_int_equal(w.view.status, STATUS_COMPLETED);
	world_release(&w);
}

static int reads(pawl_ctx *ctx, const char *input)
{
	unsigned char *p = pawl_alloc(ctx, 5000);
	(void)input;
	for (int i = 0; i < 5000; i++)
		assert_int_equal(p[i], 0);
	assert_non_null(pawl_alloc(ctx, 0));
	assert_string_equal(pawl_printf(ctx, "%s", ""), "");
	assert_string_equal(pawl_printf(ctx, "%d-%s", 5, "x"), "5-x");
	pawl_alloc(ctx, SIZE_MAX);
	return 0;
}

static void allocated_memory_is_zeroed_and_never_null(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, reads);
	world_start(&w, NULL);
	assert_non_null(strstr(world_last(&w), "ExecutionFailed 'memory limit of 16777216 bytes reached'"));
	world_release(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_cannot_begin_is_a_failed_task_without_an_event),
		cmocka_unit_test(a_status_that_is_too_long_is_not_recorded),
		cmocka_unit_test(a_message_that_is_too_long_is_not_sent),
		cmocka_unit_test(an_activity_has_a_limit_of_messages),
		cmocka_unit_test(a_loop_of_messages_ends),
		cmocka_unit_test(a_turn_has_a_limit_of_actions),
		cmocka_unit_test(a_loop_of_refused_calls_ends),
		cmocka_unit_test(a_history_has_a_limit_of_events),
		cmocka_unit_test(a_history_has_a_limit_of_bytes),
		cmocka_unit_test(events_are_refused_when_the_history_has_too_many_bytes),
		cmocka_unit_test(replay_counts_the_same_bytes),
		cmocka_unit_test(an_instance_has_a_limit_of_subscriptions),
		cmocka_unit_test(a_lock_has_a_limit_of_entities),
		cmocka_unit_test(events_that_nobody_takes_are_capped_by_name),
		cmocka_unit_test(odd_events_are_refused),
		cmocka_unit_test(memory_over_the_limit_ends_the_execution),
		cmocka_unit_test(memory_within_the_limit_when_it_was_recorded_replays),
		cmocka_unit_test(an_answer_over_the_limit_ends_the_execution_too),
		cmocka_unit_test(a_flood_of_events_does_not_end_it),
		cmocka_unit_test(allocated_memory_is_zeroed_and_never_null),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
