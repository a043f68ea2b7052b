/*
 * journal.c - the commit journal: a few files that are filled with zeros once and reused for ever.
 *
 * A segment is a header block and then frames, each on an 8-byte boundary:
 *
 *	header  "PAWLJRNL" version:4 crc:4 salt:8 generation:8 size:8 checkpoint:8 hub:16   crc over all but itself
 *	frame   "PWFR" crc:4 salt:8 lsn:8 durable:8 checkpoint:8 len:4 records:3 align:1 payload   crc over all behind it
 *	record  kind:1 flags:1 idlen:2 len:4 execution:8 offset:8 crc:4 id data           crc over header and id
 *
 * Numbers are little endian. lsn counts frames. The salt is drawn anew each time a segment is taken, so what an earlier
 * use left behind is never mistaken for a frame. `durable`: all frames below that lsn were on stable storage when this
 * one was written; so a bad frame below the mark of any good one is damage, and one above it is the torn tail of a write
 * that nobody was told of. `checkpoint`: frames below it are in synced histories. `align`: the frame takes up a multiple
 * of 1 << align bytes.
 *
 * Taking a segment again writes its header and syncs it before the first frame: from then on the frames of its earlier
 * use are gone as a whole, and the header says that they need not be there.
 */
#include "base/crc32c.h"
#include "fs.h"
#include "journal_frame.h"
#include <errno.h>
#include <stdlib.h>

static void segment_path(char *path, unsigned number)
{
	snprintf(path, PATH_SIZE, "journal/%u.segment", number);
}

/* ---- making and taking segments ---- */

#define FILL_BYTES (64u << 10)

static int segment_fill(const struct os *os, int fd, uint64_t size)
{
	char *zeros = calloc(1, FILL_BYTES);
	ssize_t n = zeros ? 0 : -ENOMEM;

	(void)os->allocate(os->self, fd, size); /* only a hint: the zeros below make the blocks real everywhere */
	for (uint64_t at = 0; at < size && n >= 0; at += FILL_BYTES) {
		uint64_t left = size - at;
		n = os->pwrite(os->self, fd, zeros, left < FILL_BYTES ? (size_t)left : FILL_BYTES, at);
	}
	free(zeros);
	return n < 0 ? (int)n : os->sync(os->self, fd);
}

static int segment_create(struct journal *j, unsigned number, uint64_t size, struct pawl_error *err)
{
	IO_BECAUSE(IO_SEGMENT);
	char path[PATH_SIZE];

	segment_path(path, number);
	int fd = j->os->open(j->os->self, j->hub, path, OS_READ | OS_WRITE | OS_CREATE | OS_TRUNC, HUB_FILE_MODE);
	if (fd < 0)
		return err_sys(err, -fd, "cannot create journal segment '%s'", path);
	int rc = segment_fill(j->os, fd, size);
	if (rc >= 0)
		rc = os_sync_dir(j->os, j->hub, "journal");
	if (rc < 0) {
		j->os->close(j->os->self, fd);
		(void)j->os->unlink(j->os->self, j->hub, path);
		return err_sys(err, -rc, "cannot fill journal segment '%s'", path);
	}
	return fd;
}

static struct segment *segment_add(struct journal *j, unsigned number, int fd, uint64_t size)
{
	struct segment *s = NULL;

	for (unsigned i = 0; i < SEGMENTS_MAX && !s; i++)
		if (j->segments[i].state == SEGMENT_NONE)
			s = &j->segments[i];
	if (!s)
		return NULL;
	j->used++;
	*s = (struct segment){ .number = number, .state = SEGMENT_FREE, .fd = fd, .size = size };
	return s;
}

static unsigned journal_unused_number(const struct journal *j)
{
	unsigned number = 0;

	for (unsigned i = 0; i < SEGMENTS_MAX; i++)
		if (j->segments[i].state != SEGMENT_NONE && j->segments[i].number >= number)
			number = j->segments[i].number + 1;
	for (unsigned i = 0; i < j->blocked_count; i++)
		if (j->blocked[i] >= number)
			number = j->blocked[i] + 1;
	return number;
}

static void segment_drop(struct journal *j, struct segment *s)
{
	IO_BECAUSE(IO_SEGMENT);
	char path[PATH_SIZE];

	segment_path(path, s->number);
	j->os->close(j->os->self, s->fd);
	(void)j->os->unlink(j->os->self, j->hub, path);
	j->doomed -= s->doomed;
	j->used--;
	*s = (struct segment){ .state = SEGMENT_NONE };
}

static void segment_doom(struct journal *j, struct segment *s)
{
	j->doomed += !s->doomed;
	s->doomed = true;
}

