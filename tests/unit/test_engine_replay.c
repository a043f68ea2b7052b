#include "unit/engine_world.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- code that does not match its history: parked, with what was expected and what came (I5) ---- */

enum variant {
	AS_RECORDED,
	OTHER_STATUS,
	NO_STATUS,
	CLEARED_STATUS,
	OTHER_NAME,
	OTHER_INPUT,
	NO_INPUT,
	LONG_INPUT,
	OTHER_RETRY,
	OTHER_CODES,
	NO_RETRY,
	OTHER_TAG,
	NO_SESSION,
	OTHER_PRIORITY,
	NO_PRIORITY,
	OTHER_MESSAGE,
	EMPTY_MESSAGE,
	MESSAGE_TO_OTHER,
	NO_MESSAGE,
	OTHER_ORDER,
	OTHER_LENGTH,
	LENGTH_FOR_DATE,
	ONE_MORE,
	WAITS_EARLIER,
	RETURNS_EARLIER,
	RETURNS_AT_ONCE,
	OTHER_EVENT,
	OTHER_DATE,
	KEEPS_TIMER,
	CANCELS_OTHER,
	OTHER_OUTPUT,
	NO_OUTPUT,
	FAILS,
	RETURNS_LATER,
	WAITS_LATER,
};

static enum variant variant;

static bool is(enum variant v)
{
	return variant == v;
}

static pawl_task *begin_unpack(pawl_ctx *ctx)
{
	const char *codes[] = { is(OTHER_CODES) ? "exit:5" : "exit:4", NULL };
	pawl_retry retry = { .max_attempts = is(OTHER_RETRY) ? 4 : 3, .coefficient = 1.5, .jitter = 0.25, .not_on = codes };
	pawl_call_options o = { is(NO_RETRY) ? NULL : &retry, is(OTHER_TAG) ? "gpu" : "net", is(NO_SESSION) ? NULL : "s",
				is(NO_PRIORITY) ? 0 : is(OTHER_PRIORITY) ? 4 : 3 };
	const char *input = is(OTHER_INPUT) ? "b" : is(NO_INPUT) ? NULL : is(LONG_INPUT) ? pawl_printf(ctx, "%0500d", 7) : "a";

	return pawl_activity_with(ctx, is(OTHER_NAME) ? "pack" : "unpack", input, &o);
}

static int flow(pawl_ctx *ctx, const char *input)
{
	(void)input;
	if (is(RETURNS_AT_ONCE))
		return 0;
	if (!is(NO_STATUS))
		pawl_set_status(ctx, is(OTHER_STATUS) ? "gone" : is(CLEARED_STATUS) ? NULL : "go");
	pawl_task *a = is(OTHER_ORDER) ? NULL : begin_unpack(ctx);
	if (is(WAITS_EARLIER))
		pawl_await(ctx, a);
	pawl_task *t = is(LENGTH_FOR_DATE) ? pawl_timer_until(ctx, WORLD_TIME) :
					     pawl_timer(ctx, is(OTHER_LENGTH) ? 5001 : 5000);
	if (is(OTHER_ORDER))
		a = begin_unpack(ctx);
	if (is(ONE_MORE))
		pawl_activity(ctx, "more", "x");
	if (is(RETURNS_EARLIER))
		return pawl_return(ctx, "early");
	pawl_all(ctx, a, t);
	pawl_task *ok = pawl_event(ctx, is(OTHER_EVENT) ? "no" : "ok");
	pawl_task *late = pawl_timer_until(ctx, WORLD_TIME + (is(OTHER_DATE) ? 2000 : 1000));
	if (is(KEEPS_TIMER))
		pawl_first(ctx, ok, late);
	else if (is(CANCELS_OTHER))
		pawl_cancel(ctx, ok);
	else
		pawl_any(ctx, ok, late);
	if (is(RETURNS_LATER))
		pawl_sleep(ctx, 1);
	if (is(WAITS_LATER))
		pawl_await(ctx, pawl_first(ctx, late) == late ? pawl_event(ctx, "x") : late);
	if (is(FAILS))
		return pawl_fail(ctx, "oh");
	return is(NO_OUTPUT) ? 0 : pawl_return(ctx, is(OTHER_OUTPUT) ? "Done" : "done");
}

