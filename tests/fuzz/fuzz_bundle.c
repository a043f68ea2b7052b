/*
 * Archives for `pawl import`. No bytes crash or hang the reader; what it refuses has a reason; what it takes is an instance that
 * a hub can hold: it is imported, read back as it was, and written again in both forms each of which reads the same.
 * The first byte says what the rest is: r: the archive as it stands; a: pieces, NAME and content, from which a tar is made,
 * with the checksums of the lines of what is called *.history set right.
 */
#include "fuzz.h"
#include "cli/bundle.h"

#define INSTANCES_MAX 64

static FILE *stream_of(struct slice s)
{
	FILE *f = s.len ? fmemopen((void *)(uintptr_t)s.data, s.len, "rb") : tmpfile();

	must(f);
	return f;
}

/* What is not in an archive that pawl wrote is left as it is; the names decide. */
static void make_tar(struct buf *out, struct pieces *p)
{
	struct slice name, content;
	struct pawl_error err = { 0 };
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	must(f);
	must(bundle_write_head(f, false, &err) == 0);
	while (pieces_next(p, &name) && pieces_next(p, &content)) {
		char *path = piece_text(name);
		struct buf sealed = BUF_INIT;
		bool lines = strlen(path) > 8 && strcmp(path + strlen(path) - 8, ".history") == 0;
		if (lines)
			fuzz_seal(&sealed, content);
		else
			buf_add_slice(&sealed, content);
		if (tar_write(f, path, buf_str(&sealed), sealed.len, 1, &err) < 0)
			must(err.text[0]);
		buf_release(&sealed);
		free(path);
	}
	must(tar_write_end(f, &err) == 0);
	must(fclose(f) == 0);
	buf_add(out, text, len);
	free(text);
}

static bool same_bundle(const struct bundle *a, const struct bundle *b)
{
	if (strcmp(a->id, b->id) != 0 || a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		size_t k = 0;
		while (k < b->count && strcmp(a->files[i].name, b->files[k].name) != 0)
			k++;
		if (k == b->count || a->files[i].len != b->files[k].len || (a->files[i].len && memcmp(a->files[i].data, b->files[k].data, a->files[i].len) != 0))
			return false;
	}
	return true;
}

/* Written in this form and read again. */
static void goes_round(const struct bundle *b, bool text)
{
	struct bundle_reader r;
	struct bundle again;
	struct pawl_error err = { 0 };
	char *bytes = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&bytes, &len);

	must(f && bundle_write_head(f, text, &err) == 0);
	must(bundle_write(b, f, text, &err) == 0);
	must(bundle_write_end(f, text, &err) == 0 && fclose(f) == 0);
	f = stream_of(slice_make(bytes, len));
	must(bundle_open(&r, f, &err) == 0 && r.text == text);
	must(bundle_next(&r, &again, &err) == 1);
	must(same_bundle(b, &again));
	bundle_release(&again);
	must(bundle_next(&r, &again, &err) == 0);
	bundle_release(&again);
	bundle_close(&r);
	fclose(f);
	free(bytes);
}

static void is_in_hub(const struct bundle *b, struct fuzz_hub *h)
{
	struct bundle read;
	struct pawl_error err = { 0 };
	unsigned missing = 0;
	bool damaged = false;

	bundle_init(&read, b->id);
	must(bundle_read(&read, h->p, &missing, &err) == 0 && missing == 0);
	must(same_bundle(b, &read));
	free(h->p->ops->read_note(h->p, b->id, &damaged));
	must(!damaged);
	bundle_release(&read);
}

static void import(const struct bundle *b, struct fuzz_hub *h)
{
	struct pawl_error err = { 0 };
	bool ended = false;

	if (bundle_check(b, &ended, &err) < 0) {
		must(err.text[0]);
		return;
	}
	int rc = bundle_import(b, ended, h->p, &err);
	if (rc < 0) {
		must(rc == PAWL_EEXISTS && strcmp(b->id, "taken") == 0);
		return;
	}
	is_in_hub(b, h);
	goes_round(b, false);
	goes_round(b, true);
	/* it is not for this start only */
	fuzz_hub_close(h);
	fuzz_hub_open(h);
	is_in_hub(b, h);
}

static void read_archive(struct slice s)
{
	struct bundle_reader r;
	struct pawl_error err = { 0 };
	struct fuzz_hub h = { .sim = NULL };
	FILE *f = stream_of(s);
	int rc = bundle_open(&r, f, &err), count = 0;

	while (rc >= 0 && count++ < INSTANCES_MAX) {
		struct bundle b;
		rc = bundle_next(&r, &b, &err);
		if (rc > 0) {
			if (!h.sim) {
				fuzz_hub_init(&h, NULL);
				fuzz_hub_open(&h);
				fuzz_hub_put(h.p, "taken", false, (const char *const[]){ FUZZ_STARTED, NULL });
			}
			import(&b, &h);
		}
		bundle_release(&b);
		if (rc == 0)
			break;
	}
	must(rc >= 0 || err.text[0]);
	bundle_close(&r);
	fclose(f);
	if (h.sim)
		fuzz_hub_release(&h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf tar = BUF_INIT;

	if (size == 0)
		return 0;
	if (data[0] == 'a') {
		struct pieces p = pieces_of(data + 1, size - 1);
		make_tar(&tar, &p);
		read_archive(buf_slice(&tar));
	} else {
		read_archive(slice_make(data + 1, size - 1));
	}
	buf_release(&tar);
	return 0;
}
