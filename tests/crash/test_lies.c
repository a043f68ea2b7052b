/*
 * test_lies.c - a disk that lies: a sync is acknowledged, and what it covered is not there after the next power cut. For each
 * sync of short workloads: that one lies, or some in a row, or all from there on; and a cut behind each step from then on.
 *
 * Recovery then has all that was acknowledged, or says that something is lost (an error in the log, a DAMAGED instance, a line
 * or payload whose checksum is wrong), and does not hold up anybody else. Nobody can say it of what nothing on the disk
 * tells of any more; these cases are counted, and must be one of three:
 *
 *	newest    the newest commits: no later frame is on the disk, and no history has lines of them
 *	forgotten lines of a history that a checkpoint had synced, whose frames have been overwritten since (or, when the disk always
 *	          lies, frames below the checkpoint with a gap behind them: a purge may have been in it)
 *	place     no line is lost, but a move between live and archived, or a purge; nothing was committed to it since
 */
#include "script.h"
#include "states.h"

#include <stdio.h>

#define HACKER 3
#define RANDOM_CUTS 3
#define NTH_MAX 1000u

static const struct work works[] = {
	{ "commits", "nlS", "lllll" },
	{ "segments", "nffS", "fflMfffMffl" },
	{ "purge and new life", "neaS", "pnlMl" },
	{ "next executions", "nlS", "xlMxl" },
	{ "revival", "neaS", "rlMl" },
	{ "payload files", "nS", "slsl" },
	{ "many", "n4S", "4lMol" },
	{ "first start", "", "n4l" },
	{ "stop and start", "nlS", "olol" },
	{ "archive", "n4S", "eaMlnMl" },
	{ "oversize", "nlS", "blMlb" },
	{ "prune", "nxlxS", "uMl" },
	{ "many checkpoints", "n4S", "lMflMfflMl" },
	{ "long after it", "n4S", "lfMffMffMffMffMff" },
};
#define FIRST_START 7u

enum kind { ONCE_LOST, ONCE_LATE, SOME_LOST, SOME_LATE, ALL_LOST, ALL_LATE, KINDS };

enum end { END_WHOLE, END_REPAIRED, END_TOLD, END_REFUSED, END_NEWEST, END_FORGOTTEN, END_PLACE, END_BAD, ENDS };
static unsigned long ends[ENDS];

/* A run, and what is known of it when the power goes. */
struct run {
	struct world *w;
	enum kind kind;
	unsigned lied_step, last_step; /* of the first lie and the last one so far; 0: none */
	unsigned changed[IDS];         /* the step in which it was committed to last */
	uint64_t newest[IDS];          /* no frame of it is newer than this one */
	uint64_t frames;               /* that were acknowledged */
	char path[256];                /* what the first lie was about */
};

/* ---- what is lost ---- */

static bool lines_are_bad(const struct instance *in, struct node *n)
{
	bool bad = false;

	for (unsigned e = 0; e < in->acked.executions && !bad; e++) {
		char *text = NULL;
		size_t len = 0;
		uint64_t which;
		if (n->p->ops->read(n->p, in->id, e + 1, &text, &len, &which, NULL) == 0)
			bad = !lines_good(text, len);
		free(text);
	}
	return bad;
}

/* A line names its payload file with length and checksum: whoever reads it sees. */
static bool payload_is_bad(const struct instance *in, struct node *n)
{
	const struct view *v = &in->acked;
	bool bad = false;

	for (unsigned s = 0; s < v->spills && !bad; s++) {
		const struct buf *want = &in->lives[v->life].spills[s];
		char name[24], *data = NULL;
		size_t len = 0;
		snprintf(name, sizeof(name), "s%u.payload", s);
		bad = n->p->ops->read_spill(n->p, in->id, name, &data, &len, NULL) < 0 || len != want->len ||
		      memcmp(data, want->data, len) != 0;
		free(data);
	}
	return bad;
}

static bool is_set_aside(struct node *n, const char *id)
{
	bool quarantined;
	char *note = n->p->ops->read_note(n->p, id, &quarantined);

	free(note);
	return quarantined;
}

/* Where an execution's text ends now, and whether all before it is as it was committed. */
static size_t agrees_upto(const struct instance *in, struct node *n, unsigned e)
{
	const struct buf *want = &in->lives[in->acked.life].text[e];
	char *text = NULL;
	size_t len = 0, at = 0;
	uint64_t which;

	if (n->p->ops->read(n->p, in->id, e + 1, &text, &len, &which, NULL) == 0)
		while (at < len && at < in->acked.len[e] && text[at] == want->data[at])
			at++;
	free(text);
	return at;
}

