/*
 * retention.c - instances that have ended go by themselves: by age, by number, by size, and when space gets short.
 *
 *	at the first step: survey of the archive ──(slices, on a worker thread)──┐
 *	                                                                         ▼
 *	an instance ends ─────────────────────────────────────────────► heap, oldest end first ──► purge_all, BATCH at a time
 *
 * Nothing of this happens, and nothing is kept in memory, unless the configuration asks for it. Nobody wakes up for it but
 * when the oldest one is due by its age, or there is work left (I12). What the heap says is a hint: the provider passes over
 * what lives again or is gone.
 *
 * When one has ended is what the store knows, by the wall clock (I9). On a device whose clock was not set then it is
 * counted from when it was first seen; while the clock is not set nothing is old. What this run has seen to end keeps its
 * age when the clock is set; what came from before is as old as the new time says.
 */
#include "runtime/runtime.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "os/clock_state.h"
#include <stdlib.h>

#define BATCH 50
#define BATCH_SPACE 10                    /* then it is looked how much that gave */
#define SURVEY_SLICE 256                         /* of the survey, on one go of a thread */
#define MEASURES 32                       /* on the loop */
#define MEASURE_AFTER_NS 1000000000ll     /* by then its history has reached its file */
#define RETRY_NS 1000000000ll
#define STEP_NS (INT64_C(10) * 1000000000) /* a smaller step of the clock changes no age */
#define KIB 1024u

/* One that has ended: about 90 bytes with its id. */
struct ended {
	struct heap_node node;  /* first: in ended, by CLOCK_REALTIME of its end */
	struct ended *next;     /* in `unmeasured` */
	uint32_t hash, kib;
	bool here;              /* this run has given it its time */
	bool unmeasured, gone;  /* gone: freed when its turn comes in that list */
	char id[];
};

struct survey {
	struct crew_job job;    /* first */
	struct pawl_runtime *rt;
	struct buf names;       /* each with its NUL */
	size_t from, upto;      /* the slice that was measured last, in names */
	bool listed;
	struct pawl_extent extents[SURVEY_SLICE];
	bool there[SURVEY_SLICE];
};

struct retention {
	struct heap ended;
	uint64_t kib;           /* of all of them */
	struct ended *unmeasured, **unmeasured_end;
	int64_t measure_ns;     /* when their bytes are known; 0 = none waits */
	struct survey *survey;  /* under way */
	struct map meanwhile;   /* ids that ended while it was */
	bool surveyed, failed;
	bool look_space, short_of_space, space_told;
	int64_t space_ns, retry_ns; /* not before; 0 = at once */
	int64_t offset_ns;      /* real - boot, when last looked at */
};

static bool wants_ended(const struct pawl_runtime *rt)
{
	const struct config *c = &rt->config;

	return c->retention.age_ms || c->retention.count || c->retention.bytes || c->retention.free_min;
}

static bool is_wanted(const struct pawl_runtime *rt)
{
	return wants_ended(rt) || rt->config.retention.executions;
}

/* ---- those that have ended ---- */

static void forget(struct retention *r, struct ended *e)
{
	heap_remove(&r->ended, &e->node);
	r->kib -= e->kib;
	if (e->unmeasured)
		e->gone = true;
	else
		free(e);
}

static void measure_later(struct retention *r, struct ended *e, int64_t now)
{
	e->unmeasured = true;
	*r->unmeasured_end = e;
	r->unmeasured_end = &e->next;
	if (r->measure_ns == 0)
		r->measure_ns = now + MEASURE_AFTER_NS;
}

/* Without memory it goes after the next start. */
static struct ended *add(struct pawl_runtime *rt, const char *id, int64_t ended_ns, uint64_t bytes)
{
	struct retention *r = rt->retention;
	size_t len = strlen(id);
	struct ended *e = calloc(1, sizeof(*e) + len + 1);

	if (!e)
		return NULL;
	memcpy(e->id, id, len + 1);
	e->hash = crc32c(0, id, len);
	e->kib = bytes / KIB > UINT32_MAX ? UINT32_MAX : (uint32_t)((bytes + KIB - 1) / KIB);
	e->here = ended_ns < OS_CLOCK_SET_NS;
	if (e->here)
		ended_ns = rt->os->boot_ns(rt->os->self) + r->offset_ns;
	if (heap_push(&r->ended, &e->node, ended_ns) < 0) {
		free(e);
		return NULL;
	}
	r->kib += e->kib;
	return e;
}

