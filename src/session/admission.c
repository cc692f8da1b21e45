#include "session/admission.h"

#include <string.h>

#include <uv.h>

#include "base/assert.h"
#include "base/mem.h"

enum { SLOTS = 1024, DAY_MS = 86400000 };

enum kind { BUSINESS = 'b', CALLER = 'c' };

struct entry {
    struct entry *next;
    enum kind kind;
    uint32_t calls;
    int64_t day, spent_nanousd; /* on that day */
    struct str key;             /* behind the entry */
};

struct admission {
    uv_mutex_t lock;
    struct entry *slots[SLOTS];
    int64_t limit_nanousd;
    int64_t day, spent_nanousd;
};

struct admission *admission_new(int64_t server_day_nanousd)
{
    struct admission *a = mem_zalloc(sizeof(*a));
    int failed = uv_mutex_init(&a->lock);
    ASSERT(!failed);
    a->limit_nanousd = server_day_nanousd;
    return a;
}

void admission_free(struct admission *a)
{
    if (!a)
        return;
    for (int i = 0; i < SLOTS; i++) {
        struct entry *next;
        for (struct entry *e = a->slots[i]; e; e = next) {
            next = e->next;
            mem_free(e);
        }
    }
    uv_mutex_destroy(&a->lock);
    mem_free(a);
}

static struct entry **slot_of(struct admission *a, enum kind kind, struct str key)
{
    uint32_t hash = 2166136261u ^ (uint32_t)kind; /* FNV-1a */
    for (size_t i = 0; i < key.len; i++)
        hash = (hash ^ (unsigned char)key.p[i]) * 16777619u;
    return &a->slots[hash % SLOTS];
}

/* The entry, made if there is none; those beside it that say nothing any more go. */
static struct entry *entry_of(struct admission *a, enum kind kind, struct str key)
{
    struct entry **at = slot_of(a, kind, key), **slot = at;
    while (*at) {
        struct entry *e = *at;
        if (e->kind == kind && str_eq(e->key, key))
            return e;
        if (e->calls == 0 && (e->spent_nanousd == 0 || e->day < a->day)) {
            *at = e->next;
            mem_free(e);
        } else {
            at = &e->next;
        }
    }
    struct entry *e = mem_zalloc(sizeof(*e) + key.len);
    char *text = (char *)(e + 1);
    if (key.len)
        memcpy(text, key.p, key.len);
    *e = (struct entry){.next = *slot, .kind = kind, .day = a->day, .key = str_n(text, key.len)};
    *slot = e;
    return e;
}

/* A clock that is set back does not give the day's money out again. */
static void turn_day(struct admission *a, int64_t wall_ms)
{
    if (wall_ms / DAY_MS <= a->day)
        return;
    a->day = wall_ms / DAY_MS;
    a->spent_nanousd = 0;
}

static int64_t spent_today(const struct admission *a, const struct entry *e)
{
    return e->day == a->day ? e->spent_nanousd : 0;
}

static bool reached(int64_t limit, int64_t value)
{
    return limit > 0 && value >= limit;
}

enum admitted admission_begin(struct admission *a, struct str business, struct str caller,
                              const struct admission_caps *caps, int64_t wall_ms)
{
    uv_mutex_lock(&a->lock);
    turn_day(a, wall_ms);
    struct entry *b = entry_of(a, BUSINESS, business);
    enum admitted verdict = ADMISSION_OK;
    if (reached(a->limit_nanousd, a->spent_nanousd) ||
        reached(caps->business_day_nanousd, spent_today(a, b)))
        verdict = ADMISSION_SPENT;
    else if (reached(caps->business_calls, b->calls))
        verdict = ADMISSION_BUSY;
    b->calls++; /* so that it is not swept away when the caller lives in the same slot */
    struct entry *c = caller.len ? entry_of(a, CALLER, caller) : NULL;
    if (verdict == ADMISSION_OK && c && reached(caps->caller_calls, c->calls))
        verdict = ADMISSION_TWICE;
    if (verdict != ADMISSION_OK)
        b->calls--;
    else if (c)
        c->calls++;
    uv_mutex_unlock(&a->lock);
    return verdict;
}

static void spend(struct admission *a, struct entry *b, int64_t nanousd)
{
    b->spent_nanousd = spent_today(a, b) + nanousd;
    b->day = a->day;
    a->spent_nanousd += nanousd;
}

void admission_resume(struct admission *a, struct str business, struct str caller,
                      int64_t spent_nanousd, int64_t wall_ms)
{
    uv_mutex_lock(&a->lock);
    turn_day(a, wall_ms);
    struct entry *b = entry_of(a, BUSINESS, business);
    b->calls++;
    spend(a, b, spent_nanousd);
    if (caller.len)
        entry_of(a, CALLER, caller)->calls++;
    uv_mutex_unlock(&a->lock);
}

void admission_end(struct admission *a, struct str business, struct str caller)
{
    uv_mutex_lock(&a->lock);
    struct entry *b = entry_of(a, BUSINESS, business);
    ASSERT(b->calls > 0);
    b->calls--;
    if (caller.len) {
        struct entry *c = entry_of(a, CALLER, caller);
        ASSERT(c->calls > 0);
        c->calls--;
    }
    uv_mutex_unlock(&a->lock);
}

bool admission_spend(struct admission *a, struct str business, int64_t nanousd,
                     int64_t business_day_nanousd, int64_t wall_ms)
{
    uv_mutex_lock(&a->lock);
    turn_day(a, wall_ms);
    struct entry *b = entry_of(a, BUSINESS, business);
    spend(a, b, nanousd);
    bool past = reached(a->limit_nanousd, a->spent_nanousd) ||
                reached(business_day_nanousd, b->spent_nanousd);
    uv_mutex_unlock(&a->lock);
    return past;
}
