/* UTF-8 against Python's decoder: bytes.decode("utf-8", "replace"). */
#include "common/utf8.h"
#include "tap.h"

#include <stdlib.h>

struct sample {
    const char *bytes;
    size_t size;
    const char *repaired;
};

#define SAMPLE(bytes, repaired)                                                          \
    { bytes, sizeof(bytes) - 1, repaired }
#define R "\xEF\xBF\xBD"

static const struct sample samples[] = {
    SAMPLE("plain text longer than a word", "plain text longer than a word"),
    SAMPLE("caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80", "caf\xC3\xA9 \xE2\x82\xAC "
                                                        "\xF0\x9F\x98\x80"),
    SAMPLE("\x80", R),                              /* lone continuation */
    SAMPLE("\xC0\xAF", R R),                        /* overlong */
    SAMPLE("\xC3", R),                              /* cut at the end */
    SAMPLE("\xC3(", R "("),                         /* cut inside */
    SAMPLE("\xE0\x80\xAF", R R R),                  /* overlong, three bytes */
    SAMPLE("\xE2\x82", R),                          /* one maximal subpart */
    SAMPLE("\xE2\x82x", R "x"),                     /* likewise */
    SAMPLE("\xED\xA0\x80", R R R),                  /* a surrogate */
    SAMPLE("\xF0\x9F\x98", R),                      /* three of four bytes */
    SAMPLE("\xF0\x80\x80\x80", R R R R),            /* overlong, four bytes */
    SAMPLE("\xF4\x90\x80\x80", R R R R),            /* beyond U+10FFFF */
    SAMPLE("\xF4\x8F\xBF\xBF", "\xF4\x8F\xBF\xBF"), /* U+10FFFF itself */
    SAMPLE("\xF8\x88\x80\x80\x80", R R R R R),      /* five bytes never were */
    SAMPLE("\xFF\xFE", R R),                        /* nor these */
    SAMPLE("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF"
           "A",
           R R R R "A"), /* Unicode, table 3-8 */
    SAMPLE("aaaaaaaaaaaaaaa\xC3", "aaaaaaaaaaaaaaa" R),
};

static void test_every_code_point(void) {
    int wrong = 0;
    for (int32_t code = 0x80; code <= 0x10FFFF; code++) {
        char bytes[4];
        size_t size = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4, used;
        for (size_t i = size; i-- > 1;)
            bytes[i] = (char)(0x80 | (code >> 6 * (size - 1 - i) & 0x3F));
        bytes[0] = (char)((0xF00 >> size & 0xF0) | code >> 6 * (size - 1));
        bool surrogate = code >= 0xD800 && code <= 0xDFFF;
        int32_t got = bs_utf8_next(bytes, size, &used);
        wrong += surrogate ? got != -1 || used != 1 : got != code || used != size;
        wrong += bs_utf8_valid(bs_span(bytes, size)) == surrogate;
    }
    check(wrong == 0, "every code point decodes (%d do not)", wrong);
}

int main(void) {
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        struct bs_span text = bs_span(samples[i].bytes, samples[i].size);
        struct bs_buffer buffer = {0};
        bool done = bs_utf8_repair(&buffer, text);
        check(done && bs_span_is(bs_buffer_span(&buffer), samples[i].repaired),
              "sample %zu is repaired as Python does", i);
        check(bs_utf8_valid(text) == bs_span_equal(text, bs_buffer_span(&buffer)),
              "sample %zu is valid if nothing was repaired", i);
        bs_buffer_free(&buffer);
    }
    check(bs_utf8_valid(bs_span(NULL, 0)), "nothing is valid");
    test_every_code_point();
    return tap_end();
}
