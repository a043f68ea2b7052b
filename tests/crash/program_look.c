/* program_look.c - what is true of every history. */
#include "program_look.h"
#include "base/text.h"
#include "engine/engine.h"

#include <pawl/provider.h>
#include <stdio.h>
#include <stdlib.h>

bool event_is_new(struct map *seen, const struct event *e, bool carried, char key[400])
{
	bool sent = e->fields & FIELD_FROM && e->from.len && e->from.data[0] == '@'; /* by an instance: that names a line */
	struct slice source = e->fields & FIELD_ID ? e->id : sent ? e->from : SLICE_NONE;

	if (e->type != EVENT_EventRaised || !source.len)
		return true;
	/* a lock and its end are told by one line of who has it */
	bool unlock = slice_is(e->name, "pawl:op") && e->data.len > 6 && memcmp(e->data.data, "unlock", 6) == 0;
	snprintf(key, 400, "%.*s %.*s%s", (int)source.len, source.data, (int)e->name.len, e->name.data, unlock ? " unlock" : "");
	if (map_get(seen, slice_of(key)))
		return carried;
	if (map_put(seen, slice_of(key), seen, NULL) < 0)
		abort();
	return true;
}

size_t carried_lines(const struct history *h, uint64_t execution)
{
	size_t n = execution > 1 ? 1 : 0;

	while (n > 0 && n < h->count && !h->events[n].has_time && event_type_class(h->events[n].type) & EVENT_IN)
		n++;
	return n;
}

static int load_spill(void *arg, const char *instance, const char *file, char **out, size_t *len, struct pawl_error *err)
{
	struct pawl_provider *p = arg;

	return p->ops->read_spill(p, instance, file, out, len, err);
}

int history_replays(struct pawl_provider *p, const char *id, uint64_t execution, const struct history *h, pawl_orchestration_fn code,
                    struct pawl_error *err)
{
	const struct engine_options o = { .load_spill = load_spill, .arg = p, .memory_max = 64 << 20 };
	struct execution *x = NULL;
	int rc = execution_new(&x, id, execution, code, &o, err);

	if (rc == 0)
		rc = execution_load(x, h, err);
	if (rc == 0)
		rc = execution_verify(x, err);
	execution_free(x);
	return rc;
}
