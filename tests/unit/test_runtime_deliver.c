/* test_runtime_deliver.c - what instances put into each other's histories: events, starts for later, values, topics; with
 * stacks that stay and without, over restarts and refused commits. */
#include "unit/runtime_world.h"
#include <stdatomic.h>

/* ---- what runs ---- */

/* Sends "ping" to its input, and waits for "pong", so many times. */
static int pinger(pawl_ctx *ctx, const char *input)
{
	int count = 0;

	while (count < 20) {
		if (!pawl_await(ctx, pawl_send(ctx, input, "ping", pawl_printf(ctx, "%d", count))))
			return pawl_rethrow(ctx);
		count = atoi(pawl_wait_event(ctx, "pong", -1));
	}
	return pawl_return(ctx, pawl_printf(ctx, "%d", count));
}
PAWL_ORCHESTRATION(pinger, "1.0");

/* Answers whoever sent it, one more; continues as new after every third. */
static int ponger(pawl_ctx *ctx, const char *input)
{
	for (int n = 0; n < 3; n++) {
		pawl_task *ping = pawl_event(ctx, "ping");
		int count = atoi(pawl_await(ctx, ping)) + 1;
		const char *from = pawl_event_from(ping);
		(void)pawl_send(ctx, pawl_printf(ctx, "%.*s", (int)strcspn(from + 1, "/"), from + 1), "pong", pawl_printf(ctx, "%d", count));
		if (count == 20)
			return pawl_return(ctx, "done");
	}
	return pawl_continue_as_new(ctx, input);
}
PAWL_ORCHESTRATION(ponger, "1.0");

/* How sending to its input went. */
static int sender(pawl_ctx *ctx, const char *input)
{
	pawl_task *sent = pawl_send(ctx, input, "item", "x");
	const char *result = pawl_await(ctx, sent);

	return pawl_return(ctx, result ? "sent" : pawl_failed(ctx)->code);
}
PAWL_ORCHESTRATION(sender, "1.0");

static int collector(pawl_ctx *ctx, const char *input)
{
	const char *all = "";

	for (int n = 0; n < atoi(input); n++)
		all = pawl_printf(ctx, "%s%s ", all, pawl_wait_event(ctx, "item", -1));
	return pawl_return(ctx, all);
}
PAWL_ORCHESTRATION(collector, "1.0");

/* So many, in one turn. */
static int flood(pawl_ctx *ctx, const char *input)
{
	int count = atoi(input), good = 0;
	pawl_task **tasks = pawl_alloc(ctx, (size_t)count * sizeof(pawl_task *));

	for (int n = 0; n < count; n++)
		tasks[n] = pawl_send(ctx, "sink", "item", pawl_printf(ctx, "%d", n));
	(void)pawl_all_of(ctx, tasks, (size_t)count);
	for (int n = 0; n < count; n++)
		good += pawl_result(tasks[n]) != NULL;
	return pawl_return(ctx, pawl_printf(ctx, "%d", good));
}
PAWL_ORCHESTRATION(flood, "1.0");

static int idler(pawl_ctx *ctx, const char *input)
{
	(void)input;
	(void)pawl_set(ctx, "color", "green");
	return pawl_wait_event(ctx, "go", -1) ? pawl_return(ctx, "went") : pawl_rethrow(ctx);
}
PAWL_ORCHESTRATION(idler, "1.0");

static int self(pawl_ctx *ctx, const char *input)
{
	(void)input;
	(void)pawl_send(ctx, pawl_instance_id(ctx), "item", "to myself");
	return pawl_return(ctx, pawl_wait_event(ctx, "item", -1));
}
PAWL_ORCHESTRATION(self, "1.0");

static int reader(pawl_ctx *ctx, const char *input)
{
	char key[64];

	snprintf(key, sizeof(key), "%s", strchr(input, '/') + 1);
	const char *id = pawl_printf(ctx, "%.*s", (int)strcspn(input, "/"), input);
	pawl_task *task = pawl_read_value(ctx, id, key);
	const char *value = pawl_await(ctx, task);
	const pawl_failure *f = value ? NULL : pawl_failed(ctx);
	return pawl_return(ctx, value ? value : f ? f->code : "nothing");
}
PAWL_ORCHESTRATION(reader, "1.0");

