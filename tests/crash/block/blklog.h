/*
 * blklog.h - the record of all that a disk was told, in the order in which it was told: writes, flushes, discards, and
 * between them what somebody was promised (acknowledgements).
 *
 * The file is a row of entries, each a struct blklog_head and, for BLKLOG_WRITE and BLKLOG_ACK, `len` bytes. It is read on
 * the machine that wrote it, so numbers are the machine's.
 */
#ifndef BLOCK_BLKLOG_H
#define BLOCK_BLKLOG_H

#include <stddef.h>
#include <stdint.h>

enum blklog_kind {
	BLKLOG_WRITE = 0x57424c4b, /* data at offset */
	BLKLOG_FLUSH = 0x46424c4b, /* all writes before it are on the medium */
	BLKLOG_DISCARD = 0x44424c4b, /* len bytes at offset read as zeros from now on */
	BLKLOG_ACK = 0x41424c4b, /* a line of text; see acks.h */
};

struct blklog_head {
	uint32_t kind, unused;
	uint64_t offset, len;
};

struct blklog_entry {
	enum blklog_kind kind;
	uint64_t offset, len;
	const uint8_t *data; /* NULL unless it has some */
};

struct blklog {
	struct blklog_entry *entries;
	size_t count, flushes, acks;
	uint64_t write_bytes;
	void *map;
	size_t map_len;
};

/* Maps the file; what a killed recorder left of the last entry does not count. Ends the program when it cannot. */
void blklog_open(struct blklog *log, const char *path);
void blklog_close(struct blklog *log);

#endif
