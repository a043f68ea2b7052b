/* test_runtime_check_replay.c - development mode: code that decides something else when it is replayed is found in the turn
 * that does it, and nothing of that turn happens. */
#include "unit/runtime_world.h"
#include <stdatomic.h>

static atomic_uint runs;
static int calls; /* what orchestration code must not have */

static int count_run(pawl_work *work, const char *input)
{
	(void)input;
	atomic_fetch_add(&runs, 1);
	return pawl_work_return(work, "%s", "");
}
PAWL_ACTIVITY(count_run);

/* All that is fine, and waits in between. */
static int good(pawl_ctx *ctx, const char *input)
{
	pawl_set_status(ctx, pawl_uuid(ctx));
	pawl_set(ctx, "k", input);
	if (!pawl_call(ctx, "count_run", input))
		return pawl_rethrow(ctx);
	pawl_task *go = pawl_event(ctx, "go"), *late = pawl_timer(ctx, PAWL_HOURS(1));
	if (pawl_patched(ctx, "p") && pawl_any(ctx, go, late) != go)
		return pawl_fail(ctx, "late");
	if (pawl_execution(ctx) == 1)
		return pawl_continue_as_new(ctx, input);
	return pawl_return(ctx, pawl_printf(ctx, "%s %d", input, (int)(pawl_random(ctx) & 0)));
}
PAWL_ORCHESTRATION(good, "1.0");

/* Input: what it does each time anew. */
static int counting(pawl_ctx *ctx, const char *input)
{
	int n = calls++;

	if (strcmp(input, "other") == 0)
		(void)pawl_call(ctx, "count_run", n ? "b" : "a");
	if (strcmp(input, "more") == 0 && n > 0)
		pawl_set_status(ctx, "again");
	pawl_task *go = pawl_event(ctx, "go");
	if (strcmp(input, "less") == 0 && n == 0)
		(void)pawl_activity(ctx, "count_run", "x");
	if (strcmp(input, "later") == 0 && pawl_await(ctx, go))
		(void)pawl_call(ctx, "count_run", calls % 2 ? "b" : "a");
	if (strcmp(input, "end") == 0)
		return pawl_return(ctx, n ? "b" : "a");
	if (strcmp(input, "ends") == 0 && n)
		return pawl_return(ctx, NULL);
	return pawl_return(ctx, pawl_await(ctx, go));
}
PAWL_ORCHESTRATION(counting, "1.0");

static void begin(struct runtime_world *w)
{
	calls = 0;
	atomic_store(&runs, 0);
	w->options.check_replay = true;
	rw_begin(w);
}

static void good_code_goes_through(void **state)
{
	static char large[100000];
	struct runtime_world *w = *state;

	memset(large, 'x', sizeof(large) - 1);
	for (int replay_only = 0; replay_only < 2; replay_only++) {
		const char *id = replay_only ? "b" : "a", *big = replay_only ? "d" : "c";
		w->options.replay_only = replay_only;
		begin(w);
		rw_start(w, "good", id, "in");
		rw_start(w, "good", big, large);
		for (int n = 0; n < 2; n++) {
			rw_raise(w, id, "go", "1");
			rw_raise(w, big, "go", large);
		}
		rw_expect(w, id, "in 0");
		await(atomic_load(&runs) == 4);
		rw_end(w);
	}
}

/* Without waiting for what will not become durable. */
static void start_queued(struct runtime_world *w, const char *id, const char *input)
{
	struct pawl_error err = { 0 };

	assert_int_equal(pawl_start(w->rt, "counting", id, input, false, NULL, &err), 0);
}

static void is_found(struct runtime_world *w, const char *id, const char *input, const char *words)
{
	struct pawl_error err = { 0 };

	begin(w);
	start_queued(w, id, input);
	if (strcmp(input, "later") == 0) {
		rw_await_count(w, id, EVENT_EventSubscribed, 1);
		(void)pawl_raise(w->rt, id, "go", "x", false, &err);
	}
	assert_int_equal(rw_join(w), PAWL_ENONDETERMINISM);
	if (!strstr(w->err.text, words) || !strstr(w->err.text, id))
		fail_msg("'%s' does not say '%s'", w->err.text, words);
	rw_close(w);
	assert_int_equal(atomic_load(&runs), 0);
}

