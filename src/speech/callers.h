/*
 * callers.h - how people phrase things on the telephone, whatever the business.
 *
 * Knowledge is written; callers ask. These phrasings teach the language model the words and turns
 * of asking ("how much does", "do you have", "can I speak to a person"), so that a question nobody
 * wrote down is still heard: without them one word in three is wrong.
 *
 *   Memory   constant.
 *   Thread   any.
 */
#ifndef SPEECH_CALLERS_H
#define SPEECH_CALLERS_H

#include <stddef.h>
#include <stdint.h>

struct callers_row {
    uint32_t weight; /* as if heard this often */
    /* Normalised words, phrases separated by '/'. An underscore is a gap: what stands there is
     * known to the business, not to us, and the words around it are learned without it. */
    const char *phrases;
};

extern const struct callers_row callers[];
extern const size_t callers_count;

#endif
