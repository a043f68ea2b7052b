/*
 * deliver.c - what a turn decides for other instances becomes lines of their histories, in the same frame (I3): nothing is
 * lost and nothing doubled, whatever crashes, and the other one may be busy, suspended or parked.
 *
 * Lines go to the tail of an instance: behind all that is queued of it. It takes no turn while something is queued, so the
 * code of neither runs on what is not durable. A line that an instance cannot have (it has ended, it is damaged, it is full)
 * is not written, and the sender's answer says so, in the same frame.
 *
 *	decision                  line of the other one                   answer
 *	InstanceStarted           ExecutionStarted                        SendCompleted or SendFailed
 *	EventSent                 EventRaised, EventScheduled             the same
 *	TopicPublished            EventRaised, for each subscription
 *	ValueRequested                                                    ValueReceived
 *	ChildScheduled, ...: children.c; EntityCalled, ...: entities.c
 */
#include "runtime/deliver.h"
#include "base/error.h"
#include <stdlib.h>

/* ---- a group ---- */

void delivery_init(struct delivery *d, struct pawl_runtime *rt, struct instance *sender, struct pawl_error *err)
{
	*d = (struct delivery){ .rt = rt, .sender = sender, .err = err, .execution = sender ? sender->execution : 0, .group = rt->group };
	arena_init(&d->arena, 0);
	turn_clock(rt, &d->clock);
}

static void delivery_release(struct delivery *d)
{
	arena_release(&d->arena);
	free(d->answers);
	free(d->terminated);
}

size_t delivery_begin(struct delivery *d)
{
	d->group = ++d->rt->group;
	return d->rt->next.count;
}

static int add_answers(struct delivery *d)
{
	int rc = 0;

	for (size_t n = 0; rc == 0 && n < d->answer_count; n++)
		rc = deliver_line(d, d->sender, &d->answers[n]);
	return rc;
}

int delivery_end(struct delivery *d, size_t at, int rc)
{
	if (rc == 0)
		rc = add_answers(d);
	if (rc < 0)
		batch_take_back(d->rt, &d->rt->next, at);
	delivery_release(d);
	return rc;
}

/* Lines of one instance that follow each other are one entry. */
static struct batch_entry *entry_for(struct delivery *d, struct instance *to)
{
	struct batch *b = &d->rt->next;
	struct batch_entry *e = b->count ? &b->entries[b->count - 1] : NULL;

	if (e && e->delivered && e->group == d->group && e->instance == to)
		return e;
	return batch_add(b, to, d->group, true);
}

int deliver_line(struct delivery *d, struct instance *to, struct event *e)
{
	struct batch *b = &d->rt->next;
	struct batch_entry *entry = entry_for(d, to);

	if (!entry)
		return err_nomem(d->err);
	struct tail *tail = to->tail;
	size_t before = b->lines.len;
	e->seq = tail->next_seq;
	e->has_time = !tail->unrun;
	e->time_ns = d->clock.time_ns;
	entry->create = entry->create || e->type == EVENT_ExecutionStarted;
	int rc = batch_add_lines(b, tail->execution, e, 1);
	if (rc < 0)
		return rc == PAWL_ENOMEM ? err_nomem(d->err) : err_set(d->err, rc, "cannot write %s for '%s'", event_type_name(e->type), to->id);
	entry->len += b->lines.len - before;
	entry->end = entry->end || event_type_class(e->type) & EVENT_END;
	tail->bytes += b->lines.len - before;
	tail->next_seq++;
	tail->unrun = true;
	tail->ended = entry->end;
	tail_note(tail, e, 1);
	return 0;
}

int deliver_answer(struct delivery *d, const struct event *e)
{
	if (d->answer_count == d->answer_cap) {
		size_t cap = d->answer_cap ? d->answer_cap * 2 : 8;
		struct event *grown = realloc(d->answers, cap * sizeof(*grown));
		if (!grown)
			return err_nomem(d->err);
		d->answers = grown;
		d->answer_cap = cap;
	}
	d->answers[d->answer_count++] = *e;
	return 0;
}

int deliver_failed(struct delivery *d, enum event_type type, uint64_t ref, const struct undelivered *why)
{
	struct event e = { .type = type, .fields = FIELD_REF | FIELD_ERROR, .ref = ref };

	e.error = (struct failure){ .kind = SLICE("system"), .code = slice_of(why->code), .message = slice_of(why->text) };
	return deliver_answer(d, &e);
}