static void record_flow(struct world *w, bool whole)
{
	variant = AS_RECORDED;
	world_init(w, flow);
	world_start(w, "in");
	world_completes(w, 3, "out");
	world_fires(w, 4);
	if (whole)
		world_raises(w, "ok", NULL);
	assert_int_equal(w->ended, whole);
	assert_int_equal(w->view.next_seq, whole ? 12 : 9);
}

#define UNPACK_RETRY "retry 3 x times 1.500 jitter 0.250 not on 'exit:4'"
#define UNPACK "ActivityScheduled 'unpack' tag 'net' session 's' priority 3 input 'a' " UNPACK_RETRY

static const struct mismatch_case {
	enum variant variant;
	uint64_t line;
	const char *expected, *actual;
} mismatches[] = {
	{ OTHER_STATUS, 2, "CustomStatusSet 'go'", "made CustomStatusSet 'gone'" },
	{ NO_STATUS, 2, "CustomStatusSet 'go'", "made " UNPACK },
	{ CLEARED_STATUS, 2, "CustomStatusSet 'go'", "made CustomStatusSet" },
	{ OTHER_NAME, 3, UNPACK, "made ActivityScheduled 'pack' tag 'net' session 's' priority 3 input 'a' " UNPACK_RETRY },
	{ OTHER_INPUT, 3, UNPACK, "made ActivityScheduled 'unpack' tag 'net' session 's' priority 3 input 'b' " UNPACK_RETRY },
	{ NO_INPUT, 3, UNPACK, "made ActivityScheduled 'unpack' tag 'net' session 's' priority 3 " UNPACK_RETRY },
	{ LONG_INPUT, 3, UNPACK,
	  "made ActivityScheduled 'unpack' tag 'net' session 's' priority 3 input '0000000000000000000000000000000000000000...' "
	  "(500 bytes, crc a35a7e1c) retry 3 x times 1.500 jitter 0.250 not on 'exit:4'" },
	{ OTHER_RETRY, 3, UNPACK,
	  "made ActivityScheduled 'unpack' tag 'net' session 's' priority 3 input 'a' "
	  "retry 4 x times 1.500 jitter 0.250 not on 'exit:4'" },
	{ OTHER_CODES, 3, UNPACK,
	  "made ActivityScheduled 'unpack' tag 'net' session 's' priority 3 input 'a' "
	  "retry 3 x times 1.500 jitter 0.250 not on 'exit:5'" },
	{ NO_RETRY, 3, UNPACK, "made ActivityScheduled 'unpack' tag 'net' session 's' priority 3 input 'a'" },
	{ OTHER_TAG, 3, UNPACK, "made ActivityScheduled 'unpack' tag 'gpu' session 's' priority 3 input 'a' " UNPACK_RETRY },
	{ NO_SESSION, 3, UNPACK, "made ActivityScheduled 'unpack' tag 'net' priority 3 input 'a' " UNPACK_RETRY },
	{ NO_PRIORITY, 3, UNPACK, "made ActivityScheduled 'unpack' tag 'net' session 's' input 'a' " UNPACK_RETRY },
	{ OTHER_PRIORITY, 3, UNPACK, "made ActivityScheduled 'unpack' tag 'net' session 's' priority 4 input 'a' " UNPACK_RETRY },
	{ OTHER_ORDER, 3, UNPACK, "made TimerCreated 5000 ms" },
	{ OTHER_LENGTH, 4, "TimerCreated 5000 ms", "made TimerCreated 5001 ms" },
	{ LENGTH_FOR_DATE, 4, "TimerCreated 5000 ms", "made TimerCreated until 2026-11-21T12:01:20.123456Z" },
	{ ONE_MORE, 5, "ActivityCompleted, so no further decision in the turn before", "made ActivityScheduled 'more' input 'x'" },
	{ WAITS_EARLIER, 4, "TimerCreated 5000 ms", "waits" },
	{ RETURNS_EARLIER, 5, "ActivityCompleted, so no further decision in the turn before",
	  "ended with ExecutionCompleted output 'early'" },
	{ RETURNS_AT_ONCE, 2, "CustomStatusSet 'go'", "ended with ExecutionCompleted" },
	{ OTHER_EVENT, 7, "EventSubscribed 'ok'", "made EventSubscribed 'no'" },
	{ OTHER_DATE, 8, "TimerCreated until 2026-11-21T12:01:20.123457Z", "made TimerCreated until 2026-11-21T12:01:20.123458Z" },
	{ KEEPS_TIMER, 10, "TimerCanceled of line 8", "ended with ExecutionCompleted output 'done'" },
	{ CANCELS_OTHER, 9, "EventRaised, so no further decision in the turn before", "made EventUnsubscribed of line 7" },
	{ OTHER_OUTPUT, 11, "ExecutionCompleted output 'done'", "ended with ExecutionCompleted output 'Done'" },
	{ NO_OUTPUT, 11, "ExecutionCompleted output 'done'", "ended with ExecutionCompleted" },
	{ FAILS, 11, "ExecutionCompleted output 'done'", "ended with ExecutionFailed 'oh' kind 'application'" },
	{ RETURNS_LATER, 11, "ExecutionCompleted output 'done'", "made TimerCreated 1 ms" },
	{ WAITS_LATER, 11, "ExecutionCompleted output 'done'", "made EventSubscribed 'x'" },
};

