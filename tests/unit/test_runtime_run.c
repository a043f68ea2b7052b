/* test_runtime_run.c - a runtime in this process over the memory provider: what programs and clients see of it. */
#include "unit/runtime_world.h"
#include "base/crc32c.h"
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- activities ---- */

static struct gate gate;
static atomic_uint runs, deferrals, gave_up;
static atomic_bool code_changed;

static int twice(pawl_work *work, const char *input)
{
	atomic_fetch_add(&runs, 1);
	return pawl_work_return(work, "%d", 2 * atoi(input));
}
PAWL_ACTIVITY(twice);

static int echo(pawl_work *work, const char *input)
{
	return pawl_work_return_bytes(work, input, pawl_work_input_len(work));
}
PAWL_ACTIVITY(echo);

/* Its input is the attempt that succeeds. */
static int flaky(pawl_work *work, const char *input)
{
	atomic_fetch_add(&runs, 1);
	if (pawl_work_attempt(work) < (uint32_t)atoi(input))
		return pawl_work_fail(work, "flaky", "not yet at attempt %u", (unsigned)pawl_work_attempt(work));
	return pawl_work_return(work, "attempt %u of %s", (unsigned)pawl_work_attempt(work), pawl_work_key(work));
}
PAWL_ACTIVITY(flaky);

static int deny(pawl_work *work, const char *input)
{
	atomic_fetch_add(&runs, 1);
	return pawl_work_fail_for_good(work, "denied", "no %s today", input);
}
PAWL_ACTIVITY(deny);

static int silent(pawl_work *work, const char *input)
{
	(void)work;
	return atoi(input);
}
PAWL_ACTIVITY(silent);

static int make_bytes(pawl_work *work, const char *input)
{
	size_t len = (size_t)atol(input);
	char *data = malloc(len + 1);

	memset(data, 'x', len);
	int rc = pawl_work_return_bytes(work, data, len);
	free(data);
	return rc;
}
PAWL_ACTIVITY(make_bytes);

static int deferred(pawl_work *work, const char *input)
{
	(void)input;
	if (atomic_fetch_add(&deferrals, 1) < 3)
		return pawl_work_defer(work, 2, "no link");
	return pawl_work_return(work, "attempt %u", (unsigned)pawl_work_attempt(work));
}
PAWL_ACTIVITY(deferred);

static int gated(pawl_work *work, const char *input)
{
	atomic_fetch_add(&runs, 1);
	if (!gate_pass(&gate))
		return pawl_work_fail(work, "hung", "the gate stayed closed");
	return pawl_work_return(work, "through %s", input);
}
PAWL_ACTIVITY(gated);

/* At its first run it works until it is told to stop, and says so by failing. */
static int obedient(pawl_work *work, const char *input)
{
	long looks = 0;

	(void)input;
	if (atomic_fetch_add(&runs, 1) > 0)
		return pawl_work_return(work, "done at last");
	rw_lock();
	gate.came++;
	rw_ring();
	rw_unlock();
	while (!pawl_work_is_cancelled(work) && rw_look_again(&looks))
		;
	atomic_fetch_add(&gave_up, 1);
	return pawl_work_fail_for_good(work, "stopped", "was told to stop");
}
PAWL_ACTIVITY(obedient);

/* ---- orchestrations ---- */

static int chain(pawl_ctx *ctx, const char *input)
{
	int total = 0;

	for (int n = 0; n < atoi(input); n++) {
		const char *result = pawl_call(ctx, "twice", pawl_printf(ctx, "%d", n));
		if (!result)
			return pawl_rethrow(ctx);
		total += atoi(result);
	}
	return pawl_return(ctx, pawl_printf(ctx, "%d", total));
}
PAWL_ORCHESTRATION(chain, "1.0");

static int fan(pawl_ctx *ctx, const char *input)
{
	int count = atoi(input), total = 0;
	pawl_task **tasks = pawl_alloc(ctx, (size_t)count * sizeof(*tasks));

	for (int n = 0; n < count; n++)
		tasks[n] = pawl_activity(ctx, "twice", pawl_printf(ctx, "%d", n));
	if (pawl_all_of(ctx, tasks, (size_t)count))
		return pawl_rethrow(ctx);
	for (int n = 0; n < count; n++)
		total += atoi(pawl_result(tasks[n]));
	return pawl_return(ctx, pawl_printf(ctx, "%d", total));
}
PAWL_ORCHESTRATION(fan, "1.0");

/* One activity, named by the input's first word with the rest as its input. */
static int call(pawl_ctx *ctx, const char *input)
{
	char name[64];
	int len = 0;

	if (sscanf(input, "%63s%n", name, &len) != 1)
		return pawl_fail(ctx, "no name");
	const char *result = pawl_call(ctx, name, input[len] == ' ' ? input + len + 1 : "");
	return result ? pawl_return(ctx, result) : pawl_rethrow(ctx);
}
PAWL_ORCHESTRATION(call, "1.0");

static int retrying(pawl_ctx *ctx, const char *input)
{
	static const char *const not_on[] = { "denied", NULL };
	pawl_retry retry = { .max_attempts = 5, .first_ms = 1, .coefficient = 2, .max_ms = 4, .not_on = not_on };
	const char *result = pawl_call_with(ctx, "flaky", input, &(pawl_call_options){ .retry = &retry });

	return result ? pawl_return(ctx, result) : pawl_rethrow(ctx);
}
PAWL_ORCHESTRATION(retrying, "1.0");

/* The event "go", or late after so many milliseconds. */
static int either(pawl_ctx *ctx, const char *input)
{
	pawl_task *go = pawl_event(ctx, "go"), *late = pawl_timer(ctx, atol(input));

	if (pawl_any(ctx, go, late) == late)
		return pawl_return(ctx, "late");
	return pawl_return(ctx, pawl_printf(ctx, "go: %s", pawl_result(go)));
}
PAWL_ORCHESTRATION(either, "1.0");

