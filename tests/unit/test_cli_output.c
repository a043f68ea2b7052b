/* What the reading verbs print, and what the acting ones do, over histories that were written by hand: no runtime. */
#include "unit/cli_world.h"
#include "cli/output.h"
#include <unistd.h>

#define TURN2 "{\"seq\":2,\"time\":\"2020-01-02T03:04:06.500000Z\","
#define COMPLETED TURN2 "\"type\":\"ExecutionCompleted\",\"output\":\"all done\"}"
#define FAILED TURN2 "\"type\":\"ExecutionFailed\",\"error\":{\"kind\":\"application\",\"code\":\"E7\",\"message\":\"no luck\",\"retryable\":false}}"
#define TERMINATED TURN2 "\"type\":\"ExecutionTerminated\",\"reason\":\"enough\"}"
#define SUSPENDED TURN2 "\"type\":\"ExecutionSuspended\",\"reason\":\"for lunch\"}"
#define SUBSCRIBED TURN2 "\"type\":\"EventSubscribed\",\"name\":\"approved\"}"
#define ACTIVITY "{\"seq\":2,\"type\":\"ActivityScheduled\",\"name\":\"unpack\",\"input\":\"a.tar\"}"
#define RETRYING "{\"seq\":3,\"time\":\"2020-01-02T03:04:07.000000Z\",\"type\":\"ActivityRetrying\",\"ref\":2,\"attempt\":1,\"delay_ms\":5000," \
	"\"error\":{\"kind\":\"process\",\"code\":\"exit:3\",\"message\":\"bad \\u001b[31m archive\",\"retryable\":true}," \
	"\"boot\":\"00000000\",\"boot_ms\":1,\"fire_at\":\"2090-01-01T00:00:00.000000Z\"}"
#define TIMER "{\"seq\":4,\"type\":\"TimerCreated\",\"delay_ms\":60000,\"boot\":\"00000000\",\"boot_ms\":1,\"fire_at\":\"2020-01-02T03:05:07.000000Z\"}"
#define SAYS "{\"seq\":5,\"type\":\"CustomStatusSet\",\"status\":\"half way\"}"

static void put_some(struct cli_world *w)
{
	world_live(w, "busy", STARTED, ACTIVITY, RETRYING, TIMER, SAYS);
	world_live(w, "waits", STARTED, SUBSCRIBED);
	world_live(w, "rests", STARTED, SUSPENDED);
	world_ended(w, "good", STARTED, COMPLETED);
	world_ended(w, "bad", STARTED, FAILED);
	world_ended(w, "gone", STARTED, TERMINATED);
}

/* ---- list ---- */

static void list_shows_the_live_ones_by_id(void **state)
{
	struct cli_world *w = *state;

	put_some(w);
	assert_int_equal(run(w, "list", "-o", "name"), 0);
	assert_string_equal(w->out, "busy\nrests\nwaits\n");
	assert_int_equal(run(w, "list", "-a", "-o", "name"), 0);
	assert_string_equal(w->out, "busy\nrests\nwaits\nbad\ngone\ngood\n");
	assert_int_equal(run(w, "list", "-a", "-n", "4", "-o", "name"), 0);
	assert_string_equal(w->out, "busy\nrests\nwaits\nbad\n");
}

static void a_status_that_ends_looks_in_the_archive(void **state)
{
	struct cli_world *w = *state;

	put_some(w);
	assert_int_equal(run(w, "list", "-s", "failed,completed", "-o", "name"), 0);
	assert_string_equal(w->out, "bad\ngood\n");
	assert_int_equal(run(w, "list", "-s", "Suspended", "-o", "name"), 0);
	assert_string_equal(w->out, "rests\n");
	assert_int_equal(run(w, "list", "-t", "other"), 0);
	assert_string_equal(w->out, "");
	assert_has(w->err, "no instances like that");
	assert_int_equal(run(w, "list", "--since", "1h", "-q"), 0);
	assert_string_equal(w->out, "");
	assert_string_equal(w->err, "");
}

