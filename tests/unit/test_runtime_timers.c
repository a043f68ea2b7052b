/* test_runtime_timers.c - clocks lie (I9): delays and calendar times under clocks that jump and devices that reboot. Hours
 * pass by a shift of the clocks that the runtime sees; no test takes any. */
#include "unit/runtime_world.h"
#include <stdatomic.h>

#define MINUTE 60000ll
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define YEARS (3650 * DAY)

static atomic_uint attempts;

static int second_time(pawl_work *work, const char *input)
{
	(void)input;
	if (atomic_fetch_add(&attempts, 1) == 0)
		return pawl_work_fail(work, "once", "not the first time");
	return pawl_work_return(work, "attempt %u", (unsigned)pawl_work_attempt(work));
}
PAWL_ACTIVITY(second_time);

static int sleeper(pawl_ctx *ctx, const char *input)
{
	pawl_sleep(ctx, atoll(input));
	return pawl_return(ctx, "woke");
}
PAWL_ORCHESTRATION(sleeper, "1.0");

/* Until so many nanoseconds since 1970. */
static int until(pawl_ctx *ctx, const char *input)
{
	(void)pawl_await(ctx, pawl_timer_until(ctx, atoll(input)));
	return pawl_return(ctx, "it is time");
}
PAWL_ORCHESTRATION(until, "1.0");

/* Three timers, and the order in which they went off. */
static int order(pawl_ctx *ctx, const char *input)
{
	static const char *const names[] = { "30", "10", "20" };
	pawl_task *tasks[3];
	bool told[3] = { false, false, false };

	for (int n = 0; n < 3; n++)
		tasks[n] = pawl_timer(ctx, atoi(names[n]) * MINUTE);
	for (int k = 0; k < 3; k++) {
		pawl_task *left[3];
		size_t count = 0;
		for (int n = 0; n < 3; n++)
			if (!told[n])
				left[count++] = tasks[n];
		pawl_task *first = pawl_first_of(ctx, left, count);
		for (int n = 0; n < 3; n++)
			if (tasks[n] == first) {
				told[n] = true;
				input = pawl_printf(ctx, "%s %s", input, names[n]);
			}
	}
	return pawl_return(ctx, input);
}
PAWL_ORCHESTRATION(order, "1.0");

static int patient(pawl_ctx *ctx, const char *input)
{
	pawl_retry retry = { .max_attempts = 2, .first_ms = HOUR, .max_ms = DAY };
	const char *result = pawl_call_with(ctx, "second_time", input, &(pawl_call_options){ .retry = &retry });

	return result ? pawl_return(ctx, result) : pawl_rethrow(ctx);
}
PAWL_ORCHESTRATION(patient, "1.0");

/* ---- clocks ---- */

static int64_t boot, wall; /* ahead of the real ones, in ms */
static unsigned boots;

static int begin(void)
{
	atomic_store(&attempts, 0);
	boot = 100 * DAY; /* so that it can go back at a reboot, and stay ahead of the kernel's */
	wall = 0;
	rw_boot_clock(boot);
	return 0;
}

static int setup(void **state)
{
	(void)rw_setup(state);
	return begin();
}

static int setup_disk(void **state)
{
	(void)rw_setup_disk(state);
	return begin();
}

static void look(struct runtime_world *w)
{
	loop_wake(w->rt->loop);
	rw_settle(w);
}

/* Time goes by. */
static void pass(struct runtime_world *w, int64_t ms)
{
	rw_settle(w);
	rw_boot_clock(boot += ms);
	rw_wall_clock(wall += ms);
	look(w);
}

static void clock_was_set(struct pawl_runtime *rt)
{
	effects_clock_set(rt);
}

/* Somebody sets the wall clock. told: the kernel says so at once. */
static void set_wall(struct runtime_world *w, int64_t by_ms, bool told)
{
	rw_settle(w);
	rw_wall_clock(wall += by_ms);
	if (told)
		rw_on_loop(w, clock_was_set);
	look(w);
}

/* The device is off for so long, and comes up with a wall clock that is wrong by so much. */
static void reboot(struct runtime_world *w, int64_t off_ms, int64_t wrong_ms)
{
	char id[40];

	rw_end(w);
	snprintf(id, sizeof(id), "%08x-0000-4000-8000-000000000000", 0xb0070000u + ++boots);
	rw_boot_id(id);
	rw_boot_clock(boot = HOUR * boots % 7);
	rw_wall_clock(wall += off_ms + wrong_ms);
	rw_begin(w);
	rw_settle(w);
}

