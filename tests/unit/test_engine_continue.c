/* test_engine_continue.c - continue-as-new: what goes over to the next execution, and how that one begins. */
#include "unit/engine_world.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- a loop ---- */

/* Input: a number. One event each time, and the number goes up by it. */
static int adder(pawl_ctx *ctx, const char *input)
{
	const char *n = pawl_wait_event(ctx, "add", -1);
	int total = atoi(input) + atoi(n);

	pawl_set_status(ctx, pawl_printf(ctx, "at %d", total));
	return total < 10 ? pawl_continue_as_new(ctx, pawl_printf(ctx, "%d", total)) : pawl_return(ctx, pawl_printf(ctx, "%d", total));
}

static void the_next_execution_begins_with_its_input_and_the_code_runs_in_a_turn_without_messages(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, adder);
	world_start(&w, "1");
	world_raises(&w, "add", "2");
	assert_last(&w, "3 EventRaised 'add' input '2'\n4 CustomStatusSet 'at 3'\n5 ExecutionContinuedAsNew input '3'");
	assert_true(w.ended);
	assert_int_equal(w.view.status, STATUS_CONTINUED_AS_NEW);
	assert_next(&w, "1 ExecutionStarted 'flow' version '1.0.0' status 'at 3' input '3' execution 4");
	world_next(&w);
	assert_int_equal(w.view.status, STATUS_RUNNING);
	assert_string_equal(w.view.custom_status, "at 3");
	assert_true(w.view.unrun);
	assert_int_equal(world_verify(&w, adder, NULL), 0); /* nothing to compare yet */
	world_turn(&w);
	assert_last(&w, "2 EventSubscribed 'add'");
	assert_false(w.view.unrun);
	world_raises(&w, "add", "7");
	assert_last(&w, "3 EventRaised 'add' input '7'\n4 CustomStatusSet 'at 10'\n5 ExecutionCompleted output '10'");
	assert_int_equal(world_verify(&w, adder, NULL), 0);
	world_release(&w);
}

static void a_turn_that_decided_is_not_gone_on_with(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, adder);
	world_start(&w, "1");
	world_turn(&w);
	assert_int_equal(w.turn_events, 0);
	world_release(&w);
}

/* ---- events ---- */

static void events_that_nobody_took_go_over_in_their_order_with_ids_and_keys(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, adder);
	world_start(&w, "0");
	world_raise_with(&w, "other", "x", "m1", NULL);
	world_raise_with(&w, "add", "1", "m2", "k2");
	world_raise_with(&w, "add", "2", "m3", "k3");
	world_raise_with(&w, "other", NULL, "m4", NULL);
	world_raise_with(&w, "add", "3", "m5", NULL);
	world_turn(&w);
	assert_next(&w, "1 ExecutionStarted 'flow' version '1.0.0' status 'at 1' input '1' execution 4\n"
			"2 EventRaised 'other' input 'x' id 'm1'\n"
			"3 EventRaised 'add' key 'k3' input '2' id 'm3'\n"
			"4 EventRaised 'other' id 'm4'\n"
			"5 EventRaised 'add' input '3' id 'm5'");
	world_next(&w);
	assert_int_equal(w.view.event_count, 4);
	/* it ends before it looks at them */
	world_raise_with(&w, "add", "2", "m3", NULL);
	world_raise_with(&w, "add", "9", "m9", "k3");
	world_turn(&w);
	assert_int_equal(w.messages[0].result, MESSAGE_LATER);
	assert_int_equal(w.messages[1].result, MESSAGE_LATER);
	assert_last(&w, "6 EventSubscribed 'add'\n7 CustomStatusSet 'at 3'\n8 ExecutionContinuedAsNew input '3'");
	assert_next(&w, "1 ExecutionStarted 'flow' version '1.0.0' status 'at 3' input '3' execution 5\n"
			"2 EventRaised 'other' input 'x' id 'm1'\n"
			"3 EventRaised 'other' id 'm4'\n"
			"4 EventRaised 'add' input '3' id 'm5'");
	world_release(&w);
}

