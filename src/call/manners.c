/* How one behaves on the telephone: greet, notice silence, mind the time, say goodbye before
 * hanging up, take keys, and put an emergency before everything else. */
#include <stdio.h>
#include <string.h>

#include "call/call_impl.h"

void manners_started(struct call *c)
{
    const struct call_config *k = &c->config;
    timer_set(c, CALL_TIMER_DURATION, c->now + (int64_t)k->max_duration_ms * 1000);
    if (k->announcement[0])
        voice_prompt(c, str_of(k->announcement));
    if (k->greeting[0])
        want_add(c, PURPOSE_GREETING, str_of(k->greeting));
    voice_pump(c);
    if (c->closing != CLOSING_NO) { /* every engine failed while it rang */
        enum closing kind = c->closing;
        c->closing = CLOSING_NO;
        manners_close(c, kind, "no engine",
                      kind == CLOSING_TRANSFER ? k->failure_transfer : k->failure_apology, true);
    }
}

/* -- leaving -- */

void manners_leave(struct call *c)
{
    if (c->phase != PHASE_TALKING)
        return;
    if (c->closing == CLOSING_TRANSFER)
        fx_add(c, (struct call_fx){.type = CALL_FX_TRANSFER,
                                   .text = str_of(c->config.transfer_number)});
    else
        fx_add(c, (struct call_fx){.type = CALL_FX_HANGUP});
    c->phase = PHASE_LEAVING;
    timer_set(c, CALL_TIMER_CLOSE, c->now + (int64_t)CALL_CLOSE_WAIT_MS * 1000);
}

/* The farewell was said and heard. */
static void leave_if_done(struct call *c)
{
    bool owes = c->answer.state != ANSWER_NONE && !c->answer.dead;
    bool quiet = c->heard_all && !owes && c->want_count == 0 && c->prompts_pending == 0;
    if (c->closing != CLOSING_NO && quiet)
        manners_leave(c);
}

void manners_close(struct call *c, enum closing kind, const char *reason, const char *text,
                   bool protected)
{
    /* A farewell that the caller could still stop gives way to one they cannot. */
    bool underway = c->closing == CLOSING_TRANSFER ||
                    (c->closing == CLOSING_HANGUP && (c->closing_protected || !protected));
    if (underway || c->phase == PHASE_LEAVING || c->phase == PHASE_ENDED)
        return;
    bool somebody = c->phase != PHASE_RINGING && c->phase != PHASE_LOST;
    wants_clear(c);
    if (protected && somebody) {
        c->closing = CLOSING_NO; /* all that is cut now counts as heard, and is no farewell */
        answer_cancel(c);
        voice_cut(c);
    }
    c->closing = kind;
    c->closing_protected = protected;
    c->close_reason = keep_str(c, str_of(reason));
    c->farewell = keep_str(c, str_of(text));
    timer_set(c, CALL_TIMER_SILENCE, NO_TIME);
    if (!somebody)
        return; /* said when there is somebody to say it to */
    timer_set(c, CALL_TIMER_CLOSE, c->now + (int64_t)c->config.goodbye_limit_ms * 1000);
    say(c, PURPOSE_FAREWELL, text);
    leave_if_done(c);
}

/* The caller spoke before a farewell was over: they want to go on. */
static void stay(struct call *c)
{
    c->closing = CLOSING_NO;
    wants_clear(c);
    timer_set(c, CALL_TIMER_CLOSE, NO_TIME);
    fx_note(c, "call.stays", "reason=%.*s", STR_FMT(c->close_reason));
    script_check_cost(c); /* the cap was passed on the way out */
}

/* -- an answer that is late -- */

void manners_wait(struct call *c)
{
    bool owed = (c->answer.state != ANSWER_NONE && !c->answer.dead) || c->want_count ||
                c->rehearing ||
                c->link != LINK_READY || /* whatever the caller says now is not heard */
                tools_busy(c);
    bool waits = owed && c->heard_all && c->prompts_pending == 0 &&
                 (!c->speaking || c->closing_protected) && c->config.wait_words_ms &&
                 c->config.please_wait[0];
    if (!owed && !c->speaking && !c->question)
        c->owed_us = NO_TIME;
    else if (c->owed_us == NO_TIME)
        c->owed_us = c->now;
    bool set = c->timer_at[CALL_TIMER_WAIT] != NO_TIME;
    /* From when the caller heard or said the last, not from when the engine, or the one after it,
     * got to know of it. */
    int64_t from = c->silent_us > c->owed_us ? c->silent_us : c->owed_us;
    if (waits && !set)
        timer_set(c, CALL_TIMER_WAIT, from + (int64_t)c->config.wait_words_ms * 1000);
    else if (!waits && set)
        timer_set(c, CALL_TIMER_WAIT, NO_TIME);
}

