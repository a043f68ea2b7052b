/*
 * work_queue.c - activities for workers outside of the runtime (provider.h: work queue).
 *
 *	offered ──claimed──► its worker is watched: a pid by a pidfd, a name by its heartbeat ──done──► result
 *	   ▲                        │ gone, silent, too long
 *	   └──── next attempt ◄─────┘ taken back: what it finishes after that is refused
 *
 * The item stays in the queue, as done, until its result is durable: a runtime that is killed in between finds it again.
 * A worker is not ours to kill: it gets the file `cancel`, and its next heartbeat is told so.
 */
#include "runtime/work.h"
#include "base/error.h"
#include "os/spawn.h"
#include "runtime/carrier.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define POLL_NS 5000000000ll /* workers whose pid cannot be watched */

struct worker {
	struct pawl_work *w;
	int32_t pid;           /* 0: known by name only */
	int pidfd;             /* -1: looked at every POLL_NS */
	bool gone;             /* as the first look has shown */
	int64_t beat_wall_ns;  /* the heartbeat as last seen */
	char name[PAWL_WORKER_MAX + 1];
};

/* An item that was in the queue when the runtime opened. */
struct found {
	uint64_t execution;
	uint32_t attempt;
	bool taken;
	char id[];
};

/* ---- workers ---- */

static void worker_free(struct pawl_runtime *rt, struct pawl_work *w)
{
	struct worker *k = w->worker;

	if (!k)
		return;
	if (k->pidfd >= 0) {
		loop_remove(rt->loop, k->pidfd);
		close(k->pidfd);
	}
	w->worker = NULL;
	rt->claimed--;
	free(k);
}

const char *outside_worker(const struct pawl_work *w)
{
	return w->worker ? w->worker->name : NULL;
}

static void forget_offer(struct pawl_runtime *rt, struct pawl_work *w)
{
	map_remove(&rt->offers, slice_of(w->offer));
	worker_free(rt, w);
	heap_remove(&rt->watches, &w->watch);
}

void outside_end(struct pawl_runtime *rt, struct pawl_work *w, bool tell)
{
	struct pawl_error err = { 0 };

	if (!w->offer)
		return;
	if (tell && w->worker)
		(void)rt->provider->ops->cancel_work(rt->provider, w->offer, &err);
	forget_offer(rt, w);
	if (rt->provider->ops->release(rt->provider, w->offer, &err) < 0)
		log_warning("%s", err.text);
	free(w->offer);
	w->offer = NULL;
}

/* The runtime closes: the item stays in the queue, and with who has it. */
void outside_leave(struct pawl_runtime *rt, struct pawl_work *w)
{
	worker_free(rt, w);
	free(w->offer);
	w->offer = NULL;
}

void effect_release_offer(struct pawl_runtime *rt, struct effect *e)
{
	struct pawl_error err = { 0 };

	if (!e->offer)
		return;
	if (!rt->closing && rt->provider->ops->release(rt->provider, e->offer, &err) < 0)
		log_warning("%s", err.text);
	free(e->offer);
	e->offer = NULL;
}

/* The item goes when the answer is durable: with the effect. */
static void finish(struct pawl_runtime *rt, struct pawl_work *w)
{
	forget_offer(rt, w);
	if (w->effect && !w->effect->offer) {
		w->effect->offer = w->offer;
		w->offer = NULL;
	}
	w->running = false;
	work_result(rt, w);
}

static void lost(struct pawl_runtime *rt, struct pawl_work *w, enum work_outcome outcome, const char *code, const char *text)
{
	char worker[PAWL_WORKER_MAX + 1];

	snprintf(worker, sizeof(worker), "%s", w->worker->name);
	outside_end(rt, w, false); /* taken back, not canceled: another attempt is to do it */
	work_set_failure(w, outcome, code, "worker '%s' %s", worker, text);
	w->running = false;
	work_result(rt, w);
}

static void look_at_queue(struct pawl_runtime *rt);

/* It may have finished first, or given back what another one has already. */
static void on_worker_gone(void *arg, unsigned events)
{
	struct pawl_work *w = arg;
	struct pawl_runtime *rt = w->rt;
	char *id = strdup(w->offer);

	(void)events;
	if (!id)
		return;
	look_at_queue(rt);
	w = map_get(&rt->offers, slice_of(id));
	if (w && w->worker && w->worker->pidfd >= 0 && spawn_pidfd_has_ended(w->worker->pidfd))
		lost(rt, w, WORK_STUCK, "gone", "is gone without a result");
	free(id);
}

static int32_t pid_of(const char *worker)
{
	uint64_t pid;

	return text_parse_u64(slice_of(worker), &pid) == 0 && pid > 0 && pid <= INT32_MAX ? (int32_t)pid : 0;
}

