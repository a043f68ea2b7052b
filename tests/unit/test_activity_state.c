/* test_activity_state.c - what happens in each state of an activity, spelled out a second time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "runtime/activity_state.h"
#include <stdio.h>
#include <string.h>

/* "Waiting" goes there, "!Failed" ends what runs as well, "bug" cannot happen; what is not listed is nothing. */
struct expected {
	enum activity_event event;
	const char *step;
};

static const char *step_text(enum activity_state state, enum activity_event event)
{
	static char text[32];
	struct activity_step step = activity_step(state, event);

	switch (step.action) {
	case ACTION_GO:
	case ACTION_STOP:
		snprintf(text, sizeof(text), "%s%s", step.action == ACTION_STOP ? "!" : "",
		         activity_state_name(step.next));
		break;
	default: /* the state must stay */
		snprintf(text, sizeof(text), "%s%s", step.action == ACTION_BUG ? "bug" : "nothing",
		         step.next == state ? "" : " but goes elsewhere");
	}
	return text;
}

static void check(enum activity_state state, const struct expected *list)
{
	for (unsigned event = 0; event < ACTIVITY_EVENTS; event++) {
		const char *want = "nothing", *got = step_text(state, (enum activity_event)event);

		for (const struct expected *e = list; e && e->step; e++)
			if (e->event == event)
				want = e->step;
		if (strcmp(got, want) != 0)
			fail_msg("%s, %s: %s, not %s", activity_state_name(state),
			         activity_event_name((enum activity_event)event), got, want);
	}
}

static void waiting_begins_defers_and_ends_without_a_result(void **state)
{
	static const struct expected list[] = {
		{ ACTIVITY_BEGIN, "Active" },  { ACTIVITY_ADOPT, "Active" },  { ACTIVITY_DEFER, "Deferred" },
		{ ACTIVITY_EXPIRE, "Failed" }, { ACTIVITY_GIVE_UP, "Failed" }, { 0 },
	};

	(void)state;
	check(ACTIVITY_WAITING, list);
}

static void active_takes_each_outcome_and_begins_only_once(void **state)
{
	static const struct expected list[] = {
		{ ACTIVITY_COMPLETE, "Completed" },
		{ ACTIVITY_FAIL, "Stalled" },
		{ ACTIVITY_FAIL_FOR_GOOD, "Failed" },
		{ ACTIVITY_DEFER, "Deferred" },
		{ ACTIVITY_LOST, "Stuck" },
		{ ACTIVITY_SILENT, "!Stuck" },
		{ ACTIVITY_LATE, "!Stuck" },
		{ ACTIVITY_GIVE_UP, "!Failed" },
		{ ACTIVITY_EXPIRE, "!Failed" },
		{ ACTIVITY_CANCEL, "!Failed" },
		{ ACTIVITY_REBOOT, "Active" },
		{ ACTIVITY_BEGIN, "bug" },
		{ ACTIVITY_RETRY, "bug" },
		{ 0 },
	};

	(void)state;
	check(ACTIVITY_ACTIVE, list);
}

static const struct expected after_an_attempt[] = {
	{ ACTIVITY_RETRY, "Waiting" }, { ACTIVITY_REQUEUE, "Waiting" }, { ACTIVITY_GIVE_UP, "Failed" },
	{ ACTIVITY_EXPIRE, "Failed" }, { ACTIVITY_CANCEL, "Failed" },   { ACTIVITY_BEGIN, "bug" },
	{ 0 },
};

static void stalled_waits_for_the_decision_and_takes_no_late_answer(void **state)
{
	(void)state;
	check(ACTIVITY_STALLED, after_an_attempt);
}

static void stuck_waits_for_the_decision_and_takes_no_late_answer(void **state)
{
	(void)state;
	check(ACTIVITY_STUCK, after_an_attempt);
}

static void deferred_looks_again_or_ends(void **state)
{
	static const struct expected list[] = {
		{ ACTIVITY_LOOK, "Waiting" },  { ACTIVITY_GIVE_UP, "Failed" }, { ACTIVITY_EXPIRE, "Failed" },
		{ ACTIVITY_CANCEL, "Failed" }, { ACTIVITY_BEGIN, "bug" },      { 0 },
	};

	(void)state;
	check(ACTIVITY_DEFERRED, list);
}

