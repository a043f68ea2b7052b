/*
 * turns.c - turns and commits.
 *
 * Every instance that has mail takes a turn: the engine decides, the new history lines join the batch that is being
 * gathered. While one batch is on its way to the disk the next is gathered, so under load many turns share one sync, and
 * without load a turn waits for nobody. Nothing of a batch happens before it is durable (I1).
 *
 * When the disk refuses (I7): the batch stays as it is and is committed again, later and later; no turn is lost, no
 * instance fails, no new turn is taken meanwhile.
 */
#include "base/crc32c.h"
#include "base/error.h"
#include "runtime/runtime.h"
#include <stdlib.h>

#define BATCH_BYTES_MAX (512u << 10) /* gather no more than that into one frame */
#define MESSAGES_KEPT 64
#define STALL_FIRST_NS 100000000ll
#define STALL_MAX_NS 10000000000ll

/* ---- the batch ---- */

static struct batch_entry *batch_add(struct batch *b, struct instance *i)
{
	if (b->count == b->cap) {
		size_t cap = b->cap ? b->cap * 2 : 64;
		struct batch_entry *grown = realloc(b->entries, cap * sizeof(*grown));
		if (!grown)
			return NULL;
		b->entries = grown;
		b->cap = cap;
	}
	struct batch_entry *e = &b->entries[b->count];
	*e = (struct batch_entry){ .instance = i, .at = b->lines.len };
	return e;
}

static int batch_add_spill(struct batch *b, struct instance *i, const char *name, struct slice data)
{
	if (b->spill_count == b->spill_cap) {
		size_t cap = b->spill_cap ? b->spill_cap * 2 : 8;
		struct batch_spill *grown = realloc(b->spills, cap * sizeof(*grown));
		if (!grown)
			return PAWL_ENOMEM;
		b->spills = grown;
		b->spill_cap = cap;
	}
	struct batch_spill *s = &b->spills[b->spill_count];
	*s = (struct batch_spill){ .instance = i, .data = malloc(data.len + 1), .len = data.len };
	if (!s->data)
		return PAWL_ENOMEM;
	memcpy(s->data, data.data, data.len);
	snprintf(s->name, sizeof(s->name), "%s", name);
	b->spill_count++;
	return 0;
}

static void batch_clear(struct batch *b)
{
	for (size_t n = 0; n < b->spill_count; n++)
		free(b->spills[n].data);
	b->spill_count = b->count = 0;
	if (b->lines.cap > 2 * BATCH_BYTES_MAX) {
		buf_release(&b->lines);
		buf_init(&b->lines);
	}
	buf_reset(&b->lines);
}

static void batch_release(struct batch *b)
{
	batch_clear(b);
	free(b->entries);
	free(b->spills);
	buf_release(&b->lines);
}

/* ---- writing the lines of a turn ---- */

/* Large payloads go to a file of their own; from here on the event says only which. */
static int spill(struct batch *b, struct instance *i, uint64_t execution, struct event *e)
{
	char name[32];

	if (e->data.len <= PAWL_SPILL_BYTES)
		return 0;
	snprintf(name, sizeof(name), "%llu.%llu.data", (unsigned long long)execution, (unsigned long long)e->seq);
	int rc = batch_add_spill(b, i, name, e->data);
	if (rc < 0)
		return rc;
	e->data_len = e->data.len;
	e->data_crc = crc32c(0, e->data.data, e->data.len);
	e->data = SLICE_NONE;
	/* the name must live as long as the events: it is found again in the batch's copy */
	e->data_file = slice_of(b->spills[b->spill_count - 1].name);
	return 0;
}

static int encode_events(struct batch *b, struct instance *i, uint64_t execution, const struct event *events, size_t count)
{
	int rc = 0;

	for (size_t n = 0; rc == 0 && n < count; n++) {
		struct event e = events[n];
		rc = spill(b, i, execution, &e);
		if (rc == 0)
			rc = event_encode(&b->lines, &e);
	}
	return rc == 0 && !buf_ok(&b->lines) ? PAWL_ENOMEM : rc;
}

