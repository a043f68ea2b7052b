#include "unit/engine_world.h"
#include <stdlib.h>
#include <string.h>

/* ---- call, timer, event ---- */

static int greet(pawl_ctx *ctx, const char *who)
{
	const char *text = pawl_call(ctx, "hello", who);
	if (!text)
		return pawl_rethrow(ctx);
	pawl_task *ok = pawl_event(ctx, "approved"), *late = pawl_timer(ctx, PAWL_HOURS(24));
	if (pawl_any(ctx, ok, late) == late)
		return pawl_fail(ctx, "nobody approved within %d day", 1);
	return pawl_return(ctx, text);
}

static void hello_world_completes(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, greet);
	world_start(&w, "ann");
	assert_last(&w, "1 ExecutionStarted 'flow' version '1.0.0' input 'ann'\n2 ActivityScheduled 'hello' input 'ann'");
	world_completes(&w, 2, "hello ann");
	assert_last(&w, "3 ActivityCompleted input 'hello ann' of line 2\n4 EventSubscribed 'approved'\n"
			"5 TimerCreated 86400000 ms");
	world_raises(&w, "approved", NULL);
	assert_last(&w, "6 EventRaised 'approved'\n7 TimerCanceled of line 5\n8 ExecutionCompleted output 'hello ann'");
	assert_true(w.ended);
	assert_int_equal(w.view.status, STATUS_COMPLETED);
	world_release(&w);
}

static void hello_world_times_out(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, greet);
	world_start(&w, "ann");
	world_completes(&w, 2, "hello ann");
	world_fires(&w, 5);
	assert_last(&w, "6 TimerFired of line 5\n7 EventUnsubscribed of line 4\n"
			"8 ExecutionFailed 'nobody approved within 1 day' kind 'application'");
	world_release(&w);
}

static void a_failed_activity_is_rethrown_whole(void **state)
{
	struct world w;
	struct event e = { .type = EVENT_ActivityFailed, .fields = FIELD_REF | FIELD_ERROR, .ref = 2, .attempt = 1,
			   .error = { SLICE("process"), SLICE("exit:3"), SLICE("it broke"), SLICE("{\"a\":1}"), true } };
	(void)state;
	world_init(&w, greet);
	world_start(&w, "ann");
	world_message(&w, &e);
	world_turn(&w);
	assert_last(&w, "3 ActivityFailed of line 2 'it broke' kind 'process' code 'exit:3' details '{\"a\":1}' retryable\n"
			"4 ExecutionFailed 'it broke' kind 'process' code 'exit:3' details '{\"a\":1}' retryable");
	world_release(&w);
}

static void texts_of_failures_that_are_not_utf8_are_the_same_at_replay(void **state)
{
	struct world w;
	struct event e = { .type = EVENT_ActivityFailed, .fields = FIELD_REF | FIELD_ERROR, .ref = 2, .attempt = 1,
			   .error = { SLICE("process"), SLICE(""), SLICE("gr\xc3\xbc\xc3\x9f\xff"), SLICE_NONE, true } };
	(void)state;
	world_init(&w, greet);
	world_start(&w, "ann");
	world_message(&w, &e);
	world_turn(&w); /* compares */
	assert_int_equal(world_verify(&w, greet, NULL), 0);
	world_release(&w);
}

static int values(pawl_ctx *ctx, const char *input)
{
	pawl_task *a = pawl_activity(ctx, "a", NULL), *t = pawl_timer(ctx, -5);

	assert_string_equal(input, "");
	assert_false(pawl_is_done(a));
	assert_null(pawl_result(a));
	assert_null(pawl_task_failure(a));
	const char *text = pawl_await(ctx, a);
	assert_true(pawl_is_done(a));
	assert_string_equal(text, "");
	assert_ptr_equal(text, pawl_await(ctx, a));
	assert_int_equal(pawl_result_len(a), 0);
	assert_string_equal(pawl_await(ctx, t), "");
	assert_null(pawl_failed(ctx));
	pawl_task *b = pawl_activity(ctx, "b", "");
	assert_null(pawl_await(ctx, b));
	assert_null(pawl_result(b));
	assert_string_equal(pawl_task_failure(b)->code, "signal:9");
	assert_ptr_equal(pawl_failed(ctx), pawl_task_failure(b));
	assert_string_equal(pawl_call(ctx, "c", "again"), "c");
	return 0;
}

