/*
 * coro_smoke.c - the least that coroutines must do, without a test library: for musl, other architectures and boards.
 *
 *   CC -static -Iinclude -Isrc tests/board/coro_smoke.c src/os/coro.c -pthread && ./a.out
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sigaltstack */
#endif
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/coro.h"

#define STACK_BYTES 65536u
#define MANY 2000u

static unsigned passed, failed;

static void check(bool ok, const char *what)
{
	if (ok) {
		passed++;
		return;
	}
	failed++;
	printf("failed: %s\n", what);
}

struct mixer {
	struct coro *c;
	uint64_t seed, whole;
	double real;
	int round;
};

/* More live values than there are callee-saved registers of either kind. */
static void mix(void *arg)
{
	struct mixer *m = arg;
	uint64_t a = m->seed, b = a * 3, c = a * 5, d = a * 7, e = a * 11, f = a * 13, g = a * 17, h = a * 19;
	double p = (double)a, q = p / 3, r = p / 5, s = p / 7, t = p / 11, u = p / 13, v = p / 17, w = p / 19;

	for (m->round = 0; m->round < 50; m->round++) {
		a += b ^ c, b += c ^ d, c += d ^ e, d += e ^ f, e += f ^ g, f += g ^ h, g += h ^ a, h += a ^ b;
		p += q / 2, q += r / 2, r += s / 2, s += t / 2, t += u / 2, u += v / 2, v += w / 2, w += p / 128;
		if (m->c)
			coro_suspend(m->c);
	}
	m->whole = a ^ b ^ c ^ d ^ e ^ f ^ g ^ h;
	m->real = p + q + r + s + t + u + v + w;
}

static bool same(const struct mixer *m)
{
	struct mixer plain = {NULL, m->seed, 0, 0, 0};

	mix(&plain);
	return plain.whole == m->whole && !(plain.real < m->real) && !(plain.real > m->real);
}

static void check_order_and_registers(void)
{
	struct mixer m[3];
	bool early = false, late = true;

	for (unsigned i = 0; i < 3; i++) {
		m[i] = (struct mixer){NULL, 1000003u * (i + 1), 0, 0, 0};
		if (coro_new(&m[i].c, true, STACK_BYTES, mix, &m[i])) {
			check(false, "coro_new");
			return;
		}
	}
	for (int round = 0; round < 50; round++)
		for (unsigned i = 0; i < 3; i++)
			early |= coro_resume(m[i].c) || m[i].round != round;
	for (unsigned i = 0; i < 3; i++)
		late &= coro_resume(m[i].c);
	check(!early, "resume is false before the end");
	check(late, "resume is true at the end");
	check(same(&m[0]) && same(&m[1]) && same(&m[2]), "registers live through switches");
	for (unsigned i = 0; i < 3; i++)
		coro_free(m[i].c);
}

static void check_many(void)
{
	static struct mixer many[MANY];
	bool ok = true;

	for (unsigned i = 0; i < MANY; i++) {
		many[i].seed = i;
		ok &= coro_new(&many[i].c, true, 16384, mix, &many[i]) == 0 && !coro_resume(many[i].c);
	}
	for (unsigned i = 0; i < MANY; i++)
		coro_free(many[i].c);
	check(ok, "thousands at once, freed while suspended");
	ok = coro_new(&many[0].c, true, 16384, mix, &many[0]) == 0 && !coro_resume(many[0].c);
	check(ok, "a stack that was freed is used again");
	coro_free(many[0].c);
	coro_trim();
}

static void *resume_thread(void *arg)
{
	struct mixer *m = arg;

	coro_resume(m->c);
	return NULL;
}

static void check_other_thread(void)
{
	struct mixer m = {NULL, 7, 0, 0, 0};
	bool ok = coro_new(&m.c, true, STACK_BYTES, mix, &m) == 0;
	pthread_t thread;

	for (int i = 0; i < 50 && ok; i++)
		ok = pthread_create(&thread, NULL, resume_thread, &m) == 0 && pthread_join(thread, NULL) == 0;
	check(ok && coro_resume(m.c) && same(&m), "another thread may go on");
	coro_free(m.c);
}

static int dig(int depth) __attribute__((noinline));
static int dig(int depth)
{
	volatile char block[512];

	block[depth % 512] = 1;
	return depth == 0 ? 0 : dig(depth - 1) + block[depth % 512];
}

static uintptr_t overflow_from;

static void on_fault(int sig, siginfo_t *info, void *context)
{
	uintptr_t depth = overflow_from - (uintptr_t)info->si_addr;
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	(void)sig, (void)context;
	_exit(depth > STACK_BYTES - page && depth < STACK_BYTES + page ? 0 : 3);
}

static void overflow(void *arg)
{
	overflow_from = (uintptr_t)__builtin_frame_address(0);
	*(int *)arg = dig(1 << 24);
}

static void check_guard(void)
{
	static char signal_stack[65536];
	stack_t alternate = {.ss_sp = signal_stack, .ss_size = sizeof signal_stack};
	struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	int depth, status = -1;
	struct coro *c;
	pid_t pid = fork();

	if (pid == 0) {
		if (sigaltstack(&alternate, NULL) == 0 && sigaction(SIGSEGV, &action, NULL) == 0 &&
		    coro_new(&c, true, STACK_BYTES, overflow, &depth) == 0)
			coro_resume(c);
		_exit(1);
	}
	check(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0, "an overflow hits the guard page");
}

static void check_replay(void)
{
	struct mixer m = {NULL, 7, 0, 0, 0};
	bool ok = true;

	for (int i = 0; i < 1000; i++) {
		ok &= coro_new(&m.c, false, 0, mix, &m) == 0 && !coro_resume(m.c) && m.round == 0;
		coro_free(m.c);
	}
	check(ok, "replay mode leaves at the first suspend");
}

int main(void)
{
	if (coro_has_stacks()) {
		check_order_and_registers();
		check_many();
		check_other_thread();
		check_guard();
	} else {
		struct coro *c;

		check(coro_new(&c, true, STACK_BYTES, mix, NULL) == PAWL_EUNSUPPORTED, "resident is refused");
	}
	check_replay();
	printf("%u passed, %u failed\n", passed, failed);
	return failed != 0;
}