static void a_table_is_never_cut_when_it_goes_to_a_file(void **state)
{
	struct cli_world *w = *state;

	put_some(w);
	setenv("COLUMNS", "40", 1);
	assert_int_equal(run(w, "list", "-a"), 0);
	unsetenv("COLUMNS");
	assert_has(w->out, "ID     TYPE  STATUS      SINCE");
	assert_has(w->out, "activity unpack, attempt 2 in ");
	assert_has(w->out, "after: exit:3: bad ?[31m archive; timer due\n");
	assert_has(w->out, "event approved\n");
	assert_has(w->out, "pawl resume: for lunch\n");
	assert_has(w->out, "E7: no luck\n");
	assert_has(w->out, "all done\n");
	assert_has(w->out, "enough\n");
}

static void an_empty_hub_is_an_empty_list(void **state)
{
	struct cli_world *w = *state;

	assert_int_equal(run(w, "list"), 0);
	assert_string_equal(w->out, "");
	assert_has(w->err, "no instances in");
	assert_int_equal(run(w, "list", "-o", "json"), 0);
	assert_string_equal(w->out, "[]\n");
	assert_int_equal(run(w, "list", "-o", "yaml"), 0);
	assert_string_equal(w->out, "[]\n");
	assert_int_equal(run(w, "list", "-o", "jsonl"), 0);
	assert_string_equal(w->out, "");
}

static void records_have_all_forms(void **state)
{
	struct cli_world *w = *state;

	world_live(w, "waits", STARTED, SUBSCRIBED);
	world_ended(w, "gone", STARTED, TERMINATED);
#define WAITS "{\"v\":1,\"id\":\"waits\",\"type\":\"flow\",\"version\":\"1.2.0\",\"status\":\"Running\",\"execution\":1," \
	"\"created\":\"2020-01-02T03:04:05.000000Z\",\"updated\":\"2020-01-02T03:04:06.500000Z\"," \
	"\"waits\":[{\"kind\":\"event\",\"seq\":2,\"name\":\"approved\"}]}"
#define GONE "{\"v\":1,\"id\":\"gone\",\"type\":\"flow\",\"version\":\"1.2.0\",\"status\":\"Terminated\",\"execution\":1," \
	"\"created\":\"2020-01-02T03:04:05.000000Z\",\"updated\":\"2020-01-02T03:04:06.500000Z\",\"reason\":\"enough\"}"
	run(w, "list", "-a", "-o", "jsonl");
	assert_string_equal(w->out, WAITS "\n" GONE "\n");
	run(w, "list", "-a", "-o", "json");
	assert_string_equal(w->out, "[" WAITS ",\n " GONE "]\n");
	run(w, "status", "gone", "-o", "json");
	assert_string_equal(w->out, GONE "\n");
	run(w, "list", "-o", "yaml");
	assert_string_equal(w->out,
	                    "- v: 1\n  id: waits\n  type: flow\n  version: \"1.2.0\"\n  status: Running\n  execution: 1\n"
	                    "  created: \"2020-01-02T03:04:05.000000Z\"\n  updated: \"2020-01-02T03:04:06.500000Z\"\n"
	                    "  waits:\n    - kind: event\n      seq: 2\n      name: approved\n");
}

/* ---- status ---- */

static void status_says_what_it_waits_for(void **state)
{
	struct cli_world *w = *state;

	put_some(w);
	assert_int_equal(run(w, "status", "busy", "--input"), 0);
	assert_has(w->out, "busy\n  type       flow 1.2.0\n  status     Running\n  execution  1\n  created    2020-01-02T03:04:05.000000Z (");
	assert_has(w->out, "  says       half way\n  waits for  activity unpack, attempt 2 in ");
	assert_has(w->out, " after: exit:3: bad ?[31m archive\n             timer due\n  input      in\n  runtime    none (start one with `pawl run`)\n");
	assert_int_equal(run(w, "status", "busy", "-o", "json", "-i"), 0);
	assert_has(w->out, "\"custom_status\":\"half way\",\"status_version\":\"1.1\",\"waits\":[{\"kind\":\"activity\",\"seq\":2,\"name\":\"unpack\",\"attempt\":2,"
	                   "\"due\":\"2090-01-01T00:00:00.000000Z\",\"due_in_ms\":");
	assert_has(w->out, "\"last_error\":\"exit:3: bad \\u001b[31m archive\",\"state\":\"Waiting\"},{\"kind\":\"timer\",\"seq\":4,\"due\":\"2020-01-02T03:05:07.000000Z\",\"due_in_ms\":-");
	assert_has(w->out, "],\"input\":\"in\"}\n");
}

