/* cli_verify.c - `pawl verify`: do the stored histories fit the code of this program? Runs nothing, writes nothing. */
#include "cli/history_file.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "cli/verify.h"
#include "base/json.h"
#include "runtime/registry.h"

#define TIME_MAX_MS 10000
#define READ_TIMES_MAX 3 /* of one that a runtime goes on with meanwhile */

struct verifying {
	struct cli *c;
	struct registry *registry;
	struct verifier verifier;
	struct out out;
	unsigned counts[VERDICT_COUNT], not_begun;
	const char *path; /* of the one that is looked at; NULL: it is in the hub */
};

/* ---- one ---- */

struct versions {
	const char *name;
	struct buf text;
};

static int add_version(void *arg, const struct registry_item *item)
{
	struct versions *v = arg;

	if (strcmp(item->kind, "activity") != 0 && strcmp(item->name, v->name) == 0)
		buf_addf(&v->text, "%s%s", v->text.len ? ", " : "", item->version);
	return 0;
}

static void tell_unregistered(const struct verifying *v, const struct view *view, struct verdict *out)
{
	struct versions versions = { view->type, BUF_INIT };

	(void)registry_each(v->registry, add_version, &versions);
	verdict_set(out, VERDICT_UNREGISTERED, "orchestration '%s' version %s is not registered%s%s", view->type,
		view->version, versions.text.len ? ", only " : "", buf_str(&versions.text));
	buf_release(&versions.text);
}

static void judge(struct verifying *v, const struct cli_instance *i, struct verdict *out)
{
	*out = (struct verdict){ .kind = VERDICT_OK };
	if (i->damaged) {
		verdict_set(out, VERDICT_DAMAGED, "%s", i->note ? i->note : "damaged");
		return;
	}
	const struct pawl_registration *def = registry_orchestration(v->registry, i->view.type, i->view.version);
	if (!def) {
		tell_unregistered(v, &i->view, out);
		return;
	}
	struct verify one = { i->id, v->path, i->execution, { i->text, i->len }, &i->history, def->orchestration };
	if (v->c->opt[OPT_NO_FORK])
		verify_here(&v->verifier, &one, out);
	else
		verify_forked(&v->verifier, &one, out);
}

/* Half a turn that a runtime was writing while it was read looks like other code: what has grown is read again. */
static int judge_again(struct verifying *v, const struct cli_instance *i, struct verdict *out)
{
	size_t len = i->len;
	int rc = 0;

	for (int n = 1; rc == 0 && n < READ_TIMES_MAX && out->kind == VERDICT_DIFFERS; n++) {
		struct cli_instance again;
		rc = instance_read(v->c, i->id, i->execution, &again);
		bool grown = rc == 0 && again.len != len;
		len = again.len;
		if (grown)
			judge(v, &again, out);
		instance_release(&again);
		if (!grown)
			break;
	}
	return rc == PAWL_ENOTFOUND ? 0 : rc;
}

/* ---- showing ---- */

static void add_json(const struct verifying *v, const struct cli_instance *i, const struct verdict *out,
                     struct buf *json)
{
	buf_adds(json, "{\"v\":1");
	json_add_member(json, "id", slice_of(i->id));
	json_add_member_u64(json, "execution", i->execution);
	out_add_text(json, "file", v->path);
	out_add_text(json, "type", i->view.type);
	out_add_text(json, "version", i->view.version);
	json_add_member(json, "result", slice_of(verdict_name(out->kind)));
	if (out->line) {
		json_add_member_u64(json, "line", out->line);
		out_add_text(json, "expected", out->expected);
		out_add_text(json, "actual", out->actual);
	}
	out_add_text(json, "reason", out->why[0] ? out->why : NULL);
	buf_addc(json, '}');
}

static int show(struct verifying *v, const struct cli_instance *i, const struct verdict *out)
{
	const char *name = v->path ? v->path : i->id;
	const char *const cells[] = { name, i->view.type, i->view.version, verdict_name(out->kind), out->why };
	struct buf json = BUF_INIT;

	add_json(v, i, out, &json);
	int rc = buf_ok(&json) ? 0 : err_nomem(&v->c->err);
	if (rc == 0)
		out_record(&v->out, name, buf_slice(&json), cells);
	v->counts[out->kind]++;
	buf_release(&json);
	return rc;
}

