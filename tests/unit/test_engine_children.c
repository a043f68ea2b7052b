/* test_engine_children.c - other instances: children, sends, values, topics, scheduled events; and delivered lines. */
#include "engine_world.h"

static struct message *deliver(struct world *w, enum event_type type, uint64_t ref, const char *data, const char *code)
{
	struct event e = { .type = type, .fields = FIELD_REF | (data ? FIELD_DATA : 0u) | (code ? FIELD_ERROR : 0u), .ref = ref,
			   .data = slice_of(data) };

	e.error = (struct failure){ SLICE("system"), slice_of(code), SLICE("so it is"), SLICE_NONE, false };
	return world_deliver(w, &e);
}

static struct message *deliver_event(struct world *w, const char *name, const char *data)
{
	struct event e = { .type = EVENT_EventRaised, .fields = FIELD_NAME | FIELD_DATA | FIELD_FROM, .name = slice_of(name),
			   .data = slice_of(data), .from = SLICE("@other/1/7") };

	return world_deliver(w, &e);
}

/* ---- children ---- */

static int family(pawl_ctx *ctx, const char *input)
{
	const pawl_retry retry = { .max_attempts = 3 };
	pawl_task *a = pawl_child(ctx, "work", input);
	pawl_task *b = pawl_child_with(ctx, "work", NULL, &(pawl_child_options){ .id = "mine", .version = "2.0", .retry = &retry });

	assert_string_equal(pawl_child_id(a), "order-1:2");
	assert_string_equal(pawl_child_id(b), "mine");
	const char *one = pawl_await(ctx, a), *two = pawl_await(ctx, b);
	if (!two)
		return pawl_rethrow(ctx);
	return pawl_return(ctx, pawl_printf(ctx, "%s %s", one ? one : pawl_task_failure(a)->code, two));
}

static void children_are_decisions_and_their_ends_are_answers(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, family);
	w.number = 1;
	world_start(&w, "in");
	assert_last(&w, "1 ExecutionStarted 'flow' version '1.0.0' input 'in'\n2 ChildScheduled 'work' instance 'order-1:2' input 'in'\n"
			"3 ChildScheduled 'work' version '2.0' instance 'mine' retry 3 x");
	deliver(&w, EVENT_ChildCompleted, 3, "two", NULL);
	world_turn(&w);
	assert_int_equal(w.turn_events, 0);
	deliver(&w, EVENT_ChildFailed, 2, NULL, "oops");
	world_turn(&w);
	assert_last(&w, "6 ExecutionCompleted output 'oops two'");
	assert_int_equal(world_verify(&w, family, NULL), 0);
	world_release(&w);
}

static void a_child_that_is_tried_again_stays_open(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, family);
	w.number = 1;
	world_start(&w, "in");
	struct event again = { .type = EVENT_ChildRetrying, .fields = FIELD_REF | FIELD_ATTEMPT | FIELD_ERROR | FIELD_DELAY | FIELD_INSTANCE,
			       .ref = 3, .attempt = 1, .instance = SLICE("mine:r2"), .delay_ms = 5,
			       .error = { SLICE("application"), SLICE(""), SLICE("no"), SLICE_NONE, true } };
	world_deliver(&w, &again);
	deliver(&w, EVENT_ChildCompleted, 2, "one", NULL);
	world_turn(&w);
	assert_int_equal(w.turn_events, 0);
	deliver(&w, EVENT_ChildFailed, 3, NULL, "lost");
	world_turn(&w);
	assert_int_equal(w.view.status, STATUS_FAILED);
	assert_string_equal(w.view.error_code, "lost");
	world_release(&w);
}

static int impatient(pawl_ctx *ctx, const char *input)
{
	pawl_task *child = pawl_child(ctx, "work", input), *late = pawl_timer(ctx, 1000);

	if (pawl_any(ctx, child, late) == late)
		pawl_sleep(ctx, 1000);
	return pawl_return(ctx, pawl_task_failure(child) ? pawl_task_failure(child)->kind : pawl_result(child));
}

