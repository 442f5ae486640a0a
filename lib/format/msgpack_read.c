/* Reading msgpack streams: header, records, checks and end; damage is found by the next
 * check at the latest. */
#include "common/hash.h"
#include "format/msgpack_pack.h"
#include "format/msgpack_scan.h"
#include "format/reading.h"

#include <inttypes.h>
#include <stdlib.h>

/* msgpack-c unpacks a byte to as many as 24. */
enum { MAX_CONTROL = 4 << 20 };

struct stream {
    struct bs_msgpack_scan scan; /* of the value at the front of the window */
    bool open;                   /* a header was read, an end was not */
    bool any;                    /* a header was ever read in this file */
    bool skipping;               /* a record too long: only its beginning is kept */
    struct bs_buffer kept;
    size_t size;     /* bytes of the record found, still in the window */
    int64_t records; /* since the header */
    int64_t checked; /* of them confirmed by a check */
    int64_t before;  /* records of streams ended in this file */
    uint32_t crc;    /* since the last check */
};

/* Damage somewhere behind the last check. `reading`: within the record to come. */
static int damage(struct bs_reader *reader, bool reading, const char *what,
                  struct bs_error *error) {
    const struct stream *stream = reader->state;
    int64_t first = stream->before + stream->checked + 1;
    int64_t last = stream->before + stream->records + reading;
    if (!stream->any)
        return bs_fail(error, BS_DATA, "%s: %s", reader->path, what);
    if (last == 0)
        return bs_fail(error, BS_DATA, "%s: behind the header: %s", reader->path, what);
    if (last < first)
        return bs_fail(error, BS_DATA, "%s: behind record %" PRId64 ": %s", reader->path,
                       last, what);
    return bs_fail(error, BS_DATA, "%s: records %" PRId64 "-%" PRId64 ": %s",
                   reader->path, first, last, what);
}

static int begin(struct bs_reader *reader, struct bs_error *error) {
    if (bs_input_data(&reader->input).size == 0 && reader->input.ended)
        return bs_fail(error, BS_DATA,
                       "%s: empty, not even the header of a stream: did the command that "
                       "writes it fail?",
                       reader->path);
    reader->state = bs_alloc(1, sizeof(struct stream));
    if (!reader->state)
        return bs_fail_memory(error, sizeof(struct stream), reader->path);
    return BS_OK;
}

static void end(struct bs_reader *reader) {
    struct stream *stream = reader->state;
    if (stream)
        bs_buffer_free(&stream->kept);
    free(stream);
    reader->state = NULL;
}

/* Those of the first one, or none. */
static bool labels_agree(const struct bs_stream_header *header,
                         const struct bs_stream_header *first) {
    bool same = header->n_labels == first->n_labels;
    for (size_t i = 0; same && i < header->n_labels; i++)
        same = strcmp(header->labels[i], first->labels[i]) == 0;
    return same || header->n_labels == 0;
}

/* A header: the first one is kept, others must agree with it. */
static int check_header(struct bs_reader *reader, struct bs_stream_header *header,
                        struct bs_error *error) {
    const struct bs_stream_header *first = &reader->header;
    if (!reader->header_path) {
        reader->header = *header;
        reader->header_path = reader->path;
        *header = (struct bs_stream_header){0};
        return BS_OK;
    }
    const char *differs =
        header->kind != first->kind ? "kind; read tokens and predictions in separate runs"
        : strcmp(header->tokenizer, first->tokenizer) != 0
            ? "tokenizer; make both again with the same -m"
        : header->max_length != first->max_length
            ? "max_length; make both again with the same --max-length"
        : !labels_agree(header, first) ? "labels; make both again with the same --labels"
                                       : NULL;
    if (differs)
        return bs_fail(error, BS_DATA,
                       "%s: the header of the stream differs from the first one's (%s) "
                       "in %s",
                       reader->path, reader->header_path, differs);
    return BS_OK;
}

static int begin_stream(struct bs_reader *reader, struct bs_span bytes,
                        struct bs_stream_header *header, struct bs_error *error) {
    struct stream *stream = reader->state;
    if (stream->open)
        return damage(reader, false, "a second header before the end of the stream",
                      error);
    stream->open = stream->any = true;
    stream->records = stream->checked = 0;
    stream->crc = bs_crc32(0, bytes.data, bytes.size);
    return check_header(reader, header, error);
}

