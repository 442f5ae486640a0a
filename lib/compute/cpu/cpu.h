/*
 * The CPU back end: matrix products by oneDNN on tiles of rows, everything else by
 * vector kernels of our own, shared out to the threads of a queue.
 *
 * Every operation is cut into items that depend on its shapes alone, never on the number
 * of threads; an item is computed by one thread, and sums over items are taken in their
 * order. A product sees tiles of 64 rows or of 32 or 16, of which oneDNN gives the same
 * bits, or where it does not (AMX, AVX2) always 64: row_tile is the least of them. What
 * is shorter is copied and filled up with zeros. So a row's result does not depend on
 * how many others there are.
 *
 * bf16 without instructions for it goes through products of fp32, in which products of
 * two bf16 numbers are exact: packed weights are fp32 rounded to bf16, rows are widened
 * tile by tile, results are rounded when they are written.
 *
 * cpu_device.c   instruction sets, the table of functions
 * cpu_weights.c  values, gradients, moments and packed copies
 * cpu_queue.c    threads, scratch memory, batch and step
 * cpu_*.c        operations: choose products, cut into items, call kernels
 */
#ifndef BS_COMPUTE_CPU_CPU_H
#define BS_COMPUTE_CPU_CPU_H

#include "common/team.h"
#include "compute/backend.h"
#include "compute/cpu/kernels.h"
#include "compute/cpu/onednn.h"

#include <stdatomic.h>

enum { CPU_TILE = 64 };

struct cpu_device {
    const struct bs_cpu_kernels *kernels;
    struct bs_products *products;
    char hardware[64];
};

/* One parameter. Gradient and moments NULL unless it is trained; `forward` for x W^T and
 * one of `backward` and `rounded` for dy W only for matrices, the latter only where the
 * values themselves do not serve (bf16). */
struct cpu_tensor {
    int64_t size;
    float *value, *gradient, *moment1, *moment2;
    struct bs_packed *forward, *backward;
    float *rounded; /* plain, to bf16 */
};

struct cpu_weights {
    float *memory; /* of all tensors */
    struct cpu_tensor tensors[];
};

struct cpu_worker {
    struct bs_product_worker *products;
    void *scratch;
    int64_t scratch_bytes;
};

struct cpu_queue {
    const struct bs_cpu_kernels *kernels;
    struct bs_products *products;
    int64_t least_tile;
    struct bs_team *team;
    int threads;
    struct cpu_worker *workers; /* [threads] */
    void *shared;               /* scratch memory that all workers see */
    int64_t shared_bytes;
    uint32_t *row_example, *row_place; /* [max_tokens], of the current batch */
    atomic_bool product_failed;        /* in a worker */
    double loss, loss_total, grad_norm;
    bool finite;
    int64_t first_bad_update;
};

/* The type that products take for operands of `type`. */
static inline enum bs_type cpu_product_type(const struct bs_device *device,
                                            enum bs_type type) {
    return device->info.bf16 == BS_NATIVE ? type : BS_F32;
}

static inline struct cpu_tensor *cpu_tensor(const struct bs_weights *w, int index) {
    return ((struct cpu_weights *)w->data)->tensors + index;
}

static inline struct cpu_queue *cpu_queue(const struct bs_queue *q) {
    return q->data;
}

/* Runs work(context, first, count, worker) over CPU_TILE of `rows` rows at a time. */
typedef void cpu_rows_work(void *context, int64_t first, int64_t count, int worker);
void cpu_for_rows(struct bs_queue *q, int64_t rows, cpu_rows_work *work, void *context);

/* Scratch memory of at least so many bytes, 64-aligned, of every worker, or shared; what
 * was in it may be lost. False, and the queue failed: no memory. */
bool cpu_reserve_workers(struct bs_queue *q, int64_t bytes);
bool cpu_reserve_shared(struct bs_queue *q, int64_t bytes);

/* A product that every worker can run; NULL, and the queue failed. */
const struct bs_product *cpu_product(struct bs_queue *q,
                                     const struct bs_product_shape *shape);
/* Runs it in a worker; a failure is kept until cpu_check_products. */
void cpu_run_product(struct cpu_queue *data, const struct bs_product *product, int worker,
                     const struct bs_operands *operands);
void cpu_check_products(struct bs_queue *q);

/* Dropout of rows first .. of the current batch, for kernels. */
struct bs_cpu_dropout cpu_dropout_at(const struct bs_queue *q, struct bs_dropout dropout,
                                     bool first_only, int64_t first);

/* Packs the values again, on the workers of the queue or, without one, on a worker made
 * for it. */
int cpu_repack(struct bs_weights *weights, struct bs_error *error) BS_MUST_CHECK;
void cpu_repack_trained(struct bs_queue *q, struct bs_weights *weights);

/* The slots; see backend.h. */
int cpu_weights_new(struct bs_weights *weights, struct bs_error *error);
void cpu_weights_free(struct bs_weights *weights);
int cpu_weights_upload(struct bs_weights *weights, int index, enum bs_slot slot,
                       int64_t first_row, int64_t rows, const float *values,
                       struct bs_error *error);
