#include "unit/engine_world.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- suspend, resume, terminate, cancel ---- */

static int two_steps(pawl_ctx *ctx, const char *input)
{
	const char *a = pawl_call(ctx, "a", input);
	int64_t now = pawl_now(ctx);
	const char *b = pawl_call(ctx, "b", a);
	return pawl_return(ctx, pawl_printf(ctx, "%s %lld%s", b, (long long)((pawl_now(ctx) - now) / 1000000000),
					    pawl_is_cancelled(ctx) ? " canceled" : ""));
}

static struct message *send(struct world *w, enum event_type type)
{
	struct message *m = world_plain(w, type);
	world_turn(w);
	return m;
}

static void while_suspended_answers_are_recorded_and_the_code_rests(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, two_steps);
	world_start(&w, "in");
	send(&w, EVENT_ExecutionSuspended);
	assert_last(&w, "3 ExecutionSuspended");
	world_completes(&w, 2, "out");
	assert_last(&w, "4 ActivityCompleted input 'out' of line 2");
	assert_int_equal(send(&w, EVENT_ExecutionSuspended)->result, MESSAGE_STALE);
	assert_int_equal(w.turn_events, 0);
	send(&w, EVENT_ExecutionResumed);
	assert_last(&w, "5 ExecutionResumed\n6 ActivityScheduled 'b' input 'out'");
	assert_int_equal(send(&w, EVENT_ExecutionResumed)->result, MESSAGE_STALE);
	world_completes(&w, 6, "end");
	assert_last(&w, "7 ActivityCompleted input 'end' of line 6\n8 ExecutionCompleted output 'end 2'");
	assert_int_equal(world_verify(&w, two_steps, NULL), 0);
	world_release(&w);
}

static struct event start_event(const char *input)
{
	return (struct event){ .type = EVENT_ExecutionStarted, .fields = FIELD_NAME | FIELD_VERSION | FIELD_SEED | FIELD_DATA,
			       .name = SLICE("flow"), .version = SLICE("1"), .seed = { 1, 2 }, .data = slice_of(input) };
}

static void one_that_is_suspended_before_its_start_begins_at_resume(void **state)
{
	struct world w;
	struct event start = start_event("in");
	(void)state;
	world_init(&w, two_steps);
	world_message(&w, &start);
	send(&w, EVENT_ExecutionSuspended);
	assert_last(&w, "1 ExecutionStarted 'flow' version '1' input 'in'\n2 ExecutionSuspended");
	send(&w, EVENT_ExecutionResumed);
	assert_last(&w, "3 ExecutionResumed\n4 ActivityScheduled 'a' input 'in'");
	world_release(&w);
}

static void suspend_and_resume_in_one_turn_let_it_run(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, two_steps);
	world_start(&w, "in");
	world_plain(&w, EVENT_ExecutionSuspended);
	world_complete(&w, 2, "x");
	send(&w, EVENT_ExecutionResumed);
	assert_last(&w, "3 ExecutionSuspended\n4 ActivityCompleted input 'x' of line 2\n5 ExecutionResumed\n"
			"6 ActivityScheduled 'b' input 'x'");
	world_release(&w);
}

static void nothing_comes_before_the_start_or_twice(void **state)
{
	struct world w;
	struct event start = start_event("in");
	(void)state;
	world_init(&w, two_steps);
	struct message *raised = world_raise(&w, "e", "x"), *ended = world_plain(&w, EVENT_ExecutionTerminated);
	world_message(&w, &start);
	struct message *second = world_message(&w, &start);
	world_turn(&w);
	assert_int_equal(raised->result, MESSAGE_STALE);
	assert_string_equal(raised->why, "it has not started");
	assert_int_equal(ended->result, MESSAGE_STALE);
	assert_int_equal(second->result, MESSAGE_STALE);
	assert_last(&w, "1 ExecutionStarted 'flow' version '1' input 'in'\n2 ActivityScheduled 'a' input 'in'");
	world_release(&w);
}

static void only_messages_are_taken(void **state)
{
	static const enum event_type others[] = { EVENT_UNKNOWN, EVENT_ActivityScheduled, EVENT_ActivityRetrying, EVENT_ChildCompleted,
						  EVENT_ExecutionCompleted, EVENT_ExecutionRewound, EVENT_EntityReplied };
	struct world w;
	(void)state;
	world_init(&w, two_steps);
	world_start(&w, "in");
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
		struct message *m = world_message(&w, &(struct event){ .type = others[i], .ref = 2, .fields = FIELD_REF });
		world_turn(&w);
		assert_int_equal(m->result, MESSAGE_STALE);
	}
	world_release(&w);
}

