/* test_runtime_registry.c - which orchestrations and activities there are. What is registered stays so in this process:
 * each test has names of its own. */
#include "unit/runtime_world.h"
#include "runtime/registry.h"
#include <sys/stat.h>
#include <unistd.h>

static int orchestration(pawl_ctx *ctx, const char *input)
{
	return pawl_return(ctx, input);
}

static int activity(pawl_work *work, const char *input)
{
	return pawl_work_return(work, "%s", input);
}

static int other_activity(pawl_work *work, const char *input)
{
	return pawl_work_return(work, "other %s", input);
}

#define FLOW(name_, version_) { PAWL_ABI, name_, version_, orchestration, NULL, NULL, NULL }
#define STEP(name_) { PAWL_ABI, name_, NULL, NULL, activity, NULL, NULL }

struct rig {
	struct config config;
	struct registry *registry;
	char dirs[2][64];
	const char *dir_list[3];
};

static void load(struct rig *r)
{
	registry_free(r->registry);
	r->registry = NULL;
	assert_int_equal(registry_new(&r->registry, &r->config, NULL), 0);
}

static void add(struct rig *r, pawl_registration *list, size_t count)
{
	for (size_t n = 0; n < count; n++)
		pawl_register(&list[n]);
	load(r);
}
#define ADD(r, list) add((r), (list), sizeof(list) / sizeof((list)[0]))

static void keep_line(void *arg, enum log_level level, const char *line);
static char logged[256 * 1024];

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	logged[0] = '\0';
	log_set_sink(keep_line, NULL);
	assert_int_equal(config_init(&r->config), 0);
	r->config.plugins = NULL;
	for (unsigned n = 0; n < 2; n++) {
		snprintf(r->dirs[n], sizeof(r->dirs[n]), "/tmp/pawl-registry-XXXXXX");
		assert_non_null(mkdtemp(r->dirs[n]));
		r->dir_list[n] = r->dirs[n];
	}
	r->config.activities_dirs = r->dir_list;
	load(r);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	registry_free(r->registry);
	for (unsigned n = 0; n < 2; n++)
		(void)os_remove_tree(os_linux(), OS_CWD, r->dirs[n], 3);
	config_release(&r->config);
	log_set_sink(NULL, NULL);
	free(r);
	return 0;
}

static void keep_line(void *arg, enum log_level level, const char *line)
{
	size_t len = strlen(logged);

	(void)arg;
	(void)level;
	snprintf(logged + len, sizeof(logged) - len, "%s\n", line);
}

static const char *version_of(struct rig *r, const char *name, const char *version)
{
	const struct pawl_registration *g = registry_orchestration(r->registry, name, version);

	return g ? g->version : NULL;
}

static void put_file(const char *dir, const char *name, unsigned mode)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs("#!/bin/sh\n", f);
	fclose(f);
	assert_int_equal(chmod(path, mode), 0);
}

/* ---- versions ---- */

static void versions_compare_as_people_read_them(void **state)
{
	/* each is before the next */
	static const char *const order[] = { "0.9", "0.10", "1.0-alpha", "1.0-rc1", "1.0-rc2", "1.0-rc10", "1.0", "1.0.1", "1.0.2",
		"1.0.10", "1.2", "1.9", "1.10", "2", "2.0", "10", "10.0.0", "2026.11", "20261121", "a", "b" };
	size_t count = sizeof(order) / sizeof(order[0]);

	(void)state;
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < count; j++) {
			int c = version_compare(order[i], order[j]);
			if (c != (i < j ? -1 : i > j ? 1 : 0))
				fail_msg("version_compare(%s, %s) gave %d", order[i], order[j], c);
		}
}

/* ---- orchestrations ---- */

static void the_newest_version_wins_where_none_is_asked_for(void **state)
{
	static pawl_registration list[] = { FLOW("newest", "1.9"), FLOW("newest", "1.10"), FLOW("newest", "1.10-rc1"), FLOW("newest", "1.2") };

	ADD(*state, list);
	assert_string_equal(version_of(*state, "newest", NULL), "1.10");
	assert_string_equal(version_of(*state, "newest", ""), "1.10");
}

static void a_version_that_is_asked_for_is_that_one_or_none(void **state)
{
	static pawl_registration list[] = { FLOW("exact", "1.0"), FLOW("exact", "2.0"), FLOW("exact-too", "3.0") };

	ADD(*state, list);
	assert_string_equal(version_of(*state, "exact", "1.0"), "1.0");
	assert_string_equal(version_of(*state, "exact", "2.0"), "2.0");
	assert_null(version_of(*state, "exact", "3.0"));
	assert_null(version_of(*state, "exact", "2"));
	assert_null(version_of(*state, "exac", NULL));
	assert_null(version_of(*state, "exact-", NULL));
}

static void an_orchestration_and_an_activity_may_have_one_name(void **state)
{
	static pawl_registration list[] = { STEP("both"), FLOW("both", "1") };
	struct activity a;

	ADD(*state, list);
	assert_string_equal(version_of(*state, "both", NULL), "1");
	assert_true(registry_activity(((struct rig *)*state)->registry, "both", &a));
	assert_true(a.fn == activity);
}

