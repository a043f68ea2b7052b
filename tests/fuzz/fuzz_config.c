/*
 * The configuration, with what activities are (the `activities:` of it are all the manifests that there are): no bytes crash, hang
 * or leak; a refused file says why and where; what was taken is in the range that the table of keys gives, and taking the
 * same files again gives the same. Pieces: pawl.yaml, then the files of conf.d in their order.
 */
#include "fuzz.h"
#include "runtime/config.h"
#include "runtime/config_table.h"
#include "runtime/isolation.h"

#define FILES_MAX 6

static int take(struct config *cfg, const uint8_t *data, size_t size, struct pawl_error *err)
{
	struct pieces p = pieces_of(data, size);
	struct slice piece;
	char name[32];
	int rc = config_init(cfg);

	must(rc == 0);
	for (int i = 0; rc == 0 && i < FILES_MAX && pieces_next(&p, &piece); i++) {
		snprintf(name, sizeof(name), "conf.d/%d.yaml", i);
		rc = config_apply(cfg, name, piece.data, piece.len, err);
		must(rc == 0 || strstr(err->text, name));
	}
	return rc == 0 ? config_finish(cfg, err) : rc;
}

static void number_is_in_range(const struct config_key *key, const char *field)
{
	double n = 0;

	switch (key->type) {
	case CONFIG_IS_COUNT: n = *(const uint32_t *)(const void *)field; break;
	case CONFIG_IS_SIZE: n = (double)*(const uint64_t *)(const void *)field; break;
	case CONFIG_IS_INTEGER:
	case CONFIG_IS_DURATION: n = (double)*(const int64_t *)(const void *)field; break;
	case CONFIG_IS_NUMBER: n = *(const double *)(const void *)field; break;
	default: return;
	}
	if (key->def && strcmp(key->def, "0") == 0 && !(n < 0 || n > 0))
		return;
	must(n >= (double)key->min && n <= (double)key->max);
}

static bool same_list(const char *const *a, const char *const *b)
{
	for (; a && b && *a && *b; a++, b++)
		if (strcmp(*a, *b) != 0)
			return false;
	return !a == !b && (!a || !*a == !*b);
}

static bool same_field(const struct config_key *key, const char *a, const char *b)
{
	const char *const *text_a = (const char *const *)(const void *)a, *const *text_b = (const char *const *)(const void *)b;

	switch (key->type) {
	case CONFIG_IS_COUNT: return memcmp(a, b, sizeof(uint32_t)) == 0;
	case CONFIG_IS_CHOICE: return memcmp(a, b, sizeof(int)) == 0;
	case CONFIG_IS_BOOL: return memcmp(a, b, sizeof(bool)) == 0;
	case CONFIG_IS_SIZE:
	case CONFIG_IS_INTEGER:
	case CONFIG_IS_DURATION:
	case CONFIG_IS_NUMBER: return memcmp(a, b, sizeof(uint64_t)) == 0;
	case CONFIG_IS_TEXT:
	case CONFIG_IS_PATH: return !*text_a == !*text_b && (!*text_a || strcmp(*text_a, *text_b) == 0);
	case CONFIG_IS_LIST:
	case CONFIG_IS_PATHS:
	case CONFIG_IS_ENV: return same_list(*(const char *const *const *)(const void *)a, *(const char *const *const *)(const void *)b);
	default: return true;
	}
}

static void same(const struct config *a, const struct config *b)
{
	must(a->activity_count == b->activity_count);
	for (size_t k = 0; k < config_key_count; k++) {
		const struct config_key *key = &config_keys[k];
		if (!config_key_is_of_activity(key))
			must(same_field(key, (const char *)a + key->offset, (const char *)b + key->offset));
		for (size_t i = 0; config_key_is_of_activity(key) && i < a->activity_count; i++)
			must(same_field(key, (const char *)&a->activities[i] + key->offset, (const char *)&b->activities[i] + key->offset));
	}
}

static void holds(const struct config *cfg)
{
	struct pawl_error err = { 0 };

	for (size_t k = 0; k < config_key_count; k++)
		if (!config_key_is_of_activity(&config_keys[k]))
			number_is_in_range(&config_keys[k], (const char *)cfg + config_keys[k].offset);
	for (size_t i = 0; i < cfg->activity_count; i++) {
		const struct config_activity *a = &cfg->activities[i];
		must(config_find_activity(cfg, a->name) == a && (!a->exec || a->exec[0]));
		must(i == 0 || strcmp(cfg->activities[i - 1].name, a->name) < 0);
		must(a->priority >= 1 && a->priority <= 9 && isolation_check(a, &err) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pawl_error err = { 0 }, again = { 0 };
	struct config cfg, second;
	int rc = take(&cfg, data, size, &err);

	must(rc == 0 || (rc == err.code && err.text[0]));
	must(take(&second, data, size, &again) == rc && strcmp(err.text, again.text) == 0);
	if (rc == 0) {
		holds(&cfg);
		same(&cfg, &second);
	}
	config_release(&cfg);
	config_release(&second);
	return 0;
}
