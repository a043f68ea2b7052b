/*
 * e2e_types.c - orchestrations and activities for the end-to-end tests. Built as a program (pawl_main) and as a plugin.
 *
 *	-DE2E_VARIANT=1   as it should be
 *	-DE2E_VARIANT=2   'changing' decides something else: what a device with the wrong code does
 *	-DE2E_VARIANT=3   has 'latecomer', too
 *	-DE2E_PLUGIN      no main
 *
 * Every run of the activity `step` is one line in the file $E2E_LOG: "INSTANCE INPUT ATTEMPT GENERATION". $GENERATION is
 * the number of the runtime's start; it is in the result, too, so that a test sees which run was recorded.
 */
#include <fcntl.h>
#include <pawl/pawl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifndef E2E_VARIANT
#define E2E_VARIANT 1
#endif

static void nap_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

static const char *generation(void)
{
	const char *g = getenv("GENERATION");

	return g ? g : "0";
}

/* ---- activities ---- */

static void log_run(const pawl_work *work, const char *input)
{
	const char *path = getenv("E2E_LOG");
	char line[512];
	int fd = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644) : -1;
	int len = snprintf(line, sizeof(line), "%s %.64s %u %s\n", pawl_work_instance(work), input, (unsigned)pawl_work_attempt(work), generation());

	if (fd >= 0 && write(fd, line, (size_t)len) != len)
		abort();
	if (fd >= 0)
		close(fd);
}

/* Input "INDEX[:MS]": takes so many milliseconds after its line is in the log. */
static int step(pawl_work *work, const char *input)
{
	const char *colon = strchr(input, ':');

	log_run(work, input);
	if (colon)
		nap_ms(atol(colon + 1));
	return pawl_work_return(work, "done %d of generation %s", atoi(input), generation());
}
PAWL_ACTIVITY(step);

/* The third is broken until somebody makes the file $E2E_LOG.mended. */
static int part(pawl_work *work, const char *input)
{
	char path[512];

	log_run(work, input);
	snprintf(path, sizeof(path), "%.500s.mended", getenv("E2E_LOG"));
	if (atoi(input) == 3 && access(path, F_OK) != 0)
		return pawl_work_fail(work, "broken", "part %s is broken", input);
	return pawl_work_return(work, "%s", input);
}
PAWL_ACTIVITY(part);

static int flaky(pawl_work *work, const char *input)
{
	unsigned failures = (unsigned)atoi(input);

	if (pawl_work_attempt(work) <= failures)
		return pawl_work_fail(work, "flaky", "attempt %u of %u bad ones", (unsigned)pawl_work_attempt(work), failures);
	return pawl_work_return(work, "attempt %u", (unsigned)pawl_work_attempt(work));
}
PAWL_ACTIVITY(flaky);

static int nap(pawl_work *work, const char *input)
{
	for (long left = atol(input); left > 0 && !pawl_work_is_cancelled(work); left -= 10)
		nap_ms(10);
	if (pawl_work_is_cancelled(work))
		return pawl_work_fail(work, "woken", "somebody woke me");
	return pawl_work_return(work, "slept");
}
PAWL_ACTIVITY(nap);

/* Heeds nobody who wants it to end. */
static int deaf(pawl_work *work, const char *input)
{
	nap_ms(atol(input));
	return pawl_work_return(work, "slept");
}
PAWL_ACTIVITY(deaf);

static int crash(pawl_work *work, const char *input)
{
	(void)work;
	(void)input;
	_exit(99); /* and the runtime with it */
}
PAWL_ACTIVITY(crash);

/* The way in which it takes the runtime with it: "segv", "abort", "exit"; or "N": the first N attempts by segv. */
static int fatal(pawl_work *work, const char *input)
{
	int attempts = atoi(input);
	volatile uintptr_t nowhere = 8; /* volatile: compilers warn of what they can see */

	if (attempts && (unsigned)attempts < pawl_work_attempt(work))
		return pawl_work_return(work, "attempt %u", (unsigned)pawl_work_attempt(work));
	if (attempts || strcmp(input, "segv") == 0)
		*(volatile int *)nowhere = 1;
	if (strcmp(input, "abort") == 0)
		abort();
	exit(3);
}
PAWL_ACTIVITY(fatal);

