/*
 * e2e_attack.c - what somebody may do who can drop events and wishes us ill, faster than a shell does it.
 *
 *	attack swap NAME TARGET ROUNDS      NAME is in turn a file and a symbolic link to TARGET, by renames
 *	attack flood DIR PREFIX COUNT TEXT  files PREFIX1, PREFIX2, ... with that text
 *	attack swapdir DIR AWAY ROUNDS      DIR is in turn a directory and a symbolic link to AWAY
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	size_t len = strlen(text);

	if (fd < 0 || write(fd, text, len) != (ssize_t)len)
		return -1;
	return close(fd);
}

static int swap(const char *name, const char *target, int rounds)
{
	char file[512], link[512];
	const char *slash = strrchr(name, '/');
	int dir = slash ? (int)(slash - name + 1) : 0;

	snprintf(file, sizeof(file), "%.*s.f.tmp", dir, name);
	snprintf(link, sizeof(link), "%.*s.l.tmp", dir, name);
	for (int i = 0; i < rounds; i++)
		if (put(file, "plain\n") < 0 || rename(file, name) < 0 || symlink(target, link) < 0 || rename(link, name) < 0)
			return -1;
	return 0;
}

static int swapdir(const char *dir, const char *away, int rounds)
{
	char aside[512], link[512];

	snprintf(aside, sizeof(aside), "%s.d", dir);
	snprintf(link, sizeof(link), "%s.l", dir);
	(void)mkdir(dir, 0777);
	for (int i = 0; i < rounds; i++)
		if (symlink(away, link) < 0 || rename(dir, aside) < 0 || rename(link, dir) < 0 || rename(dir, link) < 0 ||
		    rename(aside, dir) < 0 || unlink(link) < 0)
			return -1;
	return 0;
}

static int flood(const char *dir, const char *prefix, int count, const char *text)
{
	char path[512];

	for (int i = 1; i <= count; i++) {
		snprintf(path, sizeof(path), "%s/%s%d", dir, prefix, i);
		if (put(path, text) < 0 && errno != EEXIST)
			return -1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	int rc = -1;

	errno = EINVAL;
	if (argc == 5 && strcmp(argv[1], "swap") == 0)
		rc = swap(argv[2], argv[3], atoi(argv[4]));
	else if (argc == 5 && strcmp(argv[1], "swapdir") == 0)
		rc = swapdir(argv[2], argv[3], atoi(argv[4]));
	else if (argc == 6 && strcmp(argv[1], "flood") == 0)
		rc = flood(argv[2], argv[3], atoi(argv[4]), argv[5]);
	if (rc < 0)
		perror("attack");
	return rc < 0;
}