static void a_child_that_lost_is_asked_to_cancel_and_its_end_is_nothing_new(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, impatient);
	world_start(&w, "in");
	world_fires(&w, 3);
	assert_last(&w, "4 TimerFired of line 3\n5 ChildCancelRequested of line 2\n6 TimerCreated 1000 ms");
	deliver(&w, EVENT_ChildFailed, 2, NULL, "canceled");
	world_turn(&w);
	world_fires(&w, 6);
	assert_last(&w, "8 TimerFired of line 6\n9 ExecutionCompleted output 'canceled'");
	assert_int_equal(world_verify(&w, impatient, NULL), 0);
	world_release(&w);
}

/* Several lines may come before the code runs: they are one turn for it, however it is run. */
static void delivered_lines_that_wait_are_one_turn(void **state)
{
	struct world w;
	(void)state;
	for (unsigned seed = 0; seed < 20; seed++) {
		world_init(&w, impatient);
		w.dice = seed;
		world_start(&w, "in");
		deliver_event(&w, "x", "1");
		deliver(&w, EVENT_ChildCompleted, 2, "done", NULL);
		world_fire(&w, 3);
		world_turn(&w);
		assert_int_equal(w.view.status, STATUS_COMPLETED);
		assert_string_equal(w.view.output, "done");
		assert_non_null(strstr(world_last(&w), "6 TimerCanceled of line 3\n7 ExecutionCompleted"));
		assert_int_equal(world_verify(&w, impatient, NULL), 0);
		world_release(&w);
	}
}

/* ---- ids ---- */

static int other_numbers(pawl_ctx *ctx, const char *input)
{
	char longest[130];

	memset(longest, 'x', sizeof longest);
	longest[128] = '\0';
	pawl_patch_deprecated(ctx, "p");
	assert_non_null(pawl_task_failure(pawl_child_with(ctx, "work", input, &(pawl_child_options){ .id = longest })));
	assert_non_null(pawl_task_failure(pawl_child(ctx, "no type!", input)));
	pawl_task *child = pawl_child(ctx, "work", input);
	return pawl_return(ctx, pawl_child_id(child));
}

static int without_patch(pawl_ctx *ctx, const char *input)
{
	pawl_task *child = pawl_child(ctx, "work", input);
	return pawl_return(ctx, pawl_child_id(child));
}

static void ids_are_made_from_execution_and_line_also_behind_markers(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, other_numbers);
	w.number = 3;
	world_start(&w, "in");
	assert_string_equal(w.view.output, "order-1:3-3");
	assert_int_equal(world_verify(&w, other_numbers, NULL), 0);
	assert_int_equal(world_verify(&w, without_patch, NULL), 0);
	world_release(&w);
}

/* ---- one-way ---- */

static int sender(pawl_ctx *ctx, const char *input)
{
	pawl_task *start = pawl_start_detached(ctx, "work", input, &(pawl_start_options){ .id = "free", .delay_ms = 500 });
	pawl_task *send = pawl_send(ctx, "other", "go", "1"), *later = pawl_send_later(ctx, "other", "go", NULL, 2000);
	pawl_task *value = pawl_read_value(ctx, "other", "level"), *none = pawl_read_value(ctx, "other", "none");

	if (pawl_all(ctx, start, send, later, value, none) != 2)
		return pawl_fail(ctx, "one of them should fail, and none has no value");
	assert_null(pawl_task_failure(none));
	return pawl_return(ctx, pawl_printf(ctx, "%s %s %s", pawl_result(start), pawl_task_failure(later)->code, pawl_result(value)));
}

