/*
 * Layer norm with what stands before it, dropout and the residual sum, and their
 * gradients. A warp takes a row; the row waits in shared memory between the passes over
 * it: mean, variance (of distances from the mean, as PyTorch takes it), result.
 */
#include "compute/cuda/column_sums.h"

enum { NORM_WARPS = 4, NORM_THREADS = NORM_WARPS * BS_WARP };

static size_t row_bytes(int64_t columns) {
    return static_cast<size_t>(NORM_WARPS * columns) * sizeof(float);
}

/* The warp's row, -1 if there is none, and its place in shared memory. */
BS_GPU int64_t warp_row(int64_t rows, int columns, float *shared, float **mine) {
    const int64_t row = static_cast<int64_t>(blockIdx.x) * NORM_WARPS + bs_warp();
    *mine = shared + static_cast<int64_t>(bs_warp()) * columns;
    return row < rows ? row : -1;
}

/* ---- forward --------------------------------------------------------------------- */

struct norm_arguments {
    struct bs_drop drop;
    int64_t rows;
    int columns;
    const float *gain, *bias;
    float epsilon;
    bs_any_view x; /* absent: the residual alone */
    bs_view<float> residual, sum, stats, y;
    bs_any_view y_low;
};

/* Residual and dropout(x) of one row into `mine` and sum; returns the lane's share of
 * their total. */
template <int N> BS_GPU float add_row(const norm_arguments &a, int64_t row, float *mine) {
    const struct bs_drop_row drop = bs_drop_row_of(a.drop, row);
    float total = 0;
    for (int column = bs_lane() * N; column < a.columns; column += BS_WARP * N) {
        float values[N];
        bs_load<N>(values, a.residual.at(row, column));
        if (a.x.data) {
            float more[N];
            bs_load<N>(more, a.x.at(row, column));
            bs_drop_values<N>(more, a.drop, drop, static_cast<uint32_t>(column));
#pragma unroll
            for (int i = 0; i < N; i++)
                values[i] = __fadd_rn(more[i], values[i]);
        }
#pragma unroll
        for (int i = 0; i < N; i++)
            total += values[i];
        bs_store<N>(mine + column, values);
        if (a.sum.data)
            bs_store<N>(a.sum.at(row, column), values);
    }
    return total;
}

template <int N>
BS_GPU float squares(const norm_arguments &a, const float *mine, float mean) {
    float total = 0;
    for (int column = bs_lane() * N; column < a.columns; column += BS_WARP * N)
#pragma unroll
        for (int i = 0; i < N; i++) {
            const float distance = mine[column + i] - mean;
            total += distance * distance;
        }
    return total;
}

template <int N> BS_KERNEL(NORM_THREADS, 1) void norm_kernel(norm_arguments a) {
    BS_SHARED(float, shared);
    float *mine;
    const int64_t row = warp_row(a.rows, a.columns, shared, &mine);
    if (row < 0)
        return;
    const float mean =
        bs_warp_sum(add_row<N>(a, row, mine)) / static_cast<float>(a.columns);
    const float variance =
        bs_warp_sum(squares<N>(a, mine, mean)) / static_cast<float>(a.columns);
    const float inverse = 1 / sqrtf(variance + a.epsilon);
    if (a.stats.data && bs_lane() == 0) {
        *a.stats.at(row, 0) = mean;
        *a.stats.at(row, 1) = inverse;
    }
    for (int column = bs_lane() * N; column < a.columns; column += BS_WARP * N) {
        float values[N], gain[N], bias[N];
        bs_load<N>(gain, a.gain + column);
        bs_load<N>(bias, a.bias + column);
#pragma unroll
        for (int i = 0; i < N; i++)
            values[i] = gain[i] * ((mine[column + i] - mean) * inverse) + bias[i];
        bs_store<N>(a.y.at(row, column), values);
        if (a.y_low.data)
            bs_store<N>(a.y_low.at(row, column), values);
    }
}

cudaError_t bs_cuda_dropout_add_norm(cudaStream_t stream,
                                     const struct bs_cuda_batch *batch,
                                     const struct bs_cuda_step *step,
                                     struct bs_dropout dropout, bool first_only,
                                     const float *gain, const float *bias, float epsilon,
                                     struct bs_rows x, struct bs_rows residual,
                                     struct bs_rows sum, struct bs_rows stats,
                                     struct bs_rows y, struct bs_rows y_low) {
    const bool eight = bs_takes_eight(x) && bs_takes_eight(residual) &&
                       bs_takes_eight(sum) && bs_takes_eight(y) && bs_takes_eight(y_low);
    const norm_arguments a = {bs_drop_of(batch, step, dropout, first_only),
                              y.rows,
                              static_cast<int>(y.columns),
                              gain,
                              bias,
                              epsilon,
                              bs_any_of(x),
                              bs_view_of<float>(residual),
                              bs_view_of<float>(sum),
                              bs_view_of<float>(stats),
                              bs_view_of<float>(y),
                              bs_any_of(y_low)};
    return bs_for_pieces(eight, [&](auto pieces) {
        return BS_LAUNCH((norm_kernel<decltype(pieces)::count>),
                         bs_blocks(y.rows, NORM_WARPS), NORM_THREADS,
                         row_bytes(y.columns), stream, a);
    });
}

