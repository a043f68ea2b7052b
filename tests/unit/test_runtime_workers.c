/* test_runtime_workers.c - activities for workers outside of the runtime; the test is the worker, through a second opening of
 * the hub in memory. And how attempts end: kinds, dead letters, held ones, planned reboots, messages. */
#include "unit/activity_world.h"
#include <sys/wait.h>
#include <unistd.h>

static char item_id[PAWL_WORK_ID_MAX + 1], item_key[160];
static uint32_t item_attempt;

/* Waits until there is something; false: in vain. */
static bool claim_as(struct runtime_world *w, const char *worker, const char *tag)
{
	const char *tags[] = { tag, NULL };
	struct pawl_work_wanted wanted = { .tags = tag ? tags : NULL, .worker = worker };
	struct pawl_work_item *item = NULL;

	if (w->client->ops->await_work(w->client, &wanted, BOUND_S * 1000, NULL) < 0 || w->client->ops->claim(w->client, &wanted, &item, NULL) < 0)
		return false;
	snprintf(item_id, sizeof(item_id), "%s", item->id);
	snprintf(item_key, sizeof(item_key), "%s %s", item->activity, item->key);
	item_attempt = item->attempt;
	free(item);
	return true;
}

#define claim(w) assert_true(claim_as((w), "bob", NULL))

static int finish_as(struct runtime_world *w, const char *worker, int code, const char *output, int64_t delay_ms)
{
	return w->client->ops->finish(w->client, item_id, worker, code, output, strlen(output), output, delay_ms, NULL);
}

#define end_item(w, code, output) assert_int_equal(finish_as((w), "bob", (code), (output), 0), 0)

static int count_item(void *arg, const struct pawl_work_status *s)
{
	(void)s;
	++*(unsigned *)arg;
	return 0;
}

static unsigned items(struct runtime_world *w)
{
	unsigned count = 0;

	assert_int_equal(w->client->ops->each_work(w->client, false, NULL, count_item, &count, NULL), 0);
	return count;
}

#define OUTSIDE "activities:\n  job: { run_by: worker"
#define JOB "job 5 0 - 1"

static void begin(struct runtime_world *w, const char *yaml, const char *input)
{
	rw_config(w, yaml);
	rw_begin(w);
	rw_start(w, "all_of", "x", input);
}

/* ---- outcomes ---- */

static void what_a_worker_finishes_is_the_result_once_and_leaves_the_queue(void **state)
{
	struct runtime_world *w = *state;

	begin(w, OUTSIDE " }\n", JOB);
	claim(w);
	assert_string_equal(item_key, "job x/1/2");
	end_item(w, 0, "made\n");
	rw_expect(w, "x", "made");
	rw_settle(w);
	assert_int_equal(items(w), 0);
	assert_true(finish_as(w, "bob", 0, "again", 0) == PAWL_ENOTFOUND);
	rw_end(w);
}

static void exit_codes_mean_what_they_mean_for_programs(void **state)
{
	struct runtime_world *w = *state;

	begin(w, OUTSIDE ", retry: { max_attempts: 3 } }\n", JOB);
	claim(w);
	end_item(w, 3, "broke");
	rw_await_count(w, "x", EVENT_ActivityRetrying, 1);
	rw_pass(w, 1001);
	claim(w);
	assert_int_equal(item_attempt, 2);
	assert_int_equal(finish_as(w, "bob", 75, "no link", 7000), 0);
	rw_await_log("is deferred, next look");
	rw_pass(w, 7001);
	claim(w);
	assert_int_equal(item_attempt, 2); /* no attempt */
	end_item(w, 100, "never");
	rw_expect(w, "x", "!process/exit:100");
	assert_letter(w, "exit:100: never");
	assert_letter(w, "\"job\"");
	rw_end(w);
}

static void one_failure_of_one_attempt_is_no_dead_letter(void **state)
{
	struct runtime_world *w = *state;

	begin(w, OUTSIDE " }\n", JOB ";flaky 5 0 - 0;flaky 5 0 - 2");
	claim(w);
	end_item(w, 1, "broke");
	rw_expect(w, "x", "!process/exit:1 !application/never !application/flaky");
	assert_no_letter(w);
	rw_end(w);
}