/* An activity against the event "go". */
static int race(pawl_ctx *ctx, const char *input)
{
	pawl_task *step = pawl_activity(ctx, input, ""), *go = pawl_event(ctx, "go");

	return pawl_return(ctx, pawl_any(ctx, step, go) == go ? "event" : "activity");
}
PAWL_ORCHESTRATION(race, "1.0");

/* Events named "item" until one says "end". */
static int collect(pawl_ctx *ctx, const char *input)
{
	const char *all = input;

	for (;;) {
		const char *item = pawl_wait_event(ctx, "item", -1);
		if (!item)
			return pawl_rethrow(ctx);
		if (strcmp(item, "end") == 0)
			return pawl_return(ctx, all);
		all = pawl_printf(ctx, "%s%s", all, item);
	}
}
PAWL_ORCHESTRATION(collect, "1.0");

/* A bit of everything, with a value of its own that must be the same at each replay. */
static int story(pawl_ctx *ctx, const char *input)
{
	const char *uuid = pawl_uuid(ctx), *echoed = pawl_call(ctx, "echo", uuid);
	pawl_retry retry = { .max_attempts = 3, .first_ms = 1 };
	pawl_task *never = pawl_event(ctx, "never"), *soon = pawl_timer(ctx, 1);

	pawl_set_status(ctx, "on the way");
	bool timed = pawl_any(ctx, never, soon) == soon;
	pawl_task *a = pawl_activity(ctx, "twice", input), *b = pawl_activity_with(ctx, "flaky", "3", &(pawl_call_options){ .retry = &retry }),
		*c = pawl_activity(ctx, "deny", "x"), *go = pawl_event(ctx, "go");
	size_t failed = pawl_all(ctx, a, b, c);
	const char *data = pawl_await(ctx, go);
	return pawl_return(ctx, pawl_printf(ctx, "%s %d %s %.9s %d %s %s", echoed && strcmp(uuid, echoed) == 0 ? "same" : "differs", timed,
		pawl_result(a), pawl_result(b), (int)failed, pawl_task_failure(c)->code, data));
}
PAWL_ORCHESTRATION(story, "1.0");

/* An activity, an event, and what was large comes out again: input, activity's result and event one behind the other. */
static int large(pawl_ctx *ctx, const char *input)
{
	const char *made = pawl_call(ctx, "echo", input), *event = pawl_wait_event(ctx, "more", -1);

	if (!made || !event)
		return pawl_rethrow(ctx);
	return pawl_return(ctx, pawl_printf(ctx, "%s|%s|%s", input, made, event));
}
PAWL_ORCHESTRATION(large, "1.0");

static int changing(pawl_ctx *ctx, const char *input)
{
	const char *first = pawl_call(ctx, atomic_load(&code_changed) ? "echo" : "twice", input);
	const char *second = pawl_wait_event(ctx, "go", -1);

	return first && second ? pawl_return(ctx, pawl_printf(ctx, "%s %s", first, second)) : pawl_rethrow(ctx);
}
PAWL_ORCHESTRATION(changing, "1.0");

static int polite(pawl_ctx *ctx, const char *input)
{
	(void)input;
	(void)pawl_wait_event(ctx, "go", -1);
	return pawl_return(ctx, pawl_is_cancelled(ctx) ? "canceled meanwhile" : "not canceled");
}
PAWL_ORCHESTRATION(polite, "1.0");

/* ---- each test ---- */

static int setup(void **state)
{
	gate = (struct gate){ 0 };
	atomic_store(&runs, 0);
	atomic_store(&deferrals, 0);
	atomic_store(&gave_up, 0);
	atomic_store(&code_changed, false);
	return rw_setup(state);
}

static int teardown(void **state)
{
	gate_open(&gate);
	return rw_teardown(state);
}

static int start_code(struct runtime_world *w, const char *type, const char *id)
{
	return pawl_start(w->rt, type, id, NULL, true, NULL, NULL);
}

/* ---- from start to end ---- */

static void an_instance_runs_to_its_end_and_tells_its_output(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "chain", "c", "5");
	rw_expect(w, "c", "20");
	assert_int_equal(atomic_load(&runs), 5);
	rw_start(w, "fan", "f", "20");
	rw_expect(w, "f", "380");
	rw_expect(w, "c", "20"); /* also later */
	rw_end(w);
}

static void a_start_without_an_id_gets_one(void **state)
{
	struct runtime_world *w = *state;
	char a[129], b[129];

	rw_begin(w);
	assert_int_equal(pawl_start(w->rt, "chain", NULL, "1", true, a, NULL), 0);
	assert_int_equal(pawl_start(w->rt, "chain", NULL, "1", true, b, NULL), 0);
	assert_string_not_equal(a, b);
	assert_true(strncmp(a, "chain-", 6) == 0);
	rw_expect(w, a, "0");
	rw_expect(w, b, "0");
	rw_end(w);
}

static void what_is_not_valid_is_refused_at_once(void **state)
{
	struct runtime_world *w = *state;
	char *big = malloc(PAWL_PAYLOAD_BYTES_MAX + 2);

	memset(big, 'x', PAWL_PAYLOAD_BYTES_MAX + 1);
	big[PAWL_PAYLOAD_BYTES_MAX + 1] = '\0';
	rw_begin(w);
	assert_int_equal(start_code(w, "no such name", "x"), PAWL_EINVALID);
	assert_int_equal(start_code(w, "chain", "a/b"), PAWL_EINVALID);
	assert_int_equal(start_code(w, NULL, "x"), PAWL_EINVALID);
	assert_int_equal(pawl_raise(w->rt, "x", "not.valid", NULL, true, NULL), PAWL_EINVALID);
	assert_int_equal(pawl_raise(w->rt, NULL, "go", NULL, true, NULL), PAWL_EINVALID);
	assert_int_equal(pawl_wait(w->rt, NULL, -1, NULL, NULL), PAWL_EINVALID);
	assert_int_equal(pawl_start(w->rt, "chain", "x", big, true, NULL, NULL), PAWL_ETOOBIG);
	assert_int_equal(pawl_raise(w->rt, "x", "go", big, true, NULL), PAWL_ETOOBIG);
	rw_end(w);
	free(big);
}

