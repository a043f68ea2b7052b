/*
 * effects.c - what follows from committed events: attempts started, timers armed, what is no longer wanted stopped.
 *
 * The same rules serve a turn that has just become durable and an instance that was loaded after a restart (I4):
 *
 *	ActivityScheduled open        -> an attempt runs, or waits for its retry time
 *	TimerCreated open             -> a node in the timer heap
 *	answered, canceled or ended   -> whatever ran or was armed is stopped
 *
 * Clocks (I9). A delay counts on CLOCK_BOOTTIME in the boot it was made in. In a later boot nobody knows how long the
 * device was off; timers.after_reboot decides: `wall` trusts the difference of the wall clocks, put right by what is known of
 * how they were set (wall.h), but never more than the whole delay and never less than nothing; `restart` waits the whole
 * delay anew; `fire` fires at once. Timers of the wall kind, and calendar times, are looked at again whenever the wall clock
 * is set. A delay that began before the clock was ever set, and goes on after that, has no difference: it begins anew.
 */
#include "runtime/runtime.h"
#include "base/error.h"
#include "os/clock_state.h"
#include <stdlib.h>

#define FULL_WAIT_MS 10000
#define ARCHIVE_AGAIN_NS 1000000000ll


int64_t runtime_now_ms(const struct pawl_runtime *rt)
{
	return rt->os->boot_ns(rt->os->self) / 1000000;
}

struct effect *effect_of(const struct open_item *item)
{
	return item ? item->owner : NULL;
}

static struct effect *effect_new(struct instance *i, struct open_item *item)
{
	struct effect *e = calloc(1, sizeof(*e));

	if (e) {
		e->instance = i;
		e->seq = item->seq;
		e->is_timer = item->type != EVENT_ActivityScheduled;
		item->owner = e;
	}
	return e;
}

static void effect_free(struct pawl_runtime *rt, struct effect *e)
{
	heap_remove(&rt->timers, &e->node);
	expiry_free(rt, e);
	effect_note_clear(rt, e);
	if (e->work && rt->closing)
		work_forget(e->work);
	else if (e->work)
		work_cancel(rt, e->work);
	effect_release_offer(rt, e);
	free(e);
}

void effect_forget_work(struct effect *e)
{
	e->work = NULL;
}

void effect_note_clear(struct pawl_runtime *rt, struct effect *e)
{
	if (e->noted && !rt->closing)
		rt->provider->ops->note(rt->provider, e->instance->id, NULL);
	e->noted = false;
}

/* ---- when ---- */

static int64_t begun_boot_ms(const struct open_item *item)
{
	return item->due.boot_ms - (item->delay_ms > 0 ? item->delay_ms : 0);
}

/* Of a delay of another boot. */
static int64_t wall_left_ms(const struct pawl_runtime *rt, const struct open_item *item, int64_t now_ns, bool *wall)
{
	int64_t shift_ms = wall_shift_ms(rt, item->due.boot, begun_boot_ms(item));
	int64_t begun_ms = item->due.at_ns / 1000000 - item->delay_ms + shift_ms;

	*wall = true;
	if (begun_ms < OS_CLOCK_SET_NS / 1000000 && os_clock_is_set(now_ns)) {
		*wall = false;
		return item->delay_ms;
	}
	int64_t left = (item->due.at_ns - now_ns + 999999) / 1000000 + shift_ms;
	return left > item->delay_ms ? item->delay_ms : left;
}

static int64_t delay_left_ms(const struct pawl_runtime *rt, const struct open_item *item, bool *wall)
{
	int64_t now = rt->os->real_ns(rt->os->self);

	*wall = false;
	if (item->fields & FIELD_UNTIL) {
		*wall = true;
		return (item->until_ns - now + 999999) / 1000000;
	}
	if (slice_is(item->due.boot, rt->boot))
		return item->due.boot_ms - runtime_now_ms(rt);
	if (rt->config.timers.after_reboot == CONFIG_AFTER_REBOOT_RESTART)
		return item->delay_ms;
	if (rt->config.timers.after_reboot == CONFIG_AFTER_REBOOT_FIRE)
		return 0;
	return wall_left_ms(rt, item, now, wall);
}

static void arm(struct pawl_runtime *rt, struct effect *e, int64_t at_ns)
{
	heap_remove(&rt->timers, &e->node);
	if (heap_push(&rt->timers, &e->node, at_ns) < 0) {
		log_error("out of memory for a timer of '%s'", e->instance->id);
		rt->failed = true; /* a restart arms it again from history */
	}
}

void effect_wait(struct pawl_runtime *rt, struct effect *e, int64_t delay_ms)
{
	int64_t now = rt->os->boot_ns(rt->os->self), max = (INT64_MAX - now) / 1000000;

	arm(rt, e, now + (delay_ms < 0 ? 0 : delay_ms > max ? max : delay_ms) * 1000000);
}

