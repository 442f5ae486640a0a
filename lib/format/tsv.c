/* TSV: TAB, LF, CR and backslash in a cell stand as \t \n \r \\. */
#include "format/reading.h"
#include "format/writing.h"

/* Decodes escapes from `cell` to `to`; a backslash before another letter stays. */
static struct bs_span unescape(struct bs_span cell, char *to) {
    size_t size = 0;
    for (size_t i = 0; i < cell.size; i++) {
        char c = cell.data[i];
        char next = c == '\\' && i + 1 < cell.size ? cell.data[i + 1] : '\0';
        char decoded = next == 't'    ? '\t'
                       : next == 'n'  ? '\n'
                       : next == 'r'  ? '\r'
                       : next == '\\' ? '\\'
                                      : '\0';
        to[size++] = decoded ? decoded : c;
        i += decoded != '\0';
    }
    return bs_span(to, size);
}

/* Splits a row into reader->cells; what must be decoded gets memory of `record`. */
static int split(struct bs_reader *reader, struct bs_record *record, struct bs_span row,
                 struct bs_error *error) {
    if (row.size > 0 && row.data[row.size - 1] == '\r')
        row.size--;
    const char *at = row.data, *end = row.data + row.size;
    bool escaped = row.size > 0 && memchr(row.data, '\\', row.size);
    char *decoded = escaped ? bs_record_alloc(record, row.size) : NULL;
    if (escaped && !decoded)
        return bs_fail_memory(error, row.size, reader->path);
    reader->cells.count = 0;
    for (bool more = true; more;) {
        const char *tab = at < end ? memchr(at, '\t', (size_t)(end - at)) : NULL;
        struct bs_span cell = bs_span(at, (size_t)((tab ? tab : end) - at));
        more = tab != NULL;
        at += cell.size + 1;
        if (escaped) {
            cell = unescape(cell, decoded);
            decoded += cell.size;
        }
        if (!bs_cells_add(&reader->cells, cell))
            return bs_fail_memory(error, reader->cells.count * sizeof cell, "cells");
    }
    return BS_OK;
}

static int find(struct bs_reader *reader, struct bs_error *error) {
    bool is_header = true;
    int code = bs_reading_find_line(reader, error);
    if (code || reader->columns.known)
        return code;
    if (reader->line.too_long)
        return bs_columns_begin_too_long(reader, error);
    struct bs_span row = bs_reading_without_mark(reader->line.text, reader->number);
    code = split(reader, &reader->names, row, error);
    if (!code)
        code = bs_columns_begin(reader, &is_header, error);
    if (code || !is_header)
        return code;
    bs_input_next_line(&reader->input, &reader->line);
    reader->number++;
    return bs_reading_find_line(reader, error);
}

static int take(struct bs_reader *reader, struct bs_record *record,
                struct bs_error *error) {
    int64_t number = reader->number;
    if (bs_reading_take_line(reader, record, error))
        return error->code;
    if (split(reader, record, bs_reading_without_mark(record->raw, number), error))
        return error->code;
    return bs_columns_take(reader, record, error);
}

const struct bs_reading bs_reading_tsv = {.find = find, .take = take};

static bool put_cell(struct bs_buffer *bytes, struct bs_span text) {
    size_t i = 0;
    while (i < text.size) {
        size_t begin = i;
        const char *escape = NULL;
        for (; i < text.size && !escape; i++)
            escape = text.data[i] == '\t'   ? "\\t"
                     : text.data[i] == '\n' ? "\\n"
                     : text.data[i] == '\r' ? "\\r"
                     : text.data[i] == '\\' ? "\\\\"
                                            : NULL;
        if (!bs_buffer_append(bytes, text.data + begin, i - begin - (escape != NULL)) ||
            (escape && !bs_buffer_append(bytes, escape, 2)))
            return false;
    }
    return true;
}

static bool encode(const struct bs_writer *writer, const struct bs_record *record,
                   struct bs_buffer *bytes) {
    return bs_writing_row(writer, record, '\t', put_cell, bytes);
}

static bool names(const struct bs_writer *writer, struct bs_buffer *bytes) {
    for (size_t i = 0; i < writer->n_columns; i++)
        if ((i > 0 && !bs_buffer_append_byte(bytes, '\t')) ||
            !put_cell(bytes, writer->columns[i]))
            return false;
    return bs_buffer_append_byte(bytes, '\n');
}

const struct bs_writing bs_writing_tsv = {.encode = encode, .names = names};
