/* text.h - small conversions between bytes and what people read: times, durations, sizes, names, base64, hex. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include "buf.h"
#include <stdint.h>

#define TEXT_TIME_SIZE 32

/* RFC 3339 UTC with microseconds, "2026-11-21T12:41:00.123456Z"; out has TEXT_TIME_SIZE bytes. ns since 1970, any sign. */
void text_time(char *out, int64_t ns);
/* Accepts an offset ("+02:00") or Z and 0 to 9 digits of a fraction. 0 or PAWL_EPARSE. */
int text_parse_time(struct slice s, int64_t *ns) PAWL_MUST_USE;

/* "90", "90s", "1m30s", "250ms", "24h", "7d" to milliseconds (a bare number is seconds). 0 or PAWL_EPARSE. */
int text_parse_duration(struct slice s, int64_t *ms) PAWL_MUST_USE;
/* "1h 2m", "3.2s", "250ms": for people only; out has TEXT_TIME_SIZE bytes. */
void text_duration(char *out, int64_t ms);
/* "64", "32KiB", "4MiB", "1GiB" (K, M, G and KB, MB, GB too, all powers of 1024). 0 or PAWL_EPARSE. */
int text_parse_size(struct slice s, uint64_t *bytes) PAWL_MUST_USE;

int text_parse_u64(struct slice s, uint64_t *n) PAWL_MUST_USE; /* decimal digits only, no sign; PAWL_EPARSE */
int text_parse_hex32(struct slice s, uint32_t *n) PAWL_MUST_USE; /* exactly 8 lower-case digits */

bool text_is_utf8(struct slice s); /* strict: no surrogates, no overlong forms */
/* For text that snprintf had to cut at size bytes: ends it with "..." where a character ends. */
void text_mark_cut(char *text, size_t size);
void text_base64(struct buf *out, struct slice s);
int text_unbase64(struct buf *out, struct slice s) PAWL_MUST_USE; /* strict; PAWL_EPARSE */

/*
 * Names become parts of paths, so they are checked here and nowhere else.
 * instance id: 1-128 of [A-Za-z0-9_:-], first a letter or digit.      event name: the same, 1-64.
 * type and activity name: 1-128 of [A-Za-z0-9_:./-], no empty, "." or ".." part between slashes, first a letter or digit.
 * version: 1-64 of [A-Za-z0-9.+_-], not "." or "..".      key: 1-64 of [A-Za-z0-9_:-].
 */
bool text_is_instance_id(struct slice s);
bool text_is_event_name(struct slice s);
bool text_is_type_name(struct slice s);
bool text_is_version(struct slice s);
bool text_is_key(struct slice s);
/* Topics, as in MQTT: levels between '/', each 1 or more printable characters without + # and blank, at most 128 bytes and 16
 * levels. In a filter a level '+' stands for any one, '#' at the end for all that follow, none too. */
bool text_is_topic(struct slice s);
bool text_is_topic_filter(struct slice s);
bool text_topic_matches(struct slice filter, struct slice topic);

#define TEXT_INSTANCE_ID_MAX 128
#define TEXT_NAME_MAX 128

#endif
