/* A model and its windows, opened and closed as one. */
#include "front/labeller.h"

#include "common/buffer.h"
#include "common/log.h"
#include "front/tool.h"
#include "metric/metric.h"
#include "metric/probabilities.h"

#include <stdlib.h>

struct opening {
    struct bs_labeller *labeller;
    const struct bs_options *options;
    int code;
    struct bs_error error;
};

static int open_weights(struct bs_labeller *labeller, const struct bs_options *options,
                        struct bs_error *error) {
    struct bs_infer_options infer = {.threads = options->threads,
                                     .batch_tokens = options->batch_tokens};
    enum bs_precision precision;
    if (bs_device_open(&labeller->device, options->device, error) ||
        bs_options_precision(options, labeller->device,
                             bs_model_files_are_int8(labeller->files), &precision,
                             error) ||
        bs_model_open(&labeller->model, labeller->device, labeller->files, precision,
                      error))
        return error->code;
    return bs_infer_new(&labeller->infer, labeller->model, infer, error);
}

static void weights_task(void *context) {
    struct opening *opening = context;
    opening->code = open_weights(opening->labeller, opening->options, &opening->error);
}

static int check_labels(const struct bs_model_config *config, const char *path,
                        struct bs_error *error) {
    for (int64_t i = 0; i < config->num_labels; i++)
        if (strcmp(config->labels[i], BS_ABSTAIN_NAME) == 0)
            return bs_fail(error, BS_DATA,
                           "%s: has a label \"" BS_ABSTAIN_NAME
                           "\", which stands for no prediction; give it another name in "
                           "its config.json",
                           path);
    return BS_OK;
}

/* Reading a tokenizer takes as long as reading weights. */
static int open_model(struct bs_labeller *labeller, const struct bs_options *options,
                      struct bs_error *error) {
    struct opening opening = {.labeller = labeller, .options = options};
    struct bs_task task;
    if (bs_model_files_open(&labeller->files, options->model, error) ||
        check_labels(bs_model_files_config(labeller->files), options->model, error))
        return error->code;
    bs_task_start(&task, weights_task, &opening);
    int code = bs_model_files_tokenizer(labeller->files, &labeller->tokenizer, error);
    bs_tool_mute_signals(); /* a signal does not end this wait; it is noted after it */
    bs_task_wait(&task);
    bs_tool_hear_signals();
    if (!code && opening.code)
        *error = opening.error;
    if (code || opening.code)
        return (int)error->code;
    /* What waits next, for somebody to read the output, hears only later ones. */
    return bs_tool_signal() ? bs_fail(error, BS_INTERRUPTED, "interrupted") : BS_OK;
}

static bool open_window(struct bs_labeller_window *window, size_t n_labels) {
    window->sequences = bs_alloc(BS_LABELLER_WINDOW, sizeof *window->sequences);
    window->logits = bs_alloc(n_labels, BS_LABELLER_WINDOW * sizeof(float));
    return window->sequences && window->logits;
}

static void close_window(struct bs_labeller_window *window) {
    free(window->sequences);
    free(window->logits);
}

static int open_windows(struct bs_labeller *labeller, struct bs_error *error) {
    labeller->config = bs_model_files_config(labeller->files);
    size_t n_labels = (size_t)labeller->config->num_labels;
    labeller->open = &labeller->windows[0];
    labeller->closed = &labeller->windows[1];
    labeller->probabilities = bs_alloc(n_labels, sizeof(double));
    if (!open_window(labeller->open, n_labels) ||
        !open_window(labeller->closed, n_labels) || !labeller->probabilities)
        return bs_fail_memory(error, n_labels * BS_LABELLER_WINDOW * 2 * sizeof(float),
                              "labelling");
    return BS_OK;
}

int bs_labeller_open(struct bs_labeller *labeller, const struct bs_options *options,
                     struct bs_error *error) {
    *labeller = (struct bs_labeller){0};
    if (open_model(labeller, options, error) || open_windows(labeller, error)) {
        bs_labeller_close(labeller);
        return error->code;
    }
    return BS_OK;
}

void bs_labeller_close(struct bs_labeller *labeller) {
    bs_task_wait(&labeller->task);
    close_window(&labeller->windows[0]);
    close_window(&labeller->windows[1]);
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
    struct bs_labeller_window *window = labeller->open;
    window->sequences[window->count++] = bs_encoding_sequence(encoding);
    window->tokens += (int64_t)encoding->ids.count;
}

/* Half a batch for each worker. */
static int64_t least_window(const struct bs_labeller *labeller) {
    return bs_infer_appetite(labeller->infer) / 16 + 1;
}

/* A line or two are not labelled as fast as many. */
static void note_speed(struct bs_labeller *labeller, int64_t tokens, double seconds) {
    if (tokens >= least_window(labeller) && seconds > 0)
        labeller->speed = (double)tokens / seconds;
}

static void label_closed(void *context) {
    struct bs_labeller *labeller = context;
    struct bs_labeller_window *window = labeller->closed;
    int64_t n = (int64_t)window->count, tokens = window->tokens;
    double began = bs_seconds();
    window->count = 0;
    window->tokens = 0;
    window->code = bs_infer_run(labeller->infer, window->sequences, n, window->logits,
                                &window->error);
    if (!window->code)
        window->code = bs_infer_check_logits(
            window->logits, n * labeller->config->num_labels, &window->error);
    note_speed(labeller, tokens, bs_seconds() - began);
}

void bs_labeller_start(struct bs_labeller *labeller) {
    struct bs_labeller_window *labelled = labeller->closed;
    labeller->closed = labeller->open;
    labeller->open = labelled;
    if (labeller->closed->count)
        bs_task_start(&labeller->task, label_closed, labeller);
    else
        label_closed(labeller);
}

int bs_labeller_wait(struct bs_labeller *labeller, struct bs_error *error) {
    bs_task_wait(&labeller->task);
    labeller->waited = labeller->closed;
    if (labeller->closed->code)
        *error = labeller->closed->error;
    return labeller->closed->code;
}

int64_t bs_labeller_pace(const struct bs_labeller *labeller, double seconds) {
    int64_t least = least_window(labeller);
    double tokens = labeller->speed * seconds;
    return tokens > (double)least ? (int64_t)tokens : least;
}

size_t bs_labeller_answer(struct bs_labeller *labeller, size_t place) {
    size_t n_labels = (size_t)labeller->config->num_labels;
    return bs_label_probabilities(labeller->waited->logits + place * n_labels, n_labels,
                                  labeller->probabilities);
}
