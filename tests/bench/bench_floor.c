/* bench_floor.c - what a durable step costs at least on this disk. Usage: bench_floor [DIR [STEPS]] */
#include "rig.h"
#include <stdlib.h>

#define RECORD_BYTES 256
#define STEPS 2000

int main(int argc, char **argv)
{
	const char *dir = rig_begin(argc, argv, "floor");
	unsigned steps = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : STEPS;
	struct bench_result floor = floor_run(dir, RECORD_BYTES, steps);

	bench_print_head();
	bench_print(&floor);
	rig_end();
	return floor.error[0] != '\0';
}
