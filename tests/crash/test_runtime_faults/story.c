/* story.c - what is done, what comes from outside and when, and what must be there in the end. */
#include "crash/test_runtime_faults/story.h"
#include "base/error.h"
#include "base/log.h"
#include "crash/program_loop.h"
#include "crash/test_runtime_faults/gate.h"
#include "history/history.h"
#include "runtime/runtime.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HUB "/hub"
#define BIG_BYTES 40000
#define STEPS_MAX 300000u
#define STILL_MAX 20000u       /* steps while no time passes: it is busy with nothing */
#define TROUBLE_MS 300000      /* how long it lasts */
#define PATIENCE_MS 1800000    /* behind that all must be done */
#define WAKES_MAX 4000u        /* in TROUBLE_MS */
#define REPEATS_MAX 40u        /* of one line in that time */
#define LIVES_MAX 40u
#define TEXTS_MAX 400u
#define AFTER_STEPS 9

bool story_verbose;

static bool is_dead(void);

/* ---- what the instances do ---- */

static struct done { char label[40]; unsigned times; } effects[64];
static size_t effect_count;

static int act(pawl_work *work, const char *input)
{
	size_t n = 0;

	if (is_dead())
		return 0;
	while (n < effect_count && strcmp(effects[n].label, input) != 0)
		n++;
	if (n == effect_count)
		snprintf(effects[effect_count++].label, sizeof(effects[0].label), "%s", input);
	effects[n].times++;
	return pawl_work_return(work, "did %s", input);
}
PAWL_ACTIVITY(act);

static int big(pawl_work *work, const char *input)
{
	static char text[BIG_BYTES];

	memset(text, *input, sizeof(text));
	return pawl_work_return_bytes(work, text, sizeof(text));
}
PAWL_ACTIVITY(big);

static int leaf(pawl_ctx *ctx, const char *input)
{
	const char *text = pawl_call(ctx, "act", input);

	return text ? pawl_return(ctx, text) : pawl_rethrow(ctx);
}
PAWL_ORCHESTRATION(leaf, "1.0");

static int waiter(pawl_ctx *ctx, const char *input)
{
	const char *text = pawl_wait_event(ctx, "hello", -1);

	return text ? pawl_return(ctx, pawl_printf(ctx, "%s%s", input, text)) : pawl_rethrow(ctx);
}
PAWL_ORCHESTRATION(waiter, "1.0");

static int first_half(pawl_ctx *ctx)
{
	const char *a = pawl_call(ctx, "act", "first"), *large = a ? pawl_call(ctx, "big", "x") : NULL;
	const char *child = large ? pawl_call_child(ctx, "leaf", "of-child") : NULL;

	if (!child || pawl_set(ctx, "key", a) < 0)
		return pawl_rethrow(ctx);
	pawl_set_status(ctx, "half of it");
	pawl_sleep(ctx, 3000);
	const char *went = pawl_wait_event(ctx, "go", -1);
	pawl_task *second = pawl_event(ctx, "second"), *late = pawl_timer(ctx, PAWL_HOURS(100));
	if (!went || pawl_any(ctx, second, late) != second)
		return pawl_rethrow(ctx);
	if (!pawl_await(ctx, pawl_send(ctx, "hearer", "hello", went)))
		return pawl_rethrow(ctx);
	return pawl_continue_as_new(ctx, pawl_printf(ctx, "%s %s %s %zu", child, went, pawl_result(second), strlen(large)));
}

static int second_half(pawl_ctx *ctx, const char *input)
{
	pawl_task *b = pawl_activity(ctx, "act", "left"), *c = pawl_activity(ctx, "act", "right");
	pawl_task *child = pawl_child(ctx, "leaf", "of-second");

	pawl_sleep(ctx, 5000);
	if (pawl_all(ctx, b, c, child) > 0)
		return pawl_rethrow(ctx);
	const char *large = pawl_call(ctx, "big", "y");
	return large ? pawl_return(ctx, pawl_printf(ctx, "%s|%s|%s", input, pawl_get(ctx, "key"), large)) : pawl_rethrow(ctx);
}

static int tale(pawl_ctx *ctx, const char *input)
{
	return strcmp(input, "begin") == 0 ? first_half(ctx) : second_half(ctx, input);
}
PAWL_ORCHESTRATION(tale, "1.0");

/* ---- the world ---- */

