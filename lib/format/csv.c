/* CSV (RFC 4180): cells in quotes may hold commas, line feeds and doubled quotes. A quote
 * within a cell that does not begin with one is a character like others. */
#include "format/reading.h"
#include "format/writing.h"

#include <inttypes.h>
#include <stdlib.h>

enum place {
    CELL_BEGINS,
    PLAIN,
    QUOTED,
    BEHIND_QUOTE, /* within quotes: doubled, or the end */
};

/* The walk over the row at the front of the window. */
struct rows {
    enum place place;
    size_t at;          /* bytes walked over */
    int64_t feeds;      /* line feeds among them */
    int64_t quote_line; /* where the last quote was opened */
    bool skipping;      /* a row too long: only its beginning is kept */
    struct bs_buffer kept;
    size_t size;   /* of the row found, with its line feed; what of it is in the window */
    size_t ending; /* bytes of that which are its line feed */
};

static int begin(struct bs_reader *reader, struct bs_error *error) {
    reader->state = bs_alloc(1, sizeof(struct rows));
    return reader->state ? BS_OK
                         : bs_fail_memory(error, sizeof(struct rows), reader->path);
}

static void end(struct bs_reader *reader) {
    struct rows *rows = reader->state;
    if (rows)
        bs_buffer_free(&rows->kept);
    free(rows);
    reader->state = NULL;
}

/* Walks on; true if the row ends with the byte before rows->at. */
static bool walk(struct rows *rows, struct bs_span data, int64_t number) {
    while (rows->at < data.size) {
        char c = data.data[rows->at++];
        if (rows->place == QUOTED && c != '"') {
            rows->feeds += c == '\n';
        } else if (c == '"' && rows->place == CELL_BEGINS) {
            rows->place = QUOTED;
            rows->quote_line = number + rows->feeds;
        } else if (c == '"' && rows->place != PLAIN) {
            rows->place = rows->place == QUOTED ? BEHIND_QUOTE : QUOTED;
        } else if (c == '\n') {
            rows->feeds++;
            return true;
        } else {
            rows->place = c == ',' ? CELL_BEGINS : PLAIN;
        }
    }
    return false;
}

/* Keeps the beginning of a row that is too long and lets go of what was walked over. */
static int skip_bytes(struct bs_reader *reader, struct bs_error *error) {
    struct rows *rows = reader->state;
    size_t keep = BS_RAW_KEPT - rows->kept.size;
    keep = keep < rows->at ? keep : rows->at;
    if (!bs_buffer_append(&rows->kept, bs_input_data(&reader->input).data, keep))
        return bs_fail_memory(error, keep, "a row that is too long");
    rows->skipping = true;
    bs_input_consume(&reader->input, rows->at);
    rows->at = 0;
    return BS_OK;
}

static int find_row(struct bs_reader *reader, struct bs_error *error) {
    struct rows *rows = reader->state;
    struct bs_span data = bs_input_data(&reader->input);
    bool found = walk(rows, data, reader->number);
    if (!found && reader->input.ended && data.size == 0 && !rows->skipping)
        return BS_END;
    rows->ending = found;
    if (rows->skipping || rows->at - found > reader->max_record)
        if (skip_bytes(reader, error))
            return error->code;
    rows->size = rows->at;
    return found || reader->input.ended ? BS_OK : BS_MORE;
}

/* Goes past the row found. */
static void next_row(struct bs_reader *reader) {
    struct rows *rows = reader->state;
    struct bs_buffer kept = rows->kept;
    kept.size = 0;
    bs_input_consume(&reader->input, rows->size);
    reader->number += rows->feeds;
    *rows = (struct rows){.kept = kept};
}

/* One cell at `*at`, decoded to `to`, and what follows it: a comma, or the end. */
static struct bs_span take_cell(const char **at, const char *stop, char **to) {
    const char *p = *at;
    char *begin = *to;
    if (p < stop && *p == '"') {
        for (p++; p < stop && !(*p == '"' && (p + 1 == stop || p[1] != '"')); p++) {
            p += *p == '"';
            *(*to)++ = *p;
        }
        p += p < stop;
    }
    while (p < stop && *p != ',')
        *(*to)++ = *p++;
    *at = p;
    return bs_span(begin, (size_t)(*to - begin));
}

