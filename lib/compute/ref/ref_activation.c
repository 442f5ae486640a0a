/*
 * GELU (Hendrycks, Gimpel, "Gaussian Error Linear Units", 2016) in its exact form,
 * x * Phi(x) with Phi the normal distribution function, and tanh.
 */
#include "compute/ref/ref.h"

#include <math.h>

static double normal_cdf(double x) {
    return 0.5 * (1 + erf(x * M_SQRT1_2));
}

static double normal_density(double x) {
    return exp(-0.5 * x * x) * (0.5 * M_2_SQRTPI * M_SQRT1_2);
}

void ref_activate(struct bs_queue *q, enum bs_activation activation, struct bs_rows x,
                  struct bs_rows y) {
    (void)q;
    for (int64_t r = 0; r < x.rows; r++) {
        for (int64_t c = 0; c < x.columns; c++) {
            double value = ref_get(x, r, c);
            ref_set(y, r, c,
                    activation == BS_GELU ? value * normal_cdf(value) : tanh(value));
        }
    }
}

void ref_gelu_backward(struct bs_queue *q, struct bs_rows pre, struct bs_rows dy,
                       struct bs_rows dpre) {
    (void)q;
    for (int64_t r = 0; r < pre.rows; r++) {
        for (int64_t c = 0; c < pre.columns; c++) {
            double x = ref_get(pre, r, c);
            double slope = normal_cdf(x) + x * normal_density(x);
            ref_set(dpre, r, c, ref_get(dy, r, c) * slope);
        }
    }
}

void ref_tanh_backward(struct bs_queue *q, struct bs_rows y, struct bs_rows dy,
                       struct bs_rows dpre) {
    (void)q;
    for (int64_t r = 0; r < y.rows; r++) {
        for (int64_t c = 0; c < y.columns; c++) {
            double value = ref_get(y, r, c);
            ref_set(dpre, r, c, ref_get(dy, r, c) * (1 - value * value));
        }
    }
}
