/* program.c - making, printing, shrinking and interpreting random programs; see program.h for the rules. */
#include "program.h"
#include "harness.h"

#include <stdio.h>

#define DELAY_MS_MAX 1000000000u
#define BIG_BYTES 40000
#define EVENTS 3 /* names that roots send each other and that come from outside */
#define QUEUES 2 /* names of what comes through topics */

struct program_hooks program_hooks;

unsigned program_below(uint64_t *seed, unsigned limit)
{
	return below(seed, limit);
}

bool program_planted(const char *plant)
{
	return crash_planted(plant);
}

/* ---- making ---- */

static int64_t some_ms(uint64_t *seed)
{
	return 1 + below(seed, DELAY_MS_MAX);
}

static struct member slow_member(uint64_t *seed)
{
	bool call = below(seed, 2);

	return (struct member){ .kind = call ? MEMBER_SLOW_CALL : MEMBER_TIMER, .n = 1 + below(seed, 2), .ms = some_ms(seed) };
}

static unsigned later_body(const struct program *p, unsigned from, uint64_t *seed)
{
	unsigned first = from + 1 > p->root_count ? from + 1 : p->root_count;

	return first < p->body_count ? first + below(seed, p->body_count - first) : 0;
}

static struct member fast_member(const struct program *p, unsigned body, uint64_t *seed)
{
	struct member m = { .kind = MEMBER_CALL, .name = below(seed, EVENTS), .body = later_body(p, body, seed) };
	unsigned what = below(seed, 4);

	if (what == 1 || what == 2)
		m.kind = MEMBER_EVENT;
	else if (what == 3 && m.body && p->kind)
		m.kind = MEMBER_CHILD;
	return m;
}

static void make_members(const struct program *p, unsigned body, struct statement *s, uint64_t *seed)
{
	s->member_count = 2 + below(seed, MEMBERS_MAX - 1);
	for (unsigned i = 0; i < s->member_count; i++)
		s->members[i] = slow_member(seed);
	if (s->op == OP_NESTED && s->n != 1) { /* at most one of the inner ones */
		if (s->member_count > 2 && below(seed, 3))
			s->members[below(seed, s->member_count - 1)] = fast_member(p, body, seed);
		return;
	}
	if (s->op != OP_ALL && s->op != OP_NESTED) {
		if (below(seed, 3))
			s->members[below(seed, s->member_count)] = fast_member(p, body, seed);
		return;
	}
	for (unsigned i = 0; i < s->member_count - (s->op == OP_NESTED); i++) {
		struct member m = fast_member(p, body, seed);
		if (m.kind != MEMBER_EVENT && below(seed, 2))
			s->members[i] = m;
	}
}

static enum op some_op(const struct program *p, uint64_t *seed)
{
	static const enum op alone[] = { OP_CALL, OP_CALL, OP_RETRY, OP_FAIL, OP_SLEEP, OP_UNTIL, OP_WAIT, OP_WAIT, OP_DRAIN, OP_ALL,
		OP_ANY, OP_ANY, OP_FIRST, OP_NESTED, OP_VALUE, OP_STATUS, OP_PATCH, OP_SHIELD };
	static const enum op others[] = { OP_SELF, OP_SEND, OP_SEND, OP_SEND, OP_CHILD, OP_CHILD, OP_CHILD_CANCEL, OP_CHILD_LEAVE,
		OP_DETACHED, OP_SUBSCRIBE, OP_SUBSCRIBE, OP_UNSUBSCRIBE, OP_PUBLISH, OP_PUBLISH, OP_READ, OP_WAIT, OP_VALUE, OP_SIGNAL, OP_ENTITY,
		OP_LOCK };

	if (below(seed, 100) == 0)
		return OP_CALL_BIG;
	return p->kind && below(seed, 2) ? others[below(seed, COUNT_OF(others))] : alone[below(seed, COUNT_OF(alone))];
}

static bool begins_child(enum op op)
{
	return op == OP_CHILD || op == OP_CHILD_CANCEL || op == OP_CHILD_LEAVE || op == OP_DETACHED;
}

static void make_statement(const struct program *p, unsigned body, struct statement *s, unsigned id, uint64_t *seed)
{
	*s = (struct statement){ .op = some_op(p, seed), .id = id, .n = 1 + below(seed, 3), .flag = below(seed, 2), .ms = some_ms(seed),
		.again_ms = some_ms(seed), .name = below(seed, EVENTS + QUEUES), .target = below(seed, p->root_count + 1) };
	s->body = later_body(p, body, seed);
	if (begins_child(s->op) && !s->body)
		s->op = OP_CALL;
	if (s->op == OP_ALL || s->op == OP_ANY || s->op == OP_FIRST || s->op == OP_NESTED)
		make_members(p, body, s, seed);
}

