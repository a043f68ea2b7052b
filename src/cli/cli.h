/*
 * cli.h - the command line, inside view: verbs, options, exit codes.
 *
 * A verb is a file with a `struct cli_verb` and one line in cli_verbs[] (verbs.c). That struct drives parsing, `pawl help`,
 * `pawl VERB --help` and the manual page.
 *
 * A function here returns 0 or an exit code, or a negative PAWL_E... with the text in c->err; pawl_main prints it and
 * turns it into an exit code (cli_exit_of_error), in one place. Data goes to standard output, all else to standard error.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "base/buf.h"
#include "base/error.h"
#include "base/parts.h"
#include "base/parts.h"
#include "os/os.h"
#include "runtime/config.h"
#include <pawl/pawl.h>
#include <pawl/provider.h>

enum cli_exit {
	CLI_DONE = 0,
	CLI_ERROR = 1,
	CLI_USAGE = 2,
	CLI_FAILED = 3,
	CLI_NOT_FOUND = 4,
	CLI_STATE = 5,
	CLI_CANCELED = 6,
	CLI_DAMAGED = 7,
	CLI_BUSY = 75,
	CLI_TIMEOUT = 124,
};

#define CLI_EUSAGE (-1000)   /* beside the PAWL_E...: a mistake in the command line */
#define CLI_TAKEN_MS 5000    /* how long an acting verb waits to see that the runtime did it */
#define CLI_TAKEN_LOOK_MS 20

enum out_format { OUT_TABLE, OUT_JSON, OUT_JSONL, OUT_YAML, OUT_NAME };

enum cli_opt {
	OPT_NONE, /* ends a table */
	/* of every verb */
	OPT_HUB, OPT_CONFIG, OPT_OUTPUT, OPT_QUIET, OPT_VERBOSE, OPT_COLOR, OPT_HELP, OPT_VERSION,
	/* of some */
	OPT_REPLAY_ONLY, OPT_ALLOW_VOLATILE, OPT_THREADS, OPT_ID, OPT_INPUT, OPT_TYPE_VERSION, OPT_WAIT, OPT_TIMEOUT,
	OPT_FOLLOW, OPT_STATUS, OPT_TYPE, OPT_SINCE, OPT_LIMIT, OPT_ALL, OPT_EXECUTION, OPT_FROM, OPT_DATA, OPT_KEY,
	OPT_ANY, OPT_TEST, OPT_REASON, OPT_YES, OPT_DRY_RUN, OPT_OLDER_THAN, OPT_MAN,
	OPT_STATE, OPT_RECORDS, OPT_ACTIVITY, OPT_TAG, OPT_PID, OPT_WORKER, OPT_ITEM, OPT_MESSAGE, OPT_FOR, OPT_FOR_GOOD,
	OPT_ONCE, OPT_TIMES, OPT_DEAD,
	OPT_STRICT, OPT_NO_FORK, OPT_DOT, OPT_MERMAID, OPT_TEXT,
	OPT_FILE, OPT_IF_EXISTS, OPT_CHECK_REPLAY, OPT_DEPTH,
	OPT_WHERE, OPT_RATE, OPT_KEEP,
	OPT_AT, OPT_AFTER, OPT_NEWER,
	OPT_TO, OPT_STEP,
	OPT_REPAIR,
	OPT_DIR,
	OPT_IO,
	OPT_COUNT
};

struct cli_option {
	enum cli_opt opt;
	char letter;       /* 0 = none */
	const char *name;
	const char *arg;   /* what its value is called, NULL = it takes none */
	const char *text;  /* one line for help */
};

/* One of those that were given with a value, in their order: of an option that may stand there more than once. */
struct cli_given {
	enum cli_opt opt;
	const char *value;
};

struct cli;

struct cli_verb {
	const char *name;
	const char *line;                 /* what it does, in some words */
	const char *usage;                /* what stands behind its name */
	const char *about;                /* more, for VERB --help and the manual page; NULL = nothing. Lines are
	                                   * paragraphs; one that begins with a blank stands as it is */
	const struct cli_option *options; /* ends with OPT_NONE; NULL = none of its own */
	int args_min, args_max;           /* arguments that are not options; -1 = any number */
	int (*run)(struct cli *c);
};

struct cli_left_out {
	const char *verb, *part;
};

extern const struct cli_verb *const cli_verbs[]; /* NULL-terminated */
extern const struct cli_left_out cli_verbs_left_out[]; /* of other builds; ends with NULL */
extern const struct cli_option cli_global_options[];

struct cli {
	const char *program;
	const struct cli_verb *verb;
	const char *opt[OPT_COUNT];   /* value (the last), "" for one that takes none, NULL when not given */
	struct cli_given *given;
	size_t given_count;
	char **args;
	int arg_count;
	enum out_format format;
	bool color, tty;              /* of standard output */
	bool bars;                    /* draw progress as a bar: what is shown is drawn again and again */
	const char *hub;              /* after cli_find_hub or cli_open */
	struct config config;
	bool config_loaded;
	const struct os *os;
	struct pawl_provider *provider;
	int64_t now_ns, boot_ms;      /* both clocks at the last cli_clock */
	char boot[9];                 /* first digits of the boot id */
	bool runtime;                 /* as it was at runtime_ms of that clock: cli_sees_runtime */
	int64_t runtime_ms;
	struct pawl_error err;
};

