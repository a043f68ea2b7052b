/* test_limits.c - docs/limits.md has each limit of the public header and of the configuration, with its value. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/config_table.h"
#include <pawl/pawl.h>
#include <pawl/provider.h>
#include <stdio.h>
#include <string.h>

static char page[65536], header[65536];

static const char *read_text(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "r");
	size_t len;

	if (!file)
		return NULL;
	len = fread(text, 1, size - 1, file);
	fclose(file);
	text[len] = '\0';
	return text;
}

/* "| `NAME` | VALUE |" */
static void has_row(const char *name, const char *value)
{
	char row[128];

	snprintf(row, sizeof(row), "| `%s` | %s |", name, value);
	if (!strstr(page, row))
		fail_msg("docs/limits.md has no row '%s'", row);
}

static void the_page_has_the_values_of_the_header(void **state)
{
#define LIMIT(name) { #name, name }
	static const struct {
		const char *name;
		unsigned long value;
	} limits[] = {
		LIMIT(PAWL_PAYLOAD_BYTES_MAX), LIMIT(PAWL_SPILL_BYTES), LIMIT(PAWL_TURN_ACTIONS_MAX), LIMIT(PAWL_HISTORY_EVENTS_MAX),
		LIMIT(PAWL_HISTORY_BYTES_MAX), LIMIT(PAWL_STATUS_BYTES_MAX), LIMIT(PAWL_MESSAGES_MAX), LIMIT(PAWL_VALUES_MAX),
		LIMIT(PAWL_VALUE_BYTES_MAX), LIMIT(PAWL_VALUES_BYTES_MAX), LIMIT(PAWL_PATCHES_MAX), LIMIT(PAWL_TOPICS_MAX),
		LIMIT(PAWL_LOCKS_MAX),
	};
	char value[32];

	(void)state;
	if (!read_text("docs/limits.md", page, sizeof(page)))
		skip();
	for (size_t n = 0; n < sizeof(limits) / sizeof(limits[0]); n++) {
		snprintf(value, sizeof(value), "%lu", limits[n].value);
		has_row(limits[n].name, value);
	}
	assert_int_equal(PAWL_WORKER_MAX, 64);
}

static void no_limit_of_the_header_is_left_out(void **state)
{
	char name[80];

	(void)state;
	if (!read_text("docs/limits.md", page, sizeof(page)) || !read_text("include/pawl/pawl.h", header, sizeof(header)))
		skip();
	const char *at = strstr(header, "---- limits (I11)");
	assert_non_null(at);
	const char *end = strstr(at, "/* ----");
	end = end ? end : at + strlen(at);
	for (at = strstr(at, "#define "); at && at < end; at = strstr(at, "#define ")) {
		at += strlen("#define ");
		assert_int_equal(sscanf(at, "%79[A-Z_]", name), 1);
		if (!strstr(page, name))
			fail_msg("docs/limits.md says nothing of %s", name);
	}
}

static void the_page_has_the_defaults_of_the_configuration(void **state)
{
	static const char *const keys[] = { "limits.history_bytes_max", "limits.events_buffered_max", "limits.instances_max",
		"engine.memory_max", "engine.stack_bytes", "drops.bytes_max", "drops.watches_max", "process.output_bytes_max", "process.log_bytes_max" };

	(void)state;
	if (!read_text("docs/limits.md", page, sizeof(page)))
		skip();
	for (size_t k = 0; k < config_key_count; k++) {
		const struct config_key *key = &config_keys[k];
		for (size_t n = 0; n < sizeof(keys) / sizeof(keys[0]); n++)
			if (strcmp(keys[n], key->path) == 0)
				has_row(key->path, key->def);
		if (strncmp(key->path, "limits.", 7) == 0 && !strstr(page, key->path))
			fail_msg("docs/limits.md says nothing of %s", key->path);
		if (strncmp(key->path, "retention.", 10) == 0 && !strstr(page, key->path + 10))
			fail_msg("docs/limits.md says nothing of %s", key->path);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_page_has_the_values_of_the_header),
		cmocka_unit_test(no_limit_of_the_header_is_left_out),
		cmocka_unit_test(the_page_has_the_defaults_of_the_configuration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