/* Are these bytes in a segment? */
static bool journal_has(const struct os_sim *disk, const char *data, size_t len)
{
	struct os_sim *sim = os_sim_clone(disk);
	const struct os *os = os_sim_os_process(sim, HACKER);
	bool has = false;

	for (unsigned i = 0; i < 16 && !has; i++) {
		char path[64], *text = NULL;
		size_t n = 0;
		snprintf(path, sizeof(path), HUB "/journal/%u.segment", i);
		if (os_read_file(os, OS_CWD, path, 1 << 20, &text, &n) == 0)
			for (const char *p = text; !has && n >= len && (p = memchr(p, data[0], n - len + 1 - (size_t)(p - text))); p++)
				has = memcmp(p, data, len) == 0;
		free(text);
	}
	os_sim_free(sim);
	return has;
}

/* Lines are lost: are they in the journal as it was found? text_lost: any are. */
static bool can_be_had(const struct instance *in, struct node *n, const struct os_sim *disk, bool *text_lost)
{
	for (unsigned e = 0; e < in->acked.executions; e++) {
		size_t at = e + 1 < in->acked.kept_from ? in->acked.len[e] : agrees_upto(in, n, e), len = in->acked.len[e];
		if (at == len)
			continue;
		*text_lost = true;
		if (journal_has(disk, in->lives[in->acked.life].text[e].data + at, len - at < 100 ? len - at : 100))
			return true;
	}
	return false;
}

/* ---- judging ---- */

static bool intact(const struct instance *in, struct node *n)
{
	return !instance_differs(in, n, false, false) || !instance_differs(in, n, true, false);
}

/* What one instance that is not as it should be says. */
static enum end judge_instance(const struct run *r, unsigned i, struct node *n, const struct os_sim *disk, bool errors)
{
	const struct instance *in = &r->w->instances[i];
	struct pawl_provider_stats stats;
	bool text_lost = false;

	if (errors || is_set_aside(n, in->id) || lines_are_bad(in, n) || payload_is_bad(in, n))
		return END_TOLD;
	n->p->ops->stats(n->p, &stats);
	bool newest = stats.frames < r->newest[i], had = can_be_had(in, n, disk, &text_lost);
	/* what comes too late may be torn, as if nobody had been told of it; and one frame behind a gap tells nothing */
	if (had && r->kind != ALL_LATE && (!newest || r->kind % 2 == 0))
		return END_BAD;
	if (newest)
		return END_NEWEST;
	if (text_lost)
		return END_FORGOTTEN;
	return r->changed[i] <= r->last_step ? END_PLACE : END_BAD;
}

/* A lie about one frame or one file: others are as they were. */
static void check_contained(const struct run *r, unsigned i)
{
	char dir[64];
	bool frame = strstr(r->path, ".segment") != NULL;

	snprintf(dir, sizeof(dir), "/%s/", r->w->instances[i].id);
	bool named = strstr(r->path, dir) != NULL;
	if (r->kind <= ONCE_LATE && r->w->workload != FIRST_START && (frame || strstr(r->path, ".history")) && !named &&
	    r->changed[i] < r->lied_step)
		crash_fail("a lie about '%s' has hit '%s'", r->path, r->w->instances[i].id);
}

static enum end judge(const struct run *r, struct node *n, const struct os_sim *disk)
{
	bool errors = crash_logged_errors() > 0;
	enum end worst = END_WHOLE;

	/* all of the last operation or nothing of it, if only the instances in it are asked (I3 is for what is not lost) */
	for (unsigned i = 0; i < IDS; i++) {
		if (intact(&r->w->instances[i], n))
			continue;
		check_contained(r, i);
		enum end e = judge_instance(r, i, n, disk, errors);
		if (e == END_BAD)
			crash_fail("the lie about '%s' is not noticed: %s", r->path, instance_differs(&r->w->instances[i], n, false, false));
		worst = e > worst ? e : worst;
	}
	return worst == END_WHOLE && errors ? END_REPAIRED : worst;
}

static void check_goes_on(struct node *n)
{
	struct pawl_error err = { 0 };
	const struct pawl_record r = { .instance = "extra", .execution = 1, .data = "x\n", .len = 2, .create = true };
	const struct pawl_batch batch = { &r, 1, NULL, 0 };
	int rc = pawl_provider_commit(n->p, &batch, &err);

	if (rc == PAWL_EBUSY && node_settle(n))
		rc = pawl_provider_commit(n->p, &batch, &err);
	if (rc < 0)
		crash_fail("nothing goes on: %s", err.text);
	node_stop(n);
	if (node_start(n, &err) < 0)
		crash_fail("the start after that: %s", err.text);
}

static void one_cut(const struct run *r, const struct os_sim *from, const struct os_sim_cut *how)
{
	struct node n = { .sim = os_sim_clone(from) };
	struct pawl_error err = { 0 };
	enum end end = END_REFUSED;

	os_sim_lie_nth(n.sim, 0, 0, OS_SIM_LIE_LOST);
	node_cut(&n, how);
	crash_look("after the cut", &n);
	struct os_sim *disk = os_sim_clone(n.sim);
	(void)crash_logged_errors();
	if (node_start(&n, &err) == 0) {
		end = judge(r, &n, disk);
		check_goes_on(&n);
	} else if (r->w->workload != FIRST_START || !err.text[0]) {
		crash_fail("the hub does not open: %s", err.text);
	}
	ends[end]++;
	node_free(&n);
	os_sim_free(disk);
}