/* Starts its input, now or later. */
static int starter(pawl_ctx *ctx, const char *input)
{
	pawl_start_options o = { .id = input, .delay_ms = strncmp(input, "late", 4) == 0 ? 60000 : 0 };
	const char *id = pawl_await(ctx, pawl_start_detached(ctx, "quick", input, &o));

	return pawl_return(ctx, id ? id : pawl_failed(ctx)->code);
}
PAWL_ORCHESTRATION(starter, "1.0");

static int quick(pawl_ctx *ctx, const char *input)
{
	return pawl_return(ctx, pawl_printf(ctx, "quick %s", input));
}
PAWL_ORCHESTRATION(quick, "1.0");

static int later(pawl_ctx *ctx, const char *input)
{
	return pawl_await(ctx, pawl_send_later(ctx, input, "go", "late", 60000)) ? pawl_return(ctx, "sent") : pawl_rethrow(ctx);
}
PAWL_ORCHESTRATION(later, "1.0");

static int subscriber(pawl_ctx *ctx, const char *input)
{
	if (pawl_subscribe(ctx, input, "news") < 0 || pawl_subscribe(ctx, "all/#", "news") < 0)
		return pawl_rethrow(ctx);
	pawl_set_status(ctx, "listens");
	const char *first = pawl_wait_event(ctx, "news", -1);
	return pawl_return(ctx, pawl_printf(ctx, "%s %s", first, pawl_wait_event(ctx, "news", -1)));
}
PAWL_ORCHESTRATION(subscriber, "1.0");

static int publisher(pawl_ctx *ctx, const char *input)
{
	(void)pawl_publish(ctx, input, "one");
	(void)pawl_publish(ctx, "all/of/them", "two");
	return pawl_return(ctx, NULL);
}
PAWL_ORCHESTRATION(publisher, "1.0");

/* Hears itself, in the same turn; not what it has dropped. */
static int echo(pawl_ctx *ctx, const char *input)
{
	(void)input;
	(void)pawl_subscribe(ctx, "a/#", "old");
	(void)pawl_subscribe(ctx, "a/#", "new");
	(void)pawl_subscribe(ctx, "a/b", "new");
	(void)pawl_subscribe(ctx, "+/b", "gone");
	pawl_unsubscribe(ctx, "+/b");
	(void)pawl_publish(ctx, "a/b", "heard");
	(void)pawl_subscribe(ctx, "a/+", "late");
	const char *heard = pawl_wait_event(ctx, "new", -1);
	return pawl_return(ctx, pawl_printf(ctx, "%s %s%s%s", heard, pawl_take_event(ctx, "old") ? "old" : "", pawl_take_event(ctx, "gone") ? "gone" : "",
	                                    pawl_take_event(ctx, "late") ? "late" : ""));
}
PAWL_ORCHESTRATION(echo, "1.0");

/* Counts what it hears, each in an execution of its own. */
static int listener(pawl_ctx *ctx, const char *input)
{
	int count = atoi(input);

	if (count == 0 && pawl_subscribe(ctx, "drum", "beat") < 0)
		return pawl_rethrow(ctx);
	(void)pawl_wait_event(ctx, "beat", -1);
	return count == 19 ? pawl_return(ctx, "20") : pawl_continue_as_new(ctx, pawl_printf(ctx, "%d", count + 1));
}
PAWL_ORCHESTRATION(listener, "1.0");

static int drummer(pawl_ctx *ctx, const char *input)
{
	for (int n = 0; n < 10; n++) {
		(void)pawl_publish(ctx, "drum", input);
		(void)pawl_await(ctx, pawl_send(ctx, "nobody", "x", NULL)); /* another turn */
	}
	return pawl_return(ctx, NULL);
}
PAWL_ORCHESTRATION(drummer, "1.0");

/* Some lines for others, and then something that cannot be delivered now. */
static int unlucky(pawl_ctx *ctx, const char *input)
{
	(void)input;
	(void)pawl_wait_event(ctx, "go", -1);
	(void)pawl_send(ctx, "c", "item", "1");
	(void)pawl_send(ctx, "d", "item", "2");
	(void)pawl_send(ctx, "c", "item", "3");
	(void)pawl_start_detached(ctx, "collector", "1", &(pawl_start_options){ .id = "e" });
	(void)pawl_send(ctx, "e", "item", "4");
	return pawl_return(ctx, pawl_call_child(ctx, "quick", "5"));
}
PAWL_ORCHESTRATION(unlucky, "1.0");

