/* test_fs_checkpoint.c - what may happen beside a checkpoint, which runs on another thread than all else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "os/os_sim.h"
#include <pawl/provider.h>
#include <string.h>

static const struct os *real;
static struct pawl_provider *provider;
static const char *purge_at; /* when this is opened to be synced, somebody removes the instance */
static unsigned purged;

static int open_and_purge(void *self, int dir, const char *path, int flags, unsigned mode)
{
	int fd = real->open(self, dir, path, flags, mode);

	if (purge_at && (flags & OS_WRITE) && strcmp(path, purge_at) == 0) {
		struct pawl_error err = { 0 };
		purge_at = NULL;
		purged++;
		if (provider->ops->purge(provider, "gone", &err) < 0)
			fail_msg("purge: %s", err.text);
	}
	return fd;
}

static void commit(const char *id, uint64_t offset, const char *lines, size_t len, bool create, bool end)
{
	const struct pawl_record record = { .instance = id, .execution = 1, .offset = offset, .data = lines, .len = len, .create = create, .end = end };
	const struct pawl_batch batch = { .records = &record, .record_count = 1 };
	struct pawl_error err = { 0 };
	struct pawl_job *job;

	if (provider->ops->commit_begin(provider, &batch, &job, &err) < 0)
		fail_msg("commit: %s", err.text);
	(void)job->run(job);
	if (job->end(job, &err) < 0)
		fail_msg("commit: %s", err.text);
}

/* Commits until a segment is full and the provider wants to make a checkpoint. */
static struct pawl_job *fill_until_checkpoint(void)
{
	static char lines[4000];
	struct pawl_error err = { 0 };
	struct pawl_job *job = NULL;

	memset(lines, 'x', sizeof(lines) - 1);
	lines[sizeof(lines) - 1] = '\n';
	for (unsigned n = 0; !job && n < 20; n++) {
		commit("stays", n * sizeof(lines), lines, sizeof(lines), n == 0, false);
		while (!job && provider->ops->maintain(provider, true, &job, &err) > 0)
			;
	}
	assert_non_null(job);
	return job;
}

static void what_is_purged_meanwhile_needs_no_sync(void **state)
{
	struct os_sim *sim = os_sim_new(1);
	struct os os = *os_sim_os(sim);
	const struct pawl_provider_options options = { .hub = "/hub", .create = true, .journal_bytes = 32 << 10, .journal_segments = 3, .os = &os };
	struct pawl_error err = { 0 };

	(void)state;
	real = os_sim_os(sim);
	os.open = open_and_purge;
	assert_int_equal(pawl_provider_fs.open(&options, &provider, &err), 0);
	assert_int_equal(provider->ops->acquire(provider, &err), 0);
	commit("gone", 0, "its only line\n", 14, true, true);
	assert_int_equal(provider->ops->archive(provider, "gone", &err), 0);
	struct pawl_job *job = fill_until_checkpoint();
	purge_at = "archive/gone/1.history";
	(void)job->run(job);
	if (job->end(job, &err) < 0)
		fail_msg("the checkpoint has failed: %s", err.text);
	assert_int_equal(purged, 1);
	provider->ops->close(provider);
	os_sim_free(sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_purged_meanwhile_needs_no_sync),
	};

	return cmocka_run_group_tests_name("checkpoints of the fs provider", tests, NULL, NULL);
}
