/* The JSON scanner on what trips scanners up, and strings there and back. */
#include "format/json.h"

#include "tap.h"

#include <stdlib.h>

static bool valid(struct bs_span text) {
    struct bs_json json = {.at = text.data, .end = text.data + text.size};
    struct bs_span value;
    if (!bs_json_skip(&json, BS_JSON_DEPTH, &value))
        return false;
    bs_json_skip_blank(&json);
    return json.at == json.end;
}

static void test_valid(void) {
    static const char *const texts[] = {"0",
                                        "-0",
                                        "-0.0e-0",
                                        "1.5E+10",
                                        "1e400",
                                        "123456789012345678901234567890",
                                        "\"\"",
                                        "\"\\u0000\"",
                                        "\"\\ud800\"",
                                        "\"\\/\"",
                                        "[]",
                                        " [ 1 , 2 ] ",
                                        "{}",
                                        "{\"a\":{}}",
                                        "[[],{}]",
                                        "true",
                                        "null",
                                        "{\"a\":1,\"a\":2}",
                                        "\"\x7f\"",
                                        "\"\xff\"",
                                        "[\"]\"]",
                                        "{\"}\":\"{\"}",
                                        "\"\\\\\"",
                                        "[1,[2,[3,[]]],{\"x\":[{}]}]",
                                        "[{\"a\":1},[1,2],{},[3,4]]"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        check(valid(bs_span_of(texts[i])), "valid: %s", texts[i]);
}

static void test_invalid(void) {
    static const char *const texts[] = {
        "",           "01",        "+1",        ".5",          "1.",
        "1e",         "-",         "0x10",      "NaN",         "Infinity",
        "tru",        "truex",     "nul",       "'a'",         "\"a",
        "\"\\",       "\"\\x\"",   "\"\\u12\"", "\"\\u12g4\"", "\"\n\"",
        "\"\t\"",     "[1,]",      "[,1]",      "[1 2]",       "[1",
        "[",          "]",         "{\"a\"}",   "{\"a\":}",    "{a:1}",
        "{\"a\":1,}", "{,}",       "{1:2}",     "{\"a\":1",    "[}",
        "{]",         "1 2",       "[]]",       "\"a\"b",      "--1",
        "1e+",        "{\"a\" 1}", "[\"a\":1]"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        check(!valid(bs_span_of(texts[i])), "not valid, %zu: %s", i,
              strpbrk(texts[i], "\n\t") ? "a control character" : texts[i]);
    check(!valid(bs_span("\"a\0b\"", 5)), "not valid: NUL in a string");
    check(!valid(bs_span("\"a\"\0", 4)), "not valid: NUL behind a value");
}

static void test_depth(void) {
    enum { DEEP = 10000 };
    char *text = malloc(2 * DEEP);
    for (int depth = 1; depth <= DEEP; depth++) {
        if (depth > 70 && depth < DEEP)
            continue;
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        if (valid(bs_span(text, 2 * (size_t)depth)) != (depth <= BS_JSON_DEPTH))
            check(0, "depth %d", depth);
    }
    memset(text, '[', 2 * DEEP);
    check(!valid(bs_span(text, 2 * DEEP)), "nesting is bounded");
    /* Which bracket closes is known at every level. */
    check(!valid(bs_span_of("[{\"a\":[{\"b\":[}]}]}]")), "mixed brackets");
    free(text);
}

static void decodes(const char *string, const char *expected, size_t size, bool lossy) {
    char text[256];
    bool lost = false;
    size_t got = bs_json_decode(bs_span_of(string), text, &lost);
    check(got == size && memcmp(text, expected, size) == 0 && lost == lossy, "decodes %s",
          string);
}

static void test_strings(void) {
    decodes("\"\"", "", 0, false);
    decodes("\"a\\n\\t\\r\\b\\f\\\"\\\\\\/z\"", "a\n\t\r\b\f\"\\/z", 10, false);
    decodes("\"\\u0041\\u00e9\\u20AC\"", "A\xc3\xa9\xe2\x82\xac", 6, false);
    decodes("\"\\u0000\"", "\0", 1, false);
    decodes("\"\\ud83d\\ude00!\"", "\xf0\x9f\x98\x80!", 5, false);
    decodes("\"\\ud83d\"", "\xef\xbf\xbd", 3, true);
    decodes("\"\\ude00\\ud83d\"", "\xef\xbf\xbd\xef\xbf\xbd", 6, true);
    decodes("\"\\ud83d\\uffff\"", "\xef\xbf\xbd\xef\xbf\xbf", 6, true);
    decodes("\"\\ud83d\\u0041\"",
            "\xef\xbf\xbd"
            "A",
            4, true);
    decodes("\"\\ud83d\\\\ude00\"", "\xef\xbf\xbd\\ude00", 9, true);
}

/* Every code point and every byte survives being written and decoded. */
static void test_round_trip(void) {
    struct bs_buffer bytes = {0};
    char all[256], text[2048];
    for (int i = 0; i < 256; i++)
        all[i] = (char)i;
    bool done = bs_json_put_string(&bytes, bs_span(all, 256));
    check(done && valid(bs_buffer_span(&bytes)), "all bytes as a string");
    size_t size = bs_json_decode(bs_buffer_span(&bytes), text, NULL);
    check(size == 256 && memcmp(text, all, 256) == 0, "and back");
    bs_buffer_free(&bytes);
    bool same = true;
    for (unsigned code = 0; code < 0x110000; code++) {
        char escape[16];
        if (code >= 0xD800 && code < 0xE000)
            continue;
        if (code < 0x10000)
            snprintf(escape, sizeof escape, "\"\\u%04x\"", code);
        else
            snprintf(escape, sizeof escape, "\"\\u%04X\\u%04X\"",
                     0xD800 + ((code - 0x10000) >> 10), 0xDC00 + (code & 0x3FF));
        size = bs_json_decode(bs_span_of(escape), text, NULL);
        unsigned lead = (unsigned char)text[0];
        unsigned value = size == 1 ? lead : lead & (0xFFU >> (size + 1));
        for (size_t i = 1; i < size; i++)
            value = value << 6 | (text[i] & 0x3F);
        same = same && value == code;
    }
    check(same, "every code point by its escapes");
}

int main(void) {
    test_valid();
    test_invalid();
    test_depth();
    test_strings();
    test_round_trip();
    return tap_end();
}
