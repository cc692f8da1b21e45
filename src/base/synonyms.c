#include "base/synonyms.h"

#include <stdbool.h>

/* "said=written": every word before the sign may stand for every other word of its row; a word
 * behind the sign is only looked for, and brings nothing itself. Plain forms: synonyms_of() takes
 * endings off. */
static const char *const rows[] = {
    "shut/close=hours/open",
    "around/opening=open",
    "hours/schedule=open/closed",
    "price/cost/charge/fee/rate/pricing=",
    "afford/pricey/expensive=cost",
    "shop/store/location/branch/premises=",
    "whereabouts/address/located/directions=street/store",
    "ship/deliver/delivery/post/postage/mail=shipping",
    "parcel/package/box/shipment=",
    "parcel/package/shipment=order",
    "purchase/ordered=order",
    "arrive/arrival=delivery",
    "refund/reimburse=return",
    "swap/switch/trade/exchange=",
    "undo/stop/cancel=",
    "change/alter/modify=",
    "fix/repair/mend/restore=",
    "broken/broke/rip/torn/tear/crack/smash=damaged/repair",
    "stitching/seam/zipper/heel/zip=repair",
    "dust/dirt/dirty/filthy/stain/spot/mark=clean",
    "clean/cleaning/wash/launder=",
    "maintain/condition/conditioner/polish/protect=care",
    "tarnish/black/dull=dark/clean",
    "kid/child/children/toddler/boy/girl/youth/grandkids=children",
    "son/daughter/grandson/granddaughter/baby/little=children",
    "fast/quick/rush/hurry/urgent/overnight/express/asap=express",
    "tomorrow=express/next",
    "pay/payment/paying=payment",
    "visa/mastercard/amex/american/debit=credit/card",
    "paypal/check/cheque/cash=payment",
    "installment/instalment/monthly=layaway/payments",
    "discount/deal/coupon/promotion/promo/clearance=discount/sale",
    "point/reward/loyalty/membership/member=program/loyalty",
    "veteran/military/army/navy/soldier/marine=military",
    "senior/elderly/older/retired/pensioner/seventy/eighty=senior/sixty",
    "job/hire/hiring/career/employment/vacancy/apply/position/work=jobs",
    "complain/complaint/unhappy/rude/disappointed/terrible=complaint",
    "email/write/contact=email",
    "online/internet/web/website/site=website",
    "personal/private/privacy/data/information=privacy/address",
    "founded/started/began/established/founder/history=history",
    "business/company/firm=company",
    "owner/own/owns=",
    "initials/monogram/letters/inscription/engrave/engraving=engraving",
    "warranty/guarantee/guaranteed=",
    "necklace/bracelet/earring/ring/pendant/jewellery/jewelry=jewelry",
    "stetson/fedora/headwear=hat",
    "husband/wife/friend/brother/sister=somebody",
    "loose/undone/fallen=repair",
    "wide/width/broad=",
    "narrow/slim/skinny=",
    "reshape/shape/crease/steam=shaping",
    "resole/sole/soles=resoling",
    "pinch/tight/snug/stretch/loosen/hurt=stretching/tight",
    "soaked/soaking/drenched/rain/damp/wet=wet",
    "wedding/fancy/formal/dressy/prom/party=dress",
    "wheelchair/disabled/handicapped/accessible/accessibility/ramp=wheelchair",
    "park/parking/car/lot=parking",
    "vegan/synthetic/leatherfree=vegan",
    "custom/bespoke/handmade/measured=custom",
    "lost/missing/never/stolen/vanished=lost",
    "collect/pickup/pick=pick",
    "track/tracking/trace/status=tracking",
    "abroad/overseas/international/foreign/country=international",
    "england/britain/uk/ireland/germany/france/spain/italy/scotland=europe/international",
    "canada/mexico/japan/australia/china/india/brazil=international",
    "holiday/thanksgiving/christmas/easter/xmas=holiday",
    "head/hat=",
    "dog/pet/puppy=dog",
    "bathroom/restroom/toilet/washroom=bathroom",
    "team/group/band/uniform=groups",
    "reseller/resell/wholesale/bulk=wholesale",
    "pants/trousers/jeans=jeans",
    "scarf/scarves/bandana/handkerchief/neckerchief=bandana",
    "blanket/throw/serape/rug=",
    "coat/jacket=",
    "boot/shoe/footwear=boots",
    "tax/vat/taxes=tax",
    "stock/available/inventory=stock",
    "person/human/agent/representative/somebody=person",
    "record/recorded/recording=recorded",
    "balance/left/remaining=balance",
    "large/big/bigger/larger/small/smaller/fit=size",
    "size/sizing=",
    "make/made/manufactured=made",
    "cheaper/lower/match/beat=price",
    "hem/shorten/tailor=hem",
};

/* Bytes of the word without an ending. */
static size_t plain_len(struct str word)
{
    static const char *const endings[] = {"'s", "ing", "ed", "es", "s", "e", "y"};
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        struct str ending = str_of(endings[i]);
        if (word.len >= ending.len + 3 && str_ends(word, ending))
            return word.len - ending.len;
    }
    return word.len;
}

static bool same_form(struct str a, struct str b)
{
    if (a.len && b.len && a.p[0] != b.p[0]) /* most pairs end here */
        return false;
    return str_eq(str_slice(a, 0, plain_len(a)), str_slice(b, 0, plain_len(b)));
}

static bool is_in(struct str list, struct str word)
{
    while (list.p) {
        if (same_form(str_take_until(&list, '/'), word))
            return true;
    }
    return false;
}

static size_t add(struct str list, struct str word, struct str *out, size_t count, size_t room)
{
    while (list.p && count < room) {
        struct str other = str_take_until(&list, '/');
        bool seen = other.len == 0 || same_form(other, word);
        for (size_t i = 0; i < count && !seen; i++)
            seen = str_eq(out[i], other);
        if (!seen)
            out[count++] = other;
    }
    return count;
}

size_t synonyms_of(struct str word, struct str *out, size_t room)
{
    size_t count = 0;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct str written = str_of(rows[i]);
        struct str said = str_take_until(&written, '=');
        if (!is_in(said, word))
            continue;
        count = add(said, word, out, count, room);
        count = add(written, word, out, count, room);
    }
    return count;
}