void retention_ended(struct pawl_runtime *rt, const char *id)
{
	struct retention *r = rt->retention;

	if (!r || !wants_ended(rt) || (!r->surveyed && !r->survey))
		return; /* the survey will see it */
	r->look_space = true;
	if (r->survey && map_put(&r->meanwhile, slice_of(id), r, NULL) < 0)
		return;
	struct ended *e = add(rt, id, 0, 0);
	if (e && rt->config.retention.bytes)
		measure_later(r, e, rt->os->boot_ns(rt->os->self));
}

/* They are gone, or live again. */
void retention_forget(struct pawl_runtime *rt, const char *const *ids, size_t count)
{
	struct retention *r = rt->retention;
	uint32_t hashes[PAWL_PURGE_BATCH_MAX];

	count = count < PAWL_PURGE_BATCH_MAX ? count : PAWL_PURGE_BATCH_MAX;
	for (size_t n = 0; n < count; n++)
		hashes[n] = crc32c(0, ids[n], strlen(ids[n]));
	for (size_t at = r ? r->ended.count : 0; at > 0; at--) {
		struct ended *e = (struct ended *)r->ended.nodes[at - 1];
		for (size_t n = 0; n < count; n++)
			if (hashes[n] == e->hash && strcmp(ids[n], e->id) == 0) {
				forget(r, e);
				at = at < r->ended.count ? at + 1 : r->ended.count + 1; /* another has taken its place */
				break;
			}
	}
}

/* ---- the survey ---- */

static int add_name(void *arg, const char *id)
{
	struct survey *s = arg;

	buf_add(&s->names, id, strlen(id) + 1);
	return !buf_ok(&s->names) || atomic_load(&s->rt->stop_wanted);
}

static void survey_run(struct crew_job *job)
{
	struct survey *s = (struct survey *)job;
	struct pawl_provider *p = s->rt->provider;

	s->from = s->upto;
	if (!s->listed) {
		(void)p->ops->scan(p, true, add_name, s, NULL);
		s->listed = true;
		return;
	}
	for (unsigned n = 0; n < SURVEY_SLICE && s->upto < s->names.len && !atomic_load(&s->rt->stop_wanted); n++) {
		const char *id = s->names.data + s->upto;
		s->there[n] = p->ops->measure(p, id, &s->extents[n], NULL) == 0;
		s->upto += strlen(id) + 1;
	}
}

static void survey_free(struct retention *r)
{
	if (!r->survey)
		return;
	buf_release(&r->survey->names);
	free(r->survey);
	r->survey = NULL;
	map_release(&r->meanwhile);
}

static void survey_begin(struct pawl_runtime *rt)
{
	struct retention *r = rt->retention;
	struct survey *s = calloc(1, sizeof(*s));

	if (!s)
		return;
	*s = (struct survey){ .job = { .run = survey_run, .rank = CREW_RANKS - 1 }, .rt = rt };
	buf_init(&s->names);
	map_init(&r->meanwhile);
	r->survey = s;
	crew_submit(rt->crew, &s->job, true);
}

static void survey_take(struct pawl_runtime *rt, struct survey *s)
{
	struct retention *r = rt->retention;
	size_t at = s->from;

	for (unsigned n = 0; at < s->upto; n++) {
		const char *id = s->names.data + at;
		const struct pawl_extent *x = &s->extents[n];
		at += strlen(id) + 1;
		if (!s->there[n] || map_get(&r->meanwhile, slice_of(id)))
			continue;
		if (wants_ended(rt))
			(void)add(rt, id, x->ended_ns, x->bytes);
		if (rt->config.retention.executions && x->newest - x->oldest >= rt->config.retention.executions)
			executions_wait(rt, id, x->newest);
	}
}

/* A slice is done. False: the job is not the survey's. */
bool retention_surveyed(struct pawl_runtime *rt, struct crew_job *job)
{
	struct retention *r = rt->retention;
	struct survey *s = r ? r->survey : NULL;

	if (!s || job != &s->job)
		return false;
	survey_take(rt, s);
	if (atomic_load(&rt->stop_wanted))
		return true; /* the rest is for the next start */
	if (s->upto < s->names.len) {
		crew_submit(rt->crew, &s->job, true);
		return true;
	}
	survey_free(r);
	r->surveyed = r->look_space = true;
	log_debug("retention: %zu instances have ended, of %llu KiB", r->ended.count, (unsigned long long)r->kib);
	return true;
}