static void assert_asleep(struct runtime_world *w, const char *id)
{
	rw_settle(w);
	assert_int_equal(rw_count(w, id, EVENT_TimerFired), 0);
	assert_int_equal(rw_count(w, id, EVENT_TimerCreated), 1);
}

/* What is left of a delay is more than `before` and not more than `before` and two minutes. */
static void assert_wakes_after(struct runtime_world *w, const char *id, int64_t before)
{
	assert_asleep(w, id);
	if (before > 0)
		pass(w, before);
	assert_asleep(w, id);
	pass(w, 2 * MINUTE);
	rw_expect(w, id, "woke");
}

static void start_sleeper(struct runtime_world *w, const char *id)
{
	rw_start(w, "sleeper", id, "3600000");
	rw_await_count(w, id, EVENT_TimerCreated, 1);
}

/* ---- delays in one boot ---- */

static void a_jump_of_the_wall_clock_neither_fires_a_delay_early_nor_hangs_it(void **state)
{
	static const int64_t jumps[] = { YEARS, -YEARS, 30 * MINUTE, -30 * MINUTE, 61 * MINUTE, -61 * MINUTE };
	struct runtime_world *w = *state;

	rw_begin(w);
	for (unsigned n = 0; n < 12; n++) {
		char id[16];
		snprintf(id, sizeof(id), "x%u", n);
		start_sleeper(w, id);
		pass(w, 10 * MINUTE);
		set_wall(w, jumps[n / 2], n % 2);
		assert_wakes_after(w, id, 49 * MINUTE);
		set_wall(w, -jumps[n / 2], false);
	}
	rw_end(w);
}

static void a_restart_without_a_reboot_keeps_what_is_left_whatever_the_policy_and_the_wall_clock(void **state)
{
	static const char *const policies[] = { "wall", "restart", "fire" };
	struct runtime_world *w = *state;

	for (unsigned n = 0; n < 6; n++) {
		char yaml[64], id[16];
		snprintf(yaml, sizeof(yaml), "timers:\n  after_reboot: %s\n", policies[n / 2]);
		rw_config(w, yaml);
		snprintf(id, sizeof(id), "x%u", n);
		rw_begin(w);
		start_sleeper(w, id);
		pass(w, 10 * MINUTE);
		rw_end(w);
		rw_wall_clock(wall += n % 2 ? YEARS : -YEARS);
		rw_boot_clock(boot += 20 * MINUTE); /* nothing ran meanwhile, but time did */
		rw_begin(w);
		assert_wakes_after(w, id, 29 * MINUTE);
		rw_end(w);
	}
}

static void delays_go_off_in_the_order_of_their_times(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "order", "x", "");
	rw_await_count(w, "x", EVENT_TimerCreated, 3);
	pass(w, HOUR); /* all of them at one look */
	rw_expect(w, "x", " 10 20 30");
	rw_start(w, "order", "y", "");
	rw_await_count(w, "y", EVENT_TimerCreated, 3);
	rw_restart(w);
	pass(w, 11 * MINUTE);
	assert_int_equal(rw_count(w, "y", EVENT_TimerFired), 1);
	pass(w, 10 * MINUTE);
	assert_int_equal(rw_count(w, "y", EVENT_TimerFired), 2);
	pass(w, 10 * MINUTE);
	rw_expect(w, "y", " 10 20 30");
	rw_end(w);
}

static void many_delays_each_go_off_when_they_are_due(void **state)
{
	struct runtime_world *w = *state;
	char id[16], ms[32];

	rw_begin(w);
	for (unsigned n = 0; n < 200; n++) {
		snprintf(id, sizeof(id), "x%u", n);
		snprintf(ms, sizeof(ms), "%lld", (1 + n * 77 % 200) * 10 * MINUTE);
		rw_start(w, "sleeper", id, ms);
	}
	rw_await_count(w, "x199", EVENT_TimerCreated, 1);
	rw_restart(w);
	assert_true(rw_is_idle(w));
	pass(w, 1005 * MINUTE); /* half of them, and 5 minutes */
	for (unsigned n = 0; n < 200; n++) {
		snprintf(id, sizeof(id), "x%u", n);
		if (1 + n * 77 % 200 <= 100)
			rw_expect(w, id, "woke");
		else
			assert_asleep(w, id);
	}
	pass(w, 1000 * MINUTE);
	for (unsigned n = 0; n < 200; n++) {
		snprintf(id, sizeof(id), "x%u", n);
		rw_expect(w, id, "woke");
	}
	rw_end(w);
}

