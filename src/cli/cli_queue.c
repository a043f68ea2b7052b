/* cli_queue.c - `pawl queue`: the work queue and its dead letters. */
#include "cli/instance.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "cli/words.h"
#include "base/json.h"
#include "base/text.h"
#include "history/payload.h"
#include "runtime/carrier.h"
#include <limits.h>
#include <stdlib.h>

static const char *const state_names[] = { "ready", "claimed", "done" };

/* ---- dead letters ---- */

struct letter {
	const char *id, *text;
	int64_t time_ns;
	char instance[TEXT_INSTANCE_ID_MAX + 1];
	uint64_t seq;
	char activity[TEXT_NAME_MAX + 1], reason[200]; /* "" when it does not say */
};

/* "INSTANCE.SEQ"; a dot is in no instance id. */
static bool parse_letter_id(const char *id, char *instance, uint64_t *seq)
{
	const char *dot = strrchr(id, '.');

	if (!dot || !text_is_instance_id(slice_make(id, (size_t)(dot - id))))
		return false;
	if (text_parse_u64(slice_of(dot + 1), seq) < 0)
		return false;
	snprintf(instance, TEXT_INSTANCE_ID_MAX + 1, "%.*s", (int)(dot - id), id);
	return true;
}

/* One member that is a text, cut to size. */
static void take_text(char *out, size_t size, struct slice text)
{
	if (snprintf(out, size, "%.*s", SLICE_FMT(text)) >= (int)size)
		text_mark_cut(out, size);
}

/* What cannot be read is shown as it can be: the letter is for people. */
static void read_letter(struct letter *l, const struct pawl_dead_letter *dead)
{
	struct json_reader r;
	struct json_value v;
	struct slice key;
	struct arena arena;

	*l = (struct letter){ .id = dead->id, .text = dead->text, .time_ns = dead->time_ns };
	(void)parse_letter_id(dead->id, l->instance, &l->seq);
	arena_init(&arena, 0);
	int rc = json_open(&r, slice_of(dead->text), '{', &arena);
	while (rc >= 0 && (rc = json_next(&r, &key, &v)) > 0) {
		if (slice_is(key, "activity"))
			take_text(l->activity, sizeof(l->activity), v.text);
		if (slice_is(key, "reason"))
			take_text(l->reason, sizeof(l->reason), v.text);
	}
	arena_release(&arena);
}

/* ---- ls ---- */

struct listing {
	struct cli *c;
	struct out out;
};

static void age_of(const struct cli *c, int64_t ns, char out[TEXT_TIME_SIZE])
{
	int64_t ms = (c->now_ns - ns) / 1000000;

	out[0] = '\0';
	if (ns)
		text_duration(out, ms > 0 ? ms : 0);
}

static void item_json(const struct pawl_work_status *s, struct buf *out)
{
	const struct pawl_work_item *i = &s->item;

	buf_adds(out, "{\"v\":1");
	json_add_member(out, "item", slice_of(i->id));
	json_add_member(out, "state", slice_of(state_names[s->state]));
	json_add_member(out, "instance", slice_of(i->instance));
	json_add_member_u64(out, "execution", i->execution);
	json_add_member_u64(out, "seq", i->seq);
	json_add_member(out, "activity", slice_of(i->activity));
	json_add_member_u64(out, "attempt", i->attempt);
	json_add_member_u64(out, "priority", i->priority);
	out_add_text(out, "tag", i->tag);
	out_add_text(out, "session", i->session);
	out_add_text(out, "key", i->key);
	out_add_text(out, "worker", s->worker[0] ? s->worker : NULL);
	if (s->since_ns)
		out_add_time(out, "since", s->since_ns);
	if (s->beat_ns)
		out_add_time(out, "heartbeat", s->beat_ns);
	out_add_flag(out, "canceled", s->canceled);
	if (s->state == PAWL_WORK_DONE) {
		json_add_member_i64(out, "code", s->code);
		out_add_text(out, "message", s->message && *s->message ? s->message : NULL);
	}
}

