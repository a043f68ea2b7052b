/* activity.h - what an activity that is open does now, as the reading verbs see it: history says what was decided, the
 * files in its work directory what happens meanwhile. */
#ifndef CLI_ACTIVITY_H
#define CLI_ACTIVITY_H

#include "cli/instance.h"
#include "runtime/carrier.h"

struct activity {
	const struct cli_instance *instance;
	const struct open_item *item;
	uint32_t attempt;           /* the one that runs or comes next; of one that is held: the last */
	enum activity_state state;  /* as judged: what a carrier says may be of an earlier attempt or another boot */
	bool has_carrier;           /* it is of this attempt and this boot */
	struct carrier carrier;     /* made of history when there is none */
	struct progress progress;
	bool has_progress;
	int64_t heartbeat_ns;       /* CLOCK_REALTIME, 0 = none */
	bool has_next;
	int64_t next_ns, next_in_ms; /* next attempt or look */
	struct arena arena;
};

/* i and the item must stay. Release also after a failure. */
int activity_read(struct cli *c, const struct cli_instance *i, const struct open_item *item,
                  struct activity *a) PAWL_MUST_USE;
void activity_release(struct activity *a);

/* "flash: 42% writing", "flash (Active, attempt 2, pid 4711)", "flash, attempt 2 in 12s after: no room" */
void activity_describe(const struct cli *c, const struct activity *a, struct buf *out);
/* "[########......] 57% writing", or "57% writing" */
void activity_progress(const struct activity *a, bool bar, struct buf *out);
/* Members for a JSON object: what history does not know. */
void activity_add_members(const struct activity *a, struct buf *out);
/* Differs when something has changed that a person who watches wants to see. */
uint64_t activity_digest(struct cli *c, const struct cli_instance *i);
/* When the files in the work directories last told something: CLOCK_REALTIME, 0 = never. */
int64_t activity_told_ns(const struct activity *a);

#endif
