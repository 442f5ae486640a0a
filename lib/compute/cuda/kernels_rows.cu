/* Operations on one element at a time: dropout, activations, copies; and rows gathered
 * and scattered. A thread takes one piece of a row. */
#include "compute/cuda/elements.h"

/* The piece of this thread: false if there is none. */
template <int N>
BS_GPU bool piece_of(int64_t rows, int columns, int64_t *row, int *column) {
    const int64_t i = static_cast<int64_t>(blockIdx.x) * BS_THREADS + threadIdx.x;
    const int pieces = columns / N;
    *row = i / pieces;
    *column = static_cast<int>(i % pieces) * N;
    return *row < rows;
}

static unsigned grid_of(struct bs_rows rows, int n) {
    return bs_blocks(rows.rows * (rows.columns / n), BS_THREADS);
}

/* ---- dropout ------------------------------------------------------------------- */

/* y = dropout(x) + residual; residual, y_low: may be absent. */
template <int N>
BS_KERNEL(BS_THREADS, 1)
void dropout_kernel(struct bs_drop drop, int64_t rows, int columns, bs_any_view x,
                    bs_view<float> residual, bs_any_view y, bs_any_view y_low) {
    int64_t row;
    int column;
    float values[N];
    if (!piece_of<N>(rows, columns, &row, &column))
        return;
    bs_load<N>(values, x.at(row, column));
    bs_drop_values<N>(values, drop, bs_drop_row_of(drop, row),
                      static_cast<uint32_t>(column));
    if (residual.data) {
        float more[N];
        bs_load<N>(more, residual.at(row, column));
#pragma unroll
        for (int i = 0; i < N; i++)
            values[i] = __fadd_rn(values[i], more[i]);
    }
    bs_store<N>(y.at(row, column), values);
    if (y_low.data)
        bs_store<N>(y_low.at(row, column), values);
}

static cudaError_t launch_dropout(cudaStream_t stream, struct bs_drop drop,
                                  struct bs_rows x, struct bs_rows residual,
                                  struct bs_rows y, struct bs_rows y_low) {
    return bs_for_pieces(
        bs_takes_eight(x) && bs_takes_eight(residual) && bs_takes_eight(y) &&
            bs_takes_eight(y_low),
        [&](auto pieces) {
            constexpr int n = decltype(pieces)::count;
            return BS_LAUNCH((dropout_kernel<n>), grid_of(x, n), BS_THREADS, 0, stream,
                             drop, x.rows, static_cast<int>(x.columns), bs_any_of(x),
                             bs_view_of<float>(residual), bs_any_of(y), bs_any_of(y_low));
        });
}

cudaError_t bs_cuda_dropout(cudaStream_t stream, const struct bs_cuda_batch *batch,
                            const struct bs_cuda_step *step, struct bs_dropout dropout,
                            bool first_only, struct bs_rows x, struct bs_rows y,
                            struct bs_rows y_low) {
    return launch_dropout(stream, bs_drop_of(batch, step, dropout, first_only), x, {}, y,
                          y_low);
}

cudaError_t bs_cuda_dropout_add(cudaStream_t stream, const struct bs_cuda_batch *batch,
                                const struct bs_cuda_step *step,
                                struct bs_dropout dropout, bool first_only,
                                struct bs_rows x, struct bs_rows residual,
                                struct bs_rows sum) {
    return launch_dropout(stream, bs_drop_of(batch, step, dropout, first_only), x,
                          residual, sum, {});
}

/* ---- y = f(x), z = f(x, y) -------------------------------------------------------- */

struct gelu {
    __device__ __forceinline__ float operator()(float x) const {
        return x * normcdff(x);
    }
};

struct hyperbolic_tangent {
    __device__ __forceinline__ float operator()(float x) const {
        return tanhf(x);
    }
};

struct same {
    __device__ __forceinline__ float operator()(float x) const {
        return x;
    }
};

/* dy times the slope of x Phi(x), Phi(x) + x phi(x). */
struct gelu_gradient {
    __device__ __forceinline__ float operator()(float pre, float dy) const {
        const float density = 0.3989422804F * expf(-0.5F * pre * pre);
        return dy * (normcdff(pre) + pre * density);
    }
};

struct tanh_gradient {
    __device__ __forceinline__ float operator()(float y, float dy) const {
        return dy * (1 - y * y);
    }
};

template <int N, class F, class V>
BS_KERNEL(BS_THREADS, 1)
void map_kernel(F f, int64_t rows, int columns, V x, V y) {
    int64_t row;
    int column;
    float values[N];
    if (!piece_of<N>(rows, columns, &row, &column))
        return;
    bs_load<N>(values, x.at(row, column));
#pragma unroll
    for (int i = 0; i < N; i++)
        values[i] = f(values[i]);
    bs_store<N>(y.at(row, column), values);
}

template <class F>
static cudaError_t map(cudaStream_t stream, F f, struct bs_rows x, struct bs_rows y) {
    return bs_for_rows(
        [&](auto pieces, auto from, auto to) {
            constexpr int n = decltype(pieces)::count;
            return BS_LAUNCH((map_kernel<n, F, decltype(from)>), grid_of(x, n),
                             BS_THREADS, 0, stream, f, x.rows,
                             static_cast<int>(x.columns), from, to);
        },
        x, y);
}

