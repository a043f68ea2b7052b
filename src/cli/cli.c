/* cli.c - parsing, the hub, errors and exit codes. */
#include "os/memory.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "base/log.h"
#include "base/text.h"
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define HUB_DEFAULT "/var/lib/pawl"
#define WORD_MAX 32 /* longer words are not compared */

/* ---- errors ---- */

int cli_exit_of_error(int code)
{
	switch (code) {
	case 0:
		return CLI_DONE;
	case CLI_EUSAGE:
		return CLI_USAGE;
	case PAWL_ENOTFOUND:
		return CLI_NOT_FOUND;
	case PAWL_EEXISTS:
	case PAWL_ESTATE:
		return CLI_STATE;
	case PAWL_ECANCELED:
		return CLI_CANCELED;
	case PAWL_ECORRUPT:
	case PAWL_ETORN:
		return CLI_DAMAGED;
	case PAWL_EBUSY:
	case PAWL_EFENCED:
		return CLI_BUSY;
	case PAWL_ETIMEOUT:
		return CLI_TIMEOUT;
	default:
		return CLI_ERROR;
	}
}

/* Names and messages of others are in it, so it goes to a terminal clean. */
void cli_complain(const struct cli *c, const char *text)
{
	struct buf clean = BUF_INIT;

	out_clean(&clean, slice_of(text));
	fflush(stdout); /* so that both keep their order on a terminal */
	fprintf(stderr, "%s: %s\n", c->program, buf_str(&clean));
	buf_release(&clean);
}

static void print_line(const struct cli *c, const char *fmt, va_list args)
{
	struct buf text = BUF_INIT;

	buf_addv(&text, fmt, args);
	cli_complain(c, buf_str(&text));
	buf_release(&text);
}

void cli_note(const struct cli *c, const char *fmt, ...)
{
	va_list args;

	if (c->opt[OPT_QUIET])
		return;
	va_start(args, fmt);
	print_line(c, fmt, args);
	va_end(args);
}

int cli_usage(struct cli *c, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(c->err.text, sizeof(c->err.text), fmt, args);
	va_end(args);
	return c->err.code = CLI_EUSAGE;
}

int cli_without(struct cli *c, const char *what, const char *part)
{
	return cli_usage(c, "this pawl was built without '%s' (WITH_%s=no): use one that was built with it", what, part);
}

/* A right that is missing: whose is the hub? */
static void tell_owner(const struct cli *c)
{
	const struct os *os = c->os;
	struct os_stat st;
	int dir = c->hub ? os->open_root(os->self, c->hub) : -1;

	if (dir < 0)
		return;
	if (os->stat_fd(os->self, dir, &st) == 0 && st.uid != os->uid(os->self) && os->uid(os->self) != 0)
		cli_note(c, "the hub belongs to uid %u, and you are uid %u: be that user, or be let in by a group (`access` in pawl.yaml)", (unsigned)st.uid,
			(unsigned)os->uid(os->self));
	os->close(os->self, dir);
}

static int report(struct cli *c, int code)
{
	cli_complain(c, c->err.text[0] ? c->err.text : pawl_strerror(code));
	if (code == PAWL_EPERM)
		tell_owner(c);
	if (code == CLI_EUSAGE)
		fprintf(stderr, "try `%s %s%s--help`\n", c->program, c->verb ? c->verb->name : "", c->verb ? " " : "");
	return cli_exit_of_error(code);
}

/* ---- did you mean ---- */

static unsigned least(unsigned a, unsigned b, unsigned c)
{
	unsigned n = a < b ? a : b;
	return n < c ? n : c;
}

/* Letters to change, add or leave out. */
static unsigned distance(struct slice a, struct slice b)
{
	unsigned row[WORD_MAX + 1];

	if (a.len > WORD_MAX || b.len > WORD_MAX)
		return WORD_MAX;
	for (unsigned j = 0; j <= b.len; j++)
		row[j] = j;
	for (unsigned i = 1; i <= a.len; i++) {
		unsigned corner = row[0];
		row[0] = i;
		for (unsigned j = 1; j <= b.len; j++) {
			unsigned above = row[j];
			row[j] = least(above + 1, row[j - 1] + 1, corner + (a.data[i - 1] != b.data[j - 1]));
			corner = above;
		}
	}
	return row[b.len];
}

struct guess {
	struct slice word;
	const char *best;
	unsigned best_distance;
};

