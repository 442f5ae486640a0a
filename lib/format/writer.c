/* The writer: which fields go where, and the header, checks and end of a stream. */
#include "format/writer.h"

#include "common/hash.h"
#include "common/log.h"
#include "format/msgpack_pack.h"
#include "format/writing.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>

/* Above it, columns are not looked for one by one. */
enum { MANY_FIELDS = 64 };
enum { CHECK_RECORDS = 1024, CHECK_BYTES = 1 << 20 };

static const struct bs_writing *writing_of(enum bs_format format) {
    switch (format) {
    case BS_FORMAT_LINES:
        return &bs_writing_lines;
    case BS_FORMAT_TSV:
        return &bs_writing_tsv;
    case BS_FORMAT_CSV:
        return &bs_writing_csv;
    case BS_FORMAT_JSONL:
        return &bs_writing_jsonl;
    case BS_FORMAT_MSGPACK:
        return &bs_writing_msgpack;
    case BS_FORMAT_IDS:
        return &bs_writing_ids;
    default:
        return NULL;
    }
}

int bs_writer_open(struct bs_writer **result, struct bs_output *output,
                   const struct bs_writer_options *options, struct bs_error *error) {
    bool is_stream = options->format == BS_FORMAT_MSGPACK;
    if (!writing_of(options->format))
        return bs_fail(error, BS_USAGE, "cannot write %s",
                       bs_format_name(options->format));
    if (is_stream && bs_output_is_terminal(output))
        return bs_fail(
            error, BS_USAGE,
            "records in msgpack are not for a terminal: send them to a file or "
            "a pipe, or choose another format with --to");
    struct bs_writer *writer = bs_alloc(1, sizeof *writer);
    if (!writer)
        return bs_fail_memory(error, sizeof *writer, "a writer");
    writer->output = output;
    writer->options = *options;
    writer->options.header = NULL;
    writer->writing = writing_of(options->format);
    writer->is_stream = is_stream;
    if (is_stream && bs_stream_header_copy(&writer->header, options->header, error)) {
        bs_writer_free(writer);
        return error->code;
    }
    *result = writer;
    return BS_OK;
}

static struct bs_span name_at(const struct bs_writer *writer, size_t place) {
    return writer->columns[writer->by_name[place]];
}

static bool is_of_name(const struct bs_writer *writer, size_t place,
                       struct bs_span name) {
    return place < writer->n_columns && bs_span_equal(name_at(writer, place), name);
}

static int by_name(const void *a, const void *b, void *columns) {
    const struct bs_span *names = columns;
    size_t i = *(const size_t *)a, k = *(const size_t *)b;
    int order = bs_span_order(names[i], names[k]);
    return order ? order : (i > k) - (i < k);
}

static bool sort_columns(struct bs_writer *writer) {
    writer->by_name = bs_alloc(writer->n_columns, sizeof *writer->by_name);
    if (!writer->by_name)
        return false;
    for (size_t i = 0; i < writer->n_columns; i++)
        writer->by_name[i] = i;
    qsort_r(writer->by_name, writer->n_columns, sizeof *writer->by_name, by_name,
            writer->columns);
    for (size_t i = 1; i < writer->n_columns; i++)
        if (is_of_name(writer, i, name_at(writer, i - 1)))
            writer->repeats = true;
    return true;
}

static bool copy_columns(struct bs_writer *writer, const struct bs_span *names,
                         size_t count) {
    writer->columns = bs_alloc(count, sizeof *writer->columns);
    for (size_t i = 0; writer->columns && i < count; i++) {
        char *copy = bs_span_string(names[i]);
        if (!copy)
            return false;
        writer->columns[writer->n_columns++] = bs_span(copy, names[i].size);
    }
    return writer->columns != NULL;
}

int bs_writer_columns(struct bs_writer *writer, const struct bs_span *names, size_t count,
                      struct bs_error *error) {
    struct bs_buffer row = {0};
    if (writer->options.format == BS_FORMAT_LINES && count != 1)
        return bs_fail(error, BS_USAGE, "lines hold one field, not %zu", count);
    if (!copy_columns(writer, names, count) || !sort_columns(writer))
        return bs_fail_memory(error, count * sizeof *names, "columns");
    if (!writer->options.header_row || !writer->writing->names)
        return BS_OK;
    int code = writer->writing->names(writer, &row)
                   ? bs_output_write(writer->output, bs_buffer_span(&row), error)
                   : bs_fail_memory(error, row.size, "columns");
    bs_buffer_free(&row);
    return code;
}