static void completed_is_over(void **state)
{
	(void)state;
	check(ACTIVITY_COMPLETED, NULL);
}

static void failed_is_over_also_for_an_operator(void **state)
{
	(void)state;
	check(ACTIVITY_FAILED, NULL);
}

/* ---- the table as a whole ---- */

/* A bit for each state that can be reached from these. */
static unsigned closure(unsigned states)
{
	for (unsigned before = 0; before != states;) {
		before = states;
		for (unsigned s = 0; s < ACTIVITY_STATES; s++)
			for (unsigned e = 0; states & 1u << s && e < ACTIVITY_EVENTS; e++)
				states |= 1u << activity_step((enum activity_state)s, (enum activity_event)e).next;
	}
	return states;
}

static void every_state_is_reached_from_waiting(void **state)
{
	(void)state;
	assert_int_equal(closure(1u << ACTIVITY_WAITING), (1u << ACTIVITY_STATES) - 1);
}

static void what_is_over_stays_and_the_rest_can_still_end_both_ways(void **state)
{
	const unsigned both = 1u << ACTIVITY_COMPLETED | 1u << ACTIVITY_FAILED;

	(void)state;
	for (unsigned s = 0; s < ACTIVITY_STATES; s++) {
		bool over = s == ACTIVITY_COMPLETED || s == ACTIVITY_FAILED;

		if (over)
			assert_int_equal(closure(1u << s), 1u << s);
		else
			assert_int_equal(closure(1u << s) & both, both);
	}
}

/* Only what runs can be ended; and what runs is left by every event that says nobody wants it. */
static void only_active_is_stopped(void **state)
{
	(void)state;
	for (unsigned s = 0; s < ACTIVITY_STATES; s++)
		for (unsigned e = 0; e < ACTIVITY_EVENTS; e++)
			if (activity_step((enum activity_state)s, (enum activity_event)e).action == ACTION_STOP)
				assert_int_equal(s, ACTIVITY_ACTIVE);
}

/* An attempt begins in Waiting and nowhere else: that is where the commit that decided it has been waited for (I1). */
static void nothing_but_waiting_becomes_active(void **state)
{
	(void)state;
	for (unsigned s = 0; s < ACTIVITY_STATES; s++)
		for (unsigned e = 0; e < ACTIVITY_EVENTS; e++)
			if (activity_step((enum activity_state)s, (enum activity_event)e).next == ACTIVITY_ACTIVE)
				assert_true(s == ACTIVITY_WAITING || s == ACTIVITY_ACTIVE);
}

static void numbers_that_are_none_are_a_bug(void **state)
{
	(void)state;
	assert_int_equal(activity_step(ACTIVITY_STATES, ACTIVITY_BEGIN).action, ACTION_BUG);
	assert_int_equal(activity_step(ACTIVITY_WAITING, ACTIVITY_EVENTS).action, ACTION_BUG);
	assert_int_equal(activity_step(ACTIVITY_WAITING, ACTIVITY_EVENTS).next, ACTIVITY_WAITING);
	assert_int_equal(activity_step((enum activity_state)-1, ACTIVITY_BEGIN).action, ACTION_BUG);
	assert_string_equal(activity_state_name(ACTIVITY_STATES), "?");
	assert_string_equal(activity_event_name(ACTIVITY_EVENTS), "?");
}

/* ---- names ---- */

static void names_of_states_come_back(void **state)
{
	static const char *const names[] = { "Waiting", "Active",   "Completed", "Stalled",
		                             "Failed",  "Deferred", "Stuck" };
	enum activity_state parsed = ACTIVITY_STATES;

	(void)state;
	for (unsigned s = 0; s < ACTIVITY_STATES; s++) {
		assert_string_equal(activity_state_name((enum activity_state)s), names[s]);
		assert_true(activity_state_parse(names[s], &parsed));
		assert_int_equal(parsed, s);
	}
}

