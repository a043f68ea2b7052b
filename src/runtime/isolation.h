/*
 * isolation.h - from the settings of an activity to what the shim is told (src/shim/shim.h): user, groups, limits, cgroup.
 * Names are looked up here, as the shim knows numbers only.
 */
#ifndef RUNTIME_ISOLATION_H
#define RUNTIME_ISOLATION_H

#include "base/arena.h"
#include "runtime/config.h"

/* What can be said without the system: are rlimits, ionice, cgroup values well-formed? For config_finish; the text names the
 * key. 0 or PAWL_EINVALID. */
int isolation_check(const struct config_activity *c, struct pawl_error *err) PAWL_MUST_USE;

/* *options: NULL-terminated "name=value", in the arena; c NULL or nothing set: an empty list. leaf: the name of the
 * attempt's cgroup ("INSTANCE.SEQ.ATTEMPT"). PAWL_ENOTFOUND (no such user), PAWL_EPERM (we may not become it), PAWL_ENOMEM. */
int isolation_options(const struct config_activity *c, const char *leaf, struct arena *arena, const char *const **options,
                      struct pawl_error *err) PAWL_MUST_USE;

/* The number of a group that the configuration names under this key; 0 when value is NULL. PAWL_ENOTFOUND. */
int isolation_group(const char *key, const char *value, uint32_t *gid, struct pawl_error *err) PAWL_MUST_USE;

#endif
