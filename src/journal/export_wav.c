#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audio/g711.h"
#include "audio/wav.h"
#include "base/base64.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/mem.h"
#include "call/call.h"
#include "journal/export.h"
#include "journal/tape.h"

enum {
    RATE_HZ = 8000,
    FRAME_BYTES = 4,
    LEFT = 0,
    RIGHT = 1,
    STRAY_MS_MAX = 3000, /* a stream timestamp further than this from its arrival is not believed */
    DECODE_CHARS = 4096,
};

static const uint64_t FRAMES_MAX = (uint64_t)JOURNAL_EXPORT_MS_MAX * RATE_HZ / 1000;

/* Audio accepted for an item, as base64 in the mapped journal. */
struct piece {
    struct str base64; /* empty: not kept */
    uint32_t start, len;
};

struct item {
    struct str id;
    struct piece *pieces;
    size_t count, cap;
    uint32_t len;
    struct item *next; /* older */
};

struct mixer {
    uint8_t *frames; /* NULL in the first pass, which only measures */
    uint64_t frames_count;
    uint64_t left_end, right_end;
    uint64_t last; /* frame of the last record */
    int64_t start_us, stream_us;
    bool started;
    struct item *items;
    struct export_sound *sound;
};

static uint64_t frame_at(const struct mixer *m, int64_t at_us)
{
    int64_t since_us = at_us - m->start_us;
    if (!m->started || since_us <= 0)
        return 0;
    uint64_t frame = (uint64_t)since_us / (1000000 / RATE_HZ);
    return frame < FRAMES_MAX ? frame : FRAMES_MAX;
}

static void put_sample(struct mixer *m, int side, uint64_t frame, int16_t sample)
{
    if (!m->frames || frame >= m->frames_count)
        return;
    uint8_t *p = m->frames + frame * FRAME_BYTES + (size_t)side * 2;
    p[0] = (uint8_t)((uint16_t)sample & 0xff);
    p[1] = (uint8_t)((uint16_t)sample >> 8);
}

/* Bytes [from, from + len) of the audio that `base64` stands for, at `frame`. What does not decode
 * is silence. */
static void put_audio(struct mixer *m, int side, uint64_t frame, struct str base64, uint32_t from,
                      uint32_t len)
{
    if (!m->frames)
        return;
    uint8_t bytes[DECODE_CHARS / 4 * 3];
    size_t at = from / 3 * (size_t)4, skip = from % 3;
    while (len > 0 && at < base64.len) {
        struct str part = str_slice(base64, at, at + DECODE_CHARS);
        size_t got;
        if (base64_decode(bytes, &got, part) != OK)
            return;
        for (size_t i = skip; i < got && len > 0; i++, len--)
            put_sample(m, side, frame++, g711_mulaw_decode(bytes[i]));
        at += part.len;
        skip = 0;
    }
}

/* -- the agent's side -- */

static struct item *item_of(struct mixer *m, struct str id)
{
    for (struct item *i = m->items; i; i = i->next)
        if (str_eq(i->id, id))
            return i;
    return NULL;
}

static void queue_audio(struct mixer *m, struct str id, struct str base64, uint32_t len)
{
    struct item *item = item_of(m, id);
    if (!item) {
        item = mem_zalloc(sizeof(*item));
        item->id = id;
        item->next = m->items;
        m->items = item;
    }
    if (item->count == item->cap) {
        item->cap = item->cap ? item->cap * 2 : 8;
        item->pieces = mem_realloc(item->pieces, item->cap * sizeof(*item->pieces));
    }
    if (len > UINT32_MAX - item->len)
        return;
    item->pieces[item->count++] = (struct piece){.base64 = base64, .start = item->len, .len = len};
    item->len += len;
}