static struct {
	const struct story_case *c;
	struct story_result *r;
	struct os_sim *sim;
	struct pawl_provider *client;
	pawl_runtime *rt;
	size_t at;                   /* of the plan */
	int64_t began_ms, fired_ms, healed_ms, still_ms;
	unsigned steps, still, wakes, later, unclean, fired_at_life;
	bool dying, dead, last, jumped, done;
	bool restart;                /* somebody was told that this is needed */
	struct text { char *line; unsigned times; } texts[TEXTS_MAX];
	size_t text_count;
} w;

static struct program_loop loop;
static struct text all_texts[TEXTS_MAX];
static size_t all_count;

static const struct pawl_provider_ops *const real_ops = &pawl_provider_fs;
static struct pawl_provider_ops ops;

static void PAWL_PRINTF(1, 2) wrong(const char *fmt, ...)
{
	va_list args;

	if (w.r->why[0])
		return;
	va_start(args, fmt);
	vsnprintf(w.r->why, sizeof(w.r->why), fmt, args);
	va_end(args);
}

static bool is_dead(void)
{
	return w.dead;
}

static const struct os *outside(void)
{
	return os_sim_os_process(w.sim, 1);
}

static int64_t now_ms(void)
{
	return outside()->boot_ns(outside()->self) / 1000000;
}

/* ---- what is logged ---- */

/* Numbers and random names differ from one time to the next. */
static void plain(const char *line, char *out, size_t size)
{
	size_t n = 0;

	for (; *line && n + 1 < size; line++) {
		bool digit = isxdigit((unsigned char)*line) && (isdigit((unsigned char)*line) || (n > 0 && out[n - 1] == '#'));
		if (digit && n > 0 && out[n - 1] == '#')
			continue;
		out[n++] = digit ? '#' : *line;
	}
	out[n] = '\0';
}

static unsigned count_text(struct text *texts, size_t *count, const char *line)
{
	size_t n = 0;

	while (n < *count && strcmp(texts[n].line, line) != 0)
		n++;
	if (n == TEXTS_MAX)
		return 0;
	if (n == *count)
		texts[(*count)++] = (struct text){ strdup(line), 0 };
	return ++texts[n].times;
}

static void on_log(void *arg, enum log_level level, const char *line)
{
	char text[600];

	(void)arg;
	gate_quiet(1);
	plain(line, text, sizeof(text));
	if (story_verbose)
		printf("        | %8lld %d %s\n", (long long)(now_ms() - w.began_ms), (int)level, line);
	w.restart = w.restart || strstr(line, "set aside until the next start");
	if (gate_fired() > 0 && level <= LOG_LEVEL_WARNING) {
		(void)count_text(all_texts, &all_count, text);
		if (count_text(w.texts, &w.text_count, text) > REPEATS_MAX)
			wrong("it says so more than %u times: %s", REPEATS_MAX, line);
	}
	gate_quiet(-1);
}

void story_print_lines(void)
{
	for (size_t n = 0; n < all_count; n++)
		printf("%8u %s\n", all_texts[n].times, all_texts[n].line);
}

/* A person is told what is wrong: some line has the system's words for it. */
static bool is_told(void)
{
	const char *words = strerror(w.c->error);

	for (size_t n = 0; n < w.text_count; n++)
		if (strstr(w.texts[n].line, words + 1) || strstr(w.texts[n].line, "out of memory"))
			return true;
	return false;
}

/* ---- outside ---- */

static struct pawl_provider *client(void)
{
	struct pawl_provider_options o = { .hub = HUB, .allow_volatile = true, .os = outside() };
	struct pawl_error err = { 0 };

	if (!w.client && real_ops->open(&o, &w.client, &err) < 0)
		w.client = NULL; /* there is no hub yet */
	return w.client;
}

static void close_client(void)
{
	if (w.client)
		w.client->ops->close(w.client);
	w.client = NULL;
}

static bool has(const char *id, uint64_t execution, const char *part)
{
	struct pawl_provider *p = client();
	uint64_t which;
	size_t len;
	char *text = NULL;

	bool there = p && p->ops->read(p, id, execution, &text, &len, &which, NULL) == 0 && strstr(text, part);
	free(text);
	return there;
}

static bool is_in(const char *dir, const char *name)
{
	struct os_stat st;
	char path[200];

	snprintf(path, sizeof(path), HUB "/%s/%s", dir, name);
	return outside()->stat(outside()->self, OS_CWD, path, &st) == 0;
}