static void what_is_given_back_is_anothers_at_the_same_attempt(void **state)
{
	struct runtime_world *w = *state;

	begin(w, OUTSIDE " }\n", JOB);
	claim(w);
	rw_settle(w);
	assert_int_equal(w->client->ops->give_back(w->client, item_id, "bob", NULL), 0);
	assert_true(claim_as(w, "alice", NULL));
	assert_int_equal(item_attempt, 1);
	assert_int_equal(finish_as(w, "bob", 0, "mine", 0), PAWL_ENOTFOUND);
	assert_int_equal(finish_as(w, "alice", 0, "hers", 0), 0);
	rw_expect(w, "x", "hers");
	rw_end(w);
}

/* ---- time ---- */

static void a_silent_worker_loses_its_work_which_ends_as_poison(void **state)
{
	struct runtime_world *w = *state;

	begin(w, OUTSIDE ", heartbeat: 10s, stuck_max: 2 }\n", JOB);
	claim(w);
	rw_settle(w);
	rw_pass(w, 10001);
	rw_await_count(w, "x", EVENT_ActivityRetrying, 1);
	assert_int_equal(finish_as(w, "bob", 0, "late", 0), PAWL_ENOTFOUND);
	rw_pass(w, 1001);
	claim(w);
	assert_int_equal(item_attempt, 2);
	rw_settle(w);
	rw_pass(w, 10001);
	rw_expect(w, "x", "!poison/heartbeat");
	assert_letter(w, "gives no heartbeat");
	rw_end(w);
}

/* The wall clock stands still meanwhile: the heartbeat is a time of it. */
static void one_that_beats_its_heart_keeps_it(void **state)
{
	struct runtime_world *w = *state;

	begin(w, OUTSIDE ", heartbeat: 10s, stuck_max: 1 }\n", JOB);
	claim(w);
	for (int64_t ms = 6000; ms <= 30000; ms += 6000) {
		rw_settle(w);
		rw_boot_clock(ms);
		assert_int_equal(w->client->ops->renew(w->client, item_id, "bob", NULL, NULL), 0);
		rw_pass(w, 0);
	}
	rw_settle(w);
	assert_int_equal(rw_count(w, "x", EVENT_ActivityFailed), 0);
	end_item(w, 0, "kept");
	rw_expect(w, "x", "kept");
	rw_end(w);
}

static void one_that_takes_too_long_is_a_timeout(void **state)
{
	struct runtime_world *w = *state;

	begin(w, OUTSIDE ", timeout: 10s, stuck_max: 1 }\n", JOB);
	claim(w);
	rw_settle(w);
	rw_pass(w, 10001);
	rw_expect(w, "x", "!timeout/timeout");
	assert_int_equal(items(w), 0);
	assert_letter(w, "has taken longer than the limit");
	rw_end(w);
}

static void a_worker_whose_process_is_gone_has_lost_it_at_once(void **state)
{
	struct runtime_world *w = *state;
	char pid[16];
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0)
		_exit(0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	snprintf(pid, sizeof(pid), "%d", (int)child);
	begin(w, OUTSIDE ", stuck_max: 1 }\n", JOB);
	assert_true(claim_as(w, pid, NULL));
	rw_expect(w, "x", "!poison/gone");
	rw_end(w);
}

static void one_that_nobody_claims_in_time_fails_and_one_that_is_claimed_does_not(void **state)
{
	struct runtime_world *w = *state;

	begin(w, OUTSIDE ", schedule_to_start: 10s }\n", "job 1 0 - 1;job 9 0 - 2");
	claim(w);
	rw_settle(w);
	rw_pass(w, 10001);
	rw_await_count(w, "x", EVENT_ActivityFailed, 1);
	rw_pass(w, 10001);
	rw_settle(w);
	end_item(w, 0, "in time");
	rw_expect(w, "x", "in time !timeout/schedule-to-start");
	rw_end(w);
}

static void the_time_to_close_takes_it_back(void **state)
{
	struct runtime_world *w = *state;

	begin(w, OUTSIDE ", schedule_to_close: 10s }\n", JOB);
	claim(w);
	rw_settle(w);
	rw_pass(w, 10001);
	rw_expect(w, "x", "!timeout/schedule-to-close");
	assert_int_equal(finish_as(w, "bob", 0, "late", 0), PAWL_ENOTFOUND);
	rw_end(w);
}