static void guess_try(struct guess *g, const char *name)
{
	struct slice s = slice_of(name);
	bool begins = g->word.len > 1 && g->word.len < s.len && memcmp(g->word.data, name, g->word.len) == 0;
	unsigned d = begins ? 1 : distance(g->word, s);

	/* half of a short word may not be wrong */
	if (d <= 2 && d * 2 <= s.len && d < g->best_distance) {
		g->best = name;
		g->best_distance = d;
	}
}

static struct guess guess_begin(struct slice word)
{
	return (struct guess){ word, NULL, WORD_MAX };
}

int cli_unknown_verb(struct cli *c, const char *word)
{
	struct guess g = guess_begin(slice_of(word));

	for (const struct cli_left_out *l = cli_verbs_left_out; l->verb; l++)
		if (strcmp(l->verb, word) == 0)
			return cli_without(c, l->verb, l->part);
	for (const struct cli_verb *const *v = cli_verbs; *v; v++)
		guess_try(&g, (*v)->name);
	return g.best ? cli_usage(c, "there is no verb '%.60s'; did you mean '%s'?", word, g.best) : cli_usage(c,
		"there is no verb '%.60s'", word);
}

static int unknown_option(struct cli *c, struct slice word)
{
	struct guess g = guess_begin(word);

	for (const struct cli_option *o = c->verb ? c->verb->options : NULL; o && o->opt; o++)
		guess_try(&g, o->name);
	for (const struct cli_option *o = cli_global_options; o->opt; o++)
		guess_try(&g, o->name);
	const char *where = c->verb ? c->verb->name : "before the verb", *of = c->verb ? " of " : " ";
	if (g.best)
		return cli_usage(c, "unknown option '--%.*s'%s%s; did you mean '--%s'?", SLICE_FMT(word), of, where,
			g.best);
	return cli_usage(c, "unknown option '--%.*s'%s%s", SLICE_FMT(word), of, where);
}

/* ---- parsing ---- */

const struct cli_verb *cli_find_verb(const char *name)
{
	for (const struct cli_verb *const *v = cli_verbs; *v; v++)
		if (strcmp((*v)->name, name) == 0)
			return *v;
	return NULL;
}

/* A verb's own options come before those of every verb (`start --version V`). */
static const struct cli_option *find_option(const struct cli *c, struct slice name, char letter)
{
	const struct cli_option *tables[] = { c->verb ? c->verb->options : NULL, cli_global_options };

	for (size_t i = 0; i < 2; i++)
		for (const struct cli_option *o = tables[i]; o && o->opt; o++)
			if (name.data ? slice_is(name, o->name) : o->letter && o->letter == letter)
				return o;
	return NULL;
}

struct words {
	char **argv;
	int argc, at;
};

static int take_value(struct cli *c, const struct cli_option *o, const char *joined, struct words *w)
{
	if (!o->arg)
		joined = "";
	else if (!joined && w->at + 1 < w->argc)
		joined = w->argv[++w->at];
	else if (!joined)
		return cli_usage(c, "option '--%s' needs a value: --%s=%s", o->name, o->name, o->arg);
	c->opt[o->opt] = joined;
	if (o->arg)
		c->given[c->given_count++] = (struct cli_given){ o->opt, joined };
	return 0;
}

static int parse_long(struct cli *c, const char *text, struct words *w)
{
	const char *equals = strchr(text, '=');
	struct slice name = { text, equals ? (size_t)(equals - text) : strlen(text) };
	const struct cli_option *o = find_option(c, name, 0);

	if (!o)
		return unknown_option(c, name);
	if (equals && !o->arg)
		return cli_usage(c, "option '--%s' takes no value", o->name);
	return take_value(c, o, equals ? equals + 1 : NULL, w);
}

static int parse_letters(struct cli *c, const char *text, struct words *w)
{
	for (; *text; text++) {
		const struct cli_option *o = find_option(c, SLICE_NONE, *text);
		if (!o && c->verb)
			return cli_usage(c, "unknown option '-%c' of %s", *text, c->verb->name);
		if (!o)
			return cli_usage(c, "unknown option '-%c' before the verb", *text);
		int rc = take_value(c, o, text[1] ? text + 1 : NULL, w);
		if (rc < 0 || o->arg)
			return rc;
	}
	return 0;
}

static int parse_word(struct cli *c, struct words *w, bool *plain)
{
	char *word = w->argv[w->at];

	if (!*plain && strcmp(word, "--") == 0) {
		*plain = true;
		return 0;
	}
	if (!*plain && word[0] == '-' && word[1] == '-')
		return parse_long(c, word + 2, w);
	if (!*plain && word[0] == '-' && word[1])
		return parse_letters(c, word + 1, w);
	if (c->verb) {
		c->args[c->arg_count++] = word;
		return 0;
	}
	c->verb = cli_find_verb(word);
	return c->verb ? 0 : cli_unknown_verb(c, word);
}