static void send(enum pawl_message_kind kind, const char *id, const char *name, const char *data)
{
	const struct pawl_message m = { .kind = kind, .instance = id, .name = name, .data = data, .len = data ? strlen(data) : 0 };
	struct pawl_provider *p = client();
	struct pawl_error err = { 0 };

	if (!p || p->ops->send(p, &m, &err) < 0)
		wrong("a client is refused: %s", err.text);
}

static void drop(const char *path, const char *text)
{
	const struct os *os = outside();
	int fd = os->open(os->self, OS_CWD, path, OS_WRITE | OS_CREATE | OS_EXCL, 0644);

	if (fd < 0 || os->pwrite(os->self, fd, text, strlen(text), 0) < 0 || os->sync(os->self, fd) < 0 || os->close(os->self, fd) < 0)
		wrong("'%s' cannot be dropped", path);
	char dir[200];
	snprintf(dir, sizeof(dir), "%s", path);
	*strrchr(dir, '/') = '\0';
	(void)os_sync_dir(os, OS_CWD, dir);
}

enum what { START, RAISE, DROP, SUSPEND, RESUME, CANCEL, TERMINATE, AGAIN, PURGE, PUBLISH, STOP };

/* When that is in the history (part NULL: when it is in the archive; id NULL: at once), this is done. */
static const struct step {
	const char *when, *part;
	enum what what;
	const char *id, *name, *data;
} plan[] = {
	{ NULL, NULL, START, "tale", "tale", "begin" },
	{ NULL, NULL, DROP, HUB "/inbox/waiter@hearer.start", NULL, "heard " },
	{ NULL, NULL, START, "gone", "leaf", "of-gone" },
	{ NULL, NULL, START, "stopped", "waiter", "" },
	{ "gone", NULL, PURGE, "gone", NULL, NULL },
	{ "stopped", "EventSubscribed", SUSPEND, "stopped", NULL, NULL },
	{ "tale", "\"name\":\"go\"", DROP, HUB "/instances/tale/events/go.txt", NULL, "went" },
	{ "stopped", "ExecutionSuspended", STOP, NULL, NULL, NULL },
	{ "tale", "\"name\":\"second\"", RAISE, "tale", "second", "twice" },
	{ NULL, NULL, RESUME, "stopped", NULL, NULL },
	{ "stopped", "ExecutionResumed", CANCEL, "stopped", NULL, NULL },
	{ NULL, NULL, START, "ended", "waiter", "" },
	{ "ended", "EventSubscribed", TERMINATE, "ended", NULL, NULL },
	{ "stopped", NULL, START, "again", "leaf", "of-again" },
	{ "again", NULL, AGAIN, "again", NULL, NULL },
	{ "tale", "left", STOP, NULL, NULL, NULL },
	{ "ended", NULL, PUBLISH, NULL, "no/body", "hears" },
};
#define PLAN_COUNT (sizeof(plan) / sizeof(plan[0]))

/* What must be in the archive when all is over; again has another execution. */
static const struct end {
	const char *id, *status, *output;
	uint64_t executions;
} ends[] = {
	{ "tale", "Completed", NULL, 2 },
	{ "hearer", "Completed", "heard went", 1 },
	{ "stopped", "Canceled", NULL, 1 },
	{ "ended", "Terminated", NULL, 1 },
	{ "again", "Completed", "did of-again", 2 },
};

static const struct { const char *label; unsigned times; } wanted[] = {
	{ "first", 1 }, { "of-child", 1 }, { "left", 1 }, { "right", 1 }, { "of-second", 1 }, { "of-gone", 1 }, { "of-again", 2 },
};

static void do_step(const struct step *s)
{
	static const enum pawl_message_kind kinds[] = { [START] = PAWL_MESSAGE_START, [RAISE] = PAWL_MESSAGE_RAISE, [SUSPEND] = PAWL_MESSAGE_SUSPEND,
		[RESUME] = PAWL_MESSAGE_RESUME, [CANCEL] = PAWL_MESSAGE_CANCEL, [TERMINATE] = PAWL_MESSAGE_TERMINATE, [AGAIN] = PAWL_MESSAGE_RESTART,
		[PURGE] = PAWL_MESSAGE_PURGE, [PUBLISH] = PAWL_MESSAGE_PUBLISH };

	if (story_verbose)
		printf("        > %8lld %d %s %s\n", (long long)(now_ms() - w.began_ms), (int)s->what, s->id ? s->id : "", s->name ? s->name : "");
	if (s->what == DROP)
		drop(s->id, s->data);
	else if (s->what == STOP)
		pawl_stop(w.rt);
	else
		send(kinds[s->what], s->id, s->name, s->data);
}

