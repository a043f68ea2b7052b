/* test_runtime_stall.c - storage that fails (I7), that refuses one of many, and that belongs to somebody else by now. The
 * provider between the runtime and the hub in memory says no when a test wants it (runtime_world.h). */
#include "unit/runtime_world.h"
#include <stdatomic.h>

static atomic_uint runs;
static struct gate gate;

static int count(pawl_work *work, const char *input)
{
	atomic_fetch_add(&runs, 1);
	return pawl_work_return(work, "%s", input);
}
PAWL_ACTIVITY(count);

static int gated(pawl_work *work, const char *input)
{
	atomic_fetch_add(&runs, 1);
	if (!gate_pass(&gate))
		return pawl_work_fail(work, "hung", "the gate stayed closed");
	return pawl_work_return(work, "%s", input);
}
PAWL_ACTIVITY(gated);

/* So many steps, one after the other; "ok" when each gave back its number. */
static int steps(pawl_ctx *ctx, const char *input)
{
	for (int n = 0; n < atoi(input); n++) {
		const char *number = pawl_printf(ctx, "%d", n), *result = pawl_call(ctx, "count", number);
		if (!result)
			return pawl_rethrow(ctx);
		if (strcmp(result, number) != 0)
			return pawl_fail(ctx, "step %s gave %s", number, result);
	}
	return pawl_return(ctx, "ok");
}
PAWL_ORCHESTRATION(steps, "1.0");

static int through_gate(pawl_ctx *ctx, const char *input)
{
	const char *result = pawl_call(ctx, "gated", input);

	return result ? pawl_return(ctx, result) : pawl_rethrow(ctx);
}
PAWL_ORCHESTRATION(through_gate, "1.0");

/* Says what each event "item" says, until "end"; a step after each. */
static int collect(pawl_ctx *ctx, const char *input)
{
	const char *all = input;

	for (;;) {
		const char *item = pawl_wait_event(ctx, "item", -1);
		if (!item)
			return pawl_rethrow(ctx);
		if (strcmp(item, "end") == 0)
			return pawl_return(ctx, all);
		const char *counted = pawl_call(ctx, "count", item);
		if (!counted)
			return pawl_rethrow(ctx);
		all = pawl_printf(ctx, "%s%s", all, counted);
	}
}
PAWL_ORCHESTRATION(collect, "1.0");

static int with_large(pawl_ctx *ctx, const char *input)
{
	const char *result = pawl_call(ctx, "count", input);

	return result && strcmp(result, input) == 0 ? pawl_return(ctx, "same") : pawl_fail(ctx, "differs");
}
PAWL_ORCHESTRATION(with_large, "1.0");

static int setup(void **state)
{
	gate = (struct gate){ 0 };
	atomic_store(&runs, 0);
	return rw_setup(state);
}

static int teardown(void **state)
{
	gate_open(&gate);
	return rw_teardown(state);
}

/* ---- faults ---- */

static void fail_begin(int code, int times)
{
	rw_lock();
	rw_storage.begin_code = code;
	rw_storage.begin_times = times;
	rw_unlock();
}

static void fail_end(int code, int times)
{
	rw_lock();
	rw_storage.end_code = code;
	rw_storage.end_times = times;
	rw_unlock();
}

/* Until that many commits have failed; the waits between are an hour each for the runtime and nothing for us. */
static void pass_failures(struct runtime_world *w, unsigned count_upto)
{
	for (unsigned n = 1; n <= count_upto; n++) {
		await(rw_storage.failed >= n);
		rw_pass(w, 3600000);
	}
}

struct asker {
	struct runtime_world *w;
	pthread_t thread;
	const char *type, *id, *text;
	bool raise, done; /* done: with the lock */
	int code;
	struct pawl_error err;
};

static void *ask(void *arg)
{
	struct asker *a = arg;

	a->code = a->raise ? pawl_raise(a->w->rt, a->id, a->type, a->text, true, &a->err)
	                   : pawl_start(a->w->rt, a->type, a->id, a->text, true, NULL, &a->err);
	rw_lock();
	a->done = true;
	rw_ring();
	rw_unlock();
	return NULL;
}

static void ask_begin(struct asker *a)
{
	assert_int_equal(pthread_create(&a->thread, NULL, ask, a), 0);
}

static int ask_end(struct asker *a)
{
	assert_int_equal(pthread_join(a->thread, NULL), 0);
	return a->code;
}

