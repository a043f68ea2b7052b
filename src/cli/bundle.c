/* bundle.c - see bundle.h: what belongs to an instance, from a hub and back into one. */
#include "cli/bundle.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "base/text.h"
#include "history/history.h"
#include "history/view.h"
#include <stdlib.h>

void bundle_init(struct bundle *b, const char *id)
{
	*b = (struct bundle){ .count = 0 };
	snprintf(b->id, sizeof(b->id), "%s", id);
	map_init(&b->names);
}

void bundle_release(struct bundle *b)
{
	for (size_t i = 0; i < b->count; i++)
		free(b->files[i].data);
	free(b->files);
	map_release(&b->names);
	b->files = NULL;
	b->count = 0;
}

/* ---- names ---- */

/* "N.history"; 0 when it is none. No zeros in front: each has one name. */
static uint64_t history_number(struct slice name)
{
	static const struct slice suffix = { ".history", 8 };
	uint64_t n;

	if (name.len <= suffix.len || memcmp(name.data + name.len - suffix.len, suffix.data, suffix.len) != 0)
		return 0;
	name.len -= suffix.len;
	return name.data[0] != '0' && text_parse_u64(name, &n) == 0 ? n : 0;
}

/* "N.N.data": what else a person puts beside it, or a runtime reads in there, is no business of an export. */
static bool is_payload(struct slice name)
{
	static const struct slice suffix = { ".data", 5 };
	size_t dots = 0;

	if (name.len <= suffix.len || memcmp(name.data + name.len - suffix.len, suffix.data, suffix.len) != 0)
		return false;
	name.len -= suffix.len;
	for (size_t i = 0; i < name.len; i++) {
		bool digit = name.data[i] >= '0' && name.data[i] <= '9';
		if (!digit && (name.data[i] != '.' || i == 0 || i + 1 == name.len))
			return false;
		dots += !digit;
	}
	return dots == 1;
}

static const struct bundle_file *find(const struct bundle *b, struct slice name)
{
	uintptr_t at = (uintptr_t)map_get(&b->names, name);

	return at ? &b->files[at - 1] : NULL;
}

static const struct bundle_file *find_history(const struct bundle *b, uint64_t number)
{
	char name[BUNDLE_NAME_SIZE];

	snprintf(name, sizeof(name), "%llu.history", (unsigned long long)number);
	return find(b, slice_of(name));
}

static int check_add(const struct bundle *b, struct slice name, size_t len, struct pawl_error *err)
{
	if (name.len >= BUNDLE_NAME_SIZE || !(history_number(name) || is_payload(name)))
		return err_set(err, PAWL_EINVALID, "'%s' has a file '%.60s', which does not belong to an instance",
			b->id, name.len < 60 ? name.data : "...");
	if (find(b, name))
		return err_set(err, PAWL_EEXISTS, "'%s' has the file '%.*s' twice", b->id, SLICE_FMT(name));
	if (b->count >= BUNDLE_FILES_MAX || len > BUNDLE_BYTES_MAX - b->bytes)
		return err_set(err, PAWL_ETOOBIG, "'%s' is over the limit of %llu MiB and %u files", b->id,
			BUNDLE_BYTES_MAX >> 20, BUNDLE_FILES_MAX);
	return 0;
}

static int grow(struct bundle *b)
{
	size_t cap = b->cap ? b->cap * 2 : 8;

	if (b->count < b->cap)
		return 0;
	struct bundle_file *files = realloc(b->files, cap * sizeof(*files));
	if (!files)
		return PAWL_ENOMEM;
	b->files = files;
	b->cap = cap;
	return 0;
}

int bundle_add(struct bundle *b, struct slice name, char *data, size_t len, struct pawl_error *err)
{
	int rc = check_add(b, name, len, err);

	if (rc == 0 && (grow(b) < 0 || map_put(&b->names, name, (void *)(uintptr_t)(b->count + 1), NULL) < 0))
		rc = err_nomem(err);
	if (rc < 0) {
		free(data);
		return rc;
	}
	struct bundle_file *f = &b->files[b->count++];
	snprintf(f->name, sizeof(f->name), "%.*s", SLICE_FMT(name));
	f->data = data;
	f->len = len;
	b->bytes += len;
	return 0;
}

