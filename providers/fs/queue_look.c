/* queue_look.c - each_work: all items with their states and outcomes. */
#include "queue.h"
#include "base/arena.h"
#include <errno.h>
#include <stdlib.h>

#define MESSAGE_SIZE 4096

/* An entry of a directory that has the right form. */
struct entry {
	const char *id;   /* QUEUE/ITEM */
	const char *item; /* in it */
	enum pawl_work_state state;
	struct holder holder;
	int64_t since_ns;
	struct facts *facts; /* NULL: not known yet, target says where to look */
	struct work_target target;
};

struct look {
	struct fs *fs;
	struct queue *q;
	struct arena arena;
	struct entry *entries;
	size_t count, cap;
	bool full, no_memory;
	int failed; /* an entry could not be looked at: what would be taken for gone may have an outcome */
	bool (*wanted)(void *arg, const char *id); /* whose outcome is wanted; NULL = any */
	/* the directory that is listed */
	int dir;
	enum pawl_work_state place;
	const char *queue;
	struct queue_key key;
};

/* ---- gathering ---- */

/* What was seen in this state before needs no second look: a queue of thousands costs its listing only. */
static int entry_look(struct look *l, struct entry *e, const char *name)
{
	struct facts *f = facts_find(l->q, e->id);
	struct os_stat st;

	e->facts = f;
	if (f && f->since_ns && f->state == e->state && strcmp(f->holder.worker, e->holder.worker) == 0) {
		e->since_ns = f->since_ns;
		return 0;
	}
	int rc = l->fs->os->stat(l->fs->os->self, l->dir, name, &st);
	if (rc == 0 && !f)
		rc = link_read(l->fs, l->dir, name, &e->target);
	e->since_ns = rc == 0 ? st.ctime_ns : 0;
	return rc;
}

static struct entry *entry_new(struct look *l)
{
	if (l->count == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 64;
		struct entry *grown = realloc(l->entries, cap * sizeof(*grown));
		if (!grown)
			return NULL;
		l->entries = grown;
		l->cap = cap;
	}
	return &l->entries[l->count];
}

static int gather_entry(void *arg, const char *name)
{
	struct look *l = arg;
	char item[ITEM_NAME_MAX + 1];
	struct holder holder;

	if (!entry_parse(name, l->place, l->key.session, item, &holder))
		return 0;
	l->full = l->count >= ITEMS_MAX;
	if (l->full)
		return 1;
	struct entry *e = entry_new(l);
	const char *id = e ? arena_printf(&l->arena, "%s/%s", l->queue, item) : NULL;
	if (!id) {
		l->no_memory = true;
		return 1;
	}
	*e = (struct entry){ .id = id, .item = strchr(id, '/') + 1, .state = l->place, .holder = holder };
	int rc = entry_look(l, e, name);
	if (rc == 0)
		l->count++;
	else if (rc == -EINVAL)
		bad_remember(l->q, id, "it is no link to a work directory of this hub");
	else if (rc != -ENOENT) /* it has moved on */
		l->failed = rc;
	return l->failed ? 1 : 0;
}

struct queue_names {
	struct look *look;
	const char **items;
	size_t count;
};

static int gather_queue(void *arg, const char *name)
{
	struct queue_names *n = arg;
	struct queue_key key;

	if (!queue_name_parse(name, &key))
		return 0;
	if (n->count == QUEUES_MAX)
		return 1;
	n->items[n->count] = arena_strdup(&n->look->arena, name);
	n->look->no_memory |= !n->items[n->count];
	return n->look->no_memory ? 1 : (n->count++, 0);
}

static int gather_place(struct look *l, enum pawl_work_state place)
{
	struct fs *fs = l->fs;
	struct queue_names names = { l, arena_calloc(&l->arena, QUEUES_MAX, sizeof(char *)), 0 };
	int at = place_open(fs, place_names[place], false);

	if (!names.items)
		l->no_memory = true;
	int rc = at < 0 ? at : l->no_memory ? -ENOMEM : fs->os->list(fs->os->self, at, ".", gather_queue, &names);
	l->place = place;
	for (size_t i = 0; i < names.count && rc >= 0 && !l->no_memory; i++) {
		l->queue = names.items[i];
		(void)queue_name_parse(l->queue, &l->key);
		l->dir = dir_open(fs, at, l->queue);
		rc = l->dir < 0 ? l->dir : fs->os->list(fs->os->self, l->dir, ".", gather_entry, l);
		if (l->failed)
			rc = l->failed;
		dir_close(fs, l->dir);
		if (rc == -ENOENT || rc == -ENOTDIR)
			rc = 0;
	}
	dir_close(fs, at);
	return l->no_memory ? -ENOMEM : rc == -ENOENT ? 0 : rc;
}

