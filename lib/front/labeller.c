/* A model and its window, opened and closed as one. */
#include "front/labeller.h"

#include "common/buffer.h"
#include "metric/probabilities.h"

#include <stdlib.h>

static int open_model(struct bs_labeller *labeller, const struct bs_options *options,
                      struct bs_error *error) {
    struct bs_infer_options infer = {.threads = options->threads,
                                     .batch_tokens = options->batch_tokens};
    enum bs_precision precision;
    if (bs_model_files_open(&labeller->files, options->model, error) ||
        bs_model_files_tokenizer(labeller->files, &labeller->tokenizer, error) ||
        bs_device_open(&labeller->device, options->device, error) ||
        bs_options_precision(options, labeller->device, &precision, error) ||
        bs_model_open(&labeller->model, labeller->device, labeller->files, precision,
                      error))
        return error->code;
    return bs_infer_new(&labeller->infer, labeller->model, infer, error);
}

static int open_window(struct bs_labeller *labeller, struct bs_error *error) {
    labeller->config = bs_model_files_config(labeller->files);
    size_t n_labels = (size_t)labeller->config->num_labels;
    labeller->sequences = bs_alloc(BS_LABELLER_WINDOW, sizeof *labeller->sequences);
    labeller->logits = bs_alloc(n_labels, BS_LABELLER_WINDOW * sizeof(float));
    labeller->probabilities = bs_alloc(n_labels, sizeof(double));
    if (!labeller->sequences || !labeller->logits || !labeller->probabilities)
        return bs_fail_memory(error, n_labels * BS_LABELLER_WINDOW * sizeof(float),
                              "labelling");
    return BS_OK;
}

int bs_labeller_open(struct bs_labeller *labeller, const struct bs_options *options,
                     struct bs_error *error) {
    *labeller = (struct bs_labeller){0};
    if (open_model(labeller, options, error) || open_window(labeller, error)) {
        bs_labeller_close(labeller);
        return error->code;
    }
    return BS_OK;
}

void bs_labeller_close(struct bs_labeller *labeller) {
    free(labeller->sequences);
    free(labeller->logits);
    free(labeller->probabilities);
    bs_infer_free(labeller->infer);
    bs_model_free(labeller->model);
    bs_device_close(labeller->device);
    bs_tokenizer_free(labeller->tokenizer);
    bs_model_files_close(labeller->files);
    *labeller = (struct bs_labeller){0};
}

struct bs_source_options bs_labeller_source(const struct bs_labeller *labeller,
                                            const struct bs_options *options) {
    return (struct bs_source_options){
        .reader = bs_options_reader(options, NULL),
        .tokenizer = labeller->tokenizer,
        .max_length = bs_source_length(options->max_length,
                                       labeller->config->max_position_embeddings),
        .truncation = options->truncation,
        .literal_special_tokens = options->literal_special_tokens,
        .config = labeller->config,
        .threads = options->threads};
}

void bs_labeller_add(struct bs_labeller *labeller, const struct bs_encoding *encoding) {
    labeller->sequences[labeller->count++] = bs_encoding_sequence(encoding);
}

int bs_labeller_run(struct bs_labeller *labeller, struct bs_error *error) {
    int64_t n = (int64_t)labeller->count;
    labeller->count = 0;
    if (bs_infer_run(labeller->infer, labeller->sequences, n, labeller->logits, error))
        return error->code;
    return bs_infer_check_logits(labeller->logits, n * labeller->config->num_labels,
                                 error);
}

size_t bs_labeller_answer(struct bs_labeller *labeller, size_t place) {
    size_t n_labels = (size_t)labeller->config->num_labels;
    return bs_label_probabilities(labeller->logits + place * n_labels, n_labels,
                                  labeller->probabilities);
}
