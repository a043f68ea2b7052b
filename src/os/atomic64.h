/*
 * atomic64.h - a number of 64 bits that threads share, also where the processor cannot read or write one at once: 32-bit
 * MIPS, ARM before v6K. The compiler's own way there is a call into libatomic, one more library to have on a device.
 */
#ifndef OS_ATOMIC64_H
#define OS_ATOMIC64_H

#include <stdatomic.h>
#include <stdint.h>

#if !defined(PAWL_ATOMIC64_LOCKED) && ATOMIC_LLONG_LOCK_FREE == 2

struct atomic64 {
	atomic_llong value;
};

static inline int64_t atomic64_load(const struct atomic64 *a)
{
	return atomic_load(&a->value);
}

static inline void atomic64_store(struct atomic64 *a, int64_t value)
{
	atomic_store(&a->value, value);
}

#else

struct atomic64 {
	int64_t value;
};

/* Under one lock for all of them: not for signal handlers. */
int64_t atomic64_load(const struct atomic64 *a);
void atomic64_store(struct atomic64 *a, int64_t value);

#endif

#endif
