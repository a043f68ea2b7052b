/*
 * queue_session.c - who has a session: work/sessions/SESSION, a file made with O_EXCL.
 *
 *	4711            the worker
 *	start 123456    when it is a pid: field 22 of /proc/4711/stat, so that another process of that number is not taken for it
 *
 * Two of us change sessions under a lock (flock on work/sessions/.lock), so that of many who find a dead worker's session
 * one takes it, and nobody removes what has just been made. A shell needs no lock to make one: `set -C; echo $$ > SESSION`.
 * A file that is still empty belongs to whoever is writing it.
 */
#include "queue.h"
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define KEEP_NS       (INT64_C(600) * 1000000000)
#define LOCK_TRIES    500
#define LOCK_PAUSE_NS 2000000

enum owner { OWNER_NONE, OWNER_DEAD, OWNER_SELF, OWNER_OTHER };

static bool pid_is_alive(struct fs *fs, int32_t pid, uint64_t start)
{
	struct os_process_id id;
	int rc = fs->os->process_id(fs->os->self, pid, &id);

	return rc < 0 ? rc != -ESRCH : !start || !id.start_ticks || id.start_ticks == start;
}

static enum owner session_owner(struct fs *fs, int dir, const char *session, const char *worker)
{
	char text[160], name[PAWL_WORKER_MAX + 1] = "";
	unsigned long long start = 0;
	int n = file_head(fs, dir, session, text, sizeof(text));

	if (n == -ENOENT)
		return OWNER_NONE;
	if (n <= 0 || sscanf(text, "%64s start %llu", name, &start) < 1 || work_check_worker(name, NULL) < 0)
		return OWNER_OTHER;
	if (worker && strcmp(name, worker) == 0)
		return OWNER_SELF;
	int32_t pid = work_worker_pid(name);
	return pid && !pid_is_alive(fs, pid, start) ? OWNER_DEAD : OWNER_OTHER;
}

bool queue_session_may(struct fs *fs, const char *session, const char *worker)
{
	int dir = place_open(fs, "sessions", false);
	enum owner owner = dir < 0 ? OWNER_NONE : session_owner(fs, dir, session, worker);

	dir_close(fs, dir);
	return owner != OWNER_OTHER;
}

/* The lock goes with the descriptor, also when we die. */
static int sessions_lock(struct fs *fs, int dir, int tries)
{
	const struct timespec pause = { .tv_nsec = LOCK_PAUSE_NS };
	int fd = fs->os->open(fs->os->self, dir, ".lock", OS_WRITE | OS_CREATE, HUB_FILE_MODE);
	int rc = fd < 0 ? fd : fs->os->lock(fs->os->self, fd);

	while (fd >= 0 && rc == -EWOULDBLOCK && --tries > 0) {
		nanosleep(&pause, NULL);
		rc = fs->os->lock(fs->os->self, fd);
	}
	if (rc < 0)
		dir_close(fs, fd);
	return rc < 0 ? rc : fd;
}

static int session_write(struct fs *fs, int dir, const char *session, const char *worker, int flags)
{
	const struct os *os = fs->os;
	struct os_process_id id;
	char text[160];
	int32_t pid = work_worker_pid(worker);
	int n = snprintf(text, sizeof(text), "%s\n", worker);

	if (pid && os->process_id(os->self, pid, &id) == 0 && id.start_ticks)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "start %llu\n", (unsigned long long)id.start_ticks);
	int fd = os->open(os->self, dir, session, OS_WRITE | flags, HUB_FILE_MODE);
	if (fd < 0)
		return fd;
	ssize_t written = os->pwrite(os->self, fd, text, (size_t)n, 0);
	os->close(os->self, fd);
	if (written < 0 && (flags & OS_EXCL))
		(void)os->unlink(os->self, dir, session);
	return written < 0 ? (int)written : 0;
}

static int take_locked(struct fs *fs, int dir, const char *session, const char *worker)
{
	enum owner owner = session_owner(fs, dir, session, worker);

	if (owner == OWNER_OTHER)
		return 1;
	if (owner == OWNER_SELF)
		return 0;
	int rc = owner == OWNER_DEAD ? file_remove(fs, dir, session) : 0;
	if (rc == 0)
		rc = session_write(fs, dir, session, worker, OS_CREATE | OS_EXCL);
	return rc == -EEXIST ? 1 : rc; /* made by somebody who takes no lock */
}

int queue_session_take(struct fs *fs, const char *session, const char *worker)
{
	int dir = place_open(fs, "sessions", true);
	enum owner owner = dir < 0 ? OWNER_OTHER : session_owner(fs, dir, session, worker);
	int rc = dir < 0 ? dir : owner == OWNER_OTHER ? 1 : 0;

	if (rc == 0 && owner == OWNER_SELF) {
		(void)session_write(fs, dir, session, worker, 0);
	} else if (rc == 0) {
		int lock = sessions_lock(fs, dir, LOCK_TRIES);
		rc = lock < 0 ? lock : take_locked(fs, dir, session, worker);
		dir_close(fs, lock);
	}
	dir_close(fs, dir);
	return rc;
}

/* It is in use: it is kept for another while. */
void queue_session_touch(struct fs *fs, const char *session, const char *worker)
{
	int dir = place_open(fs, "sessions", false);

	if (dir >= 0 && session_owner(fs, dir, session, worker) == OWNER_SELF)
		(void)session_write(fs, dir, session, worker, 0);
	dir_close(fs, dir);
}

/* ---- the owner of the hub ---- */

struct sweep {
	struct fs *fs;
	int dir;
	bool (*in_use)(void *arg, const char *session);
	void *arg;
};

static bool is_over(const struct sweep *s, const char *session)
{
	struct fs *fs = s->fs;

	if (session_owner(fs, s->dir, session, NULL) == OWNER_DEAD)
		return true;
	int64_t age = fs->os->real_ns(fs->os->self) - file_time(fs, s->dir, session);
	return age > KEEP_NS && !s->in_use(s->arg, session);
}

static int sweep_session(void *arg, const char *session)
{
	const struct sweep *s = arg;
	struct fs *fs = s->fs;

	if (!text_is_key(slice_of(session)) || !is_over(s, session))
		return 0;
	int lock = sessions_lock(fs, s->dir, 1);
	if (lock >= 0 && is_over(s, session))
		(void)file_remove(fs, s->dir, session);
	dir_close(fs, lock);
	return 0;
}

void queue_sessions_sweep(struct fs *fs, bool (*in_use)(void *arg, const char *session), void *arg)
{
	struct sweep s = { fs, place_open(fs, "sessions", false), in_use, arg };

	if (s.dir >= 0)
		(void)fs->os->list(fs->os->self, s.dir, ".", sweep_session, &s);
	dir_close(fs, s.dir);
}
