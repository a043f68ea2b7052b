/*
 * test_flip.c - damage everywhere: each byte of each file of a small hub with one of everything is flipped, each range zeroed,
 * each file cut at each length, removed, and replaced by what is no file. For each:
 *
 *	fsck names the file, and a place near the byte          but for what nothing can tell: classes, each counted
 *	the hub starts, and the others go on to their end       FORMAT and LOCK: or it says why not, and changes nothing
 *	no line that can be read is gone                        it is in a history, the journal, or lost+found
 *	after a repair fsck finds nothing, and the others have every byte
 *
 * Then a repair itself is cut off by the power at each of its operations.
 */
#include "flip_hub.h"

#include <errno.h>
#include <stdio.h>

#define NEAR 2048 /* a line or a frame is not longer */

enum how { FLIP_BIT, FLIP_ALL, ZERO_16, ZERO_512, CUT_AT, REMOVE, MAKE_DIR, MAKE_LINK, MAKE_EMPTY, HOW_COUNT };
static const char *const hows[] = { "one bit", "all bits", "16 zeros", "512 zeros", "cut", "removed", "a directory", "a link", "empty" };

struct injury {
	const struct flip_hub *h;
	const struct flip_file *file;
	enum how how;
	size_t from, to; /* bytes that are not what they were; the end of the file for what is cut */
	unsigned hit;    /* members that it may hurt */
};

static struct {
	const char *name;
	unsigned long count;
} classes[32];
static unsigned long cases, told;

static void count_class(const char *name)
{
	unsigned i = 0;

	while (classes[i].name && strcmp(classes[i].name, name) != 0)
		i++;
	classes[i].name = name;
	classes[i].count++;
}

static bool begins(const char *text, const char *head)
{
	return strncmp(text, head, strlen(head)) == 0;
}

static bool is_whole_file(enum how how)
{
	return how >= REMOVE;
}

/* ---- doing it ---- */

static void change_bytes(struct os_sim *sim, const char *path, const struct injury *j)
{
	const struct os *os = os_sim_os_process(sim, HACKER);
	int fd = os->open(os->self, OS_CWD, path, OS_READ | OS_WRITE, 0);
	char bytes[512];

	memcpy(bytes, j->file->text + j->from, j->to - j->from);
	if (j->how == FLIP_BIT)
		bytes[0] = (char)(bytes[0] ^ 1 << j->from % 8);
	else if (j->how == FLIP_ALL)
		bytes[0] = (char)~bytes[0];
	else
		memset(bytes, 0, sizeof(bytes));
	if (fd < 0 || os->pwrite(os->self, fd, bytes, j->to - j->from, j->from) < 0)
		crash_fail("'%s' cannot be changed", path);
	(void)os->sync(os->self, fd);
	os->close(os->self, fd);
}

static void injure(struct os_sim *sim, const struct injury *j)
{
	const struct os *os = os_sim_os_process(sim, HACKER);
	char path[200];

	snprintf(path, sizeof(path), HUB "/%s", j->file->path);
	if (j->how < CUT_AT) {
		change_bytes(sim, path, j);
	} else if (j->how == CUT_AT || j->how == MAKE_EMPTY) {
		int fd = os->open(os->self, OS_CWD, path, OS_READ | OS_WRITE, 0);
		(void)os->truncate(os->self, fd, j->from);
		(void)os->sync(os->self, fd);
		os->close(os->self, fd);
	} else {
		(void)os->unlink(os->self, OS_CWD, path);
		if (j->how == MAKE_DIR)
			(void)os->mkdir(os->self, OS_CWD, path, 0755);
		else if (j->how == MAKE_LINK)
			(void)os->symlink(os->self, "/hub/FORMAT", OS_CWD, path);
	}
	int root = os->open_root(os->self, HUB);
	(void)os->sync_fs(os->self, root);
	os->close(os->self, root);
}

/* ---- what it may hurt ---- */

static bool is_journal(const char *path, unsigned *segment)
{
	return sscanf(path, "journal/%u.segment", segment) == 1;
}

