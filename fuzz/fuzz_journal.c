/* LAYER: journal - journals from strangers: the reader, exports and replay. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/limits.h"
#include "call/call.h"
#include "journal/export.h"
#include "journal/record.h"
#include "journal/replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char head[] = "{\"format\":1,\"behaviour\":1,\"callId\":\"f\",\"config\":{"
                           "\"greeting\":\"Hi\",\"announcement\":\"A machine\",\"engines\":"
                           "[{\"name\":\"realtime\",\"model\":\"m\"}]}}";

static void put(struct buf *b, struct journal_record *r, struct str payload)
{
    uint8_t header[RECORD_HEADER_BYTES];
    record_write_header(header, r, payload, STR_NONE);
    buf_put(b, header, sizeof(header));
    buf_put_str(b, payload);
    r->sequence++;
}

/* Checksums stop a mutator cold, so it writes records: u8 type, u8 time in 10 ms, u16 length. */
static void forge(struct buf *b, const uint8_t *p, size_t size)
{
    struct journal_record r = {.type = JOURNAL_HEAD, .at_us = 1000};
    put(b, &r, str_n(head, sizeof(head) - 1));
    while (size >= 4) {
        size_t len = p[2] | (size_t)p[3] << 8;
        if (len > size - 4)
            len = size - 4;
        r.type = p[0] & 31;
        r.sequence += p[0] >> 7; /* a gap */
        r.at_us += p[1] * INT64_C(10000);
        put(b, &r, str_n((const char *)p + 4, len));
        p += 4 + len;
        size -= 4 + len;
    }
}

static void read_all(struct journal_reader *reader)
{
    struct journal_record r;
    enum err err;
    while ((err = journal_reader_next(reader, &r, NULL)) != ERR_NOTFOUND)
        if (err != OK && !journal_reader_skip(reader))
            break;
}

static void export_all(struct journal_reader *reader)
{
    json_t *transcript;
    if (export_transcript(reader, &transcript, NULL) == OK) {
        struct buf b;
        buf_init(&b, JOURNAL_EXPORT_BYTES_MAX);
        export_write_json(&b, transcript);
        export_write_text(&b, transcript);
        buf_fini(&b);
        json_decref(transcript);
    }
    char path[64];
    snprintf(path, sizeof(path), "/dev/shm/fuzz-journal-%ld.wav", (long)getpid());
    struct export_sound sound;
    if (export_wav(reader, path, &sound, NULL) == OK && sound.duration_ms < 0)
        abort();
    unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct buf b;
    buf_init(&b, 1 << 20);
    if (data[0] & 1)
        forge(&b, data + 1, size - 1);
    else
        buf_put(&b, data + 1, size - 1);
    struct journal_reader *reader = journal_reader_new(buf_str(&b));
    read_all(reader);
    export_all(reader);
    struct replay replay;
    if (replay_run(&replay, reader, true, NULL) == OK && replay.differs && replay.inputs == 0)
        abort();
    replay_fini(&replay);
    journal_reader_close(reader);
    buf_fini(&b);
    return 0;
}