static void an_id_is_taken_while_its_instance_lives_and_after_it_ended(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "either", "x", "3600000");
	assert_int_equal(start_code(w, "chain", "x"), PAWL_EEXISTS);
	rw_raise(w, "x", "go", "now");
	rw_expect(w, "x", "go: now");
	assert_int_equal(start_code(w, "chain", "x"), PAWL_EEXISTS);
	assert_int_equal(rw_send(w, PAWL_MESSAGE_START, "x", "chain", NULL), PAWL_EEXISTS);
	rw_restart(w);
	assert_int_equal(start_code(w, "chain", "x"), PAWL_EEXISTS);
	rw_expect(w, "x", "go: now");
	rw_end(w);
}

static void waiting_ends_in_time_or_says_that_there_is_nothing(void **state)
{
	struct runtime_world *w = *state;
	struct pawl_error err = { 0 };

	rw_begin(w);
	assert_int_equal(pawl_wait(w->rt, "nobody", -1, NULL, NULL), PAWL_ENOTFOUND);
	assert_int_equal(pawl_raise(w->rt, "nobody", "go", NULL, true, NULL), PAWL_ENOTFOUND);
	rw_start(w, "either", "x", "3600000");
	assert_int_equal(pawl_wait(w->rt, "x", 1, NULL, &err), PAWL_ETIMEOUT);
	assert_non_null(strstr(err.text, "'x'"));
	assert_int_equal(pawl_wait(w->rt, "x", 0, NULL, NULL), PAWL_ETIMEOUT);
	rw_raise(w, "x", "go", NULL);
	rw_expect(w, "x", "go: ");
	rw_end(w);
}

/* Many waits that give up just when the end comes. */
static void a_wait_that_gives_up_as_the_end_comes_harms_nobody(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	for (unsigned n = 0; n < 200; n++) {
		char id[16];
		snprintf(id, sizeof(id), "w%u", n);
		rw_start(w, "either", id, "1");
		int rc = pawl_wait(w->rt, id, 1, NULL, NULL);
		assert_true(rc == 0 || rc == PAWL_ETIMEOUT);
	}
	rw_expect(w, "w199", "late");
	rw_end(w);
}

static void a_start_sent_by_a_client_can_be_waited_for_at_once(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	for (unsigned n = 0; n < 50; n++) {
		char id[16];
		snprintf(id, sizeof(id), "s%u", n);
		assert_int_equal(rw_send(w, PAWL_MESSAGE_START, id, "chain", "2"), 0);
		rw_expect(w, id, "2");
	}
	rw_end(w);
}

static void a_start_sent_by_a_client_can_be_raised_to_at_once(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	for (unsigned n = 0; n < 50; n++) {
		char id[16];
		snprintf(id, sizeof(id), "s%u", n);
		assert_int_equal(rw_send(w, PAWL_MESSAGE_START, id, "collect", "heard"), 0);
		rw_raise(w, id, "item", "end");
		rw_expect(w, id, "heard");
	}
	rw_end(w);
}

static void a_start_that_was_sent_while_nothing_ran_begins_with_the_runtime(void **state)
{
	struct runtime_world *w = *state;

	rw_open(w);
	assert_int_equal(rw_send(w, PAWL_MESSAGE_START, "x", "chain", "3"), 0);
	rw_close(w);
	rw_begin(w);
	rw_expect(w, "x", "6");
	rw_end(w);
}

/* ---- from several threads ---- */

#define THREADS 4
#define EACH 25

struct user {
	struct runtime_world *w;
	unsigned number, good;
};

static void *use(void *arg)
{
	struct user *u = arg;
	char id[32], *output;

	for (unsigned n = 0; n < EACH; n++) {
		snprintf(id, sizeof(id), "u%u-%u", u->number, n);
		bool good = pawl_start(u->w->rt, "either", id, "3600000", n % 2, NULL, NULL) == 0 &&
		            pawl_raise(u->w->rt, id, "go", id, n % 3, NULL) == 0;
		output = NULL;
		good = good && pawl_wait(u->w->rt, id, BOUND_S * 1000, &output, NULL) == 0 && output && strncmp(output, "go: u", 5) == 0 &&
		       strcmp(output + 4, id) == 0;
		free(output);
		u->good += good;
	}
	return NULL;
}

static void several_threads_may_start_raise_and_wait_at_once(void **state)
{
	struct runtime_world *w = *state;
	struct user users[THREADS];
	pthread_t threads[THREADS];

	rw_begin(w);
	for (unsigned n = 0; n < THREADS; n++) {
		users[n] = (struct user){ w, n, 0 };
		assert_int_equal(pthread_create(&threads[n], NULL, use, &users[n]), 0);
	}
	for (unsigned n = 0; n < THREADS; n++)
		assert_int_equal(pthread_join(threads[n], NULL), 0);
	rw_end(w);
	for (unsigned n = 0; n < THREADS; n++)
		assert_int_equal(users[n].good, EACH);
}

static void *wait_for_x(void *arg)
{
	struct runtime_world *w = arg;
	char *output = NULL;
	int rc = pawl_wait(w->rt, "x", BOUND_S * 1000, &output, NULL);
	bool good = rc == 0 && output && strcmp(output, "go: all") == 0;

	free(output);
	return good ? w : NULL;
}

