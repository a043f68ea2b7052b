/* What `pawl activities`, `status` and `watch` tell of activities, from history and from the files in their work directories. */
#include "unit/cli_world.h"
#include "os/os.h"
#include "os/spawn.h"
#include "runtime/carrier.h"
#include <unistd.h>

#define SCHEDULED "{\"seq\":2,\"time\":\"2020-01-02T03:04:06.000000Z\",\"type\":\"ActivityScheduled\",\"name\":\"flash\"}"
#define RETRYING(due) "{\"seq\":3,\"time\":\"2020-01-02T03:04:07.000000Z\",\"type\":\"ActivityRetrying\",\"ref\":2,\"attempt\":1," \
	"\"error\":{\"kind\":\"process\",\"code\":\"exit:3\",\"message\":\"no room\",\"retryable\":true},\"delay_ms\":5000," due "}"
#define IN_2090 "\"boot\":\"00000000\",\"boot_ms\":1,\"fire_at\":\"2090-01-01T00:00:00.000000Z\""
#define IN_2020 "\"boot\":\"00000000\",\"boot_ms\":1,\"fire_at\":\"2020-01-02T03:04:09.000000Z\""
#define COMPLETED "{\"seq\":3,\"time\":\"2020-01-02T03:04:07.000000Z\",\"type\":\"ActivityCompleted\",\"ref\":2,\"output\":\"x\"}"
#define ENDED "{\"seq\":4,\"time\":\"2020-01-02T03:04:08.000000Z\",\"type\":\"ExecutionCompleted\",\"output\":\"x\"}"

static void work_path(struct cli_world *w, const char *id, const char *name, char out[256])
{
	struct pawl_provider_options options = { .hub = w->hub, .allow_volatile = true };
	struct pawl_provider *p = NULL;
	char dir[200], command[256];
	struct pawl_error err = { 0 };

	assert_int_equal(pawl_provider_fs.open(&options, &p, &err), 0);
	assert_int_equal(p->ops->work_dir(p, id, 2, dir, sizeof(dir)), 0);
	p->ops->close(p);
	snprintf(command, sizeof(command), "%s/%s", dir, name);
	for (char *slash = command + strlen(w->hub) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		(void)os_linux()->mkdir(os_linux()->self, OS_CWD, command, 0755);
		*slash = '/';
	}
	snprintf(out, 256, "%s", *name ? command : dir);
}

static void put_carrier(struct cli_world *w, const char *id, struct carrier r)
{
	char boot[OS_BOOT_ID_SIZE] = "", dir[256];

	work_path(w, id, "x", dir);
	work_path(w, id, "", dir);
	assert_true(os_linux()->boot_id(os_linux()->self, boot) >= 0);
	if (!r.boot[0])
		snprintf(r.boot, sizeof(r.boot), "%.8s", boot);
	r.instance = id;
	r.activity = "flash";
	r.key = "k";
	r.execution = 1;
	r.seq = 2;
	r.time_ns = os_linux()->real_ns(os_linux()->self) - 3000000000;
	assert_int_equal(carrier_write(os_linux(), dir, &r), 0);
}

