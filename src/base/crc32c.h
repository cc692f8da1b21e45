/*
 * crc32c.h - CRC-32C (Castagnoli, RFC 3720 appendix B.4), by SSE4.2 where the processor has it.
 *
 *   Thread   any; pure.
 */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of `len` bytes following data whose checksum is `crc`; start with 0. */
uint32_t crc32c(uint32_t crc, const void *p, size_t len);
/* The table version, which every processor runs; for tests. */
uint32_t crc32c_table(uint32_t crc, const void *p, size_t len);

#endif
