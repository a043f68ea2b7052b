#include "event_table.h"
#include "payload.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

#define CHECKSUM_COLUMN 9 /* a tab and eight digits */
#define TIME_LIKE "a time like 2026-01-31T08:00:00Z"
#define BIT(member) (UINT64_C(1) << (member))

_Static_assert(MEMBER_COUNT <= 64, "members that were seen are a set of 64 bits");

/* The values of one line by member. Types say what members mean, and "type" may come late in a line that somebody wrote
 * by hand: so all are found first and understood then. */
struct found {
	struct json_value values[MEMBER_COUNT];
	uint64_t seen; /* set of enum event_member */
	uint8_t order[MEMBER_COUNT];
	unsigned count;
	bool extra; /* there are members to be kept as they are */
};

static int wrong(struct pawl_error *err, const struct event_member_info *m, const char *what)
{
	return err_set(err, PAWL_EPARSE, "\"%s\" is not %s", m->name.data, what);
}

int event_line_check(struct slice line, struct slice *json)
{
	uint32_t crc;

	if (line.len <= CHECKSUM_COLUMN)
		return PAWL_EPARSE;
	size_t len = line.len - CHECKSUM_COLUMN;
	if (line.data[len] != '\t' || text_parse_hex32(slice_make(line.data + len + 1, CHECKSUM_COLUMN - 1), &crc) < 0)
		return PAWL_EPARSE;
	if (crc32c(0, line.data, len) != crc)
		return PAWL_ECORRUPT;
	*json = slice_make(line.data, len);
	return 0;
}

static int check_line(struct slice line, struct slice *json, struct pawl_error *err)
{
	int rc = event_line_check(line, json);

	if (rc == PAWL_EPARSE)
		return err_set(err, rc, "the line does not end in a tab and a checksum of eight digits");
	if (rc < 0)
		return err_set(err, rc, "the checksum does not match the line");
	if (memchr(json->data, '\n', json->len) || memchr(json->data, '\t', json->len))
		return err_set(err, PAWL_EPARSE, "a tab or newline stands inside the line");
	return 0;
}

static int read_u64(struct slice s, uint64_t max, uint64_t *n)
{
	uint64_t value;

	if (text_parse_u64(s, &value) < 0 || value > max)
		return PAWL_EPARSE;
	*n = value;
	return 0;
}

static int read_u32(struct slice s, uint32_t *n)
{
	uint64_t value;

	if (read_u64(s, UINT32_MAX, &value) < 0)
		return PAWL_EPARSE;
	*n = (uint32_t)value;
	return 0;
}

static int read_i64(struct slice s, int64_t *n)
{
	bool negative = s.len > 0 && s.data[0] == '-';
	uint64_t value;

	if (negative)
		s = slice_make(s.data + 1, s.len - 1);
	if (read_u64(s, (uint64_t)INT64_MAX + negative, &value) < 0)
		return PAWL_EPARSE;
	*n = negative ? (int64_t)(0 - value) : (int64_t)value;
	return 0;
}

/* A decimal with up to three digits of a fraction, in thousandths. */
static int read_milli(struct slice s, uint32_t *n)
{
	const char *point = memchr(s.data, '.', s.len);
	struct slice whole = slice_make(s.data, point ? (size_t)(point - s.data) : s.len);
	struct slice fraction = point ? slice_make(point + 1, s.len - whole.len - 1) : SLICE("0");
	uint64_t units, rest;

	if (fraction.len > 3 || read_u64(whole, UINT32_MAX, &units) < 0 || read_u64(fraction, 999, &rest) < 0)
		return PAWL_EPARSE;
	for (size_t digits = fraction.len; digits < 3; digits++)
		rest *= 10;
	if (units * 1000 + rest > UINT32_MAX)
		return PAWL_EPARSE;
	*n = (uint32_t)(units * 1000 + rest);
	return 0;
}

