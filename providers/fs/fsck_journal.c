/* fsck_journal.c - the segments of the journal, as the reader that recovery uses has read them. */
#include "fsck_impl.h"
#include "journal_frame.h"
#include <errno.h>
#include <stdlib.h>

static void segment_file(char *path, unsigned number)
{
	snprintf(path, PATH_SIZE, "journal/%u.segment", number);
}

static bool is_checkpointed(const struct fsck *f, const struct segment *s)
{
	return s->last_lsn < f->text.checkpoint_lsn;
}

/* What lies behind the last good frame: nothing, what an earlier use has left, or a frame of this use that is not whole. */
static void check_tail(struct fsck *f, const struct segment *s, const char *text)
{
	char path[PATH_SIZE];
	size_t left = s->pos < s->size ? (size_t)(s->size - s->pos) : 0;

	if (s->pos < FRAME_AREA || left < FRAME_HEAD || memcmp(text + s->pos, FRAME_MAGIC, 4) != 0 || get64(text + s->pos + 8) != s->salt)
		return;
	segment_file(path, s->number);
	struct found *x = found_add(f, FSCK_NOTE, "journal-tail", path, "the last frame is not whole: a write that the power cut, of which "
		"nobody was told%s", f->text.lost_frames || s->last_lsn + 1 < f->text.max_lsn ? "; or damage, as later frames are there" : "");
	if (x) {
		x->f.offset = s->pos;
		x->f.lsn = get64(text + s->pos + 16);
		x->moving = true;
	}
}

static void check_header(struct fsck *f, const struct segment *s)
{
	char path[PATH_SIZE];
	struct found *x = NULL;

	segment_file(path, s->number);
	if (s->header == HEADER_FOREIGN) {
		x = found_add(f, FSCK_DAMAGE, "journal-foreign", path, "it is of another hub: the id in its header is not that of FORMAT, and of the other segments");
		found_repair(x, ACT_SET_ASIDE, true, "set it aside");
	} else if (s->header == HEADER_BAD || (s->header == HEADER_UNUSED && s->frames)) {
		x = found_add(f, FSCK_WARNING, "journal-header", path, s->frames ? "its header is damaged; its frames can be read" :
			"its header is damaged, and it has no frame that can be read");
		if (s->frames && !is_checkpointed(f, s))
			found_repair(x, ACT_RECOVER, false, "bring all to the histories, then set it aside");
		else
			found_repair(x, ACT_SET_ASIDE, false, "set it aside");
	}
	if (x)
		x->f.offset = s->header == HEADER_FOREIGN ? 48 : 0;
}

/* The header has a block of its own, and what is left of that is zeros. */
static void check_block(struct fsck *f, const struct segment *s, const char *text)
{
	char path[PATH_SIZE];
	size_t at = HEADER_SIZE, end = s->size < FRAME_AREA ? (size_t)s->size : FRAME_AREA;

	while (at < end && text[at] == '\0')
		at++;
	if (at >= end)
		return;
	segment_file(path, s->number);
	struct found *x = found_add(f, FSCK_NOTE, "journal-block", path, "behind the header is something that pawl does not write, and does not read");
	if (x)
		x->f.offset = at;
}

static void check_segment(struct fsck *f, const struct segment *s, const char *text)
{
	char path[PATH_SIZE];
	struct os_stat st;

	if (f->counting) {
		f->sum->segments++;
		f->sum->frames += s->frames;
	}
	check_header(f, s);
	check_block(f, s, text);
	segment_file(path, s->number);
	if (s->header != HEADER_GOOD && s->size < FRAME_AREA)
		found_add(f, FSCK_NOTE, "journal-short", path, "it has %llu bytes: it was being made when the power went, or has lost all", (unsigned long long)s->size);
	if (s->header == HEADER_GOOD && get64(text + 32) > s->size) {
		struct found *x = found_add(f, FSCK_WARNING, "journal-short", path, "it has %llu bytes of %llu", (unsigned long long)s->size,
			(unsigned long long)get64(text + 32));
		found_repair(x, is_checkpointed(f, s) ? ACT_SET_ASIDE : ACT_RECOVER, false, "bring all to the histories, then set it aside");
		if (x)
			x->f.offset = s->size;
	}
	if (s->header != HEADER_FOREIGN)
		check_tail(f, s, text);
	if (f->os->stat(f->os->self, f->fs->hub, path, &st) == 0)
		fsck_check_mode(f, path, &st);
}

static bool is_blocked(const struct fsck *f, unsigned number)
{
	for (unsigned i = 0; i < f->journal->blocked_count; i++)
		if (f->journal->blocked[i] == number)
			return true;
	return false;
}

/* The header is of an earlier use than the frames. */
static void check_lost_header(struct fsck *f, unsigned number)
{
	const struct segment *s = f->journal->segments;
	char path[PATH_SIZE];

	while (s < f->journal->segments + SEGMENTS_MAX - 1 && (s->state == SEGMENT_NONE || s->number != number))
		s++;
	segment_file(path, number);
	struct found *x = found_add(f, FSCK_WARNING, "journal-header", path, "its header is older than its frames: the disk has not kept one that it had synced");
	if (is_checkpointed(f, s))
		found_repair(x, ACT_SET_ASIDE, false, "set it aside");
	else
		found_repair(x, ACT_RECOVER, false, "bring all to the histories, then set it aside");
	if (x)
		x->f.offset = 0;
}

