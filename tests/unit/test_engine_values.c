#include "unit/engine_world.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Small programs for tables: after each step the instance sleeps, so that a crash (a new execution from history) comes
 * after every event, in resident (DROPPED each time) and in replay-only mode; all three must record the same.
 */
enum verb { SET, CLEAR, GET };

static const struct step {
	enum verb verb;
	const char *key, *value; /* GET: what must be there */
	const char *event;       /* what is recorded before the timer; NULL = nothing */
} steps[] = {
	{ GET, "a", NULL, NULL },
	{ SET, "a", "1", "KeyValueSet key 'a' value '1'" },
	{ GET, "a", "1", NULL },
	{ SET, "a", "1", NULL },
	{ SET, "b:x", "{\"n\":[1]}", "KeyValueSet key 'b:x' value '{\"n\":[1]}'" },
	{ SET, "a", "", "KeyValueSet key 'a' value ''" },
	{ GET, "a", "", NULL },
	{ SET, "a", "", NULL },
	{ GET, "b:x", "{\"n\":[1]}", NULL },
	{ CLEAR, "none", NULL, NULL },
	{ CLEAR, "a", NULL, "KeyValueCleared key 'a'" },
	{ CLEAR, "a", NULL, NULL },
	{ GET, "a", NULL, NULL },
	{ SET, "a", "gr\xfc\xdf\n\t", "KeyValueSet key 'a' value 'gr?\?\?\?'" },
	{ GET, "a", "gr\xfc\xdf\n\t", NULL },
	{ SET, "a", NULL, "KeyValueCleared key 'a'" },
	{ SET, "a", NULL, NULL },
	{ SET, "c", "3", "KeyValueSet key 'c' value '3'" },
	{ CLEAR, NULL, NULL, "KeyValueCleared" },
	{ CLEAR, NULL, NULL, NULL },
	{ GET, "b:x", NULL, NULL },
	{ GET, "c", NULL, NULL },
	{ SET, "c", "4", "KeyValueSet key 'c' value '4'" },
	{ GET, "c", "4", NULL },
};
#define STEPS (sizeof steps / sizeof steps[0])

static void check_get(pawl_ctx *ctx, const struct step *s)
{
	const char *value = pawl_get(ctx, s->key);

	assert_int_equal(value != NULL, s->value != NULL);
	if (value)
		assert_string_equal(value, s->value);
}

static int table(pawl_ctx *ctx, const char *input)
{
	(void)input;
	for (size_t i = 0; i < STEPS; i++) {
		const struct step *s = &steps[i];

		if (s->verb == SET)
			assert_int_equal(pawl_set(ctx, s->key, s->value), 0);
		else if (s->verb == CLEAR)
			pawl_clear(ctx, s->key);
		else
			check_get(ctx, s);
		assert_null(pawl_failed(ctx));
		pawl_sleep(ctx, 1);
	}
	return 0;
}

/* What a reader sees, which is folded from the history, is what the code sees. */
static void check_view(struct world *w, size_t done)
{
	const char *keys[] = { "a", "b:x", "c" }, *values[3] = { NULL };
	size_t set = 0;

	for (size_t i = 0; i < done; i++) {
		for (size_t k = 0; k < 3; k++) {
			if (steps[i].verb != GET && (!steps[i].key || strcmp(steps[i].key, keys[k]) == 0))
				values[k] = steps[i].verb == SET ? steps[i].value : NULL;
		}
	}
	for (size_t k = 0; k < 3; k++) {
		const struct view_value *v = view_value(&w->view, slice_of(keys[k]));

		set += values[k] != NULL;
		assert_int_equal(v != NULL, values[k] != NULL);
		struct event e = { .data = SLICE_NONE };
		if (v)
			view_value_event(v, &e);
		assert_true(slice_eq(e.data, slice_of(values[k])));
	}
	for (const struct view_value *v = w->view.values; v; v = v->next)
		set--;
	assert_int_equal(set, 0);
}

static void values_are_recorded_once_and_survive_a_crash_after_every_step(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, table);
	w.drop_one_in = 1;
	world_start(&w, NULL);
	for (size_t i = 0; i < STEPS; i++) {
		size_t events = steps[i].event ? 2 : 1, last = (size_t)w.view.next_seq - 1;
		char text[256];

		assert_int_equal(w.turn_events, events + 1);
		snprintf(text, sizeof text, "%zu %s\n%zu TimerCreated 1 ms", last - 1, steps[i].event ? steps[i].event : "", last);
		if (steps[i].event)
			assert_string_equal(strchr(world_last(&w), '\n') + 1, text);
		check_view(&w, i + 1);
		assert_int_equal(world_verify(&w, table, NULL), 0);
		world_fires(&w, last);
	}
	assert_true(w.ended);
	world_release(&w);
}

