/* test_runtime_queued.c - what comes in between, while something of an instance is queued and not durable yet: timers, refused
 * commits, ends by others, and more and more lines of others. */
#include "unit/runtime_world.h"

static int kid(pawl_ctx *ctx, const char *input)
{
	(void)input;
	return strstr(pawl_instance_id(ctx), ":r") ? pawl_return(ctx, pawl_wait_event(ctx, "go", -1)) : pawl_fail(ctx, "not yet");
}
PAWL_ORCHESTRATION(kid, "1.0");

static int patient(pawl_ctx *ctx, const char *input)
{
	const pawl_retry retry = { .max_attempts = 3, .first_ms = (int64_t)atol(input), .coefficient = 1 };
	pawl_task *child = pawl_child_with(ctx, "kid", NULL, &(pawl_child_options){ .id = "kid", .retry = &retry });

	if (pawl_any(ctx, child, pawl_event(ctx, "stop")) == child)
		return pawl_return(ctx, pawl_result(child));
	const char *result = pawl_await(ctx, child);
	const char *was = result ? result : pawl_failed(ctx)->kind;
	(void)pawl_wait_event(ctx, "end", -1);
	return pawl_return(ctx, was);
}
PAWL_ORCHESTRATION(patient, "1.0");

static int idler(pawl_ctx *ctx, const char *input)
{
	(void)input;
	return pawl_wait_event(ctx, "go", -1) ? pawl_return(ctx, "went") : pawl_rethrow(ctx);
}
PAWL_ORCHESTRATION(idler, "1.0");

static int sender(pawl_ctx *ctx, const char *input)
{
	(void)pawl_wait_event(ctx, "go", -1);
	pawl_task *sent = pawl_send(ctx, input, "item", "x");
	const char *result = pawl_await(ctx, sent);

	return pawl_return(ctx, result ? "sent" : pawl_failed(ctx)->code);
}
PAWL_ORCHESTRATION(sender, "1.0");

static int setup_replay(void **state)
{
	int rc = rw_setup(state);

	((struct runtime_world *)*state)->options.replay_only = true;
	return rc;
}

static void no_space(int times)
{
	rw_lock();
	rw_storage.begin_times = times;
	rw_storage.begin_code = PAWL_ENOSPC;
	rw_unlock();
}

/* It waits for its next attempt, whose time comes before the cancel is durable, as the storage is full. */
static void a_child_whose_cancel_is_queued_is_not_begun_when_its_time_comes(void **state)
{
	struct runtime_world *w = *state;

	w->options.os = rw_os();
	rw_begin(w);
	rw_start(w, "patient", "p", "60000");
	rw_await_count(w, "p", EVENT_ChildRetrying, 1);
	no_space(1000000);
	assert_int_equal(rw_send(w, PAWL_MESSAGE_RAISE, "p", "stop", NULL), 0);
	rw_await_log("no new step is taken");
	rw_pass(w, 61000);
	rw_settle(w);
	rw_settle(w);
	no_space(0);
	rw_pass(w, 20000);
	rw_await_count(w, "p", EVENT_ChildFailed, 1);
	rw_settle(w);
	char *none = rw_history(w, "kid:r2", 1);
	assert_string_equal(none, "");
	free(none);
	rw_raise(w, "p", "end", NULL);
	rw_expect(w, "p", "canceled");
	rw_end(w);
}

static void nor_is_it_answered_twice_when_its_id_is_taken(void **state)
{
	struct runtime_world *w = *state;

	w->options.os = rw_os();
	rw_begin(w);
	rw_start(w, "idler", "kid:r2", NULL);
	rw_start(w, "patient", "p", "60000");
	rw_await_count(w, "p", EVENT_ChildRetrying, 1);
	no_space(1000000);
	assert_int_equal(rw_send(w, PAWL_MESSAGE_RAISE, "p", "stop", NULL), 0);
	rw_await_log("no new step is taken");
	rw_pass(w, 61000);
	rw_settle(w);
	rw_settle(w);
	no_space(0);
	rw_pass(w, 20000);
	rw_await_count(w, "p", EVENT_ChildFailed, 1);
	rw_settle(w);
	rw_raise(w, "p", "end", NULL);
	rw_expect(w, "p", "canceled");
	rw_end(w);
}

