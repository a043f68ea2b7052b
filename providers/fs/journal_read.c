/*
 * journal_read.c - what the journal says: all records that count, and what is not as it should be. It writes nothing; a
 * runtime may be appending meanwhile. The layout is in journal.c.
 */
#include "base/crc32c.h"
#include "fs.h"
#include "journal_frame.h"
#include <errno.h>
#include <stdlib.h>

#define FOREIGN_BYTES (2u << 30) /* journal.segment_bytes is at most half of it */

struct frame_head {
	uint64_t lsn, durable, checkpoint;
	uint32_t len, records;
	unsigned align;
};

static bool frame_parse(const char *p, size_t left, uint64_t salt, struct frame_head *h)
{
	if (left < FRAME_HEAD || memcmp(p, FRAME_MAGIC, 4) != 0 || get64(p + 8) != salt)
		return false;
	*h = (struct frame_head){ get64(p + 16), get64(p + 24), get64(p + 32), get32(p + 40),
		get32(p + 44) & 0xffffff, get32(p + 44) >> 24 };
	if (h->len > left - FRAME_HEAD || h->align < 3 || h->align > 12)
		return false;
	return get32(p + 4) == crc32c(0, p + 8, FRAME_HEAD - 8 + h->len);
}

static enum header_verdict header_parse(const char *block, size_t len, const struct journal *j, struct segment *s)
{
	static const char zeros[HEADER_SIZE];

	if (len < HEADER_SIZE || memcmp(block, zeros, HEADER_SIZE) == 0)
		return HEADER_UNUSED;
	if (memcmp(block, HEADER_MAGIC, 8) != 0 || get32(block + 12) != crc32c(crc32c(0, block, 12), block + 16, HEADER_SIZE - 16))
		return HEADER_BAD;
	if (get32(block + 8) > JOURNAL_VERSION)
		return HEADER_NEWER;
	if (get32(block + 8) != JOURNAL_VERSION || get64(block + 24) == 0)
		return HEADER_BAD;
	if (memcmp(block + 48, j->hub_id, 16) != 0)
		return HEADER_FOREIGN;
	s->salt = get64(block + 16);
	s->generation = get64(block + 24);
	s->checkpoint = get64(block + 40);
	return HEADER_GOOD;
}

/* What grew to this by somebody else's hand is read as far as it was written: 32 bits do not hold it, nor do small memories. */
uint64_t segment_bytes_used(const struct journal *j, int fd, uint64_t size)
{
	char block[HEADER_SIZE];
	struct segment seen;

	if (size < FOREIGN_BYTES)
		return size;
	ssize_t n = j->os->pread(j->os->self, fd, block, sizeof(block), 0);
	enum header_verdict verdict = header_parse(block, n < 0 ? 0 : (size_t)n, j, &seen);
	uint64_t told = verdict == HEADER_GOOD || verdict == HEADER_FOREIGN ? get64(block + 32) : j->segment_bytes;

	return told < FOREIGN_BYTES ? told : FOREIGN_BYTES;
}

static int text_add_record(struct journal_text *t, const struct journal_record *r)
{
	if (t->record_count == t->record_cap) {
		size_t cap = t->record_cap ? t->record_cap * 2 : 256;
		struct journal_record *grown = realloc(t->records, cap * sizeof(*grown));
		if (!grown)
			return PAWL_ENOMEM;
		t->records = grown;
		t->record_cap = cap;
	}
	t->records[t->record_count++] = *r;
	return 0;
}

static int text_add_damage(struct journal_text *t, unsigned segment, uint64_t offset, uint64_t len, uint64_t before_lsn)
{
	if (t->damage_count == t->damage_cap) {
		size_t cap = t->damage_cap ? t->damage_cap * 2 : 8;
		struct journal_damage *grown = realloc(t->damage, cap * sizeof(*grown));
		if (!grown)
			return PAWL_ENOMEM;
		t->damage = grown;
		t->damage_cap = cap;
	}
	t->damage[t->damage_count++] = (struct journal_damage){ segment, offset, len, before_lsn };
	return 0;
}

static bool record_is_whole(const char *p, size_t left)
{
	size_t id_len = left < RECORD_HEAD ? 0 : get16(p + 2);

	return left >= RECORD_HEAD && id_len <= left - RECORD_HEAD && get32(p + 24) == crc32c(crc32c(0, p, 24), p + RECORD_HEAD, id_len);
}