/* ---- backward: dgain and dbias ------------------------------------------------------
 */

struct norm_terms {
    bs_view<float> sum, stats, dy;
    float *dgain, *dbias;
    __device__ __forceinline__ void values(int64_t row, int column, float *sums) const {
        const float g = *dy.at(row, column);
        const float mean = *stats.at(row, 0), inverse = *stats.at(row, 1);
        sums[0] += g * ((*sum.at(row, column) - mean) * inverse);
        sums[1] += g;
    }
    __device__ __forceinline__ float *result(int m) const {
        return m == 0 ? dgain : dbias;
    }
};

size_t bs_cuda_norm_backward_scratch(int64_t rows, int64_t columns) {
    return bs_column_scratch(rows, columns, 2);
}

/* ---- backward: dsum and dx ----------------------------------------------------------
 * With g = dy * gain and n the normed value: dsum = (g - mean(g) - n mean(g n)) inverse.
 * The row waits in shared memory as g. */

struct norm_backward_arguments {
    struct bs_drop drop;
    int64_t rows;
    int columns;
    const float *gain;
    bs_view<float> sum, stats, dy, dsum;
    bs_any_view dx;
};

template <int N>
BS_KERNEL(NORM_THREADS, 1)
void norm_backward_kernel(norm_backward_arguments a) {
    BS_SHARED(float, shared);
    float *mine, totals[2] = {};
    const int64_t row = warp_row(a.rows, a.columns, shared, &mine);
    if (row < 0)
        return;
    const float mean = *a.stats.at(row, 0), inverse = *a.stats.at(row, 1);
    for (int column = bs_lane() * N; column < a.columns; column += BS_WARP * N) {
        float g[N], gain[N], sum[N];
        bs_load<N>(g, a.dy.at(row, column));
        bs_load<N>(gain, a.gain + column);
        bs_load<N>(sum, a.sum.at(row, column));
#pragma unroll
        for (int i = 0; i < N; i++) {
            g[i] *= gain[i];
            totals[0] += g[i];
            totals[1] += g[i] * ((sum[i] - mean) * inverse);
        }
        bs_store<N>(mine + column, g);
    }
    const float mean_g = bs_warp_sum(totals[0]) / static_cast<float>(a.columns);
    const float mean_gn = bs_warp_sum(totals[1]) / static_cast<float>(a.columns);
    const struct bs_drop_row drop = bs_drop_row_of(a.drop, row);
    for (int column = bs_lane() * N; column < a.columns; column += BS_WARP * N) {
        float values[N], sum[N];
        bs_load<N>(sum, a.sum.at(row, column));
#pragma unroll
        for (int i = 0; i < N; i++) {
            const float n = (sum[i] - mean) * inverse;
            values[i] = (mine[column + i] - mean_g - n * mean_gn) * inverse;
        }
        bs_store<N>(a.dsum.at(row, column), values);
        if (!a.dx.data)
            continue;
        bs_drop_values<N>(values, a.drop, drop, static_cast<uint32_t>(column));
        bs_store<N>(a.dx.at(row, column), values);
    }
}

cudaError_t bs_cuda_dropout_add_norm_backward(
    cudaStream_t stream, const struct bs_cuda_batch *batch,
    const struct bs_cuda_step *step, struct bs_dropout dropout, bool first_only,
    const float *gain, float *dgain, float *dbias, struct bs_rows sum,
    struct bs_rows stats, struct bs_rows dy, struct bs_rows dsum, struct bs_rows dx,
    void *scratch) {
    const bool eight = bs_takes_eight(sum) && bs_takes_eight(dy) &&
                       bs_takes_eight(dsum) && bs_takes_eight(dx);
    const norm_terms terms = {bs_view_of<float>(sum), bs_view_of<float>(stats),
                              bs_view_of<float>(dy), dgain, dbias};
    const norm_backward_arguments a = {bs_drop_of(batch, step, dropout, first_only),
                                       sum.rows,
                                       static_cast<int>(sum.columns),
                                       gain,
                                       bs_view_of<float>(sum),
                                       bs_view_of<float>(stats),
                                       bs_view_of<float>(dy),
                                       bs_view_of<float>(dsum),
                                       bs_any_of(dx)};
    /* First: dsum may overwrite dy. */
    if (dgain || dbias) {
        cudaError_t status =
            bs_sum_columns<2>(stream, terms, sum.rows, sum.columns, scratch);
        if (status != cudaSuccess)
            return status;
    }
    return bs_for_pieces(eight, [&](auto pieces) {
        return BS_LAUNCH((norm_backward_kernel<decltype(pieces)::count>),
                         bs_blocks(sum.rows, NORM_WARPS), NORM_THREADS,
                         row_bytes(sum.columns), stream, a);
    });
}
