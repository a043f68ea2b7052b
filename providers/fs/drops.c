/*
 * drops.c - files that people, scripts and bridges drop; the rules are in docs/FORMAT.md, "Dropping an event".
 *
 *	instances/ID/events/EVENT[@KEY][.ext]   raises EVENT
 *	inbox/ID.EVENT[@KEY][.ext]              raises EVENT for ID
 *	inbox/TYPE[@ID].start[.ext]             starts TYPE; the content is its input
 *
 * Every trigger is treated alike and every file gets the same test: a regular file that nobody has open for writing (read
 * lease), or, where leases do not work, one that did not change between two looks. Content that does not parse may still
 * be half a file (a copy that was killed and will be tried again), so it gets a minute.
 */
#include "base/crc32c.h"
#include "base/json.h"
#include "mailbox.h"
#include <errno.h>
#include <stdlib.h>

#define STABLE_NS 2000000000ll
#define EMPTY_NS 200000000ll
#define FULL_BYTES 65536
#define PARSE_PATIENCE_NS 60000000000ll
#define LOOKS_MAX 8192
#define OTHERS_READ 04u
#define OTHERS_WRITE 022u

/* ---- names ---- */

/* What a dropped file's name says. The texts are in `text`. */
struct drop_name {
	char text[256];
	const char *instance, *event, *key, *ext;
	bool is_start;
};

static bool ends_with(const char *name, const char *suffix)
{
	size_t n = strlen(name), s = strlen(suffix);

	return n >= s && strcmp(name + n - s, suffix) == 0;
}

/* Half-written by convention: editors, rsync, browsers, WinSCP and careful scripts. */
static bool is_unfinished(const char *name)
{
	static const char *const suffixes[] = { "~", ".part", ".tmp", ".swp", ".swx", ".filepart", ".crdownload", ".new" };

	if (name[0] == '.' || name[0] == '_' || name[0] == '#')
		return true;
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
		if (ends_with(name, suffixes[i]))
			return true;
	return false;
}

static char *cut_at(char *text, char c)
{
	char *at = strchr(text, c);

	if (!at)
		return NULL;
	*at = '\0';
	return at + 1;
}

static const char *parse_event(struct drop_name *d, char *text)
{
	char *ext = cut_at(text, '.'), *key = cut_at(text, '@');

	d->event = text;
	d->ext = ext ? ext : "";
	d->key = key;
	if (!text_is_event_name(slice_of(text)))
		return "the event name (up to the first dot) must be 1 to 64 of A-Z a-z 0-9 _ : -";
	if (key && !text_is_key(slice_of(key)))
		return "the key (behind @) must be 1 to 64 of A-Z a-z 0-9 _ : -";
	return NULL;
}

/* NULL, or why the name is not one of ours. */
static const char *parse_name(struct drop_name *d, const char *name, const char *instance)
{
	*d = (struct drop_name){ .instance = instance };
	if (strlen(name) >= sizeof(d->text))
		return "the name is too long";
	snprintf(d->text, sizeof(d->text), "%s", name);
	if (instance)
		return parse_event(d, d->text);
	char *rest = cut_at(d->text, '.');
	if (!rest)
		return "a file in the inbox is named ID.EVENT or TYPE.start";
	const char *why = parse_event(d, rest);
	if (why)
		return why;
	d->is_start = strcmp(d->event, "start") == 0;
	if (!d->is_start) {
		d->instance = d->text;
		return text_is_instance_id(slice_of(d->text)) ? NULL : "the instance id (up to the first dot) is not valid";
	}
	if (d->key)
		return "a start has no key: it is named TYPE.start or TYPE@ID.start";
	d->event = d->text;
	d->instance = cut_at(d->text, '@');
	if (d->instance && !text_is_instance_id(slice_of(d->instance)))
		return "the instance id (behind @) is not valid";
	return text_is_type_name(slice_of(d->text)) ? NULL : "the orchestration name (up to the first dot) is not valid";
}

/* ---- is it complete? ---- */

