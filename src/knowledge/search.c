/* Searching, waiting for it or not. */
#include <string.h>

#include "base/limits.h"
#include "base/synonyms.h"
#include "knowledge/knowledge.h"
#include "knowledge/request.h"

enum { WORDS_ARENA_BYTES = 64 << 10 };

/* The words, each followed by those that may stand for it. */
static size_t widen(struct arena *mem, const struct str *words, size_t count, struct str *out)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        struct str others[SYNONYMS_MAX];
        size_t room = STORE_SEARCH_TERMS_MAX - n - (count - i);
        out[n++] = words[i];
        size_t found = synonyms_of(words[i], others, room < SYNONYMS_MAX ? room : SYNONYMS_MAX);
        for (size_t k = 0; k < found; k++) {
            char *text = arena_alloc(mem, others[k].len + 1);
            text[0] = '~';
            memcpy(text + 1, others[k].p, others[k].len);
            out[n++] = str_n(text, others[k].len + 1);
        }
    }
    return n;
}

struct store_req *knowledge_request(struct str business_id, struct str question, size_t k)
{
    struct arena mem;
    struct str words[STORE_SEARCH_WORDS_MAX], terms[STORE_SEARCH_TERMS_MAX];
    arena_init(&mem, WORDS_ARENA_BYTES);
    size_t count = knowledge_words(&mem, question, words);
    count = widen(&mem, words, count, terms);
    struct store_req *r = store_req_search_text(business_id, terms, count, k);
    arena_fini(&mem);
    return r;
}

enum err knowledge_search_run(struct store *s, struct str business_id, struct str question,
                              size_t k, struct store_req **out)
{
    struct store_req *r = knowledge_request(business_id, question, k);
    enum err e = store_run(s, r);
    if (e == OK)
        *out = r;
    else
        store_req_free(r);
    return e;
}