/* ---- the clock ---- */

/* It was set: what this run has seen to end did so before or after that all the same. */
static void look_at_clock(struct pawl_runtime *rt)
{
	struct retention *r = rt->retention;
	int64_t offset = rt->os->real_ns(rt->os->self) - rt->os->boot_ns(rt->os->self), by = offset - r->offset_ns;
	struct heap dated;

	if (by < STEP_NS && by > -STEP_NS)
		return;
	heap_init(&dated);
	while (r->ended.count) {
		struct ended *e = (struct ended *)heap_min(&r->ended);
		int64_t key = e->node.key + (e->here ? by : 0);
		heap_remove(&r->ended, &e->node);
		if (heap_push(&dated, &e->node, key) < 0)
			forget(r, e); /* it goes after the next start */
	}
	heap_release(&r->ended);
	r->ended = dated;
	r->offset_ns = offset;
}

/* When the oldest is due by its age, on CLOCK_BOOTTIME; -1: never, or the clock is not set. */
static int64_t age_due(const struct pawl_runtime *rt, int64_t now)
{
	const struct retention *r = rt->retention;
	int64_t real = rt->os->real_ns(rt->os->self), age_ns = rt->config.retention.age_ms * 1000000;

	if (!age_ns || !r->ended.count || !os_clock_is_set(real))
		return -1;
	int64_t due = now + (heap_min(&r->ended)->key + age_ns - real);
	return due > 0 ? due : 0; /* it may have been before this boot */
}

/* ---- purging ---- */

static bool too_many(const struct pawl_runtime *rt)
{
	const struct retention *r = rt->retention;
	uint64_t bytes = rt->config.retention.bytes;

	return (rt->config.retention.count && r->ended.count > rt->config.retention.count) || (bytes && r->kib > bytes / KIB);
}

static bool oldest_is_due(const struct pawl_runtime *rt, int64_t now)
{
	const struct retention *r = rt->retention;
	int64_t due;

	if (!r->ended.count)
		return false;
	if (too_many(rt))
		return true;
	due = age_due(rt, now);
	return due >= 0 && due <= now;
}

static void look_at_space(struct pawl_runtime *rt, int64_t now)
{
	struct retention *r = rt->retention;
	uint64_t bytes, inodes, total;

	if (rt->stalls && pawl_error_class(rt->stall_code) == PAWL_CLASS_NOSPACE)
		r->look_space = true;
	if (!rt->config.retention.free_min || !r->look_space || now < r->space_ns)
		return;
	r->look_space = false;
	r->space_ns = 0;
	r->short_of_space = rt->os->path_space(rt->os->self, rt->hub, &bytes, &inodes, &total) == 0 && bytes < rt->config.retention.free_min;
	if (!r->short_of_space)
		r->space_told = false;
	else if (!r->ended.count && !r->space_told) {
		r->space_told = true;
		log_warning("less than retention.free_min is free on the file system of '%s', and nothing is left to remove", rt->hub);
	}
}

static size_t choose(struct pawl_runtime *rt, struct ended **chosen, int64_t now)
{
	struct retention *r = rt->retention;
	size_t count = 0;

	while (count < BATCH && r->ended.count && (oldest_is_due(rt, now) || (r->short_of_space && count < BATCH_SPACE))) {
		struct ended *e = (struct ended *)heap_min(&r->ended);
		heap_remove(&r->ended, &e->node);
		r->kib -= e->kib;
		chosen[count++] = e;
	}
	return count;
}

static void purge_some(struct pawl_runtime *rt, int64_t now)
{
	struct retention *r = rt->retention;
	struct ended *chosen[BATCH];
	const char *ids[BATCH];
	struct pawl_error err = { 0 };
	size_t count = choose(rt, chosen, now);

	for (size_t n = 0; n < count; n++)
		ids[n] = chosen[n]->id;
	int rc = count ? rt->provider->ops->purge_all(rt->provider, ids, count, &err) : 0;
	for (size_t n = 0; n < count; n++) {
		struct ended *e = chosen[n];
		r->kib += e->kib;
		if (rc == 0 || heap_push(&r->ended, &e->node, e->node.key) < 0)
			forget(r, e);
	}
	if (rc < 0) {
		if (!r->failed && rc != PAWL_EBUSY)
			log_warning("retention: %s; trying again", err.text);
		r->failed = r->failed || rc != PAWL_EBUSY;
		r->retry_ns = now + RETRY_NS;
		return;
	}
	r->failed = false;
	if (count)
		log_info("retention: removed %zu instances that ended", count);
	if (r->short_of_space) { /* what it gives is known when it is removed */
		r->short_of_space = false;
		r->look_space = true;
		r->space_ns = now + RETRY_NS;
	}
}