enum verdict { TAKE, WAIT, REJECT };

static void look_again_in(struct mailbox *m, int64_t ns)
{
	int64_t ms = ns / 1000000 + 1;

	if (m->again_ms < 0 || ms < m->again_ms)
		m->again_ms = ms;
}

static void forget_look(struct mailbox *m, const char *path)
{
	free(map_remove(&m->looks, slice_of(path)));
}

/* How long this very state of the file has been seen: 0 at the first look or after a change. */
static int64_t seen_for(struct fs *fs, const char *path, const struct os_stat *st)
{
	struct look *l = map_get(&fs->mailbox->looks, slice_of(path));
	int64_t now = fs->os->boot_ns(fs->os->self);

	if (l && l->st.size == st->size && l->st.mtime_ns == st->mtime_ns && l->st.ctime_ns == st->ctime_ns && l->st.ino == st->ino)
		return now - l->at_ns;
	if (!l) {
		if (fs->mailbox->looks.count >= LOOKS_MAX)
			return 0; /* it waits until there is room to remember it */
		l = calloc(1, sizeof(*l));
		if (!l || map_put(&fs->mailbox->looks, slice_of(path), l, NULL) < 0) {
			free(l);
			return 0;
		}
	}
	*l = (struct look){ *st, now };
	return 0;
}

static enum verdict wait_for(struct fs *fs, const char *path, const struct os_stat *st, int64_t need_ns)
{
	int64_t seen = seen_for(fs, path, st);

	if (seen >= need_ns)
		return TAKE;
	look_again_in(fs->mailbox, need_ns - seen);
	fs->stats.deferred++;
	return WAIT;
}

static enum verdict ready(struct fs *fs, const char *path, int fd, const struct os_stat *st)
{
	switch (fs->os->lease(fs->os->self, fd)) {
	case OS_LEASE_GRANTED:
		return TAKE;
	case OS_LEASE_WRITER:
		fs->stats.deferred++;
		return WAIT; /* CLOSE_WRITE will come, or the rescan */
	case OS_LEASE_UNKNOWN:
		break;
	}
	if (!fs->mailbox->lease_warned)
		log_notice("'%s': no read lease there (other owner, or file system): files are taken when they have not changed for 2 s", path);
	fs->mailbox->lease_warned = true;
	return wait_for(fs, path, st, STABLE_NS);
}

/* ---- content ---- */

/* An empty file from before this boot that no clean stop has synced: what was in it may be lost. */
static bool lost_content(struct fs *fs, const struct os_stat *st)
{
	int64_t now = fs->os->real_ns(fs->os->self), booted = now - fs->os->boot_ns(fs->os->self);
	bool covered = fs->clean_before && st->ctime_ns <= fs->lock_stat.mtime_ns; /* synced before the mark was made */

	return st->size == 0 && fs->mailbox->first_scan && !covered && !fs->same_boot &&
	       !(st->ctime_ns >= booted && st->ctime_ns <= now);
}

static void strip_newline(char *text, size_t *len)
{
	if (*len && text[*len - 1] == '\n' && --*len && text[*len - 1] == '\r')
		--*len;
	text[*len] = '\0';
}

/* NULL, or what is wrong with the content for this extension. */
static const char *parse_content(const char *ext, char *text, size_t *len)
{
	const char *kind = strrchr(ext, '.') ? strrchr(ext, '.') + 1 : ext;
	enum json_type type;

	if (strcmp(kind, "bin") == 0)
		return NULL;
	if (strcmp(kind, "json") == 0) {
		if (json_check(slice_make(text, *len), &type, NULL) < 0)
			return "it is not valid JSON";
		strip_newline(text, len);
		return NULL;
	}
	strip_newline(text, len);
	if (memchr(text, '\0', *len))
		return "it has bytes of zero: content lost in a power cut, or not text (name it .bin for bytes)";
	if (!text_is_utf8(slice_make(text, *len)))
		return "it is not UTF-8 text (name it .bin for bytes)";
	return strcmp(kind, "yaml") == 0 || strcmp(kind, "yml") == 0 ? drop_yaml_check(text, *len) : NULL;
}