/* 0, or -ESRCH when it is gone already. */
static int worker_watch(struct pawl_runtime *rt, struct worker *k)
{
	struct pawl_error err = { 0 };

	k->pid = pid_of(k->name);
	k->pidfd = k->pid ? spawn_pidfd(k->pid) : -1;
	if (k->pidfd == -ESRCH)
		return -ESRCH;
	if (k->pidfd < 0) {
		k->pidfd = -1;
	} else if (loop_add(rt->loop, k->pidfd, LOOP_READ, on_worker_gone, k->w, &err) < 0) {
		close(k->pidfd);
		k->pidfd = -1;
	}
	return 0;
}

static int64_t silence_ns(const struct pawl_work *w)
{
	int64_t ms = w->heartbeat_ms;

	if (!ms && w->worker && !w->worker->pid)
		ms = w->rt->config.workers.heartbeat_ms; /* nothing else would ever tell that it is gone */
	return ms * 1000000;
}

static void watch_claimed(struct pawl_runtime *rt, struct pawl_work *w, int64_t now)
{
	int64_t began = atomic64_load(&w->began_ns), beat = atomic64_load(&w->beat_ns), silence = silence_ns(w), at = -1;

	if (w->timeout_ms)
		at = began + w->timeout_ms * 1000000;
	if (silence && (at < 0 || (beat > began ? beat : began) + silence < at))
		at = (beat > began ? beat : began) + silence;
	if (w->worker->pid && w->worker->pidfd < 0 && (at < 0 || now + POLL_NS < at))
		at = now + POLL_NS;
	if (at >= 0)
		work_watch(rt, w, at);
}

/* A pid that a runtime before us knew may be another's by now (I10). */
static bool is_same_worker(struct pawl_work *w)
{
	struct os_process_id id;
	int64_t before = w->found_worker == w->worker->pid ? w->worker_start : 0;

	w->worker_start = w->worker->pid && spawn_process_id(w->worker->pid, &id) == 0 ? (int64_t)id.start_ticks : 0;
	return !before || !w->worker_start || before == w->worker_start;
}

static bool claimed(struct pawl_runtime *rt, struct pawl_work *w, const struct pawl_work_status *s)
{
	struct worker *k = calloc(1, sizeof(*k));
	int64_t now = rt->os->boot_ns(rt->os->self);

	if (!k)
		return false; /* the next look finds it again */
	k->w = w;
	snprintf(k->name, sizeof(k->name), "%s", s->worker);
	w->worker = k;
	rt->claimed++;
	rt->activities_started++;
	atomic64_store(&w->began_ns, now);
	expiry_begun(rt, w->effect);
	work_event(w, ACTIVITY_BEGIN);
	if (w->effect)
		effect_note_clear(rt, w->effect); /* that nobody had it */
	k->gone = worker_watch(rt, k) == -ESRCH || !is_same_worker(w);
	if (k->gone && s->state == PAWL_WORK_CLAIMED) {
		work_watch(rt, w, now); /* not from in here, the provider is listing */
		return true;
	}
	log_info("instance '%s': activity '%s' (attempt %u) is taken by worker '%s'", w->id, w->name, w->attempt, k->name);
	if (w->dir[0] && s->state == PAWL_WORK_CLAIMED)
		record_state(w, NULL, 0, k->pid);
	watch_claimed(rt, w, now);
	return true;
}

static void given_back(struct pawl_runtime *rt, struct pawl_work *w)
{
	worker_free(rt, w);
	heap_remove(&rt->watches, &w->watch);
	work_event(w, ACTIVITY_DEFER);
	work_event(w, ACTIVITY_LOOK);
	if (w->unregistered && w->effect)
		effect_wait(rt, w->effect, 0); /* it is reported again, and looked for */
	if (w->dir[0])
		record_state(w, "given back by its worker", 0, 0);
}

/* What the file's time says counts only as far as the wall clock can be believed (I9). */
static void beat(struct pawl_runtime *rt, struct pawl_work *w, int64_t wall_ns)
{
	int64_t now = rt->os->boot_ns(rt->os->self), age = rt->os->real_ns(rt->os->self) - wall_ns;
	int64_t since = now - (atomic64_load(&w->beat_ns) > 0 ? atomic64_load(&w->beat_ns) : atomic64_load(&w->began_ns));

	if (!wall_ns || wall_ns == w->worker->beat_wall_ns)
		return;
	w->worker->beat_wall_ns = wall_ns;
	atomic64_store(&w->beat_ns, age >= 0 && age <= since ? now - age : now);
}

