#include "carrier.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "history/history.h"
#include "history/payload.h"
#include "os/io.h"
#include "shim/shim.h"
#include <pawl/pawl.h>
#include <errno.h>
#include <stdlib.h>

#define TEMP_FILE "." CARRIER_FILE /* always the same: there is one writer, and a crash leaves one behind at most */
#define BASE64    "base64"

/* ---- records ---- */

/* From scheduling to the newest event that says something of it, in order of seq. */
struct record {
	uint64_t seq;
	struct slice activity;
	enum activity_state state;
	int64_t time_ns;
};

static int compare_seq(const void *a, const void *b)
{
	uint64_t left = ((const struct record *)a)->seq, right = ((const struct record *)b)->seq;

	return (left > right) - (left < right);
}

/* One that is held has had its last attempt and waits for an operator in the state in which that one left it. */
static enum activity_state state_held(const struct failure *error)
{
	static const char *const kinds[] = { "stuck", "timeout", "poison" };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (slice_is(error->kind, kinds[i]))
			return ACTIVITY_STUCK;
	return ACTIVITY_STALLED;
}

/* The state in which an event leaves its activity. Which attempts run at the moment is not in history: Waiting. */
static bool state_after(const struct event *e, enum activity_state *state)
{
	switch (e->type) {
	case EVENT_ActivityCompleted:
		*state = ACTIVITY_COMPLETED;
		return true;
	case EVENT_ActivityFailed:
	case EVENT_ActivityCancelRequested: /* nothing answers it any more */
		*state = ACTIVITY_FAILED;
		return true;
	case EVENT_ActivityRetrying:
		*state = e->delay_ms == EVENT_DELAY_HELD ? state_held(&e->error) : ACTIVITY_WAITING;
		return true;
	case EVENT_ActivityRebooting:
		*state = ACTIVITY_ACTIVE;
		return true;
	default:
		return false;
	}
}

/* records: room for one of each event. The number of those that are there. */
static size_t collect(const struct history *h, uint64_t before, struct record *records)
{
	size_t count = 0;
	int64_t time_ns = 0;

	for (size_t i = 0; i < h->count; i++) {
		const struct event *e = &h->events[i];
		struct record wanted = { .seq = e->ref }, *found;
		enum activity_state state;

		if (e->has_time)
			time_ns = e->time_ns;
		if (e->type == EVENT_ActivityScheduled && (before == 0 || e->seq < before))
			records[count++] = (struct record){ e->seq, e->name, ACTIVITY_WAITING, time_ns };
		if (!state_after(e, &state))
			continue;
		found = count ? bsearch(&wanted, records, count, sizeof(*records), compare_seq) : NULL;
		if (found) {
			found->state = state;
			found->time_ns = time_ns;
		}
	}
	return count;
}

static void add_record(struct buf *out, const struct record *r, const char *instance, uint64_t execution)
{
	struct buf key = BUF_INIT;
	char time[TEXT_TIME_SIZE];

	buf_addf(&key, "%s/%llu/%llu", instance, (unsigned long long)execution, (unsigned long long)r->seq);
	text_time(time, r->time_ns);
	buf_addc(out, '{');
	json_add_member(out, "key", buf_slice(&key));
	json_add_member(out, "activity", r->activity);
	json_add_member(out, "state", slice_of(activity_state_name(r->state)));
	json_add_member(out, "timestamp", slice_of(time));
	buf_addc(out, '}');
	out->failed |= key.failed;
	buf_release(&key);
}

static int add_records(struct buf *out, const struct history *h, const char *instance, uint64_t execution,
                       uint64_t before, bool *cut)
{
	struct record *records = calloc(h->count ? h->count : 1, sizeof(*records));
	size_t count, first;

	if (!records)
		return PAWL_ENOMEM;
	count = collect(h, before, records);
	first = count > CARRIER_RECORDS_MAX ? count - CARRIER_RECORDS_MAX : 0;
	*cut = first > 0;
	buf_addc(out, '[');
	for (size_t i = first; i < count; i++) {
		if (i > first)
			buf_addc(out, ',');
		add_record(out, &records[i], instance, execution);
	}
	buf_addc(out, ']');
	free(records);
	return buf_ok(out) ? 0 : PAWL_ENOMEM;
}

