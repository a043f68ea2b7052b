/* test_board_configs.c - the configurations that boards bring (board/NAME/pawl.yaml) load, and say why each key is there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/config.h"
#include <glob.h>
#include <stdio.h>
#include <string.h>

static glob_t boards;

static int find_boards(void **state)
{
	(void)state;
	return glob("board/*/pawl.yaml", 0, NULL, &boards);
}

static int forget_boards(void **state)
{
	(void)state;
	globfree(&boards);
	return 0;
}

static void each_is_loaded_without_a_mistake(void **state)
{
	struct pawl_error err = { 0 };
	struct config cfg;

	(void)state;
	if (!PAWL_WITH_YAML)
		skip();
	for (size_t n = 0; n < boards.gl_pathc; n++) {
		assert_int_equal(config_init(&cfg), 0);
		if (config_load(&cfg, boards.gl_pathv[n], &err))
			fail_msg("%s", err.text);
		config_release(&cfg);
	}
}

/* A section's name ends with a colon; anything else that is no comment has a value. */
static bool has_value(const char *line)
{
	const char *text = line + strspn(line, " ");
	const char *colon = strchr(text, ':');

	return *text && *text != '#' && *text != '\n' && !(colon && colon[strspn(colon, ": \n")] == '\0');
}

static void each_key_has_its_reason_beside_it(void **state)
{
	char line[512];

	(void)state;
	for (size_t n = 0; n < boards.gl_pathc; n++) {
		FILE *file = fopen(boards.gl_pathv[n], "r");
		unsigned keys = 0;

		assert_non_null(file);
		while (fgets(line, sizeof(line), file)) {
			if (!has_value(line))
				continue;
			keys++;
			if (!strchr(line, '#'))
				fail_msg("'%s' gives no reason for: %s", boards.gl_pathv[n], line);
		}
		fclose(file);
		if (!keys && !strstr(boards.gl_pathv[n], "/debian/")) /* a package sets nothing for the device it comes to */
			fail_msg("'%s' sets nothing", boards.gl_pathv[n]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_is_loaded_without_a_mistake),
		cmocka_unit_test(each_key_has_its_reason_beside_it),
	};

	return cmocka_run_group_tests_name("board configurations", tests, find_boards, forget_boards);
}