static void make_body(struct program *p, unsigned n, unsigned *ids, uint64_t *seed)
{
	struct body *b = &p->bodies[n];
	unsigned what = below(seed, 8);

	b->count = 1 + below(seed, STATEMENTS_MAX);
	b->obeys = below(seed, 4) > 0;
	for (unsigned i = 0; i < b->count; i++)
		make_statement(p, n, &b->statements[i], ++*ids, seed);
	b->ending = what < 4 ? END_RETURN : what == 4 ? END_FAIL : what == 5 ? END_CONTINUE : END_LOOP;
	b->next = later_body(p, n, seed);
	b->loops = 1 + below(seed, 2);
	if (b->ending == END_CONTINUE && !b->next)
		b->ending = END_LOOP;
}

static unsigned child_of(const struct body *b, uint64_t *seed)
{
	const struct statement *s = &b->statements[below(seed, b->count)];

	return begins_child(s->op) ? s->id : 0;
}

static void make_stimulus(struct program *p, struct stimulus *s, uint64_t *seed)
{
	unsigned what = below(seed, p->kind == PROGRAM_ALONE ? 12 : 13 + 4 * (p->kind == PROGRAM_REWOUND));

	*s = (struct stimulus){ .root = below(seed, p->root_count), .name = below(seed, EVENTS), .at_ms = some_ms(seed), .resume_ms = some_ms(seed) };
	s->kind = what < 7 ? STIMULUS_RAISE : what < 10 ? STIMULUS_SUSPEND : what == 10 ? STIMULUS_CANCEL : what == 11 ? STIMULUS_TERMINATE :
		what == 12 ? STIMULUS_RESTART : what == 13 ? STIMULUS_RETRY : STIMULUS_REWIND;
	s->key = below(seed, 3) ? 0 : 1 + below(seed, 2);
	if (s->kind == STIMULUS_REWIND)
		s->key = below(seed, 4) ? 1 + below(seed, 30) : 0;
	if (below(seed, 3) == 0)
		s->child = child_of(&p->bodies[s->root], seed);
	if (below(seed, 2)) /* early: most instances are there then */
		s->at_ms = 1 + s->at_ms % (DELAY_MS_MAX / 4);
}

unsigned program_revivals(const struct program *p)
{
	unsigned count = 0;

	for (unsigned i = 0; i < p->stimulus_count; i++)
		count += p->stimuli[i].kind >= STIMULUS_RESTART;
	return count;
}

static bool has_generations(const struct program *p)
{
	bool any = program_revivals(p) > 0;

	for (unsigned i = 0; i < p->body_count; i++)
		any = any || p->bodies[i].ending == END_CONTINUE || p->bodies[i].ending == END_LOOP;
	return any;
}

void program_make(struct program *p, uint64_t seed, enum program_kind kind)
{
	unsigned ids = 0;

	memset(p, 0, sizeof(*p));
	p->kind = kind;
	p->root_count = 1 + below(&seed, kind ? ROOTS_MAX : 2);
	p->body_count = p->root_count + below(&seed, BODIES_MAX - p->root_count + 1);
	for (unsigned i = 0; i < p->body_count; i++)
		make_body(p, i, &ids, &seed);
	for (unsigned i = 0; i < p->root_count; i++) {
		p->roots[i].there = true;
		p->roots[i].at_ms = i == 0 ? 1 : 1 + some_ms(&seed) / 8;
	}
	p->stimulus_count = below(&seed, STIMULI_MAX + 1);
	for (unsigned i = 0; i < p->stimulus_count; i++)
		make_stimulus(p, &p->stimuli[i], &seed);
	if (has_generations(p)) /* an execution knows the keys of its own history only; which one meets a key again is left open */
		for (unsigned i = 0; i < p->stimulus_count; i++)
			p->stimuli[i].key = p->stimuli[i].kind == STIMULUS_RAISE ? 0 : p->stimuli[i].key;
}

/* ---- names ---- */

void root_id(unsigned root, char out[8])
{
	snprintf(out, 8, "R%u", root % 10);
}

void stimulus_id(const struct program *p, const struct stimulus *s, char out[64])
{
	(void)p;
	if (s->child)
		snprintf(out, 64, "R%u-%u_1", s->root, s->child);
	else
		snprintf(out, 64, "R%u", s->root);
}

