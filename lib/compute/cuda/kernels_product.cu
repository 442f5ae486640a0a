/* Linear layers for shapes that the matrix library does not serve, and bias gradients. */
#include "compute/cuda/column_sums.h"

enum { PRODUCT_WARPS = BS_THREADS / BS_WARP };

/* A warp an element of y. */
template <class T>
BS_KERNEL(BS_THREADS, 1)
void plain_linear_kernel(int64_t rows, int inputs, int outputs, bs_view<T> x,
                         const T *weight, const float *bias, bs_any_view y) {
    const int64_t i = static_cast<int64_t>(blockIdx.x) * PRODUCT_WARPS + bs_warp();
    const int64_t row = i / outputs;
    const int n = static_cast<int>(i % outputs);
    if (row >= rows)
        return;
    float sum = 0;
    for (int m = bs_lane(); m < inputs; m += BS_WARP)
        sum += bs_to_float(*x.at(row, m)) *
               bs_to_float(weight[static_cast<int64_t>(n) * inputs + m]);
    sum = bs_warp_sum(sum) + bias[n];
    if (bs_lane() == 0)
        bs_store<1>(y.at(row, n), &sum);
}

cudaError_t bs_cuda_plain_linear(cudaStream_t stream, struct bs_rows x,
                                 const void *weight, const float *bias,
                                 struct bs_rows y) {
    return bs_for_type(x.type, [&](auto element) {
        using T = decltype(element);
        return BS_LAUNCH((plain_linear_kernel<T>),
                         bs_blocks(x.rows * y.columns, PRODUCT_WARPS), BS_THREADS, 0,
                         stream, x.rows, static_cast<int>(x.columns),
                         static_cast<int>(y.columns), bs_view_of<T>(x),
                         static_cast<const T *>(weight), bias, bs_any_of(y));
    });
}

/* A thread an element of dx. */
template <class T>
BS_KERNEL(BS_THREADS, 1)
void input_gradient_kernel(int64_t rows, int inputs, int outputs, bs_view<T> dy,
                           const T *weight, bs_any_view dx, bool accumulate) {
    const int64_t i = static_cast<int64_t>(blockIdx.x) * BS_THREADS + threadIdx.x;
    const int64_t row = i / inputs;
    const int m = static_cast<int>(i % inputs);
    if (row >= rows)
        return;
    float sum = 0;
    if (accumulate)
        bs_load<1>(&sum, dx.at(row, m));
    for (int n = 0; n < outputs; n++)
        sum += bs_to_float(*dy.at(row, n)) *
               bs_to_float(weight[static_cast<int64_t>(n) * inputs + m]);
    bs_store<1>(dx.at(row, m), &sum);
}

/* A thread an element of dweight. */
template <class T>
BS_KERNEL(BS_THREADS, 1)
void weight_gradient_kernel(int64_t rows, int inputs, int outputs, bs_view<T> x,
                            bs_view<T> dy, float *dweight) {
    const int64_t i = static_cast<int64_t>(blockIdx.x) * BS_THREADS + threadIdx.x;
    const int n = static_cast<int>(i / inputs), m = static_cast<int>(i % inputs);
    if (n >= outputs)
        return;
    float sum = 0;
    for (int64_t row = 0; row < rows; row++)
        sum += bs_to_float(*dy.at(row, n)) * bs_to_float(*x.at(row, m));
    dweight[i] += sum;
}

cudaError_t bs_cuda_plain_linear_backward(cudaStream_t stream, struct bs_rows x,
                                          const void *weight, struct bs_rows dy,
                                          struct bs_rows dx, bool accumulate,
                                          float *dweight) {
    const int inputs = static_cast<int>(x.columns),
              outputs = static_cast<int>(dy.columns);
    return bs_for_type(x.type, [&](auto element) {
        using T = decltype(element);
        cudaError_t status = cudaSuccess;
        if (dweight)
            status = BS_LAUNCH((weight_gradient_kernel<T>),
                               bs_blocks(x.columns * dy.columns, BS_THREADS), BS_THREADS,
                               0, stream, x.rows, inputs, outputs, bs_view_of<T>(x),
                               bs_view_of<T>(dy), dweight);
        if (dx.data && status == cudaSuccess)
            status = BS_LAUNCH((input_gradient_kernel<T>),
                               bs_blocks(dx.rows * dx.columns, BS_THREADS), BS_THREADS, 0,
                               stream, dx.rows, inputs, outputs, bs_view_of<T>(dy),
                               static_cast<const T *>(weight), bs_any_of(dx), accumulate);
        return status;
    });
}

/* ---- gradients of biases ----------------------------------------------------------- */

template <class T> struct bias_terms {
    bs_view<T> dy;
    float *sums_of_columns;
    __device__ __forceinline__ void values(int64_t row, int column, float *sums) const {
        sums[0] += bs_to_float(*dy.at(row, column));
    }
    __device__ __forceinline__ float *result(int) const {
        return sums_of_columns;
    }
};

size_t bs_cuda_column_sums_scratch(int64_t rows, int64_t columns) {
    return bs_column_scratch(rows, columns, 1);
}

cudaError_t bs_cuda_column_sums(cudaStream_t stream, struct bs_rows x, float *sums,
                                void *scratch) {
    return bs_for_type(x.type, [&](auto element) {
        using T = decltype(element);
        const bias_terms<T> terms = {bs_view_of<T>(x), sums};
        return bs_sum_columns<1>(stream, terms, x.rows, x.columns, scratch);
    });
}
