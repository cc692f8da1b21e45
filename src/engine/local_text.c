#include "engine/local_text.h"

#include "base/limits.h"
#include "base/synonyms.h"
#include "speech/normalise.h"
#include "speech/sentence.h"

enum { ANSWER_WORDS = 42, ANSWER_SENTENCES = 3, SENTENCES = 40 };
/* A passage begins with its gist, and what follows a sentence usually belongs to it. */
enum { WORD = 20, LEAD = 35, NEXT = 3 };
#define TITLE_WORTH 1.5
#define MEANT_WORTH 0.6
#define KIND_WORTH  2.0
#define DAY_WORTH   3.0
#define RANK_WORTH  2.0
enum { KIND_PRICE = 1, KIND_TIME = 2, KIND_PLACE = 4, KIND_DURATION = 8, KIND_COUNT = 4 };

bool local_has(struct str text, const char *phrase)
{
    struct str p = str_of(phrase);
    for (size_t at = 0; (at = str_find(text, p, at)) != SIZE_MAX; at++) {
        bool starts = at == 0 || text.p[at - 1] == ' ';
        bool ends = at + p.len == text.len || text.p[at + p.len] == ' ';
        if (starts && ends)
            return true;
    }
    return false;
}

static bool any(struct str text, const char *phrases, bool whole)
{
    struct str rest = str_of(phrases);
    while (rest.p) {
        struct str phrase = str_take_until(&rest, '/');
        char one[64];
        if (!str_copy(one, sizeof(one), phrase))
            continue;
        if (whole ? str_eq(text, phrase) : local_has(text, one))
            return true;
    }
    return false;
}

bool local_has_any(struct str text, const char *phrases)
{
    return any(text, phrases, false);
}

bool local_is_any(struct str text, const char *phrases)
{
    return any(text, phrases, true);
}

size_t local_word_count(struct str text)
{
    return sentence_words(text);
}

/* -- questions -- */

static bool is_empty_word(struct str word)
{
    static const char words[] =
        "a/about/actually/again/all/also/am/an/and/any/anybody/anyone/anything/are/as/at/be/been/"
        "being/but/by/can/can't/could/did/do/does/doesn't/don't/each/else/every/exactly/folks/for/"
        "from/get/give/go/going/got/had/has/have/having/hello/help/here/hey/hi/how/i/i'd/i'll/i'm/"
        "i've/if/in/into/is/isn't/it/it's/its/just/kind/know/let/like/look/looking/many/may/maybe/"
        "me/might/mine/much/must/my/need/no/not/of/off/oh/okay/on/one/or/our/ours/out/over/people/"
        "please/question/really/right/say/should/so/some/somebody/someone/something/sort/still/"
        "tell/than/thank/thanks/that/that's/the/their/them/then/there/there's/these/they/thing/"
        "things/this/those/to/too/um/up/us/use/very/want/was/wanted/we/well/were/what/what's/when/"
        "where/where's/which/who/whose/why/will/wish/with/wonder/wondering/would/yeah/yes/you/"
        "you're/your/yours/calling/ask/asking/possible/able/long/often/soon/now/guys/usually/"
        "ever/whether/they'll/you'll/we're/they're/until/till/show/take/anyway/instead/little/"
        "bring/come/came/put/today/ago/still/older/else/because/sent";
    return local_is_any(word, words);
}

void local_query_read(struct local_query *q, struct str text)
{
    *q = (struct local_query){0};
    if (local_has_any(text, "how much/price/prices/cost/costs/charge/charges/expensive/cheap/"
                            "cheapest/fee/pay/dollars"))
        q->kinds |= KIND_PRICE;
    if (local_has_any(text,
                      "what time/when/hours/open/close/closes/closed/how late/how early/days"))
        q->kinds |= KIND_TIME;
    if (local_has_any(text, "where/where's/address/located/location/directions/find you"))
        q->kinds |= KIND_PLACE;
    if (local_has_any(
            text,
            "how long/how soon/how fast/how quickly/how often/how many/days/weeks/get here/arrive/"
            "come/when will/when do i"))
        q->kinds |= KIND_DURATION;
    for (struct str rest = text; rest.p && q->count < LOCAL_QUERY_WORDS;) {
        struct str word = str_take_until(&rest, ' ');
        if (word.len > 1 && !is_empty_word(word))
            q->words[q->count++] = word;
    }
}

