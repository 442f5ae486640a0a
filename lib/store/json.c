/* Strict JSON objects, through jansson. */
#include "store/json.h"

#include <pthread.h>
#include <stdlib.h>

/* Reading without memory, jansson seldom says so: it goes on with a byte of a string left
 * out, and behind the string if that byte was the last. So where it has failed to get
 * memory once, it gets none any more. */
static _Thread_local bool reading, ran_out;

static void *allocate(size_t size) {
    void *memory = reading && ran_out ? NULL : malloc(size);
    ran_out = ran_out || !memory;
    return memory;
}

static void set_allocator(void) {
    json_set_alloc_funcs(allocate, free);
}

static int load(json_t **object, struct bs_span text, size_t flags, const char *what,
                struct bs_error *error) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    json_error_t reason;
    const char *data = text.data ? text.data : "";
    pthread_once(&once, set_allocator);
    ran_out = false;
    reading = true;
    *object = json_loadb(data, text.size, flags | JSON_REJECT_DUPLICATES, &reason);
    reading = false;
    if (json_is_object(*object) && !ran_out)
        return BS_OK;
    bool is_json = *object != NULL;
    json_decref(*object);
    *object = NULL;
    if (ran_out)
        return bs_fail_memory(error, text.size, what);
    if (is_json)
        return bs_fail(error, BS_DATA, "%s: not a JSON object", what);
    return bs_fail(error, BS_DATA, "%s: not valid JSON (line %d, column %d: %s)", what,
                   reason.line, reason.column, reason.text);
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