/* A lease that was granted may be broken, and where there are none somebody may write at any time. */
static bool has_changed(struct fs *fs, int fd, const struct os_stat *was)
{
	struct os_stat st;

	return fs->os->stat_fd(fs->os->self, fd, &st) < 0 || st.size != was->size || st.mtime_ns != was->mtime_ns || st.ctime_ns != was->ctime_ns;
}

static int read_all(struct fs *fs, int fd, const struct os_stat *st, char **out)
{
	size_t size = (size_t)st->size;
	char *text = malloc(size + 1);

	if (!text)
		return -ENOMEM;
	ssize_t n = fs->os->pread(fs->os->self, fd, text, size, 0);
	if (n < 0) {
		free(text);
		return (int)n;
	}
	if ((size_t)n != size || has_changed(fs, fd, st)) {
		free(text);
		return -EAGAIN;
	}
	text[size] = '\0';
	*out = text;
	return 0;
}

/* Since it was read somebody may have put another in its place, or written it anew: that one is yet to be taken. Times may
 * be set later by those who copy them, so they only say when to look closer. */
bool drop_is_same(struct fs *fs, const char *path, const struct os_stat *was, uint32_t crc)
{
	struct os_stat st;
	char *text = NULL;
	size_t len = 0;

	if (fs->os->stat(fs->os->self, fs->hub, path, &st) < 0)
		return true;
	if (st.ino != was->ino || st.dev != was->dev || st.size != was->size)
		return false;
	if (st.mtime_ns == was->mtime_ns || os_read_file(fs->os, fs->hub, path, (size_t)was->size, &text, &len) < 0)
		return true;
	bool same = crc32c(0, text, len) == crc;
	free(text);
	return same;
}

/* ---- taking one file ---- */

struct drop {
	struct fs *fs;
	int fd; /* of the directory: who may change what its name stands for changes nothing here */
	const char *dir, *name;
	char path[PATH_SIZE];
	bool shared; /* others than we may make names in it */
	struct drop_name parts;
	struct os_stat st;
	uint32_t crc; /* of the file as it is: part of its identity */
	char *text;
	size_t len;
	const char *why;
};

static enum verdict refuse(struct drop *d, const char *why)
{
	d->why = why;
	return REJECT;
}

/*
 * An event without payload, or content that is not there (yet)?
 * The kernel shows a new file, and tells of it, a moment before it counts its writer: an empty one may be the very beginning
 * of `echo yes > FILE`, lease or not. And when the disk is full, `echo` fails and leaves an empty file behind.
 */
static enum verdict empty_verdict(struct drop *d)
{
	struct os_fs_info info;
	enum verdict v = wait_for(d->fs, d->path, &d->st, EMPTY_NS);

	if (v == TAKE && d->fs->os->fs_info(d->fs->os->self, d->fs->hub, &info) == 0 && info.free_bytes < FULL_BYTES)
		return refuse(d, "it is empty and the disk is full: what should be in it was not written, send it again");
	return v;
}

/*
 * A second name: `ln` of what somebody has, or the way of those who link and then unlink. But where others may drop, and
 * the kernel lets them link what they may not read (fs.protected_hardlinks off), it may be the name of a secret, which
 * we, who may read it, would write into a history. What everybody may read is none; anything else has two seconds to
 * become the only name.
 */
static enum verdict links_verdict(struct drop *d)
{
	if (d->st.nlink > 2)
		return refuse(d, "it has more than two hard links");
	if (d->st.nlink < 2 || !d->shared || d->st.mode & OTHERS_READ)
		return TAKE;
	if (wait_for(d->fs, d->path, &d->st, STABLE_NS) == WAIT)
		return WAIT;
	return refuse(d, "it has a second name (a hard link), and not everybody may read it: copy it instead");
}

static enum verdict drop_read(struct drop *d, int fd)
{
	struct fs *fs = d->fs;
	enum verdict v;

