/*
 * The fields that bs knows: their names and types, and their values out of JSON or
 * msgpack.
 */
#ifndef BS_FORMAT_FIELDS_H
#define BS_FORMAT_FIELDS_H

#include "format/stream_header.h"
#include "record/record.h"

enum bs_field_type {
    BS_TYPE_TEXT,
    BS_TYPE_NAME, /* a text; a number, true or false becomes one */
    BS_TYPE_IDS,
    BS_TYPE_INTEGER,
    BS_TYPE_BOOLEAN,
    BS_TYPE_REAL,
    BS_TYPE_MAP,
    BS_TYPE_ANY, /* a field that bs does not know */
};

struct bs_known_field {
    const char *name;
    enum bs_field_type type;
    bool of_tokens; /* belongs to a stream of tokens; the others only to predictions */
};

/* In the order of this enumeration. */
enum { BS_KNOWN_TEXT, BS_KNOWN_TEXT2, BS_KNOWN_LABEL };
extern const struct bs_known_field bs_known_fields[];

/* Index into bs_known_fields, or -1. */
int bs_known_field(struct bs_span name);

/* Whether a field that bs knows has a value of its type, or nil; true of all others. */
bool bs_field_fits(const struct bs_field *field);

/* "a whole number" and so on, for messages. */
const char *bs_type_name(enum bs_field_type type);

/* Set the value of a field from the text of a JSON value, or the bytes of a msgpack
 * value, both valid: strings become TEXT; what fits `type` becomes that; all else stays
 * as it is. The source is not copied and must live as long as the record. BS_RESOURCE
 * without memory. */
int bs_field_from_json(struct bs_record *record, struct bs_field *field,
                       enum bs_field_type type, struct bs_span text,
                       struct bs_error *error) BS_MUST_CHECK;
int bs_field_from_msgpack(struct bs_record *record, struct bs_field *field,
                          enum bs_field_type type, struct bs_span bytes,
                          struct bs_error *error) BS_MUST_CHECK;

#endif
