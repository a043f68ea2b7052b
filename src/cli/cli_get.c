/* cli_get.c - `pawl get`: one thing of an instance, as it is. */
#include "cli/instance.h"
#include "cli/verbs.h"
#include "base/text.h"
#include <stdlib.h>

#define VALUE_PREFIX "kv."
#define LOOK_MS 1000 /* when nothing was noticed */

struct found {
	char *data; /* malloc'd; NULL when it is not there */
	size_t len;
};

static int get_input(struct cli *c, const struct cli_instance *i, struct found *f)
{
	return i->history.count ? instance_payload(c, i, &i->history.events[0], &f->data, &f->len) : 0;
}

static int get_output(struct cli *c, const struct cli_instance *i, struct found *f)
{
	return instance_output(c, i, &f->data, &f->len);
}

static int get_status(struct cli *c, const struct cli_instance *i, struct found *f)
{
	struct event e = { .fields = FIELD_DATA, .data = slice_of(i->view.custom_status) };

	return e.data.data ? instance_payload(c, i, &e, &f->data, &f->len) : 0;
}

static int get_status_version(struct cli *c, const struct cli_instance *i, struct found *f)
{
	char text[INSTANCE_STATUS_VERSION_SIZE];

	instance_status_version(i, text);
	f->data = strdup(text);
	f->len = strlen(text);
	return f->data ? 0 : err_nomem(&c->err);
}

static int get_value(struct cli *c, const struct cli_instance *i, const char *key, struct found *f)
{
	const struct view_value *value = view_value(&i->view, slice_of(key));
	struct event e;

	if (!value)
		return 0;
	view_value_event(value, &e);
	return instance_payload(c, i, &e, &f->data, &f->len);
}

static const struct {
	const char *name;
	int (*get)(struct cli *c, const struct cli_instance *i, struct found *f);
} things[] = {
	{ "input", get_input },
	{ "output", get_output },
	{ "status", get_status },
	{ "status_version", get_status_version },
};
#define THING_COUNT (sizeof(things) / sizeof(things[0]))

static const char *key_of(const char *what)
{
	size_t len = sizeof(VALUE_PREFIX) - 1;

	return strncmp(what, VALUE_PREFIX, len) == 0 && text_is_key(slice_of(what + len)) ? what + len : NULL;
}

static int check_what(struct cli *c, const char *what)
{
	for (size_t n = 0; n < THING_COUNT; n++) {
		if (strcmp(things[n].name, what) == 0)
			return 0;
	}
	return key_of(what) ? 0 : cli_usage(c, "get input, output, status, status_version or kv.KEY, not '%s'", what);
}

static int look_up(struct cli *c, const struct cli_instance *i, const char *what, struct found *f)
{
	for (size_t n = 0; n < THING_COUNT; n++) {
		if (strcmp(things[n].name, what) == 0)
			return things[n].get(c, i, f);
	}
	return get_value(c, i, key_of(what), f);
}

static int print(struct cli *c, const struct cli_instance *i, const char *what)
{
	struct found f = { NULL, 0 };
	int rc = look_up(c, i, what, &f);

	if (rc == 0 && !f.data)
		rc = err_set(&c->err, PAWL_ENOTFOUND, "'%s' has no '%s'; it is %s", i->id, what, instance_status(i));
	if (rc == 0)
		fwrite(f.data, 1, f.len, stdout);
	if (rc == 0 && c->tty && (f.len == 0 || f.data[f.len - 1] != '\n'))
		putchar('\n'); /* the prompt does not belong behind it */
	free(f.data);
	return rc;
}

/* ---- --newer ---- */

static bool is_newer(const struct cli_instance *i, const uint64_t than[2])
{
	return i->execution > than[0] || (i->execution == than[0] && i->view.custom_status_version > than[1]);
}

static int parse_newer(struct cli *c, uint64_t than[2])
{
	struct slice text = slice_of(c->opt[OPT_NEWER]);
	const char *dot = text.len ? memchr(text.data, '.', text.len) : NULL;

	if (!dot || text_parse_u64(slice_make(text.data, (size_t)(dot - text.data)), &than[0]) < 0 || text_parse_u64(slice_of(dot + 1), &than[1]) < 0)
		return cli_usage(c, "--newer: '%.60s' is no version such as 1.4 (`pawl get ID status_version`)", c->opt[OPT_NEWER]);
	return 0;
}

/* Until it has set its status again, or has ended. */
static int wait_newer(struct cli *c, const uint64_t than[2], int64_t timeout_ms, struct cli_instance *i)
{
	struct cli_notice n;
	int64_t begin = c->boot_ms, left = LOOK_MS;

	cli_notice_open(&n, c, c->args, 1);
	int rc = instance_read(c, c->args[0], 0, i);
	while (rc == 0 && !is_newer(i, than) && !instance_is_ended(i)) {
		cli_clock(c);
		if (timeout_ms >= 0)
			left = begin + timeout_ms - c->boot_ms;
		if (left <= 0) {
			rc = err_set(&c->err, PAWL_ETIMEOUT, "the status of '%s' has not changed in time", c->args[0]);
			break;
		}
		cli_notice_wait(&n, left < LOOK_MS ? left : LOOK_MS);
		instance_release(i);
		rc = instance_read(c, c->args[0], 0, i);
	}
	cli_notice_close(&n);
	return rc;
}

static int get(struct cli *c)
{
	struct cli_instance i;
	uint64_t execution = 0, than[2];
	int64_t timeout_ms = -1;
	int rc = c->format == OUT_TABLE ? cli_check_id(c, c->args[0]) :
					  cli_usage(c, "get prints the bytes as they are: it takes no -o");

	if (rc == 0)
		rc = check_what(c, c->args[1]);
	if (rc == 0)
		rc = cli_number(c, OPT_EXECUTION, 1, UINT64_MAX, &execution);
	if (rc == 0 && c->opt[OPT_NEWER])
		rc = parse_newer(c, than);
	if (rc == 0)
		rc = cli_duration(c, OPT_TIMEOUT, &timeout_ms);
	if (rc == 0)
		rc = cli_open(c, CLI_READ);
	if (rc < 0)
		return rc;
	rc = c->opt[OPT_NEWER] ? wait_newer(c, than, timeout_ms, &i) : instance_read(c, c->args[0], execution, &i);
	if (rc == 0)
		rc = print(c, &i, c->args[1]);
	instance_release(&i);
	return rc;
}

static const struct cli_option options_get[] = {
	{ OPT_EXECUTION, 0, "execution", "N", HELP("of this execution (else the newest; continue-as-new begins a new one)") },
	{ OPT_NEWER, 0, "newer", "V", HELP("first wait until its status is newer than this status_version, or it has ended") },
	{ OPT_TIMEOUT, 0, "timeout", "D", HELP("with --newer: at most so long, then exit code 124") },
	{ OPT_NONE, 0, NULL, NULL, NULL },
};

const struct cli_verb verb_get = {
	"get", "print one thing of an instance as it is", "ID input|output|status|status_version|kv.KEY [--execution N | --newer V [--timeout D]]",
	HELP("The bytes and nothing else, for scripts: its input, its output, the status that it has set of itself, or one of its "
	"keys and values (pawl_set). The exit code is 4 when it has none.\nstatus_version goes up each time the status is set: `pawl get ID status --newer $(pawl get ID status_version)` waits for the next one."),
	options_get, 2, 2, get,
};
