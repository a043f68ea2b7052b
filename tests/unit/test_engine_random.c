/*
 * Random orchestrations, random messages, random drops: three executions of one program must decide the same (world).
 *
 * The program is the input of the instance: two digits for each step, what to do and with what. All that the code can
 * see (results, failures, times, random numbers, which task was first) goes into a hash, on which steps depend and
 * which is shown in statuses and the output; so the smallest difference shows in the history.
 *
 * PAWL_TEST_SEED=N runs that seed only, PAWL_TEST_RUNS=N so many from the first.
 */
#include "unit/engine_world.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the program, in its three versions: patches are new in the second, deprecated ones gone in the third ---- */

static int code_version;

#define TASKS 10

struct machine {
	pawl_ctx *ctx;
	uint64_t hash;
	pawl_task *tasks[TASKS];
};

static void mix(struct machine *m, const void *data, size_t len)
{
	const unsigned char *p = data;

	for (size_t i = 0; i < len; i++)
		m->hash = (m->hash ^ p[i]) * UINT64_C(0x100000001b3);
}

static void mix_text(struct machine *m, const char *text)
{
	mix(m, text ? text : "(null)", text ? strlen(text) : 6);
}

static void mix_failure(struct machine *m, const pawl_failure *f)
{
	if (!f)
		return;
	mix_text(m, f->kind);
	mix_text(m, f->code);
	mix_text(m, f->message);
	mix_text(m, f->details);
	mix(m, &(int){ f->retryable }, sizeof(int));
}

static void mix_task(struct machine *m, const pawl_task *task)
{
	mix(m, &(int){ pawl_is_done(task) }, sizeof(int));
	if (pawl_result(task))
		mix(m, pawl_result(task), pawl_result_len(task));
	mix_failure(m, pawl_task_failure(task));
}

static pawl_task *begin_activity(struct machine *m, int arg)
{
	static const char *const codes[] = { "exit:1", NULL };
	pawl_retry retry = { .max_attempts = (uint32_t)arg, .first_ms = 100, .coefficient = 1.5, .jitter = 0.3,
			     .total_ms = arg % 2 ? 20000 : 0, .not_on = codes };
	pawl_call_options o = { .retry = arg % 3 ? &retry : NULL, .tag = arg % 4 == 1 ? "net" : NULL,
				.priority = (uint32_t)arg };

	return pawl_activity_with(m->ctx, arg == 9 ? "bad name" : "work",
				  pawl_printf(m->ctx, "%016llx", (unsigned long long)m->hash), &o);
}

static size_t begun(const struct machine *m, pawl_task **list, int arg)
{
	size_t n = 0;

	for (int i = 0; i < TASKS; i++) {
		if (m->tasks[i] && (arg & 1 << i % 3 || i == arg))
			list[n++] = m->tasks[i];
	}
	return n;
}

static void keep_value(struct machine *m, int arg)
{
	static const char *const keys[] = { "a", "b", "c", "d:1", "no key" };
	const char *key = keys[m->hash % 5];

	if (arg < 5)
		mix(m, &(int){ pawl_set(m->ctx, key, pawl_printf(m->ctx, "%0*d", (int)(m->hash / 5 % 50), arg)) }, sizeof(int));
	else if (arg == 5)
		pawl_clear(m->ctx, m->hash % 7 ? key : NULL);
	else
		mix(m, &(int){ pawl_set(m->ctx, key, arg % 2 ? pawl_get(m->ctx, keys[arg % 4]) : "") }, sizeof(int));
	for (int i = 0; i < 5; i++)
		mix_text(m, pawl_get(m->ctx, keys[i]));
}

/* What was there before the patch must still be done where it was done then. */
static void patched(struct machine *m, int arg)
{
	char name[8];

	snprintf(name, sizeof name, "p%d", arg);
	if (code_version >= 1 && pawl_patched(m->ctx, name)) {
		pawl_set_status(m->ctx, name);
		m->hash++;
	} else {
		pawl_timer(m->ctx, arg);
	}
	name[0] = 'q';
	if (code_version < 2)
		pawl_patch_deprecated(m->ctx, name);
}