template <int N, class F, class V>
BS_KERNEL(BS_THREADS, 1)
void map_two_kernel(F f, int64_t rows, int columns, V x, V y, V z) {
    int64_t row;
    int column;
    float a[N], b[N];
    if (!piece_of<N>(rows, columns, &row, &column))
        return;
    bs_load<N>(a, x.at(row, column));
    bs_load<N>(b, y.at(row, column));
#pragma unroll
    for (int i = 0; i < N; i++)
        a[i] = f(a[i], b[i]);
    bs_store<N>(z.at(row, column), a);
}

template <class F>
static cudaError_t map_two(cudaStream_t stream, F f, struct bs_rows x, struct bs_rows y,
                           struct bs_rows z) {
    return bs_for_rows(
        [&](auto pieces, auto first, auto second, auto result) {
            constexpr int n = decltype(pieces)::count;
            return BS_LAUNCH((map_two_kernel<n, F, decltype(first)>), grid_of(x, n),
                             BS_THREADS, 0, stream, f, x.rows,
                             static_cast<int>(x.columns), first, second, result);
        },
        x, y, z);
}

cudaError_t bs_cuda_activate(cudaStream_t stream, enum bs_activation activation,
                             struct bs_rows x, struct bs_rows y) {
    return activation == BS_GELU ? map(stream, gelu{}, x, y)
                                 : map(stream, hyperbolic_tangent{}, x, y);
}

cudaError_t bs_cuda_gelu_backward(cudaStream_t stream, struct bs_rows pre,
                                  struct bs_rows dy, struct bs_rows dpre) {
    return map_two(stream, gelu_gradient{}, pre, dy, dpre);
}

cudaError_t bs_cuda_tanh_backward(cudaStream_t stream, struct bs_rows y,
                                  struct bs_rows dy, struct bs_rows dpre) {
    return map_two(stream, tanh_gradient{}, y, dy, dpre);
}

cudaError_t bs_cuda_copy(cudaStream_t stream, struct bs_rows x, struct bs_rows y) {
    return map(stream, same{}, x, y);
}

template <int N>
BS_KERNEL(BS_THREADS, 1)
void zero_kernel(int64_t rows, int columns, bs_any_view y) {
    int64_t row;
    int column;
    const float zeros[N] = {};
    if (piece_of<N>(rows, columns, &row, &column))
        bs_store<N>(y.at(row, column), zeros);
}

cudaError_t bs_cuda_zero(cudaStream_t stream, struct bs_rows rows) {
    return bs_for_pieces(bs_takes_eight(rows), [&](auto pieces) {
        constexpr int n = decltype(pieces)::count;
        return BS_LAUNCH((zero_kernel<n>), grid_of(rows, n), BS_THREADS, 0, stream,
                         rows.rows, static_cast<int>(rows.columns), bs_any_of(rows));
    });
}

/* ---- first tokens ---------------------------------------------------------------- */

template <int N, class V>
BS_KERNEL(BS_THREADS, 1)
void gather_kernel(int64_t rows, int columns, const int32_t *offset, V x, V y) {
    int64_t row;
    int column;
    float values[N];
    if (!piece_of<N>(rows, columns, &row, &column))
        return;
    bs_load<N>(values, x.at(offset[row], column));
    bs_store<N>(y.at(row, column), values);
}

cudaError_t bs_cuda_gather_first(cudaStream_t stream, const struct bs_cuda_batch *batch,
                                 struct bs_rows x, struct bs_rows y) {
    return bs_for_rows(
        [&](auto pieces, auto to, auto from) {
            constexpr int n = decltype(pieces)::count;
            return BS_LAUNCH((gather_kernel<n, decltype(to)>), grid_of(y, n), BS_THREADS,
                             0, stream, y.rows, static_cast<int>(y.columns),
                             batch->offset, from, to);
        },
        y, x);
}

template <int N, class V>
BS_KERNEL(BS_THREADS, 1)
void scatter_kernel(int64_t rows, int columns, const int32_t *offset, V dy, V dx) {
    int64_t row;
    int column;
    float sum[N], more[N];
    if (!piece_of<N>(rows, columns, &row, &column))
        return;
    bs_load<N>(sum, dx.at(offset[row], column));
    bs_load<N>(more, dy.at(row, column));
#pragma unroll
    for (int i = 0; i < N; i++)
        sum[i] += more[i];
    bs_store<N>(dx.at(offset[row], column), sum);
}

cudaError_t bs_cuda_scatter_first(cudaStream_t stream, const struct bs_cuda_batch *batch,
                                  struct bs_rows dy, struct bs_rows dx) {
    return bs_for_pieces(bs_takes_eight(dy) && bs_takes_eight(dx), [&](auto pieces) {
        constexpr int n = decltype(pieces)::count;
        return BS_LAUNCH((scatter_kernel<n, bs_view<float>>), grid_of(dy, n), BS_THREADS,
                         0, stream, dy.rows, static_cast<int>(dy.columns), batch->offset,
                         bs_view_of<float>(dy), bs_view_of<float>(dx));
    });
}
