/* test_runtime_revive.c - restart, rewind, retry and replace: what has ended or goes another way begins its next execution,
 * once, whatever crashes; what was done stays done. */
#include "unit/runtime_world.h"
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

static struct gate gate;
static atomic_uint runs[8];
static atomic_bool broken, new_code;
static char *first; /* the history of execution 1, as it was */

/* ---- what runs ---- */

static int step(pawl_work *work, const char *input)
{
	unsigned n = (unsigned)atoi(input) % 8;

	atomic_fetch_add(&runs[n], 1);
	if (n == 3 && atomic_load(&broken))
		return pawl_work_fail(work, "broken", "step %u is broken", n);
	return pawl_work_return(work, "%u", n);
}
PAWL_ACTIVITY(step);

static int patient(pawl_work *work, const char *input)
{
	(void)input;
	if (!gate_pass(&gate))
		return pawl_work_fail(work, "hung", "the gate stayed closed");
	return pawl_work_return(work, "%s", pawl_work_key(work));
}
PAWL_ACTIVITY(patient);

static int chain(pawl_ctx *ctx, const char *input)
{
	char *all = pawl_printf(ctx, "%s", input);

	for (int n = 1; n <= 4; n++) {
		const char *part = pawl_call(ctx, "step", pawl_printf(ctx, "%d", n));
		if (!part)
			return pawl_rethrow(ctx);
		all = pawl_printf(ctx, "%s %s", all, part);
	}
	return pawl_return(ctx, all);
}
PAWL_ORCHESTRATION(chain, "1.0");

/* All at once; the third fails, the others are done before it gives up. */
static int fan(pawl_ctx *ctx, const char *input)
{
	pawl_task *tasks[5];
	bool failed = false;

	(void)input;
	for (int n = 1; n <= 4; n++)
		tasks[n] = pawl_activity(ctx, "step", pawl_printf(ctx, "%d", n));
	for (int n = 1; n <= 4; n++)
		failed = !pawl_await(ctx, tasks[n]) || failed;
	if (!failed)
		return pawl_return(ctx, "all");
	(void)pawl_await(ctx, tasks[3]); /* for its failure */
	return pawl_rethrow(ctx);
}
PAWL_ORCHESTRATION(fan, "1.0");

static int stubborn(pawl_ctx *ctx, const char *input)
{
	const pawl_retry retry = { .max_attempts = 3, .first_ms = 1 };
	const char *text = pawl_await(ctx, pawl_activity_with(ctx, "step", input, &(pawl_call_options){ .retry = &retry }));

	return text ? pawl_return(ctx, text) : pawl_rethrow(ctx);
}
PAWL_ORCHESTRATION(stubborn, "1.0");

static int waiter(pawl_ctx *ctx, const char *input)
{
	(void)pawl_call(ctx, "step", "1");
	const char *a = pawl_wait_event(ctx, "a", -1);
	(void)pawl_call(ctx, "step", "2");
	const char *b = pawl_wait_event(ctx, "b", -1);
	return pawl_return(ctx, pawl_printf(ctx, "%s%s%s in execution %d", input, a, b, (int)pawl_execution(ctx)));
}
PAWL_ORCHESTRATION(waiter, "1.0");

static int slow(pawl_ctx *ctx, const char *input)
{
	(void)pawl_wait_event(ctx, "go", -1);
	const char *key = pawl_call(ctx, "patient", input);
	return key ? pawl_return(ctx, key) : pawl_rethrow(ctx);
}
PAWL_ORCHESTRATION(slow, "1.0");

/* Its code changes under it. */
static int changing(pawl_ctx *ctx, const char *input)
{
	(void)input;
	(void)pawl_call(ctx, "step", "1");
	(void)pawl_call(ctx, "step", atomic_load(&new_code) ? "5" : "2");
	const char *text = pawl_wait_event(ctx, "end", -1);
	return pawl_return(ctx, text);
}
PAWL_ORCHESTRATION(changing, "1.0");

static int other(pawl_ctx *ctx, const char *input)
{
	return pawl_return(ctx, pawl_printf(ctx, "other %s", input));
}
PAWL_ORCHESTRATION(other, "1.0");

/* Input: the type of its child, and what that gets. */
static int mother(pawl_ctx *ctx, const char *input)
{
	const char *got = pawl_call_child(ctx, input, "");

	return got ? pawl_return(ctx, pawl_printf(ctx, "child: %s", got)) : pawl_rethrow(ctx);
}
PAWL_ORCHESTRATION(mother, "1.0");

