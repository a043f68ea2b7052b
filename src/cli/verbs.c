/* verbs.c - all verbs, in the order of help. A new one is a file and a line here. */
#include "cli/verbs.h"

const struct cli_verb *const cli_verbs[] = {
	&verb_run,
	&verb_start,
	&verb_list,
	&verb_status,
	&verb_get,
	&verb_history,
	&verb_raise,
	&verb_wait,
	&verb_watch,
	&verb_suspend,
	&verb_resume,
	&verb_terminate,
	&verb_purge,
	&verb_activities,
	&verb_work,
	&verb_queue,
	&verb_types,
	&verb_verify,
	&verb_graph,
	&verb_version,
	&verb_help,
	NULL,
};

const struct cli_option cli_global_options[] = {
	{ OPT_HUB, 'H', "hub", "DIR", "the hub (else $PAWL_HUB, else hub of the configuration, else /var/lib/pawl)" },
	{ OPT_CONFIG, 'c', "config", "PATH", "configuration file or directory (else $PAWL_CONFIG, else /etc/pawl)" },
	{ OPT_OUTPUT, 'o', "output", "FORMAT", "table, json, jsonl, yaml or name" },
	{ OPT_QUIET, 'q', "quiet", NULL, "no notes on standard error, only errors" },
	{ OPT_VERBOSE, 'v', "verbose", NULL, "more on standard error" },
	{ OPT_COLOR, 0, "color", "WHEN", "auto, always or never; auto heeds $NO_COLOR" },
	{ OPT_HELP, 'h', "help", NULL, "help, of the verb when there is one" },
	{ OPT_VERSION, 0, "version", NULL, "the version" },
	{ OPT_NONE, 0, NULL, NULL, NULL },
};
