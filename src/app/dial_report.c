/* What a caller can tell about a call: lines while it runs, a summary, JSON, a sound file. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "app/dial_private.h"
#include "app/voice.h"
#include "audio/g711.h"
#include "audio/wav.h"

enum { WAV_BLOCK = 4096 };

static const char *const end_names[] = {"none", "caller", "agent", "transfer", "reject", "failed"};

void dial_say(const struct dial_call *c, const char *fmt, ...)
{
    if (!c->opts->print)
        return;
    char line[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    if (c->opts->many)
        printf("[%u] ", c->number);
    printf("%7.2f  %s\n", (double)dial_call_now_ms(c) / 1000.0, line);
    fflush(stdout);
}

static int64_t latency_ms(const struct dial_turn *t)
{
    return t->step && t->answered_ms >= 0 ? t->answered_ms - t->ended_ms : -1;
}

static int64_t silence_ms(const struct dial_turn *t)
{
    return t->silent_ms >= 0 ? t->silent_ms - t->began_ms : -1;
}

void dial_on_talk(void *ctx, enum dial_talk_event event, const struct dial_turn *turn, char digit)
{
    struct dial_call *c = ctx;
    int64_t late = latency_ms(turn);
    switch (event) {
    case DIAL_AGENT_BEGINS:
        if (turn->answered_ms == c->talk.agent_began_ms && late >= 0)
            dial_say(c, "agent speaks (after %" PRId64 " ms)", late);
        else
            dial_say(c, "agent speaks");
        break;
    case DIAL_AGENT_ENDS:
        dial_say(c, "agent has spoken (%.1f s)",
                 (double)(c->talk.agent_last_ms - c->talk.agent_began_ms) / 1000.0);
        break;
    case DIAL_CALLER_BEGINS:
        dial_say(c, "caller%s: %s", turn->interrupts ? " interrupts" : "", turn->step->text);
        break;
    case DIAL_SILENCED:
        dial_say(c,
                 "agent is silent (%" PRId64 " ms after the interruption; %" PRId64
                 " ms of the answer were heard)",
                 silence_ms(turn), turn->heard_ms);
        break;
    case DIAL_DIGIT:
        dial_say(c, "caller presses %c", digit);
        break;
    case DIAL_NO_ANSWER:
        dial_say(c, "no answer");
        break;
    case DIAL_CALLER_ENDS:
    case DIAL_DONE:
        break;
    }
}

/* Why the call did not go as scripted; NULL if it did. */
static const char *trouble(const struct dial_call *c)
{
    if (c->error[0])
        return c->error;
    if (c->ended_by == DIAL_END_REJECT)
        return "the call was rejected";
    if (c->ticks == 0)
        return "there was no stream";
    if (c->playout.heard == 0)
        return "nothing was heard";
    if (c->opts->hangup_ms >= 0 || c->ended_by == DIAL_END_TRANSFER)
        return NULL;
    for (size_t i = 0; i < c->break_count; i++) {
        if (c->breaks[i].heard_ms < 0)
            return "the stream broke and the agent was not heard again";
    }
    for (size_t i = 0; i < c->talk.turn_count; i++) {
        if (c->talk.turns[i].unanswered)
            return "a turn was not answered";
    }
    if (c->talk.step < c->opts->talk.step_count)
        return "the call ended before everything was said";
    return NULL;
}

bool dial_call_ok(const struct dial_call *c)
{
    return c->finished && trouble(c) == NULL;
}

static void put_int(struct buf *b, const char *key, int64_t n)
{
    buf_printf(b, ",\"%s\":%" PRId64, key, n);
}

static void put_text(struct buf *b, const char *key, const char *text)
{
    buf_printf(b, ",\"%s\":", key);
    if (text)
        buf_put_json(b, str_of(text));
    else
        buf_put_str(b, STR("null"));
}

static void put_turn(struct buf *b, const struct dial_turn *t)
{
    static const char *const kinds[] = {"say", "dtmf", "pause"};
    buf_printf(b, "{\"kind\":\"%s\"", t->step ? kinds[t->step->kind] : "opening");
    put_text(b, "text", t->step ? t->step->text : "");
    put_int(b, "began_ms", t->began_ms);
    put_int(b, "ended_ms", t->ended_ms);
    put_int(b, "answered_ms", t->answered_ms);
    put_int(b, "answer_end_ms", t->answer_end_ms);
    put_int(b, "latency_ms", latency_ms(t));
    buf_printf(b, ",\"unanswered\":%s,\"talked_over\":%s}", t->unanswered ? "true" : "false",
               t->talked_over ? "true" : "false");
}

