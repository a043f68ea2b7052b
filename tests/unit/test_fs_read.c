/* test_fs_read.c - those who read a hub that another process owns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "os/os_sim.h"
#include <pawl/provider.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define OWNER 0
#define READER 1

static struct os_sim *sim;
static const struct os *real;
static size_t told;      /* bytes that the reader has seen */
static bool cut_at_sync; /* the power fails when the next frame is written, and before it is synced */

static struct pawl_provider *open_hub(const struct os *os, bool own)
{
	const struct pawl_provider_options options = { .hub = "/hub", .create = own, .read_only = !own, .journal_bytes = 32 << 10, .os = os };
	struct pawl_provider *p;
	struct pawl_error err = { 0 };

	if (pawl_provider_fs.open(&options, &p, &err) < 0 || (own && p->ops->acquire(p, &err) < 0))
		fail_msg("cannot open the hub: %s", err.text);
	return p;
}

static size_t length_of(struct pawl_provider *p)
{
	struct pawl_error err = { 0 };
	uint64_t which;
	char *text = NULL;
	size_t len = 0;
	int rc = p->ops->read(p, "x", 1, &text, &len, &which, &err);

	free(text);
	return rc < 0 ? 0 : len;
}

static int sync_after_a_look(void *self, int fd)
{
	const struct os_sim_cut cut = { .mode = OS_SIM_DROP_ALL };

	if (!cut_at_sync)
		return real->sync_data(self, fd);
	cut_at_sync = false;
	struct pawl_provider *reader = open_hub(os_sim_os_process(sim, READER), false);
	told = length_of(reader);
	reader->ops->close(reader);
	os_sim_power_cut(sim, &cut);
	return -EIO;
}

static int commit(struct pawl_provider *p, uint64_t offset, const char *line)
{
	const struct pawl_record record = { .instance = "x", .execution = 1, .offset = offset, .data = line, .len = strlen(line), .create = offset == 0 };
	const struct pawl_batch batch = { .records = &record, .record_count = 1 };
	struct pawl_error err = { 0 };
	struct pawl_job *job;

	if (p->ops->commit_begin(p, &batch, &job, &err) < 0)
		fail_msg("commit: %s", err.text);
	(void)job->run(job);
	return job->end(job, &err);
}

static void what_a_reader_has_seen_is_there_after_a_power_cut(void **state)
{
	(void)state;
	sim = os_sim_new(1);
	real = os_sim_os_process(sim, OWNER);
	struct os os = *real;
	os.sync_data = sync_after_a_look;
	struct pawl_provider *p = open_hub(&os, true);
	assert_int_equal(commit(p, 0, "one\n"), 0);
	cut_at_sync = true;
	assert_true(commit(p, 4, "two\n") < 0);
	assert_int_equal(told, 4);
	p->ops->close(p);
	real = os_sim_os_process(sim, OWNER);
	p = open_hub(real, true);
	assert_true(length_of(p) >= told);
	p->ops->close(p);
	os_sim_free(sim);
}

/* A power cut may leave a file its length and not its bytes. */
static void what_a_power_cut_took_from_a_history_is_read_from_the_journal(void **state)
{
	struct pawl_error err = { 0 };
	uint64_t which;
	char *text = NULL;
	size_t len = 0;

	(void)state;
	sim = os_sim_new(1);
	real = os_sim_os_process(sim, OWNER);
	struct pawl_provider *p = open_hub(real, true);
	assert_int_equal(commit(p, 0, "one\n"), 0);
	assert_int_equal(commit(p, 4, "two\n"), 0);
	os_sim_power_cut(sim, &(struct os_sim_cut){ .mode = OS_SIM_DROP_ALL });
	p->ops->close(p);
	real = os_sim_os_process(sim, OWNER);
	int hub = real->open_root(real->self, "/hub");
	(void)real->mkdir(real->self, hub, "instances/x", 0755);
	assert_int_equal(os_replace_file(real, hub, "instances/x/1.history", "one\n\0\0\0", 8, 0644, true), 0);
	p = open_hub(os_sim_os_process(sim, READER), false);
	assert_int_equal(p->ops->read(p, "x", 1, &text, &len, &which, &err), 0);
	assert_int_equal(len, 8);
	assert_memory_equal(text, "one\ntwo\n", 8);
	free(text);
	p->ops->close(p);
	os_sim_free(sim);
}

static size_t seen_with(const struct os *os)
{
	struct pawl_provider *reader = open_hub(os, false);
	size_t len = length_of(reader);

	reader->ops->close(reader);
	return len;
}

static size_t seen(void)
{
	return seen_with(os_sim_os_process(sim, READER));
}

