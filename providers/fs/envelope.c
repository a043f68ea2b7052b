/*
 * envelope.c - a message as a file: one line of JSON, then the payload as it is.
 *
 *	{"pawl":1,"kind":"raise","id":"5f..","instance":"x","name":"approved","bytes":3,"crc32c":"3b1f20d9"}<LF>yes
 */
#include "mailbox.h"
#include "base/crc32c.h"
#include "base/json.h"
#include <stdlib.h>

const char envelope_no_memory[] = "out of memory";

static const char *const kind_names[] = {
	[PAWL_MESSAGE_START] = "start", [PAWL_MESSAGE_RAISE] = "raise", [PAWL_MESSAGE_SUSPEND] = "suspend",
	[PAWL_MESSAGE_RESUME] = "resume", [PAWL_MESSAGE_CANCEL] = "cancel", [PAWL_MESSAGE_TERMINATE] = "terminate",
	[PAWL_MESSAGE_PURGE] = "purge", [PAWL_MESSAGE_REQUEUE] = "requeue",
	[PAWL_MESSAGE_RESTART] = "restart", [PAWL_MESSAGE_REWIND] = "rewind", [PAWL_MESSAGE_RETRY] = "retry",
	[PAWL_MESSAGE_COMPACT] = "compact", [PAWL_MESSAGE_PUBLISH] = "publish",
};
static const char *const if_exists_names[] = {
	[PAWL_IF_EXISTS_FAIL] = "fail", [PAWL_IF_EXISTS_USE] = "use", [PAWL_IF_EXISTS_REPLACE] = "replace",
};
#define KIND_COUNT (sizeof(kind_names) / sizeof(kind_names[0]))
#define IF_EXISTS_COUNT (sizeof(if_exists_names) / sizeof(if_exists_names[0]))

/* ---- writing ---- */

void envelope_write(struct buf *out, const struct pawl_message *m, const char *id)
{
	char crc[9], at[TEXT_TIME_SIZE];

	buf_adds(out, "{\"pawl\":1");
	json_add_member(out, "kind", slice_of(kind_names[m->kind]));
	json_add_member(out, "id", slice_of(id));
	if (m->instance)
		json_add_member(out, "instance", slice_of(m->instance));
	if (m->name)
		json_add_member(out, "name", slice_of(m->name));
	if (m->version)
		json_add_member(out, "version", slice_of(m->version));
	if (m->key)
		json_add_member(out, "key", slice_of(m->key));
	if (m->reason)
		json_add_member(out, "reason", slice_of(m->reason));
	if (m->if_exists != PAWL_IF_EXISTS_FAIL)
		json_add_member(out, "if_exists", slice_of(if_exists_names[m->if_exists]));
	if (m->at_ns > 0) {
		text_time(at, m->at_ns);
		json_add_member(out, "at", slice_of(at));
	}
	if (m->delay_ms > 0)
		json_add_member_u64(out, "delay_ms", (uint64_t)m->delay_ms);
	if (m->data) {
		snprintf(crc, sizeof(crc), "%08x", crc32c(0, m->data, m->len));
		json_add_member_u64(out, "bytes", m->len);
		json_add_member(out, "crc32c", slice_of(crc));
	}
	buf_adds(out, "}\n");
	if (m->data)
		buf_add(out, m->data, m->len);
}

static int check_text(const char *what, const char *text, bool (*good)(struct slice), struct pawl_error *err)
{
	return !text || good(slice_of(text)) ? 0 : err_set(err, PAWL_EINVALID, "%s '%.140s' is not valid", what, text);
}

/* The number of a line of history. */
static bool is_line_number(struct slice text)
{
	uint64_t n;
	return text_parse_u64(text, &n) == 0 && n > 0;
}

/* The number of a line, or a word for one. */
static bool is_line_name(struct slice text)
{
	return is_line_number(text) || slice_is(text, "last-good");
}

