/* The SQLite store on a real file: every operation, groups of writes, damage, other processes. */
#include "harness/test.h"

#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "store/store.h"

static char dir[64];
static char path[96];

static struct store *fresh(void)
{
    struct store *s = NULL;
    struct err_detail detail;
    snprintf(dir, sizeof(dir), "%s", "/tmp/callee-store-XXXXXX");
    if (!mkdtemp(dir))
        return NULL;
    snprintf(path, sizeof(path), "%s/callee.db", dir);
    if (store_open(&s, &(struct store_opts){.path = path}, &detail) != OK)
        fprintf(stderr, "%s\n", detail.text);
    return s;
}

static void done_with(struct store *s)
{
    static const char *const endings[] = {"", "-wal", "-shm"};
    store_close(s);
    for (size_t i = 0; i < 3; i++) {
        char file[128];
        snprintf(file, sizeof(file), "%s%s", path, endings[i]);
        unlink(file);
    }
    rmdir(dir);
}

/* Runs and frees; for requests without results. */
static enum err run(struct store *s, struct store_req *r)
{
    enum err e = store_run(s, r);
    store_req_free(r);
    return e;
}

static const struct business pecos = {.id = {"b1", 2},
                                      .slug = {"pecos", 5},
                                      .name = {"Pecos River Traders", 19},
                                      .domain = {"outfitter", 9},
                                      .time_zone = {"America/Denver", 14},
                                      .is_active = true,
                                      .created_at_ms = 7};

TEST(business_is_found_by_number_id_and_slug_with_its_settings)
{
    struct store *s = fresh();
    CHECK(s != NULL);
    CHECK_INT(OK, run(s, store_req_business_put(&pecos)));
    struct phone_number number = {STR("+15055550100"), STR("b1"), true};
    CHECK_INT(OK, run(s, store_req_number_put(&number)));
    CHECK_INT(OK, run(s, store_req_config_put(STR("b1"), STR("recording"),
                                              STR("{\"enabled\":true}"), false)));
    CHECK_INT(OK, run(s, store_req_config_put(STR("b1"), STR("recording"),
                                              STR("{\"enabled\":false}"), true)));
    struct store_req *found[] = {store_req_business_by_number(STR("+15055550100")),
                                 store_req_business_by_id(STR("b1")),
                                 store_req_business_by_id(STR("pecos"))};
    for (size_t i = 0; i < 3; i++) {
        struct store_req *r = found[i];
        CHECK_INT(OK, store_run(s, r));
        CHECK(str_eq(r->business.name, pecos.name));
        CHECK(str_eq(r->business.time_zone, pecos.time_zone));
        CHECK_INT(7, r->business.created_at_ms);
        CHECK(r->config.recording); /* only_missing kept the first value */
        CHECK(str_eq(zone_name(r->config.zone), pecos.time_zone));
        CHECK_INT(0, r->config.problems_count);
        store_req_free(r);
    }
    CHECK_INT(ERR_NOTFOUND, run(s, store_req_business_by_number(STR("+15055550101"))));
    CHECK_INT(ERR_NOTFOUND, run(s, store_req_business_by_id(STR(""))));

    number.is_active = false;
    CHECK_INT(OK, run(s, store_req_number_put(&number)));
    CHECK_INT(ERR_NOTFOUND, run(s, store_req_business_by_number(STR("+15055550100"))));
    number.is_active = true;
    CHECK_INT(OK, run(s, store_req_number_put(&number)));
    struct business changed = pecos;
    changed.is_active = false;
    changed.name = STR("Renamed");
    CHECK_INT(OK, run(s, store_req_business_put(&changed)));
    CHECK_INT(ERR_NOTFOUND, run(s, store_req_business_by_number(STR("+15055550100"))));
    struct store_req *all = store_req_businesses();
    CHECK_INT(OK, store_run(s, all));
    CHECK_INT(1, all->businesses_count);
    CHECK(str_eq(all->businesses[0].name, STR("Renamed")));
    store_req_free(all);
    done_with(s);
}

