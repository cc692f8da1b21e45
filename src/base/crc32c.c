#include "base/crc32c.h"

#include <string.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

/* Reflected polynomial 0x82f63b78, a nibble at a time: 64 bytes of table need no start-up code. */
static const uint32_t nibble[16] = {
    0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
    0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

uint32_t crc32c_table(uint32_t crc, const void *p, size_t len)
{
    const uint8_t *in = p;
    crc = ~crc;
    for (size_t i = 0; i < len; i++) {
        crc ^= in[i];
        crc = crc >> 4 ^ nibble[crc & 15];
        crc = crc >> 4 ^ nibble[crc & 15];
    }
    return ~crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const void *p,
                                                               size_t len)
{
    const uint8_t *in = p;
    uint64_t x = (uint32_t)~crc;
    for (; len >= 8; in += 8, len -= 8) {
        uint64_t v;
        memcpy(&v, in, 8);
        x = _mm_crc32_u64(x, v);
    }
    crc = (uint32_t)x;
    if (len & 4) {
        uint32_t v;
        memcpy(&v, in, 4);
        crc = _mm_crc32_u32(crc, v);
        in += 4;
        len -= 4;
    }
    while (len--)
        crc = _mm_crc32_u8(crc, *in++);
    return ~crc;
}
#endif

uint32_t crc32c(uint32_t crc, const void *p, size_t len)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2"))
        return crc32c_sse42(crc, p, len);
#endif
    return crc32c_table(crc, p, len);
}
