/* `pawl graph`: what is drawn of histories that were written by hand, to the byte. */
#include "unit/cli_world.h"
#include "unit/history_lines.h"

#define T "\"time\":\"2020-01-02T03:04:06.000000Z\","
#define ACTIVITY(seq, name) "{\"seq\":" #seq ",\"type\":\"ActivityScheduled\",\"name\":\"" name "\"}"
#define DONE(seq, ref) "{\"seq\":" #seq "," T "\"type\":\"ActivityCompleted\",\"ref\":" #ref ",\"output\":\"x\"}"
#define TURN(seq) "{\"seq\":" #seq "," T "\"type\":\"CancelRequested\"}"
#define ERROR "\"error\":{\"kind\":\"process\",\"code\":\"exit:3\",\"message\":\"no room\",\"retryable\":true}"
#define FAILS(seq, ref) "{\"seq\":" #seq "," T "\"type\":\"ActivityFailed\",\"ref\":" #ref ",\"attempt\":1," ERROR "}"
#define RETRY(seq, ref, n) "{\"seq\":" #seq "," T "\"type\":\"ActivityRetrying\",\"ref\":" #ref ",\"attempt\":" #n "," ERROR ",\"delay_ms\":10," DUE "}"
#define HELD(seq, ref, n) "{\"seq\":" #seq "," T "\"type\":\"ActivityRetrying\",\"ref\":" #ref ",\"attempt\":" #n "," ERROR ",\"delay_ms\":-1}"
#define DUE "\"boot\":\"00000000\",\"boot_ms\":1,\"fire_at\":\"2090-01-01T00:00:00.000000Z\""
#define TIMER(seq, ms) "{\"seq\":" #seq ",\"type\":\"TimerCreated\",\"delay_ms\":" #ms "," DUE "}"
#define WAIT(seq, name) "{\"seq\":" #seq ",\"type\":\"EventSubscribed\",\"name\":\"" name "\"}"
#define RAISED(seq, name) "{\"seq\":" #seq "," T "\"type\":\"EventRaised\",\"name\":\"" name "\",\"data\":\"yes\"}"
#define UNWAIT(seq, ref) "{\"seq\":" #seq ",\"type\":\"EventUnsubscribed\",\"ref\":" #ref "}"
#define UNTIMER(seq, ref) "{\"seq\":" #seq ",\"type\":\"TimerCanceled\",\"ref\":" #ref "}"
#define END(seq, text) "{\"seq\":" #seq ",\"type\":\"ExecutionCompleted\",\"output\":\"" text "\"}"

static void check(struct cli_world *w, const char *form, const char *expected)
{
	char *first;

	assert_int_equal(run(w, "graph", "g", form), 0);
	assert_string_equal(w->out, expected);
	first = strdup(w->out);
	assert_int_equal(run(w, "graph", form, "g"), 0);
	assert_string_equal(w->out, first);
	free(first);
}
#define put_live(w, ...) world_live(w, "g", STARTED, __VA_ARGS__)
#define put_ended(w, ...) world_ended(w, "g", STARTED, __VA_ARGS__)

/* ---- text: the shape ---- */

static void a_sequence_is_a_chain_with_retries_and_failures(void **state)
{
	struct cli_world *w = *state;

	put_ended(w, ACTIVITY(2, "unpack"), RETRY(3, 2, 1), RETRY(4, 2, 2), DONE(5, 2), ACTIVITY(6, "check"), FAILS(7, 6), TIMER(8, 90000),
		"{\"seq\":9," T "\"type\":\"TimerFired\",\"ref\":8}", "{\"seq\":10,\"type\":\"ExecutionFailed\"," ERROR "}");
	check(w, "--text",
		"flow 1.2.0, g: Failed\n"
		"+- 2 unpack: done, 2 retries\n"
		"+- 6 check: failed: exit:3: no room\n"
		"+- 8 timer 1m 30s: fired\n"
		"`- 10 failed: exit:3: no room\n");
}

static void what_was_begun_at_once_stands_side_by_side(void **state)
{
	struct cli_world *w = *state;

	put_live(w, ACTIVITY(2, "a"), ACTIVITY(3, "b"), DONE(4, 3), DONE(5, 2), ACTIVITY(6, "c"), RETRY(7, 6, 1), ACTIVITY(8, "late"));
	check(w, "--text",
		"flow 1.2.0, g: Running\n"
		"+- at once:\n"
		"|  +- 2 a: done\n"
		"|  `- 3 b: done\n"
		"+- 6 c: open, 1 retry, after exit:3: no room\n"
		"`- 8 late (after 3, 2): open\n");
}

