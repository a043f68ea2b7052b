/*
 * children.c - instances that others wait for.
 *
 *	ChildScheduled ──same frame──► ExecutionStarted of the child ... its end ──same frame──► ChildCompleted, ChildFailed
 *	      ▲                                                              │
 *	      └── when it is due: another instance ◄── ChildRetrying ◄───────┘  by the retry policy
 *
 * A parent that ends asks its children to cancel; one that is terminated terminates them, and so on down the tree: a list of
 * work, not recursion. After a start, and when an attempt is due, a child that should be there is looked for, and begun or
 * answered for when it is not (child_due): safe at any time, as ids are used once.
 */
#include "base/error.h"
#include "runtime/deliver.h"

#define LOOK_AGAIN_MS 10000

/* ---- whose it is ---- */

static bool is_child_of(const struct instance *child, const char *id, uint64_t execution, uint64_t ref)
{
	const struct view_parent *p = child->tail && child->tail->parent ? child->tail->parent : child->view.parent;

	return p && p->execution == execution && p->ref == ref && strcmp(p->id, id) == 0;
}

static struct instance *find(struct pawl_runtime *rt, struct slice id)
{
	return map_get(&rt->instances, id);
}

/* Live, and lines can be added to it. */
static bool is_reachable(const struct instance *i)
{
	return (i->started || i->committing) && i->parked != PARKED_DAMAGED && i->parked != PARKED_UNREADABLE && !tail_is_ended(i);
}

static struct instance *live_child(struct delivery *d, struct slice id, struct instance *parent, uint64_t execution, uint64_t ref)
{
	struct instance *child = find(d->rt, id);

	return child && is_child_of(child, parent->id, execution, ref) && is_reachable(child) ? child : NULL;
}

bool has_parent_or_children(const struct instance *i, const struct turn *t)
{
	bool any = i->view.parent != NULL;

	(void)t; /* a child that it has scheduled in this turn reaches others anyway */
	for (const struct open_item *item = i->view.open; item && !any; item = item->next)
		any = item->type == EVENT_ChildScheduled;
	return any;
}

/* ---- begin and cancel ---- */

static int failed(struct delivery *d, struct instance *to, uint64_t ref, const char *kind, const char *code, const char *text)
{
	struct event e = { .type = EVENT_ChildFailed, .fields = FIELD_REF | FIELD_ERROR, .ref = ref,
		.error = { .kind = slice_of(kind), .code = slice_of(code), .message = slice_of(text) } };

	return to == d->sender ? deliver_answer(d, &e) : deliver_line(d, to, &e);
}

int child_scheduled(struct delivery *d, const struct event *e)
{
	struct undelivered why;
	int rc = deliver_start(d, e, true, &why);

	return rc == 0 && why.code ? failed(d, d->sender, e->seq, "system", why.code, why.text) : rc;
}

/* Which instance is the child of this ChildScheduled now? NONE: it is answered. */
static int id_of_child(struct delivery *d, uint64_t ref, struct slice *id)
{
	const struct open_item *item = view_find(&d->sender->view, ref);
	struct event e;

	*id = SLICE_NONE;
	if (item && item->type == EVENT_ChildScheduled) {
		int rc = open_item_event(item, &e, &d->arena);
		*id = e.instance;
		return rc < 0 ? err_nomem(d->err) : 0;
	}
	for (size_t n = 0; n < d->turn->event_count; n++)
		if (d->turn->events[n].seq == ref && d->turn->events[n].type == EVENT_ChildScheduled)
			*id = d->turn->events[n].instance;
	return 0;
}

void deliver_set_deadline(struct pawl_runtime *rt, struct event *e)
{
	int64_t delay = rt->config.cancel.deadline_ms;
	struct turn now;

	if (delay <= 0)
		return;
	turn_clock(rt, &now);
	e->fields |= FIELD_DELAY | FIELD_DUE;
	e->delay_ms = delay;
	retry_due(&e->due, &now, now.time_ns, delay);
}

static int ask_to_cancel(struct delivery *d, struct instance *child, struct slice reason, uint64_t seq)
{
	struct event e = { .type = EVENT_CancelRequested, .fields = FIELD_REASON | FIELD_FROM, .reason = reason, .from = deliver_from(d, seq) };

	if (tail_cancel_requested(child))
		return 0;
	deliver_set_deadline(d->rt, &e);
	return e.from.data ? deliver_line(d, child, &e) : err_nomem(d->err);
}

