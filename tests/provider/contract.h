/*
 * contract.h - the contract of <pawl/provider.h> as a test suite, for providers in and outside of this tree.
 *
 * Write a program that fills in a struct contract_target and returns what pawl_provider_contract() returns; compile it
 * with contract*.c, link it with libpawl, cmocka and pthreads (see test_memory.c for the shortest one). Every test gets a
 * hub of its own from fresh().
 */
#ifndef PROVIDER_CONTRACT_H
#define PROVIDER_CONTRACT_H

#include <pawl/provider.h>

#define CONTRACT_HUB_SIZE 4096

struct contract_target {
	const char *name; /* of the group of tests */
	const struct pawl_provider_ops *ops;
	void *arg;        /* for the functions below */

	/* The name of a hub that is not there yet. 0, or -1 when none can be made. */
	int (*fresh)(void *arg, char *hub, size_t size);
	/* The hub is not needed any more and nobody has it open. NULL: nothing to do. */
	void (*drop)(void *arg, const char *hub);
	/* Options beyond hub, create and what a test is about. NULL: none. */
	void (*configure)(void *arg, struct pawl_provider_options *options);
	/* Close p so that the hub is what a crash of its owner, or of the machine, would leave: no clean stop, nothing
	 * that was not durable. 0 or -1. NULL: closing is all there is. */
	int (*crash)(void *arg, struct pawl_provider *p, const char *hub);
	/* Take the hub away from its owner, which shall notice at its next commit. 0 or -1. NULL: the tests that need it
	 * are skipped. */
	int (*steal)(void *arg, const char *hub);
};

/* Runs all tests; the number of those that failed. One target at a time. */
int pawl_provider_contract(const struct contract_target *target);
/* Only tests whose name matches (* and ?); NULL = all. */
void pawl_provider_contract_filter(const char *pattern);

#endif
