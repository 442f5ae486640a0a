/* Streams with their memory: blocks on the device, pinned slots, scratch. */
#include "compute/cuda/cuda.h"

#include "common/buffer.h"

#include <stdlib.h>
#include <string.h>

/* Bytes of a batch block: eight arrays of a number a token or sequence, some one longer,
 * each from a multiple of 64 numbers on. */
static int64_t block_bytes(int64_t max_tokens) {
    return (9 * (max_tokens + 1 + 64) + 64) * (int64_t)sizeof(int32_t);
}

static cudaError_t make_ring(struct cuda_slot slots[CUDA_SLOTS], size_t bytes) {
    cudaError_t status = cudaSuccess;
    for (int i = 0; i < CUDA_SLOTS && !status; i++) {
        status = cudaMallocHost(&slots[i].pinned, bytes);
        if (!status)
            status = cudaEventCreateWithFlags(&slots[i].free, cudaEventDisableTiming);
        if (!status)
            memset(slots[i].pinned, 0, bytes);
    }
    return status;
}

static void free_ring(struct cuda_slot slots[CUDA_SLOTS]) {
    for (int i = 0; i < CUDA_SLOTS; i++) {
        if (slots[i].pinned)
            cudaFreeHost(slots[i].pinned);
        if (slots[i].free)
            cudaEventDestroy(slots[i].free);
    }
}

static void free_data(struct cuda_queue *data) {
    if (data->stream)
        (void)cudaStreamSynchronize(data->stream);
    cuda_drop_recordings(data);
    free_ring(data->batches);
    free_ring(data->steps);
    cudaFree(data->block);
    cudaFree(data->step);
    cudaFree(data->workspace);
    cudaFree(data->scratch);
    cudaFree(data->class_weights);
    free(data->class_weights_sent);
    if (data->landing)
        cudaFreeHost(data->landing);
    if (data->stream)
        cudaStreamDestroy(data->stream);
    free(data);
}

/* The step block of a new queue: nothing has been seen. */
static cudaError_t start_step(struct cuda_queue *data) {
    struct bs_cuda_step *first = data->steps[0].pinned;
    first->step.loss_scale = 1;
    first->result = bs_step_result_new();
    cudaError_t status = cudaMemcpyAsync(data->step, first, sizeof *first,
                                         cudaMemcpyHostToDevice, data->stream);
    return status ? status : cudaStreamSynchronize(data->stream);
}

static int make_data(struct cuda_queue *data, struct bs_error *error) {
    static const char what[] = "a queue";
    void *block = NULL, *step = NULL;
    if (cuda_code(cudaSetDevice(data->device->ordinal), what, error) ||
        cuda_code(cudaStreamCreateWithFlags(&data->stream, cudaStreamNonBlocking), what,
                  error) ||
        cuda_code(make_ring(data->batches, (size_t)data->block_bytes), what, error) ||
        cuda_code(make_ring(data->steps, sizeof *data->step), what, error))
        return error->code;
    if (!cuda_memory(&block, (size_t)data->block_bytes, "a batch", error))
        data->block = block;
    if (!error->code && !cuda_memory(&step, sizeof *data->step, "a step", error))
        data->step = step;
    if (error->code ||
        cuda_memory(&data->workspace, BS_LT_WORKSPACE, "matrix products", error))
        return error->code;
    return cuda_code(start_step(data), what, error);
}

int cuda_queue_new(struct bs_queue *queue, struct bs_error *error) {
    struct cuda_queue *data = bs_alloc(1, sizeof *data);
    if (!data)
        return bs_fail_memory(error, sizeof *data, "a queue");
    error->code = BS_OK;
    data->device = queue->device->data;
    data->block_bytes = block_bytes(queue->max_tokens);
    if (make_data(data, error)) {
        free_data(data);
        return error->code;
    }
    queue->data = data;
    return BS_OK;
}

void cuda_queue_free(struct bs_queue *queue) {
    free_data(queue->data);
}

