/* The types a safetensors file can name, and those that bs reads. */
#ifndef BS_STORE_TENSOR_TYPES_H
#define BS_STORE_TENSOR_TYPES_H

#include "store/tensors.h"

struct bs_tensor_type_info {
    const char *name; /* "F32" */
    enum bs_tensor_type type;
    int bits;  /* of one element */
    int order; /* place in a file: wider types first, as the reference sorts */
};

/* NULL for a name that the format does not have. */
const struct bs_tensor_type_info *bs_tensor_type_named(const char *name);

/* NULL for BS_TENSOR_OTHER. */
const struct bs_tensor_type_info *bs_tensor_type_get(enum bs_tensor_type type);

/* "F32", or "a type that bs does not read". */
const char *bs_tensor_type_name(enum bs_tensor_type type);

/* F32, F16, BF16, or I8 with scales. */
bool bs_tensor_is_float(const struct bs_tensor *tensor);

#endif
