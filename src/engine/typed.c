/*
 * typed.c - structs from JSON and to it, in an orchestration (pawl/json.h). What an allocation that is refused leaves
 * behind must be in an arena: memory_alloc may leave for good (E3). Decoding goes into the turn's.
 */
#include "engine/internal.h"
#include "base/json_members.h"

static void *alloc_text(void *arg, size_t size)
{
	return memory_alloc(arg, size);
}

static void refuse(struct execution *x, const char *why)
{
	x->failure = failure_make(x, "application", JSON_MEMBERS_CODE, "%s", why);
}

int pawl_json_read(pawl_ctx *ctx, const pawl_json_struct *type, const char *json, void *out)
{
	struct execution *x = execution_of(ctx);
	struct json_members_memory memory = { alloc_text, x, &x->turn_arena };
	char why[JSON_MEMBERS_WHY_SIZE];
	int rc = json_members_read(type, slice_of(json), out, &memory, why);

	if (rc == PAWL_ENOMEM)
		execution_stop(x, rc, "out of memory in instance '%s'", x->id);
	if (rc < 0)
		refuse(x, why);
	return rc;
}

const char *pawl_json_write(pawl_ctx *ctx, const pawl_json_struct *type, const void *in)
{
	struct execution *x = execution_of(ctx);
	struct buf text = BUF_INIT;
	char why[JSON_MEMBERS_WHY_SIZE], *copy = NULL;
	int rc = json_members_write(type, in, &text, why);
	size_t len = text.len;

	if (rc == 0)
		copy = arena_alloc(&x->memory, len + 1); /* not memory_alloc: the text is in no arena */
	if (copy)
		memcpy(copy, buf_str(&text), len + 1);
	buf_release(&text);
	if (rc == PAWL_EINVALID) {
		refuse(x, why);
		return NULL;
	}
	if (!copy) {
		(void)memory_alloc(x, len + 1); /* over the limit: this says so, and does not return */
		execution_stop(x, PAWL_ENOMEM, "out of memory in instance '%s'", x->id);
	}
	return copy;
}