static int take_check(struct bs_reader *reader, const struct bs_control *control,
                      struct bs_error *error) {
    struct stream *stream = reader->state;
    if (control->crc != stream->crc)
        return damage(reader, false, "checksum mismatch: the stream is damaged", error);
    if (control->records != (uint64_t)stream->records)
        return damage(reader, false, "records are missing from the stream", error);
    stream->checked = stream->records;
    stream->crc = 0;
    if (control->kind == BS_CONTROL_END) {
        stream->open = false;
        stream->before += stream->records;
        stream->records = stream->checked = 0;
    }
    return BS_OK;
}

/* Takes in an array: it is no record. */
static int take_control(struct bs_reader *reader, struct bs_error *error) {
    struct stream *stream = reader->state;
    struct bs_span bytes = bs_span(bs_input_data(&reader->input).data, stream->scan.at);
    struct bs_stream_header header = {0};
    struct bs_control control;
    int code = bs_unpack_control(bytes, &control, &header, error);
    if (code == BS_DATA) {
        char what[sizeof error->text];
        memcpy(what, error->text, sizeof what);
        code = damage(reader, false, what, error);
    } else if (!code && control.kind == BS_CONTROL_HEADER) {
        code = begin_stream(reader, bytes, &header, error);
    } else if (!code && !stream->open) {
        code = damage(reader, false, "a check without a header", error);
    } else if (!code) {
        code = take_check(reader, &control, error);
    }
    bs_stream_header_free(&header);
    bs_input_consume(&reader->input, bytes.size);
    bs_msgpack_scan_begin(&stream->scan);
    return code;
}

/* Lets go of what the scan has passed of a record that is too long. */
static int skip_bytes(struct bs_reader *reader, struct bs_error *error) {
    struct stream *stream = reader->state;
    struct bs_span passed = bs_span(bs_input_data(&reader->input).data, stream->scan.at);
    size_t keep = BS_RAW_KEPT - stream->kept.size;
    keep = keep < passed.size ? keep : passed.size;
    if (!bs_buffer_append(&stream->kept, passed.data, keep))
        return bs_fail_memory(error, keep, "a record that is too long");
    stream->skipping = true;
    stream->crc = bs_crc32(stream->crc, passed.data, passed.size);
    bs_input_consume(&reader->input, passed.size);
    stream->scan.at = 0;
    return BS_OK;
}

/* What the first byte says: maps are records, arrays are not, all else is damage. */
static int look_at_first(struct bs_reader *reader, bool *is_record,
                         struct bs_error *error) {
    struct stream *stream = reader->state;
    uint8_t first = (uint8_t)bs_input_data(&reader->input).data[0];
    *is_record = (first >= 0x80 && first < 0x90) || first == 0xDE || first == 0xDF;
    bool is_array = (first >= 0x90 && first < 0xA0) || first == 0xDC || first == 0xDD;
    if (!stream->any && !is_array)
        return bs_fail(error, BS_DATA,
                       "%s: not a stream of records (msgpack with a header)",
                       reader->path);
    if (*is_record && !stream->open)
        return damage(reader, false, "a record behind the end of the stream", error);
    if (!*is_record && !is_array)
        return damage(reader, true, "neither a record nor a check: the stream is damaged",
                      error);
    return BS_OK;
}

static int at_end(struct bs_reader *reader, bool in_record, struct bs_error *error) {
    const struct stream *stream = reader->state;
    return damage(reader, in_record,
                  in_record      ? "cut off within a record"
                  : !stream->any ? "cut off within the header of the stream"
                                 : "the stream has no end: it was cut off, or what "
                                   "wrote it failed",
                  error);
}

static int need_more(struct bs_reader *reader, bool is_record, struct bs_error *error) {
    struct stream *stream = reader->state;
    if (reader->input.ended)
        return at_end(reader, is_record, error);
    if (stream->scan.at > MAX_CONTROL && !is_record)
        return damage(reader, true, "a check of more than 4 MiB: the stream is damaged",
                      error);
    size_t held = bs_input_data(&reader->input).size;
    if (is_record && (stream->skipping || held > reader->max_record) &&
        skip_bytes(reader, error))
        return error->code;
    return BS_MORE;
}

