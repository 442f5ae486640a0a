/* Record streams: conversion there and back, damage of every kind, types that are not
 * what the header promises. */
#include "format_help.h"

#include "common/hash.h"
#include "common/log.h"
#include "format/msgpack_pack.h"

static const struct bs_reader_options msgpack = {.format = BS_FORMAT_MSGPACK};
static const struct bs_reader_options plain = {0};

/* A stream of these bytes as its records, with a right header and end. */
static struct bs_buffer stream_of(struct bs_span records, uint64_t count,
                                  enum bs_stream_kind kind, const char *tokenizer) {
    struct bs_buffer bytes = {0};
    struct bs_stream_header header = {.kind = kind, .max_length = 512};
    snprintf(header.tokenizer, sizeof header.tokenizer, "%s", tokenizer);
    if (!bs_pack_header(&bytes, &header) || !bs_buffer_append_span(&bytes, records) ||
        !bs_pack_check(&bytes, "end", count, bs_crc32(0, bytes.data, bytes.size)))
        abort();
    return bytes;
}

static void check_stream(struct bs_span records, uint64_t count, const char *expected,
                         const char *what) {
    struct bs_buffer bytes = stream_of(records, count, BS_STREAM_TOKENS, "t");
    check_read("s", bs_buffer_span(&bytes), &msgpack, expected, what);
    bs_buffer_free(&bytes);
}

static void test_values(void) {
    static const char rows[] =
        "{\"ids\":[101,2,102],\"n_tokens\":3,\"truncated\":false,\"label\":\"p\"}\n"
        "{\"a\":1.0,\"b\":0.1,\"c\":18446744073709551615,\"d\":-9223372036854775808,"
        "\"e\":18446744073709551616,\"f\":-0,\"g\":1e5,\"h\":null,\"i\":[true,false,{}],"
        "\"j\":{\"x\":{\"x\":[[]]},\"x\":1.10},\"k\":\"\\ud800\",\"l\":\"\",\"k\":["
        "\"\\ud801\"]}\n"
        "{}\n";
    make_file("a.jsonl", rows, sizeof rows - 1);
    struct bs_span stream = convert("a.jsonl", &plain, BS_FORMAT_MSGPACK);
    check_read("s", stream, NULL, rows, "JSON into msgpack and back, to the byte");
    make_file("s", stream.data, stream.size);
    struct bs_span again = convert("s", &plain, BS_FORMAT_MSGPACK);
    check(bs_span_equal(stream, again), "msgpack into msgpack, to the byte");
    free((char *)again.data);
    free((char *)stream.data);
    static const char escapes[] =
        "{\"a\":\"\\u00e9\\n\\/\",\"text\":\"\\ud83d\\ude00\"}\n";
    make_file("a.jsonl", escapes, sizeof escapes - 1);
    stream = convert("a.jsonl", &plain, BS_FORMAT_MSGPACK);
    check_read("s", stream, NULL,
               "{\"a\":\"\xc3\xa9\\n/\",\"text\":\"\xf0\x9f\x98\x80\"}\n",
               "escapes become characters");
    free((char *)stream.data);
}

/* What other programs may have packed, in every form. */
static void test_foreign_values(void) {
    check_stream(SPAN("\x82\xa1"
                      "b\xc4\x04\x00\xff\x10\x80\xa1"
                      "x\xc7\x03\x05"
                      "abc"),
                 1, "{\"b\":\"AP8QgA==\",\"x\":\"YWJj\"}\n", "bin and ext as base64");
    check_stream(SPAN("\x81\xa1m\x84\x01\xa1"
                      "a\xc0\x02\x93\x01\xc2\xa1q\x03\xcb\x7f\xf0\x00"
                      "\x00\x00\x00\x00\x00\xca\x3f\x00\x00\x00"),
                 1, "{\"m\":{\"1\":\"a\",\"null\":2,\"kwHCoXE=\":3,\"null\":0.5}}\n",
                 "keys that are no strings");
    char keys[3 + 20 + 21] = "\x81\xa1x";
    memset(keys + 3, '\x81', 20);
    check_stream(bs_span(keys, sizeof keys), 1,
                 "{\"x\":{\"gYGBgYGBgYGBgYGBgYGBgYGBgQAAAAAAAAAAAAAAAAAAAAAAAAAA\":0}}\n",
                 "keys within keys");
    check_stream(SPAN("\x81\xa1j\xc7\x04J[1,]"), 1, "{\"j\":\"WzEsXQ==\"}\n",
                 "JSON text that is none");
    check_stream(SPAN("\x81\xa1j\xc7\x05J1,\"a\""), 1, "{\"j\":\"MSwiYSI=\"}\n",
                 "JSON text that is more than one value");
    check_stream(
        SPAN("\x81\xd9\x03ids\xdc\x00\x03\xcd\x00\x65\xd3\x00\x00\x00\x00\x00\x00\x00"
             "\x07\xcb\x40\x59\x80\x00\x00\x00\x00\x00"),
        1, "{\"ids\":[101,7,102]}\n", "ids in other forms");
    check_stream(SPAN("\x82\xa5label\x07\xa1z\xa2\xff\xfe"), 1,
                 "{\"label\":\"7\",\"z\":\"\xef\xbf\xbd\xef\xbf\xbd\"}\n",
                 "a label that is a number; invalid UTF-8");
}

