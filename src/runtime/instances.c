/* instances.c - the live instances in memory: the table, their mail, their stacks, and loading them at start. */
#include "runtime/runtime.h"
#include "base/error.h"
#include "runtime/revive.h"
#include <stdlib.h>

/* ---- mail ---- */

struct mail *mail_new(struct pawl_runtime *rt, enum event_type type)
{
	struct mail *m = calloc(1, sizeof(*m));

	(void)rt;
	if (!m)
		return NULL;
	m->event.type = type;
	arena_init(&m->arena, 0);
	return m;
}

void mail_free(struct mail *m)
{
	if (m->share)
		share_drop(m->share);
	revival_free(m->revival);
	arena_release(&m->arena);
	free(m);
}

/* There are lines that others have put into its history, and its code has not run for them. */
static bool is_to_go_on(const struct pawl_runtime *rt, const struct instance *i)
{
	enum instance_status status = i->view.status;

	return i->started && i->view.unrun && status != STATUS_SUSPENDED && status != STATUS_PENDING && !rt->stopping;
}

bool instance_wants_turn(const struct pawl_runtime *rt, const struct instance *i)
{
	if (i->mail && i->mail->event.type == EVENT_ExecutionTerminated)
		return !i->waits || !generation_is_paused(i); /* no loop that it is in holds that up, but storage trouble does */
	return !i->parked && !generation_is_paused(i) && (i->mail || is_to_go_on(rt, i));
}

bool instance_is_due(const struct pawl_runtime *rt, const struct instance *i)
{
	return !i->committing && instance_wants_turn(rt, i);
}

static void make_ready(struct pawl_runtime *rt, struct instance *i)
{
	if (i->ready || !instance_is_due(rt, i))
		return;
	i->ready = true;
	i->ready_next = NULL;
	*rt->ready_end = i;
	rt->ready_end = &i->ready_next;
}

/* A termination goes in front: it must work on an instance that takes nothing else any more. Behind it, before all that is
 * not in history, comes what is there already, in order. */
static struct mail **place_of(struct instance *i, const struct mail *m)
{
	struct mail **at = &i->mail;

	if (m->event.type == EVENT_ExecutionTerminated) {
		while (i->revived && *at && (*at)->revival) /* it has ended: this one is for the next execution */
			at = &(*at)->next;
		return at;
	}
	if (!m->event.seq)
		return i->mail_end;
	while (*at && ((*at)->event.seq || (*at)->event.type == EVENT_ExecutionTerminated))
		at = &(*at)->next;
	return at;
}

void mail_post(struct pawl_runtime *rt, struct instance *i, struct mail *m)
{
	if (m) {
		struct mail **at = place_of(i, m);
		m->next = *at;
		if (!*at)
			i->mail_end = &m->next;
		*at = m;
	}
	make_ready(rt, i);
}

/* ---- the table ---- */

struct instance *instance_get(struct pawl_runtime *rt, const char *id)
{
	return map_get(&rt->instances, slice_of(id));
}

int instance_id_is_taken(struct pawl_runtime *rt, const char *id, struct pawl_error *err)
{
	char *text = NULL;
	size_t len = 0;
	uint64_t execution;
	int rc = rt->provider->ops->read(rt->provider, id, 0, &text, &len, &execution, err);

	free(text);
	return rc == PAWL_ENOTFOUND ? 0 : rc == 0 ? 1 : rc;
}

struct instance *instance_add(struct pawl_runtime *rt, const char *id)
{
	size_t len = strlen(id);
	struct instance *i = calloc(1, sizeof(*i) + len + 1);

	if (!i)
		return NULL;
	memcpy(i->id, id, len + 1);
	i->execution = 1;
	i->mail_end = &i->mail;
	view_init(&i->view);
	if (map_put(&rt->instances, slice_of(id), i, NULL) < 0) {
		free(i);
		return NULL;
	}
	return i;
}

void instance_unready(struct pawl_runtime *rt, struct instance *i)
{
	struct instance **at = &rt->ready;

	while (i->ready && *at && *at != i)
		at = &(*at)->ready_next;
	if (!i->ready || !*at)
		return;
	*at = i->ready_next;
	if (!*at)
		rt->ready_end = at;
	i->ready = false;
}

/* It may be ready: another one has ended it before its turn came. */
void instance_remove(struct pawl_runtime *rt, struct instance *i)
{
	metrics_note(rt, i, true);
	instance_unready(rt, i);
	if (rt->kept == i)
		rt->kept = NULL;
	effects_drop(rt, i);
	instance_drop_stack(rt, i);
	map_remove(&rt->instances, slice_of(i->id));
	while (i->mail) {
		struct mail *m = i->mail;
		i->mail = m->next;
		if (m->token && !revival_later(rt, m))
			rt->provider->ops->reject(rt->provider, m->token, "the instance has ended");
		if (m->request)
			request_finish(rt, m->request, PAWL_ESTATE, "instance '%s' has ended", i->id);
		mail_free(m);
	}
	generation_release(rt, i);
	tail_free(i);
	view_release(&i->view);
	free(i->turn);
	free(i);
}