static void cut_here(const struct run *r, const struct os_sim *sim, unsigned step)
{
	unsigned count = 2 + RANDOM_CUTS * crash_scale();
	uint64_t seed = step + 1;

	for (unsigned i = 0; i < count && !crash_over(); i++) {
		enum os_sim_mode mode = i == 0 ? OS_SIM_KEEP_ALL : i == 1 ? OS_SIM_DROP_ALL : i & 1 ? OS_SIM_ORDERED : OS_SIM_RANDOM;
		const struct os_sim_cut how = { mode, draw(&seed) | 1, 512 };
		if (crash_at("cut", i))
			one_cut(r, sim, &how);
	}
}

/* ---- runs ---- */

static void note_step(struct run *r, struct node *n, const struct instance *before, unsigned step, uint64_t *lies)
{
	struct pawl_provider_stats stats = { 0 };
	uint64_t now = os_sim_lies(n->sim);

	n->p->ops->stats(n->p, &stats);
	for (unsigned i = 0; i < IDS; i++)
		if (memcmp(&before[i].acked, &r->w->instances[i].acked, sizeof(struct view)) != 0) {
			r->changed[i] = step;
			r->newest[i] = stats.frames;
		}
	r->frames = stats.frames;
	if (now && !r->lied_step) {
		r->lied_step = step;
		os_sim_lied_path(n->sim, r->path, sizeof(r->path));
	}
	r->last_step = now > *lies ? step : r->last_step;
	*lies = now;
}

/* False: no sync has lied, as there were not so many. */
static bool one_run(unsigned workload, enum kind kind, unsigned nth)
{
	static const uint64_t counts[] = { 1, 1, 3, 3, UINT64_MAX, UINT64_MAX };
	const struct work *work = &works[workload];
	struct node n = { .sim = os_sim_new(workload + 1) };
	struct run r = { .w = world_make(workload), .kind = kind };
	uint64_t lies = 0;

	if (*work->before && !script_walk(r.w, &n, work->before))
		crash_fail("the workload cannot be prepared");
	os_sim_lie_nth(n.sim, nth, counts[kind], kind % 2 ? OS_SIM_LIE_LATE : OS_SIM_LIE_LOST);
	for (unsigned step = 1; work->steps[step - 1] && !crash_over(); step++) {
		const char letters[] = { work->steps[step - 1], '\0' };
		struct instance before[IDS];
		memcpy(before, r.w->instances, sizeof(before));
		if (!script_walk(r.w, &n, letters)) {
			crash_fail("step '%s' failed", letters);
			break;
		}
		note_step(&r, &n, before, step, &lies);
		if (r.lied_step && crash_at("step", step))
			cut_here(&r, n.sim, step);
	}
	world_finish(r.w, &n);
	node_free(&n);
	world_free(r.w);
	return r.lied_step > 0;
}

static void run_kind(enum kind kind)
{
	for (unsigned w = 0; w < COUNT_OF(works) && !crash_over(); w++)
		for (unsigned nth = 1; nth < NTH_MAX && !crash_over(); nth++)
			if (crash_at("workload", w) && crash_at("kind", kind) && crash_at("nth", nth) && !one_run(w, kind, nth))
				break;
}

static void tell(void)
{
	unsigned long all = 0;

	for (unsigned i = 0; i < ENDS; i++)
		all += ends[i];
	crash_tell("        %lu cuts: %lu whole, %lu repaired and told, %lu told, %lu refused; silent: %lu newest, %lu forgotten, %lu place\n",
	           all, ends[END_WHOLE], ends[END_REPAIRED], ends[END_TOLD], ends[END_REFUSED], ends[END_NEWEST], ends[END_FORGOTTEN],
	           ends[END_PLACE]);
	memset(ends, 0, sizeof(ends));
}

static void once(void)
{
	run_kind(ONCE_LOST);
	run_kind(ONCE_LATE);
	tell();
}

static void some(void)
{
	run_kind(SOME_LOST);
	run_kind(SOME_LATE);
	tell();
}

static void always(void)
{
	run_kind(ALL_LOST);
	run_kind(ALL_LATE);
	tell();
}

int main(int argc, char **argv)
{
	static const struct crash_test tests[] = {
		{ "a sync that lies once is noticed, or nothing on the disk tells of what it lost", once },
		{ "three syncs in a row that lie", some },
		{ "a disk that lies from some time on", always },
	};

	return crash_main(argc, argv, tests, COUNT_OF(tests));
}
