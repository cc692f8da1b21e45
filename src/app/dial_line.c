/* A TCP connection keeps order, so jitter delays what follows too: a message is never due before
 * the one ahead of it. */
#include "app/dial_line.h"

#include "base/limits.h"

struct dial_message {
    struct dial_message *next;
    int64_t due_us;
    size_t len;
    char text[];
};

struct dial_line {
    struct loop *loop;
    struct loop_timer *timer;
    int64_t delay_us;
    uint32_t jitter_us;
    dial_line_fn *fn;
    void *ctx;
    struct dial_message *first, **last;
    int64_t last_due_us;
    size_t count;
    uint64_t dropped;
};

static void set_timer(struct dial_line *line)
{
    int64_t wait_us = line->first->due_us - loop_now_us(line->loop);
    loop_timer_set(line->timer, wait_us > 0 ? (uint64_t)wait_us / 1000 : 0);
}

static void on_due(void *ctx)
{
    struct dial_line *line = ctx;
    int64_t now = loop_now_us(line->loop);
    while (line->first && line->first->due_us <= now) {
        struct dial_message *m = line->first;
        line->first = m->next;
        if (!line->first)
            line->last = &line->first;
        line->count--;
        line->fn(line->ctx, str_n(m->text, m->len));
        mem_free(m);
    }
    if (line->first)
        set_timer(line);
}

struct dial_line *dial_line_new(struct loop *l, int64_t delay_ms, int64_t jitter_ms,
                                dial_line_fn *fn, void *ctx)
{
    struct dial_line *line = mem_zalloc(sizeof(*line));
    line->loop = l;
    line->delay_us = delay_ms * 1000;
    line->jitter_us = (uint32_t)jitter_ms * 1000;
    line->fn = fn;
    line->ctx = ctx;
    line->last = &line->first;
    line->timer = loop_timer_new(l, on_due, line);
    return line;
}

void dial_line_free(struct dial_line *line)
{
    if (!line)
        return;
    while (line->first) {
        struct dial_message *m = line->first;
        line->first = m->next;
        mem_free(m);
    }
    loop_timer_free(line->timer);
    mem_free(line);
}

void dial_line_send(struct dial_line *line, struct str text)
{
    if (line->delay_us == 0 && line->jitter_us == 0) {
        line->fn(line->ctx, text);
        return;
    }
    if (line->count >= DIAL_LINE_MESSAGES_MAX) {
        line->dropped++;
        return;
    }
    struct dial_message *m = mem_alloc(sizeof(*m) + text.len);
    int64_t due = loop_now_us(line->loop) + line->delay_us;
    if (line->jitter_us > 0)
        due += rng_below(loop_rng(line->loop), line->jitter_us);
    m->next = NULL;
    m->due_us = due > line->last_due_us ? due : line->last_due_us;
    m->len = text.len;
    memcpy(m->text, text.p, text.len);
    line->last_due_us = m->due_us;
    *line->last = m;
    line->last = &m->next;
    line->count++;
    if (line->first == m)
        set_timer(line);
}

size_t dial_line_waiting(const struct dial_line *line)
{
    return line->count;
}

uint64_t dial_line_dropped(const struct dial_line *line)
{
    return line->dropped;
}