int carrier_records(struct buf *out, struct slice history_text, const char *instance, uint64_t execution,
                    uint64_t before, bool *cut, struct pawl_error *err)
{
	struct history h;
	int ret;

	if (history_text.len > CARRIER_HISTORY_BYTES_MAX) {
		buf_adds(out, "[]");
		*cut = true;
		return buf_ok(out) ? 0 : err_nomem(err);
	}
	history_init(&h);
	ret = history_parse(&h, history_text, err);
	if (!ret && add_records(out, &h, instance, execution, before, cut))
		ret = err_nomem(err);
	history_release(&h);
	return ret;
}

/* ---- members ---- */

enum kind {
	KIND_TEXT,
	KIND_U64,
	KIND_U32,
	KIND_I32,
	KIND_I64,
	KIND_TIME,
	KIND_STATE,
	KIND_BOOT,
	KIND_PAYLOAD,      /* with payload_encoding and payload_file, which stand behind it */
	KIND_ENCODING,
	KIND_PAYLOAD_FILE,
	KIND_RECORDS,
	KIND_TRUTH,
};

/* In the order in which they are written. */
static const struct member {
	const char *name;
	enum kind kind;
	size_t offset;
} members[] = {
	{ "key", KIND_TEXT, offsetof(struct carrier, key) },
	{ "instance", KIND_TEXT, offsetof(struct carrier, instance) },
	{ "execution", KIND_U64, offsetof(struct carrier, execution) },
	{ "seq", KIND_U64, offsetof(struct carrier, seq) },
	{ "activity", KIND_TEXT, offsetof(struct carrier, activity) },
	{ "tag", KIND_TEXT, offsetof(struct carrier, tag) },
	{ "iteration", KIND_U32, offsetof(struct carrier, iteration) },
	{ "state", KIND_STATE, offsetof(struct carrier, state) },
	{ "timestamp", KIND_TIME, offsetof(struct carrier, time_ns) },
	{ "boot", KIND_BOOT, offsetof(struct carrier, boot) },
	{ "boot_ms", KIND_I64, offsetof(struct carrier, boot_ms) },
	{ "process", KIND_I32, offsetof(struct carrier, process) },
	{ "process_start", KIND_I64, offsetof(struct carrier, process_start) },
	{ "worker", KIND_TEXT, offsetof(struct carrier, worker) },
	{ "timeout_ms", KIND_I64, offsetof(struct carrier, timeout_ms) },
	{ "heartbeat_ms", KIND_I64, offsetof(struct carrier, heartbeat_ms) },
	{ "next", KIND_TIME, offsetof(struct carrier, next_ns) },
	{ "reason", KIND_TEXT, offsetof(struct carrier, reason) },
	{ "payload", KIND_PAYLOAD, offsetof(struct carrier, payload) },
	{ "payload_encoding", KIND_ENCODING, 0 },
	{ "payload_file", KIND_PAYLOAD_FILE, offsetof(struct carrier, payload_in_file) },
	{ "records", KIND_RECORDS, offsetof(struct carrier, records) },
	{ "records_cut", KIND_TRUTH, offsetof(struct carrier, records_cut) },
};

#define MEMBER_COUNT (sizeof(members) / sizeof(members[0]))

/* ---- writing ---- */

static void add_text(struct buf *out, const char *key, const char *text)
{
	if (!text)
		return;
	json_add_key(out, key);
	payload_add_text(out, slice_of(text)); /* a reason may be what a program said, in whatever encoding */
}

static void add_number(struct buf *out, const char *key, int64_t n)
{
	if (n)
		json_add_member_i64(out, key, n);
}

