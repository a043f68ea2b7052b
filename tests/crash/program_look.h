/* program_look.h - what is true of every history, whoever wrote it: no event twice (I2), and the code comes to the same (I5). */
#ifndef CRASH_PROGRAM_LOOK_H
#define CRASH_PROGRAM_LOOK_H

#include "base/map.h"
#include "history/history.h"

#include <pawl/pawl.h>

struct pawl_provider;

/* The events of one instance so far: a map that the caller has set up. False: e is there already, under this key. */
bool event_is_new(struct map *seen, const struct event *e, bool carried, char key[400]);
/* Lines that an execution begins with; the one before had them already, but for those that others have put behind them. */
size_t carried_lines(const struct history *h, uint64_t execution);
/* Does this code come to that history? 0, or why not. */
int history_replays(struct pawl_provider *p, const char *id, uint64_t execution, const struct history *h, pawl_orchestration_fn code,
                    struct pawl_error *err);

#endif