static int encode_turn(struct pawl_runtime *rt, struct instance *i, struct batch_entry *entry)
{
	struct batch *b = &rt->next;
	struct turn *t = i->turn;
	size_t spills = b->spill_count, end;
	int rc = encode_events(b, i, i->execution, t->events, t->event_count);

	end = b->lines.len;
	if (rc == 0)
		rc = encode_events(b, i, i->execution + 1, t->next, t->next_count);
	if (rc < 0) {
		while (b->spill_count > spills)
			free(b->spills[--b->spill_count].data);
		buf_truncate(&b->lines, entry->at);
		return rc;
	}
	entry->len = end - entry->at;
	entry->next_len = b->lines.len - end;
	entry->create = !i->started;
	entry->end = t->ended && t->next_count == 0;
	return 0;
}

/* ---- getting an execution ready ---- */

static bool type_of(struct instance *i, const char **type, const char **version)
{
	if (i->started) {
		*type = i->view.type;
		*version = i->view.version;
		return true;
	}
	struct event *start = &i->mail->event;
	*type = start->name.data;
	*version = start->version.len ? start->version.data : NULL;
	return start->type == EVENT_ExecutionStarted;
}

static int load_execution(struct pawl_runtime *rt, struct instance *i, struct history *h, char **text, struct pawl_error *err)
{
	size_t len;
	int rc = rt->provider->ops->read(rt->provider, i->id, i->execution, text, &len, &i->execution, err);

	if (rc == 0)
		rc = history_parse(h, slice_make(*text, len), err);
	return rc < 0 ? rc : execution_load(i->x, h, err);
}

/* 0, or an error that says why this instance cannot go on now. */
static int wake_execution(struct pawl_runtime *rt, struct instance *i, struct history *h, char **text, struct pawl_error *err)
{
	const char *type, *version;

	if (!type_of(i, &type, &version))
		return err_set(err, PAWL_EBUG, "instance '%s' has mail before its start", i->id);
	const struct pawl_registration *def = registry_orchestration(rt->registry, type, version);
	if (!def)
		return err_set(err, PAWL_EUNREGISTERED, "orchestration '%s'%s%s is not registered: add the plugin or program that has it and send SIGHUP or restart",
		               type, version ? " version " : "", version ? version : "");
	if (!i->started)
		i->mail->event.version = slice_of(def->version);
	int rc = execution_new(&i->x, i->id, i->execution, def->orchestration, &rt->engine, err);
	return rc == 0 && i->started ? load_execution(rt, i, h, text, err) : rc;
}

/* ---- one turn ---- */

static void turn_time(struct pawl_runtime *rt, struct turn *t)
{
	int64_t now = rt->os->real_ns(rt->os->self);

	t->time_ns = now - now % 1000;
	t->boot_ms = (rt->os->boot_ns(rt->os->self) + 999999) / 1000000; /* up: what is due after it never comes early */
	t->boot = slice_of(rt->boot);
	rt->random = rt->random * 6364136223846793005u + 1442695040888963407u;
	t->random = rt->random ^ rt->random >> 29;
}

static void mail_done(struct pawl_runtime *rt, struct mail *m, enum message_result result, const char *why)
{
	switch (result) {
	case MESSAGE_TAKEN:
	case MESSAGE_DUPLICATE:
		if (m->token)
			rt->provider->ops->ack(rt->provider, m->token);
		if (m->request)
			request_finish(rt, m->request, 0, "%s", "");
		break;
	case MESSAGE_STALE:
		why = why ? why : "it answers nothing that is open";
		/* fall through */
	case MESSAGE_REFUSED:
		if (m->token)
			rt->provider->ops->reject(rt->provider, m->token, why);
		if (m->request)
			request_finish(rt, m->request, PAWL_ESTATE, "%s", why);
		break;
	case MESSAGE_LATER:
		break; /* settle_mail keeps it */
	}
	mail_free(m);
}

