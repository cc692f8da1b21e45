#include "net/ws_frame.h"

#include <string.h>

#include "base/assert.h"
#include "base/fault.h"
#include "base/limits.h"
#include "net/ws.h"

/* -- writing -- */

size_t ws_head_write(uint8_t out[WS_HEAD_BYTES_MAX], enum ws_op op, size_t len, const uint8_t *mask)
{
    const uint8_t mask_bit = mask ? 0x80 : 0;
    size_t n = 2;
    out[0] = (uint8_t)(0x80 | (unsigned)op);
    if (len <= 125) {
        out[1] = (uint8_t)(mask_bit | len);
    } else if (len <= 0xffff) {
        out[1] = mask_bit | 126;
        out[2] = (uint8_t)(len >> 8);
        out[3] = (uint8_t)len;
        n = 4;
    } else {
        out[1] = mask_bit | 127;
        for (size_t i = 0; i < 8; i++)
            out[2 + i] = (uint8_t)((uint64_t)len >> (56 - 8 * i));
        n = 10;
    }
    if (mask) {
        memcpy(out + n, mask, 4);
        n += 4;
    }
    return n;
}

size_t ws_close_write(uint8_t out[WS_CONTROL_BYTES_MAX], unsigned code, struct str reason)
{
    if (code == WS_CODE_NONE)
        return 0;
    ASSERT(ws_code_may_be_sent(code));
    size_t len = utf8_valid(reason) ? reason.len : 0;
    if (len > WS_REASON_BYTES_MAX) {
        len = WS_REASON_BYTES_MAX;
        while (len && ((unsigned char)reason.p[len] & 0xc0) == 0x80)
            len--; /* not inside a character */
    }
    out[0] = (uint8_t)(code >> 8);
    out[1] = (uint8_t)code;
    if (len)
        memcpy(out + 2, reason.p, len);
    return 2 + len;
}

void ws_mask(uint8_t *to, const uint8_t *from, size_t len, const uint8_t mask[4], size_t offset)
{
    uint8_t turned[8];
    for (size_t i = 0; i < 8; i++)
        turned[i] = mask[(offset + i) & 3];
    uint64_t wide;
    memcpy(&wide, turned, 8);

    size_t i = 0;
    uint64_t v[4];
    for (; i + sizeof(v) <= len; i += sizeof(v)) {
        memcpy(v, from + i, sizeof(v));
        v[0] ^= wide;
        v[1] ^= wide;
        v[2] ^= wide;
        v[3] ^= wide;
        memcpy(to + i, v, sizeof(v));
    }
    for (; i + 8 <= len; i += 8) {
        memcpy(v, from + i, 8);
        v[0] ^= wide;
        memcpy(to + i, v, 8);
    }
    for (; i < len; i++)
        to[i] = from[i] ^ turned[i & 7];
}

bool ws_code_may_be_sent(unsigned code)
{
    if (code >= 3000 && code <= 4999)
        return true;
    return code >= 1000 && code <= 1014 && code != 1004 && code != WS_CODE_NONE &&
           code != WS_CODE_ABNORMAL;
}

/* -- reading -- */

void ws_decoder_init(struct ws_decoder *d, bool masked, size_t message_max)
{
    *d = (struct ws_decoder){.masked = masked, .message_max = message_max};
    buf_init(&d->message, message_max);
}

void ws_decoder_fini(struct ws_decoder *d)
{
    buf_fini(&d->message);
}

static void fault(struct ws_decoder *d, struct ws_item *item, unsigned code, const char *what)
{
    d->dead = true;
    buf_release(&d->message);
    *item = (struct ws_item){WS_ITEM_FAULT, code, str_of(what)};
}

