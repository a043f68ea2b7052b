/* removal.h - removing older executions of an instance, with the payload files that no history names any more. */
#ifndef RUNTIME_REMOVAL_H
#define RUNTIME_REMOVAL_H

#include <pawl/provider.h>

/* So long after a start a message may come again that an older execution has taken: so long its history stays. */
#define OLDER_FOR_NS 600000000000ll

/* The provider's prune(), by its owner. 1: there is more, call again. */
int removal_prune(struct pawl_provider *p, const struct pawl_prune *prunes, size_t count, struct pawl_error *err);

#endif
