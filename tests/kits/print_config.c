/* print_config.c FILE - every key of pawl.yaml and what the runtime has for it after reading FILE, so that two ways to say
 * the same thing can be compared. Activities by name, with their keys below. */
#include "base/buf.h"
#include "runtime/config_table.h"
#include <inttypes.h>
#include <stdio.h>

static void print_list(const char *const *list)
{
	for (size_t i = 0; list && list[i]; i++)
		printf(" <%s>", list[i]);
	putchar('\n');
}

static void print_value(enum config_type type, const void *field)
{
	switch (type) {
	case CONFIG_IS_TEXT:
	case CONFIG_IS_PATH:
		printf(" <%s>\n", *(const char *const *)field ? *(const char *const *)field : "");
		break;
	case CONFIG_IS_LIST:
	case CONFIG_IS_PATHS:
	case CONFIG_IS_ENV:
		print_list(*(const char *const *const *)field);
		break;
	case CONFIG_IS_BOOL:
		printf(" %d\n", *(const bool *)field);
		break;
	case CONFIG_IS_COUNT:
		printf(" %" PRIu32 "\n", *(const uint32_t *)field);
		break;
	case CONFIG_IS_INTEGER:
	case CONFIG_IS_DURATION:
		printf(" %" PRId64 "\n", *(const int64_t *)field);
		break;
	case CONFIG_IS_SIZE:
		printf(" %" PRIu64 "\n", *(const uint64_t *)field);
		break;
	case CONFIG_IS_NUMBER:
		printf(" %g\n", *(const double *)field);
		break;
	case CONFIG_IS_CHOICE:
		printf(" %d\n", *(const int *)field);
		break;
	}
}

static void print_keys(const void *base, bool of_activity)
{
	for (size_t i = 0; i < config_key_count; i++) {
		if (config_key_is_of_activity(&config_keys[i]) != of_activity)
			continue;
		printf("%s", config_keys[i].path);
		print_value(config_keys[i].type, (const char *)base + config_keys[i].offset);
	}
}

int main(int argc, char **argv)
{
	struct pawl_error err = { 0 };
	struct config cfg;

	if (config_init(&cfg) || config_load(&cfg, argc > 1 ? argv[1] : "", &err)) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	print_keys(&cfg, false);
	for (size_t i = 0; i < cfg.activity_count; i++) {
		printf("activity %s\n", cfg.activities[i].name);
		print_keys(&cfg.activities[i], true);
	}
	config_release(&cfg);
	return 0;
}
