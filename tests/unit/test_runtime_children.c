/* test_runtime_children.c - parents and children in a whole runtime: with stacks that stay and without, and with restarts and
 * deaths in between. */
#include "unit/runtime_world.h"
#include <stdatomic.h>

static atomic_uint begun;

/* ---- what runs ---- */

/* Its input says what it does: "ok TEXT", "fail", "wait", "late" (waits for its event, and completes when it is canceled). */
static int kid(pawl_ctx *ctx, const char *input)
{
	atomic_fetch_add(&begun, 1);
	if (strncmp(input, "ok ", 3) == 0)
		return pawl_return(ctx, input + 3);
	if (strcmp(input, "fail") == 0)
		return pawl_fail(ctx, "broken");
	const char *text = pawl_wait_event(ctx, "go", -1);
	if (!text && strcmp(input, "late") == 0)
		return pawl_return(ctx, "cleaned up");
	return text ? pawl_return(ctx, text) : pawl_rethrow(ctx);
}
PAWL_ORCHESTRATION(kid, "1.0");

/* The result of its child, or how it failed. */
static int mother(pawl_ctx *ctx, const char *input)
{
	const char *result = pawl_call_child(ctx, "kid", input);
	const pawl_failure *f = pawl_failed(ctx);

	return pawl_return(ctx, result ? result : pawl_printf(ctx, "%s/%s: %s", f->kind, f->code, f->message));
}
PAWL_ORCHESTRATION(mother, "1.0");

/* A child with the id of its input. */
static int stepmother(pawl_ctx *ctx, const char *input)
{
	pawl_task *child = pawl_child_with(ctx, "kid", "wait", &(pawl_child_options){ .id = input });
	const char *result = pawl_await(ctx, child);
	const pawl_failure *f = pawl_failed(ctx);

	return pawl_return(ctx, result ? result : pawl_printf(ctx, "%s/%s", f->kind, f->code));
}
PAWL_ORCHESTRATION(stepmother, "1.0");

static int patient(pawl_ctx *ctx, const char *input)
{
	const pawl_retry retry = { .max_attempts = 3, .first_ms = (int64_t)atol(input), .coefficient = 1 };
	pawl_task *child = pawl_child_with(ctx, "third", NULL, &(pawl_child_options){ .id = "kid", .retry = &retry });
	const char *result = pawl_await(ctx, child);

	return result ? pawl_return(ctx, result) : pawl_rethrow(ctx);
}
PAWL_ORCHESTRATION(patient, "1.0");

/* Fails twice. */
static int third(pawl_ctx *ctx, const char *input)
{
	const char *id = pawl_instance_id(ctx);

	(void)input;
	return strstr(id, ":r3") ? pawl_return(ctx, id) : pawl_fail(ctx, "not yet");
}
PAWL_ORCHESTRATION(third, "1.0");

static int thousand(pawl_ctx *ctx, const char *input)
{
	int count = atoi(input), sum = 0;
	pawl_task **tasks = pawl_alloc(ctx, (size_t)count * sizeof(pawl_task *));

	for (int n = 0; n < count; n++)
		tasks[n] = pawl_child(ctx, "kid", pawl_printf(ctx, "ok %d", n));
	(void)pawl_all_of(ctx, tasks, (size_t)count);
	for (int n = 0; n < count; n++)
		sum += atoi(pawl_result(tasks[n]));
	return pawl_return(ctx, pawl_printf(ctx, "%d", sum));
}
PAWL_ORCHESTRATION(thousand, "1.0");

/* N levels below it. */
static int tower(pawl_ctx *ctx, const char *input)
{
	int levels = atoi(input);

	if (levels == 0)
		return pawl_wait_event(ctx, "go", -1) ? pawl_return(ctx, "ground") : pawl_rethrow(ctx);
	const char *result = pawl_call_child(ctx, "tower", pawl_printf(ctx, "%d", levels - 1));
	return result ? pawl_return(ctx, pawl_printf(ctx, "%d %s", levels, result)) : pawl_rethrow(ctx);
}
PAWL_ORCHESTRATION(tower, "1.0");

