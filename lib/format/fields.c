/* Names and types of the fields that bs knows. */
#include "format/fields.h"

const struct bs_known_field bs_known_fields[] = {
    [BS_KNOWN_TEXT] = {BS_FIELD_TEXT, BS_TYPE_TEXT, true},
    [BS_KNOWN_TEXT2] = {BS_FIELD_TEXT2, BS_TYPE_TEXT, true},
    [BS_KNOWN_LABEL] = {BS_FIELD_LABEL, BS_TYPE_NAME, true},
    {BS_FIELD_IDS, BS_TYPE_IDS, true},
    {BS_FIELD_TYPE_IDS, BS_TYPE_IDS, true},
    {BS_FIELD_N_TOKENS, BS_TYPE_INTEGER, true},
    {BS_FIELD_TRUNCATED, BS_TYPE_BOOLEAN, true},
    {BS_FIELD_PREDICTED, BS_TYPE_NAME, false},
    {BS_FIELD_PROBABILITY, BS_TYPE_REAL, false},
    {BS_FIELD_PROBABILITIES, BS_TYPE_MAP, false},
};

int bs_known_field(struct bs_span name) {
    int count = (int)(sizeof bs_known_fields / sizeof *bs_known_fields);
    for (int i = 0; i < count; i++)
        if (bs_span_is(name, bs_known_fields[i].name))
            return i;
    return -1;
}

static bool is_nil(const struct bs_value *value) {
    return (value->kind == BS_VALUE_MSGPACK && bs_span_is(value->bytes, "\xc0")) ||
           (value->kind == BS_VALUE_JSON && bs_span_is(value->bytes, "null"));
}

bool bs_field_fits(const struct bs_field *field) {
    static const enum bs_value_kind kinds[] = {
        [BS_TYPE_TEXT] = BS_VALUE_TEXT,       [BS_TYPE_NAME] = BS_VALUE_TEXT,
        [BS_TYPE_IDS] = BS_VALUE_IDS,         [BS_TYPE_INTEGER] = BS_VALUE_INTEGER,
        [BS_TYPE_BOOLEAN] = BS_VALUE_BOOLEAN, [BS_TYPE_REAL] = BS_VALUE_REAL,
        [BS_TYPE_MAP] = BS_VALUE_MAP,
    };
    int known = bs_known_field(field->name);
    return known < 0 || field->value.kind == kinds[bs_known_fields[known].type] ||
           is_nil(&field->value);
}

const char *bs_type_name(enum bs_field_type type) {
    static const char *const names[] = {
        [BS_TYPE_TEXT] = "a text",
        [BS_TYPE_NAME] = "a text or a number",
        [BS_TYPE_IDS] = "a list of whole numbers below 2147483648",
        [BS_TYPE_INTEGER] = "a whole number",
        [BS_TYPE_BOOLEAN] = "true or false",
        [BS_TYPE_REAL] = "a number",
        [BS_TYPE_MAP] = "a map of numbers by label",
        [BS_TYPE_ANY] = "a value",
    };
    return names[type];
}
