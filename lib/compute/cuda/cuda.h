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

/* One parameter: where it lies in the arena of the trained, or of the others. */
struct cuda_tensor {
    bool trained;
    int64_t at; /* elements */
};

struct cuda_weights {
    struct bs_cuda_trained trained; /* n may be 0; all arrays in one allocation */
    struct bs_cuda_trained fixed;   /* value and low alone */
    struct cuda_tensor tensors[];
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

/* True if status is cudaSuccess; else the queue fails. */
bool cuda_check(struct bs_queue *q, cudaError_t status, const char *operation);
/* The same for what has no queue: BS_OK or BS_DEVICE. */
int cuda_code(cudaError_t status, const char *operation,
              struct bs_error *error) BS_MUST_CHECK;
/* Allocates device memory; BS_DEVICE tells how much is wanted and how much is free. */
int cuda_memory(void **memory, size_t bytes, const char *what,
                struct bs_error *error) BS_MUST_CHECK;

/* ---- cuda_weights.c ---- */

/* Device pointers of a parameter; gradient NULL: not trained; low NULL: products read
 * the values themselves. */
const float *cuda_value(const struct bs_weights *w, int index);
float *cuda_gradient(const struct bs_weights *w, int index);
const void *cuda_low(const struct bs_weights *w, int index);

/* ---- cuda_queue.c ---- */

/* Scratch memory of at least so many bytes, 256-aligned; NULL, and the queue failed.
 * What was in it is lost. Growing drops all recordings: they know the old address. */
void *cuda_scratch(struct bs_queue *q, size_t bytes);
/* Waits until a slot of a ring may be written. */
bool cuda_slot_wait(struct bs_queue *q, struct cuda_slot *slot, const char *operation);

/* ---- cuda_record.c ---- */

void cuda_drop_recordings(struct cuda_queue *data);

/* ---- the slots; see backend.h ---- */

int cuda_weights_new(struct bs_weights *weights, struct bs_error *error);
void cuda_weights_free(struct bs_weights *weights);
int cuda_weights_upload(struct bs_weights *weights, int index, enum bs_slot slot,
                        int64_t first_row, int64_t rows, const float *values,
                        struct bs_error *error);
int cuda_weights_download(const struct bs_weights *weights, int index, enum bs_slot slot,
                          int64_t first_row, int64_t rows, float *values,
                          struct bs_error *error);
int cuda_weights_ready(struct bs_weights *weights, struct bs_error *error);
struct bs_weights_memory cuda_weights_memory(const struct bs_weights *weights);

int cuda_queue_new(struct bs_queue *queue, struct bs_error *error);
void cuda_queue_free(struct bs_queue *queue);
void cuda_queue_finish(struct bs_queue *queue);
void cuda_rows_upload(struct bs_queue *queue, struct bs_rows to, const float *from);
void cuda_rows_download(struct bs_queue *queue, struct bs_rows from, float *to);

void cuda_set_batch(struct bs_queue *queue);
void cuda_set_step(struct bs_queue *queue, bool new_update);
void cuda_set_loss_total(struct bs_queue *queue, double total);
void cuda_set_loss_scale(struct bs_queue *queue, struct bs_loss_scale scale);
void cuda_read_step(struct bs_queue *queue, struct bs_step_result *result);

bool cuda_record(struct bs_queue *queue, const struct bs_recording *recording);
void cuda_recorded(struct bs_queue *queue);

/* Operations: declared by the function types of backend.h. */

#endif
