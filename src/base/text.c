#include "text.h"
#include <stdio.h>
#include <string.h>

#define NS_PER_SECOND INT64_C(1000000000)
#define SECONDS_PER_DAY INT64_C(86400)
#define DAYS_BEFORE_1970 719468 /* from 0000-03-01: years that begin in March end with the leap day */
#define DAYS_IN_400_YEARS 146097
#define DAYS_IN_100_YEARS 36524
#define DAYS_IN_4_YEARS 1461

/* Taking pieces off the front of a slice: false, and nothing taken, when they are not there. */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static void skip(struct slice *s, size_t len)
{
	s->data += len;
	s->len -= len;
}

static bool take_char(struct slice *s, char c)
{
	if (s->len == 0 || s->data[0] != c)
		return false;
	skip(s, 1);
	return true;
}

static bool take_either(struct slice *s, char a, char b)
{
	return take_char(s, a) || take_char(s, b);
}

static bool take_fixed(struct slice *s, size_t digits, int *n)
{
	int value = 0;

	if (s->len < digits)
		return false;
	for (size_t i = 0; i < digits; i++) {
		if (!is_digit(s->data[i]))
			return false;
		value = value * 10 + (s->data[i] - '0');
	}
	skip(s, digits);
	*n = value;
	return true;
}

