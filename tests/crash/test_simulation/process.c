/* process.c - src/runtime/process.c, which asks the kernel some things by itself: here the simulated one answers. */
#include "sim.h"

#include <time.h>
#include <unistd.h>

#define nanosleep(time, left) (sim_nap(), (void)(time))
#define close(fd) sim_close(fd)
#define getpid() sim_pid()
#define kill(pid, number) sim_signal(pid, number)

int sim_close(int fd);
int sim_pid(void);
int sim_signal(int pid, int number);

void sim_check_watched(int pidfd, uint64_t start);

#define process_watch process_watch_as_it_is
#include "runtime/process.c"
#undef process_watch

/* I10: what is held by a descriptor is the one that the claim says. */
void process_watch(struct process *p)
{
	process_watch_as_it_is(p);
	if (p->pidfd >= 0 && !p->child)
		sim_check_watched(p->pidfd, p->shim.start_ticks);
}

void processes_drop(struct loop *l)
{
	struct process_list *list;

	while ((list = loop_get_user(l)) && list->first)
		process_leave(list->first);
}
