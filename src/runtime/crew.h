/*
 * crew.h - the threads of a runtime, and the baton.
 *
 * All state of a runtime belongs to whoever holds the baton: that thread is the event loop. Blocking work (syncing a
 * commit, running an activity written in C) goes to other threads. But handing it over and back costs two wake-ups,
 * which is as much as a good disk takes for the sync itself. So when the loop has nothing else to do it runs the work
 * itself and lends the baton meanwhile:
 *
 *	                 ┌─ done in time: takes the baton back, goes on as the loop (no thread was woken)
 *	holder ── lends ─┤
 *	                 └─ patience over: the deputy wakes, takes the baton and is the loop from now on;
 *	                    the old holder, when done, hands in its result like any other worker
 *
 * Measured with a bare fdatasync of 110 us on two cores: handing over costs 30 to 60 us each way and back, lending under 2.
 */
#ifndef RUNTIME_CREW_H
#define RUNTIME_CREW_H

#include <pawl/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct crew;

/* Work for any thread. run is called without the baton; after that the job is in the crew's list of finished jobs. */
struct crew_job {
	void (*run)(struct crew_job *job);
	struct crew_job *next; /* the crew's */
};

/* loop is what the holder of the baton does, until it returns: true = the runtime is over, false = the baton was lost
 * (crew_lend said so). wake (any thread) is called when a finished job was added to the list. */
int crew_new(struct crew **out, unsigned threads_max, bool (*loop)(void *arg), void (*wake)(void *arg), void *arg,
             struct pawl_error *err) PAWL_MUST_USE;
/* Be the loop, and a worker when the baton is lost; returns when the runtime is over and all threads have ended. */
void crew_run(struct crew *c);
void crew_free(struct crew *c);

/* With the baton: */
void crew_submit(struct crew *c, struct crew_job *job); /* run it on another thread */
bool crew_lend(struct crew *c, struct crew_job *job);   /* run it here. false: the baton is lost, return from loop at once */
struct crew_job *crew_finished(struct crew *c);         /* take the list of finished ones, oldest first; NULL when none */
size_t crew_busy(const struct crew *c);                 /* submitted or lent, and not yet taken from the finished list */

#endif
