/* cli_types.c - `pawl types`: the orchestrations, entities and activities that this program and its configuration have. */
#include "cli/output.h"
#include "cli/verbs.h"
#include "base/json.h"
#include "base/map.h"
#include "runtime/registry.h"

struct listing {
	struct registry *registry;
	struct map several; /* orchestrations of which there is another version than the newest */
	struct out out;
};

/* What a start takes that names no version. */
static bool is_newest(const struct listing *l, const struct registry_item *item)
{
	if (!item->version)
		return false;
	const struct pawl_registration *newest = registry_orchestration(l->registry, item->name, NULL);
	return newest && strcmp(newest->version, item->version) == 0;
}

static int look(void *arg, const struct registry_item *item)
{
	struct listing *l = arg;

	return item->version && !is_newest(l, item) ? map_put(&l->several, slice_of(item->name), l, NULL) : 0;
}

static int add(void *arg, const struct registry_item *item)
{
	struct listing *l = arg;
	bool newest = is_newest(l, item), told = newest && map_get(&l->several, slice_of(item->name));
	const char *const cells[] = { item->kind, item->name, item->version, item->origin, told ? "newest" : "" };
	struct buf json = BUF_INIT;

	buf_adds(&json, "{\"v\":1");
	json_add_member(&json, "kind", slice_of(item->kind));
	json_add_member(&json, "name", slice_of(item->name));
	out_add_text(&json, "version", item->version);
	out_add_flag(&json, "newest", newest);
	out_add_text(&json, "from", item->origin);
	buf_addc(&json, '}');
	out_record(&l->out, item->name, buf_slice(&json), cells);
	buf_release(&json);
	return 0;
}

static int types(struct cli *c)
{
	static const char *const columns[] = { "KIND", "NAME", "VERSION", "FROM", "NEWEST", NULL };
	struct listing l = { .registry = NULL };
	int rc = cli_load_config(c);

	if (rc == 0)
		rc = registry_new(&l.registry, &c->config, &c->err);
	if (rc < 0)
		return rc;
	map_init(&l.several);
	out_begin(&l.out, c, columns, true);
	l.out.hide_empty = true;
	rc = registry_each(l.registry, look, &l);
	if (rc == 0)
		rc = registry_each(l.registry, add, &l);
	int end = out_end(&l.out, &c->err);
	if (l.out.records == 0)
		cli_note(c,
			"this program has no orchestrations and no activities: build plugins, or name activities in the configuration");
	map_release(&l.several);
	registry_free(l.registry);
	return rc == PAWL_ENOMEM ? err_nomem(&c->err) : rc < 0 ? rc : end;
}

const struct cli_verb verb_types = {
	"types", "list the orchestrations, entities and activities there are", "",
	HELP("Those of this program, of its plugins and of the configuration; a runtime that was started before may have others. Of an "
	"orchestration with several versions the newest is the one that a start without a version takes."),
	NULL, 0, 0, types,
};
