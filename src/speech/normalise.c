#include "speech/normalise.h"

#include "base/assert.h"

enum { DIGITS_READ_AS_NUMBER = 15, DIGITS_READ_ONE_BY_ONE = 5 };

struct norm {
    struct buf *out;
    struct str in;
    size_t i;
    bool speech;  /* keep case and punctuation */
    bool started; /* something was written: a word is preceded by a space */
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static char at(const struct norm *n, size_t i)
{
    return i < n->in.len ? n->in.p[i] : '\0';
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static void put_word(struct norm *n, const char *word)
{
    if (n->started)
        buf_put_byte(n->out, ' ');
    buf_put_str(n->out, str_of(word));
    n->started = true;
}

static void put_number(struct norm *n, uint64_t value)
{
    if (n->started)
        buf_put_byte(n->out, ' ');
    normalise_number(n->out, value);
    n->started = true;
}

static const char *const small[] = {"zero",    "one",     "two",       "three",    "four",
                                    "five",    "six",     "seven",     "eight",    "nine",
                                    "ten",     "eleven",  "twelve",    "thirteen", "fourteen",
                                    "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"};
static const char *const tens[] = {"",      "",      "twenty",  "thirty", "forty",
                                   "fifty", "sixty", "seventy", "eighty", "ninety"};

static void number_below_1000(struct buf *out, unsigned v)
{
    if (v >= 100) {
        buf_put_str(out, str_of(small[v / 100]));
        buf_put_str(out, STR(" hundred"));
        v %= 100;
        if (v == 0)
            return;
        buf_put_byte(out, ' ');
    }
    if (v >= 20) {
        buf_put_str(out, str_of(tens[v / 10]));
        v %= 10;
        if (v == 0)
            return;
        buf_put_byte(out, ' ');
    }
    buf_put_str(out, str_of(small[v]));
}

void normalise_number(struct buf *out, uint64_t value)
{
    static const char *const scale[] = {"",          " thousand",    " million",    " billion",
                                        " trillion", " quadrillion", " quintillion"};
    uint64_t unit = 1;
    size_t level = 0;
    while (value / unit >= 1000) {
        unit *= 1000;
        level++;
    }
    bool first = true;
    for (;; level--, unit /= 1000) {
        unsigned part = (unsigned)(value / unit % 1000);
        if (part > 0 || (first && level == 0)) {
            if (!first)
                buf_put_byte(out, ' ');
            number_below_1000(out, part);
            buf_put_str(out, str_of(scale[level]));
            first = false;
        }
        if (level == 0)
            return;
    }
}

static void put_digits(struct norm *n, struct str digits)
{
    for (size_t i = 0; i < digits.len; i++) {
        if (is_digit(digits.p[i]))
            put_word(n, small[digits.p[i] - '0']);
    }
}

/* "twenty one" -> "twenty first": the last word of what put_number wrote is replaced. */
static void put_ordinal(struct norm *n, uint64_t v)
{
    static const char *const irregular[] = {"zeroth", "first",    "second",  "third",  "fourth",
                                            "fifth",  "sixth",    "seventh", "eighth", "ninth",
                                            "tenth",  "eleventh", "twelfth"};
    uint64_t last = v % 100 < 20 ? v % 100 : v % 10;
    if (last == 0 && v % 100 != 0) { /* twentieth ... ninetieth */
        put_number(n, v);
        if (buf_ok(n->out))
            n->out->len--;
        buf_put_str(n->out, STR("ieth"));
        return;
    }
    if (last == 0) {
        put_number(n, v);
        buf_put_str(n->out, STR("th"));
        return;
    }
    if (v > last)
        put_number(n, v - last);
    if (last <= 12) {
        put_word(n, irregular[last]);
    } else {
        put_number(n, last);
        buf_put_str(n->out, STR("th"));
    }
}

/* "1999" -> "nineteen ninety nine", "2005" -> "two thousand five", "1905" -> "nineteen oh five". */
static void put_year(struct norm *n, unsigned v)
{
    if (v % 1000 < 10) {
        put_number(n, v);
        return;
    }
    put_number(n, v / 100);
    if (v % 100 == 0) {
        put_word(n, "hundred");
        return;
    }
    if (v % 100 < 10)
        put_word(n, "oh");
    put_number(n, v % 100);
}

/* A run of digits with thousands commas; moves behind it. */
static struct str take_digits(struct norm *n)
{
    size_t start = n->i;
    while (is_digit(at(n, n->i)) ||
           (at(n, n->i) == ',' && n->i > start && is_digit(at(n, n->i + 1)) &&
            is_digit(at(n, n->i + 2)) && is_digit(at(n, n->i + 3)) && !is_digit(at(n, n->i + 4))))
        n->i++;
    return str_slice(n->in, start, n->i);
}

/* The value of digits with commas; false above DIGITS_READ_AS_NUMBER. */
static bool digits_value(struct str s, uint64_t *out)
{
    uint64_t v = 0;
    size_t count = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] == ',')
            continue;
        v = v * 10 + (uint64_t)(s.p[i] - '0');
        count++;
    }
    *out = v;
    return count <= DIGITS_READ_AS_NUMBER;
}