static void measure_some(struct pawl_runtime *rt, int64_t now)
{
	struct retention *r = rt->retention;
	struct pawl_extent x;

	if (!r->measure_ns || now < r->measure_ns)
		return;
	for (unsigned n = 0; n < MEASURES && r->unmeasured; n++) {
		struct ended *e = r->unmeasured;
		r->unmeasured = e->next;
		e->unmeasured = false;
		if (e->gone) {
			free(e);
		} else if (rt->provider->ops->measure(rt->provider, e->id, &x, NULL) == 0) {
			uint32_t kib = x.bytes / KIB > UINT32_MAX ? UINT32_MAX : (uint32_t)((x.bytes + KIB - 1) / KIB);
			r->kib = r->kib - e->kib + kib;
			e->kib = kib;
		}
	}
	if (!r->unmeasured) {
		r->unmeasured_end = &r->unmeasured;
		r->measure_ns = 0;
	}
}

static void clear(struct retention *r)
{
	while (r->ended.count)
		forget(r, (struct ended *)heap_min(&r->ended));
	while (r->unmeasured) {
		struct ended *e = r->unmeasured;
		r->unmeasured = e->next;
		free(e);
	}
	r->unmeasured_end = &r->unmeasured;
	r->measure_ns = 0;
	r->surveyed = false;
}

void retention_step(struct pawl_runtime *rt, int64_t now)
{
	struct retention *r = rt->retention;

	if (!r || rt->stopping || rt->failed)
		return;
	if (!is_wanted(rt)) {
		if (!r->survey && r->surveyed)
			clear(r); /* a new configuration wants it no more */
		return;
	}
	if (!r->surveyed) {
		if (!r->survey)
			survey_begin(rt);
		return;
	}
	look_at_clock(rt);
	measure_some(rt, now);
	if (rt->committing || now < r->retry_ns)
		return;
	r->retry_ns = 0;
	look_at_space(rt, now);
	if (r->short_of_space || oldest_is_due(rt, now))
		purge_some(rt, now);
}

bool retention_is_due(const struct pawl_runtime *rt, int64_t now)
{
	const struct retention *r = rt->retention;

	if (!r || !r->surveyed || rt->stopping || rt->failed || !is_wanted(rt))
		return false;
	if (r->measure_ns && now >= r->measure_ns)
		return true;
	if (rt->committing || now < r->retry_ns)
		return false;
	return oldest_is_due(rt, now) || (r->look_space && rt->config.retention.free_min && now >= r->space_ns);
}

/* The next time at which there is something to do; -1: whenever something else happens. */
int64_t retention_next(const struct pawl_runtime *rt, int64_t now)
{
	const struct retention *r = rt->retention;
	int64_t at = -1, due;

	if (!r || !r->surveyed || !is_wanted(rt))
		return -1;
	due = age_due(rt, now);
	if (due >= 0)
		at = due > now ? due : now;
	if (r->look_space && rt->config.retention.free_min && (at < 0 || r->space_ns < at))
		at = r->space_ns;
	if (too_many(rt) && r->ended.count)
		at = now;
	if (at >= 0 && at < r->retry_ns)
		at = r->retry_ns;
	if (r->measure_ns && (at < 0 || r->measure_ns < at))
		at = r->measure_ns;
	return rt->committing && at <= now ? -1 : at; /* its end wakes the loop */
}

/* The slow look at everything, or trouble with storage. */
void retention_look(struct pawl_runtime *rt)
{
	if (rt->retention)
		rt->retention->look_space = true;
}

int retention_open(struct pawl_runtime *rt, struct pawl_error *err)
{
	struct retention *r = calloc(1, sizeof(*r));

	if (!r)
		return err_nomem(err);
	heap_init(&r->ended);
	r->unmeasured_end = &r->unmeasured;
	r->offset_ns = rt->os->real_ns(rt->os->self) - rt->os->boot_ns(rt->os->self);
	rt->retention = r;
	return 0;
}

void retention_close(struct pawl_runtime *rt)
{
	struct retention *r = rt->retention;

	if (!r)
		return;
	clear(r);
	survey_free(r);
	heap_release(&r->ended);
	free(r);
	rt->retention = NULL;
}