static int list_item(void *arg, const struct pawl_work_status *s)
{
	struct listing *l = arg;
	char seq[24], age[TEXT_TIME_SIZE], beat[TEXT_TIME_SIZE], reason[240] = "";
	struct buf json = BUF_INIT;

	snprintf(seq, sizeof(seq), "%llu", (unsigned long long)s->item.seq);
	age_of(l->c, s->since_ns, age);
	age_of(l->c, s->state == PAWL_WORK_CLAIMED ? s->beat_ns : 0, beat);
	if (s->canceled)
		snprintf(reason, sizeof(reason), "canceled");
	else if (s->state == PAWL_WORK_DONE)
		snprintf(reason, sizeof(reason), "exit code %d%s%.200s", s->code, s->message && *s->message ? ": " : "",
			s->message ? s->message : "");
	const struct pawl_work_item *i = &s->item;
	const char *const cells[] = { i->id, state_names[s->state], i->instance, seq, i->activity, i->tag, s->worker,
		age, beat, reason };
	item_json(s, &json);
	buf_addc(&json, '}');
	out_record(&l->out, s->item.id, buf_slice(&json), cells);
	l->out.failed |= !buf_ok(&json);
	buf_release(&json);
	return ferror(stdout) ? 1 : 0;
}

static int list_letter(void *arg, const struct pawl_dead_letter *dead)
{
	struct listing *l = arg;
	char seq[24], age[TEXT_TIME_SIZE];
	struct buf json = BUF_INIT;
	struct letter d;

	read_letter(&d, dead);
	snprintf(seq, sizeof(seq), "%llu", (unsigned long long)d.seq);
	age_of(l->c, d.time_ns, age);
	const char *const cells[] = { d.id, "dead", d.instance, seq, d.activity, NULL, NULL, age, NULL, d.reason };
	buf_adds(&json, "{\"v\":1");
	json_add_member(&json, "item", slice_of(d.id));
	json_add_member(&json, "state", SLICE("dead"));
	json_add_member(&json, "instance", slice_of(d.instance));
	json_add_member_u64(&json, "seq", d.seq);
	out_add_text(&json, "activity", d.activity);
	out_add_time(&json, "since", d.time_ns);
	out_add_text(&json, "reason", d.reason);
	buf_addc(&json, '}');
	out_record(&l->out, d.id, buf_slice(&json), cells);
	l->out.failed |= !buf_ok(&json);
	buf_release(&json);
	return ferror(stdout) ? 1 : 0;
}

static int list(struct cli *c)
{
	static const char *const columns[] = { "ITEM", "STATE", "INSTANCE", "SEQ", "ACTIVITY", "TAG", "WORKER", "AGE",
		"HEARTBEAT", "REASON", NULL };
	struct listing l = { .c = c };
	int rc = cli_open(c, CLI_READ);

	if (rc < 0)
		return rc;
	out_begin(&l.out, c, columns, true);
	l.out.hide_empty = true;
	if (!c->opt[OPT_DEAD])
		rc = c->provider->ops->each_work(c->provider, true, NULL, list_item, &l, &c->err);
	if (rc == 0)
		rc = c->provider->ops->each_dead(c->provider, list_letter, &l, &c->err);
	int end = out_end(&l.out, &c->err);
	if (rc >= 0 && l.out.records == 0)
		cli_note(c, c->opt[OPT_DEAD] ? "no dead letters in '%s'" : "nothing is queued in '%s'", c->hub);
	return rc < 0 ? rc : end;
}

/* ---- show ---- */

struct lookup {
	struct cli *c;
	const char *id;
	struct buf json;
	bool found;
};

static bool is_same(const struct lookup *l, const struct pawl_work_item *item)
{
	char name[TEXT_INSTANCE_ID_MAX + 24];

	snprintf(name, sizeof(name), "%s.%llu", item->instance, (unsigned long long)item->seq);
	return strcmp(l->id, item->id) == 0 || strcmp(l->id, name) == 0;
}

static void add_carrier(struct cli *c, const struct pawl_work_item *item, struct buf *json)
{
	char path[PATH_MAX], dir[PATH_MAX - sizeof(CARRIER_FILE) - 1], *text = NULL;
	enum json_type type;
	size_t len = 0;

	if (c->provider->ops->work_dir(c->provider, item->instance, item->seq, dir, sizeof(dir)) < 0)
		return;
	snprintf(path, sizeof(path), "%s/%s", dir, CARRIER_FILE);
	if (os_read_file(c->os, OS_CWD, path, CARRIER_BYTES_MAX, &text, &len) < 0)
		return;
	while (len > 0 && text[len - 1] == '\n')
		len--;
	if (json_check(slice_make(text, len), &type, NULL) == 0) {
		json_add_key(json, "carrier");
		buf_add(json, text, len);
	}
	free(text);
}

static int find_item(void *arg, const struct pawl_work_status *s)
{
	struct lookup *l = arg;

	if (!is_same(l, &s->item))
		return 0;
	l->found = true;
	item_json(s, &l->json);
	if (s->output) {
		json_add_key(&l->json, "output");
		payload_add(&l->json, slice_make(s->output, s->output_len));
	}
	add_carrier(l->c, &s->item, &l->json);
	buf_addc(&l->json, '}');
	return 1;
}

