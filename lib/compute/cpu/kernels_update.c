/* The optimizer's pass over a chunk of one parameter. */
#include "compute/cpu/kernels_parts.h"

/* In double, eight lanes at a time whatever the instruction set: large gradients do not
 * overflow before they are clipped. */
double sum_of_squares(const float *x, int64_t n) {
    double lane[8] = {0};
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (int j = 0; j < 8; j++)
            lane[j] += (double)x[i + j] * (double)x[i + j];
    for (; i < n; i++)
        lane[0] += (double)x[i] * (double)x[i];
    double total = 0;
    for (int j = 0; j < 8; j++)
        total += lane[j];
    return total;
}

/* n elements, at most BS_LANES. The operations of torch.optim.AdamW in their order; the
 * divisions, which would take most of the time, are approximated closely. */
BS_INLINE void adamw_vector(const struct bs_adamw_factors *f, float *value,
                            float *gradient, float *moment1, float *moment2, int64_t n) {
    vf g = vload_row(gradient, BS_F32, 0, n) * f->gradient;
    vf p = vload_row(value, BS_F32, 0, n) * f->keep;
    vf m = vload_row(moment1, BS_F32, 0, n);
    vf v = vload_row(moment2, BS_F32, 0, n);
    m = f->lerp < 0.5F ? m + f->lerp * (g - m) : g - (g - m) * (1.0F - f->lerp);
    v = v * f->beta2 + f->square * g * g;
    p = p + vquotient(f->step * m, vsqrt(v) * f->inverse_root + f->epsilon);
    vstore_row(value, BS_F32, 0, n, p);
    vstore_row(moment1, BS_F32, 0, n, m);
    vstore_row(moment2, BS_F32, 0, n, v);
    vstore_row(gradient, BS_F32, 0, n, (vf){0});
}

void adamw_chunk(const struct bs_adamw_factors *f, float *value, float *gradient,
                 float *moment1, float *moment2, int64_t n) {
    int64_t i = 0;
    for (; i + BS_LANES <= n; i += BS_LANES)
        adamw_vector(f, value + i, gradient + i, moment1 + i, moment2 + i, BS_LANES);
    if (i < n)
        adamw_vector(f, value + i, gradient + i, moment1 + i, moment2 + i, n - i);
}
