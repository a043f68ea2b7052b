/* queue.c - the work queue: what a provider knows of it, its directories, and watching them. */
#include "queue.h"
#include <errno.h>
#include <stdlib.h>

#define WATCH_QUEUE (OS_WATCH_CREATE | OS_WATCH_MOVED_TO | OS_WATCH_MOVED_FROM)

/* ---- the state of a provider ---- */

int queue_get(struct fs *fs, struct queue **out, struct pawl_error *err)
{
	struct queue *q = fs->queue;

	if (!q) {
		q = calloc(1, sizeof(*q));
		if (!q)
			return err_nomem(err);
		map_init(&q->facts);
		map_init(&q->bad);
		map_init(&q->watched);
		map_init(&q->numbers);
		fs->queue = q;
	}
	*out = q;
	return 0;
}

struct facts *facts_find(struct queue *q, const char *id)
{
	return map_get(&q->facts, slice_of(id));
}

int facts_keep(struct queue *q, struct facts *f)
{
	if (map_put(&q->facts, slice_of(f->item->id), f, NULL) < 0)
		return PAWL_ENOMEM;
	f->kept = true;
	return 0;
}

/* What a callback of each_work looks at stays until it is through. */
void facts_drop(struct queue *q, struct facts *f)
{
	if (f->kept)
		(void)map_remove(&q->facts, slice_of(f->item->id));
	f->kept = false;
	f->next = q->graveyard;
	q->graveyard = f;
	if (!q->looking)
		facts_free_dropped(q);
}

void facts_free_dropped(struct queue *q)
{
	for (struct facts *f = q->graveyard, *next; f; f = next) {
		next = f->next;
		free(f->item);
		free(f);
	}
	q->graveyard = NULL;
}

bool bad_known(const struct queue *q, const char *id)
{
	return map_get(&q->bad, slice_of(id)) != NULL;
}

void bad_remember(struct queue *q, const char *id, const char *why)
{
	if (bad_known(q, id) || q->bad.count >= BAD_MAX)
		return;
	if (map_put(&q->bad, slice_of(id), q, NULL) == 0)
		log_warning("work item '%s' is left alone: %s", id, why);
}

int gone_error(struct pawl_error *err, const char *id)
{
	return err_set(err, PAWL_ENOTFOUND,
	               "work item '%.*s' was taken back: it is not this worker's any more, stop working on it",
	               PAWL_WORK_ID_MAX, id);
}

/* ---- watching ---- */

static void forget_watched(struct queue *q, struct watched_queue *w)
{
	for (int i = 0; i < 2; i++)
		if (w->numbers[i] >= 0)
			(void)map_remove(&q->numbers, slice_make(&w->numbers[i], sizeof(w->numbers[i])));
	(void)map_remove(&q->watched, slice_of(w->name));
	free(w);
}

static void watch_place(struct fs *fs, struct watched_queue *w, int i)
{
	struct queue *q = fs->queue;
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "work/%s/%s", place_names[i ? PAWL_WORK_DONE : PAWL_WORK_CLAIMED], w->name);
	int n = fs->os->watch_add(fs->os->self, mailbox_watch_fd(fs), rundir_base(fs), path, WATCH_QUEUE);
	if (n >= 0 && map_put(&q->numbers, slice_make(&n, sizeof(n)), w, NULL) == 0)
		w->numbers[i] = n;
	else if (!q->watch_warned)
		log_warning("cannot watch '%s': what workers do there is seen at the next rescan only (raise "
		            "fs.inotify.max_user_watches)",
		            path);
	q->watch_warned |= w->numbers[i] < 0;
}

static int queue_watch(struct fs *fs, const char *queue)
{
	struct queue *q = fs->queue;
	struct watched_queue *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	snprintf(w->name, sizeof(w->name), "%s", queue);
	w->numbers[0] = w->numbers[1] = -1;
	if (map_put(&q->watched, slice_of(queue), w, NULL) < 0) {
		free(w);
		return -ENOMEM;
	}
	watch_place(fs, w, 0);
	watch_place(fs, w, 1);
	return 0;
}

