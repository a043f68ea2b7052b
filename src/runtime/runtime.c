/*
 * runtime.c - opening, the event loop, stopping.
 *
 *	          ┌───────────────────────────────── step ─────────────────────────────────┐
 *	wait ──►  finished jobs → requests → timers → mailbox → turns → commit → activities ──► maintenance ──► wait
 *	          └── something is left to do: no wait ──┘           └── lend the baton: crew.h
 */
#include "runtime/revive.h"
#include "runtime/runtime.h"
#include "base/error.h"
#include "os/coro.h"
#include "os/memory.h"
#include "runtime/isolation.h"
#include "runtime/notify.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define HUB_DEFAULT "/var/lib/pawl"
#define STOP_SLACK_NS 1000000000ll
#define FLUSH_NS 50000000ll
#define TRIM_STACKS 256
#define TRIM_AFTER_NS 1000000000ll

const char *pawl_version(void)
{
	return PAWL_VERSION;
}

/* ---- opening ---- */

static int load_spill(void *arg, const char *instance, const char *file, char **out, size_t *len, struct pawl_error *err)
{
	struct pawl_runtime *rt = arg;

	return rt->provider->ops->read_spill(rt->provider, instance, file, out, len, err);
}

static void orchestration_log(void *arg, const char *instance, const char *line)
{
	(void)arg;
	log_info("[%s] %s", instance, line);
}

static void wake(void *arg)
{
	struct pawl_runtime *rt = arg;

	loop_wake(rt->loop);
}

static bool runtime_loop(void *arg);

static int choose_hub(struct pawl_runtime *rt, const pawl_options *o, struct pawl_error *err)
{
	const char *env = getenv("PAWL_HUB");
	const char *hub = o->hub ? o->hub : env && *env ? env : rt->config.hub ? rt->config.hub : HUB_DEFAULT;

	rt->hub = strdup(hub);
	return rt->hub ? 0 : err_nomem(err);
}

static void settle_options(struct pawl_runtime *rt, const pawl_options *o)
{
	if (o->resident_max > 0)
		rt->config.engine.resident_max = (uint32_t)o->resident_max;
	if (o->threads_max > 0)
		rt->config.workers.threads_max = (uint32_t)o->threads_max;
	rt->config.engine.replay_only = rt->config.engine.replay_only || o->replay_only;
	rt->config.engine.check_replay = rt->config.engine.check_replay || o->check_replay;
	rt->allow_volatile = rt->config.allow_volatile || o->allow_volatile;
	rt->handle_signals = o->handle_signals;
	rt->engine = (struct engine_options){ .resident = !rt->config.engine.replay_only && coro_has_stacks(),
		.stack_bytes = (size_t)rt->config.engine.stack_bytes, .memory_max = (size_t)rt->config.engine.memory_max,
		.events_buffered_max = rt->config.limits.events_buffered_max, .history_bytes_max = rt->config.limits.history_bytes_max, .load_spill = load_spill, .log = orchestration_log, .arg = rt };
}

#if !defined(PAWL_WITH_FS) || PAWL_WITH_FS
static const struct pawl_provider_ops *const default_provider = &pawl_provider_fs;
#else
static const struct pawl_provider_ops *const default_provider = NULL;
#endif

static int find_groups(const struct pawl_runtime *rt, struct pawl_provider_options *p, struct pawl_error *err)
{
	int rc = isolation_group("access.read_group", rt->config.access.read_group, &p->read_group, err);

	if (rc == 0)
		rc = isolation_group("access.drop_group", rt->config.access.drop_group, &p->drop_group, err);
	return rc < 0 ? rc : isolation_group("access.control_group", rt->config.access.control_group, &p->control_group, err);
}

static int open_provider(struct pawl_runtime *rt, const pawl_options *o, struct pawl_error *err)
{
	const struct pawl_provider_ops *ops = o->provider ? o->provider : default_provider;
	struct pawl_provider_options p = { .hub = rt->hub, .create = true, .journal_bytes = rt->config.journal.segment_bytes,
		.journal_segments = rt->config.journal.segments, .pad_frames = rt->config.journal.pad, .watches_max = rt->config.drops.watches_max,
		.message_bytes_max = rt->config.drops.bytes_max, .rejected_max = rt->config.drops.rejected_max,
		.rejected_bytes_max = rt->config.drops.rejected_bytes_max, .run_dir = rt->config.run_dir, .allow_volatile = rt->allow_volatile, .os = rt->os };
	int rc = find_groups(rt, &p, err);

	if (rc < 0)
		return rc;
	if (!ops)
		return err_set(err, PAWL_EUNSUPPORTED, "this build keeps no hub in files (WITH_FS=no); name another provider in the options");
	rc = ops->open(&p, &rt->provider, err);
	return rc < 0 ? rc : ops->acquire(rt->provider, err);
}

