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
#define REJECTED_MAX 1000 /* of one name */

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

/* ---- refusing ---- */

/* A name beside which there is room for the reason: neither may take the place of what was rejected before. */
static void rejected_name(struct fs *fs, const char *dir, const char *into, const char *name, char *to)
{
	for (unsigned n = 0; n < REJECTED_MAX; n++) {
		if (n == 0)
			snprintf(to, PATH_SIZE, "%.200s/%s%.230s", dir, into, name);
		else
			snprintf(to, PATH_SIZE, "%.200s/%s%.230s.%u", dir, into, name, n);
		if (!fs_exists(fs, "%s", to) && !fs_exists(fs, "%s.why", to))
			break;
	}
}

void drops_reject(struct fs *fs, const char *dir, const char *name, const char *why)
{
	const struct os *os = fs->os;
	char from[PATH_SIZE], to[PATH_SIZE], note[PATH_SIZE + 8];

	snprintf(to, sizeof(to), "%.240s/.rejected", dir);
	/* a full disk may have no room for the directory; a hidden name in the same place needs none */
	int made = os->mkdir(os->self, fs->hub, to, 0755);
	const char *into = made < 0 && made != -EEXIST ? ".rejected-" : ".rejected/";
	snprintf(from, sizeof(from), "%.240s/%.255s", dir, name);
	rejected_name(fs, dir, into, name, to);
	int rc = os->rename(os->self, fs->hub, from, fs->hub, to);
	if (rc == -ENOENT)
		return;
	log_warning("'%s' is rejected: %s%s%s", from, why, rc < 0 ? "; and it cannot be moved aside: " : "", rc < 0 ? strerror(-rc) : "");
	fs->stats.rejected++;
	if (rc < 0)
		return;
	snprintf(note, sizeof(note), "%s.why", to);
	(void)os_replace_file(os, fs->hub, note, why, strlen(why), 0644, false);
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

static int read_all(struct fs *fs, int fd, size_t size, char **out)
{
	char *text = malloc(size + 1);

	if (!text)
		return -ENOMEM;
	ssize_t n = fs->os->pread(fs->os->self, fd, text, size, 0);
	if (n < 0) {
		free(text);
		return (int)n;
	}
	if ((size_t)n != size) {
		free(text);
		return -EAGAIN; /* it shrank while we looked */
	}
	text[size] = '\0';
	*out = text;
	return 0;
}

/* ---- taking one file ---- */

struct drop {
	struct fs *fs;
	const char *dir, *name;
	char path[PATH_SIZE];
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

static enum verdict drop_read(struct drop *d, int fd)
{
	struct fs *fs = d->fs;

	if (fs->os->stat_fd(fs->os->self, fd, &d->st) < 0)
		return WAIT;
	if (d->st.type != OS_FILE)
		return refuse(d, "it is not a regular file");
	if (d->st.nlink > 2)
		return refuse(d, "it has more than two hard links");
	if (d->st.size > fs->options.message_bytes_max)
		return refuse(d, "it is larger than the limit for a payload (drops.bytes_max)");
	enum verdict v = ready(fs, d->path, fd, &d->st);
	if (v != TAKE)
		return v;
	/* before the wait: only the first scan knows what was there at the start */
	if (lost_content(fs, &d->st))
		return refuse(d, "it is empty and from before the power cut: its content is lost, send it again");
	v = d->st.size == 0 ? empty_verdict(d) : TAKE;
	if (v != TAKE)
		return v;
	int rc = read_all(fs, fd, (size_t)d->st.size, &d->text);
	fs->mailbox->look_failed = fs->mailbox->look_failed || (rc < 0 && rc != -EAGAIN);
	if (rc < 0)
		return WAIT;
	d->crc = crc32c(0, d->text, (size_t)d->st.size);
	d->len = (size_t)d->st.size;
	d->why = d->len ? parse_content(d->parts.ext, d->text, &d->len) : NULL;
	if (!d->why)
		return TAKE;
	if (!map_get(&fs->mailbox->looks, slice_of(d->path)))
		log_notice("'%s': %s; waiting a minute for the rest", d->path, d->why);
	return wait_for(fs, d->path, &d->st, PARSE_PATIENCE_NS) == TAKE ? REJECT : WAIT;
}

static enum verdict drop_look(struct drop *d)
{
	struct fs *fs = d->fs;
	int fd = fs->os->open(fs->os->self, fs->hub, d->path, OS_READ | OS_NONBLOCK, 0);

	if (fd == -ENOENT)
		return WAIT;
	if (fd == -ELOOP || fd == -EISDIR || fd == -ENXIO)
		return refuse(d, "it is not a regular file");
	if (fd == -EACCES || fd == -EPERM)
		return refuse(d, "it is not readable for the runtime: permission denied");
	if (fd < 0) {
		log_warning("cannot open '%s': %s; it stays and is tried again", d->path, strerror(-fd));
		fs->mailbox->look_failed = true;
		return WAIT;
	}
	enum verdict v = drop_read(d, fd);
	fs->os->unlease(fs->os->self, fd);
	fs->os->close(fs->os->self, fd);
	return v;
}

static int drop_deliver(struct drop *d, char *names)
{
	struct letter l = { .dir = strdup(d->dir), .name = strdup(d->name) };
	struct drop_name *p = &d->parts;
	size_t names_len = sizeof(p->text);

	/* one block: the payload, and behind it the names that the message points to */
	char *block = realloc(d->text, d->len + 1 + names_len + TEXT_INSTANCE_ID_MAX + 1);
	if (!l.dir || !l.name || !block) {
		letter_clear(&l);
		return PAWL_ENOMEM;
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
		.name = MOVED(p->event), .key = MOVED(p->key), .data = block, .len = d->len };
#undef MOVED
	snprintf(l.id, sizeof(l.id), "f:%s", names);
	snprintf(l.from, sizeof(l.from), "uid:%u", d->st.uid);
	int rc = mailbox_deliver(d->fs, &l);
	if (rc == PAWL_ENOMEM)
		letter_clear(&l);
	return rc;
}

static int drop_take(struct fs *fs, const char *dir, const char *name, const char *instance)
{
	struct drop d = { .fs = fs, .dir = dir, .name = name };
	char identity[80];
	int rc = 0;

	snprintf(d.path, sizeof(d.path), "%.250s/%.255s", dir, name);
	d.why = parse_name(&d.parts, name, instance);
	enum verdict v = d.why ? REJECT : drop_look(&d);
	if (v != WAIT)
		forget_look(fs->mailbox, d.path);
	if (v == REJECT)
		drops_reject(fs, dir, name, d.why);
	if (v == TAKE) {
		snprintf(identity, sizeof(identity), "%llu.%llu.%08x", (unsigned long long)d.st.ino, (unsigned long long)d.st.ctime_ns, d.crc);
		rc = drop_deliver(&d, identity);
	}
	free(d.text);
	return rc;
}

/* ---- a directory ---- */

struct dropped {
	const char *name;
	int64_t ctime_ns;
};

static int by_age(const void *va, const void *vb)
{
	const struct dropped *a = va, *b = vb;

	if (a->ctime_ns != b->ctime_ns)
		return a->ctime_ns < b->ctime_ns ? -1 : 1;
	return strcmp(a->name, b->name);
}

static size_t collect(struct fs *fs, const char *dir, const struct dir_names *n, struct dropped *out)
{
	size_t count = 0;

	for (size_t i = 0; i < n->count; i++) {
		char path[PATH_SIZE];
		struct os_stat st;
		if (is_unfinished(n->items[i]) || mailbox_has(fs->mailbox, dir, n->items[i]))
			continue;
		snprintf(path, sizeof(path), "%.250s/%.255s", dir, n->items[i]);
		if (fs->os->stat(fs->os->self, fs->hub, path, &st) == 0)
			out[count++] = (struct dropped){ n->items[i], st.ctime_ns };
	}
	return count;
}

int drops_scan(struct fs *fs, const char *dir, const char *instance, struct pawl_error *err)
{
	struct dir_names n;
	int rc = names_list(fs, dir, &n);

	if (rc == -ENOENT || rc == -ENOTDIR)
		rc = 0;
	if (rc < 0)
		rc = err_sys(err, -rc, "cannot list '%s/%s'", fs->path, dir);
	struct dropped *d = n.count && rc == 0 ? calloc(n.count, sizeof(*d)) : NULL;
	if (d) {
		size_t count = collect(fs, dir, &n, d);
		if (count)
			qsort(d, count, sizeof(*d), by_age); /* dropped first, delivered first */
		for (size_t i = 0; i < count && rc >= 0; i++)
			rc = drop_take(fs, dir, d[i].name, instance);
	}
	free(d);
	names_release(&n);
	return rc;
}
