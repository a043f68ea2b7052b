/*
 * fsck_history.c - one history: what the file has and what the journal has for it, put together as a start of the runtime
 * does; every line; what the lines say together; and the payload files that they name.
 */
#include "fsck_impl.h"
#include "base/crc32c.h"
#include "history/history.h"
#include "history/view.h"
#include <errno.h>
#include <stdlib.h>

struct checked {
	struct fsck *f;
	struct fsck_place *p;
	uint64_t execution;
	const struct overlay_file *journal; /* NULL: it has no lines of it */
	char path[PATH_SIZE];
	size_t file_len;
	struct buf text;
	struct history h;
	bool bad;       /* told already */
};

void fsck_repair_execution(const struct fsck_place *p, struct found *x, uint64_t execution, uint64_t at)
{
	if (!x)
		return;
	if (p->archived || (execution == p->newest && at == 0 && execution == p->oldest)) {
		snprintf(x->operand, sizeof(x->operand), "%s", p->home);
		found_repair(x, ACT_SET_ASIDE, true, "set the whole instance aside");
		return;
	}
	snprintf(x->operand, sizeof(x->operand), "%.300s/%llu.history", p->home, (unsigned long long)execution);
	if (execution != p->newest) {
		snprintf(x->operand, sizeof(x->operand), "%s", p->home);
		x->at = execution;
		found_repair(x, ACT_OLDER, true, "set the histories of execution %llu and those before it aside", (unsigned long long)execution);
	} else if (at == 0) {
		found_repair(x, ACT_SET_ASIDE, true, "set the history of execution %llu aside", (unsigned long long)execution);
	} else {
		x->at = at;
		found_repair(x, ACT_CUT, true, "cut it before the turn at byte %llu, from where the instance goes on", (unsigned long long)at);
	}
}

static struct found *add(struct checked *c, enum fsck_severity severity, const char *code, uint64_t at, uint64_t line, const char *what)
{
	struct found *x = found_add(c->f, severity, code, c->path, "%s", what);

	if (x) {
		x->f.offset = at;
		x->f.line = line;
	}
	c->bad = c->bad || severity == FSCK_DAMAGE;
	return x;
}

static void unreadable(struct checked *c, int rc)
{
	(void)found_unreadable(c->f, "unreadable", c->path, rc, "cannot read it");
	c->bad = true;
}

/* ---- the bytes ---- */

static int read_file(struct checked *c)
{
	char *text = NULL;
	size_t len = 0;
	int rc = os_read_file(c->f->os, c->f->fs->hub, c->path, HISTORY_BYTES_MAX, &text, &len);

	if (rc == 0 || rc == -ENOENT) {
		c->text = (struct buf){ text, len, text ? len + 1 : 0, false };
		c->file_len = len;
		return 0;
	}
	if (rc == -ENOMEM)
		return err_nomem(c->f->err);
	if (fsck_is_no_file(rc))
		found_repair(add(c, FSCK_DAMAGE, "history-not-file", FSCK_NOWHERE, 0, "it is not a regular file"), ACT_SET_ASIDE, false, "set it aside");
	else
		unreadable(c, rc);
	return 0;
}

static uint64_t first_difference(const char *a, const char *b, size_t len)
{
	size_t n = 0;

	while (n < len && a[n] == b[n])
		n++;
	return n;
}

static void check_against_journal(struct checked *c)
{
	const struct overlay_file *o = c->journal;
	const char *text = buf_str(&c->text);
	/* a power cut leaves such things */
	enum fsck_severity left = c->f->clean ? FSCK_WARNING : FSCK_NOTE;
	char what[200];

	if (c->file_len >= o->reach && o->gap && history_lines_are_good(text + o->first, c->file_len - (size_t)o->first))
		return; /* the file has what the journal has lost */
	if (c->file_len < o->first || o->gap) {
		snprintf(what, sizeof(what), "the journal has lines from byte %llu%s, and the file ends at %zu: those between are lost",
			(unsigned long long)o->first, o->gap ? " with a gap" : "", c->file_len);
		found_repair(add(c, FSCK_DAMAGE, "history-lost", c->file_len, 0, what), ACT_RECOVER, true,
			"put the lines before the gap in their place, and set the instance aside");
		return;
	}
	size_t both = c->file_len < o->end ? c->file_len - (size_t)o->first : (size_t)(o->end - o->first);
	uint64_t same = first_difference(text + o->first, buf_str(&o->bytes), both);
	if (same < both)
		found_repair(add(c, left, "history-behind", o->first + same, 0, "it differs from the journal, which has what counts"),
			ACT_RECOVER, false, "write it anew from the journal");
	if (c->file_len > o->end && !history_lines_are_good(text + o->end, c->file_len - (size_t)o->end))
		found_repair(add(c, left, "history-tail", o->end, 0, "bytes that the journal does not know follow its last line"),
			ACT_RECOVER, false, "cut them, and keep them beside it");
}

