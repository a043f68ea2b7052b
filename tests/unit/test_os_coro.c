/* test_os_coro.c - coro.h: order, isolation, stacks that come and go, replay mode. Link with -lm and -pthread. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#endif
#include <fenv.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(__GLIBC__)
#include <execinfo.h>
#endif

#include <cmocka.h>

#include "os/coro.h"

#define KIB 1024u
#define STACK_BYTES (64 * KIB)

#if defined(__has_feature)
#define HAS_FEATURE(x) __has_feature(x)
#else
#define HAS_FEATURE(x) 0
#endif
#if defined(__SANITIZE_THREAD__) || HAS_FEATURE(thread_sanitizer)
#define MANY 1000 /* a fiber is a thread to TSan, and it counts them */
#define SANITIZED 1
#else
#define MANY 10000
#endif
#if defined(__SANITIZE_ADDRESS__) || HAS_FEATURE(address_sanitizer)
#define SANITIZED 1
#define ADDRESS_SANITIZER 1
#include <sanitizer/asan_interface.h>
#endif

static void need_stacks(void)
{
	if (!coro_has_stacks())
		skip();
}

static struct coro *new_coro(size_t stack_bytes, void (*fn)(void *), void *arg)
{
	struct coro *c = NULL;

	assert_int_equal(coro_new(&c, true, stack_bytes, fn, arg), 0);
	assert_non_null(c);
	return c;
}

/* A coroutine that adds letters to a text that all share. */
struct writer {
	struct coro *c;
	char *text;
	char letter;
	int times;
};

static void add(char *text, char letter)
{
	size_t len = strlen(text);

	text[len] = letter;
	text[len + 1] = '\0';
}

static void write_letters(void *arg)
{
	struct writer *w = arg;

	for (int i = 0; i < w->times; i++) {
		add(w->text, w->letter);
		coro_suspend(w->c);
	}
	add(w->text, '.');
}

static void test_resumes_go_on_where_suspend_stopped(void **state)
{
	char text[32] = "";
	struct writer a = {NULL, text, 'a', 2}, b = {NULL, text, 'b', 1};

	(void)state;
	need_stacks();
	a.c = new_coro(STACK_BYTES, write_letters, &a);
	b.c = new_coro(STACK_BYTES, write_letters, &b);
	assert_string_equal(text, "");
	assert_false(coro_resume(a.c));
	assert_false(coro_resume(b.c));
	assert_false(coro_resume(a.c));
	assert_string_equal(text, "aba");
	assert_true(coro_resume(b.c));
	assert_true(coro_resume(a.c));
	assert_string_equal(text, "aba..");
	coro_free(a.c);
	coro_free(b.c);
}

static void test_resume_is_true_at_the_end_and_not_before(void **state)
{
	(void)state;
	need_stacks();
	for (int times = 0; times < 20; times++) {
		char text[32] = "";
		struct writer w = {NULL, text, 'x', times};

		w.c = new_coro(STACK_BYTES, write_letters, &w);
		for (int i = 0; i < times; i++)
			assert_false(coro_resume(w.c));
		assert_true(coro_resume(w.c));
		coro_free(w.c);
	}
}

static void run_inner(void *arg)
{
	struct writer *outer = arg, inner = {NULL, outer->text, 'i', 1};

	inner.c = new_coro(STACK_BYTES, write_letters, &inner);
	assert_false(coro_resume(inner.c));
	coro_suspend(outer->c);
	add(outer->text, 'o');
	assert_true(coro_resume(inner.c));
	coro_free(inner.c);
}

static void test_a_coroutine_may_resume_another_one(void **state)
{
	char text[32] = "";
	struct writer outer = {NULL, text, 'o', 0};

	(void)state;
	need_stacks();
	outer.c = new_coro(STACK_BYTES, run_inner, &outer);
	assert_false(coro_resume(outer.c));
	assert_true(coro_resume(outer.c));
	assert_string_equal(text, "io.");
	coro_free(outer.c);
}

