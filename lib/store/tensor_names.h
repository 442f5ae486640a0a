/*
 * The tensors of a BERT classifier in files: canonical names (tensor_specs.h), and how
 * they are spelled there.
 */
#ifndef BS_STORE_TENSOR_NAMES_H
#define BS_STORE_TENSOR_NAMES_H

#include "store/tensor_specs.h"
#include "store/tensors.h"

/* The tensor of that canonical name under any of its variants: with or without
 * "bert.", "LayerNorm.gamma" for "LayerNorm.weight" and "LayerNorm.beta" for
 * "LayerNorm.bias". NULL if there is none. */
const struct bs_tensor *bs_tensor_find_canonical(const struct bs_tensors *tensors,
                                                 const char *name);

/* The name under which model directories are written: "bert." in front of all but
 * classifier.*. `written` holds BS_TENSOR_NAME_SIZE + 8 bytes. */
void bs_tensor_written_name(const char *name, char written[BS_TENSOR_NAME_SIZE + 8]);

/* Checks that all tensors of the configuration are there with the right shape and a
 * type of floating point. The pooler may be missing if there is no classifier.
 * BS_DATA names `path` and the first tensor that is wrong. Tensors that bs does not
 * use are named in one note. */
int bs_tensor_names_check(const struct bs_tensors *tensors,
                          const struct bs_model_config *config, const char *path,
                          struct bs_error *error) BS_MUST_CHECK;

#endif
