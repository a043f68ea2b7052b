/* test_runtime_entities.c - entities in a whole runtime: calls, signals, locks of several, ends and deaths in between. */
#include "unit/runtime_world.h"
#include <stdatomic.h>

static atomic_int gate_calls;

/* ---- what runs ---- */

static int account(pawl_ctx *ctx, const char *input)
{
	const char *op = pawl_operation(ctx);
	int have = atoi(pawl_state(ctx)), n = atoi(input);

	if (strcmp(op, "take") == 0 && n > have)
		return pawl_fail(ctx, "only %d there", have);
	if (strcmp(op, "hang") == 0)
		(void)pawl_wait_event(ctx, "never", -1);
	if (strcmp(op, "get") != 0)
		pawl_set_state(ctx, pawl_printf(ctx, "%d", strcmp(op, "take") == 0 ? have - n : have + n));
	return pawl_return(ctx, pawl_state(ctx));
}
PAWL_ENTITY(account, "1.0");

/* "NAME OPERATION INPUT" for account NAME; its answer, or the failure. */
static int asks(pawl_ctx *ctx, const char *input)
{
	char key[32], op[32], text[32];

	if (sscanf(input, "%31s %31s %31s", key, op, text) != 3)
		return pawl_fail(ctx, "bad input");
	const char *answer = pawl_call_entity(ctx, "account", key, op, text);
	const pawl_failure *f = pawl_failed(ctx);
	return pawl_return(ctx, answer ? answer : pawl_printf(ctx, "%s/%s: %s", f->kind, f->code, f->message));
}
PAWL_ORCHESTRATION(asks, "1.0");

static int pass(pawl_work *work, const char *input)
{
	atomic_fetch_add(&gate_calls, 1);
	return pawl_work_return(work, "%s", input);
}
PAWL_ACTIVITY(pass);

/* From one to the other, with an activity while both are locked. "a b 5" */
static int moves(pawl_ctx *ctx, const char *input)
{
	char from[8], to[8], amount[8];

	if (sscanf(input, "%7s %7s %7s", from, to, amount) != 3)
		return pawl_fail(ctx, "bad input");
	if (pawl_lock(ctx, (const char *const[]){ "account", from, "account", to, NULL }) < 0)
		return pawl_rethrow(ctx);
	if (!pawl_call_entity(ctx, "account", from, "take", amount))
		return pawl_rethrow(ctx);
	(void)pawl_call(ctx, "pass", "x");
	const char *left = pawl_call_entity(ctx, "account", to, "add", amount);
	if (atoi(amount) % 2)
		pawl_unlock(ctx); /* else with its end */
	return pawl_return(ctx, left);
}
PAWL_ORCHESTRATION(moves, "1.0");

/* Holds account x until it is told, or ended. */
static int holds(pawl_ctx *ctx, const char *input)
{
	if (pawl_lock(ctx, (const char *const[]){ "account", input, "account", "z", NULL }) < 0)
		return pawl_rethrow(ctx);
	pawl_set_status(ctx, "holds");
	(void)pawl_wait_event(ctx, "go", -1);
	return pawl_return(ctx, "let go");
}
PAWL_ORCHESTRATION(holds, "1.0");

static int signals(pawl_ctx *ctx, const char *input)
{
	for (int n = 0; n < atoi(input); n++)
		pawl_signal(ctx, "account", "s", "add", "1");
	pawl_signal(ctx, "nobody", "s", "add", "1");
	return pawl_return(ctx, "sent");
}

static int nobody(pawl_ctx *ctx, const char *input)
{
	return signals(ctx, input);
}
PAWL_ORCHESTRATION(nobody, "1.0"); /* no entity */
PAWL_ORCHESTRATION(signals, "1.0");

/* ---- */

static void ask(struct runtime_world *w, const char *input, const char *answer)
{
	static int count;
	char id[16];

	snprintf(id, sizeof(id), "ask%d", count++);
	rw_start(w, "asks", id, input);
	rw_expect(w, id, answer);
}

static void a_call_makes_the_entity_and_is_answered(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	ask(w, "a add 5", "5");
	ask(w, "a take 2", "3");
	ask(w, "a take 9", "application/: only 3 there");
	rw_restart(w);
	ask(w, "a get 0", "3");
	rw_end(w);
}

static void without_stacks(void **state)
{
	struct runtime_world *w = *state;

	w->options.replay_only = true;
	a_call_makes_the_entity_and_is_answered(state);
}

static void signals_are_all_there_in_the_end(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	for (int n = 0; n < 4; n++) {
		char id[8];
		snprintf(id, sizeof(id), "s%d", n);
		rw_start(w, "signals", id, "200");
		rw_expect(w, id, "sent");
		if (n == 1)
			rw_restart(w);
	}
	ask(w, "s get 0", "800");
	rw_end(w);
}

static void transfers_in_both_directions_keep_the_sum_and_never_hang(void **state)
{
	struct runtime_world *w = *state;
	char id[16], input[24];

	rw_begin(w);
	ask(w, "a add 100", "100");
	ask(w, "b add 100", "100");
	ask(w, "c add 100", "100");
	for (int n = 0; n < 30; n++) {
		static const char *const ways[] = { "a b", "b a", "c a", "b c", "a c" };
		snprintf(id, sizeof(id), "m%d", n);
		snprintf(input, sizeof(input), "%s %d", ways[n % 5], 1 + n % 3);
		rw_start(w, "moves", id, input);
		if (n == 10 || n == 20)
			rw_restart(w);
	}
	for (int n = 0; n < 30; n++) {
		char *output = NULL;
		snprintf(id, sizeof(id), "m%d", n);
		assert_int_equal(pawl_wait(w->rt, id, BOUND_S * 1000, &output, NULL), 0);
		free(output);
	}
	int sum = 0;
	for (int n = 0; n < 3; n++) {
		char *output = NULL;
		snprintf(id, sizeof(id), "sum%d", n);
		snprintf(input, sizeof(input), "%c get 0", 'a' + n);
		rw_start(w, "asks", id, input);
		assert_int_equal(pawl_wait(w->rt, id, BOUND_S * 1000, &output, NULL), 0);
		sum += atoi(output);
		free(output);
	}
	assert_int_equal(sum, 300);
	rw_end(w);
}

