/*
 * bench_many.c - many instances at once, each one activity after the other: durable activities a second, and what one
 * writes to the device; beside SQLite with one transaction a step. Usage: bench_many [DIR [ROUNDS [only]]], where only
 * leaves out all but the rounds, for a profiler.
 *
 * Two numbers from the same run: from the first start to the last completion, and from the moment when the first activity
 * of the last instance begins, so that all starts are durable.
 */
#include "rig.h"
#include "sqlite.h"
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#define ROUNDS 7
#define SQLITE_INSTANCES 200 /* in each round */
#define STAMPS_MAX 200000

static struct stamp {
	int64_t ns;
	bool first; /* of its instance */
} *stamps;
static atomic_size_t stamp_count;

static int note(pawl_work *work, const char *input)
{
	(void)work;
	stamps[atomic_fetch_add(&stamp_count, 1)] = (struct stamp){ bench_now_ns(), input[0] == '0' };
	return 0;
}
PAWL_ACTIVITY(note);

static int some(pawl_ctx *ctx, const char *input)
{
	for (long n = 0, steps = strtol(input, NULL, 10); n < steps; n++)
		if (!pawl_call(ctx, "note", n == 0 ? "0" : "1"))
			return pawl_rethrow(ctx);
	return 0;
}
PAWL_ORCHESTRATION(some, "1");

struct many {
	double with_starts, running; /* activities a second */
	double device_kib; /* the whole run; < 0: not known */
	double commits, batch;
	double user_us, system_us; /* CPU time of an activity, starts included */
	double sqlite;             /* transactions a second beside it; 0 = not measured */
};

/* What a step more costs each of them, so that making and archiving instances is left out, and what that costs. */
struct device {
	bool known;
	double step_kib, instance_kib;
};

static void rates(struct many *m, int64_t begin_ns, int64_t end_ns)
{
	size_t count = atomic_load(&stamp_count), rest = 0;
	int64_t started_ns = 0;

	for (size_t i = 0; i < count; i++)
		if (stamps[i].first && stamps[i].ns > started_ns)
			started_ns = stamps[i].ns;
	for (size_t i = 0; i < count; i++)
		rest += stamps[i].ns > started_ns;
	m->with_starts = (double)count * 1e9 / (double)(end_ns - begin_ns);
	m->running = (double)rest * 1e9 / (double)(end_ns - started_ns);
}

static double timeval_us(struct timeval a, struct timeval b)
{
	return (double)(b.tv_sec - a.tv_sec) * 1e6 + (double)(b.tv_usec - a.tv_usec);
}

static struct many run_many(const char *dir, unsigned number, unsigned instances, unsigned steps)
{
	char path[RIG_PATH_BYTES], id[32], input[16];
	struct bench_counters before, after;
	struct pawl_provider_stats stats;
	struct rusage usage[2];
	struct many m;
	struct rig h;

	rig_path(path, "many", number);
	rig_open(&h, path, NULL);
	rig_run(&h);
	atomic_store(&stamp_count, 0);
	snprintf(input, sizeof(input), "%u", steps);
	rig_sync(dir);
	bench_counters(dir, &before);
	getrusage(RUSAGE_SELF, &usage[0]);
	int64_t begin_ns = bench_now_ns();
	for (unsigned i = 0; i < instances; i++) {
		snprintf(id, sizeof(id), "m%u", i);
		rig_start(&h, "some", id, input, false);
	}
	rig_wait_empty(&h, (uint64_t)instances * steps);
	int64_t end_ns = bench_now_ns();
	getrusage(RUSAGE_SELF, &usage[1]);
	rig_sync(dir);
	bench_counters(dir, &after);
	rig_close(&h, &stats);
	rates(&m, begin_ns, end_ns);
	m.device_kib = after.device_known ? (double)(after.device_bytes - before.device_bytes) / 1024 : -1;
	m.user_us = timeval_us(usage[0].ru_utime, usage[1].ru_utime) / instances / steps;
	m.system_us = timeval_us(usage[0].ru_stime, usage[1].ru_stime) / instances / steps;
	m.sqlite = 0;
	m.commits = (double)stats.commits;
	m.batch = (double)stats.records / (double)stats.commits;
	return m;
}

static struct device device_cost(const struct many *a, unsigned a_steps, const struct many *b, unsigned b_steps,
                                 unsigned instances)
{
	struct device d = { .known = a->device_kib >= 0 && b->device_kib >= 0 };

	d.step_kib = (b->device_kib - a->device_kib) / instances / (b_steps - a_steps);
	d.instance_kib = a->device_kib / instances - d.step_kib * a_steps;
	return d;
}

static int by_running(const void *a, const void *b)
{
	double x = ((const struct many *)a)->running, y = ((const struct many *)b)->running;

	return (x > y) - (x < y);
}