static void what_is_canceled_leaves_the_queue_claimed_or_not(void **state)
{
	struct runtime_world *w = *state;

	rw_config(w, OUTSIDE " }\n");
	rw_begin(w);
	rw_start(w, "directed", "x", "job 1 0 - 1;job 9 0 - 2");
	claim(w);
	rw_settle(w);
	rw_raise(w, "x", "do", "0");
	rw_raise(w, "x", "do", "1");
	rw_raise(w, "x", "do", "end");
	rw_expect(w, "x", "!canceled/ !canceled/");
	assert_int_equal(items(w), 0);
	assert_int_equal(finish_as(w, "bob", 0, "late", 0), PAWL_ENOTFOUND);
	rw_end(w);
}

/* ---- the runtime is not there ---- */

static void a_restart_finds_it_ready_claimed_or_done_and_takes_the_result_once(void **state)
{
	struct runtime_world *w = *state;
	struct pawl_provider_options options = { .hub = w->hub, .allow_volatile = true };
	struct pawl_provider *other;

	begin(w, OUTSIDE " }\n", JOB);
	await_look(items(w) == 1);
	rw_restart(w); /* ready */
	claim(w);
	rw_restart(w); /* claimed */
	assert_int_equal(items(w), 1);
	assert_int_equal(w->client->ops->open(&options, &other, NULL), 0);
	assert_int_equal(rw_stop(w), 0);
	assert_int_equal(other->ops->finish(other, item_id, "bob", 0, "done alone", 10, "", 0, NULL), 0);
	other->ops->close(other);
	rw_close(w);
	rw_begin(w); /* done */
	rw_expect(w, "x", "done alone");
	rw_settle(w);
	assert_int_equal(items(w), 0);
	rw_restart(w);
	assert_int_equal(items(w), 0);
	rw_end(w);
}

/* The other would pass for a later attempt's once it is the only one. */
static void of_two_items_of_one_activity_a_start_keeps_one(void **state)
{
	struct runtime_world *w = *state;
	const struct pawl_work_item item = { .instance = "x", .activity = "job", .key = "x/1/2", .execution = 1, .seq = 2, .attempt = 1, .priority = 5 };
	struct pawl_provider_options options = { .hub = w->hub, .allow_volatile = true };
	struct pawl_provider *other;
	char id[PAWL_WORK_ID_MAX + 1];

	begin(w, OUTSIDE " }\n", JOB);
	await_look(items(w) == 1);
	assert_int_equal(w->client->ops->open(&options, &other, NULL), 0);
	rw_end(w);
	assert_int_equal(other->ops->acquire(other, NULL), 0);
	assert_int_equal(other->ops->offer(other, &item, id, NULL), 0);
	other->ops->close(other);
	rw_begin(w);
	assert_int_equal(items(w), 1);
	claim(w);
	assert_string_equal(item_id, id);
	end_item(w, 0, "made");
	rw_expect(w, "x", "made");
	rw_end(w);
}

static void of_an_instance_that_has_ended_nothing_is_left_in_the_queue(void **state)
{
	struct runtime_world *w = *state;

	begin(w, OUTSIDE " }\n", JOB);
	claim(w);
	assert_int_equal(rw_send(w, PAWL_MESSAGE_TERMINATE, "x", NULL, NULL), 0);
	rw_expect_end(w, "x", PAWL_ECANCELED, "terminated");
	await_look(items(w) == 0);
	rw_end(w);
}

/* ---- who may have it ---- */

static void tags_go_to_workers_that_have_them_or_to_a_runtime_that_serves_them(void **state)
{
	struct runtime_world *w = *state;

	begin(w, "workers: { tags: [here] }\n", "flaky 5 0 here 1;flaky 5 0 there 1");
	assert_true(claim_as(w, "bob", "there"));
	end_item(w, 0, "from there");
	rw_expect(w, "x", "attempt 1 from there");
	rw_end(w);
}

