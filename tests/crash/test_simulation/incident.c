/* incident.c - what goes wrong: each incident comes so many system calls behind the one before. */
#include "sim.h"
#include "runtime/runtime.h"

#include <errno.h>

#define AFTER_SYNC 40 /* calls between a sync that fails and the next incident */
#define FOR_CALLS 300 /* how long what passes by itself lasts, at most */

static struct incidents {
	unsigned next;         /* of the plan */
	uint64_t at;           /* device.calls */
	uint64_t random;       /* of the incident under way */
	int fail;              /* the next call of these kinds fails so */
	enum call fail_call;
	uint64_t full_until, overflow_until, lost_until, leases_until; /* device.calls; 0: not */
	struct proc *victim;   /* dies behind its call */
} in;

const char *incident_name(enum incident_kind kind)
{
	static const char *const names[] = { "kills of the runtime", "kills of others", "power cuts", "stops", "kills of shims", "full disks", "failing calls",
		"overflows", "lost events", "clocks set", "leases refused" };

	return names[kind];
}

void incidents_begin(void)
{
	in = (struct incidents){ .next = 0 };
	in.at = device.plan->incident_count ? device.plan->incidents[0].gap : UINT64_MAX;
}

bool incidents_are_over(void)
{
	return in.next >= device.plan->incident_count;
}

/* ---- what passes ---- */

static bool over(uint64_t *until)
{
	if (!*until || (device.calls < *until && !device.healthy))
		return false;
	*until = 0;
	return true;
}

static void pass_by(void)
{
	if (over(&in.full_until))
		os_sim_set_capacity(device.sim, 0);
	if (over(&in.overflow_until))
		os_sim_set_watch_queue(device.sim, 16384);
	if (over(&in.leases_until))
		os_sim_set_leases(device.sim, true);
	(void)over(&in.lost_until);
}

bool incident_swallows_events(void)
{
	return in.lost_until != 0 && draw_below(&in.random, 4) > 0;
}

/* ---- what happens ---- */

/* Room for so many bytes more. */
static void fill_disk(uint64_t left)
{
	struct proc *p = device.current;
	struct os_fs_info info;
	bool was = p->quiet;

	p->quiet = true;
	os_sim_set_capacity(device.sim, UINT64_C(1) << 40);
	int fd = p->real->open_root(p->real->self, SIM_HUB);
	if (fd >= 0 && p->real->fs_info(p->real->self, fd, &info) == 0)
		os_sim_set_capacity(device.sim, (UINT64_C(1) << 40) - info.free_bytes + left);
	if (fd >= 0)
		p->real->close(p->real->self, fd);
	p->quiet = was;
}

static void clock_is(int64_t real_ns)
{
	os_sim_set_real(device.sim, real_ns);
	for (unsigned i = 0; i < RUNTIMES; i++)
		proc_of(ROLE_RUNTIME, i)->loop.clock_set = true;
}

static void set_clock(void)
{
	static const int64_t seconds[] = { 1, 60, 600, 3600 };
	int64_t by = seconds[draw_below(&in.random, 4)] * SIM_SECOND;

	clock_is(SIM_REAL_START_NS + device.now_ns + (draw_below(&in.random, 2) ? by : -by));
}

static void fail_a_call(void)
{
	static const struct { enum call call; int error; } failures[] = {
		{ CALL_OPEN, EIO }, { CALL_OPEN, EMFILE }, { CALL_READ, EIO }, { CALL_WRITE, EIO }, { CALL_WRITE, ENOSPC }, { CALL_SYNC, EIO },
		{ CALL_SYNC, EIO }, { CALL_RENAME, EIO }, { CALL_RENAME, ENOSPC }, { CALL_UNLINK, EIO }, { CALL_MKDIR, ENOSPC }, { CALL_LIST, EIO },
		{ CALL_STAT, EIO }, { CALL_WATCH, ENOSPC } };
	unsigned n = draw_below(&in.random, sizeof(failures) / sizeof(failures[0]));

	in.fail_call = failures[n].call;
	in.fail = failures[n].error;
}

static uint64_t until(void)
{
	return device.calls + 1 + draw_below(&in.random, FOR_CALLS);
}

/* A kill comes before the call that is about to be made, or it is made and nobody hears of its end. */
static void kill_process(struct proc *p)
{
	if (p && p == device.current && draw_below(&in.random, 2))
		in.victim = p;
	else if (p)
		proc_kill(p);
}

/* False: it cannot happen now. */
static bool happen(const struct incident *i)
{
	switch (i->kind) {
	case INCIDENT_KILL_OWNER:
		if (!owner_proc())
			return false;
		kill_process(owner_proc());
		break;
	case INCIDENT_KILL_ANY:
		if (device.current->role == ROLE_SHIM)
			return false;
		kill_process(device.current);
		break;
	case INCIDENT_CUT: os_sim_stop_after(device.sim, 1 + draw_below(&in.random, 6)); break;
	case INCIDENT_STOP:
		if (!owner_runtime())
			return false;
		pawl_stop(owner_runtime());
		break;
	case INCIDENT_KILL_SHIM: return shim_kill_one();
	case INCIDENT_DISK_FULL:
		fill_disk(draw_below(&in.random, 5) * 4096);
		in.full_until = until();
		break;
	case INCIDENT_FAIL: fail_a_call(); break;
	case INCIDENT_OVERFLOW:
		os_sim_set_watch_queue(device.sim, 1 + draw_below(&in.random, 3));
		in.overflow_until = until();
		break;
	case INCIDENT_LOST_EVENTS: in.lost_until = until(); break;
	case INCIDENT_CLOCK: set_clock(); break;
	case INCIDENT_NO_LEASES:
		os_sim_set_leases(device.sim, false);
		in.leases_until = until();
		break;
	case INCIDENT_KINDS: break;
	}
	return true;
}

static void next_incident(void)
{
	const struct incident *i = &device.plan->incidents[in.next];

	in.random = i->seed;
	if (!happen(i)) {
		in.at = device.calls + 5; /* then a little later */
		return;
	}
	trace("incident", i->kind, (int64_t)in.next, incident_name(i->kind));
	device.result->happened[i->kind]++;
	in.next++;
	in.at = in.next < device.plan->incident_count ? device.calls + device.plan->incidents[in.next].gap : UINT64_MAX;
}

int incident_before(struct proc *p, enum call call)
{
	if (in.victim) {
		struct proc *victim = in.victim;
		in.victim = NULL;
		proc_kill(victim);
	}
	pass_by();
	if (device.calls >= in.at && !device.healthy)
		next_incident();
	if (p->dead || !in.fail || call != in.fail_call || p->role == ROLE_SHELL)
		return 0;
	int error = in.fail;
	in.fail = 0;
	trace("fails", error, (int64_t)call, NULL);
	if (call == CALL_SYNC && in.at < device.calls + AFTER_SYNC) /* see README.md, "What is not asked for" */
		in.at = device.calls + AFTER_SYNC;
	if (call == CALL_SYNC)
		in.victim = NULL;
	return -error;
}

void incidents_heal(void)
{
	device.healthy = true;
	in.fail = 0;
	in.at = UINT64_MAX;
	pass_by();
	os_sim_set_capacity(device.sim, 0);
	clock_is(SIM_REAL_START_NS + device.now_ns);
}
