/*
 * coro.c - coroutines: stacks, and running a function on one of them. The switch itself is coro_switch.h.
 *
 *   coro_new ──► suspended ── coro_resume ──► running ── fn returns ──► done
 *                    ▲                           │
 *                    └────── coro_suspend ───────┘        coro_free: from suspended and done only
 *
 * Since a coroutine may go on in another thread, fn must not keep the address of anything thread-local (errno is one)
 * over coro_suspend.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* MAP_NORESERVE, MAP_STACK, madvise, mincore, _setjmp */
#endif
#include "os/coro.h"

#include <assert.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "os/coro_switch.h"

#if defined(__has_feature)
#define CORO_FEATURE(x) __has_feature(x)
#else
#define CORO_FEATURE(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || CORO_FEATURE(address_sanitizer)
#define CORO_ASAN 1
#include <sanitizer/asan_interface.h>
#elif defined(__SANITIZE_THREAD__) || CORO_FEATURE(thread_sanitizer)
#define CORO_TSAN 1
#include <sanitizer/tsan_interface.h>
#endif

#if defined(CORO_ASAN) || defined(CORO_TSAN)
#define STACK_SCALE 4 /* their frames are several times larger than the ones a caller thought of */
#else
#define STACK_SCALE 1
#endif

#define STACKS_KEPT 16
#define WARM_BYTES 16384 /* of a kept stack: the part that the next coroutine most likely touches again */

struct stack {
	char *low; /* the guard page ends here; NULL: no stack */
	size_t bytes;
};

struct coro {
	void (*fn)(void *arg);
	void *arg;
	bool done;
	jmp_buf *leave; /* replay: set while fn runs */
	struct stack stack;
	struct context self, caller;
#if defined(CORO_ASAN)
	void *fake_stack; /* of fn, while suspended */
	const void *caller_low;
	size_t caller_bytes;
#elif defined(CORO_TSAN)
	void *fiber, *caller_fiber;
#endif
};

/* What the sanitizers are told. */

/* Inlined always: under TSan a function that changes fibers must not itself be one with an entry and an exit. */
#define HOOK static inline __attribute__((always_inline)) void

#if defined(CORO_ASAN)

HOOK leaving_caller(struct coro *c, void **fake_stack)
{
	__sanitizer_start_switch_fiber(fake_stack, c->stack.low, c->stack.bytes);
}

HOOK back_at_caller(void *fake_stack)
{
	__sanitizer_finish_switch_fiber(fake_stack, NULL, NULL);
}

HOOK entered(struct coro *c)
{
	void *fake_stack = c->fake_stack;

	c->fake_stack = NULL;
	__sanitizer_finish_switch_fiber(fake_stack, &c->caller_low, &c->caller_bytes);
}

HOOK leaving(struct coro *c)
{
	__sanitizer_start_switch_fiber(c->done ? NULL : &c->fake_stack, c->caller_low, c->caller_bytes);
}

/* Only the fiber itself can drop its fake stack, and it will not run again: claim to be it for a moment. */
__attribute__((no_sanitize_address)) static void drop_fiber(struct coro *c)
{
	void *mine = NULL;
	const void *low;
	size_t bytes;

	if (!c->fake_stack)
		return;
	__sanitizer_start_switch_fiber(&mine, c->stack.low, c->stack.bytes);
	__sanitizer_finish_switch_fiber(c->fake_stack, &low, &bytes);
	__sanitizer_start_switch_fiber(NULL, low, bytes);
	__sanitizer_finish_switch_fiber(mine, NULL, NULL);
}

#elif defined(CORO_TSAN)

HOOK leaving_caller(struct coro *c, void **fake_stack)
{
	(void)fake_stack;
	c->caller_fiber = __tsan_get_current_fiber();
	__tsan_switch_to_fiber(c->fiber, 0);
}

HOOK leaving(struct coro *c)
{
	__tsan_switch_to_fiber(c->caller_fiber, 0);
}

HOOK back_at_caller(void *fake_stack)
{
	(void)fake_stack;
}

HOOK entered(struct coro *c)
{
	(void)c;
}

static void drop_fiber(struct coro *c)
{
	__tsan_destroy_fiber(c->fiber);
}

#else

#define leaving_caller(c, fake_stack) ((void)(c), (void)(fake_stack))
#define back_at_caller(fake_stack) ((void)(fake_stack))
#define entered(c) ((void)(c))
#define leaving(c) ((void)(c))
#define drop_fiber(c) ((void)(c))

#endif

/* Stacks. */

static struct {
	pthread_mutex_t lock;
	struct stack kept[STACKS_KEPT]; /* the last one is the warmest */
	unsigned count, victim;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER};

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t round_to_pages(size_t bytes)
{
	size_t page = page_size();

	return (bytes + page - 1) / page * page;
}

static bool stack_from_pool(struct stack *out, size_t bytes)
{
	bool found = false;

	pthread_mutex_lock(&pool.lock);
	for (unsigned i = pool.count; i-- > 0 && !found;) {
		if (pool.kept[i].bytes != bytes)
			continue;
		*out = pool.kept[i];
		pool.kept[i] = pool.kept[--pool.count];
		found = true;
	}
	pthread_mutex_unlock(&pool.lock);
	return found;
}

static int stack_map(struct stack *out, size_t bytes)
{
	size_t guard = page_size();
	char *base = mmap(NULL, guard + bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);

	if (base == MAP_FAILED)
		return PAWL_ENOMEM;
	if (mprotect(base, guard, PROT_NONE)) {
		munmap(base, guard + bytes);
		return PAWL_ENOMEM;
	}
	*out = (struct stack){base + guard, bytes};
	return 0;
}