static void raise_go(struct pawl_runtime *rt, const char *id)
{
	struct mail *m = mail_new(rt, EVENT_EventRaised);

	m->event.fields = FIELD_NAME;
	m->event.name = SLICE("go");
	mail_post(rt, instance_get(rt, id), m);
}

/* The start of the next attempt shares a batch with what is refused for ever. */
static void join_both(struct pawl_runtime *rt)
{
	struct pawl_error err = { 0 };

	raise_go(rt, "bad");
	rt->committing = true; /* both go into one batch */
	(void)turns_run(rt, &err);
	rw_boot_clock(61000);
	rw_wall_clock(61000);
	effects_fire_due(rt, rt->os->boot_ns(rt->os->self));
	rt->committing = false;
}

static void a_child_whose_start_was_taken_back_is_begun_again(void **state)
{
	struct runtime_world *w = *state;

	w->options.os = rw_os();
	rw_begin(w);
	rw_start(w, "idler", "b", NULL);
	rw_start(w, "sender", "bad", "b");
	rw_start(w, "patient", "p", "60000");
	rw_await_count(w, "p", EVENT_ChildRetrying, 1);
	rw_settle(w);
	rw_lock();
	rw_storage.full = "b";
	rw_unlock();
	rw_on_loop(w, join_both);
	rw_await_log("instance 'bad' is parked: the test refuses 'b'");
	rw_lock();
	rw_storage.full = NULL;
	rw_unlock();
	rw_pass(w, 20000);
	rw_settle(w);
	rw_await_count(w, "kid:r2", EVENT_EventSubscribed, 1);
	rw_raise(w, "kid:r2", "go", "fine");
	rw_expect(w, "p", "fine");
	rw_end(w);
}

static void a_child_whose_id_is_taken_in_between_is_looked_at_again(void **state)
{
	struct runtime_world *w = *state;

	w->options.os = rw_os();
	rw_begin(w);
	rw_start(w, "patient", "p", "60000");
	rw_await_count(w, "p", EVENT_ChildRetrying, 1);
	rw_settle(w);
	rw_lock();
	rw_storage.taken[0] = "kid:r2";
	rw_unlock();
	rw_pass(w, 61000);
	rw_await_log("looking again");
	rw_lock();
	rw_storage.taken[0] = NULL;
	rw_unlock();
	rw_pass(w, 20000);
	rw_await_count(w, "kid:r2", EVENT_EventSubscribed, 1);
	rw_raise(w, "kid:r2", "go", "fine");
	rw_expect(w, "p", "fine");
	rw_end(w);
}

/* Takes three items when it is told to go. */
static int late_taker(pawl_ctx *ctx, const char *input)
{
	const char *all = "";

	(void)input;
	(void)pawl_wait_event(ctx, "go", -1);
	for (int n = 0; n < 3; n++)
		all = pawl_printf(ctx, "%s%s ", all, pawl_wait_event(ctx, "item", -1));
	return pawl_return(ctx, all);
}
PAWL_ORCHESTRATION(late_taker, "1.0");

static int later(pawl_ctx *ctx, const char *input)
{
	return pawl_await(ctx, pawl_send_later(ctx, input, "item", "late", 60000)) ? pawl_return(ctx, "sent") : pawl_rethrow(ctx);
}
PAWL_ORCHESTRATION(later, "1.0");

static void an_event_for_later_waits_for_room(void **state)
{
	struct runtime_world *w = *state;

	rw_config(w, "limits: { events_buffered_max: 2 }\n");
	w->options.os = rw_os();
	rw_begin(w);
	rw_start(w, "late_taker", "t", NULL);
	rw_start(w, "later", "l", "t");
	rw_expect(w, "l", "sent");
	rw_raise(w, "t", "item", "1");
	rw_raise(w, "t", "item", "2");
	rw_pass(w, 61000);
	rw_settle(w);
	rw_settle(w);
	assert_int_equal(rw_count(w, "t", EVENT_EventRaised), 2);
	rw_raise(w, "t", "go", NULL);
	rw_settle(w);
	rw_pass(w, 20000);
	rw_expect(w, "t", "1 2 late ");
	rw_end(w);
}

