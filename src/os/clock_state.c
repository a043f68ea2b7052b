/* clock_state.c - see clock_state.h. */
#include <os/clock_state.h>

#include <sys/timex.h>

int os_clock_is_synchronised(void)
{
	struct timex t = { .modes = 0 };
	int state = adjtimex(&t);

	return state < 0 ? -1 : state != TIME_ERROR && !(t.status & STA_UNSYNC);
}