/* ---- from a hub ---- */

static int add_payloads(struct bundle *b, struct pawl_provider *p, const struct history *h, unsigned *missing, struct pawl_error *err)
{
	struct pawl_error why = { .code = 0 };
	char name[BUNDLE_NAME_SIZE], *data;
	size_t len;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < h->count; i++) {
		const struct event *e = &h->events[i];
		if (!e->data_file.data || find(b, e->data_file))
			continue;
		if (e->data_file.len >= sizeof(name) || !is_payload(e->data_file)) {
			++*missing;
			continue;
		}
		snprintf(name, sizeof(name), "%.*s", SLICE_FMT(e->data_file));
		if (p->ops->read_spill(p, b->id, name, &data, &len, &why) < 0)
			++*missing;
		else
			rc = bundle_add(b, e->data_file, data, len, err);
	}
	return rc;
}

/* Half a turn at the end, which a runtime is just writing, is left out; where bytes are damaged, all of them go along. */
static int add_history(struct bundle *b, struct pawl_provider *p, uint64_t number, char *text, size_t len, unsigned *missing,
                       struct pawl_error *err)
{
	struct pawl_error why = { .code = 0 };
	char name[BUNDLE_NAME_SIZE];
	struct history h;

	history_init(&h);
	snprintf(name, sizeof(name), "%llu.history", (unsigned long long)number);
	int rc = history_parse(&h, slice_make(text, len), &why);
	bool whole = rc == 0;
	for (size_t i = 0; i < h.count; i++)
		if (h.events[i].has_time)
			b->time_ns = h.events[i].time_ns;
	rc = rc == PAWL_ENOMEM ? err_nomem(err) : add_payloads(b, p, &h, missing, err);
	if (rc == 0)
		rc = bundle_add(b, slice_of(name), text, whole ? h.bytes : len, err);
	else
		free(text);
	history_release(&h);
	return rc;
}

int bundle_read(struct bundle *b, struct pawl_provider *p, unsigned *missing, struct pawl_error *err)
{
	uint64_t newest = 0, which;
	char *last = NULL, *text;
	size_t last_len = 0, len;
	/* the newest first: it may grow meanwhile, those before it do not */
	int rc = p->ops->read(p, b->id, 0, &last, &last_len, &newest, err);

	*missing = 0;
	if (rc < 0)
		return rc;
	if (newest <= 1 && last_len == 0) {
		free(last);
		return 0;
	}
	for (uint64_t n = 1; rc == 0 && n < newest; n++) {
		rc = p->ops->read(p, b->id, n, &text, &len, &which, err);
		if (rc == 0)
			rc = add_history(b, p, n, text, len, missing, err);
	}
	if (rc == 0)
		return add_history(b, p, newest, last, last_len, missing, err);
	free(last);
	return rc;
}

/* ---- into a hub ---- */

static int check_payloads(const struct bundle *b, const struct history *h, bool *named, struct pawl_error *err)
{
	for (size_t i = 0; i < h->count; i++) {
		const struct event *e = &h->events[i];
		if (!e->data_file.data)
			continue;
		const struct bundle_file *f = find(b, e->data_file);
		if (!f || history_number(slice_of(f->name)))
			return err_set(err, PAWL_ECORRUPT, "line %llu names the file '%.*s', which is not there",
				(unsigned long long)e->seq, SLICE_FMT(e->data_file));
		if (f->len != e->data_len || crc32c(0, f->data, f->len) != e->data_crc)
			return err_set(err, PAWL_ECORRUPT, "file '%s' is not the one that line %llu names", f->name,
				(unsigned long long)e->seq);
		named[f - b->files] = true;
	}
	return 0;
}

static int check_fold(const struct history *h, struct pawl_error *err)
{
	struct view v;
	int rc = 0;

	view_init(&v);
	for (size_t i = 0; rc == 0 && i < h->count; i++) {
		rc = view_apply(&v, &h->events[i]);
		if (rc == PAWL_ECORRUPT)
			rc = err_set(err, rc, "line %llu cannot follow what is before it",
				(unsigned long long)h->events[i].seq);
		else if (rc < 0)
			rc = err_nomem(err);
	}
	view_release(&v);
	return rc;
}

