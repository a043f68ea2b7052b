#include "unit/engine_world.h"
#include "base/crc32c.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char boot_id[] = "1f3a77c0";

static int load_file(void *arg, const char *instance, const char *file, char **out, size_t *len, struct pawl_error *err)
{
	struct world *w = arg;
	size_t n = strtoul(file + 1, NULL, 10);

	(void)err;
	assert_string_equal(instance, "order-1");
	assert_true(file[0] == 'p' && n < w->file_count);
	*len = w->file_len[n];
	*out = malloc(*len + 1);
	assert_non_null(*out);
	memcpy(*out, w->files[n], *len);
	return 0;
}

static void make(struct world *w, int which)
{
	struct engine_options options = w->options;

	options.resident = which != WORLD_REPLAY;
	assert_int_equal(execution_new(&w->x[which], w->id, w->number, w->fn, &options, NULL), 0);
}

void world_init(struct world *w, pawl_orchestration_fn fn)
{
	memset(w, 0, sizeof *w);
	w->fn = fn;
	w->options.load_spill = load_file;
	w->options.arg = w;
	w->time_ns = WORLD_TIME + 789; /* what is beyond a microsecond must not matter */
	w->boot_ms = 5000;
	w->random = 42;
	w->id = "order-1";
	w->number = 3;
	buf_init(&w->next);
	w->drop_one_in = 3;
	buf_init(&w->text);
	view_init(&w->view);
	arena_init(&w->arena, 0);
}

void world_release(struct world *w)
{
	for (int i = 0; i < WORLD_EXECUTIONS; i++)
		execution_free(w->x[i]);
	for (size_t i = 0; i < w->file_count; i++)
		free(w->files[i]);
	buf_release(&w->text);
	buf_release(&w->next);
	view_release(&w->view);
	arena_release(&w->arena);
}

void world_deploy(struct world *w, pawl_orchestration_fn fn)
{
	w->fn = fn;
	for (int i = 0; i < WORLD_EXECUTIONS; i++) {
		execution_free(w->x[i]);
		w->x[i] = NULL;
	}
}

/* ---- messages ---- */

struct message *world_message(struct world *w, const struct event *e)
{
	if (w->sent)
		w->message_count = 0;
	w->sent = false;
	assert_true(w->message_count < WORLD_MESSAGES_MAX);
	struct message *m = &w->messages[w->message_count++];
	memset(m, 0, sizeof *m);
	assert_int_equal(event_copy(&m->event, e, &w->arena), 0);
	return m;
}

void world_start(struct world *w, const char *input)
{
	struct event e = { .type = EVENT_ExecutionStarted, .fields = FIELD_NAME | FIELD_VERSION | FIELD_SEED,
			   .name = SLICE("flow"), .version = SLICE("1.0.0"), .seed = { 7, 11 }, .data = slice_of(input) };

	if (input)
		e.fields |= FIELD_DATA;
	world_message(w, &e);
	world_turn(w);
}

struct message *world_complete(struct world *w, uint64_t ref, const char *output)
{
	struct event e = { .type = EVENT_ActivityCompleted, .fields = FIELD_REF, .ref = ref, .data = slice_of(output) };

	if (output)
		e.fields |= FIELD_DATA;
	return world_message(w, &e);
}

struct message *world_fail(struct world *w, uint64_t ref, uint32_t attempt, const char *code, bool retryable)
{
	struct event e = { .type = EVENT_ActivityFailed, .fields = FIELD_REF | FIELD_ERROR | FIELD_ATTEMPT, .ref = ref,
			   .attempt = attempt };

	e.error = (struct failure){ SLICE("process"), slice_of(code), SLICE("it broke"), SLICE_NONE, retryable };
	return world_message(w, &e);
}

struct message *world_fire(struct world *w, uint64_t ref)
{
	return world_message(w, &(struct event){ .type = EVENT_TimerFired, .fields = FIELD_REF, .ref = ref });
}

struct message *world_raise_with(struct world *w, const char *name, const char *data, const char *id, const char *key)
{
	struct event e = { .type = EVENT_EventRaised, .fields = FIELD_NAME, .name = slice_of(name),
			   .data = slice_of(data), .id = slice_of(id), .key = slice_of(key) };

	e.fields |= (data ? FIELD_DATA : 0) | (id ? FIELD_ID : 0) | (key ? FIELD_KEY : 0);
	return world_message(w, &e);
}

struct message *world_raise(struct world *w, const char *name, const char *data)
{
	return world_raise_with(w, name, data, NULL, NULL);
}

