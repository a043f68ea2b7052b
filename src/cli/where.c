/* where.c - --where: FIELD=VALUE, FIELD!=VALUE, FIELD~VALUE, joined by "and". */
#include "cli/instance.h"
#include "base/text.h"
#include <stdlib.h>

struct where_field {
	const char *name;
	const char *(*text)(const struct cli_instance *i); /* NULL: a key-value */
};

static const char *text_id(const struct cli_instance *i) { return i->id; }
static const char *text_type(const struct cli_instance *i) { return i->view.type; }
static const char *text_version(const struct cli_instance *i) { return i->view.version; }
static const char *text_status(const struct cli_instance *i) { return i->view.custom_status; }
static const char *text_error(const struct cli_instance *i) { return i->view.error_message; }

static const struct where_field fields[] = {
	{ "id", text_id }, { "type", text_type }, { "version", text_version }, { "status", text_status },
	{ "error", text_error }, { "kv.", NULL },
};
#define FIELD_COUNT (sizeof(fields) / sizeof(fields[0]))

/* ---- parsing ---- */

static const char *skip_blanks(const char *at)
{
	return at + strspn(at, " \t");
}

static int parse_field(struct cli *c, const char **at, struct where_term *t)
{
	size_t len = strcspn(*at, "=!~ \t");

	for (size_t n = 0; n < FIELD_COUNT && !t->field; n++) {
		size_t name = strlen(fields[n].name);
		if (fields[n].text ? len == name && memcmp(*at, fields[n].name, len) == 0 :
				     len > name && len - name < sizeof(t->key) && memcmp(*at, fields[n].name, name) == 0)
			t->field = &fields[n];
	}
	if (!t->field)
		return cli_usage(c, "--where knows id, type, version, status, error and kv.KEY, not '%.*s'", (int)len, *at);
	if (!t->field->text) {
		memcpy(t->key, *at + 3, len - 3);
		t->key[len - 3] = '\0';
		if (!text_is_key(slice_of(t->key)))
			return cli_usage(c, "--where: '%s' is no key: 1 to 64 of letters, digits, _ : -", t->key);
	}
	*at = skip_blanks(*at + len);
	return 0;
}

static int parse_op(struct cli *c, const char **at, struct where_term *t)
{
	if (**at == '=' || **at == '~') {
		t->op = **at == '=' ? WHERE_IS : WHERE_HAS;
		*at = skip_blanks(*at + 1);
	} else if ((*at)[0] == '!' && (*at)[1] == '=') {
		t->op = WHERE_IS_NOT;
		*at = skip_blanks(*at + 2);
	} else {
		return cli_usage(c, "--where: after '%s' stands =, != or ~, not '%.20s'", t->field->name, *at);
	}
	return 0;
}

/* In quotes, or up to the next " and ". */
static int parse_value(struct cli *c, const char **at, struct where_term *t)
{
	const char *from = *at, *end;
	bool quoted = *from == '"' || *from == '\'';

	if (quoted) {
		end = strchr(from + 1, *from);
		if (!end)
			return cli_usage(c, "--where: the quote at '%.20s' does not end", from);
		from++;
	} else {
		end = strstr(from, " and ");
		if (!end)
			end = from + strlen(from);
		while (end > from && (end[-1] == ' ' || end[-1] == '\t'))
			end--;
	}
	if ((size_t)(end - from) > WHERE_VALUE_MAX)
		return cli_usage(c, "--where: a value has at most %d bytes", WHERE_VALUE_MAX);
	memcpy(t->value, from, (size_t)(end - from));
	t->value[end - from] = '\0';
	*at = skip_blanks(end + quoted);
	return 0;
}

int where_parse(struct cli *c, const char *text, struct where *w)
{
	const char *at = skip_blanks(text);
	int rc = 0;

	*w = (struct where){ .count = 0 };
	while (rc == 0) {
		struct where_term *t = &w->terms[w->count];
		if (w->count++ == WHERE_TERMS_MAX)
			return cli_usage(c, "--where has at most %d parts", WHERE_TERMS_MAX);
		rc = parse_field(c, &at, t);
		if (rc == 0)
			rc = parse_op(c, &at, t);
		if (rc == 0)
			rc = parse_value(c, &at, t);
		if (rc < 0 || !*at)
			break;
		if (strncmp(at, "and", 3) != 0 || (at[3] != ' ' && at[3] != '\t'))
			return cli_usage(c, "--where: between two parts stands 'and', not '%.20s'", at);
		at = skip_blanks(at + 3);
	}
	return rc;
}

/* ---- matching ---- */

/* [abc], [a-z], [!a]; *end: behind it. No ']': it stands for itself. */
static bool set_has(const char *set, char c, const char **end)
{
	const char *p = set + 1 + (set[1] == '!' || set[1] == '^'), *first = p;
	bool found = false;

	for (; *p && (*p != ']' || p == first); p++) {
		bool range = p[1] == '-' && p[2] && p[2] != ']';
		found = found || (range ? (unsigned char)c >= (unsigned char)*p && (unsigned char)c <= (unsigned char)p[2] : *p == c);
		p += range ? 2 : 0;
	}
	*end = *p ? p + 1 : set + 1;
	return *p ? c && found == (first == set + 1) : c == '[';
}

static bool one_is_like(char c, const char *pattern, const char **end)
{
	*end = pattern + 1;
	if (*pattern == '[')
		return set_has(pattern, c, end);
	if (*pattern != '\\' || !pattern[1])
		return *pattern == '?' || *pattern == c;
	*end = pattern + 2;
	return pattern[1] == c;
}

/* As in a shell, byte by byte; without fnmatch, which brings tables of all the letters there are. */
static bool is_like(const char *text, const char *pattern)
{
	const char *star = NULL, *from = NULL, *end;

	while (*text || *pattern) {
		if (*pattern == '*') {
			star = ++pattern;
			from = text;
		} else if (*text && *pattern && one_is_like(*text, pattern, &end)) {
			text++;
			pattern = end;
		} else if (star && *from) {
			text = ++from;
			pattern = star;
		} else {
			return false;
		}
	}
	return true;
}

static bool has(const char *text, const char *value)
{
	return strpbrk(value, "*?[") ? is_like(text, value) : strstr(text, value) != NULL;
}

static bool term_matches(const struct where_term *t, const char *text)
{
	switch (t->op) {
	case WHERE_IS: return text && strcmp(text, t->value) == 0;
	case WHERE_IS_NOT: return !text || strcmp(text, t->value) != 0;
	case WHERE_HAS: return text && has(text, t->value);
	}
	return false;
}

static int value_matches(struct cli *c, const struct where_term *t, const struct cli_instance *i)
{
	const struct view_value *value = view_value(&i->view, slice_of(t->key));
	struct event e;
	char *text = NULL;
	size_t len;

	if (!value)
		return term_matches(t, NULL);
	view_value_event(value, &e);
	int rc = instance_payload(c, i, &e, &text, &len);
	bool matches = rc == 0 && term_matches(t, text ? text : "");
	free(text);
	return rc < 0 ? rc : matches;
}

int where_matches(struct cli *c, const struct where *w, const struct cli_instance *i)
{
	int rc = 1;

	for (size_t n = 0; rc > 0 && n < w->count; n++) {
		const struct where_term *t = &w->terms[n];
		rc = t->field->text ? term_matches(t, t->field->text(i)) : value_matches(c, t, i);
	}
	return rc;
}
