/* view_topics.c - the subscriptions of an instance: few, so a list in the order in which they were made. */
#include "view.h"
#include "base/text.h"
#include <stdlib.h>
#include <string.h>

static struct view_topic *topic_new(const struct event *e)
{
	struct view_topic *t = malloc(sizeof(*t) + e->name.len + 1 + e->key.len + 1);

	if (!t)
		return NULL;
	char *event = t->filter + e->name.len + 1;
	memcpy(t->filter, e->name.data, e->name.len);
	t->filter[e->name.len] = '\0';
	memcpy(event, e->key.data, e->key.len);
	event[e->key.len] = '\0';
	t->event = event;
	t->next = NULL;
	return t;
}

/* A filter has one event: subscribing again with another one replaces it. */
int view_add_topic(struct view *v, const struct event *e)
{
	struct view_topic *t = topic_new(e), **at = &v->topics;

	if (!t)
		return PAWL_ENOMEM;
	view_drop_topics(v, e->name);
	while (*at)
		at = &(*at)->next;
	*at = t;
	return 0;
}

void view_drop_topics(struct view *v, struct slice filter)
{
	struct view_topic **at = &v->topics;

	while (*at) {
		struct view_topic *t = *at;

		if (filter.data && !slice_is(filter, t->filter)) {
			at = &t->next;
			continue;
		}
		*at = t->next;
		free(t);
	}
}

const struct view_topic *view_topic(const struct view *v, const struct view_topic *after, struct slice topic)
{
	const struct view_topic *t = after ? after->next : v->topics;

	while (t && !text_topic_matches(slice_of(t->filter), topic))
		t = t->next;
	return t;
}
