/* test_runtime_continue.c - an instance that continues as new, in a runtime that is stopped, killed and looked at: no event
 * is lost or taken twice, whatever happens between two executions. */
#include "unit/runtime_world.h"
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

static struct gate gate;
static atomic_uint runs, gave_up, loops;
static atomic_bool has_second;

/* ---- what runs ---- */

/* Its input is what it has got so far; each execution takes one event. */
static int tally(pawl_ctx *ctx, const char *input)
{
	const char *item = pawl_wait_event(ctx, "item", -1);

	if (strcmp(item, "end") == 0)
		return pawl_return(ctx, input);
	pawl_set_status(ctx, item);
	return pawl_continue_as_new(ctx, pawl_printf(ctx, "%s%s ", input, item));
}
PAWL_ORCHESTRATION(tally, "1.0");

/* Two waits for the same name in an any, so that one puts back what it has got; an activity and a timer stay open. */
static int greedy(pawl_ctx *ctx, const char *input)
{
	pawl_task *a = pawl_event(ctx, "item"), *b = pawl_event(ctx, "item");

	(void)pawl_activity(ctx, "count_run", NULL);
	(void)pawl_timer(ctx, PAWL_HOURS(1));
	const char *item = pawl_result(pawl_first(ctx, a, b));
	if (strcmp(item, "end") == 0)
		return pawl_return(ctx, input);
	return pawl_continue_as_new(ctx, pawl_printf(ctx, "%s%s ", input, item));
}
PAWL_ORCHESTRATION(greedy, "1.0");

static int count_run(pawl_work *work, const char *input)
{
	(void)input;
	atomic_fetch_add(&runs, 1);
	return pawl_work_return(work, "%s", "");
}
PAWL_ACTIVITY(count_run);

/* Counts down without waiting for anything. */
static int countdown(pawl_ctx *ctx, const char *input)
{
	int n = atoi(input);

	atomic_fetch_add(&loops, 1);
	return n == 0 ? pawl_return(ctx, pawl_printf(ctx, "execution %d", (int)pawl_execution(ctx))) :
			pawl_continue_as_new(ctx, pawl_printf(ctx, "%d", n - 1));
}
PAWL_ORCHESTRATION(countdown, "1.0");

/* Line 2 of its first execution is an activity that takes long; line 2 of its second one too. */
static int impatient(pawl_ctx *ctx, const char *input)
{
	pawl_task *work = pawl_activity(ctx, *input ? "through" : "obedient", input), *go = pawl_event(ctx, "go");

	if (!*input) {
		(void)pawl_await(ctx, go);
		return pawl_continue_as_new(ctx, "again");
	}
	const char *result = pawl_await(ctx, work);
	return result ? pawl_return(ctx, result) : pawl_rethrow(ctx);
}
PAWL_ORCHESTRATION(impatient, "1.0");

static int obedient(pawl_work *work, const char *input)
{
	long looks = 0;

	(void)input;
	rw_lock();
	gate.came++;
	rw_ring();
	rw_unlock();
	while (!pawl_work_is_cancelled(work) && rw_look_again(&looks))
		;
	atomic_fetch_add(&gave_up, 1);
	return pawl_work_return(work, "late: execution %d", (int)pawl_work_execution(work));
}
PAWL_ACTIVITY(obedient);

static int through(pawl_work *work, const char *input)
{
	(void)input;
	if (!gate_pass(&gate))
		return pawl_work_fail(work, "hung", "the gate stayed closed");
	return pawl_work_return(work, "%s", pawl_work_key(work));
}
PAWL_ACTIVITY(through);

static int old_version(pawl_ctx *ctx, const char *input)
{
	return pawl_continue_as_new_with(ctx, input, &(pawl_continue_options){ .version = "2.0" });
}
PAWL_ORCHESTRATION_NAMED("upgraded", old_version, "1.0");