static int setup(void **state)
{
	gate = (struct gate){ 0 };
	for (int n = 0; n < 8; n++)
		atomic_store(&runs[n], 0);
	atomic_store(&broken, true);
	atomic_store(&new_code, false);
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

static int teardown(void **state)
{
	free(first);
	first = NULL;
	return rw_teardown(state);
}

static int ask(struct runtime_world *w, enum pawl_message_kind kind, const char *id, const char *key)
{
	struct pawl_message m = { .kind = kind, .instance = id, .key = key, .reason = "a test" };
	struct pawl_error err = { 0 };

	return w->client->ops->send(w->client, &m, &err);
}

static bool has_execution(struct runtime_world *w, const char *id, uint64_t execution)
{
	char *text = rw_history(w, id, execution);
	bool there = text[0] != '\0';

	free(text);
	return there;
}

static void await_execution(struct runtime_world *w, const char *id, uint64_t execution)
{
	await_look(has_execution(w, id, execution));
}

static void expect_part(struct runtime_world *w, const char *id, uint64_t execution, const char *part, bool there)
{
	char *text = rw_history(w, id, execution);

	if ((strstr(text, part) != NULL) != there)
		fail_msg("execution %d of '%s' %s '%s': %s", (int)execution, id, there ? "has no" : "has", part, text);
	free(text);
}

static void expect_first_as_it_was(struct runtime_world *w, const char *id)
{
	char *text = rw_history(w, id, 1);

	assert_string_equal(text, first);
	free(text);
}

static void expect_runs(unsigned one, unsigned two, unsigned three, unsigned four)
{
	assert_int_equal(atomic_load(&runs[1]), one);
	assert_int_equal(atomic_load(&runs[2]), two);
	assert_int_equal(atomic_load(&runs[3]), three);
	assert_int_equal(atomic_load(&runs[4]), four);
}

static void fail_first(struct runtime_world *w, const char *type, const char *input)
{
	rw_begin(w);
	rw_start(w, type, "x", input);
	rw_expect_end(w, "x", PAWL_ESTATE, "step 3 is broken");
	rw_settle(w);
	first = rw_history(w, "x", 1);
	atomic_store(&broken, false);
}

/* ---- retry ---- */

static void what_has_failed_is_tried_again_and_what_was_done_is_not_done_again(void **state)
{
	struct runtime_world *w = *state;

	fail_first(w, "chain", "in");
	expect_runs(1, 1, 1, 0);
	assert_int_equal(ask(w, PAWL_MESSAGE_RETRY, "x", NULL), 0);
	await_execution(w, "x", 2);
	rw_expect(w, "x", "in 1 2 3 4");
	expect_runs(1, 1, 2, 1);
	expect_first_as_it_was(w, "x");
	expect_part(w, "x", 2, "\"execution\":2", true);
	expect_part(w, "x", 2, "\"reason\":\"a test\"", true);
	rw_restart(w);
	expect_first_as_it_was(w, "x");
	rw_expect(w, "x", "in 1 2 3 4");
	expect_runs(1, 1, 2, 1);
	rw_end(w);
}

static void the_same_after_a_restart_of_the_runtime(void **state)
{
	struct runtime_world *w = *state;

	fail_first(w, "chain", "in");
	(void)rw_stop(w);
	assert_int_equal(ask(w, PAWL_MESSAGE_RETRY, "x", NULL), 0);
	rw_close(w);
	rw_begin(w);
	await_execution(w, "x", 2);
	rw_expect(w, "x", "in 1 2 3 4");
	expect_runs(1, 1, 2, 1);
	expect_first_as_it_was(w, "x");
	rw_end(w);
}

static void what_was_done_beside_it_is_not_done_again_either(void **state)
{
	struct runtime_world *w = *state;

	fail_first(w, "fan", NULL);
	assert_int_equal(ask(w, PAWL_MESSAGE_RETRY, "x", NULL), 0);
	await_execution(w, "x", 2);
	rw_expect(w, "x", "all");
	expect_runs(1, 1, 2, 1);
	rw_end(w);
}

static void it_has_all_its_attempts_again(void **state)
{
	struct runtime_world *w = *state;

	fail_first(w, "stubborn", "3");
	expect_runs(0, 0, 3, 0);
	atomic_store(&broken, true);
	assert_int_equal(ask(w, PAWL_MESSAGE_RETRY, "x", NULL), 0);
	await_execution(w, "x", 2);
	rw_expect_end(w, "x", PAWL_ESTATE, "step 3 is broken");
	expect_runs(0, 0, 6, 0);
	expect_part(w, "x", 2, "\"attempt\":5", true);
	rw_settle(w);
	atomic_store(&broken, false);
	assert_int_equal(ask(w, PAWL_MESSAGE_RETRY, "x", NULL), 0);
	await_execution(w, "x", 3);
	rw_expect(w, "x", "3");
	expect_runs(0, 0, 7, 0);
	rw_end(w);
}

static void a_step_that_is_named_is_done_again_with_all_behind_it(void **state)
{
	struct runtime_world *w = *state;

	atomic_store(&broken, false);
	rw_begin(w);
	rw_start(w, "chain", "x", "in");
	rw_expect(w, "x", "in 1 2 3 4");
	rw_settle(w);
	assert_int_equal(ask(w, PAWL_MESSAGE_RETRY, "x", NULL), 0); /* it has not failed */
	rw_await_log("it has not failed");
	assert_int_equal(ask(w, PAWL_MESSAGE_RETRY, "x", "4"), 0); /* 1 started, 2 scheduled, 3 completed, 4 scheduled */
	await_execution(w, "x", 2);
	rw_expect(w, "x", "in 1 2 3 4");
	expect_runs(1, 2, 2, 2);
	rw_end(w);
}

/* ---- restart ---- */

static void what_has_ended_begins_again_with_the_same_input(void **state)
{
	struct runtime_world *w = *state;

	fail_first(w, "chain", "in");
	for (uint64_t n = 2; n < 5; n++) {
		assert_int_equal(ask(w, PAWL_MESSAGE_RESTART, "x", NULL), 0);
		await_execution(w, "x", n);
		rw_expect(w, "x", "in 1 2 3 4");
		rw_settle(w);
		expect_runs((unsigned)n, (unsigned)n, (unsigned)n, (unsigned)n - 1);
	}
	expect_first_as_it_was(w, "x");
	rw_end(w);
}

static void a_live_one_is_terminated_and_begins_again_in_one_commit(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "waiter", "x", "in ");
	rw_raise(w, "x", "a", "lost");
	rw_await_count(w, "x", EVENT_ActivityCompleted, 2);
	assert_int_equal(ask(w, PAWL_MESSAGE_RESTART, "x", NULL), 0);
	await_execution(w, "x", 2);
	expect_part(w, "x", 1, "ExecutionTerminated", true);
	assert_int_equal(pawl_wait(w->rt, "x", 10, NULL, NULL), PAWL_ETIMEOUT);
	rw_raise(w, "x", "a", "a");
	rw_raise(w, "x", "b", "b");
	rw_expect(w, "x", "in ab in execution 2");
	expect_runs(2, 2, 0, 0);
	rw_end(w);
}

