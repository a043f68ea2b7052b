/* cli_help.c - `pawl help`, `pawl VERB --help` and the manual page: the table of verbs, printed. */
#include "cli/verbs.h"

#define TEXT_WIDTH 100

static const struct {
	int code;
	const char *text;
} exits[] = {
	{ CLI_DONE, "done" },
	{ CLI_ERROR, "error" },
	{ CLI_USAGE, "mistake in the command line" },
	{ CLI_FAILED, "the instance failed" },
	{ CLI_NOT_FOUND, "not found" },
	{ CLI_STATE, "conflict, or not possible in this state" },
	{ CLI_CANCELED, "the instance was canceled or terminated" },
	{ CLI_DAMAGED, "the hub, or the instance, is damaged" },
	{ CLI_BUSY, "busy, not ended yet, or no runtime there: try again" },
	{ CLI_TIMEOUT, "--timeout reached" },
};
#define EXIT_COUNT (sizeof(exits) / sizeof(exits[0]))

static const struct {
	const char *name, *text;
} environment[] = {
	{ "PAWL_HUB", "the hub, when there is no -H" },
	{ "PAWL_CONFIG", "the configuration, when there is no -c" },
	{ "NO_COLOR", "when it is not empty: no colour, unless --color=always" },
};
#define ENVIRONMENT_COUNT (sizeof(environment) / sizeof(environment[0]))

static const struct {
	const char *name, *text;
} fields[] = {
	{ "v", "version of this schema: 1" },
	{ "id, type, version", "texts; type and version are not there while the start waits for a runtime" },
	{ "status", "Pending, Running, Suspended, Completed, Failed, Canceled, Terminated, ContinuedAsNew or Damaged" },
	{ "execution", "number, from 1; continue-as-new begins the next one" },
	{ "created, updated", "times of the execution's start and of its last change, RFC 3339 in UTC" },
	{ "custom_status", "what the orchestration says of itself" },
	{ "status_version", "goes up each time that it says something: for `get --newer`" },
	{ "values", "its keys and values: an object (only in status, wait and watch)" },
	{ "cancel_requested", "true, or not there" },
	{ "reason", "why it was suspended, canceled or terminated" },
	{ "parked, damaged", "why it does not go on" },
	{ "waits",
		"list, of one that has not ended: kind (timer, event, activity, child, entity, lock, unlock, start, later event, clean-up), seq, name, instance, attempt, due, due_in_ms, last_error; of an activity also state, process, worker, reason, heartbeat, progress (percent, text), next_in_ms" },
	{ "error", "of one that failed: code, message" },
	{ "input, output", "as they were given; an object or array is one here, too (only in status, wait and watch)" },
};
#define FIELD_COUNT (sizeof(fields) / sizeof(fields[0]))

/* ---- on a terminal ---- */

static void print_wrapped(const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n"), n = len;
		if (len > TEXT_WIDTH && *text != ' ')
			for (n = TEXT_WIDTH; n > 0 && text[n] != ' '; n--)
				;
		printf("%.*s\n", (int)n, text);
		text += n;
		text += *text == ' ' || *text == '\n';
	}
}

static void print_option(const struct cli_option *o)
{
	char name[64];

	snprintf(name, sizeof(name), "%c%c%s --%s%s%s", o->letter ? '-' : ' ', o->letter ? o->letter : ' ',
		o->letter ? "," : " ", o->name,
	         o->arg ? " " : "", o->arg ? o->arg : "");
	printf("  %-28s %s\n", name, o->text);
}

static void print_options(const char *title, const struct cli_option *options)
{
	if (!options)
		return;
	printf("\n%s:\n", title);
	for (const struct cli_option *o = options; o->opt; o++)
		print_option(o);
}

static void help_verb(const struct cli *c, const struct cli_verb *v)
{
	printf("%s %s - %s\n\nusage: %s %s%s%s\n", c->program, v->name, v->line, c->program, v->name, *v->usage ?
		" " : "", v->usage);
	if (v->about) {
		putchar('\n');
		print_wrapped(v->about);
	}
	print_options("options", v->options);
	print_options("options of every verb", cli_global_options);
}

static void help_all(const struct cli *c)
{
	printf("%s - durable multi-step work for devices\n\nusage: %s [OPTION...] VERB ...\n\nverbs:\n", c->program,
		c->program);
	for (const struct cli_verb *const *v = cli_verbs; *v; v++)
		printf("  %-12s %s\n", (*v)->name, (*v)->line);
	print_options("options, before or after the verb", cli_global_options);
	puts("\nexit codes:");
	for (size_t i = 0; i < EXIT_COUNT; i++)
		printf("  %4d  %s\n", exits[i].code, exits[i].text);
	printf("\n`%s VERB --help` tells more of one, `%s help config` of the configuration,\n`%s help activities` of what a program must do to be an activity.\n", c->program,
		c->program, c->program);
}

int cli_help(struct cli *c, const struct cli_verb *verb)
{
	if (verb)
		help_verb(c, verb);
	else
		help_all(c);
	return 0;
}

/* ---- as a manual page ---- */

static void man_slice(struct slice text)
{
	if (text.len && (*text.data == '.' || *text.data == '\''))
		fputs("\\&", stdout);
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] == '-' || text.data[i] == '\\')
			printf("\\%c", text.data[i] == '\\' ? 'e' : '-');
		else
			putchar(text.data[i]);
}

