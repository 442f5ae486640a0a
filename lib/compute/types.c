/* Types of elements and precisions. */
#include "compute/compute.h"

#include <string.h>

static const char *const precision_names[BS_N_PRECISIONS] = {"fp32", "bf16", "fp16",
                                                             "tf32", "int8"};

size_t bs_type_size(enum bs_type type) {
    return type == BS_F32 ? 4 : 2;
}

enum bs_type bs_precision_type(enum bs_precision precision) {
    static const enum bs_type types[BS_N_PRECISIONS] = {BS_F32, BS_BF16, BS_F16, BS_F32,
                                                        BS_BF16};
    return types[precision];
}

const char *bs_precision_name(enum bs_precision precision) {
    return precision_names[precision];
}

int bs_precision_parse(const char *name, enum bs_precision *precision,
                       struct bs_error *error) {
    for (int i = 0; i < BS_N_PRECISIONS; i++) {
        if (!strcmp(name, precision_names[i])) {
            *precision = (enum bs_precision)i;
            return BS_OK;
        }
    }
    return bs_fail(error, BS_USAGE,
                   "precision \"%s\": choose fp32, bf16, fp16, tf32 or "
                   "int8",
                   name);
}