static void terminate_ends_at_once_also_when_suspended(void **state)
{
	struct world w;
	(void)state;
	for (int suspended = 0; suspended < 2; suspended++) {
		world_init(&w, two_steps);
		world_start(&w, "in");
		if (suspended)
			send(&w, EVENT_ExecutionSuspended);
		world_complete(&w, 2, "out");
		struct event e = { .type = EVENT_ExecutionTerminated, .fields = FIELD_REASON, .reason = SLICE("enough") };
		world_message(&w, &e);
		struct message *late = world_raise(&w, "e", NULL);
		world_turn(&w);
		assert_true(w.ended);
		assert_non_null(strstr(world_last(&w), "ActivityCompleted input 'out' of line 2\n"));
		assert_non_null(strstr(world_last(&w), "ExecutionTerminated reason 'enough'"));
		assert_int_equal(w.turn_events, 2);
		assert_int_equal(late->result, MESSAGE_STALE);
		assert_int_equal(w.view.status, STATUS_TERMINATED);
		assert_int_equal(world_verify(&w, two_steps, NULL), 0);
		world_release(&w);
	}
}

/* ---- cancel ---- */

static int cleans_up(pawl_ctx *ctx, const char *input)
{
	pawl_task *a = pawl_activity(ctx, "a", input), *late = pawl_timer(ctx, 1000), *ok = pawl_event(ctx, "ok");

	pawl_shield(ctx, strcmp(input, "shield") == 0);
	if (pawl_await(ctx, a) && strcmp(input, "shield") == 0) {
		pawl_shield(ctx, false);
		(void)pawl_await(ctx, late);
	}
	if (strcmp(input, "finish") == 0)
		return pawl_return(ctx, pawl_cancel_reason(ctx));
	const pawl_failure *why = pawl_failed(ctx);
	assert_true(pawl_task_failure(late) && pawl_task_failure(ok));
	if (!pawl_call(ctx, "clean", why->kind))
		return pawl_fail(ctx, "not cleaned");
	return pawl_fail_with(ctx, why);
}

static struct message *cancel(struct world *w, const char *reason)
{
	struct event e = { .type = EVENT_CancelRequested, .fields = reason ? FIELD_REASON : 0u, .reason = slice_of(reason) };
	struct message *m = world_message(w, &e);

	world_turn(w);
	return m;
}

static void cancel_cuts_what_is_open_and_the_code_cleans_up(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, cleans_up);
	world_start(&w, "in");
	cancel(&w, "no more");
	assert_last(&w, "5 CancelRequested reason 'no more'\n6 ActivityCancelRequested of line 2\n7 TimerCanceled of line 3\n"
			"8 EventUnsubscribed of line 4\n9 ActivityScheduled 'clean' input 'canceled'");
	assert_int_equal(cancel(&w, "again")->result, MESSAGE_STALE);
	struct message *late = world_complete(&w, 2, "late");
	world_complete(&w, 9, "ok");
	world_turn(&w);
	assert_int_equal(late->result, MESSAGE_STALE);
	assert_last(&w, "10 ActivityCompleted input 'ok' of line 9\n11 ExecutionCanceled reason 'no more'");
	assert_int_equal(w.view.status, STATUS_CANCELED);
	assert_int_equal(world_verify(&w, cleans_up, NULL), 0);
	world_release(&w);
}

static void after_cancel_it_may_still_complete_or_fail(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, cleans_up);
	world_start(&w, "finish");
	cancel(&w, "enough");
	assert_int_equal(w.view.status, STATUS_COMPLETED);
	assert_string_equal(w.view.output, "enough");
	world_release(&w);
	world_init(&w, cleans_up);
	world_start(&w, "in");
	cancel(&w, NULL);
	world_fail(&w, 9, 1, "E", false);
	world_turn(&w);
	assert_int_equal(w.view.status, STATUS_FAILED);
	assert_string_equal(w.view.error_message, "not cleaned");
	world_release(&w);
}

