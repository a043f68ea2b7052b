/* map.h - hash map from a byte string to a pointer (keys are copied). Iteration order is not defined: sort first where
 * anything a person or a replay sees depends on it. SipHash-free on purpose: ids are checked and counts are capped. */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "slice.h"
#include <pawl/error.h>
#include <stdint.h>

struct map_entry {
	struct map_entry *next;
	void *value;
	uint32_t hash, key_len;
	char key[]; /* NUL-terminated */
};

struct map {
	struct map_entry **slots;
	size_t count, slot_count;
};

void map_init(struct map *m);
void map_release(struct map *m); /* values are the caller's */
void *map_get(const struct map *m, struct slice key);
/* 0, or PAWL_ENOMEM (the map is unchanged). A value that was there is replaced; *old (may be NULL) gets it or NULL. */
int map_put(struct map *m, struct slice key, void *value, void **old) PAWL_MUST_USE;
void *map_remove(struct map *m, struct slice key); /* the value, or NULL */
/* Visit all entries; the callback may remove the entry it was called for, nothing else. Stop when it returns non-zero. */
int map_each(struct map *m, int (*visit)(void *arg, struct slice key, void *value), void *arg);

#endif