int cpu_weights_download(const struct bs_weights *weights, int index, enum bs_slot slot,
                         int64_t first_row, int64_t rows, float *values,
                         struct bs_error *error);
struct bs_weights_memory cpu_weights_memory(const struct bs_weights *weights);

int cpu_queue_new(struct bs_queue *queue, struct bs_error *error);
void cpu_queue_free(struct bs_queue *queue);
void cpu_queue_finish(struct bs_queue *queue);
void cpu_set_batch(struct bs_queue *queue);
void cpu_set_step(struct bs_queue *queue, bool new_update);
void cpu_set_loss_total(struct bs_queue *queue, double total);
void cpu_read_step(struct bs_queue *queue, struct bs_step_result *result);

void cpu_rows_upload(struct bs_queue *q, struct bs_rows to, const float *from);
void cpu_rows_download(struct bs_queue *q, struct bs_rows from, float *to);
void cpu_gather_first(struct bs_queue *q, struct bs_rows x, struct bs_rows y);
void cpu_scatter_first(struct bs_queue *q, struct bs_rows dy, struct bs_rows dx);
void cpu_zero(struct bs_queue *q, struct bs_rows rows);
void cpu_copy(struct bs_queue *q, struct bs_rows x, struct bs_rows y);

void cpu_embedding(struct bs_queue *q, const struct bs_weights *w, struct bs_embedding e,
                   struct bs_rows sum);
void cpu_embedding_backward(struct bs_queue *q, struct bs_weights *w,
                            struct bs_embedding e, struct bs_rows dsum);
void cpu_layer_norm(struct bs_queue *q, const struct bs_weights *w, struct bs_norm norm,
                    struct bs_rows x, struct bs_rows stats, struct bs_rows y,
                    struct bs_rows y_low);
void cpu_layer_norm_backward(struct bs_queue *q, struct bs_weights *w,
                             struct bs_norm norm, struct bs_rows x, struct bs_rows stats,
                             struct bs_rows dy, struct bs_rows dx);
void cpu_dropout(struct bs_queue *q, struct bs_dropout dropout, bool first_only,
                 struct bs_rows x, struct bs_rows y, struct bs_rows y_low);
void cpu_dropout_add(struct bs_queue *q, struct bs_dropout dropout, bool first_only,
                     struct bs_rows x, struct bs_rows residual, struct bs_rows sum);
void cpu_dropout_add_norm(struct bs_queue *q, const struct bs_weights *w,
                          struct bs_norm norm, struct bs_dropout dropout, bool first_only,
                          struct bs_rows x, struct bs_rows residual, struct bs_rows sum,
                          struct bs_rows stats, struct bs_rows y, struct bs_rows y_low);
void cpu_dropout_add_norm_backward(struct bs_queue *q, struct bs_weights *w,
                                   struct bs_norm norm, struct bs_dropout dropout,
                                   bool first_only, struct bs_rows sum,
                                   struct bs_rows stats, struct bs_rows dy,
                                   struct bs_rows dresidual, struct bs_rows dx);
void cpu_linear(struct bs_queue *q, const struct bs_weights *w, struct bs_linear linear,
                struct bs_rows x, struct bs_rows y);
void cpu_linear_activate(struct bs_queue *q, const struct bs_weights *w,
                         struct bs_linear linear, enum bs_activation activation,
                         struct bs_rows x, struct bs_rows pre, struct bs_rows y);
void cpu_linear_backward(struct bs_queue *q, struct bs_weights *w,
                         struct bs_linear linear, struct bs_rows x, struct bs_rows dy,
                         struct bs_rows dx, bool accumulate);
void cpu_activate(struct bs_queue *q, enum bs_activation activation, struct bs_rows x,
                  struct bs_rows y);
void cpu_gelu_backward(struct bs_queue *q, struct bs_rows pre, struct bs_rows dy,
                       struct bs_rows dpre);
void cpu_tanh_backward(struct bs_queue *q, struct bs_rows y, struct bs_rows dy,
                       struct bs_rows dpre);
void cpu_attention(struct bs_queue *queue, struct bs_attention attention,
                   struct bs_rows q, struct bs_rows k, struct bs_rows v,
                   struct bs_rows lse, struct bs_rows out);
void cpu_attention_backward(struct bs_queue *queue, struct bs_attention attention,
                            struct bs_rows q, struct bs_rows k, struct bs_rows v,
                            struct bs_rows lse, struct bs_rows out, struct bs_rows dout,
                            struct bs_rows dq, struct bs_rows dk, struct bs_rows dv);
void cpu_cross_entropy(struct bs_queue *q, struct bs_rows logits,
                       const float *class_weights, float label_smoothing, float scale,
                       struct bs_rows dlogits);
void cpu_softmax(struct bs_queue *q, struct bs_rows logits, struct bs_rows probabilities);
void cpu_update(struct bs_queue *q, struct bs_weights *w, struct bs_adamw adamw);
void cpu_zero_gradients(struct bs_queue *q, struct bs_weights *w);

#endif
