/* Records of hostile input: read with every option, asked, written, read again. */
#include "fuzz/fuzz.h"

#include "common/hash.h"
#include "format/json.h"
#include "format/msgpack_pack.h"
#include "format/writer.h"

#include <stdlib.h>

/* Msgpack is the last. */
static const struct {
    enum bs_format format;
    bool columns; /* chosen, not the record's own */
} written[] = {{BS_FORMAT_LINES, false}, {BS_FORMAT_TSV, false},
               {BS_FORMAT_CSV, false},   {BS_FORMAT_TSV, true},
               {BS_FORMAT_CSV, true},    {BS_FORMAT_IDS, false},
               {BS_FORMAT_JSONL, false}, {BS_FORMAT_MSGPACK, false}};
enum {
    N_WRITTEN = sizeof written / sizeof *written,
    MOST = 1000, /* records of an input that are looked at; a bomb has millions */
};

/* Made once; what they write is looked at before it goes to /dev/null. */
static struct bs_writer *writers[N_WRITTEN];

static void make_writer(size_t index, struct bs_output *output) {
    static const struct bs_span columns[] = {
        {"label", 5}, {"text", 4}, {"1", 1}, {"a", 1}};
    struct bs_stream_header header = {.kind = BS_STREAM_PREDICTIONS, .tool = "fuzz"};
    struct bs_writer_options options = {.format = written[index].format,
                                        .header = &header,
                                        .header_row = true,
                                        .keep_text = true};
    struct bs_error error;
    fuzz_done(!bs_writer_open(&writers[index], output, &options, &error));
    if (written[index].columns)
        fuzz_done(!bs_writer_columns(writers[index], columns, 4, &error));
}

static void make_writers(void) {
    static struct bs_output *output;
    struct bs_error error;
    if (output)
        return;
    fuzz_done(!bs_output_open(&output, "/dev/null", &error));
    for (size_t i = 0; i < N_WRITTEN; i++)
        make_writer(i, output);
}

/* As many bytes as FUZZ_OPTIONS says, with those of fuzz_records. */
static struct bs_reader_options choose_options(enum bs_format format,
                                               struct bs_span *input) {
    static const char *const columns[] = {NULL,    "1", "2",        "text",
                                          "label", "a", "sentence", "9"};
    static const char *const required[] = {NULL,        "text", "ids",
                                           "predicted", "a",    "label"};
    static const int64_t largest[] = {1 << 20, 1, 8, 64, 1000, 100000};
    struct bs_reader_options options = {.format = format};
    unsigned flags = fuzz_choose(input, 16);
    options.reject_invalid_utf8 = flags & 1;
    options.text2 = flags & 2 ? "b" : NULL;
    options.members = flags & 4 ? "*/a*" : NULL;
    options.header = (enum bs_header)fuzz_choose(input, 3);
    options.text = columns[fuzz_choose(input, 8)];
    options.label = columns[fuzz_choose(input, 8)];
    options.max_record = largest[fuzz_choose(input, 6)];
    options.required = required[fuzz_choose(input, 6)];
    return options;
}

/* Every field that bs knows, as every type. */
static void ask(const struct bs_record *record) {
    static const char *const names[] = {
        BS_FIELD_TEXT,      BS_FIELD_TEXT2,       BS_FIELD_LABEL,
        BS_FIELD_IDS,       BS_FIELD_N_TOKENS,    BS_FIELD_TRUNCATED,
        BS_FIELD_PREDICTED, BS_FIELD_PROBABILITY, BS_FIELD_PROBABILITIES};
    struct bs_ids ids = {0};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct bs_error error;
        struct bs_span text;
        double real;
        int64_t integer;
        bool boolean;
        const char *const *labels;
        const double *values;
        size_t count;
        (void)!bs_record_text(record, names[i], &text, &error);
        (void)!bs_record_real(record, names[i], &real, &error);
        (void)!bs_record_integer(record, names[i], &integer, &error);
        (void)!bs_record_boolean(record, names[i], &boolean, &error);
        (void)!bs_record_ids(record, names[i], &ids, &error);
        (void)!bs_record_map(record, names[i], &labels, &values, &count, &error);
    }
    bs_ids_free(&ids);
}