/* For one turn after the other; room that many messages needed once is not kept. */
static bool scratch_messages(struct pawl_runtime *rt, size_t count)
{
	size_t cap = count < MESSAGES_KEPT ? MESSAGES_KEPT : count;

	if (count <= rt->message_cap && rt->message_cap <= cap)
		return true;
	struct message *messages = realloc(rt->messages, cap * sizeof(*messages));
	if (!messages)
		return count <= rt->message_cap;
	rt->messages = messages;
	rt->message_cap = cap;
	return true;
}

static int gather_messages(struct pawl_runtime *rt, struct instance *i, struct turn *t)
{
	size_t n = 0;

	for (struct mail *m = i->mail; m; m = m->next)
		n++;
	if (!scratch_messages(rt, n))
		return PAWL_ENOMEM;
	t->messages = rt->messages;
	t->message_count = n;
	n = 0;
	for (struct mail *m = i->mail; m; m = m->next) {
		struct message *to = &t->messages[n++];
		to->event = m->event;
		to->result = MESSAGE_STALE;
		to->why = NULL;
		to->owner = m;
	}
	return 0;
}

/* Mail that the turn took waits for the commit in the batch; the rest is answered now. */
static struct mail *settle_mail(struct pawl_runtime *rt, struct instance *i, struct turn *t)
{
	struct mail *taken = NULL, **end = &taken;

	i->mail = NULL;
	i->mail_end = &i->mail;
	for (size_t n = 0; n < t->message_count; n++) {
		struct mail *m = t->messages[n].owner;
		m->next = NULL;
		if (t->messages[n].result == MESSAGE_LATER) {
			*i->mail_end = m;
			i->mail_end = &m->next;
		} else if (t->messages[n].result == MESSAGE_TAKEN) {
			*end = m;
			end = &m->next;
		} else {
			mail_done(rt, m, t->messages[n].result, t->messages[n].why);
		}
	}
	t->messages = NULL; /* they were only lent */
	t->message_count = 0;
	return taken;
}

/* What allows to create the instance where `pawl start` has reserved its id. */
static void *start_token(const struct instance *i)
{
	const struct mail *m = i->mail;

	while (m && m->event.type != EVENT_ExecutionStarted)
		m = m->next;
	return m ? m->token : NULL;
}

/* The turn's lines join the batch, or nothing has happened. */
static int join_batch(struct pawl_runtime *rt, struct instance *i)
{
	struct batch_entry *e = batch_add(&rt->next, i);

	if (!e || encode_turn(rt, i, e) < 0)
		return PAWL_ENOMEM;
	rt->next.count++;
	e->start_token = i->started ? NULL : start_token(i);
	e->taken = settle_mail(rt, i, i->turn);
	i->committing = true;
	rt->turns++;
	return 0;
}

static enum parked parked_by(int code)
{
	return code == PAWL_EUNREGISTERED ? PARKED_UNREGISTERED : code == PAWL_ENONDETERMINISM ? PARKED_MISMATCH : PARKED_UNREADABLE;
}

static void turn_drop(struct instance *i)
{
	free(i->turn);
	i->turn = NULL;
}

/* Out of memory: everything is as before the turn, but the stack, which has run on and must go. */
static void turn_failed(struct pawl_runtime *rt, struct instance *i, int rc, const struct pawl_error *err)
{
	turn_drop(i);
	if (rc == PAWL_ENOMEM || pawl_error_class(rc) == PAWL_CLASS_NOSPACE || rc == PAWL_EIO || rc == PAWL_EBUSY) {
		instance_drop_stack(rt, i);
		log_error("instance '%s' must wait: %s", i->id, err->text);
		rt->stalled_until_ns = rt->os->boot_ns(rt->os->self) + STALL_FIRST_NS;
		mail_post(rt, i, NULL);
	} else if (rc == PAWL_ECORRUPT) {
		instance_drop_stack(rt, i);
		i->parked = PARKED_DAMAGED;
		(void)rt->provider->ops->quarantine(rt->provider, i->id, err->text, NULL);
	} else {
		instance_park(rt, i, parked_by(rc), err->text);
	}
}

