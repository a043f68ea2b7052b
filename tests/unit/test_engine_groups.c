/* test_engine_groups.c - any of all, all of any: tasks made of tasks. */
#include "engine_world.h"

static int either_pair(pawl_ctx *ctx, const char *input)
{
	pawl_task *a = pawl_activity(ctx, "a", NULL), *b = pawl_activity(ctx, "b", NULL), *c = pawl_event(ctx, "c"), *d = pawl_event(ctx, "d");
	pawl_task *ab = pawl_when_all(ctx, a, b), *cd = pawl_when_all(ctx, c, d), *late = pawl_timer(ctx, 1000);
	pawl_task *first = strcmp(input, "nested") == 0 ? pawl_when_any(ctx, pawl_when_any(ctx, ab, cd), late) : NULL;
	pawl_task *winner;

	if (first) {
		(void)pawl_await(ctx, first);
		winner = pawl_winner(first) == late ? late : pawl_winner(pawl_winner(first));
	} else {
		winner = pawl_any(ctx, ab, cd, late);
	}
	if (winner == late)
		return pawl_return(ctx, pawl_printf(ctx, "late, %s", pawl_is_done(ab) && pawl_is_done(cd) ? "all done" : "some open"));
	if (winner == ab)
		return pawl_result(winner) ? pawl_return(ctx, pawl_printf(ctx, "%s%s", pawl_result(a), pawl_result(b))) : pawl_rethrow(ctx);
	return pawl_return(ctx, pawl_printf(ctx, "%s%s", pawl_result(c), pawl_result(d)));
}

static void begin(struct world *w, const char *input, unsigned seed)
{
	world_init(w, either_pair);
	w->dice = seed;
	world_start(w, input);
	world_raises(w, "c", "3");
}

static void the_first_group_wins_and_the_members_of_the_others_are_canceled(void **state)
{
	static const char *const inputs[] = { "flat", "nested" };
	struct world w;
	(void)state;
	for (unsigned n = 0; n < 8; n++) {
		begin(&w, inputs[n % 2], n);
		world_completes(&w, 3, "2");
		assert_int_equal(w.turn_events, 1);
		world_completes(&w, 2, "1");
		assert_string_equal(w.view.output, "12");
		/* the event that a losing wait had got is put back */
		assert_non_null(strstr(world_last(&w), "EventUnsubscribed of line 4"));
		assert_non_null(strstr(world_last(&w), "EventUnsubscribed of line 5"));
		assert_non_null(strstr(world_last(&w), "TimerCanceled of line 6"));
		assert_null(strstr(world_last(&w), "ActivityCancelRequested"));
		assert_int_equal(world_verify(&w, either_pair, NULL), 0);
		world_release(&w);

		begin(&w, inputs[n % 2], n);
		world_raises(&w, "d", "4");
		assert_string_equal(w.view.output, "34");
		assert_non_null(strstr(world_last(&w), "ActivityCancelRequested of line 2"));
		assert_non_null(strstr(world_last(&w), "ActivityCancelRequested of line 3"));
		assert_int_equal(world_verify(&w, either_pair, NULL), 0);
		world_release(&w);

		begin(&w, inputs[n % 2], n);
		world_fires(&w, 6);
		assert_string_equal(w.view.output, "late, all done");
		assert_int_equal(world_verify(&w, either_pair, NULL), 0);
		world_release(&w);
	}
}

static void a_group_fails_as_its_first_member_in_order_when_all_are_done(void **state)
{
	struct world w;
	(void)state;
	begin(&w, "flat", 1);
	world_fail(&w, 3, 1, "E3", false);
	world_turn(&w);
	assert_int_equal(w.turn_events, 1);
	world_fail(&w, 2, 1, "E2", false);
	world_turn(&w);
	assert_string_equal(w.view.error_code, "E2");
	world_release(&w);
}

static int odd_groups(pawl_ctx *ctx, const char *input)
{
	pawl_task *deep = pawl_timer(ctx, 1), *none = NULL;
	pawl_task *a = pawl_activity(ctx, "a", input);

	assert_non_null(pawl_task_failure(pawl_when_any_of(ctx, &none, 1)));
	assert_non_null(pawl_task_failure(pawl_when_any_of(ctx, &none, 0)));
	assert_non_null(pawl_await(ctx, pawl_when_all_of(ctx, &none, 0)));
	assert_null(pawl_winner(a));
	for (int n = 0; n < 16; n++)
		deep = pawl_when_all(ctx, deep, a);
	assert_false(pawl_is_done(deep));
	assert_non_null(pawl_task_failure(pawl_when_all(ctx, deep)));
	pawl_cancel(ctx, deep);
	assert_string_equal(pawl_task_failure(deep)->kind, "canceled");
	assert_true(pawl_is_done(pawl_when_any(ctx, a, deep)));
	return pawl_return(ctx, "ok");
}

static void groups_of_nothing_and_of_too_much_are_told(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, odd_groups);
	world_start(&w, "x");
	assert_string_equal(w.view.output, "ok");
	world_release(&w);
}

static void a_cancel_cuts_the_members(void **state)
{
	struct world w;
	(void)state;
	begin(&w, "nested", 2);
	world_plain(&w, EVENT_CancelRequested);
	world_turn(&w);
	assert_true(w.ended);
	assert_int_equal(world_verify(&w, either_pair, NULL), 0);
	world_release(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_group_wins_and_the_members_of_the_others_are_canceled),
		cmocka_unit_test(a_group_fails_as_its_first_member_in_order_when_all_are_done),
		cmocka_unit_test(groups_of_nothing_and_of_too_much_are_told),
		cmocka_unit_test(a_cancel_cuts_the_members),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
