/* cli_publish.c - `pawl publish`: an event for all that have subscribed to a topic. */
#include "cli/verbs.h"
#include "base/text.h"

static int publish(struct cli *c)
{
	struct pawl_message m = { .kind = PAWL_MESSAGE_PUBLISH, .name = c->args[0] };

	if (!text_is_topic(slice_of(m.name)))
		return cli_usage(c, "'%.130s' is no topic: levels between slashes, without blanks, + and #, at most 128 bytes", m.name);
	return cli_send_data(c, &m);
}

static const struct cli_option options_publish[] = {
	{ OPT_DATA, 'd', "data", "TEXT|@FILE|-", HELP("what it carries: the text, a file's content, or standard input") },
	{ OPT_NONE, 0, NULL, NULL, NULL },
};

const struct cli_verb verb_publish = {
	"publish", "send an event to all that have subscribed to a topic", "TOPIC [-d TEXT|@FILE|-]",
	HELP("Each instance that has subscribed to the topic (pawl_subscribe) when the runtime takes it gets it once. Nobody there: it is gone."),
	options_publish, 1, 1, publish,
};