static int check_choice(struct cli *c, enum cli_opt opt, const char *what, const char *const *choices, int *out)
{
	for (int i = 0; c->opt[opt] && choices[i]; i++)
		if (strcmp(choices[i], c->opt[opt]) == 0) {
			*out = i;
			return 0;
		}
	return c->opt[opt] ? cli_usage(c, "'%.60s' is no %s", c->opt[opt], what) : 0;
}

static int check_global(struct cli *c)
{
	static const char *const formats[] = { "table", "json", "jsonl", "yaml", "name", NULL };
	static const char *const whens[] = { "auto", "always", "never", NULL };
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	int format = OUT_TABLE, when = 0;
	int rc = check_choice(c, OPT_OUTPUT, "output format: table, json, jsonl, yaml or name", formats, &format);

	if (rc == 0)
		rc = check_choice(c, OPT_COLOR, "value of --color: auto, always or never", whens, &when);
	c->format = (enum out_format)format;
	c->tty = isatty(STDOUT_FILENO);
	bool wanted = c->tty && !(no_color && *no_color) && !(term && strcmp(term, "dumb") == 0);
	c->color = format == OUT_TABLE && when != 2 && (when == 1 || wanted);
	return rc;
}

static int check_count(struct cli *c)
{
	const struct cli_verb *v = c->verb;

	if (c->arg_count < v->args_min)
		return cli_usage(c, "%s needs more arguments: %s %s %s", v->name, c->program, v->name, v->usage);
	if (v->args_max >= 0 && c->arg_count > v->args_max)
		return cli_usage(c, "'%.60s' is too much: %s %s %s", c->args[v->args_max], c->program, v->name,
			v->usage);
	return 0;
}

static int parse(struct cli *c, int argc, char **argv)
{
	struct words w = { argv, argc, 1 };
	bool plain = false;
	int rc = 0;

	/* a value takes a word at least, if only the rest of one */
	c->args = calloc((size_t)argc + 1, sizeof(*c->args));
	c->given = calloc((size_t)argc + 1, sizeof(*c->given));
	if (!c->args || !c->given)
		return err_nomem(&c->err);
	for (; rc == 0 && w.at < argc; w.at++)
		rc = parse_word(c, &w, &plain);
	if (rc == 0)
		rc = check_global(c);
	if (rc == 0 && c->verb && !c->opt[OPT_HELP])
		rc = check_count(c);
	return rc;
}

/* ---- values ---- */

static const char *option_name(const struct cli *c, enum cli_opt opt)
{
	for (const struct cli_option *o = c->verb->options; o && o->opt; o++)
		if (o->opt == opt)
			return o->name;
	return "";
}

int cli_duration(struct cli *c, enum cli_opt opt, int64_t *ms)
{
	const char *text = c->opt[opt];

	if (text && text_parse_duration(slice_of(text), ms) < 0)
		return cli_usage(c, "--%s: '%.60s' is no duration such as 30s, 1m30s, 24h or 7d", option_name(c,
			opt), text);
	return 0;
}

int cli_later(struct cli *c, struct pawl_message *m)
{
	const char *at = c->opt[OPT_AT];

	if (at && c->opt[OPT_AFTER])
		return cli_usage(c, "--at and --after: one of them");
	if (at && (text_parse_time(slice_of(at), &m->at_ns) < 0 || m->at_ns <= 0))
		return cli_usage(c, "--at: '%.60s' is no time such as 2026-11-21T18:00:00Z", at);
	return cli_duration(c, OPT_AFTER, &m->delay_ms);
}

int cli_number(struct cli *c, enum cli_opt opt, uint64_t min, uint64_t max, uint64_t *n)
{
	const char *text = c->opt[opt];
	uint64_t value;

	if (!text)
		return 0;
	if (text_parse_u64(slice_of(text), &value) < 0 || value < min || value > max)
		return cli_usage(c, "--%s: '%.60s' is no whole number from %llu to %llu", option_name(c, opt), text,
			(unsigned long long)min, (unsigned long long)max);
	*n = value;
	return 0;
}

int cli_values(struct cli *c, enum cli_opt opt, const char ***values)
{
	size_t count = 0;

	*values = NULL;
	if (!c->opt[opt])
		return 0;
	const char **list = calloc(c->given_count + 1, sizeof(*list));
	if (!list)
		return err_nomem(&c->err);
	for (size_t i = 0; i < c->given_count; i++)
		if (c->given[i].opt == opt)
			list[count++] = c->given[i].value;
	*values = list;
	return 0;
}

