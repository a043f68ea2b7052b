/* control.h - what the acting verbs share: ids or a filter, --dry-run, saying what was done. */
#ifndef CLI_CONTROL_H
#define CLI_CONTROL_H

#include "cli/instance.h"

struct control {
	enum pawl_message_kind kind;
	const char *done, *asked;  /* "suspended", "asked to suspend" */
	bool archived;             /* it is for instances that have ended */
	/* NULL, or why it cannot be done to this one: stands behind its id */
	const char *(*refusal)(const struct cli_instance *i);
	const char *(*refusal_in)(struct cli *c, const struct cli_instance *i); /* or the same with a look into the hub */
	/* NULL: it is done when the instance is gone, or its next execution there */
	bool (*is_done)(const struct cli_instance *i);
	bool (*is_done_in)(struct cli *c, const struct cli_instance *i);
	/* without a runtime: what does it to several at once, as the owner; NULL to leave a message */
	int (*direct)(struct cli *c, const char *const *ids, size_t count);
	bool all;                  /* live and ended */
	bool needs_code;           /* one that is parked takes it when it goes on, and not before */
	bool executions;           /* it is done when their next execution is there; with -w they are waited for after that */
	enum cli_opt key;          /* the option with the message's key; OPT_NONE: it has none */
};

/* Options that several of the verbs have. */
#define INSTEAD_OF_IDS_OPTIONS \
	{ OPT_STATUS, 's', "status", "STATUS,...", HELP("all in this state instead of ids") }, \
	{ OPT_TYPE, 't', "type", "TYPE", HELP("all of this orchestration instead of ids") }, \
	SELECT_OPTIONS
#define ACT_OPTIONS \
	{ OPT_YES, 'y', "yes", NULL, HELP("also when a filter matches more than one") }, \
	{ OPT_DRY_RUN, 'n', "dry-run", NULL, HELP("only say what would be done") }
#define REASON_OPTION { OPT_REASON, 'r', "reason", "TEXT", HELP("why; it is kept in the history") }
#define AWAIT_OPTIONS \
	{ OPT_WAIT, 'w', "wait", NULL, HELP("then wait until they end, as `wait` does") }, \
	{ OPT_TIMEOUT, 0, "timeout", "D", HELP("with -w: at most so long, then exit 124; they run on") }

int control_run(struct cli *c, const struct control *control);
/* Has the runtime refused such a message for this instance since then (CLOCK_REALTIME)? Why. */
bool control_is_refused(struct cli *c, const char *kind, const char *id, int64_t since_ns, char *why, size_t size);

#endif
