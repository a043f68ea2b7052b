#include "yread.h"
#include "base/error.h"

#if PAWL_WITH_YAML

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

struct yread {
	yaml_parser_t parser;
	yaml_event_t event; /* the token that was given last points into it */
	bool has_event, has_document;
	const char *file, *data;
	size_t len, depth, nodes;
};

int yread_open(struct yread **out, const char *file, const void *data, size_t len, struct pawl_error *err)
{
	struct yread *in;

	if (len > YREAD_BYTES_MAX)
		return err_set(err, PAWL_ETOOBIG, "'%s' is larger than %d bytes", file, YREAD_BYTES_MAX);
	in = calloc(1, sizeof(*in));
	if (!in)
		return err_nomem(err);
	if (!yaml_parser_initialize(&in->parser)) {
		free(in);
		return err_nomem(err);
	}
	yaml_parser_set_encoding(&in->parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&in->parser, data, len);
	in->file = file;
	in->data = data;
	in->len = len;
	*out = in;
	return 0;
}

static void drop_event(struct yread *in)
{
	if (in->has_event)
		yaml_event_delete(&in->event);
	in->has_event = false;
}

void yread_free(struct yread *in)
{
	if (!in)
		return;
	drop_event(in);
	yaml_parser_delete(&in->parser);
	free(in);
}

int yread_fail(const struct yread *in, const struct yread_token *at, struct pawl_error *err, int code, const char *fmt,
               ...)
{
	char text[PAWL_ERROR_TEXT_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return err_set(err, code, "%s:%u:%u: %s", in->file, at->line, at->column, text);
}

static void set_place(struct yread_token *token, yaml_mark_t mark)
{
	token->line = (unsigned)mark.line + 1;
	token->column = (unsigned)mark.column + 1;
}

/* Bytes that are no UTF-8 are found before there are lines: only the offset is told. */
static yaml_mark_t mark_of_offset(const struct yread *in, size_t offset)
{
	yaml_mark_t mark = { 0, 0, 0 };

	for (size_t i = 0; i < offset && i < in->len; i++) {
		mark.column++;
		if (in->data[i] == '\n')
			mark = (yaml_mark_t){ 0, mark.line + 1, 0 };
	}
	return mark;
}

static int syntax_error(const struct yread *in, struct pawl_error *err)
{
	const yaml_parser_t *parser = &in->parser;
	const char *problem = parser->problem ? parser->problem : "not valid YAML", *hint = "";
	struct yread_token at = { 0 };

	if (parser->error == YAML_MEMORY_ERROR)
		return err_nomem(err);
	if (parser->error == YAML_READER_ERROR) {
		set_place(&at, mark_of_offset(in, parser->problem_offset));
		hint = "; files must be UTF-8 text";
	} else {
		set_place(&at, parser->problem_mark);
	}
	if (strstr(problem, "cannot start any token"))
		hint = "; indent with spaces, not tabs, and quote a text that begins with a special character";
	return yread_fail(in, &at, err, PAWL_EPARSE, "%s%s", problem, hint);
}

/* What has no place here whatever the node is. */
static int check_node(struct yread *in, const struct yread_token *token, const yaml_char_t *anchor,
                      const yaml_char_t *tag, struct pawl_error *err)
{
	if (++in->nodes > YREAD_NODES_MAX)
		return yread_fail(in, token, err, PAWL_ETOOBIG, "more than %d values: split the file", YREAD_NODES_MAX);
	if (anchor)
		return yread_fail(in, token, err, PAWL_EPARSE,
		                  "anchor '&%s': anchors and aliases are not supported, write it out",
		                  (const char *)anchor);
	if (tag)
		return yread_fail(in, token, err, PAWL_EPARSE, "tag '%s': tags are not supported, remove it",
		                  (const char *)tag);
	return 0;
}

static int open_level(struct yread *in, struct yread_token *token, enum yread_kind kind, const yaml_char_t *anchor,
                      const yaml_char_t *tag, struct pawl_error *err)
{
	token->kind = kind;
	if (++in->depth > YREAD_DEPTH_MAX)
		return yread_fail(in, token, err, PAWL_ETOOBIG, "nested more than %d levels deep", YREAD_DEPTH_MAX);
	return check_node(in, token, anchor, tag, err);
}

static int close_level(struct yread *in, struct yread_token *token, enum yread_kind kind)
{
	token->kind = kind;
	in->depth--;
	return 0;
}

static int take_scalar(struct yread *in, struct yread_token *token, struct pawl_error *err)
{
	const char *text = (const char *)in->event.data.scalar.value;

	token->kind = YREAD_SCALAR;
	token->text = slice_make(text, in->event.data.scalar.length);
	token->plain = in->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	if (memchr(text, '\0', token->text.len))
		return yread_fail(in, token, err, PAWL_EPARSE, "a text must not hold '\\0'");
	return check_node(in, token, in->event.data.scalar.anchor, in->event.data.scalar.tag, err);
}

static int start_document(struct yread *in, const struct yread_token *token, struct pawl_error *err)
{
	if (in->has_document)
		return yread_fail(in, token, err, PAWL_EPARSE, "a second document: put it into a file of its own");
	in->has_document = true;
	if (in->event.data.document_start.tag_directives.start != in->event.data.document_start.tag_directives.end)
		return yread_fail(in, token, err, PAWL_EPARSE, "%%TAG: tags are not supported, remove it");
	return 0;
}

/* *again: the event says nothing to the caller. */
static int take_event(struct yread *in, struct yread_token *token, bool *again, struct pawl_error *err)
{
	const yaml_event_t *event = &in->event;

	switch (event->type) {
	case YAML_STREAM_START_EVENT:
	case YAML_DOCUMENT_END_EVENT:
		*again = true;
		return 0;
	case YAML_DOCUMENT_START_EVENT:
		*again = true;
		return start_document(in, token, err);
	case YAML_SCALAR_EVENT:
		return take_scalar(in, token, err);
	case YAML_MAPPING_START_EVENT:
		return open_level(in, token, YREAD_MAP, event->data.mapping_start.anchor, event->data.mapping_start.tag,
		                  err);
	case YAML_SEQUENCE_START_EVENT:
		return open_level(in, token, YREAD_LIST, event->data.sequence_start.anchor,
		                  event->data.sequence_start.tag, err);
	case YAML_MAPPING_END_EVENT:
		return close_level(in, token, YREAD_MAP_END);
	case YAML_SEQUENCE_END_EVENT:
		return close_level(in, token, YREAD_LIST_END);
	case YAML_ALIAS_EVENT:
		return yread_fail(in, token, err, PAWL_EPARSE,
		                  "alias '*%s': anchors and aliases are not supported, write it out",
		                  (const char *)event->data.alias.anchor);
	default:
		token->kind = YREAD_END;
		return 0;
	}
}

int yread_next(struct yread *in, struct yread_token *token, struct pawl_error *err)
{
	bool again = true;
	int ret = 0;

	while (again && !ret) {
		drop_event(in);
		if (!yaml_parser_parse(&in->parser, &in->event))
			return syntax_error(in, err);
		in->has_event = true;
		*token = (struct yread_token){ 0 };
		set_place(token, in->event.start_mark);
		again = false;
		ret = take_event(in, token, &again, err);
	}
	return ret;
}

#endif