/* Sends something large. */
static int heavy(pawl_ctx *ctx, const char *input)
{
	char *data = pawl_alloc(ctx, 100001);

	memset(data, 'x', 100000);
	data[100000] = '\0';
	return pawl_await(ctx, pawl_send(ctx, input, "item", data)) ? pawl_return(ctx, data) : pawl_rethrow(ctx);
}
PAWL_ORCHESTRATION(heavy, "1.0");

static int weigh(pawl_ctx *ctx, const char *input)
{
	const char *child = pawl_call_child(ctx, "heavy", pawl_instance_id(ctx));
	size_t len = child ? strlen(child) : 0;

	(void)input;
	return pawl_return(ctx, pawl_printf(ctx, "%d %d", (int)len, (int)strlen(pawl_wait_event(ctx, "item", -1))));
}
PAWL_ORCHESTRATION(weigh, "1.0");

/* Never comes to an end. */
static int stuck(pawl_ctx *ctx, const char *input)
{
	(void)input;
	for (;;)
		if (pawl_wait_event(ctx, "never", -1))
			return 0;
}
PAWL_ORCHESTRATION(stuck, "1.0");

/* ---- worlds ---- */

static int setup(void **state)
{
	int rc = rw_setup(state);

	((struct runtime_world *)*state)->options.os = rw_os();
	return rc;
}

static int setup_replay(void **state)
{
	int rc = setup(state);

	((struct runtime_world *)*state)->options.replay_only = true;
	return rc;
}

static int setup_disk(void **state)
{
	return rw_setup_disk(state);
}

static void expect_part(struct runtime_world *w, const char *id, uint64_t execution, const char *part)
{
	char *text = rw_history(w, id, execution);

	if (!strstr(text, part))
		fail_msg("execution %d of '%s' has no '%s': %s", (int)execution, id, part, text);
	free(text);
}

/* ---- events ---- */

static void two_send_each_other_events(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "ponger", "b", NULL);
	rw_start(w, "pinger", "a", "b");
	rw_expect(w, "a", "20");
	rw_expect(w, "b", "done");
	rw_end(w);
}

static void nothing_is_lost_or_doubled_when_it_dies_between_them(void **state)
{
	struct runtime_world *w = *state;

	for (int k = 1; k <= 14; k++) {
		struct pawl_error err;
		char a[16], b[16];

		snprintf(a, sizeof(a), "a%d", k);
		snprintf(b, sizeof(b), "b%d", k);
		rw_begin(w);
		rw_start(w, "ponger", b, NULL);
		assert_int_equal(rw_send(w, PAWL_MESSAGE_START, a, "pinger", b), 0);
		rw_lock();
		rw_storage.die_durable = k % 2;
		rw_storage.die_at = k;
		rw_unlock();
		int rc = pawl_wait(w->rt, a, BOUND_S * 1000, NULL, &err);
		rw_lock();
		bool died = rw_storage.die_at == 0;
		rw_storage.die_at = 0;
		rw_unlock();
		assert_int_equal(died, rc < 0);
		if (died) {
			assert_int_equal(rw_join(w), PAWL_EFENCED);
			rw_close(w);
			rw_begin(w);
		}
		rw_expect(w, a, "20");
		rw_expect(w, b, "done");
		rw_end(w);
	}
}

static void the_sender_is_told_how_it_went(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "collector", "c", "1");
	rw_start(w, "sender", "s1", "c");
	rw_expect(w, "s1", "sent");
	rw_expect(w, "c", "x ");
	expect_part(w, "c", 1, "\"from\":\"@s1/1/2\"");
	rw_start(w, "sender", "s2", "c");
	rw_expect(w, "s2", "ended");
	rw_start(w, "sender", "s3", "nobody");
	rw_expect(w, "s3", "not-found");
	rw_start(w, "self", "me", NULL);
	rw_expect(w, "me", "to myself");
	rw_end(w);
}

