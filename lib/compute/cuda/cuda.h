/*
 * The CUDA back end: host code that puts kernels (kernels.h) and matrix products
 * (cublaslt.h) on streams. It is built into a library of its own, libbs-cuda.so, which
 * compute.c opens when a GPU is asked for.
 *
 * Nothing waits but what must: downloads, bs_read_step, bs_queue_finish. Batches and
 * steps are copied into pinned memory, a ring of slots, and go up behind the work that
 * is still running. Memory is allocated when objects are made and when an operation
 * first needs more scratch, never in a recording.
 *
 * Every call of CUDA's goes through cuda_check, which turns an error into the queue's
 * failure: operation, update, reason and remedy.
 *
 * cuda_device.c      the device, the table of functions
 * cuda_weights.c     parameters in arenas, low-precision copies
 * cuda_queue.c       streams, scratch memory, transfers
 * cuda_batch.c       the batch and step blocks
 * cuda_record.c      recordings: CUDA graphs
 * cuda_linear.c      linear layers
 * cuda_operations.c  all other operations
 * cuda_error.c       what went wrong, in words
 */
#ifndef BS_COMPUTE_CUDA_CUDA_H
#define BS_COMPUTE_CUDA_CUDA_H

#include "compute/backend.h"
#include "compute/cuda/cublaslt.h"
#include "compute/cuda/kernels.h"

struct cuda_device {
    int ordinal;
    int sm; /* 75, 80, 90, ... */
    int multiprocessors;
    cudaStream_t stream; /* for the weights' transfers */
    struct bs_lt *lt;
    char hardware[128];
};

struct cuda_weights {
    uint16_t *low; /* [n_values], values rounded; NULL in fp32 and tf32 */
};

enum { CUDA_SLOTS = 4 }; /* batches and steps on their way up */

struct cuda_slot {
    void *pinned;
    cudaEvent_t free; /* recorded behind the copy */
};

struct cuda_recording;

struct cuda_queue {
    struct cuda_device *device;
    cudaStream_t stream;
    struct bs_cuda_batch batch; /* device pointers into `block` */
    char *block;
    int64_t block_bytes;
    struct bs_cuda_step *step;
    struct cuda_slot batches[CUDA_SLOTS], steps[CUDA_SLOTS];
    unsigned next_batch, next_step;
    void *workspace; /* of cuBLASLt */
    void *scratch;   /* of kernels */
    size_t scratch_bytes;
    float *class_weights;      /* device memory */
    float *class_weights_sent; /* what was sent there */
    int64_t n_class_weights;
    void *landing; /* pinned, for downloads */
    size_t landing_bytes;
    struct cuda_recording *recordings;
    struct cuda_recording *capturing; /* NULL: operations run */
    uint64_t clock;                   /* of the recordings' last use */
};

static inline struct cuda_queue *cuda_queue(const struct bs_queue *q) {
    return q->data;
}

/* ---- cuda_error.c ---- */

/* What to do about an error, to be put behind its words; "" if nothing is known. */
const char *cuda_remedy(cudaError_t status);
/* The queue fails, in these words and the step's number. */
void cuda_fail(struct bs_queue *q, enum bs_code code, const char *operation,
               const char *reason);
/* True if status is cudaSuccess; else the queue fails. */
bool cuda_check(struct bs_queue *q, cudaError_t status, const char *operation);
/* The same for what has no queue: BS_OK or BS_DEVICE. */
int cuda_code(cudaError_t status, const char *operation,
              struct bs_error *error) BS_MUST_CHECK;
/* Allocates device memory; BS_DEVICE tells how much is wanted and how much is free. */
int cuda_memory(void **memory, size_t bytes, const char *what,
                struct bs_error *error) BS_MUST_CHECK;

/* ---- cuda_weights.c ---- */

/* The rounded copy of a parameter; NULL: products read the values themselves. */
const void *cuda_low(const struct bs_weights *w, int index);
/* All that is trained, for the kernels. */
struct bs_cuda_trained cuda_trained(const struct bs_weights *w);

/* ---- cuda_queue.c ---- */

/* Scratch memory of at least so many bytes, 256-aligned; NULL, and the queue failed.
 * What was in it is lost. Growing drops all recordings: they know the old address. */
void *cuda_scratch(struct bs_queue *q, size_t bytes);
/* Makes the queue's GPU that of the calling thread, for a thread begins with GPU 0. What
 * a queue is used for begins with a batch, a step or a transfer: those call it. */
bool cuda_here(struct bs_queue *q, const char *operation);
/* Waits until a slot of a ring may be written. */
bool cuda_slot_wait(struct bs_queue *q, struct cuda_slot *slot, const char *operation);

/* ---- cuda_record.c ---- */

void cuda_drop_recordings(struct cuda_queue *data);

/* ---- the slots; see backend.h ---- */

bs_op_weights_new cuda_weights_new;
bs_op_weights_free cuda_weights_free;
bs_op_weights_upload cuda_weights_upload;
bs_op_weights_download cuda_weights_download;
bs_op_weights_ready cuda_weights_ready;
bs_op_weights_memory cuda_weights_memory;
bs_op_queue_new cuda_queue_new;
bs_op_queue_free cuda_queue_free;
bs_op_queue_finish cuda_queue_finish;
bs_op_rows_upload cuda_rows_upload;
bs_op_rows_download cuda_rows_download;
bs_op_set_batch cuda_set_batch;
bs_op_set_step cuda_set_step;
bs_op_set_loss_total cuda_set_loss_total;
bs_op_set_loss_scale cuda_set_loss_scale;
bs_op_read_step cuda_read_step;
bs_op_record cuda_record;
bs_op_recorded cuda_recorded;
bs_op_embedding cuda_embedding;
bs_op_embedding_backward cuda_embedding_backward;
bs_op_layer_norm cuda_layer_norm;
bs_op_layer_norm_backward cuda_layer_norm_backward;
bs_op_dropout cuda_dropout;
bs_op_dropout_add cuda_dropout_add;
bs_op_linear cuda_linear;
bs_op_activate cuda_activate;
bs_op_linear_backward cuda_linear_backward;
bs_op_gelu_backward cuda_gelu_backward;
bs_op_tanh_backward cuda_tanh_backward;
bs_op_attention cuda_attention;
bs_op_attention_backward cuda_attention_backward;
bs_op_gather_first cuda_gather_first;
bs_op_scatter_first cuda_scatter_first;
bs_op_cross_entropy cuda_cross_entropy;
bs_op_softmax cuda_softmax;
bs_op_zero cuda_zero;
bs_op_copy cuda_copy;
bs_op_update cuda_update;
bs_op_zero_gradients cuda_zero_gradients;
bs_op_dropout_add_norm cuda_dropout_add_norm;
bs_op_dropout_add_norm_backward cuda_dropout_add_norm_backward;

#endif