static void status_says_how_it_ended(void **state)
{
	struct cli_world *w = *state;

	put_some(w);
	assert_int_equal(run(w, "status", "bad"), 0);
	assert_has(w->out, "  status     Failed\n");
	assert_has(w->out, "  code       E7\n  error      no luck\n");
	assert_lacks(w->out, "runtime");
	assert_int_equal(run(w, "status", "good", "-o", "json"), 0);
	assert_has(w->out, "\"status\":\"Completed\"");
	assert_has(w->out, ",\"output\":\"all done\"}\n");
	assert_int_equal(run(w, "status", "gone"), 0);
	assert_has(w->out, "  reason     enough\n");
	assert_int_equal(run(w, "status", "nobody"), 4);
	assert_has(w->err, "pawl: there is no instance 'nobody'\n");
}

/* ---- values, and get ---- */

#define VALUES TURN2 "\"type\":\"KeyValueSet\",\"key\":\"slot\",\"value\":\"b\\n\"}", \
	"{\"seq\":3,\"type\":\"KeyValueSet\",\"key\":\"plan\",\"value\":{\"a\": [1,2]}}", \
	"{\"seq\":4,\"type\":\"KeyValueSet\",\"key\":\"raw\",\"value\":{\"$base64\":\"/wBB\"}}", \
	"{\"seq\":5,\"type\":\"KeyValueSet\",\"key\":\"gone\",\"value\":\"x\"}", \
	"{\"seq\":6,\"type\":\"KeyValueCleared\",\"key\":\"gone\"}", \
	"{\"seq\":7,\"type\":\"CustomStatusSet\",\"status\":\"half way\"}"

static void status_shows_values(void **state)
{
	struct cli_world *w = *state;

	world_live(w, "v", STARTED, VALUES);
	assert_int_equal(run(w, "status", "v"), 0);
	assert_has(w->out, "  says       half way\n  values     plan = {\"a\": [1,2]}\n             raw = ");
	assert_has(w->out, "             slot = b");
	assert_int_equal(run(w, "status", "v", "-o", "json"), 0);
	assert_has(w->out, ",\"values\":{\"plan\":{\"a\": [1,2]},\"raw\":{\"$base64\":\"/wBB\"},\"slot\":\"b\\n\"}");
	assert_int_equal(run(w, "list", "-o", "json"), 0);
	assert_lacks(w->out, "values");
	assert_int_equal(run(w, "history", "v"), 0);
	assert_has(w->out, "KeyValueSet              key plan value: {\"a\": [1,2]}\n");
}

static void get_prints_what_is_there_as_it_is(void **state)
{
	static const struct {
		const char *id, *what, *out; /* NULL: not there */
	} cases[] = {
		{ "v", "input", "in" },
		{ "v", "status", "half way" },
		{ "v", "output", NULL },
		{ "v", "kv.slot", "b\n" },
		{ "v", "kv.plan", "{\"a\": [1,2]}" },
		{ "v", "kv.gone", NULL },
		{ "v", "kv.input", NULL },
		{ "good", "output", "all done" },
		{ "good", "status", NULL },
		{ "bad", "output", NULL },
		{ "nobody", "input", NULL },
	};
	struct cli_world *w = *state;

	put_some(w);
	world_live(w, "v", STARTED, VALUES);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(run(w, "get", cases[i].id, cases[i].what), cases[i].out ? 0 : 4);
		assert_string_equal(w->out, cases[i].out ? cases[i].out : "");
	}
	assert_int_equal(run(w, "get", "v", "kv.raw"), 0);
	assert_memory_equal(w->out, "\xff\0A", 3);
	run(w, "get", "v", "output");
	assert_has(w->err, "'v' has no 'output'; it is Running");
}

static void get_knows_what_there_is_to_get(void **state)
{
	static const char *const wrong[] = { "", "kv", "kv.", "kv.a/b", "Input", "error" };
	struct cli_world *w = *state;

	world_live(w, "v", STARTED, VALUES);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(run(w, "get", "v", wrong[i]), 2);
		assert_has(w->err, "get input, output, status, status_version or kv.KEY, not '");
	}
	assert_int_equal(run(w, "get", "v"), 2);
	assert_int_equal(run(w, "get", "v", "input", "-o", "json"), 2);
	assert_int_equal(run(w, "get", "v", "input", "--execution", "2"), 4);
	assert_int_equal(run(w, "get", "v", "input", "--execution", "1"), 0);
	assert_string_equal(w->out, "in");
}

