/* Any value as JSON, as msgpack, as plain text. Nesting is bounded: values were scanned
 * when they were read. */
#include "format/json.h"
#include "format/msgpack_pack.h"
#include "format/msgpack_scan.h"
#include "format/writing.h"

#include "common/number.h"
#include "common/utf8.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

static bool put(struct bs_buffer *bytes, const char *text) {
    return bs_buffer_append_span(bytes, bs_span_of(text));
}

/* A decimal number, without the cost of printf: ids are written by the million. */
static bool put_integer(struct bs_buffer *bytes, int64_t value) {
    char digits[24];
    int at = sizeof digits;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        digits[--at] = (char)('0' + rest % 10);
    } while (rest /= 10);
    if (value < 0)
        digits[--at] = '-';
    return bs_buffer_append(bytes, digits + at, sizeof digits - (size_t)at);
}

static bool put_ids(struct bs_buffer *bytes, const struct bs_value *value,
                    char separator) {
    for (size_t i = 0; i < value->ids.count; i++)
        if ((i > 0 && !bs_buffer_append_byte(bytes, separator)) ||
            !put_integer(bytes, value->ids.values[i]))
            return false;
    return true;
}

/* ---- JSON ---- */

static bool put_json_map(struct bs_buffer *bytes, const struct bs_value *value) {
    if (!put(bytes, "{"))
        return false;
    for (size_t i = 0; i < value->map.count; i++)
        if ((i > 0 && !put(bytes, ",")) ||
            !bs_json_put_string(bytes, bs_span_of(value->map.names[i])) ||
            !put(bytes, ":") || !bs_json_put_real(bytes, value->map.values[i]))
            return false;
    return put(bytes, "}");
}

/* RFC 4648, as a JSON string. */
static bool put_base64(struct bs_buffer *bytes, struct bs_span data) {
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if (!put(bytes, "\""))
        return false;
    for (size_t i = 0; i < data.size; i += 3) {
        size_t n = data.size - i < 3 ? data.size - i : 3;
        uint32_t word = 0;
        for (size_t k = 0; k < 3; k++)
            word = word << 8 | (k < n ? (uint8_t)data.data[i + k] : 0);
        char group[4] = {letters[word >> 18], letters[word >> 12 & 63],
                         n > 1 ? letters[word >> 6 & 63] : '=',
                         n > 2 ? letters[word & 63] : '='};
        if (!bs_buffer_append(bytes, group, 4))
            return false;
    }
    return put(bytes, "\"");
}

static bool put_ext(struct bs_buffer *bytes, const struct bs_msgpack_head *head,
                    struct bs_span data) {
    struct bs_json json = {.at = data.data, .end = data.data + data.size};
    struct bs_span value;
    /* Whoever sent it: only what is one JSON value may pass as such. */
    bool is_json = head->ext == BS_MSGPACK_EXT_JSON && data.size > 0 &&
                   !memchr(data.data, '\n', data.size) &&
                   bs_json_skip(&json, BS_JSON_DEPTH - 1, &value) && json.at == json.end;
    return is_json ? bs_buffer_append_span(bytes, data) : put_base64(bytes, data);
}

static bool put_from_msgpack(struct bs_buffer *bytes, struct bs_span *data, int depth);

/* A key that is no string, in JSON either, is written as the string of its JSON text; an
 * array or a map as base64 of its msgpack: the text of one with such keys in it would
 * double with each. */
static bool put_key(struct bs_buffer *bytes, struct bs_span *data, int depth) {
    struct bs_msgpack_head head;
    struct bs_span key;
    bool has_head = bs_msgpack_head(data->data, data->size, &head);
    if (has_head && head.type == BS_MSGPACK_STRING)
        return put_from_msgpack(bytes, data, depth);
    if (has_head && (head.type == BS_MSGPACK_ARRAY || head.type == BS_MSGPACK_MAP))
        return bs_msgpack_take(data, &key) ? put_base64(bytes, key) : put(bytes, "\"\"");
    struct bs_buffer text = {0};
    bool done = put_from_msgpack(&text, data, depth) &&
                (text.data[0] == '"' ? bs_buffer_append_span(bytes, bs_buffer_span(&text))
                                     : bs_json_put_string(bytes, bs_buffer_span(&text)));
    bs_buffer_free(&text);
    return done;
}

static bool put_elements(struct bs_buffer *bytes, const struct bs_msgpack_head *head,
                         struct bs_span *data, int depth) {
    bool is_map = head->type == BS_MSGPACK_MAP;
    if (depth == 0)
        return put(bytes, "null");
    if (!put(bytes, is_map ? "{" : "["))
        return false;
    for (uint64_t i = 0; i < head->count; i++) {
        if (i > 0 && !put(bytes, ","))
            return false;
        if (is_map && (!put_key(bytes, data, depth - 1) || !put(bytes, ":")))
            return false;
        if (!put_from_msgpack(bytes, data, depth - 1))
            return false;
    }
    return put(bytes, is_map ? "}" : "]");
}

