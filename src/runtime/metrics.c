/* metrics.c - see metrics.h. It is told to memory only, before each sleep: nothing of it is written or wakes anybody. */
#include "runtime/metrics.h"

#include "runtime/runtime.h"
#include "runtime/work.h"

void metrics_open(struct pawl_runtime *rt)
{
	if (rt->os != os_linux()) /* a simulated one is counted by nobody */
		return;
	io_share(rt->os->real_ns(rt->os->self), rt->os->boot_ns(rt->os->self));
	rt->tells = true;
	metrics_tell(rt);
}

/* Its place in rt->by_status and one, 0 for one that has ended. */
static uint8_t place_of(const struct instance *i)
{
	if (i->parked)
		return METRIC_PARKED - METRIC_PENDING + 1;
	switch (i->view.status) {
	case STATUS_PENDING: return METRIC_PENDING - METRIC_PENDING + 1;
	case STATUS_RUNNING: return METRIC_RUNNING - METRIC_PENDING + 1;
	case STATUS_SUSPENDED: return METRIC_SUSPENDED - METRIC_PENDING + 1;
	default: return 0;
	}
}

void metrics_note(struct pawl_runtime *rt, struct instance *i, bool gone)
{
	uint8_t place = gone ? 0 : place_of(i);

	if (place == i->counted_as)
		return;
	if (i->counted_as)
		rt->by_status[i->counted_as - 1]--;
	if (place)
		rt->by_status[place - 1]++;
	i->counted_as = place;
}

void metrics_tell(struct pawl_runtime *rt)
{
	struct pawl_provider_stats s = { 0 };

	if (!rt->tells)
		return;
	rt->provider->ops->stats(rt->provider, &s);
	uint64_t n[METRICS] = { [METRIC_COMMITS] = s.commits, [METRIC_RECORDS] = s.records, [METRIC_CHECKPOINTS] = s.checkpoints,
		[METRIC_TURNS] = rt->turns, [METRIC_STARTED] = rt->activities_started, [METRIC_DONE] = rt->activities_done,
		[METRIC_ACCEPTED] = s.accepted, [METRIC_REJECTED] = s.rejected, [METRIC_RESCANS] = s.scans,
		[METRIC_RESIDENT] = rt->resident, [METRIC_THREADS] = rt->threads_running, [METRIC_PROCESSES] = rt->processes_running,
		[METRIC_CLAIMED] = rt->claimed, [METRIC_WAIT_THREAD] = rt->queued[WORK_THREAD],
		[METRIC_WAIT_PROCESS] = rt->queued[WORK_PROCESS],
		[METRIC_WAIT_WORKER] = rt->queued[WORK_OUTSIDE] + (rt->offers.count > rt->claimed ? rt->offers.count - rt->claimed : 0),
		[METRIC_QUEUE] = rt->offers.count, [METRIC_FREE_SEGMENTS] = s.journal_free_segments };
	memcpy(&n[METRIC_PENDING], rt->by_status, sizeof(rt->by_status));
	io_tell(n, METRICS);
}
