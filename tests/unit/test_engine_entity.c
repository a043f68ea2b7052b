/* test_engine_entity.c - entities: what they do with their operations, and what orchestrations ask of them. */
#include "engine_world.h"

/* ---- the entity ---- */

static int counter(pawl_ctx *ctx, const char *input)
{
	const char *op = pawl_operation(ctx);

	if (strcmp(op, "fail") == 0) {
		pawl_set_state(ctx, "broken");
		return pawl_fail(ctx, "no");
	}
	if (strcmp(op, "slow") == 0 && !pawl_call(ctx, "measure", input))
		return pawl_rethrow(ctx);
	if (strcmp(op, "again") == 0)
		return pawl_continue_as_new(ctx, "x");
	if (strcmp(op, "get") != 0)
		pawl_set_state(ctx, pawl_printf(ctx, "%d", atoi(pawl_state(ctx)) + atoi(input)));
	return pawl_return(ctx, pawl_state(ctx));
}

static void begin(struct world *w)
{
	world_init(w, counter);
	w->id = "entity:counter:door";
	world_start(w, NULL);
}

static void operation(struct world *w, const char *from, const char *data)
{
	struct event e = { .type = EVENT_EventRaised, .fields = FIELD_NAME | FIELD_DATA | FIELD_FROM, .name = SLICE(ENTITY_EVENT),
			   .data = slice_of(data), .from = slice_of(from) };

	world_deliver(w, &e);
}

static void operations_run_one_after_the_other_and_calls_are_answered(void **state)
{
	struct world w;
	(void)state;
	begin(&w);
	assert_int_equal(w.turn_events, 1);
	operation(&w, "@a/1/7", "signal add\n5");
	operation(&w, "@a/2/8", "call add\n2");
	world_turn(&w);
	assert_last(&w, "4 EventSubscribed 'pawl:op'\n5 KeyValueSet key 'state' value '5'\n6 EventSubscribed 'pawl:op'\n"
			"7 KeyValueSet key 'state' value '7'\n8 EntityAnswered instance 'a' output '7' execution 2 of line 8");
	assert_int_equal(w.view.event_count, 0);
	assert_int_equal(world_verify(&w, counter, NULL), 0);
	operation(&w, "@a/2/9", "call get");
	world_turn(&w);
	assert_last(&w, "10 EventSubscribed 'pawl:op'\n11 EntityAnswered instance 'a' output '7' execution 2 of line 9");
	assert_int_equal(world_verify(&w, counter, NULL), 0);
	world_release(&w);
}

static void what_comes_while_one_runs_waits(void **state)
{
	struct world w;
	(void)state;
	begin(&w);
	operation(&w, "@a/1/7", "call slow\n5");
	world_turn(&w);
	assert_last(&w, "3 EventSubscribed 'pawl:op'\n4 ActivityScheduled 'measure' input '5'");
	operation(&w, "@b/1/2", "call add\n1");
	world_turn(&w);
	assert_int_equal(w.turn_events, 0);
	world_completes(&w, 4, "ok");
	assert_last(&w, "6 ActivityCompleted input 'ok' of line 4\n7 KeyValueSet key 'state' value '5'\n"
			"8 EntityAnswered instance 'a' output '5' execution 1 of line 7\n9 EventSubscribed 'pawl:op'\n"
			"10 KeyValueSet key 'state' value '6'\n11 EntityAnswered instance 'b' output '6' execution 1 of line 2");
	assert_int_equal(world_verify(&w, counter, NULL), 0);
	world_release(&w);
}

static void one_that_fails_changes_nothing(void **state)
{
	struct world w;
	(void)state;
	begin(&w);
	operation(&w, "@a/1/7", "signal add\n5");
	operation(&w, "@a/1/8", "call fail");
	operation(&w, "@a/1/9", "call again");
	world_turn(&w);
	assert_last(&w, "5 EventSubscribed 'pawl:op'\n6 KeyValueSet key 'state' value '5'\n7 EventSubscribed 'pawl:op'\n"
			"8 EntityAnswered instance 'a' execution 1 of line 8 'no' kind 'application'\n9 EventSubscribed 'pawl:op'\n"
			"10 EntityAnswered instance 'a' execution 1 of line 9 'an entity cannot continue as new' kind 'application'");
	assert_int_equal(world_verify(&w, counter, NULL), 0);
	world_raise(&w, ENTITY_EVENT, "signal fail");
	world_raise(&w, ENTITY_EVENT, "whatever this is");
	world_turn(&w);
	assert_last(&w, "11 EventRaised 'pawl:op' input 'signal fail'\n12 EventRaised 'pawl:op' input 'whatever this is'\n"
			"13 EventSubscribed 'pawl:op'\n14 EventSubscribed 'pawl:op'");
	assert_int_equal(world_verify(&w, counter, NULL), 0);
	world_release(&w);
}

