/*
 * What people write in a word: durations, times, sizes, numbers, names, topics, versions, base64 and --where. The first byte
 * says which. What is taken, written again, is taken as the same; what a name may have is what its rule says.
 */
#include "fuzz.h"
#include "base/text.h"
#include "cli/instance.h"
#include "history/view.h"
#include "runtime/registry.h"

static void duration(struct slice s)
{
	char text[TEXT_TIME_SIZE];
	int64_t ms, again;

	if (text_parse_duration(s, &ms) < 0)
		return;
	must(ms >= 0);
	text_duration(text, ms);
	must(strlen(text) > 0 && strlen(text) < sizeof(text));
	snprintf(text, sizeof(text), "%lldms", (long long)ms);
	must(text_parse_duration(slice_of(text), &again) == 0 && again == ms);
}

static void time_of_day(struct slice s)
{
	char text[TEXT_TIME_SIZE], more[TEXT_TIME_SIZE];
	int64_t ns, again;

	if (text_parse_time(s, &ns) < 0)
		return;
	text_time(text, ns);
	/* the year in which 64 bits of nanoseconds begin has no whole microsecond to cut off to */
	if (text_parse_time(slice_of(text), &again) < 0) {
		must(ns < INT64_MIN + 1000);
		return;
	}
	must(again <= ns && ns - again < 1000);
	text_time(more, again);
	must(strcmp(text, more) == 0);
}

static void size(struct slice s)
{
	char text[32];
	uint64_t bytes, again;

	if (text_parse_size(s, &bytes) < 0)
		return;
	snprintf(text, sizeof(text), "%llu", (unsigned long long)bytes);
	must(text_parse_size(slice_of(text), &again) == 0 && again == bytes);
}

static void number(struct slice s)
{
	char text[32];
	uint64_t n;
	uint32_t hex;

	if (text_parse_u64(s, &n) == 0) {
		snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
		size_t zeros = 0;
		while (zeros + 1 < s.len && s.data[zeros] == '0')
			zeros++;
		must(strlen(text) == s.len - zeros && memcmp(text, s.data + zeros, s.len - zeros) == 0);
	}
	if (text_parse_hex32(s, &hex) == 0) {
		snprintf(text, sizeof(text), "%08x", (unsigned)hex);
		must(s.len == 8 && memcmp(text, s.data, 8) == 0);
	}
}

static bool made_of(struct slice s, const char *more, size_t max)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.data[i];
		if (!(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && !(c && strchr(more, c)))
			return false;
	}
	return s.len > 0 && s.len <= max;
}

static bool has_part(struct slice s, const char *part)
{
	size_t n = strlen(part), begin = 0;

	for (size_t i = 0; i <= s.len; i++)
		if (i == s.len || s.data[i] == '/') {
			if (i - begin == n && memcmp(s.data + begin, part, n) == 0)
				return true;
			begin = i + 1;
		}
	return false;
}

static void names(struct slice s)
{
	bool begins = s.len && !strchr("_:-./", s.data[0] ? s.data[0] : '_');

	must(text_is_instance_id(s) == (made_of(s, "_:-", 128) && begins));
	must(text_is_event_name(s) == (made_of(s, "_:-", 64) && begins));
	must(text_is_key(s) == made_of(s, "_:-", 64));
	must(text_is_version(s) == (made_of(s, ".+_-", 64) && !slice_is(s, ".") && !slice_is(s, "..")));
	must(text_is_type_name(s) == (made_of(s, "_:./-", 128) && begins && !has_part(s, "") && !has_part(s, ".") && !has_part(s, "..")));
}

/* ---- topics ---- */

static struct slice level_of(struct slice *rest)
{
	const char *slash = rest->len ? memchr(rest->data, '/', rest->len) : NULL;
	struct slice level = slice_make(rest->data, slash ? (size_t)(slash - rest->data) : rest->len);

	rest->len = slash ? rest->len - level.len - 1 : 0;
	rest->data = slash ? slash + 1 : NULL;
	return level;
}

static bool matches(struct slice filter, struct slice topic)
{
	while (filter.data && topic.data) {
		struct slice f = level_of(&filter);
		if (slice_is(f, "#"))
			return true;
		struct slice t = level_of(&topic);
		if (!slice_is(f, "+") && !slice_eq(f, t))
			return false;
	}
	/* "#" is none, too */
	return !topic.data && (!filter.data || slice_is(filter, "#"));
}

static void topics(struct slice s)
{
	const char *cut = s.len ? memchr(s.data, ' ', s.len) : NULL;
	struct slice filter = slice_make(s.data, cut ? (size_t)(cut - s.data) : s.len);
	struct slice topic = cut ? slice_make(cut + 1, s.len - filter.len - 1) : s;

	must(!text_is_topic(topic) || text_is_topic_filter(topic));
	must(!text_is_topic(topic) || text_topic_matches(topic, topic));
	if (text_is_topic(topic) && text_is_topic_filter(filter))
		must(text_topic_matches(filter, topic) == matches(filter, topic));
}