static int check_line(const struct pawl_message *m, struct pawl_error *err)
{
	switch (m->kind) {
	case PAWL_MESSAGE_REQUEUE:
		return check_text("activity number", m->key ? m->key : "", is_line_number, err);
	case PAWL_MESSAGE_REWIND:
		return check_text("line", m->key ? m->key : "", is_line_name, err);
	case PAWL_MESSAGE_RETRY:
		return check_text("line", m->key, is_line_number, err);
	case PAWL_MESSAGE_COMPACT:
		return check_text("number of executions", m->key, is_line_number, err);
	default:
		return 0;
	}
}

int message_check(struct fs *fs, const struct pawl_message *m, struct pawl_error *err)
{
	bool for_nobody = m->kind == PAWL_MESSAGE_PUBLISH || (m->kind == PAWL_MESSAGE_START && !m->instance);
	int rc = for_nobody ? 0 : fs_check_id(m->instance, err);

	if ((size_t)m->kind >= KIND_COUNT)
		return err_set(err, PAWL_EINVALID, "message kind %d is not known", (int)m->kind);
	if (rc == 0 && m->kind == PAWL_MESSAGE_RAISE)
		rc = check_text("event name", m->name ? m->name : "", text_is_event_name, err);
	if (rc == 0 && m->kind == PAWL_MESSAGE_START)
		rc = check_text("orchestration name", m->name ? m->name : "", text_is_type_name, err);
	if (rc == 0 && m->kind == PAWL_MESSAGE_PUBLISH)
		rc = check_text("topic", m->name ? m->name : "", text_is_topic, err);
	if (rc == 0 && (m->delay_ms < 0 || m->at_ns < 0))
		rc = err_set(err, PAWL_EINVALID, "a time or delay below zero");
	if (rc == 0)
		rc = check_line(m, err);
	if (rc == 0 && (size_t)m->if_exists >= IF_EXISTS_COUNT)
		rc = err_set(err, PAWL_EINVALID, "if_exists %d is not known", (int)m->if_exists);
	if (rc == 0)
		rc = check_text("version", m->version, text_is_version, err);
	if (rc == 0)
		rc = check_text("key", m->key, text_is_key, err);
	if (rc == 0 && m->reason && (strlen(m->reason) > 1024 || !text_is_utf8(slice_of(m->reason))))
		rc = err_set(err, PAWL_ETOOBIG, "a reason is UTF-8 text of at most 1024 bytes");
	if (rc == 0 && m->len > fs->options.message_bytes_max)
		rc = err_set(err, PAWL_ETOOBIG, "a payload of %zu bytes is over the limit of %llu", m->len, (unsigned long long)fs->options.message_bytes_max);
	return rc;
}

/* ---- reading ---- */

/* What the head of an envelope says. */
struct head {
	struct arena arena;
	uint64_t bytes;
	uint32_t crc;
	bool payload, no_memory;
};

static const char *take_text(struct head *h, struct slice s)
{
	struct slice copy = arena_copy(&h->arena, s);

	h->no_memory = h->no_memory || (s.data && !copy.data);
	return copy.data && strlen(copy.data) == copy.len ? copy.data : NULL;
}