/* ---- storage trouble ---- */

static void trouble(struct runtime_world *w, int code, bool at_end)
{
	struct asker a = { .w = w, .type = "steps", .id = "x", .text = "3" };

	rw_begin(w);
	if (at_end)
		fail_end(code, 4);
	else
		fail_begin(code, 4);
	ask_begin(&a);
	await(rw_storage.failed >= 1);
	rw_settle(w);
	rw_lock();
	bool told = a.done;
	rw_unlock();
	assert_false(told);
	assert_int_equal(atomic_load(&runs), 0);
	char *history = rw_history(w, "x", 1);
	assert_string_equal(history, "");
	free(history);
	pass_failures(w, 4);
	assert_int_equal(ask_end(&a), 0);
	rw_expect(w, "x", "ok");
	assert_int_equal(atomic_load(&runs), 3);
	assert_int_equal(rw_count(w, "x", EVENT_ExecutionStarted), 1);
	assert_int_equal(rw_count(w, "x", EVENT_ActivityCompleted), 3);
	rw_await_log("storage works again");
	rw_end(w);
}

static void a_full_disk_holds_a_start_until_there_is_room_and_tells_nobody_before(void **state)
{
	trouble(*state, PAWL_ENOSPC, false);
}

static void so_does_a_disk_that_fails(void **state)
{
	trouble(*state, PAWL_EIO, false);
}

static void so_does_one_that_is_full_when_the_commit_ends(void **state)
{
	trouble(*state, PAWL_ENOSPC, true);
}

static void so_does_one_that_fails_when_the_commit_ends(void **state)
{
	trouble(*state, PAWL_EIO, true);
}

static void so_does_one_that_has_become_read_only(void **state)
{
	trouble(*state, PAWL_EROFS, true);
}

static void a_commit_without_room_is_made_when_maintenance_has_made_some(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	fail_begin(PAWL_EBUSY, 5);
	rw_start(w, "steps", "x", "3");
	rw_expect(w, "x", "ok");
	assert_int_equal(atomic_load(&runs), 3);
	rw_end(w);
}

static void trouble_at_each_commit_in_turn_changes_nothing(void **state)
{
	struct runtime_world *w = *state;
	static const int codes[] = { PAWL_ENOSPC, PAWL_EIO, PAWL_ENOMEM, PAWL_EROFS };
	unsigned failed = 0;

	rw_begin(w);
	for (unsigned n = 0; n < 12; n++) {
		char id[16];
		snprintf(id, sizeof(id), "x%u", n);
		atomic_store(&runs, 0);
		assert_int_equal(pawl_start(w->rt, "collect", id, "", false, NULL, NULL), 0);
		for (unsigned k = 0; k < 6; k++) {
			if (k == n % 6 && n < 6)
				fail_begin(codes[n % 4], 1);
			else if (k == n % 6)
				fail_end(codes[n % 4], 1);
			assert_int_equal(pawl_raise(w->rt, id, "item", k < 5 ? "i" : "end", false, NULL), 0);
			rw_settle(w);
			rw_lock();
			bool pushed = rw_storage.failed > failed;
			failed = rw_storage.failed;
			rw_unlock();
			if (pushed)
				rw_pass(w, 3600000);
		}
		await(rw_storage.failed > n); /* each fault has struck */
		rw_pass(w, 3600000);
		rw_expect(w, id, "iiiii");
		assert_int_equal(atomic_load(&runs), 5);
		failed = n + 1;
	}
	rw_end(w);
}

static void trouble_is_told_once_and_its_end_too(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	fail_end(PAWL_ENOSPC, 3);
	assert_int_equal(pawl_start(w->rt, "steps", "x", "1", false, NULL, NULL), 0);
	await(rw_storage.failed >= 1);
	rw_await_log("nothing is lost, no new step is taken until it clears");
	rw_log_forget();
	pass_failures(w, 3);
	rw_expect(w, "x", "ok");
	rw_lock();
	bool again = rw_logged("nothing is lost"), works = rw_logged("storage works again");
	rw_unlock();
	assert_false(again);
	assert_true(works);
	rw_end(w);
}

