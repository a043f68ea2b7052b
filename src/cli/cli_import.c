/* cli_import.c - `pawl import`: instances of an archive into a hub that no runtime has. */
#include "cli/bundle.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "base/json.h"
#include <errno.h>
#include <stdlib.h>

struct importing {
	struct cli *c;
	struct out out;
	bool skip, dry;
	unsigned done;
	int worst;
};

static void report(struct importing *m, const char *id, const char *result, const char *text)
{
	struct cli *c = m->c;
	struct buf json = BUF_INIT;
	bool refused = strcmp(result, "refused") == 0;

	if (c->format == OUT_TABLE) {
		if (refused)
			cli_complain(c, text);
		else if (!c->opt[OPT_QUIET])
			printf("%s: %s\n", id, text);
		fflush(stdout);
		return;
	}
	buf_adds(&json, "{\"v\":1");
	json_add_member(&json, "id", slice_of(id));
	json_add_member(&json, "action", SLICE("import"));
	json_add_member(&json, "result", slice_of(result));
	out_add_text(&json, "message", text);
	buf_addc(&json, '}');
	if (c->format != OUT_NAME || !refused)
		out_record(&m->out, id, buf_slice(&json), NULL);
	buf_release(&json);
}

/* 1 when the id is taken. */
static int exists(struct cli *c, const char *id)
{
	struct pawl_error why = { .code = 0 };
	char *text = NULL;
	size_t len;
	uint64_t which;

	if (!c->provider)
		return 0;
	int rc = c->provider->ops->read(c->provider, id, 0, &text, &len, &which, &why);
	free(text);
	return rc != PAWL_ENOTFOUND;
}

static int import_one(struct importing *m, const struct bundle *b)
{
	static const char *const texts[2][2] = {
		{ "imported (live: it goes on when a runtime starts)", "imported (it has ended)" },
		{ "would be imported (live)", "would be imported (it has ended)" },
	};
	struct cli *c = m->c;
	bool ended = false, taken = exists(c, b->id);
	int rc = 0;

	if (taken && m->skip) {
		report(m, b->id, "skipped", "skipped: it exists already");
		return 0;
	}
	if (taken)
		rc = err_set(&c->err, PAWL_EEXISTS, "instance '%s' exists already; --if-exists skip leaves it as it is", b->id);
	if (rc == 0)
		rc = bundle_check(b, &ended, &c->err);
	if (rc == 0 && !m->dry)
		rc = bundle_import(b, ended, c->provider, &c->err);
	if (rc == PAWL_EEXISTS || rc == PAWL_ECORRUPT) { /* the others are none the worse for it */
		report(m, b->id, "refused", c->err.text);
		m->worst = m->worst ? m->worst : cli_exit_of_error(rc);
		return 0;
	}
	if (rc < 0)
		return rc;
	m->done++;
	report(m, b->id, m->dry ? "dry_run" : "done", texts[m->dry][ended]);
	return 0;
}

static int import_all(struct importing *m, struct bundle_reader *r)
{
	struct cli *c = m->c;
	int rc = 0, more = 1;

	while (rc == 0 && more > 0) {
		struct bundle b;
		more = bundle_next(r, &b, &c->err);
		rc = more > 0 ? import_one(m, &b) : more;
		bundle_release(&b);
	}
	if (rc < 0 && m->done && !m->dry)
		(void)err_wrap(&c->err, "%u imported, the rest is not", m->done);
	return rc;
}

static int open_input(struct cli *c, FILE **in)
{
	const char *path = c->args[0];

	*in = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
	if (*in)
		return 0;
	(void)err_sys(&c->err, errno, "cannot open '%s'", path);
	return c->err.code = PAWL_EIO; /* "not found" is said of instances */
}

static int open_hub(struct importing *m)
{
	struct cli *c = m->c;
	int rc;

	if (m->dry) {
		rc = cli_open(c, CLI_READ);
		return rc == PAWL_ENOTFOUND ? 0 : rc; /* the import would make it */
	}
	rc = cli_open(c, CLI_CREATE);
	return rc == 0 ? c->provider->ops->acquire(c->provider, &c->err) : rc;
}

static int import(struct cli *c)
{
	static const char *const columns[] = { NULL };
	const char *policy = c->opt[OPT_IF_EXISTS];
	struct importing m = { .c = c, .dry = c->opt[OPT_DRY_RUN] != NULL };
	struct bundle_reader r;
	FILE *in = NULL;

	m.skip = policy && strcmp(policy, "skip") == 0;
	if (policy && !m.skip && strcmp(policy, "fail") != 0)
		return cli_usage(c, "--if-exists: '%.60s' is neither 'fail' nor 'skip'", policy);
	int rc = open_input(c, &in);
	if (rc < 0)
		return rc;
	rc = bundle_open(&r, in, &c->err);
	if (rc < 0)
		(void)err_wrap(&c->err, "cannot import '%s'", c->args[0]);
	if (rc == 0)
		rc = open_hub(&m);
	if (rc == 0) {
		out_begin(&m.out, c, columns, true);
		rc = import_all(&m, &r);
		int end = c->format == OUT_TABLE ? 0 : out_end(&m.out, &c->err);
		rc = rc < 0 ? rc : end;
	}
	bundle_close(&r);
	if (in != stdin)
		fclose(in);
	return rc < 0 ? rc : m.worst;
}

static const struct cli_option options_import[] = {
	{ OPT_IF_EXISTS, 0, "if-exists", "WHAT", HELP("of an instance whose id is taken: fail (refuse it; the default) or skip") },
	{ OPT_DRY_RUN, 'n', "dry-run", NULL, HELP("only check the archive, and say what would be done") },
	{ OPT_NONE, 0, NULL, NULL, NULL },
};

const struct cli_verb verb_import = {
	"import", "put instances of an archive into the hub",
	"FILE | - [--if-exists fail|skip] [--dry-run]",
	HELP("An archive of `pawl export`, in either form. The runtime must be down; a hub is made where there is none. Each "
	"instance is checked (lines, checksums, payloads) before anything of it is in the hub, and all of it appears at "
	"once: one that has ended in the archive, a live one where the next runtime finds it and goes on. Timers go by the wall "
	"clock then.\n"
	"Exit code 5 when an id was taken, 7 when an instance is damaged; the others are imported all the same."),
	options_import, 1, 1, import,
};
