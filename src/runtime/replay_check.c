/*
 * replay_check.c - see replay_check.h.
 *
 * A mistake in orchestration code (a clock, a static variable, the order of pointers) shows only when history is replayed:
 * after a restart, perhaps in the field. With this it shows in the turn that makes it, before anything of that turn has
 * happened. It costs a replay of the whole history for each turn, so it is for development.
 */
#include "runtime/replay_check.h"
#include "base/error.h"
#include <stdlib.h>

#define HINT "look for static and global variables, time(), rand(), getenv(), files, the order of pointers or of a hash table, " \
	"and memory that is not set; `pawl check` lists what a plugin uses of the C library"

/* Terminated, rewound ...: its code does not run for that, and may not be there. */
static bool is_ended_from_outside(const struct turn *t)
{
	unsigned class = event_type_class(t->events[t->event_count - 1].type);

	return class & EVENT_END && class & EVENT_IN;
}

static int add_stored(struct pawl_runtime *rt, const struct instance *i, struct buf *text, struct pawl_error *err)
{
	char *stored = NULL;
	uint64_t which;
	size_t len = 0;

	if (!i->started)
		return 0;
	int rc = rt->provider->ops->read(rt->provider, i->id, i->execution, &stored, &len, &which, err);
	if (rc == 0)
		buf_add(text, stored, len);
	free(stored);
	return rc;
}

/* Large payloads stay in their lines here: they are in no file yet. */
static int add_new(const struct turn *t, struct buf *text, struct pawl_error *err)
{
	int rc = 0;

	for (size_t n = 0; rc == 0 && n < t->event_count; n++)
		rc = event_encode(text, &t->events[n]);
	if (rc == 0 && !buf_ok(text))
		rc = PAWL_ENOMEM;
	return rc == PAWL_ENOMEM ? err_nomem(err) : rc < 0 ? err_set(err, rc, "a decision cannot be written") : 0;
}

static pawl_orchestration_fn find_code(struct pawl_runtime *rt, const struct history *h)
{
	const struct event *start = &h->events[0];
	char name[TEXT_NAME_MAX + 1], version[TEXT_NAME_MAX + 1];

	snprintf(name, sizeof(name), "%.*s", SLICE_FMT(start->name));
	snprintf(version, sizeof(version), "%.*s", SLICE_FMT(start->version));
	const struct pawl_registration *def = registry_orchestration(rt->registry, name, version);
	return def ? def->orchestration : NULL;
}

static int replay(struct pawl_runtime *rt, const struct instance *i, const struct history *h, struct pawl_error *err)
{
	struct engine_options options = rt->engine;
	struct execution *x = NULL;
	pawl_orchestration_fn fn = find_code(rt, h);

	if (!fn)
		return 0; /* a reload has just taken it away: nothing to compare with */
	options.log = NULL;
	int rc = execution_new(&x, i->id, i->execution, fn, &options, err);
	if (rc == 0)
		rc = execution_load(x, h, err);
	if (rc == 0)
		rc = execution_verify(x, err);
	execution_free(x);
	return rc;
}

static int tell(struct pawl_runtime *rt, const struct instance *i, struct pawl_error *err)
{
	(void)err_wrap(err, "decides something else when it is replayed");
	log_error("instance '%s': %s; its turn was not committed", i->id, err->text);
	log_error("%s", HINT);
	if (!rt->failed) {
		rt->fatal = *err;
		(void)err_wrap(&rt->fatal, "instance '%s'", i->id);
		rt->failed = true;
	}
	return PAWL_ENONDETERMINISM;
}

int replay_check(struct pawl_runtime *rt, struct instance *i, struct pawl_error *err)
{
	const struct turn *t = i->turn;
	struct buf text = BUF_INIT;
	struct history h;

	if (!rt->config.engine.check_replay || t->event_count == 0 || is_ended_from_outside(t))
		return 0;
	history_init(&h);
	int rc = add_stored(rt, i, &text, err);
	if (rc == 0)
		rc = add_new(t, &text, err);
	if (rc == 0)
		rc = history_parse(&h, buf_slice(&text), err);
	if (rc == 0)
		rc = replay(rt, i, &h, err);
	if (rc == PAWL_ENONDETERMINISM)
		rc = tell(rt, i, err);
	history_release(&h);
	buf_release(&text);
	return rc;
}