static int find_letter(void *arg, const struct pawl_dead_letter *dead)
{
	struct lookup *l = arg;
	size_t len = strlen(dead->text);

	if (strcmp(l->id, dead->id) != 0)
		return 0;
	while (len > 0 && dead->text[len - 1] == '\n')
		len--;
	l->found = true;
	buf_add(&l->json, dead->text, len);
	return 1;
}

static int find(struct lookup *l)
{
	struct cli *c = l->c;
	int rc = c->provider->ops->each_dead(c->provider, find_letter, l, &c->err);

	if (rc == 0)
		rc = c->provider->ops->each_work(c->provider, true, NULL, find_item, l, &c->err);
	if (rc >= 0 && !l->found)
		rc = err_set(&c->err, PAWL_ENOTFOUND, "the queue has no '%.300s': `%s queue` lists what is there",
			l->id, c->program);
	return rc < 0 ? rc : buf_ok(&l->json) ? 0 : err_nomem(&c->err);
}

static int show(struct cli *c)
{
	static const char *const columns[] = { NULL };
	struct lookup l = { .c = c, .id = c->args[0], .json = BUF_INIT };
	enum json_type type;
	struct out o;
	int rc = cli_open(c, CLI_READ);

	if (rc == 0)
		rc = find(&l);
	if (rc == 0 && (json_check(buf_slice(&l.json), &type, NULL) < 0 || type != JSON_OBJECT)) {
		puts(buf_str(&l.json)); /* a letter that somebody else wrote */
	} else if (rc == 0) {
		c->format = c->format == OUT_TABLE ? OUT_YAML : c->format;
		out_begin(&o, c, columns, false);
		out_record(&o, l.id, buf_slice(&l.json), NULL);
		rc = out_end(&o, &c->err);
	}
	buf_release(&l.json);
	return rc;
}

/* ---- acting on letters ---- */

enum result { RESULT_DONE, RESULT_ASKED, RESULT_DRY_RUN, RESULT_REFUSED };

struct doing {
	struct cli *c;
	struct out out;
	const char *action; /* "requeue" */
	char **ids;         /* of purge, when it looks for them */
	size_t count, cap;
	int64_t before_ns;
	int code;           /* of the first that was refused */
};

static void report(struct doing *d, const char *id, enum result result, const char *text)
{
	static const char *const names[] = { "done", "asked", "dry_run", "refused" };
	struct cli *c = d->c;
	struct buf json = BUF_INIT;

	if (c->format == OUT_TABLE) {
		fflush(stdout);
		if (result == RESULT_REFUSED)
			cli_complain(c, text);
		else if (!c->opt[OPT_QUIET])
			printf("%s: %s\n", id, text);
		return;
	}
	buf_adds(&json, "{\"v\":1");
	out_add_text(&json, "item", id);
	json_add_member(&json, "action", slice_of(d->action));
	json_add_member(&json, "result", slice_of(names[result]));
	out_add_text(&json, "message", text);
	buf_addc(&json, '}');
	if (c->format != OUT_NAME || result != RESULT_REFUSED)
		out_record(&d->out, id, buf_slice(&json), NULL);
	buf_release(&json);
}

static void refuse(struct doing *d, const char *id, int rc)
{
	d->code = d->code ? d->code : cli_exit_of_error(rc);
	report(d, id, RESULT_REFUSED, d->c->err.text);
}

static int act_on_letters(struct cli *c, const char *action, int (*act)(struct doing *d))
{
	static const char *const columns[] = { NULL };
	struct doing d = { .c = c, .action = action };
	int rc = cli_open(c, CLI_SEND);

	if (rc < 0)
		return rc;
	out_begin(&d.out, c, columns, c->arg_count != 1);
	rc = act(&d);
	int end = c->format == OUT_TABLE ? 0 : out_end(&d.out, &c->err);
	for (size_t n = 0; n < d.count; n++)
		free(d.ids[n]);
	free(d.ids);
	return rc < 0 ? rc : end < 0 ? end : d.code;
}

/* ---- requeue ---- */

