/* json_members.c - see json_members.h. */
#include "base/json_members.h"
#include "base/text.h"
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define NUMBER_SIZE 64 /* of one that is read as a double: more digits say nothing more, but are refused */
#define REQUIRED "PAWL_REQUIRED"

static int wrong(char *why, const pawl_json_struct *t, const pawl_json_member *m, const char *fmt, ...) PAWL_PRINTF(4, 5);
static int wrong(char *why, const pawl_json_struct *t, const pawl_json_member *m, const char *fmt, ...)
{
	va_list args;
	const char *dot = m ? "." : "", *name = m ? m->name : "";
	size_t at = (size_t)snprintf(why, JSON_MEMBERS_WHY_SIZE / 2, "%s%s%s: ", t->name, dot, name);

	if (at >= JSON_MEMBERS_WHY_SIZE / 2)
		at = JSON_MEMBERS_WHY_SIZE / 2 - 1;
	va_start(args, fmt);
	vsnprintf(why + at, JSON_MEMBERS_WHY_SIZE - at, fmt, args);
	va_end(args);
	text_mark_cut(why, JSON_MEMBERS_WHY_SIZE);
	return PAWL_EPARSE;
}

/* ---- numbers: the same in every locale ---- */

static bool read_int(struct slice s, int64_t *out, bool *too_large)
{
	bool minus = s.len > 0 && s.data[0] == '-';
	uint64_t n = 0, max = minus ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;

	if (s.len == (size_t)minus)
		return false;
	for (size_t i = minus; i < s.len; i++) {
		if (s.data[i] < '0' || s.data[i] > '9')
			return false;
		uint64_t digit = (uint64_t)(s.data[i] - '0');
		*too_large |= n > (max - digit) / 10;
		n = n * 10 + digit;
	}
	*out = *too_large ? 0 : minus ? (int64_t)(0 - n) : (int64_t)n;
	return true;
}

static char decimal_point(void)
{
	const char *point = localeconv()->decimal_point;

	return point[0] && !point[1] ? point[0] : '.';
}

static bool read_double(struct slice s, double *out)
{
	char text[NUMBER_SIZE], *end;

	if (s.len == 0 || s.len >= sizeof(text))
		return false;
	for (size_t i = 0; i <= s.len; i++)
		text[i] = i == s.len ? '\0' : s.data[i] == '.' ? decimal_point() : s.data[i];
	*out = strtod(text, &end);
	return end == text + s.len;
}

/* The fewest digits that give the same number again. */
static void add_double(struct buf *out, double n)
{
	char text[NUMBER_SIZE];
	char point = decimal_point();

	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, n);
		double again = strtod(text, NULL);
		if (memcmp(&again, &n, sizeof(n)) == 0)
			break;
	}
	for (char *c = text; *c; c++)
		*c = *c == point ? '.' : *c;
	buf_adds(out, text);
}

/* ---- reading ---- */

struct reading {
	const pawl_json_struct *type;
	const struct json_members_memory *memory;
	char *why;
};

static int keep_text(const struct reading *r, struct slice s, void *place)
{
	char *copy = r->memory->alloc(r->memory->arg, s.len + 1);

	if (!copy)
		return PAWL_ENOMEM;
	if (s.len)
		memcpy(copy, s.data, s.len);
	copy[s.len] = '\0';
	*(const char **)place = copy;
	return 0;
}

static int take_text(const struct reading *r, const pawl_json_member *m, const struct json_value *v, void *place)
{
	if (v->type != JSON_STRING)
		return wrong(r->why, r->type, m, "not a text");
	if (memchr(v->text.data, '\0', v->text.len))
		return wrong(r->why, r->type, m, "has a NUL in it");
	return keep_text(r, v->text, place);
}

static int take_number(const struct reading *r, const pawl_json_member *m, const struct json_value *v, void *place)
{
	bool too_large = false;

	if (v->type != JSON_NUMBER)
		return wrong(r->why, r->type, m, "not a number");
	if (m->kind == PAWL_JSON_DOUBLE && (!read_double(v->raw, place) || !isfinite(*(double *)place)))
		return wrong(r->why, r->type, m, "'%.*s' is no number that a double holds",
			(int)(v->raw.len < 80 ? v->raw.len : 80), v->raw.data);
	if (m->kind == PAWL_JSON_INT && !read_int(v->raw, place, &too_large))
		return wrong(r->why, r->type, m, "not a whole number");
	return too_large ? wrong(r->why, r->type, m, "over the limit of 64 bits") : 0;
}

static int take_value(const struct reading *r, const pawl_json_member *m, const struct json_value *v, void *place)
{
	switch (m->kind) {
	case PAWL_JSON_TEXT:
		return take_text(r, m, v, place);
	case PAWL_JSON_INT:
	case PAWL_JSON_DOUBLE:
		return take_number(r, m, v, place);
	case PAWL_JSON_BOOL:
		if (v->type != JSON_TRUE && v->type != JSON_FALSE)
			return wrong(r->why, r->type, m, "neither true nor false");
		*(bool *)place = v->type == JSON_TRUE;
		return 0;
	case PAWL_JSON_JSON:
		return keep_text(r, v->raw, place);
	}
	return wrong(r->why, r->type, m, "its kind is not known");
}

static bool is_seen(const unsigned char *seen, size_t n)
{
	return seen[n / 8] >> n % 8 & 1;
}

