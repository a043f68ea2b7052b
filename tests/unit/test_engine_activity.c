/* What an activity can be between its beginning and its end: held, given new attempts, rebooting, sent messages. */
#include "unit/engine_world.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int flash(pawl_ctx *ctx, const char *input)
{
	pawl_retry retry = { .max_attempts = 2, .first_ms = 2000, .coefficient = 2, .total_ms = 60000 };
	pawl_call_options o = { .retry = *input == 'r' ? &retry : NULL };
	const char *got = pawl_call_with(ctx, "flash", "x", &o);
	return got ? pawl_return(ctx, got) : pawl_rethrow(ctx);
}

static void begin(struct world *w, const char *input)
{
	world_init(w, flash);
	world_start(w, input);
}

/* The attempt fails, as one that the configuration wants to be held when it was the last. */
static struct message *fail_held(struct world *w, uint32_t attempt, const char *kind)
{
	struct message *m = world_fail(w, 2, attempt, "exit:3", true);

	m->event.error.kind = slice_of(kind);
	m->event.fields |= FIELD_DELAY;
	m->event.delay_ms = EVENT_DELAY_HELD;
	return m;
}

static void fails_held(struct world *w, uint32_t attempt, const char *kind)
{
	fail_held(w, attempt, kind);
	world_turn(w);
}

static struct message *requeue(struct world *w, const char *id, const char *reason)
{
	struct event e = { .type = EVENT_ActivityRetrying, .fields = FIELD_REF, .ref = 2, .id = slice_of(id), .reason = slice_of(reason) };

	e.fields |= (id ? FIELD_ID : 0) | (reason ? FIELD_REASON : 0);
	return world_message(w, &e);
}

static void requeues(struct world *w, const char *reason)
{
	requeue(w, NULL, reason);
	world_turn(w);
}

static struct message *reboot(struct world *w, uint32_t attempt, const char *output)
{
	struct event e = { .type = EVENT_ActivityRebooting, .fields = FIELD_REF | FIELD_ATTEMPT | FIELD_DUE, .ref = 2,
			   .attempt = attempt, .data = slice_of(output), .due = { SLICE("1f3a77c0"), 77, WORLD_TIME } };

	e.fields |= output ? FIELD_DATA : 0;
	return world_message(w, &e);
}

static struct event last_event(struct world *w)
{
	static struct event e;
	struct history h;

	world_history(w, &h);
	assert_int_equal(event_copy(&e, &h.events[h.count - 1], &w->arena), 0);
	history_release(&h);
	return e;
}

/* ---- held ---- */

#define PROCESS "'it broke' kind 'process' code 'exit:3' retryable"
#define STUCK "'it broke' kind 'stuck' code 'exit:3' retryable"
#define POISON "'it broke' kind 'poison' code 'exit:3' retryable"
#define TIMEOUT "'it broke' kind 'timeout' code 'exit:3' retryable"

/* What becomes of failed attempts, one after the other. */
static const struct {
	const char *input; /* r: two attempts, by the code */
	const char *kinds[3]; /* of failures */
	bool hold;
	const char *lines;
} outcomes[] = {
	{ "", { "process" }, false, "3 ActivityFailed of line 2 " PROCESS "\n4 ExecutionFailed " PROCESS },
	{ "", { "process" }, true, "3 ActivityRetrying of line 2 -1 ms " PROCESS },
	{ "", { "stuck" }, true, "3 ActivityRetrying of line 2 -1 ms " STUCK },
	{ "", { "stuck" }, false, "3 ActivityFailed of line 2 " POISON "\n4 ExecutionFailed " POISON },
	{ "", { "timeout" }, false, "3 ActivityFailed of line 2 " TIMEOUT "\n4 ExecutionFailed " TIMEOUT },
	{ "r", { "stuck" }, false, "3 ActivityRetrying of line 2 2000 ms " STUCK },
	{ "r", { "stuck" }, true, "3 ActivityRetrying of line 2 2000 ms " STUCK },
	{ "r", { "process", "process" }, true, "4 ActivityRetrying of line 2 -1 ms " PROCESS },
	{ "r", { "process", "stuck" }, false, "4 ActivityFailed of line 2 " POISON "\n5 ExecutionFailed " POISON },
};

static void what_cannot_be_tried_again_fails_or_is_held(void **state)
{
	struct world w;
	(void)state;
	for (size_t i = 0; i < sizeof outcomes / sizeof outcomes[0]; i++) {
		begin(&w, outcomes[i].input);
		for (uint32_t n = 0; n < 3 && outcomes[i].kinds[n]; n++) {
			struct message *m = fail_held(&w, n + 1, outcomes[i].kinds[n]);
			if (!outcomes[i].hold)
				m->event.fields &= ~(uint32_t)FIELD_DELAY;
			world_turn(&w);
		}
		assert_last(&w, outcomes[i].lines);
		assert_int_equal(world_verify(&w, flash, NULL), 0);
		world_release(&w);
	}
}

