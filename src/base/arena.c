#include "arena.h"
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_FIRST ((size_t)1024)
#define BLOCK_MAX ((size_t)64 * 1024)

struct arena_block {
	struct arena_block *next;
	size_t size, used; /* of bytes */
	_Alignas(max_align_t) char bytes[];
};

void arena_init(struct arena *a, size_t limit)
{
	*a = (struct arena){ .limit = limit };
}

void arena_release(struct arena *a)
{
	while (a->blocks) {
		struct arena_block *b = a->blocks;
		a->blocks = b->next;
		free(b);
	}
	a->used = 0;
}

void arena_reset(struct arena *a)
{
	struct arena_block *kept = a->blocks;

	if (!kept)
		return;
	a->blocks = kept->next;
	arena_release(a);
	kept->next = NULL;
	kept->used = 0;
	a->blocks = kept;
}

/* Padding that brings the block's next free byte to the alignment (a power of two). */
static size_t padding(const struct arena_block *b, size_t align)
{
	return (align - (b->used & (align - 1))) & (align - 1);
}

/* Blocks double up to BLOCK_MAX. Something too big for that gets a block of its own behind the first one, whose room
 * stays in use. */
static struct arena_block *add_block(struct arena *a, size_t size)
{
	size_t want = a->blocks ? a->blocks->size + offsetof(struct arena_block, bytes) : BLOCK_FIRST / 2;
	want = (want < BLOCK_MAX ? want * 2 : BLOCK_MAX) - offsetof(struct arena_block, bytes);
	bool own = size > want;

	if (own)
		want = size;
	if (want > PTRDIFF_MAX - sizeof(struct arena_block))
		return NULL;
	struct arena_block *b = malloc(offsetof(struct arena_block, bytes) + want);
	if (!b)
		return NULL;
	b->size = want;
	b->used = 0;
	if (own && a->blocks) {
		b->next = a->blocks->next;
		a->blocks->next = b;
	} else {
		b->next = a->blocks;
		a->blocks = b;
	}
	return b;
}

static void *take(struct arena *a, size_t size, size_t align)
{
	struct arena_block *b = a->blocks;

	if (size == 0)
		size = 1; /* NULL is kept for failure */
	if (a->limit && (a->used >= a->limit || size > a->limit - a->used))
		return NULL;
	size_t pad = b ? padding(b, align) : 0;
	if (!b || pad > b->size - b->used || size > b->size - b->used - pad) {
		b = add_block(a, size);
		if (!b)
			return NULL;
		pad = 0;
	}
	void *p = b->bytes + b->used + pad;
	b->used += pad + size;
	a->used += pad + size;
	return p;
}

void *arena_alloc(struct arena *a, size_t size)
{
	void *p = take(a, size, _Alignof(max_align_t));
	return p ? memset(p, 0, size) : NULL;
}

void *arena_calloc(struct arena *a, size_t count, size_t size)
{
	if (size && count > SIZE_MAX / size)
		return NULL;
	return arena_alloc(a, count * size);
}

struct slice arena_copy(struct arena *a, struct slice s)
{
	if (!s.data || s.len == SIZE_MAX)
		return SLICE_NONE;
	char *copy = take(a, s.len + 1, 1);
	if (!copy)
		return SLICE_NONE;
	memcpy(copy, s.data, s.len);
	copy[s.len] = '\0';
	return slice_make(copy, s.len);
}

char *arena_strdup(struct arena *a, const char *text)
{
	if (!text)
		return NULL;
	size_t size = strlen(text) + 1;
	char *copy = take(a, size, 1);
	return copy ? memcpy(copy, text, size) : NULL;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	char *text = arena_vprintf(a, fmt, args);
	va_end(args);
	return text;
}

char *arena_vprintf(struct arena *a, const char *fmt, va_list args)
{
	va_list again;
	va_copy(again, args);
	int n = vsnprintf(NULL, 0, fmt, args);
	char *text = n < 0 ? NULL : take(a, (size_t)n + 1, 1);
	if (text)
		vsnprintf(text, (size_t)n + 1, fmt, again);
	va_end(again);
	return text;
}
