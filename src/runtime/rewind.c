#include "runtime/rewind.h"
#include "base/error.h"
#include "base/text.h"
#include "history/view.h"
#include <pawl/pawl.h>
#include <string.h>

#define CODE_REWOUND "rewound"

static bool is_kept(const struct event *e)
{
	return (event_type_class(e->type) & (EVENT_IN | EVENT_END)) == EVENT_IN;
}

static bool is_decision(const struct event *e)
{
	return event_type_class(e->type) & EVENT_DECISION;
}

/* Is it the last line of a turn, and not the last of its execution? */
static bool ends_turn(const struct history *h, uint64_t line)
{
	return is_decision(&h->events[line - 1]) && !(event_type_class(h->events[line - 1].type) & EVENT_END) &&
	       (line == h->count || !is_decision(&h->events[line]));
}

/* The last line up to this one that the history can be cut behind; 0: none. */
static uint64_t cut_line(const struct rewind *r, uint64_t line)
{
	const struct history *h = r->history;

	if (line > 0 && !r->undecided && ends_turn(h, line))
		return line;
	while (line > 0 && !is_kept(&h->events[line - 1]))
		line--;
	return line;
}

/* ---- where ---- */

static bool is_failure(const struct event *e)
{
	return e->type == EVENT_ActivityFailed || e->type == EVENT_ChildFailed;
}

static bool same_failure(const struct failure *a, const struct failure *b)
{
	return slice_eq(a->kind, b->kind) && slice_eq(a->code, b->code) && slice_eq(a->message, b->message);
}

/* An activity or child: before its failure if it has one, else before its beginning, so that all of it is done again. */
static int find_step(const struct history *h, uint64_t step, uint64_t *line, struct pawl_error *err)
{
	if (step > h->count)
		return err_set(err, PAWL_EINVALID, "its history has %zu lines, and no line %llu", h->count, (unsigned long long)step);
	enum event_type type = h->events[step - 1].type;
	if (is_failure(&h->events[step - 1]))
		step = h->events[step - 1].ref;
	else if (type != EVENT_ActivityScheduled && type != EVENT_ChildScheduled)
		return err_set(err, PAWL_EINVALID, "line %llu is %s, no step that can be tried again: use rewind", (unsigned long long)step, event_type_name(type));
	*line = step - 1;
	for (size_t n = 0; n < h->count; n++)
		if (is_failure(&h->events[n]) && h->events[n].ref == step)
			*line = n;
	return 0;
}

int rewind_find_failure(const struct history *h, uint64_t step, uint64_t *line, struct pawl_error *err)
{
	const struct event *last = h->count ? &h->events[h->count - 1] : NULL;
	const struct event *same = NULL, *any = NULL;

	if (!last || !(event_type_class(last->type) & EVENT_END))
		return err_set(err, PAWL_ESTATE, "it has not ended: use rewind");
	if (step)
		return find_step(h, step, line, err);
	if (last->type != EVENT_ExecutionFailed)
		return err_set(err, PAWL_ESTATE, "it has not failed: name the step to try again, or use rewind");
	for (size_t n = 0; n < h->count; n++) {
		const struct event *e = &h->events[n];
		if (!is_failure(e))
			continue;
		if (!same && same_failure(&e->error, &last->error))
			same = e;
		any = e;
	}
	if (!any)
		return err_set(err, PAWL_ESTATE, "no activity or child of it has failed: use rewind");
	*line = (same ? same : any)->seq - 1;
	return 0;
}

/* ---- what is open there ---- */

static int fold(struct view *v, const struct event *events, uint64_t count, struct pawl_error *err)
{
	for (uint64_t n = 0; n < count; n++) {
		int rc = view_apply(v, &events[n]);
		if (rc == PAWL_ENOMEM)
			return err_nomem(err);
		if (rc < 0)
			return err_set(err, PAWL_ECORRUPT, "line %llu does not follow from those before it", (unsigned long long)n + 1);
	}
	return v->has_unknown ? err_set(err, PAWL_EUNSUPPORTED, "a newer pawl wrote lines of its history: run that version") : 0;
}

