/*
 * crash_signal.h - to be told of the signals that bring a process down, on the thread that they hit, and to let them
 * have their way: SEGV, BUS, FPE, ILL, ABRT, SYS.
 *
 * A handler of ours tells, puts back what was there before and lets the signal come again, with the same siginfo: the
 * fault by running the instruction again, anything else by being queued again. So a debugger's core dump, a sanitizer's
 * report and a handler of the embedding program see what they would have seen without us. It runs on the thread's
 * alternate stack, if it has one.
 *
 * What another process has sent (kill -ABRT, a supervisor's watchdog) is passed on untold: it says nothing about the
 * thread that it happens to hit.
 */
#ifndef OS_CRASH_SIGNAL_H
#define OS_CRASH_SIGNAL_H

/* From now on tell is called, in the signal handler: only what is async-signal-safe. Once, until it is given back. */
void crash_signal_take(void (*tell)(int signal));
/* What was there before comes back; where somebody has put a handler over ours, that one stays. */
void crash_signal_give_back(void);

/* On each thread that may crash: these signals unblocked (a blocked fault kills without any handler) and a stack for
 * the handler, unless the thread has one. No memory for it: then a stack overflow is not told. end: all as before. */
void crash_signal_thread_begin(void);
void crash_signal_thread_end(void);

#endif
