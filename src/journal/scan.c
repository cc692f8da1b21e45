#include "journal/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/js.h"
#include "base/log.h"
#include "base/mem.h"
#include "journal/journal.h"
#include "journal/record.h"

enum { FIRST_SLOTS = 256, FIRST_EXTENTS = 16, FIRST_SEGMENTS = 16 };

void scan_init(struct scan *s, const struct series *series)
{
    *s = (struct scan){.series = series};
}

void scan_fini(struct scan *s)
{
    for (size_t i = 0; i < s->calls_count; i++) {
        mem_free(s->calls[i].head);
        mem_free(s->calls[i].end);
        mem_free(s->calls[i].extents);
    }
    mem_free(s->calls);
    mem_free(s->slots);
    mem_free(s->numbers);
    *s = (struct scan){0};
}

bool scan_add_segment(struct scan *s, uint32_t number)
{
    if (s->numbers_count == JOURNAL_SEGMENTS_MAX)
        return false;
    if (s->numbers_count == s->numbers_cap) {
        s->numbers_cap = s->numbers_cap ? s->numbers_cap * 2 : FIRST_SEGMENTS;
        s->numbers = mem_realloc(s->numbers, s->numbers_cap * sizeof(*s->numbers));
    }
    s->numbers[s->numbers_count++] = number;
    return true;
}

/* -- calls by number -- */

static size_t slot_of(const struct scan *s, uint32_t number)
{
    size_t mask = s->slots_count - 1;
    size_t i = number * (size_t)2654435761u & mask;
    while (s->slots[i] && s->calls[s->slots[i] - 1].number != number)
        i = (i + 1) & mask;
    return i;
}

static void grow_slots(struct scan *s)
{
    s->slots_count = s->slots_count ? s->slots_count * 2 : FIRST_SLOTS;
    mem_free(s->slots);
    s->slots = mem_zalloc(s->slots_count * sizeof(*s->slots));
    for (size_t i = 0; i < s->calls_count; i++)
        s->slots[slot_of(s, s->calls[i].number)] = (uint32_t)i + 1;
}

/* The call of that number, new when there was none; NULL past the bound. */
static struct scan_call *call_of(struct scan *s, uint32_t number)
{
    if (s->slots_count <= s->calls_count * 2)
        grow_slots(s);
    size_t slot = slot_of(s, number);
    if (s->slots[slot])
        return &s->calls[s->slots[slot] - 1];
    if (s->calls_count == JOURNAL_RECOVER_CALLS_MAX)
        return NULL;
    if (s->calls_count == s->calls_cap) {
        s->calls_cap = s->calls_cap ? s->calls_cap * 2 : FIRST_SLOTS;
        s->calls = mem_realloc(s->calls, s->calls_cap * sizeof(*s->calls));
    }
    struct scan_call *c = &s->calls[s->calls_count++];
    *c = (struct scan_call){.number = number};
    s->slots[slot] = (uint32_t)s->calls_count;
    return c;
}

/* -- records -- */

/* The record that a call begins with here: its head, or that it goes on. */
static void take_first(struct scan_call *c, const struct journal_record *r)
{
    json_t *root;
    if (c->id[0] || js_parse(r->payload, &root, NULL) != OK)
        return;
    struct str id = js_get_str(root, "callId");
    if (id.p) {
        record_clean_id(c->id, id);
        if (r->type == JOURNAL_HEAD)
            c->head = mem_strndup(r->payload.p, r->payload.len);
        else
            c->first = c->sequence = r->sequence;
    }
    json_decref(root);
}

static void add_extent(struct scan_call *c, uint32_t segment, uint64_t offset, uint32_t len)
{
    struct scan_extent *last = c->extents_count ? &c->extents[c->extents_count - 1] : NULL;
    if (last && last->segment == segment && last->offset + last->len == offset &&
        last->len <= UINT32_MAX - len) {
        last->len += len;
        return;
    }
    if (c->extents_count == JOURNAL_EXTENTS_MAX) {
        c->gap = true;
        return;
    }
    if (c->extents_count == c->extents_cap) {
        c->extents_cap = c->extents_cap ? c->extents_cap * 2 : FIRST_EXTENTS;
        c->extents = mem_realloc(c->extents, c->extents_cap * sizeof(*c->extents));
    }
    c->extents[c->extents_count++] =
        (struct scan_extent){.segment = segment, .offset = offset, .len = len};
}