/* One that is not there, as it waits for its next attempt, has nobody to answer for it but us. */
int child_cancel(struct delivery *d, const struct event *e)
{
	struct slice id, reason = e->fields & FIELD_REASON ? e->reason : SLICE("canceled by its parent");
	int rc = id_of_child(d, e->ref, &id);

	if (rc < 0 || !id.data || delivery_has_answer(d, e->ref))
		return rc;
	struct instance *child = live_child(d, id, d->sender, d->execution, e->ref);
	return child ? ask_to_cancel(d, child, reason, e->seq) : failed(d, d->sender, e->ref, "canceled", "", "canceled before it was begun again");
}

/* ---- a parent ends ---- */

static int add_terminated(struct delivery *d, struct instance *i)
{
	if (d->terminated_count == d->terminated_cap) {
		size_t cap = d->terminated_cap ? d->terminated_cap * 2 : 8;
		struct instance **grown = realloc(d->terminated, cap * sizeof(struct instance *));
		if (!grown)
			return err_nomem(d->err);
		d->terminated = grown;
		d->terminated_cap = cap;
	}
	d->terminated[d->terminated_count++] = i;
	return 0;
}

static int end_child(struct delivery *d, struct instance *child, bool terminate, uint64_t seq)
{
	struct event e = { .type = EVENT_ExecutionTerminated, .fields = FIELD_REASON | FIELD_FROM, .reason = SLICE("its parent was terminated"),
		.from = deliver_from(d, seq) };

	if (!terminate)
		return ask_to_cancel(d, child, SLICE("its parent has ended"), seq);
	int rc = e.from.data ? deliver_line(d, child, &e) : err_nomem(d->err);
	return rc < 0 ? rc : add_terminated(d, child);
}

static int end_one(struct delivery *d, struct instance *parent, uint64_t execution, struct slice id, uint64_t ref, bool terminate, uint64_t seq)
{
	struct instance *child = live_child(d, id, parent, execution, ref);

	return child ? end_child(d, child, terminate, seq) : 0;
}

/* Those that are durable, and those of a turn that is queued. */
static int end_children(struct delivery *d, struct instance *parent, uint64_t execution, bool terminate, uint64_t seq)
{
	const struct turn *t = parent->turn;
	int rc = 0;

	for (const struct open_item *item = parent->view.open; rc == 0 && item; item = item->next) {
		struct event e;
		if (item->type != EVENT_ChildScheduled)
			continue;
		rc = open_item_event(item, &e, &d->arena) < 0 ? err_nomem(d->err) : end_one(d, parent, execution, e.instance, item->seq, terminate, seq);
	}
	for (size_t n = 0; rc == 0 && t && n < t->event_count; n++)
		if (t->events[n].type == EVENT_ChildScheduled)
			rc = end_one(d, parent, execution, t->events[n].instance, t->events[n].seq, terminate, seq);
	return rc;
}

/* Down the tree. One that has gone on as a new execution meanwhile has ended its children itself. */
static int end_descendants(struct delivery *d, uint64_t seq)
{
	int rc = 0;

	while (rc == 0 && d->terminated_count > 0) {
		struct instance *i = d->terminated[--d->terminated_count];
		if (tail_execution(i) == i->execution)
			rc = end_children(d, i, i->execution, true, seq);
	}
	return rc;
}

/* ---- a child ends ---- */

static struct failure canceled(const char *code, struct slice text)
{
	return (struct failure){ .kind = SLICE("canceled"), .code = slice_of(code), .message = text };
}

/* What its parent gets to know of the end. False: it has completed. */
static bool failure_of_end(const struct event *end, struct failure *f)
{
	switch (end->type) {
	case EVENT_ExecutionCompleted:
		return false;
	case EVENT_ExecutionFailed:
		*f = end->error;
		break;
	case EVENT_ExecutionCanceled:
		*f = canceled("", end->fields & FIELD_REASON ? end->reason : SLICE("the child was canceled"));
		break;
	case EVENT_CancelDeadlinePassed:
		*f = canceled("cancel-deadline", SLICE("the child was canceled, and did not come to an end in time"));
		break;
	default:
		*f = canceled("terminated", end->fields & FIELD_REASON ? end->reason : SLICE("the child was terminated"));
		break;
	}
	return true;
}

