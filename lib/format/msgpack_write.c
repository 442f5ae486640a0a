/* Writing msgpack records; the stream around them is writer.c's. */
#include "format/msgpack_pack.h"
#include "format/writing.h"

static bool put_name(struct bs_buffer *bytes, const struct bs_field *field) {
    if (field->raw_name.size > 0 && field->raw_kind == BS_VALUE_MSGPACK)
        return bs_buffer_append_span(bytes, field->raw_name);
    return bs_pack_string(bytes, field->name);
}

/* A stream promises the types of known fields; a record that was rejected may have
 * others, and a table a column that is only called like one. */
static bool is_written(const struct bs_writer *writer, const struct bs_field *field) {
    return bs_writing_keeps(writer, field) && bs_field_fits(field);
}

static bool encode(const struct bs_writer *writer, const struct bs_record *record,
                   struct bs_buffer *bytes) {
    size_t count = 0;
    for (size_t i = 0; i < record->n_fields; i++)
        count += is_written(writer, &record->fields[i]);
    if (!bs_pack_map(bytes, count))
        return false;
    for (size_t i = 0; i < record->n_fields; i++) {
        const struct bs_field *field = &record->fields[i];
        if (is_written(writer, field) &&
            (!put_name(bytes, field) || !bs_put_msgpack(bytes, field)))
            return false;
    }
    return true;
}

const struct bs_writing bs_writing_msgpack = {.encode = encode};
