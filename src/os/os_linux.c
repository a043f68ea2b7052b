/*
 * os_linux.c - the real table: one thin function for each entry of struct os.
 *
 * Includes of the C library that came before this file (a forced include) must have seen _GNU_SOURCE as well: leases,
 * syncfs and fallocate are not in POSIX.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <os/beneath.h>
#include <os/io.h>
#include <os/os.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#if !defined(F_SETLEASE) || !defined(F_SETSIG) || !defined(FALLOC_FL_KEEP_SIZE)
#error "compile src/os with -D_GNU_SOURCE: a system header was read before this file could ask for it"
#endif

_Static_assert(OS_CWD == AT_FDCWD, "OS_CWD is handed to the kernel as it is");
_Static_assert(sizeof(off_t) == 8, "build with -D_FILE_OFFSET_BITS=64");

#define RETRY(r, call)                            \
	do {                                      \
		(r) = (call);                     \
	} while ((r) < 0 && errno == EINTR)

static int neg(int r)
{
	return r < 0 ? -errno : r;
}

/* Of a call that is counted when it has worked. */
static int counted(enum io_kind kind, int r)
{
	if (r < 0)
		return -errno;
	io_count(kind, 1);
	return r;
}

/* files */

static int linux_open_root(void *self, const char *path)
{
	int r;

	(void)self;
	RETRY(r, open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	if (r < 0 && errno == EACCES) /* we may pass through, but not look: enough to name what is in it */
		RETRY(r, open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
	return neg(r);
}

/* Read once: umask(2) cannot be asked without being changed for a moment, and other threads make files. */
static mode_t umask_found;

static int read_small(const char *path, char *out, size_t size);

static void find_umask(void)
{
	char text[2048];
	const char *at = read_small("/proc/self/status", text, sizeof(text)) > 0 ? strstr(text, "\nUmask:") : NULL;

	/* Not told before Linux 4.7: then every mode is set once more. */
	umask_found = at ? (mode_t)strtoul(at + 7, NULL, 8) : 0777;
}

static mode_t umask_now(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, find_umask);
	return umask_found;
}

static int open_flags(int flags)
{
	static const struct {
		int os, native;
	} map[] = {
		{ OS_CREATE, O_CREAT }, { OS_EXCL, O_EXCL }, { OS_TRUNC, O_TRUNC },
		{ OS_DIRECTORY, O_DIRECTORY }, { OS_NONBLOCK, O_NONBLOCK },
	};
	int native = O_CLOEXEC | O_NOFOLLOW | O_NOCTTY;

	if (flags & OS_WRITE)
		native |= flags & OS_READ ? O_RDWR : O_WRONLY;
	for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++)
		if (flags & map[i].os)
			native |= map[i].native;
	return native;
}

/* The table that has no openat2 (os_linux_stepwise) is told from the other by self. */
static bool is_stepwise(const void *self)
{
	return self != NULL;
}

/* What the caller says is what the file gets, whatever umask the process was started with. */
static int linux_open(void *self, int dir, const char *path, int flags, unsigned mode)
{
	int fd = beneath_open(dir, path, open_flags(flags), (mode_t)mode, is_stepwise(self));

	struct stat s;
	if (fd < 0 || !(flags & OS_CREATE))
		return fd;
	io_count(IO_NAMES, 1);
	if (!(mode & umask_now()))
		return fd;
	if (flags & OS_EXCL || (fstat(fd, &s) == 0 && s.st_size == 0 && s.st_uid == geteuid() && S_ISREG(s.st_mode)))
		(void)fchmod(fd, (mode_t)mode);
	return fd;
}

static int linux_close(void *self, int fd)
{
	(void)self;
	/* Linux has closed the descriptor even when it says EINTR: a second close could hit somebody else's. */
	return close(fd) < 0 && errno != EINTR ? -errno : 0;
}

