/*
 * notify.h - tell the supervisor (systemd, or anything that sets $NOTIFY_SOCKET) how the runtime is doing: sd_notify's
 * protocol, without its library. Without a supervisor all of it does nothing.
 */
#ifndef RUNTIME_NOTIFY_H
#define RUNTIME_NOTIFY_H

#include <pawl/error.h>
#include <stdint.h>

/* One datagram, "NAME=value" lines. 1: sent; 0: nobody wants to know; PAWL_E... (PAWL_EINVALID: not an address).
 * Never blocks: a supervisor whose queue is full gives PAWL_EBUSY. */
int notify_send(const char *state) PAWL_MUST_USE;

/* Status is a hint, so these ignore failures. */
void notify_ready(void);
void notify_stopping(void);
void notify_status(const char *fmt, ...) PAWL_PRINTF(1, 2); /* one line for people; longer ones are cut */

/* How often notify_watchdog should be called: half of what the supervisor allows; 0: no watchdog, or not for us. */
int64_t notify_watchdog_interval_ms(void);
void notify_watchdog(void);

#endif