void event_name_of(unsigned name, char out[8])
{
	snprintf(out, 8, "%c%u", name < EVENTS ? 'e' : 'q', (name < EVENTS ? name : name - EVENTS) % 10);
}

void start_input(unsigned body, const char *label, char *out, size_t size)
{
	snprintf(out, size, "%u 0 1 0 %s ", body, label);
}

/* ---- printing ---- */

static const char *const op_names[OP_COUNT] = { "call", "call with 40 kB", "call that is retried", "call that fails", "sleep", "sleep until",
	"wait for", "drain", "send to itself", "all of", "any of", "first of", "nested:", "set a value", "set a random status", "patch", "shield", "send",
	"child", "child, canceled", "child, left", "detached", "subscribe", "unsubscribe", "publish", "read a value", "signal", "call an entity", "lock" };

static void print_member(const struct member *m, FILE *out)
{
	static const char *const names[] = { "call", "slow call", "timer", "event", "child" };

	fprintf(out, " %s", names[m->kind]);
	if (m->kind == MEMBER_SLOW_CALL)
		fprintf(out, "(%u fail)", m->n);
	if (m->kind == MEMBER_SLOW_CALL || m->kind == MEMBER_TIMER)
		fprintf(out, " %lldms", (long long)m->ms);
	if (m->kind == MEMBER_EVENT)
		fprintf(out, " e%u", m->name);
	if (m->kind == MEMBER_CHILD)
		fprintf(out, " body %u", m->body);
}

static void print_statement(const struct statement *s, FILE *out)
{
	char name[8];

	event_name_of(s->name, name);
	fprintf(out, "    %2u %s", s->id, op_names[s->op]);
	if (s->op == OP_WAIT || s->op == OP_DRAIN || s->op == OP_SEND || s->op == OP_SUBSCRIBE)
		fprintf(out, " %s", name);
	if (s->op == OP_SEND || s->op == OP_READ)
		fprintf(out, " target %u", s->target);
	if (s->op == OP_RETRY || s->op == OP_NESTED || begins_child(s->op) || s->op == OP_PUBLISH || s->op == OP_SUBSCRIBE || s->op >= OP_SIGNAL)
		fprintf(out, " n=%u", s->n);
	if (begins_child(s->op))
		fprintf(out, " body %u", s->body);
	for (unsigned i = 0; i < s->member_count; i++)
		print_member(&s->members[i], out);
	fprintf(out, "%s (%lld, %lldms)\n", s->flag ? " flag" : "", (long long)s->ms, (long long)s->again_ms);
}

static void print_body(const struct program *p, unsigned n, FILE *out)
{
	static const char *const endings[] = { "return", "fail", "continue as new with body", "continue as new" };
	const struct body *b = &p->bodies[n];

	fprintf(out, "  body %u:%s\n", n, b->obeys ? " ends when it is canceled" : "");
	for (unsigned i = 0; i < b->count; i++)
		print_statement(&b->statements[i], out);
	fprintf(out, "       %s", endings[b->ending]);
	if (b->ending == END_CONTINUE)
		fprintf(out, " %u", b->next);
	if (b->ending == END_LOOP)
		fprintf(out, " %u times", b->loops);
	fprintf(out, "\n");
}

void program_print(const struct program *p, FILE *out)
{
	static const char *const kinds[] = { "raise", "suspend", "cancel", "terminate", "restart", "retry", "rewind" };

	for (unsigned i = 0; i < p->root_count; i++)
		if (p->roots[i].there)
			fprintf(out, "  at %lldms start R%u with body %u\n", (long long)p->roots[i].at_ms, i, i);
	for (unsigned i = 0; i < p->stimulus_count; i++) {
		const struct stimulus *s = &p->stimuli[i];
		char id[64], name[8];
		stimulus_id(p, s, id);
		event_name_of(s->name, name);
		fprintf(out, "  at %lldms %s %s", (long long)s->at_ms, kinds[s->kind], id);
		if (s->kind == STIMULUS_RAISE)
			fprintf(out, " %s key %u", name, s->key);
		if (s->kind == STIMULUS_REWIND)
			fprintf(out, " line %u", s->key);
		if (s->kind == STIMULUS_SUSPEND)
			fprintf(out, " for %lldms", (long long)s->resume_ms);
		fprintf(out, "\n");
	}
	for (unsigned i = 0; i < p->body_count; i++)
		if (p->bodies[i].count || p->bodies[i].ending != END_RETURN)
			print_body(p, i, out);
}

/* ---- shrinking ---- */

