/* `pawl verify`: stored histories against the code of this program, over histories that were written by hand. */
#include "unit/cli_world.h"
#include "base/crc32c.h"
#include "unit/history_lines.h"
#include <pawl/pawl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#define TURN2 "\"time\":\"2020-01-02T03:04:06.000000Z\","
#define STARTED_AS(name, version, input) "{\"seq\":1,\"time\":\"2020-01-02T03:04:05.000000Z\",\"type\":\"ExecutionStarted\"," \
	"\"name\":\"" name "\",\"version\":\"" version "\",\"seed\":\"0123456789abcdef0123456789abcdef\",\"input\":" input "}"
#define UNPACK "{\"seq\":2,\"type\":\"ActivityScheduled\",\"name\":\"unpack\",\"input\":\"in\"}"
#define UNPACKED "{\"seq\":3," TURN2 "\"type\":\"ActivityCompleted\",\"ref\":2,\"output\":\"x\"}"
#define COMPLETED "{\"seq\":4,\"type\":\"ExecutionCompleted\",\"output\":\"x\"}"

/* ---- the code of this program ---- */

static enum { AS_RECORDED, OTHER_NAME, LOOPS, CRASHES, EXITS, PRINTS, TELLS_ID, COUNTS_INPUT, CRASHES_LATER } mode;

static int flow(pawl_ctx *ctx, const char *input)
{
	if (mode == LOOPS)
		for (;;)
			(void)poll(NULL, 0, 1);
	if (mode == CRASHES)
		(void)raise(SIGSEGV);
	static int runs;
	if (mode == CRASHES_LATER && runs++ == 2)
		(void)raise(SIGSEGV);
	if (mode == EXITS)
		_exit(9);
	if (mode == PRINTS)
		(void)(printf("noise\n") && fflush(stdout));
	if (mode == TELLS_ID)
		input = pawl_printf(ctx, "%s %d", pawl_instance_id(ctx), (int)pawl_execution(ctx));
	if (mode == COUNTS_INPUT)
		input = pawl_printf(ctx, "%zu", strlen(input));
	const char *out = pawl_call(ctx, mode == OTHER_NAME ? "pack" : "unpack", input);
	return out ? pawl_return(ctx, out) : pawl_rethrow(ctx);
}
PAWL_ORCHESTRATION(flow, "1.2.0");

static int setup(void **state)
{
	mode = AS_RECORDED;
	return world_setup(state);
}

/* ---- in a hub ---- */

static void code_that_decides_the_same_is_ok(void **state)
{
	struct cli_world *w = *state;

	world_live(w, "a", STARTED, UNPACK);
	world_ended(w, "b", STARTED, UNPACK, UNPACKED, COMPLETED);
	assert_int_equal(run(w, "verify"), 0);
	assert_string_equal(w->out, "ID  TYPE  VERSION  RESULT  WHY\na   flow  1.2.0    ok      -\n");
	assert_string_equal(w->err, "pawl: 1 ok\n");
	assert_int_equal(run(w, "verify", "--all", "-q", "-o", "name"), 0);
	assert_string_equal(w->out, "a\nb\n");
	assert_string_equal(w->err, "");
}

static void the_first_difference_is_named_with_its_line(void **state)
{
	struct cli_world *w = *state;

	world_live(w, "a", STARTED, UNPACK);
	world_live(w, "b", STARTED);
	mode = OTHER_NAME;
	assert_int_equal(run(w, "verify", "a"), 3);
	assert_has(w->out, "a   flow  1.2.0    differs  history line 2 has ActivityScheduled 'unpack' input 'in', but the code made "
		"ActivityScheduled 'pack' input 'in'\n");
	assert_int_equal(run(w, "verify", "-o", "jsonl"), 3);
	assert_has(w->out, "{\"v\":1,\"id\":\"a\",\"execution\":1,\"type\":\"flow\",\"version\":\"1.2.0\",\"result\":\"differs\",\"line\":2,"
		"\"expected\":\"ActivityScheduled 'unpack' input 'in'\",\"actual\":\"made ActivityScheduled 'pack' input 'in'\","
		"\"reason\":\"history line 2 has");
	assert_has(w->out, "\"id\":\"b\",\"execution\":1,\"type\":\"flow\",\"version\":\"1.2.0\",\"result\":\"differs\",\"line\":2,"
		"\"expected\":\"nothing, the last turn had no further decision\"");
	assert_string_equal(w->err, "pawl: 0 ok, 2 different\n");
}

