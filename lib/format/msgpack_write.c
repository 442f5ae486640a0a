/* Writing msgpack records; the stream around them is writer.c's. */
#include "common/log.h"
#include "format/msgpack_pack.h"
#include "format/writing.h"

#include <inttypes.h>
#include <stdatomic.h>

static bool put_name(struct bs_buffer *bytes, const struct bs_field *field) {
    if (field->raw_name.size > 0 && field->raw_kind == BS_VALUE_MSGPACK)
        return bs_buffer_append_span(bytes, field->raw_name);
    return bs_pack_string(bytes, field->name);
}

/* A stream promises the types of known fields; a record that was rejected may have
 * others, and a table a column that is only called like one. */
static bool fits(const struct bs_record *record, const struct bs_field *field) {
    static atomic_flag said = ATOMIC_FLAG_INIT;
    if (bs_field_fits(field))
        return true;
    int known = bs_known_field(field->name);
    if (!atomic_flag_test_and_set(&said))
        bs_warn("field \"%s\" is left out of msgpack, where it is %s (%s %" PRId64 ")",
                bs_known_fields[known].name, bs_type_name(bs_known_fields[known].type),
                record->unit ? record->unit : "record", record->number);
    return false;
}

static bool is_written(const struct bs_writer *writer, const struct bs_record *record,
                       const struct bs_field *field) {
    return bs_writing_keeps(writer, field) && fits(record, field);
}

static bool encode(const struct bs_writer *writer, const struct bs_record *record,
                   struct bs_buffer *bytes) {
    size_t count = 0;
    for (size_t i = 0; i < record->n_fields; i++)
        count += is_written(writer, record, &record->fields[i]);
    if (!bs_pack_map(bytes, count))
        return false;
    for (size_t i = 0; i < record->n_fields; i++) {
        const struct bs_field *field = &record->fields[i];
        if (is_written(writer, record, field) &&
            (!put_name(bytes, field) || !bs_put_msgpack(bytes, field)))
            return false;
    }
    return true;
}

const struct bs_writing bs_writing_msgpack = {.encode = encode};
