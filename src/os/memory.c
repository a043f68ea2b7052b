/* memory.c - see memory.h. */
#include "os/memory.h"
#include <stdlib.h> /* for __GLIBC__ */
#ifdef __GLIBC__
#include <malloc.h>
#endif

void os_memory_one_heap(void)
{
#ifdef __GLIBC__
	(void)mallopt(M_ARENA_MAX, 1);
#endif
}

void os_memory_trim(void)
{
#ifdef __GLIBC__
	(void)malloc_trim(0);
#endif
}