int bs_writer_set(const struct bs_writer *writer, struct bs_record *record,
                  const char *name, struct bs_value value, struct bs_error *error) {
    if (!writer->options.overwrite && bs_record_find(record, name))
        return bs_fail(error, BS_DATA,
                       "%s: %s %" PRId64
                       ": has a field \"%s\" already, which would be overwritten; give "
                       "--overwrite to allow it",
                       record->file ? record->file : "input",
                       record->unit ? record->unit : "record", record->number, name);
    if (!bs_record_set(record, name, value))
        return bs_fail_memory(error, sizeof value, name);
    return BS_OK;
}

int bs_writer_encode(const struct bs_writer *writer, const struct bs_record *record,
                     struct bs_buffer *bytes, struct bs_error *error) {
    size_t before = bytes->size;
    if (writer->writing->encode(writer, record, bytes))
        return BS_OK;
    bytes->size = before;
    return bs_fail_memory(error, before, "records to write");
}

/* Bytes of the stream itself, counted by the next check only if `counted`. */
static int put_control(struct bs_writer *writer, bool packed, struct bs_buffer *bytes,
                       bool counted, struct bs_error *error) {
    int code = packed ? bs_output_write(writer->output, bs_buffer_span(bytes), error)
                      : bs_fail_memory(error, bytes->size, "a check");
    writer->crc = counted && !code ? bs_crc32(0, bytes->data, bytes->size) : 0;
    bs_buffer_free(bytes);
    writer->unchecked_records = writer->unchecked_bytes = 0;
    return code;
}

static int put_header(struct bs_writer *writer, struct bs_error *error) {
    struct bs_buffer bytes = {0};
    if (!writer->is_stream || writer->begun)
        return BS_OK;
    writer->begun = true;
    bool packed = bs_pack_header(&bytes, &writer->header);
    return put_control(writer, packed, &bytes, true, error);
}

static int put_check(struct bs_writer *writer, const char *word, struct bs_error *error) {
    struct bs_buffer bytes = {0};
    bool packed = bs_pack_check(&bytes, word, (uint64_t)writer->records, writer->crc);
    return put_control(writer, packed, &bytes, false, error);
}

static int put_records(struct bs_writer *writer, struct bs_span bytes, int64_t count,
                       struct bs_error *error) {
    if (bytes.size == 0)
        return BS_OK;
    writer->crc = bs_crc32(writer->crc, bytes.data, bytes.size);
    writer->records += count;
    return bs_output_write(writer->output, bytes, error);
}

int bs_writer_put(struct bs_writer *writer, struct bs_span bytes, const uint32_t *sizes,
                  size_t count, struct bs_error *error) {
    size_t begin = 0, end = 0;
    int64_t held = 0;
    if (!writer->is_stream)
        return bs_output_write(writer->output, bytes, error);
    if (put_header(writer, error))
        return error->code;
    for (size_t i = 0; i < count; i++) {
        bool due = writer->unchecked_records == CHECK_RECORDS ||
                   (writer->unchecked_records > 0 &&
                    writer->unchecked_bytes + sizes[i] > CHECK_BYTES);
        if (due) {
            if (put_records(writer, bs_span(bytes.data + begin, end - begin), held,
                            error) ||
                put_check(writer, "check", error))
                return error->code;
            begin = end;
            held = 0;
        }
        end += sizes[i];
        held++;
        writer->unchecked_records++;
        writer->unchecked_bytes += sizes[i];
    }
    return put_records(writer, bs_span(bytes.data + begin, end - begin), held, error);
}

int bs_writer_flush(struct bs_writer *writer, struct bs_error *error) {
    if (put_header(writer, error))
        return error->code;
    return bs_output_flush(writer->output, error);
}

int bs_writer_finish(struct bs_writer *writer, struct bs_error *error) {
    if (!writer->is_stream)
        return BS_OK;
    if (put_header(writer, error))
        return error->code;
    return put_check(writer, "end", error);
}

void bs_writer_free(struct bs_writer *writer) {
    if (!writer)
        return;
    for (size_t i = 0; i < writer->n_columns; i++)
        free((char *)writer->columns[i].data);
    free(writer->columns);
    free(writer->by_name);
    bs_stream_header_free(&writer->header);
    free(writer);
}

/* ---- what formats share (writing.h) ---- */

static bool is_text(const struct bs_field *field) {
    return bs_span_is(field->name, BS_FIELD_TEXT) ||
           bs_span_is(field->name, BS_FIELD_TEXT2);
}

bool bs_writing_keeps(const struct bs_writer *writer, const struct bs_field *field) {
    return writer->options.keep_text || !is_text(field);
}

