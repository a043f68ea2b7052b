/* bundle_file.c - see bundle.h: the two forms in a file. */
#include "cli/bundle.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include <errno.h>
#include <pawl/pawl.h>
#include <stdlib.h>

#define HEAD_BYTES_MAX 4096
#define LINE_BYTES_MAX ((size_t)BUNDLE_BYTES_MAX)

/* ---- writing ---- */

static int write_line(struct buf *line, FILE *out, struct pawl_error *err)
{
	int rc = buf_ok(line) ? 0 : err_nomem(err);

	errno = 0;
	if (rc == 0 && fwrite(buf_str(line), 1, line->len, out) != line->len)
		rc = err_sys(err, errno ? errno : EIO, "cannot write the export");
	buf_release(line);
	return rc;
}

int bundle_write_head(FILE *out, bool text, struct pawl_error *err)
{
	struct buf head = BUF_INIT;

	buf_addf(&head, "{\"pawl_export\":%d", BUNDLE_FORMAT);
	json_add_member(&head, "pawl", slice_of(pawl_version()));
	buf_adds(&head, "}\n");
	if (text)
		return write_line(&head, out, err);
	int rc = buf_ok(&head) ? tar_write(out, BUNDLE_HEAD, head.data, head.len, 0, err) : err_nomem(err);
	buf_release(&head);
	return rc;
}

static bool is_history(const struct bundle_file *f)
{
	return strstr(f->name, ".history") != NULL;
}

/* They lie in the order of executions. */
static void add_histories(const struct bundle *b, struct buf *line)
{
	const char *comma = "";

	json_add_key(line, "histories");
	buf_addc(line, '[');
	for (size_t i = 0; i < b->count; i++) {
		if (!is_history(&b->files[i]))
			continue;
		buf_adds(line, comma);
		json_add_string(line, slice_make(b->files[i].data, b->files[i].len));
		comma = ",";
	}
	buf_addc(line, ']');
}

static void add_payloads(const struct bundle *b, struct buf *line)
{
	bool any = false;

	for (size_t i = 0; i < b->count; i++) {
		const struct bundle_file *f = &b->files[i];
		if (is_history(f))
			continue;
		if (!any) {
			json_add_key(line, "payloads");
			buf_addc(line, '{');
		}
		json_add_key(line, f->name);
		buf_addc(line, '"');
		text_base64(line, slice_make(f->data, f->len));
		buf_addc(line, '"');
		any = true;
	}
	if (any)
		buf_addc(line, '}');
}

static int write_text(const struct bundle *b, FILE *out, struct pawl_error *err)
{
	struct buf line = BUF_INIT;

	for (size_t i = 0; i < b->count; i++)
		if (is_history(&b->files[i]) && !text_is_utf8(slice_make(b->files[i].data, b->files[i].len)))
			return err_set(err, PAWL_ECORRUPT, "%s of '%s' is damaged: it is no text (without --text it can be exported)",
				b->files[i].name, b->id);
	buf_addc(&line, '{');
	json_add_member(&line, "id", slice_of(b->id));
	add_histories(b, &line);
	add_payloads(b, &line);
	buf_adds(&line, "}\n");
	return write_line(&line, out, err);
}

int bundle_write(const struct bundle *b, FILE *out, bool text, struct pawl_error *err)
{
	char name[sizeof(b->id) + BUNDLE_NAME_SIZE];
	int rc = 0;

	if (text)
		return write_text(b, out, err);
	for (size_t i = 0; rc == 0 && i < b->count; i++) {
		snprintf(name, sizeof(name), "%s/%s", b->id, b->files[i].name);
		rc = tar_write(out, name, b->files[i].data, b->files[i].len, b->time_ns / 1000000000, err);
	}
	return rc;
}

int bundle_write_end(FILE *out, bool text, struct pawl_error *err)
{
	if (!text)
		return tar_write_end(out, err);
	errno = 0;
	return fflush(out) == 0 ? 0 : err_sys(err, errno ? errno : EIO, "cannot write the export");
}

/* ---- reading: the head ---- */