static void stack_unmap(struct stack *s)
{
	size_t guard = page_size();

	if (!s->low)
		return;
#if defined(CORO_ASAN)
	ASAN_UNPOISON_MEMORY_REGION(s->low, s->bytes); /* for what is mapped there next */
#endif
	munmap(s->low - guard, guard + s->bytes);
}

static int stack_take(struct stack *out, size_t bytes)
{
	if (bytes > SIZE_MAX / 2 / STACK_SCALE)
		return PAWL_ENOMEM;
	bytes = round_to_pages(bytes ? bytes * STACK_SCALE : 1);
	return stack_from_pool(out, bytes) ? 0 : stack_map(out, bytes);
}

/* Memory of what was used deep down goes back at once, so that one deep coroutine does not cost for ever. */
static void stack_cool(struct stack *s)
{
	size_t warm = round_to_pages(WARM_BYTES);

#if defined(CORO_ASAN)
	ASAN_UNPOISON_MEMORY_REGION(s->low, s->bytes);
#endif
	if (s->bytes > warm)
		madvise(s->low, s->bytes - warm, MADV_DONTNEED);
}

/* True when it was taken; else *s is now the one to unmap. */
static bool stack_to_pool(struct stack *s)
{
	bool taken = true;

	pthread_mutex_lock(&pool.lock);
	if (pool.count < STACKS_KEPT) {
		pool.kept[pool.count++] = *s;
	} else {
		struct stack *victim = &pool.kept[pool.victim++ % STACKS_KEPT], old = *victim;

		/* replace: a pool full of a size that nobody asks for any more would be of no use */
		if (old.bytes != s->bytes) {
			*victim = *s;
			*s = old;
		}
		taken = false;
	}
	pthread_mutex_unlock(&pool.lock);
	return taken;
}

static bool pool_is_full(size_t bytes)
{
	pthread_mutex_lock(&pool.lock);
	bool full = pool.count == STACKS_KEPT && pool.kept[pool.victim % STACKS_KEPT].bytes == bytes;
	pthread_mutex_unlock(&pool.lock);
	return full;
}

static void stack_give(struct stack *s)
{
	if (!pool_is_full(s->bytes)) {
		stack_cool(s);
		if (stack_to_pool(s))
			return;
	}
	stack_unmap(s);
}

void coro_trim(void)
{
	pthread_mutex_lock(&pool.lock);
	while (pool.count > 0)
		stack_unmap(&pool.kept[--pool.count]);
	pthread_mutex_unlock(&pool.lock);
}

/* Coroutines. */

bool coro_has_stacks(void)
{
	return STACKS_SUPPORTED;
}

/* The outermost C function of each stack. */
static void run(void *arg)
{
	struct coro *c = arg;

	entered(c);
	c->fn(c->arg);
	c->done = true;
	leaving(c);
	context_switch(&c->self, &c->caller);
	abort(); /* resumed after the end */
}

static int give_stack(struct coro *c, size_t stack_bytes)
{
	int rc = stack_take(&c->stack, stack_bytes);

	if (rc)
		return rc;
#if defined(CORO_TSAN)
	c->fiber = __tsan_create_fiber(0);
#endif
	context_prepare(&c->self, c->stack.low, c->stack.bytes, run, c);
	return 0;
}

int coro_new(struct coro **out, bool resident, size_t stack_bytes, void (*fn)(void *arg), void *arg)
{
	struct coro *c;
	int rc;

	if (resident && !coro_has_stacks())
		return PAWL_EUNSUPPORTED;
	c = calloc(1, sizeof *c);
	if (!c)
		return PAWL_ENOMEM;
	c->fn = fn;
	c->arg = arg;
	rc = resident ? give_stack(c, stack_bytes) : 0;
	if (rc) {
		free(c);
		return rc;
	}
	*out = c;
	return 0;
}

static bool resume_replay(struct coro *c)
{
	jmp_buf leave;

	c->leave = &leave;
	if (_setjmp(leave) == 0) {
		c->fn(c->arg);
		c->done = true;
	}
	c->leave = NULL;
	return c->done;
}

bool coro_resume(struct coro *c)
{
	void *fake_stack = NULL;

	assert(!c->done);
	if (!c->stack.low)
		return resume_replay(c);
	leaving_caller(c, &fake_stack);
	context_switch(&c->caller, &c->self);
	back_at_caller(fake_stack);
	return c->done;
}

void coro_suspend(struct coro *c)
{
	if (!c->stack.low)
		_longjmp(*c->leave, 1);
	leaving(c);
	context_switch(&c->self, &c->caller);
	entered(c);
}

void coro_free(struct coro *c)
{
	if (!c)
		return;
	assert(!c->leave);
	if (c->stack.low) {
		drop_fiber(c);
		stack_give(&c->stack);
	}
	free(c);
}

size_t coro_stack_used(const struct coro *c)
{
	size_t page = page_size(), used = 0;
	unsigned char resident[64];

	for (size_t at = 0; at < c->stack.bytes; at += sizeof resident * page) {
		size_t left = c->stack.bytes - at, part = left < sizeof resident * page ? left : sizeof resident * page;

		if (mincore(c->stack.low + at, part, resident))
			return 0;
		for (size_t i = 0; i < part / page; i++)
			used += resident[i] & 1 ? page : 0;
	}
	return used;
}