static void man_text(const char *text)
{
	man_slice(slice_of(text));
}

static void man_line(const char *text)
{
	man_text(text);
	putchar('\n');
}

/* Paragraphs and, as they stand, lines that begin with a blank. */
static void man_about(const char *about)
{
	bool literal = false;

	for (const char *text = about; *text; text += *text == '\n') {
		size_t len = strcspn(text, "\n");
		bool was = literal;
		literal = *text == ' ' || (was && len == 0);
		if (literal != was)
			puts(literal ? ".PP\n.nf" : ".fi\n.PP");
		else if (!literal && text != about && len)
			puts(".PP");
		if (literal || len) {
			man_slice(slice_make(text, len));
			putchar('\n');
		}
		text += len;
	}
	if (literal)
		puts(".fi");
}

static void man_item(const char *name, const char *text)
{
	fputs(".TP\n.B ", stdout);
	man_line(name);
	man_line(text);
}

static void man_options(const struct cli_option *options)
{
	for (const struct cli_option *o = options; o && o->opt; o++) {
		fputs(".TP\n", stdout);
		if (o->letter)
			printf("\\fB\\-%c\\fR, ", o->letter);
		fputs("\\fB\\-\\-", stdout);
		man_text(o->name);
		fputs("\\fR", stdout);
		if (o->arg) {
			fputs(" \\fI", stdout);
			man_text(o->arg);
			fputs("\\fR", stdout);
		}
		putchar('\n');
		man_line(o->text);
	}
}

static void man_verb(const struct cli_verb *v)
{
	fputs(".SS ", stdout);
	man_line(v->name);
	fputs(".B pawl ", stdout);
	man_text(v->name);
	putchar('\n');
	if (*v->usage)
		man_line(v->usage);
	fputs(".PP\n", stdout);
	printf("%c", v->line[0] >= 'a' && v->line[0] <= 'z' ? v->line[0] - 'a' + 'A' : v->line[0]);
	man_text(v->line + 1);
	puts(".");
	if (v->about)
		man_about(v->about);
	man_options(v->options);
}

static void man(void)
{
	printf(".TH PAWL 1 \"\" \"pawl %s\" \"User commands\"\n", pawl_version());
	puts(".SH NAME\npawl \\- durable multi\\-step work for devices\n.SH SYNOPSIS\n.B pawl\n[\\fIOPTION\\fR...] \\fIVERB\\fR ...");
	puts(".SH DESCRIPTION\nA hub is a directory that keeps instances of orchestrations: steps of work, each of which is on the disk before\n"
	     "the next one starts.\n.B pawl run\nruns a hub; the other verbs work with its files, also while nothing runs it.\n"
	     "Data goes to standard output, all else to standard error.");
	puts(".SH OPTIONS\nThey may stand before or after the verb; what follows \\-\\- is no option.");
	man_options(cli_global_options);
	puts(".SH VERBS");
	for (const struct cli_verb *const *v = cli_verbs; *v; v++)
		man_verb(*v);
	puts(".SH EXIT STATUS");
	for (size_t i = 0; i < EXIT_COUNT; i++) {
		printf(".TP\n.B %d\n", exits[i].code);
		man_line(exits[i].text);
	}
	cli_man_activities(man_item);
	puts(".SH OUTPUT\nWith \\-o json, jsonl and yaml an instance is an object with these fields; more may come, none of these goes away.");
	for (size_t i = 0; i < FIELD_COUNT; i++)
		man_item(fields[i].name, fields[i].text);
	puts(".SH ENVIRONMENT");
	for (size_t i = 0; i < ENVIRONMENT_COUNT; i++)
		man_item(environment[i].name, environment[i].text);
	puts(".SH FILES\n.TP\n.B /var/lib/pawl\nthe hub when none is named\n.TP\n.B /etc/pawl/pawl.yaml\nthe configuration\n.SH SEE ALSO\n.BR pawl.yaml (5)");
}

/* ---- the verb ---- */

static int help_config(struct cli *c)
{
	struct buf text = BUF_INIT;

	config_describe(&text, c->opt[OPT_MAN] ? CONFIG_MAN : CONFIG_TEXT);
	fputs(buf_str(&text), stdout);
	bool ok = buf_ok(&text);
	buf_release(&text);
	return ok ? 0 : err_nomem(&c->err);
}

static int help(struct cli *c)
{
	const char *topic = c->arg_count ? c->args[0] : NULL;

	if (topic && strcmp(topic, "config") == 0)
		return help_config(c);
	if (!topic && c->opt[OPT_MAN]) {
		man();
		return 0;
	}
	if (topic && !cli_find_verb(topic))
		return cli_unknown_verb(c, topic);
	int rc = cli_help(c, topic ? cli_find_verb(topic) : NULL);
	if (topic && strcmp(topic, "activities") == 0) {
		putchar('\n');
		cli_help_activities();
	}
	return rc;
}

static const struct cli_option options_help[] = {
	{ OPT_MAN, 0, "man", NULL, HELP("as a manual page; with `config` its list of keys") },
	{ OPT_NONE, 0, NULL, NULL, NULL },
};

const struct cli_verb verb_help = {
	"help", "list the verbs, or tell of one, or of the configuration", "[VERB | config] [--man]", NULL, options_help, 0, 1, help,
};
