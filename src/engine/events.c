/*
 * events.c - external events by name. A raised event goes to the oldest open wait of its name, or into the name's
 * buffer; a new wait takes the oldest that is buffered. So one of the two lists of a name is always empty.
 */
#include "engine/internal.h"
#include <assert.h>

static _Noreturn void no_memory(struct execution *x)
{
	execution_stop(x, PAWL_ENOMEM, "out of memory in instance '%s'", x->id);
}

struct event_queue *events_queue(struct execution *x, struct slice name)
{
	struct event_queue *q = map_get(&x->queues, name);

	if (q)
		return q;
	q = memory_alloc(x, sizeof *q);
	q->name = memory_copy(x, name);
	if (map_put(&x->queues, name, q, NULL) < 0)
		no_memory(x);
	return q;
}

const struct event_queue *events_find(const struct execution *x, struct slice name)
{
	return map_get(&x->queues, name);
}

static void give(struct execution *x, pawl_task *wait, struct raised *r)
{
	events_drop_wait(wait);
	wait->raised = r;
	tasks_complete(x, wait, r->data);
}

static struct raised *take_first(struct event_queue *q)
{
	struct raised *r = q->first;

	q->first = r->next;
	if (!q->first)
		q->last = NULL;
	r->next = NULL;
	q->count--;
	return r;
}

static void append_wait(struct event_queue *q, pawl_task *wait)
{
	wait->prev = q->last_wait;
	wait->next = NULL;
	if (q->last_wait)
		q->last_wait->next = wait;
	else
		q->waits = wait;
	q->last_wait = wait;
}

void events_drop_wait(pawl_task *wait)
{
	struct event_queue *q = wait->queue;

	if (wait->prev)
		wait->prev->next = wait->next;
	else
		q->waits = wait->next;
	if (wait->next)
		wait->next->prev = wait->prev;
	else
		q->last_wait = wait->prev;
	wait->prev = wait->next = NULL;
}

void events_wait(struct execution *x, pawl_task *wait, struct event_queue *q)
{
	wait->queue = q;
	append_wait(q, wait);
	if (q->first)
		give(x, wait, take_first(q));
}

static struct slice keep(struct execution *x, const struct event *e, uint32_t field, struct slice s)
{
	return e->fields & field ? memory_copy(x, s) : SLICE_NONE;
}

void events_raise(struct execution *x, const struct event *e)
{
	struct event_queue *q = events_queue(x, e->name);
	struct raised *r = memory_alloc(x, sizeof *r);

	r->data = memory_payload(x, e);
	r->seq = e->seq;
	r->fields = e->fields;
	r->id = keep(x, e, FIELD_ID, e->id);
	r->key = keep(x, e, FIELD_KEY, e->key);
	r->from = keep(x, e, FIELD_FROM, e->from);
	if (q->waits) {
		give(x, q->waits, r);
		return;
	}
	if (q->last)
		q->last->next = r;
	else
		q->first = r;
	q->last = r;
	q->count++;
}

void events_put_back(struct execution *x, struct event_queue *q, struct raised *r)
{
	if (q->waits) {
		give(x, q->waits, r);
		return;
	}
	r->next = q->first;
	q->first = r;
	if (!q->last)
		q->last = r;
	q->count++;
}

void events_take(struct execution *x, struct event_queue *q, struct raised *r)
{
	struct raised **at = &q->first, *before = NULL;

	decide(x, &(struct event){ .type = EVENT_EventSubscribed, .fields = FIELD_NAME, .name = q->name });
	for (; *at != r; at = &(*at)->next)
		before = *at;
	*at = r->next;
	if (q->last == r)
		q->last = before;
	r->next = NULL;
	q->count--;
}

/* ---- I2: what history has already ---- */

/* An event's name cannot hold a NUL, so name and key cannot run into each other. */
static struct slice joined_key(struct execution *x, const struct event *e)
{
	buf_reset(&x->key);
	buf_add_slice(&x->key, e->name);
	buf_addc(&x->key, '\0');
	buf_add_slice(&x->key, e->key);
	if (!buf_ok(&x->key))
		no_memory(x);
	return buf_slice(&x->key);
}

static bool has_key(const struct event *e)
{
	return e->type == EVENT_EventRaised && e->fields & FIELD_KEY;
}

bool events_is_known(struct execution *x, const struct event *e)
{
	if (e->fields & FIELD_ID && map_get(&x->ids, e->id))
		return true;
	return has_key(e) && map_get(&x->keys, joined_key(x, e));
}

void events_remember(struct execution *x, const struct event *e)
{
	if (e->fields & FIELD_ID && map_put(&x->ids, e->id, x, NULL) < 0)
		no_memory(x);
	if (has_key(e) && map_put(&x->keys, joined_key(x, e), x, NULL) < 0)
		no_memory(x);
}
