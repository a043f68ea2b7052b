/* queue_claim.c - taking an item: rename(2) from ready/ to claimed/ has exactly one winner. */
#include "queue.h"
#include <errno.h>
#include <stdlib.h>

#define ROUNDS_MAX 64

/* The directories of the queue that is tried, kept open from one item to the next. */
struct claim {
	struct fs *fs;
	struct queue *q;
	const struct pawl_work_wanted *wanted;
	int ready, claimed;
	char queue[QUEUE_NAME_MAX + 1];
};

static void claim_close(struct claim *c)
{
	dir_close(c->fs, c->ready);
	dir_close(c->fs, c->claimed);
	c->ready = c->claimed = -1;
	c->queue[0] = '\0';
}

static int claim_open(struct claim *c, const char *queue)
{
	if (strcmp(c->queue, queue) == 0)
		return 0;
	claim_close(c);
	c->ready = queue_open_dir(c->fs, PAWL_WORK_READY, queue, false);
	if (c->ready < 0)
		return c->ready;
	c->claimed = queue_open_dir(c->fs, PAWL_WORK_CLAIMED, queue, true);
	if (c->claimed < 0)
		return c->claimed;
	snprintf(c->queue, sizeof(c->queue), "%s", queue);
	return 0;
}

static int load_files(struct fs *fs, int dir, const struct work_target *target, struct pawl_work_item *item,
                      struct carrier_facts *facts, char **carrier, char **input)
{
	int rc = carrier_load(fs, dir, target, facts, carrier);

	if (rc < 0)
		return rc;
	rc = os_read_file(fs->os, dir, "input", INPUT_MAX, input, &item->input_len);
	item->input = *input;
	item->carrier = *carrier;
	item->key = facts->key;
	item->execution = facts->execution;
	item->attempt = facts->attempt;
	return rc == -ENOENT ? 0 : rc;
}

static int item_load(struct claim *c, const struct item_id *id, const struct work_target *target,
                     struct pawl_work_item **out)
{
	char name[PAWL_WORK_ID_MAX + 1], path[4096 + 256], *carrier = NULL, *input = NULL;
	struct carrier_facts facts;
	struct queue_key key;
	struct fs *fs = c->fs;

	snprintf(name, sizeof(name), "%s/%s", id->queue, id->item);
	(void)queue_name_parse(id->queue, &key);
	struct pawl_work_item item = { .id = name,
		                       .instance = target->instance,
		                       .activity = key.activity,
		                       .tag = key.tag[0] ? key.tag : NULL,
		                       .session = item_session(id->item),
		                       .seq = target->seq,
		                       .priority = (uint32_t)(id->item[0] - '0') };
	int dir = work_open(fs, target, false);
	int rc = dir < 0 ? dir : load_files(fs, dir, target, &item, &facts, &carrier, &input);
	dir_close(fs, dir);
	if (rc == 0) {
		item.work_dir = fs_work_dir(&fs->provider, target->instance, target->seq, path, sizeof(path)) == 0
		                        ? path
		                        : NULL;
		*out = work_item_copy(&item);
		rc = *out ? 0 : -ENOMEM;
	}
	free(carrier);
	free(input);
	return rc;
}

/* What cannot be read is put back for the owner to see, and not tried again by us. */
static int claim_load(struct claim *c, const struct item_id *id, const char *claim_name,
                      const struct work_target *target, struct pawl_work_item **out)
{
	char name[PAWL_WORK_ID_MAX + 1], why[128];
	int rc = item_load(c, id, target, out);

	if (rc == 0)
		return 0;
	snprintf(name, sizeof(name), "%s/%s", id->queue, id->item);
	snprintf(why, sizeof(why), "its work directory cannot be read (%s)", strerror(-rc));
	(void)c->fs->os->rename(c->fs->os->self, c->claimed, claim_name, c->ready, id->item);
	if (rc == -ENOMEM)
		return rc;
	bad_remember(c->q, name, why);
	return -ENOENT;
}

/* -ENOENT: it is not to be had, try the next. */
static int claim_one(struct claim *c, const struct item_id *id, struct pawl_work_item **out)
{
	const struct os *os = c->fs->os;
	const char *session = item_session(id->item);
	char name[CLAIM_NAME_MAX + 1], full[PAWL_WORK_ID_MAX + 1];
	struct work_target target;
	struct holder holder = { .code = 0 };
	int rc = claim_open(c, id->queue);

	if (rc == 0)
		rc = link_read(c->fs, c->ready, id->item, &target);
	if (rc == -EINVAL) {
		snprintf(full, sizeof(full), "%s/%s", id->queue, id->item);
		bad_remember(c->q, full, "it is no link to a work directory of this hub");
	}
	if (rc == 0 && session)
		rc = queue_session_take(c->fs, session, c->wanted->worker);
	if (rc != 0)
		return rc == -EINVAL || rc > 0 ? -ENOENT : rc;
	snprintf(holder.worker, sizeof(holder.worker), "%s", c->wanted->worker);
	entry_print(name, PAWL_WORK_CLAIMED, id->item, &holder);
	rc = os->rename(os->self, c->ready, id->item, c->claimed, name);
	return rc < 0 ? rc : claim_load(c, id, name, &target, out);
}

static int claim_first(struct claim *c, struct pawl_work_item **out, struct pawl_error *err)
{
	struct picks *p = c->q->picks;

	while (p->next < p->count) {
		const struct item_id *id = &p->items[p->next++];
		int rc = claim_one(c, id, out);
		if (rc != -ENOENT)
			return rc < 0 ? err_sys(err, -rc, "cannot claim '%s/work/ready/%s/%s'", c->fs->path, id->queue,
			                        id->item)
			              : 0;
	}
	return PAWL_ENOTFOUND;
}

int fs_claim(struct pawl_provider *p, const struct pawl_work_wanted *wanted, struct pawl_work_item **out,
             struct pawl_error *err)
{
	struct fs *fs = fs_of(p);
	struct claim c = { .fs = fs, .wanted = wanted, .ready = -1, .claimed = -1 };
	int rc = wanted_check(fs, wanted, err);
	bool again = true;

	if (rc == 0)
		rc = queue_get(fs, &c.q, err);
	if (rc < 0)
		return rc;
	rc = PAWL_ENOTFOUND;
	if (!c.q->boot_known)
		c.q->boot_known = boot_matches(fs);
	for (int i = 0; i < ROUNDS_MAX && again && c.q->boot_known && rc == PAWL_ENOTFOUND; i++) {
		int looked = picks_get(fs, c.q, wanted, i > 0, err);
		rc = looked < 0 ? looked : claim_first(&c, out, err);
		again = looked == 0 || c.q->picks->more;
	}
	claim_close(&c);
	return rc == PAWL_ENOTFOUND ? err_set(err, rc, "there is no work for '%s' in '%s'", wanted->worker, fs->path)
	                            : rc;
}
