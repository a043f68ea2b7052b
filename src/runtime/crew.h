/*
 * crew.h - the threads of a runtime, and the baton.
 *
 * All state of a runtime belongs to whoever holds the baton: that thread is the event loop. Blocking work (syncing a
 * commit, running an activity written in C) is done without the baton. But handing work to another thread and back costs
 * two wake-ups, which is as much as a good disk takes for the sync itself. So the loop, when it has nothing else to do,
 * works off the jobs itself and lends the baton meanwhile:
 *
 *	                 ┌─ all jobs done in time: takes the baton back, is the loop again (no thread was woken)
 *	holder ── lends ─┤
 *	                 └─ patience over: the deputy wakes, takes the baton and is the loop from now on;
 *	                    the old holder goes on with the jobs, like any other worker
 *
 * So short jobs cost no switch at all, and long ones get one more thread each, as far as needed.
 */
#ifndef RUNTIME_CREW_H
#define RUNTIME_CREW_H

#include <pawl/error.h>
#include <stdbool.h>
#include <stdint.h>

#define CREW_RANKS 10

struct crew;

/* Work for any thread. run is called without the baton; after that the job is in the crew's list of finished jobs. */
struct crew_job {
	void (*run)(struct crew_job *job);
	bool urgent;           /* short, and others wait for it (a commit): never behind jobs that are not */
	uint8_t rank;          /* of those that are not: 0 ... CREW_RANKS - 1, the lowest is begun first */
	struct crew_job *next; /* the crew's */
};

/* loop is what the holder of the baton does, until it returns: true = the runtime is over, false = the baton was lost
 * (crew_work said so). At most jobs_max jobs that are not urgent run at a time. wake (any thread) is called when a finished
 * job was added to the list. */
int crew_new(struct crew **out, unsigned jobs_max, bool (*loop)(void *arg), void (*wake)(void *arg), void *arg,
             struct pawl_error *err) PAWL_MUST_USE;
/* Be the loop, and a worker when the baton is lost; returns when the runtime is over and all threads have ended. */
void crew_run(struct crew *c);
void crew_free(struct crew *c);

/* With the baton: */
/* Put it in the queue. beside: wake another thread for it, as this one has something else to do. */
void crew_submit(struct crew *c, struct crew_job *job, bool beside);
bool crew_has_jobs(struct crew *c);             /* some could be begun now */
bool crew_work(struct crew *c);                 /* lend the baton and do them. false: the baton is lost, return from loop at once */
void crew_set_jobs_max(struct crew *c, unsigned jobs_max); /* a job that never returns has its place taken by another */
struct crew_job *crew_finished(struct crew *c); /* take the list of finished ones, oldest first; NULL when none */

#endif
