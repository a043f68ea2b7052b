/*
 * work_start.c - which way an attempt goes, and when it may begin.
 *
 *	registered as a function ─► thread      its tag is not ours, or run_by: worker ─► work queue
 *	as a program ─────────────► process     nobody has it ─► work queue, and looked for again
 *
 * Before it begins: the limits of its activity and of the hub, the pressure on the device. What is over a limit waits for
 * one of its kind to end; what the device has no room for is deferred, and costs no attempt.
 */
#include "runtime/work.h"
#include "base/error.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define UNREGISTERED_FIRST_MS 10000
#define UNREGISTERED_MAX_MS 300000
#define BEGIN_SHIFT_MAX 8 /* 1 s, 2 s, 4 s ... up to 4 minutes */

/* ---- limits of one activity ---- */

/* As it is now: it may have been read again since the attempt was made. */
static uint32_t limit_of(const struct pawl_runtime *rt, const struct pawl_work *w)
{
	const struct config_activity *c = w->activity.config ? config_find_activity(&rt->config, w->name) : NULL;

	return c ? c->running_max : 0;
}

static struct limit *limit_get(struct pawl_runtime *rt, const char *name)
{
	struct limit *l = map_get(&rt->limits, slice_of(name));

	if (l)
		return l;
	l = calloc(1, sizeof(*l) + strlen(name) + 1);
	if (!l || map_put(&rt->limits, slice_of(name), l, NULL) < 0) {
		free(l);
		return NULL;
	}
	memcpy(l->name, name, strlen(name) + 1);
	return l;
}

static void enqueue(struct pawl_runtime *rt, struct pawl_work *w)
{
	work_queue_put(&rt->queues[w->kind][w->priority], w);
	rt->queued[w->kind]++;
}

static void dequeue(struct pawl_runtime *rt, struct pawl_work *w)
{
	struct work_list *list = &rt->queues[w->kind][w->priority];
	struct pawl_work **at = &list->first;

	while (*at && *at != w)
		at = &(*at)->queue_next;
	if (!*at)
		return;
	*at = w->queue_next;
	if (!*at)
		list->end = at;
	rt->queued[w->kind]--;
}

/* Takes a place; false: there is none, and it waits for one (or memory is short, and it is not counted). */
static bool limit_take(struct pawl_runtime *rt, struct pawl_work *w)
{
	uint32_t most = limit_of(rt, w);
	struct limit *l = most ? limit_get(rt, w->name) : NULL;

	if (!l)
		return true;
	if (l->running >= most) {
		work_queue_put(&l->blocked[w->priority], w);
		return false;
	}
	l->running++;
	w->limit = l;
	return true;
}

/* It runs already, so it is counted whatever the limit says. */
void limit_adopt(struct pawl_runtime *rt, struct pawl_work *w)
{
	struct limit *l = limit_of(rt, w) ? limit_get(rt, w->name) : NULL;

	if (!l)
		return;
	l->running++;
	w->limit = l;
}

static struct pawl_work *blocked_take(struct limit *l)
{
	struct pawl_work *w = NULL;

	for (unsigned priority = 0; priority < CREW_RANKS && !w; priority++)
		w = work_queue_take(&l->blocked[priority]);
	return w;
}

/* The place goes to the next that is still wanted; a canceled one on the way is freed by whoever takes it from the queue. */
void limit_release(struct pawl_runtime *rt, struct pawl_work *w)
{
	struct limit *l = w->limit;
	struct pawl_work *next;

	if (!l)
		return;
	w->limit = NULL;
	l->running--;
	do {
		next = blocked_take(l);
		if (next)
			enqueue(rt, next);
	} while (next && !next->effect);
}

static int limit_free(void *arg, struct slice key, void *value)
{
	(void)arg;
	(void)key;
	free(value);
	return 0;
}

/* ---- time ---- */

static void set_times(struct pawl_runtime *rt, struct pawl_work *w)
{
	const struct config_activity *c = w->activity.config;
	bool function = w->kind == WORK_THREAD;

	w->timeout_ms = w->attempt_ms ? w->attempt_ms : c ? c->timeout_ms : function ? 0 : rt->config.process.timeout_ms;
	w->heartbeat_ms = c ? c->heartbeat_ms : function ? 0 : rt->config.process.heartbeat_ms;
	w->grace_ms = c ? c->grace_ms : rt->config.process.grace_ms;
	if (!w->priority)
		w->priority = c ? c->priority : PRIORITY_DEFAULT;
}