/* True when the event was about the queue. A directory that is gone is made and watched anew by the next offer. */
bool queue_notice(struct fs *fs, int number, uint32_t mask)
{
	struct queue *q = fs->queue;
	struct watched_queue *w = q && number >= 0 ? map_get(&q->numbers, slice_make(&number, sizeof(number))) : NULL;

	if (q && (number < 0 || w))
		q->changed = true;
	if (w && (mask & OS_WATCH_GONE))
		forget_watched(q, w);
	return w != NULL;
}

void queue_rescan(struct fs *fs)
{
	if (fs->queue)
		fs->queue->changed = true;
}

bool fs_work_changed(struct pawl_provider *p)
{
	struct fs *fs = fs_of(p);
	bool changed = fs->queue && fs->queue->changed;

	if (changed)
		fs->queue->changed = false;
	return changed;
}

static int unwatch(void *arg, struct slice key, void *value)
{
	(void)key;
	forget_watched(arg, value);
	return 0;
}

void queue_unwatch(struct fs *fs)
{
	if (!fs->queue)
		return;
	map_each(&fs->queue->watched, unwatch, fs->queue);
	fs->queue->prepared = false;
}

static int free_facts(void *arg, struct slice key, void *value)
{
	(void)key;
	facts_drop(arg, value);
	return 0;
}

void queue_close(struct fs *fs)
{
	struct queue *q = fs->queue;

	if (!q)
		return;
	queue_unwatch(fs);
	map_each(&q->facts, free_facts, q);
	map_release(&q->facts);
	map_release(&q->bad);
	map_release(&q->watched);
	map_release(&q->numbers);
	free(q->picks);
	free(q);
	fs->queue = NULL;
}

/* ---- directories of a queue ---- */

/* Only when nothing is ready. What is claimed or done stays; a worker that gives back makes ready/ again. */
static bool drop_queue_dirs(struct fs *fs, const char *queue)
{
	for (int i = 0; i < PLACES; i++) {
		int place = place_open(fs, place_names[i], false);
		int rc = place < 0 ? place : fs->os->rmdir(fs->os->self, place, queue);
		dir_close(fs, place);
		if (rc < 0 && rc != -ENOENT)
			return i > 0;
	}
	return true;
}

/* A worker that sees an item in ready/ shall find the other directories: ready comes last. */
static int make_queue_dirs(struct fs *fs, const char *queue)
{
	static const enum pawl_work_state order[PLACES] = { PAWL_WORK_DONE, PAWL_WORK_CLAIMED, PAWL_WORK_READY };
	int fd = 0;

	for (int i = 0; i < PLACES && fd >= 0; i++) {
		fd = queue_open_dir(fs, order[i], queue, true);
		dir_close(fs, fd);
	}
	return fd < 0 ? fd : 0;
}

static int drop_if_empty(void *arg, struct slice key, void *value)
{
	struct fs *fs = arg;

	if (drop_queue_dirs(fs, key.data))
		forget_watched(fs->queue, value);
	return 0;
}

int queue_make(struct fs *fs, const char *queue, bool again, struct pawl_error *err)
{
	struct queue *q = fs->queue;
	struct watched_queue *w = map_get(&q->watched, slice_of(queue));

	if (w && !again)
		return 0;
	if (w)
		forget_watched(q, w);
	if (q->watched.count >= QUEUES_MAX)
		map_each(&q->watched, drop_if_empty, fs);
	if (q->watched.count >= QUEUES_MAX)
		return err_set(err, PAWL_ETOOBIG,
		               "there are %u queues with work in '%s/work', no more are allowed: use fewer activities "
		               "with tags",
		               QUEUES_MAX, fs->path);
	int rc = make_queue_dirs(fs, queue);
	if (rc == 0)
		rc = queue_watch(fs, queue);
	return rc < 0 ? err_sys(err, -rc, "cannot make the queue '%s/work/ready/%s'", fs->path, queue) : 0;
}