/* Nobody waits for a goodbye: what the engine does not get out is said with our own voice. */
static bool say_farewell(struct call *c)
{
    struct answer *a = &c->answer;
    if (a->state != ANSWER_NONE && !a->dead && a->want.purpose == PURPOSE_FAREWELL) {
        a->dead = true;
        answer_cancel(c);
        if (!a->has_audio)
            voice_prompt(c, a->want.text);
        leave_if_done(c); /* it stopped in the middle: that must do */
        return true;
    }
    if (c->want_count == 0 || c->wants[0].purpose != PURPOSE_FAREWELL)
        return false;
    struct str text = c->wants[0].text;
    wants_clear(c);
    voice_prompt(c, text);
    return true;
}

static void on_wait(struct call *c)
{
    c->silent_us = c->now; /* whatever comes of it: not again at once */
    if (c->closing != CLOSING_NO && say_farewell(c))
        return;
    fx_note(c, "call.please_wait", "link=%d answer=%d", (int)c->link, (int)c->answer.state);
    voice_prompt(c, str_of(c->config.please_wait));
}

/* -- silence -- */

void manners_idle(struct call *c)
{
    leave_if_done(c);
    bool idle = c->phase == PHASE_TALKING && c->closing == CLOSING_NO && c->heard_all &&
                !c->speaking && c->answer.state == ANSWER_NONE && c->want_count == 0 &&
                c->prompts_pending == 0 && !tools_busy(c) && c->link == LINK_READY;
    if (idle && c->timer_at[CALL_TIMER_SILENCE] == NO_TIME && c->config.silence_ms)
        timer_set(c, CALL_TIMER_SILENCE, c->now + (int64_t)c->config.silence_ms * 1000);
}

void manners_heard(struct call *c)
{
    answer_next(c);
    manners_idle(c);
}

void manners_speech(struct call *c)
{
    c->nudges = 0;
    /* Should the engine forget to say that the speech ended, this timer asks. */
    timer_set(c, CALL_TIMER_SILENCE, c->now + (int64_t)CALL_SPEECH_MAX_MS * 1000);
    if (c->closing == CLOSING_HANGUP && !c->closing_protected && c->phase == PHASE_TALKING)
        stay(c);
}

static void on_silence(struct call *c)
{
    if (c->speaking) {
        c->speaking = false;
        fx_note(c, "call.endless_speech", "committed after %d ms", CALL_SPEECH_MAX_MS);
        struct rt_event ev = {.type = RT_INPUT_AUDIO_COMMIT};
        fx_engine(c, &ev);
        want_add(c, PURPOSE_TURN, STR(""));
        return;
    }
    if (c->closing != CLOSING_NO || !c->heard_all || c->answer.state != ANSWER_NONE)
        return;
    c->nudges++;
    if (c->nudges == 1)
        say(c, PURPOSE_SAY, c->config.still_there);
    else
        manners_close(c, CLOSING_HANGUP, "silence", c->config.silence_goodbye, false);
}

/* -- keys -- */

void manners_transfer(struct call *c, bool already_said)
{
    if (c->config.transfer_number[0] == '\0')
        say(c, PURPOSE_SAY, c->config.no_human);
    else
        manners_close(c, CLOSING_TRANSFER, "transfer", already_said ? "" : c->config.transfer_words,
                      false);
}

void manners_dtmf(struct call *c, char key)
{
    if (c->phase != PHASE_TALKING || strchr("0123456789*#ABCD", key) == NULL || key == '\0')
        return;
    if (c->closing != CLOSING_NO && c->closing_protected)
        return; /* too late */
    c->nudges = 0;
    if (c->key_count == 0) {
        answer_cancel(c);
        voice_barge_in(c);
    }
    if (c->key_count < CALL_DTMF_MAX)
        c->keys[c->key_count++] = key;
    timer_set(c, CALL_TIMER_DTMF, c->now + (int64_t)CALL_DTMF_GAP_MS * 1000);
}

