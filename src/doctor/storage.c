/* storage.c - the file system that the hub is on: its kind, how it is mounted, what is under it, what is free. */
#include "doctor/doctor.h"

#define INODES_LOW 1000

static bool is_fs(const struct doctor *d, const char *type)
{
	return strcmp(d->mount.known ? d->mount.type : d->fs.name, type) == 0;
}

/* ---- which file system ---- */

static void judge_kind(const struct doctor *d, struct doctor_finding *f)
{
	char why[256];
	enum os_lasting lasts = os_mount_lasts(d->os, d->dir, &d->mount, why, sizeof(why));

	if (lasts == OS_VOLATILE && d->fs.kind != OS_FS_TMPFS)
		doctor_advise(f, d->config->allow_volatile ? DOCTOR_WARNING : DOCTOR_PROBLEM,
			"this is %.100s, which forgets everything at power off: move the hub, or set allow_volatile: true", why);
	switch (d->fs.kind) {
	case OS_FS_TMPFS:
		doctor_advise(f, d->config->allow_volatile ? DOCTOR_WARNING : DOCTOR_PROBLEM,
			"it forgets everything at power off: move the hub to flash or disk, or set allow_volatile: "
				"true when nothing has to last");
		break;
	case OS_FS_OVERLAY:
		doctor_advise(f, DOCTOR_WARNING,
			"give the hub a mount of its own: on an overlay directories of a lower layer cannot be "
				"renamed, and what the upper layer lies on decides if anything lasts");
		break;
	case OS_FS_NETWORK:
		doctor_advise(f, DOCTOR_WARNING, "use a local file system: over a network locks, leases and "
			"notification may lie, and the server decides what a sync means");
		break;
	case OS_FS_FUSE:
		doctor_advise(f, DOCTOR_WARNING, "use a file system of the kernel: what a sync, a lock or a rename "
			"means is up to the program behind FUSE");
		break;
	case OS_FS_BTRFS:
		doctor_advise(f, DOCTOR_NOTE, "it writes several times as much for a commit as ext4, xfs or f2fs do: "
			"mind the wear of flash");
		break;
	case OS_FS_OTHER:
		doctor_advise(f, DOCTOR_WARNING, "pawl is tested on ext4, xfs, btrfs, f2fs and UBIFS: prefer one of "
			"them");
		break;
	case OS_FS_EXT4: case OS_FS_XFS: case OS_FS_F2FS: case OS_FS_UBIFS:
		break;
	}
}

static void look_at_kind(struct doctor *d)
{
	const struct os_mount *m = &d->mount;
	struct doctor_finding *f = doctor_add(d, DOCTOR_STORAGE, "file system", DOCTOR_OK, "%s%s%s", m->known ?
		m->type : d->fs.name,
		m->known ? " on " : "", m->source);

	judge_kind(d, f);
	if (d->fs.read_only)
		doctor_advise(f, DOCTOR_PROBLEM, "it is read-only: remount it read-write (look into the kernel's log "
			"why it is so), or move the hub");
}

/* ---- how it is mounted ---- */

static const struct mount_rule {
	const char *option, *value; /* value NULL: any */
	const char *fs;             /* NULL: of any */
	enum doctor_verdict verdict;
	const char *advice;
} rules[] = {
	{ "nobarrier", NULL, NULL, DOCTOR_PROBLEM, "mount without it: syncs do not reach the medium, so a power cut "
		"takes back what was acknowledged, and may break the file system" },
	{ "barrier=", "0", NULL, DOCTOR_PROBLEM, "mount with barrier=1: syncs do not reach the medium, so a power cut "
		"takes back what was acknowledged" },
	{ "fsync_mode=", "nobarrier", NULL, DOCTOR_PROBLEM,
		"mount with fsync_mode=posix: syncs do not reach the medium" },
	{ "volatile", NULL, "overlay", DOCTOR_PROBLEM, "mount the overlay without it: it ignores every sync" },
	{ "data=", "writeback", NULL, DOCTOR_WARNING, "mount with data=ordered: after a power cut files of others "
		"that were not synced, such as events, may have old bytes of the disk in them" },
	{ "data=", "journal", NULL, DOCTOR_NOTE, "mount with data=ordered: everything is written twice, and pawl has "
		"a journal of its own" },
	{ "sync", NULL, NULL, DOCTOR_NOTE, "mount without it: every write waits for the medium, pawl syncs what has "
		"to be" },
	{ "dirsync", NULL, NULL, DOCTOR_NOTE, "mount without it: every change of a name waits for the medium, pawl "
		"syncs what has to be" },
	{ "strictatime", NULL, NULL, DOCTOR_NOTE, "mount with noatime: each read of a file writes to the medium" },
	{ "async", NULL, "nfs", DOCTOR_WARNING, "see that the server exports it with sync" },
};

static void look_at_options(struct doctor *d)
{
	const struct os_mount *m = &d->mount;
	char value[32];

	if (!m->known) {
		(void)doctor_add(d, DOCTOR_STORAGE, "mount options", DOCTOR_NOTE,
			"cannot tell: /proc/self/mountinfo does not say");
		return;
	}
	struct doctor_finding *f = doctor_add(d, DOCTOR_STORAGE, "mount options", DOCTOR_OK, "%.200s", m->options);
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		const struct mount_rule *r = &rules[i];
		if (os_mount_has(m, r->option, value, sizeof(value)) && (!r->value || strcmp(value, r->value) == 0) &&
			(!r->fs || is_fs(d, r->fs)))
			doctor_advise(f, r->verdict, "%s%s: %s", r->option, r->value ? r->value : "", r->advice);
	}
	if (f->verdict == DOCTOR_OK && d->medium.kind != MEDIUM_MEMORY && !os_mount_has(m, "noatime", NULL, 0))
		doctor_advise(f, DOCTOR_OK, "noatime saves some writes to the medium");
}

