/* Tools that an engine will probably ask for, run beforehand so that their answers are known when
 * it does. */
#include "session/session_private.h"

static void on_output(void *ctx, bool ok, struct str output)
{
    struct engine_link *link = ctx;
    link->guess = NULL;
    if (ok && link->session && link->engine)
        engine_hint(link->engine, output);
}

void session_guess_drop(struct engine_link *link)
{
    if (link->guess)
        tool_cancel(link->guess);
    link->guess = NULL;
}

void session_guess(void *ctx, struct str tool, struct str arguments)
{
    struct engine_link *link = ctx;
    struct session *s = link->session;
    session_guess_drop(link);
    if (!s || s->ended)
        return;
    struct tool_opts opts = {.loop = s->part->loop,
                             .store = s->part->host->env.store,
                             .knowledge = s->part->knowledge,
                             .business_id = s->config.business_id,
                             .call_id = s->id};
    struct err_detail why;
    if (tool_start(&opts, tool, arguments, on_output, link, &link->guess, &why) != OK)
        link->guess = NULL; /* it will be asked for, and then it is said */
}
