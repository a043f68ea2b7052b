/* memory_log.c - commits and reads. A commit is staged in begin, where everything that can fail happens, and becomes
 * visible in end (I3). */
#include "memory_hub.h"
#include "base/error.h"
#include "base/text.h"
#include <stdlib.h>
#include <string.h>

#define EXECUTION_FIRST_BYTES ((size_t)256)

struct memory_job {
	struct pawl_job base;
	struct memory_provider *p;
	const struct pawl_batch *batch;
};

void spill_free(struct spill *s)
{
	free(s->name);
	free(s->data);
	free(s);
}

void instance_free(struct instance *in)
{
	for (size_t i = 0; i < in->execution_count; i++)
		free(in->executions[i].data);
	free(in->executions);
	for (struct spill *s = in->spills, *next; s; s = next) {
		next = s->next;
		spill_free(s);
	}
	free(in->quarantine);
	free(in->note);
	free(in);
}

/* ---- reading ---- */

static int copy_out(const char *data, size_t len, char **out, size_t *out_len, struct pawl_error *err)
{
	char *copy = malloc(len + 1);
	if (!copy)
		return err_nomem(err);
	if (len)
		memcpy(copy, data, len);
	copy[len] = '\0';
	*out = copy;
	*out_len = len;
	return 0;
}

static int read_locked(struct hub *h, const char *id, uint64_t execution, char **out, size_t *len, uint64_t *which,
		       struct pawl_error *err)
{
	static const struct execution nothing;
	struct instance *in;
	int rc = hub_get(h, id, &in, err);

	if (rc < 0)
		return rc;
	if (execution > in->visible_count || (execution && in->executions[execution - 1].pruned))
		return err_set(err, PAWL_ENOTFOUND, "no execution %llu of '%s'", (unsigned long long)execution, id);
	if (execution == 0)
		execution = in->visible_count;
	const struct execution *e = execution ? &in->executions[execution - 1] : &nothing;
	rc = copy_out(e->data, e->len, out, len, err);
	if (rc == 0 && which)
		*which = execution;
	return rc;
}

int memory_read(struct pawl_provider *p, const char *id, uint64_t execution, char **out, size_t *len, uint64_t *which,
		struct pawl_error *err)
{
	struct hub *h = memory_of(p)->hub;

	pthread_mutex_lock(&h->lock);
	int rc = read_locked(h, id, execution, out, len, which, err);
	pthread_mutex_unlock(&h->lock);
	return rc;
}

static int read_spill_locked(struct hub *h, const char *id, const char *name, char **out, size_t *len,
			     struct pawl_error *err)
{
	struct instance *in;
	int rc = hub_get(h, id, &in, err);

	if (rc < 0)
		return rc;
	for (const struct spill *s = in->spills; s; s = s->next) {
		if (s->visible && strcmp(s->name, name) == 0)
			return copy_out(s->data, s->len, out, len, err);
	}
	return err_set(err, PAWL_ENOTFOUND, "no payload '%s' in '%s'", name, id);
}

int memory_read_spill(struct pawl_provider *p, const char *id, const char *name, char **out, size_t *len,
		      struct pawl_error *err)
{
	struct hub *h = memory_of(p)->hub;

	pthread_mutex_lock(&h->lock);
	int rc = read_spill_locked(h, id, name, out, len, err);
	pthread_mutex_unlock(&h->lock);
	return rc;
}

/* ---- staging ---- */

/* An id that a START reserved is for the commit that answers this START. */
static bool is_taken(const struct instance *in, const struct pawl_record *r)
{
	const struct delivery *d = r->start_token;

	if (in->execution_count > 0 || !in->visible)
		return true;
	return in->start && (!d || d->message != in->start);
}

static int stage_create(struct hub *h, const struct pawl_record *r, struct instance **out, struct pawl_error *err)
{
	struct instance *in = hub_find(h, r->instance);

	if (r->execution != 1 || r->offset != 0)
		return err_set(err, PAWL_EINVALID, "cannot create '%s' at execution %llu, offset %llu: begin at 1, 0",
			       r->instance, (unsigned long long)r->execution, (unsigned long long)r->offset);
	if (in && is_taken(in, r))
		return err_set(err, PAWL_EEXISTS, "instance '%s' exists already", r->instance);
	if (!in)
		in = hub_add(h, r->instance);
	*out = in;
	return in ? 0 : err_nomem(err);
}