/* The words of a phrase that asks nothing, as "i was wondering if", from `text` on; 0 for none. */
static size_t filler_len(struct str text)
{
    static const char fillers[] =
        "right now/at the moment/at the minute/i was wondering if/i was wondering/i'm wondering if/"
        "i was just wondering/do you guys/do you folks/are you guys/are you folks/you guys/"
        "you folks/can you tell me/could you tell me/can you please tell me/would you tell me/"
        "could you please tell me/i would like to know/i'd like to know/i want to know/"
        "i wanted to know/i need to know/i'm calling to ask/i'm calling about/i was hoping to/"
        "do you know/let me know/do you happen to/by any chance/i have a question about/"
        "quick question/last week/last month/yesterday/the other day/this morning/weeks ago/"
        "days ago/a while ago/a while back/today/if that's okay/for me please/thank you/thanks";
    struct str rest = str_of(fillers);
    while (rest.p) {
        struct str filler = str_take_until(&rest, '/');
        bool ends = text.len == filler.len || (text.len > filler.len && text.p[filler.len] == ' ');
        if (str_starts(text, filler) && ends)
            return filler.len;
    }
    return 0;
}

void local_query_write(struct buf *query, struct str text)
{
    const char *space = "";
    while (text.len > 0) {
        size_t filler = filler_len(text);
        struct str rest = text;
        struct str word = filler ? str_slice(text, 0, filler) : str_take_until(&rest, ' ');
        text = str_trim(str_slice(text, word.len, text.len));
        if (filler)
            continue;
        buf_put_str(query, str_of(space));
        buf_put_str(query, word);
        space = " ";
    }
}

