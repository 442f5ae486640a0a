/*
 * cuBLASLt behind row-major shapes: products of matrices in device memory, put on a
 * stream. The only door to <cublasLt.h>.
 *
 *     d[m, n] = x[m, k] w[k, n] + (accumulate ? d : 0) + bias[n]
 *
 * where x and w may each be stored turned around. Sums are in fp32. What algorithm runs
 * is asked of the library's heuristic once for a shape and kept; nothing is timed, so
 * the same program on the same kind of device does the same sums. Products that are
 * `pinned` get one algorithm, without a split of k, for each (n, k) whatever m is: a
 * row's result does not depend on how many rows there are.
 *
 * One object serves all streams of a device; calls may come from several threads.
 * Nothing is allocated on the device; the workspace is the caller's.
 */
#ifndef BS_COMPUTE_CUDA_CUBLASLT_H
#define BS_COMPUTE_CUDA_CUBLASLT_H

#include "compute/compute.h"

#include <cuda_runtime.h>

struct bs_lt;

/* Bytes of workspace that every call must bring; 256-aligned. */
enum { BS_LT_WORKSPACE = 32 << 20 };

int bs_lt_new(struct bs_lt **lt, struct bs_error *error) BS_MUST_CHECK;
void bs_lt_free(struct bs_lt *lt);

struct bs_lt_shape {
    int64_t m, n, k;
    enum bs_type type, d_type;   /* of x and w; of d and of the bias */
    bool x_turned, w_turned;     /* stored [k, m], not if pinned; stored [n, k] */
    int64_t x_row, w_row, d_row; /* elements from stored row to row */
    bool bias, accumulate, pinned, tf32;
};

struct bs_lt_operands {
    const void *x, *w, *bias; /* bias NULL unless the shape has one */
    void *d;
};

/* Whether the library multiplies these types: F32 into F32, BF16 or F16 into itself or
 * into F32. */
bool bs_lt_serves(enum bs_type type, enum bs_type d_type);

/* BS_DEVICE, with the shape and the library's words, if it cannot. */
int bs_lt_product(struct bs_lt *lt, cudaStream_t stream, void *workspace,
                  const struct bs_lt_shape *shape, struct bs_lt_operands operands,
                  struct bs_error *error) BS_MUST_CHECK;

/* "cuBLASLt 13.1.0". */
const char *bs_lt_version(void);

#endif
