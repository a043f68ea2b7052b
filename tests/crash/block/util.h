/* util.h - what the programs of this folder share: ending with a text, and loop devices that go with the process. */
#ifndef BLOCK_UTIL_H
#define BLOCK_UTIL_H

#include <pawl/error.h>
#include <stdbool.h>
#include <stddef.h>

/* To standard error, and exit status 3: not a finding, but a machine or a call that does not fit. */
_Noreturn void die(const char *fmt, ...) PAWL_PRINTF(1, 2);
_Noreturn void die_sys(const char *fmt, ...) PAWL_PRINTF(1, 2); /* with strerror(errno) */

/*
 * Mounts and loop devices must not outlive us, however we end. So this process gets a mount namespace of its own, which
 * goes with its last process, and a loop device is cleared by the kernel with its last user.
 */
void own_mounts(void);
void die_with_parent(int signal);
/* A free loop device on this file: its descriptor; path gets its name. */
int loop_attach(const char *file, char *path, size_t size);
int mount_fs(const char *dev, const char *dir, const char *fs, const char *options); /* 0 or -errno */
void umount_fs(const char *dir); /* tries for ten seconds when it is busy */
/* btrfs remembers devices by their path: without this another image of the same origin is taken for an old copy. */
void forget_btrfs(const char *dev);

#endif
