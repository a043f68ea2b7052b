/* crew.c - threads and the baton; see crew.h for the idea. */
#include "runtime/crew.h"
#include "base/error.h"
#include "os/loop.h"
#include "runtime/crash_mark.h"
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
	unsigned threads_max;     /* beside the one that calls crew_run: jobs, a commit, a checkpoint, the deputy */
	atomic_int baton;
	atomic_bool over;
	int alarm;                /* the deputy sleeps on it */
	pthread_mutex_t lock;     /* guards what follows */
	pthread_cond_t more, gone;
	struct job_list { struct crew_job *first, **end; } urgent, normal[CREW_RANKS], finished;
	unsigned waiting;         /* in the normal lists */
	unsigned jobs_max, running; /* normal ones */
	unsigned threads, idle;
	bool has_deputy;
};

static void list_init(struct job_list *l)
{
	l->first = NULL;
	l->end = &l->first;
}

static void list_put(struct job_list *l, struct crew_job *job)
{
	job->next = NULL;
	*l->end = job;
	l->end = &job->next;
}

static struct crew_job *list_take(struct job_list *l)
{
	struct crew_job *job = l->first;

	if (job && !(l->first = job->next))
		l->end = &l->first;
	return job;
}

int crew_new(struct crew **out, unsigned jobs_max, bool (*loop)(void *arg), void (*wake)(void *arg), void *arg, struct pawl_error *err)
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
	c->jobs_max = jobs_max;
	c->threads_max = jobs_max + 3;
	list_init(&c->urgent);
	for (int rank = 0; rank < CREW_RANKS; rank++)
		list_init(&c->normal[rank]);
	list_init(&c->finished);
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
	bool first = c->finished.first == NULL;
	list_put(&c->finished, job);
	c->running -= !job->urgent;
	pthread_mutex_unlock(&c->lock);
	return first;
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

static bool may_take(const struct crew *c)
{
	return c->urgent.first || (c->waiting && c->running < c->jobs_max);
}

static struct crew_job *take_normal(struct crew *c)
{
	struct crew_job *job = NULL;

	for (int rank = 0; !job && c->waiting; rank++)
		job = list_take(&c->normal[rank]);
	c->waiting -= job != NULL;
	c->running += job != NULL;
	return job;
}

static struct crew_job *take_job(struct crew *c, bool urgent_first)
{
	struct crew_job *job = urgent_first ? list_take(&c->urgent) : NULL;

	if (!job && c->running < c->jobs_max)
		job = take_normal(c);
	return job ? job : list_take(&c->urgent);
}

static void do_job(struct crew *c)
{
	struct crew_job *job = take_job(c, true);

	pthread_mutex_unlock(&c->lock);
	job->run(job);
	if (hand_in(c, job))
		c->wake(c->arg);
	pthread_mutex_lock(&c->lock);
}

/* A lent baton with nobody to take it would rest with a job that may last for hours. */
static bool needs_deputy(const struct crew *c)
{
	return !c->has_deputy && (atomic_load(&c->baton) == BATON_LENT || !may_take(c));
}

/* What a thread does that is not the loop: jobs first, then stand in as deputy, then wait. */
static void serve(struct crew *c)
{
	pthread_mutex_lock(&c->lock);
	while (!atomic_load(&c->over)) {
		if (!needs_deputy(c) && may_take(c)) {
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

	crash_marks_thread_begin();
	serve(c);
	crash_marks_thread_end();
	pthread_mutex_lock(&c->lock);
	c->threads--;
	pthread_cond_signal(&c->gone);
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

/* All but those that a thread brings on itself: blocked, they would end the process before anybody could note who it was. */
static void block_signals(sigset_t *before)
{
	static const int own[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP };
	sigset_t all;

	sigfillset(&all);
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		sigdelset(&all, own[i]);
	pthread_sigmask(SIG_BLOCK, &all, before);
}

static int spawn_thread(struct crew *c)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t before;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	block_signals(&before);
	int rc = pthread_create(&thread, &attr, thread_main, c);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	if (rc == 0)
		c->threads++;
	return rc;
}

void crew_run(struct crew *c)
{
	crash_marks_thread_begin();
	be_loop(c);
	if (!atomic_load(&c->over))
		serve(c);
	pthread_mutex_lock(&c->lock);
	while (c->threads > 0)
		pthread_cond_wait(&c->gone, &c->lock);
	pthread_mutex_unlock(&c->lock);
	crash_marks_thread_end();
}

/* ---- with the baton ---- */

void crew_submit(struct crew *c, struct crew_job *job, bool beside)
{
	pthread_mutex_lock(&c->lock);
	list_put(job->urgent ? &c->urgent : &c->normal[job->rank], job);
	c->waiting += !job->urgent;
	/* without another thread the job stays in the queue, and crew_work finds it: slower, not stuck */
	if (beside && c->idle == 0 && c->threads < c->threads_max)
		(void)spawn_thread(c);
	if (beside)
		pthread_cond_signal(&c->more);
	pthread_mutex_unlock(&c->lock);
}

void crew_set_jobs_max(struct crew *c, unsigned jobs_max)
{
	pthread_mutex_lock(&c->lock);
	c->jobs_max = jobs_max;
	c->threads_max = jobs_max + 3;
	pthread_mutex_unlock(&c->lock);
}

bool crew_has_jobs(struct crew *c)
{
	pthread_mutex_lock(&c->lock);
	bool has = may_take(c);
	pthread_mutex_unlock(&c->lock);
	return has;
}

/* A thread that has only just begun, or is at the end of its job, looks for the baton first; so any thread will do. */
static bool ensure_deputy(struct crew *c)
{
	if (!c->has_deputy && c->idle > 0)
		pthread_cond_signal(&c->more);
	else if (!c->has_deputy && c->threads < c->threads_max)
		(void)spawn_thread(c);
	return c->threads > 0;
}

/* Do what is in the queue until it is empty or somebody else has become the loop. What blocks (urgent) comes last: by
 * then another thread may have taken it. */
static void work_off(struct crew *c, bool lent)
{
	while (!lent || atomic_load(&c->baton) == BATON_LENT) {
		pthread_mutex_lock(&c->lock);
		struct crew_job *job = take_job(c, false);
		pthread_mutex_unlock(&c->lock);
		if (!job)
			return;
		job->run(job);
		(void)hand_in(c, job);
	}
}

bool crew_work(struct crew *c)
{
	pthread_mutex_lock(&c->lock);
	bool deputy = ensure_deputy(c);
	if (deputy)
		atomic_store(&c->baton, BATON_LENT); /* before a thread that was made or woken for it looks for a job */
	pthread_mutex_unlock(&c->lock);
	if (!deputy) { /* no thread to be had: better slow than stuck */
		work_off(c, false);
		return true;
	}
	alarm_set(c->alarm, PATIENCE_NS);
	work_off(c, true);
	if (!baton_take(c)) {
		c->wake(c->arg); /* what was handed in meanwhile may have been missed */
		return false;
	}
	alarm_set(c->alarm, 0);
	return true;
}

struct crew_job *crew_finished(struct crew *c)
{
	pthread_mutex_lock(&c->lock);
	struct crew_job *list = c->finished.first;
	list_init(&c->finished);
	pthread_mutex_unlock(&c->lock);
	return list;
}
