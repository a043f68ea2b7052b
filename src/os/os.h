/*
 * os.h - the seam to the kernel: every system call that touches files, locks, clocks, randomness or other processes
 * goes through this table. os_linux() is the real one. os_sim (os_sim.h) keeps a whole disk in memory, knows what is
 * synced, and can lose, tear or refuse things.
 *
 * Rules: a function returns >= 0 or -errno (never -1 with errno). EINTR is retried inside. Paths are relative to a
 * directory descriptor; OS_CWD stands for the working directory. All functions may be called from any thread.
 *
 * Links: with a descriptor nothing follows a symbolic link in any component (-ELOOP, or -ENOTDIR where a directory is
 * asked for), and ".." and absolute paths are -EXDEV: who may write in a directory cannot lead us out of it, whatever he
 * puts in place of what while we work. With OS_CWD a path is an administrator's, and only its last component is not
 * followed. open_root follows all.
 *
 * Modes: what is made new (open with OS_EXCL, mkdir) has the mode that is said, not less by the umask.
 */
#ifndef OS_OS_H
#define OS_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define OS_CWD (-100)

enum os_open_flags {
	OS_READ = 1,
	OS_WRITE = 2,
	OS_CREATE = 4,
	OS_EXCL = 8,       /* with OS_CREATE: -EEXIST when something is there */
	OS_TRUNC = 16,
	OS_DIRECTORY = 32, /* -ENOTDIR when it is none */
	OS_NONBLOCK = 64,  /* a fifo or device never blocks the open */
};

enum os_file_type { OS_FILE, OS_DIR, OS_LINK, OS_OTHER };

struct os_stat {
	enum os_file_type type;
	uint32_t mode, uid, gid, nlink;
	uint64_t size, ino, dev;
	int64_t mtime_ns, ctime_ns; /* CLOCK_REALTIME */
};

enum os_fs_kind { OS_FS_OTHER, OS_FS_EXT4, OS_FS_XFS, OS_FS_BTRFS, OS_FS_F2FS, OS_FS_UBIFS, OS_FS_TMPFS, OS_FS_OVERLAY, OS_FS_NETWORK, OS_FS_FUSE };

struct os_fs_info {
	enum os_fs_kind kind;
	char name[16]; /* "ext4"; "0x12345678" for one that is not known */
	bool read_only;
	uint64_t free_bytes, free_inodes;
};

enum os_lease { OS_LEASE_GRANTED, OS_LEASE_WRITER, OS_LEASE_UNKNOWN }; /* UNKNOWN: not allowed or not supported here */

/* A process that is still the same one: (boot id, pid, start time), see I10. */
struct os_process_id {
	char boot_id[37];
	int32_t pid;
	uint64_t start_ticks; /* /proc/PID/stat field 22 */
};

#define OS_BOOT_ID_SIZE 37

struct os {
	void *self;

	/* files */
	int (*open_root)(void *self, const char *path); /* a directory by any path; follows links */
	int (*open)(void *self, int dir, const char *path, int flags, unsigned mode);
	int (*close)(void *self, int fd);
	ssize_t (*pread)(void *self, int fd, void *data, size_t len, uint64_t offset);         /* may be short at the end of file only */
	ssize_t (*pwrite)(void *self, int fd, const void *data, size_t len, uint64_t offset); /* all or -errno; some bytes may be there after an error */
	int (*truncate)(void *self, int fd, uint64_t size);
	int (*allocate)(void *self, int fd, uint64_t size); /* a hint: reserve blocks; -EOPNOTSUPP is normal */
	int (*sync_data)(void *self, int fd);               /* fdatasync */
	int (*sync)(void *self, int fd);                    /* fsync; of a directory: its entries */
	int (*sync_fs)(void *self, int fd);                 /* syncfs */
	int (*stat_fd)(void *self, int fd, struct os_stat *st);
	int (*stat)(void *self, int dir, const char *path, struct os_stat *st); /* lstat */
	int (*rename)(void *self, int from_dir, const char *from, int to_dir, const char *to); /* replaces files; -ENOTEMPTY or -EEXIST for a directory that is there and not empty */
	int (*unlink)(void *self, int dir, const char *path);
	int (*mkdir)(void *self, int dir, const char *path, unsigned mode);
	int (*rmdir)(void *self, int dir, const char *path);
	int (*chmod)(void *self, int dir, const char *path, unsigned mode);
	int (*chown_group)(void *self, int fd, uint32_t gid); /* fchown; -EPERM for who is neither root nor in that group */
	int (*symlink)(void *self, const char *target, int dir, const char *path); /* -EEXIST when something is there */
	/* The target as it stands, NUL-terminated; its length, -ENAMETOOLONG when it does not fit, -EINVAL for what is no link. */
	ssize_t (*readlink)(void *self, int dir, const char *path, char *out, size_t size);
	/* Names in a directory but "." and "..", in no order; stops with the callback's value when it is not 0. */
	int (*list)(void *self, int dir, const char *path, int (*each)(void *arg, const char *name), void *arg);
	int (*fs_info)(void *self, int fd, struct os_fs_info *info);
	int (*lock)(void *self, int fd);                    /* flock, exclusive, without waiting: -EWOULDBLOCK when held */
	/*
	 * A mark on one byte of a file, be it behind its end: through other descriptors it is seen for as long as this one is
	 * open and has it, and no longer. One at a time for each descriptor, which is open for writing; who may only read can
	 * look, and cannot mark. mark: -EWOULDBLOCK when somebody else has that byte; marked: 1 or 0. -EINVAL: an old kernel.
	 */
	int (*mark)(void *self, int fd, uint64_t at, bool on);
	int (*marked)(void *self, int fd, uint64_t at);
	enum os_lease (*lease)(void *self, int fd);         /* take a read lease: GRANTED means nobody has it open for writing */
	void (*unlease)(void *self, int fd);