/* 0: it is held; *execution is of the instance then. */
static int look_at_held(struct cli *c, const char *id, const char *instance, uint64_t seq, uint64_t *execution)
{
	struct cli_instance i;
	int rc = instance_read(c, instance, 0, &i);
	const struct open_item *item = rc == 0 && !instance_is_ended(&i) ? view_find(&i.view, seq) : NULL;

	*execution = i.execution;
	if (rc == PAWL_ENOTFOUND)
		rc = err_set(&c->err, PAWL_ESTATE, "instance '%s' is gone, nobody waits for '%s': `%s queue purge %s`",
			instance, id, c->program, id);
	else if (rc == 0 && instance_is_ended(&i))
		rc = err_set(&c->err, PAWL_ESTATE,
			"instance '%s' has ended, nobody waits for '%s': start it anew, and `%s queue purge %s`",
			instance, id, c->program, id);
	else if (rc == 0 && (!item || item->type != EVENT_ActivityScheduled))
		rc = err_set(&c->err, PAWL_ESTATE,
			"instance '%s' has gone on without '%s' (see `%s history %s`): `%s queue purge %s`",
			instance, id, c->program, instance, c->program, id);
	else if (rc == 0 && !item->held)
		rc = err_set(&c->err, PAWL_ESTATE, "'%s' is not held, it is tried anyway: see `%s activities %s`", id,
			c->program, instance);
	instance_release(&i);
	return rc;
}

static bool was_taken(struct cli *c, const char *id, const char *instance, uint64_t seq, uint64_t execution)
{
	uint64_t now;
	int rc = look_at_held(c, id, instance, seq, &now);

	return rc == PAWL_ESTATE || rc == PAWL_ENOTFOUND || (rc == 0 && now != execution);
}

static bool wait_taken(struct cli *c, const char *id, const char *instance, uint64_t seq, uint64_t execution)
{
	cli_clock(c);
	int64_t end = c->boot_ms + CLI_TAKEN_MS;

	while (!was_taken(c, id, instance, seq, execution)) {
		if (c->boot_ms >= end)
			return false;
		cli_sleep_ms(CLI_TAKEN_LOOK_MS);
		cli_clock(c);
	}
	return true;
}

static int send_requeue(struct cli *c, const char *instance, uint64_t seq)
{
	char key[24];
	struct pawl_message m = { .kind = PAWL_MESSAGE_REQUEUE, .instance = instance, .key = key,
		.reason = c->opt[OPT_REASON] };

	snprintf(key, sizeof(key), "%llu", (unsigned long long)seq);
	return c->provider->ops->send(c->provider, &m, &c->err);
}

/* The letter stays until the runtime has taken it: what is asked for may still be refused. */
static void requeue_one(struct doing *d, const char *id)
{
	struct cli *c = d->c;
	char instance[TEXT_INSTANCE_ID_MAX + 1];
	uint64_t seq, execution = 0;
	int rc = 0;

	if (!parse_letter_id(id, instance, &seq))
		rc = cli_usage(c, "'%.160s' is no dead letter, which is INSTANCE.NUMBER: `%s queue --dead` lists them",
			id, c->program);
	if (rc == 0)
		rc = look_at_held(c, id, instance, seq, &execution);
	if (rc == 0 && c->opt[OPT_DRY_RUN]) {
		report(d, id, RESULT_DRY_RUN, "would be requeued");
		return;
	}
	if (rc == 0)
		rc = send_requeue(c, instance, seq);
	if (rc < 0) {
		refuse(d, id, rc);
	} else if (!cli_has_runtime(c, NULL, 0)) {
		report(d, id, RESULT_ASKED, "asked to requeue; no runtime is there");
	} else if (!wait_taken(c, id, instance, seq, execution)) {
		report(d, id, RESULT_ASKED, "asked to requeue; the runtime has not done it yet");
	} else {
		rc = c->provider->ops->unbury(c->provider, id, &c->err);
		if (rc < 0 && rc != PAWL_ENOTFOUND)
			refuse(d, id, rc);
		else
			report(d, id, RESULT_DONE, "requeued");
	}
}

static int requeue_all(struct doing *d)
{
	for (int n = 0; n < d->c->arg_count; n++)
		requeue_one(d, d->c->args[n]);
	return 0;
}

static int requeue(struct cli *c)
{
	return act_on_letters(c, "requeue", requeue_all);
}

/* ---- purge ---- */

static void purge_one(struct doing *d, const char *id)
{
	struct cli *c = d->c;
	bool dry = c->opt[OPT_DRY_RUN];
	int rc = dry ? 0 : c->provider->ops->unbury(c->provider, id, &c->err);

	if (rc == PAWL_ENOTFOUND)
		rc = err_set(&c->err, rc, "no dead letter is called '%.200s': see `%s queue --dead`", id, c->program);
	if (rc < 0)
		refuse(d, id, rc);
	else
		report(d, id, dry ? RESULT_DRY_RUN : RESULT_DONE, dry ? "would be purged" : "purged");
}

