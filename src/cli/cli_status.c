/* cli_status.c - `pawl status`: what one instance does now. */
#include "cli/instance.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "base/text.h"
#include <stdlib.h>

static void field_begin(const char *label)
{
	printf("  %-10s ", label);
}

static void field(const char *label, struct slice text)
{
	struct buf clean = BUF_INIT;

	out_clean(&clean, text);
	field_begin(label);
	puts(buf_str(&clean));
	buf_release(&clean);
}

static void field_time(const struct cli *c, const char *label, int64_t ns)
{
	char time[TEXT_TIME_SIZE], ago[TEXT_TIME_SIZE];
	int64_t ms = (c->now_ns - ns) / 1000000;

	text_time(time, ns);
	text_duration(ago, ms);
	field_begin(label);
	printf(ms >= 0 ? "%s (%s ago)\n" : "%s\n", time, ago);
}

static void field_waits(struct cli *c, const struct cli_instance *i)
{
	const char *label = "waits for";

	for (const struct open_item *item = i->view.open; item; item = item->next, label = "") {
		struct buf text = BUF_INIT;
		instance_describe_item(c, i, item, &text);
		field(label, buf_slice(&text));
		buf_release(&text);
	}
}

static void field_values(const struct cli_instance *i)
{
	const char *label = "values";

	for (const struct view_value *value = i->view.values; value; value = value->next, label = "") {
		struct buf text = BUF_INIT;
		struct event e;

		view_value_event(value, &e);
		buf_addf(&text, "%.*s = ", SLICE_FMT(e.key));
		if (e.data_file.data)
			buf_addf(&text, "%llu bytes in %.*s", (unsigned long long)e.data_len, SLICE_FMT(e.data_file));
		else
			buf_add_slice(&text, e.data);
		field(label, buf_slice(&text));
		buf_release(&text);
	}
}

/* What stops it, and what to do. */
static void field_trouble(struct cli *c, const struct cli_instance *i)
{
	char who[64] = "";

	if (i->damaged) {
		field("damaged", slice_of(i->note));
		field("to do",
			SLICE("put its history back from a copy, remove DAMAGED beside it, restart the runtime; or remove the instance's directory"));
	} else if (i->note && strncmp(i->note, "deferred: ", 10) == 0) {
		field("deferred", slice_of(i->note + 10));
	} else if (i->note) {
		field("parked", slice_of(i->note));
		field("to do",
			SLICE("give the runtime the code that fits, then restart it or send it HUP: the instance goes on"));
	} else if (i->view.has_unknown) {
		field("note", SLICE("its history has events of a newer pawl: this one tells only a part"));
	}
	if (instance_is_ended(i))
		return;
	bool alive = cli_has_runtime(c, who, sizeof(who));
	field_begin("runtime");
	if (alive)
		puts(who);
	else
		printf("none (start one with `%s run`)\n", c->program);
}

static int field_payloads(struct cli *c, const struct cli_instance *i)
{
	char *data = NULL;
	size_t len = 0;
	int rc = 0;

	if (c->opt[OPT_INPUT] && i->history.count)
		rc = instance_payload(c, i, &i->history.events[0], &data, &len);
	if (rc == 0 && data)
		field("input", slice_make(data, len));
	free(data);
	data = NULL;
	if (rc == 0)
		rc = instance_output(c, i, &data, &len);
	if (rc == 0 && data)
		field("output", slice_make(data, len));
	free(data);
	return rc;
}

static int print(struct cli *c, const struct cli_instance *i)
{
	const struct view *v = &i->view;

	puts(i->id);
	if (v->type) {
		field_begin("type");
		printf("%s %s\n", v->type, v->version);
	}
	field_begin("status");
	out_print_status(instance_status(i), c->color);
	puts(v->cancel_requested && !instance_is_ended(i) ? ", asked to cancel" : "");
	field_begin("execution");
	printf("%llu\n", (unsigned long long)i->execution);
	if (v->type) {
		field_time(c, "created", v->created_ns);
		field_time(c, "updated", v->updated_ns);
	}
	if (v->custom_status)
		field("says", slice_of(v->custom_status));
	field_values(i);
	if (v->reason)
		field("reason", slice_of(v->reason));
	if (!instance_is_ended(i))
		field_waits(c, i);
	if (v->error_code && *v->error_code)
		field("code", slice_of(v->error_code));
	if (v->error_message)
		field("error", slice_of(v->error_message));
	int rc = field_payloads(c, i);
	field_trouble(c, i);
	return rc;
}

static int print_record(struct cli *c, const struct cli_instance *i)
{
	static const char *const columns[] = { NULL };
	struct buf json = BUF_INIT;
	struct out o;
	int rc = instance_json(c, i, true, c->opt[OPT_INPUT] != NULL, &json);

	out_begin(&o, c, columns, false);
	if (rc == 0)
		out_record(&o, i->id, buf_slice(&json), NULL);
	int end = out_end(&o, &c->err);
	buf_release(&json);
	return rc < 0 ? rc : end;
}

static int status(struct cli *c)
{
	struct cli_instance i;
	int rc;

#if PAWL_WITH_METRICS
	if (c->opt[OPT_IO])
		return c->arg_count ? cli_usage(c, "--io is about the hub: it takes no ID") : cli_show_io(c);
#endif
	if (!c->arg_count)
		return cli_usage(c, "which instance? `%s list` shows them", c->program);
	rc = cli_check_ids(c);
	if (rc == 0)
		rc = cli_open(c, CLI_READ);
	if (rc < 0)
		return rc;
	rc = instance_read(c, c->args[0], 0, &i);
	if (rc == 0)
		rc = c->format == OUT_TABLE ? print(c, &i) : print_record(c, &i);
	instance_release(&i);
	return rc;
}

static const struct cli_option options_status[] = {
	{ OPT_INPUT, 'i', "input", NULL, HELP("its input, too") },
#if PAWL_WITH_METRICS
	{ OPT_IO, 0, "io", NULL, HELP("of the runtime: what it has written so far, and why; and how worn the medium is") },
#endif
	{ OPT_NONE, 0, NULL, NULL, NULL },
};

const struct cli_verb verb_status = {
	"status", "show what an instance does now", "ID [--input] | --io",
	HELP("What it waits for, when its timers are due, which attempt of an activity comes next and why the last one failed, why it "
	"is parked or damaged, its output or error when it ended.\n"
	"With --io: bytes, syncs and names (made, renamed, removed) that the runtime has written since its start, by cause; what the kernel says was "
	"written to the device, by all programs; and what the medium says of its wear. Nothing is written for it, and the runtime is not woken; only "
	"its own user and root may look."),
	options_status, 0, 1, status,
};
