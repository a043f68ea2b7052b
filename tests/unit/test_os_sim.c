/* test_os_sim.c - each rule of the simulated OS (the list at the head of os_sim.h), one test for one rule. */
#include "os_contract.h"

#include <os/os_sim.h>

#define SEEDS 400

static int make_link(struct place *p, const char *target, const char *name)
{
	return os_sim_symlink(p->more, target, name);
}

static void bind_place(struct place *p, struct os_sim *sim)
{
	*p = (struct place){ .os = os_sim_os(sim), .dir = OS_CWD, .symlink = make_link, .more = sim };
}

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	bind_place(p, os_sim_new(1));
	*state = p;
	return 0;
}

/* By a descriptor, as the provider works. */
static int setup_held(void **state)
{
	int r = setup(state);
	struct place *p = *state;

	p->dir = p->os->open_root(p->os->self, "/");
	assert_true(p->dir >= 0);
	return r;
}

static int teardown(void **state)
{
	struct place *p = *state;

	if (p->dir != OS_CWD)
		close_fd(p, p->dir);
	assert_int_equal(os_sim_open_count(p->more, 0), 0);
	os_sim_free(p->more);
	free(p);
	return 0;
}

static void cut(struct place *p, enum os_sim_mode mode)
{
	os_sim_power_cut(p->more, &(struct os_sim_cut){ .mode = mode });
}

static void sync_root(struct place *p)
{
	assert_int_equal(os_sync_dir(p->os, p->dir, "."), 0);
}

static void put_synced(struct place *p, const char *name, const char *text)
{
	int fd;

	put(p, name, text);
	fd = open_at(p, name, OS_READ);
	assert_int_equal(p->os->sync_data(p->os->self, fd), 0);
	close_fd(p, fd);
}

static int write_at(struct place *p, int fd, const char *text, uint64_t off)
{
	return (int)p->os->pwrite(p->os->self, fd, text, strlen(text), off);
}

static void assert_bytes(struct place *p, const char *name, const char *data, size_t len)
{
	char *got = NULL;
	size_t n = 0;

	assert_int_equal(os_read_file(p->os, p->dir, name, 1 << 20, &got, &n), 0);
	assert_int_equal(n, len);
	assert_memory_equal(got, data, len);
	free(got);
}

/* Runs a check on many random outcomes of one state. */
static void each_outcome(struct place *p, enum os_sim_mode mode, void (*check)(struct place *p, void *arg), void *arg)
{
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct place q;

		bind_place(&q, os_sim_clone(p->more));
		os_sim_power_cut(q.more, &(struct os_sim_cut){ .mode = mode, .seed = seed });
		check(&q, arg);
		os_sim_free(q.more);
	}
}

/* data */

static void check_synced(struct place *p, void *arg)
{
	(void)arg;
	assert_text(p, "f", "kept");
}

static void test_synced_data_with_a_synced_name_survives_everything(void **state)
{
	struct place *p = *state;

	put_synced(p, "f", "kept");
	sync_root(p);
	each_outcome(p, OS_SIM_RANDOM, check_synced, NULL);
	each_outcome(p, OS_SIM_ORDERED, check_synced, NULL);
	each_outcome(p, OS_SIM_DROP_ALL, check_synced, NULL);
}

struct tally {
	int gone, empty, old, fresh, mixed, zeros;
};

static void tally_f(struct place *p, void *arg)
{
	struct tally *t = arg;
	char *text = NULL;
	size_t len;

	if (os_read_file(p->os, p->dir, "f", 1 << 20, &text, &len) == -ENOENT) {
		t->gone++;
		return;
	}
	if (!len)
		t->empty++;
	else if (!strcmp(text, "old"))
		t->old++;
	else if (!strcmp(text, "new"))
		t->fresh++;
	else if (!text[0])
		t->zeros++;
	else
		t->mixed++;
	free(text);
}

static void test_unsynced_data_may_be_there_or_not(void **state)
{
	struct place *p = *state;
	struct tally t = { 0 };
	int fd;

	put_synced(p, "f", "old");
	sync_root(p);
	fd = open_at(p, "f", OS_WRITE);
	assert_int_equal(write_at(p, fd, "new", 0), 3);
	close_fd(p, fd);
	assert_text(p, "f", "new");
	each_outcome(p, OS_SIM_RANDOM, tally_f, &t);
	assert_true(t.old > 50 && t.fresh > 50 && t.old + t.fresh == SEEDS);
	cut(p, OS_SIM_DROP_ALL);
	assert_text(p, "f", "old");
}

static void test_keep_all_keeps_what_was_not_synced(void **state)
{
	struct place *p = *state;

	put(p, "f", "text");
	assert_int_equal(move(p, "f", "g"), 0);
	cut(p, OS_SIM_KEEP_ALL);
	assert_text(p, "g", "text");
	assert_false(exists(p, "f"));
}

static void test_a_synced_file_without_a_synced_name_may_vanish(void **state)
{
	struct place *p = *state;
	struct tally t = { 0 };

	put_synced(p, "f", "new");
	each_outcome(p, OS_SIM_RANDOM, tally_f, &t);
	assert_true(t.gone > 50 && t.fresh > 50 && t.gone + t.fresh == SEEDS);
	cut(p, OS_SIM_DROP_ALL);
	assert_false(exists(p, "f"));
}

