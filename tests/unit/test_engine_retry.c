#include "unit/engine_world.h"
#include <math.h>
#include <string.h>

static const struct failure stalled = { { "process", 7 }, { "exit:3", 6 }, { "m", 1 }, { NULL, 0 }, true };

#define NO (-1)

static int64_t delay_of(const struct retry_policy *p, uint32_t attempt, int64_t elapsed_ms, uint64_t random)
{
	int64_t delay = 12345;
	return retry_decide(p, &stalled, attempt, elapsed_ms, random, &delay) ? delay : NO;
}

static void schedules_follow_the_policy(void **state)
{
	static const struct {
		struct retry_policy policy;
		int64_t delays[6]; /* after attempt 1, 2, ... */
	} cases[] = {
		{ { .max_attempts = 0 }, { NO, NO } },
		{ { .max_attempts = 1 }, { NO, NO } },
		{ { .max_attempts = 3 }, { 1000, 1000, NO, NO } },
		{ { .max_attempts = 6, .first_ms = 10, .coefficient_milli = 2000 }, { 10, 20, 40, 80, 160, NO } },
		{ { .max_attempts = 6, .first_ms = 10, .coefficient_milli = 2000, .max_ms = 50 }, { 10, 20, 40, 50, 50, NO } },
		{ { .max_attempts = 9, .first_ms = 100, .max_ms = 50 }, { 50, 50, 50, 50, 50, 50 } },
		{ { .max_attempts = 9, .first_ms = 1, .coefficient_milli = 1500 }, { 1, 1, 2, 3, 5, 7 } },
		{ { .max_attempts = 9, .first_ms = PAWL_HOURS(2) }, { 3600000, 3600000, 3600000, 3600000, 3600000, 3600000 } },
		{ { .max_attempts = 9, .first_ms = 1000, .coefficient_milli = 4000000 }, { 1000, 3600000, 3600000, 3600000 } },
		{ { .max_attempts = 9, .first_ms = 10, .coefficient_milli = 500 }, { 10, 10, 10, 10, 10, 10 } },
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		for (uint32_t a = 0; a < 6 && cases[i].delays[a]; a++)
			assert_int_equal(delay_of(&cases[i].policy, a + 1, 0, 9), cases[i].delays[a]);
}

static void extreme_policies_stay_within_a_century(void **state)
{
	const int64_t century = PAWL_DAYS(36525);
	struct retry_policy p = { .max_attempts = UINT32_MAX, .first_ms = INT64_MAX, .max_ms = INT64_MAX,
				  .coefficient_milli = UINT32_MAX, .jitter_milli = UINT32_MAX, .total_ms = 0 };
	(void)state;
	for (uint64_t random = 0; random < 1000; random++) {
		int64_t delay = delay_of(&p, 4000000000u, INT64_MAX, random * UINT64_C(0x9e3779b97f4a7c15));
		assert_in_range(delay, 0, century);
	}
	p.first_ms = 1;
	p.jitter_milli = 0;
	p.coefficient_milli = 1001; /* grows slowly, but does */
	assert_int_equal(delay_of(&p, 4000000000u, 0, 0), century);
	p.total_ms = INT64_MAX;
	assert_int_equal(delay_of(&p, 1, INT64_MAX, 0), 1);
	p.first_ms = INT64_MIN; /* not from our API; a history may hold anything */
	p.max_ms = INT64_MIN;
	p.total_ms = INT64_MIN;
	assert_int_equal(delay_of(&p, 1, INT64_MIN, 0), 1000);
}

static void what_is_final_is_not_tried_again(void **state)
{
	struct retry_policy p = { .max_attempts = 5, .codes = { SLICE("exit:2"), SLICE("exit:3") }, .code_count = 2 };
	struct failure f = stalled;
	int64_t delay = 7;
	(void)state;
	assert_false(retry_decide(NULL, &f, 1, 0, 0, &delay));
	assert_false(retry_decide(&p, &f, 1, 0, 0, &delay));
	f.code = SLICE("exit:4");
	assert_true(retry_decide(&p, &f, 1, 0, 0, &delay));
	f.retryable = false;
	delay = 7;
	assert_false(retry_decide(&p, &f, 1, 0, 0, &delay));
	assert_int_equal(delay, 7);
}

static void total_time_bounds_the_last_attempt(void **state)
{
	struct retry_policy p = { .max_attempts = 100, .first_ms = 1000, .total_ms = 5000 };
	(void)state;
	assert_int_equal(delay_of(&p, 1, 0, 0), 1000);
	assert_int_equal(delay_of(&p, 2, 4000, 0), 1000);
	assert_int_equal(delay_of(&p, 2, 4001, 0), NO);
	assert_int_equal(delay_of(&p, 2, INT64_MAX, 0), NO);
}

static void jitter_stays_in_its_part_and_reaches_both_ends(void **state)
{
	struct retry_policy p = { .max_attempts = 5, .first_ms = 1000, .jitter_milli = 250 };
	int64_t low = INT64_MAX, high = 0;
	uint64_t random = 1;
	(void)state;
	for (int i = 0; i < 20000; i++) {
		int64_t delay = delay_of(&p, 1, 0, prng_mix(&random));
		low = delay < low ? delay : low;
		high = delay > high ? delay : high;
	}
	assert_int_equal(low, 750);
	assert_int_equal(high, 1250);
	p.max_ms = 1100; /* the longest is the longest */
	for (int i = 0; i < 1000; i++)
		assert_in_range(delay_of(&p, 1, 0, prng_mix(&random)), 750, 1100);
}

static void policies_are_checked(void **state)
{
	const char *nine[] = { "1", "2", "3", "4", "5", "6", "7", "8", "9", NULL };
	char longest[200];
	const char *too_long[] = { longest, NULL }, *no_utf8[] = { "\xff", NULL };
	struct retry_policy p;
	(void)state;
	memset(longest, 'x', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	const pawl_retry bad[] = {
		{ .first_ms = -1 }, { .max_ms = -1 }, { .total_ms = -1 }, { .attempt_ms = -1 },
		{ .coefficient = 0.99 }, { .coefficient = -1 }, { .coefficient = NAN }, { .coefficient = INFINITY },
		{ .coefficient = 1e7 }, { .jitter = -0.1 }, { .jitter = 1.01 }, { .jitter = NAN },
		{ .not_on = nine }, { .not_on = too_long }, { .not_on = no_utf8 },
	};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_non_null(retry_convert(&p, &bad[i]));
	pawl_retry good = { 7, 1, 2.5, 3, 4, 5, 0.125, nine + 1 };
	assert_null(retry_convert(&p, &good));
	assert_int_equal(p.max_attempts, 7);
	assert_int_equal(p.first_ms, 1);
	assert_int_equal(p.coefficient_milli, 2500);
	assert_int_equal(p.max_ms, 3);
	assert_int_equal(p.total_ms, 4);
	assert_int_equal(p.attempt_ms, 5);
	assert_int_equal(p.jitter_milli, 125);
	assert_int_equal(p.code_count, 8);
}

/* ---- in a history ---- */

static int stubborn(pawl_ctx *ctx, const char *input)
{
	const char *codes[] = { "exit:100", NULL };
	pawl_retry retry = { .max_attempts = 3, .first_ms = 2000, .coefficient = 2, .total_ms = 60000, .not_on = codes };
	pawl_call_options o = { .retry = &retry };
	(void)input;
	const char *got = pawl_call_with(ctx, "flash", "x", &o);
	return got ? pawl_return(ctx, got) : pawl_rethrow(ctx);
}

static void a_failed_attempt_with_another_to_come_is_retrying(void **state)
{
	struct world w;
	struct history h;
	(void)state;
	world_init(&w, stubborn);
	world_start(&w, NULL);
	world_fail(&w, 2, 1, "exit:3", true);
	world_turn(&w);
	assert_last(&w, "3 ActivityRetrying of line 2 2000 ms 'it broke' kind 'process' code 'exit:3' retryable");
	world_history(&w, &h);
	assert_int_equal(h.events[2].attempt, 1);
	assert_int_equal(h.events[2].due.boot_ms, 8000);
	assert_int_equal(h.events[2].due.at_ns, WORLD_TIME + 3 * INT64_C(1000000000));
	assert_true(slice_is(h.events[2].due.boot, "1f3a77c0"));
	history_release(&h);
	assert_int_equal(w.view.open->attempt, 2);
	world_fail(&w, 2, 2, "exit:3", true);
	world_turn(&w);
	assert_last(&w, "4 ActivityRetrying of line 2 4000 ms 'it broke' kind 'process' code 'exit:3' retryable");
	world_completes(&w, 2, "done");
	assert_non_null(strstr(world_last(&w), "ExecutionCompleted output 'done'"));
	world_release(&w);
}

static void the_last_attempt_fails_the_activity(void **state)
{
	struct world w;
	struct history h;
	(void)state;
	world_init(&w, stubborn);
	world_start(&w, NULL);
	for (uint32_t attempt = 1; attempt <= 3; attempt++) {
		world_fail(&w, 2, attempt, "exit:3", true);
		world_turn(&w);
	}
	world_history(&w, &h);
	assert_int_equal(h.events[4].type, EVENT_ActivityFailed);
	assert_int_equal(h.events[4].attempt, 3);
	assert_int_equal(h.events[5].type, EVENT_ExecutionFailed);
	history_release(&h);
	world_release(&w);
}

static void an_answer_of_another_attempt_is_stale(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, stubborn);
	world_start(&w, NULL);
	struct message *early = world_fail(&w, 2, 2, "", true), *none = world_fail(&w, 2, 0, "", true),
		       *right = world_fail(&w, 2, 1, "", true), *twice = world_fail(&w, 2, 1, "", true);
	world_turn(&w);
	assert_int_equal(early->result, MESSAGE_STALE);
	assert_int_equal(none->result, MESSAGE_STALE);
	assert_int_equal(right->result, MESSAGE_TAKEN);
	assert_int_equal(twice->result, MESSAGE_STALE);
	assert_string_equal(twice->why, "another attempt runs by now");
	world_release(&w);
}

static void final_codes_and_total_time_end_it(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, stubborn);
	world_start(&w, NULL);
	world_fail(&w, 2, 1, "exit:100", true);
	world_turn(&w);
	assert_non_null(strstr(world_last(&w), "3 ActivityFailed of line 2"));
	world_release(&w);
	world_init(&w, stubborn);
	world_start(&w, NULL);
	w.time_ns += INT64_C(58) * 1000000000; /* 59 s after it was scheduled: 2 s more are too late */
	world_fail(&w, 2, 1, "exit:3", true);
	world_turn(&w);
	assert_non_null(strstr(world_last(&w), "3 ActivityFailed of line 2"));
	world_release(&w);
}