const struct bs_field *bs_writing_column(const struct bs_writer *writer,
                                         const struct bs_record *record, size_t column) {
    struct bs_span name = writer->columns[column];
    if (column < record->n_fields && bs_span_equal(record->fields[column].name, name))
        return &record->fields[column];
    for (size_t i = 0; i < record->n_fields; i++)
        if (bs_span_equal(record->fields[i].name, name))
            return &record->fields[i];
    return NULL;
}

/* Where columns of that name begin in by_name, if there are any. */
static size_t first_of_name(const struct bs_writer *writer, struct bs_span name) {
    size_t begin = 0, end = writer->n_columns;
    while (begin < end) {
        size_t middle = begin + (end - begin) / 2;
        if (bs_span_order(name_at(writer, middle), name) < 0)
            begin = middle + 1;
        else
            end = middle;
    }
    return begin;
}

/* For each column the number of its field from 1, or 0. Fields of the same name go to
 * columns of that name in their order. To be freed. */
static size_t *find_columns(const struct bs_writer *writer,
                            const struct bs_record *record) {
    size_t *found = bs_alloc(writer->n_columns, sizeof *found);
    size_t *taken = bs_alloc(writer->n_columns, sizeof *taken); /* at first_of_name */
    for (size_t i = 0; found && taken && i < record->n_fields; i++) {
        struct bs_span name = record->fields[i].name;
        size_t first = first_of_name(writer, name);
        if (!is_of_name(writer, first, name))
            continue;
        size_t place = first + taken[first]++;
        if (is_of_name(writer, place, name))
            found[writer->by_name[place]] = i + 1;
    }
    if (!taken) {
        free(found);
        found = NULL;
    }
    free(taken);
    return found;
}

/* What stands in a cell: of the columns, or of the fields where there are none. */
static const struct bs_field *field_of_cell(const struct bs_writer *writer,
                                            const struct bs_record *record,
                                            const size_t *found, size_t cell) {
    if (found)
        return found[cell] ? &record->fields[found[cell] - 1] : NULL;
    return writer->columns ? bs_writing_column(writer, record, cell)
                           : &record->fields[cell];
}

/* What comes with token ids is not for people. */
static bool is_of_tokens(const struct bs_record *record, const struct bs_field *field) {
    bool is_known = bs_span_is(field->name, BS_FIELD_IDS) ||
                    bs_span_is(field->name, BS_FIELD_TYPE_IDS) ||
                    bs_span_is(field->name, BS_FIELD_N_TOKENS) ||
                    bs_span_is(field->name, BS_FIELD_TRUNCATED);
    return is_known && bs_record_find(record, BS_FIELD_IDS);
}

void bs_writing_check_columns(const struct bs_writer *writer,
                              const struct bs_record *record) {
    static atomic_flag said = ATOMIC_FLAG_INIT;
    for (size_t i = 0; i < record->n_fields; i++) {
        const struct bs_field *field = &record->fields[i];
        if (i < writer->n_columns && bs_span_equal(field->name, writer->columns[i]))
            continue;
        size_t place = first_of_name(writer, field->name);
        if (is_of_name(writer, place, field->name) || !bs_writing_keeps(writer, field) ||
            is_of_tokens(record, field))
            continue;
        if (!atomic_flag_test_and_set(&said))
            bs_warn("%s%s%s %" PRId64 ": field \"%.*s\" has no column and is left out",
                    record->file ? record->file : "", record->file ? ": " : "",
                    record->unit ? record->unit : "record", record->number,
                    (int)(field->name.size < 100 ? field->name.size : 100),
                    field->name.data);
        return;
    }
}

bool bs_writing_row(const struct bs_writer *writer, const struct bs_record *record,
                    char separator,
                    bool (*put_cell)(struct bs_buffer *bytes, struct bs_span text),
                    struct bs_buffer *bytes) {
    struct bs_buffer scratch = {0};
    struct bs_span text;
    bool first = true,
         wide = writer->columns && (writer->repeats || record->n_fields > MANY_FIELDS);
    size_t count = writer->columns ? writer->n_columns : record->n_fields;
    size_t *found = wide ? find_columns(writer, record) : NULL;
    bool done = !wide || found;
    for (size_t i = 0; done && i < count; i++) {
        const struct bs_field *field = field_of_cell(writer, record, found, i);
        if (!writer->columns && !bs_writing_keeps(writer, &record->fields[i]))
            continue;
        done = (first || bs_buffer_append_byte(bytes, separator)) &&
               bs_writing_text(field, &scratch, &text) && put_cell(bytes, text);
        first = false;
    }
    bs_buffer_free(&scratch);
    free(found);
    if (writer->columns)
        bs_writing_check_columns(writer, record);
    return done && bs_buffer_append_byte(bytes, '\n');
}