static void an_event_for_one_that_is_suspended_waits_there(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "collector", "c", "2");
	assert_int_equal(rw_send(w, PAWL_MESSAGE_SUSPEND, "c", NULL, NULL), 0);
	rw_await_count(w, "c", EVENT_ExecutionSuspended, 1);
	rw_start(w, "sender", "s1", "c");
	rw_expect(w, "s1", "sent");
	rw_restart(w);
	rw_start(w, "sender", "s2", "c");
	rw_expect(w, "s2", "sent");
	assert_int_equal(rw_count(w, "c", EVENT_EventRaised), 2);
	assert_int_equal(rw_send(w, PAWL_MESSAGE_RESUME, "c", NULL, NULL), 0);
	rw_expect(w, "c", "x x ");
	rw_end(w);
}

/* "COUNT": sends so many of a and of b in turn, and a 101st a; how many went well. */
static int mixed(pawl_ctx *ctx, const char *input)
{
	int count = atoi(input), sent = 0;
	pawl_task **all = pawl_alloc(ctx, (size_t)(2 * count + 1) * sizeof(*all));

	for (int n = 0; n < count; n++) {
		all[2 * n] = pawl_send(ctx, "sink", "a", NULL);
		all[2 * n + 1] = pawl_send(ctx, "sink", "b", NULL);
	}
	all[2 * count] = pawl_send(ctx, "sink", "a", NULL);
	for (int n = 0; n <= 2 * count; n++)
		sent += pawl_await(ctx, all[n]) != NULL;
	return pawl_return(ctx, pawl_printf(ctx, "%d%s", sent, pawl_task_failure(all[2 * count]) ? ", the last one not" : ""));
}
PAWL_ORCHESTRATION(mixed, "1.0");

static void how_many_may_wait_is_counted_for_each_name(void **state)
{
	struct runtime_world *w = *state;

	rw_config(w, "limits:\n  events_buffered_max: 100\n");
	rw_begin(w);
	rw_start(w, "idler", "sink", NULL);
	rw_start(w, "mixed", "m", "100");
	rw_expect(w, "m", "200, the last one not");
	rw_end(w);
}

static void no_more_than_may_wait_is_delivered(void **state)
{
	struct runtime_world *w = *state;

	rw_config(w, "limits:\n  events_buffered_max: 100\n");
	rw_begin(w);
	rw_start(w, "idler", "sink", NULL);
	rw_start(w, "flood", "f", "150");
	rw_expect(w, "f", "100");
	assert_int_equal(rw_count(w, "sink", EVENT_EventRaised), 100);
	rw_start(w, "sender", "s", "sink");
	rw_expect(w, "s", "full");
	rw_end(w);
}

static void large_payloads_go_over_in_files(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "weigh", "w", NULL);
	rw_expect(w, "w", "100000 100000");
	expect_part(w, "w", 1, "\"output\":{\"$file\":\"1.4.data\"");
	rw_end(w);
}

/* ---- values ---- */

static void values_of_live_and_ended_instances_are_read(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "idler", "i", NULL);
	rw_start(w, "reader", "r1", "i/color");
	rw_expect(w, "r1", "green");
	rw_start(w, "reader", "r2", "i/size");
	rw_expect(w, "r2", "nothing");
	rw_raise(w, "i", "go", NULL);
	rw_expect(w, "i", "went");
	rw_settle(w);
	rw_start(w, "reader", "r3", "i/color");
	rw_expect(w, "r3", "green");
	rw_start(w, "reader", "r4", "nobody/color");
	rw_expect(w, "r4", "not-found");
	rw_end(w);
}

/* ---- starts, now and later ---- */

static void an_instance_starts_another_and_is_done(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "starter", "s", "new");
	rw_expect(w, "s", "new");
	rw_expect(w, "new", "quick new");
	rw_start(w, "starter", "s2", "new");
	rw_expect(w, "s2", "exists");
	rw_end(w);
}

