/* program_facts.h - what the histories of all instances of a run must say of one another. */
#ifndef CRASH_PROGRAM_FACTS_H
#define CRASH_PROGRAM_FACTS_H

#include "base/map.h"
#include "history/history.h"
#include "history/view.h"

struct facts {
	struct map sources;   /* "@INSTANCE/EXECUTION/SEQ" of every line -> its type */
	struct map sent;      /* those that were answered with SendCompleted */
	struct map delivered; /* what lines name as their source -> how many */
	struct map asked;     /* ids of instances that were asked to cancel, or terminated */
	struct map ends;      /* id -> its output, of those that have completed */
	struct map claims;    /* id of a child -> what its parent has as its output */
	struct map left;      /* ids of children that were open when their parent ended */
};

void facts_init(struct facts *f);
void facts_release(struct facts *f);
/* carried: so many lines were those of the execution before. */
void facts_of(struct facts *f, const char *id, uint64_t execution, const struct history *h, const struct view *v, size_t carried);
/* false: why has what does not fit. */
bool facts_fit(struct facts *f, char *why, size_t size);

#endif