/* Beats its heart so many times in 50 ms each. */
static int beater(pawl_work *work, const char *input)
{
	for (int i = atoi(input); i > 0 && !pawl_work_is_cancelled(work); i--) {
		pawl_work_heartbeat(work);
		pawl_work_progress(work, 100 / (i + 1), "%d to go", i);
		nap_ms(50);
	}
	return pawl_work_return(work, "beaten");
}
PAWL_ACTIVITY(beater);

/* Returns the messages that it was sent, up to one that is "end". */
static int listener(pawl_work *work, const char *input)
{
	char all[256] = "";
	const char *m = NULL;
	size_t len = 0;

	(void)input;
	while (!pawl_work_is_cancelled(work) && !(m && strcmp(m, "end") == 0)) {
		m = pawl_work_message(work);
		if (m)
			len += (size_t)snprintf(all + len, sizeof(all) - len, "%.60s ", m);
		else
			nap_ms(5);
	}
	return pawl_work_return(work, "%s", all);
}
PAWL_ACTIVITY(listener);

static int rebooter(pawl_work *work, const char *input)
{
	return pawl_work_reboot(work, "%s", input);
}
PAWL_ACTIVITY(rebooter);

static int crasher(pawl_ctx *ctx, const char *input)
{
	return pawl_call(ctx, "crash", input) ? pawl_return(ctx, "survived") : pawl_rethrow(ctx);
}
PAWL_ORCHESTRATION(crasher, "1.0.0");

static int big(pawl_work *work, const char *input)
{
	size_t size = (size_t)atol(input);
	char *data = malloc(size + 1);

	if (!data)
		return pawl_work_fail(work, "memory", "out of memory");
	memset(data, 'x', size);
	pawl_work_return_bytes(work, data, size);
	free(data);
	return 0;
}
PAWL_ACTIVITY(big);

/* ---- orchestrations ---- */

/* "N[:MS]": N steps one after the other, each of MS milliseconds. Fails when a result is not that of its step. */
static int chain(pawl_ctx *ctx, const char *input)
{
	int n = atoi(input);
	const char *colon = strchr(input, ':');

	for (int i = 1; i <= n; i++) {
		const char *out = pawl_call(ctx, "step", pawl_printf(ctx, "%d%s", i, colon ? colon : ""));
		if (!out)
			return pawl_rethrow(ctx);
		if (strncmp(out, pawl_printf(ctx, "done %d of", i), strlen(pawl_printf(ctx, "done %d of", i))) != 0)
			return pawl_fail(ctx, "step %d returned '%s'", i, out);
	}
	return pawl_return(ctx, pawl_printf(ctx, "%d steps", n));
}
PAWL_ORCHESTRATION(chain, "1.0.0");

/* Four parts, one after the other. */
static int mending(pawl_ctx *ctx, const char *input)
{
	char *all = pawl_printf(ctx, "%s", input);

	for (int i = 1; i <= 4; i++) {
		const char *out = pawl_call(ctx, "part", pawl_printf(ctx, "%d", i));
		if (!out)
			return pawl_rethrow(ctx);
		all = pawl_printf(ctx, "%s %s", all, out);
	}
	return pawl_return(ctx, all);
}
PAWL_ORCHESTRATION(mending, "1.0.0");

/* "A B C": waits for these events one after the other; "A=data B=data C=data". */
static int waiter(pawl_ctx *ctx, const char *input)
{
	char *all = pawl_printf(ctx, "%s", "");

	while (*input) {
		int len = (int)strcspn(input, " ");
		const char *name = pawl_printf(ctx, "%.*s", len, input);
		const char *data = pawl_wait_event(ctx, name, -1);
		if (!data)
			return pawl_rethrow(ctx);
		all = pawl_printf(ctx, "%s%s%s=%s", all, *all ? " " : "", name, data);
		input += len;
		input += strspn(input, " ");
	}
	return pawl_return(ctx, all);
}
PAWL_ORCHESTRATION(waiter, "1.0.0");

