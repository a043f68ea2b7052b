/* topics.c - subscriptions: the engine knows them to say nothing twice, and for the next execution. */
#include "engine/internal.h"
#include "base/text.h"

struct topic {
	struct topic *next;
	struct slice filter, event;
};

static struct topic **find(struct execution *x, struct slice filter)
{
	struct topic **at = &x->topics;

	while (*at && !slice_eq((*at)->filter, filter))
		at = &(*at)->next;
	return at;
}

static void add(struct execution *x, struct slice filter, struct slice event)
{
	struct topic **at = find(x, filter);

	if (!*at) {
		*at = memory_alloc(x, sizeof **at);
		(*at)->filter = memory_copy(x, filter);
	}
	(*at)->event = memory_copy(x, event);
}

size_t topics_count(const struct execution *x)
{
	size_t count = 0;

	for (const struct topic *t = x->topics; t; t = t->next)
		count++;
	return count;
}

void topics_carry(struct execution *x)
{
	for (const struct topic *t = x->topics; t; t = t->next) {
		struct event *e = carry_event(x);

		e->type = EVENT_TopicCarried;
		e->fields = FIELD_NAME | FIELD_KEY;
		e->name = t->filter;
		e->key = t->event;
	}
}

void topics_carried(struct execution *x, const struct event *e)
{
	add(x, e->name, e->key);
}

/* ---- what the code calls ---- */

static int refuse(struct execution *x, const pawl_failure *why, int code)
{
	decide_refused(x, why);
	return code;
}

int pawl_subscribe(pawl_ctx *ctx, const char *filter, const char *event)
{
	struct execution *x = execution_of(ctx);
	struct event e = { .type = EVENT_TopicSubscribed, .fields = FIELD_NAME | FIELD_KEY, .name = slice_of(filter),
			   .key = slice_of(event) };

	if (!text_is_topic_filter(e.name) || !text_is_event_name(e.key))
		return refuse(x, failure_make(x, "system", "invalid", "'%.80s' as '%.80s' is not a valid topic filter and event name",
					      filter ? filter : "", event ? event : ""), PAWL_EINVALID);
	struct topic *t = *find(x, e.name);
	if (t && slice_eq(t->event, e.key))
		return 0;
	const pawl_failure *f = decide_limit(x);
	if (!f && !t && topics_count(x) >= PAWL_TOPICS_MAX)
		f = failure_make(x, "system", "limit", "subscription '%s' would be one more than the limit of %d (PAWL_TOPICS_MAX)",
				 filter, PAWL_TOPICS_MAX);
	if (f)
		return refuse(x, f, PAWL_ETOOBIG);
	decide(x, &e);
	add(x, e.name, e.key);
	return 0;
}

void pawl_unsubscribe(pawl_ctx *ctx, const char *filter)
{
	struct execution *x = execution_of(ctx);
	struct event e = { .type = EVENT_TopicUnsubscribed, .fields = FIELD_NAME, .name = slice_of(filter) };
	struct topic **at = find(x, e.name);

	if (!*at)
		return;
	const pawl_failure *f = decide_limit(x);
	if (f) {
		decide_refused(x, f);
		return;
	}
	decide(x, &e);
	*at = (*at)->next;
}

int pawl_publish(pawl_ctx *ctx, const char *topic, const char *data)
{
	struct execution *x = execution_of(ctx);
	struct event e = { .type = EVENT_TopicPublished, .fields = FIELD_NAME | (data ? FIELD_DATA : 0u), .name = slice_of(topic),
			   .data = slice_of(data) };
	const pawl_failure *f = NULL;

	if (!text_is_topic(e.name))
		return refuse(x, failure_make(x, "system", "invalid", "'%.80s' is not a valid topic", topic ? topic : ""), PAWL_EINVALID);
	if (e.data.len > PAWL_PAYLOAD_BYTES_MAX)
		f = failure_make(x, "system", "limit", "data of %zu bytes is over the limit of %d (PAWL_PAYLOAD_BYTES_MAX)", e.data.len,
				 PAWL_PAYLOAD_BYTES_MAX);
	f = f ? f : decide_limit(x);
	if (f)
		return refuse(x, f, PAWL_ETOOBIG);
	decide(x, &e);
	return 0;
}