static int verify_one(void *arg, struct cli_instance *i)
{
	struct verifying *v = arg;
	struct verdict out;
	int rc = 0;

	if (!i->damaged && i->history.count == 0) { /* any code fits */
		v->not_begun++;
		return 0;
	}
	judge(v, i, &out);
	if (!v->path)
		rc = judge_again(v, i, &out);
	if (rc == 0)
		rc = show(v, i, &out);
	return rc < 0 ? rc : ferror(stdout) ? 1 : 0;
}

/* ---- which ---- */

static int verify_argument(struct verifying *v, const char *arg)
{
	struct cli_instance i;

	v->path = history_file_is(arg) ? arg : NULL;
	int rc = v->path ? history_file_read(v->c, arg, v->c->opt[OPT_ID], &i) : instance_read(v->c, arg, 0, &i);
	if (rc == 0)
		rc = verify_one(v, &i);
	instance_release(&i);
	return rc;
}

static int verify_all(struct verifying *v)
{
	struct cli *c = v->c;
	struct select s;
	int rc = select_parse(c, &s);

	if (rc == 0 && c->arg_count == 0)
		return select_each(c, &s, true, c->opt[OPT_ALL] || s.wants_ended, verify_one, v);
	for (int n = 0; rc == 0 && n < c->arg_count; n++)
		rc = verify_argument(v, c->args[n]);
	return rc;
}

static int check_arguments(struct cli *c, bool *needs_hub)
{
	int rc = 0;

	*needs_hub = c->arg_count == 0;
	if (c->arg_count && (select_is_given(c) || c->opt[OPT_ALL]))
		rc = cli_usage(c, "verify takes ids and files, or a filter, and not both");
	if (rc == 0 && c->opt[OPT_ID])
		rc = cli_check_id(c, c->opt[OPT_ID]);
	for (int n = 0; rc == 0 && n < c->arg_count; n++) {
		if (history_file_is(c->args[n]))
			continue;
		*needs_hub = true;
		rc = cli_check_id(c, c->args[n]);
	}
	return rc;
}

static int get_ready(struct verifying *v)
{
	struct cli *c = v->c;
	bool needs_hub;
	int rc = check_arguments(c, &needs_hub);

	v->verifier = (struct verifier){ .os = c->os, .time_max_ms = TIME_MAX_MS };
	if (rc == 0)
		rc = cli_duration(c, OPT_TIMEOUT, &v->verifier.time_max_ms);
	if (rc == 0)
		rc = cli_load_config(c);
	if (rc == 0)
		rc = registry_new(&v->registry, &c->config, &c->err);
	if (rc == 0 && needs_hub)
		rc = cli_open(c, CLI_READ);
	v->verifier.provider = c->provider;
	v->verifier.engine = (struct engine_options){ .resident = !c->config.engine.replay_only,
		.stack_bytes = (size_t)c->config.engine.stack_bytes, .memory_max = (size_t)c->config.engine.memory_max,
		.events_buffered_max = c->config.limits.events_buffered_max };
	return rc;
}

/* ---- the end ---- */

static void add_count(struct buf *text, unsigned count, const char *what)
{
	if (count)
		buf_addf(text, ", %u %s", count, what);
}

static void summary(const struct verifying *v)
{
	static const struct {
		enum verdict_kind kind;
		const char *what;
	} words[] = {
		{ VERDICT_DIFFERS, "different" },
		{ VERDICT_CRASHED, "crashed" },
		{ VERDICT_ENDLESS, "without an end" },
		{ VERDICT_UNREADABLE, "of a newer pawl" },
		{ VERDICT_UNREGISTERED, "not registered" },
		{ VERDICT_DAMAGED, "damaged" },
		{ VERDICT_ERROR, "not known" },
	};
	struct buf text = BUF_INIT;

	for (size_t n = 0; n < sizeof(words) / sizeof(words[0]); n++)
		add_count(&text, v->counts[words[n].kind], words[n].what);
	add_count(&text, v->not_begun, "not begun yet");
	cli_note(v->c, "%u ok%s", v->counts[VERDICT_OK], buf_str(&text));
	buf_release(&text);
}

