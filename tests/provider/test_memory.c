/* test_memory.c - the memory provider keeps the contract. An argument chooses tests by name ("log: *"). */
#include "contract.h"
#include "providers/memory/memory.h"
#include <stdio.h>

static int fresh(void *arg, char *hub, size_t size)
{
	unsigned *count = arg;

	snprintf(hub, size, "hub %u", ++*count);
	return 0;
}

static void drop(void *arg, const char *hub)
{
	(void)arg;
	memory_provider_drop(hub);
}

static int steal(void *arg, const char *hub)
{
	(void)arg;
	return memory_provider_steal(hub);
}

int main(int argc, char **argv)
{
	unsigned count = 0;
	const struct contract_target target = { .name = "provider memory", .ops = &pawl_provider_memory, .arg = &count,
		.fresh = fresh, .drop = drop, .steal = steal };

	pawl_provider_contract_filter(argc > 1 ? argv[1] : NULL);
	return pawl_provider_contract(&target) != 0;
}