/* "NAME N": what N events of this name carry, in their order, separated by blanks. */
static int collector(pawl_ctx *ctx, const char *input)
{
	char name[65] = "";
	int count = 0;
	size_t len = 0, size = 1100 * 1000;
	char *all = pawl_alloc(ctx, size);

	if (sscanf(input, "%64s %d", name, &count) != 2)
		return pawl_fail(ctx, "input '%s' is not NAME N", input);
	for (int i = 0; i < count; i++) {
		const char *data = pawl_wait_event(ctx, name, -1);
		if (!data)
			return pawl_rethrow(ctx);
		len += (size_t)snprintf(all + len, size - len, "%s%s", i ? " " : "", data);
		if (len >= size)
			return pawl_fail(ctx, "too much");
		pawl_set_status(ctx, pawl_printf(ctx, "%d of %d", i + 1, count));
	}
	return pawl_return(ctx, all);
}
PAWL_ORCHESTRATION(collector, "1.0.0");

/* Input "COUNT": takes so many events `go`, each in an execution of its own. Output: their data. */
static int relay(pawl_ctx *ctx, const char *input)
{
	char *so_far;
	long left = strtol(input, &so_far, 10);

	if (left == 0)
		return pawl_return(ctx, so_far + (*so_far == ' '));
	pawl_task *step = pawl_activity(ctx, "step", pawl_printf(ctx, "%ld", left)); /* some are canceled by the end of the execution */
	const char *data = pawl_wait_event(ctx, "go", -1);
	if (left % 3 == 0 && !pawl_await(ctx, step))
		return pawl_rethrow(ctx);
	return pawl_continue_as_new(ctx, pawl_printf(ctx, "%ld%s %s", left - 1, so_far, data));
}
PAWL_ORCHESTRATION(relay, "1.0.0");

/* The same activity at the same line of two executions; the first one is canceled by the end of its execution. */
static int successor(pawl_ctx *ctx, const char *activity)
{
	bool first = pawl_execution(ctx) == 1;
	pawl_task *work = pawl_activity(ctx, activity, first ? "first" : "second");
	const char *result = first ? NULL : pawl_await(ctx, work);

	if (!first)
		return result ? pawl_return(ctx, result) : pawl_rethrow(ctx);
	(void)pawl_wait_event(ctx, "go", -1);
	return pawl_continue_as_new(ctx, activity);
}
PAWL_ORCHESTRATION(successor, "1.0.0");

static int spinner(pawl_ctx *ctx, const char *input)
{
	return pawl_continue_as_new(ctx, input);
}
PAWL_ORCHESTRATION(spinner, "1.0.0");

static int fan(pawl_ctx *ctx, const char *input)
{
	int n = atoi(input);
	pawl_task **tasks = pawl_alloc(ctx, (size_t)n * sizeof(*tasks));

	for (int i = 0; i < n; i++)
		tasks[i] = pawl_activity(ctx, "step", pawl_printf(ctx, "%d", i + 1));
	if (pawl_all_of(ctx, tasks, (size_t)n))
		return pawl_rethrow(ctx);
	for (int i = 0; i < n; i++)
		if (atoi(pawl_result(tasks[i]) + strlen("done ")) != i + 1)
			return pawl_fail(ctx, "step %d returned '%s'", i + 1, pawl_result(tasks[i]));
	return pawl_return(ctx, pawl_printf(ctx, "%d steps", n));
}
PAWL_ORCHESTRATION(fan, "1.0.0");

static int timer(pawl_ctx *ctx, const char *input)
{
	pawl_sleep(ctx, atol(input));
	return pawl_return(ctx, "slept");
}
PAWL_ORCHESTRATION(timer, "1.0.0");

static int failing(pawl_ctx *ctx, const char *input)
{
	pawl_retry retry = { .max_attempts = (uint32_t)atoi(input) + 1, .first_ms = 20 };
	const char *out = pawl_call_with(ctx, "flaky", input, &(pawl_call_options){ .retry = &retry });

	return out ? pawl_return(ctx, out) : pawl_rethrow(ctx);
}
PAWL_ORCHESTRATION(failing, "1.0.0");

/* As `flaky`, with a line in the log for each attempt: the third step of the retry demo. */
static int third_step(pawl_work *work, const char *input)
{
	log_run(work, "3");
	return flaky(work, input);
}
PAWL_ACTIVITY(third_step);

