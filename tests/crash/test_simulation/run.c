/* run.c - one run: a plan drawn from the seed, then the device with all that goes wrong, then without, then the verdict. */
#include "sim.h"
#include "base/log.h"
#include "runtime/runtime.h"

#include <stdio.h>
#include <string.h>

#define STEPS_MAX 400000        /* of one phase */
#define MORE_NS (60 * SIM_SECOND) /* for incidents, when all inputs are in */
#define HELP_EVERY_NS (60 * SIM_SECOND)
#define HELPS_MAX 180            /* 3 hours */
#define LOOK_NS (650 * SIM_SECOND)
#define REST_NS (3600 * SIM_SECOND)
#define REST_WAITS_MAX 40       /* a look at the drops each 5 minutes, and what is over soon */

void simulation_make(struct simulation *s, uint64_t seed)
{
	static const unsigned char kinds[] = { INCIDENT_KILL_OWNER, INCIDENT_KILL_OWNER, INCIDENT_KILL_OWNER, INCIDENT_KILL_OWNER, INCIDENT_KILL_OWNER,
		INCIDENT_CUT, INCIDENT_CUT, INCIDENT_CUT, INCIDENT_CUT, INCIDENT_CUT, INCIDENT_KILL_ANY, INCIDENT_KILL_ANY, INCIDENT_STOP,
		INCIDENT_KILL_SHIM, INCIDENT_DISK_FULL, INCIDENT_FAIL, INCIDENT_FAIL, INCIDENT_OVERFLOW, INCIDENT_LOST_EVENTS, INCIDENT_CLOCK,
		INCIDENT_NO_LEASES };
	uint64_t random = seed;
	unsigned gap = 6u << draw_below(&random, 6);

	*s = (struct simulation){ .seed = seed };
	s->inputs = 4 + draw_below(&random, 40);
	s->incident_count = draw_below(&random, 10) ? 1 + draw_below(&random, INCIDENTS_MAX) : 0;
	for (unsigned i = 0; i < s->incident_count; i++)
		s->incidents[i] = (struct incident){ kinds[draw_below(&random, sizeof(kinds))], 1 + draw_below(&random, 2 * gap), draw_any(&random) };
}

/* ---- phases ---- */

static void on_log(void *arg, enum log_level level, const char *line)
{
	(void)arg;
	if (device.current && device.current->dead)
		return;
	trace("log", level, 0, line);
	if (level <= LOG_LEVEL_ERROR && strstr(line, "please report"))
		wrong("a bug says: %s", line);
}

static bool steps_are_left(uint64_t *steps)
{
	others_tick();
	if (++*steps > STEPS_MAX)
		wrong("it does not come to rest");
	return !is_wrong();
}

static void with_incidents(void)
{
	uint64_t steps = 0;
	int64_t done_ns = -1;

	while (steps_are_left(&steps)) {
		if (others_are_done() && done_ns < 0)
			done_ns = device.now_ns;
		if (done_ns >= 0 && (incidents_are_over() || device.now_ns > done_ns + MORE_NS))
			break;
		(void)device_step(INT64_MAX);
	}
}

/* Everybody who was there comes to an end; those who are suspended are resumed, now and then. */
static void come_to_an_end(bool collectors)
{
	uint64_t steps = 0;

	device.telling = collectors;
	for (unsigned n = 0; n < HELPS_MAX && !is_wrong(); n++) {
		int64_t until = device.now_ns + HELP_EVERY_NS;
		others_help_to_end();
		while (device.now_ns < until && device_step(until) && steps_are_left(&steps))
			;
		if (!model_live(collectors) && others_are_done() && (collectors || n > 1))
			return;
	}
	wrong("instance '%s' does not come to its end", model_live(collectors) ? model_live(collectors) : "");
}

/* Whatever was not noticed is found by a look at all there is, each 5 minutes at least. */
static void let_it_look(void)
{
	uint64_t steps = 0;
	int64_t until = device.now_ns + LOOK_NS;

	while (device.now_ns < until && device_step(until) && steps_are_left(&steps))
		;
}

static void rest(void)
{
	uint64_t before, steps = 0;
	int64_t until = device.now_ns + REST_NS / 6;

	device.resting = true;
	while (device.now_ns < until && device_step(until) && steps_are_left(&steps))
		;
	before = owner_waits();
	until += REST_NS;
	while (device.now_ns < until && device_step(until) && steps_are_left(&steps))
		;
	trace("rest", (int64_t)(owner_waits() - before), 0, NULL);
	if (!is_wrong() && owner_waits() - before > REST_WAITS_MAX)
		wrong("nothing is to be done, and in an hour it has woken up %llu times", (unsigned long long)(owner_waits() - before));
	if (!is_wrong() && !owner_runtime())
		wrong("nobody has the hub");
}

static void stop(void)
{
	uint64_t steps = 0;

	device.over = true;
	while (!owners_have_ended() && steps_are_left(&steps)) {
		if (owner_runtime() && !owner_runtime()->stopping)
			pawl_stop(owner_runtime());
		(void)device_step(INT64_MAX - 1);
	}
	if (shims_open_fds())
		wrong("%u descriptors of programs are open, and nobody watches them", shims_open_fds());
}

static void look(const struct os *os)
{
	struct pawl_provider_options o = { .hub = SIM_HUB, .journal_bytes = 16 << 10, .journal_segments = 3, .os = os };
	struct pawl_provider *p;
	struct pawl_error err = { 0 };

	if (pawl_provider_fs.open(&o, &p, &err) < 0) {
		wrong("the hub cannot be opened: %s", err.text);
		return;
	}
	if (pawl_provider_fs.acquire(p, &err) < 0)
		wrong("the hub cannot be recovered: %s", err.text);
	else
		model_look_at_the_end(p);
	p->ops->close(p);
}

void simulation_run(const struct simulation *s, struct simulation_result *r)
{
	device_begin(s, r);
	log_set_sink(on_log, NULL);
	shims_begin();
	owner_begin();
	model_begin();
	incidents_begin();
	work_begin();
	others_begin();
	for (unsigned i = 0; i < (s->seed % 3 ? RUNTIMES : 1); i++) {
		proc_of(ROLE_RUNTIME, i)->main = owner_main;
		proc_start(proc_of(ROLE_RUNTIME, i), (int64_t)i * SIM_MS);
	}
	with_incidents();
	incidents_heal();
	if (owner_runtime()) /* what could not be read is read again */
		pawl_stop(owner_runtime());
	come_to_an_end(false);
	let_it_look();
	come_to_an_end(true);
	if (!is_wrong())
		rest();
	if (!is_wrong())
		stop();
	device.over = true;
	if (!is_wrong()) {
		device_power_cut();
		device_look(look);
	}
	r->calls = device.calls;
	device_end();
	model_end();
	log_set_sink(NULL, NULL);
}