static void require_json_line(struct bs_span line) {
    struct bs_json json = {.at = line.data, .end = line.data + line.size - 1};
    struct bs_span value;
    fuzz_require(line.data[line.size - 1] == '\n' &&
                     !memchr(line.data, '\n', line.size - 1) &&
                     bs_json_skip(&json, BS_JSON_DEPTH, &value) && json.at == json.end,
                 "what was written is not a line of JSON");
}

/* Writes a record in every format; `packed` gets its msgpack. */
static void write_all(const struct bs_record *record, struct bs_buffer *packed) {
    struct bs_buffer bytes = {0};
    struct bs_error error;
    for (size_t i = 0; i < N_WRITTEN; i++) {
        bytes.size = 0;
        fuzz_done(!bs_writer_encode(writers[i], record, &bytes, &error));
        if (written[i].format == BS_FORMAT_JSONL)
            require_json_line(bs_buffer_span(&bytes));
    }
    fuzz_done(bs_buffer_append_span(packed, bs_buffer_span(&bytes))); /* the last one */
    bs_buffer_free(&bytes);
}

/* Reads standard input to its end or to damage; records go to `packed`, as msgpack. */
static int read_all(const struct bs_reader_options *options, bool asks_ready,
                    struct bs_buffer *packed, uint64_t *count) {
    struct bs_error error = {0};
    struct bs_record record = {0};
    struct bs_reader *reader;
    int64_t total;
    const struct bs_span *columns;
    fuzz_done(!bs_reader_open(&reader, NULL, 0, options, &error));
    int code = BS_OK;
    *count = 0;
    while (!code || code == BS_REJECTED) {
        if (asks_ready)
            bs_reader_ready(reader);
        code = bs_reader_next(reader, &record, &error);
        if (*count == MOST)
            continue;
        ask(&record);
        if (code)
            continue;
        write_all(&record, packed);
        ++*count;
    }
    (void)bs_reader_position(reader, &total);
    (void)bs_reader_columns(reader, &columns);
    (void)bs_reader_invalid_utf8(reader);
    bs_record_free(&record);
    bs_reader_close(reader);
    return code;
}

struct bs_buffer fuzz_stream(struct bs_span records, uint64_t count) {
    struct bs_stream_header header = {.kind = BS_STREAM_PREDICTIONS, .tool = "fuzz"};
    struct bs_buffer stream = {0};
    fuzz_done(bs_pack_header(&stream, &header) &&
              bs_buffer_append_span(&stream, records));
    uint32_t crc = bs_crc32(0, stream.data, stream.size);
    fuzz_done(bs_pack_check(&stream, "end", count, crc));
    return stream;
}

/* What was written as msgpack. */
static void read_again(const struct bs_buffer *records, uint64_t count) {
    struct bs_reader_options options = {.format = BS_FORMAT_MSGPACK};
    struct bs_buffer stream = fuzz_stream(bs_buffer_span(records), count), ignored = {0};
    fuzz_feed(bs_buffer_span(&stream), 0);
    fuzz_require(read_all(&options, false, &ignored, &count) == BS_END,
                 "a stream that was written is damaged");
    bs_buffer_free(&stream);
    bs_buffer_free(&ignored);
}

void fuzz_records(enum bs_format format, struct bs_span input) {
    struct bs_buffer packed = {0};
    uint64_t count;
    size_t piece = fuzz_choose(&input, 16);
    bool asks_ready = fuzz_choose(&input, 2);
    struct bs_reader_options options = choose_options(format, &input);
    make_writers();
    fuzz_feed(input, piece);
    read_all(&options, asks_ready, &packed, &count);
    if (count > 0 && asks_ready)
        read_again(&packed, count);
    bs_buffer_free(&packed);
}
