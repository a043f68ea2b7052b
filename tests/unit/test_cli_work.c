/* `pawl work` and `pawl queue`: taking items, saying what became of them, and looking after dead letters. */
#include "unit/cli_world.h"
#include <unistd.h>

#define SCHEDULED "{\"seq\":2,\"time\":\"2020-01-02T03:04:06.000000Z\",\"type\":\"ActivityScheduled\",\"name\":\"flash\"}"
#define HELD "{\"seq\":3,\"time\":\"2020-01-02T03:04:07.000000Z\",\"type\":\"ActivityRetrying\",\"ref\":2,\"attempt\":1," \
	"\"error\":{\"kind\":\"process\",\"code\":\"exit:3\",\"message\":\"no room\",\"retryable\":true},\"delay_ms\":-1}"
#define COMPLETED "{\"seq\":3,\"time\":\"2020-01-02T03:04:07.000000Z\",\"type\":\"ActivityCompleted\",\"ref\":2,\"output\":\"x\"}"
#define ENDED "{\"seq\":4,\"time\":\"2020-01-02T03:04:08.000000Z\",\"type\":\"ExecutionCompleted\",\"output\":\"x\"}"
#define CARRIER "{\"key\":\"u1/1/2\",\"instance\":\"u1\",\"execution\":1,\"seq\":2,\"activity\":\"flash\",\"iteration\":1,\"state\":\"Waiting\"}\n"

static char *offered(struct cli_world *w, struct pawl_provider *p, const char *tag)
{
	static char id[PAWL_WORK_ID_MAX + 1];
	char dir[256];
	struct pawl_work_item item = { .instance = "u1", .activity = "flash", .tag = tag, .key = "u1/1/2", .execution = 1, .seq = 2,
		.attempt = 1, .priority = 5, .input = "it's in", .input_len = 7, .carrier = CARRIER };
	struct pawl_error err = { 0 };

	(void)w;
	assert_int_equal(p->ops->work_dir(p, "u1", 2, dir, sizeof(dir)), 0);
	item.work_dir = dir;
	if (p->ops->offer(p, &item, id, &err) < 0)
		fail_msg("%s", err.text);
	return id;
}

static void buried(struct pawl_provider *p, const char *id)
{
	struct pawl_dead_letter letter = { .id = id, .text = "{\"activity\":\"flash\",\"reason\":\"exit:3: no room\"}\n", .time_ns = 1577934247000000000 };
	struct pawl_error err = { 0 };

	if (p->ops->bury(p, &letter, &err) < 0)
		fail_msg("%s", err.text);
}

/* An item that was offered, and the owner gone: workers do not need it. */
static char *world_with_item(struct cli_world *w, const char *tag)
{
	world_live(w, "u1", STARTED, SCHEDULED);
	struct pawl_provider *p = world_own(w);
	char *id = offered(w, p, tag);
	p->ops->close(p);
	return id;
}

static void forget_environment(void)
{
	unsetenv("PAWL_ITEM");
	unsetenv("PAWL_WORKER");
}

static void take_prints_what_a_shell_can_read(void **state)
{
	struct cli_world *w = *state;
	char wanted[400];

	char *id = world_with_item(w, NULL);
	assert_int_equal(run(w, "work", "take", "-a", "other", "-a", "flash", "--pid", "1"), 0);
	snprintf(wanted, sizeof(wanted), "export PAWL_ITEM='%s'\nexport PAWL_WORKER='1'\nexport PAWL_WORK='%s/", id, w->hub);
	assert_has(w->out, wanted);
	assert_has(w->out, "export PAWL_KEY='u1/1/2'\nexport PAWL_INSTANCE='u1'\nexport PAWL_EXECUTION='1'\nexport PAWL_ACTIVITY='flash'\n"
		"export PAWL_ATTEMPT='1'\nexport PAWL_SEQ='2'\nexport PAWL_HUB='");
	assert_has(w->out, "\nPAWL_INPUT='it'\\''s in'\n");
	assert_int_equal(run(w, "work", "take"), 75);
	assert_string_equal(w->out, "");
	assert_has(w->err, "nothing is there to take");
	assert_int_equal(run(w, "work", "take", "--wait", "--timeout", "20ms"), 124);
}

static void only_what_is_wanted_is_taken(void **state)
{
	struct cli_world *w = *state;

	char *id = world_with_item(w, "gpu");
	assert_int_equal(run(w, "work", "take", "-a", "flash"), 75);
	assert_int_equal(run(w, "work", "take", "--tag", "cpu"), 75);
	assert_int_equal(run(w, "work", "take", "--tag", "cpu", "--tag=gpu", "-a", "other"), 75);
	assert_int_equal(run(w, "work", "take", "--tag", "cpu", "--tag=gpu", "-a", "flash", "-o", "json"), 0);
	assert_has(w->out, "\"activity\":\"flash\",\"attempt\":1,\"seq\":2,\"priority\":5,\"tag\":\"gpu\",\"input\":\"it's in\",\"carrier\":{");
	assert_has(w->out, id);
	char worker[40];
	snprintf(worker, sizeof(worker), "\"worker\":\"%ld\"", (long)getppid());
	assert_has(w->out, worker);
}

