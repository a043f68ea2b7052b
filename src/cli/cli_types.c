/* cli_types.c - `pawl types`: the orchestrations and activities that this program and its configuration have. */
#include "cli/output.h"
#include "cli/verbs.h"
#include "base/json.h"
#include "runtime/registry.h"

static int add(void *arg, const struct registry_item *item)
{
	struct out *o = arg;
	const char *const cells[] = { item->kind, item->name, item->version, item->origin };
	struct buf json = BUF_INIT;

	buf_adds(&json, "{\"v\":1");
	json_add_member(&json, "kind", slice_of(item->kind));
	json_add_member(&json, "name", slice_of(item->name));
	out_add_text(&json, "version", item->version);
	out_add_text(&json, "from", item->origin);
	buf_addc(&json, '}');
	out_record(o, item->name, buf_slice(&json), cells);
	buf_release(&json);
	return 0;
}

static int types(struct cli *c)
{
	static const char *const columns[] = { "KIND", "NAME", "VERSION", "FROM", NULL };
	struct registry *r = NULL;
	struct out o;
	int rc = cli_load_config(c);

	if (rc == 0)
		rc = registry_new(&r, &c->config, &c->err);
	if (rc < 0)
		return rc;
	out_begin(&o, c, columns, true);
	rc = registry_each(r, add, &o);
	int end = out_end(&o, &c->err);
	if (o.records == 0)
		cli_note(c,
			"this program has no orchestrations and no activities: build plugins, or name activities in the configuration");
	registry_free(r);
	return rc < 0 ? rc : end;
}

const struct cli_verb verb_types = {
	"types", "list the orchestrations and activities there are", "",
	"Those of this program, of its plugins and of the configuration; a runtime that was started before may have others.",
	NULL, 0, 0, types,
};
