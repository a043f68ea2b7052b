/*
 * record.c - run a command on a file system whose disk is logged.
 *
 *	record FS OPTIONS DIR COMMAND...
 *
 * DIR/disk.img is the disk, with a file system on it; DIR/log becomes its log. The command gets in its environment BLOCK_MNT,
 * where it is mounted, and BLOCK_ACK, the file that takes acknowledgements. When it has ended, the file system is unmounted.
 * The exit status is the command's.
 */
#define _GNU_SOURCE
#include "disk.h"
#include "util.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATH_BYTES 4200

static char image[PATH_BYTES], log_path[PATH_BYTES], fuse_dir[PATH_BYTES], mnt[PATH_BYTES], file[PATH_BYTES + 8];

static void paths(const char *dir)
{
	if (strlen(dir) > 4000)
		die("the path '%s' is too long", dir);
	snprintf(image, sizeof(image), "%s/disk.img", dir);
	snprintf(log_path, sizeof(log_path), "%s/log", dir);
	snprintf(fuse_dir, sizeof(fuse_dir), "%s/fuse", dir);
	snprintf(mnt, sizeof(mnt), "%s/mnt", dir);
	snprintf(file, sizeof(file), "%s/disk", fuse_dir);
	if ((mkdir(fuse_dir, 0700) < 0 && errno != EEXIST) || (mkdir(mnt, 0755) < 0 && errno != EEXIST))
		die_sys("cannot make directories in '%s'", dir);
}

static pid_t start_disk(void)
{
	int ready[2];
	char byte;

	if (pipe(ready) < 0)
		die_sys("cannot make a pipe");
	pid_t pid = fork();
	if (pid == 0) {
		die_with_parent(SIGKILL);
		signal(SIGINT, SIG_IGN); /* of a terminal: the disk goes last */
		close(ready[0]);
		exit(disk_serve(image, log_path, fuse_dir, ready[1]));
	}
	close(ready[1]);
	if (pid < 0 || read(ready[0], &byte, 1) != 1)
		die("the logged disk does not start");
	close(ready[0]);
	return pid;
}

static int run(char **argv)
{
	char ack[PATH_BYTES + 8];
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		die_with_parent(SIGTERM);
		snprintf(ack, sizeof(ack), "%s/ack", fuse_dir);
		setenv("BLOCK_MNT", mnt, 1);
		setenv("BLOCK_ACK", ack, 1);
		execvp(argv[0], argv);
		die_sys("cannot run '%s'", argv[0]);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		die_sys("cannot run '%s'", argv[0]);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
	char dev[64];

	if (argc < 5)
		die("record FS OPTIONS DIR COMMAND...");
	die_with_parent(SIGKILL);
	const char *fs = argv[1], *options = argv[2];
	paths(argv[3]);
	own_mounts();
	pid_t disk = start_disk();
	int loop = loop_attach(file, dev, sizeof(dev));
	int rc = mount_fs(dev, mnt, fs, options);
	if (rc < 0)
		die("cannot mount %s with '%s': %s", fs, options, strerror(-rc));
	int status = run(argv + 4);
	umount_fs(mnt);
	if (strcmp(fs, "btrfs") == 0)
		forget_btrfs(dev);
	close(loop);
	/* The loop device lets go of the image a moment later. */
	if (umount2(fuse_dir, MNT_DETACH) < 0)
		die_sys("cannot unmount '%s'", fuse_dir);
	waitpid(disk, NULL, 0);
	return status;
}
