/* What a run is made of: from settings and data to a model with room for a step. */
#include "learn/run.h"

#include "common/log.h"
#include "learn/identity.h"
#include "learn/schedule.h"
#include "store/config_json.h"

#include <inttypes.h>
#include <stdlib.h>

static int check_classes(const struct run *run, const int64_t *counts,
                         struct bs_error *error) {
    const struct bs_labels *labels = run->training->labels;
    int64_t seen = 0, which = -1;
    for (int64_t k = 0; k < labels->count; k++)
        if (counts[k] > 0)
            seen++, which = k;
    if (seen == 0)
        return bs_fail(error, BS_DATA, "there is nothing to train on");
    if (seen == 1)
        return bs_fail(error, BS_DATA,
                       "the training data has one class only, \"%s\"; two are needed",
                       labels->names[which]);
    if (labels->count > 100 && labels->count > run->training->train->count / 4)
        bs_warn("%" PRId64 " labels in %" PRId64
                " examples: is --label the right column?",
                labels->count, run->training->train->count);
    return BS_OK;
}

static int weigh_classes(struct run *run, int64_t *counts, struct bs_error *error) {
    const struct bs_labels *labels = run->training->labels;
    bs_examples_count(run->training->train, counts, labels->count);
    if (check_classes(run, counts, error))
        return error->code;
    return bs_class_weights(run->settings, labels->names, counts, labels->count,
                            run->class_weights, &run->weighted, error);
}

static int work_out_classes(struct run *run, struct bs_error *error) {
    size_t n = (size_t)run->training->labels->count + 1;
    run->class_weights = bs_alloc(n, sizeof *run->class_weights);
    int64_t *counts = bs_alloc(n, sizeof *counts);
    int code = BS_OK;
    if (counts && run->class_weights)
        code = weigh_classes(run, counts, error);
    else
        code = bs_fail_memory(error, n * sizeof *counts, "labels");
    free(counts);
    return code;
}

/* One that rounds to 1 (bs_dropout_threshold) leaves nothing to learn from. */
static int check_dropout(const struct bs_model_files *base, struct bs_error *error) {
    const double most = 0.99999;
    const struct bs_model_config *config = bs_model_files_config(base);
    const struct {
        const char *key;
        double probability;
    } all[] = {{"hidden_dropout_prob", config->hidden_dropout_prob},
               {"attention_probs_dropout_prob", config->attention_probs_dropout_prob},
               {"classifier_dropout", config->classifier_dropout}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].probability > most)
            return bs_fail(error, BS_DATA,
                           "%s/config.json: \"%s\" must be from 0 to %g for training",
                           bs_model_files_path(base), all[i].key, most);
    return BS_OK;
}

static int describe(struct run *run, struct bs_error *error) {
    const struct bs_training *t = run->training;
    struct bs_run_sources sources = {.settings = t->settings,
                                     .tokenizer = t->tokenizer,
                                     .labels = t->labels,
                                     .train = t->train,
                                     .eval = t->eval};
    if (bs_model_files_digest(t->base, &sources.base, error))
        return error->code;
    return bs_identity_describe(&sources, &run->identity, error);
}

static void warn_of_warmup(const struct run *run) {
    int64_t warmup = run->settings->warmup_steps;
    if (warmup > run->total / 5)
        bs_warn("%" PRId64 " warm-up step%s %.0f %% of this run's %" PRId64
                "; a fifth or less is usual (--warmup-steps)",
                warmup, warmup == 1 ? " is" : "s are",
                100 * (double)warmup / (double)run->total, run->total);
}

int run_open(struct run *run, const struct bs_training *training,
             struct bs_error *error) {
    *run =
        (struct run){.training = training, .settings = training->settings, .planned = -1};
    const struct bs_labels *labels = training->labels;
    int64_t examples = training->train->count;
    int code = check_dropout(training->base, error);
    if (!code)
        code = work_out_classes(run, error);
    if (!code)
        code = bs_model_config_copy(&run->config, bs_model_files_config(training->base),
                                    (const char *const *)labels->names, labels->count,
                                    error);
    if (!code)
        code = describe(run, error);
    if (code) {
        run_close(run);
        return code;
    }
    run->per_epoch = bs_updates_per_epoch(run->settings, examples);
    run->total = bs_updates_total(run->settings, examples);
    warn_of_warmup(run);
    return BS_OK;
}

static int make_model(struct run *run, struct bs_error *error) {
    int64_t freeze = run->settings->freeze;
    if (freeze > run->config.num_hidden_layers)
        return bs_fail(error, BS_USAGE,
                       "--freeze %" PRId64 ": the model has %" PRId64 " layer%s", freeze,
                       run->config.num_hidden_layers,
                       bs_plural(run->config.num_hidden_layers));
    struct bs_model_options options = {
        .precision = run->settings->precision,
        .training = true,
        .freeze = {.embeddings = freeze >= 0, .layers = freeze > 0 ? freeze : 0}};
    return bs_model_new(&run->model, run->training->device, &run->config, &options,
                        error);
}

