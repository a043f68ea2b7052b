/* batch.c - entries and groups of a batch, and the tails of instances (batch.h). */
#include "runtime/batch.h"
#include "base/crc32c.h"
#include "runtime/runtime.h"
#include <stdlib.h>

#define LINES_KEPT (1u << 20)

/* ---- tails ---- */

struct tail *tail_of(struct instance *i)
{
	struct tail *t = i->tail ? i->tail : malloc(sizeof(*t));

	if (!i->tail && t)
		*t = (struct tail){ .execution = i->execution, .bytes = i->history_bytes, .next_seq = i->view.next_seq,
			.ended = status_is_ended(i->view.status), .unrun = i->view.unrun, .cancel_requested = i->view.cancel_requested };
	i->tail = t;
	return t;
}

uint64_t tail_execution(const struct instance *i)
{
	return i->tail ? i->tail->execution : i->execution;
}

bool tail_is_ended(const struct instance *i)
{
	return i->tail ? i->tail->ended : status_is_ended(i->view.status);
}

bool tail_cancel_requested(const struct instance *i)
{
	return i->tail ? i->tail->cancel_requested : i->view.cancel_requested;
}

void tail_note(struct tail *tail, const struct event *events, size_t count)
{
	for (size_t n = 0; n < count; n++) {
		const struct event *e = &events[n];
		if (e->type == EVENT_EventRaised) {
			tail->raised++;
			tail->raised_bytes += e->data_file.data ? e->data_len : e->data.len;
		} else if (e->type == EVENT_CancelRequested) {
			tail->cancel_requested = true;
		}
	}
}

void tail_free(struct instance *i)
{
	if (i->tail)
		free(i->tail->parent);
	free(i->tail);
	i->tail = NULL;
}

void batch_entry_over(struct instance *i)
{
	if (--i->committing == 0)
		tail_free(i);
}

/* ---- entries ---- */

struct batch_entry *batch_add(struct batch *b, struct instance *i, unsigned group, bool delivered)
{
	if (b->count == b->cap) {
		size_t cap = b->cap ? b->cap * 2 : 64;
		struct batch_entry *grown = realloc(b->entries, cap * sizeof(*grown));
		if (!grown)
			return NULL;
		b->entries = grown;
		b->cap = cap;
	}
	struct tail *tail = tail_of(i);
	if (!tail)
		return NULL;
	struct batch_entry *e = &b->entries[b->count++];
	*e = (struct batch_entry){ .instance = i, .execution = tail->execution, .offset = tail->bytes, .at = b->lines.len,
		.group = group, .delivered = delivered, .before = *tail };
	i->committing++;
	return e;
}

static int add_spill(struct batch *b, const char *name, struct slice data)
{
	if (b->spill_count == b->spill_cap) {
		size_t cap = b->spill_cap ? b->spill_cap * 2 : 8;
		struct batch_spill *grown = realloc(b->spills, cap * sizeof(*grown));
		if (!grown)
			return PAWL_ENOMEM;
		b->spills = grown;
		b->spill_cap = cap;
	}
	struct batch_spill *s = &b->spills[b->spill_count];
	*s = (struct batch_spill){ .entry = b->count - 1, .data = malloc(data.len + 1), .len = data.len };
	if (!s->data)
		return PAWL_ENOMEM;
	memcpy(s->data, data.data, data.len);
	snprintf(s->name, sizeof(s->name), "%s", name);
	b->spill_count++;
	return 0;
}

/* Large payloads go to a file of their own; from here on the event says only which. */
static int spill(struct batch *b, uint64_t execution, struct event *e)
{
	char name[32];

	if (e->data.len <= PAWL_SPILL_BYTES)
		return 0;
	snprintf(name, sizeof(name), "%llu.%llu.data", (unsigned long long)execution, (unsigned long long)e->seq);
	int rc = add_spill(b, name, e->data);
	if (rc < 0)
		return rc;
	e->data_len = e->data.len;
	e->data_crc = crc32c(0, e->data.data, e->data.len);
	e->data = SLICE_NONE;
	e->data_file = slice_of(b->spills[b->spill_count - 1].name); /* until it is encoded, at once */
	return 0;
}

int batch_add_lines(struct batch *b, uint64_t execution, const struct event *events, size_t count)
{
	int rc = 0;

	for (size_t n = 0; rc == 0 && n < count; n++) {
		struct event e = events[n];
		rc = spill(b, execution, &e);
		if (rc == 0)
			rc = event_encode(&b->lines, &e);
	}
	return rc == 0 && !buf_ok(&b->lines) ? PAWL_ENOMEM : rc;
}

size_t batch_group_end(const struct batch *b, size_t at)
{
	unsigned group = b->entries[at].group;

	while (at < b->count && b->entries[at].group == group)
		at++;
	return at;
}

/* ---- taking back ---- */

static void take_back_mail(struct instance *i, struct mail *taken)
{
	if (!taken)
		return;
	struct mail *last = taken;
	while (last->next)
		last = last->next;
	last->next = i->mail;
	if (!i->mail)
		i->mail_end = &last->next;
	i->mail = taken;
}

static void take_back(struct pawl_runtime *rt, struct batch_entry *e)
{
	struct instance *i = e->instance;
	struct view_parent *parent = i->tail->parent;

	*i->tail = e->before;
	i->tail->parent = parent;
	batch_entry_over(i);
	take_back_mail(i, e->taken);
	e->taken = NULL;
	if (e->create && e->delivered) {
		requests_of_refused(rt, i);
		instance_remove(rt, i);
	} else {
		mail_post(rt, i, NULL);
	}
}

void batch_take_back(struct pawl_runtime *rt, struct batch *b, size_t from)
{
	if (from >= b->count)
		return;
	size_t at = b->entries[from].at;
	while (b->count > from)
		take_back(rt, &b->entries[--b->count]); /* the newest first: tails and mail come back in order */
	while (b->spill_count > 0 && b->spills[b->spill_count - 1].entry >= from)
		free(b->spills[--b->spill_count].data);
	buf_truncate(&b->lines, at);
	b->lines.failed = false; /* memory may be there by now */
}

void batch_clear(struct batch *b)
{
	for (size_t n = 0; n < b->spill_count; n++)
		free(b->spills[n].data);
	b->spill_count = b->count = 0;
	if (b->lines.cap > LINES_KEPT) {
		buf_release(&b->lines);
		buf_init(&b->lines);
	}
	buf_reset(&b->lines);
}

void batch_release(struct batch *b)
{
	batch_clear(b);
	free(b->entries);
	free(b->spills);
	buf_release(&b->lines);
}
