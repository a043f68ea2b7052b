#include "activity_state.h"
#include <stddef.h>
#include <string.h>

/*
 * The table has every cell, so that none is forgotten. What is no arrow of the diagram in the header is one of:
 *
 * nothing  An answer that comes late, or twice: the attempt was counted already (Stalled, Stuck), is to be made again
 *          (Waiting, Deferred) or does not matter any more (Completed, Failed). A rescan also finds again what it
 *          knows. That costs at most work that is done twice, which activities must bear.
 * bug      Two attempts at a time, or one that nobody decided (I1). Said loudly, as only our own mistake leads there.
 *
 * Beside these:
 *
 * - What was collected after a restart of the runtime (it ended while we were away) is adopted first, then completes
 *   or fails: so Waiting takes no answers.
 * - give_up is never "bug": ActivityFailed is in the history, and the history is right (I4). What runs is ended.
 * - expire and cancel end what runs. Stuck has had its STOP, so there is nothing left to end. A canceled Waiting stays:
 *   nothing runs and nothing is armed, who cancels takes it out of the queue and forgets it. Deferred and the two with
 *   a decision under way (or held as a dead letter) go to Failed, so that their waits are taken down.
 * - reboot: it works until the device goes down; the step is taken all the same, so that it gets noted.
 * - requeue: only what was held without an attempt left (Stalled, Stuck) can use new ones. Failed is in the history.
 */
#define NOTHING(state) { ACTIVITY_##state, ACTION_NONE }
#define BUG(state)     { ACTIVITY_##state, ACTION_BUG }
#define GO(state)      { ACTIVITY_##state, ACTION_GO }
#define STOP(state)    { ACTIVITY_##state, ACTION_STOP }