/* What is wrong with the first two bytes, or NULL (sections 5.2, 5.4 and 5.5). */
static const char *head_start_fault(const struct ws_decoder *d, const uint8_t *h)
{
    const bool fin = h[0] & 0x80;
    const unsigned op = h[0] & 0x0f;
    const unsigned len7 = h[1] & 0x7f;
    if (h[0] & 0x70)
        return "reserved bits set";
    if ((h[1] & 0x80 ? true : false) != d->masked)
        return d->masked ? "frame not masked" : "masked frame from a server";
    if (op >= 0x8) {
        if (op > WS_OP_PONG)
            return "reserved opcode";
        if (!fin)
            return "fragmented control frame";
        if (len7 > WS_CONTROL_BYTES_MAX)
            return "control frame too long";
        return NULL;
    }
    if (op > WS_OP_BINARY)
        return "reserved opcode";
    if (op == WS_OP_CONTINUATION && d->message_op == WS_OP_CONTINUATION)
        return "continuation without a message";
    if (op != WS_OP_CONTINUATION && d->message_op != WS_OP_CONTINUATION)
        return "new message inside another";
    return NULL;
}

static size_t head_size(const uint8_t *h)
{
    const unsigned len7 = h[1] & 0x7f;
    return 2u + (len7 == 126 ? 2u : len7 == 127 ? 8u : 0u) + (h[1] & 0x80 ? 4u : 0u);
}

static uint64_t big_endian(const uint8_t *p, size_t bytes)
{
    uint64_t v = 0;
    for (size_t i = 0; i < bytes; i++)
        v = v << 8 | p[i];
    return v;
}

/* Reads a whole head that head_start_fault has passed. */
static const char *head_read(struct ws_decoder *d, const uint8_t *h)
{
    const unsigned len7 = h[1] & 0x7f;
    d->fin = h[0] & 0x80;
    d->op = h[0] & 0x0f;
    d->frame_len = len7;
    d->frame_got = 0;
    if (len7 == 126) {
        d->frame_len = big_endian(h + 2, 2);
        if (d->frame_len <= 125)
            return "length not in its shortest form";
    } else if (len7 == 127) {
        d->frame_len = big_endian(h + 2, 8);
        if (d->frame_len <= 0xffff || d->frame_len >> 63)
            return "length not in its shortest form";
    }
    if (d->masked)
        memcpy(d->mask, h + head_size(h) - 4, 4);
    d->in_payload = true;
    if (d->op == WS_OP_TEXT || d->op == WS_OP_BINARY) {
        d->message_op = d->op;
        d->utf8 = (struct utf8_state){0};
    }
    return NULL;
}

/* Takes the frame's head; false when the input ended first or the item is a fault. */
static bool take_head(struct ws_decoder *d, uint8_t **p, size_t *len, struct ws_item *item)
{
    const uint8_t *h = *p;
    if (d->head_len || *len < 2 || *len < head_size(*p)) {
        size_t want = d->head_len < 2 ? 2 : head_size(d->head);
        while (*len && d->head_len < want) {
            d->head[d->head_len++] = *(*p)++;
            --*len;
            if (d->head_len < 2)
                continue;
            const char *early = head_start_fault(d, d->head);
            if (early) {
                fault(d, item, WS_CODE_PROTOCOL, early);
                return false;
            }
            want = head_size(d->head);
        }
        if (d->head_len < want)
            return false;
        h = d->head;
        d->head_len = 0;
    } else {
        *p += head_size(h);
        *len -= head_size(h);
    }
    const char *what = head_start_fault(d, h);
    if (!what)
        what = head_read(d, h);
    if (what) {
        fault(d, item, WS_CODE_PROTOCOL, what);
        return false;
    }
    if (d->op < 0x8 && d->frame_len > d->message_max - d->message.len) {
        fault(d, item, WS_CODE_TOO_BIG, "message too large");
        return false;
    }
    return true;
}

