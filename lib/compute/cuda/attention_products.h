/*
 * The two products of attention, of a warp's 16 rows with 16 rows of a tile:
 *
 *     scores[16, 16] = operand[16, D] rows[16, D]^T
 *     sums[16, D]   += scores[16, 16] rows[16, D]
 *
 * and how their numbers lie in the lanes, which struct lanes<T> tells to those who work
 * on them. In bf16 and fp16 the matrix unit multiplies, and the scores are rounded to T
 * as they enter the second product. In float, lanes exchange the operand's elements and
 * multiply with plain arithmetic.
 *
 * Each lane has 8 scores of such a square, those of ROWS rows and COLUMNS columns, and
 * D / 2 sums, of the same rows. ACROSS lanes next to each other share their rows.
 */
#ifndef BS_COMPUTE_CUDA_ATTENTION_PRODUCTS_H
#define BS_COMPUTE_CUDA_ATTENTION_PRODUCTS_H

#include "compute/cuda/attention_parts.h"

enum {
    SQUARE = ATTENTION_ROWS,           /* of 16 rows and 16 columns */
    SQUARES = ATTENTION_TILE / SQUARE, /* beside each other in a tile */
    SCORES = SQUARE * SQUARE / BS_WARP /* of a lane */
};

/* bf16, fp16: as d of bs_mma_m16n8k16, n by n. */
template <class T> struct lanes {
    static constexpr int ROWS = 2, COLUMNS = 4, ACROSS = 4;
    /* Which of the square's rows and columns the lane's r-th and c-th are, and
     * how far they are from the lane's first. */
    BS_GPU int row(int r) {
        return bs_lane() / 4 + row_step(r);
    }
    BS_GPU int row_step(int r) {
        return 8 * r;
    }
    BS_GPU int column(int c) {
        return bs_lane() % 4 * 2 + column_step(c);
    }
    BS_GPU int column_step(int c) {
        return c / 2 * 8 + c % 2;
    }
    /* The lane's row and column of its score j, and the row of its sum j. */
    BS_GPU int score_row(int j) {
        return j / 2 % 2;
    }
    BS_GPU int score_column(int j) {
        return j / 4 * 2 + j % 2;
    }
    BS_GPU int sum_row(int j) {
        return j / 2 % 2;
    }
};

template <> struct lanes<float> {
    static constexpr int ROWS = 4, COLUMNS = 2, ACROSS = 8;
    BS_GPU int row(int r) {
        return bs_lane() / 8 + row_step(r);
    }
    BS_GPU int row_step(int r) {
        return 4 * r;
    }
    BS_GPU int column(int c) {
        return bs_lane() % 8 + column_step(c);
    }
    BS_GPU int column_step(int c) {
        return 8 * c;
    }
    BS_GPU int score_row(int j) {
        return j % 4;
    }
    BS_GPU int score_column(int j) {
        return j / 4;
    }
    BS_GPU int sum_row(int j) {
        return j / 4 % 4;
    }
};

/* ---- the operand ---------------------------------------------------------------- */

/* Some columns of a warp's 16 rows. 16 of them, as a of bs_mma_m16n8k16. */
template <class T> struct part {
    static constexpr int COLUMNS = 16;
    uint32_t pair[4];
};

/* 32: element 4 r + e is the lane's row r, column 4 (lane % 8) + e. */
template <> struct part<float> {
    static constexpr int COLUMNS = 32;
    float element[16];
};

/* Columns from `column` on; zero where there is none. */
template <class T>
BS_GPU struct part<T> load_part(bs_view<T> view, const struct warp_place &w, int column) {
    struct part<T> p;
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const int row = bs_lane() / 4 + i % 2 * 8, first = column + i / 2 * 8;
        const T *from = view.at(w.row + row, w.column + bs_lane() % 4 * 2) + first;
        p.pair[i] = row < w.rows && first < w.width ? bs_load_vector<2>(from).word[0] : 0;
    }
    return p;
}

