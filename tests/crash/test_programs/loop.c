/*
 * loop.c - in place of src/os/loop.c and src/runtime/crew.c: one thread, simulated time, an order of its own. What is linked
 * first is taken, so the archive of the library keeps its own to itself. test_simulation has it too.
 */
#include "crash/program_loop.h"
#include "crash/program.h"
#include "os/loop.h"
#include "runtime/crew.h"

#include <stdlib.h>

#define HANDLERS_MAX 64
#define JOBS_MAX 256

struct program_loop *program_loop;

struct loop {
	struct { int fd; loop_fn fn; void *arg; } handlers[HANDLERS_MAX];
	int64_t timer_ns;
	void *user;
	void (*clock_set)(void *arg);
	void *clock_arg;
};

struct crew {
	bool (*loop)(void *arg);
	void *arg;
	struct crew_job *jobs[JOBS_MAX], *finished, **finished_end;
	size_t count;
};

/* ---- threads ---- */

int crew_new(struct crew **out, unsigned jobs_max, bool (*loop)(void *arg), void (*wake)(void *arg), void *arg, struct pawl_error *err)
{
	struct crew *c = calloc(1, sizeof(*c));

	(void)jobs_max;
	(void)wake;
	(void)err;
	if (!c)
		abort();
	c->loop = loop;
	c->arg = arg;
	c->finished_end = &c->finished;
	*out = program_loop->crew = c;
	return 0;
}

void crew_run(struct crew *c)
{
	while (!c->loop(c->arg))
		;
}

void crew_free(struct crew *c)
{
	free(c);
	program_loop->crew = NULL;
}

void crew_submit(struct crew *c, struct crew_job *job, bool beside)
{
	(void)beside;
	if (c->count == JOBS_MAX)
		abort();
	c->jobs[c->count++] = job;
}

/* Sometimes another thread is so kind; then the loop goes on meanwhile. */
bool crew_has_jobs(struct crew *c)
{
	return c->count > 0 && program_below(&program_loop->random, 3) > 0;
}

static void run_job(struct crew *c)
{
	size_t n = program_below(&program_loop->random, (unsigned)c->count);
	struct crew_job *job = c->jobs[n];

	c->jobs[n] = c->jobs[--c->count];
	job->run(job);
	job->next = NULL;
	*c->finished_end = job;
	c->finished_end = &job->next;
}

bool crew_work(struct crew *c)
{
	run_job(c);
	while (c->count && program_below(&program_loop->random, 2))
		run_job(c);
	return true;
}

void crew_set_jobs_max(struct crew *c, unsigned jobs_max)
{
	(void)c;
	(void)jobs_max;
}

struct crew_job *crew_finished(struct crew *c)
{
	struct crew_job *list = c->finished;

	c->finished = NULL;
	c->finished_end = &c->finished;
	return list;
}

/* ---- the loop ---- */

int loop_new(struct loop **out, struct pawl_error *err)
{
	struct loop *l = calloc(1, sizeof(*l));

	(void)err;
	if (!l)
		abort();
	for (int i = 0; i < HANDLERS_MAX; i++)
		l->handlers[i].fd = -1;
	l->timer_ns = -1;
	*out = l;
	return 0;
}

void loop_free(struct loop *l)
{
	if (l && program_loop->freed)
		program_loop->freed(l);
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

int loop_add(struct loop *l, int fd, unsigned events, loop_fn fn, void *arg, struct pawl_error *err)
{
	(void)events;
	(void)err;
	for (int i = 0; i < HANDLERS_MAX; i++)
		if (l->handlers[i].fd < 0) {
			l->handlers[i].fd = fd;
			l->handlers[i].fn = fn;
			l->handlers[i].arg = arg;
			return 0;
		}
	abort();
}

void loop_remove(struct loop *l, int fd)
{
	for (int i = 0; i < HANDLERS_MAX; i++)
		if (l->handlers[i].fd == fd)
			l->handlers[i].fd = -1;
}

void loop_set_timer(struct loop *l, int64_t boot_ns)
{
	l->timer_ns = boot_ns;
}

int loop_on_clock_set(struct loop *l, void (*fn)(void *arg), void *arg, struct pawl_error *err)
{
	(void)err;
	l->clock_set = fn;
	l->clock_arg = arg;
	return 0;
}

int loop_on_signals(struct loop *l, const int *signals, void (*fn)(void *arg, int signal), void *arg, struct pawl_error *err)
{
	(void)l;
	(void)signals;
	(void)fn;
	(void)arg;
	(void)err;
	return 0;
}

void loop_wake(struct loop *l)
{
	(void)l;
}

static bool is_ready(const struct program_loop *w, int fd)
{
	return fd >= 0 && (w->mail || (w->ready && w->ready(w->arg, fd)));
}

bool program_loop_is_called(const struct loop *l, const struct program_loop *of)
{
	for (int i = 0; i < HANDLERS_MAX; i++)
		if (is_ready(of, l->handlers[i].fd))
			return true;
	return of->mail || of->clock_set;
}

static void tell(struct loop *l)
{
	bool ready[HANDLERS_MAX];

	for (int i = 0; i < HANDLERS_MAX; i++)
		ready[i] = is_ready(program_loop, l->handlers[i].fd);
	program_loop->mail = false;
	if (program_loop->clock_set && l->clock_set)
		l->clock_set(l->clock_arg);
	program_loop->clock_set = false;
	for (int i = 0; i < HANDLERS_MAX; i++)
		if (ready[i] && l->handlers[i].fd >= 0)
			l->handlers[i].fn(l->handlers[i].arg, LOOP_READ);
}

int loop_wait(struct loop *l, bool block, struct pawl_error *err)
{
	struct program_loop *w = program_loop;
	int rc = w->step(w->arg, err);

	if (rc < 0)
		return rc;
	if (program_loop_is_called(l, w))
		tell(l);
	else if (w->crew->count && (block || program_below(&w->random, 4) == 0))
		run_job(w->crew);
	else if (block && !w->crew->finished)
		rc = w->idle(w->arg, l->timer_ns, err);
	return rc;
}

int alarm_new(void)
{
	return -1;
}

void alarm_set(int fd, int64_t from_now_ns)
{
	(void)fd;
	(void)from_now_ns;
}

bool alarm_wait(int fd)
{
	(void)fd;
	return false;
}

void alarm_ring(int fd)
{
	(void)fd;
}
