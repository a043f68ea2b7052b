/*
 * test_commit.c - the power fails during every operation of random work: commits over several instances in segments of
 * 32 KiB, checkpoints in pieces between them, spilled payloads, frames larger than a segment, ends, the archive, next
 * executions of what has ended, purges and new lives of purged ids.
 */
#include "harness.h"

static void cut_profile(unsigned profile, unsigned workloads)
{
	for (unsigned i = 0; i < workloads * crash_scale() && !crash_over(); i++)
		crash_cut_everywhere(&commit_scenario, profile + i * profile_count);
}

static void mixed(void)
{
	cut_profile(0, 2);
}

static void ends(void)
{
	cut_profile(1, 4);
}

static void big(void)
{
	cut_profile(2, 1);
}

static void executions(void)
{
	cut_profile(3, 2);
}

static void small(void)
{
	cut_profile(4, 1);
}

static void revivals(void)
{
	cut_profile(5, 3);
}

static void some_of_all(void)
{
	for (unsigned p = 0; p < profile_count && !crash_over(); p++)
		cut_profile(p, 1);
}

static void expect_caught(const char *plant)
{
	if (!crash_is_caught(plant, some_of_all))
		crash_fail("nobody noticed the planted bug '%s'", plant);
}

static void plant_nosync(void) { expect_caught("nosync"); }
static void plant_ackearly(void) { expect_caught("ackearly"); }
static void plant_nodirsync(void) { expect_caught("nodirsync"); }
static void plant_nosalt(void) { expect_caught("nosalt"); }
static void plant_nomark(void) { expect_caught("nomark"); }

int main(int argc, char **argv)
{
	static const struct crash_test tests[] = {
		{ "what was acknowledged survives a power cut at any operation", mixed },
		{ "ended instances are live or archived, purged ones never come back", ends },
		{ "ended instances that are revived are in one place, with all their executions", revivals },
		{ "frames larger than a segment and spilled payloads are whole", big },
		{ "executions follow each other over a power cut", executions },
		{ "small commits wrap the journal and lose nothing", small },
		{ "planted bug is caught: the journal is not synced (nosync)", plant_nosync },
		{ "planted bug is caught: told before it is durable (ackearly)", plant_ackearly },
		{ "planted bug is caught: directories are not synced (nodirsync)", plant_nodirsync },
		{ "planted bug is caught: segments are reused with the same salt (nosalt)", plant_nosalt },
		{ "planted bug is caught: the checkpoint is not written down (nomark)", plant_nomark },
	};

	return crash_main(argc, argv, tests, COUNT_OF(tests));
}
