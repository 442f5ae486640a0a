/*
 * The tiny BERT that the golden files are of: golden/tiny_weights.bin, the tensors of
 * golden/tiny in a form that needs no library to be read.
 *
 *     struct golden *weights = golden_open(TINY_WEIGHTS);
 *     struct bs_model_config config = tiny_config(weights);
 *     ... bs_model_new with config ...
 *     code = tiny_upload(model, weights, &error);
 */
#ifndef BS_TESTS_PARITY_TINY_H
#define BS_TESTS_PARITY_TINY_H

#include "golden.h"
#include "model/model.h"

#define TINY_WEIGHTS "tests/parity/golden/tiny_weights.bin"

/* Without dropout. */
__attribute__((unused)) static struct bs_model_config
tiny_config(const struct golden *weights) {
    const int32_t *sizes = golden_find(weights, "sizes")->data;
    const float *epsilon = golden_find(weights, "layer_norm_eps")->data;
    return (struct bs_model_config){.vocab_size = sizes[0],
                                    .hidden_size = sizes[1],
                                    .num_hidden_layers = sizes[2],
                                    .num_attention_heads = sizes[3],
                                    .intermediate_size = sizes[4],
                                    .max_position_embeddings = sizes[5],
                                    .type_vocab_size = sizes[6],
                                    .layer_norm_eps = (double)*epsilon,
                                    .num_labels = sizes[7]};
}

/* All tensors that make up one parameter go up together. */
static int tiny_upload_parameter(struct bs_model *model, const struct golden *weights,
                                 int index, struct bs_error *error) {
    const struct bs_parameters *p = bs_model_parameters(model);
    int64_t rows = p->list[index].rows, columns = p->list[index].columns;
    float *values = malloc((size_t)(rows * columns) * sizeof *values);
    for (int64_t i = 0; i < p->n_tensors; i++) {
        const struct bs_tensor_place *place = &p->tensors[i];
        if (place->parameter != index)
            continue;
        const struct golden_array *tensor = golden_find(weights, place->spec.name);
        memcpy(values + place->first, tensor->data, tensor->count * sizeof *values);
    }
    int code = bs_weights_upload(bs_model_weights(model), index, BS_SLOT_VALUE, 0, rows,
                                 values, error);
    free(values);
    return code;
}

__attribute__((unused)) static int tiny_upload(struct bs_model *model,
                                               const struct golden *weights,
                                               struct bs_error *error) {
    for (int i = 0; i < bs_model_parameters(model)->count; i++)
        if (tiny_upload_parameter(model, weights, i, error))
            return error->code;
    return bs_weights_ready(bs_model_weights(model), error);
}

#endif
