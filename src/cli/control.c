/* control.c - see control.h. */
#include "cli/control.h"
#include "cli/output.h"
#include "base/json.h"
#include "base/text.h"
#include <stdlib.h>

enum result { NOT_YET, DONE, ASKED, DRY_RUN, REFUSED };

static const char *const result_names[] = { "asked", "done", "asked", "dry_run", "refused" };

struct target {
	char *id;
	enum result result;
	int exit;
	uint64_t execution; /* as it was */
	bool parked;
};

struct doing {
	struct cli *c;
	const struct control *control;
	struct target *targets;
	size_t count, cap, open; /* open: sent, and not seen to be done */
	bool runtime, direct;
	int64_t since_ns;
	struct target *batch[PAWL_PURGE_BATCH_MAX]; /* to be done directly */
	size_t batched;
	uint64_t rate, done; /* a second, 0 = as fast as it goes; those that were acted on */
	int64_t began_ms;
	struct out out;
};

static const char *refusal(struct doing *d, const struct cli_instance *i)
{
	const struct control *control = d->control;

	return control->refusal_in ? control->refusal_in(d->c, i) : control->refusal ? control->refusal(i) : NULL;
}

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
	return refusal(d, i) ? 0 : add_target(d, i->id);
}

static int find_targets(struct doing *d)
{
	struct cli *c = d->c;
	struct select s;
	int rc = select_parse(c, &s);

	for (int n = 0; rc == 0 && n < c->arg_count; n++)
		rc = add_target(d, c->args[n]);
	if (rc == 0 && c->arg_count == 0)
		rc = select_each(c, &s, !d->control->archived, d->control->archived || d->control->all, add_match, d);
	if (rc == 0 && d->count == 0)
		cli_note(c, "no instances like that in '%s'", c->hub);
	bool free_to_act = c->opt[OPT_YES] || c->opt[OPT_DRY_RUN] || c->arg_count || (d->control->archived && !d->control->executions);
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
			cli_complain(c, text);
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
		snprintf(text, sizeof(text), "%s; %s", d->control->asked, !d->runtime ? "no runtime is there" :
			t->parked ? "it is parked, and takes it when it goes on" : "the runtime has not done it yet");
	report(d, t, text);
}

static void refuse(struct doing *d, struct target *t, int code)
{
	t->result = REFUSED;
	t->exit = cli_exit_of_error(code);
	report(d, t, d->c->err.text);
}

/* ---- doing it ---- */

static int check(struct doing *d, struct target *t)
{
	struct cli *c = d->c;
	struct cli_instance i;
	const char *id = t->id;
	int rc = instance_read(c, id, 0, &i);
	const char *why = rc == 0 ? refusal(d, &i) : NULL;

	if (why)
		rc = err_set(&c->err, PAWL_ESTATE, "'%s' %s", id, why);
	t->execution = i.execution;
	t->parked = rc == 0 && d->control->needs_code && i.note && !i.damaged;
	instance_release(&i);
	return rc;
}

/* Also what makes room in the journal, and gives back the space of what was removed. */
static void settle_hub(struct cli *c)
{
	struct pawl_job *job = NULL;
	int rc;

	do {
		rc = c->provider->ops->maintain(c->provider, true, &job, NULL);
		if (rc >= 0 && job) {
			(void)job->run(job);
			rc = job->end(job, NULL) < 0 ? -1 : 1;
		}
	} while (rc > 0);
}

static void do_batch(struct doing *d)
{
	const char *ids[PAWL_PURGE_BATCH_MAX];
	size_t count = d->batched;

	d->batched = 0;
	for (size_t n = 0; n < count; n++)
		ids[n] = d->batch[n]->id;
	int rc = count ? d->control->direct(d->c, ids, count) : 0;
	if (rc == PAWL_EBUSY) {
		settle_hub(d->c);
		rc = d->control->direct(d->c, ids, count);
	}
	for (size_t n = 0; n < count; n++) {
		if (rc < 0)
			refuse(d, d->batch[n], rc);
		else
			finish(d, d->batch[n], DONE);
	}
	if (count)
		settle_hub(d->c);
}