static bool is_time_for(const struct step *s)
{
	return !s->when || (s->part ? has(s->when, 0, s->part) : is_in("archive", s->when));
}

static bool is_over(void)
{
	if (w.at < PLAN_COUNT || is_in("archive", "gone") || is_in("instances", "gone") || !has("again", 2, "ExecutionCompleted"))
		return false;
	for (size_t n = 0; n < sizeof(ends) / sizeof(ends[0]); n++)
		if (!is_in("archive", ends[n].id))
			return false;
	return true;
}

/* ---- the loop's questions ---- */

static int die(struct pawl_error *err)
{
	w.dead = true;
	os_sim_kill(w.sim, 0);
	return err_set(err, PAWL_EFENCED, "the test lets the runtime die");
}

static int give_up(struct pawl_error *err)
{
	w.last = w.done = true;
	return die(err);
}

static void look_at_trouble(void)
{
	if (gate_fired() && !w.fired_ms) {
		w.fired_ms = now_ms();
		w.fired_at_life = w.r->lives;
	}
	if (w.c->forever && w.fired_ms && gate_is_armed() && now_ms() - w.fired_ms >= TROUBLE_MS && w.c->ops != GATE_CLOCK) {
		gate_heal();
		w.healed_ms = now_ms();
		if (w.wakes > WAKES_MAX)
			wrong("it woke up %u times within %d s of trouble", w.wakes, TROUBLE_MS / 1000);
	}
	int64_t since = w.healed_ms ? w.healed_ms : w.fired_ms ? w.fired_ms : w.began_ms;
	if (now_ms() - since > PATIENCE_MS && (!gate_is_armed() || !gate_fired()))
		wrong("it is not done %d minutes after the trouble: step %zu of %zu", PATIENCE_MS / 60000, w.at, PLAN_COUNT);
}

static int step(void *arg, struct pawl_error *err)
{
	(void)arg;
	gate_quiet(1);
	int rc = 0;

	if (now_ms() != w.still_ms)
		w.still = 0;
	w.still_ms = now_ms();
	if (++w.still > STILL_MAX || ++w.steps > STEPS_MAX)
		wrong("it is busy with nothing");
	look_at_trouble();
	if (gate_fired() && w.c->after && !w.later && !w.dying)
		w.later = AFTER_STEPS;
	if (w.later && !w.dying && --w.later == 0) {
		w.dying = w.dead = true; /* nothing that it does reaches anything any more, also while it ends its jobs */
		os_sim_kill(w.sim, 0);
		pawl_stop(w.rt);
	}
	if (gate_fired() && w.c->ops == GATE_CLOCK && !w.c->quiet_clock && !w.jumped) {
		w.jumped = true;
		loop.clock_set = true;
	}
	loop.mail = gate_mail(w.sim);
	if (w.r->why[0])
		rc = give_up(err);
	gate_quiet(-1);
	return rc;
}

static int idle(void *arg, int64_t timer_ns, struct pawl_error *err)
{
	int rc = 0;

	(void)arg;
	gate_quiet(1);
	w.wakes += gate_fired() > 0;
	int64_t now = outside()->boot_ns(outside()->self);
	if (!w.rt->stopping && w.restart && !gate_is_armed()) {
		w.restart = false;
		w.fired_at_life = w.r->lives; /* activities of before may begin again */
		pawl_stop(w.rt);
	} else if (!w.rt->stopping && w.at < PLAN_COUNT && is_time_for(&plan[w.at])) {
		do_step(&plan[w.at++]);
	} else if (!w.rt->stopping && is_over()) {
		w.done = true;
		pawl_stop(w.rt);
	} else if (timer_ns < 0) {
		wrong("nothing will ever wake it: step %zu of %zu", w.at, PLAN_COUNT);
		rc = give_up(err);
	} else if (timer_ns > now) {
		os_sim_advance(w.sim, timer_ns - now);
	}
	gate_quiet(-1);
	return rc;
}

/* ---- lives ---- */

