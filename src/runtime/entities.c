/*
 * entities.c - operations for entities: events of theirs, in the same frame as who decided them. An entity is made by its first
 * operation. engine.h says what operations look like, engine/entity.c what becomes of them.
 *
 *	decision                 goes to                                   answer
 *	EntitySignaled           the entity                                none
 *	EntityCalled             the entity                                EntityReplied, when it is answered, or at once: cannot be
 *	EntityLockRequested      the first entity of the list              EntityLockGranted by the last one; EntityReplied: cannot be
 *	EntityUnlocked           the first entity of the list              none
 *	EntityAnswered           who called: EntityReplied
 *	EntityLockPassed         the next entity; who asked: EntityLockGranted
 *	an end, of who has a lock: as EntityUnlocked; of an entity: whoever waits for it is told
 */
#include "base/error.h"
#include "runtime/deliver.h"

/* ---- reaching an entity ---- */

/* NAME of entity:NAME:KEY. */
static struct slice type_of_id(struct slice id)
{
	size_t prefix = sizeof(ENTITY_PREFIX) - 1;
	const char *name = id.data + prefix;
	const char *colon = id.len > prefix ? memchr(name, ':', id.len - prefix) : NULL;

	return colon ? slice_make(name, (size_t)(colon - name)) : SLICE_NONE;
}

bool id_is_entity(const char *id, const char *name)
{
	struct slice text = slice_of(id);

	return strncmp(id, ENTITY_PREFIX, sizeof(ENTITY_PREFIX) - 1) == 0 && slice_is(type_of_id(text), name);
}

/* Run as what it is not, an entity's function has no operation to look at, and the loop of an entity no operations. */
int entity_check(const struct pawl_registration *def, const char *type, const char *id, struct pawl_error *err)
{
	bool prefixed = strncmp(id, ENTITY_PREFIX, sizeof(ENTITY_PREFIX) - 1) == 0, fits = id_is_entity(id, type);

	if (def ? def->entity == fits && prefixed == fits : prefixed == fits)
		return 0;
	return err_set(err, PAWL_EINVALID, def && def->entity ? "'%s' is an entity: send it operations with pawl signal" :
	               "'%s' is no entity, and ids that begin with " ENTITY_PREFIX " are for entities", type);
}

static int make(struct delivery *d, struct slice id, uint64_t seq, struct undelivered *why)
{
	struct event start = { .type = EVENT_InstanceStarted, .fields = FIELD_NAME | FIELD_INSTANCE, .seq = seq, .name = type_of_id(id), .instance = id };

	return start.name.data ? deliver_start(d, &start, false, why) : 0;
}

/* It, made if it is not there; NULL: it cannot be reached. */
static int reach(struct delivery *d, struct slice id, uint64_t seq, struct instance **to, struct undelivered *why)
{
	*why = (struct undelivered){ NULL, NULL };
	*to = deliver_receiver(d, id, why);
	if (*to || strcmp(why->code, "not-found") != 0)
		return 0;
	int rc = make(d, id, seq, why);
	if (rc == 0 && !why->code)
		*to = deliver_receiver(d, id, why);
	return rc;
}

static int operation(struct delivery *d, struct slice id, struct event *line, uint64_t seq, struct undelivered *why)
{
	struct instance *to;

	if (!line->data.data || !line->from.data)
		return err_nomem(d->err);
	line->name = SLICE(ENTITY_EVENT);
	line->fields |= FIELD_NAME | FIELD_DATA | FIELD_FROM;
	int rc = reach(d, id, seq, &to, why);
	return rc == 0 && to && deliver_has_room(d, to, line, why) ? deliver_line(d, to, line) : rc;
}

static struct slice join(struct delivery *d, const char *kind, struct slice name, const char *between, struct slice rest)
{
	struct buf text = BUF_INIT;
	struct slice copy = SLICE_NONE;

	buf_adds(&text, kind);
	buf_add_slice(&text, name);
	buf_adds(&text, between);
	buf_add_slice(&text, rest);
	if (buf_ok(&text))
		copy = arena_copy(&d->arena, buf_slice(&text));
	buf_release(&text);
	return copy;
}

/* ---- signals and calls ---- */

