/* cli_signal.c - `pawl signal`: an operation for an entity. Two messages, each durable: the entity is to be there, and the
 * operation is an event of it. */
#include "cli/verbs.h"
#include "base/buf.h"
#include "base/text.h"
#include "engine/engine.h"
#include <string.h>
#include <stdlib.h>

static int check(struct cli *c)
{
	if (!text_is_key(slice_of(c->args[0])) || strchr(c->args[0], ':') || !text_is_key(slice_of(c->args[1])))
		return cli_usage(c, "'%.70s' '%.70s' is no entity: a name and a key, each 1 to 64 of A-Z a-z 0-9 _ - (the key also :)",
			c->args[0], c->args[1]);
	if (!text_is_event_name(slice_of(c->args[2])))
		return cli_usage(c, "'%.80s' is no operation: 1 to 64 of A-Z a-z 0-9 _ : -", c->args[2]);
	if (c->opt[OPT_KEY] && !text_is_key(slice_of(c->opt[OPT_KEY])))
		return cli_usage(c, "'%.80s' is no key: 1 to 64 of A-Z a-z 0-9 _ : -", c->opt[OPT_KEY]);
	return 0;
}

static int send_operation(struct cli *c, const char *id, struct slice data)
{
	struct pawl_message start = { .kind = PAWL_MESSAGE_START, .name = c->args[0], .instance = id, .if_exists = PAWL_IF_EXISTS_USE };
	struct pawl_message raise = { .kind = PAWL_MESSAGE_RAISE, .name = ENTITY_EVENT, .instance = id, .key = c->opt[OPT_KEY],
		.data = data.data, .len = data.len };
	int rc = c->provider->ops->send(c->provider, &start, &c->err);

	return rc < 0 ? rc : c->provider->ops->send(c->provider, &raise, &c->err);
}

static int signal_entity(struct cli *c)
{
	char id[sizeof(ENTITY_PREFIX) + 2 * 65];
	struct buf data = BUF_INIT;
	char *input = NULL;
	size_t len = 0;
	int rc = check(c);

	if (rc == 0)
		rc = cli_payload(c, OPT_DATA, &input, &len);
	if (rc == 0)
		rc = cli_open(c, CLI_SEND);
	if (rc == 0) {
		snprintf(id, sizeof(id), ENTITY_PREFIX "%s:%s", c->args[0], c->args[1]);
		buf_addf(&data, ENTITY_SIGNAL "%s\n", c->args[2]);
		if (input)
			buf_add(&data, input, len);
		rc = buf_ok(&data) ? send_operation(c, id, buf_slice(&data)) : err_nomem(&c->err);
	}
	if (rc == 0)
		cli_note_queued(c);
	buf_release(&data);
	free(input);
	return rc;
}

static const struct cli_option options_signal[] = {
	{ OPT_DATA, 'd', "data", "TEXT|@FILE|-", HELP("its input: the text, a file's content, or standard input") },
	{ OPT_KEY, 'k', "key", "KEY", HELP("the same key again is the same operation: it is run once") },
	{ OPT_NONE, 0, NULL, NULL, NULL },
};

const struct cli_verb verb_signal = {
	"signal", "send an operation to an entity", "NAME KEY OPERATION [-d TEXT|@FILE|-] [-k KEY]",
	HELP("The entity is made if it is not there. Nothing comes back: its state is `get entity:NAME:KEY kv.state`; "
	"one that fails leaves it as it was, and the log of the runtime says why."),
	options_signal, 3, 3, signal_entity,
};