	int rc = fs->os->stat_fd(fs->os->self, fd, &d->st);
	if (rc < 0) {
		mailbox_look_failed(fs, "look at", d->path, rc);
		return WAIT;
	}
	if (d->st.type != OS_FILE)
		return refuse(d, "it is not a regular file");
	v = links_verdict(d);
	if (v != TAKE)
		return v;
	if (d->st.size > fs->options.message_bytes_max)
		return refuse(d, "it is larger than the limit for a payload (drops.bytes_max)");
	v = ready(fs, d->path, fd, &d->st);
	if (v != TAKE)
		return v;
	/* before the wait: only the first scan knows what was there at the start */
	if (lost_content(fs, &d->st))
		return refuse(d, "it is empty and from before the power cut: its content is lost, send it again");
	v = d->st.size == 0 ? empty_verdict(d) : TAKE;
	if (v != TAKE)
		return v;
	rc = read_all(fs, fd, &d->st, &d->text);
	if (rc == -EAGAIN)
		look_again_in(fs->mailbox, EMPTY_NS);
	else if (rc < 0)
		mailbox_look_failed(fs, "read", d->path, rc);
	if (rc < 0)
		return WAIT;
	d->crc = crc32c(0, d->text, (size_t)d->st.size);
	d->len = (size_t)d->st.size;
	d->why = d->len ? parse_content(d->parts.ext, d->text, &d->len) : NULL;
	if (!d->why)
		return TAKE;
	if (d->why == drop_no_memory) {
		mailbox_look_failed(fs, "read", d->path, -ENOMEM);
		return WAIT;
	}
	if (!map_get(&fs->mailbox->looks, slice_of(d->path)) && drops_may_say(fs))
		log_notice("'%s': %s; waiting a minute for the rest", d->path, d->why);
	return wait_for(fs, d->path, &d->st, PARSE_PATIENCE_NS) == TAKE ? REJECT : WAIT;
}

static enum verdict drop_look(struct drop *d)
{
	struct fs *fs = d->fs;
	int fd = fs->os->open(fs->os->self, d->fd, d->name, OS_READ | OS_NONBLOCK, 0);

	if (fd == -ENOENT)
		return WAIT;
	if (fd == -ELOOP || fd == -EISDIR || fd == -ENXIO)
		return refuse(d, "it is not a regular file");
	if (fd == -EACCES || fd == -EPERM)
		return refuse(d, "it is not readable for the runtime: permission denied");
	if (fd < 0) {
		mailbox_look_failed(fs, "open", d->path, fd);
		return WAIT;
	}
	enum verdict v = drop_read(d, fd);
	fs->os->unlease(fs->os->self, fd);
	fs->os->close(fs->os->self, fd);
	return v;
}

static int drop_deliver(struct drop *d, char *names, struct pawl_error *err)
{
	struct letter l = { .dir = strdup(d->dir), .name = strdup(d->name) };
	struct drop_name *p = &d->parts;
	size_t names_len = sizeof(p->text);

	/* one block: the payload, and behind it the names that the message points to */
	char *block = realloc(d->text, d->len + 1 + names_len + TEXT_INSTANCE_ID_MAX + 1);
	if (!l.dir || !l.name || !block) {
		d->text = block ? block : d->text;
		return mailbox_not_taken(d->fs, &l, PAWL_ENOMEM, err);
	}
	d->text = NULL;
	l.text = block;
	char *at = block + d->len + 1;
	memcpy(at, p->text, names_len);
#define MOVED(field) ((field) ? at + ((field) - p->text) : NULL)
	const char *instance = p->instance;
	if (instance && (instance < p->text || instance >= p->text + sizeof(p->text))) {
		snprintf(at + names_len, TEXT_INSTANCE_ID_MAX + 1, "%s", instance);
		instance = at + names_len;
	} else {
		instance = MOVED(instance);
	}
	l.message = (struct pawl_message){ .kind = p->is_start ? PAWL_MESSAGE_START : PAWL_MESSAGE_RAISE, .instance = instance,
		.name = MOVED(p->event), .key = MOVED(p->key), .data = block, .len = d->len, .can_wait = p->is_start };
#undef MOVED
	snprintf(l.id, sizeof(l.id), "f:%s", names);
	snprintf(l.from, sizeof(l.from), "uid:%u", d->st.uid);
	l.st = d->st;
	l.crc = d->crc;
	int rc = mailbox_deliver(d->fs, &l);
	return rc < 0 ? mailbox_not_taken(d->fs, &l, rc, err) : rc;
}