void expiry_free(struct pawl_runtime *rt, struct effect *e)
{
	if (!e->expiry)
		return;
	heap_remove(&rt->expiries, &e->expiry->node);
	free(e->expiry);
	e->expiry = NULL;
}

static int64_t expiry_next(const struct expiry *x)
{
	int64_t start = x->begun ? 0 : x->start_by_ns;

	return !start ? x->close_by_ns : x->close_by_ns && x->close_by_ns < start ? x->close_by_ns : start;
}

static void expiry_arm(struct pawl_runtime *rt, struct expiry *x)
{
	int64_t at = expiry_next(x);

	heap_remove(&rt->expiries, &x->node);
	if (at && heap_push(&rt->expiries, &x->node, at) < 0)
		log_error("out of memory: activity of '%s' goes on without its time limit", x->effect->instance->id);
}

/* At the first sight of an activity; at each attempt the time to its start counts anew. */
static void expiry_begin(struct pawl_runtime *rt, struct effect *e, const struct config_activity *c)
{
	int64_t now = rt->os->boot_ns(rt->os->self);

	if (!c || (!c->schedule_to_start_ms && !c->schedule_to_close_ms))
		return;
	if (!e->expiry) {
		e->expiry = calloc(1, sizeof(*e->expiry));
		if (!e->expiry)
			return;
		e->expiry->effect = e;
		e->expiry->close_by_ns = c->schedule_to_close_ms ? now + c->schedule_to_close_ms * 1000000 : 0;
		e->expiry->begun = true;
	}
	if (e->expiry->begun) {
		e->expiry->begun = false;
		e->expiry->start_by_ns = c->schedule_to_start_ms ? now + c->schedule_to_start_ms * 1000000 : 0;
	}
	expiry_arm(rt, e->expiry);
}

/* An attempt runs, or has its own time to begin: only the limit of all of them together counts on. */
void expiry_begun(struct pawl_runtime *rt, struct effect *e)
{
	if (!e || !e->expiry)
		return;
	e->expiry->begun = true;
	expiry_arm(rt, e->expiry);
}

/* A worker's claim, and a thread that takes a function from the crew's list, are found out only now. */
static bool is_due(struct pawl_runtime *rt, struct expiry *x)
{
	const struct pawl_work *w = x->effect->work;

	if (w && w->running && w->kind == WORK_THREAD && atomic64_load(&w->began_ns))
		x->begun = true;
	int64_t at = expiry_next(x);
	return at && at <= rt->os->boot_ns(rt->os->self);
}

static void expire(struct pawl_runtime *rt, struct expiry *x)
{
	struct effect *e = x->effect;
	struct open_item *item = view_find(&e->instance->view, e->seq);
	struct pawl_error err = { 0 };

	if (!item)
		return;
	if (!is_due(rt, x)) {
		expiry_arm(rt, x);
		return;
	}
	bool late_start = !x->begun && x->start_by_ns && rt->os->boot_ns(rt->os->self) >= x->start_by_ns;
	if (e->work)
		work_cancel(rt, e->work);
	heap_remove(&rt->timers, &e->node);
	struct pawl_work *w = work_new(rt, e, item, NULL, &err);
	if (!w) {
		effect_wait(rt, e, LOOK_AGAIN_MS);
		return;
	}
	registry_activity(rt->registry, item->name, &w->activity);
	work_event(w, ACTIVITY_EXPIRE);
	work_set_failure(w, WORK_FAILED, late_start ? "schedule-to-start" : "schedule-to-close",
	                 late_start ? "nobody began it within its limit (schedule_to_start)" : "all its attempts and waits took longer than its limit (schedule_to_close)");
	w->expired = true;
	e->work = w;
	work_result(rt, w);
}

/* ---- which way ---- */

static bool tag_is_ours(const struct pawl_runtime *rt, const char *tag)
{
	const char *const *t = rt->config.workers.tags;

	for (; t && *t; t++)
		if (strcmp(*t, tag) == 0)
			return true;
	return false;
}