static int read_stream(struct cli *c, FILE *f, const char *name, char **data, size_t *len)
{
	struct buf text = BUF_INIT;
	char part[4096];
	size_t n;

	while (text.len <= PAWL_PAYLOAD_BYTES_MAX && (n = fread(part, 1, sizeof(part), f)) > 0)
		buf_add(&text, part, n);
	int rc = 0;
	if (ferror(f))
		rc = err_sys(&c->err, errno, "cannot read '%s'", name);
	else if (text.len > PAWL_PAYLOAD_BYTES_MAX)
		rc = err_set(&c->err, PAWL_ETOOBIG,
			"'%s' is over the limit of %d bytes: pass the name of a file instead of its content", name,
			PAWL_PAYLOAD_BYTES_MAX);
	buf_adds(&text, ""); /* an empty one is there too */
	if (rc == 0 && !(*data = text.len ? buf_detach(&text, len) : calloc(1, 1)))
		rc = err_nomem(&c->err);
	buf_release(&text);
	return rc;
}

int cli_payload(struct cli *c, enum cli_opt opt, char **data, size_t *len)
{
	const char *text = c->opt[opt];

	*data = NULL;
	*len = 0;
	if (!text)
		return 0;
	if (strcmp(text, "-") == 0)
		return read_stream(c, stdin, "standard input", data, len);
	if (text[0] == '@') {
		FILE *f = fopen(text + 1, "rb");
		if (!f) {
			(void)err_sys(&c->err, errno, "cannot open '%s'", text + 1);
			return c->err.code = PAWL_EIO; /* "not found" is said of instances */
		}
		int rc = read_stream(c, f, text + 1, data, len);
		fclose(f);
		return rc;
	}
	*len = strlen(text);
	*data = strdup(text);
	return *data ? 0 : err_nomem(&c->err);
}

int cli_check_id(struct cli *c, const char *id)
{
	if (text_is_instance_id(slice_of(id)))
		return 0;
	return cli_usage(c, "'%.140s' is no instance id: 1 to %d of A-Z a-z 0-9 _ : -, first a letter or digit", id,
		TEXT_INSTANCE_ID_MAX);
}

int cli_check_ids(struct cli *c)
{
	int rc = 0;

	for (int i = 0; rc == 0 && i < c->arg_count; i++)
		rc = cli_check_id(c, c->args[i]);
	return rc;
}

/* ---- configuration and hub ---- */

const char *cli_config_path(const struct cli *c)
{
	const char *env = getenv("PAWL_CONFIG");

	return c->opt[OPT_CONFIG] ? c->opt[OPT_CONFIG] : env && *env ? env : NULL;
}

int cli_load_config(struct cli *c)
{
	if (c->config_loaded)
		return 0;
	int rc = config_init(&c->config);
	c->config_loaded = true;
	return rc < 0 ? err_nomem(&c->err) : config_load(&c->config, cli_config_path(c), &c->err);
}

int cli_find_hub(struct cli *c)
{
	const char *env = getenv("PAWL_HUB");
	int rc = 0;

	c->hub = c->opt[OPT_HUB] ? c->opt[OPT_HUB] : env && *env ? env : NULL;
	/* only then: a mistake in the configuration is no reason not to list */
	if (!c->hub)
		rc = cli_load_config(c);
	if (!c->hub)
		c->hub = c->config_loaded && c->config.hub ? c->config.hub : HUB_DEFAULT;
	return rc < 0 ? rc : *c->hub ? 0 : cli_usage(c, "the hub's name is empty: -H DIR");
}

int cli_open(struct cli *c, enum cli_access access)
{
#if PAWL_WITH_FS
	struct pawl_provider_options options = { .read_only = access == CLI_READ, .create = access == CLI_CREATE,
		.allow_volatile = true };
	int rc = cli_find_hub(c);

	if (rc < 0)
		return rc;
	rc = access == CLI_SEND ? os_become_owner(c->hub) : 0;
	if (rc < 0)
		return err_sys(&c->err, -rc, "cannot become the user that the hub '%s' belongs to", c->hub);
	options.hub = c->hub;
	options.os = c->os;
	return pawl_provider_fs.open(&options, &c->provider, &c->err);
#else
	(void)access;
	return err_set(&c->err, PAWL_EUNSUPPORTED, "this build keeps no hub in files (WITH_FS=no)");
#endif
}

