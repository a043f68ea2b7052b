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
#include "base/error.h"
#include "runtime/revive.h"
#include "runtime/replay_check.h"
#include "runtime/runtime.h"
#include <stdlib.h>

#define BATCH_BYTES_MAX (512u << 10) /* gather no more than that into one frame */
#define MESSAGES_KEPT 64
#define REFUSALS_MAX 3
#define KEPT_COMMITS 4 /* so long others may write to one that waits for its turn */
#define WAIT_NS 500000000ll
#define STALL_FIRST_NS 100000000ll
#define STALL_MAX_NS 10000000000ll

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

/* Of its history, what this build has left out. NULL: nothing. */
static const char *missing_part(const struct instance *i)
{
	for (const struct open_item *item = i->view.open; item && !PAWL_WITH_ENTITIES; item = item->next)
		if (item->type == EVENT_EntityCalled || item->type == EVENT_EntityLockRequested)
			return "it waits for an entity: " WITHOUT_PART("ENTITIES");
	return !PAWL_WITH_TOPICS && i->view.topics ? "it has subscribed to a topic: " WITHOUT_PART("TOPICS") : NULL;
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
	const char *missing = missing_part(i);
	if (missing)
		return err_set(err, PAWL_EUNREGISTERED, "%s", missing);
	if (entity_check(def, type, i->id, err) < 0) /* the type may have become one since: parked until there is a fitting one */
		return PAWL_EUNREGISTERED;
	if (!i->started)
		i->mail->event.version = slice_of(def->version);
	int rc = execution_new(&i->x, i->id, i->execution, def->orchestration, &rt->engine, err);
	return rc == 0 && i->started ? load_execution(rt, i, h, text, err) : rc;
}

/* ---- one turn ---- */

void turn_clock(struct pawl_runtime *rt, struct turn *t)
{
	int64_t now = rt->os->real_ns(rt->os->self), boot = rt->os->boot_ns(rt->os->self);

	wall_look(rt, now, boot);
	t->time_ns = now - now % 1000;
	t->boot_ms = (boot + 999999) / 1000000; /* up: what is due after it never comes early */
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
			if (t->messages[n].result == MESSAGE_REFUSED && m->event.type == EVENT_EventRaised && m->event.fields & FIELD_REF)
				effect_try_again(rt, i, m->event.ref, t->messages[n].why);
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

/* The lines of a turn, and of what follows it, as the newest entry. */
static int add_entry(struct batch *b, struct instance *i, unsigned group)
{
	const struct turn *t = i->turn;
	struct batch_entry *e = batch_add(b, i, group, false);

	if (!e)
		return PAWL_ENOMEM;
	int rc = batch_add_lines(b, e->execution, t->events, t->event_count);
	e->len = b->lines.len - e->at;
	if (rc == 0)
		rc = batch_add_lines(b, e->execution + 1, t->next, t->next_count);
	e->next_len = b->lines.len - e->at - e->len;
	e->create = !i->started;
	e->end = t->ended && t->next_count == 0;
	return rc;
}

static void advance_tail(const struct batch_entry *e, const struct turn *t)
{
	struct tail *tail = e->instance->tail;

	tail_note(tail, t->events, t->event_count);
	tail->unrun = false;
	if (t->next_count) {
		*tail = (struct tail){ .execution = tail->execution + 1, .bytes = e->next_len, .next_seq = t->next_count + 1, .unrun = true };
		tail_note(tail, t->next, t->next_count);
		return;
	}
	tail->bytes += e->len;
	tail->next_seq += t->event_count;
	tail->ended = t->ended;
}

/* The turn's lines join the batch, with those that it delivers, or nothing has happened (I3). */
static int join_batch(struct pawl_runtime *rt, struct instance *i, struct pawl_error *err)
{
	struct batch *b = &rt->next;
	size_t at = b->count;
	void *start = i->started ? NULL : start_token(i);
	int rc = add_entry(b, i, ++rt->group);

	if (rc == 0) {
		advance_tail(&b->entries[at], i->turn);
		rc = deliver_turn(rt, i, err);
	} else {
		rc = err_nomem(err);
	}
	if (rc < 0) {
		batch_take_back(rt, b, at);
		return rc;
	}
	b->entries[at].start_token = start;
	b->entries[at].taken = settle_mail(rt, i, i->turn);
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
		if (!i->waits)
			log_error("instance '%s' must wait: %s; trying again", i->id, err->text);
		i->waits = true;
		if (!generation_pause(rt, i, WAIT_NS)) /* the others go on: what is wrong may be this one's only */
			rt->stalled_until_ns = rt->os->boot_ns(rt->os->self) + STALL_FIRST_NS;
		mail_post(rt, i, NULL);
	} else if (rc == PAWL_ECORRUPT) {
		instance_drop_stack(rt, i);
		i->parked = PARKED_DAMAGED;
		metrics_note(rt, i, false);
		(void)rt->provider->ops->quarantine(rt->provider, i->id, err->text, NULL);
	} else {
		instance_park(rt, i, parked_by(rc), err->text);
	}
}