static int split(struct bs_reader *reader, struct bs_record *record, struct bs_span row,
                 struct bs_error *error) {
    char *to = bs_record_alloc(record, row.size + 1);
    if (!to)
        return bs_fail_memory(error, row.size, reader->path);
    if (row.size > 0 && row.data[row.size - 1] == '\r')
        row.size--;
    const char *at = row.data, *stop = row.data + row.size;
    reader->cells.count = 0;
    for (bool more = true; more; at++) {
        if (!bs_cells_add(&reader->cells, take_cell(&at, stop, &to)))
            return bs_fail_memory(error, reader->cells.count, "cells");
        more = at < stop;
    }
    return BS_OK;
}

/* The row found, without its line feed and the mark before the first one. */
static struct bs_span row_found(struct bs_reader *reader) {
    const struct rows *rows = reader->state;
    struct bs_span row = rows->skipping ? bs_buffer_span(&rows->kept)
                                        : bs_span(bs_input_data(&reader->input).data,
                                                  rows->size - rows->ending);
    return bs_reading_without_mark(row, reader->number);
}

static bool is_open(const struct rows *rows) {
    return rows->place == QUOTED && rows->ending == 0;
}

/* The mark at the beginning would hide a quote behind it. */
static int skip_mark(struct bs_reader *reader) {
    struct bs_span data = bs_input_data(&reader->input);
    const struct rows *rows = reader->state;
    if (reader->input.taken > 0 || rows->at > 0)
        return BS_OK;
    if (data.size < 3 && !reader->input.ended &&
        memcmp(data.data ? data.data : "", "\xef\xbb", data.size) == 0)
        return BS_MORE;
    bs_input_consume(&reader->input, data.size - bs_reading_without_mark(data, 1).size);
    return BS_OK;
}

static int find(struct bs_reader *reader, struct bs_error *error) {
    const struct rows *rows = reader->state;
    bool is_header = true;
    int code = skip_mark(reader);
    if (!code)
        code = find_row(reader, error);
    if (code || reader->columns.known || is_open(rows))
        return code;
    if (rows->skipping)
        return bs_columns_begin_too_long(reader, error);
    code = split(reader, &reader->names, row_found(reader), error);
    if (!code)
        code = bs_columns_begin(reader, &is_header, error);
    if (code || !is_header)
        return code;
    next_row(reader);
    return find_row(reader, error);
}

static int take(struct bs_reader *reader, struct bs_record *record,
                struct bs_error *error) {
    const struct rows *rows = reader->state;
    bool too_long = rows->skipping, open = is_open(rows);
    int64_t quote_line = rows->quote_line;
    bs_reading_begin_record(reader, record, "line", reader->number);
    bool copied = bs_record_copy(record, row_found(reader), &record->raw);
    next_row(reader);
    if (!copied)
        return bs_fail_memory(error, record->raw.size, reader->path);
    if (open)
        return bs_fail(error, BS_REJECTED,
                       "the quote opened on line %" PRId64 " is never closed",
                       quote_line);
    if (too_long)
        return bs_fail(error, BS_REJECTED, "longer than %zu bytes (--max-record)",
                       reader->max_record);
    if (split(reader, record, record->raw, error))
        return error->code;
    return bs_columns_take(reader, record, error);
}

const struct bs_reading bs_reading_csv = {
    .begin = begin, .find = find, .take = take, .end = end};

static bool put_cell(struct bs_buffer *bytes, struct bs_span text) {
    bool quote = false;
    for (size_t i = 0; i < text.size && !quote; i++)
        quote = text.data[i] == '"' || text.data[i] == ',' || text.data[i] == '\r' ||
                text.data[i] == '\n';
    if (!quote)
        return bs_buffer_append_span(bytes, text);
    if (!bs_buffer_append_byte(bytes, '"'))
        return false;
    for (size_t i = 0; i < text.size; i++)
        if ((text.data[i] == '"' && !bs_buffer_append_byte(bytes, '"')) ||
            !bs_buffer_append_byte(bytes, text.data[i]))
            return false;
    return bs_buffer_append_byte(bytes, '"');
}

static bool encode(const struct bs_writer *writer, const struct bs_record *record,
                   struct bs_buffer *bytes) {
    return bs_writing_row(writer, record, ',', put_cell, bytes);
}

static bool names(const struct bs_writer *writer, struct bs_buffer *bytes) {
    for (size_t i = 0; i < writer->n_columns; i++)
        if ((i > 0 && !bs_buffer_append_byte(bytes, ',')) ||
            !put_cell(bytes, writer->columns[i]))
            return false;
    return bs_buffer_append_byte(bytes, '\n');
}

const struct bs_writing bs_writing_csv = {.encode = encode, .names = names};
