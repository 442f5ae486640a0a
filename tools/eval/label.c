/* Predictions made here: the token source reads and tokenizes, a window of records is
 * labelled together, as bs-predict does. */
#include "collect.h"
#include "common/log.h"
#include "format/rejects.h"
#include "front/labeller.h"
#include "front/tool.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct pending {
    struct bs_encoding encoding;
    bool rejected; /* then there is nothing to label */
};

struct job {
    struct bs_metrics *metrics;
    struct bs_rejects *rejects;
    const char *gold_called;
    struct bs_labeller labeller;
    struct bs_source *source;
    struct pending *window; /* [BS_LABELLER_WINDOW], n_pending of them in use */
    struct bs_buffer gold;  /* their gold labels, each with a zero byte behind it */
    size_t n_pending;
    int64_t n_tokens;
    int64_t n_foreign; /* records whose gold label is not one of `labels` */
    char foreign[64];  /* the first such label, cut */
};

static int open_job(struct job *job, const struct bs_options *options,
                    struct bs_error *error) {
    if (bs_labeller_open(&job->labeller, options, error))
        return error->code;
    job->window = bs_alloc(BS_LABELLER_WINDOW, sizeof *job->window);
    return job->window
               ? BS_OK
               : bs_fail_memory(error, BS_LABELLER_WINDOW * sizeof *job->window, "texts");
}

static void close_job(struct job *job) {
    bs_source_close(job->source);
    for (size_t i = 0; job->window && i < BS_LABELLER_WINDOW; i++)
        bs_encoding_free(&job->window[i].encoding);
    free(job->window);
    bs_buffer_free(&job->gold);
    bs_labeller_close(&job->labeller);
}

/* The answer to text number `place` of the window. */
static struct bs_prediction answer(struct bs_labeller *labeller, size_t place) {
    const struct bs_model_config *config = labeller->config;
    size_t best = bs_labeller_answer(labeller, place);
    return (struct bs_prediction){.label = bs_span_of(config->labels[best]),
                                  .probability = labeller->probabilities[best],
                                  .names = (const char *const *)config->labels,
                                  .probabilities = labeller->probabilities,
                                  .n_probabilities = (size_t)config->num_labels};
}

/* Rejected records keep their places: the bootstrap draws records by the order in which
 * they are added, which must not depend on where windows end. */
static int label_window(struct job *job, struct bs_error *error) {
    struct bs_labeller *labeller = &job->labeller;
    size_t n = job->n_pending, place = 0;
    const char *gold = job->gold.data;
    for (size_t i = 0; i < n; i++)
        if (!job->window[i].rejected)
            bs_labeller_add(labeller, &job->window[i].encoding);
    bs_labeller_start(labeller);
    if (bs_labeller_wait(labeller, error))
        return error->code;
    for (size_t i = 0; i < n; i++) {
        struct bs_prediction prediction = {.outcome = BS_PREDICTION_REJECTED,
                                           .probability = NAN};
        if (!job->window[i].rejected)
            prediction = answer(labeller, place++);
        if (bs_metrics_add(job->metrics, bs_span_of(gold), &prediction, error))
            return error->code;
        gold += strlen(gold) + 1;
    }
    job->n_pending = job->gold.size = 0;
    job->n_tokens = 0;
    return BS_OK;
}

/* A label that the model was not trained on is scored, as a class never predicted. */
static void count_foreign(struct job *job, struct bs_span gold) {
    const struct bs_model_config *config = job->labeller.config;
    for (int64_t i = 0; i < config->num_labels; i++)
        if (bs_span_is(gold, config->labels[i]))
            return;
    if (job->n_foreign++ == 0)
        snprintf(job->foreign, sizeof job->foreign, "%.*s",
                 (int)(gold.size < 60 ? gold.size : 60), gold.data);
}

static void tell_foreign(const struct job *job) {
    if (job->n_foreign)
        bs_warn("%lld record%s a label that the model cannot predict (\"%s\"): is -m the "
                "right model?",
                (long long)job->n_foreign, job->n_foreign == 1 ? " has" : "s have",
                job->foreign);
}

/* A record that was rejected on the way is told already, and counts as wrong. */
static int take_record(struct job *job, struct bs_token_record *record,
                       struct bs_error *error) {
    struct bs_span gold;
    int code =
        gold_label(&record->record, record->rejected, job->gold_called, &gold, error);
    if (!code && gold.size && memchr(gold.data, '\0', gold.size))
        code = bs_fail(error, BS_REJECTED, "the label holds a zero byte");
    if (code)
        return code == BS_REJECTED ? bs_rejects_add(job->rejects, &record->record, error)
                                   : code;
    if (!record->rejected)
        count_foreign(job, gold);
    if (!bs_buffer_append_span(&job->gold, gold) ||
        !bs_buffer_append_byte(&job->gold, '\0'))
        return bs_fail_memory(error, gold.size, "labels");
    struct pending *slot = &job->window[job->n_pending++];
    struct bs_encoding old = slot->encoding;
    *slot = (struct pending){record->encoding, record->rejected};
    record->encoding = old;
    job->n_tokens += (int64_t)slot->encoding.ids.count;
    return BS_OK;
}

static int take_block(void *context, struct bs_token_block *block,
                      struct bs_error *error) {
    struct job *job = context;
    int64_t appetite = 8 * bs_infer_appetite(job->labeller.infer);
    for (size_t i = 0; i < block->count; i++) {
        if (take_record(job, &block->records[i], error))
            return error->code;
        bool full = job->n_pending == BS_LABELLER_WINDOW || job->n_tokens >= appetite;
        if (full && label_window(job, error))
            return error->code;
    }
    return BS_OK;
}

static int run_source(struct job *job, const struct bs_options *options,
                      struct bs_error *error) {
    struct bs_source_options source = bs_labeller_source(&job->labeller, options);
    job->gold_called = bs_field_called(&source.reader, BS_FIELD_LABEL);
    source.rejects = job->rejects;
    source.context = job;
    source.take = take_block;
    if (bs_source_open(&job->source, options->paths, options->n_paths, &source, error) ||
        bs_source_run(job->source, error))
        return error->code;
    return label_window(job, error);
}

int collect_labelled(const struct bs_options *options, struct bs_metrics *metrics,
                     struct bs_error *error) {
    struct job job = {.metrics = metrics};
    if (bs_rejects_open(&job.rejects, options->rejects, options->strict, error))
        return error->code;
    int code = open_job(&job, options, error);
    if (!code)
        code = run_source(&job, options, error);
    if (!code)
        tell_foreign(&job);
    close_job(&job);
    if (!bs_tool_keeps_output(code)) {
        bs_rejects_abandon(job.rejects);
        return code;
    }
    return bs_rejects_close(job.rejects, error);
}