/* Each msgpack type as the value of each field that has a type. */
static void test_types(void) {
    static const struct {
        const char *name, *right;
    } fields[] = {{"text", "S"},     {"text2", "S"},    {"label", "SIFB"}, {"ids", "A"},
                  {"type_ids", "A"}, {"n_tokens", "I"}, {"truncated", "B"}};
    static const struct {
        char kind;
        const char *bytes;
        size_t size;
    } values[] = {{'S', "\xa1x", 2},
                  {'I', "\x05", 1},
                  {'I', "\xd0\xfb", 2},
                  {'F', "\xcb\x3f\xe8\x00\x00\x00\x00\x00\x00", 9},
                  {'B', "\xc3", 1},
                  {'A', "\x92\x01\x02", 3},
                  {'M', "\x81\xa1x\x01", 4},
                  {'b', "\xc4\x01x", 3},
                  {'E', "\xd4\x01x", 3},
                  {'a', "\x91\xa1x", 3},
                  {'a', "\x91\xce\xff\xff\xff\xff", 6},
                  {'a', "\x91\x91\x01", 3}};
    for (size_t f = 0; f < sizeof fields / sizeof *fields; f++) {
        int wrong = 0;
        for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
            struct bs_buffer record = {0};
            if (!bs_buffer_append_byte(&record, '\x81') ||
                !bs_pack_string(&record, bs_span_of(fields[f].name)) ||
                !bs_buffer_append(&record, values[v].bytes, values[v].size) ||
                !bs_buffer_append(&record, "\x81\xa1z\x01", 4))
                abort();
            struct bs_buffer stream =
                stream_of(bs_buffer_span(&record), 2, BS_STREAM_TOKENS, "t");
            make_file("s", stream.data, stream.size);
            char *path = (char *)"s";
            struct outcome out = read_paths(&path, 1, &msgpack);
            int right = strchr(fields[f].right, values[v].kind) != NULL;
            wrong += out.code != BS_END || out.records != 1 + right ||
                     out.rejected != 1 - right;
            bs_buffer_free(&out.text);
            bs_buffer_free(&stream);
            bs_buffer_free(&record);
        }
        check(wrong == 0, "\"%s\" of every type: only the right ones pass",
              fields[f].name);
    }
    check_stream(
        SPAN("\x81\xa3ids\x91\xa1x\x81\xa4text\xa1y\x81\x05\x06\x81\xa3ids\xc0"), 4,
        "! record 1: field \"ids\" is not a list of whole numbers below 2147483648\n"
        "{\"text\":\"y\"}\n! record 3: the name of a field is not a string\n"
        "{\"ids\":null}\n",
        "the others are read on; nil is no value");
}

static void test_damage(void) {
    static const char *const foreign[] = {
        "\x81\xa1x\x01",       "\xc0", "text\n", "{\"a\":1}\n", "\xdb\xff\xff\xff\xff",
        "\xdf\xff\xff\xff\xff"};
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        check_read("s", bs_span_of(foreign[i]), &msgpack,
                   "= 4: s: not a stream of records (msgpack with a header)",
                   "a foreign stream");
    check_read("s", SPAN("\x93\xa1x\x01\x02"), &msgpack,
               "= 4: s: neither a record nor a check", "a foreign array");
    check_read(
        "s", SPAN(""), &msgpack,
        "= 4: s: empty, not even the header of a stream: did the command that writes "
        "it fail?",
        "nothing at all");
    struct bs_buffer two =
        stream_of(SPAN("\x81\xa1x\x01\x81\xa1x\x02"), 3, BS_STREAM_TOKENS, "t");
    check_read(
        "s", bs_buffer_span(&two), &msgpack,
        "{\"x\":1}\n{\"x\":2}\n= 4: s: records 1-2: records are missing from the stream",
        "a count that is wrong");
    two.data[two.size - 1] ^= 1;
    check_read(
        "s", bs_buffer_span(&two), &msgpack,
        "{\"x\":1}\n{\"x\":2}\n= 4: s: records 1-2: checksum mismatch: the stream is "
        "damaged",
        "a checksum that is wrong");
    bs_buffer_free(&two);
    check_stream(SPAN("\x81\xa1x\xc1"), 1,
                 "= 4: s: records 1-1: not msgpack: the stream is damaged",
                 "the byte 0xC1");
    check_stream(
        SPAN("\x81\xa1x\x01\xa1x"), 1,
        "{\"x\":1}\n= 4: s: records 1-2: neither a record nor a check: the stream is "
        "damaged",
        "a string between records");
    check_stream(SPAN("\x81\xa1x\xdd\xff\xff\xff\xff"), 1,
                 "= 4: s: records 1-1: cut off within a record",
                 "a claim of 2^32-1 elements");
    static char deep[10002] = "\x81\xa1x";
    memset(deep + 3, '\x91', 9998);
    check_stream(bs_span(deep, sizeof deep), 1,
                 "= 4: s: records 1-1: values nest deeper than 64",
                 "nesting 10,000 deep");
}