/* Terminating does not load anything, so it also ends what cannot be loaded. */
static int terminate_turn(struct pawl_runtime *rt, struct instance *i)
{
	struct mail *stop = i->mail, *start = stop->next;
	bool needs_start = !i->started && start && start->event.type == EVENT_ExecutionStarted;
	struct turn *t = calloc(1, sizeof(*t) + 2 * sizeof(struct event));

	if (!t || (!i->started && !needs_start)) {
		free(t);
		return t ? PAWL_EBUG : PAWL_ENOMEM;
	}
	i->turn = t;
	turn_time(rt, t);
	t->events = (struct event *)(t + 1);
	if (gather_messages(rt, i, t) < 0)
		return PAWL_ENOMEM;
	uint64_t seq = i->started ? i->view.next_seq : 1;
	if (needs_start) {
		t->events[t->event_count] = start->event;
		if (!start->event.version.len)
			t->events[t->event_count].version = SLICE("0");
		t->events[t->event_count++].seq = seq++;
		t->messages[1].result = MESSAGE_TAKEN;
	}
	t->events[t->event_count] = stop->event;
	t->events[t->event_count++].seq = seq;
	t->events[0].has_time = true;
	t->events[0].time_ns = t->time_ns;
	t->ended = true;
	t->messages[0].result = MESSAGE_TAKEN;
	for (size_t n = needs_start ? 2 : 1; n < t->message_count; n++) {
		t->messages[n].result = MESSAGE_REFUSED;
		t->messages[n].why = "the instance was terminated";
	}
	instance_drop_stack(rt, i);
	return 0;
}

static int engine_turn(struct pawl_runtime *rt, struct instance *i, struct history *h, char **text, struct pawl_error *err)
{
	struct turn *t = calloc(1, sizeof(*t));

	i->turn = t;
	if (!t)
		return err_nomem(err);
	int rc = i->x ? 0 : wake_execution(rt, i, h, text, err);
	if (rc < 0)
		return rc;
	turn_time(rt, t);
	return gather_messages(rt, i, t) < 0 ? err_nomem(err) : execution_turn(i->x, t, err);
}

static void nothing_decided(struct pawl_runtime *rt, struct instance *i)
{
	(void)settle_mail(rt, i, i->turn);
	turn_drop(i);
	if (!execution_is_resident(i->x))
		instance_drop_stack(rt, i);
	else
		instance_touch(rt, i);
	instances_trim(rt);
}

static void run_turn(struct pawl_runtime *rt, struct instance *i)
{
	struct pawl_error err = { 0 };
	struct history h;
	char *text = NULL;

	history_init(&h);
	bool terminate = i->mail && i->mail->event.type == EVENT_ExecutionTerminated;
	int rc = terminate ? terminate_turn(rt, i) : engine_turn(rt, i, &h, &text, &err);
	history_release(&h);
	free(text);
	if (rc == 0 && i->turn->event_count == 0) {
		nothing_decided(rt, i);
		return;
	}
	if (rc == 0)
		rc = join_batch(rt, i) < 0 ? err_nomem(&err) : 0;
	if (rc < 0)
		turn_failed(rt, i, rc, &err);
	else if (i->x && execution_is_resident(i->x))
		instance_touch(rt, i);
}

/* ---- commits ---- */

static void crew_provider_run(struct crew_job *job)
{
	struct provider_job *p = (struct provider_job *)job;

	(void)p->work->run(p->work);
}

static bool is_flying(const struct pawl_runtime *rt, const struct instance *i)
{
	for (size_t n = rt->flying_from; n < rt->flying_upto; n++)
		if (rt->flying.entries[n].instance == i)
			return true;
	return false;
}