/* ---- stacks: the least recently used ones go first ---- */

static void lru_unlink(struct pawl_runtime *rt, struct instance *i)
{
	if (i->lru_prev)
		i->lru_prev->lru_next = i->lru_next;
	else
		rt->lru_first = i->lru_next;
	if (i->lru_next)
		i->lru_next->lru_prev = i->lru_prev;
	else
		rt->lru_last = i->lru_prev;
	i->lru_next = i->lru_prev = NULL;
}

static void lru_link(struct pawl_runtime *rt, struct instance *i)
{
	i->lru_next = rt->lru_first;
	if (rt->lru_first)
		rt->lru_first->lru_prev = i;
	else
		rt->lru_last = i;
	rt->lru_first = i;
}

static bool in_lru(const struct pawl_runtime *rt, const struct instance *i)
{
	return i->lru_prev || rt->lru_first == i;
}

void instance_drop_stack(struct pawl_runtime *rt, struct instance *i)
{
	if (!i->x)
		return;
	if (in_lru(rt, i)) {
		lru_unlink(rt, i);
		rt->resident--;
	}
	execution_free(i->x);
	i->x = NULL;
}

void instance_touch(struct pawl_runtime *rt, struct instance *i)
{
	if (in_lru(rt, i))
		lru_unlink(rt, i);
	else
		rt->resident++;
	lru_link(rt, i);
}

/* Once for each commit: the events of a turn under way belong to its execution, so while it is, its stack cannot go. */
void instances_trim(struct pawl_runtime *rt)
{
	for (struct instance *i = rt->lru_last; i && rt->resident > rt->config.engine.resident_max;) {
		struct instance *before = i->lru_prev;
		if (!i->committing) {
			instance_drop_stack(rt, i);
			rt->dropped_stacks++;
		}
		i = before;
	}
}

/* ---- parking ---- */

void instance_park(struct pawl_runtime *rt, struct instance *i, enum parked why, const char *text)
{
	instance_drop_stack(rt, i);
	i->parked = why;
	metrics_note(rt, i, false);
	log_warning("instance '%s' is parked: %s", i->id, text);
	rt->provider->ops->note(rt->provider, i->id, text);
}

static int unpark(void *arg, struct slice key, void *value)
{
	struct pawl_runtime *rt = arg;
	struct instance *i = value;

	(void)key;
	if (!i->parked || i->parked == PARKED_DAMAGED)
		return 0;
	i->parked = NOT_PARKED;
	metrics_note(rt, i, false);
	rt->provider->ops->note(rt->provider, i->id, NULL);
	make_ready(rt, i);
	return 0;
}

void instances_unpark(struct pawl_runtime *rt)
{
	(void)map_each(&rt->instances, unpark, rt);
}

/* ---- loading at start ---- */

int instance_apply(struct instance *i, const struct event *events, size_t count, struct pawl_error *err)
{
	for (size_t n = 0; n < count; n++) {
		int rc = view_apply(&i->view, &events[n]);
		if (rc == PAWL_ENOMEM)
			return err_nomem(err);
		if (rc < 0)
			return err_set(err, PAWL_ECORRUPT, "line %llu does not follow from those before it", (unsigned long long)events[n].seq);
	}
	return 0;
}

/* The end of an execution and the first lines of the next are one commit: with only one of them, lines were lost. */
static int check_generation(const struct instance *i, size_t lines, struct pawl_error *err)
{
	if (lines == 0 && i->execution > 1)
		return err_set(err, PAWL_ECORRUPT, "execution %llu has no whole turn, and the one before it has ended", (unsigned long long)i->execution);
	if (i->view.status == STATUS_CONTINUED_AS_NEW)
		return err_set(err, PAWL_ECORRUPT, "execution %llu was continued as new, but the next one is not there", (unsigned long long)i->execution);
	return 0;
}

static int load_history(struct pawl_runtime *rt, struct instance *i, bool *empty, struct pawl_error *err)
{
	struct history h;
	char *text = NULL;
	size_t len = 0;
	int rc = rt->provider->ops->read(rt->provider, i->id, 0, &text, &len, &i->execution, err);

	if (rc < 0)
		return rc;
	*empty = len == 0 && i->execution <= 1;
	history_init(&h);
	rc = history_parse(&h, slice_make(text, len), err);
	if (rc == 0)
		rc = instance_apply(i, h.events, h.count, err);
	if (rc == 0)
		rc = check_generation(i, h.count, err);
	i->loaded = true;
	i->history_bytes = h.bytes;
	if (rc == 0 && h.torn_bytes)
		log_warning("instance '%s': a torn tail of %zu bytes is cut from its history", i->id, h.torn_bytes);
	history_release(&h);
	free(text);
	return rc;
}