static void a_shield_puts_the_cut_off(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, cleans_up);
	world_start(&w, "shield");
	cancel(&w, NULL);
	assert_last(&w, "5 CancelRequested");
	world_completes(&w, 2, "done");
	assert_last(&w, "6 ActivityCompleted input 'done' of line 2\n7 TimerCanceled of line 3\n8 EventUnsubscribed of line 4\n"
			"9 ActivityScheduled 'clean' input 'canceled'");
	assert_int_equal(world_verify(&w, cleans_up, NULL), 0);
	world_release(&w);
}

/* Takes a wait that was cut for the event that it waited for. */
static int careless(pawl_ctx *ctx, const char *input)
{
	pawl_task *ok = pawl_event(ctx, "ok"), *late = pawl_timer(ctx, 1000);

	if (*input == 's')
		pawl_sleep(ctx, 500);
	else if (*input == 'l')
		while (pawl_first(ctx, ok, late) == ok)
			;
	else if (pawl_any(ctx, ok, late) == late)
		return pawl_fail(ctx, "too late");
	if (*input == 'r' && !pawl_result(ok))
		return pawl_call(ctx, "clean", NULL) ? pawl_return(ctx, "clean") : pawl_rethrow(ctx);
	if (*input != 'e' && !pawl_call(ctx, "deploy", NULL))
		return pawl_rethrow(ctx);
	return pawl_return(ctx, "approved");
}

static void code_that_has_not_been_told_does_not_go_on(void **state)
{
	static const char *const inputs[] = { "any", "sleep", "loop", "end" };
	struct world w;
	(void)state;
	for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++) {
		world_init(&w, careless);
		world_start(&w, inputs[i]);
		cancel(&w, NULL);
		assert_null(strstr(world_last(&w), "ActivityScheduled"));
		assert_non_null(strstr(world_last(&w), "ExecutionCanceled"));
		assert_int_equal(world_verify(&w, careless, NULL), 0);
		world_release(&w);
	}
	world_init(&w, careless);
	world_start(&w, "result");
	cancel(&w, NULL);
	assert_non_null(strstr(world_last(&w), "ActivityScheduled 'clean'"));
	world_release(&w);
}

static void past_its_deadline_it_ends_without_the_code(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, cleans_up);
	world_start(&w, "in");
	cancel(&w, "no more");
	world_plain(&w, EVENT_CancelDeadlinePassed);
	world_turn(&w);
	assert_last(&w, "10 CancelDeadlinePassed");
	assert_int_equal(w.view.status, STATUS_CANCELED);
	assert_string_equal(w.view.error_code, "cancel-deadline");
	assert_string_equal(w.view.reason, "no more");
	world_release(&w);
}

static void suspended_it_is_cut_when_it_goes_on(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, cleans_up);
	world_start(&w, "in");
	send(&w, EVENT_ExecutionSuspended);
	cancel(&w, NULL);
	assert_last(&w, "6 CancelRequested");
	send(&w, EVENT_ExecutionResumed);
	assert_int_equal(w.turn_events, 5);
	assert_int_equal(world_verify(&w, cleans_up, NULL), 0);
	world_release(&w);
}

static void what_is_to_begin_later_waits_and_can_be_canceled(void **state)
{
	struct event start = { .type = EVENT_ExecutionStarted, .fields = FIELD_NAME | FIELD_VERSION | FIELD_SEED | FIELD_DELAY | FIELD_DUE | FIELD_DATA,
			       .name = SLICE("flow"), .version = SLICE("1"), .delay_ms = 5000, .due = { SLICE("aaaaaaaa"), 7000, WORLD_TIME },
			       .seed = { 1, 2 }, .data = SLICE("in") };
	struct world w;
	(void)state;
	for (int canceled = 0; canceled < 2; canceled++) {
		world_init(&w, two_steps);
		world_message(&w, &start);
		world_turn(&w);
		assert_int_equal(w.turn_events, 1);
		assert_int_equal(w.view.status, STATUS_PENDING);
		world_raises(&w, "e", "early");
		assert_int_equal(w.turn_events, 1);
		if (canceled) {
			cancel(&w, NULL);
			assert_last(&w, "3 CancelRequested\n4 ExecutionCanceled");
		} else {
			world_fires(&w, 1);
			assert_last(&w, "3 TimerFired of line 1\n4 ActivityScheduled 'a' input 'in'");
			assert_int_equal(w.view.status, STATUS_RUNNING);
			struct message *again = world_fire(&w, 1);
			world_turn(&w);
			assert_int_equal(again->result, MESSAGE_STALE);
		}
		assert_int_equal(world_verify(&w, two_steps, NULL), 0);
		world_release(&w);
	}
}

