/* Dropped files where the order of things must be exact, so on the simulated OS (the real ones: tests/e2e/test_drops.sh). */
#include "os/os_sim.h"
#include <errno.h>
#include <pawl/provider.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct world {
	struct os_sim *sim;
	const struct os *user; /* somebody else's process */
	struct pawl_provider *p;
	int events;            /* the directory of instance 'a' */
	int taken;
	char data[64];
	void *token;
};

static int setup(void **state)
{
	static struct world w;
	struct pawl_record create = { .instance = "a", .execution = 1, .data = "line\n", .len = 5, .create = true };
	struct pawl_batch batch = { &create, 1, NULL, 0 };

	w = (struct world){ .sim = os_sim_new(1) };
	struct pawl_provider_options options = { .hub = "hub", .create = true, .journal_bytes = 65536, .os = os_sim_os(w.sim) };
	assert_int_equal(pawl_provider_fs.open(&options, &w.p, NULL), 0);
	assert_int_equal(w.p->ops->acquire(w.p, NULL), 0);
	assert_int_equal(pawl_provider_commit(w.p, &batch, NULL), 0);
	w.p->ops->attend(w.p, "a", true);
	w.user = os_sim_os_process(w.sim, 7);
	w.events = w.user->open(w.user->self, OS_CWD, "hub/instances/a/events", OS_READ | OS_DIRECTORY, 0);
	assert_true(w.events >= 0);
	*state = &w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	w->p->ops->close(w->p);
	os_sim_free(w->sim);
	return 0;
}

static int take(void *arg, struct pawl_message *m)
{
	struct world *w = arg;

	w->taken++;
	w->token = m->token;
	assert_true(m->len < sizeof(w->data));
	memcpy(w->data, m->data, m->len);
	w->data[m->len] = '\0';
	return 0;
}

/* How many were taken; *again as receive says. */
static int look(struct world *w, int64_t *again)
{
	w->taken = 0;
	assert_int_equal(w->p->ops->receive(w->p, false, take, w, again, NULL), 0);
	return w->taken;
}

static void drop(struct world *w, const char *name, const char *text)
{
	int fd = w->user->open(w->user->self, w->events, name, OS_WRITE | OS_CREATE, 0644);

	assert_true(fd >= 0);
	if (*text)
		assert_int_equal(w->user->pwrite(w->user->self, fd, text, strlen(text), 0), (ssize_t)strlen(text));
	w->user->close(w->user->self, fd);
}

static void whole_file(void **state)
{
	struct world *w = *state;
	int64_t again;

	drop(w, "go", "yes\n");
	assert_int_equal(look(w, &again), 1);
	assert_string_equal(w->data, "yes");
}

/* The kernel shows a file, and tells of it, before it counts its writer: for that moment it is empty and can be leased. */
static void empty_at_first(void **state)
{
	struct world *w = *state;
	int64_t again;

	drop(w, "go", "");
	assert_int_equal(look(w, &again), 0);
	assert_true(again >= 0);
	drop(w, "go", "yes\n");
	assert_int_equal(look(w, &again), 1);
	assert_string_equal(w->data, "yes");
}

static void empty_for_good(void **state)
{
	struct world *w = *state;
	int64_t again;

	drop(w, "go", "");
	assert_int_equal(look(w, &again), 0);
	os_sim_advance(w->sim, (again + 1) * 1000000);
	assert_int_equal(look(w, &again), 1);
	assert_string_equal(w->data, "");
	assert_int_equal(again, -1);
}

static void empty_and_gone(void **state)
{
	struct world *w = *state;
	int64_t again;

	drop(w, "go", "");
	assert_int_equal(look(w, &again), 0);
	assert_int_equal(w->user->unlink(w->user->self, w->events, "go"), 0);
	assert_int_equal(look(w, &again), 0);
	assert_int_equal(again, -1);
}

/* `echo yes > go` on a full disk fails, and leaves this behind. */
static void empty_on_full_disk(void **state)
{
	struct world *w = *state;
	struct os_stat st;
	int64_t again;

	drop(w, "go", "");
	os_sim_set_capacity(w->sim, 1);
	assert_int_equal(look(w, &again), 0);
	os_sim_advance(w->sim, (again + 1) * 1000000);
	assert_int_equal(look(w, &again), 0);
	os_sim_set_capacity(w->sim, 0);
	assert_int_equal(w->user->stat(w->user->self, w->events, "go", &st), -ENOENT);
}

static void half_of_json(void **state)
{
	struct world *w = *state;
	int64_t again;

	drop(w, "go.json", "{\"a\":");
	assert_int_equal(look(w, &again), 0);
	assert_true(again > 0);
	drop(w, "go.json", "{\"a\":1}\n");
	assert_int_equal(look(w, &again), 1);
	assert_string_equal(w->data, "{\"a\":1}");
}

static void half_of_json_for_a_minute(void **state)
{
	struct world *w = *state;
	struct os_stat st;
	int64_t again;

	drop(w, "go.json", "{\"a\":");
	assert_int_equal(look(w, &again), 0);
	os_sim_advance(w->sim, (again + 1) * 1000000);
	assert_int_equal(look(w, &again), 0);
	assert_int_equal(w->user->stat(w->user->self, w->events, ".rejected/go.json.why", &st), 0);
}

static void still_open(void **state)
{
	struct world *w = *state;
	int64_t again;
	int fd = w->user->open(w->user->self, w->events, "go", OS_WRITE | OS_CREATE, 0644);

	assert_int_equal(w->user->pwrite(w->user->self, fd, "ye", 2, 0), 2);
	assert_int_equal(look(w, &again), 0);
	assert_int_equal(w->user->pwrite(w->user->self, fd, "yes", 3, 0), 3);
	w->user->close(w->user->self, fd);
	assert_int_equal(look(w, &again), 1);
	assert_string_equal(w->data, "yes");
}

static void no_leases_here(void **state)
{
	struct world *w = *state;
	int64_t again;

	os_sim_set_leases(w->sim, false);
	drop(w, "go", "yes");
	assert_int_equal(look(w, &again), 0);
	os_sim_advance(w->sim, 1000000000);
	drop(w, "go", "yes, more");
	assert_int_equal(look(w, &again), 0);
	assert_in_range(again, 1000, 2100);
	os_sim_advance(w->sim, (again + 1) * 1000000);
	assert_int_equal(look(w, &again), 1);
	assert_string_equal(w->data, "yes, more");
}

#define T(name, fn) { name, fn, setup, teardown, NULL }

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("a whole file is taken at once", whole_file),
		T("an empty file that gets its content a moment later is taken with it", empty_at_first),
		T("a file that stays empty is an event without payload", empty_for_good),
		T("an empty file that goes away is forgotten", empty_and_gone),
		T("an empty file on a full disk is rejected", empty_on_full_disk),
		T("half of a JSON text waits for the rest", half_of_json),
		T("half of a JSON text is rejected after a minute", half_of_json_for_a_minute),
		T("a file that is open for writing waits until it is closed", still_open),
		T("where leases do not work a file must stay unchanged for two seconds", no_leases_here),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
