/* test_rewind.c - which lines the next execution of a rewound instance begins with, and that the engine goes on from them: the
 * three executions of the engine's world decide the same from there, whatever line it was. */
#include "unit/engine_world.h"
#include "runtime/rewind.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rewound {
	struct rewind r;
	struct arena arena;
	struct pawl_error err;
};

static int prepare(struct world *w, struct rewound *o, struct history *h, uint64_t line)
{
	world_history(w, h);
	arena_init(&o->arena, 0);
	o->r.history = h;
	o->r.id = "order-1";
	o->r.execution = w->number + 1;
	o->r.line = line;
	o->r.message_id = SLICE("m:1");
	o->r.now = (struct due){ SLICE("12345678"), 5000, WORLD_TIME };
	o->r.time_ns = WORLD_TIME + 1000000000;
	return rewind_lines(&o->r, &o->arena, &o->err);
}

/* The world goes on as the next execution, whose code has not run. */
static uint64_t go_back(struct world *w, uint64_t line, bool retry)
{
	struct rewound o = { .r = { .retry = retry } };
	struct history h;

	if (prepare(w, &o, &h, line) < 0)
		fail_msg("to line %d: %s", (int)line, o.err.text);
	buf_reset(&w->next);
	for (size_t n = 0; n < o.r.count; n++)
		assert_int_equal(event_encode(&w->next, &o.r.lines[n]), 0);
	line = o.r.line;
	assert_int_equal(o.r.lines[0].ref, o.r.count);
	arena_release(&o.arena);
	history_release(&h);
	w->ended = true; /* one that is live is ended in the same commit */
	world_next(w);
	return line;
}

/* ---- orchestrations ---- */

static int chain(pawl_ctx *ctx, const char *input)
{
	char *all = pawl_printf(ctx, "%s", input);

	for (int n = 1; n <= 3; n++) {
		const char *out = pawl_call(ctx, "step", pawl_printf(ctx, "%d", n));
		if (!out)
			return pawl_rethrow(ctx);
		pawl_set_status(ctx, out);
		all = pawl_printf(ctx, "%s %s", all, out);
	}
	return pawl_return(ctx, all);
}

/* Three at once, then an event. */
static int fan(pawl_ctx *ctx, const char *input)
{
	const pawl_retry retry = { .max_attempts = 2, .first_ms = 10 };
	pawl_task *tasks[3], *go = pawl_event(ctx, "go");

	(void)input;
	for (int n = 0; n < 3; n++)
		tasks[n] = pawl_activity_with(ctx, "step", pawl_printf(ctx, "%d", n), &(pawl_call_options){ .retry = &retry });
	for (int n = 0; n < 3; n++)
		if (!pawl_await(ctx, tasks[n]))
			return pawl_rethrow(ctx);
	return pawl_return(ctx, pawl_await(ctx, go));
}

static int parent(pawl_ctx *ctx, const char *input)
{
	const char *a = pawl_call_child(ctx, "worker", input), *b = a ? pawl_call_child(ctx, "worker", a) : NULL;

	return b ? pawl_return(ctx, b) : pawl_rethrow(ctx);
}

/* Answers whatever is open until it has ended. */
static void run_on(struct world *w)
{
	world_turn(w);
	for (int turns = 0; turns < 20 && !w->ended; turns++) {
		const struct open_item *item = w->view.open;
		while (item && item->type != EVENT_ActivityScheduled)
			item = item->next;
		if (item)
			world_completes(w, item->seq, "done");
		else
			world_raises(w, "go", "gone");
	}
	assert_true(w->ended);
}

/* ---- where ---- */

static void every_line_is_one_to_go_on_from(void **state)
{
	(void)state;
	for (uint64_t line = 1; line <= 11; line++) {
		struct world w;
		world_init(&w, chain);
		w.number = 1;
		world_start(&w, "in");
		while (!w.ended)
			world_completes(&w, w.view.open->seq, "done");
		uint64_t used = go_back(&w, line, false);
		assert_true(used <= line);
		assert_int_equal(w.view.rewound_to, used);
		run_on(&w);
		assert_string_equal(w.view.output, "in done done done");
		assert_int_equal(world_verify(&w, chain, NULL), 0);
		world_release(&w);
	}
}

