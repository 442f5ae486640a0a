/* Models and passes: what they hold, and the two ways to run a batch. */
#include "model/model.h"

#include "common/buffer.h"
#include "model/activations.h"

#include <stdlib.h>

int bs_model_new(struct bs_model **result, struct bs_device *device,
                 const struct bs_model_config *config,
                 const struct bs_model_options *options, struct bs_error *error) {
    struct bs_model *model = bs_alloc(1, sizeof *model);
    if (!model)
        return bs_fail_memory(error, sizeof *model, "a model");
    model->config = *config;
    model->config.labels = NULL;
    model->options = *options;
    model->device = device;
    if (bs_parameters_init(&model->parameters, config, options->freeze, error) ||
        bs_weights_new(&model->weights, device, model->parameters.list,
                       model->parameters.count, options->precision, options->training,
                       error)) {
        bs_model_free(model);
        return error->code;
    }
    *result = model;
    return BS_OK;
}

void bs_model_free(struct bs_model *model) {
    if (!model)
        return;
    bs_weights_free(model->weights);
    bs_parameters_free(&model->parameters);
    free(model);
}

const struct bs_model_config *bs_model_config(const struct bs_model *model) {
    return &model->config;
}

const struct bs_parameters *bs_model_parameters(const struct bs_model *model) {
    return &model->parameters;
}

struct bs_weights *bs_model_weights(const struct bs_model *model) {
    return model->weights;
}

struct bs_device *bs_model_device(const struct bs_model *model) {
    return model->device;
}

enum bs_precision bs_model_precision(const struct bs_model *model) {
    return model->options.precision;
}

/* Bytes of a pass's arena: the layout run on one that only counts. */
static int count_activations(const struct bs_model *model, struct bs_pass *pass,
                             int64_t *bytes, struct bs_error *error) {
    if (bs_arena_new(&pass->arena, model->device, 0, error))
        return error->code;
    bs_activations_layout(pass, model, pass->size.training, pass->size.tokens,
                          pass->size.sequences);
    *bytes = bs_arena_used(pass->arena);
    bs_arena_free(pass->arena);
    pass->arena = NULL;
    return BS_OK;
}

static int pass_init(struct bs_pass *pass, const struct bs_model *model,
                     struct bs_pass_size size, int64_t *bytes, struct bs_error *error) {
    size_t layers = (size_t)model->config.num_hidden_layers;
    pass->size = size;
    pass->size.tokens =
        bs_round_rows(size.tokens, bs_device_info(model->device)->row_tile);
    pass->layers = bs_alloc(layers, sizeof *pass->layers);
    if (!pass->layers)
        return bs_fail_memory(error, layers * sizeof *pass->layers, "activations");
    return count_activations(model, pass, bytes, error);
}

int bs_pass_new(struct bs_pass **result, const struct bs_model *model, int threads,
                struct bs_pass_size size, struct bs_error *error) {
    struct bs_pass *pass = bs_alloc(1, sizeof *pass);
    int64_t bytes = 0;
    if (!pass)
        return bs_fail_memory(error, sizeof *pass, "a pass");
    if (pass_init(pass, model, size, &bytes, error) ||
        bs_queue_new(&pass->queue, model->device, threads, pass->size.tokens, size.length,
                     error) ||
        bs_arena_new(&pass->arena, model->device, bytes, error)) {
        bs_pass_free(pass);
        return error->code;
    }
    *result = pass;
    return BS_OK;
}

void bs_pass_free(struct bs_pass *pass) {
    if (!pass)
        return;
    bs_arena_free(pass->arena);
    bs_queue_free(pass->queue);
    free(pass->layers);
    free(pass);
}

struct bs_queue *bs_pass_queue(const struct bs_pass *pass) {
    return pass->queue;
}

enum { RECORDING_FORWARD, RECORDING_LOSS };

struct bs_rows bs_model_forward(const struct bs_model *model, struct bs_pass *pass,
                                const struct bs_batch *batch) {
    bs_activations_layout(pass, model, false, batch->n_tokens, batch->n_sequences);
    bs_set_batch(pass->queue, batch);
    if (bs_queue_record(pass->queue, RECORDING_FORWARD)) {
        bs_forward(model, pass, false);
        bs_queue_recorded(pass->queue);
    }
    return pass->logits;
}

struct bs_rows bs_model_loss(const struct bs_model *model, struct bs_pass *pass,
                             const struct bs_batch *batch) {
    bs_activations_layout(pass, model, true, batch->n_tokens, batch->n_sequences);
    bs_set_batch(pass->queue, batch);
    if (bs_queue_record(pass->queue, RECORDING_LOSS)) {
        bs_forward(model, pass, true);
        bs_cross_entropy(pass->queue, pass->logits, pass->scratch.d_logits);
        bs_backward(model, pass);
        bs_queue_recorded(pass->queue);
    }
    return pass->logits;
}

int bs_model_check_ids(const struct bs_model_config *config,
                       const struct bs_sequence *sequence, struct bs_error *error) {
    if (sequence->length < 1)
        return bs_fail(error, BS_REJECTED, "there are no ids");
    if (sequence->length > config->max_position_embeddings)
        return bs_fail(
            error, BS_REJECTED, "%lld ids are more than the model's %lld positions",
            (long long)sequence->length, (long long)config->max_position_embeddings);
    for (int64_t i = 0; i < sequence->length; i++) {
        if (sequence->ids[i] < 0 || sequence->ids[i] >= config->vocab_size)
            return bs_fail(error, BS_REJECTED,
                           "id %ld is outside the vocabulary of %lld entries",
                           (long)sequence->ids[i], (long long)config->vocab_size);
        if (sequence->type_ids && (sequence->type_ids[i] < 0 ||
                                   sequence->type_ids[i] >= config->type_vocab_size))
            return bs_fail(error, BS_REJECTED, "type id %ld is not below %lld",
                           (long)sequence->type_ids[i],
                           (long long)config->type_vocab_size);
    }
    return BS_OK;
}

int bs_pass_memory(int64_t *bytes, struct bs_device *device,
                   const struct bs_model_config *config,
                   const struct bs_model_options *options, struct bs_pass_size size,
                   struct bs_error *error) {
    struct bs_model model = {.config = *config, .options = *options, .device = device};
    struct bs_pass pass = {0};
    if (bs_parameters_init(&model.parameters, config, options->freeze, error))
        return error->code;
    int code = pass_init(&pass, &model, size, bytes, error);
    free(pass.layers);
    bs_parameters_free(&model.parameters);
    return code;
}