static int send(struct delivery *d, const struct event *e, const char *kind, struct undelivered *why)
{
	uint32_t times = e->fields & (FIELD_DELAY | FIELD_UNTIL | FIELD_DUE);
	struct event line = { .type = times ? EVENT_EventScheduled : EVENT_EventRaised, .fields = times, .delay_ms = e->delay_ms,
		.until_ns = e->until_ns, .due = e->due, .from = deliver_from(d, e->seq) };

	line.data = join(d, kind, e->name, "\n", e->fields & FIELD_DATA ? e->data : SLICE(""));
	return operation(d, e->instance, &line, e->seq, why);
}

int entity_signaled(struct delivery *d, const struct event *e)
{
	struct undelivered why;
	int rc = send(d, e, ENTITY_SIGNAL, &why);

	if (rc == 0 && why.code)
		log_warning("instance '%s': the signal '%.*s' does not reach '%.*s': %s", d->sender->id, SLICE_FMT(e->name), SLICE_FMT(e->instance), why.text);
	return rc;
}

int entity_called(struct delivery *d, const struct event *e)
{
	struct undelivered why;
	int rc = send(d, e, ENTITY_CALL, &why);

	return rc == 0 && why.code ? deliver_failed(d, EVENT_EntityReplied, e->seq, &why) : rc;
}

/* The line of `type` that who asked in its line `ref` still waits with, or NULL. */
static struct instance *asker(struct delivery *d, const struct event *e, enum event_type type)
{
	struct undelivered why;
	struct instance *to = deliver_receiver(d, e->instance, &why);
	const struct open_item *item = to && tail_execution(to) == e->execution && to->execution == e->execution ? view_find(&to->view, e->ref) : NULL;

	return item && item->type == type && !item->granted ? to : NULL;
}

int entity_answered(struct delivery *d, const struct event *e)
{
	struct instance *to = asker(d, e, EVENT_EntityCalled);
	struct event line = { .type = EVENT_EntityReplied, .fields = FIELD_REF | (e->fields & (FIELD_DATA | FIELD_ERROR)), .ref = e->ref,
		.data = e->data, .error = e->error };

	return to ? deliver_line(d, to, &line) : 0;
}

/* ---- locks ---- */

static struct slice first_line(struct slice list)
{
	const char *end = list.len ? memchr(list.data, '\n', list.len) : NULL;

	return slice_make(list.data, end ? (size_t)(end - list.data) : list.len);
}

int lock_requested(struct delivery *d, const struct event *e)
{
	struct event line = { .type = EVENT_EventRaised, .from = deliver_from(d, e->seq), .data = join(d, ENTITY_LOCK, SLICE(""), "", e->data) };
	struct undelivered why;
	int rc = operation(d, first_line(e->data), &line, e->seq, &why);

	return rc == 0 && why.code ? deliver_failed(d, EVENT_EntityReplied, e->seq, &why) : rc;
}

/* An entity that is not there has nothing to unlock. */
static int unlock(struct delivery *d, uint64_t ref, struct slice list)
{
	struct event line = { .type = EVENT_EventRaised, .fields = FIELD_NAME | FIELD_DATA | FIELD_FROM, .name = SLICE(ENTITY_EVENT), .from = deliver_from(d, ref),
		.data = join(d, ENTITY_UNLOCK, SLICE(""), "", list) };
	struct undelivered why;
	struct instance *to = deliver_receiver(d, first_line(list), &why);

	if (!line.from.data || !line.data.data)
		return err_nomem(d->err);
	return to ? deliver_line(d, to, &line) : 0;
}

static const struct event *in_turn(const struct delivery *d, enum event_type type, uint64_t number, bool by_ref)
{
	for (size_t n = 0; n < d->turn->event_count; n++) {
		const struct event *e = &d->turn->events[n];
		if (e->type == type && (by_ref ? e->ref : e->seq) == number)
			return e;
	}
	return NULL;
}

int lock_given_back(struct delivery *d, const struct event *e)
{
	const struct open_item *item = view_find(&d->sender->view, e->ref);
	const struct event *asked = in_turn(d, EVENT_EntityLockRequested, e->ref, false);
	struct event kept;

	if (asked)
		return unlock(d, e->ref, asked->data);
	if (!item || item->type != EVENT_EntityLockRequested)
		return 0;
	return open_item_event(item, &kept, &d->arena) < 0 ? err_nomem(d->err) : unlock(d, e->ref, kept.data);
}

