/*
 * bench_recover_activity.c - kill -9 while an activity runs: from the call of pawl_open of the next runtime until it is
 * started again. An activity in C; one that is a process and has died, too; and one that has ended well while no
 * runtime was there, until its result has ended the instance. Usage: bench_recover_activity [DIR [ROUNDS]]
 */
#include "rig.h"
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROUNDS 10
#define PATIENCE_MS 10000

enum way { WAY_IN_C, WAY_DEAD, WAY_ENDED };

struct order {
	enum way way;
	char hub[RIG_PATH_BYTES], config[RIG_PATH_BYTES];
	bool first;
};

/* The process says who it is, and goes on when it is told. Both ends of both are open here all the time. */
static struct {
	char hello[PATH_MAX], go[PATH_MAX]; /* whole: the process is elsewhere */
	int hello_fd, go_fd;
} fifo;

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
	int64_t now = bench_now_ns();
	struct rig h;

	to_parent = fd;
	rig_tell(fd, &now, sizeof(now));
	rig_open(&h, o->hub, &(pawl_options){ .config = o->config });
	rig_run(&h);
	if (o->first) {
		rig_start(&h, "only", "only", o->way == WAY_IN_C ? "linger" : "outside", false);
	} else if (o->way == WAY_ENDED) {
		if (pawl_wait(h.rt, "only", PATIENCE_MS, NULL, NULL) < 0)
			rig_die("its result did not end the instance", NULL);
		now = bench_now_ns();
		rig_tell(fd, &now, sizeof(now));
	}
	for (;;)
		pause();
}

/* ---- the process ---- */

struct pair {
	long pid, parent; /* the parent is its shim */
};

static int make_fifo(char whole[PATH_MAX], const char *name)
{
	char path[RIG_PATH_BYTES];

	rig_path(path, name, 0);
	int fd = mkfifo(path, 0600) < 0 || !realpath(path, whole) ? -1 : open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		rig_die(path, NULL);
	return fd;
}

static void write_config(char path[RIG_PATH_BYTES])
{
	const char *shim = getenv("PAWL_SHIM");

	fifo.hello_fd = make_fifo(fifo.hello, "hello");
	fifo.go_fd = make_fifo(fifo.go, "go");
	rig_path(path, "config", 0);
	FILE *f = fopen(path, "we");
	if (!f)
		rig_die(path, NULL);
	fprintf(f, "log_level: error\nactivities:\n  outside:\n    exec: [/bin/sh, -c, "
	           "'echo \"$$ $PPID\" > \"$0\"; read x < \"$1\"; echo done', '%s', '%s']\n", fifo.hello, fifo.go);
	if (shim && *shim)
		fprintf(f, "process:\n  shim: '%s'\n", shim);
	fclose(f);
}

static int64_t heard_process(struct pair *who)
{
	struct pollfd p = { fifo.hello_fd, POLLIN, 0 };
	char line[64] = "";

	if (poll(&p, 1, PATIENCE_MS) != 1)
		rig_die("the process did not start", NULL);
	int64_t now = bench_now_ns();
	if (read(fifo.hello_fd, line, sizeof(line) - 1) <= 0 || sscanf(line, "%ld %ld", &who->pid, &who->parent) != 2)
		rig_die("cannot read what the process says", NULL);
	return now;
}

/* Where nobody reaps orphans a zombie is as good. */
static bool is_alive(long pid)
{
	char path[64], state = 0;

	snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	FILE *f = fopen(path, "re");
	if (!f)
		return false;
	if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = 0;
	fclose(f);
	return state && state != 'Z' && state != 'X';
}

static void wait_gone(long pid)
{
	for (int ms = 0; is_alive(pid); ms++) {
		if (ms > PATIENCE_MS)
			rig_die("a process does not end", NULL);
		rig_sleep_us(1000);
	}
}

static void end_process(const struct pair *who)
{
	if (who->parent > 1)
		kill((pid_t)who->parent, SIGKILL);
	kill((pid_t)who->pid, SIGKILL);
	wait_gone(who->parent);
	wait_gone(who->pid);
}

/* ---- */

/* From the start of a runtime until the activity has begun, or ended the instance; the runtime is killed then. */
static int64_t one(const struct order *o, struct pair *who)
{
	struct child c = rig_fork(serve, o);
	int64_t begin_ns, now;

	rig_hear(&c, &begin_ns, sizeof(begin_ns));
	if (o->way == WAY_IN_C || (o->way == WAY_ENDED && !o->first))
		rig_hear(&c, &now, sizeof(now));
	else
		now = heard_process(who);
	rig_sleep_us(50000);
	rig_kill(&c);
	return now - begin_ns;
}

/* A runtime, its end, and what the next one makes of it. */
static int64_t both(struct order *o)
{
	struct pair who = { 0 };

	o->first = true;
	(void)one(o, &who);
	if (o->way == WAY_DEAD)
		end_process(&who);
	if (o->way == WAY_ENDED) {
		if (write(fifo.go_fd, "\n", 1) != 1)
			rig_die("cannot tell the process", NULL);
		wait_gone(who.pid);
		wait_gone(who.parent);
	}
	o->first = false;
	int64_t ns = one(o, &who);
	if (o->way == WAY_DEAD)
		end_process(&who);
	return ns;
}

static void measure(struct order *o, const char *what, unsigned rounds)
{
	int64_t *samples = calloc(rounds, sizeof(*samples));

	if (!samples)
		rig_die("no memory", NULL);
	for (unsigned n = 0; n < rounds; n++) {
		rig_path(o->hub, o->way == WAY_IN_C ? "c" : o->way == WAY_DEAD ? "dead" : "ended", n);
		samples[n] = both(o);
	}
	double p50 = (double)bench_percentile(samples, rounds, 50) / 1e6;
	double max = (double)bench_percentile(samples, rounds, 100) / 1e6;
	bench_row(what, "<= 100 ms", bench_at_most(max, 100), "p50 %.1f ms, max %.1f ms", p50, max);
	free(samples);
}

int main(int argc, char **argv)
{
	unsigned rounds = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : ROUNDS;
	struct order o = { .way = WAY_IN_C };
	char title[128];

	rig_begin(argc, argv, "recover_activity");
	if (rounds == 0)
		return 2;
	snprintf(title, sizeof(title), "kill -9 while an activity runs, %u times", rounds);
	bench_table(title);
	measure(&o, "pawl_open -> activity in C runs again", rounds);
#if PAWL_WITH_YAML
	write_config(o.config);
	o.way = WAY_DEAD;
	measure(&o, "pawl_open -> process that has died runs again", rounds);
	o.way = WAY_ENDED;
	measure(&o, "pawl_open -> result of a process that has ended meanwhile", rounds);
	close(fifo.hello_fd);
	close(fifo.go_fd);
#else
	(void)write_config;
#endif
	rig_end();
	return 0;
}
