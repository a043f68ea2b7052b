/* check_impl.h - what check.c and check_serve.c share. */
#ifndef BLOCK_CHECK_IMPL_H
#define BLOCK_CHECK_IMPL_H

#include "check.h"
#include "os/os.h"

void check_wrong(struct check *c, const char *fmt, ...) PAWL_PRINTF(2, 3);
/* The kernel's table after a power cut: another boot. What the check itself writes need not reach a disk. */
const struct os *os_after_power_cut(void);

#endif
