/*
 * coro.h - one stack for each live orchestration.
 *
 * Three ways to run a function that must be able to stop in the middle:
 *   resident   its own small stack (guard page below), switched to and from by a few lines of assembly (x86-64, armhf
 *              and other 32-bit ARM, arm64), or makecontext where glibc has it and no assembly was written
 *   replay     no own stack: it runs on the caller's, and coro_suspend() leaves it for good with longjmp; the caller
 *              replays from the start next time
 * A coroutine may be resumed from another thread than the one before, by one thread at a time.
 */
#ifndef OS_CORO_H
#define OS_CORO_H

#include <pawl/error.h>
#include <stdbool.h>
#include <stddef.h>

struct coro;

/* Can this build keep stacks resident? */
bool coro_has_stacks(void);

/* PAWL_ENOMEM, or PAWL_EUNSUPPORTED when resident is asked for and coro_has_stacks() is false. stack_bytes is rounded up
 * to pages; the guard page comes on top. Memory is touched only as the stack grows. Stacks of freed coroutines are kept
 * for reuse up to a small number. */
int coro_new(struct coro **out, bool resident, size_t stack_bytes, void (*fn)(void *arg), void *arg) PAWL_MUST_USE;

/* Run until fn suspends (false) or returns (true). Must not be called after it returned true, nor, for a replay
 * coroutine, a second time. */
bool coro_resume(struct coro *c);

/* Called by fn, on its stack: back to coro_resume's caller. For a replay coroutine this does not return. */
void coro_suspend(struct coro *c);

/* Drops the stack as it is; nothing on it is unwound. NULL is allowed. */
void coro_free(struct coro *c);

/* Bytes of stack memory that were touched, for reports (0 when not known). */
size_t coro_stack_used(const struct coro *c);
void coro_trim(void); /* give the kept stacks back */

#endif
