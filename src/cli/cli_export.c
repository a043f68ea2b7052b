/* cli_export.c - `pawl export`: instances into an archive. */
#include "cli/bundle.h"
#include "cli/instance.h"
#include "cli/verbs.h"
#include <errno.h>
#include <unistd.h>

struct exporting {
	struct cli *c;
	FILE *out;
	bool text;
	unsigned done, not_begun;
};

static int export_id(struct exporting *e, const char *id)
{
	struct cli *c = e->c;
	struct bundle b;
	unsigned missing = 0;

	bundle_init(&b, id);
	int rc = bundle_read(&b, c->provider, &missing, &c->err);
	if (rc == 0 && b.count == 0)
		e->not_begun++;
	else if (rc == 0)
		rc = bundle_write(&b, e->out, e->text, &c->err);
	if (rc == 0 && missing)
		cli_note(c, "'%s' is exported without %u payload file%s that its histories name: it cannot be imported like that",
			id, missing, missing > 1 ? "s" : "");
	e->done += rc == 0 && b.count > 0;
	bundle_release(&b);
	return rc;
}

static int export_match(void *arg, struct cli_instance *i)
{
	struct exporting *e = arg;
	int rc = export_id(e, i->id);

	return rc == PAWL_ENOTFOUND ? 0 : rc; /* purged meanwhile */
}

static int export_all(struct exporting *e)
{
	struct cli *c = e->c;
	struct select s;
	int rc = select_parse(c, &s);

	if (rc == 0 && c->arg_count == 0)
		return select_each(c, &s, true, true, export_match, e);
	for (int n = 0; rc == 0 && n < c->arg_count; n++) {
		unsigned before = e->done;
		rc = export_id(e, c->args[n]);
		if (rc == 0 && e->done == before)
			rc = err_set(&c->err, PAWL_ESTATE, "'%s' has not begun yet: there is nothing to export",
				c->args[n]);
	}
	return rc;
}

static int write_all(struct exporting *e)
{
	struct cli *c = e->c;
	int rc = bundle_write_head(e->out, e->text, &c->err);

	if (rc == 0)
		rc = export_all(e);
	return rc == 0 ? bundle_write_end(e->out, e->text, &c->err) : rc;
}

/* A copy that is to outlive the device is not done before it is on the disk; half of one is none. */
static int export_to(struct exporting *e, const char *path)
{
	struct cli *c = e->c;

	e->out = fopen(path, "wb");
	if (!e->out)
		return err_sys(&c->err, errno, "cannot write '%s'", path);
	int rc = write_all(e);
	if (rc == 0 && fsync(fileno(e->out)) < 0 && errno != EINVAL && errno != ENOTSUP)
		rc = err_sys(&c->err, errno, "cannot write '%s'", path);
	if (fclose(e->out) != 0 && rc == 0)
		rc = err_sys(&c->err, errno, "cannot write '%s'", path);
	if (rc < 0)
		(void)remove(path);
	return rc;
}

static int check_arguments(struct cli *c, bool to_stdout)
{
	bool filter = select_is_given(c) || c->opt[OPT_ALL];

	if ((c->arg_count > 0) == filter)
		return cli_usage(c, "export needs ids, or a filter or --all, and not both: %s export %s", c->program,
			c->verb->usage);
	if (to_stdout && c->tty && !c->opt[OPT_TEXT])
		return cli_usage(c, "an archive is nothing for a terminal: -o FILE, or --text");
	return cli_check_ids(c);
}

static int export(struct cli *c)
{
	const char *path = c->opt[OPT_FILE];
	bool to_stdout = !path || strcmp(path, "-") == 0;
	struct exporting e = { .c = c, .out = stdout, .text = c->opt[OPT_TEXT] != NULL };
	int rc = check_arguments(c, to_stdout);

	if (rc == 0)
		rc = cli_open(c, CLI_READ);
	if (rc == 0)
		rc = to_stdout ? write_all(&e) : export_to(&e, path);
	if (rc < 0)
		return rc;
	if (e.not_begun)
		cli_note(c, "%u left out: not begun yet", e.not_begun);
	cli_note(c, "%u exported", e.done);
	if (e.done == 0)
		cli_note(c, "no instances like that in '%s'", c->hub);
	return CLI_DONE;
}

static const struct cli_option options_export[] = {
	{ OPT_FILE, 'o', "output", "FILE", HELP("into this file; - is standard output, which is the default") },
	{ OPT_TEXT, 0, "text", NULL, HELP("lines of JSON instead of a tar archive, one for each instance") },
	{ OPT_STATUS, 's', "status", "STATUS,...", HELP("all of these; Parked and Damaged count as statuses here") },
	{ OPT_TYPE, 't', "type", "TYPE", HELP("all of this orchestration") },
	{ OPT_SINCE, 0, "since", "D", HELP("all in which something happened in the last 30s, 2h, 7d ...") },
	{ OPT_OLDER_THAN, 0, "older-than", "D", HELP("all in which nothing happened for so long") },
	{ OPT_WHERE, 0, "where", "EXPR", HELP("all for which this holds, such as 'kv.site=7 and status~wait'") },
	{ OPT_ALL, 'a', "all", NULL, HELP("all there are") },
	{ OPT_NONE, 0, NULL, NULL, NULL },
};

const struct cli_verb verb_export = {
	"export", "write instances into an archive",
	"ID... | [-s STATUS,...] [-t TYPE] [--since D] [--older-than D] [--where EXPR] | --all [-o FILE] [--text]",
	HELP("The archive is for tar(1), too: pawl-export.json, and ID/1.history ... with the payload files of each instance, live or "
	"ended, as they are on the disk. Events that it has not taken yet, work directories and notes are not in it.\n"
	"Writes nothing into the hub, and a runtime may work on it meanwhile: each instance is as it was at one moment, two "
	"of them not at the same one. `pawl import` puts them into another hub."),
	options_export, 0, -1, export,
};