static int drop_take(struct drop *d, const char *instance, struct pawl_error *err)
{
	struct fs *fs = d->fs;
	char identity[80];
	int rc = 0;

	snprintf(d->path, sizeof(d->path), "%.250s/%.255s", d->dir, d->name);
	d->why = parse_name(&d->parts, d->name, instance);
	enum verdict v = d->why ? REJECT : drop_look(d);
	if (v != WAIT)
		forget_look(fs->mailbox, d->path);
	if (v == REJECT)
		drops_reject(fs, d->dir, d->name, d->why);
	if (v == TAKE) {
		snprintf(identity, sizeof(identity), "%llu.%llu.%08x", (unsigned long long)d->st.ino, (unsigned long long)d->st.ctime_ns, d->crc);
		rc = drop_deliver(d, identity, err);
	}
	free(d->text);
	return rc;
}

/* ---- a directory ---- */

/*
 * A directory may hold any number of files, and no turn may be long for that, nor memory grow. So of what is there a window
 * is looked at, of that the oldest are taken, and not many before those taken earlier are in history and gone. In a
 * directory with more than a window the order is one within the window.
 */
#define WINDOW 2048
#define WINDOWS_MAX 64
#define NEXT_WINDOW 2
#define TURN_FILES 512
#define TURN_BYTES (4u << 20)
#define OUT_FILES 1024        /* of one directory: given out and not in history yet */
#define OUT_BYTES (16u << 20) /* of all: from here on one at a time of each directory */

struct dropped {
	char *name;
	int64_t ctime_ns;
};

struct window {
	struct fs *fs;
	const char *dir;
	bool is_inbox, full;
	size_t out; /* seen that are given out */
	size_t count, cap;
	struct dropped *items;
	unsigned skip; /* of the candidates: those of windows before, none of which was ready */
	bool no_memory;
};

static int by_age(const void *va, const void *vb)
{
	const struct dropped *a = va, *b = vb;

	if (a->ctime_ns != b->ctime_ns)
		return a->ctime_ns < b->ctime_ns ? -1 : 1;
	return strcmp(a->name, b->name);
}

/* While as many instances as may be are live, starts wait where they are. */
static bool is_start_that_waits(const struct window *w, const char *name)
{
	const char *dot = w->is_inbox && w->fs->mailbox->starts_wait ? strchr(name, '.') : NULL;

	return dot && strncmp(dot, ".start", 6) == 0 && (dot[6] == '\0' || dot[6] == '.');
}

static int window_add(void *arg, const char *name)
{
	struct window *w = arg;

	if (is_unfinished(name) || is_start_that_waits(w, name))
		return 0;
	if (mailbox_has(w->fs->mailbox, w->dir, name)) {
		w->out++;
		return 0;
	}
	if (w->skip) {
		w->skip--;
		return 0;
	}
	if (w->count == WINDOW) {
		w->full = true;
		return 1;
	}
	if (w->count == w->cap) {
		size_t cap = w->cap ? w->cap * 2 : 32;
		struct dropped *grown = realloc(w->items, cap * sizeof(*grown));
		if (!grown)
			return w->no_memory = true;
		w->items = grown;
		w->cap = cap;
	}
	w->items[w->count].name = strdup(name);
	w->no_memory = !w->items[w->count].name;
	w->count += !w->no_memory;
	return w->no_memory;
}

