/* work_record.c - what people and activities see of an attempt: its work directory, the file `carrier`, dead letters. All of
 * it can be made again from history (I4); nothing is synced. */
#include "runtime/work.h"
#include "base/error.h"
#include "runtime/carrier.h"
#include "shim/shim.h"
#include <errno.h>
#include <stdlib.h>

/* ---- the work directory ---- */

static int dir_path(struct pawl_runtime *rt, const char *id, uint64_t seq, char *dir, size_t size)
{
	if (!rt->scratch)
		return rt->provider->ops->work_dir(rt->provider, id, seq, dir, size);
	int n = snprintf(dir, size, "%s/%s/%llu", rt->scratch, id, (unsigned long long)seq);
	return n < 0 || (size_t)n >= size ? PAWL_ETOOBIG : 0;
}

static int make_one(const struct os *os, const char *path, mode_t mode)
{
	int r = os->mkdir(os->self, OS_CWD, path, mode);

	return r == -EEXIST ? 0 : r;
}

#define LEVELS 3 /* instance, `work` and number: what is above them is there */

/* The instance is there already, but in a scratch directory and in run_dir, and its `work` need not be. */
static int make_path(const struct os *os, char *dir, bool scratch)
{
	char *ends[LEVELS], *end = dir + strlen(dir);
	int n = 0, r;

	for (;;) { /* up, until one is made or is there */
		r = make_one(os, dir, n == 0 ? 0750 : scratch ? 0700 : 0751);
		if (r != -ENOENT || n + 1 >= LEVELS || !(end = strrchr(dir, '/')))
			break;
		*end = '\0';
		ends[n++] = end;
	}
	while (n > 0) {
		*ends[--n] = '/';
		if (r == 0)
			r = make_one(os, dir, n == 0 ? 0750 : scratch ? 0700 : 0751);
	}
	return r;
}

/* What the carrier says: is it of this execution? PAWL_ENOTFOUND, PAWL_EPARSE ...: it does not say. */
static int whose_dir(const struct pawl_runtime *rt, uint64_t execution, const char *dir, bool *another)
{
	struct pawl_error err = { 0 };
	struct arena arena;
	struct carrier c;

	arena_init(&arena, 0);
	int rc = carrier_read(rt->os, dir, &c, &arena, &err);
	*another = rc == 0 && c.execution != execution;
	arena_release(&arena);
	return rc;
}

/* The carrier says whose it is; without one nobody has run there. */
bool work_dir_is_of_another(const struct pawl_runtime *rt, uint64_t execution, const char *dir)
{
	bool another;

	(void)whose_dir(rt, execution, dir, &another);
	return another;
}

/* A power cut may have lost the carrier, which is not synced, and kept how an attempt has ended, which may be. */
static bool may_be_of_another(const struct pawl_work *w, const char *dir)
{
	bool another;
	int rc = whose_dir(w->rt, w->execution, dir, &another);

	return another || (rc < 0 && pawl_error_class(rc) != PAWL_CLASS_RETRYABLE && !process_is_there(dir));
}

/* The number of an activity comes again in each execution of an instance, and so does its directory: what one of an
 * execution before has left there is not for this one. Until its program is gone the directory is not ours. */
static int clear_before(const struct pawl_work *w, const char *dir, struct pawl_error *err)
{
	const struct pawl_runtime *rt = w->rt;

	if (w->execution == 1 || !may_be_of_another(w, dir))
		return 0;
	if (process_is_there(dir))
		return err_set(err, PAWL_EBUSY, "an activity of an execution before still runs in '%s'", dir);
	int r = os_remove_tree(rt->os, OS_CWD, dir, OS_TREE_DEPTH_MAX);
	return r < 0 && r != -ENOENT ? err_sys(err, -r, "cannot remove '%s'", dir) : 0;
}

/* One that is there stays where it is. */
static int new_dir_path(const struct pawl_work *w, char *dir, size_t size)
{
	const struct pawl_runtime *rt = w->rt;
	struct os_stat st;
	int rc = dir_path(w->rt, w->id, w->seq, dir, size);
	bool lasting = w->kind == WORK_PROCESS && w->activity.config && w->activity.config->sync && rt->provider->ops->work_dir_lasting;

	if (rc < 0 || rt->scratch || !lasting || rt->os->stat(rt->os->self, OS_CWD, dir, &st) == 0)
		return rc;
	return rt->provider->ops->work_dir_lasting(rt->provider, w->id, w->seq, dir, size);
}