bool delivery_has_answer(const struct delivery *d, uint64_t ref)
{
	for (size_t n = 0; n < d->answer_count; n++)
		if (d->answers[n].ref == ref)
			return true;
	return false;
}

struct slice deliver_from(struct delivery *d, uint64_t seq)
{
	const char *text = d->sender ? arena_printf(&d->arena, "@%s/%llu/%llu", d->sender->id, (unsigned long long)d->execution,
	                                            (unsigned long long)seq) : NULL;

	return text ? slice_of(text) : SLICE_NONE;
}

int deliver_load(struct delivery *d, const char *id, struct event *e)
{
	char *bytes = NULL, name[64];
	size_t len = 0;

	if (!e->data_file.data)
		return 0;
	snprintf(name, sizeof(name), "%.*s", SLICE_FMT(e->data_file));
	int rc = d->rt->provider->ops->read_spill(d->rt->provider, id, name, &bytes, &len, d->err);
	if (rc < 0)
		return rc;
	e->data = arena_copy(&d->arena, slice_make(bytes, len));
	e->data_file = SLICE_NONE;
	free(bytes);
	return e->data.data ? 0 : err_nomem(d->err);
}

/* ---- who gets it ---- */

static struct instance *nobody(struct undelivered *why, const char *code, const char *text)
{
	*why = (struct undelivered){ code, text };
	return NULL;
}

struct instance *deliver_receiver(struct delivery *d, struct slice id, struct undelivered *why)
{
	char name[TEXT_INSTANCE_ID_MAX + 1];

	if (!text_is_instance_id(id))
		return nobody(why, "not-found", "this is not an instance id");
	snprintf(name, sizeof(name), "%.*s", SLICE_FMT(id));
	struct instance *to = instance_get(d->rt, name);
	if (!to)
		return instance_id_is_taken(d->rt, name, NULL) > 0 ? nobody(why, "ended", "the instance has ended")
		                                                    : nobody(why, "not-found", "there is no such instance");
	if (to->parked == PARKED_DAMAGED || to->parked == PARKED_UNREADABLE)
		return nobody(why, "damaged", "the instance is set aside, as its history cannot be read or written");
	if (!to->started && !to->committing)
		return nobody(why, "not-found", "the instance has not begun yet");
	if (tail_is_ended(to))
		return nobody(why, "ended", "the instance has ended");
	return to;
}

/* Events of this name among the lines of one entry. */
static uint32_t count_raised(struct slice lines, struct slice name)
{
	struct arena arena;
	uint32_t count = 0;

	arena_init(&arena, 0);
	while (lines.len > 0) {
		size_t len = (size_t)((const char *)memchr(lines.data, '\n', lines.len) - lines.data);
		struct event e;
		if (event_decode(&e, slice_make(lines.data, len), &arena, NULL) == 0)
			count += e.type == EVENT_EventRaised && slice_eq(e.name, name);
		lines = slice_make(lines.data + len + 1, lines.len - len - 1);
		arena_reset(&arena);
	}
	arena_release(&arena);
	return count;
}

static uint32_t count_queued(const struct batch *b, size_t from, const struct instance *to, struct slice name)
{
	uint32_t count = 0;

	for (size_t n = from; n < b->count; n++) {
		const struct batch_entry *e = &b->entries[n];
		if (e->instance == to)
			count += count_raised(slice_make(b->lines.data + e->at, e->len + e->next_len), name);
	}
	return count;
}

/* The tail counts events of all names, also those that have become durable since: near the limit it is looked at closely. */
static bool is_full(struct delivery *d, const struct instance *to, struct slice name)
{
	const struct pawl_runtime *rt = d->rt;
	uint32_t max = rt->config.limits.events_buffered_max, count = view_buffered(&to->view, name);

	if (count + (to->tail ? to->tail->raised : 0) < max)
		return false;
	if (d->full == to && slice_is(name, d->full_name))
		return true; /* a turn may send very many */
	count += count_queued(&rt->next, 0, to, name) + count_queued(&rt->flying, rt->flying_from, to, name);
	if (count < max)
		return false;
	d->full = to;
	snprintf(d->full_name, sizeof(d->full_name), "%.*s", SLICE_FMT(name));
	return true;
}