static void a_start_for_later_is_pending_until_then_also_over_a_restart(void **state)
{
	struct runtime_world *w = *state;
	struct pawl_error err;

	rw_begin(w);
	rw_start(w, "starter", "s", "late1");
	rw_expect(w, "s", "late1");
	assert_int_equal(pawl_start_with(w->rt, "quick", "y", &(pawl_start_options){ .id = "late2", .delay_ms = 60000 }, PAWL_EXISTS_FAIL, true, NULL, &err), 0);
	assert_int_equal(pawl_start_with(w->rt, "quick", "y", &(pawl_start_options){ .id = "late2" }, PAWL_EXISTS_USE, true, NULL, &err), 0);
	struct pawl_message m = { .kind = PAWL_MESSAGE_START, .instance = "late3", .name = "quick", .data = "z", .len = 1, .delay_ms = 60000 };
	assert_int_equal(w->client->ops->send(w->client, &m, &err), 0);
	rw_await_count(w, "late3", EVENT_ExecutionStarted, 1);
	rw_restart(w);
	rw_pass(w, 30000);
	rw_settle(w);
	assert_int_equal(rw_count(w, "late1", EVENT_TimerFired), 0);
	rw_pass(w, 31000);
	rw_expect(w, "late1", "quick late1");
	rw_expect(w, "late2", "quick y");
	rw_expect(w, "late3", "quick z");
	rw_end(w);
}

static void one_that_is_pending_is_canceled_or_terminated_at_once(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "starter", "s1", "late1");
	rw_start(w, "starter", "s2", "late2");
	rw_expect(w, "s1", "late1");
	rw_expect(w, "s2", "late2");
	assert_int_equal(rw_send(w, PAWL_MESSAGE_CANCEL, "late1", NULL, NULL), 0);
	assert_int_equal(rw_send(w, PAWL_MESSAGE_TERMINATE, "late2", NULL, NULL), 0);
	rw_expect_end(w, "late1", PAWL_ECANCELED, "a test");
	rw_expect_end(w, "late2", PAWL_ECANCELED, "a test");
	rw_end(w);
}

static void an_event_for_later_comes_then_also_over_a_restart(void **state)
{
	struct runtime_world *w = *state;
	struct pawl_error err;

	rw_begin(w);
	rw_start(w, "idler", "i1", NULL);
	rw_start(w, "idler", "i2", NULL);
	rw_start(w, "later", "l", "i1");
	rw_expect(w, "l", "sent");
	struct pawl_message m = { .kind = PAWL_MESSAGE_RAISE, .instance = "i2", .name = "go", .delay_ms = 60000 };
	assert_int_equal(w->client->ops->send(w->client, &m, &err), 0);
	rw_await_count(w, "i2", EVENT_EventScheduled, 1);
	rw_restart(w);
	assert_int_equal(rw_count(w, "i1", EVENT_EventRaised), 0);
	rw_pass(w, 61000);
	rw_expect(w, "i1", "went");
	rw_expect(w, "i2", "went");
	expect_part(w, "i1", 1, "\"from\":\"@l/1/2\"");
	rw_end(w);
}

static void an_event_for_later_that_finds_no_room_comes_when_there_is_some(void **state)
{
	struct runtime_world *w = *state;
	struct pawl_error err;

	rw_config(w, "limits:\n  events_buffered_max: 2\n");
	rw_begin(w);
	rw_start(w, "unlucky", "u", NULL); /* waits for something else */
	rw_start(w, "collector", "d", "1");
	rw_start(w, "collector", "c", "2");
	struct pawl_message m = { .kind = PAWL_MESSAGE_RAISE, .instance = "u", .name = "item", .delay_ms = 5000, .data = "3", .len = 1 };
	assert_int_equal(w->client->ops->send(w->client, &m, &err), 0);
	rw_await_count(w, "u", EVENT_EventScheduled, 1);
	rw_raise(w, "u", "item", "1");
	rw_raise(w, "u", "item", "2");
	rw_pass(w, 6000);
	rw_await_log("the event for later of line 3 must wait");
	rw_raise(w, "u", "go", NULL);
	rw_expect(w, "u", "quick 5");
	rw_end(w);
}

/* ---- cancel ---- */

static void a_clean_up_that_takes_too_long_is_ended(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "stuck", "s", NULL);
	assert_int_equal(rw_send(w, PAWL_MESSAGE_CANCEL, "s", NULL, NULL), 0);
	rw_await_count(w, "s", EVENT_CancelRequested, 1);
	rw_restart(w);
	rw_pass(w, 50000);
	rw_settle(w);
	rw_pass(w, 11000);
	rw_expect_end(w, "s", PAWL_ECANCELED, "a test");
	assert_int_equal(rw_count(w, "s", EVENT_CancelDeadlinePassed), 1);
	rw_end(w);
}