static int picker(pawl_ctx *ctx, const char *input);

static void what_went_over_is_known_by_id_and_key(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, picker);
	world_start(&w, "first");
	world_raise_with(&w, "a", "1", "m1", "k1");
	world_raise_with(&w, "z", "2", "m2", "k2");
	world_turn(&w);
	world_next(&w);
	w.fn = picker;
	world_raise_with(&w, "z", "2", "m2", NULL);
	world_raise_with(&w, "z", "9", "m9", "k2");
	world_plain(&w, EVENT_ExecutionSuspended);
	world_turn(&w);
	assert_int_equal(w.messages[0].result, MESSAGE_DUPLICATE);
	assert_int_equal(w.messages[1].result, MESSAGE_DUPLICATE);
	assert_last(&w, "3 ExecutionSuspended");
	world_release(&w);
}

static void messages_that_come_before_the_code_has_begun_are_a_turn_behind_its_first(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, adder);
	world_start(&w, "0");
	world_raises(&w, "add", "1");
	world_next(&w);
	world_raise(&w, "add", "4");
	world_raise(&w, "add", "5");
	world_complete(&w, 2, "late");
	world_turn(&w);
	assert_int_equal(w.messages[2].result, MESSAGE_STALE);
	assert_last(&w, "2 EventSubscribed 'add'\n3 EventRaised 'add' input '4'\n4 EventRaised 'add' input '5'\n"
			"5 CustomStatusSet 'at 5'\n6 ExecutionContinuedAsNew input '5'");
	assert_next(&w, "1 ExecutionStarted 'flow' version '1.0.0' status 'at 5' input '5' execution 5\n"
			"2 EventRaised 'add' input '5'");
	assert_int_equal(world_verify(&w, adder, NULL), 0);
	world_release(&w);
}

/* Waits for three events, looks at one in the way that its input says, and goes on. */
static int picker(pawl_ctx *ctx, const char *input)
{
	pawl_task *a = pawl_event(ctx, "a"), *b = pawl_event(ctx, "b"), *c = pawl_event(ctx, "c");

	if (strcmp(input, "end") == 0)
		return pawl_return(ctx, "ended");
	if (strcmp(input, "first") == 0)
		(void)pawl_first(ctx, a, b, c);
	else if (strcmp(input, "any") == 0)
		(void)pawl_any(ctx, a, b, c);
	else if (strcmp(input, "await") == 0)
		(void)pawl_await(ctx, b);
	else if (strcmp(input, "read") == 0 && pawl_first(ctx, a, b, c) == b)
		assert_string_equal(pawl_result(c), "3");
	return pawl_continue_as_new(ctx, "end");
}

static void what_a_wait_has_got_and_the_code_has_not_seen_goes_over(void **state)
{
	static const struct {
		const char *input, *carried;
	} cases[] = {
		{ "first", "\n2 EventRaised 'c' input '3'\n3 EventRaised 'a' input '1'" },
		{ "any", "\n2 EventRaised 'c' input '3'\n3 EventRaised 'a' input '1'" },
		{ "await", "\n2 EventRaised 'c' input '3'\n3 EventRaised 'a' input '1'" },
		{ "read", "\n2 EventRaised 'a' input '1'" }, /* it has read the result of c */
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct world w;
		char text[256];
		world_init(&w, picker);
		world_start(&w, cases[i].input);
		world_raise(&w, "b", "2");
		world_raise(&w, "c", "3");
		world_raise(&w, "a", "1");
		world_turn(&w);
		snprintf(text, sizeof text, "1 ExecutionStarted 'flow' version '1.0.0' input 'end' execution 4%s", cases[i].carried);
		assert_next(&w, text);
		world_release(&w);
	}
}

