/*
 * disk.h - the logged disk: a FUSE directory with two files. `disk` is the image; a loop device on it is the disk of the
 * file system. `ack` takes acknowledgements: what is written to it goes into the log and nowhere else. One thread serves
 * both, so the log has everything in the order in which it came.
 */
#ifndef BLOCK_DISK_H
#define BLOCK_DISK_H

/* Serves until it is unmounted; ready_fd gets a byte when it is there. The exit status. */
int disk_serve(const char *image, const char *log, const char *dir, int ready_fd);

#endif
