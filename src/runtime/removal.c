/*
 * removal.c - what is asked to be removed: purges and compactions that people ask for, and older executions of instances
 * that go on (retention.executions).
 *
 *	message (purge, compact) ──► asked ──┐ no commit under way
 *	                                     ├──► purge_all, prune: up to BATCH in one commit
 *	continued as new ──10 min──► prunes ─┘
 *
 * An execution stays for ten minutes after its end: so long a message that it has taken may come again at a start, and is
 * known by its history (generations.c). A payload file stays as long as a history names it: one that was rewound names
 * those of the execution before.
 */
#include "runtime/removal.h"
#include "runtime/runtime.h"
#include "base/error.h"
#include <stdlib.h>

#define BATCH 50
#define PRUNE_BATCH 8 /* each reads directories, and perhaps histories */
#define RETRY_NS 100000000ll
#define TROUBLE_NS 1000000000ll

struct prune_wait {
	struct heap_node node; /* first: in rt->prunes, by CLOCK_BOOTTIME */
	uint64_t upto;         /* those before it have ended long ago by then */
	char id[];
};

/* ---- payload files ---- */

struct named {
	struct pawl_provider *provider;
	struct map files;   /* that the histories which stay name */
	char id[TEXT_INSTANCE_ID_MAX + 1];
	bool unknown;       /* one of them cannot be read: nothing goes */
};

static int add_files(struct named *n, const struct history *h)
{
	int rc = 0;

	for (size_t k = 0; rc == 0 && k < h->count; k++)
		if (h->events[k].data_file.len)
			rc = map_put(&n->files, h->events[k].data_file, n, NULL);
	return rc;
}

/* 0: there is no such execution. */
static int read_files(struct named *n, uint64_t execution, uint64_t *which)
{
	struct history h;
	char *text = NULL;
	size_t len = 0;
	int rc = n->provider->ops->read(n->provider, n->id, execution, &text, &len, which, NULL);

	if (rc < 0)
		return rc == PAWL_ENOTFOUND ? 0 : rc;
	history_init(&h);
	rc = history_parse(&h, slice_make(text, len), NULL);
	if (rc == 0)
		rc = add_files(n, &h);
	history_release(&h);
	free(text);
	return rc < 0 ? rc : 1;
}

static void read_named(struct named *n, const struct pawl_prune *prune)
{
	uint64_t newest = 0, which;
	int rc;

	map_release(&n->files);
	map_init(&n->files);
	snprintf(n->id, sizeof(n->id), "%s", prune->instance);
	rc = read_files(n, 0, &newest);
	for (uint64_t e = prune->keep_from; rc > 0 && e < newest; e++)
		rc = read_files(n, e, &which);
	n->unknown = rc <= 0;
}

/* "EXECUTION.SEQ.data", as turns.c names them. */
static bool execution_of_file(const char *file, uint64_t *execution)
{
	const char *dot = strchr(file, '.'), *second = dot ? strchr(dot + 1, '.') : NULL;
	uint64_t seq;

	return second && strcmp(second, ".data") == 0 && text_parse_u64(slice_make(file, (size_t)(dot - file)), execution) == 0 &&
	       text_parse_u64(slice_make(dot + 1, (size_t)(second - dot - 1)), &seq) == 0;
}

static bool drop(void *arg, const struct pawl_prune *prune, const char *file)
{
	struct named *n = arg;
	uint64_t execution;

	if (!execution_of_file(file, &execution) || execution >= prune->keep_from)
		return false;
	if (strcmp(n->id, prune->instance) != 0)
		read_named(n, prune);
	return !n->unknown && !map_get(&n->files, slice_of(file));
}

int removal_prune(struct pawl_provider *p, const struct pawl_prune *prunes, size_t count, struct pawl_error *err)
{
	struct named n = { .provider = p };

	map_init(&n.files);
	int rc = count ? p->ops->prune(p, prunes, count, drop, &n, err) : 0;
	map_release(&n.files);
	return rc;
}

/* 0: there is none. */
static uint64_t newest_of(struct pawl_runtime *rt, const char *id)
{
	const struct instance *i = instance_get(rt, id);
	struct pawl_extent x;

	if (i)
		return i->started ? i->execution : 0;
	return rt->provider->ops->measure(rt->provider, id, &x, NULL) == 0 ? x.newest : 0;
}

