/* The work queue's directories as others may leave them: shells, hostile hands, a reboot, a disk that fails. On the
 * simulated OS; what all providers must do is in tests/provider/contract_work*.c. */
#include "os/os_sim.h"
#include "base/log.h"
#include <errno.h>
#include <pawl/provider.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECOND INT64_C(1000000000)

struct world {
	struct os_sim *sim;
	const struct os *user;       /* somebody else's process */
	struct pawl_provider *p, *w; /* owner; worker in another process */
	struct pawl_provider_options options;
	unsigned warnings;
};

static void count_warning(void *arg, enum log_level level, const char *line)
{
	struct world *w = arg;

	(void)line;
	w->warnings += level <= LOG_LEVEL_WARNING;
}

static void open_owner(struct world *w)
{
	struct pawl_error err = { 0 };

	w->options.os = os_sim_os(w->sim);
	if (pawl_provider_fs.open(&w->options, &w->p, &err) != 0 || w->p->ops->acquire(w->p, &err) != 0)
		fail_msg("%s", err.text);
	w->options.create = false;
}

static void open_worker(struct world *w)
{
	struct pawl_provider_options o = w->options;

	o.os = os_sim_os_process(w->sim, 1);
	assert_int_equal(pawl_provider_fs.open(&o, &w->w, NULL), 0);
}

static int setup(void **state)
{
	static struct world w;
	struct pawl_record create = { .instance = "a", .execution = 1, .data = "line\n", .len = 5, .create = true };
	struct pawl_batch batch = { &create, 1, NULL, 0 };

	w = (struct world){ .sim = os_sim_new(1), .options = { .hub = "hub", .create = true, .journal_bytes = 65536 } };
	log_set_sink(count_warning, &w);
	os_sim_advance(w.sim, 100 * SECOND + 7000);
	open_owner(&w);
	assert_int_equal(pawl_provider_commit(w.p, &batch, NULL), 0);
	open_worker(&w);
	w.user = os_sim_os_process(w.sim, 7);
	w.warnings = 0;
	*state = &w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	if (w->w)
		w->w->ops->close(w->w);
	if (w->p)
		w->p->ops->close(w->p);
	assert_int_equal(os_sim_open_count(w->sim, 0), 0);
	assert_int_equal(os_sim_open_count(w->sim, 1), 0);
	assert_int_equal(os_sim_bad_fd_count(w->sim), 0);
	os_sim_free(w->sim);
	log_set_sink(NULL, NULL);
	return 0;
}

static struct pawl_work_item item_of(uint64_t seq)
{
	return (struct pawl_work_item){ .instance = "a",
		                        .activity = "flash",
		                        .key = "k",
		                        .execution = 1,
		                        .seq = seq,
		                        .attempt = 1,
		                        .priority = 5,
		                        .input = "in",
		                        .input_len = 2 };
}

/* As the runtime asks: what the kernel tells is taken in by receive. */
static bool has_changed(struct world *w)
{
	int64_t again_ms = -1;

	assert_int_equal(w->p->ops->receive(w->p, false, NULL, NULL, &again_ms, NULL), 0);
	return w->p->ops->work_changed(w->p);
}

static void offer(struct world *w, const struct pawl_work_item *item, char *id)
{
	struct pawl_error err = { 0 };
	char own[PAWL_WORK_ID_MAX + 1];

	if (w->p->ops->offer(w->p, item, id ? id : own, &err) != 0)
		fail_msg("%s", err.text);
}

static int claim(struct world *w, const char *worker, char *id)
{
	const struct pawl_work_wanted wanted = { .worker = worker };
	struct pawl_work_item *item = NULL;
	struct pawl_error err = { 0 };
	int rc = w->w->ops->claim(w->w, &wanted, &item, &err);

	if (rc == 0) {
		if (id)
			snprintf(id, PAWL_WORK_ID_MAX + 1, "%s", item->id);
		free(item);
	}
	return rc;
}

