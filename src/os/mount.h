/* mount.h - how a file system is mounted, and whether a reboot empties it. */
#ifndef OS_MOUNT_H
#define OS_MOUNT_H

#include "os/os.h"

struct os_mount {
	bool known;
	char device[24];   /* "8:2" */
	char type[32], source[128];
	char options[4096]; /* of the mount and of the file system, with commas */
};

/* What the kernel tells of the one that a directory is on: the line of /proc/self/mountinfo that its mnt_id names. */
void os_mount_find(const struct os *os, int dir, struct os_mount *m);
/* Has the mount this option? value (may be NULL) gets what is behind "name=", name with its '='. */
bool os_mount_has(const struct os_mount *m, const char *name, char *value, size_t size);

enum os_lasting { OS_LASTS, OS_LASTS_PERHAPS /* nobody can tell */, OS_VOLATILE };

/* why: what it is that forgets, or that hides it: "tmpfs", "an overlay over tmpfs ('/run/upper')", "memory ('/dev/zram0')". */
enum os_lasting os_mount_lasts(const struct os *os, int dir, const struct os_mount *m, char *why, size_t size);

#endif