static int open_provider(const struct pawl_provider_options *options, struct pawl_provider **out, struct pawl_error *err)
{
	struct pawl_provider_options o = *options;

	o.journal_bytes = 32 << 10;
	o.journal_segments = 3;
	int rc = real_ops->open(&o, out, err);
	if (rc == 0)
		(*out)->ops = &ops;
	return rc;
}

static int work_dir(struct pawl_provider *p, const char *instance, uint64_t seq, char *out, size_t size)
{
	(void)p;
	snprintf(out, size, "/nowhere/%s/%llu", instance, (unsigned long long)seq);
	return 0;
}

static void after_death(void)
{
	const struct os_sim_cut cut = { OS_SIM_DROP_ALL, 1, 512 };

	w.unclean++;
	w.dead = false;
	close_client();
	if (w.c->after == AFTER_CUT)
		os_sim_power_cut(w.sim, &cut);
}

/* What is kept for the whole process (names of types) is there after the first life. */
static bool warm;

static void check_closed(void)
{
	void *where = NULL;

	if (!w.dead && os_sim_open_count(w.sim, 0))
		wrong("%u descriptors are open when the runtime is closed", os_sim_open_count(w.sim, 0));
	if (os_sim_bad_fd_count(w.sim) && !w.unclean)
		wrong("a descriptor is used that is not open");
	if (gate_unfreed(&where) && warm)
		wrong("%u blocks of memory are not freed, one is from story_run%+td", gate_unfreed(&where), (char *)where - (char *)(uintptr_t)story_run);
	gate_forget();
	warm = true;
}

static void start_again_later(void)
{
	gate_quiet(1);
	os_sim_advance(w.sim, 30000000000);
	look_at_trouble();
	gate_quiet(-1);
}

static void could_not_open(const struct pawl_error *err)
{
	if (!gate_fired())
		wrong("the hub does not open: %s", err->text);
	else if (!err->text[0])
		wrong("the hub does not open, and nobody says why (after '%s')", gate_what());
	if (story_verbose)
		printf("        | %8lld does not open: %s\n", (long long)(now_ms() - w.began_ms), err->text);
	char text[600];
	gate_quiet(1);
	plain(err->text, text, sizeof(text));
	(void)count_text(all_texts, &all_count, text);
	(void)count_text(w.texts, &w.text_count, text);
	gate_quiet(-1);
	start_again_later();
}

static void one_life(void)
{
	const pawl_options o = { .hub = HUB, .config = "", .provider = &ops, .allow_volatile = true, .os = gate_os(w.sim) };
	struct pawl_error err = { 0 };

	w.r->lives++;
	if (pawl_open(&w.rt, &o, &err) < 0) {
		could_not_open(&err);
		check_closed();
		return;
	}
	int rc = pawl_run(w.rt, &err);
	/* Only without memory for what it has just committed: history has it, and a restart builds the rest anew. */
	bool ended = rc < 0 && !w.dead && strstr(err.text, "out of memory") && w.c->ops & (GATE_ALLOC | GATE_MAP);
	if (rc < 0 && !w.dead && !ended)
		wrong("the runtime ends by itself after %s: %s", gate_what(), err.text);
	bool trouble = gate_fired() && (gate_is_armed() || w.fired_at_life == w.r->lives);
	pawl_close(w.rt);
	w.rt = NULL;
	w.unclean += trouble && !w.dead; /* what was done then may not have been recorded when it stopped */
	check_closed();
	if (w.dead)
		after_death();
	else if (ended)
		start_again_later();
}

/* ---- what is there in the end ---- */

