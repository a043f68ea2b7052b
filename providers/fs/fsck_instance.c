/* fsck_instance.c - one instance: where it is, its executions, what else lies in its directory, its marks. */
#include "fsck_impl.h"
#include <errno.h>
#include <stdlib.h>

#define NOTE_BYTES 8192
#define ENVELOPE_MAX (1u << 30)

static uint64_t history_number(const char *name, const char *ending)
{
	const char *dot = strchr(name, '.');
	uint64_t n;

	if (!dot || strcmp(dot, ending) != 0 || text_parse_u64(slice_make(name, (size_t)(dot - name)), &n) < 0)
		return 0;
	return n;
}

static bool ends_with(const char *name, const char *ending)
{
	size_t n = strlen(name), e = strlen(ending);

	return n > e && strcmp(name + n - e, ending) == 0;
}

/* ---- executions ---- */

static int compare_numbers(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Those that have a file and those that the journal has lines for, in order, each once. */
static size_t executions(const struct dir_names *n, const struct overlay_instance *o, uint64_t *out)
{
	size_t count = 0, unique = 0;

	for (size_t i = 0; i < n->count; i++) {
		uint64_t number = history_number(n->items[i], ".history");
		if (number && (!o || number >= o->kept_from))
			out[count++] = number;
	}
	for (const struct overlay_file *file = o ? o->files : NULL; file; file = file->next)
		out[count++] = file->execution;
	if (count)
		qsort(out, count, sizeof(*out), compare_numbers);
	for (size_t i = 0; i < count; i++)
		if (unique == 0 || out[unique - 1] != out[i])
			out[unique++] = out[i];
	return unique;
}

/* Older ones may have been pruned; between two there is no gap. */
static void check_gap(struct fsck *f, struct fsck_place *p, uint64_t before, uint64_t number)
{
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "%.300s/%llu.history", p->home, (unsigned long long)before + 1);
	struct found *x = found_add(f, FSCK_DAMAGE, "execution-missing", path, "execution %llu is not there, and %llu and %llu are",
		(unsigned long long)before + 1, (unsigned long long)before, (unsigned long long)number);
	fsck_repair_execution(p, x, before, 0);
}

static int check_executions(struct fsck *f, struct fsck_place *p, const struct dir_names *n, const struct overlay_instance *o)
{
	size_t files = n->count;
	int rc = 0;

	for (const struct overlay_file *file = o ? o->files : NULL; file; file = file->next)
		files++;
	uint64_t *all = malloc((files + 1) * sizeof(*all));
	if (!all)
		return err_nomem(f->err);
	size_t count = executions(n, o, all);
	p->oldest = count ? all[0] : 0;
	p->newest = count ? all[count - 1] : 0;
	for (size_t i = 0; rc == 0 && i < count; i++) {
		if (i && all[i] != all[i - 1] + 1)
			check_gap(f, p, all[i - 1], all[i]);
		rc = fsck_check_history(f, p, all[i]);
	}
	free(all);
	return rc;
}

/* ---- what else is there ---- */

static void check_start(struct fsck *f, const struct fsck_place *p, const char *path)
{
	char *text = NULL;
	size_t len = 0;
	int rc = os_read_file(f->os, f->fs->hub, path, ENVELOPE_MAX, &text, &len);
	const char *why = rc == 0 ? mailbox_check_envelope(f->fs, text, len, p->id) : NULL;
	struct found *x = NULL;

	if (why)
		x = found_add(f, FSCK_DAMAGE, "envelope", path, "the start cannot be taken: %s", why);
	else if (rc < 0 && rc != -ENOENT)
		x = found_unreadable(f, "envelope", path, rc, "the start cannot be read");
	if (x && rc == 0)
		x->f.offset = 0;
	if (why || fsck_is_no_file(rc))
		found_repair(x, ACT_SET_ASIDE, true, "set it aside; the id is free again");
	free(text);
}

static void check_work_dirs(struct fsck *f, const struct fsck_place *p, const char *dir)
{
	struct dir_names n;
	char path[PATH_SIZE];
	uint64_t seq;
	int rc = names_list(f->fs, dir, &n);

	for (size_t i = 0; rc == 0 && i < n.count && p->newest_good; i++) {
		bool known = false;
		if (text_parse_u64(slice_of(n.items[i]), &seq) == 0)
			known = p->activity_count && bsearch(&seq, p->activities, p->activity_count, sizeof(seq), compare_numbers) != NULL;
		if (known || n.items[i][0] == '.')
			continue;
		snprintf(path, sizeof(path), "%.230s/%.255s", dir, n.items[i]);
		struct found *x = found_add(f, FSCK_NOTE, "work-directory", path, "execution %llu has no activity of this number", (unsigned long long)p->newest);
		if (x)
			x->moving = true;
	}
	names_release(&n);
}

