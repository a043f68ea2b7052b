/*
 * queue_pick.c - which items a worker tries, in which order: by name of item over all queues that it wants.
 *
 * One look keeps the first PICKS_MAX. The next claims take from these without looking again, as long as nothing was
 * offered since: an offer changes the mtime of work/ready. File systems keep that time in ticks, so only a time that lay
 * some ticks back when we looked tells anything. An item that a shell gave back with mv is found when these are through.
 */
#include "queue.h"
#include "base/crc32c.h"
#include <errno.h>
#include <stdlib.h>

#define TICKS_NS  25000000
#define COARSE_NS INT64_C(2100000000) /* where the file system has whole seconds only */

struct pick {
	struct fs *fs;
	struct queue *q;
	const struct pawl_work_wanted *wanted;
	struct picks *picks;
	int ready;
	const char *queue;
	struct queue_key key;
	/* the last session looked up: items of one often stand together */
	char session[KEY_MAX + 1];
	bool session_may;
};

static int pick_order(const char *item, const char *queue, const struct item_id *b)
{
	int order = strcmp(item, b->item);

	return order ? order : strcmp(queue, b->queue);
}

/* Kept in order; when it is full the last one makes room. */
static void pick_put(struct picks *p, const char *queue, const char *item)
{
	size_t low = 0, high = p->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (pick_order(item, queue, &p->items[mid]) < 0)
			high = mid;
		else
			low = mid + 1;
	}
	size_t tail = p->count - low;
	if (p->count == PICKS_MAX) {
		p->more = true;
		if (low == PICKS_MAX)
			return;
		tail--;
	} else {
		p->count++;
	}
	memmove(&p->items[low + 1], &p->items[low], tail * sizeof(p->items[0]));
	snprintf(p->items[low].queue, sizeof(p->items[low].queue), "%s", queue);
	snprintf(p->items[low].item, sizeof(p->items[low].item), "%s", item);
}

static bool may_take(struct pick *p, const char *item)
{
	const char *session = item_session(item);

	if (!session)
		return true;
	if (strcmp(session, p->session) != 0) {
		snprintf(p->session, sizeof(p->session), "%s", session);
		p->session_may = queue_session_may(p->fs, session, p->wanted->worker);
	}
	p->picks->held |= !p->session_may;
	return p->session_may;
}

static int pick_item(void *arg, const char *name)
{
	struct pick *p = arg;
	struct picks *picks = p->picks;
	char id[PAWL_WORK_ID_MAX + 1];
	uint32_t priority;
	uint64_t stamp;

	if (!item_name_parse(slice_of(name), p->key.session, &priority, &stamp))
		return 0;
	if (picks->count == PICKS_MAX && pick_order(name, p->queue, &picks->items[PICKS_MAX - 1]) > 0) {
		picks->more = true;
		return 0;
	}
	snprintf(id, sizeof(id), "%s/%s", p->queue, name);
	if ((p->q->bad.count == 0 || !bad_known(p->q, id)) && may_take(p, name))
		pick_put(picks, p->queue, name);
	return 0;
}

bool queue_is_wanted(const struct pawl_work_wanted *wanted, const char *queue, struct queue_key *key)
{
	return queue_name_parse(queue, key) && work_is_wanted(wanted, key->activity, key->tag[0] ? key->tag : NULL);
}

static int pick_queue(void *arg, const char *name)
{
	struct pick *p = arg;

	if (!queue_is_wanted(p->wanted, name, &p->key))
		return 0;
	p->queue = name;
	int dir = dir_open(p->fs, p->ready, name);
	int rc = dir < 0 ? dir : p->fs->os->list(p->fs->os->self, dir, ".", pick_item, p);
	dir_close(p->fs, dir);
	return rc == -ENOENT || rc == -ENOTDIR ? 0 : rc;
}

static uint32_t sum_list(uint32_t sum, const char *const *list)
{
	sum = crc32c(sum, list ? "L" : "N", 1);
	for (; list && *list; list++)
		sum = crc32c(sum, *list, strlen(*list) + 1);
	return sum;
}

static uint32_t wanted_sum(const struct pawl_work_wanted *wanted)
{
	return sum_list(sum_list(crc32c(0, wanted->worker, strlen(wanted->worker)), wanted->activities), wanted->tags);
}

int wanted_check(struct fs *fs, const struct pawl_work_wanted *wanted, struct pawl_error *err)
{
	int rc = work_check_worker(wanted->worker, err);

	return rc < 0 ? rc : queue_check_writable(fs, err);
}

/* 0 when it is too young to tell. */
static int64_t ready_stamp(struct fs *fs, int ready)
{
	struct os_stat st;

	if (fs->os->stat_fd(fs->os->self, ready, &st) < 0)
		return 0;
	int64_t age = fs->os->real_ns(fs->os->self) - st.mtime_ns;
	return age > (st.mtime_ns % 1000000000 ? TICKS_NS : COARSE_NS) ? st.mtime_ns : 0;
}

static bool still_holds(struct fs *fs, const struct picks *p, const struct pawl_work_wanted *wanted)
{
	struct os_stat st;

	if (!p->reusable || p->next >= p->count || p->wanted != wanted_sum(wanted))
		return false;
	int ready = place_open(fs, "ready", false);
	bool holds = ready >= 0 && fs->os->stat_fd(fs->os->self, ready, &st) == 0 && st.mtime_ns == p->stamp_ns;
	dir_close(fs, ready);
	return holds;
}

int picks_get(struct fs *fs, struct queue *q, const struct pawl_work_wanted *wanted, bool fresh, struct pawl_error *err)
{
	struct pick p = { .fs = fs, .q = q, .wanted = wanted };

	if (!q->picks)
		q->picks = calloc(1, sizeof(*q->picks));
	if (!q->picks)
		return err_nomem(err);
	if (!fresh && still_holds(fs, q->picks, wanted))
		return 0;
	p.picks = q->picks;
	p.picks->count = p.picks->next = 0;
	p.picks->more = p.picks->held = p.picks->reusable = false;
	p.ready = place_open(fs, "ready", false);
	if (p.ready == -ENOENT)
		return 1;
	p.picks->stamp_ns = p.ready < 0 ? 0 : ready_stamp(fs, p.ready);
	int rc = p.ready < 0 ? p.ready : fs->os->list(fs->os->self, p.ready, ".", pick_queue, &p);
	dir_close(fs, p.ready);
	if (rc < 0)
		return err_sys(err, -rc, "cannot look for work in '%s/work/ready'", fs->path);
	p.picks->wanted = wanted_sum(wanted);
	p.picks->reusable = p.picks->stamp_ns && !p.picks->held;
	return 1;
}
