/*
 * feed.c - DEVICE SECONDS PROGRAM [ARGUMENT...]: a hardware watchdog that is fed only as long as the program says that it is well.
 *
 * What systemd does with WatchdogSec= and RuntimeWatchdogSec= together, for a system that has another init: the program gets
 * $NOTIFY_SOCKET and $WATCHDOG_USEC, and each WATCHDOG=1 that it sends feeds the device once. Nothing else does.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/watchdog.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET "/run/feed.socket"

static int fail(const char *what)
{
	fprintf(stderr, "feed: %s: %s\n", what, strerror(errno));
	return 1;
}

static int start_program(char **argv, long seconds)
{
	char usec[32];

	snprintf(usec, sizeof(usec), "%ld000000", seconds);
	switch (fork()) {
	case -1: return fail("cannot fork");
	case 0:
		setenv("NOTIFY_SOCKET", SOCKET, 1);
		setenv("WATCHDOG_USEC", usec, 1);
		execv(argv[0], argv);
		_exit(fail(argv[0]));
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = SOCKET };
	int seconds, device, sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (argc < 4 || (seconds = atoi(argv[2])) <= 0) {
		fprintf(stderr, "usage: feed DEVICE SECONDS PROGRAM [ARGUMENT...]\n");
		return 2;
	}
	unlink(SOCKET);
	if (sock < 0 || bind(sock, (struct sockaddr *)&address, sizeof(address)) != 0)
		return fail("cannot listen at " SOCKET);
	device = open(argv[1], O_WRONLY | O_CLOEXEC);
	if (device < 0 || ioctl(device, WDIOC_SETTIMEOUT, &seconds) != 0)
		return fail("cannot use the watchdog");
	if (start_program(argv + 3, seconds) != 0)
		return 1;
	for (;;) {
		char text[1024];
		ssize_t n = recv(sock, text, sizeof(text) - 1, 0);
		if (n < 0 && errno != EINTR)
			return fail("cannot receive");
		text[n < 0 ? 0 : n] = '\0';
		if (strstr(text, "WATCHDOG=1") && write(device, "1", 1) == 1) {
			printf("fed\n");
			fflush(stdout);
		}
	}
}