/* Touches about this much of the stack; the sum keeps the compiler from dropping it. */
static unsigned dig(size_t bytes, unsigned sum) __attribute__((noinline));
static unsigned dig(size_t bytes, unsigned sum)
{
	volatile unsigned char block[512];

	for (size_t i = 0; i < sizeof block; i++)
		block[i] = (unsigned char)(sum + i);
	if (bytes > sizeof block)
		sum = dig(bytes - sizeof block, sum + 1);
	return sum + block[sum % sizeof block];
}

static void suspend_deep(struct coro *c, int depth) __attribute__((noinline));
static void suspend_deep(struct coro *c, int depth)
{
	volatile char block[256];

	memset((void *)(uintptr_t)block, depth, sizeof block);
	if (depth == 0)
		coro_suspend(c);
	else
		suspend_deep(c, depth - 1);
	block[0] = 1;
}

static void go_deep(void *arg)
{
	struct writer *w = arg;

	suspend_deep(w->c, 20);
}

struct digger {
	struct coro *c;
	size_t bytes;
	unsigned sum;
};

static void dig_twice(void *arg)
{
	struct digger *d = arg;

	d->sum = dig(d->bytes, 1);
	coro_suspend(d->c);
	d->sum += dig(d->bytes, 1);
}

static void test_most_of_the_stack_can_be_used(void **state)
{
	struct digger d = {NULL, 768 * KIB, 0};
	unsigned expected = 2 * dig(d.bytes, 1);

	(void)state;
	need_stacks();
	d.c = new_coro(1024 * KIB, dig_twice, &d);
	assert_false(coro_resume(d.c));
#if !defined(SANITIZED) /* whose locals may live elsewhere */
	assert_true(coro_stack_used(d.c) >= d.bytes);
#endif
	assert_true(coro_resume(d.c));
	assert_int_equal(d.sum, expected);
	coro_free(d.c);
}

static void test_ten_thousand_live_at_once(void **state)
{
	static struct writer all[MANY];
	char text[4] = "";

	(void)state;
	need_stacks();
	for (size_t i = 0; i < MANY; i++) {
		all[i] = (struct writer){NULL, text, 'x', 1};
		all[i].c = new_coro(16 * KIB, write_letters, &all[i]);
		assert_false(coro_resume(all[i].c));
		text[0] = '\0';
	}
	for (size_t i = 0; i < MANY; i += 2) {
		assert_true(coro_resume(all[i].c));
		text[0] = '\0';
	}
	for (size_t i = 0; i < MANY; i++)
		coro_free(all[i].c);
	coro_trim();
}

/* More live values than there are callee-saved registers of either kind, in every coroutine. */
struct mixer {
	struct coro *c;
	uint64_t seed;
	uint64_t whole;
	double real;
};

static void mix(void *arg)
{
	struct mixer *m = arg;
	uint64_t a = m->seed, b = a * 3, c = a * 5, d = a * 7, e = a * 11, f = a * 13, g = a * 17, h = a * 19;
	double p = (double)a, q = p / 3, r = p / 5, s = p / 7, t = p / 11, u = p / 13, v = p / 17, w = p / 19;

	for (int i = 0; i < 50; i++) {
		a += b ^ c, b += c ^ d, c += d ^ e, d += e ^ f, e += f ^ g, f += g ^ h, g += h ^ a, h += a ^ b;
		p += q / 2, q += r / 2, r += s / 2, s += t / 2, t += u / 2, u += v / 2, v += w / 2, w += p / 128;
		if (m->c)
			coro_suspend(m->c);
	}
	m->whole = a ^ b ^ c ^ d ^ e ^ f ^ g ^ h;
	m->real = p + q + r + s + t + u + v + w;
}