/* ---- how it ends ---- */

static int ends(pawl_ctx *ctx, const char *input)
{
	const pawl_failure odd = { NULL, "E1", "gr\xfc\xdf", "\xc3\xbc", true };
	switch (*input) {
	case '0':
		return 0;
	case 'e':
		return pawl_return(ctx, "");
	case 'n':
		return pawl_return(ctx, NULL);
	case '7':
		return 7;
	case 'r':
		return pawl_rethrow(ctx);
	case 'w':
		return pawl_fail_with(ctx, &odd);
	case 'W':
		return pawl_fail_with(ctx, NULL);
	case 'l':
		return pawl_fail(ctx, "%s", pawl_printf(ctx, "%05000d", 1));
	case 'b':
		return pawl_return(ctx, pawl_printf(ctx, "%0*d", PAWL_PAYLOAD_BYTES_MAX + 1, 1));
	case 'o':
		pawl_timer(ctx, 5);
		pawl_event(ctx, "e");
		pawl_activity(ctx, "a", NULL);
		return pawl_fail(ctx, "with much left open");
	default:
		pawl_fail(ctx, "noted");
		return pawl_return(ctx, "but fine");
	}
}

static void it_ends_as_the_code_says(void **state)
{
	static const struct {
		const char *input, *last;
	} cases[] = {
		{ "0", "2 ExecutionCompleted" },
		{ "e", "2 ExecutionCompleted output ''" },
		{ "n", "2 ExecutionCompleted" },
		{ "7", "2 ExecutionFailed 'orchestration returned 7' kind 'application'" },
		{ "r", "2 ExecutionFailed 'rethrown, but nothing has failed before' kind 'application'" },
		{ "w", "2 ExecutionFailed 'gr?\?' kind 'application' code 'E1' details '?\?' retryable" },
		{ "W", "2 ExecutionFailed 'failed without a reason' kind 'application'" },
		{ "l", "2 ExecutionFailed '0000000000000000000000000000000000000000...' (4096 bytes, crc " },
		{ "b", "2 ExecutionFailed 'output of 1048577 bytes is over the limi...' (" },
		{ "o", "5 ExecutionFailed 'with much left open' kind 'application'" },
		{ "x", "2 ExecutionCompleted output 'but fine'" },
	};
	struct world w;
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		world_init(&w, ends);
		world_start(&w, cases[i].input);
		assert_true(w.ended);
		const char *line = strrchr(world_last(&w), '\n');
		assert_int_equal(strncmp(line + 1, cases[i].last, strlen(cases[i].last)), 0);
		assert_int_equal(world_verify(&w, ends, NULL), 0);
		world_release(&w);
	}
}

/* ---- what is the same at every replay ---- */

static int draws(pawl_ctx *ctx, const char *input)
{
	char id[160];

	(void)input;
	snprintf(id, sizeof id, "%s/%llu", pawl_instance_id(ctx), (unsigned long long)pawl_execution(ctx));
	for (int i = 0; i < 3; i++) {
		uint64_t n = pawl_random(ctx); /* one after the other: C leaves the order of arguments open */
		const char *uuid = pawl_uuid(ctx);
		pawl_set_status(ctx, pawl_printf(ctx, "%llx", (unsigned long long)n));
		pawl_set_status(ctx, uuid);
		pawl_sleep(ctx, 1);
	}
	return pawl_return(ctx, id);
}

static void random_and_uuid_come_from_the_seed_for_ever(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, draws);
	world_start(&w, NULL);
	assert_last(&w, "1 ExecutionStarted 'flow' version '1.0.0'\n"
			"2 CustomStatusSet 'b358faf74ef9765a'\n"
			"3 CustomStatusSet '95496787-8307-4f5a-a27f-700a092d6257'\n4 TimerCreated 1 ms");
	for (uint64_t ref = 4; ref < 13; ref += 4)
		world_fires(&w, ref);
	assert_non_null(strstr(world_last(&w), "ExecutionCompleted output 'order-1/3'"));
	world_release(&w);
}

