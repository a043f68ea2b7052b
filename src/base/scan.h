/* scan.h - small texts of the kernel and of ours, word by word: what sscanf does, without its weight. White space before
 * what is wanted is passed over; false: it is not there, and *at stays. */
#ifndef BASE_SCAN_H
#define BASE_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool scan_word(const char **at, const char *word);
bool scan_number(const char **at, uint64_t *n); /* decimal digits; the largest when there are too many */
/* As many of these characters as there are, size - 1 at most; NUL-terminated. set NULL: anything but white space. */
bool scan_run(const char **at, const char *set, char *out, size_t size);

#endif