/* clang-format off */
static const struct activity_step steps[ACTIVITY_STATES][ACTIVITY_EVENTS] = {
	[ACTIVITY_WAITING] = {
		[ACTIVITY_BEGIN]         = GO(ACTIVE),
		[ACTIVITY_ADOPT]         = GO(ACTIVE),
		[ACTIVITY_COMPLETE]      = NOTHING(WAITING),
		[ACTIVITY_FAIL]          = NOTHING(WAITING),
		[ACTIVITY_FAIL_FOR_GOOD] = NOTHING(WAITING),
		[ACTIVITY_DEFER]         = GO(DEFERRED),
		[ACTIVITY_LOST]          = NOTHING(WAITING),
		[ACTIVITY_SILENT]        = NOTHING(WAITING),
		[ACTIVITY_LATE]          = NOTHING(WAITING),
		[ACTIVITY_LOOK]          = NOTHING(WAITING),
		[ACTIVITY_RETRY]         = NOTHING(WAITING),
		[ACTIVITY_GIVE_UP]       = GO(FAILED),
		[ACTIVITY_EXPIRE]        = GO(FAILED),
		[ACTIVITY_REQUEUE]       = NOTHING(WAITING),
		[ACTIVITY_CANCEL]        = NOTHING(WAITING),
		[ACTIVITY_REBOOT]        = NOTHING(WAITING),
	},
	[ACTIVITY_ACTIVE] = {
		[ACTIVITY_BEGIN]         = BUG(ACTIVE),
		[ACTIVITY_ADOPT]         = NOTHING(ACTIVE),
		[ACTIVITY_COMPLETE]      = GO(COMPLETED),
		[ACTIVITY_FAIL]          = GO(STALLED),
		[ACTIVITY_FAIL_FOR_GOOD] = GO(FAILED),
		[ACTIVITY_DEFER]         = GO(DEFERRED),
		[ACTIVITY_LOST]          = GO(STUCK),
		[ACTIVITY_SILENT]        = STOP(STUCK),
		[ACTIVITY_LATE]          = STOP(STUCK),
		[ACTIVITY_LOOK]          = NOTHING(ACTIVE),
		[ACTIVITY_RETRY]         = BUG(ACTIVE),
		[ACTIVITY_GIVE_UP]       = STOP(FAILED),
		[ACTIVITY_EXPIRE]        = STOP(FAILED),
		[ACTIVITY_REQUEUE]       = NOTHING(ACTIVE),
		[ACTIVITY_CANCEL]        = STOP(FAILED),
		[ACTIVITY_REBOOT]        = GO(ACTIVE),
	},
	[ACTIVITY_COMPLETED] = {
		[ACTIVITY_BEGIN]         = NOTHING(COMPLETED),
		[ACTIVITY_ADOPT]         = NOTHING(COMPLETED),
		[ACTIVITY_COMPLETE]      = NOTHING(COMPLETED),
		[ACTIVITY_FAIL]          = NOTHING(COMPLETED),
		[ACTIVITY_FAIL_FOR_GOOD] = NOTHING(COMPLETED),
		[ACTIVITY_DEFER]         = NOTHING(COMPLETED),
		[ACTIVITY_LOST]          = NOTHING(COMPLETED),
		[ACTIVITY_SILENT]        = NOTHING(COMPLETED),
		[ACTIVITY_LATE]          = NOTHING(COMPLETED),
		[ACTIVITY_LOOK]          = NOTHING(COMPLETED),
		[ACTIVITY_RETRY]         = NOTHING(COMPLETED),
		[ACTIVITY_GIVE_UP]       = NOTHING(COMPLETED),
		[ACTIVITY_EXPIRE]        = NOTHING(COMPLETED),
		[ACTIVITY_REQUEUE]       = NOTHING(COMPLETED),
		[ACTIVITY_CANCEL]        = NOTHING(COMPLETED),
		[ACTIVITY_REBOOT]        = NOTHING(COMPLETED),
	},
	[ACTIVITY_STALLED] = {
		[ACTIVITY_BEGIN]         = BUG(STALLED),
		[ACTIVITY_ADOPT]         = NOTHING(STALLED),
		[ACTIVITY_COMPLETE]      = NOTHING(STALLED),
		[ACTIVITY_FAIL]          = NOTHING(STALLED),
		[ACTIVITY_FAIL_FOR_GOOD] = NOTHING(STALLED),
		[ACTIVITY_DEFER]         = NOTHING(STALLED),
		[ACTIVITY_LOST]          = NOTHING(STALLED),
		[ACTIVITY_SILENT]        = NOTHING(STALLED),
		[ACTIVITY_LATE]          = NOTHING(STALLED),
		[ACTIVITY_LOOK]          = NOTHING(STALLED),
		[ACTIVITY_RETRY]         = GO(WAITING),
		[ACTIVITY_GIVE_UP]       = GO(FAILED),
		[ACTIVITY_EXPIRE]        = GO(FAILED),
		[ACTIVITY_REQUEUE]       = GO(WAITING),
		[ACTIVITY_CANCEL]        = GO(FAILED),
		[ACTIVITY_REBOOT]        = NOTHING(STALLED),
	},
	[ACTIVITY_FAILED] = {
		[ACTIVITY_BEGIN]         = NOTHING(FAILED),
		[ACTIVITY_ADOPT]         = NOTHING(FAILED),
		[ACTIVITY_COMPLETE]      = NOTHING(FAILED),
		[ACTIVITY_FAIL]          = NOTHING(FAILED),
		[ACTIVITY_FAIL_FOR_GOOD] = NOTHING(FAILED),
		[ACTIVITY_DEFER]         = NOTHING(FAILED),
		[ACTIVITY_LOST]          = NOTHING(FAILED),
		[ACTIVITY_SILENT]        = NOTHING(FAILED),
		[ACTIVITY_LATE]          = NOTHING(FAILED),
		[ACTIVITY_LOOK]          = NOTHING(FAILED),
		[ACTIVITY_RETRY]         = NOTHING(FAILED),
		[ACTIVITY_GIVE_UP]       = NOTHING(FAILED),
		[ACTIVITY_EXPIRE]        = NOTHING(FAILED),
		[ACTIVITY_REQUEUE]       = NOTHING(FAILED),
		[ACTIVITY_CANCEL]        = NOTHING(FAILED),
		[ACTIVITY_REBOOT]        = NOTHING(FAILED),
	},
	[ACTIVITY_DEFERRED] = {
		[ACTIVITY_BEGIN]         = BUG(DEFERRED),
		[ACTIVITY_ADOPT]         = NOTHING(DEFERRED),
		[ACTIVITY_COMPLETE]      = NOTHING(DEFERRED),
		[ACTIVITY_FAIL]          = NOTHING(DEFERRED),
		[ACTIVITY_FAIL_FOR_GOOD] = NOTHING(DEFERRED),
		[ACTIVITY_DEFER]         = NOTHING(DEFERRED),
		[ACTIVITY_LOST]          = NOTHING(DEFERRED),
		[ACTIVITY_SILENT]        = NOTHING(DEFERRED),
		[ACTIVITY_LATE]          = NOTHING(DEFERRED),
		[ACTIVITY_LOOK]          = GO(WAITING),
		[ACTIVITY_RETRY]         = NOTHING(DEFERRED),
		[ACTIVITY_GIVE_UP]       = GO(FAILED),
		[ACTIVITY_EXPIRE]        = GO(FAILED),
		[ACTIVITY_REQUEUE]       = NOTHING(DEFERRED),
		[ACTIVITY_CANCEL]        = GO(FAILED),
		[ACTIVITY_REBOOT]        = NOTHING(DEFERRED),
	},
	[ACTIVITY_STUCK] = {
		[ACTIVITY_BEGIN]         = BUG(STUCK),
		[ACTIVITY_ADOPT]         = NOTHING(STUCK),
		[ACTIVITY_COMPLETE]      = NOTHING(STUCK),
		[ACTIVITY_FAIL]          = NOTHING(STUCK),
		[ACTIVITY_FAIL_FOR_GOOD] = NOTHING(STUCK),
		[ACTIVITY_DEFER]         = NOTHING(STUCK),
		[ACTIVITY_LOST]          = NOTHING(STUCK),
		[ACTIVITY_SILENT]        = NOTHING(STUCK),
		[ACTIVITY_LATE]          = NOTHING(STUCK),
		[ACTIVITY_LOOK]          = NOTHING(STUCK),
		[ACTIVITY_RETRY]         = GO(WAITING),
		[ACTIVITY_GIVE_UP]       = GO(FAILED),
		[ACTIVITY_EXPIRE]        = GO(FAILED),
		[ACTIVITY_REQUEUE]       = GO(WAITING),
		[ACTIVITY_CANCEL]        = GO(FAILED),
		[ACTIVITY_REBOOT]        = NOTHING(STUCK),
	},
};
/* clang-format on */