void local_query_widen(struct buf *query, struct str text)
{
    static const struct {
        const char *said, *written;
    } rows[] = {
        {"send back/send it back/send them back/send something back/bring back/bring it back/"
         "bring them back/bring something back/take it back/take them back/take back/give back/"
         "give it back/give them back",
         "return returns"},
        {"money back/back on my card/money returned", "refund refunds"},
        {"money off/percent off/something off", "discount"},
        {"change my mind/don't like/didn't like/do not like", "return returns"},
        {"get here/show up/showed up/turn up/turned up/be here", "delivery arrive"},
        {"where is my order/where's my order/where is my package/where's my package/"
         "where is my parcel/where's my parcel/where is my delivery/where are my boots/"
         "where is my stuff",
         "track tracking"},
        {"my money/reimbursed", "refund refunds"},
        {"would it come/will it come/will they come/would they come/come in the mail/get it here/"
         "would it get/will it get",
         "delivery shipping time"},
        {"can i return/still return/to return/return it/return them", "returns refund"},
        {"somewhere else/elsewhere/from somebody else/other shop/other store", "another store"},
        {"pick it up for me/pick up the order for me/for me", "somebody else"},
        {"came apart/fell apart/come apart/falling apart", "warranty faults"},
        {"in business/been around/been open", "company founded history"},
        {"don't fit/doesn't fit/do not fit/does not fit/wrong size/too small/too big/too tight",
         "return exchange"},
        {"mail/mailed/deliver/delivered/delivery/get it sent", "shipping"},
        {"cheaper somewhere/cheaper online/it cheaper/them cheaper/lower price/better price/less "
         "money",
         "price match"},
        {"my car/park", "parking"},
        {"soles/new soles", "resole resoling"},
        {"how do i get to/directions", "store address"},
        {"rewards/points", "loyalty program"},
        {"soaked", "wet"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (!local_has_any(text, rows[i].said))
            continue;
        buf_put_byte(query, ' ');
        buf_put_str(query, str_of(rows[i].written));
    }
}

/* One word is a form of the other: "returns", "returning", "return". */
static bool same_word(struct str a, struct str b)
{
    size_t longest = a.len > b.len ? a.len : b.len;
    size_t shortest = a.len < b.len ? a.len : b.len;
    size_t same = 0;
    while (same < shortest && a.p[same] == b.p[same])
        same++;
    if (same == longest)
        return true;
    if (same < 3)
        return false;
    struct str tail = a.len > b.len ? str_slice(a, same, a.len) : str_slice(b, same, b.len);
    if (same == shortest && local_is_any(tail, "s/es/'s/ed/ing/er/ers/ly/d/r/n/ies/y"))
        return true;
    return same >= 4 && same + 3 >= longest && same + 2 >= shortest;
}

static bool mentions(struct str words, struct str word)
{
    while (words.p) {
        if (same_word(str_take_until(&words, ' '), word))
            return true;
    }
    return false;
}

/* The text has another word for it. */
static bool means(struct str words, struct str word)
{
    struct str others[SYNONYMS_MAX];
    size_t count = synonyms_of(word, others, SYNONYMS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (mentions(words, others[i]))
            return true;
    }
    return false;
}

/* Bit set of the question's words that stand in the text; in *meant those and the ones the text
 * has another word for. */
static uint32_t covered(const struct local_query *q, struct str words, uint32_t *meant)
{
    uint32_t bits = 0;
    *meant = 0;
    for (size_t i = 0; i < q->count; i++) {
        if (mentions(words, q->words[i]))
            bits |= 1u << i;
        else if (means(words, q->words[i]))
            *meant |= 1u << i;
    }
    *meant |= bits;
    return bits;
}

static unsigned bit_count(uint32_t bits)
{
    unsigned n = 0;
    for (; bits; bits &= bits - 1)
        n++;
    return n;
}

/* Which of the question's kinds a text (normalised) can satisfy. */
static unsigned kinds_of(struct str words)
{
    unsigned kinds = 0;
    if (local_has_any(words, "dollars/dollar/cents/free/percent/cost/costs/price/prices"))
        kinds |= KIND_PRICE;
    if (local_has_any(words, "a m/p "
                             "m/noon/midnight/morning/afternoon/evening/o'clock/until/monday/"
                             "tuesday/wednesday/thursday/friday/"
                             "saturday/sunday/daily/closed"))
        kinds |= KIND_TIME;
    if (local_has_any(words, "street/avenue/road/boulevard/highway/located/block/blocks/plaza/"
                             "next to/downtown/address/drive/lane"))
        kinds |= KIND_PLACE;
    if (local_has_any(words, "day/days/week/weeks/month/months/year/years/hour/hours/minutes"))
        kinds |= KIND_DURATION;
    return kinds;
}

/* -- results -- */

size_t local_results_read(struct str knowledge, struct local_result *out)
{
    size_t count = 0, at = 0;
    while (count < LOCAL_RESULTS_MAX) {
        char mark[24];
        struct buf b;
        buf_init(&b, sizeof(mark));
        buf_printf(&b, "Result %zu: ", count + 1);
        (void)str_copy(mark, sizeof(mark), buf_str(&b));
        buf_printf(&b, "\n");
        buf_fini(&b);
        size_t start = str_find(knowledge, str_of(mark), at);
        if (start != at)
            break;
        start += strlen(mark);
        size_t line = str_find(knowledge, STR("\n"), start);
        if (line == SIZE_MAX)
            line = knowledge.len;
        size_t next = SIZE_MAX;
        for (size_t i = line; (i = str_find(knowledge, STR("\n\nResult "), i)) != SIZE_MAX; i++) {
            next = i;
            break;
        }
        size_t end = next == SIZE_MAX ? knowledge.len : next;
        out[count++] = (struct local_result){str_trim(str_slice(knowledge, start, line)),
                                             str_trim(str_slice(knowledge, line, end))};
        if (next == SIZE_MAX)
            break;
        at = next + 2;
    }
    return count;
}

/* Days and holidays: whoever names one wants to hear about that one. */
static bool is_day(struct str word)
{
    static const char days[] = "monday/tuesday/wednesday/thursday/friday/saturday/sunday/weekend/"
                               "weekday/holiday/christmas/thanksgiving/easter/july/labor/memorial";
    struct str rest = str_of(days);
    while (rest.p) {
        if (same_word(word, str_take_until(&rest, '/')))
            return true;
    }
    return false;
}

/* What a word weighs in choosing among results: the fewer of them know it, the more it tells. */
static double worth(const struct local_query *q, const uint32_t *known, size_t count, size_t word)
{
    static const double by_results[LOCAL_RESULTS_MAX + 1] = {0, 1.0, 0.7, 0.4};
    size_t sharing = 0;
    for (size_t i = 0; i < count; i++)
        sharing += (known[i] >> word & 1u) != 0;
    return by_results[sharing] * (is_day(q->words[word]) ? DAY_WORTH : 1.0);
}

size_t local_results_pick(const struct local_query *q, const struct local_result *results,
                          size_t count, unsigned *covered_permille)
{
    uint32_t title[LOCAL_RESULTS_MAX], body[LOCAL_RESULTS_MAX], known[LOCAL_RESULTS_MAX];
    uint32_t title_meant[LOCAL_RESULTS_MAX], body_meant[LOCAL_RESULTS_MAX];
    unsigned fits[LOCAL_RESULTS_MAX];
    struct buf words;
    buf_init(&words, LOCAL_TEXT_BYTES_MAX);
    for (size_t i = 0; i < count; i++) {
        buf_reset(&words);
        normalise_words(&words, results[i].title);
        title[i] = covered(q, buf_str(&words), &title_meant[i]);
        buf_reset(&words);
        normalise_words(&words, results[i].content);
        body[i] = covered(q, buf_str(&words), &body_meant[i]);
        fits[i] = bit_count(kinds_of(buf_str(&words)) & q->kinds);
        known[i] = title_meant[i] | body_meant[i];
    }
    buf_fini(&words);
    size_t best = 0;
    double best_score = -1;
    for (size_t i = 0; i < count; i++) {
        double score = fits[i] ? KIND_WORTH : 0.0;
        for (size_t k = 0; k < q->count; k++) {
            uint32_t bit = 1u << k;
            double in_title = title[i] & bit ? 1 : title_meant[i] & bit ? MEANT_WORTH : 0;
            double in_body = body[i] & bit ? 1 : body_meant[i] & bit ? MEANT_WORTH : 0;
            score += (TITLE_WORTH * in_title + in_body) * worth(q, known, count, k);
        }
        score -= RANK_WORTH * (double)i; /* the search has ranked them, and with more care */
        if (i == 0 || score > best_score) {
            best_score = score;
            best = i;
        }
    }
    *covered_permille = q->count ? 1000 * bit_count(known[best]) / (unsigned)q->count : 0;
    return best;
}

/* -- answers -- */

struct piece {
    struct str text;
    uint32_t covered;
    unsigned kinds;
    size_t words;
};

static size_t cut(const struct local_query *q, struct str content, struct piece *out)
{
    struct buf words;
    size_t count = 0;
    buf_init(&words, LOCAL_TEXT_BYTES_MAX);
    while (count < SENTENCES && sentence_next(&content, &out[count].text)) {
        struct piece *p = &out[count];
        buf_reset(&words);
        normalise_words(&words, p->text);
        if (words.len == 0)
            continue;
        (void)covered(q, buf_str(&words), &p->covered);
        p->kinds = kinds_of(buf_str(&words)) & q->kinds;
        p->words = sentence_words(p->text);
        count++;
    }
    buf_fini(&words);
    return count;
}

/* What one more sentence adds to an answer: words of the question not yet spoken of (the fewer
 * sentences speak of one, the more it tells), and the kind of thing asked for. */
static int gain_of(const struct piece *p, size_t count, size_t i, uint32_t bits, unsigned kinds)
{
    int gain = 12 * (int)bit_count(p[i].kinds & ~kinds);
    for (uint32_t left = p[i].covered & ~bits; left; left &= left - 1) {
        uint32_t word = left & ~(left - 1);
        int sharing = 0;
        for (size_t k = 0; k < count; k++)
            sharing += (p[k].covered & word) != 0;
        gain += WORD / sharing;
    }
    return gain;
}

void local_answer_write(struct buf *out, const struct local_query *q, struct str content)
{
    struct piece p[SENTENCES];
    bool chosen[SENTENCES] = {false};
    size_t count = cut(q, content, p), words = 0;
    uint32_t bits = 0;
    unsigned kinds = 0;
    for (size_t n = 0; n < ANSWER_SENTENCES; n++) {
        size_t best = count;
        int best_gain = -1;
        for (size_t i = 0; i < count; i++) {
            if (chosen[i] || (n > 0 && words + p[i].words > ANSWER_WORDS))
                continue;
            int gain = gain_of(p, count, i, bits, kinds);
            if (i == 0)
                gain += LEAD;
            else if (i > 0 && chosen[i - 1])
                gain += NEXT;
            else if (gain == 0)
                continue;
            if (gain > best_gain) {
                best_gain = gain;
                best = i;
            }
        }
        if (best == count)
            break;
        chosen[best] = true;
        words += p[best].words;
        bits |= p[best].covered;
        kinds |= p[best].kinds;
    }
    const char *space = "";
    for (size_t i = 0; i < count; i++) {
        if (!chosen[i])
            continue;
        buf_put_str(out, str_of(space));
        buf_put_str(out, p[i].text);
        space = " ";
    }
}