static ssize_t linux_pread(void *self, int fd, void *data, size_t len, uint64_t offset)
{
	size_t done = 0;

	(void)self;
	if (len > SSIZE_MAX || offset > (uint64_t)INT64_MAX - len)
		return -EINVAL;
	while (done < len) {
		ssize_t n;

		RETRY(n, pread(fd, (char *)data + done, len - done, (off_t)(offset + done)));
		if (n < 0)
			return -errno;
		if (!n)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

static ssize_t linux_pwrite(void *self, int fd, const void *data, size_t len, uint64_t offset)
{
	size_t done = 0;

	(void)self;
	if (len > SSIZE_MAX || offset > (uint64_t)INT64_MAX - len)
		return -EINVAL;
	while (done < len) {
		ssize_t n;

		RETRY(n, pwrite(fd, (const char *)data + done, len - done, (off_t)(offset + done)));
		if (n < 0)
			return -errno;
		if (!n)
			return -EIO;
		io_count(IO_BYTES, (uint64_t)n);
		done += (size_t)n;
	}
	return (ssize_t)done;
}

static int linux_truncate(void *self, int fd, uint64_t size)
{
	int r;

	(void)self;
	if (size > INT64_MAX)
		return -EFBIG;
	RETRY(r, ftruncate(fd, (off_t)size));
	return neg(r);
}

static int linux_allocate(void *self, int fd, uint64_t size)
{
	int r;

	(void)self;
	if (!size || size > INT64_MAX)
		return -EINVAL;
	RETRY(r, fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)size));
	return r < 0 && errno == ENOSYS ? -EOPNOTSUPP : neg(r);
}

static int linux_sync_data(void *self, int fd)
{
	int r;

	(void)self;
	RETRY(r, fdatasync(fd));
	return counted(IO_SYNCS, r);
}

static int linux_sync(void *self, int fd)
{
	int r;

	(void)self;
	RETRY(r, fsync(fd));
	return counted(IO_SYNCS, r);
}

static int linux_sync_fs(void *self, int fd)
{
	int r;

	(void)self;
	RETRY(r, syncfs(fd));
	return counted(IO_SYNCS, r);
}

static int64_t ns_of(const struct timespec *t)
{
	return (int64_t)t->tv_sec * 1000000000 + t->tv_nsec;
}

static enum os_file_type type_of(mode_t mode)
{
	return S_ISREG(mode) ? OS_FILE : S_ISDIR(mode) ? OS_DIR : S_ISLNK(mode) ? OS_LINK : OS_OTHER;
}

static void fill_stat(const struct stat *s, struct os_stat *st)
{
	*st = (struct os_stat){
		.type = type_of(s->st_mode),
		.mode = s->st_mode & 07777,
		.uid = s->st_uid,
		.gid = s->st_gid,
		.nlink = (uint32_t)s->st_nlink,
		.size = (uint64_t)s->st_size,
		.ino = (uint64_t)s->st_ino,
		.dev = (uint64_t)s->st_dev,
		.mtime_ns = ns_of(&s->st_mtim),
		.ctime_ns = ns_of(&s->st_ctim),
	};
}

static int linux_stat_fd(void *self, int fd, struct os_stat *st)
{
	struct stat s;

	(void)self;
	if (fstat(fd, &s) < 0)
		return -errno;
	fill_stat(&s, st);
	return 0;
}

/* An operation on a name: in the directory that it is in, which is held meanwhile. */
#define AT(b, r, self, at_dir, path, call) AT_AS(neg(call), b, r, self, at_dir, path)
/* One that changes a name. */
#define AT_NAME(b, r, self, at_dir, path, call) AT_AS(counted(IO_NAMES, call), b, r, self, at_dir, path)
#define AT_AS(result, b, r, self, at_dir, path)                             \
	do {                                                                \
		(r) = beneath_parent(&(b), at_dir, path, is_stepwise(self)); \
		if ((r) == 0) {                                             \
			(r) = result;                                       \
			beneath_done(&(b));                                 \
		}                                                           \
	} while (0)