BS_GPU struct part<float>
load_part(bs_view<float> view, const struct warp_place &w, int column) {
    struct part<float> p;
    const int c = column + bs_lane() % 8 * 4;
#pragma unroll
    for (int r = 0; r < 4; r++) {
        const int row = lanes<float>::row(r);
        float *to = p.element + 4 * r;
        to[0] = to[1] = to[2] = to[3] = 0;
        if (row < w.rows && c < w.width)
            bs_load<4>(to, view.at(w.row + row, w.column + c));
    }
    return p;
}

/* sums[r] += the lane's share of the dot product of its row r. */
template <class T>
BS_GPU void add_dots(const struct part<T> &a, const struct part<T> &b, float sums[2]) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const float2 x = bs_unpack<T>(a.pair[i]), y = bs_unpack<T>(b.pair[i]);
        sums[i % 2] = fmaf(x.x, y.x, fmaf(x.y, y.y, sums[i % 2]));
    }
}

BS_GPU void add_dots(const struct part<float> &a, const struct part<float> &b,
                     float sums[4]) {
#pragma unroll
    for (int i = 0; i < 16; i++)
        sums[i / 4] = fmaf(a.element[i], b.element[i], sums[i / 4]);
}

/* All D columns: in registers, or, if there are not enough of them, read each time. */
template <class T, int D, bool HELD> struct operand {
    struct part<T> parts[D / part<T>::COLUMNS];
};

template <class T, int D> struct operand<T, D, false> {
    bs_view<T> view;
    struct warp_place place;
};

template <class T, int D, bool HELD>
BS_GPU void load_operand(struct operand<T, D, HELD> *x, bs_view<T> view,
                         const struct warp_place &w) {
    if constexpr (HELD) {
#pragma unroll
        for (int i = 0; i < D / part<T>::COLUMNS; i++)
            x->parts[i] = load_part(view, w, i * part<T>::COLUMNS);
    } else {
        x->view = view;
        x->place = w;
    }
}

template <class T, int D, bool HELD>
BS_GPU struct part<T> operand_part(const struct operand<T, D, HELD> &x, int i) {
    if constexpr (HELD)
        return x.parts[i];
    else
        return load_part(x.view, x.place, i *part<T>::COLUMNS);
}

/* ---- products on the matrix unit ----------------------------------------------- */

/* 16 rows of a tile in shared memory: those of the stage at `stage`, `part` elements on.
 * Lanes add their own place to the stage, so that addresses are shared by all parts. */
template <class T>
struct tile_rows {
    const T *memory;
    int stage, part;
};

/* Columns 16 k on, from the lane's place at their first 16. */
template <class T>
BS_GPU const T *unit_columns(const struct tile_rows<T> &rows, int at, int k) {
    return rows.memory + ((rows.stage + at) ^ k % 4 * 16) + (rows.part + k / 4 * 64);
}

template <class T, int D, bool HELD>
BS_GPU void unit_scores(float scores[SCORES], const struct operand<T, D, HELD> &x,
                        const struct tile_rows<T> &rows) {
    const int lane = bs_lane();
    const int at = tile<T, D>::at(lane / 16 * 8 + lane % 8, lane / 8 % 2);
#pragma unroll HELD ? D / 16 : 1
    for (int k = 0; k < D / 16; k++) {
        const struct part<T> a = operand_part(x, k);
        uint32_t b[4];
        bs_ldmatrix_x4(b, unit_columns(rows, at, k));
        bs_mma_m16n8k16<T>(scores, a.pair, b);
        bs_mma_m16n8k16<T>(scores + 4, a.pair, b + 2);
    }
}