static void check_damage(struct fsck *f, const struct journal_damage *d)
{
	char path[PATH_SIZE];
	struct found *x;
	/* what comes before a checkpointed frame is in histories that were synced */
	bool covered = d->before_lsn && d->before_lsn <= f->text.checkpoint_lsn;

	segment_file(path, d->segment);
	if (is_blocked(f, d->segment)) {
		x = found_add(f, FSCK_DAMAGE, "journal-not-file", path, "it is not a regular file: frames that were in it are lost");
		found_repair(x, ACT_SET_ASIDE, false, "set it aside");
		return;
	}
	if (d->before_lsn == 0 && d->offset == 0) {
		check_lost_header(f, d->segment);
		return;
	}
	x = found_add(f, covered ? FSCK_WARNING : FSCK_DAMAGE, "journal-frame", path, "%llu bytes are no good frame, and good ones follow%s",
		(unsigned long long)d->len, covered ? "; all that was there is in the histories" : ": lines of histories may be lost");
	if (!x)
		return;
	x->f.offset = d->offset;
	x->f.lsn = d->before_lsn ? d->before_lsn - 1 : 0;
	if (covered)
		found_repair(x, ACT_SET_ASIDE, false, "set the segment aside");
	else
		found_repair(x, ACT_RECOVER, true, "bring to the histories what comes before, and set the segment aside");
}

static bool has_number(const struct journal *j, unsigned number)
{
	for (unsigned i = 0; i < SEGMENTS_MAX; i++)
		if (j->segments[i].state != SEGMENT_NONE && j->segments[i].number == number)
			return true;
	return false;
}

/* Segments that were too large, or whose sync failed, go in time; so a number that is missing means little by itself. */
static void check_numbers(struct fsck *f)
{
	char path[PATH_SIZE];
	unsigned last = 0;
	const struct journal *j = f->journal;

	for (unsigned i = 0; i < SEGMENTS_MAX; i++)
		if (j->segments[i].state != SEGMENT_NONE && j->segments[i].number > last)
			last = j->segments[i].number;
	for (unsigned n = 0; n < last && n < SEGMENTS_MAX; n++) {
		segment_file(path, n);
		if (!has_number(j, n) && !is_blocked(f, n))
			found_add(f, FSCK_NOTE, "journal-number", path, "it is not there: it was replaced, or is lost");
	}
	if (j->used == 0 && !j->blocked_count)
		found_repair(found_add(f, FSCK_WARNING, "journal-empty", "journal", "there is no segment: the hub was never used, or what the last "
			"commits were is lost"), ACT_RECOVER, false, "make them");
}

int fsck_check_journal(struct fsck *f, const char *name)
{
	const struct journal *j = f->journal;
	size_t block = 0;

	(void)name;
	check_numbers(f);
	for (unsigned i = 0; i < SEGMENTS_MAX; i++)
		if (j->segments[i].state != SEGMENT_NONE)
			check_segment(f, &j->segments[i], f->text.blocks[block++]);
	for (size_t i = 0; i < f->text.damage_count; i++)
		check_damage(f, &f->text.damage[i]);
	if (f->text.lost_frames) {
		struct found *x = found_add(f, FSCK_DAMAGE, "journal-lost", "journal", "%llu commits are missing",
			(unsigned long long)f->text.lost_frames);
		found_repair(x, ACT_RECOVER, true, "bring to the histories what comes before, and go on without them");
		if (x)
			x->f.lsn = f->text.first_lost;
	}
	return f->err->code == PAWL_ENOMEM ? PAWL_ENOMEM : 0;
}

void fsck_unload_journal(struct fsck *f)
{
	if (!f->loaded)
		return;
	overlay_release(&f->overlay);
	journal_text_release(&f->text);
	journal_close(f->journal);
	free(f->journal);
	f->journal = NULL;
	f->loaded = false;
}

/* Damage that makes recovery drop records, which can be read, behind what is lost. */
static bool is_lossy(const struct fsck *f)
{
	bool lossy = f->text.lost_frames > 0;

	for (size_t i = 0; i < f->text.damage_count && !lossy; i++)
		lossy = f->text.damage[i].before_lsn > f->text.checkpoint_lsn;
	return lossy;
}

int fsck_load_journal(struct fsck *f)
{
	fsck_unload_journal(f);
	struct journal *j = calloc(1, sizeof(*j));
	if (!j)
		return err_nomem(f->err);
	*j = (struct journal){ .os = f->os, .hub = f->fs->hub };
	memcpy(j->hub_id, f->fs->journal.hub_id, sizeof(j->hub_id));
	/* where there is no such directory, that is told by the check of the hub */
	struct os_stat st;
	int sys = f->os->stat(f->os->self, f->fs->hub, "journal", &st), rc = 0;
	if (sys < 0 && sys != -ENOENT)
		rc = err_sys(f->err, -sys, "cannot look at '%s/journal'", f->o->hub);
	else if (sys == 0 && st.type == OS_DIR)
		rc = journal_open(j, false, f->err);
	if (rc == 0)
		rc = journal_read(j, &f->text, f->err);
	if (rc == 0)
		rc = overlay_build(&f->overlay, &f->text, f->err);
	if (rc < 0) {
		journal_text_release(&f->text);
		journal_close(j);
		free(j);
		return rc;
	}
	f->journal = j;
	f->loaded = true;
	f->journal_lossy = is_lossy(f);
	f->journal_pending = f->text.record_count > 0;
	return 0;
}