static void the_loop_sleeps_while_storage_fails_and_after_it_works_again(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	fail_end(PAWL_ENOSPC, 8);
	assert_int_equal(pawl_start(w->rt, "steps", "x", "1", false, NULL, NULL), 0);
	for (unsigned n = 1; n <= 5; n++) {
		await(rw_storage.failed >= n);
		rw_pass(w, 3600000);
	}
	await(rw_storage.failed >= 6); /* the next try is seconds away */
	assert_true(rw_is_idle(w));
	rw_lock();
	rw_storage.end_times = 0;
	rw_unlock();
	rw_pass(w, 3600000);
	rw_expect(w, "x", "ok");
	rw_hold(); /* a slow commit later on */
	assert_int_equal(pawl_start(w->rt, "steps", "y", "1", false, NULL, NULL), 0);
	await(rw_storage.holding == 1);
	assert_true(rw_is_idle(w));
	rw_release();
	rw_expect(w, "y", "ok");
	rw_end(w);
}

static void what_runs_while_storage_fails_is_recorded_when_it_works_again(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "through_gate", "x", "result");
	gate_await(&gate, 1);
	fail_begin(PAWL_ENOSPC, 2);
	gate_open(&gate);
	pass_failures(w, 2);
	rw_expect(w, "x", "result");
	assert_int_equal(atomic_load(&runs), 1);
	rw_end(w);
}

static void a_stop_while_storage_fails_leaves_what_was_not_saved_to_the_next_start(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "collect", "x", "");
	assert_int_equal(rw_send(w, PAWL_MESSAGE_START, "y", "steps", "2"), 0);
	rw_expect(w, "y", "ok");
	rw_lock();
	unsigned failed = rw_storage.failed;
	rw_unlock();
	fail_end(PAWL_ENOSPC, 1000000);
	assert_int_equal(rw_send(w, PAWL_MESSAGE_RAISE, "x", "item", "a"), 0);
	await(rw_storage.failed > failed);
	pawl_stop(w->rt);
	rw_await_log("stopping");
	rw_settle(w);
	rw_pass(w, 3600000);
	assert_int_equal(rw_join(w), 0);
	rw_close(w);
	fail_end(0, 0);
	rw_begin(w);
	rw_settle(w); /* the event waits in the mailbox */
	rw_raise(w, "x", "item", "end");
	rw_expect(w, "x", "a");
	assert_int_equal(rw_count(w, "x", EVENT_EventRaised), 2);
	rw_end(w);
}

/* ---- many in one commit ---- */

#define MANY 12

static const char *const ids[MANY] = { "m00", "m01", "m02", "m03", "m04", "m05", "m06", "m07", "m08", "m09", "m10", "m11" };

/* One commit is on its way and stays there; what is asked for now shares the next. */
static void begin_group(struct runtime_world *w)
{
	rw_begin(w);
	rw_hold();
	assert_int_equal(pawl_start(w->rt, "steps", "first", "1", false, NULL, NULL), 0);
	await(rw_storage.holding == 1);
}

static void start_group(struct runtime_world *w)
{
	for (unsigned n = 0; n < MANY; n++)
		assert_int_equal(pawl_start(w->rt, "steps", ids[n], "2", false, NULL, NULL), 0);
	rw_settle(w);
}

static void expect_group(struct runtime_world *w, unsigned refused)
{
	unsigned good = 1; /* "first", with one step */

	rw_expect(w, "first", "ok");
	for (unsigned n = 0; n < MANY; n++) {
		if (refused >> n & 1) {
			assert_int_equal(pawl_wait(w->rt, ids[n], BOUND_S * 1000, NULL, NULL), PAWL_ENOTFOUND);
			continue;
		}
		rw_expect(w, ids[n], "ok");
		assert_int_equal(rw_count(w, ids[n], EVENT_ExecutionStarted), 1);
		assert_int_equal(rw_count(w, ids[n], EVENT_ActivityCompleted), 2);
		good += 2;
	}
	assert_int_equal(atomic_load(&runs), good);
}

static void a_group_that_fails_is_committed_as_it_was(void **state)
{
	struct runtime_world *w = *state;

	begin_group(w);
	start_group(w);
	fail_end(PAWL_ENOSPC, 3);
	rw_release();
	pass_failures(w, 3);
	expect_group(w, 0);
	rw_lock();
	size_t most = rw_storage.records_most;
	rw_unlock();
	assert_true(most >= MANY); /* and what "first" did meanwhile */
	rw_end(w);
}