static void done(struct pawl_runtime *rt, struct pawl_work *w, const struct pawl_work_status *s)
{
	char code[32];

	snprintf(code, sizeof(code), "exit:%d", s->code);
	if (s->code == 0 || s->code == 76) {
		w->outcome = s->code ? WORK_REBOOT : WORK_COMPLETED;
		if (s->output)
			buf_add(&w->output, s->output, s->output_len - (s->output_len > 0 && s->output[s->output_len - 1] == '\n'));
		work_check_output(w);
	} else {
		work_set_failure(w, s->code == 75 ? WORK_DEFERRED : s->code == 100 ? WORK_FAILED : WORK_STALLED, code, "%s",
		                 s->message && s->message[0] ? s->message : "the worker gave no reason");
		w->defer_ms = s->retry_after_ms;
	}
	finish(rt, w);
}

/* What has given its answer already stays in the queue until that is durable; it is not read again and again. */
static bool is_wanted(void *arg, const char *id)
{
	struct pawl_runtime *rt = arg;

	return map_get(&rt->offers, slice_of(id)) != NULL;
}

/* One that the runtime wants, as it is now in the queue. */
static int each_item(void *arg, const struct pawl_work_status *s)
{
	struct pawl_runtime *rt = arg;
	struct pawl_work *w = map_get(&rt->offers, slice_of(s->item.id));

	if (!w)
		return 0;
	if (w->worker && (s->state == PAWL_WORK_READY || strcmp(w->worker->name, s->worker) != 0))
		given_back(rt, w);
	if (s->state != PAWL_WORK_READY && !w->worker && !claimed(rt, w, s))
		return 0;
	if (s->state == PAWL_WORK_DONE)
		done(rt, w, s);
	else if (s->state == PAWL_WORK_CLAIMED)
		beat(rt, w, s->beat_ns);
	return 0;
}

static void look_at_queue(struct pawl_runtime *rt)
{
	struct pawl_error err = { 0 };

	(void)rt->provider->ops->work_changed(rt->provider);
	if (rt->offers.count && rt->provider->ops->each_work(rt->provider, true, is_wanted, each_item, rt, &err) < 0)
		log_error("%s; looking again with the next change", err.text);
}

void queue_look(struct pawl_runtime *rt)
{
	if (rt->offers.count && rt->provider->ops->work_changed(rt->provider))
		look_at_queue(rt);
}

void outside_look(struct pawl_runtime *rt, struct pawl_work *w, int64_t now)
{
	char *id = w->offer ? strdup(w->offer) : NULL;
	struct os_process_id process;

	if (w->offer && !id)
		work_watch(rt, w, now + LOOK_AGAIN_MS * 1000000ll);
	if (!id)
		return;
	look_at_queue(rt);
	w = map_get(&rt->offers, slice_of(id));
	free(id);
	if (!w || !w->worker)
		return;
	int64_t began = atomic64_load(&w->began_ns), last = atomic64_load(&w->beat_ns), silence = silence_ns(w);
	if (w->timeout_ms && now >= began + w->timeout_ms * 1000000)
		lost(rt, w, WORK_TIMEOUT, "timeout", "has taken longer than the limit");
	else if (silence && now >= (last > began ? last : began) + silence)
		lost(rt, w, WORK_STUCK, "heartbeat", "gives no heartbeat");
	else if (w->worker->gone || (w->worker->pid && w->worker->pidfd < 0 && spawn_process_id(w->worker->pid, &process) < 0))
		lost(rt, w, WORK_STUCK, "gone", "is gone without a result");
	else
		watch_claimed(rt, w, now);
}

/* ---- offering ---- */

static int keep_offer(struct pawl_runtime *rt, struct pawl_work *w, const char *id)
{
	w->offer = strdup(id);
	if (!w->offer || map_put(&rt->offers, slice_of(id), w, NULL) < 0) {
		free(w->offer);
		w->offer = NULL;
		return PAWL_ENOMEM;
	}
	w->running = true;
	return 0;
}