static void add_time(struct buf *out, const char *key, int64_t ns)
{
	char time[TEXT_TIME_SIZE];

	if (!ns)
		return;
	text_time(time, ns);
	json_add_member(out, key, slice_of(time));
}

static void add_payload(struct buf *out, const struct carrier *c)
{
	if (c->payload_in_file || c->payload.len > PAWL_SPILL_BYTES) {
		json_add_member(out, "payload_file", SLICE(SHIM_INPUT));
	} else if (c->payload.data && text_is_utf8(c->payload)) {
		json_add_key(out, "payload");
		payload_add(out, c->payload);
	} else if (c->payload.data) {
		json_add_key(out, "payload");
		buf_addc(out, '"');
		text_base64(out, c->payload);
		buf_addc(out, '"');
		json_add_member(out, "payload_encoding", SLICE(BASE64));
	}
}

static void add_plain(struct buf *out, const char *key, const char *json)
{
	json_add_key(out, key);
	buf_adds(out, json);
}

static void add_member(struct buf *out, const struct carrier *c, const struct member *m)
{
	const void *field = (const char *)c + m->offset;

	switch (m->kind) {
	case KIND_TEXT:
		add_text(out, m->name, *(const char *const *)field);
		break;
	case KIND_U64:
		if (*(const uint64_t *)field)
			json_add_member_u64(out, m->name, *(const uint64_t *)field);
		break;
	case KIND_U32:
		add_number(out, m->name, *(const uint32_t *)field);
		break;
	case KIND_I32:
		add_number(out, m->name, *(const int32_t *)field);
		break;
	case KIND_I64:
		add_number(out, m->name, *(const int64_t *)field);
		break;
	case KIND_TIME:
		add_time(out, m->name, *(const int64_t *)field);
		break;
	case KIND_STATE:
		add_text(out, m->name, activity_state_name(c->state));
		break;
	case KIND_BOOT:
		add_text(out, m->name, c->boot[0] ? c->boot : NULL);
		break;
	case KIND_PAYLOAD:
		add_payload(out, c);
		break;
	case KIND_RECORDS:
		if (c->records.data) {
			json_add_key(out, m->name);
			buf_add_slice(out, c->records);
		}
		break;
	case KIND_TRUTH:
		if (*(const bool *)field)
			add_plain(out, m->name, "true");
		break;
	case KIND_ENCODING:
	case KIND_PAYLOAD_FILE:
		break; /* with the payload */
	}
}

int carrier_encode(struct buf *out, const struct carrier *c)
{
	buf_addc(out, '{');
	for (size_t i = 0; i < MEMBER_COUNT; i++)
		add_member(out, c, &members[i]);
	buf_adds(out, "}\n");
	return buf_ok(out) ? 0 : PAWL_ENOMEM;
}

/* ---- reading ---- */

struct decoder {
	struct carrier *c;
	struct arena *arena;
	bool base64;
};

/* A C string cannot hold the character 0, which only a forged file has. */
static int read_text(struct decoder *d, const struct json_value *v, const char **text)
{
	if (v->type != JSON_STRING || memchr(v->text.data, '\0', v->text.len))
		return PAWL_EPARSE;
	*text = arena_copy(d->arena, v->text).data;
	return *text ? 0 : PAWL_ENOMEM;
}

static int read_i64(const struct json_value *v, int64_t min, int64_t max, int64_t *n)
{
	bool minus = v->raw.len > 1 && v->raw.data[0] == '-';
	uint64_t size;

	if (v->type != JSON_NUMBER || text_parse_u64(slice_make(v->raw.data + minus, v->raw.len - minus), &size) ||
	    size > INT64_MAX)
		return PAWL_EPARSE;
	*n = minus ? -(int64_t)size : (int64_t)size;
	return *n < min || *n > max ? PAWL_EPARSE : 0;
}