static void branches_that_go_on_by_themselves_stay_apart(void **state)
{
	struct cli_world *w = *state;

	put_ended(w, ACTIVITY(2, "a1"), ACTIVITY(3, "b1"), DONE(4, 2), ACTIVITY(5, "a2"), DONE(6, 3), ACTIVITY(7, "b2"), DONE(8, 5), DONE(9, 7),
		END(10, "both"));
	check(w, "--text",
		"flow 1.2.0, g: Completed\n"
		"+- at once:\n"
		"|  +- 2 a1: done\n"
		"|  `- 3 b1: done\n"
		"+- 5 a2 (after 2): done\n"
		"+- 7 b2 (after 3): done\n"
		"`- 10 completed (after 5, 7): both\n");
}

static void losers_are_canceled_and_lead_nowhere(void **state)
{
	struct cli_world *w = *state;

	put_ended(w, WAIT(2, "go"), WAIT(3, "no"), TIMER(4, 86400000), RAISED(5, "go"), UNWAIT(6, 3), UNTIMER(7, 4), END(8, "yes"));
	check(w, "--text",
		"flow 1.2.0, g: Completed\n"
		"+- at once:\n"
		"|  +- 2 event go: came\n"
		"|  +- 3 event no: canceled\n"
		"|  `- 4 timer 1d: canceled\n"
		"`- 8 completed: yes\n");
}

/* A wait for what was there already is over at once; only what lost against it was begun beside it. */
static void events_that_were_there_already_are_taken_in_order(void **state)
{
	struct cli_world *w = *state;

	put_live(w, ACTIVITY(2, "first"), RAISED(3, "go"), RAISED(4, "go"), RAISED(5, "other"), RAISED(6, "other"), DONE(7, 2), WAIT(8, "go"),
		TIMER(9, 1000), UNTIMER(10, 9), WAIT(11, "go"), ACTIVITY(12, "last"));
	check(w, "--text",
		"flow 1.2.0, g: Running\n"
		"+- 2 first: done\n"
		"+- at once:\n"
		"|  +- 8 event go: came\n"
		"|  `- 9 timer 1s: canceled\n"
		"+- 11 event go: came\n"
		"+- 12 last: open\n"
		"`- event other: 2 kept, nobody waits\n");
}

static void an_event_that_was_put_back_goes_to_the_next_wait(void **state)
{
	struct cli_world *w = *state;

	put_live(w, WAIT(2, "go"), WAIT(3, "go"), RAISED(4, "go"), UNWAIT(5, 2), ACTIVITY(6, "x"));
	check(w, "--text",
		"flow 1.2.0, g: Running\n"
		"+- at once:\n"
		"|  +- 2 event go: canceled\n"
		"|  `- 3 event go: came\n"
		"`- 6 x: open\n");
}

static void held_and_stopped_activities_are_told_from_others(void **state)
{
	struct cli_world *w = *state;

	put_live(w, ACTIVITY(2, "a"), HELD(3, 2, 1));
	world_ended(w, "ended", STARTED, ACTIVITY(2, "a"), "{\"seq\":3," T "\"type\":\"ExecutionTerminated\",\"reason\":\"enough\"}");
	check(w, "--text", "flow 1.2.0, g: Running\n`- 2 a: held, no attempt left, after exit:3: no room\n");
	assert_int_equal(run(w, "graph", "ended", "--text"), 0);
	assert_string_equal(w->out, "flow 1.2.0, ended: Terminated\n+- 2 a: open at the end\n`- 3 terminated (after 1): enough\n");
}

static void children_and_what_was_sent_are_drawn(void **state)
{
	struct cli_world *w = *state;

	put_live(w, "{\"seq\":2,\"type\":\"ChildScheduled\",\"name\":\"sub\",\"instance\":\"g:2\"}",
		"{\"seq\":3,\"type\":\"EventSent\",\"name\":\"hello\",\"instance\":\"other\",\"data\":\"x\"}",
		"{\"seq\":4,\"type\":\"InstanceStarted\",\"name\":\"sub\",\"instance\":\"free\"}",
		"{\"seq\":5," T "\"type\":\"ChildFailed\",\"ref\":2," ERROR "}", TURN(6), ACTIVITY(7, "clean"));
	check(w, "--text",
		"flow 1.2.0, g: Running\n"
		"+- 2 child sub as g:2: failed: exit:3: no room\n"
		"+- at once:\n"
		"|  +- 3 send hello to other\n"
		"|  `- 4 start sub as free\n"
		"+- 6 cancel requested\n"
		"`- 7 clean: open\n");
}

