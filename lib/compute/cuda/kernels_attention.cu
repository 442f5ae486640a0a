/*
 * Attention forward: softmax in one pass (Milakov and Gimelshein, "Online normalizer
 * calculation for softmax", 2018), fused with both products; see attention_parts.h.
 */
#include "compute/cuda/attention_launch.h"
#include "compute/cuda/attention_products.h"

static constexpr float LOG_2 = 0.6931471805599453F;

/* Of each row: what was subtracted from its scores, in powers of two, and the lane's part
 * of the sum of their exponentials. */
template <class T> struct softmax { float shift[lanes<T>::ROWS], sum[lanes<T>::ROWS]; };

/* Columns from `count` on are no keys. */
template <class T> BS_GPU void hide_columns(float scores[SQUARES][SCORES], int count) {
    if (count < ATTENTION_TILE)
#pragma unroll
        for (int i = 0; i < SQUARES * SCORES; i++) {
            const int square = i / SCORES, j = i % SCORES;
            if (lanes<T>::column(lanes<T>::score_column(j)) >= count - square * SQUARE)
                scores[square][j] = -INFINITY;
        }
}

/* The largest of row r of the square, its lanes together. */
template <class T> BS_GPU float largest_of(const float scores[SQUARES][SCORES], int r) {
    float largest = -INFINITY;
#pragma unroll
    for (int i = 0; i < SQUARES * SCORES; i++)
        if (lanes<T>::score_row(i % SCORES) == r)
            largest = fmaxf(largest, scores[i / SCORES][i % SCORES]);
    return bs_group_max<lanes<T>::ACROSS>(largest);
}

/* Decides what is subtracted: the largest score so far, or, while exponentials stay
 * below 2^8, still the largest of before. True if any row of the warp moved: what was
 * summed up so far counts `less`. */
template <class T>
BS_GPU bool move_shifts(struct softmax<T> *s, const float scores[SQUARES][SCORES],
                        float scale2, float less[lanes<T>::ROWS]) {
    bool moved = false;
#pragma unroll
    for (int r = 0; r < lanes<T>::ROWS; r++) {
        const float old = s->shift[r], wanted = largest_of<T>(scores, r) * scale2;
        s->shift[r] = wanted > old + 8 ? wanted : old;
        less[r] = attention_exp2(old - s->shift[r]);
        moved = moved || s->shift[r] > old;
    }
    return bs_any(moved);
}

/* Scores become exponentials. */
template <class T, int D>
BS_GPU void exponentials(struct softmax<T> *s, float scores[SQUARES][SCORES],
                         float sums[D / 2], float scale2) {
    float less[lanes<T>::ROWS];
    if (move_shifts<T>(s, scores, scale2, less)) {
#pragma unroll
        for (int r = 0; r < lanes<T>::ROWS; r++)
            s->sum[r] *= less[r];
#pragma unroll
        for (int j = 0; j < D / 2; j++)
            sums[j] *= less[lanes<T>::sum_row(j)];
    }
#pragma unroll
    for (int i = 0; i < SQUARES * SCORES; i++) {
        float *score = &scores[i / SCORES][i % SCORES];
        const int r = lanes<T>::score_row(i % SCORES);
        *score = attention_exp2(fmaf(*score, scale2, -s->shift[r]));
        s->sum[r] += *score;
    }
}

template <class T> BS_GPU void drop(float scores[SQUARES][SCORES], uint32_t drawn) {
#pragma unroll
    for (int square = 0; square < SQUARES; square++) {
        uint32_t words[lanes<T>::ROWS];
        kept_by_query<T>(drawn, square, words);
#pragma unroll
        for (int j = 0; j < SCORES; j++)
            scores[square][j] = is_kept_by_query<T>(words, j) ? scores[square][j] : 0;
    }
}

