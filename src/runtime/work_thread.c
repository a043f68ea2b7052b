/*
 * work_thread.c - activities in C, on the crew's threads. A thread cannot be ended from outside, so everything here asks:
 *
 *	           too long, silent, or not wanted              grace over
 *	running ──────────────────────────────────► told ──────────────────► abandoned: the orchestration goes on, another
 *	   └── returns ──► result    └── returns ──► result (or late)        thread takes its place, up to workers.replaced_max
 *	                                                └── returns at last: the place is given back
 */
#include "runtime/work.h"
#include "base/error.h"
#include "base/text.h"

static void judge(struct pawl_work *w)
{
	char limit[TEXT_TIME_SIZE];

	if (w->outcome == WORK_COMPLETED || w->outcome == WORK_REBOOT || !atomic_load(&w->canceled))
		return;
	/* It was asked to return, so that it did not get done says nothing: after a stop it runs again. */
	w->outcome = WORK_CANCELED;
	if (!w->late)
		return;
	text_duration(limit, w->silent ? w->heartbeat_ms : w->timeout_ms);
	if (w->silent)
		work_set_failure(w, WORK_STUCK, "heartbeat", "was silent for longer than its heartbeat of %s, and returned when asked to", limit);
	else
		work_set_failure(w, WORK_TIMEOUT, "timeout", "took longer than its limit of %s, and returned when asked to", limit);
}

static void function_run(struct crew_job *job)
{
	struct pawl_work *w = (struct pawl_work *)job;

	if (atomic_load(&w->canceled))
		return; /* before it began */
	atomic64_store(&w->began_ns, w->timeout_ms || w->heartbeat_ms ? w->rt->os->boot_ns(w->rt->os->self) : 1);
	w->outcome = WORK_COMPLETED;
	crash_mark_enter(w->rt->marks, w->id, w->name, w->execution, w->seq, w->attempt);
	int rc = w->activity.fn(w, w->input);
	crash_mark_leave(w->rt->marks);
	if (rc != 0 && w->outcome == WORK_COMPLETED) {
		char code[16];
		snprintf(code, sizeof(code), "%d", rc);
		work_set_failure(w, WORK_STALLED, code, "the activity returned %d without saying why", rc);
	}
	work_check_output(w);
}

void work_finished(struct pawl_runtime *rt, struct crew_job *job)
{
	struct pawl_work *w = (struct pawl_work *)job;

	rt->threads_running--;
	judge(w);
	if (w->abandoned) {
		rt->abandoned--;
		crew_set_jobs_max(rt->crew, rt->config.workers.threads_max + (rt->abandoned < rt->config.workers.replaced_max ? rt->abandoned : rt->config.workers.replaced_max));
		log_notice("activity '%s' of '%s' has returned after all; its result is not wanted any more", w->name, w->id);
	}
	w->running = false;
	if (w->effect && atomic64_load(&w->began_ns))
		expiry_begun(rt, w->effect);
	work_result(rt, w);
}

/* When to look: at the end of its time, or when its silence would be too long. < 0: never. */
static int64_t next_look(struct pawl_work *w, int64_t began)
{
	int64_t at = w->timeout_ms ? began + w->timeout_ms * 1000000 : -1, beat = atomic64_load(&w->beat_ns);

	if (w->heartbeat_ms) {
		int64_t silent = (beat > began ? beat : began) + w->heartbeat_ms * 1000000;
		at = at < 0 || silent < at ? silent : at;
	}
	return at;
}

void thread_begin(struct pawl_runtime *rt, struct pawl_work *w)
{
	w->running = true;
	w->job.run = function_run;
	w->job.rank = (uint8_t)(w->priority < CREW_RANKS ? w->priority : CREW_RANKS - 1);
	rt->threads_running++; /* on the crew's list, which runs workers.threads_max at a time */
	rt->activities_started++;
	work_event(w, ACTIVITY_BEGIN);
	if (w->timeout_ms || w->heartbeat_ms)
		work_watch(rt, w, next_look(w, rt->os->boot_ns(rt->os->self)));
	crew_submit(rt->crew, &w->job, false);
}

static void tell(struct pawl_runtime *rt, struct pawl_work *w, int64_t now)
{
	atomic_store(&w->canceled, true);
	w->watch_from_ns = now;
	work_watch(rt, w, now + w->grace_ms * 1000000);
}

void thread_told_to_end(struct pawl_runtime *rt, struct pawl_work *w)
{
	if (!w->watch_from_ns && !rt->stopping)
		tell(rt, w, rt->os->boot_ns(rt->os->self));
}

static void replace_thread(struct pawl_runtime *rt, struct pawl_work *w)
{
	unsigned most = rt->config.workers.replaced_max;
	bool more = ++rt->abandoned <= most;

	if (more)
		crew_set_jobs_max(rt->crew, rt->config.workers.threads_max + rt->abandoned);
	log_error("activity '%s' of '%s' does not return, and C code cannot be ended from outside: %s (%u of %u, workers.replaced_max). "
	          "Let it look at pawl_work_is_cancelled, or run it as a program; only a restart of the runtime frees what it holds",
	          w->name, w->id, more ? "another thread takes its place" : "no more threads are replaced, and those that are left are fewer", rt->abandoned, most);
}

/* The attempt is over for the orchestration; the object stays until the function returns. */
static void abandon(struct pawl_runtime *rt, struct pawl_work *w)
{
	struct pawl_error err = { 0 };
	struct effect *e = w->effect;
	struct open_item *item = e ? view_find(&e->instance->view, e->seq) : NULL;
	char limit[TEXT_TIME_SIZE];

	w->abandoned = true;
	limit_release(rt, w);
	replace_thread(rt, w);
	if (!item)
		return;
	struct pawl_work *ghost = work_new(rt, e, item, NULL, &err);
	if (!ghost) {
		effect_forget_work(e);
		effect_wait(rt, e, LOOK_AGAIN_MS);
	} else {
		ghost->activity = w->activity;
		ghost->kind = WORK_THREAD;
		ghost->state = ACTIVITY_ACTIVE;
		ghost->abandoned = true;
		text_duration(limit, w->silent ? w->heartbeat_ms : w->timeout_ms);
		work_set_failure(ghost, WORK_STUCK, w->silent ? "heartbeat" : "timeout", "has not returned: its %s is %s, and it did not end when asked to",
		                 w->silent ? "heartbeat" : "limit", limit);
		e->work = ghost;
		work_result(rt, ghost);
	}
	w->effect = NULL;
	w->instance = NULL;
}

void thread_look(struct pawl_runtime *rt, struct pawl_work *w, int64_t now)
{
	int64_t began = atomic64_load(&w->began_ns);

	if (w->watch_from_ns) {
		if (began)
			abandon(rt, w);
		else
			work_watch(rt, w, now + w->grace_ms * 1000000 + 1000000000); /* in the queue still: it ends as soon as it is begun */
		return;
	}
	int64_t at = next_look(w, began ? began : now); /* not begun yet: its time has not either */
	if (at > now) {
		work_watch(rt, w, at);
		return;
	}
	w->late = true;
	w->silent = !w->timeout_ms || now < began + w->timeout_ms * 1000000;
	log_warning("activity '%s' of '%s' (attempt %u) %s: it is asked to return", w->name, w->id, w->attempt,
	            w->silent ? "gives no heartbeat" : "takes longer than its limit");
	tell(rt, w, now);
}