static void tasks_give_their_values_and_failures(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, values);
	world_start(&w, NULL);
	assert_last(&w, "1 ExecutionStarted 'flow' version '1.0.0'\n2 ActivityScheduled 'a'\n3 TimerCreated 0 ms");
	world_completes(&w, 2, NULL);
	assert_last(&w, "4 ActivityCompleted of line 2");
	world_fires(&w, 3);
	assert_last(&w, "5 TimerFired of line 3\n6 ActivityScheduled 'b' input ''");
	world_fail(&w, 6, 1, "signal:9", true);
	world_turn(&w);
	world_completes(&w, 8, "c");
	assert_last(&w, "9 ActivityCompleted input 'c' of line 8\n10 ExecutionCompleted");
	world_release(&w);
}

static int bytes(pawl_ctx *ctx, const char *input)
{
	pawl_task *t = pawl_activity(ctx, "a", NULL);
	(void)input;
	const char *data = pawl_await(ctx, t);
	return pawl_return(ctx, pawl_printf(ctx, "%zu:%d%d%d", pawl_result_len(t), data[0], data[1], data[2]));
}

static void payloads_may_hold_any_bytes(void **state)
{
	struct world w;
	struct event e = { .type = EVENT_ActivityCompleted, .fields = FIELD_REF | FIELD_DATA, .ref = 2,
			   .data = { "\0\1\2", 3 } };
	(void)state;
	world_init(&w, bytes);
	world_start(&w, NULL);
	world_message(&w, &e);
	world_turn(&w);
	assert_non_null(strstr(world_last(&w), "ExecutionCompleted output '3:012'"));
	world_release(&w);
}

static int until(pawl_ctx *ctx, const char *input)
{
	(void)input;
	pawl_await(ctx, pawl_timer_until(ctx, pawl_now(ctx) + 1500000001));
	pawl_timer_until(ctx, -1);
	pawl_timer_until(ctx, INT64_MAX);
	pawl_sleep(ctx, INT64_MAX);
	return 0;
}

static void due_times_are_on_both_clocks_and_saturate(void **state)
{
	struct world w;
	struct history h;
	(void)state;
	world_init(&w, until);
	world_start(&w, NULL);
	assert_last(&w, "1 ExecutionStarted 'flow' version '1.0.0'\n2 TimerCreated until 2026-11-21T12:01:21.623457Z");
	world_fires(&w, 2);
	world_history(&w, &h);
	const struct event *e = h.events;
	assert_int_equal(e[0].time_ns, WORLD_TIME);
	assert_int_equal(e[1].due.at_ns, e[1].until_ns);
	assert_int_equal(e[1].due.boot_ms, 5000 + 1501);
	assert_true(slice_is(e[1].due.boot, "1f3a77c0"));
	assert_int_equal(e[3].until_ns, 0);
	assert_int_equal(e[3].due.boot_ms, 6000);
	assert_int_equal(e[4].until_ns, ENGINE_TIME_MAX_NS);
	assert_int_equal(e[5].delay_ms, INT64_MAX);
	assert_int_equal(e[5].due.boot_ms, INT64_MAX);
	assert_int_equal(e[5].due.at_ns, ENGINE_TIME_MAX_NS);
	history_release(&h);
	world_release(&w);
}

/* ---- any, first, all, cancel ---- */

static int three_ways(pawl_ctx *ctx, const char *input)
{
	pawl_task *a = pawl_activity(ctx, "a", "1"), *t = pawl_timer(ctx, 1000), *e = pawl_event(ctx, "e");
	pawl_task *first = *input == 'a' ? pawl_any(ctx, a, t, e) : pawl_first(ctx, a, t, e);
	const char *who = first == a ? "a" : first == t ? "t" : "e";
	const char *rest = pawl_all(ctx, a, t, e) ? pawl_failed(ctx)->kind : "fine";

	return pawl_return(ctx, pawl_printf(ctx, "%s %s %d%d%d", who, rest, pawl_result(a) != NULL,
					    pawl_result(t) != NULL, pawl_result(e) != NULL));
}