static void many_of_a_kind_are_one_with_a_count(void **state)
{
	struct cli_world *w = *state;

	put_live(w, ACTIVITY(2, "a"), ACTIVITY(3, "a"), ACTIVITY(4, "a"), ACTIVITY(5, "a"), ACTIVITY(6, "a"), ACTIVITY(7, "a"), ACTIVITY(8, "a"),
		ACTIVITY(9, "a"), ACTIVITY(10, "b"), DONE(11, 2), FAILS(12, 4), DONE(13, 9), ACTIVITY(14, "c"));
	check(w, "--text",
		"flow 1.2.0, g: Running\n"
		"+- at once:\n"
		"|  +- 2 a: 8 at once, 5 open, 2 done, 1 failed: exit:3: no room\n"
		"|  `- 10 b: open\n"
		"`- 14 c (after 2): open\n");
	assert_int_equal(run(w, "graph", "g", "--text", "--all"), 0);
	assert_has(w->out, "|  +- 4 a: failed: exit:3: no room\n");
	assert_has(w->out, "`- 14 c (after 2, 4, 9): open\n");
}

/* ---- Mermaid and dot ---- */

#define MERMAID_END "\tclassDef done fill:#dfd,stroke:#484,color:#000\n\tclassDef failed fill:#fdd,stroke:#a44,color:#000\n" \
	"\tclassDef canceled fill:#eee,stroke:#888,color:#444,stroke-dasharray:4\n\tclassDef open fill:#def,stroke:#448,color:#000\n"

static void put_shapes(struct cli_world *w)
{
	put_live(w, ACTIVITY(2, "a"), TIMER(3, 1000), WAIT(4, "go"), DONE(5, 2), "{\"seq\":6,\"type\":\"TimerFired\",\"ref\":3}", UNWAIT(7, 4),
		"{\"seq\":8,\"type\":\"TopicPublished\",\"name\":\"news\"}", ACTIVITY(9, "b"), "{\"seq\":10,\"type\":\"ChildScheduled\",\"name\":\"c\",\"instance\":\"d\"}");
}

static void mermaid_is_the_default(void **state)
{
	struct cli_world *w = *state;

	put_shapes(w);
	check(w, "--mermaid",
		"flowchart TD\n"
		"\tn0([\"flow 1.2.0, g<br>Running\"]):::done\n"
		"\tn1[\"a<br>done\"]:::done\n"
		"\tn2{{\"timer 1s<br>fired\"}}:::done\n"
		"\tn3[/\"event go<br>canceled\"/]:::canceled\n"
		"\tn4>\"publish news\"]:::done\n"
		"\tn5[\"b<br>open\"]:::open\n"
		"\tn6[[\"child c as d<br>open\"]]:::open\n"
		"\tn0 --> n1\n"
		"\tn0 --> n2\n"
		"\tn0 -.-> n3\n"
		"\tn1 -.-> n4\n"
		"\tn2 -.-> n4\n"
		"\tj3((\" \"))\n"
		"\tn1 --> j3\n"
		"\tn2 --> j3\n"
		"\tj3 --> n5\n"
		"\tj3 --> n6\n" MERMAID_END);
	char *form = strdup(w->out);
	assert_int_equal(run(w, "graph", "g"), 0);
	assert_string_equal(w->out, form);
	free(form);
}