static void an_activity_of_the_execution_before_does_not_answer_the_next(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "slow", "x", NULL);
	rw_raise(w, "x", "go", NULL);
	gate_await(&gate, 1);
	assert_int_equal(ask(w, PAWL_MESSAGE_RESTART, "x", NULL), 0);
	await_execution(w, "x", 2);
	rw_raise(w, "x", "go", NULL);
	gate_await(&gate, 2);
	gate_open(&gate);
	rw_expect(w, "x", "x/2/4");
	rw_end(w);
}

/* ---- rewind ---- */

static void a_live_one_goes_back_to_a_line_of_its_history(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "waiter", "x", "");
	rw_await_count(w, "x", EVENT_EventSubscribed, 1);
	rw_raise(w, "x", "a", "wrong ");
	rw_await_count(w, "x", EVENT_ActivityCompleted, 2);
	assert_int_equal(ask(w, PAWL_MESSAGE_REWIND, "x", "4"), 0); /* it waits for "a" */
	await_execution(w, "x", 2);
	expect_part(w, "x", 1, "\"type\":\"ExecutionRewound\"", true);
	expect_part(w, "x", 1, "\"ref\":4", true);
	rw_raise(w, "x", "a", "right ");
	rw_raise(w, "x", "b", "b");
	rw_expect(w, "x", "right b in execution 2");
	expect_runs(1, 2, 0, 0);
	expect_part(w, "x", 2, "wrong", false);
	rw_end(w);
}