/* Members whose bytes these are: by path, or by the frames that are hit. */
static unsigned may_hurt(const struct flip_hub *h, const struct injury *j)
{
	unsigned hit = 0, segment;
	char live[64], archived[64];

	for (unsigned i = 0; i < MEMBERS; i++) {
		snprintf(live, sizeof(live), "instances/%s/", h->members[i].id);
		snprintf(archived, sizeof(archived), "archive/%s/", h->members[i].id);
		hit |= begins(j->file->path, live) || begins(j->file->path, archived) ? 1u << i : 0;
	}
	for (unsigned i = 0; is_journal(j->file->path, &segment) && i < h->frame_count; i++)
		if (h->frames[i].segment == segment && h->frames[i].from < j->to && j->from < h->frames[i].to)
			hit |= h->frames[i].hit;
	return hit;
}

/* From this frame on all were hit up to the newest: nothing tells that from a write that was torn. */
static bool is_newest(const struct injury *j)
{
	const struct flip_hub *h = j->h;
	unsigned segment;
	uint64_t lsn = h->newest + 1;

	if (!is_journal(j->file->path, &segment))
		return false;
	for (unsigned k = h->frame_count; k--;)
		if (h->frames[k].lsn + 1 == lsn && h->frames[k].segment == segment && h->frames[k].from < j->to && j->from < h->frames[k].to)
			lsn--;
	return lsn <= h->newest;
}

/* ---- fsck names it ---- */

static bool is_near(const struct injury *j, uint64_t offset)
{
	return offset == FSCK_NOWHERE || is_whole_file(j->how) || (offset <= j->to && j->from <= offset + NEAR);
}

/* The file, or for one that is gone the directory that it was in. */
static bool names(const struct flip_findings *f, const struct injury *j)
{
	const char *slash = strrchr(j->file->path, '/');
	size_t above = slash ? (size_t)(slash - j->file->path) : 0;

	if (f->rc < 0)
		return strstr(f->err.text, slash ? slash + 1 : j->file->path) != NULL;
	for (unsigned i = 0; i < f->count; i++) {
		const char *file = f->items[i].file;
		if (strcmp(file, j->file->path) == 0 && is_near(j, f->items[i].offset))
			return true;
		/* a payload's own name stands in what the history is told of; an instance without its only history is empty */
		if (is_whole_file(j->how) && above && strlen(file) == above && strncmp(file, j->file->path, above) == 0)
			return true;
	}
	return false;
}

static bool ends_line(const struct flip_file *f, size_t at)
{
	return at == 0 || f->text[at - 1] == '\n';
}

/* NULL, or why nothing can tell. */
static const char *journal_class(const struct injury *j, unsigned segment)
{
	const struct flip_file *f = j->file;
	size_t last = 0;
	bool used = false;

	for (unsigned i = 0; i < j->h->frame_count; i++)
		if (j->h->frames[i].segment == segment) {
			used = true;
			last = j->h->frames[i].to > last ? j->h->frames[i].to : last;
		}
	if (j->how == REMOVE)
		return "journal: a segment that is gone (as one that was too many)";
	if (!used && j->how != FLIP_BIT && j->how != FLIP_ALL)
		return "journal: a segment that is not in use";
	if (is_newest(j) || (!used && j->from >= 4096))
		return "journal: the newest frame (as a torn write), or one that does not count any more";
	if (j->from >= last)
		return "journal: behind the last frame";
	for (unsigned i = 0; i < j->h->frame_count; i++) { /* a frame's last bytes, up to the next boundary */
		const struct flip_frame *x = &j->h->frames[i];
		if (x->segment == segment && j->from >= x->to && j->to <= ((x->to + 7) & ~(size_t)7))
			return "journal: between two frames";
	}
	/* frames below the checkpoint are before those that count */
	for (unsigned i = 0; i < j->h->frame_count; i++)
		if (j->h->frames[i].segment == segment && j->from >= j->h->frames[i].from)
			return NULL;
	(void)f;
	return NULL;
}

static const char *history_class(const struct injury *j)
{
	const struct member *w = NULL;
	unsigned execution = 0;

	for (unsigned i = 0; i < MEMBERS; i++)
		if (strstr(j->file->path, j->h->members[i].id) && strstr(j->file->path, ".history"))
			w = &j->h->members[i];
	if (!w || sscanf(strrchr(j->file->path, '/'), "/%u.history", &execution) != 1 || execution > w->executions)
		return NULL;
	size_t synced = w->synced[execution - 1];
	bool cut = j->how == CUT_AT || j->how == MAKE_EMPTY;
	if (cut && j->from >= synced)
		return "history: behind what the journal has all of";
	if (j->how == REMOVE && synced == 0)
		return "history: behind what the journal has all of";
	if (j->how == REMOVE && execution < w->executions)
		return "history: an older execution that is gone (as one that was pruned)";
	if (cut && w->text[execution - 1].len == synced && ends_line(j->file, j->from))
		return "history: cut at the end of a line";
	return NULL;
}

