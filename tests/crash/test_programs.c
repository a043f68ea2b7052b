/*
 * test_programs.c - random orchestration programs on a whole runtime, with crashes and without.
 *
 * Each program (program.h) is run without a crash; then again, in other orders, with resident stacks and in replay-only mode,
 * with a few crashes: in front of a commit's durability, behind it before anybody knew, some steps later, and with removals of
 * messages undone. A part is run by the fs provider on the simulated disk, with power cuts.
 *
 * What must be true of every run: program_world.c (I1, I2, I4, I5, all come to their end). And of both: the same instances,
 * with the same status, number of executions and output; and the same effects, which are repeated at most once for a crash.
 *
 * PAWL_CRASH_CASE=program=N runs one program, PAWL_PROGRAMS=N so many of each kind, PAWL_PROGRAMS_FROM=N others than usual;
 * PAWL_PROGRAM_LOG=1 tells what the runtime logs in a run that fails, and its histories.
 */
#include "harness.h"
#include "program_world.h"

#include <stdio.h>

#define RUNS 3

struct case_of {
	struct program program;
	struct run_options runs[RUNS]; /* the first without a crash */
	unsigned run_count;
};

struct totals {
	unsigned long programs, runs, commits, crashes, instances, effects;
};
static struct totals totals;

/* ---- comparing ---- */

static void differs(char *why, size_t size, const char *what, const char *key, const char *a, const char *b)
{
	snprintf(why, size, "%s of '%s' is '%.300s', without a crash '%.300s'", what, key, b, a);
}

static const char *ends_differ(const struct run_result *a, const struct run_result *b, char *why, size_t size)
{
	for (size_t n = 0; n < a->end_count || n < b->end_count; n++) {
		const struct run_end *x = n < a->end_count ? &a->ends[n] : NULL, *y = n < b->end_count ? &b->ends[n] : NULL;
		if (!x || !y || strcmp(x->key, y->key) != 0) {
			snprintf(why, size, "the instances are others: '%s', without a crash '%s'", y ? y->key : "none", x ? x->key : "none");
			return why;
		}
		if (strcmp(x->status, y->status) != 0)
			differs(why, size, "status", x->key, x->status, y->status);
		else if (strcmp(x->text, y->text) != 0)
			differs(why, size, "result", x->key, x->text, y->text);
		else if (x->executions != y->executions)
			snprintf(why, size, "'%s' has %u executions, without a crash %u", x->key, y->executions, x->executions);
		else
			continue;
		return why;
	}
	return NULL;
}

static const struct statement *statement_of(const struct program *p, unsigned id)
{
	for (unsigned i = 0; i < p->body_count; i++)
		for (unsigned k = 0; k < p->bodies[i].count; k++)
			if (p->bodies[i].statements[k].id == id)
				return &p->bodies[i].statements[k];
	return NULL;
}

/* Among others in an any, of which one may be done at once: whether it gets to begin is left open. */
static bool may_be_missing(const struct program *p, const char *label)
{
	const char *at = strrchr(label, '/');
	const struct statement *s = at ? statement_of(p, (unsigned)strtoul(at + 1, NULL, 10)) : NULL;

	return s && (s->op == OP_ANY || s->op == OP_NESTED);
}

static const struct run_effect *effect_of(const struct run_result *r, const struct run_effect *like)
{
	for (size_t n = 0; n < r->effect_count; n++)
		if (r->effects[n].attempt == like->attempt && strcmp(r->effects[n].label, like->label) == 0)
			return &r->effects[n];
	return NULL;
}

static const char *missing_effect(const struct program *p, const struct run_result *a, const struct run_result *b, const char *where,
                                  char *why, size_t size)
{
	for (size_t n = 0; n < a->effect_count; n++) {
		const struct run_effect *e = &a->effects[n];
		if (effect_of(b, e) || may_be_missing(p, e->label))
			continue;
		snprintf(why, size, "activity %s, attempt %u, was not run %s", e->label, e->attempt, where);
		return why;
	}
	return NULL;
}

static const char *too_many(const struct program *p, const struct run_result *r, char *why, size_t size)
{
	for (size_t n = 0; n < r->effect_count; n++)
		if (r->effects[n].times > (1 + r->crashes) * (1 + program_revivals(p))) {
			snprintf(why, size, "activity %s, attempt %u, was run %u times, with %u crashes", r->effects[n].label, r->effects[n].attempt,
			         r->effects[n].times, r->crashes);
			return why;
		}
	return NULL;
}

static bool runs_differ(const struct program *p, const struct run_result *first, const struct run_result *r, char *why, size_t size)
{
	return ends_differ(first, r, why, size) || missing_effect(p, first, r, "in a run with crashes", why, size) ||
	       missing_effect(p, r, first, "in the run without a crash", why, size);
}

/* ---- a case ---- */

