/*
 * test_fs.c - the file system provider keeps the contract. Hubs lie under $TMPDIR, or where the program runs. An argument
 * chooses tests by name ("log: *"); PAWL_TEST_KEEP=1 leaves the hubs there.
 *
 * A crash is a copy of the hub's files while its owner is running, which then takes the place of the hub: what kill -9
 * leaves. What a power cut leaves is for tests/crash and its simulated disk.
 */
#include "contract.h"
#include "os/os.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK 4096
#define DEPTH_MAX 8
#define FILE_MAX ((size_t)1 << 30)

struct hubs {
	char dir[CONTRACT_HUB_SIZE / 2], run[4096];
	unsigned count;
};

static int fresh(void *arg, char *hub, size_t size)
{
	struct hubs *hubs = arg;
	int n = snprintf(hub, size, "%s/%u", hubs->dir, ++hubs->count);

	return n > 0 && (size_t)n < size ? 0 : -1;
}

static int remove_tree(const char *path)
{
	return os_remove_tree(os_linux(), OS_CWD, path, DEPTH_MAX);
}

static void drop(void *arg, const char *hub)
{
	(void)arg;
	if (!getenv("PAWL_TEST_KEEP"))
		(void)remove_tree(hub);
}

static void configure(void *arg, struct pawl_provider_options *options)
{
	const struct hubs *hubs = arg;

	options->allow_volatile = true;
	options->run_dir = hubs->run[0] ? hubs->run : NULL;
}

/* ---- crash ---- */

static int copy_tree(const char *from, const char *to, int depth);

/* Most of a new journal is zeros: they stay holes. */
static int write_blocks(int fd, const char *data, size_t len)
{
	static const char zeros[BLOCK];
	const struct os *os = os_linux();
	int rc = 0;

	for (size_t at = 0; at < len && rc >= 0; at += BLOCK) {
		size_t n = len - at < BLOCK ? len - at : BLOCK;
		if (memcmp(data + at, zeros, n) != 0)
			rc = (int)os->pwrite(os->self, fd, data + at, n, at);
	}
	return rc < 0 ? rc : os->truncate(os->self, fd, len);
}

static int copy_file(const char *from, const char *to, unsigned mode)
{
	const struct os *os = os_linux();
	char *data = NULL;
	size_t len = 0;
	int rc = os_read_file(os, OS_CWD, from, FILE_MAX, &data, &len);

	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	int fd = os->open(os->self, OS_CWD, to, OS_WRITE | OS_CREATE | OS_EXCL, mode & 0777);
	rc = fd < 0 ? fd : write_blocks(fd, data, len);
	if (fd >= 0)
		os->close(os->self, fd);
	free(data);
	return rc;
}

struct copy {
	const char *from, *to;
	int depth;
};

static int copy_entry(void *arg, const char *name)
{
	const struct copy *c = arg;
	const struct os *os = os_linux();
	char from[CONTRACT_HUB_SIZE], to[CONTRACT_HUB_SIZE];
	struct os_stat st;

	int n = snprintf(from, sizeof(from), "%s/%s", c->from, name);
	int k = snprintf(to, sizeof(to), "%s/%s", c->to, name);
	if (n < 0 || (size_t)n >= sizeof(from) || k < 0 || (size_t)k >= sizeof(to))
		return -ENAMETOOLONG;
	if (os->stat(os->self, OS_CWD, from, &st) < 0)
		return 0;
	if (st.type == OS_DIR)
		return copy_tree(from, to, c->depth - 1);
	return st.type == OS_FILE ? copy_file(from, to, st.mode) : 0;
}

static int copy_tree(const char *from, const char *to, int depth)
{
	const struct os *os = os_linux();
	struct copy c = { from, to, depth };

	if (depth == 0)
		return -ELOOP;
	int rc = os->mkdir(os->self, OS_CWD, to, 0755);
	return rc < 0 ? rc : os->list(os->self, OS_CWD, from, copy_entry, &c);
}

static int crash(void *arg, struct pawl_provider *p, const char *hub)
{
	const struct os *os = os_linux();
	char copy[CONTRACT_HUB_SIZE + 8];

	(void)arg;
	snprintf(copy, sizeof(copy), "%s.crash", hub);
	int rc = copy_tree(hub, copy, DEPTH_MAX);
	p->ops->close(p);
	if (rc == 0)
		rc = remove_tree(hub);
	if (rc == 0)
		rc = os->rename(os->self, OS_CWD, copy, OS_CWD, hub);
	if (rc < 0)
		fprintf(stderr, "cannot copy hub '%s': %s\n", hub, strerror(-rc));
	return rc < 0 ? -1 : 0;
}

/* A runtime that believes the owner dead removes its lock. */
static int steal(void *arg, const char *hub)
{
	const struct os *os = os_linux();
	char lock[CONTRACT_HUB_SIZE + 8];

	(void)arg;
	snprintf(lock, sizeof(lock), "%s/LOCK", hub);
	return os->unlink(os->self, OS_CWD, lock) < 0 ? -1 : 0;
}

int main(int argc, char **argv)
{
	struct hubs hubs = { .count = 0 };
	const struct contract_target target = { .name = "provider fs", .ops = &pawl_provider_fs, .arg = &hubs, .fresh = fresh,
		.drop = drop, .configure = configure, .crash = crash, .steal = steal };
	const char *parent = getenv("TMPDIR");

	snprintf(hubs.dir, sizeof(hubs.dir), "%s/pawl-contract-XXXXXX", parent && parent[0] ? parent : ".");
	if (!mkdtemp(hubs.dir)) {
		perror(hubs.dir);
		return 1;
	}
	pawl_provider_contract_filter(argc > 1 ? argv[1] : NULL);
	int failed = pawl_provider_contract(&target);
	/* and once more what is about the work queue, with that apart from the hub */
	char here[1024];
	if (argc < 2 && getcwd(here, sizeof(here))) {
		snprintf(hubs.run, sizeof(hubs.run), "%s%s%s", hubs.dir[0] == '/' ? "" : here, hubs.dir[0] == '/' ? "" : "/", hubs.dir);
		struct contract_target apart = target;
		apart.name = "provider fs, with run_dir";
		pawl_provider_contract_filter("work*");
		failed += pawl_provider_contract(&apart);
	}
	drop(NULL, hubs.dir);
	return failed != 0;
}