static int read_state(struct decoder *d, const struct json_value *v)
{
	const char *name;
	int ret = read_text(d, v, &name);

	return !ret && !activity_state_parse(name, &d->c->state) ? PAWL_EPARSE : ret;
}

static int read_boot(struct carrier *c, const struct json_value *v)
{
	if (v->type != JSON_STRING || v->text.len >= sizeof(c->boot) || memchr(v->text.data, '\0', v->text.len))
		return PAWL_EPARSE;
	memcpy(c->boot, v->text.data, v->text.len);
	c->boot[v->text.len] = '\0';
	return 0;
}

static int read_slice(struct decoder *d, struct slice from, struct slice *to)
{
	*to = arena_copy(d->arena, from);
	return to->data ? 0 : PAWL_ENOMEM;
}

static int read_member(struct decoder *d, const struct member *m, const struct json_value *v)
{
	void *field = (char *)d->c + m->offset;
	int64_t n = 0;
	int ret;

	switch (m->kind) {
	case KIND_TEXT:
		return read_text(d, v, field);
	case KIND_U64:
		return v->type == JSON_NUMBER ? text_parse_u64(v->raw, field) : PAWL_EPARSE;
	case KIND_U32:
		ret = read_i64(v, 0, UINT32_MAX, &n);
		*(uint32_t *)field = (uint32_t)n;
		return ret;
	case KIND_I32:
		ret = read_i64(v, 0, INT32_MAX, &n);
		*(int32_t *)field = (int32_t)n;
		return ret;
	case KIND_I64:
		return read_i64(v, INT64_MIN, INT64_MAX, field);
	case KIND_TIME:
		return v->type == JSON_STRING ? text_parse_time(v->text, field) : PAWL_EPARSE;
	case KIND_STATE:
		return read_state(d, v);
	case KIND_BOOT:
		return read_boot(d->c, v);
	case KIND_PAYLOAD:
		return read_slice(d, v->text, field);
	case KIND_ENCODING:
		d->base64 = v->type == JSON_STRING && slice_is(v->text, BASE64);
		return d->base64 ? 0 : PAWL_EPARSE;
	case KIND_PAYLOAD_FILE:
		d->c->payload_in_file = v->type == JSON_STRING && slice_is(v->text, SHIM_INPUT);
		return d->c->payload_in_file ? 0 : PAWL_EPARSE;
	case KIND_RECORDS:
		return v->type == JSON_ARRAY ? read_slice(d, v->raw, field) : PAWL_EPARSE;
	case KIND_TRUTH:
		*(bool *)field = v->type == JSON_TRUE;
		return v->type == JSON_TRUE || v->type == JSON_FALSE ? 0 : PAWL_EPARSE;
	}
	return 0;
}

static const struct member *find_member(struct slice key)
{
	for (size_t i = 0; i < MEMBER_COUNT; i++)
		if (slice_is(key, members[i].name))
			return &members[i];
	return NULL;
}

static int decode_payload(struct decoder *d)
{
	struct buf bytes = BUF_INIT;
	int ret = text_unbase64(&bytes, d->c->payload);

	if (!ret && !buf_ok(&bytes))
		ret = PAWL_ENOMEM;
	if (!ret)
		ret = read_slice(d, buf_slice(&bytes), &d->c->payload);
	buf_release(&bytes);
	return ret;
}

static int read_members(struct decoder *d, struct slice text, struct pawl_error *err)
{
	struct json_reader r;
	struct json_value v;
	struct slice key;
	int ret = json_open(&r, text, '{', d->arena);

	while (ret >= 0 && (ret = json_next(&r, &key, &v)) > 0) {
		const struct member *m = find_member(key);
		int bad = m ? read_member(d, m, &v) : 0;

		if (bad == PAWL_ENOMEM)
			return err_nomem(err);
		if (bad)
			return err_set(err, PAWL_EPARSE, "carrier: the value of '%s' is not one that is written there",
			               m->name);
	}
	if (ret == PAWL_ENOMEM)
		return err_nomem(err);
	return ret < 0 ? err_set(err, PAWL_EPARSE, "carrier: not a JSON object, or only a part of one") : 0;
}

