/*
 * flush.c - how long a flush takes, and whether that can be true.
 *
 * A disk that answers before the data is safe is noticed at the next power cut only, unless somebody asks the clock: there
 * are times below which a medium cannot have done what it says. A rotating disk needs a part of a turn, a card programs a
 * page of flash; and nothing outside of memory answers in the time of a system call.
 */
#include "doctor/doctor.h"
#include <errno.h>
#include <stdlib.h>

#define ROUNDS 20
#define BLOCK 4096u
#define BUDGET_NS 10000000000 /* on a card that takes a second for each */
#define NOTHING_NS 5000       /* no device was asked */
#define CARD_NS 50000
#define DISK_NS 500000
#define SLOW_NS 30000000
#define STALL_NS 500000000

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/* As the journal does it: overwrite what was written before, fdatasync. */
static int measure(const struct doctor *d, int fd, int64_t *times, int *count)
{
	const struct os *os = d->os;
	char block[BLOCK];
	int64_t begin = os->boot_ns(os->self), before;

	memset(block, 0, sizeof(block));
	ssize_t n = os->pwrite(os->self, fd, block, sizeof(block), 0);
	int rc = n < 0 ? (int)n : os->sync(os->self, fd);
	for (*count = 0; rc >= 0 && *count < ROUNDS && os->boot_ns(os->self) - begin < BUDGET_NS; (*count)++) {
		block[0] = (char)*count;
		n = os->pwrite(os->self, fd, block, sizeof(block), 0);
		before = os->boot_ns(os->self);
		rc = n < 0 ? (int)n : os->sync_data(os->self, fd);
		times[*count] = os->boot_ns(os->self) - before;
	}
	qsort(times, (size_t)*count, sizeof(times[0]), compare);
	return rc < 0 ? rc : *count ? 0 : -ETIMEDOUT;
}

static void judge(const struct doctor *d, struct doctor_finding *f, int64_t p50, int64_t p99)
{
	const char *medium = medium_kind_name(d->medium.kind);

	if (p50 < NOTHING_NS)
		doctor_advise(f, DOCTOR_PROBLEM, "nothing is flushed: no medium answers so soon; look for eatmydata, "
			"a volatile overlay, or a host that ignores flushes");
	else if (d->medium.kind == MEDIUM_CARD && p50 < CARD_NS)
		doctor_advise(f, DOCTOR_PROBLEM, "the disk is lying: %s cannot write in that time, so a power cut "
			"takes back what was acknowledged; try another card, or switch its cache off (mmc cache "
			"disable)", medium);
	else if (d->medium.kind == MEDIUM_DISK && p50 < DISK_NS)
		doctor_advise(f, DOCTOR_WARNING, "the disk may be lying: %s needs milliseconds; right only behind a "
			"controller whose cache has a battery, else switch the cache off (hdparm -W0)", medium);
	else if (p99 > STALL_NS)
		doctor_advise(f, DOCTOR_WARNING, "commits will wait so long now and then: see that watchdogs allow "
			"for it, and consider a better medium");
	else if (p50 > SLOW_NS)
		doctor_advise(f, DOCTOR_NOTE, "a commit takes as long; those of many instances share one");
	else if (d->medium.kind == MEDIUM_VIRTUAL || d->medium.kind == MEDIUM_FILE || d->medium.kind == MEDIUM_UNKNOWN)
		doctor_advise(f, DOCTOR_OK, "whether it is true cannot be told of %s", medium);
}

/* A file without a name: nothing to clean up, whatever happens. */
static int open_scratch(const struct doctor *d)
{
	const struct os *os = d->os;
	struct os_process_id self = { .pid = 1 };
	char name[48];

	(void)os->self_id(os->self, &self);
	snprintf(name, sizeof(name), ".pawl-doctor-flush-%d", (int)self.pid);
	(void)os->unlink(os->self, d->dir, name);
	int fd = os->open(os->self, d->dir, name, OS_READ | OS_WRITE | OS_CREATE | OS_EXCL, 0600);
	if (fd >= 0)
		(void)os->unlink(os->self, d->dir, name);
	return fd;
}

void doctor_flush(struct doctor *d)
{
	int64_t times[ROUNDS];
	int count = 0, fd, rc;

	if (d->fs.kind == OS_FS_TMPFS || d->medium.kind == MEDIUM_MEMORY) {
		(void)doctor_add(d, DOCTOR_STORAGE, "flush", DOCTOR_NOTE, "not measured: memory has nothing to flush");
		return;
	}
	fd = open_scratch(d);
	rc = fd < 0 ? fd : measure(d, fd, times, &count);
	if (fd >= 0)
		d->os->close(d->os->self, fd);
	if (rc == -EACCES || rc == -EPERM || rc == -EROFS) {
		(void)doctor_add(d, DOCTOR_STORAGE, "flush", DOCTOR_NOTE,
			"not measured: '%s' %s", d->dir_path, rc == -EROFS ? "is read-only" : "cannot be written to by this user");
		return;
	}
	if (rc < 0) {
		struct doctor_finding *f = doctor_add(d, DOCTOR_STORAGE, "flush", DOCTOR_PROBLEM,
			"writing and syncing a file in '%s' fails: %s", d->dir_path, strerror(-rc));
		doctor_advise(f, DOCTOR_PROBLEM, "no commit can be made like this: look into the kernel's log, free "
			"space, or replace the medium");
		return;
	}
	int64_t p50 = times[count / 2], p99 = times[count - 1];
	struct doctor_finding *f = doctor_add(d, DOCTOR_STORAGE, "flush", DOCTOR_OK,
		"p50 %lld us, p99 %lld us (%d times 4 KiB and fdatasync)",
		(long long)(p50 / 1000), (long long)(p99 / 1000), count);
	doctor_number(f, "p50_us", (uint64_t)(p50 / 1000));
	doctor_number(f, "p99_us", (uint64_t)(p99 / 1000));
	doctor_number(f, "flushes", (uint64_t)count);
	judge(d, f, p50, p99);
}
