/*
 * tar.h - POSIX ustar archives, written and read as a stream: regular files, read with plain tar(1) too.
 *
 * The reader is for what a stranger wrote: each header's checksum and numbers are checked, names are relative and have no
 * "..", and nothing but files and directories comes out. It allocates what the caller allows.
 */
#ifndef CLI_TAR_H
#define CLI_TAR_H

#include <pawl/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define TAR_NAME_MAX 256 /* a prefix of 155, a slash and 100 */

/* One regular file. PAWL_EINVALID: the name does not fit; PAWL_EIO ...: it cannot be written. */
int tar_write(FILE *out, const char *name, const void *data, size_t len, int64_t mtime_s, struct pawl_error *err) PAWL_MUST_USE;
/* Nothing comes behind it. */
int tar_write_end(FILE *out, struct pawl_error *err) PAWL_MUST_USE;

struct tar_entry {
	char name[TAR_NAME_MAX + 1]; /* without a leading "./" and a slash at the end */
	bool is_directory;
	uint64_t size;
};

struct tar_reader {
	FILE *in;
	uint64_t left, padding; /* of the entry that was read last */
	uint64_t entries;
};

/* 1: the next entry; 0: the end; PAWL_EPARSE (it is no such archive, or it is cut off), PAWL_EUNSUPPORTED (what pawl does
 * not read), PAWL_EIO. What was not read of the entry before is skipped. */
int tar_next(struct tar_reader *r, struct tar_entry *entry, struct pawl_error *err) PAWL_MUST_USE;
/* All bytes of the entry: *out is malloc'd and NUL-terminated. PAWL_ETOOBIG over max bytes. */
int tar_read(struct tar_reader *r, const struct tar_entry *entry, uint64_t max, char **out, size_t *len, struct pawl_error *err) PAWL_MUST_USE;

#endif
