/*
 * history.h - the events of one execution, read from its bytes.
 *
 * Torn or damaged (I6)? Histories are written through the journal, so a power cut leaves whole turns behind. A tail can
 * still be torn when the hub was copied while running or the journal was lost. The rule:
 *
 *	the last line is bad, and nothing after it is good      -> torn tail: it is cut (with its unfinished turn)
 *	a bad line before a good one, a gap in seq, an end      -> damage: PAWL_ECORRUPT, the caller quarantines
 *	event with lines behind it, a turn without "time"
 */
#ifndef HISTORY_HISTORY_H
#define HISTORY_HISTORY_H

#include "history/event.h"

struct history {
	struct event *events;
	size_t count, cap;
	size_t bytes;       /* length of the good part */
	size_t torn_bytes;  /* cut behind it */
	bool has_unknown;   /* an event type of a newer pawl is among them */
	struct {            /* the line that is torn or damaged */
		size_t line;    /* from 1; 0 = none */
		size_t at;      /* its first byte */
		size_t turn_at; /* the first byte of the turn it may belong to: what is before it is whole */
	} fault;
	struct arena arena; /* owns what the events point to, but for slices into the text */
};

void history_init(struct history *h);
void history_release(struct history *h);
/* Decode text, which must outlive h. 0, PAWL_ECORRUPT (err names line and offset; events before it are there),
 * PAWL_ENOMEM. */
int history_parse(struct history *h, struct slice text, struct pawl_error *err) PAWL_MUST_USE;
/* The messages that the activity scheduled by line `ref` was sent (ActivityMessageSent), in order; number: 1, 2, ...
 * Stops with the callback's value if not 0. */
int history_messages(const struct history *h, uint64_t ref,
                     int (*each)(void *arg, uint32_t number, const struct event *e), void *arg);

#endif