static void test_a_synced_name_without_synced_data_comes_back_empty_or_as_zeros(void **state)
{
	struct place *p = *state;
	struct tally t = { 0 };

	put(p, "f", "new");
	sync_root(p);
	each_outcome(p, OS_SIM_RANDOM, tally_f, &t);
	assert_true(t.empty > 20 && t.zeros > 5 && t.fresh > 50 && t.empty + t.zeros + t.fresh == SEEDS);
	cut(p, OS_SIM_DROP_ALL);
	assert_text(p, "f", "");
}

static void test_a_rename_to_a_new_name_may_leave_an_empty_file(void **state)
{
	struct place *p = *state;
	struct tally t = { 0 };

	put(p, "tmp", "new");
	assert_int_equal(move(p, "tmp", "f"), 0);
	each_outcome(p, OS_SIM_ORDERED, tally_f, &t);
	assert_true(t.gone && t.empty && t.fresh);
}

static void test_an_unsynced_truncate_may_come_back(void **state)
{
	struct place *p = *state;
	struct tally t = { 0 };
	int fd;

	put_synced(p, "f", "old");
	sync_root(p);
	fd = open_at(p, "f", OS_WRITE);
	assert_int_equal(p->os->truncate(p->os->self, fd, 0), 0);
	each_outcome(p, OS_SIM_RANDOM, tally_f, &t);
	assert_true(t.old > 50 && t.empty > 50 && t.old + t.empty == SEEDS);
	assert_int_equal(p->os->sync_data(p->os->self, fd), 0);
	close_fd(p, fd);
	cut(p, OS_SIM_DROP_ALL);
	assert_text(p, "f", "");
}

#define TORN_BYTES 4000

static void check_torn(struct place *p, void *arg)
{
	struct tally *t = arg;
	char *data = NULL;
	size_t len, fresh = 0;

	assert_int_equal(os_read_file(p->os, p->dir, "f", 1 << 20, &data, &len), 0);
	assert_int_equal(len, TORN_BYTES);
	for (size_t i = 0; i < len; i++) {
		assert_true(data[i] == 'o' || data[i] == 'n');
		if (i && data[i] != data[i - 1]) /* the write began at 100: edges are there and at sectors */
			assert_true(i == 100 || i % 512 == 0);
		fresh += data[i] == 'n';
	}
	if (!fresh)
		t->old++;
	else if (fresh == TORN_BYTES - 100)
		t->fresh++;
	else
		t->mixed++;
	free(data);
}

static void test_a_write_is_torn_at_sector_edges_only(void **state)
{
	struct place *p = *state;
	char data[TORN_BYTES + 1];
	struct tally t = { 0 };
	int fd;

	memset(data, 'o', TORN_BYTES);
	data[TORN_BYTES] = '\0';
	put_synced(p, "f", data);
	sync_root(p);
	memset(data, 'n', TORN_BYTES);
	fd = open_at(p, "f", OS_WRITE);
	assert_int_equal(write_at(p, fd, data + 100, 100), TORN_BYTES - 100);
	close_fd(p, fd);
	each_outcome(p, OS_SIM_RANDOM, check_torn, &t);
	assert_true(t.old > 20 && t.fresh > 50 && t.mixed > 50);
}

static void test_syncfs_makes_all_durable(void **state)
{
	struct place *p = *state;
	int fd;

	make_dir(p, "d");
	put(p, "d/a", "1");
	put(p, "f", "2");
	fd = open_at(p, "d", OS_READ | OS_DIRECTORY);
	assert_int_equal(p->os->sync_fs(p->os->self, fd), 0);
	close_fd(p, fd);
	cut(p, OS_SIM_DROP_ALL);
	assert_text(p, "d/a", "1");
	assert_text(p, "f", "2");
}

/* names */

static void check_rename(struct place *p, void *arg)
{
	struct tally *t = arg;

	assert_true(exists(p, "a") != exists(p, "b"));
	if (exists(p, "a"))
		t->old++;
	else
		t->fresh++;
	assert_text(p, exists(p, "a") ? "a" : "b", "x");
}

static void test_a_rename_is_kept_or_lost_as_one(void **state)
{
	struct place *p = *state;
	struct tally t = { 0 };

	put_synced(p, "a", "x");
	sync_root(p);
	assert_int_equal(move(p, "a", "b"), 0);
	each_outcome(p, OS_SIM_RANDOM, check_rename, &t);
	assert_true(t.old > 50 && t.fresh > 50);
}

static void check_chain(struct place *p, void *arg)
{
	(void)arg;
	assert_int_equal(exists(p, "a") + exists(p, "b") + exists(p, "c"), 1);
}

static void test_a_chain_of_renames_never_shows_two_names(void **state)
{
	struct place *p = *state;

	put_synced(p, "a", "x");
	sync_root(p);
	assert_int_equal(move(p, "a", "b"), 0);
	assert_int_equal(move(p, "b", "c"), 0);
	each_outcome(p, OS_SIM_RANDOM, check_chain, NULL);
}

static void test_a_rename_over_a_file_shows_the_old_or_the_new(void **state)
{
	struct place *p = *state;
	struct tally t = { 0 };

	put_synced(p, "f", "old");
	sync_root(p);
	put_synced(p, "tmp", "new");
	assert_int_equal(move(p, "tmp", "f"), 0);
	each_outcome(p, OS_SIM_RANDOM, tally_f, &t);
	assert_true(t.old > 50 && t.fresh > 50 && t.old + t.fresh == SEEDS);
	sync_root(p);
	cut(p, OS_SIM_DROP_ALL);
	assert_text(p, "f", "new");
}

