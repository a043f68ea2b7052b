/* rig.c - hubs, runtimes, children; and what the kernel says of a process. */
#include "rig.h"
#include "os/memory.h"
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define POLL_US 200

static char root[RIG_PATH_BYTES - 64];

/* ---- the directory ---- */

static void log_errors(void *arg, enum log_level level, const char *line)
{
	(void)arg;
	if (level <= LOG_LEVEL_ERROR)
		fprintf(stderr, "%s\n", line);
}

_Noreturn void rig_die(const char *what, const struct pawl_error *err)
{
	fprintf(stderr, "%s: %s\n", what, err && err->text[0] ? err->text : strerror(errno));
	_exit(1);
}

const char *rig_begin(int argc, char **argv, const char *name)
{
	const char *env = getenv("BENCH_DIR"), *dir = argc > 1 ? argv[1] : env && *env ? env : ".";

	os_memory_one_heap();
	log_set_level(LOG_LEVEL_ERROR);
	log_set_sink(log_errors, NULL);
	snprintf(root, sizeof(root), "%s/bench-%s.%ld", dir, name, (long)getpid());
	if (mkdir(root, 0755) < 0)
		rig_die(root, NULL);
	return root;
}

void rig_end(void)
{
	if (!getenv("BENCH_KEEP"))
		(void)os_remove_tree(os_linux(), OS_CWD, root, 8);
}

void rig_path(char path[RIG_PATH_BYTES], const char *name, unsigned number)
{
	snprintf(path, RIG_PATH_BYTES, "%s/%.24s%u", root, name, number);
}

void rig_sync(const char *dir)
{
	const struct os *os = os_linux();
	int fd = os->open_root(os->self, dir);

	if (fd < 0 || os->sync_fs(os->self, fd) < 0)
		rig_die("cannot sync", NULL);
	os->close(os->self, fd);
}

/* ---- the runtime ---- */

void rig_open(struct rig *h, const char *path, const pawl_options *more)
{
	pawl_options options = more ? *more : (pawl_options){ .config = "" };
	struct pawl_error err = { 0 };

	options.hub = path;
	options.allow_volatile = true; /* asked for by name: what is left without a disk */
	if (pawl_open(&h->rt, &options, &err) < 0)
		rig_die("cannot open the hub", &err);
	log_set_level(LOG_LEVEL_ERROR); /* the configuration has set it */
}

static void *run(void *arg)
{
	struct rig *h = arg;
	struct pawl_error err = { 0 };

	if (pawl_run(h->rt, &err) < 0)
		rig_die("the runtime stopped", &err);
	return NULL;
}

void rig_run(struct rig *h)
{
	if (pthread_create(&h->thread, NULL, run, h) != 0)
		rig_die("cannot make a thread", NULL);
}

void rig_close(struct rig *h, struct pawl_provider_stats *stats)
{
	pawl_stop(h->rt);
	pthread_join(h->thread, NULL);
	if (stats)
		h->rt->provider->ops->stats(h->rt->provider, stats);
	pawl_close(h->rt);
	h->rt = NULL;
}

void rig_start(struct rig *h, const char *type, const char *id, const char *input, bool wait)
{
	struct pawl_error err = { 0 };

	if (pawl_start(h->rt, type, id, input, wait, NULL, &err) < 0)
		rig_die("cannot start", &err);
}

void rig_wait(struct rig *h, const char *id)
{
	struct pawl_error err = { 0 };

	if (pawl_wait(h->rt, id, -1, NULL, &err) < 0)
		rig_die("an instance did not complete", &err);
}

void rig_wait_turns(struct rig *h, uint64_t turns)
{
	const volatile struct pawl_runtime *rt = h->rt;

	while (rt->turns < turns || rt->ready || rt->next.count || rt->flying.count || rt->committing)
		rig_sleep_us(POLL_US);
}

void rig_wait_empty(struct rig *h, uint64_t activities)
{
	const volatile struct pawl_runtime *rt = h->rt;

	while (rt->activities_done < activities || rt->instances.count)
		rig_sleep_us(POLL_US);
}

void rig_sleep_us(long us)
{
	nanosleep(&(struct timespec){ us / 1000000, us % 1000000 * 1000 }, NULL);
}

/* ---- children ---- */

struct child rig_fork(void (*fn)(int fd, const void *arg), const void *arg)
{
	struct child c;
	int fds[2];

	fflush(stdout);
	if (pipe(fds) < 0 || (c.pid = fork()) < 0)
		rig_die("cannot fork", NULL);
	if (c.pid == 0) {
		close(fds[0]);
		fn(fds[1], arg);
		_exit(0);
	}
	close(fds[1]);
	c.fd = fds[0];
	return c;
}

void rig_kill(struct child *c)
{
	kill(c->pid, SIGKILL);
	waitpid(c->pid, NULL, 0);
	close(c->fd);
}

void rig_tell(int fd, const void *data, size_t size)
{
	if (write(fd, data, size) != (ssize_t)size)
		rig_die("cannot tell the parent", NULL);
}

void rig_hear(const struct child *c, void *data, size_t size)
{
	size_t got = 0;

	while (got < size) {
		ssize_t n = read(c->fd, (char *)data + got, size - got);
		if (n <= 0)
			rig_die("the child has died", NULL);
		got += (size_t)n;
	}
}

/* ---- what the kernel says ---- */

double rig_private_kib(pid_t pid, double *dirty_kib)
{
	char path[64], line[128];
	unsigned long kib, sum = 0, dirty = 0;

	snprintf(path, sizeof(path), "/proc/%ld/smaps_rollup", (long)pid);
	FILE *f = fopen(path, "re");
	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Private_Clean: %lu", &kib) == 1)
			sum += kib;
		else if (sscanf(line, "Private_Dirty: %lu", &kib) == 1)
			sum += dirty = kib;
	}
	fclose(f);
	if (dirty_kib)
		*dirty_kib = (double)dirty;
	return (double)sum;
}

static void add_switches(pid_t pid, const char *task, uint64_t *voluntary, uint64_t *all)
{
	char path[128], line[128];
	uint64_t n;

	snprintf(path, sizeof(path), "/proc/%ld/task/%.20s/status", (long)pid, task);
	FILE *f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "voluntary_ctxt_switches: %" SCNu64, &n) == 1) {
			*voluntary += n;
			*all += n;
		} else if (sscanf(line, "nonvoluntary_ctxt_switches: %" SCNu64, &n) == 1) {
			*all += n;
		}
	}
	if (f)
		fclose(f);
}

uint64_t rig_switches(pid_t pid, uint64_t *voluntary)
{
	char path[64];
	uint64_t all = 0;

	*voluntary = 0;
	snprintf(path, sizeof(path), "/proc/%ld/task", (long)pid);
	DIR *dir = opendir(path);
	for (struct dirent *e; dir && (e = readdir(dir));)
		if (e->d_name[0] != '.')
			add_switches(pid, e->d_name, voluntary, &all);
	if (dir)
		closedir(dir);
	return all;
}
