/* cli_version.c - `pawl version`. */
#include "cli/output.h"
#include "cli/verbs.h"
#include "base/json.h"
#include "base/parts.h"

#define HUB_FORMAT 1 /* docs/FORMAT.md */

#define NAME_IF_HERE(part, name) IF_PART(part, #name,)
#define NAME_UNLESS_HERE(part, name) UNLESS_PART(part, #name,)

static const char *const features[] = { PARTS(NAME_IF_HERE) NULL };
static const char *const left_out[] = { PARTS(NAME_UNLESS_HERE) NULL };

int cli_show_version(struct cli *c)
{
	printf("%s %s\n", c->program, pawl_version());
	return 0;
}

static void add_names(struct buf *json, const char *key, const char *const *names)
{
	json_add_key(json, key);
	buf_addc(json, '[');
	for (size_t i = 0; names[i]; i++) {
		if (i)
			buf_addc(json, ',');
		json_add_string(json, slice_of(names[i]));
	}
	buf_addc(json, ']');
}

static int print_record(struct cli *c)
{
	static const char *const columns[] = { NULL };
	struct buf json = BUF_INIT;
	struct out o;

	buf_adds(&json, "{\"v\":1");
	json_add_member(&json, "version", slice_of(pawl_version()));
	json_add_member_u64(&json, "format", HUB_FORMAT);
	add_names(&json, "features", features);
	add_names(&json, "left_out", left_out);
	buf_addc(&json, '}');
	out_begin(&o, c, columns, false);
	out_record(&o, pawl_version(), buf_slice(&json), NULL);
	buf_release(&json);
	return out_end(&o, &c->err);
}

static void print_names(const char *title, const char *const *names)
{
	fputs(title, stdout);
	for (size_t i = 0; names[i]; i++)
		printf(" %s", names[i]);
	putchar('\n');
}

static int version(struct cli *c)
{
	if (c->format != OUT_TABLE)
		return print_record(c);
	cli_show_version(c);
	printf("hub format %d\n", HUB_FORMAT);
	print_names("features:", features);
	if (left_out[0])
		print_names("left out:", left_out);
	return 0;
}

const struct cli_verb verb_version = {
	"version", "show the version, the hub's format and what was built in", "", NULL, NULL, 0, 0, version,
};
