/* control.c - see control.h. */
#include "cli/control.h"
#include "cli/output.h"
#include "base/json.h"
#include <stdlib.h>

enum result { NOT_YET, DONE, ASKED, DRY_RUN, REFUSED };

static const char *const result_names[] = { "asked", "done", "asked", "dry_run", "refused" };

struct target {
	char *id;
	enum result result;
	int exit;
};

struct doing {
	struct cli *c;
	const struct control *control;
	struct target *targets;
	size_t count, cap, open; /* open: sent, and not seen to be done */
	bool runtime, direct;
	struct out out;
};

/* ---- targets ---- */

static int add_target(struct doing *d, const char *id)
{
	if (d->count == d->cap) {
		size_t cap = d->cap ? d->cap * 2 : 16;
		struct target *grown = realloc(d->targets, cap * sizeof(*grown));
		if (!grown)
			return err_nomem(&d->c->err);
		d->targets = grown;
		d->cap = cap;
	}
	d->targets[d->count] = (struct target){ .id = strdup(id) };
	return d->targets[d->count].id ? (d->count++, 0) : err_nomem(&d->c->err);
}

static int add_match(void *arg, struct cli_instance *i)
{
	struct doing *d = arg;

	/* a filter leaves out what it would be refused for */
	return d->control->refusal(i) ? 0 : add_target(d, i->id);
}

static int find_targets(struct doing *d)
{
	struct cli *c = d->c;
	struct select s;
	int rc = select_parse(c, &s);

	for (int n = 0; rc == 0 && n < c->arg_count; n++)
		rc = add_target(d, c->args[n]);
	if (rc == 0 && c->arg_count == 0)
		rc = select_each(c, &s, !d->control->archived, d->control->archived, add_match, d);
	if (rc == 0 && d->count == 0)
		cli_note(c, "no instances like that in '%s'", c->hub);
	bool free_to_act = c->opt[OPT_YES] || c->opt[OPT_DRY_RUN] || c->arg_count || d->control->archived;
	if (rc == 0 && d->count > 1 && !free_to_act)
		rc = cli_usage(c, "%zu instances match: --yes does it, --dry-run shows them", d->count);
	return rc;
}

/* ---- saying what happened ---- */

static void report(struct doing *d, struct target *t, const char *text)
{
	struct cli *c = d->c;
	struct buf json = BUF_INIT;

	if (c->format == OUT_TABLE) {
		if (t->result == REFUSED)
			fprintf(stderr, "%s: %s\n", c->program, text);
		else if (!c->opt[OPT_QUIET])
			printf("%s: %s\n", t->id, text);
		fflush(stdout);
		return;
	}
	buf_adds(&json, "{\"v\":1");
	json_add_member(&json, "id", slice_of(t->id));
	json_add_member(&json, "action", slice_of(c->verb->name));
	json_add_member(&json, "result", slice_of(result_names[t->result]));
	out_add_text(&json, "message", text);
	buf_addc(&json, '}');
	if (c->format != OUT_NAME || t->result != REFUSED)
		out_record(&d->out, t->id, buf_slice(&json), NULL);
	buf_release(&json);
}

static void finish(struct doing *d, struct target *t, enum result result)
{
	char text[160];

	t->result = result;
	if (result == DRY_RUN)
		snprintf(text, sizeof(text), "would be %s", d->control->done);
	else if (result == DONE)
		snprintf(text, sizeof(text), "%s", d->control->done);
	else
		snprintf(text, sizeof(text), "%s; %s", d->control->asked, d->runtime ?
			"the runtime has not done it yet" : "no runtime is there");
	report(d, t, text);
}

static void refuse(struct doing *d, struct target *t, int code)
{
	t->result = REFUSED;
	t->exit = cli_exit_of_error(code);
	report(d, t, d->c->err.text);
}

/* ---- doing it ---- */

static int check(struct doing *d, const char *id)
{
	struct cli *c = d->c;
	struct cli_instance i;
	int rc = instance_read(c, id, 0, &i);
	const char *why = rc == 0 ? d->control->refusal(&i) : NULL;

	if (why)
		rc = err_set(&c->err, PAWL_ESTATE, "'%s' %s", id, why);
	instance_release(&i);
	return rc;
}

static void act(struct doing *d, struct target *t)
{
	struct cli *c = d->c;
	struct pawl_message m = { .kind = d->control->kind, .instance = t->id, .reason = c->opt[OPT_REASON] };
	int rc = check(d, t->id);

	if (rc == 0 && c->opt[OPT_DRY_RUN]) {
		finish(d, t, DRY_RUN);
		return;
	}
	if (rc == 0 && d->direct)
		rc = d->control->direct(c->provider, t->id, &c->err);
	else if (rc == 0)
		rc = c->provider->ops->send(c->provider, &m, &c->err);
	if (rc < 0)
		refuse(d, t, rc);
	else if (d->direct)
		finish(d, t, DONE);
	else if (!d->runtime)
		finish(d, t, ASKED);
	else
		d->open++;
}

/* It took effect, or what it was for came about in another way. */
static bool is_done(struct doing *d, const char *id)
{
	struct cli_instance i;
	int rc = instance_read(d->c, id, 0, &i);
	bool done = rc == PAWL_ENOTFOUND || (rc == 0 && d->control->is_done && d->control->is_done(&i));

	instance_release(&i);
	return done;
}

static void look(struct doing *d, bool last)
{
	for (size_t n = 0; n < d->count; n++) {
		struct target *t = &d->targets[n];
		if (t->result != NOT_YET)
			continue;
		bool done = is_done(d, t->id);
		if (!done && !last)
			continue;
		finish(d, t, done ? DONE : ASKED);
		d->open--;
	}
}

static void wait_done(struct doing *d)
{
	cli_clock(d->c);
	int64_t end = d->c->boot_ms + CLI_TAKEN_MS;

	while (d->open > 0) {
		look(d, d->c->boot_ms >= end);
		if (d->open > 0)
			cli_sleep_ms(CLI_TAKEN_LOOK_MS);
		cli_clock(d->c);
	}
}

static int do_all(struct doing *d)
{
	struct cli *c = d->c;
	int rc = find_targets(d), code = CLI_DONE;

	if (rc == 0 && d->count && d->control->direct && !d->runtime && !c->opt[OPT_DRY_RUN]) {
		rc = c->provider->ops->acquire(c->provider, &c->err);
		d->direct = rc == 0;
	}
	for (size_t n = 0; rc == 0 && n < d->count; n++)
		act(d, &d->targets[n]);
	if (rc == 0)
		wait_done(d);
	for (size_t n = 0; n < d->count; n++)
		code = code ? code : d->targets[n].exit;
	return rc < 0 ? rc : code;
}

int control_run(struct cli *c, const struct control *control)
{
	static const char *const columns[] = { NULL };
	struct doing d = { .c = c, .control = control };
	int rc = cli_check_ids(c);

	if (rc == 0 && (c->arg_count > 0) == select_is_given(c))
		rc = cli_usage(c, "%s needs ids or a filter, and not both: %s %s %s", c->verb->name, c->program,
			c->verb->name, c->verb->usage);
	if (rc == 0)
		rc = cli_open(c, CLI_SEND);
	if (rc < 0)
		return rc;
	d.runtime = cli_has_runtime(c, NULL, 0);
	out_begin(&d.out, c, columns, c->arg_count != 1);
	rc = do_all(&d);
	int end = c->format == OUT_TABLE ? 0 : out_end(&d.out, &c->err);
	for (size_t n = 0; n < d.count; n++)
		free(d.targets[n].id);
	free(d.targets);
	return rc == 0 ? end : rc;
}