static void choose_kind(struct pawl_runtime *rt, struct pawl_work *w)
{
	const struct config_activity *c;

	w->unregistered = !registry_activity(rt->registry, w->name, &w->activity);
	c = w->activity.config;
	if (w->unregistered || (c && c->run_by == CONFIG_RUN_BY_WORKER) || (w->tag && !tag_is_ours(rt, w->tag)))
		w->kind = WORK_OUTSIDE;
	else
		w->kind = w->activity.kind == ACTIVITY_FUNCTION ? WORK_THREAD : WORK_PROCESS;
	if (c && c->run_by == CONFIG_RUN_BY_WORKER)
		w->unregistered = false;
}

static void note_unregistered(struct pawl_runtime *rt, struct effect *e, const char *name)
{
	int64_t wait = (int64_t)UNREGISTERED_FIRST_MS << (e->looks < 5 ? e->looks : 5);
	char text[512];

	e->looks++;
	if (!e->noted) {
		snprintf(text, sizeof(text), "it waits for activity '%s', which is not registered: add it to the program, a plugin, the configuration or an activity directory, or let a worker take it (pawl work)", name);
		log_warning("instance '%s': %s", e->instance->id, text);
		rt->provider->ops->note(rt->provider, e->instance->id, text);
		e->noted = true;
	}
	effect_wait(rt, e, wait < UNREGISTERED_MAX_MS ? wait : UNREGISTERED_MAX_MS);
}

static void note_clear(struct pawl_runtime *rt, struct effect *e)
{
	effect_note_clear(rt, e);
	e->looks = 0;
}

static bool find_running(struct pawl_runtime *rt, struct pawl_work *w)
{
	return (w->kind == WORK_PROCESS && process_find(rt, w)) || (w->kind == WORK_OUTSIDE && outside_find(rt, w));
}

static struct pawl_work *work_prepare(struct pawl_runtime *rt, struct effect *e, const struct open_item *item, const struct event *event)
{
	struct pawl_error err = { 0 };
	struct pawl_work *w = work_new(rt, e, item, event, &err);

	if (!w) {
		if ((e->looks & (e->looks - 1)) == 0) /* the first, second, fourth ... time */
			log_error("cannot start activity '%s' of '%s' yet: %s; trying again", item->name, e->instance->id, err.text);
		if (e->looks < UINT16_MAX)
			e->looks++;
		return NULL;
	}
	e->work = w;
	choose_kind(rt, w);
	set_times(rt, w);
	return w;
}

/* Its retry time was over, and the attempt has begun, which is nowhere in history. */
bool work_adopt(struct pawl_runtime *rt, struct effect *e, const struct open_item *item)
{
	struct pawl_work *w = work_prepare(rt, e, item, NULL);

	if (!w)
		return false;
	expiry_begin(rt, e, w->activity.config);
	if (find_running(rt, w))
		return true;
	expiry_begun(rt, e); /* it waits for its retry, not for a slot */
	effect_forget_work(e);
	work_free(w);
	return false;
}

void work_start(struct pawl_runtime *rt, struct effect *e, const struct open_item *item, const struct event *event)
{
	if (rt->stopping || item->held)
		return;
	if (item->rebooting) {
		reboot_wait(rt, e, item);
		return;
	}
	struct pawl_work *w = work_prepare(rt, e, item, event);
	if (!w) {
		effect_wait(rt, e, LOOK_AGAIN_MS);
		return;
	}
	expiry_begin(rt, e, w->activity.config);
	if (w->unregistered)
		note_unregistered(rt, e, item->name);
	else if (e->noted)
		note_clear(rt, e);
	bool find = rt->loading || e->adopt;
	e->adopt = false;
	if (!find || !find_running(rt, w))
		enqueue(rt, w);
}

void work_look_again(struct pawl_runtime *rt, struct effect *e, const struct open_item *item)
{
	struct activity activity;
	struct pawl_work *w = e->work;

	if (!w) {
		work_start(rt, e, item, NULL);
		return;
	}
	if (!w->unregistered || w->worker)
		return; /* a worker has it: when it gives it back it is looked for again */
	if (!registry_activity(rt->registry, item->name, &activity)) {
		note_unregistered(rt, e, item->name);
		return;
	}
	work_cancel(rt, w);
	work_start(rt, e, item, NULL);
}

/* ---- when ---- */

