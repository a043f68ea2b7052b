/* cli_rewind.c - `pawl rewind`. */
#include "cli/control.h"
#include "cli/verbs.h"
#include "base/text.h"

static const char *refusal(const struct cli_instance *i)
{
	return i->damaged ? "is damaged" : i->history.count == 0 ? "has not begun" : NULL;
}

static int rewind_to(struct cli *c)
{
	const char *to = c->opt[OPT_TO];
	static const struct control control = {
		.kind = PAWL_MESSAGE_REWIND, .key = OPT_TO, .done = "rewound", .asked = "asked to rewind",
		.all = true, .executions = true, .refusal = refusal,
	};
	uint64_t line;
	bool last_good = to && strcmp(to, "last-good") == 0;

	if (!to || (!last_good && (text_parse_u64(slice_of(to), &line) < 0 || line == 0)))
		return cli_usage(c, "rewind needs --to with a line of the history, or last-good");
	if (!last_good && c->arg_count > 1)
		return cli_usage(c, "--to %s is a line of one instance: %s rewind ID --to %s", to, c->program, to);
	if (c->opt[OPT_TIMEOUT] && !c->opt[OPT_WAIT])
		return cli_usage(c, "--timeout is for --wait");
	return control_run(c, &control);
}

static const struct cli_option options_rewind[] = {
	{ OPT_TO, 0, "to", "LINE|last-good", HELP("the last line to keep; last-good: the one before the first that the code does not agree with") },
	INSTEAD_OF_IDS_OPTIONS,
	ACT_OPTIONS,
	REASON_OPTION,
	AWAIT_OPTIONS,
	{ OPT_NONE, 0, NULL, NULL, NULL },
};

const struct cli_verb verb_rewind = {
	"rewind", "go on from an earlier line of the history",
	"ID --to LINE | ID... --to last-good | -s STATUS,... | -t TYPE | --where EXPR [--yes] [--dry-run] [--reason TEXT] [-w [--timeout D]]",
	HELP("Its next execution begins with the lines up to that one, live or ended; what came after it is done anew, and events that came after it are to be "
	"raised again. Within what the code decided at one time it goes back to the line that it decided because of: ExecutionRewound in the history, and the log, "
	"have the line. What was before is kept: `history ID --execution N`.\n"
	"--to last-good is for an instance that is parked because new code does not agree with its history."),
	options_rewind, 0, -1, rewind_to,
};