/* ---- older executions ---- */

static void wait_until(struct pawl_runtime *rt, const char *id, uint64_t upto, int64_t at)
{
	size_t len = strlen(id);
	struct prune_wait *w = calloc(1, sizeof(*w) + len + 1);

	if (!w)
		return; /* it is seen to after the next start */
	memcpy(w->id, id, len + 1);
	w->upto = upto;
	if (heap_push(&rt->prunes, &w->node, at) < 0)
		free(w);
}

void executions_wait(struct pawl_runtime *rt, const char *id, uint64_t execution)
{
	wait_until(rt, id, execution, rt->os->boot_ns(rt->os->self) + OLDER_FOR_NS);
}

void executions_continued(struct pawl_runtime *rt, struct instance *i)
{
	if (!rt->config.retention.executions || i->execution <= rt->config.retention.executions || i->pruning)
		return;
	i->pruning = true;
	executions_wait(rt, i->id, i->execution);
}

static struct pawl_prune plan(struct pawl_runtime *rt, const struct prune_wait *w)
{
	uint64_t keep = rt->config.retention.executions, newest = newest_of(rt, w->id);
	uint64_t from = keep && newest > keep ? newest - keep + 1 : 0;

	return (struct pawl_prune){ w->id, from < w->upto ? from : w->upto, 0 };
}

/* What has come since then is for the next time. */
static void look_after(struct pawl_runtime *rt, const char *id)
{
	struct instance *i = instance_get(rt, id);

	if (!i)
		return;
	i->pruning = false;
	executions_continued(rt, i);
}

static void prune_due(struct pawl_runtime *rt, int64_t now)
{
	struct prune_wait *due[PRUNE_BATCH];
	struct pawl_prune prunes[PRUNE_BATCH];
	struct pawl_error err = { 0 };
	size_t count = 0, n = 0;

	while (count < PRUNE_BATCH && rt->prunes.count && heap_min(&rt->prunes)->key <= now) {
		due[count] = (struct prune_wait *)heap_min(&rt->prunes);
		heap_remove(&rt->prunes, &due[count]->node);
		prunes[n] = plan(rt, due[count++]);
		n += prunes[n].keep_from > 1;
	}
	int rc = removal_prune(rt->provider, prunes, n, &err);
	if (rc < 0 && rc != PAWL_EBUSY && !rt->prune_told)
		log_warning("older executions stay: %s; trying again", err.text);
	rt->prune_told = rc < 0 && (rc != PAWL_EBUSY || rt->prune_told);
	for (size_t k = 0; k < count; k++) {
		if (rc != 0)
			wait_until(rt, due[k]->id, due[k]->upto, rc > 0 ? now : now + (rc == PAWL_EBUSY ? RETRY_NS : 10 * RETRY_NS));
		else
			look_after(rt, due[k]->id);
		free(due[k]);
	}
}

/* ---- what people ask for ---- */

static void refuse(struct pawl_runtime *rt, struct pawl_message *m, const char *why)
{
	rt->provider->ops->reject(rt->provider, m->token, why);
}

int removal_receive(struct pawl_runtime *rt, struct pawl_message *m)
{
	if (rt->asked_count == rt->asked_cap) {
		size_t cap = rt->asked_cap ? rt->asked_cap * 2 : 16;
		struct pawl_message *grown = realloc(rt->asked, cap * sizeof(*grown));
		if (!grown)
			return PAWL_ENOMEM;
		rt->asked = grown;
		rt->asked_cap = cap;
	}
	rt->asked[rt->asked_count++] = *m;
	return 0;
}

/* All of one kind, from the front of what was asked, BATCH at most. */
static size_t same_kind(const struct pawl_runtime *rt)
{
	size_t n = 1, max = rt->asked[0].kind == PAWL_MESSAGE_COMPACT ? PRUNE_BATCH : BATCH;

	while (n < rt->asked_count && n < max && rt->asked[n].kind == rt->asked[0].kind)
		n++;
	return n;
}