static void of_two_with_one_name_and_version_the_first_one_stays(void **state)
{
	static pawl_registration first = STEP("double"), flow = FLOW("double-flow", "1.0"), second = STEP("double"),
		flow_again = FLOW("double-flow", "1.0");
	struct rig *r = *state;
	struct activity a;

	second.activity = other_activity;
	pawl_register(&first);
	pawl_register(&flow);
	pawl_register(&second);
	pawl_register(&flow_again);
	load(r);
	assert_true(registry_activity(r->registry, "double", &a));
	assert_true(a.fn == activity);
	assert_ptr_equal(registry_orchestration(r->registry, "double-flow", NULL), &flow);
	assert_non_null(strstr(logged, "'double' of program is registered already by program"));
	assert_non_null(strstr(logged, "'double-flow' of program is registered already by program"));
}

/* Among so many that no sort stays stable by chance. */
static void the_first_one_stays_also_among_very_many(void **state)
{
	static pawl_registration list[600];
	static char names[200][16];
	struct activity a;

	for (unsigned n = 0; n < 600; n++) {
		snprintf(names[n % 200], sizeof(names[0]), "many-%u", n * 77 % 200);
		list[n] = (pawl_registration)STEP(names[n % 200]);
		list[n].activity = n < 200 ? activity : other_activity;
	}
	ADD(*state, list);
	for (unsigned n = 0; n < 200; n++) {
		assert_true(registry_activity(((struct rig *)*state)->registry, names[n], &a));
		assert_true(a.fn == activity);
	}
}

static void registering_one_thing_twice_is_registering_it_once(void **state)
{
	static pawl_registration list[] = { STEP("twice"), STEP("twice-other") };
	struct activity a;

	ADD(*state, list);
	ADD(*state, list);
	assert_true(registry_activity(((struct rig *)*state)->registry, "twice", &a));
	assert_null(strstr(logged, "'twice'"));
}

static void what_has_a_bad_name_or_version_or_another_abi_is_left_out(void **state)
{
	static pawl_registration list[] = { FLOW("bad name", "1"), FLOW("../up", "1"), FLOW("", "1"), FLOW(NULL, "1"), FLOW("no-version", NULL),
		FLOW("bad-version", "1 0"), FLOW("empty-version", ""), FLOW("other-abi", "1"), STEP("bad//step"), STEP("other-abi-step"),
		FLOW("good-among-bad", "1") };
	struct rig *r = *state;
	struct activity a;

	list[7].abi = PAWL_ABI + 1;
	list[9].abi = 0;
	ADD(r, list);
	for (unsigned n = 0; n < 10; n++) {
		assert_null(list[n].name ? registry_orchestration(r->registry, list[n].name, NULL) : NULL);
		assert_false(list[n].name && registry_activity(r->registry, list[n].name, &a));
	}
	assert_string_equal(version_of(r, "good-among-bad", NULL), "1");
	assert_non_null(strstr(logged, "'other-abi' of program was built for another pawl"));
	assert_non_null(strstr(logged, "'bad name'"));
}

static void what_has_no_function_is_left_out(void **state)
{
	static pawl_registration list[] = { { PAWL_ABI, "nothing", NULL, NULL, NULL, NULL, NULL }, { PAWL_ABI, "nothing-flow", "1", NULL, NULL, NULL, NULL } };
	struct rig *r = *state;
	struct activity a;

	ADD(r, list);
	assert_false(registry_activity(r->registry, "nothing", &a));
	assert_false(registry_activity(r->registry, "nothing-flow", &a));
	assert_null(registry_orchestration(r->registry, "nothing-flow", NULL));
}

/* ---- activities that are programs ---- */

static void an_executable_of_a_directory_is_an_activity_from_the_moment_it_is_there(void **state)
{
	struct rig *r = *state;
	struct activity a;

	assert_false(registry_activity(r->registry, "late", &a));
	put_file(r->dirs[1], "late", 0755);
	assert_true(registry_activity(r->registry, "late", &a));
	assert_int_equal(a.kind, ACTIVITY_PROGRAM);
	assert_null(a.config);
	assert_true(strncmp(a.path, r->dirs[1], strlen(r->dirs[1])) == 0);
	put_file(r->dirs[0], "late", 0755); /* the first directory comes first */
	assert_true(registry_activity(r->registry, "late", &a));
	assert_true(strncmp(a.path, r->dirs[0], strlen(r->dirs[0])) == 0);
}

static void what_is_not_an_executable_file_is_no_activity(void **state)
{
	struct rig *r = *state;
	struct activity a;
	char path[512];

	put_file(r->dirs[0], "plain", 0644);
	snprintf(path, sizeof(path), "%s/folder", r->dirs[0]);
	assert_int_equal(mkdir(path, 0755), 0);
	put_file(path, "inside", 0755);
	assert_false(registry_activity(r->registry, "plain", &a));
	assert_false(registry_activity(r->registry, "folder", &a));
	assert_false(registry_activity(r->registry, "../etc/passwd", &a));
	assert_false(registry_activity(r->registry, "folder/../plain", &a));
	assert_false(registry_activity(r->registry, "", &a));
	assert_true(registry_activity(r->registry, "folder/inside", &a)); /* a name may have slashes */
}