static void several_threads_may_wait_for_one_instance(void **state)
{
	struct runtime_world *w = *state;
	pthread_t threads[THREADS];
	void *good;

	rw_begin(w);
	rw_start(w, "either", "x", "3600000");
	for (unsigned n = 0; n < THREADS; n++)
		assert_int_equal(pthread_create(&threads[n], NULL, wait_for_x, w), 0);
	rw_settle(w);
	rw_raise(w, "x", "go", "all");
	for (unsigned n = 0; n < THREADS; n++) {
		assert_int_equal(pthread_join(threads[n], &good), 0);
		assert_non_null(good);
	}
	rw_end(w);
}

static void events_of_one_name_are_taken_in_order_also_early_ones(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "collect", "x", "");
	for (char c[2] = "a"; c[0] <= 'z'; c[0]++)
		assert_int_equal(pawl_raise(w->rt, "x", "item", c, false, NULL), 0);
	rw_raise(w, "x", "item", "end");
	rw_expect(w, "x", "abcdefghijklmnopqrstuvwxyz");
	rw_end(w);
}

/* ---- failures ---- */

static void a_failure_is_told_with_its_reason(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "call", "x", "deny beer");
	rw_expect_end(w, "x", PAWL_ESTATE, "no beer today");
	rw_start(w, "call", "y", "silent -5");
	rw_expect_end(w, "y", PAWL_ESTATE, "the activity returned -5 without saying why");
	rw_start(w, "call", "z", "silent 0");
	rw_expect(w, "z", "");
	rw_end(w);
}

static void a_failing_activity_is_tried_again_as_its_policy_says(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "retrying", "x", "4");
	rw_expect(w, "x", "attempt 4 of x/1/2");
	assert_int_equal(atomic_load(&runs), 4);
	assert_int_equal(rw_count(w, "x", EVENT_ActivityRetrying), 3);
	rw_start(w, "retrying", "y", "99");
	rw_expect_end(w, "y", PAWL_ESTATE, "not yet at attempt 5");
	assert_int_equal(atomic_load(&runs), 9);
	assert_int_equal(rw_count(w, "y", EVENT_ActivityFailed), 1);
	rw_end(w);
}

static void a_deferred_activity_comes_back_at_no_cost(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "call", "x", "deferred");
	rw_expect(w, "x", "attempt 1");
	assert_int_equal(atomic_load(&deferrals), 4);
	assert_int_equal(rw_count(w, "x", EVENT_ActivityRetrying), 0);
	rw_await_log("no link");
	rw_end(w);
}

static void an_output_over_the_limit_fails_for_good_and_one_at_the_limit_does_not(void **state)
{
	struct runtime_world *w = *state;
	char *output = NULL;

	rw_begin(w);
	rw_start(w, "call", "x", "make_bytes 1048577");
	rw_expect_end(w, "x", PAWL_ESTATE, "the output has 1048577 bytes, the limit is 1048576");
	rw_start(w, "call", "y", "make_bytes 1048576");
	assert_int_equal(pawl_wait(w->rt, "y", BOUND_S * 1000, &output, NULL), 0);
	assert_int_equal(strlen(output), 1048576);
	free(output);
	rw_end(w);
}

/* ---- timers ---- */

static void of_an_event_and_a_timer_the_first_one_wins(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "either", "late", "3");
	rw_expect(w, "late", "late");
	rw_start(w, "either", "go", "3600000");
	rw_raise(w, "go", "go", "first");
	rw_expect(w, "go", "go: first");
	assert_int_equal(w->rt->timers.count, 0); /* nothing runs that would touch it */
	rw_end(w);
}

/* ---- not registered ---- */

static void an_orchestration_that_nobody_registered_waits_for_a_program_that_has_it(void **state)
{
	static pawl_registration late = { PAWL_ABI, "late-flow", "1.0", chain, NULL, NULL, NULL };
	struct runtime_world *w = *state;

	rw_begin(w);
	assert_int_equal(rw_send(w, PAWL_MESSAGE_START, "x", "late-flow", "3"), 0);
	rw_await_log("instance 'x' is parked: orchestration 'late-flow' is not registered");
	rw_await_note(w, "x", "'late-flow' is not registered");
	rw_reload(w);
	rw_await_note(w, "x", "'late-flow' is not registered");
	rw_restart(w);
	rw_await_note(w, "x", "'late-flow' is not registered");
	pawl_register(&late);
	rw_restart(w);
	rw_expect(w, "x", "6");
	rw_end(w);
}

static void a_version_that_is_gone_parks_and_terminating_still_works(void **state)
{
	static pawl_registration old = { PAWL_ABI, "versioned", "1.0", either, NULL, NULL, NULL };
	struct runtime_world *w = *state;

	pawl_register(&old);
	rw_begin(w);
	rw_start(w, "versioned", "x", "3600000");
	rw_start(w, "versioned", "y", "3600000");
	rw_end(w);
	old.version = "2.0"; /* another build of the program */
	rw_begin(w);
	assert_int_equal(rw_send(w, PAWL_MESSAGE_RAISE, "x", "go", "late"), 0);
	assert_int_equal(rw_send(w, PAWL_MESSAGE_RAISE, "y", "go", "late"), 0);
	rw_await_note(w, "x", "version 1.0 is not registered");
	rw_await_note(w, "y", "version 1.0 is not registered");
	assert_int_equal(rw_send(w, PAWL_MESSAGE_TERMINATE, "x", NULL, NULL), 0);
	rw_expect_end(w, "x", PAWL_ECANCELED, "terminated: a test");
	rw_end(w);
	old.version = "1.0";
	rw_begin(w);
	rw_expect(w, "y", "go: late"); /* its event was kept */
	rw_end(w);
}

/* In place at once and complete: a program that is open for writing cannot be executed. */
static void put_script(struct runtime_world *w, const char *name, const char *text)
{
	char path[256], aside[256];

	snprintf(path, sizeof(path), "%s/%s", w->dir, name);
	snprintf(aside, sizeof(aside), "%s/.%s", w->dir, name);
	FILE *f = fopen(aside, "we");
	assert_non_null(f);
	fprintf(f, "#!/bin/sh\n%s\n", text);
	fclose(f);
	assert_int_equal(chmod(aside, 0755), 0);
	assert_int_equal(rename(aside, path), 0);
}

