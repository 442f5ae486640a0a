/*
 * Small matrix products of one thread, for attention: C[m, n] (+)= A[m, k] B[k, n] in
 * fp32 with a register block of rows by two vectors. A is read one number at a time, so
 * any strides do (a transposed A costs nothing); B and C are rows of whole vectors.
 * Sums run over k in order. Included by kernels alone.
 */
#ifndef BS_COMPUTE_CPU_SMALL_PRODUCT_H
#define BS_COMPUTE_CPU_SMALL_PRODUCT_H

#include "compute/cpu/vector.h"

enum { SMALL_ROWS = BS_LANES == 16 ? 8 : 4 };

struct small_product {
    int64_t m, n, k; /* n: a multiple of BS_LANES */
    const float *a;
    int64_t a_row, a_column; /* strides */
    const float *b;
    int64_t b_row;
    float *c;
    int64_t c_row;
    bool accumulate;
};

/* One block; `rows` and `vectors` are constants where this is expanded. */
BS_INLINE void product_block(const struct small_product *p, int64_t row, int64_t column,
                             int rows, int vectors) {
    vf sum[SMALL_ROWS][2];
    const float *a = p->a + row * p->a_row, *b = p->b + column;
    float *c = p->c + row * p->c_row + column;
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
            sum[r][v] = p->accumulate ? vload(c + r * p->c_row + v * BS_LANES) : (vf){0};
    for (int64_t k = 0; k < p->k; k++) {
        vf left = vload(b), right = vectors > 1 ? vload(b + BS_LANES) : left;
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            vf scalar = vsplat(a[r * p->a_row]);
            sum[r][0] = vfma(scalar, left, sum[r][0]);
            if (vectors > 1)
                sum[r][1] = vfma(scalar, right, sum[r][1]);
        }
        a += p->a_column;
        b += p->b_row;
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
            vstore(c + r * p->c_row + v * BS_LANES, sum[r][v]);
}

BS_INLINE void product_columns(const struct small_product *p, int64_t column,
                               int vectors) {
    int64_t row = 0;
    for (; row + SMALL_ROWS <= p->m; row += SMALL_ROWS)
        product_block(p, row, column, SMALL_ROWS, vectors);
    if (SMALL_ROWS > 4 && row + 4 <= p->m) {
        product_block(p, row, column, 4, vectors);
        row += 4;
    }
    for (; row < p->m; row++)
        product_block(p, row, column, 1, vectors);
}

static void small_product(const struct small_product *p) {
    int64_t column = 0;
    for (; column + 2 * BS_LANES <= p->n; column += 2 * BS_LANES)
        product_columns(p, column, 2);
    if (column < p->n)
        product_columns(p, column, 1);
}

#endif