static void put_money(struct norm *n, const char *unit, const char *units, const char *cent,
                      const char *cents)
{
    struct str whole = take_digits(n);
    uint64_t v, c = 0;
    if (!digits_value(whole, &v)) {
        put_digits(n, whole);
        return;
    }
    bool has_cents = at(n, n->i) == '.' && is_digit(at(n, n->i + 1)) && is_digit(at(n, n->i + 2)) &&
                     !is_digit(at(n, n->i + 3));
    if (has_cents) {
        c = (uint64_t)((at(n, n->i + 1) - '0') * 10 + (at(n, n->i + 2) - '0'));
        n->i += 3;
    }
    if (v > 0 || c == 0) {
        put_number(n, v);
        put_word(n, v == 1 ? unit : units);
    }
    if (c > 0) {
        if (v > 0)
            put_word(n, "and");
        put_number(n, c);
        put_word(n, c == 1 ? cent : cents);
    }
}

/* "8:30", "8:05", "8:00"; n->i stands on the colon. False (and nothing taken) for another text. */
static bool put_time(struct norm *n, uint64_t hour)
{
    if (at(n, n->i) != ':' || hour > 24 || !is_digit(at(n, n->i + 1)) ||
        !is_digit(at(n, n->i + 2)) || is_digit(at(n, n->i + 3)))
        return false;
    unsigned minute = (unsigned)((at(n, n->i + 1) - '0') * 10 + (at(n, n->i + 2) - '0'));
    n->i += 3;
    put_number(n, hour);
    if (minute > 0 && minute < 10)
        put_word(n, "oh");
    if (minute > 0)
        put_number(n, minute);
    return true;
}

static bool starts_nocase(const struct norm *n, const char *word)
{
    struct str s = str_slice(n->in, n->i, n->i + strlen(word));
    return str_eq_nocase(s, str_of(word)) && !is_letter(at(n, n->i + s.len));
}

/* What stands right behind a number: %, st/nd/rd/th, am/pm, a range to the next number. */
static void put_suffix(struct norm *n)
{
    if (at(n, n->i) == '%') {
        n->i++;
        put_word(n, "percent");
    } else if (starts_nocase(n, "am") || starts_nocase(n, "pm")) {
        put_word(n, lower(at(n, n->i)) == 'a' ? "a" : "p");
        put_word(n, "m");
        n->i += 2;
    } else if (starts_nocase(n, "lb") || starts_nocase(n, "lbs")) {
        n->i += starts_nocase(n, "lb") ? 2 : 3;
        put_word(n, "pounds");
    } else if (starts_nocase(n, "oz")) {
        n->i += 2;
        put_word(n, "ounces");
    }
    size_t skip = 0;
    if (at(n, n->i) == '-')
        skip = 1;
    else if (at(n, n->i) == '\xe2' && at(n, n->i + 1) == '\x80' &&
             (at(n, n->i + 2) == '\x93' || at(n, n->i + 2) == '\x94')) /* en and em dash */
        skip = 3;
    if (skip && is_digit(at(n, n->i + skip))) {
        n->i += skip;
        put_word(n, "to");
    }
}