TEST(what_the_database_refuses_is_invalid_and_leaves_no_trace)
{
    struct store *s = fresh();
    CHECK(s != NULL);
    CHECK_INT(OK, run(s, store_req_business_put(&pecos)));
    struct business other = pecos;
    other.id = STR("b2"); /* the slug is taken */
    CHECK_INT(ERR_INVALID, run(s, store_req_business_put(&other)));
    CHECK_INT(ERR_NOTFOUND, run(s, store_req_business_by_id(STR("b2"))));
    other.slug = STR("");
    CHECK_INT(ERR_INVALID, run(s, store_req_business_put(&other)));
    struct phone_number number = {STR("+1505"), STR("nobody"), true};
    CHECK_INT(ERR_INVALID, run(s, store_req_number_put(&number)));
    CHECK_INT(ERR_INVALID, run(s, store_req_config_put(STR("b1"), STR("voice"), STR("{"), false)));
    struct turn_row orphan = {.call_id = STR("none"), .item_id = STR("i1")};
    CHECK_INT(ERR_INVALID, run(s, store_req_turn_put(&orphan)));
    /* A document that fails at its last passage is not there at all, and what it would have
     * replaced still is. */
    struct document d = {.id = STR("d1"), .business_id = STR("b1"), .name = STR("d1")};
    struct passage good[] = {{.id = STR("p1"), .title = STR("Boots"), .content = STR("leather")}};
    struct passage bad[] = {{.id = STR("p2"), .title = STR("Hats"), .content = STR("felt")},
                            {.id = STR("p2"), .title = STR("Twin"), .content = STR("felt")}};
    CHECK_INT(OK, run(s, store_req_document_put(&d, good, 1)));
    CHECK_INT(ERR_INVALID, run(s, store_req_document_put(&d, bad, 2)));
    struct store_req *all = store_req_passages_all(STR("b1"));
    CHECK_INT(OK, store_run(s, all));
    CHECK_INT(1, all->passages_count);
    CHECK(str_eq(all->passages[0].title, STR("Boots")));
    store_req_free(all);
    CHECK_INT(OK, run(s, store_req_check()));
    done_with(s);
}

static struct store_req *search(struct store *s, const char *word)
{
    struct str w = str_of(word);
    struct store_req *r = store_req_search_text(STR("b1"), &w, 1, 3);
    return store_run(s, r) == OK ? r : NULL;
}

static size_t hits(struct store *s, const char *word)
{
    struct store_req *r = search(s, word);
    size_t n = r ? r->hits_count : SIZE_MAX;
    store_req_free(r);
    return n;
}

TEST(many_writes_are_waited_for_together_and_each_has_its_own_answer)
{
    struct store *s = fresh();
    CHECK(s != NULL);
    struct phone_number known = {STR("+15055550100"), STR("b1"), true};
    struct phone_number unknown = {STR("+15055550101"), STR("nobody"), true};
    struct store_req *reqs[] = {store_req_business_put(&pecos), store_req_number_put(&unknown),
                                store_req_number_put(&known)};
    store_run_all(s, reqs, 3);
    CHECK_INT(OK, reqs[0]->err);
    CHECK_INT(ERR_INVALID, reqs[1]->err);
    CHECK_INT(OK, reqs[2]->err); /* it sees the business before it */
    for (size_t i = 0; i < 3; i++)
        store_req_free(reqs[i]);
    CHECK_INT(OK, run(s, store_req_business_by_number(STR("+15055550100"))));
    CHECK_INT(ERR_NOTFOUND, run(s, store_req_business_by_number(STR("+15055550101"))));
    store_run_all(s, NULL, 0);
    done_with(s);
}

