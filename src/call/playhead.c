#include "call/playhead.h"

#include "base/assert.h"

enum {
    US_PER_BYTE = 125,
    RTT_MAX_US = 2000000,
    RTT_NEAR_US = 80000, /* samples this close to the estimate are jitter; others are stalls */
    RTT_RISE_US = 5000,  /* a stall must not look like distance: rise slowly */
};

static void playhead_check(const struct playhead *p)
{
    ASSERT(p->anchor <= p->sent);
    ASSERT(p->count <= PLAYHEAD_MARKS_MAX);
    ASSERT(p->rtt_us >= 0 && p->rtt_us <= RTT_MAX_US);
}

uint64_t playhead_heard(const struct playhead *p, int64_t now_us)
{
    uint64_t since = now_us > p->anchor_us ? (uint64_t)(now_us - p->anchor_us) / US_PER_BYTE : 0;
    uint64_t heard = p->anchor + since;
    return heard < p->sent ? heard : p->sent;
}

void playhead_sent(struct playhead *p, uint32_t bytes, int64_t now_us)
{
    playhead_check(p);
    if (playhead_heard(p, now_us) == p->sent) { /* the carrier has nothing to play: a new spurt */
        p->anchor = p->spurt = p->sent;
        p->anchor_us = p->spurt_us = now_us;
    }
    p->sent += bytes;
}

void playhead_mark(struct playhead *p, uint32_t number)
{
    if (p->count == PLAYHEAD_MARKS_MAX) {
        p->first = (p->first + 1) % PLAYHEAD_MARKS_MAX;
        p->count--;
    }
    uint32_t slot = (p->first + p->count) % PLAYHEAD_MARKS_MAX;
    p->marks[slot] = (struct playhead_mark){.number = number, .position = (uint32_t)p->sent};
    p->count++;
}

static void learn_rtt(struct playhead *p, int64_t sample_us)
{
    if (sample_us < 0)
        sample_us = 0;
    if (sample_us > RTT_MAX_US)
        sample_us = RTT_MAX_US;
    int64_t diff = sample_us - p->rtt_us;
    if (!p->rtt_known)
        p->rtt_us = sample_us;
    else if (diff < -RTT_NEAR_US)
        p->rtt_us = sample_us;
    else if (diff <= RTT_NEAR_US)
        p->rtt_us += diff / 4;
    else if (p->rtt_us + RTT_RISE_US <= RTT_MAX_US)
        p->rtt_us += RTT_RISE_US;
    p->rtt_known = true;
}

bool playhead_echo(struct playhead *p, uint32_t number, int64_t now_us)
{
    playhead_check(p);
    uint32_t i = 0;
    while (i < p->count && p->marks[(p->first + i) % PLAYHEAD_MARKS_MAX].number != number)
        i++;
    if (i == p->count)
        return false;
    uint32_t low = p->marks[(p->first + i) % PLAYHEAD_MARKS_MAX].position;
    uint64_t position = p->sent - ((uint32_t)p->sent - low);
    p->first = (p->first + i + 1) % PLAYHEAD_MARKS_MAX;
    p->count -= i + 1;

    if (position > p->spurt)
        learn_rtt(p, now_us - p->spurt_us - (int64_t)(position - p->spurt) * US_PER_BYTE);
    uint64_t heard = position + (uint64_t)p->rtt_us / US_PER_BYTE;
    uint64_t by_clock = playhead_heard(p, now_us);
    /* An echo from before this spurt cannot know of the gap between; it only tells of a stall. */
    if (position <= p->spurt && heard > by_clock)
        heard = by_clock;
    p->anchor = heard < p->sent ? heard : p->sent;
    p->anchor_us = now_us;
    p->echoed = position;
    p->echoed_us = now_us;
    playhead_check(p);
    return true;
}

uint64_t playhead_clear(struct playhead *p, int64_t now_us)
{
    p->sent = playhead_heard(p, now_us);
    p->anchor = p->spurt = p->sent;
    p->anchor_us = p->spurt_us = now_us;
    p->count = 0;
    playhead_check(p);
    return p->sent;
}

static uint64_t stop(struct playhead *p, int64_t heard, int64_t now_us)
{
    if (heard > (int64_t)p->sent)
        heard = (int64_t)p->sent;
    p->sent = p->anchor = p->spurt = (uint64_t)heard;
    p->anchor_us = p->spurt_us = now_us;
    p->count = 0;
    playhead_check(p);
    return p->sent;
}

uint64_t playhead_stop(struct playhead *p, int64_t now_us)
{
    int64_t heard = (int64_t)p->anchor + (now_us - p->anchor_us) / US_PER_BYTE;
    return stop(p, heard > (int64_t)p->spurt ? heard : (int64_t)p->spurt, now_us);
}

uint64_t playhead_broke(struct playhead *p, int64_t now_us)
{
    /* Half a round trip passed since the carrier played its last, as since it echoed a mark. */
    int64_t heard = (int64_t)p->echoed + (now_us - p->echoed_us) / US_PER_BYTE;
    int64_t spurt = (int64_t)p->spurt;
    if ((int64_t)p->echoed <= spurt && heard >= spurt) {
        /* It came to what was sent last, of which our own time is a whole round trip ahead. */
        heard = spurt + (now_us - p->rtt_us - p->spurt_us) / US_PER_BYTE;
        heard = heard > spurt ? heard : spurt;
    }
    if (p->count) { /* the news came behind every echo: that mark was not reached */
        uint32_t low = p->marks[p->first].position;
        int64_t mark = (int64_t)(p->sent - ((uint32_t)p->sent - low));
        heard = heard < mark ? heard : mark;
    }
    return stop(p, heard, now_us);
}

int64_t playhead_time_of(const struct playhead *p, uint64_t position, int64_t now_us)
{
    if (position > p->sent)
        position = p->sent;
    if (position <= p->anchor)
        return now_us;
    int64_t at = p->anchor_us + (int64_t)(position - p->anchor) * US_PER_BYTE;
    return at > now_us ? at : now_us;
}

int64_t playhead_end_time(const struct playhead *p)
{
    return p->anchor_us + (int64_t)(p->sent - p->anchor) * US_PER_BYTE;
}