static void to_each_line_of_one_that_has_ended(void **state)
{
	struct runtime_world *w = *state;
	char line[16];

	atomic_store(&broken, false);
	rw_begin(w);
	rw_start(w, "chain", "x", "in");
	rw_expect(w, "x", "in 1 2 3 4");
	rw_settle(w);
	first = rw_history(w, "x", 1);
	for (unsigned n = 1; n <= 10; n++) { /* started, then scheduled and completed for each, and the end */
		unsigned done = n == 1 ? 0 : (n - 1) / 2 < 4 ? (n - 1) / 2 : 4, before = atomic_load(&runs[1]) + atomic_load(&runs[2]) + atomic_load(&runs[3]) + atomic_load(&runs[4]);
		snprintf(line, sizeof(line), "%u", n);
		assert_int_equal(ask(w, PAWL_MESSAGE_REWIND, "x", line), 0);
		await_execution(w, "x", n + 1);
		rw_expect(w, "x", "in 1 2 3 4");
		rw_settle(w);
		unsigned after = atomic_load(&runs[1]) + atomic_load(&runs[2]) + atomic_load(&runs[3]) + atomic_load(&runs[4]);
		if (after - before != 4 - done)
			fail_msg("from line %u: %u steps ran", n, after - before);
		if (n % 3 == 0)
			rw_restart(w);
	}
	expect_first_as_it_was(w, "x");
	assert_int_equal(ask(w, PAWL_MESSAGE_REWIND, "x", "99"), 0);
	rw_await_log("no line 99");
	rw_settle(w);
	assert_false(has_execution(w, "x", 12));
	rw_end(w);
}

static void to_where_new_code_still_agrees(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "changing", "x", NULL);
	rw_await_count(w, "x", EVENT_EventSubscribed, 1);
	assert_int_equal(ask(w, PAWL_MESSAGE_REWIND, "x", "last-good"), 0);
	rw_await_log("the code agrees with all of its history");
	rw_end(w);
	atomic_store(&new_code, true);
	rw_begin(w);
	assert_int_equal(rw_send(w, PAWL_MESSAGE_RAISE, "x", "end", "done"), 0);
	rw_await_note(w, "x", "history line");
	assert_int_equal(ask(w, PAWL_MESSAGE_REWIND, "x", "last-good"), 0);
	await_execution(w, "x", 2);
	rw_expect(w, "x", "done"); /* the event that it was parked with waits for it */
	expect_runs(1, 1, 0, 0);
	assert_int_equal(atomic_load(&runs[5]), 1);
	char *note = rw_note(w, "x");
	assert_null(note);
	rw_end(w);
}

/* ---- children ---- */

static void a_child_that_failed_is_tried_again_as_another_instance(void **state)
{
	struct runtime_world *w = *state;

	fail_first(w, "mother", "chain");
	assert_int_equal(ask(w, PAWL_MESSAGE_RETRY, "x", NULL), 0);
	await_execution(w, "x", 2);
	rw_expect(w, "x", "child:  1 2 3 4");
	expect_part(w, "x", 2, "\"instance\":\"x:2-2\"", true);
	rw_expect(w, "x:2-2", " 1 2 3 4");
	expect_first_as_it_was(w, "x");
	rw_restart(w);
	rw_settle(w);
	assert_false(has_execution(w, "x", 3));
	rw_end(w);
}

static void children_of_one_that_is_rewound_are_canceled_and_begun_anew(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "mother", "x", "waiter");
	rw_await_count(w, "x:2", EVENT_EventSubscribed, 1);
	assert_int_equal(ask(w, PAWL_MESSAGE_REWIND, "x", "2"), 0);
	await_execution(w, "x", 2);
	rw_await_count(w, "x:2", EVENT_CancelRequested, 1);
	rw_await_count(w, "x:2-2", EVENT_EventSubscribed, 1);
	rw_raise(w, "x:2-2", "a", "a");
	rw_raise(w, "x:2-2", "b", "b");
	rw_expect(w, "x", "child: ab in execution 1");
	rw_end(w);
}

static void children_of_one_that_is_restarted_are_terminated(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "mother", "x", "waiter");
	rw_await_count(w, "x:2", EVENT_EventSubscribed, 1);
	assert_int_equal(ask(w, PAWL_MESSAGE_RESTART, "x", NULL), 0);
	await_execution(w, "x", 2);
	rw_expect_end(w, "x:2", PAWL_ECANCELED, "terminated");
	rw_await_count(w, "x:2-2", EVENT_EventSubscribed, 1);
	rw_raise(w, "x:2-2", "a", "a");
	rw_raise(w, "x:2-2", "b", "b");
	rw_expect(w, "x", "child: ab in execution 1");
	rw_end(w);
}

