/*
 * The journal: any bytes as segments of a hub that has instances. A start never fails because of them (but for what only a newer pawl writes), crashes or leaks, what is
 * not named in them is as it was, a second start changes nothing more, and the hub goes on: a commit after it is there after
 * the next start. Pieces: a byte of flags and the number of the segment, then its bytes:
 *
 *	a header of 64 bytes, then frames one behind the other (in the file they begin at 4096, each at a multiple of 8)
 *
 * The flags say what is set right, as no fuzzer guesses a checksum: H the header (its checksum and the hub's id), F each
 * frame's salt, length and checksum, R each record's checksum, L the lsn of the frames: 1, 2, 3 ... over all pieces. With Z
 * the file's name has a zero in front of the number, which is no segment's name.
 */
#include "fuzz.h"
#include "base/crc32c.h"
#include "base/text.h"
#include "history/history.h"

#define SEGMENT_MAX 32768u
#define FRAMES_AT 4096u
#define HEADER 64u
#define FRAME_HEAD 48u
#define RECORD_HEAD 28u
#define IDS_MAX 64
#define LINE 6000u
#define LINES 8u

enum { FIX_HEADER = 1, FIX_FRAME = 2, FIX_RECORD = 4, FIX_LSN = 8 };

static void put(unsigned char *p, uint64_t n, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		p[i] = (unsigned char)(n >> 8 * i);
}

static uint64_t get(const unsigned char *p, unsigned bytes)
{
	uint64_t n = 0;

	while (bytes--)
		n = n << 8 | p[bytes];
	return n;
}

static unsigned flags_of(struct slice piece)
{
	unsigned flags = 0;

	for (size_t i = 1; i < piece.len; i++)
		flags |= piece.data[i] == 'H' ? FIX_HEADER : piece.data[i] == 'F' ? FIX_FRAME : piece.data[i] == 'R' ? FIX_RECORD : piece.data[i] == 'L' ? FIX_LSN : 0;
	return flags;
}

/* ---- setting right ---- */

static uint8_t hub_id[16];

static void read_hub_id(struct fuzz_hub *h)
{
	size_t len;
	char *text = fuzz_read(h, FUZZ_HUB "/FORMAT", &len), *id = text ? strstr(text, "id ") : NULL;

	must(id);
	for (int i = 0; i < 16; i++) {
		unsigned byte;
		must(sscanf(id + 3 + 2 * i, "%2x", &byte) == 1);
		hub_id[i] = (uint8_t)byte;
	}
	free(text);
}

static void fix_header(unsigned char *p)
{
	memcpy(p, "PAWLJRNL", 8);
	put(p + 8, 1, 4);
	memcpy(p + 48, hub_id, 16);
	p[31] = p[30] = p[47] = p[46] = 0; /* what is counted one by one is never near the end of 64 bits: generation, checkpoint */
	put(p + 12, crc32c(crc32c(0, p, 12), p + 16, HEADER - 16), 4);
}

static void fix_records(unsigned char *p, size_t left)
{
	while (left >= RECORD_HEAD) {
		size_t id = get(p + 2, 2), data = get(p + 4, 4);
		if (id > left - RECORD_HEAD)
			return;
		put(p + 24, crc32c(crc32c(0, p, 24), p + RECORD_HEAD, id), 4);
		if (data > left - RECORD_HEAD - id)
			return;
		p += RECORD_HEAD + id + data;
		left -= RECORD_HEAD + id + data;
	}
}

static uint64_t lsn;

/* The bytes of one frame in the input: up to the next magic word, if its length is not right. */
static size_t fix_frame(unsigned char *p, size_t left, const unsigned char *header, unsigned flags)
{
	size_t len = get(p + 40, 4);

	if (len > left - FRAME_HEAD) {
		len = left - FRAME_HEAD;
		if (flags & FIX_FRAME)
			put(p + 40, len, 4);
	}
	if (flags & FIX_RECORD)
		fix_records(p + FRAME_HEAD, len);
	if (flags & FIX_LSN)
		put(p + 16, ++lsn, 8);
	if (flags & FIX_FRAME) {
		p[23] = p[22] = p[39] = p[38] = 0; /* lsn, checkpoint: as in a header */
		memcpy(p + 8, header + 16, 8);
		if (p[47] < 3 || p[47] > 12)
			p[47] = 3;
		put(p + 4, crc32c(0, p + 8, FRAME_HEAD - 8 + len), 4);
	}
	return FRAME_HEAD + len;
}

