/*
 * drops_reject.c - what is refused: moved to .rejected/ beside the place where it was dropped, with a note that says why.
 *
 * Who may drop may also make names: .rejected itself, a link in its place, the note before we write it. So the directory
 * counts only when it is one of ours, every name is one of a directory that is held, and what we write is a new file that
 * is renamed. And who drops may do so for ever: the oldest go when there are too many, and the log is told of some only.
 */
#include "mailbox.h"
#include "base/text.h"
#include <errno.h>
#include <stdlib.h>

#define NOTE ".why"
#define ASIDE ".rejected"
#define TRIES 1000           /* names for what is rejected under one name */
#define TRIMS_MAX 64         /* directories that wait to be trimmed */
#define LINES_MAX 20         /* in the log, in ... */
#define LINES_NS 10000000000ll

/* ---- the log ---- */

bool drops_may_say(struct fs *fs)
{
	struct mailbox *m = fs->mailbox;
	int64_t now = fs->os->boot_ns(fs->os->self);

	if (!m)
		return true;
	if (m->lines == 0 || now - m->lines_ns >= LINES_NS) {
		if (m->lines_kept)
			log_warning("%u more messages about dropped files were not logged", m->lines_kept);
		m->lines = m->lines_kept = 0;
		m->lines_ns = now;
	}
	if (m->lines < LINES_MAX) {
		m->lines++;
		return true;
	}
	m->lines_kept++;
	return false;
}

/* ---- moving aside ---- */

/* The directory for what is rejected, or -errno: then it stays where it is, under a hidden name. A full disk may have no
 * room for a directory; and one that is not ours may have been put there to lead us somewhere. */