/* "BAD [MS]": two steps, and a third one that fails BAD times; 5 attempts, 1 s (or MS), doubled, at most 10 s (or five times MS). */
static int retry_demo(pawl_ctx *ctx, const char *input)
{
	const char *ms = strchr(input, ' ');
	pawl_retry retry = { .max_attempts = 5, .first_ms = ms ? atol(ms) : 1000, .coefficient = 2, .max_ms = ms ? 5 * atol(ms) : 10000 };

	if (!pawl_call(ctx, "step", "1") || !pawl_call(ctx, "step", "2"))
		return pawl_rethrow(ctx);
	const char *out = pawl_call_with(ctx, "third_step", input, &(pawl_call_options){ .retry = &retry });
	return out ? pawl_return(ctx, pawl_printf(ctx, "steps 1 and 2, then %s", out)) : pawl_rethrow(ctx);
}
PAWL_ORCHESTRATION(retry_demo, "1.0.0");

/* Steps 1, 3 and 5, and waits for `step2` and `step4` between them. */
static int event_demo(pawl_ctx *ctx, const char *input)
{
	const char *two = pawl_call(ctx, "step", "1") ? pawl_wait_event(ctx, "step2", -1) : NULL;
	const char *four = two && pawl_call(ctx, "step", "3") ? pawl_wait_event(ctx, "step4", -1) : NULL;

	(void)input;
	if (!four || !pawl_call(ctx, "step", "5"))
		return pawl_rethrow(ctx);
	return pawl_return(ctx, pawl_printf(ctx, "step2=%s step4=%s", two, four));
}
PAWL_ORCHESTRATION(event_demo, "1.0.0");

static int broken(pawl_ctx *ctx, const char *input)
{
	return pawl_fail(ctx, "%s", input);
}
PAWL_ORCHESTRATION(broken, "1.0.0");

static int echo(pawl_ctx *ctx, const char *input)
{
	return pawl_return(ctx, input);
}
PAWL_ORCHESTRATION(echo, "1.0.0");

/* Says its input as its status and waits for `go`, `no` sooner than a day ends it as failed. */
static int patient(pawl_ctx *ctx, const char *input)
{
	pawl_set_status(ctx, input);
	pawl_task *go = pawl_event(ctx, "go"), *no = pawl_event(ctx, "no"), *late = pawl_timer(ctx, PAWL_HOURS(24));
	pawl_task *first = pawl_any(ctx, go, no, late);
	if (first != go)
		return pawl_fail(ctx, first == no ? "told not to" : "too late");
	return pawl_return(ctx, pawl_result(go));
}
PAWL_ORCHESTRATION(patient, "1.0.0");

/* "ACTIVITY [INPUT]" */
static const char *split(pawl_ctx *ctx, const char *input, const char **rest)
{
	int len = (int)strcspn(input, " ");

	*rest = input + len + (input[len] == ' ');
	return pawl_printf(ctx, "%.*s", len, input);
}

static int once(pawl_ctx *ctx, const char *input)
{
	const char *rest, *name = split(ctx, input, &rest);
	const char *out = pawl_call(ctx, name, rest);

	return out ? pawl_return(ctx, out) : pawl_rethrow(ctx);
}
PAWL_ORCHESTRATION(once, "1.0.0");

static int thrice(pawl_ctx *ctx, const char *input)
{
	static const pawl_retry retry = { .max_attempts = 3, .first_ms = 50 };
	const char *rest, *name = split(ctx, input, &rest);
	const char *out = pawl_call_with(ctx, name, rest, &(pawl_call_options){ .retry = &retry });

	return out ? pawl_return(ctx, out) : pawl_rethrow(ctx);
}
PAWL_ORCHESTRATION(thrice, "1.0.0");

/* The kind, code and message of an activity's failure: what an orchestration can know of it. */
static int report(pawl_ctx *ctx, const char *input)
{
	const char *rest, *name = split(ctx, input, &rest);
	const char *out = pawl_call(ctx, name, rest);
	const pawl_failure *f = pawl_failed(ctx);

	if (out)
		return pawl_return(ctx, pawl_printf(ctx, "output %s", out));
	return pawl_return(ctx, pawl_printf(ctx, "%s %s %s: %s", f->kind, *f->code ? f->code : "-", f->retryable ? "retryable" : "final", f->message));
}
PAWL_ORCHESTRATION(report, "1.0.0");