/* A record's head has a checksum of its own, so that also a damaged frame tells whose lines were in it. */
static bool record_parse(const char *p, size_t left, const struct frame_head *h, uint64_t generation, struct journal_record *r, size_t *size)
{
	if (left < RECORD_HEAD || p[0] < RECORD_APPEND || p[0] > RECORD_PRUNE || !record_is_whole(p, left))
		return false;
	size_t id_len = get16(p + 2);
	*r = (struct journal_record){ .kind = (enum record_kind)(unsigned char)p[0], .flags = (unsigned char)p[1],
		.execution = get64(p + 8), .offset = get64(p + 16), .lsn = h->lsn, .generation = generation,
		.id = slice_make(p + RECORD_HEAD, id_len), .data = slice_make(p + RECORD_HEAD + id_len, get32(p + 4)) };
	*size = RECORD_HEAD + id_len + r->data.len;
	return text_is_instance_id(r->id);
}

/* The frame's checksum was good, so the records are what was written; the checks are against a bug, not a disk. Of a kind
 * that is not known yet: a newer pawl had the hub, and what it meant is not damage. */
static int frame_records(struct journal_text *t, const char *p, const struct frame_head *h, uint64_t generation)
{
	struct journal_record r;
	size_t left = h->len, size;

	for (uint32_t i = 0; i < h->records; i++) {
		if (!record_parse(p, left, h, generation, &r, &size) || size > left) {
			t->newer |= record_is_whole(p, left) && (unsigned char)p[0] > RECORD_PRUNE;
			return PAWL_ECORRUPT;
		}
		int rc = text_add_record(t, &r);
		if (rc < 0)
			return rc;
		p += size;
		left -= size;
	}
	return 0;
}

/* The records of damaged frames, as lost: with no bytes that can be trusted. */
static int salvage(struct journal_text *t, const char *p, size_t len, const struct frame_head *h, uint64_t generation)
{
	struct journal_record r;
	size_t at = 0, size;

	while (at < len) {
		if (!record_parse(p + at, len - at, h, generation, &r, &size)) {
			at++;
			continue;
		}
		r.lost = r.kind == RECORD_APPEND;
		int rc = text_add_record(t, &r);
		if (rc < 0)
			return rc;
		at += size < len - at ? size : len - at;
	}
	return 0;
}

/* Where the next good frame of this use of the segment begins, or len. */
static size_t segment_resync(const char *text, size_t at, size_t len, uint64_t salt)
{
	struct frame_head h;

	for (; at + FRAME_HEAD <= len; at += 8)
		if (text[at] == FRAME_MAGIC[0] && frame_parse(text + at, len - at, salt, &h))
			return at;
	return len;
}

static int segment_frames(struct segment *s, const char *text, size_t len, struct journal_text *t)
{
	struct frame_head h;
	size_t at = FRAME_AREA;

	while (at < len) {
		if (!frame_parse(text + at, len - at, s->salt, &h)) {
			size_t next = segment_resync(text, at + 8, len, s->salt);
			if (next == len)
				break; /* a torn tail, or what was there before */
			(void)frame_parse(text + next, len - next, s->salt, &h);
			if (text_add_damage(t, s->number, at, next - at, h.lsn) < 0)
				return PAWL_ENOMEM;
			h.lsn--;
			if (salvage(t, text + at, next - at, &h, s->generation) < 0)
				return PAWL_ENOMEM;
			at = next;
			continue;
		}
		int rc = frame_records(t, text + at + FRAME_HEAD, &h, s->generation);
		if (rc == PAWL_ECORRUPT)
			rc = text_add_damage(t, s->number, at, h.len, h.lsn);
		if (rc < 0)
			return rc;
		s->frames++;
		s->last_lsn = h.lsn;
		if (h.lsn > t->max_lsn)
			t->max_lsn = h.lsn;
		if (h.checkpoint > t->checkpoint_lsn)
			t->checkpoint_lsn = h.checkpoint;
		at += frame_size(h.align, h.len);
		at = (at + 7) & ~(size_t)7;
	}
	s->pos = at < len ? at : len; /* a file that was cut may lack the last frame's padding */
	return 0;
}

/*
 * Behind the last good frame of a segment: a torn write, or, when later frames are elsewhere, damage. If its head can be
 * read, its records are lost ones; a newer frame of the same lsn outdoes them (text_settle).
 */