static void put(struct world *w, const char *path, const char *text)
{
	const struct os *os = w->user;
	int fd = os->open(os->self, OS_CWD, path, OS_WRITE | OS_CREATE | OS_TRUNC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(os->pwrite(os->self, fd, text, strlen(text), 0), strlen(text));
	os->close(os->self, fd);
}

static void move(struct world *w, const char *from, const char *to)
{
	assert_int_equal(w->user->rename(w->user->self, OS_CWD, from, OS_CWD, to), 0);
}

static bool is_there(struct world *w, const char *path)
{
	struct os_stat st;

	return w->user->stat(w->user->self, OS_CWD, path, &st) == 0;
}

struct seen {
	unsigned count;
	enum pawl_work_state state;
	char id[PAWL_WORK_ID_MAX + 1], worker[65], output[64], message[256];
	int code;
	int64_t retry_after_ms, beat_ns;
};

static int see(void *arg, const struct pawl_work_status *s)
{
	struct seen *seen = arg;

	seen->count++;
	seen->state = s->state;
	seen->code = s->code;
	seen->retry_after_ms = s->retry_after_ms;
	seen->beat_ns = s->beat_ns;
	snprintf(seen->id, sizeof(seen->id), "%s", s->item.id);
	snprintf(seen->worker, sizeof(seen->worker), "%s", s->worker);
	snprintf(seen->message, sizeof(seen->message), "%s", s->message);
	snprintf(seen->output, sizeof(seen->output), "%.*s", (int)s->output_len, s->output ? s->output : "");
	return 0;
}

static struct seen look(struct world *w)
{
	struct seen seen = { 0 };
	struct pawl_error err = { 0 };

	if (w->p->ops->each_work(w->p, true, NULL, see, &seen, &err) != 0)
		fail_msg("%s", err.text);
	return seen;
}

/* ---- a shell ---- */

static void a_shell_is_a_worker(void **state)
{
	struct world *w = *state;
	const struct pawl_work_item item = item_of(7);
	char id[PAWL_WORK_ID_MAX + 1], from[512], to[512];

	offer(w, &item, id);
	(void)has_changed(w);
	snprintf(from, sizeof(from), "hub/work/ready/%s", id);
	snprintf(to, sizeof(to), "hub/work/claimed/%s@4711", id);
	move(w, from, to);
	assert_true(has_changed(w));
	struct seen s = look(w);
	assert_int_equal(s.state, PAWL_WORK_CLAIMED);
	assert_string_equal(s.worker, "4711");
	put(w, "hub/instances/a/work/7/heartbeat", "");
	assert_true(look(w).beat_ns > 0);
	put(w, "hub/instances/a/work/7/message", "too hot\n");
	put(w, "hub/instances/a/work/7/retry_after", "1m30s\n");
	snprintf(from, sizeof(from), "hub/work/done/%s@4711.75", id);
	move(w, to, from);
	assert_true(has_changed(w));
	s = look(w);
	assert_int_equal(s.state, PAWL_WORK_DONE);
	assert_int_equal(s.code, 75);
	assert_int_equal(s.retry_after_ms, 90000);
	assert_string_equal(s.message, "too hot");
	assert_int_equal(w->p->ops->release(w->p, id, NULL), 0);
	assert_false(is_there(w, from));
}

static void a_shell_takes_no_tagged_work_by_a_glob(void **state)
{
	struct world *w = *state;
	struct pawl_work_item item = item_of(7);
	char id[PAWL_WORK_ID_MAX + 1];

	item.activity = "img/flash";
	item.tag = "gpu";
	offer(w, &item, id);
	assert_memory_equal(id, "img+flash@gpu/5-", 16);
	item.session = "s1";
	offer(w, &item, id);
	assert_memory_equal(id, "img+flash@gpu~/5-", 17);
	assert_string_equal(strchr(id, '/') + 17, "~s1");
	item.tag = NULL;
	offer(w, &item, id);
	assert_memory_equal(id, "img+flash~/5-", 13);
}

static void a_shell_has_a_session(void **state)
{
	struct world *w = *state;
	struct pawl_work_item item = item_of(7);

	item.session = "s1";
	offer(w, &item, NULL);
	put(w, "hub/work/sessions/s1", "other\n");
	assert_int_equal(claim(w, "w1", NULL), PAWL_ENOTFOUND);
	put(w, "hub/work/sessions/s1", "");
	assert_int_equal(claim(w, "w1", NULL), PAWL_ENOTFOUND);
	put(w, "hub/work/sessions/s1", "w1\n");
	assert_int_equal(claim(w, "w1", NULL), 0);
}

static void a_session_without_work_ends(void **state)
{
	struct world *w = *state;
	struct pawl_work_item item = item_of(7);
	char id[PAWL_WORK_ID_MAX + 1];

	item.session = "s1";
	offer(w, &item, id);
	assert_int_equal(claim(w, "w1", NULL), 0);
	os_sim_advance(w->sim, 3600 * SECOND);
	(void)look(w);
	assert_true(is_there(w, "hub/work/sessions/s1"));
	assert_int_equal(w->w->ops->finish(w->w, id, "w1", 0, NULL, 0, NULL, 0, NULL), 0);
	os_sim_advance(w->sim, 300 * SECOND);
	(void)look(w);
	assert_true(is_there(w, "hub/work/sessions/s1"));
	os_sim_advance(w->sim, 301 * SECOND);
	(void)look(w);
	assert_false(is_there(w, "hub/work/sessions/s1"));
}

static void a_dead_pid_has_no_session(void **state)
{
	struct world *w = *state;
	struct pawl_work_item item = item_of(7);

	item.session = "s1";
	offer(w, &item, NULL);
	offer(w, &item, NULL);
	(void)os_sim_os_process(w->sim, 3);
	assert_int_equal(claim(w, "103", NULL), 0);
	assert_int_equal(claim(w, "101", NULL), PAWL_ENOTFOUND);
	os_sim_kill(w->sim, 3);
	(void)os_sim_os_process(w->sim, 3); /* the same pid, and another process */
	assert_int_equal(claim(w, "101", NULL), 0);
}

/* ---- hostile and careless hands ---- */

static void garbage_is_left_alone(void **state)
{
	static const char *const names[] = { ".hidden",
		                             "x",
		                             "5-",
		                             "5-0123456789abc",
		                             "5-0123456789abcdef",
		                             "5-0123456789ABCD",
		                             "0-00000000000001",
		                             "5-00000000000001~s1",
		                             "5-00000000000001@",
		                             "5-00000000000001@w.256",
		                             "5-00000000000001@w.01",
		                             "5-00000000000001@w.",
		                             "5-00000000000001@a b",
		                             "5-00000000000001@w@x",
		                             "5_00000000000001" };
	static const char *const queues[] = { "@tag", "~", ".x", "a@", "a@b@c", "a@b c", "a~b", "a++b", "+a", "..+x" };
	static const char *const places[] = { "ready", "claimed", "done" };
	struct world *w = *state;
	const struct pawl_work_item item = item_of(7);
	char path[512], id[PAWL_WORK_ID_MAX + 1];

	offer(w, &item, id);
	for (size_t p = 0; p < 3; p++) {
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			snprintf(path, sizeof(path), "hub/work/%s/flash/%s", places[p], names[i]);
			assert_int_equal(os_sim_symlink(w->sim, "../../../instances/a/work/7", path), 0);
		}
		for (size_t i = 0; i < sizeof(queues) / sizeof(queues[0]); i++) {
			snprintf(path, sizeof(path), "hub/work/%s/%s", places[p], queues[i]);
			assert_int_equal(w->user->mkdir(w->user->self, OS_CWD, path, 0755), 0);
			snprintf(path, sizeof(path), "hub/work/%s/%s/5-00000000000001", places[p], queues[i]);
			assert_int_equal(os_sim_symlink(w->sim, "../../../instances/a/work/7", path), 0);
		}
		snprintf(path, sizeof(path), "hub/work/%s/file", places[p]);
		put(w, path, "x");
	}
	struct seen s = look(w);
	assert_int_equal(s.count, 1);
	assert_string_equal(s.id, id);
	assert_int_equal(claim(w, "w1", NULL), 0);
	assert_int_equal(claim(w, "w1", NULL), PAWL_ENOTFOUND);
	assert_int_equal(w->warnings, 0);
}

