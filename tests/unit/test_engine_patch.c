#include "unit/engine_world.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- code that is deployed under a running instance, at each turn; and after each event a crash ---- */

enum code { BEFORE, PATCHED, DEPRECATED, AFTER };

static enum code code;

static bool takes_new_path(pawl_ctx *ctx)
{
	if (code == DEPRECATED)
		pawl_patch_deprecated(ctx, "p");
	return code == PATCHED ? pawl_patched(ctx, "p") : code > PATCHED;
}

static int flow(pawl_ctx *ctx, const char *input)
{
	pawl_call(ctx, "a", input);
	const char *path = takes_new_path(ctx) ? "new" : "old";
	pawl_call(ctx, path, NULL);
	path = takes_new_path(ctx) ? "new" : "old";
	pawl_call(ctx, "end", path);
	assert_null(pawl_failed(ctx));
	return pawl_return(ctx, path);
}

#define TURNS 4 /* and three activities: the patch is between the first two */
#define GONE "needs it: the path without it is gone"
#define PLAIN "PatchMarked 'p'"
#define DEPR "PatchMarked 'p' status 'deprecated'"

static const struct deploy_case {
	enum code first, second;
	int from, to;           /* deployed after so many turns */
	const char *output;     /* NULL: parked, at */
	uint64_t line;
	const char *expected, *actual;
	const char *marker;     /* in the end; NULL = none */
} deploys[] = {
	{ BEFORE, BEFORE, 1, 4, "old", 0, NULL, NULL, NULL },
	{ PATCHED, PATCHED, 1, 4, "new", 0, NULL, NULL, PLAIN },
	{ DEPRECATED, DEPRECATED, 1, 4, "new", 0, NULL, NULL, DEPR },
	{ AFTER, AFTER, 1, 4, "new", 0, NULL, NULL, NULL },

	{ BEFORE, PATCHED, 1, 1, "new", 0, NULL, NULL, PLAIN },
	{ BEFORE, PATCHED, 2, 4, "old", 0, NULL, NULL, NULL },
	{ BEFORE, DEPRECATED, 1, 1, "new", 0, NULL, NULL, DEPR },
	{ BEFORE, DEPRECATED, 2, 4, NULL, 4, "no PatchMarked 'p'", GONE, NULL },
	{ BEFORE, AFTER, 1, 1, "new", 0, NULL, NULL, NULL },
	{ BEFORE, AFTER, 2, 4, NULL, 4, "ActivityScheduled 'old'", "made ActivityScheduled 'new'", NULL },

	{ PATCHED, BEFORE, 1, 1, "old", 0, NULL, NULL, NULL },
	{ PATCHED, BEFORE, 2, 4, NULL, 4, PLAIN, "made ActivityScheduled 'old'", NULL },
	{ PATCHED, DEPRECATED, 1, 1, "new", 0, NULL, NULL, DEPR },
	{ PATCHED, DEPRECATED, 2, 4, "new", 0, NULL, NULL, PLAIN },
	{ PATCHED, AFTER, 1, 1, "new", 0, NULL, NULL, NULL },
	{ PATCHED, AFTER, 2, 4, NULL, 4, PLAIN, "made ActivityScheduled 'new'", NULL },

	{ DEPRECATED, BEFORE, 2, 4, NULL, 5, "ActivityScheduled 'new'", "made ActivityScheduled 'old'", NULL },
	{ DEPRECATED, PATCHED, 1, 1, "new", 0, NULL, NULL, PLAIN },
	{ DEPRECATED, PATCHED, 2, 4, "new", 0, NULL, NULL, DEPR },
	{ DEPRECATED, AFTER, 1, 1, "new", 0, NULL, NULL, NULL },
	{ DEPRECATED, AFTER, 2, 4, "new", 0, NULL, NULL, DEPR },

	{ AFTER, BEFORE, 2, 4, NULL, 4, "ActivityScheduled 'new'", "made ActivityScheduled 'old'", NULL },
	{ AFTER, PATCHED, 2, 4, NULL, 4, "ActivityScheduled 'new'", "made ActivityScheduled 'old'", NULL },
	{ AFTER, DEPRECATED, 2, 4, NULL, 4, "no PatchMarked 'p'", GONE, NULL },
};

