/*
 * test_deliver.c - the power fails during every operation of instances that reach each other: a parent with children, of
 * which one is tried again, events in both directions, a start that is nobody's child, and one that continues as new while
 * events come for it. Turns, commits and deliveries are the runtime's own (runtime_rig.h).
 *
 * After each cut: what one history says of another is there, once; and what is there was said (I3). Then all goes on to the end.
 */
#include "harness.h"
#include "history/history.h"
#include "providers/memory/memory.h"
#include "runtime_rig.h"

#include <pawl/pawl.h>
#include <stdio.h>

#define ID "family"
#define EVENTS 5

/* ---- what runs ---- */

/* Tells its parent and the book; the one called "late" fails at its first attempt. */
static int member(pawl_ctx *ctx, const char *input)
{
	const char *id = pawl_instance_id(ctx);

	if (strcmp(input, "late") == 0 && !strstr(id, ":r"))
		return pawl_fail(ctx, "not yet");
	(void)pawl_send(ctx, ID, "news", input);
	(void)pawl_send(ctx, "book", "line", input);
	(void)pawl_wait_event(ctx, "go", -1);
	return pawl_return(ctx, input);
}
PAWL_ORCHESTRATION(member, "1.0");

/* So many lines, two in each execution. */
static int book(pawl_ctx *ctx, const char *input)
{
	int count = atoi(input);

	for (int n = 0; n < 2 && count < EVENTS; n++, count++)
		(void)pawl_wait_event(ctx, "line", -1);
	return count < EVENTS ? pawl_continue_as_new(ctx, pawl_printf(ctx, "%d", count)) : pawl_return(ctx, "full");
}
PAWL_ORCHESTRATION(book, "1.0");

static int family(pawl_ctx *ctx, const char *input)
{
	static const char *const names[] = { "one", "two", "late" };
	const pawl_retry retry = { .max_attempts = 3, .first_ms = 5, .coefficient = 1 };
	pawl_task *children[3];
	int done = 0;

	(void)input;
	(void)pawl_start_detached(ctx, "book", "0", &(pawl_start_options){ .id = "book" });
	for (int n = 0; n < 3; n++)
		children[n] = pawl_child_with(ctx, "member", names[n], &(pawl_child_options){ .id = names[n], .retry = &retry });
	for (int n = 0; n < 3; n++) {
		pawl_task *news = pawl_event(ctx, "news");
		const char *name = pawl_await(ctx, news);
		(void)pawl_send(ctx, strcmp(name, "late") == 0 ? "late:r2" : name, "go", NULL);
	}
	(void)pawl_send(ctx, "book", "line", "from the family");
	for (int n = 0; n < 3; n++)
		done += pawl_await(ctx, children[n]) != NULL;
	(void)pawl_send(ctx, "book", "line", "again");
	return pawl_return(ctx, pawl_printf(ctx, "%d", done));
}
PAWL_ORCHESTRATION(family, "1.0");

/* ---- all histories of the hub ---- */

#define FILES_MAX 24

struct file {
	char id[32];
	uint64_t execution;
	char *text;
	struct history h;
};

struct library {
	struct node *n;
	struct file files[FILES_MAX];
	unsigned count;
	bool bad;
};

static int read_instance(void *arg, const char *id)
{
	struct library *l = arg;
	struct pawl_error err = { 0 };
	uint64_t newest = 1, which;
	size_t len;
	char *text = NULL;

	if (l->n->p->ops->read(l->n->p, id, 0, &text, &len, &newest, &err) < 0)
		l->bad = true;
	free(text);
	for (uint64_t e = 1; e <= newest && !l->bad && l->count < FILES_MAX; e++) {
		struct file *f = &l->files[l->count];
		snprintf(f->id, sizeof(f->id), "%s", id);
		f->execution = e;
		history_init(&f->h);
		f->text = NULL;
		if (l->n->p->ops->read(l->n->p, id, e, &f->text, &len, &which, &err) < 0 || history_parse(&f->h, slice_make(f->text, len), &err) < 0)
			l->bad = true;
		l->count++;
	}
	if (l->bad && !crash_is_off(l->n))
		crash_fail("'%s' cannot be read: %s", id, err.text);
	return l->bad;
}

static bool library_read(struct library *l, struct node *n)
{
	struct pawl_error err = { 0 };

	memset(l, 0, sizeof(*l));
	l->n = n;
	(void)n->p->ops->scan(n->p, false, read_instance, l, &err);
	if (!l->bad)
		(void)n->p->ops->scan(n->p, true, read_instance, l, &err);
	return !l->bad;
}

static void library_release(struct library *l)
{
	for (unsigned i = 0; i < l->count; i++) {
		history_release(&l->files[i].h);
		free(l->files[i].text);
	}
}

static const struct file *find_file(const struct library *l, struct slice id, uint64_t execution)
{
	for (unsigned i = 0; i < l->count; i++)
		if (slice_is(id, l->files[i].id) && l->files[i].execution == execution)
			return &l->files[i];
	return NULL;
}

