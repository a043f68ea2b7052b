/* cli_fsck.c - `pawl fsck`: is the hub whole, and mending it. */
#include "cli/output.h"
#include "cli/verbs.h"
#include "base/json.h"
#include "providers/fs/fsck.h"

#if PAWL_WITH_FS

struct fsck_report {
	struct cli *c;
	struct out out;
	unsigned needs_yes;
};

static const char *const severities[] = { [FSCK_NOTE] = "note", [FSCK_WARNING] = "warning", [FSCK_DAMAGE] = "damage" };
static const char *const outcomes[] = { [FSCK_LEFT] = "left", [FSCK_REPAIRED] = "repaired", [FSCK_FAILED] = "failed" };

static void add_number(struct buf *json, const char *key, uint64_t n)
{
	if (n)
		json_add_member_u64(json, key, n);
}

static void show_object(struct fsck_report *r, const struct fsck_finding *f)
{
	struct buf json = BUF_INIT;

	buf_adds(&json, "{\"v\":1,\"type\":\"finding\"");
	out_add_text(&json, "severity", severities[f->severity]);
	out_add_text(&json, "code", f->code);
	out_add_text(&json, "file", f->file);
	if (f->offset != FSCK_NOWHERE)
		json_add_member_u64(&json, "offset", f->offset);
	add_number(&json, "line", f->line);
	add_number(&json, "lsn", f->lsn);
	out_add_text(&json, "instance", f->instance);
	out_add_text(&json, "what", f->what);
	out_add_text(&json, "repair", f->repair);
	out_add_flag(&json, "discards", f->discards);
	if (r->c->opt[OPT_REPAIR])
		out_add_text(&json, "outcome", outcomes[f->outcome]);
	buf_addc(&json, '}');
	if (!buf_ok(&json))
		r->out.failed = true;
	else
		out_record(&r->out, f->file, buf_slice(&json), NULL);
	buf_release(&json);
}

static void show_row(struct fsck_report *r, const struct fsck_finding *f)
{
	char at[80] = "", what[640];

	if (f->line)
		snprintf(at, sizeof(at), "line %llu", (unsigned long long)f->line);
	else if (f->lsn)
		snprintf(at, sizeof(at), "lsn %llu", (unsigned long long)f->lsn);
	if (f->offset != FSCK_NOWHERE)
		snprintf(at + strlen(at), sizeof(at) - strlen(at), "%sbyte %llu", at[0] ? ", " : "", (unsigned long long)f->offset);
	snprintf(what, sizeof(what), "%s%s%s", f->what, f->repair && f->outcome != FSCK_REPAIRED ? "; a repair would " : "",
		f->repair && f->outcome != FSCK_REPAIRED ? f->repair : "");
	const char *const cells[] = { r->c->opt[OPT_REPAIR] ? outcomes[f->outcome] : severities[f->severity], f->file, at, what };
	out_record(&r->out, f->file, SLICE("{}"), cells);
}

static int show(void *arg, const struct fsck_finding *f)
{
	struct fsck_report *r = arg;

	r->needs_yes += f->discards && f->outcome == FSCK_LEFT;
	if (r->c->format == OUT_TABLE)
		show_row(r, f);
	else
		show_object(r, f);
	return 0;
}

static void show_summary(struct fsck_report *r, const struct fsck_summary *s)
{
	struct buf json = BUF_INIT;

	if (r->c->format == OUT_NAME || r->c->format == OUT_TABLE)
		return;
	buf_adds(&json, "{\"v\":1,\"type\":\"summary\"");
	json_add_member_u64(&json, "damage", s->damages);
	json_add_member_u64(&json, "warnings", s->warnings);
	json_add_member_u64(&json, "notes", s->notes);
	if (r->c->opt[OPT_REPAIR])
		json_add_member_u64(&json, "repaired", s->repaired);
	json_add_member_u64(&json, "instances", s->instances);
	json_add_member_u64(&json, "archived", s->archived);
	json_add_member_u64(&json, "histories", s->histories);
	json_add_member_u64(&json, "lines", s->lines);
	json_add_member_u64(&json, "payloads", s->payloads);
	json_add_member_u64(&json, "segments", s->segments);
	json_add_member_u64(&json, "frames", s->frames);
	out_add_flag(&json, "runtime", s->runtime);
	out_add_text(&json, "kept", s->kept[0] ? s->kept : NULL);
	buf_addc(&json, '}');
	if (!buf_ok(&json))
		r->out.failed = true;
	else
		out_record(&r->out, "", buf_slice(&json), NULL);
	buf_release(&json);
}

