/* queue_offer.c - what the owner of a hub does with work: offer, release, cancel. */
#include "queue.h"
#include "base/json.h"
#include <errno.h>
#include <stdlib.h>

#define RELEASE_TRIES 8

static int owner_check(struct fs *fs, struct pawl_error *err)
{
	int rc = queue_check_writable(fs, err);

	if (rc == 0 && !fs->owner)
		rc = err_set(err, PAWL_ESTATE, "only the owner of the hub '%s' offers and releases work", fs->path);
	if (rc == 0)
		rc = hub_check_fence(fs, err);
	return rc < 0 ? rc : queue_prepare(fs, err);
}

/* ---- offer ---- */

static void carrier_make(struct buf *b, const struct pawl_work_item *item)
{
	buf_addc(b, '{');
	json_add_member(b, "key", slice_of(item->key ? item->key : ""));
	json_add_member(b, "instance", slice_of(item->instance));
	json_add_member_u64(b, "execution", item->execution);
	json_add_member_u64(b, "seq", item->seq);
	json_add_member(b, "activity", slice_of(item->activity));
	if (item->tag)
		json_add_member(b, "tag", slice_of(item->tag));
	json_add_member_u64(b, "iteration", item->attempt);
	buf_adds(b, "}\n");
}

/* What an earlier attempt left must not be taken for this one's. */
static int clear_attempt(struct fs *fs, int dir)
{
	static const char *const files[] = { "result",    "message",  "retry_after", "cancel",
		                             "heartbeat", "progress", "input" };
	int rc = 0;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]) && rc == 0; i++)
		rc = os_remove_any(fs->os, dir, files[i]);
	return rc;
}

static int write_files(struct fs *fs, int dir, const struct pawl_work_item *item)
{
	IO_BECAUSE(IO_WORK);
	struct buf made = BUF_INIT;
	int rc = clear_attempt(fs, dir);

	if (rc == 0 && item->input)
		rc = file_put(fs, dir, "input", item->input, item->input_len);
	if (!item->carrier)
		carrier_make(&made, item);
	struct slice text = item->carrier ? slice_of(item->carrier) : buf_slice(&made);
	if (rc == 0)
		rc = buf_ok(&made) ? file_put(fs, dir, "carrier", text.data, text.len) : -ENOMEM;
	if (rc == -EISDIR && os_remove_any(fs->os, dir, "carrier") == 0)
		rc = file_put(fs, dir, "carrier", text.data, text.len);
	buf_release(&made);
	return rc;
}

/* Made beside and renamed: that changes the time of work/ready, by which workers see that their listing is old. */
static int put_link(struct fs *fs, const struct item_id *id, const struct pawl_work_item *item)
{
	const struct os *os = fs->os;
	char target[256];
	int ready = place_open(fs, "ready", false), queue = ready < 0 ? ready : dir_open(fs, ready, id->queue);
	int rc = queue < 0 ? queue : file_remove(fs, ready, ".offer");

	snprintf(target, sizeof(target), "../../../instances/%s/work/%llu", item->instance,
	         (unsigned long long)item->seq);
	if (rc == 0)
		rc = os->symlink(os->self, target, ready, ".offer");
	if (rc == 0)
		rc = os->rename(os->self, ready, ".offer", queue, id->item);
	dir_close(fs, queue);
	dir_close(fs, ready);
	return rc;
}

/* Later than any item that is there: age is the order. */
static uint64_t next_stamp(struct fs *fs)
{
	struct queue *q = fs->queue;
	uint64_t now = (uint64_t)fs->os->boot_ns(fs->os->self) / 1000;

	q->stamp = now > q->stamp ? now : q->stamp + 1;
	return q->stamp;
}

/* Only saves looking: without it each_work reads the link and the carrier. */
static void remember_offer(struct queue *q, const struct pawl_work_item *item, const char *id)
{
	struct pawl_work_item slim = *item;
	struct facts *f = calloc(1, sizeof(*f));

	slim.id = id;
	slim.key = item->key ? item->key : "";
	slim.input = NULL;
	slim.input_len = 0;
	slim.carrier = NULL;
	slim.work_dir = NULL;
	if (f)
		*f = (struct facts){ .item = work_item_copy(&slim), .state = PAWL_WORK_READY };
	if (f && (!f->item || facts_keep(q, f) < 0)) {
		free(f->item);
		free(f);
	}
}

