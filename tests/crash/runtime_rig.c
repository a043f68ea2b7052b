#include "runtime_rig.h"
#include "base/error.h"
#include "runtime/runtime.h"
#include <stdio.h>
#include <stdlib.h>

#define ROUNDS_MAX 3000

static int load_spill(void *arg, const char *instance, const char *file, char **out, size_t *len, struct pawl_error *err)
{
	struct pawl_runtime *rt = arg;

	return rt->provider->ops->read_spill(rt->provider, instance, file, out, len, err);
}

static bool no_loop(void *arg)
{
	(void)arg;
	return true;
}

static void no_wake(void *arg)
{
	(void)arg;
}

static int open_rig(struct pawl_runtime *rt, const struct rig *r, struct pawl_error *err)
{
	char boot[OS_BOOT_ID_SIZE];

	if (config_init(&rt->config) < 0)
		return err_nomem(err);
	rt->os = r->os;
	rt->provider = r->p;
	map_init(&rt->instances);
	heap_init(&rt->timers);
	heap_init(&rt->pauses);
	heap_init(&rt->watches);
	heap_init(&rt->expiries);
	map_init(&rt->limits);
	map_init(&rt->offers);
	map_init(&rt->found);
	rt->ready_end = &rt->ready;
	rt->requests_end = &rt->requests;
	rt->config.engine.resident_max = 100;
	rt->engine = (struct engine_options){ .resident = !r->replay_only, .memory_max = (size_t)rt->config.engine.memory_max,
		.events_buffered_max = rt->config.limits.events_buffered_max, .load_spill = load_spill, .arg = rt };
	rt->scratch = strdup("/none"); /* there are no activities */
	if (r->os->boot_id(r->os->self, boot) < 0)
		return err_set(err, PAWL_EIO, "no boot id");
	snprintf(rt->boot, sizeof(rt->boot), "%.8s", boot);
	int rc = registry_new(&rt->registry, &rt->config, err);
	return rc < 0 ? rc : instances_load(rt, err);
}

static void close_rig(struct pawl_runtime *rt)
{
	rt->closing = true;
	turns_release(rt);
	instances_release(rt);
	heap_release(&rt->timers);
	heap_release(&rt->pauses);
	heap_release(&rt->watches);
	heap_release(&rt->expiries);
	map_release(&rt->limits);
	map_release(&rt->offers);
	map_release(&rt->found);
	buf_release(&rt->ended);
	if (rt->registry)
		registry_free(rt->registry);
	config_release(&rt->config);
	free(rt->scratch);
}

/* Turns, and the commit that follows, on this thread. */
static int one_commit(struct pawl_runtime *rt, const struct rig *r, struct pawl_error *err)
{
	int rc = crew_new(&rt->crew, 1, no_loop, no_wake, rt, err); /* anew each time: nobody takes its jobs */

	if (rc == 0 && r->turns)
		r->turns(r->arg, true);
	if (rc == 0)
		rc = turns_run(rt, err);
	if (r->turns)
		r->turns(r->arg, false);
	if (rc == 0 && rt->committing) {
		struct pawl_job *job = rt->commit_job.work;
		(void)job->run(job);
		commit_finished(rt, &rt->commit_job);
	}
	crew_free(rt->crew);
	rt->crew = NULL;
	effects_archive_ended(rt);
	return rc;
}

static bool is_busy(const struct pawl_runtime *rt)
{
	return rt->ready || rt->next.count || rt->flying.count;
}

/* The next time that something is to be done. False: nothing is. */
static bool let_time_pass(struct pawl_runtime *rt, const struct rig *r)
{
	int64_t now = r->os->boot_ns(r->os->self), at = rt->timers.count ? heap_min(&rt->timers)->key : 0;

	if (rt->pauses.count && (!at || heap_min(&rt->pauses)->key < at))
		at = heap_min(&rt->pauses)->key;
	if (is_busy(rt) && rt->stalled_until_ns > now)
		at = rt->stalled_until_ns;
	else if (is_busy(rt))
		return true;
	if (!at)
		return false;
	if (at > now)
		r->advance(r->arg, at - now);
	effects_fire_due(rt, r->os->boot_ns(r->os->self));
	generations_resume(rt, r->os->boot_ns(r->os->self));
	return true;
}

static int maintain(struct pawl_runtime *rt, struct pawl_error *err)
{
	struct pawl_job *job = NULL;
	int rc = rt->provider->ops->maintain(rt->provider, true, &job, err);

	if (rc >= 0 && job) {
		(void)job->run(job);
		rc = job->end(job, err);
	}
	return rc;
}

static int begin(struct pawl_runtime *rt, const char *type, const char *id, struct pawl_error *err)
{
	const struct start_order order = { .type = type, .id = id, .message_id = "start-it" };

	if (instance_get(rt, id) || instance_id_is_taken(rt, id, err) != 0)
		return 0;
	return start_post(rt, &order, NULL, err);
}

int rig_run(const struct rig *r, const char *type, const char *id, size_t *live, struct pawl_error *err)
{
	struct pawl_runtime *rt = calloc(1, sizeof(*rt));
	int rc = rt ? open_rig(rt, r, err) : err_nomem(err);

	if (!rt)
		return rc;
	if (rc == 0)
		rc = begin(rt, type, id, err);
	for (unsigned n = 0; rc == 0 && n < ROUNDS_MAX && !rt->failed && !r->is_off(r->arg) && let_time_pass(rt, r); n++) {
		rc = one_commit(rt, r, err);
		if (rc == 0 && n % 7 == 3 && !r->is_off(r->arg))
			rc = maintain(rt, err) < 0 && !r->is_off(r->arg) ? PAWL_EIO : 0;
		if (r->pause && r->pause(r->arg))
			break;
	}
	if (rc == 0 && rt->failed && !r->is_off(r->arg))
		rc = err_set(err, PAWL_EBUG, "the runtime failed: %s", rt->fatal.text);
	*live = rt->instances.count;
	close_rig(rt);
	free(rt);
	return rc;
}
