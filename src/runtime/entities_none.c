/* entities_none.c - in place of entities.c (WITH_ENTITIES=no): what is an entity, or waits for one, is not run. */
#include "base/error.h"
#include "base/parts.h"
#include "runtime/runtime.h"

bool id_is_entity(const char *id, const char *name)
{
	(void)name;
	return strncmp(id, ENTITY_PREFIX, sizeof(ENTITY_PREFIX) - 1) == 0;
}

int entity_check(const struct pawl_registration *def, const char *type, const char *id, struct pawl_error *err)
{
	if ((!def || !def->entity) && !id_is_entity(id, type))
		return 0;
	return err_set(err, PAWL_EUNSUPPORTED, "'%s' is an entity, and cannot run: " WITHOUT_PART("ENTITIES"), id);
}
