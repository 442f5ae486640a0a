/* What went wrong on a GPU, in words: operation, update, reason, remedy. */
#include "compute/cuda/cuda.h"

#include <stdio.h>

const char *cuda_remedy(cudaError_t status) {
    switch (status) {
    case cudaErrorMemoryAllocation:
        return "; use a smaller --batch-tokens or --batch-size (with --accumulation)";
    case cudaErrorECCUncorrectable:
        return "; the GPU's memory is damaged: run the same command on another GPU "
               "(training goes on from its last checkpoint)";
    case cudaErrorNoKernelImageForDevice:
        return "; this build has no code for it: build with CUDA_ARCH=native";
    case cudaErrorInsufficientDriver:
        return "; a newer NVIDIA driver is needed";
    case cudaErrorIllegalAddress:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorLaunchFailure:
    case cudaErrorLaunchTimeout:
    case cudaErrorUnknown:
        return "; the GPU is lost to this program: run the same command again (training "
               "goes on from its last checkpoint)";
    default:
        return "";
    }
}

void cuda_fail(struct bs_queue *q, enum bs_code code, const char *operation,
               const char *reason) {
    if (q->has_step)
        bs_queue_fail(q, code, "%s, step %u: %s", operation, (unsigned)q->step.update + 1,
                      reason);
    else
        bs_queue_fail(q, code, "%s: %s", operation, reason);
}

bool cuda_check(struct bs_queue *q, cudaError_t status, const char *operation) {
    char reason[256];
    if (status == cudaSuccess)
        return true;
    (void)cudaGetLastError();
    snprintf(reason, sizeof reason, "GPU error: %s%s", cudaGetErrorString(status),
             cuda_remedy(status));
    cuda_fail(q, BS_DEVICE, operation, reason);
    return false;
}

int cuda_code(cudaError_t status, const char *operation, struct bs_error *error) {
    if (status == cudaSuccess)
        return BS_OK;
    (void)cudaGetLastError();
    return bs_fail(error, BS_DEVICE, "%s: GPU error: %s%s", operation,
                   cudaGetErrorString(status), cuda_remedy(status));
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
                   (double)total / 1e6, cuda_remedy(status));
}
