/*
 * ws_frame.h - the bytes of WebSocket frames (RFC 6455 section 5), without I/O.
 *
 * The decoder is pulled: give it what was read, ask for the next item until there is none. A data
 * frame that is whole in the input is unmasked and delivered where it lies; only messages in pieces
 * are copied. Data messages come out whole and text is checked (RFC 3629) as it arrives, so a bad
 * byte fails the connection before the end of a long message.
 *
 *   Units    lengths in bytes.
 *   Memory   struct ws_decoder is a value; its message buffer is heap, grown with what has arrived
 *            (never with what a header promises) and given back above WS_MESSAGE_KEEP_BYTES.
 *   Thread   the owner's; no locks.
 *   Bounds   a message of at most `message_max` bytes, all its fragments together; a control frame
 *            of 125.
 */
#ifndef NET_WS_FRAME_H
#define NET_WS_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "base/utf8.h"

enum ws_op { /* RFC 6455 section 5.2 */
             WS_OP_CONTINUATION = 0x0,
             WS_OP_TEXT = 0x1,
             WS_OP_BINARY = 0x2,
             WS_OP_CLOSE = 0x8,
             WS_OP_PING = 0x9,
             WS_OP_PONG = 0xa,
};

enum {
    WS_HEAD_BYTES_MAX = 14,     /* 2 + 8 of length + 4 of mask */
    WS_CONTROL_BYTES_MAX = 125, /* section 5.5 */
    WS_REASON_BYTES_MAX = 123,  /* a close frame's payload without its code */
};

/* -- writing -- */

/* Writes the head of a final frame into `out` and returns its size. `mask` NULL = not masked (the
 * server's side). */
size_t ws_head_write(uint8_t out[WS_HEAD_BYTES_MAX], enum ws_op op, size_t len,
                     const uint8_t *mask);
/* The payload of a close frame: the code, then the reason cut at 123 bytes (never inside a
 * character), left out when it is not UTF-8. WS_CODE_NONE writes nothing. Returns its size. */
size_t ws_close_write(uint8_t out[WS_CONTROL_BYTES_MAX], unsigned code, struct str reason);
/* Masks or unmasks `len` bytes; `to` may be `from`; `offset` is the position of from[0] in the
 * payload. */
void ws_mask(uint8_t *to, const uint8_t *from, size_t len, const uint8_t mask[4], size_t offset);
/* Codes that a close frame may carry (section 7.4 and the IANA registry). */
bool ws_code_may_be_sent(unsigned code);

/* -- reading -- */

enum ws_item_kind {
    WS_ITEM_NONE, /* the input is used up */
    WS_ITEM_TEXT,
    WS_ITEM_BINARY,
    WS_ITEM_PING,
    WS_ITEM_PONG,
    WS_ITEM_CLOSE, /* payload is the reason; code may be WS_CODE_NONE */
    WS_ITEM_FAULT, /* the peer broke the protocol: close with `code`; payload says what it did */
};

struct ws_item {
    enum ws_item_kind kind;
    unsigned code;
    struct str payload; /* valid until the next call, and no longer than the input */
};

/* Fields are private to ws_frame.c. */
struct ws_decoder {
    bool masked; /* what the peer must do: clients mask, servers must not (section 5.1) */
    bool dead;   /* a fault was reported; everything that follows is dropped */
    size_t message_max;

    size_t head_len;
    bool in_payload;
    bool fin;
    uint8_t op;
    uint8_t mask[4];
    uint64_t frame_len;
    uint64_t frame_got;

    uint8_t message_op; /* WS_OP_CONTINUATION = no message under way */
    struct utf8_state utf8;
    struct buf message;
    uint8_t head[WS_HEAD_BYTES_MAX]; /* of the current frame, when it came in pieces */
    uint8_t control[WS_CONTROL_BYTES_MAX];
};

/* `masked`: the peer is a client. Allocates nothing. */
void ws_decoder_init(struct ws_decoder *d, bool masked, size_t message_max);
void ws_decoder_fini(struct ws_decoder *d);
/*
 * Takes bytes from the front of *p (moving *p and *len) until an item is whole or the input is used
 * up. The input is changed in place (unmasked). After WS_ITEM_FAULT it drops all input.
 */
void ws_decoder_next(struct ws_decoder *d, uint8_t **p, size_t *len, struct ws_item *item);

#endif