static void after_many_lines_it_continues_as_new_with_state_and_queue(void **state)
{
	struct world w;
	(void)state;
	begin(&w);
	for (int i = 0; i < 400; i++)
		operation(&w, "@a/1/7", "signal add\n1");
	world_turn(&w);
	assert_true(w.ended);
	world_next(&w);
	assert_true(w.view.event_count > 0);
	for (int i = 0; i < 20 && w.view.event_count; i++) {
		world_turn(&w);
		if (w.ended)
			world_next(&w);
	}
	const struct view_value *value = view_value(&w.view, SLICE("state"));
	assert_string_equal(value->text + value->key_len + 1, "400");
	world_release(&w);
}

static void while_it_is_locked_only_the_holder_is_served(void **state)
{
	struct world w;
	(void)state;
	begin(&w);
	operation(&w, "@a/1/7", "lock\nentity:counter:door\nentity:counter:gate");
	operation(&w, "@b/1/2", "call add\n1");
	operation(&w, "@a/1/9", "call add\n5");
	world_turn(&w);
	assert_last(&w, "5 EventSubscribed 'pawl:op'\n6 KeyValueSet key 'lock' value 'a/1'\n"
			"7 EntityLockPassed instance 'entity:counter:gate' key 'a' input 'lock?entity:counter:gate' execution 1 of line 7\n"
			"8 EventSubscribed 'pawl:op'\n9 KeyValueSet key 'state' value '5'\n"
			"10 EntityAnswered instance 'a' output '5' execution 1 of line 9");
	operation(&w, "@a/1/7", "unlock\nentity:counter:door\nentity:counter:gate");
	world_turn(&w);
	assert_non_null(strstr(world_last(&w), "KeyValueCleared key 'lock'"));
	assert_non_null(strstr(world_last(&w), "EntityAnswered instance 'b' output '6' execution 1 of line 2"));
	assert_int_equal(world_verify(&w, counter, NULL), 0);
	world_release(&w);
}

static void the_last_one_grants_the_lock(void **state)
{
	struct world w;
	(void)state;
	begin(&w);
	operation(&w, "@a/3/7", "lock\nentity:counter:door");
	world_turn(&w);
	assert_last(&w, "3 EventSubscribed 'pawl:op'\n4 KeyValueSet key 'lock' value 'a/3'\n5 EntityLockPassed instance 'a' execution 3 of line 7");
	operation(&w, "@a/3/7", "unlock\nentity:counter:door");
	world_turn(&w);
	assert_last(&w, "7 EventSubscribed 'pawl:op'\n8 KeyValueCleared key 'lock'");
	world_release(&w);
}

static void canceled_it_answers_all_that_wait(void **state)
{
	struct world w;
	(void)state;
	begin(&w);
	operation(&w, "@a/1/7", "call slow\n5");
	world_turn(&w);
	operation(&w, "@b/1/2", "call get");
	world_plain(&w, EVENT_CancelRequested);
	world_turn(&w);
	assert_true(w.ended);
	assert_int_equal(w.view.status, STATUS_CANCELED);
	assert_non_null(strstr(world_last(&w), "EntityAnswered instance 'a' execution 1 of line 7"));
	assert_non_null(strstr(world_last(&w), "EntityAnswered instance 'b' execution 1 of line 2 'the entity was canceled'"));
	assert_int_equal(world_verify(&w, counter, NULL), 0);
	world_release(&w);
}

/* ---- those who ask ---- */

