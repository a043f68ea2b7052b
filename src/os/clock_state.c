/* clock_state.c - see clock_state.h. */
#include <os/clock_state.h>

#include <sys/timex.h>

#ifndef PAWL_BUILD_SECONDS
#define PAWL_BUILD_SECONDS 0
#endif

int os_clock_is_synchronised(void)
{
	struct timex t = { .modes = 0 };
	int state = adjtimex(&t);

	return state < 0 ? -1 : state != TIME_ERROR && !(t.status & STA_UNSYNC);
}

bool os_clock_is_set(int64_t real_ns)
{
	int64_t built = INT64_C(1000000000) * PAWL_BUILD_SECONDS;

	return real_ns >= OS_CLOCK_SET_NS && real_ns >= built;
}