TEST(document_is_replaced_whole_and_search_follows)
{
    struct store *s = fresh();
    CHECK(s != NULL);
    CHECK_INT(OK, run(s, store_req_business_put(&pecos)));
    struct document d = {
        .id = STR("d1"), .business_id = STR("b1"), .name = STR("x"), .created_at_ms = 5};
    struct passage first[] = {{.title = STR("Boots"),
                               .content = STR("Made of leather."),
                               .category = STR("products"),
                               .questions = STR("do you sell boots\nwhat about footwear"),
                               .metadata = STR("{\"a\":1}")},
                              {.title = STR("Hats"), .content = STR("Made of felt, resoled.")}};
    CHECK_INT(OK, run(s, store_req_document_put(&d, first, 2)));
    struct store_req *all = store_req_passages_all(STR("b1"));
    CHECK_INT(OK, store_run(s, all));
    CHECK_INT(2, all->passages_count);
    CHECK(str_eq(all->passages[0].title, STR("Boots")));
    CHECK(str_eq(all->passages[0].questions, first[0].questions));
    CHECK(str_eq(all->passages[0].category, STR("products")));
    CHECK(str_eq(all->passages[0].metadata, STR("{\"a\":1}")));
    CHECK(str_eq(all->passages[0].document_id, STR("d1")));
    CHECK_INT(36, all->passages[0].id.len);
    CHECK_INT('8', all->passages[0].id.p[14]);
    CHECK_INT(5, all->passages[0].created_at_ms);
    CHECK_INT(1, all->passages[1].position);
    char id[64];
    CHECK(str_copy(id, sizeof(id), all->passages[1].id));
    store_req_free(all);

    CHECK_INT(1, hits(s, "leathers"));
    CHECK_INT(1, hits(s, "footwear"));
    CHECK_INT(2, hits(s, "making"));
    struct passage second[] = {{.title = STR("Sacks"), .content = STR("Made of canvas.")},
                               {.title = STR("Hats"), .content = STR("Made of straw.")}};
    CHECK_INT(OK, run(s, store_req_document_put(&d, second, 2)));
    CHECK_INT(0, hits(s, "footwear"));
    CHECK_INT(1, hits(s, "canvas"));
    all = store_req_passages_all(STR("b1"));
    CHECK_INT(OK, store_run(s, all));
    CHECK_INT(2, all->passages_count);
    CHECK(str_eq(all->passages[1].id, str_of(id))); /* same place and title: same id */
    store_req_free(all);

    CHECK_INT(OK, run(s, store_req_document_delete(STR("b1"), STR("d1"))));
    CHECK_INT(0, hits(s, "made"));
    CHECK_INT(ERR_NOTFOUND, run(s, store_req_document_delete(STR("b1"), STR("d1"))));
    CHECK_INT(ERR_NOTFOUND,
              run(s, store_req_document_put(
                         &(struct document){.id = STR("d"), .business_id = STR("x")}, NULL, 0)));
    CHECK_INT(OK, run(s, store_req_check()));
    done_with(s);
}

TEST(search_prefers_the_passage_whose_callers_ask_the_same)
{
    struct store *s = fresh();
    CHECK(s != NULL);
    CHECK_INT(OK, run(s, store_req_business_put(&pecos)));
    struct document d = {.id = STR("d1"), .business_id = STR("b1"), .name = STR("x")};
    struct passage p[] = {
        {.title = STR("Boots"),
         .content = STR("The sole of a boot."),
         .questions = STR("where do i put new boots\nwhich boots have a sole")},
        {.title = STR("Workshop"),
         .content = STR("Ninety dollars and two weeks."),
         .questions = STR("do you mend belts\nput a new sole on boots")},
        {.title = STR("Hours"), .content = STR("Nine to five."), .questions = STR("when")},
        {.title = STR("Hats"), .content = STR("Felt and straw."), .questions = STR("what hats")},
        {.title = STR("Belts"), .content = STR("Plain or tooled."), .questions = STR("any belts")},
        {.title = STR("Gifts"), .content = STR("Cards of paper."), .questions = STR("any gifts")},
        {.title = STR("Jobs"), .content = STR("Help in sales."), .questions = STR("any jobs")}};
    CHECK_INT(OK, run(s, store_req_document_put(&d, p, 7)));
    struct str words[] = {STR("put"), STR("new"), STR("sole"), STR("boots")};
    struct store_req *r = store_req_search_text(STR("b1"), words, 4, 3);
    CHECK_INT(OK, store_run(s, r));
    CHECK_INT(2, r->hits_count);
    CHECK(str_eq(r->hits[0].passage.title, STR("Workshop")));
    CHECK(r->hits[0].score >= r->hits[1].score);
    store_req_free(r);
    done_with(s);
}