static void an_item_is_finished_by_who_has_it(void **state)
{
	struct cli_world *w = *state;

	char *id = world_with_item(w, NULL);
	assert_int_equal(run(w, "work", "take", "--worker", "arm", "-o", "name"), 0);
	forget_environment();
	assert_int_equal(run(w, "work", "heartbeat"), 2);
	assert_has(w->err, "which item?");
	assert_int_equal(run(w, "work", "heartbeat", id), 2);
	assert_has(w->err, "whose is '");
	assert_int_equal(run(w, "work", "heartbeat", id, "--worker", "leg"), 5);
	assert_has(w->err, "is not the work of 'leg' any more");
	setenv("PAWL_ITEM", id, 1);
	setenv("PAWL_WORKER", "arm", 1);
	assert_int_equal(run(w, "work", "heartbeat"), 0);
	assert_int_equal(run(w, "work", "progress", "101"), 2);
	assert_int_equal(run(w, "work", "progress", "57%", "writing", "it"), 0);
	assert_int_equal(run(w, "work", "progress", "3/7 parts"), 0);
	assert_int_equal(run(w, "queue", "-o", "json"), 0);
	assert_has(w->out, "\"state\":\"claimed\"");
	assert_has(w->out, "\"worker\":\"arm\"");
	assert_has(w->out, "\"heartbeat\":");
	w->in = "the result";
	assert_int_equal(run(w, "work", "done", "-d", "-"), 0);
	assert_string_equal(w->out, "");
	assert_int_equal(run(w, "work", "done"), 5);
	assert_int_equal(run(w, "queue", "show", "u1.2"), 0);
	assert_has(w->out, "state: done\n");
	assert_has(w->out, "output: \"the result\"\n");
	assert_has(w->out, "carrier:\n  key: ");
	forget_environment();
}

static void every_outcome_has_its_code(void **state)
{
	static const struct {
		const char *words[6], *json;
	} table[] = {
		{ { "fail", "-m", "no room" }, "\"code\":1,\"message\":\"no room\"" },
		{ { "fail", "--for-good" }, "\"code\":100" },
		{ { "defer", "--for", "1m", "-m", "too hot" }, "\"code\":75,\"message\":\"too hot\"" },
		{ { "reboot", "-d", "new kernel" }, "\"code\":76" },
		{ { "give-back" }, "\"state\":\"ready\"" },
	};
	struct cli_world *w = *state;

	world_live(w, "u1", STARTED, SCHEDULED);
	for (size_t n = 0; n < sizeof(table) / sizeof(table[0]); n++) {
		struct pawl_provider *p = world_own(w);
		struct pawl_error err = { 0 };
		char *id = offered(w, p, NULL);
		const char *words[10] = { "work" };
		assert_int_equal(run(w, "work", "take", "--worker", "arm", "-q"), 0);
		setenv("PAWL_ITEM", id, 1);
		setenv("PAWL_WORKER", "arm", 1);
		for (size_t i = 0; table[n].words[i]; i++)
			words[i + 1] = table[n].words[i];
		assert_int_equal(world_run(w, words), 0);
		assert_int_equal(run(w, "queue", "-o", "jsonl"), 0);
		assert_has(w->out, table[n].json);
		assert_int_equal(p->ops->release(p, id, &err), 0);
		p->ops->close(p);
	}
	forget_environment();
}

static void what_was_canceled_is_exit_code_6(void **state)
{
	struct cli_world *w = *state;
	struct pawl_error err = { 0 };

	world_live(w, "u1", STARTED, SCHEDULED);
	struct pawl_provider *p = world_own(w);
	char *id = offered(w, p, NULL);
	assert_int_equal(run(w, "work", "take", "--worker", "arm", "-q"), 0);
	assert_int_equal(p->ops->cancel_work(p, id, &err), 0);
	assert_int_equal(run(w, "work", "heartbeat", id, "--worker", "arm"), 6);
	assert_has(w->err, "was canceled: stop it");
	p->ops->close(p);
}

static void serve_runs_a_program_for_an_item(void **state)
{
	struct cli_world *w = *state;

	(void)world_with_item(w, NULL);
	assert_int_equal(run(w, "work", "serve", "-a", "flash", "--once", "--", "sh", "-c",
		"cat; echo \" $PAWL_INSTANCE $PAWL_ATTEMPT $1\"; echo said >&2", "x", "-y"), 0);
	assert_int_equal(run(w, "queue", "show", "u1.2", "-o", "json"), 0);
	assert_has(w->out, "\"output\":\"it's in u1 1 -y\"");
	assert_has(w->out, "\"code\":0");
}

static void serve_tells_how_a_program_failed(void **state)
{
	struct cli_world *w = *state;

	(void)world_with_item(w, NULL);
	assert_int_equal(run(w, "work", "serve", "--once", "--", "sh", "-c", "echo first >&2; echo '  no room' >&2; exit 75"), 0);
	run(w, "queue", "-o", "json");
	assert_has(w->out, "\"code\":75,\"message\":\"");
	assert_has(w->out, "no room\"");
}