/* Whether a classifier with these labels has them in this order. */
static bool has_order(const struct bs_model_config *config,
                      const struct bs_labels *labels) {
    for (int64_t k = 0; k < labels->count; k++)
        if (strcmp(config->labels[k], labels->names[k]) != 0)
            return false;
    return true;
}

/* Puts the rows of the base's classifier in the order of this run's labels. */
static int order_rows(struct run *run, const struct bs_model_config *from, float *old,
                      float *ordered, struct bs_error *error) {
    struct bs_weights *weights = bs_model_weights(run->model);
    struct bs_linear linear = bs_model_parameters(run->model)->classifier;
    int64_t labels = from->num_labels, width = from->hidden_size;
    float *old_bias = old + labels * width, *ordered_bias = ordered + labels * width;
    if (bs_weights_download(weights, linear.weight, BS_SLOT_VALUE, 0, labels, old,
                            error) ||
        bs_weights_download(weights, linear.bias, BS_SLOT_VALUE, 0, 1, old_bias, error))
        return error->code;
    for (int64_t k = 0; k < labels; k++) {
        int32_t to = bs_labels_find(run->training->labels, bs_span_of(from->labels[k]));
        memcpy(ordered + to * width, old + k * width, (size_t)width * sizeof *old);
        ordered_bias[to] = old_bias[k];
    }
    if (bs_weights_upload(weights, linear.weight, BS_SLOT_VALUE, 0, labels, ordered,
                          error) ||
        bs_weights_upload(weights, linear.bias, BS_SLOT_VALUE, 0, 1, ordered_bias, error))
        return error->code;
    return bs_weights_ready(weights, error);
}

static int order_classifier(struct run *run, const struct bs_model_config *from,
                            struct bs_error *error) {
    size_t size = (size_t)(from->num_labels * (from->hidden_size + 1));
    float *old = bs_alloc(size, sizeof *old), *ordered = bs_alloc(size, sizeof *old);
    int code = old && ordered
                   ? order_rows(run, from, old, ordered, error)
                   : bs_fail_memory(error, size * sizeof *old, "the classifier");
    free(old);
    free(ordered);
    return code;
}

static int load_weights(struct run *run, const struct bs_model_files *from, bool fresh,
                        struct bs_error *error) {
    const struct bs_model_config *config = bs_model_files_config(from);
    const struct bs_labels *labels = run->training->labels;
    bool same = bs_labels_same(labels, config->labels, config->num_labels);
    struct bs_model_load load = {.head = !fresh ? BS_HEAD_REQUIRED
                                         : same ? BS_HEAD_KEEP
                                                : BS_HEAD_NEW,
                                 .seed = run->settings->seed};
    struct bs_model_loaded loaded = {0};
    if (bs_model_load(run->model, bs_model_files_tensors(from), load, &loaded, error))
        return bs_error_prefix(error, "%s: ", bs_model_files_path(from));
    bool kept = fresh && !loaded.new_classifier;
    if (kept && !has_order(config, labels) && order_classifier(run, config, error))
        return error->code;
    if (kept)
        bs_note("the classifier of %s has these labels and is kept",
                bs_model_files_path(from));
    if (loaded.new_pooler)
        bs_note("%s has no pooler: a new one is made", bs_model_files_path(from));
    return BS_OK;
}

/* Room for the largest micro-batch that could be drawn. */
static int make_room(struct run *run, struct bs_error *error) {
    const struct bs_training *t = run->training;
    int64_t tile = bs_device_info(t->device)->row_tile;
    int64_t batch = run->settings->batch_size, tokens;
    if (batch > t->train->count)
        batch = t->train->count;
    if (bs_examples_most_tokens(t->train, batch, &tokens, error))
        return error->code;
    run->size = (struct bs_pass_size){.tokens = bs_round_rows(tokens, tile),
                                      .sequences = batch,
                                      .length = bs_examples_longest(t->train),
                                      .training = true};
    if (bs_pass_new(&run->pass, run->model, t->threads, run->size, error) ||
        bs_packer_new(&run->packer, tile, error))
        return error->code;
    struct bs_infer_options options = {.threads = t->threads};
    return t->eval ? bs_infer_new(&run->infer, run->model, options, error) : BS_OK;
}

int run_load(struct run *run, const struct bs_model_files *from, bool fresh,
             struct bs_error *error) {
    if (make_model(run, error) || load_weights(run, from, fresh, error))
        return error->code;
    return make_room(run, error);
}

void run_close(struct run *run) {
    bs_infer_free(run->infer);
    bs_packer_free(run->packer);
    bs_pass_free(run->pass);
    bs_model_free(run->model);
    bs_model_config_free(&run->config);
    bs_plan_free(&run->plan);
    bs_example_scratch_free(&run->scratch);
    bs_train_state_free(&run->state);
    bs_buffer_free(&run->identity);
    free(run->class_weights);
    *run = (struct run){0};
}
