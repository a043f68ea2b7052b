/*
 * pressure.h - does the device have what an activity needs, now? Looked at before each start, from kernel files, through
 * the OS seam; never waits.
 *
 *	fine ──over a limit──► pressed: reason, next look (5 s, doubling to 5 min) ──below the limit by the margin──► fine
 *
 * Hysteresis: what has pressed must get better than its limit by the margin (pressure.margin, 10 %) before it counts as
 * fine again; so a device at the edge does not start and stop in turn. Each quantity is read at most once in
 * PRESSURE_FRESH_MS, whatever number of activities asks.
 */
#ifndef RUNTIME_PRESSURE_H
#define RUNTIME_PRESSURE_H

#include "base/parts.h"
#include "os/loop.h"
#include "os/os.h"
#include <pawl/error.h>
#include <stdbool.h>
#include <stdint.h>

#define PRESSURE_FRESH_MS 1000
#define PRESSURE_FIRST_MS 5000
#define PRESSURE_LONGEST_MS 300000

/* Zero or NULL = not looked at. The same struct for the whole hub (pressure.*) and for an activity
 * (activities.NAME.pressure.*); both must be fine. */
struct pressure_limits {
	uint64_t memory_min;             /* bytes of MemAvailable (/proc/meminfo; MemFree + Buffers + Cached on old kernels) */
	const char *const *disk_paths;   /* file systems looked at, by a path on each; the hub is always among them */
	uint64_t disk_min;               /* free bytes on each (for unprivileged users) */
	uint64_t inodes_min;             /* free inodes; file systems that report none at all are fine */
	double load_max;                 /* 1 minute load / number of online CPUs */
	double psi_memory_max, psi_io_max, psi_cpu_max; /* "some avg10" of /proc/pressure/...; not there: fine, said once in the log */
	double temperature_max;          /* degrees Celsius: the hottest of /sys/class/thermal/thermal_zone*[temp] */
	const char *thermal_zone;        /* only the zone of that type ("cpu-thermal") */
	uint32_t battery_min;            /* percent of each battery (/sys/class/power_supply, type Battery), unless it is being charged */
	const char *network;             /* "any": some interface but lo has carrier/operstate up; or the name of one */
	const char *const *command;      /* a program: exit 0 = fine, else pressed, its first line of stdout is the reason */
	int64_t command_every_ms;        /* its answer counts so long; 0 = 30 s */
	uint32_t margin_percent;         /* 0 = 10 */
};

struct pressure; /* samples and hysteresis of one runtime */

#if PAWL_WITH_PRESSURE
/* loop: for commands (NULL: no command is ever run and counts as fine). changed: an answer of a command has come that
 * was waited for, look again (called from the loop). */
int pressure_new(struct pressure **out, const struct os *os, struct loop *loop, const char *hub, void (*changed)(void *arg), void *arg,
                 struct pawl_error *err) PAWL_MUST_USE;
void pressure_free(struct pressure *p);
/* True when `own` (may be NULL) and `global` (may be NULL) are fine. Else reason says what is short, how much of it is
 * there and what is wanted: "memory: 12 MiB available, 32 MiB wanted (pressure.memory_min)". name: whose `own` limits these
 * are (an activity's), the key of their hysteresis. A command whose answer is not there yet: false, "asking 'PROGRAM'". */
bool pressure_ok(struct pressure *p, const struct pressure_limits *global, const struct pressure_limits *own, const char *name,
                 char *reason, size_t size);
bool pressure_limits_are_set(const struct pressure_limits *l); /* anything to look at? */
/* After so many looks in vain (0, 1, ...): when to look next. */
int64_t pressure_delay_ms(unsigned looks);
/* After SIGHUP: limits have new addresses; hysteresis by name stays. */
void pressure_reload(struct pressure *p);
#else
static inline int pressure_new(struct pressure **out, const struct os *os, struct loop *loop, const char *hub, void (*changed)(void *arg),
                               void *arg, struct pawl_error *err)
{
	(void)os, (void)loop, (void)hub, (void)changed, (void)arg, (void)err;
	*out = NULL;
	return 0;
}
static inline void pressure_free(struct pressure *p)
{
	(void)p;
}
static inline bool pressure_ok(struct pressure *p, const struct pressure_limits *global, const struct pressure_limits *own,
                               const char *name, char *reason, size_t size)
{
	(void)p, (void)global, (void)own, (void)name, (void)reason, (void)size;
	return true;
}
static inline bool pressure_limits_are_set(const struct pressure_limits *l)
{
	(void)l;
	return false;
}
static inline int64_t pressure_delay_ms(unsigned looks)
{
	(void)looks;
	return PRESSURE_FIRST_MS;
}
static inline void pressure_reload(struct pressure *p)
{
	(void)p;
}
#endif

#endif
