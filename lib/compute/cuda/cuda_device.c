/* The device: finding it, saying why it cannot be had, and the table of functions. */
#include "compute/cuda/cuda.h"

#include "common/buffer.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { LEAST_SM = 75, LEAST_SM_BF16 = 80, ROW_TILE = 64 };
/* While one batch is computed the next is packed and sent. */
enum { WORKERS = 2, BATCH_TOKENS = 16384 };

/* ---- finding it ------------------------------------------------------------------ */

static int no_driver(struct bs_error *error) {
    int driver = 0, wanted = 0;
    (void)cudaDriverGetVersion(&driver);
    (void)cudaRuntimeGetVersion(&wanted);
    if (driver == 0)
        return bs_fail(error, BS_DEVICE, "device \"cuda\": there is no NVIDIA driver");
    return bs_fail(error, BS_DEVICE,
                   "device \"cuda\": the NVIDIA driver is too old: it serves CUDA %d.%d, "
                   "CUDA %d.%d is needed",
                   driver / 1000, driver % 1000 / 10, wanted / 1000, wanted % 1000 / 10);
}

static int check_count(int ordinal, struct bs_error *error) {
    int count = 0;
    cudaError_t status = cudaGetDeviceCount(&count);
    if (status == cudaErrorInsufficientDriver)
        return no_driver(error);
    if (status == cudaErrorNoDevice || (!status && count == 0))
        return bs_fail(error, BS_DEVICE, "device \"cuda\": there is no NVIDIA GPU");
    if (cuda_code(status, "device \"cuda\"", error))
        return error->code;
    if (ordinal >= count)
        return bs_fail(error, BS_DEVICE,
                       "device \"cuda:%d\": there are %d GPUs, numbered from 0", ordinal,
                       count);
    return BS_OK;
}

static int read_properties(struct cuda_device *cuda, struct bs_error *error) {
    struct cudaDeviceProp properties;
    if (cuda_code(cudaGetDeviceProperties(&properties, cuda->ordinal), "device \"cuda\"",
                  error))
        return error->code;
    cuda->sm = 10 * properties.major + properties.minor;
    cuda->multiprocessors = properties.multiProcessorCount;
    snprintf(cuda->hardware, sizeof cuda->hardware, "%.80s, sm_%d", properties.name,
             cuda->sm);
    if (cuda->sm < LEAST_SM)
        return bs_fail(error, BS_DEVICE,
                       "device \"cuda\": %s has no tensor cores that serve here; "
                       "sm_%d or later is needed",
                       cuda->hardware, LEAST_SM);
    return BS_OK;
}

static int open_cuda(struct cuda_device *cuda, struct bs_error *error) {
    if (check_count(cuda->ordinal, error) ||
        cuda_code(cudaSetDevice(cuda->ordinal), "device \"cuda\"", error) ||
        read_properties(cuda, error) ||
        cuda_code(cudaStreamCreateWithFlags(&cuda->stream, cudaStreamNonBlocking),
                  "device \"cuda\"", error))
        return error->code;
    return bs_lt_new(&cuda->lt, error);
}

static void free_cuda(struct cuda_device *cuda) {
    bs_lt_free(cuda->lt);
    if (cuda->stream)
        cudaStreamDestroy(cuda->stream);
    free(cuda);
}

static int device_open(struct bs_device *device, struct bs_error *error) {
    struct cuda_device *cuda = bs_alloc(1, sizeof *cuda);
    if (!cuda)
        return bs_fail_memory(error, sizeof *cuda, "a device");
    cuda->ordinal = device->ordinal;
    if (open_cuda(cuda, error)) {
        free_cuda(cuda);
        return error->code;
    }
    enum bs_support later = cuda->sm >= LEAST_SM_BF16 ? BS_NATIVE : BS_REFUSED;
    device->data = cuda;
    device->info = (struct bs_device_info){.backend = "cuda",
                                           .hardware = cuda->hardware,
                                           .support = {[BS_PRECISION_FP32] = BS_NATIVE,
                                                       [BS_PRECISION_BF16] = later,
                                                       [BS_PRECISION_FP16] = BS_NATIVE,
                                                       [BS_PRECISION_TF32] = later},
                                           .row_tile = ROW_TILE,
                                           .workers = WORKERS,
                                           .batch_tokens = BATCH_TOKENS};
    return BS_OK;
}

