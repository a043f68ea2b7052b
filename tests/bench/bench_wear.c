/*
 * bench_wear.c - bytes and flushes of the device for a durable step: one instance alone, and 64 at once. A part of the steps
 * is run first, so that what is done once (a hub's directories, segments filled with zeros) is not counted; checkpoints are.
 * wear.sh runs it on file systems of its own. Usage: bench_wear [DIR [STEPS [CONFIG]]]
 *
 * $BENCH_STAT: the counters of the device (/sys/block/loop0/stat), where DIR does not tell them (btrfs).
 */
#include "rig.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEPS 3000
#define INSTANCES 64
#define FIRST_PART 10 /* a tenth of the steps */

static int tick(pawl_work *work, const char *input)
{
	(void)work;
	(void)input;
	return 0;
}
PAWL_ACTIVITY(tick);

/* Waits for the others, so that all of them are there before the first step. */
static int chain(pawl_ctx *ctx, const char *input)
{
	char *end;
	long n = strtol(input, &end, 10);

	if (*end && !pawl_wait_event(ctx, "go", -1))
		return pawl_rethrow(ctx);
	for (; n > 0; n--)
		if (!pawl_call(ctx, "tick", NULL))
			return pawl_rethrow(ctx);
	return 0;
}
PAWL_ORCHESTRATION(chain, "1");

static uint64_t done(const struct rig *h)
{
	return *(volatile const uint64_t *)&h->rt->activities_done;
}

/* So many chains of so many steps; what the device wrote from the first to the last of them. */
static void run(struct rig *h, const char *dir, const char *name, unsigned chains, unsigned steps, struct bench_counters cost[2])
{
	char id[32], input[32];
	uint64_t before = done(h);

	for (unsigned n = 0; n < chains; n++) {
		snprintf(id, sizeof(id), "%s%u", name, n);
		snprintf(input, sizeof(input), "%u go", steps);
		rig_start(h, "chain", id, input, true);
	}
	rig_sync(dir);
	bench_counters(dir, &cost[0]);
	for (unsigned n = 0; n < chains; n++) {
		struct pawl_error err = { 0 };
		snprintf(id, sizeof(id), "%s%u", name, n);
		if (pawl_raise(h->rt, id, "go", NULL, false, &err) < 0)
			rig_die("cannot raise", &err);
	}
	rig_wait_empty(h, before + (uint64_t)chains * steps);
	rig_sync(dir); /* histories that no checkpoint has synced so far are written in the end */
	bench_counters(dir, &cost[1]);
}

static void tell(const char *what, const char *budget, double limit, const struct bench_counters cost[2], double steps)
{
	double kib = (double)(cost[1].device_bytes - cost[0].device_bytes) / 1024 / steps;

	bench_row(what, budget, cost[1].device_known ? bench_at_most(kib, limit) : BENCH_UNKNOWN, "%.2f KiB, %.3f flushes", cost[1].device_known ? kib : -1.0,
		(double)(cost[1].device_flushes - cost[0].device_flushes) / steps);
}

int main(int argc, char **argv)
{
	const char *dir = rig_begin(argc, argv, "wear");
	unsigned steps = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : STEPS;
	pawl_options options = { .config = argc > 3 ? argv[3] : "" };
	struct bench_counters alone[2], together[2], unused[2];
	char path[RIG_PATH_BYTES], title[64];
	struct rig h;

	if (steps < FIRST_PART)
		return 2;
	rig_path(path, "wear", 0);
	rig_open(&h, path, &options);
	rig_run(&h);
	run(&h, dir, "warm", 1, steps / FIRST_PART, unused);
	run(&h, dir, "alone", 1, steps, alone);
	run(&h, dir, "many", INSTANCES, steps / 8, together);
	rig_close(&h, NULL);
	snprintf(title, sizeof(title), "bytes to the device for a durable step, %u steps", steps);
	bench_table(title);
	tell("one instance alone", "<= 5 KiB", 5, alone, steps);
	tell("64 instances at once", "<= 0.5 KiB", 0.5, together, INSTANCES * (steps / 8));
	rig_end();
	return 0;
}