/* What the disk knows to be checkpointed can go. */
static void journal_drop_doomed(struct journal *j, uint64_t told_checkpoint)
{
	for (unsigned i = 0; i < SEGMENTS_MAX && j->doomed; i++) {
		struct segment *s = &j->segments[i];
		if (s->state == SEGMENT_FREE && s->doomed && s->last_lsn < told_checkpoint)
			segment_drop(j, s);
	}
}

/* The free segment that was used longest ago: what an old one still holds must never outlive what a newer one said. */
static struct segment *segment_oldest_free(struct journal *j, uint64_t size)
{
	struct segment *best = NULL;

	for (unsigned i = 0; i < SEGMENTS_MAX; i++) {
		struct segment *s = &j->segments[i];
		if (s->state == SEGMENT_FREE && !s->broken && !s->doomed && s->size >= size && (!best || s->generation < best->generation))
			best = s;
	}
	return best;
}

static int segment_take(struct journal *j, struct segment *s, struct pawl_error *err)
{
	int rc = j->os->random(j->os->self, &s->salt, sizeof(s->salt));
	if (rc < 0)
		return err_sys(err, -rc, "cannot draw a salt for the journal");
	s->state = SEGMENT_ACTIVE;
	s->generation = ++j->generation;
	s->header_written = false;
	s->pos = FRAME_AREA;
	s->last_lsn = 0;
	j->active = s;
	return 0;
}

static void segment_retire(struct journal *j, bool broken)
{
	struct segment *s = j->active;

	s->broken = s->broken || broken;
	s->state = s->last_lsn == 0 && !broken ? SEGMENT_FREE : SEGMENT_FULL;
	j->active = NULL;
}

static unsigned journal_align(const struct journal *j)
{
	return j->pad ? 12 : 3;
}

/* A frame larger than a whole segment gets a file of its own, which goes when it has been checkpointed. */
static int journal_add_segment(struct journal *j, uint64_t size, struct pawl_error *err)
{
	if (j->used == SEGMENTS_MAX)
		return err_set(err, PAWL_EBUSY, "the journal has %u segments already", j->used);
	unsigned number = journal_unused_number(j);
	int fd = segment_create(j, number, size, err);
	if (fd < 0)
		return fd;
	return segment_take(j, segment_add(j, number, fd, size), err);
}

int journal_room(struct journal *j, size_t payload, struct pawl_error *err)
{
	uint64_t need = frame_size(journal_align(j), payload);

	if (j->active && j->active->pos + need <= j->active->size)
		return 0;
	if (need + FRAME_AREA > j->segment_bytes) {
		uint64_t size = (need + FRAME_AREA + 4095) & ~(uint64_t)4095;
		if (j->active)
			segment_retire(j, false);
		return journal_add_segment(j, size, err);
	}
	struct segment *s = segment_oldest_free(j, FRAME_AREA + need);
	if (!s && j->used - j->doomed < j->segment_count)
		; /* a broken one is to go: make up the number again */
	else if (!s)
		return err_set(err, PAWL_EBUSY, "all %u journal segments wait for a checkpoint", j->used);
	if (j->active)
		segment_retire(j, false);
	return s ? segment_take(j, s, err) : journal_add_segment(j, j->segment_bytes, err);
}

/* ---- writing ---- */

int frame_begin(struct buf *frame)
{
	static const char head[FRAME_HEAD];

	buf_reset(frame);
	buf_add(frame, head, sizeof(head));
	return buf_ok(frame) ? 0 : PAWL_ENOMEM;
}

size_t record_overhead(const char *id)
{
	return RECORD_HEAD + strlen(id);
}

static void frame_add(struct buf *frame, enum record_kind kind, unsigned flags, const char *id, uint64_t execution,
                      uint64_t offset, const void *data, size_t len)
{
	char head[RECORD_HEAD];
	size_t id_len = strlen(id);

	head[0] = (char)kind;
	head[1] = (char)flags;
	put16(head + 2, (uint16_t)id_len);
	put32(head + 4, (uint32_t)len);
	put64(head + 8, execution);
	put64(head + 16, offset);
	put32(head + 24, crc32c(crc32c(0, head, 24), id, id_len));
	buf_add(frame, head, sizeof(head));
	buf_add(frame, id, id_len);
	buf_add(frame, data, len);
}

void frame_add_append(struct buf *frame, const struct pawl_record *r)
{
	unsigned flags = (r->create ? RECORD_CREATE : 0u) | (r->end ? RECORD_END : 0u);

	frame_add(frame, RECORD_APPEND, flags, r->instance, r->execution, r->offset, r->data, r->len);
}

void frame_add_gone(struct buf *frame, enum record_kind kind, const char *id, uint64_t keep_from)
{
	frame_add(frame, kind, 0, id, keep_from, 0, "", 0);
}

