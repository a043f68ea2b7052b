/* test_cli_tree.c - `pawl tree` over histories written by hand. */
#include "unit/cli_world.h"
#include "base/buf.h"

#define CHILD(seq, id) "{\"seq\":" #seq ",\"type\":\"ChildScheduled\",\"name\":\"part\",\"instance\":\"" id "\"}"
#define DETACHED(seq, id) "{\"seq\":" #seq ",\"type\":\"InstanceStarted\",\"name\":\"other\",\"instance\":\"" id "\"}"
#define AT(s) "\"time\":\"2020-01-02T03:04:0" #s ".000000Z\","
#define ERROR_OF(kind, code, text) "\"error\":{\"kind\":\"" kind "\",\"code\":\"" code "\",\"message\":\"" text "\",\"retryable\":false}"
#define WAIT "{\"seq\":2,\"type\":\"EventSubscribed\",\"name\":\"go\"}"
#define COMPLETED "{\"seq\":2,\"type\":\"ExecutionCompleted\",\"output\":\"out\"}"

static void children_and_theirs(void **state)
{
	struct cli_world *w = *state;

	world_live(w, "top", STARTED, CHILD(2, "top:2"), CHILD(3, "top:3"), DETACHED(4, "free"), CHILD(5, "top:5"),
		"{\"seq\":6," AT(6) "\"type\":\"ChildCompleted\",\"ref\":3,\"output\":\"out\"}");
	world_live(w, "top:2", STARTED, CHILD(2, "top:2:2"));
	world_live(w, "top:2:2", STARTED, WAIT);
	world_ended(w, "top:3", STARTED, COMPLETED);
	world_live(w, "free", STARTED, WAIT);
	assert_int_equal(run(w, "tree", "top"), 0);
	assert_has(w->out, "\ntop ");
	assert_has(w->out, "\n  top:2 ");
	assert_has(w->out, "\n    top:2:2 ");
	assert_has(w->out, "\n  top:3 ");
	assert_has(w->out, "\n  free ");
	assert_has(w->out, "detached");
	assert_has(w->out, "event go");
	assert_true(strstr(w->out, "top:2:2") < strstr(w->out, "top:3"));
	assert_has(w->out, "is not there");
	assert_int_equal(run(w, "tree", "top", "-o", "name"), 0);
	assert_string_equal(w->out, "top\ntop:2\ntop:2:2\ntop:3\nfree\ntop:5\n");
	assert_int_equal(run(w, "tree", "top", "-o", "jsonl"), 0);
	assert_has(w->out, "{\"v\":1,\"id\":\"top\",\"depth\":0,\"kind\":\"root\",\"type\":\"flow\"");
	assert_has(w->out, "\"id\":\"top:2:2\",\"depth\":2,\"kind\":\"child\",\"parent\":\"top:2\",\"line\":2,\"type\":\"flow\"");
	assert_has(w->out, "\"id\":\"top:5\",\"depth\":1,\"kind\":\"child\",\"parent\":\"top\",\"line\":5,\"type\":\"part\",\"status\":\"-\",\"gone\":true}");
	assert_int_equal(run(w, "tree", "top:2", "-o", "name"), 0);
	assert_string_equal(w->out, "top:2\ntop:2:2\n");
	assert_int_equal(run(w, "tree", "top", "--depth", "1", "-o", "name"), 0);
	assert_string_equal(w->out, "top\ntop:2\ntop:3\nfree\ntop:5\n");
	assert_has(w->err, "deeper than 1 is not shown");
	assert_int_equal(run(w, "tree", "top", "--depth", "0", "-o", "name"), 0);
	assert_string_equal(w->out, "top\n");
}