static void test_registers_live_through_switches(void **state)
{
	struct mixer m[4], plain;
	bool done = false;

	(void)state;
	need_stacks();
	for (unsigned i = 0; i < 4; i++) {
		m[i] = (struct mixer){NULL, 1000003u * (i + 1), 0, 0};
		m[i].c = new_coro(STACK_BYTES, mix, &m[i]);
	}
	while (!done)
		for (unsigned i = 0; i < 4; i++)
			done = coro_resume(m[i].c);
	for (unsigned i = 0; i < 4; i++) {
		plain = (struct mixer){NULL, m[i].seed, 0, 0};
		mix(&plain);
		assert_true(plain.whole == m[i].whole);
		assert_memory_equal(&plain.real, &m[i].real, sizeof plain.real);
		coro_free(m[i].c);
	}
}

#if defined(FE_UPWARD) && defined(FE_DOWNWARD)
struct rounder {
	struct coro *c;
	int first, second;
};

/* What is set and what additions do: on x86 these are two registers. */
static int rounding(void)
{
	volatile double one = 1, tiny = 1e-30, up = one + tiny, down = one - tiny;
	int does = up > 1 ? FE_UPWARD : down < 1 ? FE_DOWNWARD : FE_TONEAREST;

	return does == fegetround() ? does : -1;
}

static void round_up(void *arg)
{
	struct rounder *r = arg;

	r->first = rounding();
	fesetround(FE_UPWARD);
	coro_suspend(r->c);
	r->second = rounding();
}

static void test_each_has_its_own_rounding_mode(void **state)
{
	struct rounder r = {NULL, -1, -1};
	int between;

	(void)state;
	need_stacks();
	if (fesetround(FE_DOWNWARD) || rounding() != FE_DOWNWARD)
		skip(); /* soft float */
	r.c = new_coro(STACK_BYTES, round_up, &r);
	assert_false(coro_resume(r.c));
	between = rounding();
	assert_true(coro_resume(r.c));
	fesetround(FE_TONEAREST);
	assert_int_equal(between, FE_DOWNWARD);
#if !defined(PAWL_CORO_UCONTEXT) /* there a coroutine starts with its creator's */
	assert_int_equal(r.first, FE_TONEAREST);
#endif
	assert_int_equal(r.second, FE_UPWARD);
	coro_free(r.c);
}
#endif

static void *resume_once(void *arg)
{
	struct writer *w = arg;

	return coro_resume(w->c) ? w : NULL;
}

static void test_another_thread_may_go_on(void **state)
{
	char text[32] = "";
	struct writer w = {NULL, text, 't', 5};
	void *done = NULL;

	(void)state;
	need_stacks();
	w.c = new_coro(STACK_BYTES, write_letters, &w);
	for (int i = 0; i < 6; i++) {
		pthread_t thread;

		assert_null(done);
		if (i % 3 == 2) {
			done = resume_once(&w);
			continue;
		}
		assert_int_equal(pthread_create(&thread, NULL, resume_once, &w), 0);
		assert_int_equal(pthread_join(thread, &done), 0);
	}
	assert_ptr_equal(done, &w);
	assert_string_equal(text, "ttttt.");
	coro_free(w.c);
}

static void *churn(void *failed)
{
	for (int i = 0; i < 500; i++) {
		char text[8] = "";
		struct writer w = {NULL, text, 'x', 1};

		if (coro_new(&w.c, true, STACK_BYTES, write_letters, &w))
			return failed;
		coro_resume(w.c);
		if (i % 2)
			coro_resume(w.c);
		if (i % 100 == 0)
			coro_trim();
		coro_free(w.c);
	}
	return NULL;
}

static void test_threads_share_the_kept_stacks(void **state)
{
	pthread_t threads[3];
	void *bad;

	(void)state;
	need_stacks();
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, churn, threads), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(pthread_join(threads[i], &bad), 0);
		assert_null(bad);
	}
}

static void test_freed_while_suspended_is_reused_and_cooled(void **state)
{
	struct digger d = {NULL, 200 * KIB, 0};

	(void)state;
	need_stacks();
	for (int i = 0; i < 200; i++) {
		d.c = new_coro(320 * KIB, dig_twice, &d); /* every frame has 160 bytes for the next one on s390x */
#if !defined(SANITIZED)
		assert_true(coro_stack_used(d.c) <= 64 * KIB); /* 16 KiB, or one page where pages are large */
#endif
		assert_false(coro_resume(d.c));
		coro_free(d.c); /* never ends */
	}
}