static bool put_from_msgpack(struct bs_buffer *bytes, struct bs_span *data, int depth) {
    struct bs_msgpack_head head;
    struct bs_span content;
    if (!bs_msgpack_enter(data, &head, &content))
        return put(bytes, "null");
    switch (head.type) {
    case BS_MSGPACK_BOOLEAN:
        return put(bytes, head.number ? "true" : "false");
    case BS_MSGPACK_UNSIGNED:
        return bs_buffer_printf(bytes, "%" PRIu64, head.number);
    case BS_MSGPACK_NEGATIVE:
        return put_integer(bytes, head.negative);
    case BS_MSGPACK_REAL:
        return bs_json_put_real(bytes, head.real);
    case BS_MSGPACK_STRING:
        return bs_json_put_string(bytes, content);
    case BS_MSGPACK_BINARY:
        return put_base64(bytes, content);
    case BS_MSGPACK_EXT:
        return put_ext(bytes, &head, content);
    case BS_MSGPACK_ARRAY:
    case BS_MSGPACK_MAP:
        return put_elements(bytes, &head, data, depth);
    default:
        return put(bytes, "null");
    }
}

bool bs_put_json(struct bs_buffer *bytes, const struct bs_field *field) {
    const struct bs_value *value = &field->value;
    struct bs_span data = value->bytes;
    if (field->raw_value.size > 0 && field->raw_kind == BS_VALUE_JSON)
        return bs_buffer_append_span(bytes, field->raw_value);
    switch (value->kind) {
    case BS_VALUE_TEXT:
        return bs_json_put_string(bytes, data);
    case BS_VALUE_JSON:
        return bs_buffer_append_span(bytes, data);
    case BS_VALUE_MSGPACK:
        return put_from_msgpack(bytes, &data, BS_MSGPACK_DEPTH);
    case BS_VALUE_REAL:
        return bs_json_put_real(bytes, value->real);
    case BS_VALUE_INTEGER:
        return put_integer(bytes, value->integer);
    case BS_VALUE_BOOLEAN:
        return put(bytes, value->boolean ? "true" : "false");
    case BS_VALUE_IDS:
        return put(bytes, "[") && put_ids(bytes, value, ',') && put(bytes, "]");
    case BS_VALUE_MAP:
        return put_json_map(bytes, value);
    }
    return false;
}

/* ---- plain text ---- */

static bool is_nil(const struct bs_value *value) {
    return bs_span_is(value->bytes, value->kind == BS_VALUE_MSGPACK ? "\xc0" : "null");
}

bool bs_writing_text(const struct bs_field *field, struct bs_buffer *scratch,
                     struct bs_span *text) {
    bool done = true;
    char real[32];
    scratch->size = 0;
    *text = bs_span("", 0);
    if (!field)
        return true;
    const struct bs_value *value = &field->value;
    if (value->kind == BS_VALUE_TEXT) {
        *text = value->bytes;
        return true;
    }
    if (value->kind == BS_VALUE_REAL && isfinite(value->real)) {
        bs_format_real(value->real, real);
        done = put(scratch, real);
    } else if (value->kind == BS_VALUE_IDS) {
        done = put_ids(scratch, value, ' ');
    } else if (value->kind != BS_VALUE_REAL &&
               !((value->kind == BS_VALUE_JSON || value->kind == BS_VALUE_MSGPACK) &&
                 is_nil(value))) {
        done = bs_put_json(scratch, field);
    }
    if (scratch->size > 0)
        *text = bs_buffer_span(scratch);
    return done;
}

/* ---- msgpack ---- */

static bool pack_json_text(struct bs_buffer *bytes, struct bs_span text) {
    return bs_pack_ext(bytes, BS_MSGPACK_EXT_JSON, text);
}

/* A whole number that 64 bits hold, or a real whose shortest text is the source. */
static bool pack_number(struct bs_buffer *bytes, struct bs_span text) {
    char digits[32], shortest[32], *end;
    if (text.size >= sizeof digits)
        return pack_json_text(bytes, text);
    memcpy(digits, text.data, text.size);
    digits[text.size] = '\0';
    bool is_minus_zero = strcmp(digits, "-0") == 0;
    errno = 0;
    int64_t integer = strtoll(digits, &end, 10);
    if (*end == '\0' && errno == 0 && !is_minus_zero)
        return bs_pack_integer(bytes, integer);
    errno = 0;
    uint64_t natural = digits[0] == '-' ? 0 : strtoull(digits, &end, 10);
    if (digits[0] != '-' && *end == '\0' && errno == 0)
        return bs_pack_unsigned(bytes, natural);
    double real = strtod(digits, NULL);
    if (!isfinite(real))
        return pack_json_text(bytes, text);
    bs_format_real(real, shortest);
    return strcmp(shortest, digits) == 0 ? bs_pack_real(bytes, real)
                                         : pack_json_text(bytes, text);
}

