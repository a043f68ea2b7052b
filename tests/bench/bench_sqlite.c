/* bench_sqlite.c - a step in SQLite beside the floor. Usage: bench_sqlite [DIR [STEPS]] */
#include "rig.h"
#include "sqlite.h"
#include <stdlib.h>

#define STEPS 2000
#define INSTANCES 1000
#define INSTANCE_STEPS 5

int main(int argc, char **argv)
{
	const char *dir = rig_begin(argc, argv, "sqlite");
	unsigned steps = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : STEPS;

	bench_print_head();
	struct bench_result floor = floor_run(dir, SQLITE_ROW_BYTES, steps);
	bench_print(&floor);
	struct bench_result chain = sqlite_run("SQLite, 1 instance, a step after the other", dir, 1, steps);
	bench_print(&chain);
	struct bench_result many = sqlite_run("SQLite, 1000 instances x 5 steps", dir, INSTANCES, INSTANCE_STEPS);
	bench_print(&many);
	rig_end();
	return floor.error[0] || chain.error[0] || many.error[0];
}
