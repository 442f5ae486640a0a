/* Weights that are numbers: damage that no header shows. */
#ifndef BS_STORE_MODEL_FINITE_H
#define BS_STORE_MODEL_FINITE_H

#include "store/model_config.h"
#include "store/tensors.h"

/* Reads all tensors that the configuration implies, which have been checked
 * (bs_tensor_names_check). BS_DATA names `path` and the first that has a value that is
 * infinite or no number. */
int bs_model_check_finite(const struct bs_model_config *config,
                          const struct bs_tensors *tensors, const char *path,
                          struct bs_error *error) BS_MUST_CHECK;

#endif