static void the_parent_of_one_that_goes_back_waits_on(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "mother", "x", "waiter");
	rw_await_count(w, "x:2", EVENT_EventSubscribed, 1);
	rw_raise(w, "x:2", "a", "wrong");
	rw_await_count(w, "x:2", EVENT_ActivityCompleted, 2);
	assert_int_equal(ask(w, PAWL_MESSAGE_REWIND, "x:2", "4"), 0);
	await_execution(w, "x:2", 2);
	rw_raise(w, "x:2", "a", "a");
	rw_raise(w, "x:2", "b", "b");
	rw_expect(w, "x", "child: ab in execution 2");
	rw_end(w);
}

/* ---- replace, use ---- */

static int start_if(struct runtime_world *w, const char *type, const char *id, const char *input, enum pawl_message_if_exists if_exists)
{
	struct pawl_message m = { .kind = PAWL_MESSAGE_START, .instance = id, .name = type, .data = input, .len = strlen(input), .if_exists = if_exists };
	struct pawl_error err = { 0 };

	return w->client->ops->send(w->client, &m, &err);
}

static void a_start_takes_the_place_of_what_has_ended(void **state)
{
	struct runtime_world *w = *state;
	char *big = calloc(1, PAWL_SPILL_BYTES * 3), *want = calloc(1, PAWL_SPILL_BYTES * 3 + 16);

	memset(big, 'b', PAWL_SPILL_BYTES * 3 - 1);
	snprintf(want, PAWL_SPILL_BYTES * 3 + 16, "other %s", big);
	fail_first(w, "chain", "in");
	assert_int_equal(start_if(w, "other", "x", "way", PAWL_IF_EXISTS_REPLACE), 0);
	await_execution(w, "x", 2);
	rw_expect(w, "x", "other way");
	rw_settle(w);
	assert_int_equal(start_if(w, "other", "x", big, PAWL_IF_EXISTS_REPLACE), 0);
	await_execution(w, "x", 3);
	rw_expect(w, "x", want);
	rw_settle(w);
	assert_int_equal(ask(w, PAWL_MESSAGE_RESTART, "x", NULL), 0);
	await_execution(w, "x", 4);
	rw_restart(w);
	rw_expect(w, "x", want);
	expect_first_as_it_was(w, "x");
	assert_int_equal(pawl_start_with(w->rt, "other", "from within", &(pawl_start_options){ .id = "x" }, PAWL_EXISTS_REPLACE, true, NULL, NULL), 0);
	await_execution(w, "x", 5);
	rw_expect(w, "x", "other from within");
	rw_settle(w);
	assert_int_equal(pawl_start_with(w->rt, "nothing", "", &(pawl_start_options){ .id = "x" }, PAWL_EXISTS_REPLACE, true, NULL, NULL), PAWL_ESTATE);
	assert_int_equal(pawl_start_with(w->rt, "waiter", "", &(pawl_start_options){ .id = "x" }, PAWL_EXISTS_REPLACE, true, NULL, NULL), 0);
	assert_int_equal(pawl_start_with(w->rt, "waiter", "", &(pawl_start_options){ .id = "x" }, PAWL_EXISTS_REPLACE, true, NULL, NULL), PAWL_EEXISTS);
	assert_int_equal(start_if(w, "other", "new", "here", PAWL_IF_EXISTS_REPLACE), 0);
	await_execution(w, "new", 1);
	rw_expect(w, "new", "other here");
	rw_end(w);
	free(big);
	free(want);
}

static void a_start_that_uses_what_is_there_changes_nothing(void **state)
{
	struct runtime_world *w = *state;

	fail_first(w, "chain", "in");
	rw_start(w, "waiter", "y", "");
	assert_int_equal(start_if(w, "other", "x", "way", PAWL_IF_EXISTS_USE), 0);
	assert_int_equal(start_if(w, "other", "y", "way", PAWL_IF_EXISTS_USE), 0);
	assert_int_equal(start_if(w, "other", "y", "way", PAWL_IF_EXISTS_REPLACE), PAWL_EEXISTS);
	assert_int_equal(start_if(w, "other", "z", "way", PAWL_IF_EXISTS_USE), 0);
	await_execution(w, "z", 1);
	rw_expect(w, "z", "other way");
	rw_settle(w);
	assert_false(has_execution(w, "x", 2));
	assert_false(has_execution(w, "y", 2));
	rw_end(w);
}

