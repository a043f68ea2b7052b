/* cli_activities.c - `pawl activities`: what activities do now, and what became of the earlier ones. */
#include "cli/activity.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "base/json.h"
#include "base/text.h"
#include <strings.h>

struct listing {
	struct cli *c;
	struct out out;
	unsigned states; /* a bit for each, 0 = any */
};

/* ---- which ---- */

static int add_state(struct listing *l, struct slice word)
{
	for (int s = 0; s < ACTIVITY_STATES; s++) {
		const char *name = activity_state_name((enum activity_state)s);
		if (strlen(name) == word.len && strncasecmp(name, word.data, word.len) == 0) {
			l->states |= 1u << s;
			return 0;
		}
	}
	return cli_usage(l->c,
		"'%.*s' is no state of an activity: Waiting, Active, Completed, Stalled, Failed, Deferred or Stuck",
		(int)(word.len < 40 ? word.len : 40), word.data);
}

static int parse_states(struct listing *l, const char *text)
{
	int rc = 0;

	while (rc == 0 && text) {
		size_t len = strcspn(text, ",");
		rc = add_state(l, slice_make(text, len));
		text = text[len] ? text + len + 1 : NULL;
	}
	return rc;
}

static bool is_wanted(const struct listing *l, enum activity_state state)
{
	return l->states == 0 || (l->states & 1u << state);
}

/* ---- one that is open ---- */

static void duration_since(const struct listing *l, int64_t ns, char out[TEXT_TIME_SIZE])
{
	int64_t ms = (l->c->now_ns - ns) / 1000000;

	out[0] = '\0';
	if (ns)
		text_duration(out, ms > 0 ? ms : 0);
}

static void add_row(struct listing *l, const struct activity *a, const char *name)
{
	const struct carrier *r = &a->carrier;
	char seq[24], attempt[16], pid[16] = "", since[TEXT_TIME_SIZE], beat[TEXT_TIME_SIZE], next[TEXT_TIME_SIZE] = "";
	struct buf progress = BUF_INIT;

	snprintf(seq, sizeof(seq), "%llu", (unsigned long long)r->seq);
	snprintf(attempt, sizeof(attempt), "%u", (unsigned)a->attempt);
	if (r->process > 0)
		snprintf(pid, sizeof(pid), "%d", (int)r->process);
	duration_since(l, r->time_ns, since);
	duration_since(l, a->heartbeat_ns, beat);
	if (a->has_next)
		text_duration(next, a->next_in_ms > 0 ? a->next_in_ms : 0);
	if (a->has_progress)
		activity_progress(a, false, &progress);
	const char *const cells[] = { r->instance, seq, r->activity, activity_state_name(a->state), since, attempt, pid,
		r->worker, beat, buf_str(&progress), next, r->reason };
	out_record(&l->out, name, SLICE_NONE, cells);
	buf_release(&progress);
}

/* The carrier as it stands, with the state as judged, and what the other files say. */
static int add_json(struct listing *l, struct activity *a, const char *name)
{
	struct buf carrier = BUF_INIT, json = BUF_INIT;
	int rc = carrier_encode(&carrier, &a->carrier);

	while (carrier.len && (carrier.data[carrier.len - 1] == '\n' || carrier.data[carrier.len - 1] == '}'))
		buf_truncate(&carrier, carrier.len - 1);
	buf_adds(&json, "{\"v\":1,");
	buf_adds(&json, buf_str(&carrier) + (carrier.len > 0));
	activity_add_members(a, &json);
	if (a->has_next)
		json_add_member_i64(&json, "next_in_ms", a->next_in_ms);
	buf_addc(&json, '}');
	if (rc == 0 && buf_ok(&json))
		out_record(&l->out, name, buf_slice(&json), NULL);
	else
		rc = err_nomem(&l->c->err);
	buf_release(&carrier);
	buf_release(&json);
	return rc;
}

static int add_open(struct listing *l, const struct cli_instance *i, const struct open_item *item)
{
	char name[TEXT_INSTANCE_ID_MAX + 24];
	struct activity a;
	int rc = activity_read(l->c, i, item, &a);

	snprintf(name, sizeof(name), "%s.%llu", i->id, (unsigned long long)item->seq);
	if (rc == 0 && is_wanted(l, a.state)) {
		if (l->out.format == OUT_TABLE)
			add_row(l, &a, name);
		else
			rc = add_json(l, &a, name);
	}
	activity_release(&a);
	return rc;
}

/* ---- records ---- */

struct record {
	struct slice key, activity, state, timestamp;
};

static int read_record(struct record *r, const struct json_value *v, struct arena *arena)
{
	struct json_reader members;
	struct json_value value;
	struct slice key;
	int rc = json_open(&members, v->raw, '{', arena);

	*r = (struct record){ .key = SLICE_NONE };
	while (rc >= 0 && (rc = json_next(&members, &key, &value)) > 0) {
		struct slice *to = slice_is(key, "key") ? &r->key : slice_is(key, "activity") ? &r->activity :
			slice_is(key, "state") ? &r->state : slice_is(key, "timestamp") ? &r->timestamp : NULL;
		if (to)
			*to = value.text;
	}
	return rc;
}

static const char *text_of(struct arena *arena, struct slice s)
{
	return s.data ? arena_printf(arena, "%.*s", SLICE_FMT(s)) : "";
}