static bool has_slot(const struct pawl_runtime *rt, enum work_kind kind)
{
	uint32_t most = rt->config.workers.running_max, replaced = rt->config.workers.replaced_max;

	if (rt->abandoned < replaced)
		replaced = rt->abandoned;
	if (kind == WORK_PROCESS && rt->processes_running >= rt->config.workers.processes_max)
		return false;
	return kind == WORK_OUTSIDE || !most || rt->threads_running - replaced + rt->processes_running + rt->claimed < most;
}

/* Functions too, when they have limits of their own; else only programs and what goes outside look at those of the hub, as
 * they are what weighs on a device. */
static bool is_pressed(struct pawl_runtime *rt, struct pawl_work *w)
{
	const struct config_activity *c = w->activity.config;
	const struct pressure_limits *own = c && pressure_limits_are_set(&c->pressure) ? &c->pressure : NULL;
	const struct pressure_limits *all = w->kind != WORK_THREAD && pressure_limits_are_set(&rt->config.pressure) ? &rt->config.pressure : NULL;

	if (!own && !all)
		return false;
	return !pressure_ok(rt->pressure, all, own, w->name, w->message, sizeof(w->message));
}

/* What only a person can set right (no such user) has failed. All else may pass, as a full disk does, or is set right while
 * we wait, as a shim that is missing: it costs no attempt. */
static void begin_failed(struct pawl_runtime *rt, struct pawl_work *w, const struct pawl_error *err)
{
	struct effect *e = w->effect;

	if (w->outcome == WORK_FAILED) {
		work_event(w, ACTIVITY_BEGIN);
		work_result(rt, w);
		return;
	}
	if (err->code != PAWL_EBUSY) /* what ran there before is about to end */
		log_error("cannot start activity '%s' of '%s' yet: %s", w->name, w->id, err->text);
	snprintf(w->message, sizeof(w->message), "%s", err->text);
	limit_release(rt, w);
	work_defer(rt, w, (int64_t)LOOK_AGAIN_MS << (e->looks < BEGIN_SHIFT_MAX ? e->looks : BEGIN_SHIFT_MAX));
	if (e->looks < UINT16_MAX)
		e->looks++;
}

static void begin(struct pawl_runtime *rt, struct pawl_work *w)
{
	struct pawl_error err = { 0 };
	struct effect *e = w->effect;
	enum work_kind kind = w->kind;
	bool unregistered = w->unregistered;
	int rc = 0;

	if (is_pressed(rt, w)) {
		limit_release(rt, w);
		work_defer(rt, w, pressure_delay_ms(e->looks));
		if (e->looks < UINT16_MAX)
			e->looks++;
		return;
	}
	rc = messages_deliver_all(rt, w, &err); /* an attempt without them might wait for them for ever */
	if (rc == 0 && kind == WORK_THREAD && e->dir && work_dir_make(w, &err) == 0)
		record_state(w, NULL, 0, 0); /* what it said of a deferral is over */
	if (rc == 0 && kind == WORK_THREAD)
		thread_begin(rt, w);
	else if (rc == 0)
		rc = kind == WORK_PROCESS ? process_begin(rt, w, &err) : outside_begin(rt, w, &err);
	if (rc < 0) {
		begin_failed(rt, w, &err);
		return;
	}
	if (kind == WORK_PROCESS)
		expiry_begun(rt, e);
	if (!unregistered)
		e->looks = 0;
}

static void pump_list(struct pawl_runtime *rt, enum work_kind kind, unsigned priority)
{
	while (rt->queues[kind][priority].first && has_slot(rt, kind)) {
		struct pawl_work *w = work_queue_take(&rt->queues[kind][priority]);
		rt->queued[kind]--;
		if (!w->effect)
			work_free(w);
		else if (limit_take(rt, w))
			begin(rt, w);
	}
}

static bool may_begin(const struct pawl_runtime *rt)
{
	return !rt->stopping && !rt->failed && !rt->settling && !rt->reboot_by_ns;
}

void works_pump(struct pawl_runtime *rt)
{
	if (!may_begin(rt))
		return;
	for (unsigned priority = 0; priority < CREW_RANKS; priority++)
		for (unsigned kind = 0; kind < WORK_KINDS; kind++)
			pump_list(rt, (enum work_kind)kind, priority);
}

bool works_waiting(const struct pawl_runtime *rt)
{
	if (!may_begin(rt))
		return false;
	for (unsigned kind = 0; kind < WORK_KINDS; kind++)
		if (rt->queued[kind] && has_slot(rt, (enum work_kind)kind))
			return true;
	return false;
}

