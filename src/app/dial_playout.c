/* Positions count bytes since the beginning, so that a mark is one comparison. */
#include "app/dial_playout.h"

#include <string.h>

#include "app/voice.h"
#include "audio/g711.h"
#include "base/base64.h"
#include "base/limits.h"
#include "base/mem.h"

enum { COMPACT_BYTES = 1 << 16 };

void dial_playout_init(struct dial_playout *p)
{
    *p = (struct dial_playout){0};
    buf_init(&p->queue, DIAL_PLAYOUT_BYTES_MAX + COMPACT_BYTES);
    p->marks = mem_alloc(sizeof(*p->marks) * DIAL_MARKS_MAX);
}

void dial_playout_fini(struct dial_playout *p)
{
    buf_fini(&p->queue);
    mem_free(p->marks);
    p->marks = NULL;
}

size_t dial_playout_waiting(const struct dial_playout *p)
{
    return p->queue.len - p->head;
}

bool dial_playout_empty(const struct dial_playout *p)
{
    return dial_playout_waiting(p) == 0;
}

static uint8_t *make_room(struct dial_playout *p, size_t len)
{
    if (p->head > 0 && (p->head >= COMPACT_BYTES || p->head == p->queue.len)) {
        buf_consume(&p->queue, p->head);
        p->head = 0;
    }
    uint8_t *room = NULL;
    if (len <= DIAL_PLAYOUT_BYTES_MAX && dial_playout_waiting(p) <= DIAL_PLAYOUT_BYTES_MAX - len)
        room = buf_reserve(&p->queue, len);
    if (!room)
        p->refused++;
    return room;
}

enum err dial_playout_add(struct dial_playout *p, struct str base64)
{
    size_t len = base64_decoded_len(base64);
    p->messages++;
    if (len == 0) {
        p->refused++;
        return ERR_INVALID;
    }
    uint8_t *room = make_room(p, len);
    if (!room)
        return ERR_LIMIT;
    if (base64_decode(room, &len, base64) != OK) {
        p->refused++;
        return ERR_INVALID;
    }
    buf_commit(&p->queue, len);
    p->appended += (int64_t)len;
    return OK;
}

enum err dial_playout_add_raw(struct dial_playout *p, const uint8_t *mulaw, size_t len)
{
    uint8_t *room = make_room(p, len);
    if (!room)
        return ERR_LIMIT;
    memcpy(room, mulaw, len);
    buf_commit(&p->queue, len);
    p->appended += (int64_t)len;
    return OK;
}

enum err dial_playout_mark(struct dial_playout *p, struct str name)
{
    p->marks_seen++;
    if (p->mark_count == DIAL_MARKS_MAX) {
        p->refused++;
        return ERR_LIMIT;
    }
    struct dial_mark *m = &p->marks[(p->first_mark + p->mark_count) % DIAL_MARKS_MAX];
    if (!str_copy(m->name, sizeof(m->name), name)) {
        p->refused++;
        return ERR_INVALID;
    }
    m->at = p->appended;
    p->mark_count++;
    return OK;
}

size_t dial_playout_take(struct dial_playout *p, uint8_t *frame)
{
    size_t have = dial_playout_waiting(p);
    size_t n = have < VOICE_FRAME_BYTES ? have : VOICE_FRAME_BYTES;
    if (n > 0)
        memcpy(frame, p->queue.p + p->head, n);
    memset(frame + n, G711_MULAW_SILENCE, VOICE_FRAME_BYTES - n);
    p->head += n;
    p->passed += (int64_t)n;
    p->heard += (int64_t)n;
    return n;
}

size_t dial_playout_clear(struct dial_playout *p)
{
    size_t n = dial_playout_waiting(p);
    p->head = p->queue.len;
    p->passed += (int64_t)n;
    p->dropped += (int64_t)n;
    p->clears++;
    return n;
}

void dial_playout_lost(struct dial_playout *p)
{
    p->passed += (int64_t)dial_playout_waiting(p);
    p->head = p->queue.len;
    p->mark_count = 0;
}

const char *dial_playout_due(struct dial_playout *p)
{
    if (p->mark_count == 0 || p->marks[p->first_mark].at > p->passed)
        return NULL;
    const char *name = p->marks[p->first_mark].name;
    p->first_mark = (p->first_mark + 1) % DIAL_MARKS_MAX;
    p->mark_count--;
    p->marks_echoed++;
    return name;
}
