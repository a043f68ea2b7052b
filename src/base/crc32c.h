/* crc32c.h - CRC-32C (Castagnoli), reflected, as in RFC 3720: crc32c(0, "123456789", 9) == 0xe3069283. Uses the CPU's
 * instruction where there is one (checked at run time), else slicing by eight. */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Continue from an earlier result: crc32c(crc32c(0, a), b) == crc32c(0, ab). */
uint32_t crc32c(uint32_t crc, const void *data, size_t len);
/* The portable one, for tests. */
uint32_t crc32c_portable(uint32_t crc, const void *data, size_t len);

#endif
