#include "knowledge/unicode.h"

#include <errno.h>
#include <iconv.h>
#include <string.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/utf8.h"

enum { PIECE_BYTES = 16 << 10, BINARY_LOOK_BYTES = 4096 };
static const char REPLACEMENT[] = "\xef\xbf\xbd";

size_t unicode_put(char out[UNICODE_BYTES_MAX], uint32_t code)
{
    bool control = (code < 0x20 && code != '\t' && code != '\n' && code != '\r') ||
                   (code >= 0x7f && code < 0xa0);
    if (control || code > UNICODE_MAX || (code >= 0xd800 && code <= 0xdfff))
        return 0;
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t len = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = len - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (code & 0x3f));
        code >>= 6;
    }
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    out[0] = (char)(lead[len] | code);
    return len;
}

/* UTF-16 without a mark: every other byte of Latin text is zero. */
static const char *utf16_by_zeros(struct str bytes)
{
    size_t look = bytes.len < BINARY_LOOK_BYTES ? bytes.len : BINARY_LOOK_BYTES, even = 0, odd = 0;
    for (size_t i = 0; i < look; i++) {
        even += i % 2 == 0 && bytes.p[i] == '\0';
        odd += i % 2 == 1 && bytes.p[i] == '\0';
    }
    if (look < 4 || (even + odd) * 3 < look)
        return NULL;
    return odd > 4 * even ? "UTF-16LE" : even > 4 * odd ? "UTF-16BE" : NULL;
}

const char *unicode_charset(struct str bytes, const char *declared)
{
    if (str_starts(bytes, STR("\xef\xbb\xbf")))
        return "UTF-8";
    if (str_starts(bytes, STR("\xff\xfe")))
        return "UTF-16LE";
    if (str_starts(bytes, STR("\xfe\xff")))
        return "UTF-16BE";
    if (declared && declared[0])
        return declared;
    const char *wide = utf16_by_zeros(bytes);
    if (wide)
        return wide;
    return utf8_valid(bytes) ? "UTF-8" : "WINDOWS-1252";
}

/* Whether the text has what only programs, pictures and the like have. */
static bool is_binary(struct str text)
{
    size_t look = text.len < BINARY_LOOK_BYTES ? text.len : BINARY_LOOK_BYTES, odd = 0;
    for (size_t i = 0; i < look; i++) {
        unsigned char c = (unsigned char)text.p[i];
        odd += c < 0x20 && c != '\t' && c != '\n' && c != '\r' && c != '\f' && c != '\v';
    }
    return odd * 50 > look; /* a stray one is forgiven */
}

/* Through iconv piece by piece; a byte it cannot read becomes U+FFFD. */
static void convert(iconv_t cd, struct str bytes, struct buf *out)
{
    char piece[PIECE_BYTES];
    char *in = (char *)(uintptr_t)bytes.p; /* iconv reads only */
    size_t in_left = bytes.len;
    while (in_left > 0) {
        char *to = piece;
        size_t room = sizeof(piece);
        size_t rc = iconv(cd, &in, &in_left, &to, &room);
        buf_put(out, piece, sizeof(piece) - room);
        if (rc != (size_t)-1 || errno == E2BIG)
            continue;
        buf_put(out, REPLACEMENT, sizeof(REPLACEMENT) - 1);
        in++;
        in_left--;
    }
}

/* Control characters mean nothing in a text, except that a form feed parts pages. */
static struct str without_controls(struct arena *mem, struct str text)
{
    char *out = arena_alloc(mem, text.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c >= 0x20 || c == '\t' || c == '\n' || c == '\r' || c == '\f')
            out[n++] = text.p[i];
    }
    return str_n(out, n);
}

enum err unicode_text(struct arena *mem, struct str bytes, const char *declared, struct str *out,
                      struct err_detail *detail)
{
    const char *charset = unicode_charset(bytes, declared);
    struct buf text;
    buf_init(&text, (size_t)3 * KNOWLEDGE_FILE_BYTES_MAX);
    if (utf8_valid(bytes) && strcmp(charset, "UTF-8") == 0) {
        buf_put_str(&text, bytes);
    } else {
        iconv_t cd = iconv_open("UTF-8", charset);
        if (cd == (iconv_t)-1) {
            buf_fini(&text);
            return err_explain(detail, ERR_INVALID, "the encoding \"%.40s\" is not known", charset);
        }
        convert(cd, bytes, &text);
        iconv_close(cd);
    }
    enum err e = OK;
    struct str whole = buf_str(&text);
    if (str_starts(whole, STR("\xef\xbb\xbf")))
        whole = str_slice(whole, 3, whole.len);
    if (!buf_ok(&text))
        e = err_explain(detail, ERR_LIMIT, "more than %d bytes of text",
                        3 * KNOWLEDGE_FILE_BYTES_MAX);
    else if (is_binary(whole))
        e = err_explain(detail, ERR_INVALID, "this is binary data, not text");
    else
        *out = without_controls(mem, whole);
    buf_fini(&text);
    return e;
}