static void dot_is_for_graphviz(void **state)
{
	struct cli_world *w = *state;

	put_shapes(w);
	check(w, "--dot",
		"digraph pawl {\n"
		"\tnode [style=filled];\n"
		"\tn0 [shape=ellipse, label=\"flow 1.2.0, g\\nRunning\", fillcolor=\"#ddffdd\"];\n"
		"\tn1 [shape=box, label=\"a\\ndone\", fillcolor=\"#ddffdd\"];\n"
		"\tn2 [shape=hexagon, label=\"timer 1s\\nfired\", fillcolor=\"#ddffdd\"];\n"
		"\tn3 [shape=parallelogram, label=\"event go\\ncanceled\", fillcolor=\"#eeeeee\", style=\"filled,dashed\"];\n"
		"\tn4 [shape=cds, label=\"publish news\", fillcolor=\"#ddffdd\"];\n"
		"\tn5 [shape=box, label=\"b\\nopen\", fillcolor=\"#ddeeff\"];\n"
		"\tn6 [shape=component, label=\"child c as d\\nopen\", fillcolor=\"#ddeeff\"];\n"
		"\tn0 -> n1;\n"
		"\tn0 -> n2;\n"
		"\tn0 -> n3;\n"
		"\tn1 -> n4;\n"
		"\tn2 -> n4;\n"
		"\tj3 [shape=point];\n"
		"\tn1 -> j3;\n"
		"\tn2 -> j3;\n"
		"\tj3 -> n5;\n"
		"\tj3 -> n6;\n"
		"}\n");
}

static void texts_cannot_break_out_of_their_labels(void **state)
{
	struct cli_world *w = *state;

	put_ended(w, END(2, "a\\\"] --> x <b> & `md` %%{init}%% \\\\ #1; \\u001b[31m\\n \\u00e9"));
	check(w, "--mermaid",
		"flowchart TD\n"
		"\tn0([\"flow 1.2.0, g<br>Completed\"]):::done\n"
		"\tn1([\"completed<br>a#34;] --#62; x #60;b#62; #38; #96;md#96; #37;#37;{init}#37;#37; #92; #35;1; ?[31m  \303\251\"]):::done\n"
		"\tn0 --> n1\n" MERMAID_END);
	assert_int_equal(run(w, "graph", "g", "--dot"), 0);
	assert_has(w->out, "label=\"completed\\na\\\"] --> x <b> & `md` %%{init}%% \\\\ #1; ?[31m  \303\251\"");
}

static void long_texts_are_cut(void **state)
{
	struct cli_world *w = *state;

	put_ended(w, END(2, "0123456789012345678901234567890123456789012345678901234567890123456789"));
	check(w, "--text", "flow 1.2.0, g: Completed\n`- 2 completed: 012345678901234567890123456789012345678901234567890123456789...\n");
}

/* ---- where from ---- */

static void a_file_a_damaged_one_and_one_that_is_not_there(void **state)
{
	struct cli_world *w = *state;
	char path[200];

	world_live(w, "g", STARTED, ACTIVITY(2, "a"), ACTIVITY(9, "b"));
	assert_int_equal(run(w, "graph", "g", "--text"), 7);
	assert_string_equal(w->out, "flow 1.2.0, g: Running\n`- 2 a: open\n");
	assert_has(w->err, "'g' is damaged: history line 3");
	world_live(w, "h", STARTED, ACTIVITY(2, "a"));
	snprintf(path, sizeof(path), "%s/instances/h/1.history", w->hub);
	assert_int_equal(run(w, "graph", path, "--text"), 0);
	assert_string_equal(w->out, "flow 1.2.0, h: Running\n`- 2 a: open\n");
	assert_int_equal(run(w, "graph", "nobody"), 4);
	assert_int_equal(run(w, "graph", "h", "--execution", "2"), 4);
	assert_int_equal(run(w, "graph", "h", "--dot", "--text"), 2);
	assert_int_equal(run(w, "start", "flow", "--id", "fresh", "-q"), 0);
	assert_int_equal(run(w, "graph", "fresh"), 5);
}

int main(void)
{
#define WORLD(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		WORLD(a_sequence_is_a_chain_with_retries_and_failures),
		WORLD(what_was_begun_at_once_stands_side_by_side),
		WORLD(branches_that_go_on_by_themselves_stay_apart),
		WORLD(losers_are_canceled_and_lead_nowhere),
		WORLD(events_that_were_there_already_are_taken_in_order),
		WORLD(an_event_that_was_put_back_goes_to_the_next_wait),
		WORLD(held_and_stopped_activities_are_told_from_others),
		WORLD(children_and_what_was_sent_are_drawn),
		WORLD(many_of_a_kind_are_one_with_a_count),
		WORLD(mermaid_is_the_default),
		WORLD(dot_is_for_graphviz),
		WORLD(texts_cannot_break_out_of_their_labels),
		WORLD(long_texts_are_cut),
		WORLD(a_file_a_damaged_one_and_one_that_is_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
