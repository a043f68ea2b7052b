/* The two ways to read JSON agree on what is JSON, and what was decoded, written again, is the same text. */
#include "base/json.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* 0 = all members read, < 0 = it does not parse. */
static int read_members(struct slice in, char bracket, struct arena *arena)
{
	struct json_reader r;
	struct json_value v;
	struct slice key;
	int rc = json_open(&r, in, bracket, arena);

	while (rc >= 0 && (rc = json_next(&r, &key, &v)) > 0) {
		struct buf out = BUF_INIT;
		enum json_type type;
		if (v.type == JSON_STRING) {
			json_add_string(&out, v.text);
			if (json_check(buf_slice(&out), &type, NULL) < 0 || type != JSON_STRING)
				abort();
		}
		if (json_check(v.raw, &type, NULL) < 0 || type != v.type)
			abort();
		buf_release(&out);
	}
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_make(data ? (const void *)data : "", size);
	enum json_type type;
	struct arena arena;
	bool good = json_check(in, &type, NULL) == 0;

	arena_init(&arena, 1 << 20);
	if (good && (type == JSON_OBJECT || type == JSON_ARRAY) && read_members(in, type == JSON_OBJECT ? '{' : '[', &arena) < 0)
		abort();
	if (!good && size > 0 && (data[0] == '{' || data[0] == '[') && read_members(in, (char)data[0], &arena) == 0)
		abort();
	arena_release(&arena);
	return 0;
}
