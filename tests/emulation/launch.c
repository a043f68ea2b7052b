/*
 * launch.c - stands in the place of a program for another processor, and has the emulator run that one.
 *
 * The kernel starts no such program by itself where none is registered for it (binfmt_misc), and a script in its place
 * would be run by a shell: that one loads what LD_PRELOAD names, which is for the other processor, and argv[0] is lost.
 * Linked statically, for this machine, with EMULATOR, ROOT (its libraries) and PROGRAM as strings.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Who starts us may ignore the two that glibc keeps to itself (make does), and the emulator's programs cannot undo that. */
static void reset_reserved_signals(void)
{
	static const char zeros[256];

	for (int signal = 32; signal <= 33; signal++)
		syscall(SYS_rt_sigaction, signal, zeros, NULL, 8);
}

int main(int argc, char **argv)
{
	char **all = calloc((size_t)argc + 7, sizeof(*all));
	int n = 0;

	if (!all)
		return 127;
	all[n++] = (char *)EMULATOR;
	all[n++] = (char *)"-L";
	all[n++] = (char *)ROOT;
	all[n++] = (char *)"-0";
	all[n++] = argc ? argv[0] : (char *)"";
	all[n++] = (char *)PROGRAM;
	for (int i = 1; i < argc; i++)
		all[n++] = argv[i];
	reset_reserved_signals();
	execv(EMULATOR, all);
	fprintf(stderr, "cannot start '%s' for '%s': %s\n", EMULATOR, PROGRAM, strerror(errno));
	return errno == ENOENT ? 127 : 126;
}
