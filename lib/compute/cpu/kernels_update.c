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

/* The operations of torch.optim.AdamW in their order, each rounded: no fused ones. */
void adamw_chunk(const struct bs_cpu_adamw *a, float *value, float *gradient,
                 float *moment1, float *moment2, int64_t count) {
    bool near = a->lerp < 0.5F;
    for (int64_t i = 0; i < count; i += BS_LANES) {
        int64_t n = count - i;
        vf g = vload_row(gradient, BS_F32, i, n) * a->clip;
        vf p = vload_row(value, BS_F32, i, n) * a->keep;
        vf m = vload_row(moment1, BS_F32, i, n);
        vf v = vload_row(moment2, BS_F32, i, n);
        m = near ? m + a->lerp * (g - m) : g - (g - m) * (1.0F - a->lerp);
        v = v * a->beta2 + a->square * g * g;
        p = p + a->step * m / (vsqrt(v) / a->root + a->epsilon);
        vstore_row(value, BS_F32, i, n, p);
        vstore_row(moment1, BS_F32, i, n, m);
        vstore_row(moment2, BS_F32, i, n, v);
        vstore_row(gradient, BS_F32, i, n, (vf){0});
    }
}
