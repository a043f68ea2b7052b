/*
 * bench_drop.c - an event file is dropped into events/ of an instance: until the next activity, which the commit of the
 * event started, runs. As `echo` does it (create, write, close) and as `mv` does it (written aside, renamed into place).
 * Usage: bench_drop [DIR [DROPS]]
 */
#include "rig.h"
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DROPS 300
#define PAUSE_US 3000 /* between drops, so that each finds a runtime that sleeps */

static sem_t taken;
static int64_t taken_ns;

static int take(pawl_work *work, const char *input)
{
	(void)work;
	(void)input;
	taken_ns = bench_now_ns();
	sem_post(&taken);
	return 0;
}
PAWL_ACTIVITY(take);

static int listener(pawl_ctx *ctx, const char *input)
{
	for (long n = strtol(input, NULL, 10); n > 0; n--) {
		pawl_wait_event(ctx, "go", -1);
		if (!pawl_call(ctx, "take", NULL))
			return pawl_rethrow(ctx);
	}
	return 0;
}
PAWL_ORCHESTRATION(listener, "1");

static void write_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, "yes\n", 4) != 4 || close(fd) < 0)
		rig_die(path, NULL);
}

/* When it began. */
static int64_t drop_echo(const char *events)
{
	char path[RIG_PATH_BYTES + 64];

	snprintf(path, sizeof(path), "%s/go", events);
	int64_t begin_ns = bench_now_ns();
	write_file(path);
	return begin_ns;
}

static int64_t drop_rename(const char *events)
{
	char path[RIG_PATH_BYTES + 64], aside[RIG_PATH_BYTES + 64];

	snprintf(path, sizeof(path), "%s/go", events);
	snprintf(aside, sizeof(aside), "%s/.go.tmp", events);
	write_file(aside);
	rig_sleep_us(PAUSE_US);
	int64_t begin_ns = bench_now_ns();
	if (rename(aside, path) < 0)
		rig_die(path, NULL);
	return begin_ns;
}

static void wait_taken(void)
{
	while (sem_wait(&taken) < 0)
		;
}

static void measure(struct rig *h, const char *hub, const char *id, int64_t (*drop)(const char *), unsigned drops,
                    const char *how)
{
	char events[RIG_PATH_BYTES + 32], input[16], what[96];
	int64_t *samples = calloc(drops, sizeof(*samples));

	if (!samples)
		rig_die("no memory", NULL);
	snprintf(events, sizeof(events), "%s/instances/%s/events", hub, id);
	snprintf(input, sizeof(input), "%u", drops + 1);
	rig_start(h, "listener", id, input, true);
	for (int tries = 0; access(events, F_OK) < 0 && tries < 1000; tries++)
		rig_sleep_us(10000); /* it comes when the loop has time */
	rig_sleep_us(100000);
	(void)drop(events); /* once to warm up */
	wait_taken();
	for (unsigned n = 0; n < drops; n++) {
		rig_sleep_us(PAUSE_US);
		int64_t begin_ns = drop(events);
		wait_taken();
		samples[n] = taken_ns - begin_ns;
	}
	rig_wait(h, id);
	double p50 = (double)bench_percentile(samples, drops, 50) / 1e6;
	double p99 = (double)bench_percentile(samples, drops, 99) / 1e6;
	snprintf(what, sizeof(what), "%s -> activity runs, p50", how);
	bench_row(what, "<= 1 ms", bench_at_most(p50, 1), "%.3f ms", p50);
	snprintf(what, sizeof(what), "%s -> activity runs, p99", how);
	bench_row(what, "<= 5 ms", bench_at_most(p99, 5), "%.3f ms", p99);
	free(samples);
}

int main(int argc, char **argv)
{
	const char *dir = rig_begin(argc, argv, "drop");
	unsigned drops = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : DROPS;
	char path[RIG_PATH_BYTES], title[128];
	struct rig h;

	if (drops == 0)
		return 2;
	sem_init(&taken, 0, 0);
	rig_path(path, "drop", 0);
	rig_open(&h, path, NULL);
	rig_run(&h);
	struct bench_result floor = floor_run(dir, 512, 500);
	snprintf(title, sizeof(title), "an event file is dropped, %u times", drops);
	bench_table(title);
	bench_row("bare overwrite and fdatasync, p50", NULL, BENCH_TOLD, "%.3f ms", (double)floor.p50_ns / 1e6);
	measure(&h, path, "echo", drop_echo, drops, "create, write, close");
	measure(&h, path, "mv", drop_rename, drops, "rename into place");
	rig_close(&h, NULL);
	rig_end();
	return 0;
}
