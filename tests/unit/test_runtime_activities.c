/* test_runtime_activities.c - when an attempt begins, and when it is too late for it: priorities, limits, expiry, deferral;
 * functions that take too long, are silent, or never return. */
#include "unit/activity_world.h"

/* ---- priorities and limits ---- */

static void functions_begin_in_the_order_of_priority_then_of_age(void **state)
{
	struct runtime_world *w = *state;

	rw_config(w, "workers: { threads_max: 1 }\nactivities:\n  hold: { priority: 4 }\n");
	rw_begin(w);
	rw_start(w, "all_of", "first", "hold 0 0 - 0");
	await_order("0");
	rw_start(w, "all_of", "x", "hold 9 0 - 1;hold 5 0 - 2;hold 1 0 - 3;hold 0 0 - 4;hold 5 0 - 5;hold 1 0 - 6");
	rw_settle(w);
	for (unsigned n = 0; n < GATES; n++)
		gate_open(&gates[n]);
	rw_expect(w, "x", "1 2 3 4 5 6");
	assert_order("0364251");
	rw_end(w);
}

static void no_more_than_running_max_of_all_run_and_the_next_are_taken_by_priority(void **state)
{
	struct runtime_world *w = *state;

	rw_config(w, "workers: { running_max: 2, threads_max: 8 }\n");
	rw_begin(w);
	rw_start(w, "all_of", "w", "hold 5 0 - 0;hold 5 0 - 1");
	gate_await(&gates[0], 1);
	gate_await(&gates[1], 1);
	rw_start(w, "all_of", "x", "hold 9 0 - 2;hold 1 0 - 3");
	rw_settle(w);
	assert_int_equal(strlen(order), 2);
	gate_open(&gates[1]);
	gate_await(&gates[3], 1);
	rw_settle(w);
	assert_int_equal(strlen(order), 3);
	for (unsigned n = 0; n < GATES; n++)
		gate_open(&gates[n]);
	rw_expect(w, "x", "2 3");
	rw_end(w);
}

static void no_more_than_its_own_running_max_run_and_the_blocked_go_on_by_priority_and_age(void **state)
{
	struct runtime_world *w = *state;

	rw_config(w, "workers: { threads_max: 8 }\nactivities:\n  hold: { running_max: 1 }\n");
	rw_begin(w);
	rw_start(w, "all_of", "x", "hold 5 0 - 0");
	gate_await(&gates[0], 1);
	rw_start(w, "all_of", "y", "hold 9 0 - 1;hold 5 0 - 2;hold 1 0 - 3;hold 5 0 - 4;flaky 9 0 - 1");
	await(strchr(order, '1') != NULL); /* another activity is not held up */
	rw_settle(w);
	assert_order("01");
	for (unsigned n = 0; n < GATES; n++)
		gate_open(&gates[n]);
	rw_expect(w, "y", "1 2 3 4 attempt 1");
	assert_order("013241");
	rw_end(w);
}

static void a_blocked_one_that_is_canceled_holds_up_nobody(void **state)
{
	struct runtime_world *w = *state;

	rw_config(w, "workers: { threads_max: 8 }\nactivities:\n  hold: { running_max: 1 }\n");
	rw_begin(w);
	rw_start(w, "directed", "x", "hold 5 0 - 0;hold 5 0 - 1;hold 5 0 - 2;hold 5 0 - 3");
	gate_await(&gates[0], 1);
	rw_raise(w, "x", "do", "1");
	rw_raise(w, "x", "do", "2");
	rw_settle(w);
	for (unsigned n = 0; n < GATES; n++)
		gate_open(&gates[n]);
	rw_raise(w, "x", "do", "end");
	rw_expect(w, "x", "0 !canceled/ !canceled/ 3");
	assert_order("03");
	rw_end(w);
}

static void a_queued_one_that_is_canceled_never_begins(void **state)
{
	struct runtime_world *w = *state;

	rw_config(w, "workers: { running_max: 1 }\n");
	rw_begin(w);
	rw_start(w, "directed", "x", "hold 5 0 - 0;hold 5 0 - 1;hold 5 0 - 2");
	gate_await(&gates[0], 1);
	rw_raise(w, "x", "do", "1");
	rw_raise(w, "x", "do", "end");
	for (unsigned n = 0; n < GATES; n++)
		gate_open(&gates[n]);
	rw_expect(w, "x", "0 !canceled/ 2");
	assert_order("02");
	rw_end(w);
}

