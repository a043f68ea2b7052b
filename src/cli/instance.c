/* instance.c - reading one instance, and saying what it does. */
#include "cli/instance.h"
#include "cli/activity.h"
#include "cli/output.h"
#include "base/json.h"
#include "base/text.h"
#include "history/payload.h"
#include "os/clock_state.h"
#include <stdlib.h>

#define SUMMARY_WAITS_MAX 3

/* ---- reading ---- */

int instance_fold(struct cli *c, struct cli_instance *i)
{
	struct pawl_error why = { .code = 0 };
	int rc = history_parse(&i->history, slice_make(i->text, i->len), &why);

	for (size_t n = 0; rc != PAWL_ENOMEM && n < i->history.count; n++) {
		int applied = view_apply(&i->view, &i->history.events[n]);
		if (applied == PAWL_ECORRUPT && rc == 0)
			rc = err_set(&why, PAWL_ECORRUPT, "event %llu cannot follow what is before it",
				(unsigned long long)i->history.events[n].seq);
		if (applied < 0)
			rc = applied == PAWL_ENOMEM ? applied : rc;
		if (applied < 0)
			break;
	}
	if (rc == PAWL_ENOMEM)
		return err_nomem(&c->err);
	i->damaged = rc < 0;
	if (i->damaged && !(i->note = strdup(why.text)))
		return err_nomem(&c->err);
	return 0;
}

static void take_note(struct cli *c, struct cli_instance *i)
{
	bool quarantined = false;
	char *note = c->provider->ops->read_note(c->provider, i->id, &quarantined);

	if (!note || (i->damaged && !quarantined)) {
		free(note);
		return;
	}
	for (size_t n = strlen(note); n > 0 && note[n - 1] == '\n'; n--)
		note[n - 1] = '\0';
	free(i->note);
	i->note = note;
	i->damaged |= quarantined;
}

int instance_read(struct cli *c, const char *id, uint64_t execution, struct cli_instance *i)
{
	*i = (struct cli_instance){ .execution = 0 };
	snprintf(i->id, sizeof(i->id), "%s", id);
	history_init(&i->history);
	view_init(&i->view);
	int rc = c->provider->ops->read(c->provider, id, execution, &i->text, &i->len, &i->execution, &c->err);
	if (rc == 0)
		rc = instance_fold(c, i);
	if (rc == PAWL_ECORRUPT) {
		i->damaged = true;
		i->note = strdup(c->err.text);
		rc = i->note ? 0 : err_nomem(&c->err);
	}
	if (rc == 0 && !instance_is_ended(i))
		take_note(c, i);
	return rc;
}

void instance_release(struct cli_instance *i)
{
	history_release(&i->history);
	view_release(&i->view);
	free(i->text);
	free(i->note);
	i->text = i->note = NULL;
}

const char *instance_status(const struct cli_instance *i)
{
	return i->damaged ? "Damaged" : status_name(i->view.status);
}

bool instance_is_ended(const struct cli_instance *i)
{
	return !i->damaged && status_is_ended(i->view.status);
}

int instance_exit(const struct cli_instance *i)
{
	if (i->damaged)
		return CLI_DAMAGED;
	switch (i->view.status) {
	case STATUS_COMPLETED:
		return CLI_DONE;
	case STATUS_FAILED:
		return CLI_FAILED;
	case STATUS_CANCELED:
	case STATUS_TERMINATED:
		return CLI_CANCELED;
	default:
		return -1;
	}
}

static int copy_text(struct cli *c, struct slice s, char **out, size_t *len)
{
	char *copy = malloc(s.len + 1);

	if (!copy)
		return err_nomem(&c->err);
	if (s.len)
		memcpy(copy, s.data, s.len);
	copy[s.len] = '\0';
	*out = copy;
	*len = s.len;
	return 0;
}

int instance_output(struct cli *c, const struct cli_instance *i, char **out, size_t *len)
{
	*out = NULL;
	*len = 0;
	if (i->view.output_file)
		return c->provider->ops->read_spill(c->provider, i->id, i->view.output_file, out, len, &c->err);
	return i->view.output ? copy_text(c, slice_make(i->view.output, i->view.output_len), out, len) : 0;
}