static int segment_tail(const struct segment *s, const char *text, struct journal_text *t)
{
	const char *p = text + s->pos;
	size_t left = (size_t)(s->size - s->pos);
	struct frame_head h;

	if (s->pos < FRAME_AREA || s->last_lsn >= t->max_lsn || left < FRAME_HEAD || memcmp(p, FRAME_MAGIC, 4) != 0 || get64(p + 8) != s->salt)
		return 0;
	h = (struct frame_head){ .lsn = get64(p + 16), .len = get32(p + 40) };
	if (h.len > left - FRAME_HEAD || h.lsn >= t->max_lsn || (s->last_lsn && h.lsn != s->last_lsn + 1))
		return 0;
	return salvage(t, p + FRAME_HEAD, h.len, &h, s->generation);
}

/* The salt of the first frame that is good by itself. */
static bool segment_guess_salt(const char *text, size_t len, uint64_t *salt)
{
	struct frame_head h;

	for (size_t at = FRAME_AREA; at + FRAME_HEAD <= len; at += 8) {
		*salt = get64(text + at + 8);
		if (text[at] == FRAME_MAGIC[0] && frame_parse(text + at, len - at, *salt, &h))
			return true;
	}
	return false;
}

/*
 * A good header, but the first frame is of another use of the segment. Of an earlier one: then the header says that it need not
 * be there. If it does not say so, it is older than the frames: their own header, which was synced before the first of
 * them, is not on the disk.
 */
static bool segment_lost_header(struct segment *s, const char *text, size_t len)
{
	struct frame_head h;
	uint64_t salt;

	if (len < FRAME_AREA + FRAME_HEAD)
		return false;
	salt = get64(text + FRAME_AREA + 8);
	if (salt == s->salt || !frame_parse(text + FRAME_AREA, len - FRAME_AREA, salt, &h) || h.lsn < s->checkpoint)
		return false;
	s->salt = salt;
	return true;
}

static int segment_read(struct journal *j, struct segment *s, struct journal_text *t, struct pawl_error *err)
{
	char *text = malloc((size_t)s->size + 1), **blocks = realloc(t->blocks, (t->count + 1) * sizeof(*blocks));

	if (blocks)
		t->blocks = blocks;
	if (!text || !blocks) {
		free(text);
		return err_nomem(err);
	}
	t->blocks[t->count++] = text;
	ssize_t n = j->os->pread(j->os->self, s->fd, text, (size_t)s->size, 0);
	if (n < 0)
		return err_sys(err, (int)-n, "cannot read journal segment %u", s->number);
	memset(text + n, 0, (size_t)s->size - (size_t)n); /* it may have become shorter since it was opened */
	s->last_lsn = s->generation = s->pos = s->checkpoint = s->frames = 0;
	s->header = header_parse(text, (size_t)n, j, s);
	t->foreign |= s->header == HEADER_FOREIGN;
	t->newer |= s->header == HEADER_NEWER;
	if (s->header == HEADER_FOREIGN || s->header == HEADER_NEWER)
		return 0;
	if (s->header != HEADER_GOOD) {
		/* Never used; or torn when the segment was taken again: then the frames of the earlier use are all there,
		 * and replaying them changes nothing; or damaged later. In each case the first good frame tells the salt. */
		if (!segment_guess_salt(text, (size_t)n, &s->salt))
			return 0;
	} else if (segment_lost_header(s, text, (size_t)n) && text_add_damage(t, s->number, 0, FRAME_AREA, 0) < 0) {
		return err_nomem(err);
	}
	if (s->checkpoint > t->checkpoint_lsn)
		t->checkpoint_lsn = s->checkpoint;
	if (s->generation > t->max_generation)
		t->max_generation = s->generation;
	return segment_frames(s, text, (size_t)n, t) < 0 ? err_nomem(err) : 0;
}

static int record_order(const void *va, const void *vb)
{
	const struct journal_record *a = va, *b = vb;

	if (a->lsn != b->lsn)
		return a->lsn < b->lsn ? -1 : 1;
	if (a->generation != b->generation)
		return a->generation < b->generation ? -1 : 1;
	return a->data.data < b->data.data ? -1 : a->data.data > b->data.data;
}

static void text_add_lost(struct journal_text *t, uint64_t from, uint64_t to)
{
	if (t->lost_frames == 0 || from < t->first_lost)
		t->first_lost = from;
	t->lost_frames += to - from;
}

