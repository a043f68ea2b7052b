/*
 * generations.c - continue-as-new: an instance goes on as its next execution.
 *
 *	turn ended, next lines ──one commit──► generation_next ──► the code begins with the next turn ──► ...
 *	                             │                                   ▲
 *	                             └ crash: loaded as the next ────────┘
 *
 * What was open is canceled as at any end. Mail that answers the execution before is dropped: it names a line of that one.
 * Mail from outside stays, for the next.
 *
 * Messages that are seen again (I2). A message is removed after its commit; a kill, or a power cut that takes back the
 * removal, shows it again at the next start, when the execution that took it may be some executions ago. So what comes
 * soon after a start is looked up in the histories of those before: as many as a file system may have kept removals from
 * the disk for. Nothing extra is written for it, and later nothing is looked up.
 *
 * A loop that never waits: after 100 executions within a second that did nothing but begin the next one, each waits.
 */
#include "runtime/removal.h"
#include "runtime/runtime.h"
#include "base/error.h"
#include "runtime/revive.h"
#include <stdlib.h>

#define LOOP_MAX 100
#define LOOP_WINDOW_NS 1000000000ll
#define PAUSE_FIRST_NS 100000000ll
#define PAUSE_MAX_NS 1000000000ll
#define PAUSES_EACH 10 /* then they are longer */
#define OLDER_EXECUTIONS 1000        /* are looked at ... */
#define OLDER_BYTES (8u << 20)       /* ... up to so much of history */

struct generation {
	struct heap_node node; /* first: in rt->pauses while the code may not begin */
	struct instance *instance;
	/* executions in a row that did nothing but begin the next */
	unsigned count, pauses;
	int64_t since_ns;
	size_t carried;        /* events, into this one */
	struct map older;      /* ids of messages that it and those before have taken */
	bool has_older;
};

static struct generation *generation_of(struct instance *i)
{
	if (!i->generation)
		i->generation = calloc(1, sizeof(*i->generation));
	if (i->generation)
		i->generation->instance = i;
	return i->generation;
}

static void older_free(struct generation *g)
{
	if (g->has_older)
		map_release(&g->older);
	g->has_older = false;
}

void generation_release(struct pawl_runtime *rt, struct instance *i)
{
	struct generation *g = i->generation;

	if (!g)
		return;
	heap_remove(&rt->pauses, &g->node);
	older_free(g);
	free(g);
	i->generation = NULL;
}

/* ---- what executions before have taken ---- */

static int remember(struct generation *g, const struct history *h)
{
	int rc = 0;

	for (size_t n = 0; rc == 0 && n < h->count; n++) {
		const struct event *e = &h->events[n];
		if (e->fields & FIELD_ID)
			rc = map_put(&g->older, e->id, g, NULL);
	}
	return rc;
}

/* 1: it was read; 0: it is gone, or cannot be read. */
static int remember_execution(struct pawl_runtime *rt, struct generation *g, uint64_t execution, size_t *bytes)
{
	struct history h;
	char *text = NULL;
	size_t len = 0;
	uint64_t which;

	if (rt->provider->ops->read(rt->provider, g->instance->id, execution, &text, &len, &which, NULL) < 0)
		return 0;
	history_init(&h);
	int rc = history_parse(&h, slice_make(text, len), NULL);
	if (rc != PAWL_ENOMEM)
		rc = remember(g, &h); /* of a damaged one what is in front of the damage */
	*bytes += len;
	history_release(&h);
	free(text);
	return rc < 0 ? rc : 1;
}

/* Out of memory: the message is taken once more, rather than never. */
static void older_load(struct pawl_runtime *rt, struct generation *g)
{
	uint64_t newest = g->instance->execution;
	size_t bytes = 0;
	int rc = 1;

	map_init(&g->older);
	g->has_older = true;
	for (unsigned n = 0; rc > 0 && n < OLDER_EXECUTIONS && n < newest && bytes < OLDER_BYTES; n++)
		rc = remember_execution(rt, g, newest - n, &bytes);
	if (rc < 0)
		log_warning("instance '%s': out of memory to compare a message with those that its executions have taken", g->instance->id);
}

bool generation_took(struct pawl_runtime *rt, struct instance *i, const char *message_id)
{
	struct generation *g;

	if (!i->loaded)
		return false;
	if (rt->os->boot_ns(rt->os->self) - rt->opened_ns > OLDER_FOR_NS) {
		i->loaded = false;
		if (i->generation)
			older_free(i->generation);
		return false;
	}
	g = generation_of(i);
	if (g && !g->has_older)
		older_load(rt, g);
	return g && map_get(&g->older, slice_of(message_id));
}

/* ---- loops ---- */