unsigned program_size(const struct program *p)
{
	unsigned size = p->stimulus_count;

	for (unsigned i = 0; i < p->root_count; i++)
		size += p->roots[i].there;
	for (unsigned i = 0; i < p->body_count; i++) {
		size += p->bodies[i].count + (p->bodies[i].ending != END_RETURN);
		for (unsigned k = 0; k < p->bodies[i].count; k++)
			size += p->bodies[i].statements[k].member_count;
	}
	return size;
}

static void remove_at(void *array, unsigned *count, unsigned n, size_t size)
{
	char *at = (char *)array + n * size;

	--*count;
	memmove(at, at + size, (*count - n) * size);
}

static bool cut_members(struct body *b, unsigned *n)
{
	for (unsigned i = 0; i < b->count; i++) {
		struct statement *s = &b->statements[i];
		unsigned spare = s->member_count > 1 ? s->member_count : 0;
		if (*n < spare) {
			unsigned inner = s->member_count - (s->op == OP_NESTED);
			bool slow = false;
			for (unsigned k = 0; k < inner && *n < inner; k++)
				slow = slow || (k != *n && (s->members[k].kind == MEMBER_TIMER || s->members[k].kind == MEMBER_SLOW_CALL));
			if (slow || s->op == OP_ALL) /* without one that takes time it may never end */
				remove_at(s->members, &s->member_count, *n, sizeof(s->members[0]));
			return true;
		}
		*n -= spare;
	}
	return false;
}

bool program_cut(struct program *p, unsigned n)
{
	for (unsigned i = p->root_count; i-- > 0;)
		if (p->roots[i].there && n-- == 0) {
			p->roots[i].there = false;
			return true;
		}
	if (n < p->stimulus_count) {
		remove_at(p->stimuli, &p->stimulus_count, n, sizeof(p->stimuli[0]));
		return true;
	}
	n -= p->stimulus_count;
	for (unsigned i = 0; i < p->body_count; i++) {
		struct body *b = &p->bodies[i];
		if (n < b->count) {
			remove_at(b->statements, &b->count, n, sizeof(b->statements[0]));
			return true;
		}
		n -= b->count;
		if (b->ending != END_RETURN && n-- == 0) {
			b->ending = END_RETURN;
			return true;
		}
		if (cut_members(b, &n))
			return true;
	}
	return false;
}

const char *attempt_in(const char *id)
{
	const char *last = strrchr(id, ':');

	return last && last[1] == 'r' ? last : NULL;
}

/* ---- running: the activity ---- */

/* Input: LABEL how n [padding]. how 'f': the first n attempts fail; 'g': it fails for good; 'b': a large output. */
static int work(pawl_work *w, const char *input)
{
	char label[160], how = 'f';
	unsigned n = 0;

	if (sscanf(input, "%159s %c %u", label, &how, &n) < 3)
		return pawl_work_fail_for_good(w, "input", "not an input: %.40s", input);
	if (program_hooks.effect)
		program_hooks.effect(program_hooks.arg, w, label);
	if (how == 'g')
		return pawl_work_fail_for_good(w, "for-good", "as it was told");
	if (pawl_work_attempt(w) <= n)
		return pawl_work_fail(w, "again", "attempt %u", pawl_work_attempt(w));
	return how == 'b' ? pawl_work_return(w, "%0*d", BIG_BYTES, 7) : pawl_work_return(w, "did %s", label);
}
PAWL_ACTIVITY(work);

/* ---- running: the orchestration ---- */

struct machine {
	pawl_ctx *ctx;
	const struct program *p;
	const struct body *body;
	unsigned body_number, loop, generation, fail_first, attempt;
	char label[100];
	const char *trace;
	unsigned left;      /* children that it has left open, perhaps */
	int64_t now;
};

/* No two instances that run the same body have the same delays. */
static int64_t delay(const struct machine *m, int64_t ms)
{
	uint64_t seed = (uint64_t)ms + 31 * m->generation + m->attempt;

	for (const char *c = m->label; *c; c++)
		seed = (seed ^ (unsigned char)*c) * 0x100000001b3u;
	return 1 + below(&seed, DELAY_MS_MAX);
}

static void note(struct machine *m, const char *what)
{
	m->trace = pawl_printf(m->ctx, "%s%.60s;", m->trace, what);
}

static void note_failure(struct machine *m, const pawl_failure *f)
{
	m->trace = pawl_printf(m->ctx, "%s!%s.%s;", m->trace, f ? f->kind : "none", f ? f->code : "");
}