/* So many events one after the other, each awaited; how many failed. */
static int spammer(pawl_ctx *ctx, const char *input)
{
	int bad = 0;

	for (int n = 0; n < atoi(input); n++)
		bad += !pawl_await(ctx, pawl_send(ctx, "eater", "item", "x"));
	return pawl_return(ctx, pawl_printf(ctx, "%d", bad));
}
PAWL_ORCHESTRATION(spammer, "1.0");

static int eater(pawl_ctx *ctx, const char *input)
{
	for (int n = 0; n < atoi(input); n++)
		(void)pawl_wait_event(ctx, "item", -1);
	return pawl_return(ctx, "full");
}
PAWL_ORCHESTRATION(eater, "1.0");

static void whoever_many_send_to_has_its_turns(void **state)
{
	struct runtime_world *w = *state;

	rw_config(w, "limits: { events_buffered_max: 100 }\n");
	rw_begin(w);
	rw_start(w, "eater", "eater", "1200");
	for (int n = 0; n < 4; n++) {
		char id[8];
		snprintf(id, sizeof id, "s%d", n);
		rw_start(w, "spammer", id, "300");
	}
	rw_expect(w, "s0", "0");
	rw_expect(w, "s1", "0");
	rw_expect(w, "s2", "0");
	rw_expect(w, "s3", "0");
	rw_expect(w, "eater", "full");
	rw_end(w);
}

static int matron(pawl_ctx *ctx, const char *input)
{
	(void)input;
	return pawl_await(ctx, pawl_child_with(ctx, "idler", NULL, &(pawl_child_options){ .id = "b" })) ? pawl_return(ctx, "") : pawl_rethrow(ctx);
}
PAWL_ORCHESTRATION(matron, "1.0");

/* More lines in one turn than a batch gathers. */
static int wordy(pawl_ctx *ctx, const char *input)
{
	char *text = pawl_alloc(ctx, 30001);

	(void)input;
	memset(text, 'x', 30000);
	text[30000] = '\0';
	(void)pawl_wait_event(ctx, "go", -1);
	for (int n = 0; n < 30; n++)
		(void)pawl_send(ctx, "nobody", "x", text);
	return pawl_return(ctx, "said");
}
PAWL_ORCHESTRATION(wordy, "1.0");

static void all_at_once(struct pawl_runtime *rt)
{
	mail_post(rt, instance_get(rt, "m"), mail_new(rt, EVENT_ExecutionTerminated));
	raise_go(rt, "w");
	raise_go(rt, "b");
}

static void one_that_is_ended_by_another_while_its_turn_is_due_is_gone(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "matron", "m", NULL);
	rw_start(w, "wordy", "w", NULL);
	rw_await_count(w, "b", EVENT_EventSubscribed, 1);
	rw_await_count(w, "w", EVENT_EventSubscribed, 1);
	rw_on_loop(w, all_at_once);
	rw_expect(w, "w", "said");
	rw_expect_end(w, "b", PAWL_ECANCELED, "its parent was terminated");
	rw_start(w, "idler", "after", NULL);
	rw_raise(w, "after", "go", NULL);
	rw_expect(w, "after", "went");
	rw_end(w);
}

#define test(f) cmocka_unit_test_setup_teardown(f, rw_setup, rw_teardown)
#define test_replay(f) { #f " (replayed)", f, setup_replay, rw_teardown, NULL }
#define test_both(f) test(f), test_replay(f)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_both(a_child_whose_cancel_is_queued_is_not_begun_when_its_time_comes),
		test_both(nor_is_it_answered_twice_when_its_id_is_taken),
		test_both(a_child_whose_start_was_taken_back_is_begun_again),
		test_both(a_child_whose_id_is_taken_in_between_is_looked_at_again),
		test_both(whoever_many_send_to_has_its_turns),
		test_both(one_that_is_ended_by_another_while_its_turn_is_due_is_gone),
		test_both(an_event_for_later_waits_for_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
