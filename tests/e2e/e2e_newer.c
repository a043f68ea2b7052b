/*
 * e2e_newer.c - makes a hub look as if a newer pawl had written it (docs/FORMAT.md):
 *
 *	newer HUB header          the header of a journal segment has version 2
 *	newer HUB record          the first record of a frame is of kind 9
 *	newer FILE line MEMBERS   a line {"seq":N,MEMBERS} behind the last one, with its checksum
 */
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_AT 4096
#define FRAME_HEAD 48
#define RECORD_HEAD 28

static uint32_t crc32c(uint32_t crc, const unsigned char *p, size_t len)
{
	crc = ~crc;
	while (len--) {
		crc ^= *p++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return ~crc;
}

static uint32_t get32(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put32(unsigned char *p, uint32_t n)
{
	for (int i = 0; i < 4; i++, n >>= 8)
		p[i] = (unsigned char)n;
}

static void new_header(unsigned char *block)
{
	put32(block + 8, 2);
	put32(block + 12, crc32c(crc32c(0, block, 12), block + 16, 48));
}

static void new_record(unsigned char *frame)
{
	unsigned char *r = frame + FRAME_HEAD;

	r[0] = 9;
	put32(r + 24, crc32c(crc32c(0, r, 24), r + RECORD_HEAD, r[2] | (size_t)r[3] << 8));
	put32(frame + 4, crc32c(0, frame + 8, FRAME_HEAD - 8 + get32(frame + 40)));
}

static int change_segment(const char *path, int header)
{
	static unsigned char data[1 << 20];
	FILE *f = fopen(path, "r+b");

	if (!f)
		return 0;
	size_t len = fread(data, 1, sizeof(data), f);
	int used = len > FRAME_AT + FRAME_HEAD && memcmp(data + FRAME_AT, "PWFR", 4) == 0;
	if (used && header)
		new_header(data);
	else if (used)
		new_record(data + FRAME_AT);
	rewind(f);
	if (used)
		fwrite(data, 1, len, f);
	return fclose(f) == 0 && used;
}

static int add_line(const char *path, const char *members)
{
	static char text[1 << 20];
	FILE *f = fopen(path, "r+b");
	unsigned lines = 0;

	if (!f)
		return 0;
	size_t len = fread(text, 1, sizeof(text), f);
	for (size_t i = 0; i < len; i++)
		lines += text[i] == '\n';
	int n = snprintf(text, sizeof(text), "{\"seq\":%u,%s}", lines + 1, members);
	fseek(f, 0, SEEK_END);
	fprintf(f, "%s\t%08x\n", text, (unsigned)crc32c(0, (unsigned char *)text, (size_t)n));
	return fclose(f) == 0;
}

int main(int argc, char **argv)
{
	char path[4096];
	int done = 0;

	if (argc > 3 && strcmp(argv[2], "line") == 0)
		return !add_line(argv[1], argv[3]);
	for (int n = 0; argc > 2 && n < 8; n++) {
		snprintf(path, sizeof(path), "%s/journal/%d.segment", argv[1], n);
		done += change_segment(path, strcmp(argv[2], "header") == 0);
	}
	return done == 0;
}