TEST(search_takes_any_word_as_a_word)
{
    struct store *s = fresh();
    CHECK(s != NULL);
    CHECK_INT(OK, run(s, store_req_business_put(&pecos)));
    struct document d = {.id = STR("d1"), .business_id = STR("b1"), .name = STR("x")};
    struct passage p[] = {
        {.title = STR("Purchases"), .content = STR("Purchasing near databases and caf\xc3\xa9s.")},
        {.title = STR("Moccasins"), .content = STR("Soft shoes, not a belt.")}};
    CHECK_INT(OK, run(s, store_req_document_put(&d, p, 2)));
    static const char *const traps[] = {
        "",       "*", "\"", "what's", "AT&T", "c++",           "24/7", "NEAR(",
        "title:", "-", "^a", "a\"b",   " ",    "refund-policy", "(",    "{title}"};
    for (size_t i = 0; i < sizeof(traps) / sizeof(traps[0]); i++)
        CHECK_INT(0, hits(s, traps[i])); /* OK and nothing, never an error */
    static const char *const words[] = {"AND", "OR", "NOT", "NEAR"};
    CHECK_INT(1, hits(s, words[0]));
    CHECK_INT(0, hits(s, words[1]));
    CHECK_INT(1, hits(s, words[2]));
    CHECK_INT(1, hits(s, words[3]));
    CHECK_INT(1, hits(s, "cafe"));
    CHECK_INT(1, hits(s, "soft shoes"));
    CHECK_INT(0, hits(s, "shoes soft"));
    CHECK_INT(1, hits(s, "mocasins"));  /* misspelt */
    CHECK_INT(1, hits(s, "perchases")); /* its nearest stem, purchas, is not the stem of itself */
    CHECK_INT(1, hits(s, "databaze"));
    CHECK_INT(0, hits(s, "xylophone"));

    struct str two[] = {STR("moccasins"), STR("elephants")};
    struct store_req *r = store_req_search_text(STR("b1"), two, 2, 3);
    CHECK_INT(OK, store_run(s, r));
    CHECK_INT(1, r->hits_count);
    CHECK_INT(1, r->hits[0].matched);
    CHECK_INT(2, r->hits[0].expected);
    CHECK(r->hits[0].score > 0);
    store_req_free(r);
    CHECK_INT(ERR_NOTFOUND, run(s, store_req_search_text(STR("b9"), two, 2, 3)));
    struct str empty[] = {STR("\xe2\x80\x94"), STR("moccasins"), STR("\xe2\x80\x94 \xe2\x80\x94")};
    r = store_req_search_text(STR("b1"), empty, 3, 3); /* words without a letter in them */
    CHECK_INT(OK, store_run(s, r));
    CHECK_INT(1, r->hits_count);
    store_req_free(r);

    /* Another word for a word: looked for in titles and questions alone, and no word of its own. */
    struct str other[] = {STR("slippers"), STR("~moccasin"), STR("~shoes")};
    r = store_req_search_text(STR("b1"), other, 3, 3);
    CHECK_INT(OK, store_run(s, r));
    CHECK_INT(1, r->hits_count);
    CHECK(str_eq(r->hits[0].passage.title, STR("Moccasins")));
    CHECK_INT(1, r->hits[0].matched);
    CHECK_INT(1, r->hits[0].expected);
    store_req_free(r);
    struct str prose[] = {STR("slippers"), STR("~shoes")};
    r = store_req_search_text(STR("b1"), prose, 2, 3);
    CHECK_INT(OK, store_run(s, r));
    CHECK_INT(0, r->hits_count);
    store_req_free(r);
    done_with(s);
}

/* How many hits of business `id` for a word, and that all of them are its own. */
static int own_hits(struct store *s, const char *id, const char *word)
{
    struct str words[] = {str_of(word)};
    struct store_req *r = store_req_search_text(str_of(id), words, 1, 10);
    int count = store_run(s, r) == OK ? (int)r->hits_count : -1;
    for (size_t i = 0; count >= 0 && i < r->hits_count; i++) {
        if (!str_eq(r->hits[i].passage.business_id, str_of(id)))
            count = -2;
    }
    store_req_free(r);
    return count;
}

