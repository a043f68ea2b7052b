/* acks.c - writing and reading acknowledgements. */
#include "acks.h"
#include "util.h"
#include "base/crc32c.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static const char *const words[ACK_KINDS] = { "started", "raised", "began", "ended", "seen", "purging", "purged" };
static int file = -1;
static bool terminal;

void ack_open(void)
{
	const char *path = getenv("BLOCK_ACK");

	if (path && (file = open(path, O_WRONLY | O_CLOEXEC)) < 0)
		die_sys("cannot open '%s'", path);
	terminal = file >= 0 && isatty(file);
}

void ack_write(enum ack_kind kind, const char *id, uint64_t execution, const char *name, const void *data, size_t len)
{
	char line[400];

	if (file < 0)
		return;
	int n = snprintf(line, sizeof(line), "%s %s %" PRIu64 " %s %08" PRIx32 "\n", words[kind], id, execution, name,
		crc32c(0, data, len));
	if (write(file, line, (size_t)n) != n)
		die_sys("cannot write an acknowledgement");
	/* What a terminal has not sent yet goes with the machine: a purge must not overtake its announcement. */
	if (terminal)
		(void)tcdrain(file);
}

void ack_write_number(enum ack_kind kind, const char *id, uint64_t execution, uint64_t number, const void *data, size_t len)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, number);
	ack_write(kind, id, execution, text, data, len);
}

int ack_parse(struct ack *ack, const void *text, size_t len)
{
	char line[400], word[16];

	*ack = (struct ack){ .kind = ACK_KINDS };
	if (len >= sizeof(line))
		return -1;
	memcpy(line, text, len);
	line[len] = '\0';
	if (sscanf(line, "%15s %131s %" SCNu64 " %131s %" SCNx32, word, ack->id, &ack->execution, ack->name, &ack->crc) != 5)
		return -1;
	ack->number = strtoull(ack->name, NULL, 10);
	for (unsigned kind = 0; kind < ACK_KINDS; kind++)
		if (strcmp(word, words[kind]) == 0)
			ack->kind = (enum ack_kind)kind;
	return ack->kind == ACK_KINDS ? -1 : 0;
}
