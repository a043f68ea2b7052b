/* queue_dead.c - dead letters: work/dead/INSTANCE.SEQ.json, for people. */
#include "mailbox.h"
#include "queue.h"
#include <errno.h>
#include <stdlib.h>

#define LETTER_BYTES_MAX (4u << 20)
#define ENDING           ".json"

static bool letter_id(const char *name, char *id, size_t size)
{
	size_t len = strlen(name), end = strlen(ENDING);

	if (len <= end || len - end >= size || strcmp(name + len - end, ENDING) != 0)
		return false;
	memcpy(id, name, len - end);
	id[len - end] = '\0';
	return work_check_letter(id, NULL) == 0;
}

static void letter_name(char *out, size_t size, const char *id)
{
	snprintf(out, size, "%.200s" ENDING, id);
}

/* ---- the cap ---- */

struct oldest {
	struct fs *fs;
	int dir;
	size_t count;
	bool count_only;
	int64_t time_ns;
	char name[256];
};

static int find_oldest(void *arg, const char *name)
{
	struct oldest *o = arg;
	char id[200];

	if (!letter_id(name, id, sizeof(id)))
		return 0;
	int64_t t = o->count_only ? 0 : file_time(o->fs, o->dir, name);
	if (o->count == 0 || t < o->time_ns || (t == o->time_ns && strcmp(name, o->name) < 0)) {
		o->time_ns = t;
		snprintf(o->name, sizeof(o->name), "%s", name);
	}
	o->count++;
	return 0;
}

static int list_letters(struct fs *fs, int dir, struct oldest *o, bool count_only)
{
	*o = (struct oldest){ .fs = fs, .dir = dir, .count_only = count_only };
	return fs->os->list(fs->os->self, dir, ".", find_oldest, o);
}

static int make_room(struct fs *fs, int dir)
{
	struct oldest o;
	int rc = list_letters(fs, dir, &o, true);

	while (rc == 0 && o.count > WORK_LETTERS_MAX) {
		rc = list_letters(fs, dir, &o, false);
		log_warning("dead letter '%s' is removed: there are more than %d in '%s/work/dead'", o.name,
		            WORK_LETTERS_MAX, fs->path);
		if (rc == 0)
			rc = file_remove(fs, dir, o.name);
		o.count--;
	}
	return rc;
}

int fs_bury(struct pawl_provider *p, const struct pawl_dead_letter *letter, struct pawl_error *err)
{
	IO_BECAUSE(IO_QUEUE);
	struct fs *fs = fs_of(p);
	char name[256];
	int rc = work_check_letter(letter->id, err);

	if (rc == 0)
		rc = queue_check_writable(fs, err);
	if (rc < 0)
		return rc;
	letter_name(name, sizeof(name), letter->id);
	int dir = place_open(fs, "dead", true);
	rc = dir < 0 ? dir : file_put(fs, dir, name, letter->text, strlen(letter->text));
	if (rc == 0)
		rc = make_room(fs, dir);
	dir_close(fs, dir);
	return rc < 0 ? err_sys(err, -rc, "cannot keep the dead letter '%s/work/dead/%s'", fs->path, name) : 0;
}

/* ---- reading ---- */

static int tell_letter(struct fs *fs, int dir, const char *id,
                       int (*each)(void *arg, const struct pawl_dead_letter *letter), void *arg)
{
	char name[256], *text = NULL;
	size_t len = 0;

	letter_name(name, sizeof(name), id);
	int64_t t = file_time(fs, dir, name);
	int rc = os_read_file(fs->os, dir, name, LETTER_BYTES_MAX, &text, &len);
	if (rc < 0 || len == 0) { /* gone meanwhile, or lost to a power cut: nothing was synced */
		free(rc == 0 ? text : NULL);
		return rc == -ENOMEM ? PAWL_ENOMEM : 0;
	}
	const struct pawl_dead_letter letter = { .id = id, .text = text, .time_ns = t };
	rc = each(arg, &letter);
	free(text);
	return rc;
}

static int id_order(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names without their ending, those that are no letters left out. */
static void keep_letters(struct dir_names *n)
{
	char id[200];
	size_t kept = 0;

	for (size_t i = 0; i < n->count; i++) {
		if (letter_id(n->items[i], id, sizeof(id))) {
			n->items[i][strlen(id)] = '\0';
			n->items[kept++] = n->items[i];
		} else {
			free(n->items[i]);
		}
	}
	n->count = kept;
	if (kept > 1)
		qsort(n->items, kept, sizeof(n->items[0]), id_order);
}

int fs_each_dead(struct pawl_provider *p, int (*each)(void *arg, const struct pawl_dead_letter *letter), void *arg,
                 struct pawl_error *err)
{
	struct fs *fs = fs_of(p);
	struct dir_names n = { 0 };
	int dir = place_open(fs, "dead", false), rc = dir;

	if (dir == -ENOENT)
		return 0;
	if (dir >= 0)
		rc = names_list(fs, "work/dead", &n);
	if (rc < 0)
		rc = err_sys(err, -rc, "cannot list '%s/work/dead'", fs->path);
	keep_letters(&n);
	for (size_t i = 0; i < n.count && rc == 0; i++)
		rc = tell_letter(fs, dir, n.items[i], each, arg);
	names_release(&n);
	dir_close(fs, dir);
	return rc == PAWL_ENOMEM ? err_nomem(err) : rc;
}

int fs_unbury(struct pawl_provider *p, const char *id, struct pawl_error *err)
{
	IO_BECAUSE(IO_QUEUE);
	struct fs *fs = fs_of(p);
	char name[256];
	int rc = work_check_letter(id, err);

	if (rc == 0)
		rc = queue_check_writable(fs, err);
	if (rc < 0)
		return rc;
	letter_name(name, sizeof(name), id);
	int dir = place_open(fs, "dead", false);
	rc = dir < 0 ? dir : fs->os->unlink(fs->os->self, dir, name);
	dir_close(fs, dir);
	if (rc == -ENOENT)
		return err_set(err, PAWL_ENOTFOUND, "there is no dead letter '%s' in '%s'", id, fs->path);
	return rc < 0 ? err_sys(err, -rc, "cannot remove '%s/work/dead/%s'", fs->path, name) : 0;
}
