/* work.c - what runs on the device: two orchestrations, activities of each kind, the configuration that names them. */
#include "sim.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "runtime/config_table.h"
#include "runtime/runtime.h"
#include "runtime/work.h"

#include <stdio.h>
#include <stdlib.h>

#define STATEMENTS_MAX 5
#define NEVER_GIVES_UP 100000
#define EVENTS_EACH 4 /* of one execution of a collector */

/* ---- what activities answer: the same to the same input, whoever does it ---- */

void sim_answer(const char *input, char *out, size_t size)
{
	uint32_t n = crc32c(0, input, strlen(input));

	snprintf(out, size, "%s gives %08x", input, n);
	if (n % 7 == 0 && size > 900) /* over a sector */
		for (size_t at = strlen(out); at < 800; at++) {
			out[at] = (char)('a' + at % 26);
			out[at + 1] = '\0';
		}
}

static int function(pawl_work *work, const char *input)
{
	char out[1024];
	uint32_t n = crc32c(7, input, strlen(input));

	if (device.current->dead)
		return pawl_work_return(work, "nobody hears this");
	model_check_attempt(work->id, work->execution, work->seq, work->attempt, "a function");
	if (n % 4 == 0 && pawl_work_attempt(work) == 1)
		return pawl_work_fail(work, "first", "the first attempt fails");
	if (!device.healthy && chance(12))
		return pawl_work_defer(work, 1 + (int64_t)(n % 3000), "not now");
	sim_answer(input, out, sizeof(out));
	return pawl_work_return(work, "%s", out);
}
PAWL_ACTIVITY_NAMED("sim-function", function);

/* ---- jobs: input "SEED DEPTH PART" ---- */

struct machine {
	pawl_ctx *ctx;
	uint64_t random;
	unsigned long long seed;
	unsigned depth, part, calls;
	const char *failed; /* what was not as it must be */
};

static const pawl_retry retry = { .max_attempts = NEVER_GIVES_UP, .first_ms = 500, .coefficient = 1.5, .max_ms = 60000 };

static pawl_task *begin_call(struct machine *m, const char *activity)
{
	const pawl_call_options o = { .retry = &retry };

	return pawl_activity_with(m->ctx, activity, pawl_printf(m->ctx, "%s:%llu.%u", pawl_instance_id(m->ctx), m->seed, ++m->calls + 100 * m->part), &o);
}

static bool was_cut(const pawl_failure *f)
{
	return f && strcmp(f->kind, "canceled") == 0;
}

static void check_call(struct machine *m, pawl_task *t, const char *input)
{
	char *want = pawl_alloc(m->ctx, 1024);
	const char *got = pawl_await(m->ctx, t);
	const pawl_failure *f = pawl_task_failure(t);

	sim_answer(input, want, 1024);
	if (!got && !was_cut(f))
		m->failed = pawl_printf(m->ctx, "'%s' fails: %s %s %s", input, f ? f->kind : "", f ? f->code : "", f ? f->message : "");
	else if (got && strcmp(got, want) != 0)
		m->failed = pawl_printf(m->ctx, "'%s' gives '%s' and not '%s'", input, got, want);
}

static void call(struct machine *m, const char *activity)
{
	pawl_task *t = begin_call(m, activity);

	check_call(m, t, pawl_printf(m->ctx, "%s:%llu.%u", pawl_instance_id(m->ctx), m->seed, m->calls + 100 * m->part));
}

static void call_all(struct machine *m)
{
	unsigned first = m->calls + 1 + 100 * m->part;
	pawl_task *t[3] = { begin_call(m, "sim-function"), begin_call(m, "sim-program"), begin_call(m, "sim-function") };

	(void)pawl_all_of(m->ctx, t, 3);
	for (unsigned i = 0; i < 3; i++)
		check_call(m, t[i], pawl_printf(m->ctx, "%s:%llu.%u", pawl_instance_id(m->ctx), m->seed, first + i));
}

static void child(struct machine *m)
{
	pawl_task *t = pawl_child(m->ctx, "sim-job", pawl_printf(m->ctx, "%llu %u 0", (unsigned long long)(draw_any(&m->random) >> 8), m->depth + 1));
	const char *got = pawl_await(m->ctx, t);

	if (!got && !was_cut(pawl_task_failure(t)))
		m->failed = pawl_printf(m->ctx, "its child fails: %s", pawl_task_failure(t) ? pawl_task_failure(t)->message : "");
}

static void race(struct machine *m)
{
	pawl_task *t = begin_call(m, "sim-program"), *late = pawl_timer(m->ctx, 2000 + (int64_t)draw_below(&m->random, 20000));

	(void)pawl_any(m->ctx, t, late);
}