/* Fill in the head for the active segment, and pad. */
void frame_finish(struct journal *j, struct buf *frame, size_t record_count)
{
	size_t payload = frame->len - FRAME_HEAD, pad = frame_size(journal_align(j), payload) - frame->len;

	if (!buf_reserve(frame, pad))
		return;
	memset(frame->data + frame->len, 0, pad);
	frame->len += pad;
	char *p = frame->data;
	memcpy(p, FRAME_MAGIC, 4);
	put64(p + 8, j->active->salt);
	put64(p + 16, j->next_lsn);
	put64(p + 24, j->next_lsn); /* one frame is under way at a time: all before it are durable */
	put64(p + 32, j->checkpoint_lsn);
	j->frame_checkpoint = j->checkpoint_lsn;
	put32(p + 40, (uint32_t)payload);
	put32(p + 44, (uint32_t)record_count | (uint32_t)journal_align(j) << 24);
	put32(p + 4, crc32c(0, p + 8, FRAME_HEAD - 8 + payload));
}

static int segment_write_header(const struct os *os, const struct segment *s, const struct journal *j, uint64_t checkpoint_lsn)
{
	IO_BECAUSE(IO_SEGMENT);
	char block[FRAME_AREA] = HEADER_MAGIC;

	put32(block + 8, JOURNAL_VERSION);
	put64(block + 16, s->salt);
	put64(block + 24, s->generation);
	put64(block + 32, s->size);
	put64(block + 40, checkpoint_lsn);
	memcpy(block + 48, j->hub_id, 16);
	put32(block + 12, crc32c(crc32c(0, block, 12), block + 16, HEADER_SIZE - 16));
	ssize_t n = os->pwrite(os->self, s->fd, block, sizeof(block), 0);
	return n < 0 ? (int)n : os->sync_data(os->self, s->fd);
}

int journal_write(const struct os *os, struct segment *s, const struct journal *j, const struct buf *frame)
{
	if (!s->header_written) {
		int rc = segment_write_header(os, s, j, j->frame_checkpoint); /* a checkpoint may end beside us */
		if (rc < 0)
			return rc;
	}
	ssize_t n = os->pwrite(os->self, s->fd, frame->data, frame->len, s->pos);
	return n < 0 ? (int)n : os->sync_data(os->self, s->fd);
}

int journal_tell_checkpoint(struct journal *j, struct pawl_error *err)
{
	int rc = journal_room(j, 0, err);

	if (rc < 0)
		return rc;
	rc = segment_write_header(j->os, j->active, j, j->checkpoint_lsn);
	if (rc < 0) {
		journal_failed(j);
		return err_sys(err, -rc, "cannot write to the journal");
	}
	j->active->header_written = true;
	journal_drop_doomed(j, j->checkpoint_lsn);
	return 0;
}

void journal_written(struct journal *j, size_t frame_len)
{
	struct segment *s = j->active;

	s->header_written = true;
	s->pos += frame_len;
	s->last_lsn = j->next_lsn++;
	if (j->doomed)
		journal_drop_doomed(j, j->frame_checkpoint);
}

/* I8: what the failed write or sync covered is in doubt for good. Its good frames count until the next checkpoint; the
 * next commit goes to another segment, under the same lsn. */
void journal_failed(struct journal *j)
{
	segment_retire(j, true);
}

void journal_free_upto(struct journal *j, uint64_t generation, uint64_t checkpoint_lsn)
{
	j->checkpoint_lsn = checkpoint_lsn;
	for (unsigned i = 0; i < SEGMENTS_MAX; i++) {
		struct segment *s = &j->segments[i];
		if (s->state != SEGMENT_FULL || s->generation > generation)
			continue;
		s->state = SEGMENT_FREE;
		if (s->broken || s->size != j->segment_bytes || j->used - j->doomed > j->segment_count)
			segment_doom(j, s);
	}
}

/* A power cut while a segment was made leaves a file that is too short; so does a smaller size in earlier options. */
void journal_sort_out(struct journal *j)
{
	for (unsigned i = 0; i < SEGMENTS_MAX; i++) {
		struct segment *s = &j->segments[i];
		if (s->state != SEGMENT_FREE || s->size >= j->segment_bytes)
			continue;
		segment_doom(j, s);
		if (s->generation == 0 && s->last_lsn == 0)
			segment_drop(j, s); /* nothing was ever in it */
	}
}

uint64_t journal_full_generation(const struct journal *j)
{
	uint64_t newest = 0;

	for (unsigned i = 0; i < SEGMENTS_MAX; i++)
		if (j->segments[i].state == SEGMENT_FULL && j->segments[i].generation > newest)
			newest = j->segments[i].generation;
	return newest;
}

