/*
 * loop.c - epoll with a table of handlers, one entry for each descriptor.
 *
 * The kernel hands back descriptor and generation of what is ready. A handler that is removed and added again, or
 * whose number is taken by another descriptor, has a new generation: what is left of the same batch for the old one is
 * dropped. Nothing points into the table while a callback runs, so it may grow there.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "os/loop.h"
#include "base/error.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000
#define BATCH 64
#define SIGNALS_MAX 65
#define A_YEAR_S (365 * 24 * 3600)

struct handler {
	loop_fn fn; /* NULL: nobody waits for this descriptor */
	void *arg;
	unsigned events;
	uint32_t generation;
};

struct listener {
	void (*fn)(void *arg, int signal);
	void *arg;
};

struct loop {
	int epoll, wake, timer, clock, signals;
	atomic_bool woken; /* a wake is on its way: no need to write another */
	struct handler *handlers; /* by descriptor */
	size_t handlers_len;
	uint32_t generation;
	int64_t timer_ns, armed_ns; /* what was asked for, what the kernel knows */
	void (*clock_set)(void *arg);
	void *clock_arg;
	sigset_t signal_set;
	struct listener listeners[SIGNALS_MAX];
	void *user;
};

static void on_wake(void *arg, unsigned events);
static void on_timer(void *arg, unsigned events);

int loop_new(struct loop **out, struct pawl_error *err)
{
	struct loop *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return err_nomem(err);
	atomic_init(&l->woken, false);
	sigemptyset(&l->signal_set);
	l->timer_ns = l->armed_ns = -1;
	l->clock = l->signals = l->wake = l->timer = -1;
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll >= 0)
		l->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->wake >= 0)
		l->timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	r = l->timer < 0 ? err_sys(err, errno, "cannot make an event loop") : 0;
	if (r == 0)
		r = loop_add(l, l->wake, LOOP_READ, on_wake, l, err);
	if (r == 0)
		r = loop_add(l, l->timer, LOOP_READ, on_timer, l, err);
	if (r == 0)
		*out = l;
	else
		loop_free(l);
	return r;
}

static void close_if_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	close_if_open(l->signals);
	close_if_open(l->clock);
	close_if_open(l->timer);
	close_if_open(l->wake);
	close_if_open(l->epoll);
	free(l->handlers);
	free(l);
}

void loop_set_user(struct loop *l, void *user)
{
	l->user = user;
}

void *loop_get_user(const struct loop *l)
{
	return l->user;
}

/* descriptors */

static bool make_room(struct loop *l, size_t fd)
{
	size_t len = l->handlers_len ? l->handlers_len : 16;

	if (fd < l->handlers_len)
		return true;
	while (len <= fd)
		len *= 2;
	struct handler *handlers = realloc(l->handlers, len * sizeof(*handlers));
	if (!handlers)
		return false;
	memset(handlers + l->handlers_len, 0, (len - l->handlers_len) * sizeof(*handlers));
	l->handlers = handlers;
	l->handlers_len = len;
	return true;
}

int loop_add(struct loop *l, int fd, unsigned events, loop_fn fn, void *arg, struct pawl_error *err)
{
	struct epoll_event e = { 0 };

	if (fd < 0)
		return err_set(err, PAWL_EINVALID, "cannot wait for descriptor %d", fd);
	if (!make_room(l, (size_t)fd))
		return err_nomem(err);
	if (events & LOOP_READ)
		e.events |= EPOLLIN;
	if (events & LOOP_WRITE)
		e.events |= EPOLLOUT;
	e.data.u64 = (uint64_t)(l->generation + 1) << 32 | (uint32_t)fd;
	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &e) < 0)
		return err_sys(err, errno, "cannot wait for descriptor %d", fd);
	l->handlers[fd] = (struct handler){ fn, arg, events, ++l->generation };
	return 0;
}

void loop_remove(struct loop *l, int fd)
{
	struct epoll_event unused = { 0 }; /* kernels before 2.6.9 want one */

	if (fd < 0 || (size_t)fd >= l->handlers_len || !l->handlers[fd].fn)
		return;
	epoll_ctl(l->epoll, EPOLL_CTL_DEL, fd, &unused);
	l->handlers[fd].fn = NULL;
}

/* the timer */

void loop_set_timer(struct loop *l, int64_t boot_ns)
{
	l->timer_ns = boot_ns < 0 ? -1 : boot_ns;
}

static struct itimerspec at_ns(int64_t ns)
{
	struct itimerspec t = { { 0, 0 }, { 0, 0 } };

	t.it_value.tv_sec = (time_t)(ns / NS_PER_S);
	t.it_value.tv_nsec = (long)(ns % NS_PER_S);
	return t;
}

/* Late, so that setting it many times between two waits costs one system call or none. */
static int arm_timer(struct loop *l, struct pawl_error *err)
{
	/* 0 would mean "off" to the kernel, but is long past to us */
	struct itimerspec t = at_ns(l->timer_ns < 0 ? 0 : l->timer_ns == 0 ? 1 : l->timer_ns);

	if (l->timer_ns == l->armed_ns)
		return 0;
	if (timerfd_settime(l->timer, TFD_TIMER_ABSTIME, &t, NULL) < 0)
		return err_set(err, PAWL_EIO, "cannot set the timer: error %d", errno);
	l->armed_ns = l->timer_ns;
	return 0;
}

static void on_timer(void *arg, unsigned events)
{
	struct loop *l = arg;
	uint64_t times;

	(void)events;
	if (read(l->timer, &times, sizeof(times)) != (ssize_t)sizeof(times))
		return;
	if (l->timer_ns == l->armed_ns)
		l->timer_ns = -1;
	l->armed_ns = -1;
}