static const char *other_class(const struct injury *j)
{
	const char *path = j->file->path;

	if (strcmp(path, "LOCK") == 0)
		return "LOCK: says who it was, and that can be anybody";
	if (strcmp(path, "FORMAT") == 0 && j->how < CUT_AT && j->from < 17)
		return "FORMAT: the number of a newer format";
	if (strstr(path, "/events/") || begins(path, "inbox/"))
		return "a dropped file: nothing says what was in it";
	if (strstr(path, "/work/") || begins(path, "work/"))
		return "the work queue: history makes it anew";
	if (strstr(path, "/PARKED"))
		return "a note for people";
	if (begins(path, "control/") && j->how == REMOVE)
		return "a message that is gone (as one that was taken)";
	if (begins(path, "control/") || strstr(path, "/start"))
		return j->how < CUT_AT ? "an envelope: its head has no checksum" : NULL;
	return NULL;
}

static void check_findings(const struct injury *j, const struct flip_findings *f)
{
	unsigned segment;

	if (names(f, j)) {
		told++;
		return;
	}
	const char *why = is_journal(j->file->path, &segment) ? journal_class(j, segment) : history_class(j);
	if (!why)
		why = other_class(j);
	if (why)
		count_class(why);
	else
		crash_fail("fsck does not find it: '%s', %s at %zu (%u findings; the first: %s %s)", j->file->path, hows[j->how], j->from, f->count,
			f->count ? f->items[0].file : "-", f->count ? f->items[0].what : "");
}

/* ---- the hub starts ---- */

static bool same_files(struct os_sim *a, struct os_sim *b)
{
	struct flip_file *x = calloc(FILES_MAX * 2, sizeof(*x)), *y = x + FILES_MAX;
	unsigned n = flip_list(a, x, FILES_MAX), m = flip_list(b, y, FILES_MAX), i = 0;
	bool same = true;

	/* LOCK says who has tried */
	for (; same && i < n && i < m; i++)
		same = strcmp(x[i].path, y[i].path) == 0 && (strcmp(x[i].path, "LOCK") == 0 || (x[i].len == y[i].len && memcmp(x[i].text, y[i].text, x[i].len) == 0));
	if (!same || n != m)
		crash_fail("a hub that does not start has changed '%s' (%u files, %u before)", same ? "a name" : y[i - 1].path, m, n);
	flip_files_free(x, n);
	flip_files_free(y, m);
	free(x);
	return same;
}

static bool may_refuse(const char *path)
{
	return strcmp(path, "FORMAT") == 0 || strcmp(path, "LOCK") == 0;
}

/* The bit of the message that was in this file; 0 = none. */
static unsigned message_in(const char *path)
{
	return strstr(path, "asked/") ? 1 : begins(path, "control/") ? 2 : begins(path, "inbox/") ? 4 : strstr(path, "parked/events") ? 8 : 0;
}

static void check_others(const struct injury *j, struct node *n, const char *when)
{
	unsigned same = flip_same(j->h, n), all = (1u << MEMBERS) - 1;

	for (unsigned i = 0; i < MEMBERS; i++)
		if (((all & ~j->hit & ~same) >> i) & 1)
			crash_fail("%s '%s' is not what it was: '%s', %s at %zu", when, j->h->members[i].id, j->file->path, hows[j->how], j->from);
}

static void check_kept(const struct injury *j, struct os_sim *sim, const char *when)
{
	char lost[200] = "";

	if (is_newest(j)) /* its lines are a write that nobody was told of */
		return;
	if (!flip_lines_kept(j->h, sim, j->file->path, j->from, j->to, lost, sizeof(lost)))
		crash_fail("%s a line that could be read is gone: %s; '%s', %s at %zu", when, lost, j->file->path, hows[j->how], j->from);
}

