/* LAYER: journal - segments of a dead process in any state: recovery ends, its copies are readable */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/log.h"
#include "journal/journal.h"
#include "journal/past.h"
#include "journal/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char series[] = "0000001790000000000-1-0";

static void put(struct buf *b, struct journal_record *r, struct str payload)
{
    uint8_t header[RECORD_HEADER_BYTES];
    record_write_header(header, r, payload, STR_NONE);
    buf_put(b, header, sizeof(header));
    buf_put_str(b, payload);
}

/* Records of four calls: u8 call and type, u8 a fault, u16 length, payload. Faults: a gap in the
 * sequence, a byte changed, the tail torn off, a second head. */
static void forge(struct buf *b, const uint8_t *p, size_t size)
{
    struct journal_record r = {.at_us = 1000};
    uint32_t sequence[4] = {0};
    for (uint32_t i = 0; i < 4; i++) {
        char head[96];
        int n = snprintf(head, sizeof(head), "{\"format\":1,\"callId\":\"call-%u\"}", i);
        r.call = i + 1;
        r.type = JOURNAL_HEAD;
        r.sequence = sequence[i]++;
        put(b, &r, str_n(head, (size_t)n));
    }
    while (size >= 4) {
        size_t len = p[2] | (size_t)p[3] << 8, before = b->len;
        uint32_t i = p[0] & 3;
        len = len > size - 4 ? size - 4 : len;
        r.call = i + 1;
        r.type = p[0] >> 2;
        r.at_us += 20000;
        sequence[i] += (p[1] & 7) == 1;
        r.sequence = sequence[i]++;
        put(b, &r, str_n((const char *)p + 4, len));
        if ((p[1] & 7) == 2)
            b->p[before + (p[1] >> 3)] ^= 0x40;
        if ((p[1] & 7) == 3)
            b->len = before + (p[1] >> 3) % (b->len - before);
        p += 4 + len;
        size -= 4 + len;
    }
}

static unsigned recover(const char *dir)
{
    struct past *past;
    struct journal_reader *reader;
    struct journal_record r;
    struct err_detail why;
    char path[256];
    unsigned count = 0;
    ASSERT(past_open(&past, dir, false, &why) == OK);
    for (size_t i = 0; i < past_count(past); i++) {
        struct past_call *call = past_at(past, i);
        if (call->alive || call->filed)
            continue;
        count++;
        ASSERT(past_file(past, call, &why) == OK);
        snprintf(path, sizeof(path), "%s/%s.jrn", dir, call->id);
        ASSERT(journal_reader_open(&reader, path, &why) == OK);
        ASSERT(journal_reader_next(reader, &r, &why) == OK);
        while (journal_reader_next(reader, &r, &why) == OK)
            ;
        journal_reader_close(reader);
        ASSERT(unlink(path) == 0);
    }
    past_close(past);
    return count;
}

static void write_file(const char *path, struct str bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ASSERT(fd >= 0 && write(fd, bytes.p, bytes.len) == (ssize_t)bytes.len);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char dir[64], path[160];
    struct buf b;
    if (size < 2)
        return 0;
    log_set_level(LOG_LEVEL_OFF);
    snprintf(dir, sizeof(dir), "/dev/shm/fuzz-recover-%ld", (long)getpid());
    (void)mkdir(dir, 0700);
    snprintf(path, sizeof(path), "%s/segments", dir);
    (void)mkdir(path, 0700);
    buf_init(&b, 1 << 20);
    if (data[0] & 1)
        forge(&b, data + 1, size - 1);
    else
        buf_put(&b, data + 1, size - 1);
    /* In two files, cut wherever the first byte says: a record may lie across. */
    size_t cut = b.len * (data[0] >> 1) / 127;
    snprintf(path, sizeof(path), "%s/segments/%s.000001.seg", dir, series);
    write_file(path, str_n(b.p, cut));
    snprintf(path, sizeof(path), "%s/segments/%s.000002.seg", dir, series);
    write_file(path, str_n(b.p + cut, b.len - cut));
    (void)recover(dir);
    ASSERT(recover(dir) == 0);
    buf_fini(&b);
    return 0;
}
