/*
 * program_facts.c - one history against the other: a line that another instance has sent names a line that is there; what was
 * told to be sent has arrived, once (I3); a child's result is what it came to; children that were left were asked to cancel.
 */
#include "program_facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void facts_init(struct facts *f)
{
	map_init(&f->sources);
	map_init(&f->sent);
	map_init(&f->delivered);
	map_init(&f->asked);
	map_init(&f->ends);
	map_init(&f->claims);
	map_init(&f->left);
}

static int free_value(void *arg, struct slice key, void *value)
{
	(void)arg;
	(void)key;
	free(value);
	return 0;
}

void facts_release(struct facts *f)
{
	(void)map_each(&f->ends, free_value, NULL);
	(void)map_each(&f->claims, free_value, NULL);
	map_release(&f->sources);
	map_release(&f->sent);
	map_release(&f->delivered);
	map_release(&f->asked);
	map_release(&f->ends);
	map_release(&f->claims);
	map_release(&f->left);
}

static void put(struct map *m, struct slice key, void *value)
{
	if (map_put(m, key, value, NULL) < 0)
		abort();
}

static void put_text(struct map *m, const char *id, struct slice text)
{
	free(map_get(m, slice_of(id)));
	char *copy = malloc(text.len + 1);
	if (!copy)
		abort();
	memcpy(copy, text.data ? text.data : "", text.len);
	copy[text.len] = '\0';
	put(m, slice_of(id), copy);
}

static void *number(uintptr_t n)
{
	return (void *)n;
}

static const char *source(char out[200], const char *id, uint64_t execution, uint64_t seq)
{
	snprintf(out, 200, "@%s/%llu/%llu", id, (unsigned long long)execution, (unsigned long long)seq);
	return out;
}

/* Of a ChildScheduled, up to line n: the instance of its newest attempt. */
static void child_id(const struct history *h, uint64_t ref, size_t n, char out[140])
{
	snprintf(out, 140, "%.*s", SLICE_FMT(h->events[ref - 1].instance));
	for (size_t i = ref; i < n; i++)
		if (h->events[i].type == EVENT_ChildRetrying && h->events[i].ref == ref && h->events[i].instance.data)
			snprintf(out, 140, "%.*s", SLICE_FMT(h->events[i].instance));
}

static void fact_of_line(struct facts *f, const char *id, uint64_t execution, const struct history *h, size_t n, bool carried)
{
	const struct event *e = &h->events[n];
	char text[200], child[140];

	put(&f->sources, slice_of(source(text, id, execution, e->seq)), number((uintptr_t)e->type));
	if (e->type == EVENT_SendCompleted)
		put(&f->sent, slice_of(source(text, id, execution, e->ref)), f);
	if (e->type == EVENT_CancelRequested || e->type == EVENT_ExecutionTerminated)
		put(&f->asked, slice_of(id), f);
	/* what is delivered may join the lines that were carried over */
	bool again = carried && map_get(&f->delivered, e->from);
	if (!again && e->fields & FIELD_FROM && e->from.data[0] == '@' && !(e->fields & FIELD_REF))
		put(&f->delivered, e->from, number((uintptr_t)map_get(&f->delivered, e->from) + 1));
	if (e->type == EVENT_ExecutionCompleted)
		put_text(&f->ends, id, e->data);
	if (e->type == EVENT_ChildCompleted) {
		child_id(h, e->ref, n, child);
		put_text(&f->claims, child, e->data);
	}
}

void facts_of(struct facts *f, const char *id, uint64_t execution, const struct history *h, const struct view *v, size_t carried)
{
	char child[140];

	for (size_t n = 0; n < h->count; n++)
		fact_of_line(f, id, execution, h, n, n > 0 && n < carried);
	for (const struct open_item *item = v->open; item; item = item->next) {
		if (item->type != EVENT_ChildScheduled)
			continue;
		child_id(h, item->seq, h->count, child);
		put(&f->left, slice_of(child), f);
	}
}

/* ---- do they fit? ---- */

struct checking {
	struct facts *f;
	char *why;
	size_t size;
};

static int has_arrived(void *arg, struct slice key, void *value)
{
	struct checking *c = arg;
	enum event_type type = (enum event_type)(uintptr_t)map_get(&c->f->sources, key);
	size_t times = (size_t)(uintptr_t)map_get(&c->f->delivered, key);

	(void)value;
	if ((type != EVENT_EventSent && type != EVENT_InstanceStarted) || times == 1)
		return 0;
	snprintf(c->why, c->size, "I3: what line %.*s has sent is there %zu times", SLICE_FMT(key), times);
	return 1;
}

static int has_source(void *arg, struct slice key, void *value)
{
	struct checking *c = arg;

	(void)value;
	if (map_get(&c->f->sources, key))
		return 0;
	snprintf(c->why, c->size, "I3: a line comes from %.*s, and that is not there", SLICE_FMT(key));
	return 1;
}

static int is_true(void *arg, struct slice key, void *value)
{
	struct checking *c = arg;
	const char *end = map_get(&c->f->ends, key);

	if (end && strcmp(end, value) == 0)
		return 0;
	snprintf(c->why, c->size, "I3: '%.*s' came to '%.300s', its parent has '%.300s'", SLICE_FMT(key), end ? end : "another end", (char *)value);
	return 1;
}

static int was_asked(void *arg, struct slice key, void *value)
{
	struct checking *c = arg;
	char line[200];

	(void)value;
	snprintf(line, sizeof(line), "@%.*s/1/1", SLICE_FMT(key));
	if (!map_get(&c->f->sources, slice_of(line)) || map_get(&c->f->asked, key))
		return 0;
	snprintf(c->why, c->size, "the parent of '%.*s' has ended, and it was not asked to cancel", SLICE_FMT(key));
	return 1;
}

bool facts_fit(struct facts *f, char *why, size_t size)
{
	struct checking c = { f, why, size };

	return map_each(&f->sent, has_arrived, &c) == 0 && map_each(&f->delivered, has_source, &c) == 0 &&
	       map_each(&f->claims, is_true, &c) == 0 && map_each(&f->left, was_asked, &c) == 0;
}