/* The piece that holds byte `offset`, or the first behind it. */
static size_t piece_at(const struct item *item, uint32_t offset)
{
    size_t low = 0, high = item->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (item->pieces[mid].start + item->pieces[mid].len <= offset)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static void play(struct mixer *m, const struct fact *f, int64_t at_us)
{
    uint64_t start = frame_at(m, at_us);
    if (start < m->right_end)
        start = m->right_end;
    m->right_end = start + f->len + f->pad;
    if (m->right_end > FRAMES_MAX) {
        m->right_end = FRAMES_MAX;
        m->sound->cut = true;
    }
    m->sound->agent_ms += f->len / (RATE_HZ / 1000);
    const struct item *item = item_of(m, f->id);
    uint32_t offset = f->offset, left = f->len;
    for (size_t i = item ? piece_at(item, offset) : 0; item && i < item->count && left > 0; i++) {
        const struct piece *p = &item->pieces[i];
        uint32_t from = offset - p->start;
        uint32_t len = p->len - from < left ? p->len - from : left;
        if (p->base64.len > 0) {
            put_audio(m, RIGHT, start, p->base64, from, len);
            left -= len;
        } else {
            left -= len;
            m->sound->missing_ms += len / (RATE_HZ / 1000);
        }
        start += len;
        offset += len;
    }
    m->sound->missing_ms += left / (RATE_HZ / 1000);
}

static void clear(struct mixer *m, int64_t at_us)
{
    uint64_t cut = frame_at(m, at_us);
    if (cut >= m->right_end)
        return;
    uint64_t end = m->right_end < m->frames_count ? m->right_end : m->frames_count;
    for (uint64_t frame = cut; m->frames && frame < end; frame++)
        put_sample(m, RIGHT, frame, 0);
    m->sound->agent_ms -= (int64_t)(m->right_end - cut) / (RATE_HZ / 1000);
    m->right_end = cut;
}

/* -- the caller's side -- */

static void hear_caller(struct mixer *m, const struct call_input *in)
{
    if (!m->started)
        return;
    int64_t len_ms = in->audio_len / (RATE_HZ / 1000);
    int64_t arrival_ms = (in->at_us - m->start_us) / 1000 - len_ms;
    int64_t ms = (m->stream_us - m->start_us) / 1000 + (int64_t)in->number;
    if (ms < arrival_ms - STRAY_MS_MAX || ms > arrival_ms + STRAY_MS_MAX)
        ms = arrival_ms;
    uint64_t frame = ms > 0 ? (uint64_t)ms * (RATE_HZ / 1000) : 0;
    uint64_t end = frame + in->audio_len;
    if (end > FRAMES_MAX) {
        m->sound->cut = true;
        return;
    }
    put_audio(m, LEFT, frame, in->audio, 0, in->audio_len);
    m->sound->caller_ms += len_ms;
    if (in->audio.len == 0)
        m->sound->missing_ms += len_ms;
    if (end > m->left_end)
        m->left_end = end;
}

/* -- passes -- */

static void mix_step(struct mixer *m, const struct tape_step *step)
{
    enum call_in_type type = (enum call_in_type)(step->record.type - JOURNAL_INPUT);
    struct call_input in = {0};
    struct rt_event event = {0};
    bool sound = type == CALL_IN_AUDIO || type == CALL_IN_PROMPT || type == CALL_IN_ENGINE_EVENT;
    if (sound && call_input_read(&in, &event, type, step->record.at_us, step->record.payload) != OK)
        sound = false;
    if (type == CALL_IN_STREAM) {
        m->stream_us = step->record.at_us;
        if (!m->started)
            m->start_us = m->stream_us;
        m->started = true;
    }
    if (sound && type == CALL_IN_AUDIO)
        hear_caller(m, &in);
    /* An audio delta's text lies in the journal itself, unless it needed decoding. */
    bool borrowed = in.audio.p >= step->record.payload.p &&
                    in.audio.p < step->record.payload.p + step->record.payload.len;
    struct str lines = step->lines;
    struct fact f;
    while (fact_next(&lines, &f)) {
        if (str_eq(f.verb, STR("queue")) && f.id.p)
            queue_audio(m, f.id, sound && borrowed ? in.audio : STR_NONE, f.len);
        else if (str_eq(f.verb, STR("play")) && f.id.p)
            play(m, &f, step->record.at_us);
        else if (str_eq(f.verb, STR("clear")))
            clear(m, step->record.at_us);
    }
    if (sound)
        rt_event_fini(&event);
}

/* False when there is no call in the file. */
static bool mix(struct mixer *m, struct journal_reader *r)
{
    struct tape tape;
    tape_init(&tape, r);
    struct tape_step step;
    bool any = false;
    while (tape_next(&tape, &step)) {
        any = true;
        if (step.kind == TAPE_INPUT && step.record.type > JOURNAL_INPUT)
            mix_step(m, &step);
        m->last = frame_at(m, step.record.at_us);
    }
    while (m->items) {
        struct item *item = m->items;
        m->items = item->next;
        mem_free(item->pieces);
        mem_free(item);
    }
    return any;
}

static enum err explain(const char *doing, const char *path, int error, struct err_detail *detail)
{
    return err_explain(detail, ERR_IO, "cannot %s %s: %s", doing, path, strerrordesc_np(error));
}

static enum err write_file(int fd, const char *path, struct journal_reader *r, struct mixer *m,
                           struct err_detail *detail)
{
    struct stat st; /* a device must neither be filled nor removed */
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return err_explain(detail, ERR_INVALID, "%s is not a file", path);
    size_t size = WAV_HEADER_BYTES + (size_t)m->frames_count * FRAME_BYTES;
    /* Room first: a page of a sparse file that finds the disk full is a signal, not an error. */
    int error = posix_fallocate(fd, 0, (off_t)size);
    if (error != 0)
        return explain("make room for", path, error, detail);
    uint8_t *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        return explain("map", path, errno, detail);
    struct buf header;
    buf_init(&header, WAV_HEADER_BYTES);
    FAULTS_OFF();
    wav_write_header(&header, RATE_HZ, 2, m->frames_count);
    FAULTS_ON();
    memcpy(p, header.p, header.len);
    buf_fini(&header);
    m->frames = p + WAV_HEADER_BYTES;
    mix(m, r);
    munmap(p, size);
    return OK;
}

enum err export_wav(struct journal_reader *r, const char *path, struct export_sound *out,
                    struct err_detail *detail)
{
    struct export_sound measured = {0};
    struct mixer first = {.sound = &measured};
    if (!mix(&first, r))
        return err_explain(detail, ERR_INVALID, "there is no call in the journal");
    /* What was on its way when the call ended was not heard. */
    uint64_t heard = first.right_end < first.last ? first.right_end : first.last;
    *out = (struct export_sound){0};
    struct mixer second = {.sound = out,
                           .frames_count = first.left_end > heard ? first.left_end : heard};
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return explain("create", path, errno, detail);
    enum err err = write_file(fd, path, r, &second, detail);
    close(fd);
    if (err == ERR_IO)
        unlink(path);
    out->duration_ms = (int64_t)second.frames_count / (RATE_HZ / 1000);
    return err;
}
