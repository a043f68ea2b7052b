/* memory_worker.c - what workers do with the work queue: claim, renew, finish, give back, wait. */
#include "memory_hub.h"
#include "base/error.h"
#include "providers/work_item.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int worker_check(const struct memory_provider *p, const char *worker, struct pawl_error *err)
{
	int rc = work_check_worker(worker, err);

	if (rc == 0 && p->read_only)
		rc = err_set(err, PAWL_EROFS, "hub '%s' was opened for reading only", p->hub->name);
	return rc;
}

/* The first that this worker may have; *held: there are some whose session somebody else has. */
static struct work *find_wanted(struct hub *h, const struct pawl_work_wanted *wanted, bool *held)
{
	*held = false;
	for (struct work *w = h->work; w; w = w->next) {
		if (w->state != PAWL_WORK_READY || !work_is_wanted(wanted, w->item->activity, w->item->tag))
			continue;
		if (!w->item->session || session_may(h, w->item->session, wanted->worker))
			return w;
		*held = true;
	}
	return NULL;
}

static int claim_locked(struct hub *h, const struct pawl_work_wanted *wanted, struct pawl_work_item **out,
                        struct pawl_error *err)
{
	bool held;
	struct work *w = find_wanted(h, wanted, &held);

	if (!w)
		return err_set(err, PAWL_ENOTFOUND, "there is no work for '%s' in '%s'", wanted->worker, h->name);
	struct pawl_work_item *item = work_item_copy(w->item);
	if (!item || (item->session && !session_take(h, item->session, wanted->worker))) {
		free(item);
		return err_nomem(err);
	}
	snprintf(w->worker, sizeof(w->worker), "%s", wanted->worker);
	w->beat_ns = 0;
	work_move(h, w, PAWL_WORK_CLAIMED);
	*out = item;
	return 0;
}

int memory_claim(struct pawl_provider *base, const struct pawl_work_wanted *wanted, struct pawl_work_item **out,
                 struct pawl_error *err)
{
	struct memory_provider *p = memory_of(base);
	int rc = worker_check(p, wanted->worker, err);

	if (rc < 0)
		return rc;
	pthread_mutex_lock(&p->hub->lock);
	rc = claim_locked(p->hub, wanted, out, err);
	pthread_mutex_unlock(&p->hub->lock);
	return rc;
}

/* The lock is held when it returns 0. */
static int lock_held(struct memory_provider *p, const char *id, const char *worker, struct work **out,
                     struct pawl_error *err)
{
	int rc = worker_check(p, worker, err);

	if (rc < 0)
		return rc;
	pthread_mutex_lock(&p->hub->lock);
	struct work *w = *work_link(p->hub, id);
	if (w && w->state == PAWL_WORK_CLAIMED && strcmp(w->worker, worker) == 0) {
		*out = w;
		return 0;
	}
	pthread_mutex_unlock(&p->hub->lock);
	return err_set(err, PAWL_ENOTFOUND,
	               "work item '%.300s' was taken back: it is not this worker's any more, stop working on it", id);
}

int memory_renew(struct pawl_provider *base, const char *id, const char *worker, const char *progress,
                 struct pawl_error *err)
{
	struct memory_provider *p = memory_of(base);
	struct work *w;
	int rc = lock_held(p, id, worker, &w, err);

	(void)progress;
	if (rc < 0)
		return rc;
	w->beat_ns = work_clock(CLOCK_REALTIME);
	if (w->canceled)
		rc = err_set(err, PAWL_ECANCELED,
		             "work item '%.300s' is not wanted any more: stop, and finish it with what there is", id);
	pthread_mutex_unlock(&p->hub->lock);
	return rc;
}

int memory_finish(struct pawl_provider *base, const char *id, const char *worker, int code, const void *output,
                  size_t len, const char *message, int64_t delay_ms, struct pawl_error *err)
{
	struct memory_provider *p = memory_of(base);
	struct work *w;
	bool failed = false;
	int rc = work_check_outcome(code, len, err);

	if (rc == 0)
		rc = lock_held(p, id, worker, &w, err);
	if (rc < 0)
		return rc;
	work_clear_outcome(w);
	w->output = code == 0 || code == 76 ? work_copy_bytes(output, len, &failed) : NULL;
	w->output_len = w->output ? len : 0;
	w->message = work_copy_bytes(message, message ? strlen(message) : 0, &failed);
	w->code = code;
	w->retry_after_ms = code == 75 && delay_ms > 0 ? delay_ms : 0;
	if (failed)
		rc = err_nomem(err);
	else
		work_move(p->hub, w, PAWL_WORK_DONE);
	pthread_mutex_unlock(&p->hub->lock);
	return rc;
}

int memory_give_back(struct pawl_provider *base, const char *id, const char *worker, struct pawl_error *err)
{
	struct memory_provider *p = memory_of(base);
	struct work *w;
	int rc = lock_held(p, id, worker, &w, err);

	if (rc < 0)
		return rc;
	w->worker[0] = '\0';
	w->beat_ns = 0;
	work_move(p->hub, w, PAWL_WORK_READY);
	pthread_mutex_unlock(&p->hub->lock);
	return 0;
}

/* A worker that dies with its session tells nobody: then look again every so often. */
#define LOOK_HELD_NS INT64_C(1000000000)

static struct timespec time_of(int64_t ns)
{
	return (struct timespec){ .tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000) };
}

int memory_await_work(struct pawl_provider *base, const struct pawl_work_wanted *wanted, int64_t timeout_ms,
                      struct pawl_error *err)
{
	struct memory_provider *p = memory_of(base);
	int64_t until = work_clock(CLOCK_MONOTONIC) + timeout_ms * 1000000;
	int rc = worker_check(p, wanted->worker, err);
	bool held;

	if (rc < 0)
		return rc;
	pthread_mutex_lock(&p->hub->lock);
	while (rc == 0 && !find_wanted(p->hub, wanted, &held)) {
		int64_t now = work_clock(CLOCK_MONOTONIC), wake = held ? now + LOOK_HELD_NS : INT64_MAX;
		if (timeout_ms >= 0 && now >= until)
			rc = err_set(err, PAWL_ETIMEOUT, "no work came for '%s' in '%s'", wanted->worker, p->hub->name);
		if (timeout_ms >= 0 && until < wake)
			wake = until;
		const struct timespec t = time_of(wake);
		if (rc == 0 && wake == INT64_MAX)
			pthread_cond_wait(&p->hub->work_there, &p->hub->lock);
		else if (rc == 0)
			pthread_cond_timedwait(&p->hub->work_there, &p->hub->lock, &t);
	}
	pthread_mutex_unlock(&p->hub->lock);
	return rc;
}
