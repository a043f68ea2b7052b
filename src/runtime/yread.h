/*
 * yread.h - reads one YAML document as a row of tokens, under limits. What pawl needs of YAML and no more: mappings,
 * lists and scalars. Anchors, aliases, tags, directives and second documents are errors that say so; libyaml has no limit on
 * nesting, so the limits are here (I11). Nothing is typed: whoever takes a scalar decides what it may be.
 *
 * Built on libyaml's events: its document interface takes thirty times the memory.
 */
#ifndef RUNTIME_YREAD_H
#define RUNTIME_YREAD_H

#include "base/slice.h"
#include <pawl/error.h>

#ifndef PAWL_WITH_YAML
#define PAWL_WITH_YAML 1
#endif

#define YREAD_BYTES_MAX (1024 * 1024)
#define YREAD_DEPTH_MAX 16
#define YREAD_NODES_MAX 10000

enum yread_kind { YREAD_SCALAR, YREAD_MAP, YREAD_MAP_END, YREAD_LIST, YREAD_LIST_END, YREAD_END };

struct yread_token {
	enum yread_kind kind;
	bool plain;            /* a scalar without quotes */
	struct slice text;     /* of a scalar, NUL-terminated and without NUL inside; lives until the next yread_next */
	unsigned line, column; /* from 1 */
};

struct yread;

/* file is for messages. file and data must stay until yread_free. */
int yread_open(struct yread **out, const char *file, const void *data, size_t len,
               struct pawl_error *err) PAWL_MUST_USE;
void yread_free(struct yread *in); /* NULL is allowed */

/* An empty file is YREAD_END at once. After YREAD_END or an error it must not be called again. PAWL_EPARSE,
 * PAWL_ETOOBIG, PAWL_ENOMEM. */
int yread_next(struct yread *in, struct yread_token *token, struct pawl_error *err) PAWL_MUST_USE;

/* "FILE:LINE:COLUMN: <fmt>"; returns code. */
int yread_fail(const struct yread *in, const struct yread_token *at, struct pawl_error *err, int code, const char *fmt,
               ...) PAWL_PRINTF(5, 6);

#endif