TEST(two_businesses_of_equal_words_never_meet)
{
    struct store *s = fresh(), *other = NULL;
    struct err_detail detail;
    CHECK(s != NULL);
    struct business twin = pecos;
    twin.id = STR("b2");
    twin.slug = STR("twin");
    CHECK_INT(OK, run(s, store_req_business_put(&pecos)));
    CHECK_INT(OK, run(s, store_req_business_put(&twin)));
    struct document mine = {.id = STR("d1"), .business_id = STR("b1"), .name = STR("x")};
    struct document theirs = {.id = STR("d1"), .business_id = STR("b2"), .name = STR("x")};
    struct passage p[] = {{.title = STR("Boots"), .content = STR("Pecos sells moccasins.")}};
    struct passage q[] = {{.title = STR("Boots"), .content = STR("Twin sells moccasins.")}};
    CHECK_INT(OK, run(s, store_req_document_put(&mine, p, 1)));
    CHECK_INT(OK, run(s, store_req_document_put(&theirs, q, 1)));
    for (int i = 0; i < 2; i++) { /* the stems are read, then kept */
        CHECK_INT(1, own_hits(s, "b1", "moccasins"));
        CHECK_INT(1, own_hits(s, "b2", "moccasins"));
        CHECK_INT(1, own_hits(s, "b1", "mocasins"));
        CHECK_INT(1, own_hits(s, "b2", "mocasins"));
        CHECK_INT(0, own_hits(s, "b1", "twin")); /* nor is it a spelling of anything of theirs */
        CHECK_INT(0, own_hits(s, "b2", "pecos"));
    }
    /* Another process takes the word away from one of them. */
    CHECK_INT(OK, store_open(&other, &(struct store_opts){.path = path}, &detail));
    p[0].content = STR("Pecos sells saddles.");
    CHECK_INT(OK, run(other, store_req_document_put(&mine, p, 1)));
    CHECK_INT(0, own_hits(s, "b1", "mocasins"));
    CHECK_INT(1, own_hits(s, "b1", "sadles"));
    CHECK_INT(1, own_hits(s, "b2", "mocasins"));
    CHECK_INT(OK, run(other, store_req_document_delete(STR("b2"), STR("d1"))));
    CHECK_INT(0, own_hits(s, "b2", "mocasins"));
    store_close(other);
    done_with(s);
}

static struct call_row call_at(const char *id, int64_t started)
{
    return (struct call_row){.id = str_of(id),
                             .call_sid = STR(""),
                             .channel = STR("twilio"),
                             .business_id = STR("b1"),
                             .status = STR("in-progress"),
                             .started_at_ms = started};
}

