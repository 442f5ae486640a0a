/*
 * Inside of the writer: what one format must be able to do. Only writer.c and the files
 * of the formats include this.
 */
#ifndef BS_FORMAT_WRITING_H
#define BS_FORMAT_WRITING_H

#include "format/fields.h"
#include "format/writer.h"

struct bs_writing {
    /* Appends a record; touches nothing shared. False without memory. */
    bool (*encode)(const struct bs_writer *writer, const struct bs_record *record,
                   struct bs_buffer *bytes);
    /* Appends the row of column names; NULL: the format has none. */
    bool (*names)(const struct bs_writer *writer, struct bs_buffer *bytes);
};

extern const struct bs_writing bs_writing_lines, bs_writing_ids, bs_writing_tsv,
    bs_writing_csv, bs_writing_jsonl, bs_writing_msgpack;

struct bs_writer {
    struct bs_output *output;
    struct bs_writer_options options;
    const struct bs_writing *writing;
    struct bs_stream_header header;
    struct bs_span *columns; /* names, in memory of their own; NULL: none were given */
    size_t *by_name;         /* their places, sorted by name */
    size_t n_columns;
    bool repeats;                               /* columns have the same name */
    bool is_stream;                             /* header, checks and end are written */
    bool begun;                                 /* the header is written */
    uint32_t crc;                               /* of the bytes since the last check */
    int64_t records;                            /* so far */
    int64_t unchecked_records, unchecked_bytes; /* since the last check */
};

/* Whether a field is written at all (--drop text). */
bool bs_writing_keeps(const struct bs_writer *writer, const struct bs_field *field);

/* The record's field for a column, or NULL. */
const struct bs_field *bs_writing_column(const struct bs_writer *writer,
                                         const struct bs_record *record, size_t column);

/* Says once that a field of the record has no column. */
void bs_writing_check_columns(const struct bs_writer *writer,
                              const struct bs_record *record);

/* Any value as plain text (writer.h says how): the span borrows from the value, or from
 * `scratch`, whose content is replaced. NULL field: nothing. */
bool bs_writing_text(const struct bs_field *field, struct bs_buffer *scratch,
                     struct bs_span *text) BS_MUST_CHECK;

/* Writes a row of TSV or CSV: its columns, or without them the fields as they come. */
bool bs_writing_row(const struct bs_writer *writer, const struct bs_record *record,
                    char separator,
                    bool (*put_cell)(struct bs_buffer *bytes, struct bs_span text),
                    struct bs_buffer *bytes) BS_MUST_CHECK;

/* A field's value as JSON, as msgpack. */
bool bs_put_json(struct bs_buffer *bytes, const struct bs_field *field) BS_MUST_CHECK;
bool bs_put_msgpack(struct bs_buffer *bytes, const struct bs_field *field) BS_MUST_CHECK;

#endif