static void any_cancels_the_others_in_order(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, three_ways);
	world_start(&w, "any");
	world_raises(&w, "e", "x");
	assert_last(&w, "5 EventRaised 'e' input 'x'\n6 ActivityCancelRequested of line 2\n7 TimerCanceled of line 3\n"
			"8 ExecutionCompleted output 'e canceled 001'");
	world_release(&w);
}

static void any_leaves_others_that_are_done(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, three_ways);
	world_start(&w, "any");
	world_fire(&w, 3);
	world_complete(&w, 2, "");
	world_turn(&w);
	assert_last(&w, "5 TimerFired of line 3\n6 ActivityCompleted input '' of line 2\n7 EventUnsubscribed of line 4\n"
			"8 ExecutionCompleted output 't canceled 110'");
	world_release(&w);
}

static void first_leaves_the_others_alone(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, three_ways);
	world_start(&w, "first");
	world_fires(&w, 3);
	assert_last(&w, "5 TimerFired of line 3");
	world_raises(&w, "e", "x");
	assert_last(&w, "6 EventRaised 'e' input 'x'");
	world_completes(&w, 2, "y");
	assert_last(&w, "7 ActivityCompleted input 'y' of line 2\n8 ExecutionCompleted output 't fine 111'");
	world_release(&w);
}

static void answers_to_what_was_canceled_are_stale(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, greet);
	world_start(&w, "x");
	world_completes(&w, 2, "y");
	struct message *unknown = world_fire(&w, 4), *done = world_complete(&w, 2, "z"), *fails = world_fail(&w, 2, 1, "", true),
		       *nothing = world_fire(&w, 99), *zero = world_complete(&w, 0, NULL);
	world_turn(&w);
	assert_int_equal(unknown->result, MESSAGE_STALE);
	assert_int_equal(done->result, MESSAGE_STALE);
	assert_int_equal(fails->result, MESSAGE_STALE);
	assert_int_equal(nothing->result, MESSAGE_STALE);
	assert_int_equal(zero->result, MESSAGE_STALE);
	assert_int_equal(w.turn_events, 0);
	world_release(&w);
}

static int put_back(pawl_ctx *ctx, const char *input)
{
	(void)input;
	pawl_task *t = pawl_timer(ctx, 1000), *one = pawl_event(ctx, "e"), *two = pawl_event(ctx, "e");
	pawl_any(ctx, one, t);
	const char *got = pawl_await(ctx, two), *after = pawl_wait_event(ctx, "e", -1);
	return pawl_return(ctx, pawl_printf(ctx, "%s %s", got, after));
}

static void an_event_that_lost_goes_to_the_oldest_open_wait(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, put_back);
	world_start(&w, NULL);
	world_fire(&w, 2);
	world_raise(&w, "e", "x");
	world_turn(&w);
	assert_last(&w, "5 TimerFired of line 2\n6 EventRaised 'e' input 'x'\n7 EventUnsubscribed of line 3\n"
			"8 EventSubscribed 'e'");
	world_raises(&w, "e", "y");
	assert_last(&w, "9 EventRaised 'e' input 'y'\n10 ExecutionCompleted output 'x y'");
	world_release(&w);
}

static void an_event_that_lost_goes_to_the_front_of_the_buffer(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, put_back);
	world_start(&w, NULL);
	world_fire(&w, 2);
	world_raise(&w, "e", "x");
	world_raise(&w, "e", "y");
	world_raise(&w, "e", "z");
	world_turn(&w);
	/* two took y already, x goes to the front: the next wait gets x, not z */
	assert_last(&w, "5 TimerFired of line 2\n6 EventRaised 'e' input 'x'\n7 EventRaised 'e' input 'y'\n"
			"8 EventRaised 'e' input 'z'\n9 EventUnsubscribed of line 3\n10 EventSubscribed 'e'\n"
			"11 ExecutionCompleted output 'y x'");
	world_release(&w);
}