static void window_sort(struct window *w, int fd)
{
	const struct os *os = w->fs->os;
	size_t count = 0;

	for (size_t i = 0; i < w->count; i++) {
		struct os_stat st;
		int rc = os->stat(os->self, fd, w->items[i].name, &st);
		if (rc < 0) {
			if (rc != -ENOENT)
				mailbox_look_failed(w->fs, "look at", w->items[i].name, rc);
			free(w->items[i].name);
			continue;
		}
		w->items[count] = w->items[i];
		w->items[count++].ctime_ns = st.ctime_ns;
	}
	w->count = count;
	if (count)
		qsort(w->items, count, sizeof(w->items[0]), by_age); /* dropped first, delivered first */
}

/* How many may be taken now. */
static size_t allowance(const struct window *w)
{
	size_t left = w->out < OUT_FILES ? OUT_FILES - w->out : 0;

	if (w->fs->mailbox->letter_bytes >= OUT_BYTES)
		left = w->out == 0;
	return left < TURN_FILES ? left : TURN_FILES;
}

static bool is_shared(struct fs *fs, int fd)
{
	struct os_stat st;

	return fs->os->stat_fd(fs->os->self, fd, &st) < 0 || st.uid != fs->os->uid(fs->os->self) || st.mode & OTHERS_WRITE;
}

/* 1: there is more, for another turn. */
static int window_take(struct window *w, int fd, const char *instance, struct pawl_error *err)
{
	struct mailbox *m = w->fs->mailbox;
	uint64_t accepted = w->fs->stats.accepted, rejected = w->fs->stats.rejected, bytes = m->letter_bytes;
	size_t most = allowance(w), i = 0, done = 0;
	bool shared = is_shared(w->fs, fd);
	int rc = 0;

	for (; i < w->count && done < most && rc >= 0 && m->letter_bytes < bytes + TURN_BYTES; i++) {
		struct drop d = { .fs = w->fs, .fd = fd, .dir = w->dir, .name = w->items[i].name, .shared = shared };
		if (is_start_that_waits(w, d.name))
			continue;
		rc = drop_take(&d, instance, err);
		done = (size_t)(w->fs->stats.accepted - accepted + w->fs->stats.rejected - rejected);
	}
	if (done == 0 && w->full && i == w->count) /* none was ready: the next window */
		return NEXT_WINDOW;
	return rc < 0 ? rc : i < w->count || w->full;
}

static int window_of(struct window *w, int fd, const char *instance, struct pawl_error *err)
{
	int sys = w->fs->os->list(w->fs->os->self, fd, ".", window_add, w);
	int rc = w->no_memory ? err_nomem(err) : sys < 0 ? err_sys(err, -sys, "cannot list '%s/%s'", w->fs->path, w->dir) : 0;

	if (rc == 0) {
		window_sort(w, fd);
		rc = window_take(w, fd, instance, err);
	}
	for (size_t i = 0; i < w->count; i++)
		free(w->items[i].name);
	free(w->items);
	return rc;
}

int drops_scan(struct fs *fs, const char *dir, const char *instance, struct pawl_error *err)
{
	int fd = fs->os->open(fs->os->self, fs->hub, dir, OS_READ | OS_DIRECTORY, 0), rc = NEXT_WINDOW;

	if (fd == -ENOENT || fd == -ENOTDIR)
		return 0;
	if (fd < 0)
		return err_sys(err, -fd, "cannot list '%s/%s'", fs->path, dir);
	for (unsigned n = 0, skip = 0; rc == NEXT_WINDOW && n < WINDOWS_MAX; n++) {
		bool starts = !fs->mailbox->starts_wait;
		struct window w = { .fs = fs, .dir = dir, .is_inbox = !instance, .skip = skip };
		rc = window_of(&w, fd, instance, err);
		if (starts != fs->mailbox->starts_wait) /* else it was a window of starts, which are not in it any more */
			skip += WINDOW;
	}
	fs->os->close(fs->os->self, fd);
	return rc == NEXT_WINDOW ? 1 : rc;
}