int instance_payload(struct cli *c, const struct cli_instance *i, const struct event *e, char **out, size_t *len)
{
	char name[80];

	*out = NULL;
	*len = 0;
	if (!(e->fields & FIELD_DATA))
		return 0;
	if (!e->data_file.data)
		return copy_text(c, e->data, out, len);
	snprintf(name, sizeof(name), "%.*s", SLICE_FMT(e->data_file));
	return c->provider->ops->read_spill(c->provider, i->id, name, out, len, &c->err);
}

/* ---- what it waits for ---- */

bool instance_due(const struct cli *c, const struct open_item *item, int64_t *left_ms, int64_t *at_ns)
{
	if (!item->has_due && !(item->fields & FIELD_UNTIL))
		return false;
	*at_ns = item->has_due ? item->due.at_ns : item->until_ns;
	*left_ms = (*at_ns - c->now_ns) / 1000000;
	if (item->has_due && item->delay_ms > 0 && *left_ms > item->delay_ms)
		*left_ms = item->delay_ms; /* of another boot: never more than all of it */
	if (item->has_due && item->due.boot.data && slice_is(item->due.boot, c->boot)) {
		*left_ms = item->due.boot_ms - c->boot_ms;
		*at_ns = c->now_ns + *left_ms * 1000000;
	}
	return true;
}

bool instance_waits_for_clock(const struct cli *c, const struct open_item *item)
{
	bool by_boot = item->has_due && item->due.boot.data && slice_is(item->due.boot, c->boot);

	return (item->has_due || item->fields & FIELD_UNTIL) && !by_boot && !os_clock_is_set(c->now_ns);
}

void instance_status_version(const struct cli_instance *i, char *out)
{
	snprintf(out, INSTANCE_STATUS_VERSION_SIZE, "%llu.%llu", (unsigned long long)i->execution, (unsigned long long)i->view.custom_status_version);
}

static const char *item_kind(const struct open_item *item)
{
	switch (item->type) {
	case EVENT_ActivityScheduled:
		return "activity";
	case EVENT_TimerCreated:
		return "timer";
	case EVENT_EventSubscribed:
		return "event";
	case EVENT_ChildScheduled:
		return "child";
	case EVENT_EntityCalled:
		return "entity";
	case EVENT_ExecutionStarted:
		return "start";
	case EVENT_EventScheduled:
		return "later event";
	case EVENT_CancelRequested:
		return "clean-up";
	default:
		return item->granted ? "unlock" : "lock";
	}
}

/* Of a child, or the entity that is called. False: it has none. */
static bool item_instance(const struct open_item *item, struct buf *out)
{
	struct arena arena;
	struct event e;

	arena_init(&arena, 0);
	bool has = (item->fields & FIELD_INSTANCE) && open_item_event(item, &e, &arena) == 0;
	if (has)
		buf_add_slice(out, e.instance);
	arena_release(&arena);
	return has;
}

static void describe_activity(struct cli *c, const struct cli_instance *i, const struct open_item *item,
                              struct buf *out)
{
	struct activity a;

	buf_adds(out, "activity ");
	if (activity_read(c, i, item, &a) == 0)
		activity_describe(c, &a, out);
	else
		buf_adds(out, item->name);
	activity_release(&a);
}

