/* ack.c - a shell's acknowledgement: ack WORD ID EXECUTION NAME [FILE], where FILE (standard input: -) is the payload. */
#include "acks.h"
#include "util.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	static char data[1 << 20], line[400];
	struct ack ack;
	size_t len = 0;
	ssize_t n;

	if (argc < 5)
		die("ack WORD ID EXECUTION NAME [FILE]");
	if (argc > 5) {
		int fd = strcmp(argv[5], "-") == 0 ? 0 : open(argv[5], O_RDONLY);
		while ((n = read(fd, data + len, sizeof(data) - len)) > 0)
			len += (size_t)n;
		if (n < 0)
			die_sys("cannot read '%s'", argv[5]);
	}
	for (int i = 1; i < 5; i++) {
		if (strlen(line) + strlen(argv[i]) + 12 > sizeof(line))
			die("'%s' is too long", argv[i]);
		strcat(strcat(line, argv[i]), " ");
	}
	strcat(line, "0");
	if (ack_parse(&ack, line, strlen(line)) < 0)
		die("'%s' is no acknowledgement", line);
	ack_open();
	ack_write(ack.kind, ack.id, ack.execution, ack.name, data, len);
	return 0;
}