static void a_failure_for_good_is_held_too(void **state)
{
	struct world w;
	(void)state;
	begin(&w, "r");
	fail_held(&w, 1, "process")->event.error.retryable = false;
	world_turn(&w);
	assert_last(&w, "3 ActivityRetrying of line 2 -1 ms 'it broke' kind 'process' code 'exit:3'");
	struct event e = last_event(&w);
	assert_int_equal(e.fields, FIELD_REF | FIELD_ATTEMPT | FIELD_ERROR | FIELD_DELAY);
	assert_int_equal(e.attempt, 1);
	const struct open_item *item = w.view.open;
	assert_true(item->held && !item->has_due && item->attempt == 2);
	assert_string_equal(item->last_error, "exit:3: it broke");
	world_release(&w);
}

static void another_length_does_not_hold_and_is_not_recorded(void **state)
{
	struct world w;
	(void)state;
	begin(&w, "");
	fail_held(&w, 1, "process")->event.delay_ms = 5000;
	world_turn(&w);
	assert_last(&w, "3 ActivityFailed of line 2 " PROCESS "\n4 ExecutionFailed " PROCESS);
	world_release(&w);
}

/* Its worker was slow, and not dead; or an operator gave up on it. */
static void one_that_is_held_can_still_end(void **state)
{
	struct world w;
	(void)state;
	begin(&w, "");
	fails_held(&w, 1, "process");
	world_completes(&w, 2, "late");
	assert_non_null(strstr(world_last(&w), "ExecutionCompleted output 'late'"));
	world_release(&w);
	begin(&w, "");
	fails_held(&w, 1, "process");
	world_fail(&w, 2, 2, "gone", false);
	world_turn(&w);
	assert_non_null(strstr(world_last(&w), "ExecutionFailed 'it broke' kind 'process' code 'gone'"));
	world_release(&w);
}

static int cancels_held(pawl_ctx *ctx, const char *input)
{
	pawl_task *task = pawl_activity(ctx, "a", input), *go = pawl_event(ctx, "go");
	return pawl_any(ctx, task, go) == go ? pawl_return(ctx, "gone") : pawl_rethrow(ctx);
}

static void one_that_is_held_can_be_canceled(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, cancels_held);
	world_start(&w, NULL);
	fails_held(&w, 1, "process");
	world_raises(&w, "go", NULL);
	assert_last(&w, "5 EventRaised 'go'\n6 ActivityCancelRequested of line 2\n7 ExecutionCompleted output 'gone'");
	world_release(&w);
}

/* ---- new attempts ---- */

static void requeue_is_written_with_the_attempt_that_was_made_last(void **state)
{
	static const struct {
		const char *id, *reason, *message;
	} cases[] = {
		{ NULL, NULL, "given new attempts" },
		{ "m-1", "", "given new attempts" },
		{ "m-2", "the disk is new", "given new attempts: the disk is new" },
		{ NULL, "\xff!", "given new attempts: ?!" },
	};
	struct world w;
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		begin(&w, "r");
		fails_held(&w, 1, "process");
		fails_held(&w, 2, "process");
		int64_t now = w.time_ns;
		requeue(&w, cases[i].id, cases[i].reason);
		world_turn(&w);
		struct event e = last_event(&w);
		assert_int_equal(e.type, EVENT_ActivityRetrying);
		assert_int_equal(e.fields, FIELD_REF | FIELD_ATTEMPT | FIELD_ERROR | FIELD_DELAY | FIELD_DUE |
					   (cases[i].id ? FIELD_ID : 0) | (cases[i].reason ? FIELD_REASON : 0));
		assert_true(e.ref == 2 && e.attempt == 2 && e.delay_ms == 0 && e.error.retryable);
		assert_true(slice_is(e.error.kind, "system") && slice_is(e.error.code, "requeued"));
		assert_true(slice_is(e.error.message, cases[i].message));
		assert_int_equal(e.due.at_ns, now / 1000 * 1000);
		assert_true(!cases[i].id || slice_is(e.id, cases[i].id));
		assert_true(!w.view.open->held && w.view.open->has_due && w.view.open->attempt == 3);
		world_release(&w);
	}
}

