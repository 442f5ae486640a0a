/* A hash table of class names. */
#include "metric/name_table.h"

#include <stdlib.h>

static size_t find_slot(const struct bs_name_table *table, struct bs_span name) {
    uint64_t hash = 0xCBF29CE484222325U; /* FNV-1a */
    for (size_t i = 0; i < name.size; i++)
        hash = (hash ^ (uint8_t)name.data[i]) * 0x100000001B3U;
    size_t slot = (hash ^ hash >> 32) & (table->n_slots - 1);
    while (table->slots[slot] && !bs_span_is(name, table->names[table->slots[slot] - 1]))
        slot = (slot + 1) & (table->n_slots - 1);
    return slot;
}

static bool grow(struct bs_name_table *table) {
    size_t capacity = table->capacity ? table->capacity * 2 : 16;
    char **names = bs_realloc(table->names, capacity, sizeof *names);
    if (!names)
        return false;
    table->names = names;
    int32_t *slots = bs_alloc(capacity * 2, sizeof *slots);
    if (!slots)
        return false;
    free(table->slots);
    table->slots = slots;
    table->capacity = capacity;
    table->n_slots = capacity * 2;
    for (size_t i = 0; i < table->count; i++)
        table->slots[find_slot(table, bs_span_of(names[i]))] = (int32_t)i + 1;
    return true;
}

int32_t bs_name_number(struct bs_name_table *table, struct bs_span name) {
    if (table->count == table->capacity &&
        (table->count >= INT32_MAX / 4 || !grow(table)))
        return -1;
    size_t slot = find_slot(table, name);
    if (!table->slots[slot]) {
        char *copy = bs_span_string(name);
        if (!copy)
            return -1;
        table->names[table->count++] = copy;
        table->slots[slot] = (int32_t)table->count;
    }
    return table->slots[slot] - 1;
}

struct named {
    char *name;
    size_t number;
};

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct named *)a)->name, ((const struct named *)b)->name);
}

bool bs_name_table_sort(struct bs_name_table *table, int32_t *places) {
    struct named *sorted = bs_alloc(table->count, sizeof *sorted);
    if (!sorted)
        return false;
    for (size_t i = 0; i < table->count; i++)
        sorted[i] = (struct named){table->names[i], i};
    qsort(sorted, table->count, sizeof *sorted, by_name);
    if (table->n_slots)
        memset(table->slots, 0, table->n_slots * sizeof *table->slots);
    for (size_t i = 0; i < table->count; i++) {
        places[sorted[i].number] = (int32_t)i;
        table->names[i] = sorted[i].name;
    }
    for (size_t i = 0; i < table->count; i++)
        table->slots[find_slot(table, bs_span_of(table->names[i]))] = (int32_t)i + 1;
    free(sorted);
    return true;
}

void bs_name_table_free(struct bs_name_table *table) {
    bs_names_free(table->names, table->count);
    free(table->slots);
    *table = (struct bs_name_table){0};
}
