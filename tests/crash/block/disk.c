/* disk.c - the logged disk, served by FUSE. */
#define _GNU_SOURCE
#define FUSE_USE_VERSION 31
#include "disk.h"
#include "blklog.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <fuse3/fuse.h>
#include <linux/falloc.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static struct {
	int image, log, ready;
	off_t size;
} disk;

static void log_entry(enum blklog_kind kind, uint64_t offset, uint64_t len, const void *data)
{
	struct blklog_head head = { kind, 0, offset, len };
	struct iovec parts[] = { { &head, sizeof(head) }, { (void *)(uintptr_t)data, data ? (size_t)len : 0 } };
	size_t all = parts[0].iov_len + parts[1].iov_len;

	/* Without its log the run is worth nothing. */
	if (writev(disk.log, parts, 2) != (ssize_t)all)
		die_sys("cannot write %zu bytes to the log", all);
}

static bool is_disk(const char *path)
{
	return strcmp(path, "/disk") == 0;
}

static int on_getattr(const char *path, struct stat *st, struct fuse_file_info *fi)
{
	(void)fi;
	*st = (struct stat){ .st_mode = S_IFREG | 0600, .st_nlink = 1, .st_size = is_disk(path) ? disk.size : 0 };
	if (strcmp(path, "/") == 0)
		*st = (struct stat){ .st_mode = S_IFDIR | 0755, .st_nlink = 2 };
	else if (!is_disk(path) && strcmp(path, "/ack") != 0)
		return -ENOENT;
	return 0;
}

static int on_open(const char *path, struct fuse_file_info *fi)
{
	(void)path;
	fi->direct_io = 1; /* no cache of the kernel's between the loop device and the log */
	return 0;
}

static int on_read(const char *path, char *data, size_t len, off_t offset, struct fuse_file_info *fi)
{
	(void)fi;
	ssize_t n = is_disk(path) ? pread(disk.image, data, len, offset) : 0;
	return n < 0 ? -errno : (int)n;
}

static int on_write(const char *path, const char *data, size_t len, off_t offset, struct fuse_file_info *fi)
{
	(void)fi;
	log_entry(is_disk(path) ? BLKLOG_WRITE : BLKLOG_ACK, (uint64_t)offset, len, data);
	if (!is_disk(path))
		return (int)len;
	ssize_t n = pwrite(disk.image, data, len, offset);
	return n < 0 ? -errno : (int)n;
}

static int on_fsync(const char *path, int data_only, struct fuse_file_info *fi)
{
	(void)data_only;
	(void)fi;
	if (is_disk(path))
		log_entry(BLKLOG_FLUSH, 0, 0, NULL);
	return 0;
}

/* Discards and writes of zeros come as holes and ranges. */
static int on_fallocate(const char *path, int mode, off_t offset, off_t len, struct fuse_file_info *fi)
{
	(void)fi;
	if (!is_disk(path) || !(mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)))
		return -EOPNOTSUPP;
	log_entry(BLKLOG_DISCARD, (uint64_t)offset, (uint64_t)len, NULL);
	return fallocate(disk.image, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, len) < 0 ? -errno : 0;
}

static int on_truncate(const char *path, off_t size, struct fuse_file_info *fi)
{
	(void)path;
	(void)size;
	(void)fi;
	return 0; /* a shell's > opens so */
}

static void *on_init(struct fuse_conn_info *connection, struct fuse_config *config)
{
	(void)connection;
	config->attr_timeout = 3600;
	config->entry_timeout = 3600;
	if (write(disk.ready, "", 1) != 1)
		die_sys("cannot tell that the disk is there");
	return NULL;
}

static const struct fuse_operations operations = { .init = on_init, .getattr = on_getattr, .open = on_open, .read = on_read,
	.write = on_write, .fsync = on_fsync, .fallocate = on_fallocate, .truncate = on_truncate };

int disk_serve(const char *image, const char *log, const char *dir, int ready_fd)
{
	char name[] = "block-disk", foreground[] = "-f", single[] = "-s", where[4096];
	char *argv[] = { name, foreground, single, where, NULL };
	struct stat st;

	disk.image = open(image, O_RDWR | O_CLOEXEC);
	disk.log = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
	disk.ready = ready_fd;
	if (disk.image < 0 || disk.log < 0 || fstat(disk.image, &st) < 0)
		die_sys("cannot open '%s'", disk.image < 0 ? image : log);
	disk.size = st.st_size;
	if (strlen(dir) >= sizeof(where))
		die("the path '%s' is too long", dir);
	strcpy(where, dir);
	return fuse_main(4, argv, &operations, NULL);
}