/* Two of its kind below it, until there is nothing to divide. */
static int heap(pawl_ctx *ctx, const char *input)
{
	int levels = atoi(input);

	if (levels == 0)
		return pawl_return(ctx, "0");
	const char *below = pawl_printf(ctx, "%d", levels - 1);
	pawl_task *a = pawl_child(ctx, "heap", below), *b = pawl_child(ctx, "heap", below);
	if (pawl_all(ctx, a, b) > 0)
		return pawl_rethrow(ctx);
	return pawl_return(ctx, pawl_printf(ctx, "%d (%s) (%s)", levels, pawl_result(a), pawl_result(b)));
}
PAWL_ORCHESTRATION(heap, "1.0");

/* Ends, or goes on as new, while its child runs. */
static int careless(pawl_ctx *ctx, const char *input)
{
	if (strcmp(input, "second") == 0)
		return pawl_wait_event(ctx, "go", -1) ? pawl_return(ctx, "second") : pawl_rethrow(ctx);
	(void)pawl_child_with(ctx, "kid", "wait", &(pawl_child_options){ .id = "left" });
	(void)pawl_wait_event(ctx, "go", -1);
	return strcmp(input, "new") == 0 ? pawl_continue_as_new(ctx, "second") : pawl_return(ctx, "gone");
}
PAWL_ORCHESTRATION(careless, "1.0");

static int hasty(pawl_ctx *ctx, const char *input)
{
	pawl_task *child = pawl_child_with(ctx, "kid", input, &(pawl_child_options){ .id = "slow" });

	if (pawl_any(ctx, child, pawl_event(ctx, "stop")) == child)
		return pawl_return(ctx, pawl_result(child));
	const char *result = pawl_await(ctx, child);
	return pawl_return(ctx, result ? result : pawl_failed(ctx)->kind);
}
PAWL_ORCHESTRATION(hasty, "1.0");

static int modern(pawl_ctx *ctx, const char *input)
{
	(void)input;
	const char *result = pawl_call_child(ctx, "unheard_of", NULL);

	return result ? pawl_return(ctx, result) : pawl_rethrow(ctx);
}
PAWL_ORCHESTRATION(modern, "1.0");

/* ---- worlds ---- */

static int setup(void **state)
{
	atomic_store(&begun, 0);
	return rw_setup(state);
}

static int setup_replay(void **state)
{
	int rc = setup(state);

	((struct runtime_world *)*state)->options.replay_only = true;
	return rc;
}

static int setup_disk(void **state)
{
	(void)setup(state);
	(void)rw_teardown(state);
	return rw_setup_disk(state);
}

static void expect_part(struct runtime_world *w, const char *id, uint64_t execution, const char *part)
{
	char *text = rw_history(w, id, execution);

	if (!strstr(text, part))
		fail_msg("execution %d of '%s' has no '%s': %s", (int)execution, id, part, text);
	free(text);
}

/* ---- how a child ends ---- */

static void a_child_is_called_and_its_result_comes_back(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "mother", "m", "ok fine");
	rw_expect(w, "m", "fine");
	rw_expect(w, "m:2", "fine");
	expect_part(w, "m:2", 1, "\"parent\":\"m\",\"parent_execution\":1,\"parent_ref\":2");
	expect_part(w, "m:2", 1, "\"from\":\"@m/1/2\"");
	rw_end(w);
	rw_open(w); /* both are in the archive: nothing is left to do */
	rw_close(w);
}

static void its_failure_comes_back_as_it_is(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "mother", "m", "fail");
	rw_expect(w, "m", "application/: broken");
	rw_end(w);
}

static void a_child_that_is_canceled_or_terminated_fails_with_kind_canceled(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "mother", "m1", "wait");
	rw_start(w, "mother", "m2", "wait");
	rw_await_count(w, "m1:2", EVENT_EventSubscribed, 1);
	rw_await_count(w, "m2:2", EVENT_EventSubscribed, 1);
	assert_int_equal(rw_send(w, PAWL_MESSAGE_CANCEL, "m1:2", NULL, NULL), 0);
	assert_int_equal(rw_send(w, PAWL_MESSAGE_TERMINATE, "m2:2", NULL, NULL), 0);
	rw_expect(w, "m1", "canceled/: a test");
	rw_expect(w, "m2", "canceled/terminated: a test");
	rw_end(w);
}

