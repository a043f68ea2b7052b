/* check.h - what somebody was promised up to a point, and whether a recovered hub keeps it. */
#ifndef BLOCK_CHECK_H
#define BLOCK_CHECK_H

#include "acks.h"
#include "reference.h"
#include "base/buf.h"

struct check {
	struct map reference, promises;
	struct map found;         /* what the last check_hub has found */
	const char *frames;       /* file of the frames in order, or NULL */
	struct frame_record *records;
	size_t record_count;
	struct buf why;           /* of the last check: what does not fit, a line each */
	unsigned wrong;
	bool ctime_changes;       /* a known fault on btrfs, README.md: counted in ctimes, and not as wrong */
	unsigned ctimes;
	bool promised;            /* anything at all: from then on there must be a hub */
	bool alone;               /* the reference is this hub itself: what was raised may also wait in its mailbox */
};

/* Ends the program when the reference is not one. frames may be NULL. */
void check_init(struct check *c, const char *reference, const char *frames);
/* Nothing is wrong, for now. */
void check_clear(struct check *c);
/* One acknowledgement more. Not 0: the run itself has not kept it, as the reference shows. */
unsigned check_promise(struct check *c, const void *text, size_t len);
/* Recover the hub in this directory and compare. 0, or how many things are wrong: c->why. */
unsigned check_hub(struct check *c, const char *hub);
/* After it: a runtime takes the hub over, and everything comes to an end, which must be that of the reference. */
unsigned check_serve(struct check *c, const char *hub);

#endif