static void a_function_comes_before_the_configuration_and_that_before_directories(void **state)
{
	static pawl_registration list[] = { STEP("rank-a") };
	static const char *const argv[] = { "/bin/true", NULL };
	struct config_activity configured[] = { { .name = "rank-a", .exec = argv, .origin = "test:1:1" }, { .name = "rank-b", .exec = argv, .origin = "test:2:1" } };
	struct rig *r = *state;
	struct activity a;

	put_file(r->dirs[0], "rank-a", 0755);
	put_file(r->dirs[0], "rank-b", 0755);
	put_file(r->dirs[0], "rank-c", 0755);
	r->config.activities = configured;
	r->config.activity_count = 2;
	ADD(r, list);
	assert_true(registry_activity(r->registry, "rank-a", &a));
	assert_int_equal(a.kind, ACTIVITY_FUNCTION);
	assert_true(registry_activity(r->registry, "rank-b", &a));
	assert_int_equal(a.kind, ACTIVITY_PROGRAM);
	assert_ptr_equal(a.config, &configured[1]);
	assert_true(registry_activity(r->registry, "rank-c", &a));
	assert_null(a.config);
	r->config.activities = NULL;
	r->config.activity_count = 0;
}

/* ---- the list ---- */

struct listing {
	char text[65536];
	int stop_after;
};

static int list_item(void *arg, const struct registry_item *item)
{
	struct listing *l = arg;
	size_t len = strlen(l->text);

	snprintf(l->text + len, sizeof(l->text) - len, "%s %s %s\n", item->kind, item->name, item->version ? item->version : "-");
	return l->stop_after-- == 0 ? 77 : 0;
}

static void the_list_has_orchestrations_newest_first_then_activities_of_all_kinds(void **state)
{
	static pawl_registration list[] = { FLOW("zz-list", "1.9"), STEP("zz-step"), FLOW("zz-list", "1.10") };
	static const char *const argv[] = { "/bin/true", NULL };
	struct config_activity configured[] = { { .name = "zz-configured", .exec = argv, .origin = "test:1:1" } };
	static struct listing l;
	struct rig *r = *state;

	put_file(r->dirs[0], "zz-found", 0755);
	put_file(r->dirs[0], "zz-plain", 0644);
	r->config.activities = configured;
	r->config.activity_count = 1;
	ADD(r, list);
	l = (struct listing){ .stop_after = -1 };
	assert_int_equal(registry_each(r->registry, list_item, &l), 0);
	const char *new = strstr(l.text, "orchestration zz-list 1.10\n"), *old = strstr(l.text, "orchestration zz-list 1.9\n"),
		*step = strstr(l.text, "activity zz-step -\n"), *config = strstr(l.text, "activity zz-configured -\n"), *found = strstr(l.text, "activity zz-found -\n");
	assert_true(new && old && step && config && found);
	assert_true(new < old && old < step && step < config && config < found);
	assert_null(strstr(l.text, "zz-plain"));
	l = (struct listing){ .stop_after = 0 };
	assert_int_equal(registry_each(r->registry, list_item, &l), 77);
	r->config.activities = NULL;
	r->config.activity_count = 0;
}

static void a_plugin_that_does_not_load_is_left_out_and_told(void **state)
{
#if PAWL_WITH_PLUGINS
	struct rig *r = *state;
	const char *dirs[] = { r->dirs[0], "/nowhere/at/all", NULL };

	put_file(r->dirs[0], "broken.so", 0755);
	put_file(r->dirs[0], "not-a-plugin.txt", 0755);
	r->config.plugins = dirs;
	load(r);
	assert_non_null(strstr(logged, "cannot load plugin '"));
	assert_non_null(strstr(logged, "broken.so"));
	assert_null(strstr(logged, "not-a-plugin"));
	r->config.plugins = NULL;
#else
	(void)state;
	skip();
#endif
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(versions_compare_as_people_read_them),
		test(the_newest_version_wins_where_none_is_asked_for),
		test(a_version_that_is_asked_for_is_that_one_or_none),
		test(an_orchestration_and_an_activity_may_have_one_name),
		test(of_two_with_one_name_and_version_the_first_one_stays),
		test(the_first_one_stays_also_among_very_many),
		test(registering_one_thing_twice_is_registering_it_once),
		test(what_has_a_bad_name_or_version_or_another_abi_is_left_out),
		test(what_has_no_function_is_left_out),
		test(an_executable_of_a_directory_is_an_activity_from_the_moment_it_is_there),
		test(what_is_not_an_executable_file_is_no_activity),
		test(a_function_comes_before_the_configuration_and_that_before_directories),
		test(the_list_has_orchestrations_newest_first_then_activities_of_all_kinds),
		test(a_plugin_that_does_not_load_is_left_out_and_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
