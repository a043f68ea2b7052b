/* json_members.h - structs whose members are described by a table (pawl/json.h), from JSON text and to it. */
#ifndef BASE_JSON_MEMBERS_H
#define BASE_JSON_MEMBERS_H

#include "base/json.h"
#include <pawl/json.h>

#define JSON_MEMBERS_CODE "bad-json" /* of the failure */
#define JSON_MEMBERS_WHY_SIZE 256

struct json_members_memory {
	void *(*alloc)(void *arg, size_t size); /* for texts; NULL: out of memory; it may leave for good */
	void *arg;
	struct arena *scratch;                  /* for decoding */
};

/* why has JSON_MEMBERS_WHY_SIZE bytes. 0; PAWL_EPARSE with why, or PAWL_ENOMEM: then out is all zero. */
int json_members_read(const pawl_json_struct *type, struct slice json, void *out, const struct json_members_memory *m,
                      char *why) PAWL_MUST_USE;
/* 0, PAWL_EINVALID with why, PAWL_ENOMEM. */
int json_members_write(const pawl_json_struct *type, const void *in, struct buf *out, char *why) PAWL_MUST_USE;

#endif