static void note_summary(const struct fsck_report *r, const struct fsck_summary *s)
{
	const struct cli *c = r->c;

	cli_note(c, "%u live and %u ended instances, %llu lines, %llu payload files, %llu frames: %u damaged, %u warnings, %u notes%s", s->instances,
		s->archived, (unsigned long long)s->lines, (unsigned long long)s->payloads, (unsigned long long)s->frames, s->damages, s->warnings,
		s->notes, s->runtime ? " (beside a runtime)" : "");
	if (s->repaired)
		cli_note(c, "%u repaired", s->repaired);
	if (s->kept[0])
		cli_note(c, "what was taken away is in '%s/%s'", c->hub, s->kept);
	if (r->needs_yes && c->opt[OPT_REPAIR] && !c->opt[OPT_YES])
		cli_note(c, "%u need --yes: it takes data that can be read out of the hub, into lost+found", r->needs_yes);
}

static void sleep_some(void *arg, unsigned ms)
{
	(void)arg;
	cli_sleep_ms(ms);
}

static int fsck(struct cli *c)
{
	static const char *const columns[] = { "FINDING", "FILE", "AT", "WHAT", NULL };
	struct fsck_report r = { .c = c };
	struct fsck_summary sum;
	int rc = cli_check_ids(c);

	if (rc == 0 && c->opt[OPT_YES] && !c->opt[OPT_REPAIR])
		rc = cli_usage(c, "--yes is for --repair");
	if (rc == 0)
		rc = cli_find_hub(c);
	if (rc < 0)
		return rc;
	const struct fsck_options options = { .hub = c->hub, .os = c->os, .ids = (const char *const *)c->args, .id_count = (size_t)c->arg_count,
		.repair = c->opt[OPT_REPAIR] && !c->opt[OPT_DRY_RUN], .discard = c->opt[OPT_YES] != NULL, .pause = sleep_some, .each = show, .arg = &r };
	out_begin(&r.out, c, columns, true);
	r.out.line_max = 0; /* the whole of WHAT is what it is about */
	rc = fsck_run(&options, &sum, &c->err);
	if (rc == 0)
		show_summary(&r, &sum);
	int end = c->format == OUT_TABLE && r.out.records == 0 ? 0 : out_end(&r.out, &c->err);
	if (rc < 0)
		return rc == PAWL_ECORRUPT ? CLI_ERROR : rc;
	note_summary(&r, &sum);
	return end < 0 ? end : sum.damages || sum.warnings ? CLI_DAMAGED : CLI_DONE;
}

#else

static int fsck(struct cli *c)
{
	return err_set(&c->err, PAWL_EUNSUPPORTED, "this build keeps no hub in files (WITH_FS=no)");
}

#endif

static const struct cli_option options_fsck[] = {
	{ OPT_REPAIR, 0, "repair", NULL, HELP("mend what can be mended; no runtime may use the hub") },
	{ OPT_YES, 'y', "yes", NULL, HELP("with --repair: also what takes data that can be read out of the hub") },
	{ OPT_DRY_RUN, 'n', "dry-run", NULL, HELP("only check, and say what --repair would do") },
	{ OPT_NONE, 0, NULL, NULL, NULL },
};

const struct cli_verb verb_fsck = {
	"fsck", "check that all files of the hub are whole, and repair them", "[ID...] [--repair] [--yes]",
	HELP("Reads everything: the journal, each line of each history, payloads, messages, and what else is there. It takes no "
	"lock and writes nothing, and a runtime may use the hub meanwhile: what does not look right then is looked at again "
	"before it is told. With IDs only what is of these instances.\n"
	"A damage is something that was lost or cannot be used. A warning is wrong, and nothing is lost by it. A note is to "
	"be known, such as what a power cut has left and the next start takes away.\n"
	"--repair does what loses nothing: histories are brought level with the journal, torn ends cut, rests removed. With --yes "
	"also what takes away data that can be read: a history is cut where it is damaged, and goes on from there; a damaged part of "
	"the journal, or an instance that ended, is set aside. All that is cut or removed is in lost+found/TIME of the hub, under "
	"the path that it had; lost+found/log says why.\n"
	"Exit code 0: nothing is wrong (notes do not count); 7: there are damages or warnings, or some are left after a "
	"repair; 1: it could not be checked; 75: a runtime has the hub and --repair was asked for.\n"
	"With -o json, jsonl and yaml: severity, code, file, offset, line, lsn, instance, what, repair, discards (only with --yes), "
	"outcome (of --repair: repaired, left or failed); the last object has the type summary, and counts."),
	options_fsck, 0, -1, fsck,
};
