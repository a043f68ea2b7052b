/* memory.h - hints to the allocator; nothing where there are none to give. */
#ifndef OS_MEMORY_H
#define OS_MEMORY_H

/* For a program that is nothing but a runtime: one heap for all threads (glibc makes one for each, which grow by mprotect). */
void os_memory_one_heap(void);
/* Give free pages back, also those in the middle of the heap. Takes a walk through the heap: not on a hot path. */
void os_memory_trim(void);

#endif
