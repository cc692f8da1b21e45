/* What may be said about a business: the sentences of its passages. */
#include "base/limits.h"
#include "knowledge/knowledge.h"
#include "knowledge/text.h"

static void add(struct arena *mem, struct knowledge_sentences *out, struct str text)
{
    struct str sentence;
    while (out->count < KNOWLEDGE_SENTENCES_MAX && text_take_sentence(&text, &sentence))
        out->items[out->count++] =
            str_n(arena_strndup(mem, sentence.p, sentence.len), sentence.len);
}

void knowledge_cut_sentences(struct arena *mem, const struct passage *passages, size_t count,
                             struct knowledge_sentences *out)
{
    struct str sentence;
    size_t room = 0;
    for (size_t i = 0; i < count; i++) {
        struct str parts[] = {passages[i].title, passages[i].questions, passages[i].content};
        for (size_t k = 0; k < 3 && room < KNOWLEDGE_SENTENCES_MAX; k++) {
            while (text_take_sentence(&parts[k], &sentence))
                room++;
        }
    }
    room = room < KNOWLEDGE_SENTENCES_MAX ? room : KNOWLEDGE_SENTENCES_MAX;
    *out = (struct knowledge_sentences){.items = arena_alloc(mem, (room + 1) * sizeof(struct str))};
    /* Titles and questions of all passages come first: a very large business loses prose. */
    for (size_t i = 0; i < count; i++) {
        add(mem, out, passages[i].title);
        add(mem, out, passages[i].questions);
    }
    for (size_t i = 0; i < count; i++)
        add(mem, out, passages[i].content);
}

enum err knowledge_vocabulary(struct store *s, struct str business_id, struct arena *mem,
                              struct knowledge_sentences *out)
{
    struct store_req *r = store_req_passages_all(business_id);
    enum err e = store_run(s, r);
    if (e == OK) {
        knowledge_cut_sentences(mem, r->passages, r->passages_count, out);
        out->version = r->knowledge_version;
    }
    store_req_free(r);
    return e;
}