static void test_never_started_can_be_freed(void **state)
{
	struct coro *c = NULL;

	(void)state;
	coro_free(NULL);
	assert_int_equal(coro_new(&c, false, 0, dig_twice, NULL), 0);
	assert_int_equal(coro_stack_used(c), 0);
	coro_free(c);
	need_stacks();
	coro_free(new_coro(0, dig_twice, NULL));
	coro_free(new_coro(1, dig_twice, NULL));
}

static uintptr_t overflow_from;

static void on_fault(int sig, siginfo_t *info, void *context)
{
	uintptr_t depth = overflow_from - (uintptr_t)info->si_addr;
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	(void)sig, (void)context;
	_exit(depth > STACK_BYTES - page && depth < STACK_BYTES + page ? 0 : 3);
}

static void dig_for_ever(void *arg)
{
	struct digger *d = arg;

	overflow_from = (uintptr_t)__builtin_frame_address(0);
	d->sum = dig(SIZE_MAX / 2, 1);
}

/* In a child: 0 when the fault was within a page below the stack. */
static int overflow(void)
{
	static char signal_stack[64 * KIB];
	stack_t alternate = {.ss_sp = signal_stack, .ss_size = sizeof signal_stack};
	struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	struct rlimit no_core = {0, 0};
	struct digger d = {NULL, 0, 0};

	setrlimit(RLIMIT_CORE, &no_core);
	if (sigaltstack(&alternate, NULL) || sigaction(SIGSEGV, &action, NULL))
		return 1;
#if defined(SANITIZED)
	signal(SIGSEGV, SIG_DFL); /* frames are not where and as large as one thinks */
#endif
	if (coro_new(&d.c, true, STACK_BYTES, dig_for_ever, &d))
		return 1;
	/* Lands right below, where the guard must be what stops. */
	if (mmap(NULL, 16 * STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
		return 1;
	coro_resume(d.c);
	return 2;
}

static void test_overflow_hits_the_guard_page(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	need_stacks();
	coro_trim();
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(overflow());
	assert_int_equal(waitpid(pid, &status, 0), pid);
#if defined(SANITIZED)
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSEGV);
#else
	assert_int_equal(status, 0);
#endif
}

#if defined(ADDRESS_SANITIZER)
static void look_below(void *arg)
{
	char *here = __builtin_frame_address(0);

	*(void **)arg = __asan_region_is_poisoned(here - 40 * KIB, 36 * KIB);
}

static void test_a_used_stack_comes_without_poison(void **state)
{
	struct writer w = {NULL, NULL, 0, 0};
	void *poisoned = NULL;
	struct coro *c;

	(void)state;
	need_stacks();
	for (int i = 0; i < 20; i++) {
		w.c = new_coro(STACK_BYTES, go_deep, &w);
		assert_false(coro_resume(w.c));
		coro_free(w.c);
		c = new_coro(STACK_BYTES, look_below, &poisoned);
		assert_true(coro_resume(c));
		coro_free(c);
		assert_null(poisoned);
	}
}
#endif

static void test_no_memory_is_an_error(void **state)
{
	struct coro *c = NULL, *taken[32] = {NULL};
	unsigned n = 0;

	(void)state;
	need_stacks();
	assert_int_equal(coro_new(&c, true, SIZE_MAX, dig_twice, NULL), PAWL_ENOMEM);
	assert_null(c);
	while (n < 32 && coro_new(&taken[n], true, SIZE_MAX / 16, dig_twice, NULL) == 0)
		n++;
	assert_in_range(n, 0, 16);
	assert_null(taken[n]);
	while (n > 0)
		coro_free(taken[--n]);
	coro_trim();
}

static void test_without_stacks_resident_is_refused(void **state)
{
	struct coro *c = NULL;

	(void)state;
	if (coro_has_stacks())
		skip();
	assert_int_equal(coro_new(&c, true, STACK_BYTES, dig_twice, NULL), PAWL_EUNSUPPORTED);
	assert_null(c);
}

#if defined(__GLIBC__)
static void look_back(void *arg)
{
	void *frames[64];

	*(int *)arg = backtrace(frames, 64);
}

static void test_backtraces_end_at_the_entry(void **state)
{
	int frames = -1;
	struct coro *c;

	(void)state;
	need_stacks();
	c = new_coro(STACK_BYTES * 4, look_back, &frames);
	assert_true(coro_resume(c));
	assert_in_range(frames, 0, 8); /* look_back, run, the start; 0 without unwind tables */
	coro_free(c);
}
#endif

static void test_replay_leaves_and_starts_over(void **state)
{
	char text[32] = "";
	struct writer w = {NULL, text, 'r', 1};

	(void)state;
	assert_int_equal(coro_new(&w.c, false, 0, write_letters, &w), 0);
	assert_false(coro_resume(w.c));
	coro_free(w.c);
	w.times = 0;
	assert_int_equal(coro_new(&w.c, false, 0, write_letters, &w), 0);
	assert_true(coro_resume(w.c));
	coro_free(w.c);
	assert_string_equal(text, "r.");
}

/* What the frames left behind poisoned must not stay so for whoever uses the stack next: for ASan to judge. */
static void test_replay_many_times_from_deep_down(void **state)
{
	struct writer w = {NULL, NULL, 0, 0};

	(void)state;
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(coro_new(&w.c, false, 0, go_deep, &w), 0);
		assert_false(coro_resume(w.c));
		coro_free(w.c);
		assert_true(dig(16 * KIB, 1) > 0);
	}
}