static int show_record(struct listing *l, const struct cli_instance *i, const struct record *r, struct arena *arena)
{
	const char *key = text_of(arena, r->key), *activity = text_of(arena, r->activity);
	const char *state = text_of(arena, r->state), *time = text_of(arena, r->timestamp);
	const char *slash = key ? strrchr(key, '/') : NULL;
	char since[TEXT_TIME_SIZE] = "";
	enum activity_state parsed;
	struct buf json = BUF_INIT;
	int64_t ns;

	if (!key || !state || !time || !activity)
		return err_nomem(&l->c->err);
	if (l->states && !(activity_state_parse(state, &parsed) && is_wanted(l, parsed)))
		return 0;
	if (text_parse_time(r->timestamp, &ns) == 0)
		duration_since(l, ns, since);
	const char *const rows[] = { i->id, key, activity, state, time };
	const char *const cells[OUT_COLUMNS_MAX] = { i->id, slash ? slash + 1 : key, activity, state, since };
	buf_adds(&json, "{\"v\":1");
	json_add_member(&json, "instance", slice_of(i->id));
	json_add_member(&json, "key", slice_of(key));
	out_add_text(&json, "activity", activity);
	json_add_member(&json, "state", slice_of(state));
	json_add_member(&json, "timestamp", slice_of(time));
	buf_addc(&json, '}');
	out_record(&l->out, key, buf_slice(&json), l->c->opt[OPT_RECORDS] ? rows : cells);
	buf_release(&json);
	return 0;
}

static int show_records(struct listing *l, const struct cli_instance *i, struct slice records, struct arena *arena)
{
	struct json_reader list;
	struct json_value value;
	struct slice key;
	struct record r;
	int rc = json_open(&list, records, '[', arena);

	while (rc >= 0 && (rc = json_next(&list, &key, &value)) > 0) {
		rc = read_record(&r, &value, arena);
		if (rc >= 0)
			rc = show_record(l, i, &r, arena);
	}
	return rc < 0 ? err_set(&l->c->err, rc, "cannot read the records of '%s'", i->id) : 0;
}

static int add_records(struct listing *l, const struct cli_instance *i)
{
	struct buf records = BUF_INIT;
	struct arena arena;
	bool cut = false;
	int rc = carrier_records(&records, slice_make(i->text, i->len), i->id, i->execution, 0, &cut, &l->c->err);

	arena_init(&arena, 0);
	if (rc == 0 && records.len)
		rc = show_records(l, i, buf_slice(&records), &arena);
	if (rc == 0 && cut)
		cli_note(l->c, "'%s' has more records: `%s history %s` has all", i->id, l->c->program, i->id);
	arena_release(&arena);
	buf_release(&records);
	return rc;
}

/* ---- the verb ---- */

static int add_instance(void *arg, struct cli_instance *i)
{
	struct listing *l = arg;
	int rc = 0;

	if (l->c->opt[OPT_RECORDS] || instance_is_ended(i))
		return add_records(l, i);
	for (const struct open_item *item = i->view.open; rc == 0 && item; item = item->next)
		if (item->type == EVENT_ActivityScheduled)
			rc = add_open(l, i, item);
	return rc == 0 && ferror(stdout) ? 1 : rc;
}

static int add_named(struct listing *l, const char *id)
{
	struct cli_instance i;
	int rc = instance_read(l->c, id, 0, &i);

	if (rc == 0)
		rc = add_instance(l, &i);
	instance_release(&i);
	return rc;
}

static int activities(struct cli *c)
{
	static const char *const columns[] = { "INSTANCE", "SEQ", "ACTIVITY", "STATE", "SINCE", "ATTEMPT", "PID",
		"WORKER", "HEARTBEAT", "PROGRESS", "NEXT", "REASON", NULL };
	static const char *const record_columns[] = { "INSTANCE", "KEY", "ACTIVITY", "STATE", "TIME", NULL };
	const struct select live = { .any_status = true };
	struct listing l = { .c = c };
	int rc = cli_check_ids(c);

	if (rc == 0)
		rc = parse_states(&l, c->opt[OPT_STATE]);
	if (rc == 0)
		rc = cli_open(c, CLI_READ);
	if (rc < 0)
		return rc;
	out_begin(&l.out, c, c->opt[OPT_RECORDS] ? record_columns : columns, true);
	l.out.hide_empty = true;
	for (int n = 0; rc == 0 && n < c->arg_count; n++)
		rc = add_named(&l, c->args[n]);
	if (rc == 0 && c->arg_count == 0)
		rc = select_each(c, &live, true, false, add_instance, &l);
	int end = out_end(&l.out, &c->err);
	if (rc >= 0 && l.out.records == 0)
		cli_note(c, "no activities%s in '%s'%s", c->opt[OPT_STATE] ? " like that" : "", c->hub,
			c->opt[OPT_RECORDS] ? "" : " are open (--records: those that are over, too)");
	return rc < 0 ? rc : end;
}

static const struct cli_option options_activities[] = {
	{ OPT_STATE, 's', "state", "STATE,...", HELP("only these: Waiting, Active, Deferred, Stalled, Stuck ...") },
	{ OPT_RECORDS, 0, "records", NULL, HELP("the records of all activities of an instance: key, activity, state, time") },
	{ OPT_NONE, 0, NULL, NULL, NULL },
};

const struct cli_verb verb_activities = {
	"activities", "show what activities do now", "[ID...] [-s STATE,...] [--records]",
	HELP("Every open activity of the live instances, or of those that are named: its state, since when, which "
	"attempt, the process or worker that has it, its last heartbeat, its progress, the next attempt or look, and "
	"why. Of one that has ended and is named: its records. Waiting: for a slot, a worker or its next attempt. "
	"Deferred: the device, or the activity itself, wants it later. With -o json the members are those of the "
	"file `carrier` (FORMAT), the state as judged now."),
	options_activities, 0, -1, activities,
};
