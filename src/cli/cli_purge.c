/* cli_purge.c - `pawl purge`: remove instances that ended, for good. */
#include "cli/control.h"
#include "cli/verbs.h"

static const char *refusal(const struct cli_instance *i)
{
	return instance_is_ended(i) ? NULL : "has not ended: terminate it first";
}

static int purge_now(struct cli *c, const char *const *ids, size_t count)
{
	return c->provider->ops->purge_all(c->provider, ids, count, &c->err);
}

static int purge(struct cli *c)
{
	static const struct control control = {
		.kind = PAWL_MESSAGE_PURGE, .done = "purged", .asked = "asked to purge", .archived = true,
			.refusal = refusal, .direct = purge_now,
	};

	return control_run(c, &control);
}

static const struct cli_option options_purge[] = {
	{ OPT_STATUS, 's', "status", "STATUS,...", HELP("all that ended so instead of ids") },
	{ OPT_TYPE, 't', "type", "TYPE", HELP("all of this orchestration instead of ids") },
	SELECT_OPTIONS,
	RATE_OPTION,
	{ OPT_YES, 'y', "yes", NULL, HELP("for scripts that give it to every acting verb") },
	{ OPT_DRY_RUN, 'n', "dry-run", NULL, HELP("only say what would be done") },
	{ OPT_NONE, 0, NULL, NULL, NULL },
};

const struct cli_verb verb_purge = {
	"purge", "remove instances that ended, for good", "ID... | [-s STATUS,...] [-t TYPE] [--older-than D] [--where EXPR] [--rate N] [--dry-run]",
	HELP("Their ids are free again. Works with and without a runtime. What goes by itself is said by retention of the configuration."),
	options_purge, 0, -1, purge,
};