static void large_payloads_and_bytes_go_over_whole(void **state)
{
	struct world w;
	char big[5000];
	(void)state;
	memset(big, 'z', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	world_init(&w, adder);
	w.spill_bytes = 1000;
	world_start(&w, "0");
	world_raise(&w, "other", big);
	world_message(&w, &(struct event){ .type = EVENT_EventRaised, .fields = FIELD_NAME | FIELD_DATA | FIELD_FROM, .name = SLICE("other"),
					   .from = SLICE("uid:7"), .data = slice_make("\0\xff", 2) });
	world_raise(&w, "add", "1");
	world_turn(&w);
	struct history h;
	history_init(&h);
	assert_int_equal(history_parse(&h, buf_slice(&w.next), NULL), 0);
	assert_int_equal(h.count, 3);
	assert_int_equal(h.events[1].data.len, sizeof big - 1);
	assert_int_equal(h.events[2].data.len, 2);
	assert_memory_equal(h.events[2].data.data, "\0\xff", 2);
	assert_true(slice_is(h.events[2].from, "uid:7"));
	history_release(&h);
	world_release(&w);
}

/* ---- what else goes over ---- */

static int obstinate(pawl_ctx *ctx, const char *input)
{
	if (strcmp(input, "first") == 0) {
		(void)pawl_wait_event(ctx, "go", -1);
		assert_string_equal(pawl_failed(ctx)->kind, "canceled");
		return pawl_continue_as_new(ctx, NULL);
	}
	assert_string_equal(input, "");
	pawl_sleep(ctx, 1000); /* the first wait is cut again */
	return pawl_return(ctx, pawl_is_cancelled(ctx) ? "canceled" : "not canceled");
}

static void a_request_to_cancel_goes_over(void **state)
{
	struct world w;
	struct event cancel = { .type = EVENT_CancelRequested, .fields = FIELD_REASON | FIELD_ID, .reason = SLICE("late"), .id = SLICE("c1") };
	(void)state;
	world_init(&w, obstinate);
	world_start(&w, "first");
	world_message(&w, &cancel);
	world_turn(&w);
	assert_next(&w, "1 ExecutionStarted 'flow' version '1.0.0' execution 4\n2 CancelRequested reason 'late' id 'c1'");
	world_next(&w);
	assert_true(w.view.cancel_requested);
	world_turn(&w);
	assert_last(&w, "3 TimerCreated 1000 ms\n4 TimerCanceled of line 3\n5 ExecutionCompleted output 'canceled'");
	assert_int_equal(world_verify(&w, obstinate, NULL), 0);
	world_release(&w);
}

static int upgrade(pawl_ctx *ctx, const char *input)
{
	pawl_set_status(ctx, "first");
	pawl_set_status(ctx, NULL);
	return pawl_continue_as_new_with(ctx, input, &(pawl_continue_options){ .version = "2.0" });
}

static void the_version_may_change_and_parent_and_seed_follow(void **state)
{
	struct world w;
	struct event start = { .type = EVENT_ExecutionStarted, .fields = FIELD_NAME | FIELD_VERSION | FIELD_SEED | FIELD_PARENT | FIELD_STATUS,
			       .name = SLICE("flow"), .version = SLICE("1.0"), .seed = { 7, 11 }, .parent = SLICE("mother"),
			       .parent_execution = 2, .parent_ref = 9, .status = SLICE("old") };
	struct history h;
	(void)state;
	world_init(&w, upgrade);
	world_message(&w, &start);
	world_turn(&w);
	assert_last(&w, "1 ExecutionStarted 'flow' version '1.0' status 'old'\n2 CustomStatusSet 'first'\n3 CustomStatusSet\n"
			"4 ExecutionContinuedAsNew version '2.0' input ''");
	history_init(&h);
	assert_int_equal(history_parse(&h, buf_slice(&w.next), NULL), 0);
	const struct event *e = &h.events[0];
	assert_int_equal(h.count, 1);
	assert_true(slice_is(e->version, "2.0") && slice_is(e->parent, "mother"));
	assert_int_equal(e->parent_execution, 2);
	assert_int_equal(e->parent_ref, 9);
	assert_false(e->fields & FIELD_STATUS);
	assert_true(e->seed[0] != 7 && e->seed[1] != 11 && e->seed[0] != e->seed[1]);
	assert_int_equal(e->time_ns, WORLD_TIME);
	history_release(&h);
	world_release(&w);
}

static int keeps_status(pawl_ctx *ctx, const char *input)
{
	if (!*input)
		return pawl_continue_as_new(ctx, "again");
	pawl_sleep(ctx, 1000);
	return pawl_continue_as_new(ctx, "again");
}

static void a_status_that_was_carried_is_carried_on(void **state)
{
	struct world w;
	struct event start = { .type = EVENT_ExecutionStarted, .fields = FIELD_NAME | FIELD_VERSION | FIELD_SEED | FIELD_STATUS,
			       .name = SLICE("flow"), .version = SLICE("1.0"), .seed = { 7, 11 }, .status = SLICE("old") };
	(void)state;
	world_init(&w, keeps_status);
	world_message(&w, &start);
	world_turn(&w);
	assert_next(&w, "1 ExecutionStarted 'flow' version '1.0' status 'old' input 'again' execution 4");
	world_next(&w);
	world_turn(&w);
	assert_last(&w, "2 TimerCreated 1000 ms");
	world_fires(&w, 2);
	assert_next(&w, "1 ExecutionStarted 'flow' version '1.0' status 'old' input 'again' execution 5");
	world_release(&w);
}

/* Keeps a total, drops a value, sets a large one. */
static int keeper(pawl_ctx *ctx, const char *input)
{
	static char large[3000];
	const char *total = pawl_get(ctx, "total");

	memset(large, 'v', sizeof large - 1);
	if (!total) {
		assert_int_equal(pawl_set(ctx, "total", "1"), 0);
		assert_int_equal(pawl_set(ctx, "gone", "x"), 0);
		assert_int_equal(pawl_set(ctx, "large", large), 0);
		pawl_clear(ctx, "gone");
		return pawl_continue_as_new(ctx, input);
	}
	assert_null(pawl_get(ctx, "gone"));
	assert_string_equal(pawl_get(ctx, "large"), large);
	pawl_sleep(ctx, 1000);
	assert_int_equal(pawl_set(ctx, "total", pawl_printf(ctx, "%d", atoi(total) + 1)), 0);
	pawl_clear(ctx, "large");
	return atoi(total) < 3 ? pawl_set(ctx, "large", large), pawl_continue_as_new(ctx, input) : pawl_return(ctx, total);
}

static void keys_and_values_go_over(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, keeper);
	w.spill_bytes = 1000;
	world_start(&w, NULL);
	for (int n = 0; n < 3; n++) {
		world_next(&w);
		assert_non_null(view_value(&w.view, SLICE("large")));
		assert_null(view_value(&w.view, SLICE("gone")));
		world_turn(&w);
		assert_last(&w, "4 TimerCreated 1000 ms");
		world_fires(&w, 4);
		assert_int_equal(world_verify(&w, keeper, NULL), 0);
	}
	assert_true(w.ended && w.view.status == STATUS_COMPLETED);
	assert_string_equal(w.view.output, "3");
	world_release(&w);
}

