/* cli_compact.c - `pawl compact`: remove the older executions of instances that continued as new. */
#include "cli/control.h"
#include "cli/verbs.h"
#include "runtime/removal.h"

static uint64_t kept(struct cli *c)
{
	uint64_t keep = 1;

	return cli_number(c, OPT_KEEP, 1, 1000000, &keep) == 0 ? keep : 1;
}

/* Its end is too short ago? Of one that cannot be read nobody knows. */
static bool is_young(struct cli *c, const char *id, uint64_t execution)
{
	struct cli_instance i;
	bool young = instance_read(c, id, execution, &i) == 0 && i.view.updated_ns > c->now_ns - OLDER_FOR_NS;

	instance_release(&i);
	return young;
}

static const char *refusal(struct cli *c, const struct cli_instance *i)
{
	struct pawl_extent x;

	if (i->execution <= kept(c) || c->provider->ops->measure(c->provider, i->id, &x, NULL) < 0 || x.oldest == 0 ||
	    x.oldest > i->execution - kept(c))
		return "has no older executions to remove";
	return is_young(c, i->id, x.oldest) ? "has older executions, of which the oldest ended less than ten minutes ago" : NULL;
}

static bool is_done(struct cli *c, const struct cli_instance *i)
{
	return refusal(c, i) != NULL;
}

/* The first of those from `oldest` to `end` that has to stay. */
static uint64_t first_young(struct cli *c, const char *id, uint64_t oldest, uint64_t end)
{
	while (oldest < end) {
		uint64_t middle = oldest + (end - oldest) / 2;
		if (is_young(c, id, middle))
			end = middle;
		else
			oldest = middle + 1;
	}
	return end;
}

static int compact_now(struct cli *c, const char *const *ids, size_t count)
{
	int rc = 0;

	for (size_t n = 0; rc == 0 && n < count; n++) {
		struct pawl_extent x;
		rc = c->provider->ops->measure(c->provider, ids[n], &x, &c->err);
		if (rc < 0 || x.newest <= kept(c))
			continue;
		const struct pawl_prune prune = { ids[n], first_young(c, ids[n], x.oldest, x.newest - kept(c) + 1), 0 };
		do
			rc = removal_prune(c->provider, &prune, 1, &c->err);
		while (rc > 0);
	}
	return rc;
}

static int compact(struct cli *c)
{
	static const struct control control = {
		.kind = PAWL_MESSAGE_COMPACT, .done = "compacted", .asked = "asked to compact", .all = true, .key = OPT_KEEP,
			.refusal_in = refusal, .is_done_in = is_done, .direct = compact_now,
	};
	uint64_t keep = 1;
	int rc = cli_number(c, OPT_KEEP, 1, 1000000, &keep);

	return rc < 0 ? rc : control_run(c, &control);
}

static const struct cli_option options_compact[] = {
	{ OPT_KEEP, 'k', "keep", "N", HELP("how many of the newest executions stay; 1 when it is not given") },
	INSTEAD_OF_IDS_OPTIONS,
	RATE_OPTION,
	ACT_OPTIONS,
	{ OPT_NONE, 0, NULL, NULL, NULL },
};

const struct cli_verb verb_compact = {
	"compact", "remove older executions of instances that continue as new",
	"ID... | -s STATUS,... | -t TYPE | --where EXPR [--keep N] [--rate N] [--yes] [--dry-run]",
	HELP("Histories and payload files of all executions but the newest go, of live instances and of those that ended. What ended in the last "
	"ten minutes stays: it may be needed to know a message again. Works with and without a runtime. retention.executions of the configuration does this by itself."),
	options_compact, 0, -1, compact,
};
