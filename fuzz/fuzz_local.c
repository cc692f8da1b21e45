/* LAYER: engine - text a business wrote and words a caller said, through the local dialogue */
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/limits.h"
#include "engine/local_reply.h"
#include "engine/local_text.h"
#include "speech/normalise.h"
#include "speech/sentence.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The words are lower-case ASCII, one space apart, whatever came in. */
static void check_words(struct str text)
{
    struct buf b;
    buf_init(&b, 1 << 22);
    normalise_words(&b, text);
    char before = ' ';
    for (size_t i = 0; i < b.len; i++) {
        char c = b.p[i];
        ASSERT((c >= 'a' && c <= 'z') || c == '\'' || (c == ' ' && before != ' '));
        before = c;
    }
    ASSERT(b.len == 0 || before != ' ');
    buf_reset(&b);
    normalise_speech(&b, text);
    buf_fini(&b);
}

/* Sentences cover the text in order and never overlap. */
static void check_sentences(struct str text)
{
    struct str rest = text, s;
    const char *end = text.p;
    while (sentence_next(&rest, &s)) {
        ASSERT(s.len > 0 && s.p >= end && s.p + s.len <= text.p + text.len);
        end = s.p + s.len;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_n((const char *)data, size), rest = text;
    struct str said = str_take_until(&rest, '\0');
    struct str found = rest.p ? rest : STR("");
    struct local_reply r;
    struct local_plan plan;
    check_words(text);
    check_sentences(text);
    local_reply_init(&r);
    local_plan_init(&plan);
    r.tools = (struct local_tools){true, true, size % 2 == 0};
    local_reply_hear(&r, said, (unsigned)(size % 1000), &plan);
    r.waiting = LOCAL_TOOL_KNOWLEDGE;
    local_reply_output(&r, found, &plan);
    local_reply_hear(&r, STR("yes"), 1000, &plan);
    local_reply_hear(&r, STR("say that again"), 1000, &plan);
    local_plan_fini(&plan);
    local_reply_fini(&r);
    return 0;
}