/* What the file of a segment holds. */
static size_t expand(unsigned char *out, struct slice bytes, unsigned flags)
{
	size_t head = bytes.len < HEADER ? bytes.len : HEADER, at = FRAMES_AT;
	const unsigned char *in = (const unsigned char *)bytes.data + head;
	size_t left = bytes.len - head;

	memset(out, 0, SEGMENT_MAX);
	memcpy(out, bytes.data, head);
	if (flags & FIX_HEADER)
		fix_header(out);
	left = left > SEGMENT_MAX - FRAMES_AT ? SEGMENT_MAX - FRAMES_AT : left;
	while (left > 0) {
		unsigned char *to = out + at;
		size_t room = SEGMENT_MAX - at < left ? SEGMENT_MAX - at : left;
		memcpy(to, in, room);
		size_t n = room >= FRAME_HEAD && memcmp(to, "PWFR", 4) == 0 ? fix_frame(to, room, out, flags) : room;
		memset(to + n, 0, room - n);
		size_t step = to[47] > 3 && to[47] <= 12 && n >= FRAME_HEAD ? (size_t)1 << to[47] : 8;
		in += n;
		left -= n;
		at += (n + step - 1) / step * step;
		if (at >= SEGMENT_MAX)
			break;
	}
	return SEGMENT_MAX;
}

static bool add_segment(struct fuzz_hub *h, struct pieces *p)
{
	static unsigned char file[SEGMENT_MAX];
	struct slice head, bytes;
	char path[64];

	if (!pieces_next(p, &head) || !pieces_next(p, &bytes) || head.len < 1)
		return false;
	size_t len = expand(file, bytes, flags_of(head));
	if (head.data[0] == 's') /* cut off somewhere */
		len = FRAMES_AT + bytes.len < len ? FRAMES_AT + bytes.len : len;
	snprintf(path, sizeof(path), FUZZ_HUB "/journal/%s%u.segment", memchr(head.data, 'Z', head.len) ? "0" : "", (unsigned)head.data[0] % 4);
	return fuzz_write(h, path, slice_make(file, len)) == 0;
}

/* ---- what must hold ---- */

struct instance {
	char id[TEXT_INSTANCE_ID_MAX + 1];
	char *text;
	size_t len;
	int rc;
	uint64_t execution;
	bool damaged;
};

struct state {
	struct pawl_provider *p;
	struct instance items[IDS_MAX];
	size_t count;
};

static int add_instance(void *arg, const char *id)
{
	struct state *s = arg;
	struct instance *i = &s->items[s->count];
	struct pawl_error err = { 0 };

	must(text_is_instance_id(slice_of(id)));
	if (s->count == IDS_MAX)
		return 0;
	s->count++;
	*i = (struct instance){ .text = NULL };
	snprintf(i->id, sizeof(i->id), "%s", id);
	i->rc = s->p->ops->read(s->p, id, 0, &i->text, &i->len, &i->execution, &err);
	must(i->rc == 0 || err.text[0]);
	char *note = s->p->ops->read_note(s->p, id, &i->damaged);
	must(!i->damaged || (note && note[0]));
	free(note);
	if (i->rc == 0) {
		struct history h;
		history_init(&h);
		err = (struct pawl_error){ 0 };
		must(history_parse(&h, slice_make(i->text, i->len), &err) == 0 || err.text[0]);
		history_release(&h);
	}
	return 0;
}

static void take_state(struct state *s, struct pawl_provider *p)
{
	struct pawl_error err = { 0 };

	*s = (struct state){ .p = p };
	must(p->ops->scan(p, false, add_instance, s, &err) == 0);
	must(p->ops->scan(p, true, add_instance, s, &err) == 0);
}

static struct instance *find(struct state *s, const char *id)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->items[i].id, id) == 0)
			return &s->items[i];
	return NULL;
}

static void free_state(struct state *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->items[i].text);
}

static bool same(const struct instance *a, const struct instance *b)
{
	return b && a->rc == b->rc && a->damaged == b->damaged && (a->rc || ((a->execution == b->execution || a->len == 0) && a->len == b->len && memcmp(a->text, b->text, a->len) == 0));
}

static void show(const struct instance *was, const struct instance *is)
{
	fprintf(stderr, "'%s': was %d, execution %llu, damaged %d, %zu bytes\n%.*s\n", was->id, was->rc, (unsigned long long)was->execution, was->damaged, was->len, (int)was->len, was->text ? was->text : "");
	if (is)
		fprintf(stderr, "'%s': is %d, execution %llu, damaged %d, %zu bytes\n%.*s\n", is->id, is->rc, (unsigned long long)is->execution, is->damaged, is->len, (int)is->len, is->text ? is->text : "");
}

/* A start that finds all in order changes nothing. */
static void is_settled(struct state *before, struct state *after)
{
	for (size_t i = 0; i < before->count; i++) {
		struct instance *is = find(after, before->items[i].id);
		if (!same(&before->items[i], is))
			show(&before->items[i], is);
		must(same(&before->items[i], is));
	}
	must(before->count == after->count);
}

static void maintain(struct fuzz_hub *h)
{
	struct pawl_error err = { 0 };
	struct pawl_job *job = NULL;
	int rc = 1;

	for (int n = 0; n < 100 && rc > 0; n++, job = NULL) {
		rc = h->p->ops->maintain(h->p, true, &job, &err);
		if (job)
			(void)(job->run(job), job->end(job, &err));
	}
}

