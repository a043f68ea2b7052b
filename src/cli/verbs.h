/* verbs.h - the verbs; each is in a file of its own. */
#ifndef CLI_VERBS_H
#define CLI_VERBS_H

#include "cli/cli.h"

extern const struct cli_verb verb_run, verb_start, verb_list, verb_status, verb_get, verb_history, verb_raise, verb_wait,
	verb_watch, verb_publish, verb_signal,
	verb_suspend, verb_resume, verb_cancel, verb_terminate, verb_purge, verb_compact, verb_activities,
	verb_restart, verb_retry, verb_rewind, verb_work, verb_queue, verb_types, verb_verify, verb_graph, verb_version, verb_help,
	verb_check, verb_tree, verb_export, verb_import, verb_doctor, verb_fsck, verb_metrics;

#endif