static int seen_event(pawl_ctx *ctx, const char *input)
{
	(void)input;
	pawl_task *t = pawl_timer(ctx, 1), *e = pawl_event(ctx, "e");
	const char *got = pawl_await(ctx, e);
	pawl_any(ctx, e, t);
	return pawl_return(ctx, pawl_printf(ctx, "%s%d", got, pawl_is_done(pawl_event(ctx, "e"))));
}

static void an_event_that_the_code_has_seen_is_not_put_back(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, seen_event);
	world_start(&w, NULL);
	world_fire(&w, 2);
	world_raise(&w, "e", "x");
	world_turn(&w);
	assert_last(&w, "4 TimerFired of line 2\n5 EventRaised 'e' input 'x'\n6 EventSubscribed 'e'\n"
			"7 ExecutionCompleted output 'x0'");
	world_release(&w);
}

static int cancels(pawl_ctx *ctx, const char *input)
{
	pawl_task *a = pawl_activity(ctx, "a", NULL), *t = pawl_timer(ctx, 5), *e = pawl_event(ctx, "e");
	(void)input;
	pawl_cancel(ctx, NULL);
	pawl_cancel(ctx, t);
	pawl_cancel(ctx, t);
	pawl_cancel(ctx, a);
	pawl_cancel(ctx, e);
	assert_null(pawl_await(ctx, a));
	assert_string_equal(pawl_failed(ctx)->kind, "canceled");
	assert_string_equal(pawl_task_failure(t)->kind, "canceled");
	return pawl_return(ctx, pawl_wait_event(ctx, "e", -1));
}

static void cancel_is_recorded_once_and_at_once(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, cancels);
	world_start(&w, NULL);
	assert_last(&w, "1 ExecutionStarted 'flow' version '1.0.0'\n2 ActivityScheduled 'a'\n3 TimerCreated 5 ms\n"
			"4 EventSubscribed 'e'\n5 TimerCanceled of line 3\n6 ActivityCancelRequested of line 2\n"
			"7 EventUnsubscribed of line 4\n8 EventSubscribed 'e'");
	assert_int_equal(w.view.open_count, 1);
	world_raises(&w, "e", "for the second");
	assert_non_null(strstr(world_last(&w), "output 'for the second'"));
	world_release(&w);
}

static int odd_arguments(pawl_ctx *ctx, const char *input)
{
	pawl_task *t = pawl_timer(ctx, 1);
	(void)input;
	assert_null(pawl_any_of(ctx, &t, 0));
	assert_null(pawl_first_of(ctx, NULL, 3));
	assert_int_equal(pawl_all_of(ctx, &t, 0), 0);
	assert_null(pawl_await(ctx, NULL));
	assert_string_equal(pawl_failed(ctx)->kind, "system");
	assert_true(pawl_is_done(NULL));
	assert_null(pawl_result(NULL));
	assert_int_equal(pawl_result_len(NULL), 0);
	assert_string_equal(pawl_task_failure(NULL)->kind, "system");
	pawl_task *none = pawl_first(ctx, t, NULL);
	assert_ptr_not_equal(none, t);
	assert_string_equal(pawl_task_failure(none)->message, "no task was given (NULL)");
	assert_int_equal(pawl_all(ctx, t, NULL), 1);
	assert_ptr_equal(pawl_any(ctx, NULL, t, t), t);
	return 0;
}

static void no_task_is_a_task_that_has_failed(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, odd_arguments);
	world_start(&w, NULL);
	world_fires(&w, 2);
	assert_last(&w, "3 TimerFired of line 2\n4 ExecutionCompleted");
	world_release(&w);
}

static int all_of_them(pawl_ctx *ctx, const char *input)
{
	pawl_task *a = pawl_activity(ctx, "a", NULL), *b = pawl_activity(ctx, "b", NULL), *c = pawl_activity(ctx, "c", NULL);
	size_t failed = pawl_all(ctx, a, b, c);
	(void)input;
	return pawl_return(ctx, pawl_printf(ctx, "%zu %s", failed, pawl_failed(ctx)->code));
}

