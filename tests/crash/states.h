/*
 * states.h - the power fails in front of each mutating operation of a short workload, and leaves every state of the disk
 * that it may leave there (os/os_sim_states.h); each one is recovered and checked.
 *
 * A point with more states than a bound is walked in part: all states that differ from "all kept" and from "all lost" in
 * at most so many decisions as the bound allows, and drawn ones. A state that was seen before with the same promises is
 * not recovered again.
 */
#ifndef CRASH_STATES_H
#define CRASH_STATES_H

#include "harness.h"
#include "os/os_sim_states.h"

/* A workload: letters for steps before the cuts, and for those with them. The scenario knows what they mean. */
struct work {
	const char *name, *before, *steps;
};

struct states_tally {
	uint64_t points, whole; /* all, and those of which every state was tried */
	uint64_t walked, drawn; /* states of the other points */
	uint64_t states;        /* in all */
	uint64_t recovered;     /* of them, without those that were seen before */
};

extern struct states_tally states_tally;

void states_everywhere(const struct scenario *s, unsigned workload);
/* All of these workloads, with a line about each. */
void states_works(const struct scenario *s, const struct work *works, size_t count);
/* The kernel brings everything to the disk. */
void states_sync(struct node *n);
/* The states of one machine as it is. */
void states_of(const struct scenario *s, const void *state, struct os_sim *sim);

#endif