/* Its sender is who wants the lock, not the entity that passes it on. */
static int pass_on(struct delivery *d, const struct event *e)
{
	struct event line = { .type = EVENT_EventRaised, .data = e->data };
	const char *from = arena_printf(&d->arena, "@%.*s/%llu/%llu", SLICE_FMT(e->key), (unsigned long long)e->execution, (unsigned long long)e->ref);
	struct event refused = { .instance = e->key, .execution = e->execution, .ref = e->ref };
	struct undelivered why;

	line.from = from ? slice_of(from) : SLICE_NONE;
	int rc = operation(d, e->instance, &line, e->seq, &why);
	struct instance *who = rc == 0 && why.code ? asker(d, &refused, EVENT_EntityLockRequested) : NULL;
	if (!who)
		return rc;
	struct event no = { .type = EVENT_EntityReplied, .fields = FIELD_REF | FIELD_ERROR, .ref = e->ref,
		.error = { .kind = SLICE("system"), .code = slice_of(why.code), .message = slice_of(why.text) } };
	return deliver_line(d, who, &no);
}

int lock_passed(struct delivery *d, const struct event *e)
{
	struct event line = { .type = EVENT_EntityLockGranted, .fields = FIELD_REF, .ref = e->ref };

	if (e->fields & FIELD_DATA)
		return pass_on(d, e);
	struct instance *to = asker(d, e, EVENT_EntityLockRequested); /* else it is being given back already */
	return to ? deliver_line(d, to, &line) : 0;
}

/* ---- ends ---- */

bool has_locks(const struct instance *i)
{
	for (const struct open_item *item = i->view.open; item; item = item->next)
		if (item->type == EVENT_EntityLockRequested)
			return true;
	return strncmp(i->id, ENTITY_PREFIX, sizeof(ENTITY_PREFIX) - 1) == 0;
}

static int unlock_all(struct delivery *d)
{
	int rc = 0;

	for (const struct open_item *item = d->sender->view.open; rc == 0 && item; item = item->next) {
		struct event asked;
		if (item->type != EVENT_EntityLockRequested || in_turn(d, EVENT_EntityUnlocked, item->seq, true))
			continue;
		rc = open_item_event(item, &asked, &d->arena) < 0 ? err_nomem(d->err) : unlock(d, item->seq, asked.data);
	}
	for (size_t n = 0; rc == 0 && n < d->turn->event_count; n++) {
		const struct event *e = &d->turn->events[n];
		if (e->type == EVENT_EntityLockRequested && !in_turn(d, EVENT_EntityUnlocked, e->seq, true))
			rc = unlock(d, e->seq, e->data);
	}
	return rc;
}

static bool is_in_list(struct slice list, struct slice id)
{
	while (list.len > 0) {
		struct slice first = first_line(list);
		if (slice_eq(first, id))
			return true;
		size_t skip = first.len + (first.len < list.len);
		list = slice_make(list.data + skip, list.len - skip);
	}
	return false;
}

static bool waits_for(struct delivery *d, const struct open_item *item, struct slice id)
{
	struct event e;

	if ((item->type != EVENT_EntityCalled && item->type != EVENT_EntityLockRequested) || item->granted ||
	    open_item_event(item, &e, &d->arena) < 0)
		return false;
	return item->type == EVENT_EntityCalled ? slice_eq(e.instance, id) : is_in_list(e.data, id);
}

/* An entity that has ended: who waits for it would wait for ever. Those that it has answered in this turn do not. */
static int tell_callers(void *arg, struct slice key, void *value)
{
	struct delivery *d = arg;
	struct instance *i = value;
	struct undelivered why;
	int rc = 0;

	if (!i->view.open || !deliver_receiver(d, key, &why) || tail_execution(i) != i->execution)
		return 0;
	for (const struct open_item *item = i->view.open; rc == 0 && item; item = item->next) {
		struct event no = { .type = EVENT_EntityReplied, .fields = FIELD_REF | FIELD_ERROR, .ref = item->seq,
			.error = { .kind = SLICE("system"), .code = SLICE("ended"), .message = SLICE("the entity has ended") } };
		const struct event *answered = in_turn(d, EVENT_EntityAnswered, item->seq, true);
		if (waits_for(d, item, slice_of(d->sender->id)) && !(answered && slice_eq(answered->instance, key)))
			rc = deliver_line(d, i, &no);
	}
	return rc;
}

int locks_of_ended(struct delivery *d)
{
	bool entity = strncmp(d->sender->id, ENTITY_PREFIX, sizeof(ENTITY_PREFIX) - 1) == 0;
	int rc = unlock_all(d);

	return rc == 0 && entity && d->turn->next_count == 0 ? map_each(&d->rt->instances, tell_callers, d) : rc;
}
