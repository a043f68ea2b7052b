#include "json.h"
#include "text.h"
#include <string.h>

/*
 * Both directions look for the same bytes in a string: the quote, the backslash and control characters, eight bytes at
 * a time. A byte of `marks` has its top bit set where such a byte stands; a borrow can set it wrongly, but only in a
 * byte above a true one, so "none" and (little endian) the lowest are right.
 */
#define EACH_BYTE(c) (UINT64_C(0x0101010101010101) * (c))

static uint64_t special_marks(uint64_t word)
{
	uint64_t quote = (word ^ EACH_BYTE('"')) - EACH_BYTE(1);
	uint64_t backslash = (word ^ EACH_BYTE('\\')) - EACH_BYTE(1);
	uint64_t control = word - EACH_BYTE(' ');
	return (quote | backslash | control) & ~word & EACH_BYTE(0x80);
}

static bool is_special(char c)
{
	return (unsigned char)c < ' ' || c == '"' || c == '\\';
}

/* The first special byte, or end. *high collects a set top bit when there may be bytes over 0x7f before it. */
static const char *find_special(const char *p, const char *end, uint64_t *high)
{
	while (end - p >= 8) {
		uint64_t word;
		memcpy(&word, p, 8);
		*high |= word & EACH_BYTE(0x80);
		uint64_t marks = special_marks(word);
		if (marks) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
			return p + (__builtin_ctzll(marks) >> 3);
#else
			break;
#endif
		}
		p += 8;
	}
	for (; p < end && !is_special(*p); p++)
		*high |= (unsigned char)*p & 0x80;
	return p;
}

/* Scanning: each function stands on what it takes; when it is false, `at` is where it went wrong. */

struct scan {
	const char *at, *end;
};

static bool at_char(const struct scan *s, char c)
{
	return s->at < s->end && *s->at == c;
}

static bool take_char(struct scan *s, char c)
{
	if (!at_char(s, c))
		return false;
	s->at++;
	return true;
}