/* ---- topics ---- */

static void what_is_published_reaches_all_that_subscribed_once(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "subscriber", "a", "door/+");
	rw_start(w, "subscriber", "b", "all/of/them");
	rw_start(w, "subscriber", "c", "window/+");
	rw_await_count(w, "c", EVENT_TopicSubscribed, 2);
	rw_start(w, "publisher", "p", "door/1");
	rw_expect(w, "p", "");
	rw_expect(w, "a", "one two");
	assert_int_equal(rw_count(w, "b", EVENT_EventRaised), 1);
	assert_int_equal(rw_count(w, "c", EVENT_EventRaised), 1);
	rw_restart(w);
	struct pawl_error err;
	struct pawl_message m = { .kind = PAWL_MESSAGE_PUBLISH, .name = "all/x", .data = "three", .len = 5 };
	assert_int_equal(w->client->ops->send(w->client, &m, &err), 0);
	rw_expect(w, "b", "two three");
	rw_expect(w, "c", "two three");
	rw_end(w);
}

static void a_publication_that_comes_again_is_taken_once(void **state)
{
	struct runtime_world *w = *state;
	struct pawl_error err;

	rw_begin(w);
	rw_start(w, "subscriber", "a", "x");
	rw_lock();
	rw_storage.forget_acks = true;
	rw_unlock();
	struct pawl_message m = { .kind = PAWL_MESSAGE_PUBLISH, .name = "x", .data = "one", .len = 3 };
	assert_int_equal(w->client->ops->send(w->client, &m, &err), 0);
	rw_await_count(w, "a", EVENT_EventRaised, 1);
	rw_restart(w);
	rw_settle(w);
	rw_lock();
	rw_storage.forget_acks = false;
	rw_unlock();
	rw_restart(w);
	rw_settle(w);
	assert_int_equal(rw_count(w, "a", EVENT_EventRaised), 1);
	rw_raise(w, "a", "news", "two");
	rw_expect(w, "a", "one two");
	rw_end(w);
}

static void a_publisher_hears_itself_by_what_it_has_subscribed_to_by_then(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "echo", "e", NULL);
	rw_expect(w, "e", "heard ");
	rw_end(w);
}

static void nothing_is_missed_while_it_continues_as_new(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "listener", "l", "0");
	rw_start(w, "drummer", "d1", NULL);
	rw_start(w, "drummer", "d2", NULL);
	rw_expect(w, "l", "20");
	rw_end(w);
}

/* ---- groups that are not joined, and commits that are refused ---- */

static void a_group_of_which_a_part_cannot_be_is_taken_back_and_comes_again(void **state)
{
	struct runtime_world *w = *state;
	struct pawl_error err;

	rw_begin(w);
	rw_start(w, "collector", "c", "2");
	rw_start(w, "collector", "d", "1");
	rw_start(w, "unlucky", "u", NULL);
	rw_no_randomness(true); /* a start needs it */
	assert_int_equal(pawl_raise(w->rt, "u", "go", NULL, false, &err), 0);
	rw_await_log("instance 'u' must wait");
	rw_raise(w, "c", "other", NULL);
	assert_int_equal(rw_count(w, "c", EVENT_EventRaised), 1);
	assert_int_equal(rw_count(w, "u", EVENT_EventSent), 0);
	rw_no_randomness(false);
	rw_pass(w, 10000);
	rw_expect(w, "u", "quick 5");
	rw_expect(w, "c", "1 3 ");
	rw_expect(w, "d", "2 ");
	rw_expect(w, "e", "4 ");
	rw_end(w);
}

/* Free when it was looked at, taken when it is to be made: that is decided anew, a few times. */
static void take_in_between(struct runtime_world *w, bool at_end)
{
	rw_begin(w);
	rw_start(w, "collector", "c", "2");
	rw_start(w, "collector", "d", "1");
	rw_start(w, "unlucky", "u", NULL);
	rw_lock();
	rw_storage.taken[0] = "e";
	rw_storage.refuse_at_end = at_end;
	rw_unlock();
	assert_int_equal(rw_send(w, PAWL_MESSAGE_RAISE, "u", "go", NULL), 0);
	rw_await_log("'u' decides anew");
	rw_await_log("instance 'u' is parked");
	assert_int_equal(rw_count(w, "c", EVENT_EventRaised), 0);
	rw_lock();
	rw_storage.taken[0] = NULL;
	rw_unlock();
	rw_reload(w);
	rw_expect(w, "u", "quick 5");
	rw_expect(w, "c", "1 3 ");
	rw_expect(w, "d", "2 ");
	rw_expect(w, "e", "4 ");
	rw_end(w);
}