static size_t retired_count(const struct runtime_world *w)
{
	size_t count = 0;

	for (const struct retired *old = w->rt->retired; old; old = old->next)
		count++;
	return count;
}

static void what_a_reload_replaced_is_kept_only_as_long_as_an_attempt_needs_it(void **state)
{
	struct runtime_world *w = *state;

	rw_config(w, "activities:\n  hold: { timeout: 1h }\n");
	rw_begin(w);
	rw_start(w, "all_of", "x", "hold 5 0 - 0");
	gate_await(&gates[0], 1);
	for (int n = 0; n < 5; n++)
		rw_reload(w);
	assert_int_equal(retired_count(w), 1);
	gate_open(&gates[0]);
	rw_expect(w, "x", "0");
	rw_reload(w);
	assert_int_equal(retired_count(w), 0);
	rw_end(w);
}

static void a_limit_that_is_raised_lets_the_blocked_begin_at_a_reload(void **state)
{
	struct runtime_world *w = *state;

	rw_config(w, "workers: { threads_max: 8 }\nactivities:\n  hold: { running_max: 1 }\n");
	rw_begin(w);
	rw_start(w, "all_of", "x", "hold 5 0 - 0;hold 5 0 - 1;hold 5 0 - 2");
	gate_await(&gates[0], 1);
	rw_config(w, "workers: { threads_max: 8 }\nactivities:\n  hold: { running_max: 2 }\n");
	rw_reload(w);
	gate_await(&gates[1], 1);
	rw_settle(w);
	assert_order("01");
	rw_config(w, "workers: { threads_max: 8 }\n");
	rw_reload(w);
	await_order("012");
	for (unsigned n = 0; n < GATES; n++)
		gate_open(&gates[n]);
	rw_expect(w, "x", "0 1 2");
	rw_end(w);
}

static void a_stop_with_blocked_and_queued_ones_leaves_them_to_the_next_start(void **state)
{
	struct runtime_world *w = *state;

	rw_config(w, "workers: { threads_max: 1 }\nactivities:\n  obey: { running_max: 1 }\n");
	rw_begin(w);
	rw_start(w, "all_of", "x", "obey 5 0 - 1;obey 5 0 - 0;hold 5 0 - 2;obey 5 0 - 0");
	await_order("1");
	gate_open(&gates[2]);
	rw_restart(w);
	await_order("11");
	assert_int_equal(rw_send(w, PAWL_MESSAGE_TERMINATE, "x", NULL, NULL), 0);
	rw_expect_end(w, "x", PAWL_ECANCELED, "terminated");
	rw_end(w);
}

/* ---- expiry ---- */

#define EXPIRING "    schedule_to_start: 10s\n"

static void one_that_no_thread_begins_in_time_fails(void **state)
{
	struct runtime_world *w = *state;

	rw_config(w, "workers: { threads_max: 1 }\nactivities:\n  flaky:\n" EXPIRING);
	rw_begin(w);
	rw_start(w, "all_of", "x", "hold 1 0 - 0;flaky 5 0 - 1");
	await_order("0");
	rw_pass(w, 9000);
	rw_settle(w);
	assert_int_equal(rw_count(w, "x", EVENT_ActivityFailed), 0);
	rw_pass(w, 1001);
	rw_await_count(w, "x", EVENT_ActivityFailed, 1);
	gate_open(&gates[0]);
	rw_expect(w, "x", "0 !timeout/schedule-to-start");
	assert_order("0");
	assert_letter(w, "schedule-to-start");
	rw_end(w);
}

static void also_one_that_waits_for_a_slot_or_for_one_of_its_kind(void **state)
{
	struct runtime_world *w = *state;

	rw_config(w, "workers: { running_max: 2 }\nactivities:\n  hold:\n    running_max: 1\n" EXPIRING "  flaky:\n" EXPIRING);
	rw_begin(w);
	rw_start(w, "all_of", "x", "hold 1 0 - 0;hold 2 0 - 1;obey 1 0 - 2;flaky 5 0 - 1");
	await(strlen(order) == 2);
	rw_pass(w, 10001);
	rw_await_count(w, "x", EVENT_ActivityFailed, 2);
	assert_int_equal(strlen(order), 2); /* those that have begun go on */
	gate_open(&gates[0]);
	rw_await_count(w, "x", EVENT_ActivityCompleted, 1);
	assert_int_equal(rw_count(w, "x", EVENT_ActivityFailed), 2);
	assert_int_equal(rw_send(w, PAWL_MESSAGE_TERMINATE, "x", NULL, NULL), 0);
	rw_expect_end(w, "x", PAWL_ECANCELED, "terminated");
	rw_end(w);
}