static void serve_gives_back_what_it_cannot_run(void **state)
{
	struct cli_world *w = *state;

	(void)world_with_item(w, NULL);
	assert_int_equal(run(w, "work", "serve", "--", "/nonexistent"), 1);
	assert_int_equal(run(w, "work", "serve", "--", "no-such-program-at-all"), 1);
	assert_has(w->err, "cannot run 'no-such-program-at-all'");
	run(w, "queue", "-o", "json");
	assert_has(w->out, "\"state\":\"ready\"");
	assert_int_equal(run(w, "work", "serve", "-a", "other", "--timeout", "20ms", "--", "true"), 124);
}

static void words_take_only_their_own_options(void **state)
{
	struct cli_world *w = *state;

	assert_int_equal(run(w, "work", "tkae"), 2);
	assert_has(w->err, "'tkae' is none of the words of work: take, heartbeat");
	assert_int_equal(run(w, "work", "done", "-a", "x"), 2);
	assert_has(w->err, "work done takes no --activity");
	assert_int_equal(run(w, "work", "take", "--timeout", "1s"), 2);
	assert_int_equal(run(w, "work", "take", "--worker", "4711"), 2);
	assert_has(w->err, "looks like a process");
	assert_int_equal(run(w, "work", "take", "--pid", "1", "--worker", "x"), 2);
	assert_int_equal(run(w, "work", "serve"), 2);
	assert_int_equal(run(w, "queue", "purge"), 2);
	assert_int_equal(run(w, "queue", "requeue"), 2);
	assert_int_equal(run(w, "queue", "requeue", "not-a-letter"), 2);
}

static void a_dead_letter_is_listed_shown_and_purged(void **state)
{
	struct cli_world *w = *state;

	struct pawl_provider *p = world_own(w);
	buried(p, "u1.2");
	buried(p, "u2.7");
	p->ops->close(p);
	assert_int_equal(run(w, "queue"), 0);
	assert_has(w->out, "ITEM  STATE  INSTANCE  SEQ  ACTIVITY  AGE");
	assert_has(w->out, "u1.2  dead   u1        2    flash ");
	assert_has(w->out, "exit:3: no room\n");
	assert_int_equal(run(w, "queue", "show", "u2.7", "-o", "json"), 0);
	assert_string_equal(w->out, "{\"activity\":\"flash\",\"reason\":\"exit:3: no room\"}\n");
	assert_int_equal(run(w, "queue", "show", "u2.8"), 4);
	assert_int_equal(run(w, "queue", "purge", "--older-than", "0s", "-n"), 0);
	assert_has(w->out, "u2.7: would be purged");
	assert_int_equal(run(w, "queue", "purge", "u1.2", "u9.9"), 4);
	assert_has(w->out, "u1.2: purged");
	assert_has(w->err, "no dead letter is called 'u9.9'");
	assert_int_equal(run(w, "queue", "purge", "--all", "-q"), 0);
	assert_int_equal(run(w, "queue", "ls", "--dead"), 0);
	assert_has(w->err, "no dead letters");
}

static void only_what_is_held_is_requeued(void **state)
{
	struct cli_world *w = *state;

	world_live(w, "u1", STARTED, SCHEDULED, HELD);
	world_live(w, "u2", STARTED, SCHEDULED);
	world_live(w, "u3", STARTED, SCHEDULED, COMPLETED);
	world_ended(w, "u4", STARTED, SCHEDULED, COMPLETED, ENDED);
	assert_int_equal(run(w, "queue", "requeue", "u1.2", "--dry-run"), 0);
	assert_string_equal(w->out, "u1.2: would be requeued\n");
	assert_int_equal(run(w, "queue", "requeue", "u1.2", "-r", "new disk"), 0);
	assert_string_equal(w->out, "u1.2: asked to requeue; no runtime is there\n");
	assert_int_equal(run(w, "queue", "requeue", "u2.2"), 5);
	assert_has(w->err, "is not held");
	assert_int_equal(run(w, "queue", "requeue", "u3.2"), 5);
	assert_has(w->err, "has gone on without 'u3.2'");
	assert_int_equal(run(w, "queue", "requeue", "u4.2"), 5);
	assert_has(w->err, "has ended, nobody waits for 'u4.2'");
	assert_int_equal(run(w, "queue", "requeue", "u5.2"), 5);
	assert_has(w->err, "instance 'u5' is gone");
}

int main(void)
{
#define WORLD(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		WORLD(take_prints_what_a_shell_can_read),
		WORLD(only_what_is_wanted_is_taken),
		WORLD(an_item_is_finished_by_who_has_it),
		WORLD(every_outcome_has_its_code),
		WORLD(what_was_canceled_is_exit_code_6),
		WORLD(serve_runs_a_program_for_an_item),
		WORLD(serve_tells_how_a_program_failed),
		WORLD(serve_gives_back_what_it_cannot_run),
		WORLD(words_take_only_their_own_options),
		WORLD(a_dead_letter_is_listed_shown_and_purged),
		WORLD(only_what_is_held_is_requeued),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