/* ---- what may come between ---- */

static void suspended_before_its_code_has_begun_it_begins_at_resume(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, keeps_status);
	world_start(&w, NULL);
	world_next(&w);
	world_plain(&w, EVENT_ExecutionSuspended);
	world_turn(&w);
	assert_last(&w, "2 ExecutionSuspended");
	assert_true(w.view.suspended && w.view.unrun);
	world_turn(&w);
	assert_int_equal(w.turn_events, 0);
	world_plain(&w, EVENT_ExecutionResumed);
	world_turn(&w);
	assert_last(&w, "3 ExecutionResumed\n4 TimerCreated 1000 ms");
	assert_int_equal(world_verify(&w, keeps_status, NULL), 0);
	world_fires(&w, 4);
	assert_last(&w, "5 TimerFired of line 4\n6 ExecutionContinuedAsNew input 'again'");
	world_release(&w);
}

static void terminated_before_its_code_has_begun_it_ends(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, keeps_status);
	world_start(&w, NULL);
	world_next(&w);
	world_plain(&w, EVENT_ExecutionTerminated);
	world_turn(&w);
	assert_last(&w, "2 ExecutionTerminated");
	assert_true(w.ended);
	assert_int_equal(w.next.len, 0);
	world_release(&w);
}

/* ---- what is refused ---- */