unsigned journal_free_count(const struct journal *j)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SEGMENTS_MAX; i++)
		n += j->segments[i].state == SEGMENT_FREE && !j->segments[i].broken && !j->segments[i].doomed;
	return n;
}

/* ---- opening ---- */

struct segment_list {
	unsigned numbers[SEGMENTS_MAX];
	unsigned count;
};

static int list_segment(void *arg, const char *name)
{
	struct segment_list *list = arg;
	const char *dot = strchr(name, '.');
	uint64_t number;

	if (!dot || strcmp(dot, ".segment") != 0 || text_parse_u64(slice_make(name, (size_t)(dot - name)), &number) < 0)
		return 0;
	if (name[0] == '0' && dot - name > 1) /* "00.segment" is not ours, and would be 0.segment a second time */
		return 0;
	if (number < 1000000 && list->count < SEGMENTS_MAX)
		list->numbers[list->count++] = (unsigned)number;
	return 0;
}

static int segment_open(struct journal *j, unsigned number, int flags, struct pawl_error *err)
{
	char path[PATH_SIZE];
	struct os_stat st;

	segment_path(path, number);
	int rc = j->os->stat(j->os->self, j->hub, path, &st);
	if (rc == 0 && st.type != OS_FILE) { /* what was in it is lost, and told; the others may have all that is needed */
		j->blocked[j->blocked_count++] = number;
		return 0;
	}
	int fd = rc < 0 ? rc : j->os->open(j->os->self, j->hub, path, flags | OS_NONBLOCK, 0);
	if (fd == -ENOENT)
		return 0; /* a reader beside a running owner */
	if (fd < 0)
		return err_sys(err, -fd, "cannot open journal segment '%s'", path);
	rc = j->os->stat_fd(j->os->self, fd, &st);
	if (rc < 0) {
		j->os->close(j->os->self, fd);
		return err_sys(err, -rc, "cannot stat journal segment '%s'", path);
	}
	(void)segment_add(j, number, fd, segment_bytes_used(j, fd, st.size));
	return 0;
}

static int journal_open_existing(struct journal *j, int flags, struct pawl_error *err)
{
	struct segment_list list = { .count = 0 };
	int rc = j->os->list(j->os->self, j->hub, "journal", list_segment, &list);

	if (rc < 0)
		return err_sys(err, -rc, "cannot list the journal");
	j->blocked_count = 0;
	for (unsigned i = 0; i < list.count; i++) {
		rc = segment_open(j, list.numbers[i], flags, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int journal_open(struct journal *j, bool create, struct pawl_error *err)
{
	int rc = journal_open_existing(j, create ? OS_READ | OS_WRITE : OS_READ, err);

	while (rc == 0 && create && j->used < j->segment_count) {
		unsigned number = journal_unused_number(j);
		int fd = segment_create(j, number, j->segment_bytes, err);
		if (fd < 0)
			rc = fd;
		else
			(void)segment_add(j, number, fd, j->segment_bytes);
	}
	if (rc < 0)
		journal_close(j);
	return rc;
}

/* The same bytes where they are: what a failed sync has left clean is written again. */
static int segment_write_again(const struct os *os, const struct segment *s)
{
	char *block = malloc(FILL_BYTES);
	ssize_t n = block ? 1 : -ENOMEM;

	for (uint64_t at = 0; at < s->size && n > 0; at += FILL_BYTES) {
		n = os->pread(os->self, s->fd, block, FILL_BYTES, at);
		bool used = n > 0 && (block[0] || memcmp(block, block + 1, (size_t)n - 1) != 0);
		if (used) {
			ssize_t w = os->pwrite(os->self, s->fd, block, (size_t)n, at);
			n = w < 0 ? w : n;
		}
	}
	free(block);
	return n < 0 ? (int)n : 0;
}

int journal_sync_found(struct journal *j, bool doubt, struct pawl_error *err)
{
	int rc = os_sync_dir(j->os, j->hub, "journal");

	for (unsigned i = 0; rc >= 0 && i < SEGMENTS_MAX; i++) {
		if (j->segments[i].state == SEGMENT_NONE)
			continue;
		rc = doubt ? segment_write_again(j->os, &j->segments[i]) : 0;
		if (rc >= 0)
			rc = j->os->sync_data(j->os->self, j->segments[i].fd);
	}
	return rc < 0 ? err_sys(err, -rc, "cannot sync the journal that was found") : 0;
}

void journal_close(struct journal *j)
{
	for (unsigned i = 0; i < SEGMENTS_MAX; i++) {
		if (j->segments[i].state != SEGMENT_NONE)
			j->os->close(j->os->self, j->segments[i].fd);
		j->segments[i].state = SEGMENT_NONE;
	}
	j->used = j->doomed = 0;
	j->active = NULL;
}
