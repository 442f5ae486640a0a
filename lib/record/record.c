/* A record's memory, its list of fields, and typed access to them. */
#include "record/record.h"

#include "common/number.h"

#include <math.h>
#include <stdalign.h>
#include <stdlib.h>

/* Blocks in use and blocks kept form one list, newest first; the first one is filled.
 * Clearing keeps the largest alone. */
struct bs_record_block {
    struct bs_record_block *next;
    size_t used, capacity;
    alignas(16) char data[];
};

enum { FIRST_BLOCK = 4096 };

void *bs_record_alloc(struct bs_record *record, size_t size) {
    struct bs_record_block *block = record->blocks;
    if (size > SIZE_MAX / 4)
        return NULL;
    size_t rounded = (size + 15) / 16 * 16;
    if (!block || block->capacity - block->used < rounded) {
        size_t capacity = block ? block->capacity * 2 : FIRST_BLOCK;
        /* A giant value gets a block of its own size, not twice the last giant's. */
        if (capacity < rounded || capacity > ((size_t)1 << 24))
            capacity = rounded > FIRST_BLOCK ? rounded : FIRST_BLOCK;
        block = malloc(sizeof *block + capacity);
        if (!block)
            return NULL;
        *block = (struct bs_record_block){record->blocks, 0, capacity};
        record->blocks = block;
    }
    void *memory = block->data + block->used;
    block->used += rounded;
    return memory;
}

bool bs_record_copy(struct bs_record *record, struct bs_span from, struct bs_span *copy) {
    char *memory = bs_record_alloc(record, from.size);
    if (!memory)
        return false;
    if (from.size)
        memcpy(memory, from.data, from.size);
    *copy = bs_span(memory, from.size);
    return true;
}

static struct bs_record_block *free_but_largest(struct bs_record_block *block) {
    struct bs_record_block *largest = NULL;
    while (block) {
        struct bs_record_block *next = block->next, *loser = block;
        if (!largest || block->capacity > largest->capacity) {
            loser = largest;
            largest = block;
        }
        free(loser);
        block = next;
    }
    return largest;
}

void bs_record_clear(struct bs_record *record) {
    struct bs_record_block *block = record->blocks;
    if (block && block->next)
        block = free_but_largest(block);
    if (block) {
        block->next = NULL;
        block->used = 0;
    }
    *record = (struct bs_record){
        .fields = record->fields, .capacity = record->capacity, .blocks = block};
}

void bs_record_free(struct bs_record *record) {
    free(free_but_largest(record->blocks));
    free(record->fields);
    *record = (struct bs_record){0};
}

struct bs_field *bs_record_find(const struct bs_record *record, const char *name) {
    struct bs_span wanted = bs_span_of(name);
    for (size_t i = 0; i < record->n_fields; i++)
        if (bs_span_equal(record->fields[i].name, wanted))
            return &record->fields[i];
    return NULL;
}

struct bs_field *bs_record_add(struct bs_record *record, struct bs_span name,
                               struct bs_value value) {
    if (record->n_fields == record->capacity) {
        size_t capacity = record->capacity ? record->capacity * 2 : 8;
        struct bs_field *fields =
            bs_realloc(record->fields, capacity, sizeof *record->fields);
        if (!fields)
            return NULL;
        record->fields = fields;
        record->capacity = capacity;
    }
    struct bs_field *field = &record->fields[record->n_fields++];
    *field = (struct bs_field){.name = name, .value = value};
    return field;
}

struct bs_field *bs_record_set(struct bs_record *record, const char *name,
                               struct bs_value value) {
    struct bs_field *field = bs_record_find(record, name);
    if (!field)
        return bs_record_add(record, bs_span_of(name), value);
    field->value = value;
    field->raw_value = bs_span(NULL, 0);
    return field;
}

void bs_record_remove(struct bs_record *record, const char *name) {
    struct bs_field *field = bs_record_find(record, name);
    if (!field)
        return;
    struct bs_field *end = record->fields + record->n_fields;
    memmove(field, field + 1, (size_t)(end - field - 1) * sizeof *field);
    record->n_fields--;
}

static bool is_null(const struct bs_value *value) {
    return (value->kind == BS_VALUE_JSON && bs_span_is(value->bytes, "null")) ||
           (value->kind == BS_VALUE_MSGPACK && value->bytes.size == 1 &&
            value->bytes.data[0] == '\xc0');
}

/* A column of TSV or CSV: text without a type. */
static bool is_column(const struct bs_field *field) {
    return field->value.kind == BS_VALUE_TEXT && field->raw_value.size == 0 &&
           field->raw_name.size == 0;
}