void cli_note_queued(const struct cli *c)
{
	if (!cli_has_runtime(c, NULL, 0))
		cli_note(c, "queued: no runtime is using '%s' (start one with `%s run`)", c->hub, c->program);
}

int cli_send_data(struct cli *c, struct pawl_message *m)
{
	char *data = NULL;
	int rc = cli_payload(c, OPT_DATA, &data, &m->len);

	m->data = data;
	if (rc == 0)
		rc = cli_open(c, CLI_SEND);
	if (rc == 0)
		rc = c->provider->ops->send(c->provider, m, &c->err);
	if (rc == 0)
		cli_note_queued(c);
	free(data);
	return rc;
}

bool cli_has_runtime(const struct cli *c, char *who, size_t size)
{
	return c->provider->ops->has_owner(c->provider, who, size);
}

bool cli_sees_runtime(struct cli *c)
{
	if (c->runtime_ms != c->boot_ms || c->runtime_ms == 0)
		c->runtime = cli_has_runtime(c, NULL, 0);
	c->runtime_ms = c->boot_ms;
	return c->runtime;
}

void cli_clock(struct cli *c)
{
	char boot[OS_BOOT_ID_SIZE];

	c->now_ns = c->os->real_ns(c->os->self);
	c->boot_ms = c->os->boot_ns(c->os->self) / 1000000;
	if (!c->boot[0] && c->os->boot_id(c->os->self, boot) >= 0)
		snprintf(c->boot, sizeof(c->boot), "%.8s", boot);
}

void cli_sleep_ms(int64_t ms)
{
	struct timespec t = { (time_t)(ms / 1000), (long)(ms % 1000) * 1000000 };

	(void)nanosleep(&t, NULL);
}

/* ---- the whole ---- */

static int no_verb(struct cli *c)
{
	if (c->opt[OPT_HELP])
		return cli_help(c, NULL);
	if (c->opt[OPT_VERSION])
		return cli_show_version(c);
	return cli_usage(c, "what shall it do? `%s help` lists the verbs", c->program);
}

static int dispatch(struct cli *c)
{
	if (!c->verb)
		return no_verb(c);
	if (c->opt[OPT_HELP])
		return cli_help(c, c->verb);
	if (c->opt[OPT_VERSION])
		return cli_show_version(c);
	log_set_level(c->opt[OPT_VERBOSE] ? LOG_LEVEL_DEBUG : c->opt[OPT_QUIET] ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING);
	cli_clock(c);
	return c->verb->run(c);
}

static bool reader_is_gone(void)
{
	struct pollfd p = { .fd = STDOUT_FILENO, .events = POLLOUT };

	return errno == EPIPE || (poll(&p, 1, 0) > 0 && p.revents & POLLERR);
}

/* A reader that went away (`| head`) is no error worth a word. What failed before, in the middle of much output, has left no
 * errno behind. */
static int flush_output(const struct cli *c, int rc)
{
	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return rc;
	int sys = errno;
	if (!reader_is_gone())
		fprintf(stderr, "%s: cannot write all of it to standard output: %s\n", c->program, sys ? strerror(sys) : "is there no space left?");
	clearerr(stdout);
	return rc ? rc : CLI_ERROR;
}

static const char *program_name(int argc, char **argv)
{
	const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;

	return slash && slash[1] ? slash + 1 : argc > 0 && argv[0][0] ? argv[0] : "pawl";
}

/* Options, environment and configuration name the programs and plugins that are run: whoever calls us would run them as
 * somebody else. */
static int check_identity(struct cli *c)
{
	if (getuid() == geteuid() && getgid() == getegid())
		return 0;
	return err_set(&c->err, PAWL_EPERM, "%s is set-user-ID or set-group-ID, which gives its rights to everybody: remove the bit (chmod ug-s), and name access.control_group in the configuration for who may send messages", c->program);
}

int pawl_main(int argc, char **argv)
{
	enum log_level level = log_get_level();
	struct cli c = { .program = program_name(argc, argv), .os = os_linux() };
	int rc = check_identity(&c);

	if (rc == 0)
		rc = parse(&c, argc, argv);
	os_memory_one_heap();
	if (rc == 0)
		rc = dispatch(&c);
	if (rc < 0)
		rc = report(&c, rc);
	if (c.provider)
		c.provider->ops->close(c.provider);
	if (c.config_loaded)
		config_release(&c.config);
	free(c.args);
	free(c.given);
	log_set_level(level);
	return flush_output(&c, rc);
}
