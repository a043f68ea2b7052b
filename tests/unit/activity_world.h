/*
 * activity_world.h - activities whose every step a test decides, an orchestration that runs any number of them, and a
 * device that is short of memory when the test says so. For test_runtime_activities*.c and test_runtime_workers.c.
 */
#ifndef TESTS_UNIT_ACTIVITY_WORLD_H
#define TESTS_UNIT_ACTIVITY_WORLD_H

#include "unit/runtime_world.h"
#include <errno.h>
#include <stdatomic.h>

#define GATES 10

static struct gate gates[GATES];
static char order[64];          /* digits of those that have begun, with the lock */
static atomic_uint told, beats; /* functions that were asked to return; looks of `beater` */
static atomic_long memory_mib;
static struct os short_os;

static void note_begun(char digit)
{
	rw_lock();
	size_t len = strlen(order);
	if (len + 1 < sizeof(order))
		order[len] = digit;
	rw_ring();
	rw_unlock();
}

/* ---- activities: their input begins with a digit ---- */

/* Stops at its gate, whatever it is told. */
static int hold(pawl_work *work, const char *input)
{
	note_begun(input[0]);
	if (!gate_pass(&gates[input[0] - '0']))
		return pawl_work_fail(work, "hung", "the gate stayed closed");
	return pawl_work_return(work, "%c", input[0]);
}
PAWL_ACTIVITY(hold);

/* Up to the attempt with that number it works until it is told to stop. */
static int obey(pawl_work *work, const char *input)
{
	long looks = 0;

	if (pawl_work_attempt(work) > (uint32_t)(input[0] - '0'))
		return pawl_work_return(work, "attempt %u", (unsigned)pawl_work_attempt(work));
	note_begun(input[0]);
	while (!pawl_work_is_cancelled(work) && rw_look_again(&looks))
		;
	atomic_fetch_add(&told, 1);
	return pawl_work_fail(work, "stopped", "was told to stop");
}
PAWL_ACTIVITY(obey);

/* Beats its heart until its gate is open or it is told to stop. */
static int beater(pawl_work *work, const char *input)
{
	struct gate *g = &gates[input[0] - '0'];
	bool is_open = false;
	long looks = 0;

	note_begun(input[0]);
	while (!is_open && !pawl_work_is_cancelled(work) && rw_look_again(&looks)) {
		pawl_work_heartbeat(work);
		atomic_fetch_add(&beats, 1);
		rw_lock();
		is_open = g->is_open;
		rw_unlock();
	}
	return is_open ? pawl_work_return(work, "beat") : pawl_work_fail(work, "told", "was told to stop");
}
PAWL_ACTIVITY(beater);

/* Fails before the attempt of its digit; 0: for good. */
static int flaky(pawl_work *work, const char *input)
{
	note_begun(input[0]);
	if (input[0] == '0')
		return pawl_work_fail_for_good(work, "never", "not today");
	if (pawl_work_attempt(work) < (uint32_t)(input[0] - '0'))
		return pawl_work_fail(work, "flaky", "not yet at %u", (unsigned)pawl_work_attempt(work));
	return pawl_work_return(work, "attempt %u", (unsigned)pawl_work_attempt(work));
}
PAWL_ACTIVITY(flaky);

/* Ends with a reboot at the first attempts, as many as its digit says. */
static int rebooter(pawl_work *work, const char *input)
{
	note_begun(input[0]);
	if (pawl_work_attempt(work) > (uint32_t)(input[0] - '0'))
		return pawl_work_return(work, "without a reboot");
	return pawl_work_reboot(work, "slot %c", input[0]);
}
PAWL_ACTIVITY(rebooter);

/* Says what its messages were: up to "end", or up to "fail" at the first attempt. */
static int listen_to(pawl_work *work, const char *input)
{
	char all[256] = "";
	const char *text;
	long looks = 0;

	note_begun(input[0]);
	while (!pawl_work_is_cancelled(work) && rw_look_again(&looks)) {
		if (!(text = pawl_work_message(work)))
			continue;
		if (strcmp(text, "end") == 0)
			return pawl_work_return(work, "%u:%s", (unsigned)pawl_work_attempt(work), all);
		if (strcmp(text, "fail") == 0 && pawl_work_attempt(work) == 1)
			return pawl_work_fail(work, "asked", "was asked to");
		strncat(all, text, sizeof(all) - strlen(all) - 1);
	}
	return pawl_work_fail(work, "told", "was told to stop");
}
PAWL_ACTIVITY(listen_to);

/* ---- the orchestration: "ACTIVITY PRIORITY ATTEMPTS TAG INPUT;..." all at once; ATTEMPTS 0 = no policy, TAG - = none ---- */

static pawl_task *begin_one(pawl_ctx *ctx, const char *spec)
{
	char name[64] = "", tag[32] = "", input[32] = "";
	unsigned priority = 0, attempts = 0;
	int fields = sscanf(spec, "%63s %u %u %31s %31[^;]", name, &priority, &attempts, tag, input);
	pawl_retry retry = { .max_attempts = attempts };
	pawl_call_options options = { .priority = priority, .retry = attempts ? &retry : NULL, .tag = tag[0] == '-' ? NULL : tag };

	return pawl_activity_with(ctx, fields < 4 ? "bad spec" : name, input, &options);
}