int outside_begin(struct pawl_runtime *rt, struct pawl_work *w, struct pawl_error *err)
{
	struct buf carrier = BUF_INIT;
	char id[PAWL_WORK_ID_MAX + 1];
	struct pawl_error ignored = { 0 };

	effect_release_offer(rt, w->effect);
	if (!rt->scratch) {
		if (work_dir_make(w, err) == PAWL_EBUSY)
			return PAWL_EBUSY;
		w->effect->dir = true;
	}
	int rc = carrier_text(w, w->unregistered ? "no activity of that name is registered: it waits for an outside worker, or for its registration" : NULL, 0, 0, &carrier);
	struct pawl_work_item item = { .instance = w->id, .activity = w->name, .tag = w->tag, .session = w->session, .key = w->key,
		.execution = w->execution, .seq = w->seq, .attempt = w->attempt, .priority = w->priority,
		.input = w->input_len ? w->input : NULL, .input_len = w->input_len, .carrier = rc == 0 ? buf_str(&carrier) : NULL };
	if (rc == 0)
		rc = rt->provider->ops->offer(rt->provider, &item, id, err);
	else
		err_nomem(err);
	buf_release(&carrier);
	if (rc == 0 && keep_offer(rt, w, id) < 0) {
		(void)rt->provider->ops->release(rt->provider, id, &ignored);
		rc = err_nomem(err);
	}
	return rc;
}

/* ---- what was there when the runtime opened ---- */

static void item_key(char *key, size_t size, const char *instance, uint64_t seq)
{
	snprintf(key, size, "%s/%llu", instance, (unsigned long long)seq);
}

/* Left in the queue it would be taken for a later attempt's, when it is the only one that is found. */
static int drop_found(struct pawl_runtime *rt, struct found *f)
{
	struct pawl_error err = { 0 };
	int rc = rt->provider->ops->release(rt->provider, f->id, &err);

	if (rc < 0)
		log_error("%s", err.text);
	free(f);
	return rc;
}

static int each_found(void *arg, const struct pawl_work_status *s)
{
	struct pawl_runtime *rt = arg;
	char key[TEXT_INSTANCE_ID_MAX + 32];
	struct found *f = malloc(sizeof(*f) + strlen(s->item.id) + 1);
	void *before = NULL;

	if (!f)
		return PAWL_ENOMEM;
	f->execution = s->item.execution;
	f->attempt = s->item.attempt;
	f->taken = false;
	memcpy(f->id, s->item.id, strlen(s->item.id) + 1);
	item_key(key, sizeof(key), s->item.instance, s->item.seq);
	if (map_put(&rt->found, slice_of(key), f, &before) < 0) {
		free(f);
		return PAWL_ENOMEM;
	}
	return before ? drop_found(rt, before) : 0; /* two of one activity: the newer one counts */
}

int queue_find_all(struct pawl_runtime *rt, struct pawl_error *err)
{
	return rt->provider->ops->each_work(rt->provider, false, NULL, each_found, rt, err);
}

/* And of this execution. */
static bool is_of_this_boot(struct pawl_runtime *rt, struct pawl_work *w)
{
	struct pawl_error err = { 0 };
	struct arena arena;
	struct carrier c;
	char dir[sizeof(w->dir)];

	if (rt->provider->ops->work_dir(rt->provider, w->id, w->seq, dir, sizeof(dir)) < 0)
		return true; /* without directories nothing outlives a reboot */
	arena_init(&arena, 0);
	bool same = carrier_read(rt->os, dir, &c, &arena, &err) == 0 && strcmp(c.boot, rt->boot) == 0 && c.execution == w->execution;
	w->found_worker = same ? c.process : 0;
	w->worker_start = same ? c.process_start : 0;
	arena_release(&arena);
	return same;
}

bool outside_find(struct pawl_runtime *rt, struct pawl_work *w)
{
	struct pawl_error err = { 0 };
	char key[TEXT_INSTANCE_ID_MAX + 32];

	item_key(key, sizeof(key), w->id, w->seq);
	struct found *f = map_get(&rt->found, slice_of(key));
	if (!f || f->execution != w->execution || f->attempt != w->attempt || !is_of_this_boot(rt, w) || keep_offer(rt, w, f->id) < 0)
		return false;
	f->taken = true;
	limit_adopt(rt, w);
	if (!rt->scratch)
		(void)work_dir_make(w, &err);
	w->effect->dir = true;
	if (messages_deliver_all(rt, w, &err) < 0)
		log_warning("instance '%s': messages did not reach activity '%s': %s", w->id, w->name, err.text);
	return true;
}

static int each_untaken(void *arg, struct slice key, void *value)
{
	struct pawl_runtime *rt = arg;
	struct pawl_error err = { 0 };
	struct found *f = value;

	(void)key;
	if (!f->taken && rt->provider->ops->release(rt->provider, f->id, &err) < 0)
		log_warning("%s", err.text);
	free(f);
	return 0;
}

/* Whatever nobody wants any more: of instances that have ended, of attempts that are over, of another boot. */
void queue_drop_rest(struct pawl_runtime *rt)
{
	map_each(&rt->found, each_untaken, rt);
	map_release(&rt->found);
	map_init(&rt->found);
	if (rt->offers.count)
		look_at_queue(rt);
}
