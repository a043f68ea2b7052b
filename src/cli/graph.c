/* graph.c - the graph of a history: see graph.h. */
#include "cli/graph.h"
#include "base/map.h"
#include <stdlib.h>

#define NO_GROUP ((size_t)-1)

/* Events of one name that were raised, less those that a wait has got. */
struct kept {
	struct kept *next;
	const struct event *event;
	uint32_t count;
};

struct builder {
	struct graph *g;
	const struct history *h;
	struct view view;
	size_t *by_seq;              /* node of a line; 0 = none */
	size_t *ends, end_count, end_cap;
	size_t open, leaf, last;     /* groups: that nodes of this turn join; and the last one that is no leaf's */
	struct graph_node *waits;    /* for events, that are open */
	struct kept *kept, **kept_end;
	struct map kept_names;
	struct arena arena;
	bool failed;
};

/* ---- growing ---- */

static void *grow(struct builder *b, void *list, size_t count, size_t *cap, size_t size)
{
	if (count < *cap)
		return list;
	size_t more = *cap ? *cap * 2 : 16;
	void *grown = more <= SIZE_MAX / size ? realloc(list, more * size) : NULL;
	if (!grown)
		b->failed = true;
	else
		*cap = more;
	return grown ? grown : list;
}

static void add_end(struct builder *b, size_t node)
{
	b->ends = grow(b, b->ends, b->end_count, &b->end_cap, sizeof(*b->ends));
	if (!b->failed)
		b->ends[b->end_count++] = node;
	b->leaf = NO_GROUP;
}

static void remove_end(struct builder *b, size_t node)
{
	for (size_t n = 0; n < b->end_count; n++)
		if (b->ends[n] == node) {
			memmove(&b->ends[n], &b->ends[n + 1], (b->end_count - n - 1) * sizeof(*b->ends));
			b->end_count--;
			return;
		}
}

static void add_preds(struct builder *b, struct graph_group *group)
{
	struct graph *g = b->g;

	group->pred_first = g->pred_count;
	for (size_t n = 0; n < b->end_count; n++) {
		g->preds = grow(b, g->preds, g->pred_count, &g->pred_cap, sizeof(*g->preds));
		if (b->failed)
			return;
		g->preds[g->pred_count++] = b->ends[n];
	}
	group->pred_count = b->end_count;
}

static size_t add_group(struct builder *b, bool leaf)
{
	struct graph *g = b->g;

	g->groups = grow(b, g->groups, g->group_count, &g->group_cap, sizeof(*g->groups));
	if (b->failed)
		return NO_GROUP;
	struct graph_group *group = &g->groups[g->group_count];
	*group = (struct graph_group){ .first = g->node_count, .leaf = leaf };
	if (b->end_count == 0 && b->last != NO_GROUP) {
		group->pred_first = g->groups[b->last].pred_first;
		group->pred_count = g->groups[b->last].pred_count;
	} else {
		add_preds(b, group);
	}
	return g->group_count++;
}

static struct graph_node *add_node(struct builder *b, enum graph_kind kind, const struct event *e, size_t group)
{
	struct graph *g = b->g;

	if (b->failed || g->node_count == g->node_cap) {
		b->failed = true;
		return NULL;
	}
	struct graph_node *node = &g->nodes[g->node_count];
	*node = (struct graph_node){ .kind = kind, .event = e, .group = group, .into = g->node_count };
	if (group != NO_GROUP)
		g->groups[group].count++;
	b->by_seq[e->seq] = g->node_count++;
	return node;
}

/* ---- what was begun ---- */

static bool is_canceling(const struct event *e)
{
	return e->type == EVENT_TimerCanceled || e->type == EVENT_EventUnsubscribed ||
		e->type == EVENT_ActivityCancelRequested;
}