static void note_task(struct machine *m, pawl_task *t)
{
	const char *r = pawl_await(m->ctx, t);

	if (r)
		note(m, pawl_result_len(t) > 60 ? pawl_printf(m->ctx, "%zu bytes", pawl_result_len(t)) : r);
	else
		note_failure(m, pawl_task_failure(t));
}

static pawl_task *begin_call(struct machine *m, unsigned id, unsigned part, char how, unsigned fails, int64_t ms)
{
	pawl_retry retry = { .max_attempts = 4, .first_ms = ms, .coefficient = 2, .max_ms = ms * 8 };
	pawl_call_options o = { .retry = ms ? &retry : NULL };
	const char *label = pawl_printf(m->ctx, "%s:%u/%u/%u.%u", m->label, m->attempt, m->generation, id, part);
	const char *input = how == 'b' ? pawl_printf(m->ctx, "%s b 0 %0*d", label, BIG_BYTES, 1) : pawl_printf(m->ctx, "%s %c %u", label, how, fails);

	return pawl_activity_with(m->ctx, "work", input, &o);
}

/* Of what a statement begins: parts between dashes, each with execution and attempt. */
static const char *label_below(struct machine *m, unsigned id)
{
	char attempt[16] = "";

	if (m->attempt > 1)
		snprintf(attempt, sizeof(attempt), "r%u", m->attempt);
	return pawl_printf(m->ctx, "%s%s-%u_%u", m->label, attempt, id, m->generation);
}

/* made: the id is made by pawl. n > 1: the first n - 1 attempts fail. */
static pawl_task *begin_child(struct machine *m, unsigned id, unsigned part, unsigned body, unsigned n, bool made, int64_t ms)
{
	const char *label = label_below(m, id);
	pawl_retry retry = { .max_attempts = 3, .first_ms = ms, .coefficient = 1, .max_ms = ms };

	if (part)
		label = pawl_printf(m->ctx, "%s_%u", label, part);
	const pawl_child_options o = { .id = made ? NULL : label, .retry = n > 1 ? &retry : NULL };

	return pawl_child_with(m->ctx, PROGRAM_TYPE, pawl_printf(m->ctx, "%u 0 1 %u %s ", body, n - 1, label), &o);
}

static pawl_task *begin_member(struct machine *m, const struct statement *s, unsigned n)
{
	const struct member *member = &s->members[n];
	char name[8];

	event_name_of(member->name, name);
	switch (member->kind) {
	case MEMBER_CALL: return begin_call(m, s->id, n + 1, 'f', 0, 0);
	case MEMBER_SLOW_CALL: return begin_call(m, s->id, n + 1, 'f', member->n, delay(m, member->ms));
	case MEMBER_TIMER: return pawl_timer(m->ctx, delay(m, member->ms));
	case MEMBER_EVENT: return pawl_event(m->ctx, name);
	default: return begin_child(m, s->id, n + 1, member->body, 1, member->n, 0);
	}
}

static void do_members(struct machine *m, const struct statement *s)
{
	pawl_task *tasks[MEMBERS_MAX], *won = NULL;
	unsigned winner = 0;

	for (unsigned i = 0; i < s->member_count; i++)
		tasks[i] = begin_member(m, s, i);
	if (s->op == OP_ALL) {
		size_t failed = pawl_all_of(m->ctx, tasks, s->member_count);
		note(m, pawl_printf(m->ctx, "%zu failed", failed));
		for (unsigned i = 0; i < s->member_count; i++)
			note_task(m, tasks[i]);
		return;
	}
	won = s->op == OP_ANY ? pawl_any_of(m->ctx, tasks, s->member_count) : pawl_first_of(m->ctx, tasks, s->member_count);
	while (winner < s->member_count && tasks[winner] != won)
		winner++;
	note(m, pawl_printf(m->ctx, "#%u", winner));
	if (won)
		note_task(m, won);
	for (unsigned i = 0; s->op == OP_FIRST && i < s->member_count; i++)
		if (s->members[i].kind != MEMBER_EVENT)
			note_task(m, tasks[i]);
		else
			pawl_cancel(m->ctx, tasks[i]);
}

