/* What went wrong on a GPU, in words: operation, update, reason, remedy. */
#include "compute/cuda/cuda.h"

static const char *remedy(cudaError_t status) {
    switch (status) {
    case cudaErrorMemoryAllocation:
        return "; use a smaller --batch-tokens or --batch-size (with --accumulation)";
    case cudaErrorECCUncorrectable:
        return "; the GPU's memory is damaged: use another GPU, the last checkpoint is "
               "whole";
    case cudaErrorNoKernelImageForDevice:
        return "; this build has no code for it: build with CUDA_ARCH=native";
    case cudaErrorInsufficientDriver:
        return "; a newer NVIDIA driver is needed";
    default:
        return "";
    }
}

bool cuda_check(struct bs_queue *q, cudaError_t status, const char *operation) {
    if (status == cudaSuccess)
        return true;
    (void)cudaGetLastError();
    if (q->has_step)
        bs_queue_fail(q, BS_DEVICE, "%s, step %u: GPU error: %s%s", operation,
                      (unsigned)q->step.update + 1, cudaGetErrorString(status),
                      remedy(status));
    else
        bs_queue_fail(q, BS_DEVICE, "%s: GPU error: %s%s", operation,
                      cudaGetErrorString(status), remedy(status));
    return false;
}

int cuda_code(cudaError_t status, const char *operation, struct bs_error *error) {
    if (status == cudaSuccess)
        return BS_OK;
    (void)cudaGetLastError();
    return bs_fail(error, BS_DEVICE, "%s: GPU error: %s%s", operation,
                   cudaGetErrorString(status), remedy(status));
}

int cuda_memory(void **memory, size_t bytes, const char *what, struct bs_error *error) {
    size_t free_bytes = 0, total = 0;
    *memory = NULL;
    cudaError_t status = cudaMalloc(memory, bytes ? bytes : 1);
    if (status != cudaErrorMemoryAllocation)
        return cuda_code(status, what, error);
    (void)cudaGetLastError();
    (void)cudaMemGetInfo(&free_bytes, &total);
    return bs_fail(error, BS_DEVICE,
                   "no GPU memory for %s: %.0f MB are needed, %.0f of %.0f MB are free%s",
                   what, (double)bytes / 1e6, (double)free_bytes / 1e6,
                   (double)total / 1e6, remedy(status));
}