static void other_decisions_are_found(void **state)
{
	is_found(*state, "a", "other", "history line 2 has ActivityScheduled 'count_run' input 'a', but the code made ActivityScheduled 'count_run' input 'b'");
}

static void more_decisions_are_found(void **state)
{
	is_found(*state, "a", "more", "history line 2 has EventSubscribed 'go', but the code made CustomStatusSet");
}

static void fewer_decisions_are_found(void **state)
{
	is_found(*state, "a", "less", "history line 3 has ActivityScheduled 'count_run' input 'x', but the code waits");
}

static void another_end_is_found(void **state)
{
	is_found(*state, "a", "end", "ExecutionCompleted output 'a'");
}

static void an_end_where_it_waited_is_found(void **state)
{
	is_found(*state, "a", "ends", "the code ended with ExecutionCompleted");
}

/* The turns before stay; nothing of the turn that was refused is there. */
static void a_later_turn_is_not_committed(void **state)
{
	struct runtime_world *w = *state;

	is_found(w, "a", "later", "ActivityScheduled");
	w->options.check_replay = false;
	calls = 0;
	rw_open(w);
	char *history = rw_history(w, "a", 1);
	assert_non_null(strstr(history, "EventSubscribed"));
	assert_null(strstr(history, "EventRaised"));
	assert_null(strstr(history, "ActivityScheduled"));
	free(history);
	assert_true(rw_logged("'a' is parked: decides something else when it is replayed"));
	assert_true(rw_logged("look for static and global variables"));
	rw_run(w);
	rw_raise(w, "a", "go", "x");
	rw_expect(w, "a", "x");
	rw_end(w);
}

static void what_is_off_finds_nothing(void **state)
{
	struct runtime_world *w = *state;

	calls = 0;
	rw_begin(w);
	rw_start(w, "counting", "a", "other");
	rw_raise(w, "a", "go", "x");
	rw_expect(w, "a", "x");
	rw_end(w);
}

static void the_configuration_says_so_too(void **state)
{
	struct runtime_world *w = *state;

	rw_config(w, "engine: {check_replay: true}\n");
	calls = 0;
	rw_begin(w);
	start_queued(w, "a", "other");
	assert_int_equal(rw_join(w), PAWL_ENONDETERMINISM);
	rw_close(w);
}

static void terminating_needs_no_replay(void **state)
{
	struct runtime_world *w = *state;

	begin(w);
	rw_start(w, "counting", "a", "fine");
	rw_await_count(w, "a", EVENT_EventSubscribed, 1);
	assert_int_equal(rw_send(w, PAWL_MESSAGE_TERMINATE, "a", NULL, NULL), 0);
	rw_expect_end(w, "a", PAWL_ECANCELED, "");
	rw_end(w);
}

#define WORLD(fn) cmocka_unit_test_setup_teardown(fn, rw_setup, rw_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD(good_code_goes_through),
		cmocka_unit_test_setup_teardown(good_code_goes_through, rw_setup_disk, rw_teardown),
		WORLD(other_decisions_are_found),
		WORLD(more_decisions_are_found),
		WORLD(fewer_decisions_are_found),
		WORLD(another_end_is_found),
		WORLD(an_end_where_it_waited_is_found),
		cmocka_unit_test_setup_teardown(a_later_turn_is_not_committed, rw_setup_disk, rw_teardown),
		WORLD(what_is_off_finds_nothing),
		WORLD(the_configuration_says_so_too),
		WORLD(terminating_needs_no_replay),
	};

	return cmocka_run_group_tests_name("engine.check_replay", tests, NULL, NULL);
}
