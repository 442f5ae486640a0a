/*
 * The linear layer: y[R, N] = x[R, M] weight[N, M]^T + bias[N], and its gradients
 *     dx[R, M] = dy[R, N] weight,  dweight[N, M] += dy^T x,  dbias[N] += sum of dy.
 * In bf16 the weights are rounded to bf16 where they are multiplied.
 */
#include "compute/ref/ref.h"

/* Element of a weight as products see it. */
static float weight_at(const struct bs_weights *w, const float *weight, int64_t at) {
    return w->precision == BS_PRECISION_BF16 ? bs_bf16_round(weight[at]) : weight[at];
}

void ref_linear(struct bs_queue *q, const struct bs_weights *w, struct bs_linear linear,
                struct bs_rows x, struct bs_rows y) {
    (void)q;
    const float *weight = w->slots[linear.weight].value;
    const float *bias = w->slots[linear.bias].value;
    for (int64_t r = 0; r < x.rows; r++) {
        for (int64_t n = 0; n < y.columns; n++) {
            double sum = bias[n];
            for (int64_t m = 0; m < x.columns; m++)
                sum += (double)ref_get(x, r, m) * weight_at(w, weight, n * x.columns + m);
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
                sum +=
                    (double)ref_get(dy, r, n) * weight_at(w, weight, n * dx.columns + m);
            ref_set(dx, r, m, sum);
        }
    }
}

static void weight_gradient(float *dweight, struct bs_rows x, struct bs_rows dy) {
    for (int64_t n = 0; n < dy.columns; n++) {
        for (int64_t m = 0; m < x.columns; m++) {
            double sum = 0;
            for (int64_t r = 0; r < x.rows; r++)
                sum += (double)ref_get(dy, r, n) * ref_get(x, r, m);
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
        weight_gradient(w->slots[linear.weight].gradient, x, dy);
    if (bs_weights_trains(w, linear.bias))
        bias_gradient(w->slots[linear.bias].gradient, dy);
    if (dx.data)
        input_gradient(w, w->slots[linear.weight].value, dy, dx, accumulate);
}