static void run_turns(struct world *w, int from, int to)
{
	for (int turn = from; turn < to; turn++) {
		if (turn == 0)
			world_start(w, NULL);
		else
			world_completes(w, w->view.next_seq - 1, NULL);
	}
}

static void check_markers(struct world *w, const char *marker)
{
	const char *at = strstr(world_all(w), "PatchMarked");
	size_t len = marker ? strlen(marker) : 0;

	assert_int_equal(at != NULL, marker != NULL);
	if (!at)
		return;
	assert_int_equal(strncmp(at, marker, len), 0);
	assert_int_equal(at[len], '\n');
	assert_null(strstr(at + 1, "PatchMarked"));
}

static void deploy(const struct deploy_case *c, int after)
{
	struct mismatch m = { 0 };
	struct world w;

	world_init(&w, flow);
	w.drop_one_in = 1;
	code = c->first;
	run_turns(&w, 0, after);
	code = c->second;
	for (int resident = 0; resident < 2; resident++) {
		w.options.resident = resident;
		assert_int_equal(world_verify(&w, flow, &m), c->output ? 0 : PAWL_ENONDETERMINISM);
	}
	if (c->output) {
		world_deploy(&w, flow);
		run_turns(&w, after, TURNS);
		assert_true(w.ended);
		assert_string_equal(w.view.output, c->output);
		assert_int_equal(world_verify(&w, flow, NULL), 0);
		check_markers(&w, c->marker);
	} else {
		assert_int_equal(m.seq, c->line);
		assert_string_equal(m.expected, c->expected);
		assert_string_equal(m.actual, c->actual);
		code = c->first; /* put back, it goes on */
		run_turns(&w, after, TURNS);
		assert_true(w.ended);
	}
	world_release(&w);
}

static void each_step_of_a_patch_takes_the_histories_that_it_should(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof deploys / sizeof deploys[0]; i++) {
		for (int after = deploys[i].from; after <= deploys[i].to; after++)
			deploy(&deploys[i], after);
	}
}

static void all_steps_one_after_the_other(void **state)
{
	struct world w;
	(void)state;
	for (int first = 1; first < TURNS; first++) {
		for (int second = first; second < TURNS; second++) {
			world_init(&w, flow);
			code = PATCHED;
			run_turns(&w, 0, first);
			code = DEPRECATED;
			world_deploy(&w, flow);
			run_turns(&w, first, second);
			if (first == 1) /* no marker of the first step: the third may come */
				code = AFTER;
			world_deploy(&w, flow);
			run_turns(&w, second, TURNS);
			assert_string_equal(w.view.output, "new");
			check_markers(&w, first > 1 ? PLAIN : second > 1 ? DEPR : NULL);
			world_release(&w);
		}
	}
}

/* ---- where "past" is ---- */

static int waits_after(pawl_ctx *ctx, const char *input)
{
	(void)input;
	pawl_task *e = pawl_event(ctx, "e");
	bool patched = code == PATCHED && pawl_patched(ctx, "p");
	pawl_await(ctx, e);
	if (code == PATCHED)
		assert_int_equal(pawl_patched(ctx, "p"), patched);
	return pawl_return(ctx, patched ? "new" : "old");
}

static void the_wait_behind_a_patch_is_past_it(void **state)
{
	struct world w;
	(void)state;
	for (int patched = 0; patched < 2; patched++) {
		world_init(&w, waits_after);
		w.drop_one_in = 1;
		code = patched ? PATCHED : BEFORE;
		world_start(&w, NULL);
		assert_int_equal(w.turn_events, patched ? 3 : 2);
		code = PATCHED;
		world_deploy(&w, waits_after);
		world_raises(&w, "e", NULL);
		assert_string_equal(w.view.output, patched ? "new" : "old");
		assert_int_equal(w.turn_events, 2);
		world_release(&w);
	}
}