static void do_nested(struct machine *m, const struct statement *s)
{
	pawl_task *tasks[MEMBERS_MAX], *inner, *outer, *pair[2];
	unsigned last = s->member_count - 1;

	for (unsigned i = 0; i <= last; i++)
		tasks[i] = begin_member(m, s, i);
	inner = s->n == 1 ? pawl_when_all_of(m->ctx, tasks, last) : pawl_when_any_of(m->ctx, tasks, last);
	pair[0] = inner;
	pair[1] = tasks[last];
	if (s->n != 1) {
		outer = pawl_when_all_of(m->ctx, pair, 2);
		note_task(m, outer);
		note(m, pawl_winner(inner) == tasks[0] ? "first" : "other");
		return;
	}
	outer = pawl_when_any_of(m->ctx, pair, 2);
	note_task(m, outer);
	note(m, pawl_winner(outer) == inner ? "all" : "last");
	for (unsigned i = 0; pawl_winner(outer) == inner && i < last; i++)
		note_task(m, tasks[i]);
}

static void do_wait(struct machine *m, const struct statement *s, unsigned most)
{
	char name[8];
	unsigned n = 0;

	event_name_of(s->name, name);
	while (n < most) {
		const char *data = pawl_wait_event(m->ctx, name, delay(m, s->ms));
		if (!data) {
			note_failure(m, pawl_failed(m->ctx));
			break;
		}
		note(m, data);
		n++;
	}
}

static void do_self(struct machine *m, const struct statement *s)
{
	const char *data = pawl_printf(m->ctx, "self %u", s->id), *got;
	pawl_task *sent = pawl_send(m->ctx, pawl_instance_id(m->ctx), "s", data);

	if (s->flag)
		note_task(m, sent);
	got = s->flag ? pawl_take_event(m->ctx, "s") : pawl_wait_event(m->ctx, "s", -1);
	note(m, got ? got : "nothing");
}

static void do_value(struct machine *m, const struct statement *s)
{
	pawl_set(m->ctx, pawl_printf(m->ctx, "k%u", s->n), pawl_printf(m->ctx, "%s by %u", m->label, s->id));
	if (s->flag)
		pawl_clear(m->ctx, "k1");
	note(m, pawl_get(m->ctx, "k1") ? pawl_get(m->ctx, "k1") : "-");
}

static uint64_t impure; /* a planted bug: the code does not do the same again */

static void do_status(struct machine *m)
{
	int64_t now = pawl_now(m->ctx);

	if (now < m->now)
		note(m, "time went back");
	m->now = now;
	uint64_t random = crash_planted("impure") ? ++impure : pawl_random(m->ctx);
	pawl_set_status(m->ctx, pawl_printf(m->ctx, "%llx %s %lld", (unsigned long long)random, pawl_uuid(m->ctx), (long long)now));
}

static void do_shield(struct machine *m, const struct statement *s)
{
	pawl_shield(m->ctx, true);
	note_task(m, begin_call(m, s->id, 0, 'f', 0, 0));
	pawl_sleep(m->ctx, delay(m, s->ms));
	pawl_shield(m->ctx, false);
}

/* ---- ... with others ---- */

/* Unless its id was made by pawl: then there is no such instance. */
static void parent_id(const struct machine *m, char *out, size_t size)
{
	const char *dash = strrchr(m->label, '-');
	int len = dash ? (int)(dash - m->label) : 2, base = len;

	while (base > 0 && m->label[base - 1] >= '0' && m->label[base - 1] <= '9')
		base--;
	if (base > 0 && m->label[base - 1] == 'r')
		snprintf(out, size, "%.*s:%.*s", base - 1, m->label, len - base + 1, m->label + base - 1);
	else
		snprintf(out, size, "%.*s", len, m->label);
}

static void do_send(struct machine *m, const struct statement *s)
{
	char name[8], id[104];

	event_name_of(s->name % EVENTS, name);
	if (s->target < m->p->root_count)
		snprintf(id, sizeof(id), "R%u", s->target);
	else
		parent_id(m, id, sizeof(id));
	if (s->flag)
		(void)pawl_send(m->ctx, id, name, name);
	else
		(void)pawl_send_later(m->ctx, id, name, name, delay(m, s->ms));
}

static void do_child(struct machine *m, const struct statement *s)
{
	pawl_task *child = begin_child(m, s->id, 0, s->body, s->op == OP_CHILD ? s->n : 1, s->flag && s->op != OP_CHILD_LEAVE, delay(m, s->ms));

	if (s->op == OP_CHILD_LEAVE) {
		m->left++;
		return;
	}
	if (s->op == OP_CHILD_CANCEL) {
		pawl_sleep(m->ctx, delay(m, s->ms));
		pawl_cancel(m->ctx, child);
	}
	note_task(m, child);
}

