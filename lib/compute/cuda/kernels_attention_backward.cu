/*
 * Attention backward, in two passes that compute the probabilities anew from what the
 * forward pass saved; see attention_parts.h. With p = exp(score - lse), m the mask (0 or
 * its scale) and dp = dout v^T:
 *
 *     delta = rowsum(dout out),  ds = p (m dp - delta)
 *     dq = ds k / sqrt(D),  dk = ds^T q / sqrt(D),  dv = (m p)^T dout
 *
 * The first pass has a block for every 64 queries, leaves delta for the second and writes
 * dq; the second has one for every 64 keys, whose scores are the transpose, and writes dk
 * and dv. Two products more than one pass would need, but every sum stays in one warp's
 * registers, in the order of the tiles, and nothing has to be added up in memory.
 */
#include "compute/cuda/attention_launch.h"
#include "compute/cuda/attention_products.h"

static constexpr float LOG2_E = 1.4426950408889634F;

/* Operands are held in registers where there is room for them. */
template <int D> static constexpr bool HELD = D <= 64;

/* Blocks on a multiprocessor, as many as the registers allow without spilling. */
template <class T, int D> struct backward_blocks {
    static constexpr bool low = bs_element<T>::low;
    static constexpr int QUERY_MINIMUM = D > 64 ? 2 : D > 32 ? low ? 3 : 2 : low ? 4 : 3;
    static constexpr int KEY_MINIMUM = D > 64 || (D > 32 && !low) ? 2 : 3;
};

template <int N> BS_GPU void multiply(float values[N], float factor) {
#pragma unroll
    for (int i = 0; i < N; i++)
        values[i] *= factor;
}

/* ---- dq ------------------------------------------------------------------------- */

template <class T, int D> struct query_operands {
    struct operand<T, D, HELD<D>> q, dout;
};

template <class T> struct query_rows {
    float shift[lanes<T>::ROWS], delta[lanes<T>::ROWS];
};

/* delta[r] = dot product of dout and out at the lane's row r. */
template <class T, int D>
BS_GPU void row_deltas(const struct operand<T, D, HELD<D>> &dout, bs_view<T> out,
                       const struct warp_place &w, float delta[lanes<T>::ROWS]) {
#pragma unroll
    for (int r = 0; r < lanes<T>::ROWS; r++)
        delta[r] = 0;
#pragma unroll
    for (int i = 0; i < D / part<T>::COLUMNS; i++)
        add_dots(operand_part(dout, i), load_part(out, w, i * part<T>::COLUMNS), delta);
#pragma unroll
    for (int r = 0; r < lanes<T>::ROWS; r++)
        delta[r] = bs_group_sum<lanes<T>::ACROSS>(delta[r]);
}

/* delta to memory, lse from it. */
template <class T>
BS_GPU void exchange_rows(const struct attention_task<T> &a, int head,
                          const struct warp_place &w, struct query_rows<T> *queries) {
#pragma unroll
    for (int r = 0; r < lanes<T>::ROWS; r++) {
        const int row = lanes<T>::row(r);
        queries->shift[r] = 0;
        if (row < w.rows)
            queries->shift[r] = *attention_number(a.lse, w.row + row, head) * LOG2_E;
        if (row < w.rows && lanes<T>::column(0) == 0)
            *attention_number(a.delta, w.row + row, head) = queries->delta[r];
    }
}

/* scores = ds, from scores and dp; columns from `count` on are no keys. */
template <class T>
BS_GPU void query_slopes(const struct attention_task<T> &a,
                         const struct query_rows<T> &queries,
                         const uint32_t words[lanes<T>::ROWS], int count,
                         float scores[SCORES], const float dp[SCORES]) {
#pragma unroll
    for (int j = 0; j < SCORES; j++) {
        const int r = lanes<T>::score_row(j);
        const float p = attention_exp2(fmaf(scores[j], a.scale2, -queries.shift[r]));
        const float factor = is_kept_by_query<T>(words, j) ? a.keep : 0;
        scores[j] = p * fmaf(dp[j], factor, -queries.delta[r]);
    }
    if (count < SQUARE)
#pragma unroll
        for (int j = 0; j < SCORES; j++)
            if (lanes<T>::column(lanes<T>::score_column(j)) >= count)
                scores[j] = 0;
}

