/*
 * loop.h - what the runtime's event loop waits with: epoll, one CLOCK_BOOTTIME timer, signals, and a wake-up that any
 * thread (or a signal handler) may give. One thread at a time uses a loop; it need not always be the same one.
 */
#ifndef OS_LOOP_H
#define OS_LOOP_H

#include <pawl/error.h>
#include <stdbool.h>
#include <stdint.h>

struct loop;

enum { LOOP_READ = 1, LOOP_WRITE = 2 }; /* errors and hang-ups are reported as the interest that was given */

typedef void (*loop_fn)(void *arg, unsigned events);

int loop_new(struct loop **out, struct pawl_error *err) PAWL_MUST_USE;
void loop_free(struct loop *l);

/* A place for what belongs to one loop and is found by it: the processes that it watches. NULL at first. */
void loop_set_user(struct loop *l, void *user);
void *loop_get_user(const struct loop *l);

/* Call fn whenever fd is ready (level triggered). The descriptor stays the caller's; remove it before closing it. An fd
 * that is removed, also from inside a callback, gets no further call. */
int loop_add(struct loop *l, int fd, unsigned events, loop_fn fn, void *arg, struct pawl_error *err) PAWL_MUST_USE;
void loop_remove(struct loop *l, int fd);

/* One-shot timer on CLOCK_BOOTTIME; < 0 = none. Setting the same time again costs no system call. */
void loop_set_timer(struct loop *l, int64_t boot_ns);
/* fn is called when the wall clock was set (a discontinuous change): TFD_TIMER_CANCEL_ON_SET. */
int loop_on_clock_set(struct loop *l, void (*fn)(void *arg), void *arg, struct pawl_error *err) PAWL_MUST_USE;

/* Deliver these signals (0-terminated list) through the loop; they are blocked in the calling thread and all it makes
 * later. SIGPIPE is ignored. */
int loop_on_signals(struct loop *l, const int *signals, void (*fn)(void *arg, int signal), void *arg, struct pawl_error *err) PAWL_MUST_USE;

/* Make loop_wait return. Async-signal-safe, any thread; many wakes before a wait count as one. */
void loop_wake(struct loop *l);

/* Wait until something happens and call what is due. block false: only look. 0, or PAWL_EIO. */
int loop_wait(struct loop *l, bool block, struct pawl_error *err) PAWL_MUST_USE;

/* A one-shot alarm that another thread can sleep on (see runtime/crew.h): a plain timerfd. */
int alarm_new(void);                            /* descriptor or -errno */
void alarm_set(int fd, int64_t from_now_ns);    /* 0 = off */
bool alarm_wait(int fd);                        /* blocks until it goes off */
void alarm_ring(int fd);                        /* let it go off now */

#endif