static void take_number(struct norm *n)
{
    struct str digits = take_digits(n);
    uint64_t v;
    bool whole = digits_value(digits, &v);
    bool comma = memchr(digits.p, ',', digits.len) != NULL;
    if (starts_nocase(n, "st") || starts_nocase(n, "nd") || starts_nocase(n, "rd") ||
        starts_nocase(n, "th")) {
        n->i += 2;
        put_ordinal(n, v);
    } else if (whole && put_time(n, v)) {
        /* written */
    } else if (whole && at(n, n->i) == '.' && is_digit(at(n, n->i + 1))) {
        n->i++;
        put_number(n, v);
        put_word(n, "point");
        put_digits(n, take_digits(n));
    } else if (!whole || (!comma && (digits.len >= DIGITS_READ_ONE_BY_ONE ||
                                     (digits.p[0] == '0' && digits.len > 1)))) {
        put_digits(n, digits);
    } else if (!comma && digits.len == 4 && v >= 1100 && v < 2100) {
        put_year(n, (unsigned)v);
    } else {
        put_number(n, v);
    }
    put_suffix(n);
}

/* The plain letter of an accented one in U+00C0..U+00FF; 0 when there is none. */
static char fold_latin1(unsigned char second)
{
    static const char plain[] = "aaaaaaaceeeeiiiidnooooo\0ouuuuyts"
                                "aaaaaaaceeeeiiiidnooooo\0ouuuuyty";
    return plain[(second - 0x80u) & 63u];
}

/* A letter or an apostrophe within a word at n->i: its plain form and length, 0 if it is neither.
 */
static size_t word_char(const struct norm *n, bool inside, char *out)
{
    char c = at(n, n->i);
    if (is_letter(c)) {
        *out = n->speech ? c : lower(c);
        return 1;
    }
    size_t len = 0;
    if (c == '\'') {
        len = 1;
    } else if (c == '\xe2' && at(n, n->i + 1) == '\x80' && at(n, n->i + 2) == '\x99') {
        len = 3; /* U+2019, the typographic apostrophe */
    } else if (c == '\xc3' && at(n, n->i + 1)) {
        *out = fold_latin1((unsigned char)at(n, n->i + 1));
        return *out ? 2 : 0;
    }
    *out = '\'';
    return inside && len > 0 && is_letter(at(n, n->i + len)) ? len : 0;
}

static void take_word(struct norm *n)
{
    char c;
    size_t len;
    bool inside = false;
    while ((len = word_char(n, inside, &c)) > 0) {
        if (!inside && n->started)
            buf_put_byte(n->out, ' ');
        buf_put_byte(n->out, (unsigned char)c);
        n->started = true;
        inside = true;
        n->i += len;
    }
}

static void take_symbol(struct norm *n)
{
    char c = n->in.p[n->i++];
    bool digit_next = is_digit(at(n, n->i));
    if (c == '$' && digit_next) {
        put_money(n, "dollar", "dollars", "cent", "cents");
    } else if (c == '\xc2' && at(n, n->i) == '\xa3' && is_digit(at(n, n->i + 1))) {
        n->i++;
        put_money(n, "pound", "pounds", "penny", "pence");
    } else if (c == '\xe2' && at(n, n->i) == '\x82' && at(n, n->i + 1) == '\xac' &&
               is_digit(at(n, n->i + 2))) {
        n->i += 2;
        put_money(n, "euro", "euros", "cent", "cents");
    } else if (c == '&') {
        put_word(n, "and");
    } else if (c == '@') {
        put_word(n, "at");
    } else if (c == '+') {
        put_word(n, "plus");
    } else if (c == '#' && digit_next) {
        put_word(n, "number");
    } else if (n->speech && n->started && memchr(",.;:?!", c, 6) &&
               (at(n, n->i) == ' ' || at(n, n->i) == '\n' || n->i == n->in.len)) {
        buf_put_byte(n->out, (unsigned char)c);
    }
}

static void run(struct norm *n)
{
    while (n->i < n->in.len) {
        char c;
        if (is_digit(n->in.p[n->i]))
            take_number(n);
        else if (word_char(n, false, &c) > 0)
            take_word(n);
        else
            take_symbol(n);
    }
}

void normalise_words(struct buf *out, struct str text)
{
    struct norm n = {.out = out, .in = text};
    run(&n);
}

void normalise_speech(struct buf *out, struct str text)
{
    struct norm n = {.out = out, .in = text, .speech = true};
    run(&n);
}