/* ---- refused ---- */

static void what_cannot_be_is_refused_and_changes_nothing(void **state)
{
	struct runtime_world *w = *state;
	const struct pawl_message version = { .kind = PAWL_MESSAGE_RESTART, .instance = "x", .version = "7.0" };

	fail_first(w, "chain", "in");
	rw_start(w, "waiter", "y", "");
	assert_int_equal(ask(w, PAWL_MESSAGE_RETRY, "y", NULL), 0);
	rw_await_log("'y' has not ended");
	assert_int_equal(w->client->ops->send(w->client, &version, NULL), 0);
	rw_await_log("version 7.0 is not registered");
	assert_int_equal(start_if(w, "nothing", "x", "way", PAWL_IF_EXISTS_REPLACE), 0);
	rw_await_log("'nothing' is not registered");
	assert_int_equal(ask(w, PAWL_MESSAGE_RETRY, "x", "3"), 0);
	rw_await_log("no step that can be tried again");
	assert_int_equal(ask(w, PAWL_MESSAGE_RESTART, "nobody", NULL), PAWL_ENOTFOUND);
	rw_settle(w);
	assert_false(has_execution(w, "x", 2));
	assert_false(has_execution(w, "y", 2));
	expect_first_as_it_was(w, "x");
	rw_end(w);
}

/* ---- crashes ---- */

static bool has_died(void)
{
	rw_lock();
	bool died = rw_storage.die_at == 0;
	rw_unlock();
	return died;
}

/* The runtime dies with the kth commit behind the message, before or after that is durable; all messages come again. */
static void die_at_each(struct runtime_world *w, enum pawl_message_kind kind, bool ended, bool durable)
{
	for (int k = 1; k <= 6; k++) {
		char id[16];
		snprintf(id, sizeof(id), "x%d-%d", k, durable);
		atomic_store(&broken, ended);
		rw_begin(w);
		rw_start(w, ended ? "chain" : "waiter", id, "");
		if (ended)
			rw_expect_end(w, id, PAWL_ESTATE, "broken");
		else
			rw_await_count(w, id, EVENT_EventSubscribed, 1);
		rw_settle(w);
		atomic_store(&broken, false);
		rw_lock();
		rw_storage.forget_acks = true;
		rw_storage.die_durable = durable;
		rw_storage.die_at = k;
		rw_unlock();
		assert_int_equal(ask(w, kind, id, kind == PAWL_MESSAGE_REWIND ? "2" : NULL), 0);
		if (!ended) {
			await_look(has_execution(w, id, 2) || has_died());
			(void)rw_send(w, PAWL_MESSAGE_RAISE, id, "a", "a");
			(void)rw_send(w, PAWL_MESSAGE_RAISE, id, "b", "b");
		}
		(void)pawl_wait(w->rt, id, 300, NULL, NULL);
		rw_lock();
		bool died = rw_storage.die_at == 0;
		rw_storage.die_at = 0;
		rw_unlock();
		if (died) {
			assert_int_equal(rw_join(w), PAWL_EFENCED);
			rw_close(w);
			rw_begin(w);
		}
		await_execution(w, id, 2);
		rw_expect(w, id, ended ? " 1 2 3 4" : "ab in execution 2");
		rw_settle(w);
		rw_restart(w); /* and once more they come */
		rw_settle(w);
		assert_false(has_execution(w, id, 3));
		rw_lock();
		rw_storage.forget_acks = false;
		rw_unlock();
		rw_restart(w);
		rw_end(w);
	}
}

static void a_retry_happens_once_when_it_dies_before_a_commit(void **state)
{
	die_at_each(*state, PAWL_MESSAGE_RETRY, true, false);
}

static void and_when_it_dies_behind_one(void **state)
{
	die_at_each(*state, PAWL_MESSAGE_RETRY, true, true);
}

static void a_restart_happens_once(void **state)
{
	die_at_each(*state, PAWL_MESSAGE_RESTART, true, true);
}

static void a_restart_of_a_live_one_happens_once(void **state)
{
	die_at_each(*state, PAWL_MESSAGE_RESTART, false, false);
	die_at_each(*state, PAWL_MESSAGE_RESTART, false, true);
}