static int shaky(pawl_ctx *ctx, const char *input)
{
	pawl_retry retry = { .max_attempts = 1000, .first_ms = 1000, .jitter = 0.5 };
	pawl_call_options o = { .retry = &retry };
	(void)input;
	pawl_task *a = pawl_activity_with(ctx, "a", NULL, &o), *b = pawl_activity_with(ctx, "b", NULL, &o);
	return pawl_all(ctx, a, b) ? pawl_rethrow(ctx) : 0;
}

static void jitter_is_recorded_and_differs_within_a_turn(void **state)
{
	struct world w;
	struct history h;
	unsigned same = 0;
	(void)state;
	world_init(&w, shaky);
	world_start(&w, NULL);
	for (uint32_t attempt = 1; attempt <= 50; attempt++) {
		w.random++;
		world_fail(&w, 2, attempt, "", true);
		world_fail(&w, 3, attempt, "", true);
		world_turn(&w);
	}
	world_history(&w, &h);
	for (size_t i = 3; i < h.count; i += 2) {
		assert_in_range(h.events[i].delay_ms, 500, 1500);
		same += h.events[i].delay_ms == h.events[i + 1].delay_ms;
	}
	assert_true(same < 5);
	history_release(&h);
	world_release(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(schedules_follow_the_policy),
		cmocka_unit_test(extreme_policies_stay_within_a_century),
		cmocka_unit_test(what_is_final_is_not_tried_again),
		cmocka_unit_test(total_time_bounds_the_last_attempt),
		cmocka_unit_test(jitter_stays_in_its_part_and_reaches_both_ends),
		cmocka_unit_test(policies_are_checked),
		cmocka_unit_test(a_failed_attempt_with_another_to_come_is_retrying),
		cmocka_unit_test(the_last_attempt_fails_the_activity),
		cmocka_unit_test(an_answer_of_another_attempt_is_stale),
		cmocka_unit_test(final_codes_and_total_time_end_it),
		cmocka_unit_test(jitter_is_recorded_and_differs_within_a_turn),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
