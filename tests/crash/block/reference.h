/*
 * reference.h - every history that a recorded run has had, as it was at the end. A history only grows, so what recovery
 * finds at any point before that must be the beginning of one of these.
 */
#ifndef BLOCK_REFERENCE_H
#define BLOCK_REFERENCE_H

#include "base/map.h"
#include "history/history.h"
#include <pawl/provider.h>

struct reference {
	struct reference *next; /* the next execution of this instance */
	uint64_t execution;
	char *text;
	size_t len;
	size_t *ends;           /* of each line */
	struct history history;
};

/* Save all executions of one, or of all in the hub, as files DIR/ID.EXECUTION. These end the program when they cannot. */
void reference_save(struct pawl_provider *p, const char *id, const char *dir);
void reference_save_all(struct pawl_provider *p, const char *dir);
/* Read the directory: id -> its first execution. */
void reference_load(struct map *all, const char *dir);
struct reference *reference_find(const struct map *all, const char *id, uint64_t execution);
/* The end of the line with this number (from 1), 0: there is none. */
size_t reference_line(const struct reference *r, uint64_t seq);
/* The first line of this type that has these payload bytes: its end, or 0. */
size_t reference_payload(const struct reference *r, enum event_type type, uint32_t crc, const struct event **out);
uint32_t event_payload_crc(const struct event *e);

#endif
