/* Layer norm, forward and backward, row by row. */
#include "compute/cpu/kernels_parts.h"

struct moments {
    float mean, inverse; /* of the deviation */
};

/* Lanes of a row go by twice: n is BS_LANES, a constant, but for the last ones. */

BS_INLINE vf add_lanes(const void *x, enum bs_type type, const float *residual,
                       float *sum, int64_t c, int64_t n) {
    vf v = vload_row(x, type, c, n);
    if (residual) {
        v += vload_row(residual, BS_F32, c, n);
        vstore_row(sum, BS_F32, c, n, v);
    }
    return v;
}

/* The sum of a row, whose residual is added on the way. */
BS_INLINE vf add_row(const void *x, enum bs_type type, const float *residual, float *sum,
                     int64_t columns) {
    vf total = {0};
    int64_t c = 0;
    for (; c + BS_LANES <= columns; c += BS_LANES)
        total += add_lanes(x, type, residual, sum, c, BS_LANES);
    if (c < columns)
        total += add_lanes(x, type, residual, sum, c, columns - c);
    return total;
}

static struct moments row_moments(const float *x, vf total, int64_t columns,
                                  float epsilon) {
    vf spread = {0};
    float mean = vsum(total) / (float)columns;
    int64_t c = 0;
    for (; c + BS_LANES <= columns; c += BS_LANES) {
        vf d = vload(x + c) - mean;
        spread = vfma(d, d, spread);
    }
    if (c < columns) {
        vf d = vload_row(x, BS_F32, c, columns - c) - mean;
        d = (vf)((vi)d & vfirst(columns - c));
        spread = vfma(d, d, spread);
    }
    float variance = vsum(spread) / (float)columns;
    return (struct moments){mean, 1.0F / sqrtf(variance + epsilon)};
}

struct norm_row {
    const float *gain, *bias, *x;
    void *y, *y_low; /* y_low of bf16, or NULL */
    struct moments moments;
};

BS_INLINE void norm_lanes(const struct norm_row *row, int64_t c, int64_t n) {
    vf v = (vload_row(row->x, BS_F32, c, n) - row->moments.mean) * row->moments.inverse;
    v = vfma(v, vload_row(row->gain, BS_F32, c, n), vload_row(row->bias, BS_F32, c, n));
    vstore_row(row->y, BS_F32, c, n, v);
    if (row->y_low)
        vstore_row(row->y_low, BS_BF16, c, n, v);
}

void layer_norm_rows(const float *gain, const float *bias, float epsilon,
                     struct bs_rows x, struct bs_rows residual, struct bs_rows sum,
                     struct bs_rows stats, struct bs_rows y, struct bs_rows y_low) {
    for (int64_t r = 0; r < x.rows; r++) {
        float *from = row_of(sum, r);
        const float *added = residual.data ? row_of(residual, r) : NULL;
        vf total = x.type == BS_F32
                       ? add_row(row_of(x, r), BS_F32, added, from, x.columns)
                       : add_row(row_of(x, r), BS_BF16, added, from, x.columns);
        struct moments m = row_moments(from, total, x.columns, epsilon);
        struct norm_row row = {.gain = gain, .bias = bias, .x = from, .moments = m};
        row.y = row_of(y, r);
        row.y_low = y_low.data ? row_of(y_low, r) : NULL;
        int64_t c = 0;
        for (; c + BS_LANES <= x.columns; c += BS_LANES)
            norm_lanes(&row, c, BS_LANES);
        if (c < x.columns)
            norm_lanes(&row, c, x.columns - c);
        if (stats.data)
            memcpy(row_of(stats, r), &m, sizeof m);
    }
}

/* Adds one row to the sums for gain and bias. */
static void add_gradients(const float *x, const float *dy, int64_t columns,
                          struct moments m, float *sums) {
    for (int64_t c = 0; c < columns; c += BS_LANES) {
        int64_t n = columns - c;
        vf d = vload_row(dy, BS_F32, c, n);
        vf normal = (vload_row(x, BS_F32, c, n) - m.mean) * m.inverse;
        vf gain = vfma(d, normal, vload_row(sums, BS_F32, c, n));
        vf bias = d + vload_row(sums + columns, BS_F32, c, n);
        vstore_row(sums, BS_F32, c, n, gain);
        vstore_row(sums + columns, BS_F32, c, n, bias);
    }
}

/* With g = gain dy and n the normalised row:
 * dx = inverse (g - mean(g) - n mean(g n)). */
void layer_norm_back_rows(const float *gain, struct bs_rows x, struct bs_rows stats,
                          struct bs_rows dy, struct bs_rows dx, float *sums) {
    int64_t columns = x.columns;
    for (int64_t r = 0; r < x.rows; r++) {
        const float *value = row_of(x, r), *d = row_of(dy, r);
        struct moments m;
        memcpy(&m, row_of(stats, r), sizeof m);
        vf total = {0}, product = {0};
        for (int64_t c = 0; c < columns; c += BS_LANES) {
            int64_t n = columns - c;
            vf g = vload_row(gain, BS_F32, c, n) * vload_row(d, BS_F32, c, n);
            vf normal = (vload_row(value, BS_F32, c, n) - m.mean) * m.inverse;
            total += g; /* lanes beyond the row: g is 0 */
            product = vfma(g, normal, product);
        }
        if (sums)
            add_gradients(value, d, columns, m, sums);
        float mean_g = vsum(total) / (float)columns;
        float mean_gn = vsum(product) / (float)columns;
        for (int64_t c = 0; c < columns; c += BS_LANES) {
            int64_t n = columns - c;
            vf g = vload_row(gain, BS_F32, c, n) * vload_row(d, BS_F32, c, n);
            vf normal = (vload_row(value, BS_F32, c, n) - m.mean) * m.inverse;
            vf v = (g - mean_g - normal * mean_gn) * m.inverse;
            vstore_row(row_of(dx, r), dx.type, c, n, v);
        }
    }
}