static void it_gets_the_full_number_of_attempts_and_time_again(void **state)
{
	struct world w;
	(void)state;
	begin(&w, "r");
	fails_held(&w, 1, "process");
	fails_held(&w, 2, "process");
	for (uint32_t round = 1; round < 4; round++) {
		uint32_t last = 2 * round;
		w.time_ns += INT64_C(3600) * 1000000000; /* total_ms is a minute */
		requeues(&w, NULL);
		assert_false(w.view.open->held);
		assert_int_equal(w.view.open->attempt, last + 1);
		fails_held(&w, last + 1, "process");
		assert_non_null(strstr(world_last(&w), "ActivityRetrying of line 2 2000 ms")); /* the first delay, not the second */
		fails_held(&w, last + 2, "process");
		assert_non_null(strstr(world_last(&w), "ActivityRetrying of line 2 -1 ms"));
		assert_true(w.view.open->held);
	}
	requeues(&w, NULL);
	world_completes(&w, 2, "done");
	assert_non_null(strstr(world_last(&w), "ExecutionCompleted output 'done'"));
	assert_int_equal(world_verify(&w, flash, NULL), 0);
	world_release(&w);
}

static void time_that_is_used_up_counts_from_the_requeue(void **state)
{
	struct world w;
	(void)state;
	begin(&w, "r");
	fails_held(&w, 1, "process");
	fails_held(&w, 2, "process");
	requeues(&w, NULL);
	w.time_ns += INT64_C(58) * 1000000000;
	fails_held(&w, 3, "process"); /* 59 s, and 2 s more are too late */
	assert_true(w.view.open->held);
	world_release(&w);
}

static void only_one_that_is_held_is_requeued(void **state)
{
	struct world w;
	(void)state;
	begin(&w, "r");
	struct message *running = requeue(&w, NULL, NULL);
	world_turn(&w);
	assert_int_equal(running->result, MESSAGE_STALE);
	assert_string_equal(running->why, "it is not held");
	fails_held(&w, 1, "process");
	struct message *between = requeue(&w, NULL, NULL);
	world_turn(&w);
	assert_int_equal(between->result, MESSAGE_STALE);
	fails_held(&w, 2, "process");
	struct message *held = requeue(&w, "m-1", NULL), *same = requeue(&w, "m-1", NULL), *twice = requeue(&w, "m-2", NULL);
	world_turn(&w);
	assert_int_equal(held->result, MESSAGE_TAKEN);
	assert_int_equal(same->result, MESSAGE_DUPLICATE);
	assert_int_equal(twice->result, MESSAGE_STALE);
	assert_int_equal(w.turn_events, 1);
	fails_held(&w, 3, "process");
	fails_held(&w, 4, "process");
	struct message *again = requeue(&w, "m-1", NULL); /* seen again after a crash (I2) */
	world_turn(&w);
	assert_int_equal(again->result, MESSAGE_DUPLICATE);
	assert_true(w.view.open->held);
	world_completes(&w, 2, "");
	struct message *late = requeue(&w, NULL, NULL);
	world_turn(&w);
	assert_int_equal(late->result, MESSAGE_STALE);
	world_release(&w);
}

/* What an activity says of itself does not give it attempts. */
static void a_code_of_the_same_name_is_no_requeue(void **state)
{
	struct world w;
	(void)state;
	begin(&w, "r");
	world_fail(&w, 2, 1, "requeued", true);
	world_turn(&w);
	world_fail(&w, 2, 2, "requeued", true);
	world_turn(&w);
	assert_non_null(strstr(world_last(&w), "4 ActivityFailed of line 2"));
	world_release(&w);
}

/* ---- rebooting ---- */

static void one_that_reboots_stays_open_until_it_is_back(void **state)
{
	struct world w;
	(void)state;
	begin(&w, "r");
	reboot(&w, 1, "slot b");
	world_turn(&w);
	assert_last(&w, "3 ActivityRebooting input 'slot b' of line 2");
	const struct open_item *item = w.view.open;
	assert_true(item->rebooting && item->has_due && item->due.boot_ms == 77 && item->attempt == 1);
	assert_string_equal(item->reboot_output, "slot b");
	struct message *m = world_complete(&w, 2, NULL);
	open_item_output(item, &m->event);
	world_turn(&w);
	assert_non_null(strstr(world_last(&w), "ExecutionCompleted output 'slot b'"));
	world_release(&w);
}

static void a_large_output_of_a_reboot_comes_from_its_file(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, flash);
	w.spill_bytes = 8;
	world_start(&w, "");
	reboot(&w, 1, "a long output");
	world_turn(&w);
	struct message *m = world_complete(&w, 2, NULL);
	open_item_output(w.view.open, &m->event);
	assert_non_null(m->event.data_file.data);
	world_turn(&w);
	assert_true(w.ended);
	assert_memory_equal(w.files[w.file_count - 1], "a long output", 13);
	world_release(&w);
}