static int purge_asked(struct pawl_runtime *rt, size_t count, struct pawl_error *err)
{
	const char *ids[BATCH];
	size_t ended = 0;

	for (size_t n = 0; n < count; n++) {
		struct pawl_message *m = &rt->asked[n];
		if (!m->token)
			continue; /* refused already */
		if (effects_waits_for_archive(rt, m->instance))
			return PAWL_EBUSY;
		if (!instance_get(rt, m->instance)) {
			ids[ended++] = m->instance;
			continue;
		}
		refuse(rt, m, "it has not ended: terminate it first");
		m->token = NULL;
	}
	int rc = ended ? rt->provider->ops->purge_all(rt->provider, ids, ended, err) : 0;
	if (rc == 0)
		retention_forget(rt, ids, ended);
	return rc;
}

static int compact_asked(struct pawl_runtime *rt, size_t count, struct pawl_error *err)
{
	struct pawl_prune prunes[PRUNE_BATCH];
	int64_t before_ns = rt->os->real_ns(rt->os->self) - OLDER_FOR_NS;
	size_t n = 0;

	for (size_t k = 0; k < count; k++) {
		const struct pawl_message *m = &rt->asked[k];
		uint64_t keep = 1, newest = newest_of(rt, m->instance);
		if (m->key && text_parse_u64(slice_of(m->key), &keep) < 0)
			keep = 1;
		if (keep > 0 && newest > keep)
			prunes[n++] = (struct pawl_prune){ m->instance, newest - keep + 1, before_ns };
	}
	return removal_prune(rt->provider, prunes, n, err);
}

static void answer(struct pawl_runtime *rt, size_t count, int rc, const char *why)
{
	for (size_t n = 0; n < count; n++) {
		struct pawl_message *m = &rt->asked[n];
		if (!m->token)
			continue;
		if (rc == 0)
			rt->provider->ops->ack(rt->provider, m->token);
		else
			refuse(rt, m, why);
	}
	memmove(rt->asked, rt->asked + count, (rt->asked_count - count) * sizeof(*rt->asked));
	rt->asked_count -= count;
}

static void do_asked(struct pawl_runtime *rt, int64_t now)
{
	struct pawl_error err = { 0 };
	size_t count = same_kind(rt);
	int rc = rt->asked[0].kind == PAWL_MESSAGE_COMPACT ? compact_asked(rt, count, &err) : purge_asked(rt, count, &err);

	enum pawl_error_class class = pawl_error_class(rc);
	if (rc == PAWL_EBUSY) {
		rt->asked_after_ns = now + RETRY_NS; /* no room in the journal, for now */
		return;
	}
	if (class == PAWL_CLASS_RETRYABLE || class == PAWL_CLASS_NOSPACE) { /* I7 */
		if (!rt->asked_told)
			log_error("what was asked to be removed stays: %s; trying again", err.text);
		rt->asked_told = true;
		rt->asked_after_ns = now + TROUBLE_NS;
		return;
	}
	rt->asked_told = false;
	if (rc <= 0)
		answer(rt, count, rc, err.text);
}

/* ---- when ---- */

void removal_step(struct pawl_runtime *rt, int64_t now)
{
	if (rt->committing || rt->stopping || rt->failed)
		return;
	if (rt->asked_count && now >= rt->asked_after_ns)
		do_asked(rt, now);
	if (rt->prunes.count && heap_min(&rt->prunes)->key <= now)
		prune_due(rt, now);
}

bool removal_is_due(const struct pawl_runtime *rt, int64_t now)
{
	if (rt->committing || rt->stopping || rt->failed)
		return false;
	return (rt->asked_count && now >= rt->asked_after_ns) || (rt->prunes.count && heap_min(&rt->prunes)->key <= now);
}

int64_t removal_next(const struct pawl_runtime *rt)
{
	int64_t at = rt->prunes.count ? heap_min(&rt->prunes)->key : -1;

	if (rt->committing)
		return -1; /* its end wakes the loop */
	return rt->asked_count && (at < 0 || rt->asked_after_ns < at) ? rt->asked_after_ns : at;
}

void removal_release(struct pawl_runtime *rt)
{
	while (rt->prunes.count) {
		struct prune_wait *w = (struct prune_wait *)heap_min(&rt->prunes);
		heap_remove(&rt->prunes, &w->node);
		free(w);
	}
	heap_release(&rt->prunes);
	free(rt->asked);
}