static void step(struct machine *m, int what, int arg)
{
	static const char *const names[] = { "e", "f", "g" };
	pawl_task *list[TASKS], *task;
	pawl_ctx *ctx = m->ctx;

	switch (what) {
	case 0:
	case 1:
		m->tasks[arg] = begin_activity(m, (int)(m->hash % 10));
		break;
	case 2:
		m->tasks[arg] = arg == 7 ? pawl_timer_until(ctx, pawl_now(ctx) + arg * 1234567) : pawl_timer(ctx, arg * 500);
		break;
	case 3:
	case 4:
		m->tasks[arg] = pawl_event(ctx, names[arg % 3]);
		break;
	case 5:
		task = pawl_any_of(ctx, list, begun(m, list, arg));
		mix_task(m, task);
		break;
	case 6:
		task = pawl_first_of(ctx, list, begun(m, list, arg));
		mix_task(m, task);
		break;
	case 7:
		if (arg < 2)
			mix(m, &(uint64_t){ pawl_all_of(ctx, list, begun(m, list, arg)) }, sizeof(uint64_t));
		else if (arg < 5)
			mix_text(m, pawl_wait_event(ctx, names[arg - 2], 800));
		else if (m->tasks[arg])
			mix_text(m, pawl_await(ctx, m->tasks[arg]));
		break;
	case 8:
		for (int i = 0; i < TASKS; i++)
			pawl_message(ctx, m->tasks[i], i == arg ? NULL : pawl_printf(ctx, "%llx", (unsigned long long)m->hash));
		pawl_cancel(ctx, m->tasks[arg]);
		keep_value(m, arg);
		pawl_set_status(ctx, pawl_printf(ctx, "%016llx", (unsigned long long)m->hash));
		break;
	default:
		mix(m, &(uint64_t){ arg % 2 ? pawl_random(ctx) : (uint64_t)pawl_now(ctx) }, 8);
		mix_text(m, pawl_uuid(ctx));
		mix(m, &(int){ pawl_is_cancelled(ctx) }, sizeof(int));
		mix_failure(m, pawl_failed(ctx));
		patched(m, arg);
		break;
	}
}

static int interpret(pawl_ctx *ctx, const char *program)
{
	struct machine m = { .ctx = ctx, .hash = UINT64_C(0xcbf29ce484222325) };

	for (const char *p = program; p[0] && p[1]; p += 2) {
		if ((m.hash >> (p - program) % 48) % 7 == 3) /* depends on what was seen */
			continue;
		step(&m, p[0] - '0', p[1] - '0');
		for (int i = 0; i < TASKS; i++) {
			if (m.tasks[i] && i % 2)
				mix_task(&m, m.tasks[i]);
		}
	}
	size_t half = strlen(program) / 4 * 2;
	if (m.hash % 3 == 1 && half > 0)
		return pawl_continue_as_new(ctx, program + half);
	if (m.hash % 5 == 0)
		return pawl_fail(ctx, "%016llx", (unsigned long long)m.hash);
	return pawl_return(ctx, pawl_printf(ctx, "%016llx", (unsigned long long)m.hash));
}

/* ---- the world around it ---- */

static uint64_t seed;

static unsigned pick(unsigned n)
{
	return (unsigned)(prng_mix(&seed) % n);
}

static const char *text_of(unsigned n)
{
	static const char *const texts[] = { "", "x", "{\"a\":[1,2]}", "gr\xc3\xbc\xc3\x9f", "line\nline\t\"", "\xff\xfe", "0",
					     "a longer text that may be spilled to a file" };
	return texts[n % 8];
}

static void reboot(struct world *w, const struct open_item *item)
{
	struct event e = { .type = EVENT_ActivityRebooting, .fields = FIELD_REF | FIELD_ATTEMPT | FIELD_DUE, .ref = item->seq,
			   .attempt = item->attempt, .due = { SLICE("1f3a77c0"), 7, WORLD_TIME } };

	if (pick(2)) {
		e.fields |= FIELD_DATA;
		e.data = slice_of(text_of(pick(8)));
	}
	world_message(w, &e);
}

static void requeue(struct world *w, const struct open_item *item)
{
	struct event e = { .type = EVENT_ActivityRetrying, .fields = FIELD_REF, .ref = item->seq };

	if (pick(2)) {
		e.fields |= FIELD_REASON;
		e.reason = slice_of(text_of(pick(8)));
	}
	world_message(w, &e);
}

static void answer(struct world *w, const struct open_item *item)
{
	static const char *const codes[] = { "exit:1", "exit:2", "", "\xff" };
	uint64_t ref = item->seq;
	unsigned how = pick(8);

	if (item->type == EVENT_TimerCreated && how < 6)
		world_fire(w, ref);
	else if (item->type == EVENT_ActivityScheduled && (item->held ? how < 6 : pick(16) == 0))
		requeue(w, item);
	else if (item->type == EVENT_ActivityScheduled && pick(8) == 0)
		reboot(w, item);
	else if (item->type == EVENT_ActivityScheduled && how < 4)
		world_complete(w, ref, how ? text_of(pick(8)) : NULL);
	else if (item->type == EVENT_ActivityScheduled) {
		/* one after the other: C leaves the order of arguments open, and a seed must mean the same everywhere */
		uint32_t attempt = item->attempt + (pick(8) == 0);
		const char *code = codes[pick(4)];
		struct message *m = world_fail(w, ref, attempt, code, pick(6) != 0);
		if (pick(2)) {
			m->event.fields |= FIELD_DELAY;
			m->event.delay_ms = EVENT_DELAY_HELD;
		}
		if (pick(3) == 0)
			m->event.error.kind = SLICE("stuck");
	}
}