static int check_head(struct slice text, struct pawl_error *err)
{
	struct arena arena;
	struct json_reader r;
	struct json_value v;
	struct slice key;
	uint64_t format = 0;

	arena_init(&arena, HEAD_BYTES_MAX);
	int rc = json_open(&r, text, '{', &arena);
	while (rc >= 0 && (rc = json_next(&r, &key, &v)) > 0)
		if (slice_is(key, "pawl_export") && (v.type != JSON_NUMBER || text_parse_u64(v.raw, &format) < 0))
			format = 0;
	arena_release(&arena);
	if (rc < 0 || format == 0)
		return err_set(err, PAWL_EPARSE, "this is no export of pawl: it does not begin with \"pawl_export\"");
	if (format > BUNDLE_FORMAT)
		return err_set(err, PAWL_EUNSUPPORTED, "this export has format %llu, which a newer pawl wrote: use that version or a later one",
			(unsigned long long)format);
	return 0;
}

static int next_file(struct bundle_reader *r, struct pawl_error *err)
{
	int rc;

	do
		rc = tar_next(&r->tar, &r->entry, err);
	while (rc > 0 && r->entry.is_directory);
	return rc;
}

static int tar_head(struct bundle_reader *r, struct pawl_error *err)
{
	char *text;
	size_t len;
	int rc = next_file(r, err);

	if (rc < 0)
		return rc;
	if (rc == 0 || strcmp(r->entry.name, BUNDLE_HEAD) != 0)
		return err_set(err, PAWL_EPARSE, "this archive is no export of pawl: '%s' is not the first file in it", BUNDLE_HEAD);
	rc = tar_read(&r->tar, &r->entry, HEAD_BYTES_MAX, &text, &len, err);
	if (rc < 0)
		return rc;
	rc = check_head(slice_make(text, len), err);
	free(text);
	return rc;
}

/* Without the newline. 1, or 0 at the end. */
static int read_line(struct bundle_reader *r, size_t max, struct buf *line, struct pawl_error *err)
{
	int c;

	r->line++;
	errno = 0;
	while ((c = getc(r->in)) != EOF && c != '\n' && line->len <= max && buf_ok(line))
		buf_addc(line, (char)c);
	if (ferror(r->in))
		return err_sys(err, errno ? errno : EIO, "cannot read the export");
	if (!buf_ok(line))
		return err_nomem(err);
	if (line->len > max)
		return err_set(err, PAWL_ETOOBIG, "line %llu of the export is too long", (unsigned long long)r->line);
	return c != EOF || line->len > 0;
}

static int text_head(struct bundle_reader *r, struct pawl_error *err)
{
	struct buf line = BUF_INIT;
	int rc = read_line(r, HEAD_BYTES_MAX, &line, err);

	if (rc >= 0)
		rc = check_head(buf_slice(&line), err);
	buf_release(&line);
	return rc;
}

int bundle_open(struct bundle_reader *r, FILE *in, struct pawl_error *err)
{
	int first;

	*r = (struct bundle_reader){ .in = in, .tar = { .in = in } };
	map_init(&r->seen);
	errno = 0;
	first = getc(in);
	if (first == EOF)
		return ferror(in) ? err_sys(err, errno ? errno : EIO, "cannot read the export") :
				    err_set(err, PAWL_EPARSE, "the export is empty");
	(void)ungetc(first, in);
	r->text = first == '{';
	return r->text ? text_head(r, err) : tar_head(r, err);
}

void bundle_close(struct bundle_reader *r)
{
	map_release(&r->seen);
}

/* ---- reading: instances ---- */

static int begin(struct bundle_reader *r, struct bundle *b, struct slice id, struct pawl_error *err)
{
	char text[sizeof(b->id)];

	if (!text_is_instance_id(id))
		return err_set(err, PAWL_EPARSE, "the export has '%.*s', which is no instance id",
			(int)(id.len < 100 ? id.len : 100), id.data);
	snprintf(text, sizeof(text), "%.*s", SLICE_FMT(id));
	bundle_init(b, text);
	if (map_get(&r->seen, id))
		return err_set(err, PAWL_EPARSE, "the export has instance '%s' at two places", text);
	return map_put(&r->seen, id, r, NULL) < 0 ? err_nomem(err) : 0;
}

/* "ID/FILE" */
static int split(const struct tar_entry *entry, struct slice *id, struct slice *file, struct pawl_error *err)
{
	const char *slash = strchr(entry->name, '/');

	if (!slash || strchr(slash + 1, '/'))
		return err_set(err, PAWL_EPARSE, "the archive has '%.200s', which is no file of an instance",
			entry->name);
	*id = slice_make(entry->name, (size_t)(slash - entry->name));
	*file = slice_of(slash + 1);
	return 0;
}