static void refuse(unsigned which, bool at_end)
{
	unsigned taken = 0;

	rw_lock();
	rw_storage.refuse_at_end = at_end;
	for (unsigned n = 0; n < MANY && taken < 4; n++)
		if (which >> n & 1)
			rw_storage.taken[taken++] = ids[n];
	rw_unlock();
}

/* Which of the group are refused: the first, one in the middle, the last; neighbours; some of all. */
static const unsigned refusals[] = { 0x001, 0x020, 0x800, 0x003, 0xc00, 0x811, 0x0f0, 0x249 };

static void group_with_refusals(struct runtime_world *w, unsigned which, bool at_end, int trouble_too)
{
	begin_group(w);
	start_group(w);
	refuse(which, at_end);
	if (trouble_too)
		fail_end(trouble_too, 2);
	rw_release();
	if (trouble_too) {
		rw_await_log("nothing is lost");
		for (unsigned n = 0; n < 20; n++) {
			rw_pass(w, 3600000);
			rw_settle(w);
		}
	}
	expect_group(w, which);
	for (unsigned n = 0; n < MANY; n++)
		if (which >> n & 1) {
			char text[64];
			snprintf(text, sizeof(text), at_end ? "the test lets the commit fail at its end" : "the test refuses '%s'", ids[n]);
			rw_await_log(text);
		}
	/* and the runtime is none the worse */
	rw_start(w, "steps", "after", "1");
	rw_expect(w, "after", "ok");
	rw_end(w);
}

static void each_refusal(void **state, bool at_end, int trouble_too)
{
	for (unsigned n = 0; n < sizeof(refusals) / sizeof(refusals[0]); n++) {
		if (n)
			(void)setup(state);
		group_with_refusals(*state, refusals[n], at_end, trouble_too);
		if (n + 1 < sizeof(refusals) / sizeof(refusals[0]))
			(void)teardown(state);
	}
}

static void of_a_group_only_those_that_are_refused_are_and_the_others_go_on_once(void **state)
{
	each_refusal(state, false, 0);
}

static void also_when_the_refusal_comes_at_the_end_of_the_commit(void **state)
{
	each_refusal(state, true, 0);
}

static void also_when_there_is_trouble_at_the_same_time(void **state)
{
	each_refusal(state, false, PAWL_ENOSPC);
}

static void whoever_started_the_refused_one_is_told_and_the_others_that_it_is_done(void **state)
{
	struct runtime_world *w = *state;
	struct asker askers[MANY];

	begin_group(w);
	for (unsigned n = 0; n < MANY; n++) {
		askers[n] = (struct asker){ .w = w, .type = "steps", .id = ids[n], .text = "2" };
		ask_begin(&askers[n]);
	}
	refuse(1u << 3 | 1u << 7, false);
	rw_release();
	for (unsigned n = 0; n < MANY; n++) {
		assert_int_equal(ask_end(&askers[n]), n == 3 || n == 7 ? PAWL_EEXISTS : 0);
		if (n == 3)
			assert_string_equal(askers[n].err.text, "the test refuses 'm03'");
	}
	expect_group(w, 1u << 3 | 1u << 7);
	rw_end(w);
}

static void a_start_sent_by_a_client_that_is_refused_is_put_aside_and_frees_its_id(void **state)
{
	struct runtime_world *w = *state;

	begin_group(w);
	for (unsigned n = 0; n < MANY; n++)
		assert_int_equal(rw_send(w, PAWL_MESSAGE_START, ids[n], "steps", "2"), 0);
	rw_settle(w);
	refuse(1u << 5, false);
	rw_release();
	expect_group(w, 1u << 5);
	rw_lock();
	memset(rw_storage.taken, 0, sizeof(rw_storage.taken));
	rw_unlock();
	rw_start(w, "steps", ids[5], "1");
	rw_expect(w, ids[5], "ok");
	rw_end(w);
}

struct waiter {
	struct runtime_world *w;
	const char *id;
	int code;
	char *output;
};

static void *wait_for(void *arg)
{
	struct waiter *t = arg;

	t->code = pawl_wait(t->w->rt, t->id, BOUND_S * 1000, &t->output, NULL);
	return NULL;
}

static bool has_waiter;
static const char *waited_for;

static void look_for_waiter(struct pawl_runtime *rt)
{
	struct instance *i = instance_get(rt, waited_for);

	has_waiter = i && i->waiters;
}

