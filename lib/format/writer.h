/*
 * Writing records in any format.
 *
 * Split in two so that many threads can encode while one writes in order:
 * bs_writer_encode turns a record into bytes and touches nothing shared (after
 * bs_writer_begin); bs_writer_put sends bytes of whole records on, and adds what the
 * stream format wants between them (header, checks, end).
 */
#ifndef BS_FORMAT_WRITER_H
#define BS_FORMAT_WRITER_H

#include "common/file.h"
#include "format/reader.h"

struct bs_writer_options {
    enum bs_format format;
    const struct bs_stream_header *header; /* for BS_FORMAT_MSGPACK; copied */
    bool header_row;                       /* TSV and CSV */
    bool keep_text;                        /* false: --drop text */
    bool overwrite; /* --overwrite: fields set by the tool may replace input fields */
};

struct bs_writer;

/* `output` is borrowed: commit or abandon it after bs_writer_close. BS_USAGE for
 * msgpack to a terminal. */
int bs_writer_open(struct bs_writer **writer, struct bs_output *output,
                   const struct bs_writer_options *options,
                   struct bs_error *error) BS_MUST_CHECK;

/* Columns of TSV and CSV, in order; once, before the first record. Fields of later
 * records that have no column are dropped, with one warning. */
int bs_writer_columns(struct bs_writer *writer, const struct bs_span *names, size_t count,
                      struct bs_error *error) BS_MUST_CHECK;

/* Appends the bytes of one record. Thread-safe. BS_RESOURCE without memory. */
int bs_writer_encode(const struct bs_writer *writer, const struct bs_record *record,
                     struct bs_buffer *bytes, struct bs_error *error) BS_MUST_CHECK;

/* Writes bytes that hold `count` whole records. `sizes[count]` are the sizes of the
 * single records, so that checks fall at least every 1,024 records or 1 MiB. */
int bs_writer_put(struct bs_writer *writer, struct bs_span bytes, const uint32_t *sizes,
                  size_t count, struct bs_error *error) BS_MUST_CHECK;

int bs_writer_flush(struct bs_writer *writer, struct bs_error *error) BS_MUST_CHECK;

/* Writes the end of the stream. Only on success: a stream without its end is how
 * damage travels downstream. */
int bs_writer_finish(struct bs_writer *writer, struct bs_error *error) BS_MUST_CHECK;
void bs_writer_free(struct bs_writer *writer);

#endif