static void sends_starts_and_values_are_answered(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, sender);
	world_start(&w, "in");
	assert_last(&w, "1 ExecutionStarted 'flow' version '1.0.0' input 'in'\n2 InstanceStarted 'work' instance 'free' input 'in' 500 ms\n"
			"3 EventSent 'go' instance 'other' data '1'\n4 EventSent 'go' instance 'other' 2000 ms\n"
			"5 ValueRequested instance 'other' key 'level'\n6 ValueRequested instance 'other' key 'none'");
	deliver(&w, EVENT_SendCompleted, 2, NULL, NULL);
	deliver(&w, EVENT_SendCompleted, 3, NULL, NULL);
	deliver(&w, EVENT_SendFailed, 4, NULL, "ended");
	deliver(&w, EVENT_ValueReceived, 5, "7", NULL);
	deliver(&w, EVENT_ValueReceived, 6, NULL, NULL);
	world_turn(&w);
	assert_string_equal(w.view.output, "free ended 7");
	assert_int_equal(world_verify(&w, sender, NULL), 0);
	world_release(&w);
}

static int listener(pawl_ctx *ctx, const char *input)
{
	(void)input;
	assert_null(pawl_take_event(ctx, "x"));
	pawl_sleep(ctx, 1000);
	const char *first = pawl_take_event(ctx, "x");
	pawl_task *second = pawl_event(ctx, "x");
	const char *data = pawl_await(ctx, second);
	return pawl_return(ctx, pawl_printf(ctx, "%s %s %s", first, data, pawl_event_from(second)));
}

static void events_from_others_are_events(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, listener);
	world_start(&w, NULL);
	deliver_event(&w, "x", "1");
	deliver_event(&w, "x", "2");
	world_turn(&w);
	world_fires(&w, 2);
	assert_string_equal(w.view.output, "1 2 @other/1/7");
	assert_int_equal(world_verify(&w, listener, NULL), 0);
	world_release(&w);
}

/* ---- topics and events for later ---- */

static int subscriber(pawl_ctx *ctx, const char *input)
{
	assert_int_equal(pawl_subscribe(ctx, "a/#/b", "x"), PAWL_EINVALID);
	assert_int_equal(pawl_publish(ctx, "a/+", "x"), PAWL_EINVALID);
	assert_int_equal(pawl_subscribe(ctx, "site/+/door", "door"), 0);
	assert_int_equal(pawl_subscribe(ctx, "site/+/door", "door"), 0);
	assert_int_equal(pawl_subscribe(ctx, "all/#", "all"), 0);
	pawl_unsubscribe(ctx, "nothing");
	if (strcmp(input, "last") == 0) {
		assert_int_equal(pawl_publish(ctx, "site/7/door", "open"), 0);
		return pawl_return(ctx, pawl_wait_event(ctx, "later", -1));
	}
	pawl_unsubscribe(ctx, "all/#");
	pawl_sleep(ctx, 1000);
	return pawl_continue_as_new(ctx, "last");
}

static void subscriptions_and_events_for_later_go_over(void **state)
{
	struct event later = { .type = EVENT_EventScheduled, .fields = FIELD_NAME | FIELD_DATA | FIELD_ID | FIELD_DELAY | FIELD_DUE,
			       .name = SLICE("later"), .data = SLICE("big"), .id = SLICE("m1"), .delay_ms = 100,
			       .due = { SLICE("aaaaaaaa"), 5, WORLD_TIME } };
	struct event fires = { .type = EVENT_EventRaised, .fields = FIELD_NAME | FIELD_DATA | FIELD_REF, .name = SLICE("later"),
			       .data = SLICE("big") };
	struct world w;
	(void)state;
	world_init(&w, subscriber);
	world_start(&w, "first");
	assert_last(&w, "1 ExecutionStarted 'flow' version '1.0.0' input 'first'\n2 TopicSubscribed 'site/+/door' key 'door'\n"
			"3 TopicSubscribed 'all/#' key 'all'\n4 TopicUnsubscribed 'all/#'\n5 TimerCreated 1000 ms");
	assert_string_equal(w.view.topics->filter, "site/+/door");
	assert_null(w.view.topics->next);
	world_message(&w, &later);
	world_message(&w, &later);
	world_turn(&w);
	assert_int_equal(w.messages[1].result, MESSAGE_DUPLICATE);
	world_fires(&w, 5);
	assert_next(&w, "1 ExecutionStarted 'flow' version '1.0.0' input 'last' execution 4\n2 TopicCarried 'site/+/door' key 'door'\n"
			"3 EventScheduled 'later' input 'big' 100 ms id 'm1'");
	world_next(&w);
	world_turn(&w);
	assert_last(&w, "4 TopicSubscribed 'all/#' key 'all'\n5 TopicPublished 'site/7/door' data 'open'\n6 EventSubscribed 'later'");
	fires.ref = 3;
	world_message(&w, &fires);
	world_turn(&w);
	assert_string_equal(w.view.output, "big");
	assert_int_equal(world_verify(&w, subscriber, NULL), 0);
	world_release(&w);
}

