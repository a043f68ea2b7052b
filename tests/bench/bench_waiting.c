/*
 * bench_waiting.c - many instances that wait for an event: how long it takes to start them, what memory each has, and how
 * soon a runtime serves again after kill -9. Usage: bench_waiting [DIR [INSTANCES]]
 *
 * Each runtime is a process of its own, so that its memory is its own: one starts them with few stacks kept, is killed,
 * and another one takes the hub over, where no instance has a stack; one starts them with the default.
 */
#include "rig.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define INSTANCES 10000
#define FEW_STACKS 100
#define SETTLE_US 3000000 /* histories reach their files, free memory goes back */

static int wait_for_go(pawl_ctx *ctx, const char *input)
{
	(void)input;
	pawl_wait_event(ctx, "go", -1);
	return 0;
}
PAWL_ORCHESTRATION_NAMED("waiting", wait_for_go, "1");

struct order {
	char hub[RIG_PATH_BYTES];
	unsigned instances;
	int resident_max;
};

struct report {
	double start_s, empty_kib, all_kib, resident;
	double open_ms, answer_ms; /* since pawl_open was called */
};

static void start_all(int fd, const void *arg)
{
	const struct order *o = arg;
	struct report r = { 0 };
	struct rig h;
	char id[32];

	rig_open(&h, o->hub, &(pawl_options){ .config = "", .resident_max = o->resident_max });
	rig_run(&h);
	rig_sleep_us(200000);
	r.empty_kib = rig_private_kib(getpid(), NULL);
	int64_t begin_ns = bench_now_ns();
	for (unsigned n = 0; n < o->instances; n++) {
		snprintf(id, sizeof(id), "w%u", n);
		rig_start(&h, "waiting", id, NULL, false);
	}
	rig_wait_turns(&h, o->instances);
	r.start_s = (double)(bench_now_ns() - begin_ns) / 1e9;
	rig_sleep_us(SETTLE_US);
	r.all_kib = rig_private_kib(getpid(), NULL);
	r.resident = (double)h.rt->resident;
	rig_tell(fd, &r, sizeof(r));
	pause();
}

static void take_over(int fd, const void *arg)
{
	const struct order *o = arg;
	struct pawl_error err = { 0 };
	struct report r = { 0 };
	struct rig h;
	char id[32];

	r.empty_kib = rig_private_kib(getpid(), NULL);
	int64_t begin_ns = bench_now_ns();
	rig_open(&h, o->hub, NULL);
	r.open_ms = (double)(bench_now_ns() - begin_ns) / 1e6;
	rig_run(&h);
	snprintf(id, sizeof(id), "w%u", o->instances / 2);
	if (pawl_raise(h.rt, id, "go", "yes", true, &err) < 0)
		rig_die("cannot raise", &err);
	r.answer_ms = (double)(bench_now_ns() - begin_ns) / 1e6;
	rig_sleep_us(SETTLE_US);
	r.all_kib = rig_private_kib(getpid(), NULL);
	rig_tell(fd, &r, sizeof(r));
	pause();
}

static struct report in_child(void (*fn)(int, const void *), const struct order *o)
{
	struct child c = rig_fork(fn, o);
	struct report r;

	rig_hear(&c, &r, sizeof(r));
	rig_kill(&c);
	return r;
}

static double each(double kib, unsigned instances)
{
	return kib * 1024 / instances;
}

int main(int argc, char **argv)
{
	struct order few = { .instances = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : INSTANCES,
	                    .resident_max = FEW_STACKS }, many;
	char title[128];

	rig_begin(argc, argv, "waiting");
	if (few.instances == 0)
		return 2;
	many = few;
	many.resident_max = 0;
	rig_path(few.hub, "few", 0);
	rig_path(many.hub, "default", 0);
	struct report a = in_child(start_all, &few), b = in_child(take_over, &few), c = in_child(start_all, &many);
	double stack_kib = (c.all_kib - a.all_kib) / (c.resident - a.resident);
	double bare = each(b.all_kib - b.empty_kib, few.instances);

	snprintf(title, sizeof(title), "%u instances wait for an event", few.instances);
	bench_table(title);
	bench_row("start them all, durable", NULL, BENCH_TOLD, "%.2f s, %.0f/s", c.start_s, few.instances / c.start_s);
	bench_row("private memory, empty hub", NULL, BENCH_TOLD, "%.0f KiB", a.empty_kib);
	bench_row("private memory, all wait, 100 stacks kept", NULL, BENCH_TOLD, "%.0f KiB", a.all_kib);
	bench_row("private memory, all wait, stacks kept by default", NULL, BENCH_TOLD, "%.0f KiB, %.0f stacks",
	          c.all_kib, c.resident);
	bench_row("memory of a stack that is kept, with its execution", NULL, BENCH_TOLD, "%.1f KiB", stack_kib);
	bench_row("memory of one that waits, just started, without stacks", NULL, BENCH_TOLD, "%.0f bytes",
	          each(a.all_kib - a.empty_kib - a.resident * stack_kib, few.instances));
	bench_row("memory of one that waits, after a restart", "<= 400 bytes", bench_at_most(bare, 400), "%.0f bytes",
	          bare);
	double many_mib = b.empty_kib / 1024 + bare * 1e5 / 1048576;
	bench_row("100,000 that wait would take", "<= 64 MB", bench_at_most(many_mib, 64), "%.1f MiB", many_mib);
	bench_row("kill -9 -> pawl_open has returned", NULL, BENCH_TOLD, "%.0f ms", b.open_ms);
	bench_row("kill -9 -> the first raise is answered", "<= 1 s for 10,000", bench_at_most(b.answer_ms, 1000),
	          "%.0f ms", b.answer_ms);
	rig_end();
	return 0;
}