/* Divides the rows by their sums, and writes lse. */
template <class T, int D>
BS_GPU void finish_rows(const struct attention_task<T> &a, int head,
                        const struct warp_place &w, const struct softmax<T> &s,
                        float sums[D / 2]) {
    float factor[lanes<T>::ROWS];
#pragma unroll
    for (int r = 0; r < lanes<T>::ROWS; r++) {
        const float sum = bs_group_sum<lanes<T>::ACROSS>(s.sum[r]);
        const int row = lanes<T>::row(r);
        factor[r] = sum == 0 ? 0 : a.keep / sum; /* 0: no keys */
        if (a.lse.data && lanes<T>::column(0) == 0 && row < w.rows)
            *attention_number(a.lse, w.row + row, head) =
                sum == 0 ? 0 : s.shift[r] * LOG_2 + logf(sum);
    }
#pragma unroll
    for (int j = 0; j < D / 2; j++)
        sums[j] *= factor[lanes<T>::sum_row(j)];
}

template <class T, int D> struct forward_blocks {
    static constexpr int MINIMUM = D > 64 ? 2 : D > 32 && !bs_element<T>::low ? 3 : 4;
};

template <class T, int D>
BS_KERNEL(ATTENTION_THREADS, (forward_blocks<T, D>::MINIMUM))
void attention_forward(struct attention_task<T> a) {
    struct place p;
    if (!attention_place(a, &p))
        return attention_zero_padding<T>(a, a.out);
    if (p.block >= p.queries)
        return;
    struct tiles<T, D> keys = attention_tiles<T, D>(a, p, a.k, a.v, p.first_key);
    attention_fetch(&keys, 0, p.length);
    const struct dropper d = attention_dropper(a, p);
    const struct warp_place w = attention_warp(a, p, p.first_query, p.queries);
    struct operand<T, D, true> q;
    load_operand(&q, a.q, w);
    struct softmax<T> s;
    float sums[D / 2] = {};
    for (int r = 0; r < lanes<T>::ROWS; r++)
        s.shift[r] = -INFINITY, s.sum[r] = 0;
    for (int key = 0; key < p.length; key += ATTENTION_TILE) {
        const uint32_t drawn = draw_by_query(d, p.queries - w.rows, key);
        attention_next(&keys, key, p.length);
        if (w.rows <= 0)
            continue;
        float scores[SQUARES][SCORES];
#pragma unroll
        for (int i = 0; i < SQUARES; i++)
            attention_scores(scores[i], q, square_rows(keys, key, i, 0));
        hide_columns<T>(scores, p.length - key);
        exponentials<T, D>(&s, scores, sums, a.scale2);
        if (d.drops)
            drop<T>(scores, drawn);
#pragma unroll
        for (int i = 0; i < SQUARES; i++)
            attention_sums<T, D>(sums, scores[i], square_rows(keys, key, i, 1));
    }
    __syncthreads();
    finish_rows<T, D>(a, p.head, w, s, sums);
    attention_store<T, D>(sums, a.out, w);
}

extern "C" bool bs_cuda_attention_serves(int64_t head_size, enum bs_type type) {
    (void)type;
    return head_size > 0 && head_size <= 128 && head_size % 8 == 0;
}

extern "C" cudaError_t bs_cuda_attention(cudaStream_t stream,
                                         const struct bs_cuda_batch *batch,
                                         const struct bs_cuda_step *step,
                                         struct bs_attention attention, struct bs_rows q,
                                         struct bs_rows k, struct bs_rows v,
                                         struct bs_rows lse, struct bs_rows out) {
    for (const struct bs_rows &rows : {q, k, v, out})
        if (!bs_takes_eight(rows))
            return cudaErrorMisalignedAddress;
    return attention_for(q.type, q.columns / attention.heads, [&](auto instance) {
        using T = typename decltype(instance)::element;
        constexpr int D = decltype(instance)::columns;
        struct attention_task<T> a =
            attention_task_of<T>(batch, step, attention, q, k, v, lse, out);
        const unsigned grid =
            attention_grid(&a, a.first_only ? 1 : batch->max_length, !a.first_only);
        return BS_LAUNCH((attention_forward<T, D>), grid, ATTENTION_THREADS,
                         (tile<T, D>::BYTES), stream, a);
    });
}