static void test_header(void) {
    check_read("s",
               SPAN("\x92\xa2"
                    "bs\x84\xa7version\x02\xa4kind\xa6tokens\xa9tokenizer\xa0\xaa"
                    "max_length\x00"),
               NULL, "= 4: s: a stream of version 2; this program reads version 1",
               "another version");
    check_read("s",
               SPAN("\x92\xa2"
                    "bs\x81\xa7version\x01"),
               NULL, "= 4: s: the header of the stream is incomplete",
               "a header without a kind");
    check_read("s",
               SPAN("\x92\xa2"
                    "bs\x81\xa4kind\xa5other"),
               NULL, "= 4: s: the header of the stream is damaged", "another kind");
    check_read("s",
               SPAN("\x92\xa2"
                    "bs\x05"),
               NULL, "= 4: s: the header of the stream is damaged",
               "a header that is no map");
}

static void test_concatenated(void) {
    struct bs_span record = SPAN("\x81\xa1x\x01");
    struct bs_buffer a = stream_of(record, 1, BS_STREAM_TOKENS, "t");
    struct bs_buffer b = stream_of(record, 1, BS_STREAM_TOKENS, "u");
    struct bs_buffer both = {0}, mixed = {0}, open = {0};
    if (!bs_buffer_append(&both, a.data, a.size) ||
        !bs_buffer_append(&both, a.data, a.size) ||
        !bs_buffer_append(&mixed, a.data, a.size) ||
        !bs_buffer_append(&mixed, b.data, b.size) ||
        !bs_buffer_append(&open, a.data, a.size) ||
        !bs_buffer_append(&open, record.data, record.size))
        abort();
    check_read("s", bs_buffer_span(&both), NULL, "{\"x\":1}\n{\"x\":1}\n", "cat a a");
    check_read(
        "s", bs_buffer_span(&mixed), NULL,
        "{\"x\":1}\n= 4: s: the header of the stream differs from the first one's (s) "
        "in tokenizer; make both again with the same -m",
        "cat a b of different tokenizers");
    check_read(
        "s", bs_buffer_span(&open), NULL,
        "{\"x\":1}\n= 4: s: behind record 1: a record behind the end of the stream",
        "a record behind the end");
    make_file("a", a.data, a.size);
    make_file("b", b.data, b.size);
    char *paths[] = {(char *)"a", (char *)"b"};
    struct outcome out = read_paths(paths, 2, NULL);
    check(out.code == BS_DATA && out.records == 1, "two files of different tokenizers");
    bs_buffer_free(&out.text);
    bs_buffer_free(&a);
    bs_buffer_free(&b);
    bs_buffer_free(&both);
    bs_buffer_free(&mixed);
    bs_buffer_free(&open);
}

/* A record too long is passed over, and its bytes still count for the checksum. */
static void test_long(void) {
    struct bs_buffer records = {0};
    enum { BIG = 3 << 20 };
    char *big = calloc(1, BIG);
    if (!bs_buffer_append(&records, "\x81\xa1x", 3) ||
        !bs_pack_string(&records, bs_span(big, BIG)) ||
        !bs_buffer_append(&records, "\x81\xa1x\x01", 4))
        abort();
    struct bs_buffer stream =
        stream_of(bs_buffer_span(&records), 2, BS_STREAM_TOKENS, "t");
    struct bs_reader_options options = {.format = BS_FORMAT_MSGPACK, .max_record = 1000};
    check_read("s", bs_buffer_span(&stream), &options,
               "! record 1: longer than 1000 bytes (--max-record)\n{\"x\":1}\n",
               "a record too long");
    stream.data[BIG / 2] = 1;
    check_read(
        "s", bs_buffer_span(&stream), &options,
        "! record 1: longer than 1000 bytes (--max-record)\n{\"x\":1}\n= 4: s: records "
        "1-2: checksum mismatch: the stream is damaged",
        "a damaged record too long");
    bs_buffer_free(&stream);
    bs_buffer_free(&records);
    free(big);
}

