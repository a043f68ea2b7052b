/* slice.h - a piece of memory that somebody else owns. NULL data means "not there", which differs from empty. */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
	const char *data;
	size_t len;
};

#define SLICE_NONE ((struct slice){ NULL, 0 })
#define SLICE(lit) ((struct slice){ (lit), sizeof(lit) - 1 })
/* For printf: "%.*s", SLICE_FMT(s) */
#define SLICE_FMT(s) (int)(s).len, (s).data ? (s).data : ""

static inline struct slice slice_of(const char *text)
{
	return (struct slice){ text, text ? strlen(text) : 0 };
}

static inline struct slice slice_make(const void *data, size_t len)
{
	return (struct slice){ data, len };
}

static inline bool slice_eq(struct slice a, struct slice b)
{
	return a.len == b.len && !a.data == !b.data && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool slice_is(struct slice a, const char *text)
{
	return a.data && slice_eq(a, slice_of(text));
}

#endif
