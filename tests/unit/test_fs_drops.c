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

static struct world *writing;
static const struct os *real;

/* The moment after the runtime has taken its lease, which nobody has to wait for here. */
static enum os_lease lease_then_write(void *self, int fd)
{
	enum os_lease lease = real->lease(self, fd);

	if (writing) {
		struct world *w = writing;
		writing = NULL;
		drop(w, "go", "others\n");
	}
	return lease;
}

/* What was looked at and what was read must be one text, not the length of one and the bytes of another. */
static void written_anew_while_it_is_read(void **state)
{
	struct world *w = *state;
	struct pawl_provider_options options = { .hub = "hub", .journal_bytes = 65536 };
	struct os os = *os_sim_os(w->sim);
	int64_t again;

	real = os_sim_os(w->sim);
	os.lease = lease_then_write;
	options.os = &os;
	w->p->ops->close(w->p);
	assert_int_equal(pawl_provider_fs.open(&options, &w->p, NULL), 0);
	assert_int_equal(w->p->ops->acquire(w->p, NULL), 0);
	w->p->ops->attend(w->p, "a", true);
	(void)look(w, &again);
	drop(w, "go", "yes\n");
	writing = w;
	assert_int_equal(look(w, &again), 0);
	assert_true(again >= 0);
	assert_int_equal(look(w, &again), 1);
	assert_string_equal(w->data, "others");
	w->p->ops->close(w->p);
	options.os = real;
	assert_int_equal(pawl_provider_fs.open(&options, &w->p, NULL), 0);
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

#define SECOND INT64_C(1000000000)

/* The power goes and comes back, ten seconds later by the clock; what was not synced is gone. */
static void reboot(struct world *w, bool clean)
{
	const struct os_sim_cut cut = { .mode = OS_SIM_DROP_ALL };
	struct pawl_provider_options options = { .hub = "hub", .journal_bytes = 65536 };

	assert_int_equal(w->user->sync(w->user->self, w->events), 0); /* names last, what is in the files need not */
	os_sim_advance(w->sim, 10 * SECOND);
	if (clean)
		w->p->ops->close(w->p);
	os_sim_power_cut(w->sim, &cut);
	if (!clean)
		w->p->ops->close(w->p);
	os_sim_advance(w->sim, 2 * SECOND);
	options.os = os_sim_os(w->sim);
	w->user = os_sim_os_process(w->sim, 7);
	w->events = w->user->open(w->user->self, OS_CWD, "hub/instances/a/events", OS_READ | OS_DIRECTORY, 0);
	assert_int_equal(pawl_provider_fs.open(&options, &w->p, NULL), 0);
	assert_int_equal(w->p->ops->acquire(w->p, NULL), 0);
	w->p->ops->attend(w->p, "a", true);
}

static void lost_in_a_power_cut(void **state)
{
	struct world *w = *state;
	struct os_stat st;
	int64_t again;

	assert_int_equal(w->user->sync_fs(w->user->self, w->events), 0);
	drop(w, "go", "yes\n");
	reboot(w, false);
	assert_int_equal(w->user->stat(w->user->self, w->events, "go", &st), 0);
	assert_int_equal(st.size, 0); /* which is how ext4 leaves it */
	assert_int_equal(look(w, &again), 0);
	os_sim_advance(w->sim, SECOND);
	assert_int_equal(look(w, &again), 0);
	assert_int_equal(w->user->stat(w->user->self, w->events, "go", &st), -ENOENT);
	assert_int_equal(w->user->stat(w->user->self, w->events, ".rejected/go.why", &st), 0);
	/* what comes from now on is what it is */
	drop(w, "on", "");
	(void)look(w, &again);
	os_sim_advance(w->sim, SECOND);
	assert_int_equal(look(w, &again), 1);
}

static void empty_before_a_clean_stop(void **state)
{
	struct world *w = *state;
	int64_t again;

	drop(w, "go", "");
	reboot(w, true);
	(void)look(w, &again);
	os_sim_advance(w->sim, SECOND);
	assert_int_equal(look(w, &again), 1);
	assert_string_equal(w->data, "");
}

/* The stop syncs what was dropped before it says that it was clean. */
static void full_before_a_clean_stop(void **state)
{
	struct world *w = *state;
	int64_t again;

	assert_int_equal(w->user->sync_fs(w->user->self, w->events), 0);
	drop(w, "go", "yes\n");
	reboot(w, true);
	(void)look(w, &again);
	os_sim_advance(w->sim, SECOND);
	(void)look(w, &again);
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

/* ---- messages ---- */

struct order {
	enum pawl_message_kind kinds[4];
	int count;
};

static int note_kind(void *arg, struct pawl_message *m)
{
	struct order *o = arg;

	assert_true(o->count < 4);
	o->kinds[o->count++] = m->kind;
	return 0;
}

static void send_to(struct pawl_provider *p, enum pawl_message_kind kind, const char *name)
{
	const struct pawl_message m = { .kind = kind, .instance = "n", .name = name };

	assert_int_equal(p->ops->send(p, &m, NULL), 0);
}

static int bad_opens;

static int open_start_badly(void *self, int dir, const char *path, int flags, unsigned mode)
{
	return strstr(path, "/start") && bad_opens > 0 && bad_opens-- ? -EIO : real->open(self, dir, path, flags, mode);
}

/* A start that cannot be read for some time: what is sent to that instance is not for nobody. */
static void what_is_sent_to_one_that_waits_to_begin_waits_with_it(void **state)
{
	struct os_sim *sim = os_sim_new(1);
	struct os os = *(real = os_sim_os(sim));
	struct pawl_provider_options options = { .hub = "hub", .create = true, .journal_bytes = 65536, .os = &os };
	struct pawl_provider *p;
	struct order o = { .count = 0 };
	int64_t again;

	(void)state;
	os.open = open_start_badly;
	assert_int_equal(pawl_provider_fs.open(&options, &p, NULL), 0);
	assert_int_equal(p->ops->acquire(p, NULL), 0);
	send_to(p, PAWL_MESSAGE_START, "type");
	send_to(p, PAWL_MESSAGE_RAISE, "go");
	bad_opens = 2;
	(void)p->ops->receive(p, true, note_kind, &o, &again, NULL);
	assert_int_equal(bad_opens, 0);
	for (int n = 0; o.count < 2 && n < 10; n++) {
		os_sim_advance(sim, 10 * SECOND);
		assert_int_equal(p->ops->receive(p, true, note_kind, &o, &again, NULL), 0);
	}
	assert_int_equal(o.count, 2);
	assert_int_equal(o.kinds[0], PAWL_MESSAGE_START);
	assert_int_equal(o.kinds[1], PAWL_MESSAGE_RAISE);
	p->ops->close(p);
	os_sim_free(sim);
}

#define T(name, fn) { name, fn, setup, teardown, NULL }

static void put_in_place(struct world *w, const char *name, const char *text)
{
	drop(w, ".new", text);
	assert_int_equal(w->user->rename(w->user->self, w->events, ".new", w->events, name), 0);
}

static bool is_there(struct world *w, const char *path)
{
	struct os_stat st;
	int hub = w->user->open_root(w->user->self, "hub");
	int rc = w->user->stat(w->user->self, hub, path, &st);

	w->user->close(w->user->self, hub);
	return rc == 0;
}

/* The commit takes its time, and who drops does not know of it. */
static void another_in_its_place(void **state)
{
	struct world *w = *state;
	int64_t again;

	put_in_place(w, "go", "1\n");
	assert_int_equal(look(w, &again), 1);
	put_in_place(w, "go", "2\n");
	assert_int_equal(look(w, &again), 0);
	w->p->ops->ack(w->p, w->token);
	assert_int_equal(look(w, &again), 1);
	assert_string_equal(w->data, "2");
	w->p->ops->ack(w->p, w->token);
	assert_false(is_there(w, "instances/a/events/go"));
}

static void written_anew_in_place(void **state)
{
	struct world *w = *state;
	int64_t again;

	drop(w, "go", "1\n");
	assert_int_equal(look(w, &again), 1);
	os_sim_advance(w->sim, 1000000);
	drop(w, "go", "2\n");
	w->p->ops->ack(w->p, w->token);
	assert_int_equal(look(w, &again), 1);
	assert_string_equal(w->data, "2");
}

/* `cp -p` of busybox sets the time when the file is closed, and may be taken, already. */
static void touched_later(void **state)
{
	struct world *w = *state;
	int64_t again;

	drop(w, "go", "1\n");
	assert_int_equal(look(w, &again), 1);
	os_sim_advance(w->sim, 1000000);
	drop(w, "go", "1\n");
	w->p->ops->ack(w->p, w->token);
	assert_false(is_there(w, "instances/a/events/go"));
	assert_int_equal(look(w, &again), 0);
}

static void rejected_by_a_link(void **state)
{
	struct world *w = *state;
	int64_t again;

	assert_int_equal(os_sim_symlink(w->sim, "../../../control", "hub/instances/a/events/.rejected"), 0);
	drop(w, "a+b", "{}");
	assert_int_equal(look(w, &again), 0);
	assert_false(is_there(w, "control/a+b"));
	assert_false(is_there(w, "control/a+b.why"));
	assert_true(is_there(w, "instances/a/events/.rejected-a+b"));
	assert_true(is_there(w, "instances/a/events/.rejected-a+b.why"));
}

/* ---- floods ---- */

struct flood {
	struct world *w;
	void *tokens[4096];
	size_t out, taken;
};

static int take_one_of_many(void *arg, struct pawl_message *m)
{
	struct flood *f = arg;

	f->tokens[f->out++] = m->token;
	f->taken++;
	return 0;
}

static int64_t look_at_flood(struct flood *f)
{
	int64_t again = -1;

	assert_int_equal(f->w->p->ops->receive(f->w->p, false, take_one_of_many, f, &again, NULL), 0);
	return again;
}

static void ack_flood(struct flood *f)
{
	while (f->out)
		f->w->p->ops->ack(f->w->p, f->tokens[--f->out]);
}

static void taken_in_turns(void **state)
{
	static struct flood f;
	struct world *w = *state;
	char name[32];
	size_t before;

	f = (struct flood){ .w = w };
	for (int i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "go@k%d", i);
		drop(w, name, "x");
	}
	for (int turn = 0; turn < 10; turn++) { /* nothing comes back: no more is given out, and the looks get rarer */
		before = f.taken;
		assert_true(look_at_flood(&f) >= 0);
		assert_true(f.taken - before <= 512);
	}
	assert_int_equal(f.taken, 1024);
	assert_true(look_at_flood(&f) >= 100);
	for (int turn = 0; f.taken < 3000 && turn < 20; turn++) {
		ack_flood(&f);
		(void)look_at_flood(&f);
	}
	ack_flood(&f);
	assert_int_equal(f.taken, 3000);
	assert_int_equal(look_at_flood(&f), -1);
}

static int refuse_for_now(void *arg, struct pawl_message *m)
{
	struct world *w = arg;

	w->taken++;
	return m->can_wait;
}

static void starts_that_wait(void **state)
{
	struct world *w = *state;
	int64_t again = -1;
	char name[40];
	int inbox = w->user->open(w->user->self, OS_CWD, "hub/inbox", OS_READ | OS_DIRECTORY, 0), events = w->events;

	w->events = inbox;
	for (int i = 0; i < 2500; i++) {
		snprintf(name, sizeof(name), "t@i%d.start", i);
		drop(w, name, "x");
	}
	drop(w, "a.go", "x");
	w->events = events;
	assert_int_equal(w->p->ops->receive(w->p, false, refuse_for_now, w, &again, NULL), 0);
	assert_int_equal(w->taken, 2); /* one start that was told to wait, and the event that is no start */
	assert_in_range(again, 1, 1000);
	os_sim_advance(w->sim, 1001 * 1000000ll);
	assert_int_equal(look(w, &again), 512);
	assert_true(is_there(w, "inbox/t@i2499.start"));
	w->user->close(w->user->self, inbox);
}

static size_t rejected_count(struct world *w)
{
	struct flood f = { .w = w };
	size_t count = 0;
	char path[80];

	for (int i = 0; i < 1500; i++) {
		snprintf(path, sizeof(path), "instances/a/events/.rejected/a+%d", i);
		count += is_there(w, path);
		snprintf(path, sizeof(path), "instances/a/events/.rejected/a+%d.why", i);
		f.out += is_there(w, path);
	}
	assert_int_equal(f.out, count); /* each has its note, and no note is left alone */
	return count;
}

static void rejected_and_kept(void **state)
{
	struct world *w = *state;
	int64_t again;
	char name[32];

	for (int i = 0; i < 1500; i++) {
		snprintf(name, sizeof(name), "a+%d", i);
		drop(w, name, "x");
		os_sim_advance(w->sim, 1000);
	}
	for (int turn = 0; turn < 10; turn++)
		assert_int_equal(look(w, &again), 0);
	assert_int_equal(rejected_count(w), 1000);
	assert_false(is_there(w, "instances/a/events/.rejected/a+0"));
	assert_true(is_there(w, "instances/a/events/.rejected/a+1499"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("a whole file is taken at once", whole_file),
		T("an empty file that gets its content a moment later is taken with it", empty_at_first),
		T("a file that stays empty is an event without payload", empty_for_good),
		T("a file that lost its content in a power cut is rejected, and is no empty event", lost_in_a_power_cut),
		cmocka_unit_test(what_is_sent_to_one_that_waits_to_begin_waits_with_it),
		T("a file that is written anew while it is read is read again", written_anew_while_it_is_read),
		T("an empty file from before a clean stop is an event after a reboot, too", empty_before_a_clean_stop),
		T("and a file that was not synced by whoever dropped it is not empty then", full_before_a_clean_stop),
		T("an empty file that goes away is forgotten", empty_and_gone),
		T("an empty file on a full disk is rejected", empty_on_full_disk),
		T("half of a JSON text waits for the rest", half_of_json),
		T("half of a JSON text is rejected after a minute", half_of_json_for_a_minute),
		T("a file that is open for writing waits until it is closed", still_open),
		T("where leases do not work a file must stay unchanged for two seconds", no_leases_here),
		T("a file that replaces one that was taken is taken after it", another_in_its_place),
		T("a file that is written anew before it is gone is taken again", written_anew_in_place),
		T("a file of which only the time was changed is taken once", touched_later),
		T("a link in place of the directory of what is rejected is not followed", rejected_by_a_link),
		T("a flood is taken in turns, and no more is given out than may be", taken_in_turns),
		T("starts that have to wait hold up nothing else", starts_that_wait),
		T("of what is rejected the newest are kept", rejected_and_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