static void objects_stay_objects_in_json_and_yaml(void **state)
{
	struct cli_world *w = *state;

	world_ended(w, "x", STARTED, TURN2 "\"type\":\"ExecutionCompleted\",\"output\":{\"a\":[1,{\"b\":\"c d\"},[]],\"e\":{ }}}");
	assert_int_equal(run(w, "status", "x", "-o", "json"), 0);
	assert_has(w->out, ",\"output\":{\"a\":[1,{\"b\":\"c d\"},[]],\"e\":{ }}}\n");
	assert_int_equal(run(w, "status", "x", "-o", "yaml"), 0);
	assert_has(w->out, "\noutput:\n  a:\n    - 1\n    - b: \"c d\"\n    - []\n  e: { }\n");
}

static void a_parked_and_a_damaged_one_say_why_and_what_to_do(void **state)
{
	struct cli_world *w = *state;

	world_live(w, "parked", STARTED);
	world_live(w, "broken", STARTED, "{\"seq\":3,\"type\":\"TimerFired\",\"ref\":2}", "{\"seq\":4,\"type\":\"TimerFired\",\"ref\":2}");
	struct pawl_provider *p = world_own(w);
	p->ops->note(p, "parked", "the code says 'a', history 'b'\n");
	p->ops->close(p);
	assert_int_equal(run(w, "status", "parked"), 0);
	assert_has(w->out, "  parked     the code says 'a', history 'b'\n  to do      give the runtime the code that fits");
	assert_int_equal(run(w, "status", "broken", "-o", "json"), 0);
	assert_has(w->out, "\"status\":\"Damaged\"");
	assert_has(w->out, "\"damaged\":\"history line 2 at byte ");
	assert_int_equal(run(w, "list"), 0);
	assert_has(w->out, "Damaged");
	assert_has(w->out, "parked: the code says 'a', history 'b'");
	assert_int_equal(run(w, "list", "-s", "parked", "-o", "name"), 0);
	assert_string_equal(w->out, "parked\n");
	assert_int_equal(run(w, "list", "-s", "damaged", "-o", "name"), 0);
	assert_string_equal(w->out, "broken\n");
	assert_int_equal(run(w, "wait", "broken"), 7);
}

/* ---- history ---- */

static void history_is_told_in_words(void **state)
{
	struct cli_world *w = *state;

	world_live(w, "busy", STARTED, ACTIVITY, RETRYING, TIMER, SAYS);
	assert_int_equal(run(w, "history", "busy"), 0);
	assert_string_equal(w->out,
	                    "  SEQ  TIME                         EVENT                    DETAILS\n"
	                    "    1  2020-01-02T03:04:05.000000Z  ExecutionStarted         flow 1.2.0 input: in\n"
	                    "    2  2020-01-02T03:04:05.000000Z  ActivityScheduled        unpack input: a.tar\n"
	                    "    3  2020-01-02T03:04:07.000000Z  ActivityRetrying         unpack (of 2) attempt 1 exit:3: bad ?[31m archive; again in 5s\n"
	                    "    4  2020-01-02T03:04:07.000000Z  TimerCreated             1m, due 2020-01-02T03:05:07.000000Z\n"
	                    "    5  2020-01-02T03:04:07.000000Z  CustomStatusSet          half way\n");
	assert_int_equal(run(w, "history", "busy", "--from", "4", "-o", "jsonl"), 0);
	assert_string_equal(w->out, TIMER "\n" SAYS "\n");
	assert_int_equal(run(w, "history", "busy", "--execution", "2"), 4);
}

static void each_execution_has_its_history(void **state)
{
	struct cli_world *w = *state;

	world_live(w, "x", STARTED, TURN2 "\"type\":\"ExecutionContinuedAsNew\",\"input\":\"more\"}");
	world_put(w, "x", 2, true, (const char *const[]){ STARTED, COMPLETED, NULL });
	assert_int_equal(run(w, "history", "x", "--execution", "1", "-o", "jsonl", "--from", "2"), 0);
	assert_has(w->out, "ExecutionContinuedAsNew");
	assert_int_equal(run(w, "history", "x", "-o", "jsonl", "--from", "2"), 0);
	assert_string_equal(w->out, COMPLETED "\n");
	assert_int_equal(run(w, "history", "x", "--execution", "1", "-f", "-o", "name"), 0);
	assert_string_equal(w->out, "1\n2\n");
	assert_int_equal(run(w, "status", "x", "-o", "json"), 0);
	assert_has(w->out, "\"execution\":2");
}