static void one_that_has_begun_does_not_expire_and_each_attempt_gets_its_time_anew(void **state)
{
	struct runtime_world *w = *state;

	rw_config(w, "workers: { threads_max: 2 }\nactivities:\n  flaky:\n" EXPIRING "  hold:\n" EXPIRING);
	rw_begin(w);
	rw_start(w, "all_of", "x", "flaky 5 3 - 3;hold 5 0 - 0");
	gate_await(&gates[0], 1);
	rw_await_count(w, "x", EVENT_ActivityRetrying, 1);
	rw_pass(w, 11000);
	rw_await_count(w, "x", EVENT_ActivityRetrying, 2);
	rw_pass(w, 11000);
	rw_await_count(w, "x", EVENT_ActivityCompleted, 1);
	rw_pass(w, 11000);
	rw_settle(w);
	gate_open(&gates[0]);
	rw_expect(w, "x", "attempt 3 0");
	rw_end(w);
}

static void the_time_to_close_counts_all_attempts_and_ends_one_that_runs(void **state)
{
	struct runtime_world *w = *state;

	rw_config(w, "activities:\n  obey: { schedule_to_close: 10s, grace: 1s }\n  flaky: { schedule_to_close: 10s }\n");
	rw_begin(w);
	rw_start(w, "all_of", "x", "obey 5 3 - 1;flaky 5 9 - 9");
	rw_await_count(w, "x", EVENT_ActivityRetrying, 1);
	await(strchr(order, '1') && strchr(order, '9'));
	rw_pass(w, 10001);
	rw_expect(w, "x", "!timeout/schedule-to-close !timeout/schedule-to-close");
	await_told(1);
	assert_int_equal(rw_count(w, "x", EVENT_ActivityFailed), 2);
	rw_end(w);
}

static void one_that_is_deferred_expires(void **state)
{
	struct runtime_world *w = *state;

	rw_config(w, "activities:\n  flaky: { schedule_to_start: 4s, pressure: { memory_min: 200MiB } }\n");
	rw_begin(w);
	rw_start(w, "all_of", "x", "flaky 5 0 - 1");
	rw_await_log("is deferred, next look");
	rw_pass(w, 4001);
	rw_expect(w, "x", "!timeout/schedule-to-start");
	assert_order("");
	rw_end(w);
}

static void times_count_anew_after_a_restart(void **state)
{
	struct runtime_world *w = *state;

	rw_config(w, "workers: { running_max: 1 }\nactivities:\n  flaky:\n" EXPIRING);
	rw_begin(w);
	rw_start(w, "all_of", "x", "obey 1 0 - 1;flaky 5 0 - 1");
	await_order("1");
	rw_pass(w, 9000);
	rw_restart(w);
	await_order("11");
	rw_pass(w, 9000);
	rw_settle(w);
	assert_int_equal(rw_count(w, "x", EVENT_ActivityFailed), 0);
	rw_pass(w, 1001);
	rw_await_count(w, "x", EVENT_ActivityFailed, 1);
	rw_end(w);
}

/* ---- deferral ---- */

static void short_of_memory_it_is_deferred_with_growing_pauses_at_no_attempt(void **state)
{
	struct runtime_world *w = *state;

	rw_config(w, "activities:\n  flaky: { pressure: { memory_min: 200MiB } }\n");
	rw_begin(w);
	rw_start(w, "all_of", "x", "flaky 5 0 - 1");
	for (int64_t pause_ms = 5000; pause_ms <= 20000; pause_ms *= 2) {
		rw_await_log("memory: 100 MiB available, 200 MiB wanted (activities.flaky.pressure.memory_min)");
		rw_log_forget();
		rw_pass(w, pause_ms - 1000);
		rw_settle(w);
		rw_lock();
		assert_false(rw_logged("is deferred"));
		rw_unlock();
		rw_pass(w, 1000);
	}
	rw_await_log("is deferred");
	atomic_store(&memory_mib, 210); /* better, but not by the margin */
	rw_log_forget();
	rw_pass(w, 40000);
	rw_await_log("+ 10 %");
	atomic_store(&memory_mib, 300);
	rw_pass(w, 80000);
	rw_expect(w, "x", "attempt 1");
	assert_order("1");
	rw_end(w);
}

