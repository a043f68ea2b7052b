/*
 * pawl/error.h - result codes and the error object.
 *
 * Every function that can fail returns 0 (or a count) on success and a negative PAWL_E... code on failure. Functions
 * that take a `struct pawl_error *` also tell a person what was tried, on what, why it failed and what to do. Passing
 * NULL is allowed: then only the code is told.
 */
#ifndef PAWL_ERROR_H
#define PAWL_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define PAWL_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define PAWL_MUST_USE __attribute__((warn_unused_result))
#define PAWL_API __attribute__((visibility("default")))
#else
#define PAWL_PRINTF(fmt, args)
#define PAWL_MUST_USE
#define PAWL_API
#endif

/* name, value, class, text. The values are part of the ABI: append only. */
#define PAWL_ERROR_LIST(X)                                                                                             \
	X(NOMEM, -1, RETRYABLE, "out of memory")                                                                       \
	X(INVALID, -2, PERMANENT, "not valid")                                                                         \
	X(NOTFOUND, -3, PERMANENT, "not found")                                                                        \
	X(EXISTS, -4, PERMANENT, "exists already")                                                                     \
	X(STATE, -5, PERMANENT, "not possible in this state")                                                          \
	X(TOOBIG, -6, PERMANENT, "over a limit")                                                                       \
	X(IO, -7, RETRYABLE, "input/output error")                                                                     \
	X(NOSPC, -8, NOSPACE, "no space left")                                                                         \
	X(ROFS, -9, NOSPACE, "read-only file system")                                                                  \
	X(PERM, -10, PERMANENT, "permission denied")                                                                   \
	X(CORRUPT, -11, CORRUPT, "damaged data")                                                                       \
	X(FENCED, -12, FENCED, "no longer the owner")                                                                  \
	X(BUSY, -13, RETRYABLE, "busy")                                                                                \
	X(TIMEOUT, -14, RETRYABLE, "timed out")                                                                        \
	X(CANCELED, -15, PERMANENT, "canceled")                                                                        \
	X(UNSUPPORTED, -16, PERMANENT, "not supported")                                                                \
	X(NONDETERMINISM, -17, PERMANENT, "the code does not match its history")                                       \
	X(PARSE, -18, PERMANENT, "does not parse")                                                                     \
	X(UNREGISTERED, -19, RETRYABLE, "not registered")                                                              \
	X(TORN, -20, CORRUPT, "torn tail")                                                                             \
	X(BUG, -21, PERMANENT, "internal error")

enum pawl_code {
	PAWL_OK = 0,
#define PAWL_X(name, value, class, text) PAWL_E##name = value,
	PAWL_ERROR_LIST(PAWL_X)
#undef PAWL_X
};

/* What the caller may do about it: try again, give up, quarantine, wait for space, or stop being the owner. */
enum pawl_error_class {
	PAWL_CLASS_NONE,
	PAWL_CLASS_RETRYABLE,
	PAWL_CLASS_PERMANENT,
	PAWL_CLASS_CORRUPT,
	PAWL_CLASS_NOSPACE,
	PAWL_CLASS_FENCED,
};

#define PAWL_ERROR_TEXT_MAX 512

struct pawl_error {
	int code;                        /* PAWL_E..., 0 when nothing failed */
	int sys;                         /* errno, 0 when the system was not the reason */
	char text[PAWL_ERROR_TEXT_MAX];  /* lower case, no full stop; always terminated */
};

/* Short text for a code ("no space left"); never NULL. */
PAWL_API const char *pawl_strerror(int code);
/* Name of a code ("ENOSPC" style: "NOSPC"); never NULL. */
PAWL_API const char *pawl_error_name(int code);
PAWL_API enum pawl_error_class pawl_error_class(int code);

#ifdef __cplusplus
}
#endif
#endif