/* ---- wait and watch ---- */

static void the_exit_code_of_wait_says_how_it_ended(void **state)
{
	struct cli_world *w = *state;

	put_some(w);
	assert_int_equal(run(w, "wait", "good"), 0);
	assert_string_equal(w->out, "all done\n");
	assert_int_equal(run(w, "wait", "bad"), 3);
	assert_has(w->err, "'bad' ended Failed: E7: no luck");
	assert_int_equal(run(w, "wait", "gone"), 6);
	assert_int_equal(run(w, "wait", "nobody"), 4);
	assert_int_equal(run(w, "wait", "-t", "waits"), 75);
	assert_int_equal(run(w, "wait", "waits", "--timeout", "10ms"), 124);
	assert_has(w->err, "'waits' has not ended in time");
	assert_int_equal(run(w, "wait", "good", "bad", "gone"), 3);
	assert_string_equal(w->out, "good Completed\nbad Failed\ngone Terminated\n");
	assert_int_equal(run(w, "wait", "waits", "gone", "--any"), 6);
	assert_int_equal(run(w, "wait", "waits", "good", "-t", "--any"), 0);
	assert_int_equal(run(w, "wait", "good", "nobody", "waits", "-t"), 75);
	assert_int_equal(run(w, "wait", "good", "nobody"), 4);
	assert_int_equal(run(w, "wait", "bad", "-o", "jsonl"), 3);
	assert_has(w->out, "\"error\":{\"code\":\"E7\",\"message\":\"no luck\"}}\n");
}

static void watch_prints_a_line_a_change_and_ends_with_them(void **state)
{
	struct cli_world *w = *state;

	put_some(w);
	assert_int_equal(run(w, "watch", "bad", "good"), 3);
	assert_string_equal(w->out, "2020-01-02T03:04:06.500000Z bad Failed E7: no luck\n2020-01-02T03:04:06.500000Z good Completed all done\n");
	assert_int_equal(run(w, "watch", "waits", "--timeout", "0"), 124);
	assert_has(w->out, "waits Running event approved\n");
	assert_int_equal(run(w, "watch", "--timeout", "0", "-o", "name"), 124);
	assert_string_equal(w->out, "busy\nrests\nwaits\n");
}

/* ---- acting without a runtime ---- */

static void start_queues_and_prints_the_id(void **state)
{
	struct cli_world *w = *state;

	assert_int_equal(run(w, "start", "flow", "--id", "x", "-i", "in"), 0);
	assert_string_equal(w->out, "x\n");
	assert_has(w->err, "note: this program has no orchestration 'flow'");
	assert_has(w->err, "queued: no runtime is using '");
	assert_int_equal(run(w, "start", "flow", "--id", "x"), 5);
	assert_has(w->err, "instance 'x' exists already");
	assert_int_equal(run(w, "start", "a/b.c", "-q", "-o", "name"), 0);
	assert_int_equal(strlen(w->out), strlen("a-b-c-01234567\n"));
	assert_memory_equal(w->out, "a-b-c-", 6);
	assert_int_equal(run(w, "list", "-o", "jsonl", "-s", "pending"), 0);
	assert_has(w->out, "{\"v\":1,\"id\":\"x\",\"status\":\"Pending\",\"execution\":1,\"waits\":[]}\n");
	assert_int_equal(run(w, "status", "x"), 0);
	assert_has(w->out, "  status     Pending\n");
	assert_int_equal(run(w, "wait", "-t", "x"), 75);
}

static void raise_needs_a_live_instance(void **state)
{
	struct cli_world *w = *state;

	put_some(w);
	assert_int_equal(run(w, "raise", "waits", "approved", "-d", "yes"), 0);
	assert_has(w->err, "queued: no runtime");
	assert_int_equal(run(w, "raise", "good", "approved"), 5);
	assert_int_equal(run(w, "raise", "nobody", "approved"), 4);
}

