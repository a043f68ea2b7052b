/*
 * mailbox.c - messages to the runtime: found, given out, acked.
 *
 *	control/NAME          from `pawl raise|suspend|...`: an envelope (envelope.c)
 *	instances/ID/start    from `pawl start`: an envelope in a directory that was renamed into place (send.c)
 *	inbox/, events/       dropped by anybody: drops.c
 */
#include "mailbox.h"
#include <errno.h>
#include <stdlib.h>

#define LOOK_AGAIN_MS 10000 /* behind a failure to read */
#define CONTROL_TURN 256    /* taken in one turn */
#define CONTROL_OUT 2048    /* given out and not in history yet */
#define MORE_MIN_MS 1       /* pause before the next turn of a flood; doubled while nothing comes back */
#define MORE_MAX_MS 1000
#define STARTS_AGAIN_MS 1000

/* ---- given out, acked, rejected ---- */

void mailbox_look_failed(struct fs *fs, const char *verb, const char *path, int rc)
{
	struct mailbox *m = fs->mailbox;

	if (!m->look_told)
		log_warning("cannot %s '%s': %s; it stays and is tried again", verb, path, strerror(-rc));
	m->look_failed = m->look_told = true;
}

static void letter_path(char *path, const char *dir, const char *name)
{
	snprintf(path, PATH_SIZE, "%.250s/%.255s", dir, name);
}

bool mailbox_has(struct mailbox *m, const char *dir, const char *name)
{
	char path[PATH_SIZE];

	letter_path(path, dir, name);
	return map_get(&m->letters, slice_of(path)) != NULL;
}

void letter_clear(struct letter *l)
{
	free(l->dir);
	free(l->name);
	free(l->text);
	*l = (struct letter){ .dir = NULL };
}

static void letter_free(struct fs *fs, struct letter *l)
{
	char path[PATH_SIZE];

	letter_path(path, l->dir, l->name);
	map_remove(&fs->mailbox->letters, slice_of(path));
	fs->mailbox->letter_bytes -= l->message.len;
	fs->mailbox->acks++;
	letter_clear(l);
	free(l);
}

static int look_start(struct fs *fs, const char *id, struct pawl_error *err);

/* The start of an instance comes before what was sent or dropped for it: also one that was made since the kernel was
 * asked what is new, or that it did not tell of (I12). One that cannot be taken now holds up the others, or they would be refused
 * as for nobody (I7). */
static int deliver_start_first(struct fs *fs, const struct pawl_message *m)
{
	struct pawl_error err = { 0 };
	char dir[PATH_SIZE], path[PATH_SIZE + 8];
	struct os_stat st;

	if (m->kind == PAWL_MESSAGE_START || !m->instance)
		return 0;
	if (look_start(fs, m->instance, &err) == PAWL_ENOMEM)
		return PAWL_ENOMEM;
	snprintf(dir, sizeof(dir), "instances/%s", m->instance);
	snprintf(path, sizeof(path), "%s/start", dir);
	int sys = fs->os->stat(fs->os->self, fs->hub, path, &st);
	return sys == -ENOENT || mailbox_has(fs->mailbox, dir, "start") ? 0 : PAWL_EBUSY;
}

int mailbox_deliver(struct fs *fs, const struct letter *letter)
{
	struct mailbox *m = fs->mailbox;
	char path[PATH_SIZE];
	int rc = deliver_start_first(fs, &letter->message);

	if (rc < 0)
		return rc;
	struct letter *l = malloc(sizeof(*l));

	letter_path(path, letter->dir, letter->name);
	if (!l || map_put(&m->letters, slice_of(path), l, NULL) < 0) {
		free(l);
		return PAWL_ENOMEM;
	}
	*l = *letter;
	l->message.token = l;
	l->message.id = l->id;
	l->message.from = l->from;
	size_t len = letter->message.len;
	m->letter_bytes += len;
	rc = m->each(m->arg, &l->message);
	fs->stats.accepted += rc == 0;
	if (rc == 0)
		return 0;
	if (rc > 0) { /* not now: it is still where it was */
		m->starts_wait = true;
		m->starts_ns = fs->os->boot_ns(fs->os->self);
		letter_free(fs, l);
		return 0;
	}
	m->letter_bytes -= len;
	map_remove(&m->letters, slice_of(path));
	free(l);
	return rc;
}