static void one_that_was_suspended_before_its_start_takes_the_new_path(void **state)
{
	struct world w;
	struct event start = { .type = EVENT_ExecutionStarted, .fields = FIELD_NAME | FIELD_VERSION | FIELD_SEED,
			       .name = SLICE("flow"), .version = SLICE("1") };
	(void)state;
	world_init(&w, waits_after);
	code = BEFORE;
	world_message(&w, &start);
	world_plain(&w, EVENT_ExecutionSuspended);
	world_turn(&w);
	code = PATCHED;
	world_deploy(&w, waits_after);
	world_plain(&w, EVENT_ExecutionResumed);
	world_turn(&w);
	assert_last(&w, "3 ExecutionResumed\n4 EventSubscribed 'e'\n5 PatchMarked 'p'");
	world_release(&w);
}

static int loops(pawl_ctx *ctx, const char *input)
{
	(void)input;
	for (int i = 0; i < 6; i++) {
		bool patched = code == PATCHED && pawl_patched(ctx, "p") && pawl_patched(ctx, "p");
		pawl_set_status(ctx, patched ? "new" : "old");
		pawl_sleep(ctx, 1);
	}
	return 0;
}

static void in_a_loop_the_first_answer_holds(void **state)
{
	struct world w;
	(void)state;
	for (int after = 0; after < 6; after++) {
		world_init(&w, loops);
		w.drop_one_in = 1;
		code = after == 0 ? PATCHED : BEFORE;
		world_start(&w, NULL);
		for (int turn = 1; turn < 6; turn++) {
			if (turn == after) {
				code = PATCHED;
				world_deploy(&w, loops);
			}
			world_fires(&w, w.view.next_seq - 1);
			assert_string_equal(w.view.custom_status, after == 0 ? "new" : "old");
		}
		check_markers(&w, after == 0 ? PLAIN : NULL);
		assert_int_equal(world_verify(&w, loops, NULL), 0);
		world_release(&w);
	}
}

/* ---- several: `script` is what is asked for. a-z: pawl_patched, A-Z: pawl_patch_deprecated, ':': a timer begins, ';':
 * it is waited for, '.': both, '!': a status. What pawl_patched said is the output. ---- */

static const char *script;

static int scripted(pawl_ctx *ctx, const char *input)
{
	char said[32] = "", name[2] = "";
	pawl_task *timer = NULL;
	size_t n = 0;

	(void)input;
	for (const char *s = script; *s; s++) {
		name[0] = (char)(*s | 0x20);
		if (*s == '.' || *s == ':')
			timer = pawl_timer(ctx, 1);
		if (*s == '.' || *s == ';')
			pawl_await(ctx, timer);
		else if (*s == '!')
			pawl_set_status(ctx, "s");
		else if (*s >= 'a')
			said[n++] = pawl_patched(ctx, name) ? '1' : '0';
		else if (*s >= 'A')
			pawl_patch_deprecated(ctx, name);
	}
	assert_null(pawl_failed(ctx));
	return pawl_return(ctx, pawl_printf(ctx, "%s", said));
}