template <class T, int D>
BS_GPU void unit_sums(float sums[D / 2], const float scores[SCORES],
                      const struct tile_rows<T> &rows) {
    const int lane = bs_lane();
    const int at = tile<T, D>::at(lane % 16, lane / 16);
    uint32_t a[4];
#pragma unroll
    for (int i = 0; i < 4; i++)
        a[i] = bs_pack<T>(scores[2 * i], scores[2 * i + 1]);
#pragma unroll
    for (int n = 0; n < D / 16; n++) {
        uint32_t b[4];
        bs_ldmatrix_x4_transposed(b, unit_columns(rows, at, n));
        bs_mma_m16n8k16<T>(sums + 8 * n, a, b);
        bs_mma_m16n8k16<T>(sums + 8 * n + 4, a, b + 2);
    }
}

/* ---- products in float ---------------------------------------------------------- */

/* An element of each of the lane's rows, times four of a row of a tile. */
BS_GPU void multiply_add(float *sums, float x, const float y[4]) {
#pragma unroll
    for (int e = 0; e < 4; e++)
        sums[e] = fmaf(x, y[e], sums[e]);
}

template <int D, bool HELD>
BS_GPU void float_scores(float scores[SCORES], const struct operand<float, D, HELD> &x,
                         const float *rows) {
#pragma unroll HELD ? D / 32 : 1
    for (int i = 0; i < D / 32; i++) {
        const struct part<float> a = operand_part(x, i);
#pragma unroll D> 64 ? 1 : 2
        for (int from = 0; from < 8; from++) {
            float y[2][4];
#pragma unroll
            for (int c = 0; c < 2; c++)
                bs_load<4>(y[c], rows + tile<float, D>::at(lanes<float>::column(c),
                                                           8 * i + from));
#pragma unroll
            for (int j = 0; j < 16; j++) {
                const float value = bs_shuffle(a.element[j], bs_lane() / 8 * 8 + from);
#pragma unroll
                for (int c = 0; c < 2; c++)
                    scores[4 * c + j / 4] =
                        fmaf(value, y[c][j % 4], scores[4 * c + j / 4]);
            }
        }
    }
}

/* Sums lie as the parts of an operand do. */
template <int D>
BS_GPU void float_sums(float sums[D / 2], const float scores[SCORES], const float *rows) {
#pragma unroll
    for (int c = 0; c < 2; c++) {
#pragma unroll D> 64 ? 1 : 2
        for (int from = 0; from < 8; from++) {
            float y[D / 32][4];
#pragma unroll
            for (int i = 0; i < D / 32; i++)
                bs_load<4>(
                    y[i], rows + tile<float, D>::at(8 * c + from, 8 * i + bs_lane() % 8));
#pragma unroll
            for (int r = 0; r < 4; r++) {
                const float x = bs_shuffle(scores[4 * c + r], bs_lane() / 8 * 8 + from);
#pragma unroll
                for (int i = 0; i < D / 32; i++)
                    multiply_add(sums + 16 * i + 4 * r, x, y[i]);
            }
        }
    }
}

/* ---- both ----------------------------------------------------------------------- */

/* scores = x rows^T */
template <class T, int D, bool HELD>
BS_GPU void attention_scores(float scores[SCORES], const struct operand<T, D, HELD> &x,
                             const struct tile_rows<T> &rows) {
#pragma unroll
    for (int j = 0; j < SCORES; j++)
        scores[j] = 0;
    if constexpr (bs_element<T>::low)
        unit_scores(scores, x, rows);
    else
        float_scores(scores, x, rows.memory + rows.stage + rows.part);
}

/* sums += scores rows */
template <class T, int D>
BS_GPU void attention_sums(float sums[D / 2], const float scores[SCORES],
                           const struct tile_rows<T> &rows) {
    if constexpr (bs_element<T>::low)
        unit_sums<T, D>(sums, scores, rows);
    else
        float_sums<D>(sums, scores, rows.memory + rows.stage + rows.part);
}