/* ---- watching ---- */

static struct pawl_work *work_of_node(struct heap_node *n)
{
	return (struct pawl_work *)(void *)((char *)n - offsetof(struct pawl_work, watch));
}

static void look(struct pawl_runtime *rt, struct pawl_work *w, int64_t now)
{
	if (w->kind == WORK_THREAD)
		thread_look(rt, w, now);
	else
		outside_look(rt, w, now);
}

void works_look(struct pawl_runtime *rt, int64_t now)
{
	struct heap_node *n;

	queue_look(rt);
	while ((n = heap_min(&rt->watches)) && n->key <= now) {
		heap_remove(&rt->watches, n);
		look(rt, work_of_node(n), now);
	}
	while (!rt->stopping && (n = heap_min(&rt->expiries)) && n->key <= now) {
		heap_remove(&rt->expiries, n);
		expire(rt, (struct expiry *)n);
	}
	if (rt->reboot_by_ns && now >= rt->reboot_by_ns)
		rt->reboot_by_ns = 0; /* it has not come: the activities that wait for it are told by their timers */
}

int64_t works_next_look(const struct pawl_runtime *rt)
{
	const struct heap_node *w = heap_min(&rt->watches), *x = rt->stopping ? NULL : heap_min(&rt->expiries);
	int64_t at = w ? w->key : -1;

	if (x && (at < 0 || x->key < at))
		at = x->key;
	if (rt->reboot_by_ns && (at < 0 || rt->reboot_by_ns < at))
		at = rt->reboot_by_ns;
	return at;
}

/* Pressure may have gone: look at what is deferred. */
static void poke(void *arg)
{
	effects_poke(arg);
	loop_wake(((struct pawl_runtime *)arg)->loop);
}

/* ---- opening ---- */

static void each_crash(void *arg, const struct crash_mark *m)
{
	struct pawl_runtime *rt = arg;
	struct crash_seen *seen = calloc(1, sizeof(*seen));

	log_error("activity '%s' of '%s' (attempt %u) brought down the runtime with signal %d%s", m->activity, m->instance, m->attempt,
	          m->signal, m->signal ? "" : " (it called exit)");
	if (!seen)
		return;
	seen->mark = *m;
	seen->next = rt->crashes;
	rt->crashes = seen;
}

