/*
 * beneath.h - paths that others may tamper with, on Linux: nothing below the directory descriptor follows a symbolic
 * link, in no component, and nothing leaves it.
 *
 * A directory that is looked at and then named once more may be another one by then, or a link to somewhere else. So a
 * path is walked by the kernel with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS (openat2, Linux 5.6), and where there is
 * none (older kernels, qemu-user, filters) component by component, each opened from the one before. Who holds the
 * directory that the last component is in need not care what becomes of its name.
 *
 * A link in the way is -ELOOP (-ENOTDIR where a directory is asked for), ".." and absolute paths are -EXDEV. With
 * AT_FDCWD the path is an administrator's: links are followed but for one in the last component.
 */
#ifndef OS_BENEATH_H
#define OS_BENEATH_H

#include <stdbool.h>
#include <sys/types.h>

/* As openat(2) with O_NOFOLLOW. A descriptor or -errno. stepwise: as if there were no openat2. */
int beneath_open(int dir, const char *path, int flags, mode_t mode, bool stepwise);

/* Where the last component of a path is. */
struct beneath {
	int dir;          /* to be handed to ...at() with name */
	const char *name;
	bool owned;
	char last[256];   /* when the path ends in slashes */
};

int beneath_parent(struct beneath *b, int dir, const char *path, bool stepwise);
void beneath_done(struct beneath *b);

#endif