/* dq += what the keys of a square give; `count` of them are there. */
template <class T, int D>
BS_GPU void
query_square(const struct attention_task<T> &a, const struct query_operands<T, D> &x,
             const struct query_rows<T> &queries, const uint32_t words[lanes<T>::ROWS],
             int count, const struct tile_rows<T> &k, const struct tile_rows<T> &v,
             float sums[D / 2]) {
    float scores[SCORES], dp[SCORES];
    attention_scores(scores, x.q, k);
    attention_scores(dp, x.dout, v);
    query_slopes<T>(a, queries, words, count, scores, dp);
    attention_sums<T, D>(sums, scores, k);
}

template <class T, int D>
BS_KERNEL(ATTENTION_THREADS, (backward_blocks<T, D>::QUERY_MINIMUM))
void attention_backward_queries(struct attention_task<T> a) {
    struct place p;
    if (!attention_place(a, &p))
        return attention_zero_padding<T>(a, a.dq);
    if (p.block >= p.queries)
        return;
    struct tiles<T, D> keys = attention_tiles<T, D>(a, p, a.k, a.v, p.first_key);
    attention_fetch(&keys, 0, p.length);
    const struct dropper d = attention_dropper(a, p);
    const struct warp_place w = attention_warp(a, p, p.first_query, p.queries);
    struct query_operands<T, D> x;
    load_operand(&x.q, a.q, w);
    load_operand(&x.dout, a.dout, w);
    struct query_rows<T> queries;
    row_deltas<T, D>(x.dout, a.out, w, queries.delta);
    exchange_rows<T>(a, p.head, w, &queries);
    float sums[D / 2] = {};
    for (int key = 0; key < p.length; key += ATTENTION_TILE) {
        const uint32_t drawn = draw_by_query(d, p.queries - w.rows, key);
        attention_next(&keys, key, p.length);
        if (w.rows <= 0)
            continue;
#pragma unroll
        for (int i = 0; i < SQUARES; i++) {
            uint32_t words[lanes<T>::ROWS];
            kept_by_query<T>(drawn, i, words);
            query_square<T, D>(a, x, queries, words, p.length - key - i * SQUARE,
                               square_rows(keys, key, i, 0), square_rows(keys, key, i, 1),
                               sums);
        }
    }
    __syncthreads();
    multiply<D / 2>(sums, a.scale);
    attention_store<T, D>(sums, a.dq, w);
}

/* ---- dk, dv --------------------------------------------------------------------- */

/* Of the tile's 32 queries, one a lane. */
struct query_column {
    float shift, delta;
};

template <class T>
BS_GPU struct query_column load_column(const struct attention_task<T> &a,
                                       const struct place &p, int query) {
    struct query_column c = {0, 0}; /* no query: its q and dout are zero */
    const int at = p.first_query + query;
    if (query < p.queries) {
        c.shift = *attention_number(a.lse, at, p.head) * LOG2_E;
        c.delta = *attention_number(a.delta, at, p.head);
    }
    return c;
}

/* Transposed: scores = p m (without its scale) and dp = ds, from scores and dp. */
template <class T>
BS_GPU void key_slopes(const struct attention_task<T> &a, struct query_column mine,
                       uint32_t drawn, int square, float scores[SCORES],
                       float dp[SCORES]) {
#pragma unroll
    for (int c = 0; c < lanes<T>::COLUMNS; c++) {
        const int from = lanes<T>::column(c) + square * SQUARE;
        const float shift = bs_shuffle(mine.shift, from);
        const float delta = bs_shuffle(mine.delta, from);
        const uint32_t word = kept_by_key<T>(drawn, square, c);
#pragma unroll
        for (int j = 0; j < SCORES; j++) {
            if (lanes<T>::score_column(j) != c)
                continue;
            const float p = attention_exp2(fmaf(scores[j], a.scale2, -shift));
            const bool kept = is_kept_by_key<T>(word, j);
            scores[j] = kept ? p : 0;
            dp[j] = p * fmaf(dp[j], kept ? a.keep : 0, -delta);
        }
    }
}

template <class T, int D> struct key_operands { struct operand<T, D, HELD<D>> k, v; };

template <int D> struct key_sums { float dk[D / 2], dv[D / 2]; };