int work_dir_make(struct pawl_work *w, struct pawl_error *err)
{
	IO_BECAUSE(IO_WORK);
	char dir[sizeof(w->dir)];
	int rc;

	if (w->dir[0])
		return 0;
	rc = new_dir_path(w, dir, sizeof(dir));
	if (rc < 0)
		return err_set(err, rc, "there is no work directory for activity '%s' of '%s': the path is too long or the provider has none", w->name, w->id);
	rc = clear_before(w, dir, err);
	if (rc < 0)
		return rc;
	int r = make_path(w->rt->os, dir, w->rt->scratch != NULL);
	if (r < 0)
		return err_sys(err, -r, "cannot make work directory '%s'", dir);
	memcpy(w->dir, dir, sizeof(dir));
	return 0;
}

static void remove_dir(struct pawl_runtime *rt, const char *id, uint64_t seq)
{
	IO_BECAUSE(IO_WORK);
	char dir[640];

	if (dir_path(rt, id, seq, dir, sizeof(dir)) == 0)
		(void)os_remove_tree(rt->os, OS_CWD, dir, OS_TREE_DEPTH_MAX);
}

struct trimming {
	const struct os *os;
	const char *dir;
};

static int trim_entry(void *arg, const char *name)
{
	const struct trimming *t = arg;
	char path[900];

	if (strcmp(name, CARRIER_FILE) == 0 || strcmp(name, SHIM_LOG) == 0)
		return 0;
	if ((size_t)snprintf(path, sizeof(path), "%s/%s", t->dir, name) < sizeof(path))
		(void)os_remove_any(t->os, OS_CWD, path);
	return 0;
}

/* Of one that has failed the log stays, and what it was; not the gigabytes that it may have left. */
static void trim_dir(struct pawl_runtime *rt, const char *id, uint64_t seq)
{
	IO_BECAUSE(IO_WORK);
	char dir[640];
	struct trimming t = { rt->os, dir };

	if (dir_path(rt, id, seq, dir, sizeof(dir)) == 0)
		(void)rt->os->list(rt->os->self, OS_CWD, dir, trim_entry, &t);
}

/* ---- the carrier ---- */

/* The records of what was before, from history; of a long one none, as reading it would hold up everything. */
static void find_records(struct pawl_work *w)
{
	struct pawl_runtime *rt = w->rt;
	struct pawl_error err = { 0 };
	char *text = NULL;
	size_t len = 0;
	uint64_t execution;

	w->has_records = true;
	w->records_cut = !w->instance || w->instance->history_bytes > CARRIER_HISTORY_BYTES_MAX;
	if (w->records_cut || rt->provider->ops->read(rt->provider, w->id, w->execution, &text, &len, &execution, &err) < 0)
		return;
	if (carrier_records(&w->records, slice_make(text, len), w->id, w->execution, w->seq, &w->records_cut, &err) < 0)
		buf_reset(&w->records);
	free(text);
}

static void fill_carrier(const struct pawl_work *w, struct carrier *c)
{
	const struct pawl_runtime *rt = w->rt;

	*c = (struct carrier){ .instance = w->id, .activity = w->name, .key = w->key, .tag = w->tag, .execution = w->execution, .seq = w->seq,
		.iteration = w->attempt, .state = w->state, .time_ns = rt->os->real_ns(rt->os->self), .boot_ms = runtime_now_ms(rt),
		.timeout_ms = w->timeout_ms, .heartbeat_ms = w->heartbeat_ms };
	memcpy(c->boot, rt->boot, sizeof(c->boot));
	c->worker = outside_worker(w);
	c->payload_in_file = w->input_len > PAWL_SPILL_BYTES;
	c->payload = c->payload_in_file || !w->input_len ? SLICE_NONE : slice_make(w->input, w->input_len);
}

static int write_record(struct pawl_work *w, const char *reason, int64_t next_ns, int32_t pid, struct buf *text)
{
	struct carrier c;

	if (!w->has_records)
		find_records(w);
	fill_carrier(w, &c);
	c.reason = reason;
	c.next_ns = next_ns;
	c.process = pid;
	c.process_start = w->worker ? w->worker_start : 0;
	c.records = w->records.len ? buf_slice(&w->records) : SLICE_NONE;
	c.records_cut = w->records_cut;
	if (text && carrier_encode(text, &c) < 0)
		text->failed = true;
	int rc = text ? 0 : carrier_write(w->rt->os, w->dir, &c);
	if (rc < 0)
		log_debug("cannot write '%s/%s'", w->dir, CARRIER_FILE);
	return rc;
}