/* What stands in a list is C: true may be 1 there, and JSON stands in a text. */
static int take_fallback(const struct reading *r, const pawl_json_member *m, void *place)
{
	struct slice text = slice_of(m->fallback);
	char array[300];
	struct json_reader json;
	struct json_value v;
	struct slice key;

	if (m->kind == PAWL_JSON_BOOL && text.len == 1)
		text = text.data[0] == '0' ? SLICE("false") : text.data[0] == '1' ? SLICE("true") : text;
	int n = snprintf(array, sizeof(array), "[%s]", text.data);
	enum json_type any;
	bool good = n > 0 && (size_t)n < sizeof(array) && json_check(slice_of(array), &any, NULL) == 0;
	int rc = good ? json_open(&json, slice_of(array), '[', r->memory->scratch) : PAWL_EPARSE;
	if (rc == 0)
		rc = json_next(&json, &key, &v);
	if (rc == PAWL_ENOMEM)
		return rc;
	if (rc > 0 && m->kind == PAWL_JSON_JSON && v.type == JSON_STRING)
		return keep_text(r, v.text, place);
	return rc > 0 ? take_value(r, m, &v, place) :
			wrong(r->why, r->type, m, "its default '%.80s' cannot be read", m->fallback);
}

static int take_missing(const struct reading *r, const unsigned char *seen, void *out)
{
	int rc = 0;

	for (size_t n = 0; rc == 0 && n < r->type->member_count; n++) {
		const pawl_json_member *m = &r->type->members[n];
		if (is_seen(seen, n) || !m->fallback)
			continue;
		rc = strcmp(m->fallback, REQUIRED) == 0 ? wrong(r->why, r->type, m, "is missing") :
							  take_fallback(r, m, (char *)out + m->offset);
	}
	return rc;
}

static int take_members(const struct reading *r, struct slice text, unsigned char *seen, void *out)
{
	struct json_reader json;
	struct json_value v;
	struct slice key;
	int rc = json_open(&json, text, '{', r->memory->scratch);

	while (rc >= 0 && (rc = json_next(&json, &key, &v)) > 0) {
		for (size_t n = 0; rc > 0 && n < r->type->member_count; n++) {
			const pawl_json_member *m = &r->type->members[n];
			if (!slice_is(key, m->name))
				continue;
			bool there = v.type != JSON_NULL;
			seen[n / 8] = (unsigned char)((seen[n / 8] & ~(1u << n % 8)) | (unsigned)there << n % 8);
			rc = there ? take_value(r, m, &v, (char *)out + m->offset) : 0;
			if (rc < 0)
				return rc;
			rc = 1;
			break;
		}
	}
	return rc == PAWL_EPARSE ? wrong(r->why, r->type, NULL, "not a JSON object") : rc;
}

int json_members_read(const pawl_json_struct *type, struct slice json, void *out, const struct json_members_memory *m, char *why)
{
	struct reading r = { type, m, why };
	unsigned char seen[32];
	enum json_type whole;

	memset(out, 0, type->size);
	memset(seen, 0, sizeof(seen));
	if (type->member_count > sizeof(seen) * 8)
		return wrong(why, type, NULL, "more than %zu members", sizeof(seen) * 8);
	if (!json.data || json_check(json, &whole, NULL) < 0 || whole != JSON_OBJECT)
		return wrong(why, type, NULL, "not a JSON object");
	int rc = take_members(&r, json, seen, out);
	if (rc == 0)
		rc = take_missing(&r, seen, out);
	if (rc < 0)
		memset(out, 0, type->size);
	return rc;
}

/* ---- writing ---- */

static int add_text(const pawl_json_struct *type, const pawl_json_member *m, const char *text, struct buf *out, char *why)
{
	enum json_type any;

	if (!text)
		buf_adds(out, "null");
	else if (m->kind == PAWL_JSON_JSON && json_check(slice_of(text), &any, NULL) < 0)
		return wrong(why, type, m, "not JSON");
	else if (m->kind == PAWL_JSON_JSON)
		buf_adds(out, text);
	else if (!text_is_utf8(slice_of(text)))
		return wrong(why, type, m, "not UTF-8");
	else
		json_add_string(out, slice_of(text));
	return 0;
}

static int add_member(const pawl_json_struct *type, const pawl_json_member *m, const void *place, struct buf *out, char *why)
{
	switch (m->kind) {
	case PAWL_JSON_TEXT:
	case PAWL_JSON_JSON:
		return add_text(type, m, *(const char *const *)place, out, why);
	case PAWL_JSON_INT:
		buf_addi(out, *(const int64_t *)place);
		return 0;
	case PAWL_JSON_DOUBLE:
		if (!isfinite(*(const double *)place))
			return wrong(why, type, m, "not a finite number");
		add_double(out, *(const double *)place);
		return 0;
	case PAWL_JSON_BOOL:
		buf_adds(out, *(const bool *)place ? "true" : "false");
		return 0;
	}
	return wrong(why, type, m, "its kind is not known");
}

int json_members_write(const pawl_json_struct *type, const void *in, struct buf *out, char *why)
{
	int rc = 0;

	buf_addc(out, '{');
	for (size_t n = 0; rc == 0 && n < type->member_count; n++) {
		const pawl_json_member *m = &type->members[n];
		json_add_key(out, m->name);
		rc = add_member(type, m, (const char *)in + m->offset, out, why);
	}
	buf_addc(out, '}');
	if (rc < 0)
		return PAWL_EINVALID;
	return buf_ok(out) ? 0 : PAWL_ENOMEM;
}