/* "ACTIVITY [INPUT]" against an event `stop`: the loser is canceled. */
static int race(pawl_ctx *ctx, const char *input)
{
	const char *rest, *name = split(ctx, input, &rest);
	pawl_task *work = pawl_activity(ctx, name, rest), *stop = pawl_event(ctx, "stop");

	if (pawl_any(ctx, work, stop) == work)
		return pawl_result(work) ? pawl_return(ctx, pawl_result(work)) : pawl_rethrow(ctx);
	return pawl_return(ctx, "stopped");
}
PAWL_ORCHESTRATION(race, "1.0.0");

/* Each event `say` goes to the activity as a message. */
static int talker(pawl_ctx *ctx, const char *input)
{
	pawl_task *work = pawl_activity(ctx, input, "");

	for (;;) {
		pawl_task *say = pawl_event(ctx, "say");
		if (pawl_first(ctx, work, say) == work)
			return pawl_result(work) ? pawl_return(ctx, pawl_result(work)) : pawl_rethrow(ctx);
		pawl_message(ctx, work, pawl_result(say));
	}
}
PAWL_ORCHESTRATION(talker, "1.0.0");

/* "N ACTIVITY [INPUT]": N at once, with input "INPUT NUMBER"; how many came to a result. */
static int many(pawl_ctx *ctx, const char *input)
{
	int n = atoi(input);
	const char *space = strchr(input, ' '), *rest, *name = split(ctx, space ? space + 1 : "", &rest);
	pawl_task **tasks = pawl_alloc(ctx, (size_t)n * sizeof(*tasks));

	for (int i = 0; i < n; i++)
		tasks[i] = pawl_activity(ctx, name, pawl_printf(ctx, "%s %d", rest, i + 1));
	if (pawl_all_of(ctx, tasks, (size_t)n))
		return pawl_rethrow(ctx);
	return pawl_return(ctx, pawl_printf(ctx, "%d results", n));
}
PAWL_ORCHESTRATION(many, "1.0.0");

/* "N ACTIVITY [INPUT]": as `many`, and each result must be "made INPUT NUMBER" of its own. */
static int tally(pawl_ctx *ctx, const char *input)
{
	int n = atoi(input);
	const char *space = strchr(input, ' '), *rest, *name = split(ctx, space ? space + 1 : "", &rest);
	pawl_task **tasks = pawl_alloc(ctx, (size_t)n * sizeof(*tasks));

	for (int i = 0; i < n; i++)
		tasks[i] = pawl_activity(ctx, name, pawl_printf(ctx, "%s %d", rest, i + 1));
	if (pawl_all_of(ctx, tasks, (size_t)n))
		return pawl_rethrow(ctx);
	for (int i = 0; i < n; i++)
		if (strcmp(pawl_result(tasks[i]), pawl_printf(ctx, "made %s %d", rest, i + 1)) != 0)
			return pawl_fail(ctx, "number %d returned '%s'", i + 1, pawl_result(tasks[i]));
	return pawl_return(ctx, pawl_printf(ctx, "%d made", n));
}
PAWL_ORCHESTRATION(tally, "1.0.0");

/* "ACTIVITY [INPUT]" against an event `stop`, as `race`; the loser is canceled, and the instance goes on until `go`. */
static int straggler(pawl_ctx *ctx, const char *input)
{
	const char *rest, *name = split(ctx, input, &rest);
	pawl_task *work = pawl_activity(ctx, name, rest), *stop = pawl_event(ctx, "stop");

	if (pawl_any(ctx, work, stop) == work)
		return pawl_result(work) ? pawl_return(ctx, pawl_result(work)) : pawl_rethrow(ctx);
	return pawl_wait_event(ctx, "go", -1) ? pawl_return(ctx, "stopped") : pawl_rethrow(ctx);
}
PAWL_ORCHESTRATION(straggler, "1.0.0");