static int exit_of(const struct verifying *v)
{
	const unsigned *n = v->counts;
	unsigned failed = n[VERDICT_DIFFERS] + n[VERDICT_CRASHED] + n[VERDICT_ENDLESS] + n[VERDICT_UNREADABLE];
	int code = CLI_DONE;

	if (v->c->opt[OPT_STRICT])
		failed += n[VERDICT_UNREGISTERED];
	if (failed)
		code = CLI_FAILED;
	if (n[VERDICT_ERROR])
		code = cli_worst(code, CLI_ERROR);
	if (n[VERDICT_DAMAGED])
		code = cli_worst(code, CLI_DAMAGED);
	return code == CLI_DONE && n[VERDICT_OK] == 0 ? CLI_NOT_FOUND : code;
}

static int verify(struct cli *c)
{
	static const char *const columns[] = { "ID", "TYPE", "VERSION", "RESULT", "WHY", NULL };
	struct verifying v = { .c = c };
	int rc = get_ready(&v);

	if (rc == 0) {
		out_begin(&v.out, c, columns, true);
		v.out.line_max = 0; /* the whole of WHY is what it is about */
		rc = verify_all(&v);
		int end = out_end(&v.out, &c->err);
		rc = rc < 0 ? rc : end;
	}
	verify_end(&v.verifier);
	registry_free(v.registry);
	if (rc < 0)
		return rc;
	summary(&v);
	rc = exit_of(&v);
	if (rc == CLI_NOT_FOUND)
		cli_note(c, "nothing to verify%s",
			v.counts[VERDICT_UNREGISTERED] ? ": this program has none of these orchestrations" : "");
	return rc;
}

static const struct cli_option options_verify[] = {
	{ OPT_TYPE, 't', "type", "TYPE", HELP("only of this orchestration") },
	{ OPT_STATUS, 's', "status", "STATUS,...", HELP("only these; Parked and Damaged count as statuses here") },
	{ OPT_ALL, 'a', "all", NULL, HELP("also those that ended") },
	{ OPT_STRICT, 0, "strict", NULL, HELP("one whose type or version is not registered counts as a difference") },
	{ OPT_TIMEOUT, 0, "timeout", "D", HELP("for each, 10s when not given; 0: no limit") },
	{ OPT_ID, 0, "id", "ID", HELP("the instance id that the code sees, when a FILE's name does not tell") },
	{ OPT_NO_FORK, 0, "no-fork", NULL, HELP("in one process, for a debugger: a crash ends pawl") },
	{ OPT_NONE, 0, NULL, NULL, NULL },
};

const struct cli_verb verb_verify = {
	"verify", "replay stored histories against the code of this program",
	"[ID... | [-t TYPE] [-s STATUS,...] [--all] | FILE.history...]",
	HELP("Says for each instance whether the orchestrations of this program, its plugins and its configuration still "
	"decide what its history has: ok, or the first difference, as a runtime would say when it parks the instance. "
	"Nothing is run, nothing is written, and a runtime may work on the same hub meanwhile. Each is replayed in "
	"another process: code that crashes or never ends is a difference of its instance.\n"
	"A FILE is a history from anywhere (payloads that were spilled are beside it). As the code may ask for them, its "
	"id and execution come from its name: ID/N.history, ID.N.history or ID.history.\n"
	"One whose type or version is not registered is counted apart. Exit code 0: all that could be verified fit; 3: "
	"some differ; 7: some are damaged; 4: nothing to verify.\n"
	"With -o json, jsonl and yaml: id, execution, file, type, version, result (ok, differs, crashed, endless, "
	"unreadable, unregistered, damaged, error), line, expected, actual, reason."),
	options_verify, 0, -1, verify,
};