TEST(call_is_kept_with_turns_and_tools)
{
    struct store *s = fresh();
    CHECK(s != NULL);
    struct call_row c = call_at("c1", 1000);
    c.call_sid = STR("CA1");
    c.from = STR("+15055550123");
    c.to = STR("+15055550100");
    CHECK_INT(OK, run(s, store_req_call_create(&c)));
    CHECK_INT(ERR_INVALID, run(s, store_req_call_create(&c)));
    struct turn_row t = {.call_id = c.id,
                         .item_id = STR("i2"),
                         .role = STR("assistant"),
                         .text = STR("Howdy"),
                         .seq = 2,
                         .start_ms = 100,
                         .end_ms = 900,
                         .heard_ms = 250,
                         .interrupted = true,
                         .turn_end_ms = 1,
                         .engine_first_ms = 2,
                         .carrier_first_ms = 3,
                         .heard_first_ms = -1,
                         .tokens_in = 5,
                         .tokens_out = 6,
                         .cost_microusd = 7};
    CHECK_INT(OK, run(s, store_req_turn_put(&t)));
    t.text = STR("Howdy, partner\xff\xc3(");
    CHECK_INT(OK, run(s, store_req_turn_put(&t)));
    struct turn_row u = {
        .call_id = c.id, .item_id = STR("i1"), .role = STR("user"), .text = STR("hi"), .seq = 1};
    CHECK_INT(OK, run(s, store_req_turn_put(&u)));
    struct tool_row tool = {.call_id = c.id,
                            .tool_call_id = STR("t1"),
                            .name = STR("query_knowledge_base"),
                            .arguments = STR("{}"),
                            .output = STR("none"),
                            .at_ms = 4,
                            .took_ms = 9,
                            .ok = true};
    CHECK_INT(OK, run(s, store_req_tool_put(&tool)));

    struct call_row end = {.id = STR("c1"),
                           .status = STR("completed"),
                           .ended_at_ms = 9000,
                           .duration_ms = 8000,
                           .end_reason = STR("caller"),
                           .cost_microusd = 11,
                           .tokens_in = 12,
                           .tokens_out = 13,
                           .journal = STR("j")};
    CHECK_INT(OK, run(s, store_req_call_update(&end, CALL_SET_FINISH)));
    struct call_row late = {
        .call_sid = STR("CA1"), .status = STR("in-progress"), .summary = STR("s")};
    CHECK_INT(OK, run(s, store_req_call_update(&late, CALL_SET_STATUS | CALL_SET_SUMMARY)));
    struct call_row none = {.call_sid = STR(""), .status = STR("failed")};
    CHECK_INT(ERR_NOTFOUND, run(s, store_req_call_update(&none, CALL_SET_STATUS)));

    struct str keys[] = {STR("c1"), STR("CA1")};
    for (size_t i = 0; i < 2; i++) {
        struct store_req *r = store_req_call_get(keys[i]);
        CHECK_INT(OK, store_run(s, r));
        CHECK(str_eq(r->call.status, STR("completed")));
        CHECK(str_eq(r->call.from, c.from));
        CHECK(str_eq(r->call.to, c.to));
        CHECK(str_eq(r->call.summary, STR("s")));
        CHECK(str_eq(r->call.end_reason, STR("caller")));
        CHECK(str_eq(r->call.journal, STR("j")));
        CHECK_INT(9000, r->call.ended_at_ms);
        CHECK_INT(11, r->call.cost_microusd);
        CHECK_INT(13, r->call.tokens_out);
        CHECK_INT(2, r->turns_count);
        CHECK(str_eq(r->turns[0].item_id, STR("i1")));
        CHECK(str_eq(r->turns[1].text, STR("Howdy, partner?\?(")));
        CHECK_INT(250, r->turns[1].heard_ms);
        CHECK_INT(-1, r->turns[1].heard_first_ms);
        CHECK_INT(3, r->turns[1].carrier_first_ms);
        CHECK_INT(7, r->turns[1].cost_microusd);
        CHECK(r->turns[1].interrupted && !r->turns[0].interrupted);
        CHECK_INT(1, r->tools_count);
        CHECK_INT(9, r->tools[0].took_ms);
        CHECK(r->tools[0].ok);
        store_req_free(r);
    }
    CHECK_INT(ERR_NOTFOUND, run(s, store_req_call_get(STR(""))));
    done_with(s);
}

TEST(calls_come_newest_first_in_pages_that_miss_none)
{
    struct store *s = fresh();
    CHECK(s != NULL);
    for (int i = 0; i < 25; i++) {
        char id[8];
        snprintf(id, sizeof(id), "c%02d", i);
        struct call_row c = call_at(id, 1000 + i / 3); /* several start in one millisecond */
        c.business_id = i == 24 ? STR("b2") : STR("b1");
        c.ended_at_ms = i < 20 ? 1 : 0;
        CHECK_INT(OK, run(s, store_req_call_create(&c)));
    }
    struct calls_page page = {.business_id = STR("b1"), .limit = 7};
    char last[8] = "", before[8] = "";
    int seen = 0;
    for (;;) {
        page.before_id = str_of(before);
        struct store_req *r = store_req_calls_list(&page);
        CHECK_INT(OK, store_run(s, r));
        for (size_t i = 0; i < r->calls_count; i++, seen++) {
            CHECK(seen == 0 || strcmp(r->calls[i].id.p, last) < 0);
            CHECK(str_copy(last, sizeof(last), r->calls[i].id));
            page.before_started_at_ms = r->calls[i].started_at_ms;
        }
        size_t n = r->calls_count;
        store_req_free(r);
        if (n < 7)
            break;
        memcpy(before, last, sizeof(before));
    }
    CHECK_INT(24, seen);
    struct store_req *r = store_req_calls_list(&(struct calls_page){.skip = 1, .limit = 2});
    CHECK_INT(OK, store_run(s, r));
    CHECK_INT(2, r->calls_count);
    CHECK(str_eq(r->calls[0].id, STR("c23")));
    store_req_free(r);
    r = store_req_calls_open();
    CHECK_INT(OK, store_run(s, r));
    CHECK_INT(5, r->calls_count);
    store_req_free(r);
    done_with(s);
}