/* "tag TAG ACTIVITY", "session SESSION ACTIVITY" (three of them at once), "priority N ACTIVITY" */
static int routed(pawl_ctx *ctx, const char *input)
{
	const char *rest, *how = split(ctx, input, &rest), *value = split(ctx, rest, &rest);
	pawl_call_options options = { 0 };
	pawl_task *tasks[3];
	int n = 1;

	if (strcmp(how, "tag") == 0) {
		options.tag = value;
	} else if (strcmp(how, "session") == 0) {
		options.session = value;
		n = 3;
	} else {
		options.priority = (uint32_t)atoi(value);
	}
	for (int i = 0; i < n; i++)
		tasks[i] = pawl_activity_with(ctx, rest, value, &options);
	if (pawl_all_of(ctx, tasks, (size_t)n))
		return pawl_rethrow(ctx);
	return pawl_return(ctx, n == 1 ? pawl_result(tasks[0]) : pawl_printf(ctx, "%s %s %s", pawl_result(tasks[0]), pawl_result(tasks[1]), pawl_result(tasks[2])));
}
PAWL_ORCHESTRATION(routed, "1.0.0");

static int changing(pawl_ctx *ctx, const char *input)
{
	while (E2E_VARIANT == 2 && strcmp(input, "loop") == 0)
		nap_ms(1);
	if (E2E_VARIANT == 2 && strcmp(input, "crash") == 0)
		raise(SIGSEGV);
	if (!pawl_call(ctx, E2E_VARIANT == 2 ? "nap" : "step", "1"))
		return pawl_rethrow(ctx);
	const char *data = pawl_wait_event(ctx, "go", -1);
	if (!data || !pawl_call(ctx, "step", "2"))
		return pawl_rethrow(ctx);
	return pawl_return(ctx, data);
}
PAWL_ORCHESTRATION(changing, "1.0.0");

/* What orchestration code must not have: the second time it is asked for something else. */
static int unsteady(pawl_ctx *ctx, const char *input)
{
	static int times;

	return pawl_return(ctx, pawl_call(ctx, "step", times++ % 2 ? "0" : input));
}
PAWL_ORCHESTRATION(unsteady, "1.0.0");

/* "COUNT[:DEPTH]": so many children with so many levels below them, and one that nobody waits for; they wait for `go`. */
static int family(pawl_ctx *ctx, const char *input)
{
	const char *colon = strchr(input, ':');
	int count = atoi(input), depth = colon ? atoi(colon + 1) : 0;
	pawl_task *children[8], *go = pawl_event(ctx, "go");

	for (int i = 0; i < count && i < 8; i++)
		children[i] = pawl_child(ctx, "family", depth > 0 ? pawl_printf(ctx, "1:%d", depth - 1) : "0");
	if (colon)
		(void)pawl_start_detached(ctx, "waiter", "", &(pawl_start_options){ .id = pawl_printf(ctx, "free-%s", pawl_instance_id(ctx)) });
	if (count == 0)
		(void)pawl_await(ctx, go);
	return pawl_return(ctx, pawl_printf(ctx, "%d failed", count > 0 ? (int)pawl_all_of(ctx, children, (size_t)count) : 0));
}
PAWL_ORCHESTRATION(family, "1.0.0");

static int versioned(pawl_ctx *ctx, const char *input)
{
	return pawl_return(ctx, input);
}
PAWL_ORCHESTRATION_NAMED("versioned", versioned, "1.10.0");
static int versioned_before(pawl_ctx *ctx, const char *input)
{
	return pawl_return(ctx, input);
}
PAWL_ORCHESTRATION_NAMED("versioned", versioned_before, "1.9.0");

#if E2E_VARIANT == 3
static int latecomer(pawl_ctx *ctx, const char *input)
{
	return pawl_return(ctx, input);
}
PAWL_ORCHESTRATION(latecomer, "1.0.0");

static int lateact(pawl_work *work, const char *input)
{
	return pawl_work_return(work, "%s", input);
}
PAWL_ACTIVITY(lateact);
#endif


/* ---- instances that reach each other ---- */

/* An account: "add" and "take". */
static int account(pawl_ctx *ctx, const char *input)
{
	const char *op = pawl_operation(ctx);
	long have = atol(pawl_state(ctx)), n = atol(input);

	if (strcmp(op, "take") == 0 && n > have)
		return pawl_fail(ctx, "only %ld there", have);
	pawl_set_state(ctx, pawl_printf(ctx, "%ld", strcmp(op, "take") == 0 ? have - n : have + n));
	return pawl_return(ctx, pawl_state(ctx));
}
PAWL_ENTITY(account, "1.0.0");

