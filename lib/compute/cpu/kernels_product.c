/* Matrix products on panels: a block of rows by one panel stays in registers while k goes
 * by. Long k is cut, so that a panel's part stays in the first cache for all rows; what
 * stands in c between two parts changes no bits. */
#include "compute/cpu/kernels_parts.h"

enum { BLOCK_ROWS = 6, MOST_K = 384, VECTORS = BS_CPU_PANEL / BS_LANES };

/* Where a block's sums begin. */
enum beginning { AT_ZERO, AT_BIAS, AT_C };

/* c[rows, panel] from k steps; `rows` is a constant where this is expanded. */
BS_INLINE void block(const struct bs_cpu_product *p, const float *a, const float *b,
                     int64_t k, enum beginning beginning, const float *bias, float *c,
                     int64_t c_row, int rows) {
    vf sum[BLOCK_ROWS][VECTORS];
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; v++)
            sum[r][v] = beginning == AT_C      ? vload(c + r * c_row + v * BS_LANES)
                        : beginning == AT_BIAS ? vload(bias + v * BS_LANES)
                                               : (vf){0};
    for (int64_t i = 0; i < k; i++) {
        vf column[VECTORS];
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; v++)
            column[v] = vload(b + v * BS_LANES);
#pragma GCC unroll 6
        for (int r = 0; r < rows; r++) {
            vf left = vsplat(a[r * p->a_row]);
#pragma GCC unroll 4
            for (int v = 0; v < VECTORS; v++)
                sum[r][v] = vfma(left, column[v], sum[r][v]);
        }
        a += p->a_column;
        b += BS_CPU_PANEL;
    }
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; v++)
            vstore(c + r * c_row + v * BS_LANES, sum[r][v]);
}

/* Sixes, and fours or threes rather than one or two rows, which would wait for their
 * own sums. */
static int rows_of_block(int64_t left) {
    if (left == 7 || left == 8)
        return 4;
    return left < BLOCK_ROWS ? (int)left : BLOCK_ROWS;
}

static void any_block(const struct bs_cpu_product *p, const float *a, const float *b,
                      int64_t k, enum beginning beginning, const float *bias, float *c,
                      int64_t c_row, int rows) {
    switch (rows) {
    case 1:
        return block(p, a, b, k, beginning, bias, c, c_row, 1);
    case 2:
        return block(p, a, b, k, beginning, bias, c, c_row, 2);
    case 3:
        return block(p, a, b, k, beginning, bias, c, c_row, 3);
    case 4:
        return block(p, a, b, k, beginning, bias, c, c_row, 4);
    case 5:
        return block(p, a, b, k, beginning, bias, c, c_row, 5);
    default:
        return block(p, a, b, k, beginning, bias, c, c_row, BLOCK_ROWS);
    }
}

/* Columns of c that a panel has; the others of its vectors go by way of `edge`. */
static void narrow_block(const struct bs_cpu_product *p, const float *a, const float *b,
                         int64_t k, enum beginning beginning, const float *bias, float *c,
                         int64_t columns, int rows) {
    float edge[BLOCK_ROWS][BS_CPU_PANEL] = {{0}}, edge_bias[BS_CPU_PANEL] = {0};
    size_t bytes = (size_t)columns * sizeof(float);
    if (beginning == AT_BIAS)
        memcpy(edge_bias, bias, bytes);
    for (int r = 0; beginning == AT_C && r < rows; r++)
        memcpy(edge[r], c + r * p->c_row, bytes);
    any_block(p, a, b, k, beginning, edge_bias, edge[0], BS_CPU_PANEL, rows);
    for (int r = 0; r < rows; r++)
        memcpy(c + r * p->c_row, edge[r], bytes);
}

/* Columns `column` .. of c, steps first .. first + k. */
static void panel(const struct bs_cpu_product *p, int64_t column, int64_t first,
                  int64_t k) {
    const float *b = p->b + column / BS_CPU_PANEL * p->b_panel + first * BS_CPU_PANEL;
    const float *bias = p->bias ? p->bias + column : NULL;
    enum beginning beginning = first || p->accumulate ? AT_C : bias ? AT_BIAS : AT_ZERO;
    int64_t columns = p->n - column;
    for (int64_t row = 0; row < p->m;) {
        const float *a = p->a + row * p->a_row + first * p->a_column;
        float *c = p->c + row * p->c_row + column;
        int rows = rows_of_block(p->m - row);
        if (columns >= BS_CPU_PANEL)
            any_block(p, a, b, k, beginning, bias, c, p->c_row, rows);
        else
            narrow_block(p, a, b, k, beginning, bias, c, columns, rows);
        row += rows;
    }
}

void panel_product(const struct bs_cpu_product *p) {
    for (int64_t first = 0; first < p->k; first += MOST_K) {
        int64_t left = p->k - first;
        for (int64_t column = 0; column < p->n; column += BS_CPU_PANEL)
            panel(p, column, first, left < MOST_K ? left : MOST_K);
    }
}

/* `columns` is a constant where this is expanded and a panel is full. */
BS_INLINE void pack_turned(struct bs_rows from, int64_t first, int64_t columns,
                           float *to) {
    const float *values = (const float *)from.data + first * from.stride;
    for (int64_t i = 0; i < from.columns; i++, to += BS_CPU_PANEL)
#pragma GCC unroll 16
        for (int64_t j = 0; j < BS_CPU_PANEL; j++)
            to[j] = j < columns ? values[j * from.stride + i] : 0;
}

void pack_panel(struct bs_rows from, bool turned, int64_t panel, float *to) {
    int64_t first = panel * BS_CPU_PANEL, all = turned ? from.rows : from.columns;
    int64_t columns = all - first < BS_CPU_PANEL ? all - first : BS_CPU_PANEL;
    if (turned && columns == BS_CPU_PANEL)
        return pack_turned(from, first, BS_CPU_PANEL, to);
    if (turned)
        return pack_turned(from, first, columns, to);
    for (int64_t i = 0; i < from.rows; i++)
        for (int v = 0; v < VECTORS; v++, to += BS_LANES) {
            int64_t at = v * BS_LANES, left = columns - at;
            vstore(to, left > 0 ? vload_row(row_of(from, i), from.type, first + at, left)
                                : (vf){0});
        }
}
