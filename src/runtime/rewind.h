/*
 * rewind.h - from which line of its history an instance goes on, and which lines its next execution begins with. Pure: a
 * history in, lines out.
 *
 *	execution n      1 .................... k | what came after it stays where it is
 *	execution n+1    1 .................... k   what is known of things that were open at k; new attempts for those
 *
 * k is the end of a turn, or a line that came from outside: then what the code had decided because of it, it decides anew.
 * From the middle of a turn's decisions it is brought back to such a line.
 */
#ifndef RUNTIME_REWIND_H
#define RUNTIME_REWIND_H

#include "history/history.h"

struct rewind {
	const struct history *history;
	const char *id;
	uint64_t execution;   /* the one that is to begin */
	uint64_t line;        /* in: the last one that is wanted; out: the last one that was taken over */
	bool retry;           /* what was done beside the thing that failed is taken over, too */
	bool undecided;       /* the end of a turn will not do: its code decides otherwise now */
	struct slice message_id, reason; /* reason NONE: none */
	struct due now;
	int64_t time_ns;
	struct event *lines;  /* out, in the arena, with slices into the history */
	size_t count;
};

/* 0, PAWL_EINVALID (there is no such line, or none to go on from before it), PAWL_ETOOBIG, PAWL_ENOMEM. */
int rewind_lines(struct rewind *r, struct arena *arena, struct pawl_error *err) PAWL_MUST_USE;
/* The line before what made it fail; step: an activity or child (its line), or 0 for what the failure of the execution
 * names. PAWL_ESTATE, PAWL_EINVALID. */
int rewind_find_failure(const struct history *h, uint64_t step, uint64_t *line, struct pawl_error *err) PAWL_MUST_USE;

#endif