static void check_events(struct fsck *f, const char *dir)
{
	struct dir_names n;
	char rejected[PATH_SIZE];
	size_t count = 0;

	snprintf(rejected, sizeof(rejected), "%.400s/.rejected", dir);
	int rc = names_list(f->fs, rejected, &n);
	for (size_t i = 0; rc == 0 && i < n.count; i++)
		count += !ends_with(n.items[i], ".why");
	names_release(&n);
	if (count)
		found_add(f, FSCK_NOTE, "rejected", rejected, "%zu dropped file%s that could not be taken", count, count == 1 ? "" : "s");
}

static bool is_temporary(const char *name)
{
	return name[0] == '.' && ends_with(name, ".tmp");
}

static void check_directory(struct fsck *f, const char *path, bool events)
{
	struct os_stat st;
	int rc = f->os->stat(f->os->self, f->fs->hub, path, &st);

	if (rc == 0 && st.type != OS_DIR)
		found_repair(found_add(f, FSCK_WARNING, "not-directory", path, "it is not a directory"), ACT_SET_ASIDE, false, "set it aside");
	else if (rc == 0 && events)
		check_events(f, path);
}

static void check_payload_name(struct fsck *f, const struct fsck_place *p, const char *path, const char *name)
{
	if (map_get(&p->payloads, slice_of(name)) || !p->newest_good)
		return;
	struct found *x = found_add(f, FSCK_NOTE, "payload-unnamed", path, "no line names it: a commit that did not come about, or an execution that is gone");
	if (x)
		x->moving = true;
}

static void check_name(struct fsck *f, const struct fsck_place *p, const struct overlay_instance *o, const char *name)
{
	char path[PATH_SIZE];
	struct os_stat st;
	uint64_t number = history_number(name, ".history");

	if ((size_t)snprintf(path, sizeof(path), "%.200s/%.255s", p->home, name) >= sizeof(path))
		return;
	if (number && f->os->stat(f->os->self, f->fs->hub, path, &st) == 0 && st.type == OS_FILE)
		fsck_check_mode(f, path, &st);
	if (number && o && number < o->kept_from)
		found_add(f, FSCK_NOTE, "pruned", path, "it was pruned: the next start removes it");
	else if (number || strcmp(name, "DAMAGED") == 0 || strcmp(name, "PARKED") == 0 || strcmp(name, ".rejected") == 0)
		return;
	else if (strcmp(name, "start") == 0)
		check_start(f, p, path);
	else if (strcmp(name, "events") == 0)
		check_directory(f, path, true);
	else if (strcmp(name, "work") == 0) {
		check_directory(f, path, false);
		check_work_dirs(f, p, path);
	} else if (history_number(name, ".history.torn"))
		found_add(f, FSCK_NOTE, "torn", path, "what was cut from the end of a history is kept here");
	else if (ends_with(name, ".data"))
		check_payload_name(f, p, path, name);
	else if (is_temporary(name)) {
		struct found *x = found_add(f, FSCK_NOTE, "temporary", path, "a file that was being written");
		found_repair(x, ACT_REMOVE, false, "remove it");
		if (x)
			x->moving = true;
	} else
		found_add(f, FSCK_NOTE, "foreign", path, "it is not pawl's");
}

/* ---- marks ---- */

static unsigned damages(const struct fsck *f, size_t from)
{
	unsigned count = 0;

	for (size_t i = from; i < f->list->count; i++)
		count += f->list->items[i].f.severity == FSCK_DAMAGE;
	return count;
}

static void check_marks(struct fsck *f, const struct fsck_place *p, bool good)
{
	char path[PATH_SIZE], *why = NULL;
	size_t len = 0;

	snprintf(path, sizeof(path), "%.400s/PARKED", p->home);
	if (os_read_file(f->os, f->fs->hub, path, NOTE_BYTES, &why, &len) == 0) {
		struct found *x = found_add(f, FSCK_NOTE, "parked", path, "%s", why);
		if (x)
			x->moving = true;
		free(why);
	}
	snprintf(path, sizeof(path), "%.400s/DAMAGED", p->home);
	if (!fsck_is_there(f, path))
		return;
	why = NULL;
	(void)os_read_file(f->os, f->fs->hub, path, NOTE_BYTES, &why, &len);
	bool lost = why && strstr(why, LOST_LINES);
	struct found *x = found_add(f, FSCK_DAMAGE, "set-aside", path, "%s", why && len ? why : "it does not say why");
	if (good && lost)
		found_repair(x, ACT_SET_ASIDE, true, "remove the mark: the instance goes on from the last line that is left");
	else if (good)
		found_repair(x, ACT_SET_ASIDE, false, "remove the mark: the history reads whole");
	free(why);
}

/* ---- places ---- */