static void check_mismatch(struct world *w, const struct mismatch_case *c)
{
	struct mismatch m = { 0 };
	char text[1024];

	variant = c->variant;
	assert_int_equal(world_verify(w, flow, &m), PAWL_ENONDETERMINISM);
	assert_int_equal(m.seq, c->line);
	assert_int_equal(strncmp(m.expected, c->expected, sizeof m.expected - 1), 0);
	if (strncmp(m.actual, c->actual, sizeof m.actual - 1) != 0)
		assert_string_equal(m.actual, c->actual);
	snprintf(text, sizeof text, "history line %llu has %s, but the code %s", (unsigned long long)c->line, m.expected,
		 m.actual);
	assert_int_equal(strncmp(w->err.text, text, sizeof w->err.text - 1), 0);
}

static void every_difference_is_told_with_its_line(void **state)
{
	struct world w;
	(void)state;
	record_flow(&w, true);
	assert_int_equal(world_verify(&w, flow, NULL), 0);
	for (int resident = 0; resident < 2; resident++) {
		w.options.resident = resident;
		for (size_t i = 0; i < sizeof mismatches / sizeof mismatches[0]; i++)
			check_mismatch(&w, &mismatches[i]);
	}
	world_release(&w);
}

static void one_decision_more_at_the_end_of_history_is_a_difference(void **state)
{
	static const struct mismatch_case cases[] = {
		{ CANCELS_OTHER, 9, "nothing, the last turn had no further decision", "made EventUnsubscribed of line 7" },
	};
	struct world w;
	(void)state;
	record_flow(&w, false);
	variant = AS_RECORDED;
	assert_int_equal(world_verify(&w, flow, NULL), 0);
	check_mismatch(&w, &cases[0]);
	world_release(&w);
}

static void a_mismatch_decides_nothing_and_takes_no_message(void **state)
{
	struct world w;
	struct execution *x;
	struct history h;
	struct pawl_error err;
	(void)state;
	record_flow(&w, false);
	variant = OTHER_NAME;
	for (int resident = 0; resident < 2; resident++) {
		struct engine_options options = w.options;
		struct message message = { .event = { .type = EVENT_EventRaised, .fields = FIELD_NAME, .name = SLICE("ok") } };
		struct turn t = { .time_ns = 1, .boot = SLICE("x"), .messages = &message, .message_count = 1 };
		world_history(&w, &h);
		options.resident = resident;
		assert_int_equal(execution_new(&x, "order-1", 3, flow, &options, NULL), 0);
		assert_int_equal(execution_load(x, &h, NULL), 0);
		assert_int_equal(execution_turn(x, &t, &err), PAWL_ENONDETERMINISM);
		assert_int_equal(t.event_count, 0);
		assert_false(t.ended);
		assert_int_not_equal(message.result, MESSAGE_TAKEN);
		assert_false(execution_is_resident(x));
		assert_int_equal(execution_mismatch(x)->seq, 3);
		assert_int_equal(execution_turn(x, &t, NULL), PAWL_ESTATE);
		execution_free(x);
		history_release(&h);
	}
	world_release(&w);
}

