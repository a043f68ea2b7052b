/*
 * test_states.c - all states of the disk that a power cut may leave, at every operation of short workloads: a commit, a
 * segment that is taken, a checkpoint, moves between live and archived, and the recovery itself. tests/crash/README.md
 * says what a state is, and how one is replayed.
 */
#include "script.h"
#include "states.h"

#include <stdio.h>

/* ---- workloads: steps before the cuts, and steps with them ---- */

/* Letters: script.h. */
static const struct work works[] = {
	{ "commit", "nS", "l" },
	{ "create", "S", "n" },
	{ "spill", "nS", "s" },
	{ "frame of four", "S", "4" },
	{ "first commit of a segment", "nffS", "fl" },
	{ "segment taken again", "nffffMffS", "fMl" },
	{ "checkpoint", "nffS", "fM" },
	{ "archive", "nleS", "al" },
	{ "purge", "neaS", "p" },
	{ "new life", "neapS", "nM" },
	{ "continue as new", "nlS", "xl" },
	{ "revive", "neaS", "rl" },
	{ "prune", "nxS", "uM" },
	{ "oversize", "nS", "blMl" },
	{ "stop and start", "nl", "o" },
	{ "recovery after a cut", "nlxlD", "M" },
	{ "recovery after a kill", "nlxlK", "M" },
	{ "first start", "", "" },
	{ "a whole life, and the next", "S", "nleapnM" },
	{ "segments in a row", "nS", "ffffMff" },
	{ "ended and revived", "neaS", "reaM" },
	{ "payload files until the end", "nS", "ssea" },
	{ "pruned, killed", "nxxS", "uKM" },
	{ "work behind a recovery", "nlxlDM", "lxM" },
	{ "work behind a kill", "nlS", "lKlM" },
	{ "oversize behind a cut", "nblD", "blM" },
};

static bool prepare(void *state, struct node *n)
{
	struct world *w = state;

	return !*works[w->workload].before || script_walk(w, n, works[w->workload].before);
}

static void run(void *state, struct node *n)
{
	struct world *w = state;

	(void)script_walk(w, n, works[w->workload].steps);
	if (n->p)
		world_finish(w, n);
}

static const struct scenario scripted = { .make = world_make, .free = world_free, .run = run, .check = world_check,
	.go_on = world_go_on, .prepare = prepare, .promise = world_promise };

static void all(void)
{
	states_works(&scripted, works, COUNT_OF(works));
}

static void expect_caught(const char *plant)
{
	if (!crash_is_caught(plant, all))
		crash_fail("nobody noticed the planted bug '%s'", plant);
}

static void plant_nosync(void) { expect_caught("nosync"); }
static void plant_ackearly(void) { expect_caught("ackearly"); }
static void plant_nodirsync(void) { expect_caught("nodirsync"); }
static void plant_nosalt(void) { expect_caught("nosalt"); }
static void plant_nomark(void) { expect_caught("nomark"); }
static void plant_renamefirst(void) { expect_caught("renamefirst"); }

int main(int argc, char **argv)
{
	static const struct crash_test tests[] = {
		{ "every state of the disk at every operation has all that was acknowledged", all },
		{ "planted bug is caught: the journal is not synced (nosync)", plant_nosync },
		{ "planted bug is caught: told before it is durable (ackearly)", plant_ackearly },
		{ "planted bug is caught: directories are not synced (nodirsync)", plant_nodirsync },
		{ "planted bug is caught: segments are reused with the same salt (nosalt)", plant_nosalt },
		{ "planted bug is caught: the checkpoint is not written down (nomark)", plant_nomark },
		{ "planted bug is caught: a file has its name before its bytes are synced (renamefirst)", plant_renamefirst },
	};

	return crash_main(argc, argv, tests, COUNT_OF(tests));
}