/* 1: a directory, 0: nothing, -1: something else, which is told of. */
static int look_at(struct fsck *f, const char *path)
{
	struct os_stat st;
	int rc = f->os->stat(f->os->self, f->fs->hub, path, &st);

	if (rc == -ENOENT || rc == -ENOTDIR)
		return 0;
	if (rc == 0 && st.type == OS_DIR)
		return 1;
	if (rc < 0)
		found_unreadable(f, "unreadable", path, rc, "cannot look at it");
	else
		found_repair(found_add(f, FSCK_DAMAGE, "not-directory", path, "it is not a directory"), ACT_SET_ASIDE, false, "set it aside");
	return -1;
}

static bool has_history(struct fsck *f, const char *home)
{
	struct dir_names n;
	bool found = false;

	bool known = names_list(f->fs, home, &n) == 0;
	found = !known; /* it is not the one that goes */
	for (size_t i = 0; i < n.count && !found; i++)
		found = history_number(n.items[i], ".history") != 0;
	names_release(&n);
	return found;
}

/* One of the two has what the id is; the other one goes. */
static void check_twice(struct fsck *f, const char *live, const char *archived)
{
	bool keep_live = has_history(f, live) || !has_history(f, archived); /* of two, the live one is the newer */
	struct found *x = found_add(f, FSCK_DAMAGE, "instance-twice", keep_live ? archived : live, "the same instance is in '%s', too", keep_live ? live : archived);

	found_repair(x, ACT_SET_ASIDE, true, "set it aside");
}

/* What there must be besides, of one that is good. */
static void check_rest(struct fsck *f, const struct fsck_place *p)
{
	char path[PATH_SIZE];
	struct found *x;

	if (p->ended && !p->archived)
		found_repair(found_add(f, FSCK_NOTE, "ended", p->home, "it has ended, and is not in the archive yet"), ACT_ARCHIVE, false, "move it there");
	snprintf(path, sizeof(path), "%.400s/events", p->home);
	if (p->newest && !p->archived && !fsck_is_there(f, path)) {
		x = found_add(f, FSCK_WARNING, "directory-missing", path, "there is no such directory: no event can be dropped");
		found_repair(x, ACT_MAKE_DIR, false, "make it");
		if (x)
			x->at = HUB_DIR_MODE_PRIVATE;
	}
	snprintf(path, sizeof(path), "%.400s/start", p->home);
	if (!p->newest && !fsck_is_there(f, path)) {
		x = found_add(f, f->clean ? FSCK_WARNING : FSCK_NOTE, "instance-empty", p->home, "it has no history and no start: its first commit did not come about, or it is lost");
		found_repair(x, ACT_SET_ASIDE, false, "set it aside");
		if (x)
			x->moving = true;
	}
}

static int check_home(struct fsck *f, struct fsck_place *p)
{
	const struct overlay_instance *o = overlay_find(&f->overlay, p->id);
	struct dir_names n;
	size_t from = f->list->count;
	int rc = names_list(f->fs, p->home, &n);

	if (rc < 0) {
		names_release(&n);
		if (rc != -ENOENT)
			found_unreadable(f, "unreadable", p->home, rc, "cannot list it");
		return rc == -ENOMEM ? err_nomem(f->err) : 0;
	}
	f->sum->instances += f->counting && !p->archived;
	f->sum->archived += f->counting && p->archived;
	rc = check_executions(f, p, &n, o);
	for (size_t i = 0; rc == 0 && i < n.count; i++)
		check_name(f, p, o, n.items[i]);
	if (rc == 0)
		check_marks(f, p, damages(f, from) == 0);
	if (rc == 0 && damages(f, from) == 0)
		check_rest(f, p);
	names_release(&n);
	return rc;
}

int fsck_check_instance(struct fsck *f, const char *id)
{
	const struct overlay_instance *o = overlay_find(&f->overlay, id);
	char live[PATH_SIZE], archived[PATH_SIZE];
	struct fsck_place p = { .id = id };

	snprintf(live, sizeof(live), "instances/%s", id);
	snprintf(archived, sizeof(archived), "archive/%s", id);
	int is_live = look_at(f, live), is_archived = look_at(f, archived);
	if (o && o->purged && !o->files && is_live <= 0)
		return 0; /* the next start removes what is left of it */
	if (is_live > 0 && is_archived > 0)
		check_twice(f, live, archived);
	if (is_live <= 0 && is_archived <= 0)
		return f->err->code == PAWL_ENOMEM ? PAWL_ENOMEM : 0; /* gone, or the journal has all of it */
	p.archived = is_live <= 0;
	memcpy(p.home, p.archived ? archived : live, sizeof(p.home));
	map_init(&p.payloads);
	int rc = check_home(f, &p);
	map_release(&p.payloads);
	free(p.activities);
	return rc < 0 ? rc : f->err->code == PAWL_ENOMEM ? PAWL_ENOMEM : 0;
}