int carrier_decode(struct carrier *c, struct slice text, struct arena *arena, struct pawl_error *err)
{
	struct carrier read = { .payload = SLICE_NONE, .records = SLICE_NONE };
	struct decoder d = { .c = &read, .arena = arena };
	int ret;

	if (text.len > CARRIER_BYTES_MAX)
		return err_set(err, PAWL_EPARSE, "carrier: over %d bytes", CARRIER_BYTES_MAX);
	ret = read_members(&d, text, err);
	if (ret)
		return ret;
	if (d.base64 && !read.payload.data)
		return err_set(err, PAWL_EPARSE, "carrier: 'payload_encoding' without 'payload'");
	if (d.base64)
		ret = decode_payload(&d);
	if (ret == PAWL_ENOMEM)
		return err_nomem(err);
	if (ret)
		return err_set(err, PAWL_EPARSE, "carrier: 'payload' is not base64");
	*c = read;
	return 0;
}

/* ---- files ---- */

/* The directory may be an activity's own: whatever it put in the place of the hidden name (a link to a file of ours) is
 * removed, never followed or written to. */
static int write_temp(const struct os *os, int dir, struct slice text)
{
	ssize_t n;
	int fd, r = os->unlink(os->self, dir, TEMP_FILE);

	if (r < 0 && r != -ENOENT)
		return r;
	fd = os->open(os->self, dir, TEMP_FILE, OS_WRITE | OS_CREATE | OS_EXCL, 0644);
	if (fd < 0)
		return fd;
	n = os->pwrite(os->self, fd, text.data, text.len, 0);
	r = os->close(os->self, fd);
	return n < 0 ? (int)n : r;
}

static int replace(const struct os *os, int dir, struct slice text)
{
	IO_BECAUSE(IO_WORK);
	int r = write_temp(os, dir, text);

	if (r == 0)
		r = os->rename(os->self, dir, TEMP_FILE, dir, CARRIER_FILE);
	if (r < 0)
		os->unlink(os->self, dir, TEMP_FILE);
	return r;
}

int carrier_write(const struct os *os, const char *dir, const struct carrier *c)
{
	struct buf text = BUF_INIT;
	int fd, r = carrier_encode(&text, c) ? -ENOMEM : 0;

	if (!r && text.len > CARRIER_BYTES_MAX)
		r = -EFBIG;
	fd = r ? r : os->open(os->self, OS_CWD, dir, OS_READ | OS_DIRECTORY, 0);
	if (fd >= 0) {
		r = replace(os, fd, buf_slice(&text));
		if (r == -EISDIR && os_remove_any(os, fd, CARRIER_FILE) == 0) /* what an activity may have put there */
			r = replace(os, fd, buf_slice(&text));
		os->close(os->self, fd);
	}
	buf_release(&text);
	return fd < 0 ? fd : r;
}

int carrier_read(const struct os *os, const char *dir, struct carrier *c, struct arena *arena, struct pawl_error *err)
{
	int fd = os->open(os->self, OS_CWD, dir, OS_READ | OS_DIRECTORY, 0), r = fd;
	char *text = NULL;
	size_t len = 0;

	if (fd >= 0) {
		r = os_read_file(os, fd, CARRIER_FILE, CARRIER_BYTES_MAX, &text, &len);
		os->close(os->self, fd);
	}
	if (r == -ENOENT)
		return err_set(err, PAWL_ENOTFOUND, "there is no carrier in '%s'", dir);
	if (r < 0)
		return err_sys(err, -r, "cannot read '%s/%s'", dir, CARRIER_FILE);
	r = carrier_decode(c, slice_make(text, len), arena, err);
	free(text);
	return r ? err_wrap(err, "'%s/%s'", dir, CARRIER_FILE) : 0;
}
