/*
 * bench_chain.c - one instance, one activity after the other: what a step costs alone, beside the bare fdatasync that it
 * cannot do without: 50 of these, 50 of those, in turns, so that whatever else the disk does meets both. Usage: bench_chain
 * [DIR [STEPS [ROUNDS]]]
 */
#include "rig.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define STEPS 2000
#define ROUNDS 3
#define FLOOR_BYTES 512
#define TURN 50 /* so many steps, then so many bare ones, and again */

static int64_t *stamps, *floor_samples;
static size_t stamp_count, sample_count;
static struct floor *beside; /* NULL: the steps alone */

static void floor_turn(void)
{
	for (unsigned n = 0; n < TURN; n++) {
		int64_t begin_ns = bench_now_ns();
		if (floor_step(beside) < 0)
			rig_die("cannot write", NULL);
		floor_samples[sample_count++] = bench_now_ns() - begin_ns;
	}
}

/* One at a time: the next is scheduled by the commit of this one's result. How long the bare ones took is taken off. */
static int tick(pawl_work *work, const char *input)
{
	static int64_t off_ns;

	(void)work;
	(void)input;
	int64_t now = bench_now_ns();
	off_ns = stamp_count ? off_ns : 0;
	stamps[stamp_count++] = now - off_ns;
	if (beside && stamp_count % TURN == 0) {
		floor_turn();
		off_ns += bench_now_ns() - now;
	}
	return 0;
}
PAWL_ACTIVITY(tick);

static int chain(pawl_ctx *ctx, const char *input)
{
	for (long n = strtol(input, NULL, 10); n > 0; n--)
		if (!pawl_call(ctx, "tick", NULL))
			return pawl_rethrow(ctx);
	return 0;
}
PAWL_ORCHESTRATION(chain, "1");

struct round {
	double floor_us, p50_us, p99_us, ratio;
	double device_kib, flushes, commits, journal_bytes, history_bytes; /* a step; without the floor beside */
};

static double history_size(const char *hub)
{
	char path[RIG_PATH_BYTES + 32];
	struct stat st;

	snprintf(path, sizeof(path), "%s/archive/chain/1.history", hub);
	return stat(path, &st) == 0 ? (double)st.st_size : 0;
}

static void measure_chain(const char *dir, unsigned number, unsigned steps, struct round *r)
{
	char path[RIG_PATH_BYTES], input[16];
	struct bench_counters before, after;
	struct pawl_provider_stats stats;
	struct rig h;

	rig_path(path, "chain", number);
	rig_open(&h, path, NULL);
	rig_run(&h);
	snprintf(input, sizeof(input), "%u", steps);
	stamp_count = sample_count = 0;
	rig_sync(dir);
	bench_counters(dir, &before);
	rig_start(&h, "chain", "chain", input, true);
	rig_wait(&h, "chain");
	rig_sync(dir);
	bench_counters(dir, &after);
	rig_close(&h, &stats);
	for (size_t i = 0; i + 1 < stamp_count; i++)
		stamps[i] = stamps[i + 1] - stamps[i];
	r->p50_us = (double)bench_percentile(stamps, stamp_count - 1, 50) / 1e3;
	r->p99_us = (double)bench_percentile(stamps, stamp_count - 1, 99) / 1e3;
	r->floor_us = (double)bench_percentile(floor_samples, sample_count, 50) / 1e3;
	r->ratio = r->floor_us > 0 ? r->p50_us / r->floor_us : 0;
	r->device_kib = after.device_known ? (double)(after.device_bytes - before.device_bytes) / 1024 / steps : -1;
	r->flushes = (double)(after.device_flushes - before.device_flushes) / steps;
	r->commits = (double)stats.commits / steps;
	r->journal_bytes = (double)stats.commit_bytes / steps;
	r->history_bytes = history_size(path) / steps;
}

static int by_ratio(const void *a, const void *b)
{
	double x = ((const struct round *)a)->ratio, y = ((const struct round *)b)->ratio;

	return (x > y) - (x < y);
}

static void report(struct round *rounds, unsigned count, const struct round *alone, unsigned steps)
{
	char title[128];

	qsort(rounds, count, sizeof(*rounds), by_ratio);
	const struct round *r = &rounds[count / 2];
	snprintf(title, sizeof(title), "one instance, %u steps, %u rounds: the median one", steps, count);
	bench_table(title);
	bench_row("bare overwrite and fdatasync, p50", NULL, BENCH_TOLD, "%.0f us", r->floor_us);
	bench_row("step of a chain, p50", NULL, BENCH_TOLD, "%.0f us", r->p50_us);
	bench_row("step of a chain, p99", NULL, BENCH_TOLD, "%.0f us", r->p99_us);
	bench_row("p50 of step / p50 of fdatasync", "<= 1.3", bench_at_most(r->ratio, 1.3), "%.2f (%.2f to %.2f)",
	          r->ratio, rounds[0].ratio, rounds[count - 1].ratio);
	bench_row("device bytes, with the histories synced at the end", "<= 5 KiB a step",
	          alone->device_kib < 0 ? BENCH_UNKNOWN : bench_at_most(alone->device_kib, 5), "%.2f KiB a step",
	          alone->device_kib);
	bench_row("flushes of the device", NULL, BENCH_TOLD, "%.2f a step", alone->flushes);
	bench_row("commits", NULL, BENCH_TOLD, "%.2f a step", alone->commits);
	bench_row("bytes of journal + history", NULL, BENCH_TOLD, "%.0f + %.0f a step", alone->journal_bytes,
	          alone->history_bytes);
}

int main(int argc, char **argv)
{
	const char *dir = rig_begin(argc, argv, "chain");
	unsigned steps = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : STEPS;
	unsigned count = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : ROUNDS;
	struct round *rounds = calloc(count + 1, sizeof(*rounds));
	struct floor floor;

	stamps = calloc(steps + 1, sizeof(*stamps));
	floor_samples = calloc(steps + TURN, sizeof(*floor_samples));
	if (!rounds || !stamps || !floor_samples || count == 0 || steps < 2)
		return 2;
	if (floor_open(&floor, dir, FLOOR_BYTES) < 0)
		rig_die(floor.path, NULL);
	measure_chain(dir, count, steps, &rounds[count]);
	beside = &floor;
	for (unsigned n = 0; n < count; n++)
		measure_chain(dir, n, steps, &rounds[n]);
	report(rounds, count, &rounds[count], steps);
	floor_close(&floor);
	rig_end();
	return 0;
}