static void generators_differ_by_each_bit_of_the_seed(void **state)
{
	struct prng base, other;
	uint64_t seed[2] = { 0, 0 };
	char uuid[PRNG_UUID_SIZE];
	(void)state;
	prng_seed(&base, seed);
	uint64_t first = prng_next(&base);
	assert_true(first | prng_next(&base));
	for (unsigned bit = 0; bit < 128; bit++) {
		uint64_t s[2] = { bit < 64 ? UINT64_C(1) << bit : 0, bit < 64 ? 0 : UINT64_C(1) << (bit - 64) };
		prng_seed(&other, s);
		bool differs = prng_next(&other) != first;
		prng_seed(&base, seed);
		for (int i = 0; i < 4; i++)
			differs |= prng_next(&base) != prng_next(&other);
		assert_true(differs);
	}
	for (int i = 0; i < 1000; i++) {
		prng_uuid(&base, uuid);
		assert_int_equal(strlen(uuid), 36);
		assert_int_equal(uuid[14], '4');
		assert_non_null(strchr("89ab", uuid[19]));
	}
}

struct lines {
	unsigned count;
	char last[64];
};

static void count_line(void *arg, const char *instance, const char *line)
{
	struct lines *l = arg;
	assert_string_equal(instance, "order-1");
	l->count++;
	snprintf(l->last, sizeof l->last, "%s", line);
}

static int chatty(pawl_ctx *ctx, const char *input)
{
	(void)input;
	for (int i = 1; i <= 3; i++) {
		pawl_log(ctx, "step %d%s", i, pawl_is_replaying(ctx) ? " replaying" : "");
		pawl_sleep(ctx, 1);
	}
	return 0;
}

static void logging_is_silent_on_replay(void **state)
{
	struct world w;
	struct lines lines = { 0 };
	(void)state;
	world_init(&w, chatty);
	w.options.log = count_line;
	w.options.arg = &lines;
	world_start(&w, NULL);
	assert_int_equal(lines.count, 3); /* one for each of the three executions */
	assert_string_equal(lines.last, "step 1");
	world_fires(&w, 2);
	assert_int_equal(lines.count, 6);
	assert_int_equal(world_verify(&w, chatty, NULL), 0);
	assert_int_equal(lines.count, 6);
	assert_string_equal(lines.last, "step 2");
	world_release(&w);
}

static int statuses(pawl_ctx *ctx, const char *input)
{
	(void)input;
	pawl_set_status(ctx, "same");
	pawl_set_status(ctx, "same");
	pawl_set_status(ctx, "");
	pawl_set_status(ctx, NULL);
	pawl_set_status(ctx, "{\"done\":3}");
	pawl_sleep(ctx, 1);
	return 0;
}

static void each_status_is_recorded(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, statuses);
	world_start(&w, NULL);
	assert_last(&w, "1 ExecutionStarted 'flow' version '1.0.0'\n2 CustomStatusSet 'same'\n3 CustomStatusSet 'same'\n"
			"4 CustomStatusSet ''\n5 CustomStatusSet\n6 CustomStatusSet '{\"done\":3}'\n7 TimerCreated 1 ms");
	assert_string_equal(w.view.custom_status, "{\"done\":3}");
	world_release(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(while_suspended_answers_are_recorded_and_the_code_rests),
		cmocka_unit_test(one_that_is_suspended_before_its_start_begins_at_resume),
		cmocka_unit_test(suspend_and_resume_in_one_turn_let_it_run),
		cmocka_unit_test(nothing_comes_before_the_start_or_twice),
		cmocka_unit_test(only_messages_are_taken),
		cmocka_unit_test(terminate_ends_at_once_also_when_suspended),
		cmocka_unit_test(cancel_cuts_what_is_open_and_the_code_cleans_up),
		cmocka_unit_test(after_cancel_it_may_still_complete_or_fail),
		cmocka_unit_test(a_shield_puts_the_cut_off),
		cmocka_unit_test(code_that_has_not_been_told_does_not_go_on),
		cmocka_unit_test(past_its_deadline_it_ends_without_the_code),
		cmocka_unit_test(suspended_it_is_cut_when_it_goes_on),
		cmocka_unit_test(what_is_to_begin_later_waits_and_can_be_canceled),
		cmocka_unit_test(it_ends_as_the_code_says),
		cmocka_unit_test(random_and_uuid_come_from_the_seed_for_ever),
		cmocka_unit_test(generators_differ_by_each_bit_of_the_seed),
		cmocka_unit_test(logging_is_silent_on_replay),
		cmocka_unit_test(each_status_is_recorded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