static void a_reload_looks_at_once_also_at_later_attempts(void **state)
{
	struct runtime_world *w = *state;

	rw_config(w, "activities:\n  flaky: { pressure: { memory_min: 200MiB } }\n");
	rw_begin(w);
	atomic_store(&memory_mib, 300);
	rw_start(w, "all_of", "x", "flaky 5 2 - 2");
	rw_await_count(w, "x", EVENT_ActivityRetrying, 1);
	rw_reload(w); /* which does not cut a retry delay short */
	assert_order("2");
	atomic_store(&memory_mib, 100);
	rw_pass(w, 1001);
	rw_await_log("is deferred");
	rw_pass(w, 1001); /* what was read is old by now */
	atomic_store(&memory_mib, 300);
	rw_settle(w);
	assert_order("2");
	rw_reload(w);
	rw_expect(w, "x", "attempt 2");
	rw_end(w);
}

static void the_limits_of_the_hub_are_not_for_functions(void **state)
{
	struct runtime_world *w = *state;

	rw_config(w, "pressure: { memory_min: 200MiB }\n");
	rw_begin(w);
	rw_start(w, "all_of", "x", "flaky 5 0 - 1");
	rw_expect(w, "x", "attempt 1");
	rw_end(w);
}

static void one_that_is_deferred_gives_its_place_to_the_next_and_can_be_canceled(void **state)
{
	struct runtime_world *w = *state;

	rw_config(w, "activities:\n  hold: { running_max: 1, pressure: { memory_min: 200MiB } }\n");
	rw_begin(w);
	rw_start(w, "directed", "x", "hold 5 0 - 0");
	rw_await_log("instance 'x': activity 'hold' is deferred");
	rw_start(w, "all_of", "y", "hold 5 0 - 1");
	rw_await_log("instance 'y': activity 'hold' is deferred");
	rw_raise(w, "x", "do", "0");
	rw_raise(w, "x", "do", "end");
	rw_expect(w, "x", "!canceled/");
	atomic_store(&memory_mib, 300);
	gate_open(&gates[1]);
	rw_pass(w, 5001);
	rw_expect(w, "y", "1");
	assert_order("1");
	rw_end(w);
}

/* ---- functions that take too long ---- */

static void one_that_is_too_late_is_told_and_its_return_is_a_timeout(void **state)
{
	struct runtime_world *w = *state;

	rw_config(w, "attempts: { stuck_max: 1 }\nactivities:\n  obey: { timeout: 10s, grace: 5s }\n");
	rw_begin(w);
	rw_start(w, "all_of", "x", "obey 5 0 - 9");
	await_order("9");
	rw_pass(w, 9000);
	rw_settle(w);
	assert_int_equal(atomic_load(&told), 0);
	rw_pass(w, 1001);
	rw_expect(w, "x", "!timeout/timeout");
	assert_int_equal(atomic_load(&told), 1);
	assert_letter(w, "took longer than its limit of 10s, and returned when asked to");
	rw_end(w);
}

static void the_time_of_the_calls_policy_comes_first_and_its_attempts_follow(void **state)
{
	struct runtime_world *w = *state;

	rw_config(w, "activities:\n  obey: { timeout: 10s, grace: 5s, stuck_max: 9 }\n");
	rw_begin(w);
	rw_start(w, "all_of", "x", "obey 5 0 - 2"); /* no policy: stuck_max */
	await_order("2");
	expect_in_time(w, "x", 5000, "attempt 3");
	assert_int_equal(rw_count(w, "x", EVENT_ActivityRetrying), 2);
	rw_start(w, "all_of", "y", "obey 5 2 - 2"); /* a policy: it alone */
	await_order("222");
	expect_in_time(w, "y", 5000, "!timeout/timeout");
	assert_order("2222");
	rw_end(w);
}

