/*
 * test_faults.c - the n-th call of a kind fails, for n = 1, 2, 3 ... until a run in which none did: once, or until the
 * third failure has been told. Work goes on when the trouble is over, nothing that was acknowledged is lost, also not
 * by a power cut behind it (I7, I8), errors say what is wrong, and no descriptor leaks.
 */
#include "harness.h"

#include <errno.h>

#define PATIENCE 3
#define NTH_MAX 100000u

struct kind {
	const char *name;
	uint32_t ops;
	enum crash_sync sync;
};

static const struct kind kinds[] = {
	{ "write", OS_SIM_OP_WRITE | OS_SIM_OP_TRUNCATE },
	{ "sync of a file", 0, CRASH_SYNC_FILE }, { "open", OS_SIM_OP_OPEN },
	{ "rename", OS_SIM_OP_RENAME }, { "mkdir", OS_SIM_OP_MKDIR }, { "unlink", OS_SIM_OP_UNLINK },
	{ "read", OS_SIM_OP_READ | OS_SIM_OP_LIST | OS_SIM_OP_STAT }, { "sync of a directory", 0, CRASH_SYNC_DIR },
};

static const int errors[] = { EIO, ENOSPC, EROFS, EMFILE, ENOMEM };

enum after { AFTER_DROP, AFTER_RANDOM, AFTER_KILL, AFTER_COUNT };

static void cut_now(struct world *w, struct node *n, enum after how, uint64_t seed)
{
	const struct os_sim_cut cut = { how == AFTER_DROP ? OS_SIM_DROP_ALL : OS_SIM_RANDOM, draw(&seed) | 1, 512 };

	if (crash_at("after", how) && !crash_over())
		crash_survive(&commit_scenario, w, n->sim, how == AFTER_KILL ? NULL : &cut);
}

/* Behind the failure and the steps that follow, another thing happens to a clone each time. */
static void steps(struct world *w, struct node *n, uint64_t seed)
{
	unsigned since = 0;

	for (unsigned i = 0; i < w->profile->steps && n->p && !w->over && !crash_over(); i++) {
		world_step(w, n);
		bool fired = w->fired || os_sim_fault_fired(n->sim) || crash_sync_failed();
		if (fired && since < AFTER_COUNT && !crash_read_only() && crash_at("step", i))
			cut_now(w, n, (enum after)((since + seed) % AFTER_COUNT), seed + i);
		since += fired;
	}
}

static void end_of_run(struct world *w, struct node *n, uint64_t seed)
{
	world_settle(w, n);
	(void)crash_logged_errors();
	const char *why = world_differs(w, n, false, false);
	if (why)
		crash_fail("at the end: %s", why);
	if (w->fired) {
		cut_now(w, n, AFTER_DROP, seed);
		cut_now(w, n, AFTER_KILL, seed);
	}
	node_stop(n);
}

/* True when the fault fired. */
static bool one_fault(unsigned workload, const struct kind *kind, int error, unsigned nth, bool forever)
{
	struct node n = { .sim = os_sim_new(workload + 1) };
	struct world *w = world_make(workload);

	w->faulty = true;
	w->patience = forever ? PATIENCE : 1;
	crash_fail_sync(kind->sync, nth, error, forever);
	os_sim_fail_ops(n.sim, kind->ops);
	os_sim_fail_nth(n.sim, kind->sync ? 0 : nth, error, forever);
	if (world_start(w, &n))
		steps(w, &n, nth);
	world_heal(w, &n);
	if (n.p)
		world_finish(w, &n);
	if (crash_read_only()) {
		cut_now(w, &n, AFTER_DROP, nth);
		cut_now(w, &n, AFTER_RANDOM, nth);
	} else if (n.p && !crash_over() && !w->over) {
		end_of_run(w, &n, nth);
	}
	bool fired = w->fired;
	crash_fail_sync(CRASH_SYNC_NONE, 0, 0, false);
	node_free(&n);
	world_free(w);
	return fired;
}

static void every_fault(unsigned workload, const struct kind *kind, int error, bool forever, unsigned every)
{
	if (!crash_at("workload", workload) || !crash_at("kind", (unsigned long)(kind - kinds)) ||
	    !crash_at("errno", (unsigned long)error) || !crash_at("forever", forever))
		return;
	for (unsigned nth = 1 + workload % every; nth < NTH_MAX && !crash_over(); nth += every)
		if (crash_at("nth", nth) && !one_fault(workload, kind, error, nth, forever))
			break;
}

/* Each call of three of the workloads fails with EIO once; other errors, and for longer, at some of them. */
static void all_errors(const struct kind *kind, unsigned every)
{
	for (unsigned e = 0; e < COUNT_OF(errors) && !crash_over(); e++)
		for (unsigned f = 0; f < 2 && !crash_over(); f++)
			for (unsigned p = 0; p < profile_count * crash_scale() && !crash_over(); p++)
				every_fault(p, kind, errors[e], f,
				            CRASH_STRIDE * every * (e > 0 || f > 0 ? 17 : p % profile_count < 3 ? 1 : 7));
}

static void writes(void) { all_errors(&kinds[0], 1); }
static void syncs(void) { all_errors(&kinds[1], 1); }
static void opens(void) { all_errors(&kinds[2], 1); }
static void renames(void) { all_errors(&kinds[3], 1); }
static void mkdirs(void) { all_errors(&kinds[4], 1); }
static void unlinks(void) { all_errors(&kinds[5], 1); }
static void reads(void) { all_errors(&kinds[6], 3); }

static void dir_syncs(void)
{
	for (unsigned p = 0; p < profile_count * crash_scale() && !crash_over(); p++)
		every_fault(p, &kinds[7], EIO, false, 1);
}

int main(int argc, char **argv)
{
	static const struct crash_test tests[] = {
		{ "a failed write stalls and loses nothing", writes },
		{ "a failed sync of a file is final for what it covered", syncs },
		{ "a failed sync of a directory, and a read-only file system from then on, loses nothing", dir_syncs },
		{ "a failed open stalls and loses nothing", opens },
		{ "a failed rename stalls and loses nothing", renames },
		{ "a failed mkdir stalls and loses nothing", mkdirs },
		{ "a failed unlink stalls and loses nothing", unlinks },
		{ "a failed read, list or stat stalls and loses nothing", reads },
	};

	return crash_main(argc, argv, tests, COUNT_OF(tests));
}
