/* work_json.c - structs from JSON and to it, in an activity (pawl/json.h). */
#include "runtime/work.h"
#include "base/json_members.h"

static void *alloc_text(void *arg, size_t size)
{
	return arena_alloc(arg, size);
}

static int refuse(pawl_work *w, int rc, const char *why)
{
	if (rc == PAWL_ENOMEM)
		return pawl_work_defer(w, 0, "out of memory");
	return pawl_work_fail_for_good(w, JSON_MEMBERS_CODE, "%s", why);
}

int pawl_work_json_read(pawl_work *w, const pawl_json_struct *type, const char *json, void *out)
{
	struct json_members_memory memory = { alloc_text, &w->texts, &w->texts };
	char why[JSON_MEMBERS_WHY_SIZE];
	int rc = json_members_read(type, slice_of(json), out, &memory, why);

	return rc < 0 ? refuse(w, rc, why) : 0;
}

int pawl_work_json_return(pawl_work *w, const pawl_json_struct *type, const void *in)
{
	struct buf text = BUF_INIT;
	char why[JSON_MEMBERS_WHY_SIZE];
	int rc = json_members_write(type, in, &text, why);

	rc = rc < 0 ? refuse(w, rc, why) : pawl_work_return_bytes(w, text.data, text.len);
	buf_release(&text);
	return rc;
}
