/* crew.c - threads and the baton; see crew.h for the idea. */
#include "runtime/crew.h"
#include "base/error.h"
#include "os/loop.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#define PATIENCE_NS 200000
#define STACK_BYTES (256 * 1024)

enum baton { BATON_HELD, BATON_LENT };

struct crew {
	bool (*loop)(void *arg);
	void (*wake)(void *arg);
	void *arg;
	unsigned threads_max;
	size_t busy;              /* the holder's */
	atomic_int baton;
	atomic_bool over;
	int alarm;                /* the deputy sleeps on it */
	pthread_mutex_t lock;     /* guards what follows */
	pthread_cond_t more, gone;
	struct crew_job *queue, **queue_end;
	struct crew_job *finished, **finished_end;
	unsigned threads, idle;
	bool has_deputy;
};

int crew_new(struct crew **out, unsigned threads_max, bool (*loop)(void *arg), void (*wake)(void *arg), void *arg, struct pawl_error *err)
{
	struct crew *c = calloc(1, sizeof(*c));

	if (!c)
		return err_nomem(err);
	c->alarm = alarm_new();
	if (c->alarm < 0) {
		int sys = -c->alarm;
		free(c);
		return err_sys(err, sys, "cannot make a timer for the threads");
	}
	c->loop = loop;
	c->wake = wake;
	c->arg = arg;
	c->threads_max = threads_max;
	c->queue_end = &c->queue;
	c->finished_end = &c->finished;
	atomic_init(&c->baton, BATON_HELD);
	atomic_init(&c->over, false);
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->more, NULL);
	pthread_cond_init(&c->gone, NULL);
	*out = c;
	return 0;
}

void crew_free(struct crew *c)
{
	if (!c)
		return;
	close(c->alarm);
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->more);
	pthread_cond_destroy(&c->gone);
	free(c);
}

static bool hand_in(struct crew *c, struct crew_job *job)
{
	pthread_mutex_lock(&c->lock);
	bool first = c->finished == NULL;
	job->next = NULL;
	*c->finished_end = job;
	c->finished_end = &job->next;
	pthread_mutex_unlock(&c->lock);
	return first;
}

static void finish(struct crew *c, struct crew_job *job)
{
	if (hand_in(c, job))
		c->wake(c->arg);
}

/* ---- the threads ---- */

static bool baton_take(struct crew *c)
{
	int lent = BATON_LENT;

	return atomic_compare_exchange_strong(&c->baton, &lent, BATON_HELD);
}

static void end_all(struct crew *c)
{
	pthread_mutex_lock(&c->lock);
	atomic_store(&c->over, true);
	pthread_cond_broadcast(&c->more);
	pthread_mutex_unlock(&c->lock);
	alarm_ring(c->alarm);
}

/* Hold the baton until it is lost or all is over. */
static void be_loop(struct crew *c)
{
	if (c->loop(c->arg))
		end_all(c);
}

static void be_deputy(struct crew *c)
{
	pthread_mutex_unlock(&c->lock);
	bool mine = false;
	while (!mine && !atomic_load(&c->over))
		mine = alarm_wait(c->alarm) && !atomic_load(&c->over) && baton_take(c);
	pthread_mutex_lock(&c->lock);
	c->has_deputy = false;
	pthread_mutex_unlock(&c->lock);
	if (mine)
		be_loop(c);
	pthread_mutex_lock(&c->lock);
}

static void do_job(struct crew *c)
{
	struct crew_job *job = c->queue;

	c->queue = job->next;
	if (!c->queue)
		c->queue_end = &c->queue;
	pthread_mutex_unlock(&c->lock);
	job->run(job);
	finish(c, job);
	pthread_mutex_lock(&c->lock);
}

/* What a thread does that is not the loop: jobs first, then stand in as deputy, then wait. */
static void serve(struct crew *c)
{
	pthread_mutex_lock(&c->lock);
	while (!atomic_load(&c->over)) {
		if (c->queue) {
			do_job(c);
		} else if (!c->has_deputy) {
			c->has_deputy = true;
			be_deputy(c);
		} else {
			c->idle++;
			pthread_cond_wait(&c->more, &c->lock);
			c->idle--;
		}
	}
	pthread_mutex_unlock(&c->lock);
}

static void *thread_main(void *arg)
{
	struct crew *c = arg;

	serve(c);
	pthread_mutex_lock(&c->lock);
	c->threads--;
	pthread_cond_signal(&c->gone);
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

static int spawn_thread(struct crew *c)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all, before;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	int rc = pthread_create(&thread, &attr, thread_main, c);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	if (rc == 0)
		c->threads++;
	return rc;
}

void crew_run(struct crew *c)
{
	be_loop(c);
	if (!atomic_load(&c->over))
		serve(c);
	pthread_mutex_lock(&c->lock);
	while (c->threads > 0)
		pthread_cond_wait(&c->gone, &c->lock);
	pthread_mutex_unlock(&c->lock);
}

/* ---- with the baton ---- */

void crew_submit(struct crew *c, struct crew_job *job)
{
	c->busy++;
	pthread_mutex_lock(&c->lock);
	job->next = NULL;
	*c->queue_end = job;
	c->queue_end = &job->next;
	/* One thread more than may work: the deputy does not take jobs. */
	bool alone = c->idle == 0 && c->threads <= c->threads_max && spawn_thread(c) != 0 && c->threads == 0;
	pthread_cond_signal(&c->more);
	if (alone) { /* no thread to be had: better slow than stuck */
		c->queue = NULL;
		c->queue_end = &c->queue;
	}
	pthread_mutex_unlock(&c->lock);
	if (alone) {
		job->run(job);
		finish(c, job);
	}
}

static bool ensure_deputy(struct crew *c)
{
	pthread_mutex_lock(&c->lock);
	bool there = c->has_deputy || c->idle > 0 || spawn_thread(c) == 0;
	if (!c->has_deputy && c->idle > 0)
		pthread_cond_signal(&c->more);
	pthread_mutex_unlock(&c->lock);
	return there;
}

bool crew_lend(struct crew *c, struct crew_job *job)
{
	c->busy++;
	if (!ensure_deputy(c)) {
		job->run(job);
		finish(c, job);
		return true;
	}
	atomic_store(&c->baton, BATON_LENT);
	alarm_set(c->alarm, PATIENCE_NS);
	job->run(job);
	/* First the result, then the baton: whoever is the loop now must find it. */
	(void)hand_in(c, job);
	if (!baton_take(c)) {
		c->wake(c->arg);
		return false;
	}
	alarm_set(c->alarm, 0);
	return true;
}

struct crew_job *crew_finished(struct crew *c)
{
	pthread_mutex_lock(&c->lock);
	struct crew_job *list = c->finished;
	c->finished = NULL;
	c->finished_end = &c->finished;
	pthread_mutex_unlock(&c->lock);
	for (struct crew_job *job = list; job; job = job->next)
		c->busy--;
	return list;
}

size_t crew_busy(const struct crew *c)
{
	return c->busy;
}