static void answer_one(struct world *w)
{
	const struct open_item *item = w->view.open;

	for (unsigned n = w->view.open_count ? pick(w->view.open_count) : 0; item && n > 0; n--)
		item = item->next;
	if (item)
		answer(w, item);
}

static void raise_one(struct world *w)
{
	static const char *const names[] = { "e", "f", "g", "unheard" };
	char id[16], key[16];

	snprintf(id, sizeof id, "m%u", pick(60));
	snprintf(key, sizeof key, "k%u", pick(20));
	const char *name = names[pick(4)], *data = pick(4) ? text_of(pick(8)) : NULL;
	bool has_id = pick(3) == 0, has_key = pick(4) == 0;
	world_raise_with(w, name, data, has_id ? id : NULL, has_key ? key : NULL);
}

static void random_message(struct world *w)
{
	switch (pick(24)) {
	case 0:
		world_plain(w, EVENT_ExecutionSuspended);
		break;
	case 1:
	case 2:
		world_plain(w, EVENT_ExecutionResumed);
		break;
	case 3:
		if (pick(6) == 0)
			world_plain(w, pick(4) ? EVENT_CancelRequested : EVENT_ExecutionTerminated);
		break;
	case 4: /* answers nothing, or not any more */
		if (pick(2))
			world_fire(w, pick(60));
		else
			world_complete(w, pick(60), "stale");
		break;
	case 5:
	case 6:
	case 7:
	case 8:
	case 9:
		raise_one(w);
		break;
	default:
		answer_one(w);
	}
}

static void random_program(char *program, size_t steps)
{
	for (size_t i = 0; i < 2 * steps; i++)
		program[i] = (char)('0' + pick(10));
	program[2 * steps] = '\0';
}

static unsigned turns, completed, continued;

/* At least what the view has buffered goes over, each once and in order; also what a wait has got and nobody has seen. */
static void go_on(struct world *w)
{
	size_t buffered = w->view.event_count;
	bool canceled = w->view.cancel_requested;

	if (world_verify(w, interpret, NULL) < 0)
		fail_msg("%s", w->err.text);
	world_next(w);
	assert_true(w->view.event_count >= buffered);
	assert_int_equal(w->view.cancel_requested, canceled);
	assert_int_equal(w->view.open_count, 0);
	continued++;
}

/* Readers see in history what the code sees. */
static void check_values(struct world *w)
{
	static const char *const keys[] = { "a", "b", "c", "d:1" };

	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		const struct view_value *value = view_value(&w->view, slice_of(keys[i]));
		const char *text = pawl_get((pawl_ctx *)(void *)w->x[WORLD_KEPT], keys[i]);

		assert_int_equal(value != NULL, text != NULL);
		if (text)
			assert_int_equal(value->len, strlen(text));
	}
}

static void run_seed(uint64_t number)
{
	struct world w;
	char program[2 * 400 + 1];

	seed = number * UINT64_C(0x9e3779b97f4a7c15) + 1;
	random_program(program, 5 + pick(395));
	code_version = 0;
	world_init(&w, interpret);
	w.dice = number;
	w.spill_bytes = pick(2) ? 0 : 30;
	w.options.events_buffered_max = 1 + pick(20);
	world_start(&w, program);
	for (int i = 0; i < 150 && !w.ended && w.file_count < WORLD_FILES_MAX - 20; i++) {
		w.random = prng_mix(&seed);
		w.time_ns += pick(3) * INT64_C(1234567891);
		for (unsigned n = pick(4) + 1; n > 0; n--)
			random_message(&w);
		if (w.view.unrun && pick(4) == 0)
			w.sent = w.view.next_seq > 1; /* a turn without messages begins it too */
		world_turn(&w);
		if (w.ended && w.next.len)
			go_on(&w);
		else
			check_values(&w);
		if (code_version < 2 && pick(20) == 0) {
			code_version++;
			world_deploy(&w, interpret);
		}
	}
	if (world_verify(&w, interpret, NULL) < 0)
		fail_msg("%s", w.err.text);
	turns += w.turns;
	completed += w.ended;
	world_release(&w);
}

static unsigned long from_environment(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);
	return text ? strtoul(text, NULL, 10) : otherwise;
}

static uint64_t current;

static void tell_seed(void)
{
	fprintf(stderr, "run again with PAWL_TEST_SEED=%llu\n", (unsigned long long)current);
}

static int on_failure(void **state)
{
	(void)state;
	if (current)
		tell_seed();
	return 0;
}

static void random_programs_decide_the_same_however_they_are_run(void **state)
{
	unsigned long only = from_environment("PAWL_TEST_SEED", 0), runs = from_environment("PAWL_TEST_RUNS", 150);
	(void)state;
	for (current = only ? only : 1; current <= (only ? only : runs); current++)
		run_seed(current);
	current = 0;
	print_message("%u turns, %u instances came to their end, %u executions were continued as new\n", turns, completed, continued);
	assert_true(only || completed > runs / 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(random_programs_decide_the_same_however_they_are_run, on_failure),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