/* In the turn in which it began: it ran against an event that was there already, not after it. */
static bool is_canceled_at_once(const struct builder *b, const struct event *begun)
{
	const struct event *end = b->h->events + b->h->count;

	for (const struct event *e = begun + 1; e < end && !e->has_time; e++)
		if (is_canceling(e) && e->ref == begun->seq)
			return true;
	return false;
}

static size_t group_for(struct builder *b, const struct event *e)
{
	bool joins = b->open != NO_GROUP && (b->end_count == 0 || is_canceled_at_once(b, e));

	/* nodes of a group stand one after the other */
	if (joins && b->g->groups[b->open].first + b->g->groups[b->open].count == b->g->node_count)
		return b->open;
	size_t group = add_group(b, false);
	if (joins && group != NO_GROUP) {
		b->g->groups[group].pred_first = b->g->groups[b->open].pred_first;
		b->g->groups[group].pred_count = b->g->groups[b->open].pred_count;
	} else {
		b->end_count = 0;
	}
	b->open = b->last = group;
	return group;
}

static struct graph_node *begin(struct builder *b, enum graph_kind kind, const struct event *e)
{
	return add_node(b, kind, e, group_for(b, e));
}

static void add_leaf(struct builder *b, const struct event *e)
{
	if (b->leaf == NO_GROUP || b->g->groups[b->leaf].first + b->g->groups[b->leaf].count != b->g->node_count)
		b->leaf = add_group(b, true);
	struct graph_node *node = add_node(b, GRAPH_SENT, e, b->leaf);
	if (node)
		node->state = GRAPH_DONE;
}

/* ---- what became of it ---- */

static struct graph_node *node_of(const struct builder *b, const struct event *e)
{
	size_t n = e->ref >= 1 && e->ref <= b->h->count ? b->by_seq[e->ref] : 0;

	return n ? &b->g->nodes[n] : NULL;
}

static void finish(struct builder *b, struct graph_node *node, const struct failure *error)
{
	if (!node || node->state != GRAPH_OPEN)
		return;
	node->state = error ? GRAPH_FAILED : GRAPH_DONE;
	node->error = error ? error : node->error;
	node->held = false;
	add_end(b, node->into);
}

static void retry(struct graph_node *node, const struct event *e)
{
	if (!node || node->state != GRAPH_OPEN)
		return;
	node->held = e->delay_ms == EVENT_DELAY_HELD;
	if (event_is_requeue(e))
		return;
	node->retries += node->held ? 0 : 1;
	node->error = &e->error;
}

static void drop_wait(struct builder *b, struct graph_node *node)
{
	for (struct graph_node **at = &b->waits; *at; at = &(*at)->next_wait)
		if (*at == node) {
			*at = node->next_wait;
			return;
		}
}

static void cancel(struct builder *b, struct graph_node *node)
{
	if (!node)
		return;
	if (node->state == GRAPH_DONE)
		remove_end(b, node->into);
	node->state = GRAPH_CANCELED;
	drop_wait(b, node);
}

/* ---- events from outside: the view says who got one ---- */

static struct kept *kept_of(struct builder *b, const struct event *e)
{
	struct kept *k = map_get(&b->kept_names, e->name);

	if (k)
		return k;
	k = arena_alloc(&b->arena, sizeof(*k));
	if (!k || map_put(&b->kept_names, e->name, k, NULL) < 0) {
		b->failed = true;
		return NULL;
	}
	k->event = e;
	*b->kept_end = k;
	b->kept_end = &k->next;
	return k;
}

/* A wait of this name that is open here, but not for the view any more, has got an event. */
static void give_event(struct builder *b, const struct event *of)
{
	struct graph_node *node = b->waits;

	while (node && !(slice_eq(node->event->name, of->name) && !view_find(&b->view, node->event->seq)))
		node = node->next_wait;
	if (!node)
		return;
	struct kept *k = kept_of(b, of);
	drop_wait(b, node);
	finish(b, node, NULL);
	if (k)
		k->count--;
}