/* cli.c */
const struct cli_verb *cli_find_verb(const char *name);
int cli_exit_of_error(int code);
int cli_unknown_verb(struct cli *c, const char *word); /* CLI_EUSAGE: left out of this build, or did you mean ...? */
int cli_usage(struct cli *c, const char *fmt, ...) PAWL_PRINTF(2, 3); /* CLI_EUSAGE */
int cli_without(struct cli *c, const char *what, const char *part); /* CLI_EUSAGE: a part of pawl that is not in this build */
void cli_complain(const struct cli *c, const char *text); /* a line to standard error, also with -q */
void cli_note(const struct cli *c, const char *fmt, ...) PAWL_PRINTF(2, 3); /* to standard error; nothing with -q */
/* Values of options; *out stays when it was not given. */
int cli_duration(struct cli *c, enum cli_opt opt, int64_t *ms) PAWL_MUST_USE;
int cli_number(struct cli *c, enum cli_opt opt, uint64_t min, uint64_t max, uint64_t *n) PAWL_MUST_USE;
/* All values of an option that was given more than once: malloc'd, ends with NULL; NULL when it was not given. */
int cli_values(struct cli *c, enum cli_opt opt, const char ***values) PAWL_MUST_USE;
/* TEXT, @FILE or -; *data is malloc'd, or NULL when the option was not given. */
int cli_payload(struct cli *c, enum cli_opt opt, char **data, size_t *len) PAWL_MUST_USE;
/* --at and --after, of which one may be given. */
int cli_later(struct cli *c, struct pawl_message *m) PAWL_MUST_USE;
void cli_note_queued(const struct cli *c); /* when no runtime is there to take what was sent */
/* Send a message with what --data says; tells when no runtime is there to take it. Opens the hub. */
int cli_send_data(struct cli *c, struct pawl_message *m) PAWL_MUST_USE;
int cli_check_id(struct cli *c, const char *id) PAWL_MUST_USE;
int cli_check_ids(struct cli *c) PAWL_MUST_USE; /* all arguments */
const char *cli_config_path(const struct cli *c); /* NULL: the usual place */
int cli_load_config(struct cli *c) PAWL_MUST_USE;
int cli_find_hub(struct cli *c) PAWL_MUST_USE;

/* SEND: root becomes the hub's user first, or the runtime could not read what he sends; all that he alone may read is to be read
 * before. WORK: does not. CREATE: as WORK, and an empty hub is made where there is none. */
enum cli_access { CLI_READ, CLI_SEND, CLI_WORK, CLI_CREATE };
int cli_open(struct cli *c, enum cli_access access) PAWL_MUST_USE;
bool cli_has_runtime(const struct cli *c, char *who, size_t size);
bool cli_sees_runtime(struct cli *c); /* the same, but looked up once for each cli_clock */
void cli_clock(struct cli *c);
void cli_sleep_ms(int64_t ms);

/* notice.c: sleeping until something may have changed in the hub. */
struct cli_notice {
	const struct os *os;
	int watch, hub; /* -1 when the kernel has no watches left: then it only sleeps */
};
void cli_notice_open(struct cli_notice *n, struct cli *c, char **ids, int id_count);
void cli_notice_wait(struct cli_notice *n, int64_t ms);
void cli_notice_close(struct cli_notice *n);

/* cli_help.c */
int cli_help(struct cli *c, const struct cli_verb *verb); /* verb NULL: of all */
/* help_activities.c */
void cli_help_activities(void);
void cli_man_activities(void (*item)(const char *name, const char *text));
/* cli_wait.c, cli_watch.c: what `start` does after it, too. timeout_ms < 0: none. */
int cli_wait_for(struct cli *c, char **ids, int count, int64_t timeout_ms, bool any, bool test);
int cli_worst(int a, int b); /* of the ends of several: what a person must look at first */
#if PAWL_WITH_TOOLS
int cli_watch_ids(struct cli *c, char **ids, int count, int64_t timeout_ms);
#else
static inline int cli_watch_ids(struct cli *c, char **ids, int count, int64_t timeout_ms)
{
	(void)ids, (void)count, (void)timeout_ms;
	return cli_without(c, "watch", "TOOLS");
}
#endif
/* cli_start.c: a start was sent: until it is taken, and what --wait and --follow ask for. before: the execution that was there. */
int cli_start_sent(struct cli *c, const char *type, char *id, uint64_t before, int64_t timeout_ms) PAWL_MUST_USE;
int cli_show_version(struct cli *c);
#if PAWL_WITH_METRICS
int cli_show_io(struct cli *c) PAWL_MUST_USE; /* cli_metrics.c: status --io */
#endif

#endif
