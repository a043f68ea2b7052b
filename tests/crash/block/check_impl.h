/* check_impl.h - what check.c and check_serve.c share. */
#ifndef BLOCK_CHECK_IMPL_H
#define BLOCK_CHECK_IMPL_H

#include "check.h"
#include "os/os.h"

void check_wrong(struct check *c, const char *fmt, ...) PAWL_PRINTF(2, 3);
/* Is this event, which the reference has up to this place, in the history or the mailbox that check_hub has found? */
bool check_event_is_there(const struct check *c, const char *id, const struct reference *r, size_t end, uint32_t crc);
bool check_is_purging(const struct check *c, const char *id);
/* The kernel's table after a power cut: another boot. What the check itself writes need not reach a disk. */
const struct os *os_after_power_cut(void);

#endif