static void check_start(const struct injury *j, const struct os_sim *damaged)
{
	struct node n = { .sim = os_sim_clone(damaged) };
	struct pawl_error err = { 0 };

	if (node_start(&n, &err) < 0) {
		if (!may_refuse(j->file->path) || !err.text[0])
			crash_fail("the hub does not start: %s; '%s', %s at %zu", err.text, j->file->path, hows[j->how], j->from);
		struct os_sim *before = os_sim_clone(damaged);
		if (strcmp(j->file->path, "LOCK") != 0)
			(void)same_files(before, n.sim);
		os_sim_free(before);
		node_free(&n);
		return;
	}
	check_others(j, &n, "after the start");
	unsigned same = flip_same(j->h, &n), missing = ((1u << MESSAGES) - 1) & ~flip_receive(&n) & ~message_in(j->file->path);
	if (missing && !(j->hit & 1u << PARKED_ONE))
		crash_fail("a message does not come (%x): '%s', %s at %zu", missing, j->file->path, hows[j->how], j->from);
	(void)flip_complete(j->h, &n, same & ~j->hit);
	node_stop(&n);
	check_kept(j, n.sim, "after the start");
	if (node_start(&n, &err) < 0)
		crash_fail("the hub does not start the second time: %s", err.text);
	node_stop(&n);
	node_free(&n);
}

/* ---- and is repaired ---- */

static void tell_left(const struct injury *j, const struct flip_findings *f, const char *when)
{
	for (unsigned i = 0; i < f->count; i++)
		if (f->items[i].severity != FSCK_NOTE) {
			crash_fail("%s fsck finds: %s: %s; '%s', %s at %zu", when, f->items[i].file, f->items[i].what, j->file->path, hows[j->how], j->from);
			return;
		}
}

static void check_repair(const struct injury *j, const struct os_sim *damaged)
{
	struct node n = { .sim = os_sim_clone(damaged) };
	struct flip_findings f;
	struct pawl_error err = { 0 };

	flip_fsck(n.sim, true, true, &f);
	if (f.rc < 0 && f.err.code == PAWL_EUNSUPPORTED) { /* a newer format: not ours to repair */
		node_free(&n);
		return;
	}
	if (f.rc < 0)
		crash_fail("it cannot be repaired: %s; '%s', %s at %zu", f.err.text, j->file->path, hows[j->how], j->from);
	check_kept(j, n.sim, "after the repair");
	flip_fsck(n.sim, false, false, &f);
	if (f.rc < 0)
		crash_fail("after the repair it cannot be checked: %s; '%s', %s at %zu", f.err.text, j->file->path, hows[j->how], j->from);
	tell_left(j, &f, "after the repair");
	if (node_start(&n, &err) < 0)
		crash_fail("after the repair the hub does not start: %s; '%s', %s at %zu", err.text, j->file->path, hows[j->how], j->from);
	else
		check_others(j, &n, "after the repair");
	node_stop(&n);
	node_free(&n);
}

/* ---- everywhere ---- */

static bool changes_nothing(const struct injury *j)
{
	if (j->how != ZERO_16 && j->how != ZERO_512)
		return false;
	for (size_t at = j->from; at < j->to; at++)
		if (j->file->text[at])
			return false;
	return true;
}

static void one(const struct flip_hub *h, const struct flip_file *file, enum how how, size_t at)
{
	struct injury j = { .h = h, .file = file, .how = how, .from = at, .to = at + 1 };
	struct flip_findings f;

	if (how == ZERO_16 || how == ZERO_512)
		j.to = at + (how == ZERO_16 ? 16 : 512);
	if (how >= CUT_AT || j.to > file->len)
		j.to = file->len;
	if (!crash_at("how", how) || !crash_at("byte", at) || changes_nothing(&j))
		return;
	j.hit = may_hurt(h, &j);
	struct os_sim *damaged = os_sim_clone(h->sim);
	injure(damaged, &j);
	(void)crash_logged_errors();
	flip_fsck(damaged, false, false, &f);
	check_findings(&j, &f);
	check_start(&j, damaged);
	check_repair(&j, damaged);
	os_sim_free(damaged);
	cases++;
}

/* Where something is in a segment; of the zeros behind it some. */
static size_t used_bytes(const struct flip_file *f)
{
	size_t n = f->len;

	while (n > 0 && f->text[n - 1] == '\0')
		n--;
	return n + 24 < f->len ? n + 24 : f->len;
}