static int talks(pawl_ctx *ctx, const char *input)
{
	pawl_call_options o = { .priority = is(OTHER_PRIORITY) ? 4 : 3 };
	pawl_task *a = pawl_activity_with(ctx, "a", input, &o), *b = pawl_activity(ctx, "b", NULL);

	if (!is(NO_MESSAGE))
		pawl_message(ctx, is(MESSAGE_TO_OTHER) ? b : a, is(OTHER_MESSAGE) ? "slower" : is(EMPTY_MESSAGE) ? NULL : "faster");
	pawl_message(ctx, b, NULL);
	pawl_all(ctx, a, b);
	return 0;
}

static const struct mismatch_case talk_mismatches[] = {
	{ OTHER_PRIORITY, 2, "ActivityScheduled 'a' priority 3 input 'in'", "made ActivityScheduled 'a' priority 4 input 'in'" },
	{ OTHER_MESSAGE, 4, "ActivityMessageSent data 'faster' of line 2", "made ActivityMessageSent data 'slower' of line 2" },
	{ EMPTY_MESSAGE, 4, "ActivityMessageSent data 'faster' of line 2", "made ActivityMessageSent of line 2" },
	{ MESSAGE_TO_OTHER, 4, "ActivityMessageSent data 'faster' of line 2", "made ActivityMessageSent data 'faster' of line 3" },
	{ NO_MESSAGE, 4, "ActivityMessageSent data 'faster' of line 2", "made ActivityMessageSent of line 3" },
};

static void messages_are_compared_with_receiver_and_data(void **state)
{
	struct world w;
	(void)state;
	for (size_t spill = 0; spill < 6; spill += 5) {
		variant = AS_RECORDED;
		world_init(&w, talks);
		w.spill_bytes = spill;
		world_start(&w, "in");
		world_completes(&w, 3, NULL);
		assert_int_equal(world_verify(&w, talks, NULL), 0);
		for (size_t i = 0; i < sizeof talk_mismatches / sizeof talk_mismatches[0]; i++) {
			const struct mismatch_case *c = &talk_mismatches[i];
			struct mismatch m = { 0 };
			variant = c->variant;
			assert_int_equal(world_verify(&w, talks, &m), PAWL_ENONDETERMINISM);
			assert_int_equal(m.seq, c->line);
			assert_string_equal(m.actual, c->actual);
			if (spill == 0)
				assert_string_equal(m.expected, c->expected);
		}
		world_release(&w);
	}
}

/* ---- loading ---- */

static void add_line(struct buf *text, const struct event *e)
{
	assert_int_equal(event_encode(text, e), 0);
}

static const struct event started = { .type = EVENT_ExecutionStarted, .seq = 1, .has_time = true,
				      .fields = FIELD_NAME | FIELD_VERSION | FIELD_SEED, .name = { "f", 1 },
				      .version = { "1", 1 } };

/* Parse, load, verify with flow; the first code that is not 0. */
static int load(struct buf *text, struct pawl_error *err)
{
	struct execution *x;
	struct history h;

	history_init(&h);
	assert_int_equal(history_parse(&h, buf_slice(text), err), 0);
	assert_int_equal(execution_new(&x, "i", 1, flow, NULL, NULL), 0);
	int rc = execution_load(x, &h, err);
	if (rc == 0)
		rc = execution_verify(x, err);
	execution_free(x);
	history_release(&h);
	buf_release(text);
	return rc;
}

static void events_of_a_newer_pawl_are_refused(void **state)
{
	struct buf text = BUF_INIT;
	struct pawl_error err;
	(void)state;
	add_line(&text, &started);
	add_line(&text, &(struct event){ .type = EVENT_UNKNOWN, .seq = 2, .has_time = true, .type_name = SLICE("MoonRisen") });
	assert_int_equal(load(&text, &err), PAWL_EUNSUPPORTED);
	assert_string_equal(err.text, "history line 2 has 'MoonRisen', which a newer pawl wrote: run that version or a later one");
}

static void answers_that_nobody_asked_for_are_damage(void **state)
{
	static const enum event_type types[] = { EVENT_ChildCompleted, EVENT_SendCompleted, EVENT_ValueReceived, EVENT_EntityReplied };
	(void)state;
	variant = RETURNS_AT_ONCE;
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		struct buf text = BUF_INIT;
		struct pawl_error err;
		add_line(&text, &started);
		add_line(&text, &(struct event){ .type = types[i], .seq = 2, .fields = FIELD_REF, .ref = 1 });
		assert_int_equal(load(&text, &err), PAWL_ECORRUPT);
		assert_non_null(strstr(err.text, "answers line 1, which asked for nothing"));
		assert_non_null(strstr(err.text, event_type_name(types[i])));
	}
}