static void skip_space(struct scan *s)
{
	while (s->at < s->end && (*s->at == ' ' || *s->at == '\n' || *s->at == '\t' || *s->at == '\r'))
		s->at++;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four digits after \u */
static bool scan_hex4(struct scan *s, unsigned *unit)
{
	*unit = 0;
	for (int i = 0; i < 4; i++, s->at++) {
		int value = s->at < s->end ? hex_value(*s->at) : -1;
		if (value < 0)
			return false;
		*unit = *unit << 4 | (unsigned)value;
	}
	return true;
}

/* After \u: a character, or both halves of a surrogate pair. */
static bool scan_unicode(struct scan *s, unsigned *c)
{
	unsigned low;

	if (!scan_hex4(s, c) || (*c & 0xfc00) == 0xdc00)
		return false;
	if ((*c & 0xfc00) != 0xd800)
		return true;
	if (!take_char(s, '\\') || !take_char(s, 'u') || !scan_hex4(s, &low) || (low & 0xfc00) != 0xdc00)
		return false;
	*c = 0x10000 + ((*c & 0x3ff) << 10) + (low & 0x3ff);
	return true;
}

static bool scan_escape(struct scan *s)
{
	unsigned c;

	s->at++;
	switch (s->at < s->end ? *s->at : '\0') {
	case 'u':
		s->at++;
		return scan_unicode(s, &c);
	case '"':
	case '\\':
	case '/':
	case 'b':
	case 'f':
	case 'n':
	case 'r':
	case 't':
		s->at++;
		return true;
	default:
		return false;
	}
}

static bool scan_string(struct scan *s, bool *escaped)
{
	uint64_t high = 0;

	*escaped = false;
	if (!take_char(s, '"'))
		return false;
	const char *start = s->at;
	for (;;) {
		s->at = find_special(s->at, s->end, &high);
		if (at_char(s, '"'))
			break;
		if (!at_char(s, '\\') || !scan_escape(s))
			return false;
		*escaped = true;
	}
	if (high && !text_is_utf8(slice_make(start, (size_t)(s->at - start)))) {
		s->at = start;
		return false;
	}
	s->at++;
	return true;
}

static bool scan_digits(struct scan *s)
{
	const char *start = s->at;
	while (s->at < s->end && *s->at >= '0' && *s->at <= '9')
		s->at++;
	return s->at > start;
}

static bool scan_number(struct scan *s)
{
	take_char(s, '-');
	if (!take_char(s, '0') && !scan_digits(s))
		return false;
	if (take_char(s, '.') && !scan_digits(s))
		return false;
	if (take_char(s, 'e') || take_char(s, 'E')) {
		if (!take_char(s, '+'))
			take_char(s, '-');
		return scan_digits(s);
	}
	return true;
}

static bool scan_word(struct scan *s, const char *word)
{
	for (; *word; word++)
		if (!take_char(s, *word))
			return false;
	return true;
}

static bool scan_scalar(struct scan *s, enum json_type *type, bool *escaped)
{
	switch (s->at < s->end ? *s->at : '\0') {
	case '"':
		*type = JSON_STRING;
		return scan_string(s, escaped);
	case 't':
		*type = JSON_TRUE;
		return scan_word(s, "true");
	case 'f':
		*type = JSON_FALSE;
		return scan_word(s, "false");
	case 'n':
		*type = JSON_NULL;
		return scan_word(s, "null");
	default:
		*type = JSON_NUMBER;
		return scan_number(s);
	}
}

/* "key": and the space around it */
static bool scan_key(struct scan *s, bool *escaped)
{
	if (!scan_string(s, escaped))
		return false;
	skip_space(s);
	if (!take_char(s, ':'))
		return false;
	skip_space(s);
	return true;
}

/* The brackets that are open, the innermost in the lowest bit: 1 for an object. */
struct nest {
	uint64_t objects;
	unsigned depth;
};

/* Behind a value: closes what closes here; true where the next value begins or, with depth 0, at the end. */
static bool scan_after_value(struct scan *s, struct nest *n)
{
	bool escaped;

	while (n->depth > 0) {
		bool object = n->objects & 1;
		skip_space(s);
		if (take_char(s, ',')) {
			skip_space(s);
			return !object || scan_key(s, &escaped);
		}
		if (!take_char(s, object ? '}' : ']'))
			return false;
		n->objects >>= 1;
		n->depth--;
	}
	return true;
}

/* Stands behind an opening bracket. *empty: it closes at once. */
static bool scan_first(struct scan *s, bool object, bool *empty)
{
	bool escaped;

	skip_space(s);
	*empty = at_char(s, object ? '}' : ']');
	return *empty || !object || scan_key(s, &escaped);
}

/* A whole object or array, in one pass: the bits of `nest` stand for the recursion. */
static bool scan_nested(struct scan *s, unsigned depth_max)
{
	struct nest n = { 0, 0 };
	enum json_type type;
	bool escaped;

	do {
		if (at_char(s, '{') || at_char(s, '[')) {
			bool object = *s->at == '{', empty;
			if (n.depth == depth_max)
				return false;
			s->at++;
			n.objects = n.objects << 1 | object;
			n.depth++;
			if (!scan_first(s, object, &empty))
				return false;
			if (!empty)
				continue;
		} else if (!scan_scalar(s, &type, &escaped)) {
			return false;
		}
		if (!scan_after_value(s, &n))
			return false;
	} while (n.depth > 0);
	return true;
}

static bool scan_value(struct scan *s, unsigned depth_max, enum json_type *type, bool *escaped)
{
	if (!at_char(s, '{') && !at_char(s, '['))
		return scan_scalar(s, type, escaped);
	*type = *s->at == '{' ? JSON_OBJECT : JSON_ARRAY;
	return scan_nested(s, depth_max);
}

static struct scan scan_of(struct slice in)
{
	if (!in.data)
		in = SLICE("");
	return (struct scan){ in.data, in.data + in.len };
}

int json_check(struct slice in, enum json_type *type, size_t *offset)
{
	struct scan s = scan_of(in);
	const char *start = s.at;
	enum json_type found;
	bool escaped;

	skip_space(&s);
	bool ok = scan_value(&s, JSON_DEPTH_MAX, &found, &escaped);
	if (ok)
		skip_space(&s);
	if (!ok || s.at < s.end) {
		if (offset)
			*offset = (size_t)(s.at - start);
		return PAWL_EPARSE;
	}
	if (type)
		*type = found;
	return 0;
}

/* Decoding strings that were scanned. */

static char *put_utf8(char *out, unsigned c)
{
	if (c < 0x80) {
		*out++ = (char)c;
		return out;
	}
	if (c < 0x800) {
		*out++ = (char)(0xc0 | c >> 6);
	} else {
		if (c < 0x10000) {
			*out++ = (char)(0xe0 | c >> 12);
		} else {
			*out++ = (char)(0xf0 | c >> 18);
			*out++ = (char)(0x80 | (c >> 12 & 0x3f));
		}
		*out++ = (char)(0x80 | (c >> 6 & 0x3f));
	}
	*out++ = (char)(0x80 | (c & 0x3f));
	return out;
}

static char *decode_escape(struct scan *s, char *out)
{
	unsigned unicode;
	char c = *s->at++;

	switch (c) {
	case 'u':
		return scan_unicode(s, &unicode) ? put_utf8(out, unicode) : out;
	case 'b':
		c = '\b';
		break;
	case 'f':
		c = '\f';
		break;
	case 'n':
		c = '\n';
		break;
	case 'r':
		c = '\r';
		break;
	case 't':
		c = '\t';
		break;
	default:
		break;
	}
	*out++ = c;
	return out;
}

/* raw stands without its quotes. What an escape stands for is never longer than the escape. */
static int decode(struct arena *arena, struct slice raw, struct slice *text)
{
	char *start = arena ? arena_alloc(arena, raw.len + 1) : NULL;
	char *out = start;
	struct scan s = scan_of(raw);

	if (!start)
		return PAWL_ENOMEM;
	while (s.at < s.end) {
		const char *backslash = memchr(s.at, '\\', (size_t)(s.end - s.at));
		size_t run = (size_t)((backslash ? backslash : s.end) - s.at);
		memcpy(out, s.at, run);
		out += run;
		s.at += run;
		if (backslash) {
			s.at++;
			out = decode_escape(&s, out);
		}
	}
	*text = slice_make(start, (size_t)(out - start));
	return 0;
}

/* The string whose first quote is at start and that ends (with its quote) at end. */
static int string_text(struct arena *arena, const char *start, const char *end, bool escaped, struct slice *text)
{
	struct slice inner = slice_make(start + 1, (size_t)(end - start) - 2);

	if (escaped)
		return decode(arena, inner, text);
	*text = inner;
	return 0;
}

/* The reader. */

int json_open(struct json_reader *r, struct slice in, char bracket, struct arena *arena)
{
	struct scan s = scan_of(in);

	skip_space(&s);
	if ((bracket != '{' && bracket != '[') || !take_char(&s, bracket))
		return PAWL_EPARSE;
	*r = (struct json_reader){ s.at, s.end, arena, bracket, true, 1 };
	return 0;
}

/* 1: a member follows, 0: the end came, and nothing behind it. */
static int next_begins(struct json_reader *r, struct scan *s)
{
	skip_space(s);
	if (take_char(s, r->bracket == '{' ? '}' : ']')) {
		skip_space(s);
		return s->at == s->end ? 0 : PAWL_EPARSE;
	}
	if (!r->first) {
		if (!take_char(s, ','))
			return PAWL_EPARSE;
		skip_space(s);
	}
	r->first = false;
	return 1;
}

static int next_key(struct json_reader *r, struct scan *s, struct slice *key)
{
	const char *start = s->at;
	bool escaped;

	if (!scan_string(s, &escaped))
		return PAWL_EPARSE;
	const char *end = s->at;
	skip_space(s);
	if (!take_char(s, ':'))
		return PAWL_EPARSE;
	skip_space(s);
	return string_text(r->arena, start, end, escaped, key);
}

static int next_value(struct json_reader *r, struct scan *s, struct json_value *value)
{
	const char *start = s->at;
	bool escaped = false;

	if (!scan_value(s, JSON_DEPTH_MAX - 1, &value->type, &escaped))
		return PAWL_EPARSE;
	value->raw = slice_make(start, (size_t)(s->at - start));
	value->text = value->raw;
	if (value->type != JSON_STRING)
		return 0;
	return string_text(r->arena, start, s->at, escaped, &value->text);
}

static int next_member(struct json_reader *r, struct scan *s, struct slice *key, struct json_value *value)
{
	struct slice name = SLICE_NONE;
	int rc = next_begins(r, s);

	if (rc <= 0)
		return rc;
	if (r->bracket == '{') {
		rc = next_key(r, s, &name);
		if (rc < 0)
			return rc;
	}
	rc = next_value(r, s, value);
	if (rc < 0)
		return rc;
	if (key)
		*key = name;
	return 1;
}

int json_next(struct json_reader *r, struct slice *key, struct json_value *value)
{
	struct scan s = { r->at, r->end };

	if (r->last > 0)
		r->last = next_member(r, &s, key, value);
	r->at = s.at;
	return r->last;
}

/* Writing. */

static void add_escape(struct buf *out, char c)
{
	static const char hex[] = "0123456789abcdef";
	static const char letters[' '] = { ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't' };
	unsigned char byte = (unsigned char)c;
	char letter = byte < ' ' ? letters[byte] : c;

	if (letter) {
		buf_add(out, (const char[]){ '\\', letter }, 2);
	} else {
		buf_adds(out, "\\u00");
		buf_addc(out, hex[byte >> 4]);
		buf_addc(out, hex[byte & 15]);
	}
}

static void add_escaped(struct buf *out, const char *p, const char *end)
{
	uint64_t high = 0;

	buf_addc(out, '"');
	for (;;) {
		const char *stop = find_special(p, end, &high);
		buf_add(out, p, (size_t)(stop - p));
		if (stop == end)
			break;
		add_escape(out, *stop);
		p = stop + 1;
	}
	buf_addc(out, '"');
}

void json_add_string(struct buf *out, struct slice s)
{
	uint64_t high = 0;

	if (!s.data) {
		buf_add(out, "null", 4);
		return;
	}
	if (!buf_reserve(out, s.len + 2))
		return;
	const char *end = s.data + s.len;
	if (find_special(s.data, end, &high) < end) {
		add_escaped(out, s.data, end);
		return;
	}
	char *p = out->data + out->len;
	*p++ = '"';
	memcpy(p, s.data, s.len);
	p += s.len;
	*p++ = '"';
	*p = '\0';
	out->len += s.len + 2;
}

void json_add_key(struct buf *out, const char *key)
{
	if (out->len > 0 && out->data[out->len - 1] != '{')
		buf_addc(out, ',');
	json_add_string(out, slice_of(key));
	buf_addc(out, ':');
}

void json_add_member(struct buf *out, const char *key, struct slice text)
{
	json_add_key(out, key);
	json_add_string(out, text);
}

void json_add_member_u64(struct buf *out, const char *key, uint64_t n)
{
	json_add_key(out, key);
	buf_addu(out, n);
}

void json_add_member_i64(struct buf *out, const char *key, int64_t n)
{
	json_add_key(out, key);
	buf_addi(out, n);
}