int fs_offer(struct pawl_provider *p, const struct pawl_work_item *item, char *id_out, struct pawl_error *err)
{
	IO_BECAUSE(IO_QUEUE);
	struct fs *fs = fs_of(p);
	struct work_target target;
	struct item_id id;
	int rc = work_item_check(item, err);

	if (rc == 0)
		rc = owner_check(fs, err);
	if (rc < 0)
		return rc;
	work_queue_name(id.queue, item->activity, item->tag, item->session);
	work_item_name(id.item, item->priority, next_stamp(fs), item->session);
	snprintf(target.instance, sizeof(target.instance), "%s", item->instance);
	target.seq = item->seq;
	int dir = work_open(fs, &target, true);
	if (dir == -ENOENT)
		return err_set(err, PAWL_ENOTFOUND, "no instance '%s' to do work for", item->instance);
	rc = dir < 0 ? dir : write_files(fs, dir, item);
	dir_close(fs, dir);
	if (rc < 0)
		return err_sys(err, -rc, "cannot write '%s/instances/%s/work/%llu'", fs->path, item->instance,
		               (unsigned long long)item->seq);
	rc = queue_make(fs, id.queue, false, err);
	if (rc < 0)
		return rc;
	rc = put_link(fs, &id, item);
	if (rc == -ENOENT) { /* somebody removed the directories */
		rc = queue_make(fs, id.queue, true, err);
		if (rc < 0)
			return rc;
		rc = put_link(fs, &id, item);
	}
	if (rc < 0)
		return err_sys(err, -rc, "cannot offer '%s/work/ready/%s/%s'", fs->path, id.queue, id.item);
	snprintf(id_out, PAWL_WORK_ID_MAX + 1, "%s/%s", id.queue, id.item);
	remember_offer(fs->queue, item, id_out);
	return 0;
}

/* ---- release, cancel ---- */

static int unlink_at(struct fs *fs, const struct item_id *id, enum pawl_work_state place, const struct holder *holder)
{
	char name[CLAIM_NAME_MAX + 1];
	int dir = queue_open_dir(fs, place, id->queue, false);

	entry_print(name, place, id->item, holder);
	int rc = dir < 0 ? dir : fs->os->unlink(fs->os->self, dir, name);
	dir_close(fs, dir);
	return rc;
}

/* It may move while we look: whoever is first has it, and when that was not us it is in the next place. */
static int unlink_item(struct fs *fs, const struct item_id *id, const struct facts *known)
{
	enum pawl_work_state place;
	struct work_target target;
	struct holder holder;
	int rc = known ? unlink_at(fs, id, known->state, &known->holder) : -ENOENT;

	for (int i = 0; rc == -ENOENT && i < RELEASE_TRIES; i++) {
		rc = item_find(fs, id, &place, &holder, &target);
		if (rc == -ENOENT)
			return 0;
		if (rc == 0 || rc == -EINVAL)
			rc = unlink_at(fs, id, place, &holder);
	}
	return rc;
}

int fs_release(struct pawl_provider *p, const char *id, struct pawl_error *err)
{
	IO_BECAUSE(IO_QUEUE);
	struct fs *fs = fs_of(p);
	struct item_id it;
	int rc = item_id_parse(id, &it, err);

	if (rc == 0)
		rc = owner_check(fs, err);
	if (rc < 0)
		return rc;
	struct facts *known = facts_find(fs->queue, id);
	rc = unlink_item(fs, &it, known);
	if (rc < 0)
		return err_sys(err, -rc, "cannot take '%s' out of the queue in '%s/work'", id, fs->path);
	if (known)
		facts_drop(fs->queue, known);
	return 0;
}

static int find_target(struct fs *fs, const struct item_id *it, const struct facts *known, struct work_target *target)
{
	enum pawl_work_state place;
	struct holder holder;
	int rc = item_find(fs, it, &place, &holder, target);

	if ((rc == 0 || rc == -EINVAL) && known) {
		snprintf(target->instance, sizeof(target->instance), "%s", known->item->instance);
		target->seq = known->item->seq;
		return 0;
	}
	return rc;
}

int fs_cancel_work(struct pawl_provider *p, const char *id, struct pawl_error *err)
{
	IO_BECAUSE(IO_QUEUE);
	struct fs *fs = fs_of(p);
	struct work_target target;
	struct item_id it;
	int rc = item_id_parse(id, &it, err);

	if (rc == 0)
		rc = owner_check(fs, err);
	if (rc < 0)
		return rc;
	struct facts *known = facts_find(fs->queue, id);
	rc = find_target(fs, &it, known, &target);
	int dir = rc < 0 ? rc : work_open(fs, &target, false);
	rc = dir < 0 ? dir : file_put(fs, dir, "cancel", "", 0);
	dir_close(fs, dir);
	if (rc == 0 && known)
		known->canceled = true;
	if (rc == -ENOENT || rc == -EINVAL)
		return err_set(err, PAWL_ENOTFOUND, "work item '%s' is not in the queue", id);
	return rc < 0 ? err_sys(err, -rc, "cannot tell the worker of '%s' to stop", id) : 0;
}