static void device_close(struct bs_device *device) {
    free_cuda(device->data);
}

static char description[64];

static void describe_once(void) {
    snprintf(description, sizeof description, "cuda(%s)", bs_lt_version());
}

static const char *describe(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, describe_once);
    return description;
}

/* ---- memory ---------------------------------------------------------------------- */

static int memory_new(struct bs_device *device, int64_t bytes, void **memory,
                      struct bs_error *error) {
    const struct cuda_device *cuda = device->data;
    if (cuda_code(cudaSetDevice(cuda->ordinal), "activations", error) ||
        cuda_memory(memory, (size_t)bytes, "weights or activations", error))
        return error->code;
    cudaError_t status = cudaMemset(*memory, 0, (size_t)bytes);
    if (!status)
        status = cudaDeviceSynchronize();
    if (status)
        cudaFree(*memory);
    return cuda_code(status, "activations", error);
}

static void memory_free(struct bs_device *device, void *memory) {
    (void)device;
    cudaFree(memory);
}

static int64_t memory_used(const struct bs_device *device) {
    const struct cuda_device *cuda = device->data;
    size_t free_bytes = 0, total = 0;
    if (cudaSetDevice(cuda->ordinal) || cudaMemGetInfo(&free_bytes, &total))
        return 0;
    return (int64_t)(total - free_bytes);
}

const struct bs_backend bs_backend_cuda = {
    .version = BS_BACKEND_VERSION,
    .name = "cuda",
    .describe = describe,
    .device_open = device_open,
    .device_close = device_close,
    .weights_new = cuda_weights_new,
    .weights_free = cuda_weights_free,
    .weights_upload = cuda_weights_upload,
    .weights_download = cuda_weights_download,
    .weights_ready = cuda_weights_ready,
    .weights_memory = cuda_weights_memory,
    .queue_new = cuda_queue_new,
    .queue_free = cuda_queue_free,
    .queue_finish = cuda_queue_finish,
    .memory_new = memory_new,
    .memory_free = memory_free,
    .memory_used = memory_used,
    .rows_upload = cuda_rows_upload,
    .rows_download = cuda_rows_download,
    .set_batch = cuda_set_batch,
    .set_step = cuda_set_step,
    .set_loss_total = cuda_set_loss_total,
    .set_loss_scale = cuda_set_loss_scale,
    .read_step = cuda_read_step,
    .record = cuda_record,
    .recorded = cuda_recorded,
    .embedding = cuda_embedding,
    .embedding_backward = cuda_embedding_backward,
    .layer_norm = cuda_layer_norm,
    .layer_norm_backward = cuda_layer_norm_backward,
    .dropout = cuda_dropout,
    .dropout_add = cuda_dropout_add,
    .linear = cuda_linear,
    .activate = cuda_activate,
    .linear_backward = cuda_linear_backward,
    .gelu_backward = cuda_gelu_backward,
    .tanh_backward = cuda_tanh_backward,
    .attention = cuda_attention,
    .attention_backward = cuda_attention_backward,
    .gather_first = cuda_gather_first,
    .scatter_first = cuda_scatter_first,
    .cross_entropy = cuda_cross_entropy,
    .softmax = cuda_softmax,
    .zero = cuda_zero,
    .copy = cuda_copy,
    .update = cuda_update,
    .zero_gradients = cuda_zero_gradients,
    .dropout_add_norm = cuda_dropout_add_norm,
    .dropout_add_norm_backward = cuda_dropout_add_norm_backward,
};