static void test_an_unsynced_unlink_may_come_back(void **state)
{
	struct place *p = *state;
	struct tally t = { 0 };

	put_synced(p, "f", "old");
	sync_root(p);
	assert_int_equal(p->os->unlink(p->os->self, p->dir, "f"), 0);
	each_outcome(p, OS_SIM_RANDOM, tally_f, &t);
	assert_true(t.old > 50 && t.gone > 50 && t.old + t.gone == SEEDS);
}

static void test_syncing_a_directory_does_not_persist_its_own_name(void **state)
{
	struct place *p = *state;

	make_dir(p, "d");
	put_synced(p, "d/f", "x");
	assert_int_equal(os_sync_dir(p->os, p->dir, "d"), 0);
	cut(p, OS_SIM_DROP_ALL);
	assert_false(exists(p, "d"));
	make_dir(p, "d");
	put_synced(p, "d/f", "x");
	assert_int_equal(os_sync_dir(p->os, p->dir, "d"), 0);
	sync_root(p);
	cut(p, OS_SIM_DROP_ALL);
	assert_text(p, "d/f", "x");
}

static void test_syncing_either_directory_persists_a_rename(void **state)
{
	static const char *const dirs[] = { "from", "to" };

	for (int i = 0; i < 2; i++) {
		struct place *p = *state;

		assert_int_equal(os_remove_tree(p->os, p->dir, "from", 2) == 0, i);
		assert_int_equal(os_remove_tree(p->os, p->dir, "to", 2) == 0, i);
		make_dir(p, "from");
		make_dir(p, "to");
		put_synced(p, "from/f", "x");
		assert_int_equal(os_sync_dir(p->os, p->dir, "from"), 0);
		sync_root(p);
		assert_int_equal(move(p, "from/f", "to/f"), 0);
		assert_int_equal(os_sync_dir(p->os, p->dir, dirs[i]), 0);
		cut(p, OS_SIM_DROP_ALL);
		assert_text(p, "to/f", "x");
		assert_false(exists(p, "from/f"));
	}
}

static void check_prefix(struct place *p, void *arg)
{
	int *counts = arg, n = 0;
	char name[8];

	for (int i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		if (exists(p, name)) {
			assert_int_equal(n, i);
			n++;
		}
	}
	counts[n]++;
}

static void test_ordered_keeps_a_first_part_of_the_name_operations(void **state)
{
	struct place *p = *state;
	int counts[6] = { 0 };
	char name[8];

	for (int i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		put(p, name, "");
	}
	each_outcome(p, OS_SIM_ORDERED, check_prefix, counts);
	for (int i = 0; i < 6; i++)
		assert_true(counts[i]);
}

static void test_ordered_commits_earlier_names_with_any_file_sync(void **state)
{
	struct place *p = *state;
	int counts[6] = { 0 };

	put(p, "f0", "");
	put_synced(p, "f1", "x");
	put(p, "f2", "");
	each_outcome(p, OS_SIM_ORDERED, check_prefix, counts);
	assert_int_equal(counts[0] + counts[1], 0);
	assert_true(counts[2] && counts[3]);
}

/* failed syncs */

static void fail_next(struct place *p, uint32_t ops, int err)
{
	os_sim_fail_ops(p->more, ops);
	os_sim_fail_nth(p->more, 1, err, false);
}

static void test_a_failed_sync_of_an_overwrite_leaves_the_old_data_for_good(void **state)
{
	struct place *p = *state;
	int fd;

	put_synced(p, "f", "old");
	sync_root(p);
	fd = open_at(p, "f", OS_READ | OS_WRITE);
	assert_int_equal(write_at(p, fd, "new", 0), 3);
	fail_next(p, OS_SIM_OP_SYNC, EIO);
	assert_int_equal(p->os->sync_data(p->os->self, fd), -EIO);
	assert_true(os_sim_fault_fired(p->more));
	assert_int_equal(p->os->sync_data(p->os->self, fd), 0);
	assert_int_equal(p->os->sync(p->os->self, fd), 0);
	assert_int_equal(p->os->sync_fs(p->os->self, fd), 0);
	close_fd(p, fd);
	assert_text(p, "f", "new"); /* the cache answers */
	cut(p, OS_SIM_KEEP_ALL);
	assert_text(p, "f", "old");
}

static void test_a_failed_sync_of_an_append_leaves_zeros_in_the_middle(void **state)
{
	struct place *p = *state;
	int fd;

	put_synced(p, "f", "one,");
	sync_root(p);
	fd = open_at(p, "f", OS_WRITE);
	assert_int_equal(write_at(p, fd, "two,", 4), 4);
	fail_next(p, OS_SIM_OP_SYNC, EIO);
	assert_int_equal(p->os->sync(p->os->self, fd), -EIO);
	assert_int_equal(write_at(p, fd, "three", 8), 5);
	assert_int_equal(p->os->sync(p->os->self, fd), 0);
	close_fd(p, fd);
	assert_text(p, "f", "one,two,three");
	cut(p, OS_SIM_DROP_ALL);
	assert_bytes(p, "f", "one,\0\0\0\0three", 13);
}