bool deliver_has_room(struct delivery *d, const struct instance *to, const struct event *e, struct undelivered *why)
{
	const struct pawl_runtime *rt = d->rt;
	const struct tail *tail = to->tail;
	uint64_t seq = tail ? tail->next_seq : to->view.next_seq, bytes = to->view.event_bytes + (tail ? tail->raised_bytes : 0);

	if (seq > PAWL_HISTORY_EVENTS_MAX)
		*why = (struct undelivered){ "limit", "its history has as many events as it may (PAWL_HISTORY_EVENTS_MAX)" };
	else if (to->history_bytes >= rt->config.limits.history_bytes_max)
		*why = (struct undelivered){ "limit", "its history has as many bytes as it may (limits.history_bytes_max)" };
	else if (is_full(d, to, e->name))
		*why = (struct undelivered){ "full", "as many events of this name as may be wait to be taken there already (limits.events_buffered_max)" };
	else if (bytes + e->data.len > (uint64_t)rt->config.engine.memory_max / 2)
		*why = (struct undelivered){ "full", "the events that wait to be taken there have used half of its memory limit" };
	else
		return true;
	return false;
}

/* ---- starts ---- */

static int resolve(struct delivery *d, const struct event *e, const struct pawl_registration **def)
{
	char name[TEXT_NAME_MAX + 1], version[TEXT_NAME_MAX + 1];
	bool has_version = e->fields & FIELD_VERSION;

	snprintf(name, sizeof(name), "%.*s", SLICE_FMT(e->name));
	snprintf(version, sizeof(version), "%.*s", SLICE_FMT(e->version));
	*def = registry_orchestration(d->rt->registry, name, has_version ? version : NULL);
	if (*def)
		return 0;
	return err_set(d->err, PAWL_EUNREGISTERED, "type '%s'%s%s, of instance '%.*s' that it starts, is not registered: add the plugin or program that has it and send SIGHUP or restart",
	               name, has_version ? " version " : "", has_version ? version : "", SLICE_FMT(e->instance));
}

/* I11, and ids are used once. 1: it may be. */
static int may_start(struct delivery *d, const char *id, struct undelivered *why)
{
	struct pawl_runtime *rt = d->rt;
	int taken = instance_get(rt, id) ? 1 : instance_id_is_taken(rt, id, d->err);

	if (taken > 0)
		*why = (struct undelivered){ "exists", arena_printf(&d->arena, "the id '%s' is taken", id) };
	else if (taken == 0 && rt->instances.count >= rt->config.limits.instances_max)
		*why = (struct undelivered){ "limit", "as many instances as may be are live already (limits.instances_max)" };
	return taken < 0 ? taken : why->code && !why->text ? err_nomem(d->err) : !why->code;
}

static int set_parent(struct delivery *d, struct event *start, struct instance *child, uint64_t ref)
{
	size_t len = strlen(d->sender->id) + 1;
	struct tail *tail = tail_of(child);
	struct view_parent *parent = tail ? malloc(sizeof(*parent) + len) : NULL;

	if (!parent)
		return err_nomem(d->err);
	parent->execution = d->execution;
	parent->ref = ref;
	memcpy(parent->id, d->sender->id, len);
	tail->parent = parent;
	start->fields |= FIELD_PARENT;
	start->parent = slice_of(d->sender->id);
	start->parent_execution = d->execution;
	start->parent_ref = ref;
	return 0;
}

/* For later: the same delay as it was decided, or the calendar time. */
static void set_start_time(struct event *start, const struct event *e)
{
	start->fields |= e->fields & (FIELD_DELAY | FIELD_DUE);
	start->delay_ms = e->delay_ms;
	start->due = e->due;
	if (!(e->fields & FIELD_UNTIL))
		return;
	start->fields = (start->fields & ~(uint32_t)(FIELD_DELAY | FIELD_DUE)) | FIELD_START_AT;
	start->start_at_ns = e->until_ns;
}

static int fill_start(struct delivery *d, struct event *start, const struct event *e, const struct pawl_registration *def)
{
	const struct os *os = d->rt->os;

	*start = (struct event){ .type = EVENT_ExecutionStarted, .fields = FIELD_NAME | FIELD_VERSION | FIELD_SEED | FIELD_FROM | (e->fields & FIELD_DATA),
		.name = e->name, .version = slice_of(def->version), .data = e->data, .from = deliver_from(d, e->seq) };
	set_start_time(start, e);
	if (!start->from.data)
		return err_nomem(d->err);
	if (os->random(os->self, start->seed, sizeof(start->seed)) < 0)
		return err_set(d->err, PAWL_EIO, "cannot draw a seed for instance '%.*s'", SLICE_FMT(e->instance));
	return 0;
}