static int stage_find(struct hub *h, const struct pawl_record *r, struct instance **out, struct pawl_error *err)
{
	struct instance *in = hub_find(h, r->instance);

	if (!in || in->execution_count == 0)
		return err_set(err, PAWL_ENOTFOUND, "no instance '%s': create it first", r->instance);
	if ((in->ended && !in->revived) || in->ends)
		return err_set(err, PAWL_ESTATE, "instance '%s' has ended: nothing can be added to it", r->instance);
	if (in->quarantine)
		return err_set(err, PAWL_ESTATE, "instance '%s' is quarantined (%s)", r->instance, in->quarantine);
	*out = in;
	return 0;
}

static int stage_execution(struct instance *in, const struct pawl_record *r, struct execution **out,
			   struct pawl_error *err)
{
	uint64_t count = in->execution_count;

	if (r->execution == 0 || r->execution > count + 1)
		return err_set(err, PAWL_EINVALID, "no execution %llu of '%s': the next one is %llu",
			       (unsigned long long)r->execution, r->instance, (unsigned long long)(count + 1));
	if (r->execution == count + 1) {
		struct execution *more = realloc(in->executions, (size_t)(count + 1) * sizeof(*more));
		if (!more)
			return err_nomem(err);
		in->executions = more;
		more[in->execution_count++] = (struct execution){ 0 };
	}
	*out = &in->executions[r->execution - 1];
	return 0;
}

static int stage_lines(struct execution *e, const struct pawl_record *r, struct pawl_error *err)
{
	if (r->offset != e->next)
		return err_set(err, PAWL_EINVALID, "cannot write '%s' execution %llu at offset %llu: it has %zu bytes",
			       r->instance, (unsigned long long)r->execution, (unsigned long long)r->offset, e->next);
	if (r->len > SIZE_MAX / 4 - e->next)
		return err_set(err, PAWL_ETOOBIG, "history of '%s' is too large", r->instance);
	size_t cap = e->cap ? e->cap : EXECUTION_FIRST_BYTES;
	while (cap < e->next + r->len)
		cap *= 2;
	if (cap != e->cap) {
		char *data = realloc(e->data, cap);
		if (!data)
			return err_nomem(err);
		e->data = data;
		e->cap = cap;
	}
	if (r->len)
		memcpy(e->data + e->next, r->data, r->len);
	e->next += r->len;
	return 0;
}

static int stage_record(struct hub *h, const struct pawl_record *r, struct pawl_error *err)
{
	struct instance *in = NULL;
	struct execution *e = NULL;
	int rc = hub_check_id(r->instance, err);

	if (rc == 0)
		rc = r->create ? stage_create(h, r, &in, err) : stage_find(h, r, &in, err);
	if (rc == 0)
		rc = stage_execution(in, r, &e, err);
	if (rc == 0)
		rc = stage_lines(e, r, err);
	if (rc == 0)
		in->ends = r->end;
	return rc;
}

static int stage_spill(struct hub *h, const struct pawl_spill *from, struct pawl_error *err)
{
	size_t len;
	int rc = hub_check_id(from->instance, err);

	if (rc < 0)
		return rc;
	if (!text_is_version(slice_of(from->name)) || from->name[0] == '.')
		return err_set(err, PAWL_EINVALID, "'%s' of '%s' cannot be the name of a payload",
			       from->name ? from->name : "", from->instance);
	struct instance *in = hub_find(h, from->instance);
	if (!in)
		return err_set(err, PAWL_ENOTFOUND, "no instance '%s' for payload '%s'", from->instance, from->name);
	struct spill *s = calloc(1, sizeof(*s));
	if (!s)
		return err_nomem(err);
	s->next = in->spills;
	in->spills = s;
	s->name = strdup(from->name);
	rc = copy_out(from->data, from->len, &s->data, &len, err);
	s->len = from->len;
	return rc < 0 || s->name ? rc : err_nomem(err);
}

static int stage(struct hub *h, const struct pawl_batch *batch, struct pawl_error *err)
{
	int rc = 0;

	for (size_t i = 0; i < batch->record_count && rc == 0; i++)
		rc = stage_record(h, &batch->records[i], err);
	for (size_t i = 0; i < batch->spill_count && rc == 0; i++)
		rc = stage_spill(h, &batch->spills[i], err);
	return rc;
}