static int by_starts(const void *a, const void *b)
{
	double x = ((const struct many *)a)->with_starts, y = ((const struct many *)b)->with_starts;

	return (x > y) - (x < y);
}

static int by_sqlite(const void *a, const void *b)
{
	double x = ((const struct many *)a)->sqlite, y = ((const struct many *)b)->sqlite;

	return (x > y) - (x < y);
}

/* In each round, so that both meet the same disk. */
static double sqlite_rate(const char *dir)
{
	struct bench_result r = sqlite_run("SQLite", dir, SQLITE_INSTANCES, 5);

	if (r.error[0])
		rig_die(r.error, NULL);
	return (double)r.ops / r.seconds;
}

/* What other programs on the machine disturbed least. */
static const struct many *least_cpu(const struct many *all, unsigned count)
{
	const struct many *least = all;

	for (unsigned n = 1; n < count; n++)
		if (all[n].user_us + all[n].system_us < least->user_us + least->system_us)
			least = &all[n];
	return least;
}

static void row_ratio(double rate, double sqlite)
{
	if (sqlite > 0)
		bench_row("  / SQLite's transactions", ">= 15", bench_at_least(rate / sqlite, 15), "%.1f x",
		          rate / sqlite);
}

static void report_rates(struct many *all, unsigned count)
{
	char title[128];

	snprintf(title, sizeof(title), "1000 instances x 5 activities, %u rounds: median (best)", count);
	bench_table(title);
	qsort(all, count, sizeof(*all), by_sqlite);
	double sqlite = all[count / 2].sqlite;
	if (sqlite > 0)
		bench_row("SQLite: WAL, synchronous=FULL, a transaction a step", NULL, BENCH_TOLD, "%.0f/s", sqlite);
	qsort(all, count, sizeof(*all), by_starts);
	bench_row("activities, starts included", ">= 100000/s", bench_at_least(all[count / 2].with_starts, 1e5),
	          "%.0f/s (%.0f/s)",
	          all[count / 2].with_starts, all[count - 1].with_starts);
	row_ratio(all[count / 2].with_starts, sqlite);
	qsort(all, count, sizeof(*all), by_running);
	const struct many *m = &all[count / 2];
	bench_row("activities, after all are started", ">= 100000/s", bench_at_least(m->running, 1e5),
	          "%.0f/s (%.0f/s)", m->running,
	          all[count - 1].running);
	row_ratio(m->running, sqlite);
	const struct many *least = least_cpu(all, count);
	bench_row("CPU time of an activity, starts included (least)", NULL, BENCH_TOLD,
	          "%.1f+%.1f us user+sys (%.1f+%.1f)", m->user_us,
	          m->system_us, least->user_us, least->system_us);
	bench_row("commits; turns in each", NULL, BENCH_TOLD, "%.0f; %.0f", m->commits, m->batch);
}

static void report_device(const char *active, const struct device *d, const struct many *m)
{
	char what[64];

	snprintf(what, sizeof(what), "device bytes of a step, %s active", active);
	bench_row(what, "<= 0.5 KiB", d->known ? bench_at_most(d->step_kib, 0.5) : BENCH_UNKNOWN, "%.2f KiB",
	          d->step_kib);
	snprintf(what, sizeof(what), "device bytes of making and archiving one, %s active", active);
	bench_row(what, NULL, BENCH_TOLD, "%.2f KiB", d->instance_kib);
	snprintf(what, sizeof(what), "activities, starts included, %s active", active);
	bench_row(what, NULL, BENCH_TOLD, "%.0f/s, %.1f + %.1f us", m->with_starts, m->user_us, m->system_us);
}

int main(int argc, char **argv)
{
	const char *dir = rig_begin(argc, argv, "many");
	unsigned count = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : ROUNDS;
	struct many *all = calloc(count + 1, sizeof(*all));

	stamps = calloc(STAMPS_MAX, sizeof(*stamps));
	if (!all || !stamps || count == 0)
		return 2;
	bool only = argc > 3;
	for (unsigned n = 0; n < count; n++) {
		all[n] = run_many(dir, n, 1000, 5);
		all[n].sqlite = only ? 0 : sqlite_rate(dir);
	}
	if (only) {
		report_rates(all, count);
		rig_end();
		return 0;
	}
	struct many first = all[0], more = run_many(dir, count, 1000, 25);
	struct many few = run_many(dir, count + 1, 64, 50), few_more = run_many(dir, count + 2, 64, 250);
	struct device thousand = device_cost(&first, 5, &more, 25, 1000);
	struct device sixty_four = device_cost(&few, 50, &few_more, 250, 64);
	report_rates(all, count);
	report_device("64", &sixty_four, &few_more);
	report_device("1000", &thousand, &more);
	rig_end();
	return 0;
}