static void put_interruption(struct buf *b, const struct dial_turn *t)
{
    buf_printf(b, "{\"honoured\":%s", t->cleared ? "true" : "false");
    put_text(b, "text", t->step->text);
    put_int(b, "began_ms", t->began_ms);
    put_int(b, "silence_after_ms", silence_ms(t));
    put_int(b, "heard_ms_truth", t->heard_ms);
    put_int(b, "voice_heard_ms_truth", t->voice_heard_ms);
    put_int(b, "played_ms_total", t->played_ms);
    buf_put_byte(b, '}');
}

static int64_t since_break(const struct dial_break *k, int64_t at_ms)
{
    return at_ms < 0 ? -1 : at_ms - k->at_ms;
}

static void put_break(struct buf *b, const struct dial_break *k)
{
    buf_printf(b, "{\"at_ms\":%" PRId64, k->at_ms);
    put_int(b, "quiet_before_ms", k->quiet_ms);
    put_int(b, "asked", k->asked);
    put_int(b, "stream_after_ms", since_break(k, k->stream_ms));
    put_int(b, "silence_ms", since_break(k, k->heard_ms));
    buf_printf(b, ",\"words_came_back\":%s}", k->heard_ms >= 0 ? "true" : "false");
}

static int64_t resumed(const struct dial_call *c)
{
    int64_t n = 0;
    for (size_t i = 0; i < c->break_count; i++)
        n += c->breaks[i].stream_ms >= 0;
    return n;
}

static void put_lists(const struct dial_call *c, struct buf *b)
{
    const char *comma = "";
    buf_put_str(b, STR(",\"turns\":["));
    for (size_t i = 0; i < c->talk.turn_count; i++) {
        buf_put_str(b, str_of(i ? "," : ""));
        put_turn(b, &c->talk.turns[i]);
    }
    buf_put_str(b, STR("],\"interruptions\":["));
    for (size_t i = 0; i < c->talk.turn_count; i++) {
        if (!c->talk.turns[i].interrupts || c->talk.turns[i].began_ms < 0)
            continue;
        buf_put_str(b, str_of(comma));
        put_interruption(b, &c->talk.turns[i]);
        comma = ",";
    }
    buf_put_str(b, STR("],\"clears\":["));
    for (size_t i = 0; i < c->clear_count; i++) {
        const struct dial_clear *k = &c->cleared[i];
        buf_printf(b, "%s{\"at_ms\":%" PRId64, i ? "," : "", k->at_ms);
        put_int(b, "heard_ms_truth", k->heard_ms);
        put_int(b, "played_ms_total", k->played_ms);
        put_int(b, "dropped_ms", k->dropped_ms);
        buf_put_byte(b, '}');
    }
    buf_put_str(b, STR("],\"breaks\":["));
    for (size_t i = 0; i < c->break_count; i++) {
        buf_put_str(b, str_of(i ? "," : ""));
        put_break(b, &c->breaks[i]);
    }
    buf_put_str(b, STR("],\"carrier_says\":["));
    for (size_t i = 0; i < c->say_count; i++) {
        buf_put_str(b, str_of(i ? "," : ""));
        buf_put_json(b, str_of(c->says[i]));
    }
    buf_put_byte(b, ']');
}

void dial_call_json(const struct dial_call *c, struct buf *b)
{
    const struct dial_playout *p = &c->playout;
    buf_printf(b, "{\"call\":%u,\"ok\":%s", c->number, dial_call_ok(c) ? "true" : "false");
    put_text(b, "trouble", trouble(c));
    put_text(b, "call_sid", c->call_sid);
    put_text(b, "stream_sid", c->stream_sid[0] ? c->stream_sid : NULL);
    put_text(b, "from", c->opts->from);
    put_text(b, "to", c->opts->to);
    put_text(b, "ended_by", end_names[c->ended_by]);
    put_text(b, "ended_detail", c->ended_detail);
    put_text(b, "call_status", c->call_status);
    put_text(b, "transferred_to", c->transferred_to[0] ? c->transferred_to : NULL);
    put_int(b, "duration_ms", c->duration_ms);
    put_int(b, "webhook_ms", c->webhook_ms);
    put_int(b, "stream_open_ms", c->stream_open_ms);
    put_int(b, "status_callback", c->status_code);
    put_int(b, "close_code", c->close_code);
    put_int(b, "frames_sent", c->chunk);
    put_int(b, "media_received", (int64_t)p->messages);
    put_int(b, "received_ms", p->appended / 8);
    put_int(b, "heard_ms", p->heard / 8);
    put_int(b, "dropped_by_clear_ms", p->dropped / 8);
    put_int(b, "unheard_at_close_ms", c->unheard_ms);
    put_int(b, "marks_received", (int64_t)p->marks_seen);
    put_int(b, "marks_echoed", (int64_t)p->marks_echoed);
    put_int(b, "clears_received", (int64_t)p->clears);
    put_int(b, "resumed", resumed(c));
    put_int(b, "bad_messages", (int64_t)c->bad_messages);
    put_int(b, "late_ticks", (int64_t)c->late_ticks);
    put_int(b, "max_late_ms", c->max_late_ms);
    put_lists(c, b);
    buf_put_byte(b, '}');
}

