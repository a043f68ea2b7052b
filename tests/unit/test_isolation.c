/* test_isolation.c - from the settings of an activity to what the shim is told. */
#define _GNU_SOURCE /* getpwent */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "runtime/isolation.h"
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NOBODY 4000000000 /* has no entry anywhere */
#define LEAF   "u1.7.2"

static struct arena arena;
static struct pawl_error err;
static struct buf got;

static int set_up(void **state)
{
	(void)state;
	arena_init(&arena, 0);
	buf_init(&got);
	err = (struct pawl_error){ 0 };
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_release(&arena);
	buf_release(&got);
	return 0;
}

/* The options, each with a newline behind it. */
static int options(const struct config_activity *c)
{
	const char *const *list = NULL;
	int ret = isolation_options(c, LEAF, &arena, &list, &err);

	buf_reset(&got);
	for (; list && *list; list++)
		buf_addf(&got, "%s\n", *list);
	return ret;
}

static void assert_options(const struct config_activity *c, const char *want)
{
	assert_int_equal(isolation_check(c, &err), 0);
	if (options(c))
		fail_msg("%s", err.text);
	assert_string_equal(buf_str(&got), want);
}

static bool has(const char *option)
{
	return strstr(buf_str(&got), option) != NULL;
}

/* ---- the check ---- */

static void nothing_set_is_fine(void **state)
{
	struct config_activity c = { .name = "a" };

	(void)state;
	assert_int_equal(isolation_check(NULL, &err), 0);
	assert_int_equal(isolation_check(&c, &err), 0);
}

#define LIMITS(...) .rlimits = (const char *const[]){ __VA_ARGS__, NULL }
#define IDENTITY    "expected a name or a number below 4294967295, not "
#define CPU_MAX                                                                                                        \
	"'activities.a.cgroup_cpu_max': expected \"QUOTA PERIOD\" in microseconds (quota 1000 or more or max, period " \
	"1000 to 1000000), not "
#define IONICE "'activities.a.ionice': expected idle, best-effort:0 to best-effort:7 or realtime:0 to realtime:7, not "
#define CPU(value)                                                                                                     \
	{                                                                                                              \
		.cgroup = "/c", .cgroup_cpu_max = value                                                                \
	}

