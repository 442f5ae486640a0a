/*
 * Times linear layers of BERT's shapes, forward and backward, over 1,024 rows:
 *
 *     linear [DEVICE [PRECISION [THREADS]]]
 *
 * One line a shape: outputs x inputs, then GFLOP/s forward, forward with GELU, and, but
 * for int8, backward with respect to the weights alone and to both. Processor time of all
 * threads counts, so that other work on the machine disturbs little.
 */
#include "common/log.h"
#include "compute/compute.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROWS = 1024, REPEATS = 7 };

static struct bs_error error;

static void must(int code) {
    if (code) {
        fprintf(stderr, "linear: %s\n", error.text);
        exit(code);
    }
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

struct layer {
    struct bs_queue *queue;
    struct bs_weights *weights;
    struct bs_linear linear;
    struct bs_rows x, y, dx;
};

static void forward(const struct layer *l) {
    struct bs_rows none = {0};
    bs_linear(l->queue, l->weights, l->linear, BS_IDENTITY, l->x, none, l->y);
}

static void forward_gelu(const struct layer *l) {
    struct bs_rows none = {0};
    bs_linear(l->queue, l->weights, l->linear, BS_GELU, l->x, none, l->y);
}

static void weights_backward(const struct layer *l) {
    struct bs_rows none = {0};
    bs_linear_backward(l->queue, l->weights, l->linear, l->x, l->y, none, false);
}

static void backward(const struct layer *l) {
    bs_linear_backward(l->queue, l->weights, l->linear, l->x, l->y, l->dx, false);
}

/* GFLOP/s of the fastest of a few runs of something that takes `flops`. */
static double rate(void (*run)(const struct layer *), const struct layer *layer,
                   double flops) {
    double best = 1e9;
    run(layer);
    for (int i = 0; i < REPEATS; i++) {
        double began = seconds();
        run(layer);
        must(bs_queue_finish(layer->queue, &error));
        double took = seconds() - began;
        best = took < best ? took : best;
    }
    return 1e-9 * flops / best;
}

static void time_shape(struct bs_device *device, struct bs_queue *queue,
                       enum bs_precision precision, int64_t outputs, int64_t inputs) {
    enum bs_type type = precision == BS_PRECISION_FP32 ? BS_F32 : BS_BF16;
    bool training = precision != BS_PRECISION_INT8;
    struct bs_parameter table[] = {
        {"weight", BS_ROLE_MATRIX, outputs, inputs, true, true},
        {"bias", BS_ROLE_VECTOR, 1, outputs, false, true}};
    struct bs_arena *arena;
    struct layer layer = {.queue = queue, .linear = {0, 1}};
    must(bs_weights_new(&layer.weights, device, table, 2, precision, training, &error));
    must(bs_weights_ready(layer.weights, &error));
    must(bs_arena_new(&arena, device, ROWS * (2 * inputs + outputs) * 4 + 256, &error));
    layer.x = bs_arena_rows(arena, type, ROWS, inputs);
    layer.y = bs_arena_rows(arena, type, ROWS, outputs);
    layer.dx = bs_arena_rows(arena, type, ROWS, inputs);
    double flops = 2.0 * ROWS * (double)outputs * (double)inputs;
    printf("%lld x %lld\t%.1f\t%.1f", (long long)outputs, (long long)inputs,
           rate(forward, &layer, flops), rate(forward_gelu, &layer, flops));
    if (training)
        printf("\t%.1f\t%.1f", rate(weights_backward, &layer, flops),
               rate(backward, &layer, 2 * flops));
    putchar('\n');
    bs_arena_free(arena);
    bs_weights_free(layer.weights);
}

int main(int argc, char **argv) {
    static const int64_t shapes[][2] = {{384, 384}, {1152, 384}, {1536, 384}, {384, 1536},
                                        {768, 768}, {3072, 768}, {768, 3072}};
    enum bs_precision precision = BS_PRECISION_FP32;
    struct bs_device *device;
    struct bs_queue *queue;
    must(bs_device_open(&device, argc > 1 ? argv[1] : "auto", &error));
    if (argc > 2)
        must(bs_precision_parse(argv[2], &precision, &error));
    must(bs_queue_new(&queue, device, argc > 3 ? atoi(argv[3]) : 1, ROWS, 512, &error));
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        time_shape(device, queue, precision, shapes[i][0], shapes[i][1]);
    bs_queue_free(queue);
    bs_device_close(device);
    return BS_OK;
}