#define READ_TRIES 3

/* A disk that failed once may do better the next time, and only a person takes back what is set aside. */
static int load_patiently(struct pawl_runtime *rt, struct instance *i, bool *empty, struct pawl_error *err)
{
	int rc = load_history(rt, i, empty, err);

	for (int n = 1; rc == PAWL_EIO && n < READ_TRIES; n++)
		rc = load_history(rt, i, empty, err);
	return rc;
}

static void set_aside(struct pawl_runtime *rt, struct instance *i, const char *why)
{
	i->parked = PARKED_DAMAGED;
	(void)rt->provider->ops->quarantine(rt->provider, i->id, why, NULL);
}

/* Nothing of this instance: no memory, too many open files. The start fails, and another one can be tried. */
static bool is_for_all(int rc)
{
	enum pawl_error_class class = pawl_error_class(rc);

	return rc != PAWL_EIO && (class == PAWL_CLASS_RETRYABLE || class == PAWL_CLASS_NOSPACE);
}

struct loading {
	struct pawl_runtime *rt;
	struct pawl_error *err;
};

/* Bad state is set aside, reported and survived (I6). What is wrong with this process (no descriptor or memory left) is not
 * the instance's fault: then it does not start. */
static int load_one(void *arg, const char *id)
{
	const struct loading *l = arg;
	struct pawl_runtime *rt = l->rt;
	struct pawl_error err = { 0 };
	bool quarantined, empty = false;
	struct instance *i = instance_add(rt, id);

	if (!i)
		return PAWL_ENOMEM;
	char *note = rt->provider->ops->read_note(rt->provider, id, &quarantined);
	if (note && quarantined)
		i->parked = PARKED_DAMAGED;
	else if (note)
		rt->provider->ops->note(rt->provider, id, NULL); /* parked by an earlier run: perhaps the code is right now */
	free(note);
	if (i->parked)
		return 0;
	int rc = load_patiently(rt, i, &empty, &err);
	if (is_for_all(rc)) {
		if (l->err)
			*l->err = err;
		return rc;
	}
	if (rc == PAWL_EIO) { /* perhaps this file only; it is not known to be damaged, so the next start looks again */
		i->parked = PARKED_DAMAGED;
		log_error("instance '%s' is set aside until the next start: %s", id, err.text);
		rt->provider->ops->note(rt->provider, id, err.text);
	} else if (rc < 0) {
		set_aside(rt, i, err.text);
	} else if (empty) {
		map_remove(&rt->instances, slice_of(id)); /* its start is still in the mailbox */
		view_release(&i->view);
		free(i);
	} else if (i->view.has_unknown) {
		i->started = true;
		instance_park(rt, i, PARKED_UNREADABLE, "its history was written by a newer pawl: run that version");
	} else if (status_is_ended(i->view.status)) {
		works_left_behind(rt, id, i->execution, NULL);
		effects_archive(rt, id);
		instance_remove(rt, i);
	} else {
		i->started = true;
	}
	return 0;
}

static int resume_one(void *arg, struct slice key, void *value)
{
	struct instance *i = value;

	(void)key;
	metrics_note(arg, i, false);
	if (i->started)
		executions_continued(arg, i);
	if (i->started && !i->parked) {
		effects_resume(arg, i);
		make_ready(arg, i);
	}
	return 0;
}

int instances_load(struct pawl_runtime *rt, struct pawl_error *err)
{
	struct loading l = { rt, err };
	int rc = rt->provider->ops->scan(rt->provider, false, load_one, &l, err);

	if (rc == PAWL_ENOMEM)
		return err_nomem(err);
	if (rc == 0)
		(void)map_each(&rt->instances, resume_one, rt);
	return rc;
}

/* At the end of the runtime: what is in mail stays in the mailbox, unacknowledged. */
static int release_one(void *arg, struct slice key, void *value)
{
	struct instance *i = value;

	(void)key;
	for (struct mail *m = i->mail; m; m = m->next)
		m->token = NULL;
	instance_remove(arg, i);
	return 0;
}

void instances_release(struct pawl_runtime *rt)
{
	rt->ready = NULL;
	rt->ready_end = &rt->ready;
	(void)map_each(&rt->instances, release_one, rt);
	map_release(&rt->instances);
}
