/*
 * memory.c - what an orchestration may take. The limit is the same at every replay (E4): all that counts is allocated
 * because of the code and its history, never because of how a turn was run. While replaying twice as much is allowed,
 * so that a limit that was lowered, or a page more in a newer version, does not end what was fine when it was recorded.
 */
#include "engine/internal.h"
#include "base/error.h"

void memory_limit(struct execution *x)
{
	size_t max = x->options.memory_max;

	x->memory.limit = x->live || max > SIZE_MAX / 2 ? max : max * 2;
}

bool memory_has_room(const struct execution *x, size_t size)
{
	size_t half = x->options.memory_max / 2;

	return x->memory.used < half && size < half - x->memory.used;
}

static _Noreturn void failed(struct execution *x, size_t size)
{
	if (x->memory.used < x->memory.limit && size <= x->memory.limit - x->memory.used)
		execution_stop(x, PAWL_ENOMEM, "out of memory in instance '%s'", x->id);
	if (!x->live)
		replay_memory_end(x);
	if (!x->live)
		execution_stop(x, PAWL_ENOMEM,
			       "replay of instance '%s' needs more than %zu bytes, twice its memory limit", x->id,
			       x->memory.limit);
	char message[96];
	snprintf(message, sizeof message, "memory limit of %zu bytes reached", x->options.memory_max);
	execution_end_failed(x, &(pawl_failure){ "system", FAILURE_CODE_MEMORY, message, NULL, false });
}

void *memory_alloc(struct execution *x, size_t size)
{
	void *p = arena_alloc(&x->memory, size);

	if (!p)
		failed(x, size);
	return p;
}

struct slice memory_copy(struct execution *x, struct slice s)
{
	if (s.len == 0)
		return SLICE(""); /* most results of timers and signals */
	struct slice copy = arena_copy(&x->memory, s);
	if (!copy.data)
		failed(x, s.len + 1);
	return copy;
}

static struct slice load_file(struct execution *x, const struct event *e)
{
	struct slice copy = SLICE_NONE;
	struct pawl_error err = { 0 };
	char file[256], *data = NULL;
	size_t len = 0;
	int rc;

	if (!x->options.load_spill || e->data_file.len >= sizeof file)
		execution_stop(x, PAWL_EUNSUPPORTED, "cannot load payload file '%.*s' of instance '%s'",
			       SLICE_FMT(e->data_file), x->id);
	memcpy(file, e->data_file.data, e->data_file.len);
	file[e->data_file.len] = '\0';
	rc = x->options.load_spill(x->options.arg, x->id, file, &data, &len, &err);
	if (rc < 0)
		execution_stop(x, rc, "%s", err.text[0] ? err.text : pawl_strerror(rc));
	/* Not memory_copy: it may leave without return, and data is not in an arena. */
	copy = arena_copy(&x->memory, slice_make(data ? data : "", len));
	free(data);
	if (!copy.data)
		failed(x, len + 1);
	return copy;
}

struct slice memory_payload(struct execution *x, const struct event *e)
{
	if (!(e->fields & FIELD_DATA))
		return SLICE("");
	return e->data.data ? memory_copy(x, e->data) : load_file(x, e);
}