static void a_silent_one_is_stuck_and_one_that_beats_its_heart_is_left_alone(void **state)
{
	struct runtime_world *w = *state;

	rw_config(w, "activities:\n  beater: { heartbeat: 10s }\n  obey: { heartbeat: 10s, timeout: 1h, stuck_max: 1 }\n");
	rw_begin(w);
	rw_start(w, "all_of", "x", "beater 5 0 - 1");
	rw_start(w, "all_of", "y", "obey 5 0 - 9");
	await(strlen(order) == 2);
	for (int n = 0; n < 5; n++) {
		rw_pass(w, 6000);
		unsigned before = atomic_load(&beats);
		await_look(atomic_load(&beats) > before + 1);
	}
	rw_expect(w, "y", "!poison/heartbeat");
	assert_letter(w, "was silent for longer than its heartbeat of 10s");
	assert_int_equal(rw_count(w, "x", EVENT_ActivityFailed), 0);
	gate_open(&gates[1]);
	rw_expect(w, "x", "beat");
	rw_end(w);
}

static void one_that_does_not_return_is_given_up_and_its_thread_is_replaced(void **state)
{
	struct runtime_world *w = *state;

	rw_config(w, "workers: { threads_max: 1, running_max: 1, replaced_max: 1 }\n"
	             "activities:\n  hold: { timeout: 10s, grace: 5s, stuck_max: 1 }\n");
	rw_begin(w);
	rw_start(w, "all_of", "x", "hold 5 0 - 0");
	gate_await(&gates[0], 1);
	rw_pass(w, 10001);
	rw_await_log("it is asked to return");
	rw_pass(w, 5001);
	rw_expect(w, "x", "!poison/timeout");
	rw_await_log("another thread takes its place (1 of 1, workers.replaced_max)");
	rw_start(w, "all_of", "y", "flaky 5 0 - 1");
	rw_expect(w, "y", "attempt 1");
	gate_open(&gates[0]);
	rw_await_log("has returned after all");
	rw_start(w, "all_of", "z", "flaky 5 0 - 1");
	rw_expect(w, "z", "attempt 1");
	rw_end(w);
}

static void no_more_threads_are_replaced_than_the_limit_says(void **state)
{
	struct runtime_world *w = *state;

	rw_config(w, "workers: { threads_max: 1, replaced_max: 1 }\nactivities:\n  hold: { timeout: 10s, grace: 0s, stuck_max: 1 }\n");
	rw_begin(w);
	for (unsigned n = 0; n < 2; n++) {
		char id[] = { (char)('a' + n), '\0' }, input[] = { "hold 5 0 - 0" };
		input[sizeof(input) - 2] = (char)('0' + n);
		rw_start(w, "all_of", id, input);
		gate_await(&gates[n], 1);
		rw_pass(w, 10001);
		rw_expect(w, id, "!poison/timeout");
	}
	rw_await_log("no more threads are replaced");
	rw_start(w, "all_of", "y", "flaky 5 0 - 1");
	rw_settle(w);
	assert_order("01");
	gate_open(&gates[1]);
	rw_expect(w, "y", "attempt 1");
	gate_open(&gates[0]);
	rw_end(w);
}

static void the_next_attempt_of_one_that_does_not_return_goes_on_beside_it(void **state)
{
	struct runtime_world *w = *state;

	rw_config(w, "workers: { threads_max: 1, replaced_max: 2 }\nactivities:\n  hold: { timeout: 10s, grace: 0s, running_max: 1 }\n");
	rw_begin(w);
	rw_start(w, "all_of", "x", "hold 5 2 - 0");
	gate_await(&gates[0], 1);
	rw_pass(w, 10001);
	rw_await_count(w, "x", EVENT_ActivityRetrying, 1);
	rw_pass(w, 1001);
	gate_await(&gates[0], 2);
	gate_open(&gates[0]);
	rw_expect(w, "x", "0");
	assert_int_equal(rw_count(w, "x", EVENT_ActivityFailed), 0);
	rw_end(w);
}