/* Its history has ended; the runtime moves it to the archive a moment later, and until then a purge is refused. */
static int send(struct doing *d, const struct pawl_message *m)
{
	struct cli *c = d->c;
	int rc = c->provider->ops->send(c->provider, m, &c->err);

	for (int64_t ms = 0; rc == PAWL_ESTATE && d->control->archived && d->runtime && ms < CLI_TAKEN_MS; ms += CLI_TAKEN_LOOK_MS) {
		cli_sleep_ms(CLI_TAKEN_LOOK_MS);
		rc = c->provider->ops->send(c->provider, m, &c->err);
	}
	return rc;
}

static void act(struct doing *d, struct target *t)
{
	struct cli *c = d->c;
	struct pawl_message m = { .kind = d->control->kind, .instance = t->id, .reason = c->opt[OPT_REASON],
		.key = d->control->key ? c->opt[d->control->key] : NULL, .version = d->control->executions ? c->opt[OPT_TYPE_VERSION] : NULL };
	int rc = check(d, t);

	if (rc == 0 && c->opt[OPT_DRY_RUN]) {
		finish(d, t, DRY_RUN);
		return;
	}
	if (rc == 0 && d->direct) {
		d->batch[d->batched++] = t;
		if (d->batched == PAWL_PURGE_BATCH_MAX)
			do_batch(d);
		return;
	}
	if (rc == 0)
		rc = send(d, &m);
	if (rc < 0)
		refuse(d, t, rc);
	else if (!d->runtime || t->parked)
		finish(d, t, ASKED);
	else
		d->open++;
}

/* It took effect, or what it was for came about in another way. */
static bool is_done(struct doing *d, const struct target *t)
{
	struct cli_instance i;
	int rc = instance_read(d->c, t->id, 0, &i);
	bool done = rc == PAWL_ENOTFOUND || (rc == 0 && d->control->is_done && d->control->is_done(&i)) ||
		    (rc == 0 && d->control->is_done_in && d->control->is_done_in(d->c, &i)) ||
		    (rc == 0 && d->control->executions && i.execution > t->execution);

	instance_release(&i);
	return done;
}

/* Only of those that are waited for with a reason to: the others are seen to be done, or asked for again. */
static bool is_refused(struct doing *d, struct target *t)
{
	static const char *const kinds[] = { [PAWL_MESSAGE_RESTART] = "restart", [PAWL_MESSAGE_REWIND] = "rewind", [PAWL_MESSAGE_RETRY] = "retry" };
	char why[512];

	if (!d->control->executions || !control_is_refused(d->c, kinds[d->control->kind], t->id, d->since_ns, why, sizeof(why)))
		return false;
	refuse(d, t, err_set(&d->c->err, PAWL_ESTATE, "'%s' is not %s: %s", t->id, d->control->done, why));
	return true;
}