static void all_counts_failures_and_keeps_the_first_in_order(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, all_of_them);
	world_start(&w, NULL);
	world_fail(&w, 4, 1, "from-c", true);
	world_turn(&w);
	world_completes(&w, 2, "");
	world_fail(&w, 3, 1, "from-b", true);
	world_turn(&w);
	assert_non_null(strstr(world_last(&w), "output '2 from-b'"));
	world_release(&w);
}

/* ---- events ---- */

static int three_events(pawl_ctx *ctx, const char *input)
{
	pawl_task *a = pawl_event(ctx, "e"), *b = pawl_event(ctx, "e"), *other = pawl_event(ctx, "f");
	(void)input;
	const char *vb = pawl_await(ctx, b), *va = pawl_await(ctx, a), *vo = pawl_await(ctx, other);
	return pawl_return(ctx, pawl_printf(ctx, "%s%s%s", va, vb, vo));
}

static void events_are_kept_in_order_before_anybody_waits(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, three_events);
	world_message(&w, &(struct event){ .type = EVENT_ExecutionStarted, .name = SLICE("flow"), .version = SLICE("1"),
					   .fields = FIELD_NAME | FIELD_VERSION | FIELD_SEED });
	world_raise(&w, "e", "1");
	world_raise(&w, "f", "3");
	world_raise(&w, "e", "2");
	world_raise(&w, "e", "4");
	world_turn(&w);
	assert_non_null(strstr(world_last(&w), "9 ExecutionCompleted output '123'"));
	assert_int_equal(w.view.event_count, 1);
	world_release(&w);
}

static void events_complete_the_oldest_wait(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, three_events);
	world_start(&w, NULL);
	world_raises(&w, "f", "3");
	world_raises(&w, "e", "1");
	world_raises(&w, "e", "2");
	assert_non_null(strstr(world_last(&w), "output '123'"));
	world_release(&w);
}

static int patient(pawl_ctx *ctx, const char *input)
{
	(void)input;
	const char *got = pawl_wait_event(ctx, "e", 1500);
	if (!got)
		return pawl_rethrow(ctx);
	return pawl_return(ctx, got);
}

static void wait_event_gives_the_data(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, patient);
	world_start(&w, NULL);
	assert_last(&w, "1 ExecutionStarted 'flow' version '1.0.0'\n2 EventSubscribed 'e'\n3 TimerCreated 1500 ms");
	world_raises(&w, "e", "x");
	assert_last(&w, "4 EventRaised 'e' input 'x'\n5 TimerCanceled of line 3\n6 ExecutionCompleted output 'x'");
	world_release(&w);
}

static void wait_event_times_out(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, patient);
	world_start(&w, NULL);
	world_fires(&w, 3);
	assert_last(&w, "4 TimerFired of line 3\n5 EventUnsubscribed of line 2\n"
			"6 ExecutionFailed 'no event 'e' within 1500 ms' kind 'timeout'");
	world_release(&w);
}

static void wait_event_needs_no_timer_for_what_is_there(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, patient);
	world_message(&w, &(struct event){ .type = EVENT_ExecutionStarted, .name = SLICE("flow"), .version = SLICE("1"),
					   .fields = FIELD_NAME | FIELD_VERSION | FIELD_SEED });
	world_raise(&w, "e", "1");
	world_turn(&w);
	assert_last(&w, "1 ExecutionStarted 'flow' version '1'\n2 EventRaised 'e' input '1'\n3 EventSubscribed 'e'\n"
			"4 ExecutionCompleted output '1'");
	world_release(&w);
}

/* ---- I2 ---- */

static int sink(pawl_ctx *ctx, const char *input)
{
	(void)input;
	while (pawl_wait_event(ctx, "e", -1))
		continue;
	return pawl_rethrow(ctx);
}

