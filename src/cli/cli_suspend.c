/* cli_suspend.c - `pawl suspend`. */
#include "cli/control.h"
#include "cli/verbs.h"

static const char *refusal(const struct cli_instance *i)
{
	if (instance_is_ended(i))
		return "has ended";
	return i->view.suspended ? "is suspended already" : NULL;
}

static bool is_done(const struct cli_instance *i)
{
	return i->view.suspended || instance_is_ended(i);
}

static int suspend(struct cli *c)
{
	static const struct control control = {
		.kind = PAWL_MESSAGE_SUSPEND, .done = "suspended", .asked = "asked to suspend", .refusal = refusal,
			.is_done = is_done,
	};

	return control_run(c, &control);
}

static const struct cli_option options_suspend[] = {
	{ OPT_STATUS, 's', "status", "STATUS,...", "all in this state instead of ids" },
	{ OPT_TYPE, 't', "type", "TYPE", "all of this orchestration instead of ids" },
	SELECT_OPTIONS,
	RATE_OPTION,
	{ OPT_YES, 'y', "yes", NULL, "also when a filter matches more than one" },
	{ OPT_DRY_RUN, 'n', "dry-run", NULL, "only say what would be done" },
	{ OPT_REASON, 'r', "reason", "TEXT", "why; it is kept in the history" },
	{ OPT_NONE, 0, NULL, NULL, NULL },
};

const struct cli_verb verb_suspend = {
	"suspend", "stop an instance from going on", "ID... | -s STATUS,... | -t TYPE | --where EXPR [--rate N] [--yes] [--dry-run] [--reason TEXT]",
	"What runs now is finished and kept; nothing new begins until `resume`. Events and finished activities are kept.",
	options_suspend, 0, -1, suspend,
};