/* "...:rN"; the id of the attempt before has the number of that one. False: it is too long. */
static bool next_id(char *out, struct slice id, uint32_t attempt)
{
	char tail[16];
	int len = snprintf(tail, sizeof(tail), ":r%lu", (unsigned long)attempt);

	if (attempt > 1 && id.len > (size_t)len && memcmp(id.data + id.len - (size_t)len, tail, (size_t)len) == 0)
		id.len -= (size_t)len;
	len = snprintf(out, TEXT_INSTANCE_ID_MAX + 1, "%.*s:r%lu", SLICE_FMT(id), (unsigned long)attempt + 1);
	return len <= TEXT_INSTANCE_ID_MAX;
}

/* What the child returned was its own decision: whether that is tried again is the policy's alone. */
static bool is_tried_again(struct delivery *d, const struct open_item *item, const struct event *scheduled, const struct failure *f, int64_t *delay_ms)
{
	struct failure failure = *f;

	if (!(scheduled->fields & FIELD_RETRY) || item->cancel_requested || slice_is(f->kind, "canceled"))
		return false;
	failure.retryable = true;
	return retry_decide(&scheduled->retry, &failure, item->attempt, (d->clock.time_ns - item->until_ns) / 1000000, d->clock.random, delay_ms);
}

static int answer(struct delivery *d, struct instance *parent, const struct open_item *item, const struct event *scheduled, const struct event *end)
{
	struct event e = { .type = EVENT_ChildCompleted, .fields = FIELD_REF, .ref = item->seq };
	char id[TEXT_INSTANCE_ID_MAX + 32];

	if (!failure_of_end(end, &e.error)) {
		e.fields |= end->fields & FIELD_DATA;
		e.data = end->data;
		return deliver_line(d, parent, &e);
	}
	e.type = EVENT_ChildFailed;
	e.fields |= FIELD_ERROR | FIELD_ATTEMPT;
	e.attempt = item->attempt;
	if (is_tried_again(d, item, scheduled, &e.error, &e.delay_ms) && next_id(id, scheduled->instance, item->attempt)) {
		e.type = EVENT_ChildRetrying;
		e.fields |= FIELD_DELAY | FIELD_DUE | FIELD_INSTANCE;
		e.instance = slice_of(id);
		retry_due(&e.due, &d->clock, d->clock.time_ns, e.delay_ms);
	}
	return deliver_line(d, parent, &e);
}

/* The ChildScheduled that a child answers, if it is open still. */
static const struct open_item *waiting(const struct instance *parent, uint64_t execution, uint64_t ref)
{
	const struct open_item *item;

	if (!is_reachable(parent) || parent->execution != execution || tail_execution(parent) != execution)
		return NULL;
	item = view_find(&parent->view, ref);
	return item && item->type == EVENT_ChildScheduled ? item : NULL;
}

static int tell_parent(struct delivery *d, const struct event *end)
{
	const struct view_parent *p = d->sender->view.parent;
	struct instance *parent = p ? instance_get(d->rt, p->id) : NULL;
	const struct open_item *item = parent ? waiting(parent, p->execution, p->ref) : NULL;
	struct event scheduled;

	if (!item)
		return 0;
	if (open_item_event(item, &scheduled, &d->arena) < 0)
		return err_nomem(d->err);
	return slice_is(scheduled.instance, d->sender->id) ? answer(d, parent, item, &scheduled, end) : 0;
}

int children_of_ended(struct delivery *d)
{
	const struct event *end = &d->turn->events[d->turn->event_count - 1];
	bool goes_on = d->turn->next_count > 0 && end->type != EVENT_ExecutionTerminated;
	bool terminated = end->type == EVENT_ExecutionTerminated;
	int rc = goes_on ? 0 : tell_parent(d, end);

	if (rc == 0)
		rc = end_children(d, d->sender, d->execution, terminated, end->seq);
	return rc < 0 ? rc : end_descendants(d, end->seq);
}

/* ---- one that should be there ---- */

bool child_is_missing(struct pawl_runtime *rt, const struct instance *parent, const struct open_item *item)
{
	struct arena arena;
	struct event e;

	arena_init(&arena, 0);
	bool known = open_item_event(item, &e, &arena) == 0;
	struct instance *child = known ? find(rt, e.instance) : NULL;
	bool missing = known && (!child || !is_child_of(child, parent->id, parent->execution, item->seq));
	arena_release(&arena);
	return missing;
}

