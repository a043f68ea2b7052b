/*
 * files.c - what pawl is built on, tried: in a directory of its own inside the hub's, which is removed again. A probe
 * returns 0 when it works; else what went wrong is in the finding.
 */
#include "doctor/doctor.h"
#include <errno.h>
#include <stdlib.h>

#define SCRATCH ".pawl-doctor-" /* and a pid */
#define CAP_LEASE 28
#define SKEW_NS 2000000000

struct scratch {
	struct doctor *d;
	const struct os *os;
	int dir;
	char name[48];
};

static int make_file(const struct scratch *s, const char *name, const char *text)
{
	int fd = s->os->open(s->os->self, s->dir, name, OS_READ | OS_WRITE | OS_CREATE | OS_EXCL, 0600);
	ssize_t n = fd < 0 ? fd : s->os->pwrite(s->os->self, fd, text, strlen(text), 0);

	if (fd >= 0 && n < 0)
		s->os->close(s->os->self, fd);
	return n < 0 ? (int)n : fd;
}

static void close_file(const struct scratch *s, int fd)
{
	if (fd >= 0)
		s->os->close(s->os->self, fd);
}

/* ---- the probes ---- */

static void try_dir_sync(const struct scratch *s)
{
	int rc = s->os->sync(s->os->self, s->dir);
	struct doctor_finding *f = doctor_add(s->d, DOCTOR_FILES, "directory sync", DOCTOR_OK, "%s", rc < 0 ?
		strerror(-rc) : "works");

	if (rc < 0)
		doctor_advise(f, DOCTOR_PROBLEM, "names of new files would be lost in a power cut: use another file "
			"system");
}

static void try_exclusive(const struct scratch *s)
{
	int first = make_file(s, "once", "1"), again = make_file(s, "once", "2");
	bool works = first >= 0 && again == -EEXIST;
	struct doctor_finding *f = doctor_add(s->d, DOCTOR_FILES, "exclusive create", DOCTOR_OK, "%s",
		works ? "works" : first < 0 ? strerror(-first) : "a file was made twice");

	if (!works)
		doctor_advise(f, DOCTOR_PROBLEM, "two starts with one id could both win: use another file system");
	close_file(s, first);
	close_file(s, again);
}

static bool holds(const struct scratch *s, const char *name, char wanted)
{
	char c = 0;
	int fd = s->os->open(s->os->self, s->dir, name, OS_READ, 0);
	ssize_t n = fd < 0 ? fd : s->os->pread(s->os->self, fd, &c, 1, 0);

	close_file(s, fd);
	return n == 1 && c == wanted;
}

static void try_rename(const struct scratch *s)
{
	struct os_stat st;
	int old = make_file(s, "old", "o"), new = make_file(s, "new", "n");
	int rc = old < 0 ? old : new < 0 ? new : s->os->rename(s->os->self, s->dir, "new", s->dir, "old");
	bool works = rc >= 0 && holds(s, "old", 'n') && s->os->stat(s->os->self, s->dir, "new", &st) == -ENOENT;
	struct doctor_finding *f = doctor_add(s->d, DOCTOR_FILES, "rename over", DOCTOR_OK, "%s", works ? "works" :
		rc < 0 ? strerror(-rc) : "the old file is still there");

	if (!works)
		doctor_advise(f, DOCTOR_PROBLEM, "files cannot be replaced as a whole: use another file system");
	close_file(s, old);
	close_file(s, new);
}

static void try_link(const struct scratch *s)
{
	char target[16];
	int rc = s->os->symlink(s->os->self, "there", s->dir, "link");
	bool works = rc >= 0 && s->os->readlink(s->os->self, s->dir, "link", target, sizeof(target)) == 5;
	struct doctor_finding *f = doctor_add(s->d, DOCTOR_FILES, "symbolic links", DOCTOR_OK, "%s", works ? "work" :
		rc < 0 ? strerror(-rc) : "are read back wrong");

	if (!works)
		doctor_advise(f, DOCTOR_PROBLEM, "the queue of outside workers is made of them: use another file "
			"system");
}

