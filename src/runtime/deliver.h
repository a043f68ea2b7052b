/*
 * deliver.h - one group: what one commit puts into the histories of other instances.
 *
 *	decisions of a turn ─► handler of each ─► deliver_line: at the tail of the other one
 *	                              └────────► deliver_answer: kept, and put at the sender's own tail at the end
 *
 * A handler returns 0 also when the other one cannot have it: then the answer says why. An error takes back the whole group.
 */
#ifndef RUNTIME_DELIVER_H
#define RUNTIME_DELIVER_H

#include "runtime/runtime.h"

struct delivery {
	struct pawl_runtime *rt;
	struct pawl_error *err;
	struct instance *sender;  /* NULL: none of ours */
	const struct turn *turn;  /* of the sender; NULL: no turn decided it */
	uint64_t execution;       /* of the sender, in which it decided */
	struct turn clock;
	struct arena arena;       /* what lines point to until they are written */
	struct event *answers;
	size_t answer_count, answer_cap;
	struct instance **terminated; /* whose children are still to be ended */
	size_t terminated_count, terminated_cap;
	unsigned group;
	const struct instance *full; /* has as many events of this name as it may */
	char full_name[TEXT_NAME_MAX + 1];
};

/* Why something cannot be delivered, as a code of the answer and a text. */
struct undelivered {
	const char *code;
	const char *text;
};

/* deliver.c */
void delivery_init(struct delivery *d, struct pawl_runtime *rt, struct instance *sender, struct pawl_error *err);
/* A group without a turn: begins, and ends with what the calls between have returned; after an error nothing is queued. */
size_t delivery_begin(struct delivery *d);
int delivery_end(struct delivery *d, size_t at, int rc) PAWL_MUST_USE;
/* seq and time are set here. */
int deliver_line(struct delivery *d, struct instance *to, struct event *e) PAWL_MUST_USE;
int deliver_answer(struct delivery *d, const struct event *e) PAWL_MUST_USE;
/* Failed, for the reason in why: SendFailed, ChildFailed, ValueReceived. */
int deliver_failed(struct delivery *d, enum event_type type, uint64_t ref, const struct undelivered *why) PAWL_MUST_USE;
bool delivery_has_answer(const struct delivery *d, uint64_t ref);
/* "@INSTANCE/EXECUTION/SEQ". NONE: out of memory. */
struct slice deliver_from(struct delivery *d, uint64_t seq);
/* Its data as bytes, when they are in a file of this instance. */
int deliver_load(struct delivery *d, const char *id, struct event *e) PAWL_MUST_USE;
/* Who is to get it; NULL: nobody can, and *why says why. */
struct instance *deliver_receiver(struct delivery *d, struct slice id, struct undelivered *why);
/* One more event of this name for it? */
bool deliver_has_room(struct delivery *d, const struct instance *to, const struct event *e, struct undelivered *why);
/* The end of a clean-up that begins now, if there is one. */
void deliver_set_deadline(struct pawl_runtime *rt, struct event *e);

/* A new instance, as the ChildScheduled or InstanceStarted says. why->code is set when it cannot be. */
int deliver_start(struct delivery *d, const struct event *e, bool is_child, struct undelivered *why) PAWL_MUST_USE;

/* children.c */
int child_scheduled(struct delivery *d, const struct event *e) PAWL_MUST_USE;
int child_cancel(struct delivery *d, const struct event *e) PAWL_MUST_USE;
int children_of_ended(struct delivery *d) PAWL_MUST_USE; /* the turn has ended its execution: its children, and its parent */
bool has_parent_or_children(const struct instance *i, const struct turn *t);

#if PAWL_WITH_ENTITIES
/* entities.c */
int entity_signaled(struct delivery *d, const struct event *e) PAWL_MUST_USE;
int entity_called(struct delivery *d, const struct event *e) PAWL_MUST_USE;
int entity_answered(struct delivery *d, const struct event *e) PAWL_MUST_USE;
int lock_requested(struct delivery *d, const struct event *e) PAWL_MUST_USE;
int lock_given_back(struct delivery *d, const struct event *e) PAWL_MUST_USE;
int lock_passed(struct delivery *d, const struct event *e) PAWL_MUST_USE;
int locks_of_ended(struct delivery *d) PAWL_MUST_USE; /* the turn has ended its execution: what it has locked, and who waits for it */
bool has_locks(const struct instance *i);              /* or is an entity, which others may wait for */
#else
static inline int locks_of_ended(struct delivery *d)
{
	(void)d;
	return 0;
}
static inline bool has_locks(const struct instance *i)
{
	(void)i;
	return false;
}
#endif

/* topics.c */
/* Two filters of one instance may have the same event, and match the same topic: it comes once. */
bool topic_is_first(const struct view *v, const struct view_topic *topic, struct slice name);
int topic_published(struct delivery *d, const struct event *e) PAWL_MUST_USE;

#endif
