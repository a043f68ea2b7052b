/*
 * runtime_rig.h - a runtime without its loop and threads: turns, commits, deliveries and timers, one after the other, over
 * the provider of a node. What it does it does in the same order each time. It knows nothing of harness.h, whose model has
 * names that the runtime has too.
 */
#ifndef CRASH_RUNTIME_RIG_H
#define CRASH_RUNTIME_RIG_H

#include "os/os.h"
#include <pawl/provider.h>

struct rig {
	const struct os *os;
	struct pawl_provider *p;
	bool replay_only;
	bool (*is_off)(void *arg);             /* the power is gone */
	void (*advance)(void *arg, int64_t ns); /* let so much time go by */
	bool (*pause)(void *arg);              /* between two commits; true: stop here */
	void (*turns)(void *arg, bool begin);  /* around the turns of a commit and its first step; NULL: nothing */
	void *arg;
};

/* Load the hub; start `type` as `id` when the hub has no such instance; go on until nothing is left to do. 0, or an error
 * that is not one of a power cut. *live: instances that have not ended. */
int rig_run(const struct rig *r, const char *type, const char *id, size_t *live, struct pawl_error *err);

#endif
