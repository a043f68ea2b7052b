/*
 * gaps.c - takes the tests that an emulator is known not to run (the list "gaps") out of a program of cmocka tests.
 *
 * Linked in with --wrap=_cmocka_run_group_tests by builds that have an emulator for RUNNER. $EMULATION_GAPS names the lines
 * for this processor (gaps.sh). With $EMULATION_GAPS_TRY the listed tests alone are run, one by one, and a line
 * "STALE ..." tells which of them pass.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

int __real__cmocka_run_group_tests(const char *name, const struct CMUnitTest *tests, size_t count, CMFixtureFunction setup,
                                   CMFixtureFunction teardown);
int __wrap__cmocka_run_group_tests(const char *name, const struct CMUnitTest *tests, size_t count, CMFixtureFunction setup,
                                   CMFixtureFunction teardown);

/* PROGRAM, TEST and reason, with a tab between them. */
static bool is_listed(const char *list, const char *test, char *why, size_t size)
{
	FILE *f = fopen(list, "re");
	char line[1000];
	bool found = false;

	if (!f) {
		fprintf(stderr, "cannot read '%s': %s\n", list, strerror(errno));
		exit(99);
	}
	while (!found && fgets(line, sizeof(line), f)) {
		char *rest = line, *program = strsep(&rest, "\t"), *name = strsep(&rest, "\t");
		const char *slash = strrchr(program, '/');
		found = name && rest && slash && strcmp(slash + 1, program_invocation_short_name) == 0 && strcmp(name, test) == 0;
		if (found)
			snprintf(why, size, "%.*s", (int)strcspn(rest, "\n"), rest);
	}
	fclose(f);
	return found;
}

int __wrap__cmocka_run_group_tests(const char *name, const struct CMUnitTest *tests, size_t count, CMFixtureFunction setup,
                                   CMFixtureFunction teardown)
{
	const char *list = getenv("EMULATION_GAPS");
	bool trying = getenv("EMULATION_GAPS_TRY");
	struct CMUnitTest *rest = calloc(count + 1, sizeof(*rest));
	char why[800];
	size_t n = 0;
	int failed = 0;

	if (!rest)
		return 1;
	for (size_t i = 0; i < count; i++) {
		bool gap = list && *list && is_listed(list, tests[i].name, why, sizeof(why));
		if (gap && !trying)
			printf("skipped %s: %s\n", tests[i].name, why);
		else if (!gap && !trying)
			rest[n++] = tests[i];
		else if (gap && __real__cmocka_run_group_tests(name, &tests[i], 1, setup, teardown) == 0)
			printf("STALE %s %s\n", program_invocation_short_name, tests[i].name);
		fflush(stdout);
	}
	if (!trying && n)
		failed = __real__cmocka_run_group_tests(name, rest, n, setup, teardown);
	free(rest);
	return failed;
}