static int linux_stat(void *self, int dir, const char *path, struct os_stat *st)
{
	struct beneath b;
	struct stat s;
	int r;

	AT(b, r, self, dir, path, fstatat(b.dir, b.name, &s, AT_SYMLINK_NOFOLLOW));
	if (r == 0)
		fill_stat(&s, st);
	return r;
}

static int linux_rename(void *self, int from_dir, const char *from, int to_dir, const char *to)
{
	struct beneath a, b;
	int r = beneath_parent(&a, from_dir, from, is_stepwise(self));

	if (r < 0)
		return r;
	AT_NAME(b, r, self, to_dir, to, renameat(a.dir, a.name, b.dir, b.name));
	beneath_done(&a);
	return r;
}

static int linux_unlink(void *self, int dir, const char *path)
{
	struct beneath b;
	int r;

	AT_NAME(b, r, self, dir, path, unlinkat(b.dir, b.name, 0));
	return r;
}

/* The bits that a directory inherits (set-group-ID) stay. */
static int widen_dir(int dir, const char *name, mode_t mode)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat s;

	if (fd < 0) /* the umask takes even our own right to read: chmod by name follows links, so this is all there is */
		return 0;
	if (fstat(fd, &s) == 0)
		(void)fchmod(fd, mode | (s.st_mode & S_ISGID));
	close(fd);
	return 0;
}

static int linux_mkdir(void *self, int dir, const char *path, unsigned mode)
{
	struct beneath b;
	int r = beneath_parent(&b, dir, path, is_stepwise(self));

	if (r < 0)
		return r;
	r = counted(IO_NAMES, mkdirat(b.dir, b.name, (mode_t)mode));
	if (r == 0 && mode & umask_now())
		r = widen_dir(b.dir, b.name, (mode_t)mode);
	beneath_done(&b);
	return r;
}

static int linux_rmdir(void *self, int dir, const char *path)
{
	struct beneath b;
	int r;

	AT_NAME(b, r, self, dir, path, unlinkat(b.dir, b.name, AT_REMOVEDIR));
	return r;
}

/* fchmodat follows links and its flag against that came with Linux 6.6 only: pin the object with O_PATH, then go
 * through /proc. Without /proc the object is opened for reading, which is enough for what pawl makes itself. */
static int linux_chmod(void *self, int dir, const char *path, unsigned mode)
{
	char proc[32];
	struct stat s;
	int fd, r;

	fd = beneath_open(dir, path, O_PATH | O_CLOEXEC, 0, is_stepwise(self));
	if (fd < 0)
		return fd;
	r = neg(fstat(fd, &s));
	if (!r && S_ISLNK(s.st_mode))
		r = -ELOOP;
	if (!r) {
		snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
		r = neg(chmod(proc, (mode_t)mode));
	}
	close(fd);
	if (r != -ENOENT)
		return r;
	fd = beneath_open(dir, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0, is_stepwise(self));
	if (fd < 0)
		return fd;
	r = neg(fchmod(fd, (mode_t)mode));
	close(fd);
	return r;
}

static int linux_chown_group(void *self, int fd, uint32_t gid)
{
	(void)self;
	return neg(fchown(fd, (uid_t)-1, (gid_t)gid));
}

static int linux_symlink(void *self, const char *target, int dir, const char *path)
{
	struct beneath b;
	int r;

	AT_NAME(b, r, self, dir, path, symlinkat(target, b.dir, b.name));
	return r;
}

static ssize_t linux_readlink(void *self, int dir, const char *path, char *out, size_t size)
{
	struct beneath b;
	ssize_t n = beneath_parent(&b, dir, path, is_stepwise(self));

	if (n < 0)
		return n;
	n = readlinkat(b.dir, b.name, out, size);
	n = n < 0 ? -errno : n;
	beneath_done(&b);
	if (n < 0)
		return n;
	if ((size_t)n >= size)
		return -ENAMETOOLONG;
	out[n] = '\0';
	return n;
}

