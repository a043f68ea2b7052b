/* types.h - what the load runs, and the check runs on: orchestrations whose output follows from input and events alone. */
#ifndef BLOCK_TYPES_H
#define BLOCK_TYPES_H

#include <stddef.h>
#include <stdint.h>

/* A text that follows from a number; out has len + 1 bytes. */
void types_fill(char *out, size_t len, uint32_t number);
/* So that a program that uses nothing else of it is linked with the registrations. */
void types_register(void);

#endif
