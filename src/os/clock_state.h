/* clock_state.h - is the wall clock right? What the kernel thinks of it, and what no right clock can show. */
#ifndef OS_CLOCK_STATE_H
#define OS_CLOCK_STATE_H

#include <stdbool.h>
#include <stdint.h>

/* 2020-01-01: a time before it was written down by a clock that was not set. */
#define OS_CLOCK_SET_NS (INT64_C(1577836800) * 1000000000)

/* Does somebody (NTP, PTP) keep it right? 1, 0, -1 when the kernel does not tell. */
int os_clock_is_synchronised(void);
/* Can it be this time now? Not before that day, nor before this program was built (SOURCE_DATE_EPOCH, where the builder
 * gives it). */
bool os_clock_is_set(int64_t real_ns);

#endif