static void a_delay_below_zero_is_none_and_the_longest_one_does_not_overflow(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "sleeper", "x", "-9223372036854775808");
	rw_await_count(w, "x", EVENT_TimerCreated, 1);
	pass(w, 2); /* a millisecond begun counts whole */
	rw_expect(w, "x", "woke");
	rw_start(w, "sleeper", "y", "9223372036854775807");
	rw_start(w, "sleeper", "z", "9223372036854");
	rw_await_count(w, "z", EVENT_TimerCreated, 1);
	pass(w, YEARS);
	assert_asleep(w, "y");
	assert_asleep(w, "z");
	reboot(w, YEARS, -2 * YEARS);
	assert_asleep(w, "y");
	assert_asleep(w, "z");
	set_wall(w, YEARS, true);
	assert_asleep(w, "y");
	assert_true(rw_is_idle(w));
	rw_end(w);
}

static void a_retry_waits_its_time_over_a_restart_and_a_jump_of_the_wall_clock(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "patient", "x", "");
	rw_await_count(w, "x", EVENT_ActivityRetrying, 1);
	set_wall(w, YEARS, true);
	pass(w, 30 * MINUTE);
	rw_restart(w);
	set_wall(w, -2 * YEARS, true);
	rw_reload(w); /* looks at activities that wait to be registered, not at these */
	pass(w, 29 * MINUTE);
	assert_int_equal(atomic_load(&attempts), 1);
	pass(w, 2 * MINUTE);
	rw_expect(w, "x", "attempt 2");
	rw_end(w);
}

/* ---- over a reboot ---- */

static void after_reboot(struct runtime_world *w, const char *policy)
{
	char yaml[64];

	snprintf(yaml, sizeof(yaml), "timers:\n  after_reboot: %s\n", policy);
	rw_config(w, yaml);
	rw_begin(w);
	start_sleeper(w, "x");
	pass(w, 10 * MINUTE);
}

static void wall_counts_the_time_that_the_device_was_off(void **state)
{
	struct runtime_world *w = *state;

	after_reboot(w, "wall");
	reboot(w, 20 * MINUTE, 0);
	assert_wakes_after(w, "x", 29 * MINUTE);
	rw_end(w);
}

static void wall_is_the_default(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	start_sleeper(w, "x");
	reboot(w, 20 * MINUTE, 0);
	assert_wakes_after(w, "x", 39 * MINUTE);
	rw_end(w);
}

static void wall_fires_at_once_what_went_by_while_the_device_was_off(void **state)
{
	struct runtime_world *w = *state;

	after_reboot(w, "wall");
	reboot(w, 2 * HOUR, 0);
	rw_expect(w, "x", "woke");
	rw_end(w);
}

static void wall_waits_no_longer_than_the_whole_delay_when_the_clock_was_lost(void **state)
{
	struct runtime_world *w = *state;

	after_reboot(w, "wall");
	reboot(w, 20 * MINUTE, -YEARS);
	assert_wakes_after(w, "x", 59 * MINUTE);
	rw_end(w);
}

static void wall_looks_again_when_the_lost_clock_is_set(void **state)
{
	struct runtime_world *w = *state;

	after_reboot(w, "wall");
	reboot(w, 20 * MINUTE, -YEARS);
	pass(w, 5 * MINUTE);
	assert_asleep(w, "x");
	set_wall(w, YEARS, true); /* 35 minutes since it began */
	assert_wakes_after(w, "x", 24 * MINUTE);
	rw_end(w);
}

static void wall_fires_when_the_lost_clock_is_set_and_it_is_past_due(void **state)
{
	struct runtime_world *w = *state;

	after_reboot(w, "wall");
	reboot(w, 3 * HOUR, -YEARS);
	assert_asleep(w, "x");
	set_wall(w, YEARS, true);
	rw_expect(w, "x", "woke");
	rw_end(w);
}

/* The clock of a device without a battery is set minutes after each boot: the time at which a delay ends was written
 * before that, by a clock that was years behind. */