/* Started twice: the second start is not known to be one until the commit says so. Who waits meanwhile waits for the first. */
static void whoever_waits_for_one_that_is_refused_gets_the_end_of_the_one_that_has_the_id(void **state)
{
	struct runtime_world *w = *state;
	struct waiter old = { w, "old", 1, NULL }, none = { w, ids[0], 1, NULL };
	pthread_t threads[2];

	rw_begin(w);
	rw_start(w, "steps", "old", "1");
	rw_expect(w, "old", "ok");
	rw_end(w);
	begin_group(w);
	assert_int_equal(pawl_start(w->rt, "steps", "old", "5", false, NULL, NULL), 0);
	assert_int_equal(pawl_start(w->rt, "steps", ids[0], "5", false, NULL, NULL), 0);
	refuse(1u << 0, false);
	assert_int_equal(pthread_create(&threads[0], NULL, wait_for, &old), 0);
	assert_int_equal(pthread_create(&threads[1], NULL, wait_for, &none), 0);
	for (unsigned n = 0; n < 2; n++) {
		waited_for = n ? ids[0] : "old";
		has_waiter = false;
		while (!has_waiter)
			rw_on_loop(w, look_for_waiter);
	}
	rw_release();
	for (unsigned n = 0; n < 2; n++)
		assert_int_equal(pthread_join(threads[n], NULL), 0);
	assert_int_equal(old.code, 0);
	assert_string_equal(old.output, "ok");
	assert_int_equal(none.code, PAWL_ENOTFOUND);
	free(old.output);
	rw_end(w);
}

/* A record that will never be taken, of an instance that is there already. */
static void one_that_storage_refuses_later_is_parked_and_its_neighbours_go_on(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	for (unsigned n = 0; n < MANY; n++)
		rw_start(w, "collect", ids[n], "");
	rw_hold();
	assert_int_equal(pawl_start(w->rt, "steps", "first", "1", false, NULL, NULL), 0);
	await(rw_storage.holding == 1);
	for (unsigned n = 0; n < MANY; n++)
		assert_int_equal(rw_send(w, PAWL_MESSAGE_RAISE, ids[n], "item", "a"), 0);
	rw_settle(w);
	rw_lock();
	rw_storage.full = ids[4];
	rw_unlock();
	rw_release();
	rw_await_note(w, ids[4], "the test refuses 'm04'");
	for (unsigned n = 0; n < MANY; n++)
		if (n != 4) {
			rw_raise(w, ids[n], "item", "end");
			rw_expect(w, ids[n], "a");
		}
	rw_lock();
	rw_storage.full = NULL;
	rw_unlock();
	rw_reload(w);
	rw_raise(w, ids[4], "item", "end");
	rw_expect(w, ids[4], "a"); /* what it had been sent was kept */
	assert_int_equal(atomic_load(&runs), MANY + 1);
	rw_end(w);
}

static void the_result_of_an_activity_is_kept_while_its_instance_is_refused(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "through_gate", "x", "result");
	gate_await(&gate, 1);
	rw_lock();
	rw_storage.full = "x";
	rw_unlock();
	gate_open(&gate);
	rw_await_note(w, "x", "the test refuses 'x'");
	rw_lock();
	rw_storage.full = NULL;
	rw_unlock();
	rw_reload(w);
	rw_expect(w, "x", "result");
	assert_int_equal(atomic_load(&runs), 1);
	rw_end(w);
}

static void a_refused_event_is_told_to_whoever_raised_it(void **state)
{
	struct runtime_world *w = *state;
	struct asker a = { .w = w, .raise = true, .type = "item", .id = "x", .text = "a" };

	rw_begin(w);
	rw_start(w, "collect", "x", "");
	rw_lock();
	rw_storage.full = "x";
	rw_unlock();
	ask_begin(&a);
	assert_int_equal(ask_end(&a), PAWL_ETOOBIG);
	rw_lock();
	rw_storage.full = NULL;
	rw_unlock();
	rw_reload(w);
	rw_raise(w, "x", "item", "end");
	rw_expect(w, "x", "");
	rw_end(w);
}

/* ---- somebody else's hub ---- */

