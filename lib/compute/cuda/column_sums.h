/*
 * Sums down the columns of rows, in two passes whose order depends on shapes alone: each
 * block sums a chunk of rows for 32 columns, then one thread a column adds the chunks in
 * their order to what is there. For .cu files.
 *
 * What is summed is a functor: `values(row, column, sums)` adds its M terms of one
 * element to sums[M]; `result(m)` is where column sums of term m go, or NULL.
 */
#ifndef BS_COMPUTE_CUDA_COLUMN_SUMS_H
#define BS_COMPUTE_CUDA_COLUMN_SUMS_H

#include "compute/cuda/elements.h"

enum { BS_SUM_COLUMNS = 32, BS_SUM_LINES = 8, BS_SUM_ROWS = 128 }; /* rows of a chunk */

static inline int64_t bs_sum_chunks(int64_t rows) {
    return (rows + BS_SUM_ROWS - 1) / BS_SUM_ROWS;
}

/* Bytes of scratch memory for M terms. */
static inline size_t bs_column_scratch(int64_t rows, int64_t columns, int64_t terms) {
    return static_cast<size_t>(bs_sum_chunks(rows) * columns * terms) * sizeof(float);
}

/* partial[chunk, term, column]. */
template <int M, class Terms>
BS_KERNEL(BS_SUM_COLUMNS *BS_SUM_LINES, 1)
void bs_sum_chunks_kernel(Terms terms, int64_t rows, int columns, float *partial) {
    BS_SHARED(float, lines); /* [M, lines, columns of the block] */
    const int x = static_cast<int>(threadIdx.x) % BS_SUM_COLUMNS;
    const int line = static_cast<int>(threadIdx.x) / BS_SUM_COLUMNS;
    const int column = static_cast<int>(blockIdx.x) * BS_SUM_COLUMNS + x;
    const int64_t first = static_cast<int64_t>(blockIdx.y) * BS_SUM_ROWS;
    const int64_t end = first + BS_SUM_ROWS < rows ? first + BS_SUM_ROWS : rows;
    float sums[M] = {};
    if (column < columns)
        for (int64_t row = first + line; row < end; row += BS_SUM_LINES)
            terms.values(row, column, sums);
#pragma unroll
    for (int m = 0; m < M; m++)
        lines[(m * BS_SUM_LINES + line) * BS_SUM_COLUMNS + x] = sums[m];
    __syncthreads();
    if (line >= M || column >= columns)
        return;
    float sum = 0;
    for (int i = 0; i < BS_SUM_LINES; i++)
        sum += lines[(line * BS_SUM_LINES + i) * BS_SUM_COLUMNS + x];
    partial[(static_cast<int64_t>(blockIdx.y) * M + line) * columns + column] = sum;
}

template <int M, class Terms>
BS_KERNEL(BS_THREADS, 1)
void bs_sum_partial_kernel(Terms terms, int chunks, int columns, const float *partial) {
    const int i = static_cast<int>(blockIdx.x * BS_THREADS + threadIdx.x);
    const int m = i / columns, column = i % columns;
    float *result = m < M ? terms.result(m) : nullptr;
    if (!result)
        return;
    float sum = 0;
    for (int chunk = 0; chunk < chunks; chunk++)
        sum += partial[(static_cast<int64_t>(chunk) * M + m) * columns + column];
    result[column] += sum;
}

template <int M, class Terms>
static cudaError_t bs_sum_columns(cudaStream_t stream, Terms terms, int64_t rows,
                                  int64_t columns, void *scratch) {
    static_assert(M <= BS_SUM_LINES, "a line of threads adds up each term");
    const int64_t chunks = bs_sum_chunks(rows);
    const dim3 grid(bs_blocks(columns, BS_SUM_COLUMNS), static_cast<unsigned>(chunks));
    const size_t shared = M * BS_SUM_LINES * BS_SUM_COLUMNS * sizeof(float);
    float *partial = static_cast<float *>(scratch);
    cudaError_t status =
        BS_LAUNCH((bs_sum_chunks_kernel<M, Terms>), grid, BS_SUM_COLUMNS * BS_SUM_LINES,
                  shared, stream, terms, rows, static_cast<int>(columns), partial);
    if (status == cudaSuccess)
        status =
            BS_LAUNCH((bs_sum_partial_kernel<M, Terms>),
                      bs_blocks(M * columns, BS_THREADS), BS_THREADS, 0, stream, terms,
                      static_cast<int>(chunks), static_cast<int>(columns), partial);
    return status;
}

#endif
