/*
 * bundle.h - one instance with all that it is, on its way out of a hub or into one: the bytes of its histories (with what
 * the journal has and the files have not yet), and the payload files that they name. `pawl export` and `pawl import`.
 *
 *	tar    pawl-export.json, then ID/1.history, ID/2.history, ID/1.7.data ... of one instance after the other
 *	text   a line {"pawl_export":1,...}, then a line {"id":ID,"histories":[TEXT,...],"payloads":{NAME:BASE64,...}} for each
 */
#ifndef CLI_BUNDLE_H
#define CLI_BUNDLE_H

#include "cli/tar.h"
#include "base/map.h"
#include "base/slice.h"
#include <pawl/provider.h>

#define BUNDLE_FORMAT 1
#define BUNDLE_HEAD "pawl-export.json"
#define BUNDLE_BYTES_MAX (512ull << 20) /* of one instance: all of it is in memory once */
#define BUNDLE_FILES_MAX 200000u
#define BUNDLE_NAME_SIZE 48

struct bundle_file {
	char name[BUNDLE_NAME_SIZE];
	char *data;
	size_t len;
};

struct bundle {
	char id[129];
	struct bundle_file *files;
	size_t count, cap;
	uint64_t bytes;
	int64_t time_ns;     /* of the last turn */
	struct map names;    /* of files: index + 1 */
};

void bundle_init(struct bundle *b, const char *id);
void bundle_release(struct bundle *b);
/* data is malloc'd and the bundle's from now on, also after a failure. PAWL_EINVALID (no such name has a place in an
 * instance), PAWL_EEXISTS, PAWL_ETOOBIG. */
int bundle_add(struct bundle *b, struct slice name, char *data, size_t len, struct pawl_error *err) PAWL_MUST_USE;

/* What a hub has. A payload file that cannot be read is left out; *missing counts. Without files: it has not begun. */
int bundle_read(struct bundle *b, struct pawl_provider *p, unsigned *missing, struct pawl_error *err) PAWL_MUST_USE;

/* Is it an instance that a runtime could go on with? All histories are there, parse, and can follow each other, and all
 * payloads are what the histories say. PAWL_ECORRUPT says what is wrong. *ended: it belongs into the archive. */
int bundle_check(const struct bundle *b, bool *ended, struct pawl_error *err) PAWL_MUST_USE;
/* Of a checked one. */
int bundle_import(const struct bundle *b, bool ended, struct pawl_provider *p, struct pawl_error *err) PAWL_MUST_USE;

/* bundle_file.c */
int bundle_write_head(FILE *out, bool text, struct pawl_error *err) PAWL_MUST_USE;
int bundle_write(const struct bundle *b, FILE *out, bool text, struct pawl_error *err) PAWL_MUST_USE;
int bundle_write_end(FILE *out, bool text, struct pawl_error *err) PAWL_MUST_USE;

struct bundle_reader {
	struct tar_reader tar;
	FILE *in;
	bool text, ended, pending; /* pending: entry was read, and is of the next instance */
	struct tar_entry entry;
	struct map seen;           /* ids */
	uint64_t line;
};
/* Both forms; the head is checked. */
int bundle_open(struct bundle_reader *r, FILE *in, struct pawl_error *err) PAWL_MUST_USE;
/* 1: the next instance, 0: the end. Release the bundle in any case. */
int bundle_next(struct bundle_reader *r, struct bundle *b, struct pawl_error *err) PAWL_MUST_USE;
void bundle_close(struct bundle_reader *r);

#endif