bool generation_is_paused(const struct instance *i)
{
	return i->generation && i->generation->node.index != 0;
}

void generations_resume(struct pawl_runtime *rt, int64_t now)
{
	struct heap_node *n;

	while ((n = heap_min(&rt->pauses)) && n->key <= now) {
		heap_remove(&rt->pauses, n);
		mail_post(rt, ((struct generation *)n)->instance, NULL);
	}
}

bool generation_pause(struct pawl_runtime *rt, struct instance *i, int64_t wait_ns)
{
	struct generation *g = generation_of(i);

	return g && (g->node.index != 0 || heap_push(&rt->pauses, &g->node, rt->os->boot_ns(rt->os->self) + wait_ns) == 0);
}

static void pause_next(struct pawl_runtime *rt, struct generation *g, int64_t now)
{
	int64_t wait = PAUSE_FIRST_NS * (1 + g->pauses / PAUSES_EACH);

	if (g->pauses == 0)
		log_warning("instance '%s' has continued as new %d times within a second without waiting for anything: it is slowed down; let it wait for a timer or an event",
		            g->instance->id, LOOP_MAX);
	if (heap_push(&rt->pauses, &g->node, now + wait) < 0)
		return; /* it goes on without a pause */
	if (wait < PAUSE_MAX_NS)
		g->pauses++;
}

/* Did this execution do anything but begin the next? One that took an event is on its way to the last of them. */
static bool is_idle(const struct turn *t, size_t carried_in)
{
	for (size_t n = 0; n < t->event_count; n++) {
		enum event_type type = t->events[n].type;
		if (type == EVENT_EventRaised || (t->events[n].has_time && type != EVENT_ExecutionStarted))
			return false; /* of a later turn: it had waited */
	}
	return t->next_count - 1 >= carried_in;
}

static void guard_loop(struct pawl_runtime *rt, struct instance *i, const struct turn *t)
{
	struct generation *g = generation_of(i);
	int64_t now = rt->os->boot_ns(rt->os->self);

	if (!g)
		return;
	bool idle = is_idle(t, g->carried);
	g->carried = t->next_count - 1;
	if (!idle) {
		g->count = g->pauses = 0;
		return;
	}
	if (g->count == 0 || (g->count < LOOP_MAX && now - g->since_ns > LOOP_WINDOW_NS)) {
		g->count = 0;
		g->since_ns = now;
	}
	if (g->count < LOOP_MAX)
		g->count++;
	else
		pause_next(rt, g, now);
}

/* ---- the next execution ---- */

/* Answers to lines of the execution before, and those lines; what comes from outside is for the instance. */
static bool is_of_execution(const struct event *e)
{
	return e->seq || e->fields & FIELD_REF || e->type == EVENT_CancelDeadlinePassed;
}

static void drop_answers(struct pawl_runtime *rt, struct instance *i)
{
	struct mail **at = &i->mail;

	while (*at) {
		struct mail *m = *at;
		if (!is_of_execution(&m->event)) {
			at = &m->next;
			continue;
		}
		*at = m->next;
		if (m->token)
			rt->provider->ops->reject(rt->provider, m->token, "it is for an execution that has ended");
		mail_free(m);
	}
	i->mail_end = at;
}

/* Messages that were seen again while the first execution was the newest: until now its own history told which it had. */
static void drop_taken(struct pawl_runtime *rt, struct instance *i)
{
	struct mail **at = &i->mail;

	while (i->loaded && i->execution == 2 && *at) {
		struct mail *m = *at;
		if (m->revival || !(m->event.fields & FIELD_ID) || !generation_took(rt, i, m->event.id.data)) {
			at = &m->next;
			continue;
		}
		*at = m->next;
		if (!*at)
			i->mail_end = at;
		if (m->token)
			rt->provider->ops->ack(rt->provider, m->token);
		mail_free(m);
	}
}

void generation_next(struct pawl_runtime *rt, struct instance *i, const struct turn *t, size_t bytes)
{
	struct pawl_error err = { 0 };

	log_debug("instance '%s': continued as execution %llu", i->id, (unsigned long long)i->execution + 1);
	effects_drop(rt, i);
	view_release(&i->view);
	i->execution++;
	i->history_bytes = bytes;
	if (instance_apply(i, t->next, t->next_count, &err) < 0) {
		/* history is right and on disk; only this picture of it is not */
		log_error("instance '%s': %s; restart to build its view anew", i->id, err.text);
		rt->failed = true;
	}
	drop_answers(rt, i);
	drop_taken(rt, i);
	if (i->reviving)
		revive_began(rt, i);
	else
		guard_loop(rt, i, t);
	effects_of_open(rt, i); /* what goes over with a time of its own */
	executions_continued(rt, i);
	inbox_attend(rt, i);
}