static int make_scratch(struct pawl_runtime *rt, struct pawl_error *err)
{
	const char *tmp = getenv("TMPDIR");
	char dir[256];

	snprintf(dir, sizeof(dir), "%s/pawl-work-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	if (!mkdtemp(dir))
		return err_sys(err, errno, "cannot make a directory for programs in '%s'", tmp && *tmp ? tmp : "/tmp");
	rt->scratch = strdup(dir);
	return rt->scratch ? 0 : err_nomem(err);
}

int works_open(struct pawl_runtime *rt, struct pawl_error *err)
{
	char path[640];
	int rc = pressure_new(&rt->pressure, rt->os, rt->loop, rt->hub, poke, rt, err);

	if (rc < 0)
		return rc;
	if (rt->provider->ops->work_dir(rt->provider, "x", 1, path, sizeof(path)) < 0)
		rc = make_scratch(rt, err);
	if (rc == 0 && !rt->scratch && rt->os == os_linux()) {
		snprintf(path, sizeof(path), "%s/RUNNING", rt->hub);
		if (crash_marks_open(&rt->marks, path, rt->config.workers.threads_max + rt->config.workers.replaced_max + 4, rt->handle_signals, each_crash, rt, err) < 0)
			log_warning("%s; an activity that crashes will not be known", err->text);
	}
	if (rc == 0)
		rc = queue_find_all(rt, err);
	rt->loading = true;
	return rc;
}

/* The attempt that brought us down has ended; so it counts, and is not begun again and again. */
static void deliver_crash(struct pawl_runtime *rt, const struct crash_mark *m)
{
	struct instance *i = instance_get(rt, m->instance);
	struct open_item *item = i && i->execution == m->execution ? view_find(&i->view, m->seq) : NULL;
	struct effect *e = effect_of(item);
	struct pawl_work *w = e && item->attempt == m->attempt ? e->work : NULL;
	bool queued = w != NULL;

	if (e && !w && item->attempt == m->attempt)
		w = work_prepare(rt, e, item, NULL);
	if (!w || w->running)
		return;
	if (w->kind != WORK_THREAD) { /* it is no function any more */
		if (!queued) {
			effect_forget_work(e);
			work_free(w);
		}
		return;
	}
	if (!queued)
		heap_remove(&rt->timers, &e->node);
	char code[32];
	snprintf(code, sizeof(code), m->signal ? "signal:%d" : "exit", m->signal);
	work_event(w, ACTIVITY_ADOPT);
	work_set_failure(w, WORK_STUCK, code, m->signal ? "it brought down the runtime with signal %d" : "it brought down the runtime by calling exit", m->signal);
	if (queued)
		dequeue(rt, w);
	work_result(rt, w);
}

void works_loaded(struct pawl_runtime *rt)
{
	rt->loading = false;
	while (rt->crashes) {
		struct crash_seen *seen = rt->crashes;
		rt->crashes = seen->next;
		deliver_crash(rt, &seen->mark);
		free(seen);
	}
	queue_drop_rest(rt);
}

static int each_left(void *arg, const char *name)
{
	struct left_behind *l = arg;
	uint64_t seq;
	char dir[640];

	if (text_parse_u64(slice_of(name), &seq) < 0 || l->rt->provider->ops->work_dir(l->rt->provider, l->id, seq, dir, sizeof(dir)) < 0)
		return 0;
	if (!l->view || !view_find(l->view, seq) || (l->execution > 1 && work_dir_is_of_another(l->rt, l->execution, dir)))
		process_end_leftover(dir);
	return 0;
}

#define LEFT_PLACE UINT64_MAX /* a number that no activity has: so work_dir does not find it in the hub */

/* A program whose activity was canceled, or answered by a timeout, or whose instance has ended (view NULL), and the
 * runtime was killed before it could tell. */
void works_left_behind(struct pawl_runtime *rt, const char *id, uint64_t execution, const struct view *view)
{
	struct left_behind l = { rt, id, view, execution };
	const struct pawl_provider_ops *ops = rt->provider->ops;
	int (*const places[])(struct pawl_provider *p, const char *instance, uint64_t seq, char *out, size_t size) = { ops->work_dir, ops->work_dir_lasting };
	char dir[640];

	for (int n = 0; n < 2 && !rt->scratch; n++) { /* twice the same does no harm */
		if (!places[n] || places[n](rt->provider, id, LEFT_PLACE, dir, sizeof(dir)) < 0)
			continue;
		*strrchr(dir, '/') = '\0';
		(void)rt->os->list(rt->os->self, OS_CWD, dir, each_left, &l); /* mostly there is none */
	}
}

/* After works_release. */
void works_close(struct pawl_runtime *rt)
{
	map_each(&rt->limits, limit_free, NULL);
	map_release(&rt->limits);
	map_release(&rt->offers);
	map_each(&rt->found, limit_free, NULL);
	map_release(&rt->found);
	heap_release(&rt->watches);
	heap_release(&rt->expiries);
	pressure_free(rt->pressure);
	crash_marks_close(rt->marks);
	if (rt->scratch)
		(void)os_remove_tree(rt->os, OS_CWD, rt->scratch, 8);
	free(rt->scratch);
	while (rt->crashes) {
		struct crash_seen *seen = rt->crashes;
		rt->crashes = seen->next;
		free(seen);
	}
}

/* Limits may have been raised: who is blocked queues again. */
static int unblock(void *arg, struct slice key, void *value)
{
	struct pawl_runtime *rt = arg;
	struct limit *l = value;
	struct pawl_work *w;

	(void)key;
	while ((w = blocked_take(l)))
		enqueue(rt, w);
	return 0;
}

void works_reload(struct pawl_runtime *rt)
{
	pressure_reload(rt->pressure);
	rt->shim[0] = '\0';
	map_each(&rt->limits, unblock, rt);
}

bool works_use(const struct pawl_runtime *rt, const struct config *config)
{
	uintptr_t first = (uintptr_t)config->activities, end = first + config->activity_count * sizeof(*config->activities);
	const struct pawl_work *w = rt->works;

	while (w && ((uintptr_t)w->activity.config < first || (uintptr_t)w->activity.config >= end))
		w = w->all_next;
	return w != NULL;
}
