/* work_queue.c - src/runtime/work_queue.c, which closes descriptors of processes by itself. */
#include <stdio.h>
#include <unistd.h>

#define close(fd) sim_close(fd)
int sim_close(int fd);

#include "runtime/work_queue.c"