static void spend(struct store *s, const char *id, const char *business, int64_t at, int64_t cost,
                  bool ended)
{
    struct call_row c = call_at(id, at);
    c.business_id = str_of(business);
    c.cost_microusd = ended ? cost : 0; /* a call's own figure is written at its end */
    c.ended_at_ms = ended ? at + 1 : 0;
    CHECK_INT(OK, run(s, store_req_call_create(&c)));
    struct turn_row t = {.call_id = str_of(id), .item_id = STR("i"), .cost_microusd = cost};
    CHECK_INT(OK, run(s, store_req_turn_put(&t)));
}

TEST(spent_is_told_by_business_and_from_a_time_on)
{
    struct store *s = fresh();
    CHECK(s != NULL);
    spend(s, "c1", "b1", 999, 1000000, true); /* yesterday */
    spend(s, "c2", "b1", 1000, 5, true);
    spend(s, "c3", "b1", 2000, 7, true);
    spend(s, "c4", "b1", 3000, 100, false); /* cut off by a crash: its turns tell */
    spend(s, "c5", "b2", 3000, 11, true);
    struct store_req *r = store_req_spent(1000);
    CHECK_INT(OK, store_run(s, r));
    CHECK_INT(2, r->spent_count);
    for (size_t i = 0; i < r->spent_count; i++)
        CHECK_INT(str_eq(r->spent[i].business_id, STR("b1")) ? 112 : 11, r->spent[i].microusd);
    store_req_free(r);
    done_with(s);
}

struct hammer {
    struct store *s;
    int base;
    int failed;
};

enum { HAMMER_TURNS = 100 };

static void *hammer(void *arg)
{
    struct hammer *h = arg;
    for (int i = 0; i < HAMMER_TURNS; i++) {
        char item[16];
        snprintf(item, sizeof(item), "i%d", h->base + i);
        struct turn_row t = {.call_id = STR("c1"), .item_id = str_of(item), .seq = h->base + i};
        if (i % 10 == 9)
            t.call_id = STR("nobody"); /* fails beside the others of its group */
        enum err e = run(h->s, store_req_turn_put(&t));
        h->failed += (e == OK) == (i % 10 == 9);
        h->failed += run(h->s, store_req_call_get(STR("c1"))) != OK;
    }
    return NULL;
}