static void do_detached(struct machine *m, const struct statement *s)
{
	const char *label = label_below(m, s->id);
	pawl_start_options o = { .id = label };

	if (s->n == 2)
		o.delay_ms = delay(m, s->ms);
	else if (s->n == 3)
		o.at_ns = pawl_now(m->ctx) + delay(m, s->ms) * 1000000;
	const char *input = pawl_printf(m->ctx, "%u 0 1 0 %s ", s->body, label);
	note_task(m, pawl_start_detached(m->ctx, PROGRAM_TYPE, input, &o));
	if (s->flag) /* the id is taken now */
		note_task(m, pawl_start_detached(m->ctx, PROGRAM_TYPE, input, &o));
}

static void do_topic(struct machine *m, const struct statement *s)
{
	static const char *const filters[] = { "t/1", "t/+", "#" };
	char name[8];

	event_name_of(EVENTS + s->name % QUEUES, name);
	if (s->op != OP_SUBSCRIBE)
		pawl_sleep(m->ctx, delay(m, s->ms));
	if (s->op == OP_SUBSCRIBE)
		pawl_subscribe(m->ctx, filters[s->n - 1], name);
	else if (s->op == OP_UNSUBSCRIBE)
		pawl_unsubscribe(m->ctx, filters[s->n - 1]);
	else
		pawl_publish(m->ctx, pawl_printf(m->ctx, "t/%u", s->n), pawl_printf(m->ctx, "published by %u", s->id));
}

static void do_read(struct machine *m, const struct statement *s)
{
	char id[8];

	root_id(s->target % m->p->root_count, id);
	pawl_sleep(m->ctx, delay(m, s->ms));
	pawl_task *t = pawl_read_value(m->ctx, id, pawl_printf(m->ctx, "k%u", s->n));
	const char *value = pawl_await(m->ctx, t);
	if (pawl_task_failure(t))
		note_failure(m, pawl_task_failure(t));
	else
		note(m, value ? value : "not set");
}

/* ---- ... with entities ---- */

/* Input: HOW NUMBER LABEL. */
int program_tally(pawl_ctx *ctx, const char *input)
{
	char how = 0, label[160];
	int n = 0;

	if (sscanf(input, "%c %d %159s", &how, &n, label) < 3)
		return pawl_fail(ctx, "not an input: %s", input);
	pawl_set_state(ctx, pawl_printf(ctx, "%d", atoi(pawl_state(ctx)) + n));
	if (how == 'w')
		(void)pawl_call(ctx, "work", pawl_printf(ctx, "%s f 0", label));
	return how == 'f' ? pawl_fail(ctx, "as it was told") : pawl_return(ctx, "counted");
}
PAWL_ENTITY_NAMED(PROGRAM_ENTITY, program_tally, "1");

static const char *operation(struct machine *m, const struct statement *s, unsigned part)
{
	static const char how[] = "cwf";

	return pawl_printf(m->ctx, "%c %u %s:%u/%u/%u.%u", how[s->n - 1], 1 + s->id, m->label, m->attempt, m->generation, s->id, part);
}

static const char *const keys[] = { "a", "b", "c" };

static void do_signal(struct machine *m, const struct statement *s)
{
	const char *key = keys[s->name % 3];

	if (s->flag)
		pawl_signal(m->ctx, PROGRAM_ENTITY, key, "count", operation(m, s, 0));
	else
		pawl_signal_later(m->ctx, PROGRAM_ENTITY, key, "count", operation(m, s, 0), delay(m, s->ms));
}

static void do_lock(struct machine *m, const struct statement *s)
{
	const char *const both[] = { PROGRAM_ENTITY, keys[s->name % 3], PROGRAM_ENTITY, keys[(s->name + s->n) % 3], NULL };
	int rc = pawl_lock(m->ctx, s->n == 3 ? (const char *const[]){ both[0], both[1], NULL } : both);

	if (rc < 0) {
		note_failure(m, pawl_failed(m->ctx));
		return;
	}
	note_task(m, begin_call(m, s->id, 0, 'f', 0, 0));
	note_task(m, pawl_entity_call(m->ctx, PROGRAM_ENTITY, both[1], "count", operation(m, s, 1)));
	pawl_unlock(m->ctx);
}