static void what_is_not_registered_is_counted_apart(void **state)
{
	struct cli_world *w = *state;

	world_live(w, "a", STARTED_AS("flow", "1.0.0", "\"in\""), UNPACK);
	assert_int_equal(run(w, "verify"), 4);
	assert_has(w->out, "unregistered  orchestration 'flow' version 1.0.0 is not registered, only 1.2.0\n");
	assert_has(w->err, "pawl: 0 ok, 1 not registered\npawl: nothing to verify: this program has none of these");
	world_live(w, "b", STARTED, UNPACK);
	world_live(w, "c", STARTED_AS("other", "1.0.0", "\"in\""), UNPACK);
	assert_int_equal(run(w, "verify"), 0);
	assert_has(w->out, "orchestration 'other' version 1.0.0 is not registered\n");
	assert_string_equal(w->err, "pawl: 1 ok, 2 not registered\n");
	assert_int_equal(run(w, "verify", "--strict"), 3);
	assert_int_equal(run(w, "verify", "--strict", "-t", "flow"), 3);
	assert_int_equal(run(w, "verify", "--strict", "b"), 0);
}

static void damage_is_told_and_the_others_are_verified(void **state)
{
	struct cli_world *w = *state;

	world_live(w, "a", STARTED, UNPACK, "{\"seq\":9,\"type\":\"CustomStatusSet\"}");
	world_live(w, "b", STARTED, UNPACK);
	world_live(w, "c", STARTED);
	assert_int_equal(run(w, "verify"), 7);
	assert_has(w->out, "a   flow  1.2.0    damaged  history line 3 at byte");
	assert_has(w->out, "b   flow  1.2.0    ok");
	assert_string_equal(w->err, "pawl: 1 ok, 1 different, 1 damaged\n");
	assert_int_equal(run(w, "verify", "-s", "damaged", "-o", "name"), 7);
	assert_string_equal(w->out, "a\n");
}

static void nothing_to_verify_is_exit_code_4(void **state)
{
	struct cli_world *w = *state;

	assert_int_equal(run(w, "verify"), 4);
	assert_string_equal(w->err, "pawl: 0 ok\npawl: nothing to verify\n");
	assert_int_equal(run(w, "verify", "nobody"), 4);
	assert_int_equal(run(w, "start", "flow", "--id", "fresh", "-q"), 0);
	assert_int_equal(run(w, "verify"), 4);
	assert_has(w->err, "1 not begun yet");
}

static void ids_and_a_filter_are_not_both(void **state)
{
	struct cli_world *w = *state;

	assert_int_equal(run(w, "verify", "a", "-t", "flow"), 2);
	assert_int_equal(run(w, "verify", "a", "--all"), 2);
	assert_int_equal(run(w, "verify", "a b"), 2);
	assert_int_equal(run(w, "verify", "--timeout", "soon"), 2);
}

static void what_a_newer_pawl_wrote_is_not_verified(void **state)
{
	struct cli_world *w = *state;

	world_live(w, "a", STARTED, "{\"seq\":2,\"type\":\"MoonLanded\"}");
	assert_int_equal(run(w, "verify"), 3);
	assert_has(w->out, "unreadable  history line 2 has 'MoonLanded', which a newer pawl wrote");
	assert_string_equal(w->err, "pawl: 0 ok, 1 of a newer pawl\n");
}

/* ---- code that does what it must not ---- */

