/*
 * bench_idle.c - what a runtime costs that has nothing to do: context switches of all its threads, and private memory of
 * the program with an empty hub ($PAWL, when it is set). Usage: bench_idle [DIR [SECONDS]]
 */
#include "rig.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECONDS 10
#define INSTANCES 100
#define SETTLE_US 2000000

static int wait_for_go(pawl_ctx *ctx, const char *input)
{
	(void)input;
	pawl_wait_event(ctx, "go", -1);
	return 0;
}
PAWL_ORCHESTRATION_NAMED("waiting", wait_for_go, "1");

static void idle(int fd, const void *arg)
{
	struct rig h;
	char id[32];

	rig_open(&h, arg, NULL);
	rig_run(&h);
	for (unsigned n = 0; n < INSTANCES; n++) {
		snprintf(id, sizeof(id), "w%u", n);
		rig_start(&h, "waiting", id, NULL, false);
	}
	rig_wait_turns(&h, INSTANCES);
	rig_tell(fd, "y", 1);
	pause();
}

static void program(int fd, const void *arg)
{
	int null = open("/dev/null", O_RDWR);

	rig_tell(fd, "y", 1);
	dup2(null, 1);
	dup2(null, 2);
	execl(getenv("PAWL"), "pawl", "-H", (const char *)arg, "run", (char *)NULL);
	_exit(127);
}

static struct child start(void (*fn)(int, const void *), const char *hub)
{
	struct child c = rig_fork(fn, hub);
	char ready;

	rig_hear(&c, &ready, 1);
	return c;
}

static void row_switches(const char *what, uint64_t voluntary, uint64_t all, unsigned seconds)
{
	bench_row(what, "none in most seconds", bench_at_most((double)all, seconds * 0.5),
	          "%llu, voluntary %llu, in %u s",
	          (unsigned long long)all, (unsigned long long)voluntary, seconds);
}

static void row_memory(const char *what, pid_t pid)
{
	double dirty = 0, kib = rig_private_kib(pid, &dirty);

	bench_row(what, "<= 512 KiB", kib < 0 ? BENCH_UNKNOWN : bench_at_most(kib, 512),
	          "%.0f KiB, %.0f without code", kib, dirty);
}

int main(int argc, char **argv)
{
	unsigned seconds = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : SECONDS;
	char hub[RIG_PATH_BYTES], empty[RIG_PATH_BYTES];
	bool has_program = getenv("PAWL") && access(getenv("PAWL"), X_OK) == 0;
	uint64_t voluntary[4] = { 0 }, all[4] = { 0 };
	struct child waiting, alone = { 0 };

	rig_begin(argc, argv, "idle");
	rig_path(hub, "idle", 0);
	rig_path(empty, "empty", 0);
	waiting = start(idle, hub);
	if (has_program)
		alone = start(program, empty);
	rig_sleep_us(SETTLE_US);
	all[0] = rig_switches(waiting.pid, &voluntary[0]);
	all[2] = has_program ? rig_switches(alone.pid, &voluntary[2]) : 0;
	rig_sleep_us((long)seconds * 1000000);
	all[1] = rig_switches(waiting.pid, &voluntary[1]);
	all[3] = has_program ? rig_switches(alone.pid, &voluntary[3]) : 0;
	bench_table("a runtime with nothing to do");
	row_switches("context switches, 100 instances wait", voluntary[1] - voluntary[0], all[1] - all[0], seconds);
	bench_row("private memory, 100 instances wait, with the bench program", NULL, BENCH_TOLD, "%.0f KiB",
	          rig_private_kib(waiting.pid, NULL));
	if (has_program && waitpid(alone.pid, NULL, WNOHANG) == 0) {
		row_switches("context switches, `pawl run` with an empty hub", voluntary[3] - voluntary[2],
		             all[3] - all[2], seconds);
		row_memory("private memory, `pawl run` with an empty hub", alone.pid);
	} else {
		bench_row("private memory, `pawl run` with an empty hub", "<= 512 KiB", BENCH_UNKNOWN,
		          "no program: set PAWL");
	}
	rig_kill(&waiting);
	if (has_program)
		rig_kill(&alone);
	rig_end();
	return 0;
}