static void acting_verbs_check_the_state_first(void **state)
{
	struct cli_world *w = *state;

	put_some(w);
	assert_int_equal(run(w, "suspend", "rests"), 5);
	assert_has(w->err, "'rests' is suspended already");
	assert_int_equal(run(w, "resume", "waits"), 5);
	assert_has(w->err, "'waits' is not suspended");
	assert_int_equal(run(w, "terminate", "good"), 5);
	assert_has(w->err, "'good' has ended already");
	assert_int_equal(run(w, "terminate", "nobody"), 4);
	assert_int_equal(run(w, "terminate", "waits", "good", "busy"), 5);
	assert_string_equal(w->out, "waits: asked to terminate; no runtime is there\nbusy: asked to terminate; no runtime is there\n");
	assert_int_equal(run(w, "resume", "rests", "-o", "json"), 0);
	assert_string_equal(w->out, "{\"v\":1,\"id\":\"rests\",\"action\":\"resume\",\"result\":\"asked\",\"message\":\"asked to resume; no runtime is there\"}\n");
}

static void a_filter_that_matches_more_than_one_wants_a_yes(void **state)
{
	struct cli_world *w = *state;

	put_some(w);
	assert_int_equal(run(w, "suspend", "-t", "flow"), 2);
	assert_has(w->err, "2 instances match: --yes does it, --dry-run shows them");
	assert_int_equal(run(w, "suspend", "-t", "flow", "--dry-run"), 0);
	assert_string_equal(w->out, "busy: would be suspended\nwaits: would be suspended\n");
	assert_int_equal(run(w, "suspend", "-t", "flow", "--yes", "-o", "name"), 0);
	assert_string_equal(w->out, "busy\nwaits\n");
	assert_int_equal(run(w, "resume", "-s", "suspended"), 0);
	assert_string_equal(w->out, "rests: asked to resume; no runtime is there\n");
}

static void purge_removes_what_ended_and_nothing_else(void **state)
{
	struct cli_world *w = *state;

	put_some(w);
	assert_int_equal(run(w, "purge", "waits"), 5);
	assert_has(w->err, "'waits' has not ended: terminate it first");
	assert_int_equal(run(w, "purge", "-s", "failed", "-n"), 0);
	assert_string_equal(w->out, "bad: would be purged\n");
	assert_int_equal(run(w, "purge", "-s", "failed", "-s", "completed"), 0);
	assert_string_equal(w->out, "good: purged\n");
	assert_int_equal(run(w, "purge", "--older-than", "36500d"), 0);
	assert_string_equal(w->out, "");
	assert_int_equal(run(w, "purge", "--older-than", "1h"), 0);
	assert_string_equal(w->out, "bad: purged\ngone: purged\n");
	assert_int_equal(run(w, "list", "-a", "-o", "name"), 0);
	assert_string_equal(w->out, "busy\nrests\nwaits\n");
	assert_int_equal(run(w, "purge", "bad"), 4);
}

#define VALUE(text) TURN2 "\"type\":\"KeyValueSet\",\"key\":\"site\",\"value\":\"" text "\"}"
#define AGAIN TURN2 "\"type\":\"ExecutionContinuedAsNew\",\"input\":\"more\"}"

static void listed(struct cli_world *w, const char *where, const char *want)
{
	assert_int_equal(run(w, "list", "-a", "-o", "name", "--where", where), 0);
	assert_string_equal(w->out, want);
}