static int fill_provider_batch(struct pawl_runtime *rt)
{
	struct batch *b = &rt->flying;
	struct pawl_record *records = realloc(rt->records, (2 * b->count + 1) * sizeof(*records));
	struct pawl_spill *spills = realloc(rt->spills, (b->spill_count + 1) * sizeof(*spills));
	size_t count = 0, spill_count = 0;

	rt->records = records ? records : rt->records;
	rt->spills = spills ? spills : rt->spills;
	if (!records || !spills)
		return PAWL_ENOMEM;
	for (size_t n = rt->flying_from; n < rt->flying_upto; n++) {
		struct batch_entry *e = &b->entries[n];
		records[count++] = (struct pawl_record){ e->instance->id, e->instance->execution, e->instance->history_bytes,
			b->lines.data + e->at, e->len, e->create, e->end, e->start_token };
		if (e->next_len) /* one frame has the end of an execution and the beginning of the next (I3) */
			records[count++] = (struct pawl_record){ .instance = e->instance->id, .execution = e->instance->execution + 1,
				.data = b->lines.data + e->at + e->len, .len = e->next_len };
	}
	for (size_t n = 0; n < b->spill_count; n++) {
		struct batch_spill *s = &b->spills[n];
		if (is_flying(rt, s->instance))
			spills[spill_count++] = (struct pawl_spill){ s->instance->id, s->name, s->data, s->len };
	}
	rt->flying_batch = (struct pawl_batch){ records, count, spills, spill_count };
	return 0;
}

static void stall(struct pawl_runtime *rt, int rc, const struct pawl_error *err)
{
	int64_t wait = STALL_FIRST_NS << (rt->stalls < 7 ? rt->stalls : 7);

	if (rt->stalls++ == 0 || rc != rt->stall_code)
		log_error("%s; nothing is lost, no new step is taken until it clears", err->text);
	rt->stall_code = rc;
	rt->stalled_until_ns = rt->os->boot_ns(rt->os->self) + (wait < STALL_MAX_NS ? wait : STALL_MAX_NS);
}

/* The provider will never take this entry: only it is refused, not what shared the batch with it. */
static void refuse_entry(struct pawl_runtime *rt, struct batch_entry *e, int rc, const struct pawl_error *err)
{
	struct instance *i = e->instance;

	i->committing = false;
	turn_drop(i);
	struct mail *taken = e->taken, **end = &i->mail;
	while (taken) {
		struct mail *m = taken;
		taken = m->next;
		if (m->token && e->create)
			rt->provider->ops->reject(rt->provider, m->token, err->text);
		if (m->request)
			request_finish(rt, m->request, rc, "%s", err->text);
		if (e->create || m->request) {
			mail_free(m);
			continue;
		}
		m->next = *end; /* kept, in front of what came meanwhile: results of activities come only once */
		*end = m;
		end = &m->next;
		if (!m->next)
			i->mail_end = &m->next;
	}
	if (e->create) {
		requests_of_refused(rt, i);
		instance_remove(rt, i);
	} else {
		instance_park(rt, i, PARKED_UNREADABLE, err->text);
	}
}

static void flying_advance(struct pawl_runtime *rt)
{
	rt->flying_from = rt->flying_upto;
	/* after a refusal the rest goes one by one */
	rt->flying_upto = rt->flying_from < rt->flying.count ? rt->flying_from + 1 : rt->flying_from;
	if (rt->flying_from == rt->flying.count)
		batch_clear(&rt->flying);
}

/* 0, or a fatal error. */
static int commit_refused(struct pawl_runtime *rt, int rc, struct pawl_error *err)
{
	if (pawl_error_class(rc) == PAWL_CLASS_FENCED)
		return rc;
	if (rc == PAWL_EBUSY && !rt->maintain_failed)
		return 0; /* room comes with the checkpoint */
	if (pawl_error_class(rc) != PAWL_CLASS_PERMANENT) {
		stall(rt, rc, err);
	} else if (rt->flying_upto - rt->flying_from > 1) {
		rt->flying_upto = rt->flying_from + 1; /* which one is it? */
	} else {
		refuse_entry(rt, &rt->flying.entries[rt->flying_from], rc, err);
		flying_advance(rt);
	}
	return 0;
}