static void raise(struct builder *b, const struct event *e)
{
	struct kept *k = kept_of(b, e);

	if (k)
		k->count++;
	give_event(b, e);
}

static void subscribe(struct builder *b, const struct event *e)
{
	struct graph_node *node = begin(b, GRAPH_EVENT, e), **at = &b->waits;

	if (!node)
		return;
	while (*at)
		at = &(*at)->next_wait;
	*at = node;
	give_event(b, e);
}

static void unsubscribe(struct builder *b, struct graph_node *node)
{
	struct kept *k = node && node->state == GRAPH_DONE ? kept_of(b, node->event) : NULL;

	cancel(b, node);
	if (!k)
		return;
	k->count++;
	give_event(b, node->event);
}

/* ---- one line of history ---- */

static void add_mark(struct builder *b, enum graph_kind kind, const struct event *e, enum graph_state state)
{
	struct graph_node *node = begin(b, kind, e);

	if (!node)
		return;
	node->state = state;
	add_end(b, node->into);
	b->open = NO_GROUP; /* nothing happens beside it */
}

static void apply_begin(struct builder *b, const struct event *e)
{
	switch (e->type) {
	case EVENT_ActivityScheduled:
		(void)begin(b, GRAPH_ACTIVITY, e);
		break;
	case EVENT_TimerCreated:
		(void)begin(b, GRAPH_TIMER, e);
		break;
	case EVENT_EventSubscribed:
		subscribe(b, e);
		break;
	case EVENT_ChildScheduled:
		(void)begin(b, GRAPH_CHILD, e);
		break;
	case EVENT_EntityCalled:
		(void)begin(b, GRAPH_ENTITY, e);
		break;
	case EVENT_EntityLockRequested:
		(void)begin(b, GRAPH_LOCK, e);
		break;
	case EVENT_EventSent:
	case EVENT_TopicPublished:
	case EVENT_TopicSubscribed:
	case EVENT_InstanceStarted:
	case EVENT_EntitySignaled:
	case EVENT_PatchMarked:
		add_leaf(b, e);
		break;
	default:
		break;
	}
}

static void apply(struct builder *b, const struct event *e)
{
	unsigned class = event_type_class(e->type);

	if (e->has_time)
		b->open = b->leaf = NO_GROUP;
	switch (e->type) {
	case EVENT_ActivityCompleted:
	case EVENT_TimerFired:
	case EVENT_ChildCompleted:
	case EVENT_EntityLockGranted:
		finish(b, node_of(b, e), NULL);
		break;
	case EVENT_ActivityFailed:
	case EVENT_ChildFailed:
	case EVENT_EntityReplied:
		finish(b, node_of(b, e), e->fields & FIELD_ERROR ? &e->error : NULL);
		break;
	case EVENT_ActivityRetrying:
	case EVENT_ChildRetrying:
		retry(node_of(b, e), e);
		break;
	case EVENT_ActivityRebooting:
		if (node_of(b, e))
			node_of(b, e)->rebooting = true;
		break;
	case EVENT_TimerCanceled:
	case EVENT_ActivityCancelRequested:
	case EVENT_ChildCancelRequested:
		cancel(b, node_of(b, e));
		break;
	case EVENT_EventUnsubscribed:
		unsubscribe(b, node_of(b, e));
		break;
	case EVENT_EventRaised:
		raise(b, e);
		break;
	case EVENT_CancelRequested:
		add_mark(b, GRAPH_CONTROL, e, GRAPH_DONE);
		break;
	default:
		if (class & EVENT_END)
			add_mark(b, GRAPH_END, e, e->fields & FIELD_ERROR ? GRAPH_FAILED : GRAPH_DONE);
		else
			apply_begin(b, e);
	}
}

/* ---- the whole ---- */

