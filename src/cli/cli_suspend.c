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
		.kind = PAWL_MESSAGE_SUSPEND, .done = "suspended", .asked = "asked to suspend", .needs_code = true, .refusal = refusal,
			.is_done = is_done,
	};

	return control_run(c, &control);
}

static const struct cli_option options_suspend[] = {
	INSTEAD_OF_IDS_OPTIONS,
	RATE_OPTION,
	ACT_OPTIONS,
	REASON_OPTION,
	{ OPT_NONE, 0, NULL, NULL, NULL },
};

const struct cli_verb verb_suspend = {
	"suspend", "stop an instance from going on", "ID... | -s STATUS,... | -t TYPE | --where EXPR [--rate N] [--yes] [--dry-run] [--reason TEXT]",
	HELP("What runs now is finished and kept; nothing new begins until `resume`. Events and finished activities are kept."),
	options_suspend, 0, -1, suspend,
};