/* So much of it that it stays short: a prime stride, from another byte for each file and each way. */
static unsigned stride(const struct flip_file *f)
{
	unsigned base = f->len > 4096 ? 31 : 7, scale = crash_scale();

	return scale >= base ? 1 : base / scale * CRASH_STRIDE;
}

static void file_everywhere(const struct flip_hub *h, unsigned number)
{
	const struct flip_file *f = &h->files[number];
	size_t used = used_bytes(f);
	unsigned step = stride(f);

	for (unsigned how = 0; how <= CUT_AT; how++) {
		unsigned unit = how == ZERO_16 ? 16 : how == ZERO_512 ? 512 : 1;
		for (size_t at = unit == 1 ? (number + how) % step : 0; at < used && !crash_over(); at += unit == 1 ? step : unit)
			if (unit != 16 || at / 16 % (step > 7 ? 5 : step > 1 ? 2 : 1) == 0)
				one(h, f, (enum how)how, at);
	}
	for (unsigned how = REMOVE; how < HOW_COUNT && !crash_over(); how++)
		one(h, f, (enum how)how, 0);
}

static void everywhere(void)
{
	struct flip_hub h;

	if (!flip_make(&h))
		return;
	cases = told = 0;
	memset(classes, 0, sizeof(classes));
	for (unsigned i = 0; i < h.file_count && !crash_over(); i++)
		if (crash_at("file", i))
			file_everywhere(&h, i);
	printf("        %lu cases in %u files: fsck names %lu; what nothing can tell:\n", cases, h.file_count, told);
	for (unsigned i = 0; classes[i].name; i++)
		printf("        %8lu  %s\n", classes[i].count, classes[i].name);
	flip_free(&h);
}

/* ---- nothing is wrong with a hub that nobody has damaged ---- */

static void unharmed(void)
{
	struct flip_hub h;
	struct flip_findings f;

	if (!flip_make(&h))
		return;
	struct injury j = { .h = &h, .file = &h.files[0], .how = REMOVE };
	flip_fsck(h.sim, false, false, &f);
	if (f.rc < 0)
		crash_fail("it cannot be checked: %s", f.err.text);
	tell_left(&j, &f, "in a good hub");
	j.file = &(struct flip_file){ .path = "nothing", .text = NULL, .len = 0 };
	check_start(&j, h.sim);
	check_repair(&j, h.sim);
	flip_free(&h);
}

/* ---- the power fails in a repair ---- */

static void cut_repair(const struct flip_hub *h, const struct injury *j)
{
	struct os_sim *damaged = os_sim_clone(h->sim);

	unsigned step = (crash_scale() > 1 ? 1 : 2) * CRASH_STRIDE, first = 1 + (unsigned)(j->from + (unsigned)j->how) % step;
	injure(damaged, j);
	for (unsigned stop = first; stop < 10000 && !crash_over(); stop += step) {
		if (!crash_at("stop", stop))
			continue;
		struct node n = { .sim = os_sim_clone(damaged) };
		struct flip_findings f;
		uint64_t seed = stop;
		os_sim_stop_after(n.sim, stop);
		flip_fsck(n.sim, true, true, &f);
		bool done = !crash_is_off(&n);
		const struct os_sim_cut how = { stop % 3 ? OS_SIM_RANDOM : OS_SIM_DROP_ALL, draw(&seed) | 1, stop & 1 ? 512 : 4096 };
		node_cut(&n, &how);
		flip_fsck(n.sim, true, true, &f);
		if (f.rc < 0)
			crash_fail("after a cut in the repair it cannot be repaired: %s", f.err.text);
		check_kept(j, n.sim, "after a cut in the repair");
		flip_fsck(n.sim, false, false, &f);
		tell_left(j, &f, "after a cut in the repair");
		struct pawl_error err = { 0 };
		if (node_start(&n, &err) < 0)
			crash_fail("after a cut in the repair the hub does not start: %s", err.text);
		else
			check_others(j, &n, "after a cut in the repair");
		node_stop(&n);
		node_free(&n);
		if (done)
			break;
	}
	os_sim_free(damaged);
}