static bool is_dots(const char *name)
{
	return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

static int list_fd(int fd, int (*each)(void *arg, const char *name), void *arg)
{
	struct dirent *e;
	DIR *d;
	int r = 0;

	d = fdopendir(fd);
	if (!d) {
		r = -errno;
		close(fd);
		return r;
	}
	while (!r) {
		errno = 0;
		e = readdir(d);
		if (!e) {
			r = -errno;
			break;
		}
		if (!is_dots(e->d_name))
			r = each(arg, e->d_name);
	}
	closedir(d);
	return r;
}

static int linux_list(void *self, int dir, const char *path, int (*each)(void *arg, const char *name), void *arg)
{
	int fd = beneath_open(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, is_stepwise(self));

	return fd < 0 ? fd : list_fd(fd, each, arg);
}

static const struct fs_magic {
	uint32_t magic;
	enum os_fs_kind kind;
	const char *name;
} fs_magics[] = {
	{ 0x0000EF53, OS_FS_EXT4, "ext4" }, /* ext2 and ext3 have the same number */
	{ 0x58465342, OS_FS_XFS, "xfs" },
	{ 0x9123683E, OS_FS_BTRFS, "btrfs" },
	{ 0xF2F52010, OS_FS_F2FS, "f2fs" },
	{ 0x24051905, OS_FS_UBIFS, "ubifs" },
	{ 0x01021994, OS_FS_TMPFS, "tmpfs" },
	{ 0x858458F6, OS_FS_TMPFS, "ramfs" },
	{ 0x794C7630, OS_FS_OVERLAY, "overlay" },
	{ 0x00006969, OS_FS_NETWORK, "nfs" },
	{ 0x0000517B, OS_FS_NETWORK, "smb" },
	{ 0xFF534D42, OS_FS_NETWORK, "cifs" },
	{ 0xFE534D42, OS_FS_NETWORK, "smb2" },
	{ 0x01021997, OS_FS_NETWORK, "9p" },
	{ 0x00C36400, OS_FS_NETWORK, "ceph" },
	{ 0x5346414F, OS_FS_NETWORK, "afs" },
	{ 0x65735546, OS_FS_FUSE, "fuse" }, /* virtiofs too */
	{ 0x73717368, OS_FS_OTHER, "squashfs" },
	{ 0xE0F5E1E2, OS_FS_OTHER, "erofs" },
	{ 0x000072B6, OS_FS_OTHER, "jffs2" },
	{ 0x00004D44, OS_FS_OTHER, "vfat" },
	{ 0x2011BAB0, OS_FS_OTHER, "exfat" },
};

static const struct fs_magic *find_magic(uint32_t magic)
{
	for (size_t i = 0; i < sizeof(fs_magics) / sizeof(fs_magics[0]); i++)
		if (fs_magics[i].magic == magic)
			return &fs_magics[i];
	return NULL;
}

static int linux_fs_info(void *self, int fd, struct os_fs_info *info)
{
	const struct fs_magic *m;
	struct statfs s;
	int r;

	(void)self;
	RETRY(r, fstatfs(fd, &s));
	if (r < 0)
		return -errno;
	m = find_magic((uint32_t)s.f_type);
	info->kind = m ? m->kind : OS_FS_OTHER;
	if (m)
		snprintf(info->name, sizeof(info->name), "%s", m->name);
	else
		snprintf(info->name, sizeof(info->name), "0x%08x", (unsigned)(uint32_t)s.f_type);
	info->read_only = (s.f_flags & ST_RDONLY) != 0;
	info->free_bytes = (uint64_t)s.f_bavail * (uint64_t)s.f_bsize;
	/* btrfs has no fixed number of inodes and says 0 of 0 */
	info->free_inodes = s.f_files ? (uint64_t)s.f_ffree : UINT64_MAX;
	return 0;
}

static int linux_lock(void *self, int fd)
{
	int r;

	(void)self;
	RETRY(r, flock(fd, LOCK_EX | LOCK_NB));
	return neg(r);
}

/* Locks of an open file description: any thread may take and give back, and no close of another descriptor drops them. */
static struct flock byte_of(short type, uint64_t at)
{
	return (struct flock){ .l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)at, .l_len = 1 };
}