static enum err take_record(struct scan *s, uint32_t segment, uint64_t offset,
                            const struct journal_record *r)
{
    struct scan_call *c = call_of(s, r->call);
    if (!c)
        return ERR_LIMIT;
    if (r->sequence < c->sequence)
        return OK; /* not ours: a writer never goes back */
    if (r->type == JOURNAL_HEAD || r->type == JOURNAL_RESUMED)
        take_first(c, r);
    if (!c->id[0]) /* its head was damaged, or lies in a segment that is gone: it has its file */
        return OK;
    if (r->type == JOURNAL_END && !c->end)
        c->end = mem_strndup(r->payload.p, r->payload.len);
    c->gap |= r->sequence != c->sequence;
    c->sequence = r->sequence + 1;
    c->last_at_us = r->at_us;
    add_extent(c, segment, offset, (uint32_t)(RECORD_HEADER_BYTES + r->payload.len));
    return OK;
}

/* Damage followed by good records is worth a line; a torn tail is what a crash leaves. */
static enum err scan_segment(struct scan *s, uint32_t index, struct journal_reader *reader,
                             const char *name)
{
    for (;;) {
        uint64_t offset = journal_reader_offset(reader);
        struct journal_record r;
        enum err err = journal_reader_next(reader, &r, NULL);
        if (err == ERR_NOTFOUND)
            return OK;
        if (err == OK)
            err = take_record(s, index, offset, &r);
        else if (!journal_reader_skip(reader))
            return OK;
        else
            LOG_WARN(NULL, "journal.damaged", "segment=%s from=%llu to=%llu", name,
                     (unsigned long long)offset, (unsigned long long)journal_reader_offset(reader));
        if (err == ERR_LIMIT)
            return err;
    }
}

/* A path that reaches the segment however the directory is called. */
static void segment_path(char out[SEGMENT_NAME_BYTES + 32], const struct series *series,
                         const char *name)
{
    snprintf(out, SEGMENT_NAME_BYTES + 32, "/proc/self/fd/%d/%s", series->segments_fd, name);
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

enum err scan_run(struct scan *s, struct err_detail *detail)
{
    if (s->numbers_count > 1)
        qsort(s->numbers, s->numbers_count, sizeof(*s->numbers), by_number);
    for (size_t i = 0; i < s->numbers_count; i++) {
        char name[SEGMENT_NAME_BYTES], path[SEGMENT_NAME_BYTES + 32];
        segment_name(name, s->series->name, s->numbers[i]);
        segment_path(path, s->series, name);
        struct journal_reader *reader;
        enum err err = record_map_file(&reader, path, detail);
        if (err == ERR_NOTFOUND) /* removed meanwhile by its owner */
            continue;
        if (err != OK)
            return err;
        err = scan_segment(s, (uint32_t)i, reader, name);
        journal_reader_close(reader);
        if (err != OK)
            return err_explain(detail, err, "too many calls in the segments of %s",
                               s->series->name);
    }
    return OK;
}

typedef enum err extent_fn(void *out, int fd, const struct scan_extent *e,
                           struct err_detail *detail);

static enum err each_extent(const struct scan *s, const struct scan_call *call, extent_fn *fn,
                            void *out, struct err_detail *detail)
{
    int fd = -1;
    enum err err = OK;
    for (size_t i = 0; i < call->extents_count && err == OK; i++) {
        const struct scan_extent *e = &call->extents[i];
        if (fd < 0 || e->segment != call->extents[i - 1].segment) {
            if (fd >= 0)
                close(fd);
            char name[SEGMENT_NAME_BYTES];
            segment_name(name, s->series->name, s->numbers[e->segment]);
            fd = openat(s->series->segments_fd, name, O_RDONLY | O_CLOEXEC);
            if (fd < 0)
                return err_explain(detail, ERR_IO, "cannot open the segment %s: %s", name,
                                   strerrordesc_np(errno));
        }
        err = fn(out, fd, e, detail);
    }
    if (fd >= 0)
        close(fd);
    return err;
}

static enum err extent_to_copy(void *out, int fd, const struct scan_extent *e,
                               struct err_detail *detail)
{
    return copy_add(out, fd, e->offset, e->len, detail);
}

static enum err extent_to_buf(void *out, int fd, const struct scan_extent *e,
                              struct err_detail *detail)
{
    char *room = buf_reserve(out, e->len);
    if (!room)
        return err_explain(detail, ERR_LIMIT, "the call is too long to be read at once");
    for (size_t done = 0; done < e->len;) {
        ssize_t n = pread(fd, room + done, e->len - done, (off_t)(e->offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return err_explain(detail, ERR_IO, "cannot read a segment: %s",
                               strerrordesc_np(n < 0 ? errno : EIO));
        done += (size_t)n;
    }
    buf_commit(out, e->len);
    return OK;
}

enum err scan_copy(const struct scan *s, const struct scan_call *call, struct copy *out,
                   struct err_detail *detail)
{
    return each_extent(s, call, extent_to_copy, out, detail);
}

enum err scan_read(const struct scan *s, const struct scan_call *call, struct buf *out,
                   struct err_detail *detail)
{
    return each_extent(s, call, extent_to_buf, out, detail);
}
