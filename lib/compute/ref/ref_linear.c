/*
 * The linear layer: y[R, N] = x[R, M] weight[N, M]^T + bias[N], and its gradients
 *     dx[R, M] = dy[R, N] weight,  dweight[N, M] += dy^T x,  dbias[N] += sum of dy.
 * Weights are rounded to the precision where they are multiplied; so are rows in tf32. In
 * int8, rows of x and of weight are q s with whole numbers q of at most 127 and
 * s = largest |value| / 127, so that y = sum(q q') s s' + bias.
 */
#include "compute/ref/ref.h"

#include <math.h>

/* A factor as products of these weights see it. */
static float factor(const struct bs_weights *w, float value) {
    switch (w->precision) {
    case BS_PRECISION_BF16:
        return bs_bf16_round(value);
    case BS_PRECISION_FP16:
        return bs_f16_round(value);
    case BS_PRECISION_TF32:
        return bs_tf32_round(value);
    default:
        return value;
    }
}

/* The scale of a row in int8; 1 where all of it is nothing. */
static float int8_scale(struct bs_rows rows, int64_t row) {
    float most = 0;
    for (int64_t c = 0; c < rows.columns; c++) {
        float size = fabsf(ref_get(rows, row, c));
        most = size > most || isnan(size) ? size : most;
    }
    return most < 1e-30F ? 1 : most / 127;
}

static double int8_dot(struct bs_rows x, int64_t r, float x_scale, struct bs_rows weight,
                       int64_t n, float weight_scale) {
    double sum = 0;
    float x_inverse = 1 / x_scale, weight_inverse = 1 / weight_scale;
    for (int64_t m = 0; m < x.columns; m++)
        sum += (double)rintf(ref_get(x, r, m) * x_inverse) *
               (double)rintf(ref_get(weight, n, m) * weight_inverse);
    return sum * (double)x_scale * (double)weight_scale;
}

static void linear_int8(struct bs_rows weight, const float *bias, struct bs_rows x,
                        struct bs_rows y) {
    for (int64_t n = 0; n < y.columns; n++) {
        float weight_scale = int8_scale(weight, n);
        for (int64_t r = 0; r < x.rows; r++)
            ref_set(y, r, n,
                    bias[n] + int8_dot(x, r, int8_scale(x, r), weight, n, weight_scale));
    }
}

void ref_linear(struct bs_queue *q, const struct bs_weights *w, struct bs_linear linear,
                struct bs_rows x, struct bs_rows y) {
    (void)q;
    const float *weight = w->slots[linear.weight].value;
    const float *bias = w->slots[linear.bias].value;
    if (w->precision == BS_PRECISION_INT8) {
        struct bs_rows rows = {(void *)weight, BS_F32, y.columns, x.columns, x.columns};
        linear_int8(rows, bias, x, y);
        return;
    }
    for (int64_t r = 0; r < x.rows; r++) {
        for (int64_t n = 0; n < y.columns; n++) {
            double sum = bias[n];
            for (int64_t m = 0; m < x.columns; m++)
                sum += (double)factor(w, ref_get(x, r, m)) *
                       factor(w, weight[n * x.columns + m]);
            ref_set(y, r, n, sum);
        }
    }
}

static void input_gradient(const struct bs_weights *w, const float *weight,
                           struct bs_rows dy, struct bs_rows dx, bool accumulate) {
    for (int64_t r = 0; r < dx.rows; r++) {
        for (int64_t m = 0; m < dx.columns; m++) {
            double sum = accumulate ? ref_get(dx, r, m) : 0;
            for (int64_t n = 0; n < dy.columns; n++)
                sum += (double)factor(w, ref_get(dy, r, n)) *
                       factor(w, weight[n * dx.columns + m]);
            ref_set(dx, r, m, sum);
        }
    }
}

static void weight_gradient(const struct bs_weights *w, float *dweight, struct bs_rows x,
                            struct bs_rows dy) {
    for (int64_t n = 0; n < dy.columns; n++) {
        for (int64_t m = 0; m < x.columns; m++) {
            double sum = 0;
            for (int64_t r = 0; r < x.rows; r++)
                sum += (double)factor(w, ref_get(dy, r, n)) * factor(w, ref_get(x, r, m));
            dweight[n * x.columns + m] += (float)sum;
        }
    }
}

static void bias_gradient(float *dbias, struct bs_rows dy) {
    for (int64_t n = 0; n < dy.columns; n++) {
        double sum = 0;
        for (int64_t r = 0; r < dy.rows; r++)
            sum += ref_get(dy, r, n);
        dbias[n] += (float)sum;
    }
}

void ref_linear_backward(struct bs_queue *q, struct bs_weights *w,
                         struct bs_linear linear, struct bs_rows x, struct bs_rows dy,
                         struct bs_rows dx, bool accumulate) {
    (void)q;
    if (bs_weights_trains(w, linear.weight))
        weight_gradient(w, w->slots[linear.weight].gradient, x, dy);
    if (bs_weights_trains(w, linear.bias))
        bias_gradient(w->slots[linear.bias].gradient, dy);
    if (dx.data)
        input_gradient(w, w->slots[linear.weight].value, dy, dx, accumulate);
}