static void an_id_that_is_taken_by_a_live_one_or_one_that_has_ended_is_a_failure(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "kid", "live", "wait");
	rw_start(w, "kid", "dead", "ok x");
	rw_expect(w, "dead", "x");
	rw_start(w, "stepmother", "a", "live");
	rw_start(w, "stepmother", "b", "dead");
	rw_expect(w, "a", "system/exists");
	rw_expect(w, "b", "system/exists");
	rw_raise(w, "live", "go", "still mine");
	rw_expect(w, "live", "still mine");
	rw_end(w);
}

static void a_child_is_tried_again_as_another_instance(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "patient", "p", "1");
	rw_expect(w, "p", "kid:r3");
	assert_int_equal(rw_count(w, "p", EVENT_ChildRetrying), 2);
	rw_end(w);
}

static void the_next_attempt_waits_for_its_time_also_over_a_restart(void **state)
{
	struct runtime_world *w = *state;

	w->options.os = rw_os();
	rw_begin(w);
	rw_start(w, "patient", "p", "60000");
	rw_await_count(w, "p", EVENT_ChildRetrying, 1);
	rw_restart(w);
	rw_settle(w);
	char *early = rw_history(w, "kid:r2", 1);
	assert_string_equal(early, "");
	free(early);
	rw_pass(w, 61000);
	rw_await_count(w, "p", EVENT_ChildRetrying, 2);
	rw_pass(w, 61000);
	rw_expect(w, "p", "kid:r3");
	rw_end(w);
}

static void a_thousand_children(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "thousand", "t", "1000");
	rw_expect(w, "t", "499500");
	assert_int_equal(rw_count(w, "t", EVENT_ChildCompleted), 1000);
	rw_end(w);
}

static void a_type_that_nobody_registered_parks_the_parent_before_anything_is_committed(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "mother", "first", "ok x");
	rw_expect(w, "first", "x");
	struct pawl_error err;
	assert_int_equal(pawl_start(w->rt, "modern", "m", NULL, false, NULL, &err), 0);
	rw_await_log("type 'unheard_of', of instance 'm:2'");
	assert_int_equal(rw_count(w, "m", EVENT_ExecutionStarted), 0);
	rw_start(w, "mother", "second", "ok y");
	rw_expect(w, "second", "y");
	rw_end(w);
}

/* ---- how a parent ends ---- */

static void children_of_one_that_ends_are_asked_to_cancel(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "careless", "c", "end");
	rw_raise(w, "c", "go", NULL);
	rw_expect(w, "c", "gone");
	rw_expect_end(w, "left", PAWL_ECANCELED, "its parent has ended");
	expect_part(w, "left", 1, "\"type\":\"CancelRequested\",\"from\":\"@c/1/");
	rw_end(w);
}

static void children_of_one_that_continues_as_new_too(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "careless", "c", "new");
	rw_raise(w, "c", "go", NULL);
	rw_expect_end(w, "left", PAWL_ECANCELED, "its parent has ended");
	rw_raise(w, "c", "go", NULL);
	rw_expect(w, "c", "second");
	rw_end(w);
}

static void children_of_one_that_is_terminated_are_terminated_down_the_tree(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "tower", "t", "3");
	rw_await_count(w, "t:2:2:2", EVENT_EventSubscribed, 1);
	await(rw_storage.commits == 4); /* one for each: a line can be read a moment before its commit counts */
	assert_int_equal(rw_send(w, PAWL_MESSAGE_TERMINATE, "t", NULL, NULL), 0);
	rw_expect_end(w, "t:2:2:2", PAWL_ECANCELED, "its parent was terminated");
	rw_expect_end(w, "t:2:2", PAWL_ECANCELED, "its parent was terminated");
	rw_expect_end(w, "t:2", PAWL_ECANCELED, "its parent was terminated");
	rw_expect_end(w, "t", PAWL_ECANCELED, "");
	assert_int_equal(rw_storage.commits, 5); /* all in one frame */
	rw_end(w);
}

