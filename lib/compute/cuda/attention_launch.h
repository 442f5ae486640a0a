/*
 * From the arguments of bs_cuda_attention and its backward to those of the kernels: for
 * the host's half of kernels_attention*.cu.
 */
#ifndef BS_COMPUTE_CUDA_ATTENTION_LAUNCH_H
#define BS_COMPUTE_CUDA_ATTENTION_LAUNCH_H

#include "compute/cuda/attention_parts.h"

#include <math.h>

/* Kernels are instances for an element type and a number of columns. */
template <class T, int D> struct attention_instance {
    using element = T;
    static constexpr int columns = D;
};

/* launch(attention_instance<T, D>{}) for the T and D that serve heads of `width` columns
 * in rows of this type. */
template <class F>
static inline cudaError_t attention_for(enum bs_type type, int64_t width, F launch) {
    if (!bs_cuda_attention_serves(width, type))
        return cudaErrorInvalidValue;
    return bs_for_type(type, [&](auto element) {
        using T = decltype(element);
        if (width <= 32)
            return launch(attention_instance<T, 32>{});
        if (width <= 64)
            return launch(attention_instance<T, 64>{});
        return launch(attention_instance<T, 128>{});
    });
}

/* What forward and backward have in common. */
template <class T>
static inline struct attention_task<T>
attention_task_of(const struct bs_cuda_batch *batch, const struct bs_cuda_step *step,
                  const struct bs_attention &attention, struct bs_rows q,
                  struct bs_rows k, struct bs_rows v, struct bs_rows lse,
                  struct bs_rows out) {
    struct attention_task<T> a = {};
    const int64_t width = q.columns / attention.heads;
    const double scale = 1 / sqrt(static_cast<double>(width));
    const uint32_t threshold = bs_dropout_threshold(attention.dropout.probability);
    a.offset = batch->offset, a.example = batch->example, a.step = step;
    a.tokens = batch->n_tokens;
    a.sequences = static_cast<int>(batch->n_sequences);
    a.heads = static_cast<int>(attention.heads);
    a.width = static_cast<int>(width);
    a.first_only = attention.first_only;
    a.threshold = threshold;
    a.site = attention.dropout.site;
    a.keep = threshold < 65536 ? 65536.0F / static_cast<float>(65536 - threshold) : 0;
    a.scale = static_cast<float>(scale);
    a.scale2 = static_cast<float>(scale * 1.4426950408889634);
    a.q = bs_view_of<T>(q), a.k = bs_view_of<T>(k), a.v = bs_view_of<T>(v);
    a.out = bs_view_of<T>(out);
    a.lse = bs_view_of<float>(lse);
    return a;
}

/* Blocks for `rows` rows of each sequence at most, and for padding if there is any. */
template <class T>
static inline unsigned attention_grid(struct attention_task<T> *a, int64_t rows,
                                      bool padding) {
    a->blocks = static_cast<int>(bs_blocks(rows, ATTENTION_BLOCK));
    return static_cast<unsigned>(a->blocks) * static_cast<unsigned>(a->heads) *
               static_cast<unsigned>(a->sequences) +
           (padding ? bs_blocks(a->tokens, ATTENTION_BLOCK) : 0);
}

#endif