static const struct script_case {
	const char *recorded, *run; /* the same length of turns */
	const char *said;           /* what the new code is told; NULL: parked */
	const char *expected;
} scripts[] = {
	{ "ab.", "ab.", "11", NULL },
	{ "ab.", "ba.", NULL, "PatchMarked 'b'" }, /* b: false, as it is not next; a: true; then b is left */
	{ "ab.", "a.", NULL, "PatchMarked 'b'" },
	{ "ab.", "b.", NULL, "PatchMarked 'a'" },
	{ "ab.", ".", NULL, "PatchMarked 'a'" },
	{ "a.", "a.b", "11", NULL },      /* b is live */
	{ ".a", ".b", "1", NULL },        /* all of it is live: only the first turn was recorded */
	{ "AB.", "AB.", "", NULL },
	{ "AB.", "BA.", "", NULL },
	{ "AB.", "B.", "", NULL },
	{ "AB.", "A.", "", NULL },
	{ "AB.", ".", "", NULL },
	{ "AB.", "b.", "1", NULL },
	{ "AB.", "ba.", "11", NULL },
	{ "AB.", ".ab", "11", NULL },     /* passed over, and asked for later: there */
	{ "AB.", ".AB", "", NULL },
	{ ":AB;", ":;", "", NULL },
	{ ":AB;", ":;ab", "11", NULL },
	{ ":a;", ":;", NULL, "PatchMarked 'a'" },
	{ "Ab.", "b.", "1", NULL },
	{ "Ab.", "ba.", "11", NULL },
	{ "aB.", "b.", NULL, "PatchMarked 'a'" },
	{ "aB.", "a.", "1", NULL },
	{ "A.", "ab.", "10", NULL },
	{ "A.", "ba.", "01", NULL },      /* not passed over by a question for another */
	{ "A!.", "!.", "", NULL },
	{ "A!.", "b!.", "0", NULL },
	{ "A!.", "!a.", "1", NULL },
	{ "!A.", "!.", "", NULL },
	{ "!A.", "a!.", "0", NULL },      /* passed over later: the answer stays */
	{ "!a.", "a!.", NULL, "PatchMarked 'a'" },
	{ "A.", "A!.", NULL, "TimerCreated 1 ms" },
	{ "!.", "A!.", NULL, "no PatchMarked 'a'" },
	{ "!.", "!A.", NULL, "no PatchMarked 'a'" },
	{ "!.", "!.A", "", NULL },
	{ "!.", "a!.A", "0", "no PatchMarked 'a'" }, /* contradicts itself: parks when it gets there */
	{ "!.", "!a.a", "00", NULL },
	{ "a.", "aA.a", "11", NULL },
};

static void run_script(const struct script_case *c)
{
	struct mismatch m = { 0 };
	struct world w;

	world_init(&w, scripted);
	w.drop_one_in = 1;
	script = c->recorded;
	world_start(&w, NULL);
	script = c->run;
	bool parks = !c->said;
	for (int resident = 0; resident < 2; resident++) {
		w.options.resident = resident;
		assert_int_equal(world_verify(&w, scripted, &m), parks ? PAWL_ENONDETERMINISM : 0);
	}
	if (parks) {
		assert_string_equal(m.expected, c->expected);
	} else if (!c->expected) {
		world_deploy(&w, scripted);
		world_fires(&w, w.view.open->seq);
		assert_true(w.ended);
		assert_string_equal(w.view.output, c->said);
		assert_int_equal(world_verify(&w, scripted, NULL), 0);
	}
	world_release(&w);
}

static void several_patches_are_told_apart(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++)
		run_script(&scripts[i]);
}

static void a_live_contradiction_parks_and_decides_nothing(void **state)
{
	struct engine_options options = { .resident = true };
	struct event e = { .type = EVENT_TimerFired, .fields = FIELD_REF, .ref = 3 };
	struct message message = { .event = e };
	struct turn t = { .time_ns = WORLD_TIME, .messages = &message, .message_count = 1 };
	struct pawl_error err = { 0 };
	struct execution *x;
	struct history h;
	struct world w;
	(void)state;
	world_init(&w, scripted);
	script = "!.";
	world_start(&w, NULL);
	script = "a!.A";
	world_history(&w, &h);
	assert_int_equal(execution_new(&x, "order-1", 3, scripted, &options, NULL), 0);
	assert_int_equal(execution_load(x, &h, NULL), 0);
	assert_int_equal(execution_turn(x, &t, &err), PAWL_ENONDETERMINISM);
	assert_string_equal(err.text, "history line 5 has no PatchMarked 'a', but the code " GONE);
	assert_int_equal(t.event_count, 0);
	execution_free(x);
	history_release(&h);
	world_release(&w);
}

/* ---- limits (I11) ---- */

