/*
 * dial_ask.h - the carrier's questions: signed webhooks, asked again as Twilio asks again.
 *
 * A webhook's URL may carry Twilio's connection overrides in its fragment, "#rc=5&rp=all": rc
 * retries (0-5) for the troubles named by rp (ct connecting, rt no answer in time, 4xx, 5xx, all),
 * ct and rt milliseconds to connect and to answer, tt for all of it (Twilio documentation,
 * "Webhooks: Connection Overrides"). The fragment is not sent and not signed.
 *
 *   Units    milliseconds.
 *   Thread   the loop's; dial_overrides_parse any, pure.
 */
#ifndef APP_DIAL_ASK_H
#define APP_DIAL_ASK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct dial_overrides {
    int64_t connect_ms, read_ms, total_ms;
    unsigned retries;
    bool on_connect, on_read, on_4xx, on_5xx;
};

/* What a webhook URL says; what is missing or out of range has Twilio's default. `*url` loses its
 * fragment. */
struct dial_overrides dial_overrides_parse(struct str *url);

#endif