/* What counts: up to where the journal begins the file, then the journal, then what the journal has lost. */
static int put_together(struct checked *c)
{
	const struct overlay_file *o = c->journal;

	if (!o || o->gap || c->file_len < o->first)
		return 0;
	struct buf text = BUF_INIT;
	buf_add(&text, buf_str(&c->text), (size_t)o->first);
	buf_add_slice(&text, buf_slice(&o->bytes));
	if (c->file_len > o->end && history_lines_are_good(buf_str(&c->text) + o->end, c->file_len - (size_t)o->end))
		buf_add(&text, buf_str(&c->text) + o->end, c->file_len - (size_t)o->end);
	buf_release(&c->text);
	c->text = text;
	return buf_ok(&text) ? 0 : err_nomem(c->f->err);
}

/* ---- the lines ---- */

static int parse(struct checked *c)
{
	struct pawl_error why = { .code = 0 };
	int rc = history_parse(&c->h, buf_slice(&c->text), &why);

	if (rc == PAWL_ENOMEM)
		return err_nomem(c->f->err);
	if (rc < 0) {
		fsck_repair_execution(c->p, add(c, FSCK_DAMAGE, "history-damaged", c->h.fault.at, c->h.fault.line, why.text), c->execution,
			c->h.fault.turn_at);
	} else if (c->h.torn_bytes) {
		/* a runtime that stopped well has left none: then it is no power cut's, and lines that were committed go with it */
		bool lost = c->f->clean && c->h.fault.at > c->h.bytes;
		struct found *x = add(c, lost ? FSCK_DAMAGE : FSCK_WARNING, "history-torn", c->h.fault.at, c->h.fault.line, lost ?
			"its end is torn, and the lines of its last turn with it: no whole line follows" : "its end is torn: no whole line follows");
		if (x)
			x->at = c->h.bytes;
		if (c->p->archived || c->execution != c->p->newest) /* it had an end once, and has none now */
			fsck_repair_execution(c->p, x, c->execution, c->h.bytes);
		else
			found_repair(x, ACT_CUT_TORN, false, "cut it at byte %zu, and keep what is cut as %llu.history.torn", c->h.bytes,
				(unsigned long long)c->execution);
	}
	if (c->f->counting)
		c->f->sum->lines += c->h.count;
	return 0;
}

/* Where line n (from 1) begins, or the turn that it is in. */
static uint64_t line_at(const struct checked *c, uint64_t n, bool turn)
{
	while (turn && n > 1 && !c->h.events[n - 1].has_time)
		n--;
	const char *text = buf_str(&c->text), *at = text;
	for (uint64_t line = 1; line < n; line++) {
		const char *lf = memchr(at, '\n', c->text.len - (size_t)(at - text));
		if (!lf)
			break;
		at = lf + 1;
	}
	return (uint64_t)(at - text);
}

static void bad_line(struct checked *c, const char *code, uint64_t n, const char *what)
{
	fsck_repair_execution(c->p, add(c, FSCK_DAMAGE, code, line_at(c, n, false), n, what), c->execution, line_at(c, n, true));
}

/* Each line must be one that can follow those before it. */
static int fold(struct checked *c)
{
	struct view v;
	int rc = 0;

	view_init(&v);
	for (size_t i = 0; rc == 0 && i < c->h.count; i++) {
		rc = view_apply(&v, &c->h.events[i]);
		if (rc == PAWL_ECORRUPT)
			bad_line(c, "history-order", i + 1, "the line cannot follow those before it");
	}
	view_release(&v);
	return rc == PAWL_ENOMEM ? err_nomem(c->f->err) : 0;
}

static void check_execution_number(struct checked *c)
{
	const struct event *e = &c->h.events[0];
	uint64_t number = e->fields & FIELD_EXECUTION ? e->execution : 1;
	char what[120];

	if (number == c->execution)
		return;
	snprintf(what, sizeof(what), "it is the history of execution %llu, by its first line", (unsigned long long)number);
	bad_line(c, "history-number", 1, what);
}

/* ---- the ends ---- */

static void check_end(struct checked *c)
{
	const struct event *last = &c->h.events[c->h.count - 1];
	bool ended = event_type_class(last->type) & EVENT_END;
	bool newest = c->execution == c->p->newest;
	bool goes_on = last->type == EVENT_ExecutionContinuedAsNew || last->type == EVENT_ExecutionRewound;

	if (newest) {
		c->p->ended = ended && !goes_on;
		c->p->newest_good = true;
	}
	if (newest && goes_on)
		bad_line(c, "execution-missing", c->h.count, "it was continued, and the next execution is not there");
	else if (!newest && !ended)
		bad_line(c, "history-no-end", c->h.count, "it has no end, and a later execution is there");
	else if (newest && c->p->archived && !ended)
		bad_line(c, "history-no-end", c->h.count, "it has no end, and is in the archive");
}

/* ---- payloads ---- */