static void one_that_is_canceled_is_told_and_one_that_does_not_listen_is_replaced(void **state)
{
	struct runtime_world *w = *state;

	rw_config(w, "workers: { threads_max: 2, replaced_max: 4 }\nactivities:\n  hold: { grace: 5s }\n");
	rw_begin(w);
	rw_start(w, "directed", "x", "obey 5 0 - 9;hold 5 0 - 0");
	await(strlen(order) == 2);
	rw_raise(w, "x", "do", "0");
	await_told(1);
	rw_raise(w, "x", "do", "1");
	rw_raise(w, "x", "do", "end");
	rw_expect(w, "x", "!canceled/ !canceled/");
	rw_pass(w, 5001);
	rw_await_log("activity 'hold' of 'x' does not return");
	gate_open(&gates[0]);
	rw_await_log("has returned after all");
	rw_end(w);
}

static void time_does_not_count_before_a_thread_has_begun_it(void **state)
{
	struct runtime_world *w = *state;

	rw_config(w, "workers: { threads_max: 1 }\nactivities:\n  flaky: { timeout: 10s }\n");
	rw_begin(w);
	rw_start(w, "all_of", "x", "hold 1 0 - 0;flaky 5 0 - 1");
	await_order("0");
	for (int n = 0; n < 5; n++)
		rw_pass(w, 10001);
	rw_settle(w);
	gate_open(&gates[0]);
	rw_expect(w, "x", "0 attempt 1");
	rw_end(w);
}

static void an_idle_runtime_with_all_of_this_sleeps(void **state)
{
	struct runtime_world *w = *state;

	rw_config(w, "workers: { running_max: 2, threads_max: 2 }\nactivities:\n  hold: { timeout: 1h, heartbeat: 1h, running_max: 1, schedule_to_close: 2h }\n"
	             "  flaky: { pressure: { memory_min: 200MiB } }\n");
	rw_begin(w);
	rw_start(w, "all_of", "x", "hold 5 0 - 0;hold 5 0 - 1;nobody 5 0 - 1;flaky 1 0 - 1");
	gate_await(&gates[0], 1);
	rw_await_log("is deferred");
	assert_true(rw_is_idle(w));
	gate_open(&gates[0]);
	gate_open(&gates[1]);
	rw_end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		activity_test(functions_begin_in_the_order_of_priority_then_of_age),
		activity_test(no_more_than_running_max_of_all_run_and_the_next_are_taken_by_priority),
		activity_test(no_more_than_its_own_running_max_run_and_the_blocked_go_on_by_priority_and_age),
		activity_test(a_blocked_one_that_is_canceled_holds_up_nobody),
		activity_test(a_queued_one_that_is_canceled_never_begins),
		activity_test(what_a_reload_replaced_is_kept_only_as_long_as_an_attempt_needs_it),
		activity_test(a_limit_that_is_raised_lets_the_blocked_begin_at_a_reload),
		activity_test(a_stop_with_blocked_and_queued_ones_leaves_them_to_the_next_start),
		activity_test(one_that_no_thread_begins_in_time_fails),
		activity_test(also_one_that_waits_for_a_slot_or_for_one_of_its_kind),
		activity_test(one_that_has_begun_does_not_expire_and_each_attempt_gets_its_time_anew),
		activity_test(the_time_to_close_counts_all_attempts_and_ends_one_that_runs),
		activity_test(one_that_is_deferred_expires),
		activity_test(times_count_anew_after_a_restart),
		activity_test(short_of_memory_it_is_deferred_with_growing_pauses_at_no_attempt),
		activity_test(a_reload_looks_at_once_also_at_later_attempts),
		activity_test(the_limits_of_the_hub_are_not_for_functions),
		activity_test(one_that_is_deferred_gives_its_place_to_the_next_and_can_be_canceled),
		activity_test(one_that_is_too_late_is_told_and_its_return_is_a_timeout),
		activity_test(the_time_of_the_calls_policy_comes_first_and_its_attempts_follow),
		activity_test(a_silent_one_is_stuck_and_one_that_beats_its_heart_is_left_alone),
		activity_test(one_that_does_not_return_is_given_up_and_its_thread_is_replaced),
		activity_test(no_more_threads_are_replaced_than_the_limit_says),
		activity_test(the_next_attempt_of_one_that_does_not_return_goes_on_beside_it),
		activity_test(one_that_is_canceled_is_told_and_one_that_does_not_listen_is_replaced),
		activity_test(time_does_not_count_before_a_thread_has_begun_it),
		activity_test(an_idle_runtime_with_all_of_this_sleeps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
