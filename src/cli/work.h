/* work.h - what the words of `pawl work` share: who works, on what. */
#ifndef CLI_WORK_H
#define CLI_WORK_H

#include "cli/cli.h"
#include <limits.h>

#define WORK_VARIABLES 10

/* As exit codes of a process activity. */
enum work_code {
	WORK_CODE_DONE = 0,
	WORK_CODE_STALLED = 1,
	WORK_CODE_DEFERRED = 75,
	WORK_CODE_REBOOT = 76,
	WORK_CODE_FAILED = 100,
};

/* What is wanted, from -a and --tag; release also after a failure. worker must stay. */
struct work_wanted {
	struct pawl_work_wanted wanted;
	const char **activities, **tags;
};
int work_wanted(struct cli *c, const char *worker, struct work_wanted *w) PAWL_MUST_USE;
void work_wanted_release(struct work_wanted *w);

/* The environment of a worker, for one item, which must stay. A value may be NULL. */
struct work_env {
	struct {
		const char *name, *value;
	} v[WORK_VARIABLES];
	char numbers[3][24], hub[PATH_MAX];
};
void work_env_fill(struct work_env *env, const struct cli *c, const struct pawl_work_item *item, const char *worker);

/* The path for who is in another directory; false when it is too long, or nobody knows where we are. */
bool work_absolute(const char *path, char out[PATH_MAX]);

/* In words for people, with what to do: PAWL_ESTATE when it is not this worker's any more. */
/* dir: its work directory, to tell what was canceled from what was taken back; NULL: it does not matter. */
int work_explain(struct cli *c, int rc, const char *item, const char *worker, const char *dir) PAWL_MUST_USE;

int work_serve(struct cli *c); /* cli_serve.c */

#endif