static void on_keys(struct call *c)
{
    char id[32], text[3 * CALL_DTMF_MAX + 64];
    c->keys_number++;
    snprintf(id, sizeof(id), "keys_%u", c->keys_number);
    bool human = c->key_count == 1 && c->keys[0] == '0';
    int n = snprintf(text, sizeof(text), "(The caller pressed ");
    for (uint32_t i = 0; i < c->key_count; i++)
        n += snprintf(text + n, sizeof(text) - (size_t)n, "%s%c", i ? " " : "", c->keys[i]);
    snprintf(text + n, sizeof(text) - (size_t)n, " on the keypad.)");
    c->key_count = 0;
    struct call_item *item = script_add(c, str_of(id), CALL_ROLE_CALLER);
    if (item) {
        script_set_words(c, item, str_of(text));
        item->settled = true;
        voice_settle(c, false);
    }
    if (human) {
        manners_transfer(c, false);
    } else {
        if (c->link == LINK_READY) /* else the next session is told with all the rest */
            script_send_text(c, RT_ROLE_USER, str_of(text));
        if (c->closing == CLOSING_NO)
            want_add(c, PURPOSE_TURN, STR(""));
    }
    leave_if_done(c); /* a farewell may have been cut by the first key */
}

/* -- emergencies -- */

void manners_transcript(struct call *c, const struct call_item *item)
{
    if (c->config.emergency_words[0] == '\0' || c->emergency_said || item->text.len == 0)
        return;
    char *low = arena_strndup(&c->scratch->arena, item->text.p, item->text.len);
    for (char *p = low; *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p - 'A' + 'a');
    struct str words = str_of(c->config.emergency_words);
    while (words.p) {
        struct str phrase = str_take_until(&words, '|');
        if (phrase.len && str_find(str_of(low), phrase, 0) != SIZE_MAX) {
            c->emergency_said = true;
            fx_note(c, "call.emergency", "words=%.*s", STR_FMT(phrase));
            wants_clear(c);
            answer_cancel(c);
            voice_cut(c);
            voice_prompt(c, str_of(c->config.emergency)); /* at once, whatever the engine does */
            return;
        }
    }
}

/* -- timers and the operator -- */

static void on_close_timer(struct call *c)
{
    if (c->phase == PHASE_LEAVING) {
        call_finish(c, c->close_reason); /* the carrier never said that it hung up */
    } else if (c->closing != CLOSING_NO) {
        fx_note(c, "call.farewell_cut", "reason=%.*s", STR_FMT(c->close_reason));
        manners_leave(c);
    }
}

void manners_timer(struct call *c, enum call_timer timer)
{
    if (timer == CALL_TIMER_SILENCE)
        on_silence(c);
    else if (timer == CALL_TIMER_WAIT)
        on_wait(c);
    else if (timer == CALL_TIMER_DURATION)
        manners_close(c, CLOSING_HANGUP, "max duration", c->config.duration_goodbye, true);
    else if (timer == CALL_TIMER_DTMF)
        on_keys(c);
    else
        on_close_timer(c);
}

void manners_operator(struct call *c, struct str command)
{
    if (str_eq(command, STR("hangup"))) {
        if (c->phase == PHASE_RINGING) {
            call_finish(c, STR("no stream"));
            return;
        }
        if (c->phase == PHASE_LOST) {
            call_finish(c, STR("operator"));
            return;
        }
        if (c->closing == CLOSING_NO)
            manners_close(c, CLOSING_HANGUP, "operator", "", true);
        manners_leave(c);
    } else if (str_eq(command, STR("spent"))) {
        manners_close(c, CLOSING_HANGUP, "spend limit", c->config.spent_goodbye, true);
    } else if (str_eq(command, STR("goodbye"))) { /* the server is going and has waited long */
        if (c->phase == PHASE_RINGING || c->phase == PHASE_LOST)
            call_finish(c, STR("shutdown"));
        else if (c->closing == CLOSING_NO)
            manners_close(c, CLOSING_HANGUP, "shutdown", "", true);
    } else if (str_starts(command, STR("say "))) {
        struct str words = str_slice(command, 4, command.len);
        if (c->closing != CLOSING_NO)
            fx_note(c, "call.not_said", "the call takes its leave");
        else if (c->link == LINK_READY)
            want_add(c, PURPOSE_SAY, words);
        else
            voice_prompt(c, words);
    } else {
        fx_note(c, "call.unknown_command", "bytes=%zu", command.len);
    }
}