static void wall_knows_that_the_clock_was_set_after_a_delay_began(void **state)
{
	struct runtime_world *w = *state;

	rw_wall_clock(wall = -YEARS / 5);
	after_reboot(w, "wall");
	set_wall(w, YEARS / 5, true);
	start_sleeper(w, "y");
	pass(w, 5 * MINUTE);
	reboot(w, 5 * MINUTE, -YEARS / 5);
	assert_asleep(w, "x");
	set_wall(w, YEARS / 5, true); /* 20 minutes since it began */
	assert_wakes_after(w, "x", 39 * MINUTE);
	assert_wakes_after(w, "y", 8 * MINUTE);
	rw_end(w);
}

static void wall_knows_that_a_clock_in_the_future_was_set_back(void **state)
{
	struct runtime_world *w = *state;

	rw_wall_clock(wall = YEARS);
	after_reboot(w, "wall");
	set_wall(w, -YEARS, false); /* seen by the next turn */
	start_sleeper(w, "y");
	reboot(w, 20 * MINUTE, 0);
	assert_wakes_after(w, "x", 29 * MINUTE);
	assert_wakes_after(w, "y", 8 * MINUTE);
	rw_end(w);
}

static void wall_knows_of_a_clock_that_was_set_while_no_runtime_was_there(void **state)
{
	struct runtime_world *w = *state;

	rw_wall_clock(wall = -YEARS / 5);
	after_reboot(w, "wall");
	rw_end(w);
	rw_wall_clock(wall = 0);
	rw_begin(w);
	reboot(w, 20 * MINUTE, 0);
	assert_wakes_after(w, "x", 29 * MINUTE);
	rw_end(w);
}

static void wall_begins_a_delay_anew_of_which_nobody_knows_when_it_began(void **state)
{
	struct runtime_world *w = *state;

	rw_wall_clock(wall = -(rw_os()->real_ns(rw_os()->self) / 1000000)); /* 1970 */
	after_reboot(w, "wall");
	reboot(w, 0, -10 * MINUTE); /* 1970 again */
	assert_asleep(w, "x");
	pass(w, 5 * MINUTE);
	set_wall(w, -wall, true);
	assert_asleep(w, "x");
	pass(w, 30 * MINUTE);
	set_wall(w, MINUTE, true); /* that does not begin it once more */
	assert_wakes_after(w, "x", 29 * MINUTE);
	rw_end(w);
}

static void wall_counts_over_several_reboots(void **state)
{
	struct runtime_world *w = *state;

	after_reboot(w, "wall");
	for (unsigned n = 0; n < 4; n++) {
		reboot(w, 5 * MINUTE, 0);
		pass(w, 5 * MINUTE);
	}
	assert_wakes_after(w, "x", 9 * MINUTE); /* 50 minutes are over */
	rw_end(w);
}

static void restart_waits_the_whole_delay_anew(void **state)
{
	struct runtime_world *w = *state;

	after_reboot(w, "restart");
	reboot(w, 10 * DAY, YEARS);
	pass(w, 50 * MINUTE);
	assert_asleep(w, "x");
	reboot(w, 10 * DAY, -2 * YEARS);
	set_wall(w, 3 * YEARS, true);
	assert_wakes_after(w, "x", 59 * MINUTE);
	rw_end(w);
}

static void fire_fires_at_once(void **state)
{
	struct runtime_world *w = *state;

	after_reboot(w, "fire");
	reboot(w, 0, -YEARS);
	rw_expect(w, "x", "woke");
	rw_end(w);
}

/* ---- calendar times ---- */

static void start_until(struct runtime_world *w, const char *id, int64_t from_now_ms)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld", (long long)(rw_os()->real_ns(rw_os()->self) + from_now_ms * 1000000));
	rw_start(w, "until", id, text);
	rw_await_count(w, id, EVENT_TimerCreated, 1);
}

static void a_calendar_time_comes_with_the_wall_clock(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	start_until(w, "x", HOUR);
	pass(w, 59 * MINUTE);
	assert_asleep(w, "x");
	pass(w, 2 * MINUTE);
	rw_expect(w, "x", "it is time");
	start_until(w, "y", -HOUR);
	rw_expect(w, "y", "it is time");
	rw_end(w);
}

static void a_calendar_time_waits_for_a_wall_clock_that_stands_or_is_set_back(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	start_until(w, "x", HOUR);
	rw_settle(w);
	rw_boot_clock(boot += 2 * HOUR);
	look(w);
	assert_asleep(w, "x");
	set_wall(w, -HOUR, false);
	pass(w, 119 * MINUTE);
	assert_asleep(w, "x");
	pass(w, 2 * MINUTE);
	rw_expect(w, "x", "it is time");
	rw_end(w);
}

