/*
 * test_mailbox.c - messages over a power cut: sent by a client (raise, cancel, start), dropped by a user into events/ and
 * inbox/, received, committed, acked. What was sent is delivered until it is in a history; nothing is delivered in part;
 * a start is whole or not there, and never blocks its id.
 */
#include "post.h"

#include <errno.h>

static const struct scenario mailbox_scenario = { post_make, free, post_run, post_check, post_go_on, 2, 4, 7, 1 };

static void messages(void)
{
	for (unsigned i = 0; i < 6 * crash_scale() && !crash_over(); i++)
		crash_cut_everywhere(&mailbox_scenario, i);
}

/* The n-th call fails, once: what was sent is not lost, rejected or cut, at the latest the next start gives it out. */
static bool one_fault(unsigned workload, unsigned nth, int error)
{
	struct node n = { .sim = os_sim_new(workload + 1) };
	struct post *post = post_make(workload);
	struct pawl_error err = { 0 };
	struct outcome o = { .went_on = true };

	post->faulty = true;
	os_sim_fail_ops(n.sim, OS_SIM_OP_ALL & ~OS_SIM_OP_SYNC);
	os_sim_fail_nth(n.sim, nth, error, false);
	post_run(post, &n);
	bool fired = os_sim_fault_fired(n.sim);
	os_sim_fail_nth(n.sim, 0, 0, false);
	node_stop(&n);
	(void)crash_logged_errors();
	if (node_start(&n, &err) < 0)
		crash_fail("a new start fails: %s", err.text);
	else
		post_check(post, &n, &o);
	node_stop(&n);
	node_free(&n);
	free(post);
	return fired;
}

static void failing_calls(void)
{
	static const int errors[] = { EIO, EMFILE, ENOSPC };

	for (unsigned w = 0; w < 4 * crash_scale() && !crash_over(); w++)
		for (unsigned e = 0; e < COUNT_OF(errors); e++)
			for (unsigned nth = 1; nth < 100000 && !crash_over(); nth++)
				if (crash_at("workload", w) && crash_at("errno", (unsigned long)errors[e]) && crash_at("nth", nth) &&
				    !one_fault(w, nth, errors[e]))
					break;
}

static void plant_unlinkfirst(void)
{
	if (!crash_is_caught("unlinkfirst", messages))
		crash_fail("nobody noticed the planted bug 'unlinkfirst'");
}

static void plant_nodirsync(void)
{
	if (!crash_is_caught("nodirsync", messages))
		crash_fail("nobody noticed the planted bug 'nodirsync'");
}

int main(int argc, char **argv)
{
	static const struct crash_test tests[] = {
		{ "what was sent is delivered until it is in a history, whole and once", messages },
		{ "a call that fails loses, rejects or cuts no message", failing_calls },
		{ "planted bug is caught: a message is removed before its commit (unlinkfirst)", plant_unlinkfirst },
		{ "planted bug is caught: directories are not synced (nodirsync)", plant_nodirsync },
	};

	return crash_main(argc, argv, tests, COUNT_OF(tests));
}