static void other_names_are_refused(void **state)
{
	static const char *const names[] = { "", "waiting", "Waiting ", "Wait", "Running", "?" };
	enum activity_state parsed = ACTIVITY_STUCK;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_false(activity_state_parse(names[i], &parsed));
	assert_false(activity_state_parse(NULL, &parsed));
	assert_int_equal(parsed, ACTIVITY_STUCK);
}

static void each_event_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (unsigned e = 0; e < ACTIVITY_EVENTS; e++) {
		const char *name = activity_event_name((enum activity_event)e);

		assert_non_null(name);
		assert_true(*name && strspn(name, "abcdefghijklmnopqrstuvwxyz_") == strlen(name));
		for (unsigned other = 0; other < e; other++)
			assert_string_not_equal(name, activity_event_name((enum activity_event)other));
	}
}

/* ---- docs/activities.md ---- */

/* In the order in which people meet them; what is over has one column, as it is the same. */
static const enum activity_state columns[] = { ACTIVITY_WAITING,  ACTIVITY_ACTIVE, ACTIVITY_STALLED, ACTIVITY_STUCK,
	                                       ACTIVITY_DEFERRED, ACTIVITY_COMPLETED };
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

static void add_cell(struct buf *out, enum activity_state state, enum activity_event event)
{
	struct activity_step step = activity_step(state, event);

	if (step.action == ACTION_NONE)
		buf_adds(out, " nothing |");
	else if (step.action == ACTION_BUG)
		buf_adds(out, " *bug* |");
	else
		buf_addf(out, " %s**%s** |", step.action == ACTION_STOP ? "ended, " : "",
		         activity_state_name(step.next));
}

static void add_table(struct buf *out)
{
	buf_adds(out, "| event |");
	for (size_t c = 0; c < COLUMNS; c++)
		buf_addf(out, " %s%s |", activity_state_name(columns[c]), c + 1 < COLUMNS ? "" : ", Failed");
	buf_adds(out, "\n|---|");
	for (size_t c = 0; c < COLUMNS; c++)
		buf_adds(out, "---|");
	for (unsigned e = 0; e < ACTIVITY_EVENTS; e++) {
		buf_addf(out, "\n| `%s` |", activity_event_name((enum activity_event)e));
		for (size_t c = 0; c < COLUMNS; c++)
			add_cell(out, columns[c], (enum activity_event)e);
	}
	buf_addc(out, '\n');
}

static void the_guide_says_what_the_table_says(void **state)
{
	static char doc[65536];
	struct buf table = BUF_INIT;
	FILE *file = fopen("docs/activities.md", "r");

	(void)state;
	if (!file)
		skip();
	doc[fread(doc, 1, sizeof(doc) - 1, file)] = '\0';
	fclose(file);
	add_table(&table);
	assert_true(buf_ok(&table));
	if (!strstr(doc, buf_str(&table)))
		fail_msg("'docs/activities.md' does not hold the table as it is now; put this there:\n%s",
		         buf_str(&table));
	buf_release(&table);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waiting_begins_defers_and_ends_without_a_result),
		cmocka_unit_test(active_takes_each_outcome_and_begins_only_once),
		cmocka_unit_test(stalled_waits_for_the_decision_and_takes_no_late_answer),
		cmocka_unit_test(stuck_waits_for_the_decision_and_takes_no_late_answer),
		cmocka_unit_test(deferred_looks_again_or_ends),
		cmocka_unit_test(completed_is_over),
		cmocka_unit_test(failed_is_over_also_for_an_operator),
		cmocka_unit_test(every_state_is_reached_from_waiting),
		cmocka_unit_test(what_is_over_stays_and_the_rest_can_still_end_both_ways),
		cmocka_unit_test(only_active_is_stopped),
		cmocka_unit_test(nothing_but_waiting_becomes_active),
		cmocka_unit_test(numbers_that_are_none_are_a_bug),
		cmocka_unit_test(names_of_states_come_back),
		cmocka_unit_test(other_names_are_refused),
		cmocka_unit_test(each_event_has_a_name_of_its_own),
		cmocka_unit_test(the_guide_says_what_the_table_says),
	};

	if (argc > 1 && strcmp(argv[1], "--markdown") == 0) {
		struct buf table = BUF_INIT;

		add_table(&table);
		fputs(buf_str(&table), stdout);
		buf_release(&table);
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
