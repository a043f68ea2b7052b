/* fsck_hub.c - FORMAT, LOCK, the hub's directories, and what is not pawl's. */
#include "fsck_impl.h"
#include <errno.h>
#include <stdlib.h>

#define SMALL_FILE 4096
#define WRITABLE_BY_ALL 002u
#define WRITABLE_BY_OTHERS 022u
#define STICKY 01000u

static const struct {
	const char *name;
	bool needed, may_be_open; /* others may write there */
	unsigned mode;
} dirs[] = {
	{ "journal", true, false, HUB_DIR_MODE_PRIVATE },
	{ "instances", true, false, HUB_DIR_MODE },
	{ "inbox", true, true, HUB_DIR_MODE_PRIVATE },
	{ "control", true, false, 0700 },
	{ "archive", true, false, HUB_DIR_MODE_PRIVATE },
	{ "work", false, true, HUB_DIR_MODE },
	{ "lost+found", false, false, 0700 },
};
#define DIR_COUNT (sizeof(dirs) / sizeof(dirs[0]))

void fsck_check_mode(struct fsck *f, const char *path, const struct os_stat *st)
{
	struct os_stat hub;
	/* what is in control/ is obeyed: a group is let in by the configuration, which makes it sticky, or not at all */
	bool obeyed = strcmp(path, "control") == 0 && !(st->mode & STICKY);
	uint32_t wrong = st->mode & (obeyed ? WRITABLE_BY_OTHERS : WRITABLE_BY_ALL);

	if (wrong) {
		struct found *x = found_add(f, FSCK_WARNING, "mode", path, "its mode is %04o: %s may write there", st->mode & 07777u,
			wrong & WRITABLE_BY_ALL ? "everybody" : "its group");
		found_repair(x, ACT_CHMOD, false, "make it %04o", st->mode & 07777u & ~wrong);
		if (x)
			x->at = st->mode & 07777u & ~wrong;
	}
	if (f->os->stat_fd(f->os->self, f->fs->hub, &hub) == 0 && hub.uid != st->uid && st->uid != 0)
		found_add(f, FSCK_WARNING, "owner", path, "it belongs to user %u, the hub to user %u", st->uid, hub.uid);
}

static void check_dir(struct fsck *f, size_t n)
{
	struct os_stat st;
	const char *path = dirs[n].name;
	int rc = f->os->stat(f->os->self, f->fs->hub, path, &st);

	if (rc == -ENOENT && !dirs[n].needed)
		return;
	if (rc == -ENOENT) {
		struct found *x = found_add(f, FSCK_WARNING, "directory-missing", path, "there is no such directory");
		found_repair(x, ACT_MAKE_DIR, false, "make it");
		if (x)
			x->at = dirs[n].mode;
	} else if (rc < 0) {
		found_unreadable(f, "unreadable", path, rc, "cannot look at it");
	} else if (st.type != OS_DIR) {
		found_repair(found_add(f, FSCK_DAMAGE, "not-directory", path, "it is not a directory"), ACT_SET_ASIDE, false, "set it aside, and make the directory");
	} else if (!dirs[n].may_be_open) {
		fsck_check_mode(f, path, &st);
	}
}

/* The first byte that differs; the shorter one's length when it is all in the other. */
static uint64_t first_difference(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t n = 0;

	while (n < a_len && n < b_len && a[n] == b[n])
		n++;
	return n;
}

static void check_format(struct fsck *f)
{
	char *text = NULL, wanted[HUB_FORMAT_SIZE];
	size_t len = 0;
	struct found *x = NULL;
	struct os_stat st;
	int rc = os_read_file(f->os, f->fs->hub, "FORMAT", SMALL_FILE, &text, &len);

	hub_format_text(f->fs, wanted);
	if (f->format_bad)
		x = found_add(f, FSCK_DAMAGE, "format", "FORMAT", "%s", f->format_why);
	else if (rc < 0)
		x = found_unreadable(f, "format", "FORMAT", rc, "cannot read it");
	else if (len != strlen(wanted) || memcmp(text, wanted, len) != 0)
		x = found_add(f, FSCK_WARNING, "format", "FORMAT", "it is not as pawl writes it, though it can be read");
	if (f->format_bad || rc == 0)
		found_repair(x, ACT_FORMAT, false, "write it anew; the hub's id is that of the journal");
	if (x && rc == 0)
		x->f.offset = first_difference(text, len, wanted, strlen(wanted));
	if (f->os->stat(f->os->self, f->fs->hub, "FORMAT", &st) == 0 && st.type == OS_FILE)
		fsck_check_mode(f, "FORMAT", &st);
	free(text);
}

