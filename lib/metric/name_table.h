/* Names to numbers, in the order of first sight. All-zero is empty. */
#ifndef BS_METRIC_NAME_TABLE_H
#define BS_METRIC_NAME_TABLE_H

#include "common/buffer.h"

struct bs_name_table {
    char **names; /* [count] */
    size_t count, capacity;
    int32_t *slots; /* open addressing: number + 1, or 0 */
    size_t n_slots;
};

/* The number of a name, added if it is new; -1 without memory. */
int32_t bs_name_number(struct bs_name_table *table, struct bs_span name) BS_MUST_CHECK;

/* Sorts by bytes; `places[old number]` is the new one. false without memory. */
bool bs_name_table_sort(struct bs_name_table *table, int32_t *places) BS_MUST_CHECK;

void bs_name_table_free(struct bs_name_table *table);

#endif
