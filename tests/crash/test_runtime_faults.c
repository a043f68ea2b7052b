/*
 * test_runtime_faults.c - a whole runtime, over a simulated machine, whose n-th call of a kind fails, for n = 1, 2, 3 ...
 * until a run in which none did: once, or all from there on until it is over. Nothing is lost and nothing is done twice; work
 * goes on by itself; a person is told, and not a thousand times; no descriptor and no memory leaks (I1-I7, I11, I12).
 */
#include "crash/test_runtime_faults/gate.h"
#include "crash/test_runtime_faults/story.h"
#include "harness.h"

#include <errno.h>
#include <stdio.h>

#define NTH_MAX 100000u

static unsigned long runs;

static void tell(const struct story_case *c, const struct story_result *r)
{
	if (getenv("PAWL_FAULTS_ALL"))
		printf("  ops=%u,errno=%d,forever=%d,after=%d,nth=%u : %s (after '%s', %u times)\n", c->ops, c->error, c->forever, (int)c->after, c->nth,
		       r->why, gate_what(), r->fired);
	else
		crash_fail("%s (after '%s', %u times)", r->why, gate_what(), r->fired);
}

/* True when something has failed. */
static bool run(const struct story_case *c)
{
	struct story_result r;

	story_verbose = getenv("PAWL_FAULTS_LOG") != NULL;
	if (getenv("PAWL_FAULTS_ALL"))
		fflush(stdout);
	story_run(c, &r);
	runs++;
	if (r.why[0])
		tell(c, &r);
	return r.fired > 0;
}

/* Fewer where sanitizers make it slow, more when that is asked for, each when a case is replayed. */
static unsigned stride(unsigned every)
{
	const char *replay = getenv("PAWL_CRASH_CASE");
	unsigned n = every * CRASH_STRIDE * CRASH_STRIDE / crash_scale();

	return replay || n == 0 ? 1 : n;
}

static void every_call(uint32_t ops, int error, bool forever, enum story_after after, unsigned every)
{
	if (!crash_at("ops", ops) || !crash_at("errno", (unsigned long)error) || !crash_at("forever", forever) || !crash_at("after", after))
		return;
	every = stride(every);
	for (unsigned nth = 1 + (unsigned)error % every; nth < NTH_MAX && !crash_over(); nth += every) {
		const struct story_case c = { .ops = ops, .error = error, .nth = nth, .forever = forever, .after = after };
		if (crash_at("nth", nth) && !run(&c))
			break;
	}
}

static void both(uint32_t ops, int error, unsigned every)
{
	every_call(ops, error, false, AFTER_GO_ON, every);
	every_call(ops, error, true, AFTER_GO_ON, every * 3);
}

static void nothing_fails(void)
{
	struct story_result r;
	const struct story_case c = { .ops = (uint32_t)-1 };

	story_verbose = getenv("PAWL_FAULTS_LOG") != NULL;
	story_run(&c, &r);
	if (r.why[0])
		tell(&c, &r);
	printf("        %u calls, %lld ms, %u lives\n", r.calls, (long long)r.took_ms, r.lives);
}