static void a_calendar_time_comes_when_the_wall_clock_is_set_to_it(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	start_until(w, "x", 10 * DAY);
	start_until(w, "y", 20 * DAY);
	set_wall(w, 11 * DAY, true);
	rw_expect(w, "x", "it is time");
	assert_asleep(w, "y");
	set_wall(w, -15 * DAY, true);
	assert_asleep(w, "y");
	set_wall(w, 24 * DAY + HOUR, true);
	rw_expect(w, "y", "it is time");
	rw_end(w);
}

static void a_calendar_time_holds_over_a_reboot_whatever_the_policy(void **state)
{
	static const char *const policies[] = { "wall", "restart", "fire" };
	struct runtime_world *w = *state;

	for (unsigned n = 0; n < 3; n++) {
		char yaml[64], id[16];
		snprintf(yaml, sizeof(yaml), "timers:\n  after_reboot: %s\n", policies[n]);
		rw_config(w, yaml);
		snprintf(id, sizeof(id), "x%u", n);
		rw_begin(w);
		start_until(w, id, DAY);
		reboot(w, 12 * HOUR, -YEARS);
		pass(w, DAY);
		assert_asleep(w, id);
		set_wall(w, YEARS - DAY, true);
		pass(w, 11 * HOUR);
		assert_asleep(w, id);
		pass(w, 2 * HOUR);
		rw_expect(w, id, "it is time");
		rw_end(w);
	}
}

static void calendar_times_at_the_ends_of_time_do_not_overflow(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "until", "x", "-9223372036854775808");
	rw_expect(w, "x", "it is time");
	rw_start(w, "until", "y", "9223372036854775807");
	rw_await_count(w, "y", EVENT_TimerCreated, 1);
	pass(w, YEARS);
	assert_asleep(w, "y");
	set_wall(w, -3 * YEARS, true);
	assert_asleep(w, "y");
	rw_restart(w);
	assert_asleep(w, "y");
	set_wall(w, -(rw_os()->real_ns(rw_os()->self) / 1000000), true); /* a device that begins in 1970 */
	assert_asleep(w, "y");
	rw_start(w, "until", "z", "-9223372036854775808");
	rw_expect(w, "z", "it is time");
	rw_end(w);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, rw_teardown)
#define on_disk(name) cmocka_unit_test_setup_teardown(name, setup_disk, rw_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_jump_of_the_wall_clock_neither_fires_a_delay_early_nor_hangs_it),
		test(a_restart_without_a_reboot_keeps_what_is_left_whatever_the_policy_and_the_wall_clock),
		test(delays_go_off_in_the_order_of_their_times),
		test(many_delays_each_go_off_when_they_are_due),
		test(a_delay_below_zero_is_none_and_the_longest_one_does_not_overflow),
		test(a_retry_waits_its_time_over_a_restart_and_a_jump_of_the_wall_clock),
		test(wall_counts_the_time_that_the_device_was_off),
		test(wall_is_the_default),
		test(wall_fires_at_once_what_went_by_while_the_device_was_off),
		test(wall_waits_no_longer_than_the_whole_delay_when_the_clock_was_lost),
		test(wall_looks_again_when_the_lost_clock_is_set),
		test(wall_fires_when_the_lost_clock_is_set_and_it_is_past_due),
		on_disk(wall_knows_that_the_clock_was_set_after_a_delay_began),
		on_disk(wall_knows_that_a_clock_in_the_future_was_set_back),
		on_disk(wall_knows_of_a_clock_that_was_set_while_no_runtime_was_there),
		test(wall_begins_a_delay_anew_of_which_nobody_knows_when_it_began),
		test(wall_counts_over_several_reboots),
		test(restart_waits_the_whole_delay_anew),
		test(fire_fires_at_once),
		test(a_calendar_time_comes_with_the_wall_clock),
		test(a_calendar_time_waits_for_a_wall_clock_that_stands_or_is_set_back),
		test(a_calendar_time_comes_when_the_wall_clock_is_set_to_it),
		test(a_calendar_time_holds_over_a_reboot_whatever_the_policy),
		test(calendar_times_at_the_ends_of_time_do_not_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
