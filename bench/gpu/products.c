/* The matrix library alone: the products of a model's linear layers, and nothing between
 * them but the sums of bias gradients. */
#include "bench.h"

#include "common/log.h"

#include <stdio.h>

enum { N_PRODUCTS = 4 };

struct products {
    struct bs_queue *queue;
    struct bs_weights *weights;
    struct bs_arena *arena;
    struct bs_packer *packer;
    struct bs_rows x[N_PRODUCTS], y[N_PRODUCTS], dx[N_PRODUCTS];
    int64_t layers;
    bool training;
};

static int64_t fewer(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* Outputs and inputs of q, k, v; attention's output; up; down. */
static void sizes_of(const struct bs_model_config *c, int64_t sizes[N_PRODUCTS][2]) {
    const int64_t C = c->hidden_size, F = c->intermediate_size;
    const int64_t all[N_PRODUCTS][2] = {{3 * C, C}, {C, C}, {F, C}, {C, F}};
    for (int i = 0; i < N_PRODUCTS; i++)
        sizes[i][0] = all[i][0], sizes[i][1] = all[i][1];
}

static int make_weights(struct products *p, const struct bench *bench,
                        enum bs_precision precision, int64_t sizes[N_PRODUCTS][2]) {
    struct bs_parameter table[2 * N_PRODUCTS];
    for (int i = 0; i < N_PRODUCTS; i++) {
        table[2 * i] = (struct bs_parameter){"weight",    BS_ROLE_MATRIX, sizes[i][0],
                                             sizes[i][1], true,           true};
        table[2 * i + 1] =
            (struct bs_parameter){"bias", BS_ROLE_VECTOR, 1, sizes[i][0], false, true};
    }
    if (bs_weights_new(&p->weights, bench->device, table, 2 * N_PRODUCTS, precision,
                       p->training, &error))
        return error.code;
    for (int i = 0; i < N_PRODUCTS; i++) {
        int64_t at_once = N_NORMAL / sizes[i][1];
        for (int64_t row = 0; row < sizes[i][0]; row += at_once)
            must(bs_weights_upload(p->weights, 2 * i, BS_SLOT_VALUE, row,
                                   fewer(at_once, sizes[i][0] - row), bench->normal,
                                   &error));
    }
    return bs_weights_ready(p->weights, &error);
}

static void lay_out(struct products *p, enum bs_type type, int64_t tokens,
                    int64_t sizes[N_PRODUCTS][2]) {
    bs_arena_reset(p->arena);
    for (int i = 0; i < N_PRODUCTS; i++) {
        p->x[i] = bs_arena_rows(p->arena, type, tokens, sizes[i][1]);
        p->y[i] = bs_arena_rows(p->arena, type, tokens, sizes[i][0]);
        if (p->training)
            p->dx[i] = bs_arena_rows(p->arena, type, tokens, sizes[i][1]);
    }
}

static int make_rows(struct products *p, struct bs_device *device, enum bs_type type,
                     int64_t tokens, int64_t sizes[N_PRODUCTS][2]) {
    must(bs_arena_new(&p->arena, device, 0, &error));
    lay_out(p, type, tokens, sizes);
    int64_t bytes = bs_arena_used(p->arena);
    bs_arena_free(p->arena);
    p->arena = NULL;
    if (bs_arena_new(&p->arena, device, bytes, &error))
        return error.code;
    lay_out(p, type, tokens, sizes);
    return BS_OK;
}

/* Zeros would take less power, and so less time, than numbers do. */
static void fill(struct products *p, const struct bench *bench) {
    for (int i = 0; i < N_PRODUCTS; i++) {
        int64_t at_once = N_NORMAL / p->x[i].columns, all = p->x[i].rows;
        for (int64_t row = 0; row < all; row += at_once)
            bs_rows_upload(p->queue,
                           bs_rows_slice(p->x[i], row, fewer(at_once, all - row)),
                           bench->normal);
    }
    must(bs_queue_finish(p->queue, &error));
}

/* A recording belongs to a batch. */
static void set_batch(struct products *p, const struct bench *bench, struct load load) {
    must(bs_packer_new(&p->packer, bs_device_info(bench->device)->row_tile, &error));
    bs_packer_begin(p->packer, 0);
    for (int64_t i = 0; i < load.sequences; i++) {
        struct bs_sequence s = bench_sequence(bench, 0, i, load.length);
        must(bs_packer_add(p->packer, &s, -1, &error));
    }
    bs_set_batch(p->queue, bs_packer_finish(p->packer));
}

static void run_once(struct products *p) {
    enum { RECORDING = 100 };
    const struct bs_rows none = {0};
    if (!bs_queue_record(p->queue, RECORDING))
        return;
    for (int64_t layer = 0; layer < p->layers; layer++)
        for (int i = 0; i < N_PRODUCTS; i++) {
            struct bs_linear linear = {2 * i, 2 * i + 1};
            bs_linear(p->queue, p->weights, linear, BS_IDENTITY, p->x[i], none, p->y[i]);
            if (p->training)
                bs_linear_backward(p->queue, p->weights, linear, p->x[i], p->y[i],
                                   p->dx[i], false);
        }
    bs_queue_recorded(p->queue);
}

/* Seconds that one run of all layers takes. */
static double time_runs(struct products *p, double limit) {
    for (int i = 0; i < 3; i++)
        run_once(p);
    must(bs_queue_finish(p->queue, &error));
    double began = bs_seconds();
    int64_t runs = 0;
    do {
        for (int i = 0; i < 4; i++, runs++)
            run_once(p);
        must(bs_queue_finish(p->queue, &error));
    } while (bs_seconds() - began < limit);
    return (bs_seconds() - began) / (double)runs;
}

double products_rate(const struct bench *bench, const struct shape *shape,
                     enum bs_precision precision, struct load load, bool training) {
    struct products p = {.layers = shape->config.num_hidden_layers, .training = training};
    int64_t sizes[N_PRODUCTS][2], tokens = load.sequences * load.length;
    double rate = 0;
    sizes_of(&shape->config, sizes);
    tokens = bs_round_rows(tokens, bs_device_info(bench->device)->row_tile);
    if (bs_queue_new(&p.queue, bench->device, 1, tokens, load.length, &error) ||
        make_weights(&p, bench, precision, sizes) ||
        make_rows(&p, bench->device, bs_precision_type(precision), tokens, sizes)) {
        fprintf(stderr, "bench: products alone are left out: %s\n", error.text);
    } else {
        fill(&p, bench);
        set_batch(&p, bench, load);
        rate = 1e-12 * (training ? 3 : 1) * shape_products(shape, tokens) /
               time_runs(&p, bench->seconds / 20);
    }
    bs_packer_free(p.packer);
    bs_arena_free(p.arena);
    bs_weights_free(p.weights);
    bs_queue_free(p.queue);
    return rate;
}