static int linux_mark(void *self, int fd, uint64_t at, bool on)
{
	struct flock lock = byte_of(on ? F_WRLCK : F_UNLCK, at);
	int r;

	(void)self;
	RETRY(r, fcntl(fd, F_OFD_SETLK, &lock));
	return neg(r);
}

static int linux_marked(void *self, int fd, uint64_t at)
{
	struct flock lock = byte_of(F_RDLCK, at);
	int r;

	(void)self;
	RETRY(r, fcntl(fd, F_OFD_GETLK, &lock));
	return r < 0 ? -errno : lock.l_type != F_UNLCK;
}

/* Somebody who opens the file for writing breaks the lease, and the kernel then signals us: SIGIO by default, which
 * kills. SIGURG is ignored by default, and we do not need to be told: a lease is held for one read, and the other side
 * waits in its open until we let go. NFS and FUSE may grant what they cannot know. */
static enum os_lease linux_lease(void *self, int fd)
{
	struct os_fs_info info;

	if (linux_fs_info(self, fd, &info) < 0 || info.kind == OS_FS_NETWORK || info.kind == OS_FS_FUSE)
		return OS_LEASE_UNKNOWN;
	if (fcntl(fd, F_SETSIG, SIGURG) < 0)
		return OS_LEASE_UNKNOWN;
	if (!fcntl(fd, F_SETLEASE, F_RDLCK))
		return OS_LEASE_GRANTED;
	return errno == EAGAIN ? OS_LEASE_WRITER : OS_LEASE_UNKNOWN;
}

static void linux_unlease(void *self, int fd)
{
	(void)self;
	(void)fcntl(fd, F_SETLEASE, F_UNLCK);
}

/* directory watching */

static const struct {
	uint32_t os, in;
} watch_bits[] = {
	{ OS_WATCH_CREATE, IN_CREATE }, { OS_WATCH_CLOSE_WRITE, IN_CLOSE_WRITE },
	{ OS_WATCH_MOVED_TO, IN_MOVED_TO }, { OS_WATCH_MOVED_FROM, IN_MOVED_FROM },
	{ OS_WATCH_DELETE, IN_DELETE }, { OS_WATCH_GONE, IN_MOVE_SELF },
};