static void on_signal(void *arg, int signal)
{
	struct pawl_runtime *rt = arg;

	if (signal == SIGHUP) {
		rt->reload_wanted = true;
	} else if (rt->stopping) {
		log_warning("stopping at once: what was running starts again next time");
		_exit(128 + signal);
	} else {
		atomic_store(&rt->stop_wanted, true);
	}
}

static int open_loop(struct pawl_runtime *rt, struct pawl_error *err)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP, 0 };
	int rc = loop_new(&rt->loop, err);

	if (rc == 0 && rt->handle_signals)
		rc = loop_on_signals(rt->loop, signals, on_signal, rt, err);
	if (rc == 0)
		rc = loop_on_clock_set(rt->loop, effects_clock_set, rt, err);
	return rc < 0 ? rc : crew_new(&rt->crew, rt->config.workers.threads_max, runtime_loop, wake, rt, err);
}

static int open_parts(struct pawl_runtime *rt, const pawl_options *o, struct pawl_error *err)
{
	char boot[OS_BOOT_ID_SIZE];
	int rc = config_load(&rt->config, o->config, err);

	if (rc < 0)
		return rc;
	log_set_level((enum log_level)rt->config.log_level);
	settle_options(rt, o);
	if (rt->os->boot_id(rt->os->self, boot) < 0)
		return err_set(err, PAWL_EIO, "cannot read the boot id");
	snprintf(rt->boot, sizeof(rt->boot), "%.8s", boot);
	if (rt->os->random(rt->os->self, &rt->random, sizeof(rt->random)) < 0)
		return err_set(err, PAWL_EIO, "cannot draw a random number");
	rc = choose_hub(rt, o, err);
	if (rc == 0)
		rc = retention_open(rt, err);
	if (rc == 0)
		rc = registry_new(&rt->registry, &rt->config, err);
	if (rc == 0)
		rc = open_loop(rt, err);
	if (rc == 0)
		rc = open_provider(rt, o, err);
	if (rc == 0)
		wall_open(rt);
	if (rc == 0)
		rc = works_open(rt, err);
	if (rc == 0)
		rc = instances_load(rt, err);
	if (rc == 0)
		works_loaded(rt);
	return rc < 0 ? rc : inbox_open(rt, err);
}

int pawl_open(pawl_runtime **out, const pawl_options *options, struct pawl_error *err)
{
	static const pawl_options none;
	struct pawl_runtime *rt = calloc(1, sizeof(*rt));

	if (!rt || config_init(&rt->config) < 0) {
		free(rt);
		return err_nomem(err);
	}
	options = options ? options : &none;
	rt->os = options->os ? options->os : os_linux();
	map_init(&rt->instances);
	heap_init(&rt->timers);
	heap_init(&rt->pauses);
	heap_init(&rt->prunes);
	rt->ready_end = &rt->ready;
	heap_init(&rt->watches);
	heap_init(&rt->expiries);
	map_init(&rt->limits);
	map_init(&rt->offers);
	map_init(&rt->found);
	rt->requests_end = &rt->requests;
	rt->rescan_ns = rt->again_ns = rt->revive_after_ns = -1;
	rt->opened_ns = rt->os->boot_ns(rt->os->self);
	rt->settling = true;
	rt->options = *options;
	if (options->config) /* read again at a reload, when the caller's may be gone */
		rt->options.config = rt->config_path = strdup(options->config);
	atomic_init(&rt->stop_wanted, false);
	pthread_mutex_init(&rt->request_lock, NULL);
	pthread_mutex_init(&rt->letters_lock, NULL);
	pthread_cond_init(&rt->request_done, NULL);
	int rc = open_parts(rt, options, err);
	if (rc < 0) {
		pawl_close(rt);
		return rc;
	}
	*out = rt;
	return 0;
}

static void retired_free(struct retired **at)
{
	struct retired *old = *at;

	*at = old->next;
	registry_free(old->registry);
	config_release(&old->config);
	free(old);
}

