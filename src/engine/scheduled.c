/* scheduled.c - events that others have sent for later. The runtime raises them; here they are kept for the next execution. */
#include "engine/internal.h"

struct scheduled {
	struct scheduled *next;
	struct event event;
};

void scheduled_add(struct execution *x, const struct event *e)
{
	struct scheduled *s = memory_alloc(x, sizeof *s);
	struct event *kept = &s->event;

	*kept = *e;
	kept->has_time = false;
	kept->data_file = kept->extra = SLICE_NONE;
	kept->data = e->fields & FIELD_DATA ? memory_payload(x, e) : SLICE_NONE;
	kept->name = memory_copy(x, e->name);
	kept->id = memory_copy(x, e->id);
	kept->key = memory_copy(x, e->key);
	kept->from = memory_copy(x, e->from);
	kept->due.boot = memory_copy(x, e->due.boot);
	*x->scheduled_end = s;
	x->scheduled_end = &s->next;
}

void scheduled_drop(struct execution *x, uint64_t seq)
{
	struct scheduled **at = &x->scheduled;

	while (*at && (*at)->event.seq != seq)
		at = &(*at)->next;
	if (!*at)
		execution_stop(x, PAWL_ECORRUPT, "history of '%s' raises line %llu, which is no event for later", x->id,
			       (unsigned long long)seq);
	*at = (*at)->next;
	if (!*at)
		x->scheduled_end = at;
}

size_t scheduled_count(const struct execution *x)
{
	size_t count = 0;

	for (const struct scheduled *s = x->scheduled; s; s = s->next)
		count++;
	return count;
}

void scheduled_carry(struct execution *x)
{
	for (const struct scheduled *s = x->scheduled; s; s = s->next) {
		struct event *e = carry_event(x);
		uint64_t seq = e->seq;

		*e = s->event;
		e->seq = seq;
	}
}
