/* A growing list of token ids. All-zero is empty; freed with bs_ids_free. */
#ifndef BS_COMMON_IDS_H
#define BS_COMMON_IDS_H

#include "common/buffer.h"

struct bs_ids {
    int32_t *values;
    size_t count, capacity;
};

/* Room for `more` values behind `count`; false without memory. */
bool bs_ids_reserve(struct bs_ids *ids, size_t more) BS_MUST_CHECK;
bool bs_ids_append(struct bs_ids *ids, int32_t id) BS_MUST_CHECK;
void bs_ids_free(struct bs_ids *ids);

#endif
