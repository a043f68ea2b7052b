/* queue_name.c - names in the work queue, and back. What does not parse exactly is not ours. */
#include "queue.h"

#define STAMP_DIGITS 14
#define ITEM_HEAD    (2 + STAMP_DIGITS)

static bool copy_key(char *out, size_t size, struct slice s)
{
	if (!text_is_key(s) || s.len >= size)
		return false;
	memcpy(out, s.data, s.len);
	out[s.len] = '\0';
	return true;
}

bool queue_name_parse(const char *name, struct queue_key *key)
{
	size_t len = strlen(name), n = strcspn(name, "@~");

	if (len > QUEUE_NAME_MAX || n > TEXT_NAME_MAX || memchr(name, '/', n))
		return false;
	for (size_t i = 0; i < n; i++)
		key->activity[i] = (char)(name[i] == '+' ? '/' : name[i]);
	key->activity[n] = '\0';
	key->tag[0] = '\0';
	key->session = len > 0 && name[len - 1] == '~';
	len -= key->session;
	if (!text_is_type_name(slice_of(key->activity)))
		return false;
	return n >= len ? n == len
	                : name[n] == '@' && copy_key(key->tag, sizeof(key->tag), slice_make(name + n + 1, len - n - 1));
}

static bool parse_stamp(const char *hex, uint64_t *stamp)
{
	uint64_t n = 0;

	for (int i = 0; i < STAMP_DIGITS; i++) {
		char c = hex[i];
		if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f'))
			return false;
		n = n << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	*stamp = n;
	return true;
}

bool item_name_parse(struct slice name, bool session, uint32_t *priority, uint64_t *stamp)
{
	const char *s = name.data;

	if (name.len < ITEM_HEAD || name.len > ITEM_NAME_MAX || s[0] < '1' || s[0] > '9' || s[1] != '-' ||
	    !parse_stamp(s + 2, stamp))
		return false;
	*priority = (uint32_t)(s[0] - '0');
	if (!session)
		return name.len == ITEM_HEAD;
	return name.len > ITEM_HEAD && s[ITEM_HEAD] == '~' &&
	       text_is_key(slice_make(s + ITEM_HEAD + 1, name.len - ITEM_HEAD - 1));
}

const char *item_session(const char *item)
{
	const char *tilde = strchr(item, '~');

	return tilde ? tilde + 1 : NULL;
}

static bool parse_code(const char *text, int *code)
{
	uint64_t n;

	if (text_parse_u64(slice_of(text), &n) < 0 || n > 255 || (text[0] == '0' && text[1]))
		return false;
	*code = (int)n;
	return true;
}

bool entry_parse(const char *name, enum pawl_work_state place, bool session, char *item, struct holder *holder)
{
	size_t n = strcspn(name, "@");
	uint32_t priority;
	uint64_t stamp;

	*holder = (struct holder){ .code = 0 };
	if (!item_name_parse(slice_make(name, n), session, &priority, &stamp) || !name[n] != (place == PAWL_WORK_READY))
		return false;
	memcpy(item, name, n);
	item[n] = '\0';
	if (place == PAWL_WORK_READY)
		return true;
	const char *worker = name + n + 1, *dot = strchr(worker, '.');
	if (!dot != (place == PAWL_WORK_CLAIMED) || (dot && !parse_code(dot + 1, &holder->code)))
		return false;
	return copy_key(holder->worker, sizeof(holder->worker),
	                slice_make(worker, dot ? (size_t)(dot - worker) : strlen(worker)));
}

void entry_print(char *out, enum pawl_work_state place, const char *item, const struct holder *holder)
{
	if (place == PAWL_WORK_READY)
		snprintf(out, CLAIM_NAME_MAX + 1, "%s", item);
	else if (place == PAWL_WORK_CLAIMED)
		snprintf(out, CLAIM_NAME_MAX + 1, "%s@%s", item, holder->worker);
	else
		snprintf(out, CLAIM_NAME_MAX + 1, "%s@%s.%d", item, holder->worker, holder->code);
}

int item_id_parse(const char *id, struct item_id *out, struct pawl_error *err)
{
	const char *slash = id ? strchr(id, '/') : NULL;
	size_t n = slash ? (size_t)(slash - id) : 0;
	struct queue_key key;
	uint32_t priority;
	uint64_t stamp;

	if (n > 0 && n <= QUEUE_NAME_MAX) {
		memcpy(out->queue, id, n);
		out->queue[n] = '\0';
		if (queue_name_parse(out->queue, &key) &&
		    item_name_parse(slice_of(slash + 1), key.session, &priority, &stamp)) {
			snprintf(out->item, sizeof(out->item), "%s", slash + 1);
			return 0;
		}
	}
	return err_set(err, PAWL_EINVALID, "'%.300s' cannot be the id of a work item: QUEUE/ITEM", id ? id : "");
}

#define TARGET_HEAD "../../../instances/"

bool target_parse(const char *text, struct work_target *target)
{
	size_t head = strlen(TARGET_HEAD);

	if (strncmp(text, TARGET_HEAD, head) != 0)
		return false;
	const char *id = text + head, *slash = strchr(id, '/');
	size_t n = slash ? (size_t)(slash - id) : 0;
	if (!slash || !text_is_instance_id(slice_make(id, n)) || strncmp(slash, "/work/", 6) != 0 || slash[6] < '1' ||
	    slash[6] > '9')
		return false;
	if (text_parse_u64(slice_of(slash + 6), &target->seq) < 0)
		return false;
	memcpy(target->instance, id, n);
	target->instance[n] = '\0';
	return true;
}
