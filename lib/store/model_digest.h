/* The digest of a model: of what it computes, not of how its files are laid out. */
#ifndef BS_STORE_MODEL_DIGEST_H
#define BS_STORE_MODEL_DIGEST_H

#include "store/model_config.h"
#include "store/tensors.h"

/* SHA-256 over the numbers and labels of `config` and its tensors, in canonical order
 * as fp32. The tensors have passed bs_tensor_names_check. */
int bs_model_digest(const struct bs_model_config *config,
                    const struct bs_tensors *tensors, char hex[65],
                    struct bs_error *error) BS_MUST_CHECK;

#endif
