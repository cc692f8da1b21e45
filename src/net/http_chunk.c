#include "net/http_chunk.h"

#include "base/limits.h"

enum { CHUNK_SIZE_DIGITS_MAX = 16 };

enum {
    CHUNK_SIZE = 0, /* hexadecimal digits */
    CHUNK_EXT,      /* behind ';' or white space */
    CHUNK_SIZE_LF,
    CHUNK_DATA,
    CHUNK_DATA_CR,
    CHUNK_DATA_LF,
    CHUNK_TRAILER, /* first byte of a trailer line */
    CHUNK_TRAILER_LINE,
    CHUNK_TRAILER_LF,
    CHUNK_LAST_LF,
};

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* A byte of the size line in front of its CR. */
static enum err take_size(struct http_chunk *d, char c)
{
    int digit = hex_digit(c);
    if (digit >= 0) {
        if (++d->line > CHUNK_SIZE_DIGITS_MAX)
            return ERR_INVALID;
        d->left = d->left << 4 | (uint64_t)digit;
        return OK;
    }
    if (d->line == 0 || (c != '\r' && c != ';' && c != ' ' && c != '\t'))
        return ERR_INVALID;
    d->state = c == '\r' ? CHUNK_SIZE_LF : CHUNK_EXT;
    return OK;
}

static enum err take_text(struct http_chunk *d, char c, int after)
{
    if (c == '\r') {
        d->state = after;
        return OK;
    }
    if (++d->line > HTTP_CHUNK_LINE_BYTES_MAX || ((unsigned char)c < 0x20 && c != '\t'))
        return ERR_INVALID;
    return OK;
}

/* One byte that is not chunk data. */
static enum err take_byte(struct http_chunk *d, char c)
{
    switch (d->state) {
    case CHUNK_SIZE:
        return take_size(d, c);
    case CHUNK_EXT:
        return take_text(d, c, CHUNK_SIZE_LF);
    case CHUNK_SIZE_LF:
        d->state = d->left ? CHUNK_DATA : CHUNK_TRAILER;
        d->line = 0;
        return c == '\n' ? OK : ERR_INVALID;
    case CHUNK_DATA_CR:
        d->state = CHUNK_DATA_LF;
        return c == '\r' ? OK : ERR_INVALID;
    case CHUNK_DATA_LF:
        d->state = CHUNK_SIZE;
        return c == '\n' ? OK : ERR_INVALID;
    case CHUNK_TRAILER:
        d->line = 0;
        d->state = c == '\r' ? CHUNK_LAST_LF : CHUNK_TRAILER_LINE;
        return c == '\r' ? OK : take_text(d, c, CHUNK_TRAILER_LF);
    case CHUNK_TRAILER_LINE:
        if (++d->trailer > HTTP_HEAD_BYTES_MAX)
            return ERR_INVALID;
        return take_text(d, c, CHUNK_TRAILER_LF);
    case CHUNK_TRAILER_LF:
        d->state = CHUNK_TRAILER;
        return c == '\n' ? OK : ERR_INVALID;
    default: /* CHUNK_LAST_LF */
        return c == '\n' ? OK : ERR_INVALID;
    }
}

enum err http_chunk_feed(struct http_chunk *d, struct str in, struct buf *body, size_t *used,
                         bool *done)
{
    *used = 0;
    *done = false;
    while (*used < in.len) {
        if (d->state == CHUNK_DATA) {
            size_t n = in.len - *used;
            if (n > d->left)
                n = (size_t)d->left;
            enum err err = buf_append(body, in.p + *used, n);
            if (err != OK)
                return err;
            d->left -= n;
            *used += n;
            if (d->left == 0)
                d->state = CHUNK_DATA_CR;
            continue;
        }
        bool last = d->state == CHUNK_LAST_LF;
        enum err err = take_byte(d, in.p[*used]);
        if (err != OK)
            return err;
        *used += 1;
        if (last) {
            *done = true;
            return OK;
        }
    }
    return OK;
}