static int linux_watch_open(void *self)
{
	(void)self;
	return neg(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
}

/* inotify knows paths only; /proc/self/fd/N/. makes one of a directory that is held, and survives renames above it. */
static int linux_watch_add(void *self, int watch, int dir, const char *path, uint32_t mask)
{
	uint32_t in = IN_ONLYDIR | IN_DONT_FOLLOW;
	char held[40];
	int fd, r;

	for (size_t i = 0; i < sizeof(watch_bits) / sizeof(watch_bits[0]); i++)
		if (mask & watch_bits[i].os)
			in |= watch_bits[i].in;
	if (dir == OS_CWD)
		return neg(inotify_add_watch(watch, path, in));
	fd = beneath_open(dir, path, O_PATH | O_DIRECTORY | O_CLOEXEC, 0, is_stepwise(self));
	if (fd < 0)
		return fd;
	snprintf(held, sizeof(held), "/proc/self/fd/%d/.", fd);
	r = neg(inotify_add_watch(watch, held, in));
	close(fd);
	if (r == -ENOENT && access("/proc/self/fd", X_OK) < 0)
		return -EOPNOTSUPP; /* no /proc here: only OS_CWD can be watched from */
	return r;
}

static int linux_watch_remove(void *self, int watch, int number)
{
	(void)self;
	return neg(inotify_rm_watch(watch, number));
}

/* IN_IGNORED comes when the directory is gone, and also after watch_remove: a number that is not known any more. */
static uint32_t watch_mask(uint32_t in)
{
	uint32_t mask = in & IN_IGNORED ? OS_WATCH_GONE : 0;

	for (size_t i = 0; i < sizeof(watch_bits) / sizeof(watch_bits[0]); i++)
		if (in & watch_bits[i].in)
			mask |= watch_bits[i].os;
	return mask;
}

static int watch_deliver(const char *data, size_t len,
			 int (*each)(void *arg, int number, uint32_t mask, const char *name), void *arg)
{
	size_t at = 0;
	int r = 0;

	while (!r && at + sizeof(struct inotify_event) <= len) {
		struct inotify_event e;
		bool all;

		memcpy(&e, data + at, sizeof(e));
		all = e.mask & (IN_Q_OVERFLOW | IN_UNMOUNT);
		r = each(arg, all ? -1 : e.wd, all ? 0 : watch_mask(e.mask), e.len ? data + at + sizeof(e) : "");
		at += sizeof(e) + e.len;
	}
	return r;
}

/* Bounded, so that somebody who writes without pause cannot hold the loop here: the descriptor stays readable. */
static int linux_watch_read(void *self, int watch,
			    int (*each)(void *arg, int number, uint32_t mask, const char *name), void *arg)
{
	char data[8192];

	(void)self;
	for (int i = 0; i < 64; i++) {
		ssize_t n;
		int r;

		RETRY(n, read(watch, data, sizeof(data)));
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		if (!n)
			return 0;
		r = watch_deliver(data, (size_t)n, each, arg);
		if (r)
			return r;
	}
	return 0;
}

/* clocks and randomness */

static int64_t clock_ns(clockid_t clock)
{
	struct timespec t = { 0 };

	clock_gettime(clock, &t);
	return ns_of(&t);
}

static int64_t linux_real_ns(void *self)
{
	(void)self;
	return clock_ns(CLOCK_REALTIME);
}

static int64_t linux_boot_ns(void *self)
{
	(void)self;
	return clock_ns(CLOCK_BOOTTIME);
}

/* Reads the start of a small file by path, at most size - 1 bytes, NUL-terminated; bytes read or -errno. */
static int read_small(const char *path, char *out, size_t size)
{
	ssize_t n;
	int fd;

	RETRY(fd, open(path, O_RDONLY | O_CLOEXEC));
	if (fd < 0)
		return -errno;
	n = linux_pread(NULL, fd, out, size - 1, 0);
	close(fd);
	if (n < 0)
		return (int)n;
	out[n] = '\0';
	return (int)n;
}

static int linux_boot_id(void *self, char out[OS_BOOT_ID_SIZE])
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static char cached[OS_BOOT_ID_SIZE];
	int r = 0;

	(void)self;
	pthread_mutex_lock(&lock);
	if (!cached[0]) {
		r = read_small("/proc/sys/kernel/random/boot_id", cached, sizeof(cached));
		if (r >= 0 && r != OS_BOOT_ID_SIZE - 1) {
			cached[0] = '\0';
			r = -EIO;
		}
	}
	if (r >= 0)
		memcpy(out, cached, sizeof(cached));
	pthread_mutex_unlock(&lock);
	return r < 0 ? r : 0;
}

static int random_device(unsigned char *out, size_t len)
{
	ssize_t n;
	int fd;

	RETRY(fd, open("/dev/urandom", O_RDONLY | O_CLOEXEC));
	if (fd < 0)
		return -errno;
	n = linux_pread(NULL, fd, out, len, 0);
	close(fd);
	return n < 0 ? (int)n : (size_t)n == len ? 0 : -EIO;
}

