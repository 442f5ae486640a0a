/*
 * The heart of a product: some rows by some vectors of columns stay in registers while k
 * goes by. A is read a word at a time, so any strides do; B is whole vectors of words, a
 * step after the other. Words are as in kernels.h. Included by kernels alone.
 */
#ifndef BS_COMPUTE_CPU_BLOCK_H
#define BS_COMPUTE_CPU_BLOCK_H

#include "compute/cpu/kernels.h"
#include "compute/cpu/vector.h"

enum { BS_VECTORS = BS_PANEL / BS_LANES };

/* Sums as the operand has them: int8's are integers. */
typedef vf bs_tile[BS_BLOCK_ROWS][BS_VECTORS];

struct bs_block {
    const char *a;
    int64_t a_row, a_step; /* bytes */
    const char *b;
    int64_t b_step;       /* bytes */
    const int32_t *start; /* int8: what the sums of each column begin with */
    int64_t steps;
};

/* sum + word column: `word` is a step of one row. */
BS_INLINE vf vmultiply(enum bs_cpu_operand operand, vf sum, vf column, uint32_t word) {
    float value;
    if (operand == BS_CPU_BF16)
        return vdot2(sum, column, word);
    if (operand == BS_CPU_INT8)
        return (vf)vdot4((vi)sum, (vi)column, word);
    memcpy(&value, &word, sizeof value);
    return vfma(vsplat(value), column, sum);
}

/* All but the block are constants where this is expanded. */
BS_INLINE void block(const struct bs_block *at, enum bs_cpu_operand operand, int rows,
                     int vectors, bs_tile result) {
    const char *a = at->a, *b = at->b;
    vf sum[BS_BLOCK_ROWS][BS_VECTORS];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
            if (operand == BS_CPU_INT8)
                memcpy(&sum[r][v], at->start + (size_t)v * BS_LANES, sizeof(vf));
            else
                sum[r][v] = (vf){0};
    for (int64_t i = 0; i < at->steps; i++) {
        vf column[BS_VECTORS];
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
            memcpy(&column[v], b + (size_t)v * sizeof(vf), sizeof(vf));
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            uint32_t word;
            memcpy(&word, a + r * at->a_row, sizeof word);
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++)
                sum[r][v] = vmultiply(operand, sum[r][v], column[v], word);
        }
        a += at->a_step;
        b += at->b_step;
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
            result[r][v] = sum[r][v];
}

/* `operand` and `vectors` are constants where this is expanded. */
BS_INLINE void any_rows(const struct bs_block *at, enum bs_cpu_operand operand, int rows,
                        int vectors, bs_tile result) {
    switch (rows) {
    case 1:
        return block(at, operand, 1, vectors, result);
    case 2:
        return block(at, operand, 2, vectors, result);
    case 3:
        return block(at, operand, 3, vectors, result);
    case 4:
        return block(at, operand, 4, vectors, result);
    case 5:
        return block(at, operand, 5, vectors, result);
    case 6:
        return block(at, operand, 6, vectors, result);
#if BS_BLOCK_ROWS > 6
    case 7:
        return block(at, operand, 7, vectors, result);
#endif
    default:
        return block(at, operand, BS_BLOCK_ROWS, vectors, result);
    }
}

/* Rows of the next block of `left`: full ones, and the last two shared out evenly rather
 * than leaving one of one or two rows, which would wait for its own sums. */
static inline int rows_of_block(int64_t left) {
    if (left > BS_BLOCK_ROWS && left < BS_BLOCK_ROWS + BS_BLOCK_ROWS / 2)
        return (int)(left + 1) / 2;
    return left < BS_BLOCK_ROWS ? (int)left : BS_BLOCK_ROWS;
}

#endif