static bool pack_string(struct bs_buffer *bytes, struct bs_span string) {
    if (!bs_json_has_escapes(string))
        return bs_pack_string(bytes, bs_span(string.data + 1, string.size - 2));
    bool lossy = false;
    char *text = malloc(string.size);
    if (!text)
        return false;
    size_t size = bs_json_decode(string, text, &lossy);
    bool done = lossy ? pack_json_text(bytes, string)
                      : bs_pack_string(bytes, bs_span(text, size));
    free(text);
    return done;
}

/* Elements behind the bracket at `json`, or pairs behind the brace. */
static size_t count_elements(struct bs_json json, bool is_map) {
    struct bs_span ignored;
    size_t count = 0;
    if (bs_json_take(&json, is_map ? '}' : ']'))
        return 0;
    do {
        count++;
        if (is_map &&
            (!bs_json_skip_string(&json, &ignored) || !bs_json_take(&json, ':')))
            break;
        if (!bs_json_skip(&json, BS_JSON_DEPTH, &ignored))
            break;
    } while (bs_json_take(&json, ','));
    return count;
}

static bool pack_json(struct bs_buffer *bytes, struct bs_json *json);

/* The depth of recursion is bounded by the scanner that passed the value. */
static bool pack_elements(struct bs_buffer *bytes, struct bs_json *json) {
    bool is_map = *json->at++ == '{';
    struct bs_span key;
    size_t count = count_elements(*json, is_map);
    if (!(is_map ? bs_pack_map(bytes, count) : bs_pack_array(bytes, count)))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (is_map && (!bs_json_skip_string(json, &key) || !pack_string(bytes, key) ||
                       !bs_json_take(json, ':')))
            return false;
        if (!pack_json(bytes, json))
            return false;
        bs_json_take(json, ',');
    }
    return bs_json_take(json, is_map ? '}' : ']');
}

static bool pack_json(struct bs_buffer *bytes, struct bs_json *json) {
    struct bs_span value;
    bs_json_skip_blank(json);
    if (json->at < json->end && (*json->at == '[' || *json->at == '{'))
        return pack_elements(bytes, json);
    if (!bs_json_skip(json, BS_JSON_DEPTH, &value))
        return false;
    switch (value.data[0]) {
    case '"':
        return pack_string(bytes, value);
    case 't':
    case 'f':
        return bs_pack_boolean(bytes, value.data[0] == 't');
    case 'n':
        return bs_pack_nil(bytes);
    default:
        return pack_number(bytes, value);
    }
}

static bool pack_map(struct bs_buffer *bytes, const struct bs_value *value) {
    bool done = bs_pack_map(bytes, value->map.count);
    for (size_t i = 0; done && i < value->map.count; i++)
        done = bs_pack_string(bytes, bs_span_of(value->map.names[i])) &&
               bs_pack_real(bytes, value->map.values[i]);
    return done;
}

bool bs_put_msgpack(struct bs_buffer *bytes, const struct bs_field *field) {
    const struct bs_value *value = &field->value;
    struct bs_json json = {0};
    if (field->raw_value.size > 0 && field->raw_kind == BS_VALUE_MSGPACK)
        return bs_buffer_append_span(bytes, field->raw_value);
    switch (value->kind) {
    case BS_VALUE_TEXT:
        /* Half a surrogate pair has no UTF-8: its JSON is kept, unless bs knows it. */
        if (field->raw_value.size > 0 && bs_known_field(field->name) < 0)
            return pack_string(bytes, field->raw_value);
        return bs_pack_string(bytes, value->bytes);
    case BS_VALUE_JSON:
        json.at = value->bytes.data;
        json.end = json.at + value->bytes.size;
        return pack_json(bytes, &json);
    case BS_VALUE_MSGPACK:
        return bs_buffer_append_span(bytes, value->bytes);
    case BS_VALUE_REAL:
        return bs_pack_real(bytes, value->real);
    case BS_VALUE_INTEGER:
        return bs_pack_integer(bytes, value->integer);
    case BS_VALUE_BOOLEAN:
        return bs_pack_boolean(bytes, value->boolean);
    case BS_VALUE_IDS:
        return bs_pack_ids(bytes, value->ids.values, value->ids.count);
    case BS_VALUE_MAP:
        return pack_map(bytes, value);
    }
    return false;
}
