/* hub.c - a hub: who owns it, who may write where, and how its instances are. */
#include "doctor/doctor.h"
#include "base/parts.h"
#include "providers/fs/fsck.h"
#include <errno.h>
#include <stdlib.h>

struct counts {
	struct doctor *d;
	uint64_t live, ended, damaged, parked, deferred, rejected, torn, work, dead, journal_bytes;
	char first_damaged[160], first_parked[160];
};

/*
 * What could not be looked at. Another user than the hub's is told that by the check of the rights; for the hub's own it
 * is what the runtime would meet.
 */
static void cannot_tell(struct doctor *d, const char *check, bool denied, const char *why)
{
	struct doctor_finding *f = doctor_add(d, DOCTOR_HUB, check, DOCTOR_NOTE, "cannot tell: %s", why);
	uint32_t uid = d->os->uid(d->os->self);
	struct os_stat st;
	bool ours = uid == 0 || (d->dir >= 0 && d->os->stat_fd(d->os->self, d->dir, &st) == 0 && st.uid == uid);

	if (denied && ours)
		doctor_advise(f, DOCTOR_PROBLEM, "give the hub's user the right to read and write all of it: chown -R, chmod -R u+rwX");
	else if (!denied)
		doctor_advise(f, DOCTOR_WARNING, "run pawl fsck, and look into the kernel's log");
}

/* ---- rights ---- */

struct place {
	const char *name;
	unsigned forbidden; /* bits that nobody else may have */
	enum doctor_verdict verdict;
	const char *advice;
};

static const struct place places[] = {
	{ ".", 0002, DOCTOR_PROBLEM, "everybody can replace parts of the hub" },
	{ "control", 0077, DOCTOR_WARNING, "others can end or purge instances" },
	{ "journal", 0022, DOCTOR_PROBLEM, "others can change what was committed" },
	{ "instances", 0002, DOCTOR_PROBLEM, "everybody can change what was committed" },
	{ "archive", 0002, DOCTOR_PROBLEM, "everybody can change what was committed" },
	{ "inbox", 0002, DOCTOR_NOTE,
		"everybody can start instances and raise events: better a group of those who may" },
};

/* A group that was let in by the configuration (access.control_group) has a directory that is set-group-ID and sticky. */
static uint32_t forbidden_in(const struct place *p, const struct os_stat *st)
{
	return (st->mode & 03000) == 03000 ? p->forbidden & 0007 : p->forbidden;
}

static void look_at_place(struct doctor *d, const struct place *p, uint32_t owner, bool *fine)
{
	struct os_stat st;
	struct doctor_finding *f;
	int rc = d->os->stat(d->os->self, d->dir, p->name, &st);
	const char *name = strcmp(p->name, ".") == 0 ? "the hub" : p->name;

	if (rc < 0) {
		f = doctor_add(d, DOCTOR_HUB, "rights", DOCTOR_WARNING, "%s: %s", name, strerror(-rc));
		doctor_advise(f, DOCTOR_WARNING, "the next start of the runtime makes it when it is missing");
		*fine = false;
	} else if (st.mode & forbidden_in(p, &st)) {
		f = doctor_add(d, DOCTOR_HUB, "rights", DOCTOR_OK, "%s has mode %04o", name,
			(unsigned)(st.mode & 07777));
		doctor_advise(f, p->verdict, "%s: chmod %04o", p->advice, (unsigned)(st.mode & 07777 & ~forbidden_in(p, &st)));
		*fine = false;
	} else if (st.uid != owner) {
		f = doctor_add(d, DOCTOR_HUB, "rights", DOCTOR_OK, "%s belongs to uid %u, the hub to uid %u", name,
			st.uid, owner);
		doctor_advise(f, DOCTOR_WARNING, "give all of the hub to the user of the runtime: chown -R");
		*fine = false;
	}
}

static void look_at_rights(struct doctor *d)
{
	struct os_stat st;
	bool fine = true;
	uint32_t uid = d->os->uid(d->os->self);

	if (d->os->stat_fd(d->os->self, d->dir, &st) < 0)
		return;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		look_at_place(d, &places[i], st.uid, &fine);
	if (!fine)
		return;
	struct doctor_finding *f = doctor_add(d, DOCTOR_HUB, "rights", DOCTOR_OK, "uid %u owns all of it, mode %04o",
		st.uid, (unsigned)(st.mode & 07777));
	if (uid != st.uid && uid != 0)
		doctor_advise(f, DOCTOR_NOTE, "you are uid %u: what only its owner may see was not looked at; run "
			"this as the runtime's user", uid);
}