static int stubborn(pawl_ctx *ctx, const char *input)
{
	(void)input;
	(void)pawl_wait_event(ctx, "go", -1);
	if (pawl_execution(ctx) > 1 && pawl_is_cancelled(ctx))
		return pawl_return(ctx, pawl_printf(ctx, "canceled in execution %d", (int)pawl_execution(ctx)));
	return pawl_continue_as_new(ctx, NULL);
}
PAWL_ORCHESTRATION(stubborn, "1.0");

static int setup(void **state)
{
	gate = (struct gate){ 0 };
	atomic_store(&runs, 0);
	atomic_store(&gave_up, 0);
	atomic_store(&loops, 0);
	atomic_store(&has_second, false);
	return rw_setup(state);
}

static int setup_disk(void **state)
{
	(void)setup(state);
	(void)rw_teardown(state);
	return rw_setup_disk(state);
}

static void send_item(struct runtime_world *w, const char *id, const char *item)
{
	assert_int_equal(rw_send(w, PAWL_MESSAGE_RAISE, id, "item", item), 0);
}

static void expect_history(struct runtime_world *w, const char *id, uint64_t execution, const char *part)
{
	char *text = rw_history(w, id, execution);

	if (!strstr(text, part))
		fail_msg("execution %d of '%s' has no '%s': %s", (int)execution, id, part, text);
	free(text);
}

/* ---- one after the other ---- */

static void count_up(struct runtime_world *w, const char *type)
{
	struct buf all = BUF_INIT;
	char item[16];

	rw_begin(w);
	rw_start(w, type, "x", "");
	for (int n = 0; n < 40; n++) {
		snprintf(item, sizeof(item), "%d", n);
		buf_addf(&all, "%d ", n);
		rw_raise(w, "x", "item", item);
	}
	rw_raise(w, "x", "item", "end");
	rw_expect(w, "x", buf_str(&all));
	expect_history(w, "x", 1, "ExecutionContinuedAsNew");
	expect_history(w, "x", 40, "\"execution\":40");
	expect_history(w, "x", 41, "ExecutionCompleted");
	expect_history(w, "x", 0, "ExecutionCompleted");
	rw_end(w);
	buf_release(&all);
}

static void each_execution_takes_one_event_and_all_are_taken_in_order(void **state)
{
	count_up(*state, "tally");
}

static void the_same_without_stacks(void **state)
{
	struct runtime_world *w = *state;

	w->options.replay_only = true;
	count_up(w, "tally");
}

static void the_same_with_open_waits_activities_and_timers(void **state)
{
	count_up(*state, "greedy");
}

static void the_status_is_carried_and_a_waiter_goes_on_waiting(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "tally", "x", "");
	rw_raise(w, "x", "item", "a");
	rw_settle(w);
	rw_settle(w);
	expect_history(w, "x", 2, "\"status\":\"a\"");
	assert_int_equal(pawl_wait(w->rt, "x", 10, NULL, NULL), PAWL_ETIMEOUT);
	rw_raise(w, "x", "item", "end");
	rw_expect(w, "x", "a ");
	rw_end(w);
}

static void a_request_to_cancel_is_not_forgotten(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "stubborn", "x", NULL);
	rw_settle(w);
	assert_int_equal(rw_send(w, PAWL_MESSAGE_CANCEL, "x", NULL, NULL), 0);
	rw_await_count(w, "x", EVENT_ExecutionContinuedAsNew, 1);
	rw_expect(w, "x", "canceled in execution 2");
	rw_end(w);
}

/* ---- crashes ---- */

