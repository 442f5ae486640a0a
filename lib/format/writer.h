/*
 * Writing records in any format.
 *
 * Split in two so that many threads can encode while one writes in order:
 * bs_writer_encode turns a record into bytes and touches nothing shared (after
 * bs_writer_columns); bs_writer_put sends bytes of whole records on, and adds what the
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
    bool keep_text;                        /* false: --drop text, and text2 with it */
    bool overwrite; /* --overwrite: bs_writer_set may replace input fields */
};

struct bs_writer;

/* `output` is borrowed: commit or abandon it after bs_writer_free. BS_USAGE for
 * msgpack to a terminal, and for a tree, which is read only. */
int bs_writer_open(struct bs_writer **writer, struct bs_output *output,
                   const struct bs_writer_options *options,
                   struct bs_error *error) BS_MUST_CHECK;

/* Columns of TSV, CSV and lines (one alone), in order; once, before the first record
 * is encoded. Fields of records that have no column are dropped, with one warning;
 * those that never have one (ids, type_ids, n_tokens, truncated, a dropped text) without.
 * Without this call a row holds the record's fields as they come, and a line its text. */
int bs_writer_columns(struct bs_writer *writer, const struct bs_span *names, size_t count,
                      struct bs_error *error) BS_MUST_CHECK;

/* Sets a field that the tool itself writes, where it stands or as the last. BS_DATA if
 * the record came with a field of that name, unless --overwrite was given. Thread-safe
 * for different records. */
int bs_writer_set(const struct bs_writer *writer, struct bs_record *record,
                  const char *name, struct bs_value value,
                  struct bs_error *error) BS_MUST_CHECK;

/*
 * Appends the bytes of one record. Thread-safe. BS_RESOURCE without memory.
 *
 * What came from the same format is copied byte for byte. JSON into msgpack keeps
 * values: whole numbers, decimals that are the shortest text of their double, strings,
 * arrays, objects; a number or string that msgpack cannot hold exactly is kept as its
 * JSON text in an ext of type 74 ('J'), which becomes the same JSON again. Msgpack into
 * JSON: bin and other ext become base64, keys that are no strings their JSON text (arrays
 * and maps base64 of their msgpack), NaN and infinities null. TSV and CSV hold a value
 * that is no text as its JSON, null and missing as nothing. In lines a LF within the text
 * becomes a blank.
 */
int bs_writer_encode(const struct bs_writer *writer, const struct bs_record *record,
                     struct bs_buffer *bytes, struct bs_error *error) BS_MUST_CHECK;

/* Writes bytes that hold `count` whole records. `sizes[count]` are the sizes of the
 * single records, so that checks fall at least every 1,024 records or 1 MiB. Where the
 * checks fall does not depend on how records are grouped into calls. */
int bs_writer_put(struct bs_writer *writer, struct bs_span bytes, const uint32_t *sizes,
                  size_t count, struct bs_error *error) BS_MUST_CHECK;

int bs_writer_flush(struct bs_writer *writer, struct bs_error *error) BS_MUST_CHECK;

/* Writes the end of the stream. Only on success: a stream without its end is how
 * damage travels downstream. */
int bs_writer_finish(struct bs_writer *writer, struct bs_error *error) BS_MUST_CHECK;
void bs_writer_free(struct bs_writer *writer);

#endif
