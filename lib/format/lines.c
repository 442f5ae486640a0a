/* Lines: one text a line. And ids, which are only written. */
#include "format/reading.h"
#include "format/writing.h"

static int take(struct bs_reader *reader, struct bs_record *record,
                struct bs_error *error) {
    if (bs_reading_take_line(reader, record, error))
        return error->code;
    struct bs_value text = {.kind = BS_VALUE_TEXT, .bytes = record->raw};
    if (!bs_record_add(record, bs_span_of(BS_FIELD_TEXT), text))
        return bs_fail_memory(error, sizeof *record->fields, "a field");
    return BS_OK;
}

const struct bs_reading bs_reading_lines = {.find = bs_reading_find_line, .take = take};

static bool encode(const struct bs_writer *writer, const struct bs_record *record,
                   struct bs_buffer *bytes) {
    struct bs_buffer scratch = {0};
    struct bs_span text;
    const struct bs_field *field = writer->n_columns
                                       ? bs_writing_column(writer, record, 0)
                                       : bs_record_find(record, BS_FIELD_TEXT);
    size_t begin = bytes->size;
    bool done = bs_writing_text(field, &scratch, &text) &&
                bs_buffer_append_span(bytes, text) && bs_buffer_append_byte(bytes, '\n');
    char *feed = bytes->data + begin;
    while (done &&
           (feed = memchr(feed, '\n', (size_t)(bytes->data + bytes->size - 1 - feed))))
        *feed = ' ';
    bs_buffer_free(&scratch);
    return done;
}

const struct bs_writing bs_writing_lines = {.encode = encode};

static bool encode_ids(const struct bs_writer *writer, const struct bs_record *record,
                       struct bs_buffer *bytes) {
    (void)writer;
    struct bs_buffer scratch = {0};
    struct bs_span text;
    bool done = bs_writing_text(bs_record_find(record, BS_FIELD_IDS), &scratch, &text) &&
                bs_buffer_append_span(bytes, text) && bs_buffer_append_byte(bytes, '\n');
    bs_buffer_free(&scratch);
    return done;
}

const struct bs_writing bs_writing_ids = {.encode = encode_ids};