static void statement(struct machine *m)
{
	switch (draw_below(&m->random, m->depth ? 8 : 9)) {
	case 0:
	case 1: call(m, "sim-function"); break;
	case 2: call(m, "sim-program"); break;
	case 3: call(m, "sim-outside"); break;
	case 4: pawl_sleep(m->ctx, draw_below(&m->random, 2) ? draw_below(&m->random, 3000) : draw_below(&m->random, 600000)); break;
	case 5: (void)pawl_await(m->ctx, pawl_timer_until(m->ctx, pawl_now(m->ctx) + (int64_t)draw_below(&m->random, 600000) * SIM_MS)); break;
	case 6: call_all(m); break;
	case 7: race(m); break;
	default: child(m);
	}
}

static int canceled(pawl_ctx *ctx)
{
	const pawl_failure f = { .kind = "canceled", .code = "asked", .message = "it was asked to" };

	return pawl_fail_with(ctx, &f);
}

static int job(pawl_ctx *ctx, const char *input)
{
	struct machine m = { .ctx = ctx };

	if (sscanf(input, "%llu %u %u", &m.seed, &m.depth, &m.part) != 3)
		return pawl_fail(ctx, "WRONG input '%s'", input);
	m.random = m.seed + m.part;
	unsigned count = 1 + draw_below(&m.random, STATEMENTS_MAX);
	for (unsigned i = 0; i < count && !m.failed; i++) {
		if (pawl_is_cancelled(ctx))
			return canceled(ctx);
		statement(&m);
	}
	if (pawl_is_cancelled(ctx))
		return canceled(ctx);
	if (m.failed)
		return pawl_fail(ctx, "WRONG %s", m.failed);
	if (m.part < 2 && draw_below(&m.random, 4) == 0)
		return pawl_continue_as_new(ctx, pawl_printf(ctx, "%llu %u %u", m.seed, m.depth, m.part + 1));
	return pawl_return(ctx, pawl_printf(ctx, "done %llu", m.seed));
}
PAWL_ORCHESTRATION_NAMED("sim-job", job, "1");

/* ---- collectors: they wait for events until they are told that it is over ---- */

static int collector(pawl_ctx *ctx, const char *input)
{
	unsigned n = 0;

	(void)input;
	while (!pawl_is_cancelled(ctx)) {
		const char *data = pawl_wait_event(ctx, "e", -1);
		if (data && strcmp(data, "over") == 0)
			return pawl_return(ctx, "over");
		if (data && ++n == EVENTS_EACH)
			return pawl_continue_as_new(ctx, "more");
	}
	return canceled(ctx);
}
PAWL_ORCHESTRATION_NAMED("sim-collector", collector, "1");

pawl_orchestration_fn work_code(struct slice name)
{
	return slice_is(name, "sim-job") ? job : collector;
}

/* ---- configuration, in place of config_load.c ---- */

static int add_activity(struct config *cfg, const char *name, bool outside)
{
	static const char *const exec[] = { "/bin/sim-program", NULL };
	struct config_activity *a = &cfg->activities[cfg->activity_count++];

	if (config_set_defaults(&cfg->arena, a, true) < 0)
		return PAWL_ENOMEM;
	a->name = name;
	a->exec = outside ? NULL : exec;
	a->run_by = outside ? CONFIG_RUN_BY_WORKER : CONFIG_RUN_BY_RUNTIME;
	a->timeout_ms = outside ? 0 : 40000;
	a->grace_ms = 5000;
	a->heartbeat_ms = 0;
	a->stuck_max = NEVER_GIVES_UP;
	a->sync = !outside && device.plan->seed % 2;
	a->origin = "simulation";
	return 0;
}

int config_load(struct config *cfg, const char *path, struct pawl_error *err)
{
	(void)path;
	cfg->activities = calloc(2, sizeof(*cfg->activities));
	cfg->activity_count = 0;
	if (!cfg->activities || add_activity(cfg, "sim-outside", true) < 0 || add_activity(cfg, "sim-program", false) < 0)
		return err_nomem(err);
	cfg->journal.segment_bytes = 16 << 10;
	cfg->journal.segments = 3;
	cfg->process.shim = "/proc/self/exe"; /* something that can be executed: it is not */
	cfg->log_level = simulation_trace ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR;
	cfg->engine.replay_only = device.plan->seed / 2 % 3 == 0;
	cfg->engine.resident_max = device.plan->seed % 5 == 0 ? 1 : 100;
	return 0;
}

void work_begin(void)
{
	(void)unsetenv("PAWL_SHIM");
	(void)unsetenv("PAWL_HUB");
}