static void fenced(struct runtime_world *w, bool at_end)
{
	struct asker a = { .w = w, .type = "steps", .id = "x", .text = "2" };

	rw_begin(w);
	rw_start(w, "collect", "y", "");
	if (at_end)
		fail_end(PAWL_EFENCED, 1);
	else
		fail_begin(PAWL_EFENCED, 1);
	ask_begin(&a);
	assert_int_equal(rw_join(w), PAWL_EFENCED);
	assert_true(strstr(w->err.text, "the test") != NULL);
	assert_int_equal(ask_end(&a), PAWL_ECANCELED);
	assert_int_equal(atomic_load(&runs), 0);
	rw_close(w);
	rw_begin(w);
	assert_int_equal(pawl_wait(w->rt, "x", -1, NULL, NULL), PAWL_ENOTFOUND);
	rw_raise(w, "y", "item", "end");
	rw_expect(w, "y", "");
	rw_end(w);
}

static void a_runtime_that_is_fenced_when_a_commit_begins_ends_with_that(void **state)
{
	fenced(*state, false);
}

static void a_runtime_that_is_fenced_when_a_commit_ends_ends_with_that(void **state)
{
	fenced(*state, true);
}

static void a_runtime_that_is_fenced_with_a_commit_under_way_ends_with_that(void **state)
{
	struct runtime_world *w = *state;
	struct asker a = { .w = w, .type = "steps", .id = "y", .text = "2" };

	rw_begin(w);
	rw_start(w, "collect", "x", "");
	rw_hold();
	ask_begin(&a);
	await(rw_storage.holding == 1);
	assert_int_equal(rw_send(w, PAWL_MESSAGE_RAISE, "x", "item", "a"), 0);
	rw_fence(w);
	rw_release();
	assert_int_equal(rw_join(w), PAWL_EFENCED);
	assert_int_equal(ask_end(&a), PAWL_ECANCELED);
	rw_close(w);
	rw_begin(w);
	rw_settle(w);
	rw_raise(w, "x", "item", "end");
	rw_expect(w, "x", "a");
	assert_int_equal(pawl_wait(w->rt, "y", -1, NULL, NULL), PAWL_ENOTFOUND);
	rw_end(w);
}

/* ---- maintenance ---- */

static void maintenance_that_fails_does_not_hold_up_commits_and_is_tried_again(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_lock();
	rw_storage.maintain_code = PAWL_EIO;
	rw_storage.maintain_times = 3;
	unsigned before = rw_storage.maintains;
	rw_unlock();
	rw_start(w, "steps", "x", "3");
	rw_expect(w, "x", "ok");
	for (unsigned n = 1; n <= 4; n++) {
		await(rw_storage.maintains >= before + n);
		rw_pass(w, 3600000);
	}
	rw_await_log("the test lets maintenance fail; commits go on while the journal has room");
	rw_await_log("checkpoint works again");
	assert_true(rw_is_idle(w));
	rw_end(w);
}

static void without_room_while_maintenance_fails_the_runtime_stalls_and_goes_on_later(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_lock();
	rw_storage.maintain_code = PAWL_ENOSPC;
	rw_storage.maintain_times = 1000000;
	rw_unlock();
	rw_start(w, "collect", "x", "");
	rw_await_log("the test lets maintenance fail");
	fail_begin(PAWL_EBUSY, 1000000);
	assert_int_equal(pawl_raise(w->rt, "x", "item", "a", false, NULL), 0);
	rw_await_log("nothing is lost");
	rw_lock();
	rw_storage.maintain_times = rw_storage.begin_times = 0;
	rw_unlock();
	rw_pass(w, 3600000);
	rw_raise(w, "x", "item", "end");
	rw_expect(w, "x", "a");
	rw_end(w);
}

/* ---- reading ---- */

static void a_history_that_cannot_be_read_just_now_is_read_later(void **state)
{
	static const int codes[] = { PAWL_EIO, PAWL_ENOMEM };
	struct runtime_world *w = *state;

	w->options.replay_only = true;
	rw_begin(w);
	rw_start(w, "collect", "x", "");
	for (unsigned n = 0; n < 2; n++) {
		rw_lock();
		rw_storage.read_code = codes[n];
		rw_storage.read_times = 3;
		unsigned before = rw_storage.reads;
		rw_unlock();
		assert_int_equal(pawl_raise(w->rt, "x", "item", "a", false, NULL), 0);
		for (unsigned k = 1; k <= 3; k++) {
			await(rw_storage.reads >= before + k);
			rw_pass(w, 3600000);
		}
	}
	rw_raise(w, "x", "item", "end");
	rw_expect(w, "x", "aa");
	rw_end(w);
}

