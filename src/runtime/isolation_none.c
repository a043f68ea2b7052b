/* isolation_none.c - in place of isolation.c (WITH_ISOLATION=no): programs run as the runtime does. The configuration has no
 * keys that ask for more; groups are numbers, as no names are looked up. */
#include "runtime/isolation.h"
#include "base/error.h"
#include "base/parts.h"
#include "base/text.h"

int isolation_check(const struct config_activity *c, struct pawl_error *err)
{
	(void)c, (void)err;
	return 0;
}

int isolation_options(const struct config_activity *c, const char *leaf, struct arena *arena, const char *const **options,
                      struct pawl_error *err)
{
	const char *const *none = arena_calloc(arena, 1, sizeof(*none));

	(void)c, (void)leaf;
	*options = none;
	return none ? 0 : err_nomem(err);
}

int isolation_group(const char *key, const char *value, uint32_t *gid, struct pawl_error *err)
{
	uint64_t n = 0;

	*gid = 0;
	if (!value)
		return 0;
	if (text_parse_u64(slice_of(value), &n) < 0 || n == 0 || n >= UINT32_MAX)
		return err_set(err, PAWL_EUNSUPPORTED, "'%s': cannot look up the group '%.64s', give its number: " WITHOUT_PART("ISOLATION"), key, value);
	*gid = (uint32_t)n;
	return 0;
}