static bool is_answered_later(const struct history *h, uint64_t line, uint64_t seq)
{
	for (size_t n = (size_t)line; n < h->count; n++)
		if (h->events[n].type == EVENT_EntityReplied && h->events[n].ref == seq)
			return true;
	return false;
}

/* Nobody will answer a call that an execution before has made, and what an entity was locked for has ended with it: these
 * are to be decided anew. 0: nothing like that is open. */
static uint64_t first_lost(const struct history *h, const struct view *v, uint64_t line)
{
	for (const struct open_item *item = v->open; item; item = item->next)
		if (item->type == EVENT_EntityLockRequested || (item->type == EVENT_EntityCalled && !is_answered_later(h, line, item->seq)))
			return item->seq;
	return 0;
}

static int choose_line(struct rewind *r, struct view *v, struct pawl_error *err)
{
	const struct history *h = r->history;
	uint64_t line = r->line, lost = line + 1;

	if (line == 0 || line > h->count)
		return err_set(err, PAWL_EINVALID, "its history has %zu lines, and no line %llu", h->count, (unsigned long long)line);
	while (lost) {
		view_release(v);
		line = cut_line(r, lost - 1);
		int rc = fold(v, h->events, line, err);
		if (rc < 0)
			return rc;
		lost = first_lost(h, v, line);
	}
	r->line = line; /* the first line at least: that is from outside, and nothing is open there */
	return 0;
}

/* ---- the lines ---- */

static void add(struct rewind *r, const struct event *e)
{
	struct event *to = &r->lines[r->count];

	*to = *e;
	to->seq = ++r->count;
	if (r->count <= r->line)
		return;
	/* behind decisions it begins a turn, else it belongs to the one that is there */
	to->has_time = is_decision(to - 1);
	to->time_ns = to->has_time ? r->time_ns : 0;
}

/* Did a decision that is kept put this line here? What it sent to its own instance is not sent again. The execution that
 * decided it may be one that was rewound before. */
static bool is_own(const struct rewind *r, const struct event *e)
{
	size_t id = strlen(r->id), at = e->from.len;
	uint64_t seq;

	if (!(e->fields & FIELD_FROM) || at < id + 2 || e->from.data[0] != '@' || memcmp(e->from.data + 1, r->id, id) != 0 || e->from.data[id + 1] != '/')
		return false;
	while (e->from.data[at - 1] != '/')
		at--;
	if (text_parse_u64(slice_make(e->from.data + at, e->from.len - at), &seq) < 0 || seq == 0 || seq > r->line)
		return false;
	enum event_type type = r->history->events[seq - 1].type;
	return type == EVENT_EventSent || type == EVENT_TopicPublished;
}

static bool is_raised(const struct history *h, uint64_t seq)
{
	for (size_t n = (size_t)seq; n < h->count; n++)
		if (h->events[n].type == EVENT_EventRaised && h->events[n].ref == seq)
			return true;
	return false;
}

/* A fact that is as good in the next execution, about what is open there. */
static bool is_fact(const struct rewind *r, const struct view *v, const struct event *e)
{
	switch (e->type) {
	case EVENT_SendCompleted: /* answers of the store: they were put behind the decision in the same commit */
	case EVENT_SendFailed:
	case EVENT_ValueReceived:
		return e->ref <= r->line;
	case EVENT_EntityReplied:
		return e->ref <= r->line && view_find(v, e->ref);
	case EVENT_ActivityCompleted:
	case EVENT_ChildCompleted:
		return r->retry && e->ref <= r->line && view_find(v, e->ref);
	case EVENT_EventRaised:
		return r->retry || (!e->ref && is_own(r, e));
	case EVENT_EventScheduled:
		return is_own(r, e) && !(r->retry && is_raised(r->history, e->seq));
	default:
		return false;
	}
}

