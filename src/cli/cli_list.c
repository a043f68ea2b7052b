/* cli_list.c - `pawl list`. */
#include "cli/instance.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "base/text.h"

struct listing {
	struct cli *c;
	struct out out;
	uint64_t left;
};

static int add(void *arg, struct cli_instance *i)
{
	struct listing *l = arg;
	struct buf summary = BUF_INIT, json = BUF_INIT;
	char since[TEXT_TIME_SIZE] = "";
	int64_t age_ms = (l->c->now_ns - i->view.updated_ns) / 1000000;
	int rc = 0;

	if (i->view.type && age_ms >= 0)
		text_duration(since, age_ms);
	if (l->out.format == OUT_TABLE)
		instance_summary(l->c, i, &summary);
	else
		rc = instance_json(l->c, i, false, false, &json);
	const char *const cells[] = { i->id, i->view.type, instance_status(i), since, buf_str(&summary) };
	if (rc == 0 && !buf_ok(&summary))
		rc = err_nomem(&l->c->err);
	if (rc == 0)
		out_record(&l->out, i->id, buf_slice(&json), cells);
	buf_release(&summary);
	buf_release(&json);
	if (rc == 0 && (--l->left == 0 || ferror(stdout)))
		rc = 1;
	return rc;
}

static int list(struct cli *c)
{
	static const char *const columns[] = { "ID", "TYPE", "STATUS", "SINCE", "WAITS FOR / RESULT", NULL };
	struct listing l = { .c = c, .left = UINT64_MAX };
	struct select s;
	int rc = select_parse(c, &s);

	if (rc == 0)
		rc = cli_number(c, OPT_LIMIT, 1, UINT64_MAX, &l.left);
	if (rc == 0)
		rc = cli_open(c, CLI_READ);
	if (rc < 0)
		return rc;
	out_begin(&l.out, c, columns, true);
	bool archived = c->opt[OPT_ALL] || s.wants_ended;
	rc = select_each(c, &s, true, archived, add, &l);
	int end = out_end(&l.out, &c->err);
	if (rc >= 0 && l.out.records == 0)
		cli_note(c, "no instances%s in '%s'%s", select_is_given(c) || c->opt[OPT_SINCE] ? " like that" : "",
			c->hub, archived ? "" : " (-a: also those that ended)");
	return rc < 0 ? rc : end;
}

static const struct cli_option options_list[] = {
	{ OPT_STATUS, 's', "status", "STATUS,...", HELP("only these; Parked and Damaged count as statuses here") },
	{ OPT_TYPE, 't', "type", "TYPE", HELP("only of this orchestration") },
	{ OPT_SINCE, 0, "since", "D", HELP("only those in which something happened in the last 30s, 2h, 7d ...") },
	{ OPT_OLDER_THAN, 0, "older-than", "D", HELP("only those in which nothing happened for so long") },
	{ OPT_WHERE, 0, "where", "EXPR", HELP("only those for which this holds, such as 'kv.site=7 and status~wait'") },
	{ OPT_LIMIT, 'n', "limit", "N", HELP("the first N") },
	{ OPT_ALL, 'a', "all", NULL, HELP("also those that ended") },
	{ OPT_NONE, 0, NULL, NULL, NULL },
};

const struct cli_verb verb_list = {
	"list", "list instances", "[-s STATUS,...] [-t TYPE] [--since D] [--where EXPR] [-n N] [-a]",
	HELP("Live instances by id, then with -a, or when -s names a status that ends, those that ended. SINCE is the time since the "
	"last change.\n"
	"EXPR is FIELD=VALUE, FIELD!=VALUE or FIELD~VALUE (has VALUE in it; with * or ? in it VALUE is a pattern for all of it), "
	"or several of them with `and` between. FIELD is id, type, version, status (what the instance says of itself), error, or kv.KEY. A VALUE "
	"with ` and ` in it stands in quotes. What an instance does not have is not equal to anything."),
	options_list, 0, 0, list,
};