void instance_describe_item(struct cli *c, const struct cli_instance *i, const struct open_item *item, struct buf *out)
{
	char left[TEXT_TIME_SIZE];
	int64_t left_ms = 0, at_ns;
	bool due = instance_due(c, item, &left_ms, &at_ns);

	if (item->type == EVENT_ActivityScheduled) {
		describe_activity(c, i, item, out);
		return;
	}
	text_duration(left, left_ms);
	buf_adds(out, item_kind(item));
	if (item->name[0])
		buf_addf(out, " %s", item->name);
	if (item->type == EVENT_CancelRequested)
		buf_addf(out, ", %s left", left);
	else if (item->type != EVENT_ChildScheduled && due)
		buf_addf(out, left_ms > 0 ? " in %s" : " due", left);
	if (instance_waits_for_clock(c, item))
		buf_adds(out, item->has_due ? " at most, or when the wall clock is set" : " (the wall clock is not set)");
	if (item->fields & FIELD_INSTANCE) {
		buf_adds(out, item->type == EVENT_ChildScheduled ? " as " : " of ");
		(void)item_instance(item, out);
	}
	if (item->type != EVENT_ChildScheduled)
		return;
	if (item->cancel_requested)
		buf_adds(out, ", asked to cancel");
	if (item->attempt > 1)
		buf_addf(out, ", attempt %u", item->attempt);
	if (due && left_ms > 0)
		buf_addf(out, " in %s", left);
	if (item->last_error)
		buf_addf(out, " after: %s", item->last_error);
}

static void summary_waits(struct cli *c, const struct cli_instance *i, struct buf *out)
{
	uint32_t shown = 0;

	for (const struct open_item *item = i->view.open; item && shown < SUMMARY_WAITS_MAX; item = item->next,
		shown++) {
		if (shown)
			buf_adds(out, "; ");
		instance_describe_item(c, i, item, out);
	}
	if (i->view.open_count > shown)
		buf_addf(out, "; and %u more", i->view.open_count - shown);
}

static void summary_end(const struct cli_instance *i, struct buf *out)
{
	const struct view *v = &i->view;

	if (v->status == STATUS_COMPLETED && v->output_file)
		buf_addf(out, "%zu bytes in %s", v->output_len, v->output_file);
	else if (v->status == STATUS_COMPLETED && v->output)
		buf_add(out, v->output, v->output_len);
	else if (v->error_message)
		buf_addf(out, "%s%s%s", v->error_code ? v->error_code : "", v->error_code && *v->error_code ? ": " :
			"", v->error_message);
	else if (v->reason)
		buf_adds(out, v->reason);
}

void instance_summary(struct cli *c, const struct cli_instance *i, struct buf *out)
{
	if (i->damaged)
		buf_adds(out, i->note ? i->note : "");
	else if (instance_is_ended(i))
		summary_end(i, out);
	else if (i->note)
		buf_addf(out, "parked: %s", i->note);
	else if (i->view.status == STATUS_PENDING && !i->view.open)
		buf_adds(out, "the runtime, to take its start");
	else if (i->view.suspended)
		buf_addf(out, "pawl resume%s%s", i->view.reason ? ": " : "", i->view.reason ? i->view.reason : "");
	else
		summary_waits(c, i, out);
}

/* ---- JSON ---- */

static void json_activity(struct cli *c, const struct cli_instance *i, const struct open_item *item, struct buf *out)
{
	struct activity a;

	if (activity_read(c, i, item, &a) < 0) {
		out->failed = true;
	} else {
		json_add_member(out, "state", slice_of(activity_state_name(a.state)));
		if (a.carrier.process > 0)
			json_add_member_u64(out, "process", (uint64_t)a.carrier.process);
		out_add_text(out, "worker", a.carrier.worker);
		out_add_text(out, "reason", a.has_carrier ? a.carrier.reason : NULL);
		activity_add_members(&a, out);
		if (a.has_carrier && a.has_next)
			json_add_member_i64(out, "next_in_ms", a.next_in_ms);
	}
	activity_release(&a);
}