static void what_nobody_has_waits_for_a_worker_and_for_its_registration(void **state)
{
	struct runtime_world *w = *state;

	begin(w, "log_level: info\n", "nobody 5 0 - 1");
	rw_await_note(w, "x", "'nobody', which is not registered");
	claim(w);
	rw_await_note(w, "x", NULL);
	assert_int_equal(w->client->ops->give_back(w->client, item_id, "bob", NULL), 0);
	rw_await_note(w, "x", "'nobody'");
	claim(w);
	rw_await_note(w, "x", NULL);
	/* while somebody has it, it is not reported again at each look for a registration */
	for (int n = 0; n < 3; n++)
		rw_pass(w, 11000);
	assert_null(rw_note(w, "x"));
	end_item(w, 0, "by hand");
	rw_expect(w, "x", "by hand");
	rw_end(w);
}

static void a_note_of_what_nobody_has_goes_with_it(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "directed", "x", "nobody 5 0 - 1");
	rw_await_note(w, "x", "'nobody'");
	rw_raise(w, "x", "do", "0");
	rw_await_note(w, "x", NULL);
	rw_end(w);
}

static void outside_work_is_deferred_by_the_limits_of_the_hub(void **state)
{
	struct runtime_world *w = *state;

	begin(w, "pressure: { memory_min: 200MiB }\n" OUTSIDE " }\n", JOB);
	rw_await_log("is deferred, next look");
	assert_int_equal(items(w), 0);
	atomic_store(&memory_mib, 300);
	rw_pass(w, 5001);
	claim(w);
	assert_int_equal(item_attempt, 1);
	end_item(w, 0, "fine");
	rw_expect(w, "x", "fine");
	rw_end(w);
}

/* ---- held ---- */

static void one_that_is_held_is_not_told_and_goes_on_when_requeued_also_after_a_restart(void **state)
{
	struct runtime_world *w = *state;

	begin(w, OUTSIDE ", dead_letter: hold }\n", JOB);
	claim(w);
	end_item(w, 9, "broke");
	rw_await_log("which is held");
	assert_letter(w, "broke");
	rw_restart(w);
	rw_settle(w);
	assert_int_equal(items(w), 0);
	assert_int_equal(requeue(w, "x", "2"), 0);
	claim(w);
	assert_no_letter(w);
	rw_log_forget();
	end_item(w, 9, "broke again");
	rw_await_log("which is held");
	assert_int_equal(requeue(w, "x", "2"), 0);
	claim(w);
	end_item(w, 0, "at last");
	rw_expect(w, "x", "at last");
	assert_no_letter(w);
	rw_end(w);
}

static void new_attempts_of_one_that_was_held_get_all_of_their_time(void **state)
{
	struct runtime_world *w = *state;

	begin(w, OUTSIDE ", dead_letter: hold, schedule_to_close: 10s }\n", JOB);
	rw_settle(w);
	rw_pass(w, 10001);
	rw_await_log("which is held");
	rw_log_forget();
	rw_pass(w, 60000);
	assert_int_equal(requeue(w, "x", "2"), 0);
	rw_await_log("gets new attempts");
	rw_pass(w, 1);
	claim(w);
	rw_settle(w);
	rw_pass(w, 9000);
	rw_settle(w);
	end_item(w, 0, "at last");
	rw_expect(w, "x", "at last");
	rw_end(w);
}

/* ---- a planned reboot ---- */

static void after_the_reboot_it_is_done_with_its_output(void **state)
{
	struct runtime_world *w = *state;

	begin(w, "reboot: { timeout: 10m }\n", "rebooter 5 0 - 1");
	rw_await_count(w, "x", EVENT_ActivityRebooting, 1);
	rw_start(w, "all_of", "y", "flaky 5 0 - 1");
	rw_restart(w); /* of the runtime alone */
	rw_settle(w);
	assert_order("1"); /* nothing new is begun */
	rw_boot_id("22222222-0000-4000-8000-000000000000");
	rw_restart(w);
	rw_expect(w, "x", "slot 1");
	rw_expect(w, "y", "attempt 1");
	assert_order("11");
	rw_end(w);
}

static void a_reboot_that_does_not_come_is_a_failure_that_the_policy_decides_on(void **state)
{
	struct runtime_world *w = *state;

	begin(w, "reboot: { timeout: 10m }\nactivities:\n  rebooter: { retry: { max_attempts: 2 } }\n", "rebooter 5 0 - 1");
	rw_await_count(w, "x", EVENT_ActivityRebooting, 1);
	rw_start(w, "all_of", "y", "rebooter 5 1 - 2");
	rw_pass(w, 599000);
	rw_settle(w);
	assert_order("1");
	rw_pass(w, 1001);
	rw_await_count(w, "y", EVENT_ActivityRebooting, 1);
	expect_in_time(w, "y", 300000, "!timeout/no-reboot");
	expect_in_time(w, "x", 1001, "without a reboot");
	rw_end(w);
}

