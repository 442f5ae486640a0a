/*
 * Layer norm (Ba, Kiros, Hinton, "Layer Normalization", 2016): every row gets mean 0
 * and variance 1, then a gain and a bias for each column.
 */
#include "compute/ref/ref.h"

#include <math.h>

static double row_mean(struct bs_rows x, int64_t row) {
    double sum = 0;
    for (int64_t c = 0; c < x.columns; c++)
        sum += ref_get(x, row, c);
    return sum / (double)x.columns;
}

static double row_variance(struct bs_rows x, int64_t row, double mean) {
    double sum = 0;
    for (int64_t c = 0; c < x.columns; c++) {
        double distance = ref_get(x, row, c) - mean;
        sum += distance * distance;
    }
    return sum / (double)x.columns;
}

void ref_layer_norm(struct bs_queue *q, const struct bs_weights *w, struct bs_norm norm,
                    struct bs_rows x, struct bs_rows stats, struct bs_rows y,
                    struct bs_rows y_low) {
    (void)q;
    const float *gain = w->slots[norm.gain].value;
    const float *bias = w->slots[norm.bias].value;
    for (int64_t r = 0; r < x.rows; r++) {
        double mean = row_mean(x, r);
        double inverse = 1 / sqrt(row_variance(x, r, mean) + norm.epsilon);
        if (stats.data) {
            ref_set(stats, r, 0, mean);
            ref_set(stats, r, 1, inverse);
        }
        for (int64_t c = 0; c < x.columns; c++) {
            double value = gain[c] * ((ref_get(x, r, c) - mean) * inverse) + bias[c];
            ref_set(y, r, c, value);
            if (y_low.data)
                ref_set(y_low, r, c, value);
        }
    }
}

/* The normalised value, n = (x - mean) / sqrt(variance + epsilon). */
static double normal(struct bs_rows x, struct bs_rows stats, int64_t r, int64_t c) {
    return ((double)ref_get(x, r, c) - ref_get(stats, r, 0)) * ref_get(stats, r, 1);
}

static void parameter_gradients(struct bs_weights *w, struct bs_norm norm,
                                struct bs_rows x, struct bs_rows stats,
                                struct bs_rows dy) {
    for (int64_t c = 0; c < x.columns; c++) {
        double dgain = 0, dbias = 0;
        for (int64_t r = 0; r < x.rows; r++) {
            dgain += ref_get(dy, r, c) * normal(x, stats, r, c);
            dbias += ref_get(dy, r, c);
        }
        if (bs_weights_trains(w, norm.gain))
            w->slots[norm.gain].gradient[c] += (float)dgain;
        if (bs_weights_trains(w, norm.bias))
            w->slots[norm.bias].gradient[c] += (float)dbias;
    }
}

/* With g = dy * gain: dx = (g - mean(g) - n * mean(g * n)) / sqrt(variance + epsilon),
 * the means being those of the row. */
void ref_layer_norm_backward(struct bs_queue *q, struct bs_weights *w,
                             struct bs_norm norm, struct bs_rows x, struct bs_rows stats,
                             struct bs_rows dy, struct bs_rows dx) {
    (void)q;
    const float *gain = w->slots[norm.gain].value;
    parameter_gradients(w, norm, x, stats, dy);
    for (int64_t r = 0; r < x.rows; r++) {
        double mean_g = 0, mean_gn = 0;
        for (int64_t c = 0; c < x.columns; c++) {
            double g = (double)ref_get(dy, r, c) * gain[c];
            mean_g += g;
            mean_gn += g * normal(x, stats, r, c);
        }
        mean_g /= (double)x.columns;
        mean_gn /= (double)x.columns;
        for (int64_t c = 0; c < x.columns; c++) {
            double g = (double)ref_get(dy, r, c) * gain[c];
            double n = normal(x, stats, r, c);
            ref_set(dx, r, c, (g - mean_g - n * mean_gn) * ref_get(stats, r, 1));
        }
    }
}