static void links_lead_nowhere_else(void **state)
{
	static const char *const targets[] = { "/etc/passwd",
		                               "../../../instances/a",
		                               "../../../instances/a/work/",
		                               "../../../instances/a/work/0",
		                               "../../../instances/a/work/07",
		                               "../../../instances/a/work/7/",
		                               "../../../instances/a/work/7/x",
		                               "../../../instances/../a/work/7",
		                               "../../../instances//work/7",
		                               "../../../instances/.a/work/7",
		                               "../../instances/a/work/7",
		                               "../../../archive/a/work/7",
		                               "../../../instances/a/work/18446744073709551616",
		                               "../../../instances/a/events/7" };
	struct world *w = *state;
	const struct pawl_work_item item = item_of(7);
	char path[512], id[PAWL_WORK_ID_MAX + 1];
	size_t n = sizeof(targets) / sizeof(targets[0]);

	for (size_t i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "hub/work/ready/flash/1-%014zx", i);
		offer(w, &item, id);
		assert_int_equal(w->p->ops->release(w->p, id, NULL), 0);
		assert_int_equal(os_sim_symlink(w->sim, targets[i], path), 0);
		snprintf(path, sizeof(path), "hub/work/done/flash/1-%014zx@w1.0", i + 100);
		assert_int_equal(os_sim_symlink(w->sim, targets[i], path), 0);
	}
	put(w, "hub/work/ready/flash/1-000000000000ff", "a file");
	assert_int_equal(w->user->mkdir(w->user->self, OS_CWD, "hub/work/ready/flash/1-000000000000fe", 0755), 0);
	offer(w, &item, id);
	struct seen s = look(w);
	assert_int_equal(s.count, 1);
	assert_string_equal(s.id, id);
	assert_int_equal(w->warnings, 2 * n + 2);
	(void)look(w);
	assert_int_equal(w->warnings, 2 * n + 2); /* told once */
	assert_int_equal(claim(w, "w1", NULL), 0);
	assert_true(is_there(w, "hub/work/ready/flash/1-00000000000000"));
}

