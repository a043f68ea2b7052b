/*
 * owner.c - runtimes that fight for the hub. One of them has it; the others try again after a while, as a service manager
 * lets them. Each commit and each recovery goes by the model.
 */
#include "sim.h"
#include "base/error.h"
#include "base/log.h"
#include "runtime/runtime.h"

#include <errno.h>
#include <stdlib.h>

struct owner_job {
	struct pawl_job job;
	struct pawl_job *real;
	struct pawl_job **slot;
	bool ran, commit;
};

/* Of one runtime. */
struct owner {
	pawl_runtime *rt;
	struct pawl_provider *provider;
	struct pawl_job *committing, *maintaining;
	bool has_hub;
	bool healthy;    /* nothing has gone wrong in this life */
	uint64_t waits;
};

static struct owner owners[RUNTIMES];
static struct pawl_provider_ops ops;

static struct owner *owner_now(void)
{
	return &owners[device.current->number];
}

struct proc *owner_proc(void)
{
	for (unsigned i = 0; i < RUNTIMES; i++)
		if (owners[i].has_hub && !proc_of(ROLE_RUNTIME, i)->dead)
			return proc_of(ROLE_RUNTIME, i);
	return NULL;
}

struct pawl_runtime *owner_runtime(void)
{
	struct proc *p = owner_proc();

	return p ? owners[p->number].rt : NULL;
}

uint64_t owner_waits(void)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < RUNTIMES; i++)
		n += owners[i].waits;
	return n;
}

bool owners_have_ended(void)
{
	for (unsigned i = 0; i < RUNTIMES; i++)
		if (proc_of(ROLE_RUNTIME, i)->busy)
			return false;
	return true;
}

/* ---- storage ---- */

static int job_run(struct pawl_job *job)
{
	struct owner_job *j = (struct owner_job *)job;

	j->ran = true;
	return j->real->run(j->real);
}

static int job_end(struct pawl_job *job, struct pawl_error *err)
{
	struct owner_job *j = (struct owner_job *)job;
	struct proc *p = device.current;

	*j->slot = NULL;
	int rc = j->real->end(j->real, err);
	if (j->commit)
		model_committed(rc == 0 && !p->dead);
	trace(j->commit ? "committed" : "maintained", rc, 0, NULL);
	free(j);
	return rc;
}

static struct pawl_job *job_new(struct pawl_job *real, struct pawl_job **slot, bool commit)
{
	struct owner_job *j = calloc(1, sizeof(*j));

	if (!j)
		abort();
	*j = (struct owner_job){ .job = { job_run, job_end }, .real = real, .slot = slot, .commit = commit };
	return *slot = &j->job;
}

static void end_job(struct pawl_job *job)
{
	struct owner_job *j = (struct owner_job *)job;
	struct pawl_error err = { 0 };

	if (job && !j->ran)
		(void)job->run(job);
	if (job)
		(void)job->end(job, &err);
}

static int commit_begin(struct pawl_provider *p, const struct pawl_batch *batch, struct pawl_job **job, struct pawl_error *err)
{
	struct pawl_job *real;

	if (!device.current->dead && owner_proc() != device.current)
		wrong("one owner: runtime %u commits, and the hub is not its own", device.current->number);
	int rc = pawl_provider_fs.commit_begin(p, batch, &real, err);
	if (rc < 0)
		return rc;
	device.result->commits++;
	if (!device.current->dead)
		model_commit(batch);
	*job = job_new(real, &owner_now()->committing, true);
	return 0;
}

static int maintain(struct pawl_provider *p, bool idle, struct pawl_job **job, struct pawl_error *err)
{
	struct pawl_job *real = NULL;
	int rc = pawl_provider_fs.maintain(p, idle, &real, err);

	*job = rc >= 0 && real ? job_new(real, &owner_now()->maintaining, false) : NULL;
	return rc;
}

struct receiving {
	int (*each)(void *arg, struct pawl_message *message);
	void *arg;
};

static int receive_each(void *arg, struct pawl_message *m)
{
	struct receiving *r = arg;

	device.result->events++;
	trace("received", m->kind, (int64_t)m->len, m->id);
	return r->each(r->arg, m);
}

static int receive(struct pawl_provider *p, bool rescan, int (*each)(void *arg, struct pawl_message *message), void *arg, int64_t *again_ms,
                   struct pawl_error *err)
{
	struct receiving r = { each, arg };

	return pawl_provider_fs.receive(p, rescan, receive_each, &r, again_ms, err);
}

static int purge(struct pawl_provider *p, const char *id, struct pawl_error *err)
{
	model_purging(id, false);
	int rc = pawl_provider_fs.purge(p, id, err);
	if (rc == 0)
		model_purging(id, true);
	return rc;
}

static int purge_all(struct pawl_provider *p, const char *const *ids, size_t count, struct pawl_error *err)
{
	for (size_t i = 0; i < count; i++)
		model_purging(ids[i], false);
	int rc = pawl_provider_fs.purge_all(p, ids, count, err);
	for (size_t i = 0; rc == 0 && i < count; i++)
		model_purging(ids[i], true);
	return rc;
}

static int quarantine(struct pawl_provider *p, const char *id, const char *reason, struct pawl_error *err)
{
	if (reason && !device.current->dead)
		wrong("I6: '%s' is set aside as damaged: %s", id, reason);
	return pawl_provider_fs.quarantine(p, id, reason, err);
}

