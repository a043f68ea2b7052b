/* history_lines.h - for the tests of src/history: histories written as JSON, checksums added. */
#ifndef TESTS_UNIT_HISTORY_LINES_H
#define TESTS_UNIT_HISTORY_LINES_H

#include "base/buf.h"
#include "base/crc32c.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))
/* SLICE for tables. */
#define LIT(text)                                                                                                      \
	{                                                                                                              \
		(text), sizeof(text) - 1                                                                               \
	}
#define TIME "\"time\":\"2026-11-21T12:41:00.123456Z\","

/* JSON, a tab, the checksum; no newline. */
static inline void add_sealed(struct buf *out, struct slice json)
{
	buf_add_slice(out, json);
	buf_addf(out, "\t%08x", (unsigned)crc32c(0, json.data, json.len));
}

static inline void add_line(struct buf *out, const char *json)
{
	add_sealed(out, slice_of(json));
	buf_addc(out, '\n');
}

#endif
