/* cli_start.c - `pawl start`: make an instance. */
#include "cli/control.h"
#include "cli/instance.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "base/json.h"
#include "base/text.h"
#include "runtime/registry.h"
#include <errno.h>
#include <stdlib.h>

#define ID_SIZE 129
#define REFUSED_LOOK_MS 100

/* TYPE-8 hex digits; what a type may have and an id may not becomes '-'. */
static int make_id(struct cli *c, const char *type, char *id)
{
	uint32_t n;
	int rc = c->os->random(c->os->self, &n, sizeof(n));

	if (rc < 0)
		return err_sys(&c->err, -rc, "cannot draw an instance id: give one with --id");
	snprintf(id, ID_SIZE, "%.100s-%08x", type, (unsigned)n);
	for (char *p = id; *p; p++)
		if (*p == '/' || *p == '.')
			*p = '-';
	return 0;
}

/* Without a runtime nobody else tells of a slip in the name. */
static void note_unknown_type(struct cli *c, const char *type, const char *version)
{
	struct registry *r = NULL;
	struct pawl_error err;

	if (cli_load_config(c) < 0 || registry_new(&r, &c->config, &err) < 0)
		return;
	if (!registry_orchestration(r, type, version))
		cli_note(c, "note: this program has no orchestration '%s'%s%s; the runtime must have it", type,
			version ? " " : "", version ? version : "");
	registry_free(r);
}

/* The runtime took the message away and wrote no history: it refused. */
static bool seems_refused(struct cli *c, const char *id)
{
	char path[160];
	struct os_stat st;
	struct cli_instance i;
	int hub = c->os->open_root(c->os->self, c->hub);

	snprintf(path, sizeof(path), "instances/%s/start", id);
	int rc = hub < 0 ? 0 : c->os->stat(c->os->self, hub, path, &st);
	if (hub >= 0)
		c->os->close(c->os->self, hub);
	if (rc != -ENOENT)
		return false;
	rc = instance_read(c, id, 0, &i);
	bool refused = rc == PAWL_ENOTFOUND || (rc == 0 && i.len == 0 && !i.note);
	instance_release(&i);
	return refused;
}

/* A reader knows the end of the journal as it was some milliseconds ago, and the history may be nowhere else yet. */
static bool is_refused(struct cli *c, const char *id)
{
	if (!seems_refused(c, id))
		return false;
	cli_sleep_ms(REFUSED_LOOK_MS);
	return seems_refused(c, id);
}

/* 1: it runs, or is parked (told); 0: not yet; PAWL_ESTATE: it was refused. */
static int look(struct cli *c, const char *id, uint64_t before)
{
	struct cli_instance i;
	int rc = instance_read(c, id, 0, &i);

	if (rc == 0 && i.note)
		cli_note(c, "'%s' is %s: %s", id, i.damaged ? "damaged" : "parked", i.note);
	if (rc == 0 && (i.len > 0 || i.note) && i.execution > before)
		rc = 1;
	instance_release(&i);
	if (rc == PAWL_ENOTFOUND || (rc == 0 && is_refused(c, id)))
		return err_set(&c->err, PAWL_ESTATE, "the runtime refused to start '%s': its log says why", id);
	return rc;
}

static int wait_taken(struct cli *c, const char *type, const char *id, uint64_t before, int64_t since_ns)
{
	char why[512];

	int64_t end = c->boot_ms + CLI_TAKEN_MS;
	char who[64] = "";
	int rc = 0;

	if (!cli_has_runtime(c, who, sizeof(who))) {
		note_unknown_type(c, type, c->opt[OPT_TYPE_VERSION]);
		cli_note_queued(c);
		return 0;
	}
	while ((rc = look(c, id, before)) == 0) {
		if (before && control_is_refused(c, "start", id, since_ns, why, sizeof(why)))
			return err_set(&c->err, PAWL_ESTATE, "'%s' is not replaced: %s", id, why);
		cli_clock(c);
		if (c->boot_ms >= end) {
			cli_note(c, "queued: the runtime (%s) has not taken it within %d s; see its log", who,
				CLI_TAKEN_MS / 1000);
			return 0;
		}
		cli_sleep_ms(CLI_TAKEN_LOOK_MS);
	}
	return rc < 0 ? rc : 0;
}

static int print_id(struct cli *c, const char *type, char *id)
{
	static const char *const columns[] = { "ID", NULL };
	const char *const cells[] = { id };
	struct buf json = BUF_INIT;
	struct out o;

	if (c->format == OUT_TABLE || c->format == OUT_NAME) {
		puts(id);
		return 0;
	}
	out_begin(&o, c, columns, false);
	buf_adds(&json, "{\"v\":1");
	json_add_member(&json, "id", slice_of(id));
	json_add_member(&json, "type", slice_of(type));
	buf_addc(&json, '}');
	out_record(&o, id, buf_slice(&json), cells);
	buf_release(&json);
	return out_end(&o, &c->err);
}

static int parse_if_exists(struct cli *c, enum pawl_message_if_exists *out)
{
	static const char *const words[] = { [PAWL_IF_EXISTS_FAIL] = "fail", [PAWL_IF_EXISTS_USE] = "use", [PAWL_IF_EXISTS_REPLACE] = "replace" };
	const char *word = c->opt[OPT_IF_EXISTS];

	for (unsigned n = 0; n < sizeof(words) / sizeof(words[0]); n++) {
		if (word && strcmp(word, words[n]) != 0)
			continue;
		*out = word ? (enum pawl_message_if_exists)n : PAWL_IF_EXISTS_FAIL;
		return 0;
	}
	return cli_usage(c, "--if-exists is fail, use or replace, not '%.40s'", word);
}