static void test_a_failed_sync_is_told_once_to_each_open_descriptor(void **state)
{
	struct place *p = *state;
	int a, b, c;

	put(p, "f", "x");
	a = open_at(p, "f", OS_READ);
	b = open_at(p, "f", OS_READ);
	fail_next(p, OS_SIM_OP_SYNC, EIO);
	assert_int_equal(p->os->sync(p->os->self, a), -EIO);
	c = open_at(p, "f", OS_READ);
	assert_int_equal(p->os->sync(p->os->self, a), 0);
	assert_int_equal(p->os->sync(p->os->self, b), -EIO);
	assert_int_equal(p->os->sync(p->os->self, b), 0);
	assert_int_equal(p->os->sync(p->os->self, c), 0);
	close_fd(p, a);
	close_fd(p, b);
	close_fd(p, c);
}

static void test_a_failed_directory_sync_loses_its_names(void **state)
{
	struct place *p = *state;

	put_synced(p, "f", "x");
	fail_next(p, OS_SIM_OP_SYNC, EIO);
	assert_int_equal(os_sync_dir(p->os, p->dir, "."), -EIO);
	sync_root(p);
	assert_text(p, "f", "x");
	cut(p, OS_SIM_KEEP_ALL);
	assert_false(exists(p, "f"));
}

static void test_what_is_written_anew_after_a_failed_sync_is_durable(void **state)
{
	struct place *p = *state;
	int fd;

	put(p, "f", "x");
	fd = open_at(p, "f", OS_WRITE);
	fail_next(p, OS_SIM_OP_SYNC, EIO);
	assert_int_equal(p->os->sync(p->os->self, fd), -EIO);
	close_fd(p, fd);
	assert_int_equal(os_replace_file(p->os, p->dir, "f", "y", 1, 0600, true), 0);
	cut(p, OS_SIM_DROP_ALL);
	assert_text(p, "f", "y");
}

/* faults */

static void test_the_nth_call_of_a_class_fails_once_or_for_ever(void **state)
{
	struct place *p = *state;
	struct os_stat st;

	put(p, "f", "x");
	os_sim_fail_ops(p->more, OS_SIM_OP_STAT);
	os_sim_fail_nth(p->more, 2, ENOMEM, false);
	put(p, "f", "y");
	assert_int_equal(p->os->stat(p->os->self, p->dir, "f", &st), 0);
	assert_false(os_sim_fault_fired(p->more));
	assert_int_equal(p->os->stat(p->os->self, p->dir, "f", &st), -ENOMEM);
	assert_true(os_sim_fault_fired(p->more));
	assert_int_equal(p->os->stat(p->os->self, p->dir, "f", &st), 0);
	os_sim_fail_nth(p->more, 1, EIO, true);
	for (int i = 0; i < 3; i++)
		assert_int_equal(p->os->stat(p->os->self, p->dir, "f", &st), -EIO);
	os_sim_fail_nth(p->more, 0, 0, false);
	assert_int_equal(p->os->stat(p->os->self, p->dir, "f", &st), 0);
}

static void test_a_failed_write_may_leave_a_first_part(void **state)
{
	struct place *p = *state;
	int parts = 0;

	for (int i = 0; i < 50; i++) {
		struct os_stat st;
		int fd = open_at(p, "f", OS_WRITE | OS_CREATE | OS_TRUNC);

		fail_next(p, OS_SIM_OP_WRITE, EIO);
		assert_int_equal(write_at(p, fd, "0123456789", 0), -EIO);
		assert_int_equal(p->os->stat_fd(p->os->self, fd, &st), 0);
		assert_true(st.size < 10);
		parts += st.size > 0;
		close_fd(p, fd);
	}
	assert_true(parts > 10 && parts < 50);
}

static void test_every_failing_call_leaves_replace_file_whole(void **state)
{
	uint64_t n = 0;
	bool fired;

	(void)state;
	do {
		struct os_sim *sim = os_sim_new(n);
		int names = 0, r;
		struct place p;

		bind_place(&p, sim);
		put_synced(&p, "a", "old");
		sync_root(&p);
		os_sim_fail_nth(sim, ++n, EIO, false);
		r = os_replace_file(p.os, p.dir, "a", "new", 3, 0600, true);
		fired = os_sim_fault_fired(sim);
		os_sim_fail_nth(sim, 0, 0, false);
		assert_int_equal(r, fired ? -EIO : 0);
		assert_int_equal(os_sim_open_count(sim, 0), 0);
		assert_int_equal(p.os->list(p.os->self, p.dir, ".", count_names, &names), 0);
		assert_int_equal(names, 1);
		os_sim_free(sim);
	} while (fired);
	assert_true(n > 6);
}