static void an_id_that_is_taken_in_between_takes_the_group_back(void **state)
{
	take_in_between(*state, false);
}

static void also_when_the_commit_was_on_its_way(void **state)
{
	take_in_between(*state, true);
}

/* b cannot be written to: who sends to it is parked, and nobody else is harmed. */
static void a_group_is_refused_as_one_and_the_rest_goes_on(void **state)
{
	struct runtime_world *w = *state;
	struct pawl_error err;

	rw_begin(w);
	rw_start(w, "collector", "b", "2");
	rw_start(w, "collector", "c", "4");
	rw_lock();
	rw_storage.full = "b";
	rw_unlock();
	rw_hold();
	assert_int_equal(pawl_start(w->rt, "idler", "i", NULL, false, NULL, &err), 0);
	await(rw_storage.holding == 1);
	assert_int_equal(pawl_start(w->rt, "sender", "s1", "c", false, NULL, &err), 0);
	assert_int_equal(pawl_start(w->rt, "sender", "bad", "b", false, NULL, &err), 0);
	assert_int_equal(pawl_start(w->rt, "sender", "s2", "c", false, NULL, &err), 0);
	rw_release();
	rw_expect(w, "s1", "sent");
	rw_expect(w, "s2", "sent");
	rw_settle(w);
	assert_int_equal(rw_count(w, "b", EVENT_EventRaised), 0);
	rw_lock();
	rw_storage.full = NULL;
	rw_unlock();
	rw_start(w, "sender", "s3", "c");
	rw_start(w, "sender", "s4", "c");
	rw_expect(w, "c", "x x x x ");
	rw_start(w, "sender", "s5", "b");
	rw_start(w, "sender", "s6", "b");
	rw_expect(w, "b", "x x ");
	rw_end(w);
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, rw_teardown)
#define test_replay(f) { #f " (replayed)", f, setup_replay, rw_teardown, NULL }
#define test_disk(f) cmocka_unit_test_setup_teardown(f, setup_disk, rw_teardown)
#define test_both(f) test(f), test_replay(f)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_both(two_send_each_other_events),
		test_disk(two_send_each_other_events),
		test_both(nothing_is_lost_or_doubled_when_it_dies_between_them),
		test_both(the_sender_is_told_how_it_went),
		test_disk(the_sender_is_told_how_it_went),
		test_both(an_event_for_one_that_is_suspended_waits_there),
		test_both(no_more_than_may_wait_is_delivered),
		test_both(how_many_may_wait_is_counted_for_each_name),
		test_both(large_payloads_go_over_in_files),
		test_disk(large_payloads_go_over_in_files),
		test_both(values_of_live_and_ended_instances_are_read),
		test_both(an_instance_starts_another_and_is_done),
		test_disk(an_instance_starts_another_and_is_done),
		test_both(a_start_for_later_is_pending_until_then_also_over_a_restart),
		test_both(one_that_is_pending_is_canceled_or_terminated_at_once),
		test_both(an_event_for_later_comes_then_also_over_a_restart),
		test_both(an_event_for_later_that_finds_no_room_comes_when_there_is_some),
		test_both(a_clean_up_that_takes_too_long_is_ended),
		test_both(what_is_published_reaches_all_that_subscribed_once),
		test_both(a_publication_that_comes_again_is_taken_once),
		test_both(a_publisher_hears_itself_by_what_it_has_subscribed_to_by_then),
		test_both(nothing_is_missed_while_it_continues_as_new),
		test_both(a_group_of_which_a_part_cannot_be_is_taken_back_and_comes_again),
		test_both(an_id_that_is_taken_in_between_takes_the_group_back),
		test_both(also_when_the_commit_was_on_its_way),
		test_both(a_group_is_refused_as_one_and_the_rest_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