static void an_answer_to_nothing_is_damage(void **state)
{
	struct buf text = BUF_INIT;
	struct pawl_error err;
	(void)state;
	add_line(&text, &started);
	add_line(&text, &(struct event){ .type = EVENT_TimerFired, .seq = 2, .fields = FIELD_REF, .ref = 1 });
	assert_int_equal(load(&text, &err), PAWL_ECORRUPT);
	assert_string_equal(err.text, "history line 2, TimerFired, answers line 1, which is not open");
}

static void an_execution_is_loaded_once(void **state)
{
	struct world w;
	struct history h;
	struct execution *x;
	(void)state;
	record_flow(&w, false);
	world_history(&w, &h);
	variant = AS_RECORDED;
	assert_int_equal(execution_load(w.x[WORLD_KEPT], &h, NULL), PAWL_ESTATE);
	assert_int_equal(execution_verify(w.x[WORLD_KEPT], NULL), PAWL_ESTATE);
	assert_int_equal(execution_new(&x, "order-1", 1, flow, NULL, NULL), 0);
	assert_int_equal(execution_verify(x, NULL), PAWL_ESTATE);
	assert_int_equal(execution_load(x, &h, NULL), 0);
	assert_int_equal(execution_load(x, &h, NULL), PAWL_ESTATE);
	execution_free(x);
	execution_free(NULL);
	history_release(&h);
	world_release(&w);
}

static void replay_only_needs_its_history_again_for_each_turn(void **state)
{
	struct world w;
	struct turn t = { .time_ns = 1, .boot = SLICE("x") };
	struct pawl_error err;
	(void)state;
	record_flow(&w, false);
	assert_true(execution_is_resident(w.x[WORLD_KEPT]));
	assert_false(execution_is_resident(w.x[WORLD_REPLAY]));
	assert_int_equal(execution_turn(w.x[WORLD_REPLAY], &t, &err), PAWL_ESTATE);
	assert_string_equal(err.text, "instance 'order-1' must be loaded again before its next turn");
	world_release(&w);
}

static void a_turn_without_messages_only_replays(void **state)
{
	struct world w;
	(void)state;
	record_flow(&w, false);
	w.sent = true;
	world_turn(&w);
	assert_int_equal(w.turn_events, 0);
	world_raises(&w, "ok", NULL);
	assert_true(w.ended);
	world_release(&w);
}

static void whatever_comes_after_the_end_is_stale(void **state)
{
	struct world w;
	(void)state;
	record_flow(&w, true);
	struct message *m = world_raise(&w, "ok", NULL), *again = world_plain(&w, EVENT_ExecutionTerminated);
	world_turn(&w);
	assert_true(w.ended);
	assert_int_equal(m->result, MESSAGE_STALE);
	assert_string_equal(m->why, "the execution has ended");
	assert_int_equal(again->result, MESSAGE_STALE);
	world_release(&w);
}

/* ---- spilled payloads ---- */

static int spills(pawl_ctx *ctx, const char *input)
{
	const char *made = pawl_printf(ctx, "%s%s", input, variant == OTHER_INPUT ? "!" : ".");
	pawl_task *a = pawl_activity(ctx, "a", made), *e = pawl_event(ctx, "e");
	pawl_all(ctx, a, e);
	pawl_await(ctx, pawl_timer(ctx, 1));
	return pawl_return(ctx, pawl_printf(ctx, "%s %s %s", input, pawl_result(a), pawl_result(e)));
}

static void spilled_payloads_are_loaded_and_compared(void **state)
{
	struct world w;
	struct mismatch m = { 0 };
	(void)state;
	variant = AS_RECORDED;
	world_init(&w, spills);
	w.spill_bytes = 8;
	world_start(&w, "a long input");
	world_raises(&w, "e", "a long event");
	world_completes(&w, 2, "a long output");
	world_fires(&w, 6);
	assert_int_equal(w.file_count, 5);
	assert_memory_equal(w.files[4], "a long input a long output a long event", 39);
	assert_int_equal(world_verify(&w, spills, NULL), 0);
	variant = OTHER_INPUT;
	assert_int_equal(world_verify(&w, spills, &m), PAWL_ENONDETERMINISM);
	assert_string_equal(m.expected, "ActivityScheduled 'a' input (13 bytes, crc 0007de98)");
	assert_string_equal(m.actual, "made ActivityScheduled 'a' input 'a long input!'");
	world_release(&w);
}

