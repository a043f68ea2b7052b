/*
 * e2e_clock.c - for LD_PRELOAD: a wall clock that is wrong by as many seconds as the file $E2E_CLOCK says, at any moment.
 * All other clocks stay as they are.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static long offset(void)
{
	const char *path = getenv("E2E_CLOCK");
	FILE *f = path ? fopen(path, "re") : NULL;
	long seconds = 0;

	if (f && fscanf(f, "%ld", &seconds) != 1)
		seconds = 0;
	if (f)
		fclose(f);
	return seconds;
}

int clock_gettime(clockid_t clock, struct timespec *t)
{
	static int (*real)(clockid_t, struct timespec *);

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
	int rc = real(clock, t);
	if (rc == 0 && clock == CLOCK_REALTIME)
		t->tv_sec += offset();
	return rc;
}