static void print_run(const struct run_options *o, FILE *out)
{
	static const char *const kinds[] = { "before it is durable", "when it is durable", "later", "a clean stop" };

	fprintf(out, "  run: %s%s, order %llu\n", o->on_disk ? "on disk, " : "", o->replay_only ? "replay only" : o->resident_max ? "one stack" : "resident",
	        (unsigned long long)o->seed);
	for (unsigned i = 0; i < o->crash_count; i++)
		fprintf(out, "    crash at commit %u: %s (%u steps, %u lost)%s\n", o->crashes[i].commit, kinds[o->crashes[i].kind], o->crashes[i].steps,
		        o->crashes[i].lost, o->crashes[i].reboot ? ", reboot" : "");
}

static void count_run(const struct run_result *r)
{
	totals.runs++;
	totals.commits += r->commits;
	totals.crashes += r->crashes;
	totals.instances += r->instances;
	totals.effects += r->effect_count;
}

/* Which run fails, 1 ...; 0: none. */
static unsigned try(const struct case_of *c, char *why, size_t size)
{
	struct run_result first, r;
	unsigned failed = 0;

	why[0] = '\0';
	run_program(&c->program, &c->runs[0], &first);
	count_run(&first);
	if (first.why[0])
		snprintf(why, size, "%s", first.why);
	if (first.why[0] || too_many(&c->program, &first, why, size))
		failed = 1;
	for (unsigned i = 1; i < c->run_count && !failed; i++) {
		run_program(&c->program, &c->runs[i], &r);
		count_run(&r);
		if (r.why[0])
			snprintf(why, size, "%s", r.why);
		if (r.why[0] || too_many(&c->program, &r, why, size) || (c->program.kind != PROGRAM_REWOUND && runs_differ(&c->program, &first, &r, why, size)))
			failed = i + 1;
		run_release(&r);
	}
	run_release(&first);
	return failed;
}

static void make_run(struct run_options *o, uint64_t *seed, bool on_disk, unsigned commits)
{
	unsigned mode = below(seed, 4);

	*o = (struct run_options){ .on_disk = on_disk, .replay_only = mode < 2, .resident_max = mode == 2, .seed = draw(seed) >> 16 };
	if (commits == 0)
		return;
	o->crash_count = 1 + below(seed, CRASHES_MAX);
	for (unsigned i = 0, at = 0; i < o->crash_count; i++) {
		at += 1 + below(seed, 1 + 2 * commits / o->crash_count);
		o->crashes[i] = (struct crash){ .commit = at, .kind = below(seed, CRASH_KINDS), .steps = below(seed, on_disk ? 30 : 12),
			.lost = below(seed, 2) ? below(seed, 6) : 0, .reboot = below(seed, 2) };
	}
}

static void make_case(struct case_of *c, uint64_t number, enum program_kind kind, bool on_disk)
{
	struct run_result r;
	uint64_t seed = number * 2 + on_disk;

	program_make(&c->program, number, kind);
	make_run(&c->runs[0], &seed, on_disk, 0);
	run_program(&c->program, &c->runs[0], &r);
	c->run_count = r.why[0] ? 1 : RUNS;
	for (unsigned i = 1; i < c->run_count; i++)
		make_run(&c->runs[i], &seed, on_disk, r.commits + 1);
	run_release(&r);
}

/* ---- shrinking ---- */

static bool cut_run(struct case_of *c, unsigned n)
{
	for (unsigned i = 1; i < c->run_count; i++) {
		struct run_options *o = &c->runs[i];
		if (n < o->crash_count) {
			memmove(&o->crashes[n], &o->crashes[n + 1], (--o->crash_count - n) * sizeof(o->crashes[0]));
			return true;
		}
		n -= o->crash_count;
	}
	return false;
}

/* A smaller program takes other steps: so crashes come a little earlier too, and in other orders. */
#define VARIANTS 6
#define TRIES_MAX 4000

static unsigned tries;

static void vary(struct case_of *c, unsigned variant)
{
	for (unsigned i = 0; i < c->run_count; i++) {
		c->runs[i].seed += variant;
		for (unsigned k = 0; variant % 2 && k < c->runs[i].crash_count; k++)
			c->runs[i].crashes[k].commit -= c->runs[i].crashes[k].commit > 1;
	}
}

static bool still_fails(struct case_of *c, const struct case_of *smaller)
{
	char why[1200];

	for (unsigned variant = 0; variant < VARIANTS && tries < TRIES_MAX; variant++, tries++) {
		struct case_of other = *smaller;
		vary(&other, variant);
		if (try(&other, why, sizeof(why))) {
			*c = other;
			return true;
		}
	}
	return false;
}

static bool cut_program(struct case_of *c)
{
	bool any = false;

	for (unsigned n = 0;;) {
		struct case_of smaller = *c;
		if (!program_cut(&smaller.program, n))
			return any;
		if (program_size(&smaller.program) < program_size(&c->program) && still_fails(c, &smaller))
			any = true;
		else
			n++;
	}
}

static bool cut_crashes(struct case_of *c)
{
	bool any = false;

	for (unsigned n = 0;;) {
		struct case_of smaller = *c;
		if (!cut_run(&smaller, n))
			return any;
		if (still_fails(c, &smaller))
			any = true;
		else
			n++;
	}
}

