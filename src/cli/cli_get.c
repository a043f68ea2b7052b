/* cli_get.c - `pawl get`: one thing of an instance, as it is. */
#include "cli/instance.h"
#include "cli/verbs.h"
#include "base/text.h"
#include <stdlib.h>

#define VALUE_PREFIX "kv."

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
	return key_of(what) ? 0 : cli_usage(c, "get input, output, status or kv.KEY, not '%s'", what);
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

static int get(struct cli *c)
{
	struct cli_instance i;
	uint64_t execution = 0;
	int rc = c->format == OUT_TABLE ? cli_check_id(c, c->args[0]) :
					  cli_usage(c, "get prints the bytes as they are: it takes no -o");

	if (rc == 0)
		rc = check_what(c, c->args[1]);
	if (rc == 0)
		rc = cli_number(c, OPT_EXECUTION, 1, UINT64_MAX, &execution);
	if (rc == 0)
		rc = cli_open(c, CLI_READ);
	if (rc < 0)
		return rc;
	rc = instance_read(c, c->args[0], execution, &i);
	if (rc == 0)
		rc = print(c, &i, c->args[1]);
	instance_release(&i);
	return rc;
}

static const struct cli_option options_get[] = {
	{ OPT_EXECUTION, 0, "execution", "N", "of this execution (else the newest; continue-as-new begins a new one)" },
	{ OPT_NONE, 0, NULL, NULL, NULL },
};

const struct cli_verb verb_get = {
	"get", "print one thing of an instance as it is", "ID input|output|status|kv.KEY [--execution N]",
	"The bytes and nothing else, for scripts: its input, its output, the status that it has set of itself, or one of its "
	"keys and values (pawl_set). The exit code is 4 when it has none.",
	options_get, 2, 2, get,
};