/* A square's rows of a tile's first or second matrix. */
template <class T, int D>
BS_GPU struct tile_rows<T> square_rows(const struct tiles<T, D> &s, int row, int square,
                                       int matrix) {
    return {s.memory, attention_stage<T, D>(row),
            square *SQUARE *D + matrix *tile<T, D>::SIZE};
}

/* ---- dropout -------------------------------------------------------------------- */

/* What dropout keeps of a tile's scores. Philox works on 8 keys of a query at once, so
 * each lane draws a share (16 bits, all of them without dropout), and for each square it
 * gets what its own scores need from the others. */

/* Rows are the 16 queries from `query` on, columns the 32 keys from `key` on. */
BS_GPU uint32_t
draw_by_query(const struct dropper &d, int query, int key) {
    return d.drops ? attention_kept(d, query + bs_lane() % 16, key + bs_lane() / 16 * 16)
                   : 0xFFFFU;
}

/* A word for each row of a square. */
template <class T>
BS_GPU void kept_by_query(uint32_t drawn, int square, uint32_t words[lanes<T>::ROWS]) {
#pragma unroll
    for (int r = 0; r < lanes<T>::ROWS; r++)
        words[r] =
            bs_shuffle(drawn, lanes<T>::row(r) + square * SQUARE) >> lanes<T>::column(0);
}

template <class T>
BS_GPU bool is_kept_by_query(const uint32_t words[lanes<T>::ROWS], int j) {
    return words[lanes<T>::score_row(j)] >>
               lanes<T>::column_step(lanes<T>::score_column(j)) &
           1;
}

/* Rows are the 16 keys from `key` on, columns the 32 queries from `query` on. */
BS_GPU uint32_t draw_by_key(const struct dropper &d, int query, int key) {
    return d.drops ? attention_kept(d, query + bs_lane(), key) : 0xFFFFU;
}

/* The word of the lane's column c of a square. */
template <class T> BS_GPU uint32_t kept_by_key(uint32_t drawn, int square, int c) {
    return bs_shuffle(drawn, lanes<T>::column(c) + square * SQUARE) >> lanes<T>::row(0);
}

template <class T> BS_GPU bool is_kept_by_key(uint32_t word, int j) {
    return word >> lanes<T>::row_step(lanes<T>::score_row(j)) & 1;
}

/* ---- the way out ---------------------------------------------------------------- */

/* The lane's sums to 16 rows laid out as a tile's. */
template <class T, int D> BS_GPU void stage(T *to, const float sums[D / 2]) {
    if constexpr (bs_element<T>::low) {
#pragma unroll
        for (int i = 0; i < D / 4; i++)
            bs_store<2>(to + tile<T, D>::at(lanes<T>::row(i % 2), i / 2) +
                            bs_lane() % 4 * 2,
                        sums + 2 * i);
    } else {
#pragma unroll
        for (int i = 0; i < D / 8; i++)
            bs_store<4>(
                to + tile<T, D>::at(lanes<T>::row(i % 4), i / 4 * 8 + bs_lane() % 8),
                sums + 4 * i);
    }
}

/* Writes a warp's sums to its rows, through the block's shared memory, where tiles are
 * in use no more. */
template <class T, int D>
BS_GPU void attention_store(const float sums[D / 2], bs_view<T> view,
                            const struct warp_place &w) {
    using shape = tile<T, D>;
    BS_SHARED(T, memory);
    T *staged = memory + bs_warp() * ATTENTION_ROWS * D;
    __syncwarp();
    stage<T, D>(staged, sums);
    __syncwarp();
#pragma unroll
    for (int i = bs_lane(); i < ATTENTION_ROWS * shape::CHUNKS; i += BS_WARP) {
        const int r = i / shape::CHUNKS, c = i % shape::CHUNKS;
        if (r < w.rows && c * shape::CHUNK < w.width)
            *reinterpret_cast<uint4 *>(view.at(w.row + r, w.column + c * shape::CHUNK)) =
                *reinterpret_cast<const uint4 *>(staged + shape::at(r, c));
    }
}

#endif
