/* Who may still call, and what a day may cost. */
#include "harness/test.h"

#include "session/admission.h"

static const int64_t DAY = 86400000;
static const int64_t USD = 1000000000;

TEST(admission_counts_the_calls_of_each_business)
{
    struct admission *a = admission_new(0);
    struct admission_caps caps = {.business_calls = 2};
    CHECK_INT(ADMISSION_OK, admission_begin(a, STR("b1"), STR(""), &caps, DAY));
    CHECK_INT(ADMISSION_OK, admission_begin(a, STR("b1"), STR(""), &caps, DAY));
    CHECK_INT(ADMISSION_BUSY, admission_begin(a, STR("b1"), STR(""), &caps, DAY));
    CHECK_INT(ADMISSION_OK, admission_begin(a, STR("b2"), STR(""), &caps, DAY));
    admission_end(a, STR("b1"), STR(""));
    CHECK_INT(ADMISSION_OK, admission_begin(a, STR("b1"), STR(""), &caps, DAY));
    CHECK_INT(ADMISSION_BUSY, admission_begin(a, STR("b1"), STR(""), &caps, DAY));
    admission_free(a);
}

TEST(admission_counts_the_calls_of_each_caller_and_only_those_taken)
{
    struct admission *a = admission_new(0);
    struct admission_caps caps = {.business_calls = 3, .caller_calls = 1};
    CHECK_INT(ADMISSION_OK, admission_begin(a, STR("b1"), STR("+1"), &caps, DAY));
    for (int i = 0; i < 10; i++) /* refused ones hold no place of the business */
        CHECK_INT(ADMISSION_TWICE, admission_begin(a, STR("b1"), STR("+1"), &caps, DAY));
    CHECK_INT(ADMISSION_OK, admission_begin(a, STR("b1"), STR("+2"), &caps, DAY));
    CHECK_INT(ADMISSION_OK, admission_begin(a, STR("b1"), STR(""), &caps, DAY));
    CHECK_INT(ADMISSION_BUSY, admission_begin(a, STR("b1"), STR("+3"), &caps, DAY));
    admission_end(a, STR("b1"), STR("+1"));
    CHECK_INT(ADMISSION_OK, admission_begin(a, STR("b1"), STR("+1"), &caps, DAY));
    admission_free(a);
}

TEST(admission_ends_a_day_of_a_business_when_its_money_is_spent)
{
    struct admission *a = admission_new(0);
    struct admission_caps caps = {.business_day_nanousd = 2 * USD};
    CHECK(!admission_spend(a, STR("b1"), USD, 2 * USD, DAY));
    CHECK_INT(ADMISSION_OK, admission_begin(a, STR("b1"), STR("+1"), &caps, DAY));
    CHECK(admission_spend(a, STR("b1"), USD, 2 * USD, DAY));
    CHECK_INT(ADMISSION_SPENT, admission_begin(a, STR("b1"), STR("+1"), &caps, DAY));
    CHECK_INT(ADMISSION_OK, admission_begin(a, STR("b2"), STR("+1"), &caps, DAY));
    /* Tomorrow is another day; yesterday, by a clock that was set, is not. */
    CHECK_INT(ADMISSION_SPENT, admission_begin(a, STR("b1"), STR("+1"), &caps, DAY / 2));
    CHECK_INT(ADMISSION_OK, admission_begin(a, STR("b1"), STR("+1"), &caps, 2 * DAY));
    CHECK(!admission_spend(a, STR("b1"), USD, 2 * USD, 2 * DAY));
    admission_free(a);
}

TEST(admission_ends_the_day_of_all_when_the_server_has_spent_its_money)
{
    struct admission *a = admission_new(3 * USD);
    struct admission_caps caps = {0};
    CHECK(!admission_spend(a, STR("b1"), 2 * USD, 0, DAY));
    CHECK(admission_spend(a, STR("b2"), USD, 0, DAY));
    CHECK_INT(ADMISSION_SPENT, admission_begin(a, STR("b3"), STR("+1"), &caps, DAY));
    CHECK_INT(ADMISSION_OK, admission_begin(a, STR("b3"), STR("+1"), &caps, 2 * DAY));
    admission_free(a);
}

TEST(admission_of_a_call_that_goes_on_counts_what_it_cost_and_refuses_others)
{
    struct admission *a = admission_new(0);
    struct admission_caps caps = {.business_calls = 2, .caller_calls = 1};
    for (int i = 0; i < 3; i++) /* more than there may be: none of them is new */
        admission_resume(a, STR("b1"), STR("+1"), USD, DAY);
    CHECK_INT(ADMISSION_BUSY, admission_begin(a, STR("b1"), STR("+2"), &caps, DAY));
    CHECK_INT(ADMISSION_TWICE, admission_begin(a, STR("b2"), STR("+1"), &caps, DAY));
    CHECK(admission_spend(a, STR("b1"), USD, 4 * USD, DAY));
    for (int i = 0; i < 3; i++)
        admission_end(a, STR("b1"), STR("+1"));
    CHECK_INT(ADMISSION_OK, admission_begin(a, STR("b1"), STR("+1"), &caps, DAY));
    admission_resume(a, STR("b3"), STR(""), 0, DAY); /* withheld: counted for the business alone */
    admission_end(a, STR("b3"), STR(""));
    admission_free(a);
}

TEST(admission_keeps_no_entry_of_callers_who_hung_up)
{
    struct admission *a = admission_new(0);
    struct admission_caps caps = {.caller_calls = 1};
    for (int i = 0; i < 20000; i++) { /* a table that keeps them all takes seconds here */
        char caller[16];
        snprintf(caller, sizeof(caller), "+%d", i);
        CHECK_INT(ADMISSION_OK, admission_begin(a, STR("b1"), str_of(caller), &caps, DAY));
        admission_end(a, STR("b1"), str_of(caller));
    }
    admission_free(a);
}
