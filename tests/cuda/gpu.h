/*
 * For tests of device code: arrays on the device, and checks of calls. The tests here
 * run on a GPU when built with nvcc, and against the stand-in else.
 */
#ifndef BS_TESTS_CUDA_GPU_H
#define BS_TESTS_CUDA_GPU_H

#include "compute/cuda/launch.h"
#include "tap.h"

#include <stdlib.h>
#include <vector>

/* Ends the test if a call did not succeed. */
#define MUST(call) must((call), #call, __FILE__, __LINE__)

static inline void must(cudaError_t status, const char *what, const char *file,
                        int line) {
    if (status == cudaSuccess)
        return;
    fprintf(stderr, "%s:%d: %s: %s\n", file, line, what, cudaGetErrorString(status));
    exit(1);
}

/* An array on the device, copied from one on the host, or of n elements of bytes 0xFF. */
template <class T> class Array {
  public:
    explicit Array(const std::vector<T> &values) : Array(values.size()) {
        MUST(cudaMemcpy(data, values.data(), n * sizeof(T), cudaMemcpyHostToDevice));
    }
    explicit Array(size_t elements) : n(elements) {
        MUST(cudaMalloc(&data, n * sizeof(T)));
        MUST(cudaMemset(data, 0xFF, n * sizeof(T)));
    }
    ~Array() {
        MUST(cudaFree(data));
    }
    Array(const Array &) = delete;
    Array &operator=(const Array &) = delete;

    std::vector<T> get() const {
        std::vector<T> values(n);
        MUST(cudaMemcpy(values.data(), data, n * sizeof(T), cudaMemcpyDeviceToHost));
        return values;
    }

    T *data;
    size_t n;
};

/* Launches on stream 0 and waits. */
#define RUN(kernel, grid, block, shared_bytes, ...)                                      \
    do {                                                                                 \
        MUST(BS_LAUNCH(kernel, grid, block, shared_bytes, 0, ##__VA_ARGS__));            \
        MUST(cudaDeviceSynchronize());                                                   \
    } while (0)

static inline int device_sm(void) {
    cudaDeviceProp properties;
    MUST(cudaGetDeviceProperties(&properties, 0));
    return properties.major * 10 + properties.minor;
}

/* The same numbers everywhere. */
static inline uint32_t draw(uint64_t *state) {
    *state = *state * 6364136223846793005U + 1442695040888963407U;
    return static_cast<uint32_t>(*state >> 32);
}

#endif