static const struct event *answer_to(const struct file *f, uint64_t ref)
{
	const struct event *found = NULL;

	for (size_t i = 0; i < f->h.count; i++) {
		const struct event *e = &f->h.events[i];
		bool answers = e->type == EVENT_ChildCompleted || e->type == EVENT_ChildFailed || e->type == EVENT_SendCompleted || e->type == EVENT_SendFailed;
		if (answers && e->ref == ref && found)
			crash_fail("line %llu of '%s' is answered twice", (unsigned long long)ref, f->id);
		if (answers && e->ref == ref)
			found = e;
	}
	return found;
}

static unsigned lines_from(const struct file *f, const char *from)
{
	unsigned count = 0;

	for (size_t k = 0; f && k < f->h.count; k++)
		count += f->h.events[k].fields & FIELD_FROM && slice_is(f->h.events[k].from, from);
	return count;
}

/* How often a line was delivered that this decision is the sender of. One that the execution before has, too, was carried over. */
static unsigned delivered(const struct library *l, const struct file *f, const struct event *sent)
{
	char from[64];
	unsigned count = 0;

	snprintf(from, sizeof(from), "@%s/%llu/%llu", f->id, (unsigned long long)f->execution, (unsigned long long)sent->seq);
	for (unsigned i = 0; i < l->count; i++) {
		const struct file *to = &l->files[i];
		unsigned here = lines_from(to, from), before = to->execution > 1 ? lines_from(find_file(l, slice_of(to->id), to->execution - 1), from) : 0;
		count += here > before ? here - before : 0;
	}
	return count;
}

/* ---- what must hold between two histories ---- */

static void check_sent(const struct library *l, const struct file *f, const struct event *e)
{
	const struct event *answer = answer_to(f, e->seq);
	bool ended = event_type_class(f->h.events[f->h.count - 1].type) & EVENT_END;
	unsigned count = delivered(l, f, e);

	if (count > 1)
		crash_fail("line %llu of '%s' was delivered %u times", (unsigned long long)e->seq, f->id, count);
	if (!answer && !ended)
		crash_fail("line %llu of '%s' has no answer", (unsigned long long)e->seq, f->id);
	if (answer && (answer->type == EVENT_SendCompleted) != (count == 1))
		crash_fail("line %llu of '%s' is answered with %s and was delivered %u times", (unsigned long long)e->seq, f->id, event_type_name(answer->type), count);
	if (!answer && ended && count != 1)
		crash_fail("line %llu of '%s', which has ended, was delivered %u times", (unsigned long long)e->seq, f->id, count);
}

/* A child that was scheduled is there; one that has ended has told its parent. */
static void check_child(const struct library *l, const struct file *f, const struct event *e)
{
	const struct event *answer = answer_to(f, e->seq), *retrying = NULL;

	for (size_t i = 0; i < f->h.count; i++)
		if (f->h.events[i].type == EVENT_ChildRetrying && f->h.events[i].ref == e->seq)
			retrying = &f->h.events[i];
	const struct file *first = find_file(l, e->instance, 1), *again = retrying ? find_file(l, retrying->instance, 1) : NULL;
	const struct file *child = retrying ? again : first;
	if (!first)
		crash_fail("child '%.*s' is not there", SLICE_FMT(e->instance));
	bool ended = child && event_type_class(child->h.events[child->h.count - 1].type) & EVENT_END;
	if (ended != (answer != NULL))
		crash_fail("child '%s' has %s, and its parent has %s", child ? child->id : "(to be begun)", ended ? "ended" : "not ended", answer ? "an answer" : "none");
	if (first && retrying && !(event_type_class(first->h.events[first->h.count - 1].type) & EVENT_END))
		crash_fail("child '%s' is to be tried again and has not ended", first->id);
}

static void check_file(const struct library *l, const struct file *f)
{
	for (size_t i = 0; i < f->h.count; i++) {
		const struct event *e = &f->h.events[i];
		if (e->type == EVENT_EventSent || e->type == EVENT_InstanceStarted)
			check_sent(l, f, e);
		else if (e->type == EVENT_ChildScheduled)
			check_child(l, f, e);
	}
}

static bool completed(const struct library *l, const char *id, uint64_t execution, const char *output)
{
	const struct file *f = find_file(l, slice_of(id), execution);
	const struct event *last = f && f->h.count ? &f->h.events[f->h.count - 1] : NULL;

	return last && last->type == EVENT_ExecutionCompleted && slice_is(last->data, output);
}

/* ---- the scenario ---- */

struct story {
	uint64_t random;
	bool replay_only, over;
	struct node *n;
};

static bool is_off(void *arg)
{
	struct story *s = arg;

	return crash_is_off(s->n);
}

static void advance(void *arg, int64_t ns)
{
	struct story *s = arg;

	os_sim_advance(s->n->sim, ns);
}

static bool pause_now(void *arg)
{
	struct story *s = arg;

	return below(&s->random, 12) == 0;
}