/* However who holds it ends, the next one gets it. */
static void a_lock_ends_with_its_holder(void **state)
{
	static const enum pawl_message_kind ways[] = { PAWL_MESSAGE_TERMINATE, PAWL_MESSAGE_CANCEL, PAWL_MESSAGE_RAISE };
	struct runtime_world *w = *state;
	char id[8], next[8];

	rw_begin(w);
	for (int n = 0; n < 3; n++) {
		snprintf(id, sizeof(id), "h%d", n);
		snprintf(next, sizeof(next), "n%d", n);
		rw_start(w, "holds", id, "a");
		rw_await_count(w, id, EVENT_CustomStatusSet, 1);
		rw_start(w, "moves", next, "z a 0");
		rw_settle(w);
		if (ways[n] == PAWL_MESSAGE_RAISE)
			rw_raise(w, id, "go", NULL);
		else
			assert_int_equal(rw_send(w, ways[n], id, NULL, NULL), 0);
		rw_expect(w, next, "0");
	}
	rw_end(w);
}

static void who_waits_for_a_lock_can_be_ended(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "holds", "h", "a");
	rw_await_count(w, "h", EVENT_CustomStatusSet, 1);
	rw_start(w, "holds", "w1", "a");
	rw_start(w, "holds", "w2", "a");
	rw_await_count(w, "w2", EVENT_EntityLockRequested, 1);
	rw_settle(w);
	assert_int_equal(rw_send(w, PAWL_MESSAGE_TERMINATE, "w1", NULL, NULL), 0);
	rw_await_count(w, "w1", EVENT_ExecutionTerminated, 1);
	rw_raise(w, "h", "go", NULL);
	rw_expect(w, "h", "let go");
	rw_await_count(w, "w2", EVENT_EntityLockGranted, 1);
	rw_raise(w, "w2", "go", NULL);
	rw_expect(w, "w2", "let go");
	rw_end(w);
}

static void who_calls_an_entity_that_ends_is_told(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "asks", "x", "h hang 1");
	rw_start(w, "asks", "y", "h add 1");
	rw_await_count(w, "entity:account:h", EVENT_EventRaised, 2);
	assert_int_equal(rw_send(w, PAWL_MESSAGE_TERMINATE, "entity:account:h", NULL, NULL), 0);
	rw_expect(w, "x", "system/ended: the entity has ended");
	rw_expect(w, "y", "system/ended: the entity has ended");
	ask(w, "h get 0", "system/ended: the instance has ended");
	rw_end(w);
}

static int signals_later(pawl_ctx *ctx, const char *input)
{
	pawl_signal_later(ctx, "account", input, "add", "5", 60000);
	return pawl_return(ctx, "sent");
}
PAWL_ORCHESTRATION(signals_later, "1.0");

/* What the entity tells the holder names line 2 of the holder; its own line 2 is the signal that is still to come. */
static void a_signal_for_later_is_not_taken_for_what_others_have_in_that_line(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "signals_later", "later", "l");
	rw_expect(w, "later", "sent");
	rw_start(w, "moves", "m", "l l2 0");
	rw_expect(w, "m", "0");
	rw_pass(w, 60001);
	rw_await_count(w, "entity:account:l", EVENT_EventRaised, 4);
	ask(w, "l get 0", "5");
	rw_end(w);
}

static void types_and_ids_of_entities_are_their_own(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	assert_int_equal(pawl_start(w->rt, "account", "plain", NULL, true, NULL, NULL), PAWL_EINVALID);
	assert_int_equal(pawl_start(w->rt, "asks", "entity:asks:x", NULL, true, NULL, NULL), PAWL_EINVALID);
	assert_int_equal(pawl_start(w->rt, "unknown", "entity:account:x", NULL, true, NULL, NULL), PAWL_EINVALID);
	assert_int_equal(pawl_start(w->rt, "account", "entity:account", NULL, true, NULL, NULL), PAWL_EINVALID);
	assert_int_equal(pawl_start(w->rt, "account", "entity:account:made", NULL, true, NULL, NULL), 0);
	ask(w, "made add 1", "1");
	/* nor does an instance that has ended become one */
	rw_start(w, "signals", "old", "0");
	rw_expect(w, "old", "sent");
	const pawl_start_options old = { .id = "old" };
	assert_int_equal(pawl_start_with(w->rt, "account", "", &old, PAWL_EXISTS_REPLACE, true, NULL, NULL), PAWL_EINVALID);
	assert_int_equal(pawl_start_with(w->rt, "signals", "0", &old, PAWL_EXISTS_REPLACE, true, NULL, NULL), 0);
	rw_end(w);
}

#define test(name) cmocka_unit_test_setup_teardown(name, rw_setup, rw_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_call_makes_the_entity_and_is_answered),
		test(without_stacks),
		test(signals_are_all_there_in_the_end),
		test(transfers_in_both_directions_keep_the_sum_and_never_hang),
		test(a_lock_ends_with_its_holder),
		test(who_waits_for_a_lock_can_be_ended),
		test(who_calls_an_entity_that_ends_is_told),
		test(a_signal_for_later_is_not_taken_for_what_others_have_in_that_line),
		test(types_and_ids_of_entities_are_their_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
