/* clock_state.h - what the kernel thinks of its own wall clock. */
#ifndef OS_CLOCK_STATE_H
#define OS_CLOCK_STATE_H

/* Does somebody (NTP, PTP) keep it right? 1, 0, -1 when the kernel does not tell. */
int os_clock_is_synchronised(void);

#endif
