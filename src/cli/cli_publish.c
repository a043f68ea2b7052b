/* cli_publish.c - `pawl publish`: an event for all that have subscribed to a topic. */
#include "cli/verbs.h"
#include "base/text.h"
#include <stdlib.h>

static int publish(struct cli *c)
{
	struct pawl_message m = { .kind = PAWL_MESSAGE_PUBLISH, .name = c->args[0] };
	char *data = NULL;
	int rc = 0;

	if (!text_is_topic(slice_of(m.name)))
		rc = cli_usage(c, "'%.130s' is no topic: levels between slashes, without blanks, + and #, at most 128 bytes", m.name);
	if (rc == 0)
		rc = cli_payload(c, OPT_DATA, &data, &m.len);
	m.data = data;
	if (rc == 0)
		rc = cli_open(c, CLI_SEND);
	if (rc == 0)
		rc = c->provider->ops->send(c->provider, &m, &c->err);
	if (rc == 0 && !cli_has_runtime(c, NULL, 0))
		cli_note(c, "queued: no runtime is using '%s' (start one with `%s run`)", c->hub, c->program);
	free(data);
	return rc;
}

static const struct cli_option options_publish[] = {
	{ OPT_DATA, 'd', "data", "TEXT|@FILE|-", "what it carries: the text, a file's content, or standard input" },
	{ OPT_NONE, 0, NULL, NULL, NULL },
};

const struct cli_verb verb_publish = {
	"publish", "send an event to all that have subscribed to a topic", "TOPIC [-d TEXT|@FILE|-]",
	"Each instance that has subscribed to the topic (pawl_subscribe) when the runtime takes it gets it once. Nobody there: it is gone.",
	options_publish, 1, 1, publish,
};