static void close_item(struct ws_decoder *d, struct ws_item *item, struct str payload)
{
    item->kind = WS_ITEM_CLOSE;
    item->code = WS_CODE_NONE;
    if (payload.len == 0)
        return;
    if (payload.len == 1) {
        fault(d, item, WS_CODE_PROTOCOL, "close frame of one byte");
        return;
    }
    item->code = (unsigned)((uint8_t)payload.p[0] << 8 | (uint8_t)payload.p[1]);
    item->payload = str_slice(payload, 2, payload.len);
    if (!ws_code_may_be_sent(item->code))
        fault(d, item, WS_CODE_PROTOCOL, "invalid close code");
    else if (!utf8_valid(item->payload))
        fault(d, item, WS_CODE_INVALID_DATA, "close reason is not UTF-8");
}

static void control_item(struct ws_decoder *d, struct ws_item *item, struct str payload)
{
    if (d->op == WS_OP_CLOSE)
        close_item(d, item, payload);
    else
        *item = (struct ws_item){d->op == WS_OP_PING ? WS_ITEM_PING : WS_ITEM_PONG, 0, payload};
}

/* Takes what the input holds of a control frame's payload. */
static void take_control(struct ws_decoder *d, uint8_t *part, size_t n, struct ws_item *item)
{
    const size_t got = (size_t)d->frame_got;
    ASSERT(got + n <= WS_CONTROL_BYTES_MAX);
    if (n)
        memcpy(d->control + got, part, n);
    d->frame_got += n;
    if (d->frame_got < d->frame_len)
        return;
    d->in_payload = false;
    control_item(d, item, str_n((const char *)d->control, (size_t)d->frame_len));
}

/* Takes what the input holds of a data frame's payload. */
static void take_data(struct ws_decoder *d, uint8_t *part, size_t n, struct ws_item *item)
{
    struct str piece = str_n((const char *)part, n);
    const bool frame_ends = d->frame_got + n == d->frame_len;
    const bool ends = frame_ends && d->fin;
    if (d->message_op == WS_OP_TEXT &&
        (!utf8_feed(&d->utf8, piece) || (ends && !utf8_done(&d->utf8)))) {
        fault(d, item, WS_CODE_INVALID_DATA, "text is not UTF-8");
        return;
    }
    d->frame_got += n;
    if (frame_ends)
        d->in_payload = false;
    if (!ends || d->message.len) {
        FAULTS_OFF();
        enum err err = buf_append(&d->message, part, n);
        FAULTS_ON();
        ASSERT(err == OK); /* take_head has checked the frame's length */
        piece = buf_str(&d->message);
    }
    if (!ends)
        return;
    item->kind = d->message_op == WS_OP_TEXT ? WS_ITEM_TEXT : WS_ITEM_BINARY;
    item->payload = piece;
    d->message_op = WS_OP_CONTINUATION;
}

/* Forgets the message delivered last; an idle connection holds no large buffer. */
static void drop_delivered(struct ws_decoder *d)
{
    if (d->message_op != WS_OP_CONTINUATION || d->message.len == 0)
        return;
    if (d->message.cap > WS_MESSAGE_KEEP_BYTES)
        buf_release(&d->message);
    else
        buf_reset(&d->message);
}

void ws_decoder_next(struct ws_decoder *d, uint8_t **p, size_t *len, struct ws_item *item)
{
    *item = (struct ws_item){.kind = WS_ITEM_NONE};
    drop_delivered(d);
    while (!d->dead && item->kind == WS_ITEM_NONE) {
        if (!d->in_payload) {
            if (*len == 0 || !take_head(d, p, len, item))
                break;
        } else if (*len == 0) {
            break;
        }
        const uint64_t left = d->frame_len - d->frame_got;
        const size_t n = *len < left ? *len : (size_t)left;
        uint8_t *part = *p;
        *p += n;
        *len -= n;
        if (d->masked)
            ws_mask(part, part, n, d->mask, (size_t)d->frame_got);
        if (d->op >= 0x8)
            take_control(d, part, n, item);
        else
            take_data(d, part, n, item);
    }
    if (d->dead) {
        *p += *len;
        *len = 0;
    }
}