/* ---- limits: not set, nothing recorded, and why (I11) ---- */

static char *text_of(pawl_ctx *ctx, size_t len)
{
	char *text = pawl_alloc(ctx, len + 1);
	memset(text, 'x', len);
	return text;
}

static void fill(pawl_ctx *ctx, int keys, size_t len)
{
	char *text = text_of(ctx, len);

	for (int i = 0; i < keys; i++)
		assert_int_equal(pawl_set(ctx, pawl_printf(ctx, "%05d", i), text), 0);
}

static int refused(pawl_ctx *ctx, const char *input)
{
	const char *key = "k";
	int rc = 0;

	switch (*input) {
	case 'e':
		rc = pawl_set(ctx, key = "", "v");
		break;
	case 'n':
		rc = pawl_set(ctx, key = NULL, NULL);
		break;
	case 's':
		rc = pawl_set(ctx, key = "a b", "v");
		break;
	case 'c':
		pawl_clear(ctx, key = "a/b");
		rc = PAWL_EINVALID;
		break;
	case 'l':
		rc = pawl_set(ctx, key = text_of(ctx, 65), "v");
		break;
	case 'b':
		assert_int_equal(pawl_set(ctx, text_of(ctx, 64), text_of(ctx, PAWL_VALUE_BYTES_MAX)), 0);
		rc = pawl_set(ctx, key, text_of(ctx, PAWL_VALUE_BYTES_MAX + 1));
		break;
	case 'm':
		fill(ctx, PAWL_VALUES_MAX, 1);
		assert_int_equal(pawl_set(ctx, "00000", "other"), 0);
		rc = pawl_set(ctx, key, "v");
		break;
	default: /* 16 x (5 + 65531) = 1 MiB */
		fill(ctx, 16, 65536 - 5);
		assert_int_equal(pawl_set(ctx, "00000", text_of(ctx, 65536 - 6)), 0);
		rc = pawl_set(ctx, key, "v");
	}
	assert_null(pawl_get(ctx, key));
	return rc == 0 ? pawl_return(ctx, "not refused") : pawl_return(ctx, pawl_printf(ctx, "%d %s", rc, pawl_failed(ctx)->message));
}

static void what_is_over_a_limit_is_not_set(void **state)
{
	static const struct {
		const char *which;
		size_t set;
		const char *output;
	} cases[] = {
		{ "e", 0, "-2 '' is not a valid key: 1 to 64 of letters, digits, _ : -" },
		{ "n", 0, "-2 '' is not a valid key: 1 to 64 of letters, digits, _ : -" },
		{ "s", 0, "-2 'a b' is not a valid key: 1 to 64 of letters, digits, _ : -" },
		{ "c", 0, "-2 'a/b' is not a valid key: 1 to 64 of letters, digits, _ : -" },
		{ "l", 0,
		  "-2 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' is not a valid key: "
		  "1 to 64 of letters, digits, _ : -" },
		{ "b", 1, "-6 value 'k' of 65537 bytes is over the limit of 65536 (PAWL_VALUE_BYTES_MAX)" },
		{ "m", 257, "-6 value 'k' would be one more than the limit of 256 (PAWL_VALUES_MAX)" },
		{ "t", 17,
		  "-6 with value 'k' keys and values have 1048577 bytes, over the limit of 1048576 (PAWL_VALUES_BYTES_MAX)" },
	};
	struct world w;
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		world_init(&w, refused);
		world_start(&w, cases[i].which);
		assert_string_equal(w.view.output, cases[i].output);
		assert_int_equal(w.turn_events, cases[i].set + 2);
		assert_int_equal(world_verify(&w, refused, NULL), 0);
		world_release(&w);
	}
}

static int busy_turn(pawl_ctx *ctx, const char *input)
{
	(void)input;
	for (int i = 0; i < PAWL_TURN_ACTIONS_MAX; i++)
		pawl_set(ctx, "n", pawl_printf(ctx, "%d", i));
	assert_null(pawl_failed(ctx));
	assert_int_equal(pawl_set(ctx, "n", "9999"), 0); /* as it is: nothing to record */
	assert_int_equal(pawl_set(ctx, "n", "more"), PAWL_ETOOBIG);
	pawl_clear(ctx, "n");
	pawl_clear(ctx, NULL);
	assert_string_equal(pawl_get(ctx, "n"), "9999");
	return pawl_rethrow(ctx);
}