/* ---- messages ---- */

static void messages_reach_every_attempt_from_its_beginning_on(void **state)
{
	struct runtime_world *w = *state;

	rw_config(w, "workers: { running_max: 1 }\nactivities:\n  listen_to: { retry: { max_attempts: 2 } }\n");
	rw_begin(w);
	rw_start(w, "directed", "x", "hold 1 0 - 0;listen_to 5 0 - 1");
	gate_await(&gates[0], 1);
	rw_raise(w, "x", "do", "1 a"); /* before */
	gate_open(&gates[0]);
	await_order("01");
	rw_raise(w, "x", "do", "1 b"); /* meanwhile */
	rw_raise(w, "x", "do", "1 fail");
	rw_await_count(w, "x", EVENT_ActivityRetrying, 1);
	rw_raise(w, "x", "do", "1 c"); /* between */
	rw_pass(w, 1001);
	await_order("011");
	rw_raise(w, "x", "do", "1 end");
	rw_raise(w, "x", "do", "end");
	rw_expect(w, "x", "0 2:abfailc");
	rw_end(w);
}

static void an_attempt_does_not_begin_without_its_messages(void **state)
{
	struct runtime_world *w = *state;

	rw_config(w, "workers: { running_max: 1 }\n");
	rw_begin(w);
	rw_start(w, "directed", "x", "hold 1 0 - 0;listen_to 5 0 - 1");
	gate_await(&gates[0], 1);
	rw_raise(w, "x", "do", "1 a");
	rw_raise(w, "x", "do", "1 end");
	rw_lock();
	rw_storage.read_code = PAWL_EIO;
	rw_storage.read_times = 1;
	rw_unlock();
	gate_open(&gates[0]);
	rw_await_log("cannot start activity 'listen_to' of 'x' yet");
	rw_raise(w, "x", "do", "end");
	rw_pass(w, 1001);
	rw_expect(w, "x", "0 1:a");
	rw_end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		activity_test(what_a_worker_finishes_is_the_result_once_and_leaves_the_queue),
		activity_test(exit_codes_mean_what_they_mean_for_programs),
		activity_test(one_failure_of_one_attempt_is_no_dead_letter),
		activity_test(what_is_given_back_is_anothers_at_the_same_attempt),
		activity_test(a_silent_worker_loses_its_work_which_ends_as_poison),
		activity_test(one_that_beats_its_heart_keeps_it),
		activity_test(one_that_takes_too_long_is_a_timeout),
		activity_test(a_worker_whose_process_is_gone_has_lost_it_at_once),
		activity_test(one_that_nobody_claims_in_time_fails_and_one_that_is_claimed_does_not),
		activity_test(the_time_to_close_takes_it_back),
		activity_test(what_is_canceled_leaves_the_queue_claimed_or_not),
		activity_test(a_restart_finds_it_ready_claimed_or_done_and_takes_the_result_once),
		activity_test(of_two_items_of_one_activity_a_start_keeps_one),
		activity_test(of_an_instance_that_has_ended_nothing_is_left_in_the_queue),
		activity_test(tags_go_to_workers_that_have_them_or_to_a_runtime_that_serves_them),
		activity_test(what_nobody_has_waits_for_a_worker_and_for_its_registration),
		activity_test(a_note_of_what_nobody_has_goes_with_it),
		activity_test(outside_work_is_deferred_by_the_limits_of_the_hub),
		activity_test(one_that_is_held_is_not_told_and_goes_on_when_requeued_also_after_a_restart),
		activity_test(new_attempts_of_one_that_was_held_get_all_of_their_time),
		activity_test(after_the_reboot_it_is_done_with_its_output),
		activity_test(a_reboot_that_does_not_come_is_a_failure_that_the_policy_decides_on),
		activity_test(messages_reach_every_attempt_from_its_beginning_on),
		activity_test(an_attempt_does_not_begin_without_its_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