static const char *outcomes(pawl_ctx *ctx, pawl_task **tasks, size_t count)
{
	const char *all = "";

	for (size_t n = 0; n < count; n++) {
		const pawl_failure *f = pawl_task_failure(tasks[n]);
		all = f ? pawl_printf(ctx, "%s%s!%s/%s", all, n ? " " : "", f->kind, f->code)
			: pawl_printf(ctx, "%s%s%s", all, n ? " " : "", pawl_is_done(tasks[n]) ? pawl_result(tasks[n]) : "?");
	}
	return all;
}

static size_t begin_all(pawl_ctx *ctx, const char *input, pawl_task **tasks)
{
	size_t count = 0;

	for (const char *at = input; at && *at && count < 32; at = strchr(at, ';'), at += at != NULL)
		tasks[count++] = begin_one(ctx, at);
	return count;
}

static int all_of(pawl_ctx *ctx, const char *input)
{
	pawl_task *tasks[32];
	size_t count = begin_all(ctx, input, tasks);

	pawl_all_of(ctx, tasks, count);
	return pawl_return(ctx, outcomes(ctx, tasks, count));
}
PAWL_ORCHESTRATION(all_of, "1.0");

/* The same, but the test says what happens: event "do" with "N" cancels that one, "N TEXT" is a message to it, "end". */
static int directed(pawl_ctx *ctx, const char *input)
{
	pawl_task *tasks[32];
	size_t count = begin_all(ctx, input, tasks);

	for (;;) {
		const char *what = pawl_wait_event(ctx, "do", -1);
		if (!what)
			return pawl_rethrow(ctx);
		if (strcmp(what, "end") == 0)
			break;
		if (what[1])
			pawl_message(ctx, tasks[what[0] - '0'], what + 2);
		else
			pawl_cancel(ctx, tasks[what[0] - '0']);
	}
	pawl_all_of(ctx, tasks, count);
	return pawl_return(ctx, outcomes(ctx, tasks, count));
}
PAWL_ORCHESTRATION(directed, "1.0");

/* ---- a device ---- */

static int read_kernel(void *self, const char *path, char *buf, size_t size)
{
	if (strcmp(path, "/proc/meminfo") != 0)
		return os_linux()->read_kernel(self, path, buf, size);
	return snprintf(buf, size, "MemTotal: 999999 kB\nMemAvailable: %ld kB\n", atomic_load(&memory_mib) * 1024);
}

static int activity_setup(void **state)
{
	struct runtime_world *w;

	memset(gates, 0, sizeof(gates));
	memset(order, 0, sizeof(order));
	atomic_store(&told, 0);
	atomic_store(&beats, 0);
	atomic_store(&memory_mib, 100);
	(void)rw_setup(state);
	w = *state;
	short_os = *rw_os();
	short_os.read_kernel = read_kernel;
	w->options.os = &short_os;
	return 0;
}

/* All gates, so that a test that failed ends. */
static int activity_teardown(void **state)
{
	for (unsigned n = 0; n < GATES; n++)
		gate_open(&gates[n]);
	return rw_teardown(state);
}

#define activity_test(name) cmocka_unit_test_setup_teardown(name, activity_setup, activity_teardown)

#define await_order(text) await(strcmp(order, (text)) == 0)
#define await_told(n) await_look(atomic_load(&told) >= (n))

static inline void assert_order(const char *text)
{
	rw_lock();
	bool same = strcmp(order, text) == 0;
	if (!same)
		print_error("begun: '%s'\n", order);
	rw_unlock();
	assert_true(same);
}

/* Time goes by until the instance is at its end: for what waits more than once. */
static inline void pass_until_over(struct runtime_world *w, const char *id, int64_t step_ms, char **output)
{
	for (int n = 0; n < 2000; n++) {
		if (pawl_wait(w->rt, id, 5, output, NULL) == 0)
			return;
		rw_pass(w, step_ms);
	}
	fail_msg("'%s' does not end", id);
}

static inline void expect_in_time(struct runtime_world *w, const char *id, int64_t step_ms, const char *expected)
{
	char *output = NULL;

	pass_until_over(w, id, step_ms, &output);
	assert_string_equal(output ? output : "", expected);
	free(output);
}

/* ---- dead letters ---- */

static inline int take_letter(void *arg, const struct pawl_dead_letter *letter)
{
	char **text = arg;

	free(*text);
	*text = strdup(letter->text);
	return 0;
}

/* The last one, malloc'd; NULL = none. */
static inline char *letter_of(struct runtime_world *w)
{
	char *text = NULL;

	assert_int_equal(w->client->ops->each_dead(w->client, take_letter, &text, NULL), 0);
	return text;
}

static inline void assert_letter(struct runtime_world *w, const char *part)
{
	char *text = letter_of(w);

	assert_non_null(text);
	if (!strstr(text, part))
		fail_msg("'%s' is not in the dead letter %s", part, text);
	free(text);
}

static inline void assert_no_letter(struct runtime_world *w)
{
	char *text = letter_of(w);

	assert_null(text);
}

static inline int requeue(struct runtime_world *w, const char *id, const char *seq)
{
	struct pawl_message m = { .kind = PAWL_MESSAGE_REQUEUE, .instance = id, .key = seq, .reason = "a test" };
	struct pawl_error err = { 0 };

	return w->client->ops->send(w->client, &m, &err);
}

#endif