/* Of two descriptors of one process flock tells apart what it would of two processes. */
static void try_lock(const struct scratch *s)
{
	int fd = make_file(s, "lock", "l"), other = s->os->open(s->os->self, s->dir, "lock", OS_READ | OS_WRITE, 0);
	int rc = fd < 0 ? fd : other < 0 ? other : s->os->lock(s->os->self, fd);
	int second = rc < 0 ? rc : s->os->lock(s->os->self, other);
	bool works = rc >= 0 && (second == -EWOULDBLOCK || second == -EAGAIN);
	struct doctor_finding *f = doctor_add(s->d, DOCTOR_FILES, "locks", DOCTOR_OK, "%s", works ? "flock works" :
		rc < 0 ? strerror(-rc) : "flock was granted twice");

	if (!works)
		doctor_advise(f, DOCTOR_PROBLEM, "two runtimes could use the hub at once: use another file system");
	close_file(s, fd);
	close_file(s, other);
}

/* ---- leases: how it is known that nobody writes to an event file any more ---- */

/* Only a file's owner gets one, or who has CAP_LEASE. */
static bool may_lease_any(const struct doctor *d, const char **whose)
{
	char caps[24] = "";
	unsigned long long bits = 0;
	char *text;

	*whose = doctor_read_process(d, "status", &text);
	if (text && doctor_field(text, "CapEff", caps, sizeof(caps)) && sscanf(caps, "%llx", &bits) == 1)
		(void)0;
	free(text);
	return !caps[0] || (bits >> CAP_LEASE & 1);
}

static enum os_lease lease_once(const struct scratch *s, int fd)
{
	enum os_lease lease = fd < 0 ? OS_LEASE_UNKNOWN : s->os->lease(s->os->self, fd);

	if (lease == OS_LEASE_GRANTED)
		s->os->unlease(s->os->self, fd);
	return lease;
}

static void try_lease(const struct scratch *s)
{
	const struct os *os = s->os;
	const char *whose;
	int writer = make_file(s, "lease", "x"), reader = os->open(os->self, s->dir, "lease", OS_READ, 0);
	enum os_lease beside = lease_once(s, reader);

	close_file(s, writer);
	enum os_lease alone = lease_once(s, reader);
	close_file(s, reader);
	bool works = beside == OS_LEASE_WRITER && alone == OS_LEASE_GRANTED, unknown = beside == OS_LEASE_UNKNOWN ||
		alone == OS_LEASE_UNKNOWN;
	struct doctor_finding *f = doctor_add(s->d, DOCTOR_FILES, "leases", DOCTOR_OK, "%s", works ? "work" : unknown ?
		"none on this file system" :
		beside == OS_LEASE_GRANTED ? "granted although a writer has the file open" :
			"refused although nobody has the file open");
	if (unknown)
		doctor_advise(f, DOCTOR_NOTE, "a dropped event is taken when it was unchanged in two looks 2 s apart: "
			"write it under another name and rename it, and it is whole");
	else if (!works)
		doctor_advise(f, DOCTOR_WARNING, "half-written event files may be taken: write them under another "
			"name and rename them");
	else if (!may_lease_any(s->d, &whose))
		doctor_advise(f, DOCTOR_NOTE, "%s has no CAP_LEASE: event files that other users drop are taken 2 s "
			"later, when they were unchanged", whose);
}

/* ---- notification and times ---- */

static int note_name(void *arg, int number, uint32_t mask, const char *name)
{
	bool *seen = arg;

	(void)number;
	*seen |= (mask & OS_WATCH_CREATE) && strcmp(name, "seen") == 0;
	return 0;
}

static void try_notification(const struct scratch *s)
{
	const struct os *os = s->os;
	bool seen = false;
	int watch = os->watch_open(os->self), rc = watch < 0 ? watch : os->watch_add(os->self, watch, s->dir, ".",
		OS_WATCH_CREATE | OS_WATCH_CLOSE_WRITE);
	int fd = rc < 0 ? -1 : make_file(s, "seen", "s");

	if (fd >= 0)
		(void)os->watch_read(os->self, watch, note_name, &seen);
	close_file(s, fd);
	close_file(s, watch);
	struct doctor_finding *f = doctor_add(s->d, DOCTOR_FILES, "notification", DOCTOR_OK, "%s", seen ?
		"inotify works" :
		rc == -EMFILE ? "no inotify instance is left" : rc == -ENOSPC ? "no inotify watch is left" : rc < 0 ?
			strerror(-rc) : "inotify tells nothing here");
	if (!seen)
		doctor_advise(f, DOCTOR_WARNING, rc == -EMFILE || rc == -ENOSPC ?
			"raise fs.inotify.max_user_instances and max_user_watches; until then events are found by the "
			"rescan only (drops.rescan)"
			: "events are found by the rescan only (drops.rescan): lower it, or use a local file system");
}