	/* directory watching; the descriptor is readable when there is something. Events are hints (I12). */
	int (*watch_open)(void *self);
	int (*watch_add)(void *self, int watch, int dir, const char *path, uint32_t mask); /* the watch's number */
	int (*watch_remove)(void *self, int watch, int number);
	/* Calls each for what is there, without waiting. number -1: queue overflow or unmount, rescan everything. name may be "". */
	int (*watch_read)(void *self, int watch, int (*each)(void *arg, int number, uint32_t mask, const char *name), void *arg);

	/* clocks and randomness */
	int64_t (*real_ns)(void *self); /* CLOCK_REALTIME */
	int64_t (*boot_ns)(void *self); /* CLOCK_BOOTTIME */
	int (*boot_id)(void *self, char out[OS_BOOT_ID_SIZE]);
	int (*random)(void *self, void *out, size_t len);

	/* processes */
	int (*self_id)(void *self, struct os_process_id *id);
	/* Who has this pid now; -ESRCH when nobody has, or what ended and was not waited for yet. */
	int (*process_id)(void *self, int32_t pid, struct os_process_id *id);
	bool (*is_alive)(void *self, const struct os_process_id *id); /* the very same process, not a zombie, in this boot */
	uint32_t (*uid)(void *self);

	/* the machine: what the kernel tells under /proc and /sys, where links are how devices are found */
	/* The start of a small file, at most size - 1 bytes, NUL-terminated; how many. */
	int (*read_kernel)(void *self, const char *path, char *buf, size_t size);
	int (*list_kernel)(void *self, const char *dir, int (*each)(void *arg, const char *name), void *arg); /* as list */
	/* Of the file system that a path is on; bytes for unprivileged users. total_inodes 0: it has no fixed number. */
	int (*path_space)(void *self, const char *path, uint64_t *free_bytes, uint64_t *free_inodes, uint64_t *total_inodes);
	unsigned (*cpus)(void *self); /* that are online; at least 1 */
};

/* watch masks */
enum { OS_WATCH_CREATE = 1, OS_WATCH_CLOSE_WRITE = 2, OS_WATCH_MOVED_TO = 4, OS_WATCH_GONE = 8, OS_WATCH_MOVED_FROM = 16, OS_WATCH_DELETE = 32 };

const struct os *os_linux(void);
/* The same as on a kernel without openat2, for tests. */
const struct os *os_linux_stepwise(void);

/* Helpers over any table (os.c); -errno. */
int os_sync_dir(const struct os *os, int dir, const char *path);
/* Read a whole file, at most max bytes (-EFBIG over it); *out is malloc'd and NUL-terminated. */
int os_read_file(const struct os *os, int dir, const char *path, size_t max, char **out, size_t *len);
/* Write a new file under a hidden temporary name in the same directory, sync it, rename it to path; sync the directory
 * when durable. The one way in which pawl replaces small files. */
int os_replace_file(const struct os *os, int dir, const char *path, const void *data, size_t len, unsigned mode, bool durable);
/* The same without any sync, for what can be made again: a power cut may leave it empty or old. The event loop may call it. */
int os_put_file(const struct os *os, int dir, const char *path, const void *data, size_t len, unsigned mode);
/* Remove a directory and all in it, never following a link, at most depth levels deep. */
int os_remove_tree(const struct os *os, int dir, const char *path, int depth);
/* A file or a directory in pieces: at most *left entries, which it counts down. 1: there is more. */
int os_remove_some(const struct os *os, int dir, const char *path, int depth, unsigned *left);
#define OS_TREE_DEPTH_MAX 64 /* of what strangers may have made */
/* Root becomes the user and the group that a directory belongs to, for good, with no other groups; others stay who they are, and so does
 * who may not change (-EPERM), as what he does may work all the same. One thread only. */
int os_become_owner(const char *path);
/* Whatever is there, a directory too; 0 also when nothing is. */
int os_remove_any(const struct os *os, int dir, const char *path);

#endif
