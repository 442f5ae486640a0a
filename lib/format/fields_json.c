/* Values of known fields out of valid JSON. */
#include "format/fields.h"
#include "format/json.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

static bool is_number(struct bs_span text) {
    return text.data[0] == '-' || (text.data[0] >= '0' && text.data[0] <= '9');
}

/* Whole numbers, also as 1.0 or 1e3 where a double holds them exactly. */
static bool to_integer(struct bs_span text, int64_t *integer) {
    char digits[64], *end;
    if (!is_number(text) || text.size >= sizeof digits)
        return false;
    memcpy(digits, text.data, text.size);
    digits[text.size] = '\0';
    errno = 0;
    *integer = strtoll(digits, &end, 10);
    if (*end == '\0')
        return errno == 0;
    double real = strtod(digits, NULL);
    if (!(fabs(real) <= 9007199254740992.0) || real != trunc(real))
        return false;
    *integer = (int64_t)real;
    return true;
}

static bool to_real(struct bs_span text, double *real) {
    char digits[512];
    if (!is_number(text) || text.size >= sizeof digits)
        return false;
    memcpy(digits, text.data, text.size);
    digits[text.size] = '\0';
    *real = strtod(digits, NULL);
    return isfinite(*real);
}

/* A string that is already scanned; decoded memory ends with a zero byte. */
static bool decode(struct bs_record *record, struct bs_span string,
                   struct bs_span *text) {
    *text = bs_span(string.data + 1, string.size - 2);
    if (!bs_json_has_escapes(string))
        return true;
    char *memory = bs_record_alloc(record, string.size);
    if (!memory)
        return false;
    *text = bs_span(memory, bs_json_decode(string, memory, NULL));
    return true;
}

/* Elements of a valid array, or pairs of a valid object. */
static size_t count_elements(struct bs_span text) {
    struct bs_json json = {.at = text.data + 1, .end = text.data + text.size};
    struct bs_span value;
    size_t count = 0;
    while (bs_json_skip(&json, BS_JSON_DEPTH, &value)) {
        count++;
        if (bs_json_take(&json, ':') && !bs_json_skip(&json, BS_JSON_DEPTH, &value))
            break;
        if (!bs_json_take(&json, ','))
            break;
    }
    return count;
}

/* The decoders below: BS_OK, BS_END if the type does not fit, or BS_RESOURCE. */

static int to_ids(struct bs_record *record, struct bs_span text, struct bs_value *value,
                  struct bs_error *error) {
    if (text.data[0] != '[')
        return BS_END;
    struct bs_json json = {.at = text.data + 1, .end = text.data + text.size};
    size_t count = count_elements(text);
    int32_t *ids = bs_record_alloc(record, count * sizeof *ids);
    if (!ids)
        return bs_fail_memory(error, count * sizeof *ids, "ids");
    for (size_t i = 0; i < count; i++) {
        struct bs_span item;
        int64_t id;
        if (!bs_json_skip(&json, BS_JSON_DEPTH, &item) || !to_integer(item, &id) ||
            id < INT32_MIN || id > INT32_MAX)
            return BS_END;
        ids[i] = (int32_t)id;
        bs_json_take(&json, ',');
    }
    *value =
        (struct bs_value){.kind = BS_VALUE_IDS, .ids = {.values = ids, .count = count}};
    return BS_OK;
}

/* A name as a string of its own; NULL without memory. */
static const char *name_string(struct bs_record *record, struct bs_span string) {
    char *name = bs_record_alloc(record, string.size);
    if (name)
        name[bs_json_decode(string, name, NULL)] = '\0';
    return name;
}

static int to_map(struct bs_record *record, struct bs_span text, struct bs_value *value,
                  struct bs_error *error) {
    if (text.data[0] != '{')
        return BS_END;
    struct bs_json json = {.at = text.data + 1, .end = text.data + text.size};
    size_t count = count_elements(text);
    const char **names = bs_record_alloc(record, count * sizeof *names);
    double *reals = bs_record_alloc(record, count * sizeof *reals);
    if (!names || !reals)
        return bs_fail_memory(error, count * 16, "probabilities");
    for (size_t i = 0; i < count; i++) {
        struct bs_span name, item;
        if (!bs_json_skip_string(&json, &name) || !bs_json_take(&json, ':') ||
            !bs_json_skip(&json, BS_JSON_DEPTH, &item) || !to_real(item, &reals[i]))
            return BS_END;
        if (!(names[i] = name_string(record, name)))
            return bs_fail_memory(error, name.size, "a label");
        bs_json_take(&json, ',');
    }
    *value = (struct bs_value){.kind = BS_VALUE_MAP,
                               .map = {.names = names, .values = reals, .count = count}};
    return BS_OK;
}

static int convert(struct bs_record *record, enum bs_field_type type, struct bs_span text,
                   struct bs_value *value, struct bs_error *error) {
    struct bs_value wanted = {.kind = BS_VALUE_JSON};
    bool is_word = bs_span_is(text, "true") || bs_span_is(text, "false");
    if (type == BS_TYPE_IDS)
        return to_ids(record, text, value, error);
    if (type == BS_TYPE_MAP)
        return to_map(record, text, value, error);
    if (type == BS_TYPE_INTEGER && to_integer(text, &wanted.integer))
        wanted.kind = BS_VALUE_INTEGER;
    else if (type == BS_TYPE_REAL && to_real(text, &wanted.real))
        wanted.kind = BS_VALUE_REAL;
    else if (type == BS_TYPE_BOOLEAN && is_word)
        wanted =
            (struct bs_value){.kind = BS_VALUE_BOOLEAN, .boolean = text.data[0] == 't'};
    else if (type == BS_TYPE_NAME && (is_word || is_number(text)))
        wanted = (struct bs_value){.kind = BS_VALUE_TEXT, .bytes = text};
    else
        return BS_END;
    *value = wanted;
    return BS_OK;
}

int bs_field_from_json(struct bs_record *record, struct bs_field *field,
                       enum bs_field_type type, struct bs_span text,
                       struct bs_error *error) {
    field->raw_kind = BS_VALUE_JSON;
    field->raw_value = text;
    if (text.data[0] == '"') {
        field->value.kind = BS_VALUE_TEXT;
        if (!decode(record, text, &field->value.bytes))
            return bs_fail_memory(error, text.size, "a text");
        return BS_OK;
    }
    int code = convert(record, type, text, &field->value, error);
    if (code == BS_END)
        field->value = (struct bs_value){.kind = BS_VALUE_JSON, .bytes = text};
    /* A label is written as a name, whatever it was. */
    if (field->value.kind == BS_VALUE_TEXT)
        field->raw_value = bs_span(NULL, 0);
    return code == BS_END ? BS_OK : code;
}