/* "N": moves 1 between the accounts a and b N times, there and back, each under a lock of both. */
static int moves(pawl_ctx *ctx, const char *input)
{
	long n = atol(input);

	for (long k = 0; k < n; k++) {
		const char *from = k % 2 ? "b" : "a", *to = k % 2 ? "a" : "b";
		if (pawl_lock(ctx, (const char *const[]){ "account", "a", "account", "b", NULL }) < 0)
			return pawl_rethrow(ctx);
		if (pawl_call_entity(ctx, "account", from, "take", "1"))
			(void)pawl_call_entity(ctx, "account", to, "add", "1");
		pawl_unlock(ctx);
	}
	return pawl_return(ctx, "moved");
}
PAWL_ORCHESTRATION(moves, "1.0.0");

/* A child: does a step, tells its parent's sibling "board" what it was, and gives it back. "fail" fails in its first attempt. */
static int limb(pawl_ctx *ctx, const char *input)
{
	if (!pawl_call(ctx, "step", input))
		return pawl_rethrow(ctx);
	if (strcmp(input, "4") == 0 && !strstr(pawl_instance_id(ctx), ":r"))
		return pawl_fail(ctx, "the first attempt");
	(void)pawl_send(ctx, "board", "line", input);
	(void)pawl_publish(ctx, "limb/done", input);
	return pawl_return(ctx, input);
}
PAWL_ORCHESTRATION(limb, "1.0.0");

/* "N": N children, at most three at a time; their results in order. */
static int body(pawl_ctx *ctx, const char *input)
{
	const pawl_retry retry = { .max_attempts = 2, .first_ms = 10 };
	int count = atoi(input);
	pawl_task **all = pawl_alloc(ctx, (size_t)count * sizeof(pawl_task *));
	char *text = pawl_printf(ctx, "%s", "");

	for (int n = 0; n < count; n++) {
		if (n >= 3)
			(void)pawl_await(ctx, all[n - 3]);
		all[n] = pawl_child_with(ctx, "limb", pawl_printf(ctx, "%d", n), &(pawl_child_options){ .retry = &retry });
	}
	if (pawl_all_of(ctx, all, (size_t)count))
		return pawl_rethrow(ctx);
	for (int n = 0; n < count; n++)
		text = pawl_printf(ctx, "%s%s ", text, pawl_result(all[n]));
	return pawl_return(ctx, text);
}
PAWL_ORCHESTRATION(body, "1.0.0");

/* "N": counts N events `line` and as many of the topic, in a new execution every 7. State: "LEFT LINES DONE". */
static int board(pawl_ctx *ctx, const char *input)
{
	int left = 0, lines = 0, done = 0;

	if (sscanf(input, "%d %d %d", &left, &lines, &done) < 1)
		return pawl_fail(ctx, "how many?");
	(void)pawl_subscribe(ctx, "limb/#", "done");
	for (int n = 0; n < 7; n++) {
		if (lines == left && done == left)
			return pawl_return(ctx, pawl_printf(ctx, "%d lines, %d done", lines, done));
		pawl_task *line = pawl_event(ctx, "line"), *end = pawl_event(ctx, "done");
		if (pawl_any(ctx, line, end) == line)
			lines++;
		else
			done++;
		pawl_set_status(ctx, pawl_printf(ctx, "%d %d", lines, done));
	}
	return pawl_continue_as_new(ctx, pawl_printf(ctx, "%d %d %d", left, lines, done));
}
PAWL_ORCHESTRATION(board, "1.0.0");

/* Waits for an hour, or for a child that does; asked to cancel it cleans up by a step named by its id. */
static int sleeper(pawl_ctx *ctx, const char *input)
{
	const char *done = *input ? pawl_call_child(ctx, "sleeper", input + 1) : pawl_wait_event(ctx, "wake", PAWL_HOURS(1));

	if (!done) {
		const pawl_failure *why = pawl_failed(ctx);
		(void)pawl_call(ctx, "step", pawl_printf(ctx, "clean-%s", pawl_instance_id(ctx)));
		return pawl_fail_with(ctx, why);
	}
	return pawl_return(ctx, done);
}
PAWL_ORCHESTRATION(sleeper, "1.0.0");

#ifndef E2E_PLUGIN
int main(int argc, char **argv)
{
	return pawl_main(argc, argv);
}
#endif
