/*
 * Embeddings and their gradients. Several tokens share a row of a table: each distinct
 * word's tokens are summed by one block in their order, which the host has sorted; a
 * position's by one block over the sequences; a type's as columns are.
 */
#include "compute/cuda/column_sums.h"

/* ---- forward --------------------------------------------------------------------- */

struct tables {
    const float *word, *position, *type;
};

template <int N>
BS_KERNEL(BS_THREADS, 1)
void embedding_kernel(tables t, struct bs_cuda_batch batch, int columns,
                      bs_view<float> sum) {
    const int64_t i = static_cast<int64_t>(blockIdx.x) * BS_THREADS + threadIdx.x;
    const int pieces = columns / N;
    const int64_t row = i / pieces, column = i % pieces * N;
    float values[N], more[N];
    if (row >= batch.n_tokens)
        return;
    bs_load<N>(values, t.word + static_cast<int64_t>(batch.ids[row]) * columns + column);
    bs_load<N>(more,
               t.position + static_cast<int64_t>(batch.position[row]) * columns + column);
#pragma unroll
    for (int k = 0; k < N; k++)
        values[k] += more[k];
    bs_load<N>(more,
               t.type + static_cast<int64_t>(batch.type_ids[row]) * columns + column);
#pragma unroll
    for (int k = 0; k < N; k++)
        values[k] += more[k];
    bs_store<N>(sum.at(row, column), values);
}

cudaError_t bs_cuda_embedding(cudaStream_t stream, const struct bs_cuda_batch *batch,
                              const float *word, const float *position, const float *type,
                              struct bs_rows sum) {
    const tables t = {word, position, type};
    return bs_for_pieces(bs_takes_eight(sum), [&](auto pieces) {
        constexpr int n = decltype(pieces)::count;
        return BS_LAUNCH((embedding_kernel<n>),
                         bs_blocks(sum.rows * (sum.columns / n), BS_THREADS), BS_THREADS,
                         0, stream, t, *batch, static_cast<int>(sum.columns),
                         bs_view_of<float>(sum));
    });
}

/* ---- backward -------------------------------------------------------------------- */

/* Block x, column y * BS_THREADS + thread: the tokens of one distinct id, unless it is
 * `padding`. */
BS_KERNEL(BS_THREADS, 1)
void word_gradient_kernel(struct bs_cuda_batch batch, int columns, bs_view<float> dsum,
                          int32_t padding, float *gradient) {
    const int segment = static_cast<int>(blockIdx.x);
    const int column = static_cast<int>(blockIdx.y * BS_THREADS + threadIdx.x);
    if (segment >= *batch.n_segments || column >= columns)
        return;
    const int32_t first = batch.segment[segment], end = batch.segment[segment + 1];
    const int32_t id = batch.ids[batch.by_id[first]];
    if (id == padding)
        return;
    float *place = gradient + static_cast<int64_t>(id) * columns + column;
    float sum = 0;
    for (int32_t i = first; i < end; i++)
        sum += *dsum.at(batch.by_id[i], column);
    *place += sum;
}

BS_KERNEL(BS_THREADS, 1)
void position_gradient_kernel(struct bs_cuda_batch batch, int columns,
                              bs_view<float> dsum, float *gradient) {
    const int place = static_cast<int>(blockIdx.x);
    const int column = static_cast<int>(blockIdx.y * BS_THREADS + threadIdx.x);
    if (column >= columns)
        return;
    float sum = 0;
    bool any = false;
    for (int64_t b = 0; b < batch.n_sequences; b++)
        if (batch.offset[b] + place < batch.offset[b + 1]) {
            sum += *dsum.at(batch.offset[b] + place, column);
            any = true;
        }
    if (any)
        gradient[static_cast<int64_t>(place) * columns + column] += sum;
}

/* Rows of one type; those of padding do not count. */
struct type_terms {
    bs_view<float> dsum;
    const int32_t *type_ids, *row_sequence;
    int32_t type;
    float *gradient;
    __device__ __forceinline__ void values(int64_t row, int column, float *sums) const {
        if (type_ids[row] == type && row_sequence[row] >= 0)
            sums[0] += *dsum.at(row, column);
    }
    __device__ __forceinline__ float *result(int) const {
        return gradient;
    }
};

size_t bs_cuda_embedding_backward_scratch(int64_t tokens, int64_t columns) {
    return bs_column_scratch(tokens, columns, 1);
}

cudaError_t bs_cuda_embedding_backward(cudaStream_t stream,
                                       const struct bs_cuda_batch *batch, float *word,
                                       float *position, float *type, int64_t types,
                                       int32_t padding, struct bs_rows dsum,
                                       void *scratch) {
    const int columns = static_cast<int>(dsum.columns);
    const unsigned across = bs_blocks(columns, BS_THREADS);
    const bs_view<float> view = bs_view_of<float>(dsum);
    cudaError_t status = cudaSuccess;
    if (word)
        status = BS_LAUNCH(word_gradient_kernel,
                           dim3(static_cast<unsigned>(batch->n_tokens), across),
                           BS_THREADS, 0, stream, *batch, columns, view, padding, word);
    if (position && status == cudaSuccess)
        status = BS_LAUNCH(position_gradient_kernel,
                           dim3(static_cast<unsigned>(batch->max_length), across),
                           BS_THREADS, 0, stream, *batch, columns, view, position);
    for (int64_t i = 0; type && i < types && status == cudaSuccess; i++) {
        const type_terms terms = {view, batch->type_ids, batch->row_sequence,
                                  static_cast<int32_t>(i), type + i * columns};
        status = bs_sum_columns<1>(stream, terms, dsum.rows, columns, scratch);
    }
    return status;
}