/* For a provider that keeps it itself. */
int carrier_text(struct pawl_work *w, const char *reason, int64_t next_ns, int32_t pid, struct buf *out)
{
	(void)write_record(w, reason, next_ns, pid, out);
	return buf_ok(out) ? 0 : PAWL_ENOMEM;
}

int record_state(struct pawl_work *w, const char *reason, int64_t next_ns, int32_t pid)
{
	if (w->effect)
		w->effect->dir = true;
	return write_record(w, reason, next_ns, pid, NULL);
}

/* ---- dead letters ---- */

static int letter_text(struct pawl_runtime *rt, struct instance *i, const struct open_item *item, const struct failure *f, bool held, struct buf *out)
{
	struct pawl_error err = { 0 };
	struct effect lone = { .instance = i, .seq = item->seq };
	struct pawl_work *w = work_new(rt, &lone, item, NULL, &err);
	char reason[PAWL_ERROR_TEXT_MAX];

	if (!w)
		return PAWL_ENOMEM;
	snprintf(reason, sizeof(reason), "%.*s%s%.*s", SLICE_FMT(f->code), f->code.len ? ": " : "", SLICE_FMT(f->message));
	w->state = held ? ACTIVITY_STUCK : ACTIVITY_FAILED;
	w->attempt = held ? item->attempt - 1 : item->attempt;
	int rc = carrier_text(w, reason, 0, 0, out);
	w->effect = NULL;
	work_free(w);
	return rc;
}

static void letter_id(char *id, size_t size, const struct instance *i, const struct open_item *item)
{
	snprintf(id, size, "%s.%llu", i->id, (unsigned long long)item->seq);
}

static void bury(struct pawl_runtime *rt, struct instance *i, const struct open_item *item, const struct failure *f, bool held)
{
	struct buf text = BUF_INIT;
	struct pawl_error err = { 0 };
	char id[TEXT_INSTANCE_ID_MAX + 32];
	int rc = letter_text(rt, i, item, f, held, &text);

	letter_id(id, sizeof(id), i, item);
	if (rc == 0)
		rc = rt->provider->ops->bury(rt->provider, &(struct pawl_dead_letter){ .id = id, .text = buf_str(&text), .time_ns = rt->os->real_ns(rt->os->self) }, &err);
	if (rc < 0)
		log_warning("no dead letter for activity '%s' of '%s': %s", item->name, i->id, rc == PAWL_ENOMEM ? "out of memory" : err.text);
	else
		log_warning("instance '%s': no attempt is left for activity '%s'%s; see `pawl queue show %s`", i->id, item->name, held ? ", which is held" : "", id);
	buf_release(&text);
}

/* Who fails at the first attempt by its own word, and has one only, is no dead letter: the orchestration deals with it. */
static bool is_dead(const struct open_item *item, const struct event *e)
{
	return item->attempt > 1 || slice_is(e->error.kind, "poison") || slice_is(e->error.kind, "timeout");
}

void activity_over(struct pawl_runtime *rt, struct instance *i, const struct open_item *item, const struct event *e)
{
	const struct effect *effect = effect_of(item);

	if (e->type == EVENT_ActivityFailed && is_dead(item, e))
		bury(rt, i, item, &e->error, false);
	if (!effect || !effect->dir)
		return;
	if (e->type == EVENT_ActivityCompleted)
		remove_dir(rt, i->id, item->seq); /* what is of use is in history now */
	else
		trim_dir(rt, i->id, item->seq);
}

void activity_requeued(struct pawl_runtime *rt, struct instance *i, const struct open_item *item)
{
	struct pawl_error err = { 0 };
	char id[TEXT_INSTANCE_ID_MAX + 32];

	letter_id(id, sizeof(id), i, item);
	log_notice("instance '%s': activity '%s' gets new attempts", i->id, item->name);
	if (rt->provider->ops->unbury(rt->provider, id, &err) < 0)
		log_debug("%s", err.text);
}

void activity_held(struct pawl_runtime *rt, struct instance *i, const struct open_item *item)
{
	struct failure f = { .code = SLICE(""), .message = slice_of(item->last_error ? item->last_error : "") };

	expiry_free(rt, effect_of(item)); /* its new attempts get all of their time */
	bury(rt, i, item, &f, true);
}