/* One of each kind of repair: in the middle of each file, and what is no file in its place. */
static void repairs(void)
{
	struct flip_hub h;

	if (!flip_make(&h))
		return;
	/* what is dropped by a cut must not be what was acknowledged: the disk has all of the hub */
	for (unsigned i = 0; i < h.file_count && !crash_over(); i++) {
		const struct flip_file *file = &h.files[i];
		for (unsigned how = 0; how < HOW_COUNT && !crash_over(); how++) {
			size_t used = used_bytes(file), at = how < REMOVE ? used / 2 : 0;
			struct injury j = { .h = &h, .file = file, .how = (enum how)how, .from = at, .to = how >= CUT_AT ? file->len : at + 1 };
			if (how == FLIP_ALL || how == ZERO_16 || how == ZERO_512 || used == 0 || strcmp(file->path, "FORMAT") == 0)
				continue;
			if (!crash_at("file", i) || !crash_at("how", how))
				continue;
			j.hit = may_hurt(&h, &j);
			cut_repair(&h, &j);
		}
	}
	flip_free(&h);
}

/* ---- calls fail in a check and in a repair ---- */

static void fail_one(const struct injury *j, const struct os_sim *damaged, unsigned nth, int error, bool *done)
{
	struct node n = { .sim = os_sim_clone(damaged) };
	struct flip_findings f;

	(void)os_sim_os_process(n.sim, HACKER);
	os_sim_fail_nth(n.sim, nth, error, false);
	flip_fsck(n.sim, true, true, &f);
	*done = !os_sim_fault_fired(n.sim);
	os_sim_fail_nth(n.sim, 0, 0, false);
	if (f.rc < 0 && !f.err.text[0])
		crash_fail("a repair that fails does not say why");
	flip_fsck(n.sim, true, true, &f);
	if (f.rc < 0)
		crash_fail("after a call that failed it cannot be repaired: %s", f.err.text);
	check_kept(j, n.sim, "after a call that failed");
	flip_fsck(n.sim, false, false, &f);
	tell_left(j, &f, "after a call that failed");
	struct pawl_error err = { 0 };
	if (node_start(&n, &err) < 0)
		crash_fail("after a call that failed the hub does not start: %s", err.text);
	else
		check_others(j, &n, "after a call that failed");
	node_stop(&n);
	node_free(&n);
}

static void fails(const struct flip_hub *h, const char *path, enum how how)
{
	static const int errors[] = { EIO, ENOMEM, ENOSPC };
	const struct flip_file *file = NULL;

	for (unsigned i = 0; i < h->file_count; i++)
		if (strcmp(h->files[i].path, path) == 0)
			file = &h->files[i];
	if (!file) {
		crash_fail("the hub has no '%s'", path);
		return;
	}
	struct injury j = { .h = h, .file = file, .how = how, .from = file->len / 2, .to = how >= CUT_AT ? file->len : file->len / 2 + 1 };
	struct os_sim *damaged = os_sim_clone(h->sim);
	j.hit = may_hurt(h, &j);
	injure(damaged, &j);
	for (unsigned e = 0; e < COUNT_OF(errors); e++)
		for (unsigned nth = 1 + e; nth < 10000 && !crash_over(); nth += crash_scale() > 1 ? 1 : 3 * CRASH_STRIDE) {
			bool done = false;
			if (crash_at("error", e) && crash_at("nth", nth))
				fail_one(&j, damaged, nth, errors[e], &done);
			if (done)
				break;
		}
	os_sim_free(damaged);
}

static void faults(void)
{
	struct flip_hub h;

	if (!flip_make(&h))
		return;
	fails(&h, "instances/generations/2.history", FLIP_BIT);
	fails(&h, "archive/ended/1.history", FLIP_BIT);
	fails(&h, "instances/spilled/1.2.data", REMOVE);
	flip_free(&h);
}

int main(int argc, char **argv)
{
	static const struct crash_test tests[] = {
		{ "a hub that nobody has damaged has nothing wrong", unharmed },
		{ "damage anywhere hurts only whom it hit, is named, and repaired", everywhere },
		{ "a repair in which a call fails loses nothing, and the next one ends it", faults },
		{ "a repair that the power cuts off loses nothing, and the next one ends it", repairs },
	};

	return crash_main(argc, argv, tests, COUNT_OF(tests));
}
