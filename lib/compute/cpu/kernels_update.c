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

void adamw_chunk(const struct bs_cpu_adamw *a, float *value, float *gradient,
                 float *moment1, float *moment2, int64_t count) {
    for (int64_t i = 0; i < count; i += BS_LANES) {
        int64_t n = count - i;
        vf g = vload_row(gradient, BS_F32, i, n) * a->factor;
        vf p = vload_row(value, BS_F32, i, n) * a->decay;
        vf m = vload_row(moment1, BS_F32, i, n);
        vf v = vload_row(moment2, BS_F32, i, n);
        m = m + (1.0F - a->beta1) * (g - m);
        v = a->beta2 * v + (1.0F - a->beta2) * g * g;
        p = p - a->step_size * m / (vsqrt(v) * a->root + a->epsilon);
        vstore_row(value, BS_F32, i, n, p);
        vstore_row(moment1, BS_F32, i, n, m);
        vstore_row(moment2, BS_F32, i, n, v);
        vstore_row(gradient, BS_F32, i, n, (vf){0});
    }
}
