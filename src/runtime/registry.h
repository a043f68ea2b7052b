/*
 * registry.h - which orchestrations and activities there are, and where they come from.
 *
 * Orchestrations: functions that registered themselves (pawl_register), in the program or in a plugin. Activities: the
 * same; else those of the configuration; else executables of the activity directories, found by name when they are
 * needed, so that one can be added while the runtime runs. The first of these that has the name wins.
 */
#ifndef RUNTIME_REGISTRY_H
#define RUNTIME_REGISTRY_H

#include "base/buf.h"
#include "runtime/config.h"

struct registry;

enum activity_kind { ACTIVITY_FUNCTION, ACTIVITY_PROGRAM };

struct activity {
	enum activity_kind kind;
	pawl_activity_fn fn;
	const struct config_activity *config; /* what the configuration says of it, or NULL */
	char path[512];                       /* of an executable from a directory */
};

/* Loads the plugins (each *.so of the configured directories; a plugin stays loaded until the process ends). A plugin
 * that cannot be loaded is logged and left out; two things with one name (and version): the first one stays, logged. */
int registry_new(struct registry **out, const struct config *config, struct pawl_error *err) PAWL_MUST_USE;
void registry_free(struct registry *r);

/* version NULL or empty: the newest. NULL when there is none. */
const struct pawl_registration *registry_orchestration(const struct registry *r, const char *name, const char *version);
/* False: nobody has it; out->config may be there all the same (run_by: worker). */
bool registry_activity(const struct registry *r, const char *name, struct activity *out);
/* Numbers compare as numbers: 1.10 > 1.9; a pre-release ("1.0-rc1") is before its release. */
int version_compare(const char *a, const char *b);

/* Everything, for `pawl types`: sorted; kind "orchestration", "entity" or "activity". */
struct registry_item {
	const char *kind, *name, *version, *origin;
};
int registry_each(const struct registry *r, int (*each)(void *arg, const struct registry_item *item), void *arg);

#endif
