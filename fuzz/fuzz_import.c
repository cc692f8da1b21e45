/* LAYER: knowledge - imported files, questions and the sentences cut from both. */
#include "base/limits.h"
#include "base/utf8.h"
#include "knowledge/import.h"
#include "knowledge/knowledge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first byte chooses the format. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct arena mem;
    struct passage *passages = NULL;
    struct knowledge_sentences sentences;
    struct str words[STORE_SEARCH_WORDS_MAX];
    struct str text = str_n((const char *)data + 1, size - 1);
    size_t count = 0;
    arena_init(&mem, 64 << 20);
    enum import_format format = (enum import_format)(data[0] % (IMPORT_DOCX + 1));
    if (import_parse(&mem, format, text, NULL, &passages, &count, NULL) == OK) {
        knowledge_cut_sentences(&mem, passages, count, &sentences);
        for (size_t i = 0; i < count; i++) {
            if (!utf8_valid(passages[i].title) || !utf8_valid(passages[i].content))
                __builtin_trap();
        }
    }
    size_t n = knowledge_words(&mem, text, words);
    for (size_t i = 0; i < n; i++) {
        if (words[i].len == 0 || words[i].len >= STORE_SEARCH_WORD_BYTES_MAX)
            __builtin_trap();
    }
    arena_fini(&mem);
    return 0;
}