void dial_call_print(const struct dial_call *c)
{
    const struct dial_playout *p = &c->playout;
    int64_t sum = 0, worst = 0, count = 0;
    unsigned interruptions = 0, honoured = 0;
    for (size_t i = 0; i < c->talk.turn_count; i++) {
        const struct dial_turn *t = &c->talk.turns[i];
        int64_t ms = latency_ms(t);
        if (t->step && t->step->kind == DIAL_SAY && ms >= 0) {
            sum += ms;
            worst = ms > worst ? ms : worst;
            count++;
        }
        interruptions += t->interrupts;
        honoured += t->interrupts && t->cleared;
    }
    if (c->opts->many)
        printf("[%u] ", c->number);
    printf("%s: %.1f s, ended by %s", trouble(c) ? "failed" : "completed",
           (double)c->duration_ms / 1000.0, end_names[c->ended_by]);
    if (c->transferred_to[0])
        printf(" to %s", c->transferred_to);
    printf("; %.1f s heard, %" PRIu64 " of %" PRIu64 " marks echoed", (double)p->heard / 8000.0,
           p->marks_echoed, p->marks_seen);
    if (count > 0)
        printf("; answers after %" PRId64 " ms on average, %" PRId64 " ms at worst", sum / count,
               worst);
    if (interruptions > 0)
        printf("; %u of %u interruptions honoured", honoured, interruptions);
    int64_t worst_break = 0;
    for (size_t i = 0; i < c->break_count; i++) {
        int64_t ms = since_break(&c->breaks[i], c->breaks[i].heard_ms);
        worst_break = ms > worst_break ? ms : worst_break;
    }
    if (c->break_count > 0)
        printf("; broke %zu times, resumed %" PRId64 " times, %.1f s of silence at worst",
               c->break_count, resumed(c), (double)worst_break / 1000.0);
    if (c->bad_messages > 0)
        printf("; %" PRIu64 " messages Twilio would not take", c->bad_messages);
    if (trouble(c))
        printf("\n         %s", trouble(c));
    printf("\n");
}

static bool write_all(int fd, struct str bytes)
{
    while (bytes.len > 0) {
        ssize_t n = write(fd, bytes.p, bytes.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes = str_slice(bytes, (size_t)n, bytes.len);
    }
    return true;
}

enum err dial_call_wav(const struct dial_call *c, const char *path, struct err_detail *why)
{
    size_t left = c->caller_audio.len, right = c->agent_audio.len;
    size_t frames = left < right ? left : right;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_explain(why, ERR_IO, "cannot write %s: %s", path, strerror(errno));
    struct buf b;
    buf_init(&b, WAV_HEADER_BYTES + WAV_BLOCK * 4);
    wav_write_header(&b, 8000, 2, frames);
    bool good = write_all(fd, buf_str(&b));
    for (size_t at = 0; good && at < frames; at += WAV_BLOCK) {
        int16_t samples[WAV_BLOCK * 2];
        size_t n = frames - at < WAV_BLOCK ? frames - at : WAV_BLOCK;
        for (size_t i = 0; i < n; i++) {
            samples[2 * i] = g711_mulaw_decode((uint8_t)c->caller_audio.p[at + i]);
            samples[2 * i + 1] = g711_mulaw_decode((uint8_t)c->agent_audio.p[at + i]);
        }
        buf_reset(&b);
        wav_write_samples(&b, samples, n * 2);
        good = write_all(fd, buf_str(&b));
    }
    int reason = errno;
    good = close(fd) == 0 && good;
    buf_fini(&b);
    return good ? OK : err_explain(why, ERR_IO, "cannot write %s: %s", path, strerror(reason));
}