static int record_found(struct bs_reader *reader, struct bs_error *error) {
    struct stream *stream = reader->state;
    stream->size = stream->scan.at;
    stream->records++;
    if (stream->skipping || stream->size > reader->max_record) {
        stream->size = 0;
        return skip_bytes(reader, error);
    }
    stream->crc = bs_crc32(stream->crc, bs_input_data(&reader->input).data, stream->size);
    return BS_OK;
}

static int find(struct bs_reader *reader, struct bs_error *error) {
    struct stream *stream = reader->state;
    for (;;) {
        struct bs_span data = bs_input_data(&reader->input);
        bool is_record = stream->skipping;
        if (data.size == 0 && !stream->skipping) {
            bool complete = stream->any && !stream->open;
            if (!reader->input.ended)
                return BS_MORE;
            return complete ? BS_END : at_end(reader, false, error);
        }
        if (!stream->skipping && look_at_first(reader, &is_record, error))
            return error->code;
        switch (bs_msgpack_scan(&stream->scan, data)) {
        case BS_MSGPACK_MORE:
            return need_more(reader, is_record, error);
        case BS_MSGPACK_DAMAGED:
            return damage(reader, true, "not msgpack: the stream is damaged", error);
        case BS_MSGPACK_TOO_DEEP:
            return damage(reader, true, "values nest deeper than 64", error);
        case BS_MSGPACK_DONE:
            break;
        }
        if (is_record)
            return record_found(reader, error);
        if (take_control(reader, error))
            return error->code;
    }
}

/* A known field of the wrong type, where the header promises the right one. */
static void check_type(struct bs_reader *reader, const struct bs_field *field) {
    int known = bs_known_field(field->name);
    if (reader->fault.code || bs_field_fits(field) ||
        (!bs_known_fields[known].of_tokens &&
         reader->header.kind != BS_STREAM_PREDICTIONS))
        return;
    (void)bs_fail(&reader->fault, BS_REJECTED, "field \"%s\" is not %s",
                  bs_known_fields[known].name, bs_type_name(bs_known_fields[known].type));
}

static int take_field(struct bs_reader *reader, struct bs_record *record,
                      struct bs_span *data, struct bs_error *error) {
    const char *start = data->data;
    struct bs_msgpack_head key;
    struct bs_span name, value;
    struct bs_field *field;
    enum bs_field_type type;
    if (!bs_msgpack_enter(data, &key, &name) || key.type != BS_MSGPACK_STRING)
        return bs_fail(error, BS_REJECTED, "the name of a field is not a string");
    struct bs_span raw_name = bs_span(start, (size_t)(data->data - start));
    if (!bs_msgpack_take(data, &value))
        return bs_fail(error, BS_REJECTED, "a field without a value");
    if (bs_reading_add(reader, record, name, &field, &type, error))
        return error->code;
    if (!field)
        return BS_OK;
    if (bs_span_equal(field->name, name))
        field->raw_name = raw_name;
    int code = bs_field_from_msgpack(record, field, type, value, error);
    if (!code && type != BS_TYPE_ANY)
        check_type(reader, field);
    return code;
}

static int take_map(struct bs_reader *reader, struct bs_record *record,
                    struct bs_error *error) {
    struct bs_span data = record->raw, none;
    struct bs_msgpack_head map;
    if (!bs_msgpack_enter(&data, &map, &none))
        return bs_fail(error, BS_REJECTED, "not a map");
    for (uint64_t i = 0; i < map.count; i++)
        if (take_field(reader, record, &data, error))
            return error->code;
    return BS_OK;
}

static int take(struct bs_reader *reader, struct bs_record *record,
                struct bs_error *error) {
    struct stream *stream = reader->state;
    bool too_long = stream->skipping;
    struct bs_span source =
        too_long ? bs_buffer_span(&stream->kept)
                 : bs_span(bs_input_data(&reader->input).data, stream->size);
    bs_reading_begin_record(reader, record, "record", reader->number++);
    bool copied = bs_record_copy(record, source, &record->raw);
    bs_input_consume(&reader->input, stream->size);
    bs_msgpack_scan_begin(&stream->scan);
    stream->skipping = false;
    stream->kept.size = 0;
    if (!copied)
        return bs_fail_memory(error, source.size, reader->path);
    if (too_long)
        return bs_fail(error, BS_REJECTED, "longer than %zu bytes (--max-record)",
                       reader->max_record);
    return take_map(reader, record, error);
}

const struct bs_reading bs_reading_msgpack = {
    .begin = begin, .find = find, .take = take, .end = end};