int mailbox_not_taken(struct fs *fs, struct letter *letter, int rc, struct pawl_error *err)
{
	letter_clear(letter);
	fs->mailbox->look_failed = true;
	return rc == PAWL_ENOMEM ? err_nomem(err) : 0;
}

/* Under the name of what was taken there is something new. The kernel has told of it when it was not to be looked at, so
 * it is made to tell once more. */
static void dropped_again(struct fs *fs, const struct letter *l)
{
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "%.480s/.touch", l->dir);
	(void)fs->os->symlink(fs->os->self, ".", fs->hub, path);
	(void)fs->os->unlink(fs->os->self, fs->hub, path);
}

/* The instance may have been archived since: then the directory was moved with all in it, and nobody looks there. */
void fs_ack(struct pawl_provider *p, void *token)
{
	IO_BECAUSE(IO_MESSAGE);
	struct fs *fs = fs_of(p);
	struct letter *l = token;
	char path[PATH_SIZE];

	letter_path(path, l->dir, l->name);
	if (l->st.ino && !drop_is_same(fs, path, &l->st, l->crc)) {
		dropped_again(fs, l);
		letter_free(fs, l);
		return;
	}
	int rc = fs->os->unlink(fs->os->self, fs->hub, path);
	fs->acked = fs->acked || strchr(l->dir, '/') == NULL;
	if (rc == -ENOENT && strncmp(path, "instances/", 10) == 0) {
		char moved[PATH_SIZE];
		snprintf(moved, sizeof(moved), "archive/%.480s", path + 10);
		rc = fs->os->unlink(fs->os->self, fs->hub, moved);
	}
	if (rc < 0 && rc != -ENOENT) {
		/* It stays given out, so it is not seen again; the next look tries to remove it, and after a restart history
		 * knows it by its id. */
		if (fs->mailbox->unremoved == 0)
			log_warning("cannot remove '%s', which is done: %s; trying again", path, strerror(-rc));
		fs->mailbox->unremoved += !l->done;
		l->done = true;
		return;
	}
	fs->mailbox->unremoved -= l->done;
	letter_free(fs, l);
}

static int remove_done(void *arg, struct slice key, void *value)
{
	struct fs *fs = arg;
	struct letter *l = value;

	(void)key;
	if (l->done)
		fs_ack(&fs->provider, l);
	return 0;
}

/* The id is free again, unless somebody has dropped something for it already. */
static void unreserve_start(struct fs *fs, const struct letter *l)
{
	char path[PATH_SIZE];

	letter_path(path, l->dir, "start");
	(void)fs->os->unlink(fs->os->self, fs->hub, path);
	letter_path(path, l->dir, "events");
	(void)fs->os->rmdir(fs->os->self, fs->hub, path);
	(void)fs_rmdir_empty(fs, l->message.instance);
}

void fs_reject(struct pawl_provider *p, void *token, const char *why)
{
	IO_BECAUSE(IO_MESSAGE);
	struct fs *fs = fs_of(p);
	struct letter *l = token;

	if (l->is_start) {
		log_warning("start of '%s' is refused: %s", l->message.instance, why);
		unreserve_start(fs, l);
	} else {
		drops_reject(fs, l->dir, l->name, why);
	}
	letter_free(fs, l);
}

bool mailbox_is_start(const struct fs *fs, const void *token, const char *id)
{
	const struct letter *l = token;

	(void)fs;
	return l && l->is_start && strcmp(l->message.instance, id) == 0;
}

/* ---- receiving ---- */