void pawl_close(pawl_runtime *rt)
{
	if (!rt)
		return;
	rt->closing = true;
	requests_close(rt);
	turns_release(rt);
	instances_release(rt);
	works_release(rt);
	works_close(rt);
	heap_release(&rt->timers);
	heap_release(&rt->pauses);
	buf_release(&rt->ended);
	removal_release(rt);
	revivals_release(rt);
	retention_close(rt);
	wall_close(rt);
	if (rt->provider)
		rt->provider->ops->close(rt->provider);
	crew_free(rt->crew);
	loop_free(rt->loop);
	registry_free(rt->registry);
	config_release(&rt->config);
	while (rt->retired)
		retired_free(&rt->retired);
	pthread_mutex_destroy(&rt->request_lock);
	pthread_mutex_destroy(&rt->letters_lock);
	pthread_cond_destroy(&rt->request_done);
	coro_trim();
	free(rt->hub);
	free(rt->config_path);
	free(rt);
}

/* ---- maintenance ---- */

static void provider_job_run(struct crew_job *job)
{
	struct provider_job *p = (struct provider_job *)job;

	(void)p->work->run(p->work);
}

/* True when there is more to do at once. */
static bool maintain(struct pawl_runtime *rt, bool idle)
{
	struct pawl_error err = { 0 };
	struct pawl_job *work = NULL;
	int64_t now = rt->os->boot_ns(rt->os->self);

	if (rt->maintaining || now < rt->maintain_after_ns)
		return false;
	int rc = rt->provider->ops->maintain(rt->provider, idle, &work, &err);
	if (rc < 0) {
		if (!rt->maintain_failed)
			log_error("%s; commits go on while the journal has room", err.text);
		rt->maintain_failed = true;
		rt->maintain_after_ns = now + 1000000000;
		return false;
	}
	if (work) {
		rt->maintain_job = (struct provider_job){ { .run = provider_job_run, .urgent = true }, work };
		rt->maintaining = true;
		crew_submit(rt->crew, &rt->maintain_job.job, true);
	} else if (rt->maintain_failed) {
		log_notice("checkpoint works again");
		rt->maintain_failed = false;
	}
	return rc > 0;
}

static void maintain_finished(struct pawl_runtime *rt)
{
	struct pawl_error err = { 0 };
	struct pawl_job *work = rt->maintain_job.work;

	rt->maintaining = false;
	int rc = work->end(work, &err);
	if (rc < 0 && !rt->maintain_failed)
		log_error("checkpoint: %s; trying again", err.text);
	if (rc == 0 && rt->maintain_failed)
		log_notice("checkpoint works again");
	rt->maintain_failed = rc < 0;
	rt->dropped_stacks += TRIM_STACKS; /* it has let go of many small things */
	rt->maintain_after_ns = rc < 0 ? rt->os->boot_ns(rt->os->self) + 1000000000 : 0;
}

/* ---- the loop ---- */

static void finish_jobs(struct pawl_runtime *rt)
{
	struct crew_job *job = crew_finished(rt->crew);

	while (job) {
		struct crew_job *next = job->next;
		if (job == &rt->commit_job.job)
			commit_finished(rt, &rt->commit_job);
		else if (job == &rt->maintain_job.job)
			maintain_finished(rt);
		else if (!retention_surveyed(rt, job))
			work_finished(rt, job);
		job = next;
	}
}

static void begin_stop(struct pawl_runtime *rt)
{
	rt->stopping = true;
	rt->stop_by_ns = rt->os->boot_ns(rt->os->self) + rt->config.process.grace_ms * 1000000 + STOP_SLACK_NS;
	notify_stopping();
	works_stop(rt);
	log_notice("stopping%s", works_running(rt) ? ": waiting for the activities that run" : "");
}

/* Nothing on its way any more: what was done is recorded, what was not starts again next time. */
static bool stopped(struct pawl_runtime *rt)
{
	if (!rt->stopping || rt->committing || rt->maintaining)
		return false;
	bool late = rt->os->boot_ns(rt->os->self) >= rt->stop_by_ns;
	if (late)
		rt->stop_by_ns = 0; /* seen: no timer for it any more */
	if (works_running(rt)) {
		if (late && rt->handle_signals) {
			log_warning("%u activities do not return: leaving without them", rt->threads_running + rt->processes_running);
			rt->provider->ops->close(rt->provider);
			_exit(rt->failed);
		}
		return false;
	}
	return late || rt->failed || (!rt->ready && rt->next.count == 0 && rt->flying.count == 0);
}

/* What is captured when the runtime opens stays as it is: hub, journal, engine, number of threads. The rest counts from now
 * on: activities, plugins that were added, log level, processes, drops, timers. */
