/* cli_retry.c - `pawl retry`. */
#include "cli/control.h"
#include "cli/verbs.h"

static const char *refuse_live(const struct cli_instance *i)
{
	return i->damaged ? "is damaged" : !instance_is_ended(i) ? "has not ended: use rewind" : NULL;
}

static const char *refuse_unfailed(const struct cli_instance *i)
{
	const char *why = refuse_live(i);

	return why ? why : i->view.status != STATUS_FAILED ? "has not failed: name the step to try again with --step, or use rewind" : NULL;
}

static int retry(struct cli *c)
{
	const char *step = c->opt[OPT_STEP];
	const struct control control = {
		.kind = PAWL_MESSAGE_RETRY, .key = OPT_STEP, .done = "tried again", .asked = "asked to try again",
		.archived = true, .executions = true, .refusal = step ? refuse_live : refuse_unfailed,
	};
	uint64_t number;
	int rc = cli_number(c, OPT_STEP, 1, UINT64_MAX, &number);

	if (rc == 0 && step && c->arg_count != 1)
		return cli_usage(c, "--step is a line of one instance: %s retry ID --step N", c->program);
	if (rc == 0 && c->opt[OPT_TIMEOUT] && !c->opt[OPT_WAIT])
		return cli_usage(c, "--timeout is for --wait");
	return rc < 0 ? rc : control_run(c, &control);
}

static const struct cli_option options_retry[] = {
	{ OPT_STEP, 0, "step", "N", HELP("from this activity or child (its line of history), also when the instance has not failed") },
	INSTEAD_OF_IDS_OPTIONS,
	ACT_OPTIONS,
	REASON_OPTION,
	AWAIT_OPTIONS,
	{ OPT_NONE, 0, NULL, NULL, NULL },
};

const struct cli_verb verb_retry = {
	"retry", "go on with a failed instance where it failed",
	"ID... [--step N] | -s STATUS,... | -t TYPE | --where EXPR [--yes] [--dry-run] [--reason TEXT] [-w [--timeout D]]",
	HELP("For when what made it fail is mended: its next execution begins with the history up to the line before the activity or child whose failure it "
	"ended with. What was done is not done again; the step that failed has all its attempts anew, and events that came later are there. "
	"What was before is kept: `history ID --execution N`."),
	options_retry, 0, -1, retry,
};