static void test_a_full_disk_takes_what_fits(void **state)
{
	struct place *p = *state;
	struct os_fs_info info;
	static char data[20000];
	struct os_stat st;
	int fd, root = p->os->open_root(p->os->self, "/");

	memset(data, 'x', sizeof(data));
	os_sim_set_capacity(p->more, 5 * 4096);
	fd = open_at(p, "f", OS_WRITE | OS_CREATE);
	assert_int_equal(p->os->fs_info(p->os->self, root, &info), 0);
	assert_int_equal(info.free_bytes, 4 * 4096); /* the root directory takes one block */
	assert_int_equal(p->os->pwrite(p->os->self, fd, data, sizeof(data), 0), -ENOSPC);
	assert_int_equal(p->os->stat_fd(p->os->self, fd, &st), 0);
	assert_int_equal(st.size, 4 * 4096);
	assert_int_equal(p->os->pwrite(p->os->self, fd, data, 4096, 4096), 4096);
	assert_int_equal(p->os->mkdir(p->os->self, p->dir, "d", 0700), -ENOSPC);
	assert_int_equal(p->os->truncate(p->os->self, fd, 4096), 0);
	assert_int_equal(p->os->mkdir(p->os->self, p->dir, "d", 0700), 0);
	assert_int_equal(p->os->allocate(p->os->self, fd, 4 * 4096), -ENOSPC);
	assert_int_equal(p->os->allocate(p->os->self, fd, 3 * 4096), 0);
	assert_int_equal(p->os->mkdir(p->os->self, p->dir, "e", 0700), -ENOSPC);
	assert_int_equal(p->os->pwrite(p->os->self, fd, data, 3 * 4096, 0), 3 * 4096);
	close_fd(p, fd);
	close_fd(p, root);
}

static void test_a_read_only_file_system_refuses_changes(void **state)
{
	struct place *p = *state;

	put(p, "f", "x");
	os_sim_set_fs(p->more, OS_FS_UBIFS, true);
	assert_int_equal(open_at(p, "f", OS_WRITE), -EROFS);
	assert_int_equal(open_at(p, "g", OS_WRITE | OS_CREATE), -EROFS);
	assert_int_equal(move(p, "f", "g"), -EROFS);
	assert_int_equal(p->os->unlink(p->os->self, p->dir, "f"), -EROFS);
	assert_text(p, "f", "x");
}

/* power */

static void test_after_the_stop_every_call_fails_until_the_cut(void **state)
{
	struct place *p = *state;
	struct os_stat st;
	char data[4];
	int fd = open_at(p, "f", OS_READ | OS_WRITE | OS_CREATE), n = 0;

	assert_int_equal(os_sim_ops(p->more), 1);
	os_sim_stop_after(p->more, 2);
	assert_int_equal(write_at(p, fd, "a", 0), 1);
	assert_false(os_sim_is_off(p->more));
	assert_int_equal(write_at(p, fd, "b", 1), -EIO);
	assert_true(os_sim_is_off(p->more));
	assert_int_equal(p->os->pread(p->os->self, fd, data, 4, 0), -EIO);
	assert_int_equal(p->os->sync(p->os->self, fd), -EIO);
	assert_int_equal(p->os->close(p->os->self, fd), -EIO);
	assert_int_equal(open_at(p, "f", OS_READ), -EIO);
	assert_int_equal(p->os->open_root(p->os->self, "/"), -EIO);
	assert_int_equal(p->os->stat(p->os->self, p->dir, "f", &st), -EIO);
	assert_int_equal(p->os->list(p->os->self, p->dir, ".", count_names, &n), -EIO);
	assert_int_equal(p->os->random(p->os->self, data, 4), -EIO);
	assert_int_equal(p->os->watch_open(p->os->self), -EIO);
	assert_int_equal(os_sim_ops(p->more), 3);
	cut(p, OS_SIM_KEEP_ALL);
	assert_false(os_sim_is_off(p->more));
	assert_text(p, "f", "ab"); /* the write that was cut had its effect in the cache */
	assert_int_equal(p->os->close(p->os->self, fd), -EBADF);
	assert_int_equal(os_sim_bad_fd_count(p->more), 1);
}

static void test_a_sync_that_is_cut_did_nothing_for_sure(void **state)
{
	struct place *p = *state;
	struct tally t = { 0 };
	int fd;

	put_synced(p, "f", "old");
	sync_root(p);
	fd = open_at(p, "f", OS_WRITE);
	assert_int_equal(write_at(p, fd, "new", 0), 3);
	os_sim_stop_after(p->more, 1);
	assert_int_equal(p->os->sync(p->os->self, fd), -EIO);
	each_outcome(p, OS_SIM_RANDOM, tally_f, &t);
	assert_true(t.old && t.fresh);
	cut(p, OS_SIM_DROP_ALL);
	assert_text(p, "f", "old");
}

static void test_a_cut_ends_descriptors_locks_and_watches_and_the_boot(void **state)
{
	struct place *p = *state;
	struct os_process_id before, after;
	int lock, w, fd;

	put_synced(p, "lock", "");
	sync_root(p);
	lock = open_at(p, "lock", OS_READ);
	w = p->os->watch_open(p->os->self);
	assert_true(p->os->watch_add(p->os->self, w, p->dir, ".", WATCH_ALL) > 0);
	assert_int_equal(p->os->lock(p->os->self, lock), 0);
	assert_int_equal(p->os->self_id(p->os->self, &before), 0);
	os_sim_advance(p->more, INT64_C(3600) * 1000000000);
	cut(p, OS_SIM_DROP_ALL);
	assert_int_equal(os_sim_open_count(p->more, 0), 0);
	assert_int_equal(p->os->self_id(p->os->self, &after), 0);
	assert_int_equal(before.pid, after.pid); /* only the boot id tells them apart */
	assert_int_equal(before.start_ticks, after.start_ticks);
	assert_string_not_equal(before.boot_id, after.boot_id);
	assert_false(p->os->is_alive(p->os->self, &before));
	assert_true(p->os->is_alive(p->os->self, &after));
	assert_true(p->os->boot_ns(p->os->self) < INT64_C(10000000000));
	fd = open_at(p, "lock", OS_READ);
	assert_true(fd != lock);
	assert_int_equal(p->os->lock(p->os->self, fd), 0);
	close_fd(p, fd);
}

