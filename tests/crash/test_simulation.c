/*
 * test_simulation.c - the whole runtime on a simulated device, from one seed: see README.md, "Simulated devices".
 *
 * PAWL_SIM_SEED=N runs that one (PAWL_SIM_TRACE=1: every step), PAWL_SIM_SECONDS=N fresh ones for so long.
 */
#include "harness.h"
#include "simulation.h"

#include <stdio.h>
#include <time.h>

#define FIXED 500
#define TWICE 20
#define FRESH_SECONDS 6

static struct simulation_result totals;
static unsigned long seeds;
static bool quiet;

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t number_of(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

static uint64_t only_seed(void)
{
	return number_of("PAWL_SIM_SEED", 0);
}

/* ---- making it smaller ---- */

static void drop_incident(struct simulation *s, unsigned n)
{
	if (n + 1 < s->incident_count)
		s->incidents[n + 1].gap += s->incidents[n].gap; /* those behind it come when they came */
	memmove(&s->incidents[n], &s->incidents[n + 1], (--s->incident_count - n) * sizeof(s->incidents[0]));
}

static bool still_fails(struct simulation *s, const struct simulation *smaller, struct simulation_result *r)
{
	simulation_run(smaller, r);
	if (!r->why[0])
		return false;
	*s = *smaller;
	return true;
}

static void shrink(struct simulation *s, struct simulation_result *r)
{
	struct simulation smaller;
	bool any = true;

	while (any) {
		any = false;
		for (unsigned n = s->incident_count; n-- > 0;) {
			smaller = *s;
			drop_incident(&smaller, n);
			any = still_fails(s, &smaller, r) || any;
		}
		for (unsigned by = s->inputs / 2; by > 0; by /= 2) {
			smaller = *s;
			smaller.inputs -= by;
			any = still_fails(s, &smaller, r) || any;
		}
	}
}

static void print_smaller(const struct simulation *from)
{
	struct simulation s = *from;
	struct simulation_result r;

	shrink(&s, &r);
	simulation_trace = getenv("PAWL_SIM_TRACE") != NULL;
	simulation_run(&s, &r);
	simulation_trace = false;
	printf("  it shrinks to %u inputs and %u incidents:", s.inputs, s.incident_count);
	for (unsigned i = 0; i < s.incident_count; i++)
		printf(" %s after %u calls%s", incident_name(s.incidents[i].kind), s.incidents[i].gap, i + 1 < s.incident_count ? "," : "");
	printf("\n  %s\n", r.why);
}

/* ---- seeds ---- */

static void add_totals(const struct simulation_result *r)
{
	totals.calls += r->calls;
	totals.steps += r->steps;
	totals.recoveries += r->recoveries;
	totals.commits += r->commits;
	totals.events += r->events;
	totals.instances += r->instances;
	totals.attempts += r->attempts;
	for (unsigned i = 0; i < INCIDENT_KINDS; i++)
		totals.happened[i] += r->happened[i];
	seeds++;
}

static void run_seed(uint64_t seed, struct simulation_result *r)
{
	struct simulation s;

	simulation_make(&s, seed);
	simulation_run(&s, r);
	add_totals(r);
	if (!r->why[0])
		return;
	crash_fail("PAWL_SIM_SEED=%llu: %s", (unsigned long long)seed, r->why);
	if (!quiet)
		print_smaller(&s);
}

/* Of this program's own time: others may have the processor too. */
static double processor_seconds(void)
{
	return (double)clock() / CLOCKS_PER_SEC;
}

static void say_totals(double took)
{
	printf("        %lu seeds, %llu recoveries, %.0f/s of processor time, %llu system calls, %llu steps, %llu commits, %llu messages, %llu instances, %llu attempts\n", seeds,
	       (unsigned long long)totals.recoveries, took > 0 ? (double)totals.recoveries / took : 0, (unsigned long long)totals.calls,
	       (unsigned long long)totals.steps, (unsigned long long)totals.commits, (unsigned long long)totals.events,
	       (unsigned long long)totals.instances, (unsigned long long)totals.attempts);
	printf("        ");
	for (unsigned i = 0; i < INCIDENT_KINDS; i++)
		printf("%s%llu %s", i ? ", " : "", (unsigned long long)totals.happened[i], incident_name(i));
	printf("\n");
}

static void run_seeds(uint64_t from, uint64_t count, double for_seconds)
{
	struct simulation_result r;
	double began = seconds(), began_processor = processor_seconds();

	totals = (struct simulation_result){ .calls = 0 };
	seeds = 0;
	for (uint64_t n = 0; n < count && !crash_over(); n++) {
		if (for_seconds > 0 && seconds() - began > for_seconds)
			break;
		run_seed(from + n, &r);
	}
	if (!quiet)
		say_totals(processor_seconds() - began_processor);
}

static void fixed(void)
{
	if (only_seed())
		return;
	run_seeds(1, number_of("PAWL_SIM_FIXED", FIXED * crash_scale() / (CRASH_STRIDE > 1 ? 10 : 1)), 0);
}

static void fresh(void)
{
	uint64_t only = only_seed();
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	uint64_t from = ((uint64_t)now.tv_sec << 20) + (uint64_t)now.tv_nsec / 1000;
	uint64_t time = number_of("PAWL_SIM_SECONDS", FRESH_SECONDS);
	if (only) {
		simulation_trace = getenv("PAWL_SIM_TRACE") != NULL;
		run_seeds(only, 1, 0);
		simulation_trace = false;
	} else if (time) {
		printf("        from PAWL_SIM_SEED=%llu on\n", (unsigned long long)from);
		run_seeds(from, UINT64_MAX, (double)time);
	}
}

/* Byte for byte: addresses, the order of tables and what was not set would tell. */
static void the_same(void)
{
	struct simulation_result first, second;

	if (only_seed())
		return;
	for (uint64_t seed = 1000; seed < 1000 + TWICE && !crash_over(); seed++) {
		void *hole = malloc(1000 + seed); /* the second run has others */
		run_seed(seed, &first);
		run_seed(seed + 500, &second);
		run_seed(seed, &second);
		free(hole);
		if (first.hash != second.hash || first.calls != second.calls)
			crash_fail("PAWL_SIM_SEED=%llu runs in two ways: %llu and %llu calls", (unsigned long long)seed, (unsigned long long)first.calls,
			           (unsigned long long)second.calls);
	}
}

/* ---- planted bugs ---- */

#define PLANT_SEEDS 400

static void look_for_plant(void)
{
	quiet = true;
	run_seeds(50000, PLANT_SEEDS, 0);
	quiet = false;
}

static void plants(void)
{
	static const struct { const char *name, *what; } bugs[] = {
		{ "nolock", "the lock is not taken" },
		{ "ackearly", "clients are told before it is synced" },
		{ "nosync", "commits are not synced" },
		{ "nodirsync", "directories are not synced" },
		{ "unlinkfirst", "a message is removed before its commit" },
		{ "takehalf", "a drop is taken while it is being written" },
		{ "pidonly", "programs are adopted by their pid alone" },
		{ "runagain", "what has completed is run again" },
	};

	if (only_seed())
		return;
	for (size_t i = 0; i < COUNT_OF(bugs); i++) {
		bool caught = crash_is_caught(bugs[i].name, look_for_plant);
		if (!caught)
			crash_fail("nobody noticed the planted bug '%s': %s", bugs[i].name, bugs[i].what);
		else
			printf("        %s: found after %lu seeds\n", bugs[i].what, seeds);
	}
}

int main(int argc, char **argv)
{
	static const struct crash_test tests[] = {
		{ "simulated devices keep every promise", fixed },
		{ "the same seed is the same run", the_same },
		{ "simulated devices with fresh seeds keep every promise", fresh },
		{ "planted bugs are found", plants },
	};
	int rc = crash_main(argc, argv, tests, COUNT_OF(tests));

	simulation_release();
	return rc;
}