/* ---- owner ---- */

static void look_at_owner(struct doctor *d)
{
	char boot[OS_BOOT_ID_SIZE] = "";
	char *text = NULL;
	size_t len = 0;
	int rc = os_read_file(d->os, d->dir, "LOCK", 4096, &text, &len);
	bool clean = text && strstr(text, "\nclean"), doubt = text && strstr(text, "\ndoubt");
	bool here = text && d->os->boot_id(d->os->self, boot) >= 0 && strstr(text, boot);
	struct doctor_finding *f;

	free(text);
	if (rc < 0 && rc != -ENOENT) {
		char why[120];
		snprintf(why, sizeof(why), "LOCK: %s", strerror(-rc));
		cannot_tell(d, "runtime", rc == -EACCES || rc == -EPERM, why);
		return;
	}
	if (rc == -ENOENT)
		f = doctor_add(d, DOCTOR_HUB, "runtime", DOCTOR_OK, "none has ever run");
	else if (d->runtime)
		f = doctor_add(d, DOCTOR_HUB, "runtime", DOCTOR_OK, "pid %d runs it", (int)d->runtime);
	else
		f = doctor_add(d, DOCTOR_HUB, "runtime", clean ? DOCTOR_OK : DOCTOR_NOTE, "none; the last one %s",
			clean ? "stopped well" : "was killed, or the power went");
	if (rc >= 0 && !d->runtime && !clean)
		doctor_advise(f, DOCTOR_NOTE, "nothing to do: the next start recovers");
	if (doubt && here)
		doctor_advise(f, DOCTOR_PROBLEM, "a sync has failed since this boot: look into the kernel's log; the "
			"medium may be failing");
}

/* ---- instances ---- */

static void note_instance(struct counts *n, const char *id, const char *note, bool damaged)
{
	if (damaged && n->damaged++ == 0)
		snprintf(n->first_damaged, sizeof(n->first_damaged), "%s", id);
	else if (!damaged && strncmp(note, "deferred: ", 10) == 0)
		n->deferred++;
	else if (!damaged && n->parked++ == 0)
		snprintf(n->first_parked, sizeof(n->first_parked), "%s", id);
}

static int count_rejected(void *arg, const char *name)
{
	struct counts *n = arg;
	size_t len = strlen(name);

	n->rejected += len < 4 || strcmp(name + len - 4, ".why") != 0;
	return 0;
}

/* On a full disk there was no room for the directory .rejected. */
static int count_event(void *arg, const char *name)
{
	return strncmp(name, ".rejected-", 10) == 0 ? count_rejected(arg, name) : 0;
}

static int count_file(void *arg, const char *name)
{
	struct counts *n = arg;
	size_t len = strlen(name);

	n->torn += len > 13 && strcmp(name + len - 13, ".history.torn") == 0;
	return 0;
}

static int count_live(void *arg, const char *id)
{
	struct counts *n = arg;
	struct doctor *d = n->d;
	bool damaged = false;
	char path[192], *note = d->provider->ops->read_note(d->provider, id, &damaged);

	n->live++;
	if (note || damaged)
		note_instance(n, id, note ? note : "", damaged);
	free(note);
	snprintf(path, sizeof(path), "instances/%s", id);
	(void)d->os->list(d->os->self, d->dir, path, count_file, n);
	snprintf(path, sizeof(path), "instances/%s/events", id);
	(void)d->os->list(d->os->self, d->dir, path, count_event, n);
	snprintf(path, sizeof(path), "instances/%s/events/.rejected", id);
	(void)d->os->list(d->os->self, d->dir, path, count_rejected, n);
	return 0;
}

static int count_ended(void *arg, const char *id)
{
	struct counts *n = arg;

	(void)id;
	n->ended++;
	return 0;
}