/* 0, or PAWL_EEXISTS: the input has made it. */
static int add_line(struct fuzz_hub *h, uint64_t offset)
{
	static char line[LINE];
	struct pawl_record record = { .instance = "fresh", .execution = 1, .offset = offset, .data = line, .len = sizeof(line), .create = offset == 0 };
	struct pawl_batch batch = { .records = &record, .record_count = 1 };
	struct pawl_error err = { 0 };

	memset(line, 'a' + (int)(offset / LINE), sizeof(line) - 1);
	line[sizeof(line) - 1] = '\n';
	int rc = pawl_provider_commit(h->p, &batch, &err);
	for (int n = 0; rc == PAWL_EBUSY && n < 8; n++) {
		maintain(h);
		rc = pawl_provider_commit(h->p, &batch, &err);
	}
	if (rc < 0)
		fprintf(stderr, "commit at %llu: %d %s\n", (unsigned long long)offset, rc, err.text);
	must(rc == 0 || (rc == PAWL_EEXISTS && offset == 0));
	return rc;
}

/* More than one segment takes, and the power goes. */
static void goes_on(struct fuzz_hub *h)
{
	struct pawl_error err = { 0 };
	uint64_t which;
	size_t len = 0;
	char *text = NULL;

	for (unsigned i = 0; i < LINES; i++)
		if (add_line(h, i * LINE) < 0)
			return;
	fuzz_hub_close(h);
	os_sim_power_cut(h->sim, &(struct os_sim_cut){ OS_SIM_DROP_ALL, 1, 0 });
	h->user = os_sim_os_process(h->sim, 7);
	fuzz_hub_open(h);
	must(h->p->ops->read(h->p, "fresh", 1, &text, &len, &which, &err) == 0);
	must(len == LINES * LINE);
	for (unsigned i = 0; i < LINES; i++)
		must(text[i * LINE] == 'a' + (int)i && text[(i + 1) * LINE - 2] == 'a' + (int)i);
	free(text);
}

static void fill(struct pawl_provider *p)
{
	fuzz_hub_put(p, "a", false, (const char *const[]){ FUZZ_STARTED, NULL });
	fuzz_hub_put(p, "b", false, (const char *const[]){ FUZZ_STARTED, "{\"seq\":2,\"type\":\"ActivityScheduled\",\"name\":\"x\"}", NULL });
	fuzz_hub_put(p, "bystander", false, (const char *const[]){ FUZZ_STARTED, NULL });
	fuzz_hub_put(p, "old", true, (const char *const[]){ FUZZ_STARTED, "{\"seq\":2,\"type\":\"ExecutionCompleted\"}", NULL });
}

static bool names(const uint8_t *data, size_t size, const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; i + n <= size; i++)
		if (memcmp(data + i, word, n) == 0)
			return true;
	return false;
}

/* As its owner. What only a newer pawl can have written is refused. */
static bool opens(struct fuzz_hub *h)
{
	struct pawl_provider_options options = { .hub = FUZZ_HUB, .journal_bytes = 32768, .journal_segments = 2,
		.message_bytes_max = 65536, .os = os_sim_os(h->sim) };
	struct pawl_error err = { 0 };

	must(pawl_provider_fs.open(&options, &h->p, &err) == 0);
	int rc = h->p->ops->acquire(h->p, &err);
	if (rc < 0 && rc != PAWL_EUNSUPPORTED)
		fuzz_fail(__FILE__, __LINE__, err.text);
	return rc == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pieces p = pieces_of(data, size);
	struct state first, second, reader;
	struct fuzz_hub h;

	lsn = 0;
	fuzz_hub_init(&h, fill);
	read_hub_id(&h);
	for (int n = 0; n < 4 && add_segment(&h, &p); n++)
		;
	/* somebody who only looks */
	struct pawl_provider_options look = { .hub = FUZZ_HUB, .read_only = true, .os = os_sim_os(h.sim) };
	struct pawl_error err = { 0 };
	must(pawl_provider_fs.open(&look, &h.p, &err) == 0);
	take_state(&reader, h.p);
	fuzz_hub_close(&h);

	if (!opens(&h)) {
		free_state(&reader);
		fuzz_hub_release(&h);
		return 0;
	}
	maintain(&h); /* which of the executions is the newest shows in the files, where numbers are left out */
	take_state(&first, h.p);
	if (!names(data, size, "bystander")) {
		struct instance *i = find(&first, "bystander"), *was = find(&reader, "bystander");
		must(i && i->rc == 0 && !i->damaged && i->len > 100 && was && same(i, was));
	}
	fuzz_hub_close(&h);
	fuzz_hub_open(&h);
	take_state(&second, h.p);
	is_settled(&first, &second);
	goes_on(&h);
	free_state(&reader);
	free_state(&first);
	free_state(&second);
	fuzz_hub_release(&h);
	return 0;
}