static int transfer(pawl_ctx *ctx, const char *input)
{
	assert_int_equal(pawl_lock(ctx, (const char *const[]){ "no", "good key", NULL }), PAWL_EINVALID);
	if (pawl_lock(ctx, (const char *const[]){ "account", "b", "account", "a", "account", "b", NULL }) < 0)
		return pawl_rethrow(ctx);
	assert_int_equal(pawl_lock(ctx, (const char *const[]){ "account", "c", NULL }), PAWL_ESTATE);
	assert_null(pawl_call_entity(ctx, "account", "c", "get", NULL));
	assert_non_null(pawl_call_entity(ctx, "account", "a", "take", input));
	pawl_signal(ctx, "audit", "all", "note", input);
	const char *left = pawl_call_entity(ctx, "account", "b", "add", input);
	if (strcmp(input, "keep") != 0)
		pawl_unlock(ctx);
	return pawl_return(ctx, left);
}

static void answer(struct world *w, enum event_type type, uint64_t ref, const char *data)
{
	world_deliver(w, &(struct event){ .type = type, .fields = FIELD_REF | (data ? FIELD_DATA : 0u), .ref = ref, .data = slice_of(data) });
	world_turn(w);
}

static void a_lock_is_asked_for_in_the_order_of_ids(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, transfer);
	world_start(&w, "10");
	assert_last(&w, "1 ExecutionStarted 'flow' version '1.0.0' input '10'\n"
			"2 EntityLockRequested input 'entity:account:a?entity:account:b'");
	answer(&w, EVENT_EntityLockGranted, 2, NULL);
	assert_true(view_find(&w.view, 2)->granted);
	assert_last(&w, "4 EntityCalled 'take' instance 'entity:account:a' input '10'");
	answer(&w, EVENT_EntityReplied, 4, "ok");
	assert_last(&w, "6 EntitySignaled 'note' instance 'entity:audit:all' input '10'\n"
			"7 EntityCalled 'add' instance 'entity:account:b' input '10'");
	answer(&w, EVENT_EntityReplied, 7, "90");
	assert_last(&w, "9 EntityUnlocked of line 2\n10 ExecutionCompleted output '90'");
	assert_int_equal(world_verify(&w, transfer, NULL), 0);
	world_release(&w);
}

static void a_request_for_a_lock_can_be_canceled(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, transfer);
	world_start(&w, "10");
	world_plain(&w, EVENT_CancelRequested);
	world_turn(&w);
	assert_last(&w, "3 CancelRequested\n4 EntityUnlocked of line 2\n5 ExecutionCanceled");
	assert_int_equal(world_verify(&w, transfer, NULL), 0);
	world_release(&w);
}

static void a_lock_that_cannot_be_had_is_given_back(void **state)
{
	struct event no = { .type = EVENT_EntityReplied, .fields = FIELD_REF | FIELD_ERROR, .ref = 2,
			    .error = { SLICE("system"), SLICE("ended"), SLICE("it has ended"), SLICE_NONE, false } };
	struct world w;
	(void)state;
	world_init(&w, transfer);
	world_start(&w, "10");
	world_deliver(&w, &no);
	world_turn(&w);
	assert_last(&w, "4 EntityUnlocked of line 2\n5 ExecutionFailed 'it has ended' kind 'system' code 'ended'");
	assert_int_equal(world_verify(&w, transfer, NULL), 0);
	world_release(&w);
}

static void at_the_end_a_lock_stays_open_for_the_runtime(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, transfer);
	world_start(&w, "keep");
	answer(&w, EVENT_EntityLockGranted, 2, NULL);
	answer(&w, EVENT_EntityReplied, 4, "ok");
	answer(&w, EVENT_EntityReplied, 7, "1");
	assert_int_equal(w.view.status, STATUS_COMPLETED);
	assert_non_null(view_find(&w.view, 2));
	world_release(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(operations_run_one_after_the_other_and_calls_are_answered),
		cmocka_unit_test(what_comes_while_one_runs_waits),
		cmocka_unit_test(one_that_fails_changes_nothing),
		cmocka_unit_test(after_many_lines_it_continues_as_new_with_state_and_queue),
		cmocka_unit_test(while_it_is_locked_only_the_holder_is_served),
		cmocka_unit_test(the_last_one_grants_the_lock),
		cmocka_unit_test(canceled_it_answers_all_that_wait),
		cmocka_unit_test(a_lock_is_asked_for_in_the_order_of_ids),
		cmocka_unit_test(a_request_for_a_lock_can_be_canceled),
		cmocka_unit_test(a_lock_that_cannot_be_had_is_given_back),
		cmocka_unit_test(at_the_end_a_lock_stays_open_for_the_runtime),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