/* False: they could not be looked at. */
static bool look_at_instances(struct doctor *d, struct counts *n)
{
	int rc = d->provider->ops->scan(d->provider, false, count_live, n, &d->hub_error);
	struct doctor_finding *f;

	if (rc == 0)
		rc = d->provider->ops->scan(d->provider, true, count_ended, n, &d->hub_error);
	d->instances = n->live;
	if (rc < 0) {
		cannot_tell(d, "instances", rc == PAWL_EPERM, d->hub_error.text);
		d->findings[d->count - 1].is_damage = rc == PAWL_ECORRUPT;
		return false;
	}
	f = doctor_add(d, DOCTOR_HUB, "instances", DOCTOR_OK,
		"%llu live (%llu parked, %llu deferred, %llu damaged), %llu ended", (unsigned long long)n->live,
		(unsigned long long)n->parked, (unsigned long long)n->deferred, (unsigned long long)n->damaged,
			(unsigned long long)n->ended);
	doctor_number(f, "live", n->live);
	doctor_number(f, "parked", n->parked);
	doctor_number(f, "deferred", n->deferred);
	doctor_number(f, "damaged", n->damaged);
	doctor_number(f, "ended", n->ended);
	f->is_damage = n->damaged > 0;
	if (n->damaged)
		doctor_advise(f, DOCTOR_PROBLEM, "'%s' and perhaps others are set aside: pawl status tells why, pawl "
			"list -s Damaged which", n->first_damaged);
	else if (n->parked)
		doctor_advise(f, DOCTOR_NOTE, "'%s' and perhaps others wait for the code that fits: pawl status tells "
			"why, pawl list -s Parked which", n->first_parked);
	if (n->live >= d->config->limits.instances_max)
		doctor_advise(f, DOCTOR_WARNING, "limits.instances_max is reached: no more can start");
	return true;
}

static void look_at_leftovers(struct doctor *d, struct counts *n)
{
	struct doctor_finding *f;

	(void)d->os->list(d->os->self, d->dir, "inbox", count_event, n);
	(void)d->os->list(d->os->self, d->dir, "inbox/.rejected", count_rejected, n);
	(void)d->os->list(d->os->self, d->dir, "control/.rejected", count_rejected, n);
	f = doctor_add(d, DOCTOR_HUB, "rejected events", DOCTOR_OK, "%llu", (unsigned long long)n->rejected);
	doctor_number(f, "rejected", n->rejected);
	if (n->rejected)
		doctor_advise(f, DOCTOR_NOTE, "the files in .rejected say why in NAME.why: correct and drop them "
			"again, or remove them");
	f = doctor_add(d, DOCTOR_HUB, "torn ends", DOCTOR_OK, "%llu", (unsigned long long)n->torn);
	doctor_number(f, "torn", n->torn);
	if (n->torn)
		doctor_advise(f, DOCTOR_OK, "power cuts cut them off, which is harmless; the files E.history.torn may "
			"be removed");
}

/* ---- queue and journal ---- */

static int count_work(void *arg, const struct pawl_work_status *s)
{
	struct counts *n = arg;

	(void)s;
	n->work++;
	return 0;
}

static int count_dead(void *arg, const struct pawl_dead_letter *letter)
{
	struct counts *n = arg;

	(void)letter;
	n->dead++;
	return 0;
}

static void look_at_queue(struct doctor *d, struct counts *n)
{
	struct pawl_error err;
	struct doctor_finding *f;

	if (d->provider->ops->each_work(d->provider, true, NULL, count_work, n, &err) < 0 ||
		d->provider->ops->each_dead(d->provider, count_dead, n, &err) < 0) {
		cannot_tell(d, "queue", err.code == PAWL_EPERM, err.text);
		return;
	}
	f = doctor_add(d, DOCTOR_HUB, "queue", DOCTOR_OK, "%llu items for outside workers, %llu dead letters",
		(unsigned long long)n->work, (unsigned long long)n->dead);
	doctor_number(f, "items", n->work);
	doctor_number(f, "dead_letters", n->dead);
	if (n->dead)
		doctor_advise(f, DOCTOR_NOTE, "pawl queue ls --dead shows what was given up, pawl queue requeue tries "
			"it again");
}

static int add_segment(void *arg, const char *name)
{
	struct counts *n = arg;
	struct os_stat st;
	char path[128];

	snprintf(path, sizeof(path), "journal/%.100s", name);
	if (n->d->os->stat(n->d->os->self, n->d->dir, path, &st) >= 0)
		n->journal_bytes += st.size;
	return 0;
}

static void look_at_journal(struct doctor *d, struct counts *n)
{
	const struct config *c = d->config;
	int rc = d->os->list(d->os->self, d->dir, "journal", add_segment, n);
	struct doctor_finding *f;

	if (rc < 0) {
		cannot_tell(d, "journal", rc == -EACCES || rc == -EPERM, strerror(-rc));
		return;
	}
	f = doctor_add(d, DOCTOR_HUB, "journal", DOCTOR_OK, "%llu KiB", (unsigned long long)(n->journal_bytes >> 10));
	doctor_number(f, "bytes", n->journal_bytes);
	if (n->journal_bytes > 2 * c->journal.segment_bytes * c->journal.segments)
		doctor_advise(f, DOCTOR_NOTE, "it is larger than journal.segment_bytes and journal.segments say: "
			"maintenance frees it while the runtime is idle");
}