/* A timer's length or date is its name. */
static bool is_alike(const struct graph_node *a, const struct graph_node *b)
{
	const struct event *x = a->event, *y = b->event;

	if (a->kind != b->kind || x->type != y->type || ((x->fields ^ y->fields) & FIELD_UNTIL))
		return false;
	return slice_eq(x->name, y->name) && x->delay_ms == y->delay_ms &&
		(!(x->fields & FIELD_UNTIL) || x->until_ns == y->until_ns);
}

static void fold_run(struct graph *g, size_t first, size_t count)
{
	for (size_t n = first; n < first + count; n++) {
		g->nodes[n].into = first;
		g->nodes[first].folded[g->nodes[n].state]++;
		if (n > first)
			g->nodes[first].retries += g->nodes[n].retries;
		if (g->nodes[n].state == GRAPH_FAILED)
			g->nodes[first].error = g->nodes[n].error;
	}
}

static void fold(struct graph *g, size_t fold_min)
{
	for (size_t n = 0; n < g->group_count; n++) {
		const struct graph_group *group = &g->groups[n];
		size_t end = group->first + group->count, run;
		for (size_t first = group->first; first < end; first += run) {
			for (run = 1; first + run < end && is_alike(&g->nodes[first], &g->nodes[first + run]); run++)
				;
			if (run >= fold_min)
				fold_run(g, first, run);
		}
	}
}

static void add_kept(struct builder *b)
{
	for (const struct kept *k = b->kept; k; k = k->next) {
		if (k->count == 0)
			continue;
		struct graph_node *node = add_node(b, GRAPH_KEPT, k->event, NO_GROUP);
		if (node)
			node->count = k->count;
	}
}

static void settle_open(struct graph *g)
{
	for (size_t n = 0; n < g->node_count; n++)
		if (g->nodes[n].state == GRAPH_OPEN && g->nodes[n].kind != GRAPH_KEPT)
			g->nodes[n].state = GRAPH_STOPPED;
}

static bool is_over(enum instance_status s)
{
	return status_is_ended(s) || s == STATUS_CONTINUED_AS_NEW;
}

static int apply_all(struct builder *b)
{
	const struct history *h = b->h;
	int rc = 0;

	for (size_t n = 0; rc == 0 && n < h->count && !b->failed; n++) {
		const struct event *e = &h->events[n];
		if (e->type == EVENT_UNKNOWN)
			continue;
		rc = view_apply(&b->view, e);
		if (rc == 0 && n == 0)
			add_mark(b, GRAPH_START, e, GRAPH_DONE);
		else if (rc == 0)
			apply(b, e);
	}
	b->g->status = b->view.status;
	if (h->count && is_over(b->view.status))
		settle_open(b->g);
	add_kept(b);
	return b->failed ? PAWL_ENOMEM : rc;
}

int graph_build(struct graph *g, const char *id, const struct history *h, size_t fold_min)
{
	struct builder b = { .g = g, .h = h, .open = NO_GROUP, .leaf = NO_GROUP, .last = NO_GROUP };

	*g = (struct graph){ .id = id, .status = STATUS_PENDING };
	view_init(&b.view);
	arena_init(&b.arena, 0);
	map_init(&b.kept_names);
	b.kept_end = &b.kept;
	g->node_cap = 2 * h->count + 1; /* a line is a node at most, or a name that is kept: nodes never move */
	g->nodes = calloc(g->node_cap, sizeof(*g->nodes));
	b.by_seq = calloc(h->count + 1, sizeof(*b.by_seq));
	int rc = g->nodes && b.by_seq ? apply_all(&b) : PAWL_ENOMEM;
	if (rc != PAWL_ENOMEM && fold_min)
		fold(g, fold_min);
	map_release(&b.kept_names);
	arena_release(&b.arena);
	view_release(&b.view);
	free(b.by_seq);
	free(b.ends);
	return rc;
}

void graph_release(struct graph *g)
{
	free(g->nodes);
	free(g->groups);
	free(g->preds);
	*g = (struct graph){ .id = NULL };
}
