/* WAVE files as programs really write them, and what must be refused. */
#include "harness/test.h"

#include "audio/wav.h"

static struct buf file; /* one at a time; each test starts it anew */

static void le(uint32_t x, int bytes)
{
    for (int i = 0; i < bytes; i++)
        buf_put_byte(&file, (unsigned char)(x >> 8 * i));
}

static void begin(unsigned tag, unsigned channels, uint32_t rate, unsigned bits)
{
    buf_fini(&file);
    buf_init(&file, 4096);
    buf_put(&file, "RIFF\0\0\0\0WAVEfmt ", 16);
    le(16, 4);
    le(tag, 2);
    le(channels, 2);
    le(rate, 4);
    le(rate * channels * bits / 8, 4);
    le(channels * bits / 8, 2);
    le(bits, 2);
}

static void chunk(const char *id, uint32_t says, const char *p, size_t len)
{
    buf_put(&file, id, 4);
    le(says, 4);
    buf_put(&file, p, len);
}

TEST(what_is_written_reads_back)
{
    const int16_t in[6] = {0, -1, 32767, -32768, 258, -258};
    int16_t out[3];
    struct wav w;
    buf_fini(&file);
    buf_init(&file, 4096);
    wav_write_header(&file, 8000, 2, 3);
    CHECK_INT(WAV_HEADER_BYTES, file.len);
    wav_write_samples(&file, in, 6);
    CHECK_INT(file.len - 8, (uint8_t)file.p[4]);
    CHECK_INT(OK, wav_parse(&w, buf_str(&file), NULL));
    CHECK_INT(WAV_PCM16, w.format);
    CHECK_INT(2, w.channels);
    CHECK_INT(8000, w.rate_hz);
    CHECK_INT(3, w.frames);
    wav_read_channel(&w, 1, 0, out, 3);
    CHECK(out[0] == -1 && out[1] == -32768 && out[2] == -258);
    wav_read_mono(&w, 1, out, 2);
    CHECK(out[0] == 0 && out[1] == 0);
    buf_fini(&file);
}

TEST(every_coding_decodes)
{
    struct wav w;
    int16_t s[2];
    begin(1, 1, 16000, 8);
    chunk("data", 2, "\x80\xff", 2);
    CHECK_INT(OK, wav_parse(&w, buf_str(&file), NULL));
    wav_read_mono(&w, 0, s, 2);
    CHECK(s[0] == 0 && s[1] == 127 * 256);
    begin(7, 1, 8000, 8);
    chunk("data", 2, "\xff\x80", 2);
    CHECK_INT(OK, wav_parse(&w, buf_str(&file), NULL));
    wav_read_mono(&w, 0, s, 2);
    CHECK(s[0] == 0 && s[1] == 32124);
    begin(6, 1, 8000, 8);
    chunk("data", 2, "\xd5\xaa", 2);
    CHECK_INT(OK, wav_parse(&w, buf_str(&file), NULL));
    wav_read_mono(&w, 0, s, 2);
    CHECK(s[0] == 8 && s[1] == 32256);
    buf_fini(&file);
}

TEST(extra_chunks_and_streamed_sizes_are_tolerated)
{
    struct wav w;
    const uint32_t sizes[] = {0, 0xffffffff, 4, 400};
    for (size_t i = 0; i < 4; i++) {
        begin(1, 1, 8000, 16);
        chunk("LIST", 3, "abc\0", 4); /* odd: padded */
        chunk("data", sizes[i], "\1\0\2\0", 4);
        CHECK_INT(OK, wav_parse(&w, buf_str(&file), NULL));
        CHECK_INT(2, w.frames);
        int16_t s;
        wav_read_mono(&w, 1, &s, 1);
        CHECK_INT(2, s);
    }
    buf_fini(&file);
}

TEST(extensible_headers_say_their_coding_further_on)
{
    struct wav w;
    begin(0xfffe, 1, 8000, 16);
    file.p[16] = 40; /* the fmt chunk's size */
    le(22, 2);
    le(16, 2);
    le(0, 4);
    le(1, 2);
    buf_put(&file, "\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71", 14);
    chunk("data", 2, "\1\0", 2);
    CHECK_INT(OK, wav_parse(&w, buf_str(&file), NULL));
    CHECK_INT(1, w.frames);
    buf_fini(&file);
}

TEST(what_cannot_be_played_is_refused)
{
    struct wav w;
    struct err_detail why;
    begin(3, 1, 8000, 32); /* float */
    chunk("data", 4, "\0\0\0\0", 4);
    CHECK_INT(ERR_INVALID, wav_parse(&w, buf_str(&file), &why));
    CHECK(strstr(why.text, "coding 3"));
    begin(1, 0, 8000, 16);
    chunk("data", 2, "\0\0", 2);
    CHECK_INT(ERR_INVALID, wav_parse(&w, buf_str(&file), &why));
    begin(1, 1, 8000, 16);
    CHECK_INT(ERR_INVALID, wav_parse(&w, buf_str(&file), &why));
    for (size_t n = 0; n < 36; n++)
        CHECK_INT(ERR_INVALID, wav_parse(&w, str_n(file.p, n), &why));
    CHECK_INT(ERR_INVALID, wav_parse(&w, STR("RIFF\0\0\0\0WAVEdata\0\0\0\0"), &why));
    CHECK_INT(ERR_INVALID, wav_parse(&w, STR_NONE, &why));
    buf_fini(&file);
}

TEST(a_length_past_riff_is_written_as_to_the_end)
{
    buf_fini(&file);
    buf_init(&file, 64);
    wav_write_header(&file, 8000, 2, UINT64_C(1) << 40);
    CHECK_INT(0, memcmp(file.p + 40, "\xff\xff\xff\xff", 4));
    buf_fini(&file);
}