static void read_config_again(struct pawl_runtime *rt)
{
	struct pawl_error err = { 0 };
	struct retired *old = calloc(1, sizeof(*old));
	struct registry *registry = NULL;
	struct config fresh;
	bool made = old && config_init(&fresh) == 0;
	int rc = made ? config_load(&fresh, rt->options.config, &err) : err_nomem(&err);

	if (rc == 0) {
		old->config = rt->config;
		old->registry = rt->registry;
		rt->config = fresh;
		rc = registry_new(&registry, &rt->config, &err);
	}
	if (rc < 0) {
		log_error("%s; going on with the configuration as it was", err.text);
		if (made && old->registry)
			rt->config = old->config; /* fresh was in its place */
		if (made)
			config_release(&fresh);
		free(old);
		return;
	}
	rt->registry = registry;
	log_set_level((enum log_level)rt->config.log_level);
	struct engine_options engine = rt->engine;
	settle_options(rt, &rt->options);
	rt->engine = engine;
	old->next = rt->retired;
	rt->retired = old;
}

/* Somebody may send HUP every night for years: what no attempt needs any more goes. */
static void retired_trim(struct pawl_runtime *rt)
{
	for (struct retired **at = &rt->retired; *at;) {
		if (works_use(rt, &(*at)->config))
			at = &(*at)->next;
		else
			retired_free(at);
	}
}

static void reload(struct pawl_runtime *rt)
{
	rt->reload_wanted = false;
	rt->look = rt->look_all = true;
	log_notice("reading the configuration again, looking for drops, and trying what is parked (hub, journal, engine and threads_max need a restart)");
	read_config_again(rt);
	works_reload(rt);
	retired_trim(rt);
	instances_unpark(rt);
	effects_poke(rt);
}

static void earliest(int64_t *at, int64_t candidate)
{
	if (candidate >= 0 && (*at < 0 || candidate < *at))
		*at = candidate;
}

static void set_timer(struct pawl_runtime *rt)
{
	bool busy = rt->committing || rt->maintaining; /* then their end wakes the loop */
	int64_t at = -1;

	earliest(&at, process_next_deadline(rt->loop));
	earliest(&at, works_next_look(rt));
	if (!rt->stopping) { /* else nothing of this is begun any more */
		if (rt->timers.count)
			earliest(&at, heap_min(&rt->timers)->key);
		if (rt->pauses.count)
			earliest(&at, heap_min(&rt->pauses)->key);
		earliest(&at, rt->rescan_ns);
		earliest(&at, rt->again_ns);
		earliest(&at, removal_next(rt));
		earliest(&at, effects_archive_next(rt));
		earliest(&at, revivals_next(rt));
		earliest(&at, retention_next(rt, rt->os->boot_ns(rt->os->self)));
	} else if (!busy && rt->stop_by_ns > 0) {
		earliest(&at, rt->stop_by_ns);
	}
	if (!busy && rt->stalled_until_ns && (rt->ready || rt->next.count || rt->flying.count))
		earliest(&at, rt->stalled_until_ns);
	if (rt->maintain_failed && !rt->maintaining)
		earliest(&at, rt->maintain_after_ns);
	if (rt->trim_ns && !busy && !rt->stopping)
		earliest(&at, rt->trim_ns);
	if (rt->watchdog_ns > 0)
		earliest(&at, rt->watchdog_at_ns);
	loop_set_timer(rt->loop, at);
}

static void kick_watchdog(struct pawl_runtime *rt, int64_t now)
{
	if (rt->watchdog_ns <= 0 || now < rt->watchdog_at_ns)
		return;
	notify_watchdog();
	rt->watchdog_at_ns = now + rt->watchdog_ns;
}

/* What was sent while no runtime was there comes before the attempts that were cut off: so an instance whose activity
 * brings down the process can be terminated. */
static void settle(struct pawl_runtime *rt)
{
	if (!rt->settling || rt->ready || rt->committing || rt->next.count || rt->flying.count)
		return;
	rt->settling = false;
	works_pump(rt);
}

/* Everything that can be done now without waiting. */
static int step(struct pawl_runtime *rt, struct pawl_error *err)
{
	int64_t now = rt->os->boot_ns(rt->os->self);
	int rc = 0;

	finish_jobs(rt);
	requests_serve(rt);
	if (atomic_load(&rt->stop_wanted) && !rt->stopping)
		begin_stop(rt);
	if (rt->reload_wanted)
		reload(rt);
	effects_fire_due(rt, now);
	generations_resume(rt, now);
	process_check_deadlines(rt->loop, now);
	if (!rt->stopping && !rt->failed)
		rc = inbox_look(rt, err);
	works_look(rt, now); /* after the inbox, whose look also tells whether the work queue has changed */
	removal_step(rt, now);
	revivals_step(rt);
	retention_step(rt, now);
	works_pump(rt);
	if (rc == 0)
		rc = turns_run(rt, err);
	settle(rt);
	effects_archive_ended(rt);
	kick_watchdog(rt, now);
	metrics_tell(rt);
	return rc;
}

