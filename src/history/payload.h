/*
 * payload.h - bytes of any kind as a JSON value, and back to the same bytes (docs/FORMAT.md, "Payloads").
 */
#ifndef HISTORY_PAYLOAD_H
#define HISTORY_PAYLOAD_H

#include "base/buf.h"
#include "base/json.h"

struct payload {
	struct slice data; /* the bytes, or NONE when they are in a file: */
	struct slice file;
	uint64_t file_len;
	uint32_t file_crc;
};

void payload_add(struct buf *out, struct slice data);
void payload_add_file(struct buf *out, const struct payload *p);
/* Slices point into the value or the arena. PAWL_EPARSE, PAWL_ENOMEM. */
int payload_read(struct payload *p, const struct json_value *value, struct arena *arena) PAWL_MUST_USE;

/* A JSON string for people: each byte that is not part of UTF-8 becomes '?'. */
void payload_add_text(struct buf *out, struct slice text);

#endif