/* ---- prepare: once for each owner ---- */

struct prepare {
	struct fs *fs;
	const char *place;
	bool session;
	int place_fd;
};

static int note_item(void *arg, const char *name)
{
	struct prepare *p = arg;
	uint32_t priority;
	uint64_t stamp;

	if (item_name_parse(slice_make(name, strcspn(name, "@")), p->session, &priority, &stamp) &&
	    stamp > p->fs->queue->stamp)
		p->fs->queue->stamp = stamp;
	return 0;
}

static int note_queue(void *arg, const char *name)
{
	struct prepare *p = arg;
	struct fs *fs = p->fs;
	struct queue_key key;

	if (!queue_name_parse(name, &key))
		return 0;
	p->session = key.session;
	(void)fs->os->list(fs->os->self, p->place_fd, name, note_item, p);
	if (!map_get(&fs->queue->watched, slice_of(name)))
		(void)queue_make(fs, name, false, NULL);
	return 0;
}

static int drop_queue(void *arg, const char *name)
{
	struct queue_key key;

	if (queue_name_parse(name, &key))
		(void)drop_queue_dirs(arg, name);
	return 0;
}

static int forget_earlier_boot(struct fs *fs, int work)
{
	static const char *const dirs[] = { "ready", "claimed", "done", "sessions" };
	char boot[OS_BOOT_ID_SIZE + 1];
	int rc = 0;

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]) && rc == 0; i++) {
		rc = os_remove_tree(fs->os, work, dirs[i], 3);
		if (rc == -ENOENT)
			rc = 0;
	}
	if (rc == 0)
		rc = fs->os->boot_id(fs->os->self, boot);
	if (rc < 0)
		return rc;
	boot[OS_BOOT_ID_SIZE - 1] = '\n';
	return file_put(fs, work, "BOOT", boot, OS_BOOT_ID_SIZE);
}

static int prepare_dirs(struct fs *fs, int work)
{
	static const char *const dirs[] = { "done", "claimed", "ready", "sessions" };
	int rc = boot_matches(fs) ? 0 : forget_earlier_boot(fs, work);

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]) && rc >= 0; i++) {
		rc = dir_make(fs, work, dirs[i]);
		dir_close(fs, rc);
	}
	return rc < 0 ? rc : 0;
}

static int prepare_queues(struct fs *fs, int work)
{
	struct prepare p = { .fs = fs };
	int rc = 0;

	for (int i = 0; i < PLACES && rc >= 0; i++) {
		p.place_fd = dir_open(fs, work, place_names[i]);
		rc = p.place_fd < 0 ? p.place_fd : 0;
		if (rc == 0 && i == 0)
			rc = fs->os->list(fs->os->self, work, place_names[i], drop_queue, fs);
		if (rc == 0)
			rc = fs->os->list(fs->os->self, work, place_names[i], note_queue, &p);
		dir_close(fs, p.place_fd);
	}
	return rc;
}

/* A queue that cannot be made is no reason not to start: the next offer tries again, and says why. */
int queue_prepare(struct fs *fs, struct pawl_error *err)
{
	struct queue *q;
	int rc = queue_get(fs, &q, err);

	if (rc < 0 || q->prepared)
		return rc;
	int dead = place_open(fs, "dead", true), base = rundir_base(fs);
	dir_close(fs, dead);
	int work = dead < 0 ? dead : base < 0 ? base : dir_make(fs, base, "work");
	rc = work < 0 ? work : prepare_dirs(fs, work);
	if (rc == 0)
		rc = prepare_queues(fs, work);
	dir_close(fs, work);
	q->changed = true;
	q->prepared = rc == 0;
	return rc < 0 ? err_sys(err, -rc, "cannot prepare the work queue in '%s/work'", fs->path) : 0;
}

void queue_open(struct fs *fs)
{
	IO_BECAUSE(IO_QUEUE);
	struct pawl_error err = { 0 };

	if (queue_prepare(fs, &err) < 0)
		log_warning("%s; workers outside of the runtime have to wait", err.text);
}