static void where_leaves_those_for_which_it_holds(void **state)
{
	struct cli_world *w = *state;

	put_some(w);
	world_live(w, "site-7", STARTED, VALUE("7"), "{\"seq\":3,\"type\":\"CustomStatusSet\",\"status\":\"waits for a person\"}");
	world_live(w, "site-8", STARTED, VALUE("8 and 9"));
	listed(w, "kv.site=7", "site-7\n");
	listed(w, "kv.site = '8 and 9'", "site-8\n");
	listed(w, "kv.site~8", "site-8\n");
	listed(w, "status~person and kv.site=7", "site-7\n");
	listed(w, "status~person and kv.site=8", "");
	listed(w, "id~site-*", "site-7\nsite-8\n");
	listed(w, "id~oo", "good\n");
	listed(w, "id~w?its and type=flow", "waits\n");
	listed(w, "id~site-[0-7]", "site-7\n");
	listed(w, "id~site-[!0-7]", "site-8\n");
	listed(w, "id~s*t*-[]8]", "site-8\n");
	listed(w, "id~s*x*", "");
	listed(w, "id~*\\-7", "site-7\n");
	listed(w, "id~site and kv.site!=7", "site-8\n");
	listed(w, "id~good and kv.site!=7 and version=1.2.0", "good\n");
	listed(w, "id=good and version=9", "");
	assert_int_equal(run(w, "suspend", "--where", "id~site", "-n"), 0);
	assert_string_equal(w->out, "site-7: would be suspended\nsite-8: would be suspended\n");
	assert_int_equal(run(w, "purge", "--where", "id~o", "-s", "completed"), 0);
	assert_string_equal(w->out, "good: purged\n");
}

static void a_where_that_is_none_is_told(void **state)
{
	struct cli_world *w = *state;
	static const char *const wrong[][2] = {
		{ "", "--where knows id, type, version, status, error and kv.KEY, not ''" },
		{ "color=red", "not 'color'" },
		{ "kv.=1", "not 'kv.'" },
		{ "kv.a/b=1", "'a/b' is no key" },
		{ "id", "after 'id' stands =, != or ~, not ''" },
		{ "id!x", "not '!x'" },
		{ "id='x", "the quote at ''x' does not end" },
		{ "id='x' or id=y", "between two parts stands 'and', not 'or id=y'" },
		{ "id=x and ", "not ''" },
	};

	put_some(w);
	for (size_t n = 0; n < sizeof(wrong) / sizeof(wrong[0]); n++) {
		assert_int_equal(run(w, "list", "--where", wrong[n][0]), 2);
		assert_has(w->err, wrong[n][1]);
	}
	char many[400] = "id=a";
	for (unsigned n = 1; n < 16; n++)
		strcat(many, " and id=a");
	assert_int_equal(run(w, "list", "--where", many), 0);
	strcat(many, " and id=a");
	assert_int_equal(run(w, "list", "--where", many), 2);
	assert_has(w->err, "--where has at most 16 parts");
	char longest[300] = "id=";
	memset(longest + 3, 'x', 255);
	assert_int_equal(run(w, "list", "--where", longest), 0);
	longest[3 + 255] = 'x';
	assert_int_equal(run(w, "list", "--where", longest), 2);
	assert_has(w->err, "a value has at most 255 bytes");
}

static void purges_go_in_batches_and_at_a_rate(void **state)
{
	struct cli_world *w = *state;
	char id[16];

	for (unsigned n = 0; n < 150; n++) {
		snprintf(id, sizeof(id), "e%03u", n);
		world_ended(w, id, STARTED, COMPLETED);
	}
	assert_int_equal(run(w, "purge", "--where", "id~e00?", "--rate", "1000"), 0);
	assert_has(w->out, "e009: purged\n");
	assert_int_equal(run(w, "purge", "-s", "completed", "-q"), 0);
	assert_int_equal(run(w, "list", "-a", "-o", "name"), 0);
	assert_string_equal(w->out, "");
	assert_int_equal(run(w, "purge", "-s", "completed", "--rate", "0"), 2);
}

static void compact_removes_older_executions(void **state)
{
	struct cli_world *w = *state;

	world_live(w, "loop", STARTED, AGAIN);
	for (uint64_t n = 2; n <= 4; n++)
		world_put(w, "loop", n, false, n < 4 ? (const char *const[]){ STARTED, AGAIN, NULL } : (const char *const[]){ STARTED, NULL });
	world_live(w, "plain", STARTED);
	assert_int_equal(run(w, "compact", "plain"), 5);
	assert_has(w->err, "'plain' has no older executions to remove");
	assert_int_equal(run(w, "compact", "loop", "--keep", "0"), 2);
	assert_int_equal(run(w, "compact", "--where", "id~o", "--keep", "3", "-n"), 0);
	assert_string_equal(w->out, "loop: would be compacted\n");
	assert_int_equal(run(w, "compact", "--where", "id=loop", "--keep", "2"), 0);
	assert_string_equal(w->out, "loop: compacted\n");
	assert_int_equal(run(w, "compact", "loop", "--keep", "2"), 5);
	assert_int_equal(run(w, "history", "loop", "--execution", "2"), 4);
	assert_int_equal(run(w, "history", "loop", "--execution", "3"), 0);
	assert_int_equal(run(w, "status", "loop"), 0);
}

