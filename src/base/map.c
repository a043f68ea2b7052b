#include "map.h"
#include <stdlib.h>
#include <string.h>

#define SLOTS_FIRST ((size_t)16)
#define SLOTS_KEPT ((size_t)64) /* an empty map gives back more than that */

void map_init(struct map *m)
{
	*m = (struct map){ NULL, 0, 0 };
}

void map_release(struct map *m)
{
	for (size_t i = 0; i < m->slot_count; i++) {
		while (m->slots[i]) {
			struct map_entry *e = m->slots[i];
			m->slots[i] = e->next;
			free(e);
		}
	}
	free(m->slots);
	map_init(m);
}

/* FNV-1a, folded so that the low bits, which choose the slot, hear of the high ones. */
static uint32_t hash_of(struct slice key)
{
	uint32_t h = 2166136261u;
	for (size_t i = 0; i < key.len; i++)
		h = (h ^ (unsigned char)key.data[i]) * 16777619u;
	return h ^ h >> 15;
}

static bool has_key(const struct map_entry *e, struct slice key, uint32_t hash)
{
	return e->hash == hash && e->key_len == key.len && (key.len == 0 || memcmp(e->key, key.data, key.len) == 0);
}

/* The link that points to the key's entry, or the NULL at the end of its chain. The map has slots. */
static struct map_entry **find(const struct map *m, struct slice key, uint32_t hash)
{
	struct map_entry **link = &m->slots[hash & (m->slot_count - 1)];
	while (*link && !has_key(*link, key, hash))
		link = &(*link)->next;
	return link;
}

void *map_get(const struct map *m, struct slice key)
{
	if (m->count == 0)
		return NULL;
	const struct map_entry *e = *find(m, key, hash_of(key));
	return e ? e->value : NULL;
}

/* False when there is no memory: longer chains still work, so that only matters for a map without any slot. */
static bool grow(struct map *m)
{
	size_t slot_count = m->slot_count ? m->slot_count * 2 : SLOTS_FIRST;
	if (slot_count > SIZE_MAX / 2 / sizeof(*m->slots))
		return false;
	struct map_entry **slots = calloc(slot_count, sizeof(*slots));
	if (!slots)
		return false;
	for (size_t i = 0; i < m->slot_count; i++) {
		for (struct map_entry *e = m->slots[i], *next; e; e = next) {
			struct map_entry **slot = &slots[e->hash & (slot_count - 1)];
			next = e->next;
			e->next = *slot;
			*slot = e;
		}
	}
	free(m->slots);
	m->slots = slots;
	m->slot_count = slot_count;
	return true;
}

static struct map_entry *new_entry(struct slice key, uint32_t hash, void *value)
{
	struct map_entry *e = malloc(sizeof(*e) + key.len + 1);
	if (!e)
		return NULL;
	e->next = NULL;
	e->value = value;
	e->hash = hash;
	e->key_len = (uint32_t)key.len;
	if (key.len)
		memcpy(e->key, key.data, key.len);
	e->key[key.len] = '\0';
	return e;
}

int map_put(struct map *m, struct slice key, void *value, void **old)
{
	void *before = NULL;

	if (key.len >= UINT32_MAX - sizeof(struct map_entry))
		return PAWL_ENOMEM;
	if (m->count >= m->slot_count && !grow(m) && !m->slots)
		return PAWL_ENOMEM;
	uint32_t hash = hash_of(key);
	struct map_entry **link = find(m, key, hash);
	if (*link) {
		before = (*link)->value;
		(*link)->value = value;
	} else {
		*link = new_entry(key, hash, value);
		if (!*link)
			return PAWL_ENOMEM;
		m->count++;
	}
	if (old)
		*old = before;
	return 0;
}

/* Never moves another entry: map_each stands on one while its callback removes it. */
void *map_remove(struct map *m, struct slice key)
{
	if (m->count == 0)
		return NULL;
	struct map_entry **link = find(m, key, hash_of(key));
	struct map_entry *e = *link;
	if (!e)
		return NULL;
	void *value = e->value;
	*link = e->next;
	free(e);
	if (--m->count == 0 && m->slot_count > SLOTS_KEPT)
		map_release(m);
	return value;
}

int map_each(struct map *m, int (*visit)(void *arg, struct slice key, void *value), void *arg)
{
	for (size_t i = 0; i < m->slot_count; i++) {
		for (struct map_entry *e = m->slots[i], *next; e; e = next) {
			next = e->next;
			int rc = visit(arg, slice_make(e->key, e->key_len), e->value);
			if (rc)
				return rc;
		}
	}
	return 0;
}
