/* replay_check.h - development mode (engine.check_replay): is what a turn has decided decided again when it is replayed? */
#ifndef RUNTIME_REPLAY_CHECK_H
#define RUNTIME_REPLAY_CHECK_H

#include "runtime/runtime.h"

/*
 * Behind an engine's turn, before its lines join a batch: the stored history and the new lines are replayed by an execution
 * of their own. 0 when it is off or they fit. PAWL_ENONDETERMINISM: the turn must not be committed; the runtime ends with
 * this error.
 */
int replay_check(struct pawl_runtime *rt, struct instance *i, struct pawl_error *err) PAWL_MUST_USE;

#endif