/* An emulator says something of a crash, too. */
static void assert_ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	assert_true(len >= end_len);
	assert_string_equal(text + len - end_len, end);
}

static void a_crash_is_of_its_instance_alone(void **state)
{
	struct cli_world *w = *state;

	world_live(w, "a", STARTED, UNPACK);
	world_live(w, "b", STARTED, UNPACK);
	mode = CRASHES;
	assert_int_equal(run(w, "verify", "-o", "jsonl"), 3);
	assert_has(w->out, "\"id\":\"a\",\"execution\":1,\"type\":\"flow\",\"version\":\"1.2.0\",\"result\":\"crashed\",\"reason\":\"its code crashed: signal 11");
	assert_has(w->out, "\"id\":\"b\"");
	assert_ends_with(w->err, "pawl: 0 ok, 2 crashed\n");
	mode = EXITS;
	assert_int_equal(run(w, "verify", "a"), 3);
	assert_has(w->out, "crashed  its code ended the process with exit code 9\n");
}

/* What others have left behind in the process is no difference of this one. */
static void what_crashes_is_asked_again_in_a_fresh_process(void **state)
{
	struct cli_world *w = *state;

	for (const char *const *id = (const char *const[]){ "a", "b", "c", "d", "e", NULL }; *id; id++)
		world_live(w, *id, STARTED, UNPACK);
	mode = CRASHES_LATER;
	assert_int_equal(run(w, "verify"), 0);
	assert_ends_with(w->err, "pawl: 5 ok\n");
}

static void a_loop_without_an_end_is_ended(void **state)
{
	struct cli_world *w = *state;

	world_live(w, "a", STARTED, UNPACK);
	mode = LOOPS;
	assert_int_equal(run(w, "verify", "--timeout", "100ms"), 3);
	assert_has(w->out, "endless  its code neither waits nor ends: no answer in 100ms");
	assert_string_equal(w->err, "pawl: 0 ok, 1 without an end\n");
}

static void what_the_code_prints_is_no_data(void **state)
{
	struct cli_world *w = *state;

	world_live(w, "a", STARTED, UNPACK);
	mode = PRINTS;
	assert_int_equal(run(w, "verify", "-o", "name"), 0);
	assert_string_equal(w->out, "a\n");
	assert_has(w->err, "noise");
}

static void in_one_process_the_answer_is_the_same(void **state)
{
	struct cli_world *w = *state;

	world_live(w, "a", STARTED, UNPACK);
	assert_int_equal(run(w, "verify", "--no-fork"), 0);
	assert_int_equal(run(w, "verify", "--no-fork", "--timeout", "0"), 0);
	mode = OTHER_NAME;
	assert_int_equal(run(w, "verify", "--no-fork"), 3);
	assert_has(w->out, "history line 2 has ActivityScheduled 'unpack'");
}

/* ---- files ---- */

static const char *put_file(struct cli_world *w, const char *name, const char *const *lines)
{
	static char path[200];
	struct buf text = BUF_INIT;

	snprintf(path, sizeof(path), "%s/%s", w->dir, name);
	for (; *lines; lines++)
		add_line(&text, *lines);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text.data, 1, text.len, f), text.len);
	fclose(f);
	buf_release(&text);
	return path;
}
#define FILE_OF(w, name, ...) put_file(w, name, (const char *const[]){ __VA_ARGS__, NULL })

static void a_history_file_needs_no_hub(void **state)
{
	struct cli_world *w = *state;
	const char *path = FILE_OF(w, "order-1.history", STARTED, UNPACK, UNPACKED, COMPLETED);

	snprintf(w->hub, sizeof(w->hub), "%s/nowhere", w->dir);
	assert_int_equal(run(w, "verify", path, "-o", "jsonl"), 0);
	assert_has(w->out, "{\"v\":1,\"id\":\"order-1\",\"execution\":1,\"file\":\"");
	mode = OTHER_NAME;
	assert_int_equal(run(w, "verify", path), 3);
	assert_has(w->out, path);
	assert_int_equal(run(w, "verify", "/none/such.history"), 4);
	assert_has(w->err, "cannot open history file '/none/such.history'");
}