void effect_try_again(struct pawl_runtime *rt, struct instance *i, uint64_t seq, const char *why)
{
	struct effect *e = effect_of(view_find(&i->view, seq));

	if (!e)
		return;
	log_warning("instance '%s': the event for later of line %llu must wait: %s", i->id, (unsigned long long)seq, why ? why : "");
	effect_wait(rt, e, FULL_WAIT_MS);
}

static void arm_due(struct pawl_runtime *rt, struct effect *e, const struct open_item *item)
{
	bool same_boot = !(item->fields & FIELD_UNTIL) && slice_is(item->due.boot, rt->boot);
	if (same_boot && rt->loading)
		wall_compare(rt, begun_boot_ms(item), item->due.at_ns - item->due.boot_ms * 1000000);
	int64_t left = delay_left_ms(rt, item, &e->wall);

	if (same_boot && item->due.boot_ms < INT64_MAX / 1000000)
		arm(rt, e, item->due.boot_ms * 1000000);
	else
		effect_wait(rt, e, left);
}

/* ---- an item becomes open, or is loaded as open ---- */

/* What others wait for is the inbox's, or is answered by who was asked. A child is there in the commit that decided it: only
 * after a start it is made sure of, and when another attempt is due. */
static bool has_effect(struct pawl_runtime *rt, const struct instance *i, const struct open_item *item, bool look)
{
	switch (item->type) {
	case EVENT_ActivityScheduled:
	case EVENT_TimerCreated:
	case EVENT_ExecutionStarted:
	case EVENT_CancelRequested:
	case EVENT_EventScheduled:
		return true;
	case EVENT_ChildScheduled:
		return item->has_due || (look && child_is_missing(rt, i, item));
	default:
		return false;
	}
}

/* look: a child may not be there. */
static void begin(struct pawl_runtime *rt, struct instance *i, struct open_item *item, const struct event *event, bool look)
{
	if (!has_effect(rt, i, item, look))
		return;
	struct effect *e = effect_new(i, item);
	if (!e) {
		log_error("out of memory for an activity of '%s'", i->id);
		rt->failed = true;
	} else if ((item->has_due || item->fields & FIELD_UNTIL) && !item->rebooting) {
		if (!rt->loading || item->type != EVENT_ActivityScheduled || !work_adopt(rt, e, item))
			arm_due(rt, e, item);
	} else if (item->type == EVENT_ChildScheduled) {
		effect_wait(rt, e, 0);
	} else {
		work_start(rt, e, item, event);
	}
}

static void stop_item(struct pawl_runtime *rt, struct open_item *item)
{
	struct effect *e = effect_of(item);

	if (e)
		effect_free(rt, e);
	if (item)
		item->owner = NULL;
}

/* ---- a turn is durable ---- */

static void retry_later(struct pawl_runtime *rt, struct open_item *item)
{
	struct effect *e = effect_of(item);

	if (!e)
		return;
	effect_release_offer(rt, e);
	if (item->has_due)
		arm_due(rt, e, item);
	else
		activity_held(rt, e->instance, item);
}

static bool keeps_item(enum event_type type)
{
	return type == EVENT_ActivityRetrying || type == EVENT_ActivityRebooting || type == EVENT_ActivityMessageSent ||
	       type == EVENT_ChildRetrying || type == EVENT_ChildCancelRequested || type == EVENT_EntityLockGranted;
}

static bool is_of_activity(const struct open_item *item)
{
	return item->type == EVENT_ActivityScheduled;
}

/* Its next attempt is another instance; it may have a time already. */
static void retry_child(struct pawl_runtime *rt, struct instance *i, struct open_item *item)
{
	struct effect *e = effect_of(item);

	if (e)
		arm_due(rt, e, item);
	else
		begin(rt, i, item, NULL, false);
}

static bool is_activity_answer(enum event_type type)
{
	return type == EVENT_ActivityCompleted || type == EVENT_ActivityFailed;
}

/* The line that it answers. What an entity tells others names a line of theirs. */
static struct open_item *answered(const struct instance *i, const struct event *e)
{
	bool theirs = e->type == EVENT_EntityAnswered || e->type == EVENT_EntityLockPassed;

	return e->fields & FIELD_REF && !theirs ? view_find(&i->view, e->ref) : NULL;
}

