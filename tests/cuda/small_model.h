/*
 * A small BERT on a GPU, for tests that train and label through lib/model: two layers of
 * width 64, three labels, weights and texts drawn from a seed, dropout on. Nothing of a
 * file. Functions return what failed, so that failures can be tested too; small_close is
 * right after any of them.
 */
#ifndef BS_TESTS_CUDA_SMALL_MODEL_H
#define BS_TESTS_CUDA_SMALL_MODEL_H

#include "common/random.h"
#include "model/model.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>

enum { SMALL_WORDS = 50, SMALL_LENGTH = 64, SMALL_LABELS = 3, SMALL_TOKENS = 1024 };

struct small {
    struct bs_device *device;
    struct bs_model *model;
    struct bs_pass *pass;
    struct bs_packer *packer;
};

/* A failure that no check expects. */
__attribute__((unused)) static void must(int code, const struct bs_error *error) {
    if (code) {
        printf("Bail out! %s\n", error->text);
        exit(1);
    }
}

/* Number i of a stream of numbers, from -1 to 1. */
static float small_number(uint32_t stream, int64_t i) {
    uint32_t words[4];
    bs_philox((const uint32_t[4]){(uint32_t)i, stream, 0, 0}, 7, words);
    return (float)words[0] / 2147483648.0F - 1;
}

static int small_upload(struct bs_weights *weights, int index,
                        const struct bs_parameter *p, struct bs_error *error) {
    int64_t n = p->rows * p->columns;
    bool gain = strstr(p->name, "LayerNorm.weight") != NULL;
    float *values = malloc((size_t)n * sizeof *values);
    for (int64_t i = 0; i < n; i++)
        values[i] = small_number((uint32_t)index, i) / 5 + (gain ? 1 : 0);
    int code =
        bs_weights_upload(weights, index, BS_SLOT_VALUE, 0, p->rows, values, error);
    free(values);
    return code;
}

static int small_weights(struct small *t, struct bs_error *error) {
    struct bs_weights *weights = bs_model_weights(t->model);
    const struct bs_parameters *p = bs_model_parameters(t->model);
    for (int i = 0; i < p->count; i++)
        if (small_upload(weights, i, &p->list[i], error))
            return error->code;
    return bs_weights_ready(weights, error);
}

__attribute__((unused)) static int small_open(struct small *t,
                                              enum bs_precision precision, int64_t layers,
                                              struct bs_error *error) {
    const struct bs_model_config config = {.vocab_size = SMALL_WORDS,
                                           .hidden_size = 32 * layers,
                                           .num_hidden_layers = layers,
                                           .num_attention_heads = layers,
                                           .intermediate_size = 64 * layers,
                                           .max_position_embeddings = SMALL_LENGTH,
                                           .type_vocab_size = 2,
                                           .layer_norm_eps = 1e-12,
                                           .hidden_dropout_prob = 0.1,
                                           .attention_probs_dropout_prob = 0.1,
                                           .classifier_dropout = 0.1,
                                           .num_labels = SMALL_LABELS};
    struct bs_model_options options = {precision, true, {false, 0}};
    struct bs_pass_size size = {SMALL_TOKENS, 64, SMALL_LENGTH, true};
    *t = (struct small){0};
    if (bs_device_open(&t->device, "cuda", error) ||
        bs_model_new(&t->model, t->device, &config, &options, error) ||
        small_weights(t, error) || bs_pass_new(&t->pass, t->model, 1, size, error))
        return error->code;
    return bs_packer_new(&t->packer, bs_device_info(t->device)->row_tile, error);
}

__attribute__((unused)) static void small_close(struct small *t) {
    bs_packer_free(t->packer);
    bs_pass_free(t->pass);
    bs_model_free(t->model);
    bs_device_close(t->device);
}

static struct bs_queue *small_queue(const struct small *t) {
    return bs_pass_queue(t->pass);
}

/* Text number `text`, of 2 to 40 words, and its label. */
static struct bs_sequence small_text(int64_t text, int32_t ids[SMALL_LENGTH]) {
    int64_t length = 2 + (text * 7 + 5) % 39;
    for (int64_t i = 0; i < length; i++)
        ids[i] = (int32_t)((small_number(1000 + (uint32_t)text, i) + 1) * 24.99F);
    return (struct bs_sequence){ids, NULL, length};
}

/* Texts first to first + count, with labels. */
__attribute__((unused)) static const struct bs_batch *
small_batch(struct small *t, int64_t first, int64_t count) {
    struct bs_error error;
    int32_t ids[SMALL_LENGTH];
    bs_packer_begin(t->packer, 0);
    for (int64_t i = first; i < first + count; i++) {
        struct bs_sequence text = small_text(i, ids);
        must(bs_packer_add(t->packer, &text, (int32_t)(i % SMALL_LABELS), &error),
             &error);
    }
    return bs_packer_finish(t->packer);
}

/* Begins update `update`, of so many texts. */
static void small_step(struct small *t, int64_t texts, uint32_t update,
                       const float *class_weights) {
    const bool scaled = bs_model_precision(t->model) == BS_PRECISION_FP16;
    const struct bs_step step = {
        .seed = 1,
        .update = update,
        .adam_step = update + 1,
        .learning_rate = 1e-3,
        .loss_scale = 1,
        .dynamic_scale = scaled,
        .loss = {class_weights, SMALL_LABELS, 0.1F, 1.0F / (float)texts}};
    bs_set_step(small_queue(t), &step);
}

/* Puts the rest of it on the queue: texts 0 to `texts`, the same shapes each time. */
static void small_learn(struct small *t, int64_t texts) {
    static const struct bs_adamw adamw = {0.9, 0.999, 1e-8, 0.01, 1};
    bs_model_loss(t->model, t->pass, small_batch(t, 0, texts));
    bs_update(small_queue(t), bs_model_weights(t->model), adamw);
}

__attribute__((unused)) static void small_update(struct small *t, int64_t texts,
                                                 uint32_t update,
                                                 const float *class_weights) {
    small_step(t, texts, update, class_weights);
    small_learn(t, texts);
}

/* Logits [count, SMALL_LABELS] of texts. */
__attribute__((unused)) static int small_label(struct small *t, int64_t first,
                                               int64_t count, float *logits,
                                               struct bs_error *error) {
    struct bs_rows rows =
        bs_model_forward(t->model, t->pass, small_batch(t, first, count));
    return bs_rows_download(small_queue(t), rows, logits, error);
}

/* Adds what a slot of all parameters holds to a sum that depends on every bit. */
__attribute__((unused)) static int small_digest(const struct small *t, enum bs_slot slot,
                                                uint64_t *digest,
                                                struct bs_error *error) {
    const struct bs_parameters *p = bs_model_parameters(t->model);
    int code = BS_OK;
    for (int i = 0; i < p->count && !code; i++) {
        int64_t n = p->list[i].rows * p->list[i].columns;
        uint32_t *values = malloc((size_t)n * sizeof *values);
        code = bs_weights_download(bs_model_weights(t->model), i, slot, 0,
                                   p->list[i].rows, (float *)values, error);
        for (int64_t k = 0; k < n && !code; k++)
            *digest = (*digest ^ values[k]) * 0x100000001B3U;
        free(values);
    }
    return code;
}

#endif
