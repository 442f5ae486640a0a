/*
 * Times a GPU, or any other device:
 *
 *     gpu [--device NAME] [--seconds N] [--small]
 *
 * --seconds bounds what one row may take (4); --small is a look at the program itself,
 * with a tiny model and three steps. TSV on stdout, row by row; the columns are named in
 * report.c, what counts as arithmetic in shape.h. Rows of every precision that the device
 * has natively:
 *
 *     train    8 x 128 and 64 x 512 tokens: 300 steps after 50, as seconds for 3,750
 *     label    texts of 25, 128 and 512 tokens, many at once; 128 x 128; one text alone
 *     report   the reference report's run: BERT-base, 3,750 steps of 8 x 128 tokens in
 *              the fastest precision, all of them
 */
#include "bench.h"

#include "common/number.h"
#include "common/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bs_error error;

void must(int code) {
    if (code) {
        fprintf(stderr, "gpu: %s\n", error.text);
        exit(code);
    }
}

/* ---- random input --------------------------------------------------------------- */

static void draw(struct bench *bench) {
    struct bs_random random = {.seed = 1};
    bench->ids = malloc(N_IDS * sizeof *bench->ids);
    bench->normal = malloc(N_NORMAL * sizeof *bench->normal);
    for (int i = 0; i < N_IDS; i++)
        bench->ids[i] = (int32_t)bs_random_below(&random, 1000);
    for (int i = 0; i < N_NORMAL; i++)
        bench->normal[i] = (float)bs_random_normal(&random);
}

struct bs_sequence bench_sequence(const struct bench *bench, int64_t batch, int64_t i,
                                  int64_t length) {
    int64_t first = (batch * 7919 + i * 613) % (N_IDS - length);
    return (struct bs_sequence){bench->ids + first, NULL, length};
}

/* N(0, 0.02), norms 1, biases 0. */
static void fill(const struct bench *bench, const struct bs_parameter *p, int64_t first,
                 float *values, int64_t n) {
    bool gain = strstr(p->name, "LayerNorm.weight") != NULL;
    for (int64_t i = 0; i < n; i++)
        values[i] = p->role == BS_ROLE_VECTOR
                        ? (float)gain
                        : 0.02F * bench->normal[(first + i * 5 + 1) % N_NORMAL];
}

static void upload(const struct bench *bench, struct bs_model *model, int index) {
    const struct bs_parameter *p = &bs_model_parameters(model)->list[index];
    int64_t n = p->rows * p->columns;
    float *values = malloc((size_t)n * sizeof *values);
    fill(bench, p, index * 104729, values, n);
    must(bs_weights_upload(bs_model_weights(model), index, BS_SLOT_VALUE, 0, p->rows,
                           values, &error));
    free(values);
}

struct bs_model *bench_model(const struct bench *bench, const struct shape *shape,
                             enum bs_precision precision, bool training) {
    struct bs_model_options options = {.precision = precision, .training = training};
    struct bs_model *model;
    must(bs_model_new(&model, bench->device, &shape->config, &options, &error));
    for (int i = 0; i < bs_model_parameters(model)->count; i++)
        upload(bench, model, i);
    must(bs_weights_ready(bs_model_weights(model), &error));
    return model;
}

/* ---- all rows ------------------------------------------------------------------- */

/* What is timed. */
struct plan {
    struct shape shapes[2];
    int n_shapes;
    struct load step, large, label;
    int64_t lengths[4];
};

static bool served(const struct bench *bench, int precision) {
    return bs_device_info(bench->device)->support[precision] == BS_NATIVE;
}

static void time_shape(const struct bench *bench, const struct plan *plan,
                       const struct shape *shape, bool first) {
    enum bs_precision fastest = BS_PRECISION_FP32;
    double most = 0;
    for (int p = 0; p < BS_N_TRAINING_PRECISIONS; p++) {
        if (!served(bench, p))
            continue;
        struct bs_model *model = bench_model(bench, shape, (enum bs_precision)p, true);
        double rate = train_row(bench, shape, model, plan->step);
        train_row(bench, shape, model, plan->large);
        bs_model_free(model);
        label_rows(bench, shape, (enum bs_precision)p, plan->lengths, plan->label);
        if (rate > most) {
            most = rate;
            fastest = (enum bs_precision)p;
        }
    }
    if (first && most > 0)
        train_whole(bench, shape, fastest, plan->step, most);
}

static void time_all(const struct bench *bench, const struct plan *plan) {
    report_header();
    for (int i = 0; i < plan->n_shapes; i++)
        time_shape(bench, plan, &plan->shapes[i], i == 0);
}

/* ---- command line --------------------------------------------------------------- */

static int usage(void) {
    fprintf(stderr, "Usage: gpu [--device NAME] [--seconds N] [--small]\n");
    return BS_USAGE;
}

/* False: not a command line of ours. */
static bool parse(int argc, char **argv, const char **device, int64_t *seconds,
                  bool *small) {
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--small"))
            *small = true;
        else if (!strcmp(argv[i], "--device") && i + 1 < argc)
            *device = argv[++i];
        else if (!strcmp(argv[i], "--seconds") && i + 1 < argc)
            must(bs_parse_integer(argv[++i], "--seconds", 1, 600, seconds, &error));
        else
            return false;
    }
    return true;
}

int main(int argc, char **argv) {
    const char *device = "cuda";
    int64_t seconds = 4;
    bool small = false;
    if (!parse(argc, argv, &device, &seconds, &small))
        return usage();
    struct bench bench = {.seconds = (double)seconds,
                          .whole_seconds = 120,
                          .warm = 50,
                          .steps = 300,
                          .total = 3750,
                          .most_texts = INT64_MAX};
    struct plan plan = {.shapes = {shape_bert_base(), shape_minilm()},
                        .n_shapes = 2,
                        .step = {8, 128},
                        .large = {64, 512},
                        .label = {128, 128},
                        .lengths = {25, 128, 512}};
    if (small) {
        bench.seconds = 0.2;
        bench.whole_seconds = 1e9;
        bench.warm = 1;
        bench.most_texts = 6;
        bench.steps = bench.total = 3;
        plan = (struct plan){.shapes = {shape_small()},
                             .n_shapes = 1,
                             .step = {2, 16},
                             .large = {4, 24},
                             .label = {4, 8},
                             .lengths = {5}};
    }
    must(bs_device_open(&bench.device, device, &error));
    bench.memory_before = bs_device_memory_used(bench.device);
    draw(&bench);
    time_all(&bench, &plan);
    free(bench.ids);
    free(bench.normal);
    bs_device_close(bench.device);
    return BS_OK;
}