/* changes of the wall clock */

/* A year is far enough, and a time that 32-bit kernels know too. */
static int arm_clock(struct loop *l)
{
	struct timespec now;
	struct itimerspec t = { { 0, 0 }, { 0, 0 } };

	clock_gettime(CLOCK_REALTIME, &now);
	t.it_value.tv_sec = now.tv_sec + A_YEAR_S;
	if (timerfd_settime(l->clock, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &t, NULL) < 0 && errno != ECANCELED)
		return -errno;
	return 0; /* canceled: armed, and the clock was set a moment ago, before anybody looked at it */
}

/* Armed again before the callback looks at the clock, so that no change after that look is missed. */
static void on_clock(void *arg, unsigned events)
{
	struct loop *l = arg;
	uint64_t times;
	bool was_set = read(l->clock, &times, sizeof(times)) < 0 && errno == ECANCELED;

	(void)events;
	arm_clock(l);
	if (was_set)
		l->clock_set(l->clock_arg);
}

int loop_on_clock_set(struct loop *l, void (*fn)(void *arg), void *arg, struct pawl_error *err)
{
	int r;

	l->clock_set = fn;
	l->clock_arg = arg;
	if (l->clock >= 0)
		return 0;
	l->clock = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	r = l->clock < 0 ? -errno : arm_clock(l);
	if (r < 0)
		r = err_sys(err, -r, "cannot watch the wall clock");
	else
		r = loop_add(l, l->clock, LOOP_READ, on_clock, l, err);
	if (r < 0) {
		close_if_open(l->clock);
		l->clock = -1;
	}
	return r;
}

/* signals */

static void on_signal(void *arg, unsigned events)
{
	struct loop *l = arg;
	struct signalfd_siginfo info;

	(void)events;
	while (read(l->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		struct listener to = { NULL, NULL };

		if (info.ssi_signo < SIGNALS_MAX)
			to = l->listeners[info.ssi_signo];
		if (to.fn)
			to.fn(to.arg, (int)info.ssi_signo);
	}
}

static int open_signals(struct loop *l, const sigset_t *set, struct pawl_error *err)
{
	int fd = signalfd(l->signals, set, SFD_CLOEXEC | SFD_NONBLOCK);

	if (fd < 0)
		return err_sys(err, errno, "cannot receive signals");
	if (l->signals >= 0)
		return 0;
	int r = loop_add(l, fd, LOOP_READ, on_signal, l, err);
	if (r < 0)
		close(fd);
	else
		l->signals = fd;
	return r;
}

int loop_on_signals(struct loop *l, const int *signals, void (*fn)(void *arg, int signal), void *arg,
                    struct pawl_error *err)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t set = l->signal_set;
	int r;

	for (const int *s = signals; *s; s++)
		if (*s >= SIGNALS_MAX || sigaddset(&set, *s) < 0)
			return err_set(err, PAWL_EINVALID, "cannot receive signal %d", *s);
	r = pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (r != 0)
		return err_sys(err, r, "cannot block signals");
	sigaction(SIGPIPE, &ignore, NULL);
	r = open_signals(l, &set, err);
	if (r < 0)
		return r;
	l->signal_set = set;
	for (const int *s = signals; *s; s++)
		l->listeners[*s] = (struct listener){ fn, arg };
	return 0;
}

/* waking up */

void loop_wake(struct loop *l)
{
	static const uint64_t one = 1;
	int sys = errno;

	/* It fails only when the counter is full, and then the loop wakes up anyway. */
	if (!atomic_exchange(&l->woken, true) && write(l->wake, &one, sizeof(one)) < 0)
		errno = sys;
}

static void on_wake(void *arg, unsigned events)
{
	struct loop *l = arg;
	uint64_t count;

	(void)events;
	if (read(l->wake, &count, sizeof(count)) < 0)
		return;
	/* A wake between the read and here writes nothing; what it announced is seen by the caller, who is told now. */
	atomic_exchange(&l->woken, false);
}

/* waiting */

static void dispatch(struct loop *l, const struct epoll_event *e)
{
	uint32_t fd = (uint32_t)e->data.u64;
	struct handler h = l->handlers[fd];
	unsigned events = 0;

	if (!h.fn || h.generation != (uint32_t)(e->data.u64 >> 32))
		return;
	if (e->events & EPOLLIN)
		events |= LOOP_READ;
	if (e->events & EPOLLOUT)
		events |= LOOP_WRITE;
	if (e->events & (EPOLLERR | EPOLLHUP))
		events |= h.events;
	h.fn(h.arg, events);
}

int loop_wait(struct loop *l, bool block, struct pawl_error *err)
{
	struct epoll_event ready[BATCH];
	int n, r = arm_timer(l, err);

	if (r < 0)
		return r;
	do
		n = epoll_wait(l->epoll, ready, BATCH, block ? -1 : 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_set(err, PAWL_EIO, "cannot wait for events: error %d", errno);
	for (int i = 0; i < n; i++)
		dispatch(l, &ready[i]);
	return 0;
}

/* alarms */

int alarm_new(void)
{
	int fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

void alarm_set(int fd, int64_t from_now_ns)
{
	struct itimerspec t = at_ns(from_now_ns < 0 ? 1 : from_now_ns);

	timerfd_settime(fd, 0, &t, NULL);
}

bool alarm_wait(int fd)
{
	uint64_t times;
	ssize_t n;

	do
		n = read(fd, &times, sizeof(times));
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(times);
}

void alarm_ring(int fd)
{
	alarm_set(fd, 1);
}
