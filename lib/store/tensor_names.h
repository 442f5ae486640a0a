/*
 * The tensors of a BERT classifier, as Hugging Face names them.
 *
 * A canonical name is the one a BertForSequenceClassification has, without "bert.":
 * "encoder.layer.0.attention.self.query.weight", "pooler.dense.bias",
 * "classifier.weight". A configuration implies the whole list, in a fixed order:
 * embeddings, layers from the first to the last, pooler, classifier (only if
 * num_labels is not 0).
 */
#ifndef BS_STORE_TENSOR_NAMES_H
#define BS_STORE_TENSOR_NAMES_H

#include "store/model_config.h"
#include "store/tensors.h"

enum bs_tensor_part {
    BS_PART_EMBEDDINGS,
    BS_PART_LAYER,
    BS_PART_POOLER, /* missing in checkpoints of the pre-training task alone */
    BS_PART_CLASSIFIER,
};

enum { BS_TENSOR_NAME_SIZE = 96 };

struct bs_tensor_spec {
    char name[BS_TENSOR_NAME_SIZE]; /* canonical */
    enum bs_tensor_part part;
    int64_t layer; /* of BS_PART_LAYER, from 0; else -1 */
    int64_t rows;  /* outputs of a matrix, entries of an embedding; 1: a vector */
    int64_t columns;
    int n_dimensions; /* 2 or 1 */
};

/* How many tensors the configuration implies. */
int64_t bs_tensor_spec_count(const struct bs_model_config *config);

/* The tensor at `index`, from 0 to the count above less one. */
void bs_tensor_spec_get(const struct bs_model_config *config, int64_t index,
                        struct bs_tensor_spec *spec);

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