static bool take_number(struct slice *s, uint64_t *n)
{
	uint64_t value = 0;
	size_t i = 0;

	for (; i < s->len && is_digit(s->data[i]); i++) {
		uint64_t digit = (uint64_t)(s->data[i] - '0');
		if (value > (UINT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	if (i == 0)
		return false;
	skip(s, i);
	*n = value;
	return true;
}

int text_parse_u64(struct slice s, uint64_t *n)
{
	uint64_t value;

	if (!take_number(&s, &value) || s.len != 0)
		return PAWL_EPARSE;
	*n = value;
	return 0;
}

int text_parse_hex32(struct slice s, uint32_t *n)
{
	uint32_t value = 0;

	if (s.len != 8)
		return PAWL_EPARSE;
	for (size_t i = 0; i < 8; i++) {
		char c = s.data[i];
		if (is_digit(c))
			value = value << 4 | (uint32_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			value = value << 4 | (uint32_t)(c - 'a' + 10);
		else
			return PAWL_EPARSE;
	}
	*n = value;
	return 0;
}

/* Time. */

struct date {
	int year, month, day; /* month and day from 1 */
};

static struct date date_of_days(int64_t since_1970)
{
	int n = (int)(since_1970 + DAYS_BEFORE_1970);
	int year = n / DAYS_IN_400_YEARS * 400;
	n %= DAYS_IN_400_YEARS;
	/* The last century of four and the last year of four are a day longer: 4 means that day. */
	int centuries = n / DAYS_IN_100_YEARS < 4 ? n / DAYS_IN_100_YEARS : 3;
	n -= centuries * DAYS_IN_100_YEARS;
	year += centuries * 100 + n / DAYS_IN_4_YEARS * 4;
	n %= DAYS_IN_4_YEARS;
	int years = n / 365 < 4 ? n / 365 : 3;
	n -= years * 365;
	year += years;
	/* 153 days in each five months from March: 31 30 31 30 31 */
	int month = (5 * n + 2) / 153;
	int day = n - (153 * month + 2) / 5 + 1;
	return month < 10 ? (struct date){ year, month + 3, day } : (struct date){ year + 1, month - 9, day };
}

static int64_t days_of_date(struct date d)
{
	int month = d.month > 2 ? d.month - 3 : d.month + 9;
	int year = d.month > 2 ? d.year : d.year - 1;
	int days = year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + d.day - 1;
	return (int64_t)days - DAYS_BEFORE_1970;
}

static char *put_fixed(char *out, int64_t n, size_t digits)
{
	for (size_t i = digits; i-- > 0; n /= 10)
		out[i] = (char)('0' + n % 10);
	return out + digits;
}

void text_time(char *out, int64_t ns)
{
	int64_t seconds = ns / NS_PER_SECOND, fraction = ns % NS_PER_SECOND;
	if (fraction < 0) {
		fraction += NS_PER_SECOND;
		seconds--;
	}
	int64_t days = seconds / SECONDS_PER_DAY, second = seconds % SECONDS_PER_DAY;
	if (second < 0) {
		second += SECONDS_PER_DAY;
		days--;
	}
	struct date d = date_of_days(days);
	const struct {
		int64_t value;
		size_t digits;
		char after;
	} parts[] = {
		{ d.year, 4, '-' },        { d.month, 2, '-' },          { d.day, 2, 'T' },
		{ second / 3600, 2, ':' }, { second / 60 % 60, 2, ':' }, { second % 60, 2, '.' },
		{ fraction / 1000, 6, 'Z' },
	};
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		out = put_fixed(out, parts[i].value, parts[i].digits);
		*out++ = parts[i].after;
	}
	*out = '\0';
}

static bool take_date(struct slice *s, struct date *d)
{
	static const int month_days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	if (!take_fixed(s, 4, &d->year) || !take_char(s, '-') || !take_fixed(s, 2, &d->month) || !take_char(s, '-') ||
	    !take_fixed(s, 2, &d->day))
		return false;
	/* 64 bits of nanoseconds reach from 1677 to 2262 */
	if (d->year < 1677 || d->year > 2262 || d->month < 1 || d->month > 12)
		return false;
	bool leap = d->year % 4 == 0 && (d->year % 100 != 0 || d->year % 400 == 0);
	return d->day >= 1 && d->day <= month_days[d->month - 1] && (d->month != 2 || d->day < 29 || leap);
}

static bool take_clock(struct slice *s, int64_t *seconds)
{
	int hour, minute, second;

	if (!take_fixed(s, 2, &hour) || !take_char(s, ':') || !take_fixed(s, 2, &minute) || !take_char(s, ':') ||
	    !take_fixed(s, 2, &second) || hour > 23 || minute > 59 || second > 59)
		return false;
	*seconds = hour * 3600 + minute * 60 + second;
	return true;
}

/* ".5" is 500000000; none is 0 */
static bool take_fraction(struct slice *s, int64_t *ns)
{
	int64_t value = 0;
	int digits = 0, digit;

	if (take_char(s, '.')) {
		for (; take_fixed(s, 1, &digit); digits++) {
			if (digits == 9)
				return false;
			value = value * 10 + digit;
		}
		if (digits == 0)
			return false;
	}
	for (; digits < 9; digits++)
		value *= 10;
	*ns = value;
	return true;
}

static bool take_offset(struct slice *s, int64_t *seconds)
{
	int hour, minute;

	*seconds = 0;
	if (take_either(s, 'Z', 'z'))
		return true;
	bool west = s->len > 0 && s->data[0] == '-';
	if (!take_either(s, '+', '-') || !take_fixed(s, 2, &hour) || !take_char(s, ':') || !take_fixed(s, 2, &minute) ||
	    hour > 23 || minute > 59)
		return false;
	*seconds = (hour * 3600 + minute * 60) * (west ? -1 : 1);
	return true;
}

int text_parse_time(struct slice s, int64_t *ns)
{
	struct date d;
	int64_t clock, fraction, offset;

	if (!take_date(&s, &d) || !take_either(&s, 'T', 't') || !take_clock(&s, &clock) ||
	    !take_fraction(&s, &fraction) || !take_offset(&s, &offset) || s.len != 0)
		return PAWL_EPARSE;
	int64_t seconds = days_of_date(d) * SECONDS_PER_DAY + clock - offset;
	if (seconds < INT64_MIN / NS_PER_SECOND || seconds >= INT64_MAX / NS_PER_SECOND)
		return PAWL_EPARSE;
	*ns = seconds * NS_PER_SECOND + fraction;
	return 0;
}

/* Durations and sizes. */

static const struct duration_unit {
	const char *name;
	uint64_t ms;
} duration_units[] = { { "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 } };

#define DURATION_UNITS (sizeof(duration_units) / sizeof(duration_units[0]))

static bool add_scaled(uint64_t *total, uint64_t n, uint64_t scale, uint64_t max)
{
	if (n > (max - *total) / scale)
		return false;
	*total += n * scale;
	return true;
}

static struct slice take_letters(struct slice *s)
{
	struct slice word = { s->data, 0 };

	while (s->len > 0 && !is_digit(s->data[0])) {
		skip(s, 1);
		word.len++;
	}
	return word;
}

int text_parse_duration(struct slice s, int64_t *ms)
{
	uint64_t total = 0, n;

	if (text_parse_u64(s, &n) == 0) {
		if (!add_scaled(&total, n, 1000, INT64_MAX))
			return PAWL_EPARSE;
		*ms = (int64_t)total;
		return 0;
	}
	/* Big units come first and none comes twice: "30s1m" is more likely a slip than a wish. */
	size_t unit = 0;
	do {
		if (!take_number(&s, &n))
			return PAWL_EPARSE;
		struct slice word = take_letters(&s);
		while (unit < DURATION_UNITS && !slice_is(word, duration_units[unit].name))
			unit++;
		if (unit == DURATION_UNITS || !add_scaled(&total, n, duration_units[unit].ms, INT64_MAX))
			return PAWL_EPARSE;
		unit++;
	} while (s.len > 0);
	*ms = (int64_t)total;
	return 0;
}

void text_duration(char *out, int64_t ms)
{
	const char *sign = ms < 0 ? "-" : "";
	uint64_t n = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
	size_t unit = 0;

	while (unit < DURATION_UNITS - 1 && n < duration_units[unit].ms)
		unit++;
	uint64_t big = n / duration_units[unit].ms, rest = n % duration_units[unit].ms;
	if (duration_units[unit].ms == 1000 && rest >= 100)
		snprintf(out, TEXT_TIME_SIZE, "%s%u.%us", sign, (unsigned)big, (unsigned)(rest / 100));
	else if (duration_units[unit].ms > 1000 && rest >= duration_units[unit + 1].ms)
		snprintf(out, TEXT_TIME_SIZE, "%s%llu%s %u%s", sign, (unsigned long long)big, duration_units[unit].name,
			 (unsigned)(rest / duration_units[unit + 1].ms), duration_units[unit + 1].name);
	else
		snprintf(out, TEXT_TIME_SIZE, "%s%llu%s", sign, (unsigned long long)big, duration_units[unit].name);
}

int text_parse_size(struct slice s, uint64_t *bytes)
{
	static const struct {
		const char *name;
		int shift;
	} units[] = {
		{ "", 0 },    { "K", 10 },  { "KB", 10 },  { "KiB", 10 }, { "M", 20 },
		{ "MB", 20 }, { "MiB", 20 }, { "G", 30 }, { "GB", 30 },  { "GiB", 30 },
	};
	uint64_t n;

	if (!take_number(&s, &n))
		return PAWL_EPARSE;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (!slice_is(s, units[i].name))
			continue;
		if (n > UINT64_MAX >> units[i].shift)
			return PAWL_EPARSE;
		*bytes = n << units[i].shift;
		return 0;
	}
	return PAWL_EPARSE;
}

/* Characters. */

/* Length of the character at p, 0 when it is none (Unicode, table 3-7: well-formed UTF-8 byte sequences). */
static size_t utf8_length(const unsigned char *p, size_t left)
{
	unsigned char first = p[0], low = 0x80, high = 0xbf;
	size_t len = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;

	if (len < 2 || len > left)
		return len > left ? 0 : len;
	if (first == 0xe0)
		low = 0xa0; /* overlong */
	else if (first == 0xed)
		high = 0x9f; /* surrogates */
	else if (first == 0xf0)
		low = 0x90; /* overlong */
	else if (first == 0xf4)
		high = 0x8f; /* over U+10FFFF */
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if (p[i] < 0x80 || p[i] > 0xbf)
			return 0;
	return len;
}

static bool is_ascii_word(const unsigned char *p, size_t left)
{
	uint64_t word;

	if (left < sizeof(word))
		return false;
	memcpy(&word, p, sizeof(word));
	return (word & UINT64_C(0x8080808080808080)) == 0;
}

bool text_is_utf8(struct slice s)
{
	const unsigned char *p = (const unsigned char *)s.data;
	size_t left = s.len;

	while (left > 0) {
		size_t len = is_ascii_word(p, left) ? 8 : utf8_length(p, left);
		if (len == 0)
			return false;
		p += len;
		left -= len;
	}
	return true;
}

void text_mark_cut(char *text, size_t size)
{
	if (size < sizeof("...")) {
		if (size > 0)
			text[0] = '\0';
		return;
	}
	size_t at = size - sizeof("...");
	while (at > 0 && ((unsigned char)text[at] & 0xc0) == 0x80)
		at--;
	memcpy(text + at, "...", sizeof("..."));
}

/* Base64 (RFC 4648, section 4). */

void text_base64(struct buf *out, struct slice s)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *p = (const unsigned char *)s.data;

	if (!buf_reserve(out, s.len / 3 * 4 + 4))
		return;
	for (size_t left = s.len; left > 0; left -= left < 3 ? left : 3, p += 3) {
		unsigned bits = (unsigned)p[0] << 16 | (left > 1 ? (unsigned)p[1] << 8 : 0) | (left > 2 ? p[2] : 0u);
		const char quad[4] = { digits[bits >> 18], digits[bits >> 12 & 63],
				       left > 1 ? digits[bits >> 6 & 63] : '=', left > 2 ? digits[bits & 63] : '=' };
		buf_add(out, quad, 4);
	}
}

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (is_digit(c))
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static bool unbase64_quad(struct buf *out, const char *quad, bool last)
{
	size_t digits = last && quad[3] == '=' ? (quad[2] == '=' ? 2 : 3) : 4;
	unsigned bits = 0;

	for (size_t i = 0; i < 4; i++) {
		int value = i < digits ? base64_value(quad[i]) : 0;
		if (value < 0)
			return false;
		bits = bits << 6 | (unsigned)value;
	}
	const char bytes[3] = { (char)(bits >> 16), (char)(bits >> 8), (char)bits };
	/* Bits that stand for no byte must be 0, or two texts would mean the same bytes. */
	if ((digits < 4 && bytes[2]) || (digits < 3 && bytes[1]))
		return false;
	buf_add(out, bytes, digits - 1);
	return true;
}

int text_unbase64(struct buf *out, struct slice s)
{
	size_t before = out->len;

	if (s.len % 4 != 0)
		return PAWL_EPARSE;
	if (!buf_reserve(out, s.len / 4 * 3))
		return PAWL_ENOMEM;
	for (size_t i = 0; i < s.len; i += 4) {
		if (!unbase64_quad(out, s.data + i, i + 4 == s.len)) {
			buf_truncate(out, before);
			return PAWL_EPARSE;
		}
	}
	return 0;
}

/* Names. */

static bool is_alnum(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_made_of(struct slice s, const char *others, size_t max)
{
	if (s.len == 0 || s.len > max)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!is_alnum(s.data[i]) && (s.data[i] == '\0' || !strchr(others, s.data[i])))
			return false;
	return true;
}

static bool is_dots(struct slice s)
{
	return slice_is(s, ".") || slice_is(s, "..");
}

bool text_is_instance_id(struct slice s)
{
	return is_made_of(s, "_:-", TEXT_INSTANCE_ID_MAX) && is_alnum(s.data[0]);
}

bool text_is_event_name(struct slice s)
{
	return is_made_of(s, "_:-", 64) && is_alnum(s.data[0]);
}

bool text_is_type_name(struct slice s)
{
	if (!is_made_of(s, "_:./-", TEXT_NAME_MAX) || !is_alnum(s.data[0]))
		return false;
	for (;;) {
		const char *slash = memchr(s.data, '/', s.len);
		struct slice part = { s.data, slash ? (size_t)(slash - s.data) : s.len };
		if (part.len == 0 || is_dots(part))
			return false;
		if (!slash)
			return true;
		skip(&s, part.len + 1);
		if (s.len == 0)
			return false;
	}
}

bool text_is_version(struct slice s)
{
	return is_made_of(s, ".+_-", 64) && !is_dots(s);
}

bool text_is_key(struct slice s)
{
	return is_made_of(s, "_:-", 64);
}

/* ---- topics ---- */

#define TOPIC_LEVELS_MAX 16

/* Cuts the first level off; false when there was none. */
static bool next_level(struct slice *rest, struct slice *level)
{
	if (!rest->data)
		return false;
	const char *slash = rest->len ? memchr(rest->data, '/', rest->len) : NULL;
	*level = slice_make(rest->data, slash ? (size_t)(slash - rest->data) : rest->len);
	if (slash)
		*rest = slice_make(slash + 1, rest->len - level->len - 1);
	else
		*rest = SLICE_NONE;
	return true;
}

static bool is_level(struct slice level)
{
	for (size_t i = 0; i < level.len; i++)
		if (level.data[i] <= ' ' || level.data[i] > '~' || level.data[i] == '+' || level.data[i] == '#')
			return false;
	return level.len > 0;
}

static bool is_topic(struct slice s, bool filter)
{
	struct slice level;
	unsigned levels = 0;

	if (s.len == 0 || s.len > TEXT_NAME_MAX)
		return false;
	while (next_level(&s, &level)) {
		bool all = filter && slice_is(level, "#") && !s.data;
		if (++levels > TOPIC_LEVELS_MAX || !(is_level(level) || all || (filter && slice_is(level, "+"))))
			return false;
	}
	return true;
}

bool text_is_topic(struct slice s)
{
	return is_topic(s, false);
}

bool text_is_topic_filter(struct slice s)
{
	return is_topic(s, true);
}

bool text_topic_matches(struct slice filter, struct slice topic)
{
	struct slice want, level;

	while (next_level(&filter, &want)) {
		if (slice_is(want, "#"))
			return true;
		if (!next_level(&topic, &level) || !(slice_is(want, "+") || slice_eq(want, level)))
			return false;
	}
	return !topic.data;
}
