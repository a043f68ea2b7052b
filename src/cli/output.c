/* output.c - see output.h. */
#include "cli/output.h"
#include "base/json.h"
#include "base/text.h"
#include "history/payload.h"
#include <stdlib.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define YAML_DEPTH_MAX 8 /* deeper values stay JSON, which is YAML too */

/* ---- text ---- */

static size_t utf8_len(const char *p, const char *end)
{
	unsigned char c = (unsigned char)*p;
	size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

	return n <= (size_t)(end - p) && text_is_utf8(slice_make(p, n)) ? n : 0;
}

/* C1 control characters (U+0080 to U+009F) drive terminals as well. */
static bool is_control(const char *p, size_t n)
{
	return n == 1 ? (unsigned char)*p < ' ' || *p == 0x7f : n == 2 && (unsigned char)p[0] == 0xc2 &&
		(unsigned char)p[1] < 0xa0;
}

void out_clean(struct buf *out, struct slice text)
{
	const char *end = text.data + text.len;

	for (const char *p = text.data; p < end;) {
		size_t n = utf8_len(p, end);
		if (n == 0 || is_control(p, n))
			buf_addc(out, *p == '\n' || *p == '\t' ? ' ' : '?');
		else
			buf_add(out, p, n);
		p += n ? n : 1;
	}
}

