/* queue_item.c - one item: where it is, what its carrier says, its work directory. */
#include "queue.h"
#include "base/json.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- where it is ---- */

struct find_entry {
	const char *item;
	enum pawl_work_state place;
	char *name;
	struct holder *holder;
};

static int is_entry(void *arg, const char *name)
{
	const struct find_entry *f = arg;
	char item[ITEM_NAME_MAX + 1];
	size_t n = strlen(f->item);

	if (strncmp(name, f->item, n) != 0 || name[n] != '@' ||
	    !entry_parse(name, f->place, strchr(f->item, '~') != NULL, item, f->holder))
		return 0;
	snprintf(f->name, CLAIM_NAME_MAX + 1, "%s", name);
	return 1;
}

/* The name of an item in claimed/ or done/: 1, 0 or -errno. */
static int entry_seek(struct fs *fs, int dir, enum pawl_work_state place, const char *item, char *name, struct holder *holder)
{
	struct find_entry f = { item, place, name, holder };

	return fs->os->list(fs->os->self, dir, ".", is_entry, &f);
}

static int find_in(struct fs *fs, const struct item_id *id, enum pawl_work_state place, struct holder *holder,
                   struct work_target *target)
{
	char name[CLAIM_NAME_MAX + 1];
	int dir = queue_open_dir(fs, place, id->queue, false), rc = dir < 0 ? dir : 1;

	*holder = (struct holder){ .code = 0 };
	if (rc > 0 && place != PAWL_WORK_READY)
		rc = entry_seek(fs, dir, place, id->item, name, holder);
	else
		snprintf(name, sizeof(name), "%s", id->item);
	if (rc > 0)
		rc = link_read(fs, dir, name, target);
	else if (rc == 0)
		rc = -ENOENT;
	dir_close(fs, dir);
	return rc;
}

/* In the order in which it moves, and once more where it can be given back to. */
int item_find(struct fs *fs, const struct item_id *id, enum pawl_work_state *place, struct holder *holder,
              struct work_target *target)
{
	static const enum pawl_work_state order[] = { PAWL_WORK_READY, PAWL_WORK_CLAIMED, PAWL_WORK_DONE,
		                                      PAWL_WORK_READY };
	int rc = -ENOENT;

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]) && rc == -ENOENT; i++) {
		*place = order[i];
		rc = find_in(fs, id, order[i], holder, target);
	}
	return rc;
}

/* ---- carrier ---- */

static int carrier_parse(struct slice text, struct carrier_facts *out, struct arena *a)
{
	struct json_reader r;
	struct json_value v;
	struct slice key;
	uint64_t n;
	int rc = json_open(&r, text, '{', a);

	while (rc >= 0 && (rc = json_next(&r, &key, &v)) > 0) {
		if (slice_is(key, "key") && v.type == JSON_STRING && v.text.len < sizeof(out->key))
			snprintf(out->key, sizeof(out->key), "%.*s", SLICE_FMT(v.text));
		else if (slice_is(key, "execution") && v.type == JSON_NUMBER && text_parse_u64(v.text, &n) == 0)
			out->execution = n;
		else if (slice_is(key, "iteration") && v.type == JSON_NUMBER && text_parse_u64(v.text, &n) == 0 &&
		         n <= UINT32_MAX)
			out->attempt = (uint32_t)n;
	}
	return rc;
}

int carrier_load(struct fs *fs, int dir, const struct work_target *target, struct carrier_facts *out, char **text)
{
	char *data = NULL;
	struct arena a;
	size_t len = 0;
	int rc = os_read_file(fs->os, dir, "carrier", CARRIER_MAX, &data, &len);

	*out = (struct carrier_facts){ .execution = 0 };
	if (rc < 0)
		return rc;
	arena_init(&a, CARRIER_MAX);
	rc = carrier_parse(slice_make(data, len), out, &a);
	arena_release(&a);
	if (rc == 0 && !out->key[0])
		snprintf(out->key, sizeof(out->key), "%s/%llu/%llu", target->instance,
		         (unsigned long long)out->execution, (unsigned long long)target->seq);
	if (rc == 0 && text)
		*text = data;
	else
		free(data);
	return rc == PAWL_ENOMEM ? -ENOMEM : rc < 0 ? -EBADMSG : 0;
}