static void apply(struct pawl_runtime *rt, struct instance *i, const struct event *e)
{
	struct open_item *item = answered(i, e);

	if (item && is_activity_answer(e->type))
		activity_over(rt, i, item, e);
	if (item && !keeps_item(e->type))
		stop_item(rt, item);
	if (view_apply(&i->view, e) < 0) {
		/* history is right and on disk; only this picture of it is not */
		log_error("instance '%s': the view of line %llu failed; restart to build it anew", i->id, (unsigned long long)e->seq);
		rt->failed = true;
		return;
	}
	item = keeps_item(e->type) ? view_find(&i->view, e->ref) : NULL;
	if (item && e->type == EVENT_ChildRetrying)
		retry_child(rt, i, item);
	if (!item || !is_of_activity(item))
		return;
	if (event_is_requeue(e))
		activity_requeued(rt, i, item);
	if (e->type == EVENT_ActivityRetrying)
		retry_later(rt, item);
	else if (e->type == EVENT_ActivityRebooting)
		reboot_begin(rt, i, item);
	else
		activity_message(rt, i, item, e);
}

static int archive(struct pawl_runtime *rt, const char *id, struct pawl_error *err)
{
	int rc = rt->provider->ops->archive(rt->provider, id, err);

	if (rc == 0)
		retention_ended(rt, id);
	return rc;
}

/* Moving directories takes longer than anything else here, and nobody waits for it: it comes when the next commit is on
 * its way. What cannot be moved stays in the list, and in the hub as it is. */
void effects_archive_ended(struct pawl_runtime *rt)
{
	struct pawl_error err = { 0 };
	size_t kept = 0, len;

	rt->ended.failed = false;
	if (rt->ended.len == 0 || rt->os->boot_ns(rt->os->self) < rt->ended_after_ns)
		return;
	for (size_t at = 0; at < rt->ended.len; at += len) {
		len = strlen(rt->ended.data + at) + 1;
		if (archive(rt, rt->ended.data + at, &err) == 0)
			continue;
		memmove(rt->ended.data + kept, rt->ended.data + at, len);
		kept += len;
	}
	if (kept && !rt->ended_after_ns)
		log_warning("%s; trying again", err.text);
	else if (!kept && rt->ended_after_ns)
		log_notice("what has ended is in the archive");
	rt->ended_after_ns = kept ? rt->os->boot_ns(rt->os->self) + ARCHIVE_AGAIN_NS : 0;
	rt->ended.len = kept;
	if (!kept)
		buf_reset(&rt->ended);
}

void effects_archive(struct pawl_runtime *rt, const char *id)
{
	struct pawl_error err = { 0 };

	if (buf_reserve(&rt->ended, strlen(id) + 1))
		buf_add(&rt->ended, id, strlen(id) + 1);
	else if (archive(rt, id, &err) < 0)
		log_warning("%s; the next start tries again", err.text);
}

bool effects_waits_for_archive(const struct pawl_runtime *rt, const char *id)
{
	for (size_t at = 0; at < rt->ended.len; at += strlen(rt->ended.data + at) + 1)
		if (strcmp(rt->ended.data + at, id) == 0)
			return true;
	return false;
}

int64_t effects_archive_next(const struct pawl_runtime *rt)
{
	return rt->ended.len ? rt->ended_after_ns : -1;
}

static void ended(struct pawl_runtime *rt, struct instance *i)
{
	log_info("instance '%s': %s", i->id, status_name(i->view.status));
	effects_drop(rt, i);
	requests_of_ended(rt, i);
	effects_archive(rt, i->id);
	instance_remove(rt, i);
}

/* Decisions open something that wants to be begun; so do lines that have a time of their own. */
static bool may_begin(const struct event *e)
{
	return event_type_class(e->type) & EVENT_DECISION || e->fields & (FIELD_DUE | FIELD_UNTIL | FIELD_START_AT);
}

bool effects_of(struct pawl_runtime *rt, struct instance *i, const struct event *events, size_t count, bool next)
{
	for (size_t n = 0; n < count; n++)
		apply(rt, i, &events[n]);
	if (next)
		return false; /* nothing of it is begun any more */
	if (status_is_ended(i->view.status)) {
		ended(rt, i);
		return true;
	}
	/* second, so that what was canceled in the turn that scheduled it never starts */
	for (size_t n = 0; n < count; n++) {
		struct open_item *item = may_begin(&events[n]) ? view_find(&i->view, events[n].seq) : NULL;
		if (item && !item->owner)
			begin(rt, i, item, &events[n], false);
	}
	inbox_attend(rt, i);
	metrics_note(rt, i, false);
	return false;
}

void effects_of_open(struct pawl_runtime *rt, struct instance *i)
{
	for (struct open_item *item = i->view.open; item; item = item->next)
		if (!item->owner)
			begin(rt, i, item, NULL, true);
}

void effects_resume(struct pawl_runtime *rt, struct instance *i)
{
	works_left_behind(rt, i->id, i->execution, &i->view);
	effects_of_open(rt, i);
	inbox_attend(rt, i);
}

