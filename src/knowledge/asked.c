/* Questions remembered with their vectors: callers ask the same things. */
#include <string.h>

#include "knowledge/find.h"

const struct asked *asked_get(struct knowledge *k, struct str question)
{
    for (size_t i = 0; i < k->asked_count; i++) {
        struct asked *a = &k->asked[i];
        if (str_eq(str_n(a->question, a->question_len), question)) {
            a->used = ++k->uses;
            return a;
        }
    }
    return NULL;
}

static void forget(struct asked *a)
{
    mem_free(a->question);
    mem_free(a->vector);
}

/* A free place, or the one used longest ago. */
static struct asked *place(struct knowledge *k)
{
    if (k->asked_count < KNOWLEDGE_ASKED_MAX)
        return &k->asked[k->asked_count++];
    struct asked *oldest = &k->asked[0];
    for (size_t i = 1; i < k->asked_count; i++) {
        if (k->asked[i].used < oldest->used)
            oldest = &k->asked[i];
    }
    forget(oldest);
    return oldest;
}

void asked_put(struct knowledge *k, struct str question, const float *vector, size_t dimensions)
{
    if (asked_get(k, question)) /* asked twice at once */
        return;
    struct asked *a = place(k);
    *a = (struct asked){.question = mem_strndup(question.p, question.len),
                        .question_len = question.len,
                        .vector = mem_alloc(dimensions * sizeof(*vector)),
                        .dimensions = dimensions,
                        .used = ++k->uses};
    memcpy(a->vector, vector, dimensions * sizeof(*vector));
}

void asked_free(struct knowledge *k)
{
    for (size_t i = 0; i < k->asked_count; i++)
        forget(&k->asked[i]);
    k->asked_count = 0;
}