static void try_times(const struct scratch *s)
{
	struct os_stat st;
	bool fine = false;
	int64_t skew = 0;

	for (int i = 0; i < 2; i++) {
		int fd = make_file(s, i ? "time2" : "time1", "t");
		int rc = fd < 0 ? fd : s->os->stat_fd(s->os->self, fd, &st);
		close_file(s, fd);
		if (rc < 0)
			return;
		skew = st.mtime_ns - s->os->real_ns(s->os->self);
		fine |= st.mtime_ns % 1000000000 != 0;
	}
	struct doctor_finding *f = doctor_add(s->d, DOCTOR_FILES, "file times", DOCTOR_OK, "%s, %lld ms from our clock",
		fine ? "finer than a second" : "whole seconds",
		(long long)((skew < 0 ? -skew : skew) / 1000000));
	if (skew > SKEW_NS || skew < -SKEW_NS)
		doctor_advise(f, DOCTOR_WARNING, "the file server has another clock: heartbeats and ages of files are "
			"judged wrongly; use NTP on both, or a local file system");
	else if (!fine)
		doctor_advise(f, DOCTOR_NOTE, "two changes within a second look like one: heartbeats shorter than "
			"some seconds are not seen");
}

/* ---- the whole ---- */

/* One that was killed has left its own. */
static int remove_stale(void *arg, const char *name)
{
	const struct scratch *s = arg;
	struct os_process_id who;
	int32_t pid = (int32_t)strtol(strncmp(name, SCRATCH, strlen(SCRATCH)) == 0 ? name + strlen(SCRATCH) : "", NULL,
		10);

	if (pid > 0 && (strcmp(name, s->name) == 0 || s->os->process_id(s->os->self, pid, &who) == -ESRCH))
		(void)os_remove_tree(s->os, s->d->dir, name, 1);
	return 0;
}

static bool open_scratch(struct scratch *s)
{
	struct doctor *d = s->d;
	struct os_process_id self = { .pid = 1 };

	(void)s->os->self_id(s->os->self, &self);
	snprintf(s->name, sizeof(s->name), SCRATCH "%d", (int)self.pid);
	(void)s->os->list(s->os->self, d->dir, ".", remove_stale, s);
	int rc = s->os->mkdir(s->os->self, d->dir, s->name, 0700);
	if (rc >= 0)
		rc = s->dir = s->os->open(s->os->self, d->dir, s->name, OS_READ | OS_DIRECTORY, 0);
	if (rc >= 0)
		return true;
	if (rc == -EACCES || rc == -EPERM || rc == -EROFS) {
		(void)doctor_add(d, DOCTOR_FILES, "files", DOCTOR_NOTE,
			"not tried: '%s' %s", d->dir_path, rc == -EROFS ? "is read-only" : "cannot be written to by this user");
	} else {
		struct doctor_finding *f = doctor_add(d, DOCTOR_FILES, "files", DOCTOR_PROBLEM,
			"cannot make a directory in '%s': %s", d->dir_path, strerror(-rc));
		doctor_advise(f, DOCTOR_PROBLEM, "the runtime cannot work like this: free space and inodes, or mend "
			"the file system");
	}
	(void)s->os->rmdir(s->os->self, d->dir, s->name);
	return false;
}

void doctor_files(struct doctor *d)
{
	struct scratch s = { .d = d, .os = d->os, .dir = -1 };

	if (!open_scratch(&s))
		return;
	try_exclusive(&s);
	try_rename(&s);
	try_link(&s);
	try_lock(&s);
	try_lease(&s);
	try_notification(&s);
	try_times(&s);
	try_dir_sync(&s);
	s.os->close(s.os->self, s.dir);
	(void)os_remove_tree(s.os, d->dir, s.name, 1);
}
