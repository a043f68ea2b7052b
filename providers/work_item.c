/* work_item.c - work items as all providers of this tree see them: what is valid, what is wanted, copies. */
#include "work_item.h"
#include "base/error.h"
#include "base/text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int bad(struct pawl_error *err, const char *what, const char *text)
{
	return err_set(err, PAWL_EINVALID, "'%.140s' cannot be %s of a work item", text ? text : "", what);
}

int work_item_check(const struct pawl_work_item *item, struct pawl_error *err)
{
	if (!item->instance || !text_is_instance_id(slice_of(item->instance)))
		return bad(err, "the instance", item->instance);
	if (!item->activity || !text_is_type_name(slice_of(item->activity)))
		return bad(err, "the activity", item->activity);
	if (item->tag && !text_is_key(slice_of(item->tag)))
		return bad(err, "the tag", item->tag);
	if (item->session && !text_is_key(slice_of(item->session)))
		return bad(err, "the session", item->session);
	if (item->key && !text_is_utf8(slice_of(item->key)))
		return err_set(err, PAWL_EINVALID, "the key of a work item of '%s' is no UTF-8", item->instance);
	if (item->priority < 1 || item->priority > 9 || item->seq == 0)
		return err_set(err, PAWL_EINVALID, "a work item of '%s' needs a priority from 1 to 9 and a seq",
		               item->instance);
	if (item->input_len > 0 && !item->input)
		return err_set(err, PAWL_EINVALID, "a work item of '%s' has %zu bytes of input without data",
		               item->instance, item->input_len);
	return 0;
}

int work_check_worker(const char *worker, struct pawl_error *err)
{
	if (worker && text_is_key(slice_of(worker)))
		return 0;
	return err_set(err, PAWL_EINVALID,
	               "worker '%.100s' is not valid: a pid, or a name of 1 to %d of A-Z a-z 0-9 _ : -",
	               worker ? worker : "", PAWL_WORKER_MAX);
}

int32_t work_worker_pid(const char *worker)
{
	uint64_t pid;

	return text_parse_u64(slice_of(worker), &pid) == 0 && pid <= INT32_MAX ? (int32_t)pid : 0;
}

static bool is_in(const char *const *list, const char *text)
{
	for (; list && *list; list++)
		if (strcmp(*list, text) == 0)
			return true;
	return false;
}

bool work_is_wanted(const struct pawl_work_wanted *wanted, const char *activity, const char *tag)
{
	return (!wanted->activities || is_in(wanted->activities, activity)) && (!tag || is_in(wanted->tags, tag));
}

static const char *put_bytes(char **at, const void *data, size_t len)
{
	char *to = *at;

	if (!data)
		return NULL;
	if (len)
		memcpy(to, data, len);
	to[len] = '\0';
	*at = to + len + 1;
	return to;
}

static const char *put_text(char **at, const char *text)
{
	return put_bytes(at, text, text ? strlen(text) : 0);
}

struct pawl_work_item *work_item_copy(const struct pawl_work_item *from)
{
	const char *const texts[] = { from->id,      from->instance, from->activity, from->tag,
		                      from->session, from->key,      from->work_dir, from->carrier };
	size_t size = sizeof(*from) + (from->input ? from->input_len + 1 : 0);

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		size += texts[i] ? strlen(texts[i]) + 1 : 0;
	struct pawl_work_item *item = malloc(size);
	if (!item)
		return NULL;
	char *at = (char *)(item + 1);
	*item = *from;
	item->id = put_text(&at, from->id);
	item->instance = put_text(&at, from->instance);
	item->activity = put_text(&at, from->activity);
	item->tag = put_text(&at, from->tag);
	item->session = put_text(&at, from->session);
	item->key = put_text(&at, from->key);
	item->work_dir = put_text(&at, from->work_dir);
	item->carrier = put_text(&at, from->carrier);
	item->input = put_bytes(&at, from->input, from->input_len);
	return item;
}

void work_queue_name(char *out, const char *activity, const char *tag, bool session)
{
	snprintf(out, WORK_QUEUE_MAX + 1, "%s%s%s%s", activity, tag ? "@" : "", tag ? tag : "", session ? "~" : "");
	for (char *c = out; *c; c++)
		if (*c == '/')
			*c = '+';
}

void work_item_name(char *out, uint32_t priority, uint64_t stamp, const char *session)
{
	snprintf(out, WORK_NAME_MAX + 1, "%u-%014llx%s%s", priority, (unsigned long long)stamp, session ? "~" : "",
	         session ? session : "");
}

int work_check_outcome(int code, size_t output_len, struct pawl_error *err)
{
	if (code < 0 || code > 255)
		return err_set(err, PAWL_EINVALID, "work cannot end with code %d: 0 to 255", code);
	if (output_len > WORK_RESULT_MAX)
		return err_set(err, PAWL_ETOOBIG, "a result of %zu bytes is over the limit of %u", output_len,
		               WORK_RESULT_MAX);
	return 0;
}

int work_check_letter(const char *id, struct pawl_error *err)
{
	const char *dot = id ? strchr(id, '.') : NULL;
	uint64_t seq;

	if (dot && text_is_instance_id(slice_make(id, (size_t)(dot - id))) && strlen(dot) <= 21 &&
	    text_parse_u64(slice_of(dot + 1), &seq) == 0)
		return 0;
	return err_set(err, PAWL_EINVALID, "'%.160s' cannot be the id of a dead letter: INSTANCE.SEQ", id ? id : "");
}
