/* cli_raise.c - `pawl raise`: send an event to an instance. */
#include "cli/verbs.h"
#include "base/text.h"

static int raise_event(struct cli *c)
{
	struct pawl_message m = { .kind = PAWL_MESSAGE_RAISE, .instance = c->args[0], .name = c->args[1],
		.key = c->opt[OPT_KEY] };
	int rc = cli_check_id(c, c->args[0]);

	if (rc == 0 && !text_is_event_name(slice_of(m.name)))
		rc = cli_usage(c, "'%.80s' is no event name: 1 to 64 of A-Z a-z 0-9 _ : -, first a letter or digit",
			m.name);
	if (rc == 0 && m.key && !text_is_key(slice_of(m.key)))
		rc = cli_usage(c, "'%.80s' is no key: 1 to 64 of A-Z a-z 0-9 _ : -", m.key);
	if (rc == 0)
		rc = cli_later(c, &m);
	return rc ? rc : cli_send_data(c, &m);
}

static const struct cli_option options_raise[] = {
	{ OPT_DATA, 'd', "data", "TEXT|@FILE|-", HELP("what it carries: the text, a file's content, or standard input") },
	{ OPT_KEY, 'k', "key", "KEY", HELP("the same key again is the same event: it is delivered once") },
	{ OPT_AFTER, 0, "after", "D", HELP("not before so long after it was taken") },
	{ OPT_AT, 0, "at", "TIME", HELP("not before this time, as 2026-11-21T18:00:00Z (UTC)") },
	{ OPT_NONE, 0, NULL, NULL, NULL },
};

const struct cli_verb verb_raise = {
	"raise", "send an event to an instance", "ID EVENT [-d TEXT|@FILE|-] [-k KEY] [--after D | --at TIME]",
	HELP("On return the event is on the disk. Events that come before the instance waits for them are kept in order. The same by "
	"hand: echo TEXT > HUB/instances/ID/events/EVENT. An operation of an entity is sent with `signal`."),
	options_raise, 2, 2, raise_event,
};
