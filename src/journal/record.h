/*
 * record.h - the 32 bytes in front of every record, and what names a call's file.
 *
 *   Layout    little-endian; see journal.h. The checksum covers the header without itself, then the
 *             payload, so that a length or a type cannot rot unseen.
 *   Thread    any; pure.
 *   Bounds    a payload has at most JOURNAL_PAYLOAD_BYTES_MAX bytes.
 */
#ifndef JOURNAL_RECORD_H
#define JOURNAL_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/str.h"
#include "journal/journal.h"

enum { RECORD_HEADER_BYTES = 32 };

/* Writes the header of a record whose payload is part1 then part2 (together within the bound). */
void record_write_header(uint8_t out[RECORD_HEADER_BYTES], const struct journal_record *r,
                         struct str part1, struct str part2);

enum record_state {
    RECORD_GOOD,
    RECORD_SHORT, /* the bytes end before the record does */
    RECORD_BAD,   /* no header, or a checksum that does not fit */
};

/* Reads the record at the front of `bytes`; `out` is written only when it is good, its payload
 * borrows from `bytes`. `*size` is the length of the whole record, also of a bad one whose header
 * looks right (else 0). */
enum record_state record_read(struct journal_record *out, size_t *size, struct str bytes);

/* The call's id with every byte that has no place in a file name replaced by '_', cut to
 * JOURNAL_ID_BYTES_MAX, never empty. `out` holds JOURNAL_ID_BYTES_MAX + 1. */
void record_clean_id(char *out, struct str id);

/* As journal_reader_open for a file known to be ours, whatever its first bytes have become. */
enum err record_map_file(struct journal_reader **out, const char *path,
                         struct err_detail *detail) MUST_CHECK;

/* Little-endian bytes, both ways. */
uint32_t record_get_u32(const void *p);
void record_put_u32(void *p, uint32_t value);

#endif