/* The runtime dies with the kth commit, before or after it has become durable, again and again until all is done. */
static void die_at_each(struct runtime_world *w, const char *type, bool durable, bool forget)
{
	for (int k = 1; k <= 9; k++) {
		char id[16], item[16];
		struct buf all = BUF_INIT;
		int sent = 0;

		snprintf(id, sizeof(id), "x%d", k);
		rw_begin(w);
		rw_start(w, type, id, "");
		for (int deaths = 0; deaths < 12; deaths++) {
			rw_lock();
			rw_storage.forget_acks = forget;
			rw_storage.die_durable = durable;
			rw_storage.die_at = k;
			rw_unlock();
			for (int n = 0; n <= k; n++, sent++) { /* enough for k commits: each is a turn of its own, or they share one */
				snprintf(item, sizeof(item), "%d", sent);
				buf_addf(&all, "%d ", sent);
				send_item(w, id, item);
				(void)pawl_wait(w->rt, "nobody", -1, NULL, NULL); /* it is taken, unless the runtime has died */
			}
			rw_lock();
			bool died = rw_storage.die_at == 0;
			rw_storage.die_at = 0;
			rw_unlock();
			if (died) {
				assert_int_equal(rw_join(w), PAWL_EFENCED);
				rw_close(w);
				rw_begin(w);
			}
		}
		rw_lock();
		rw_storage.forget_acks = false;
		rw_unlock();
		send_item(w, id, "end");
		rw_expect(w, id, buf_str(&all));
		rw_end(w);
		buf_release(&all);
	}
}

static void no_event_is_lost_or_doubled_when_it_dies_before_a_commit(void **state)
{
	die_at_each(*state, "tally", false, false);
}

static void nor_when_it_dies_behind_one(void **state)
{
	die_at_each(*state, "tally", true, false);
}

/* As after a power cut that takes back what was removed: all messages come again, of all executions. */
static void nor_when_the_removal_of_messages_is_lost_as_well(void **state)
{
	die_at_each(*state, "tally", true, true);
}

static void nor_without_stacks(void **state)
{
	struct runtime_world *w = *state;

	w->options.replay_only = true;
	die_at_each(w, "greedy", true, true);
}

static void nor_on_disk(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "tally", "x", "");
	for (int n = 0; n < 6; n++)
		send_item(w, "x", "a");
	rw_settle(w);
	rw_restart(w);
	send_item(w, "x", "end");
	rw_expect(w, "x", "a a a a a a ");
	rw_end(w);
}

static void an_execution_whose_code_has_not_begun_begins_after_a_restart(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "tally", "x", "");
	rw_lock();
	rw_storage.die_durable = true;
	rw_storage.die_at = 1;
	rw_unlock();
	send_item(w, "x", "a"); /* the commit with both executions */
	assert_int_equal(rw_join(w), PAWL_EFENCED);
	rw_close(w);
	expect_history(w, "x", 2, "\"input\":\"a \"");
	rw_begin(w);
	rw_settle(w);
	rw_raise(w, "x", "item", "end");
	rw_expect(w, "x", "a ");
	expect_history(w, "x", 2, "{\"seq\":2,\"type\":\"EventSubscribed\""); /* no time: of the first turn */
	rw_end(w);
}

/* ---- what is left of the execution before ---- */

static void a_late_result_of_the_execution_before_is_no_answer_to_the_same_line_of_the_next(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "impatient", "x", "");
	gate_await(&gate, 1);
	rw_raise(w, "x", "go", NULL);
	await_look(atomic_load(&gave_up) == 1);
	gate_await(&gate, 2);
	gate_open(&gate);
	rw_expect(w, "x", "x/2/2");
	rw_end(w);
}

/* ---- versions ---- */

static int new_version(pawl_ctx *ctx, const char *input)
{
	return pawl_return(ctx, pawl_printf(ctx, "2.0 of %s", input));
}

static void a_version_that_is_not_registered_parks_the_next_execution_and_is_found_after_a_reload(void **state)
{
	static pawl_registration second = { PAWL_ABI, "upgraded", "2.0", new_version, NULL, NULL, NULL };
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "upgraded", "x", "it");
	rw_await_note(w, "x", "version 2.0 is not registered");
	rw_restart(w);
	rw_await_note(w, "x", "version 2.0 is not registered");
	pawl_register(&second);
	rw_reload(w);
	rw_expect(w, "x", "2.0 of it");
	rw_end(w);
}