static void test_the_disk_after_a_cut_is_durable_as_it_is(void **state)
{
	struct place *p = *state;

	put(p, "f", "x");
	cut(p, OS_SIM_KEEP_ALL);
	cut(p, OS_SIM_DROP_ALL);
	assert_text(p, "f", "x");
}

/* What a sim holds, as one number. */
struct sum {
	struct place *p;
	uint64_t value;
};

static int add_name(void *arg, const char *name)
{
	struct sum *sum = arg;
	char *text = NULL;
	size_t len = 0;
	uint64_t h = 5381;

	assert_int_equal(os_read_file(sum->p->os, sum->p->dir, name, 1 << 20, &text, &len), 0);
	for (const char *c = name; *c; c++)
		h = h * 33 + (unsigned char)*c;
	for (size_t i = 0; i < len; i++)
		h = h * 33 + (unsigned char)text[i];
	sum->value += h * h;
	free(text);
	return 0;
}

static uint64_t sum_of(struct place *p)
{
	struct sum sum = { p, 0 };

	assert_int_equal(p->os->list(p->os->self, p->dir, ".", add_name, &sum), 0);
	return sum.value;
}

static void make_unsynced(struct place *p)
{
	char name[16], text[64];

	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		snprintf(text, sizeof(text), "text of file number %d", i);
		put(p, name, text);
	}
}

static void test_the_same_seed_gives_the_same_outcome(void **state)
{
	uint64_t sums[30], different = 0;

	(void)state;
	for (uint64_t i = 0; i < 30; i++) {
		struct place p;

		bind_place(&p, os_sim_new(i % 15));
		make_unsynced(&p);
		cut(&p, OS_SIM_RANDOM);
		sums[i] = sum_of(&p);
		if (i >= 15)
			assert_int_equal(sums[i], sums[i - 15]);
		else if (i)
			different += sums[i] != sums[i - 1];
		os_sim_free(p.more);
	}
	assert_true(different > 8);
}

static void test_a_clone_and_its_origin_are_independent(void **state)
{
	struct place *p = *state, q;
	uint64_t before;
	int fd, w;

	make_unsynced(p);
	fd = open_at(p, "f1", OS_WRITE);
	w = p->os->watch_open(p->os->self);
	assert_true(p->os->watch_add(p->os->self, w, p->dir, ".", OS_WATCH_CREATE) > 0);
	before = sum_of(p);
	bind_place(&q, os_sim_clone(p->more));
	assert_int_equal(sum_of(&q), before);
	assert_int_equal(write_at(&q, fd, "changed", 0), 7); /* descriptors are cloned, too */
	put(&q, "new", "x");
	assert_int_equal(look(&q, w).events, 1);
	assert_int_equal(look(p, w).events, 0);
	assert_int_equal(sum_of(p), before);
	cut(&q, OS_SIM_DROP_ALL);
	assert_int_equal(sum_of(&q), 0);
	assert_int_equal(sum_of(p), before);
	os_sim_free(q.more);
	assert_int_equal(sum_of(p), before);
	assert_int_equal(write_at(p, fd, "mine", 0), 4);
	close_fd(p, fd);
	close_fd(p, w);
}

static void test_a_clone_outlives_its_origin(void **state)
{
	struct place p, q;

	(void)state;
	bind_place(&p, os_sim_new(3));
	put_synced(&p, "f", "x");
	bind_place(&q, os_sim_clone(p.more));
	os_sim_free(p.more);
	assert_text(&q, "f", "x");
	put(&q, "f", "y");
	assert_text(&q, "f", "y");
	os_sim_free(q.more);
}

/* processes */

static void test_processes_fight_for_a_lock_and_a_killed_one_loses_it(void **state)
{
	struct place *p = *state, q = *p;
	struct os_process_id id;
	int a, b;

	q.os = os_sim_os_process(p->more, 1);
	put(p, "lock", "");
	a = open_at(p, "lock", OS_READ);
	b = open_at(&q, "lock", OS_READ);
	assert_int_equal(q.os->lock(q.os->self, b), 0);
	assert_int_equal(p->os->lock(p->os->self, a), -EWOULDBLOCK);
	assert_int_equal(p->os->lock(p->os->self, b), -EBADF); /* not ours */
	assert_int_equal(q.os->self_id(q.os->self, &id), 0);
	assert_true(p->os->is_alive(p->os->self, &id));
	put(&q, "f", "of the killed");
	os_sim_kill(p->more, 1);
	assert_false(p->os->is_alive(p->os->self, &id));
	assert_int_equal(p->os->lock(p->os->self, a), 0);
	assert_int_equal(open_at(&q, "f", OS_READ), -EIO);
	assert_text(p, "f", "of the killed"); /* the page cache stays */
	q.os = os_sim_os_process(p->more, 1);
	assert_text(&q, "f", "of the killed");
	assert_false(p->os->is_alive(p->os->self, &id)); /* the same pid, another process */
	close_fd(p, a);
}

