/* LAYER: base - base64: what decodes encodes to the same text, and every byte string goes round */
#include "base/assert.h"
#include "base/base64.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_n((const char *)data, size);
    size_t room = base64_decoded_len(text), got = 0;
    uint8_t *bytes = mem_alloc(room + 1);
    uint8_t *same = mem_alloc(room + 1);
    size_t got_same = 0;
    enum err err = base64_decode(bytes, &got, text);
    ASSERT(base64_decode_table(same, &got_same, text) == err);
    if (err == OK) {
        ASSERT(got == room && got_same == room && memcmp(bytes, same, room) == 0);
        char *back = mem_alloc(base64_encoded_len(got) + 1);
        ASSERT(str_eq(str_n(back, base64_encode(back, bytes, got)), text));
        mem_free(back);
    }
    mem_free(bytes);
    mem_free(same);
    char *coded = mem_alloc(base64_encoded_len(size) + 1);
    size_t n = base64_encode(coded, data, size);
    ASSERT(n == base64_encoded_len(size));
    uint8_t *plain = mem_alloc(size + 1);
    ASSERT(base64_decoded_len(str_n(coded, n)) == size);
    ASSERT(base64_decode(plain, &got, str_n(coded, n)) == OK && got == size);
    ASSERT(size == 0 || memcmp(plain, data, size) == 0);
    mem_free(plain);
    mem_free(coded);
    return 0;
}