void cuda_queue_finish(struct bs_queue *queue) {
    static const char operation[] = "waiting for the GPU";
    if (cuda_here(queue, operation))
        cuda_check(queue, cudaStreamSynchronize(cuda_queue(queue)->stream), operation);
}

bool cuda_here(struct bs_queue *q, const char *operation) {
    return cuda_check(q, cudaSetDevice(cuda_queue(q)->device->ordinal), operation);
}

bool cuda_slot_wait(struct bs_queue *q, struct cuda_slot *slot, const char *operation) {
    return cuda_here(q, operation) &&
           cuda_check(q, cudaEventSynchronize(slot->free), operation);
}

void *cuda_scratch(struct bs_queue *q, size_t bytes) {
    struct cuda_queue *data = q->data;
    struct bs_error error = {0};
    if (bytes <= data->scratch_bytes && data->scratch)
        return data->scratch;
    if (data->capturing) {
        bs_queue_fail(q, BS_DEVICE,
                      "a recording wants more scratch memory than its rehearsal");
        return NULL;
    }
    if (!cuda_check(q, cudaStreamSynchronize(data->stream), "scratch memory"))
        return NULL;
    cuda_drop_recordings(data);
    cudaFree(data->scratch);
    data->scratch_bytes = 0;
    if (cuda_memory(&data->scratch, bytes, "scratch", &error)) {
        cuda_fail(q, error.code, "scratch memory", error.text);
        return NULL;
    }
    data->scratch_bytes = bytes;
    return data->scratch;
}

/* ---- transfers of rows ----------------------------------------------------------- */

static void *landing(struct bs_queue *q, size_t bytes) {
    struct cuda_queue *data = q->data;
    if (bytes <= data->landing_bytes)
        return data->landing;
    if (data->landing)
        cudaFreeHost(data->landing);
    data->landing = NULL;
    data->landing_bytes = 0;
    if (!cuda_check(q, cudaMallocHost(&data->landing, bytes), "memory for a transfer"))
        return NULL;
    data->landing_bytes = bytes;
    return data->landing;
}

/* Dense fp32 rows in scratch memory, between host and rows of any type and stride. */
static struct bs_rows staging(struct bs_queue *q, struct bs_rows rows) {
    rows.type = BS_F32;
    rows.stride = rows.columns;
    rows.data = NULL;
    if (cuda_here(q, "a transfer"))
        rows.data = cuda_scratch(q, (size_t)(rows.rows * rows.columns) * sizeof(float));
    return rows;
}

void cuda_rows_upload(struct bs_queue *q, struct bs_rows to, const float *from) {
    static const char operation[] = "upload";
    struct cuda_queue *data = q->data;
    size_t bytes = (size_t)(to.rows * to.columns) * sizeof(float);
    struct bs_rows dense = staging(q, to);
    void *pinned = dense.data ? landing(q, bytes) : NULL;
    if (!pinned || !bytes)
        return;
    memcpy(pinned, from, bytes);
    (void)(cuda_check(q,
                      cudaMemcpyAsync(dense.data, pinned, bytes, cudaMemcpyHostToDevice,
                                      data->stream),
                      operation) &&
           cuda_check(q, bs_cuda_copy(data->stream, dense, to), operation) &&
           cuda_check(q, cudaStreamSynchronize(data->stream), operation));
}

void cuda_rows_download(struct bs_queue *q, struct bs_rows from, float *to) {
    static const char operation[] = "download";
    struct cuda_queue *data = q->data;
    size_t bytes = (size_t)(from.rows * from.columns) * sizeof(float);
    struct bs_rows dense = staging(q, from);
    void *pinned = dense.data ? landing(q, bytes) : NULL;
    if (!pinned || !bytes)
        return;
    if (cuda_check(q, bs_cuda_copy(data->stream, from, dense), operation) &&
        cuda_check(q,
                   cudaMemcpyAsync(pinned, dense.data, bytes, cudaMemcpyDeviceToHost,
                                   data->stream),
                   operation) &&
        cuda_check(q, cudaStreamSynchronize(data->stream), operation))
        memcpy(to, pinned, bytes);
}
