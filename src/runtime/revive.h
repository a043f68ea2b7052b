/*
 * revive.h - the next execution of an instance that goes on from elsewhere, or has ended: restart, rewind, retry, and a start
 * that replaces. What the messages of these kinds become.
 *
 *	live     message ─► mail ─► turn: the end of this execution and the first lines of the next, one commit (I3)
 *	ended    message ─► provider: live again ─► mail ─► turn: the first lines of the next, one commit
 *	                        └ crash: it has ended, so it is archived again at the next start; the message comes again
 *
 * A message that is seen again (I2): the first line of the execution that it has begun names it.
 */
#ifndef RUNTIME_REVIVE_H
#define RUNTIME_REVIVE_H

#include "base/error.h"
#include "base/parts.h"
#include "runtime/runtime.h"

struct revival;

#if PAWL_WITH_REVIVE
/* A message that begins an execution: it waits, or its instance does. It is acked or rejected, sooner or later. */
/* 1: it is in the history of its instance, live or ended; first: an execution was begun by it. */
int revive_message_is_known(struct pawl_runtime *rt, const struct pawl_message *p, bool first);
/* < 0: not taken, it comes again. */
int revive_receive(struct pawl_runtime *rt, const struct pawl_message *p, struct pawl_error *err);
/* A start of this program, for an id that is there. */
void revive_replace(struct pawl_runtime *rt, const struct start_order *o);
bool revive_is_there(struct pawl_runtime *rt, const char *id); /* live or ended: there is something to replace */

void revival_free(struct revival *r);
/* Those that could not be done yet. */
void revivals_step(struct pawl_runtime *rt);
int64_t revivals_next(const struct pawl_runtime *rt); /* when to look again, whatever happens; -1: when something does */
void revivals_release(struct pawl_runtime *rt);
/* The instance has ended before its mail was read: when it is one of ours, the message is one for what has ended now. */
bool revival_later(struct pawl_runtime *rt, struct mail *m);
/* Fill in the turn of an instance whose first mail is a revival. 0; < 0: later (out of memory and the like); 1: it cannot be
 * done, the sender is told, the turn is gone, and the instance may be. */
int revive_turn(struct pawl_runtime *rt, struct instance *i, struct turn *t, struct pawl_error *err);
/* The provider has refused these lines, for good; the mail is gone. The instance may be, too. */
void revive_refused(struct pawl_runtime *rt, struct instance *i);
/* The next execution has begun: its view is there. */
void revive_began(struct pawl_runtime *rt, struct instance *i);
#else
static inline int revive_message_is_known(struct pawl_runtime *rt, const struct pawl_message *p, bool first)
{
	(void)rt, (void)p, (void)first;
	return 0;
}
static inline int revive_receive(struct pawl_runtime *rt, const struct pawl_message *p, struct pawl_error *err)
{
	(void)err;
	rt->provider->ops->reject(rt->provider, p->token, "restart, rewind, retry and replace: " WITHOUT_PART("REVIVE"));
	return 0;
}
static inline void revive_replace(struct pawl_runtime *rt, const struct start_order *o)
{
	(void)rt, (void)o;
}
static inline bool revive_is_there(struct pawl_runtime *rt, const char *id)
{
	(void)rt, (void)id;
	return false;
}
static inline void revival_free(struct revival *r)
{
	(void)r;
}
static inline void revivals_step(struct pawl_runtime *rt)
{
	(void)rt;
}
static inline int64_t revivals_next(const struct pawl_runtime *rt)
{
	(void)rt;
	return -1;
}
static inline void revivals_release(struct pawl_runtime *rt)
{
	(void)rt;
}
static inline bool revival_later(struct pawl_runtime *rt, struct mail *m)
{
	(void)rt, (void)m;
	return false;
}
static inline int revive_turn(struct pawl_runtime *rt, struct instance *i, struct turn *t, struct pawl_error *err)
{
	(void)rt, (void)i, (void)t;
	return err_set(err, PAWL_EBUG, WITHOUT_PART("REVIVE"));
}
static inline void revive_refused(struct pawl_runtime *rt, struct instance *i)
{
	(void)rt, (void)i;
}
static inline void revive_began(struct pawl_runtime *rt, struct instance *i)
{
	(void)rt, (void)i;
}
#endif

#endif
