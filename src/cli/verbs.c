/* verbs.c - all verbs, in the order of help. A new one is a file and a line here, with the part it belongs to (base/parts.h). */
#include "cli/verbs.h"
#include "base/parts.h"

#define VERBS(V) \
	V(CORE, run) \
	V(CORE, start) \
	V(CORE, list) \
	V(CORE, status) \
	V(TOOLS, get) \
	V(CORE, history) \
	V(CORE, raise) \
	V(TOPICS, publish) \
	V(ENTITIES, signal) \
	V(CORE, wait) \
	V(TOOLS, watch) \
	V(CORE, suspend) \
	V(CORE, resume) \
	V(CORE, cancel) \
	V(CORE, terminate) \
	V(REVIVE, retry) \
	V(REVIVE, rewind) \
	V(REVIVE, restart) \
	V(CORE, purge) \
	V(TOOLS, compact) \
	V(TOOLS, activities) \
	V(WORKERS, work) \
	V(WORKERS, queue) \
	V(TOOLS, types) \
	V(TOOLS, check) \
	V(TOOLS, verify) \
	V(TOOLS, graph) \
	V(TOOLS, tree) \
	V(TOOLS, export) \
	V(TOOLS, import) \
	V(FSCK, fsck) \
	V(DOCTOR, doctor) \
	V(METRICS, metrics) \
	V(CORE, version) \
	V(CORE, help)

#define HERE(part, name) IF_PART(part, &verb_##name,)
#define LEFT_OUT(part, name) UNLESS_PART(part, { #name, #part },)

const struct cli_verb *const cli_verbs[] = { VERBS(HERE) NULL };
const struct cli_left_out cli_verbs_left_out[] = { VERBS(LEFT_OUT) { NULL, NULL } };

const struct cli_option cli_global_options[] = {
	{ OPT_HUB, 'H', "hub", "DIR", HELP("the hub (else $PAWL_HUB, else hub of the configuration, else /var/lib/pawl)") },
	{ OPT_CONFIG, 'c', "config", "PATH", HELP("configuration file or directory (else $PAWL_CONFIG, else /etc/pawl)") },
	{ OPT_OUTPUT, 'o', "output", "FORMAT", HELP("table, json, jsonl, yaml or name") },
	{ OPT_QUIET, 'q', "quiet", NULL, HELP("no notes on standard error, only errors") },
	{ OPT_VERBOSE, 'v', "verbose", NULL, HELP("more on standard error") },
	{ OPT_COLOR, 0, "color", "WHEN", HELP("auto, always or never; auto heeds $NO_COLOR") },
	{ OPT_HELP, 'h', "help", NULL, HELP("help, of the verb when there is one") },
	{ OPT_VERSION, 0, "version", NULL, HELP("the version") },
	{ OPT_NONE, 0, NULL, NULL, NULL },
};