static int add_facts(struct rewind *r, struct view *v, struct pawl_error *err)
{
	const struct history *h = r->history;

	for (size_t n = (size_t)r->line; n < h->count; n++) {
		struct event e = h->events[n];
		if (!is_fact(r, v, &e))
			continue;
		if (e.type == EVENT_EventRaised && e.ref > r->line)
			e.fields &= ~(uint32_t)FIELD_REF; /* it was one for later, which came after the line */
		add(r, &e);
		if (view_apply(v, &r->lines[r->count - 1]) < 0)
			return err_nomem(err);
	}
	return 0;
}

static struct event again(const struct rewind *r, const struct open_item *item, enum event_type type, const char *code, const char *why)
{
	struct event e = { .type = type, .fields = FIELD_REF | FIELD_ATTEMPT | FIELD_ERROR | FIELD_DELAY | FIELD_DUE, .ref = item->seq, .due = r->now };

	e.error = (struct failure){ .kind = SLICE("system"), .code = slice_of(code), .message = slice_of(why), .retryable = true };
	return e;
}

/* What it had of attempts is over; the children of an execution that was left are canceled, others take their place. */
static int add_attempts(struct rewind *r, const struct view *v, struct arena *arena, struct pawl_error *err)
{
	for (const struct open_item *item = v->open; item; item = item->next) {
		struct event e;
		if (item->type == EVENT_ActivityScheduled && !item->rebooting && (item->attempt > 1 || item->held)) {
			e = again(r, item, EVENT_ActivityRetrying, EVENT_CODE_REQUEUED, "given new attempts: its execution was left for another");
			e.attempt = item->attempt - 1;
		} else if (item->type == EVENT_ChildScheduled) {
			const char *id = arena_printf(arena, "%s:%llu-%llu", r->id, (unsigned long long)r->execution, (unsigned long long)item->seq);
			if (!id)
				return err_nomem(err);
			if (!text_is_instance_id(slice_of(id)))
				return err_set(err, PAWL_ETOOBIG, "the id '%.150s' of a child would be too long: rewind to a line before %llu", id, (unsigned long long)item->seq);
			e = again(r, item, EVENT_ChildRetrying, CODE_REWOUND, "the execution that it was begun by was left for another");
			e.attempt = item->attempt;
			e.fields |= FIELD_INSTANCE;
			e.instance = slice_of(id);
		} else {
			continue;
		}
		add(r, &e);
	}
	return 0;
}

static void mark_first(struct rewind *r)
{
	struct event *first = &r->lines[0];

	first->fields |= FIELD_EXECUTION | FIELD_REF | FIELD_ID;
	first->execution = r->execution;
	first->ref = r->count;
	first->id = r->message_id;
	first->reason = r->reason;
	if (r->reason.data)
		first->fields |= FIELD_REASON;
	else
		first->fields &= ~(uint32_t)FIELD_REASON;
}

static int make_lines(struct rewind *r, struct view *v, struct arena *arena, struct pawl_error *err)
{
	const struct history *h = r->history;

	r->count = 0;
	r->lines = arena_calloc(arena, h->count + v->open_count, sizeof(*r->lines));
	if (!r->lines)
		return err_nomem(err);
	for (uint64_t n = 0; n < r->line; n++)
		add(r, &h->events[n]);
	int rc = add_facts(r, v, err);
	if (rc == 0)
		rc = add_attempts(r, v, arena, err);
	if (rc == 0 && r->count > PAWL_HISTORY_EVENTS_MAX)
		rc = err_set(err, PAWL_ETOOBIG, "it would begin with more than %d lines: rewind to an earlier one", PAWL_HISTORY_EVENTS_MAX);
	mark_first(r);
	return rc;
}

int rewind_lines(struct rewind *r, struct arena *arena, struct pawl_error *err)
{
	struct view v;

	view_init(&v);
	int rc = choose_line(r, &v, err);
	if (rc == 0)
		rc = make_lines(r, &v, arena, err);
	view_release(&v);
	return rc;
}