#define TELLS(text) "{\"seq\":2,\"type\":\"ActivityScheduled\",\"name\":\"unpack\",\"input\":\"" text "\"}"

static void id_and_execution_come_from_the_file_s_name(void **state)
{
	struct cli_world *w = *state;

	mode = TELLS_ID;
	assert_int_equal(run(w, "verify", FILE_OF(w, "order-1.history", STARTED, TELLS("order-1 1"))), 0);
	assert_int_equal(run(w, "verify", FILE_OF(w, "order-1.7.history", STARTED, TELLS("order-1 7"))), 0);
	char line[200], *id = strrchr(w->dir, '/') + 1;
	snprintf(line, sizeof(line), TELLS("%s 3"), id);
	assert_int_equal(run(w, "verify", FILE_OF(w, "3.history", STARTED, line)), 0);
	assert_int_equal(run(w, "verify", "--id", "x", FILE_OF(w, "3.history", STARTED, TELLS("x 3"))), 0);
	assert_int_equal(run(w, "verify", "--id", "x/y", FILE_OF(w, "3.history", STARTED, TELLS("x 3"))), 2);
}

/* ---- payloads in files ---- */

static const char *spilled_start(size_t bytes)
{
	static char line[400];
	char *data = malloc(bytes);

	memset(data, 'x', bytes);
	snprintf(line, sizeof(line), STARTED_AS("flow", "1.2.0", "{\"$file\":\"1.1.data\",\"bytes\":%zu,\"crc32c\":\"%08x\"}"), bytes,
		(unsigned)crc32c(0, data, bytes));
	free(data);
	return line;
}

static void put_payload(struct cli_world *w, const char *dir, size_t bytes)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s1.1.data", w->dir, dir);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	for (size_t n = 0; n < bytes; n++)
		fputc('x', f);
	fclose(f);
}

static void spilled_payloads_are_read_from_where_they_are(void **state)
{
	struct cli_world *w = *state;

	mode = COUNTS_INPUT;
	world_live(w, "a", spilled_start(40000), TELLS("40000"));
	assert_int_equal(run(w, "verify"), 7);
	assert_has(w->out, "cannot read payload file");
	put_payload(w, "hub/instances/a/", 40000);
	assert_int_equal(run(w, "verify"), 0);
	put_payload(w, "hub/instances/a/", 39999);
	assert_int_equal(run(w, "verify"), 7);
	assert_has(w->out, "payload file '1.1.data' is not the one that history line 1 names");
	const char *path = FILE_OF(w, "1.history", spilled_start(40000), TELLS("40000"));
	assert_int_equal(run(w, "verify", path), 7);
	put_payload(w, "", 40000);
	assert_int_equal(run(w, "verify", path), 0);
}

int main(void)
{
#define WORLD(test) cmocka_unit_test_setup_teardown(test, setup, world_teardown)
	const struct CMUnitTest tests[] = {
		WORLD(code_that_decides_the_same_is_ok),
		WORLD(the_first_difference_is_named_with_its_line),
		WORLD(what_is_not_registered_is_counted_apart),
		WORLD(damage_is_told_and_the_others_are_verified),
		WORLD(nothing_to_verify_is_exit_code_4),
		WORLD(ids_and_a_filter_are_not_both),
		WORLD(what_a_newer_pawl_wrote_is_not_verified),
		WORLD(a_crash_is_of_its_instance_alone),
		WORLD(what_crashes_is_asked_again_in_a_fresh_process),
		WORLD(a_loop_without_an_end_is_ended),
		WORLD(what_the_code_prints_is_no_data),
		WORLD(in_one_process_the_answer_is_the_same),
		WORLD(a_history_file_needs_no_hub),
		WORLD(id_and_execution_come_from_the_file_s_name),
		WORLD(spilled_payloads_are_read_from_where_they_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
