/* bench_floor.c - what a durable step costs at least on this disk. Usage: bench_floor [DIR [STEPS]] */
#include "bench.h"
#include <stdlib.h>

#define RECORD_BYTES 256
#define STEPS 2000

int main(int argc, char **argv)
{
	const char *dir = argc > 1 ? argv[1] : ".";
	unsigned steps = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : STEPS;
	struct bench_result floor = floor_run(dir, RECORD_BYTES, steps);

	bench_print_head();
	bench_print(&floor);
	return floor.error[0] != '\0';
}
