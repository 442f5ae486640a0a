/* Growing lists of ids. */
#include "common/ids.h"

#include <stdlib.h>

bool bs_ids_reserve(struct bs_ids *ids, size_t more) {
    size_t wanted;
    if (__builtin_add_overflow(ids->count, more, &wanted))
        return false;
    if (wanted <= ids->capacity)
        return true;
    size_t capacity = ids->capacity ? ids->capacity * 2 : 64;
    if (capacity < wanted)
        capacity = wanted;
    int32_t *values = bs_realloc(ids->values, capacity, sizeof *values);
    if (!values)
        return false;
    ids->values = values;
    ids->capacity = capacity;
    return true;
}

bool bs_ids_append(struct bs_ids *ids, int32_t id) {
    if (!bs_ids_reserve(ids, 1))
        return false;
    ids->values[ids->count++] = id;
    return true;
}

void bs_ids_free(struct bs_ids *ids) {
    free(ids->values);
    *ids = (struct bs_ids){0};
}