static int next_tar(struct bundle_reader *r, struct bundle *b, struct pawl_error *err)
{
	struct slice id, file;
	bool begun = false;
	int rc = r->ended ? 0 : r->pending ? 1 : next_file(r, err);

	for (; rc > 0; rc = next_file(r, err)) {
		char *data;
		size_t len;
		rc = split(&r->entry, &id, &file, err);
		r->pending = rc == 0 && begun && !slice_is(id, b->id);
		if (r->pending)
			return 1;
		if (rc == 0 && !begun)
			rc = begin(r, b, id, err);
		begun = true;
		if (rc == 0)
			rc = tar_read(&r->tar, &r->entry, BUNDLE_BYTES_MAX - b->bytes, &data, &len, err);
		if (rc == 0)
			rc = bundle_add(b, file, data, len, err);
		if (rc < 0)
			return rc;
	}
	r->ended = true;
	return rc < 0 ? rc : begun;
}

static int add_copy(struct bundle *b, const char *name, struct slice text, bool base64, struct pawl_error *err)
{
	struct buf data = BUF_INIT;
	size_t len = 0;

	buf_adds(&data, "");
	int rc = base64 ? text_unbase64(&data, text) : 0;
	if (!base64)
		buf_add_slice(&data, text);
	if (rc < 0) {
		buf_release(&data);
		return err_set(err, PAWL_EPARSE, "payload '%s' of '%s' is no base64", name, b->id);
	}
	char *bytes = data.len ? buf_detach(&data, &len) : calloc(1, 1);
	buf_release(&data);
	return bytes ? bundle_add(b, slice_of(name), bytes, len, err) : err_nomem(err);
}

static int add_members(struct bundle *b, struct slice json, bool histories, struct arena *arena, struct pawl_error *err)
{
	struct json_reader r;
	struct json_value v;
	struct slice key;
	uint64_t number = 0;
	char name[BUNDLE_NAME_SIZE];
	int rc = json_open(&r, json, histories ? '[' : '{', arena);

	while (rc >= 0 && (rc = json_next(&r, &key, &v)) > 0) {
		if (histories)
			snprintf(name, sizeof(name), "%llu.history", (unsigned long long)++number);
		else
			snprintf(name, sizeof(name), "%.*s", SLICE_FMT(key));
		if (v.type != JSON_STRING)
			return err_set(err, PAWL_EPARSE, "'%s' of '%s' is no text", name, b->id);
		rc = add_copy(b, name, v.text, !histories, err);
		if (rc < 0)
			return rc;
	}
	return rc < 0 ? err_set(err, rc, "the export of '%s' does not parse", b->id) : 0;
}

static int take_line(struct bundle_reader *r, struct slice line, struct bundle *b, struct arena *arena, struct pawl_error *err)
{
	struct json_value v, id = { .type = JSON_NULL }, histories = id, payloads = id;
	struct json_reader json;
	struct slice key;
	int rc = json_open(&json, line, '{', arena);

	while (rc >= 0 && (rc = json_next(&json, &key, &v)) > 0) {
		if (slice_is(key, "id"))
			id = v;
		else if (slice_is(key, "histories"))
			histories = v;
		else if (slice_is(key, "payloads"))
			payloads = v;
	}
	if (rc < 0 || id.type != JSON_STRING || histories.type != JSON_ARRAY)
		return rc == PAWL_ENOMEM ? err_nomem(err) :
			err_set(err, PAWL_EPARSE, "line %llu of the export is no instance", (unsigned long long)r->line);
	rc = begin(r, b, id.text, err);
	if (rc == 0)
		rc = add_members(b, histories.raw, true, arena, err);
	if (rc == 0 && payloads.type == JSON_OBJECT)
		rc = add_members(b, payloads.raw, false, arena, err);
	return rc;
}

static int next_text(struct bundle_reader *r, struct bundle *b, struct pawl_error *err)
{
	struct buf line = BUF_INIT;
	struct arena arena;
	int rc;

	arena_init(&arena, 0);
	do {
		buf_release(&line);
		buf_init(&line);
		rc = read_line(r, LINE_BYTES_MAX, &line, err);
	} while (rc > 0 && line.len == 0);
	if (rc > 0) {
		rc = take_line(r, buf_slice(&line), b, &arena, err);
		rc = rc < 0 ? rc : 1;
	}
	arena_release(&arena);
	buf_release(&line);
	return rc;
}

int bundle_next(struct bundle_reader *r, struct bundle *b, struct pawl_error *err)
{
	bundle_init(b, "");
	return r->text ? next_text(r, b, err) : next_tar(r, b, err);
}