static void envelope_member(struct letter *l, struct slice key, const struct json_value *v, struct head *h)
{
	struct pawl_message *m = &l->message;
	uint64_t n;

	if (slice_is(key, "instance"))
		m->instance = take_text(h, v->text);
	else if (slice_is(key, "name"))
		m->name = take_text(h, v->text);
	else if (slice_is(key, "version"))
		m->version = take_text(h, v->text);
	else if (slice_is(key, "key"))
		m->key = take_text(h, v->text);
	else if (slice_is(key, "reason"))
		m->reason = take_text(h, v->text);
	else if (slice_is(key, "id") && v->text.len < sizeof(l->id) - 2)
		snprintf(l->id, sizeof(l->id), "m:%.*s", SLICE_FMT(v->text));
	else if (slice_is(key, "at"))
		m->at_ns = text_parse_time(v->text, &m->at_ns) == 0 ? m->at_ns : -1; /* which is not valid */
	else if (slice_is(key, "delay_ms"))
		m->delay_ms = text_parse_u64(v->text, &n) == 0 && n <= INT64_MAX ? (int64_t)n : -1;
	else if (slice_is(key, "bytes"))
		h->payload = text_parse_u64(v->text, &h->bytes) == 0;
	else if (slice_is(key, "crc32c") && text_parse_hex32(v->text, &h->crc) < 0)
		h->crc = 0;
	for (size_t i = 0; slice_is(key, "kind") && i < KIND_COUNT; i++)
		if (slice_is(v->text, kind_names[i]))
			m->kind = (enum pawl_message_kind)i;
	for (size_t i = 0; slice_is(key, "if_exists") && i < IF_EXISTS_COUNT; i++)
		if (slice_is(v->text, if_exists_names[i]))
			m->if_exists = (enum pawl_message_if_exists)i;
}

/* The texts that a message points to are one block behind it: copy them from the arena. */
static int letter_keep(struct letter *l, const char *payload, size_t len)
{
	struct pawl_message *m = &l->message;
	const char **fields[] = { &m->instance, &m->name, &m->version, &m->key, &m->reason };
	size_t size = len + 1;

	for (size_t i = 0; i < 5; i++)
		size += *fields[i] ? strlen(*fields[i]) + 1 : 0;
	char *at = malloc(size);
	if (!at)
		return PAWL_ENOMEM;
	l->text = at;
	for (size_t i = 0; i < 5; i++) {
		if (!*fields[i])
			continue;
		size_t n = strlen(*fields[i]) + 1;
		memcpy(at, *fields[i], n);
		*fields[i] = at;
		at += n;
	}
	if (payload) {
		memcpy(at, payload, len);
		at[len] = '\0';
		m->data = at;
		m->len = len;
	}
	return 0;
}

static const char *envelope_parse(struct letter *l, const char *text, size_t len)
{
	const char *lf = memchr(text, '\n', len < ENVELOPE_HEAD_MAX ? len : ENVELOPE_HEAD_MAX), *why = NULL;
	struct head h = { .bytes = 0 };
	struct json_reader r;
	struct json_value v;
	struct slice key;
	int rc;

	if (!lf)
		return "not an envelope: it has no head line";
	l->message.kind = (enum pawl_message_kind)KIND_COUNT;
	arena_init(&h.arena, 64 * 1024); /* more than any head needs: that it is full means that there is no memory */
	rc = json_open(&r, slice_make(text, (size_t)(lf - text)), '{', &h.arena);
	while (rc >= 0 && (rc = json_next(&r, &key, &v)) > 0)
		envelope_member(l, key, &v, &h);
	const char *data = lf + 1;
	size_t left = len - (size_t)(data - text);
	if (h.no_memory || rc == PAWL_ENOMEM)
		why = envelope_no_memory;
	else if (rc < 0 || l->message.kind == (enum pawl_message_kind)KIND_COUNT || !l->id[0])
		why = "not an envelope: its head does not parse";
	else if (h.payload && (left != h.bytes || crc32c(0, data, left) != h.crc))
		why = "the payload is not what was sent: length or checksum differ";
	else if (letter_keep(l, h.payload ? data : NULL, left) < 0)
		why = envelope_no_memory;
	arena_release(&h.arena);
	return why;
}

/* NULL, or why it is no message. */
const char *envelope_read(struct fs *fs, struct letter *l, const char *text, size_t len, const char *start_of)
{
	const char *why = envelope_parse(l, text, len);

	if (!why && start_of && l->message.kind != PAWL_MESSAGE_START)
		why = "it is no start";
	if (!why && start_of && (!l->message.instance || strcmp(l->message.instance, start_of) != 0))
		why = "the start is for another instance";
	if (!why && message_check(fs, &l->message, NULL) < 0)
		why = "it names something that is not valid";
	return why;
}