static int read_seed(struct slice s, uint64_t seed[2])
{
	uint32_t part[4];

	if (s.len != 32)
		return PAWL_EPARSE;
	for (size_t i = 0; i < 4; i++)
		if (text_parse_hex32(slice_make(s.data + 8 * i, 8), &part[i]) < 0)
			return PAWL_EPARSE;
	seed[0] = (uint64_t)part[0] << 32 | part[1];
	seed[1] = (uint64_t)part[2] << 32 | part[3];
	return 0;
}

static int read_failure_member(struct failure *f, struct slice key, const struct json_value *v)
{
	if (slice_is(key, "retryable")) {
		f->retryable = v->type == JSON_TRUE;
		return v->type == JSON_TRUE || v->type == JSON_FALSE ? 0 : PAWL_EPARSE;
	}
	struct slice *text = slice_is(key, "kind") ? &f->kind
	                     : slice_is(key, "code") ? &f->code
	                     : slice_is(key, "message") ? &f->message
	                     : slice_is(key, "details") ? &f->details : NULL;
	if (!text)
		return 0; /* of a newer pawl */
	if (v->type != JSON_STRING)
		return PAWL_EPARSE;
	*text = v->text;
	return 0;
}

static int read_failure(struct failure *f, const struct json_value *value, struct arena *arena)
{
	struct json_reader r;
	struct slice key;
	struct json_value v;

	*f = (struct failure){ .kind = SLICE(""), .code = SLICE(""), .message = SLICE("") };
	int rc = json_open(&r, value->raw, '{', arena);
	while (rc >= 0 && (rc = json_next(&r, &key, &v)) > 0)
		rc = read_failure_member(f, key, &v);
	return rc;
}

static int read_codes(struct retry_policy *p, const struct json_value *value, struct arena *arena)
{
	struct json_reader r;
	struct json_value v;

	int rc = json_open(&r, value->raw, '[', arena);
	while (rc >= 0 && (rc = json_next(&r, NULL, &v)) > 0) {
		if (v.type != JSON_STRING || p->code_count == RETRY_CODES_MAX)
			return PAWL_EPARSE;
		p->codes[p->code_count++] = v.text;
	}
	return rc;
}

static int read_retry_member(struct retry_policy *p, struct slice key, const struct json_value *v, struct arena *arena)
{
	if (slice_is(key, "max_attempts"))
		return read_u32(v->raw, &p->max_attempts);
	if (slice_is(key, "first_ms"))
		return read_i64(v->raw, &p->first_ms);
	if (slice_is(key, "coefficient"))
		return read_milli(v->raw, &p->coefficient_milli);
	if (slice_is(key, "max_ms"))
		return read_i64(v->raw, &p->max_ms);
	if (slice_is(key, "total_ms"))
		return read_i64(v->raw, &p->total_ms);
	if (slice_is(key, "attempt_ms"))
		return read_i64(v->raw, &p->attempt_ms);
	if (slice_is(key, "jitter"))
		return read_milli(v->raw, &p->jitter_milli);
	return slice_is(key, "not_on") ? read_codes(p, v, arena) : 0; /* others are of a newer pawl */
}

static int read_retry(struct retry_policy *p, const struct json_value *value, struct arena *arena)
{
	struct json_reader r;
	struct slice key;
	struct json_value v;

	int rc = json_open(&r, value->raw, '{', arena);
	while (rc >= 0 && (rc = json_next(&r, &key, &v)) > 0)
		rc = read_retry_member(p, key, &v, arena);
	return rc;
}

static int read_data(struct event *e, const struct json_value *value, struct arena *arena)
{
	struct payload p;

	int rc = payload_read(&p, value, arena);
	if (rc < 0)
		return rc;
	e->data = p.data;
	e->data_file = p.file;
	e->data_len = p.file_len;
	e->data_crc = p.file_crc;
	e->fields |= FIELD_DATA;
	return 0;
}

static int check_kind(int rc, struct pawl_error *err, const struct event_member_info *m, const char *what)
{
	if (rc == PAWL_ENOMEM)
		return err_nomem(err);
	return rc < 0 ? wrong(err, m, what) : 0;
}

