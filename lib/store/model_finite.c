/* Looks at every value of a model, converting pieces to fp32. */
#include "store/model_finite.h"

#include "store/tensor_names.h"

#include <math.h>

enum { PIECE = 4096 };

static bool is_finite(const struct bs_tensor *tensor) {
    float piece[PIECE];
    int64_t elements = bs_tensor_elements(tensor);
    for (int64_t first = 0; first < elements; first += PIECE) {
        int64_t count = elements - first < PIECE ? elements - first : PIECE;
        if (!bs_tensor_to_float(tensor, first, count, piece))
            return false;
        for (int64_t i = 0; i < count; i++)
            if (!isfinite(piece[i]))
                return false;
    }
    return true;
}

int bs_model_check_finite(const struct bs_model_config *config,
                          const struct bs_tensors *tensors, const char *path,
                          struct bs_error *error) {
    struct bs_tensor_spec spec;
    for (int64_t i = 0; i < bs_tensor_spec_count(config); i++) {
        bs_tensor_spec_get(config, i, &spec);
        const struct bs_tensor *tensor = bs_tensor_find_canonical(tensors, spec.name);
        if (tensor && !is_finite(tensor))
            return bs_fail(error, BS_DATA,
                           "%s: tensor \"%s\" has a value that is not finite: it is "
                           "damaged",
                           path, tensor->name);
        if (tensor)
            bs_tensors_forget(tensors, tensor);
    }
    return BS_OK;
}
