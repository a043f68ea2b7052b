/* output.h - records as a table, JSON, JSON lines, YAML or names; and text that is safe on a terminal. */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include "cli/cli.h"

#define OUT_COLUMNS_MAX 12

struct out {
	enum out_format format;
	bool many, color, failed;
	bool hide_empty;              /* after out_begin: no column in which no record has anything */
	unsigned line_max;            /* cut table lines here; 0 = never */
	const char *const *columns;
	unsigned column_count, widths[OUT_COLUMNS_MAX], filled; /* filled: a bit for each column */
	struct buf cells;             /* of the table: NUL-terminated texts */
	size_t records;
};

/* columns: NULL-terminated. many: JSON is an array (YAML a list) even when there is one record or none. */
void out_begin(struct out *o, const struct cli *c, const char *const *columns, bool many);
/* One record in all its forms; cells may be NULL when the format is not a table. A cell that is NULL is shown as "-". */
void out_record(struct out *o, const char *name, struct slice json, const char *const *cells);
int out_end(struct out *o, struct pawl_error *err) PAWL_MUST_USE;

/* One line of text that a terminal shows as it is: no control characters, valid UTF-8. */
void out_clean(struct buf *out, struct slice text);
unsigned out_width(const char *text);       /* characters */
size_t out_prefix(const char *text, unsigned width); /* bytes of the first characters */
unsigned out_terminal_width(const struct cli *c);    /* 0 when standard output is no terminal */
unsigned out_terminal_height(void);
/* Text with the colour of a status around it. */
void out_print_status(const char *status, bool color);
/* JSON as YAML in block style, ended by a newline. */
void out_yaml(struct buf *out, struct slice json, unsigned indent);

/* JSON members: time as RFC 3339, a flag only when set, text for people (NULL = left out). */
void out_add_time(struct buf *out, const char *key, int64_t ns);
void out_add_flag(struct buf *out, const char *key, bool value);
void out_add_text(struct buf *out, const char *key, const char *text);

#endif