struct message *world_plain(struct world *w, enum event_type type)
{
	return world_message(w, &(struct event){ .type = type });
}

/* ---- a turn ---- */

void world_history(struct world *w, struct history *h)
{
	struct pawl_error err = { 0 };

	history_init(h);
	if (history_parse(h, buf_slice(&w->text), &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(h->torn_bytes, 0);
}

static struct event spilled(struct world *w, const struct event *e)
{
	struct event copy = *e;
	char name[16];

	if (!w->spill_bytes || !(e->fields & FIELD_DATA) || !e->data.data || e->data.len <= w->spill_bytes)
		return copy;
	size_t n = w->file_count++;
	assert_true(n < WORLD_FILES_MAX);
	w->files[n] = malloc(e->data.len);
	memcpy(w->files[n], e->data.data, e->data.len);
	w->file_len[n] = e->data.len;
	snprintf(name, sizeof name, "p%zu", n);
	copy.data = SLICE_NONE;
	copy.data_file = slice_of(arena_strdup(&w->arena, name));
	copy.data_len = e->data.len;
	copy.data_crc = crc32c(0, e->data.data, e->data.len);
	return copy;
}

/* A turn begins with the first thing that comes in after a decision; what the code decides in a turn of delivered lines, and
 * what holds it back before it does, has no time. */
static void encode(struct world *w, struct buf *out, const struct turn *t)
{
	bool joins = t->event_count && !t->events[0].has_time && w->view.unrun;

	for (size_t i = 0; i < t->event_count; i++) {
		bool in = event_type_class(t->events[i].type) & EVENT_IN;
		bool after_in = i > 0 && event_type_class(t->events[i - 1].type) & EVENT_IN;

		assert_int_equal(t->events[i].has_time, in && !after_in && (i > 0 || !joins));
		assert_int_equal(event_encode(out, &t->events[i]), 0);
	}
}

static void encode_next(struct buf *out, const struct turn *t)
{
	for (size_t i = 0; i < t->next_count; i++) {
		assert_int_equal(t->next[i].has_time, i == 0);
		assert_int_equal(t->next[i].seq, i + 1);
		assert_int_equal(event_encode(out, &t->next[i]), 0);
	}
}

static bool dice(struct world *w, unsigned one_in)
{
	return prng_mix(&w->dice) % one_in == 0;
}

static void run(struct world *w, int which, struct message *messages, struct turn *t)
{
	struct pawl_error err = { 0 };
	struct history h;

	history_init(&h);
	if (which == WORLD_DROPPED && dice(w, w->drop_one_in)) {
		execution_free(w->x[which]);
		w->x[which] = NULL;
	}
	if (!w->x[which] || !execution_is_resident(w->x[which])) {
		execution_free(w->x[which]);
		make(w, which);
		world_history(w, &h);
		assert_int_equal(execution_load(w->x[which], &h, NULL), 0);
	}
	*t = (struct turn){ .time_ns = w->time_ns, .boot_ms = w->boot_ms, .boot = slice_of(boot_id),
			    .random = w->random, .messages = messages, .message_count = w->message_count };
	if (execution_turn(w->x[which], t, &err) < 0)
		fail_msg("turn %u of execution %d: %s", w->turns, which, err.text);
	history_release(&h); /* nothing may point into it any more */
	assert_true(execution_memory(w->x[which]) > 0);
	assert_null(execution_mismatch(w->x[which]));
}

static void compare(struct world *w, const struct turn *t, const struct message *messages, const struct buf *expected)
{
	struct buf text = BUF_INIT;

	encode(w, &text, t);
	encode_next(&text, t);
	assert_string_equal(buf_str(&text), buf_str(expected));
	assert_int_equal(t->ended, w->ended);
	for (size_t i = 0; i < w->message_count; i++)
		assert_int_equal(messages[i].result, w->messages[i].result);
	buf_release(&text);
}

static void append(struct world *w, const struct turn *t)
{
	w->turn_text = w->text.len;
	w->turn_events = t->event_count;
	for (size_t i = 0; i < t->event_count; i++) {
		struct event e = spilled(w, &t->events[i]);

		assert_int_equal(event_encode(&w->text, &e), 0);
		assert_int_equal(view_apply(&w->view, &e), 0);
	}
}

void world_turn(struct world *w)
{
	struct message *messages = malloc(sizeof *messages * (w->message_count + 1));
	struct buf expected = BUF_INIT;
	struct turn kept, other;

	if (w->sent)
		w->message_count = 0;
	run(w, WORLD_KEPT, w->messages, &kept);
	w->ended = kept.ended;
	encode(w, &expected, &kept);
	buf_reset(&w->next);
	encode_next(&w->next, &kept);
	buf_add_slice(&expected, buf_slice(&w->next));
	for (int which = WORLD_DROPPED; which < WORLD_EXECUTIONS; which++) {
		if (w->message_count)
			memcpy(messages, w->messages, w->message_count * sizeof *messages);
		run(w, which, messages, &other);
		compare(w, &other, messages, &expected);
	}
	append(w, &kept);
	w->ran = true;
	buf_release(&expected);
	free(messages);
	w->sent = true;
	w->turns++;
	w->time_ns += 1000000000;
	w->boot_ms += 1000;
}

struct message *world_deliver(struct world *w, const struct event *e)
{
	struct event line = *e;

	line.seq = w->view.next_seq;
	line.has_time = !w->view.unrun || w->ran;
	line.time_ns = line.has_time ? w->time_ns : 0;
	assert_int_equal(event_encode(&w->text, &line), 0);
	assert_int_equal(view_apply(&w->view, &line), 0);
	assert_true(w->view.unrun);
	w->ran = false;
	return world_message(w, &line);
}

void world_next(struct world *w)
{
	struct history h;

	assert_true(w->ended && w->next.len > 0);
	for (int i = 0; i < WORLD_EXECUTIONS; i++) {
		execution_free(w->x[i]);
		w->x[i] = NULL;
	}
	view_release(&w->view);
	buf_reset(&w->text);
	buf_add_slice(&w->text, buf_slice(&w->next));
	w->number++;
	w->ended = w->ran = false;
	world_history(w, &h);
	for (size_t i = 0; i < h.count; i++)
		assert_int_equal(view_apply(&w->view, &h.events[i]), 0);
	history_release(&h);
}

void world_completes(struct world *w, uint64_t ref, const char *output)
{
	world_complete(w, ref, output);
	world_turn(w);
}

void world_fires(struct world *w, uint64_t ref)
{
	world_fire(w, ref);
	world_turn(w);
}

void world_raises(struct world *w, const char *name, const char *data)
{
	world_raise(w, name, data);
	world_turn(w);
}

/* ---- looking ---- */

static const char *describe(struct world *w, size_t from)
{
	struct buf out = BUF_INIT;
	struct history h;
	char line[512];

	world_history(w, &h);
	for (size_t i = from; i < h.count; i++) {
		decision_describe(line, sizeof line, &h.events[i]);
		buf_addf(&out, "%s%llu %s", i > from ? "\n" : "", (unsigned long long)h.events[i].seq, line);
	}
	const char *text = arena_strdup(&w->arena, buf_str(&out));
	buf_release(&out);
	history_release(&h);
	return text;
}

const char *world_last(struct world *w)
{
	return describe(w, (size_t)w->view.next_seq - 1 - w->turn_events);
}

const char *world_all(struct world *w)
{
	return describe(w, 0);
}

int world_verify(struct world *w, pawl_orchestration_fn fn, struct mismatch *m)
{
	struct execution *x;
	struct history h;

	w->err = (struct pawl_error){ 0 };
	world_history(w, &h);
	assert_int_equal(execution_new(&x, w->id, w->number, fn, &w->options, NULL), 0);
	assert_int_equal(execution_load(x, &h, NULL), 0);
	int rc = execution_verify(x, &w->err);
	assert_int_equal(rc, w->err.code);
	if (m && execution_mismatch(x))
		*m = *execution_mismatch(x);
	assert_int_equal(execution_mismatch(x) != NULL, rc == PAWL_ENONDETERMINISM);
	execution_free(x);
	history_release(&h);
	return rc;
}

/* "1 ExecutionStarted ..." of the next execution, with what decision_describe leaves out. */
void world_assert_next_(struct world *w, const char *text, const char *file, int line_number)
{
	struct buf out = BUF_INIT;
	struct history h;
	char line[512];

	history_init(&h);
	assert_int_equal(history_parse(&h, buf_slice(&w->next), NULL), 0);
	for (size_t i = 0; i < h.count; i++) {
		const struct event *e = &h.events[i];
		decision_describe(line, sizeof line, e);
		buf_addf(&out, "%s%llu %s", i ? "\n" : "", (unsigned long long)e->seq, line);
		if (e->fields & FIELD_EXECUTION)
			buf_addf(&out, " execution %llu", (unsigned long long)e->execution);
		if (e->fields & FIELD_ID)
			buf_addf(&out, " id '%.*s'", SLICE_FMT(e->id));
	}
	_assert_string_equal(buf_str(&out), text, file, line_number);
	buf_release(&out);
	history_release(&h);
}