static void a_rewind_of_a_live_one_happens_once(void **state)
{
	die_at_each(*state, PAWL_MESSAGE_REWIND, false, true);
}

/* The removal of a message is lost with the runtime, and the next execution begins before the message is looked at. */
static void what_the_execution_before_has_taken_is_not_taken_again(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "waiter", "x", "in ");
	rw_await_count(w, "x", EVENT_EventSubscribed, 1);
	rw_lock();
	rw_storage.forget_acks = rw_storage.die_durable = true;
	rw_storage.die_at = 1;
	rw_unlock();
	assert_int_equal(rw_send(w, PAWL_MESSAGE_RAISE, "x", "b", "old "), 0);
	assert_int_equal(rw_join(w), PAWL_EFENCED);
	assert_int_equal(rw_send(w, PAWL_MESSAGE_RESTART, "x", NULL, NULL), 0);
	rw_lock();
	rw_storage.forget_acks = false;
	rw_unlock();
	rw_close(w);
	rw_begin(w);
	rw_settle(w);
	assert_int_equal(rw_send(w, PAWL_MESSAGE_RAISE, "x", "a", "a "), 0);
	assert_int_equal(rw_send(w, PAWL_MESSAGE_RAISE, "x", "b", "b"), 0);
	rw_expect(w, "x", "in a b in execution 2");
	rw_end(w);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define test_replay(name) cmocka_unit_test_setup_teardown(name, setup_replay, teardown)
#define test_disk(name) cmocka_unit_test_setup_teardown(name, setup_disk, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(what_has_failed_is_tried_again_and_what_was_done_is_not_done_again),
		test_replay(what_has_failed_is_tried_again_and_what_was_done_is_not_done_again),
		test_disk(what_has_failed_is_tried_again_and_what_was_done_is_not_done_again),
		test(the_same_after_a_restart_of_the_runtime),
		test_disk(the_same_after_a_restart_of_the_runtime),
		test(what_was_done_beside_it_is_not_done_again_either),
		test_replay(what_was_done_beside_it_is_not_done_again_either),
		test(it_has_all_its_attempts_again),
		test_replay(it_has_all_its_attempts_again),
		test(a_step_that_is_named_is_done_again_with_all_behind_it),
		test(what_has_ended_begins_again_with_the_same_input),
		test_replay(what_has_ended_begins_again_with_the_same_input),
		test_disk(what_has_ended_begins_again_with_the_same_input),
		test(a_live_one_is_terminated_and_begins_again_in_one_commit),
		test_disk(a_live_one_is_terminated_and_begins_again_in_one_commit),
		test(an_activity_of_the_execution_before_does_not_answer_the_next),
		test(a_live_one_goes_back_to_a_line_of_its_history),
		test_replay(a_live_one_goes_back_to_a_line_of_its_history),
		test(to_each_line_of_one_that_has_ended),
		test_replay(to_each_line_of_one_that_has_ended),
		test_disk(to_each_line_of_one_that_has_ended),
		test(to_where_new_code_still_agrees),
		test_disk(to_where_new_code_still_agrees),
		test(a_child_that_failed_is_tried_again_as_another_instance),
		test_replay(a_child_that_failed_is_tried_again_as_another_instance),
		test_disk(a_child_that_failed_is_tried_again_as_another_instance),
		test(children_of_one_that_is_rewound_are_canceled_and_begun_anew),
		test_disk(children_of_one_that_is_rewound_are_canceled_and_begun_anew),
		test(children_of_one_that_is_restarted_are_terminated),
		test(the_parent_of_one_that_goes_back_waits_on),
		test(a_start_takes_the_place_of_what_has_ended),
		test_disk(a_start_takes_the_place_of_what_has_ended),
		test(a_start_that_uses_what_is_there_changes_nothing),
		test(what_cannot_be_is_refused_and_changes_nothing),
		test_disk(what_cannot_be_is_refused_and_changes_nothing),
		test(a_retry_happens_once_when_it_dies_before_a_commit),
		test(and_when_it_dies_behind_one),
		test(a_restart_happens_once),
		test(a_restart_of_a_live_one_happens_once),
		test_replay(a_restart_of_a_live_one_happens_once),
		test(a_rewind_of_a_live_one_happens_once),
		test(what_the_execution_before_has_taken_is_not_taken_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
