/* The loop's way of searching. */
#include "knowledge/knowledge.h"
#include "knowledge/request.h"

enum err knowledge_search(struct store *s, struct loop *loop, struct str business_id,
                          struct str question, size_t k, store_done_fn *done, void *ctx)
{
    return store_submit(s, loop, knowledge_request(business_id, question, k), done, ctx);
}
