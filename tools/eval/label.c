/* Predictions made here: the token source reads and tokenizes, a window of records is
 * labelled together, as bs-predict does. */
#include "collect.h"
#include "common/log.h"
#include "format/rejects.h"
#include "front/source.h"
#include "front/tool.h"
#include "infer/infer.h"
#include "metric/probabilities.h"
#include "store/model_files.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { WINDOW = 4096 };

struct pending {
    struct bs_encoding encoding;
    size_t gold_size; /* its bytes follow those of the record before in `gold` */
};

struct labeller {
    const struct bs_options *options;
    struct bs_metrics *metrics;
    struct bs_rejects *rejects;
    struct bs_model_files *files;
    struct bs_tokenizer *tokenizer;
    struct bs_device *device;
    struct bs_model *model;
    struct bs_infer *infer;
    struct bs_source *source;
    char *const *labels;
    size_t n_labels;

    struct pending *window;        /* [WINDOW], n_pending of them in use */
    struct bs_sequence *sequences; /* [WINDOW] */
    float *logits;                 /* [WINDOW, n_labels] */
    double *probabilities;         /* [n_labels] */
    struct bs_buffer gold;
    size_t n_pending;
    int64_t n_tokens;
    int64_t n_foreign; /* records whose gold label is not one of `labels` */
    char foreign[64];  /* the first such label, cut */
};

