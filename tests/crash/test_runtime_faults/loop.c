/* loop.c - the loop and the threads of test_programs; what stands for the kernel and threads takes memory that never fails. */
#include "crash/test_runtime_faults/gate.h"
#include <stdlib.h>

static void *calloc_quietly(size_t count, size_t size)
{
	gate_quiet(1);
	void *p = calloc(count, size);
	gate_quiet(-1);
	return p;
}

#define calloc calloc_quietly
#include "crash/test_programs/loop.c"