void fsck_check_lock(struct fsck *f)
{
	char *text = NULL;
	size_t len = 0;
	struct os_stat st;
	struct found *x;

	if (f->os->stat(f->os->self, f->fs->hub, "LOCK", &st) == -ENOENT)
		return;
	int rc = os_read_file(f->os, f->fs->hub, "LOCK", SMALL_FILE, &text, &len);
	if (rc < 0) {
		x = found_unreadable(f, "lock", "LOCK", rc, fsck_is_no_file(rc) ? "no runtime can start: cannot read it" : "cannot read it");
		if (fsck_is_no_file(rc))
			found_repair(x, ACT_SET_ASIDE, false, "set it aside");
	} else if (!hub_lock_is_good(text, len) && !f->owner) {
		x = found_add(f, FSCK_WARNING, "lock", "LOCK", "it does not say who has the hub: the next start writes it anew");
		found_repair(x, ACT_REMOVE, false, "write it anew");
		if (x)
			x->f.offset = 0;
	}
	if (rc == 0)
		fsck_check_mode(f, "LOCK", &st);
	free(text);
}

static bool is_known(const char *name)
{
	static const char *const files[] = { "FORMAT", "LOCK", "RUNNING", "CLOCK", "RUN" };

	for (size_t i = 0; i < DIR_COUNT; i++)
		if (strcmp(name, dirs[i].name) == 0)
			return true;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (strcmp(name, files[i]) == 0)
			return true;
	return false;
}

int fsck_check_hub(struct fsck *f, const char *name)
{
	struct dir_names n;
	struct os_stat st;

	(void)name;
	int rc = names_list(f->fs, ".", &n);
	if (rc < 0) {
		names_release(&n);
		return err_sys(f->err, -rc, "cannot list '%s'", f->o->hub);
	}
	if (f->os->stat_fd(f->os->self, f->fs->hub, &st) == 0)
		fsck_check_mode(f, ".", &st);
	check_format(f);
	fsck_check_lock(f);
	for (size_t i = 0; i < DIR_COUNT; i++)
		check_dir(f, i);
	for (size_t i = 0; i < n.count; i++)
		if (!is_known(n.items[i]))
			found_add(f, FSCK_NOTE, "foreign", n.items[i], "it is not pawl's");
	names_release(&n);
	return f->err->code == PAWL_ENOMEM ? PAWL_ENOMEM : 0;
}

/* ---- beside the instances ---- */

static bool begins(const char *name, const char *head)
{
	return strncmp(name, head, strlen(head)) == 0;
}

#define STAGE_AGE_NS (600 * (int64_t)1000000000)

/* What a `pawl start` or an import that was cut off has left; nobody looks at it. */
static void check_stage(struct fsck *f, const char *path)
{
	struct os_stat st;

	if (f->os->stat(f->os->self, f->fs->hub, path, &st) < 0)
		return;
	bool old = f->os->real_ns(f->os->self) - st.mtime_ns > STAGE_AGE_NS;
	struct found *x = found_add(f, FSCK_NOTE, "stage", path, old ? "a start or import that was cut off: nobody was told of it" :
		"a start or import is under way, or was just now cut off");
	if (old)
		found_repair(x, ACT_REMOVE, false, "remove it");
}

static int check_beside(struct fsck *f, const char *dir)
{
	struct dir_names n;
	char path[PATH_SIZE];
	int rc = names_list(f->fs, dir, &n);

	for (size_t i = 0; rc == 0 && i < n.count; i++) {
		const char *name = n.items[i];
		if (text_is_instance_id(slice_of(name)))
			continue;
		snprintf(path, sizeof(path), "%s/%.400s", dir, name);
		if (strcmp(path, "archive/.purged") == 0)
			found_add(f, FSCK_NOTE, "purged", path, "what was purged or pruned is removed from here, piece by piece");
		else if (begins(name, ".start-") || begins(name, ".import-"))
			check_stage(f, path);
		else
			found_add(f, FSCK_NOTE, "foreign", path, "it is not pawl's: no instance can have this name");
	}
	names_release(&n);
	if (rc < 0 && rc != -ENOENT && rc != -ENOTDIR && rc != -ELOOP)
		return err_sys(f->err, -rc, "cannot list '%s/%s'", f->o->hub, dir);
	return 0;
}

int fsck_check_places(struct fsck *f, const char *name)
{
	(void)name;
	int rc = check_beside(f, "instances");

	if (rc == 0)
		rc = check_beside(f, "archive");
	return rc < 0 ? rc : f->err->code == PAWL_ENOMEM ? PAWL_ENOMEM : 0;
}