/* Numbers are read from raw, where a string still has its quotes and so is none. */
static int read_member(struct event *e, const struct event_member_info *m, const struct json_value *v,
                       struct arena *arena, struct pawl_error *err)
{
	void *place = (char *)e + m->place;
	int text = v->type == JSON_STRING ? 0 : PAWL_EPARSE;

	e->fields |= m->field;
	switch (m->kind) {
	case KIND_TEXT:
		*(struct slice *)place = v->text;
		return check_kind(text, err, m, "a string");
	case KIND_U32:
		return check_kind(read_u32(v->raw, place), err, m, "a whole number below 2^32");
	case KIND_U64:
		return check_kind(read_u64(v->raw, UINT64_MAX, place), err, m, "a whole number below 2^64");
	case KIND_I64:
		return check_kind(read_i64(v->raw, place), err, m, "a whole number of 64 bits");
	case KIND_TIME:
		return check_kind(text ? text : text_parse_time(v->text, place), err, m, TIME_LIKE);
	case KIND_SEED:
		return check_kind(text ? text : read_seed(v->text, place), err, m, "32 lower-case hex digits");
	case KIND_ERROR:
		return check_kind(read_failure(place, v, arena), err, m, "an error object");
	case KIND_RETRY:
		return check_kind(read_retry(place, v, arena), err, m, "a retry object");
	default:
		return check_kind(read_data(e, v, arena), err, m, "a payload: \"$\" begins no form that is known here");
	}
}

static bool is_data_key(const struct event_type_info *t, enum event_member m)
{
	return t->data_key.len > 0 && slice_eq(t->data_key, event_members[m].name);
}

/* Is it a member that this type has, or one to keep as it is? */
static bool is_member_of(const struct event_type_info *t, enum event_member m)
{
	if (m == MEMBER_NONE)
		return false;
	if (m <= MEMBER_TYPE)
		return true;
	return (t->allowed & event_members[m].field) || is_data_key(t, m);
}

static int find_members(struct found *f, struct slice json, struct arena *arena, struct pawl_error *err)
{
	struct json_reader r;
	struct slice key;
	struct json_value v;

	f->seen = 0;
	f->count = 0;
	f->extra = false;
	int rc = json_open(&r, json, '{', arena);
	while (rc >= 0 && (rc = json_next(&r, &key, &v)) > 0) {
		enum event_member m = event_member_find(key);
		if (m == MEMBER_NONE) {
			f->extra = true;
			continue;
		}
		if (f->seen & BIT(m))
			return err_set(err, PAWL_EPARSE, "\"%s\" stands twice in the line", event_members[m].name.data);
		f->seen |= BIT(m);
		f->order[f->count++] = (uint8_t)m;
		f->values[m] = v;
	}
	if (rc == PAWL_ENOMEM)
		return err_nomem(err);
	return rc < 0 ? err_set(err, rc, "the line is not a JSON object") : 0;
}

static int read_head(struct event *e, const struct found *f, struct pawl_error *err)
{
	const struct json_value *v = f->values;

	if (!(f->seen & BIT(MEMBER_SEQ)) || read_u64(v[MEMBER_SEQ].raw, UINT64_MAX, &e->seq) < 0)
		return wrong(err, &event_members[MEMBER_SEQ], "there as a whole number");
	if (!(f->seen & BIT(MEMBER_TYPE)) || v[MEMBER_TYPE].type != JSON_STRING)
		return wrong(err, &event_members[MEMBER_TYPE], "there as a string");
	e->type = event_type_by_name(v[MEMBER_TYPE].text);
	if (e->type == EVENT_UNKNOWN)
		e->type_name = v[MEMBER_TYPE].text;
	e->has_time = f->seen & BIT(MEMBER_TIME);
	if (e->has_time && (v[MEMBER_TIME].type != JSON_STRING || text_parse_time(v[MEMBER_TIME].text, &e->time_ns) < 0))
		return wrong(err, &event_members[MEMBER_TIME], TIME_LIKE);
	return 0;
}

