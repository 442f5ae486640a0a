/* Runs sample texts through two models and compares the logits. */
#include "compare.h"

#include "common/log.h"
#include "front/source.h"
#include "front/tool.h"
#include "infer/infer.h"
#include "metric/probabilities.h"

#include <math.h>
#include <stdlib.h>

static const char long_sample[] =
    "I wanted to like it, I really did, but between the wooden dialogue, a plot that "
    "could be guessed after ten minutes and a soundtrack that never knew when to stop, "
    "there was nothing left to hold on to except the remarkable work of the camera.";

/* Short and long, plain and not: what a tokenizer or a batch could get wrong. */
static const char *const samples[] = {
    "A gripping, beautifully acted film that stays with you for days.",
    "Two hours of my life that I will never get back.",
    "It is not that the jokes are bad; there simply are none.",
    "Good.",
    "",
    long_sample,
    "3.5/10 -- would not recommend!!! :-(",
    "Une com\u00e9die d\u00e9licieuse, na\u00efve et tr\u00e8s dr\u00f4le.",
    "\u975e\u5e38\u597d\u770b\u7684\u7535\u5f71",
    "ERROR 2041 connection to db-7.example.org:5432 timed out after 30000 ms",
    "see https://example.org/reviews?id=42&sort=asc for the rest",
    "The acting is great, the acting is great, the acting is great, and nothing else is.",
};
enum { N_SAMPLES = sizeof samples / sizeof *samples };

struct side {
    const char *name; /* for messages */
    struct bs_model *model;
    struct bs_infer *infer;
    float *logits;
};

struct comparison {
    const char *output; /* for messages */
    const struct bs_model_config *config;
    struct bs_device *device;
    struct bs_tokenizer *tokenizer;
    struct bs_tokenizer_worker *worker;
    struct side sides[2];
    enum bs_precision precisions[2];
    struct bs_sequence *sequences;
    size_t room;                 /* of sequences, and of the logits in rows */
    struct agreement *agreement; /* NULL: logits must be equal */
    double *probabilities;       /* [2, K], of one text */
    int64_t texts;
};

static void close_comparison(struct comparison *c) {
    for (int i = 0; i < 2; i++) {
        free(c->sides[i].logits);
        bs_infer_free(c->sides[i].infer);
        bs_model_free(c->sides[i].model);
    }
    free(c->sequences);
    free(c->probabilities);
    bs_tokenizer_worker_free(c->worker);
    bs_tokenizer_free(c->tokenizer);
    bs_device_close(c->device);
}

static int open_side(struct comparison *c, int number, const struct bs_model_files *files,
                     int threads, struct bs_error *error) {
    struct bs_infer_options infer = {.threads = threads};
    struct side *side = &c->sides[number];
    if (bs_model_open(&side->model, c->device, files, c->precisions[number], error))
        return error->code;
    return bs_infer_new(&side->infer, side->model, infer, error);
}

/* The files of both tokenizers must be the same; one of them is enough then. */
static int open_tokenizer(struct comparison *c, const struct bs_model_files *model,
                          const struct bs_model_files *copy, struct bs_error *error) {
    for (int i = 0; i < BS_TOKENIZER_FILES; i++) {
        enum bs_tokenizer_file which = (enum bs_tokenizer_file)i;
        struct bs_span ours = bs_model_files_tokenizer_file(model, which);
        struct bs_span theirs = bs_model_files_tokenizer_file(copy, which);
        if (!ours.data != !theirs.data || !bs_span_equal(ours, theirs))
            return bs_fail(error, BS_DATA, "%s: does not have the model's %s", c->output,
                           bs_tokenizer_file_names[i]);
    }
    if (bs_model_files_tokenizer(model, &c->tokenizer, error))
        return error->code;
    return bs_tokenizer_worker_new(&c->worker, c->tokenizer, false, error);
}