/* A hub with one line on the disk, and an owner whose sync of a second line has failed. */
static struct pawl_provider *failed_owner(void)
{
	sim = os_sim_new(1);
	struct pawl_provider *p = open_hub(os_sim_os_process(sim, OWNER), true);

	assert_int_equal(commit(p, 0, "one\n"), 0);
	os_sim_fail_ops(sim, OS_SIM_OP_SYNC);
	os_sim_fail_nth(sim, 1, EIO, false);
	assert_true(commit(p, 4, "two\n") < 0);
	assert_true(os_sim_fault_fired(sim));
	return p;
}

/* The kernel has told the owner, and nobody else: a reader's own sync of the same file finds nothing to do. */
static void what_the_owner_could_not_sync_is_not_told(void **state)
{
	const struct os_sim_cut cut = { .mode = OS_SIM_DROP_ALL };

	(void)state;
	struct pawl_provider *p = failed_owner();
	assert_int_equal(seen(), 4);
	assert_int_equal(commit(p, 4, "two\n"), 0); /* in another segment */
	assert_int_equal(seen(), 8);
	os_sim_power_cut(sim, &cut);
	p->ops->close(p);
	p = open_hub(os_sim_os_process(sim, OWNER), true);
	assert_int_equal(length_of(p), 8);
	p->ops->close(p);
	os_sim_free(sim);
}

/* Who could say what is on the disk is gone; the next owner makes it so. */
static void after_a_failed_sync_and_a_kill_nothing_is_told_before_the_next_owner(void **state)
{
	const struct os_sim_cut cut = { .mode = OS_SIM_DROP_ALL };

	(void)state;
	struct pawl_provider *p = failed_owner();
	os_sim_kill(sim, OWNER);
	p->ops->close(p);
	assert_int_equal(seen(), 0);
	p = open_hub(os_sim_os_process(sim, OWNER), true);
	size_t len = seen();
	assert_true(len == 4 || len == 8);
	os_sim_power_cut(sim, &cut);
	p->ops->close(p);
	p = open_hub(os_sim_os_process(sim, OWNER), true);
	assert_true(length_of(p) >= len);
	p->ops->close(p);
	os_sim_free(sim);
}

static int sync_is_refused(void *self, int fd)
{
	(void)self;
	(void)fd;
	return -EROFS;
}

/* The file system has turned read-only under a runtime: what is in the page cache may never come to the disk. */
static void what_may_not_be_on_the_disk_is_not_told(void **state)
{
	(void)state;
	sim = os_sim_new(1);
	struct pawl_provider *p = open_hub(os_sim_os_process(sim, OWNER), true);
	assert_int_equal(commit(p, 0, "one\n"), 0);
	struct os os = *os_sim_os_process(sim, READER);
	os.sync_data = sync_is_refused;
	assert_int_equal(seen_with(&os), 4); /* through a read-only mount: the owner has synced it */
	os_sim_kill(sim, OWNER);
	p->ops->close(p);
	assert_int_equal(seen_with(&os), 0);
	os_sim_set_fs(sim, OS_FS_UBIFS, true); /* where a sync does not fail any more either */
	assert_int_equal(seen(), 0);
	os_sim_free(sim);
}

static int no_marks(void *self, int fd, uint64_t at, bool on)
{
	(void)self;
	(void)fd;
	(void)at;
	(void)on;
	return -EINVAL;
}

/* An old kernel: readers see to it themselves. */
static void without_marks_a_reader_syncs(void **state)
{
	(void)state;
	sim = os_sim_new(1);
	struct os os = *os_sim_os_process(sim, OWNER), refuses = *os_sim_os_process(sim, READER);
	os.mark = no_marks;
	refuses.sync_data = sync_is_refused;
	struct pawl_provider *p = open_hub(&os, true);
	assert_int_equal(commit(p, 0, "one\n"), 0);
	assert_int_equal(seen(), 4);
	assert_int_equal(seen_with(&refuses), 0);
	p->ops->close(p);
	os_sim_free(sim);
}

static int start_x(struct pawl_provider *p, enum pawl_message_if_exists if_exists)
{
	const struct pawl_message m = { .kind = PAWL_MESSAGE_START, .instance = "x", .name = "type", .data = "in", .len = 2, .if_exists = if_exists };

	return p->ops->send(p, &m, NULL);
}

static int syncs;

static int no_third_sync(void *self, int fd)
{
	return ++syncs == 3 ? -EIO : real->sync(self, fd);
}

