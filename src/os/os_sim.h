/*
 * os_sim.h - an operating system in memory that can lose power: the other side of the seam in os.h, for tests only.
 *
 * What the running system sees and what the disk would hold after a power cut are two things here. The rules:
 *
 *   data      A write or a change of size is un-synced until sync_data or sync of that file, or sync_fs. These make
 *             data and size durable, not the file's name.
 *   names     create, mkdir, rename, unlink, rmdir, symlink and hard links are operations on directory entries, un-synced until
 *             sync of a directory they touch, or sync_fs. A rename is one operation, kept or lost as a whole. Whoever
 *             is kept keeps the earlier un-synced ones on the same names (one name is one place on the disk).
 *             Syncing a file does not persist its name; a name that was kept whose file was never synced is a file of
 *             length zero. chmod and a link's target are durable at once. A change time that a rename or unlink has set is
 *             lost with it; those of writes stay.
 *   failed    A sync that fails marks what it should have written as clean: the next sync succeeds, the running system
 *   sync      goes on seeing the new bytes, the disk has the old ones (zeros where the file grew) for good. The same
 *             for the entries of a directory. The error is told once to every descriptor that was open then.
 *   stop      os_sim_stop_after: the power fails during the n-th mutating call. That call may have half an effect (what
 *             it did is un-synced; a sync did nothing yet), and everything answers -EIO until os_sim_power_cut.
 *   cut       os_sim_power_cut decides what of the un-synced state was on the disk and restarts there: no descriptor,
 *             lock, lease or watch is left, the boot id is new, boot_ns starts near zero, real_ns goes on (or is set).
 *             pids and start times are the same again. Faults that are armed stay so.
 *   kill      os_sim_kill: one process is gone with its descriptors and locks; the page cache stays. Its table answers
 *             -EIO until it is fetched anew; then it has the same pid and another start time.
 *   repeat    The same calls with the same seed give the same results, bit for bit.
 *
 * Everything runs as uid 0 with no permission checks. Running out of memory aborts. One mutex guards all of one sim;
 * callbacks run without it. A clone shares memory with its origin but no state.
 */
#ifndef OS_OS_SIM_H
#define OS_OS_SIM_H

#include <os/os.h>

#include <stdio.h>

struct os_sim;

#define OS_SIM_PROCESSES_MAX 16

struct os_sim *os_sim_new(uint64_t seed);
void os_sim_free(struct os_sim *sim); /* NULL is allowed */
/* All of it: files, un-synced operations, descriptors, clocks, faults, random state. Costs some bytes an inode. */
struct os_sim *os_sim_clone(const struct os_sim *sim);

/* The table of process 0, or of one of OS_SIM_PROCESSES_MAX. Fetching it starts the process if it is not alive. */
const struct os *os_sim_os(struct os_sim *sim);
const struct os *os_sim_os_process(struct os_sim *sim, int process);
void os_sim_kill(struct os_sim *sim, int process);
/* Descriptors that a process has open: a leak check. */
unsigned os_sim_open_count(struct os_sim *sim, int process);
/* Calls with a descriptor that is not open, such as a double close. */
unsigned os_sim_bad_fd_count(struct os_sim *sim);

/* power */
enum os_sim_mode {
	OS_SIM_KEEP_ALL, /* everything reached the disk in time */
	OS_SIM_DROP_ALL, /* nothing that was not synced */
	OS_SIM_RANDOM,   /* POSIX's minimum: each on its own; writes kept, lost or torn; sizes without their data */
	OS_SIM_ORDERED,  /* a journalling file system: some first part of the entry operations; a sync commits those
	                  * before it (sync_data only when the size changed); data as in RANDOM */
};

struct os_sim_cut {
	enum os_sim_mode mode;
	uint64_t seed;         /* not 0: draw from here on from this seed (clones of one point, many outcomes) */
	uint32_t sector_bytes; /* a write tears at multiples of this; 0: 512 */
};

void os_sim_power_cut(struct os_sim *sim, const struct os_sim_cut *how);
/* Mutating operations so far: create, write, truncate, sync, rename, unlink, mkdir, rmdir, symlink, chmod. */
uint64_t os_sim_ops(struct os_sim *sim);
void os_sim_stop_after(struct os_sim *sim, uint64_t n); /* during the n-th from now; 0: never */
bool os_sim_is_off(struct os_sim *sim);