static void from_within_decisions_it_is_brought_back_to_what_they_were_decided_because_of(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, chain);
	world_start(&w, "in");         /* 1, 2 scheduled */
	world_completes(&w, 2, "one"); /* 3, 4 status, 5 scheduled */
	assert_int_equal(go_back(&w, 4, false), 3);
	world_turn(&w);
	assert_last(&w, "4 CustomStatusSet 'one'\n5 ActivityScheduled 'step' input '2'");
	assert_int_equal(go_back(&w, 5, false), 5); /* the end of a turn */
	world_turn(&w);
	assert_int_equal(w.turn_events, 0);
	run_on(&w);
	world_release(&w);
}

static void what_code_does_not_agree_with_is_left_out(void **state)
{
	struct world w;
	struct rewound o = { .r = { .undecided = true } };
	struct history h;

	(void)state;
	world_init(&w, chain);
	world_start(&w, "in");
	assert_int_equal(prepare(&w, &o, &h, 2), 0);
	assert_int_equal(o.r.line, 1);
	arena_release(&o.arena);
	history_release(&h);
	world_release(&w);
}

static void lines_that_are_not_there(void **state)
{
	static const uint64_t lines[] = { 0, 3, UINT64_MAX };
	struct world w;

	(void)state;
	world_init(&w, chain);
	world_start(&w, "in");
	for (int n = 0; n < 3; n++) {
		struct rewound o = { .r = { .retry = false } };
		struct history h;
		assert_int_equal(prepare(&w, &o, &h, lines[n]), PAWL_EINVALID);
		arena_release(&o.arena);
		history_release(&h);
	}
	world_release(&w);
}

/* ---- what is open there ---- */

static void what_had_attempts_has_new_ones(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, fan);
	world_start(&w, "");  /* 1, 2 go, 3 4 5 scheduled */
	world_fail(&w, 4, 1, "bad", true);
	world_turn(&w);       /* 6 retrying */
	world_fail(&w, 4, 2, "bad", true);
	world_complete(&w, 3, "done");
	world_turn(&w);       /* 7 failed, 8 completed, 9 the end */
	assert_true(w.ended);
	assert_int_equal(go_back(&w, 6, false), 6);
	assert_string_equal(w.view.type, "flow");
	const struct open_item *item = view_find(&w.view, 4);
	assert_int_equal(item->attempt, 2);
	assert_true(item->has_due);
	assert_int_equal(w.view.next_seq, 8); /* the requeue */
	world_turn(&w);
	world_fail(&w, 4, 2, "bad", true); /* of the new ones it is the first */
	world_turn(&w);
	assert_false(w.ended);
	assert_int_equal(view_find(&w.view, 4)->attempt, 3);
	run_on(&w);
	assert_string_equal(w.view.output, "gone");
	world_release(&w);
}

static void a_retry_takes_over_what_was_done_and_raised_after_its_line(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, fan);
	world_start(&w, "");
	world_fail(&w, 4, 1, "bad", false);
	world_complete(&w, 5, "five");
	world_raise(&w, "go", "went");
	world_turn(&w); /* 6 failed, 7 completed, 8 raised */
	world_completes(&w, 3, "three");
	assert_true(w.ended);
	assert_int_equal(go_back(&w, 5, true), 5);
	assert_int_equal(w.view.next_seq, 9); /* 6 completed, 7 raised, 8 completed */
	assert_null(view_find(&w.view, 3));
	assert_null(view_find(&w.view, 5));
	world_turn(&w);
	assert_false(w.ended);
	world_completes(&w, 4, "four");
	assert_true(w.ended);
	assert_string_equal(w.view.output, "went");
	world_release(&w);
}

static void a_rewind_does_not(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, fan);
	world_start(&w, "");
	world_complete(&w, 5, "five");
	world_raise(&w, "go", "went");
	world_turn(&w);
	assert_int_equal(go_back(&w, 5, false), 5);
	assert_non_null(view_find(&w.view, 5));
	assert_non_null(view_find(&w.view, 2));
	run_on(&w);
	assert_string_equal(w.view.output, "gone");
	world_release(&w);
}

static int sends_itself(pawl_ctx *ctx, const char *input)
{
	(void)pawl_send(ctx, "order-1", "a", input);
	(void)pawl_send_later(ctx, "order-1", "b", input, 1000);
	const char *a = pawl_wait_event(ctx, "a", -1);
	return pawl_return(ctx, pawl_printf(ctx, "%s %s", a, pawl_wait_event(ctx, "b", -1)));
}