int deliver_start(struct delivery *d, const struct event *e, bool is_child, struct undelivered *why)
{
	const struct pawl_registration *def;
	struct event start;
	char id[TEXT_INSTANCE_ID_MAX + 1];

	*why = (struct undelivered){ NULL, NULL };
	if (!text_is_instance_id(e->instance)) {
		*why = (struct undelivered){ "invalid", "this is not an instance id" };
		return 0;
	}
	snprintf(id, sizeof(id), "%.*s", SLICE_FMT(e->instance));
	int rc = resolve(d, e, &def);
	if (rc == 0 && def->entity != id_is_entity(id, def->name))
		*why = (struct undelivered){ "invalid", def->entity ? "it is an entity: signal or call it" : "it is not an entity" };
	if (rc < 0 || why->code)
		return rc;
	if (rc == 0)
		rc = may_start(d, id, why);
	if (rc <= 0)
		return rc;
	rc = fill_start(d, &start, e, def);
	struct instance *i = rc == 0 ? instance_add(d->rt, id) : NULL;
	if (!i)
		return rc < 0 ? rc : err_nomem(d->err);
	if (is_child)
		rc = set_parent(d, &start, i, e->seq);
	if (rc == 0)
		rc = deliver_line(d, i, &start);
	if (rc < 0 && i->committing == 0)
		instance_remove(d->rt, i);
	return rc;
}

/* ---- decisions ---- */

static int answer_send(struct delivery *d, const struct event *e, const struct undelivered *why)
{
	struct event done = { .type = EVENT_SendCompleted, .fields = FIELD_REF, .ref = e->seq };

	return why->code ? deliver_failed(d, EVENT_SendFailed, e->seq, why) : deliver_answer(d, &done);
}

static int instance_started(struct delivery *d, const struct event *e)
{
	struct undelivered why;
	int rc = deliver_start(d, e, false, &why);

	return rc < 0 ? rc : answer_send(d, e, &why);
}

static int event_sent(struct delivery *d, const struct event *e)
{
	struct undelivered why = { NULL, NULL };
	struct instance *to = deliver_receiver(d, e->instance, &why);
	uint32_t times = e->fields & (FIELD_DELAY | FIELD_UNTIL | FIELD_DUE);
	int rc = 0;

	if (to && deliver_has_room(d, to, e, &why)) {
		struct event line = { .type = times ? EVENT_EventScheduled : EVENT_EventRaised, .fields = FIELD_NAME | FIELD_FROM | (e->fields & FIELD_DATA) | times,
			.name = e->name, .data = e->data, .from = deliver_from(d, e->seq), .delay_ms = e->delay_ms, .until_ns = e->until_ns, .due = e->due };
		rc = line.from.data ? deliver_line(d, to, &line) : err_nomem(d->err);
	}
	return rc < 0 ? rc : answer_send(d, e, &why);
}

static int read_archived(struct delivery *d, const char *id, struct slice key, struct event *out);

/* From what is durable of it: a queued turn of the same frame has not set anything yet. */
static int value_requested(struct delivery *d, const struct event *e)
{
	struct undelivered why = { "not-found", "there is no such instance" };
	struct event got = { .type = EVENT_ValueReceived, .fields = FIELD_REF, .ref = e->seq }, value = { .fields = 0 };
	char id[TEXT_INSTANCE_ID_MAX + 1];
	int rc = PAWL_ENOTFOUND;

	snprintf(id, sizeof(id), "%.*s", SLICE_FMT(e->instance));
	struct instance *i = text_is_instance_id(e->instance) ? instance_get(d->rt, id) : NULL;
	if (i && i->started) {
		const struct view_value *v = view_value(&i->view, e->key);
		if (v)
			view_value_event(v, &value);
		rc = deliver_load(d, id, &value);
	} else if (!i && text_is_instance_id(e->instance)) {
		rc = read_archived(d, id, e->key, &value);
	}
	if (rc == PAWL_ENOTFOUND || rc == PAWL_ECORRUPT)
		return deliver_failed(d, EVENT_ValueReceived, e->seq, &why);
	got.fields |= value.fields & FIELD_DATA;
	got.data = value.data;
	return rc < 0 ? rc : deliver_answer(d, &got);
}

