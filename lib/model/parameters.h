/*
 * Parameters of BertForSequenceClassification: the table that a device's weights are
 * made from, and where each Hugging Face tensor (store/tensor_specs.h) lies in it. The
 * one place that knows either.
 *
 * Query, key and value of a layer are one matrix [3C, C] (rows of q, then k, then v)
 * and one vector [3C], except in the last layer: there only the [CLS] row of each
 * sequence asks, so q is [C, C] apart from k and v, [2C, C]. The order of parameters is
 * the order of use: embeddings, layers, pooler, classifier.
 *
 * Legend: C hidden_size, F intermediate_size, L layers, V vocab_size, K labels.
 */
#ifndef BS_MODEL_PARAMETERS_H
#define BS_MODEL_PARAMETERS_H

#include "common/error.h"
#include "compute/compute.h"
#include "store/model_config.h"
#include "store/tensor_specs.h"

/* Indices of one layer's parameters. In the last layer `query` is q alone and
 * `key_value` k and v; in the others `query` holds all three and `key_value` is
 * unused (-1). */
struct bs_layer {
    struct bs_linear query, key_value, attention_out;
    struct bs_norm attention_norm;
    struct bs_linear up, down; /* [F, C], [C, F] */
    struct bs_norm output_norm;
};

/* A Hugging Face tensor, and the elements of the parameter that it fills: spec.rows x
 * spec.columns from element `first` on. */
struct bs_tensor_place {
    struct bs_tensor_spec spec;
    int parameter;
    int64_t first;
};

struct bs_parameters {
    struct bs_parameter *list; /* [count]; names borrowed from `tensors` */
    int count;
    struct bs_tensor_place *tensors; /* [n_tensors], in the order of the store */
    int64_t n_tensors;
    struct bs_embedding embedding;
    struct bs_norm embedding_norm;
    struct bs_layer *layers; /* [n_layers] */
    int64_t n_layers;
    struct bs_linear pooler, classifier;
};

/* What is left as it is in training. */
struct bs_freeze {
    bool embeddings;
    int64_t layers; /* the first n */
};

/* Makes the table for `config` (num_labels at least 1). Biases and layer norms do not
 * decay. BS_DATA if the numbers do not make a BERT or its size overflows. */
int bs_parameters_init(struct bs_parameters *parameters,
                       const struct bs_model_config *config, struct bs_freeze freeze,
                       struct bs_error *error) BS_MUST_CHECK;
void bs_parameters_free(struct bs_parameters *parameters); /* leaves it empty */

#endif