static void memory(void) { both(GATE_ALLOC, ENOMEM, 20); both(GATE_MAP, ENOMEM, 1); }
static void writes(void) { both(GATE_WRITE, EIO, 1); both(GATE_WRITE, ENOSPC, 3); both(GATE_WRITE, EDQUOT, 5); both(GATE_WRITE, EROFS, 7); both(GATE_RESIZE, ENOSPC, 1); }
static void syncs(void) { both(GATE_SYNC, EIO, 1); both(GATE_SYNC, ENOSPC, 3); both(GATE_SYNC, EDQUOT, 3); both(GATE_SYNC_DIR, EIO, 1); }
static void opens(void) { both(GATE_OPEN, EMFILE, 3); both(GATE_OPEN, ENFILE, 7); both(GATE_OPEN, EIO, 5); both(GATE_OPEN, EROFS, 5); }
static void closes(void) { both(GATE_CLOSE, EIO, 3); both(GATE_CLOSE, EDQUOT, 7); }
static void names(void)
{
	both(GATE_RENAME, EIO, 1);
	both(GATE_RENAME, ENOSPC, 2);
	both(GATE_MKDIR, EDQUOT, 1);
	both(GATE_MKDIR, EROFS, 1);
	both(GATE_UNLINK, EIO, 1);
	both(GATE_UNLINK, EROFS, 1);
	both(GATE_CHMOD, EROFS, 1);
}
static void reads(void) { both(GATE_READ, EIO, 2); both(GATE_LIST, EIO, 1); both(GATE_LIST, EMFILE, 2); both(GATE_STAT, EIO, 4); }
/* The wall clock jumps at the n-th look at it, and stays there or is right the next time: no delay comes early or late (I9). */
static void clocks(void)
{
	static const int64_t jumps_s[] = { 315360000, -315360000, 3600, -3600 };
	struct story_result quiet, r;

	story_run(&(struct story_case){ 0 }, &quiet);
	for (unsigned j = 0; j < COUNT_OF(jumps_s); j++)
		for (unsigned f = 0; f < 4 && crash_at("jump", j); f++)
			for (unsigned nth = 1; crash_at("kind", f) && nth < NTH_MAX && !crash_over(); nth += stride(1)) {
				const struct story_case c = { .ops = GATE_CLOCK, .error = 1, .nth = nth, .forever = f & 1, .quiet_clock = f & 2 };
				gate_jump_ns = jumps_s[j] * 1000000000;
				if (!crash_at("nth", nth))
					continue;
				story_run(&c, &r);
				runs++;
				if (r.why[0] || r.took_ms != quiet.took_ms)
					crash_fail("%s (it took %lld ms, not %lld)", r.why, (long long)r.took_ms, (long long)quiet.took_ms);
				if (!r.fired)
					break;
			}
}

/* The kernel forgets what it had to tell. */
static void overflows(void)
{
	for (unsigned n = 1; n < 12 && !crash_over(); n++) {
		const struct story_case c = { .watch_queue = n };
		if (crash_at("queue", n))
			(void)run(&c);
	}
}

/* Nothing that was told before is lost when the runtime dies, or the power goes, a moment behind the failure. */
static void dying(void)
{
	for (int after = AFTER_KILL; after <= AFTER_CUT; after++) {
		every_call(GATE_WRITE, EIO, false, (enum story_after)after, 5);
		every_call(GATE_SYNC, EIO, false, (enum story_after)after, 3);
		every_call(GATE_RENAME, EIO, false, (enum story_after)after, 2);
		every_call(GATE_OPEN, EMFILE, false, (enum story_after)after, 11);
		every_call(GATE_ALLOC, ENOMEM, false, (enum story_after)after, 60);
	}
}

static void others(void)
{
	both(GATE_LOCK, ENOLCK, 1);
	both(GATE_WATCH_OPEN, EMFILE, 1);
	both(GATE_WATCH_ADD, ENOSPC, 1);
	every_call(GATE_WATCH_READ, ENOMEM, false, AFTER_GO_ON, 1);
	both(GATE_RANDOM, EIO, 1);
	both(GATE_PROCESS, EMFILE, 1);
}

int main(int argc, char **argv)
{
	static const struct crash_test tests[] = {
		{ "nothing fails", nothing_fails },
		{ "a failed write", writes },
		{ "a failed sync", syncs },
		{ "a failed open", opens },
		{ "a failed close", closes },
		{ "a failed rename, mkdir, unlink or chmod", names },
		{ "a failed read, list or stat", reads },
		{ "failed locks, watches, identities", others },
		{ "no memory", memory },
		{ "a wall clock that jumps", clocks },
		{ "an overflow of what the kernel tells of directories", overflows },
		{ "a death or a power cut behind a failure", dying },
	};
	struct story_result r;

	story_run(&(struct story_case){ 0 }, &r);
	int rc = crash_main(argc, argv, tests, COUNT_OF(tests));

	printf("%lu runs\n", runs);
	if (getenv("PAWL_FAULTS_LINES"))
		story_print_lines();
	return rc;
}