static void a_damaged_history_is_set_aside_and_the_others_go_on(void **state)
{
	struct runtime_world *w = *state;

	w->options.replay_only = true;
	rw_begin(w);
	rw_start(w, "collect", "x", "");
	rw_start(w, "collect", "y", "");
	rw_lock();
	rw_storage.read_code = PAWL_ECORRUPT;
	rw_storage.read_times = 1;
	rw_unlock();
	assert_int_equal(pawl_raise(w->rt, "x", "item", "a", false, NULL), 0);
	rw_raise(w, "y", "item", "end");
	rw_expect(w, "y", "");
	rw_restart(w);
	bool quarantined = false;
	char *note = w->client->ops->read_note(w->client, "x", &quarantined);
	assert_non_null(note);
	assert_true(quarantined);
	free(note);
	rw_start(w, "steps", "z", "1");
	rw_expect(w, "z", "ok");
	rw_end(w);
}

/* Its retry after the restart reads the input from the file. */
static void an_input_that_cannot_be_read_just_now_holds_its_activity_only(void **state)
{
	struct runtime_world *w = *state;
	char *large = malloc(50001);

	memset(large, 'l', 50000);
	large[50000] = '\0';
	rw_begin(w);
	rw_hold(); /* so that the activity has not begun when the runtime ends */
	assert_int_equal(pawl_start(w->rt, "with_large", "x", large, false, NULL, NULL), 0);
	await(rw_storage.holding == 1);
	pawl_stop(w->rt);
	rw_await_log("stopping");
	rw_release();
	assert_int_equal(rw_join(w), 0);
	rw_close(w);
	rw_lock();
	rw_storage.spill_code = PAWL_EIO;
	rw_storage.spill_times = 2;
	rw_unlock();
	rw_begin(w);
	rw_await_log("cannot start activity 'count' of 'x' yet: the test lets reading a payload fail");
	rw_start(w, "steps", "y", "1");
	rw_expect(w, "y", "ok");
	rw_log_forget();
	rw_pass(w, 3600000);
	rw_await_log("cannot start activity 'count' of 'x' yet");
	rw_pass(w, 3600000);
	rw_expect(w, "x", "same");
	assert_int_equal(atomic_load(&runs), 2);
	rw_end(w);
	free(large);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_full_disk_holds_a_start_until_there_is_room_and_tells_nobody_before),
		test(so_does_a_disk_that_fails),
		test(so_does_one_that_is_full_when_the_commit_ends),
		test(so_does_one_that_fails_when_the_commit_ends),
		test(so_does_one_that_has_become_read_only),
		test(a_commit_without_room_is_made_when_maintenance_has_made_some),
		test(trouble_at_each_commit_in_turn_changes_nothing),
		test(trouble_is_told_once_and_its_end_too),
		test(the_loop_sleeps_while_storage_fails_and_after_it_works_again),
		test(what_runs_while_storage_fails_is_recorded_when_it_works_again),
		test(a_stop_while_storage_fails_leaves_what_was_not_saved_to_the_next_start),
		test(a_group_that_fails_is_committed_as_it_was),
		test(of_a_group_only_those_that_are_refused_are_and_the_others_go_on_once),
		test(also_when_the_refusal_comes_at_the_end_of_the_commit),
		test(also_when_there_is_trouble_at_the_same_time),
		test(whoever_started_the_refused_one_is_told_and_the_others_that_it_is_done),
		test(a_start_sent_by_a_client_that_is_refused_is_put_aside_and_frees_its_id),
		test(whoever_waits_for_one_that_is_refused_gets_the_end_of_the_one_that_has_the_id),
		test(one_that_storage_refuses_later_is_parked_and_its_neighbours_go_on),
		test(the_result_of_an_activity_is_kept_while_its_instance_is_refused),
		test(a_refused_event_is_told_to_whoever_raised_it),
		test(a_runtime_that_is_fenced_when_a_commit_begins_ends_with_that),
		test(a_runtime_that_is_fenced_when_a_commit_ends_ends_with_that),
		test(a_runtime_that_is_fenced_with_a_commit_under_way_ends_with_that),
		test(maintenance_that_fails_does_not_hold_up_commits_and_is_tried_again),
		test(without_room_while_maintenance_fails_the_runtime_stalls_and_goes_on_later),
		test(a_history_that_cannot_be_read_just_now_is_read_later),
		test(a_damaged_history_is_set_aside_and_the_others_go_on),
		test(an_input_that_cannot_be_read_just_now_holds_its_activity_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