static int add_old(void *arg, const struct pawl_dead_letter *dead)
{
	struct doing *d = arg;

	if (d->before_ns && dead->time_ns > d->before_ns)
		return 0;
	if (d->count == d->cap) {
		size_t cap = d->cap ? d->cap * 2 : 16;
		char **grown = realloc(d->ids, cap * sizeof(*grown));
		if (!grown)
			return err_nomem(&d->c->err);
		d->ids = grown;
		d->cap = cap;
	}
	d->ids[d->count] = strdup(dead->id);
	return d->ids[d->count] ? (d->count++, 0) : err_nomem(&d->c->err);
}

static int purge_all(struct doing *d)
{
	struct cli *c = d->c;
	int64_t older_ms = -1;
	int rc = cli_duration(c, OPT_OLDER_THAN, &older_ms);

	/* longer than the clock reaches back is for ever */
	d->before_ns = older_ms < 0 ? 0 : older_ms < c->now_ns / 1000000 ? c->now_ns - older_ms * 1000000 : 1;
	if (rc == 0 && c->arg_count == 0)
		rc = c->provider->ops->each_dead(c->provider, add_old, d, &c->err);
	if (rc < 0)
		return rc;
	for (int n = 0; n < c->arg_count; n++)
		purge_one(d, c->args[n]);
	for (size_t n = 0; n < d->count; n++)
		purge_one(d, d->ids[n]);
	if (c->arg_count == 0 && d->count == 0)
		cli_note(c, "no dead letters like that in '%s'", c->hub);
	return 0;
}

static int purge(struct cli *c)
{
	bool filter = c->opt[OPT_ALL] || c->opt[OPT_OLDER_THAN];

	if ((c->arg_count > 0) == filter)
		return cli_usage(c, "queue purge needs dead letters or --all or --older-than D, and not both");
	return act_on_letters(c, "purge", purge_all);
}

/* ---- the verb ---- */

static const struct cli_word words[] = {
	{ "ls", "[--dead]", { OPT_DEAD }, 0, 0, list },
	{ "show", "ITEM", { OPT_NONE }, 1, 1, show },
	{ "requeue", "ITEM... [--reason TEXT] [--dry-run]", { OPT_REASON, OPT_DRY_RUN, OPT_YES }, 1, -1, requeue },
	{ "purge", "ITEM... | --all | --older-than D [--dry-run]", { OPT_ALL, OPT_OLDER_THAN, OPT_DRY_RUN, OPT_YES },
		0, -1, purge },
	{ NULL, NULL, { OPT_NONE }, 0, 0, NULL },
};

static int queue(struct cli *c)
{
	return cli_word_run(c, words, "ls");
}

static const struct cli_option options_queue[] = {
	{ OPT_DEAD, 0, "dead", NULL, HELP("ls: only dead letters") },
	{ OPT_REASON, 'r', "reason", "TEXT", HELP("requeue: why, for the history") },
	{ OPT_ALL, 'a', "all", NULL, HELP("purge: all dead letters") },
	{ OPT_OLDER_THAN, 0, "older-than", "D", HELP("purge: all dead letters that are older, such as 30d") },
	{ OPT_YES, 'y', "yes", NULL, HELP("for scripts that give it to every acting verb") },
	{ OPT_DRY_RUN, 'n', "dry-run", NULL, HELP("only say what would be done") },
	{ OPT_NONE, 0, NULL, NULL, NULL },
};

const struct cli_verb verb_queue = {
	"queue", "show the work queue and its dead letters, and requeue or remove these",
	"[ls] | show ITEM | requeue ITEM... | purge ITEM...",
	HELP("The queue has the activities that workers outside of the runtime take (`pawl work`), and as dead letters "
	"those that have used up their attempts.\n"
	"\n"
	" ls [--dead]                   what is ready, claimed, done or dead; so does `pawl queue` alone\n"
	" show ITEM                     everything about one, as YAML or with -o json\n"
	" requeue ITEM... [--reason TEXT] [--dry-run]    give an activity that is held new attempts\n"
	" purge ITEM... | --all | --older-than D [--dry-run]    remove dead letters; the activity stays as it is\n"
	"\n"
	"A dead letter is called INSTANCE.NUMBER, after the activity in the history. It can be requeued when its "
	"instance still waits for it (`dead_letter: hold` of the activity); else the exit code is 5."),
	options_queue, 0, -1, queue,
};