static int read_members(struct event *e, struct found *f, struct arena *arena, struct pawl_error *err)
{
	const struct event_type_info *t = &event_types[e->type];

	for (unsigned i = 0; i < f->count; i++) {
		enum event_member m = (enum event_member)f->order[i];
		if (m <= MEMBER_TYPE)
			continue;
		if (!is_member_of(t, m)) {
			f->extra = true;
			continue;
		}
		const struct event_member_info *info = &event_members[is_data_key(t, m) ? MEMBER_PAYLOAD : m];
		int rc = read_member(e, info, &f->values[m], arena, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Members that make sense together only. */
static int check_groups(const struct event *e, const struct found *f, struct pawl_error *err)
{
	const uint64_t parent = BIT(MEMBER_PARENT) | BIT(MEMBER_PARENT_EXECUTION) | BIT(MEMBER_PARENT_REF);
	const uint64_t boot = BIT(MEMBER_BOOT) | BIT(MEMBER_BOOT_MS);

	if ((e->fields & FIELD_PARENT) && (f->seen & parent) != parent)
		return err_set(err, PAWL_EPARSE, "\"parent\", \"parent_execution\" and \"parent_ref\" go together");
	if (!(e->fields & FIELD_DUE))
		return 0;
	if (!(f->seen & BIT(MEMBER_FIRE_AT)) || ((f->seen & boot) != 0 && (f->seen & boot) != boot))
		return err_set(err, PAWL_EPARSE, "\"boot\" and \"boot_ms\" go together and with \"fire_at\"");
	return 0;
}

static int check_missing(const struct event *e, struct pawl_error *err)
{
	const struct event_type_info *t = &event_types[e->type];
	uint32_t missing = t->must & ~e->fields;

	for (int m = MEMBER_REF; missing && m < MEMBER_COUNT; m++) {
		if (!(event_members[m].field & missing) || m == MEMBER_BOOT || m == MEMBER_BOOT_MS)
			continue; /* "fire_at" alone is a due time */
		const char *name = m == MEMBER_PAYLOAD ? t->data_key.data : event_members[m].name.data;
		return err_set(err, PAWL_EPARSE, "\"%s\" is missing in %s", name, t->name);
	}
	return 0;
}

/* From the key's first quote on, white space and comma left out. */
static const char *member_start(const char *p)
{
	while (*p != '"')
		p++;
	return p;
}

/* A second pass, as lines with such members are rare. */
static int collect_extra(struct event *e, struct slice json, struct arena *arena)
{
	const struct event_type_info *t = &event_types[e->type];
	struct buf extra = BUF_INIT;
	struct json_reader r;
	struct slice key;
	struct json_value v;

	int rc = json_open(&r, json, '{', arena);
	for (const char *before = r.at; rc >= 0 && (rc = json_next(&r, &key, &v)) > 0; before = r.at) {
		if (is_member_of(t, event_member_find(key)))
			continue;
		const char *start = member_start(before);
		buf_addc(&extra, ',');
		buf_add(&extra, start, (size_t)(v.raw.data + v.raw.len - start));
	}
	if (rc == 0) {
		e->extra = buf_ok(&extra) ? arena_copy(arena, buf_slice(&extra)) : SLICE_NONE;
		rc = e->extra.data ? 0 : PAWL_ENOMEM;
	}
	buf_release(&extra);
	return rc;
}

int event_decode(struct event *e, struct slice line, struct arena *arena, struct pawl_error *err)
{
	struct found f;
	struct slice json;

	*e = (struct event){ .type = EVENT_UNKNOWN };
	int rc = check_line(line, &json, err);
	if (rc == 0)
		rc = find_members(&f, json, arena, err);
	if (rc == 0)
		rc = read_head(e, &f, err);
	if (rc == 0)
		rc = read_members(e, &f, arena, err);
	if (rc == 0)
		rc = check_groups(e, &f, err);
	if (rc == 0)
		rc = check_missing(e, err);
	if (rc == 0 && f.extra && collect_extra(e, json, arena) < 0)
		rc = err_nomem(err);
	return rc;
}