static int no_file(void *arg, const char *instance, const char *file, char **out, size_t *len, struct pawl_error *err)
{
	(void)arg, (void)instance, (void)file, (void)out, (void)len;
	err->code = PAWL_EIO;
	snprintf(err->text, sizeof err->text, "no such luck");
	return PAWL_EIO;
}

static void a_payload_that_cannot_be_loaded_is_an_error(void **state)
{
	struct world w;
	(void)state;
	variant = AS_RECORDED;
	world_init(&w, spills);
	w.spill_bytes = 8;
	world_start(&w, "a long input");
	w.options.load_spill = NULL;
	assert_int_equal(world_verify(&w, spills, NULL), PAWL_EUNSUPPORTED);
	assert_err_has(&w, "cannot load payload file 'p0' of instance 'order-1'");
	w.options.load_spill = no_file;
	assert_int_equal(world_verify(&w, spills, NULL), PAWL_EIO);
	assert_string_equal(w.err.text, "no such luck");
	world_release(&w);
}

/* ---- long histories ---- */

static int chain(pawl_ctx *ctx, const char *input)
{
	long n = strtol(input, NULL, 10), sum = 0;

	for (long i = 0; i < n; i++)
		sum += strtol(pawl_call(ctx, "add", pawl_printf(ctx, "%ld", i)), NULL, 10);
	return pawl_return(ctx, pawl_printf(ctx, "%ld", sum));
}

/* One resident execution only: the two others would replay 10,000 times. */
static void ten_thousand_calls_in_a_row_replay(void **state)
{
	struct world w;
	struct message m = { .event = started };
	struct turn t = { .time_ns = WORLD_TIME, .boot = SLICE("x"), .messages = &m, .message_count = 1 };
	(void)state;
	world_init(&w, chain);
	w.options.resident = coro_has_stacks();
	if (!w.options.resident)
		skip();
	assert_int_equal(execution_new(&w.x[0], "order-1", 1, chain, &w.options, NULL), 0);
	m.event.fields |= FIELD_DATA;
	m.event.data = SLICE("10000");
	m.event.seq = 0; /* a message, not a line that is there */
	while (!t.ended) {
		assert_int_equal(execution_turn(w.x[0], &t, NULL), 0);
		for (size_t i = 0; i < t.event_count; i++)
			add_line(&w.text, &t.events[i]);
		m.event = (struct event){ .type = EVENT_ActivityCompleted, .fields = FIELD_REF | FIELD_DATA, .data = SLICE("3"),
					  .ref = t.events[t.event_count - 1].seq };
		t.time_ns += 1000000;
	}
	assert_int_equal(t.events[t.event_count - 1].seq, 20002);
	assert_true(slice_is(t.events[t.event_count - 1].data, "30000"));
	assert_int_equal(world_verify(&w, chain, NULL), 0);
	world_release(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_difference_is_told_with_its_line),
		cmocka_unit_test(messages_are_compared_with_receiver_and_data),
		cmocka_unit_test(one_decision_more_at_the_end_of_history_is_a_difference),
		cmocka_unit_test(a_mismatch_decides_nothing_and_takes_no_message),
		cmocka_unit_test(events_of_a_newer_pawl_are_refused),
		cmocka_unit_test(answers_that_nobody_asked_for_are_damage),
		cmocka_unit_test(an_answer_to_nothing_is_damage),
		cmocka_unit_test(an_execution_is_loaded_once),
		cmocka_unit_test(replay_only_needs_its_history_again_for_each_turn),
		cmocka_unit_test(a_turn_without_messages_only_replays),
		cmocka_unit_test(whatever_comes_after_the_end_is_stale),
		cmocka_unit_test(spilled_payloads_are_loaded_and_compared),
		cmocka_unit_test(a_payload_that_cannot_be_loaded_is_an_error),
		cmocka_unit_test(ten_thousand_calls_in_a_row_replay),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
