/* Rows that move, activations, embeddings: everything that goes row by row. */
#include "compute/cpu/cpu.h"

#include <string.h>

struct views {
    const struct bs_cpu_kernels *kernels;
    const struct bs_queue *queue;
    struct bs_rows a, b, c;
    void (*one)(struct bs_rows x, struct bs_rows y);
    void (*two)(struct bs_rows a, struct bs_rows b, struct bs_rows y);
};

static void one_tile(void *context, int64_t first, int64_t count, int worker) {
    const struct views *v = context;
    (void)worker;
    v->one(bs_rows_slice(v->a, first, count), bs_rows_slice(v->b, first, count));
}

static void two_tile(void *context, int64_t first, int64_t count, int worker) {
    const struct views *v = context;
    (void)worker;
    v->two(bs_rows_slice(v->a, first, count), bs_rows_slice(v->b, first, count),
           bs_rows_slice(v->c, first, count));
}

void cpu_copy(struct bs_queue *q, struct bs_rows x, struct bs_rows y) {
    struct views views = {.a = x, .b = y, .one = cpu_queue(q)->kernels->copy};
    cpu_for_rows(q, x.rows, one_tile, &views);
}

void cpu_activate(struct bs_queue *q, enum bs_activation activation, struct bs_rows x,
                  struct bs_rows y) {
    const struct bs_cpu_kernels *kernels = cpu_queue(q)->kernels;
    struct views views = {
        .a = x, .b = y, .one = activation == BS_GELU ? kernels->gelu : kernels->tanh};
    cpu_for_rows(q, x.rows, one_tile, &views);
}

void cpu_gelu_backward(struct bs_queue *q, struct bs_rows pre, struct bs_rows dy,
                       struct bs_rows dpre) {
    struct views views = {
        .a = pre, .b = dy, .c = dpre, .two = cpu_queue(q)->kernels->gelu_backward};
    cpu_for_rows(q, pre.rows, two_tile, &views);
}

void cpu_tanh_backward(struct bs_queue *q, struct bs_rows y, struct bs_rows dy,
                       struct bs_rows dpre) {
    struct views views = {
        .a = y, .b = dy, .c = dpre, .two = cpu_queue(q)->kernels->tanh_backward};
    cpu_for_rows(q, y.rows, two_tile, &views);
}

static void zero_tile(void *context, int64_t first, int64_t count, int worker) {
    const struct views *v = context;
    struct bs_rows rows = bs_rows_slice(v->a, first, count);
    size_t size = bs_type_size(rows.type);
    (void)worker;
    for (int64_t r = 0; r < count; r++)
        memset((char *)rows.data + (size_t)(r * rows.stride) * size, 0,
               (size_t)rows.columns * size);
}

void cpu_zero(struct bs_queue *q, struct bs_rows rows) {
    struct views views = {.a = rows};
    cpu_for_rows(q, rows.rows, zero_tile, &views);
}

static struct bs_rows host_rows(struct bs_rows like, const float *data) {
    return (struct bs_rows){(void *)data, BS_F32, like.rows, like.columns, like.columns};
}

void cpu_rows_upload(struct bs_queue *q, struct bs_rows to, const float *from) {
    cpu_copy(q, host_rows(to, from), to);
}

void cpu_rows_download(struct bs_queue *q, struct bs_rows from, float *to) {
    cpu_copy(q, from, host_rows(from, to));
}

/* ---- first tokens ---- */

static void gather_tile(void *context, int64_t first, int64_t count, int worker) {
    const struct views *v = context;
    (void)worker;
    for (int64_t b = first; b < first + count; b++)
        v->one(bs_rows_slice(v->a, v->queue->batch.offset[b], 1),
               bs_rows_slice(v->b, b, 1));
}

void cpu_gather_first(struct bs_queue *q, struct bs_rows x, struct bs_rows y) {
    struct views views = {.queue = q, .a = x, .b = y, .one = cpu_queue(q)->kernels->copy};
    cpu_for_rows(q, y.rows, gather_tile, &views);
}

static void scatter_tile(void *context, int64_t first, int64_t count, int worker) {
    const struct views *v = context;
    (void)worker;
    for (int64_t b = first; b < first + count; b++)
        v->one(bs_rows_slice(v->a, b, 1),
               bs_rows_slice(v->b, v->queue->batch.offset[b], 1));
}

void cpu_scatter_first(struct bs_queue *q, struct bs_rows dy, struct bs_rows dx) {
    struct views views = {
        .queue = q, .a = dy, .b = dx, .one = cpu_queue(q)->kernels->add};
    cpu_for_rows(q, dy.rows, scatter_tile, &views);
}
