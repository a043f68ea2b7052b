/*
 * elf.h - which symbols a shared object wants from elsewhere and which it gives, read from its bytes alone: nothing is
 * loaded. 32 and 64 bit, little endian, any machine. For files of strangers: every offset is checked.
 */
#ifndef CLI_ELF_H
#define CLI_ELF_H

#include "base/slice.h"
#include <pawl/error.h>
#include <stdint.h>

#define ELF_NAME_MAX 255 /* longer names (of C++) are left out */

struct elf_symbol {
	struct slice name;
	bool is_import;  /* not defined here */
};

struct elf_info {
	unsigned bits;       /* 32 or 64 */
	bool is_shared;      /* a shared object, or a program that can be placed anywhere */
	bool is_relocatable; /* a .o */
	bool has_interpreter; /* a program */
	uint64_t symbols;    /* how many were looked at */
};

/* Calls each for the symbols of the dynamic table (of a .o: of its table). Stops with the callback's value if not 0.
 * PAWL_EPARSE (it is no ELF file, or damaged), PAWL_EUNSUPPORTED (big endian), PAWL_ENOTFOUND (it has no such table). */
int elf_read(struct slice file, struct elf_info *info, int (*each)(void *arg, const struct elf_symbol *symbol), void *arg,
             struct pawl_error *err) PAWL_MUST_USE;

#endif