static int make_room(struct comparison *c, size_t count, struct bs_error *error) {
    size_t row = (size_t)c->config->num_labels * sizeof(float);
    if (count <= c->room)
        return BS_OK;
    void *sequences = bs_realloc(c->sequences, count, sizeof *c->sequences);
    if (!sequences)
        return bs_fail_memory(error, count * sizeof *c->sequences, "texts");
    c->sequences = sequences;
    for (int i = 0; i < 2; i++) {
        void *logits = bs_realloc(c->sides[i].logits, count, row);
        if (!logits)
            return bs_fail_memory(error, count * row, "logits");
        c->sides[i].logits = logits;
    }
    c->room = count;
    return BS_OK;
}

static double largest_difference(const struct comparison *c, int64_t count) {
    double largest = 0;
    for (int64_t i = 0; i < count * c->config->num_labels; i++)
        largest = fmax(
            largest, fabs((double)c->sides[0].logits[i] - (double)c->sides[1].logits[i]));
    return largest;
}

static void count_equal(struct comparison *c, int64_t count) {
    size_t K = (size_t)c->config->num_labels;
    double *probabilities[2] = {c->probabilities, c->probabilities + K};
    for (int64_t i = 0; i < count; i++) {
        size_t label[2];
        for (int side = 0; side < 2; side++)
            label[side] = bs_label_probabilities(c->sides[side].logits + i * (int64_t)K,
                                                 K, probabilities[side]);
        c->agreement->texts++;
        c->agreement->equal += label[0] == label[1];
        c->agreement->difference +=
            fabs(probabilities[0][label[0]] - probabilities[1][label[0]]);
    }
}

/* Labels the first `count` sequences with both models. */
static int compare_logits(struct comparison *c, int64_t count, struct bs_error *error) {
    for (int i = 0; i < 2; i++)
        if (bs_infer_run(c->sides[i].infer, c->sequences, count, c->sides[i].logits,
                         error) ||
            bs_infer_check_logits(c->sides[i].logits, count * c->config->num_labels,
                                  error))
            return bs_error_prefix(error, "%s: ", c->sides[i].name);
    c->texts += count;
    if (c->agreement) {
        count_equal(c, count);
        return BS_OK;
    }
    size_t size = (size_t)(count * c->config->num_labels) * sizeof(float);
    if (size > 0 && memcmp(c->sides[0].logits, c->sides[1].logits, size) != 0)
        return bs_fail(error, BS_DATA,
                       "%s: does not compute what the model does: logits differ by up to "
                       "%g",
                       c->output, largest_difference(c, count));
    return BS_OK;
}

static struct bs_sequence sequence_of(const struct bs_encoding *encoding) {
    return (struct bs_sequence){
        .ids = encoding->ids.values,
        .type_ids = encoding->type_ids.count > 0 ? encoding->type_ids.values : NULL,
        .length = (int64_t)encoding->ids.count};
}

static int take_block(void *context, struct bs_token_block *block,
                      struct bs_error *error) {
    struct comparison *c = context;
    int64_t count = 0;
    if (make_room(c, block->count, error))
        return error->code;
    for (size_t i = 0; i < block->count; i++)
        if (!block->records[i].rejected)
            c->sequences[count++] = sequence_of(&block->records[i].encoding);
    return compare_logits(c, count, error);
}

static int compare_files(struct comparison *c, const struct bs_options *options,
                         struct bs_rejects *rejects, struct bs_error *error) {
    struct bs_source *source;
    struct bs_source_options how = {
        .reader = bs_options_reader(options, NULL),
        .tokenizer = c->tokenizer,
        .max_length =
            bs_source_length(options->max_length, c->config->max_position_embeddings),
        .truncation = options->truncation,
        .config = c->config,
        .threads = options->threads,
        .rejects = rejects,
        .context = c,
        .take = take_block};
    int code = bs_source_open(&source, options->paths, options->n_paths, &how, error);
    if (!code) {
        code = bs_source_run(source, error);
        bs_source_close(source);
    }
    if (!code && c->texts == 0 && !bs_tool_signal())
        return bs_fail(error, BS_DATA, "%s: no text to compare models with",
                       options->paths[0]);
    return code;
}