/* Terminating does not load anything, so it also ends what cannot be loaded. */
static int terminate_turn(struct pawl_runtime *rt, struct instance *i)
{
	struct mail *stop = i->mail, *start = stop->next;
	size_t start_at = 1; /* in t->messages: there may be more terminations in front of it */

	for (; start && start->event.type == EVENT_ExecutionTerminated; start = start->next)
		start_at++;
	bool needs_start = !i->started && start && start->event.type == EVENT_ExecutionStarted;
	struct turn *t = calloc(1, sizeof(*t) + 2 * sizeof(struct event));

	if (!t || (!i->started && !needs_start)) {
		free(t);
		return t ? PAWL_EBUG : PAWL_ENOMEM;
	}
	i->turn = t;
	turn_clock(rt, t);
	t->events = (struct event *)(t + 1);
	if (gather_messages(rt, i, t) < 0)
		return PAWL_ENOMEM;
	uint64_t seq = i->started ? i->view.next_seq : 1;
	if (needs_start) {
		t->events[t->event_count] = start->event;
		if (!start->event.version.len)
			t->events[t->event_count].version = SLICE("0");
		t->events[t->event_count++].seq = seq++;
	}
	t->events[t->event_count] = stop->event;
	t->events[t->event_count++].seq = seq;
	t->events[0].has_time = true;
	t->events[0].time_ns = t->time_ns;
	t->ended = true;
	t->messages[0].result = MESSAGE_TAKEN;
	for (size_t n = 1; n < t->message_count; n++) {
		bool taken = t->messages[n].event.seq || (needs_start && n == start_at);
		t->messages[n].result = taken ? MESSAGE_TAKEN : MESSAGE_REFUSED;
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
	turn_clock(rt, t);
	return gather_messages(rt, i, t) < 0 ? err_nomem(err) : execution_turn(i->x, t, err);
}

/* Its other mail is for the next execution. */
static int revival_turn(struct pawl_runtime *rt, struct instance *i, struct pawl_error *err)
{
	struct turn *t = calloc(1, sizeof(*t));

	i->turn = t;
	if (!t)
		return err_nomem(err);
	turn_clock(rt, t);
	int rc = revive_turn(rt, i, t, err);
	if (rc == 0 && gather_messages(rt, i, t) < 0)
		rc = err_nomem(err);
	if (rc != 0)
		return rc;
	for (size_t n = 0; n < t->message_count; n++)
		t->messages[n].result = n == 0 ? MESSAGE_TAKEN : MESSAGE_LATER;
	instance_drop_stack(rt, i);
	return 0;
}

static void finish_taken(struct pawl_runtime *rt, struct mail *m)
{
	while (m) {
		struct mail *next = m->next;
		mail_done(rt, m, MESSAGE_TAKEN, NULL);
		m = next;
	}
}

/* What it has seen of lines that were delivered made no difference. */
static void nothing_decided(struct pawl_runtime *rt, struct instance *i)
{
	finish_taken(rt, settle_mail(rt, i, i->turn));
	i->view.unrun = false;
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
	i->told = false;
	bool terminate = i->mail && i->mail->event.type == EVENT_ExecutionTerminated;
	i->reviving = terminate && i->mail->revival;
	int rc = i->reviving ? revival_turn(rt, i, &err) : terminate ? terminate_turn(rt, i) : engine_turn(rt, i, &h, &text, &err);
	history_release(&h);
	free(text);
	if (rc > 0)
		return; /* there was nothing to begin, and perhaps there is no instance any more */
	if (rc == 0 && i->turn->event_count == 0 && i->turn->next_count == 0) {
		nothing_decided(rt, i);
		return;
	}
	if (rc == 0)
		rc = replay_check(rt, i, &err);
	if (rc == 0)
		rc = join_batch(rt, i, &err);
	if (rc < 0) {
		turn_failed(rt, i, rc, &err);
		return;
	}
	i->waits = false;
	if (i->x && execution_is_resident(i->x))
		instance_touch(rt, i);
}

/* ---- commits ---- */

static void crew_provider_run(struct crew_job *job)
{
	struct provider_job *p = (struct provider_job *)job;

	(void)p->work->run(p->work);
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
		if (e->len > 0 || !e->next_len) /* else it had ended before, and only the next one begins */
			records[count++] = (struct pawl_record){ e->instance->id, e->execution, e->offset, b->lines.data + e->at, e->len,
				e->create, e->end, e->start_token };
		if (e->next_len) /* one frame has the end of an execution and the beginning of the next (I3) */
			records[count++] = (struct pawl_record){ .instance = e->instance->id, .execution = e->execution + 1,
				.data = b->lines.data + e->at + e->len, .len = e->next_len };
	}
	for (size_t n = 0; n < b->spill_count; n++) {
		struct batch_spill *s = &b->spills[n];
		if (s->entry >= rt->flying_from && s->entry < rt->flying_upto)
			spills[spill_count++] = (struct pawl_spill){ b->entries[s->entry].instance->id, s->name, s->data, s->len };
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

static void flying_advance(struct pawl_runtime *rt)
{
	rt->flying_from = rt->flying_upto;
	/* after a refusal the rest goes one by one */
	rt->flying_upto = rt->flying_from < rt->flying.count ? batch_group_end(&rt->flying, rt->flying_from) : rt->flying_from;
	if (rt->flying_from == rt->flying.count)
		batch_clear(&rt->flying);
}

/*
 * The provider will never take this group: only it is refused, not what shared the batch with it. When other entries build
 * upon its lines, or it upon others, all that is queued is taken back and decided anew: nobody was told of it (I1), what
 * the turns took is mail again, and their stacks come back from the histories. The instance that decided the group is parked;
 * one that was to be made by it never was.
 */
static void drop_turns(struct pawl_runtime *rt, struct batch *b, size_t from)
{
	for (size_t n = from; n < b->count; n++) {
		if (b->entries[n].delivered)
			continue;
		turn_drop(b->entries[n].instance);
		instance_drop_stack(rt, b->entries[n].instance);
	}
}

static void take_all_back(struct pawl_runtime *rt)
{
	drop_turns(rt, &rt->next, 0);
	drop_turns(rt, &rt->flying, rt->flying_from);
	batch_take_back(rt, &rt->next, 0);
	batch_take_back(rt, &rt->flying, rt->flying_from);
	rt->flying_upto = rt->flying_from;
}

/* Results of activities come only once: what came from inside is kept, in front of what came meanwhile. */
static void refuse_taken(struct pawl_runtime *rt, struct instance *i, struct mail *taken, bool create, int rc, const struct pawl_error *err)
{
	struct mail **end = &i->mail;

	while (taken) {
		struct mail *m = taken;
		taken = m->next;
		if (m->token && (create || m->revival))
			rt->provider->ops->reject(rt->provider, m->token, err->text);
		if (m->request)
			request_finish(rt, m->request, rc, "%s", err->text);
		if (create || m->request || m->revival) {
			mail_free(m);
			continue;
		}
		m->next = *end;
		*end = m;
		end = &m->next;
		if (!m->next)
			i->mail_end = &m->next;
	}
}

/* An id that was free when it was asked for was taken before the commit. */
static bool lost_a_race(struct pawl_runtime *rt, const struct batch_entry *e, size_t count, int rc)
{
	bool creates = false;

	for (size_t n = 0; n < count; n++)
		creates = creates || (e[n].delivered && e[n].create);
	if (rc != PAWL_EEXISTS || !creates || (!e->delivered && e->create && instance_id_is_taken(rt, e->instance->id, NULL) != 0))
		return false;
	return rt->refusals++ < REFUSALS_MAX;
}

static void refuse_group(struct pawl_runtime *rt, int rc, const struct pawl_error *err)
{
	struct batch_entry *e = &rt->flying.entries[rt->flying_from];
	size_t count = rt->flying_upto - rt->flying_from;
	struct instance *i = e->instance;
	bool create = e->create, alone = count == 1 && i->committing == 1, again = lost_a_race(rt, e, count, rc);

	if (e->delivered && again) { /* a child's next attempt: child_due finds its id taken when it looks again */
		log_warning("%s; looking again", err->text);
		take_all_back(rt);
		flying_advance(rt);
		return;
	}
	if (e->delivered) { /* nobody decided it: only a new start can find out what is wrong */
		rt->fatal = *err;
		rt->failed = true;
		return;
	}
	struct mail *taken = again ? NULL : e->taken;
	if (!again)
		e->taken = NULL;
	if (alone) {
		turn_drop(i);
		batch_entry_over(i);
		flying_advance(rt);
	} else {
		take_all_back(rt);
		flying_advance(rt);
	}
	if (again) {
		log_warning("%s; '%s' decides anew", err->text, i->id);
		return;
	}
	refuse_taken(rt, i, taken, create, rc, err);
	if (create) {
		requests_of_refused(rt, i);
		instance_remove(rt, i);
	} else if (i->reviving) {
		revive_refused(rt, i);
	} else {
		instance_park(rt, i, PARKED_UNREADABLE, err->text);
	}
}

/* 0, or a fatal error. */
static int commit_refused(struct pawl_runtime *rt, int rc, struct pawl_error *err)
{
	if (pawl_error_class(rc) == PAWL_CLASS_FENCED)
		return rc;
	if (rc == PAWL_EBUSY && !rt->maintain_failed)
		return 0; /* room comes with the checkpoint */
	size_t group_end = batch_group_end(&rt->flying, rt->flying_from);
	if (pawl_error_class(rc) != PAWL_CLASS_PERMANENT)
		stall(rt, rc, err);
	else if (rt->flying_upto > group_end)
		rt->flying_upto = group_end; /* which one is it? */
	else
		refuse_group(rt, rc, err);
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

static void turn_durable(struct pawl_runtime *rt, struct batch_entry *e)
{
	struct instance *i = e->instance;
	struct turn *t = i->turn;
	struct mail *taken = e->taken;

	i->turn = NULL;
	e->taken = NULL;
	bool gone = effects_of(rt, i, t->events, t->event_count, t->next_count > 0);
	if (!gone)
		i->view.unrun = false; /* its code went over them */
	if (t->next_count)
		generation_next(rt, i, t, e->next_len);
	finish_taken(rt, taken); /* only now: a termination's events are the mail's own */
	free(t);
	if (gone)
		return;
	if (i->x && !execution_is_resident(i->x))
		instance_drop_stack(rt, i);
	mail_post(rt, i, NULL);
}

static void note_told(struct pawl_runtime *rt, struct instance *i)
{
	if (!i->told)
		i->told_at = rt->commits;
	i->told = true;
	if (!rt->kept && (uint8_t)(rt->commits - i->told_at) >= KEPT_COMMITS)
		rt->kept = i;
}

static void entry_durable(struct pawl_runtime *rt, struct batch_entry *e)
{
	struct instance *i = e->instance;

	batch_entry_over(i);
	i->started = true;
	i->history_bytes += e->len;
	if (e->delivered)
		note_told(rt, i);
	if (e->delivered)
		delivered_durable(rt, i, slice_make(rt->flying.lines.data + e->at, e->len));
	else
		turn_durable(rt, e);
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
		rt->stalls = rt->refusals = 0;
		rt->commits++;
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

/* An instance takes no turn while something of it is queued, and those that write to it may be ready before it each time.
 * So it is let go first after some commits; until what is queued of it is durable, nobody takes a turn. */
static bool is_let_go(struct pawl_runtime *rt)
{
	struct instance *i = rt->kept;

	if (i && i->committing && instance_wants_turn(rt, i))
		return false;
	rt->kept = NULL;
	if (!i || !i->ready)
		return true;
	instance_unready(rt, i);
	i->ready = true;
	i->ready_next = rt->ready;
	if (!rt->ready)
		rt->ready_end = &i->ready_next;
	rt->ready = i;
	return true;
}

int turns_run(struct pawl_runtime *rt, struct pawl_error *err)
{
	if (!is_let_go(rt))
		return commit_next(rt, err);
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
		if (!e->delivered)
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