static int acquire(struct pawl_provider *p, struct pawl_error *err)
{
	struct proc *self = device.current, *other = owner_proc();
	int rc = pawl_provider_fs.acquire(p, err);

	if (other && owner_proc() != other)
		other = NULL; /* it has gone meanwhile */
	if (self->dead || rc < 0) {
		if (rc == PAWL_ECORRUPT && !self->dead)
			wrong("I6: the hub is called damaged: %s", err->text);
		return rc;
	}
	if (other && other != self)
		wrong("one owner: runtime %u has got the hub, and runtime %u lives", self->number, other->number);
	owner_now()->has_hub = true;
	owner_now()->provider = p;
	device.result->recoveries++;
	trace("recovered", self->number, 0, NULL);
	model_recovered(p);
	return 0;
}

static int open_provider(const struct pawl_provider_options *options, struct pawl_provider **out, struct pawl_error *err)
{
	int rc = pawl_provider_fs.open(options, out, err);

	if (rc == 0)
		(*out)->ops = &ops;
	return rc;
}

static void close_provider(struct pawl_provider *p)
{
	owner_now()->has_hub = false;
	pawl_provider_fs.close(p);
}

void owner_begin(void)
{
	memset(owners, 0, sizeof(owners));
	ops = pawl_provider_fs;
	ops.open = open_provider;
	ops.acquire = acquire;
	ops.close = close_provider;
	ops.commit_begin = commit_begin;
	ops.maintain = maintain;
	ops.receive = receive;
	ops.purge = purge;
	ops.purge_all = purge_all;
	ops.quarantine = quarantine;
}

/* ---- the loop's questions ---- */

static int die(struct pawl_error *err)
{
	return err_set(err, PAWL_EIO, "it was killed");
}

static int step(void *arg, struct pawl_error *err)
{
	struct proc *p = arg;

	if (p->dead)
		return die(err);
	if (draw_below(&device.order, 4) == 0)
		proc_yield();
	return p->dead ? die(err) : 0;
}

static bool fd_ready(void *arg, int fd)
{
	bool ready;

	(void)arg;
	return shim_fd_ready(fd, &ready) ? ready : os_sim_watch_pending(device.sim, fd);
}

/* Something to do for a runtime that waits? */
static bool is_called(struct proc *p)
{
	struct owner *o = &owners[p->number];

	return !o->rt || atomic_load(&o->rt->stop_wanted) != o->rt->stopping || p->loop.clock_set || program_loop_is_called(o->rt->loop, &p->loop);
}

static int idle(void *arg, int64_t timer_ns, struct pawl_error *err)
{
	struct proc *p = arg;
	int64_t now = p->real->boot_ns(p->real->self), at = timer_ns < 0 ? -1 : device.now_ns + (timer_ns > now ? timer_ns - now : 0);

	owners[p->number].waits++;
	trace("wait", timer_ns, 0, NULL);
	proc_wait(at, is_called);
	return p->dead ? die(err) : 0;
}

/* ---- a life ---- */

static int check_parked(void *arg, struct slice key, void *value)
{
	const struct instance *i = value;

	(void)arg;
	(void)key;
	if (i->parked)
		wrong("'%s' is parked", i->id);
	return 0;
}

static void close_runtime(struct proc *p, struct owner *o)
{
	if (!p->dead && device.telling)
		(void)map_each(&o->rt->instances, check_parked, NULL);
	end_job(o->committing);
	end_job(o->maintaining);
	pawl_runtime *rt = o->rt;
	o->rt = NULL;
	pawl_close(rt);
	o->has_hub = false;
}

static void tell_leaks(struct proc *p)
{
	unsigned n = os_sim_open_count(device.sim, p->slot), bad = os_sim_bad_fd_count(device.sim);

	if (n)
		wrong("runtime %u has ended and left %u descriptors open", p->number, n);
	if (bad)
		wrong("%u calls had a descriptor that was not open", bad);
}

static void not_opened(struct proc *p, struct owner *o, int rc, const char *text)
{
	o->has_hub = false;
	if (p->dead)
		return;
	trace("refused", rc, 0, text);
	if (rc != PAWL_EBUSY && o->healthy)
		wrong("a runtime does not start: %s", text);
}

void owner_main(struct proc *p)
{
	struct owner *o = &owners[p->number];
	const pawl_options options = { .hub = SIM_HUB, .config = "", .provider = &ops, .allow_volatile = true, .os = &p->os };
	struct pawl_error err = { 0 };

	*o = (struct owner){ .waits = o->waits, .healthy = device.healthy };
	p->loop = (struct program_loop){ .random = draw_any(&device.random), .step = step, .idle = idle, .ready = fd_ready, .arg = p,
		.freed = processes_drop };
	int rc = pawl_open(&o->rt, &options, &err);
	if (rc < 0) {
		not_opened(p, o, rc, err.text);
	} else {
		rc = pawl_run(o->rt, &err);
		if (rc < 0 && !p->dead && o->healthy)
			wrong("the runtime ends by itself: %s", err.text);
		close_runtime(p, o);
	}
	o->has_hub = false;
	if (!p->dead)
		tell_leaks(p);
	if (!device.over)
		proc_start(p, (int64_t)(1 + draw_below(&device.random, device.healthy ? 60000 : 3000)) * SIM_MS);
}
