/* cli_version.c - `pawl version`. */
#include "cli/output.h"
#include "cli/verbs.h"
#include "base/json.h"

#define HUB_FORMAT 1 /* docs/FORMAT.md */

static const char *const features[] = {
#if !defined(PAWL_WITH_FS) || PAWL_WITH_FS
	"fs",
#endif
#if !defined(PAWL_WITH_MEMORY) || PAWL_WITH_MEMORY
	"memory",
#endif
#if !defined(PAWL_WITH_YAML) || PAWL_WITH_YAML
	"yaml",
#endif
#if !defined(PAWL_WITH_PLUGINS) || PAWL_WITH_PLUGINS
	"plugins",
#endif
	NULL,
};

int cli_show_version(struct cli *c)
{
	printf("%s %s\n", c->program, pawl_version());
	return 0;
}

static int print_record(struct cli *c)
{
	static const char *const columns[] = { NULL };
	struct buf json = BUF_INIT;
	struct out o;

	buf_adds(&json, "{\"v\":1");
	json_add_member(&json, "version", slice_of(pawl_version()));
	json_add_member_u64(&json, "format", HUB_FORMAT);
	json_add_key(&json, "features");
	buf_addc(&json, '[');
	for (size_t i = 0; features[i]; i++) {
		if (i)
			buf_addc(&json, ',');
		json_add_string(&json, slice_of(features[i]));
	}
	buf_adds(&json, "]}");
	out_begin(&o, c, columns, false);
	out_record(&o, pawl_version(), buf_slice(&json), NULL);
	buf_release(&json);
	return out_end(&o, &c->err);
}

static int version(struct cli *c)
{
	if (c->format != OUT_TABLE)
		return print_record(c);
	cli_show_version(c);
	printf("hub format %d\nfeatures:", HUB_FORMAT);
	for (size_t i = 0; features[i]; i++)
		printf(" %s", features[i]);
	putchar('\n');
	return 0;
}

const struct cli_verb verb_version = {
	"version", "show the version, the hub's format and what was built in", "", NULL, NULL, 0, 0, version,
};