static void put_file(struct cli_world *w, const char *id, const char *name, const char *text)
{
	char path[256];

	work_path(w, id, name, path);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void without_a_runtime_nothing_is_active(void **state)
{
	struct cli_world *w = *state;

	world_live(w, "u1", STARTED, SCHEDULED);
	assert_int_equal(run(w, "activities"), 0);
	assert_has(w->out, "INSTANCE  SEQ  ACTIVITY  STATE    ATTEMPT  REASON\nu1        2    flash     Waiting  1        no runtime\n");
	assert_int_equal(run(w, "status", "u1"), 0);
	assert_has(w->out, "  waits for  activity flash\n");
}

static void with_a_runtime_what_has_no_files_is_active(void **state)
{
	struct cli_world *w = *state;

	world_live(w, "u1", STARTED, SCHEDULED);
	struct pawl_provider *p = world_own(w);
	assert_int_equal(run(w, "activities", "-o", "json"), 0);
	assert_has(w->out, "\"activity\":\"flash\"");
	assert_has(w->out, "\"state\":\"Active\"");
	p->ops->close(p);
}

static void between_two_attempts_it_waits_and_says_why(void **state)
{
	struct cli_world *w = *state;

	world_live(w, "u1", STARTED, SCHEDULED, RETRYING(IN_2090));
	put_carrier(w, "u1", (struct carrier){ .iteration = 1, .state = ACTIVITY_ACTIVE, .process = 1 });
	assert_int_equal(run(w, "activities"), 0);
	assert_has(w->out, "ATTEMPT  NEXT");
	assert_has(w->out, "Waiting  2        ");
	assert_has(w->out, "exit:3: no room");
	assert_lacks(w->out, "PID");
	run(w, "status", "u1");
	assert_has(w->out, "activity flash, attempt 2 in ");
}

static void a_carrier_of_this_attempt_and_boot_is_believed(void **state)
{
	struct cli_world *w = *state;

	world_live(w, "u1", STARTED, SCHEDULED, RETRYING(IN_2020));
	put_carrier(w, "u1", (struct carrier){ .iteration = 2, .state = ACTIVITY_ACTIVE, .process = (int32_t)getpid() });
	run(w, "status", "u1");
	char wanted[80];
	snprintf(wanted, sizeof(wanted), "activity flash (Active, attempt 2, pid %d)\n", (int)getpid());
	assert_has(w->out, wanted);
	put_file(w, "u1", "progress", "42 writing\n");
	run(w, "status", "u1");
	assert_has(w->out, "activity flash, attempt 2: 42% writing\n");
	assert_int_equal(run(w, "activities", "u1"), 0);
	assert_has(w->out, "HEARTBEAT");
	assert_has(w->out, "42% writing");
	assert_int_equal(run(w, "activities", "u1", "-o", "jsonl"), 0);
	assert_has(w->out, "\"progress\":{\"percent\":42,\"text\":\"writing\"}");
	assert_has(w->out, "\"iteration\":2");
	assert_int_equal(run(w, "status", "u1", "-o", "json"), 0);
	assert_has(w->out, "\"state\":\"Active\",\"process\":");
	assert_int_equal(run(w, "activities", "-o", "name"), 0);
	assert_string_equal(w->out, "u1.2\n");
}

static void a_carrier_of_another_boot_or_a_process_that_is_gone_is_not(void **state)
{
	struct cli_world *w = *state;

	world_live(w, "u1", STARTED, SCHEDULED);
	put_carrier(w, "u1", (struct carrier){ .iteration = 1, .state = ACTIVITY_ACTIVE, .process = 1, .boot = "ffffffff" });
	run(w, "activities");
	assert_has(w->out, "Waiting");
	put_carrier(w, "u1", (struct carrier){ .iteration = 1, .state = ACTIVITY_ACTIVE, .process = INT32_MAX - 1 });
	run(w, "activities");
	assert_has(w->out, "its process is gone");
	assert_has(w->out, "Waiting");
}

static void a_deferred_one_says_when_it_is_looked_at_again(void **state)
{
	struct cli_world *w = *state;

	world_live(w, "u1", STARTED, SCHEDULED);
	put_carrier(w, "u1", (struct carrier){ .iteration = 1, .state = ACTIVITY_DEFERRED, .reason = "memory: 12 MiB available, 32 MiB wanted",
		.next_ns = os_linux()->real_ns(os_linux()->self) + 12500000000 });
	run(w, "status", "u1");
	assert_has(w->out, "activity flash (Deferred, next look in 12");
	assert_has(w->out, ": memory: 12 MiB available, 32 MiB wanted)\n");
	assert_int_equal(run(w, "activities", "-s", "active"), 0);
	assert_string_equal(w->out, "");
	assert_has(w->err, "no activities like that");
	assert_int_equal(run(w, "activities", "-s", "active,deferred", "-o", "name"), 0);
	assert_string_equal(w->out, "u1.2\n");
	assert_int_equal(run(w, "activities", "-s", "busy"), 2);
	assert_has(w->err, "'busy' is no state of an activity: Waiting, Active");
}

static void a_held_one_says_what_gives_it_new_attempts(void **state)
{
	struct cli_world *w = *state;

	world_live(w, "u1", STARTED, SCHEDULED, "{\"seq\":3,\"time\":\"2020-01-02T03:04:07.000000Z\",\"type\":\"ActivityRetrying\",\"ref\":2,"
		"\"attempt\":2,\"error\":{\"kind\":\"process\",\"code\":\"exit:3\",\"message\":\"no room\",\"retryable\":true},\"delay_ms\":-1}");
	run(w, "status", "u1");
	assert_has(w->out, "activity flash (Stalled, attempt 2, held until `pawl queue requeue u1.2`: exit:3: no room)\n");
	run(w, "activities", "-s", "stalled", "-o", "name");
	assert_string_equal(w->out, "u1.2\n");
}

static void records_are_of_all_that_were(void **state)
{
	struct cli_world *w = *state;

	world_ended(w, "u1", STARTED, SCHEDULED, COMPLETED, ENDED);
	assert_int_equal(run(w, "activities"), 0);
	assert_string_equal(w->out, "");
	assert_int_equal(run(w, "activities", "u1"), 0);
	assert_has(w->out, "INSTANCE  SEQ  ACTIVITY  STATE      SINCE\nu1        2    flash     Completed  ");
	assert_int_equal(run(w, "activities", "u1", "--records"), 0);
	assert_has(w->out, "INSTANCE  KEY     ACTIVITY  STATE      TIME\nu1        u1/1/2  flash     Completed  2020-01-02T03:04:07");
	assert_int_equal(run(w, "activities", "u1", "--records", "-o", "json"), 0);
	assert_has(w->out, "\"key\":\"u1/1/2\",\"activity\":\"flash\",\"state\":\"Completed\",\"timestamp\":\"2020-01-02T03:04:07");
	assert_int_equal(run(w, "activities", "u9"), 4);
	assert_int_equal(run(w, "activities", "../u9"), 2);
}

static void watch_says_a_line_for_each_change(void **state)
{
	struct cli_world *w = *state;

	world_live(w, "u1", STARTED, SCHEDULED);
	put_carrier(w, "u1", (struct carrier){ .iteration = 1, .state = ACTIVITY_ACTIVE, .process = (int32_t)getpid() });
	put_file(w, "u1", "progress", "57 writing");
	assert_int_equal(run(w, "watch", "u1", "--timeout", "50ms"), 124);
	assert_has(w->out, " u1 Running activity flash: 57% writing\n");
	assert_lacks(w->out, "2020-01-02");
}

/* What a shim writes of the activity PID; ours stands for a live one. */
static void put_claim(struct cli_world *w, const char *id, unsigned attempt, const char *end)
{
	struct os_process_id me = { 0 };
	char boot[OS_BOOT_ID_SIZE] = "", text[400];

	assert_true(os_linux()->boot_id(os_linux()->self, boot) >= 0);
	assert_int_equal(spawn_process_id(getpid(), &me), 0);
	snprintf(text, sizeof(text), "attempt %u\nboot %s\npidns %llu\nshim %d %llu\nactivity %d 17\nbegan 1\n%s", attempt, boot,
		(unsigned long long)spawn_pid_namespace(), (int)getpid(), (unsigned long long)me.start_ticks + (*end == '?'), (int)getpid(), *end == '?' ? "" : end);
	put_file(w, id, "claim", text);
}

static void a_program_is_seen_by_what_its_shim_has_written(void **state)
{
	struct cli_world *w = *state;
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	world_live(w, "u1", STARTED, SCHEDULED);
	put_carrier(w, "u1", (struct carrier){ .iteration = 1, .state = ACTIVITY_ACTIVE });
	put_claim(w, "u1", 1, "");
	assert_int_equal(run(w, "activities"), 0);
	assert_has(w->out, "PID");
	assert_has(w->out, pid);
	assert_has(w->out, "Active");
	put_claim(w, "u1", 2, "");
	assert_int_equal(run(w, "activities"), 0);
	assert_lacks(w->out, "PID");
	put_claim(w, "u1", 1, "outcome exit 0\noutput 0\nended 2\nend\n");
	assert_int_equal(run(w, "activities"), 0);
	assert_lacks(w->out, "PID");
	assert_has(w->out, "it has ended, and no runtime is there to take its result");
	put_claim(w, "u1", 1, "?");
	assert_int_equal(run(w, "activities"), 0);
	assert_lacks(w->out, "PID");
	assert_has(w->out, "Waiting");
	assert_has(w->out, "its process is gone, and no runtime is there");
}

int main(void)
{
#define WORLD(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		WORLD(without_a_runtime_nothing_is_active),
		WORLD(with_a_runtime_what_has_no_files_is_active),
		WORLD(between_two_attempts_it_waits_and_says_why),
		WORLD(a_carrier_of_this_attempt_and_boot_is_believed),
		WORLD(a_carrier_of_another_boot_or_a_process_that_is_gone_is_not),
		WORLD(a_deferred_one_says_when_it_is_looked_at_again),
		WORLD(a_held_one_says_what_gives_it_new_attempts),
		WORLD(records_are_of_all_that_were),
		WORLD(a_program_is_seen_by_what_its_shim_has_written),
		WORLD(watch_says_a_line_for_each_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
