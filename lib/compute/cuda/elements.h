/*
 * What kernels over rows share: the choice of element types, how many elements a thread
 * takes at once, and dropout. Included by .cu files alone.
 *
 * A kernel over rows is a template over N, 8 or 1, the number of neighbouring columns
 * that a thread loads at once, and over element types; a row of C columns is C / N
 * pieces.
 */
#ifndef BS_COMPUTE_CUDA_ELEMENTS_H
#define BS_COMPUTE_CUDA_ELEMENTS_H

#include "compute/cuda/kernels.h"
#include "compute/cuda/low.h"
#include "compute/cuda/warp.h"

#include "common/random.h"

enum { BS_THREADS = 256 }; /* of a block of most kernels */

/* ---- rows on the device: of one type, or of any ------------------------------------ */

/* data NULL: absent. */
template <class T> struct bs_view {
    T *data;
    int64_t stride;
    __device__ __forceinline__ T *at(int64_t row, int64_t column) const {
        return data + row * stride + column;
    }
};

/* Rows whose type is known when the kernel runs. */
struct bs_any_view {
    char *data;
    int64_t stride;
    enum bs_type type;

    struct place {
        char *data;
        enum bs_type type;
    };
    __device__ __forceinline__ place at(int64_t row, int64_t column) const {
        return {data + (row * stride + column) * (type == BS_F32 ? 4 : 2), type};
    }
};

template <int N> BS_GPU void bs_load(float values[N], bs_any_view::place from) {
    if (from.type == BS_F32)
        bs_load<N>(values, reinterpret_cast<const float *>(from.data));
    else if (from.type == BS_BF16)
        bs_load<N>(values, reinterpret_cast<const bs_bf16 *>(from.data));
    else
        bs_load<N>(values, reinterpret_cast<const bs_fp16 *>(from.data));
}

template <int N> BS_GPU void bs_store(bs_any_view::place to, const float values[N]) {
    if (to.type == BS_F32)
        bs_store<N>(reinterpret_cast<float *>(to.data), values);
    else if (to.type == BS_BF16)
        bs_store<N>(reinterpret_cast<bs_bf16 *>(to.data), values);
    else
        bs_store<N>(reinterpret_cast<bs_fp16 *>(to.data), values);
}

/* ---- host: choosing an instance ------------------------------------------------ */

template <class T> static inline bs_view<T> bs_view_of(struct bs_rows rows) {
    return {static_cast<T *>(rows.data), rows.stride};
}

static inline bs_any_view bs_any_of(struct bs_rows rows) {
    return {static_cast<char *>(rows.data), rows.stride, rows.type};
}

/* Absent, or every piece of 8 columns is aligned to 16 bytes. */
static inline bool bs_takes_eight(struct bs_rows rows) {
    const int64_t bytes = rows.type == BS_F32 ? 4 : 2;
    return !rows.data || (rows.columns % 8 == 0 && rows.stride * bytes % 16 == 0 &&
                          reinterpret_cast<uintptr_t>(rows.data) % 16 == 0);
}

template <int N> struct bs_pieces { static constexpr int count = N; };

/* f(bs_pieces<N>{}): 8 columns a thread, or 1. */
template <class F> static inline cudaError_t bs_for_pieces(bool eight, F f) {
    return eight ? f(bs_pieces<8>{}) : f(bs_pieces<1>{});
}

/* f(T()) for the T of a type. */
template <class F> static inline cudaError_t bs_for_type(enum bs_type type, F f) {
    switch (type) {
    case BS_F32:
        return f(0.0F);
    case BS_BF16:
        return f(bs_bf16{});
    default:
        return f(bs_fp16{});
    }
}

/* f(pieces, views...): pieces of 8 columns of one type if all rows allow that, which is
 * what a model's do; else single columns of any types. */
template <class F, class... Rows>
static inline cudaError_t bs_for_rows(F f, struct bs_rows first, Rows... more) {
    const bool fast =
        bs_takes_eight(first) &&
        (... && (!more.data || (more.type == first.type && bs_takes_eight(more))));
    if (!fast)
        return f(bs_pieces<1>{}, bs_any_of(first), bs_any_of(more)...);
    return bs_for_type(first.type, [&](auto element) {
        using T = decltype(element);
        return f(bs_pieces<8>{}, bs_view_of<T>(first), bs_view_of<T>(more)...);
    });
}

static inline unsigned bs_blocks(int64_t items, int64_t per_block) {
    return static_cast<unsigned>((items + per_block - 1) / per_block);
}

/* ---- dropout: compute.h says what is kept ---------------------------------------- */

struct bs_drop {
    uint32_t threshold, site; /* threshold 0: nothing is dropped */
    float factor;
    bool first_only;
    const int32_t *row_sequence, *offset;
    const uint32_t *example;
    const struct bs_cuda_step *step;
};

static inline struct bs_drop bs_drop_of(const struct bs_cuda_batch *batch,
                                        const struct bs_cuda_step *step,
                                        struct bs_dropout dropout, bool first_only) {
    const uint32_t threshold = bs_dropout_threshold(dropout.probability);
    return {threshold,
            dropout.site,
            65536.0F / static_cast<float>(65536 - threshold),
            first_only,
            batch->row_sequence,
            batch->offset,
            batch->example,
            step};
}

/* What of the counter is the same for a whole row. */
struct bs_drop_row {
    bool drops;
    uint32_t place, example, update;
    uint64_t seed;
};

BS_GPU struct bs_drop_row bs_drop_row_of(const struct bs_drop &drop, int64_t row) {
    struct bs_drop_row r = {};
    if (drop.threshold == 0)
        return r;
    const int32_t sequence =
        drop.first_only ? static_cast<int32_t>(row) : drop.row_sequence[row];
    if (sequence < 0) /* padding */
        return r;
    r.drops = true;
    r.place = drop.first_only ? 0 : static_cast<uint32_t>(row - drop.offset[sequence]);
    r.example = drop.example[sequence];
    r.update = drop.step->step.update;
    r.seed = drop.step->step.seed;
    return r;
}

/* Half-word k of four words, which stay in registers. */
BS_GPU uint32_t bs_half_word(const uint32_t words[4], int k) {
    const uint32_t low = k & 2 ? words[1] : words[0];
    const uint32_t high = k & 2 ? words[3] : words[2];
    return (k & 4 ? high : low) >> ((k & 1) * 16) & 0xFFFFU;
}

/* N columns of a row from `column` on, a multiple of N. Rounded before anything is added
 * to them. */
template <int N>
BS_GPU void bs_drop_values(float values[N], const struct bs_drop &drop,
                           const struct bs_drop_row &row, uint32_t column) {
    if (!row.drops)
        return;
    const uint32_t counter[4] = {column / 8, drop.site << 16 | row.place, row.example,
                                 row.update};
    uint32_t words[4];
    bs_philox(counter, row.seed, words);
#pragma unroll
    for (int i = 0; i < N; i++) {
        const int k = N == 8 ? i : static_cast<int>(column % 8);
        values[i] = bs_half_word(words, k) >= drop.threshold
                        ? __fmul_rn(values[i], drop.factor)
                        : 0.0F;
    }
}

#endif
