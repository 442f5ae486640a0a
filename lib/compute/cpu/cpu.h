/*
 * The CPU back end: vector kernels of our own, shared out to the threads of a queue.
 * Where matrix products of bf16 have instructions that kernels do not know (AMX), or
 * kernels are plain C, oneDNN makes them, but for int8.
 *
 * An operation is cut into items; an item is computed by one thread, and sums over items
 * are taken in their order. Our products give a row the same bits with any others; those
 * of oneDNN always see tiles of 64 rows, the last filled up with zeros. So a row's result
 * does not depend on how many others there are, nor on the number of threads.
 *
 * bf16 without instructions for it goes through products of fp32, in which products of
 * two bf16 numbers are exact: packed weights are fp32 rounded to bf16, rows are widened
 * tile by tile, results are rounded when they are written.
 *
 * cpu_device.c   instruction sets, the table of functions
 * cpu_weights.c  packed copies of weights
 * cpu_queue.c    threads, scratch memory, batch and step
 * cpu_panels.c   linear layers by products of our own; cpu_linear.c by oneDNN
 * cpu_*.c        other operations: choose products, cut into items, call kernels
 */
#ifndef BS_COMPUTE_CPU_CPU_H
#define BS_COMPUTE_CPU_CPU_H

#include "common/team.h"
#include "compute/backend.h"
#include "compute/cpu/kernels.h"
#include "compute/cpu/onednn.h"

#include <stdatomic.h>

enum { CPU_TILE = 64 };
/* Labelled at once by a thread: their activations stay in its cache. */
enum { CPU_BATCH_TOKENS = 512 };

struct cpu_device {
    const struct bs_cpu_kernels *kernels;
    struct bs_cpu_kernels with_tiles; /* what `kernels` points to where there are tiles */
    struct bs_products *products;
    bool own[BS_CPU_OPERANDS]; /* products by kernels, not by oneDNN */
    char hardware[64];
};

/* What linear layers need of a parameter: its slots, and of a matrix packed copies, for
 * oneDNN or for products of our own: for x W^T and, where the values themselves do not
 * serve (bf16), for dy W. Slots alone are reached as w->slots[index]. */
struct cpu_tensor {
    float *value, *gradient;
    struct bs_packed *forward, *backward;
    struct bs_cpu_panels panels, back_panels;
    float *rounded; /* plain, to bf16, where products take fp32 in its place */
};

struct cpu_worker {
    struct bs_product_worker *products;
    void *scratch;
    int64_t scratch_bytes;
};

struct cpu_queue {
    const struct bs_cpu_kernels *kernels;
    struct bs_products *products;
    struct bs_team *team;
    int threads;
    struct cpu_worker *workers; /* [threads] */
    void *shared;               /* scratch memory that all workers see */
    int64_t shared_bytes;
    uint32_t *row_example, *row_place; /* [max_tokens], of the current batch */
    atomic_bool product_failed;        /* in a worker */
};

/* The type that products take for operands of `type`. */
static inline enum bs_type cpu_product_type(const struct bs_device *device,
                                            enum bs_type type) {
    return device->info.support[BS_PRECISION_BF16] == BS_NATIVE ? type : BS_F32;
}

/* What products of these weights multiply. */
static inline enum bs_cpu_operand cpu_operand(const struct bs_weights *weights) {
    if (weights->precision == BS_PRECISION_INT8)
        return BS_CPU_INT8;
    enum bs_type type =
        cpu_product_type(weights->device, bs_precision_type(weights->precision));
    return type == BS_BF16 ? BS_CPU_BF16 : BS_CPU_F32;
}

static inline struct cpu_tensor *cpu_tensor(const struct bs_weights *w, int index) {
    return (struct cpu_tensor *)w->data + index;
}

/* Rows without gaps. */
static inline struct bs_rows cpu_dense(void *data, enum bs_type type, int64_t rows,
                                       int64_t columns) {
    return (struct bs_rows){data, type, rows, columns, columns};
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
bs_op_weights_new cpu_weights_new;
bs_op_weights_free cpu_weights_free;
bs_op_weights_memory cpu_weights_memory;
bs_op_weights_pack cpu_weights_pack;
bs_op_queue_new cpu_queue_new;
bs_op_queue_free cpu_queue_free;
bs_op_queue_finish cpu_queue_finish;
bs_op_set_batch cpu_set_batch;
bs_op_set_step cpu_set_step;
bs_op_set_loss_total cpu_set_loss_total;
bs_op_read_step cpu_read_step;
bs_op_rows_upload cpu_rows_upload;
bs_op_rows_download cpu_rows_download;
bs_op_gather_first cpu_gather_first;
bs_op_scatter_first cpu_scatter_first;
bs_op_zero cpu_zero;
bs_op_copy cpu_copy;
bs_op_embedding cpu_embedding;
bs_op_embedding_backward cpu_embedding_backward;
bs_op_layer_norm cpu_layer_norm;
bs_op_layer_norm_backward cpu_layer_norm_backward;
bs_op_dropout cpu_dropout;
bs_op_dropout_add cpu_dropout_add;
bs_op_linear cpu_linear;
bs_op_activate cpu_activate;
bs_op_linear_backward cpu_linear_backward;
bs_op_gelu_backward cpu_gelu_backward;
bs_op_tanh_backward cpu_tanh_backward;
bs_op_attention cpu_attention;
bs_op_attention_backward cpu_attention_backward;
bs_op_cross_entropy cpu_cross_entropy;
bs_op_softmax cpu_softmax;
bs_op_update cpu_update;
bs_op_zero_gradients cpu_zero_gradients;
bs_op_linear_activate cpu_linear_activate;
bs_op_dropout_add_norm cpu_dropout_add_norm;
bs_op_dropout_add_norm_backward cpu_dropout_add_norm_backward;

#endif