static void a_reboot_that_does_not_come_is_a_failed_attempt(void **state)
{
	struct world w;
	(void)state;
	begin(&w, "r");
	reboot(&w, 1, NULL);
	world_turn(&w);
	world_fail(&w, 2, 1, "reboot", true);
	world_turn(&w);
	assert_true(!w.view.open->rebooting && w.view.open->attempt == 2);
	struct message *old = reboot(&w, 1, NULL), *now = reboot(&w, 2, "x"), *twice = reboot(&w, 2, "x");
	world_turn(&w);
	assert_int_equal(old->result, MESSAGE_STALE);
	assert_int_equal(now->result, MESSAGE_TAKEN);
	assert_int_equal(twice->result, MESSAGE_STALE);
	assert_string_equal(twice->why, "it reboots already");
	fails_held(&w, 2, "timeout");
	assert_true(w.view.open->held && !w.view.open->rebooting);
	struct message *held = reboot(&w, 3, NULL);
	world_turn(&w);
	assert_int_equal(held->result, MESSAGE_STALE);
	world_completes(&w, 2, "");
	struct message *late = reboot(&w, 1, NULL);
	world_turn(&w);
	assert_int_equal(late->result, MESSAGE_STALE);
	assert_int_equal(world_verify(&w, flash, NULL), 0);
	world_release(&w);
}

/* ---- messages to it ---- */

static int talks(pawl_ctx *ctx, const char *input)
{
	pawl_task *task = pawl_activity(ctx, "a", input), *timer = pawl_timer(ctx, 5), *event = pawl_event(ctx, "e"),
		  *bad = pawl_activity(ctx, "no/../name", NULL);

	pawl_message(ctx, task, "first");
	pawl_message(ctx, timer, "to a timer");
	pawl_message(ctx, event, "to a wait");
	pawl_message(ctx, bad, "to what never began");
	pawl_message(ctx, NULL, "to nobody");
	pawl_await(ctx, timer);
	pawl_message(ctx, task, NULL);
	pawl_message(ctx, task, "");
	pawl_await(ctx, event);
	pawl_message(ctx, task, "third");
	pawl_await(ctx, task);
	pawl_message(ctx, task, "too late");
	pawl_set_status(ctx, "over");
	return 0;
}

static void messages_go_to_activities_that_are_open(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, talks);
	world_start(&w, NULL);
	assert_last(&w, "1 ExecutionStarted 'flow' version '1.0.0'\n2 ActivityScheduled 'a' input ''\n3 TimerCreated 5 ms\n4 EventSubscribed 'e'\n"
			"5 ActivityMessageSent data 'first' of line 2");
	world_fires(&w, 3);
	assert_last(&w, "6 TimerFired of line 3\n7 ActivityMessageSent of line 2\n8 ActivityMessageSent data '' of line 2");
	assert_int_equal(w.view.open->messages, 3);
	fails_held(&w, 1, "process"); /* held ones get them too: the next attempt sees them */
	world_raises(&w, "e", NULL);
	assert_last(&w, "10 EventRaised 'e'\n11 ActivityMessageSent data 'third' of line 2");
	world_completes(&w, 2, "x");
	assert_last(&w, "12 ActivityCompleted input 'x' of line 2\n13 CustomStatusSet 'over'\n14 ExecutionCompleted");
	assert_int_equal(world_verify(&w, talks, NULL), 0);
	world_release(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_cannot_be_tried_again_fails_or_is_held),
		cmocka_unit_test(a_failure_for_good_is_held_too),
		cmocka_unit_test(another_length_does_not_hold_and_is_not_recorded),
		cmocka_unit_test(one_that_is_held_can_still_end),
		cmocka_unit_test(one_that_is_held_can_be_canceled),
		cmocka_unit_test(requeue_is_written_with_the_attempt_that_was_made_last),
		cmocka_unit_test(it_gets_the_full_number_of_attempts_and_time_again),
		cmocka_unit_test(time_that_is_used_up_counts_from_the_requeue),
		cmocka_unit_test(only_one_that_is_held_is_requeued),
		cmocka_unit_test(a_code_of_the_same_name_is_no_requeue),
		cmocka_unit_test(one_that_reboots_stays_open_until_it_is_back),
		cmocka_unit_test(a_large_output_of_a_reboot_comes_from_its_file),
		cmocka_unit_test(a_reboot_that_does_not_come_is_a_failed_attempt),
		cmocka_unit_test(messages_go_to_activities_that_are_open),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