static int open_aside(struct fs *fs, int dir)
{
	const struct os *os = fs->os;
	struct os_stat st;

	int rc = os->mkdir(os->self, dir, ASIDE, HUB_DIR_MODE_PRIVATE);
	if (rc < 0 && rc != -EEXIST)
		return rc;
	int fd = os->open(os->self, dir, ASIDE, OS_READ | OS_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	rc = os->stat_fd(os->self, fd, &st);
	if (rc == 0 && st.uid != os->uid(os->self))
		rc = -EPERM;
	if (rc == 0)
		return fd;
	os->close(os->self, fd);
	return rc;
}

static bool is_free(struct fs *fs, int dir, const char *name)
{
	struct os_stat st;

	return fs->os->stat(fs->os->self, dir, name, &st) == -ENOENT;
}

/* A name beside which there is room for the reason: neither may take the place of what was rejected before. */
static void free_name(struct fs *fs, int dir, const char *prefix, const char *name, char *out, size_t size)
{
	char note[256 + sizeof(NOTE)];

	for (unsigned n = 0; n < TRIES; n++) {
		if (n == 0)
			snprintf(out, size, "%s%.230s", prefix, name);
		else
			snprintf(out, size, "%s%.230s.%u", prefix, name, n);
		snprintf(note, sizeof(note), "%s" NOTE, out);
		if (is_free(fs, dir, out) && is_free(fs, dir, note))
			return;
	}
}

static int move_aside(struct fs *fs, int dir, const char *name, const char *why)
{
	const struct os *os = fs->os;
	char to[256], note[256 + sizeof(NOTE)];
	int aside = open_aside(fs, dir), into = aside < 0 ? dir : aside;

	free_name(fs, into, aside < 0 ? ASIDE "-" : "", name, to, sizeof(to));
	int rc = os->rename(os->self, dir, name, into, to);
	snprintf(note, sizeof(note), "%s" NOTE, to);
	if (rc == 0)
		(void)os_put_file(os, into, note, why, strlen(why), HUB_FILE_MODE); /* no sync: somebody may send very many */
	if (aside >= 0)
		os->close(os->self, aside);
	return rc;
}

void drops_reject(struct fs *fs, const char *dir, const char *name, const char *why)
{
	const struct os *os = fs->os;
	int fd = os->open(os->self, fs->hub, dir, OS_READ | OS_DIRECTORY, 0);
	int rc = fd < 0 ? fd : move_aside(fs, fd, name, why);

	if (fd >= 0)
		os->close(os->self, fd);
	if (rc == -ENOENT)
		return;
	fs->stats.rejected++;
	if (drops_may_say(fs))
		log_warning("'%s/%s' is rejected: %s%s%s", dir, name, why, rc < 0 ? "; and it cannot be moved aside: " : "", rc < 0 ? strerror(-rc) : "");
	struct mailbox *m = fs->mailbox;
	if (!m || rc < 0)
		return;
	if (m->trims.count >= TRIMS_MAX || map_put(&m->trims, slice_of(dir), m, NULL) < 0)
		drops_trim(fs);
}

/* ---- not for ever ---- */

struct reject {
	char *name;
	int64_t ctime_ns;
	uint64_t bytes;
};

struct rejects {
	struct fs *fs;
	int dir;
	struct reject *items;
	size_t count, cap;
	uint64_t bytes;
};

static bool is_note(const char *name)
{
	size_t len = strlen(name);

	return len > strlen(NOTE) && strcmp(name + len - strlen(NOTE), NOTE) == 0;
}

static int add_reject(void *arg, const char *name)
{
	struct rejects *r = arg;
	struct os_stat st;

	if (is_note(name) || r->fs->os->stat(r->fs->os->self, r->dir, name, &st) < 0)
		return 0;
	if (r->count == r->cap) {
		size_t cap = r->cap ? r->cap * 2 : 64;
		struct reject *grown = realloc(r->items, cap * sizeof(*grown));
		if (!grown)
			return PAWL_ENOMEM;
		r->items = grown;
		r->cap = cap;
	}
	char *copy = strdup(name);
	if (!copy)
		return PAWL_ENOMEM;
	r->items[r->count++] = (struct reject){ copy, st.ctime_ns, st.size };
	r->bytes += st.size;
	return 0;
}

static int oldest_first(const void *va, const void *vb)
{
	const struct reject *a = va, *b = vb;

	if (a->ctime_ns != b->ctime_ns)
		return a->ctime_ns < b->ctime_ns ? -1 : 1;
	return strcmp(a->name, b->name);
}

static void remove_reject(struct rejects *r, const struct reject *item)
{
	const struct os *os = r->fs->os;
	char note[256 + sizeof(NOTE)];

	(void)os_remove_any(os, r->dir, item->name);
	snprintf(note, sizeof(note), "%.255s" NOTE, item->name);
	(void)os->unlink(os->self, r->dir, note);
	r->bytes -= item->bytes;
}

/* What alone is over the limit of bytes goes first, so that it does not take all others along. */
static size_t remove_most(struct rejects *r)
{
	const struct pawl_provider_options *o = &r->fs->options;
	size_t left = r->count;

	for (size_t i = 0; i < r->count; i++)
		if (r->items[i].bytes > o->rejected_bytes_max) {
			remove_reject(r, &r->items[i]);
			r->items[i].bytes = UINT64_MAX;
			left--;
		}
	for (size_t i = 0; i < r->count && (left > o->rejected_max || r->bytes > o->rejected_bytes_max); i++)
		if (r->items[i].bytes != UINT64_MAX) {
			remove_reject(r, &r->items[i]);
			left--;
		}
	return r->count - left;
}

static void trim_dir(struct fs *fs, const char *dir)
{
	char path[PATH_SIZE];
	struct rejects r = { .fs = fs };

	snprintf(path, sizeof(path), "%.480s/" ASIDE, dir);
	r.dir = fs->os->open(fs->os->self, fs->hub, path, OS_READ | OS_DIRECTORY, 0);
	if (r.dir < 0)
		return; /* it went with its instance, or never was */
	if (fs->os->list(fs->os->self, r.dir, ".", add_reject, &r) == 0 && r.count) {
		qsort(r.items, r.count, sizeof(r.items[0]), oldest_first);
		size_t gone = remove_most(&r);
		if (gone && drops_may_say(fs))
			log_warning("'%s' has more than may be kept (drops.rejected_max, drops.rejected_bytes_max): the %zu oldest files are removed", path, gone);
	}
	for (size_t i = 0; i < r.count; i++)
		free(r.items[i].name);
	free(r.items);
	fs->os->close(fs->os->self, r.dir);
}

static int trim_each(void *arg, struct slice key, void *value)
{
	struct fs *fs = arg;
	char dir[PATH_SIZE];

	(void)value;
	snprintf(dir, sizeof(dir), "%.*s", SLICE_FMT(key));
	(void)map_remove(&fs->mailbox->trims, key);
	trim_dir(fs, dir);
	return 0;
}

void drops_trim(struct fs *fs)
{
	(void)map_each(&fs->mailbox->trims, trim_each, fs);
}