/* Of two frames with one lsn (the sync of the first had failed) the newer one counts. */
static void text_newest_only(struct journal_text *t)
{
	size_t kept = 0;

	for (size_t i = 0; i < t->record_count; i++) {
		struct journal_record r = t->records[i];
		while (kept > 0 && t->records[kept - 1].lsn == r.lsn && t->records[kept - 1].generation < r.generation)
			kept--;
		t->records[kept++] = r;
	}
	t->record_count = kept;
}

/* Frames that are missing in front of those that count, and between them. The first of all has lsn 1. */
static void text_count_lost(struct journal_text *t)
{
	uint64_t next = t->checkpoint_lsn ? t->checkpoint_lsn : 1;

	for (size_t i = 0; i < t->record_count; i++) {
		if (t->records[i].lsn > next)
			text_add_lost(t, next, t->records[i].lsn);
		next = t->records[i].lsn + 1;
	}
}

/*
 * The frames below the checkpoint that are still there, without a gap up to it. All that came after them is known, so they
 * say what the checkpoint must have brought to the disk.
 */
static int text_take_old(struct journal_text *t, size_t first)
{
	uint64_t lsn = t->checkpoint_lsn;
	size_t from = first;

	for (; from > 0 && t->records[from - 1].lsn + 1 >= lsn && !t->records[from - 1].lost; from--)
		lsn = t->records[from - 1].lsn;
	t->old_count = first - from;
	if (!t->old_count)
		return 0;
	t->old = malloc(t->old_count * sizeof(t->old[0]));
	if (!t->old)
		return PAWL_ENOMEM;
	memcpy(t->old, t->records + from, t->old_count * sizeof(t->old[0]));
	return 0;
}

/* Keep what counts: what is not below the checkpoint. */
static int text_settle(struct journal_text *t)
{
	size_t first = 0;

	if (t->record_count > 0)
		qsort(t->records, t->record_count, sizeof(t->records[0]), record_order);
	text_newest_only(t);
	while (first < t->record_count && t->records[first].lsn < t->checkpoint_lsn)
		first++;
	int rc = text_take_old(t, first);
	t->record_count -= first;
	if (first)
		memmove(t->records, t->records + first, t->record_count * sizeof(t->records[0]));
	text_count_lost(t);
	return rc;
}

int journal_read(struct journal *j, struct journal_text *t, struct pawl_error *err)
{
	*t = (struct journal_text){ 0 };
	for (unsigned i = 0; i < j->blocked_count; i++)
		if (text_add_damage(t, j->blocked[i], 0, 0, 0) < 0)
			return err_nomem(err);
	for (unsigned i = 0; i < SEGMENTS_MAX; i++) {
		if (j->segments[i].state == SEGMENT_NONE)
			continue;
		int rc = segment_read(j, &j->segments[i], t, err);
		if (rc < 0)
			return rc == PAWL_ENOMEM ? err_nomem(err) : rc;
	}
	if (t->newer)
		return err_set(err, PAWL_EUNSUPPORTED, "the journal has what only a newer pawl can read: run the pawl that wrote it; nothing was changed");
	size_t block = 0;
	for (unsigned i = 0; i < SEGMENTS_MAX; i++)
		if (j->segments[i].state != SEGMENT_NONE && segment_tail(&j->segments[i], t->blocks[block++], t) < 0)
			return err_nomem(err);
	return text_settle(t) < 0 ? err_nomem(err) : 0;
}

void journal_text_cut(struct journal_text *t, uint64_t lsn)
{
	while (t->record_count && t->records[t->record_count - 1].lsn >= lsn)
		t->record_count--;
}

int journal_whose(struct journal *j, uint8_t id[16])
{
	int found = 0;

	for (unsigned i = 0; i < SEGMENTS_MAX; i++) {
		char block[HEADER_SIZE];
		struct segment s = { .number = 0 };
		if (j->segments[i].state == SEGMENT_NONE ||
		    j->os->pread(j->os->self, j->segments[i].fd, block, sizeof(block), 0) != (ssize_t)sizeof(block))
			continue;
		enum header_verdict v = header_parse(block, sizeof(block), j, &s);
		if (v != HEADER_GOOD && v != HEADER_FOREIGN)
			continue;
		if (found && memcmp(id, block + 48, 16) != 0)
			return PAWL_ECORRUPT;
		memcpy(id, block + 48, 16);
		found = 1;
	}
	return found;
}

void journal_text_release(struct journal_text *t)
{
	for (size_t i = 0; i < t->count; i++)
		free(t->blocks[i]);
	free(t->blocks);
	free(t->records);
	free(t->old);
	free(t->damage);
	*t = (struct journal_text){ 0 };
}
