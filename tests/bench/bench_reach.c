/*
 * bench_reach.c - instances that reach each other: what a child, an event from one to the other and back, a call of an entity and a
 * signal cost, beside the bare fdatasync of the same disk; and many children at once. Usage: bench_reach [DIR [STEPS]]
 */
#include "rig.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEPS 500
#define CHILDREN 1000
#define FLOOR_BYTES 512

static int leaf(pawl_ctx *ctx, const char *input)
{
	return pawl_return(ctx, input);
}
PAWL_ORCHESTRATION(leaf, "1");

static int children(pawl_ctx *ctx, const char *input)
{
	for (long n = strtol(input, NULL, 10); n > 0; n--)
		if (!pawl_call_child(ctx, "leaf", "x"))
			return pawl_rethrow(ctx);
	return 0;
}
PAWL_ORCHESTRATION(children, "1");

static int family(pawl_ctx *ctx, const char *input)
{
	size_t count = (size_t)strtoul(input, NULL, 10);
	pawl_task **all = pawl_alloc(ctx, count * sizeof(*all));

	for (size_t n = 0; n < count; n++)
		all[n] = pawl_child(ctx, "leaf", "x");
	return pawl_all_of(ctx, all, count) ? pawl_rethrow(ctx) : 0;
}
PAWL_ORCHESTRATION(family, "1");

static int echo(pawl_ctx *ctx, const char *input)
{
	for (long n = strtol(input, NULL, 10); n > 0; n--) {
		(void)pawl_wait_event(ctx, "ping", -1);
		(void)pawl_send(ctx, "ping", "pong", "x");
	}
	return 0;
}
PAWL_ORCHESTRATION(echo, "1");

static int ping(pawl_ctx *ctx, const char *input)
{
	for (long n = strtol(input, NULL, 10); n > 0; n--) {
		(void)pawl_send(ctx, "echo", "ping", "x");
		(void)pawl_wait_event(ctx, "pong", -1);
	}
	return 0;
}
PAWL_ORCHESTRATION(ping, "1");

static int counter(pawl_ctx *ctx, const char *input)
{
	pawl_set_state(ctx, pawl_printf(ctx, "%d", atoi(pawl_state(ctx)) + atoi(input)));
	return pawl_return(ctx, pawl_state(ctx));
}
PAWL_ENTITY(counter, "1");

static int calls(pawl_ctx *ctx, const char *input)
{
	for (long n = strtol(input, NULL, 10); n > 0; n--)
		(void)pawl_call_entity(ctx, "counter", "a", "add", "1");
	return 0;
}
PAWL_ORCHESTRATION(calls, "1");

/* Five hundred in a turn, then one call, which is answered when they are done. */
static int signals(pawl_ctx *ctx, const char *input)
{
	for (long n = 1, count = strtol(input, NULL, 10); n <= count; n++) {
		pawl_signal(ctx, "counter", "b", "add", "1");
		if (n % 500 == 0 || n == count)
			(void)pawl_call_entity(ctx, "counter", "b", "add", "0");
	}
	return 0;
}
PAWL_ORCHESTRATION(signals, "1");

static double floor_us(const char *dir)
{
	struct bench_result r = floor_run(dir, FLOOR_BYTES, 300);

	return (double)r.p50_ns / 1e3;
}

/* Microseconds for each of count, start and end of the one that does it included. */
static double run(struct rig *h, const char *type, unsigned count)
{
	char input[16];
	int64_t begin = bench_now_ns();

	snprintf(input, sizeof(input), "%u", count);
	rig_start(h, type, type, input, true);
	rig_wait(h, type);
	return (double)(bench_now_ns() - begin) / 1e3 / count;
}

static void tell(const char *what, double us, double bare)
{
	bench_row(what, NULL, BENCH_TOLD, "%.0f us, %.2f x fdatasync", us, us / bare);
}

int main(int argc, char **argv)
{
	const char *dir = rig_begin(argc, argv, "reach");
	unsigned steps = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : STEPS;
	char path[RIG_PATH_BYTES], input[16];
	struct rig h;

	rig_path(path, "reach", 0);
	rig_open(&h, path, NULL);
	rig_run(&h);
	double before = floor_us(dir);
	double child = run(&h, "children", steps), many = run(&h, "family", CHILDREN);
	snprintf(input, sizeof(input), "%u", steps);
	rig_start(&h, "echo", "echo", input, true);
	double round = run(&h, "ping", steps), call = run(&h, "calls", steps), signal = run(&h, "signals", 20 * steps);
	double bare = (before + floor_us(dir)) / 2;
	rig_close(&h, NULL);
	bench_table("instances that reach each other");
	bench_row("bare overwrite and fdatasync, p50", NULL, BENCH_TOLD, "%.0f us", bare);
	tell("a child, begun, ended and answered, one after the other", child, bare);
	tell("the same, 1000 at once", many, bare);
	tell("an event to another instance and one back", round, bare);
	tell("a call of an entity, answered", call, bare);
	tell("a signal to an entity, many at once", signal, bare);
	rig_end();
	return 0;
}