static void reading_writes_nothing_and_needs_no_lock(void **state)
{
	struct cli_world *w = *state;

	put_some(w);
	struct pawl_provider *p = world_own(w);
	assert_int_equal(run(w, "list", "-a", "-o", "name"), 0);
	assert_string_equal(w->out, "busy\nrests\nwaits\nbad\ngone\ngood\n");
	assert_int_equal(run(w, "status", "waits"), 0);
	assert_has(w->out, "  runtime    pid ");
	assert_int_equal(run(w, "raise", "waits", "approved"), 0);
	assert_string_equal(w->err, "");
	assert_int_equal(run(w, "run"), 75);
	assert_has(w->err, "is in use by another runtime");
	p->ops->close(p);
}

/* ---- text ---- */

static void nothing_drives_the_terminal(void **state)
{
	static const struct {
		const char *in, *out;
	} table[] = {
		{ "plain", "plain" }, { "a\nb\tc", "a b c" }, { "\033[2J", "?[2J" }, { "\177", "?" }, { "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
		{ "\xc2\x9b" "31m", "?31m" }, { "\xff\xfe", "??" }, { "\xe2\x82", "??" }, { "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80" }, { "", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct buf out = BUF_INIT;
		out_clean(&out, slice_of(table[i].in));
		assert_string_equal(buf_str(&out), table[i].out);
		buf_release(&out);
	}
	assert_int_equal(out_width("gr\xc3\xbc\xc3\x9f"), 4);
	assert_int_equal(out_prefix("gr\xc3\xbc\xc3\x9f", 3), 4);
}

static void yaml_quotes_what_would_be_something_else(void **state)
{
	struct buf out = BUF_INIT;

	(void)state;
	out_yaml(&out, SLICE("{\"a\":\"no\",\"b\":\"12\",\"c\":\"x y\",\"d\":\"word-1\",\"e\":null,\"f\":true,\"g h\":1.5,\"i\":\"\",\"on\":[[1],{\"k\":[2]}]}"), 0);
	assert_string_equal(buf_str(&out),
	                    "a: \"no\"\nb: \"12\"\nc: \"x y\"\nd: word-1\ne: null\nf: true\n\"g h\": 1.5\ni: \"\"\n\"on\":\n  - - 1\n  - k:\n      - 2\n");
	buf_release(&out);
}

int main(void)
{
#define WORLD(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		WORLD(list_shows_the_live_ones_by_id),
		WORLD(a_status_that_ends_looks_in_the_archive),
		WORLD(a_table_is_never_cut_when_it_goes_to_a_file),
		WORLD(an_empty_hub_is_an_empty_list),
		WORLD(records_have_all_forms),
		WORLD(status_says_what_it_waits_for),
		WORLD(status_says_how_it_ended),
		WORLD(status_shows_values),
		WORLD(get_prints_what_is_there_as_it_is),
		WORLD(get_knows_what_there_is_to_get),
		WORLD(objects_stay_objects_in_json_and_yaml),
		WORLD(a_parked_and_a_damaged_one_say_why_and_what_to_do),
		WORLD(history_is_told_in_words),
		WORLD(each_execution_has_its_history),
		WORLD(the_exit_code_of_wait_says_how_it_ended),
		WORLD(watch_prints_a_line_a_change_and_ends_with_them),
		WORLD(start_queues_and_prints_the_id),
		WORLD(raise_needs_a_live_instance),
		WORLD(acting_verbs_check_the_state_first),
		WORLD(a_filter_that_matches_more_than_one_wants_a_yes),
		WORLD(purge_removes_what_ended_and_nothing_else),
		WORLD(where_leaves_those_for_which_it_holds),
		WORLD(a_where_that_is_none_is_told),
		WORLD(purges_go_in_batches_and_at_a_rate),
		WORLD(compact_removes_older_executions),
		WORLD(reading_writes_nothing_and_needs_no_lock),
		cmocka_unit_test(nothing_drives_the_terminal),
		cmocka_unit_test(yaml_quotes_what_would_be_something_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