static void test_a_lease_sees_writers_of_other_processes(void **state)
{
	struct place *p = *state, q = *p;
	int a, b;

	q.os = os_sim_os_process(p->more, 1);
	put(p, "f", "x");
	a = open_at(p, "f", OS_READ);
	assert_int_equal(p->os->lease(p->os->self, a), OS_LEASE_GRANTED);
	b = open_at(&q, "f", OS_WRITE); /* breaks it */
	assert_int_equal(p->os->lease(p->os->self, a), OS_LEASE_WRITER);
	p->os->unlease(p->os->self, a);
	os_sim_kill(p->more, 1);
	assert_int_equal(p->os->lease(p->os->self, a), OS_LEASE_GRANTED);
	os_sim_set_leases(p->more, false);
	assert_int_equal(p->os->lease(p->os->self, a), OS_LEASE_UNKNOWN);
	os_sim_set_leases(p->more, true);
	os_sim_set_fs(p->more, OS_FS_NETWORK, false);
	assert_int_equal(p->os->lease(p->os->self, a), OS_LEASE_UNKNOWN);
	close_fd(p, a);
	assert_true(b > 0);
}

static void test_a_hard_link_is_told_as_create_only(void **state)
{
	struct place *p = *state;
	int w = p->os->watch_open(p->os->self);
	struct os_stat st;

	make_dir(p, "d");
	put(p, "f", "x");
	assert_true(p->os->watch_add(p->os->self, w, p->dir, "d", WATCH_ALL) > 0);
	assert_false(os_sim_watch_pending(p->more, w));
	assert_int_equal(os_sim_link(p->more, "f", "d/g"), 0);
	assert_true(os_sim_watch_pending(p->more, w));
	assert_int_equal(look(p, w).mask, OS_WATCH_CREATE);
	assert_int_equal(p->os->stat(p->os->self, p->dir, "f", &st), 0);
	assert_int_equal(st.nlink, 2);
	assert_int_equal(os_sim_link(p->more, "d", "e"), -EPERM);
	assert_int_equal(os_sim_link(p->more, "f", "d/g"), -EEXIST);
	close_fd(p, w);
}

static void test_a_full_watch_queue_ends_in_an_overflow(void **state)
{
	struct place *p = *state;
	int w = p->os->watch_open(p->os->self);
	struct seen s;

	os_sim_set_watch_queue(p->more, 4);
	assert_true(p->os->watch_add(p->os->self, w, p->dir, ".", OS_WATCH_CREATE) > 0);
	make_unsynced(p);
	s = look(p, w);
	assert_int_equal(s.events, 5);
	assert_int_equal(s.last_number, -1);
	assert_int_equal(s.mask, OS_WATCH_CREATE);
	put(p, "again", "");
	assert_int_equal(look(p, w).events, 1);
	close_fd(p, w);
}

static void test_clocks_are_set_by_hand(void **state)
{
	struct place *p = *state;
	int64_t real = p->os->real_ns(p->os->self), boot = p->os->boot_ns(p->os->self);
	struct os_stat st;

	os_sim_advance(p->more, 5);
	assert_int_equal(p->os->real_ns(p->os->self), real + 5);
	assert_int_equal(p->os->boot_ns(p->os->self), boot + 5);
	os_sim_set_real(p->more, 77);
	assert_int_equal(p->os->boot_ns(p->os->self), boot + 5);
	put(p, "f", "x");
	assert_int_equal(p->os->stat(p->os->self, p->dir, "f", &st), 0);
	assert_int_equal(st.mtime_ns, 77);
}

static void test_inode_numbers_are_used_again(void **state)
{
	struct place *p = *state;
	struct os_stat a, b;

	put(p, "a", "");
	assert_int_equal(p->os->stat(p->os->self, p->dir, "a", &a), 0);
	sync_root(p);
	assert_int_equal(p->os->unlink(p->os->self, p->dir, "a"), 0);
	sync_root(p);
	put(p, "b", "");
	assert_int_equal(p->os->stat(p->os->self, p->dir, "b", &b), 0);
	assert_int_equal(a.ino, b.ino);
}

static void test_a_dump_names_what_is_not_durable(void **state)
{
	struct place *p = *state;
	char text[2000] = "";
	FILE *out = tmpfile();

	assert_non_null(out);
	make_dir(p, "d");
	sync_root(p);
	put(p, "d/f", "12345");
	os_sim_dump(p->more, out);
	rewind(out);
	assert_true(fread(text, 1, sizeof(text) - 1, out) > 0);
	fclose(out);
	assert_non_null(strstr(text, "/d/ inode"));
	assert_non_null(strstr(text, "5 bytes (durable 0), 1 un-synced writes, name not durable"));
	assert_non_null(strstr(text, "pending "));
}

/* The whole use of it: a small writer that replaces a file and acknowledges, power cut at every operation, many
 * outcomes. The right one loses nothing; each planted bug must be found. */
enum bug { NO_BUG, NO_FILE_SYNC, NO_DIR_SYNC, SYNC_AFTER_RENAME, IN_PLACE, BUGS };

static int replace(struct place *p, enum bug bug, const char *text)
{
	const char *temp = bug == IN_PLACE ? "f" : ".f.tmp";
	int fd = open_at(p, temp, OS_WRITE | OS_CREATE | OS_TRUNC), r;

	if (fd < 0)
		return fd;
	r = write_at(p, fd, text, 0);
	if (r >= 0 && bug != NO_FILE_SYNC && bug != SYNC_AFTER_RENAME)
		r = p->os->sync_data(p->os->self, fd);
	if (r >= 0 && bug != IN_PLACE)
		r = move(p, ".f.tmp", "f");
	if (r >= 0 && bug != NO_DIR_SYNC)
		r = os_sync_dir(p->os, p->dir, ".");
	if (r >= 0 && bug == SYNC_AFTER_RENAME)
		r = p->os->sync_data(p->os->self, fd);
	(void)p->os->close(p->os->self, fd);
	return r < 0 ? r : 0;
}