static void many_bad_links_hide_no_item(void **state)
{
	struct world *w = *state;
	const struct pawl_work_item item = item_of(7);
	char path[512], id[PAWL_WORK_ID_MAX + 1], got[PAWL_WORK_ID_MAX + 1];

	offer(w, &item, id);
	for (unsigned i = 0; i < 500; i++) {
		snprintf(path, sizeof(path), "hub/work/ready/flash/1-%014x", i);
		assert_int_equal(os_sim_symlink(w->sim, "nowhere", path), 0);
	}
	assert_int_equal(claim(w, "w1", got), 0);
	assert_string_equal(got, id);
}

static void directories_are_no_links(void **state)
{
	struct world *w = *state;
	const struct os *os = w->user;
	const struct pawl_work_item item = item_of(7);
	char id[PAWL_WORK_ID_MAX + 1];

	assert_int_equal(os->mkdir(os->self, OS_CWD, "elsewhere", 0755), 0);
	assert_int_equal(os->mkdir(os->self, OS_CWD, "hub/instances/a/work", 0755), 0);
	assert_int_equal(os_sim_symlink(w->sim, "/elsewhere", "hub/instances/a/work/7"), 0);
	assert_true(w->p->ops->offer(w->p, &item, id, NULL) < 0);
	assert_false(is_there(w, "elsewhere/carrier"));
	assert_int_equal(os->unlink(os->self, OS_CWD, "hub/instances/a/work/7"), 0);
	offer(w, &item, id);
	move(w, "hub/instances/a/work/7", "elsewhere/7");
	assert_int_equal(os_sim_symlink(w->sim, "/elsewhere/7", "hub/instances/a/work/7"), 0);
	assert_int_equal(claim(w, "w1", NULL), PAWL_ENOTFOUND);
	assert_true(is_there(w, "hub/work/ready"));
	assert_int_equal(look(w).state, PAWL_WORK_READY); /* given back, for the owner to release */
	assert_int_equal(w->p->ops->release(w->p, id, NULL), 0);
	move(w, "hub/work/ready/flash", "elsewhere/flash");
	assert_int_equal(os_sim_symlink(w->sim, "/elsewhere/flash", "hub/work/ready/flash"), 0);
	assert_int_equal(os->unlink(os->self, OS_CWD, "hub/instances/a/work/7"), 0);
	assert_true(w->p->ops->offer(w->p, &item, id, NULL) < 0);
	assert_int_equal(look(w).count, 0);
}

static void results_are_regular_files(void **state)
{
	struct world *w = *state;
	const struct pawl_work_item item = item_of(7);
	char id[PAWL_WORK_ID_MAX + 1], from[512], to[512];

	offer(w, &item, id);
	put(w, "secret", "secret");
	assert_int_equal(os_sim_symlink(w->sim, "/secret", "hub/instances/a/work/7/result"), 0);
	assert_int_equal(os_sim_symlink(w->sim, "/secret", "hub/instances/a/work/7/message"), 0);
	snprintf(from, sizeof(from), "hub/work/ready/%s", id);
	snprintf(to, sizeof(to), "hub/work/done/%s@w1.0", id);
	move(w, from, to);
	struct seen s = look(w);
	assert_int_equal(s.state, PAWL_WORK_DONE);
	assert_int_equal(s.code, 100);
	assert_string_equal(s.output, "");
	assert_null(strstr(s.message, "secret"));
}

