/* metrics.h - numbers of a runtime that others may look at (os/io.h): what it tells, and what each is called. */
#ifndef RUNTIME_METRICS_H
#define RUNTIME_METRICS_H

#include "os/io.h"

/* Name for metrics, with its labels; counter or gauge; what it is. One of several of a name has the text of the first. */
#define METRICS_LIST(X)                                                                                                          \
	X(COMMITS, "commits_total", counter, "commits: frames that are durable")                                                 \
	X(RECORDS, "records_total", counter, "records in them: turns, and lines that others were sent")                          \
	X(CHECKPOINTS, "checkpoints_total", counter, "checkpoints")                                                              \
	X(TURNS, "turns_total", counter, "turns of orchestration code")                                                          \
	X(STARTED, "activities_started_total", counter, "attempts that have begun")                                              \
	X(DONE, "activities_ended_total", counter, "attempts that have ended")                                                   \
	X(ACCEPTED, "messages_accepted_total", counter, "messages and dropped events that were taken")                           \
	X(REJECTED, "messages_rejected_total", counter, "dropped files that were refused")                                       \
	X(RESCANS, "rescans_total", counter, "looks at all drop directories")                                                    \
	X(PENDING, "instances{status=\"Pending\"}", gauge, "live instances")                                                     \
	X(RUNNING, "instances{status=\"Running\"}", gauge, "")                                                                   \
	X(SUSPENDED, "instances{status=\"Suspended\"}", gauge, "")                                                               \
	X(PARKED, "instances{status=\"Parked\"}", gauge, "")                                                                     \
	X(RESIDENT, "stacks", gauge, "instances whose stack is kept")                                                            \
	X(THREADS, "activities{state=\"Active\",by=\"thread\"}", gauge, "attempts that run, or wait for a slot or a worker")     \
	X(PROCESSES, "activities{state=\"Active\",by=\"process\"}", gauge, "")                                                   \
	X(CLAIMED, "activities{state=\"Active\",by=\"worker\"}", gauge, "")                                                      \
	X(WAIT_THREAD, "activities{state=\"Waiting\",by=\"thread\"}", gauge, "")                                                 \
	X(WAIT_PROCESS, "activities{state=\"Waiting\",by=\"process\"}", gauge, "")                                               \
	X(WAIT_WORKER, "activities{state=\"Waiting\",by=\"worker\"}", gauge, "")                                                 \
	X(QUEUE, "queue_items", gauge, "items in the work queue: waiting, claimed and finished")                                 \
	X(FREE_SEGMENTS, "journal_free_segments", gauge, "journal segments that may be taken")

enum metric {
#define METRIC_ENUM(name, word, type, text) METRIC_##name,
	METRICS_LIST(METRIC_ENUM)
#undef METRIC_ENUM
	METRICS
};

_Static_assert(METRICS <= IO_NUMBERS_MAX, "make the page of io.h larger");

struct pawl_runtime;
struct instance;

#if PAWL_WITH_METRICS
void metrics_open(struct pawl_runtime *rt); /* others may look from now on */
void metrics_tell(struct pawl_runtime *rt); /* how it is now */
void metrics_note(struct pawl_runtime *rt, struct instance *i, bool gone); /* its status may have changed */
#else
static inline void metrics_open(struct pawl_runtime *rt) { (void)rt; }
static inline void metrics_tell(struct pawl_runtime *rt) { (void)rt; }
static inline void metrics_note(struct pawl_runtime *rt, struct instance *i, bool gone) { (void)rt, (void)i, (void)gone; }
#endif
#endif