/* Who started it was killed in front of the sync of its name. Who is told that it exists relies on that. */
static void an_instance_that_exists_is_there_after_a_power_cut(void **state)
{
	const struct os_sim_cut cut = { .mode = OS_SIM_DROP_ALL };
	struct os_stat st;

	(void)state;
	sim = os_sim_new(1);
	real = os_sim_os_process(sim, OWNER);
	struct os os = *real;
	os.sync = no_third_sync; /* of the file, of its directory, of the name */
	struct pawl_provider *p = open_hub(real, true), *client;
	const struct pawl_provider_options options = { .hub = "/hub", .os = &os };
	assert_int_equal(pawl_provider_fs.open(&options, &client, NULL), 0);
	assert_true(start_x(client, PAWL_IF_EXISTS_FAIL) < 0);
	assert_int_equal(start_x(client, PAWL_IF_EXISTS_USE), 0);
	os_sim_power_cut(sim, &cut);
	client->ops->close(client);
	p->ops->close(p);
	real = os_sim_os_process(sim, READER);
	assert_int_equal(real->stat(real->self, OS_CWD, "/hub/instances/x/start", &st), 0);
	os_sim_free(sim);
}

static int calls, kill_at, victim;

static bool killed_now(void)
{
	if (++calls == kill_at)
		os_sim_kill(sim, victim);
	return calls >= kill_at;
}

static ssize_t pwrite_or_die(void *self, int fd, const void *data, size_t len, uint64_t offset)
{
	return killed_now() ? -EIO : real->pwrite(self, fd, data, len, offset);
}

static int truncate_or_die(void *self, int fd, uint64_t size)
{
	return killed_now() ? -EIO : real->truncate(self, fd, size);
}

static int sync_or_die(void *self, int fd)
{
	return killed_now() ? -EIO : real->sync_data(self, fd);
}

static struct os mortal(int process, int at)
{
	struct os os = *(real = os_sim_os_process(sim, process));

	calls = 0;
	kill_at = at;
	victim = process;
	os.pwrite = pwrite_or_die;
	os.truncate = truncate_or_die;
	os.sync_data = sync_or_die;
	return os;
}

/* Killed between write and sync; and the next one at each write of its start. What the third one tells has to be on the disk. */
static bool third_owner_tells_the_truth(int second_dies_at)
{
	const struct os_sim_cut cut = { .mode = OS_SIM_DROP_ALL };
	struct pawl_provider_options options = { .hub = "/hub", .journal_bytes = 32 << 10 };
	struct pawl_provider *p;

	sim = os_sim_new(1);
	struct os os = mortal(OWNER, INT32_MAX);
	p = open_hub(&os, true);
	assert_int_equal(commit(p, 0, "one\n"), 0);
	calls = 0;
	kill_at = 2; /* behind the write of the frame */
	assert_true(commit(p, 4, "two\n") < 0);
	p->ops->close(p);
	os = mortal(READER, second_dies_at);
	options.os = &os;
	assert_int_equal(pawl_provider_fs.open(&options, &p, NULL), 0);
	bool died = p->ops->acquire(p, NULL) < 0;
	kill_at = INT32_MAX;
	os_sim_kill(sim, READER);
	p->ops->close(p);
	p = open_hub(os_sim_os_process(sim, OWNER), true);
	size_t seen_then = length_of(p);
	os_sim_kill(sim, OWNER);
	p->ops->close(p);
	os_sim_power_cut(sim, &cut);
	p = open_hub(os_sim_os_process(sim, OWNER), true);
	if (length_of(p) < seen_then)
		fail_msg("killed at call %d of its start: %zu bytes were told, %zu are there", second_dies_at, seen_then, length_of(p));
	p->ops->close(p);
	os_sim_free(sim);
	return died;
}

static void what_a_start_tells_is_on_the_disk_wherever_the_one_before_it_was_killed(void **state)
{
	(void)state;
	for (int n = 1; third_owner_tells_the_truth(n); n++)
		assert_true(n < 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_reader_has_seen_is_there_after_a_power_cut),
		cmocka_unit_test(what_a_power_cut_took_from_a_history_is_read_from_the_journal),
		cmocka_unit_test(what_the_owner_could_not_sync_is_not_told),
		cmocka_unit_test(after_a_failed_sync_and_a_kill_nothing_is_told_before_the_next_owner),
		cmocka_unit_test(without_marks_a_reader_syncs),
		cmocka_unit_test(an_instance_that_exists_is_there_after_a_power_cut),
		cmocka_unit_test(what_a_start_tells_is_on_the_disk_wherever_the_one_before_it_was_killed),
		cmocka_unit_test(what_may_not_be_on_the_disk_is_not_told),
	};

	return cmocka_run_group_tests_name("readers of the fs provider", tests, NULL, NULL);
}
