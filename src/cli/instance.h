/* instance.h - one instance as the reading verbs see it: its newest execution, folded, and the runtime's note. */
#ifndef CLI_INSTANCE_H
#define CLI_INSTANCE_H

#include "cli/cli.h"
#include "history/history.h"
#include "history/view.h"

struct cli_instance {
	char id[129];
	uint64_t execution;
	bool damaged;      /* set aside, or its history cannot be read to the end */
	char *note;        /* why it is damaged or parked; NULL when it is neither */
	char *text;        /* the history as it is stored */
	size_t len;
	struct history history;
	struct view view;
};

/* execution 0 = the newest. Damage is not an error here. Release also after a failure. */
int instance_read(struct cli *c, const char *id, uint64_t execution, struct cli_instance *i) PAWL_MUST_USE;
/* What instance_read does with the text once it is there: parse, fold; damage is noted. For other places that texts come from. */
int instance_fold(struct cli *c, struct cli_instance *i) PAWL_MUST_USE;
void instance_release(struct cli_instance *i);
/* "EXECUTION.NUMBER": higher each time that it has set its status. */
#define INSTANCE_STATUS_VERSION_SIZE 48
/* Is it due by the wall clock, and that is not set? */
bool instance_waits_for_clock(const struct cli *c, const struct open_item *item);
void instance_status_version(const struct cli_instance *i, char *out);
const char *instance_status(const struct cli_instance *i); /* "Running" ..., "Damaged" */
bool instance_is_ended(const struct cli_instance *i);
/* How it ended, as an exit code; -1 while it has not. */
int instance_exit(const struct cli_instance *i);
/* *out: malloc'd, NULL when there is none. */
int instance_output(struct cli *c, const struct cli_instance *i, char **out, size_t *len) PAWL_MUST_USE;
int instance_payload(struct cli *c, const struct cli_instance *i, const struct event *e, char **out,
	size_t *len) PAWL_MUST_USE;

/* In a few words: what it waits for, or how it ended. */
void instance_summary(struct cli *c, const struct cli_instance *i, struct buf *out);
/* The object of `-o json`; docs/man/pawl.1 has its fields. full: with payloads, and the input when wanted. */
int instance_json(struct cli *c, const struct cli_instance *i, bool full, bool input, struct buf *out) PAWL_MUST_USE;
void instance_describe_item(struct cli *c, const struct cli_instance *i, const struct open_item *item, struct buf *out);
/* By the boot's clock when it was set in this boot, else by the wall clock (I9). false: nobody knows. */
bool instance_due(const struct cli *c, const struct open_item *item, int64_t *left_ms, int64_t *at_ns);

/* where.c: FIELD OP VALUE, several joined by "and". */
#define WHERE_TERMS_MAX 16
#define WHERE_VALUE_MAX 255
struct where {
	struct where_term {
		const struct where_field *field;
		enum where_op { WHERE_IS, WHERE_IS_NOT, WHERE_HAS } op;
		char key[65], value[WHERE_VALUE_MAX + 1];
	} terms[WHERE_TERMS_MAX];
	size_t count;
};
int where_parse(struct cli *c, const char *text, struct where *w) PAWL_MUST_USE;
/* 1, 0, or PAWL_E... */
int where_matches(struct cli *c, const struct where *w, const struct cli_instance *i) PAWL_MUST_USE;

/* Beside -s and -t, whose texts are the verb's own. */
#define SELECT_OPTIONS \
	{ OPT_SINCE, 0, "since", "D", HELP("of them those in which something happened in the last 30s, 2h, 7d ...") }, \
	{ OPT_OLDER_THAN, 0, "older-than", "D", HELP("of them those in which nothing happened for so long") }, \
	{ OPT_WHERE, 0, "where", "EXPR", HELP("of them those for which this holds, such as 'kv.site=7 and status~wait' (`pawl list --help`)") }
#define RATE_OPTION { OPT_RATE, 0, "rate", "N", HELP("at most so many a second") }

/* Which instances: -s STATUS,..., -t TYPE, --since D, --older-than D, --where EXPR. */
struct select {
	unsigned statuses;   /* bit for each enum instance_status; 0 = any */
	bool damaged, parked, any_status;
	bool wants_ended;    /* the archive must be looked at */
	const char *type;
	int64_t since_ns, before_ns; /* of the last change; 0 = any */
	struct where where;
};
int select_parse(struct cli *c, struct select *s) PAWL_MUST_USE;
bool select_is_given(const struct cli *c);
/*
 * Each instance that matches; one that ended in between comes once. Stops with the callback's value if not 0. One that
 * cannot be read is passed over, and told of at the end.
 */
int select_each(struct cli *c, const struct select *s, bool live, bool archived,
                int (*each)(void *arg, struct cli_instance *i), void *arg) PAWL_MUST_USE;

#endif
