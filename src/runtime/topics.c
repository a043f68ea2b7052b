/* topics.c - what is published under a topic becomes an event of every instance that has subscribed, in the same frame. */
#include "base/error.h"
#include "runtime/deliver.h"

struct publication {
	struct delivery *d;
	const struct event *event;
	struct slice from;
	struct slice names[PAWL_TOPICS_MAX]; /* events that one instance gets */
	size_t name_count;
	int rc;
};

bool topic_is_first(const struct view *v, const struct view_topic *topic, struct slice name)
{
	for (const struct view_topic *t = view_topic(v, NULL, name); t && t != topic; t = view_topic(v, t, name))
		if (strcmp(t->event, topic->event) == 0)
			return false;
	return true;
}

static int publish_to(struct publication *p, struct instance *to, struct slice event)
{
	struct undelivered why;
	struct event line = { .type = EVENT_EventRaised, .fields = FIELD_NAME | FIELD_FROM | (p->event->fields & FIELD_DATA), .name = event,
		.data = p->event->data, .from = p->from };

	if (!deliver_has_room(p->d, to, &line, &why)) {
		log_warning("instance '%s' does not get what was published under '%.*s': %s", to->id, SLICE_FMT(p->event->name), why.text);
		return 0;
	}
	return deliver_line(p->d, to, &line);
}

/* Lines of a turn that is queued count as well; of the publisher's own those before the publication. */
static size_t lines_of_turn(const struct publication *p, const struct instance *i)
{
	if (i == p->d->sender)
		return (size_t)(p->event - i->turn->events);
	return i->turn ? i->turn->event_count : 0;
}

/* Does one of these lines replace or drop the subscription with this filter? */
static bool is_changed(const struct event *events, size_t count, struct slice filter)
{
	for (size_t n = 0; n < count; n++)
		if ((events[n].type == EVENT_TopicSubscribed || events[n].type == EVENT_TopicUnsubscribed) && slice_eq(events[n].name, filter))
			return true;
	return false;
}

/* Several filters may have the same event, and match: it comes once. */
static void add_name(struct publication *p, struct slice event)
{
	for (size_t n = 0; n < p->name_count; n++)
		if (slice_eq(p->names[n], event))
			return;
	if (p->name_count < PAWL_TOPICS_MAX)
		p->names[p->name_count++] = event;
}

static void find_carried(struct publication *p, const struct turn *t)
{
	for (size_t n = 0; n < t->next_count; n++)
		if (t->next[n].type == EVENT_TopicCarried && text_topic_matches(t->next[n].name, p->event->name))
			add_name(p, t->next[n].key);
}

/* By what it has subscribed to at its tail. */
static void find_names(struct publication *p, const struct instance *i)
{
	const struct event *events = i->turn ? i->turn->events : NULL;
	size_t count = lines_of_turn(p, i);
	struct slice topic = p->event->name;

	p->name_count = 0;
	if (i->turn && i->turn->next_count) {
		find_carried(p, i->turn);
		return;
	}
	for (const struct view_topic *t = view_topic(&i->view, NULL, topic); t; t = view_topic(&i->view, t, topic))
		if (!is_changed(events, count, slice_of(t->filter)))
			add_name(p, slice_of(t->event));
	for (size_t n = 0; n < count; n++)
		if (events[n].type == EVENT_TopicSubscribed && text_topic_matches(events[n].name, topic) &&
		    !is_changed(events + n + 1, count - n - 1, events[n].name))
			add_name(p, events[n].key);
}

static int publish_each(void *arg, struct slice key, void *value)
{
	struct publication *p = arg;
	struct instance *i = value;

	(void)key;
	if ((!i->view.topics && !i->turn) || i->parked == PARKED_DAMAGED || i->parked == PARKED_UNREADABLE || tail_is_ended(i))
		return 0;
	find_names(p, i);
	for (size_t n = 0; n < p->name_count && p->rc == 0; n++)
		p->rc = publish_to(p, i, p->names[n]);
	return p->rc < 0;
}

int topic_published(struct delivery *d, const struct event *e)
{
	struct publication p = { .d = d, .event = e, .from = deliver_from(d, e->seq) };

	if (!p.from.data)
		return err_nomem(d->err);
	(void)map_each(&d->rt->instances, publish_each, &p);
	return p.rc;
}