TEST(threads_write_and_read_at_once_and_each_gets_its_own_answer)
{
    enum { THREADS = 6 };
    struct store *s = fresh();
    CHECK(s != NULL);
    struct call_row c = call_at("c1", 1);
    CHECK_INT(OK, run(s, store_req_call_create(&c)));
    pthread_t threads[THREADS];
    struct hammer h[THREADS];
    for (int i = 0; i < THREADS; i++) {
        h[i] = (struct hammer){s, i * 1000, 0};
        CHECK_INT(0, pthread_create(&threads[i], NULL, hammer, &h[i]));
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(0, h[i].failed);
    struct store_req *r = store_req_call_get(STR("c1"));
    CHECK_INT(OK, store_run(s, r));
    CHECK_INT(THREADS * HAMMER_TURNS * 9 / 10, r->turns_count);
    store_req_free(r);
    CHECK_INT(0, store_queued(s));
    done_with(s);
}

TEST(store_stays_when_it_is_opened_again_and_by_two_at_once)
{
    struct store *s = fresh(), *second = NULL;
    CHECK(s != NULL);
    CHECK_INT(OK, run(s, store_req_business_put(&pecos)));
    CHECK_INT(OK, store_open(&second, &(struct store_opts){.path = path}, NULL));
    CHECK_INT(OK, run(second, store_req_business_by_id(STR("b1"))));
    struct call_row c = call_at("c1", 1);
    CHECK_INT(OK, run(second, store_req_call_create(&c)));
    CHECK_INT(OK, run(s, store_req_call_get(STR("c1"))));
    store_close(second);
    store_close(s);
    CHECK_INT(OK, store_open(&s, &(struct store_opts){.path = path}, NULL));
    CHECK_INT(OK, run(s, store_req_call_get(STR("c1"))));
    done_with(s);
}

TEST(a_disk_that_refuses_is_told_to_every_writer_and_passes)
{
    struct store *s = fresh();
    CHECK(s != NULL);
    struct call_row c = call_at("c1", 1);
    CHECK_INT(OK, run(s, store_req_call_create(&c)));
    struct rlimit usual;
    CHECK_INT(0, getrlimit(RLIMIT_FSIZE, &usual));
    signal(SIGXFSZ, SIG_IGN);
    char wal[128];
    struct stat st;
    snprintf(wal, sizeof(wal), "%s-wal", path);
    CHECK_INT(0, stat(wal, &st));
    /* The write-ahead log may not grow: the statements succeed in memory, the commit does not. */
    struct rlimit tight = {.rlim_cur = (rlim_t)st.st_size, .rlim_max = usual.rlim_max};
    CHECK_INT(0, setrlimit(RLIMIT_FSIZE, &tight));
    c.id = STR("c2");
    enum err e = run(s, store_req_call_create(&c));
    CHECK_INT(0, setrlimit(RLIMIT_FSIZE, &usual));
    signal(SIGXFSZ, SIG_DFL);
    CHECK_INT(ERR_IO, e);
    CHECK_INT(ERR_NOTFOUND, run(s, store_req_call_get(STR("c2"))));
    CHECK_INT(OK, run(s, store_req_call_create(&c)));
    CHECK_INT(OK, run(s, store_req_check()));
    done_with(s);
}

static void spoil(long at, size_t count)
{
    FILE *f = fopen(path, "r+b");
    if (!f)
        return;
    fseek(f, at, SEEK_SET);
    for (size_t i = 0; i < count; i++)
        fputc(0x5a, f);
    fclose(f);
}

TEST(damaged_foreign_and_newer_files_are_named_as_such)
{
    struct store *s = fresh();
    struct err_detail detail;
    CHECK(s != NULL);
    store_close(s);
    spoil(0, 16);
    CHECK_INT(ERR_IO, store_open(&s, &(struct store_opts){.path = path}, &detail));
    CHECK(strstr(detail.text, "not a database") != NULL);
    unlink(path);

    CHECK_INT(OK, store_open(&s, &(struct store_opts){.path = path}, &detail));
    for (int i = 0; i < 200; i++) {
        char id[8];
        snprintf(id, sizeof(id), "c%d", i);
        struct call_row c = call_at(id, i + 1);
        c.summary = STR("a summary that takes some room in the file, so that there are pages");
        CHECK_INT(OK, run(s, store_req_call_create(&c)));
    }
    store_close(s);
    struct stat st;
    CHECK_INT(0, stat(path, &st));
    spoil(20 * 4096, (size_t)st.st_size - 20 * 4096);
    enum err opened = store_open(&s, &(struct store_opts){.path = path}, &detail);
    if (opened == OK) { /* the damage shows when it is looked for */
        struct store_req *r = store_req_check();
        CHECK_INT(ERR_IO, store_run(s, r));
        CHECK(strstr(r->detail.text, "damaged") != NULL);
        store_req_free(r);
        store_close(s);
    }
    unlink(path);

    CHECK_INT(OK, store_open(&s, &(struct store_opts){.path = path}, &detail));
    store_close(s);
    sqlite3 *db = NULL;
    CHECK_INT(SQLITE_OK, sqlite3_open(path, &db));
    CHECK_INT(SQLITE_OK, sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL));
    sqlite3_close(db);
    CHECK_INT(ERR_INVALID, store_open(&s, &(struct store_opts){.path = path}, &detail));
    CHECK(strstr(detail.text, "newer") != NULL);
    unlink(path);
    rmdir(dir);
    CHECK_INT(ERR_IO, store_open(&s, &(struct store_opts){.path = path}, &detail));
}