/* By name of item; of one that moved meanwhile the last state comes first. */
static int entry_order(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int order = strcmp(x->item, y->item);

	if (order == 0)
		order = strcmp(x->id, y->id);
	return order ? order : (int)y->state - (int)x->state;
}

/* In the order in which items move, so that one that moves is seen twice rather than not at all; and ready/ once more for
 * what was given back. */
static int gather(struct look *l)
{
	static const enum pawl_work_state order[] = { PAWL_WORK_READY, PAWL_WORK_CLAIMED, PAWL_WORK_DONE,
		                                      PAWL_WORK_READY };
	size_t kept = 0;
	int rc = 0;

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]) && rc >= 0; i++)
		rc = gather_place(l, order[i]);
	if (l->full)
		log_warning("there are more than %d work items in '%s/work': the others are not looked at", ITEMS_MAX,
		            l->fs->path);
	if (l->count > 1)
		qsort(l->entries, l->count, sizeof(l->entries[0]), entry_order);
	for (size_t i = 0; i < l->count; i++)
		if (kept == 0 || strcmp(l->entries[i].id, l->entries[kept - 1].id) != 0)
			l->entries[kept++] = l->entries[i];
	l->count = kept;
	return rc;
}

/* ---- telling ---- */

static struct facts *facts_load(struct look *l, const struct entry *e, struct pawl_error *err)
{
	struct carrier_facts c;
	struct queue_key key;
	uint32_t priority = (uint32_t)(e->item[0] - '0');
	char queue[QUEUE_NAME_MAX + 1];
	int dir = work_open(l->fs, &e->target, false);
	int rc = dir < 0 ? dir : carrier_load(l->fs, dir, &e->target, &c, NULL);

	dir_close(l->fs, dir);
	if (rc < 0)
		c = (struct carrier_facts){ .execution = 0 };
	snprintf(queue, sizeof(queue), "%.*s", (int)(e->item - e->id - 1), e->id);
	(void)queue_name_parse(queue, &key);
	const struct pawl_work_item item = { .id = e->id,
		                             .instance = e->target.instance,
		                             .activity = key.activity,
		                             .tag = key.tag[0] ? key.tag : NULL,
		                             .session = item_session(e->item),
		                             .key = c.key,
		                             .execution = c.execution,
		                             .seq = e->target.seq,
		                             .attempt = c.attempt,
		                             .priority = priority };
	struct facts *f = calloc(1, sizeof(*f));
	if (f)
		f->item = work_item_copy(&item);
	if (!f || !f->item || (rc == 0 && facts_keep(l->q, f) < 0)) {
		free(f ? f->item : NULL);
		free(f);
		err_nomem(err);
		return NULL;
	}
	return f;
}