/* Never waits for the kernel's pool to be seeded: a board without entropy must still boot. What pawl draws are names
 * and salts, not secrets. 1 is GRND_NONBLOCK. */
static int linux_random(void *self, void *out, size_t len)
{
	unsigned char *p = out;

	(void)self;
	while (len) {
		long n = syscall(SYS_getrandom, p, len, 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return random_device(p, len);
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* processes */

/* State letter and start time (fields 3 and 22). The name before them may hold blanks and parentheses: only the last
 * ')' ends it. */
/* *dead: it waits to be reaped. One whose first thread has ended shows as a zombie too, but the others go on. */
static int proc_stat(int32_t pid, bool *dead, uint64_t *start)
{
	char path[32], text[1024], *p;
	int r;

	/* Two slashes: qemu-user makes up a stat of its own process, with no start time. */
	snprintf(path, sizeof(path), "/proc//%d/stat", (int)pid);
	r = read_small(path, text, sizeof(text));
	if (r < 0)
		return r;
	p = strrchr(text, ')');
	if (!p || p[1] != ' ' || !p[2])
		return -EIO;
	p += 2;
	*dead = *p == 'Z' || *p == 'X' || *p == 'x';
	for (int field = 3; field < 22; field++) {
		if (field == 20 && strtol(p, NULL, 10) > 1)
			*dead = false;
		p = strchr(p, ' ');
		if (!p)
			return -EIO;
		p++;
	}
	*start = strtoull(p, NULL, 10);
	return 0;
}

static int linux_self_id(void *self, struct os_process_id *id)
{
	struct os_process_id me = { .pid = (int32_t)getpid() };
	bool dead;
	int r;

	r = linux_boot_id(self, me.boot_id);
	if (!r)
		r = proc_stat(me.pid, &dead, &me.start_ticks);
	if (!r)
		*id = me;
	return r;
}

/* Without /proc there is a process of that number, and no more can be told: its start stays 0. */
static int linux_process_id(void *self, int32_t pid, struct os_process_id *id)
{
	struct os_process_id it = { .pid = pid };
	bool dead;
	int r = linux_boot_id(self, it.boot_id);

	if (r)
		return r;
	if (pid <= 0 || (kill((pid_t)pid, 0) < 0 && errno == ESRCH))
		return -ESRCH;
	r = proc_stat(pid, &dead, &it.start_ticks);
	if (r == -ENOENT && kill((pid_t)pid, 0) < 0 && errno == ESRCH)
		return -ESRCH;
	if (!r && dead)
		return -ESRCH;
	*id = it;
	return 0;
}

/* A process that exists but that /proc will not show (hidepid, no /proc) counts as alive: taking it for dead could
 * start its work a second time beside it, taking it for alive ends at the latest with its time-out. */
static bool linux_is_alive(void *self, const struct os_process_id *id)
{
	char boot[OS_BOOT_ID_SIZE];
	uint64_t start;
	bool dead;

	if (id->pid <= 0 || linux_boot_id(self, boot) < 0 || memcmp(boot, id->boot_id, sizeof(boot)) != 0)
		return false;
	if (kill((pid_t)id->pid, 0) < 0 && errno == ESRCH)
		return false;
	if (proc_stat(id->pid, &dead, &start) < 0)
		return kill((pid_t)id->pid, 0) == 0 || errno != ESRCH;
	return start == id->start_ticks && !dead;
}

static uint32_t linux_uid(void *self)
{
	(void)self;
	return (uint32_t)geteuid();
}

/* the machine */

/* One read: what the kernel makes up for a small file comes in one piece, and a second one would have it made again. */
static int linux_read_kernel(void *self, const char *path, char *buf, size_t size)
{
	ssize_t n;
	size_t len = 0;
	int fd, r;

	(void)self;
	RETRY(fd, open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
	if (fd < 0)
		return -errno;
	do { /* long ones come a page at a time */
		RETRY(n, read(fd, buf + len, size - 1 - len));
		len += n > 0 ? (size_t)n : 0;
	} while (n > 0 && len > 1024 && len < size - 1);
	r = n < 0 ? -errno : (int)len;
	close(fd);
	if (r >= 0)
		buf[r] = '\0';
	return r;
}

static int linux_list_kernel(void *self, const char *dir, int (*each)(void *arg, const char *name), void *arg)
{
	int fd = linux_open_root(self, dir);

	return fd < 0 ? fd : list_fd(fd, each, arg);
}

static uint64_t bytes_of_blocks(uint64_t blocks, uint64_t size)
{
	return size && blocks > UINT64_MAX / size ? UINT64_MAX : blocks * size;
}

static int linux_path_space(void *self, const char *path, uint64_t *free_bytes, uint64_t *free_inodes,
			    uint64_t *total_inodes)
{
	struct statvfs s;
	int r;

	(void)self;
	RETRY(r, statvfs(path, &s));
	if (r < 0)
		return -errno;
	*free_bytes = bytes_of_blocks(s.f_bavail, s.f_frsize);
	*free_inodes = s.f_favail;
	*total_inodes = s.f_files;
	return 0;
}

/* "0-3,6" */
static unsigned count_of_ranges(const char *p)
{
	unsigned count = 0;

	while (*p >= '0' && *p <= '9') {
		char *end;
		unsigned long first = strtoul(p, &end, 10), last = first;

		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		if (last < first || last - first > 65535)
			return 0;
		count += (unsigned)(last - first + 1);
		p = *end == ',' ? end + 1 : end;
	}
	return count;
}

/* musl's sysconf counts those that this process may use, which need not be all that the load is for. */
static unsigned linux_cpus(void *self)
{
	char text[256];
	unsigned count = 0;
	long n;

	if (linux_read_kernel(self, "/sys/devices/system/cpu/online", text, sizeof(text)) > 0)
		count = count_of_ranges(text);
	n = count ? (long)count : sysconf(_SC_NPROCESSORS_ONLN);
	return n > 0 ? (unsigned)n : 1;
}

const struct os *os_linux(void)
{
	static const struct os table = {
		.open_root = linux_open_root,
		.open = linux_open,
		.close = linux_close,
		.pread = linux_pread,
		.pwrite = linux_pwrite,
		.truncate = linux_truncate,
		.allocate = linux_allocate,
		.sync_data = linux_sync_data,
		.sync = linux_sync,
		.sync_fs = linux_sync_fs,
		.stat_fd = linux_stat_fd,
		.stat = linux_stat,
		.rename = linux_rename,
		.unlink = linux_unlink,
		.mkdir = linux_mkdir,
		.rmdir = linux_rmdir,
		.chmod = linux_chmod,
		.chown_group = linux_chown_group,
		.symlink = linux_symlink,
		.readlink = linux_readlink,
		.list = linux_list,
		.fs_info = linux_fs_info,
		.lock = linux_lock,
		.mark = linux_mark,
		.marked = linux_marked,
		.lease = linux_lease,
		.unlease = linux_unlease,
		.watch_open = linux_watch_open,
		.watch_add = linux_watch_add,
		.watch_remove = linux_watch_remove,
		.watch_read = linux_watch_read,
		.real_ns = linux_real_ns,
		.boot_ns = linux_boot_ns,
		.boot_id = linux_boot_id,
		.random = linux_random,
		.self_id = linux_self_id,
		.process_id = linux_process_id,
		.is_alive = linux_is_alive,
		.uid = linux_uid,
		.read_kernel = linux_read_kernel,
		.list_kernel = linux_list_kernel,
		.path_space = linux_path_space,
		.cpus = linux_cpus,
	};

	return &table;
}

static struct os stepwise;

static void make_stepwise(void)
{
	stepwise = *os_linux();
	stepwise.self = &stepwise;
}

const struct os *os_linux_stepwise(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, make_stepwise);
	return &stepwise;
}