static void config_with_programs(struct runtime_world *w, const char *more)
{
	char yaml[512];

	snprintf(yaml, sizeof(yaml), "activities_dir: %s\n%s", w->dir, more);
	rw_config(w, yaml);
}

static void an_activity_that_nobody_registered_is_waited_for_and_found_after_a_reload(void **state)
{
	struct runtime_world *w = *state;

	config_with_programs(w, "");
	rw_begin(w);
	rw_start(w, "call", "x", "late-step in");
	rw_await_note(w, "x", "it waits for activity 'late-step', which is not registered");
	put_script(w, "late-step", "echo \"got $(cat) $PAWL_ATTEMPT\"");
	rw_reload(w);
	rw_expect(w, "x", "got in 1");
	rw_end(w);
}

static void sighup_looks_again_and_sigterm_stops(void **state)
{
	struct runtime_world *w = *state;
	sigset_t before;

	pthread_sigmask(SIG_SETMASK, NULL, &before);
	config_with_programs(w, "");
	w->options.handle_signals = true;
	rw_begin(w);
	rw_start(w, "call", "x", "hup-step");
	rw_await_note(w, "x", "'hup-step'");
	put_script(w, "hup-step", "echo found");
	assert_int_equal(kill(getpid(), SIGHUP), 0);
	rw_expect(w, "x", "found");
	assert_int_equal(kill(getpid(), SIGTERM), 0);
	assert_int_equal(rw_join(w), 0);
	rw_close(w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* ---- parked ---- */

/* Code that does not match: parked at the next turn, and told. */
static void park(struct runtime_world *w)
{
	rw_begin(w);
	rw_start(w, "changing", "x", "21");
	rw_await_count(w, "x", EVENT_EventSubscribed, 1);
	rw_end(w);
	atomic_store(&code_changed, true);
	rw_begin(w);
	assert_int_equal(rw_send(w, PAWL_MESSAGE_RAISE, "x", "go", "on"), 0);
	rw_await_note(w, "x", "twice");
	char *note = rw_note(w, "x");
	assert_non_null(strstr(note, "echo")); /* what it does now, beside what history has */
	free(note);
}

static void code_that_does_not_match_parks_and_goes_on_when_it_matches_again(void **state)
{
	struct runtime_world *w = *state;

	park(w);
	rw_reload(w);
	rw_await_note(w, "x", "twice");
	assert_int_equal(rw_count(w, "x", EVENT_EventRaised), 0);
	atomic_store(&code_changed, false);
	rw_reload(w);
	rw_expect(w, "x", "42 on");
	rw_end(w);
}

static void a_parked_instance_can_be_terminated(void **state)
{
	struct runtime_world *w = *state;

	park(w);
	assert_int_equal(rw_send(w, PAWL_MESSAGE_TERMINATE, "x", NULL, NULL), 0);
	rw_expect_end(w, "x", PAWL_ECANCELED, "terminated: a test");
	assert_int_equal(rw_count(w, "x", EVENT_ExecutionTerminated), 1);
	rw_end(w);
}

static void what_is_sent_to_a_parked_instance_is_kept_over_a_restart(void **state)
{
	struct runtime_world *w = *state;

	park(w);
	rw_end(w);
	atomic_store(&code_changed, false);
	rw_begin(w);
	rw_expect(w, "x", "42 on");
	assert_int_equal(rw_count(w, "x", EVENT_EventRaised), 1);
	rw_end(w);
}

/* ---- control ---- */

static void a_suspended_instance_keeps_its_events_and_goes_on_when_resumed(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "collect", "x", ">");
	rw_raise(w, "x", "item", "a");
	assert_int_equal(rw_send(w, PAWL_MESSAGE_SUSPEND, "x", NULL, NULL), 0);
	rw_await_count(w, "x", EVENT_ExecutionSuspended, 1);
	rw_raise(w, "x", "item", "b");
	rw_raise(w, "x", "item", "end");
	assert_int_equal(pawl_wait(w->rt, "x", 1, NULL, NULL), PAWL_ETIMEOUT);
	assert_int_equal(rw_count(w, "x", EVENT_ExecutionCompleted), 0);
	rw_restart(w);
	rw_settle(w);
	assert_int_equal(rw_count(w, "x", EVENT_ExecutionCompleted), 0);
	assert_int_equal(rw_send(w, PAWL_MESSAGE_RESUME, "x", NULL, NULL), 0);
	rw_expect(w, "x", ">ab");
	rw_end(w);
}

static void terminating_stops_what_runs_and_waits(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "either", "x", "3600000");
	rw_start(w, "call", "y", "gated 1");
	gate_await(&gate, 1);
	assert_int_equal(rw_send(w, PAWL_MESSAGE_TERMINATE, "x", NULL, NULL), 0);
	assert_int_equal(rw_send(w, PAWL_MESSAGE_TERMINATE, "y", NULL, NULL), 0);
	rw_expect_end(w, "x", PAWL_ECANCELED, "'x' was terminated: a test");
	rw_expect_end(w, "y", PAWL_ECANCELED, "'y' was terminated: a test");
	gate_open(&gate);
	rw_end(w);
	rw_begin(w);
	assert_int_equal(rw_count(w, "y", EVENT_ActivityCompleted), 0);
	rw_end(w);
}

static void a_start_and_its_termination_in_one_go_leave_a_terminated_instance(void **state)
{
	struct runtime_world *w = *state;

	rw_open(w);
	assert_int_equal(rw_send(w, PAWL_MESSAGE_START, "x", "collect", NULL), 0);
	assert_int_equal(rw_send(w, PAWL_MESSAGE_TERMINATE, "x", NULL, NULL), 0);
	rw_run(w);
	rw_expect_end(w, "x", PAWL_ECANCELED, "terminated");
	rw_end(w);
}