static int check_lines(const struct history *h, bool newest, bool *ended, struct pawl_error *err)
{
	const struct event *last = h->count ? &h->events[h->count - 1] : NULL;

	if (!last || h->torn_bytes)
		return err_set(err, PAWL_ECORRUPT, "%s", last ? "its end is torn" : "it is empty");
	if (h->events[0].type != EVENT_ExecutionStarted)
		return err_set(err, PAWL_ECORRUPT, "it does not begin with ExecutionStarted");
	*ended = event_type_class(last->type) & EVENT_END;
	if (!newest && !*ended)
		return err_set(err, PAWL_ECORRUPT, "it has no end, but a later execution is there");
	return newest && last->type == EVENT_ExecutionContinuedAsNew ?
		err_set(err, PAWL_ECORRUPT, "it was continued, but the next execution is not there") : 0;
}

static int check_history(const struct bundle *b, uint64_t number, uint64_t count, bool *named, bool *ended, struct pawl_error *err)
{
	const struct bundle_file *f = find_history(b, number);
	struct history h;

	if (!f)
		return err_set(err, PAWL_ECORRUPT, "'%s' has no history of execution %llu", b->id,
			(unsigned long long)number);
	history_init(&h);
	int rc = history_parse(&h, slice_make(f->data, f->len), err);
	if (rc == 0)
		rc = check_lines(&h, number == count, ended, err);
	if (rc == 0)
		rc = check_fold(&h, err);
	if (rc == 0)
		rc = check_payloads(b, &h, named, err);
	history_release(&h);
	return rc < 0 ? err_wrap(err, "'%s' is damaged: %s", b->id, f->name) : 0;
}

static uint64_t count_histories(const struct bundle *b)
{
	uint64_t count = 0;

	for (size_t i = 0; i < b->count; i++)
		count += history_number(slice_of(b->files[i].name)) > 0;
	return count;
}

int bundle_check(const struct bundle *b, bool *ended, struct pawl_error *err)
{
	uint64_t count = count_histories(b);
	bool *named = calloc(b->count + 1, sizeof(*named));
	int rc = named ? 0 : err_nomem(err);

	if (rc == 0 && count == 0)
		rc = err_set(err, PAWL_ECORRUPT, "'%s' has no history", b->id);
	for (uint64_t n = 1; rc == 0 && n <= count; n++)
		rc = check_history(b, n, count, named, ended, err);
	for (size_t i = 0; rc == 0 && i < b->count; i++)
		if (!named[i] && !history_number(slice_of(b->files[i].name)))
			rc = err_set(err, PAWL_ECORRUPT, "'%s' has a file '%s' that no history names", b->id,
				b->files[i].name);
	free(named);
	return rc;
}

int bundle_import(const struct bundle *b, bool ended, struct pawl_provider *p, struct pawl_error *err)
{
	uint64_t count = count_histories(b);
	struct pawl_import_history *histories = calloc((size_t)count, sizeof(*histories));
	struct pawl_spill *spills = calloc(b->count + 1, sizeof(*spills));
	struct pawl_import in = { b->id, histories, (size_t)count, spills, 0, ended };
	int rc = histories && spills ? 0 : err_nomem(err);

	for (size_t i = 0; rc == 0 && i < b->count; i++) {
		const struct bundle_file *f = &b->files[i];
		uint64_t number = history_number(slice_of(f->name));
		if (number)
			histories[number - 1] = (struct pawl_import_history){ f->data, f->len };
		else
			spills[in.spill_count++] = (struct pawl_spill){ b->id, f->name, f->data, f->len };
	}
	if (rc == 0 && !p->ops->import)
		rc = err_set(err, PAWL_EUNSUPPORTED, "provider '%s' cannot import", p->ops->name);
	if (rc == 0)
		rc = p->ops->import(p, &in, err);
	free(histories);
	free(spills);
	return rc;
}