static void an_event_with_a_known_id_is_dropped(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, sink);
	world_start(&w, NULL);
	struct message *one = world_raise_with(&w, "e", "x", "id-1", NULL), *twice = world_raise_with(&w, "e", "x", "id-1", NULL);
	struct message *other = world_raise_with(&w, "f", "x", "id-2", NULL);
	world_turn(&w);
	assert_int_equal(one->result, MESSAGE_TAKEN);
	assert_null(one->why);
	assert_int_equal(twice->result, MESSAGE_DUPLICATE);
	assert_non_null(twice->why);
	assert_int_equal(other->result, MESSAGE_TAKEN);
	struct message *later = world_raise_with(&w, "e", "y", "id-1", NULL);
	world_turn(&w);
	assert_int_equal(later->result, MESSAGE_DUPLICATE);
	assert_int_equal(w.turn_events, 0);
	assert_int_equal(w.view.next_seq, 6);
	world_release(&w);
}

static void a_key_counts_within_its_name_only(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, sink);
	world_start(&w, NULL);
	world_raise_with(&w, "e", "x", "1", "k");
	struct message *other_name = world_raise_with(&w, "ek", "x", "2", "k"),
		       *empty = world_raise_with(&w, "ekk", "x", "3", "");
	world_turn(&w);
	assert_int_equal(other_name->result, MESSAGE_TAKEN);
	assert_int_equal(empty->result, MESSAGE_TAKEN);
	struct message *again = world_raise_with(&w, "e", "y", "4", "k"), *other_key = world_raise_with(&w, "e", "y", "5", "K");
	world_turn(&w);
	assert_int_equal(again->result, MESSAGE_DUPLICATE);
	assert_int_equal(other_key->result, MESSAGE_TAKEN);
	world_release(&w);
}

static void control_messages_are_taken_once_too(void **state)
{
	struct world w;
	struct event suspend = { .type = EVENT_ExecutionSuspended, .fields = FIELD_ID, .id = SLICE("s-1") };
	(void)state;
	world_init(&w, sink);
	world_start(&w, NULL);
	world_message(&w, &suspend);
	world_turn(&w);
	world_plain(&w, EVENT_ExecutionResumed);
	world_turn(&w);
	struct message *again = world_message(&w, &suspend);
	world_turn(&w);
	assert_int_equal(again->result, MESSAGE_DUPLICATE);
	world_release(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hello_world_completes),
		cmocka_unit_test(hello_world_times_out),
		cmocka_unit_test(a_failed_activity_is_rethrown_whole),
		cmocka_unit_test(texts_of_failures_that_are_not_utf8_are_the_same_at_replay),
		cmocka_unit_test(tasks_give_their_values_and_failures),
		cmocka_unit_test(payloads_may_hold_any_bytes),
		cmocka_unit_test(due_times_are_on_both_clocks_and_saturate),
		cmocka_unit_test(any_cancels_the_others_in_order),
		cmocka_unit_test(any_leaves_others_that_are_done),
		cmocka_unit_test(first_leaves_the_others_alone),
		cmocka_unit_test(answers_to_what_was_canceled_are_stale),
		cmocka_unit_test(an_event_that_lost_goes_to_the_oldest_open_wait),
		cmocka_unit_test(an_event_that_lost_goes_to_the_front_of_the_buffer),
		cmocka_unit_test(an_event_that_the_code_has_seen_is_not_put_back),
		cmocka_unit_test(cancel_is_recorded_once_and_at_once),
		cmocka_unit_test(no_task_is_a_task_that_has_failed),
		cmocka_unit_test(all_counts_failures_and_keeps_the_first_in_order),
		cmocka_unit_test(events_are_kept_in_order_before_anybody_waits),
		cmocka_unit_test(events_complete_the_oldest_wait),
		cmocka_unit_test(wait_event_gives_the_data),
		cmocka_unit_test(wait_event_times_out),
		cmocka_unit_test(wait_event_needs_no_timer_for_what_is_there),
		cmocka_unit_test(an_event_with_a_known_id_is_dropped),
		cmocka_unit_test(a_key_counts_within_its_name_only),
		cmocka_unit_test(control_messages_are_taken_once_too),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