static void shrink(struct case_of *c, unsigned failed)
{
	tries = 0;
	if (failed > 1)
		c->runs[1] = c->runs[failed - 1];
	c->run_count = failed > 1 ? 2 : 1;
	while (cut_program(c) || cut_crashes(c))
		;
}

static bool quiet; /* looking for a planted bug */

static void report(struct case_of *c, unsigned failed, const char *why)
{
	char smaller[1200];

	crash_fail("%s", why);
	if (quiet)
		return;
	shrink(c, failed);
	(void)try(c, smaller, sizeof(smaller));
	printf("  it shrinks to:\n");
	program_print(&c->program, stdout);
	for (unsigned i = 0; i < c->run_count; i++)
		print_run(&c->runs[i], stdout);
	printf("  %s\n", smaller);
	if (getenv("PAWL_PROGRAM_LOG")) {
		run_verbose = true;
		(void)try(c, smaller, sizeof(smaller));
		run_verbose = false;
	}
}

/* ---- the tests ---- */

static unsigned programs(unsigned usual)
{
	const char *text = getenv("PAWL_PROGRAMS");

	return text ? (unsigned)strtoul(text, NULL, 10) : usual * crash_scale() / (CRASH_STRIDE > 1 ? 10 : 1);
}

static unsigned number_of(const char *name, const char *fmt)
{
	const char *text = getenv(name);
	unsigned n = 0;

	return text && sscanf(text, fmt, &n) == 1 ? n : 0;
}

static void run_all(unsigned from, unsigned count, enum program_kind kind, bool on_disk)
{
	unsigned only = number_of("PAWL_CRASH_CASE", "program=%u");
	char why[1200];

	totals = (struct totals){ 0 };
	from = only ? only : from + number_of("PAWL_PROGRAMS_FROM", "%u");
	count = only ? 1 : count;
	for (unsigned n = from; n < from + count && !crash_over(); n++) {
		struct case_of c;
		if (!crash_at("program", n))
			continue;
		make_case(&c, n, kind, on_disk);
		totals.programs++;
		unsigned failed = try(&c, why, sizeof(why));
		if (failed)
			report(&c, failed, why);
	}
	if (!quiet)
		printf("        %lu programs, %lu runs, %lu crashes, %lu instances, %lu commits, %lu activities\n", totals.programs, totals.runs,
		       totals.crashes, totals.instances, totals.commits, totals.effects);
}

static void alone(void)
{
	run_all(1, programs(5500), PROGRAM_ALONE, false);
}

static void others(void)
{
	run_all(1000000, programs(3500), PROGRAM_OTHERS, false);
}

static void rewound(void)
{
	run_all(3000000, programs(600), PROGRAM_REWOUND, false);
}

static void on_disk(void)
{
	run_all(2000000, programs(400), PROGRAM_OTHERS, true);
}

/* ---- planted bugs ---- */

static unsigned looked_at;

static void look_for_plant(void)
{
	quiet = true;
	for (unsigned part = 0; part < 6 && !crash_over(); part++) {
		run_all(500000 + 100 * part, 100, PROGRAM_ALONE, false);
		looked_at += (unsigned)totals.programs;
		if (!crash_over())
			run_all(1500000 + 100 * part, 100, PROGRAM_OTHERS, false);
		looked_at += (unsigned)totals.programs;
	}
	quiet = false;
}

static void plants(void)
{
	static const struct { const char *name, *what; } bugs[] = {
		{ "toldearly", "effects before the commit is durable" },
		{ "halfcommit", "a commit that is not all or nothing" },
		{ "newid", "a message that is seen again has another id" },
		{ "takeagain", "what an execution before has taken is taken again" },
		{ "forgetcarried", "an event is not carried over" },
		{ "lostline", "a line for another instance is lost" },
		{ "twice", "a line for another instance is there twice" },
		{ "sameboot", "a reboot is not seen" },
		{ "impure", "code that does something else at replay" },
	};

	if (crash_is_caught("none", look_for_plant))
		crash_fail("these programs fail without a planted bug");
	for (size_t i = 0; i < COUNT_OF(bugs); i++) {
		looked_at = 0;
		bool caught = crash_is_caught(bugs[i].name, look_for_plant);
		if (!caught)
			crash_fail("nobody noticed the planted bug '%s': %s", bugs[i].name, bugs[i].what);
		else
			printf("        %s: found after %u programs\n", bugs[i].what, looked_at);
	}
}

int main(int argc, char **argv)
{
	static const struct crash_test tests[] = {
		{ "random programs come to the same whatever crashes", alone },
		{ "random programs of instances that reach each other come to the same whatever crashes", others },
		{ "random programs that are rewound, on storage that fails, keep what is true of all", rewound },
		{ "random programs on disk come to the same over power cuts", on_disk },
		{ "planted bugs are found", plants },
	};

	return crash_main(argc, argv, tests, COUNT_OF(tests));
}