static int64_t newer(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* No regular file, or too large: that will not be different at the next look. */
static int read_result(struct fs *fs, int dir, struct pawl_work_status *s, char *message, char **output)
{
	int rc = os_read_file(fs->os, dir, "result", WORK_RESULT_MAX, output, &s->output_len);

	if (rc == -ENOENT)
		return 0;
	if (rc == -EFBIG || rc == -EINVAL || rc == -EISDIR || rc == -ELOOP) {
		s->code = 100;
		snprintf(message, MESSAGE_SIZE,
		         rc == -EFBIG ? "the result is over the limit of %u bytes" : "the result is no regular file",
		         WORK_RESULT_MAX);
		return 0;
	}
	s->output = rc == 0 ? *output : NULL;
	return rc;
}

static void trim(char *text)
{
	size_t n = strlen(text);

	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
		text[--n] = '\0';
}

static int read_outcome(struct fs *fs, int dir, struct pawl_work_status *s, char *message, char **output)
{
	char text[64];
	int n = file_head(fs, dir, "message", message, MESSAGE_SIZE);

	if (n < 0)
		message[0] = '\0';
	trim(message);
	n = s->code == 75 ? file_head(fs, dir, "retry_after", text, sizeof(text)) : 0;
	if (n > 0) {
		trim(text);
		if (text_parse_duration(slice_of(text), &s->retry_after_ms) < 0)
			s->retry_after_ms = 0;
	}
	return s->code == 0 || s->code == 76 ? read_result(fs, dir, s, message, output) : 0;
}

/* A work directory that is gone (the instance was purged) has nothing to say. -errno: look again later. */
static int read_work(struct look *l, const struct entry *e, struct pawl_work_status *s, bool done, char *message,
                     char **output)
{
	const struct pawl_work_item *item = &s->item;
	struct work_target target = { .seq = item->seq };
	struct fs *fs = l->fs;

	snprintf(target.instance, sizeof(target.instance), "%s", item->instance);
	int dir = work_open(fs, &target, false), rc = 0;
	if (dir < 0)
		return dir == -ENOENT || dir == -ENOTDIR ? 0 : dir;
	s->canceled = file_time(fs, dir, "cancel") != 0;
	if (e->state == PAWL_WORK_CLAIMED)
		s->beat_ns = newer(file_time(fs, dir, "heartbeat"), file_time(fs, dir, "progress"));
	if (e->state == PAWL_WORK_DONE && done)
		rc = read_outcome(fs, dir, s, message, output);
	dir_close(fs, dir);
	return rc;
}

static int tell(struct look *l, struct entry *e, bool done, int (*each)(void *arg, const struct pawl_work_status *s),
                void *arg, struct pawl_error *err)
{
	struct facts *f = facts_find(l->q, e->id);
	char message[MESSAGE_SIZE] = "", *output = NULL;

	if (!f && e->facts) /* released by the callback of an earlier item */
		return 0;
	done = done && e->state == PAWL_WORK_DONE && (!l->wanted || l->wanted(arg, e->id));
	if (!f)
		f = facts_load(l, e, err);
	if (!f)
		return PAWL_ENOMEM;
	f->state = e->state;
	f->holder = e->holder;
	f->since_ns = e->since_ns;
	f->seen = l->q->pass;
	bool passing = !f->kept; /* its carrier could not be read: it is not remembered */
	struct pawl_work_status s = {
		.item = *f->item, .state = e->state, .since_ns = e->since_ns, .code = e->holder.code, .message = message
	};
	snprintf(s.worker, sizeof(s.worker), "%s", e->holder.worker);
	s.canceled = f->canceled;
	int rc = e->state == PAWL_WORK_READY || (e->state == PAWL_WORK_DONE && !done) ? 0 : read_work(l, e, &s, done, message, &output);
	if (rc < 0) {
		log_warning("cannot read what '%s' has to say: %s; it stays and is looked at again", e->id,
		            strerror(-rc));
		l->q->changed = true;
		rc = 0;
	} else {
		rc = each(arg, &s);
	}
	free(output);
	if (passing)
		facts_drop(l->q, f);
	return rc;
}

static bool session_in_use(void *arg, const char *session)
{
	const struct look *l = arg;

	for (size_t i = 0; i < l->count; i++) {
		const char *s = l->entries[i].state == PAWL_WORK_CLAIMED ? item_session(l->entries[i].item) : NULL;
		if (s && strcmp(s, session) == 0)
			return true;
	}
	return false;
}

static int drop_unseen(void *arg, struct slice key, void *value)
{
	struct queue *q = arg;
	struct facts *f = value;

	(void)key;
	if (f->seen != q->pass)
		facts_drop(q, f);
	return 0;
}

static int look(struct look *l, bool done, int (*each)(void *arg, const struct pawl_work_status *s), void *arg,
                struct pawl_error *err)
{
	int rc = gather(l);

	if (rc < 0) {
		l->q->changed = true; /* the next look may see it */
		return err_sys(err, -rc, "cannot look through the work queue in '%s/work'", l->fs->path);
	}
	if (l->fs->owner)
		queue_sessions_sweep(l->fs, session_in_use, l);
	l->q->pass++;
	for (size_t i = 0; i < l->count; i++) {
		rc = tell(l, &l->entries[i], done, each, arg, err);
		if (rc != 0)
			return rc;
	}
	if (!l->full)
		map_each(&l->q->facts, drop_unseen, l->q);
	return 0;
}

int fs_each_work(struct pawl_provider *p, bool done, bool (*wanted)(void *arg, const char *id),
                 int (*each)(void *arg, const struct pawl_work_status *status), void *arg, struct pawl_error *err)
{
	IO_BECAUSE(IO_QUEUE);
	struct fs *fs = fs_of(p);
	struct look l = { .fs = fs, .wanted = wanted };
	int rc = queue_get(fs, &l.q, err);

	if (rc < 0)
		return rc;
	arena_init(&l.arena, 0);
	l.q->looking++;
	rc = look(&l, done, each, arg, err);
	if (--l.q->looking == 0)
		facts_free_dropped(l.q);
	arena_release(&l.arena);
	free(l.entries);
	return rc;
}