static int over_limits(pawl_ctx *ctx, const char *input)
{
	bool good = true;

	switch (*input) {
	case 'n':
		good = pawl_patched(ctx, NULL);
		break;
	case 'b':
		good = pawl_patched(ctx, "no spaces");
		break;
	case 'd':
		pawl_patch_deprecated(ctx, "");
		good = false;
		break;
	case 'm':
		for (int i = 0; i < PAWL_PATCHES_MAX; i++)
			assert_true(pawl_patched(ctx, pawl_printf(ctx, "p%d", i)));
		good = pawl_patched(ctx, "more");
		assert_true(pawl_patched(ctx, "p0"));
		break;
	default:
		for (int i = 0; i < PAWL_TURN_ACTIONS_MAX; i++)
			pawl_set_status(ctx, "s");
		good = pawl_patched(ctx, "p");
		pawl_patch_deprecated(ctx, "q");
		pawl_sleep(ctx, 1); /* refused as well */
		assert_false(pawl_patched(ctx, "p"));
	}
	assert_false(good);
	return pawl_return(ctx, pawl_failed(ctx)->message);
}

static void over_a_limit_nothing_is_marked(void **state)
{
	static const struct {
		const char *which;
		size_t events;
		const char *output;
	} cases[] = {
		{ "n", 2, "'' is not a valid name of a patch: 1 to 64 of letters, digits, _ : -" },
		{ "b", 2, "'no spaces' is not a valid name of a patch: 1 to 64 of letters, digits, _ : -" },
		{ "d", 2, "'' is not a valid name of a patch: 1 to 64 of letters, digits, _ : -" },
		{ "m", PAWL_PATCHES_MAX + 2, "patch 'more' would be one more than the limit of 256 (PAWL_PATCHES_MAX)" },
		{ "t", PAWL_TURN_ACTIONS_MAX + 2,
		  "over the limit of 10000 actions in one turn (PAWL_TURN_ACTIONS_MAX): wait for some first" },
	};
	struct world w;
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		world_init(&w, over_limits);
		world_start(&w, cases[i].which);
		assert_string_equal(w.view.output, cases[i].output);
		assert_int_equal(w.turn_events, cases[i].events);
		assert_int_equal(world_verify(&w, over_limits, NULL), 0);
		world_release(&w);
	}
}

/* What was passed over counts: a limit that struck when it was recorded strikes there again. */
static int counts(pawl_ctx *ctx, const char *input)
{
	(void)input;
	if (code == DEPRECATED)
		pawl_patch_deprecated(ctx, "p");
	for (int i = 0; i < PAWL_TURN_ACTIONS_MAX; i++)
		pawl_set_status(ctx, "s");
	return pawl_rethrow(ctx);
}

static void markers_that_are_passed_over_count_as_actions(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, counts);
	code = DEPRECATED;
	world_start(&w, NULL);
	assert_string_equal(w.view.error_code, "turn-limit");
	code = AFTER;
	assert_int_equal(world_verify(&w, counts, NULL), 0);
	world_release(&w);
}

static int takes_all_memory(pawl_ctx *ctx, const char *input)
{
	(void)input;
	if (code == DEPRECATED)
		pawl_patch_deprecated(ctx, "p");
	for (;;)
		pawl_alloc(ctx, 1000);
	return 0;
}

static void an_end_by_the_memory_limit_is_found_behind_a_marker(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, takes_all_memory);
	w.options.memory_max = 100000;
	code = DEPRECATED;
	world_start(&w, NULL);
	assert_string_equal(w.view.error_code, "memory-limit");
	code = AFTER;
	assert_int_equal(world_verify(&w, takes_all_memory, NULL), 0);
	world_release(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_step_of_a_patch_takes_the_histories_that_it_should),
		cmocka_unit_test(all_steps_one_after_the_other),
		cmocka_unit_test(the_wait_behind_a_patch_is_past_it),
		cmocka_unit_test(one_that_was_suspended_before_its_start_takes_the_new_path),
		cmocka_unit_test(in_a_loop_the_first_answer_holds),
		cmocka_unit_test(several_patches_are_told_apart),
		cmocka_unit_test(a_live_contradiction_parks_and_decides_nothing),
		cmocka_unit_test(over_a_limit_nothing_is_marked),
		cmocka_unit_test(markers_that_are_passed_over_count_as_actions),
		cmocka_unit_test(an_end_by_the_memory_limit_is_found_behind_a_marker),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