/* ---- what is under it ---- */

static void look_at_medium(struct doctor *d)
{
	const struct doctor_medium *m = &d->medium;
	const char *cache = m->write_back < 0 ? "" : m->write_back ? ", write cache: write back" :
		", write cache: write through";
	struct doctor_finding *f = doctor_add(d, DOCTOR_STORAGE, "medium", DOCTOR_OK, "%s%s%s%s%s%s",
		medium_kind_name(m->kind), m->name[0] ? ", " : "",
		m->name, m->model[0] ? ", " : "", m->model, cache);

	if (m->kind == MEDIUM_MEMORY && d->fs.kind != OS_FS_TMPFS)
		doctor_advise(f, DOCTOR_PROBLEM, "'%s' is memory: it forgets everything at power off", m->name);
	else if (m->kind == MEDIUM_VIRTUAL)
		doctor_advise(f, DOCTOR_NOTE, "what a flush means is up to the host: see that its disk is not "
			"attached with a cache that ignores flushes");
	else if (m->kind == MEDIUM_FILE)
		doctor_advise(f, DOCTOR_NOTE, "what lasts is up to the file system that the file is on: run pawl "
			"doctor --dir there, too");
	else if (m->kind == MEDIUM_RAW_FLASH && strncmp(m->name, "mtdblock", 8) == 0)
		doctor_advise(f, DOCTOR_WARNING, "use UBI and UBIFS on raw flash: mtdblock rewrites whole erase "
			"blocks, which a power cut tears, and levels no wear");
	else if (m->kind == MEDIUM_DISK && m->write_back == 0)
		doctor_advise(f, DOCTOR_NOTE, "the kernel sends it no flushes: that is right only when the disk has "
			"no volatile cache of its own (hdparm -W)");
}

/* ---- space ---- */

static uint64_t largest(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void judge_bytes(const struct doctor *d, struct doctor_finding *f, uint64_t free_bytes)
{
	const struct config *c = d->config;
	uint64_t journal = c->journal.segment_bytes * c->journal.segments, wanted = largest(c->pressure.disk_min,
		c->retention.free_min);

	if (!d->provider && free_bytes < journal)
		doctor_advise(f, DOCTOR_PROBLEM, "the journal alone takes %llu bytes: free some, or make "
			"journal.segment_bytes smaller", (unsigned long long)journal);
	else if (free_bytes < c->journal.segment_bytes)
		doctor_advise(f, DOCTOR_PROBLEM, "less than a journal segment is free: free some (pawl purge, "
			"retention), or instances stall");
	else if (wanted && free_bytes < wanted)
		doctor_advise(f, DOCTOR_WARNING, "it is below %s (%llu bytes): free some",
			wanted == c->pressure.disk_min ? "pressure.disk_min" : "retention.free_min",
			(unsigned long long)wanted);
	else if (!c->pressure.disk_min && !c->retention.free_min && free_bytes < 2 * journal)
		doctor_advise(f, DOCTOR_WARNING, "little is left: set pressure.disk_min and retention, or free some");
}

static void judge_inodes(const struct doctor *d, struct doctor_finding *f, uint64_t free_inodes)
{
	uint64_t wanted = d->config->pressure.inodes_min;

	if (free_inodes < 64)
		doctor_advise(f, DOCTOR_PROBLEM, "an instance takes about four inodes: remove files, or purge "
			"instances that ended");
	else if (wanted ? free_inodes < wanted : free_inodes < INODES_LOW)
		doctor_advise(f, DOCTOR_WARNING, "an instance takes about four inodes: set retention, or free some%s",
			wanted ? " (it is below pressure.inodes_min)" : "");
}

void doctor_space(struct doctor *d)
{
	uint64_t bytes, inodes, total;
	int rc = d->os->path_space(d->os->self, d->dir_path, &bytes, &inodes, &total);
	struct doctor_finding *f;

	if (rc < 0) {
		(void)doctor_add(d, DOCTOR_STORAGE, "space", DOCTOR_NOTE, "cannot tell: %s", strerror(-rc));
		return;
	}
	f = doctor_add(d, DOCTOR_STORAGE, "space", DOCTOR_OK, "%llu MiB free", (unsigned long long)(bytes >> 20));
	doctor_number(f, "free_bytes", bytes);
	judge_bytes(d, f, bytes);
	if (!total)
		return; /* btrfs and others make them as they go */
	f = doctor_add(d, DOCTOR_STORAGE, "inodes", DOCTOR_OK, "%llu of %llu free", (unsigned long long)inodes,
		(unsigned long long)total);
	doctor_number(f, "free_inodes", inodes);
	doctor_number(f, "total_inodes", total);
	judge_inodes(d, f, inodes);
}

void doctor_storage(struct doctor *d)
{
	int rc = d->os->fs_info(d->os->self, d->dir, &d->fs);

	if (rc < 0) {
		(void)doctor_add(d, DOCTOR_STORAGE, "file system", DOCTOR_NOTE, "cannot tell: %s", strerror(-rc));
		d->fs = (struct os_fs_info){ .kind = OS_FS_OTHER };
	}
	os_mount_find(d->os, d->dir, &d->mount);
	medium_find(d, &d->mount, &d->medium);
	if (rc >= 0)
		look_at_kind(d);
	look_at_options(d);
	look_at_medium(d);
	doctor_wear(d);
	doctor_space(d);
}
