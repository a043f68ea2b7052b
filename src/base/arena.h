/* arena.h - memory that is freed all at once: a turn, a decoded history, a configuration. Not thread-safe. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "slice.h"
#include <pawl/error.h>
#include <stdarg.h>
#include <stdint.h>

struct arena_block;

struct arena {
	struct arena_block *blocks;
	size_t used, limit; /* bytes handed out; limit 0 = none */
};

void arena_init(struct arena *a, size_t limit);
void arena_release(struct arena *a);
void arena_reset(struct arena *a); /* empty, but its newest block is kept for what comes next */
/* Aligned for any type, zeroed. NULL when out of memory or over the limit. */
void *arena_alloc(struct arena *a, size_t size);
void *arena_calloc(struct arena *a, size_t count, size_t size);
/* Copies are NUL-terminated. A NONE slice stays NONE; on failure NONE is returned for something that was there. */
struct slice arena_copy(struct arena *a, struct slice s);
char *arena_strdup(struct arena *a, const char *text);
char *arena_printf(struct arena *a, const char *fmt, ...) PAWL_PRINTF(2, 3);
char *arena_vprintf(struct arena *a, const char *fmt, va_list args);

#endif
