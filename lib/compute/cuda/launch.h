/*
 * Kernels: how they are declared, how they get shared memory and how they are launched.
 * Included by .cu files alone; host code in C calls extern "C" launchers that those
 * files export. Everything here also compiles with a plain C++17 compiler and
 * -DBS_STANDIN, where <cuda_runtime.h> is the stand-in of tests/standin.
 *
 *     template <class T>
 *     BS_KERNEL(256, 2) void scale(T *BS_RESTRICT x, int n) {
 *         BS_SHARED(float, tile);
 *         ...
 *     }
 *
 *     cudaError_t status = BS_LAUNCH((scale<float>), blocks, 256, bytes, stream, x, n);
 *
 * What a kernel may use of the language: threadIdx, blockIdx, blockDim, gridDim,
 * __syncthreads and its votes, __syncwarp, the math functions, integer atomics, and the
 * headers warp.h, low.h and matrix_unit.h. Not: static __shared__ arrays (BS_SHARED),
 * floating-point atomics (their order is no order), <<<>>>, device-side globals.
 */
#ifndef BS_COMPUTE_CUDA_LAUNCH_H
#define BS_COMPUTE_CUDA_LAUNCH_H

#include <cuda_runtime.h>

#include <stddef.h>
#include <stdint.h>

#define BS_RESTRICT __restrict__

/* A function that kernels call; always inlined. Templates: template <...> BS_GPU ... */
#define BS_GPU static __device__ __forceinline__

/* Before `void name(...)`. At most max_threads a block; the compiler keeps registers low
 * enough for min_blocks blocks on one multiprocessor. */
#define BS_KERNEL(max_threads, min_blocks)                                               \
    __global__ __launch_bounds__(max_threads, min_blocks)

/* Declares `type *name`: the first byte of the block's shared memory, aligned to 128,
 * of as many bytes as the launch asked for. Nothing is in it when a block begins. All
 * shared memory of a kernel comes from here; later parts are cut off by pointer
 * arithmetic. May be said again in functions that the kernel calls: the same memory. */
#ifdef BS_STANDIN
#define BS_SHARED(type, name)                                                            \
    type *const name = reinterpret_cast<type *>(bs_standin_shared())
#else
#define BS_SHARED(type, name)                                                            \
    extern __shared__ __align__(128) unsigned char bs_shared_bytes[];                    \
    type *const name = reinterpret_cast<type *>(bs_shared_bytes)
#endif

/* Puts a kernel on a stream. `kernel`: a __global__ function, a template's instance in
 * parentheses; `grid`, `block`: dim3 or a number; `shared_bytes` above 48 KiB are asked
 * of the device first (they must be within sharedMemPerBlockOptin). The arguments are
 * copied before it returns. A cudaError_t: what can be known without waiting, a bad
 * configuration or an earlier fault of the device. It leaves no error behind that a
 * later cudaGetLastError would find, unless the device is lost. */
#define BS_LAUNCH(kernel, grid, block, shared_bytes, stream, ...)                        \
    bs_launch(#kernel, kernel, grid, block, shared_bytes, stream, ##__VA_ARGS__)

/* Keeps P from being deduced, so that arguments convert to the kernel's parameters. */
template <class P> struct bs_identity { using type = P; };

template <class... P>
static inline cudaError_t bs_launch(const char *name, void (*kernel)(P...), dim3 grid,
                                    dim3 block, size_t shared_bytes, cudaStream_t stream,
                                    typename bs_identity<P>::type... arguments) {
#ifdef BS_STANDIN
    return bs_standin_launch(
        name, grid, block, shared_bytes, stream, reinterpret_cast<const void *>(kernel),
        bs_standin_body_of([=]() BS_STANDIN_UNWATCHED { kernel(arguments...); }),
        {bs_standin_pointer(arguments)...});
#else
    (void)name;
    cudaError_t status = cudaSuccess;
    if (shared_bytes > 48 * 1024)
        status = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                      static_cast<int>(shared_bytes));
    cudaLaunchConfig_t configuration = {};
    configuration.gridDim = grid;
    configuration.blockDim = block;
    configuration.dynamicSmemBytes = shared_bytes;
    configuration.stream = stream;
    if (status == cudaSuccess)
        status = cudaLaunchKernelEx(&configuration, kernel, arguments...);
    if (status != cudaSuccess)
        (void)cudaGetLastError();
    return status;
#endif
}

#endif