/* The execution that a replaced one has; 0: there is none, or it has not ended. */
static uint64_t ended_execution(struct cli *c, const char *id)
{
	struct cli_instance i;
	uint64_t execution = instance_read(c, id, 0, &i) == 0 && instance_is_ended(&i) ? i.execution : 0;

	instance_release(&i);
	return execution;
}

/* One that has ended just now is about to be moved to the archive. */
static int send_replacing(struct cli *c, const struct pawl_message *m, uint64_t *before)
{
	int rc = 0;

	for (int n = 0; n < CLI_TAKEN_MS / CLI_TAKEN_LOOK_MS; n++) {
		*before = m->if_exists == PAWL_IF_EXISTS_REPLACE ? ended_execution(c, m->instance) : 0;
		rc = c->provider->ops->send(c->provider, m, &c->err);
		if (rc != PAWL_EEXISTS || !*before)
			break;
		cli_sleep_ms(CLI_TAKEN_LOOK_MS);
	}
	return rc;
}

static int send_start(struct cli *c, const char *id, uint64_t *before)
{
	struct pawl_message m = { .kind = PAWL_MESSAGE_START, .instance = id, .name = c->args[0],
		.version = c->opt[OPT_TYPE_VERSION] };
	char *data = NULL;
	int rc = cli_later(c, &m);

	if (rc == 0)
		rc = cli_payload(c, OPT_INPUT, &data, &m.len);
	m.data = data;
	if (rc == 0)
		rc = parse_if_exists(c, &m.if_exists);
	if (rc == 0)
		rc = cli_open(c, CLI_SEND);
	if (rc == 0)
		rc = send_replacing(c, &m, before);
	free(data);
	return rc;
}

static int check(struct cli *c, int64_t *timeout_ms)
{
	const char *version = c->opt[OPT_TYPE_VERSION];

	if (!text_is_type_name(slice_of(c->args[0])))
		return cli_usage(c, "'%.140s' is no orchestration name", c->args[0]);
	if (version && !text_is_version(slice_of(version)))
		return cli_usage(c, "'%.80s' is no version", version);
	if (c->opt[OPT_TIMEOUT] && !c->opt[OPT_WAIT] && !c->opt[OPT_FOLLOW])
		return cli_usage(c, "--timeout is for --wait and --follow");
	int rc = c->opt[OPT_ID] ? cli_check_id(c, c->opt[OPT_ID]) : 0;
	return rc < 0 ? rc : cli_duration(c, OPT_TIMEOUT, timeout_ms);
}

int cli_start_sent(struct cli *c, const char *type, char *id, uint64_t before, int64_t timeout_ms)
{
	char *ids[] = { id };
	int rc = wait_taken(c, type, id, before, before ? c->now_ns : 0);

	if (rc < 0)
		return rc;
	if (!c->opt[OPT_WAIT] && !c->opt[OPT_FOLLOW])
		return print_id(c, type, id);
	cli_note(c, "started '%s'", id);
	if (c->opt[OPT_FOLLOW])
		return cli_watch_ids(c, ids, 1, timeout_ms);
	return cli_wait_for(c, ids, 1, timeout_ms, false, false);
}

static int start(struct cli *c)
{
	char id[ID_SIZE];
	int64_t timeout_ms = -1;
	uint64_t before = 0;
	int rc = check(c, &timeout_ms);

	if (rc == 0 && c->opt[OPT_ID])
		snprintf(id, sizeof(id), "%s", c->opt[OPT_ID]);
	else if (rc == 0)
		rc = make_id(c, c->args[0], id);
	if (rc == 0)
		rc = send_start(c, id, &before);
	return rc < 0 ? rc : cli_start_sent(c, c->args[0], id, before, timeout_ms);
}

static const struct cli_option options_start[] = {
	{ OPT_ID, 0, "id", "ID", HELP("the instance's id (else TYPE and eight digits)") },
	{ OPT_INPUT, 'i', "input", "TEXT|@FILE|-", HELP("its input: the text, a file's content, or standard input") },
	{ OPT_TYPE_VERSION, 0, "version", "V", HELP("this version of the orchestration (else the newest)") },
	{ OPT_AFTER, 0, "after", "D", HELP("Pending for so long, from when it was taken") },
	{ OPT_AT, 0, "at", "TIME", HELP("Pending until this time, as 2026-11-21T18:00:00Z (UTC); one that is over: it begins at once") },
	{ OPT_IF_EXISTS, 0, "if-exists", "WHAT", HELP("when the id is taken: fail (exit 5), use (what is there, live or ended), replace (one that has ended goes on with this as its next execution)") },
	{ OPT_WAIT, 'w', "wait", NULL, HELP("wait until it ends and print its output, as `wait` does") },
	{ OPT_TIMEOUT, 0, "timeout", "D", HELP("with -w or -f: at most so long, then exit 124; it runs on") },
	{ OPT_FOLLOW, 'f', "follow", NULL, HELP("show what it does until it ends, as `watch` does") },
	{ OPT_NONE, 0, NULL, NULL, NULL },
};

const struct cli_verb verb_start = {
	"start", "start an instance of an orchestration", "TYPE [--id ID] [-i TEXT|@FILE|-] [--version V] [--after D | --at TIME] [--if-exists WHAT] [-w | -f] [--timeout D]",
	HELP("Prints the id (with -w or -f it goes to standard error). On return the start is on the disk, also when no runtime is "
	"there yet. An id that is taken, also by an instance that has ended, is exit code 5, unless --if-exists says otherwise."),
	options_start, 1, 1, start,
};