/* ---- versions, base64 ---- */

/* An order, of what may be a version. */
static void order(char *const v[3])
{
	int ab = version_compare(v[0], v[1]), bc = version_compare(v[1], v[2]), ac = version_compare(v[0], v[2]);

	must(version_compare(v[1], v[0]) == -ab && version_compare(v[0], v[0]) == 0);
	must(!(ab <= 0 && bc <= 0) || ac <= 0);
	must(!(ab >= 0 && bc >= 0) || ac >= 0);
}

static void versions(struct slice s)
{
	char *text = piece_text(s), *v[3] = { text, NULL, NULL };
	bool all = true;

	for (int i = 0; i < 3 && all; i++) {
		char *end = v[i] + strcspn(v[i], " ");
		all = text_is_version(slice_make(v[i], (size_t)(end - v[i]))) && (*end || i == 2);
		*end = '\0';
		if (i < 2)
			v[i + 1] = end + 1;
	}
	if (all)
		order(v);
	free(text);
}

static void base64(struct slice s)
{
	struct buf text = BUF_INIT, bytes = BUF_INIT, more = BUF_INIT;

	text_base64(&text, s);
	must(text_unbase64(&bytes, buf_slice(&text)) == 0 && bytes.len == s.len && (!s.len || memcmp(bytes.data, s.data, s.len) == 0));
	buf_reset(&bytes);
	if (text_unbase64(&bytes, s) == 0) {
		text_base64(&more, buf_slice(&bytes));
		must(slice_eq(buf_slice(&more), slice_make(s.len ? s.data : "", s.len)));
	}
	buf_release(&text);
	buf_release(&bytes);
	buf_release(&more);
}

static void cut(struct slice s)
{
	char text[24];

	must(snprintf(text, sizeof(text), "%.*s", (int)s.len, s.data) >= 0);
	bool was = text_is_utf8(slice_make(s.data, strnlen(s.data, s.len)));
	if (strnlen(s.data, s.len) >= sizeof(text)) {
		text_mark_cut(text, sizeof(text));
		must(strlen(text) < sizeof(text) && strcmp(text + strlen(text) - 3, "...") == 0);
		must(!was || text_is_utf8(slice_of(text)));
	}
}

/* ---- --where ---- */

static void print_where(struct buf *out, const struct where *w)
{
	static const char *const ops[] = { "=", "!=", "~" };

	for (size_t i = 0; i < w->count; i++) {
		const struct where_term *t = &w->terms[i];
		char quote = strchr(t->value, '"') ? '\'' : '"';
		/* the name is the first member of every field */
		buf_addf(out, "%s%s%s%s%c%s%c", i ? " and " : "", *(const char *const *)(const void *)t->field, t->key, ops[t->op], quote, t->value, quote);
	}
}

static bool has_both_quotes(const struct where *w)
{
	for (size_t i = 0; i < w->count; i++)
		if (strchr(w->terms[i].value, '"') && strchr(w->terms[i].value, '\''))
			return true;
	return false;
}

static void where(struct slice s)
{
	struct cli_instance i = { .id = "u1", .view = { .type = (char[]){ "flow" }, .version = (char[]){ "1.0" } } };
	struct where w, again;
	struct cli c = { .program = "pawl" };
	struct buf text = BUF_INIT;
	char *expr = piece_text(s);

	if (where_parse(&c, expr, &w) < 0) {
		must(c.err.text[0]);
	} else {
		must(w.count > 0 && w.count <= WHERE_TERMS_MAX);
		int is = where_matches(&c, &w, &i);
		must(is == 0 || is == 1);
		print_where(&text, &w);
		if (!has_both_quotes(&w)) {
			must(where_parse(&c, buf_str(&text), &again) == 0 && again.count == w.count);
			must(where_matches(&c, &again, &i) == is);
		}
		for (size_t n = 0; n < w.count && !has_both_quotes(&w); n++)
			must(again.terms[n].field == w.terms[n].field && again.terms[n].op == w.terms[n].op &&
			     strcmp(again.terms[n].value, w.terms[n].value) == 0 && strcmp(again.terms[n].key, w.terms[n].key) == 0);
	}
	buf_release(&text);
	free(expr);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static const struct {
		char letter;
		void (*check)(struct slice s);
	} kinds[] = { { 'd', duration }, { 't', time_of_day }, { 's', size }, { 'n', number }, { 'i', names }, { 'o', topics }, { 'v', versions },
		{ 'b', base64 }, { 'c', cut }, { 'w', where } };

	for (size_t i = 0; bytes > 0 && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].letter == (char)data[0])
			kinds[i].check(slice_make(bytes > 1 ? (const char *)data + 1 : "", bytes - 1));
	return 0;
}
