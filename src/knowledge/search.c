/* Searching, waiting for it or not. */
#include "base/limits.h"
#include "knowledge/knowledge.h"
#include "knowledge/request.h"

enum { WORDS_ARENA_BYTES = 64 << 10 };

struct store_req *knowledge_request(struct str business_id, struct str question, size_t k)
{
    struct arena mem;
    struct str words[STORE_SEARCH_WORDS_MAX];
    arena_init(&mem, WORDS_ARENA_BYTES);
    size_t count = knowledge_words(&mem, question, words);
    struct store_req *r = store_req_search_text(business_id, words, count, k);
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
