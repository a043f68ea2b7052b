/*
 * doctor.h - what pawl needs of a machine and a directory, asked of both: the probes of `pawl doctor`.
 *
 * A probe looks at one thing and adds findings: a verdict, what it saw, and what to do, in a sentence. It works through
 * os.h, so that tests put a simulated kernel under it; what no file of the kernel tells is in struct doctor_machine,
 * which the caller fills. Nothing here writes but files.c and flush.c, in a scratch place in the hub's directory that
 * is gone when they return.
 *
 *	storage.c   the file system, its mount options, the medium under it (os/mount.h, medium.c), space
 *	wear.c      how worn the medium says it is, and what was written to it
 *	flush.c     how long a flush takes, and whether that can be true
 *	files.c     leases, locks, renames, notification: what pawl is built on, tried
 *	kernel.c    limits of the kernel and the process, /proc
 *	clock.c     clocks
 *	hub.c       owner, rights and contents of a hub
 */
#ifndef DOCTOR_DOCTOR_H
#define DOCTOR_DOCTOR_H

#include "base/buf.h"
#include "base/error.h"
#include "os/mount.h"
#include "os/os.h"
#include "runtime/config.h"
#include <pawl/provider.h>

#define DOCTOR_FINDINGS_MAX 64
#define DOCTOR_TEXT_SIZE 240
#define DOCTOR_PATH_SIZE 512

enum doctor_verdict { DOCTOR_OK, DOCTOR_NOTE, DOCTOR_WARNING, DOCTOR_PROBLEM };
enum doctor_group { DOCTOR_STORAGE, DOCTOR_FILES, DOCTOR_KERNEL, DOCTOR_CLOCKS, DOCTOR_HUB, DOCTOR_GROUPS };

struct doctor_finding {
	const char *check; /* what was looked at; the same words for the same thing, for scripts */
	enum doctor_group group;
	enum doctor_verdict verdict;
	bool is_damage; /* of the hub's data */
	char value[DOCTOR_TEXT_SIZE], advice[DOCTOR_TEXT_SIZE]; /* advice "" when there is none */
	struct buf numbers; /* what was measured: JSON members, each behind a comma */
};

/* What no file tells. */
struct doctor_machine {
	int synchronised;       /* the wall clock, by NTP or such: 1, 0, -1 nobody knows */
	int64_t awake_ns;       /* CLOCK_MONOTONIC */
	uint64_t pid_namespace; /* inode of it, 0 unknown */
	char shim[DOCTOR_PATH_SIZE]; /* where pawl-shim is, "" when it was not found: */
	char shim_error[DOCTOR_TEXT_SIZE];
};

enum doctor_medium_kind {
	MEDIUM_UNKNOWN, MEDIUM_DISK, MEDIUM_SSD, MEDIUM_CARD /* eMMC, SD */, MEDIUM_RAW_FLASH, MEDIUM_VIRTUAL, MEDIUM_FILE /* loop */,
	MEDIUM_MEMORY,
};

/* What the hub's directory is on. */
struct doctor_medium {
	enum doctor_medium_kind kind;
	char name[64];     /* "sda2" */
	char model[64];
	int write_back;    /* has a cache that must be flushed, the kernel believes: 1, 0, -1 cannot tell */
};

struct doctor {
	const struct os *os;
	const char *path;          /* where the hub is or would be */
	const struct config *config;
	const struct doctor_machine *machine;
	struct pawl_provider *provider; /* the open hub, read only; NULL when there is none, and then: */
	struct pawl_error hub_error;    /* code 0: nothing is there yet */
	void (*pause)(void *arg, unsigned ms); /* sleep, before a second look beside a runtime; NULL: no sleep */

	int dir;                   /* of path, or of the nearest directory above it that is there; -1 */
	char dir_path[DOCTOR_PATH_SIZE];
	bool is_hub_dir;           /* dir is path itself */
	int32_t runtime;           /* pid of the live runtime, 0 = none */
	uint64_t instances;        /* live ones, once the hub was looked at */
	struct os_fs_info fs;
	struct os_mount mount;
	struct doctor_medium medium;

	struct doctor_finding findings[DOCTOR_FINDINGS_MAX];
	size_t count;
};

/* All probes. The caller has filled the first block. Findings stand in the order in which they were made. */
void doctor_run(struct doctor *d);
void doctor_release(struct doctor *d);
enum doctor_verdict doctor_worst(const struct doctor *d);
bool doctor_found_damage(const struct doctor *d);
const char *doctor_verdict_name(enum doctor_verdict verdict);
const char *doctor_group_name(enum doctor_group group);

/* ---- for probes ---- */

struct doctor_finding *doctor_add(struct doctor *d, enum doctor_group group, const char *check, enum doctor_verdict verdict,
	const char *fmt, ...) PAWL_PRINTF(5, 6);
/* Worse, and why: the verdict never gets better. */
void doctor_advise(struct doctor_finding *f, enum doctor_verdict verdict, const char *fmt, ...) PAWL_PRINTF(3, 4);
void doctor_number(struct doctor_finding *f, const char *key, uint64_t n);
/* A number at the start of a file of the kernel; false when there is none. */
bool doctor_read_number(const struct doctor *d, const char *path, uint64_t *n);
/* The first line of one, "" when it cannot be read. */
void doctor_read_line(const struct doctor *d, const char *path, char *out, size_t size);
/* All of one that may be long: malloc'd, NULL when it cannot be read. */
char *doctor_read_text(const struct doctor *d, const char *path);
/* Of the runtime when it lives and lets us look, else our own: "/proc/PID/NAME". Returns whose it is, for people. */
const char *doctor_read_process(const struct doctor *d, const char *name, char **text);
/* The value of a line "NAME:  VALUE" in such a text; false when it is not there. */
bool doctor_field(const char *text, const char *name, char *out, size_t size);

void doctor_storage(struct doctor *d);
void doctor_wear(struct doctor *d);
void doctor_flush(struct doctor *d);
void doctor_files(struct doctor *d);
void doctor_kernel(struct doctor *d);
void doctor_clocks(struct doctor *d);
void doctor_hub(struct doctor *d);
void doctor_space(struct doctor *d);

void medium_find(const struct doctor *d, const struct os_mount *mount, struct doctor_medium *medium);
const char *medium_kind_name(enum doctor_medium_kind kind);
/* Where /sys has the device of the file system, or (lowest) what lies under it; false when it has none. */
bool medium_directory(const struct doctor *d, const struct os_mount *mount, bool lowest, char *base, size_t size);
/* What `name` of the disk says, "" when nothing: for a partition it stands in the directory above. */
void medium_read(const struct doctor *d, const char *base, const char *name, char *out, size_t size);

/* What the kernel and the medium say of its wear; what they do not say is 0. */
struct doctor_wear {
	bool counted;
	uint64_t written_bytes, flushes; /* since boot, of this file system's device: by all programs */
	uint64_t life_bytes;       /* written in the life of the file system (ext4, f2fs) */
	unsigned life_a, life_b;   /* eMMC, of its two kinds of memory: 1 is up to 10 % used ... 10 up to 100 %, 11 more */
	unsigned pre_eol;          /* eMMC: 1 normal, 2 80 % of the spare blocks are used, 3 90 % */
	bool is_ubi;
	uint64_t erases_max, bad_blocks; /* UBI: of the block erased most often */
};
void wear_find(const struct doctor *d, struct doctor_wear *wear);
/* What to do about it, NULL when nothing; *verdict gets worse with it. */
const char *wear_advice(const struct doctor_wear *wear, enum doctor_verdict *verdict);

#endif