static void what_it_has_sent_itself_is_there_again(void **state)
{
	struct event own = { .type = EVENT_EventRaised, .fields = FIELD_NAME | FIELD_DATA | FIELD_FROM, .name = SLICE("a"), .data = SLICE("in"),
		.from = SLICE("@order-1/3/2") };
	struct world w;

	(void)state;
	world_init(&w, sends_itself);
	world_start(&w, "in"); /* 2 and 3 sent, 4 waits */
	world_deliver(&w, &own);
	own.from = SLICE("@other/1/2");
	world_deliver(&w, &own);
	own = (struct event){ .type = EVENT_EventScheduled, .fields = FIELD_NAME | FIELD_DATA | FIELD_FROM | FIELD_DELAY | FIELD_DUE, .name = SLICE("b"),
		.data = SLICE("in"), .from = SLICE("@order-1/3/3"), .delay_ms = 1000, .due = { SLICE("12345678"), 5, WORLD_TIME } };
	world_deliver(&w, &own);
	world_turn(&w);
	assert_int_equal(go_back(&w, 4, false), 4);
	assert_int_equal(w.view.next_seq, 7); /* the other one's event has gone */
	assert_int_equal(view_find(&w.view, 6)->type, EVENT_EventScheduled);
	world_turn(&w);
	world_message(&w, &(struct event){ .type = EVENT_EventRaised, .fields = FIELD_NAME | FIELD_DATA | FIELD_REF, .name = SLICE("b"), .data = SLICE("in"), .ref = 6 });
	world_turn(&w);
	assert_string_equal(w.view.output, "in in");
	world_release(&w);
}

static void a_child_that_is_open_there_is_another_instance(void **state)
{
	struct world w;
	struct arena arena;
	struct event e;

	(void)state;
	world_init(&w, parent);
	w.number = 3;
	world_start(&w, "in");
	assert_int_equal(go_back(&w, 2, false), 2);
	arena_init(&arena, 0);
	assert_int_equal(open_item_event(view_find(&w.view, 2), &e, &arena), 0);
	assert_true(slice_is(e.instance, "order-1:4-2"));
	assert_int_equal(view_find(&w.view, 2)->attempt, 2);
	arena_release(&arena);
	world_turn(&w);
	world_deliver(&w, &(struct event){ .type = EVENT_ChildCompleted, .fields = FIELD_REF | FIELD_DATA, .ref = 2, .data = SLICE("one") });
	world_turn(&w);
	assert_non_null(strstr(world_last(&w), "ChildScheduled"));
	world_release(&w);
}

/* ---- what failed ---- */

static void find(struct world *w, uint64_t step, int code, uint64_t line)
{
	struct pawl_error err = { 0 };
	struct history h;
	uint64_t got = 0;

	world_history(w, &h);
	int rc = rewind_find_failure(&h, step, &got, &err);
	if (rc != code || got != line)
		fail_msg("step %d: %d, line %d: %s", (int)step, rc, (int)got, err.text);
	history_release(&h);
}

static void the_line_before_what_failed_is_found(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, chain);
	world_start(&w, "in");
	find(&w, 0, PAWL_ESTATE, 0); /* it has not ended */
	world_completes(&w, 2, "one"); /* 3, 4, 5 scheduled */
	world_fail(&w, 5, 1, "bad", false);
	world_turn(&w); /* 6 failed, 7 the end */
	assert_true(w.ended);
	find(&w, 0, 0, 5);
	find(&w, 5, 0, 5);
	find(&w, 6, 0, 5);
	find(&w, 2, 0, 1);
	find(&w, 3, PAWL_EINVALID, 0);
	find(&w, 99, PAWL_EINVALID, 0);
	world_release(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_line_is_one_to_go_on_from),
		cmocka_unit_test(from_within_decisions_it_is_brought_back_to_what_they_were_decided_because_of),
		cmocka_unit_test(what_code_does_not_agree_with_is_left_out),
		cmocka_unit_test(lines_that_are_not_there),
		cmocka_unit_test(what_had_attempts_has_new_ones),
		cmocka_unit_test(a_retry_takes_over_what_was_done_and_raised_after_its_line),
		cmocka_unit_test(a_rewind_does_not),
		cmocka_unit_test(what_it_has_sent_itself_is_there_again),
		cmocka_unit_test(a_child_that_is_open_there_is_another_instance),
		cmocka_unit_test(the_line_before_what_failed_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