static int read_archived(struct delivery *d, const char *id, struct slice key, struct event *out)
{
	struct history h;
	struct view v;
	char *text = NULL;
	size_t len = 0;
	uint64_t execution;
	int rc = d->rt->provider->ops->read(d->rt->provider, id, 0, &text, &len, &execution, d->err);

	history_init(&h);
	view_init(&v);
	if (rc == 0)
		rc = len ? history_parse(&h, slice_make(text, len), d->err) : PAWL_ENOTFOUND;
	for (size_t n = 0; rc == 0 && n < h.count; n++)
		rc = view_apply(&v, &h.events[n]);
	const struct view_value *value = rc == 0 ? view_value(&v, key) : NULL;
	if (value) {
		view_value_event(value, out);
		rc = deliver_load(d, id, out);
		out->data = rc == 0 ? arena_copy(&d->arena, out->data) : SLICE_NONE;
	}
	view_release(&v);
	history_release(&h);
	free(text);
	return rc;
}

/* ---- a turn ---- */

static int (*const handlers[EVENT_TYPE_COUNT])(struct delivery *d, const struct event *e) = {
	[EVENT_ChildScheduled] = child_scheduled,
	[EVENT_ChildCancelRequested] = child_cancel,
	[EVENT_InstanceStarted] = instance_started,
	[EVENT_EventSent] = event_sent,
	IF_PART(TOPICS, [EVENT_TopicPublished] = topic_published,)
	[EVENT_ValueRequested] = value_requested,
	IF_PART(ENTITIES, [EVENT_EntitySignaled] = entity_signaled,)
	IF_PART(ENTITIES, [EVENT_EntityCalled] = entity_called,)
	IF_PART(ENTITIES, [EVENT_EntityAnswered] = entity_answered,)
	IF_PART(ENTITIES, [EVENT_EntityLockRequested] = lock_requested,)
	IF_PART(ENTITIES, [EVENT_EntityUnlocked] = lock_given_back,)
	IF_PART(ENTITIES, [EVENT_EntityLockPassed] = lock_passed,)
};

/* Most turns do not. */
static bool reaches_others(const struct instance *i, const struct turn *t)
{
	for (size_t n = 0; n < t->event_count; n++)
		if (handlers[t->events[n].type])
			return true;
	return t->ended && (has_parent_or_children(i, t) || has_locks(i));
}

int deliver_turn(struct pawl_runtime *rt, struct instance *i, struct pawl_error *err)
{
	const struct turn *t = i->turn;
	struct delivery d;
	int rc = 0;

	if (!reaches_others(i, t))
		return 0;
	delivery_init(&d, rt, i, err);
	d.turn = t;
	for (size_t n = 0; rc == 0 && n < t->event_count; n++)
		if (handlers[t->events[n].type])
			rc = handlers[t->events[n].type](&d, &t->events[n]);
	if (rc == 0 && t->ended)
		rc = children_of_ended(&d);
	if (rc == 0 && t->ended)
		rc = locks_of_ended(&d);
	if (rc == 0 && !t->ended) /* it has nobody to read them any more */
		rc = add_answers(&d);
	delivery_release(&d);
	return rc;
}

/* ---- durable ---- */

static size_t count_lines(struct slice text)
{
	size_t count = 0;

	for (size_t n = 0; n < text.len; n++)
		count += text.data[n] == '\n';
	return count;
}

static int decode_lines(struct slice text, struct event *events, struct arena *arena)
{
	int rc = 0;

	for (size_t n = 0; rc == 0 && text.len > 0; n++) {
		size_t len = (size_t)((const char *)memchr(text.data, '\n', text.len) - text.data);
		rc = event_decode(&events[n], slice_make(text.data, len), arena, NULL);
		text = slice_make(text.data + len + 1, text.len - len - 1);
	}
	return rc;
}

/* A resident stack has not read them from the history. One that cannot be told reads them when it is loaded again. */
static void tell_stack(struct pawl_runtime *rt, struct instance *i, const struct event *events, size_t count)
{
	for (size_t n = 0; i->x && n < count; n++) {
		struct mail *m = mail_new(rt, events[n].type);
		if (m && event_copy(&m->event, &events[n], &m->arena) == 0) {
			mail_post(rt, i, m);
			continue;
		}
		if (m)
			mail_free(m);
		instance_drop_stack(rt, i);
	}
	mail_post(rt, i, NULL);
}

void delivered_durable(struct pawl_runtime *rt, struct instance *i, struct slice lines)
{
	struct arena arena;
	size_t count = count_lines(lines);

	arena_init(&arena, 0);
	struct event *events = arena_calloc(&arena, count, sizeof(*events));
	if (!events || decode_lines(lines, events, &arena) < 0) {
		log_error("out of memory for what others have written to '%s'; restart to go on from history", i->id);
		rt->failed = true;
	} else if (!effects_of(rt, i, events, count, false)) {
		tell_stack(rt, i, events, count);
	}
	arena_release(&arena);
}
