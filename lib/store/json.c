/* Strict JSON objects, through jansson. */
#include "store/json.h"

#include <errno.h>

/* jansson itself seldom says that it was memory. */
static int load(json_t **object, struct bs_span text, size_t flags, const char *what,
                struct bs_error *error) {
    json_error_t reason;
    const char *data = text.data ? text.data : "";
    errno = 0;
    *object = json_loadb(data, text.size, flags | JSON_REJECT_DUPLICATES, &reason);
    if (!*object && errno == ENOMEM)
        return bs_fail_memory(error, text.size, what);
    if (!*object)
        return bs_fail(error, BS_DATA, "%s: not valid JSON (line %d, column %d: %s)",
                       what, reason.line, reason.column, reason.text);
    if (json_is_object(*object))
        return BS_OK;
    json_decref(*object);
    *object = NULL;
    return bs_fail(error, BS_DATA, "%s: not a JSON object", what);
}

int bs_json_object(json_t **object, struct bs_span text, const char *what,
                   struct bs_error *error) {
    return load(object, text, 0, what, error);
}

int bs_json_object_as_reals(json_t **object, struct bs_span text, const char *what,
                            struct bs_error *error) {
    return load(object, text, JSON_DECODE_INT_AS_REAL, what, error);
}

struct bs_span bs_json_span(const json_t *value) {
    if (!json_is_string(value))
        return bs_span(NULL, 0);
    return bs_span(json_string_value(value), json_string_length(value));
}

bool bs_json_is(const json_t *value, const char *string) {
    return json_is_string(value) && bs_span_is(bs_json_span(value), string);
}