static void removed_directories_come_back(void **state)
{
	struct world *w = *state;
	const struct pawl_work_item item = item_of(7);
	char id[PAWL_WORK_ID_MAX + 1];
	int64_t again_ms = -1;

	offer(w, &item, NULL);
	assert_int_equal(os_remove_tree(w->user, OS_CWD, "hub/work", 8), 0);
	assert_int_equal(look(w).count, 0);
	assert_int_equal(claim(w, "w1", NULL), PAWL_ENOTFOUND);
	offer(w, &item, id);
	assert_int_equal(look(w).count, 1);
	assert_int_equal(w->p->ops->receive(w->p, true, NULL, NULL, &again_ms, NULL), 0);
	assert_true(w->p->ops->work_changed(w->p));
}

static void queues_are_capped(void **state)
{
	struct world *w = *state;
	struct pawl_work_item item = item_of(7);
	char name[32], ids[260][PAWL_WORK_ID_MAX + 1];
	int made = 0;

	item.activity = name;
	for (int i = 0; i < 260; i++) {
		snprintf(name, sizeof(name), "act%d", i);
		made += w->p->ops->offer(w->p, &item, ids[made], NULL) == 0;
	}
	assert_int_equal(made, 256);
	assert_int_equal(w->p->ops->release(w->p, ids[3], NULL), 0);
	snprintf(name, sizeof(name), "another");
	offer(w, &item, ids[3]);
	assert_false(is_there(w, "hub/work/ready/act3"));
	assert_int_equal(look(w).count, 256);
}

/* ---- order ---- */

static void an_old_listing_is_used_until_something_is_offered(void **state)
{
	struct world *w = *state;
	struct pawl_work_item item = item_of(1);
	char ids[4][PAWL_WORK_ID_MAX + 1], got[PAWL_WORK_ID_MAX + 1];

	for (unsigned i = 0; i < 3; i++) {
		item.seq = i + 1;
		offer(w, &item, ids[i]);
	}
	os_sim_advance(w->sim, SECOND);
	assert_int_equal(claim(w, "w1", got), 0);
	assert_string_equal(got, ids[0]);
	/* the listing holds: no more of them are made */
	os_sim_fail_ops(w->sim, OS_SIM_OP_LIST);
	os_sim_fail_nth(w->sim, 1, EIO, true);
	assert_int_equal(claim(w, "w1", got), 0);
	assert_string_equal(got, ids[1]);
	os_sim_fail_nth(w->sim, 0, 0, false);
	item.priority = 1;
	item.seq = 4;
	offer(w, &item, ids[3]);
	assert_int_equal(claim(w, "w1", got), 0);
	assert_string_equal(got, ids[3]);
	assert_int_equal(w->w->ops->give_back(w->w, ids[0], "w1", NULL), 0);
	assert_int_equal(claim(w, "w1", got), 0);
	assert_string_equal(got, ids[0]);
	assert_int_equal(claim(w, "w1", got), 0);
	assert_string_equal(got, ids[2]);
	assert_int_equal(claim(w, "w1", got), PAWL_ENOTFOUND);
}

static void age_goes_on_after_a_restart(void **state)
{
	struct world *w = *state;
	const struct pawl_work_item item = item_of(7);
	char first[PAWL_WORK_ID_MAX + 1], second[PAWL_WORK_ID_MAX + 1];

	offer(w, &item, first);
	w->p->ops->close(w->p);
	open_owner(w);
	offer(w, &item, second); /* in the same microsecond */
	assert_true(strcmp(first, second) < 0);
	assert_int_equal(look(w).count, 2);
}

/* ---- power and faults ---- */

static void nothing_is_given_out_after_a_reboot(void **state)
{
	struct world *w = *state;
	const struct os_sim_cut cut = { .mode = OS_SIM_KEEP_ALL };
	const struct pawl_work_item item = item_of(7);

	offer(w, &item, NULL);
	offer(w, &item, NULL);
	assert_int_equal(claim(w, "w1", NULL), 0);
	w->w->ops->close(w->w);
	w->p->ops->close(w->p);
	os_sim_power_cut(w->sim, &cut);
	w->user = os_sim_os_process(w->sim, 7);
	os_sim_advance(w->sim, SECOND);
	open_worker(w);
	assert_int_equal(claim(w, "w1", NULL), PAWL_ENOTFOUND); /* its bytes may be lost: the owner has to say */
	open_owner(w);
	assert_int_equal(look(w).count, 0);
	assert_int_equal(claim(w, "w1", NULL), PAWL_ENOTFOUND);
	offer(w, &item, NULL);
	assert_int_equal(claim(w, "w1", NULL), 0);
}