unsigned out_width(const char *text)
{
	unsigned n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

size_t out_prefix(const char *text, unsigned width)
{
	const char *p = text;

	for (; *p; p++)
		if (((unsigned char)*p & 0xc0) != 0x80 && width-- == 0)
			break;
	return (size_t)(p - text);
}

static bool window(struct winsize *w)
{
	return ioctl(STDOUT_FILENO, TIOCGWINSZ, w) == 0;
}

unsigned out_terminal_width(const struct cli *c)
{
	const char *columns = getenv("COLUMNS");
	struct winsize w;
	uint64_t n;

	if (!c->tty)
		return 0;
	if (columns && text_parse_u64(slice_of(columns), &n) == 0 && n > 0 && n < 10000)
		return (unsigned)n;
	return window(&w) && w.ws_col > 0 ? w.ws_col : 80;
}

unsigned out_terminal_height(void)
{
	struct winsize w;

	return window(&w) && w.ws_row > 0 ? w.ws_row : 24;
}

static const char *status_color(const char *status)
{
	static const struct {
		const char *status, *color;
	} colors[] = {
		{ "Completed", "32" }, { "Failed", "31" },   { "Damaged", "31" },  { "Suspended", "33" },
		{ "Canceled", "35" },  { "Terminated", "35" }, { "Pending", "2" }, { "Running", "36" },
		{ "Active", "36" },    { "Waiting", "2" },   { "Stalled", "33" },  { "Deferred", "33" },
		{ "Stuck", "31" },     { "dead", "31" },
	};

	for (size_t i = 0; i < sizeof(colors) / sizeof(colors[0]); i++)
		if (strcmp(colors[i].status, status) == 0)
			return colors[i].color;
	return NULL;
}

void out_print_status(const char *status, bool color)
{
	const char *code = color ? status_color(status) : NULL;

	if (code)
		printf("\033[%sm%s\033[0m", code, status);
	else
		fputs(status, stdout);
}

/* ---- records ---- */

void out_begin(struct out *o, const struct cli *c, const char *const *columns, bool many)
{
	*o = (struct out){ .format = c->format, .many = many, .color = c->color, .line_max = out_terminal_width(c), .columns = columns };
	while (columns[o->column_count] && o->column_count < OUT_COLUMNS_MAX) {
		o->widths[o->column_count] = out_width(columns[o->column_count]);
		o->column_count++;
	}
}

static void add_row(struct out *o, const char *const *cells)
{
	for (unsigned i = 0; i < o->column_count; i++) {
		size_t at = o->cells.len;
		bool filled = cells[i] && *cells[i];
		o->filled |= filled ? 1u << i : 0;
		out_clean(&o->cells, slice_of(filled ? cells[i] : "-"));
		unsigned width = buf_ok(&o->cells) ? out_width(o->cells.data + at) : 0;
		if (width > o->widths[i])
			o->widths[i] = width;
		buf_addc(&o->cells, '\0');
	}
}

static void print_yaml(struct out *o, struct slice json)
{
	struct buf text = BUF_INIT;

	out_yaml(&text, json, o->many ? 2 : 0);
	if (o->many && text.len > 1)
		memcpy(text.data, "- ", 2);
	fputs(buf_str(&text), stdout);
	o->failed |= !buf_ok(&text);
	buf_release(&text);
}

void out_record(struct out *o, const char *name, struct slice json, const char *const *cells)
{
	switch (o->format) {
	case OUT_TABLE:
		add_row(o, cells);
		break;
	case OUT_NAME:
		puts(name);
		break;
	case OUT_YAML:
		print_yaml(o, json);
		break;
	case OUT_JSON:
		if (o->many)
			fputs(o->records ? ",\n " : "[", stdout);
		/* fall through */
	case OUT_JSONL:
		fwrite(json.data, 1, json.len, stdout);
		if (o->format == OUT_JSONL || !o->many)
			putchar('\n');
		break;
	}
	o->records++;
}

static bool is_shown(const struct out *o, unsigned column)
{
	return !o->hide_empty || (o->filled & 1u << column);
}

static unsigned last_shown(const struct out *o)
{
	unsigned last = o->column_count ? o->column_count - 1 : 0;

	while (last > 0 && !is_shown(o, last))
		last--;
	return last;
}

/* cell NULL: the head. The last column has what room there is; the others are never cut. */
static void print_row(const struct out *o, const char *cell)
{
	bool is_head = !cell;
	unsigned used = 0, last = last_shown(o);

	for (unsigned i = 0; i < o->column_count && i <= last; i++) {
		const char *text = is_head ? o->columns[i] : cell;
		unsigned width = out_width(text);
		cell = is_head ? NULL : cell + strlen(cell) + 1;
		if (!is_shown(o, i))
			continue;
		if (i == last && o->line_max && used + width > o->line_max) {
			unsigned room = o->line_max > used + 4 ? o->line_max - used - 3 : 1;
			printf("%.*s...\n", (int)out_prefix(text, room), text);
			return;
		}
		if ((strcmp(o->columns[i], "STATUS") == 0 || strcmp(o->columns[i], "STATE") == 0) && !is_head)
			out_print_status(text, o->color);
		else
			fputs(text, stdout);
		if (i < last)
			printf("%*s", (int)(o->widths[i] - width + 2), "");
		used += o->widths[i] + 2;
	}
	putchar('\n');
}

static void print_table(const struct out *o)
{
	const char *cell = buf_str(&o->cells);

	if (o->records)
		print_row(o, NULL);
	for (size_t r = 0; r < o->records; r++) {
		print_row(o, cell);
		for (unsigned i = 0; i < o->column_count; i++)
			cell += strlen(cell) + 1;
	}
}

int out_end(struct out *o, struct pawl_error *err)
{
	bool ok = buf_ok(&o->cells) && !o->failed;

	if (o->format == OUT_TABLE && ok)
		print_table(o);
	else if (o->format == OUT_JSON && o->many)
		puts(o->records ? "]" : "[]");
	else if (o->format == OUT_YAML && o->many && o->records == 0)
		puts("[]");
	buf_release(&o->cells);
	return ok ? 0 : err_nomem(err);
}

/* ---- YAML ---- */

static bool is_plain(struct slice s)
{
	static const char *const words[] = { "true", "false", "null", "yes", "no", "on", "off", "y", "n" };

	for (size_t i = 0; i < s.len; i++) {
		char c = s.data[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
		if (!letter && (i == 0 || !((c >= '0' && c <= '9') || c == '-')))
			return false;
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (s.len == strlen(words[i]) && strncasecmp(s.data, words[i], s.len) == 0)
			return false;
	return s.len > 0;
}

static void yaml_scalar(struct buf *out, struct slice text, struct slice raw)
{
	buf_add_slice(out, is_plain(text) ? text : raw);
}

static void yaml_indent(struct buf *out, unsigned indent)
{
	for (unsigned i = 0; i < indent; i++)
		buf_addc(out, ' ');
}

/* An empty one is written as it is: a block of nothing would be null. */
static bool is_block(const struct json_value *v, unsigned depth)
{
	size_t i = 1;

	if ((v->type != JSON_OBJECT && v->type != JSON_ARRAY) || depth >= YAML_DEPTH_MAX)
		return false;
	while (i < v->raw.len && v->raw.data[i] == ' ')
		i++;
	return i + 1 < v->raw.len;
}

/* A list stands at its key's indent plus 2, its "- " takes the place of two blanks. The depth is bounded. */
static void yaml_block(struct buf *out, struct slice json, unsigned indent, unsigned depth)
{
	struct json_reader r;
	struct json_value v;
	struct slice key;
	struct arena arena;
	bool list = json.len > 0 && json.data[0] == '[';

	arena_init(&arena, 0);
	int rc = json_open(&r, json, list ? '[' : '{', &arena);
	while (rc >= 0 && (rc = json_next(&r, &key, &v)) > 0) {
		size_t at = out->len;
		bool block = is_block(&v, depth);
		if (!list || !block)
			yaml_indent(out, indent);
		if (list && !block)
			buf_adds(out, "- ");
		if (!list) {
			struct buf quoted = BUF_INIT;
			json_add_string(&quoted, key);
			yaml_scalar(out, key, buf_slice(&quoted));
			buf_adds(out, block ? ":\n" : ": ");
			buf_release(&quoted);
		}
		if (block)
			yaml_block(out, v.raw, indent + 2, depth + 1);
		else
			yaml_scalar(out, v.type == JSON_STRING ? v.text : SLICE_NONE, v.raw);
		if (!block)
			buf_addc(out, '\n');
		if (list && block && buf_ok(out) && out->len > at + indent)
			out->data[at + indent] = '-';
	}
	out->failed |= rc == PAWL_ENOMEM;
	arena_release(&arena);
}

void out_yaml(struct buf *out, struct slice json, unsigned indent)
{
	yaml_block(out, json, indent, 0);
}

/* ---- members ---- */

void out_add_time(struct buf *out, const char *key, int64_t ns)
{
	char text[TEXT_TIME_SIZE];

	text_time(text, ns);
	json_add_member(out, key, slice_of(text));
}

void out_add_flag(struct buf *out, const char *key, bool value)
{
	if (!value)
		return;
	json_add_key(out, key);
	buf_adds(out, "true");
}

void out_add_text(struct buf *out, const char *key, const char *text)
{
	if (!text)
		return;
	json_add_key(out, key);
	payload_add_text(out, slice_of(text));
}