static void look(struct doing *d, bool last)
{
	for (size_t n = 0; n < d->count; n++) {
		struct target *t = &d->targets[n];
		if (t->result != NOT_YET)
			continue;
		bool done = is_done(d, t);
		if (!done && is_refused(d, t)) {
			d->open--;
			continue;
		}
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

/* So that a rate is kept: what was asked for before is looked at meanwhile. */
static void wait_turn(struct doing *d)
{
	struct cli *c = d->c;

	if (!d->rate)
		return;
	cli_clock(c);
	if (d->done == 0)
		d->began_ms = c->boot_ms;
	int64_t at = d->began_ms + (int64_t)(d->done++ * 1000 / d->rate);
	if (c->boot_ms < at)
		do_batch(d);
	for (; c->boot_ms < at; cli_clock(c)) {
		if (d->open > 0)
			look(d, false);
		cli_sleep_ms(at - c->boot_ms < CLI_TAKEN_LOOK_MS ? at - c->boot_ms : CLI_TAKEN_LOOK_MS);
	}
}

static int do_all(struct doing *d)
{
	struct cli *c = d->c;
	int rc = cli_number(c, OPT_RATE, 1, 1000000, &d->rate), code = CLI_DONE;

	if (rc == 0)
		rc = find_targets(d);

	if (rc == 0 && d->count && d->control->direct && !d->runtime && !c->opt[OPT_DRY_RUN]) {
		rc = c->provider->ops->acquire(c->provider, &c->err);
		d->direct = rc == 0;
	}
	for (size_t n = 0; rc == 0 && n < d->count; n++) {
		wait_turn(d);
		act(d, &d->targets[n]);
	}
	if (rc == 0) {
		do_batch(d);
		wait_done(d);
	}
	for (size_t n = 0; n < d->count; n++)
		code = code ? code : d->targets[n].exit;
	return rc < 0 ? rc : code;
}

/* ---- what was refused ---- */

struct refused {
	struct cli *c;
	int hub;
	const char *kind, *id;
	uint64_t since;
	char *why;
	size_t size;
	bool found;
};

static bool says(const char *head, const char *name, const char *value)
{
	struct buf member = BUF_INIT;

	json_add_member(&member, name, slice_of(value));
	bool found = buf_ok(&member) && strstr(head, buf_str(&member));
	buf_release(&member);
	return found;
}

static int look_at_refused(void *arg, const char *name)
{
	struct refused *r = arg;
	const struct os *os = r->c->os;
	char path[320], *text = NULL;
	uint64_t at;
	size_t len = strlen(name);

	if (len < 21 || len > 255 || text_parse_u64(slice_make(name, 20), &at) < 0 || at < r->since || (len > 4 && strcmp(name + len - 4, ".why") == 0))
		return 0;
	snprintf(path, sizeof(path), "control/.rejected/%s", name);
	if (os_read_file(os, r->hub, path, 1 << 16, &text, &len) < 0)
		return 0;
	bool ours = says(text, "kind", r->kind) && says(text, "instance", r->id);
	free(text);
	snprintf(path, sizeof(path), "control/.rejected/%s.why", name);
	if (!ours || os_read_file(os, r->hub, path, 1 << 16, &text, &len) < 0)
		return 0;
	snprintf(r->why, r->size, "%s", text);
	free(text);
	r->found = true;
	return 1;
}

bool control_is_refused(struct cli *c, const char *kind, const char *id, int64_t since_ns, char *why, size_t size)
{
	struct refused r = { c, c->os->open_root(c->os->self, c->hub), kind, id, (uint64_t)since_ns, why, size, false };

	if (r.hub < 0)
		return false;
	(void)c->os->list(c->os->self, r.hub, "control/.rejected", look_at_refused, &r);
	c->os->close(c->os->self, r.hub);
	return r.found;
}

/* The ids that now have their next execution. */
static int wait_for_ends(struct doing *d)
{
	struct cli *c = d->c;
	int64_t timeout_ms = -1;
	char **ids = calloc(d->count, sizeof(char *));
	int count = 0, rc = ids ? cli_duration(c, OPT_TIMEOUT, &timeout_ms) : err_nomem(&c->err);

	for (size_t n = 0; rc == 0 && n < d->count; n++) {
		if (d->targets[n].result == DONE)
			ids[count++] = d->targets[n].id;
		else if (d->targets[n].result == ASKED)
			rc = err_set(&c->err, PAWL_EBUSY, "'%s' has not begun its next execution", d->targets[n].id);
	}
	if (rc == 0 && count > 0)
		rc = cli_wait_for(c, ids, count, timeout_ms, false, false);
	free(ids);
	return rc;
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
	d.since_ns = c->os->real_ns(c->os->self);
	out_begin(&d.out, c, columns, c->arg_count != 1);
	rc = do_all(&d);
	int end = c->format == OUT_TABLE ? 0 : out_end(&d.out, &c->err);
	if (rc == 0 && end == 0 && c->opt[OPT_WAIT])
		rc = wait_for_ends(&d);
	for (size_t n = 0; n < d.count; n++)
		free(d.targets[n].id);
	free(d.targets);
	return rc == 0 ? end : rc;
}