/* 3,000 records: checks at 1,024 and 2,048, wherever calls of put begin and end. */
static void test_checks(void) {
    struct bs_error error = {0};
    struct bs_buffer records = {0}, one = {0}, many = {0};
    uint32_t sizes[3000];
    for (int i = 0; i < 3000; i++) {
        if (!bs_buffer_append(&records, "\x81\xa1x", 3) ||
            !bs_pack_integer(&records, 1000))
            abort();
        sizes[i] = 6;
    }
    for (int grouped = 0; grouped < 2; grouped++) {
        struct bs_output *output;
        if (bs_output_open(&output, "s", &error))
            abort();
        struct bs_writer *writer = help_writer(BS_FORMAT_MSGPACK, output);
        size_t step = grouped ? 700 : 1;
        for (size_t i = 0; i < 3000; i += step) {
            size_t n = 3000 - i < step ? 3000 - i : step;
            if (bs_writer_put(writer, bs_span(records.data + 6 * i, 6 * n), sizes + i, n,
                              &error))
                abort();
        }
        if (bs_writer_finish(writer, &error) || bs_output_commit(output, &error) ||
            bs_file_read("s", 1 << 20, grouped ? &many : &one, &error))
            abort();
        bs_writer_free(writer);
    }
    check(bs_span_equal(bs_buffer_span(&one), bs_buffer_span(&many)),
          "checks do not depend on how records are grouped");
    int checks = 0;
    for (size_t i = 0; i + 6 < one.size; i++)
        checks += memcmp(one.data + i,
                         "\x93\xa5"
                         "check",
                         7) == 0;
    check(checks == 2, "a check every 1,024 records");
    char *path = (char *)"s";
    struct outcome out = read_paths(&path, 1, NULL);
    check(out.code == BS_END && out.records == 3000, "3,000 records are read");
    bs_buffer_free(&out.text);
    one.data[6 * 1500] ^= 4;
    make_file("s", one.data, one.size);
    out = read_paths(&path, 1, NULL);
    check(strstr(out.text.data, "s: records 1025-2048: checksum mismatch") != NULL,
          "damage is found by the next check, which names the records");
    bs_buffer_free(&out.text);
    bs_buffer_free(&one);
    bs_buffer_free(&many);
    bs_buffer_free(&records);
}

/* Every beginning of a stream, and every single bit of it the other way round. */
static void test_mutations(void) {
    static const char rows[] =
        "{\"ids\":[101,2000,70000,102],\"n_tokens\":4,\"truncated\":false,\"label\":"
        "\"p\","
        "\"text\":\"some text\",\"x\":[1,{\"y\":0.1}]}\n"
        "{\"ids\":[101,102],\"n_tokens\":2,\"truncated\":true,\"text\":\"\"}\n";
    make_file("a.jsonl", rows, sizeof rows - 1);
    struct bs_span stream = convert("a.jsonl", &plain, BS_FORMAT_MSGPACK);
    char *bytes = malloc(stream.size), *path = (char *)"s";
    int silent_cuts = 0, silent_flips = 0;
    for (size_t size = 0; size < stream.size; size++) {
        make_file("s", stream.data, size);
        struct outcome out = read_paths(&path, 1, &msgpack);
        silent_cuts += out.code != BS_DATA;
        bs_buffer_free(&out.text);
    }
    for (size_t bit = 0; bit < 8 * stream.size; bit++) {
        memcpy(bytes, stream.data, stream.size);
        bytes[bit / 8] ^= (char)(1 << bit % 8);
        make_file("s", bytes, stream.size);
        struct outcome out = read_paths(&path, 1, &msgpack);
        silent_flips += out.code != BS_DATA;
        bs_buffer_free(&out.text);
    }
    check(silent_cuts == 0, "a stream cut anywhere is known as cut (%zu places)",
          stream.size);
    check(silent_flips == 0, "any bit the other way round is found (%zu bits)",
          8 * stream.size);
    free(bytes);
    free((char *)stream.data);
}

int main(void) {
    bs_log_setup("test", true, false);
    help_begin();
    test_values();
    test_foreign_values();
    test_types();
    test_damage();
    test_header();
    test_concatenated();
    test_long();
    test_checks();
    test_mutations();
    return help_end();
}
