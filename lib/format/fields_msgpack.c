/* Values of known fields out of msgpack whose bounds are checked. */
#include "common/number.h"
#include "format/fields.h"
#include "format/msgpack_scan.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

static bool to_integer(const struct bs_msgpack_head *head, int64_t *integer) {
    if (head->type == BS_MSGPACK_NEGATIVE)
        *integer = head->negative;
    else if (head->type == BS_MSGPACK_UNSIGNED && head->number <= INT64_MAX)
        *integer = (int64_t)head->number;
    else if (head->type == BS_MSGPACK_REAL && fabs(head->real) <= 9007199254740992.0 &&
             head->real == trunc(head->real))
        *integer = (int64_t)head->real;
    else
        return false;
    return true;
}

static bool to_real(const struct bs_msgpack_head *head, double *real) {
    if (head->type == BS_MSGPACK_REAL)
        *real = head->real;
    else if (head->type == BS_MSGPACK_UNSIGNED)
        *real = (double)head->number;
    else if (head->type == BS_MSGPACK_NEGATIVE)
        *real = (double)head->negative;
    else
        return false;
    return isfinite(*real);
}

/* The decoders below: BS_OK, BS_END if the type does not fit, or BS_RESOURCE. */

static int to_ids(struct bs_record *record, const struct bs_msgpack_head *head,
                  struct bs_span rest, struct bs_value *value, struct bs_error *error) {
    size_t count = (size_t)head->count;
    if (head->type != BS_MSGPACK_ARRAY || count > rest.size)
        return BS_END;
    int32_t *ids = bs_record_alloc(record, count * sizeof *ids);
    if (!ids)
        return bs_fail_memory(error, count * sizeof *ids, "ids");
    const uint8_t *at = (const uint8_t *)rest.data, *end = at + rest.size;
    for (size_t i = 0; i < count; i++) {
        struct bs_msgpack_head item;
        int64_t id;
        if (end - at >= 3 && *at == 0xCD) {
            ids[i] = at[1] << 8 | at[2];
            at += 3;
            continue;
        }
        if (!bs_msgpack_head((const char *)at, (size_t)(end - at), &item) ||
            !to_integer(&item, &id) || id < INT32_MIN || id > INT32_MAX)
            return BS_END;
        ids[i] = (int32_t)id;
        at += item.size;
    }
    *value =
        (struct bs_value){.kind = BS_VALUE_IDS, .ids = {.values = ids, .count = count}};
    return BS_OK;
}

/* A name as a string of its own; NULL without memory. */
static const char *name_string(struct bs_record *record, struct bs_span bytes) {
    char *name = bs_record_alloc(record, bytes.size + 1);
    if (name) {
        memcpy(name, bytes.data, bytes.size);
        name[bytes.size] = '\0';
    }
    return name;
}

static int to_map(struct bs_record *record, const struct bs_msgpack_head *head,
                  struct bs_span rest, struct bs_value *value, struct bs_error *error) {
    size_t count = (size_t)head->count;
    if (head->type != BS_MSGPACK_MAP || count > rest.size)
        return BS_END;
    const char **names = bs_record_alloc(record, count * sizeof *names);
    double *reals = bs_record_alloc(record, count * sizeof *reals);
    if (!names || !reals)
        return bs_fail_memory(error, count * 16, "probabilities");
    for (size_t i = 0; i < count; i++) {
        struct bs_msgpack_head key, item;
        struct bs_span name, ignored;
        if (!bs_msgpack_enter(&rest, &key, &name) || key.type != BS_MSGPACK_STRING ||
            !bs_msgpack_enter(&rest, &item, &ignored) || !to_real(&item, &reals[i]))
            return BS_END;
        if (!(names[i] = name_string(record, name)))
            return bs_fail_memory(error, name.size, "a label");
    }
    *value = (struct bs_value){.kind = BS_VALUE_MAP,
                               .map = {.names = names, .values = reals, .count = count}};
    return BS_OK;
}

static int to_name(struct bs_record *record, const struct bs_msgpack_head *head,
                   struct bs_value *value, struct bs_error *error) {
    char text[32];
    double real;
    if (head->type == BS_MSGPACK_BOOLEAN)
        snprintf(text, sizeof text, "%s", head->number ? "true" : "false");
    else if (head->type == BS_MSGPACK_UNSIGNED)
        snprintf(text, sizeof text, "%" PRIu64, head->number);
    else if (head->type == BS_MSGPACK_NEGATIVE)
        snprintf(text, sizeof text, "%" PRId64, head->negative);
    else if (to_real(head, &real))
        bs_format_real(real, text);
    else
        return BS_END;
    value->kind = BS_VALUE_TEXT;
    if (!bs_record_copy(record, bs_span_of(text), &value->bytes))
        return bs_fail_memory(error, sizeof text, "a label");
    return BS_OK;
}

static int convert(struct bs_record *record, enum bs_field_type type,
                   const struct bs_msgpack_head *head, struct bs_span rest,
                   struct bs_value *value, struct bs_error *error) {
    struct bs_value wanted = {.kind = BS_VALUE_MSGPACK};
    if (type == BS_TYPE_IDS)
        return to_ids(record, head, rest, value, error);
    if (type == BS_TYPE_MAP)
        return to_map(record, head, rest, value, error);
    if (type == BS_TYPE_NAME)
        return to_name(record, head, value, error);
    if (type == BS_TYPE_INTEGER && to_integer(head, &wanted.integer))
        wanted.kind = BS_VALUE_INTEGER;
    else if (type == BS_TYPE_REAL && to_real(head, &wanted.real))
        wanted.kind = BS_VALUE_REAL;
    else if (type == BS_TYPE_BOOLEAN && head->type == BS_MSGPACK_BOOLEAN)
        wanted = (struct bs_value){.kind = BS_VALUE_BOOLEAN, .boolean = head->number};
    else
        return BS_END;
    *value = wanted;
    return BS_OK;
}

int bs_field_from_msgpack(struct bs_record *record, struct bs_field *field,
                          enum bs_field_type type, struct bs_span bytes,
                          struct bs_error *error) {
    struct bs_msgpack_head head;
    struct bs_span rest = bytes, text;
    field->raw_kind = BS_VALUE_MSGPACK;
    field->raw_value = bytes;
    field->value = (struct bs_value){.kind = BS_VALUE_MSGPACK, .bytes = bytes};
    if (!bs_msgpack_enter(&rest, &head, &text))
        return BS_OK;
    if (head.type == BS_MSGPACK_STRING) {
        field->value = (struct bs_value){.kind = BS_VALUE_TEXT, .bytes = text};
        return BS_OK;
    }
    int code = convert(record, type, &head, rest, &field->value, error);
    if (code == BS_END)
        field->value = (struct bs_value){.kind = BS_VALUE_MSGPACK, .bytes = bytes};
    /* A label is written as a name, whatever it was. */
    if (field->value.kind == BS_VALUE_TEXT)
        field->raw_value = bs_span(NULL, 0);
    return code == BS_END ? BS_OK : code;
}
