#include "error.h"
#include "text.h"
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define REASON_SIZE 128

/* What err_wrap(NULL, ...) answers: a caller that wants no text must still get the code of what it wraps. */
static _Thread_local int last_code;

const char *pawl_strerror(int code)
{
	switch (code) {
	case PAWL_OK:
		return "ok";
#define TEXT_CASE(name, value, class, text)                                                                            \
	case PAWL_E##name:                                                                                             \
		return text;
		PAWL_ERROR_LIST(TEXT_CASE)
#undef TEXT_CASE
	default:
		return "unknown error";
	}
}

const char *pawl_error_name(int code)
{
	switch (code) {
	case PAWL_OK:
		return "OK";
#define NAME_CASE(name, value, class, text)                                                                            \
	case PAWL_E##name:                                                                                             \
		return #name;
		PAWL_ERROR_LIST(NAME_CASE)
#undef NAME_CASE
	default:
		return "UNKNOWN";
	}
}

enum pawl_error_class pawl_error_class(int code)
{
	if (code >= 0)
		return PAWL_CLASS_NONE;
	switch (code) {
#define CLASS_CASE(name, value, class, text)                                                                           \
	case PAWL_E##name:                                                                                             \
		return PAWL_CLASS_##class;
		PAWL_ERROR_LIST(CLASS_CASE)
#undef CLASS_CASE
	default:
		return PAWL_CLASS_PERMANENT;
	}
}

int err_code_of_errno(int sys)
{
	switch (sys) {
	case ENOMEM:
		return PAWL_ENOMEM;
	case ENOENT:
		return PAWL_ENOTFOUND;
	case EEXIST:
	case ENOTEMPTY:
		return PAWL_EEXISTS;
	case EACCES:
	case EPERM:
		return PAWL_EPERM;
	case ENOSPC:
	case EDQUOT:
		return PAWL_ENOSPC;
	case EROFS:
		return PAWL_EROFS;
	case EAGAIN:
#if EWOULDBLOCK != EAGAIN
	case EWOULDBLOCK:
#endif
	case EBUSY:
	case EMFILE:
	case ENFILE:
		return PAWL_EBUSY;
	case EINVAL:
	case ENAMETOOLONG:
		return PAWL_EINVALID;
	case EFBIG:
	case E2BIG:
		return PAWL_ETOOBIG;
	case ETIMEDOUT:
		return PAWL_ETIMEOUT;
	case ENOSYS:
	case EOPNOTSUPP:
		return PAWL_EUNSUPPORTED;
	default:
		return PAWL_EIO;
	}
}

/* Both return the length of what is in out, which is terminated and ends in "..." when it had to be cut. */
static size_t put_format(char *out, size_t size, const char *fmt, va_list args) PAWL_PRINTF(3, 0);

static size_t put_format(char *out, size_t size, const char *fmt, va_list args)
{
	int n = vsnprintf(out, size, fmt, args);
	if (n < 0)
		out[0] = '\0';
	else if ((size_t)n >= size)
		text_mark_cut(out, size);
	return strlen(out);
}

static size_t put_text(char *out, size_t size, const char *text)
{
	size_t len = strlen(text);
	bool cut = len >= size;
	if (cut)
		len = size - 1;
	memcpy(out, text, len);
	out[len] = '\0';
	if (cut)
		text_mark_cut(out, size);
	return strlen(out);
}

/* The text is made beside the error first: the arguments may point into the text that it replaces. */
static void store(struct pawl_error *err, int code, int sys, const char *text)
{
	err->code = code;
	err->sys = sys;
	put_text(err->text, sizeof(err->text), text);
}

int err_set(struct pawl_error *err, int code, const char *fmt, ...)
{
	char text[PAWL_ERROR_TEXT_MAX];

	last_code = code;
	if (!err)
		return code;
	va_list args;
	va_start(args, fmt);
	put_format(text, sizeof(text), fmt, args);
	va_end(args);
	store(err, code, 0, text);
	return code;
}

/* The C library's text in our style: "permission denied", but "I/O error". */
static void errno_text(char out[REASON_SIZE], int sys)
{
	if (strerror_r(sys, out, REASON_SIZE) != 0 || out[0] == '\0')
		snprintf(out, REASON_SIZE, "error %d", sys);
	if (islower((unsigned char)out[1]))
		out[0] = (char)tolower((unsigned char)out[0]);
}

int err_sys(struct pawl_error *err, int sys, const char *fmt, ...)
{
	int code = err_code_of_errno(sys);
	char text[PAWL_ERROR_TEXT_MAX], reason[REASON_SIZE];

	last_code = code;
	if (!err)
		return code;
	errno_text(reason, sys);
	/* A long subject is cut, never the reason. */
	size_t room = sizeof(text) - strlen(": ") - strlen(reason);
	va_list args;
	va_start(args, fmt);
	size_t len = put_format(text, room, fmt, args);
	va_end(args);
	len += put_text(text + len, sizeof(text) - len, ": ");
	put_text(text + len, sizeof(text) - len, reason);
	store(err, code, sys, text);
	return code;
}

int err_wrap(struct pawl_error *err, const char *fmt, ...)
{
	char text[PAWL_ERROR_TEXT_MAX];

	if (!err)
		return last_code ? last_code : PAWL_EBUG;
	if (err->code == 0)
		err->code = PAWL_EBUG; /* a failure that nobody described must not look like success */
	last_code = err->code;
	/* Half for the new words, so that what was there first keeps the other half. */
	va_list args;
	va_start(args, fmt);
	size_t len = put_format(text, sizeof(text) / 2, fmt, args);
	va_end(args);
	if (err->text[0]) {
		len += put_text(text + len, sizeof(text) - len, ": ");
		put_text(text + len, sizeof(text) - len, err->text);
	}
	store(err, err->code, err->sys, text);
	return err->code;
}

int err_nomem(struct pawl_error *err)
{
	return err_set(err, PAWL_ENOMEM, "out of memory");
}