/* faults */
enum os_sim_op {
	OS_SIM_OP_OPEN = 1 << 0, /* open_root too */
	OS_SIM_OP_READ = 1 << 1,
	OS_SIM_OP_WRITE = 1 << 2, /* a part of the bytes may be written */
	OS_SIM_OP_TRUNCATE = 1 << 3,
	OS_SIM_OP_ALLOCATE = 1 << 4,
	OS_SIM_OP_SYNC = 1 << 5,  /* sync_data, sync, sync_fs */
	OS_SIM_OP_STAT = 1 << 6,  /* stat, stat_fd, fs_info */
	OS_SIM_OP_RENAME = 1 << 7,
	OS_SIM_OP_UNLINK = 1 << 8, /* rmdir too */
	OS_SIM_OP_MKDIR = 1 << 9,
	OS_SIM_OP_CHMOD = 1 << 10,
	OS_SIM_OP_LIST = 1 << 11,
	OS_SIM_OP_LOCK = 1 << 12,
	OS_SIM_OP_LEASE = 1 << 13, /* answers UNKNOWN */
	OS_SIM_OP_WATCH = 1 << 14,
	OS_SIM_OP_RANDOM = 1 << 15,
	OS_SIM_OP_PROCESS = 1 << 16, /* boot_id, self_id, process_id */
	OS_SIM_OP_LINK = 1 << 17,    /* symlink */
	OS_SIM_OP_ALL = (1 << 18) - 1,
};

/* The n-th call from now (1 is the next) that is in the mask fails with -err, and all later ones when forever. n = 0
 * disarms. Arming clears os_sim_fault_fired. */
void os_sim_fail_nth(struct os_sim *sim, uint64_t n, int err, bool forever);
void os_sim_fail_ops(struct os_sim *sim, uint32_t mask); /* which calls count; OS_SIM_OP_ALL at first */
bool os_sim_fault_fired(struct os_sim *sim);

/*
 * A disk that lies: from the n-th sync from now on (1 is the next) so many of them answer "done" and do not mean it.
 * LOST: what they should have written is gone for good, as after a sync that failed, but nobody is told. LATE: it is
 * un-synced still, and a later honest sync of the same file or directory writes it. n = 0: an honest disk again.
 */
enum os_sim_lie { OS_SIM_LIE_LOST, OS_SIM_LIE_LATE };
void os_sim_lie_nth(struct os_sim *sim, uint64_t n, uint64_t count, enum os_sim_lie lie);
uint64_t os_sim_lies(struct os_sim *sim); /* told since then */
/* Of what the first of them was: its path, "" when it has no name any more. */
void os_sim_lied_path(struct os_sim *sim, char *out, size_t size);

/* the machine */
void os_sim_set_capacity(struct os_sim *sim, uint64_t bytes); /* 0: no limit. Files count by whole 4 KiB */
void os_sim_set_fs(struct os_sim *sim, enum os_fs_kind kind, bool read_only); /* ext4, read-write at first */
void os_sim_set_leases(struct os_sim *sim, bool supported);
void os_sim_set_watch_queue(struct os_sim *sim, size_t events_max); /* 16384 at first; one more is an overflow */
void os_sim_advance(struct os_sim *sim, int64_t ns); /* both clocks */
void os_sim_set_real(struct os_sim *sim, int64_t ns);
bool os_sim_watch_pending(struct os_sim *sim, int watch); /* would the descriptor be readable? */

/* What another program would do; paths from the root; un-synced as everything else. 0 or -errno. */
int os_sim_symlink(struct os_sim *sim, const char *target, const char *path);
int os_sim_link(struct os_sim *sim, const char *from, const char *to);

/* What the kernel tells (read_kernel, list_kernel, path_space, cpus). Nothing is there at first; a cut leaves it.
 * set: this text, NULL: no such file; fail: it is there and reading it ends with -err. Directories follow from paths. */
void os_sim_set_kernel(struct os_sim *sim, const char *path, const char *text);
void os_sim_fail_kernel(struct os_sim *sim, const char *path, int err);
/* Of exactly that path; a path of the simulated disk has its capacity. total_inodes 0: no fixed number. err: -err is
 * the answer instead. */
void os_sim_set_space(struct os_sim *sim, const char *path, uint64_t free_bytes, uint64_t free_inodes,
                      uint64_t total_inodes);
void os_sim_fail_space(struct os_sim *sim, const char *path, int err);
void os_sim_unset_space(struct os_sim *sim, const char *path);
void os_sim_set_cpus(struct os_sim *sim, unsigned n); /* 4 at first */
uint64_t os_sim_kernel_calls(struct os_sim *sim);      /* of the four, so far */

/* Every name with its size, what is un-synced, and the entry operations that are pending. */
void os_sim_dump(struct os_sim *sim, FILE *out);

#endif