static char *huge;

static int wrong(pawl_ctx *ctx, const char *input)
{
	if (strcmp(input, "huge") == 0)
		return pawl_continue_as_new(ctx, huge);
	if (strcmp(input, "version") == 0)
		return pawl_continue_as_new_with(ctx, "x", &(pawl_continue_options){ .version = "no version" });
	if (strcmp(input, "changed its mind") == 0) {
		(void)pawl_continue_as_new(ctx, "x");
		return pawl_return(ctx, "done");
	}
	return -2; /* what pawl_continue_as_new returns, but nobody called it */
}

static void what_is_not_valid_fails_the_execution(void **state)
{
	static const struct {
		const char *input, *end;
	} cases[] = {
		{ "huge", "2 ExecutionFailed 'input of 1048577 bytes is over the limit of 1048...' (81 bytes" },
		{ "version", "2 ExecutionFailed ''no version' is not a valid version' kind 'system' code 'invalid'" },
		{ "changed its mind", "2 ExecutionCompleted output 'done'" },
		{ "number", "2 ExecutionFailed 'orchestration returned -2' kind 'application'" },
	};
	(void)state;
	huge = calloc(1, PAWL_PAYLOAD_BYTES_MAX + 2);
	memset(huge, 'x', PAWL_PAYLOAD_BYTES_MAX + 1);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct world w;
		world_init(&w, wrong);
		world_start(&w, cases[i].input);
		const char *last = strstr(world_last(&w), "\n2 ");
		assert_non_null(last);
		if (strncmp(last + 1, cases[i].end, 40) != 0)
			assert_string_equal(last + 1, cases[i].end);
		assert_int_equal(w.next.len, 0);
		world_release(&w);
	}
	free(huge);
}

static int other_end(pawl_ctx *ctx, const char *input)
{
	(void)pawl_wait_event(ctx, "add", -1);
	pawl_set_status(ctx, "at 3");
	return pawl_continue_as_new(ctx, input);
}

static void another_input_is_a_mismatch(void **state)
{
	struct world w;
	struct mismatch m;
	(void)state;
	world_init(&w, adder);
	world_start(&w, "1");
	world_raises(&w, "add", "2");
	assert_int_equal(world_verify(&w, other_end, &m), PAWL_ENONDETERMINISM);
	assert_int_equal(m.seq, 5);
	assert_string_equal(m.expected, "ExecutionContinuedAsNew input '3'");
	assert_string_equal(m.actual, "ended with ExecutionContinuedAsNew input '1'");
	world_release(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_next_execution_begins_with_its_input_and_the_code_runs_in_a_turn_without_messages),
		cmocka_unit_test(a_turn_that_decided_is_not_gone_on_with),
		cmocka_unit_test(events_that_nobody_took_go_over_in_their_order_with_ids_and_keys),
		cmocka_unit_test(what_went_over_is_known_by_id_and_key),
		cmocka_unit_test(messages_that_come_before_the_code_has_begun_are_a_turn_behind_its_first),
		cmocka_unit_test(what_a_wait_has_got_and_the_code_has_not_seen_goes_over),
		cmocka_unit_test(large_payloads_and_bytes_go_over_whole),
		cmocka_unit_test(a_request_to_cancel_goes_over),
		cmocka_unit_test(the_version_may_change_and_parent_and_seed_follow),
		cmocka_unit_test(a_status_that_was_carried_is_carried_on),
		cmocka_unit_test(keys_and_values_go_over),
		cmocka_unit_test(suspended_before_its_code_has_begun_it_begins_at_resume),
		cmocka_unit_test(terminated_before_its_code_has_begun_it_ends),
		cmocka_unit_test(what_is_not_valid_fails_the_execution),
		cmocka_unit_test(another_input_is_a_mismatch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