static void what_is_not_well_formed_is_refused_by_its_name(void **state)
{
	const struct {
		struct config_activity c;
		const char *text;
	} cases[] = {
		{ { .user = "" }, "'activities.a.user': " IDENTITY "''" },
		{ { .user = "4294967295" }, "'activities.a.user': " IDENTITY "'4294967295'" },
		{ { .group = "99999999999999999999" }, "'activities.a.group': " IDENTITY "'99999999999999999999'" },
		{ { .ionice = "" }, IONICE "''" },
		{ { .ionice = "idle:3" }, IONICE "'idle:3'" },
		{ { .ionice = "best-effort" }, IONICE "'best-effort'" },
		{ { .ionice = "best-effort:8" }, IONICE "'best-effort:8'" },
		{ { .ionice = "best-effort:" }, IONICE "'best-effort:'" },
		{ { .ionice = "realtime:07" }, IONICE "'realtime:07'" },
		{ { .ionice = ":1" }, IONICE "':1'" },
		{ { LIMITS("files=1") },
		  "'activities.a.rlimits': unknown limit 'files'; known: as, core, cpu, data, fsize, memlock, nofile, "
		  "nproc, stack" },
		{ { LIMITS("nofile=64", "as=-1") },
		  "'activities.a.rlimits.as': expected a number, a size such as 64KiB or unlimited, not '-1'" },
		{ { LIMITS("core=") },
		  "'activities.a.rlimits.core': expected a number, a size such as 64KiB or unlimited, not ''" },
		{ { LIMITS("cpu=Unlimited") },
		  "'activities.a.rlimits.cpu': expected a number, a size such as 64KiB or unlimited, not 'Unlimited'" },
		{ { .cgroup_memory_max = 1 },
		  "'activities.a.cgroup_memory_max' needs 'cgroup': name a directory that is delegated to pawl" },
		{ { .cgroup_cpu_max = "max 100000" },
		  "'activities.a.cgroup_cpu_max' needs 'cgroup': name a directory that is delegated to pawl" },
		{ CPU(""), CPU_MAX "''" },
		{ CPU("50000"), CPU_MAX "'50000'" },
		{ CPU("50000  100000"), CPU_MAX "'50000  100000'" },
		{ CPU("50000 100000 "), CPU_MAX "'50000 100000 '" },
		{ CPU("999 100000"), CPU_MAX "'999 100000'" },
		{ CPU("50000 1000001"), CPU_MAX "'50000 1000001'" },
		{ CPU("50000 max"), CPU_MAX "'50000 max'" },
		{ CPU("50% 100000"), CPU_MAX "'50% 100000'" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config_activity c = cases[i].c;

		c.name = "a";
		assert_int_equal(isolation_check(&c, &err), PAWL_EINVALID);
		assert_string_equal(err.text, cases[i].text);
		assert_int_equal(isolation_check(&c, NULL), PAWL_EINVALID);
	}
}

static void each_form_is_accepted(void **state)
{
	const struct config_activity cases[] = {
		{ .user = "root", .group = "4294967294" },
		{ .ionice = "idle" },
		{ .ionice = "best-effort:0" },
		{ .ionice = "realtime:7" },
		{ LIMITS("as=1", "core=0", "cpu=30", "data=1GiB", "fsize=64K", "memlock=unlimited", "nofile=64",
		         "nproc=5", "stack=8MiB") },
		CPU("50000 100000"),
		CPU("max 1000"),
		CPU("1000 1000000"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (isolation_check(&cases[i], &err))
			fail_msg("case %zu: %s", i, err.text);
}

/* ---- options without a user ---- */

static void nothing_set_gives_an_empty_list(void **state)
{
	struct config_activity c = { .name = "a" };

	(void)state;
	assert_options(NULL, "");
	assert_options(&c, "");
}

static void limits_and_cgroup_are_told_in_numbers(void **state)
{
	struct config_activity c = {
		.name = "a",
		.nice = -5,
		.ionice = "best-effort:7",
		LIMITS("nofile=64", "as=64MiB", "core=unlimited"),
		.no_new_privileges = true,
		.cgroup = "/sys/fs/cgroup/pawl",
		.cgroup_memory_max = 48 << 20,
		.cgroup_cpu_max = "50000 100000",
	};

	(void)state;
	assert_options(&c, "nice=-5\n"
	                   "ionice=best-effort:7\n"
	                   "rlimit_nofile=64\n"
	                   "rlimit_as=67108864\n"
	                   "rlimit_core=unlimited\n"
	                   "no_new_privs=1\n"
	                   "cgroup=/sys/fs/cgroup/pawl/" LEAF "\n"
	                   "cgroup_memory_max=50331648\n"
	                   "cgroup_cpu_max=50000 100000\n");
}

static void a_cgroup_stays_in_its_directory(void **state)
{
	static const char *const leaves[] = { NULL, "", ".", "..", "../x", "a/b", ".hidden" };
	struct config_activity c = { .name = "a", .cgroup = "/c" };
	const char *const *list = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++)
		assert_int_equal(isolation_options(&c, leaves[i], &arena, &list, &err), PAWL_EBUG);
	assert_null(list);
}

static void without_memory_it_says_so(void **state)
{
	struct config_activity c = { .name = "a", .nice = 5, .ionice = "idle", LIMITS("nofile=64", "as=64MiB") };
	const char *const *list = NULL;
	int ret = PAWL_ENOMEM;
	size_t limit = 1;

	(void)state;
	for (; ret == PAWL_ENOMEM && limit < 100000; limit += 8) {
		struct arena small;

		arena_init(&small, limit);
		list = NULL;
		ret = isolation_options(&c, LEAF, &small, &list, &err);
		assert_int_equal(!list, ret != 0);
		arena_release(&small);
	}
	assert_int_equal(ret, 0);
	assert_true(limit > 50);
}

/* ---- users ---- */

static void who_is_not_there_is_not_found(void **state)
{
	struct config_activity c = { .name = "a", .user = "no-such-user" };

	(void)state;
	assert_int_equal(options(&c), PAWL_ENOTFOUND);
	assert_string_equal(err.text, "there is no user 'no-such-user': add it or change 'user'");
	c = (struct config_activity){ .name = "a", .group = "no-such-group" };
	assert_int_equal(options(&c), PAWL_ENOTFOUND);
	assert_string_equal(err.text, "there is no group 'no-such-group': add it or change 'group'");
	assert_string_equal(buf_str(&got), "");
}

static const struct passwd *some_user(void)
{
	const struct passwd *p;

	setpwent();
	while ((p = getpwent()) && (p->pw_uid == 0 || p->pw_uid == geteuid() || strspn(p->pw_name, "0123456789") > 0))
		;
	endpwent();
	return p;
}

static void root_takes_uid_gid_and_groups_of_the_databases(void **state)
{
	struct config_activity c = { .name = "a" };
	const struct passwd *p = some_user();
	char name[100], number[32], want[64];

	(void)state;
	if (geteuid() != 0 || !p)
		skip();
	snprintf(name, sizeof(name), "%s", p->pw_name);
	snprintf(number, sizeof(number), "%lu", (unsigned long)p->pw_uid);
	snprintf(want, sizeof(want), "uid=%lu\ngid=%lu\ngroups=", (unsigned long)p->pw_uid, (unsigned long)p->pw_gid);
	for (int by_number = 0; by_number < 2; by_number++) {
		c.user = by_number ? number : name;
		assert_int_equal(options(&c), 0);
		assert_memory_equal(buf_str(&got), want, strlen(want));
		assert_true(strlen(buf_str(&got)) > strlen(want) + 1); /* the primary one at least */
	}
	c.group = "4242";
	assert_int_equal(options(&c), 0);
	assert_true(has("gid=4242\n"));
	assert_true(has("groups=4242"));
}

static void root_takes_a_number_without_an_entry_only_with_a_group(void **state)
{
	char user[16];
	struct config_activity c = { .name = "a", .user = user };

	(void)state;
	snprintf(user, sizeof(user), "%lu", (unsigned long)NOBODY);
	if (geteuid() != 0 || getpwuid((uid_t)NOBODY))
		skip();
	assert_int_equal(options(&c), PAWL_ENOTFOUND);
	assert_string_equal(err.text, "user '4000000000' has no entry in the password database: give 'group' too");
	c.group = "4242";
	assert_options(&c, "uid=4000000000\ngid=4242\n");
}

static void root_with_a_group_alone_has_no_other_groups(void **state)
{
	struct config_activity c = { .name = "a", .group = "4242" };
	const struct group *g = getgrgid(0);

	(void)state;
	if (geteuid() != 0 || !g)
		skip();
	assert_options(&c, "gid=4242\n");
	c.group = g->gr_name;
	assert_options(&c, "gid=0\n");
}

/* The rest as somebody who may not change anything; a root that runs the tests is that for a moment. */
static bool become_nobody(void)
{
	return geteuid() != 0 || (setegid(4242) == 0 && seteuid((uid_t)NOBODY) == 0);
}

static void become_root_again(void)
{
	if (getuid() == 0 && (seteuid(0) || setegid(getgid())))
		fail_msg("cannot become root again");
}

static void who_is_not_root_stays_who_he_is(void **state)
{
	char user[16], group[16];
	struct config_activity c = { .name = "a", .user = user };
	int ret[3];

	(void)state;
	if (!become_nobody())
		skip();
	snprintf(user, sizeof(user), "%lu", (unsigned long)geteuid());
	snprintf(group, sizeof(group), "%lu", (unsigned long)getegid());
	ret[0] = options(&c);
	c.group = group;
	ret[1] = options(&c);
	c.user = NULL;
	c.nice = 3;
	ret[2] = options(&c);
	become_root_again();
	assert_int_equal(ret[0], 0);
	assert_int_equal(ret[1], 0);
	assert_int_equal(ret[2], 0);
	assert_string_equal(buf_str(&got), "nice=3\n");
}

static void who_is_not_root_cannot_become_another(void **state)
{
	struct config_activity c = { .name = "a", .user = "0" };
	char want[512], text[2][PAWL_ERROR_TEXT_MAX];
	unsigned long uid, gid;
	int ret[2];

	(void)state;
	if (!become_nobody())
		skip();
	uid = geteuid();
	gid = getegid();
	ret[0] = options(&c);
	memcpy(text[0], err.text, sizeof(text[0]));
	c = (struct config_activity){ .name = "a", .group = "1" };
	ret[1] = options(&c);
	memcpy(text[1], err.text, sizeof(text[1]));
	become_root_again();
	assert_int_equal(ret[0], PAWL_EPERM);
	snprintf(want, sizeof(want),
	         "activity 'a' is to run as user '0' but pawl has uid %lu, and only root can change it: run pawl as "
	         "root or as that user, or remove 'user'",
	         uid);
	assert_string_equal(text[0], want);
	assert_int_equal(ret[1], PAWL_EPERM);
	snprintf(want, sizeof(want),
	         "activity 'a' is to run as group '1' but pawl has gid %lu, and only root can change it: run pawl as "
	         "root or in that group, or remove 'group'",
	         gid);
	assert_string_equal(text[1], want);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_set_is_fine),
		TEST(what_is_not_well_formed_is_refused_by_its_name),
		TEST(each_form_is_accepted),
		TEST(nothing_set_gives_an_empty_list),
		TEST(limits_and_cgroup_are_told_in_numbers),
		TEST(a_cgroup_stays_in_its_directory),
		TEST(without_memory_it_says_so),
		TEST(who_is_not_there_is_not_found),
		TEST(root_takes_uid_gid_and_groups_of_the_databases),
		TEST(root_takes_a_number_without_an_entry_only_with_a_group),
		TEST(root_with_a_group_alone_has_no_other_groups),
		TEST(who_is_not_root_stays_who_he_is),
		TEST(who_is_not_root_cannot_become_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