static void a_tower_falls_in_order(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "tower", "t", "3");
	rw_await_count(w, "t:2:2:2", EVENT_EventSubscribed, 1);
	rw_restart(w);
	rw_raise(w, "t:2:2:2", "go", NULL);
	rw_expect(w, "t", "3 2 1 ground");
	rw_end(w);
}

static void a_child_that_lost_an_any_is_asked_to_cancel_and_its_end_is_awaited(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "hasty", "h", "wait");
	rw_await_count(w, "slow", EVENT_EventSubscribed, 1);
	rw_raise(w, "h", "stop", NULL);
	rw_expect(w, "h", "canceled");
	rw_expect_end(w, "slow", PAWL_ECANCELED, "canceled by its parent");
	rw_end(w);
}

/* ---- crashes ---- */

/* The runtime dies with the kth commit, before or after it has become durable. */
static void die_at_each(struct runtime_world *w, bool durable)
{
	for (int k = 1; k <= 12; k++) {
		struct pawl_error err;
		char id[16];

		snprintf(id, sizeof(id), "t%d", k);
		rw_begin(w);
		rw_lock();
		rw_storage.die_durable = durable;
		rw_storage.die_at = k;
		rw_unlock();
		assert_int_equal(rw_send(w, PAWL_MESSAGE_START, id, "heap", "3"), 0);
		int rc = pawl_wait(w->rt, id, BOUND_S * 1000, NULL, &err);
		rw_lock();
		bool died = rw_storage.die_at == 0;
		rw_storage.die_at = 0;
		rw_unlock();
		assert_int_equal(died, rc < 0);
		if (died) {
			assert_int_equal(rw_join(w), PAWL_EFENCED);
			rw_close(w);
			rw_begin(w);
		}
		rw_expect(w, id, "3 (2 (1 (0) (0)) (1 (0) (0))) (2 (1 (0) (0)) (1 (0) (0)))");
		rw_end(w);
	}
}

static void parent_and_child_agree_when_it_dies_before_a_commit(void **state)
{
	die_at_each(*state, false);
}

static void or_behind_one(void **state)
{
	die_at_each(*state, true);
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, rw_teardown)
#define test_replay(f) cmocka_unit_test_setup_teardown(f, setup_replay, rw_teardown)
#define test_disk(f) cmocka_unit_test_setup_teardown(f, setup_disk, rw_teardown)
#define test_both(f) test(f), { #f " (replayed)", f, setup_replay, rw_teardown, NULL }

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_both(a_child_is_called_and_its_result_comes_back),
		test_disk(a_child_is_called_and_its_result_comes_back),
		test_both(its_failure_comes_back_as_it_is),
		test_both(a_child_that_is_canceled_or_terminated_fails_with_kind_canceled),
		test_both(an_id_that_is_taken_by_a_live_one_or_one_that_has_ended_is_a_failure),
		test_disk(an_id_that_is_taken_by_a_live_one_or_one_that_has_ended_is_a_failure),
		test_both(a_child_is_tried_again_as_another_instance),
		test_both(the_next_attempt_waits_for_its_time_also_over_a_restart),
		test_both(a_thousand_children),
		test_disk(a_thousand_children),
		test_both(a_type_that_nobody_registered_parks_the_parent_before_anything_is_committed),
		test_both(children_of_one_that_ends_are_asked_to_cancel),
		test_both(children_of_one_that_continues_as_new_too),
		test_both(children_of_one_that_is_terminated_are_terminated_down_the_tree),
		test_disk(children_of_one_that_is_terminated_are_terminated_down_the_tree),
		test_both(a_tower_falls_in_order),
		test_disk(a_tower_falls_in_order),
		test_both(a_child_that_lost_an_any_is_asked_to_cancel_and_its_end_is_awaited),
		test_both(parent_and_child_agree_when_it_dies_before_a_commit),
		test_both(or_behind_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