static void a_request_to_cancel_is_seen_by_the_code(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "polite", "x", NULL);
	assert_int_equal(rw_send(w, PAWL_MESSAGE_CANCEL, "x", NULL, NULL), 0);
	rw_expect(w, "x", "canceled meanwhile");
	rw_end(w);
}

static void an_ended_instance_can_be_purged_and_its_id_taken_again(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "chain", "x", "1");
	rw_expect(w, "x", "0");
	rw_start(w, "either", "y", "3600000");
	assert_int_equal(rw_send(w, PAWL_MESSAGE_PURGE, "y", NULL, NULL), PAWL_ESTATE);
	assert_int_equal(rw_send(w, PAWL_MESSAGE_PURGE, "x", NULL, NULL), 0);
	rw_settle(w);
	assert_int_equal(pawl_wait(w->rt, "x", -1, NULL, NULL), PAWL_ENOTFOUND);
	rw_start(w, "chain", "x", "2");
	rw_expect(w, "x", "2");
	rw_end(w);
}

static void a_purge_waits_for_the_commit_that_is_under_way(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "chain", "x", "1");
	rw_expect(w, "x", "0");
	rw_hold();
	assert_int_equal(pawl_start(w->rt, "chain", "y", "1", false, NULL, NULL), 0);
	await(rw_storage.holding == 1);
	assert_int_equal(rw_send(w, PAWL_MESSAGE_PURGE, "x", NULL, NULL), 0);
	rw_settle(w);
	rw_expect(w, "x", "0");
	rw_release();
	rw_expect(w, "y", "0");
	rw_settle(w);
	assert_int_equal(pawl_wait(w->rt, "x", -1, NULL, NULL), PAWL_ENOTFOUND);
	rw_end(w);
}

/* ---- stacks and replay ---- */

#define MANY 30

static void run_many_stories(struct runtime_world *w)
{
	char id[16], expected[64];

	rw_begin(w);
	for (int n = 0; n < MANY; n++) {
		snprintf(id, sizeof(id), "s%d", n);
		snprintf(expected, sizeof(expected), "%d", n);
		rw_start(w, "story", id, expected);
	}
	for (int n = MANY - 1; n >= 0; n--) {
		snprintf(id, sizeof(id), "s%d", n);
		assert_int_equal(pawl_raise(w->rt, id, "go", id, false, NULL), 0);
	}
	for (int n = 0; n < MANY; n++) {
		snprintf(id, sizeof(id), "s%d", n);
		snprintf(expected, sizeof(expected), "same 1 %d attempt 3 1 denied %s", 2 * n, id);
		rw_expect(w, id, expected);
	}
	rw_end(w);
}

static void many_instances_give_their_results_with_stacks_for_all(void **state)
{
	run_many_stories(*state);
}

static void they_give_the_same_with_one_stack_for_all(void **state)
{
	struct runtime_world *w = *state;

	w->options.resident_max = 1;
	run_many_stories(w);
}

static void they_give_the_same_without_any_stack(void **state)
{
	struct runtime_world *w = *state;

	w->options.replay_only = true;
	run_many_stories(w);
}

static void they_give_the_same_with_one_activity_at_a_time(void **state)
{
	struct runtime_world *w = *state;

	w->options.threads_max = 1;
	run_many_stories(w);
}

/* ---- large payloads ---- */

#define LARGE (100 * 1024)

static char *make_large(char c)
{
	char *text = malloc(LARGE + 1);

	for (size_t n = 0; n < LARGE; n++)
		text[n] = n % 61 == 60 ? '\n' : n % 61 == 30 ? '"' : c;
	text[LARGE] = '\0';
	return text;
}

static void large_payloads_go_through(struct runtime_world *w, bool reopen)
{
	char *input = make_large('i'), *event = make_large('e'), *expected = malloc(3 * LARGE + 3), *output = NULL;

	snprintf(expected, 3 * LARGE + 3, "%s|%s|%s", input, input, event);
	rw_begin(w);
	rw_start(w, "large", "x", input);
	rw_await_count(w, "x", EVENT_EventSubscribed, 1);
	if (reopen)
		rw_restart(w);
	rw_raise(w, "x", "more", event);
	assert_int_equal(pawl_wait(w->rt, "x", BOUND_S * 1000, &output, NULL), 0);
	assert_string_equal(output, expected);
	free(output);
	if (reopen)
		rw_restart(w);
	output = NULL;
	assert_int_equal(pawl_wait(w->rt, "x", BOUND_S * 1000, &output, NULL), 0); /* now from the archive */
	assert_string_equal(output, expected);
	char *history = rw_history(w, "x", 1);
	assert_true(strlen(history) < PAWL_SPILL_BYTES); /* none of it is in a line */
	rw_end(w);
	free(history);
	free(output);
	free(expected);
	free(event);
	free(input);
}

static void large_payloads_come_out_as_they_went_in(void **state)
{
	large_payloads_go_through(*state, false);
}

static void large_payloads_survive_a_restart(void **state)
{
	large_payloads_go_through(*state, true);
}

static void large_payloads_come_out_of_replays(void **state)
{
	struct runtime_world *w = *state;

	w->options.replay_only = true;
	large_payloads_go_through(w, true);
}

static void large_payloads_go_through_files(void **state)
{
	large_payloads_go_through(*state, true);
}

/* ---- the end of the runtime ---- */

static void a_stop_waits_for_the_activity_that_runs_and_records_it(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "call", "x", "gated 1");
	gate_await(&gate, 1);
	pawl_stop(w->rt);
	rw_await_log("stopping: waiting for the activities that run");
	gate_open(&gate);
	assert_int_equal(rw_join(w), 0);
	assert_int_equal(rw_count(w, "x", EVENT_ActivityCompleted), 1);
	rw_close(w);
	rw_begin(w);
	rw_expect(w, "x", "through 1");
	assert_int_equal(atomic_load(&runs), 1);
	rw_end(w);
}

