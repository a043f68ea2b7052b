/* cli_resume.c - `pawl resume`. */
#include "cli/control.h"
#include "cli/verbs.h"

static const char *refusal(const struct cli_instance *i)
{
	if (instance_is_ended(i))
		return "has ended";
	return i->view.suspended || i->len == 0 ? NULL : "is not suspended";
}

static bool is_done(const struct cli_instance *i)
{
	return i->len > 0 && !i->view.suspended;
}

static int resume(struct cli *c)
{
	static const struct control control = {
		.kind = PAWL_MESSAGE_RESUME, .done = "resumed", .asked = "asked to resume", .needs_code = true, .refusal = refusal,
			.is_done = is_done,
	};

	return control_run(c, &control);
}

static const struct cli_option options_resume[] = {
	INSTEAD_OF_IDS_OPTIONS,
	RATE_OPTION,
	ACT_OPTIONS,
	REASON_OPTION,
	{ OPT_NONE, 0, NULL, NULL, NULL },
};

const struct cli_verb verb_resume = {
	"resume", "let a suspended instance go on", "ID... | -s STATUS,... | -t TYPE | --where EXPR [--rate N] [--yes] [--dry-run] [--reason TEXT]",
	NULL,
	options_resume, 0, -1, resume,
};