/* A sample that this model cannot take (few positions, few words) is left out. */
static int compare_samples(struct comparison *c, struct bs_error *error) {
    struct bs_encoding encodings[N_SAMPLES] = {0};
    int64_t length = bs_source_length(-1, c->config->max_position_embeddings);
    int64_t count = 0;
    int code = make_room(c, N_SAMPLES, error);
    for (int i = 0; !code && i < N_SAMPLES; i++) {
        struct bs_error reason;
        code = bs_encode(c->worker, bs_span_of(samples[i]), NULL, length,
                         BS_TRUNCATE_HEAD, &encodings[i], error);
        c->sequences[count] = sequence_of(&encodings[i]);
        if (!code && !bs_model_check_ids(c->config, &c->sequences[count], &reason))
            count++;
    }
    if (!code)
        code = compare_logits(c, count, error);
    for (int i = 0; i < N_SAMPLES; i++)
        bs_encoding_free(&encodings[i]);
    if (!code && count == 0)
        return bs_fail(error, BS_DATA,
                       "%s: takes none of the sample texts; give a FILE of texts",
                       c->sides[0].name);
    return code;
}

static int compare_all(struct comparison *c, const struct bs_options *options,
                       struct bs_error *error) {
    struct bs_rejects *rejects;
    if (options->n_paths == 0)
        return compare_samples(c, error);
    if (bs_rejects_open(&rejects, NULL, false, error))
        return error->code;
    int code = compare_files(c, options, rejects, error);
    if (!code)
        return bs_rejects_close(rejects, error);
    bs_rejects_abandon(rejects);
    return code;
}

static int compare_weights(const char *output, struct bs_model_files *model,
                           struct bs_model_files *copy, struct bs_error *error) {
    const char *first, *second;
    if (bs_model_files_digest(model, &first, error) ||
        bs_model_files_digest(copy, &second, error))
        return error->code;
    if (strcmp(first, second) != 0)
        return bs_fail(error, BS_DATA, "%s: does not have the model's weights", output);
    return BS_OK;
}

static int compare(struct comparison *c, const struct bs_options *options,
                   struct bs_model_files *model, struct bs_model_files *copy,
                   const char *device, struct bs_error *error) {
    size_t K = (size_t)c->config->num_labels;
    c->sides[0].name = options->model;
    c->sides[1].name = options->output;
    c->probabilities = bs_alloc(2 * K, sizeof *c->probabilities);
    if (!c->probabilities)
        return bs_fail_memory(error, 2 * K * sizeof *c->probabilities, "labels");
    if (bs_device_open(&c->device, device, error) ||
        open_side(c, 0, model, options->threads, error) ||
        open_side(c, 1, copy, options->threads, error))
        return error->code;
    return compare_all(c, options, error);
}

int compare_models(const struct bs_options *options, struct bs_model_files *model,
                   struct bs_model_files *copy, int64_t *texts, struct bs_error *error) {
    struct comparison c = {.output = options->output,
                           .config = bs_model_files_config(model)};
    int code = open_tokenizer(&c, model, copy, error);
    if (!code && c.config->num_labels == 0)
        code = compare_weights(c.output, model, copy, error);
    else if (!code)
        code = compare(&c, options, model, copy, options->device, error);
    *texts = c.texts;
    close_comparison(&c);
    return code;
}

/* int8 is for processors. */
static const char *labelling_device(const struct bs_options *options) {
    if (strcmp(options->device, "auto") != 0)
        return options->device;
    return strstr(bs_compute_backends(), "cpu") ? "cpu" : "ref";
}

int compare_labels(const struct bs_options *options, struct bs_model_files *model,
                   struct bs_model_files *copy, struct agreement *agreement,
                   struct bs_error *error) {
    struct comparison c = {.output = options->output,
                           .config = bs_model_files_config(model),
                           .precisions = {BS_PRECISION_FP32, BS_PRECISION_INT8},
                           .agreement = agreement};
    *agreement = (struct agreement){0};
    if (c.config->num_labels == 0)
        return bs_fail(error, BS_DATA,
                       "%s: has no classifier, whose labels int8 would "
                       "be compared with",
                       options->model);
    int code = open_tokenizer(&c, model, copy, error);
    if (!code)
        code = compare(&c, options, model, copy, labelling_device(options), error);
    if (c.texts > 0)
        agreement->difference /= (double)c.texts;
    close_comparison(&c);
    return code;
}
