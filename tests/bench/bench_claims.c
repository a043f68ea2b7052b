/*
 * bench_claims.c - how fast workers take work: N processes claim and finish all items of one queue, beside a bare
 * rename(2) loop of the same number. Also a test: that each item was taken exactly once is checked, and failure is the
 * exit status. Usage: bench_claims [DIR [ITEMS [PROCESSES]]]
 */
#include "bench.h"
#include "rig.h"
#include <fcntl.h>
#include <pawl/provider.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ITEMS         5000
#define PROCESSES     8
#define PROCESSES_MAX 64

static void check(int rc, const char *what, const struct pawl_error *err)
{
	if (rc < 0)
		rig_die(what, err);
}

static struct pawl_provider *open_hub(const char *hub, bool create)
{
	const struct pawl_provider_options options = { .hub = hub, .create = create, .allow_volatile = true };
	struct pawl_provider *p;
	struct pawl_error err = { 0 };

	check(pawl_provider_fs.open(&options, &p, &err), "open", &err);
	return p;
}

static void offer_all(struct pawl_provider *p, unsigned items)
{
	const struct pawl_record create = {
		.instance = "a", .execution = 1, .data = "line\n", .len = 5, .create = true
	};
	const struct pawl_batch batch = { &create, 1, NULL, 0 };
	struct pawl_error err = { 0 };
	char id[PAWL_WORK_ID_MAX + 1];

	check(pawl_provider_commit(p, &batch, &err), "commit", &err);
	for (unsigned i = 1; i <= items; i++) {
		const struct pawl_work_item item = { .instance = "a",
			                             .activity = "flash",
			                             .key = "k",
			                             .execution = 1,
			                             .seq = i,
			                             .attempt = 1,
			                             .priority = 5 };
		check(p->ops->offer(p, &item, id, &err), "offer", &err);
	}
}

/* taken[seq] counts who had it; shared by all processes. */
static void work(const char *hub, unsigned number, unsigned *taken)
{
	struct pawl_provider *p = open_hub(hub, false);
	char name[16];
	const struct pawl_work_wanted wanted = { .worker = name };
	struct pawl_work_item *item;
	struct pawl_error err = { 0 };
	int rc;

	snprintf(name, sizeof(name), "w%u", number);
	while ((rc = p->ops->claim(p, &wanted, &item, &err)) == 0) {
		__atomic_add_fetch(&taken[item->seq], 1, __ATOMIC_RELAXED);
		check(p->ops->finish(p, item->id, name, 0, NULL, 0, NULL, 0, &err), "finish", &err);
		free(item);
	}
	if (rc != PAWL_ENOTFOUND)
		rig_die("claim", &err);
	p->ops->close(p);
}

static double run_workers(const char *hub, unsigned processes, unsigned *taken)
{
	pid_t pids[PROCESSES_MAX];
	int status, failed = 0;
	int64_t from = bench_now_ns();

	for (unsigned i = 0; i < processes; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			work(hub, i, taken);
			_exit(0);
		}
	}
	for (unsigned i = 0; i < processes; i++)
		failed |= pids[i] < 0 || waitpid(pids[i], &status, 0) < 0 || status != 0;
	if (failed)
		rig_die("a worker failed", NULL);
	return (double)(bench_now_ns() - from) / 1e9;
}

static int count_done(void *arg, const struct pawl_work_status *s)
{
	unsigned *n = arg;

	*n += s->state == PAWL_WORK_DONE && s->code == 0;
	return 0;
}

/* Two renames for each, as claim and finish do, of links that are there. */
static double run_renames(const char *dir, unsigned items)
{
	char from[4096], to[4096];

	if (mkdir(dir, 0755) < 0)
		return 0;
	for (unsigned i = 0; i < items; i++) {
		snprintf(from, sizeof(from), "%s/%u", dir, i);
		if (symlink("../../../instances/a/work/1", from) < 0)
			return 0;
	}
	int64_t start = bench_now_ns();
	for (unsigned i = 0; i < items; i++) {
		snprintf(from, sizeof(from), "%s/%u", dir, i);
		snprintf(to, sizeof(to), "%s/%u@w", dir, i);
		if (rename(from, to) < 0)
			return 0;
		snprintf(from, sizeof(from), "%s/%u@w.0", dir, i);
		if (rename(to, from) < 0)
			return 0;
	}
	return (double)(bench_now_ns() - start) / 1e9;
}

static unsigned argument(int argc, char **argv, int i, unsigned otherwise)
{
	return argc > i ? (unsigned)strtoul(argv[i], NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
	unsigned items = argument(argc, argv, 2, ITEMS), processes = argument(argc, argv, 3, PROCESSES), done = 0,
	         wrong = 0;
	size_t size = (items + 1) * sizeof(unsigned);
	unsigned *taken = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, open("/dev/zero", O_RDWR), 0);
	char hub[RIG_PATH_BYTES], bare[RIG_PATH_BYTES];

	(void)rig_begin(argc, argv, "claims");
	if (taken == MAP_FAILED || processes < 1 || processes > PROCESSES_MAX)
		rig_die("usage: bench_claims [DIR [ITEMS [PROCESSES up to 64]]]", NULL);
	rig_path(hub, "hub", 1);
	rig_path(bare, "bare", 1);
	struct pawl_provider *p = open_hub(hub, true);
	struct pawl_error err = { 0 };
	check(p->ops->acquire(p, &err), "acquire", &err);
	int64_t from = bench_now_ns();
	offer_all(p, items);
	double offer = (double)(bench_now_ns() - from) / 1e9;
	double claims = run_workers(hub, processes, taken), renames = run_renames(bare, items);
	check(p->ops->each_work(p, true, NULL, count_done, &done, &err), "each_work", &err);
	for (unsigned i = 1; i <= items; i++)
		wrong += taken[i] != 1;
	printf("offers       %8.0f /s\n", items / offer);
	printf("claim+finish %8.0f /s  (%u items, %u processes)\n", items / claims, items, processes);
	printf("2 x rename   %8.0f /s  (bare, one process)\n", renames > 0 ? items / renames : 0);
	printf("taken exactly once: %u of %u, done: %u\n", items - wrong, items, done);
	p->ops->close(p);
	rig_end();
	return wrong != 0 || done != items;
}