static int commit_begin(struct pawl_runtime *rt, struct pawl_error *err)
{
	struct pawl_job *job;
	int rc = fill_provider_batch(rt) < 0 ? err_nomem(err) : rt->provider->ops->commit_begin(rt->provider, &rt->flying_batch, &job, err);

	if (rc < 0)
		return commit_refused(rt, rc, err);
	rt->commit_job = (struct provider_job){ { .run = crew_provider_run, .urgent = true }, job };
	rt->committing = true;
	/* With something else to do meanwhile another thread waits for the disk; else this one does. */
	crew_submit(rt->crew, &rt->commit_job.job, rt->ready || crew_has_jobs(rt->crew));
	return 0;
}

/* ---- durable ---- */

static void entry_durable(struct pawl_runtime *rt, struct batch_entry *e)
{
	struct instance *i = e->instance;
	struct turn *t = i->turn;

	i->turn = NULL;
	i->committing = false;
	i->started = true;
	i->history_bytes += e->len;
	bool gone = effects_of_turn(rt, i, t);
	if (t->next_count)
		generation_next(rt, i, t, e->next_len);
	for (struct mail *m = e->taken; m;) { /* only now: a termination's events are the mail's own */
		struct mail *next = m->next;
		mail_done(rt, m, MESSAGE_TAKEN, NULL);
		m = next;
	}
	free(t);
	if (gone)
		return;
	if (i->x && !execution_is_resident(i->x))
		instance_drop_stack(rt, i);
	mail_post(rt, i, NULL);
}

void commit_finished(struct pawl_runtime *rt, struct provider_job *job)
{
	struct pawl_error err = { 0 };
	int rc = job->work->end(job->work, &err);

	rt->committing = false;
	rt->active = true;
	if (rc == 0) {
		if (rt->stalls)
			log_notice("storage works again");
		rt->stalls = 0;
		for (size_t n = rt->flying_from; n < rt->flying_upto; n++)
			entry_durable(rt, &rt->flying.entries[n]);
		instances_trim(rt);
		flying_advance(rt);
	} else if (pawl_error_class(rc) == PAWL_CLASS_FENCED) {
		rt->failed = true;
		rt->fatal = err;
	} else if (pawl_error_class(rc) == PAWL_CLASS_PERMANENT) {
		(void)commit_refused(rt, rc, &err);
	} else {
		stall(rt, rc, &err);
	}
}

static int commit_next(struct pawl_runtime *rt, struct pawl_error *err)
{
	if (rt->committing || rt->failed || rt->os->boot_ns(rt->os->self) < rt->stalled_until_ns)
		return 0;
	if (rt->flying.count == 0 && rt->next.count > 0) {
		struct batch empty = rt->flying;
		rt->flying = rt->next;
		rt->next = empty;
		rt->flying_from = 0;
		rt->flying_upto = rt->flying.count;
	}
	return rt->flying.count > 0 ? commit_begin(rt, err) : 0;
}

int turns_run(struct pawl_runtime *rt, struct pawl_error *err)
{
	while (rt->ready && rt->next.lines.len < BATCH_BYTES_MAX && rt->os->boot_ns(rt->os->self) >= rt->stalled_until_ns) {
		struct instance *i = rt->ready;
		rt->ready = i->ready_next;
		if (!rt->ready)
			rt->ready_end = &rt->ready;
		i->ready = false;
		if (instance_is_due(rt, i))
			run_turn(rt, i);
	}
	return commit_next(rt, err);
}

static void batch_drop(struct pawl_runtime *rt, struct batch *b)
{
	for (size_t n = b == &rt->flying ? rt->flying_from : 0; n < b->count; n++) {
		struct batch_entry *e = &b->entries[n];
		while (e->taken) {
			struct mail *m = e->taken;
			e->taken = m->next;
			if (m->request)
				request_finish(rt, m->request, PAWL_ECANCELED, "the runtime stopped");
			mail_free(m);
		}
		turn_drop(e->instance);
	}
	batch_release(b);
}

void turns_release(struct pawl_runtime *rt)
{
	batch_drop(rt, &rt->next);
	batch_drop(rt, &rt->flying);
	free(rt->messages);
	free(rt->records);
	free(rt->spills);
}