/* ---- loops ---- */

static void a_loop_that_does_not_wait_is_slowed_down_and_the_others_go_on(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "countdown", "x", "1000000");
	rw_await_log("it is slowed down");
	rw_start(w, "countdown", "y", "5");
	rw_expect(w, "y", "execution 6");
	assert_true(atomic_load(&loops) < 150);
	assert_int_equal(rw_send(w, PAWL_MESSAGE_TERMINATE, "x", NULL, NULL), 0);
	rw_expect_end(w, "x", PAWL_ECANCELED, "terminated");
	rw_end(w);
}

static void a_short_loop_is_not_slowed_down(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "countdown", "x", "99");
	rw_expect(w, "x", "execution 100");
	assert_false(rw_logged("it is slowed down"));
	rw_end(w);
}

static void events_that_wait_are_worked_off_at_full_speed(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "tally", "x", "");
	assert_int_equal(rw_send(w, PAWL_MESSAGE_SUSPEND, "x", NULL, NULL), 0);
	rw_await_count(w, "x", EVENT_ExecutionSuspended, 1);
	for (int n = 0; n < 250; n++)
		rw_raise(w, "x", "item", "");
	rw_raise(w, "x", "item", "end");
	assert_int_equal(rw_send(w, PAWL_MESSAGE_RESUME, "x", NULL, NULL), 0);
	char spaces[251] = "";
	memset(spaces, ' ', 250);
	spaces[250] = '\0';
	rw_expect(w, "x", spaces);
	assert_false(rw_logged("it is slowed down"));
	rw_end(w);
}

static void a_stop_does_not_wait_for_a_loop(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "countdown", "x", "1000000");
	rw_settle(w);
	rw_end(w);
	rw_begin(w);
	rw_await_log("it is slowed down");
	rw_end(w);
}

static void a_history_whose_next_execution_is_missing_is_set_aside(void **state)
{
	struct runtime_world *w = *state;
	char path[256];

	rw_begin(w);
	rw_start(w, "tally", "x", "");
	rw_raise(w, "x", "item", "a");
	rw_end(w);
	snprintf(path, sizeof(path), "%s/journal", w->hub);
	assert_int_equal(os_remove_tree(os_linux(), OS_CWD, path, 4), 0);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/instances/x/2.history", w->hub);
	assert_int_equal(unlink(path), 0);
	rw_begin(w);
	char *note = rw_note(w, "x");
	assert_non_null(note);
	assert_non_null(strstr(note, "the next one is not there"));
	free(note);
	rw_end(w);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, rw_teardown)
#define test_disk(name) cmocka_unit_test_setup_teardown(name, setup_disk, rw_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(each_execution_takes_one_event_and_all_are_taken_in_order),
		test(the_same_without_stacks),
		test(the_same_with_open_waits_activities_and_timers),
		test(the_status_is_carried_and_a_waiter_goes_on_waiting),
		test(a_request_to_cancel_is_not_forgotten),
		test(no_event_is_lost_or_doubled_when_it_dies_before_a_commit),
		test(nor_when_it_dies_behind_one),
		test(nor_when_the_removal_of_messages_is_lost_as_well),
		test(nor_without_stacks),
		test_disk(nor_on_disk),
		test_disk(each_execution_takes_one_event_and_all_are_taken_in_order),
		test(an_execution_whose_code_has_not_begun_begins_after_a_restart),
		test(a_late_result_of_the_execution_before_is_no_answer_to_the_same_line_of_the_next),
		test(a_version_that_is_not_registered_parks_the_next_execution_and_is_found_after_a_reload),
		test(a_loop_that_does_not_wait_is_slowed_down_and_the_others_go_on),
		test(a_short_loop_is_not_slowed_down),
		test(events_that_wait_are_worked_off_at_full_speed),
		test(a_stop_does_not_wait_for_a_loop),
		test_disk(a_history_whose_next_execution_is_missing_is_set_aside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