static void do_statement(struct machine *m, const struct statement *s)
{
	m->trace = pawl_printf(m->ctx, "%s%u:", m->trace, s->id);
	switch (s->op) {
	case OP_CALL: note_task(m, begin_call(m, s->id, 0, 'f', 0, 0)); break;
	case OP_CALL_BIG: note_task(m, begin_call(m, s->id, 0, 'b', 0, 0)); break;
	case OP_RETRY: note_task(m, begin_call(m, s->id, 0, 'f', s->n + s->flag, delay(m, s->ms))); break;
	case OP_FAIL: note_task(m, begin_call(m, s->id, 0, 'g', 0, s->flag ? delay(m, s->ms) : 0)); break;
	case OP_SLEEP: pawl_sleep(m->ctx, delay(m, s->ms)); break;
	case OP_UNTIL: note_task(m, pawl_timer_until(m->ctx, pawl_now(m->ctx) + delay(m, s->ms) * 1000000)); break;
	case OP_WAIT: do_wait(m, s, 1); break;
	case OP_DRAIN: do_wait(m, s, 20); break;
	case OP_SELF: do_self(m, s); break;
	case OP_ALL:
	case OP_ANY:
	case OP_FIRST: do_members(m, s); break;
	case OP_NESTED: do_nested(m, s); break;
	case OP_VALUE: do_value(m, s); break;
	case OP_STATUS: do_status(m); break;
	case OP_PATCH: note(m, pawl_patched(m->ctx, pawl_printf(m->ctx, "p%u", s->n)) ? "new" : "old"); break;
	case OP_SHIELD: do_shield(m, s); break;
	case OP_SEND: do_send(m, s); break;
	case OP_CHILD:
	case OP_CHILD_CANCEL:
	case OP_CHILD_LEAVE: do_child(m, s); break;
	case OP_DETACHED: do_detached(m, s); break;
	case OP_SUBSCRIBE:
	case OP_UNSUBSCRIBE:
	case OP_PUBLISH: do_topic(m, s); break;
	case OP_READ: do_read(m, s); break;
	case OP_SIGNAL: do_signal(m, s); break;
	case OP_ENTITY: note_task(m, pawl_entity_call(m->ctx, PROGRAM_ENTITY, keys[s->name % 3], "count", operation(m, s, 0))); break;
	case OP_LOCK: do_lock(m, s); break;
	case OP_COUNT: break;
	}
}

static int clean_up(struct machine *m)
{
	pawl_failure f = { .kind = "canceled", .code = "asked", .message = m->trace };

	note_task(m, begin_call(m, 0, 0, 'f', 0, 0));
	f.message = m->trace;
	return pawl_fail_with(m->ctx, &f);
}

static int finish(struct machine *m)
{
	const struct body *b = m->body;
	bool fails = m->attempt <= m->fail_first;

	if (m->left) /* nothing else happens at the moment when they are canceled */
		pawl_sleep(m->ctx, delay(m, b->statements[0].again_ms));
	if (!fails && b->ending == END_CONTINUE && b->next)
		return pawl_continue_as_new(m->ctx, pawl_printf(m->ctx, "%u 0 %u 0 %s %s", b->next, m->generation + 1, m->label, m->trace));
	if (!fails && b->ending == END_LOOP && m->loop < b->loops)
		return pawl_continue_as_new(m->ctx, pawl_printf(m->ctx, "%u %u %u 0 %s %s", m->body_number, m->loop + 1, m->generation + 1, m->label, m->trace));
	return fails || b->ending == END_FAIL ? pawl_fail(m->ctx, "%s", m->trace) : pawl_return(m->ctx, m->trace);
}

/* Input: BODY LOOP GENERATION FAIL-FIRST LABEL TRACE. Not pawl_execution(): a rewind would change it. */
int program_run(pawl_ctx *ctx, const char *input)
{
	struct machine m = { .ctx = ctx, .p = program_hooks.program, .trace = "" };
	const char *attempt = attempt_in(pawl_instance_id(ctx));
	int at = 0;

	if (sscanf(input, "%u %u %u %u %99s %n", &m.body_number, &m.loop, &m.generation, &m.fail_first, m.label, &at) < 5 || m.body_number >= BODIES_MAX)
		return pawl_fail(ctx, "not an input: %s", input);
	m.body = &m.p->bodies[m.body_number];
	m.attempt = attempt ? (unsigned)atoi(attempt + 2) : 1;
	m.trace = at ? pawl_printf(ctx, "%s|", input + at) : "";
	for (unsigned i = 0; i < m.body->count; i++) {
		if (m.body->obeys && pawl_is_cancelled(ctx))
			return clean_up(&m);
		do_statement(&m, &m.body->statements[i]);
	}
	if (m.body->obeys && pawl_is_cancelled(ctx))
		return clean_up(&m);
	return finish(&m);
}
PAWL_ORCHESTRATION_NAMED(PROGRAM_TYPE, program_run, "1");