static void json_item(struct cli *c, const struct cli_instance *i, const struct open_item *item, struct buf *out)
{
	int64_t left_ms, at_ns;

	buf_addc(out, '{');
	json_add_member(out, "kind", slice_of(item_kind(item)));
	json_add_member_u64(out, "seq", item->seq);
	if (item->name[0])
		out_add_text(out, "name", item->name);
	struct buf instance = BUF_INIT;
	if (item_instance(item, &instance))
		out_add_text(out, "instance", buf_str(&instance));
	buf_release(&instance);
	if (item->type == EVENT_ActivityScheduled || item->type == EVENT_ChildScheduled)
		json_add_member_u64(out, "attempt", item->attempt);
	if (instance_due(c, item, &left_ms, &at_ns)) {
		out_add_time(out, "due", at_ns);
		json_add_member_i64(out, "due_in_ms", left_ms);
		out_add_flag(out, "waits_for_clock", instance_waits_for_clock(c, item));
	}
	out_add_text(out, "last_error", item->last_error);
	if (item->type == EVENT_ActivityScheduled)
		json_activity(c, i, item, out);
	buf_addc(out, '}');
}

static void json_waits(struct cli *c, const struct cli_instance *i, struct buf *out)
{
	const struct view *v = &i->view;

	json_add_key(out, "waits");
	buf_addc(out, '[');
	for (const struct open_item *item = v->open; item; item = item->next) {
		if (item != v->open)
			buf_addc(out, ',');
		json_item(c, i, item, out);
	}
	buf_addc(out, ']');
}

static void json_failure(const struct view *v, struct buf *out)
{
	if (!v->error_message)
		return;
	json_add_key(out, "error");
	buf_addc(out, '{');
	out_add_text(out, "code", v->error_code ? v->error_code : "");
	out_add_text(out, "message", v->error_message);
	buf_addc(out, '}');
}

static void json_payload(struct buf *out, const char *key, char *data, size_t len)
{
	if (data) {
		json_add_key(out, key);
		payload_add(out, slice_make(data, len));
	}
	free(data);
}

static int json_payloads(struct cli *c, const struct cli_instance *i, bool input, struct buf *out)
{
	char *data = NULL;
	size_t len = 0;
	int rc = 0;

	if (input && i->history.count)
		rc = instance_payload(c, i, &i->history.events[0], &data, &len);
	if (rc < 0)
		return rc;
	json_payload(out, "input", data, len);
	rc = instance_output(c, i, &data, &len);
	if (rc == 0)
		json_payload(out, "output", data, len);
	return rc;
}

static int json_values(struct cli *c, const struct cli_instance *i, struct buf *out)
{
	int rc = 0;

	if (!i->view.values)
		return 0;
	json_add_key(out, "values");
	buf_addc(out, '{');
	for (const struct view_value *value = i->view.values; rc == 0 && value; value = value->next) {
		struct event e;
		char *data = NULL;
		size_t len = 0;

		view_value_event(value, &e);
		rc = instance_payload(c, i, &e, &data, &len);
		json_payload(out, value->text, data, len);
	}
	buf_addc(out, '}');
	return rc;
}

int instance_json(struct cli *c, const struct cli_instance *i, bool full, bool input, struct buf *out)
{
	const struct view *v = &i->view;
	bool ended = instance_is_ended(i);

	buf_adds(out, "{\"v\":1");
	json_add_member(out, "id", slice_of(i->id));
	out_add_text(out, "type", v->type);
	out_add_text(out, "version", v->version);
	json_add_member(out, "status", slice_of(instance_status(i)));
	json_add_member_u64(out, "execution", i->execution);
	if (v->type) {
		out_add_time(out, "created", v->created_ns);
		out_add_time(out, "updated", v->updated_ns);
	}
	out_add_text(out, "custom_status", v->custom_status);
	if (v->custom_status) {
		char version[INSTANCE_STATUS_VERSION_SIZE];
		instance_status_version(i, version);
		out_add_text(out, "status_version", version);
	}
	out_add_flag(out, "cancel_requested", v->cancel_requested && !ended);
	out_add_text(out, "reason", v->reason);
	out_add_text(out, i->damaged ? "damaged" : "parked", i->note);
	if (!ended)
		json_waits(c, i, out);
	json_failure(v, out);
	int rc = full ? json_values(c, i, out) : 0;
	if (rc == 0 && full)
		rc = json_payloads(c, i, input, out);
	buf_addc(out, '}');
	return rc < 0 ? rc : buf_ok(out) ? 0 : err_nomem(&c->err);
}