static void check_end(const struct end *e)
{
	struct pawl_error err = { 0 };
	struct history h;
	struct view v;
	char *text = NULL;
	size_t len;
	uint64_t which = 0;
	bool quarantined = false;

	int rc = w.client->ops->read(w.client, e->id, 0, &text, &len, &which, &err);
	if (rc < 0) {
		wrong("'%s' cannot be read: %s", e->id, err.text);
		return;
	}
	char *note = w.client->ops->read_note(w.client, e->id, &quarantined);
	if (note)
		wrong("'%s' has a note: %s", e->id, note);
	free(note);
	history_init(&h);
	view_init(&v);
	rc = history_parse(&h, slice_make(text, len), &err);
	for (size_t n = 0; rc == 0 && n < h.count; n++)
		rc = view_apply(&v, &h.events[n]);
	if (rc < 0 || h.torn_bytes)
		wrong("the history of '%s' is damaged", e->id);
	else if (which != e->executions || strcmp(status_name(v.status), e->status) != 0)
		wrong("'%s' is %s with %llu executions, not %s with %llu:\n%s", e->id, status_name(v.status), (unsigned long long)which, e->status,
		      (unsigned long long)e->executions, text);
	else if (e->output && (!v.output || strcmp(v.output, e->output) != 0))
		wrong("'%s' has the output '%s', not '%s'", e->id, v.output ? v.output : "", e->output);
	else if (!e->output && strcmp(e->id, "tale") == 0) {
		char *output = NULL;
		static const char begin[] = "did of-child went twice 40000|did first|yyyy";
		if (!v.output_file || w.client->ops->read_spill(w.client, e->id, v.output_file, &output, &len, &err) < 0)
			wrong("the output of '%s' cannot be read: %s", e->id, err.text);
		else if (len != sizeof(begin) - 5 + BIG_BYTES || memcmp(output, begin, sizeof(begin) - 1) != 0)
			wrong("'%s' has another output: %.100s", e->id, output);
		free(output);
	}
	view_release(&v);
	history_release(&h);
	free(text);
}

static void check_effects(void)
{
	for (size_t n = 0; n < sizeof(wanted) / sizeof(wanted[0]); n++) {
		unsigned times = 0;
		for (size_t k = 0; k < effect_count; k++)
			times = strcmp(effects[k].label, wanted[n].label) == 0 ? effects[k].times : times;
		if (times < wanted[n].times || times > wanted[n].times + w.unclean)
			wrong("activity '%s' ran %u times, not %u", wanted[n].label, times, wanted[n].times);
	}
}

static int none(void *arg, const char *name)
{
	(void)arg;
	wrong("'%s' is left behind", name);
	return 0;
}

static void check_hub(void)
{
	const struct os *os = outside();
	struct pawl_error err = { 0 };

	if (!client()) {
		wrong("there is no hub in the end");
		return;
	}
	for (size_t n = 0; n < sizeof(ends) / sizeof(ends[0]) && !w.r->why[0]; n++)
		check_end(&ends[n]);
	check_effects();
	(void)os->list(os->self, OS_CWD, HUB "/instances", none, NULL);
	(void)os->list(os->self, OS_CWD, HUB "/control", none, NULL);
	(void)err;
}

static bool goes_on(void)
{
	return !w.r->why[0] && !w.last && w.r->lives < LIVES_MAX;
}

void story_run(const struct story_case *c, struct story_result *r)
{
	memset(&w, 0, sizeof(w));
	memset(r, 0, sizeof(*r));
	w.c = c;
	w.r = r;
	effect_count = 0;
	ops = *real_ops;
	ops.open = open_provider;
	ops.work_dir = work_dir;
	memset(effects, 0, sizeof(effects));
	w.sim = os_sim_new(7);
	if (c->watch_queue)
		os_sim_set_watch_queue(w.sim, c->watch_queue);
	log_set_sink(on_log, NULL);
	log_set_level(LOG_LEVEL_INFO);
	loop = (struct program_loop){ .random = 5, .step = step, .idle = idle };
	program_loop = &loop;
	w.began_ms = now_ms();
	gate_forget();
	gate_arm(c->ops, c->error, c->nth, c->forever);
	while (goes_on() && !w.done)
		one_life();
	r->took_ms = now_ms() - w.began_ms;
	r->fired = gate_fired();
	r->calls = gate_calls();
	gate_heal();
	w.dying = true;
	if (goes_on())
		one_life(); /* nothing is left to do, and all of it is still there */
	gate_quiet(1);
	if (!r->why[0])
		check_hub();
	if (!r->why[0] && r->lives >= LIVES_MAX)
		wrong("it takes more than %u starts", LIVES_MAX);
	if (!r->why[0] && c->forever && r->fired > 20 && c->ops & (GATE_ALLOC | GATE_WRITE | GATE_SYNC | GATE_RENAME) && !is_told())
		wrong("nobody was told of '%s' (%s), that happened %u times", gate_what(), strerror(c->error), r->fired);
	close_client();
	for (size_t n = 0; n < w.text_count; n++)
		free(w.texts[n].line);
	os_sim_free(w.sim);
	gate_quiet(-1);
}