static bool more_to_do(const struct pawl_runtime *rt)
{
	bool stalled = rt->stalled_until_ns && rt->os->boot_ns(rt->os->self) < rt->stalled_until_ns;

	if (rt->failed)
		return false; /* only the end of what is under way is waited for */
	if (works_waiting(rt))
		return true;
	if (rt->look || rt->look_all)
		return !rt->stopping;
	int64_t now = rt->os->boot_ns(rt->os->self);
	if (removal_is_due(rt, now) || retention_is_due(rt, now))
		return true;
	return !stalled && !rt->committing && !rt->maintaining && (rt->ready || rt->next.count || rt->flying.count);
}

/* Stacks and their executions lie between what stays: freed, they are holes that only a trim gives back. */
static void give_memory_back(struct pawl_runtime *rt)
{
	int64_t now = rt->os->boot_ns(rt->os->self);

	if (rt->dropped_stacks < TRIM_STACKS)
		return;
	if (rt->trim_ns == 0)
		rt->trim_ns = now + TRIM_AFTER_NS; /* once, when it has become quiet */
	if (now < rt->trim_ns || rt->committing)
		return;
	rt->dropped_stacks = 0;
	rt->trim_ns = 0;
	coro_trim();
	os_memory_trim();
}

/* Histories are brought to their files when nothing else is going on, but not later than FLUSH_NS, for those who look at
 * them with tail -f. */
static bool has_time(struct pawl_runtime *rt)
{
	int64_t now = rt->os->boot_ns(rt->os->self);

	if ((rt->committing || rt->threads_running) && now - rt->flushed_ns < FLUSH_NS)
		return false;
	rt->flushed_ns = now;
	return true;
}

static void fail(struct pawl_runtime *rt, const struct pawl_error *err)
{
	if (!rt->failed)
		rt->fatal = *err;
	rt->failed = true;
}

/* What the holder of the baton does. */
static bool runtime_loop(void *arg)
{
	struct pawl_runtime *rt = arg;
	struct pawl_error err = { 0 };

	for (;;) {
		int rc = step(rt, &err);
		if (rc < 0)
			fail(rt, &err);
		if (rt->failed && !rt->stopping)
			begin_stop(rt); /* programs must not outlive us: another runtime may start them again */
		if ((rt->failed && !rt->committing && !rt->maintaining && !rt->processes_running) || stopped(rt))
			return true;
		if (crew_has_jobs(rt->crew)) {
			if (!crew_work(rt->crew))
				return false;
			rc = loop_wait(rt->loop, false, &err);
		} else {
			bool more = more_to_do(rt);
			more = (!rt->failed && maintain(rt, !more && has_time(rt))) || more;
			if (!more)
				give_memory_back(rt);
			set_timer(rt);
			rc = loop_wait(rt->loop, !more, &err);
		}
		if (rc < 0) {
			fail(rt, &err);
			return true;
		}
	}
}

/* ---- running ---- */

int pawl_run(pawl_runtime *rt, struct pawl_error *err)
{
	rt->watchdog_ns = notify_watchdog_interval_ms() * 1000000;
	rt->watchdog_at_ns = 0;
	log_notice("pawl %s runs '%s': %zu instances", PAWL_VERSION, rt->hub, rt->instances.count);
	metrics_open(rt);
	notify_ready();
	notify_status("runs %s", rt->hub);
	crew_run(rt->crew);
	requests_close(rt);
	if (rt->failed) {
		log_error("stopped: %s", rt->fatal.text[0] ? rt->fatal.text : "out of memory; restart to go on from history");
		if (err)
			*err = rt->fatal.text[0] ? rt->fatal : (struct pawl_error){ PAWL_ENOMEM, 0, "out of memory" };
		return rt->fatal.code ? rt->fatal.code : PAWL_ENOMEM;
	}
	log_notice("stopped");
	return 0;
}

void pawl_stop(pawl_runtime *rt)
{
	atomic_store(&rt->stop_wanted, true);
	loop_wake(rt->loop);
}
