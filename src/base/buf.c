#include "buf.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Invariants: data is NULL and cap is 0, or len < cap and data[len] is NUL. cap counts the NUL's place. */

#define BUF_FIRST_CAP 64
#define BUF_CAP_MAX ((size_t)PTRDIFF_MAX)
#define U64_DIGITS_MAX 20

void buf_init(struct buf *b)
{
	*b = BUF_INIT;
}

void buf_release(struct buf *b)
{
	free(b->data);
	*b = BUF_INIT;
}

void buf_reset(struct buf *b)
{
	b->failed = false;
	buf_truncate(b, 0);
}

/* Doubling keeps appends cheap; where memory is short, exactly what is needed may still be there. */
static bool grow(struct buf *b, size_t more)
{
	if (b->failed || more > BUF_CAP_MAX - 1 - b->len) {
		b->failed = true;
		return false;
	}
	size_t need = b->len + more + 1;
	size_t cap = b->cap < BUF_FIRST_CAP / 2 ? BUF_FIRST_CAP : b->cap <= BUF_CAP_MAX / 2 ? b->cap * 2 : BUF_CAP_MAX;
	if (cap < need)
		cap = need;
	char *data = realloc(b->data, cap);
	if (!data && cap > need)
		data = realloc(b->data, cap = need);
	if (!data) {
		b->failed = true;
		return false;
	}
	b->data = data;
	b->cap = cap;
	b->data[b->len] = '\0';
	return true;
}

bool buf_reserve(struct buf *b, size_t more)
{
	if (more < b->cap - b->len && !b->failed)
		return true;
	return grow(b, more);
}

void buf_add(struct buf *b, const void *data, size_t len)
{
	if (len == 0 || !buf_reserve(b, len))
		return;
	memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void buf_addc(struct buf *b, char c)
{
	if (!buf_reserve(b, 1))
		return;
	b->data[b->len++] = c;
	b->data[b->len] = '\0';
}

void buf_adds(struct buf *b, const char *text)
{
	buf_add(b, text, strlen(text));
}

void buf_add_slice(struct buf *b, struct slice s)
{
	buf_add(b, s.data, s.len);
}

void buf_addu(struct buf *b, uint64_t n)
{
	char digits[U64_DIGITS_MAX];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + n % 10);
	while (n /= 10);
	buf_add(b, digits + at, sizeof(digits) - at);
}

void buf_addi(struct buf *b, int64_t n)
{
	if (n < 0)
		buf_addc(b, '-');
	buf_addu(b, n < 0 ? 0 - (uint64_t)n : (uint64_t)n);
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	buf_addv(b, fmt, args);
	va_end(args);
}

void buf_addv(struct buf *b, const char *fmt, va_list args)
{
	va_list again;

	if (b->failed)
		return;
	va_copy(again, args);
	size_t room = b->cap - b->len;
	int n = vsnprintf(room ? b->data + b->len : NULL, room, fmt, args);
	if (n < 0) {
		b->failed = true;
	} else if ((size_t)n < room) {
		b->len += (size_t)n;
	} else if (grow(b, (size_t)n)) {
		vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
		b->len += (size_t)n;
	}
	va_end(again);
	if (b->data)
		b->data[b->len] = '\0'; /* a first try that did not fit has written over it */
}

void buf_truncate(struct buf *b, size_t len)
{
	if (len >= b->len)
		return;
	b->len = len;
	b->data[len] = '\0';
}

char *buf_detach(struct buf *b, size_t *len)
{
	if (!buf_reserve(b, 0)) { /* an empty buffer has no byte yet for the NUL */
		buf_release(b);
		return NULL;
	}
	char *data = b->data;
	if (len)
		*len = b->len;
	buf_init(b);
	return data;
}