static int list_name(void *arg, const char *name)
{
	struct dir_names *n = arg;

	if (n->count == n->cap) {
		size_t cap = n->cap ? n->cap * 2 : 32;
		char **grown = realloc(n->items, cap * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		n->items = grown;
		n->cap = cap;
	}
	n->items[n->count] = strdup(name);
	return n->items[n->count] ? (n->count++, 0) : -ENOMEM;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int names_list(struct fs *fs, const char *dir, struct dir_names *n)
{
	return names_list_at(fs, fs->hub, dir, n);
}

int names_list_at(struct fs *fs, int fd, const char *dir, struct dir_names *n)
{
	*n = (struct dir_names){ 0 };
	int rc = fs->os->list(fs->os->self, fd, dir, list_name, n);
	if (n->count)
		qsort(n->items, n->count, sizeof(n->items[0]), by_name);
	return rc;
}

void names_release(struct dir_names *n)
{
	for (size_t i = 0; i < n->count; i++)
		free(n->items[i]);
	free(n->items);
}

const char *mailbox_check_envelope(struct fs *fs, const char *text, size_t len, const char *start_of)
{
	struct letter l = { .is_start = start_of != NULL };
	const char *why = envelope_read(fs, &l, text, len, start_of);

	letter_clear(&l);
	return why;
}

static int take_envelope(struct fs *fs, const char *dir, const char *name, bool is_start, struct pawl_error *err)
{
	char path[PATH_SIZE], *text = NULL;
	struct letter l = { .is_start = is_start };
	struct os_stat st;
	size_t len = 0;

	letter_path(path, dir, name);
	int rc = fs->os->stat(fs->os->self, fs->hub, path, &st);
	if (rc == 0)
		rc = os_read_file(fs->os, fs->hub, path, (size_t)fs->options.message_bytes_max + ENVELOPE_HEAD_MAX, &text, &len);
	if (rc == -ENOENT)
		return 0;
	if (rc == -EFBIG || rc == -EISDIR || rc == -EINVAL) {
		drops_reject(fs, dir, name, strerror(-rc));
		return 0;
	}
	if (rc < 0) { /* it was promised to be delivered: it stays until it can be read (I7), and holds up no other */
		mailbox_look_failed(fs, "read", path, rc);
		return 0;
	}
	const char *why = envelope_read(fs, &l, text, len, is_start ? dir + strlen("instances/") : NULL);
	free(text);
	if (why == envelope_no_memory)
		return err_nomem(err);
	if (why) {
		letter_clear(&l);
		drops_reject(fs, dir, name, why);
		return 0;
	}
	snprintf(l.from, sizeof(l.from), "uid:%u", st.uid);
	l.dir = strdup(dir);
	l.name = strdup(name);
	rc = l.dir && l.name ? mailbox_deliver(fs, &l) : PAWL_ENOMEM;
	return rc < 0 ? mailbox_not_taken(fs, &l, rc, err) : rc;
}

/* 1: there is more, for another turn. */
static int look_control(struct fs *fs, struct pawl_error *err)
{
	struct dir_names n;
	size_t taken = 0, out = 0, i = 0;
	int rc = names_list(fs, "control", &n);

	if (rc < 0)
		rc = err_sys(err, -rc, "cannot list '%s/control'", fs->path);
	for (; rc >= 0 && i < n.count && taken < CONTROL_TURN && out < CONTROL_OUT; i++) {
		if (n.items[i][0] == '.')
			continue;
		if (mailbox_has(fs->mailbox, "control", n.items[i])) {
			out++;
			continue;
		}
		rc = take_envelope(fs, "control", n.items[i], false, err);
		taken++;
	}
	bool more = i < n.count;
	names_release(&n);
	return rc < 0 ? rc : more;
}

/* Its sender has made the directories, and knows nothing of our groups. */
static int take_start(struct fs *fs, const char *id, const char *dir, struct pawl_error *err)
{
	char events[PATH_SIZE];

	snprintf(events, sizeof(events), "instances/%s/events", id);
	int sys = access_give(fs, dir, PLACE_PASS);
	if (sys == 0)
		sys = access_give(fs, events, PLACE_DROPS);
	if (sys < 0 && sys != -ENOENT && drops_may_say(fs))
		log_warning("cannot set group and mode of '%s': %s", events, strerror(-sys));
	return take_envelope(fs, dir, "start", true, err);
}

static int look_start(struct fs *fs, const char *id, struct pawl_error *err)
{
	char dir[PATH_SIZE], start[PATH_SIZE];

	snprintf(dir, sizeof(dir), "instances/%s", id);
	snprintf(start, sizeof(start), "instances/%s/start", id);
	struct os_stat st;
	int sys = fs->os->stat(fs->os->self, fs->hub, start, &st);
	if (sys < 0 && sys != -ENOENT)
		mailbox_look_failed(fs, "look at", start, sys);
	if (sys < 0 || mailbox_has(fs->mailbox, dir, "start"))
		return 0;
	/* a history beside it: the start was committed and only the file was not removed in time (I2) */
	struct history_file *f = histories_find(fs, id, 1); /* size 0: only a commit that failed knows it */
	if ((!f || f->size == 0) && !fs_exists(fs, "instances/%s/1.history", id))
		return take_start(fs, id, dir, err);
	(void)fs->os->unlink(fs->os->self, fs->hub, start);
	return 0;
}

/* Both places where something for one instance can lie. */
static int look_instance(struct fs *fs, const char *id, struct pawl_error *err)
{
	char dir[PATH_SIZE];
	int rc = look_start(fs, id, err);

	snprintf(dir, sizeof(dir), "instances/%s/events", id);
	if (rc >= 0)
		rc = drops_scan(fs, dir, id, err);
	if (rc > 0 && map_put(&fs->mailbox->more, slice_of(id), fs->mailbox, NULL) < 0)
		fs->mailbox->look_all = true;
	return rc < 0 ? rc : 0;
}

struct look_each {
	struct fs *fs;
	struct pawl_error *err;
};

static int look_id(void *arg, const char *id)
{
	struct look_each *l = arg;

	return look_instance(l->fs, id, l->err);
}

static int look_noticed(void *arg, struct slice key, void *value)
{
	struct look_each *l = arg;
	char id[TEXT_INSTANCE_ID_MAX + 1];

	(void)value;
	snprintf(id, sizeof(id), "%.*s", SLICE_FMT(key));
	map_remove(&l->fs->mailbox->noticed, key);
	return look_instance(l->fs, id, l->err);
}

static void notice(struct mailbox *m, struct slice id)
{
	if (text_is_instance_id(id) && map_put(&m->noticed, id, m, NULL) < 0)
		m->look_all = true;
}

static int on_notice(void *arg, int number, uint32_t mask, const char *name)
{
	struct fs *fs = arg;
	struct mailbox *m = fs->mailbox;

	if (queue_notice(fs, number, mask))
		return 0;
	if (number == m->hub_number && number >= 0)
		m->look_all = true;
	else if (number == m->control_number)
		m->look_control = true;
	else if (number == m->inbox_number)
		m->look_inbox = true;
	else if (number == m->instances_number)
		notice(m, slice_of(name));
	else if (number < 0)
		m->look_all = true;
	else if (!(mask & OS_WATCH_GONE)) {
		struct attended *a = map_get(&m->attended_numbers, slice_make(&number, sizeof(number)));
		if (a)
			notice(m, slice_of(a->id));
	}
	return 0;
}

/* The files that wait for a second look; one that is gone waits no more. */
static int notice_look(void *arg, struct slice key, void *value)
{
	struct fs *fs = arg;
	struct mailbox *m = fs->mailbox;
	const char *id = key.data + strlen("instances/"), *end = key.len > 10 ? strchr(id, '/') : NULL;

	if (!fs_exists(fs, "%s", key.data)) {
		(void)map_remove(&m->looks, key);
		free(value);
	} else if (end && strncmp(key.data, "instances/", 10) == 0) {
		notice(m, slice_make(id, (size_t)(end - id)));
	} else {
		m->look_inbox = true;
	}
	return 0;
}

static int notice_more(void *arg, struct slice key, void *value)
{
	struct mailbox *m = arg;

	(void)value;
	notice(m, key);
	(void)map_remove(&m->more, key);
	return 0;
}

/* What this turn has left goes on soon: at once while what was given out comes back, else with growing pauses (it may be for
 * an instance that is parked, and stays given out). */
static void look_for_more(struct mailbox *m)
{
	bool moves = m->acks != m->acks_before;

	m->more_ms = moves || m->more_ms == 0 ? MORE_MIN_MS : m->more_ms * 2 > MORE_MAX_MS ? MORE_MAX_MS : m->more_ms * 2;
	m->acks_before = m->acks;
	if (m->again_ms < 0 || m->again_ms > m->more_ms)
		m->again_ms = m->more_ms;
}

int fs_receive(struct pawl_provider *p, bool rescan, int (*each)(void *arg, struct pawl_message *m), void *arg, int64_t *again_ms, struct pawl_error *err)
{
	IO_BECAUSE(IO_MESSAGE);
	struct fs *fs = fs_of(p);
	struct mailbox *m = fs->mailbox;
	struct look_each look = { fs, err };

	if (!m)
		return err_set(err, PAWL_ESTATE, "only the owner of a hub receives");
	(void)fs->os->watch_read(fs->os->self, m->watch, on_notice, fs);
	if (rescan)
		queue_rescan(fs);
	if (rescan && m->unremoved)
		(void)map_each(&m->letters, remove_done, fs);
	(void)map_each(&m->looks, notice_look, fs);
	(void)map_each(&m->more, notice_more, m);
	bool all = rescan || m->look_all, more = false;
	m->look_all = false;
	if (m->starts_wait && fs->os->boot_ns(fs->os->self) - m->starts_ns >= STARTS_AGAIN_MS * 1000000ll)
		m->starts_wait = false;
	m->each = each;
	m->arg = arg;
	m->again_ms = -1;
	m->look_failed = false;
	fs->place_ns = all ? 0 : fs->place_ns;
	if (all && hub_check_fence(fs, err) == PAWL_EFENCED)
		return PAWL_EFENCED;
	/* Starts first: what was sent or dropped for an instance right after its start must find it. */
	int rc = all ? fs_scan(p, false, look_id, &look, err) : map_each(&m->noticed, look_noticed, &look);
	if (rc >= 0 && (all || m->look_control)) {
		rc = look_control(fs, err);
		more = m->look_control = rc > 0;
	}
	if (rc >= 0 && (all || m->look_inbox)) {
		rc = drops_scan(fs, "inbox", NULL, err);
		m->look_inbox = rc > 0 || m->starts_wait;
		more = more || rc > 0;
	}
	if (rc >= 0 && all) {
		m->first_scan = false;
		fs->stats.scans++;
	}
	drops_trim(fs);
	if (more || m->more.count || m->look_all)
		look_for_more(m);
	if (m->starts_wait && (m->again_ms < 0 || m->again_ms > STARTS_AGAIN_MS))
		m->again_ms = STARTS_AGAIN_MS;
	m->look_told = m->look_told && (rc < 0 || m->look_failed);
	if (rc < 0 || m->look_failed) { /* what was noticed is forgotten: look everywhere the next time */
		m->look_all = true;
		if (m->again_ms < 0 || m->again_ms > LOOK_AGAIN_MS)
			m->again_ms = LOOK_AGAIN_MS;
	}
	*again_ms = m->again_ms;
	return rc < 0 ? rc : 0;
}

/* ---- watching ---- */

#define WATCH_DROPS (OS_WATCH_CREATE | OS_WATCH_CLOSE_WRITE | OS_WATCH_MOVED_TO)

int fs_poll_fd(struct pawl_provider *p)
{
	struct mailbox *m = fs_of(p)->mailbox;

	return m ? m->watch : -1;
}

int mailbox_watch_fd(struct fs *fs)
{
	return fs->mailbox ? fs->mailbox->watch : -1;
}

static void unattend(struct fs *fs, struct attended *a, bool gone)
{
	struct mailbox *m = fs->mailbox;

	if (!gone)
		(void)fs->os->watch_remove(fs->os->self, m->watch, a->number);
	map_remove(&m->attended_numbers, slice_make(&a->number, sizeof(a->number)));
	map_remove(&m->attended, slice_of(a->id));
	free(a);
}

static int attend_new(struct fs *fs, const char *id)
{
	struct mailbox *m = fs->mailbox;
	char path[PATH_SIZE];
	size_t size = strlen(id) + 1;
	struct attended *a = malloc(sizeof(*a) + size);

	if (!a)
		return PAWL_ENOMEM;
	memcpy(a->id, id, size);
	snprintf(path, sizeof(path), "instances/%s/events", id);
	a->number = fs->os->watch_add(fs->os->self, m->watch, fs->hub, path, WATCH_DROPS);
	if (a->number < 0 || map_put(&m->attended_numbers, slice_make(&a->number, sizeof(a->number)), a, NULL) < 0) {
		free(a);
		return PAWL_EBUSY;
	}
	if (map_put(&m->attended, slice_of(id), a, NULL) < 0) {
		unattend(fs, a, false);
		return PAWL_ENOMEM;
	}
	return 0;
}

/* Watch first, then look (I12). Over the cap, or when the kernel has no more watches, the rescan finds the drops. */
void fs_attend(struct pawl_provider *p, const char *id, bool wanted)
{
	struct fs *fs = fs_of(p);
	struct mailbox *m = fs->mailbox;
	struct attended *a = m ? map_get(&m->attended, slice_of(id)) : NULL;

	if (!m || wanted == (a != NULL))
		return;
	if (!wanted) {
		unattend(fs, a, false);
		return;
	}
	if (m->attended.count >= fs->options.watches_max || instance_make_dirs(fs, id, false, NULL) < 0)
		return;
	if (attend_new(fs, id) == 0)
		notice(m, slice_of(id));
}


static int mailbox_watch(struct fs *fs, const char *dir, uint32_t mask, int *number, struct pawl_error *err)
{
	*number = fs->os->watch_add(fs->os->self, fs->mailbox->watch, fs->hub, dir, mask);
	if (*number >= 0)
		return 0;
	return err_sys(err, -*number, "cannot watch '%s/%s'%s", fs->path, dir, *number == -ENOSPC ? " (raise fs.inotify.max_user_watches)" : "");
}

/* FORMAT is a file that nobody writes: if that cannot be leased, nothing can. */
static void check_leases(struct fs *fs)
{
	int fd = fs->os->open(fs->os->self, fs->hub, "FORMAT", OS_READ, 0);

	if (fd < 0)
		return;
	if (fs->os->lease(fs->os->self, fd) == OS_LEASE_UNKNOWN) {
		log_warning("no read leases on '%s' (%s): dropped files are taken only when they have not changed for 2 s", fs->path, fs->info.name);
		fs->mailbox->lease_warned = true;
	}
	fs->os->unlease(fs->os->self, fd);
	fs->os->close(fs->os->self, fd);
}

int mailbox_open(struct fs *fs, struct pawl_error *err)
{
	struct mailbox *m = calloc(1, sizeof(*m));

	if (!m)
		return err_nomem(err);
	fs->mailbox = m;
	map_init(&m->letters);
	map_init(&m->looks);
	map_init(&m->attended);
	map_init(&m->attended_numbers);
	map_init(&m->noticed);
	map_init(&m->more);
	map_init(&m->trims);
	m->look_all = m->first_scan = true;
	m->watch = fs->os->watch_open(fs->os->self);
	if (m->watch < 0)
		return err_sys(err, -m->watch, "cannot make an inotify instance (raise fs.inotify.max_user_instances)");
	check_leases(fs);
	/* without it, it is noticed by the next commit or rescan that the hub is gone */
	m->hub_number = fs->os->watch_add(fs->os->self, m->watch, fs->hub, ".", OS_WATCH_GONE);
	int rc = mailbox_watch(fs, "instances", OS_WATCH_MOVED_TO, &m->instances_number, err);
	if (rc == 0)
		rc = mailbox_watch(fs, "control", OS_WATCH_MOVED_TO, &m->control_number, err);
	if (rc == 0)
		rc = mailbox_watch(fs, "inbox", WATCH_DROPS, &m->inbox_number, err);
	if (rc == 0)
		queue_open(fs);
	return rc;
}

static int free_letter(void *arg, struct slice key, void *value)
{
	(void)key;
	letter_free(arg, value);
	return 0;
}

static int free_value(void *arg, struct slice key, void *value)
{
	(void)arg;
	(void)key;
	free(value);
	return 0;
}

void mailbox_close(struct fs *fs)
{
	struct mailbox *m = fs->mailbox;

	if (!m)
		return;
	queue_unwatch(fs);
	map_each(&m->letters, free_letter, fs);
	map_each(&m->looks, free_value, NULL);
	map_each(&m->attended, free_value, NULL);
	map_release(&m->letters);
	map_release(&m->looks);
	map_release(&m->attended);
	map_release(&m->attended_numbers);
	map_release(&m->noticed);
	map_release(&m->more);
	map_release(&m->trims);
	if (m->watch >= 0)
		fs->os->close(fs->os->self, m->watch);
	free(m);
	fs->mailbox = NULL;
}
