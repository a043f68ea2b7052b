#include "history.h"
#include "event_table.h"
#include "base/error.h"
#include <stdlib.h>

#define LINE_MIN (sizeof("{\"seq\":1,\"type\":\"\"}\t01234567\n") - 1)

void history_init(struct history *h)
{
	*h = (struct history){ .events = NULL };
	arena_init(&h->arena, 0);
}

void history_release(struct history *h)
{
	free(h->events);
	arena_release(&h->arena);
	h->events = NULL;
	h->count = h->cap = 0;
}

/* Where the reader stands. */
struct place {
	struct slice text;
	size_t at;       /* the line begins here ... */
	size_t next;     /* ... and the one after it here */
	size_t number;   /* of the line, from 1 */
	size_t turn_at;  /* the turn that was begun last: its first byte ... */
	size_t turn_event; /* ... and the index of its first event */
};

/* The line at `at` without its newline. NONE: it has no newline. */
static struct slice line_at(struct place *p)
{
	const char *start = p->text.data + p->at;
	size_t left = p->text.len - p->at;
	const char *newline = memchr(start, '\n', left);

	p->next = newline ? (size_t)(newline - p->text.data) + 1 : p->text.len;
	return newline ? slice_make(start, (size_t)(newline - start)) : SLICE_NONE;
}

/* Is there a line with a good checksum from `at` on? */
static bool has_good_line(struct slice text, size_t at)
{
	struct place p = { .text = text, .at = at };
	struct slice json;

	for (; p.at < text.len; p.at = p.next) {
		struct slice line = line_at(&p);
		if (line.data && event_line_check(line, &json) == 0)
			return true;
	}
	return false;
}

/* How many events there can be. Rubbish may be all newlines, a line of ours is never so short. */
static size_t lines_max(struct slice text)
{
	size_t lines = 1;

	for (const char *p = text.data, *end = p + text.len; p < end; p++, lines++) {
		p = memchr(p, '\n', (size_t)(end - p));
		if (!p)
			break;
	}
	return lines < text.len / LINE_MIN + 1 ? lines : text.len / LINE_MIN + 1;
}

/* Does what is left of a line show that it began a turn? Nothing at all counts as the end of a good history; too little
 * to tell counts as no, so that half a turn never stays. */
static bool begins_turn(struct slice rest)
{
	static const char seq[] = "{\"seq\":", time[] = ",\"time\":";
	size_t at = sizeof(seq) - 1;

	if (rest.len == 0)
		return true;
	if (rest.len < at || memcmp(rest.data, seq, at) != 0)
		return false;
	while (at < rest.len && rest.data[at] >= '0' && rest.data[at] <= '9')
		at++;
	return rest.len - at >= sizeof(time) - 1 && memcmp(rest.data + at, time, sizeof(time) - 1) == 0;
}

/* What a crash left of a line, without the zeros of blocks that were allocated and never written. */
static struct slice torn_line(struct slice text, size_t at)
{
	struct slice rest = slice_make(text.data + at, text.len - at);
	const char *newline = memchr(rest.data, '\n', rest.len);

	if (newline)
		rest.len = (size_t)(newline - rest.data);
	while (rest.len > 0 && rest.data[rest.len - 1] == '\0')
		rest.len--;
	return rest;
}

static void note_fault(struct history *h, const struct place *p)
{
	h->fault.line = p->number;
	h->fault.at = p->at;
	h->fault.turn_at = p->turn_at;
}

static int damaged(struct history *h, const struct place *p, struct pawl_error *err, const char *why)
{
	note_fault(h, p);
	return err_set(err, PAWL_ECORRUPT, "history line %zu at byte %zu: %s", p->number, p->at, why);
}

/* The line at p is bad. Cut it with its turn, if it is the tail. */
static int cut_tail(struct history *h, const struct place *p, struct pawl_error *err, const char *why)
{
	if (has_good_line(p->text, p->next))
		return damaged(h, p, err, why);
	note_fault(h, p);
	h->bytes = p->at;
	if (!begins_turn(torn_line(p->text, p->at))) {
		h->bytes = p->turn_at;
		h->count = p->turn_event;
	}
	h->torn_bytes = p->text.len - h->bytes;
	return 0;
}

/* What must hold between the lines. NULL when it does. */
static const char *misplaced(const struct history *h, const struct event *e)
{
	if (e->seq != h->count + 1)
		return "its \"seq\" is not the one after the line before";
	if ((e->type == EVENT_ExecutionStarted) != (h->count == 0))
		return "a history begins with ExecutionStarted, once";
	if (h->count == 0)
		return e->has_time ? NULL : "the first line of a turn has no \"time\"";
	if (event_type_class(h->events[h->count - 1].type) & EVENT_END)
		return "nothing may follow the event that ended the execution";
	return NULL;
}

static int read_line(struct history *h, struct place *p, struct slice line, struct pawl_error *err)
{
	struct event *e = &h->events[h->count];
	struct pawl_error why = { .code = 0 };
	struct slice json;

	if (!line.data)
		return cut_tail(h, p, err, "the line has no end");
	int rc = event_decode(e, line, &h->arena, &why);
	if (rc == PAWL_ENOMEM)
		return err_nomem(err);
	if (rc < 0 && event_line_check(line, &json) < 0)
		return cut_tail(h, p, err, why.text);
	if (rc < 0)
		return damaged(h, p, err, why.text); /* it was written as it is: nothing tore it */
	const char *text = misplaced(h, e);
	if (text)
		return damaged(h, p, err, text);
	if (e->has_time) {
		p->turn_at = p->at;
		p->turn_event = h->count;
	}
	h->count++;
	h->bytes = p->next;
	return 0;
}

static void look_for_unknown(struct history *h)
{
	for (size_t i = 0; i < h->count && !h->has_unknown; i++)
		h->has_unknown = h->events[i].type == EVENT_UNKNOWN;
}

int history_parse(struct history *h, struct slice text, struct pawl_error *err)
{
	struct place p = { .text = text, .number = 1 };
	int rc = 0;

	history_release(h);
	history_init(h);
	if (text.len == 0)
		return 0;
	h->cap = lines_max(text);
	h->events = h->cap <= SIZE_MAX / sizeof(*h->events) ? malloc(h->cap * sizeof(*h->events)) : NULL;
	if (!h->events)
		return err_nomem(err);
	for (; rc == 0 && p.at < text.len && h->torn_bytes == 0; p.at = p.next, p.number++) {
		struct slice line = line_at(&p);
		rc = read_line(h, &p, line, err);
	}
	look_for_unknown(h);
	return rc;
}

int history_messages(const struct history *h, uint64_t ref,
                     int (*each)(void *arg, uint32_t number, const struct event *e), void *arg)
{
	uint32_t number = 0;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < h->count; i++) {
		const struct event *e = &h->events[i];
		if (e->type == EVENT_ActivityMessageSent && e->ref == ref)
			rc = each(arg, ++number, e);
	}
	return rc;
}
