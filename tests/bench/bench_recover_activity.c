/*
 * bench_recover_activity.c - kill -9 while an activity runs: from the call of pawl_open until it is started again. An
 * activity in C, and one that is a process. Usage: bench_recover_activity [DIR [ROUNDS]]
 */
#include "rig.h"
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROUNDS 10
#define PATIENCE_MS 10000

struct order {
	char hub[RIG_PATH_BYTES], config[RIG_PATH_BYTES], fifo[RIG_PATH_BYTES];
	const char *activity;
	bool first;
};

static int to_parent = -1;

/* Where there is a signal this never ends: who watches it has seen it start. */
static int linger(pawl_work *work, const char *input)
{
	int64_t now = bench_now_ns();

	(void)work;
	(void)input;
	rig_tell(to_parent, &now, sizeof(now));
	for (;;)
		pause();
	return 0;
}
PAWL_ACTIVITY(linger);

static int only(pawl_ctx *ctx, const char *activity)
{
	return pawl_call(ctx, activity, NULL) ? 0 : pawl_rethrow(ctx);
}
PAWL_ORCHESTRATION(only, "1");

static void serve(int fd, const void *arg)
{
	const struct order *o = arg;
	int64_t begin_ns = bench_now_ns();
	struct rig h;

	to_parent = fd;
	rig_tell(fd, &begin_ns, sizeof(begin_ns));
	rig_open(&h, o->hub, &(pawl_options){ .config = o->config });
	rig_run(&h);
	if (o->first)
		rig_start(&h, "only", "only", o->activity, false);
	for (;;)
		pause();
}

static void write_config(struct order *o)
{
	rig_path(o->config, "config", 0);
	rig_path(o->fifo, "fifo", 0);
	FILE *f = fopen(o->config, "we");
	if (!f || mkfifo(o->fifo, 0600) < 0)
		rig_die(o->config, NULL);
	/* it must not live for long: nobody ends it when its runtime is killed */
	fprintf(f, "log_level: error\nactivities:\n  outside:\n    exec: [/bin/sh, -c, "
	           "'echo 12345678 > \"%s\"; exec sleep 2']\n", o->fifo);
	fclose(f);
}

static int64_t heard_process(int fifo)
{
	struct pollfd p = { fifo, POLLIN, 0 };
	char line[64];

	if (poll(&p, 1, PATIENCE_MS) != 1)
		rig_die("the process did not start", NULL);
	int64_t now = bench_now_ns();
	if (read(fifo, line, sizeof(line)) <= 0)
		rig_die("cannot read what the process says", NULL);
	return now;
}

/* From the start of a runtime to the start of its activity; the runtime is killed then. */
static int64_t one(const struct order *o, int fifo)
{
	struct child c = rig_fork(serve, o);
	int64_t begin_ns, now;

	rig_hear(&c, &begin_ns, sizeof(begin_ns));
	if (fifo >= 0)
		now = heard_process(fifo);
	else
		rig_hear(&c, &now, sizeof(now));
	rig_sleep_us(50000);
	rig_kill(&c);
	return now - begin_ns;
}

static void measure(struct order *o, const char *name, int fifo, unsigned rounds)
{
	int64_t *samples = calloc(rounds, sizeof(*samples));
	char what[96];

	if (!samples)
		rig_die("no memory", NULL);
	rig_path(o->hub, name, 0);
	o->first = true;
	(void)one(o, fifo);
	o->first = false;
	for (unsigned n = 0; n < rounds; n++)
		samples[n] = one(o, fifo);
	double p50 = (double)bench_percentile(samples, rounds, 50) / 1e6;
	double max = (double)bench_percentile(samples, rounds, 100) / 1e6;
	snprintf(what, sizeof(what), "pawl_open -> activity in %s runs again", name);
	bench_row(what, "<= 100 ms", bench_at_most(max, 100), "p50 %.1f ms, max %.1f ms", p50, max);
	free(samples);
}

int main(int argc, char **argv)
{
	unsigned rounds = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : ROUNDS;
	struct order o = { .activity = "linger" };
	char title[128];

	rig_begin(argc, argv, "recover_activity");
	if (rounds == 0)
		return 2;
	snprintf(title, sizeof(title), "kill -9 while an activity runs, %u times", rounds);
	bench_table(title);
	measure(&o, "c", -1, rounds);
#if PAWL_WITH_YAML
	write_config(&o);
	o.activity = "outside";
	int fifo = open(o.fifo, O_RDWR | O_CLOEXEC);
	if (fifo < 0)
		rig_die(o.fifo, NULL);
	measure(&o, "process", fifo, rounds);
	close(fifo);
#else
	(void)write_config;
#endif
	rig_end();
	return 0;
}