static void replay_inside(void *arg)
{
	struct writer *outer = arg, inner = {NULL, outer->text, 'i', 1};

	assert_int_equal(coro_new(&inner.c, false, 0, write_letters, &inner), 0);
	assert_false(coro_resume(inner.c));
	coro_free(inner.c);
	coro_suspend(outer->c);
	add(outer->text, 'o');
}

static void test_replay_inside_a_resident_one(void **state)
{
	char text[32] = "";
	struct writer outer = {NULL, text, 0, 0};

	(void)state;
	need_stacks();
	outer.c = new_coro(STACK_BYTES, replay_inside, &outer);
	assert_false(coro_resume(outer.c));
	assert_true(coro_resume(outer.c));
	assert_string_equal(text, "io");
	coro_free(outer.c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_resumes_go_on_where_suspend_stopped),
		cmocka_unit_test(test_resume_is_true_at_the_end_and_not_before),
		cmocka_unit_test(test_a_coroutine_may_resume_another_one),
		cmocka_unit_test(test_most_of_the_stack_can_be_used),
		cmocka_unit_test(test_ten_thousand_live_at_once),
		cmocka_unit_test(test_registers_live_through_switches),
#if defined(FE_UPWARD) && defined(FE_DOWNWARD)
		cmocka_unit_test(test_each_has_its_own_rounding_mode),
#endif
		cmocka_unit_test(test_another_thread_may_go_on),
		cmocka_unit_test(test_threads_share_the_kept_stacks),
		cmocka_unit_test(test_freed_while_suspended_is_reused_and_cooled),
		cmocka_unit_test(test_never_started_can_be_freed),
		cmocka_unit_test(test_overflow_hits_the_guard_page),
#if defined(ADDRESS_SANITIZER)
		cmocka_unit_test(test_a_used_stack_comes_without_poison),
#endif
		cmocka_unit_test(test_no_memory_is_an_error),
		cmocka_unit_test(test_without_stacks_resident_is_refused),
#if defined(__GLIBC__)
		cmocka_unit_test(test_backtraces_end_at_the_entry),
#endif
		cmocka_unit_test(test_replay_leaves_and_starts_over),
		cmocka_unit_test(test_replay_many_times_from_deep_down),
		cmocka_unit_test(test_replay_inside_a_resident_one),
	};
	int failed = cmocka_run_group_tests_name("os_coro", tests, NULL, NULL);

	coro_trim();
	return failed;
}
