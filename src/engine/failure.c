/*
 * failure.c - failures between the three places they live in: history events, the code's hands, the engine's memory.
 * Whatever the code gives becomes fit for a history here, the same way each time: UTF-8, and no longer than allowed.
 */
#include "engine/internal.h"
#include "base/text.h"
#include <stdarg.h>

/* The longest start of text that has max bytes at most and does not end inside of a character. */
static size_t cut_at(const char *text, size_t len, size_t max)
{
	if (len <= max)
		return len;
	while (max > 0 && ((unsigned char)text[max] & 0xc0) == 0x80)
		max--;
	return max;
}

void failure_clean(char *text, size_t len)
{
	if (text_is_utf8(slice_make(text, len)))
		return;
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)text[i] >= 0x80)
			text[i] = '?';
	}
}

static const char *clean_text(struct execution *x, const char *text, size_t max)
{
	size_t len = strlen(text);

	if (len == 0)
		return "";
	char *copy = memory_alloc(x, cut_at(text, len, max) + 1); /* zeroed */
	len = cut_at(text, len, max);
	memcpy(copy, text, len);
	failure_clean(copy, len);
	return copy;
}

const pawl_failure *failure_copy(struct execution *x, const pawl_failure *f)
{
	pawl_failure *copy = memory_alloc(x, sizeof *copy);

	copy->kind = clean_text(x, f->kind ? f->kind : "application", TEXT_NAME_MAX);
	copy->code = clean_text(x, f->code ? f->code : "", TEXT_NAME_MAX);
	copy->message = clean_text(x, f->message ? f->message : "", FAILURE_MESSAGE_MAX);
	copy->details = f->details ? clean_text(x, f->details, FAILURE_DETAILS_MAX) : NULL;
	copy->retryable = f->retryable;
	return copy;
}

const pawl_failure *failure_make(struct execution *x, const char *kind, const char *code, const char *fmt, ...)
{
	char message[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(message, sizeof message, fmt, args);
	va_end(args);
	return failure_copy(x, &(pawl_failure){ kind, code, message, NULL, false });
}

const pawl_failure *failure_of_event(struct execution *x, const struct failure *f)
{
	pawl_failure *copy = memory_alloc(x, sizeof *copy);

	copy->kind = memory_copy(x, f->kind).data;
	copy->code = memory_copy(x, f->code).data;
	copy->message = memory_copy(x, f->message).data;
	copy->details = f->details.data ? memory_copy(x, f->details).data : NULL;
	copy->retryable = f->retryable;
	return copy;
}

struct failure failure_for_event(const pawl_failure *f)
{
	return (struct failure){ slice_of(f->kind), slice_of(f->code), slice_of(f->message), slice_of(f->details),
				 f->retryable };
}