static void an_activity_that_gives_up_because_of_a_stop_runs_again(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "call", "x", "obedient");
	gate_await(&gate, 1);
	rw_restart(w);
	assert_int_equal(atomic_load(&gave_up), 1);
	rw_expect(w, "x", "done at last");
	assert_int_equal(rw_count(w, "x", EVENT_ActivityFailed), 0);
	assert_int_equal(rw_count(w, "x", EVENT_ActivityRetrying), 0);
	rw_end(w);
}

static void a_stop_that_waits_sleeps_also_when_events_and_timers_come_and_it_is_late(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "call", "x", "gated 1");
	rw_start(w, "either", "y", "3600000");
	gate_await(&gate, 1);
	pawl_stop(w->rt);
	rw_await_log("stopping");
	assert_int_equal(rw_send(w, PAWL_MESSAGE_RAISE, "x", "go", "late"), 0);
	assert_true(rw_is_idle(w));
	rw_boot_clock(2 * 3600000); /* past the timer, and the grace of the stop */
	loop_wake(w->rt->loop);
	assert_true(rw_is_idle(w));
	gate_open(&gate);
	assert_int_equal(rw_join(w), 0);
	rw_close(w);
}

static void activities_that_had_to_queue_start_after_the_restart(void **state)
{
	struct runtime_world *w = *state;

	w->options.threads_max = 1;
	rw_begin(w);
	for (int n = 0; n < 5; n++) {
		char id[16];
		snprintf(id, sizeof(id), "q%d", n);
		rw_start(w, "call", id, "gated 1");
	}
	gate_await(&gate, 1);
	pawl_stop(w->rt);
	rw_await_log("stopping");
	rw_settle(w);
	gate_open(&gate);
	assert_int_equal(rw_join(w), 0);
	assert_int_equal(atomic_load(&runs), 1);
	rw_close(w);
	rw_begin(w);
	for (int n = 0; n < 5; n++) {
		char id[16];
		snprintf(id, sizeof(id), "q%d", n);
		rw_expect(w, id, "through 1");
	}
	assert_int_equal(atomic_load(&runs), 5);
	rw_end(w);
}

static bool is_there(struct runtime_world *w, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", w->dir, name);
	return access(path, F_OK) == 0;
}

static void a_stop_ends_the_program_that_runs_and_begins_none_that_waited(void **state)
{
	struct runtime_world *w = *state;

	put_script(w, "sleeper", "touch \"$(dirname \"$0\")/started-$PAWL_INSTANCE\"\nexec sleep 1000");
	config_with_programs(w, "workers:\n  processes_max: 1\n");
	rw_begin(w);
	rw_start(w, "call", "a", "sleeper");
	rw_start(w, "call", "b", "sleeper");
	await_look(is_there(w, "started-a"));
	rw_end(w);
	assert_false(is_there(w, "started-b"));
	put_script(w, "sleeper", "echo awake");
	rw_begin(w);
	assert_int_equal(rw_count(w, "a", EVENT_ActivityFailed), 0);
	rw_expect(w, "a", "awake");
	rw_expect(w, "b", "awake");
	rw_end(w);
}

static pid_t pid_in(struct runtime_world *w, const char *name)
{
	char path[256];
	int pid = 0;

	snprintf(path, sizeof(path), "%s/%s", w->dir, name);
	FILE *f = fopen(path, "r");
	if (f && fscanf(f, "%d", &pid) != 1)
		pid = 0;
	if (f)
		fclose(f);
	return pid;
}

static void the_programs_of_a_runtime_that_is_fenced_off_end_with_it(void **state)
{
	struct runtime_world *w = *state;

	put_script(w, "sleeper", "echo $$ > \"$(dirname \"$0\")/pid\"\nexec sleep 1000");
	config_with_programs(w, "");
	rw_begin(w);
	rw_start(w, "call", "a", "sleeper");
	await_look(pid_in(w, "pid") > 0);
	rw_crash(w);
	assert_int_equal(kill(pid_in(w, "pid"), 0), -1);
}

static void the_loser_of_an_any_is_told_to_stop(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "race", "x", "obedient");
	gate_await(&gate, 1);
	rw_raise(w, "x", "go", NULL);
	rw_expect(w, "x", "event");
	await_look(atomic_load(&gave_up) == 1);
	rw_end(w);
}

static void what_is_open_goes_on_after_a_restart_where_it_was(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "collect", "x", "");
	rw_start(w, "either", "y", "50");
	rw_start(w, "retrying", "z", "3");
	rw_raise(w, "x", "item", "a");
	rw_restart(w);
	rw_raise(w, "x", "item", "b");
	rw_restart(w);
	rw_raise(w, "x", "item", "end");
	rw_expect(w, "x", "ab");
	rw_expect(w, "y", "late");
	rw_expect(w, "z", "attempt 3 of z/1/2");
	rw_end(w);
}

static void a_runtime_that_is_fenced_off_ends_with_that_and_the_next_one_goes_on(void **state)
{
	struct runtime_world *w = *state;

	for (unsigned n = 0; n < 20; n++) {
		char id[16];
		snprintf(id, sizeof(id), "x%u", n);
		rw_begin(w);
		rw_start(w, "collect", id, "");
		rw_raise(w, id, "item", "a");
		rw_crash(w);
	}
	rw_begin(w);
	for (unsigned n = 0; n < 20; n++) {
		char id[16];
		snprintf(id, sizeof(id), "x%u", n);
		rw_raise(w, id, "item", "end");
		rw_expect(w, id, "a");
	}
	rw_end(w);
}

