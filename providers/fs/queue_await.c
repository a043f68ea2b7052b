/* queue_await.c - waiting for work, with a watch of our own: watch, then look, then sleep. */
#include "queue.h"
#include <errno.h>
#include <poll.h>

#define WATCH_READY  (OS_WATCH_CREATE | OS_WATCH_MOVED_TO)
#define LOOK_MS      60000 /* notification is a hint (I12) */
#define LOOK_HELD_MS 5000  /* a worker that dies with its session tells nobody */

struct await {
	struct fs *fs;
	const struct pawl_work_wanted *wanted;
	int watch, ready;
	bool blind; /* something could not be watched */
};

static void watch(struct await *a, int dir, const char *name, uint32_t mask)
{
	int n = a->fs->os->watch_add(a->fs->os->self, a->watch, dir, name, mask);

	if (n < 0 && n != -ENOENT && n != -ENOTDIR)
		a->blind = true;
}

static int watch_wanted(void *arg, const char *name)
{
	struct await *a = arg;
	struct queue_key key;

	if (queue_is_wanted(a->wanted, name, &key))
		watch(a, a->ready, name, WATCH_READY);
	return 0;
}

/* New directories show in the one above, so each is watched before it is listed. Watching twice is nothing. */
static void watch_all(struct await *a)
{
	struct fs *fs = a->fs;
	int base = rundir_base(fs);

	watch(a, fs->hub, ".", WATCH_READY); /* RUN, and work */
	if (base < 0)
		return;
	a->ready = place_open(fs, "ready", false);
	if (a->ready < 0) {
		watch(a, base, ".", WATCH_READY);
		watch(a, base, "work", WATCH_READY);
		a->ready = place_open(fs, "ready", false); /* made since? */
	}
	watch(a, base, "work/ready", WATCH_READY);
	watch(a, base, "work/sessions", OS_WATCH_DELETE);
	if (a->ready >= 0)
		(void)fs->os->list(fs->os->self, a->ready, ".", watch_wanted, a);
	dir_close(fs, a->ready);
}

static int nothing(void *arg, int number, uint32_t mask, const char *name)
{
	(void)arg;
	(void)number;
	(void)mask;
	(void)name;
	return 0;
}

static int smaller(int64_t a, int64_t b)
{
	return (int)(a < b ? a : b);
}

/* A descriptor that poll does not know (a simulated one): nothing will come, so the time is over. */
static int sleep_for(struct await *a, int64_t ms)
{
	struct pollfd p = { .fd = a->watch, .events = POLLIN };
	int n = poll(&p, 1, (int)ms);

	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? 0 : -errno;
	if (n > 0 && !(p.revents & POLLIN))
		return -ETIME;
	(void)a->fs->os->watch_read(a->fs->os->self, a->watch, nothing, NULL);
	return 0;
}

static int await(struct await *a, struct queue *q, int64_t timeout_ms, struct pawl_error *err)
{
	const struct os *os = a->fs->os;
	int64_t until = os->boot_ns(os->self) + timeout_ms * 1000000;

	for (;;) {
		watch_all(a);
		if (!q->boot_known)
			q->boot_known = boot_matches(a->fs);
		int rc = q->boot_known ? picks_get(a->fs, q, a->wanted, true, err) : 1;
		if (rc < 0)
			return rc;
		if (q->boot_known && q->picks->count > 0)
			return 0;
		int64_t left = timeout_ms < 0 ? LOOK_MS : (until - os->boot_ns(os->self) + 999999) / 1000000;
		int64_t most = a->blind || !q->boot_known || q->picks->held ? LOOK_HELD_MS : LOOK_MS;
		rc = left > 0 ? sleep_for(a, smaller(left, most)) : -ETIME;
		if (rc == -ETIME)
			return err_set(err, PAWL_ETIMEOUT, "no work came for '%s' in '%s'", a->wanted->worker,
			               a->fs->path);
		if (rc < 0)
			return err_sys(err, -rc, "cannot wait for work in '%s'", a->fs->path);
	}
}

int fs_await_work(struct pawl_provider *p, const struct pawl_work_wanted *wanted, int64_t timeout_ms,
                  struct pawl_error *err)
{
	struct fs *fs = fs_of(p);
	struct await a = { .fs = fs, .wanted = wanted };
	struct queue *q;
	int rc = wanted_check(fs, wanted, err);

	if (rc == 0)
		rc = queue_get(fs, &q, err);
	if (rc < 0)
		return rc;
	a.watch = fs->os->watch_open(fs->os->self);
	if (a.watch < 0)
		return err_sys(err, -a.watch, "cannot make an inotify instance (raise fs.inotify.max_user_instances)");
	rc = await(&a, q, timeout_ms, err);
	fs->os->close(fs->os->self, a.watch);
	return rc;
}
