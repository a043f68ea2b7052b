/*
 * shim_smoke.c - the least that pawl-shim must do, without a test library: for musl, other architectures and boards.
 *
 *   CC -static tests/board/shim_smoke.c && PAWL_SHIM=./pawl-shim ./a.out
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* mkdtemp */
#endif
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define HANG_S 60

static unsigned passed, failed;
static char work[] = "/tmp/pawl-shim-XXXXXX";

static void check(bool ok, const char *what)
{
	if (ok) {
		passed++;
		return;
	}
	failed++;
	printf("failed: %s\n", what);
}

static const char *contents(const char *name)
{
	static char data[4096];
	char path[64];

	snprintf(path, sizeof(path), "%s/%s", work, name);
	int fd = open(path, O_RDONLY);
	ssize_t n = fd >= 0 ? read(fd, data, sizeof(data) - 1) : 0;
	if (fd >= 0)
		close(fd);
	data[n > 0 ? n : 0] = '\0';
	return data;
}

static pid_t start(const char *shim, const char *option, const char *script)
{
	char work_is[64];

	snprintf(work_is, sizeof(work_is), "work=%s", work);
	pid_t pid = fork();
	if (pid == 0) {
		execl(shim, shim, work_is, "attempt=1", option, "--", "/bin/sh", "-c", script, (char *)NULL);
		_exit(99);
	}
	return pid;
}

static bool ends(pid_t pid, const char *outcome)
{
	int status;
	size_t len;

	if (pid <= 0 || waitpid(pid, &status, 0) != pid || status != 0)
		return false;
	const char *claim = contents("claim");
	len = strlen(claim);
	return strstr(claim, outcome) && len > 5 && strcmp(claim + len - 5, "\nend\n") == 0;
}

static void check_cancel(const char *shim)
{
	char path[64], byte;

	snprintf(path, sizeof(path), "%s/ready", work);
	if (mkfifo(path, 0600) < 0) {
		check(false, "mkfifo");
		return;
	}
	pid_t pid = start(shim, "grace_ms=10000", "echo > ready; sleep 50");
	int fd = open(path, O_RDONLY);
	check(fd >= 0 && read(fd, &byte, 1) == 1, "it runs");
	check(strstr(contents("claim"), "\nactivity ") != NULL, "the claim has its first part while it runs");
	if (pid > 0)
		kill(pid, SIGTERM);
	check(ends(pid, "\noutcome canceled\n"), "TERM cancels");
	if (fd >= 0)
		close(fd);
}

int main(void)
{
	static const char *const files[] = {"claim", "result", "log", "ready"};
	const char *shim = getenv("PAWL_SHIM");
	char path[64];

	if (!shim || !mkdtemp(work)) {
		printf("PAWL_SHIM does not name the program\n0 passed, 1 failed\n");
		return 1;
	}
	alarm(HANG_S);
	check(ends(start(shim, "sync=1", "echo out; echo words >&2; exit 3"), "\noutcome exit 3\nmessage words\noutput 4\n"), "exit");
	check(strcmp(contents("result"), "out\n") == 0, "result");
	check(strcmp(contents("log"), "words\n") == 0, "log");
	check(ends(start(shim, "timeout_ms=100", "sleep 50"), "\noutcome timeout\n"), "timeout");
	check(ends(start(shim, "heartbeat_ms=100", "sleep 50"), "\noutcome heartbeat\n"), "heartbeat");
	check(ends(start(shim, "output_max=1", "echo yes"), "\noutcome output\n"), "output");
	check(ends(start(shim, "dir=/no/such/directory", ":"), "\noutcome setup 2\n"), "set-up");
	check_cancel(shim);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", work, files[i]);
		unlink(path);
	}
	rmdir(work);
	printf("%u passed, %u failed\n", passed, failed);
	return failed > 0;
}
