/*
 * test_continue.c - the power fails during every operation of an instance that continues as new. A runtime in a nutshell: the
 * engine takes turns from the history in the hub, the provider commits them; all messages come again after each start, as
 * if no removal of one ever reached the disk, and what a history names is dropped (I2). Whatever is cut, the numbers
 * arrive once each, in order.
 */
#include "harness.h"
#include "engine/engine.h"
#include "history/history.h"

#include <stdio.h>

#define ID "t"
#define MESSAGES 24
#define ROUNDS_MAX 400

struct tally {
	unsigned acked;  /* messages that are in a durable commit */
	uint64_t random;
	bool over;
};

static int count(pawl_ctx *ctx, const char *input)
{
	const char *item = pawl_wait_event(ctx, "item", -1);
	const char *all = pawl_printf(ctx, "%s%s ", input, item);

	if (atoi(item) == MESSAGES)
		return pawl_return(ctx, all);
	if (atoi(item) % 5 == 0) /* sometimes two in one execution */
		all = pawl_printf(ctx, "%s%s ", all, pawl_wait_event(ctx, "item", -1));
	return pawl_continue_as_new(ctx, all);
}

/* ---- what the hub has ---- */

struct seen {
	uint64_t execution;
	size_t bytes;
	unsigned highest;   /* message that a history names */
	bool begun, ended, known[MESSAGES + 1];
	char *text;         /* of the newest execution */
	struct history h;
};

static void seen_release(struct seen *s)
{
	history_release(&s->h);
	free(s->text);
}

static void see_messages(struct seen *s, const struct history *h)
{
	for (size_t i = 0; i < h->count; i++) {
		const struct event *e = &h->events[i];
		unsigned n = e->type == EVENT_EventRaised && e->id.len > 1 ? (unsigned)atoi(e->id.data + 1) : 0;
		s->known[n <= MESSAGES ? n : 0] = true;
		s->highest = n > s->highest ? n : s->highest;
	}
}

/* False: it cannot be read, or it is not as it must be. An instance that is not there has execution 0. */
static bool see(struct node *n, struct seen *s)
{
	struct pawl_error err = { 0 };
	size_t len = 0;
	uint64_t which = 0;
	const char *why = NULL;

	memset(s, 0, sizeof(*s));
	history_init(&s->h);
	int rc = n->p->ops->read(n->p, ID, 0, &s->text, &len, &s->execution, &err);
	if (rc == PAWL_ENOTFOUND)
		return true;
	for (uint64_t e = 1; rc == 0 && !why && e < s->execution; e++) {
		struct history old;
		char *text = NULL;
		history_init(&old);
		rc = n->p->ops->read(n->p, ID, e, &text, &len, &which, &err);
		if (rc == 0)
			rc = history_parse(&old, slice_make(text, len), &err);
		if (rc == 0 && (old.count == 0 || old.events[old.count - 1].type != EVENT_ExecutionContinuedAsNew))
			why = "an execution before the newest has not been continued as new";
		see_messages(s, &old);
		history_release(&old);
		free(text);
	}
	free(s->text);
	s->text = NULL;
	if (rc == 0)
		rc = n->p->ops->read(n->p, ID, 0, &s->text, &s->bytes, &which, &err);
	if (rc == 0)
		rc = history_parse(&s->h, slice_make(s->text, s->bytes), &err);
	if (rc == 0 && s->execution > 0 && (s->h.count == 0 || s->h.torn_bytes))
		why = "the newest execution has no whole turn";
	see_messages(s, &s->h);
	enum event_type last = s->h.count ? s->h.events[s->h.count - 1].type : EVENT_UNKNOWN;
	s->ended = last == EVENT_ExecutionCompleted;
	if (last == EVENT_ExecutionContinuedAsNew)
		why = "the newest execution was continued as new";
	for (size_t i = 0; i < s->h.count; i++)
		s->begun = s->begun || event_type_class(s->h.events[i].type) & EVENT_DECISION;
	if ((rc < 0 || why) && !crash_is_off(n))
		crash_fail("execution %llu: %s", (unsigned long long)s->execution, why ? why : err.text);
	return rc == 0 && !why;
}

/* ---- turns ---- */

static size_t add_messages(struct tally *t, const struct seen *s, struct message *messages, char (*texts)[16])
{
	unsigned next = 1, wanted = 1 + below(&t->random, 3);
	size_t count_ = 0;

	if (s->execution == 0) {
		messages[count_++] = (struct message){ .event = { .type = EVENT_ExecutionStarted, .fields = FIELD_NAME | FIELD_VERSION | FIELD_SEED,
			.name = SLICE("count"), .version = SLICE("1"), .seed = { 1, 2 } } };
		return count_;
	}
	while (next <= MESSAGES && s->known[next])
		next++;
	if (!s->begun && below(&t->random, 2))
		wanted = 0;
	for (; wanted > 0 && next <= MESSAGES; next++, wanted--) {
		snprintf(texts[count_], sizeof(texts[0]), "m%u", next);
		messages[count_] = (struct message){ .event = { .type = EVENT_EventRaised, .fields = FIELD_NAME | FIELD_DATA | FIELD_ID,
			.name = SLICE("item"), .id = slice_of(texts[count_]), .data = slice_of(texts[count_] + 1) } };
		count_++;
	}
	return count_;
}

static void add_lines(struct buf *out, const struct event *events, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (event_encode(out, &events[i]) < 0)
			abort();
}