static void a_turn_has_a_limit_of_values_too(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, busy_turn);
	world_start(&w, NULL);
	assert_string_equal(w.view.error_code, "turn-limit");
	assert_int_equal(w.view.next_seq - 1, PAWL_TURN_ACTIONS_MAX + 2);
	assert_int_equal(world_verify(&w, busy_turn, NULL), 0);
	world_release(&w);
}

/* ---- memory ---- */

static int many_sets(pawl_ctx *ctx, const char *input)
{
	char text[4001];

	(void)input;
	memset(text, 'y', sizeof text);
	text[4000] = '\0';
	for (int i = 0; i < 9000; i++) {
		text[0] = (char)('a' + i % 26);
		if (i % 50 == 49)
			pawl_clear(ctx, i % 100 == 99 ? NULL : "2"); /* room and name are used again */
		pawl_set(ctx, i % 3 == 0 ? "1" : i % 3 == 1 ? "2" : "3", text);
	}
	return 0;
}

static void values_that_nobody_looks_at_do_not_use_up_the_memory(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, many_sets);
	w.options.memory_max = 64 * 1024; /* 36 MB are set */
	world_start(&w, NULL);
	assert_int_equal(w.view.status, STATUS_COMPLETED);
	world_release(&w);
}

static int keeps_texts(pawl_ctx *ctx, const char *input)
{
	(void)input;
	pawl_set(ctx, "k", "first");
	const char *first = pawl_get(ctx, "k");
	pawl_set(ctx, "k", "2nd");
	pawl_set(ctx, "k", pawl_printf(ctx, "%s+", first));
	pawl_set(ctx, "k", "");
	pawl_set(ctx, "k", "x");
	pawl_clear(ctx, "k");
	pawl_set(ctx, "other", "abcde");
	pawl_set(ctx, "k", "vwxyz");
	pawl_sleep(ctx, 1);
	return pawl_return(ctx, pawl_printf(ctx, "%s %s", first, pawl_get(ctx, "k")));
}

static void a_text_that_was_given_out_stays(void **state)
{
	struct world w;
	(void)state;
	world_init(&w, keeps_texts);
	world_start(&w, NULL);
	world_fires(&w, w.view.next_seq - 1);
	assert_string_equal(w.view.output, "first vwxyz");
	world_release(&w);
}

/* ---- spilled, and compared ---- */

static const char *big_value;
static bool sets_more;

static int big(pawl_ctx *ctx, const char *input)
{
	pawl_set(ctx, "big", big_value);
	if (sets_more)
		pawl_set(ctx, "big", "more");
	pawl_sleep(ctx, 1);
	return pawl_return(ctx, strcmp(pawl_get(ctx, "big"), input) == 0 ? "same" : "other");
}

static void a_spilled_value_is_compared_by_length_and_checksum(void **state)
{
	struct mismatch m = { 0 };
	struct world w;
	(void)state;
	big_value = "a value that is in a file";
	world_init(&w, big);
	w.spill_bytes = 10;
	world_start(&w, big_value);
	const struct view_value *v = view_value(&w.view, SLICE("big"));
	assert_true(v->in_file && v->len == strlen(big_value));
	assert_last(&w, "1 ExecutionStarted 'flow' version '1.0.0' input (25 bytes, crc e884fc46)\n"
			"2 KeyValueSet key 'big' value (25 bytes, crc e884fc46)\n3 TimerCreated 1 ms");
	big_value = "a value that is in A file";
	assert_int_equal(world_verify(&w, big, &m), PAWL_ENONDETERMINISM);
	assert_int_equal(m.seq, 2);
	assert_string_equal(m.expected, "KeyValueSet key 'big' value (25 bytes, crc e884fc46)");
	assert_string_equal(m.actual, "made KeyValueSet key 'big' value 'a value that is in A file'");
	big_value = "a value that is in a file";
	sets_more = true;
	assert_int_equal(world_verify(&w, big, &m), PAWL_ENONDETERMINISM);
	assert_string_equal(m.expected, "TimerCreated 1 ms");
	assert_string_equal(m.actual, "made KeyValueSet key 'big' value 'more'");
	sets_more = false;
	world_fires(&w, 3);
	assert_string_equal(w.view.output, "same");
	world_release(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_recorded_once_and_survive_a_crash_after_every_step),
		cmocka_unit_test(what_is_over_a_limit_is_not_set),
		cmocka_unit_test(a_turn_has_a_limit_of_values_too),
		cmocka_unit_test(values_that_nobody_looks_at_do_not_use_up_the_memory),
		cmocka_unit_test(a_text_that_was_given_out_stays),
		cmocka_unit_test(a_spilled_value_is_compared_by_length_and_checksum),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
