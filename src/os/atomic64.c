/* atomic64.c - where the processor cannot: a lock. */
#include "os/atomic64.h"

#if !defined(PAWL_ATOMIC64_LOCKED) && ATOMIC_LLONG_LOCK_FREE == 2

typedef int atomic64_is_inline;

#else

#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

int64_t atomic64_load(const struct atomic64 *a)
{
	pthread_mutex_lock(&lock);
	int64_t value = a->value;
	pthread_mutex_unlock(&lock);
	return value;
}

void atomic64_store(struct atomic64 *a, int64_t value)
{
	pthread_mutex_lock(&lock);
	a->value = value;
	pthread_mutex_unlock(&lock);
}

#endif
