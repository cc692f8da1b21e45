#include "llm/retry.h"

#include <time.h>

#include "base/assert.h"
#include "base/limits.h"

bool llm_retry_allowed(const struct llm_failure *f)
{
    if (f->err != OK) /* a wrong certificate or too large an answer stay what they are */
        return f->err != ERR_DENIED && f->err != ERR_LIMIT;
    if (str_eq(f->code, STR("insufficient_quota")))
        return false;
    if (str_eq_nocase(f->should_retry, STR("true")))
        return true;
    if (str_eq_nocase(f->should_retry, STR("false")))
        return false;
    return f->status == 408 || f->status == 409 || f->status == 429 || f->status >= 500;
}

bool llm_retry_blames_endpoint(const struct llm_failure *f)
{
    if (f->err != OK)
        return f->err != ERR_LIMIT;
    return f->status == 401 || f->status == 403 || f->status == 408 || f->status == 429 ||
           f->status >= 500;
}

/* "1.25" in thousandths. */
static bool parse_permille(struct str s, uint64_t *out)
{
    struct str rest = str_trim(s);
    struct str whole = str_take_until(&rest, '.');
    uint64_t value;
    if (!str_to_u64(whole, &value) || value > UINT32_MAX)
        return false;
    value *= 1000;
    uint64_t unit = 100;
    for (size_t i = 0; i < rest.len; i++, unit /= 10) {
        if (rest.p[i] < '0' || rest.p[i] > '9')
            return false;
        value += (uint64_t)(rest.p[i] - '0') * unit;
    }
    *out = value;
    return true;
}

/* RFC 9110 section 10.2.3: a date instead of seconds. */
static bool parse_date(struct str s, int64_t wall_ms, uint64_t *out)
{
    char text[40];
    struct tm tm = {0};
    if (!str_copy(text, sizeof(text), str_trim(s)))
        return false;
    const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    if (!end || *end)
        return false;
    int64_t at_ms = (int64_t)timegm(&tm) * 1000;
    *out = at_ms > wall_ms ? (uint64_t)(at_ms - wall_ms) : 0;
    return true;
}

uint32_t llm_retry_wait_ms(const struct llm_failure *f, unsigned tries, uint32_t random,
                           int64_t wall_ms)
{
    uint64_t asked = 0;
    ASSERT(tries >= 1);
    if (f->after_ms.p && parse_permille(f->after_ms, &asked))
        asked = (asked + 999) / 1000;
    else if (f->after_seconds.p && !parse_permille(f->after_seconds, &asked) &&
             !parse_date(f->after_seconds, wall_ms, &asked))
        asked = 0;
    if (asked > 0 && asked <= LLM_RETRY_AFTER_MS_MAX)
        return (uint32_t)asked;
    uint64_t wait = LLM_RETRY_MS_MIN;
    for (unsigned i = 1; i < tries && wait < LLM_RETRY_MS_MAX; i++)
        wait *= 2;
    if (wait > LLM_RETRY_MS_MAX)
        wait = LLM_RETRY_MS_MAX;
    return (uint32_t)(wait - (wait / 4 * random >> 32));
}