static bool go(struct story *s, struct node *n, bool pauses)
{
	struct pawl_error err = { 0 };
	size_t live = 1;

	s->n = n;
	const struct rig rig = { &n->os, n->p, s->replay_only, is_off, advance, pauses ? pause_now : NULL, NULL, s };
	int rc = rig_run(&rig, "family", ID, &live, &err);
	if (rc < 0 && !crash_is_off(n))
		crash_fail("%s", err.text);
	return rc == 0 && live == 0;
}

static void *make(unsigned workload)
{
	struct story *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	s->random = workload + 1;
	s->replay_only = workload % 2;
	return s;
}

static void run(void *state, struct node *n)
{
	struct story *s = state;
	struct pawl_error err = { 0 };

	if (node_start(n, &err) < 0) {
		if (!crash_is_off(n))
			crash_fail("no start: %s", err.text);
		return;
	}
	for (unsigned i = 0; i < 100 && !s->over && n->p && !crash_is_off(n); i++) {
		s->over = go(s, n, true);
		if (!s->over && !crash_is_off(n) && below(&s->random, 3) == 0) {
			node_stop(n);
			if (node_start(n, &err) < 0)
				return;
		}
	}
}

static void check(const void *state, struct node *n, struct outcome *o)
{
	const struct story *s = state;
	struct library l;

	if (library_read(&l, n))
		for (unsigned i = 0; i < l.count; i++)
			check_file(&l, &l.files[i]);
	if ((s->over || o->went_on) && !(completed(&l, ID, 1, "3") && completed(&l, "book", 3, "full")))
		crash_fail("it had come to its end, and now it has not");
	library_release(&l);
}

static void go_on(const void *state, struct node *n)
{
	struct story s = *(const struct story *)state;

	if (!go(&s, n, false) && !crash_is_off(n))
		crash_fail("it does not come to its end");
}

static void everywhere(void)
{
	static const struct scenario s = { make, free, run, check, go_on, 1, 2, 12, 1 };

	for (unsigned i = 0; i < 2 * crash_scale() && !crash_over(); i++)
		crash_cut_everywhere(&s, i);
}

/* ---- memory runs out ---- */

#if defined(__GLIBC__) && CRASH_STRIDE == 1u && PAWL_WITH_MEMORY
#define CAN_FAIL 1
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *malloc(size_t size);
void *calloc(size_t n, size_t size);
void *realloc(void *p, size_t size);

static bool in_turns, to_the_end;
static long countdown = -1; /* < 0: never */
static unsigned fired;

static bool fails(void)
{
	if (!in_turns || countdown < 0 || countdown-- > 0)
		return false;
	fired++;
	countdown = to_the_end ? 0 : -1;
	return true;
}

void *malloc(size_t size)
{
	return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	return fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
	return fails() ? NULL : __libc_realloc(p, size);
}

static void turns(void *arg, bool begin)
{
	(void)arg;
	in_turns = begin;
	if (!begin && fired)
		countdown = -1; /* there is some again */
}

/* Clocks are the simulated machine's; the hub is one in memory, as the simulated disk itself must have some. */
static bool run_without_memory(unsigned stop)
{
	struct node n = { .sim = os_sim_new(stop + 1) };
	struct story s = { .n = &n, .replay_only = stop % 2 };
	struct pawl_error err = { 0 };
	struct outcome o = { .went_on = true };
	size_t live = 1;

	if (node_start(&n, &err) < 0)
		abort();
	node_stop(&n);
	const struct pawl_provider_options options = { .hub = "memory-runs-out", .create = true };
	if (pawl_provider_memory.open(&options, &n.p, &err) < 0 || n.p->ops->acquire(n.p, &err) < 0)
		abort();
	const struct rig rig = { &n.os, n.p, s.replay_only, is_off, advance, NULL, turns, &s };
	fired = 0;
	countdown = (long)stop;
	int rc = rig_run(&rig, "family", ID, &live, &err);
	countdown = -1;
	if (rc < 0 || live)
		crash_fail("%s", rc < 0 ? err.text : "it does not come to its end");
	check(&s, &n, &o);
	n.p->ops->close(n.p);
	n.p = NULL;
	memory_provider_drop("memory-runs-out");
	node_free(&n);
	return fired > 0;
}

/* At the nth allocation of all turns, once, or until those of that commit are over. */
static void memory(void)
{
	for (unsigned forever = 0; forever < 2; forever++) {
		bool any = true;
		to_the_end = forever;
		for (unsigned stop = 0; any && !crash_over(); stop++) {
			crash_at("forever", forever);
			if (crash_at("stop", stop))
				any = run_without_memory(stop);
		}
	}
}
#endif

static void plant_nosync(void)
{
	if (!crash_is_caught("nosync", everywhere))
		crash_fail("nobody noticed the planted bug 'nosync'");
}

int main(int argc, char **argv)
{
	static const struct crash_test tests[] = {
		{ "histories agree over a power cut at any operation", everywhere },
#ifdef CAN_FAIL
		{ "histories agree, and all comes to its end, when memory runs out at any allocation", memory },
#endif
		{ "planted bug is caught: the journal is not synced (nosync)", plant_nosync },
	};

	return crash_main(argc, argv, tests, COUNT_OF(tests));
}