/* What cannot be looked at is not taken for gone: its activity would be offered again beside it. */
static void what_cannot_be_looked_at_fails_the_look(void **state)
{
	struct world *w = *state;
	const struct pawl_work_item item = item_of(7);
	struct seen seen = { 0 };

	offer(w, &item, NULL);
	w->p->ops->close(w->p);
	open_owner(w);
	os_sim_fail_ops(w->sim, OS_SIM_OP_STAT);
	os_sim_fail_nth(w->sim, 1, EIO, false);
	assert_true(w->p->ops->each_work(w->p, false, NULL, see, &seen, NULL) < 0);
	assert_true(os_sim_fault_fired(w->sim));
	assert_int_equal(seen.count, 0);
	assert_int_equal(look(w).count, 1);
}

/* Offer, claim, renew, finish, look, release; the first failure ends it. */
static int whole_life(struct world *w)
{
	const struct pawl_work_wanted wanted = { .worker = "w1" };
	struct pawl_work_item item = item_of(7), *got = NULL;
	char id[PAWL_WORK_ID_MAX + 1];
	struct seen seen = { 0 };

	item.session = "s1";
	int rc = w->p->ops->offer(w->p, &item, id, NULL);
	if (rc < 0)
		return rc;
	rc = w->w->ops->claim(w->w, &wanted, &got, NULL);
	free(rc == 0 ? got : NULL);
	if (rc == 0)
		rc = w->w->ops->renew(w->w, id, "w1", "half", NULL);
	if (rc == 0)
		rc = w->w->ops->finish(w->w, id, "w1", 0, "out", 3, NULL, 0, NULL);
	if (rc == 0)
		rc = w->p->ops->each_work(w->p, true, NULL, see, &seen, NULL);
	if (rc == 0 && seen.count == 1 && seen.state == PAWL_WORK_DONE && seen.code == 0)
		assert_string_equal(seen.output, "out");
	if (rc == 0)
		rc = w->p->ops->release(w->p, id, NULL);
	return rc;
}

static int release_all(void *arg, const struct pawl_work_status *s)
{
	struct world *w = arg;

	assert_int_equal(w->p->ops->release(w->p, s->item.id, NULL), 0);
	return 0;
}

/* Each call that can fail does, once: nothing leaks, and the next try is as if nothing had been. */
static void every_call_may_fail(void **state)
{
	struct world *w = *state;

	for (unsigned n = 1; n < 1000; n++) {
		os_sim_fail_ops(w->sim, OS_SIM_OP_ALL);
		os_sim_fail_nth(w->sim, n, n % 2 ? EIO : ENOSPC, false);
		(void)whole_life(w);
		bool fired = os_sim_fault_fired(w->sim);
		os_sim_fail_nth(w->sim, 0, 0, false);
		assert_int_equal(w->p->ops->each_work(w->p, false, NULL, release_all, w, NULL), 0);
		/* a worker that was told of a failure at a claim does not know whether it has it */
		assert_int_equal(look(w).count, 0);
		(void)w->user->unlink(w->user->self, OS_CWD, "hub/work/sessions/s1");
		if (!fired)
			return;
	}
	fail_msg("it never ends");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_shell_is_a_worker),
		TEST(a_shell_takes_no_tagged_work_by_a_glob),
		TEST(a_shell_has_a_session),
		TEST(a_session_without_work_ends),
		TEST(a_dead_pid_has_no_session),
		TEST(garbage_is_left_alone),
		TEST(links_lead_nowhere_else),
		TEST(many_bad_links_hide_no_item),
		TEST(directories_are_no_links),
		TEST(results_are_regular_files),
		TEST(removed_directories_come_back),
		TEST(queues_are_capped),
		TEST(an_old_listing_is_used_until_something_is_offered),
		TEST(age_goes_on_after_a_restart),
		TEST(nothing_is_given_out_after_a_reboot),
		TEST(what_cannot_be_looked_at_fails_the_look),
		TEST(every_call_may_fail),
	};

	return cmocka_run_group_tests_name("fs queue", tests, NULL, NULL);
}
