/*
 * str.h - borrowed strings: a pointer and a length, passed by value.
 *
 * A struct str never owns its bytes and is not NUL-terminated. Unless a header says more, it is
 * valid until the function it was given to returns.
 *
 *   Thread   any; pure functions.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *p;
    size_t len;
};

/* A literal. In a static initialiser: STR_INIT. */
#define STR(lit)                     \
    (struct str)                     \
    {                                \
        (lit), sizeof("" lit "") - 1 \
    }
#define STR_INIT(lit)                \
    {                                \
        (lit), sizeof("" lit "") - 1 \
    }
#define STR_NONE \
    (struct str) \
    {            \
        NULL, 0  \
    }
/* printf("%.*s", STR_FMT(s)) */
#define STR_FMT(s) (int)(s).len, (s).p

static inline struct str str_of(const char *cstr)
{
    return cstr ? (struct str){cstr, strlen(cstr)} : (struct str){NULL, 0};
}

static inline struct str str_n(const char *p, size_t len)
{
    return (struct str){p, len};
}

bool str_eq(struct str a, struct str b);
/* ASCII case is ignored. */
bool str_eq_nocase(struct str a, struct str b);
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
/* Index of the first `needle` at or after `from`, or SIZE_MAX. An empty needle is found at once. */
size_t str_find(struct str s, struct str needle, size_t from);
/* The bytes [from, to), both clamped to the length. */
struct str str_slice(struct str s, size_t from, size_t to);
/* Without leading and trailing ASCII white space. */
struct str str_trim(struct str s);

/*
 * Splits at the first `sep`: returns what is before it and moves *s behind it. Without a separator
 * it returns all of *s and leaves *s empty with p == NULL; call while (s.p).
 */
struct str str_take_until(struct str *s, char sep);

/* Decimal digits only, the whole string, no sign, no overflow. Writes *out only when true. */
bool str_to_u64(struct str s, uint64_t *out);
/* As above with an optional leading '-'. */
bool str_to_i64(struct str s, int64_t *out);

/* Copies into a fixed NUL-terminated array; false (and an empty string) if it does not fit. */
bool str_copy(char *dst, size_t dst_size, struct str s);

#endif