/* ---- the data ---- */

#if PAWL_WITH_FS && PAWL_WITH_FSCK
static int keep_first(void *arg, const struct fsck_finding *finding)
{
	char *first = arg;

	if (!first[0] && finding->severity != FSCK_NOTE)
		snprintf(first, DOCTOR_PATH_SIZE, "%s", finding->file);
	return 0;
}

static void look_at_data(struct doctor *d)
{
	char first[DOCTOR_PATH_SIZE] = "";
	struct fsck_options options = { .hub = d->path, .os = d->os, .pause = d->pause, .each = keep_first,
		.arg = first };
	struct fsck_summary s;
	struct pawl_error err;
	struct doctor_finding *f;

	if (fsck_run(&options, &s, &err) < 0) {
		cannot_tell(d, "data", err.code == PAWL_EPERM, err.text);
		return;
	}
	f = doctor_add(d, DOCTOR_HUB, "data", DOCTOR_OK, "%u histories, %llu lines, %u journal segments: %u damaged, "
		"%u warnings, %u notes",
		s.histories, (unsigned long long)s.lines, s.segments, s.damages, s.warnings, s.notes);
	doctor_number(f, "damages", s.damages);
	doctor_number(f, "warnings", s.warnings);
	doctor_number(f, "notes", s.notes);
	f->is_damage = s.damages > 0;
	if (s.damages)
		doctor_advise(f, DOCTOR_PROBLEM, "run pawl fsck: it tells what is wrong in '%.100s' and elsewhere, "
			"and what --repair would do", first);
	else if (s.warnings)
		doctor_advise(f, DOCTOR_WARNING, "run pawl fsck: it tells what is odd about '%.100s'", first);
}
#else
static void look_at_data(struct doctor *d)
{
	(void)d;
}
#endif

/* ---- the whole ---- */

static int first_name(void *arg, const char *name)
{
	if (name[0] == '.' || strcmp(name, "lost+found") == 0)
		return 0;
	snprintf(arg, DOCTOR_PATH_SIZE, "%s", name);
	return 1;
}

/* No FORMAT: no hub yet, or what is left of one. */
static bool was_hub(struct doctor *d)
{
	char name[DOCTOR_PATH_SIZE];

	return d->is_hub_dir && d->dir >= 0 && d->os->list(d->os->self, d->dir, "journal", first_name, name) > 0;
}

static void tell_none(struct doctor *d)
{
	char name[DOCTOR_PATH_SIZE] = "";
	struct doctor_finding *f = doctor_add(d, DOCTOR_HUB, "hub", DOCTOR_OK, "none in '%s' yet", d->path);

	if (d->is_hub_dir && d->dir >= 0 && d->os->list(d->os->self, d->dir, ".", first_name, name) > 0)
		doctor_advise(f, DOCTOR_NOTE, "it is not empty (it has '%.100s'), and pawl run makes a hub in an empty or new directory only: name another with -H",
			name);
	else
		doctor_advise(f, DOCTOR_OK, "pawl run makes it");
}

static void look_at_error(struct doctor *d)
{
	int code = d->hub_error.code;
	struct doctor_finding *f;
	bool left = code == PAWL_ENOTFOUND && was_hub(d);

	if (code == 0 || (code == PAWL_ENOTFOUND && !left)) {
		tell_none(d);
		return;
	}
	f = doctor_add(d, DOCTOR_HUB, "hub", DOCTOR_PROBLEM, "%s", d->hub_error.text);
	f->is_damage = code == PAWL_ECORRUPT || left;
	doctor_advise(f, DOCTOR_PROBLEM, code == PAWL_EPERM ? "run this as the user of the runtime, and see that the hub is his and he may read and write it" :
		code == PAWL_EUNSUPPORTED ? "use the pawl that wrote it" :
		f->is_damage ? "stop the runtime and run pawl fsck" : "no runtime can use it like this");
}

void doctor_hub(struct doctor *d)
{
	struct counts n = { .d = d };

	if (!d->provider || d->dir < 0 || !d->is_hub_dir) {
		look_at_error(d);
		return;
	}
	look_at_owner(d);
	look_at_rights(d);
	if (look_at_instances(d, &n))
		look_at_leftovers(d, &n);
	look_at_queue(d, &n);
	look_at_journal(d, &n);
	look_at_data(d);
}
