#include <string.h>

#include "base/js.h"
#include "journal/export.h"

static int append(const char *p, size_t len, void *ctx)
{
    buf_put(ctx, p, len);
    return buf_ok(ctx) ? 0 : -1;
}

void export_write_json(struct buf *b, const json_t *transcript)
{
    if (json_dump_callback(transcript, append, b, JSON_INDENT(2)) != 0)
        b->failed = true;
    buf_put_byte(b, '\n');
}

static void write_clock(struct buf *b, int64_t ms)
{
    if (ms < 0)
        ms = 0;
    long long tenths = ms / 100;
    buf_printf(b, "%02lld:%02lld.%lld", tenths / 600, tenths / 10 % 60, tenths % 10);
}

/* Text for people: on one line. */
static void write_words(struct buf *b, struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        buf_put_byte(b, (unsigned char)s.p[i] < ' ' ? ' ' : (unsigned char)s.p[i]);
}

static void write_seconds(struct buf *b, int64_t ms)
{
    buf_printf(b, "%lld.%lld", (long long)(ms / 1000), (long long)(ms / 100 % 10));
}

static void write_latency(struct buf *b, const json_t *latency)
{
    static const struct {
        const char *key, *name;
    } parts[] = {{"turnEndMs", "turn end"},
                 {"engineFirstMs", "engine"},
                 {"carrierFirstMs", "carrier"},
                 {"heardFirstMs", "heard"}};
    const char *before = "  (";
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        int64_t ms = js_get_int(latency, parts[i].key, -1);
        if (ms < 0)
            continue;
        buf_printf(b, "%s%s %lld ms", before, parts[i].name, (long long)ms);
        before = ", ";
    }
    if (before[0] == ',')
        buf_put_byte(b, ')');
}

static void write_item(struct buf *b, const json_t *item)
{
    struct str role = js_get_str(item, "role");
    write_clock(b, js_get_int(item, "startMs", 0));
    buf_printf(b, "  %-12.*s  ", STR_FMT(role));
    write_words(b, js_get_str(item, "text"));
    int64_t spoken_ms = js_get_int(item, "spokenMs", 0), heard_ms = js_get_int(item, "heardMs", 0);
    if (js_get_bool(item, "interrupted", false)) {
        buf_put_str(b, STR("  [interrupted, heard "));
        write_seconds(b, heard_ms);
        buf_put_str(b, STR(" of "));
        write_seconds(b, spoken_ms);
        buf_put_str(b, STR(" s]"));
    }
    write_latency(b, js_get(item, "latency"));
    buf_put_byte(b, '\n');
}

static void write_tool(struct buf *b, const json_t *tool)
{
    write_clock(b, js_get_int(tool, "atMs", 0));
    buf_printf(b, "  %-12s  ", "tool");
    write_words(b, js_get_str(tool, "name"));
    buf_put_byte(b, ' ');
    write_words(b, js_get_str(tool, "arguments"));
    if (js_get(tool, "ok"))
        buf_printf(b, " -> %s in %lld ms", js_get_bool(tool, "ok", false) ? "ok" : "failed",
                   (long long)js_get_int(tool, "ms", 0));
    buf_put_byte(b, '\n');
}

static void write_key(struct buf *b, const json_t *press)
{
    write_clock(b, js_get_int(press, "atMs", 0));
    buf_printf(b, "  %-12s  ", "key");
    write_words(b, js_get_str(press, "key"));
    buf_put_byte(b, '\n');
}

static void write_summary(struct buf *b, const json_t *t)
{
    struct str business = js_get_str(t, "businessName"), from = js_get_str(t, "from");
    struct str to = js_get_str(t, "to"), at = js_get_str(t, "startedAt");
    buf_printf(b, "call      %.*s\n", STR_FMT(js_get_str(t, "callId")));
    buf_printf(b, "business  %.*s\n", STR_FMT(business));
    buf_printf(b, "from      %.*s\nto        %.*s\n", STR_FMT(from), STR_FMT(to));
    buf_printf(b, "began     %.*s\nlasted    ", STR_FMT(at));
    write_seconds(b, js_get_int(t, "durationMs", 0));
    int64_t cost = js_get_int(t, "costNanousd", 0);
    buf_printf(b, " s\ncost      %lld.%06lld USD\n", (long long)(cost / 1000000000),
               (long long)(cost % 1000000000 / 1000));
    struct str reason = js_get_str(t, "endReason");
    buf_printf(b, "ended     %.*s%s\n", STR_FMT(reason),
               js_get_bool(t, "complete", false) ? ""
               : reason.p                        ? " (the journal stops before the end)"
                                                 : "the journal stops before the end of the call");
    struct str damage = js_get_str(t, "damage");
    if (damage.p)
        buf_printf(b, "damage    %.*s\n", STR_FMT(damage));
    if (js_get_bool(t, "gap", false))
        buf_put_str(b, STR("gap       records are missing\n"));
    buf_put_byte(b, '\n');
}

/* Three lists, each in order of time: the earliest head first. */
void export_write_text(struct buf *b, const json_t *t)
{
    static const struct {
        const char *list, *time;
        void (*write)(struct buf *, const json_t *);
    } kinds[] = {{"items", "startMs", write_item},
                 {"dtmf", "atMs", write_key},
                 {"tools", "atMs", write_tool}};
    enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };
    size_t at[KINDS] = {0};
    write_summary(b, t);
    for (;;) {
        size_t best = KINDS;
        int64_t best_ms = 0;
        for (size_t k = 0; k < KINDS; k++) {
            const json_t *entry = json_array_get(js_get(t, kinds[k].list), at[k]);
            int64_t ms = js_get_int(entry, kinds[k].time, 0);
            if (entry && (best == KINDS || ms < best_ms)) {
                best = k;
                best_ms = ms;
            }
        }
        if (best == KINDS)
            return;
        kinds[best].write(b, json_array_get(js_get(t, kinds[best].list), at[best]));
        at[best]++;
    }
}