static void a_hub_has_one_runtime_at_a_time(void **state)
{
	struct runtime_world *w = *state;
	pawl_runtime *second = NULL;
	struct pawl_error err = { 0 };

	rw_begin(w);
	assert_int_equal(pawl_open(&second, &w->options, &err), PAWL_EBUSY);
	assert_null(second);
	assert_true(err.text[0] != '\0');
	rw_start(w, "chain", "x", "2"); /* and the first is none the worse */
	rw_expect(w, "x", "2");
	rw_end(w);
}

static void whoever_asks_a_runtime_that_has_stopped_is_told(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "collect", "x", "");
	assert_int_equal(rw_stop(w), 0);
	assert_int_equal(start_code(w, "chain", "y"), PAWL_ECANCELED);
	assert_int_equal(pawl_raise(w->rt, "x", "item", "a", true, NULL), PAWL_ECANCELED);
	assert_int_equal(pawl_wait(w->rt, "x", -1, NULL, NULL), PAWL_ECANCELED);
	rw_close(w);
}

static void *wait_through_a_stop(void *arg)
{
	struct runtime_world *w = arg;

	return pawl_wait(w->rt, "x", -1, NULL, NULL) == PAWL_ECANCELED ? w : NULL;
}

static void whoever_waits_when_the_runtime_stops_is_told(void **state)
{
	struct runtime_world *w = *state;
	pthread_t threads[THREADS];
	void *good;

	rw_begin(w);
	rw_start(w, "collect", "x", "");
	for (unsigned n = 0; n < THREADS; n++)
		assert_int_equal(pthread_create(&threads[n], NULL, wait_through_a_stop, w), 0);
	assert_int_equal(rw_stop(w), 0);
	for (unsigned n = 0; n < THREADS; n++) {
		assert_int_equal(pthread_join(threads[n], &good), 0);
		assert_non_null(good);
	}
	rw_close(w);
}

static void opening_and_closing_without_running_is_fine(void **state)
{
	struct runtime_world *w = *state;

	rw_open(w);
	assert_int_equal(pawl_start(w->rt, "chain", "x", "1", false, NULL, NULL), 0); /* nobody takes it */
	rw_close(w);
	rw_begin(w);
	assert_int_equal(pawl_wait(w->rt, "x", -1, NULL, NULL), PAWL_ENOTFOUND);
	rw_end(w);
}

static int setup_disk(void **state)
{
	(void)setup(state);
	(void)rw_teardown(state);
	return rw_setup_disk(state);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(an_instance_runs_to_its_end_and_tells_its_output),
		test(a_start_without_an_id_gets_one),
		test(what_is_not_valid_is_refused_at_once),
		test(an_id_is_taken_while_its_instance_lives_and_after_it_ended),
		test(waiting_ends_in_time_or_says_that_there_is_nothing),
		test(a_wait_that_gives_up_as_the_end_comes_harms_nobody),
		test(a_start_sent_by_a_client_can_be_waited_for_at_once),
		test(a_start_sent_by_a_client_can_be_raised_to_at_once),
		test(a_start_that_was_sent_while_nothing_ran_begins_with_the_runtime),
		test(several_threads_may_start_raise_and_wait_at_once),
		test(several_threads_may_wait_for_one_instance),
		test(events_of_one_name_are_taken_in_order_also_early_ones),
		test(a_failure_is_told_with_its_reason),
		test(a_failing_activity_is_tried_again_as_its_policy_says),
		test(a_deferred_activity_comes_back_at_no_cost),
		test(an_output_over_the_limit_fails_for_good_and_one_at_the_limit_does_not),
		test(of_an_event_and_a_timer_the_first_one_wins),
		test(an_orchestration_that_nobody_registered_waits_for_a_program_that_has_it),
		test(a_version_that_is_gone_parks_and_terminating_still_works),
		test(an_activity_that_nobody_registered_is_waited_for_and_found_after_a_reload),
		test(sighup_looks_again_and_sigterm_stops),
		test(code_that_does_not_match_parks_and_goes_on_when_it_matches_again),
		test(a_parked_instance_can_be_terminated),
		test(what_is_sent_to_a_parked_instance_is_kept_over_a_restart),
		test(a_suspended_instance_keeps_its_events_and_goes_on_when_resumed),
		test(terminating_stops_what_runs_and_waits),
		test(a_start_and_its_termination_in_one_go_leave_a_terminated_instance),
		test(a_request_to_cancel_is_seen_by_the_code),
		test(an_ended_instance_can_be_purged_and_its_id_taken_again),
		test(a_purge_waits_for_the_commit_that_is_under_way),
		test(many_instances_give_their_results_with_stacks_for_all),
		test(they_give_the_same_with_one_stack_for_all),
		test(they_give_the_same_without_any_stack),
		test(they_give_the_same_with_one_activity_at_a_time),
		test(large_payloads_come_out_as_they_went_in),
		test(large_payloads_survive_a_restart),
		test(large_payloads_come_out_of_replays),
		cmocka_unit_test_setup_teardown(large_payloads_go_through_files, setup_disk, teardown),
		test(a_stop_waits_for_the_activity_that_runs_and_records_it),
		test(an_activity_that_gives_up_because_of_a_stop_runs_again),
		test(a_stop_that_waits_sleeps_also_when_events_and_timers_come_and_it_is_late),
		test(activities_that_had_to_queue_start_after_the_restart),
		test(a_stop_ends_the_program_that_runs_and_begins_none_that_waited),
		test(the_programs_of_a_runtime_that_is_fenced_off_end_with_it),
		test(the_loser_of_an_any_is_told_to_stop),
		test(what_is_open_goes_on_after_a_restart_where_it_was),
		test(a_runtime_that_is_fenced_off_ends_with_that_and_the_next_one_goes_on),
		test(a_hub_has_one_runtime_at_a_time),
		test(whoever_asks_a_runtime_that_has_stopped_is_told),
		test(whoever_waits_when_the_runtime_stops_is_told),
		test(opening_and_closing_without_running_is_fine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
