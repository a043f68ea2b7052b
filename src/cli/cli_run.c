/* cli_run.c - `pawl run`: the runtime, in the foreground. */
#include "cli/verbs.h"
#include "base/log.h"

#define BUSY_LOOKS 20
#define BUSY_MS 100

static bool has_owner(struct cli *c)
{
	struct pawl_error why = c->err;
	bool there = (!c->provider && cli_open(c, CLI_READ) < 0) || cli_has_runtime(c, NULL, 0);

	c->err = why;
	return there;
}

/* What a runtime that was killed had just forked holds the lock until it becomes another program. */
static int open_runtime(struct cli *c, const pawl_options *options, pawl_runtime **rt)
{
	int rc = pawl_open(rt, options, &c->err);

	for (int n = 0; rc == PAWL_EBUSY && n < BUSY_LOOKS && !has_owner(c); n++) {
		cli_sleep_ms(BUSY_MS);
		rc = pawl_open(rt, options, &c->err);
	}
	return rc;
}

static int run(struct cli *c)
{
	pawl_runtime *rt = NULL;
	uint64_t threads = 0;
	int rc = cli_number(c, OPT_THREADS, 1, 1024, &threads);

	if (rc == 0)
		rc = cli_find_hub(c);
	if (rc < 0)
		return rc;
	pawl_options options = {
		.hub = c->hub,
		.config = cli_config_path(c),
		.replay_only = c->opt[OPT_REPLAY_ONLY] != NULL,
		.check_replay = c->opt[OPT_CHECK_REPLAY] != NULL,
		.threads_max = (int)threads,
		.handle_signals = true,
		.allow_volatile = c->opt[OPT_ALLOW_VOLATILE] != NULL,
	};
	if (!c->opt[OPT_VERBOSE] && !c->opt[OPT_QUIET])
		log_set_level(LOG_LEVEL_INFO);
	enum log_level wanted = log_get_level();
	rc = open_runtime(c, &options, &rt);
	if (rc < 0)
		return rc;
	if (c->opt[OPT_VERBOSE] || c->opt[OPT_QUIET])
		log_set_level(wanted); /* before what the configuration says */
	rc = pawl_run(rt, &c->err); /* it logs when it is ready */
	pawl_close(rt);
	return rc;
}

static const struct cli_option options_run[] = {
	{ OPT_REPLAY_ONLY, 0, "replay-only", NULL,
		HELP("keep no stacks: every turn replays its history (to test orchestrations)") },
	{ OPT_CHECK_REPLAY, 0, "check-replay", NULL,
		HELP("for development: replay after every turn, and stop with exit code 1 where the code decides something else") },
	{ OPT_ALLOW_VOLATILE, 0, "allow-volatile", NULL, HELP("also on a file system that a reboot empties") },
	{ OPT_THREADS, 0, "threads", "N", HELP("at most N activities in threads at once") },
	{ OPT_NONE, 0, NULL, NULL, NULL },
};

const struct cli_verb verb_run = {
	"run", "run the hub, in the foreground", "[--replay-only] [--check-replay] [--allow-volatile] [--threads N]",
	HELP("Makes the hub when there is none, takes it over, goes on where it was left, and runs until it gets TERM or INT. HUP "
	"reads the configuration again (hub, journal, engine and threads_max need a restart), looks for drops and tries what "
	"is parked. A hub has one runtime at a time: when there is one, the exit code is 75."),
	options_run, 0, 0, run,
};
