/* cli_restart.c - `pawl restart`. */
#include "cli/control.h"
#include "cli/verbs.h"
#include "base/text.h"
#include <stdlib.h>

static const char *refusal(const struct cli_instance *i)
{
	return i->damaged ? "is damaged" : i->history.count == 0 ? "has not begun" : NULL;
}

/* Another instance with the same type and input. */
static int start_like(struct cli *c)
{
	struct cli_instance i;
	struct pawl_message m = { .kind = PAWL_MESSAGE_START, .instance = c->opt[OPT_ID], .version = c->opt[OPT_TYPE_VERSION] };
	char *data = NULL, *type = NULL, id[129];
	int64_t timeout_ms = -1;
	int rc = cli_duration(c, OPT_TIMEOUT, &timeout_ms);

	if (rc == 0)
		rc = cli_open(c, CLI_SEND);
	if (rc < 0)
		return rc;
	rc = instance_read(c, c->args[0], 0, &i);
	const char *why = rc == 0 ? refusal(&i) : NULL;
	if (why)
		rc = err_set(&c->err, PAWL_ESTATE, "'%s' %s", i.id, why);
	if (rc == 0 && i.history.events[0].fields & FIELD_DATA)
		rc = instance_payload(c, &i, &i.history.events[0], &data, &m.len);
	m.data = data;
	m.name = type = rc == 0 ? strdup(i.view.type) : NULL;
	if (rc == 0 && !type)
		rc = err_nomem(&c->err);
	if (rc == 0 && c->opt[OPT_DRY_RUN])
		printf("%s: would be started from '%s'\n", m.instance, i.id);
	else if (rc == 0)
		rc = c->provider->ops->send(c->provider, &m, &c->err);
	instance_release(&i);
	snprintf(id, sizeof(id), "%s", c->opt[OPT_ID]);
	if (rc == 0 && !c->opt[OPT_DRY_RUN])
		rc = cli_start_sent(c, type, id, 0, timeout_ms);
	free(data);
	free(type);
	return rc;
}

static int restart(struct cli *c)
{
	static const struct control control = {
		.kind = PAWL_MESSAGE_RESTART, .done = "restarted", .asked = "asked to restart",
		.all = true, .executions = true, .refusal = refusal,
	};
	const char *version = c->opt[OPT_TYPE_VERSION];

	if (version && !text_is_version(slice_of(version)))
		return cli_usage(c, "'%.80s' is no version", version);
	if (c->opt[OPT_TIMEOUT] && !c->opt[OPT_WAIT])
		return cli_usage(c, "--timeout is for --wait");
	if (!c->opt[OPT_ID])
		return control_run(c, &control);
	if (c->arg_count != 1)
		return cli_usage(c, "--id is for one instance: %s restart ID --id NEW", c->program);
	int rc = cli_check_ids(c);
	if (rc == 0)
		rc = cli_check_id(c, c->opt[OPT_ID]);
	return rc < 0 ? rc : start_like(c);
}

static const struct cli_option options_restart[] = {
	{ OPT_ID, 0, "id", "NEW", HELP("leave it as it is, and start another with this id, of the same type and with the same input") },
	{ OPT_TYPE_VERSION, 0, "version", "V", HELP("this version of the orchestration (else the newest)") },
	INSTEAD_OF_IDS_OPTIONS,
	ACT_OPTIONS,
	REASON_OPTION,
	AWAIT_OPTIONS,
	{ OPT_NONE, 0, NULL, NULL, NULL },
};

const struct cli_verb verb_restart = {
	"restart", "begin an instance again from its start",
	"ID... | ID --id NEW | -s STATUS,... | -t TYPE | --where EXPR [--version V] [--yes] [--dry-run] [--reason TEXT] [-w [--timeout D]]",
	HELP("Its next execution begins with the same input, live or ended; one that is live is terminated in the same commit. What was before is kept: "
	"`history ID --execution N`. See `retry` and `rewind` for not doing everything again."),
	options_restart, 0, -1, restart,
};
