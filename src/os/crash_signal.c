/* crash_signal.c - handlers for the signals that bring a process down. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "os/crash_signal.h"
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STACK_BYTES (16 * 1024) /* beside what the kernel puts there; a handler of before runs on it too */
#define AT_LEAST_FOR_SIGNAL 51  /* AT_MINSIGSTKSZ, which old headers lack: with wide registers 2 KiB are not enough */

static const int crash_signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS };
enum { CRASH_SIGNALS = sizeof(crash_signals) / sizeof(crash_signals[0]) };

static struct sigaction before[CRASH_SIGNALS];
static bool is_ours[CRASH_SIGNALS];
static void (*_Atomic teller)(int signal);

/* What the thread had, for crash_signal_thread_end. */
static _Thread_local struct {
	bool begun;
	sigset_t blocked;
	void *stack;
	size_t stack_bytes;
} own;

/* ---- in the handler ---- */

static bool is_from_kernel(const siginfo_t *info)
{
	return info->si_code > 0;
}

/* Returning from the handler runs into it once more. Not after a system call that a filter has refused, which is
 * skipped, nor after news of bad memory elsewhere. */
static bool comes_again(int signal, const siginfo_t *info)
{
#ifdef BUS_MCEERR_AO
	if (signal == SIGBUS && info->si_code == BUS_MCEERR_AO)
		return false;
#endif
	return is_from_kernel(info) && signal != SIGSYS;
}

/* It is blocked until the handler has returned. */
static void send_again(int signal, siginfo_t *info)
{
	if (syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), signal, info) < 0)
		raise(signal);
}

static void on_crash(int signal, siginfo_t *info, void *context)
{
	int saved = errno;
	void (*tell)(int) = atomic_load(&teller);

	(void)context;
	if (tell && (is_from_kernel(info) || info->si_pid == getpid()))
		tell(signal);
	for (size_t i = 0; i < CRASH_SIGNALS; i++)
		if (crash_signals[i] == signal)
			sigaction(signal, &before[i], NULL);
	if (!comes_again(signal, info))
		send_again(signal, info);
	errno = saved;
}

/* ---- of the process ---- */

void crash_signal_take(void (*tell)(int signal))
{
	struct sigaction act = { .sa_sigaction = on_crash, .sa_flags = SA_SIGINFO | SA_ONSTACK };

	/* with all blocked, a fault in the handler itself ends the process at once */
	sigfillset(&act.sa_mask);
	atomic_store(&teller, tell);
	for (size_t i = 0; i < CRASH_SIGNALS; i++) {
		/* what was there is known before the handler can need it */
		is_ours[i] = sigaction(crash_signals[i], NULL, &before[i]) == 0 &&
		             sigaction(crash_signals[i], &act, NULL) == 0;
	}
}

void crash_signal_give_back(void)
{
	struct sigaction now;

	atomic_store(&teller, NULL);
	for (size_t i = 0; i < CRASH_SIGNALS; i++) {
		if (is_ours[i] && sigaction(crash_signals[i], NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) &&
		    now.sa_sigaction == on_crash)
			sigaction(crash_signals[i], &before[i], NULL);
		is_ours[i] = false;
	}
}

/* ---- of a thread ---- */

/* Below it a page that cannot be written: what overflows this one too harms nobody else. */
static void add_stack(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t bytes = (STACK_BYTES + (size_t)getauxval(AT_LEAST_FOR_SIGNAL) + page - 1) / page * page + page;
	char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return;
	(void)mprotect(memory, page, PROT_NONE);
	stack_t stack = { .ss_sp = memory + page, .ss_size = bytes - page };
	if (sigaltstack(&stack, NULL) < 0) {
		munmap(memory, bytes);
		return;
	}
	own.stack = memory;
	own.stack_bytes = bytes;
}

void crash_signal_thread_begin(void)
{
	stack_t stack;
	sigset_t open;

	if (own.begun)
		return;
	own.begun = true;
	if (sigaltstack(NULL, &stack) == 0 && (stack.ss_flags & SS_DISABLE))
		add_stack();
	sigemptyset(&open);
	for (size_t i = 0; i < CRASH_SIGNALS; i++)
		sigaddset(&open, crash_signals[i]);
	pthread_sigmask(SIG_UNBLOCK, &open, &own.blocked);
}

static void drop_stack(void)
{
	stack_t stack = { .ss_flags = SS_DISABLE }, now;

	/* somebody has put another one in its place: then ours may be what is restored later */
	if (sigaltstack(NULL, &now) < 0 || (char *)now.ss_sp < (char *)own.stack ||
	    (char *)now.ss_sp >= (char *)own.stack + own.stack_bytes)
		return;
	if (sigaltstack(&stack, NULL) == 0)
		munmap(own.stack, own.stack_bytes);
}

void crash_signal_thread_end(void)
{
	if (!own.begun)
		return;
	own.begun = false;
	pthread_sigmask(SIG_SETMASK, &own.blocked, NULL);
	if (own.stack)
		drop_stack();
	own.stack = NULL;
}