/* true: the file is the acknowledged text or the one in flight. */
static bool replace_survived(struct place *p, int acked)
{
	char *text = NULL, want[2][16];
	size_t len;
	bool ok;

	snprintf(want[0], sizeof(want[0]), "text %d", acked);
	snprintf(want[1], sizeof(want[1]), "text %d", acked + 1);
	if (os_read_file(p->os, p->dir, "f", 100, &text, &len) < 0)
		return !acked;
	ok = (acked && !strcmp(text, want[0])) || !strcmp(text, want[1]);
	free(text);
	return ok;
}

static int count_losses(enum bug bug, enum os_sim_mode mode)
{
	int losses = 0, acked = 0;

	for (uint64_t stop = 1; acked < 3; stop++) {
		char text[16];
		struct place p;

		bind_place(&p, os_sim_new(stop));
		os_sim_stop_after(p.more, stop);
		for (acked = 0; acked < 3; acked++) {
			snprintf(text, sizeof(text), "text %d", acked + 1);
			if (replace(&p, bug, text) < 0)
				break;
		}
		for (uint64_t seed = 1; seed <= 50; seed++) {
			struct place q;

			bind_place(&q, os_sim_clone(p.more));
			os_sim_power_cut(q.more, &(struct os_sim_cut){ .mode = mode, .seed = seed });
			losses += !replace_survived(&q, acked);
			os_sim_free(q.more);
		}
		os_sim_free(p.more);
	}
	return losses;
}

static void test_a_right_writer_loses_nothing_and_planted_bugs_are_found(void **state)
{
	(void)state;
	assert_int_equal(count_losses(NO_BUG, OS_SIM_RANDOM), 0);
	assert_int_equal(count_losses(NO_BUG, OS_SIM_ORDERED), 0);
	assert_int_equal(count_losses(NO_BUG, OS_SIM_DROP_ALL), 0);
	for (enum bug bug = NO_BUG + 1; bug < BUGS; bug++)
		assert_true(count_losses(bug, OS_SIM_RANDOM) > 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		OS_CONTRACT(setup_held, teardown),
		TEST(test_synced_data_with_a_synced_name_survives_everything),
		TEST(test_unsynced_data_may_be_there_or_not),
		TEST(test_keep_all_keeps_what_was_not_synced),
		TEST(test_a_synced_file_without_a_synced_name_may_vanish),
		TEST(test_a_synced_name_without_synced_data_comes_back_empty_or_as_zeros),
		TEST(test_a_rename_to_a_new_name_may_leave_an_empty_file),
		TEST(test_an_unsynced_truncate_may_come_back),
		TEST(test_a_write_is_torn_at_sector_edges_only),
		TEST(test_syncfs_makes_all_durable),
		TEST(test_a_rename_is_kept_or_lost_as_one),
		TEST(test_a_chain_of_renames_never_shows_two_names),
		TEST(test_a_rename_over_a_file_shows_the_old_or_the_new),
		TEST(test_an_unsynced_unlink_may_come_back),
		TEST(test_syncing_a_directory_does_not_persist_its_own_name),
		TEST(test_syncing_either_directory_persists_a_rename),
		TEST(test_ordered_keeps_a_first_part_of_the_name_operations),
		TEST(test_ordered_commits_earlier_names_with_any_file_sync),
		TEST(test_a_failed_sync_of_an_overwrite_leaves_the_old_data_for_good),
		TEST(test_a_failed_sync_of_an_append_leaves_zeros_in_the_middle),
		TEST(test_a_failed_sync_is_told_once_to_each_open_descriptor),
		TEST(test_a_failed_directory_sync_loses_its_names),
		TEST(test_what_is_written_anew_after_a_failed_sync_is_durable),
		TEST(test_the_nth_call_of_a_class_fails_once_or_for_ever),
		TEST(test_a_failed_write_may_leave_a_first_part),
		TEST(test_every_failing_call_leaves_replace_file_whole),
		TEST(test_a_full_disk_takes_what_fits),
		TEST(test_a_read_only_file_system_refuses_changes),
		TEST(test_after_the_stop_every_call_fails_until_the_cut),
		TEST(test_a_sync_that_is_cut_did_nothing_for_sure),
		TEST(test_a_cut_ends_descriptors_locks_and_watches_and_the_boot),
		TEST(test_the_disk_after_a_cut_is_durable_as_it_is),
		TEST(test_the_same_seed_gives_the_same_outcome),
		TEST(test_a_clone_and_its_origin_are_independent),
		TEST(test_a_clone_outlives_its_origin),
		TEST(test_processes_fight_for_a_lock_and_a_killed_one_loses_it),
		TEST(test_a_lease_sees_writers_of_other_processes),
		TEST(test_a_hard_link_is_told_as_create_only),
		TEST(test_a_full_watch_queue_ends_in_an_overflow),
		TEST(test_clocks_are_set_by_hand),
		TEST(test_inode_numbers_are_used_again),
		TEST(test_a_dump_names_what_is_not_durable),
		TEST(test_a_right_writer_loses_nothing_and_planted_bugs_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