static void ends_and_attempts(void **state)
{
	struct cli_world *w = *state;

	world_live(w, "top", STARTED, CHILD(2, "a"), CHILD(3, "b"), CHILD(4, "c"), CHILD(5, "d"),
		"{\"seq\":6," AT(6) "\"type\":\"ChildRetrying\",\"ref\":2,\"attempt\":1," ERROR_OF("application", "", "no") ",\"delay_ms\":0,\"instance\":\"a:r2\"}",
		"{\"seq\":7," AT(6) "\"type\":\"ChildFailed\",\"ref\":3," ERROR_OF("application", "", "no") "}",
		"{\"seq\":8," AT(6) "\"type\":\"ChildFailed\",\"ref\":4," ERROR_OF("canceled", "terminated", "no") "}");
	world_ended(w, "a", STARTED, COMPLETED);
	world_live(w, "a:r2", STARTED, WAIT);
	assert_int_equal(run(w, "tree", "top", "-o", "jsonl"), 0);
	assert_has(w->out, "\"id\":\"a:r2\",\"depth\":1,\"kind\":\"child\",\"parent\":\"top\",\"line\":2,\"attempt\":2");
	assert_lacks(w->out, "\"id\":\"a\"");
	assert_has(w->out, "\"id\":\"b\",\"depth\":1,\"kind\":\"child\",\"parent\":\"top\",\"line\":3,\"type\":\"part\",\"status\":\"Failed\",\"gone\":true");
	assert_has(w->out, "\"id\":\"c\",\"depth\":1,\"kind\":\"child\",\"parent\":\"top\",\"line\":4,\"type\":\"part\",\"status\":\"Canceled\",\"gone\":true");
	assert_int_equal(run(w, "tree", "top"), 0);
	assert_has(w->out, "is gone (purged)");
}

/* Who names somebody that is there already does not make it go round. */
static void circles(void **state)
{
	struct cli_world *w = *state;

	world_live(w, "a", STARTED, DETACHED(2, "b"), DETACHED(3, "a"), DETACHED(4, "c"),
		"{\"seq\":5," AT(6) "\"type\":\"SendFailed\",\"ref\":4," ERROR_OF("system", "exists", "exists already") "}");
	world_live(w, "b", STARTED, DETACHED(2, "a"), DETACHED(3, "b"));
	world_live(w, "c", STARTED, DETACHED(2, "d"));
	assert_int_equal(run(w, "tree", "a", "-o", "name"), 0);
	assert_string_equal(w->out, "a\nb\na\nb\na\nc\n");
	assert_int_equal(run(w, "tree", "a"), 0);
	assert_has(w->out, "is shown above");
	assert_has(w->out, "was there already");
}

static void a_long_chain(void **state)
{
	struct cli_world *w = *state;
	char id[16], line[160];

	for (int i = 0; i < 70; i++) {
		snprintf(id, sizeof(id), "n%d", i);
		snprintf(line, sizeof(line), "{\"seq\":2,\"type\":\"ChildScheduled\",\"name\":\"part\",\"instance\":\"n%d\"}", i + 1);
		world_live(w, id, STARTED, line);
	}
	assert_int_equal(run(w, "tree", "n0", "-o", "name"), 0);
	assert_has(w->out, "n64\n");
	assert_lacks(w->out, "n65\n");
	assert_has(w->err, "deeper than 64");
}

static void many_children(void **state)
{
	struct cli_world *w = *state;
	const char **lines = calloc(3002, sizeof(*lines));
	struct buf text = BUF_INIT;
	size_t at[3000];

	lines[0] = STARTED;
	for (int i = 0; i < 3000; i++) {
		at[i] = text.len;
		buf_addf(&text, "{\"seq\":%d,\"type\":\"ChildScheduled\",\"name\":\"part\",\"instance\":\"c%d\"}", i + 2, i);
		buf_addc(&text, '\0');
	}
	for (int i = 0; i < 3000; i++)
		lines[i + 1] = text.data + at[i];
	world_put(w, "top", 1, false, lines);
	assert_int_equal(run(w, "tree", "top", "-o", "name"), 0);
	assert_has(w->out, "top\nc0\nc1\n");
	assert_has(w->out, "c2999\n");
	buf_release(&text);
	free(lines);
}

static void nobody(void **state)
{
	struct cli_world *w = *state;

	assert_int_equal(run(w, "tree", "nobody"), 4);
	assert_int_equal(run(w, "tree"), 2);
	assert_int_equal(run(w, "tree", "../x"), 2);
}

#define WORLD(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD(children_and_theirs),
		WORLD(ends_and_attempts),
		WORLD(circles),
		WORLD(a_long_chain),
		WORLD(many_children),
		WORLD(nobody),
	};

	return cmocka_run_group_tests_name("pawl tree", tests, NULL, NULL);
}
