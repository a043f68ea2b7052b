/* queue_finish.c - what a worker does with its item: heartbeat, finish, give back. Only the link says whose it is: the
 * files are written first, and the rename that follows fails when the item was taken back. */
#include "queue.h"
#include <errno.h>
#include <stdlib.h>

struct held {
	struct fs *fs;
	struct item_id id;
	struct holder holder;
	char name[CLAIM_NAME_MAX + 1];
	int claimed, work; /* descriptors */
};

static void held_close(struct held *h)
{
	dir_close(h->fs, h->claimed);
	dir_close(h->fs, h->work);
}

/* Is it this worker's? The descriptors are for held_close, whatever is returned. */
static int held_open(struct held *h, struct fs *fs, const char *id, const char *worker, struct pawl_error *err)
{
	struct work_target target;
	int rc = queue_check_writable(fs, err);

	*h = (struct held){ .fs = fs, .claimed = -1, .work = -1 };
	if (rc == 0)
		rc = work_check_worker(worker, err);
	if (rc == 0)
		rc = item_id_parse(id, &h->id, err);
	if (rc < 0)
		return rc;
	snprintf(h->holder.worker, sizeof(h->holder.worker), "%s", worker);
	entry_print(h->name, PAWL_WORK_CLAIMED, h->id.item, &h->holder);
	h->claimed = queue_open_dir(fs, PAWL_WORK_CLAIMED, h->id.queue, false);
	rc = h->claimed < 0 ? h->claimed : link_read(fs, h->claimed, h->name, &target);
	if (rc == 0)
		rc = h->work = work_open(fs, &target, false);
	if (rc == -ENOENT || rc == -EINVAL)
		return gone_error(err, id);
	return rc < 0 ? err_sys(err, -rc, "cannot look at '%s' in '%s/work'", id, fs->path) : 0;
}

/* Out of claimed/: here it shows who was first. */
static int held_move(struct held *h, enum pawl_work_state place, const char *id, struct pawl_error *err)
{
	const struct os *os = h->fs->os;
	char to[CLAIM_NAME_MAX + 1];
	int dir = queue_open_dir(h->fs, place, h->id.queue, true);

	entry_print(to, place, h->id.item, &h->holder);
	int rc = dir < 0 ? dir : os->rename(os->self, h->claimed, h->name, dir, to);
	dir_close(h->fs, dir);
	if (rc == -ENOENT)
		return gone_error(err, id);
	return rc < 0 ? err_sys(err, -rc, "cannot move '%s' to '%s/work/%s'", id, h->fs->path, place_names[place]) : 0;
}

/* Written rather than touched: only that changes the time on every file system. */
static int beat(struct fs *fs, int dir)
{
	int fd = fs->os->open(fs->os->self, dir, "heartbeat", OS_WRITE | OS_CREATE | OS_NONBLOCK, 0644);
	ssize_t n = fd < 0 ? fd : fs->os->pwrite(fs->os->self, fd, "\n", 1, 0);

	dir_close(fs, fd);
	return n < 0 ? (int)n : 0;
}

int fs_renew(struct pawl_provider *p, const char *id, const char *worker, const char *progress, struct pawl_error *err)
{
	struct held h;
	int rc = held_open(&h, fs_of(p), id, worker, err);

	if (rc == 0) {
		int sys =
		        progress ? file_put(h.fs, h.work, "progress", progress, strlen(progress)) : beat(h.fs, h.work);
		if (file_time(h.fs, h.work, "cancel"))
			rc = err_set(err, PAWL_ECANCELED,
			             "work item '%s' is not wanted any more: stop, and finish it with what there is",
			             id);
		else if (sys < 0)
			rc = err_sys(err, -sys, "cannot write the heartbeat of '%s'", id);
	}
	held_close(&h);
	return rc;
}

static int put_or_remove(struct held *h, const char *name, const void *data, size_t len)
{
	return data ? file_put(h->fs, h->work, name, data, len) : file_remove(h->fs, h->work, name);
}

static int write_outcome(struct held *h, int code, const void *output, size_t len, const char *message,
                         int64_t delay_ms)
{
	char delay[32];
	bool has_output = output && (code == 0 || code == 76);

	snprintf(delay, sizeof(delay), "%lldms\n", (long long)delay_ms);
	int rc = put_or_remove(h, "result", has_output ? output : NULL, len);
	if (rc == 0)
		rc = put_or_remove(h, "message", message && message[0] ? message : NULL, message ? strlen(message) : 0);
	if (rc == 0 && (code != 75 || delay_ms > 0)) /* else what the worker wrote there itself holds */
		rc = put_or_remove(h, "retry_after", code == 75 && delay_ms > 0 ? delay : NULL, strlen(delay));
	return rc;
}

int fs_finish(struct pawl_provider *p, const char *id, const char *worker, int code, const void *output, size_t len,
              const char *message, int64_t delay_ms, struct pawl_error *err)
{
	struct held h = { .fs = fs_of(p), .claimed = -1, .work = -1 };
	int rc = work_check_outcome(code, len, err);
	if (rc == 0)
		rc = held_open(&h, fs_of(p), id, worker, err);
	if (rc == 0) {
		int sys = write_outcome(&h, code, output, len, message, delay_ms);
		rc = sys < 0 ? err_sys(err, -sys, "cannot write the outcome of '%s'", id) : 0;
	}
	h.holder.code = code;
	if (rc == 0)
		rc = held_move(&h, PAWL_WORK_DONE, id, err);
	if (rc == 0 && item_session(h.id.item))
		queue_session_touch(h.fs, item_session(h.id.item), worker);
	held_close(&h);
	return rc;
}

int fs_give_back(struct pawl_provider *p, const char *id, const char *worker, struct pawl_error *err)
{
	struct held h;
	int rc = held_open(&h, fs_of(p), id, worker, err);

	if (rc == 0) { /* as if never claimed */
		(void)file_remove(h.fs, h.work, "heartbeat");
		(void)file_remove(h.fs, h.work, "progress");
		rc = held_move(&h, PAWL_WORK_READY, id, err);
	}
	if (rc == 0)
		ready_touch(h.fs);
	held_close(&h);
	return rc;
}