void effects_drop(struct pawl_runtime *rt, struct instance *i)
{
	for (struct open_item *item = i->view.open; item; item = item->next)
		stop_item(rt, item);
}

/* ---- time ---- */

/* What comes of it when its time has come. NULL: out of memory. */
static struct mail *mail_of(struct pawl_runtime *rt, const struct open_item *item)
{
	bool raised = item->type == EVENT_EventScheduled, deadline = item->type == EVENT_CancelRequested;
	struct mail *m = mail_new(rt, raised ? EVENT_EventRaised : deadline ? EVENT_CancelDeadlinePassed : EVENT_TimerFired);
	struct event e;

	if (!m || deadline)
		return m;
	m->event.ref = item->seq;
	m->event.fields = FIELD_REF;
	if (!raised)
		return m;
	e = (struct event){ .type = EVENT_UNKNOWN };
	struct arena arena;
	arena_init(&arena, 0);
	int rc = open_item_event(item, &e, &arena);
	if (rc == 0) {
		e.type = EVENT_EventRaised;
		e.fields = (e.fields & (FIELD_NAME | FIELD_DATA | FIELD_KEY | FIELD_FROM)) | FIELD_REF; /* its message id was that of the other line */
		e.ref = item->seq;
		e.seq = 0;
		rc = event_copy(&m->event, &e, &m->arena);
	}
	arena_release(&arena);
	if (rc == 0)
		return m;
	mail_free(m);
	return NULL;
}

static void fire_timer(struct pawl_runtime *rt, struct effect *e)
{
	struct open_item *item = view_find(&e->instance->view, e->seq);

	if (!item)
		return;
	if ((item->fields & FIELD_UNTIL) && item->until_ns > rt->os->real_ns(rt->os->self)) {
		arm_due(rt, e, item); /* the wall clock was set back meanwhile */
		return;
	}
	struct mail *m = mail_of(rt, item);
	if (m)
		mail_post(rt, e->instance, m);
	else
		effect_wait(rt, e, 1000);
}

static void fire(struct pawl_runtime *rt, struct effect *e)
{
	struct open_item *item = view_find(&e->instance->view, e->seq);

	if (item && item->type == EVENT_ChildScheduled)
		child_due(rt, e);
	else if (e->is_timer)
		fire_timer(rt, e);
	else if (item)
		work_look_again(rt, e, item);
}

void effects_fire_due(struct pawl_runtime *rt, int64_t now)
{
	for (;;) {
		struct heap_node *n = heap_min(&rt->timers);
		if (!n || n->key > now || (rt->stopping && !((struct effect *)n)->is_timer))
			return;
		heap_remove(&rt->timers, n);
		fire(rt, (struct effect *)n);
	}
}

static size_t collect_wall(struct pawl_runtime *rt, struct effect **out)
{
	size_t count = 0;

	for (size_t n = 0; n < rt->timers.count; n++) {
		struct effect *e = (struct effect *)rt->timers.nodes[n];
		if (e->wall)
			out[count++] = e;
	}
	return count;
}

void effects_clock_set(void *arg)
{
	struct pawl_runtime *rt = arg;
	struct effect **wall = calloc(rt->timers.count + 1, sizeof(struct effect *));
	size_t count = wall ? collect_wall(rt, wall) : 0;

	wall_look(rt, rt->os->real_ns(rt->os->self), rt->os->boot_ns(rt->os->self));
	log_notice("the wall clock was set: %zu timers depend on it", count);
	for (size_t n = 0; n < count; n++) {
		struct open_item *item = view_find(&wall[n]->instance->view, wall[n]->seq);
		if (item)
			arm_due(rt, wall[n], item);
	}
	free(wall);
}

/* A retry delay of the policy, or a planned reboot; after it the wait is another one: for the device, or for somebody who
 * has the activity. */
static bool delay_is_over(const struct pawl_runtime *rt, const struct open_item *item)
{
	bool wall;

	return !item->has_due || delay_left_ms(rt, item, &wall) <= 0;
}

/* After SIGHUP, or when a pressure may have gone. Retry delays of the policy are not cut short. */
void effects_poke(struct pawl_runtime *rt)
{
	int64_t now = rt->os->boot_ns(rt->os->self);
	size_t count = 0;
	struct effect **waiting = calloc(rt->timers.count + 1, sizeof(struct effect *));

	for (size_t n = 0; waiting && n < rt->timers.count; n++) {
		struct effect *e = (struct effect *)rt->timers.nodes[n];
		struct open_item *item = view_find(&e->instance->view, e->seq);
		if (item && (!e->is_timer || item->type == EVENT_ChildScheduled) && delay_is_over(rt, item))
			waiting[count++] = e;
	}
	for (size_t n = 0; n < count; n++)
		arm(rt, waiting[n], now);
	free(waiting);
}
