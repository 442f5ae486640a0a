/*
 * The tensors that a BERT classifier has, as Hugging Face names them.
 *
 * A canonical name is the one a BertForSequenceClassification has, without "bert.":
 * "encoder.layer.0.attention.self.query.weight", "pooler.dense.bias",
 * "classifier.weight". A configuration implies the whole list, in a fixed order:
 * embeddings, layers from the first to the last, pooler, classifier (only if
 * num_labels is not 0). How files spell them: tensor_names.h.
 *
 * Plain data, like model_config.h: builds with nothing but a C compiler.
 */
#ifndef BS_STORE_TENSOR_SPECS_H
#define BS_STORE_TENSOR_SPECS_H

#include "store/model_config.h"

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

#endif