static int open_model(struct labeller *labeller, struct bs_error *error) {
    const struct bs_options *options = labeller->options;
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

static int open_window(struct labeller *labeller, struct bs_error *error) {
    const struct bs_model_config *config = bs_model_files_config(labeller->files);
    labeller->labels = config->labels;
    labeller->n_labels = (size_t)config->num_labels;
    labeller->window = bs_alloc(WINDOW, sizeof *labeller->window);
    labeller->sequences = bs_alloc(WINDOW, sizeof *labeller->sequences);
    labeller->logits = bs_alloc(labeller->n_labels, WINDOW * sizeof(float));
    labeller->probabilities = bs_alloc(labeller->n_labels, sizeof(double));
    if (!labeller->window || !labeller->sequences || !labeller->logits ||
        !labeller->probabilities)
        return bs_fail_memory(error, WINDOW * sizeof *labeller->window, "labelling");
    return BS_OK;
}

static void close_labeller(struct labeller *labeller) {
    bs_source_close(labeller->source);
    for (size_t i = 0; labeller->window && i < WINDOW; i++)
        bs_encoding_free(&labeller->window[i].encoding);
    free(labeller->window);
    free(labeller->sequences);
    free(labeller->logits);
    free(labeller->probabilities);
    bs_buffer_free(&labeller->gold);
    bs_infer_free(labeller->infer);
    bs_model_free(labeller->model);
    bs_device_close(labeller->device);
    bs_tokenizer_free(labeller->tokenizer);
    bs_model_files_close(labeller->files);
}

static int label_window(struct labeller *labeller, struct bs_error *error) {
    size_t n = labeller->n_pending, n_labels = labeller->n_labels, place = 0;
    for (size_t i = 0; i < n; i++) {
        const struct bs_encoding *encoding = &labeller->window[i].encoding;
        labeller->sequences[i] = (struct bs_sequence){
            .ids = encoding->ids.values,
            .type_ids = encoding->type_ids.count ? encoding->type_ids.values : NULL,
            .length = (int64_t)encoding->ids.count};
    }
    if (n && bs_infer_run(labeller->infer, labeller->sequences, (int64_t)n,
                          labeller->logits, error))
        return error->code;
    if (bs_infer_check_logits(labeller->logits, (int64_t)(n * n_labels), error))
        return error->code;
    for (size_t i = 0; i < n; i++) {
        double *p = labeller->probabilities;
        size_t best =
            bs_label_probabilities(labeller->logits + i * n_labels, n_labels, p);
        struct bs_span gold =
            bs_span(labeller->gold.data + place, labeller->window[i].gold_size);
        struct bs_prediction prediction = {.label = bs_span_of(labeller->labels[best]),
                                           .probability = p[best],
                                           .names = (const char *const *)labeller->labels,
                                           .probabilities = p,
                                           .n_probabilities = n_labels};
        if (bs_metrics_add(labeller->metrics, gold, &prediction, error))
            return error->code;
        place += gold.size;
    }
    labeller->n_pending = labeller->gold.size = 0;
    labeller->n_tokens = 0;
    return BS_OK;
}

/* A label that the model was not trained on is scored, as a class never predicted. */
static void count_foreign(struct labeller *labeller, struct bs_span gold) {
    for (size_t i = 0; i < labeller->n_labels; i++)
        if (bs_span_is(gold, labeller->labels[i]))
            return;
    if (labeller->n_foreign++ == 0)
        snprintf(labeller->foreign, sizeof labeller->foreign, "%.*s",
                 (int)(gold.size < 60 ? gold.size : 60), gold.data);
}

static void tell_foreign(const struct labeller *labeller) {
    if (labeller->n_foreign)
        bs_warn("%lld record%s a label that the model cannot predict (\"%s\"): is -m the "
                "right model?",
                (long long)labeller->n_foreign,
                labeller->n_foreign == 1 ? " has" : "s have", labeller->foreign);
}

/* A record that was rejected on the way is told already, and counts as wrong. */
static int take_record(struct labeller *labeller, struct bs_token_record *record,
                       struct bs_error *error) {
    struct bs_prediction rejected = {.outcome = BS_PREDICTION_REJECTED,
                                     .probability = NAN};
    struct bs_span gold;
    int code = gold_label(&record->record, &gold, error);
    if (record->rejected)
        return bs_metrics_add(labeller->metrics, code ? bs_span(NULL, 0) : gold,
                              &rejected, error);
    if (!code && gold.size == 0)
        code = bs_fail(error, BS_REJECTED, "field \"%s\" is missing", BS_FIELD_LABEL);
    if (!code && memchr(gold.data, '\0', gold.size))
        code = bs_fail(error, BS_REJECTED, "the label holds a zero byte");
    if (code)
        return code == BS_REJECTED
                   ? bs_rejects_add(labeller->rejects, &record->record, error)
                   : code;
    count_foreign(labeller, gold);
    if (!bs_buffer_append_span(&labeller->gold, gold))
        return bs_fail_memory(error, gold.size, "labels");
    struct pending *slot = &labeller->window[labeller->n_pending++];
    struct bs_encoding old = slot->encoding;
    *slot = (struct pending){record->encoding, gold.size};
    record->encoding = old;
    labeller->n_tokens += (int64_t)slot->encoding.ids.count;
    return BS_OK;
}

static int take_block(void *context, struct bs_token_block *block,
                      struct bs_error *error) {
    struct labeller *labeller = context;
    int64_t appetite = 8 * bs_infer_appetite(labeller->infer);
    for (size_t i = 0; i < block->count; i++) {
        if (take_record(labeller, &block->records[i], error))
            return error->code;
        bool full = labeller->n_pending == WINDOW || labeller->n_tokens >= appetite;
        if (full && label_window(labeller, error))
            return error->code;
    }
    return BS_OK;
}

static int run_source(struct labeller *labeller, struct bs_error *error) {
    const struct bs_options *options = labeller->options;
    const struct bs_model_config *config = bs_model_files_config(labeller->files);
    struct bs_source_options source = {
        .reader = bs_options_reader(options, NULL),
        .tokenizer = labeller->tokenizer,
        .max_length =
            bs_source_length(options->max_length, config->max_position_embeddings),
        .truncation = options->truncation,
        .literal_special_tokens = options->literal_special_tokens,
        .config = config,
        .threads = options->threads,
        .rejects = labeller->rejects,
        .context = labeller,
        .take = take_block};
    if (bs_source_open(&labeller->source, options->paths, options->n_paths, &source,
                       error) ||
        bs_source_run(labeller->source, error))
        return error->code;
    return label_window(labeller, error);
}

int collect_labelled(const struct bs_options *options, struct bs_metrics *metrics,
                     struct bs_error *error) {
    struct labeller labeller = {.options = options, .metrics = metrics};
    if (bs_rejects_open(&labeller.rejects, options->rejects, options->strict, error))
        return error->code;
    int code = open_model(&labeller, error);
    if (!code)
        code = open_window(&labeller, error);
    if (!code)
        code = run_source(&labeller, error);
    if (!code)
        tell_foreign(&labeller);
    close_labeller(&labeller);
    if (!bs_tool_keeps_output(code)) {
        bs_rejects_abandon(labeller.rejects);
        return code;
    }
    return bs_rejects_close(labeller.rejects, error);
}