/* ---- the verdict ---- */

static void drop_staged(struct instance *in)
{
	while (in->execution_count > in->visible_count)
		free(in->executions[--in->execution_count].data);
	while (in->spills && !in->spills->visible) {
		struct spill *s = in->spills;
		in->spills = s->next;
		spill_free(s);
	}
	in->ends = false;
}

static void unstage_record(struct hub *h, const struct pawl_record *r)
{
	struct instance *in = hub_find(h, r->instance);

	if (!in)
		return;
	drop_staged(in);
	if (r->execution >= 1 && r->execution <= in->execution_count)
		in->executions[r->execution - 1].next = in->executions[r->execution - 1].len;
	if (!in->visible)
		hub_remove(h, r->instance);
}

/* The whole batch, wherever staging stopped: what was not staged has nothing to drop. */
void memory_unstage(struct hub *h)
{
	const struct pawl_batch *batch = h->staged;

	if (!batch)
		return;
	h->staged = NULL;
	for (size_t i = 0; i < batch->record_count; i++)
		unstage_record(h, &batch->records[i]);
	for (size_t i = 0; i < batch->spill_count; i++) {
		struct instance *in = hub_find(h, batch->spills[i].instance);
		if (in)
			drop_staged(in);
	}
}

static void publish_record(struct hub *h, const struct pawl_record *r)
{
	struct instance *in = hub_find(h, r->instance);
	struct execution *e = &in->executions[r->execution - 1];

	e->len = e->next;
	e->written_ns = work_clock(CLOCK_REALTIME);
	in->visible_count = in->execution_count;
	in->visible = true;
	in->ended = (in->ended && !in->revived) || in->ends;
	in->revived = false;
	h->stats.records++;
	h->stats.commit_bytes += r->len;
	h->stats.history_bytes += r->len;
}

static void publish(struct hub *h, const struct pawl_batch *batch)
{
	for (size_t i = 0; i < batch->record_count; i++)
		publish_record(h, &batch->records[i]);
	for (size_t i = 0; i < batch->spill_count; i++) {
		struct instance *in = hub_find(h, batch->spills[i].instance);
		for (struct spill *s = in->spills; s && !s->visible; s = s->next)
			s->visible = true;
	}
	h->stats.commits++;
	h->stats.frames++;
}

static int run_commit(struct pawl_job *job)
{
	(void)job; /* memory has nothing to wait for */
	return 0;
}

/* An owner that was fenced meanwhile finds its batch unstaged already: memory_provider_steal did it. */
static int end_commit(struct pawl_job *base, struct pawl_error *err)
{
	struct memory_job *job = (struct memory_job *)(void *)base;
	struct hub *h = job->p->hub;

	pthread_mutex_lock(&h->lock);
	int rc = hub_check_owner(job->p, err);
	if (rc == 0) {
		publish(h, job->batch);
		h->staged = NULL;
	}
	pthread_mutex_unlock(&h->lock);
	free(job);
	return rc;
}

static int begin_locked(struct memory_provider *p, const struct pawl_batch *batch, struct pawl_error *err)
{
	int rc = hub_check_owner(p, err);

	if (rc < 0)
		return rc;
	if (p->hub->staged)
		return err_set(err, PAWL_EBUG, "hub '%s': a commit is under way, end it first", p->hub->name);
	rc = stage(p->hub, batch, err);
	p->hub->staged = batch;
	if (rc < 0)
		memory_unstage(p->hub);
	return rc;
}

int memory_commit_begin(struct pawl_provider *base, const struct pawl_batch *batch, struct pawl_job **out,
			struct pawl_error *err)
{
	struct memory_provider *p = memory_of(base);
	struct memory_job *job = calloc(1, sizeof(*job));

	if (!job)
		return err_nomem(err);
	*job = (struct memory_job){ { run_commit, end_commit }, p, batch };
	pthread_mutex_lock(&p->hub->lock);
	int rc = begin_locked(p, batch, err);
	pthread_mutex_unlock(&p->hub->lock);
	if (rc < 0)
		free(job);
	else
		*out = &job->base;
	return rc;
}
