/* error.h - filling in struct pawl_error. Each setter returns the code, so that `return err_set(...)` reads well. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <pawl/error.h>

int err_set(struct pawl_error *err, int code, const char *fmt, ...) PAWL_PRINTF(3, 4);
/* sys is a positive errno; ": <strerror>" is appended and the code follows from it. */
int err_sys(struct pawl_error *err, int sys, const char *fmt, ...) PAWL_PRINTF(3, 4);
/* Put "<fmt>: " before the text that is there; the code stays. */
int err_wrap(struct pawl_error *err, const char *fmt, ...) PAWL_PRINTF(2, 3);
/* PAWL_E... for a positive errno. */
int err_code_of_errno(int sys);
int err_nomem(struct pawl_error *err);

#endif
