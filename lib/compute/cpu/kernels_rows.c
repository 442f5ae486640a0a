/* Kernels that go through rows element by element: copies, activations, sums. */
#include "compute/cpu/gelu.h"
#include "compute/cpu/kernels_parts.h"

typedef vf one_to_one(vf x);
typedef vf two_to_one(vf a, vf b);

/* Types are constants where these are expanded, and so is the number of elements of all
 * vectors but the last. */
BS_INLINE void map_row(const void *from, enum bs_type type, void *to,
                       enum bs_type to_type, int64_t columns, one_to_one *function) {
    int64_t c = 0;
    for (; c + BS_LANES <= columns; c += BS_LANES)
        vstore_row(to, to_type, c, BS_LANES,
                   function(vload_row(from, type, c, BS_LANES)));
    if (c < columns)
        vstore_row(to, to_type, c, columns - c,
                   function(vload_row(from, type, c, columns - c)));
}

BS_INLINE void map(struct bs_rows x, struct bs_rows y, one_to_one *function) {
    for (int64_t r = 0; r < x.rows; r++) {
        const void *from = row_of(x, r);
        void *to = row_of(y, r);
        if (x.type == BS_F32 && y.type == BS_F32)
            map_row(from, BS_F32, to, BS_F32, x.columns, function);
        else if (x.type == BS_BF16 && y.type == BS_BF16)
            map_row(from, BS_BF16, to, BS_BF16, x.columns, function);
        else
            map_row(from, x.type, to, y.type, x.columns, function);
    }
}

BS_INLINE void map2_row(const void *a, enum bs_type a_type, const void *b,
                        enum bs_type b_type, void *to, enum bs_type to_type,
                        int64_t columns, two_to_one *function) {
    int64_t c = 0;
    for (; c + BS_LANES <= columns; c += BS_LANES)
        vstore_row(to, to_type, c, BS_LANES,
                   function(vload_row(a, a_type, c, BS_LANES),
                            vload_row(b, b_type, c, BS_LANES)));
    int64_t n = columns - c;
    if (n > 0)
        vstore_row(to, to_type, c, n,
                   function(vload_row(a, a_type, c, n), vload_row(b, b_type, c, n)));
}

BS_INLINE void map2(struct bs_rows a, struct bs_rows b, struct bs_rows y,
                    two_to_one *function) {
    bool wide = a.type == BS_F32 && b.type == BS_F32 && y.type == BS_F32;
    bool narrow = a.type == BS_BF16 && b.type == BS_BF16 && y.type == BS_BF16;
    for (int64_t r = 0; r < a.rows; r++) {
        const void *from_a = row_of(a, r), *from_b = row_of(b, r);
        void *to = row_of(y, r);
        if (wide)
            map2_row(from_a, BS_F32, from_b, BS_F32, to, BS_F32, a.columns, function);
        else if (narrow)
            map2_row(from_a, BS_BF16, from_b, BS_BF16, to, BS_BF16, a.columns, function);
        else
            map2_row(from_a, a.type, from_b, b.type, to, y.type, a.columns, function);
    }
}

BS_INLINE vf same(vf x) {
    return x;
}

BS_INLINE vf rounded(vf x) {
    return vwiden(vnarrow(x));
}

BS_INLINE vf sum(vf a, vf b) {
    return a + b;
}

BS_INLINE vf gelu_gradient(vf x, vf dy) {
    return dy * vgelu_slope(x);
}

BS_INLINE vf gelu_gradient_low(vf x, vf dy) {
    return dy * vgelu_slope_low(x);
}

BS_INLINE vf tanh_each(vf x) {
    for (int i = 0; i < BS_LANES; i++)
        x[i] = tanhf(x[i]);
    return x;
}

BS_INLINE vf tanh_gradient(vf y, vf dy) {
    return dy * (1.0F - y * y);
}

void copy_rows(struct bs_rows x, struct bs_rows y) {
    size_t bytes = (size_t)x.columns * (x.type == BS_F32 ? sizeof(float) : 2);
    if (x.type != y.type)
        map(x, y, same);
    else
        for (int64_t r = 0; r < x.rows; r++)
            memcpy(row_of(y, r), row_of(x, r), bytes);
}

void add_rows(struct bs_rows x, struct bs_rows y) {
    map2(x, y, y, sum);
}

void round_floats(const float *x, float *y, int64_t n) {
    map_row(x, BS_F32, y, BS_F32, n, rounded);
}

void gelu_rows(struct bs_rows x, struct bs_rows y) {
    if (y.type == BS_F32)
        map(x, y, vgelu);
    else
        map(x, y, vgelu_low);
}

void gelu_backward_rows(struct bs_rows pre, struct bs_rows dy, struct bs_rows dpre) {
    if (dpre.type == BS_F32)
        map2(pre, dy, dpre, gelu_gradient);
    else
        map2(pre, dy, dpre, gelu_gradient_low);
}

void tanh_rows(struct bs_rows x, struct bs_rows y) {
    map(x, y, tanh_each);
}

void tanh_backward_rows(struct bs_rows y, struct bs_rows dy, struct bs_rows dpre) {
    map2(y, dy, dpre, tanh_gradient);
}

void sum_columns(struct bs_rows x, float *sums) {
    for (int64_t c = 0; c < x.columns; c += BS_LANES) {
        int64_t n = x.columns - c;
        vf total = {0};
        for (int64_t r = 0; r < x.rows; r++)
            total += vload_row(row_of(x, r), x.type, c, n);
        vstore_row(sums, BS_F32, c, n, vload_row(sums, BS_F32, c, n) + total);
    }
}