static int never_asks(pawl_ctx *ctx, const char *input)
{
	if (strcmp(input, "last") == 0)
		return pawl_return(ctx, pawl_take_event(ctx, "later"));
	pawl_sleep(ctx, 1000);
	return pawl_continue_as_new(ctx, "last");
}

static void an_event_for_later_that_has_come_goes_over_without_its_line(void **state)
{
	struct event later = { .type = EVENT_EventScheduled, .fields = FIELD_NAME | FIELD_DATA | FIELD_ID | FIELD_DELAY | FIELD_DUE,
			       .name = SLICE("later"), .data = SLICE("big"), .id = SLICE("m1"), .delay_ms = 100,
			       .due = { SLICE("aaaaaaaa"), 5, WORLD_TIME } };
	struct event fires = { .type = EVENT_EventRaised, .fields = FIELD_NAME | FIELD_DATA | FIELD_REF, .name = SLICE("later"),
			       .data = SLICE("big"), .ref = 3 };
	struct world w;
	(void)state;
	world_init(&w, never_asks);
	world_start(&w, "first");
	world_message(&w, &later);
	world_turn(&w);
	world_message(&w, &fires);
	world_turn(&w);
	world_fires(&w, 2);
	assert_next(&w, "1 ExecutionStarted 'flow' version '1.0.0' input 'last' execution 4\n2 EventRaised 'later' input 'big'");
	world_next(&w);
	world_turn(&w);
	assert_string_equal(w.view.output, "big");
	world_release(&w);
}

static int verify_terminated(struct slice from)
{
	struct event start = { .type = EVENT_ExecutionStarted, .fields = FIELD_NAME | FIELD_VERSION | FIELD_SEED | (from.len ? FIELD_FROM : 0u), .seq = 1,
			       .name = SLICE("flow"), .version = SLICE("1.0.0"), .seed = { 7, 11 }, .from = from, .has_time = true, .time_ns = WORLD_TIME };
	struct event end = { .type = EVENT_ExecutionTerminated, .seq = 2, .has_time = true, .time_ns = WORLD_TIME + 1000000 };
	struct world w;

	world_init(&w, family);
	assert_int_equal(event_encode(&w.text, &start), 0);
	assert_int_equal(event_encode(&w.text, &end), 0);
	int rc = world_verify(&w, family, NULL);
	world_release(&w);
	return rc;
}

static void one_that_was_terminated_before_its_code_ran_agrees_with_it(void **state)
{
	(void)state;
	assert_int_equal(verify_terminated(SLICE("@other/1/7")), 0);
	assert_int_equal(verify_terminated(SLICE_NONE), PAWL_ENONDETERMINISM); /* there its first decisions were made */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(children_are_decisions_and_their_ends_are_answers),
		cmocka_unit_test(a_child_that_is_tried_again_stays_open),
		cmocka_unit_test(a_child_that_lost_is_asked_to_cancel_and_its_end_is_nothing_new),
		cmocka_unit_test(delivered_lines_that_wait_are_one_turn),
		cmocka_unit_test(ids_are_made_from_execution_and_line_also_behind_markers),
		cmocka_unit_test(sends_starts_and_values_are_answered),
		cmocka_unit_test(events_from_others_are_events),
		cmocka_unit_test(subscriptions_and_events_for_later_go_over),
		cmocka_unit_test(an_event_for_later_that_has_come_goes_over_without_its_line),
		cmocka_unit_test(one_that_was_terminated_before_its_code_ran_agrees_with_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
