/* journal_frame.h - the bytes of the journal, for who writes them (journal.c) and who reads them (journal_read.c). */
#ifndef FS_JOURNAL_FRAME_H
#define FS_JOURNAL_FRAME_H

#include <stddef.h>
#include <stdint.h>

struct journal;

/* Of a segment file of so many bytes, those that are read (journal_read.c). */
uint64_t segment_bytes_used(const struct journal *j, int fd, uint64_t size);

#define HEADER_MAGIC "PAWLJRNL"
#define FRAME_MAGIC "PWFR"
#define JOURNAL_VERSION 1u
#define HEADER_SIZE 64u
#define FRAME_HEAD 48u
#define RECORD_HEAD 28u

static inline void put16(char *p, uint16_t n)
{
	p[0] = (char)(n & 0xff);
	p[1] = (char)(n >> 8);
}

static inline void put32(char *p, uint32_t n)
{
	put16(p, (uint16_t)(n & 0xffff));
	put16(p + 2, (uint16_t)(n >> 16));
}

static inline void put64(char *p, uint64_t n)
{
	put32(p, (uint32_t)(n & 0xffffffffu));
	put32(p + 4, (uint32_t)(n >> 32));
}

static inline uint16_t get16(const char *p)
{
	return (uint16_t)((unsigned char)p[0] | (unsigned)(unsigned char)p[1] << 8);
}

static inline uint32_t get32(const char *p)
{
	return (uint32_t)get16(p) | (uint32_t)get16(p + 2) << 16;
}

static inline uint64_t get64(const char *p)
{
	return (uint64_t)get32(p) | (uint64_t)get32(p + 4) << 32;
}

/* What a frame takes up. */
static inline size_t frame_size(unsigned align, size_t payload)
{
	size_t unit = (size_t)1 << align;

	return (FRAME_HEAD + payload + unit - 1) & ~(unit - 1);
}

#endif
