/* Making a hub, on the simulated OS, when another process does the same. */
#include "base/log.h"
#include "os/os_sim.h"
#include <pawl/provider.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct {
	struct os_sim *sim;
	struct os first;              /* of process 0; its random() lets process 1 have its turn */
	bool both;
	int other;                    /* what came of that */
	char other_text[sizeof(((struct pawl_error *)0)->text)];
} w;

static int open_hub(const struct os *os, struct pawl_provider **p, struct pawl_error *err)
{
	const struct pawl_provider_options options = { .hub = "hub", .create = true, .journal_bytes = 65536, .os = os };

	return pawl_provider_fs.open(&options, p, err);
}

static void close_hub(struct pawl_provider *p)
{
	if (p)
		p->ops->close(p);
}

/* The id of a new hub is drawn while its directories are there and FORMAT is not. */
static int random_meanwhile(void *self, void *out, size_t len)
{
	struct pawl_provider *p = NULL;
	struct pawl_error err = { 0 };

	if (w.both) {
		w.both = false;
		w.other = open_hub(os_sim_os_process(w.sim, 1), &p, &err);
		snprintf(w.other_text, sizeof(w.other_text), "%s", err.text);
		close_hub(p);
	}
	return os_sim_os(w.sim)->random(self, out, len);
}

static int setup(void **state)
{
	(void)state;
	memset(&w, 0, sizeof(w));
	w.sim = os_sim_new(1);
	w.first = *os_sim_os(w.sim);
	w.first.random = random_meanwhile;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	os_sim_free(w.sim);
	return 0;
}

static void only_one_process_makes_it(void **state)
{
	struct pawl_provider *p = NULL;
	struct pawl_error err = { 0 };

	(void)state;
	w.both = true;
	assert_int_equal(open_hub(&w.first, &p, &err), 0);
	assert_int_equal(w.other, PAWL_EBUSY);
	assert_non_null(strstr(w.other_text, "another process is making the hub 'hub'"));
	close_hub(p);
}

static void afterwards_it_is_everybodys(void **state)
{
	struct pawl_provider *p = NULL, *q = NULL;

	(void)state;
	assert_int_equal(open_hub(&w.first, &p, NULL), 0);
	assert_int_equal(open_hub(os_sim_os_process(w.sim, 1), &q, NULL), 0);
	close_hub(q);
	close_hub(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(only_one_process_makes_it, setup, teardown),
		cmocka_unit_test_setup_teardown(afterwards_it_is_everybodys, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
