/*
 * json.h - JSON (RFC 8259), strict, without a tree: a pull reader over a slice and writing helpers over a buf.
 *
 * The reader never allocates but for strings with escapes (into an arena), never recurses, and stops at a depth of
 * JSON_DEPTH_MAX. Numbers stay text: whoever wants one parses it.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "arena.h"
#include "buf.h"

#define JSON_DEPTH_MAX 64

enum json_type { JSON_NULL, JSON_TRUE, JSON_FALSE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json_value {
	enum json_type type;
	struct slice raw;  /* the value's bytes as they stand, quotes and brackets included */
	struct slice text; /* JSON_STRING: decoded (in the arena if it had escapes, else in the input); else = raw */
};

struct json_reader {
	const char *at, *end;
	struct arena *arena; /* for decoded strings */
	char bracket;        /* which one was opened */
	bool first;          /* no member was read yet */
	int last;            /* what json_next returned; the end and errors stay */
};

/* Read the members of an object (or elements of an array) one by one:
 *
 *	struct json_reader r;
 *	if (json_open(&r, line, '{', arena) < 0) ...
 *	while ((rc = json_next(&r, &key, &value)) > 0) ...       (key is NONE inside an array)
 *	if (rc < 0) it does not parse (PAWL_EPARSE) or memory ran out (PAWL_ENOMEM)
 *
 * After json_next has returned 0 nothing but white space followed. Values that are objects or arrays have been checked
 * and are skipped; open them with a second reader over value.raw. Duplicate keys are not looked for. */
int json_open(struct json_reader *r, struct slice in, char bracket, struct arena *arena) PAWL_MUST_USE;
int json_next(struct json_reader *r, struct slice *key, struct json_value *value) PAWL_MUST_USE;

/* One whole JSON text and nothing else? 0 or PAWL_EPARSE; *type is set when 0. offset (may be NULL): where it went wrong. */
int json_check(struct slice in, enum json_type *type, size_t *offset) PAWL_MUST_USE;

/* Writing. A string that is not UTF-8 must not be given to json_add_string (see history/payload). NONE becomes null. */
void json_add_string(struct buf *out, struct slice s);
/* ,"key": (the comma only when something stands before it in the object) */
void json_add_key(struct buf *out, const char *key);
void json_add_member(struct buf *out, const char *key, struct slice text);
void json_add_member_u64(struct buf *out, const char *key, uint64_t n);
void json_add_member_i64(struct buf *out, const char *key, int64_t n);

#endif
