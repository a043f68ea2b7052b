/*
 * buf.h - a growable byte buffer.
 *
 * Appending never fails visibly: out of memory sets `failed`, later appends do nothing, and the one check at the end
 * (buf_ok) is enough. The bytes are always followed by a NUL that len does not count, so data is a C string too
 * (buf_str() gives "" for an empty one).
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "slice.h"
#include <pawl/error.h>
#include <stdarg.h>
#include <stdint.h>

struct buf {
	char *data;
	size_t len, cap;
	bool failed;
};

#define BUF_INIT ((struct buf){ NULL, 0, 0, false })

void buf_init(struct buf *b);
void buf_release(struct buf *b);             /* frees the memory; call buf_init to use it again */
void buf_reset(struct buf *b);               /* length 0, memory kept, failure forgotten */
bool buf_reserve(struct buf *b, size_t more); /* room for more bytes without another allocation */
void buf_add(struct buf *b, const void *data, size_t len);
void buf_addc(struct buf *b, char c);
void buf_adds(struct buf *b, const char *text);
void buf_add_slice(struct buf *b, struct slice s);
void buf_addu(struct buf *b, uint64_t n);    /* decimal */
void buf_addi(struct buf *b, int64_t n);
void buf_addf(struct buf *b, const char *fmt, ...) PAWL_PRINTF(2, 3);
void buf_addv(struct buf *b, const char *fmt, va_list args);
void buf_truncate(struct buf *b, size_t len);
static inline bool buf_ok(const struct buf *b) { return !b->failed; }
static inline const char *buf_str(const struct buf *b) { return b->data ? b->data : ""; }
static inline struct slice buf_slice(const struct buf *b) { return (struct slice){ buf_str(b), b->len }; }
/* The malloc'd bytes (NUL-terminated) become the caller's; the buffer is empty. NULL when an append had failed. */
char *buf_detach(struct buf *b, size_t *len);

#endif