static const char *const state_names[ACTIVITY_STATES] = {
	[ACTIVITY_WAITING] = "Waiting",     [ACTIVITY_ACTIVE] = "Active",   [ACTIVITY_COMPLETED] = "Completed",
	[ACTIVITY_STALLED] = "Stalled",     [ACTIVITY_FAILED] = "Failed",   [ACTIVITY_DEFERRED] = "Deferred",
	[ACTIVITY_STUCK] = "Stuck",
};

static const char *const event_names[ACTIVITY_EVENTS] = {
	[ACTIVITY_BEGIN] = "begin",
	[ACTIVITY_ADOPT] = "adopt",
	[ACTIVITY_COMPLETE] = "complete",
	[ACTIVITY_FAIL] = "fail",
	[ACTIVITY_FAIL_FOR_GOOD] = "fail_for_good",
	[ACTIVITY_DEFER] = "defer",
	[ACTIVITY_LOST] = "lost",
	[ACTIVITY_SILENT] = "silent",
	[ACTIVITY_LATE] = "late",
	[ACTIVITY_LOOK] = "look",
	[ACTIVITY_RETRY] = "retry",
	[ACTIVITY_GIVE_UP] = "give_up",
	[ACTIVITY_EXPIRE] = "expire",
	[ACTIVITY_REQUEUE] = "requeue",
	[ACTIVITY_CANCEL] = "cancel",
	[ACTIVITY_REBOOT] = "reboot",
};

/* The numbers may come from a file or a careless cast: one that is none is a bug of the caller, never a read beyond. */
struct activity_step activity_step(enum activity_state state, enum activity_event event)
{
	if ((unsigned)state >= ACTIVITY_STATES || (unsigned)event >= ACTIVITY_EVENTS)
		return (struct activity_step){ state, ACTION_BUG };
	return steps[state][event];
}

const char *activity_state_name(enum activity_state state)
{
	return (unsigned)state < ACTIVITY_STATES ? state_names[state] : "?";
}

bool activity_state_parse(const char *name, enum activity_state *state)
{
	for (unsigned i = 0; name && i < ACTIVITY_STATES; i++) {
		if (strcmp(name, state_names[i]) == 0) {
			*state = (enum activity_state)i;
			return true;
		}
	}
	return false;
}

const char *activity_event_name(enum activity_event event)
{
	return (unsigned)event < ACTIVITY_EVENTS ? event_names[event] : "?";
}