static int commit_turn(struct node *n, const struct seen *s, const struct turn *turn, struct pawl_error *err)
{
	struct buf lines = BUF_INIT, next = BUF_INIT;
	uint64_t execution = s->execution ? s->execution : 1;

	add_lines(&lines, turn->events, turn->event_count);
	add_lines(&next, turn->next, turn->next_count);
	const struct pawl_record records[] = {
		{ .instance = ID, .execution = execution, .offset = s->bytes, .data = lines.data, .len = lines.len,
		  .create = s->execution == 0, .end = turn->ended && !turn->next_count },
		{ .instance = ID, .execution = execution + 1, .data = next.data, .len = next.len },
	};
	const struct pawl_batch batch = { records, turn->next_count ? 2 : 1, NULL, 0 };
	int rc = pawl_provider_commit(n->p, &batch, err);
	if (rc == PAWL_EBUSY && node_settle(n))
		rc = pawl_provider_commit(n->p, &batch, err);
	buf_release(&lines);
	buf_release(&next);
	return rc;
}

/* False: it has ended, or cannot go on. */
static bool take_turn(struct tally *t, struct node *n)
{
	const struct engine_options options = { .resident = false };
	struct message messages[4];
	struct pawl_error err = { 0 };
	struct execution *x = NULL;
	char texts[4][16];
	struct seen s;
	int rc = -1;

	if (!see(n, &s) || s.ended) {
		seen_release(&s);
		return false;
	}
	struct turn turn = { .time_ns = 1000000000, .boot = SLICE("12345678"), .messages = messages };
	turn.message_count = add_messages(t, &s, messages, texts);
	if (execution_new(&x, ID, s.execution ? s.execution : 1, count, &options, &err) == 0 && execution_load(x, &s.h, &err) == 0)
		rc = execution_turn(x, &turn, &err);
	if (rc == 0 && turn.event_count)
		rc = commit_turn(n, &s, &turn, &err);
	if (rc < 0 && !crash_is_off(n))
		crash_fail("a turn failed: %s", err.text);
	for (size_t i = 0; rc == 0 && i < turn.message_count; i++)
		if (messages[i].event.type == EVENT_EventRaised && (messages[i].result == MESSAGE_TAKEN || messages[i].result == MESSAGE_DUPLICATE))
			t->acked = (unsigned)atoi(texts[i] + 1);
	execution_free(x);
	seen_release(&s);
	return rc == 0;
}

/* ---- the scenario ---- */

static void *make(unsigned workload)
{
	struct tally *t = calloc(1, sizeof(*t));

	if (!t)
		abort();
	t->random = workload + 1;
	return t;
}

static void run(void *state, struct node *n)
{
	struct tally *t = state;
	struct pawl_error err = { 0 };

	if (node_start(n, &err) < 0) {
		if (!crash_is_off(n))
			crash_fail("no start: %s", err.text);
		return;
	}
	for (unsigned i = 0; i < ROUNDS_MAX && n->p && !crash_is_off(n) && take_turn(t, n); i++) {
		if (below(&t->random, 4) == 0)
			(void)node_settle(n);
		if (below(&t->random, 9) == 0 && !crash_is_off(n)) {
			node_stop(n);
			if (node_start(n, &err) < 0)
				return;
		}
	}
}

/* What was told to be durable is there; the numbers are in order, each once: those used, then those that wait. */
static void check(const void *state, struct node *n, struct outcome *o)
{
	const struct tally *t = state;
	struct seen s;
	unsigned next = 1;

	if (see(n, &s) && s.execution > 0) {
		const struct event *start = &s.h.events[0];
		const char *at = start->data.data ? start->data.data : "", *end = at + start->data.len;
		while (at < end && next == (unsigned)atoi(at)) {
			at = memchr(at, ' ', (size_t)(end - at));
			at = at ? at + 1 : end;
			next++;
		}
		if (at < end)
			crash_fail("the input of execution %llu is '%.*s'", (unsigned long long)s.execution, SLICE_FMT(start->data));
		for (size_t i = 0; i < s.h.count; i++)
			if (s.h.events[i].type == EVENT_EventRaised && (unsigned)atoi(s.h.events[i].data.data) != next++)
				crash_fail("event %u is not there or not in order in execution %llu", next - 1, (unsigned long long)s.execution);
	}
	if (next <= t->acked)
		crash_fail("event %u was durable and is lost: the next is %u", t->acked, next);
	if (o->went_on && (!s.ended || next != MESSAGES + 1))
		crash_fail("it had ended, and now the next event is %u", next);
	seen_release(&s);
}

static void go_on(const void *state, struct node *n)
{
	struct tally t = *(const struct tally *)state;

	for (unsigned i = 0; i < ROUNDS_MAX && take_turn(&t, n); i++)
		;
}

static void everywhere(void)
{
	static const struct scenario s = { make, free, run, check, go_on, 2, 2, 12, 1 };

	for (unsigned i = 0; i < 2 * crash_scale() && !crash_over(); i++)
		crash_cut_everywhere(&s, i);
}

static void plant_nosync(void)
{
	if (!crash_is_caught("nosync", everywhere))
		crash_fail("nobody noticed the planted bug 'nosync'");
}

int main(int argc, char **argv)
{
	static const struct crash_test tests[] = {
		{ "events go from one execution to the next over a power cut at any operation", everywhere },
		{ "planted bug is caught: the journal is not synced (nosync)", plant_nosync },
	};

	return crash_main(argc, argv, tests, COUNT_OF(tests));
}
