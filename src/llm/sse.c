#include "llm/sse.h"

void sse_init(struct sse *s, size_t bytes_max)
{
    *s = (struct sse){0};
    buf_init(&s->line, bytes_max);
    buf_init(&s->data, bytes_max);
}

void sse_fini(struct sse *s)
{
    buf_fini(&s->line);
    buf_fini(&s->data);
}

/* A field of an event; the one of interest is "data", whose lines are joined by LF. */
static enum err take_line(struct sse *s)
{
    struct str value = buf_str(&s->line);
    if (value.len == 0)
        return OK;
    struct str name = str_take_until(&value, ':');
    if (!str_eq(name, STR("data")))
        return OK;
    if (value.len && value.p[0] == ' ')
        value = str_slice(value, 1, value.len);
    if (s->has_data && buf_append(&s->data, "\n", 1) != OK)
        return ERR_LIMIT;
    s->has_data = true;
    return value.len ? buf_append(&s->data, value.p, value.len) : OK;
}

static void skip_byte_order_mark(struct sse *s)
{
    if (!s->begun && str_starts(buf_str(&s->line), STR("\xef\xbb\xbf")))
        buf_consume(&s->line, 3);
    s->begun = true;
}

/* The length of what stands before the end of a line, or all. */
static size_t line_part(struct str in)
{
    size_t n = 0;
    while (n < in.len && in.p[n] != '\n' && in.p[n] != '\r')
        n++;
    return n;
}

enum err sse_next(struct sse *s, struct str *in, struct str *data)
{
    if (s->told) {
        buf_reset(&s->data);
        s->told = s->has_data = false;
    }
    while (in->len) {
        if (s->after_cr && in->p[0] == '\n') { /* the second half of a line's end */
            s->after_cr = false;
            *in = str_slice(*in, 1, in->len);
            continue;
        }
        s->after_cr = false;
        size_t n = line_part(*in);
        if (n && buf_append(&s->line, in->p, n) != OK)
            return ERR_LIMIT;
        if (n == in->len) {
            *in = str_slice(*in, n, n);
            return ERR_AGAIN;
        }
        s->after_cr = in->p[n] == '\r';
        *in = str_slice(*in, n + 1, in->len);
        skip_byte_order_mark(s);
        const bool empty = s->line.len == 0;
        if (take_line(s) != OK)
            return ERR_LIMIT;
        buf_reset(&s->line);
        if (empty && s->has_data) {
            s->told = true;
            *data = buf_str(&s->data);
            return OK;
        }
    }
    return ERR_AGAIN;
}