/* BS_OK and the field, or BS_END. */
static int find_value(const struct bs_record *record, const char *name,
                      const struct bs_field **found) {
    *found = bs_record_find(record, name);
    return *found && !is_null(&(*found)->value) ? BS_OK : BS_END;
}

/* The same for numbers, where an empty column is no value. */
static int find_number(const struct bs_record *record, const char *name,
                       const struct bs_field **found) {
    if (find_value(record, name, found))
        return BS_END;
    return is_column(*found) && (*found)->value.bytes.size == 0 ? BS_END : BS_OK;
}

static int wrong_type(const char *name, const char *wanted, struct bs_error *error) {
    return bs_fail(error, BS_REJECTED, "field \"%s\" is not %s", name, wanted);
}

int bs_record_text(const struct bs_record *record, const char *name, struct bs_span *text,
                   struct bs_error *error) {
    const struct bs_field *field;
    if (find_value(record, name, &field))
        return BS_END;
    if (field->value.kind != BS_VALUE_TEXT)
        return wrong_type(name, "a text", error);
    *text = field->value.bytes;
    return BS_OK;
}

/* A column as a string of at most 63 bytes; false if it cannot be a number. */
static bool column_string(const struct bs_field *field, char string[64]) {
    struct bs_span text = field->value.bytes;
    if (!is_column(field) || text.size > 63 || memchr(text.data, '\0', text.size))
        return false;
    memcpy(string, text.data, text.size);
    string[text.size] = '\0';
    return true;
}

int bs_record_real(const struct bs_record *record, const char *name, double *real,
                   struct bs_error *error) {
    const struct bs_field *field;
    struct bs_error ignored;
    char string[64];
    if (find_number(record, name, &field))
        return BS_END;
    if (field->value.kind == BS_VALUE_REAL)
        *real = field->value.real;
    else if (field->value.kind == BS_VALUE_INTEGER)
        *real = (double)field->value.integer;
    else if (!column_string(field, string) ||
             bs_parse_real(string, name, -INFINITY, INFINITY, real, &ignored))
        return wrong_type(name, "a number", error);
    return BS_OK;
}

int bs_record_integer(const struct bs_record *record, const char *name, int64_t *integer,
                      struct bs_error *error) {
    const struct bs_field *field;
    struct bs_error ignored;
    char string[64];
    if (find_number(record, name, &field))
        return BS_END;
    if (field->value.kind == BS_VALUE_INTEGER)
        *integer = field->value.integer;
    else if (!column_string(field, string) ||
             bs_parse_integer(string, name, INT64_MIN, INT64_MAX, integer, &ignored))
        return wrong_type(name, "a whole number", error);
    return BS_OK;
}

int bs_record_boolean(const struct bs_record *record, const char *name, bool *boolean,
                      struct bs_error *error) {
    const struct bs_field *field;
    if (find_number(record, name, &field))
        return BS_END;
    if (field->value.kind == BS_VALUE_BOOLEAN)
        *boolean = field->value.boolean;
    else if (is_column(field) && bs_span_is(field->value.bytes, "true"))
        *boolean = true;
    else if (is_column(field) && bs_span_is(field->value.bytes, "false"))
        *boolean = false;
    else
        return wrong_type(name, "true or false", error);
    return BS_OK;
}

int bs_record_ids(const struct bs_record *record, const char *name, struct bs_ids *ids,
                  struct bs_error *error) {
    const struct bs_field *field;
    ids->count = 0;
    if (find_value(record, name, &field))
        return BS_END;
    if (field->value.kind != BS_VALUE_IDS)
        return wrong_type(name, "a list of whole numbers below 2147483648", error);
    size_t count = field->value.ids.count;
    if (!bs_ids_reserve(ids, count))
        return bs_fail_memory(error, count * sizeof *ids->values, name);
    if (count)
        memcpy(ids->values, field->value.ids.values, count * sizeof *ids->values);
    ids->count = count;
    return BS_OK;
}

int bs_record_map(const struct bs_record *record, const char *name,
                  const char *const **names, const double **values, size_t *count,
                  struct bs_error *error) {
    const struct bs_field *field;
    if (find_number(record, name, &field))
        return BS_END;
    if (field->value.kind != BS_VALUE_MAP)
        return wrong_type(name, "a map of numbers by label", error);
    *names = field->value.map.names;
    *values = field->value.map.values;
    *count = field->value.map.count;
    return BS_OK;
}
