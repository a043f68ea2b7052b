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
	/* NULL: it is done when the instance is gone */
	bool (*is_done)(const struct cli_instance *i);
	/* without a runtime: the provider's own function, or NULL to leave a message */
	int (*direct)(struct pawl_provider *p, const char *id, struct pawl_error *err);
};

int control_run(struct cli *c, const struct control *control);

#endif
