/* memory.h - hooks for tests of the memory provider; what programs use is pawl_provider_memory in <pawl/provider.h>. */
#ifndef MEMORY_MEMORY_H
#define MEMORY_MEMORY_H

/* Forget the hub of this name: the next open finds none. Providers that have it open go on with what they hold and the
 * last of them frees it. Nothing when there is no such hub. */
void memory_provider_drop(const char *hub);

/* Take the hub away from its owner, as another runtime would that believes the owner dead: what the owner commits from
 * now on, also what it has begun, gives PAWL_EFENCED. 0, or PAWL_ENOTFOUND when there is no hub or no owner. */
int memory_provider_steal(const char *hub);

#endif
