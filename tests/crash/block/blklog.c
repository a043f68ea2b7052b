/* blklog.c - reading the record of a disk. */
#include "blklog.h"
#include "util.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static size_t data_len(const struct blklog_head *h)
{
	return h->kind == BLKLOG_WRITE || h->kind == BLKLOG_ACK ? h->len : 0;
}

static void add_entry(struct blklog *log, const struct blklog_head *h, const uint8_t *data, size_t *cap)
{
	if (log->count == *cap) {
		*cap = *cap ? *cap * 2 : 4096;
		log->entries = realloc(log->entries, *cap * sizeof(*log->entries));
		if (!log->entries)
			die("no memory for %zu entries", *cap);
	}
	log->entries[log->count++] = (struct blklog_entry){ h->kind, h->offset, h->len, data_len(h) ? data : NULL };
	log->flushes += h->kind == BLKLOG_FLUSH;
	log->acks += h->kind == BLKLOG_ACK;
	log->write_bytes += h->kind == BLKLOG_WRITE ? h->len : 0;
}

void blklog_open(struct blklog *log, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	size_t cap = 0;

	*log = (struct blklog){ .count = 0 };
	if (fd < 0 || fstat(fd, &st) < 0)
		die_sys("cannot open the log '%s'", path);
	if (st.st_size == 0)
		die("the log '%s' is empty", path);
	log->map_len = (size_t)st.st_size;
	log->map = mmap(NULL, log->map_len, PROT_READ, MAP_PRIVATE, fd, 0);
	if (log->map == MAP_FAILED)
		die_sys("cannot map the log '%s'", path);
	close(fd);
	for (size_t at = 0; log->map_len - at >= sizeof(struct blklog_head);) {
		struct blklog_head h;
		memcpy(&h, (const uint8_t *)log->map + at, sizeof(h));
		at += sizeof(h);
		if (data_len(&h) > log->map_len - at)
			break;
		add_entry(log, &h, (const uint8_t *)log->map + at, &cap);
		at += data_len(&h);
	}
}

void blklog_close(struct blklog *log)
{
	munmap(log->map, log->map_len);
	free(log->entries);
}