/* The end of one that is in the archive, or somebody else's. */
static int answer_archived(struct delivery *d, const struct open_item *item, const struct event *scheduled)
{
	struct instance *parent = d->sender;
	struct history h;
	char *text = NULL, id[TEXT_INSTANCE_ID_MAX + 1];
	size_t len = 0;
	uint64_t execution;

	snprintf(id, sizeof(id), "%.*s", SLICE_FMT(scheduled->instance));
	history_init(&h);
	int rc = d->rt->provider->ops->read(d->rt->provider, id, 0, &text, &len, &execution, d->err);
	if (rc == 0)
		rc = history_parse(&h, slice_make(text, len), d->err);
	const struct event *start = h.count ? &h.events[0] : NULL;
	bool ours = rc == 0 && start && start->fields & FIELD_PARENT && slice_is(start->parent, parent->id) &&
	            start->parent_execution == parent->execution && start->parent_ref == item->seq;
	if (ours && event_type_class(h.events[h.count - 1].type) & EVENT_END) {
		struct event end = h.events[h.count - 1];
		rc = deliver_load(d, id, &end);
		rc = rc < 0 ? rc : answer(d, parent, item, scheduled, &end);
	} else if (rc == 0) {
		const char *why = arena_printf(&d->arena, "the id '%s' is taken", id);
		rc = why ? failed(d, parent, item->seq, "system", "exists", why) : err_nomem(d->err);
	}
	history_release(&h);
	free(text);
	return rc;
}

static int begin_again(struct delivery *d, struct event *scheduled)
{
	struct undelivered why;
	int rc = deliver_load(d, d->sender->id, scheduled);

	if (rc == 0)
		rc = deliver_start(d, scheduled, true, &why);
	return rc == 0 && why.code ? failed(d, d->sender, scheduled->seq, "system", why.code, why.text) : rc;
}

static int look_for_child(struct delivery *d, const struct open_item *item)
{
	struct event scheduled;
	char id[TEXT_INSTANCE_ID_MAX + 1];

	if (open_item_event(item, &scheduled, &d->arena) < 0)
		return err_nomem(d->err);
	snprintf(id, sizeof(id), "%.*s", SLICE_FMT(scheduled.instance));
	struct instance *child = instance_get(d->rt, id);
	if (child && is_child_of(child, d->sender->id, d->execution, item->seq))
		return 0;
	int taken = child ? 0 : instance_id_is_taken(d->rt, id, d->err);
	if (taken < 0)
		return taken;
	if (taken > 0)
		return answer_archived(d, item, &scheduled);
	if (item->cancel_requested)
		return failed(d, d->sender, item->seq, "canceled", "", "canceled before it was begun again");
	return begin_again(d, &scheduled); /* which finds that the id is taken, if it is */
}

/* Then its answer is queued, too. */
static bool is_cancel_queued(const struct instance *parent, uint64_t ref)
{
	const struct turn *t = parent->turn;

	for (size_t n = 0; t && n < t->event_count; n++)
		if (t->events[n].type == EVENT_ChildCancelRequested && t->events[n].ref == ref)
			return true;
	return false;
}

static int look(struct pawl_runtime *rt, struct instance *parent, const struct open_item *item, struct pawl_error *err)
{
	struct delivery d;

	delivery_init(&d, rt, parent, err);
	size_t at = delivery_begin(&d);
	return delivery_end(&d, at, look_for_child(&d, item));
}

/* What is queued may be taken back: it is looked at again until nothing is. */
void child_due(struct pawl_runtime *rt, struct effect *e)
{
	struct instance *parent = e->instance;
	const struct open_item *item = is_cancel_queued(parent, e->seq) ? NULL : waiting(parent, parent->execution, e->seq);
	struct pawl_error err = { 0 };

	if (rt->stopping)
		return; /* the next start does it */
	int rc = item ? look(rt, parent, item, &err) : 0;
	if (rc < 0)
		log_warning("a child of '%s' must wait: %s", parent->id, err.text);
	if (rc < 0 || rt->next.count > 0 || rt->flying.count > 0)
		effect_wait(rt, e, LOOK_AGAIN_MS);
}
