#include "event_table.h"
#include "payload.h"
#include "base/crc32c.h"
#include "base/json.h"
#include "base/text.h"

/* What a line takes beside its payload, nearly always. */
#define LINE_ROOM 256

#define ADD(out, literal) buf_add((out), (literal), sizeof(literal) - 1)

static void add_time(struct buf *out, int64_t ns)
{
	char text[TEXT_TIME_SIZE];

	text_time(text, ns);
	buf_addc(out, '"');
	buf_adds(out, text);
	buf_addc(out, '"');
}

static void add_hex(struct buf *out, uint64_t n, unsigned digits)
{
	char text[16];

	for (unsigned i = digits; i-- > 0; n >>= 4)
		text[i] = "0123456789abcdef"[n & 15];
	buf_add(out, text, digits);
}

static void add_seed(struct buf *out, const uint64_t seed[2])
{
	buf_addc(out, '"');
	add_hex(out, seed[0], 16);
	add_hex(out, seed[1], 16);
	buf_addc(out, '"');
}

static void add_failure(struct buf *out, const struct failure *f)
{
	ADD(out, "{\"kind\":");
	payload_add_text(out, f->kind);
	ADD(out, ",\"code\":");
	payload_add_text(out, f->code);
	ADD(out, ",\"message\":");
	payload_add_text(out, f->message);
	ADD(out, ",\"retryable\":");
	buf_adds(out, f->retryable ? "true" : "false");
	if (f->details.data) {
		ADD(out, ",\"details\":");
		payload_add_text(out, f->details);
	}
	buf_addc(out, '}');
}

/* Thousandths as a decimal: 2000 is 2, 250 is 0.25. */
static void add_milli(struct buf *out, uint32_t n)
{
	uint32_t rest = n % 1000;

	buf_addu(out, n / 1000);
	if (rest == 0)
		return;
	buf_addc(out, '.');
	for (uint32_t unit = 100; rest > 0; rest %= unit, unit /= 10)
		buf_addc(out, (char)('0' + rest / unit));
}

static void add_nonzero_ms(struct buf *out, const char *key, int64_t n)
{
	if (n != 0)
		json_add_member_i64(out, key, n);
}

static void add_nonzero_milli(struct buf *out, const char *key, uint32_t n)
{
	if (n == 0)
		return;
	json_add_key(out, key);
	add_milli(out, n);
}

static void add_codes(struct buf *out, const struct retry_policy *r)
{
	if (r->code_count == 0)
		return;
	json_add_key(out, "not_on");
	buf_addc(out, '[');
	for (uint32_t i = 0; i < r->code_count; i++) {
		if (i > 0)
			buf_addc(out, ',');
		payload_add_text(out, r->codes[i]);
	}
	buf_addc(out, ']');
}

static void add_retry(struct buf *out, const struct retry_policy *r)
{
	buf_addc(out, '{');
	add_nonzero_ms(out, "max_attempts", r->max_attempts);
	add_nonzero_ms(out, "first_ms", r->first_ms);
	add_nonzero_milli(out, "coefficient", r->coefficient_milli);
	add_nonzero_ms(out, "max_ms", r->max_ms);
	add_nonzero_ms(out, "total_ms", r->total_ms);
	add_nonzero_ms(out, "attempt_ms", r->attempt_ms);
	add_nonzero_milli(out, "jitter", r->jitter_milli);
	add_codes(out, r);
	buf_addc(out, '}');
}

static void add_data(struct buf *out, const struct event *e)
{
	buf_add_slice(out, event_types[e->type].data_json);
	if (e->data_file.data)
		payload_add_file(out, &(struct payload){ SLICE_NONE, e->data_file, e->data_len, e->data_crc });
	else
		payload_add(out, e->data);
}

static void add_member(struct buf *out, const struct event *e, const struct event_member_info *m)
{
	const void *place = (const char *)e + m->place;

	if (m->kind == KIND_DATA) {
		add_data(out, e);
		return;
	}
	buf_add_slice(out, m->json);
	switch (m->kind) {
	case KIND_TEXT:
		payload_add_text(out, *(const struct slice *)place);
		break;
	case KIND_U32:
		buf_addu(out, *(const uint32_t *)place);
		break;
	case KIND_U64:
		buf_addu(out, *(const uint64_t *)place);
		break;
	case KIND_I64:
		buf_addi(out, *(const int64_t *)place);
		break;
	case KIND_TIME:
		add_time(out, *(const int64_t *)place);
		break;
	case KIND_SEED:
		add_seed(out, place);
		break;
	case KIND_ERROR:
		add_failure(out, place);
		break;
	case KIND_RETRY:
		add_retry(out, place);
		break;
	default:
		break;
	}
}

static void add_members(struct buf *out, const struct event *e)
{
	for (int i = MEMBER_REF; i < MEMBER_COUNT; i++) {
		if (!(e->fields & event_members[i].field))
			continue;
		if ((i == MEMBER_BOOT || i == MEMBER_BOOT_MS) && !e->due.boot.data)
			continue; /* a due time that somebody wrote by hand: the wall clock only */
		add_member(out, e, &event_members[i]);
	}
}

static void add_head(struct buf *out, const struct event *e)
{
	ADD(out, "{\"seq\":");
	buf_addu(out, e->seq);
	if (e->has_time) {
		ADD(out, ",\"time\":");
		add_time(out, e->time_ns);
	}
	if (e->type != EVENT_UNKNOWN) {
		buf_add_slice(out, event_types[e->type].type_json);
	} else {
		ADD(out, ",\"type\":");
		payload_add_text(out, e->type_name);
	}
}

static bool is_complete(const struct event *e)
{
	if (e->type == EVENT_UNKNOWN)
		return e->type_name.data && e->fields == 0;
	if ((unsigned)e->type >= EVENT_TYPE_COUNT || e->retry.code_count > RETRY_CODES_MAX)
		return false;
	const struct event_type_info *t = &event_types[e->type];
	return (e->fields & t->must) == t->must && (e->fields & ~t->allowed) == 0;
}

int event_encode(struct buf *out, const struct event *e)
{
	size_t start = out->len;

	if (!is_complete(e))
		return PAWL_EBUG;
	if (!buf_reserve(out, LINE_ROOM + e->data.len))
		return PAWL_ENOMEM;
	add_head(out, e);
	add_members(out, e);
	buf_add_slice(out, e->extra);
	buf_addc(out, '}');
	uint32_t crc = buf_ok(out) ? crc32c(0, out->data + start, out->len - start) : 0;
	buf_addc(out, '\t');
	add_hex(out, crc, 8);
	buf_addc(out, '\n');
	if (buf_ok(out))
		return 0;
	buf_truncate(out, start);
	return PAWL_ENOMEM;
}
