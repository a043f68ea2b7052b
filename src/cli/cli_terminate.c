/* cli_terminate.c - `pawl terminate`. */
#include "cli/control.h"
#include "cli/verbs.h"

static const char *refusal(const struct cli_instance *i)
{
	return instance_is_ended(i) ? "has ended already" : NULL;
}

static bool is_done(const struct cli_instance *i)
{
	return instance_is_ended(i);
}

static int terminate(struct cli *c)
{
	static const struct control control = {
		.kind = PAWL_MESSAGE_TERMINATE, .done = "terminated", .asked = "asked to terminate",
			.refusal = refusal, .is_done = is_done,
	};

	return control_run(c, &control);
}

static const struct cli_option options_terminate[] = {
	INSTEAD_OF_IDS_OPTIONS,
	RATE_OPTION,
	ACT_OPTIONS,
	REASON_OPTION,
	{ OPT_NONE, 0, NULL, NULL, NULL },
};

const struct cli_verb verb_terminate = {
	"terminate", "end an instance at once", "ID... | -s STATUS,... | -t TYPE | --where EXPR [--rate N] [--yes] [--dry-run] [--reason TEXT]",
	HELP("Its code is not asked and does not clean up; activities that run are stopped. It is kept in the archive as Terminated."),
	options_terminate, 0, -1, terminate,
};
