/* cli_cancel.c - `pawl cancel`. */
#include "cli/control.h"
#include "cli/verbs.h"

static const char *refusal(const struct cli_instance *i)
{
	if (instance_is_ended(i))
		return "has ended already";
	return i->view.cancel_requested ? "was asked to cancel already" : NULL;
}

static bool is_done(const struct cli_instance *i)
{
	return i->view.cancel_requested || instance_is_ended(i);
}

static int cancel(struct cli *c)
{
	static const struct control control = {
		.kind = PAWL_MESSAGE_CANCEL, .done = "asked to cancel", .asked = "asked to cancel", .needs_code = true,
			.refusal = refusal, .is_done = is_done,
	};

	return control_run(c, &control);
}

static const struct cli_option options_cancel[] = {
	INSTEAD_OF_IDS_OPTIONS,
	RATE_OPTION,
	ACT_OPTIONS,
	{ OPT_REASON, 'r', "reason", "TEXT", HELP("why; it is kept in the history, and the code can read it") },
	{ OPT_NONE, 0, NULL, NULL, NULL },
};

const struct cli_verb verb_cancel = {
	"cancel", "ask an instance to come to an end", "ID... | -s STATUS,... | -t TYPE | --where EXPR [--rate N] [--yes] [--dry-run] [--reason TEXT]",
	HELP("What it waits for is canceled at once: activities are told to stop, children are asked to cancel too. Then its code cleans "
	"up, for cancel.deadline of the configuration at most, and ends as Canceled, or as it says. `wait` tells when. `terminate` ends it without asking."),
	options_cancel, 0, -1, cancel,
};