/* The checksum of a file; -errno. */
static int sum_file(struct fsck *f, const char *path, uint64_t *len, uint32_t *crc)
{
	char *text = NULL;
	size_t n = 0;
	int rc = os_read_file(f->os, f->fs->hub, path, HISTORY_BYTES_MAX, &text, &n);

	if (rc == 0)
		*crc = crc32c(0, text, n);
	*len = n;
	free(text);
	return rc;
}

static int check_payload(struct checked *c, const struct event *e)
{
	char path[PATH_SIZE], name[80];
	struct fsck *f = c->f;
	uint64_t len = 0;
	uint32_t crc = 0;
	struct found *x = NULL;

	snprintf(name, sizeof(name), "%.*s", (int)(e->data_file.len < 79 ? e->data_file.len : 79), e->data_file.data);
	if (!text_is_version(e->data_file) || name[0] == '.') {
		bad_line(c, "payload-name", e->seq, "it names a payload file that no such file can be");
		return 0;
	}
	bool known = map_get(&c->p->payloads, e->data_file) != NULL;
	if (!known && map_put(&c->p->payloads, e->data_file, f, NULL) < 0)
		return err_nomem(f->err);
	f->sum->payloads += f->counting && !known;
	snprintf(path, sizeof(path), "%.300s/%s", c->p->home, name);
	int rc = sum_file(f, path, &len, &crc);
	if (rc == -ENOMEM)
		return err_nomem(f->err);
	if (rc < 0 && rc != -ENOENT && !fsck_is_no_file(rc)) {
		char what[120];
		snprintf(what, sizeof(what), "line %llu of execution %llu names it, and it cannot be read", (unsigned long long)e->seq,
			(unsigned long long)c->execution);
		(void)found_unreadable(f, "unreadable", path, rc, what);
		c->bad = true;
	} else if (rc < 0)
		x = found_add(f, FSCK_DAMAGE, "payload-missing", path, "%s, and line %llu of execution %llu names it",
			rc == -ENOENT ? "it is not there" : "it is not a regular file", (unsigned long long)e->seq, (unsigned long long)c->execution);
	else if (len != e->data_len || crc != e->data_crc)
		x = found_add(f, FSCK_DAMAGE, "payload-differs", path, "%s, not what line %llu of execution %llu names",
			len != e->data_len ? "its length is another" : "its checksum is another", (unsigned long long)e->seq, (unsigned long long)c->execution);
	if (!x)
		return 0;
	if (rc == 0)
		x->f.offset = len != e->data_len ? len : 0;
	x->f.line = e->seq;
	c->bad = true;
	fsck_repair_execution(c->p, x, c->execution, line_at(c, e->seq, true));
	return 0;
}

static int note_activities(struct checked *c)
{
	struct fsck_place *p = c->p;

	p->activities = malloc((c->h.count + 1) * sizeof(*p->activities));
	if (!p->activities)
		return err_nomem(c->f->err);
	for (size_t i = 0; i < c->h.count; i++)
		if (c->h.events[i].type == EVENT_ActivityScheduled)
			p->activities[p->activity_count++] = c->h.events[i].seq;
	return 0;
}

static int check_lines(struct checked *c)
{
	bool newest = c->execution == c->p->newest;
	int rc = parse(c);

	if (rc == 0 && !c->bad)
		rc = fold(c);
	if (rc == 0 && newest)
		rc = note_activities(c);
	for (size_t i = 0; rc == 0 && i < c->h.count; i++)
		if (c->h.events[i].data_file.data)
			rc = check_payload(c, &c->h.events[i]);
	if (rc < 0 || c->bad || (c->h.torn_bytes && !newest))
		return rc;
	if (c->h.count == 0) {
		if (c->execution > 1 || c->h.torn_bytes == 0)
			fsck_repair_execution(c->p, add(c, FSCK_DAMAGE, "history-empty", 0, 0, "it has no whole turn"), c->execution, 0);
		return 0;
	}
	check_execution_number(c);
	if (!c->bad)
		check_end(c);
	if (c->h.has_unknown)
		(void)add(c, FSCK_NOTE, "newer", FSCK_NOWHERE, 0, "it has lines of a newer pawl");
	return 0;
}

int fsck_check_history(struct fsck *f, struct fsck_place *p, uint64_t execution)
{
	struct checked c = { .f = f, .p = p, .execution = execution, .journal = overlay_file(&f->overlay, p->id, execution) };

	buf_init(&c.text);
	history_init(&c.h);
	snprintf(c.path, sizeof(c.path), "%.300s/%llu.history", p->home, (unsigned long long)execution);
	f->sum->histories += f->counting;
	int rc = read_file(&c);
	if (rc == 0 && !c.bad && c.journal)
		check_against_journal(&c);
	if (rc == 0 && !c.bad)
		rc = put_together(&c);
	if (rc == 0 && !c.bad)
		rc = check_lines(&c);
	history_release(&c.h);
	buf_release(&c.text);
	return rc;
}
