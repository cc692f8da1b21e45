#include "knowledge/fuse.h"

#define FUSE_K 60.0 /* of the paper; what comes first counts little more than what comes second */

static struct str keep(struct store_req *r, struct str s)
{
    return str_n(arena_strndup(&r->mem, s.p, s.len), s.len);
}

static struct passage_hit copy(struct store_req *r, const struct passage_hit *hit)
{
    struct passage_hit out = *hit;
    struct passage *p = &out.passage;
    struct str *texts[] = {&p->id,          &p->external_id, &p->business_id,
                           &p->document_id, &p->title,       &p->content,
                           &p->category,    &p->questions,   &p->metadata};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        *texts[i] = keep(r, *texts[i]);
    return out;
}

void fuse_hits(struct store_req *words, const struct store_req *vectors, size_t count)
{
    size_t n = words->hits_count, room = n + vectors->hits_count;
    struct passage_hit *all = arena_alloc(&words->mem, (room + 1) * sizeof(*all));
    for (size_t i = 0; i < n; i++) {
        all[i] = words->hits[i];
        all[i].score = 1 / (FUSE_K + (double)i + 1);
    }
    for (size_t i = 0; i < vectors->hits_count; i++) {
        const struct passage_hit *hit = &vectors->hits[i];
        double score = 1 / (FUSE_K + (double)i + 1);
        size_t at = 0;
        while (at < words->hits_count && !str_eq(all[at].passage.id, hit->passage.id))
            at++;
        if (at < words->hits_count) {
            all[at].score += score;
            continue;
        }
        all[n] = copy(words, hit);
        all[n].score = score;
        all[n++].expected = words->hits_count ? words->hits[0].expected : 0;
    }
    for (size_t i = 1; i < n; i++) { /* insertion: a few dozen, and equal ones stay in order */
        struct passage_hit hit = all[i];
        size_t at = i;
        for (; at > 0 && all[at - 1].score < hit.score; at--)
            all[at] = all[at - 1];
        all[at] = hit;
    }
    words->hits = all;
    words->hits_count = n < count ? n : count;
}
