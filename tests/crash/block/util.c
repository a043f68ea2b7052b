/* util.c - loop devices, mounts, and ending with a text. */
#define _GNU_SOURCE
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/loop.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

void die(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fputs("block: ", stderr);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
	va_end(args);
	exit(3);
}

void die_sys(const char *fmt, ...)
{
	int sys = errno;
	va_list args;

	va_start(args, fmt);
	fputs("block: ", stderr);
	vfprintf(stderr, fmt, args);
	fprintf(stderr, ": %s\n", strerror(sys));
	va_end(args);
	exit(3);
}

void own_mounts(void)
{
	if (unshare(CLONE_NEWNS) < 0)
		die_sys("cannot make a mount namespace");
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		die_sys("cannot make mounts private");
}

void die_with_parent(int signal)
{
	if (prctl(PR_SET_PDEATHSIG, signal) < 0)
		die_sys("cannot ask to end with the parent");
}

static int loop_try(int control, int file, char *path, size_t size)
{
	struct loop_config config = { .fd = (unsigned)file, .info.lo_flags = LO_FLAGS_AUTOCLEAR };
	int number = ioctl(control, LOOP_CTL_GET_FREE);

	if (number < 0)
		die_sys("there is no free loop device");
	snprintf(path, size, "/dev/loop%d", number);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0 && ioctl(fd, LOOP_CONFIGURE, &config) == 0)
		return fd;
	if (fd >= 0) {
		int sys = errno;
		close(fd);
		errno = sys;
	}
	return -1;
}

int loop_attach(const char *file, char *path, size_t size)
{
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), backing = open(file, O_RDWR | O_CLOEXEC), fd = -1;

	if (control < 0 || backing < 0)
		die_sys("cannot open '%s'", control < 0 ? "/dev/loop-control" : file);
	/* Somebody else may take the free one first. */
	for (int tries = 0; fd < 0 && tries < 100; tries++) {
		fd = loop_try(control, backing, path, size);
		if (fd < 0 && errno != EBUSY && errno != ENXIO)
			die_sys("cannot make '%s' a loop device, %s", file, path);
	}
	if (fd < 0)
		die_sys("cannot make '%s' a loop device", file);
	close(control);
	close(backing);
	return fd;
}

int mount_fs(const char *dev, const char *dir, const char *fs, const char *options)
{
	return mount(dev, dir, fs, 0, options) < 0 ? -errno : 0;
}

void umount_fs(const char *dir)
{
	const struct timespec pause = { 0, 5000000 };

	for (int tries = 0; umount2(dir, 0) < 0; tries++) {
		if (errno != EBUSY || tries == 2000)
			die_sys("cannot unmount '%s'", dir);
		nanosleep(&pause, NULL);
	}
}

void forget_btrfs(const char *dev)
{
	struct btrfs_ioctl_vol_args args = { .fd = 0 };
	int fd = open("/dev/btrfs-control", O_RDWR | O_CLOEXEC);

	snprintf(args.name, sizeof(args.name), "%s", dev);
	if (fd >= 0) {
		(void)ioctl(fd, BTRFS_IOC_FORGET_DEV, &args); /* not known: nothing to forget */
		close(fd);
	}
}
