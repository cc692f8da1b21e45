#include "journal/record.h"

#include <string.h>

#include "base/assert.h"
#include "base/crc32c.h"

enum {
    MAGIC = 0x314a4c43, /* "CLJ1" */
    AT_LENGTH = 4,
    AT_CRC = 8,
    AT_CALL = 12,
    AT_TIME = 16,
    AT_TYPE = 24,
    AT_FLAGS = 26,
    AT_SEQUENCE = 28,
};

uint32_t record_get_u32(const void *p)
{
    const uint8_t *b = p;
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

void record_put_u32(void *p, uint32_t value)
{
    uint8_t *b = p;
    for (unsigned i = 0; i < 4; i++)
        b[i] = (uint8_t)(value >> (8 * i));
}

static uint32_t checksum(const uint8_t *header, struct str part1, struct str part2)
{
    uint32_t crc = crc32c(0, header, AT_CRC);
    crc = crc32c(crc, header + AT_CALL, RECORD_HEADER_BYTES - AT_CALL);
    crc = crc32c(crc, part1.p, part1.len);
    return crc32c(crc, part2.p, part2.len);
}

void record_write_header(uint8_t out[RECORD_HEADER_BYTES], const struct journal_record *r,
                         struct str part1, struct str part2)
{
    size_t len = part1.len + part2.len;
    ASSERT(len <= JOURNAL_PAYLOAD_BYTES_MAX);
    uint64_t at = (uint64_t)r->at_us;
    record_put_u32(out, MAGIC);
    record_put_u32(out + AT_LENGTH, (uint32_t)len);
    record_put_u32(out + AT_CALL, r->call);
    record_put_u32(out + AT_TIME, (uint32_t)at);
    record_put_u32(out + AT_TIME + 4, (uint32_t)(at >> 32));
    record_put_u32(out + AT_TYPE, (uint32_t)r->type | (uint32_t)r->flags << 16);
    record_put_u32(out + AT_SEQUENCE, r->sequence);
    record_put_u32(out + AT_CRC, checksum(out, part1, part2));
}

enum record_state record_read(struct journal_record *out, size_t *size, struct str bytes)
{
    *size = 0;
    if (bytes.len >= 4 && record_get_u32(bytes.p) != MAGIC)
        return RECORD_BAD;
    if (bytes.len < RECORD_HEADER_BYTES)
        return RECORD_SHORT;
    const uint8_t *h = (const uint8_t *)bytes.p;
    size_t len = record_get_u32(h + AT_LENGTH);
    if (len > JOURNAL_PAYLOAD_BYTES_MAX)
        return RECORD_BAD;
    *size = RECORD_HEADER_BYTES + len;
    if (bytes.len < *size)
        return RECORD_SHORT;
    struct str payload = str_n(bytes.p + RECORD_HEADER_BYTES, len);
    if (record_get_u32(h + AT_CRC) != checksum(h, payload, STR_NONE))
        return RECORD_BAD;
    uint64_t at = record_get_u32(h + AT_TIME) | (uint64_t)record_get_u32(h + AT_TIME + 4) << 32;
    uint32_t kind = record_get_u32(h + AT_TYPE);
    *out = (struct journal_record){
        .type = (uint16_t)kind,
        .flags = (uint16_t)(kind >> 16),
        .call = record_get_u32(h + AT_CALL),
        .sequence = record_get_u32(h + AT_SEQUENCE),
        .at_us = (int64_t)at,
        .payload = payload,
    };
    return RECORD_GOOD;
}

void record_clean_id(char *out, struct str id)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
    id = str_slice(id, 0, JOURNAL_ID_BYTES_MAX);
    if (id.len == 0)
        id = STR("_");
    for (size_t i = 0; i < id.len; i++) {
        char c = id.p[i];
        bool ok = memchr(allowed, c, sizeof(allowed) - 1) && (i > 0 || c != '.');
        out[i] = ok ? c : '_';
    }
    out[id.len] = '\0';
}