/* dk and dv += what the queries of a square give. */
template <class T, int D>
BS_GPU void key_square(const struct attention_task<T> &a,
                       const struct key_operands<T, D> &x, struct query_column mine,
                       uint32_t drawn, int square, const struct tile_rows<T> &q,
                       const struct tile_rows<T> &dout, struct key_sums<D> *sums) {
    float scores[SCORES], dp[SCORES];
    attention_scores(scores, x.k, q);
    attention_scores(dp, x.v, dout);
    key_slopes<T>(a, mine, drawn, square, scores, dp);
    attention_sums<T, D>(sums->dv, scores, dout);
    attention_sums<T, D>(sums->dk, dp, q);
}

template <class T, int D>
BS_KERNEL(ATTENTION_THREADS, (backward_blocks<T, D>::KEY_MINIMUM))
void attention_backward_keys(struct attention_task<T> a) {
    struct place p;
    if (!attention_place(a, &p)) {
        attention_zero_padding<T>(a, a.dk);
        return attention_zero_padding<T>(a, a.dv);
    }
    if (p.block >= p.length)
        return;
    struct tiles<T, D> queries = attention_tiles<T, D>(a, p, a.q, a.dout, p.first_query);
    attention_fetch(&queries, 0, p.queries);
    const struct dropper d = attention_dropper(a, p);
    const struct warp_place w = attention_warp(a, p, p.first_key, p.length);
    struct key_operands<T, D> x;
    load_operand(&x.k, a.k, w);
    load_operand(&x.v, a.v, w);
    struct key_sums<D> sums = {};
    for (int query = 0; query < p.queries; query += ATTENTION_TILE) {
        const uint32_t drawn = draw_by_key(d, query, p.length - w.rows);
        const struct query_column mine = load_column(a, p, query + bs_lane());
        attention_next(&queries, query, p.queries);
        if (w.rows <= 0)
            continue;
#pragma unroll
        for (int i = 0; i < SQUARES; i++)
            key_square<T, D>(a, x, mine, drawn, i, square_rows(queries, query, i, 0),
                             square_rows(queries, query, i, 1), &sums);
    }
    __syncthreads();
    multiply<D / 2>(sums.dk, a.scale);
    multiply<D / 2>(sums.dv, a.keep);
    attention_store<T, D>(sums.dk, a.dk, w);
    attention_store<T, D>(sums.dv, a.dv, w);
}

/* ---- both ----------------------------------------------------------------------- */

extern "C" size_t bs_cuda_attention_backward_scratch(int64_t query_rows, int64_t heads) {
    return static_cast<size_t>(query_rows * heads) * sizeof(float);
}

template <class T, int D>
static cudaError_t launch_backward(cudaStream_t stream, struct attention_task<T> a,
                                   int64_t max_length) {
    const size_t bytes = tile<T, D>::BYTES;
    unsigned grid = attention_grid(&a, a.first_only ? 1 : max_length, !a.first_only);
    cudaError_t status = BS_LAUNCH((attention_backward_queries<T, D>), grid,
                                   ATTENTION_THREADS, bytes, stream, a);
    if (status != cudaSuccess)
        return status;
    grid = attention_grid(&a, max_length, true);
    return BS_LAUNCH((attention_backward_keys<T, D>), grid, ATTENTION_THREADS, bytes,
                     stream, a);
}

extern "C" cudaError_t
bs_cuda_attention_backward(cudaStream_t stream, const struct bs_cuda_batch *batch,
                           const struct bs_cuda_step *step, struct bs_attention attention,
                           struct bs_rows q, struct bs_rows k, struct bs_rows v,
                           struct bs_rows lse, struct bs_rows out, struct bs_rows dout,
                           struct bs_rows dq, struct bs_rows dk, struct bs_rows dv,
                           void *scratch) {
    for (const struct bs_rows &rows : {q, k, v, out, dout, dq, dk, dv})
        if (!bs_takes_eight(rows))
            return cudaErrorMisalignedAddress;
    return attention_for(q.type, q.columns / attention.heads, [&](auto instance) {
        using T = typename decltype(instance)::element;
        struct attention_task<T> a =
            attention_task_of<T>(batch, step, attention, q, k, v, lse, out);
        a.dout = bs_view_of<T>(dout), a.dq = bs_view_of<T>(dq);
        a.dk = bs_view_of<T>(dk), a.dv = bs_view_of<T>(dv);
        a.delta = {static_cast<float *>(scratch), attention.heads};
        return launch_backward<T, decltype(instance)::columns>(stream, a,
                                                               batch->max_length);
    });
}
