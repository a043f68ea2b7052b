#include "payload.h"
#include "base/text.h"

/* User data that begins so is written as a string, so that nobody can forge the forms below. */
#define FORM "{\"$"
#define FORM_BASE64 "$base64"
#define FORM_FILE "$file"

#define UTF8_CHAR_MAX 4

/* One line cannot hold control characters, and its reader has one level less than JSON_DEPTH_MAX for a value. Only for
 * what json_check took. */
static bool fits_in_line(struct slice s)
{
	unsigned depth = 0;
	bool in_string = false;

	for (const char *p = s.data, *end = p + s.len; p < end; p++) {
		if ((unsigned char)*p < ' ')
			return false;
		if (*p == '"')
			in_string = !in_string;
		else if (in_string)
			p += *p == '\\';
		else if (*p == '{' || *p == '[')
			depth++;
		else if (*p == '}' || *p == ']')
			depth--;
		if (depth >= JSON_DEPTH_MAX)
			return false;
	}
	return true;
}

static bool begins_with(struct slice s, const char *text)
{
	size_t len = strlen(text);
	return s.len >= len && memcmp(s.data, text, len) == 0;
}

/* The last byte counts too: white space behind the value would be lost in reading. */
static bool stands_as_it_is(struct slice s)
{
	if (s.len < 2 || (s.data[0] != '{' && s.data[0] != '['))
		return false;
	char last = s.data[s.len - 1];
	enum json_type type;
	if ((last != '}' && last != ']') || begins_with(s, FORM))
		return false;
	return json_check(s, &type, NULL) == 0 && fits_in_line(s);
}

void payload_add(struct buf *out, struct slice data)
{
	if (!data.data)
		data = SLICE("");
	if (stands_as_it_is(data)) {
		buf_add_slice(out, data);
	} else if (text_is_utf8(data)) {
		json_add_string(out, data);
	} else {
		buf_adds(out, "{\"" FORM_BASE64 "\":\"");
		text_base64(out, data);
		buf_adds(out, "\"}");
	}
}

void payload_add_file(struct buf *out, const struct payload *p)
{
	buf_adds(out, "{\"" FORM_FILE "\":");
	payload_add_text(out, p->file);
	buf_adds(out, ",\"bytes\":");
	buf_addu(out, p->file_len);
	buf_addf(out, ",\"crc32c\":\"%08x\"}", (unsigned)p->file_crc);
}

static int read_base64(struct payload *p, const struct json_value *v, struct arena *arena)
{
	struct buf bytes = BUF_INIT;

	if (v->type != JSON_STRING)
		return PAWL_EPARSE;
	int rc = text_unbase64(&bytes, v->text);
	if (rc == 0) {
		p->data = buf_ok(&bytes) ? arena_copy(arena, buf_slice(&bytes)) : SLICE_NONE;
		rc = p->data.data ? 0 : PAWL_ENOMEM;
	}
	buf_release(&bytes);
	return rc;
}

enum { SEEN_BASE64 = 1, SEEN_FILE = 2, SEEN_BYTES = 4, SEEN_CRC = 8 };

/* Returns which member it was, PAWL_EPARSE or PAWL_ENOMEM. */
static int read_form_member(struct payload *p, struct slice key, const struct json_value *v, struct arena *arena)
{
	int rc = PAWL_EPARSE, seen = 0;

	if (slice_is(key, FORM_BASE64)) {
		seen = SEEN_BASE64;
		rc = read_base64(p, v, arena);
	} else if (slice_is(key, FORM_FILE) && v->type == JSON_STRING && v->text.len > 0) {
		seen = SEEN_FILE;
		p->file = v->text;
		rc = 0;
	} else if (slice_is(key, "bytes")) {
		seen = SEEN_BYTES;
		rc = text_parse_u64(v->raw, &p->file_len);
	} else if (slice_is(key, "crc32c") && v->type == JSON_STRING) {
		seen = SEEN_CRC;
		rc = text_parse_hex32(v->text, &p->file_crc);
	}
	return rc < 0 ? rc : seen;
}

static int read_form(struct payload *p, struct slice raw, struct arena *arena)
{
	struct json_reader r;
	struct slice key;
	struct json_value v;
	int seen = 0;

	int rc = json_open(&r, raw, '{', arena);
	while (rc >= 0 && (rc = json_next(&r, &key, &v)) > 0) {
		rc = read_form_member(p, key, &v, arena);
		if (rc > 0 && (seen & rc))
			rc = PAWL_EPARSE;
		if (rc > 0)
			seen |= rc;
	}
	if (rc < 0)
		return rc;
	return seen == SEEN_BASE64 || seen == (SEEN_FILE | SEEN_BYTES | SEEN_CRC) ? 0 : PAWL_EPARSE;
}

int payload_read(struct payload *p, const struct json_value *value, struct arena *arena)
{
	*p = (struct payload){ .data = SLICE_NONE };
	if (value->type == JSON_OBJECT && begins_with(value->raw, FORM))
		return read_form(p, value->raw, arena);
	p->data = value->text; /* a number or word, which only people write, counts as its text */
	return 0;
}

/* Length of the character that begins here, 0 when none does. */
static size_t utf8_len(struct slice s)
{
	for (size_t len = 1; len <= UTF8_CHAR_MAX && len <= s.len; len++)
		if (text_is_utf8(slice_make(s.data, len)))
			return len;
	return 0;
}

void payload_add_text(struct buf *out, struct slice text)
{
	if (!text.data)
		text = SLICE("");
	if (text_is_utf8(text)) {
		json_add_string(out, text);
		return;
	}
	struct buf clean = BUF_INIT;
	for (size_t at = 0; at < text.len;) {
		size_t len = utf8_len(slice_make(text.data + at, text.len - at));
		buf_add(&clean, len ? text.data + at : "?", len ? len : 1);
		at += len ? len : 1;
	}
	json_add_string(out, buf_slice(&clean));
	out->failed |= clean.failed;
	buf_release(&clean);
}
